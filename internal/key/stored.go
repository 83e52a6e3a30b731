package key

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"coffer/internal/meta"
)

// A Stored says for how long a key was kept, whether it still is or not.
type Stored struct {
	Ref
	Manager, Spec string
	ShredBy       string // of a key that is there
	Created       time.Time
	// Ended is when the deletion was scheduled of a key that waits for it, and
	// when a destroyed key stopped being usable; zero for other keys.
	Ended time.Time
	// Rotated is when each version beside the first became the current one, the
	// oldest first.
	Rotated []time.Time
}

// Place is where the key stands in the order of [Keys.Stored].
func (s *Stored) Place() string { return s.place() }

// Stored lists the keys of an account, or of all accounts if it is empty, and those
// that were destroyed, by account, region and ID, behind a place: limit of them at most.
func (k *Keys) Stored(ctx context.Context, account, after string, limit int) (list []Stored, err error) {
	err = k.meta.View(ctx, func(r meta.Reader) error {
		list = nil
		err := scanStored(r, rowKey, account, after, limit, func(ref Ref, row *keyRow) {
			list = append(list, row.stored(ref))
		})
		if err != nil {
			return err
		}
		return scanStored(r, rowTombstone, account, after, limit, func(ref Ref, row *tombstoneRow) {
			list = append(list, row.stored(ref))
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list what keys were kept: %w", err)
	}
	slices.SortStableFunc(list, func(a, b Stored) int { return strings.Compare(a.place(), b.place()) })
	// A key in a region may be there again after one with its ID was destroyed: both
	// stay on one page.
	for limit < len(list) && list[limit].Ref == list[limit-1].Ref {
		limit++
	}
	return list[:min(limit, len(list))], nil
}

func scanStored[Row any](r meta.Reader, prefix, account, after string, limit int, see func(Ref, *Row)) error {
	within := meta.Prefix([]byte(prefix))
	if account != "" {
		within = meta.Prefix([]byte(prefix + account + "/"))
	}
	if start := prefix + after + "\x00"; after != "" && start > string(within.Start) {
		within.Start = []byte(start)
	}
	within.Limit = limit
	return r.Scan(within, func(key, value []byte) (bool, error) {
		ref, err := parsePlace(string(key[len(prefix):]))
		if err != nil {
			return false, err
		}
		var row Row
		if err := decode(key, value, &row); err != nil {
			return false, err
		}
		see(ref, &row)
		return true, nil
	})
}

func (row *keyRow) stored(ref Ref) Stored {
	s := Stored{Ref: ref, Manager: row.Manager, Spec: row.Spec, ShredBy: row.ShredBy, Created: fromNano(row.Created), Ended: fromNano(row.scheduled())}
	for _, n := range row.rotated() {
		s.Rotated = append(s.Rotated, fromNano(n))
	}
	return s
}

func (row *tombstoneRow) stored(ref Ref) Stored {
	s := Stored{Ref: ref, Manager: row.Manager, Spec: row.Spec, Created: fromNano(row.Created), Ended: fromNano(row.Destroyed)}
	if row.Scheduled != 0 {
		s.Ended = fromNano(row.Scheduled)
	}
	for _, n := range row.Rotated {
		s.Rotated = append(s.Rotated, fromNano(n))
	}
	return s
}

// scheduled returns when the deletion of a key was scheduled, or 0 if it was not.
func (row *keyRow) scheduled() int64 {
	if row.Deletion == 0 {
		return 0
	}
	return row.Deletion - row.Window
}

// rotated returns when the versions of a key beside the first became the current one.
func (row *keyRow) rotated() (list []int64) {
	for _, v := range row.Versions {
		if v.Number > 1 && v.Rotated != 0 && !v.Pending {
			list = append(list, v.Rotated)
		}
	}
	return list
}

// CountSubjects returns how many subjects of a key have a key of their own.
func (k *Keys) CountSubjects(ctx context.Context, ref Ref) (n int, err error) {
	prefix := []byte(rowSubject + subjectRef(ref).place() + "/")
	within := meta.Prefix(prefix)
	within.Limit = pageSubjects
	for more := true; more; {
		found := 0
		var last []byte
		err := k.meta.View(ctx, func(r meta.Reader) error {
			found = 0
			return r.Scan(within, func(key, _ []byte) (bool, error) {
				found++
				last = append(last[:0], key...)
				return true, nil
			})
		})
		if err != nil {
			return 0, fmt.Errorf("count subjects of %s: %w", ref, err)
		}
		n += found
		more = found == pageSubjects
		within.Start = append(last, 0)
	}
	return n, nil
}
