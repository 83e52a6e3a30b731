package authn

import (
	"bytes"
	"compress/flate"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"

	"coffer/internal/identity"
	"coffer/internal/policy"
)

// A session token holds its session, sealed: the server keeps no list of them.
//
//	token  = base64url(version | salt | nonce | ciphertext | tag), without padding
//	key    = HKDF-SHA-512(secret, salt, "coffer/v1/session-token")
//	aad    = "coffer/v1/session-token" | version | access key ID
//	plain  = CBOR map with small integer keys (tokenRecord), packed policies in it
//	packed = DEFLATE of a CBOR map (packedRecord)
//
// version is one byte, salt 16 random ones. Each token has a salt and so a key of
// its own, which seals once; its random nonce never meets another one.
const (
	tokenVersion  = 1
	tokenSaltSize = 16
	tokenOverhead = 1 + tokenSaltSize + 12 + 16
	tokenLabel    = "coffer/v1/session-token"

	// TokenPurpose is what the secret of the tokens is derived for.
	TokenPurpose = "session-token/v1"

	// maxTokenLength bounds a token in characters. The longest that is made has
	// all of MaxPacked and the claims of a web identity.
	maxTokenLength = 16 << 10

	// MaxPacked bounds the session policies and tags of a session in packed form,
	// in bytes: 100 percent of PackedPolicySize. AWS does not publish its bound;
	// this one keeps a token in half of the headers of a request.
	MaxPacked = 4 << 10

	// maxUnpacked bounds what packed policies and tags inflate to, in bytes: a
	// policy of 2,048 characters, 10 ARNs of 2,048 and 50 tags of 384, in UTF-8.
	maxUnpacked = 256 << 10

	// tokenGeneration is how many opened tokens each half of the cache holds.
	tokenGeneration = 8192
	// maxParsed is how many managed session policies are kept parsed.
	maxParsed = 1024
)

// ErrToken means that a session token is not one that this installation made for
// that access key. It says no more.
var ErrToken = errors.New("authn: invalid session token")

// ErrPacked means that session policies and tags are too long together.
var ErrPacked = errors.New("authn: packed policies and tags are too long")

var (
	tokenEncoder  = must(cbor.CoreDetEncOptions().EncMode())
	tokenDecoder  = must(cbor.DecOptions{DupMapKey: cbor.DupMapKeyEnforcedAPF, ExtraReturnErrors: cbor.ExtraDecErrorUnknownField}.DecMode())
	tokenEncoding = base64.RawURLEncoding.Strict()
)

func must[T any](v T, err error) T {
	if err != nil {
		panic("authn: internal error: " + err.Error())
	}
	return v
}

type tokenRecord struct {
	Kind           identity.SessionKind `cbor:"1,keyasint"`
	Secret         string               `cbor:"2,keyasint"`
	Account        string               `cbor:"3,keyasint"`
	ARN            string               `cbor:"4,keyasint"`
	Name           string               `cbor:"5,keyasint,omitempty"`
	RoleID         string               `cbor:"6,keyasint,omitempty"`
	RoleARN        string               `cbor:"7,keyasint,omitempty"`
	UserID         string               `cbor:"8,keyasint,omitempty"`
	UserARN        string               `cbor:"9,keyasint,omitempty"`
	IssuedAt       int64                `cbor:"10,keyasint"` // Unix milliseconds
	ExpiresAt      int64                `cbor:"11,keyasint"` // Unix milliseconds
	HasPolicies    bool                 `cbor:"12,keyasint,omitempty"`
	Packed         []byte               `cbor:"13,keyasint,omitempty"`
	SourceIdentity string               `cbor:"14,keyasint,omitempty"`
	MFA            bool                 `cbor:"15,keyasint,omitempty"`
	MFAAt          int64                `cbor:"16,keyasint,omitempty"` // Unix milliseconds
	Chained        bool                 `cbor:"17,keyasint,omitempty"`
	Provider       string               `cbor:"18,keyasint,omitempty"`
	SourceARN      string               `cbor:"19,keyasint,omitempty"`
	Keys           map[string][]string  `cbor:"20,keyasint,omitempty"`
}

