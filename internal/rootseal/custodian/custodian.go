// Package custodian implements a gate of the root of trust that several people
// open together: its secret is split into shares, any m of n of which bring it
// back. Nothing of the secret is stored but a value to check it against.
//
//	check = HKDF-SHA-512(secret, "", "coffer/v1/custodian-check"), 16 bytes
//
// Source: docs/spec/root-store.md, section 12, which is normative.
package custodian

import (
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"

	"coffer/internal/rootseal"
	"coffer/internal/shamir"
)

var (
	// ErrWrong means that the shares are of another root, or not what was
	// handed out.
	ErrWrong = errors.New("rootseal: these are not the custodians' shares of this root")
	// ErrSettings means that what is stored of the gate is damaged.
	ErrSettings = errors.New("rootseal: the stored part of the custodians is damaged")
)

// Names of the settings.
const (
	setThreshold = "threshold"
	setCount     = "shares"
	setSet       = "set"
	setCheck     = "check"
)

const checkSize = 16

// A Gate is open. It holds the secret in memory until it is closed.
type Gate struct{ secret rootseal.Secret }

var _ rootseal.Gate = (*Gate)(nil)

// New draws a secret from random, nil for crypto/rand.Reader, and splits it into n
// shares, m of which open the gate. It returns what to store, and the shares, which
// are kept nowhere else.
func New(m, n int, random io.Reader) (map[string]string, []shamir.Share, error) {
	if random == nil {
		random = rand.Reader
	}
	var secret rootseal.Secret
	var set [4]byte
	defer clear(secret[:])
	for _, b := range [][]byte{secret[:], set[:]} {
		if _, err := io.ReadFull(random, b); err != nil {
			return nil, nil, err
		}
	}
	shares, err := shamir.Split((*[shamir.Size]byte)(&secret), m, n, set, random)
	if err != nil {
		return nil, nil, err
	}
	check, err := checkOf(&secret)
	if err != nil {
		return nil, nil, err
	}
	return map[string]string{
		setThreshold: strconv.Itoa(m), setCount: strconv.Itoa(n),
		setSet: hex.EncodeToString(set[:]), setCheck: hex.EncodeToString(check),
	}, shares, nil
}

// Needs returns how many shares of how many open the gate that is described.
func Needs(settings map[string]string) (m, n int, err error) {
	m, err1 := strconv.Atoi(settings[setThreshold])
	n, err2 := strconv.Atoi(settings[setCount])
	if err1 != nil || err2 != nil || shamir.CheckCounts(m, n) != nil {
		return 0, 0, ErrSettings
	}
	return m, n, nil
}

// Open opens the gate that New described with shares. It returns
// [shamir.ErrTooFew], [ErrWrong] or [ErrSettings].
func Open(settings map[string]string, shares []shamir.Share) (*Gate, error) {
	m, _, err := Needs(settings)
	if err != nil {
		return nil, err
	}
	set, err1 := hex.DecodeString(settings[setSet])
	want, err2 := hex.DecodeString(settings[setCheck])
	if err1 != nil || err2 != nil || len(set) != 4 || len(want) != checkSize {
		return nil, ErrSettings
	}
	for i := range shares {
		if shares[i].Set != [4]byte(set) || int(shares[i].Threshold) != m {
			return nil, fmt.Errorf("%w: share %d is of another set", ErrWrong, i+1)
		}
	}
	combined, err := shamir.Combine(shares)
	defer clear(combined[:])
	if errors.Is(err, shamir.ErrTooFew) {
		return nil, fmt.Errorf("%w: it takes %d", shamir.ErrTooFew, m)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrWrong, err)
	}
	g := &Gate{rootseal.Secret(combined)}
	check, err := checkOf(&g.secret)
	if err == nil && subtle.ConstantTimeCompare(check, want) != 1 {
		err = ErrWrong
	}
	if err != nil {
		clear(g.secret[:])
		return nil, err
	}
	return g, nil
}

// checkOf returns the value against which a secret is checked. It says nothing
// about the secret, which is random and 32 bytes long.
func checkOf(secret *rootseal.Secret) ([]byte, error) {
	return hkdf.Key(sha512.New, secret[:], nil, "coffer/v1/custodian-check", checkSize)
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

// Format writes [secret].
func (*Gate) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[secret]") }
