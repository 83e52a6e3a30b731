package sealed

import (
	"bytes"
	"crypto/sha512"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
)

var suites = []Suite{Single, Double}

// testKeys returns keys that differ for each name.
func testKeys(s Suite, name string) Keys {
	keys := make(Keys, s.layers())
	for i := range keys {
		keys[i] = DataKey(testID(fmt.Sprint(name, " key ", i)))
	}
	return keys
}

func testID(name string) [32]byte { return sha512.Sum512_256([]byte(name)) }

// sealBody seals plain under the test keys of name.
func sealBody(t testing.TB, s Suite, name string, plain []byte) ([]byte, Content) {
	t.Helper()
	var out bytes.Buffer
	w, err := NewWriter(&out, testKeys(s, name), testID(name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), w.Content()
}

// segment returns sealed segment i of a body.
func segment(body []byte, s Suite, i int64) []byte {
	return body[SegmentOffset(i, s):min(SegmentOffset(i+1, s), int64(len(body)))]
}

// mustFail opens a body and fails the test unless it is refused with want and
// what came out before is a true beginning of plain and not all of it.
func mustFail(t *testing.T, body []byte, keys Keys, c Content, plain []byte, want error) {
	t.Helper()
	got, err := openAll(body, keys, c)
	if !errors.Is(err, want) {
		t.Errorf("opened with %v, want %v", err, want)
	}
	if len(plain) > 0 && len(got) >= len(plain) || !bytes.HasPrefix(plain, got) {
		t.Errorf("%d bytes came out, which are not a beginning of the plaintext", len(got))
	}
	r, err := NewReader(bytes.NewReader(body), keys, c)
	if err == nil {
		err = r.VerifyAll()
	}
	if !errors.Is(err, want) {
		t.Errorf("VerifyAll: %v, want %v", err, want)
	}
}

func TestRoundTrip(t *testing.T) {
	const s = SegmentSize
	// onlyWriter and onlyReader hide the fast paths from io.Copy.
	type onlyWriter struct{ io.Writer }
	type onlyReader struct{ io.Reader }
	write := map[string]func(w *Writer, plain []byte) error{
		"in one write": func(w *Writer, p []byte) error { _, err := w.Write(p); return err },
		"in odd writes": func(w *Writer, p []byte) error {
			for n := 1; len(p) > 0; n = n*3 + 1 {
				n = min(n, len(p))
				if m, err := w.Write(p[:n]); m != n || err != nil {
					return fmt.Errorf("Write = %d, %v; want %d", m, err, n)
				}
				p = p[n:]
			}
			return nil
		},
		"in whole segments": func(w *Writer, p []byte) error {
			for len(p) > 0 {
				n := min(s, len(p))
				if _, err := w.Write(p[:n]); err != nil {
					return err
				}
				p = p[n:]
			}
			return nil
		},
		"by copying": func(w *Writer, p []byte) error {
			_, err := io.Copy(onlyWriter{w}, onlyReader{bytes.NewReader(p)})
			return err
		},
		"from a reader": func(w *Writer, p []byte) error {
			n, err := w.ReadFrom(bytes.NewReader(p))
			if n != int64(len(p)) {
				return fmt.Errorf("ReadFrom = %d, %v; want %d", n, err, len(p))
			}
			return err
		},
		"from a reader of halves": func(w *Writer, p []byte) error {
			_, err := w.ReadFrom(iotest.HalfReader(bytes.NewReader(p)))
			return err
		},
		"from a reader with data beside EOF": func(w *Writer, p []byte) error {
			_, err := w.ReadFrom(iotest.DataErrReader(bytes.NewReader(p)))
			return err
		},
		"from readers and writes in turn": func(w *Writer, p []byte) error {
			for i := 0; len(p) > 0; i++ {
				n := min([]int{s, s + 1, 1, 3*s - 2, 2}[i%5], len(p))
				var err error
				if i%2 == 0 {
					_, err = w.ReadFrom(bytes.NewReader(p[:n]))
				} else {
					_, err = w.Write(p[:n])
				}
				if err != nil {
					return err
				}
				p = p[n:]
			}
			return nil
		},
	}
	for _, suite := range suites {
		for _, n := range []int{0, 1, 100, s - 1, s, s + 1, 2 * s, 2*s + 1, 4 * s, 4*s + 1, 9*s - 1, 9*s + 7} {
			plain := pattern(n)
			for name, write := range write {
				t.Run(fmt.Sprintf("%v/%d/%s", suite, n, name), func(t *testing.T) {
					var body bytes.Buffer
					w, err := NewWriter(&body, testKeys(suite, name), testID(name))
					if err != nil {
						t.Fatal(err)
					}
					early := w.Content()
					if err := write(w, plain); err != nil {
						t.Fatal(err)
					}
					if err := w.Close(); err != nil {
						t.Fatal(err)
					}
					c := w.Content()
					if c.Length != int64(n) || !bytes.Equal(c.Commitment, early.Commitment) {
						t.Errorf("Content() = length %d, commitment %x; want %d, %x", c.Length, c.Commitment, n, early.Commitment)
					}
					if got, want := int64(body.Len()), SealedSize(int64(n), suite); got != want {
						t.Errorf("body has %d bytes, SealedSize says %d", got, want)
					}
					got, err := openAll(body.Bytes(), testKeys(suite, name), c)
					if err != nil || !bytes.Equal(got, plain) {
						t.Errorf("opened %d bytes, %v; want %d, <nil>", len(got), err, n)
					}
				})
			}
		}
	}
}

func TestSizes(t *testing.T) {
	lengths := []int64{0, 1, SegmentSize - 1, SegmentSize, SegmentSize + 1, 5 << 30, 5 << 40, MaxLength - 1, MaxLength}
	for _, s := range suites {
		for _, n := range lengths {
			sealed := SealedSize(n, s)
			if got, err := PlainSize(sealed, s); got != n || err != nil {
				t.Errorf("PlainSize(SealedSize(%d, %v)) = %d, %v", n, s, got, err)
			}
			last := SegmentCount(n) - 1
			if off := SegmentOffset(last, s); off >= sealed || sealed-off > s.sealedSegment() {
				t.Errorf("the last of %d bytes starts at %d of %d", n, off, sealed)
			}
		}
		// Every size up to three segments is that of one length or of none.
		valid := map[int64]int64{}
		for n := range int64(2*SegmentSize + 100) {
			valid[SealedSize(n, s)] = n
		}
		for size := int64(-1); size < SealedSize(2*SegmentSize+99, s); size++ {
			want, ok := valid[size]
			if got, err := PlainSize(size, s); (err == nil) != ok || got != want || err != nil && !errors.Is(err, ErrDamaged) {
				t.Fatalf("PlainSize(%d, %v) = %d, %v; want %d, %t", size, s, got, err, want, ok)
			}
		}
		if n, err := PlainSize(SealedSize(MaxLength, s)+1, s); err == nil {
			t.Errorf("PlainSize above the limit = %d, <nil>", n)
		}
	}
	if _, err := PlainSize(1000, 3); !errors.Is(err, ErrFormat) {
		t.Errorf("PlainSize of suite 3: %v, want %v", err, ErrFormat)
	}
}

func TestRanges(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const n = 11*SegmentSize + 12345
	plain := make([]byte, n)
	for i := range plain {
		plain[i] = byte(rng.Uint32())
	}
	for _, s := range suites {
		body, c := sealBody(t, s, "ranges", plain)
		r, err := NewReader(bytes.NewReader(body), testKeys(s, "ranges"), c)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 400 {
			off := rng.IntN(n + 1)
			size := rng.IntN(n - off + 1)
			switch i % 4 {
			case 1:
				size = min(size, rng.IntN(100))
			case 2:
				off = off / SegmentSize * SegmentSize
				size = min(SegmentSize*rng.IntN(7), n-off)
			case 3:
				size = n - off
			}
			g, err := r.Range(int64(off), int64(size))
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			head := make([]byte, rng.IntN(70_000))
			if i%3 == 0 { // some of it by Read, the rest by WriteTo
				m, _ := io.ReadFull(g, head)
				got.Write(head[:m])
			}
			if i%3 == 1 {
				_, err = io.CopyBuffer(struct{ io.Writer }{&got}, struct{ io.Reader }{g}, make([]byte, 1+rng.IntN(100_000)))
			} else {
				_, err = g.WriteTo(&got)
			}
			if err != nil || !bytes.Equal(got.Bytes(), plain[off:off+size]) {
				t.Fatalf("range of %d at %d: %d bytes, %v, or other bytes", size, off, got.Len(), err)
			}
			if m, err := g.Read(head); m != 0 || len(head) > 0 && err != io.EOF {
				t.Fatalf("Read at the end = %d, %v", m, err)
			}
			if g.buf != (buffer{}) {
				t.Fatal("the end of the range keeps the buffer")
			}
		}
	}
}

func TestRangeOutside(t *testing.T) {
	body, c := sealBody(t, Single, "outside", []byte("0123456789"))
	r, err := NewReader(bytes.NewReader(body), testKeys(Single, "outside"), c)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range [][2]int64{{-1, 1}, {0, -1}, {0, 11}, {10, 1}, {11, 0}, {5, 1<<63 - 1}, {1<<63 - 1, 1}} {
		if _, err := r.Range(x[0], x[1]); err == nil {
			t.Errorf("Range(%d, %d) = <nil>", x[0], x[1])
		}
	}
	for _, x := range [][2]int64{{0, 0}, {10, 0}, {9, 1}, {0, 10}} {
		g, err := r.Range(x[0], x[1])
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(g); err != nil || string(b) != "0123456789"[x[0]:x[0]+x[1]] {
			t.Errorf("Range(%d, %d) reads %q, %v", x[0], x[1], b, err)
		}
	}
}

// An accountant notes what is read through it.
type accountant struct {
	io.ReaderAt
	calls, bytes int
	mu           sync.Mutex
}

func (a *accountant) ReadAt(p []byte, off int64) (int, error) {
	n, err := a.ReaderAt.ReadAt(p, off)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls++
	a.bytes += n
	return n, err
}

func TestRangeReadsItsSegmentsOnly(t *testing.T) {
	body, c := sealBody(t, Single, "cost", pattern(20*SegmentSize))
	src := &accountant{ReaderAt: bytes.NewReader(body)}
	r, err := NewReader(src, testKeys(Single, "cost"), c)
	if err != nil {
		t.Fatal(err)
	}
	if src.calls != 0 {
		t.Errorf("NewReader reads %d times", src.calls)
	}
	for _, x := range []struct{ off, n, calls, segments int }{
		{7*SegmentSize + 5, 1, 1, 1},
		{7 * SegmentSize, SegmentSize, 1, 1},
		{7*SegmentSize + 5, SegmentSize, 1, 2},
		{7 * SegmentSize, 4 * SegmentSize, 1, 4},
		{7 * SegmentSize, 4*SegmentSize + 1, 2, 5},
		{19 * SegmentSize, SegmentSize, 1, 1},
		{3, 0, 0, 0},
	} {
		src.calls, src.bytes = 0, 0
		g, err := r.Range(int64(x.off), int64(x.n))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := g.WriteTo(io.Discard); err != nil {
			t.Fatal(err)
		}
		if want := x.segments * (SegmentSize + Overhead); src.calls != x.calls || src.bytes != want {
			t.Errorf("%d bytes at %d: %d reads of %d bytes, want %d of %d", x.n, x.off, src.calls, src.bytes, x.calls, want)
		}
	}
}

func TestEveryByteCounts(t *testing.T) {
	for _, s := range suites {
		for _, plain := range []string{"", "a", "sealed, always"} {
			body, c := sealBody(t, s, "flip", []byte(plain))
			for i := range body {
				bad := bytes.Clone(body)
				bad[i] ^= 0x10
				got, err := openAll(bad, testKeys(s, "flip"), c)
				if len(got) > 0 || !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrFormat) {
					t.Errorf("%v: with byte %d of %q flipped: %q, %v", s, i, plain, got, err)
				}
			}
		}
	}
}

