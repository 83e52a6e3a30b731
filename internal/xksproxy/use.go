package xksproxy

import (
	"context"
	"slices"
	"strings"

	"coffer/internal/arn"
	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/key"
	"coffer/internal/xks"
)

// use returns a key of a store, once the store's principal may do action to it. A key
// that is in no store is not told from one that does not exist.
func (s *Service) use(ctx context.Context, call *authz.Call, c *authn.Caller, store *Store, keyID, action string, m *xks.RequestMetadata) (*key.Key, error) {
	k, err := s.cfg.Keys.Get(ctx, key.Ref{Account: store.Account, Region: store.Region, ID: keyID})
	if err != nil {
		return nil, err
	}
	if !store.has(k) {
		return nil, key.ErrNotFound
	}
	call.Resource("AWS::KMS::Key", k.ARN, k.Account)
	a := &authz.Ask{Action: action, Resource: k.ARN, Account: k.Account, Policy: k.CompiledPolicy(), Keys: &conditions{c, k, m}}
	if k.HasGrants {
		if a.Grants, err = s.cfg.Keys.Granted(ctx, k, names(c)...); err != nil {
			return nil, err
		}
	}
	if err := call.Ask(ctx, a); err != nil {
		return nil, err
	}
	return k, call.Covers(k.ARN)
}

// has reports whether a key is in the store: it is one of a customer, and has the tag
// or is listed.
func (s *Store) has(k *key.Key) bool {
	value, _ := k.Tag(Tag)
	return k.Manager == key.ManagerCustomer && (value == "true" || s.Keys[k.ID])
}

// names are those by which a grant may name the store's principal.
func names(c *authn.Caller) []string {
	list := []string{c.ARN, c.EntityID, c.PrincipalID, arn.Root(c.Account)}
	slices.Sort(list)
	return slices.Compact(list)
}

// A fact is a member of requestMetadata.
type fact struct{ name, value string }

// facts are what policies and the trail see of requestMetadata: all of it but
// kmsRequestId, which is of one request.
func facts(m *xks.RequestMetadata) []fact {
	list := []fact{
		{"awsPrincipalArn", m.AWSPrincipalARN}, {"awsSourceVpc", m.AWSSourceVPC}, {"awsSourceVpce", m.AWSSourceVPCE},
		{"kmsKeyArn", m.KMSKeyARN}, {"kmsOperation", m.KMSOperation}, {"kmsViaService", m.KMSViaService},
	}
	return slices.DeleteFunc(list, func(f fact) bool { return f.value == "" })
}

// Prefixes of condition keys with a part that clients choose.
const (
	prefixContext     = "kms:encryptioncontext:"
	prefixResourceTag = "aws:resourcetag/"
)

// conditions are the facts of one question to the gate.
type conditions struct {
	caller *authn.Caller
	key    *key.Key
	m      *xks.RequestMetadata
}

// Lookup implements policy.Context. kms:ViaService tells this API from the others, so
// that a policy can admit a principal here and nowhere else.
func (q *conditions) Lookup(name string, into []string) (values []string, ok bool) {
	one := func(value string) ([]string, bool) {
		if value == "" {
			return into, false
		}
		return append(into, value), true
	}
	switch name {
	case "kms:calleraccount":
		return one(q.caller.Account)
	case "kms:viaservice":
		return one(xks.SigningService + "." + q.caller.Region + ".amazonaws.com")
	case "kms:encryptionalgorithm":
		return one(key.SpecSymmetricDefault)
	case "kms:keyspec", "kms:customermasterkeyspec":
		return one(q.key.Spec)
	case "kms:keyusage", "kms:customermasterkeyusage":
		return one(q.key.Usage)
	case "kms:keyorigin":
		return one(q.key.Origin)
	case "kms:resourcealiases":
		return append(into, q.key.Aliases...), len(q.key.Aliases) > 0
	case "kms:encryptioncontextkeys":
		for _, f := range facts(q.m) {
			into = append(into, f.name)
		}
		return into, true
	case "aws:sourcearn":
		return one(q.m.KMSKeyARN)
	case "aws:sourceaccount":
		a, err := arn.Parse(q.m.KMSKeyARN)
		if err != nil {
			return into, false
		}
		return one(a.Account)
	}
	if pair, found := strings.CutPrefix(name, prefixContext); found {
		for _, f := range facts(q.m) {
			if strings.EqualFold(f.name, pair) {
				return append(into, f.value), true
			}
		}
		return into, false
	}
	if tag, found := strings.CutPrefix(name, prefixResourceTag); found {
		for _, t := range q.key.Tags {
			if strings.EqualFold(t.Key, tag) {
				into, ok = append(into, t.Value), true
			}
		}
	}
	return into, ok
}
