// Package conformance tests the built program with the clients that people use,
// and with the faults that disks and machines have. It imports nothing of the
// program: what it knows, it knows through the ports and files of a server.
package conformance
