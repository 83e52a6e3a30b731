// Package rolesanywhere is the IAM Roles Anywhere API: one method for each
// operation, which authorizes, acts on the trust anchors, records and answers.
//
// A workload shows a certificate that a trust anchor's authority has signed, and gets
// temporary credentials of a role: no secret has to be given to it or kept on it.
//
// Methods return a *awserr.Error with the codes that AWS uses.
//
// Source: IAM Roles Anywhere API Reference and User Guide, and the service model of
// aws-sdk-go-v2/service/rolesanywhere v1.33.1, read 2026-11-21.
package rolesanywhere

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"coffer/internal/anchor"
	"coffer/internal/arn"
	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/identity"
	"coffer/internal/meta"
	"coffer/internal/policy"
)

// source is the service as the trail names it, and the principal that trust policies
// name.
const source = "rolesanywhere.amazonaws.com"

// A RoleSession describes a session of a role that is to be made.
type RoleSession struct {
	Role            *identity.Effective
	Name            string
	Duration        time.Duration
	SessionPolicy   string
	ManagedPolicies []string
	Tags            map[string]string
	SourceIdentity  string
	TrustAnchor     string // ARN
}

// Credentials are temporary credentials.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey identity.Secret
	SessionToken    identity.Secret
	Expiration      time.Time
}

// Sessions makes the credentials of a role's session, which neither authorizes nor
// records. The STS service implements it; this package does not know it.
type Sessions interface {
	NewRoleSession(in *RoleSession) (*identity.Session, *Credentials, error)
}

// A Config holds what a Service needs. All but Wall and Log are required.
type Config struct {
	Anchors  *anchor.Store
	Identity *identity.Store
	Gate     *authz.Gate
	Sessions Sessions
	Meta     meta.Store       // of the trail's records
	Wall     func() time.Time // by which certificates go; time.Now if nil
	Log      *slog.Logger     // gets what clients are not told; discarded if nil
}

// A Service answers the operations. It is safe for concurrent use.
type Service struct {
	anchors  *anchor.Store
	identity *identity.Store
	gate     *authz.Gate
	sessions Sessions
	meta     meta.Store
	wall     func() time.Time
	log      *slog.Logger
}

// New returns a service for the trust anchors of cfg.
func New(cfg Config) *Service {
	s := &Service{anchors: cfg.Anchors, identity: cfg.Identity, gate: cfg.Gate, sessions: cfg.Sessions, meta: cfg.Meta, wall: cfg.Wall, log: cfg.Log}
	if s.wall == nil {
		s.wall = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s
}

// Whether an operation changes something.
const (
	reads   = true
	changes = false
)

// run runs one operation as one call.
func run[Output any](ctx context.Context, s *Service, c *authn.Caller, name string, readOnly bool, act func(*authz.Call) (*Output, error)) (*Output, error) {
	return authz.Run(ctx, s.gate, c, authz.Operation{Source: source, Name: name, ReadOnly: readOnly},
		func(err error) error { return s.answer(ctx, c, name, err) }, act)
}

// Refuse records a call of the operation name that its front refuses with err, and
// returns the error to answer with.
func (s *Service) Refuse(ctx context.Context, c *authn.Caller, name string, err error) error {
	readOnly := strings.HasPrefix(name, "Get") || strings.HasPrefix(name, "List")
	_, err = run(ctx, s, c, name, readOnly, func(*authz.Call) (*struct{}, error) { return nil, err })
	return err
}

// place returns where a caller's request acts.
func place(c *authn.Caller) anchor.Place { return anchor.Place{Account: c.Account, Region: c.Region} }

// resourceARN returns the ARN of a resource.
//
// Source: AWS Service Authorization Reference, "Resource types defined by AWS
// Identity and Access Management Roles Anywhere", read 2026-11-21.
func resourceARN(p anchor.Place, kind anchor.Kind, id string) string {
	return arn.ARN{Partition: arn.Partition, Service: "rolesanywhere", Region: p.Region, Account: p.Account, Resource: string(kind) + "/" + id}.String()
}

// parseARN splits the ARN of a resource.
func parseARN(s string) (p anchor.Place, kind anchor.Kind, id string, ok bool) {
	a, err := arn.Parse(s)
	if err != nil || a.Partition != arn.Partition || a.Service != "rolesanywhere" {
		return p, "", "", false
	}
	k, id, _ := strings.Cut(a.Resource, "/")
	kind = anchor.Kind(k)
	switch kind {
	case anchor.KindTrustAnchor, anchor.KindProfile, anchor.KindCRL:
	default:
		return p, "", "", false
	}
	return anchor.Place{Account: a.Account, Region: a.Region}, kind, id, isUUID(id)
}

// ask authorizes an action on a resource of the caller's account, with its tags as
// condition keys; an empty ID is an action without a resource.
func (s *Service) ask(ctx context.Context, call *authz.Call, c *authn.Caller, action string, kind anchor.Kind, id string, keys policy.MapContext) error {
	resource := "*"
	all := policy.MapContext{}
	for k, v := range keys {
		all[k] = v
	}
	if id != "" {
		resource = resourceARN(place(c), kind, id)
		tags, err := s.tags(ctx, place(c), kind, id)
		if err != nil {
			return err
		}
		for _, t := range tags {
			all["aws:resourcetag/"+strings.ToLower(t.Key)] = []string{t.Value}
		}
	}
	return call.Ask(ctx, &authz.Ask{Action: "rolesanywhere:" + action, Resource: resource, Account: c.Account, Keys: all})
}

// tags returns the tags of a resource; one that is missing has none.
func (s *Service) tags(ctx context.Context, p anchor.Place, kind anchor.Kind, id string) ([]anchor.Tag, error) {
	h, err := s.header(ctx, p, kind, id)
	if err != nil || h == nil {
		return nil, err
	}
	return h.Tags, nil
}

// tagKeys returns the condition keys of tags that a request sets.
func tagKeys(tags []Tag) policy.MapContext {
	keys := policy.MapContext{}
	for _, t := range tags {
		keys["aws:requesttag/"+strings.ToLower(t.Key)] = []string{t.Value}
		keys["aws:tagkeys"] = append(keys["aws:tagkeys"], t.Key)
	}
	return keys
}

// timestamp is how the API writes times.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
