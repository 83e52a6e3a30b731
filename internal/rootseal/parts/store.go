package parts

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"coffer/internal/durable"
	"coffer/internal/rootseal"
)

// ErrMissing means that a part of the root can't be reached: a disk that is not
// mounted, a device that is not plugged in. The text names it.
var ErrMissing = errors.New("rootseal: a part of the root is missing")

// An Opener opens the parts of a root: it knows the implementations.
type Opener interface {
	// Store opens the store in a directory, which is there.
	Store(ctx context.Context, dir string) (rootseal.Store, error)
	// Vault opens a part with the role of a vault, and Gate one of a gate.
	Vault(ctx context.Context, p Part) (rootseal.Vault, error)
	Gate(ctx context.Context, p Part) (rootseal.Gate, error)
}

// Config says where a root lies and how to open its parts.
type Config struct {
	// Dir is the directory of the description, and of the store whose
	// setting names no other. It is there.
	Dir string
	// Opener opens the parts; required.
	Opener Opener
	// FS is the file system; nil means that of the machine.
	FS durable.FS
	// Rand gives the shares; nil means crypto/rand.Reader.
	Rand io.Reader
	// Lost are the IDs of parts that are given up: they are not opened, and
	// nothing waits for them. What they hold stays where it is.
	Lost []string
}

// A Store keeps the root of trust in the parts that a description names, or, if
// there is no description, as one plain store. Calls are not concurrent.
type Store struct {
	dir    string
	opener Opener
	fsys   durable.FS
	rand   io.Reader
	lost   []string

	desc      *description
	described bool // the description is in a file
	stores    map[string]rootseal.Store
	vaults    map[string]rootseal.Vault
	gates     map[string]rootseal.Gate
	alonePart string // the one store that OpenAlone has found
	verified  uint64 // this epoch was read back from every holder, by this process
}

var _ rootseal.Store = (*Store)(nil)

// Open reads the description in cfg.Dir. It opens no part yet: a part that is
// missing shows when it is needed.
func Open(cfg Config) (*Store, error) {
	s := &Store{dir: cfg.Dir, opener: cfg.Opener, fsys: cfg.FS, rand: cfg.Rand, lost: cfg.Lost,
		stores: map[string]rootseal.Store{}, vaults: map[string]rootseal.Vault{}, gates: map[string]rootseal.Gate{}}
	if s.fsys == nil {
		s.fsys = durable.OS{}
	}
	if s.rand == nil {
		s.rand = rand.Reader
	}
	var err error
	if s.desc, s.described, err = readDescription(s.fsys, s.dir); err != nil {
		return nil, fmt.Errorf("open root in %s: %w", s.dir, err)
	}
	if s.described {
		// A crash may have come between the file and its name: what is
		// prepared under this description must find it again.
		if err := s.fsys.SyncDir(s.dir); err != nil {
			return nil, fmt.Errorf("open root in %s: %w", s.dir, err)
		}
	}
	for _, id := range s.lost {
		if !slices.ContainsFunc(s.desc.parts(), func(p Part) bool { return p.ID == id }) {
			return nil, fmt.Errorf("open root in %s: no part is called %q", s.dir, id)
		}
	}
	return s, nil
}

// Close closes the parts.
func (s *Store) Close() error {
	var err error
	for _, v := range s.vaults {
		err = errors.Join(err, v.Close())
	}
	for _, g := range s.gates {
		err = errors.Join(err, g.Close())
	}
	clear(s.stores)
	clear(s.vaults)
	clear(s.gates)
	return err
}

// Sets returns the sets of the description: the current one, and during a change
// of parts the next one.
func (s *Store) Sets() []Set { return s.desc.Sets }

// Described reports whether there is a description. Without one the root is plain.
func (s *Store) Described() bool { return s.described }

// path returns the directory of a store.
func (s *Store) path(p *Part) string {
	if dir := p.Settings[SettingDir]; dir != "" {
		return dir
	}
	return s.dir
}

// store returns an open store. One elsewhere has a marker, so that what is mounted
// is what is meant.
func (s *Store) store(ctx context.Context, p *Part) (rootseal.Store, error) {
	switch {
	case s.alonePart == "":
	case s.alonePart == p.ID:
		return s.stores[p.ID], nil
	case p.Settings[SettingDir] == "":
		return nil, errors.New("it lies in a data directory that is not here")
	}
	if p.Settings[SettingDir] != "" {
		if err := s.checkMarker(p); err != nil {
			delete(s.stores, p.ID)
			return nil, err
		}
	}
	if st := s.stores[p.ID]; st != nil {
		return st, nil
	}
	st, err := s.opener.Store(ctx, s.path(p))
	if err != nil {
		return nil, err
	}
	s.stores[p.ID] = st
	return st, nil
}

