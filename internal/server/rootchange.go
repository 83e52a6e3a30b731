package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"

	"coffer/internal/calendar"
	"coffer/internal/config"
	"coffer/internal/key"
	rootparts "coffer/internal/rootseal/parts"
	"coffer/internal/rootseal/pkcs11"
	"coffer/internal/rootseal/tpm"
)

// RootStatus returns what the root of trust of a data directory consists of, and
// what of it opens. It changes nothing.
func RootStatus(ctx context.Context, cfg *config.Server, log *slog.Logger) (_ *RootState, err error) {
	s := &Stack{Dir: cfg.Data, log: log}
	defer func() { err = errors.Join(err, s.Close(context.WithoutCancel(ctx))) }()
	if _, err := s.lock(ctx, cfg, false); err != nil {
		return nil, err
	}
	opener := &rootOpener{cfg: &cfg.Root}
	defer opener.wipe()
	store, err := rootparts.Open(rootparts.Config{Dir: filepath.Join(s.Dir, rootDir), Opener: opener, Lost: cfg.Root.Lost})
	if err != nil {
		return nil, err
	}
	s.onClose(store.Close)
	st, err := store.Status(ctx)
	if err == nil {
		for i := range st.Parts {
			if p := &st.Parts[i]; p.Where == "" {
				p.Where = whereOf(&p.Part)
			}
		}
	}
	return st, err
}

// whereOf says where a part is that is no store.
func whereOf(p *rootparts.Part) string {
	switch p.Kind {
	case partShares:
		return p.Settings["threshold"] + " of " + p.Settings["shares"]
	case partPKCS11:
		return fmt.Sprintf("token %q", p.Settings[pkcs11.SettingToken])
	case partTPM:
		return p.Settings[tpm.SettingDevice] + p.Settings[tpm.SettingSocket]
	}
	return ""
}

// A RootChange says how the parts of a root change. A zero one changes nothing but
// the epoch.
type RootChange struct {
	// Add are specs of parts that every holder gets.
	Add []string
	// Mirror is the spec of a holder that is added, or "".
	Mirror string
	// Remove are the IDs of parts that no holder keeps. A holder that has no
	// store any more goes.
	Remove []string
	// Secrets are those of gates that are made; nil means those of the
	// configuration.
	Secrets *config.Root
	// Passphrase replaces the passphrase, and Shares, such as 2/3, the shares.
	Passphrase bool
	Shares     string
}

// ChangeRoot makes a new epoch of a root of trust with a fresh root secret and other
// parts, proves that it opens, and destroys the old one. It returns the new epoch.
func ChangeRoot(ctx context.Context, cfg *config.Server, c *RootChange, log *slog.Logger) (epoch uint64, err error) {
	s := &Stack{Dir: cfg.Data, log: log}
	defer func() { err = errors.Join(err, s.Close(context.WithoutCancel(ctx))) }()
	if _, err := s.lock(ctx, cfg, false); err != nil {
		return 0, err
	}
	if err := s.openStores(ctx, cfg); err != nil {
		return 0, err
	}
	// The rows know the epoch: an old copy of a root is not resealed.
	if s.Clock, err = calendar.Open(ctx, calendar.Config{Store: s.Meta, Boot: bootClock}); err != nil {
		return 0, err
	}
	if s.Keys, err = key.Open(ctx, key.Config{Meta: s.Meta, Root: s.Root, Now: s.Clock.Now, Log: s.log}); err != nil {
		return 0, err
	}
	s.onClose(func() error { s.Keys.Close(); return nil })
	opener := s.rootOpener
	defer opener.wipe()
	opener.newSecrets = c.Secrets
	next, err := opener.change(ctx, &s.rootStore.Sets()[0], c)
	if err != nil {
		return 0, err
	}
	if next != nil {
		if err := s.rootStore.Stage(ctx, *next); err != nil {
			return 0, err
		}
	}
	epoch, err = s.Keys.Reseal(ctx)
	return epoch, errors.Join(err, s.rootStore.Settle(context.WithoutCancel(ctx)))
}

