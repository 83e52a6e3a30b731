package iam

import (
	"context"
	"strings"

	"coffer/internal/authn"
	"coffer/internal/policy"
)

// GetContextKeysForCustomPolicyInput is the request of
// [Service.GetContextKeysForCustomPolicy].
type GetContextKeysForCustomPolicyInput struct{ PolicyInputList []string }

// GetContextKeysForPrincipalPolicyInput is the request of
// [Service.GetContextKeysForPrincipalPolicy].
type GetContextKeysForPrincipalPolicyInput struct {
	PolicySourceARN string `query:"PolicySourceArn"` // of a user, a group or a role
	PolicyInputList []string
}

// GetContextKeysOutput names the condition keys that policies refer to.
type GetContextKeysOutput struct{ ContextKeyNames []string }

// GetContextKeysForCustomPolicy names the condition keys that policies refer to, in
// conditions and as variables, in the order in which they do.
//
// It returns a *awserr.Error with code ValidationError, InvalidInput or
// AccessDenied.
//
// Source: IAM API Reference, GetContextKeysForCustomPolicy, read 2026-11-21.
func (s *Service) GetContextKeysForCustomPolicy(ctx context.Context, c *authn.Caller, in *GetContextKeysForCustomPolicyInput) (*GetContextKeysOutput, error) {
	return run(ctx, s, c, "GetContextKeysForCustomPolicy", in, func(v *checker) {
		v.list("policyInputList", len(in.PolicyInputList) == 0)
		v.documents("policyInputList", in.PolicyInputList)
	}, func(o *op) (*GetContextKeysOutput, error) {
		if err := o.ask(ctx, "*", nil); err != nil {
			return nil, err
		}
		list, err := given("PolicyInputList", in.PolicyInputList, policy.KindIdentity)
		if err != nil {
			return nil, err
		}
		return &GetContextKeysOutput{contextKeys(list)}, nil
	})
}

// GetContextKeysForPrincipalPolicy names the condition keys that the policies of a
// user with its groups, a group or a role refer to, and those of the request.
//
// Its errors are those of GetContextKeysForCustomPolicy, and NoSuchEntity.
//
// Source: IAM API Reference, GetContextKeysForPrincipalPolicy, read 2026-11-21.
func (s *Service) GetContextKeysForPrincipalPolicy(ctx context.Context, c *authn.Caller, in *GetContextKeysForPrincipalPolicyInput) (*GetContextKeysOutput, error) {
	return run(ctx, s, c, "GetContextKeysForPrincipalPolicy", in, func(v *checker) {
		v.arn("policySourceArn", in.PolicySourceARN)
		v.documents("policyInputList", in.PolicyInputList)
	}, func(o *op) (*GetContextKeysOutput, error) {
		m, err := s.simulate(ctx, o, in.PolicySourceARN)
		if err != nil {
			return nil, err
		}
		more, err := given("PolicyInputList", in.PolicyInputList, policy.KindIdentity)
		if err != nil {
			return nil, err
		}
		return &GetContextKeysOutput{contextKeys(append(m.policies, more...))}, nil
	})
}

// contextKeys returns the condition keys of policies, each once.
func contextKeys(list []policy.Named) []string {
	keys := []string{}
	seen := make(map[string]bool)
	for _, p := range list {
		for i := range p.Policy.Statements {
			for _, key := range statementKeys(p.Policy, &p.Policy.Statements[i]) {
				if lower := strings.ToLower(key); !seen[lower] {
					seen[lower] = true
					keys = append(keys, key)
				}
			}
		}
	}
	return keys
}
