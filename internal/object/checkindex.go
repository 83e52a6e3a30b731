package object

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"coffer/internal/meta"
)

// wantIndexed notes the index rows that should lead to a version or an upload and
// do not: a shred would not count it. again reads it anew, for the repair.
func (c *checker) wantIndexed(r meta.Reader, f Finding, targets []string, at func(target string) []byte, bucket string, again func(meta.Reader) ([]string, error)) error {
	f.Severity, f.Kind = SeverityWarning, KindUnindexed
	for _, t := range targets {
		if !indexed(t) {
			continue
		}
		_, err := r.Get(at(t))
		if err != nil && !errors.Is(err, meta.ErrNotFound) && !errors.Is(err, meta.ErrCorrupt) {
			return err
		}
		if err == nil {
			continue
		}
		f.Detail = "under " + t
		c.note(f, func(ctx context.Context) error {
			return c.s.meta.Update(ctx, func(txn meta.Txn) error {
				now, err := again(txn)
				if err != nil || !slices.Contains(now, t) {
					return ignoreMissing(err)
				}
				return txn.Put(at(t), []byte(bucket))
			})
		})
	}
	return nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, meta.ErrNotFound) || errors.Is(err, ErrNoSuchUpload) {
		return nil
	}
	return err
}

func (c *checker) wantVersionIndexed(r meta.Reader, v *Version) error {
	b := c.buckets[v.BucketID]
	return c.wantIndexed(r, c.of(v, "", "", nil), v.Content.Targets(), func(t string) []byte { return underVersion(t, v) }, v.Bucket,
		func(r meta.Reader) ([]string, error) {
			now, err := versionAt(r, b, v.Key, v.Seq)
			if err != nil {
				return nil, err
			}
			return now.Content.Targets(), nil
		})
}

func (c *checker) wantUploadIndexed(r meta.Reader, b *Bucket, u *Upload) error {
	return c.wantIndexed(r, Finding{Bucket: b.Name, Key: u.Key, Version: u.ID}, []string{u.Wrap.Target()},
		func(t string) []byte { return underUpload(t, b.ID, u) }, b.Name,
		func(r meta.Reader) ([]string, error) {
			now, err := uploadAt(r, b, u.Key, u.ID)
			if err != nil {
				return nil, err
			}
			return []string{now.Wrap.Target()}, nil
		})
}

// checkIndex looks for what each row of the index leads to.
func (c *checker) checkIndex(ctx context.Context) error {
	return c.walk(ctx, meta.Prefix([]byte(rowUnder)), func(r meta.Reader, k, val []byte) ([]byte, error) {
		at, err := parseUnder(k)
		if err != nil {
			c.damaged(k, err)
			return nil, nil
		}
		use, err := useAt(r, k, val)
		b := c.buckets[at.bucket]
		f := Finding{Severity: SeverityWarning, Kind: KindIndexStale, Bucket: string(val), Key: at.key, Version: at.upload}
		switch {
		case errors.Is(err, meta.ErrCorrupt):
			return nil, nil // found where it leads
		case err != nil:
			return nil, err
		case use != nil && (b == nil || b.Name == string(val)):
			return nil, nil
		case use != nil:
			f.Detail = fmt.Sprintf("under %s: the bucket's name is %q", at.target, b.Name)
		default:
			f.Detail = "under " + at.target + ": nothing is there"
		}
		key := bytes.Clone(k)
		c.note(f, func(ctx context.Context) error {
			return c.s.meta.Update(ctx, func(txn meta.Txn) error {
				val, err := txn.Get(key)
				if err != nil {
					return ignoreMissing(err)
				}
				use, err := useAt(txn, key, val)
				if err != nil {
					return err
				}
				if use == nil {
					return txn.Delete(key)
				}
				if b == nil || b.Name == string(val) {
					return nil
				}
				return txn.Put(key, []byte(b.Name))
			})
		})
		return nil, nil
	}, nil)
}

// mendIndex returns how to mend the damaged row k if it is one of the index: it
// goes, and is written anew if a version or an upload still wants it.
func (c *checker) mendIndex(k []byte) func(context.Context) error {
	if !bytes.HasPrefix(k, []byte(rowUnder)) {
		return nil
	}
	return func(ctx context.Context) error {
		return c.s.meta.Update(ctx, func(txn meta.Txn) error { return txn.Delete(k) })
	}
}
