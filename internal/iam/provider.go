package iam

import (
	"context"
	"fmt"
	"strings"
	"time"

	"coffer/internal/arn"
	"coffer/internal/authn"
	"coffer/internal/identity"
)

// Limits of identity providers.
//
// Source: IAM API Reference, CreateOpenIDConnectProvider, read 2026-11-21.
const (
	maxURL         = 255
	maxClientID    = 255
	maxClientIDs   = 100
	maxThumbprints = 5
)

// checkProviderARN refuses what is an ARN of something else, or none at all.
func checkProviderARN(providerARN string) error {
	a, err := arn.Parse(providerARN)
	if err != nil || a.Service != "iam" || a.Region != "" || a.Account == "" || !strings.HasPrefix(a.Resource, "oidc-provider/") {
		return fault(400, "InvalidInput", "Invalid ARN: %s", providerARN)
	}
	return nil
}

// clientIDs checks audiences, if there are any.
func (v *checker) clientIDs(list []string) {
	if len(list) > maxClientIDs {
		v.add("Value", "clientIDList", fmt.Sprintf("Member must have length less than or equal to %d", maxClientIDs))
		return
	}
	for i, id := range list {
		v.text(fmt.Sprintf("clientIDList.%d.member", i+1), id, 1, maxClientID, "", nil)
	}
}

// thumbprints checks the SHA-1 fingerprints of certificates, if there are any.
func (v *checker) thumbprints(list []string) {
	if len(list) > maxThumbprints {
		v.add("Value", "thumbprintList", fmt.Sprintf("Member must have length less than or equal to %d", maxThumbprints))
		return
	}
	for i, t := range list {
		v.text(fmt.Sprintf("thumbprintList.%d.member", i+1), t, 40, 40, "[0-9a-fA-F]{40}", func(s string) bool {
			return strings.Trim(s, "0123456789abcdefABCDEF") == ""
		})
	}
}

// useProvider authorizes the operation on the identity provider of an ARN.
func (s *Service) useProvider(ctx context.Context, o *op, providerARN string) (*target, *identity.Provider, error) {
	if err := checkProviderARN(providerARN); err != nil {
		return nil, nil, err
	}
	t, p, err := s.provider(ctx, o, providerARN)
	if err != nil {
		return nil, nil, err
	}
	return t, p, o.use(ctx, t)
}

// CreateOpenIDConnectProviderInput is the request of
// [Service.CreateOpenIDConnectProvider].
type CreateOpenIDConnectProviderInput struct {
	URL            string `query:"Url"` // https://...
	ClientIDList   []string
	ThumbprintList []string
	Tags           []Tag
}

// CreateOpenIDConnectProviderOutput is the answer of
// [Service.CreateOpenIDConnectProvider].
type CreateOpenIDConnectProviderOutput struct {
	OpenIDConnectProviderARN string `query:"OpenIDConnectProviderArn"`
	Tags                     []Tag  `query:",omitempty"`
}

// CreateOpenIDConnectProvider makes an OpenID Connect identity provider. With tags
// the caller needs iam:TagOpenIDConnectProvider as well.
//
// It returns a *awserr.Error with code ValidationError, AccessDenied,
// EntityAlreadyExists, InvalidInput or LimitExceeded.
//
// Source: IAM API Reference, CreateOpenIDConnectProvider, read 2026-11-21.
func (s *Service) CreateOpenIDConnectProvider(ctx context.Context, c *authn.Caller, in *CreateOpenIDConnectProviderInput) (*CreateOpenIDConnectProviderOutput, error) {
	return run(ctx, s, c, "CreateOpenIDConnectProvider", in, func(v *checker) {
		if v.required("url", in.URL) {
			v.text("url", in.URL, 1, maxURL, "", nil)
		}
		v.clientIDs(in.ClientIDList)
		v.thumbprints(in.ThumbprintList)
		v.tags(in.Tags)
	}, func(o *op) (out *CreateOpenIDConnectProviderOutput, err error) {
		host, isHTTPS := strings.CutPrefix(in.URL, "https://")
		if !isHTTPS || host == "" || !isPrintable(host) {
			return nil, fault(400, "ValidationError", "Invalid Open ID Connect Provider URL")
		}
		if err := o.create(ctx, iamARN(o, "oidc-provider/"+host), "TagOpenIDConnectProvider", in.Tags, nil); err != nil {
			return nil, err
		}
		new := identity.NewProvider{URL: in.URL, ClientIDs: in.ClientIDList, Thumbprints: in.ThumbprintList, Tags: each(in.Tags, keepTag)}
		_, err = s.identity.CreateProvider(ctx, c.Account, new, answered(o, &out, func(p identity.Provider) *CreateOpenIDConnectProviderOutput {
			return &CreateOpenIDConnectProviderOutput{p.ARN, each(p.Tags, showTag)}
		}))
		return out, about(err, "newProvider", in.URL)
	})
}