func TestCut(t *testing.T) {
	const n = 6*SegmentSize + 1000
	plain := pattern(n)
	for _, s := range suites {
		body, c := sealBody(t, s, "cut", plain)
		for i := range int64(7) {
			for _, d := range []int64{-1, 0, 1, 500} {
				at := SegmentOffset(i, s) + d
				mustFail(t, body[:at], testKeys(s, "cut"), c, plain, ErrDamaged)
				// The one who cuts may adjust the length, too.
				shorter := c
				shorter.Length = i * SegmentSize
				mustFail(t, body[:at], testKeys(s, "cut"), shorter, plain, ErrDamaged)
				if length, err := PlainSize(at, s); err == nil {
					shorter.Length = length
					mustFail(t, body[:at], testKeys(s, "cut"), shorter, plain, ErrDamaged)
				}
			}
		}
		mustFail(t, body[:len(body)-1], testKeys(s, "cut"), c, plain, ErrDamaged)
	}
}

func TestExtended(t *testing.T) {
	for _, s := range suites {
		for _, n := range []int{0, 10, SegmentSize, 4 * SegmentSize, 4*SegmentSize + 1} {
			plain := pattern(n)
			body, c := sealBody(t, s, "extended", plain)
			other, _ := sealBody(t, s, "other", plain)
			last := segment(body, s, SegmentCount(int64(n))-1)
			for _, more := range [][]byte{{0}, last, other} {
				bad := append(bytes.Clone(body), more...)
				mustFail(t, bad, testKeys(s, "extended"), c, plain, ErrDamaged)
				if length, err := PlainSize(int64(len(bad)), s); err == nil {
					longer := c
					longer.Length = length
					mustFail(t, bad, testKeys(s, "extended"), longer, append(bytes.Clone(plain), 0), ErrDamaged)
				}
			}
		}
	}
}

