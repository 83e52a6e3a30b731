package durable

import (
	"bytes"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// sectorSize is the unit in which a crash keeps or loses what was not synced.
const sectorSize = 512

// An Op is one call to a [SimFS] or to a file of it.
type Op struct {
	Name string // open, mkdir, rename, remove, readdir, syncdir, read, write, sync, truncate, size or close
	Path string // of the file when it was opened; for rename, the old name
	Flag int    // of open
}

// A SimFS is a file system in memory for tests. It is stricter than any real
// one: a byte that was not synced and a name whose directory was not synced are
// lost in [SimFS.Crash], files opened with [Direct] refuse every unaligned
// access, and what a Sync that failed should have written is lost although a
// later Sync of the file returns nil.
//
// It is safe for concurrent use.
type SimFS struct {
	mu    sync.Mutex
	root  *simNode
	files []*simNode // all that ever were, for Holds
	fail  func(Op) error
	opens int
}

var _ FS = (*SimFS)(nil)

// A simNode is a file or, with entries, a directory. SimFS.mu guards it.
type simNode struct {
	data, synced []byte
	dirty        map[int]bool // sectors to write at the next Sync

	entries, durable map[string]*simNode
	log              [][]change // what was done to entries since they were durable
}

// A change gives a name to a node, or takes it away.
type change struct {
	name string
	node *simNode // or nil
}

// apply changes the entries of a directory, in one step as far as a crash can
// see.
func (n *simNode) apply(changes ...change) {
	n.log = append(n.log, changes)
	applyTo(n.entries, changes)
}

func applyTo(entries map[string]*simNode, changes []change) {
	for _, c := range changes {
		if c.node == nil {
			delete(entries, c.name)
		} else {
			entries[c.name] = c.node
		}
	}
}

// NewSimFS returns an empty file system whose root directory is "/".
func NewSimFS() *SimFS {
	return &SimFS{root: newSimDir()}
}

func newSimDir() *simNode {
	return &simNode{entries: map[string]*simNode{}, durable: map[string]*simNode{}}
}

// SetFail makes every later call ask f first and return the error that f
// returns, if any. A write that fails has written the first half of its bytes.
func (s *SimFS) SetFail(f func(Op) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = f
}

// OpenFiles returns the number of files that are open: a test for leaks.
func (s *SimFS) OpenFiles() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opens
}

// Holds reports whether part lies on the disk, in a file or in the blocks of one
// that was removed.
func (s *SimFS) Holds(part []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.files, func(n *simNode) bool { return bytes.Contains(n.synced, part) })
}

// Crash returns the file system that is found after a power cut at this moment.
// With a nil rnd, all that was not synced is lost. Otherwise rnd decides for
// each sector of a file whether it was written before the cut, and for each
// directory how many of the changes since its last sync were, in their order, as
// a journal has it. The SimFS itself is unchanged.
func (s *SimFS) Crash(rnd *rand.Rand) *SimFS {
	s.mu.Lock()
	defer s.mu.Unlock()
	after := &SimFS{}
	seen := map[*simNode]*simNode{}
	after.root = s.root.crash(rnd, seen)
	for _, n := range s.files {
		after.files = append(after.files, n.crash(rnd, seen))
	}
	return after
}

// crash returns a copy of n as it is after a power cut. A node that a rename
// left with two names stays one node.
func (n *simNode) crash(rnd *rand.Rand, seen map[*simNode]*simNode) *simNode {
	if c := seen[n]; c != nil {
		return c
	}
	c := &simNode{}
	seen[n] = c
	if n.entries == nil {
		c.data = n.survivingData(rnd)
		c.synced = slices.Clone(c.data)
		return c
	}
	kept := maps.Clone(n.durable)
	if rnd != nil {
		for _, changes := range n.log[:rnd.IntN(len(n.log)+1)] {
			applyTo(kept, changes)
		}
	}
	c.entries = map[string]*simNode{}
	for _, name := range slices.Sorted(maps.Keys(kept)) {
		c.entries[name] = kept[name].crash(rnd, seen)
	}
	c.durable = maps.Clone(c.entries)
	return c
}

// survivingData returns the bytes of a file after a power cut.
func (n *simNode) survivingData(rnd *rand.Rand) []byte {
	data := slices.Clone(n.synced)
	if rnd == nil {
		return data
	}
	if rnd.IntN(2) == 0 {
		data = resize(data, len(n.data))
	}
	for off := 0; off < min(len(data), len(n.data)); off += sectorSize {
		if rnd.IntN(2) == 0 {
			copy(data[off:min(off+sectorSize, len(data))], n.data[off:])
		}
	}
	return data
}

// truncate cuts the file or fills it with zeros.
func (n *simNode) truncate(size int) {
	n.touch(min(size, len(n.data)), max(size, len(n.data)))
	n.data = resize(n.data, size)
}

// touch marks the sectors of a range of the file as dirty.
func (n *simNode) touch(from, to int) {
	if n.dirty == nil {
		n.dirty = map[int]bool{}
	}
	for i := from / sectorSize; i*sectorSize < to; i++ {
		n.dirty[i] = true
	}
}

