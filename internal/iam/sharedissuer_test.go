package iam

import (
	"strings"
	"testing"

	"coffer/internal/awserr"
)

// TestSharedIssuers puts trust policies for issuers that many organizations share.
func TestSharedIssuers(t *testing.T) {
	const (
		github = arnStart + "oidc-provider/token.actions.githubusercontent.com"
		gitlab = arnStart + "oidc-provider/gitlab.com"
		sub    = `"token.actions.githubusercontent.com:sub"`
	)
	b := newBench(t)
	ctx := t.Context()
	b.role(t, "old")
	trusting := func(provider, condition string) string {
		s := `{"Effect":"Allow","Principal":{"Federated":"` + provider + `"},"Action":"sts:AssumeRoleWithWebIdentity"`
		if condition != "" {
			s += `,"Condition":` + condition
		}
		return s + "}"
	}
	one := func(key, value string) string { return `{"StringLike":{` + key + `:` + value + `}}` }
	for _, tt := range []struct {
		name, statements string
		missing          string // condition keys that the message names; empty if the policy is taken
	}{
		{"no condition", trusting(github, ""), "token.actions.githubusercontent.com:sub or token.actions.githubusercontent.com:job_workflow_ref"},
		{"another claim", trusting(github, `{"StringEquals":{"token.actions.githubusercontent.com:aud":"sts.amazonaws.com"}}`), "token.actions.githubusercontent.com:sub or token.actions.githubusercontent.com:job_workflow_ref"},
		{"a repository", trusting(github, one(sub, `"repo:octo-org/octo-repo:*"`)), ""},
		{"the key in other letters", trusting(github, one(`"Token.Actions.GitHubUserContent.com:SUB"`, `"repo:octo-org/*"`)), ""},
		{"a workflow", trusting(github, one(`"token.actions.githubusercontent.com:job_workflow_ref"`, `"octo-org/*"`)), ""},
		{"everybody", trusting(github, one(sub, `"*"`)), ":sub"},
		{"everybody in other words", trusting(github, one(sub, `"?*"`)), ":sub"},
		{"nothing", trusting(github, one(sub, `""`)), ":sub"},
		{"the claim itself", trusting(github, one(sub, `"${token.actions.githubusercontent.com:sub}"`)), ":sub"},
		{"wildcards as variables", trusting(github, one(sub, `"${*}*"`)), ":sub"},
		{"the name of the session", trusting(arnStart+"oidc-provider/sts.windows.net/33e01921-4d64-4f8c-a055-5bdaffd5e33d", one(`"sts:RoleSessionName"`, `"MicrosoftSentinel_1"`)), ""},
		{"no name of the session", trusting(arnStart+"oidc-provider/sts.windows.net/33e01921-4d64-4f8c-a055-5bdaffd5e33d", ""), "evaluate, using StringEquals, StringLike or StringEqualsIgnoreCase, sts:RoleSessionName"},
		{"everybody beside a repository", trusting(github, one(sub, `["repo:octo-org/octo-repo:*","*"]`)), ":sub"},
		{"if it exists", trusting(github, `{"StringLikeIfExists":{`+sub+`:"repo:octo-org/*"}}`), ":sub"},
		{"for all values", trusting(github, `{"ForAllValues:StringLike":{`+sub+`:"repo:octo-org/*"}}`), ":sub"},
		{"for any value", trusting(github, `{"ForAnyValue:StringLike":{`+sub+`:"repo:octo-org/*"}}`), ""},
		{"who it is not", trusting(github, `{"StringNotLike":{`+sub+`:"repo:octo-org/*"}}`), ":sub"},
		{"without regard to case", trusting(github, `{"StringEqualsIgnoreCase":{`+sub+`:"repo:octo-org/a:ref:refs/heads/main"}}`), ""},
		{"an enterprise's issuer", trusting(github+"/octo", one(sub, `"repo:octo-org/*"`)), "token.actions.githubusercontent.com/octo:sub or token.actions.githubusercontent.com/octo:job_workflow_ref"},
		{"the second statement", trusting(github, one(sub, `"repo:octo-org/*"`)) + "," + trusting(gitlab, ""), "gitlab.com:sub"},
		{"a key of another issuer", trusting(gitlab, one(sub, `"repo:octo-org/*"`)), "gitlab.com:sub"},
		{"an audience", trusting(arnStart+"oidc-provider/oidc.vercel.com", one(`"oidc.vercel.com:aud"`, `"https://vercel.com/octo"`)), ""},
		{"no audience", trusting(arnStart+"oidc-provider/oidc.vercel.com", one(`"oidc.vercel.com:sub"`, `"owner:octo:*"`)), "oidc.vercel.com:aud"},
		{"one of two providers", `{"Effect":"Allow","Principal":{"Federated":["` + arnStart + `oidc-provider/idp.example.com","` + gitlab + `"]},"Action":"sts:AssumeRoleWithWebIdentity"}`, "gitlab.com:sub"},
		{"an issuer of one's own", trusting(arnStart+"oidc-provider/idp.example.com", ""), ""},
		{"a denial", strings.Replace(trusting(github, ""), "Allow", "Deny", 1), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := `{"Version":"2012-10-17","Statement":[` + tt.statements + `]}`
			_, made := b.CreateRole(ctx, b.root, &CreateRoleInput{RoleName: strings.NewReplacer(" ", "", "'", "").Replace(tt.name), AssumeRolePolicyDocument: text})
			set := b.UpdateAssumeRolePolicy(ctx, b.root, &UpdateAssumeRolePolicyInput{"old", text})
			for name, err := range map[string]error{"CreateRole": made, "UpdateAssumeRolePolicy": set} {
				e := awserr.As(err)
				switch {
				case tt.missing == "" && err != nil:
					t.Errorf("%s = %v; want nil", name, err)
				case tt.missing != "" && (e == nil || e.Status != 400 || e.Code != "MalformedPolicyDocument" ||
					!strings.Contains(e.Message, " must evaluate, using StringEquals, StringLike or StringEqualsIgnoreCase, ") ||
					!strings.Contains(e.Message, tt.missing) || !strings.HasSuffix(e.Message, " which is not scoped to all.")):
					t.Errorf("%s = %v; want MalformedPolicyDocument about %s", name, err, tt.missing)
				}
			}
		})
	}
	// The words are those of AWS.
	_, err := b.CreateRole(ctx, b.root, &CreateRoleInput{RoleName: "exact", AssumeRolePolicyDocument: `{"Version":"2012-10-17","Statement":[` + trusting(github, "") + `]}`})
	refused(t, "CreateRole", err, 400, "MalformedPolicyDocument: Trust policy with trusted principal "+github+" must evaluate, using StringEquals, StringLike or StringEqualsIgnoreCase, "+
		"token.actions.githubusercontent.com:sub or token.actions.githubusercontent.com:job_workflow_ref which is not scoped to all.")
}
