package authz

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"coffer/internal/authn"
	"coffer/internal/identity"
	"coffer/internal/organization"
	"coffer/internal/policy"
)

// A requestContext tells the condition keys of one request. Global keys are
// computed here, from facts that no client can set by a name of its own; keys of a
// service come from the operation, if the catalog says that the action carries
// them.
//
// Source of the global keys: IAM User Guide, "AWS global condition context keys",
// read 2026-11-21.
type requestContext struct {
	caller    *authn.Caller
	ask       *Ask
	effective *identity.Effective
	own       *organization.Chain // of the caller's account
	other     *organization.Chain // of the resource's account
	account   string              // of the resource
	action    *policy.CatalogAction
	gate      *Gate
}

// given are the global keys that the operation tells, because they are about the
// resource, about what the request asks for, or about what a service vouches for.
var given = []string{
	"aws:requesttag/", "aws:resourcetag/", "aws:tagkeys",
	"aws:sourcearn", "aws:sourceaccount", "aws:sourceowner", "aws:sourceorgid", "aws:sourceorgpaths",
	"aws:federatedprovider", "aws:principaltag/",
}

// Lookup implements policy.Context.
func (r *requestContext) Lookup(key string, into []string) ([]string, bool) {
	service, _, _ := strings.Cut(key, ":")
	if service == "aws" {
		return r.global(key, into)
	}
	if r.ask.Keys != nil && r.carries(service, key) {
		if values, ok := r.ask.Keys.Lookup(key, into); ok {
			return values, true
		}
	}
	if s := r.caller.Session; s != nil {
		if v, ok := s.Keys[key]; ok {
			return append(into, v...), true
		}
	}
	return into, false
}

// carries reports whether a request for the action may have a key of a service.
func (r *requestContext) carries(service, key string) bool {
	if service == "s3" || service == "kms" {
		return r.action != nil && r.action.Carries(key)
	}
	return true
}

// global returns the value of a key that every service knows.
func (r *requestContext) global(key string, into []string) ([]string, bool) {
	c, s := r.caller, r.caller.Session
	is := func(value string) ([]string, bool) {
		if value == "" {
			return into, false
		}
		return append(into, value), true
	}
	switch key {
	case "aws:securetransport":
		return is(strconv.FormatBool(c.SecureTransport))
	case "aws:sourceip":
		// On a forwarded request it is not the client's.
		if _, err := netip.ParseAddr(c.SourceIP); err != nil || c.InvokedBy != "" {
			return into, false
		}
		return is(c.SourceIP)
	case "aws:useragent":
		return is(c.UserAgent)
	case "aws:referer":
		return is(c.Referer)
	case "aws:currenttime":
		return is(r.gate.cfg.Now().UTC().Format(time.RFC3339))
	case "aws:epochtime":
		return is(strconv.FormatInt(r.gate.cfg.Now().Unix(), 10))
	case "aws:requestedregion":
		return is(c.Region)
	case "aws:viaawsservice":
		return is(strconv.FormatBool(c.InvokedBy != "" && c.Type != authn.TypeAWSService))
	case "aws:calledvia", "aws:calledviafirst", "aws:calledvialast":
		return is(c.InvokedBy)

	case "aws:principalarn":
		switch {
		case c.Type == authn.TypeAssumedRole && r.effective != nil:
			return is(r.effective.ARN)
		case c.Type == authn.TypeAWSService, c.Type == authn.TypeWebIdentity:
			return into, false
		}
		return is(c.ARN)
	case "aws:principalaccount":
		if c.Type == authn.TypeAnonymous {
			return is("anonymous")
		}
		return is(c.Account)
	case "aws:principaltype":
		return is(principalTypes[c.Type])
	case "aws:userid":
		if c.Type == authn.TypeAnonymous {
			return is("anonymous")
		}
		return is(c.PrincipalID)
	case "aws:username":
		return is(c.UserName)
	case "aws:principalisawsservice":
		if c.Type == authn.TypeAnonymous {
			return into, false
		}
		return is(strconv.FormatBool(c.Type == authn.TypeAWSService))
	case "aws:principalservicename", "aws:principalservicenameslist":
		if c.Type != authn.TypeAWSService {
			return into, false
		}
		return is(c.ARN)
	case "aws:principalorgid":
		return is(orgID(r.own))
	case "aws:principalorgpaths":
		return is(orgPath(r.own))

	case "aws:resourceaccount":
		return is(r.account)
	case "aws:resourceorgid":
		return is(orgID(r.other))
	case "aws:resourceorgpaths":
		return is(orgPath(r.other))

	case "aws:multifactorauthpresent":
		if s == nil {
			return into, false
		}
		return is(strconv.FormatBool(s.MFA))
	case "aws:multifactorauthage":
		if s == nil || !s.MFA {
			return into, false
		}
		return is(strconv.FormatInt(int64(r.gate.cfg.Now().Sub(s.MFAAt)/time.Second), 10))
	case "aws:tokenissuetime":
		if s == nil {
			return into, false
		}
		return is(s.IssuedAt.UTC().Format(time.RFC3339))
	case "aws:sourceidentity":
		if s == nil {
			return into, false
		}
		return is(s.SourceIdentity)
	}
	if name, ok := strings.CutPrefix(key, "aws:principaltag/"); ok {
		if v, ok := r.principalTag(name); ok {
			return append(into, v), true
		}
	}
	if strings.HasPrefix(key, "aws:principaltag/") && r.caller.Type != authn.TypeAWSService {
		return into, false
	}
	if r.ask.Keys != nil && slices.ContainsFunc(given, func(p string) bool { return strings.HasPrefix(key, p) }) {
		if values, ok := r.ask.Keys.Lookup(key, into); ok {
			return values, true
		}
	}
	if s != nil && key == "aws:federatedprovider" {
		return is(s.Provider)
	}
	return into, false
}

