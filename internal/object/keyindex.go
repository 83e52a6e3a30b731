package object

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"coffer/internal/meta"
	"coffer/internal/sealed"
)

// A target is what content is sealed under, as far as it can be destroyed: the ARN
// of a KMS key, or a key and a part of it that can be destroyed alone, joined by
// partMark. Content under a part is under the key as well. Two targets name no key.
const (
	TargetService  = "sse-s3" // the account's service key, which is never destroyed
	TargetCustomer = "sse-c"  // a client's key, which is not the server's to destroy
	partMark       = "#"
)

// TargetOf returns the target of a KMS key, or of a part of it that is not empty.
func TargetOf(keyARN, part string) string {
	if part == "" {
		return keyARN
	}
	return keyARN + partMark + part
}

// IsWithin reports whether destroying outer destroys target: they are the same, or
// target is a part of the key outer.
func IsWithin(target, outer string) bool {
	return target == outer || strings.HasPrefix(target, outer+partMark)
}

// Target returns what w is sealed under.
func (w *Wrap) Target() string {
	if w.KeyARN != "" {
		return TargetOf(w.KeyARN, w.Part)
	}
	if mode, err := w.Mode(); err == nil && mode == sealed.ModeCustomer {
		return TargetCustomer
	}
	return TargetService
}

