// Package passphrase implements a gate of the root of trust that a passphrase
// opens.
//
// A random secret of 32 bytes is sealed under the passphrase, and the gate's masks
// derive from the secret. What is stored is public: it lets whoever has it try
// passphrases, each try at the cost of one Argon2id.
//
//	key (32) | commitment (32) = Argon2id(passphrase, salt, time, memory, threads)
//	sealed                     = u8 version = 1 | nonce (12) | AES-256-GCM ciphertext | tag (16)
//
// The commitment is stored and compared first, since AES-GCM does not commit to its
// key; it also tells a wrong passphrase from damage, which a checksum finds.
//
// Source: docs/spec/root-store.md, section 11, which is normative.
package passphrase

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"

	"golang.org/x/crypto/argon2"

	"coffer/internal/rootseal"
)

var (
	// ErrWrong means that the passphrase is another one.
	ErrWrong = errors.New("rootseal: wrong passphrase")
	// ErrSettings means that what is stored of the gate is damaged, or asks
	// for more work than this program does.
	ErrSettings = errors.New("rootseal: the stored part of the passphrase is damaged")
)

// Bounds of a passphrase in bytes. A shorter one than MinLength opens what it was
// set for elsewhere, but can't be set.
const (
	MinLength = 12
	MaxLength = 1024
)

// Params are the costs of Argon2id.
type Params struct {
	Time    uint32 // passes
	Memory  uint32 // KiB
	Threads uint8
}

// Default are the costs of a new passphrase.
//
// Source: RFC 9106, section 4, the second recommended option: 3 passes over 64 MiB
// with 4 lanes, a salt of 128 bits.
var Default = Params{Time: 3, Memory: 64 << 10, Threads: 4}

// Bounds of the costs that are accepted from a file, so that a forged one can't
// take the memory or the time of the machine.
const (
	maxTime    = 16
	maxMemory  = 1 << 20 // KiB: 1 GiB
	maxThreads = 16
)

const (
	saltSize    = 16
	sealVersion = 1
	aadGate     = "coffer/v1/passphrase"
)

// Names of the settings.
const (
	setTime     = "argon2id-time"
	setMemory   = "argon2id-memory"
	setThreads  = "argon2id-threads"
	setSalt     = "salt"
	setCommit   = "commitment"
	setSealed   = "sealed"
	setChecksum = "checksum"
)

// checked are the settings under the checksum, in its order.
var checked = []string{setTime, setMemory, setThreads, setSalt, setCommit, setSealed}

// CheckNew returns an error unless a passphrase may be set: it has at least
// [MinLength] bytes and at most [MaxLength].
func CheckNew(passphrase []byte) error {
	if len(passphrase) < MinLength || len(passphrase) > MaxLength {
		return fmt.Errorf("a passphrase of %d bytes, want %d to %d: six random words are a good one", len(passphrase), MinLength, MaxLength)
	}
	return nil
}

// A Gate is open. It holds the secret in memory until it is closed.
type Gate struct{ secret rootseal.Secret }

var _ rootseal.Gate = (*Gate)(nil)

