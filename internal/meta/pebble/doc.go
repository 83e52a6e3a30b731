// Package pebble keeps a [meta.Store] in a directory, in Pebble, a log-structured
// merge tree in Go. It is the default of a single node.
//
// # Transactions
//
// Transactions are optimistic. An Update runs its function on the last
// published snapshot and notes what it reads and writes. One committer takes
// all transactions that wait, as a group: it checks that nothing a transaction
// has read was written since by an earlier group or by an earlier member of
// its own, puts the writes of the valid ones into one Pebble batch, commits
// and syncs it, publishes a new snapshot and only then answers. While one group
// is being synced the next one gathers, so concurrent transactions share one
// sync. A transaction that conflicts is run again on the new snapshot.
//
// Pebble makes a batch visible before it is synced. Nobody sees that here:
// transactions read snapshots, and those are taken after the sync.
//
// # Damage and failing disks
//
// Open verifies the logs itself, more strictly than Pebble, see checkLogs. When
// the disk is full, read-only or failing then Updates return
// [meta.ErrUnavailable], Views go on, and the store heals by itself, see disk.
package pebble
