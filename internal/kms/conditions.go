package kms

import (
	"strconv"
	"strings"

	"coffer/internal/authn"
	"coffer/internal/key"
)

// Condition keys with a part that clients choose. It is what follows the prefix,
// colons included: kms:EncryptionContext:aws:s3:arn.
const (
	prefixContext     = "kms:encryptioncontext:"
	prefixResourceTag = "aws:resourcetag/"
	prefixRequestTag  = "aws:requesttag/"
)

// conditions are the facts of one question to the gate, of which [conditions.Lookup]
// makes the values of condition keys. What a question does not have stays zero; the
// gate leaves out the keys that AWS does not document for an action.
//
// Source: AWS KMS Developer Guide, "Condition keys for AWS KMS", read 2026-11-21.
type conditions struct {
	caller            *authn.Caller
	key               *key.Key // nil if the question is about no key
	alias             string   // with its prefix, if the request names the key by one
	algorithm         string   // encryption algorithm
	encryptionContext map[string]string
	reEncrypt         bool // the question has a second key
	sameKey           bool // which is this one

	tags    []Tag    // to be set
	tagKeys []string // to be set or removed

	create *CreateKeyInput // the key is yet to be made
	puts   bool            // a key policy is put
	bypass bool            // without the lockout check

	more   map[string]string // values of further condition keys, by name in lower case
	atOnce bool              // the operation is over at once and not decided again

	windowDays int32 // of a deletion; 0 if there is none
	idleDays   int   // for how many whole days the key has not been used
	knowsIdle  bool  // idleDays is filled in
	grant      *grantFacts
	grants     bool // the question is about making, listing or revoking grants
}

// grantFacts are what a request says of a grant that is made or retired.
type grantFacts struct {
	constraints               GrantConstraints
	grantee, granteeService   string
	retiring, retiringService string
	operations                []string
}

// Lookup implements policy.Context.
func (q *conditions) Lookup(name string, into []string) (values []string, ok bool) {
	switch name {
	case "kms:calleraccount":
		return one(into, q.caller.Account, true)
	case "kms:viaservice":
		return one(into, viaService(q.caller), true)
	case "kms:encryptionalgorithm":
		return one(into, q.algorithm, true)
	case "kms:encryptioncontextkeys":
		for k := range q.encryptionContext {
			into = append(into, k)
		}
		return into, len(q.encryptionContext) > 0
	case "kms:requestalias":
		return one(into, q.alias, true)
	case "kms:resourcealiases":
		if q.key == nil {
			return into, false
		}
		return append(into, q.key.Aliases...), len(q.key.Aliases) > 0
	case "kms:keyspec", "kms:customermasterkeyspec":
		return one(into, q.spec(), true)
	case "kms:keyusage", "kms:customermasterkeyusage":
		return one(into, q.usage(), true)
	case "kms:keyorigin":
		return one(into, q.origin(), true)
	case "kms:multiregion":
		return one(into, strconv.FormatBool(q.isMultiRegion()), q.key != nil || q.create != nil)
	case "kms:multiregionkeytype":
		return one(into, q.multiRegionType(), q.isMultiRegion())
	case "kms:bypasspolicylockoutsafetycheck":
		return one(into, strconv.FormatBool(q.bypass), q.puts)
	case "kms:reencryptonsamekey":
		return one(into, strconv.FormatBool(q.sameKey), q.reEncrypt)
	case "kms:schedulekeydeletionpendingwindowindays":
		return one(into, strconv.Itoa(int(q.windowDays)), q.windowDays > 0)
	case "kms:trailingdayswithoutkeyusage":
		return one(into, strconv.Itoa(q.idleDays), q.knowsIdle)
	case "kms:grantisforawsresource":
		return one(into, strconv.FormatBool(q.caller.InvokedBy != ""), q.grants)
	case "aws:tagkeys":
		for _, t := range q.tags {
			into = append(into, t.TagKey)
		}
		return append(into, q.tagKeys...), len(q.tags)+len(q.tagKeys) > 0
	}
	if key, ok := strings.CutPrefix(name, prefixContext); ok {
		return q.contextValue(key, into)
	}
	if key, ok := strings.CutPrefix(name, prefixResourceTag); ok {
		return q.resourceTag(key, into)
	}
	if key, ok := strings.CutPrefix(name, prefixRequestTag); ok {
		ok = false
		for _, t := range q.tags {
			if strings.EqualFold(t.TagKey, key) {
				into, ok = append(into, t.TagValue), true
			}
		}
		return into, ok
	}
	if q.grant != nil {
		return q.grant.lookup(name, into)
	}
	return one(into, q.more[name], true)
}

