// Package authz decides requests, and is the one place where an operation is
// authorized and recorded.
//
// Every method of a service runs inside a [Call]: it begins one, names what it
// touches, asks for authorization, acts, and ends it. A change puts the call's
// record into the transaction that makes the change; everything else is recorded
// before its answer leaves.
//
// A decision joins what the operation says of the resource (an [Ask]) with what
// the gate finds of the caller: the policies of the user or the role, the session,
// the organization, and the condition keys of the request. Package policy decides.
// A denial gets an authorization ID, under which its explanation is kept; what
// cannot be decided is denied.
package authz

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"coffer/internal/arn"
	"coffer/internal/authn"
	"coffer/internal/identity"
	"coffer/internal/meta"
	"coffer/internal/organization"
	"coffer/internal/policy"
	"coffer/internal/trail"
)

// Identities finds what policies say of users and roles. The identity store
// implements it. The first two return an error that is identity.ErrNoUser or
// identity.ErrNoRole if there is none with the ID.
//
// CanonicalID returns the canonical user ID of an account, or an error that is
// identity.ErrNoAccount.
type Identities interface {
	EffectiveUser(ctx context.Context, account, userID string) (*identity.Effective, error)
	EffectiveRole(ctx context.Context, account, roleID string) (*identity.Effective, error)
	CanonicalID(ctx context.Context, account string) (string, error)
}

// Organizations finds what stands above an account. The organization store
// implements it: nil for an account that is in no organization.
type Organizations interface {
	Chain(ctx context.Context, account string) (*organization.Chain, error)
}

// A Config holds what a Gate needs. Without Identities no user and no role is
// allowed anything; without Organizations there are none.
type Config struct {
	Trail         *trail.Trail // required
	Meta          meta.Store   // of revisions and explanations; without it denials have no ID
	Identities    Identities
	Organizations Organizations
	// Alive returns an error once a caller's credentials no longer hold. It is
	// asked when a decision is made again; nil asks nothing.
	Alive func(context.Context, *authn.Caller) error
	// SessionPolicies returns the session policies of a session as they are now, for
	// each decision: a managed one may change while a request is under way. Those
	// that the session came with are used if it is nil.
	SessionPolicies func(context.Context, *identity.Session) ([]policy.Named, error)
	Now             func() time.Time // calendar time; time.Now if nil
	Log             *slog.Logger     // discarded if nil
}

// A Gate begins calls and decides. It is safe for concurrent use.
type Gate struct {
	cfg    Config
	denied *explanations // nil without Config.Meta
	seen   atomic.Uint64 // a revision that was committed
}

// New returns a gate. Close it to keep the explanations of its last denials.
func New(cfg Config) *Gate {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	g := &Gate{cfg: cfg}
	if cfg.Meta != nil {
		g.denied = newExplanations(cfg.Meta, cfg.Now, cfg.Log)
	}
	return g
}

// Close writes what is still to be written.
func (g *Gate) Close() {
	if g.denied != nil {
		g.denied.close()
	}
}

// Ask decides for a caller outside of a call, and records nothing. It returns nil,
// a *Denied, or the error that kept it from deciding.
func (g *Gate) Ask(ctx context.Context, c *authn.Caller, a *Ask) error {
	return g.ask(ctx, c, a, true)
}

// Allowed reports whether an ask would be allowed, for answers that depend on what
// else the caller may do. A denial is not explained.
func (g *Gate) Allowed(ctx context.Context, c *authn.Caller, a *Ask) (bool, error) {
	err := g.ask(ctx, c, a, false)
	var d *Denied
	if errors.As(err, &d) {
		return false, nil
	}
	return err == nil, err
}

func (g *Gate) ask(ctx context.Context, c *authn.Caller, a *Ask, explain bool) error {
	e := evaluations.Get().(*evaluation)
	defer e.release()
	if err := e.gather(ctx, g, c, a); err != nil {
		return fmt.Errorf("decide %s on %s: %w", a.Action, a.Resource, err)
	}
	d := policy.Decision{Layer: policy.LayerIdentity}
	if !e.gone {
		d = policy.Evaluate(&e.input)
	}
	if d.Allowed {
		return nil
	}
	denied := e.denial(&d)
	if explain && g.denied != nil {
		denied.ID = g.denied.keep(e, denied)
	}
	return denied
}

