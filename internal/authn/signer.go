package authn

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"coffer/internal/identity"
	"coffer/internal/policy"
)

// Keys finds access keys. The identity store implements it.
type Keys interface {
	// Lookup returns the access key with an ID, or identity.ErrNoAccessKey.
	Lookup(ctx context.Context, id string) (*identity.AccessKey, error)
}

// Entities tells whether who got temporary credentials still exists. The identity
// store implements it.
type Entities interface {
	// EffectiveUser returns the user with a unique ID, or identity.ErrNoUser.
	EffectiveUser(ctx context.Context, account, userID string) (*identity.Effective, error)
	// EffectiveRole returns the role with a unique ID, or identity.ErrNoRole.
	EffectiveRole(ctx context.Context, account, roleID string) (*identity.Effective, error)
	// SessionRevoked reports whether the temporary access key was revoked, or may
	// have been.
	SessionRevoked(accessKeyID string) bool
	// PolicyVersion returns the default version of a managed policy for an empty
	// version, or identity.ErrNoPolicy.
	PolicyVersion(ctx context.Context, account, policyARN, version string) (identity.PolicyVersion, error)
}

// Usage notes which access keys and roles are in use. The identity store implements
// it. Its methods neither wait nor fail.
type Usage interface {
	Used(accessKeyID, service, region string, at time.Time)
	RoleUsed(roleID, region string, at time.Time)
}

// Why a request has no signer.
var (
	errNoKey   = errors.New("authn: no such access key")
	errExpired = errors.New("authn: session has expired")
)

// A signer is who can make the signature of a request: the holder of an access key,
// or of temporary credentials.
type signer struct {
	secret  identity.Secret
	key     *identity.AccessKey // nil for temporary credentials
	session *identity.Session   // of temporary credentials
	entity  *identity.Effective // the user or the role of a session; nil for root
}

// temporary is how the access key IDs of temporary credentials begin.
const temporary = "ASIA"

// signer finds who an access key, with the session token that the request has,
// belongs to. The error is errNoKey, ErrToken or errExpired, or one of our own.
func (a *Authenticator) signer(ctx context.Context, accessKeyID, token string) (*signer, error) {
	if token != "" {
		return a.sessionSigner(ctx, accessKeyID, token)
	}
	k, err := a.cfg.Keys.Lookup(ctx, accessKeyID)
	switch {
	case errors.Is(err, identity.ErrNoAccessKey):
		return nil, errNoKey
	case err != nil:
		return nil, fmt.Errorf("look up access key: %w", err)
	case k.Status != identity.Active:
		return nil, errNoKey
	}
	return &signer{secret: k.Secret, key: k}, nil
}

func (a *Authenticator) sessionSigner(ctx context.Context, accessKeyID, token string) (*signer, error) {
	if a.cfg.Tokens == nil || a.cfg.Entities == nil || !strings.HasPrefix(accessKeyID, temporary) {
		return nil, ErrToken
	}
	s, err := a.cfg.Tokens.Open(accessKeyID, token)
	switch {
	case err != nil:
		return nil, err
	case !a.cfg.Calendar().Before(s.ExpiresAt):
		return nil, errExpired
	case a.cfg.Entities.SessionRevoked(accessKeyID):
		return nil, ErrToken
	}
	out := &signer{secret: s.Secret, session: s}
	switch {
	case s.RoleID != "":
		out.entity, err = a.cfg.Entities.EffectiveRole(ctx, s.Account, s.RoleID)
	case s.UserID != s.Account:
		out.entity, err = a.cfg.Entities.EffectiveUser(ctx, s.Account, s.UserID)
	}
	switch {
	case errors.Is(err, identity.ErrNoRole), errors.Is(err, identity.ErrNoUser):
		return nil, ErrToken
	case err != nil:
		return nil, fmt.Errorf("look up the principal of a session: %w", err)
	}
	if out.session, err = a.current(ctx, s, out.entity); err != nil {
		return nil, err
	}
	return out, nil
}

