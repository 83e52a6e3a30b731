package iam

import (
	"context"
	"errors"
	"maps"
	"strings"

	"coffer/internal/arn"
	"coffer/internal/authz"
	"coffer/internal/identity"
	"coffer/internal/policy"
)

// A target is what an operation is about to touch: the user, group, role, policy
// or provider that it was authorized on. A missing one is authorized too, by the
// ARN that it would have at the path /, and only then reported.
type target struct {
	kind     string // as resource of IAM's ARNs: "user"
	name     string // as it was asked for
	arn      string
	tags     []identity.Tag
	boundary string // ARN of the permissions boundary
	missing  error  // what the caller hears who may know; nil if it exists
	again    func(context.Context) (*target, error)
}

// entity returns the target as the domain names it.
func (t *target) entity(o *op) identity.Entity {
	kind := map[string]identity.Kind{"user": identity.KindUser, "group": identity.KindGroup, "role": identity.KindRole}[t.kind]
	return identity.Entity{Kind: kind, Account: o.caller.Account, Name: t.name}
}

// about names what err is about: the target, and further pairs.
func (t *target) about(err error, pairs ...string) error {
	return about(err, append([]string{t.kind, t.name, "kind", t.kind}, pairs...)...)
}

// find sets what is known of a target from the domain's answer.
func (t *target) find(err error, missing error, found func()) error {
	switch {
	case err == nil:
		found()
	case errors.Is(err, missing):
		t.missing = t.about(err)
	default:
		return err
	}
	return nil
}

func (s *Service) user(ctx context.Context, o *op, name string) (*target, *identity.User, error) {
	t := &target{kind: "user", name: name, arn: iamARN(o, "user/"+name)}
	t.again = func(ctx context.Context) (*target, error) { return s.findUser(ctx, o, name) }
	u, err := s.identity.UserByName(ctx, o.caller.Account, name)
	return t, &u, t.find(err, identity.ErrNoUser, func() { t.arn, t.tags, t.boundary = u.ARN, u.Tags, u.Boundary })
}

func (s *Service) group(ctx context.Context, o *op, name string) (*target, *identity.Group, error) {
	t := &target{kind: "group", name: name, arn: iamARN(o, "group/"+name)}
	t.again = func(ctx context.Context) (*target, error) { return s.findGroup(ctx, o, name) }
	g, err := s.identity.GroupByName(ctx, o.caller.Account, name)
	return t, &g, t.find(err, identity.ErrNoGroup, func() { t.arn = g.ARN })
}

func (s *Service) role(ctx context.Context, o *op, name string) (*target, *identity.Role, error) {
	t := &target{kind: "role", name: name, arn: iamARN(o, "role/"+name)}
	t.again = func(ctx context.Context) (*target, error) { return s.findRole(ctx, o, name) }
	r, err := s.identity.RoleByName(ctx, o.caller.Account, name)
	return t, &r, t.find(err, identity.ErrNoRole, func() { t.arn, t.tags, t.boundary = r.ARN, r.Tags, r.Boundary })
}

func (s *Service) policy(ctx context.Context, o *op, policyARN string) (*target, *identity.Policy, error) {
	t := &target{kind: "policy", name: policyARN, arn: policyARN}
	t.again = func(ctx context.Context) (*target, error) { return s.findPolicy(ctx, o, policyARN) }
	p, err := s.identity.PolicyByARN(ctx, o.caller.Account, policyARN)
	return t, &p, t.find(err, identity.ErrNoPolicy, func() { t.arn, t.tags = p.ARN, p.Tags })
}

func (s *Service) provider(ctx context.Context, o *op, providerARN string) (*target, *identity.Provider, error) {
	t := &target{kind: "provider", name: providerARN, arn: providerARN}
	t.again = func(ctx context.Context) (*target, error) { return s.findProvider(ctx, o, providerARN) }
	p, err := s.identity.ProviderByARN(ctx, o.caller.Account, providerARN)
	return t, &p, t.find(err, identity.ErrNoProvider, func() { t.arn, t.tags = p.ARN, p.Tags })
}

// A finder finds the user, the group or the role of a name.
type finder func(ctx context.Context, o *op, name string) (*target, error)

func (s *Service) findUser(ctx context.Context, o *op, name string) (*target, error) {
	t, _, err := s.user(ctx, o, name)
	return t, err
}

func (s *Service) findGroup(ctx context.Context, o *op, name string) (*target, error) {
	t, _, err := s.group(ctx, o, name)
	return t, err
}

func (s *Service) findRole(ctx context.Context, o *op, name string) (*target, error) {
	t, _, err := s.role(ctx, o, name)
	return t, err
}

// iamARN returns the ARN of a resource of the caller's account.
func iamARN(o *op, resource string) string {
	return arn.ARN{Partition: arn.Partition, Service: "iam", Account: o.caller.Account, Resource: resource}.String()
}

// ask authorizes the operation on a resource that is about to be made, or on none
// in particular.
func (o *op) ask(ctx context.Context, resource string, keys policy.MapContext) error {
	return o.askFor(ctx, o.name, resource, keys)
}