// change returns the set after a change, or nil if it stays.
func (o *rootOpener) change(ctx context.Context, old *rootparts.Set, c *RootChange) (*rootparts.Set, error) {
	set := &rootparts.Set{From: 1, Parts: slices.Clone(old.Parts)}
	for _, h := range old.Holders {
		set.Holders = append(set.Holders, slices.Clone(h))
	}
	if c.Mirror != "" {
		if err := checkSpec([]string{c.Mirror}, set); err != nil {
			return nil, err
		}
	}
	replaced, err := c.replaced(set)
	if err != nil {
		return nil, err
	}
	for _, text := range slices.Concat(c.Add, replaced) {
		if id, ok := knownPart(set, text); ok && !slices.Contains(replaced, text) {
			return nil, fmt.Errorf("%w: %s is that part already", ErrRootSpec, id)
		}
		p, err := o.newPart(ctx, text, slices.Concat(set.Parts, old.Parts))
		if err != nil {
			return nil, err
		}
		set.Parts = append(set.Parts, *p)
		for i, h := range set.Holders {
			if old := sameKind(set, h, p.Kind); old < 0 || !slices.Contains(replaced, text) {
				set.Holders[i] = append(h, p.ID)
			} else {
				h[old] = p.ID
			}
		}
	}
	if c.Mirror != "" {
		if err := o.addHolder(ctx, set, c.Mirror); err != nil {
			return nil, err
		}
	}
	for _, id := range c.Remove {
		if _, ok := set.Part(id); !ok {
			return nil, fmt.Errorf("%w: no part is called %q", ErrRootSpec, id)
		}
		removePart(set, id)
	}
	if len(set.Holders) == 0 {
		return nil, fmt.Errorf("%w: nothing would be left of it", ErrRootSpec)
	}
	dropUnused(set)
	if equalSets(set, old) {
		return nil, nil
	}
	return set, checkSet(set)
}

// replaced returns the specs of the gates that are replaced, which are there.
func (c *RootChange) replaced(set *rootparts.Set) ([]string, error) {
	var specs []string
	for _, r := range []struct {
		kind, spec string
		want       bool
	}{{partPassphrase, partPassphrase, c.Passphrase}, {partShares, partShares + ":" + c.Shares, c.Shares != ""}} {
		if !r.want {
			continue
		}
		if !slices.ContainsFunc(set.Parts, func(p rootparts.Part) bool { return p.Kind == r.kind }) {
			return nil, fmt.Errorf("%w: it has no part %s to change; add one with coffer root add", ErrRootSpec, r.kind)
		}
		specs = append(specs, r.spec)
	}
	for _, text := range slices.Concat(c.Add, specs) {
		kind, argument := cutSpec(text)
		if kind == partFile {
			continue
		}
		if err := checkPart(kind, argument); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrRootSpec, err)
		}
	}
	return specs, nil
}

// sameKind returns the place in a holder of a gate of the kind, or -1.
func sameKind(set *rootparts.Set, holder []string, kind string) int {
	return slices.IndexFunc(holder, func(id string) bool {
		p, _ := set.Part(id)
		return p.Kind == kind && p.Role == rootparts.RoleGate
	})
}

// removePart takes a part from every holder, and holders without a store away.
func removePart(set *rootparts.Set, id string) {
	for i, h := range set.Holders {
		set.Holders[i] = slices.DeleteFunc(h, func(o string) bool { return o == id })
	}
	set.Holders = slices.DeleteFunc(set.Holders, func(h []string) bool {
		return !slices.ContainsFunc(h, func(id string) bool { p, _ := set.Part(id); return p.Role == rootparts.RoleStore })
	})
}

// dropUnused removes the parts that no holder has.
func dropUnused(set *rootparts.Set) {
	set.Parts = slices.DeleteFunc(set.Parts, func(p rootparts.Part) bool {
		return !slices.ContainsFunc(set.Holders, func(h []string) bool { return slices.Contains(h, p.ID) })
	})
}

func equalSets(a, b *rootparts.Set) bool {
	return slices.EqualFunc(a.Holders, b.Holders, slices.Equal[[]string]) &&
		slices.EqualFunc(a.Parts, b.Parts, func(p, q rootparts.Part) bool {
			return p.ID == q.ID && p.Role == q.Role && p.Kind == q.Kind && maps.Equal(p.Settings, q.Settings)
		})
}
