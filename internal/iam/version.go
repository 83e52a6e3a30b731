package iam

import (
	"context"
	"strings"
	"time"

	"coffer/internal/authn"
	"coffer/internal/identity"
)

// A PolicyVersion is one text of a managed policy as answers show it.
type PolicyVersion struct {
	Document         string `query:",omitempty,uri"` // not in listings
	VersionID        string `query:"VersionId"`
	IsDefaultVersion bool
	CreateDate       time.Time
}

// listVersion returns what listings show of a version.
func listVersion(v identity.PolicyVersion) PolicyVersion {
	return PolicyVersion{VersionID: v.ID, IsDefaultVersion: v.IsDefault, CreateDate: v.CreatedAt}
}

// versionID checks the ID of a version.
func (v *checker) versionID(value string) {
	if v.required("versionId", value) {
		v.text("versionId", value, 1, 64, `v[1-9][0-9]*(\.[A-Za-z0-9-]*)?`, func(s string) bool {
			return len(s) > 1 && s[0] == 'v' && '1' <= s[1] && s[1] <= '9' && strings.Trim(s[2:], "0123456789") == ""
		})
	}
}

// CreatePolicyVersionInput is the request of [Service.CreatePolicyVersion].
type CreatePolicyVersionInput struct {
	PolicyARN      string `query:"PolicyArn"`
	PolicyDocument string
	SetAsDefault   *bool
}

// CreatePolicyVersionOutput is the answer of [Service.CreatePolicyVersion].
type CreatePolicyVersionOutput struct{ PolicyVersion PolicyVersion }

// CreatePolicyVersion adds a version to a managed policy of the account.
//
// It returns a *awserr.Error with code ValidationError, InvalidInput, AccessDenied,
// NoSuchEntity, MalformedPolicyDocument or LimitExceeded.
//
// Source: IAM API Reference, CreatePolicyVersion, read 2026-11-21.
func (s *Service) CreatePolicyVersion(ctx context.Context, c *authn.Caller, in *CreatePolicyVersionInput) (*CreatePolicyVersionOutput, error) {
	return run(ctx, s, c, "CreatePolicyVersion", in, func(v *checker) {
		v.arn("policyArn", in.PolicyARN)
		v.document("policyDocument", in.PolicyDocument)
	}, func(o *op) (out *CreatePolicyVersionOutput, err error) {
		t, _, err := s.managed(ctx, o, in.PolicyARN)
		if err != nil {
			return nil, err
		}
		_, err = s.identity.CreatePolicyVersion(ctx, c.Account, t.arn, in.PolicyDocument, in.SetAsDefault != nil && *in.SetAsDefault,
			answered(o, &out, func(v identity.PolicyVersion) *CreatePolicyVersionOutput {
				return &CreatePolicyVersionOutput{listVersion(v)}
			}))
		return out, t.about(err)
	})
}

// GetPolicyVersionInput is the request of [Service.GetPolicyVersion].
type GetPolicyVersionInput struct {
	PolicyARN string `query:"PolicyArn"`
	VersionID string `query:"VersionId"`
}

// GetPolicyVersionOutput is the answer of [Service.GetPolicyVersion].
type GetPolicyVersionOutput struct{ PolicyVersion PolicyVersion }

// GetPolicyVersion returns a version of a managed policy with its text.
//
// It returns a *awserr.Error with code ValidationError, InvalidInput, AccessDenied
// or NoSuchEntity.
//
// Source: IAM API Reference, GetPolicyVersion, read 2026-11-21.
func (s *Service) GetPolicyVersion(ctx context.Context, c *authn.Caller, in *GetPolicyVersionInput) (*GetPolicyVersionOutput, error) {
	return run(ctx, s, c, "GetPolicyVersion", in, func(v *checker) {
		v.arn("policyArn", in.PolicyARN)
		v.versionID(in.VersionID)
	}, func(o *op) (*GetPolicyVersionOutput, error) {
		t, _, err := s.managed(ctx, o, in.PolicyARN)
		if err != nil {
			return nil, err
		}
		v, err := s.identity.PolicyVersion(ctx, c.Account, t.arn, in.VersionID)
		if err != nil {
			return nil, t.about(err, "version", in.VersionID)
		}
		shown := listVersion(v)
		shown.Document = v.Text
		return &GetPolicyVersionOutput{shown}, nil
	})
}

