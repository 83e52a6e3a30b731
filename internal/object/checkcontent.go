package object

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"slices"

	"coffer/internal/blob"
	"coffer/internal/checksum"
	"coffer/internal/meta"
	"coffer/internal/sealed"
)

func isMissing(err error) bool { return errors.Is(err, blob.ErrNotFound) }

// keys opens a wrap if its key is at hand, and nil otherwise.
func (x *contentCheck) keys(w *Wrap, bind sealed.Binding, what string) sealed.Keys {
	mode, err := w.Mode()
	if err != nil || mode.Suite() != bind.Content.Suite {
		x.find(SeverityError, KindWrapDamaged, "%s: mode %v, suite %v: %v", what, mode, bind.Content.Suite, err)
		return nil
	}
	var secret *sealed.Secret
	if mode != sealed.ModeS3 {
		if x.cfg.Open == nil {
			return nil
		}
		secret, err = x.cfg.Open(x.ctx, x.b.Account, w)
		if errors.Is(err, ErrNoKey) || err == nil && secret == nil {
			return nil
		}
		if err != nil {
			x.find(SeverityWarning, KindKeyUnavailable, "%s under %s: %v", what, w.KeyARN, err)
			return nil
		}
		defer secret.Wipe()
	}
	keys, err := x.s.unwrap(x.ctx, x.b.Account, w, secret, bind)
	switch {
	case err == nil:
		return keys
	case errors.Is(err, sealed.ErrWrongKey), errors.Is(err, sealed.ErrDamaged), errors.Is(err, sealed.ErrFormat), errors.Is(err, ErrWrongCustomerKey):
		x.find(SeverityError, KindWrapDamaged, "%s: %v", what, err)
	default:
		x.find(SeverityWarning, KindKeyUnavailable, "%s: %v", what, err)
	}
	return nil
}

// open opens every wrap of a version, and returns the keys of the present one,
// nil if they are not at hand.
func (x *contentCheck) open(v *Version) sealed.Keys {
	bind := x.s.binding(v)
	for i := range v.Content.Previous {
		x.keys(&v.Content.Previous[i].Wrap, bind, fmt.Sprintf("replaced wrap %d", i)).Wipe()
	}
	if v.Content.ListSeal != nil {
		x.keys(&Wrap{Box: v.Content.ListSeal}, bind, "seal of the part list").Wipe()
	}
	return x.keys(&v.Content.Wrap, x.s.wrapBinding(v), "wrap")
}

// hasMD5 reports whether the ETags of a version are MD5s of the plaintext: it
// was written under SSE-S3, and nothing since could have made it look so.
func hasMD5(v *Version) bool {
	mode, _ := v.Content.Wrap.Mode()
	return mode == sealed.ModeS3 && len(v.Content.Previous) == 0 && len(v.Content.Lineage) == 0
}

// whole checks what a key tells of an object in one body, which is whole.
func (x *contentCheck) whole(v *Version) {
	keys := x.open(v)
	if keys == nil {
		return
	}
	defer keys.Wipe()
	bind := x.s.binding(v)
	sums, err := openSums(&v.Sums, keys, &bind)
	if err != nil {
		x.find(SeverityError, KindChecksumWrong, "checksums do not open: %v", err)
	}
	if !x.cfg.Deep {
		return
	}
	t := newTally(sums, hasMD5(v))
	if x.plain(keys, bind.Content, v.Content.Blob, v.body, t) {
		x.compare(t, sums, v.ETag, hasMD5(v), "")
	}
}

// A tally computes the checksums that a plaintext is compared with.
type tally struct {
	hashes map[checksum.Algorithm]hash.Hash
	io.Writer
}

func newTally(sums map[checksum.Algorithm]string, withMD5 bool) *tally {
	t := &tally{hashes: map[checksum.Algorithm]hash.Hash{}}
	algorithms := slices.Collect(maps.Keys(sums))
	if withMD5 {
		algorithms = append(algorithms, checksum.MD5)
	}
	var all []io.Writer
	for _, a := range algorithms {
		if _, err := checksum.Parse(string(a)); err == nil && t.hashes[a] == nil {
			t.hashes[a] = a.New()
			all = append(all, t.hashes[a])
		}
	}
	t.Writer = io.MultiWriter(all...)
	return t
}

