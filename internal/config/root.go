package config

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/spf13/pflag"
)

// A Root says where the secrets come from that open the root of trust. They are
// never in a flag or in the environment: only the names of files are.
type Root struct {
	PassphraseFile string
	ShareFiles     []string
	PINFile        string
	TPMAuthFile    string
	// LockMemory keeps the memory of the process out of swap.
	LockMemory bool
	// PKCS11Helper is the path of coffer-pkcs11; empty means beside the program.
	PKCS11Helper string

	// CredentialsDir is a directory of systemd credentials, or "":
	// [Root.Credential].
	CredentialsDir string
	// Ask asks whoever sits at the terminal for a secret, or is nil.
	Ask func(prompt string) ([]byte, error)
	// Spec is the parts of a root that is made: one for each holder, see
	// docs/roots-and-backups.md. Empty means a plain file.
	Spec []string
	// Lost are the parts that are given up.
	Lost []string
	// Print shows the shares of a root that is made, this once, or is nil.
	Print func(text string) error
}

// Flags adds the settings to fs.
func (r *Root) Flags(fs *pflag.FlagSet) {
	fs.StringVar(&r.PassphraseFile, "root-passphrase-file", "", "`file` with the passphrase of the root of trust")
	fs.StringSliceVar(&r.ShareFiles, "root-share-file", nil, "`file` with shares of the root's custodians, one a line; may repeat")
	fs.StringVar(&r.PINFile, "root-pin-file", "", "`file` with the PIN of the HSM that is a part of the root")
	fs.StringVar(&r.TPMAuthFile, "root-tpm-auth-file", "", "`file` with the authorization of the TPM's owner, if it has one")
	fs.StringVar(&r.PKCS11Helper, helperFlag, "", "`program` that loads the PKCS #11 module of the root's HSM (default: coffer-pkcs11 beside this program)")
	fs.BoolVar(&r.LockMemory, lockFlag, false, "keep the memory of this process out of swap")
}

// rootFlags are the flags of Flags, and the systemd credentials that stand for
// them.
var rootFlags = map[string]string{
	"root-passphrase-file": "coffer.root-passphrase",
	"root-share-file":      "coffer.root-share",
	"root-pin-file":        "coffer.root-pin",
	"root-tpm-auth-file":   "coffer.root-tpm-auth",
}

const (
	helperFlag = "pkcs11-helper"
	lockFlag   = "lock-memory"
)

// Resolve fills the settings whose flags were not given from the environment.
func (r *Root) Resolve(fs *pflag.FlagSet, getenv func(string) string) error {
	names := slices.Collect(maps.Keys(rootFlags))
	for _, name := range append(names, helperFlag, lockFlag) {
		f := fs.Lookup(name)
		if v := getenv(EnvName(name)); v != "" && !f.Changed {
			if err := f.Value.Set(v); err != nil {
				return fmt.Errorf("%s: %w", EnvName(name), err)
			}
		}
	}
	return r.environment(getenv)
}

func (r *Root) environment(getenv func(string) string) error {
	r.CredentialsDir = getenv("CREDENTIALS_DIRECTORY")
	if getenv("COFFER_ROOT_PASSPHRASE") != "" {
		return errors.New("COFFER_ROOT_PASSPHRASE is not read, since others can read an environment: name a file with COFFER_ROOT_PASSPHRASE_FILE")
	}
	return nil
}

// Credential returns the name of the systemd credential that stands for a flag, as
// LoadCredential= or LoadCredentialEncrypted= of the unit provides it, or "" if
// there is no directory of them.
func (r *Root) Credential(flag string) string {
	if r.CredentialsDir == "" {
		return ""
	}
	return filepath.Join(r.CredentialsDir, rootFlags[flag])
}
