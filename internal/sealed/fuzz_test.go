package sealed

import (
	"bytes"
	"errors"
	"testing"
)

func isOurs(err error) bool {
	return errors.Is(err, ErrDamaged) || errors.Is(err, ErrWrongKey) || errors.Is(err, ErrFormat)
}

// A body of any bytes is refused, or opens to what was sealed. (Each process of
// the fuzzer draws its own nonces, so good bodies differ.)
func FuzzBody(f *testing.F) {
	var vs struct{ Accepted, Rejected []bodyVector }
	load(f, "bodies.json", &vs)
	for _, v := range append(vs.Accepted, vs.Rejected...) {
		if v.Body != nil {
			f.Add([]byte(v.Body), v.Suite == 2, v.Length, int64(0), v.Length)
		}
	}
	plain := pattern(SegmentSize + 50)
	var bodies [3][]byte
	var contents [3]Content
	for _, s := range suites {
		bodies[s], contents[s] = sealBody(f, s, "fuzz", plain)
		f.Add(bodies[s], s == Double, int64(len(plain)), int64(SegmentSize), int64(50))
	}
	f.Fuzz(func(t *testing.T, body []byte, isDouble bool, length, off, n int64) {
		s := Single
		if isDouble {
			s = Double
		}
		c := contents[s]
		c.Length = length
		r, err := NewReader(bytes.NewReader(body), testKeys(s, "fuzz"), c)
		if err != nil {
			if !isOurs(err) {
				t.Fatalf("NewReader: %v", err)
			}
			return
		}
		g, err := r.Range(off, n)
		if err != nil {
			return
		}
		var got bytes.Buffer
		if _, err := g.WriteTo(&got); err != nil {
			if !isOurs(err) {
				t.Fatalf("WriteTo: %v", err)
			}
			return
		}
		if n > 0 && (off+n > int64(len(plain)) || !bytes.Equal(got.Bytes(), plain[off:off+n])) {
			t.Fatalf("range of %d at %d gives what was never sealed", n, off)
		}
		if err := r.VerifyAll(); err == nil && (length != int64(len(plain)) || len(body) != len(bodies[s])) {
			t.Fatal("a body of another length is whole")
		}
	})
}

func FuzzParseHeader(f *testing.F) {
	for _, s := range suites {
		c := testContent(s, "header", 5)
		f.Add(c.header())
		f.Add(c.header()[:71])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseHeader(b)
		if err != nil {
			if !isOurs(err) {
				t.Fatal(err)
			}
			return
		}
		if h := c.header(); !bytes.Equal(h, b[:len(h)]) {
			t.Fatalf("parsed as %x", h)
		}
		if err := c.check(false); err != nil {
			t.Fatalf("parsed to an impossible content: %v", err)
		}
	})
}

// Any bytes as a wrap, part key or sealed checksums are refused, or open to what
// was sealed.
func FuzzBoxes(f *testing.F) {
	var vs boxVectors
	load(f, "boxes.json", &vs)
	for _, v := range append(vs.Wraps, vs.RejectedWraps...) {
		f.Add([]byte(v.Wrap))
	}
	for _, v := range append(vs.PartKeys, vs.RejectedPartKeys...) {
		f.Add([]byte(v.PartKey))
	}
	for _, v := range append(vs.Checksums, vs.RejectedChecksums...) {
		f.Add([]byte(v.Sealed))
	}
	for _, m := range modes {
		wrap, err := Wrap(m, testSecrets(m, "fuzz"), [32]byte{}, testKeys(m.Suite(), "fuzz"), testBinding(m.Suite(), "fuzz"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wrap)
	}
	for _, s := range suites {
		p := PartBinding{Upload: "u", Number: 1, Content: testContent(s, "fuzz", 9)}
		key, err := SealPartKey(testKeys(s, "up"), testKeys(s, "fuzz"), p)
		if err != nil {
			f.Fatal(err)
		}
		small, err := SealSmall(testKeys(s, "fuzz"), &p, []byte("sum"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(key)
		f.Add(small)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		check := func(err error, isSealed bool) {
			if err == nil && !isSealed {
				t.Fatalf("%x opens to what was never sealed", b)
			}
			if err != nil && !isOurs(err) {
				t.Fatal(err)
			}
		}
		for _, m := range modes {
			keys, err := Unwrap(testSecrets(m, "fuzz"), b, testBinding(m.Suite(), "fuzz"))
			check(err, sameKeys(keys, testKeys(m.Suite(), "fuzz")))
		}
		for _, s := range suites {
			p := PartBinding{Upload: "u", Number: 1, Content: testContent(s, "fuzz", 9)}
			keys, err := OpenPartKey(testKeys(s, "up"), b, p)
			check(err, sameKeys(keys, testKeys(s, "fuzz")))
			plain, err := OpenSmall(testKeys(s, "fuzz"), &p, b)
			check(err, string(plain) == "sum")
		}
	})
}
