package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"coffer/internal/backupset"
	"coffer/internal/blob"
	"coffer/internal/meta"
)

// RestoreOptions say how a backup is restored.
type RestoreOptions struct {
	// Progress, if not nil, is told how much of a stage is done.
	Progress func(stage string, done, total int64)
}

// A Restored says what was restored.
type Restored struct {
	Rows      int64 `json:"rows"`
	RowBytes  int64 `json:"rowBytes"`
	Blobs     int64 `json:"blobs"`
	BlobBytes int64 `json:"blobBytes"`
	Lost      int64 `json:"lost"` // blobs that were lost already where the backup was made
}

// maxBatch is about how many bytes of rows one transaction of a restore writes.
const maxBatch = 4 << 20

// Restore writes the rows and the blobs of the backup to stores that are empty.
// Every byte authenticates before it is written; what does not is an error that wraps
// [backupset.ErrDamaged], and the stores are then good for nothing.
func (b *Backup) Restore(ctx context.Context, rows meta.Store, blobs blob.Store, opts RestoreOptions) (*Restored, error) {
	if opts.Progress == nil {
		opts.Progress = func(string, int64, int64) {}
	}
	out := new(Restored)
	// Blobs first, as for any write: a row never names what is not there.
	if err := b.restoreBlobs(ctx, blobs, out, opts); err != nil {
		return nil, fmt.Errorf("restore blobs: %w", err)
	}
	if err := b.restoreRows(ctx, rows, out, opts); err != nil {
		return nil, fmt.Errorf("restore rows: %w", err)
	}
	return out, nil
}

func (b *Backup) restoreRows(ctx context.Context, rows meta.Store, out *Restored, opts RestoreOptions) error {
	var batch []record
	var size int64
	flush := func() error {
		err := rows.Update(ctx, func(txn meta.Txn) error {
			for _, r := range batch {
				if err := txn.Put(r.key, r.value); err != nil {
					return err
				}
			}
			return nil
		})
		out.Rows += int64(len(batch))
		out.RowBytes += size
		batch, size = batch[:0], 0
		opts.Progress("rows", out.Rows, b.Manifest.Rows.Count)
		return err
	}
	err := b.each(ctx, b.rows, func(records []record) error {
		for _, r := range records {
			batch = append(batch, r)
			if size += int64(len(r.key) + len(r.value)); size >= maxBatch {
				if err := flush(); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return flush()
}

func (b *Backup) restoreBlobs(ctx context.Context, to blob.Store, out *Restored, opts RestoreOptions) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	from := b.Blobs()
	slots := make(chan struct{}, writers)
	var wg sync.WaitGroup
	var mu sync.Mutex // guards out
	err := b.EachBlob(ctx, func(id string, size int64) error {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		wg.Go(func() {
			defer func() { <-slots }()
			err := copyBlob(ctx, from, to, id, size)
			isLost := b.IsLost(id) && errors.Is(err, blob.ErrNotFound)
			if err != nil && !isLost {
				cancel(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if isLost {
				out.Lost++
			} else {
				out.Blobs++
				out.BlobBytes += size
			}
			opts.Progress("blobs", out.Blobs+out.Lost, b.Manifest.Blobs.Count)
		})
		return nil
	})
	wg.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

func copyBlob(ctx context.Context, from, to blob.Store, id string, size int64) error {
	src, err := from.Open(ctx, id)
	if err != nil {
		return err
	}
	defer src.Close()
	if src.Size() != size {
		return fmt.Errorf("%w: blob %s has %d bytes, want %d", backupset.ErrDamaged, id, src.Size(), size)
	}
	w, err := to.Create(ctx, id, size)
	if err != nil {
		return err
	}
	defer w.Abort()
	buf := make([]byte, min(max(size, 1), 4*backupset.SegmentSize))
	if _, err := io.CopyBuffer(onlyWriter{w}, onlyReader{io.NewSectionReader(src, 0, size)}, buf); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return w.Commit()
}
