// Package shamir splits a secret of 32 bytes into shares, of which any m bring it
// back and m-1 say nothing about it.
//
// For each byte of the secret a polynomial of degree m-1 over GF(2^8) is drawn,
// whose value at 0 is that byte. Share x has its values at x, from 1 to 255.
//
// A share is written so that people can print, read aloud and type it:
//
//	share    = u8 version = 1 | u8 threshold | u8 x | set ID (4) | values (32) | checksum (4)
//	checksum = the first 4 bytes of SHA-256("coffer/v1/share" | all before)
//	text     = the share in Crockford's base 32, in groups of 5 characters joined by -
//
// The set ID is random and public; it tells shares of different splits apart.
//
// Source: A. Shamir, "How to Share a Secret", Communications of the ACM 22(11),
// 1979. docs/spec/root-store.md, section 12, is normative; the vectors in
// testdata/vectors are part of it.
package shamir

import (
	"errors"
	"fmt"
	"io"
	"slices"
)

// Size is the size of a secret in bytes.
const Size = 32

var (
	// ErrText means that a text is no share, or not what was printed.
	ErrText = errors.New("shamir: this is no share; check it for a typing error")
	// ErrMixed means that shares are of different splits, or contradict each
	// other.
	ErrMixed = errors.New("shamir: the shares don't belong together")
	// ErrTooFew means that there are fewer different shares than it takes.
	ErrTooFew = errors.New("shamir: too few shares")
)

// A Share is one share of a secret. It prints as [secret].
type Share struct {
	Set       [4]byte // which split it is of; public
	Threshold byte    // how many shares it takes
	X         byte    // which share it is, from 1
	Values    [Size]byte
}

// Split splits a secret into n shares, any m of which bring it back. random gives
// the coefficients; set is random and names the split. The caller wipes the shares.
func Split(secret *[Size]byte, m, n int, set [4]byte, random io.Reader) ([]Share, error) {
	if err := CheckCounts(m, n); err != nil {
		return nil, err
	}
	shares := make([]Share, n)
	for i := range shares {
		shares[i] = Share{Set: set, Threshold: byte(m), X: byte(i + 1)}
	}
	c := make([]byte, m) // the polynomial of one byte, lowest coefficient first
	defer clear(c)
	for at := range secret {
		c[0] = secret[at]
		if _, err := io.ReadFull(random, c[1:]); err != nil {
			return nil, fmt.Errorf("draw coefficients: %w", err)
		}
		for i := range shares {
			shares[i].Values[at] = evaluate(c, shares[i].X)
		}
	}
	return shares, nil
}

// CheckCounts returns an error unless m of n shares can be made: m is at least 2,
// since a share of which one is enough is the secret itself.
func CheckCounts(m, n int) error {
	if m < 2 || n < m || n > 255 {
		return fmt.Errorf("shamir: %d of %d shares, want at least 2, of at most 255", m, n)
	}
	return nil
}

// evaluate returns the value of a polynomial at x.
func evaluate(c []byte, x byte) byte {
	var v byte
	for _, k := range slices.Backward(c) {
		v = mul(v, x) ^ k
	}
	return v
}

// Combine returns the secret that shares are of. A share may be there more than
// once. If there are more than it takes, all must agree. That enough shares bring
// back the secret which was split is for the caller to check: a share that was
// made up gives another secret.
//
// It returns ErrMixed or [ErrTooFew].
func Combine(shares []Share) (secret [Size]byte, err error) {
	var distinct []Share
	defer func() {
		for i := range distinct {
			clear(distinct[i].Values[:])
		}
	}()
	for i := range shares {
		s := &shares[i]
		if s.X == 0 || s.Threshold < 2 || s.Set != shares[0].Set || s.Threshold != shares[0].Threshold {
			return secret, ErrMixed
		}
		j := slices.IndexFunc(distinct, func(d Share) bool { return d.X == s.X })
		if j >= 0 && distinct[j] != *s {
			return secret, ErrMixed
		}
		if j < 0 {
			distinct = append(distinct, *s)
		}
	}
	if len(shares) == 0 {
		return secret, ErrTooFew
	}
	m := int(shares[0].Threshold)
	if len(distinct) < m {
		return secret, fmt.Errorf("%w: %d of %d", ErrTooFew, len(distinct), m)
	}
	for _, more := range distinct[m:] {
		if interpolate(distinct[:m], more.X) != more.Values {
			return secret, ErrMixed
		}
	}
	return interpolate(distinct[:m], 0), nil
}

// interpolate returns the values at x of the polynomials through the shares.
func interpolate(shares []Share, x byte) (out [Size]byte) {
	for i := range shares {
		// The Lagrange basis: public, since it depends on the x alone.
		weight := byte(1)
		for j := range shares {
			if j != i {
				weight = mul(weight, mul(x^shares[j].X, inverse(shares[i].X^shares[j].X)))
			}
		}
		for at := range out {
			out[at] ^= mul(weight, shares[i].Values[at])
		}
	}
	return out
}

const hidden = "[secret]"

// String never shows the share; see [Share.Text].
func (Share) String() string { return hidden }

// GoString never shows the share.
func (Share) GoString() string { return hidden }

// Format never shows the share, under no verb.
func (Share) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// MarshalJSON never shows the share.
func (Share) MarshalJSON() ([]byte, error) { return []byte(`"` + hidden + `"`), nil }
