package kms

import (
	"context"
	"errors"
	"fmt"
	"unicode/utf8"

	"coffer/internal/arn"
	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/identity"
	"coffer/internal/policy"
)

// Limits of a key policy.
//
// Source: AWS KMS API Reference, PutKeyPolicy, read 2026-11-21.
const (
	maxPolicyMember = 131072 // characters in the request
	maxPolicy       = 32768  // bytes of a policy
	policyName      = "default"
)

// GetKeyPolicyInput is the request of [Service.GetKeyPolicy].
type GetKeyPolicyInput struct {
	KeyID      string `json:"KeyId"`
	PolicyName string `json:"PolicyName,omitempty"` // "default", which may be left out
}

// GetKeyPolicyOutput is the answer of [Service.GetKeyPolicy].
type GetKeyPolicyOutput struct {
	Policy     string `json:"Policy"`
	PolicyName string `json:"PolicyName"`
}

// GetKeyPolicy returns the policy of a key as it was put. A user or a role that it
// names and that is gone shows as its unique ID.
//
// It returns a *awserr.Error with code ValidationException, NotFoundException,
// InvalidArnException or AccessDeniedException.
//
// Source: AWS KMS API Reference, GetKeyPolicy.
func (s *Service) GetKeyPolicy(ctx context.Context, c *authn.Caller, in *GetKeyPolicyInput) (*GetKeyPolicyOutput, error) {
	return run(ctx, s, c, "GetKeyPolicy", reads, func(call *authz.Call) (*GetKeyPolicyOutput, error) {
		call.Param("keyId", in.KeyID)
		call.Param("policyName", orDefault(in.PolicyName, policyName))
		var v checker
		v.required("keyId", in.KeyID, maxKeyID)
		v.optional("policyName", in.PolicyName, 128)
		if err := v.err(); err != nil {
			return nil, err
		}
		k, err := s.use(ctx, call, &conditions{caller: c}, "kms:GetKeyPolicy", in.KeyID, keysOnly)
		if err != nil {
			return nil, err
		}
		if err := checkPolicyName(in.PolicyName); err != nil {
			return nil, err
		}
		if err := call.Covers(k.ARN); err != nil {
			return nil, err
		}
		text, err := s.principals.ShowPrincipals(ctx, k.Policy)
		if err != nil {
			return nil, fmt.Errorf("show the policy of %s: %w", k.ARN, err)
		}
		return &GetKeyPolicyOutput{Policy: text, PolicyName: policyName}, nil
	})
}

// ListKeyPoliciesInput is the request of [Service.ListKeyPolicies].
type ListKeyPoliciesInput struct {
	KeyID  string `json:"KeyId"`
	Limit  *int32 `json:"Limit"`
	Marker string `json:"Marker,omitempty"`
}

// ListKeyPoliciesOutput is the answer of [Service.ListKeyPolicies].
type ListKeyPoliciesOutput struct {
	PolicyNames []string `json:"PolicyNames"`
	Truncated   bool     `json:"Truncated"`
}

// ListKeyPolicies lists the names of a key's policies: every key has the one
// named default.
//
// It returns a *awserr.Error with code ValidationException, NotFoundException,
// InvalidArnException, InvalidMarkerException or AccessDeniedException.
//
// Source: AWS KMS API Reference, ListKeyPolicies.
func (s *Service) ListKeyPolicies(ctx context.Context, c *authn.Caller, in *ListKeyPoliciesInput) (*ListKeyPoliciesOutput, error) {
	return run(ctx, s, c, "ListKeyPolicies", reads, func(call *authz.Call) (*ListKeyPoliciesOutput, error) {
		call.Param("keyId", in.KeyID)
		recordPage(call, in.Limit, in.Marker)
		var v checker
		v.required("keyId", in.KeyID, maxKeyID)
		v.page(in.Limit, in.Marker)
		if err := v.err(); err != nil {
			return nil, err
		}
		if _, err := s.use(ctx, call, &conditions{caller: c}, "kms:ListKeyPolicies", in.KeyID, keysOnly); err != nil {
			return nil, err
		}
		if _, err := unmark("policies", in.Marker); err != nil {
			return nil, err
		}
		return &ListKeyPoliciesOutput{PolicyNames: []string{policyName}}, nil
	})
}

// PutKeyPolicyInput is the request of [Service.PutKeyPolicy].
type PutKeyPolicyInput struct {
	KeyID                          string `json:"KeyId"`
	PolicyName                     string `json:"PolicyName,omitempty"` // "default", which may be left out
	Policy                         string `json:"Policy"`
	BypassPolicyLockoutSafetyCheck bool   `json:"BypassPolicyLockoutSafetyCheck,omitempty"`
}

// PutKeyPolicyOutput is the answer of [Service.PutKeyPolicy].
type PutKeyPolicyOutput struct{}

