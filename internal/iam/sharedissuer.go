package iam

import (
	"slices"
	"strings"

	"coffer/internal/awserr"
	"coffer/internal/policy"
)

// sharedIssuers are the issuers of web identities that many organizations share, so
// that the issuer alone does not tell whose a token is, with the claim that does, or
// the condition key if that is no claim.
//
// Source: IAM User Guide, "Identity-provider controls for shared OIDC providers",
// read 2026-11-22.
var sharedIssuers = map[string]string{
	"agent.buildkite.com":            "sub",
	"api.pulumi.com/oidc":            "aud",
	"app.terraform.io":               "sub",
	"cognito-identity.amazonaws.com": "aud",
	"gitlab.com":                     "sub",
	"oidc-configuration.audit-log.githubusercontent.com": "sub",
	"oidc.codefresh.io": "sub",
	"oidc.op1.openshiftapps.com/2c51blsaqa9gkjt0o9rt11mle8mmropu": "sub",
	"oidc.op1.openshiftapps.com/2f785sojlpb85i7402pk3qogugim5nfb": "sub",
	"oidc.vercel.com":   "aud",
	"proidc.upbound.io": "sub",
	"rh-oidc.s3.us-east-1.amazonaws.com/22ejnvnnturfmt6km08idd0nt4hekbn7": "sub",
	"rh-oidc.s3.us-east-1.amazonaws.com/23e3sd27sju1hoou6ohfs68vbno607tr": "sub",
	"rh-oidc.s3.us-east-1.amazonaws.com/23ne21h005qjl3n33d8dui5dlrmv2tmg": "sub",
	"rh-oidc.s3.us-east-1.amazonaws.com/24jrf12m5dj7ljlfb4ta2frhrcoadm26": "sub",
	"sandboxes.cloud": "aud",
	"scalr.io":        "sub",
	"sts.windows.net/33e01921-4d64-4f8c-a055-5bdaffd5e33d": "sts:RoleSessionName",
	"studio.datachain.ai/api":                              "sub",
	"tokens.cloud.shisho.dev":                              "sub",
	"vstoken.actions.githubusercontent.com":                "sub",
}

// githubActions is the issuer of GitHub Actions. An enterprise may have one below it,
// with its name behind a slash.
const githubActions = "token.actions.githubusercontent.com"

// tenantKeys returns the condition keys of which a trust policy must evaluate one, or
// nothing if the provider is not known to be shared.
func tenantKeys(provider string) []string {
	issuer := provider
	if _, after, ok := strings.Cut(provider, ":oidc-provider/"); ok {
		issuer = after
	}
	issuer = strings.ToLower(strings.TrimSuffix(issuer, "/"))
	if issuer == githubActions || strings.HasPrefix(issuer, githubActions+"/") {
		return []string{issuer + ":sub", issuer + ":job_workflow_ref"}
	}
	claim, shared := sharedIssuers[issuer]
	switch {
	case !shared:
		return nil
	case strings.Contains(claim, ":"):
		return []string{claim}
	}
	return []string{issuer + ":" + claim}
}

// checkIssuers refuses a trust policy that trusts a shared issuer and does not say
// whose tokens: a statement that allows must evaluate the issuer's claim for that, and
// none of the values that it takes may be everybody's. AWS looks at the first value only;
// but the values are alternatives, so that one which takes everybody is as good as no
// condition.
//
// A text that can't be read is left to the domain, which says where it is wrong.
func checkIssuers(trust string) *awserr.Error {
	p, err := policy.Parse(trust, policy.KindTrust)
	if err != nil {
		return nil
	}
	for i := range p.Statements {
		s := &p.Statements[i]
		if s.Effect != policy.Allow || s.Principal == nil {
			continue
		}
		for _, provider := range s.Principal.Federated {
			keys := tenantKeys(provider)
			if len(keys) == 0 || slices.ContainsFunc(s.Conditions, func(c policy.Condition) bool { return tells(c, keys) }) {
				continue
			}
			return malformedPolicy("Trust policy with trusted principal " + provider + " must evaluate, using StringEquals, StringLike or StringEqualsIgnoreCase, " +
				strings.Join(keys, " or ") + " which is not scoped to all.")
		}
	}
	return nil
}

// tells reports whether a condition holds for some values of one of the keys only.
// With ForAllValues or IfExists it would hold without the key, too.
func tells(c policy.Condition, keys []string) bool {
	switch c.Operator {
	case "StringEquals", "StringLike", "StringEqualsIgnoreCase":
	default:
		return false
	}
	return !c.IfExists && c.Set != "ForAllValues" &&
		slices.ContainsFunc(keys, func(key string) bool { return strings.EqualFold(key, c.Key) }) &&
		len(c.Values) > 0 && !slices.ContainsFunc(c.Values, isForAll)
}

// isForAll reports whether a value has nothing but wildcards and variables: a variable
// may be the claim itself.
func isForAll(value string) bool {
	for {
		before, after, ok := strings.Cut(value, "${")
		if !ok {
			return strings.Trim(value, "*?") == ""
		}
		_, after, _ = strings.Cut(after, "}")
		value = before + after
	}
}
