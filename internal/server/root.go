package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"coffer/internal/config"
	"coffer/internal/durable"
	"coffer/internal/key"
	"coffer/internal/rootseal"
	"coffer/internal/rootseal/file"
	rootparts "coffer/internal/rootseal/parts"
	"coffer/internal/rootseal/passphrase"
)

// Kinds of parts of a root.
const (
	partFile       = "file"
	partPassphrase = "passphrase"
)

// ErrRootSpec wraps what is wrong with the description of a root or a part that a
// user gave.
var ErrRootSpec = errors.New("server: unusable root")

// openRoot opens the root of trust in DIR/root and its parts. With a spec it makes
// a new root of these parts.
func (s *Stack) openRoot(ctx context.Context, cfg *config.Server) error {
	dir := filepath.Join(s.Dir, rootDir)
	if err := durable.MkdirAll(durable.OS{}, dir, 0o700); err != nil {
		return fmt.Errorf("make root directory: %w", err)
	}
	opener := &rootOpener{cfg: &cfg.Root}
	defer opener.wipe()
	store, err := rootparts.Open(rootparts.Config{Dir: dir, Opener: opener, Lost: cfg.Root.Lost})
	if err != nil {
		return err
	}
	s.onClose(store.Close)
	if s.IsNew && len(cfg.Root.Spec) > 0 && !store.Described() {
		if err := makeParts(ctx, store, opener, cfg.Root.Spec); err != nil {
			return err
		}
	}
	closed := store.OpenGates(ctx) // later nobody may be there to ask
	s.Root, err = key.OpenRoot(ctx, key.RootConfig{Store: store, Log: s.log, Create: s.IsNew})
	if err != nil {
		return err
	}
	s.onClose(func() error { s.Root.Close(); return nil })
	if closed != nil {
		s.log.Warn("the root of trust opened, but not through every holder: nothing can be destroyed until it does", "error", closed)
	}
	s.rootStore, s.rootOpener = store, opener
	return store.Settle(ctx)
}

// makeParts makes the parts of a new root.
func makeParts(ctx context.Context, store *rootparts.Store, opener *rootOpener, spec []string) error {
	if numbers, err := store.Epochs(ctx); err != nil {
		return err
	} else if len(numbers) > 0 {
		return fmt.Errorf("%w: a start that was cut has left another root: remove the directory", ErrRootSpec)
	}
	set, err := opener.newSet(spec)
	if err != nil {
		return err
	}
	return store.Stage(ctx, *set)
}

// A rootOpener opens the parts of a root with the secrets that the configuration
// names, and makes new parts.
type rootOpener struct {
	cfg        *config.Root
	passphrase []byte // once it was read
}

var _ rootparts.Opener = (*rootOpener)(nil)

// wipe forgets the secrets that were read. They are read again when they are needed.
func (o *rootOpener) wipe() {
	clear(o.passphrase)
	o.passphrase = nil
}

// Store implements [parts.Opener].
func (o *rootOpener) Store(_ context.Context, dir string) (rootseal.Store, error) {
	return file.Open(file.Config{Dir: dir})
}

// Vault implements [parts.Opener].
func (o *rootOpener) Vault(_ context.Context, p rootparts.Part) (rootseal.Vault, error) {
	return nil, fmt.Errorf("%w: this program knows no vault of the kind %q", ErrRootSpec, p.Kind)
}

// Gate implements [parts.Opener].
func (o *rootOpener) Gate(_ context.Context, p rootparts.Part) (rootseal.Gate, error) {
	switch p.Kind {
	case partPassphrase:
		if err := o.needPassphrase(false); err != nil {
			return nil, err
		}
		return passphrase.Open(p.Settings, o.passphrase)
	}
	return nil, fmt.Errorf("%w: this program knows no gate of the kind %q", ErrRootSpec, p.Kind)
}

