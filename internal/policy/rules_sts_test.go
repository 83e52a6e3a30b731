package policy

import "testing"

func TestRule37TrustPolicies(t *testing.T) {
	iam := list(t, KindIdentity, says(Allow, "sts:*", "*"))
	trust := func(rest ...string) *Named { return named(t, KindTrust, says(Allow, "sts:AssumeRole", "", rest...)) }
	base := Input{Principal: ann, Action: "sts:AssumeRole", Resource: roleARN, Account: accountA}
	checkRules(t, "IAM/id_roles_terms-and-concepts", base, []ruleCase{
		{name: "no trust policy", layer: LayerTrust, change: func(in *Input) { in.Identity = iam }},
		{name: "naming the user is enough", allowed: true, layer: LayerTrust, change: func(in *Input) { in.ResourcePolicy = trust(to(ann.ARN)) }},
		{name: "naming the account delegates", layer: LayerIdentity, change: func(in *Input) { in.ResourcePolicy = trust(to(accountA)) }},
		{name: "naming the account, and IAM", allowed: true, layer: LayerTrust, change: func(in *Input) {
			in.ResourcePolicy, in.Identity = trust(to(accountA)), iam
		}},
		{name: "IAM alone", layer: LayerTrust, change: func(in *Input) {
			in.ResourcePolicy, in.Identity = trust(to(app.Role)), iam
		}},
		{name: "IAM Deny", layer: LayerIdentity, explicit: true, change: func(in *Input) {
			in.ResourcePolicy, in.Identity = trust(to(ann.ARN)), list(t, KindIdentity, says(Deny, "sts:*", "*"))
		}},
		{name: "across accounts, trust alone", layer: LayerIdentity, change: func(in *Input) {
			in.Principal, in.ResourcePolicy = bob, trust(to(bob.ARN))
		}},
		{name: "across accounts, both", allowed: true, layer: LayerTrust, change: func(in *Input) {
			in.Principal, in.ResourcePolicy, in.Identity = bob, trust(to(accountB)), iam
		}},
		{name: "external ID", layer: LayerTrust, change: func(in *Input) {
			in.Principal, in.Identity = bob, iam
			in.ResourcePolicy = trust(to(accountB), when("StringEquals", "sts:ExternalId", "42"))
		}},
		{name: "root can't assume roles", layer: LayerTrust, change: func(in *Input) {
			in.Principal, in.ResourcePolicy = rootA, trust(to(accountA))
		}},
		{name: "a service", allowed: true, layer: LayerTrust, change: func(in *Input) {
			in.Principal, in.ResourcePolicy = logging, trust(`"Principal":{"Service":"logging.s3.amazonaws.com"}`)
		}},
		{name: "TagSession is an action of its own", layer: LayerTrust, change: func(in *Input) {
			in.Action, in.ResourcePolicy = "sts:TagSession", trust(to(ann.ARN))
		}},
		{name: "TagSession", allowed: true, layer: LayerTrust, change: func(in *Input) {
			in.Action, in.ResourcePolicy = "sts:TagSession", named(t, KindTrust, `{"Effect":"Allow","Action":["sts:AssumeRole","sts:TagSession"],`+to(ann.ARN)+`}`)
		}},
		{name: "other actions on a role need no trust", allowed: true, layer: LayerIdentity, change: func(in *Input) {
			in.Action, in.Identity = "iam:GetRole", list(t, KindIdentity, says(Allow, "iam:GetRole", roleARN))
		}},
		{name: "chained, within the session policy", layer: LayerSession, change: func(in *Input) {
			in.Principal, in.ResourcePolicy = app, trust(to(app.Role))
			in.HasSession, in.Session = true, list(t, KindSession, says(Allow, "s3:*", "*"))
		}},
	})
}

