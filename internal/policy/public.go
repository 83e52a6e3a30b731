package policy

import (
	"net/netip"
	"strings"
)

// IsPublic reports whether a bucket policy gives access to the public, as Block
// Public Access understands it: whether it has a statement that allows something to
// others than fixed principals without tying it to fixed values of a few condition
// keys. A statement that allows and is not understood counts as public.
//
// Source: Amazon S3 User Guide, "Blocking public access to your Amazon S3 storage",
// the meaning of "public", read 2026-11-21.
func (p *Policy) IsPublic() bool {
	return p.compiled == nil || len(p.compiled.public) > 0
}

// PublicStatements returns the indices of the statements that make the policy
// public.
func (p *Policy) PublicStatements() []int {
	if p.compiled == nil {
		return nil
	}
	return append([]int(nil), p.compiled.public...)
}

// isPublic reports whether a statement makes its policy public.
func isPublic(s *Statement, r *rule) bool {
	if r.deny {
		return false
	}
	if r.unknown || s.Principal == nil || s.NotPrinc {
		return true
	}
	public := false
	for i := range r.principals {
		v := &r.principals[i]
		// Everybody can get an identity of graph.facebook.com and its like; the
		// providers of an account have ARNs.
		if v.who == whoAny || v.who == whoFederated && !strings.HasPrefix(v.text, "arn:") {
			public = true
		}
	}
	if !public {
		return false
	}
	for i := range s.Conditions {
		if isFixed(&s.Conditions[i]) {
			return false
		}
	}
	return true
}

// fixedKeys are the condition keys whose fixed values make a statement non-public,
// beside aws:SourceIp and s3:DataAccessPointArn. The first three stand for a fixed
// principal.
var fixedKeys = map[string]bool{
	"aws:principalorgid":        true,
	"aws:principalarn":          true,
	"aws:principalaccount":      true,
	"aws:sourcearn":             true,
	"aws:sourcevpc":             true,
	"aws:sourcevpce":            true,
	"aws:sourceowner":           true,
	"aws:sourceaccount":         true,
	"aws:userid":                true,
	"s3:dataaccesspointaccount": true,
	"s3:x-amz-server-side-encryption-aws-kms-key-id": true,
}

// isFixed reports whether a condition holds only for fixed values of a key that
// counts. It must not hold for requests that lack the key.
func isFixed(c *Condition) bool {
	if c.IfExists || c.Set == forAllValues || len(c.Values) == 0 {
		return false
	}
	key := lowerKey(c.Key)
	fixed := hasNoWildcard
	switch c.Operator {
	case "IpAddress":
		if key != "aws:sourceip" {
			return false
		}
		fixed = isNarrow
	case "StringEquals", "StringEqualsIgnoreCase", "StringLike", "ArnEquals", "ArnLike":
		switch {
		case key == "s3:dataaccesspointarn":
			fixed = hasFixedAccount
		case !fixedKeys[key]:
			return false
		}
	default:
		return false
	}
	for _, v := range c.Values {
		if !fixed(v) {
			return false
		}
	}
	return true
}

// hasNoWildcard reports whether v holds neither a wildcard nor a policy variable.
func hasNoWildcard(v string) bool {
	return !strings.ContainsAny(v, "*?") && !strings.Contains(v, "${")
}

// hasFixedAccount reports whether v is the ARN of an access point with a fixed
// account; its name may hold wildcards.
func hasFixedAccount(v string) bool {
	var p [arnParts]string
	return splitARN(v, &p) && isAccount(p[4]) && !strings.Contains(v, "${")
}

// The widest ranges that are not public, and the private ranges, of which every
// part is not public.
//
// Source: Amazon S3 User Guide, "Blocking public access to your Amazon S3 storage"
// (/8 and /32), read 2026-11-21; RFC 1918, section 3.
const (
	widestIPv4 = 8
	widestIPv6 = 32
)

var privateRanges = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"),
	netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.168.0.0/16"),
}

// isNarrow reports whether a range of addresses is too narrow to be public.
func isNarrow(v string) bool {
	p, ok := parsePrefix(v)
	if !ok {
		return false
	}
	for _, private := range privateRanges {
		if private.Contains(p.Addr()) && p.Bits() >= private.Bits() {
			return true
		}
	}
	if p.Addr().Is4() {
		return p.Bits() >= widestIPv4
	}
	return p.Bits() >= widestIPv6
}
