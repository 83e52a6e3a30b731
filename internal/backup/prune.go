package backup

import (
	"context"
	"fmt"
	"time"

	"coffer/internal/archive"
	"coffer/internal/backupset"
)

// Prune removes all backups but the newest keep, and then every file that none of the
// remaining ones names. It returns the names of the backups, and how many files were
// removed. While a backup is under way it returns ErrLocked, since that could count on a
// file that is removed. If it is cut, the next one goes on.
func Prune(ctx context.Context, from archive.Store, codec *backupset.Codec, keep int) (removed []string, files int64, err error) {
	if keep < 1 {
		return nil, 0, fmt.Errorf("backup: %d backups are to be kept, want at least 1", keep)
	}
	if err := CheckSet(ctx, from, codec); err != nil {
		return nil, 0, err
	}
	held, err := takeLock(ctx, from, pruneLocks, newName(time.Now()), backupLocks)
	if err != nil {
		return nil, 0, err
	}
	defer held.release(ctx)
	names, err := Names(ctx, from)
	if err != nil {
		return nil, 0, err
	}
	cut := max(0, len(names)-keep)
	// What stays is read before anything goes: a backup that does not open keeps
	// everything.
	needed := make(map[backupset.ID]struct{})
	for _, name := range names[cut:] {
		b, err := Open(ctx, from, codec, name)
		if err != nil {
			return nil, 0, fmt.Errorf("nothing was removed: %w", err)
		}
		for _, refs := range [][]backupset.Ref{b.rows, b.blobs, b.Manifest.Rows.Index, b.Manifest.Blobs.Index} {
			for i := range refs {
				needed[refs[i].ID] = struct{}{}
			}
		}
		err = b.EachBlob(ctx, func(id string, _ int64) error { needed[codec.BlobID(id)] = struct{}{}; return nil })
		if err != nil {
			return nil, 0, fmt.Errorf("nothing was removed: %w", err)
		}
	}
	for _, name := range names[:cut] {
		if err := from.Delete(ctx, backupset.ManifestPath(name)); err != nil {
			return removed, 0, err
		}
		removed = append(removed, name)
	}
	for _, k := range []backupset.Kind{backupset.KindRows, backupset.KindIndex, backupset.KindBlob} {
		err := from.List(ctx, k.Dir()+"/", func(name string) error {
			id, err := backupset.ParseID(name[max(0, len(name)-64):])
			if _, ok := needed[id]; err != nil || ok || name != backupset.Path(k, id) {
				return nil
			}
			files++
			return from.Delete(ctx, name)
		})
		if err != nil {
			return removed, files, err
		}
	}
	return removed, files, nil
}