type packedRecord struct {
	Policy     string            `cbor:"1,keyasint,omitempty"`
	PolicyARNs []string          `cbor:"2,keyasint,omitempty"`
	Tags       map[string]string `cbor:"3,keyasint,omitempty"`
	Transitive []string          `cbor:"4,keyasint,omitempty"`
}

// Tokens makes and opens session tokens. It is safe for concurrent use.
type Tokens struct {
	secret *[32]byte // a pointer, which package fmt does not follow

	mu         sync.Mutex
	young, old map[[sha256.Size]byte]*identity.Session // guarded by mu
	policies   map[string]*policy.Policy               // by text; guarded by mu
}

// NewTokens returns the tokens under a secret of the installation: the one that its
// keys derive for [TokenPurpose].
func NewTokens(secret [32]byte) *Tokens {
	return &Tokens{secret: &secret, young: make(map[[sha256.Size]byte]*identity.Session), policies: make(map[string]*policy.Policy)}
}

// Format writes [secret].
func (*Tokens) Format(f fmt.State, _ rune) { io.WriteString(f, "[secret]") }

// Packed returns the session policies and tags of s in packed form, or nil if it
// has none.
func Packed(s *identity.Session) ([]byte, error) {
	if s.PolicyText == "" && len(s.PolicyARNs) == 0 && len(s.Tags) == 0 && len(s.TransitiveTags) == 0 {
		return nil, nil
	}
	plain, err := tokenEncoder.Marshal(packedRecord{s.PolicyText, s.PolicyARNs, s.Tags, s.TransitiveTags})
	if err != nil {
		return nil, fmt.Errorf("pack session policies and tags: %w", err)
	}
	var b bytes.Buffer
	w := must(flate.NewWriter(&b, flate.BestCompression))
	must(w.Write(plain)) // to memory: it does not fail
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("pack session policies and tags: %w", err)
	}
	return b.Bytes(), nil
}

// Seal returns the token of a session. It returns ErrPacked for session policies
// and tags above MaxPacked.
func (t *Tokens) Seal(s *identity.Session) (string, error) {
	packed, err := Packed(s)
	if err != nil {
		return "", err
	}
	if len(packed) > MaxPacked {
		return "", ErrPacked
	}
	plain, err := tokenEncoder.Marshal(tokenRecord{
		Kind: s.Kind, Secret: s.Secret.Reveal(), Account: s.Account, ARN: s.ARN, Name: s.Name,
		RoleID: s.RoleID, RoleARN: s.RoleARN, UserID: s.UserID, UserARN: s.UserARN,
		IssuedAt: millis(s.IssuedAt), ExpiresAt: millis(s.ExpiresAt), HasPolicies: s.HasPolicies, Packed: packed,
		SourceIdentity: s.SourceIdentity, MFA: s.MFA, MFAAt: millis(s.MFAAt), Chained: s.Chained,
		Provider: s.Provider, SourceARN: s.SourceARN, Keys: s.Keys,
	})
	if err != nil {
		return "", fmt.Errorf("seal session token: %w", err)
	}
	defer clear(plain)
	var salt [tokenSaltSize]byte
	rand.Read(salt[:]) // it never fails
	b := append([]byte{tokenVersion}, salt[:]...)
	b = t.aead(salt[:]).Seal(b, nil, plain, tokenData(s.AccessKeyID))
	if tokenEncoding.EncodedLen(len(b)) > maxTokenLength {
		return "", ErrPacked
	}
	return tokenEncoding.EncodeToString(b), nil
}