func TestReordered(t *testing.T) {
	const n = 5 * SegmentSize // the last one is as long as the others
	plain := pattern(n)
	for _, s := range suites {
		body, c := sealBody(t, s, "order", plain)
		for i := range int64(5) {
			for j := range int64(5) {
				if i == j {
					continue
				}
				swapped := bytes.Clone(body)
				copy(segment(swapped, s, i), segment(body, s, j))
				copy(segment(swapped, s, j), segment(body, s, i))
				mustFail(t, swapped, testKeys(s, "order"), c, plain, ErrDamaged)

				repeated := bytes.Clone(body)
				copy(segment(repeated, s, i), segment(body, s, j))
				mustFail(t, repeated, testKeys(s, "order"), c, plain, ErrDamaged)
			}
			// One segment left out, with the length adjusted.
			dropped := append(bytes.Clone(body[:SegmentOffset(i, s)]), body[min(SegmentOffset(i+1, s), int64(len(body))):]...)
			shorter := c
			shorter.Length -= SegmentSize
			mustFail(t, dropped, testKeys(s, "order"), shorter, plain, ErrDamaged)
		}
	}
}

func TestSwappedBetweenBodies(t *testing.T) {
	const n = 3 * SegmentSize
	plain := pattern(n)
	for _, s := range suites {
		body, c := sealBody(t, s, "one", plain)
		keys := testKeys(s, "one")
		seal := func(keys Keys, id [32]byte) []byte {
			var out bytes.Buffer
			w, err := NewWriter(&out, keys, id)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(plain); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			return out.Bytes()
		}
		for _, other := range [][]byte{
			seal(testKeys(s, "two"), testID("one")),
			seal(keys, testID("two")),
		} {
			for i := range int64(3) {
				bad := bytes.Clone(body)
				copy(segment(bad, s, i), segment(other, s, i))
				mustFail(t, bad, keys, c, plain, ErrDamaged)
			}
			mustFail(t, other, keys, c, plain, ErrDamaged)
			// The body of one under the header of the other.
			mustFail(t, append(bytes.Clone(other[:s.headerSize()]), body[s.headerSize():]...), keys, c, plain, ErrDamaged)
			mustFail(t, append(bytes.Clone(body[:s.headerSize()]), other[s.headerSize():]...), keys, c, plain, ErrDamaged)
		}
	}
}

