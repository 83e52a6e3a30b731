package kms

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"unicode/utf8"

	"coffer/internal/arn"
	"coffer/internal/authn"
	"coffer/internal/authz"
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

// GetKeyPolicy returns the policy of a key as it was put.
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
		k, err := s.use(ctx, call, c, "kms:GetKeyPolicy", in.KeyID, keysOnly)
		if err != nil {
			return nil, err
		}
		if err := checkPolicyName(in.PolicyName); err != nil {
			return nil, err
		}
		return &GetKeyPolicyOutput{Policy: k.Policy, PolicyName: policyName}, nil
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
		if _, err := s.use(ctx, call, c, "kms:ListKeyPolicies", in.KeyID, keysOnly); err != nil {
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

// PutKeyPolicy sets the policy of a key. It takes only a policy that means what
// the default one means: one that would be stored and not followed is worse than
// none.
//
// It returns a *awserr.Error with code
//
//   - ValidationException, NotFoundException, InvalidArnException,
//     AccessDeniedException or KMSInvalidStateException,
//   - MalformedPolicyDocumentException if the text is no policy,
//   - LimitExceededException if it is longer than 32,768 bytes,
//   - NotImplemented if it is another policy than the default one.
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
		k, err := s.use(ctx, call, c, "kms:PutKeyPolicy", in.KeyID, keysOnly)
		if err != nil {
			return nil, err
		}
		if err := errors.Join(checkPolicyName(in.PolicyName), checkPolicy(k.Account, in.Policy)); err != nil {
			return nil, err
		}
		if _, err := s.keys.SetPolicy(ctx, k.Ref, in.Policy, recordKey(call)); err != nil {
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

// checkPolicy refuses a text that is no policy, and every policy that means
// something else than the default one. Id and Sid are names and mean nothing.
func checkPolicy(account, text string) error {
	if len(text) > maxPolicy {
		return fault("LimitExceededException", "The key policy is larger than %d bytes.", maxPolicy)
	}
	v, err := readJSON(text)
	policy, ok := v.(map[string]any)
	if err != nil || !ok || policy["Statement"] == nil {
		return fault("MalformedPolicyDocumentException", "Syntax errors in policy.")
	}
	statements, isList := policy["Statement"].([]any)
	if !isList {
		statements = []any{policy["Statement"]}
	}
	if policy["Version"] == "2012-10-17" && only(policy, "Version", "Id", "Statement") && len(statements) == 1 && isDefault(account, statements[0]) {
		return nil
	}
	return NotImplemented("This server does not evaluate key policies yet, and stores only the default one: " +
		"one statement that allows kms:* on * to the root of the key's account.")
}

// isDefault reports whether a statement is the one of the default policy.
func isDefault(account string, v any) bool {
	s, ok := v.(map[string]any)
	if !ok || !only(s, "Sid", "Effect", "Principal", "Action", "Resource") {
		return false
	}
	principal, ok := s["Principal"].(map[string]any)
	if !ok || !only(principal, "AWS") {
		return false
	}
	who := single(principal["AWS"])
	return s["Effect"] == "Allow" && (who == arn.Root(account) || who == account) &&
		single(s["Action"]) == "kms:*" && single(s["Resource"]) == "*"
}

// only reports whether m has no other members than these.
func only(m map[string]any, names ...string) bool {
	n := 0
	for _, name := range names {
		if _, ok := m[name]; ok {
			n++
		}
	}
	return n == len(m)
}

// single returns the one element of a list, and anything else as it is.
func single(v any) any {
	if list, ok := v.([]any); ok && len(list) == 1 {
		return list[0]
	}
	return v
}

var errDuplicate = errors.New("a member stands twice")

// readJSON reads one JSON text and refuses objects with a member that stands
// twice, which package encoding/json would drop.
func readJSON(text string) (any, error) {
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	v, err := readValue(d)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("text after the value")
	}
	return v, nil
}

func readValue(d *json.Decoder) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t {
	case json.Delim('['):
		list := []any{}
		for d.More() {
			v, err := readValue(d)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := d.Token()
		return list, err
	case json.Delim('{'):
		object := map[string]any{}
		for d.More() {
			name, err := d.Token()
			if err != nil {
				return nil, err
			}
			if _, ok := object[name.(string)]; ok {
				return nil, errDuplicate
			}
			if object[name.(string)], err = readValue(d); err != nil {
				return nil, err
			}
		}
		_, err := d.Token()
		return object, err
	}
	return t, nil
}