// needPassphrase obtains the passphrase. A new one that is typed is typed twice.
func (o *rootOpener) needPassphrase(isNew bool) (err error) {
	if o.passphrase != nil {
		return nil
	}
	b, err := o.secretFile("root-passphrase-file", o.cfg.PassphraseFile)
	if err != nil {
		return err
	}
	if b == nil {
		if b, err = o.askPassphrase("Passphrase of the root of trust: ", isNew); err != nil {
			return err
		}
	}
	o.passphrase = b
	return nil
}

func (o *rootOpener) askPassphrase(prompt string, isNew bool) ([]byte, error) {
	if o.cfg.Ask == nil {
		return nil, errors.New("the root of trust needs its passphrase: name a file with --root-passphrase-file, or start on a terminal")
	}
	b, err := o.cfg.Ask(prompt)
	if err != nil || !isNew {
		return b, err
	}
	again, err := o.cfg.Ask("The same again: ")
	defer clear(again)
	if err == nil && !bytes.Equal(b, again) {
		err = errors.New("the two passphrases differ")
	}
	if err != nil {
		clear(b)
		return nil, err
	}
	return b, nil
}

// maxSecretFile bounds what is read from a file with a secret.
const maxSecretFile = 64 << 10

// secretFile reads a secret from a file, or from the systemd credential of the
// flag, without the line break at its end. It returns nil if there is neither.
func (o *rootOpener) secretFile(flag, name string) ([]byte, error) {
	if name == "" {
		credential := o.cfg.Credential(flag)
		if credential == "" {
			return nil, nil
		}
		if _, err := os.Stat(credential); errors.Is(err, os.ErrNotExist) {
			return nil, nil
		}
		name = credential
	}
	b, err := durable.ReadFile(durable.OS{}, name, maxSecretFile)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	return bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r")), nil
}

// newSet makes the set of a root: each spec is a holder, its parts separated by
// commas. A gate that several holders name is one gate.
func (o *rootOpener) newSet(spec []string) (*rootparts.Set, error) {
	set := &rootparts.Set{From: 1}
	shared := map[string]string{} // the ID of a spec that is no store
	for _, holder := range spec {
		var ids []string
		for _, text := range strings.Split(holder, ",") {
			id, ok := shared[text]
			if !ok {
				p, err := o.newPart(text, set.Parts)
				if err != nil {
					return nil, err
				}
				set.Parts = append(set.Parts, *p)
				id = p.ID
				if p.Role != rootparts.RoleStore {
					shared[text] = id
				}
			}
			if slices.Contains(ids, id) {
				return nil, fmt.Errorf("%w: %s is there twice in %q", ErrRootSpec, text, holder)
			}
			ids = append(ids, id)
		}
		set.Holders = append(set.Holders, ids)
	}
	for _, h := range set.Holders {
		if !slices.ContainsFunc(h, func(id string) bool { p, _ := set.Part(id); return p.Role == rootparts.RoleStore }) {
			return nil, fmt.Errorf("%w: each --root needs a file, where the head and the frontiers lie", ErrRootSpec)
		}
	}
	if err := set.Check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRootSpec, err)
	}
	return set, nil
}

// newPart makes a part as a user writes it, with an ID that none of the others has.
func (o *rootOpener) newPart(text string, others []rootparts.Part) (*rootparts.Part, error) {
	kind, argument, _ := strings.Cut(text, ":")
	p := &rootparts.Part{ID: freeID(kind, others), Kind: kind}
	switch kind {
	case partFile:
		p.Role = rootparts.RoleStore
		if argument != "" {
			dir, err := filepath.Abs(argument)
			if err != nil {
				return nil, err
			}
			p.Settings = map[string]string{rootparts.SettingDir: dir}
		}
		return p, nil
	case partPassphrase:
		if argument != "" {
			return nil, fmt.Errorf("%w: passphrase takes nothing after a colon: a command line can be read by others", ErrRootSpec)
		}
		p.Role = rootparts.RoleGate
		if err := o.needPassphrase(true); err != nil {
			return nil, err
		}
		var err error
		p.Settings, err = passphrase.New(o.passphrase, passphrase.Params{}, nil)
		return p, err
	}
	return nil, fmt.Errorf("%w: no part is called %q", ErrRootSpec, kind)
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
