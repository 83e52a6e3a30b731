package object_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	blobmem "coffer/internal/blob/mem"
	"coffer/internal/checksum"
	"coffer/internal/meta"
	metamem "coffer/internal/meta/mem"
	"coffer/internal/meta/metatest"
	"coffer/internal/object"
	"coffer/internal/sealed"
)

var modes = []sealed.Mode{sealed.ModeS3, sealed.ModeKMS, sealed.ModeBucketKey, sealed.ModeDSSE, sealed.ModeCustomer}

// TestModes writes and reads under every mode, with the right secret and with a
// wrong one, and looks for anything that tells of the plaintext.
func TestModes(t *testing.T) {
	for _, mode := range modes {
		for _, size := range []int{0, 1, object.InlineMax, object.InlineMax + 1, 300_000} {
			t.Run(fmt.Sprintf("%v/%d", mode, size), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, 1)
				b := w.bucket("bucket", object.Enabled)
				data := pattern(size, 1)
				seal := sealingOf(mode, "right")
				put := w.putSealed(b, "key", data, seal)
				if got, _ := put.Content.Wrap.Mode(); got != mode || put.Content.Wrap.KeyARN != seal.KeyARN || put.Content.Wrap.KeyMD5 != seal.KeyMD5 {
					t.Errorf("wrap of the version: mode %v, key %q, MD5 %q", got, put.Content.Wrap.KeyARN, put.Content.Wrap.KeyMD5)
				}
				w.wantData(b, "key", "", &seal.Secret, data)
				if isMD5 := put.ETag == md5Hex(data); isMD5 != (mode == sealed.ModeS3) {
					t.Errorf("ETag is MD5: %v", isMD5)
				}
				v, err := w.Find(t.Context(), b, "key", "")
				if err != nil {
					t.Fatal(err)
				}
				o, err := w.Open(t.Context(), b, v, &seal.Secret)
				if err != nil {
					t.Fatal(err)
				}
				defer o.Close()
				want := checksum.CRC64NVME.Encode(checksum.CRC64NVME.Sum(data))
				if sums, err := o.Sums(); err != nil || sums[checksum.CRC64NVME] != want || len(sums) != 1 {
					t.Errorf("Sums() = %v, %v; want %s", sums, err, want)
				}
				if mode != sealed.ModeS3 {
					w.wantSilent(data)
					wrong := error(sealed.ErrWrongKey)
					if mode == sealed.ModeCustomer {
						wrong = object.ErrWrongCustomerKey
					}
					_, err = w.Open(t.Context(), b, v, secretNamed("wrong"))
					wantError(t, "Open() with the wrong secret", err, wrong)
					_, err = w.Open(t.Context(), b, v, nil)
					wantError(t, "Open() without a secret", err, sealed.ErrWrongKey)
				}
				w.wantClean()
			})
		}
	}
}

// wantSilent fails the test if a row or a blob holds the plaintext or a checksum
// of it.
func (w *world) wantSilent(plain ...[]byte) {
	w.t.Helper()
	var needles [][]byte
	for _, p := range plain {
		if len(p) == 0 {
			continue // its checksums are zeros
		}
		if len(p) >= 16 {
			needles = append(needles, p[:16])
		}
		for _, a := range checksum.Algorithms() {
			sum := a.Sum(p)
			needles = append(needles, sum, []byte(hex.EncodeToString(sum)), []byte(base64.StdEncoding.EncodeToString(sum)))
		}
	}
	for k, v := range w.rows("s3") {
		for _, n := range needles {
			if len(n) >= 6 && bytes.Contains(v, n) {
				w.t.Errorf("row %q holds %x", k, n)
			}
		}
	}
}