// Open returns the session of a token that was made for an access key, or ErrToken.
// It says nothing of whether the session has expired or was revoked. Callers share
// what it returns and change nothing in it.
func (t *Tokens) Open(accessKeyID, token string) (*identity.Session, error) {
	// The decoder would skip line breaks: one session would have many tokens.
	if len(token) > maxTokenLength || strings.ContainsAny(token, "\r\n") {
		return nil, ErrToken
	}
	sum := sha256.Sum256([]byte(accessKeyID + "\x00" + token))
	if s := t.cached(sum); s != nil {
		return s, nil
	}
	b, err := tokenEncoding.DecodeString(token)
	if err != nil || len(b) < tokenOverhead || b[0] != tokenVersion {
		return nil, ErrToken
	}
	salt, box := b[1:1+tokenSaltSize], b[1+tokenSaltSize:]
	plain, err := t.aead(salt).Open(nil, nil, box, tokenData(accessKeyID))
	if err != nil {
		return nil, ErrToken
	}
	defer clear(plain)
	// What follows was sealed here: if it does not decode, the server that did is
	// of another version.
	var r tokenRecord
	if err := tokenDecoder.Unmarshal(plain, &r); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrToken, err)
	}
	s, err := r.session(accessKeyID)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrToken, err)
	}
	t.keep(sum, s)
	return s, nil
}

func (t *Tokens) aead(salt []byte) cipher.AEAD {
	k := must(hkdf.Key(sha512.New, t.secret[:], salt, tokenLabel, 32))
	defer clear(k)
	return must(cipher.NewGCMWithRandomNonce(must(aes.NewCipher(k))))
}

func tokenData(accessKeyID string) []byte {
	return append(append([]byte(tokenLabel), tokenVersion), accessKeyID...)
}

func (r *tokenRecord) session(accessKeyID string) (*identity.Session, error) {
	s := &identity.Session{
		Kind: r.Kind, AccessKeyID: accessKeyID, Secret: identity.NewSecret(r.Secret), Account: r.Account, ARN: r.ARN, Name: r.Name,
		RoleID: r.RoleID, RoleARN: r.RoleARN, UserID: r.UserID, UserARN: r.UserARN,
		IssuedAt: fromMillis(r.IssuedAt), ExpiresAt: fromMillis(r.ExpiresAt), HasPolicies: r.HasPolicies,
		SourceIdentity: r.SourceIdentity, MFA: r.MFA, MFAAt: fromMillis(r.MFAAt), Chained: r.Chained,
		Provider: r.Provider, SourceARN: r.SourceARN, Keys: r.Keys,
	}
	if r.Packed == nil {
		return s, nil
	}
	plain, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(r.Packed)), maxUnpacked))
	if err != nil {
		return nil, err
	}
	var p packedRecord
	if err := tokenDecoder.Unmarshal(plain, &p); err != nil {
		return nil, err
	}
	s.PolicyText, s.PolicyARNs, s.Tags, s.TransitiveTags = p.Policy, p.PolicyARNs, p.Tags, p.Transitive
	if p.Policy != "" {
		parsed, err := policy.Load(p.Policy, policy.KindSession)
		if err != nil {
			return nil, err
		}
		s.Policies = []policy.Named{{Name: "inline session policy", Policy: parsed}}
	}
	return s, nil
}

// parsed returns the policy of a managed session policy's text.
func (t *Tokens) parsed(text string) (*policy.Policy, error) {
	t.mu.Lock()
	p := t.policies[text]
	t.mu.Unlock()
	if p != nil {
		return p, nil
	}
	p, err := policy.Load(text, policy.KindSession)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.policies) >= maxParsed {
		clear(t.policies)
	}
	t.policies[text] = p
	return p, nil
}

// cached returns the session of a token that was opened lately, or nil.
func (t *Tokens) cached(sum [sha256.Size]byte) *identity.Session {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.young[sum]; s != nil {
		return s
	}
	s := t.old[sum]
	if s != nil {
		t.put(sum, s)
	}
	return s
}

func (t *Tokens) keep(sum [sha256.Size]byte, s *identity.Session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.put(sum, s)
}

// put makes a session the one used last. t.mu is held. What was not used since the
// young half filled up the last time is forgotten when it does so again.
func (t *Tokens) put(sum [sha256.Size]byte, s *identity.Session) {
	if len(t.young) >= tokenGeneration {
		t.old, t.young = t.young, make(map[[sha256.Size]byte]*identity.Session)
	}
	t.young[sum] = s
}

// millis returns a time in Unix milliseconds, and 0 for the zero time.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
