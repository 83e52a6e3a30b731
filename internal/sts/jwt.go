package sts

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json" // which refuses a member twice, and knows letter case

	"coffer/internal/identity"
)

var (
	// errUnreachable means that the keys of an identity provider can't be fetched.
	errUnreachable = errors.New("sts: identity provider can't be reached")
	// errExpired means that a web identity token was good once.
	errExpired = errors.New("sts: web identity token has expired")
	// errInvalidToken means that a web identity token proves nothing.
	errInvalidToken = errors.New("sts: invalid web identity token")
)

// tokenAlgorithms are those that a token may be signed with. AWS documents RS and ES;
// PS is RSA with a better padding. There is none that takes a shared secret, and none
// without a signature.
//
// Source: AWS STS API Reference, AssumeRoleWithWebIdentity, WebIdentityToken, read
// 2026-11-21.
var tokenAlgorithms = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512,
}

// curves are the curves of the ES algorithms: each goes with one.
//
// Source: RFC 7518, section 3.4.
var curves = map[jose.SignatureAlgorithm]elliptic.Curve{
	jose.ES256: elliptic.P256(), jose.ES384: elliptic.P384(), jose.ES512: elliptic.P521(),
}

const (
	// tokenSkew is how far the clock of an identity provider may be from ours.
	tokenSkew = time.Minute
	// minRSABits is the least size of an RSA key.
	minRSABits = 2048
	maxSubject = 255 // characters
	maxClaim   = 1024
)

// Claims of session tags and of a source identity.
//
// Source: IAM User Guide, "Pass session tags in AWS STS", "Passing session tags using
// AssumeRoleWithWebIdentity", read 2026-11-21.
const (
	claimTags           = "https://aws.amazon.com/tags"
	claimSourceIdentity = "https://aws.amazon.com/source_identity"
)

// A webIdentity is what a token proves.
type webIdentity struct {
	provider *identity.Provider
	subject  string
	audience string // azp if the token has it, or the registered one of aud
	claims   map[string]json.RawMessage

	tags           map[string]string
	transitive     []string
	sourceIdentity string
}

// verify returns what a token proves to an account. The error is errInvalidToken,
// errExpired or errUnreachable, or one of our own. What is wrong before the
// signature is verified is always errInvalidToken, and so is a provider that the
// account does not have: who can't show a token of a provider learns nothing.
func (s *Service) verify(ctx context.Context, account, token string) (*webIdentity, error) {
	signed, err := jose.ParseSignedCompact(token, tokenAlgorithms)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errInvalidToken, err)
	}
	var unproven struct {
		Issuer string `json:"iss"`
	}
	if err := json.Unmarshal(signed.UnsafePayloadWithoutVerification(), &unproven); err != nil {
		return nil, fmt.Errorf("%w: %w", errInvalidToken, err)
	}
	host, ok := strings.CutPrefix(unproven.Issuer, "https://")
	if !ok {
		return nil, fmt.Errorf("%w: issuer %q is not https://", errInvalidToken, unproven.Issuer)
	}
	provider, err := s.identity.ProviderByURL(ctx, account, unproven.Issuer)
	switch {
	case errors.Is(err, identity.ErrNoProvider):
		return nil, fmt.Errorf("%w: account %s has no provider %s", errInvalidToken, account, host)
	case err != nil:
		return nil, err
	case provider.URL != host:
		return nil, fmt.Errorf("%w: provider is %s", errInvalidToken, provider.URL)
	}
	header := signed.Signatures[0].Header
	keys, err := s.keys.find(ctx, &provider, header.KeyID)
	if err != nil {
		return nil, err
	}
	payload, err := checkSignature(signed, keys)
	if err != nil {
		return nil, err
	}
	w := &webIdentity{provider: &provider}
	if err := w.read(payload, s.wall()); err != nil {
		return nil, err
	}
	return w, nil
}

// checkSignature returns the payload of a token that one of the keys signed. Without a
// key ID there must be one key that suits.
func checkSignature(signed *jose.JSONWebSignature, keys []jose.JSONWebKey) ([]byte, error) {
	header := signed.Signatures[0].Header
	algorithm := jose.SignatureAlgorithm(header.Algorithm)
	keys = slices.DeleteFunc(keys, func(k jose.JSONWebKey) bool { return !suits(&k, algorithm) })
	if len(keys) == 0 || len(keys) > 1 && header.KeyID == "" {
		return nil, fmt.Errorf("%w: %d keys with ID %q for %s", errInvalidToken, len(keys), header.KeyID, algorithm)
	}
	var err error
	for _, k := range keys {
		var payload []byte
		if payload, err = signed.Verify(k.Key); err == nil {
			return payload, nil
		}
	}
	return nil, fmt.Errorf("%w: %w", errInvalidToken, err)
}

// suits reports whether a key is one for an algorithm: the token does not choose how
// its signature is checked, the key does.
func suits(k *jose.JSONWebKey, algorithm jose.SignatureAlgorithm) bool {
	if k.Algorithm != "" && k.Algorithm != string(algorithm) {
		return false
	}
	switch public := k.Key.(type) {
	case *rsa.PublicKey:
		return curves[algorithm] == nil && slices.Contains(tokenAlgorithms, algorithm) && public.N.BitLen() >= minRSABits
	case *ecdsa.PublicKey:
		return curves[algorithm] != nil && curves[algorithm] == public.Curve
	}
	return false
}

