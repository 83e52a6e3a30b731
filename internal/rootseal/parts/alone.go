package parts

import (
	"context"
	"fmt"
	"path/filepath"

	"coffer/internal/durable"
	"coffer/internal/rootseal"
)

// OpenAlone opens a root through one store of it, in cfg.Dir, whose description is
// elsewhere or lost: what is needed to open it stands beside its newest epoch.
// Other stores are looked for where they were. It is for reading.
func OpenAlone(ctx context.Context, cfg Config) (*Store, error) {
	s, err := Open(Config{Dir: cfg.Dir, Opener: cfg.Opener, FS: cfg.FS, Rand: cfg.Rand})
	if err != nil {
		return nil, err
	}
	if s.described {
		return s, nil
	}
	if err := s.alone(ctx); err != nil {
		return nil, fmt.Errorf("open root in %s: %w", cfg.Dir, err)
	}
	return s, nil
}

func (s *Store) alone(ctx context.Context) error {
	b, err := durable.ReadFile(s.fsys, filepath.Join(s.dir, MarkerFile), maxDescription)
	if err != nil {
		return err
	}
	var m marker
	if err := strict(b, &m); err != nil || m.Coffer != markerType {
		return fmt.Errorf("%s does not read", MarkerFile)
	}
	st, err := s.opener.Store(ctx, s.dir)
	if err != nil {
		return err
	}
	numbers, err := st.Epochs(ctx)
	if err != nil {
		return err
	}
	if len(numbers) == 0 {
		return rootseal.ErrNoRoot
	}
	newest := numbers[len(numbers)-1]
	e, err := st.Load(ctx, newest)
	if err != nil {
		return err
	}
	clear(e.Root[:])
	set, _, err := decodeRecord(e.Frontiers[recordName(newest)])
	if err != nil {
		return fmt.Errorf("%w: %w", rootseal.ErrDamaged, err)
	}
	if p, ok := set.Part(m.Part); !ok || p.Role != RoleStore {
		return fmt.Errorf("%w: %s is no store of epoch %d", rootseal.ErrDamaged, m.Part, newest)
	}
	s.desc = &description{Coffer: descriptionType, Version: descriptionVersion, ID: m.ID, Sets: []Set{*set}}
	s.alonePart = m.Part
	s.stores[m.Part] = st
	return nil
}