// What an earlier read left in a pooled buffer must not stand in for what is
// missing.
func TestCutAfterWholeRead(t *testing.T) {
	plain := []byte("sealed, always")
	for _, s := range suites {
		body, c := sealBody(t, s, "stale", plain)
		for range 20 {
			if _, err := openAll(body, testKeys(s, "stale"), c); err != nil {
				t.Fatal(err)
			}
			mustFail(t, body[:s.headerSize()], testKeys(s, "stale"), c, plain, ErrDamaged)
			mustFail(t, body[:len(body)-1], testKeys(s, "stale"), c, plain, ErrDamaged)
		}
	}
}

// A segment moved between the layers of suite 2, or from suite 1 to 2, fails:
// every layer has its own keys and additional data.
func TestLayersDoNotMix(t *testing.T) {
	keys := testKeys(Double, "layers")
	id := testID("layers")
	plain := []byte("sealed, always")
	aeads, commitment := layers(keys, &id)
	c := Content{ID: id, Suite: Double, Commitment: commitment, Length: int64(len(plain))}
	for _, order := range [][2]int{{0, 1}, {1, 0}, {0, 0}, {1, 1}} {
		for _, aads := range [][2]int{{0, 1}, {1, 0}, {0, 0}, {1, 1}} {
			seg := segmenter{aeads: aeads}
			inner := aeads[order[0]].Seal(nil, nil, plain, bytes.Clone(seg.additional(aads[0], 0, true)))
			outer := aeads[order[1]].Seal(nil, nil, inner, seg.additional(aads[1], 0, true))
			got, err := openAll(append(c.header(), outer...), keys, c)
			if isRight := order == [2]int{0, 1} && aads == order; (err == nil) != isRight {
				t.Errorf("layers %v with additional data %v: %q, %v", order, aads, got, err)
			}
		}
	}
	single, c1 := sealBody(t, Single, "layers", plain)
	if _, err := openAll(single, keys, c1); !errors.Is(err, ErrWrongKey) {
		t.Errorf("two keys for suite 1: %v, want %v", err, ErrWrongKey)
	}
}