// A stringOrList is a claim that is a string, or a list of strings.
type stringOrList []string

// UnmarshalJSON reads either.
func (l *stringOrList) UnmarshalJSON(b []byte) error {
	var one string
	if err := json.Unmarshal(b, &one); err == nil {
		*l = stringOrList{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(l))
}

// read takes the claims of a token whose signature holds.
func (w *webIdentity) read(payload []byte, now time.Time) error {
	var c struct {
		Subject        string       `json:"sub"`
		Audience       stringOrList `json:"aud"`
		Party          *string      `json:"azp"`
		Expires        *int64       `json:"exp"`
		NotBefore      *int64       `json:"nbf"`
		IssuedAt       *int64       `json:"iat"`
		SourceIdentity string       `json:"https://aws.amazon.com/source_identity"`
		Tags           struct {
			Principal  map[string]stringOrList `json:"principal_tags"`
			Transitive []string                `json:"transitive_tag_keys"`
		} `json:"https://aws.amazon.com/tags"`
	}
	invalid := func(format string, args ...any) error {
		return fmt.Errorf("%w: %w", errInvalidToken, fault(400, "InvalidIdentityToken", format, args...))
	}
	if json.Unmarshal(payload, &c) != nil || json.Unmarshal(payload, &w.claims) != nil {
		return invalid("A claim of the token has the wrong type.")
	}
	audiences := c.Audience
	if c.Party != nil {
		audiences = stringOrList{*c.Party}
	}
	registered := slices.IndexFunc(audiences, func(a string) bool { return slices.Contains(w.provider.ClientIDs, a) })
	switch {
	case c.Expires == nil:
		return invalid("Missing a required claim: exp")
	case !now.Before(time.Unix(*c.Expires, 0).Add(tokenSkew)):
		return errExpired
	case c.NotBefore != nil && now.Before(time.Unix(*c.NotBefore, 0).Add(-tokenSkew)), c.IssuedAt != nil && now.Before(time.Unix(*c.IssuedAt, 0).Add(-tokenSkew)):
		return invalid("The token is not valid yet.")
	case c.Subject == "":
		return invalid("Missing a required claim: sub")
	case len([]rune(c.Subject)) > maxSubject:
		return invalid("The claim sub is longer than %d characters.", maxSubject)
	case len(c.Audience) == 0:
		return invalid("Missing a required claim: aud")
	case registered < 0:
		return invalid("Incorrect token audience")
	}
	w.subject, w.audience, w.sourceIdentity = c.Subject, audiences[registered], c.SourceIdentity
	w.tags, w.transitive = make(map[string]string), c.Tags.Transitive
	for k, v := range c.Tags.Principal {
		if len(v) != 1 {
			return invalid("A principal tag of the token has more than one value, or none.")
		}
		w.tags[k] = v[0]
	}
	return w.checkTags()
}

// checkTags refuses session tags and a source identity that AssumeRole would.
func (w *webIdentity) checkTags() error {
	var v checker
	var tags []Tag
	for k, value := range w.tags {
		tags = append(tags, Tag{k, value})
	}
	v.tags(tags, w.transitive)
	v.optional("sourceIdentity", w.sourceIdentity, formName)
	err := v.err()
	if err == nil {
		err = checkTags(tags, w.transitive)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errInvalidToken, fault(400, "InvalidIdentityToken", "%s", err.Error()))
	}
	return nil
}

// claims that are condition keys of every provider, while a role is assumed and in
// the session.
var sessionClaims = []string{"amr", "email"}

// trustClaims are the claims that are condition keys while a role is assumed, by
// issuer.
//
// Source: IAM User Guide, "Available keys for AWS OIDC federation"; Service
// Authorization Reference, AWS Security Token Service; read 2026-11-21.
var trustClaims = map[string][]string{
	"token.actions.githubusercontent.com": {
		"actor", "actor_id", "enterprise_id", "environment", "job_workflow_ref", "ref", "repository", "repository_id", "repository_owner_id", "workflow",
	},
	"oidc.circleci.com": {"oidc.circleci.com/project-id"},
}

// keys returns the condition keys of a web identity: those that last as long as the
// session, and those that the trust policy sees besides.
func (w *webIdentity) keys() (session, trust map[string][]string) {
	prefix := strings.ToLower(w.provider.URL) + ":"
	session = map[string][]string{prefix + "sub": {w.subject}, prefix + "aud": {w.audience}}
	trust = make(map[string][]string)
	add := func(to map[string][]string, claim, key string) {
		if values := w.claim(claim); values != nil {
			to[prefix+key] = values
		}
	}
	for _, c := range sessionClaims {
		add(session, c, c)
	}
	add(trust, "azp", "azp")
	if trust[prefix+"azp"] != nil {
		add(trust, "aud", "oaud")
	}
	host, _, _ := strings.Cut(w.provider.URL, "/")
	for _, c := range trustClaims[host] {
		add(trust, c, strings.ToLower(c))
	}
	return session, trust
}

// claim returns the values of a claim that is a string or a list of strings, and nil
// for any other, and for one that is longer than a condition is about.
func (w *webIdentity) claim(name string) []string {
	var values stringOrList
	if raw, ok := w.claims[name]; !ok || json.Unmarshal(raw, &values) != nil {
		return nil
	}
	n := 0
	for _, v := range values {
		n += len(v)
	}
	if n > maxClaim || len(values) == 0 {
		return nil
	}
	return values
}
