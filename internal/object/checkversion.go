package object

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"coffer/internal/meta"
	"coffer/internal/sealed"
)

// checkHeads looks for what the heads of objects name.
func (c *checker) checkHeads(ctx context.Context) error {
	return c.walk(ctx, meta.Prefix([]byte(rowHead)), func(r meta.Reader, k, val []byte) ([]byte, error) {
		return c.head(r, rowHead, k, val)
	}, nil)
}

// checkMarkers looks for what the heads of delete markers name.
func (c *checker) checkMarkers(ctx context.Context) error {
	return c.walk(ctx, meta.Prefix([]byte(rowMarker)), func(r meta.Reader, k, val []byte) ([]byte, error) {
		return c.head(r, rowMarker, k, val)
	}, nil)
}

func (c *checker) head(r meta.Reader, prefix string, k, val []byte) ([]byte, error) {
	b, skip, err := c.bucketOf(r, prefix, k)
	if b == nil {
		return skip, err
	}
	h := head{marker: prefix == rowMarker}
	if err := decode(k, val, &h); err != nil {
		c.damaged(k, err)
		return nil, nil
	}
	key := string(k[len(prefix)+len(b.ID):])
	newest, err := newestBelow(r, b, key, 0)
	if err != nil && !errors.Is(err, meta.ErrCorrupt) {
		return nil, err
	}
	f := Finding{Severity: SeverityError, Kind: KindHeadWrong, Bucket: b.Name, Key: key}
	var null error
	if h.NullSeq != 0 {
		_, null = r.Get(versionRow(b.ID, key, h.NullSeq))
	}
	var other error
	if !h.marker {
		_, other = r.Get(markerRow(b.ID, key))
	}
	switch {
	case err != nil:
		return nil, nil // found as a version
	case newest == nil:
		f.Kind, f.Version, f.Detail = KindVersionMissing, h.VersionID, "no version is there"
		c.note(f, nil)
		return nil, nil
	case !h.marker && other == nil:
		f.Detail = "it is an object and a delete marker"
	case newest.Seq != h.Seq:
		f.Detail = fmt.Sprintf("it shows version %d, the newest is %d", h.Seq, newest.Seq)
	case errors.Is(null, meta.ErrNotFound):
		f.Detail = "its null version is not there"
	default:
		return nil, nil // checkVersions compares the rest
	}
	c.note(f, c.rebuild(b, key))
	return nil, nil
}

// mend returns how to mend the damaged row k if it is a head or one of the index,
// else nil.
func (c *checker) mend(k []byte) func(context.Context) error {
	if fn := c.mendIndex(bytes.Clone(k)); fn != nil {
		return fn
	}
	var id ID
	for _, prefix := range []string{rowHead, rowMarker} {
		if rest, ok := strings.CutPrefix(string(k), prefix); ok && len(rest) > len(id) {
			copy(id[:], rest)
			if b := c.buckets[id]; b != nil {
				return c.rebuild(b, rest[len(id):])
			}
		}
	}
	return nil
}

// rebuild returns a repair that makes the head of a key anew from its versions.
// The highest sequence number ever given is lost with a damaged head; the ids
// of versions stay unique by their random part.
func (c *checker) rebuild(b *Bucket, key string) func(context.Context) error {
	return func(ctx context.Context) error {
		return c.s.meta.Update(ctx, func(txn meta.Txn) error {
			h := new(head)
			for _, k := range [][]byte{headRow(b.ID, key), markerRow(b.ID, key)} {
				var old head
				if err := get(txn, k, &old); err == nil {
					h.LastSeq = max(h.LastSeq, old.LastSeq)
				} else if !errors.Is(err, meta.ErrNotFound) && !errors.Is(err, meta.ErrCorrupt) {
					return err
				}
			}
			var newest *Version
			prefix := versionsOf(b.ID, key)
			err := txn.Scan(meta.Prefix(prefix), func(k, val []byte) (bool, error) {
				_, seq, err := splitVersion(k, len(rowVersion)+len(b.ID))
				v := &Version{Seq: seq}
				if err == nil {
					err = decode(k, val, v)
				}
				if newest == nil {
					newest = v
				}
				if v.ID == NullVersion && h.NullSeq == 0 {
					h.NullSeq = seq
				}
				return true, err
			})
			if err != nil {
				return err
			}
			if newest == nil {
				return errors.New("no version is left")
			}
			h.LastSeq = max(h.LastSeq, newest.Seq)
			h.show(newest)
			if err := txn.Delete(headRow(b.ID, key)); err != nil {
				return err
			}
			if err := txn.Delete(markerRow(b.ID, key)); err != nil {
				return err
			}
			return putHead(txn, b, key, h)
		})
	}
}

