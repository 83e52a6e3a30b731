package sealrows

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha512"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"coffer/internal/meta"
)

const (
	version    = 1
	saltSize   = 16
	headerSize = 1 + saltSize
	boxSize    = 12 + 16 // nonce and tag, around the ciphertext

	// Overhead is by how many bytes a sealed value is longer than the value.
	Overhead = headerSize + boxSize

	keyInfo = "coffer/v1/row"  // of HKDF
	rowInfo = keyInfo + "\x00" // before the row key, in the additional data

	// maxSeals is how many values are sealed under one salt. The nonces are
	// random, so two of n are equal with a probability below n²/2^97: 2^-35
	// here. NIST SP 800-38D, 8.3, allows 2^32 under one key. Processes share
	// no salt, so they share no key and no count.
	maxSeals = 1 << 31

	// maxCached is how many ciphers are kept. A store has a salt for each start
	// of a process that wrote to it.
	maxCached = 64
)

// A salt says which cipher opens a value.
type salt [saltSize]byte

// A sealer seals values under one salt.
type sealer struct {
	salt  salt
	aead  cipher.AEAD
	seals atomic.Uint64
}

// A box seals and opens values. It is safe for concurrent use.
type box struct {
	key      *Key // a pointer, so that nothing prints it as a field
	rand     io.Reader
	maxSeals uint64

	current atomic.Pointer[sealer] // nil before the first value is sealed

	mu     sync.RWMutex
	cached map[salt]*cachedCipher
	clock  atomic.Uint64 // counts uses, to find the cipher unused for longest
}

type cachedCipher struct {
	aead cipher.AEAD
	used atomic.Uint64
}

func newBox(key Key, rand io.Reader) *box {
	return &box{key: &key, rand: rand, maxSeals: maxSeals, cached: make(map[salt]*cachedCipher)}
}

func (b *box) newSealer() (*sealer, error) {
	s := new(sealer)
	if _, err := io.ReadFull(b.rand, s.salt[:]); err != nil {
		return nil, fmt.Errorf("draw salt of rows: %w", err)
	}
	var err error
	s.aead, err = b.derive(s.salt)
	return s, err
}

// derive returns the cipher of a salt.
func (b *box) derive(s salt) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha512.New, b.key[:], s[:], keyInfo, 32)
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

// sealer returns the sealer for one more value.
func (b *box) sealer() (*sealer, error) {
	for {
		s := b.current.Load()
		if s != nil && s.seals.Add(1) <= b.maxSeals {
			return s, nil
		}
		next, err := b.newSealer()
		if err != nil {
			return nil, err
		}
		b.current.CompareAndSwap(s, next) // if another was quicker, its sealer does
	}
}

// cipher returns the cipher of a salt, from the cache if it is there.
func (b *box) cipher(s salt) (cipher.AEAD, error) {
	if current := b.current.Load(); current != nil && current.salt == s {
		return current.aead, nil
	}
	b.mu.RLock()
	c := b.cached[s]
	b.mu.RUnlock()
	if c == nil {
		aead, err := b.derive(s)
		if err != nil {
			return nil, err
		}
		c = &cachedCipher{aead: aead}
		b.mu.Lock()
		if len(b.cached) >= maxCached {
			b.evict()
		}
		b.cached[s] = c
		b.mu.Unlock()
	}
	c.used.Store(b.clock.Add(1))
	return c.aead, nil
}

// evict drops the cipher that was unused for longest. The caller holds b.mu.
func (b *box) evict() {
	var oldest salt
	least := ^uint64(0)
	for s, c := range b.cached {
		if used := c.used.Load(); used < least {
			oldest, least = s, used
		}
	}
	delete(b.cached, oldest)
}

// additionalData appends what binds a value to its row.
func additionalData(dst, key []byte) []byte {
	return append(append(dst, rowInfo...), key...)
}

// seal appends the sealed value of a row to dst. value must not overlap dst.
// aad is additionalData of the row key.
func (b *box) seal(dst, aad, value []byte) ([]byte, error) {
	s, err := b.sealer()
	if err != nil {
		return nil, err
	}
	dst = append(dst, version)
	dst = append(dst, s.salt[:]...)
	// The cipher draws a random nonce; maxSeals is why none comes twice.
	return s.aead.Seal(dst, nil, value, aad), nil
}

// open appends the value that was sealed to dst. dst may be the start of the
// box in sealed, see inPlace. key is the row key, for the error.
func (b *box) open(dst, aad, sealed, key []byte) ([]byte, error) {
	if len(sealed) < Overhead || sealed[0] != version {
		return nil, damaged(key)
	}
	aead, err := b.cipher(salt(sealed[1:headerSize]))
	if err != nil {
		return nil, err
	}
	value, err := aead.Open(dst, nil, sealed[headerSize:], aad)
	if err != nil {
		return nil, damaged(key)
	}
	return value, nil
}

// inPlace returns the destination that opens a sealed value where it lies.
func inPlace(sealed []byte) []byte {
	if len(sealed) < headerSize {
		return nil
	}
	return sealed[headerSize:headerSize]
}

func damaged(key []byte) error {
	return fmt.Errorf("%w: %q: the sealed value does not open", meta.ErrCorrupt, key)
}