// TestModesOfUploads is TestModes for uploads, whose checksums lie in three
// kinds of rows.
func TestModesOfUploads(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1)
			w.SetMinPart(1)
			b := w.bucket("bucket", object.NeverVersioned)
			seal := sealingOf(mode, "right")
			up := w.upload(b, &object.Upload{Key: "key", Algorithm: checksum.SHA256, Named: true}, seal)
			up.part(2, pattern(100_000, 2))
			up.part(5, pattern(100, 5))
			up.part(9, pattern(7, 9))
			if mode != sealed.ModeS3 {
				w.wantSilent(up.data[2], up.data[5], up.data[9])
				_, _, err := w.PutPart(t.Context(), b, up.u, 3, secretNamed("wrong"), bodyOf([]byte("x")), noPartRecord)
				wantError(t, "PutPart() with the wrong secret", err, sealed.ErrWrongKey, object.ErrWrongCustomerKey)
			}
			parts, more, err := w.ListParts(t.Context(), b, up.u, up.secret, 2, 1)
			if err != nil || !more || len(parts) != 1 || parts[0].Number != 5 || parts[0].Sums[checksum.SHA256] == "" {
				t.Errorf("ListParts() = %+v, %v, %v", parts, more, err)
			}
			w.wantClean()
			up.complete(2, 5)
			w.wantData(b, "key", "", up.secret, up.whole(2, 5))
			if mode != sealed.ModeS3 {
				w.wantSilent(up.data[2], up.data[5], up.whole(2, 5))
				_, err := w.read(b, "key", "", secretNamed("wrong"))
				wantError(t, "read with the wrong secret", err, sealed.ErrWrongKey, object.ErrWrongCustomerKey)
			}
			w.collect()
			w.wantClean()
		})
	}
}

func (w *world) rekey(b *object.Bucket, v *object.Version, secret *sealed.Secret, to *object.Sealing) {
	w.t.Helper()
	if err := w.Rekey(w.t.Context(), b, v, secret, to, noRecord); err != nil {
		w.t.Fatalf("Rekey(%q, %v) = %v", v.Key, to.Mode, err)
	}
}

// TestRekey re-keys an object in one body and one in parts through several keys,
// and looks at what stays, what is kept, and what is forgotten when.
func TestRekey(t *testing.T) {
	m := metatest.NewFaults(metamem.New())
	m.RunTwice(true)
	w := newWorldOn(t, m, new(blobmem.Store), 1)
	w.SetMinPart(1)
	b := w.bucket("bucket", object.Enabled)
	one := w.put(b, "one", pattern(1000, 1))
	up := w.upload(b, &object.Upload{Key: "parts", Algorithm: checksum.CRC32, Type: "FULL_OBJECT"}, sealingOf(sealed.ModeS3, ""))
	up.part(1, pattern(70_000, 2))
	up.part(2, pattern(50, 3))
	parts := up.complete(1, 2)
	data := map[string][]byte{"one": pattern(1000, 1), "parts": up.whole(1, 2)}
	etags := map[string]string{"one": one.ETag, "parts": parts.ETag}

	for _, key := range []string{"parts", "one"} {
		first, err := w.Find(t.Context(), b, key, "")
		if err != nil {
			t.Fatal(err)
		}
		wantError(t, "Rekey() to DSSE", w.Rekey(t.Context(), b, first, nil, sealingOf(sealed.ModeDSSE, "k"), noRecord), object.ErrNotSealedThisWay)
		w.rekey(b, first, nil, sealingOf(sealed.ModeKMS, "k1"))
		wantError(t, "Rekey() of a stale version", w.Rekey(t.Context(), b, first, nil, sealingOf(sealed.ModeKMS, "k2"), noRecord), object.ErrChanged)
		v, _ := w.Find(t.Context(), b, key, "")
		wantError(t, "Rekey() with the wrong secret", w.Rekey(t.Context(), b, v, secretNamed("k2"), sealingOf(sealed.ModeKMS, "k2"), noRecord), sealed.ErrWrongKey)
		w.pass(24 * time.Hour)
		w.rekey(b, v, secretNamed("k1"), sealingOf(sealed.ModeBucketKey, "k2"))
		v, _ = w.Find(t.Context(), b, key, "")
		w.rekey(b, v, secretNamed("k2"), sealingOf(sealed.ModeKMS, "k1"))

		v, err = w.Find(t.Context(), b, key, "")
		if err != nil || v.ID != first.ID || v.ETag != etags[key] || v.Modified != first.Modified {
			t.Errorf("after Rekey(), Find(%q) = %+v, %v; want ETag and time as before", key, v, err)
		}
		if got := strings.Join(v.Content.Lineage, " "); strings.Count(got, "key/") != 2 || len(v.Content.Previous) != 3 {
			t.Errorf("lineage of %q is %q, with %d wraps kept", key, got, len(v.Content.Previous))
		}
		w.wantData(b, key, v.ID, secretNamed("k1"), data[key])
		if key == "parts" {
			for k, row := range w.rows("s3t") {
				if sum := checksum.CRC32.Encode(checksum.CRC32.Sum(up.data[1])); bytes.Contains(row, []byte(sum)) {
					t.Errorf("row %q holds the checksum of a part in the clear", k)
				}
			}
			o, err := w.Open(t.Context(), b, v, secretNamed("k1"))
			if err != nil {
				t.Fatal(err)
			}
			infos, _, err := o.Parts(t.Context(), 0, 10)
			if err != nil || len(infos) != 2 || infos[1].Sums[checksum.CRC32] != checksum.CRC32.Encode(checksum.CRC32.Sum(up.data[2])) {
				t.Errorf("Parts() = %+v, %v", infos, err)
			}
			o.Close()
		}
		// A replaced wrap put back opens what it opened.
		old := *v
		old.Content.Wrap = v.Content.Previous[0].Wrap
		if got, err := w.readVersion(b, &old, nil); err != nil || !bytes.Equal(got, data[key]) {
			t.Errorf("read through the first wrap = %d bytes, %v", len(got), err)
		}
	}
	w.wantClean()
	w.pass(6*24*time.Hour + time.Minute)
	w.collect()
	v, _ := w.Find(t.Context(), b, "one", "")
	if n := len(v.Content.Previous); n != 2 {
		t.Errorf("%d wraps are kept when the window of the first has passed, want 2", n)
	}
	w.pass(24 * time.Hour)
	w.collect()
	v, _ = w.Find(t.Context(), b, "one", "")
	if n := len(v.Content.Previous); n != 0 || len(w.rows("s3w")) != 0 {
		t.Errorf("%d wraps and %d rows are kept when all windows have passed", n, len(w.rows("s3w")))
	}
	w.wantClean()
}

