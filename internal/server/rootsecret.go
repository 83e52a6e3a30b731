package server

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"coffer/internal/config"
	"coffer/internal/rootseal"
	"coffer/internal/rootseal/passphrase"
	"coffer/internal/rootseal/pkcs11"
	"coffer/internal/rootseal/tpm"
	"coffer/internal/shamir"
)

// What a passphrase or shares open, in words.
const (
	ofRoot   = "the root of trust"
	ofExport = "the export"
)

// Flags that name files with secrets.
const (
	flagPassphrase = "root-passphrase-file"
	flagShares     = "root-share-file"
	flagPIN        = "root-pin-file"
	flagTPMAuth    = "root-tpm-auth-file"
)

// maxShareFile bounds a file with shares.
const maxShareFile = 64 << 10

// secretPlace returns the file that holds a secret: the one that was named, or the
// systemd credential of the flag if there is one, or "".
func secretPlace(cfg *config.Root, flag, name string) string {
	if name != "" {
		return name
	}
	if name = cfg.Credential(flag); name != "" {
		if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
			return ""
		}
	}
	return name
}

// readPassphrase obtains the passphrase of a root or an export from a file, a
// credential or the terminal. A new one is typed twice there.
func readPassphrase(cfg *config.Root, of string, isNew bool) ([]byte, error) {
	if name := secretPlace(cfg, flagPassphrase, cfg.PassphraseFile); name != "" {
		b, err := rootseal.ReadSecretFile(name, passphrase.MaxLength)
		if err != nil {
			return nil, fmt.Errorf("read the passphrase of %s: %w", of, err)
		}
		return b, nil
	}
	if cfg.Ask == nil {
		return nil, fmt.Errorf("%s needs its passphrase: name a file with --root-passphrase-file, or start on a terminal", of)
	}
	prompt := "Passphrase of " + of + ": "
	if isNew {
		prompt = "New passphrase of " + of + ": "
	}
	b, err := cfg.Ask(prompt)
	if err != nil || !isNew {
		return b, err
	}
	again, err := cfg.Ask("The same again: ")
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

// readShares obtains m shares of a root or an export from files, a credential or the terminal.
func readShares(cfg *config.Root, of string, m int) ([]shamir.Share, error) {
	names := slices.Clone(cfg.ShareFiles)
	if len(names) == 0 {
		if name := secretPlace(cfg, flagShares, ""); name != "" {
			names = append(names, name)
		}
	}
	if len(names) == 0 && cfg.Ask == nil {
		return nil, fmt.Errorf("%s needs %d shares: name files with --root-share-file, or start on a terminal", of, m)
	}
	var all []shamir.Share
	for _, name := range names {
		shares, err := readShareFile(name)
		if err != nil {
			return nil, fmt.Errorf("read shares of %s: %w", of, err)
		}
		all = append(all, shares...)
	}
	if len(names) > 0 {
		return all, nil
	}
	for len(all) < m {
		b, err := cfg.Ask(fmt.Sprintf("Share %d of the %d that %s needs: ", len(all)+1, m, of))
		if err != nil {
			return nil, err
		}
		s, err := shamir.Parse(string(b))
		clear(b)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(all, func(o shamir.Share) bool { return o.X == s.X }) {
			return nil, errors.New("the same share twice")
		}
		all = append(all, s)
	}
	return all, nil
}

// readShareFile reads one share from each line; empty lines and those that begin
// with # do not count.
func readShareFile(name string) ([]shamir.Share, error) {
	b, err := rootseal.ReadSecretFile(name, maxShareFile)
	if err != nil {
		return nil, err
	}
	defer clear(b)
	var all []shamir.Share
	number := 0
	for line := range bytes.Lines(b) {
		number++
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		s, err := shamir.Parse(string(line))
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, number, err)
		}
		all = append(all, s)
	}
	return all, nil
}

// withPIN adds the PIN of a token: from the file that was named at the start, the
// credential, the file that the description names, or the terminal.
func withPIN(c pkcs11.Config, cfg *config.Root) pkcs11.Config {
	c.Helper = cfg.PKCS11Helper
	if name := secretPlace(cfg, flagPIN, cfg.PINFile); name != "" {
		c.PINFile = name
	}
	if c.PINFile == "" && cfg.Ask != nil {
		c.PIN = func() ([]byte, error) { return cfg.Ask(fmt.Sprintf("PIN of the token %q: ", c.Token)) }
	}
	return c
}

// withOwnerAuth adds the authorization value of a TPM's owner, if there is a file
// with one.
func withOwnerAuth(c tpm.Config, cfg *config.Root) tpm.Config {
	if name := secretPlace(cfg, flagTPMAuth, cfg.TPMAuthFile); name != "" {
		c.OwnerAuthFile = name
	}
	return c
}
