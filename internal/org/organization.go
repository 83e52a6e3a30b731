package org

import (
	"context"
	"time"

	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/meta"
	"coffer/internal/organization"
	"coffer/internal/policy"
)

// Organization describes an organization.
type Organization struct {
	ID                   string              `json:"Id"`
	ARN                  string              `json:"Arn"`
	FeatureSet           string              `json:"FeatureSet"`
	MasterAccountARN     string              `json:"MasterAccountArn"`
	MasterAccountID      string              `json:"MasterAccountId"`
	MasterAccountEmail   string              `json:"MasterAccountEmail"`
	AvailablePolicyTypes []PolicyTypeSummary `json:"AvailablePolicyTypes"`
}

// PolicyTypeSummary tells the state of a type of policy.
type PolicyTypeSummary struct {
	Type   string `json:"Type"`
	Status string `json:"Status"`
}

const (
	allFeatures = "ALL"
	enabled     = "ENABLED"
)

func describe(o *organization.Organization) Organization {
	return Organization{
		ID: o.ID, ARN: orgARN(o, "organization", ""), FeatureSet: allFeatures,
		MasterAccountARN: targetARN(o, o.ManagementAccount), MasterAccountID: o.ManagementAccount, MasterAccountEmail: o.Email,
		// What every organization with all features shows, whatever is enabled: the
		// API calls the member deprecated.
		AvailablePolicyTypes: []PolicyTypeSummary{{string(organization.SCP), enabled}},
	}
}

// hidden is how CloudTrail shows names and addresses of accounts.
//
// Source: AWS Organizations User Guide, "Logging AWS Organizations API calls with
// AWS CloudTrail", read 2026-11-21.
const hidden = "****"

// trailTime is how Organizations writes a time into responseElements.
func trailTime(t time.Time) string { return t.UTC().Format("Jan 2, 2006 3:04:05 PM") }

// CreateOrganizationInput is the request of [Service.CreateOrganization].
type CreateOrganizationInput struct {
	FeatureSet string `json:"FeatureSet,omitempty"`
}

// CreateOrganizationOutput is the answer of [Service.CreateOrganization].
type CreateOrganizationOutput struct {
	Organization Organization `json:"Organization"`
}

// CreateOrganization makes an organization whose management account is the caller's.
// Accounts that the caller's account made on this server join. As on AWS, no type of
// policy is enabled in the root until EnablePolicyType, whatever the API Reference
// says of SCPs.
//
// It returns a *awserr.Error with code InvalidInputException,
// AlreadyInOrganizationException, AccessDeniedException, or NotImplemented for
// consolidated billing.
//
// Source: AWS Organizations API Reference, CreateOrganization.
func (s *Service) CreateOrganization(ctx context.Context, c *authn.Caller, in *CreateOrganizationInput) (*CreateOrganizationOutput, error) {
	return run(ctx, s, c, "CreateOrganization", changes, func(call *authz.Call) (*CreateOrganizationOutput, error) {
		features := in.FeatureSet
		if features == "" {
			features = allFeatures
		}
		call.Param("featureSet", features)
		var v checker
		v.oneOf("FeatureSet", features, []string{allFeatures, "CONSOLIDATED_BILLING"})
		if err := v.err(); err != nil {
			return nil, err
		}
		if err := s.alone(ctx, call, c, "CreateOrganization", nil); err != nil {
			return nil, err
		}
		if features != allFeatures {
			return nil, NotImplemented("Organizations with consolidated billing features only are not implemented by this server.")
		}
		o, err := s.orgs.CreateOrganization(ctx, c.Account, func(tx meta.Txn, o *organization.Organization) error {
			d := describe(o)
			call.Response("organization", map[string]any{
				"id": d.ID, "arn": d.ARN, "featureSet": d.FeatureSet, "masterAccountArn": d.MasterAccountARN,
				"masterAccountId": d.MasterAccountID, "masterAccountEmail": hidden,
			})
			return call.Record(tx)
		})
		if err != nil {
			return nil, err
		}
		return &CreateOrganizationOutput{describe(o)}, nil
	})
}

// alone authorizes an operation that no organization is about.
func (s *Service) alone(ctx context.Context, call *authz.Call, c *authn.Caller, action string, keys policy.MapContext) error {
	return call.Ask(ctx, &authz.Ask{Action: "organizations:" + action, Resource: "*", Account: c.Account, Keys: keys})
}

// DescribeOrganizationInput is the request of [Service.DescribeOrganization].
type DescribeOrganizationInput struct{}

// DescribeOrganizationOutput is the answer of [Service.DescribeOrganization].
type DescribeOrganizationOutput struct {
	Organization Organization `json:"Organization"`
}

// DescribeOrganization describes the organization that the caller's account is in.
// Every account of it may ask.
//
// It returns a *awserr.Error with code AWSOrganizationsNotInUseException or
// AccessDeniedException.
//
// Source: AWS Organizations API Reference, DescribeOrganization.
func (s *Service) DescribeOrganization(ctx context.Context, c *authn.Caller, _ *DescribeOrganizationInput) (*DescribeOrganizationOutput, error) {
	return run(ctx, s, c, "DescribeOrganization", reads, func(call *authz.Call) (*DescribeOrganizationOutput, error) {
		o, err := s.use(ctx, call, c, "DescribeOrganization", members, nil, nil)
		if err != nil {
			return nil, err
		}
		return &DescribeOrganizationOutput{describe(o)}, nil
	})
}

// DeleteOrganizationInput is the request of [Service.DeleteOrganization].
type DeleteOrganizationInput struct{}

