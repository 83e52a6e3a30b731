// Package hashchain chains numbered records by SHA-256, so that the last hash
// stands for every record before it: none can be altered, taken out, put in or
// moved without changing it.
//
//	h(0) = SHA-256("coffer/hashchain/1" | 00 | id)
//	h(i) = SHA-256("coffer/hashchain/1" | 01 | h(i-1) | number | length | record)
//
// The id names the chain and may have any length. A record's number and its
// length in bytes are 64-bit big-endian integers. Numbers identify records: they
// need not be consecutive nor rise, but a chain uses each once.
//
// The byte after the domain keeps a start apart from a step, and as everything
// before the record has a fixed length, no two different steps hash the same
// bytes.
//
// Source: docs/spec/trail.md, which is normative and holds a vector.
package hashchain

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

const domain = "coffer/hashchain/1"

// Size is the length of a hash in bytes.
const Size = sha256.Size

// A Hash is one point of a chain.
type Hash [Size]byte

// String returns h in hexadecimal.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// Start returns h(0) of the chain named id.
func Start(id string) Hash {
	return sha256.Sum256([]byte(domain + "\x00" + id))
}

// Next returns the hash that follows h when the record of that number is
// appended.
func (h Hash) Next(number uint64, record []byte) Hash {
	// Most records are a few hundred bytes: one buffer and one call is then
	// faster than a running hash, and stays on the stack.
	var buf [1024]byte
	b := append(buf[:0], domain+"\x01"...)
	b = append(b, h[:]...)
	b = binary.BigEndian.AppendUint64(b, number)
	b = binary.BigEndian.AppendUint64(b, uint64(len(record)))
	if len(b)+len(record) <= len(buf) {
		return sha256.Sum256(append(b, record...))
	}
	d := sha256.New()
	d.Write(b)
	d.Write(record)
	var next Hash
	d.Sum(next[:0])
	return next
}

// A Link names a record of a chain and the hash at it.
type Link struct {
	Number uint64
	Hash   Hash
}

// A Fault is the first place where records do not fit their links.
type Fault struct {
	Kind   Kind
	Number uint64 // of the link
	// Got is the hash that the record found under Number gives; zero if it is
	// missing.
	Got Hash
}

// A Kind says what is wrong with a record.
type Kind string

// The kinds of faults.
const (
	// Altered means that the record is not the one that was chained.
	Altered Kind = "altered"
	// Missing means that no record has the number.
	Missing Kind = "missing"
	// Reordered means that the chained record is there under another number,
	// or that the record under this number is the chained one of another.
	Reordered Kind = "reordered"
	// BadLink means that the hash in the link is wrong: the record fits, as the
	// link after it shows.
	BadLink Kind = "bad link"
)

// String words the fault: "record 7 is altered".
func (f *Fault) String() string {
	if f.Kind == BadLink {
		return fmt.Sprintf("link of record %d is altered", f.Number)
	}
	return fmt.Sprintf("record %d is %s", f.Number, f.Kind)
}

// Verify checks that the records fit the links that follow prev in a chain. It
// returns nil or the first fault. Records that no link names are not looked at.
//
// Whether the links themselves are genuine follows from the last hash, which the
// caller must know from elsewhere.
func Verify(prev Hash, links []Link, records map[uint64][]byte) *Fault {
	before := prev
	for i, l := range links {
		record, ok := records[l.Number]
		if ok {
			got := before.Next(l.Number, record)
			if got == l.Hash {
				before = l.Hash
				continue
			}
			return &Fault{Kind: mismatch(prev, links, records, i, got), Number: l.Number, Got: got}
		}
		if misplaced(before, l, records) {
			return &Fault{Kind: Reordered, Number: l.Number}
		}
		return &Fault{Kind: Missing, Number: l.Number}
	}
	return nil
}

// mismatch finds out why the record at links[i] gives got.
func mismatch(prev Hash, links []Link, records map[uint64][]byte, i int, got Hash) Kind {
	if i+1 < len(links) {
		if next, ok := records[links[i+1].Number]; ok && got.Next(links[i+1].Number, next) == links[i+1].Hash {
			return BadLink
		}
	}
	before := prev
	if i > 0 {
		before = links[i-1].Hash
	}
	if misplaced(before, links[i], records) {
		return Reordered
	}
	record := records[links[i].Number]
	for j, l := range links {
		if j > 0 {
			prev = links[j-1].Hash
		}
		if prev.Next(l.Number, record) == l.Hash {
			return Reordered
		}
	}
	return Altered
}

// misplaced reports whether any record is the one that l chains after before.
func misplaced(before Hash, l Link, records map[uint64][]byte) bool {
	for _, record := range records {
		if before.Next(l.Number, record) == l.Hash {
			return true
		}
	}
	return false
}
