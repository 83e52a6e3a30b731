package policy_test

import (
	"net/netip"
	"slices"
	"strings"

	"coffer/internal/policy"
)

// naiveIsPublic reports whether a bucket policy is public: whether a statement
// gives something to anyone but fixed principals, and without a condition that
// holds only for fixed values of one of a few keys.
//
// Source: Amazon S3 User Guide, "Blocking public access to your Amazon S3
// storage", the meaning of "public", read 2026-11-21.
func naiveIsPublic(p *policy.Policy) bool {
	for i := range p.Statements {
		st := &p.Statements[i]
		if st.Effect != policy.Allow {
			continue
		}
		if p.Unknown != "" || st.Unknown != "" {
			return true // who knows
		}
		everyone := st.Principal == nil || st.NotPrinc || st.Principal.Any || slices.Contains(st.Principal.Federated, "graph.facebook.com")
		if everyone && !slices.ContainsFunc(st.Conditions, naiveFixes) {
			return true
		}
	}
	return false
}

// naiveFixes reports whether a condition leaves only fixed values of a key that
// counts.
func naiveFixes(c policy.Condition) bool {
	if c.IfExists || c.Set == "ForAllValues" {
		return false // true without the key, too
	}
	all := func(ok func(string) bool) bool {
		return !slices.ContainsFunc(c.Values, func(v string) bool { return !ok(v) })
	}
	fixed := func(v string) bool { return !strings.ContainsAny(v, "*?") && !strings.Contains(v, "${") }
	key := strings.ToLower(c.Key)
	switch c.Operator {
	case "IpAddress":
		return key == "aws:sourceip" && all(naiveNarrow)
	case "StringEquals", "StringEqualsIgnoreCase", "StringLike", "ArnEquals", "ArnLike":
	default:
		return false
	}
	switch key {
	case "aws:principalorgid", "aws:principalarn", "aws:principalaccount",
		"aws:sourcearn", "aws:sourcevpc", "aws:sourcevpce", "aws:sourceowner", "aws:sourceaccount",
		"aws:userid", "s3:x-amz-server-side-encryption-aws-kms-key-id", "s3:dataaccesspointaccount":
		return all(fixed)
	case "s3:dataaccesspointarn":
		return all(func(v string) bool {
			parts := strings.SplitN(v, ":", 6)
			return len(parts) == 6 && !strings.Contains(v, "${") && len(parts[4]) == 12 && !strings.ContainsAny(parts[4], "*?")
		})
	}
	return false
}

// naiveNarrow reports whether a range of addresses is narrow enough to count as
// fixed, or private.
func naiveNarrow(v string) bool {
	if address, err := netip.ParseAddr(v); err == nil {
		return address.IsValid()
	}
	prefix, err := netip.ParsePrefix(v)
	if err != nil {
		return false
	}
	for _, private := range []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"} {
		if r := netip.MustParsePrefix(private); r.Contains(prefix.Addr()) && prefix.Bits() >= r.Bits() {
			return true
		}
	}
	if prefix.Addr().Is4() {
		return prefix.Bits() >= 8
	}
	return prefix.Bits() >= 32
}
