package identity

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"coffer/internal/meta"
)

// maxRevoked is how many sessions are revoked at a time.
const maxRevoked = 100_000

// A revoked is the set of the revoked temporary access keys, with the Unix
// milliseconds at which each session has ended anyway.
type revoked struct {
	mu  sync.Mutex                       // held while until is loaded or replaced
	set atomic.Pointer[map[string]int64] // nil until it is loaded; never changed in place
}

// RevokeSession refuses one session's temporary access key until the session has
// ended. It returns ErrQuota and ErrInvalid.
func (s *Store) RevokeSession(ctx context.Context, accessKeyID string, until time.Time, also func(meta.Txn) error) error {
	if len(accessKeyID) > maxAccessKeyID || !isName(accessKeyID, maxAccessKeyID) {
		return fmt.Errorf("%w: access key ID of a session", ErrInvalid)
	}
	s.revoked.mu.Lock()
	defer s.revoked.mu.Unlock()
	set, err := s.loadRevoked(ctx)
	if err != nil {
		return err
	}
	now := s.now().UnixMilli()
	next := make(map[string]int64, len(set)+1)
	var over []string
	for id, end := range set {
		if end < now {
			over = append(over, rowRevoked+id)
		} else {
			next[id] = end
		}
	}
	next[accessKeyID] = max(next[accessKeyID], until.UnixMilli())
	if len(next) > maxRevoked {
		return &QuotaError{"RevokedSessions", maxRevoked}
	}
	err = s.change(ctx, "revoke session", func(tx meta.Txn) error {
		if err := remove(tx, over...); err != nil {
			return err
		}
		return put(tx, rowRevoked+accessKeyID, next[accessKeyID])
	}, also)
	// Also after an error, when the change may have been made all the same: the
	// caller wanted the session refused, and the next start reads what is so.
	if err != nil {
		kept := maps.Clone(set)
		kept[accessKeyID] = next[accessKeyID]
		next = kept
	}
	s.revoked.set.Store(&next)
	return err
}

// loadRevoked returns the set, which it reads the first time. s.revoked.mu is held.
func (s *Store) loadRevoked(ctx context.Context) (map[string]int64, error) {
	if set := s.revoked.set.Load(); set != nil {
		return *set, nil
	}
	var set map[string]int64
	err := s.view(ctx, "load revoked sessions", func(r meta.Reader) error {
		set = make(map[string]int64)
		return r.Scan(meta.Prefix([]byte(rowRevoked)), func(key, value []byte) (bool, error) {
			var until int64
			err := decode(key, value, &until)
			set[string(key[len(rowRevoked):])] = until
			return true, err
		})
	})
	if err != nil {
		return nil, err
	}
	s.revoked.set.Store(&set)
	return set, nil
}

// SessionRevoked reports whether RevokeSession refuses the key. It also does if
// what was revoked can't be read.
func (s *Store) SessionRevoked(accessKeyID string) bool {
	if set := s.revoked.set.Load(); set != nil {
		_, yes := (*set)[accessKeyID]
		return yes
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	s.revoked.mu.Lock()
	defer s.revoked.mu.Unlock()
	set, err := s.loadRevoked(ctx)
	if err != nil {
		if !errors.Is(err, meta.ErrClosed) {
			s.cfg.Log.LogAttrs(ctx, slog.LevelError, "revoked sessions can't be read: all sessions are refused", slog.String("error", err.Error()))
		}
		return true
	}
	_, yes := set[accessKeyID]
	return yes
}
