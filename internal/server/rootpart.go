package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"coffer/internal/rootseal"
	"coffer/internal/rootseal/custodian"
	rootparts "coffer/internal/rootseal/parts"
	"coffer/internal/rootseal/passphrase"
	"coffer/internal/rootseal/pkcs11"
	"coffer/internal/rootseal/tpm"
	"coffer/internal/shamir"
)

// newSet makes the set of a new root: each spec is a holder.
func (o *rootOpener) newSet(ctx context.Context, spec []string) (*rootparts.Set, error) {
	set := &rootparts.Set{From: 1}
	if err := checkSpec(spec, set); err != nil {
		return nil, err
	}
	for _, holder := range spec {
		if err := o.addHolder(ctx, set, holder); err != nil {
			return nil, err
		}
	}
	return set, checkSet(set)
}

// checkSpec finds what is wrong with the spec of a root before anything is made, or
// asked for.
func checkSpec(spec []string, old *rootparts.Set) error {
	dirs := map[string]bool{}
	for _, p := range old.Parts {
		if p.Role == rootparts.RoleStore {
			dirs[p.Settings[rootparts.SettingDir]] = true
		}
	}
	for _, holder := range spec {
		stores := 0
		texts := strings.Split(holder, ",")
		for i, text := range texts {
			kind, argument := cutSpec(text)
			if slices.Contains(texts[:i], text) {
				return fmt.Errorf("%w: two parts %s of one --root", ErrRootSpec, kind)
			}
			if kind == partFile {
				stores++
				dir, err := storeDir(argument)
				if err != nil {
					return err
				}
				if dirs[dir] {
					return fmt.Errorf("%w: two stores lie in one directory", ErrRootSpec)
				}
				dirs[dir] = true
			} else if err := checkPart(kind, argument); err != nil {
				return fmt.Errorf("%w: %w", ErrRootSpec, err)
			}
		}
		if stores == 0 {
			return fmt.Errorf("%w: each --root needs a file, where the head and the frontiers lie", ErrRootSpec)
		}
	}
	return nil
}

// cutSpec splits what a user wrote of a part into its kind and the rest.
func cutSpec(text string) (kind, argument string) {
	kind, argument, _ = strings.Cut(text, ":")
	return kind, argument
}

func checkPart(kind, argument string) error {
	switch kind {
	case partPassphrase:
		if argument != "" {
			return errors.New("passphrase takes nothing after a colon: a command line can be read by others")
		}
		return nil
	case partShares:
		_, _, err := shareCounts(argument)
		return err
	case partPKCS11:
		_, err := pkcs11.Parse(argument)
		return err
	case partTPM:
		_, err := tpm.Parse(argument)
		return err
	}
	return fmt.Errorf("no part is called %q", kind)
}

// shareCounts reads the m and n of m/n.
func shareCounts(text string) (m, n int, err error) {
	a, b, _ := strings.Cut(text, "/")
	m, err1 := strconv.Atoi(a)
	n, err2 := strconv.Atoi(b)
	if err1 != nil || err2 != nil {
		return 0, 0, fmt.Errorf("shares of %q, want such as 2/3", text)
	}
	return m, n, shamir.CheckCounts(m, n)
}

// storeDir returns the directory of a store elsewhere, absolute, or "" for that of
// the data directory.
func storeDir(argument string) (string, error) {
	if argument == "" {
		return "", nil
	}
	return filepath.Abs(argument)
}

func checkSet(set *rootparts.Set) error {
	if err := set.Check(); err != nil {
		return fmt.Errorf("%w: %w", ErrRootSpec, err)
	}
	return nil
}

// addHolder adds a holder to the set. A gate or a vault that another holder has
// under the same words is that one: a mirror has one passphrase.
func (o *rootOpener) addHolder(ctx context.Context, set *rootparts.Set, spec string) error {
	var ids []string
	for _, text := range strings.Split(spec, ",") {
		id, ok := knownPart(set, text)
		if !ok {
			p, err := o.newPart(ctx, text, set.Parts)
			if err != nil {
				return err
			}
			set.Parts = append(set.Parts, *p)
			id = p.ID
		}
		ids = append(ids, id)
	}
	set.Holders = append(set.Holders, ids)
	return nil
}

