// Package bench is the load generator behind coffer bench. It measures one
// operation of the S3 or the KMS API against any endpoint, or starts a Coffer and
// fills a table of them next to what the machine can do.
//
// The generator usually shares the machine with the server, so it is built to
// cost little: each client is one goroutine with one connection that it writes and
// reads itself, bodies are made and hashed once, answers are read into a buffer
// that is kept, and nothing is shared between clients while they run.
//
// It is a closed loop: a client sends its next request when it has the answer to
// the last one. Latencies are therefore those of a system that is asked as fast as
// it answers, and say nothing about queues in front of it.
//
// What lies in the measured window counts, which begins after the warm-up; of an
// operation across its edges, the part that lies in it. Latencies go into buckets
// less than 1.6 % wide; the largest is exact.
//
// docs/performance.md describes the options, the JSON objects and the table.
package bench
