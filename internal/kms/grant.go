package kms

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"coffer/internal/arn"
	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/key"
	"coffer/internal/keyspec"
	"coffer/internal/meta"
	"coffer/internal/policy"
)

// Limits of a grant.
//
// Source: AWS KMS API Reference, CreateGrant and GrantConstraints, read 2026-11-21.
const (
	maxGrantName       = 256 // characters
	maxGrantID         = 128
	maxPrincipal       = 256
	maxConstraintPairs = 8
	maxConstraintText  = 384 // of a name or a value
	maxSourceARN       = 2048
)

// Operations that a grant can allow.
//
// Source: AWS KMS Developer Guide, "Grants in AWS KMS", grant operations, and the
// enum of the API, read 2026-11-21.
var (
	grantOperations = []string{"Decrypt", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "ReEncryptFrom", "ReEncryptTo",
		"Sign", "Verify", "GetPublicKey", "CreateGrant", "RetireGrant", "DescribeKey", "GenerateDataKeyPair",
		"GenerateDataKeyPairWithoutPlaintext", "GenerateMac", "VerifyMac", "DeriveSharedSecret", "Encapsulate", "Decapsulate"}
)

// operationsOf returns the operations that a grant on a key can allow.
func operationsOf(k *key.Key) []string {
	list := []string{"CreateGrant", "RetireGrant", "DescribeKey"}
	switch k.Usage {
	case keyspec.EncryptDecrypt:
		list = append(list, "Decrypt", "Encrypt", "ReEncryptFrom", "ReEncryptTo")
	case keyspec.SignVerify:
		list = append(list, "Sign", "Verify")
	case keyspec.GenerateVerifyMAC:
		list = append(list, "GenerateMac", "VerifyMac")
	case keyspec.KeyAgreement:
		list = append(list, "DeriveSharedSecret")
	case keyspec.EncapsulateDecapsulate:
		list = append(list, "Encapsulate", "Decapsulate")
	}
	switch spec, ok := keyspec.Lookup(k.Spec); {
	case ok && spec.Asymmetric():
		list = append(list, "GetPublicKey")
	case k.Usage == keyspec.EncryptDecrypt:
		list = append(list, "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext")
	}
	return list
}

// GrantConstraints limit what a grant allows. Names in an encryption context are
// compared without regard to letter case, values with it.
type GrantConstraints struct {
	EncryptionContextEquals map[string]string `json:"EncryptionContextEquals,omitempty"`
	EncryptionContextSubset map[string]string `json:"EncryptionContextSubset,omitempty"`
	SourceARN               string            `json:"SourceArn,omitempty"`
}

func (g *GrantConstraints) isZero() bool {
	return g == nil || g.EncryptionContextEquals == nil && g.EncryptionContextSubset == nil && g.SourceARN == ""
}

// CreateGrantInput is the request of [Service.CreateGrant].
type CreateGrantInput struct {
	KeyID                    string            `json:"KeyId"`
	GranteePrincipal         string            `json:"GranteePrincipal,omitempty"`
	GranteeServicePrincipal  string            `json:"GranteeServicePrincipal,omitempty"` // instead of GranteePrincipal
	RetiringPrincipal        string            `json:"RetiringPrincipal,omitempty"`
	RetiringServicePrincipal string            `json:"RetiringServicePrincipal,omitempty"` // instead of RetiringPrincipal
	Operations               []string          `json:"Operations"`
	Constraints              *GrantConstraints `json:"Constraints"`
	GrantTokens              []string          `json:"GrantTokens,omitempty"`
	Name                     string            `json:"Name,omitempty"`
	DryRun                   bool              `json:"DryRun,omitempty"`
}

// CreateGrantOutput is the answer of [Service.CreateGrant].
type CreateGrantOutput struct {
	GrantToken string `json:"GrantToken"`
	GrantID    string `json:"GrantId"`
}