// one returns a value that exists unless it is empty or was ruled out.
func one(into []string, value string, exists bool) ([]string, bool) {
	if value == "" || !exists {
		return into, false
	}
	return append(into, value), true
}

// contextValue returns the value of a pair of the encryption context. Names of
// condition keys have no letter case, so pairs that differ in it alone are one
// key with several values.
func (q *conditions) contextValue(key string, into []string) (values []string, ok bool) {
	for k, v := range q.encryptionContext {
		if strings.EqualFold(k, key) {
			into, ok = append(into, v), true
		}
	}
	return into, ok
}

func (q *conditions) resourceTag(key string, into []string) (values []string, ok bool) {
	if q.key == nil {
		return into, false
	}
	for _, t := range q.key.Tags {
		if strings.EqualFold(t.Key, key) {
			into, ok = append(into, t.Value), true
		}
	}
	return into, ok
}

// spec, usage and origin are those of the key, or of the one that is asked for.
func (q *conditions) spec() string {
	switch {
	case q.create != nil:
		return spec(q.create)
	case q.key != nil:
		return q.key.Spec
	}
	return ""
}

func (q *conditions) usage() string {
	switch {
	case q.create != nil:
		return orDefault(q.create.KeyUsage, key.UsageEncryptDecrypt)
	case q.key != nil:
		return q.key.Usage
	}
	return ""
}

func (q *conditions) origin() string {
	switch {
	case q.create != nil:
		return orDefault(q.create.Origin, key.OriginAWSKMS)
	case q.key != nil:
		return q.key.Origin
	}
	return ""
}

func (q *conditions) isMultiRegion() bool {
	return q.create != nil && q.create.MultiRegion || q.key != nil && q.key.MultiRegion != nil
}

func (q *conditions) multiRegionType() string {
	if q.key != nil && q.key.MultiRegion != nil && q.key.MultiRegion.Primary != q.key.Region {
		return "REPLICA"
	}
	return "PRIMARY"
}

// viaService returns the service that forwards the caller's request as
// kms:ViaService names it, or nothing.
func viaService(c *authn.Caller) string {
	service, ok := strings.CutSuffix(c.InvokedBy, ".amazonaws.com")
	if !ok {
		return ""
	}
	return service + "." + c.Region + ".amazonaws.com"
}

// lookup returns the values of the condition keys about a grant.
func (g *grantFacts) lookup(name string, into []string) (values []string, ok bool) {
	switch name {
	case "kms:granteeprincipal":
		return one(into, g.grantee, true)
	case "kms:granteeserviceprincipal":
		return one(into, g.granteeService, true)
	case "kms:retiringprincipal":
		return one(into, g.retiring, true)
	case "kms:retiringserviceprincipal":
		return one(into, g.retiringService, true)
	case "kms:grantconstraintsourcearn":
		return one(into, g.constraints.SourceARN, true)
	case "kms:grantoperations":
		return append(into, g.operations...), len(g.operations) > 0
	case "kms:grantconstrainttype":
		c := &g.constraints
		if c.EncryptionContextEquals != nil {
			into = append(into, "EncryptionContextEquals")
		}
		if c.EncryptionContextSubset != nil {
			into = append(into, "EncryptionContextSubset")
		}
		if c.SourceARN != "" {
			into = append(into, "SourceArn")
		}
		return into, len(into) > 0
	}
	return into, false
}