// writeBack brings the dirty sectors and the size to the disk.
func (n *simNode) writeBack() {
	n.synced = resize(n.synced, len(n.data))
	for i := range n.dirty {
		if off := i * sectorSize; off < len(n.data) {
			copy(n.synced[off:min(off+sectorSize, len(n.data))], n.data[off:])
		}
	}
	n.dirty = nil
}

// resize returns data cut or filled with zeros to size bytes.
func resize(data []byte, size int) []byte {
	if size <= len(data) {
		clear(data[size:])
		return data[:size]
	}
	return append(data, make([]byte, size-len(data))...)
}

// check asks the fail function about op. It locks s.mu, which the caller
// unlocks in either case.
func (s *SimFS) check(op Op) error {
	s.mu.Lock()
	if s.fail == nil {
		return nil
	}
	if err := s.fail(op); err != nil {
		return &fs.PathError{Op: op.Name, Path: op.Path, Err: err}
	}
	return nil
}

// dir returns the node of the directory name, or nil.
func (s *SimFS) dir(name string) *simNode {
	n := s.root
	for _, part := range strings.FieldsFunc(filepath.Clean(name), func(r rune) bool { return r == filepath.Separator }) {
		if n = n.entries[part]; n == nil || n.entries == nil {
			return nil
		}
	}
	return n
}

// OpenFile implements [FS].
func (s *SimFS) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	err := s.check(Op{Name: "open", Path: name, Flag: flag})
	defer s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	dir, base := s.dir(filepath.Dir(name)), filepath.Base(name)
	if dir == nil {
		return nil, pathError("open", name, fs.ErrNotExist)
	}
	n := dir.entries[base]
	switch {
	case n != nil && flag&(os.O_CREATE|os.O_EXCL) == os.O_CREATE|os.O_EXCL:
		return nil, pathError("open", name, fs.ErrExist)
	case n != nil && n.entries != nil:
		return nil, pathError("open", name, syscall.EISDIR)
	case n == nil && flag&os.O_CREATE == 0:
		return nil, pathError("open", name, fs.ErrNotExist)
	case n == nil:
		n = &simNode{}
		s.files = append(s.files, n)
		dir.apply(change{base, n})
	}
	if flag&os.O_TRUNC != 0 {
		n.truncate(0)
	}
	s.opens++
	return &simFile{fs: s, node: n, name: name, flag: flag}, nil
}

// Mkdir implements [FS].
func (s *SimFS) Mkdir(name string, perm fs.FileMode) error {
	err := s.check(Op{Name: "mkdir", Path: name})
	defer s.mu.Unlock()
	if err != nil {
		return err
	}
	dir, base := s.dir(filepath.Dir(name)), filepath.Base(name)
	if dir == nil {
		return pathError("mkdir", name, fs.ErrNotExist)
	}
	if dir.entries[base] != nil || s.dir(name) != nil {
		return pathError("mkdir", name, fs.ErrExist)
	}
	dir.apply(change{base, newSimDir()})
	return nil
}

// Rename implements [FS].
func (s *SimFS) Rename(oldname, newname string) error {
	err := s.check(Op{Name: "rename", Path: oldname})
	defer s.mu.Unlock()
	if err != nil {
		return err
	}
	from, to := s.dir(filepath.Dir(oldname)), s.dir(filepath.Dir(newname))
	if from == nil || to == nil || from.entries[filepath.Base(oldname)] == nil {
		return pathError("rename", oldname, fs.ErrNotExist)
	}
	n := from.entries[filepath.Base(oldname)]
	gone, here := change{name: filepath.Base(oldname)}, change{filepath.Base(newname), n}
	if from == to {
		from.apply(gone, here)
	} else {
		to.apply(here)
		from.apply(gone)
	}
	return nil
}

// Remove implements [FS].
func (s *SimFS) Remove(name string) error {
	err := s.check(Op{Name: "remove", Path: name})
	defer s.mu.Unlock()
	if err != nil {
		return err
	}
	dir, base := s.dir(filepath.Dir(name)), filepath.Base(name)
	if dir == nil || dir.entries[base] == nil {
		return pathError("remove", name, fs.ErrNotExist)
	}
	if len(dir.entries[base].entries) > 0 {
		return pathError("remove", name, syscall.ENOTEMPTY)
	}
	dir.apply(change{name: base})
	return nil
}

// ReadDir implements [FS].
func (s *SimFS) ReadDir(name string) ([]string, error) {
	err := s.check(Op{Name: "readdir", Path: name})
	defer s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	dir := s.dir(name)
	if dir == nil {
		return nil, pathError("readdir", name, fs.ErrNotExist)
	}
	return slices.Sorted(maps.Keys(dir.entries)), nil
}

// SyncDir implements [FS].
func (s *SimFS) SyncDir(name string) error {
	err := s.check(Op{Name: "syncdir", Path: name})
	defer s.mu.Unlock()
	if err != nil {
		return err
	}
	dir := s.dir(name)
	if dir == nil {
		return pathError("syncdir", name, fs.ErrNotExist)
	}
	dir.durable, dir.log = maps.Clone(dir.entries), nil
	return nil
}

func pathError(op, name string, err error) error {
	return &fs.PathError{Op: op, Path: name, Err: err}
}
