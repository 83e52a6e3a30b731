package object_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"coffer/internal/checksum"
	"coffer/internal/object"
	"coffer/internal/sealed"
)

// TestRangesAcrossParts reads random ranges of objects with random part sizes,
// in as many parts as cross a chunk of the part table.
func TestRangesAcrossParts(t *testing.T) {
	for _, count := range []int{1, 2, 256, 257, 320} {
		t.Run(fmt.Sprint(count), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, uint64(count))
			w.SetMinPart(1)
			rnd := rand.New(rand.NewPCG(uint64(count), 2))
			b := w.bucket("bucket", object.NeverVersioned)
			up := w.upload(b, &object.Upload{Key: "key"}, sealingOf(sealed.ModeDSSE, "k"))
			var numbers []int
			number := 0
			for i := range count {
				number += 1 + rnd.IntN(3)
				size := 1 + rnd.IntN(100)
				if rnd.IntN(80) == 0 {
					size = object.InlineMax - 2 + rnd.IntN(70_000)
				}
				if i == count-1 {
					size = rnd.IntN(2) * 11 // the last may be empty
				}
				up.part(number, pattern(size, uint64(i)))
				numbers = append(numbers, number)
			}
			up.complete(numbers...)
			whole := up.whole(numbers...)
			v, err := w.Find(t.Context(), b, "key", "")
			if err != nil || v.Size() != int64(len(whole)) {
				t.Fatalf("Find() = %d bytes, %v; want %d", v.Size(), err, len(whole))
			}
			o, err := w.Open(t.Context(), b, v, up.secret)
			if err != nil {
				t.Fatal(err)
			}
			defer o.Close()
			for i := range 14 {
				off := rnd.IntN(len(whole) + 1)
				n := rnd.IntN(len(whole) - off + 1)
				if i%3 == 0 {
					n = min(n, 500)
				}
				if i == 0 {
					off, n = 0, len(whole)
				}
				r, err := o.Range(t.Context(), int64(off), int64(n))
				if err != nil {
					t.Fatalf("Range(%d, %d) of %d = %v", off, n, len(whole), err)
				}
				var got bytes.Buffer
				if i%2 == 0 {
					_, err = r.WriteTo(&got)
				} else {
					_, err = io.CopyBuffer(struct{ io.Writer }{&got}, struct{ io.Reader }{r}, make([]byte, 1+rnd.IntN(5000)))
				}
				if err = errors.Join(err, r.Close()); err != nil || !bytes.Equal(got.Bytes(), whole[off:off+n]) {
					t.Fatalf("Range(%d, %d) of %d read %d bytes, %v", off, n, len(whole), got.Len(), err)
				}
			}
			for _, bad := range [][2]int64{{-1, 1}, {0, -1}, {0, v.Size() + 1}, {v.Size() + 1, 0}, {1, 1 << 62}} {
				if _, err := o.Range(t.Context(), bad[0], bad[1]); err == nil {
					t.Errorf("Range(%d, %d) of %d = nil error", bad[0], bad[1], v.Size())
				}
			}
			off := int64(0)
			for _, n := range numbers {
				p, err := w.PartPlace(t.Context(), v, n)
				want := object.Place{Offset: off, Length: int64(len(up.data[n])), Count: count}
				if off += want.Length; err != nil || p != want {
					t.Errorf("PartPlace(%d) = %+v, %v; want %+v", n, p, err, want)
				}
			}
			for _, n := range []int{0, numbers[count-1] + 1} {
				_, err := w.PartPlace(t.Context(), v, n)
				wantError(t, fmt.Sprintf("PartPlace(%d)", n), err, object.ErrInvalidPart)
			}
			var listed []int
			for after, more := 0, true; more; {
				var page []object.PartInfo
				if page, more, err = o.Parts(t.Context(), after, 100); err != nil {
					t.Fatal(err)
				}
				for _, p := range page {
					after = p.Number
					listed = append(listed, p.Number)
				}
			}
			if fmt.Sprint(listed) != fmt.Sprint(numbers) {
				t.Errorf("Parts() listed %v, want %v", listed, numbers)
			}
			w.collect()
			w.wantClean()
		})
	}
}

// TestPartPlaceOfOneBody wants an object that was not uploaded in parts to be its
// own part 1.
func TestPartPlaceOfOneBody(t *testing.T) {
	w := newWorld(t, 1)
	b := w.bucket("bucket", object.NeverVersioned)
	v := w.put(b, "key", []byte("data"))
	if p, err := w.PartPlace(t.Context(), v, 1); err != nil || p != (object.Place{Length: 4}) {
		t.Errorf("PartPlace(1) = %+v, %v", p, err)
	}
	_, err := w.PartPlace(t.Context(), v, 2)
	wantError(t, "PartPlace(2)", err, object.ErrInvalidPart)
}

