// Package org is the AWS Organizations API: one method for each operation, which
// authorizes, acts on the organizations, records and answers.
//
// The API is global. Except for what a member account may do for itself, and for
// DescribeOrganization, only the management account may call it: delegated
// administrators do not exist. Service control policies and resource control
// policies are the types of policy that this server enforces; the others are
// refused by name, and never ignored.
//
// Methods return a *awserr.Error with the codes and reasons that AWS uses, and the
// status 400, or 500 for its own failures.
//
// Source: AWS Organizations API Reference, and the service model of
// aws-sdk-go-v2/service/organizations v1.62.6, read 2026-11-21.
package org

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"

	"coffer/internal/arn"
	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/organization"
	"coffer/internal/policy"
)

// source is the service as the trail names it.
const source = "organizations.amazonaws.com"

// A Config holds what a Service needs.
type Config struct {
	Organizations *organization.Store // required
	Gate          *authz.Gate         // required
	Log           *slog.Logger        // gets what clients are not told; discarded if nil
}

// A Service answers the operations. It is safe for concurrent use.
type Service struct {
	orgs *organization.Store
	gate *authz.Gate
	log  *slog.Logger
}

// New returns a service for the organizations of cfg.
func New(cfg Config) *Service {
	s := &Service{orgs: cfg.Organizations, gate: cfg.Gate, log: cfg.Log}
	if s.log == nil {
		s.log = slog.New(slog.NewTextHandler(io.Discard, nil))
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
	readOnly := strings.HasPrefix(name, "Describe") || strings.HasPrefix(name, "List")
	_, err = run(ctx, s, c, name, readOnly, func(*authz.Call) (*struct{}, error) { return nil, err })
	return err
}

// An audience is who may call an operation besides being authorized.
type audience int

const (
	management audience = iota // the management account
	members                    // every account of the organization
)

// A resource is what an operation is about: its ARN, and the ID that its tags have.
type resource struct{ arn, id string }

// use authorizes an operation on resources of the caller's organization, and returns
// the organization. resources may be nil for an operation that takes none.
func (s *Service) use(ctx context.Context, call *authz.Call, c *authn.Caller, action string, who audience, keys policy.MapContext,
	resources func(*organization.Organization) ([]resource, error)) (*organization.Organization, error) {
	o, notIn := s.orgs.Of(ctx, c.Account)
	if notIn != nil && !errors.Is(notIn, organization.ErrNotInOrganization) {
		return nil, notIn
	}
	list := []resource{{arn: "*"}}
	if notIn == nil && resources != nil {
		var err error
		if list, err = resources(o); err != nil {
			return nil, err
		}
	}
	for _, r := range list {
		if err := s.ask(ctx, call, c, o, action, r, keys); err != nil {
			return nil, err
		}
	}
	if notIn != nil {
		return nil, notIn
	}
	if who == management && c.Account != o.ManagementAccount {
		return nil, fault("AccessDeniedException", "", noAccess)
	}
	return o, nil
}

// ask authorizes one action on one resource, with its tags as condition keys.
func (s *Service) ask(ctx context.Context, call *authz.Call, c *authn.Caller, o *organization.Organization, action string, r resource, keys policy.MapContext) error {
	all := policy.MapContext{}
	for k, v := range keys {
		all[k] = v
	}
	if r.id != "" {
		tags, err := s.orgs.Tags(ctx, o.ID, r.id)
		if err != nil && !errors.Is(err, organization.ErrNoTarget) {
			return err
		}
		for _, t := range tags {
			all["aws:resourcetag/"+strings.ToLower(t.Key)] = []string{t.Value}
		}
	}
	return call.Ask(ctx, &authz.Ask{Action: "organizations:" + action, Resource: r.arn, Account: c.Account, Keys: all})
}

// tagKeys adds the condition keys of tags that a request sets.
func tagKeys(keys policy.MapContext, tags []Tag) policy.MapContext {
	if keys == nil {
		keys = policy.MapContext{}
	}
	for _, t := range tags {
		keys["aws:requesttag/"+strings.ToLower(t.Key)] = []string{t.Value}
		keys["aws:tagkeys"] = append(keys["aws:tagkeys"], t.Key)
	}
	return keys
}

// policyType is the condition key of an operation on a type of policy.
func policyType(t organization.PolicyType) policy.MapContext {
	return policy.MapContext{"organizations:policytype": {string(t)}}
}

// The ARNs of an organization's resources.
//
// Source: AWS Service Authorization Reference, "Resource types defined by AWS
// Organizations", read 2026-11-21.
func orgARN(o *organization.Organization, kind, rest string) string {
	return arn.ARN{Partition: arn.Partition, Service: "organizations", Account: o.ManagementAccount, Resource: kind + "/" + o.ID + rest}.String()
}

// targetARN returns the ARN of a root, OU or account.
func targetARN(o *organization.Organization, id string) string { return orgARN(o, kindOf(id), "/"+id) }

// kindOf returns the kind of a root, OU or account as ARNs name it.
func kindOf(id string) string {
	switch {
	case strings.HasPrefix(id, "r-"):
		return "root"
	case strings.HasPrefix(id, "ou-"):
		return "ou"
	}
	return "account"
}

// targets returns the resources of an operation on roots, OUs and accounts.
func targets(ids ...string) func(*organization.Organization) ([]resource, error) {
	return func(o *organization.Organization) ([]resource, error) {
		list := make([]resource, 0, len(ids))
		for _, id := range ids {
			list = append(list, resource{targetARN(o, id), id})
		}
		return list, nil
	}
}

// mayTag authorizes the tags of a resource that is about to be made.
func (s *Service) mayTag(ctx context.Context, call *authz.Call, c *authn.Caller, o *organization.Organization, kind string, tags []Tag) error {
	if len(tags) == 0 {
		return nil
	}
	return s.ask(ctx, call, c, o, "TagResource", resource{arn: orgARN(o, kind, "/*")}, tagKeys(nil, tags))
}
