package sts

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"coffer/internal/arn"
	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/identity"
	"coffer/internal/policy"
	"coffer/internal/trail"
)

// How long a session of a role lasts.
//
// Source: IAM User Guide, "Methods to assume a role", read 2026-11-21.
const (
	defaultRoleSession = time.Hour
	maxRoleSession     = 43_200 // seconds
	maxChained         = time.Hour
)

// A Tag is a session tag.
type Tag struct{ Key, Value string }

// AssumeRoleInput is the request of [Service.AssumeRole].
type AssumeRoleInput struct {
	RoleARN         string `query:"RoleArn"`
	RoleSessionName string
	SessionPolicies
	DurationSeconds   *int32
	Tags              []Tag
	TransitiveTagKeys []string
	ExternalID        string `query:"ExternalId"`
	SerialNumber      string
	TokenCode         string
	SourceIdentity    string
	ProvidedContexts  []struct {
		ProviderARN      string `query:"ProviderArn"`
		ContextAssertion string
	}
}

// AssumeRoleOutput is the answer of [Service.AssumeRole].
type AssumeRoleOutput struct {
	Credentials      *Credentials
	AssumedRoleUser  AssumedRoleUser
	PackedPolicySize int32  `query:",omitempty"`
	SourceIdentity   string `query:",omitempty"`
}

// An AssumedRoleUser names a session of a role.
type AssumedRoleUser struct {
	AssumedRoleID string `query:"AssumedRoleId"`
	ARN           string `query:"Arn"`
}

// AssumeRole returns credentials for a session of a role.
//
// The trust policy of the role must allow sts:AssumeRole, also in the caller's own
// account, and for a caller who is not named in it, so must the caller's own
// policies. sts:TagSession is needed too if tags are passed or inherited, and
// sts:SetSourceIdentity if a source identity is.
//
// It returns a *awserr.Error with code
//
//   - ValidationError for a request of the wrong shape, and a longer session than
//     the role, or a chain of roles, may have,
//   - InvalidParameterValue for tags that can't be set together,
//   - AccessDenied if the role can't be assumed, whether it exists or not; for the
//     root user; for credentials of GetFederationToken; for an MFA code, since no
//     device exists; and for a source identity other than that of the caller,
//   - MalformedPolicyDocument and PackedPolicyTooLarge for the session policies,
//   - NotImplemented for provided contexts.
//
// Source: AWS STS API Reference, AssumeRole.
func (s *Service) AssumeRole(ctx context.Context, c *authn.Caller, in *AssumeRoleInput) (*AssumeRoleOutput, error) {
	return run(ctx, s, c, "AssumeRole", func(o *op) (*AssumeRoleOutput, error) {
		in.record(o)
		if err := in.check(c); err != nil {
			return nil, err
		}
		text, err := in.text()
		if err != nil {
			return nil, err
		}
		asked := &RoleSession{
			Name: in.RoleSessionName, PolicyText: text, PolicyARNs: in.arns(), SourceIdentity: in.SourceIdentity,
			Tags: tagMap(in.Tags), TransitiveTags: in.TransitiveTagKeys,
		}
		if err := asked.inherit(c.Session); err != nil {
			return nil, err
		}
		if len(asked.Tags) > len(in.Tags) {
			o.Param("incomingTransitiveTags", incoming(c.Session))
		}
		keys := asked.keys()
		if in.ExternalID != "" {
			keys["sts:externalid"] = []string{in.ExternalID}
		}
		if asked.Role, err = s.assumable(ctx, o, in.RoleARN, "sts:AssumeRole", keys, asked); err != nil {
			return nil, err
		}
		if asked.Duration, err = lasting(asked.Role, in.DurationSeconds, asked.Chained); err != nil {
			return nil, err
		}
		if err := s.checkManaged(ctx, asked.account(), asked.PolicyARNs); err != nil {
			return nil, err
		}
		session, credentials, percent, err := s.newRoleSession(asked)
		if err != nil {
			return nil, err
		}
		out := &AssumeRoleOutput{credentials, assumed(session), percent, session.SourceIdentity}
		recordSession(o, credentials, &out.AssumedRoleUser, percent, session)
		return out, s.issued(ctx, o)
	})
}

func (in *AssumeRoleInput) record(o *op) {
	o.Param("roleArn", in.RoleARN)
	o.Param("roleSessionName", in.RoleSessionName)
	in.SessionPolicies.record(o)
	if in.DurationSeconds != nil {
		o.Param("durationSeconds", int64(*in.DurationSeconds))
	}
	recordTags(o, in.Tags, in.TransitiveTagKeys)
	for _, p := range []struct{ name, value string }{
		{"externalId", in.ExternalID}, {"serialNumber", in.SerialNumber}, {"sourceIdentity", in.SourceIdentity},
	} {
		if p.value != "" {
			o.Param(p.name, p.value)
		}
	}
}

func recordTags(o *op, tags []Tag, transitive []string) {
	if len(tags) > 0 {
		list := make([]any, len(tags))
		for i, t := range tags {
			list[i] = map[string]any{"key": t.Key, "value": t.Value}
		}
		o.Param("tags", list)
	}
	if len(transitive) > 0 {
		o.Param("transitiveTagKeys", transitive)
	}
}

// check refuses what needs no look at the role.
func (in *AssumeRoleInput) check(c *authn.Caller) error {
	var v checker
	v.text("roleArn", in.RoleARN, formARN)
	v.text("roleSessionName", in.RoleSessionName, formName)
	v.policies(&in.SessionPolicies)
	v.duration(in.DurationSeconds, maxRoleSession)
	v.tags(in.Tags, in.TransitiveTagKeys)
	v.optional("externalId", in.ExternalID, formExternal)
	v.optional("serialNumber", in.SerialNumber, formSerial)
	v.optional("tokenCode", in.TokenCode, formCode)
	v.optional("sourceIdentity", in.SourceIdentity, formName)
	if err := v.err(); err != nil {
		return err
	}
	switch {
	case c.Type == authn.TypeRoot:
		return fault(http.StatusForbidden, "AccessDenied", "Roles may not be assumed by root accounts.")
	case in.ProvidedContexts != nil:
		return NotImplemented("Provided contexts are not implemented by this server.")
	}
	if err := noDevice(in.SerialNumber, in.TokenCode); err != nil {
		return err
	}
	return checkTags(in.Tags, in.TransitiveTagKeys)
}

// noDevice refuses the code of an MFA device: there are none.
func noDevice(serial, code string) error {
	if serial == "" && code == "" {
		return nil
	}
	return fault(http.StatusForbidden, "AccessDenied", "MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA serial number is valid and associated with this user.")
}

// checkTags refuses tags that can't be set together, or not by a client.
func checkTags(tags []Tag, transitive []string) error {
	seen := make(map[string]bool)
	for _, t := range tags {
		k := strings.ToLower(t.Key)
		switch {
		case seen[k]:
			return fault(400, "InvalidParameterValue", "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		case strings.HasPrefix(k, "aws:"):
			return fault(400, "InvalidParameterValue", "Tag keys beginning with aws: are reserved.")
		}
		seen[k] = true
	}
	for _, k := range transitive {
		if !seen[strings.ToLower(k)] {
			return fault(400, "InvalidParameterValue", "The specified transitive tag key must be included in the requested tags.")
		}
	}
	return nil
}

func tagMap(tags []Tag) map[string]string {
	m := make(map[string]string, len(tags))
	for _, t := range tags {
		m[t.Key] = t.Value
	}
	return m
}

// A RoleSession describes a session of a role that is to be made.
type RoleSession struct {
	Role           *identity.Effective // whose ARN tells its account
	Name           string
	Duration       time.Duration
	PolicyText     string // a valid inline session policy, or empty
	PolicyARNs     []string
	Tags           map[string]string
	TransitiveTags []string
	SourceIdentity string
	Chained        bool // asked for with credentials of another role's session

	Provider  string              // of a web identity
	SourceARN string              // the trust anchor of IAM Roles Anywhere
	Keys      map[string][]string // see identity.Session
}

// NewRoleSession makes the credentials of a role's session. It neither authorizes nor
// records: whoever calls it has asked the trust policy, has kept the session within
// the role's longest, and records, before the credentials leave. Its error is that
// of policies and tags that are too long, an *awserr.Error, or one of our own.
func (s *Service) NewRoleSession(in *RoleSession) (*identity.Session, *Credentials, error) {
	session, credentials, _, err := s.newRoleSession(in)
	return session, credentials, err
}

func (s *Service) newRoleSession(in *RoleSession) (*identity.Session, *Credentials, int32, error) {
	account := in.account()
	session := &identity.Session{
		Kind: identity.SessionRole, Account: account, Name: in.Name, RoleID: in.Role.ID, RoleARN: in.Role.ARN,
		ARN:        arn.ARN{Partition: arn.Partition, Service: "sts", Account: account, Resource: "assumed-role/" + in.Role.Name + "/" + in.Name}.String(),
		PolicyText: in.PolicyText, PolicyARNs: in.PolicyARNs, Tags: in.Tags, TransitiveTags: in.TransitiveTags,
		SourceIdentity: in.SourceIdentity, Chained: in.Chained, Provider: in.Provider, SourceARN: in.SourceARN, Keys: in.Keys,
	}
	credentials, percent, err := s.mint(session, in.Duration)
	return session, credentials, percent, err
}

// account returns the account of the role.
func (in *RoleSession) account() string {
	a, _ := arn.Parse(in.Role.ARN)
	return a.Account
}

// inherit adds what a session passes on to the sessions of other roles: its transitive
// tags and its source identity, neither of which may change.
//
// Source: IAM User Guide, "Pass session tags in AWS STS", "Chaining roles with
// session tags", and "Monitor and control actions taken with assumed roles", read
// 2026-11-21.
func (in *RoleSession) inherit(from *identity.Session) error {
	if from == nil || from.Kind != identity.SessionRole {
		return nil
	}
	in.Chained = true
	if from.SourceIdentity != "" {
		if in.SourceIdentity != "" && in.SourceIdentity != from.SourceIdentity {
			return fault(http.StatusForbidden, "AccessDenied", "The source identity of the calling session cannot be changed.")
		}
		in.SourceIdentity = from.SourceIdentity
	}
	for k, v := range incoming(from) {
		for passed := range in.Tags {
			if strings.EqualFold(passed, k) {
				return fault(400, "InvalidParameterValue", "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.")
			}
		}
		in.Tags[k] = v
		in.TransitiveTags = append(in.TransitiveTags, k)
	}
	slices.Sort(in.TransitiveTags)
	return nil
}

// incoming returns the transitive tags of a session.
func incoming(from *identity.Session) map[string]string {
	tags := make(map[string]string)
	for _, k := range from.TransitiveTags {
		for have, v := range from.Tags { // the case of a transitive key may differ
			if strings.EqualFold(have, k) {
				tags[have] = v
			}
		}
	}
	return tags
}

// keys returns the condition keys of a session that is asked for.
//
// Source: Service Authorization Reference, "Actions, resources, and condition keys
// for AWS Security Token Service", read 2026-11-21.
func (in *RoleSession) keys() policy.MapContext {
	keys := policy.MapContext{"sts:rolesessionname": {in.Name}}
	if in.SourceIdentity != "" {
		keys["sts:sourceidentity"] = []string{in.SourceIdentity}
	}
	if len(in.TransitiveTags) > 0 {
		keys["sts:transitivetagkeys"] = in.TransitiveTags
	}
	requestTags(keys, in.Tags)
	return keys
}

func requestTags(keys policy.MapContext, tags map[string]string) {
	for k, v := range tags {
		keys["aws:requesttag/"+strings.ToLower(k)] = []string{v}
	}
	if len(tags) > 0 {
		keys["aws:tagkeys"] = slices.Sorted(maps.Keys(tags))
	}
}

// nobody is the trust policy of a role that does not exist.
var nobody = func() *policy.Policy {
	p, err := policy.Load(`{"Version":"2012-10-17","Statement":[]}`, policy.KindTrust)
	if err != nil {
		panic("sts: internal error: " + err.Error())
	}
	return p
}()

var errRoleARN = fault(400, "ValidationError", "Request ARN is invalid")

// assumable returns a role that the caller of o may assume by an action. Of one that
// does not exist, the answer is the same as of one that the caller may not assume.
func (s *Service) assumable(ctx context.Context, o *op, roleARN, action string, keys policy.MapContext, asked *RoleSession) (*identity.Effective, error) {
	a, err := arn.Parse(roleARN)
	if err != nil || a.Service != "iam" || a.Region != "" || !strings.HasPrefix(a.Resource, "role/") {
		return nil, errRoleARN
	}
	found, err := s.role(ctx, a.Account, roleARN)
	if err != nil {
		return nil, err
	}
	ask := authz.Ask{Resource: roleARN, Account: a.Account, Keys: keys, Policy: &policy.Named{Name: roleARN, Policy: nobody}}
	if found != nil {
		for k, v := range found.Tags {
			keys["aws:resourcetag/"+strings.ToLower(k)] = []string{v}
			keys["iam:resourcetag/"+strings.ToLower(k)] = []string{v}
		}
		ask.Policy = cmp.Or(found.Trust, ask.Policy)
		ask.Refresh = func(ctx context.Context, ask *authz.Ask) error {
			again, err := s.identity.EffectiveRole(ctx, a.Account, found.ID)
			if err == nil {
				ask.Policy = cmp.Or(again.Trust, &policy.Named{Name: roleARN, Policy: nobody})
			}
			return err
		}
	}
	actions := []string{action}
	if len(asked.Tags) > 0 {
		actions = append(actions, "sts:TagSession")
	}
	if asked.SourceIdentity != "" {
		actions = append(actions, "sts:SetSourceIdentity")
	}
	for _, ask.Action = range actions {
		each := ask
		if err := o.Ask(ctx, &each); err != nil {
			return nil, sameDenial(o.caller, ask.Action, roleARN, err)
		}
	}
	if found == nil {
		return nil, sameDenial(o.caller, action, roleARN, &authz.Denied{})
	}
	o.Resource("AWS::IAM::Role", roleARN, a.Account)
	return found, nil
}

// role returns the role with exactly that ARN, or nil.
func (s *Service) role(ctx context.Context, account, roleARN string) (*identity.Effective, error) {
	r, err := s.identity.RoleByARN(ctx, roleARN)
	if err == nil {
		var found *identity.Effective
		if found, err = s.identity.EffectiveRole(ctx, account, r.ID); err == nil {
			return found, nil
		}
	}
	if errors.Is(err, identity.ErrNoRole) {
		return nil, nil
	}
	return nil, err
}

// sameDenial words a denial so that it tells nothing of the role.
func sameDenial(c *authn.Caller, action, roleARN string, err error) error {
	denied := authz.AsDenied(err)
	if denied == nil {
		return err
	}
	if c.Type == authn.TypeWebIdentity {
		return fault(http.StatusForbidden, "AccessDenied", "Not authorized to perform %s", action).Because(err)
	}
	told := &authz.Denied{ID: denied.ID, Principal: c.ARN, Action: action, Resource: roleARN}
	if a, err := arn.Parse(roleARN); err != nil || a.Account != c.Account {
		told.ID = "" // an explanation would tell whether the role exists
	}
	text := told.Error()
	return fault(http.StatusForbidden, "AccessDenied", "%s", text).Because(err)
}

// lasting returns how long a session of a role lasts.
func lasting(role *identity.Effective, seconds *int32, chained bool) (time.Duration, error) {
	d := defaultRoleSession
	if seconds != nil {
		d = time.Duration(*seconds) * time.Second
	}
	switch {
	case chained && d > maxChained:
		return 0, fault(400, "ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining")
	case d > max(role.MaxSession, defaultRoleSession):
		return 0, fault(400, "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	return d, nil
}

func assumed(s *identity.Session) AssumedRoleUser {
	return AssumedRoleUser{AssumedRoleID: s.RoleID + ":" + s.Name, ARN: s.ARN}
}

// recordSession sets the responseElements of a role's session.
func recordSession(o *op, c *Credentials, user *AssumedRoleUser, percent int32, s *identity.Session) {
	o.Response("credentials", c.recorded())
	o.Response("assumedRoleUser", trail.Params{{Name: "assumedRoleId", Value: user.AssumedRoleID}, {Name: "arn", Value: user.ARN}})
	if percent > 0 {
		o.Response("packedPolicySize", int64(percent))
	}
	if s.SourceIdentity != "" {
		o.Response("sourceIdentity", s.SourceIdentity)
	}
}
