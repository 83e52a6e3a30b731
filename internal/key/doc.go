// Package key holds the keys: the root of trust above them, the puncturable
// trees that wrap them, and the KMS keys with their aliases and states.
//
//	root secret R(e)   fresh each epoch, the old one destroyed
//	head               the store key and 1,024 shard secrets, sealed under R(e)
//	frontiers          per shard, what remains of its tree, sealed under the shard secret
//	rows               key versions, each wrapped once and for ever under its own leaf
//
// To destroy a key, its leaf is punctured: the frontier of its shard keeps the
// siblings along the leaf's path, a new head is sealed under a fresh root
// secret, both are read back and proven, and the old root secret is destroyed.
// No row changes, so an old backup of the rows serves every living key and no
// destroyed one.
//
// Mutating methods take a function, also, that runs last in the transaction
// that makes the change: the event of the change commits with it or not at all.
// Like every transaction function it may run twice.
//
// Source: docs/spec/key-hierarchy.md, which is normative; the vectors in
// testdata/vectors are part of it.
package key