// Targets returns everything that the content is sealed under or ever was, sorted.
// Whoever holds an old copy of the metadata opens it with any of them.
func (c *Content) Targets() []string {
	all := append([]string{c.Wrap.Target()}, c.Lineage...)
	for i := range c.Previous {
		all = append(all, c.Previous[i].Wrap.Target())
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// indexed reports whether the index has rows for a target.
func indexed(target string) bool { return target != TargetService && target != TargetCustomer }

// Kinds of what an index row leads to.
const (
	usedByVersion = 'v'
	usedByUpload  = 'u'
)

// underPrefix returns what the index rows of a target start with, those of the
// parts of a key included.
func underPrefix(target string) []byte {
	arn, part, ok := strings.Cut(target, partMark)
	b := row(rowUnder, escape(arn))
	if ok {
		b = append(b, escape(part)...)
	}
	return b
}

// underRow returns the index row that leads from a target to a version or an upload.
func underRow(target string, b ID, kind byte, key string, last []byte) []byte {
	arn, part, _ := strings.Cut(target, partMark)
	return row(rowUnder, escape(arn), escape(part), b[:], []byte{kind}, escape(key), last)
}

func underVersion(target string, v *Version) []byte {
	return underRow(target, v.BucketID, usedByVersion, v.Key, be64(^v.Seq))
}

func underUpload(target string, b ID, u *Upload) []byte {
	return underRow(target, b, usedByUpload, u.Key, []byte(u.ID))
}

// An underKey is an index row's key in parts.
type underKey struct {
	target string
	bucket ID
	kind   byte
	key    string
	seq    uint64 // of a version
	upload string
}

func parseUnder(k []byte) (u underKey, err error) {
	bad := fmt.Errorf("%w: row key %q", meta.ErrCorrupt, k)
	arn, rest, err := unescape(k[len(rowUnder):])
	if err != nil {
		return u, err
	}
	part, rest, err := unescape(rest)
	if err != nil {
		return u, err
	}
	if len(rest) < len(u.bucket)+1 {
		return u, bad
	}
	u.target = TargetOf(arn, part)
	rest = rest[copy(u.bucket[:], rest):]
	u.kind = rest[0]
	if u.key, rest, err = unescape(rest[1:]); err != nil {
		return u, err
	}
	switch {
	case u.kind == usedByVersion && len(rest) == 8:
		u.seq = ^binary.BigEndian.Uint64(rest)
	case u.kind == usedByUpload && len(rest) > 0:
		u.upload = string(rest)
	default:
		return u, bad
	}
	return u, nil
}

// index makes the index lead to v, in the transaction that writes v.
func index(txn meta.Txn, v *Version) error {
	if v.IsMarker {
		return nil
	}
	if err := admit(txn, &v.Content.Wrap); err != nil {
		return err
	}
	for _, t := range v.Content.Targets() {
		if !indexed(t) {
			continue
		}
		if err := txn.Put(underVersion(t, v), []byte(v.Bucket)); err != nil {
			return err
		}
	}
	return nil
}

// unindex takes v out of the index, in the transaction that removes v or gives it
// other content.
func unindex(txn meta.Txn, v *Version) error {
	if v.IsMarker {
		return nil
	}
	for _, t := range v.Content.Targets() {
		if !indexed(t) {
			continue
		}
		if err := txn.Delete(underVersion(t, v)); err != nil {
			return err
		}
	}
	return nil
}

func indexUpload(txn meta.Txn, b *Bucket, u *Upload) error {
	if err := admit(txn, &u.Wrap); err != nil {
		return err
	}
	if t := u.Wrap.Target(); indexed(t) {
		return txn.Put(underUpload(t, b.ID, u), []byte(b.Name))
	}
	return nil
}

func unindexUpload(txn meta.Txn, b ID, u *Upload) error {
	if t := u.Wrap.Target(); indexed(t) {
		return txn.Delete(underUpload(t, b, u))
	}
	return nil
}

// A Use is a version, or an upload under way, whose content is sealed under a
// target or ever was.
type Use struct {
	Bucket, Key string
	VersionID   string // or the ID of the upload
	IsUpload    bool
	IsLatest    bool     // the version is the current one of its key
	IsDamaged   bool     // it does not read: nothing below is known of it
	Bytes       int64    // of plaintext; of an upload, what its parts have so far
	Targets     []string // sorted; who can destroy them all makes the content dark

	seq uint64
	id  ID
}

// Uses calls fn for up to limit index rows of a target, from behind after on, each
// version and upload once in a whole scan. It returns where to go on, nil at the end.
func Uses(r meta.Reader, target string, after []byte, limit int, fn func(*Use) error) (next []byte, err error) {
	prefix := underPrefix(target)
	rg := meta.Range{Start: prefix, End: meta.PrefixEnd(prefix), Limit: limit}
	if after != nil {
		rg.Start = append(bytes.Clone(after), 0)
	}
	n := 0
	err = r.Scan(rg, func(k, val []byte) (bool, error) {
		n++
		next = bytes.Clone(k)
		at, err := parseUnder(k)
		if err != nil {
			return false, err
		}
		u, err := useAt(r, k, val)
		if errors.Is(err, meta.ErrCorrupt) {
			return true, fn(&Use{Bucket: string(val), Key: at.key, IsUpload: at.kind == usedByUpload, IsDamaged: true})
		}
		if err != nil || u == nil {
			return true, err
		}
		// A version that several rows of this scan lead to counts at the first.
		for _, t := range u.Targets {
			if IsWithin(t, target) {
				if t != at.target {
					return true, nil
				}
				break
			}
		}
		return true, fn(u)
	})
	if n < limit {
		next = nil
	}
	return next, err
}

// useAt reads what an index row leads to: nil if that is gone, or is not under the
// row's target.
func useAt(r meta.Reader, k, val []byte) (*Use, error) {
	at, err := parseUnder(k)
	if err != nil {
		return nil, err
	}
	b := &Bucket{ID: at.bucket, Name: string(val)}
	use := &Use{Bucket: b.Name, Key: at.key, id: at.bucket, seq: at.seq}
	if at.kind == usedByUpload {
		u, err := uploadAt(r, b, at.key, at.upload)
		if errors.Is(err, ErrNoSuchUpload) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		use.VersionID, use.IsUpload, use.Targets = at.upload, true, []string{u.Wrap.Target()}
		if use.Targets[0] != at.target {
			return nil, nil
		}
		return use, r.Scan(meta.Prefix(row(rowPart, []byte(at.upload))), func(k, val []byte) (bool, error) {
			var p Part
			err := decode(k, val, &p)
			use.Bytes += p.Length
			return true, err
		})
	}
	v, err := versionAt(r, b, at.key, at.seq)
	if errors.Is(err, meta.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	use.VersionID, use.Bytes, use.Targets = v.ID, v.Size(), v.Content.Targets()
	if v.IsMarker || !slices.Contains(use.Targets, at.target) {
		return nil, nil
	}
	h, err := headOf(r, at.bucket, at.key)
	if err != nil && !errors.Is(err, meta.ErrCorrupt) {
		return nil, err
	}
	use.IsLatest = err == nil && h != nil && h.Seq == at.seq
	return use, nil
}

// usePage is how many index rows one transaction reads.
const usePage = 256

// EachUse calls fn for every version and upload whose content is sealed under
// target or ever was. It reads in pages: what is written meanwhile may be missed,
// unless the target can't be used any more.
func (s *Store) EachUse(ctx context.Context, target string, fn func(*Use) error) error {
	return EachUse(ctx, s.meta, target, fn)
}

// EachUse is [Store.EachUse] over any metadata, such as that of a backup.
func EachUse(ctx context.Context, m meta.Store, target string, fn func(*Use) error) error {
	var after []byte
	for {
		var page []*Use
		var next []byte
		err := m.View(ctx, func(r meta.Reader) (err error) {
			page = page[:0]
			next, err = Uses(r, target, after, usePage, func(u *Use) error {
				page = append(page, u)
				return nil
			})
			return err
		})
		if err != nil {
			return err
		}
		for _, u := range page {
			if err := fn(u); err != nil {
				return err
			}
		}
		if next == nil {
			return ctx.Err()
		}
		after = next
	}
}

// ForgetWraps removes the replaced wraps under target, which was destroyed, from
// the versions that keep them for the recovery window.
func (s *Store) ForgetWraps(ctx context.Context, target string) error {
	return s.EachUse(ctx, target, func(u *Use) error {
		return s.forgetWraps(ctx, u, func(w *Wrap) bool { return IsWithin(w.Target(), target) })
	})
}

// forgetWraps removes the replaced wraps of a use that are dead.
func (s *Store) forgetWraps(ctx context.Context, u *Use, dead func(*Wrap) bool) error {
	if u.IsUpload || u.IsDamaged {
		return nil
	}
	return s.meta.Update(ctx, func(txn meta.Txn) error {
		v, err := versionAt(txn, &Bucket{ID: u.id, Name: u.Bucket}, u.Key, u.seq)
		if errors.Is(err, meta.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		kept := len(v.Content.Previous)
		lineage := v.Content.Targets()
		v.Content.Previous = slices.DeleteFunc(v.Content.Previous, func(p Replaced) bool { return dead(&p.Wrap) })
		if len(v.Content.Previous) == kept {
			return nil
		}
		v.Content.remember(lineage)
		return put(txn, versionRow(u.id, u.Key, u.seq), v)
	})
}

// remember keeps targets in the lineage, save that of the present wrap.
func (c *Content) remember(targets []string) {
	for _, t := range targets {
		if t != c.Wrap.Target() && !slices.Contains(c.Lineage, t) {
			c.Lineage = append(c.Lineage, t)
		}
	}
}

// indexComplete is what the marker row holds once every version is in the index.
const indexComplete = 1

// buildIndex puts what was written before there was an index into it. It may be cut
// at any time, and starts again.
func (s *Store) buildIndex(ctx context.Context) error {
	var done int
	err := s.meta.View(ctx, func(r meta.Reader) error { return get(r, []byte(rowIndexed), &done) })
	if err == nil || !errors.Is(err, meta.ErrNotFound) {
		return err
	}
	var versions []*Version
	var uploads []*Upload
	var buckets []*Bucket
	names := make(map[ID]string)
	c := &checker{s: s, report: func(Finding) {}}
	err = c.walk(ctx, meta.Prefix([]byte(rowBucket)), func(_ meta.Reader, k, val []byte) ([]byte, error) {
		var b Bucket
		if decode(k, val, &b) == nil {
			names[b.ID] = b.Name
		}
		return nil, nil
	}, nil)
	if err != nil {
		return err
	}
	flush := func() error {
		return s.meta.Update(ctx, func(txn meta.Txn) error {
			for _, v := range versions {
				if err := index(txn, v); err != nil {
					return err
				}
			}
			for i, u := range uploads {
				if err := indexUpload(txn, buckets[i], u); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err = c.walk(ctx, meta.Prefix([]byte(rowVersion)), func(_ meta.Reader, k, val []byte) ([]byte, error) {
		v := new(Version)
		if len(k) < len(rowVersion)+len(v.BucketID) {
			return nil, nil // damage, for a check to find
		}
		copy(v.BucketID[:], k[len(rowVersion):])
		var err error
		v.Bucket = names[v.BucketID]
		if v.Key, v.Seq, err = splitVersion(k, len(rowVersion)+len(v.BucketID)); err == nil && decode(k, val, v) == nil {
			versions = append(versions, v)
		}
		return nil, nil
	}, func() error {
		err := flush()
		versions = versions[:0]
		return err
	})
	if err != nil {
		return err
	}
	err = c.walk(ctx, meta.Prefix([]byte(rowUpload)), func(_ meta.Reader, k, val []byte) ([]byte, error) {
		b, u, err := splitUpload(k)
		if err == nil && decode(k, val, u) == nil {
			b.Name = names[b.ID]
			uploads, buckets = append(uploads, u), append(buckets, b)
		}
		return nil, nil
	}, func() error {
		err := flush()
		uploads, buckets = uploads[:0], buckets[:0]
		return err
	})
	if err != nil {
		return err
	}
	return s.meta.Update(ctx, func(txn meta.Txn) error { return put(txn, []byte(rowIndexed), indexComplete) })
}

// splitUpload parts the row key of an upload.
func splitUpload(k []byte) (*Bucket, *Upload, error) {
	b, u := new(Bucket), new(Upload)
	if len(k) < len(rowUpload)+len(b.ID) {
		return nil, nil, fmt.Errorf("%w: row key %q", meta.ErrCorrupt, k)
	}
	copy(b.ID[:], k[len(rowUpload):])
	key, id, err := unescape(k[len(rowUpload)+len(b.ID):])
	u.Key, u.ID = key, string(id)
	return b, u, err
}
