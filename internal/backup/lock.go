package backup

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"coffer/internal/archive"
)

// ErrLocked means that a backup or a removal of old ones is under way in the same
// place, and that the two don't go together.
var ErrLocked = errors.New("backup: the place is in use")

// Locks are files. Whoever takes one looks for those of the other kind afterwards: of
// two that begin at the same time at least one sees the other, and gives way.
const (
	lockDir     = "locks/"
	backupLocks = lockDir + "backup-"
	pruneLocks  = lockDir + "prune-"

	// staleLock is how old a lock is when its holder is taken for dead, and
	// renewLock how often a living one says so.
	staleLock = 24 * time.Hour
	renewLock = 10 * time.Minute
)

// A lock is one that is held.
type lock struct {
	to      archive.Store
	name    string
	others  string // prefix of the locks that it does not go with
	renewed time.Time
}

// takeLock takes a lock, or returns ErrLocked. kind and others are prefixes.
func takeLock(ctx context.Context, to archive.Store, kind, id, others string) (*lock, error) {
	l := &lock{to: to, name: kind + id, others: others}
	if err := l.renew(ctx); err != nil {
		return nil, err
	}
	if err := l.check(ctx); err != nil {
		l.release(ctx)
		return nil, err
	}
	return l, nil
}

// renew says that the holder lives, if that was said a while ago.
func (l *lock) renew(ctx context.Context) error {
	now := time.Now()
	if now.Sub(l.renewed) < renewLock {
		return nil
	}
	text := now.UTC().Format(time.RFC3339)
	if err := l.to.Put(ctx, l.name, strings.NewReader(text), int64(len(text))); err != nil {
		return err
	}
	l.renewed = now
	return nil
}

// check returns ErrLocked if somebody who lives holds a lock of the other kind.
func (l *lock) check(ctx context.Context) error {
	var names []string
	err := l.to.List(ctx, l.others, func(name string) error { names = append(names, name); return nil })
	if err != nil {
		return fmt.Errorf("look for locks: %w", err)
	}
	for _, name := range names {
		b, err := archive.ReadFile(ctx, l.to, name, 1<<10)
		if errors.Is(err, archive.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		// One that does not read is taken for alive.
		at, err := time.Parse(time.RFC3339, string(b))
		if err != nil || time.Since(at) < staleLock {
			return fmt.Errorf("%w: %s, last seen %s; remove the file if nobody holds it any more", ErrLocked, name, b)
		}
	}
	return nil
}

// release gives the lock back. One that can't be removed goes stale.
func (l *lock) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	_ = l.to.Delete(ctx, l.name)
}