// CreateGrant lets a principal use a key for some operations. The grant counts at
// once. With a name, the same request again returns the same grant.
//
// A caller that may create grants because of a grant alone can pass on no more than
// that one grant has: its operations, under constraints that are as strict.
//
// It returns a *awserr.Error with code
//
//   - ValidationException if a member is missing or out of its range, or if the key
//     has no such operation,
//   - InvalidArnException if a principal is no ARN, or names nobody,
//   - NotFoundException, AccessDeniedException, InvalidGrantTokenException,
//   - DisabledException or KMSInvalidStateException if the key's state forbids it,
//   - LimitExceededException if the key has 50,000 grants,
//   - DryRunOperationException if nothing but in.DryRun speaks against it.
//
// Source: AWS KMS API Reference, CreateGrant.
func (s *Service) CreateGrant(ctx context.Context, c *authn.Caller, in *CreateGrantInput) (*CreateGrantOutput, error) {
	return run(ctx, s, c, "CreateGrant", changes, func(call *authz.Call) (*CreateGrantOutput, error) {
		recordGrant(call, in)
		constraints, err := checkGrant(in)
		if err := errors.Join(err, s.checkTokens(in.GrantTokens)); err != nil {
			return nil, err
		}
		g := &key.Grant{Name: in.Name, Operations: in.Operations, ContextEquals: constraints.EncryptionContextEquals,
			ContextSubset: constraints.EncryptionContextSubset, SourceARN: constraints.SourceARN}
		q := &conditions{caller: c, grants: true, encryptionContext: constraints.context(), grant: &grantFacts{
			constraints: *constraints, operations: in.Operations, grantee: in.GranteePrincipal, granteeService: in.GranteeServicePrincipal,
			retiring: in.RetiringPrincipal, retiringService: in.RetiringServicePrincipal,
		}}
		k, err := s.useToGrant(ctx, call, q, in.KeyID, g)
		if err != nil {
			return nil, err
		}
		for _, o := range in.Operations {
			if !slices.Contains(operationsOf(k), o) {
				return nil, fault("ValidationException", "The operation %s is not supported by keys of the key spec %s.", o, k.Spec)
			}
		}
		if g.Grantee, err = s.party(ctx, in.GranteePrincipal, in.GranteeServicePrincipal); err != nil {
			return nil, err
		}
		if g.Retiring, err = s.party(ctx, in.RetiringPrincipal, in.RetiringServicePrincipal); err != nil {
			return nil, err
		}
		if in.DryRun {
			return nil, orDryRun(usable(k))
		}
		g.Key, g.Issuer = k.Ref, orDefault(c.Account, k.Account)
		made, err := s.keys.CreateGrant(ctx, g, recordGrantChange(call, k))
		if err != nil {
			return nil, about(k.ARN, err)
		}
		token, err := s.newToken(made)
		if err != nil {
			return nil, err
		}
		return &CreateGrantOutput{GrantToken: token, GrantID: made.ID}, nil
	})
}

// useToGrant returns the key that id names, once the caller may make the grant g on
// it: because of policies, or because of one grant that allows all that g allows.
func (s *Service) useToGrant(ctx context.Context, call *authz.Call, q *conditions, id string, g *key.Grant) (*key.Key, error) {
	const action = "kms:CreateGrant"
	k, err := s.find(ctx, call, q, action, id, keysOnly)
	if err != nil {
		return nil, err
	}
	call.Resource(kindKey, k.ARN, k.Account)
	denied := s.authorize(ctx, call, q, action, k)
	if !isDenial(denied) || !k.HasGrants {
		return k, denied
	}
	parents, err := s.parents(ctx, k, q.caller, g)
	if err != nil || len(parents) == 0 {
		return nil, errors.Join(err, denied)
	}
	err = call.Ask(ctx, &authz.Ask{Action: action, Resource: k.ARN, Account: k.Account, Policy: k.CompiledPolicy(), Grants: parents, Keys: q,
		NoRCP: k.Manager == key.ManagerAWS, Refresh: func(ctx context.Context, a *authz.Ask) error {
			if err := s.refresh(ctx, q, k.Ref, a); err != nil {
				return err
			}
			a.Grants, err = s.parents(ctx, q.key, q.caller, g)
			return err
		}})
	switch {
	case err == nil:
		return k, nil
	case k.Account != q.caller.Account:
		return nil, hide(err)
	}
	return nil, err
}

