package sts

import (
	"context"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"coffer/internal/authn"
	"coffer/internal/identity"
	"coffer/internal/policy"
	"coffer/internal/trail"
)

// Credentials are temporary credentials, as the API answers with them.
type Credentials struct {
	AccessKeyID     string `query:"AccessKeyId"`
	SecretAccessKey identity.Secret
	SessionToken    identity.Secret
	Expiration      time.Time
}

// recordTime is how CloudTrail writes the expiration of credentials.
const recordTime = "Jan 2, 2006, 3:04:05 PM"

// recorded returns what the trail holds of c: neither the secret nor the token.
// CloudTrail shows the token; whoever could read the trail would have half of the
// credentials.
func (c *Credentials) recorded() trail.Params {
	return trail.Params{{Name: "accessKeyId", Value: c.AccessKeyID}, {Name: "sessionToken", Value: trail.Redacted},
		{Name: "expiration", Value: c.Expiration.UTC().Format(recordTime)}}
}

// SessionPolicies are the session policies of a request.
type SessionPolicies struct {
	Policy     *string
	PolicyARNs []PolicyDescriptor `query:"PolicyArns"`
}

// A PolicyDescriptor names a managed policy.
type PolicyDescriptor struct {
	ARN string `query:"arn"`
}

// arns returns the ARNs of the managed session policies.
func (in *SessionPolicies) arns() []string {
	var out []string
	for _, p := range in.PolicyARNs {
		out = append(out, p.ARN)
	}
	return out
}

// record sets the parameters of the session policies.
func (in *SessionPolicies) record(o *op) {
	if in.Policy != nil {
		o.Param("policy", *in.Policy)
	}
	if len(in.PolicyARNs) > 0 {
		list := make([]any, len(in.PolicyARNs))
		for i, p := range in.PolicyARNs {
			list[i] = map[string]any{"arn": p.ARN}
		}
		o.Param("policyArns", list)
	}
}

// text reads the inline session policy of a request.
func (in *SessionPolicies) text() (string, error) {
	if in.Policy == nil {
		return "", nil
	}
	if _, err := policy.Parse(*in.Policy, policy.KindSession); err != nil {
		return "", fault(400, "MalformedPolicyDocument", "%s", err.Error()).Because(err)
	}
	return *in.Policy, nil
}

// checkManaged refuses managed session policies that the account does not have.
func (s *Service) checkManaged(ctx context.Context, account string, arns []string) error {
	for _, name := range arns {
		if _, err := s.identity.PolicyVersion(ctx, account, name, ""); err != nil {
			return fmt.Errorf("managed session policy %s: %w", name, err)
		}
	}
	return nil
}

// mint completes a session, whose Account and Kind say whose it is, with fresh
// credentials that last for so long, and returns them with the packed size of its
// policies and tags in percent. It authorizes nothing.
func (s *Service) mint(session *identity.Session, lasts time.Duration) (*Credentials, int32, error) {
	packed, err := authn.Packed(session)
	if err != nil {
		return nil, 0, err
	}
	percent := (100*len(packed) + authn.MaxPacked - 1) / authn.MaxPacked
	if percent > 100 {
		return nil, 0, packedTooLarge(percent)
	}
	if session.AccessKeyID, err = s.accessKeyID(session.Account); err != nil {
		return nil, 0, err
	}
	var b [30]byte
	if _, err := io.ReadFull(s.rand, b[:]); err != nil {
		return nil, 0, fmt.Errorf("draw secret access key: %w", err)
	}
	session.Secret = identity.NewSecret(base64.StdEncoding.EncodeToString(b[:]))
	clear(b[:])
	// The API tells times in seconds.
	session.IssuedAt = s.now().UTC().Truncate(time.Second)
	session.ExpiresAt = session.IssuedAt.Add(lasts)
	session.HasPolicies = session.PolicyText != "" || len(session.PolicyARNs) > 0
	token, err := s.tokens.Seal(session)
	if errors.Is(err, authn.ErrPacked) {
		return nil, 0, packedTooLarge(101)
	}
	if err != nil {
		return nil, 0, err
	}
	return &Credentials{session.AccessKeyID, session.Secret, identity.NewSecret(token), session.ExpiresAt}, int32(percent), nil
}

func packedTooLarge(percent int) error {
	return fault(400, "PackedPolicyTooLarge", "Packed policy consumes %d%% of allotted space, please use smaller policy.", percent)
}

// An access key ID of temporary credentials tells its account, as AWS's do: the
// server keeps no list of them, and GetAccessKeyInfo has to answer.
//
//	"ASIA" | base32(10 bytes: 1 random bit, account (40 bits), 39 random bits)

// accessKeyID draws an access key ID for an account.
func (s *Service) accessKeyID(account string) (string, error) {
	n, err := strconv.ParseUint(account, 10, 40)
	if err != nil {
		return "", fmt.Errorf("access key of account %q: %w", account, err)
	}
	var b [10]byte
	if _, err := io.ReadFull(s.rand, b[:]); err != nil {
		return "", fmt.Errorf("draw access key ID: %w", err)
	}
	const most = 1<<40 - 1
	top := binary.BigEndian.Uint64(b[:8])
	binary.BigEndian.PutUint64(b[:8], top&^(most<<23)|n<<23)
	return "ASIA" + base32.StdEncoding.EncodeToString(b[:]), nil
}

// accountOf returns the account in the access key ID of temporary credentials. ok is
// false if it is not the ID of such.
func accountOf(accessKeyID string) (account string, ok bool) {
	text, ok := strings.CutPrefix(accessKeyID, "ASIA")
	b, err := base32.StdEncoding.DecodeString(text)
	if !ok || err != nil || len(b) != 10 {
		return "", false
	}
	n := binary.BigEndian.Uint64(b[:8]) >> 23 & (1<<40 - 1)
	return fmt.Sprintf("%012d", n), n < 1e12
}
