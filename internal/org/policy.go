package org

import (
	"context"
	"errors"

	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/meta"
	"coffer/internal/organization"
	"coffer/internal/policy"
)

// PolicySummary describes a policy without its text.
type PolicySummary struct {
	ID          string `json:"Id"`
	ARN         string `json:"Arn"`
	Name        string `json:"Name"`
	Description string `json:"Description"`
	Type        string `json:"Type"`
	AWSManaged  bool   `json:"AwsManaged"`
}

// Policy describes a policy.
type Policy struct {
	PolicySummary PolicySummary `json:"PolicySummary"`
	Content       string        `json:"Content"`
}

func summary(o *organization.Organization, p *organization.Policy) PolicySummary {
	return PolicySummary{p.ID, organization.PolicyARN(o.ManagementAccount, o.ID, p), p.Name, p.Description, string(p.Type), p.AWSManaged}
}

func trailPolicy(o *organization.Organization, p *organization.Policy) map[string]any {
	d := summary(o, p)
	return map[string]any{"content": p.Content, "policySummary": map[string]any{"id": d.ID, "arn": d.ARN, "name": d.Name,
		"description": d.Description, "type": d.Type, "awsManaged": d.AWSManaged}}
}

// PolicyOutput is the answer of the operations on one policy.
type PolicyOutput struct {
	Policy Policy `json:"Policy"`
}

func policyOutput(o *organization.Organization, p *organization.Policy) *PolicyOutput {
	return &PolicyOutput{Policy{summary(o, p), p.Content}}
}

// find returns a policy as decisions name it. One that does not exist is taken for an
// SCP: who may not see it is not told.
func (s *Service) find(ctx context.Context, o *organization.Organization, id string) (*organization.Policy, error) {
	p, err := s.orgs.Policy(ctx, o.ID, id)
	if errors.Is(err, organization.ErrNoPolicy) {
		return &organization.Policy{ID: id, Type: organization.SCP}, nil
	}
	return p, err
}

// policies returns the resources of an operation on one policy, and on further roots,
// OUs and accounts.
func (s *Service) policies(ctx context.Context, id string, also ...string) func(*organization.Organization) ([]resource, error) {
	return func(o *organization.Organization) ([]resource, error) {
		p, err := s.find(ctx, o, id)
		if err != nil {
			return nil, err
		}
		list, err := targets(also...)(o)
		return append([]resource{{organization.PolicyARN(o.ManagementAccount, o.ID, p), id}}, list...), err
	}
}

// usePolicy authorizes an operation on one policy, and on targets.
func (s *Service) usePolicy(ctx context.Context, call *authz.Call, c *authn.Caller, action, id string, also ...string) (*organization.Organization, error) {
	keys := policy.MapContext{}
	return s.use(ctx, call, c, action, management, keys, func(o *organization.Organization) ([]resource, error) {
		p, err := s.find(ctx, o, id)
		if err != nil {
			return nil, err
		}
		keys["organizations:policytype"] = []string{string(p.Type)}
		return s.policies(ctx, id, also...)(o)
	})
}

// CreatePolicyInput is the request of [Service.CreatePolicy].
type CreatePolicyInput struct {
	Content     string  `json:"Content"`
	Description *string `json:"Description"`
	Name        string  `json:"Name"`
	Type        string  `json:"Type"`
	Tags        []Tag   `json:"Tags,omitempty"`
}

// CreatePolicy makes a service control policy or a resource control policy. It has
// no effect until it is attached, and its type enabled.
//
// It returns a *awserr.Error with code
//
//   - InvalidInputException, or NotImplemented for another type of policy,
//   - MalformedPolicyDocumentException for a text that is no policy of the type,
//   - DuplicatePolicyException if one of the type has the name,
//   - ConstraintViolationException for a text too long, or one policy too many,
//   - AWSOrganizationsNotInUseException or AccessDeniedException.
//
// Source: AWS Organizations API Reference, CreatePolicy.
func (s *Service) CreatePolicy(ctx context.Context, c *authn.Caller, in *CreatePolicyInput) (*PolicyOutput, error) {
	return run(ctx, s, c, "CreatePolicy", changes, func(call *authz.Call) (*PolicyOutput, error) {
		description := ""
		if in.Description != nil {
			description = *in.Description
		}
		call.Param("name", in.Name)
		call.Param("description", description)
		call.Param("type", in.Type)
		call.Param("content", bounded(in.Content))
		paramTags(call, in.Tags)
		var v checker
		v.text("Content", in.Content, 1, 1_000_000)
		if in.Description == nil {
			v.add("INPUT_REQUIRED", "You must include a value for Description.")
		}
		v.text("Description", description, 0, 512)
		v.text("Name", in.Name, 1, 128)
		v.policyType("Type", in.Type)
		v.tags(in.Tags)
		if err := v.err(); err != nil {
			return nil, err
		}
		t := organization.PolicyType(in.Type)
		o, err := s.use(ctx, call, c, "CreatePolicy", management, tagKeys(policyType(t), in.Tags), nil)
		if err != nil {
			return nil, err
		}
		if err := s.mayTag(ctx, call, c, o, "policy", in.Tags); err != nil {
			return nil, err
		}
		p, err := s.orgs.CreatePolicy(ctx, o.ID, organization.Policy{Type: t, Name: in.Name, Description: description, Content: in.Content}, domainTags(in.Tags),
			func(tx meta.Txn, p *organization.Policy) error {
				call.Response("policy", trailPolicy(o, p))
				return call.Record(tx)
			})
		if err != nil {
			return nil, malformed(err)
		}
		return policyOutput(o, p), nil
	})
}