// TestCompleteRefuses wants each wrong completion refused, and the upload to
// complete all the same afterwards.
func TestCompleteRefuses(t *testing.T) {
	w := newWorld(t, 1)
	w.SetMinPart(5)
	b := w.bucket("bucket", object.NeverVersioned)
	up := w.upload(b, &object.Upload{Key: "key", Algorithm: checksum.CRC32, Type: "COMPOSITE", Named: true}, sealingOf(sealed.ModeKMS, "k"))
	up.part(1, []byte("12345"))
	up.part(2, []byte("1234"))
	up.part(3, []byte("last"))
	up.part(4, []byte("unused"))
	crc := func(n int) string { return checksum.CRC32.Encode(checksum.CRC32.Sum(up.data[n])) }
	composite := checksum.CRC32.Encode(checksum.CRC32.Composite([][]byte{checksum.CRC32.Sum(up.data[1]), checksum.CRC32.Sum(up.data[3])}))
	for _, tc := range []struct {
		name string
		edit func(c *object.Completion)
		want error
	}{
		{"no parts", func(c *object.Completion) { c.Parts = nil }, object.ErrNoParts},
		{"descending", func(c *object.Completion) { c.Parts[0], c.Parts[1] = c.Parts[1], c.Parts[0] }, object.ErrPartOrder},
		{"twice", func(c *object.Completion) { c.Parts[1] = c.Parts[0] }, object.ErrPartOrder},
		{"missing", func(c *object.Completion) { c.Parts[1].Number = 9 }, object.ErrInvalidPart},
		{"other ETag", func(c *object.Completion) { c.Parts[1].ETag = up.etags[1] }, object.ErrInvalidPart},
		{"other checksum of a part", func(c *object.Completion) {
			c.Parts[1].Sums = map[checksum.Algorithm]string{checksum.CRC32: crc(1)}
		}, object.ErrInvalidPart},
		{"checksum of a part that was not computed", func(c *object.Completion) {
			c.Parts[1].Sums = map[checksum.Algorithm]string{checksum.SHA1: crc(3)}
		}, object.ErrInvalidPart},
		{"small part before the last", func(c *object.Completion) {
			c.Parts = append(c.Parts[:1:1], object.CompletedPart{Number: 2, ETag: up.etags[2]}, c.Parts[1])
		}, object.ErrPartTooSmall},
		{"other size", func(c *object.Completion) { c.Size = 10 }, object.ErrSizeMismatch},
		{"other checksum", func(c *object.Completion) { c.Algorithm, c.Checksum = checksum.CRC32, crc(1) }, object.ErrBadDigest},
		{"other algorithm", func(c *object.Completion) { c.Algorithm, c.Checksum = checksum.CRC32C, crc(1) }, object.ErrChecksumMismatch},
		{"wrong secret", func(c *object.Completion) { c.Secret = secretNamed("wrong") }, sealed.ErrWrongKey},
		{"another key's upload", func(c *object.Completion) { u := *c.Upload; u.Key = "other"; c.Upload = &u }, sealed.ErrWrongKey},
		{"condition", func(c *object.Completion) { c.Condition.IfMatch = "x" }, object.ErrNoSuchKey},
	} {
		c := up.completion(1, 3)
		tc.edit(c)
		_, _, err := w.Complete(t.Context(), c)
		if tc.name == "another key's upload" {
			wantError(t, "Complete() of "+tc.name, err, sealed.ErrWrongKey, sealed.ErrDamaged)
			continue
		}
		wantError(t, "Complete() with "+tc.name, err, tc.want)
	}
	c := up.completion(1, 3)
	c.Size, c.Algorithm, c.Checksum = 9, checksum.CRC32, composite
	c.Parts[0].ETag, c.Parts[1].Sums = `"`+c.Parts[0].ETag+`"`, map[checksum.Algorithm]string{checksum.CRC32: crc(3)}
	_, sums, err := w.Complete(t.Context(), c)
	if err != nil || sums[checksum.CRC32] != composite+"-2" {
		t.Fatalf("Complete() = %v, %v; want %s-2", sums, err, composite)
	}
	_, _, err = w.Complete(t.Context(), c)
	wantError(t, "Complete() once more", err, object.ErrNoSuchUpload)
	_, _, err = w.PutPart(t.Context(), b, up.u, 1, up.secret, bodyOf(nil), noPartRecord)
	wantError(t, "PutPart() after Complete", err, object.ErrNoSuchUpload)
	wantError(t, "Abort() after Complete", w.Abort(t.Context(), b, "key", up.u.ID, noRecord), object.ErrNoSuchUpload)
	w.collect()
	w.wantClean()
}