// parents returns the caller's grants that allow passing on g, as decisions about
// CreateGrant see them: their constraints on the encryption context are met by g,
// and there is no other context.
func (s *Service) parents(ctx context.Context, k *key.Key, c *authn.Caller, g *key.Grant) (parents []policy.Grant, err error) {
	for _, name := range names(c) {
		if name == "" {
			continue
		}
		held, _, err := s.keys.Grants(ctx, k.Ref, name, "", key.MaxGrants)
		if err != nil {
			return nil, err
		}
		for _, p := range held {
			if slices.Contains(p.Operations, "CreateGrant") && covers(p, g) {
				d := p.Decision()
				d.Operations, d.ContextEquals, d.ContextSubset = []string{"CreateGrant"}, nil, nil
				parents = append(parents, d)
			}
		}
	}
	return parents, nil
}

// covers reports whether a grant that parent makes possible may be g: its
// operations are among parent's, and its constraints are as strict or stricter.
//
// Source: AWS KMS Developer Guide, "Granting CreateGrant permission", read
// 2026-11-21.
func covers(parent, g *key.Grant) bool {
	for _, o := range g.Operations {
		if !slices.Contains(parent.Operations, o) {
			return false
		}
	}
	if parent.SourceARN != "" && parent.SourceARN != g.SourceARN {
		return false
	}
	if parent.ContextEquals != nil && !(len(g.ContextEquals) == len(parent.ContextEquals) && includes(g.ContextEquals, parent.ContextEquals)) {
		return false
	}
	return parent.ContextSubset == nil || includes(g.ContextEquals, parent.ContextSubset) || includes(g.ContextSubset, parent.ContextSubset)
}

// includes reports whether pairs has all of least.
func includes(pairs, least map[string]string) bool {
	for name, want := range least {
		found := false
		for k, v := range pairs {
			found = found || v == want && strings.EqualFold(k, name)
		}
		if !found {
			return false
		}
	}
	return true
}

// context returns the pairs that the constraints name, which are the encryption
// context of a CreateGrant and a RetireGrant for condition keys.
func (g *GrantConstraints) context() map[string]string {
	all := maps.Clone(g.EncryptionContextSubset)
	if all == nil {
		return g.EncryptionContextEquals
	}
	maps.Copy(all, g.EncryptionContextEquals)
	return all
}

// withoutEmpty leaves out a constraint without pairs beside one that has some:
// Terraform sends both. A constraint that says nothing and stands alone is kept, and
// refused: whoever sent it meant to limit something.
func (g *GrantConstraints) withoutEmpty() *GrantConstraints {
	out := *g
	if len(g.EncryptionContextEquals) > 0 && len(g.EncryptionContextSubset) == 0 {
		out.EncryptionContextSubset = nil
	}
	if len(g.EncryptionContextSubset) > 0 && len(g.EncryptionContextEquals) == 0 {
		out.EncryptionContextEquals = nil
	}
	return &out
}

