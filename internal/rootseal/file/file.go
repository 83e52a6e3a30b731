// Package file keeps the root of trust in a directory.
//
//	DIR/epoch-0000000000000001/root             the root secret, 4 KiB
//	DIR/epoch-0000000000000001/head             the sealed head
//	DIR/epoch-0000000000000001/frontier-<name>  the frontiers that the epoch wrote
//	DIR/epoch-0000000000000001/destroying       the root, while it is destroyed
//
// An epoch is complete when its root file is a whole record. The root is
// written last, once, to its final place: no temporary file ever held it. It is
// destroyed by a rename, which takes the epoch out of the list before a byte is
// touched, and an overwrite in place. The directory of a destroyed epoch stays
// as long as a later one needs frontiers in it.
//
// Source: docs/spec/root-store.md, which is normative and states what a file
// can't promise to forget.
package file

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"coffer/internal/durable"
	"coffer/internal/rootseal"
)

const (
	epochPrefix    = "epoch-"
	rootName       = "root"
	destroyingName = "destroying"
	headName       = "head"
	frontierPrefix = "frontier-"
)

// Config says where a Store lies.
type Config struct {
	// Dir is the directory of the store. It is created, with mode 0700, if
	// it is missing.
	Dir string
	// FS is the file system; nil means that of the machine.
	FS durable.FS
	// Rand gives the bytes that overwrite a destroyed root; nil means
	// crypto/rand.Reader.
	Rand io.Reader
}

// A Store keeps the root of trust in a directory. One process may open it at a
// time: the caller holds the lock of the data directory.
type Store struct {
	dir  string
	fsys durable.FS
	rand io.Reader
}

var _ rootseal.Store = (*Store)(nil)

// Open opens the store in cfg.Dir. If a crash cut a Destroy after the root was
// taken out of the list, Open overwrites and removes that root.
func Open(cfg Config) (*Store, error) {
	s := &Store{dir: cfg.Dir, fsys: cfg.FS, rand: cfg.Rand}
	if s.fsys == nil {
		s.fsys = durable.OS{}
	}
	if s.rand == nil {
		s.rand = rand.Reader
	}
	if err := s.prepare(); err != nil {
		return nil, fmt.Errorf("open root store %s: %w", cfg.Dir, err)
	}
	return s, nil
}

func (s *Store) prepare() error {
	if err := durable.MkdirAll(s.fsys, s.dir, 0o700); err != nil {
		return err
	}
	all, err := s.scan()
	if err != nil {
		return err
	}
	for _, e := range all {
		if e.has(destroyingName) {
			if err := s.eraseDestroying(e.number); err != nil {
				return err
			}
		}
	}
	return nil
}

// path returns the file name of an epoch, or its directory without a name.
func (s *Store) path(number uint64, name ...string) string {
	dir := filepath.Join(s.dir, fmt.Sprintf("%s%016x", epochPrefix, number))
	return filepath.Join(append([]string{dir}, name...)...)
}

// An epochDir is what the directory of one epoch holds.
type epochDir struct {
	number   uint64
	files    []string
	complete bool
}

func (e epochDir) has(name string) bool { return slices.Contains(e.files, name) }

// frontiers returns the names of the frontiers in the directory.
func (e epochDir) frontiers() []string {
	var names []string
	for _, f := range e.files {
		if name, ok := strings.CutPrefix(f, frontierPrefix); ok {
			names = append(names, name)
		}
	}
	return names
}

// scan returns the directories of all epochs, in order.
func (s *Store) scan() ([]epochDir, error) {
	names, err := s.fsys.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	var all []epochDir
	for _, name := range names {
		digits, ok := strings.CutPrefix(name, epochPrefix)
		number, err := strconv.ParseUint(digits, 16, 64)
		if !ok || err != nil || name != filepath.Base(s.path(number)) {
			continue
		}
		e := epochDir{number: number}
		if e.files, err = s.fsys.ReadDir(s.path(number)); err != nil {
			return nil, err
		}
		if e.has(rootName) {
			root, err := s.readRoot(number)
			clear(root[:])
			if err != nil && !errors.Is(err, errRecord) {
				return nil, err // it may be there: don't call it missing
			}
			e.complete = err == nil
		}
		all = append(all, e)
	}
	return all, nil
}

