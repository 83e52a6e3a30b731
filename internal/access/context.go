package access

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"coffer/internal/policy"
)

// A requestContext is what is known of a request that nobody has sent yet.
type requestContext struct {
	known map[string][]string // keys with their values
	// open are the keys that only a request tells; one that ends in / or : stands
	// for all that begin with it.
	open []string
}

// Lookup implements policy.Context.
func (c *requestContext) Lookup(key string, into []string) ([]string, bool) {
	v, ok := c.known[key]
	return append(into, v...), ok
}

// IsUnknown reports whether only a request tells a key.
func (c *requestContext) IsUnknown(key string) bool {
	if _, ok := c.known[key]; ok {
		return false
	}
	for _, o := range c.open {
		if key == o || (strings.HasSuffix(o, "/") || strings.HasSuffix(o, ":")) && strings.HasPrefix(key, o) {
			return true
		}
	}
	// Keys of identity providers come with the session.
	service, _, _ := strings.Cut(key, ":")
	switch service {
	case "aws", "s3", "kms", "sts", "iam":
		return false
	}
	return true
}

// always are the keys that only a request tells, whoever sends it.
var always = []string{
	"aws:sourceip", "aws:vpcsourceip", "aws:sourcevpc", "aws:sourcevpce", "aws:sourcevpcarn", "aws:vpceaccount", "aws:vpceorgid", "aws:vpceorgpaths",
	"aws:useragent", "aws:referer", "aws:multifactorauthpresent", "aws:multifactorauthage", "aws:tokenissuetime", "aws:sourceidentity",
	"aws:federatedprovider", "aws:currenttime", "aws:epochtime",
	"s3:authtype", "s3:signatureage", "s3:signatureversion", "s3:tlsversion", "s3:x-amz-content-sha256",
}

// context returns what is known of a request of p, directly or through S3.
func (w *World) context(p *Principal, account, region string, forwarded bool) *requestContext {
	c := &requestContext{known: map[string][]string{
		"aws:securetransport":       {strconv.FormatBool(w.Secure)},
		"aws:viaawsservice":         {strconv.FormatBool(forwarded)},
		"aws:principalisawsservice": {strconv.FormatBool(p.Type == policy.Service)},
		"aws:resourceaccount":       {account},
	}, open: slices.Clone(always)}
	set := func(key, value string) {
		if value != "" {
			c.known[key] = []string{value}
		}
	}
	set("aws:requestedregion", region)
	set("aws:principalaccount", p.Account)
	if a := w.Account(p.Account); a != nil && a.SeesOrg {
		set("aws:principalorgid", a.OrgID)
		set("aws:principalorgpaths", a.OrgPath)
	} else if p.Account != "" {
		c.open = append(c.open, "aws:principalorgid", "aws:principalorgpaths")
	}
	if a := w.Account(account); a != nil && a.SeesOrg {
		set("aws:resourceorgid", a.OrgID)
		set("aws:resourceorgpaths", a.OrgPath)
	} else {
		c.open = append(c.open, "aws:resourceorgid", "aws:resourceorgpaths")
	}
	switch p.Type {
	case policy.Root:
		set("aws:principaltype", "Account")
		set("aws:principalarn", p.ARN)
		set("aws:userid", p.Account)
	case policy.User:
		set("aws:principaltype", "User")
		set("aws:principalarn", p.ARN)
		set("aws:userid", p.ID)
		set("aws:username", p.name)
		for k, v := range p.tags {
			set("aws:principaltag/"+strings.ToLower(k), v)
		}
	case policy.Session:
		set("aws:principaltype", "AssumedRole")
		set("aws:principalarn", p.Role)
		c.open = append(c.open, "aws:userid", "aws:principaltag/")
	case policy.Anonymous:
		set("aws:principaltype", "Anonymous")
		set("aws:principalaccount", "anonymous")
		delete(c.known, "aws:principalisawsservice")
		set("aws:userid", "anonymous")
	case policy.Service:
		set("aws:principalservicename", p.Service)
		c.open = append(c.open, "aws:sourcearn", "aws:sourceaccount", "aws:sourceorgid", "aws:sourceorgpaths")
	}
	if p.stranger {
		for _, k := range []string{"aws:principalarn", "aws:userid", "aws:username", "aws:principaltype", "aws:principalaccount"} {
			delete(c.known, k)
		}
		c.open = append(c.open, "aws:principalarn", "aws:userid", "aws:username", "aws:principaltype", "aws:principalaccount", "aws:principaltag/")
	}
	if forwarded {
		set("aws:calledvia", "s3.amazonaws.com")
		set("aws:calledviafirst", "s3.amazonaws.com")
		set("aws:calledvialast", "s3.amazonaws.com")
	}
	maps.Copy(c.known, w.Assume)
	if forwarded {
		// It is the service that asks, from an address that is not the client's.
		delete(c.known, "aws:sourceip")
		c.open = slices.DeleteFunc(c.open, func(k string) bool { return k == "aws:sourceip" })
	}
	return c
}
