// Package pkcs11 keeps parts of the root of trust in a hardware security module,
// through its PKCS #11 module.
//
// A [Vault] makes a key in the token for each epoch and destroys it with the
// epoch; a [Gate] has one key that lasts. The keys are made by the token and never
// leave it. What coffer gets is a secret that the token computes with them:
//
//	secret of an epoch = HMAC-SHA-256(key of the epoch, "coffer/v1/pkcs11-vault" | ID | u64 epoch)
//	mask of an epoch   = HMAC-SHA-256(key of the gate,  "coffer/v1/pkcs11-gate"  | ID | u64 epoch)
//
// The label of a key is "coffer/", the ID of its vault or gate (16 characters,
// drawn at random), "/", and the epoch in 16 hexadecimal digits or "gate". Two
// roots in one token do not meet.
//
// The module is code of others, in C. It is loaded by a program of its own,
// coffer-pkcs11, which this package starts and talks to: neither can the module read
// what is in the memory of the server, nor is the server bound to the C library.
//
// Source: docs/spec/pkcs11-helper.md, which is normative.
package pkcs11

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"coffer/internal/rootseal"
)

var (
	// ErrPIN means that the token refused the PIN. It is not tried again: a
	// token locks itself after a few.
	ErrPIN = errors.New("the token refused the PIN")
	// ErrPINLocked means that the token takes no PIN any more, or one more
	// only, which is left to people.
	ErrPINLocked = errors.New("the PIN of the token is locked")
	// ErrToken means that the module has no token as described, or several.
	ErrToken = errors.New("no such token")
	// ErrModule means that the module can't be loaded.
	ErrModule = errors.New("the PKCS #11 module can't be loaded")
	// ErrHelper means that the helper can't be started, or ended.
	ErrHelper = errors.New("the PKCS #11 helper does not run")
	// ErrUnsafe means that a key has the label of an epoch or a gate, but was
	// not made by the token, or may leave it, or is not the only one.
	ErrUnsafe = errors.New("a key in the token can't be trusted")
	// ErrNoGate means that the key of a gate is not in the token.
	ErrNoGate = errors.New("the key of the gate is not in the token")
)

const (
	defaultTimeout = 30 * time.Second
	helperName     = "coffer-pkcs11"
)

// Config says which token, and how to reach it.
type Config struct {
	// Module is the absolute path of the PKCS #11 module, a shared library.
	Module string
	// Token is the label of the token.
	Token string
	// Serial is its serial number; empty means any. Two tokens as described
	// are an error.
	Serial string
	// PINFile is the file with the PIN of the token's user; a newline at its
	// end does not count. Others may not be able to read it. It is read each
	// time the helper is started.
	PINFile string
	// PIN returns the PIN each time the helper is started, instead of PINFile.
	// Its bytes are wiped.
	PIN func() ([]byte, error)
	// Kind is what the keys are in the token.
	Kind Kind
	// IsGate says that the description asks for a gate, not a vault.
	IsGate bool
	// Helper is the path of coffer-pkcs11; empty means that it lies beside the
	// running program.
	Helper string
	// Timeout is how long one request may take; zero means 30 s.
	Timeout time.Duration
}

var kinds = map[string]Kind{"auto": KindAny, "generic": KindGeneric, "hmac": KindHMAC, "aes": KindAES}

