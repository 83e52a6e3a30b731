package server

import (
	"context"
	"fmt"

	"coffer/internal/config"
	"coffer/internal/rootseal"
	"coffer/internal/rootseal/custodian"
	"coffer/internal/rootseal/file"
	rootparts "coffer/internal/rootseal/parts"
	"coffer/internal/rootseal/passphrase"
	"coffer/internal/rootseal/pkcs11"
	"coffer/internal/rootseal/tpm"
	"coffer/internal/shamir"
)

// Kinds of parts of a root.
const (
	partFile       = "file"
	partPassphrase = "passphrase"
	partShares     = "shares"
	partPKCS11     = "pkcs11"
	partTPM        = "tpm"
)

// A rootOpener opens the parts of a root with the secrets that the configuration
// names, and makes new parts.
type rootOpener struct {
	cfg *config.Root
	of  string // what it opens, in words; empty means ofRoot
	// newSecrets are those of the gates that are made; nil means cfg.
	newSecrets *config.Root
	made       map[string]rootseal.Gate // gates that were made, by ID
	passphrase []byte                   // once it was read
	shares     []shamir.Share
}

var _ rootparts.Opener = (*rootOpener)(nil)

func (o *rootOpener) words() string {
	if o.of == "" {
		return ofRoot
	}
	return o.of
}

// wipe forgets the secrets that were read. They are read again when they are needed.
func (o *rootOpener) wipe() {
	clear(o.passphrase)
	o.passphrase = nil
	for i := range o.shares {
		clear(o.shares[i].Values[:])
	}
	o.shares = nil
}

// Store implements [parts.Opener].
func (o *rootOpener) Store(_ context.Context, dir string) (rootseal.Store, error) {
	return file.Open(file.Config{Dir: dir})
}

// Vault implements [parts.Opener].
func (o *rootOpener) Vault(ctx context.Context, p rootparts.Part) (rootseal.Vault, error) {
	switch p.Kind {
	case partPKCS11:
		cfg, id, err := pkcs11.ParseSettings(p.Settings)
		if err != nil {
			return nil, err
		}
		return pkcs11.OpenVault(ctx, withPIN(cfg, o.cfg), id)
	case partTPM:
		cfg, id, err := tpm.ParseSettings(p.Settings)
		if err != nil {
			return nil, err
		}
		return tpm.Open(ctx, withOwnerAuth(cfg, o.cfg), id)
	}
	return nil, fmt.Errorf("this program knows no vault of the kind %q", p.Kind)
}

// Gate implements [parts.Opener].
func (o *rootOpener) Gate(ctx context.Context, p rootparts.Part) (rootseal.Gate, error) {
	if g := o.made[p.ID]; g != nil {
		delete(o.made, p.ID)
		return g, nil
	}
	return o.gate(ctx, p.Kind, p.Settings)
}

func (o *rootOpener) gate(ctx context.Context, kind string, settings map[string]string) (rootseal.Gate, error) {
	switch kind {
	case partPassphrase:
		if o.passphrase == nil {
			var err error
			if o.passphrase, err = readPassphrase(o.cfg, o.words(), false); err != nil {
				return nil, err
			}
		}
		return passphrase.Open(settings, o.passphrase)
	case partShares:
		if o.shares == nil {
			m, _, err := custodian.Needs(settings)
			if err != nil {
				return nil, err
			}
			if o.shares, err = readShares(o.cfg, o.words(), m); err != nil {
				return nil, err
			}
		}
		return custodian.Open(settings, o.shares)
	case partPKCS11:
		cfg, id, err := pkcs11.ParseSettings(settings)
		if err != nil {
			return nil, err
		}
		return pkcs11.OpenGate(ctx, withPIN(cfg, o.cfg), id)
	}
	return nil, fmt.Errorf("this program knows no gate of the kind %q", kind)
}
