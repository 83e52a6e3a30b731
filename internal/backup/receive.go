package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"coffer/internal/archive"
	"coffer/internal/backupset"
)

var (
	// ErrOtherStore means that an archive holds the backups of another store, or
	// that the root of trust is another one's.
	ErrOtherStore = errors.New("backup: the backups are of another store")
	// ErrNoBackups means that an archive holds no backups.
	ErrNoBackups = errors.New("backup: there are no backups")
	// ErrNotEmpty means that an archive holds something that is no backup.
	ErrNotEmpty = errors.New("backup: the place holds something else")
)

// A Feed gives a backup page by page: [Backups], or the administration of a server.
type Feed interface {
	Begin(ctx context.Context) (*Begun, error)
	Page(ctx context.Context, id string, number int) (*Page, error)
	// Files returns the stream of some files of a page.
	Files(ctx context.Context, id string, number int, names []string) (io.ReadCloser, error)
	End(ctx context.Context, id string) error
}

// ReceiveOptions say how a backup is received.
type ReceiveOptions struct {
	// Progress, if not nil, is told what has been done so far.
	Progress func(Summary)
	// Retries is how often a stream that is cut is asked for again without any
	// file having come, 5 if 0.
	Retries int
	// Wait is the time before that, twice as long each time; a second if 0.
	Wait time.Duration
}

// A Summary says what became of a backup.
type Summary struct {
	Name     string        `json:"name"`
	Files    int64         `json:"files"`    // that the backup holds
	Bytes    int64         `json:"bytes"`    // of these, sealed
	NewFiles int64         `json:"newFiles"` // that were not in the archive
	NewBytes int64         `json:"newBytes"` // of these, sealed
	Lost     int64         `json:"lost"`     // blobs that are missing or damaged in the store
	Took     time.Duration `json:"-"`
}

const (
	writers    = 8       // files that are written at a time
	smallFile  = 4 << 20 // a file up to this size is held in memory while it is written
	maxRetries = 5
)

// Receive carries a backup from a feed to an archive. What the archive has is not
// carried again. The manifest is written last, when everything that it names is
// durable: a backup that was cut is not listed, and what it wrote serves the next one.
func Receive(ctx context.Context, feed Feed, to archive.Store, opts ReceiveOptions) (sum *Summary, err error) {
	start := time.Now()
	begun, err := feed.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		if ended := feed.End(ending, begun.ID); err == nil && ended != nil {
			err = fmt.Errorf("the backup %s is whole, but its end could not be told: %w", begun.Name, ended)
		}
		if sum != nil {
			sum.Took = time.Since(start)
		}
	}()
	if opts.Retries == 0 {
		opts.Retries = maxRetries
	}
	if opts.Wait == 0 {
		opts.Wait = time.Second
	}
	r := &receiver{feed: feed, to: to, opts: opts, begun: begun, sum: Summary{Name: begun.Name}}
	if err := r.stamp(ctx); err != nil {
		return nil, err
	}
	held, err := takeLock(ctx, to, backupLocks, begun.Name, pruneLocks)
	if err != nil {
		return nil, err
	}
	defer held.release(ctx)
	if err := r.list(ctx); err != nil {
		return nil, err
	}
	for number := 1; ; number++ {
		p, err := feed.Page(ctx, begun.ID, number)
		if err != nil {
			return nil, err
		}
		if err := held.renew(ctx); err != nil {
			return nil, err
		}
		if p.IsLast {
			if err := to.Sync(ctx); err != nil {
				return nil, err
			}
			if err := held.check(ctx); err != nil { // as long ago as a lock is stale
				return nil, err
			}
		}
		if err := r.receive(ctx, p); err != nil {
			return nil, err
		}
		if p.IsLast {
			return &r.sum, to.Sync(ctx)
		}
		if opts.Progress != nil {
			opts.Progress(r.sum)
		}
	}
}

type receiver struct {
	feed  Feed
	to    archive.Store
	opts  ReceiveOptions
	begun *Begun
	have  map[backupset.ID]struct{}
	sum   Summary
}