// ListPolicyVersionsInput is the request of [Service.ListPolicyVersions].
type ListPolicyVersionsInput struct {
	PolicyARN string `query:"PolicyArn"`
	Paging
}

// ListPolicyVersionsOutput is the answer of [Service.ListPolicyVersions].
type ListPolicyVersionsOutput struct {
	Versions []PolicyVersion
	Paged
}

// ListPolicyVersions lists the versions of a managed policy, the newest first.
//
// It returns a *awserr.Error with code ValidationError, InvalidInput, AccessDenied
// or NoSuchEntity.
//
// Source: IAM API Reference, ListPolicyVersions, read 2026-11-21.
func (s *Service) ListPolicyVersions(ctx context.Context, c *authn.Caller, in *ListPolicyVersionsInput) (*ListPolicyVersionsOutput, error) {
	return run(ctx, s, c, "ListPolicyVersions", in, func(v *checker) {
		v.arn("policyArn", in.PolicyARN)
		v.page(&in.Paging)
	}, func(o *op) (*ListPolicyVersionsOutput, error) {
		t, _, err := s.managed(ctx, o, in.PolicyARN)
		if err != nil {
			return nil, err
		}
		all, err := s.identity.PolicyVersions(ctx, c.Account, t.arn)
		if err != nil {
			return nil, t.about(err)
		}
		page, more, err := cut(&in.Paging, "versions", all, func(v identity.PolicyVersion) string { return v.ID })
		if err != nil {
			return nil, err
		}
		return &ListPolicyVersionsOutput{each(page, listVersion), more}, nil
	})
}

// SetDefaultPolicyVersionInput is the request of [Service.SetDefaultPolicyVersion].
type SetDefaultPolicyVersionInput struct {
	PolicyARN string `query:"PolicyArn"`
	VersionID string `query:"VersionId"`
}

// SetDefaultPolicyVersion makes a version the one that counts.
//
// It returns a *awserr.Error with code ValidationError, InvalidInput, AccessDenied
// or NoSuchEntity.
//
// Source: IAM API Reference, SetDefaultPolicyVersion, read 2026-11-21.
func (s *Service) SetDefaultPolicyVersion(ctx context.Context, c *authn.Caller, in *SetDefaultPolicyVersionInput) error {
	return do(ctx, s, c, "SetDefaultPolicyVersion", in, func(v *checker) {
		v.arn("policyArn", in.PolicyARN)
		v.versionID(in.VersionID)
	}, func(o *op) error {
		t, _, err := s.managed(ctx, o, in.PolicyARN)
		if err != nil {
			return err
		}
		return t.about(s.identity.SetDefaultVersion(ctx, c.Account, t.arn, in.VersionID, o.Record), "version", in.VersionID)
	})
}

// DeletePolicyVersionInput is the request of [Service.DeletePolicyVersion].
type DeletePolicyVersionInput struct {
	PolicyARN string `query:"PolicyArn"`
	VersionID string `query:"VersionId"`
}

// DeletePolicyVersion removes a version that is not the default one.
//
// It returns a *awserr.Error with code ValidationError, InvalidInput, AccessDenied,
// NoSuchEntity or DeleteConflict.
//
// Source: IAM API Reference, DeletePolicyVersion, read 2026-11-21.
func (s *Service) DeletePolicyVersion(ctx context.Context, c *authn.Caller, in *DeletePolicyVersionInput) error {
	return do(ctx, s, c, "DeletePolicyVersion", in, func(v *checker) {
		v.arn("policyArn", in.PolicyARN)
		v.versionID(in.VersionID)
	}, func(o *op) error {
		t, _, err := s.managed(ctx, o, in.PolicyARN)
		if err != nil {
			return err
		}
		return t.about(s.identity.DeletePolicyVersion(ctx, c.Account, t.arn, in.VersionID, o.Record), "version", in.VersionID)
	})
}