func (s *Store) checkMarker(p *Part) error {
	b, err := durable.ReadFile(s.fsys, filepath.Join(s.path(p), MarkerFile), maxDescription)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is not there, or not what was mounted: it has no %s", s.path(p), MarkerFile)
	}
	if err != nil {
		return err
	}
	var m marker
	if err := strict(b, &m); err != nil || m.Coffer != markerType {
		return fmt.Errorf("%s in %s does not read", MarkerFile, s.path(p))
	}
	if m.ID != s.desc.ID || m.Part != p.ID {
		return fmt.Errorf("%s is another part, or one of another root", s.path(p))
	}
	return nil
}

func (s *Store) vault(ctx context.Context, p *Part) (rootseal.Vault, error) {
	if v := s.vaults[p.ID]; v != nil {
		return v, nil
	}
	v, err := s.opener.Vault(ctx, *p)
	if err != nil {
		return nil, err
	}
	s.vaults[p.ID] = v
	return v, nil
}

func (s *Store) gate(ctx context.Context, p *Part) (rootseal.Gate, error) {
	if g := s.gates[p.ID]; g != nil {
		return g, nil
	}
	g, err := s.opener.Gate(ctx, *p)
	if err != nil {
		return nil, err
	}
	s.gates[p.ID] = g
	return g, nil
}

// isLost reports whether a part was given up.
func (s *Store) isLost(id string) bool { return slices.Contains(s.lost, id) }

// A state is which part holds which epochs.
type state struct {
	epochs  map[string][]uint64 // of the stores and vaults that are there
	missing []error             // of those that are not
	listed  []uint64            // the complete epochs
}

// has reports whether a part holds an epoch.
func (st *state) has(id string, epoch uint64) bool { return slices.Contains(st.epochs[id], epoch) }

// scan asks every part that forgets for its epochs.
func (s *Store) scan(ctx context.Context) (*state, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	st := &state{epochs: map[string][]uint64{}}
	for _, p := range s.desc.parts() {
		if !p.Forgets() || s.isLost(p.ID) {
			continue
		}
		numbers, err := s.epochsOf(ctx, &p)
		if err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			st.missing = append(st.missing, fmt.Errorf("%w: %s: %w", ErrMissing, p.ID, err))
			continue
		}
		st.epochs[p.ID] = numbers
	}
	return st, s.list(st)
}

func (s *Store) epochsOf(ctx context.Context, p *Part) ([]uint64, error) {
	if p.Role == RoleStore {
		st, err := s.store(ctx, p)
		if err != nil {
			return nil, err
		}
		return st.Epochs(ctx)
	}
	v, err := s.vault(ctx, p)
	if err != nil {
		return nil, err
	}
	return v.Epochs(ctx)
}

// list finds the complete epochs. The newest epoch that every holder has is
// complete, and so are older ones that every holder has. A newer one that only
// some holders have is what a Prepare left that was cut; an older one, what a
// Destroy left. If there is none that every holder has, then holders were lost
// or put back, and the newest that any holder has is the one.
func (s *Store) list(st *state) error {
	if len(st.missing) > 0 && len(s.desc.Sets) > 1 {
		return fmt.Errorf("the parts were being changed: %w", errors.Join(st.missing...))
	}
	var all []uint64
	for _, numbers := range st.epochs {
		all = append(all, numbers...)
	}
	slices.Sort(all)
	var inAll, inAny []uint64
	present := 0
	for _, n := range slices.Compact(all) {
		set := s.desc.set(n)
		every, some := true, false
		for h := range set.Holders {
			if !s.isPresent(set, h, st) {
				continue
			}
			whole := s.isWhole(set, h, n, st)
			every, some = every && whole, some || whole
		}
		if some {
			inAny = append(inAny, n)
			if every {
				inAll = append(inAll, n)
			}
		}
	}
	for i := range s.desc.Sets {
		for h := range s.desc.Sets[i].Holders {
			if s.isPresent(&s.desc.Sets[i], h, st) {
				present++
			}
		}
	}
	switch {
	case present == 0:
		return errors.Join(append(st.missing, fmt.Errorf("%w: no holder of the root is whole", ErrMissing))...)
	case len(inAll) > 0:
		st.listed = inAll
	case len(inAny) > 0:
		st.listed = inAny[len(inAny)-1:]
	}
	return nil
}

// isPresent reports whether all parts of a holder that forget can be reached.
func (s *Store) isPresent(set *Set, holder int, st *state) bool {
	for _, id := range set.Holders[holder] {
		p, _ := set.Part(id)
		if _, ok := st.epochs[id]; p.Forgets() && !ok {
			return false
		}
	}
	return true
}

// isWhole reports whether all parts of a holder that forget hold an epoch.
func (s *Store) isWhole(set *Set, holder int, epoch uint64, st *state) bool {
	for _, id := range set.Holders[holder] {
		if p, _ := set.Part(id); p.Forgets() && !st.has(id, epoch) {
			return false
		}
	}
	return true
}

