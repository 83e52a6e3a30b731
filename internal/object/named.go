package object

import (
	"errors"

	"coffer/internal/meta"
	"coffer/internal/sealed"
)

// EachBlob calls fn with each blob that the rows of r name, and its size in bytes,
// until fn returns an error. Each name occurs once; what is on its way in or out, an
// intent or garbage, names nothing.
func EachBlob(r meta.Reader, fn func(id string, size int64) error) error {
	name := func(id string, length int64, suite sealed.Suite) error {
		if id == "" {
			return nil
		}
		return fn(id, sealed.SealedSize(length, suite))
	}
	for _, step := range []struct {
		prefix string
		visit  func(k, val []byte) error
	}{
		{rowVersion, func(k, val []byte) error {
			var v Version
			if err := decode(k, val, &v); err != nil {
				return err
			}
			return name(v.Content.Blob, v.Content.Length, v.Content.Suite)
		}},
		{rowTable, func(k, val []byte) error {
			// The table of removed content goes after its blobs.
			var id sealedID
			copy(id[:], k[len(rowTable):])
			if _, err := r.Get(garbageRow(id)); !errors.Is(err, meta.ErrNotFound) {
				return err
			}
			var t PartTable
			if err := decode(k, val, &t); err != nil {
				return err
			}
			for i := range t.Parts {
				p := &t.Parts[i]
				if err := name(p.Blob, p.Length, p.Suite); err != nil {
					return err
				}
			}
			return nil
		}},
		{rowPart, func(k, val []byte) error {
			var p Part
			if err := decode(k, val, &p); err != nil {
				return err
			}
			return name(p.Blob, p.Length, p.Suite)
		}},
	} {
		err := r.Scan(meta.Prefix([]byte(step.prefix)), func(k, val []byte) (bool, error) { return true, step.visit(k, val) })
		if err != nil {
			return err
		}
	}
	return nil
}