// New draws a secret from random, nil for crypto/rand.Reader, and seals it under a
// passphrase. It returns what to store. Params that are zero are [Default].
func New(passphrase []byte, p Params, random io.Reader) (map[string]string, error) {
	if err := CheckNew(passphrase); err != nil {
		return nil, err
	}
	if random == nil {
		random = rand.Reader
	}
	if p == (Params{}) {
		p = Default
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	var secret rootseal.Secret
	var salt [saltSize]byte
	defer clear(secret[:])
	for _, b := range [][]byte{secret[:], salt[:]} {
		if _, err := io.ReadFull(random, b); err != nil {
			return nil, err
		}
	}
	// The key seals once, under a salt of its own: its nonce, drawn at random,
	// never meets another one.
	aead, commitment, err := stretch(passphrase, salt[:], p)
	if err != nil {
		return nil, err
	}
	sealed := aead.Seal([]byte{sealVersion}, nil, secret[:], []byte(aadGate))
	s := map[string]string{
		setTime: strconv.Itoa(int(p.Time)), setMemory: strconv.Itoa(int(p.Memory)), setThreads: strconv.Itoa(int(p.Threads)),
		setSalt: hex.EncodeToString(salt[:]), setCommit: hex.EncodeToString(commitment), setSealed: hex.EncodeToString(sealed),
	}
	s[setChecksum] = checksum(s)
	return s, nil
}

// Open opens the gate with what New returned. It returns [ErrWrong] or
// [ErrSettings].
func Open(settings map[string]string, passphrase []byte) (*Gate, error) {
	if len(settings) != len(checked)+1 || subtle.ConstantTimeCompare([]byte(settings[setChecksum]), []byte(checksum(settings))) != 1 {
		return nil, fmt.Errorf("%w: checksum", ErrSettings)
	}
	p, err := parseParams(settings)
	if err != nil {
		return nil, err
	}
	salt, err1 := hex.DecodeString(settings[setSalt])
	want, err2 := hex.DecodeString(settings[setCommit])
	sealed, err3 := hex.DecodeString(settings[setSealed])
	if err1 != nil || err2 != nil || err3 != nil || len(salt) != saltSize || len(sealed) == 0 || sealed[0] != sealVersion {
		return nil, fmt.Errorf("%w: layout", ErrSettings)
	}
	if len(passphrase) == 0 || len(passphrase) > MaxLength {
		return nil, ErrWrong
	}
	aead, commitment, err := stretch(passphrase, salt, p)
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare(commitment, want) != 1 {
		return nil, ErrWrong
	}
	plain, err := aead.Open(nil, nil, sealed[1:], []byte(aadGate))
	if err != nil || len(plain) != len(rootseal.Secret{}) {
		return nil, fmt.Errorf("%w: the sealed secret does not open", ErrSettings)
	}
	defer clear(plain)
	return &Gate{rootseal.Secret(plain)}, nil
}

// Mask implements [rootseal.Gate].
func (g *Gate) Mask(ctx context.Context, epoch uint64) (rootseal.Secret, error) {
	if err := ctx.Err(); err != nil {
		return rootseal.Secret{}, err
	}
	return rootseal.DeriveMask(&g.secret, epoch)
}

// Close wipes the secret.
func (g *Gate) Close() error {
	clear(g.secret[:])
	return nil
}

// stretch returns the cipher and the commitment of a passphrase. The memory that
// Argon2id used is not wiped: the library keeps it to itself.
func stretch(passphrase, salt []byte, p Params) (cipher.AEAD, []byte, error) {
	b := argon2.IDKey(passphrase, salt, p.Time, p.Memory, p.Threads, 64)
	defer clear(b)
	block, err := aes.NewCipher(b[:32])
	if err != nil {
		return nil, nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return aead, bytes.Clone(b[32:]), err
}

func (p Params) check() error {
	if p.Time < 1 || p.Time > maxTime || p.Threads < 1 || p.Threads > maxThreads ||
		p.Memory < 8*uint32(p.Threads) || p.Memory > maxMemory {
		return fmt.Errorf("%w: costs %d, %d KiB, %d are outside the bounds", ErrSettings, p.Time, p.Memory, p.Threads)
	}
	return nil
}

func parseParams(s map[string]string) (p Params, err error) {
	number := func(name string, bits int) uint64 {
		n, e := strconv.ParseUint(s[name], 10, bits)
		if e != nil {
			err = fmt.Errorf("%w: %s", ErrSettings, name)
		}
		return n
	}
	p = Params{uint32(number(setTime, 32)), uint32(number(setMemory, 32)), uint8(number(setThreads, 8))}
	if err != nil {
		return p, err
	}
	return p, p.check()
}

// checksum finds accidents; what an attacker alters, the digest of the set finds.
func checksum(s map[string]string) string {
	h := sha256.New()
	for _, name := range checked {
		var size [4]byte
		binary.BigEndian.PutUint32(size[:], uint32(len(s[name])))
		h.Write(size[:])
		h.Write([]byte(s[name]))
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// Format writes [secret].
func (*Gate) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[secret]") }