// stamp makes sure that the archive is one of this store's backups, or makes it one.
func (r *receiver) stamp(ctx context.Context) error {
	set, err := backupset.ParseID(r.begun.Set)
	if err != nil {
		return err
	}
	at, err := readStamp(ctx, r.to)
	if err == nil && at.Set != r.begun.Set {
		return ErrOtherStore
	}
	if !errors.Is(err, ErrNoBackups) {
		return err
	}
	err = r.to.List(ctx, "", func(name string) error { return fmt.Errorf("%w: %s", ErrNotEmpty, name) })
	if err != nil {
		// Another backup may have begun at the same time.
		if now, again := readStamp(ctx, r.to); again == nil && now.Set == r.begun.Set {
			return nil
		}
		return err
	}
	b := backupset.NewStamp(set).Encode()
	if err := r.to.Put(ctx, backupset.StampPath, bytes.NewReader(b), int64(len(b))); err != nil {
		return err
	}
	return r.to.Sync(ctx)
}

// readStamp returns the stamp of an archive, or ErrNoBackups.
func readStamp(ctx context.Context, from archive.Store) (backupset.Stamp, error) {
	b, err := archive.ReadFile(ctx, from, backupset.StampPath, 1<<16)
	if errors.Is(err, archive.ErrNotFound) {
		return backupset.Stamp{}, ErrNoBackups
	}
	if err != nil {
		return backupset.Stamp{}, err
	}
	return backupset.DecodeStamp(b)
}

// list notes what the archive has: 32 bytes for each file, and some.
func (r *receiver) list(ctx context.Context) error {
	r.have = make(map[backupset.ID]struct{})
	for _, k := range []backupset.Kind{backupset.KindRows, backupset.KindIndex, backupset.KindBlob} {
		err := r.to.List(ctx, k.Dir()+"/", func(name string) error {
			if id, err := backupset.ParseID(name[max(0, len(name)-64):]); err == nil && name == backupset.Path(k, id) {
				r.have[id] = struct{}{}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("list what is there: %w", err)
		}
	}
	return nil
}

// receive carries what is missing of a page.
func (r *receiver) receive(ctx context.Context, p *Page) error {
	missing := make(map[backupset.ID]*FileName)
	for i := range p.Files {
		f := &p.Files[i]
		id, err := f.ID()
		if err != nil {
			return err
		}
		r.sum.Files++
		r.sum.Bytes += f.Size
		if _, ok := r.have[id]; !ok {
			missing[id] = f
		}
	}
	wait := r.opts.Wait
	for failures := 0; len(missing) > 0; {
		before := len(missing)
		err := r.stream(ctx, p.Number, missing)
		if err == nil && len(missing) > 0 {
			err = fmt.Errorf("%w: %d files did not come", backupset.ErrCut, len(missing))
		}
		if err == nil {
			return nil
		}
		if len(missing) < before {
			failures, wait = 0, r.opts.Wait
		}
		if failures++; failures > r.opts.Retries || !errors.Is(err, backupset.ErrCut) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
			wait *= 2
		}
	}
	return nil
}

// stream writes the missing files that one stream brings, and takes them off.
func (r *receiver) stream(ctx context.Context, number int, missing map[backupset.ID]*FileName) (err error) {
	var names []string
	for _, f := range missing {
		names = append(names, f.Name)
	}
	body, err := r.feed.Files(ctx, r.begun.ID, number, names)
	if err != nil {
		return err
	}
	defer body.Close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	var mu sync.Mutex // guards missing, r.have and r.sum
	defer func() {
		wg.Wait()
		if cause := context.Cause(ctx); cause != nil {
			err = cause // of the writers
		}
	}()
	slots := make(chan struct{}, writers)
	written := func(id backupset.ID, size int64) {
		mu.Lock()
		defer mu.Unlock()
		delete(missing, id)
		r.have[id] = struct{}{}
		r.sum.NewFiles++
		r.sum.NewBytes += size
	}
	s := backupset.NewStreamReader(body)
	for {
		f, err := s.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		mu.Lock()
		want := missing[f.ID]
		if want != nil && f.Lost {
			delete(missing, f.ID)
			r.sum.Lost++
		}
		mu.Unlock()
		switch {
		case want == nil || !f.Lost && f.Size != want.Size:
			return fmt.Errorf("backup: the server sent a file that nobody asked for")
		case f.Lost:
			continue
		}
		path, err := want.Path()
		if err != nil {
			return err
		}
		if f.Size > smallFile {
			if err := r.to.Put(ctx, path, s, f.Size); err != nil {
				return err
			}
			written(f.ID, f.Size)
			continue
		}
		data := make([]byte, f.Size)
		if _, err := io.ReadFull(s, data); err != nil {
			return err
		}
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := r.to.Put(ctx, path, bytes.NewReader(data), f.Size); err != nil {
				cancel(err)
				return
			}
			written(f.ID, f.Size)
		})
	}
}