func TestWrongKeys(t *testing.T) {
	for _, s := range suites {
		body, c := sealBody(t, s, "right", pattern(100))
		other := testKeys(s, "wrong")
		mustFail(t, body, other, c, pattern(100), ErrWrongKey)
		for i := range other {
			one := append(Keys{}, testKeys(s, "right")...)
			one[i] = other[i]
			mustFail(t, body, one, c, pattern(100), ErrWrongKey)
		}
		mustFail(t, body, nil, c, pattern(100), ErrWrongKey)
		mustFail(t, body, append(other, other...), c, pattern(100), ErrWrongKey)
	}
	for n := range 5 {
		if _, err := NewWriter(io.Discard, make(Keys, n), [32]byte{}); (err == nil) != (n == 1 || n == 2) {
			t.Errorf("NewWriter with %d keys: %v", n, err)
		}
	}
}

func TestImpossibleContent(t *testing.T) {
	body, good := sealBody(t, Single, "content", pattern(100))
	for name, change := range map[string]func(*Content){
		"suite 0":          func(c *Content) { c.Suite = 0 },
		"suite 255":        func(c *Content) { c.Suite = 255 },
		"no commitment":    func(c *Content) { c.Commitment = nil },
		"short commitment": func(c *Content) { c.Commitment = c.Commitment[:31] },
		"long commitment":  func(c *Content) { c.Commitment = make([]byte, 64) },
		"negative length":  func(c *Content) { c.Length = -1 },
		"length too large": func(c *Content) { c.Length = MaxLength + 1 },
	} {
		c := good
		change(&c)
		if _, err := NewReader(bytes.NewReader(body), testKeys(Single, "content"), c); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v, want %v", name, err, ErrFormat)
		}
	}
	c := good
	c.Length = MaxLength // no arithmetic overflows on the way to the end
	r, err := NewReader(bytes.NewReader(body), testKeys(Single, "content"), c)
	if err != nil {
		t.Fatal(err)
	}
	g, err := r.Range(MaxLength-1, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(g); !errors.Is(err, ErrDamaged) {
		t.Errorf("the last byte of 256 TiB that are not there: %v, want %v", err, ErrDamaged)
	}
}

// What the reader relies on is the content; a damaged header is reported by
// whoever reads segment 0 and does not take the rest of the object away.
func TestDamagedHeader(t *testing.T) {
	plain := pattern(3 * SegmentSize)
	body, c := sealBody(t, Single, "header", plain)
	body[10] ^= 1
	mustFail(t, body, testKeys(Single, "header"), c, plain, ErrDamaged)
	r, err := NewReader(bytes.NewReader(body), testKeys(Single, "header"), c)
	if err != nil {
		t.Fatal(err)
	}
	g, err := r.Range(SegmentSize, 2*SegmentSize)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(g); err != nil || !bytes.Equal(got, plain[SegmentSize:]) {
		t.Errorf("after segment 0: %d bytes, %v", len(got), err)
	}
}