// checkVersions compares each version with its head, and its content with what
// the row says of it.
func (c *checker) checkVersions(ctx context.Context) error {
	var before ID // the bucket and the key of the row before
	var lastKey string
	var last bool
	var todo []*Version
	return c.walk(ctx, meta.Prefix([]byte(rowVersion)), func(r meta.Reader, k, val []byte) ([]byte, error) {
		b, skip, err := c.bucketOf(r, rowVersion, k)
		if b == nil {
			return skip, err
		}
		key, seq, err := splitVersion(k, len(rowVersion)+len(b.ID))
		if err != nil {
			c.damaged(k, err)
			return nil, nil
		}
		isFirst := !last || before != b.ID || lastKey != key
		before, lastKey, last = b.ID, key, true
		v := &Version{Bucket: b.Name, BucketID: b.ID, Key: key, Seq: seq}
		if err := decode(k, val, v); err != nil {
			c.damaged(k, err)
			return nil, nil
		}
		if err := c.compareHead(r, b, v, isFirst); err != nil {
			return nil, err
		}
		if v.IsMarker {
			return nil, nil
		}
		todo = append(todo, v)
		for _, p := range v.Content.Previous {
			if _, err := r.Get(replacedRow(p.Until, b.ID, key, seq)); errors.Is(err, meta.ErrNotFound) {
				c.note(c.of(v, SeverityWarning, KindReplacedUnlisted, nil), func(ctx context.Context) error {
					return c.s.meta.Update(ctx, func(txn meta.Txn) error {
						return txn.Put(replacedRow(p.Until, b.ID, key, seq), []byte(b.Name))
					})
				})
			}
		}
		if err := c.wantVersionIndexed(r, v); err != nil {
			return nil, err
		}
		return nil, c.named(r, c.of(v, SeverityError, "", nil), v.Content.ID, v.Content.Blob)
	}, func() error {
		for _, v := range todo {
			if err := c.version(ctx, v); err != nil {
				return err
			}
		}
		todo = todo[:0]
		return nil
	})
}

// of returns a finding about a version.
func (c *checker) of(v *Version, s Severity, k Kind, err error) Finding {
	f := Finding{Severity: s, Kind: k, Bucket: v.Bucket, Key: v.Key, Version: v.ID}
	if err != nil {
		f.Detail = err.Error()
	}
	return f
}

// compareHead compares a version with the head of its key; isFirst says that it
// is the newest one.
func (c *checker) compareHead(r meta.Reader, b *Bucket, v *Version, isFirst bool) error {
	h, err := headOf(r, b.ID, v.Key)
	if errors.Is(err, meta.ErrCorrupt) {
		return nil // found as a head
	}
	if err != nil {
		return err
	}
	f := c.of(v, SeverityError, KindHeadWrong, nil)
	switch {
	case h == nil && !isFirst:
		return nil
	case h == nil:
		f.Kind, f.Detail = KindHeadMissing, "no head is there"
	case v.Seq > h.LastSeq:
		f.Detail = fmt.Sprintf("it gave %d sequence numbers, this is %d", h.LastSeq, v.Seq)
	case (v.ID == NullVersion) != (h.NullSeq == v.Seq):
		f.Detail = fmt.Sprintf("its null version is %d, this is %d", h.NullSeq, v.Seq)
	case isFirst && h.Seq == v.Seq: // other numbers were found as a head
		want := *h
		if want.show(v); reflect.DeepEqual(want, *h) {
			return nil
		}
		f.Detail = "it describes another version"
	default:
		return nil
	}
	c.note(f, c.rebuild(b, v.Key))
	return nil
}

