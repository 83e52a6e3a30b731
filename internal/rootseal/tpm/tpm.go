// Package tpm keeps a part of the root of trust in a TPM 2.0.
//
// A [Vault] defines an NV index of the TPM for each epoch, writes a random secret of
// 32 bytes into it, and undefines it to forget. The secret lies in the chip and
// nowhere else: neither a copy of the disk nor a snapshot of it brings a forgotten
// epoch back.
//
//	NV index   any free one of 0x01800000 to 0x01bfffff
//	attributes TPMA_NV_AUTHREAD, TPMA_NV_AUTHWRITE, TPMA_NV_NO_DA, TPMA_NV_WRITEALL
//	authPolicy "coffer/1" | ID of the vault, 16 bytes | u64 epoch
//	data       the secret, 32 bytes
//
// The authPolicy names the vault and the epoch, and is part of the index's Name, which
// the TPM checks in every use; as a policy it can't be satisfied, and nothing asks for
// it. Reading and writing take the authorization value of the vault, in an HMAC
// session that is salted to the TPM's storage primary key and encrypts what it
// carries: who listens on the bus learns neither the secret nor the value. The key is
// noted when the vault is made, so that who answers in place of the TPM learns nothing
// either.
//
// Source: docs/spec/tpm-vault.md, which is normative. TCG Trusted Platform Module
// Library, Family 2.0, Level 00, Revision 01.59, parts 1 to 3.
package tpm

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"coffer/internal/rootseal"
)

var (
	// ErrOtherTPM means that the TPM is not the one in which the vault was
	// made, or that it was cleared since: what it held is gone.
	ErrOtherTPM = errors.New("not the TPM in which the vault was made, or it was cleared")
	// ErrUnsafe means that an index has the mark of an epoch, but not the
	// attributes, or is not the only one.
	ErrUnsafe = errors.New("an index in the TPM can't be trusted")
	// ErrAuthorization means that the TPM refused the authorization of its owner.
	ErrAuthorization = errors.New("the TPM refused the authorization of its owner")
	// ErrFull means that the TPM has no room for another index.
	ErrFull = errors.New("the TPM has no room for another NV index")
)

const (
	defaultTimeout = 30 * time.Second
	maxPath        = 4096
	// maxOwnerAuth is the length of the longest authorization value of an
	// owner: a digest of the TPM's largest hash.
	maxOwnerAuth = 64
)

// Config says where the TPM is.
type Config struct {
	// Device is the absolute path of the TPM: /dev/tpmrm0, which shares the TPM
	// with others, rather than /dev/tpm0, which does not.
	Device string
	// Socket is the absolute path of the Unix socket of an emulator, instead of
	// Device: swtpm socket --tpm2 --server type=unixio,path=PATH.
	Socket string
	// OwnerAuthFile is the file with the authorization value of the TPM's owner;
	// a newline at its end does not count. Empty means that it is empty, as it
	// is on most machines.
	OwnerAuthFile string
	// OwnerAuth returns the authorization value for each call, instead of
	// OwnerAuthFile. Its bytes are wiped.
	OwnerAuth func() ([]byte, error)
	// Timeout is how long one command may take; zero means 30 s.
	Timeout time.Duration
}

// Parse decodes the description of a TPM:
//
//	device=PATH[;owner-auth-file=PATH]
//	socket=PATH[;owner-auth-file=PATH]
//
// A value has % and two hexadecimal digits for a character that would end it.
func Parse(text string) (Config, error) {
	var c Config
	places := map[string]*string{"device": &c.Device, "socket": &c.Socket, "owner-auth-file": &c.OwnerAuthFile}
	for field := range strings.SplitSeq(text, ";") {
		name, escaped, ok := strings.Cut(field, "=")
		value, err := url.PathUnescape(escaped)
		place := places[name]
		switch {
		case !ok || err != nil || value == "" || strings.ContainsRune(value, 0):
			return Config{}, fmt.Errorf("tpm: %q is not NAME=VALUE", field)
		case place == nil:
			return Config{}, fmt.Errorf("tpm: unknown field %q, want device, socket or owner-auth-file", name)
		case *place != "":
			return Config{}, fmt.Errorf("tpm: %s is there twice", name)
		case !filepath.IsAbs(value) || len(value) > maxPath:
			return Config{}, fmt.Errorf("tpm: %s %q is not an absolute path", name, value)
		}
		*place = value
	}
	return c, c.check()
}

