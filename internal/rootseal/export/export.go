// Package export encodes an epoch of the root of trust in a file of its own, sealed
// behind a gate that is made for this file: a passphrase, or shares.
//
//	file   = header | u8 version = 1 | nonce (12) | AES-256-GCM ciphertext | tag (16)
//	header = "COFFEXPT" | u16 version = 1 | u32 length | header as JSON
//	key    = HKDF-SHA-512(mask of the gate for the epoch, "", "coffer/v1/root-export")
//
// The header is public, and the additional data of the seal. The plaintext is the
// epoch: its root, its head and its frontiers.
//
// An export holds what a copy of the root holds. It opens the rows of its epoch and
// of earlier ones, and so also every key in an old backup that was destroyed since.
//
// Source: docs/spec/root-store.md, section 13, which is normative.
package export

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"coffer/internal/rootseal"
)

var (
	// ErrNotExport means that the bytes are no export, or one of a newer format.
	ErrNotExport = errors.New("rootseal: this is no export of a root of trust")
	// ErrDamaged means that an export does not open although its gate did: it
	// was altered or cut.
	ErrDamaged = errors.New("rootseal: the export is damaged")
)

const (
	magic       = "COFFEXPT"
	version     = 1
	sealVersion = 1
	maxHeader   = 64 << 10
	maxText     = 4096 // bytes of a setting
	maxSettings = 32
	// MaxSize bounds an export: 256 MiB is the frontiers of two million
	// destroyed keys.
	MaxSize = 256 << 20
)

// A Header says what an export is and how to open it. It is public.
type Header struct {
	Epoch uint64 `json:"epoch"`
	// StoreID is the random ID of the store whose root it is, hexadecimal.
	StoreID string `json:"storeId"`
	// Kind and Settings are those of the gate that opens it.
	Kind     string            `json:"kind"`
	Settings map[string]string `json:"settings"`
}

// Seal returns the export of an epoch. The gate is one that was made for this
// export alone: its key seals once, so the nonce, drawn at random, never meets
// another one. h.Epoch is set.
func Seal(ctx context.Context, h Header, e *rootseal.Epoch, gate rootseal.Gate) ([]byte, error) {
	h.Epoch = e.Number
	text, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	if len(text) > maxHeader {
		return nil, fmt.Errorf("rootseal: a header of %d bytes", len(text))
	}
	head := binary.BigEndian.AppendUint16([]byte(magic), version)
	head = binary.BigEndian.AppendUint32(head, uint32(len(text)))
	head = append(head, text...)
	aead, err := cipherOf(ctx, gate, h.Epoch)
	if err != nil {
		return nil, err
	}
	plain, err := encode(e)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	out := append(bytes.Clone(head), sealVersion)
	return aead.Seal(out, nil, plain, head), nil
}

// Parse returns the header of an export. It is not authentic before [Open].
func Parse(b []byte) (*Header, error) {
	h, _, _, err := split(b)
	return h, err
}

// Open opens an export with its gate. It returns ErrNotExport or [ErrDamaged]. The
// caller wipes the root.
func Open(ctx context.Context, b []byte, gate rootseal.Gate) (*rootseal.Epoch, error) {
	h, head, sealed, err := split(b)
	if err != nil {
		return nil, err
	}
	if len(sealed) == 0 || sealed[0] != sealVersion {
		return nil, fmt.Errorf("%w: no seal", ErrDamaged)
	}
	aead, err := cipherOf(ctx, gate, h.Epoch)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nil, sealed[1:], head)
	if err != nil {
		return nil, fmt.Errorf("%w: it was altered or cut", ErrDamaged)
	}
	defer clear(plain)
	e, err := decode(plain)
	if err != nil {
		return nil, err
	}
	if e.Number != h.Epoch {
		clear(e.Root[:])
		return nil, fmt.Errorf("%w: epoch %d in one of %d", ErrDamaged, e.Number, h.Epoch)
	}
	return e, nil
}

