package identity

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"coffer/internal/meta"
)

// A LastUse tells when and where an access key or a role was used last. It may lag
// by a minute, and is zero if there was no use.
type LastUse struct {
	At      time.Time
	Service string // "s3"; of access keys
	Region  string
}

// Of the use of one key or role, one in a minute is noted, and what is noted is
// written together half a minute later. A crash may lose that much.
const (
	noteEvery  = time.Minute
	writeAfter = 30 * time.Second
	writeMost  = 1000 // rows of one transaction
	writeWait  = 30 * time.Second
)

// A usage is what is known of uses and not written yet.
type usage struct {
	notedMu sync.RWMutex
	noted   map[string]*atomic.Int64 // guarded by notedMu; by ID, when it was noted last, in Unix seconds

	mu      sync.Mutex
	pending map[string]LastUse // guarded by mu; by ID
	timer   *time.Timer        // guarded by mu; nil if nothing is pending
	closed  bool               // guarded by mu
	writing sync.Mutex         // held while pending uses are written
}

// Used notes that an access key was used. It neither waits nor fails: what it notes
// is written within a minute or so, and by Close.
func (s *Store) Used(id, service, region string, at time.Time) {
	s.note(id, LastUse{at, service, region})
}

// RoleUsed notes that a session of the role with a unique ID was used, as Used does.
func (s *Store) RoleUsed(roleID, region string, at time.Time) {
	s.note(roleID, LastUse{At: at, Region: region})
}

func (s *Store) note(id string, use LastUse) {
	u := &s.usage
	last, seconds := u.last(id), use.At.Unix()
	if before := last.Load(); before+int64(noteEvery/time.Second) > seconds || !last.CompareAndSwap(before, seconds) {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return
	}
	if u.pending == nil {
		u.pending = make(map[string]LastUse)
	}
	u.pending[id] = use
	if u.timer == nil {
		u.timer = time.AfterFunc(writeAfter, s.writeSoon)
	}
}

// last returns when the use of a key or a role was noted last.
func (u *usage) last(id string) *atomic.Int64 {
	u.notedMu.RLock()
	last, ok := u.noted[id]
	u.notedMu.RUnlock()
	if ok {
		return last
	}
	u.notedMu.Lock()
	defer u.notedMu.Unlock()
	if last, ok = u.noted[id]; ok {
		return last
	}
	if u.noted == nil {
		u.noted = make(map[string]*atomic.Int64)
	}
	last = new(atomic.Int64)
	last.Store(math.MinInt64 / 2) // never
	u.noted[id] = last
	return last
}

// prune forgets when uses were noted that are older than noteEvery, so that keys
// that are gone are not kept.
func (u *usage) prune(now time.Time) {
	u.notedMu.Lock()
	defer u.notedMu.Unlock()
	maps.DeleteFunc(u.noted, func(_ string, last *atomic.Int64) bool {
		return last.Load() < now.Add(-noteEvery).Unix()
	})
}

// writeSoon writes what is pending; what can't be written now is tried again.
func (s *Store) writeSoon() {
	ctx, cancel := context.WithTimeout(context.Background(), writeWait)
	defer cancel()
	s.usage.prune(s.now())
	err := s.writeUses(ctx)
	if err != nil {
		s.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "last uses of access keys are not written yet", slog.String("error", err.Error()))
	}
	u := &s.usage
	u.mu.Lock()
	defer u.mu.Unlock()
	u.timer = nil
	if len(u.pending) > 0 && !u.closed {
		u.timer = time.AfterFunc(writeAfter, s.writeSoon)
	}
}

// writeUses writes what is pending.
func (s *Store) writeUses(ctx context.Context) error {
	u := &s.usage
	u.writing.Lock()
	defer u.writing.Unlock()
	for {
		batch := make(map[string]LastUse)
		u.mu.Lock()
		for id, use := range u.pending {
			if len(batch) == writeMost {
				break
			}
			batch[id] = use
		}
		u.mu.Unlock()
		if len(batch) == 0 {
			return nil
		}
		if err := s.cfg.Meta.Update(ctx, func(tx meta.Txn) error { return putUses(tx, batch) }); err != nil {
			return err
		}
		u.mu.Lock()
		for id, use := range batch {
			if u.pending[id] == use {
				delete(u.pending, id)
			}
		}
		u.mu.Unlock()
	}
}

// putUses writes the rows of uses whose key or role still exists.
func putUses(tx meta.Txn, batch map[string]LastUse) error {
	for id, use := range batch {
		owner := rowKey + id
		if isUniqueID(id) {
			owner = rowID + id
		}
		if there, err := exists(tx, owner); err != nil {
			return err
		} else if !there {
			continue
		}
		if err := put(tx, rowUsed+id, usedRow{At: use.At.UnixMilli(), Service: use.Service, Region: use.Region}); err != nil {
			return err
		}
	}
	return nil
}

// lastUse returns the last use of a key or a role, written or pending.
func (s *Store) lastUse(r meta.Reader, id string) (LastUse, error) {
	var row usedRow
	var use LastUse
	switch err := get(r, rowUsed+id, &row); {
	case errors.Is(err, meta.ErrNotFound):
	case err != nil:
		return LastUse{}, err
	default:
		use = LastUse{milliseconds(row.At), row.Service, row.Region}
	}
	s.usage.mu.Lock()
	defer s.usage.mu.Unlock()
	if p, ok := s.usage.pending[id]; ok && p.At.After(use.At) {
		use = LastUse{p.At.UTC().Truncate(time.Millisecond), p.Service, p.Region}
	}
	return use, nil
}

// AccessKeyUse tells when an access key, of a user or of root, was used last. It
// returns ErrNoAccessKey.
func (s *Store) AccessKeyUse(ctx context.Context, id string) (use LastUse, err error) {
	if len(id) > maxAccessKeyID {
		return LastUse{}, ErrNoAccessKey
	}
	err = s.view(ctx, "last use of an access key", func(r meta.Reader) error {
		if there, err := exists(r, rowKey+id); err != nil {
			return err
		} else if !there {
			return ErrNoAccessKey
		}
		use, err = s.lastUse(r, id)
		return err
	})
	return use, err
}

// Close writes what Used and RoleUsed have noted. What is noted later is dropped.
func (s *Store) Close(ctx context.Context) error {
	u := &s.usage
	u.mu.Lock()
	u.closed = true
	if u.timer != nil {
		u.timer.Stop()
	}
	u.mu.Unlock()
	return s.writeUses(ctx)
}
