package kms

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"strings"

	"coffer/internal/key"
)

// A grant token names one grant, and proves that CreateGrant returned it. Here a
// grant counts from the moment that it is made, so a token gives nothing that the
// grant does not: operations check that the tokens of a request are genuine, and
// RetireGrant finds the grant by one.
//
//	token = base64url(u8 version = 1 | nonce (16) | account/region/key ID/grant ID | HMAC-SHA-256 (32))
//
// The nonce makes every token of a grant another one, as AWS's are. The key of the
// HMAC is the installation's own.
const (
	tokenVersion = 1
	tokenNonce   = 16
	tokenPurpose = "grant-token/v1"
)

// newToken returns a fresh token of a grant.
func (s *Service) newToken(g *key.Grant) (string, error) {
	b := make([]byte, 1+tokenNonce, 256)
	b[0] = tokenVersion
	if _, err := io.ReadFull(s.rand, b[1:]); err != nil {
		return "", fmt.Errorf("draw grant token: %w", err)
	}
	b = append(b, strings.Join([]string{g.Key.Account, g.Key.Region, g.Key.ID, g.ID}, "/")...)
	mac, err := s.tokenMAC(b)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(append(b, mac...)), nil
}

func (s *Service) tokenMAC(b []byte) ([]byte, error) {
	secret, err := s.keys.Derive(tokenPurpose)
	if err != nil {
		return nil, fmt.Errorf("derive key of grant tokens: %w", err)
	}
	defer secret.Wipe()
	h := hmac.New(sha256.New, secret[:])
	h.Write(b)
	return h.Sum(nil), nil
}

// openToken returns the grant that a genuine token names. The grant may be gone.
func (s *Service) openToken(token string) (ref key.Ref, id string, err error) {
	bad := fault("InvalidGrantTokenException", "The grant token is not valid.")
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(b) < 1+tokenNonce+sha256.Size || b[0] != tokenVersion {
		return ref, "", bad
	}
	b, mac := b[:len(b)-sha256.Size], b[len(b)-sha256.Size:]
	want, err := s.tokenMAC(b)
	if err != nil {
		return ref, "", err
	}
	p := strings.Split(string(b[1+tokenNonce:]), "/")
	if !hmac.Equal(mac, want) || len(p) != 4 {
		return ref, "", bad
	}
	return key.Ref{Account: p[0], Region: p[1], ID: p[2]}, p[3], nil
}

// checkTokens refuses grant tokens that are not genuine.
func (s *Service) checkTokens(tokens []string) error {
	for _, t := range tokens {
		if _, _, err := s.openToken(t); err != nil {
			return err
		}
	}
	return nil
}