// Epochs implements [rootseal.Store].
func (s *Store) Epochs(ctx context.Context) ([]uint64, error) {
	st, err := s.scan(ctx)
	if err != nil {
		return nil, err
	}
	return st.listed, nil
}

// Load implements [rootseal.Store]. It returns the epoch from the first holder
// that opens.
func (s *Store) Load(ctx context.Context, number uint64) (*rootseal.Epoch, error) {
	st, err := s.scan(ctx)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(st.listed, number) {
		return nil, rootseal.ErrNoRoot
	}
	return s.load(ctx, number, st)
}

func (s *Store) load(ctx context.Context, number uint64, st *state) (*rootseal.Epoch, error) {
	set := s.desc.set(number)
	var damaged, other []error
	for h := range set.Holders {
		if !s.isPresent(set, h, st) || !s.isWhole(set, h, number, st) {
			continue
		}
		e, err := s.loadHolder(ctx, number, set, h)
		switch {
		case err == nil:
			return e, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.Is(err, rootseal.ErrDamaged):
			damaged = append(damaged, err)
		default:
			other = append(other, err)
		}
	}
	switch {
	case len(other) > 0:
		// It may open with what is missing now: don't call it damaged.
		return nil, errors.Join(other...)
	case len(damaged) > 0:
		return nil, errors.Join(damaged...)
	}
	return nil, rootseal.ErrNoRoot
}

// loadHolder opens an epoch through one holder.
func (s *Store) loadHolder(ctx context.Context, number uint64, set *Set, holder int) (_ *rootseal.Epoch, err error) {
	secrets := make([]rootseal.Secret, len(set.Holders[holder]))
	defer wipe(secrets)
	var e *rootseal.Epoch
	for i, id := range set.Holders[holder] {
		p, _ := set.Part(id)
		if p.Role != RoleStore {
			continue
		}
		st, err := s.store(ctx, &p)
		if err != nil {
			return nil, fmt.Errorf("part %s: %w", id, err)
		}
		got, err := st.Load(ctx, number)
		if err != nil {
			return nil, fmt.Errorf("part %s: %w", id, err)
		}
		secrets[i] = got.Root
		clear(got.Root[:])
		if e == nil {
			e = got
		}
	}
	record, ok := e.Frontiers[recordName(number)]
	maps.DeleteFunc(e.Frontiers, func(name string, _ []byte) bool { return strings.HasPrefix(name, recordPrefix) })
	if set.Plain {
		if ok {
			return nil, fmt.Errorf("%w: epoch %d has parts, and %s does not say which", rootseal.ErrDamaged, number, DescriptionFile)
		}
		e.Root = secrets[0]
		return e, nil
	}
	if !ok {
		return nil, fmt.Errorf("%w: epoch %d has no sealed root", rootseal.ErrDamaged, number)
	}
	_, sealed, err := decodeRecord(record)
	if err != nil || holder >= len(sealed) {
		return nil, fmt.Errorf("%w: sealed root of epoch %d: %w", rootseal.ErrDamaged, number, err)
	}
	for i, id := range set.Holders[holder] {
		p, _ := set.Part(id)
		if secrets[i], err = s.secret(ctx, &p, number, secrets[i]); err != nil {
			return nil, fmt.Errorf("part %s: %w", id, err)
		}
	}
	if e.Root, err = openRoot(sealed[holder], secrets, number, holder, set); err != nil {
		return nil, fmt.Errorf("%w: holder %d of epoch %d: %w", rootseal.ErrDamaged, holder+1, number, err)
	}
	return e, nil
}

// secret returns what a vault or a gate gives for an epoch; share is that of a
// store, which was read already.
func (s *Store) secret(ctx context.Context, p *Part, epoch uint64, share rootseal.Secret) (rootseal.Secret, error) {
	switch p.Role {
	case RoleVault:
		v, err := s.vault(ctx, p)
		if err != nil {
			return rootseal.Secret{}, err
		}
		return v.Open(ctx, epoch)
	case RoleGate:
		g, err := s.gate(ctx, p)
		if err != nil {
			return rootseal.Secret{}, err
		}
		return g.Mask(ctx, epoch)
	}
	return share, nil
}

func wipe(secrets []rootseal.Secret) {
	for i := range secrets {
		clear(secrets[i][:])
	}
}

// OpenGates opens every gate of the current parts, so that what they ask for is
// asked for now. It returns the error of each gate that does not open.
func (s *Store) OpenGates(ctx context.Context) error {
	var err error
	for _, p := range s.desc.parts() {
		if p.Role != RoleGate || s.isLost(p.ID) {
			continue
		}
		if _, e := s.gate(ctx, &p); e != nil {
			err = errors.Join(err, fmt.Errorf("part %s: %w", p.ID, e))
		}
	}
	return err
}
