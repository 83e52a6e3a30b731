package sts

import (
	"context"
	"log/slog"

	"coffer/internal/arn"
	"coffer/internal/authn"
)

// AssumeRoleWithWebIdentityInput is the request of
// [Service.AssumeRoleWithWebIdentity].
type AssumeRoleWithWebIdentityInput struct {
	RoleARN          string `query:"RoleArn"`
	RoleSessionName  string
	WebIdentityToken WebToken
	ProviderID       string `query:"ProviderId"`
	SessionPolicies
	DurationSeconds *int32
}

// A WebToken is the token of an identity provider: whoever has it is who it names.
type WebToken string

// String returns [secret].
func (WebToken) String() string { return "[secret]" }

// GoString returns [secret].
func (WebToken) GoString() string { return "[secret]" }

// LogValue returns [secret].
func (WebToken) LogValue() slog.Value { return slog.StringValue("[secret]") }

// AssumeRoleWithWebIdentityOutput is the answer of
// [Service.AssumeRoleWithWebIdentity].
type AssumeRoleWithWebIdentityOutput struct {
	Credentials                 *Credentials
	SubjectFromWebIdentityToken string
	AssumedRoleUser             AssumedRoleUser
	PackedPolicySize            int32 `query:",omitempty"`
	Provider                    string
	Audience                    string
	SourceIdentity              string `query:",omitempty"`
}

// AssumeRoleWithWebIdentity returns credentials for a session of a role to whoever
// shows a token of an OpenID Connect provider. Nothing else proves the caller: the
// provider must be registered in the role's account, sign with an algorithm that
// suits its key, and name an audience that is registered; then the role's trust
// policy decides, on the token's claims.
//
// It returns a *awserr.Error with code
//
//   - ValidationError for a request of the wrong shape, and a longer session than
//     the role may have,
//   - InvalidIdentityToken for a token that proves nothing, with a reason only to
//     who has a token that the provider signed,
//   - ExpiredTokenException, IDPCommunicationError,
//   - AccessDenied if the role can't be assumed, whether it exists or not,
//   - MalformedPolicyDocument and PackedPolicyTooLarge for the session policies,
//   - NotImplemented for the tokens of OAuth 2.0 providers.
//
// Source: AWS STS API Reference, AssumeRoleWithWebIdentity.
func (s *Service) AssumeRoleWithWebIdentity(ctx context.Context, c *authn.Caller, in *AssumeRoleWithWebIdentityInput) (*AssumeRoleWithWebIdentityOutput, error) {
	account, text, refused := in.check()
	var w *webIdentity
	if refused == nil {
		if w, refused = s.verify(ctx, account, string(in.WebIdentityToken)); refused != nil {
			s.log.LogAttrs(ctx, slog.LevelInfo, "web identity token refused", slog.String("request_id", c.RequestID), slog.String("error", refused.Error()))
		} else {
			c = w.caller(c)
		}
	}
	return run(ctx, s, c, "AssumeRoleWithWebIdentity", func(o *op) (*AssumeRoleWithWebIdentityOutput, error) {
		o.Param("roleArn", in.RoleARN)
		o.Param("roleSessionName", in.RoleSessionName)
		in.SessionPolicies.record(o)
		if in.DurationSeconds != nil {
			o.Param("durationSeconds", int64(*in.DurationSeconds))
		}
		if refused != nil {
			return nil, refused
		}
		return s.assumeWithWebIdentity(ctx, o, in, w, text)
	})
}

// check returns the account of the role, and the inline session policy.
func (in *AssumeRoleWithWebIdentityInput) check() (account, text string, err error) {
	var v checker
	v.text("roleArn", in.RoleARN, formARN)
	v.text("roleSessionName", in.RoleSessionName, formName)
	v.text("webIdentityToken", string(in.WebIdentityToken), formToken)
	v.optional("providerId", in.ProviderID, formIssuer)
	v.policies(&in.SessionPolicies)
	v.duration(in.DurationSeconds, maxRoleSession)
	if err := v.err(); err != nil {
		return "", "", err
	}
	if in.ProviderID != "" {
		return "", "", NotImplemented("Tokens of OAuth 2.0 providers are not implemented by this server; leave out ProviderId for OpenID Connect.")
	}
	a, err := arn.Parse(in.RoleARN)
	if err != nil {
		return "", "", errRoleARN
	}
	text, err = in.text()
	return a.Account, text, err
}

func (s *Service) assumeWithWebIdentity(ctx context.Context, o *op, in *AssumeRoleWithWebIdentityInput, w *webIdentity, text string) (*AssumeRoleWithWebIdentityOutput, error) {
	session, trust := w.keys()
	asked := &RoleSession{
		Name: in.RoleSessionName, PolicyText: text, PolicyARNs: in.arns(), SourceIdentity: w.sourceIdentity,
		Tags: w.tags, TransitiveTags: w.transitive, Provider: w.provider.ARN, Keys: session,
	}
	if len(w.tags) > 0 {
		o.Param("principalTags", w.tags)
		o.Param("transitiveTagKeys", w.transitive)
	}
	keys := asked.keys()
	for _, more := range []map[string][]string{session, trust, {"aws:federatedprovider": {w.provider.ARN}}} {
		for k, v := range more {
			keys[k] = v
		}
	}
	var err error
	if asked.Role, err = s.assumable(ctx, o, in.RoleARN, "sts:AssumeRoleWithWebIdentity", keys, asked); err != nil {
		return nil, err
	}
	if asked.Duration, err = lasting(asked.Role, in.DurationSeconds, false); err != nil {
		return nil, err
	}
	if err := s.checkManaged(ctx, asked.account(), asked.PolicyARNs); err != nil {
		return nil, err
	}
	made, credentials, percent, err := s.newRoleSession(asked)
	if err != nil {
		return nil, err
	}
	out := &AssumeRoleWithWebIdentityOutput{
		Credentials: credentials, SubjectFromWebIdentityToken: w.subject, AssumedRoleUser: assumed(made), PackedPolicySize: percent,
		Provider: w.provider.ARN, Audience: w.audience, SourceIdentity: w.sourceIdentity,
	}
	o.Response("subjectFromWebIdentityToken", w.subject)
	recordSession(o, credentials, &out.AssumedRoleUser, percent, made)
	o.Response("provider", w.provider.ARN)
	o.Response("audience", w.audience)
	return out, s.issued(ctx, o)
}

// caller returns who a token names, with the facts of the anonymous request.
func (w *webIdentity) caller(anonymous *authn.Caller) *authn.Caller {
	c := *anonymous
	c.Type, c.ARN, c.UserName = authn.TypeWebIdentity, w.provider.ARN, w.subject
	c.PrincipalID = w.provider.ARN + ":" + w.audience + ":" + w.subject
	// Signed or not, the request counts as the token's alone.
	c.Account, c.AccessKeyID, c.EntityID, c.Session = "", "", "", nil
	return &c
}