// completeOf returns the numbers of the complete epochs.
func completeOf(all []epochDir) []uint64 {
	var numbers []uint64
	for _, e := range all {
		if e.complete {
			numbers = append(numbers, e.number)
		}
	}
	return numbers
}

// Epochs implements [rootseal.Store].
func (s *Store) Epochs(ctx context.Context) ([]uint64, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	all, err := s.scan()
	if err != nil {
		return nil, fmt.Errorf("list epochs: %w", err)
	}
	return completeOf(all), nil
}

// Load implements [rootseal.Store].
func (s *Store) Load(ctx context.Context, number uint64) (*rootseal.Epoch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	e, err := s.load(ctx, number, durable.ReadFile)
	if err != nil {
		return nil, fmt.Errorf("load epoch %d: %w", number, err)
	}
	return e, nil
}

// A readFunc is [durable.ReadFile] or [durable.ReadDevice].
type readFunc func(fsys durable.FS, name string, limit int64) ([]byte, error)

func (s *Store) load(ctx context.Context, number uint64, read readFunc) (_ *rootseal.Epoch, err error) {
	all, err := s.scan()
	if err != nil {
		return nil, err
	}
	if !slices.Contains(completeOf(all), number) {
		return nil, rootseal.ErrNoRoot
	}
	e := &rootseal.Epoch{Number: number, Frontiers: map[string][]byte{}}
	defer func() {
		if err != nil {
			clear(e.Root[:])
		}
	}()
	if e.Root, err = s.readRoot(number); err != nil {
		return nil, err
	}
	if e.Head, err = s.readSealed(number, kindHead, "", read); err != nil {
		return nil, err
	}
	for name, writer := range frontiersOf(all, number) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if e.Frontiers[name], err = s.readSealed(writer, kindFrontier, name, read); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// frontiersOf returns the frontiers that Load of an epoch returns: the name of
// each and the epoch that wrote it.
func frontiersOf(all []epochDir, number uint64) map[string]uint64 {
	writers := map[string]uint64{}
	for _, e := range all { // in order: later ones win
		if e.number > number {
			break
		}
		for _, name := range e.frontiers() {
			writers[name] = e.number
		}
	}
	return writers
}

// readRoot returns the root of an epoch. Its error wraps errRecord if the file
// holds no whole root. It reads past the page cache: a root whose sync failed stays
// there, and is gone with the next power cut, when the older epoch may be as well.
func (s *Store) readRoot(number uint64) (root rootseal.Secret, err error) {
	data, err := durable.ReadDevice(s.fsys, s.path(number, rootName), maxRecordSize)
	if err != nil {
		return root, err
	}
	defer clear(data)
	return decodeRoot(data, number)
}

// readSealed returns the head or a frontier that an epoch wrote.
func (s *Store) readSealed(number uint64, kind byte, name string, read readFunc) ([]byte, error) {
	file := headName
	if kind == kindFrontier {
		file = frontierPrefix + name
	}
	data, err := read(s.fsys, s.path(number, file), maxRecordSize)
	if err == nil {
		data, err = decodeAs(data, kind, number, name)
	}
	if errors.Is(err, errRecord) || errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s of epoch %d: %w", rootseal.ErrDamaged, file, number, err)
	}
	return data, err
}

// Prepare implements [rootseal.Store].
func (s *Store) Prepare(ctx context.Context, e *rootseal.Epoch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for name := range e.Frontiers {
		if err := rootseal.CheckName(name); err != nil {
			return err
		}
	}
	if err := s.makeRoom(e.Number); err != nil {
		return fmt.Errorf("prepare epoch %d: %w", e.Number, err)
	}
	err := s.write(ctx, e)
	if err == nil {
		err = s.verify(ctx, e)
	}
	if err != nil {
		// Best effort: what remains, the next Prepare removes.
		err = errors.Join(err, s.discard(e.Number))
		return fmt.Errorf("prepare epoch %d: %w", e.Number, err)
	}
	return nil
}

