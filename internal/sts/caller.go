package sts

import (
	"context"
	"errors"
	"net/http"
	"time"

	"coffer/internal/arn"
	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/identity"
	"coffer/internal/policy"
	"coffer/internal/trail"
)

// GetCallerIdentityInput is the request of [Service.GetCallerIdentity].
type GetCallerIdentityInput struct{}

// GetCallerIdentityOutput is the answer of [Service.GetCallerIdentity].
type GetCallerIdentityOutput struct {
	UserID  string `query:"UserId"`
	Account string
	ARN     string `query:"Arn"`
}

// GetCallerIdentity tells callers who they are. No policy can forbid it.
//
// Source: AWS STS API Reference, GetCallerIdentity.
func (s *Service) GetCallerIdentity(ctx context.Context, c *authn.Caller, _ *GetCallerIdentityInput) (*GetCallerIdentityOutput, error) {
	return run(ctx, s, c, "GetCallerIdentity", func(*op) (*GetCallerIdentityOutput, error) {
		if c.IsAnonymous() {
			return nil, fault(http.StatusForbidden, "MissingAuthenticationToken", "Request is missing Authentication Token")
		}
		return &GetCallerIdentityOutput{c.PrincipalID, c.Account, c.ARN}, nil
	})
}

// GetAccessKeyInfoInput is the request of [Service.GetAccessKeyInfo].
type GetAccessKeyInfoInput struct {
	AccessKeyID string `query:"AccessKeyId"`
}

// GetAccessKeyInfoOutput is the answer of [Service.GetAccessKeyInfo].
type GetAccessKeyInfoOutput struct{ Account string }

// GetAccessKeyInfo tells which account an access key ID belongs to. Of temporary
// credentials, the ID itself tells it, whether they were ever made or not.
//
// It returns a *awserr.Error with code ValidationError, AccessDenied, or
// InvalidParameterValue for an access key that does not exist.
//
// Source: AWS STS API Reference, GetAccessKeyInfo.
func (s *Service) GetAccessKeyInfo(ctx context.Context, c *authn.Caller, in *GetAccessKeyInfoInput) (*GetAccessKeyInfoOutput, error) {
	return run(ctx, s, c, "GetAccessKeyInfo", func(o *op) (*GetAccessKeyInfoOutput, error) {
		o.Param("accessKeyId", in.AccessKeyID)
		var v checker
		v.text("accessKeyId", in.AccessKeyID, formKeyID)
		if err := v.err(); err != nil {
			return nil, err
		}
		if err := o.Ask(ctx, &authz.Ask{Action: "sts:GetAccessKeyInfo", Resource: "*"}); err != nil {
			return nil, err
		}
		account, ok := accountOf(in.AccessKeyID)
		if ok {
			if _, err := s.identity.Account(ctx, account); errors.Is(err, identity.ErrNoAccount) {
				return nil, identity.ErrNoAccessKey
			} else if err != nil {
				return nil, err
			}
			return &GetAccessKeyInfoOutput{account}, nil
		}
		k, err := s.identity.Lookup(ctx, in.AccessKeyID)
		if err != nil {
			return nil, err
		}
		return &GetAccessKeyInfoOutput{k.Account}, nil
	})
}

// DecodeAuthorizationMessageInput is the request of
// [Service.DecodeAuthorizationMessage].
type DecodeAuthorizationMessageInput struct{ EncodedMessage string }

// DecodeAuthorizationMessageOutput is the answer of
// [Service.DecodeAuthorizationMessage].
type DecodeAuthorizationMessageOutput struct{ DecodedMessage string }

// DecodeAuthorizationMessage explains a denial, by the authorization ID that the
// denial carries.
//
// It returns a *awserr.Error with code ValidationError, AccessDenied, or
// InvalidAuthorizationMessageException for one that stands for nothing.
//
// Source: AWS STS API Reference, DecodeAuthorizationMessage.
func (s *Service) DecodeAuthorizationMessage(ctx context.Context, c *authn.Caller, in *DecodeAuthorizationMessageInput) (*DecodeAuthorizationMessageOutput, error) {
	return run(ctx, s, c, "DecodeAuthorizationMessage", func(o *op) (*DecodeAuthorizationMessageOutput, error) {
		var v checker
		v.text("encodedMessage", in.EncodedMessage, formMessage)
		if err := v.err(); err != nil {
			return nil, err
		}
		if err := o.Ask(ctx, &authz.Ask{Action: "sts:DecodeAuthorizationMessage", Resource: "*"}); err != nil {
			return nil, err
		}
		invalid := fault(400, "InvalidAuthorizationMessageException", "Message is not valid")
		if s.explain == nil {
			return nil, invalid
		}
		text, err := s.explain.Decode(ctx, c, in.EncodedMessage)
		if err != nil {
			return nil, invalid.Because(err)
		}
		return &DecodeAuthorizationMessageOutput{text}, nil
	})
}

// How long the credentials of GetSessionToken and GetFederationToken last.
//
// Source: AWS STS API Reference, GetSessionToken and GetFederationToken, read
// 2026-11-21.
const (
	maxUserSession     = 129_600 // seconds
	defaultUserSession = 12 * time.Hour
	maxRootSession     = time.Hour
)

// userSession returns the session of a user, or of root, and how long it lasts: of
// root never more than an hour, whatever was asked for.
func userSession(c *authn.Caller, kind identity.SessionKind, seconds *int32) (*identity.Session, time.Duration) {
	d := defaultUserSession
	if seconds != nil {
		d = time.Duration(*seconds) * time.Second
	}
	session := &identity.Session{Kind: kind, Account: c.Account, ARN: c.ARN, UserID: c.EntityID, UserARN: c.ARN}
	if c.Type == authn.TypeRoot {
		session.UserID, d = c.Account, min(d, maxRootSession)
	}
	return session, d
}