// principalTypes are the values of aws:PrincipalType.
//
// Source: IAM User Guide, "IAM policy elements: Variables and tags", read
// 2026-11-21.
var principalTypes = map[string]string{
	authn.TypeRoot: "Account", authn.TypeUser: "User", authn.TypeAssumedRole: "AssumedRole",
	authn.TypeFederatedUser: "FederatedUser", authn.TypeAnonymous: "Anonymous",
}

// principalTag returns a tag of the principal: that of the session before that of
// the user or the role. Tag keys in conditions know no letter case.
func (r *requestContext) principalTag(name string) (string, bool) {
	if s := r.caller.Session; s != nil {
		for k, v := range s.Tags {
			if strings.EqualFold(k, name) {
				return v, true
			}
		}
	}
	if r.effective == nil || r.caller.Type == authn.TypeFederatedUser {
		return "", false
	}
	for k, v := range r.effective.Tags {
		if strings.EqualFold(k, name) {
			return v, true
		}
	}
	return "", false
}

func orgID(c *organization.Chain) string {
	if c == nil {
		return ""
	}
	return c.ID
}

func orgPath(c *organization.Chain) string {
	if c == nil {
		return ""
	}
	return c.Path
}

// globals are the keys that an explanation shows beside those that policies ask
// for.
var globals = []string{
	"aws:SecureTransport", "aws:SourceIp", "aws:UserAgent", "aws:CurrentTime", "aws:EpochTime", "aws:RequestedRegion",
	"aws:ViaAWSService", "aws:CalledVia", "aws:PrincipalArn", "aws:PrincipalAccount", "aws:PrincipalType", "aws:userid",
	"aws:username", "aws:PrincipalIsAWSService", "aws:PrincipalServiceName", "aws:PrincipalOrgID", "aws:PrincipalOrgPaths",
	"aws:ResourceAccount", "aws:ResourceOrgID", "aws:ResourceOrgPaths", "aws:MultiFactorAuthPresent", "aws:TokenIssueTime",
	"aws:SourceIdentity", "aws:FederatedProvider", "aws:SourceArn", "aws:SourceAccount", "aws:TagKeys",
}

// snapshot returns the keys of the request that are known by name.
func (r *requestContext) snapshot() map[string][]string {
	out := make(map[string][]string)
	add := func(name string) {
		if v, ok := r.Lookup(strings.ToLower(name), nil); ok {
			out[name] = v
		}
	}
	for _, name := range globals {
		add(name)
	}
	if r.action != nil {
		for _, name := range r.action.Keys() {
			add(name)
		}
	}
	return out
}