// named looks for rows that would remove content in use.
func (c *checker) named(r meta.Reader, f Finding, id sealedID, blob string) error {
	rows := map[Kind][]byte{KindGarbageNamed: garbageRow(id)}
	if blob != "" {
		rows[KindIntentNamed] = intentRow(blob)
	}
	for kind, k := range rows {
		_, err := r.Get(k)
		if errors.Is(err, meta.ErrNotFound) {
			continue
		}
		if err != nil && !errors.Is(err, meta.ErrCorrupt) {
			return err
		}
		f.Kind = kind
		c.note(f, func(ctx context.Context) error {
			return c.s.meta.Update(ctx, func(txn meta.Txn) error { return txn.Delete(k) })
		})
	}
	return nil
}

// version checks the content of one version. The version is pinned, so that a
// deletion meanwhile takes nothing away.
func (c *checker) version(ctx context.Context, v *Version) error {
	s := c.s
	if !s.pins.add(v.Content.ID) {
		return nil
	}
	defer s.pins.remove(v.Content.ID)
	b := c.buckets[v.BucketID]
	hasBody := v.Content.PartCount == 0 && v.Content.Blob == ""
	gone, bodyGone := false, false
	err := s.meta.View(ctx, func(r meta.Reader) error {
		now, err := versionAt(r, b, v.Key, v.Seq)
		gone, bodyGone = err != nil || now.Content.ID != v.Content.ID, false
		if gone || !hasBody {
			return nil
		}
		v.body, err = r.Get(contentRow(v.Content.ID))
		if bodyGone = errors.Is(err, meta.ErrNotFound) || errors.Is(err, meta.ErrCorrupt); bodyGone {
			return nil
		}
		return err
	})
	defer func() { v.body = nil }()
	switch {
	case err != nil:
		return err
	case gone:
		return nil
	case bodyGone:
		c.note(c.of(v, SeverityError, KindBodyMissing, errors.New("its row is not there")), nil)
		return nil
	}
	x := &contentCheck{checker: c, ctx: ctx, b: b, about: c.of(v, SeverityError, "", nil)}
	if v.Content.PartCount == 0 {
		bind := s.binding(v)
		if x.body(bind.Content, v.Content.Blob, v.body) {
			x.whole(v)
		}
	} else {
		x.parts(v)
	}
	return ctx.Err()
}

// A contentCheck checks one version or upload.
type contentCheck struct {
	*checker
	ctx   context.Context
	b     *Bucket
	about Finding
}

func (x *contentCheck) find(s Severity, k Kind, format string, args ...any) {
	if x.ctx.Err() != nil {
		return
	}
	f := x.about
	f.Severity, f.Kind, f.Detail = s, k, fmt.Sprintf(format, args...)
	x.note(f, nil)
}

// body checks one sealed body without any key, and reports whether it is whole.
func (x *contentCheck) body(want sealed.Content, blob string, inline []byte) bool {
	size, start, err := int64(len(inline)), inline[:min(len(inline), sealed.MaxHeaderSize)], error(nil)
	if blob != "" {
		if size, start, err = x.blob(blob); err != nil {
			return false
		}
	}
	got, err := sealed.ParseHeader(start)
	switch {
	case err != nil:
		x.find(SeverityError, KindBodyDamaged, "%s%v", inBlob(blob), err)
	case got.ID != want.ID || got.Suite != want.Suite || !bytes.Equal(got.Commitment, want.Commitment):
		x.find(SeverityError, KindBodyDamaged, "%sheader of another body", inBlob(blob))
	case size != sealed.SealedSize(want.Length, want.Suite):
		x.find(SeverityError, KindBodyDamaged, "%s%d bytes, want %d", inBlob(blob), size, sealed.SealedSize(want.Length, want.Suite))
	default:
		return true
	}
	return false
}

func inBlob(name string) string {
	if name == "" {
		return ""
	}
	return "blob " + name + ": "
}

// blob checks the keyless checksums of a blob, and returns its size and start.
func (x *contentCheck) blob(name string) (size int64, start []byte, err error) {
	b, err := x.s.blobs.Open(x.ctx, name)
	if err == nil {
		size = b.Size()
		start, err = header(b)
		_ = b.Close()
	}
	if err == nil {
		err = x.s.blobs.Check(x.ctx, name)
	}
	if isMissing(err) {
		x.find(SeverityError, KindBodyMissing, "blob %s is not there", name)
	} else if err != nil {
		x.find(SeverityError, KindBodyDamaged, "blob %s: %v", name, err)
	}
	return size, start, err
}