// checkGrant checks the shape of a CreateGrant, and returns its constraints.
func checkGrant(in *CreateGrantInput) (*GrantConstraints, error) {
	var v checker
	v.required("keyId", in.KeyID, maxKeyID)
	v.principal("granteePrincipal", in.GranteePrincipal)
	v.principal("granteeServicePrincipal", in.GranteeServicePrincipal)
	v.principal("retiringPrincipal", in.RetiringPrincipal)
	v.principal("retiringServicePrincipal", in.RetiringServicePrincipal)
	v.list("operations", in.Operations == nil)
	if in.Operations != nil && len(in.Operations) == 0 {
		v.add("Value '[]'", "operations", "Member must have length greater than or equal to 1")
	}
	v.count("operations", len(in.Operations), len(grantOperations))
	for i, o := range in.Operations {
		v.oneOf(fmt.Sprintf("operations.%d.member", i+1), orDefault(o, "null"), grantOperations)
	}
	v.grantName(in.Name)
	v.tokens(in.GrantTokens)
	constraints := in.Constraints
	if constraints.isZero() {
		constraints = new(GrantConstraints)
	}
	constraints = constraints.withoutEmpty()
	v.pairs("constraints.encryptionContextEquals", constraints.EncryptionContextEquals)
	v.pairs("constraints.encryptionContextSubset", constraints.EncryptionContextSubset)
	v.optional("constraints.sourceArn", constraints.SourceARN, maxSourceARN)
	if err := v.err(); err != nil {
		return nil, err
	}
	switch {
	case (in.GranteePrincipal == "") == (in.GranteeServicePrincipal == ""):
		return nil, fault("ValidationException", "You must specify either GranteePrincipal or GranteeServicePrincipal, but not both.")
	case in.RetiringPrincipal != "" && in.RetiringServicePrincipal != "":
		return nil, fault("ValidationException", "You can specify either RetiringPrincipal or RetiringServicePrincipal, but not both.")
	case in.GranteeServicePrincipal != "" && constraints.SourceARN == "":
		return nil, fault("ValidationException", "A grant to a GranteeServicePrincipal must have a SourceArn constraint.")
	case in.GranteeServicePrincipal != "" && in.RetiringPrincipal == "" && in.RetiringServicePrincipal == "":
		return nil, fault("ValidationException", "A grant to a GranteeServicePrincipal must have a RetiringPrincipal or a RetiringServicePrincipal.")
	}
	if constraints.SourceARN != "" {
		if _, err := arn.Parse(constraints.SourceARN); err != nil {
			return nil, about(constraints.SourceARN, key.ErrInvalidARN)
		}
	}
	return constraints, nil
}

// principal checks the name of a principal, which may be absent.
func (v *checker) principal(member, value string) {
	v.optional(member, value, maxPrincipal)
	for _, r := range value {
		if r <= ' ' || r > '~' {
			v.add("Value '"+value+"'", member, "Member must satisfy regular expression pattern: ^[\\w+=,.@:/-]+$")
			return
		}
	}
}

func (v *checker) grantName(name string) {
	if name != "" {
		v.named("name", name, maxGrantName)
	}
}

// pairs checks a constraint on the encryption context. An empty one is refused: it
// would seem to limit, and does not say to what.
func (v *checker) pairs(member string, pairs map[string]string) {
	if pairs != nil && len(pairs) == 0 {
		v.add("Value '{}'", member, "Member must have length greater than or equal to 1")
	}
	v.count(member, len(pairs), maxConstraintPairs)
	seen := make(map[string]bool, len(pairs))
	for name, value := range pairs {
		if name == "" || seen[strings.ToLower(name)] {
			v.add("Value", member, "Member must have keys that differ, without regard to letter case")
			return
		}
		seen[strings.ToLower(name)] = true
		if len(name) > maxConstraintText || len(value) > maxConstraintText {
			v.add("Value", member, fmt.Sprintf("Member must have length less than or equal to %d", maxConstraintText))
			return
		}
	}
}

func recordGrant(call *authz.Call, in *CreateGrantInput) {
	call.Param("keyId", in.KeyID)
	recordFilters(call, "granteePrincipal", in.GranteePrincipal, "granteeServicePrincipal", in.GranteeServicePrincipal,
		"retiringPrincipal", in.RetiringPrincipal, "retiringServicePrincipal", in.RetiringServicePrincipal, "name", in.Name)
	call.Param("operations", in.Operations)
	if c := in.Constraints; !c.isZero() {
		m := make(map[string]any)
		if c.EncryptionContextEquals != nil {
			m["encryptionContextEquals"] = c.EncryptionContextEquals
		}
		if c.EncryptionContextSubset != nil {
			m["encryptionContextSubset"] = c.EncryptionContextSubset
		}
		if c.SourceARN != "" {
			m["sourceArn"] = c.SourceARN
		}
		call.Param("constraints", m)
	}
	if in.DryRun {
		call.Param("dryRun", true)
	}
}

// recordGrantChange returns what runs last in a transaction that makes or revokes a
// grant on the key k.
func recordGrantChange(call *authz.Call, k *key.Key) key.GrantAlso {
	return func(tx meta.Txn, g *key.Grant) error {
		if err := call.Covers(k.ARN); err != nil {
			return err
		}
		call.Response("grantId", g.ID)
		call.Response("keyId", k.ARN)
		return call.Record(tx)
	}
}