// Parse decodes the description of a token:
//
//	module=PATH;token=LABEL[;serial=NUMBER][;mode=vault|gate][;key=auto|generic|hmac|aes][;pin-file=PATH]
//
// A value has % and two hexadecimal digits for a character that would end it.
func Parse(text string) (Config, error) {
	var c Config
	seen := map[string]bool{}
	for field := range strings.SplitSeq(text, ";") {
		name, escaped, ok := strings.Cut(field, "=")
		value, err := url.PathUnescape(escaped)
		switch {
		case !ok || err != nil || value == "" || len(value) > MaxText || strings.ContainsRune(value, 0):
			return Config{}, fmt.Errorf("pkcs11: %q is not NAME=VALUE", field)
		case seen[name]:
			return Config{}, fmt.Errorf("pkcs11: %s is there twice", name)
		}
		seen[name] = true
		switch name {
		case "module":
			c.Module = value
		case "token":
			c.Token = value
		case "serial":
			c.Serial = value
		case "pin-file":
			c.PINFile = value
		case "mode":
			if value != "vault" && value != "gate" {
				return Config{}, fmt.Errorf("pkcs11: mode %q, want vault or gate", value)
			}
			c.IsGate = value == "gate"
		case "key":
			if c.Kind, ok = kinds[value]; !ok {
				return Config{}, fmt.Errorf("pkcs11: key %q, want auto, generic, hmac or aes", value)
			}
		default:
			return Config{}, fmt.Errorf("pkcs11: unknown field %q, want module, token, serial, pin-file, mode or key", name)
		}
	}
	for _, name := range []string{"module", "token"} {
		if !seen[name] {
			return Config{}, fmt.Errorf("pkcs11: %s is missing", name)
		}
	}
	return c, c.check()
}

// The names of a part's settings.
const (
	SettingID      = "pkcs11-id"
	SettingModule  = "pkcs11-module"
	SettingToken   = "pkcs11-token"
	SettingSerial  = "pkcs11-serial"
	SettingKey     = "pkcs11-key"
	SettingPINFile = "pkcs11-pin-file"
)

// Settings returns the configuration and the ID of a vault or a gate as text, for the
// description of the root's parts: everything but the PIN and the helper.
func (c *Config) Settings(id string) map[string]string {
	s := map[string]string{SettingID: id, SettingModule: c.Module, SettingToken: c.Token}
	if c.Serial != "" {
		s[SettingSerial] = c.Serial
	}
	if c.PINFile != "" {
		s[SettingPINFile] = c.PINFile
	}
	for name, kind := range kinds {
		if kind == c.Kind {
			s[SettingKey] = name
		}
	}
	return s
}

// ParseSettings is the inverse of [Config.Settings]. It ignores other settings. The
// caller adds the PIN if there is no file with it.
func ParseSettings(settings map[string]string) (c Config, id string, err error) {
	c = Config{Module: settings[SettingModule], Token: settings[SettingToken], Serial: settings[SettingSerial], PINFile: settings[SettingPINFile]}
	kind, ok := kinds[settings[SettingKey]]
	if !ok {
		return Config{}, "", fmt.Errorf("pkcs11: setting %s is %q", SettingKey, settings[SettingKey])
	}
	c.Kind = kind
	id = settings[SettingID]
	return c, id, errors.Join(c.check(), checkID(id))
}

func (c *Config) check() error {
	switch {
	case !filepath.IsAbs(c.Module) || len(c.Module) > MaxText:
		return fmt.Errorf("pkcs11: module %q is not an absolute path", c.Module)
	case c.Token == "" || len(c.Token) > MaxText || len(c.Serial) > MaxText:
		return errors.New("pkcs11: a token without a label, or with one that is too long")
	}
	return nil
}

// pin returns the PIN, which the caller wipes.
func (c *Config) pin() ([]byte, error) {
	if c.PIN == nil {
		if c.PINFile == "" {
			return nil, errors.New("no PIN, and no file with one")
		}
		pin, err := rootseal.ReadSecretFile(c.PINFile, MaxPIN)
		if err != nil {
			return nil, fmt.Errorf("read the PIN: %w", err)
		}
		return pin, nil
	}
	pin, err := c.PIN()
	if err == nil && (len(pin) == 0 || len(pin) > MaxPIN) {
		err = fmt.Errorf("a PIN of %d bytes, want 1 to %d", len(pin), MaxPIN)
		clear(pin)
	}
	return pin, err
}

// helper returns the path of the helper.
func (c *Config) helper() (string, error) {
	if c.Helper != "" {
		return filepath.Abs(c.Helper)
	}
	program, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrHelper, err)
	}
	return filepath.Join(filepath.Dir(program), helperName), nil
}