// knownPart returns the ID of the gate or vault of the set that text describes.
func knownPart(set *rootparts.Set, text string) (string, bool) {
	kind, argument := cutSpec(text)
	for _, p := range set.Parts {
		same := p.Kind == kind
		switch kind {
		case partFile:
			same = false
		case partShares:
			same = same && p.Settings["threshold"]+"/"+p.Settings["shares"] == argument
		case partPKCS11:
			cfg, err := pkcs11.Parse(argument)
			same = same && err == nil && cfg.IsGate == (p.Role == rootparts.RoleGate) &&
				maps.Equal(p.Settings, cfg.Settings(p.Settings[pkcs11.SettingID]))
		case partTPM:
			cfg, err := tpm.Parse(argument)
			same = same && err == nil && cfg.Device == p.Settings[tpm.SettingDevice] && cfg.Socket == p.Settings[tpm.SettingSocket]
		}
		if same {
			return p.ID, true
		}
	}
	return "", false
}

// newPart makes a part as a user describes it, with an ID that none of the others
// has. A gate is open then, and waits for Gate.
func (o *rootOpener) newPart(ctx context.Context, text string, others []rootparts.Part) (*rootparts.Part, error) {
	kind, argument := cutSpec(text)
	p := &rootparts.Part{ID: freeID(kind, others), Kind: kind, Role: rootparts.RoleGate}
	var g rootseal.Gate
	var err error
	switch kind {
	case partFile:
		p.Role = rootparts.RoleStore
		dir, err := storeDir(argument)
		if dir != "" {
			p.Settings = map[string]string{rootparts.SettingDir: dir}
		}
		return p, err
	case partPassphrase:
		g, err = o.newPassphrase(p)
	case partShares:
		g, err = o.newShares(p, argument)
	case partPKCS11:
		g, err = o.newToken(ctx, p, argument)
	case partTPM:
		err = o.newTPM(ctx, p, argument)
	default:
		return nil, fmt.Errorf("%w: no part is called %q", ErrRootSpec, kind)
	}
	if err != nil {
		return nil, err
	}
	if g != nil {
		if o.made == nil {
			o.made = map[string]rootseal.Gate{}
		}
		o.made[p.ID] = g
	}
	return p, nil
}

func (o *rootOpener) newPassphrase(p *rootparts.Part) (rootseal.Gate, error) {
	cfg := o.cfg
	if o.newSecrets != nil {
		cfg = o.newSecrets
	}
	words, err := readPassphrase(cfg, o.words(), true)
	if err != nil {
		return nil, err
	}
	defer clear(words)
	if p.Settings, err = passphrase.New(words, passphrase.Params{}, nil); err != nil {
		return nil, err
	}
	return passphrase.Open(p.Settings, words)
}

func (o *rootOpener) newShares(p *rootparts.Part, counts string) (rootseal.Gate, error) {
	m, n, err := shareCounts(counts)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRootSpec, err)
	}
	settings, shares, err := custodian.New(m, n, nil)
	if err != nil {
		return nil, err
	}
	defer func() {
		for i := range shares {
			clear(shares[i].Values[:])
		}
	}()
	p.Settings = settings
	g, err := custodian.Open(settings, shares)
	if err != nil {
		return nil, err
	}
	return g, printShares(o.cfg.Print, o.words(), shares, m)
}

// printShares shows the shares, this once.
func printShares(show func(string) error, of string, shares []shamir.Share, m int) error {
	if show == nil {
		return errors.New("there is nobody to show the shares to")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# %d shares of %s, set %x. Any %d of them open it. They are shown this once.\n", len(shares), of, shares[0].Set, m)
	for i := range shares {
		fmt.Fprintf(&b, "# share %d of %d\n%s\n", i+1, len(shares), shares[i].Text())
	}
	return show(b.String())
}

func (o *rootOpener) newToken(ctx context.Context, p *rootparts.Part, text string) (rootseal.Gate, error) {
	cfg, err := pkcs11.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRootSpec, err)
	}
	id := pkcs11.NewID()
	p.Settings = cfg.Settings(id)
	if cfg.IsGate {
		return pkcs11.MakeGate(ctx, withPIN(cfg, o.cfg), id)
	}
	p.Role = rootparts.RoleVault
	return nil, nil
}

func (o *rootOpener) newTPM(ctx context.Context, p *rootparts.Part, text string) error {
	cfg, err := tpm.Parse(text)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRootSpec, err)
	}
	v, id, err := tpm.New(ctx, withOwnerAuth(cfg, o.cfg))
	if err != nil {
		return err
	}
	p.Role = rootparts.RoleVault
	p.Settings = cfg.Settings(id)
	return v.Close()
}

// freeID returns the kind with the next number.
func freeID(kind string, others []rootparts.Part) string {
	last := 0
	for _, p := range others {
		if digits, ok := strings.CutPrefix(p.ID, kind+"-"); ok {
			if n, err := strconv.Atoi(digits); err == nil {
				last = max(last, n)
			}
		}
	}
	return fmt.Sprintf("%s-%d", kind, last+1)
}