func TestRule38WebIdentities(t *testing.T) {
	federated := `"Principal":{"Federated":"` + provider + `"}`
	const action = "sts:AssumeRoleWithWebIdentity"
	sub := when("StringEquals", "token.example.com:sub", "repo:blue/tour:ref:refs/heads/main")
	base := Input{
		Principal: web, Action: action, Resource: roleARN, Account: accountA,
		ResourcePolicy: named(t, KindTrust, says(Allow, action, "", federated, sub)),
		Context:        MapContext{"token.example.com:sub": {"repo:blue/tour:ref:refs/heads/main"}},
	}
	checkRules(t, "IAM/id_roles_providers_create_oidc", base, []ruleCase{
		{name: "provider and subject", allowed: true, layer: LayerTrust},
		{name: "another subject", layer: LayerTrust, change: func(in *Input) {
			in.Context = MapContext{"token.example.com:sub": {"repo:red/tour:ref:refs/heads/main"}}
		}},
		{name: "another provider", layer: LayerTrust, change: func(in *Input) {
			in.Principal.Provider = "arn:aws:iam::111122223333:oidc-provider/other.example.com"
		}},
		{name: "everyone is no provider", layer: LayerTrust, change: func(in *Input) {
			in.ResourcePolicy = named(t, KindTrust, says(Allow, action, "", toAll))
		}},
		{name: "a Deny for everyone", layer: LayerTrust, explicit: true, change: func(in *Input) {
			in.ResourcePolicy = named(t, KindTrust, says(Allow, action, "", federated)+","+says(Deny, action, "", toAll))
		}},
		{name: "through an endpoint for everyone", allowed: true, layer: LayerTrust, change: func(in *Input) {
			in.Endpoint = list(t, KindEndpoint, says(Allow, "sts:*", "*", toAll))
		}},
		{name: "towards nothing but a role", layer: LayerResource, change: func(in *Input) {
			in.Action, in.Resource = "s3:GetObject", objectARN
			in.ResourcePolicy = named(t, KindBucket, says(Allow, "s3:*", "*", toAll))
		}},
	})
}

func TestRule39RolesAnywhere(t *testing.T) {
	anywhere := Principal{Type: Service, Service: "rolesanywhere.amazonaws.com"}
	statement := `{"Effect":"Allow","Principal":{"Service":"rolesanywhere.amazonaws.com"},` +
		`"Action":["sts:AssumeRole","sts:SetSourceIdentity","sts:TagSession"],` +
		`"Condition":{"StringEquals":{"aws:PrincipalTag/x509Subject/CN":"blue"},"ArnEquals":{"aws:SourceArn":"arn:aws:rolesanywhere:us-east-1:111122223333:trust-anchor/1"}}}`
	keys := MapContext{
		"aws:principaltag/x509subject/cn": {"blue"},
		"aws:sourcearn":                   {"arn:aws:rolesanywhere:us-east-1:111122223333:trust-anchor/1"},
	}
	base := Input{
		Principal: anywhere, Action: "sts:AssumeRole", Resource: roleARN, Account: accountA,
		ResourcePolicy: named(t, KindTrust, statement), Context: keys,
	}
	checkRules(t, "Roles Anywhere/trust-model", base, []ruleCase{
		{name: "AssumeRole", allowed: true, layer: LayerTrust},
		{name: "SetSourceIdentity", allowed: true, layer: LayerTrust, change: func(in *Input) { in.Action = "sts:SetSourceIdentity" }},
		{name: "another subject", layer: LayerTrust, change: func(in *Input) {
			in.Context = MapContext{"aws:principaltag/x509subject/cn": {"red"}, "aws:sourcearn": keys["aws:sourcearn"]}
		}},
		{name: "another trust anchor", layer: LayerTrust, change: func(in *Input) {
			in.Context = MapContext{"aws:principaltag/x509subject/cn": {"blue"}, "aws:sourcearn": {"arn:aws:rolesanywhere:us-east-1:111122223333:trust-anchor/2"}}
		}},
	})
}
