package xks

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"coffer/internal/sigv4"
)

const (
	// SigningService is the service of the scope of every signature.
	SigningService = "kms-xks-proxy"
	// MaxSkew is how far the date of a request may be from the proxy's clock, either
	// way.
	MaxSkew = 5 * time.Minute
)

// A Signature is what a request says of its signature, before it is verified.
type Signature struct {
	AccessKeyID string
	Region      string // of the KMS, as it says

	auth  sigv4.Authorization
	scope sigv4.Scope
	date  string
}

// failed returns an authentication error.
func failed(format string, args ...any) error {
	return NewError(AuthenticationFailedException, format, args...)
}

// ParseSignature reads the signature of a request, and checks it as far as that needs
// no secret: it is in the Authorization header, covers Host and X-Amz-Date, is for
// SigningService, and its date is within [MaxSkew] of now. There is no query. The error
// is an AuthenticationFailedException.
func ParseSignature(r *sigv4.Request, now time.Time) (*Signature, error) {
	header, dates := r.Header["Authorization"], r.Header["X-Amz-Date"]
	if len(header) != 1 || len(dates) != 1 {
		return nil, failed("The request does not have one Authorization and one X-Amz-Date header.")
	}
	if r.RawQuery != "" {
		return nil, failed("The request has a query.")
	}
	rest, ok := strings.CutPrefix(header[0], sigv4.Algorithm+" ")
	if !ok {
		return nil, failed("The Authorization header is not one of %s.", sigv4.Algorithm)
	}
	auth, err := sigv4.ParseAuthorization(rest)
	if err != nil {
		return nil, failed("The Authorization header is malformed.")
	}
	credential, err := sigv4.ParseCredential(auth.Credential)
	if err != nil {
		return nil, failed("The Authorization header has a malformed credential.")
	}
	date, err := sigv4.ParseDate(dates[0])
	if err != nil {
		return nil, failed("The X-Amz-Date header is malformed.")
	}
	scope := credential.Scope
	signed := strings.Split(auth.SignedHeaders, ";")
	switch {
	case credential.Terminator != sigv4.Terminator || scope.Service != SigningService:
		return nil, failed("The signature is not for %s.", SigningService)
	case scope.Region == "" || scope.Date != dates[0][:len("20060102")]:
		return nil, failed("The scope of the signature does not belong to the request.")
	case !slices.Contains(signed, "host") || !slices.Contains(signed, "x-amz-date"):
		return nil, failed("The signature does not cover Host and X-Amz-Date.")
	case now.Sub(date) > MaxSkew || date.Sub(now) > MaxSkew:
		return nil, failed("The request was signed at %s, which is more than %d minutes from this proxy's %s.",
			dates[0], int(MaxSkew.Minutes()), now.UTC().Format(sigv4.DateFormat))
	}
	return &Signature{AccessKeyID: credential.AccessKeyID, Region: scope.Region, auth: auth, scope: scope, date: dates[0]}, nil
}

// PayloadHash returns what stands for a body in its signature.
func PayloadHash(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// Verify reports whether the secret signed r with body. keys may be nil; it keeps the
// keys that verified.
func (s *Signature) Verify(r *sigv4.Request, body []byte, secret string, keys *sigv4.KeyCache) bool {
	canonical := sigv4.AppendCanonicalRequest(nil, r, SigningService, s.auth.SignedHeaders, PayloadHash(body))
	var key sigv4.SigningKey
	known := false
	if keys != nil {
		key, known = keys.Get(secret, s.scope)
	}
	if !known {
		key = sigv4.DeriveKey(secret, s.scope)
	}
	ok := key.Verify(sigv4.StringToSign(s.date, s.scope, canonical), s.auth.Signature)
	if ok && !known && keys != nil {
		keys.Put(secret, s.scope, key)
	}
	return ok
}

// Unknown is the error for a signature that does not verify, whether the access key
// is unknown or another secret signed.
func Unknown(accessKeyID string) error {
	return failed("The signature is not one of access key ID %s, or there is no such key.", fmt.Sprintf("%.32q", accessKeyID))
}
