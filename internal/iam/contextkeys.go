package iam

import (
	"context"
	"encoding/base64"
	"net/netip"
	"strconv"
	"strings"
	"time"

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

// statementKeys returns the condition keys that a statement refers to, as they are
// written: variables in resources, the keys of conditions, variables in their values.
func statementKeys(p *policy.Policy, s *policy.Statement) []string {
	var keys []string
	variables := func(list []string) {
		if p.Version != "2012-10-17" {
			return
		}
		for _, v := range list {
			for {
				_, rest, ok := strings.Cut(v, "${")
				if !ok {
					break
				}
				key, rest, ok := strings.Cut(rest, "}")
				if !ok {
					break
				}
				key, _, _ = strings.Cut(key, ",")
				if key = strings.TrimSpace(key); key != "*" && key != "?" && key != "$" && key != "" {
					keys = append(keys, key)
				}
				v = rest
			}
		}
	}
	variables(s.Resources)
	for _, c := range s.Conditions {
		keys = append(keys, c.Key)
		variables(c.Values)
	}
	return keys
}

var contextKeyTypes = []string{
	"string", "stringList", "numeric", "numericList", "boolean", "booleanList", "ip", "ipList", "binary", "binaryList", "date", "dateList",
}

// contextOf reads the condition keys of a request.
func contextOf(entries []ContextEntry) (policy.MapContext, error) {
	if len(entries) > maxContextEntries {
		return nil, fault(400, "InvalidInput", "More than %d context entries.", maxContextEntries)
	}
	keys := make(policy.MapContext)
	for _, e := range entries {
		kind, isList := strings.CutSuffix(e.ContextKeyType, "List")
		if !isList && len(e.ContextKeyValues) > 1 {
			return nil, fault(400, "InvalidInput", "Context key %s of type %s has more than one value.", e.ContextKeyName, e.ContextKeyType)
		}
		for _, v := range e.ContextKeyValues {
			if !isOfKind(v, kind) {
				return nil, fault(400, "InvalidInput", "A value of context key %s is not of type %s.", e.ContextKeyName, kind)
			}
		}
		key := strings.ToLower(e.ContextKeyName)
		if _, again := keys[key]; again {
			return nil, fault(400, "InvalidInput", "Context key %s stands twice in the request.", e.ContextKeyName)
		}
		keys[key] = e.ContextKeyValues
	}
	return keys, nil
}

// isOfKind reports whether a value has the form of its type.
func isOfKind(v, kind string) bool {
	var err error
	switch kind {
	case "numeric":
		_, err = strconv.ParseFloat(v, 64)
	case "boolean":
		return strings.EqualFold(v, "true") || strings.EqualFold(v, "false")
	case "ip":
		if _, err = netip.ParsePrefix(v); err != nil {
			_, err = netip.ParseAddr(v)
		}
	case "binary":
		_, err = base64.StdEncoding.DecodeString(v)
	case "date":
		if _, err = time.Parse(time.RFC3339, v); err != nil {
			if _, err = time.Parse(time.DateOnly, v); err != nil {
				_, err = strconv.ParseInt(v, 10, 64)
			}
		}
	}
	return err == nil
}