// When a segment of a batch is damaged, what came out ends before that batch,
// and the error says which segment it is.
func TestDamageIsNamed(t *testing.T) {
	plain := pattern(10 * SegmentSize)
	body, c := sealBody(t, Single, "named", plain)
	body[SegmentOffset(6, Single)+100] ^= 1
	got, err := openAll(body, testKeys(Single, "named"), c)
	if !errors.Is(err, ErrDamaged) || !strings.Contains(fmt.Sprint(err), "segment 6") {
		t.Errorf("error %v, want %v of segment 6", err, ErrDamaged)
	}
	if !bytes.Equal(got, plain[:4*SegmentSize]) {
		t.Errorf("%d bytes came out, want those of the first batch", len(got))
	}
}

// brokenAt fails with err from off on.
type brokenAt struct {
	io.ReaderAt
	off int64
	err error
}

func (b brokenAt) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > b.off {
		n, _ := b.ReaderAt.ReadAt(p[:max(0, b.off-off)], off)
		return n, b.err
	}
	return b.ReaderAt.ReadAt(p, off)
}

func TestSourceErrorIsNoDamage(t *testing.T) {
	errDisk := errors.New("disk is on fire")
	plain := pattern(10 * SegmentSize)
	body, c := sealBody(t, Single, "fire", plain)
	for _, off := range []int64{0, 1, SegmentOffset(5, Single) + 3, int64(len(body))} {
		r, err := NewReader(brokenAt{bytes.NewReader(body), off, errDisk}, testKeys(Single, "fire"), c)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.VerifyAll(); !errors.Is(err, errDisk) || errors.Is(err, ErrDamaged) {
			t.Errorf("source broken at %d: %v, want %v", off, err, errDisk)
		}
	}
}

// limited takes n bytes and then fails with err, or writes short if it is nil.
type limited struct {
	n   int
	err error
}

func (l *limited) Write(p []byte) (int, error) {
	if len(p) <= l.n {
		l.n -= len(p)
		return len(p), nil
	}
	return l.n, l.err
}

func TestSinkErrors(t *testing.T) {
	errFull := errors.New("disk is full")
	plain := pattern(10 * SegmentSize)
	body, c := sealBody(t, Single, "full", plain)
	for _, n := range []int{0, 71, 100, 70_000, 200_000, len(body) - 1} {
		for _, want := range []error{errFull, io.ErrShortWrite} {
			sink := &limited{n: n, err: want}
			if want == io.ErrShortWrite {
				sink.err = nil
			}
			w, err := NewWriter(sink, testKeys(Single, "full"), testID("full"))
			if err != nil {
				t.Fatal(err)
			}
			_, err = w.Write(plain)
			if cerr := w.Close(); !errors.Is(cerr, want) || err != nil && !errors.Is(err, want) {
				t.Errorf("sink of %d: Write: %v, Close: %v, want %v", n, err, cerr, want)
			}
			if w.buf != (buffer{}) {
				t.Error("a failed writer keeps its buffer")
			}
			if _, err := w.Write(plain); !errors.Is(err, want) {
				t.Errorf("Write after the error: %v, want %v", err, want)
			}
		}
		r, err := NewReader(bytes.NewReader(body), testKeys(Single, "full"), c)
		if err != nil {
			t.Fatal(err)
		}
		g, err := r.Range(0, c.Length)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := g.WriteTo(&limited{n: n, err: errFull}); n < len(plain) && !errors.Is(err, errFull) {
			t.Errorf("WriteTo a sink of %d: %v, want %v", n, err, errFull)
		}
		if err := g.Close(); err != nil || g.buf != (buffer{}) {
			t.Errorf("Close: %v, or it keeps the buffer", err)
		}
		if n, err := g.Read(make([]byte, 10)); n != 0 || err == nil {
			t.Errorf("Read after Close = %d, %v", n, err)
		}
	}
}