// TestRekeyIsBounded wants a refusal, not a forgotten wrap.
func TestRekeyIsBounded(t *testing.T) {
	w := newWorld(t, 1)
	b := w.bucket("bucket", object.NeverVersioned)
	w.putSealed(b, "key", nil, sealingOf(sealed.ModeKMS, "k"))
	var err error
	n := 0
	for ; err == nil && n < 200; n++ {
		v, _ := w.Find(t.Context(), b, "key", "")
		err = w.Rekey(t.Context(), b, v, secretNamed("k"), sealingOf(sealed.ModeKMS, "k"), noRecord)
	}
	wantError(t, fmt.Sprintf("Rekey() number %d", n), err, object.ErrConflict)
	w.pass(8 * 24 * time.Hour)
	v, _ := w.Find(t.Context(), b, "key", "")
	w.rekey(b, v, secretNamed("k"), sealingOf(sealed.ModeKMS, "k"))
}

// TestMoved moves rows and bodies to where they do not belong, consistently
// enough that only the cryptography can tell, and wants each refused.
func TestMoved(t *testing.T) {
	put := func(t *testing.T, s *scene, k []byte, v any) {
		t.Helper()
		if err := s.meta.Update(t.Context(), func(txn meta.Txn) error { return object.PutRow(txn, k, v) }); err != nil {
			t.Fatal(err)
		}
	}
	table := func(t *testing.T, s *scene, i int) *object.PartTable {
		t.Helper()
		var pt object.PartTable
		if err := s.meta.View(t.Context(), func(r meta.Reader) error { return object.GetRow(r, object.TableRow(s.multi.Content.ID, i), &pt) }); err != nil {
			t.Fatal(err)
		}
		return &pt
	}
	// rechunk writes the table of multi anew, with hashes that fit.
	rechunk := func(t *testing.T, s *scene, edit func([]object.Part) []object.Part) {
		t.Helper()
		parts := edit(append(table(t, s, 0).Parts, table(t, s, 1).Parts...))
		for i := 0; i < len(parts); i += 256 {
			put(t, s, object.TableRow(s.multi.Content.ID, i/256), object.PartTable{Parts: parts[i:min(len(parts), i+256)]})
		}
		change(s, []byte(s.row(s.multi)), func(v *object.Version) {
			v.Content.PartCount, v.Content.Length, v.Content.Chunks = len(parts), 0, nil
			var entries []sealed.PartEntry
			for _, p := range parts {
				v.Content.Length += p.Length
				entries = append(entries, sealed.PartEntry{Number: uint32(p.Number), Key: p.Key,
					Content: sealed.Content{ID: p.ContentID, Suite: p.Suite, Commitment: p.Commitment, Length: p.Length}})
			}
			for _, c := range sealed.PartChunks(entries) {
				v.Content.Chunks = append(v.Content.Chunks, object.Chunk{Offset: c.Offset, Hash: c.Hash})
			}
		})
	}
	for _, tc := range []struct {
		name string
		move func(t *testing.T, s *scene) (b *object.Bucket, key, version string)
	}{
		{"small bodies exchanged", func(t *testing.T, s *scene) (*object.Bucket, string, string) {
			s.copyRow(string(object.ContentRow(s.small1.Content.ID)), string(object.ContentRow(s.small2.Content.ID)))
			return s.b, "small", s.small1.ID
		}},
		{"a version names the content of another", func(t *testing.T, s *scene) (*object.Bucket, string, string) {
			change(s, []byte(s.row(s.small1)), func(v *object.Version) { v.Content = s.small2.Content })
			return s.b, "small", s.small1.ID
		}},
		{"a version names another's body", func(t *testing.T, s *scene) (*object.Bucket, string, string) {
			change(s, []byte(s.row(s.big)), func(v *object.Version) { v.Content.Blob = s.big2.Content.Blob })
			return s.b, "big", ""
		}},
		{"version copied to another key", func(t *testing.T, s *scene) (*object.Bucket, string, string) {
			s.copyRow(string(object.VersionRow(s.b.ID, "copy", s.big.Seq)), s.row(s.big))
			s.copyRow(string(object.HeadRow(s.b.ID, "copy")), string(object.HeadRow(s.b.ID, "big")))
			return s.b, "copy", ""
		}},
		{"version copied to another bucket", func(t *testing.T, s *scene) (*object.Bucket, string, string) {
			s.copyRow(string(object.VersionRow(s.other.ID, "big", s.big.Seq)), s.row(s.big))
			s.copyRow(string(object.HeadRow(s.other.ID, "big")), string(object.HeadRow(s.b.ID, "big")))
			return s.other, "big", ""
		}},
		{"version under another id", func(t *testing.T, s *scene) (*object.Bucket, string, string) {
			change(s, []byte(s.row(s.small1)), func(v *object.Version) { v.ID = s.small2.ID })
			change(s, []byte(s.row(s.small2)), func(v *object.Version) { v.ID = s.small1.ID })
			return s.b, "small", ""
		}},
		{"another account's bucket", func(t *testing.T, s *scene) (*object.Bucket, string, string) {
			change(s, object.BucketRow("bucket"), func(b *object.Bucket) { b.Account = "210987654321" })
			b, _ := s.Bucket(t.Context(), "bucket")
			return b, "big", ""
		}},
		{"shorter", func(t *testing.T, s *scene) (*object.Bucket, string, string) {
			change(s, []byte(s.row(s.big)), func(v *object.Version) { v.Content.Length-- })
			return s.b, "big", ""
		}},
		{"parts exchanged", func(t *testing.T, s *scene) (*object.Bucket, string, string) {
			rechunk(t, s, func(p []object.Part) []object.Part { p[0], p[1] = p[1], p[0]; return p })
			return s.b, "multi", ""
		}},
		{"bodies of parts exchanged", func(t *testing.T, s *scene) (*object.Bucket, string, string) {
			pt := table(t, s, 0)
			s.copyRow(string(object.ContentRow(pt.Parts[0].ContentID)), string(object.ContentRow(pt.Parts[1].ContentID)))
			return s.b, "multi", ""
		}},
		{"last part cut", func(t *testing.T, s *scene) (*object.Bucket, string, string) {
			rechunk(t, s, func(p []object.Part) []object.Part { return p[:299] })
			return s.b, "multi", ""
		}},
		{"part of an upload under way added", func(t *testing.T, s *scene) (*object.Bucket, string, string) {
			rechunk(t, s, func(p []object.Part) []object.Part { return append(p, *s.partOf(1)) })
			return s.b, "multi", ""
		}},
		{"one table twice", func(t *testing.T, s *scene) (*object.Bucket, string, string) {
			s.copyRow(string(object.TableRow(s.multi.Content.ID, 1)), string(object.TableRow(s.multi.Content.ID, 0)))
			return s.b, "multi", ""
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, metamem.New(), new(blobmem.Store))
			b, key, version := tc.move(t, s)
			got, err := s.read(b, key, version, nil)
			if len(got) > 0 && key != "multi" {
				t.Errorf("read of %q released %d bytes", key, len(got))
			}
			if !bytes.HasPrefix(s.mmData, got) && key == "multi" {
				t.Errorf("read of %q released bytes that are not its own", key)
			}
			wantError(t, "read of "+key, err, sealed.ErrDamaged, sealed.ErrWrongKey)
		})
	}
}