// maxContent bounds what the trail shows of a policy, in bytes: more than the
// longest that is valid.
const maxContent = 48 << 10

func bounded(content string) string {
	if len(content) > maxContent {
		return "(too long)"
	}
	return content
}

// malformed says what is wrong with a policy, which AWS leaves to be found out.
func malformed(err error) error {
	if errors.Is(err, organization.ErrMalformed) {
		detail := err
		if list, ok := err.(interface{ Unwrap() []error }); ok && len(list.Unwrap()) == 2 {
			detail = list.Unwrap()[1]
		}
		return fault("MalformedPolicyDocumentException", "", "The provided policy document does not meet the requirements of the specified policy type: %s", detail.Error()).Because(err)
	}
	return err
}

// UpdatePolicyInput is the request of [Service.UpdatePolicy].
type UpdatePolicyInput struct {
	PolicyID    string  `json:"PolicyId"`
	Name        *string `json:"Name"`
	Description *string `json:"Description"`
	Content     *string `json:"Content"`
}

// UpdatePolicy changes a policy, which takes effect wherever it is attached. What is
// left out stays.
//
// It returns a *awserr.Error with code InvalidInputException (also for a policy of
// AWS), PolicyNotFoundException, and those of [Service.CreatePolicy].
//
// Source: AWS Organizations API Reference, UpdatePolicy.
func (s *Service) UpdatePolicy(ctx context.Context, c *authn.Caller, in *UpdatePolicyInput) (*PolicyOutput, error) {
	return run(ctx, s, c, "UpdatePolicy", changes, func(call *authz.Call) (*PolicyOutput, error) {
		call.Param("policyId", in.PolicyID)
		var v checker
		v.id("PolicyId", in.PolicyID, patternPolicy)
		if in.Name != nil {
			call.Param("name", *in.Name)
			v.text("Name", *in.Name, 1, 128)
		}
		if in.Description != nil {
			call.Param("description", *in.Description)
			v.text("Description", *in.Description, 0, 512)
		}
		if in.Content != nil {
			call.Param("content", bounded(*in.Content))
			v.text("Content", *in.Content, 1, 1_000_000)
		}
		if err := v.err(); err != nil {
			return nil, err
		}
		o, err := s.usePolicy(ctx, call, c, "UpdatePolicy", in.PolicyID)
		if err != nil {
			return nil, err
		}
		p, err := s.orgs.UpdatePolicy(ctx, o.ID, in.PolicyID, organization.PolicyChange{Name: in.Name, Description: in.Description, Content: in.Content},
			func(tx meta.Txn, p *organization.Policy) error {
				call.Response("policy", trailPolicy(o, p))
				return call.Record(tx)
			})
		if err != nil {
			return nil, malformed(err)
		}
		return policyOutput(o, p), nil
	})
}

// PolicyInput names one policy.
type PolicyInput struct {
	PolicyID string `json:"PolicyId"`
}

func (v *checker) policyID(call *authz.Call, id string) error {
	call.Param("policyId", id)
	v.id("PolicyId", id, patternPolicy)
	return v.err()
}

// DescribePolicy describes a policy.
//
// It returns a *awserr.Error with code InvalidInputException,
// PolicyNotFoundException, AWSOrganizationsNotInUseException or
// AccessDeniedException.
//
// Source: AWS Organizations API Reference, DescribePolicy.
func (s *Service) DescribePolicy(ctx context.Context, c *authn.Caller, in *PolicyInput) (*PolicyOutput, error) {
	return run(ctx, s, c, "DescribePolicy", reads, func(call *authz.Call) (*PolicyOutput, error) {
		if err := new(checker).policyID(call, in.PolicyID); err != nil {
			return nil, err
		}
		o, err := s.usePolicy(ctx, call, c, "DescribePolicy", in.PolicyID)
		if err != nil {
			return nil, err
		}
		p, err := s.orgs.Policy(ctx, o.ID, in.PolicyID)
		if err != nil {
			return nil, err
		}
		return policyOutput(o, p), nil
	})
}

