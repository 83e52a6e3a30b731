package key

import (
	"context"
	"errors"

	"coffer/internal/meta"
)

// Gone reports whether nothing will ever open again what was sealed under a key, or
// with subject, under that subject of it: its destruction has begun, which is
// irrevocable, or is over. A key of several regions is gone when it is in all of
// them. A key that was never here is not gone.
func (k *Keys) Gone(ctx context.Context, ref Ref, subject *SubjectID) (gone bool, err error) {
	if !ref.valid() {
		return false, nil
	}
	err = k.meta.View(ctx, func(r meta.Reader) error {
		gone = false
		if subject != nil {
			_, err := getSubject(r, subjectAt{subjectRef(ref), *subject})
			if errors.Is(err, ErrSubjectDestroyed) {
				gone = true
				return nil
			}
			if err != nil && !errors.Is(err, ErrSubjectNotFound) {
				return err
			}
		}
		row, err := getRow[keyRow](r, keyKey(ref))
		switch {
		case err == nil && row.State != destroying:
			return nil
		case err == nil:
			for _, other := range row.everywhere(ref) {
				row, err := getRow[keyRow](r, keyKey(other))
				if err == nil && row.State != destroying {
					return nil
				}
				if err != nil && !errors.Is(err, meta.ErrNotFound) {
					return err
				}
			}
			gone = true
			return nil
		case !errors.Is(err, meta.ErrNotFound):
			return err
		}
		tomb, err := getRow[tombstoneRow](r, tombstoneKey(ref))
		if errors.Is(err, meta.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, m := range tomb.Materials {
			if _, err := r.Get(materialKey(m)); err == nil {
				return nil // in another region
			} else if !errors.Is(err, meta.ErrNotFound) {
				return err
			}
		}
		gone = true
		return nil
	})
	return gone, err
}

// ParseSubjectID returns the ID with those 64 hexadecimal digits.
func ParseSubjectID(s string) (id SubjectID, ok bool) {
	if len(s) != 2*len(id) || !isHex(s) {
		return id, false
	}
	for i := range id {
		id[i] = digit(s[2*i])<<4 | digit(s[2*i+1])
	}
	return id, true
}

// digit returns the value of a hexadecimal digit in lower case.
func digit(c byte) byte {
	if c >= 'a' {
		return c - 'a' + 10
	}
	return c - '0'
}