// gather fills in e with all that decides a.
func (e *evaluation) gather(ctx context.Context, g *Gate, c *authn.Caller, a *Ask) error {
	in := &e.input
	in.Action, in.Resource, in.Account = a.Action, a.Resource, a.Account
	if in.Account == "" {
		in.Account = c.Account
	}
	in.ResourcePolicy, in.Grants, in.RestrictPublic = a.Policy, a.Grants, a.RestrictPublic
	in.ACLAllows, in.PublicACL, in.ACLName = a.ACLAllows, a.PublicACL, a.ACLName
	if err := e.principal(ctx, g, c); err != nil {
		return err
	}
	if err := e.canonical(ctx, g, c); err != nil {
		return err
	}
	var own, other *organization.Chain
	if g.cfg.Organizations != nil {
		var err error
		if c.Account != "" {
			if own, err = g.cfg.Organizations.Chain(ctx, c.Account); err != nil {
				return err
			}
		}
		if other = own; in.Account != c.Account && in.Account != "" {
			if other, err = g.cfg.Organizations.Chain(ctx, in.Account); err != nil {
				return err
			}
		}
	}
	if own != nil {
		in.SCPs = own.SCPs
	}
	if other != nil && !a.NoRCP {
		in.RCPs = other.RCPs
	}
	e.context = requestContext{caller: c, ask: a, effective: e.effective, own: own, other: other, account: in.Account, gate: g}
	e.context.action, _ = policy.Lookup(a.Action)
	in.Context = &e.context
	return nil
}

// principal fills in who asks, with what the account says of it.
func (e *evaluation) principal(ctx context.Context, g *Gate, c *authn.Caller) error {
	p := &e.input.Principal
	p.Account, p.ARN = c.Account, c.ARN
	switch c.Type {
	case authn.TypeRoot:
		p.Type = policy.Root
		return nil
	case authn.TypeAnonymous:
		p.Type = policy.Anonymous
		return nil
	case authn.TypeAWSService:
		p.Type, p.Service, p.ARN, p.Account = policy.Service, c.ARN, "", ""
		return nil
	case authn.TypeWebIdentity:
		p.Type, p.Provider, p.Account = policy.WebIdentity, c.ARN, ""
		return nil
	case authn.TypeUser:
		p.Type = policy.User
		return e.entity(g.user(ctx, c.Account, c.EntityID))
	case authn.TypeAssumedRole:
		p.Type = policy.Session
		if err := e.entity(g.role(ctx, c.Account, c.EntityID)); err != nil {
			return err
		}
	case authn.TypeFederatedUser:
		p.Type = policy.Federated
		if c.Session == nil {
			return errNoSession
		}
		p.User = c.Session.UserARN
		if p.User != arn.Root(c.Account) {
			if err := e.entity(g.user(ctx, c.Account, c.Session.UserID)); err != nil {
				return err
			}
		}
	default:
		return fmt.Errorf("authz: principal of unknown type %q", c.Type)
	}
	if c.Session == nil {
		return errNoSession
	}
	e.input.Session, e.input.HasSession = c.Session.Policies, c.Session.HasPolicies
	if g.cfg.SessionPolicies == nil {
		return nil
	}
	var err error
	e.input.Session, err = g.cfg.SessionPolicies(ctx, c.Session)
	return err
}

// canonical fills in the canonical user ID of the principal's account, by which only
// the policy of a resource can name it. That of an account that is not there stays
// unknown, and a denial for any canonical user holds.
func (e *evaluation) canonical(ctx context.Context, g *Gate, c *authn.Caller) error {
	if e.input.ResourcePolicy == nil || e.input.Principal.Account == "" || g.cfg.Identities == nil {
		return nil
	}
	id, err := g.cfg.Identities.CanonicalID(ctx, c.Account)
	if errors.Is(err, identity.ErrNoAccount) {
		return nil
	}
	e.input.Principal.Canonical = id
	return err
}

var errNoSession = errors.New("authz: temporary credentials without a session")

func (g *Gate) user(ctx context.Context, account, id string) (*identity.Effective, error) {
	if g.cfg.Identities == nil {
		return nil, identity.ErrNoUser
	}
	return g.cfg.Identities.EffectiveUser(ctx, account, id)
}

func (g *Gate) role(ctx context.Context, account, id string) (*identity.Effective, error) {
	if g.cfg.Identities == nil {
		return nil, identity.ErrNoRole
	}
	return g.cfg.Identities.EffectiveRole(ctx, account, id)
}

// entity takes over what is known of a user or a role. One that is gone may
// nothing.
func (e *evaluation) entity(f *identity.Effective, err error) error {
	if errors.Is(err, identity.ErrNoUser) || errors.Is(err, identity.ErrNoRole) {
		e.gone = true
		return nil
	}
	if err != nil {
		return err
	}
	e.effective = f
	in := &e.input
	in.Identity, in.Boundary = f.Policies, f.Boundary
	in.Principal.ID, in.Principal.HasBoundary, in.Principal.ServiceLinked = f.ID, f.Boundary != nil, f.ServiceLinked
	if in.Principal.Type == policy.Session {
		in.Principal.Role = f.ARN
	}
	return nil
}