// DeletePolicyOutput is the answer of [Service.DeletePolicy].
type DeletePolicyOutput struct{}

// DeletePolicy removes a policy that is attached to nothing.
//
// It returns a *awserr.Error with code InvalidInputException (also for a policy of
// AWS), PolicyNotFoundException, PolicyInUseException,
// AWSOrganizationsNotInUseException or AccessDeniedException.
//
// Source: AWS Organizations API Reference, DeletePolicy.
func (s *Service) DeletePolicy(ctx context.Context, c *authn.Caller, in *PolicyInput) (*DeletePolicyOutput, error) {
	return run(ctx, s, c, "DeletePolicy", changes, func(call *authz.Call) (*DeletePolicyOutput, error) {
		if err := new(checker).policyID(call, in.PolicyID); err != nil {
			return nil, err
		}
		o, err := s.usePolicy(ctx, call, c, "DeletePolicy", in.PolicyID)
		if err != nil {
			return nil, err
		}
		if err := s.orgs.DeletePolicy(ctx, o.ID, in.PolicyID, call.Record); err != nil {
			return nil, err
		}
		return &DeletePolicyOutput{}, nil
	})
}

// ListPoliciesInput is the request of [Service.ListPolicies].
type ListPoliciesInput struct {
	Filter     string `json:"Filter"`
	NextToken  string `json:"NextToken,omitempty"`
	MaxResults *int32 `json:"MaxResults"`
}

// ListPoliciesOutput is the answer of the listings of policies.
type ListPoliciesOutput struct {
	Policies  []PolicySummary `json:"Policies"`
	NextToken string          `json:"NextToken,omitempty"`
}

// ListPolicies lists the policies of one type by ID, that of AWS among them, 20 to a
// page.
//
// It returns a *awserr.Error with code InvalidInputException, NotImplemented for
// another type of policy, AWSOrganizationsNotInUseException or
// AccessDeniedException.
//
// Source: AWS Organizations API Reference, ListPolicies.
func (s *Service) ListPolicies(ctx context.Context, c *authn.Caller, in *ListPoliciesInput) (*ListPoliciesOutput, error) {
	return run(ctx, s, c, "ListPolicies", reads, func(call *authz.Call) (*ListPoliciesOutput, error) {
		call.Param("filter", in.Filter)
		var v checker
		v.policyType("Filter", in.Filter)
		v.page(in.MaxResults, in.NextToken)
		if err := v.err(); err != nil {
			return nil, err
		}
		t := organization.PolicyType(in.Filter)
		o, err := s.use(ctx, call, c, "ListPolicies", management, policyType(t), nil)
		if err != nil {
			return nil, err
		}
		list, err := s.orgs.Policies(ctx, o.ID, t)
		if err != nil {
			return nil, err
		}
		return policyPage(o, list, in.MaxResults, in.NextToken)
	})
}

func policyPage(o *organization.Organization, list []*organization.Policy, most *int32, token string) (*ListPoliciesOutput, error) {
	page, next, err := cut(list, func(p *organization.Policy) string { return p.ID }, "policies", most, token)
	if err != nil {
		return nil, err
	}
	out := &ListPoliciesOutput{Policies: []PolicySummary{}, NextToken: next}
	for _, p := range page {
		out.Policies = append(out.Policies, summary(o, p))
	}
	return out, nil
}

// DescribeEffectivePolicyInput is the request of
// [Service.DescribeEffectivePolicy].
type DescribeEffectivePolicyInput struct {
	PolicyType string `json:"PolicyType"`
	TargetID   string `json:"TargetId,omitempty"`
}

// DescribeEffectivePolicyOutput is the answer of
// [Service.DescribeEffectivePolicy], which never comes.
type DescribeEffectivePolicyOutput struct{}

// DescribeEffectivePolicy refuses: AWS has effective policies of management policies
// only, and this server has none of those.
//
// It returns a *awserr.Error with code InvalidInputException, or NotImplemented for a
// management policy.
//
// Source: AWS Organizations API Reference, DescribeEffectivePolicy.
func (s *Service) DescribeEffectivePolicy(ctx context.Context, c *authn.Caller, in *DescribeEffectivePolicyInput) (*DescribeEffectivePolicyOutput, error) {
	return run(ctx, s, c, "DescribeEffectivePolicy", reads, func(call *authz.Call) (*DescribeEffectivePolicyOutput, error) {
		call.Param("policyType", in.PolicyType)
		var v checker
		v.policyType("PolicyType", in.PolicyType)
		v.add("INVALID_ENUM_POLICY_TYPE", "Service and resource control policies have no effective policy.")
		return nil, v.err()
	})
}