// plain opens a whole body into w and reports whether it could.
func (x *contentCheck) plain(keys sealed.Keys, c sealed.Content, name string, inline []byte, w io.Writer) bool {
	r, err := x.s.bodyRange(x.ctx, keys, c, name, inline, 0, c.Length)
	if err == nil {
		_, err = r.WriteTo(w)
		err = errors.Join(err, r.Close())
	}
	if err != nil {
		x.find(SeverityError, KindBodyDamaged, "%s%v", inBlob(name), err)
	}
	return err == nil
}

// compare compares a tally with checksums of the bytes, and the ETag if it is one.
func (x *contentCheck) compare(t *tally, sums map[checksum.Algorithm]string, etag string, withMD5 bool, what string) {
	for a, want := range sums {
		if h := t.hashes[a]; h == nil || a.Encode(h.Sum(nil)) != want {
			x.find(SeverityError, KindChecksumWrong, "%s%s of the plaintext", what, a)
		}
	}
	if withMD5 && fmt.Sprintf("%x", t.hashes[checksum.MD5].Sum(nil)) != etag {
		x.find(SeverityError, KindChecksumWrong, "%sETag is not the MD5 of the plaintext", what)
	}
}

// parts checks an object in parts.
func (x *contentCheck) parts(v *Version) {
	keys := x.open(v)
	defer keys.Wipe()
	bind := x.s.binding(v)
	var sums map[checksum.Algorithm]string
	sumsAreRead := false
	if keys != nil {
		var err error
		if sums, err = openSums(&v.Sums, keys, &bind); err != nil {
			x.find(SeverityError, KindChecksumWrong, "checksums do not open: %v", err)
		}
		sumsAreRead = err == nil && x.cfg.Deep
	}
	isFull := v.Sums.Type == string(checksum.FullObject)
	whole := newTally(nil, false)
	if isFull {
		whole = newTally(sums, false)
	}
	var off int64
	var all []Part
	ok, tablesRead := true, true
	for i := range v.Content.Chunks {
		t, err := x.s.table(x.ctx, v, i)
		if err != nil {
			kind := KindTableDamaged
			if errors.Is(err, errBodyMissing) {
				kind = KindBodyMissing
			}
			x.find(SeverityError, kind, "%v", err)
			tablesRead, off = false, v.Content.Length
			if i+1 < len(v.Content.Chunks) {
				off = v.Content.Chunks[i+1].Offset
			}
			continue
		}
		if v.Content.Chunks[i].Offset != off {
			x.find(SeverityError, KindTableDamaged, "part table %d starts at %d, want %d", i, v.Content.Chunks[i].Offset, off)
		}
		for j := range t.Parts {
			p := &t.Parts[j]
			off += p.Length
			if !x.body(p.content(), p.Blob, p.body) || !x.part(p, keys, v.Content.UploadID, hasMD5(v), whole) {
				ok = false
			}
			p.body = nil
			all = append(all, Part{Number: p.Number, ETag: p.ETag, Length: p.Length, Sums: p.Sums, ContentID: p.ContentID, Suite: p.Suite, Commitment: p.Commitment})
		}
	}
	if !tablesRead {
		return
	}
	if len(all) != v.Content.PartCount || off != v.Content.Length {
		x.find(SeverityError, KindTableDamaged, "%d parts of %d bytes, want %d of %d", len(all), off, v.Content.PartCount, v.Content.Length)
		return
	}
	if etag, err := wholeETag(all); err != nil || etag != v.ETag {
		x.find(SeverityError, KindChecksumWrong, "ETag is not that of the parts")
	}
	if !ok || !sumsAreRead || len(sums) == 0 {
		return
	}
	if isFull {
		x.compare(whole, sums, "", false, "")
		return
	}
	for a := range sums {
		u := &Upload{ID: v.Content.UploadID, Algorithm: a, Type: string(checksum.Composite)}
		if got, err := wholeSums(u, keys, all); err != nil || got[a] != sums[a] {
			x.find(SeverityError, KindChecksumWrong, "%s is not that of the parts", a)
		}
	}
}