// askFor authorizes another action than that of the operation's own name.
func (o *op) askFor(ctx context.Context, action, resource string, keys policy.MapContext) error {
	return o.Ask(ctx, &authz.Ask{Action: "iam:" + action, Resource: resource, Account: o.caller.Account, Keys: keys})
}

// use authorizes the operation on t, with further condition keys, and reports t if
// it is missing. If the decision is made again at the commit of a change, it is made
// on what t is by then.
func (o *op) use(ctx context.Context, t *target, keys ...policy.MapContext) error {
	return o.useWith(ctx, t, func(*target) policy.MapContext { return join(keys...) })
}

// useBounded is use with the permissions boundary of t among the condition keys.
//
// Without it an administrator who may only manage those within a boundary could put
// policies on others.
//
// Source: Service Authorization Reference, "Actions, resources, and condition keys
// for AWS IAM", iam:PermissionsBoundary; IAM User Guide, "Permissions boundaries
// for IAM entities", read 2026-11-21.
func (o *op) useBounded(ctx context.Context, t *target, keys ...policy.MapContext) error {
	return o.useWith(ctx, t, func(t *target) policy.MapContext {
		return join(append(keys, boundaryKey(t.boundary))...)
	})
}

func (o *op) useWith(ctx context.Context, t *target, keys func(*target) policy.MapContext) error {
	return o.useAs(ctx, t, func(a *authz.Ask, t *target) {
		a.Resource, a.Keys = t.arn, join(resourceKeys(t.tags), keys(t))
	})
}

// rename authorizes the operation on t twice: as it is, and as it will be with
// another path or name.
//
// Source: IAM User Guide, "Rename or change the path of an IAM user", read
// 2026-11-21.
func (o *op) rename(ctx context.Context, t *target, path, name *string) error {
	if err := o.use(ctx, t); err != nil {
		return err
	}
	return o.useAs(ctx, t, func(a *authz.Ask, t *target) {
		a.Resource, a.Keys = t.renamed(path, name), resourceKeys(t.tags)
	})
}

// renamed returns the ARN that a user or group has with another path or name.
func (t *target) renamed(path, name *string) string {
	i := strings.Index(t.arn, ":"+t.kind+"/") + len(":"+t.kind)
	j := strings.LastIndexByte(t.arn, '/') + 1
	return t.arn[:i] + or(path, t.arn[i:j]) + or(name, t.arn[j:])
}

// useAs authorizes the operation on what set says of t, and reports t if it is
// missing.
func (o *op) useAs(ctx context.Context, t *target, set func(*authz.Ask, *target)) error {
	a := &authz.Ask{Action: "iam:" + o.name, Account: o.caller.Account}
	set(a, t)
	a.Refresh = func(ctx context.Context, a *authz.Ask) error {
		now, err := t.again(ctx)
		if err == nil {
			set(a, now)
		}
		return err
	}
	if err := o.Ask(ctx, a); err != nil {
		return err
	}
	return t.missing
}

func join(all ...policy.MapContext) policy.MapContext {
	joined := make(policy.MapContext)
	for _, k := range all {
		maps.Copy(joined, k)
	}
	return joined
}

// resourceKeys returns the condition keys for the tags of a resource.
func resourceKeys(tags []identity.Tag) policy.MapContext {
	k := make(policy.MapContext)
	for _, t := range tags {
		name := strings.ToLower(t.Key)
		k["aws:resourcetag/"+name] = []string{t.Value}
		k["iam:resourcetag/"+name] = []string{t.Value}
	}
	return k
}

// requestKeys returns the condition keys for tags in the request.
func requestKeys(tags []Tag) policy.MapContext {
	if len(tags) == 0 {
		return nil
	}
	k := make(policy.MapContext)
	names := make([]string, len(tags))
	for i, t := range tags {
		names[i] = t.Key
		k["aws:requesttag/"+strings.ToLower(t.Key)] = []string{t.Value}
	}
	k["aws:tagkeys"] = names
	return k
}

// boundaryKey returns the condition key for a permissions boundary: of the
// request, if it sets one, and else of the user or role that it is about.
func boundaryKey(policyARN string) policy.MapContext {
	if policyARN == "" {
		return nil
	}
	return policy.MapContext{"iam:permissionsboundary": {policyARN}}
}

func policyKey(policyARN string) policy.MapContext {
	return policy.MapContext{"iam:policyarn": {policyARN}}
}

// findPolicy finds the managed policy of an ARN, and refuses one of anything else.
func (s *Service) findPolicy(ctx context.Context, o *op, policyARN string) (*target, error) {
	if err := checkPolicyARN(policyARN); err != nil {
		return nil, err
	}
	t, _, err := s.policy(ctx, o, policyARN)
	return t, err
}

// findProvider finds the identity provider of an ARN, and refuses one of anything
// else.
func (s *Service) findProvider(ctx context.Context, o *op, providerARN string) (*target, error) {
	if err := checkProviderARN(providerARN); err != nil {
		return nil, err
	}
	t, _, err := s.provider(ctx, o, providerARN)
	return t, err
}