func TestWriterEnds(t *testing.T) {
	var out bytes.Buffer
	w, err := NewWriter(&out, testKeys(Single, "ends"), testID("ends"))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	n := out.Len()
	if _, err := w.Write([]byte("more")); err == nil {
		t.Error("Write after Close = <nil>")
	}
	if _, err := w.ReadFrom(strings.NewReader("more")); err == nil {
		t.Error("ReadFrom after Close = <nil>")
	}
	if err := w.Close(); err == nil {
		t.Error("Close after Close = <nil>")
	}
	if out.Len() != n {
		t.Error("bytes were written after Close")
	}
}

// A client that breaks off must not leave a body that looks whole.
func TestReadFromError(t *testing.T) {
	errGone := errors.New("client is gone")
	var out bytes.Buffer
	w, err := NewWriter(&out, testKeys(Single, "gone"), testID("gone"))
	if err != nil {
		t.Fatal(err)
	}
	r := io.MultiReader(bytes.NewReader(pattern(100_000)), iotest.ErrReader(errGone))
	if n, err := w.ReadFrom(r); n != 100_000 || !errors.Is(err, errGone) {
		t.Errorf("ReadFrom() = %d, %v; want 100000, %v", n, err, errGone)
	}
	if _, err := w.ReadFrom(stuck{}); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("ReadFrom a reader that never reads: %v, want %v", err, io.ErrNoProgress)
	}
	c := w.Content()
	if _, err := openAll(out.Bytes(), testKeys(Single, "gone"), c); !errors.Is(err, ErrDamaged) {
		t.Errorf("what was written before opens with %v, want %v", err, ErrDamaged)
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

func TestTooLarge(t *testing.T) {
	for name, write := range map[string]func(*Writer) error{
		"Write":    func(w *Writer) error { _, err := w.Write(make([]byte, 11)); return err },
		"ReadFrom": func(w *Writer) error { _, err := w.ReadFrom(bytes.NewReader(make([]byte, 11))); return err },
	} {
		w, err := NewWriter(io.Discard, testKeys(Single, "large"), testID("large"))
		if err != nil {
			t.Fatal(err)
		}
		// As if all but ten bytes had been written.
		w.c.Length, w.idx, w.n = MaxLength-10, 1<<32-1, SegmentSize-10
		w.buf.take(1)
		if err := write(w); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: %v, want %v", name, err, ErrTooLarge)
		}
	}
}

// A trickling upload holds one small buffer, and none before its first byte.
func TestWriterMemory(t *testing.T) {
	w, err := NewWriter(io.Discard, testKeys(Single, "trickle"), testID("trickle"))
	if err != nil {
		t.Fatal(err)
	}
	if w.buf != (buffer{}) {
		t.Error("a buffer is held before the first byte")
	}
	for range 3 * SegmentSize / 1000 {
		if _, err := w.Write(make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	if w.buf.batch != nil || len(smallBuffer{}) > 129<<10 {
		t.Errorf("an upload holds a large buffer")
	}
	if _, err := w.Write(make([]byte, 5<<20)); err != nil {
		t.Fatal(err)
	}
	if w.buf.batch != nil {
		t.Errorf("a large write left a large buffer behind")
	}
}

func TestRangesInParallel(t *testing.T) {
	plain := pattern(9*SegmentSize + 5)
	for _, s := range suites {
		body, c := sealBody(t, s, "parallel", plain)
		r, err := NewReader(bytes.NewReader(body), testKeys(s, "parallel"), c)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				off := int64(i * 70_001)
				g, err := r.Range(off, c.Length-off)
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := io.ReadAll(g); err != nil || !bytes.Equal(got, plain[off:]) {
					t.Errorf("from %d on: %d bytes, %v", off, len(got), err)
				}
			})
		}
		wg.Wait()
	}
}

func TestFreshNonces(t *testing.T) {
	seen := map[string]bool{}
	for range 3 {
		body, _ := sealBody(t, Single, "nonces", pattern(5*SegmentSize))
		for i := range int64(5) {
			nonce := string(segment(body, Single, i)[:12])
			if seen[nonce] {
				t.Fatal("a nonce came twice")
			}
			seen[nonce] = true
		}
	}
}