// PutKeyPolicy sets the policy of a key. Users and roles of this server that it
// names are kept by their unique IDs.
//
// It returns a *awserr.Error with code
//
//   - ValidationException, NotFoundException, InvalidArnException,
//     AccessDeniedException or KMSInvalidStateException,
//   - MalformedPolicyDocumentException if the text is no policy, if it names a user
//     or a role that does not exist, or if the caller could not change it again and
//     does not bypass that check,
//   - LimitExceededException if it is longer than 32,768 bytes.
//
// Source: AWS KMS API Reference, PutKeyPolicy.
func (s *Service) PutKeyPolicy(ctx context.Context, c *authn.Caller, in *PutKeyPolicyInput) (*PutKeyPolicyOutput, error) {
	return run(ctx, s, c, "PutKeyPolicy", changes, func(call *authz.Call) (*PutKeyPolicyOutput, error) {
		call.Param("keyId", in.KeyID)
		call.Param("policyName", orDefault(in.PolicyName, policyName))
		call.Param("policy", in.Policy)
		call.Param("bypassPolicyLockoutSafetyCheck", in.BypassPolicyLockoutSafetyCheck)
		var v checker
		v.required("keyId", in.KeyID, maxKeyID)
		v.optional("policyName", in.PolicyName, 128)
		if in.Policy == "" {
			v.add("Value null", "policy", "Member must not be null")
		}
		v.policy(in.Policy)
		if err := v.err(); err != nil {
			return nil, err
		}
		q := &conditions{caller: c, puts: true, bypass: in.BypassPolicyLockoutSafetyCheck}
		k, err := s.use(ctx, call, q, "kms:PutKeyPolicy", in.KeyID, keysOnly)
		if err != nil {
			return nil, err
		}
		if err := checkPolicyName(in.PolicyName); err != nil {
			return nil, err
		}
		saved, err := s.newPolicy(ctx, q, k.ARN, in.Policy)
		if err != nil {
			return nil, err
		}
		if _, err := s.keys.SetPolicy(ctx, k.Ref, saved, recordKey(call)); err != nil {
			return nil, about(k.ARN, err)
		}
		return &PutKeyPolicyOutput{}, nil
	})
}

func checkPolicyName(name string) error {
	if name != "" && name != policyName {
		return fault("NotFoundException", "No such policy exists")
	}
	return nil
}

// policy checks the length of a policy that may be absent. The text is not
// repeated: it is long, and says nothing.
func (v *checker) policy(text string) {
	if len(text) > maxPolicyMember && utf8.RuneCountInString(text) > maxPolicyMember {
		v.add("Value", "policy", "Member must have length less than or equal to 131072")
	}
}

// defaultPolicy returns the policy of a key for which none was given: the
// account's own policies decide.
//
// Source: AWS KMS Developer Guide, "Default key policy", read 2026-11-21.
func defaultPolicy(account string) string {
	return `{
  "Version" : "2012-10-17",
  "Id" : "key-default-1",
  "Statement" : [ {
    "Sid" : "Enable IAM User Permissions",
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : "` + arn.Root(account) + `"
    },
    "Action" : "kms:*",
    "Resource" : "*"
  } ]
}`
}

// delegating returns the default policy of an account's keys for decisions: the
// account's own policies decide.
func delegating(account string) *policy.Named {
	return load("key policy", defaultPolicy(account))
}

// load returns a key policy for decisions. One that can't be read denies.
func load(name, text string) *policy.Named {
	p, err := policy.Load(text, policy.KindKey)
	if err != nil {
		p = nil
	}
	return &policy.Named{Name: name, Policy: p}
}

// closed returns the policy of a key that nobody may use.
func closed() *policy.Named { return load("key policy", `{"Version":"2012-10-17","Statement":[]}`) }

// Texts of refused key policies.
//
// Source: what AWS KMS answered, as its clients have reported it.
const (
	badSyntax     = "Syntax errors in policy."
	badPrincipals = "Policy contains a statement with one or more invalid principals."
	lockedOut     = "The new key policy will not allow you to update the key policy in the future."
)

// newPolicy checks a policy that is to be put on the key name, and returns it as it
// is kept. Unless the caller bypasses it, the lockout check asks whether the caller
// could still change the policy once it is in force.
//
// Source: AWS KMS API Reference, PutKeyPolicy, BypassPolicyLockoutSafetyCheck, read
// 2026-11-21.
func (s *Service) newPolicy(ctx context.Context, q *conditions, name, text string) (saved string, err error) {
	if len(text) > maxPolicy {
		return "", fault("LimitExceededException", "The key policy is larger than %d bytes.", maxPolicy)
	}
	if _, err := policy.Parse(text, policy.KindKey); err != nil {
		return "", malformed(err)
	}
	saved, err = s.principals.SavePrincipals(ctx, text, policy.KindKey)
	if err != nil {
		return "", malformed(err)
	}
	if q.bypass {
		return saved, nil
	}
	err = s.gate.Ask(ctx, q.caller, &authz.Ask{Action: "kms:PutKeyPolicy", Resource: name, Account: q.caller.Account,
		Policy: load("key policy", saved), Keys: q})
	if isDenial(err) {
		return "", fault("MalformedPolicyDocumentException", lockedOut)
	}
	return saved, err
}

// malformed words the error of a policy that can't be taken.
func malformed(err error) error {
	var principal *identity.PrincipalError
	var syntax *policy.SyntaxError
	switch {
	case errors.Is(err, policy.ErrTooLong):
		return fault("LimitExceededException", "The key policy is larger than %d bytes.", maxPolicy).Because(err)
	case errors.As(err, &principal):
		return fault("MalformedPolicyDocumentException", badPrincipals).Because(err)
	case errors.As(err, &syntax), errors.Is(err, identity.ErrMalformedPolicy):
		return fault("MalformedPolicyDocumentException", badSyntax).Because(err)
	}
	return err
}