// TestWholeChecksums compares the checksum of an object in parts with one that is
// computed from the bytes or, for composite ones, from the parts.
func TestWholeChecksums(t *testing.T) {
	for _, a := range checksum.Algorithms() {
		for _, kind := range []checksum.Type{checksum.Composite, checksum.FullObject} {
			if !a.AllowsMultipart(kind) {
				continue
			}
			for _, mode := range []sealed.Mode{sealed.ModeS3, sealed.ModeKMS} {
				w := newWorld(t, 1)
				w.SetMinPart(1)
				b := w.bucket("bucket", object.NeverVersioned)
				up := w.upload(b, &object.Upload{Key: "key", Algorithm: a, Type: string(kind), Named: true}, sealingOf(mode, "k"))
				up.part(1, pattern(70_000, 1))
				up.part(2, pattern(3, 2))
				up.part(3, nil)
				want := a.Encode(a.Sum(up.whole(1, 2, 3)))
				if kind == checksum.Composite {
					want = a.Encode(a.Composite([][]byte{a.Sum(up.data[1]), a.Sum(up.data[2]), a.Sum(nil)})) + "-3"
				}
				v, sums, err := w.Complete(t.Context(), up.completion(1, 2, 3))
				if err != nil || sums[a] != want || v.Sums.Type != string(kind) {
					t.Errorf("%s %s under %v: Complete() = %v, %v; want %s", a, kind, mode, sums, err, want)
				}
				if v, err = w.Find(t.Context(), b, "key", ""); err != nil {
					t.Fatal(err)
				}
				o, err := w.Open(t.Context(), b, v, up.secret)
				if err != nil {
					t.Fatal(err)
				}
				if sums, err = o.Sums(); err != nil || sums[a] != want {
					t.Errorf("%s %s under %v: Sums() = %v, %v; want %s", a, kind, mode, sums, err, want)
				}
				o.Close()
				w.wantClean()
			}
		}
	}
}

// TestBodyRefuses wants a body refused that is not what the client declared, and
// nothing left of it.
func TestBodyRefuses(t *testing.T) {
	broken := errors.New("broken")
	for _, size := range []int{3, 100_000, 600_000} {
		data := pattern(size, 1)
		for _, tc := range []struct {
			name string
			edit func(*object.Body)
			want error
		}{
			{"too long", func(b *object.Body) { b.Length = int64(size) - 1 }, object.ErrTooLarge},
			{"too short", func(b *object.Body) { b.Length = int64(size) + 1 }, object.ErrIncomplete},
			{"above the maximum", func(b *object.Body) { b.Length, b.Max = -1, int64(size)-1 }, object.ErrTooLarge},
			{"below the minimum", func(b *object.Body) { b.Length, b.Min, b.Max = -1, int64(size)+1, 1<<20 }, object.ErrTooSmall},
			{"MD5", func(b *object.Body) { b.MD5 = make([]byte, 16) }, object.ErrBadDigest},
			{"checksum", func(b *object.Body) {
				b.Expected = func() (string, error) { return checksum.CRC64NVME.Encode(make([]byte, 8)), nil }
			}, object.ErrBadDigest},
			{"checksum that is none", func(b *object.Body) { b.Expected = func() (string, error) { return "?", nil } }, object.ErrInvalidChecksum},
			{"no trailer", func(b *object.Body) { b.Expected = func() (string, error) { return "", broken } }, broken},
			{"reader fails", func(b *object.Body) {
				b.Reader = io.MultiReader(bytes.NewReader(data[:size/2]), errReader{broken})
			}, broken},
			{"connection ends", func(b *object.Body) {
				b.Reader = io.MultiReader(bytes.NewReader(data[:size/2]), errReader{io.ErrUnexpectedEOF})
			}, object.ErrIncomplete},
			{"reader stalls", func(b *object.Body) { b.Reader = errReader{nil} }, io.ErrNoProgress},
		} {
			w := newWorld(t, 1)
			b := w.bucket("bucket", object.NeverVersioned)
			body := bodyOf(data)
			tc.edit(body)
			_, _, err := w.Put(t.Context(), w.write(b, "key", sealingOf(sealed.ModeS3, "")), body)
			wantError(t, fmt.Sprintf("Put() of %d bytes: %s", size, tc.name), err, tc.want)
			_, err = w.Find(t.Context(), b, "key", "")
			wantError(t, "Find() after a refused Put()", err, object.ErrNoSuchKey)
			if left := w.blobNames(); len(left) > 0 {
				t.Errorf("Put() of %d bytes, %s, left blobs %q", size, tc.name, left)
			}
			if w.SealedBytes() != 0 {
				t.Errorf("SealedBytes() = %d after a refused Put()", w.SealedBytes())
			}
		}
	}
	w := newWorld(t, 1)
	b := w.bucket("bucket", object.NeverVersioned)
	body := bodyOf([]byte("data"))
	body.MD5 = checksum.MD5.Sum([]byte("data"))
	body.Algorithm = checksum.SHA512
	body.Expected = func() (string, error) { return checksum.SHA512.Encode(checksum.SHA512.Sum([]byte("data"))), nil }
	if _, _, err := w.Put(t.Context(), w.write(b, strings.Repeat("k", 1024), sealingOf(sealed.ModeKMS, "k")), body); err != nil {
		t.Errorf("Put() with the right digests = %v", err)
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }
