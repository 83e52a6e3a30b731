package rolesanywhere

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"coffer/internal/anchor"
	"coffer/internal/arn"
	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/meta"
	"coffer/internal/policy"
)

// Bounds of profiles.
//
// Source: IAM Roles Anywhere API Reference, CreateProfile; IAM User Guide, "IAM and
// AWS STS quotas": 10 managed policies of a session; read 2026-11-21.
const (
	minDuration        = 900 // seconds
	maxDuration        = 43_200
	defaultDuration    = 3_600
	maxManagedPolicies = 10
)

// MappingRule names an attribute of a certificate.
type MappingRule struct {
	Specifier string `json:"specifier"`
}

// AttributeMapping says what of a field of certificates becomes tags.
type AttributeMapping struct {
	CertificateField string        `json:"certificateField"`
	MappingRules     []MappingRule `json:"mappingRules"`
}

// ProfileDetail describes a profile.
type ProfileDetail struct {
	ProfileID                 string             `json:"profileId"`
	ProfileARN                string             `json:"profileArn"`
	Name                      string             `json:"name"`
	RequireInstanceProperties bool               `json:"requireInstanceProperties"`
	Enabled                   bool               `json:"enabled"`
	CreatedBy                 string             `json:"createdBy"`
	SessionPolicy             string             `json:"sessionPolicy,omitempty"`
	RoleARNs                  []string           `json:"roleArns"`
	ManagedPolicyARNs         []string           `json:"managedPolicyArns"`
	CreatedAt                 string             `json:"createdAt"`
	UpdatedAt                 string             `json:"updatedAt"`
	DurationSeconds           int32              `json:"durationSeconds"`
	AcceptRoleSessionName     bool               `json:"acceptRoleSessionName"`
	AttributeMappings         []AttributeMapping `json:"attributeMappings"`
}

func describeProfile(p *anchor.Profile) ProfileDetail {
	d := ProfileDetail{
		ProfileID: p.ID, ProfileARN: resourceARN(p.Place, anchor.KindProfile, p.ID), Name: p.Name, RequireInstanceProperties: p.NeedsProperties,
		Enabled: p.Enabled, CreatedBy: p.CreatedBy, SessionPolicy: p.SessionPolicy, RoleARNs: p.Roles, ManagedPolicyARNs: p.ManagedPolicies,
		CreatedAt: timestamp(p.Created), UpdatedAt: timestamp(p.Updated), DurationSeconds: int32(p.Duration / time.Second),
		AcceptRoleSessionName: p.TakesName, AttributeMappings: []AttributeMapping{},
	}
	for _, field := range slices.Sorted(maps.Keys(p.Mappings)) {
		m := AttributeMapping{CertificateField: string(field)}
		for _, rule := range p.Mappings[field] {
			m.MappingRules = append(m.MappingRules, MappingRule{rule})
		}
		d.AttributeMappings = append(d.AttributeMappings, m)
	}
	return d
}

// ProfileOutput is the answer of the operations on one profile.
type ProfileOutput struct {
	Profile ProfileDetail `json:"profile"`
}

func recordProfile(call *authz.Call) func(meta.Txn, *anchor.Profile) error {
	return func(tx meta.Txn, p *anchor.Profile) error {
		d := describeProfile(p)
		call.Resource("AWS::RolesAnywhere::Profile", d.ProfileARN, p.Place.Account)
		response := map[string]any{"profileId": d.ProfileID, "profileArn": d.ProfileARN, "name": d.Name, "enabled": d.Enabled,
			"requireInstanceProperties": d.RequireInstanceProperties, "createdBy": d.CreatedBy, "roleArns": d.RoleARNs,
			"managedPolicyArns": d.ManagedPolicyARNs, "createdAt": d.CreatedAt, "updatedAt": d.UpdatedAt,
			"durationSeconds": int64(d.DurationSeconds), "acceptRoleSessionName": d.AcceptRoleSessionName}
		if d.SessionPolicy != "" {
			response["sessionPolicy"] = d.SessionPolicy
		}
		call.Response("profile", response)
		return call.Record(tx)
	}
}

// roles checks the roles of a profile: those of its account alone.
func (v *checker) roles(c *authn.Caller, roles []string) {
	if len(roles) > anchor.MaxRoles {
		v.add("roleArns must have at most %d entries.", anchor.MaxRoles)
	}
	for _, r := range roles {
		if len(r) > 1011 || !patternRole.MatchString(r) || !strings.HasPrefix(r, "arn:"+arn.Partition+":iam::"+c.Account+":") {
			v.add("roleArns must hold ARNs of roles of the account.")
		}
	}
}

func (v *checker) policies(text *string, managed []string) {
	if text != nil && *text != "" {
		if characters(*text) > policy.SessionPolicySize {
			v.add("sessionPolicy must have at most %d characters.", policy.SessionPolicySize)
		} else if _, err := policy.Parse(*text, policy.KindSession); err != nil {
			v.add("sessionPolicy is no policy: %s", err.Error())
		}
	}
	if len(managed) > maxManagedPolicies {
		v.add("managedPolicyArns must have at most %d entries.", maxManagedPolicies)
	}
	for _, m := range managed {
		if a, err := arn.Parse(m); err != nil || len(m) > 200 || a.Service != "iam" || !strings.HasPrefix(a.Resource, "policy/") {
			v.add("managedPolicyArns must hold ARNs of managed policies.")
		}
	}
}

func (v *checker) duration(seconds *int32) {
	if seconds != nil && (*seconds < minDuration || *seconds > maxDuration) {
		v.add("durationSeconds must be %d to %d.", minDuration, maxDuration)
	}
}

// mayPass asks whether the caller may hand roles to the service.
//
// Source: IAM Roles Anywhere User Guide, "Creating a trust anchor and profile": the
// iam:PassRole permission; IAM User Guide, "Grant a user permissions to pass a role
// to an AWS service"; read 2026-11-21.
func mayPass(ctx context.Context, call *authz.Call, c *authn.Caller, roles []string) error {
	for _, r := range roles {
		keys := policy.MapContext{"iam:passedtoservice": {source}}
		if err := call.Ask(ctx, &authz.Ask{Action: "iam:PassRole", Resource: r, Account: c.Account, Keys: keys}); err != nil {
			return err
		}
	}
	return nil
}

// CreateProfileInput is the request of [Service.CreateProfile].
type CreateProfileInput struct {
	Name                      string   `json:"name"`
	RequireInstanceProperties bool     `json:"requireInstanceProperties"`
	SessionPolicy             *string  `json:"sessionPolicy"`
	RoleARNs                  []string `json:"roleArns"`
	ManagedPolicyARNs         []string `json:"managedPolicyArns"`
	DurationSeconds           *int32   `json:"durationSeconds"`
	Enabled                   bool     `json:"enabled"`
	Tags                      []Tag    `json:"tags"`
	AcceptRoleSessionName     bool     `json:"acceptRoleSessionName"`
}

// CreateProfile makes a profile: the roles that workloads may have, and what bounds
// their sessions. The caller must be allowed iam:PassRole on each role.
//
// It returns a *awserr.Error with code ValidationException, TooManyTagsException or
// AccessDeniedException.
//
// Source: IAM Roles Anywhere API Reference, CreateProfile.
func (s *Service) CreateProfile(ctx context.Context, c *authn.Caller, in *CreateProfileInput) (*ProfileOutput, error) {
	return run(ctx, s, c, "CreateProfile", changes, func(call *authz.Call) (*ProfileOutput, error) {
		call.Param("name", in.Name)
		call.Param("enabled", in.Enabled)
		call.Param("requireInstanceProperties", in.RequireInstanceProperties)
		call.Param("acceptRoleSessionName", in.AcceptRoleSessionName)
		paramTags(call, in.Tags)
		var v checker
		v.name("name", in.Name)
		if in.RoleARNs == nil {
			v.add("roleArns must be given.")
		}
		v.roles(c, in.RoleARNs)
		v.policies(in.SessionPolicy, in.ManagedPolicyARNs)
		v.duration(in.DurationSeconds)
		v.tags(in.Tags)
		if err := v.err(); err != nil {
			return nil, err
		}
		p := anchor.Profile{
			Header: anchor.Header{Place: place(c), Name: in.Name, Enabled: in.Enabled, Tags: domainTags(in.Tags)},
			Roles:  in.RoleARNs, ManagedPolicies: in.ManagedPolicyARNs, Duration: defaultDuration * time.Second,
			NeedsProperties: in.RequireInstanceProperties, TakesName: in.AcceptRoleSessionName, CreatedBy: c.ARN,
		}
		if p.ManagedPolicies == nil {
			p.ManagedPolicies = []string{}
		}
		if in.SessionPolicy != nil {
			p.SessionPolicy = *in.SessionPolicy
		}
		if in.DurationSeconds != nil {
			p.Duration = time.Duration(*in.DurationSeconds) * time.Second
		}
		paramProfile(call, &p)
		if err := s.ask(ctx, call, c, "CreateProfile", "", "", tagKeys(in.Tags)); err != nil {
			return nil, err
		}
		if err := mayPass(ctx, call, c, p.Roles); err != nil {
			return nil, err
		}
		made, err := s.anchors.CreateProfile(ctx, p, recordProfile(call))
		if err != nil {
			return nil, err
		}
		return &ProfileOutput{describeProfile(made)}, nil
	})
}

func paramProfile(call *authz.Call, p *anchor.Profile) {
	call.Param("roleArns", p.Roles)
	call.Param("managedPolicyArns", p.ManagedPolicies)
	call.Param("durationSeconds", int64(p.Duration/time.Second))
	if p.SessionPolicy != "" {
		call.Param("sessionPolicy", p.SessionPolicy)
	}
}

// UpdateProfileInput is the request of [Service.UpdateProfile].
type UpdateProfileInput struct {
	ProfileID             string   `json:"profileId"`
	Name                  *string  `json:"name"`
	SessionPolicy         *string  `json:"sessionPolicy"`
	RoleARNs              []string `json:"roleArns"`
	ManagedPolicyARNs     []string `json:"managedPolicyArns"`
	DurationSeconds       *int32   `json:"durationSeconds"`
	AcceptRoleSessionName *bool    `json:"acceptRoleSessionName"`
}

// UpdateProfile changes a profile, for sessions that are made from then on. What is
// left out stays.
//
// It returns a *awserr.Error with code ValidationException,
// ResourceNotFoundException or AccessDeniedException.
//
// Source: IAM Roles Anywhere API Reference, UpdateProfile.
func (s *Service) UpdateProfile(ctx context.Context, c *authn.Caller, in *UpdateProfileInput) (*ProfileOutput, error) {
	return run(ctx, s, c, "UpdateProfile", changes, func(call *authz.Call) (*ProfileOutput, error) {
		call.Param("profileId", in.ProfileID)
		var v checker
		v.id("profileId", in.ProfileID)
		if in.Name != nil {
			v.name("name", *in.Name)
		}
		v.roles(c, in.RoleARNs)
		v.policies(in.SessionPolicy, in.ManagedPolicyARNs)
		v.duration(in.DurationSeconds)
		if err := v.err(); err != nil {
			return nil, err
		}
		change := anchor.ProfileChange{Name: in.Name, Roles: in.RoleARNs, SessionPolicy: in.SessionPolicy, ManagedPolicies: in.ManagedPolicyARNs, TakesName: in.AcceptRoleSessionName}
		if in.DurationSeconds != nil {
			d := time.Duration(*in.DurationSeconds) * time.Second
			change.Duration = &d
			call.Param("durationSeconds", int64(*in.DurationSeconds))
		}
		if in.Name != nil {
			call.Param("name", *in.Name)
		}
		if in.RoleARNs != nil {
			call.Param("roleArns", in.RoleARNs)
		}
		if in.ManagedPolicyARNs != nil {
			call.Param("managedPolicyArns", in.ManagedPolicyARNs)
		}
		if in.SessionPolicy != nil {
			call.Param("sessionPolicy", *in.SessionPolicy)
		}
		if err := s.ask(ctx, call, c, "UpdateProfile", anchor.KindProfile, in.ProfileID, nil); err != nil {
			return nil, err
		}
		if err := mayPass(ctx, call, c, in.RoleARNs); err != nil {
			return nil, err
		}
		p, err := s.anchors.UpdateProfile(ctx, place(c), in.ProfileID, change, recordProfile(call))
		if err != nil {
			return nil, err
		}
		return &ProfileOutput{describeProfile(p)}, nil
	})
}

// ProfileInput names a profile.
type ProfileInput struct {
	ProfileID string `json:"profileId"`
}

// oneProfile checks, authorizes and does something with one profile.
func (s *Service) oneProfile(ctx context.Context, c *authn.Caller, action string, readOnly bool, id string, act func(*authz.Call) (*anchor.Profile, error)) (*ProfileOutput, error) {
	return run(ctx, s, c, action, readOnly, func(call *authz.Call) (*ProfileOutput, error) {
		call.Param("profileId", id)
		var v checker
		v.id("profileId", id)
		if err := v.err(); err != nil {
			return nil, err
		}
		if err := s.ask(ctx, call, c, action, anchor.KindProfile, id, nil); err != nil {
			return nil, err
		}
		p, err := act(call)
		if err != nil {
			return nil, err
		}
		return &ProfileOutput{describeProfile(p)}, nil
	})
}

// GetProfile describes a profile.
//
// It returns a *awserr.Error with code ValidationException,
// ResourceNotFoundException or AccessDeniedException, as do the operations below.
//
// Source: IAM Roles Anywhere API Reference, GetProfile.
func (s *Service) GetProfile(ctx context.Context, c *authn.Caller, in *ProfileInput) (*ProfileOutput, error) {
	return s.oneProfile(ctx, c, "GetProfile", reads, in.ProfileID, func(*authz.Call) (*anchor.Profile, error) {
		return s.anchors.Profile(ctx, place(c), in.ProfileID)
	})
}

// DeleteProfile removes a profile. Sessions that it bounded last until they end.
//
// Source: IAM Roles Anywhere API Reference, DeleteProfile.
func (s *Service) DeleteProfile(ctx context.Context, c *authn.Caller, in *ProfileInput) (*ProfileOutput, error) {
	return s.oneProfile(ctx, c, "DeleteProfile", changes, in.ProfileID, func(call *authz.Call) (*anchor.Profile, error) {
		return s.anchors.DeleteProfile(ctx, place(c), in.ProfileID, recordProfile(call))
	})
}

// EnableProfile lets workloads use a profile.
//
// Source: IAM Roles Anywhere API Reference, EnableProfile.
func (s *Service) EnableProfile(ctx context.Context, c *authn.Caller, in *ProfileInput) (*ProfileOutput, error) {
	return s.oneProfile(ctx, c, "EnableProfile", changes, in.ProfileID, func(call *authz.Call) (*anchor.Profile, error) {
		return s.anchors.EnableProfile(ctx, place(c), in.ProfileID, true, recordProfile(call))
	})
}

// DisableProfile keeps workloads from using a profile.
//
// Source: IAM Roles Anywhere API Reference, DisableProfile.
func (s *Service) DisableProfile(ctx context.Context, c *authn.Caller, in *ProfileInput) (*ProfileOutput, error) {
	return s.oneProfile(ctx, c, "DisableProfile", changes, in.ProfileID, func(call *authz.Call) (*anchor.Profile, error) {
		return s.anchors.EnableProfile(ctx, place(c), in.ProfileID, false, recordProfile(call))
	})
}

// PutAttributeMappingInput is the request of [Service.PutAttributeMapping].
type PutAttributeMappingInput struct {
	ProfileID        string        `json:"profileId"`
	CertificateField string        `json:"certificateField"`
	MappingRules     []MappingRule `json:"mappingRules"`
}

// PutAttributeMapping sets what of a field of certificates becomes tags of the
// sessions.
//
// Source: IAM Roles Anywhere API Reference, PutAttributeMapping.
func (s *Service) PutAttributeMapping(ctx context.Context, c *authn.Caller, in *PutAttributeMappingInput) (*ProfileOutput, error) {
	return s.oneProfile(ctx, c, "PutAttributeMapping", changes, in.ProfileID, func(call *authz.Call) (*anchor.Profile, error) {
		var rules []string
		for _, r := range in.MappingRules {
			rules = append(rules, r.Specifier)
		}
		call.Param("certificateField", in.CertificateField)
		call.Param("mappingRules", rules)
		return s.anchors.PutMapping(ctx, place(c), in.ProfileID, anchor.Field(in.CertificateField), rules, recordProfile(call))
	})
}

// DeleteAttributeMappingInput is the request of [Service.DeleteAttributeMapping].
type DeleteAttributeMappingInput struct {
	ProfileID        string   `json:"profileId"`
	CertificateField string   `json:"certificateField"`
	Specifiers       []string `json:"specifiers"`
}

// DeleteAttributeMapping removes rules of a field of certificates, or all of them if
// none are named.
//
// Source: IAM Roles Anywhere API Reference, DeleteAttributeMapping.
func (s *Service) DeleteAttributeMapping(ctx context.Context, c *authn.Caller, in *DeleteAttributeMappingInput) (*ProfileOutput, error) {
	return s.oneProfile(ctx, c, "DeleteAttributeMapping", changes, in.ProfileID, func(call *authz.Call) (*anchor.Profile, error) {
		call.Param("certificateField", in.CertificateField)
		call.Param("specifiers", in.Specifiers)
		return s.anchors.DeleteMapping(ctx, place(c), in.ProfileID, anchor.Field(in.CertificateField), in.Specifiers, recordProfile(call))
	})
}

// ListProfilesOutput is the answer of [Service.ListProfiles].
type ListProfilesOutput struct {
	Profiles  []ProfileDetail `json:"profiles"`
	NextToken string          `json:"nextToken,omitempty"`
}

// ListProfiles lists the profiles of the account and region by ID.
//
// It returns a *awserr.Error with code ValidationException or AccessDeniedException.
//
// Source: IAM Roles Anywhere API Reference, ListProfiles.
func (s *Service) ListProfiles(ctx context.Context, c *authn.Caller, in *ListInput) (*ListProfilesOutput, error) {
	return run(ctx, s, c, "ListProfiles", reads, func(call *authz.Call) (*ListProfilesOutput, error) {
		if err := s.ask(ctx, call, c, "ListProfiles", "", "", nil); err != nil {
			return nil, err
		}
		list, err := s.anchors.Profiles(ctx, place(c))
		if err != nil {
			return nil, err
		}
		page, next, err := cut(list, func(p *anchor.Profile) string { return p.ID }, "profiles", in)
		if err != nil {
			return nil, err
		}
		out := &ListProfilesOutput{Profiles: []ProfileDetail{}, NextToken: next}
		for _, p := range page {
			out.Profiles = append(out.Profiles, describeProfile(p))
		}
		return out, nil
	})
}