// makeRoom checks that the epoch number can be prepared and removes what epochs
// that are not complete left: those after the newest complete one as a whole,
// of the earlier ones all but the frontiers.
func (s *Store) makeRoom(number uint64) error {
	all, err := s.scan()
	if err != nil {
		return err
	}
	complete := completeOf(all)
	if slices.Contains(complete, number) {
		return rootseal.ErrExists
	}
	if len(complete) > 0 && number < complete[len(complete)-1] {
		return fmt.Errorf("epoch %d is complete already", complete[len(complete)-1])
	}
	for _, e := range all {
		switch {
		case e.complete:
		case len(complete) > 0 && e.number < complete[len(complete)-1]:
			err = s.removeSecrets(e)
		default:
			err = s.discard(e.number)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// write writes a new epoch, the root last, to a file that is durable with all else.
func (s *Store) write(ctx context.Context, e *rootseal.Epoch) error {
	if err := s.fsys.Mkdir(s.path(e.Number), 0o700); err != nil {
		return err
	}
	if err := s.fsys.SyncDir(s.dir); err != nil {
		return err
	}
	if err := s.writeFrontiers(ctx, e); err != nil {
		return err
	}
	if err := s.create(record{kind: kindHead, epoch: e.Number, body: e.Head}, headName); err != nil {
		return err
	}
	data, err := encodeRoot(e.Number, &e.Root)
	if err != nil {
		return err
	}
	defer clear(data)
	return s.writeRoot(e.Number, data)
}

// writeRoot writes the root file. Its name, and with it those of all files before,
// is durable before it holds a byte: a crash must not leave the root in blocks
// that no name leads to, nor a whole root beside a missing head.
func (s *Store) writeRoot(number uint64, data []byte) error {
	f, err := s.fsys.OpenFile(s.path(number, rootName), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = s.fsys.SyncDir(s.path(number))
	if err == nil {
		_, err = f.WriteAt(data, 0)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// create writes one record and syncs the file, not its directory.
func (s *Store) create(r record, file string) error {
	data, err := r.encode()
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return durable.CreateFile(s.fsys, s.path(r.epoch, file), data, 0o600)
}

// writers is how many frontiers are written at a time: a file system makes the syncs
// of several files in one go. Few are written in order.
const writers = 16

// writeFrontiers writes the frontiers of a new epoch, each synced.
func (s *Store) writeFrontiers(ctx context.Context, e *rootseal.Epoch) error {
	names := slices.Sorted(maps.Keys(e.Frontiers))
	return each(ctx, names, func(name string) error {
		return s.create(record{kind: kindFrontier, epoch: e.Number, name: name, body: e.Frontiers[name]}, frontierPrefix+name)
	})
}

// each calls fn for every name, several at a time if there are many, until one fails.
func each(ctx context.Context, names []string, fn func(string) error) error {
	if len(names) <= writers {
		for _, name := range names {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := fn(name); err != nil {
				return err
			}
		}
		return nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(names) {
					return
				}
				if err := fn(names[i]); err != nil {
					cancel(err)
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// verify reads a new epoch back, from the device where that is possible, and compares
// it with e. The frontiers of older epochs were read back when they were written.
func (s *Store) verify(ctx context.Context, e *rootseal.Epoch) error {
	all, err := s.scan()
	if err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	if !slices.Contains(completeOf(all), e.Number) {
		return fmt.Errorf("read back: %w", rootseal.ErrNoRoot)
	}
	root, err := s.readRoot(e.Number)
	defer clear(root[:])
	if err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	head, err := s.readSealed(e.Number, kindHead, "", durable.ReadDevice)
	if err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	if root != e.Root || !bytes.Equal(head, e.Head) {
		return fmt.Errorf("read back: %w: not what was written", rootseal.ErrDamaged)
	}
	return each(ctx, slices.Sorted(maps.Keys(e.Frontiers)), func(name string) error {
		got, err := s.readSealed(e.Number, kindFrontier, name, durable.ReadDevice)
		if err == nil && !bytes.Equal(got, e.Frontiers[name]) {
			err = fmt.Errorf("%w: not what was written", rootseal.ErrDamaged)
		}
		if err != nil {
			return fmt.Errorf("read back: %w", err)
		}
		return nil
	})
}
