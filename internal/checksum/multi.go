package checksum

import "hash"

// multiBlock is how much of a Write every hash takes before the next block: it
// fits the first-level cache together with the tables of CRC64NVME, so that the
// bytes come from memory once however many hashes there are.
const multiBlock = 16 << 10

// A Multi computes several checksums of the same bytes in one pass. Make it with
// [NewMulti]. It is an io.Writer that never fails, and not safe for concurrent
// use.
type Multi struct {
	algorithms []Algorithm
	hashes     []hash.Hash
	written    int64
}

// NewMulti returns a Multi for the algorithms; one that is named twice is
// computed once.
func NewMulti(as ...Algorithm) *Multi {
	m := new(Multi)
	for _, a := range as {
		if m.hash(a) == nil {
			m.algorithms = append(m.algorithms, a)
			m.hashes = append(m.hashes, a.New())
		}
	}
	return m
}

// Write feeds p to every hash. It returns len(p), nil.
func (m *Multi) Write(p []byte) (int, error) {
	n := len(p)
	m.written += int64(n)
	if len(m.hashes) == 1 {
		m.hashes[0].Write(p)
		return n, nil
	}
	for len(p) > 0 {
		b := p[:min(len(p), multiBlock)]
		for _, h := range m.hashes {
			h.Write(b)
		}
		p = p[len(b):]
	}
	return n, nil
}

// Written returns the number of bytes written so far.
func (m *Multi) Written() int64 { return m.written }

// Sum returns the checksum so far, or nil if a is not one of the algorithms.
func (m *Multi) Sum(a Algorithm) []byte {
	if h := m.hash(a); h != nil {
		return h.Sum(nil)
	}
	return nil
}

func (m *Multi) hash(a Algorithm) hash.Hash {
	for i, have := range m.algorithms {
		if have == a {
			return m.hashes[i]
		}
	}
	return nil
}