// GetOpenIDConnectProviderInput is the request of
// [Service.GetOpenIDConnectProvider].
type GetOpenIDConnectProviderInput struct {
	OpenIDConnectProviderARN string `query:"OpenIDConnectProviderArn"`
}

// GetOpenIDConnectProviderOutput is the answer of
// [Service.GetOpenIDConnectProvider].
type GetOpenIDConnectProviderOutput struct {
	URL            string `query:"Url"` // without https://
	ClientIDList   []string
	ThumbprintList []string
	CreateDate     time.Time
	Tags           []Tag `query:",omitempty"`
}

// GetOpenIDConnectProvider returns an identity provider.
//
// It returns a *awserr.Error with code ValidationError, InvalidInput, AccessDenied
// or NoSuchEntity.
//
// Source: IAM API Reference, GetOpenIDConnectProvider, read 2026-11-21.
func (s *Service) GetOpenIDConnectProvider(ctx context.Context, c *authn.Caller, in *GetOpenIDConnectProviderInput) (*GetOpenIDConnectProviderOutput, error) {
	return run(ctx, s, c, "GetOpenIDConnectProvider", in, func(v *checker) {
		v.arn("openIDConnectProviderArn", in.OpenIDConnectProviderARN)
	}, func(o *op) (*GetOpenIDConnectProviderOutput, error) {
		_, p, err := s.useProvider(ctx, o, in.OpenIDConnectProviderARN)
		if err != nil {
			return nil, err
		}
		return &GetOpenIDConnectProviderOutput{p.URL, p.ClientIDs, p.Thumbprints, p.CreatedAt, each(p.Tags, showTag)}, nil
	})
}

// ListOpenIDConnectProvidersInput is the request of
// [Service.ListOpenIDConnectProviders].
type ListOpenIDConnectProvidersInput struct{}

// ListOpenIDConnectProvidersOutput is the answer of
// [Service.ListOpenIDConnectProviders].
type ListOpenIDConnectProvidersOutput struct {
	OpenIDConnectProviderList []OpenIDConnectProviderListEntry
}

// An OpenIDConnectProviderListEntry names an identity provider.
type OpenIDConnectProviderListEntry struct {
	ARN string `query:"Arn"`
}

// ListOpenIDConnectProviders lists the identity providers of the account.
//
// It returns a *awserr.Error with code AccessDenied.
//
// Source: IAM API Reference, ListOpenIDConnectProviders, read 2026-11-21.
func (s *Service) ListOpenIDConnectProviders(ctx context.Context, c *authn.Caller, in *ListOpenIDConnectProvidersInput) (*ListOpenIDConnectProvidersOutput, error) {
	return run(ctx, s, c, "ListOpenIDConnectProviders", in, nil, func(o *op) (*ListOpenIDConnectProvidersOutput, error) {
		if err := o.ask(ctx, iamARN(o, "oidc-provider/*"), nil); err != nil {
			return nil, err
		}
		list, err := s.identity.Providers(ctx, c.Account)
		return &ListOpenIDConnectProvidersOutput{each(list, func(p identity.Provider) OpenIDConnectProviderListEntry {
			return OpenIDConnectProviderListEntry{p.ARN}
		})}, err
	})
}

// DeleteOpenIDConnectProviderInput is the request of
// [Service.DeleteOpenIDConnectProvider].
type DeleteOpenIDConnectProviderInput struct {
	OpenIDConnectProviderARN string `query:"OpenIDConnectProviderArn"`
}

// DeleteOpenIDConnectProvider removes an identity provider.
//
// It returns a *awserr.Error with code ValidationError, InvalidInput, AccessDenied
// or NoSuchEntity.
//
// Source: IAM API Reference, DeleteOpenIDConnectProvider, read 2026-11-21.
func (s *Service) DeleteOpenIDConnectProvider(ctx context.Context, c *authn.Caller, in *DeleteOpenIDConnectProviderInput) error {
	return do(ctx, s, c, "DeleteOpenIDConnectProvider", in, func(v *checker) {
		v.arn("openIDConnectProviderArn", in.OpenIDConnectProviderARN)
	}, func(o *op) error {
		t, _, err := s.useProvider(ctx, o, in.OpenIDConnectProviderARN)
		if err != nil {
			return err
		}
		return t.about(s.identity.DeleteProvider(ctx, c.Account, t.arn, o.Record))
	})
}