// GetSessionTokenInput is the request of [Service.GetSessionToken].
type GetSessionTokenInput struct {
	DurationSeconds *int32
	SerialNumber    string
	TokenCode       string
}

// GetSessionTokenOutput is the answer of [Service.GetSessionToken].
type GetSessionTokenOutput struct{ Credentials *Credentials }

// GetSessionToken returns temporary credentials of the calling user, or of root. No
// policy can forbid it; without an MFA device, which this server does not have, IAM
// refuses them, and STS all but AssumeRole and GetCallerIdentity.
//
// It returns a *awserr.Error with code ValidationError, or AccessDenied for
// temporary credentials and for an MFA code.
//
// Source: AWS STS API Reference, GetSessionToken.
func (s *Service) GetSessionToken(ctx context.Context, c *authn.Caller, in *GetSessionTokenInput) (*GetSessionTokenOutput, error) {
	return run(ctx, s, c, "GetSessionToken", func(o *op) (*GetSessionTokenOutput, error) {
		if in.DurationSeconds != nil {
			o.Param("durationSeconds", int64(*in.DurationSeconds))
		}
		var v checker
		v.duration(in.DurationSeconds, maxUserSession)
		v.optional("serialNumber", in.SerialNumber, formSerial)
		v.optional("tokenCode", in.TokenCode, formCode)
		if err := v.err(); err != nil {
			return nil, err
		}
		if err := noDevice(in.SerialNumber, in.TokenCode); err != nil {
			return nil, err
		}
		session, lasts := userSession(c, identity.SessionUser, in.DurationSeconds)
		credentials, _, err := s.mint(session, lasts)
		if err != nil {
			return nil, err
		}
		o.Response("credentials", credentials.recorded())
		return &GetSessionTokenOutput{credentials}, s.issued(ctx, o)
	})
}

// GetFederationTokenInput is the request of [Service.GetFederationToken].
type GetFederationTokenInput struct {
	Name string
	SessionPolicies
	DurationSeconds *int32
	Tags            []Tag
}

// GetFederationTokenOutput is the answer of [Service.GetFederationToken].
type GetFederationTokenOutput struct {
	Credentials      *Credentials
	FederatedUser    FederatedUser
	PackedPolicySize int32 `query:",omitempty"`
}

// A FederatedUser names who the credentials are for.
type FederatedUser struct {
	FederatedUserID string `query:"FederatedUserId"`
	ARN             string `query:"Arn"`
}

// GetFederationToken returns credentials for somebody whom the calling user, or root,
// vouches for. They may do what both the user's policies and the session policies
// allow; without session policies, only what the policies of resources do.
//
// It returns a *awserr.Error with code ValidationError, AccessDenied also for
// temporary credentials, InvalidParameterValue for tags that can't be set together,
// MalformedPolicyDocument or PackedPolicyTooLarge.
//
// Source: AWS STS API Reference, GetFederationToken.
func (s *Service) GetFederationToken(ctx context.Context, c *authn.Caller, in *GetFederationTokenInput) (*GetFederationTokenOutput, error) {
	return run(ctx, s, c, "GetFederationToken", func(o *op) (*GetFederationTokenOutput, error) {
		o.Param("name", in.Name)
		in.record(o)
		if in.DurationSeconds != nil {
			o.Param("durationSeconds", int64(*in.DurationSeconds))
		}
		recordTags(o, in.Tags, nil)
		var v checker
		v.text("name", in.Name, formUser)
		v.policies(&in.SessionPolicies)
		v.duration(in.DurationSeconds, maxUserSession)
		v.tags(in.Tags, nil)
		if err := v.err(); err != nil {
			return nil, err
		}
		if err := checkTags(in.Tags, nil); err != nil {
			return nil, err
		}
		text, err := in.text()
		if err != nil {
			return nil, err
		}
		session, lasts := userSession(c, identity.SessionFederated, in.DurationSeconds)
		session.Name, session.PolicyText, session.PolicyARNs, session.Tags = in.Name, text, in.arns(), tagMap(in.Tags)
		session.ARN = arn.ARN{Partition: arn.Partition, Service: "sts", Account: c.Account, Resource: "federated-user/" + in.Name}.String()
		if err := federates(ctx, o, session); err != nil {
			return nil, err
		}
		if err := s.checkManaged(ctx, c.Account, session.PolicyARNs); err != nil {
			return nil, err
		}
		credentials, percent, err := s.mint(session, lasts)
		if err != nil {
			return nil, err
		}
		out := &GetFederationTokenOutput{credentials, FederatedUser{c.Account + ":" + in.Name, session.ARN}, percent}
		o.Response("credentials", credentials.recorded())
		o.Response("federatedUser", trail.Params{{Name: "federatedUserId", Value: out.FederatedUser.FederatedUserID}, {Name: "arn", Value: session.ARN}})
		if percent > 0 {
			o.Response("packedPolicySize", int64(percent))
		}
		return out, s.issued(ctx, o)
	})
}

// federates asks whether the caller may make a federated user's session.
func federates(ctx context.Context, o *op, session *identity.Session) error {
	keys := policy.MapContext{}
	requestTags(keys, session.Tags)
	err := o.Ask(ctx, &authz.Ask{Action: "sts:GetFederationToken", Resource: session.ARN, Keys: keys})
	if err == nil && len(session.Tags) > 0 {
		err = o.Ask(ctx, &authz.Ask{Action: "sts:TagSession", Resource: session.ARN, Keys: keys})
	}
	return err
}
