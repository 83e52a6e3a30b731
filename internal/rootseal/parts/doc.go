// Package parts keeps the root of trust in several parts.
//
// A part is one of three things: a store, which is a directory with the head,
// the frontiers and a share of the root; a vault, which is a device that forgets
// ([rootseal.Vault]); or a gate, which lasts and only keeps out
// ([rootseal.Gate]). A [Set] names the parts and the holders. A holder is some of
// the parts, at least one of them a store, and opens when all of them are there.
//
//	one holder of two stores    a split: destroying either one forgets
//	two holders of one store    a mirror: either one opens, both must forget
//	a holder of store and gate  a root that a copy of the store does not open
//
// For each epoch every store of a holder draws a share of its own, every vault a
// secret, and every gate derives a mask. From all of them together, the number of
// the epoch and the digest of the set, a key is derived, which seals the root.
// The sealed root lies in the stores beside the head. So the root of an epoch
// opens through a holder whose parts are all whole, and through nothing less:
// without one share, one secret or one mask, and under an altered set, there is
// no key.
//
// A change of the epoch is written to every part before the old one is destroyed
// anywhere. A part that is missing blocks it, until it is back or removed.
//
// Source: docs/spec/root-store.md, which is normative.
package parts