// AddClientIDToOpenIDConnectProviderInput is the request of
// [Service.AddClientIDToOpenIDConnectProvider].
type AddClientIDToOpenIDConnectProviderInput struct {
	OpenIDConnectProviderARN string `query:"OpenIDConnectProviderArn"`
	ClientID                 string
}

// AddClientIDToOpenIDConnectProvider adds an audience to an identity provider; one
// that is there stays.
//
// It returns a *awserr.Error with code ValidationError, InvalidInput, AccessDenied,
// NoSuchEntity or LimitExceeded.
//
// Source: IAM API Reference, AddClientIDToOpenIDConnectProvider, read 2026-11-21.
func (s *Service) AddClientIDToOpenIDConnectProvider(ctx context.Context, c *authn.Caller, in *AddClientIDToOpenIDConnectProviderInput) error {
	return do(ctx, s, c, "AddClientIDToOpenIDConnectProvider", in, func(v *checker) {
		v.arn("openIDConnectProviderArn", in.OpenIDConnectProviderARN)
		if v.required("clientID", in.ClientID) {
			v.text("clientID", in.ClientID, 1, maxClientID, "", nil)
		}
	}, func(o *op) error {
		t, _, err := s.useProvider(ctx, o, in.OpenIDConnectProviderARN)
		if err != nil {
			return err
		}
		return t.about(s.identity.AddClientID(ctx, c.Account, t.arn, in.ClientID, o.Record))
	})
}

// RemoveClientIDFromOpenIDConnectProviderInput is the request of
// [Service.RemoveClientIDFromOpenIDConnectProvider].
type RemoveClientIDFromOpenIDConnectProviderInput struct {
	OpenIDConnectProviderARN string `query:"OpenIDConnectProviderArn"`
	ClientID                 string
}

// RemoveClientIDFromOpenIDConnectProvider removes an audience from an identity
// provider; a missing one is not an error.
//
// It returns a *awserr.Error with code ValidationError, InvalidInput, AccessDenied
// or NoSuchEntity.
//
// Source: IAM API Reference, RemoveClientIDFromOpenIDConnectProvider, read
// 2026-11-21.
func (s *Service) RemoveClientIDFromOpenIDConnectProvider(ctx context.Context, c *authn.Caller, in *RemoveClientIDFromOpenIDConnectProviderInput) error {
	return do(ctx, s, c, "RemoveClientIDFromOpenIDConnectProvider", in, func(v *checker) {
		v.arn("openIDConnectProviderArn", in.OpenIDConnectProviderARN)
		if v.required("clientID", in.ClientID) {
			v.text("clientID", in.ClientID, 1, maxClientID, "", nil)
		}
	}, func(o *op) error {
		t, _, err := s.useProvider(ctx, o, in.OpenIDConnectProviderARN)
		if err != nil {
			return err
		}
		return t.about(s.identity.RemoveClientID(ctx, c.Account, t.arn, in.ClientID, o.Record))
	})
}

// UpdateOpenIDConnectProviderThumbprintInput is the request of
// [Service.UpdateOpenIDConnectProviderThumbprint].
type UpdateOpenIDConnectProviderThumbprintInput struct {
	OpenIDConnectProviderARN string `query:"OpenIDConnectProviderArn"`
	ThumbprintList           []string
}

// UpdateOpenIDConnectProviderThumbprint replaces the thumbprints of an identity
// provider.
//
// It returns a *awserr.Error with code ValidationError, InvalidInput, AccessDenied
// or NoSuchEntity.
//
// Source: IAM API Reference, UpdateOpenIDConnectProviderThumbprint, read
// 2026-11-21.
func (s *Service) UpdateOpenIDConnectProviderThumbprint(ctx context.Context, c *authn.Caller, in *UpdateOpenIDConnectProviderThumbprintInput) error {
	return do(ctx, s, c, "UpdateOpenIDConnectProviderThumbprint", in, func(v *checker) {
		v.arn("openIDConnectProviderArn", in.OpenIDConnectProviderARN)
		v.list("thumbprintList", in.ThumbprintList == nil)
		v.thumbprints(in.ThumbprintList)
	}, func(o *op) error {
		t, _, err := s.useProvider(ctx, o, in.OpenIDConnectProviderARN)
		if err != nil {
			return err
		}
		return t.about(s.identity.SetThumbprints(ctx, c.Account, t.arn, in.ThumbprintList, o.Record))
	})
}