// current returns a session with what may have changed since it was made: the name
// of its user, and its managed session policies.
func (a *Authenticator) current(ctx context.Context, s *identity.Session, entity *identity.Effective) (*identity.Session, error) {
	isRenamed := s.RoleID == "" && entity != nil && s.UserARN != entity.ARN
	if len(s.PolicyARNs) == 0 && !isRenamed {
		return s, nil
	}
	c := *s
	if isRenamed {
		c.UserARN = entity.ARN
	}
	var err error
	c.Policies, err = a.SessionPolicies(ctx, s)
	return &c, err
}

// SessionPolicies returns the session policies of a session as they are now: the
// inline one, which stays, and the managed ones, which AWS evaluates as they are and
// not as they were. One that is gone allows nothing.
func (a *Authenticator) SessionPolicies(ctx context.Context, s *identity.Session) ([]policy.Named, error) {
	if len(s.PolicyARNs) == 0 {
		return s.Policies, nil
	}
	var now []policy.Named
	if s.PolicyText != "" {
		now = append(now, s.Policies[0]) // the inline one stands first
	}
	for _, name := range s.PolicyARNs {
		v, err := a.cfg.Entities.PolicyVersion(ctx, s.Account, name, "")
		switch {
		case errors.Is(err, identity.ErrNoPolicy), errors.Is(err, identity.ErrNoVersion):
			continue
		case err != nil:
			return nil, fmt.Errorf("read session policy %s: %w", name, err)
		}
		p, err := a.cfg.Tokens.parsed(v.Text)
		if err != nil {
			return nil, fmt.Errorf("read session policy %s: %w", name, err)
		}
		now = append(now, policy.Named{Name: name, Policy: p})
	}
	return now, nil
}

// signedBy makes c the principal that signed a request, and notes the use.
func (a *Authenticator) signedBy(c *Caller, s *signer, cl *claim) {
	c.AccessKeyID = cl.credential.AccessKeyID
	c.Region = cl.credential.Scope.Region
	c.Service = cl.credential.Scope.Service
	c.AuthType = cl.authType
	c.SignatureVersion = "SigV4"
	c.SignedAt = cl.signedAt
	if s.key != nil {
		c.longTerm(s.key)
	} else {
		c.temporary(s)
	}
	if a.cfg.Usage == nil {
		return
	}
	switch {
	case s.key != nil:
		a.cfg.Usage.Used(s.key.ID, c.Service, c.Region, a.cfg.Calendar())
	case s.session.RoleID != "":
		a.cfg.Usage.RoleUsed(s.session.RoleID, c.Region, a.cfg.Calendar())
	}
}

// longTerm makes c the holder of an access key.
func (c *Caller) longTerm(k *identity.AccessKey) {
	c.Account, c.ARN = k.Account, k.Principal
	if k.IsRoot() {
		c.Type, c.PrincipalID = TypeRoot, k.Account // as CloudTrail has it
		return
	}
	c.Type, c.PrincipalID, c.EntityID, c.UserName = TypeUser, k.UserID, k.UserID, k.UserName
}

// temporary makes c the holder of temporary credentials.
func (c *Caller) temporary(s *signer) {
	c.Session, c.Account, c.ARN = s.session, s.session.Account, s.session.ARN
	if s.entity != nil {
		c.EntityID = s.entity.ID
	}
	switch s.session.Kind {
	case identity.SessionRole:
		c.Type, c.PrincipalID = TypeAssumedRole, s.session.RoleID+":"+s.session.Name
	case identity.SessionFederated:
		c.Type, c.PrincipalID = TypeFederatedUser, s.session.Account+":"+s.session.Name
	case identity.SessionUser:
		c.Type, c.PrincipalID, c.ARN = TypeRoot, s.session.Account, s.session.UserARN
		if s.entity != nil {
			c.Type, c.PrincipalID, c.UserName = TypeUser, s.entity.ID, s.entity.Name
		}
	default:
		panic("authn: internal error: session of kind " + string(s.session.Kind))
	}
}