// part checks what a key tells of a part, whose body is whole; keys are those of
// its upload, nil if they are not at hand. With Deep the plaintext also goes to
// whole.
func (x *contentCheck) part(p *Part, keys sealed.Keys, uploadID string, withMD5 bool, whole io.Writer) bool {
	if keys == nil {
		return true
	}
	what := fmt.Sprintf("part %d: ", p.Number)
	own, err := sealed.OpenPartKey(keys, p.Key, p.binding(uploadID))
	if err != nil {
		x.find(SeverityError, KindWrapDamaged, "%s%v", what, err)
		return false
	}
	defer own.Wipe()
	info, err := p.info(keys, uploadID)
	if err != nil {
		x.find(SeverityError, KindChecksumWrong, "%schecksums do not open: %v", what, err)
	}
	if !x.cfg.Deep {
		return true
	}
	t := newTally(info.Sums, withMD5)
	if !x.plain(own, p.content(), p.Blob, p.body, io.MultiWriter(t, whole)) {
		return false
	}
	x.compare(t, info.Sums, p.ETag, withMD5, what)
	return true
}

// checkUploads checks the uploads under way and their parts.
func (c *checker) checkUploads(ctx context.Context) error {
	type job struct {
		b *Bucket
		u *Upload
	}
	var todo []job
	return c.walk(ctx, meta.Prefix([]byte(rowUpload)), func(r meta.Reader, k, val []byte) ([]byte, error) {
		b, skip, err := c.bucketOf(r, rowUpload, k)
		if b == nil {
			return skip, err
		}
		key, id, err := unescape(k[len(rowUpload)+len(b.ID):])
		u := &Upload{Key: key, ID: string(id)}
		if err == nil {
			err = decode(k, val, u)
		}
		if err != nil {
			c.damaged(k, err)
			return nil, nil
		}
		todo = append(todo, job{b, u})
		return nil, c.wantUploadIndexed(r, b, u)
	}, func() error {
		for _, j := range todo {
			if err := c.upload(ctx, j.b, j.u); err != nil {
				return err
			}
		}
		todo = todo[:0]
		return nil
	})
}

// upload checks one upload, part by part.
func (c *checker) upload(ctx context.Context, b *Bucket, u *Upload) error {
	x := &contentCheck{checker: c, ctx: ctx, b: b, about: Finding{Bucket: b.Name, Key: u.Key, Version: u.ID}}
	keys := x.keys(&u.Wrap, c.s.uploadBinding(b, u), "wrap of an upload")
	defer keys.Wipe()
	var todo []*Part
	return c.walk(ctx, meta.Prefix(row(rowPart, []byte(u.ID))), func(_ meta.Reader, k, val []byte) ([]byte, error) {
		p := new(Part)
		if err := decode(k, val, p); err != nil || !bytes.Equal(k, partRow(u.ID, p.Number)) {
			x.find(SeverityError, KindRowDamaged, "row %q: %v", k, err)
			return nil, nil
		}
		todo = append(todo, p)
		return nil, nil
	}, func() error {
		for _, p := range todo {
			if err := x.pending(u, p, keys); err != nil {
				return err
			}
		}
		todo = todo[:0]
		return ctx.Err()
	})
}

// pending checks a part of an upload. It is pinned as a version is.
func (x *contentCheck) pending(u *Upload, p *Part, keys sealed.Keys) error {
	if !x.s.pins.add(p.ContentID) {
		return nil
	}
	defer x.s.pins.remove(p.ContentID)
	gone, bodyGone := false, false
	err := x.s.meta.View(x.ctx, func(r meta.Reader) error {
		var now Part
		err := get(r, partRow(u.ID, p.Number), &now)
		gone, bodyGone = err != nil || now.ContentID != p.ContentID, false
		if gone {
			return nil
		}
		if p.Blob == "" {
			p.body, err = r.Get(contentRow(p.ContentID))
			bodyGone = errors.Is(err, meta.ErrNotFound) || errors.Is(err, meta.ErrCorrupt)
		}
		if err != nil && !bodyGone {
			return err
		}
		f := x.about
		f.Severity = SeverityError
		return x.named(r, f, p.ContentID, p.Blob)
	})
	defer func() { p.body = nil }()
	switch {
	case err != nil:
		return err
	case gone:
	case bodyGone:
		x.find(SeverityError, KindBodyMissing, "part %d: its row is not there", p.Number)
	case x.body(p.content(), p.Blob, p.body):
		mode, _ := u.Wrap.Mode()
		x.part(p, keys, u.ID, mode == sealed.ModeS3, io.Discard)
	}
	return nil
}
