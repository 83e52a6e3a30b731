package sealed

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
)

// A PartBinding is what a part key says of its part.
type PartBinding struct {
	Upload  string // the upload's ID
	Number  uint32
	Content Content
}

// appendTo appends the canonical encoding of b.
func (b *PartBinding) appendTo(dst []byte) []byte {
	dst = appendString(dst, b.Upload)
	dst = binary.BigEndian.AppendUint32(dst, b.Number)
	return b.Content.appendTo(dst)
}

// partContext returns the info string and the additional data of the box of one
// layer.
func partContext(layer int, b *PartBinding) (string, []byte) {
	n := byte(layer + 1)
	aad := make([]byte, 0, 256+len(b.Upload))
	return info(infoPart, byte(b.Content.Suite), n), b.appendTo(append(aad, Version, n))
}

// checkPart returns ErrFormat unless keys fit the binding.
func checkPart(upload Keys, b *PartBinding) error {
	if err := b.Content.check(false); err != nil {
		return fmt.Errorf("part key: %w", err)
	}
	if upload.Suite() != b.Content.Suite {
		return fmt.Errorf("part key: %w: %d keys for suite %v", ErrFormat, len(upload), b.Content.Suite)
	}
	return nil
}

// SealPartKey seals the data keys of a part under the keys of its upload. The
// content ID of the part, fresh as it is, serves as salt: each part key is
// sealed under a key of its own.
//
// It returns ErrFormat if the keys do not fit the suite of the part.
func SealPartKey(upload, part Keys, b PartBinding) ([]byte, error) {
	if err := checkPart(upload, &b); err != nil {
		return nil, err
	}
	if err := checkPart(part, &b); err != nil {
		return nil, err
	}
	out := make([]byte, 0, 1+len(part)*keyBox)
	out = append(out, Version)
	for i := range part {
		info, aad := partContext(i, &b)
		out = appendBox(out, (*[KeySize]byte)(&upload[i]), &b.Content.ID, info, aad, part[i][:])
	}
	return out, nil
}

// OpenPartKey opens the data keys of a part. The caller wipes them after use.
//
// It returns ErrWrongKey if the upload keys are not those that it was sealed
// under, or the content ID differs; ErrDamaged if it was altered or belongs to
// another part; and ErrFormat if its version is unknown or the keys do not fit
// the suite.
func OpenPartKey(upload Keys, partKey []byte, b PartBinding) (Keys, error) {
	if err := checkPart(upload, &b); err != nil {
		return nil, err
	}
	if len(partKey) != 1+len(upload)*keyBox {
		return nil, fmt.Errorf("part key: %w", ErrDamaged)
	}
	if partKey[0] != Version {
		return nil, fmt.Errorf("part key: %w: version %d", ErrFormat, partKey[0])
	}
	keys := make(Keys, len(upload))
	for i := range keys {
		info, aad := partContext(i, &b)
		box := partKey[1+i*keyBox:][:keyBox]
		if err := openKey(&keys[i], (*[KeySize]byte)(&upload[i]), &b.Content.ID, info, aad, box); err != nil {
			keys.Wipe()
			return nil, fmt.Errorf("part key: %w", err)
		}
	}
	return keys, nil
}

// A PartEntry is one part in the list of an object.
type PartEntry struct {
	Number  uint32
	Content Content
	Key     []byte // from SealPartKey
}

// PartsPerChunk is how many parts one chunk of a part list holds. A reader
// checks a list chunk by chunk: 10,000 parts are 40 chunks of some 45 kB.
const PartsPerChunk = 256

// A PartChunk stands for up to PartsPerChunk parts in a row.
type PartChunk struct {
	Offset int64 // of its first byte in the object
	Hash   [32]byte
}

// PartChunks cuts the parts of an object, in the order of their numbers, into
// chunks. Every chunk but the last has PartsPerChunk parts.
func PartChunks(parts []PartEntry) []PartChunk {
	var chunks []PartChunk
	var offset int64
	for len(parts) > 0 {
		n := min(PartsPerChunk, len(parts))
		chunks = append(chunks, PartChunk{offset, hashChunk(offset, parts[:n])})
		for i := range parts[:n] {
			offset += parts[i].Content.Length
		}
		parts = parts[n:]
	}
	return chunks
}

// Verify returns ErrDamaged unless parts are those of the chunk.
func (c PartChunk) Verify(parts []PartEntry) error {
	if hashChunk(c.Offset, parts) != c.Hash {
		return fmt.Errorf("chunk of part list: %w", ErrDamaged)
	}
	return nil
}

func hashChunk(offset int64, parts []PartEntry) [32]byte {
	h := newHash("coffer/v1/part-chunk", offset, len(parts))
	var b []byte
	for i := range parts {
		p := &parts[i]
		b = binary.BigEndian.AppendUint32(b[:0], p.Number)
		b = appendString(p.Content.appendTo(b), p.Key)
		h.Write(b)
	}
	return [32]byte(h.Sum(nil))
}

// PartListHash returns the hash that [Binding] holds of an object in parts:
// of its length in bytes and of its chunks, and so of every part and its place.
func PartListHash(length int64, chunks []PartChunk) [32]byte {
	h := newHash("coffer/v1/part-list", length, len(chunks))
	var b []byte
	for i := range chunks {
		b = binary.BigEndian.AppendUint64(b[:0], uint64(chunks[i].Offset))
		h.Write(append(b, chunks[i].Hash[:]...))
	}
	return [32]byte(h.Sum(nil))
}

// newHash returns a hash over label, position and count.
func newHash(label string, position int64, count int) hash.Hash {
	b := append(make([]byte, 0, 64), label...)
	b = binary.BigEndian.AppendUint64(b, uint64(position))
	b = binary.BigEndian.AppendUint32(b, uint32(count))
	h := sha256.New()
	h.Write(b)
	return h
}