func (c *Config) check() error {
	if (c.Device == "") == (c.Socket == "") {
		return errors.New("tpm: want either device or socket")
	}
	return nil
}

// ownerAuth returns the authorization value of the owner, which the caller wipes.
func (c *Config) ownerAuth() (auth []byte, err error) {
	switch {
	case c.OwnerAuth != nil:
		auth, err = c.OwnerAuth()
	case c.OwnerAuthFile != "":
		auth, err = rootseal.ReadSecretFile(c.OwnerAuthFile, maxOwnerAuth)
	}
	if err == nil && (len(auth) > maxOwnerAuth || bytes.IndexByte(auth, 0) >= 0) {
		err = fmt.Errorf("a value with a zero byte, or of more than %d bytes", maxOwnerAuth)
		clear(auth)
	}
	return auth, err
}

// An Identity is what a vault is found and opened with. It is made once and kept: who
// loses it loses the vault. Who has it needs the TPM as well.
type Identity struct {
	ID      [16]byte    // names the vault in the TPM
	Auth    Auth        // the authorization value of its indices
	Primary [2][32]byte // x and y of the TPM's storage primary key, on P-256
}

// Auth is an authorization value. It prints as [secret].
type Auth [32]byte

const hidden = "[secret]"

// String implements [fmt.Stringer] and never shows the value.
func (Auth) String() string { return hidden }

// GoString implements [fmt.GoStringer] and never shows the value.
func (Auth) GoString() string { return hidden }

// Format implements [fmt.Formatter] and never shows the value.
func (Auth) Format(f fmt.State, verb rune) { _, _ = io.WriteString(f, hidden) }

// MarshalJSON implements json.Marshaler and never shows the value.
func (Auth) MarshalJSON() ([]byte, error) { return []byte(`"` + hidden + `"`), nil }

// LogValue implements [slog.LogValuer] and never shows the value.
func (Auth) LogValue() slog.Value { return slog.StringValue(hidden) }

// The names of a part's settings.
const (
	SettingDevice        = "tpm-device"
	SettingSocket        = "tpm-socket"
	SettingOwnerAuthFile = "tpm-owner-auth-file"

	SettingID      = "tpm-id"
	SettingAuth    = "tpm-auth" // kept from others, and not shown
	SettingPrimary = "tpm-primary"
)

// Settings returns the place of the TPM and the identity of a vault as text, for the
// description of the root's parts: everything but the authorization of the TPM's owner.
func (c *Config) Settings(i *Identity) map[string]string {
	s := map[string]string{
		SettingID:      hex.EncodeToString(i.ID[:]),
		SettingAuth:    hex.EncodeToString(i.Auth[:]),
		SettingPrimary: hex.EncodeToString(i.Primary[0][:]) + hex.EncodeToString(i.Primary[1][:]),
	}
	if c.Device != "" {
		s[SettingDevice] = c.Device
	} else {
		s[SettingSocket] = c.Socket
	}
	if c.OwnerAuthFile != "" {
		s[SettingOwnerAuthFile] = c.OwnerAuthFile
	}
	return s
}

// ParseSettings is the inverse of [Config.Settings]. It ignores other settings. The
// caller adds the authorization of the owner, if there is one and no file with it.
func ParseSettings(settings map[string]string) (Config, *Identity, error) {
	c := Config{Device: settings[SettingDevice], Socket: settings[SettingSocket], OwnerAuthFile: settings[SettingOwnerAuthFile]}
	var i Identity
	for name, places := range map[string][][]byte{
		SettingID: {i.ID[:]}, SettingAuth: {i.Auth[:]}, SettingPrimary: {i.Primary[0][:], i.Primary[1][:]},
	} {
		b, err := hex.DecodeString(settings[name])
		want := 0
		for _, p := range places {
			want += len(p)
		}
		if err != nil || len(b) != want {
			return Config{}, nil, fmt.Errorf("tpm: setting %s is not %d hexadecimal digits", name, 2*want)
		}
		for _, p := range places {
			b = b[copy(p, b):]
		}
	}
	return c, &i, c.check()
}

// newIdentity draws an identity. No byte of its authorization value is zero: a TPM
// drops zeros at the end of a value, and libraries differ in which they drop.
func newIdentity() *Identity {
	i := new(Identity)
	rand.Read(i.ID[:])
	for n := range i.Auth {
		for i.Auth[n] == 0 {
			rand.Read(i.Auth[n : n+1])
		}
	}
	return i
}
