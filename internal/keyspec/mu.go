package keyspec

import (
	"bytes"
	"crypto/sha3"
	"sync"
)

// Verification of an ML-DSA signature of mu. The library signs mu, but verifies
// messages only. What is computed here is public, so it takes its time as it
// comes; the tests compare it with two libraries.
//
// Source: FIPS 204, of which the numbers of algorithms below are.

const (
	q          = 1<<23 - 1<<13 + 1 // modulus
	degree     = 256               // of the ring's polynomials
	droppedLow = 13                // d, low bits that the public key leaves out
)

// A polynomial has its coefficients modulo q, from 0 to q-1.
type polynomial [degree]uint32

// verifyMu reports whether a signature of mu is valid under a public key
// (algorithm 8, from step 8 on).
func (set *mldsaSet) verifyMu(public, mu, signature []byte) bool {
	zSize := 32 * (1 + set.gamma1Bits)
	if len(mu) != muSize || len(public) != 32+320*set.rows ||
		len(signature) != set.challenge+zSize*set.columns+set.omega+set.rows {
		return false
	}
	rho, t1 := public[:32], public[32:]
	challenge, rest := signature[:set.challenge], signature[set.challenge:]
	hints, ok := set.unpackHints(rest[zSize*set.columns:])
	if !ok {
		return false
	}
	z := make([]polynomial, set.columns)
	for i := range z {
		if !set.unpackResponse(&z[i], rest[zSize*i:zSize*(i+1)]) {
			return false
		}
		z[i].transform()
	}
	c := set.sampleInBall(challenge)
	c.transform()
	h := sha3.NewSHAKE256()
	h.Write(mu)
	for row := range set.rows {
		var w polynomial
		for column := range z {
			a := sampleUniform(rho, byte(column), byte(row))
			for i := range w {
				w[i] = add(w[i], multiply(a[i], z[column][i]))
			}
		}
		var t polynomial
		for i := range t {
			t[i] = readBits(t1[320*row:], 10, i) << droppedLow
		}
		t.transform()
		for i := range w {
			w[i] = subtract(w[i], multiply(c[i], t[i]))
		}
		w.invert()
		h.Write(set.encodeHigh(&w, &hints[row]))
	}
	again := make([]byte, set.challenge)
	h.Read(again)
	return bytes.Equal(again, challenge)
}

// unpackHints reads the positions of the hints in each row, which ascend, and the
// counts that end each row (algorithm 21).
func (set *mldsaSet) unpackHints(b []byte) ([][degree]bool, bool) {
	hints := make([][degree]bool, set.rows)
	next := 0
	for row := range hints {
		end := int(b[set.omega+row])
		if end < next || end > set.omega {
			return nil, false
		}
		for i := next; i < end; i++ {
			if i > next && b[i] <= b[i-1] {
				return nil, false
			}
			hints[row][b[i]] = true
		}
		next = end
	}
	for _, unused := range b[next:set.omega] {
		if unused != 0 {
			return nil, false
		}
	}
	return hints, true
}

// unpackResponse reads a polynomial of z, and reports whether all its
// coefficients are within gamma1 - beta.
func (set *mldsaSet) unpackResponse(p *polynomial, b []byte) bool {
	gamma1 := int32(1) << set.gamma1Bits
	for i := range p {
		v := gamma1 - int32(readBits(b, 1+set.gamma1Bits, i))
		if max(v, -v) >= gamma1-set.beta {
			return false
		}
		p[i] = uint32((v + q) % q)
	}
	return true
}

// readBits returns the i-th of the numbers with the width that are packed in b,
// low bits first (algorithm 18).
func readBits(b []byte, width, i int) uint32 {
	var v uint32
	for bit := range width {
		at := i*width + bit
		v |= uint32(b[at/8]>>(at%8)&1) << bit
	}
	return v
}

// sampleInBall returns a polynomial with tau coefficients that are 1 or -1
// (algorithm 29).
func (set *mldsaSet) sampleInBall(seed []byte) *polynomial {
	h := sha3.NewSHAKE256()
	h.Write(seed)
	var signs [8]byte
	h.Read(signs[:])
	c := new(polynomial)
	var j [1]byte
	for n := range set.tau {
		i := degree - set.tau + n
		for h.Read(j[:]); int(j[0]) > i; {
			h.Read(j[:])
		}
		c[i] = c[j[0]]
		c[j[0]] = 1
		if signs[n/8]>>(n%8)&1 == 1 {
			c[j[0]] = q - 1
		}
	}
	return c
}

// sampleUniform returns one polynomial of the matrix, transformed (algorithms 30
// and 32).
func sampleUniform(rho []byte, column, row byte) *polynomial {
	h := sha3.NewSHAKE128()
	h.Write(rho)
	h.Write([]byte{column, row})
	p := new(polynomial)
	var b [3]byte
	for i := 0; i < degree; {
		h.Read(b[:])
		if v := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2]&0x7f)<<16; v < q {
			p[i] = v
			i++
		}
	}
	return p
}

// encodeHigh returns the high bits of w, corrected by the hints and packed
// (algorithms 28, 36 and 40).
func (set *mldsaSet) encodeHigh(w *polynomial, hints *[degree]bool) []byte {
	values := (q - 1) / (2 * set.gamma2)
	width := 6
	if values == 16 {
		width = 4
	}
	out := make([]byte, degree*width/8)
	for i := range w {
		low := int32(w[i]) % (2 * set.gamma2)
		if low > set.gamma2 {
			low -= 2 * set.gamma2
		}
		high := (int32(w[i]) - low) / (2 * set.gamma2)
		if int32(w[i])-low == q-1 {
			high, low = 0, low-1
		}
		if hints[i] && low > 0 {
			high = (high + 1) % values
		} else if hints[i] {
			high = (high + values - 1) % values
		}
		for bit := range width {
			at := i*width + bit
			out[at/8] |= byte(high>>bit&1) << (at % 8)
		}
	}
	return out
}

// zetas returns the powers of 1753, a 512th root of unity, in the order in which
// the transform takes them (appendix B).
var zetas = sync.OnceValue(func() *polynomial {
	z := new(polynomial)
	for i := range z {
		reversed := 0
		for bit := range 8 {
			reversed |= i >> bit & 1 << (7 - bit)
		}
		z[i] = 1
		for range reversed {
			z[i] = multiply(z[i], 1753)
		}
	}
	return z
})

// transform replaces p by its number-theoretic transform (algorithm 41).
func (p *polynomial) transform() {
	m := 0
	for length := degree / 2; length >= 1; length /= 2 {
		for start := 0; start < degree; start += 2 * length {
			m++
			zeta := zetas()[m]
			for j := start; j < start+length; j++ {
				t := multiply(zeta, p[j+length])
				p[j+length] = subtract(p[j], t)
				p[j] = add(p[j], t)
			}
		}
	}
}

// invert reverts transform (algorithm 42).
func (p *polynomial) invert() {
	m := degree
	for length := 1; length < degree; length *= 2 {
		for start := 0; start < degree; start += 2 * length {
			m--
			zeta := q - zetas()[m]
			for j := start; j < start+length; j++ {
				t := p[j]
				p[j] = add(t, p[j+length])
				p[j+length] = multiply(zeta, subtract(t, p[j+length]))
			}
		}
	}
	for i := range p {
		p[i] = multiply(p[i], 8347681) // 1/256
	}
}

func add(a, b uint32) uint32      { return (a + b) % q }
func subtract(a, b uint32) uint32 { return (a + q - b) % q }
func multiply(a, b uint32) uint32 { return uint32(uint64(a) * uint64(b) % q) }