// DeleteOrganizationOutput is the answer of [Service.DeleteOrganization].
type DeleteOrganizationOutput struct{}

// DeleteOrganization removes the organization, with its OUs and policies, once the
// management account is alone in it.
//
// It returns a *awserr.Error with code AWSOrganizationsNotInUseException,
// OrganizationNotEmptyException or AccessDeniedException.
//
// Source: AWS Organizations API Reference, DeleteOrganization.
func (s *Service) DeleteOrganization(ctx context.Context, c *authn.Caller, _ *DeleteOrganizationInput) (*DeleteOrganizationOutput, error) {
	return run(ctx, s, c, "DeleteOrganization", changes, func(call *authz.Call) (*DeleteOrganizationOutput, error) {
		o, err := s.use(ctx, call, c, "DeleteOrganization", management, nil, nil)
		if err != nil {
			return nil, err
		}
		if err := s.orgs.DeleteOrganization(ctx, o.ID, call.Record); err != nil {
			return nil, err
		}
		return &DeleteOrganizationOutput{}, nil
	})
}

// EnableAllFeaturesInput is the request of [Service.EnableAllFeatures].
type EnableAllFeaturesInput struct{}

// EnableAllFeaturesOutput is the answer of [Service.EnableAllFeatures].
type EnableAllFeaturesOutput struct{}

// EnableAllFeatures has nothing to do: every organization of this server has all
// features. It answers as AWS does then.
//
// It returns a *awserr.Error with code HandshakeConstraintViolationException,
// AWSOrganizationsNotInUseException or AccessDeniedException.
//
// Source: AWS Organizations API Reference, EnableAllFeatures.
func (s *Service) EnableAllFeatures(ctx context.Context, c *authn.Caller, _ *EnableAllFeaturesInput) (*EnableAllFeaturesOutput, error) {
	return run(ctx, s, c, "EnableAllFeatures", changes, func(call *authz.Call) (*EnableAllFeaturesOutput, error) {
		if _, err := s.use(ctx, call, c, "EnableAllFeatures", management, nil, nil); err != nil {
			return nil, err
		}
		return nil, fault(handshakeConstraint, "ORGANIZATION_ALREADY_HAS_ALL_FEATURES", "The organization has all features enabled already.")
	})
}

// An EmptyListInput is the request of a listing that is always empty here.
type EmptyListInput struct {
	ServicePrincipal string `json:"ServicePrincipal,omitempty"`
	NextToken        string `json:"NextToken,omitempty"`
	MaxResults       *int32 `json:"MaxResults"`
}

// ListAWSServiceAccessForOrganizationOutput is the answer of
// [Service.ListAWSServiceAccessForOrganization].
type ListAWSServiceAccessForOrganizationOutput struct {
	EnabledServicePrincipals []string `json:"EnabledServicePrincipals"`
}

// ListAWSServiceAccessForOrganization lists nothing: no service is integrated with
// organizations here.
//
// It returns a *awserr.Error with code InvalidInputException,
// AWSOrganizationsNotInUseException or AccessDeniedException.
//
// Source: AWS Organizations API Reference, ListAWSServiceAccessForOrganization.
func (s *Service) ListAWSServiceAccessForOrganization(ctx context.Context, c *authn.Caller, in *EmptyListInput) (*ListAWSServiceAccessForOrganizationOutput, error) {
	if err := s.listNothing(ctx, c, "ListAWSServiceAccessForOrganization", in, nil); err != nil {
		return nil, err
	}
	return &ListAWSServiceAccessForOrganizationOutput{[]string{}}, nil
}

// ListDelegatedAdministratorsOutput is the answer of
// [Service.ListDelegatedAdministrators].
type ListDelegatedAdministratorsOutput struct {
	DelegatedAdministrators []string `json:"DelegatedAdministrators"`
}

// ListDelegatedAdministrators lists nothing: none can be registered here.
//
// It returns a *awserr.Error with code InvalidInputException,
// AWSOrganizationsNotInUseException or AccessDeniedException.
//
// Source: AWS Organizations API Reference, ListDelegatedAdministrators.
func (s *Service) ListDelegatedAdministrators(ctx context.Context, c *authn.Caller, in *EmptyListInput) (*ListDelegatedAdministratorsOutput, error) {
	var keys policy.MapContext
	if in.ServicePrincipal != "" {
		keys = policy.MapContext{"organizations:serviceprincipal": {in.ServicePrincipal}}
	}
	if err := s.listNothing(ctx, c, "ListDelegatedAdministrators", in, keys); err != nil {
		return nil, err
	}
	return &ListDelegatedAdministratorsOutput{[]string{}}, nil
}

func (s *Service) listNothing(ctx context.Context, c *authn.Caller, action string, in *EmptyListInput, keys policy.MapContext) error {
	_, err := run(ctx, s, c, action, reads, func(call *authz.Call) (*struct{}, error) {
		if in.ServicePrincipal != "" {
			call.Param("servicePrincipal", in.ServicePrincipal)
		}
		var v checker
		v.page(in.MaxResults, in.NextToken)
		v.text("ServicePrincipal", in.ServicePrincipal, 0, 128)
		v.match("ServicePrincipal", in.ServicePrincipal, patternPrincipal)
		if err := v.err(); err != nil {
			return nil, err
		}
		if _, err := s.use(ctx, call, c, action, management, keys, nil); err != nil {
			return nil, err
		}
		_, err := untoken(action, in.NextToken)
		return nil, err
	})
	return err
}