// split returns the header, its bytes, and what is sealed.
func split(b []byte) (*Header, []byte, []byte, error) {
	const fixed = len(magic) + 2 + 4
	if len(b) < fixed || len(b) > MaxSize || string(b[:len(magic)]) != magic {
		return nil, nil, nil, ErrNotExport
	}
	if v := binary.BigEndian.Uint16(b[len(magic):]); v != version {
		return nil, nil, nil, fmt.Errorf("%w: version %d, this program knows %d", ErrNotExport, v, version)
	}
	size := binary.BigEndian.Uint32(b[len(magic)+2:])
	if size > maxHeader || int(size) > len(b)-fixed {
		return nil, nil, nil, fmt.Errorf("%w: header", ErrDamaged)
	}
	end := fixed + int(size)
	h := new(Header)
	d := json.NewDecoder(bytes.NewReader(b[fixed:end]))
	d.DisallowUnknownFields()
	err := d.Decode(h)
	if err == nil {
		_, err = d.Token()
		if errors.Is(err, io.EOF) {
			err = nil
		} else {
			err = errors.New("more than an object")
		}
	}
	id, hexErr := hex.DecodeString(h.StoreID)
	if err != nil || hexErr != nil || len(id) != 16 || h.Epoch == 0 || len(h.Settings) > maxSettings || len(h.Kind) > 64 {
		return nil, nil, nil, fmt.Errorf("%w: header", ErrDamaged)
	}
	for k, v := range h.Settings {
		if len(k) > 64 || len(v) > maxText {
			return nil, nil, nil, fmt.Errorf("%w: header", ErrDamaged)
		}
	}
	return h, b[:end], b[end:], nil
}

func cipherOf(ctx context.Context, gate rootseal.Gate, epoch uint64) (cipher.AEAD, error) {
	mask, err := gate.Mask(ctx, epoch)
	if err != nil {
		return nil, err
	}
	defer clear(mask[:])
	key, err := hkdf.Key(sha512.New, mask[:], nil, "coffer/v1/root-export", 32)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// encode returns the plaintext of an export:
//
//	plain    = u64 epoch | root (32) | u32 length | head | u32 count | frontier...
//	frontier = u8 length | name | u32 length | frontier
func encode(e *rootseal.Epoch) ([]byte, error) {
	size := 8 + 32 + 4 + len(e.Head) + 4
	for name, f := range e.Frontiers {
		if err := rootseal.CheckName(name); err != nil {
			return nil, err
		}
		size += 1 + len(name) + 4 + len(f)
	}
	if size > MaxSize-maxHeader-64 {
		return nil, fmt.Errorf("rootseal: an export of %d bytes, want at most %d", size, MaxSize)
	}
	b := make([]byte, 0, size) // once: a copy would not be wiped
	b = binary.BigEndian.AppendUint64(b, e.Number)
	b = append(b, e.Root[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(e.Head)))
	b = append(b, e.Head...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(e.Frontiers)))
	for _, name := range slices.Sorted(maps.Keys(e.Frontiers)) {
		b = append(b, byte(len(name)))
		b = append(b, name...)
		b = binary.BigEndian.AppendUint32(b, uint32(len(e.Frontiers[name])))
		b = append(b, e.Frontiers[name]...)
	}
	return b, nil
}

func decode(b []byte) (*rootseal.Epoch, error) {
	r := reader{b: b}
	e := &rootseal.Epoch{Number: r.number(8), Frontiers: map[string][]byte{}}
	copy(e.Root[:], r.take(len(e.Root)))
	e.Head = bytes.Clone(r.take(int(r.number(4))))
	for n := r.number(4); n > 0 && !r.bad; n-- {
		name := string(r.take(int(r.number(1))))
		f := bytes.Clone(r.take(int(r.number(4))))
		if _, ok := e.Frontiers[name]; ok || rootseal.CheckName(name) != nil {
			r.bad = true
		}
		e.Frontiers[name] = f
	}
	if r.bad || len(r.b) > 0 {
		clear(e.Root[:])
		return nil, fmt.Errorf("%w: layout", ErrDamaged)
	}
	return e, nil
}

// A reader takes fields off the front of b.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if r.bad || n > len(r.b) {
		r.bad = true
		return nil
	}
	v := r.b[:n]
	r.b = r.b[n:]
	return v
}

// number takes an unsigned integer of size bytes.
func (r *reader) number(size int) (n uint64) {
	for _, c := range r.take(size) {
		n = n<<8 | uint64(c)
	}
	return n
}
