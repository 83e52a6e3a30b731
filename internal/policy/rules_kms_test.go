package policy

import "testing"

func kmsInput(p Principal, keyPolicy *Named, identity []Named) Input {
	return Input{Principal: p, Action: "kms:Decrypt", Resource: keyARN, Account: accountA, ResourcePolicy: keyPolicy, Identity: identity}
}

func TestRule13NobodyHasImplicitAccessToAKey(t *testing.T) {
	all := list(t, KindIdentity, says(Allow, "*", "*"))
	checkRules(t, "KMS/control-access", kmsInput(ann, nil, all), []ruleCase{
		{name: "no key policy", layer: LayerResource},
		{name: "no key policy, root", layer: LayerResource, change: func(in *Input) { in.Principal = rootA }},
		{name: "no key policy, a grant", layer: LayerResource, change: func(in *Input) {
			in.Grants = []Grant{{GranteePrincipal: ann.ARN, Operations: []string{"Decrypt"}}}
		}},
		{name: "a key policy for another user", layer: LayerResource, change: func(in *Input) {
			in.Principal = rootA
			in.ResourcePolicy = named(t, KindKey, says(Allow, "kms:*", "*", to(ann.ARN)))
		}},
		{name: "root by the key policy", allowed: true, layer: LayerResource, change: func(in *Input) {
			in.Principal = rootA
			in.ResourcePolicy = named(t, KindKey, says(Allow, "kms:*", "*", to(rootA.ARN)))
		}},
		{name: "a statement about another key", layer: LayerResource, change: func(in *Input) {
			in.ResourcePolicy = named(t, KindKey, says(Allow, "kms:*", "arn:aws:kms:us-east-1:111122223333:key/other", to(ann.ARN)))
		}},
		{name: "an alias has no policy of its own", allowed: true, layer: LayerIdentity, change: func(in *Input) {
			in.Action, in.Resource = "kms:UpdateAlias", "arn:aws:kms:us-east-1:111122223333:alias/blue"
		}},
	})
}

func TestRule14DelegationLimitsActionAndCondition(t *testing.T) {
	all := list(t, KindIdentity, says(Allow, "kms:*", "*"))
	delegate := named(t, KindKey, says(Allow, "kms:Decrypt", "*", to(accountA), when("StringEquals", "kms:ViaService", "s3.us-east-1.amazonaws.com")))
	via := MapContext{"kms:viaservice": {"s3.us-east-1.amazonaws.com"}}
	base := kmsInput(ann, delegate, all)
	base.Context = via
	checkRules(t, "KMS/key-policy-default", base, []ruleCase{
		{name: "delegated", allowed: true, layer: LayerResource},
		{name: "without IAM", layer: LayerIdentity, change: func(in *Input) { in.Identity = nil }},
		{name: "another action", layer: LayerResource, change: func(in *Input) { in.Action = "kms:Encrypt" }},
		{name: "the delegation's condition is not met", layer: LayerResource, change: func(in *Input) { in.Context = nil }},
		{name: "not delegated", layer: LayerResource, change: func(in *Input) {
			in.ResourcePolicy = named(t, KindKey, says(Allow, "kms:*", "*", to("arn:aws:iam::111122223333:user/zoe")))
		}},
		{name: "an IAM Deny counts without delegation", layer: LayerIdentity, explicit: true, change: func(in *Input) {
			in.Identity = list(t, KindIdentity, says(Deny, "kms:Decrypt", "*"))
			in.ResourcePolicy = named(t, KindKey, says(Allow, "kms:*", "*", to(ann.ARN)))
		}},
	})
}

func TestRule15KeyPolicyNamesDirectly(t *testing.T) {
	outside := says(Allow, "s3:*", "*")
	checkRules(t, "KMS/key-policies", kmsInput(ann, named(t, KindKey, says(Allow, "kms:Decrypt", "*", to(ann.ARN, app.Role))), nil), []ruleCase{
		{name: "a user", allowed: true, layer: LayerResource},
		{name: "a role", allowed: true, layer: LayerResource, change: func(in *Input) { in.Principal = app }},
		{name: "a role outside its boundary", layer: LayerBoundary, change: func(in *Input) {
			in.Principal, in.Boundary = app, named(t, KindBoundary, outside)
		}},
		{name: "a role outside its session policy", layer: LayerSession, change: func(in *Input) {
			in.Principal, in.HasSession, in.Session = app, true, list(t, KindSession, outside)
		}},
		{name: "everyone within the account", allowed: true, layer: LayerResource, change: func(in *Input) {
			in.ResourcePolicy = named(t, KindKey, says(Allow, "kms:Decrypt", "*", toAll, when("StringEquals", "kms:CallerAccount", accountA)))
			in.Context = MapContext{"kms:calleraccount": {accountA}}
		}},
	})
}

func TestRule16KeysAcrossAccounts(t *testing.T) {
	iam := list(t, KindIdentity, says(Allow, "kms:Decrypt", keyARN))
	checkRules(t, "KMS/key-policy-modifying-external-accounts", kmsInput(bob, named(t, KindKey, says(Allow, "kms:Decrypt", "*", to(accountB))), iam), []ruleCase{
		{name: "account and IAM", allowed: true, layer: LayerResource},
		{name: "user and IAM", allowed: true, layer: LayerResource, change: func(in *Input) {
			in.ResourcePolicy = named(t, KindKey, says(Allow, "kms:Decrypt", "*", to(bob.ARN)))
		}},
		{name: "without IAM", layer: LayerIdentity, change: func(in *Input) { in.Identity = nil }},
		{name: "user without IAM", layer: LayerIdentity, change: func(in *Input) {
			in.Identity, in.ResourcePolicy = nil, named(t, KindKey, says(Allow, "kms:Decrypt", "*", to(bob.ARN)))
		}},
		{name: "IAM alone", layer: LayerResource, change: func(in *Input) {
			in.ResourcePolicy = named(t, KindKey, says(Allow, "kms:*", "*", to(accountA)))
		}},
	})
}

func TestRule17Grants(t *testing.T) {
	policy := named(t, KindKey, says(Allow, "kms:*", "*", to("arn:aws:iam::111122223333:user/admin")))
	grant := func(g Grant) func(*Input) {
		return func(in *Input) {
			g.ID = "g-1"
			if g.Operations == nil {
				g.Operations = []string{"Decrypt", "ReEncryptFrom"}
			}
			in.Grants = []Grant{{ID: "other", GranteePrincipal: bob.ARN, Operations: []string{"Encrypt"}}, g}
		}
	}
	and := func(changes ...func(*Input)) func(*Input) {
		return func(in *Input) {
			for _, c := range changes {
				c(in)
			}
		}
	}
	context := func(pairs ...string) func(*Input) {
		return func(in *Input) {
			m := MapContext{}
			for i := 0; i < len(pairs); i += 2 {
				m["kms:encryptioncontext:"+lowerKey(pairs[i])] = []string{pairs[i+1]}
				m["kms:encryptioncontextkeys"] = append(m["kms:encryptioncontextkeys"], pairs[i])
			}
			in.Context = m
		}
	}
	toAnn := func(g Grant) func(*Input) { g.GranteePrincipal = ann.ARN; return grant(g) }
	outside := says(Allow, "s3:*", "*")
	deny := says(Deny, "kms:Decrypt", "*")
	equals := Grant{ContextEquals: map[string]string{"Tenant": "Blue", "aws:s3:arn": "arn:aws:s3:::tour"}}
	subset := Grant{ContextSubset: map[string]string{"Tenant": "Blue"}}
	checkRules(t, "KMS/grants", kmsInput(ann, policy, nil), []ruleCase{
		{name: "none", layer: LayerResource},
		{name: "user", allowed: true, layer: LayerGrant, change: toAnn(Grant{})},
		{name: "user by unique ID", allowed: true, layer: LayerGrant, change: grant(Grant{GranteePrincipal: ann.ID})},
		{name: "another user", layer: LayerResource, change: grant(Grant{GranteePrincipal: bob.ARN})},
		{name: "nobody", layer: LayerResource, change: grant(Grant{})},
		{name: "everyone is no grantee", layer: LayerResource, change: grant(Grant{GranteePrincipal: "*"})},
		{name: "another operation", layer: LayerResource, change: toAnn(Grant{Operations: []string{"Encrypt"}})},
		{name: "another service's action of that name", layer: LayerResource, change: and(toAnn(Grant{}), func(in *Input) { in.Action = "s3:Decrypt" })},
		{name: "role", allowed: true, layer: LayerGrant, change: and(grant(Grant{GranteePrincipal: app.Role}), func(in *Input) { in.Principal = app })},
		{name: "role outside its session policy", layer: LayerSession, change: and(grant(Grant{GranteePrincipal: app.Role}), func(in *Input) {
			in.Principal, in.HasSession, in.Session = app, true, list(t, KindSession, outside)
		})},
		{name: "session", allowed: true, layer: LayerGrant, change: and(grant(Grant{GranteePrincipal: app.ARN}), func(in *Input) { in.Principal = app })},
		{name: "service", allowed: true, layer: LayerGrant, change: and(grant(Grant{GranteeService: logging.Service}), func(in *Input) { in.Principal = logging })},
		{name: "a service's grant is not for users", layer: LayerResource, change: grant(Grant{GranteeService: logging.Service})},
		{name: "another account's user needs nothing else", allowed: true, layer: LayerGrant, change: and(grant(Grant{GranteePrincipal: bob.ARN}), func(in *Input) { in.Principal = bob })},
		{name: "an account delegates", layer: LayerIdentity, change: and(grant(Grant{GranteePrincipal: rootB.ARN}), func(in *Input) { in.Principal = bob })},
		{name: "an account and IAM", allowed: true, layer: LayerGrant, change: and(grant(Grant{GranteePrincipal: rootB.ARN}), func(in *Input) {
			in.Principal, in.Identity = bob, list(t, KindIdentity, says(Allow, "kms:*", "*"))
		})},
		{name: "IAM Deny wins", layer: LayerIdentity, explicit: true, change: and(toAnn(Grant{}), func(in *Input) { in.Identity = list(t, KindIdentity, deny) })},
		{name: "key policy Deny wins", layer: LayerResource, explicit: true, change: and(toAnn(Grant{}), func(in *Input) {
			in.ResourcePolicy = named(t, KindKey, says(Deny, "kms:Decrypt", "*", toAll))
		})},
		{name: "SCP Deny wins", layer: LayerSCP, explicit: true, change: and(toAnn(Grant{}), func(in *Input) { in.SCPs = [][]Named{list(t, KindSCP, deny)} })},
		{name: "SCP without Allow limits", layer: LayerSCP, change: and(toAnn(Grant{}), func(in *Input) { in.SCPs = [][]Named{list(t, KindSCP, outside)} })},
		{name: "RCP Deny wins", layer: LayerRCP, explicit: true, change: and(toAnn(Grant{}), func(in *Input) {
			in.RCPs = [][]Named{list(t, KindRCP, says(Deny, "kms:Decrypt", "*", toAll))}
		})},
		{name: "endpoint limits", layer: LayerEndpoint, change: and(toAnn(Grant{}), func(in *Input) {
			in.Endpoint = list(t, KindEndpoint, says(Allow, "s3:*", "*", toAll))
		})},

		{name: "context equals", allowed: true, layer: LayerGrant, change: and(toAnn(equals), context("tenant", "Blue", "aws:s3:arn", "arn:aws:s3:::tour"))},
		{name: "context equals: values have case", layer: LayerResource, change: and(toAnn(equals), context("tenant", "blue", "aws:s3:arn", "arn:aws:s3:::tour"))},
		{name: "context equals: one too few", layer: LayerResource, change: and(toAnn(equals), context("tenant", "Blue"))},
		{name: "context equals: one too many", layer: LayerResource, change: and(toAnn(equals), context("tenant", "Blue", "aws:s3:arn", "arn:aws:s3:::tour", "x", "y"))},
		{name: "context equals nothing", layer: LayerResource, change: and(toAnn(Grant{ContextEquals: map[string]string{}}), context("x", "y"))},
		{name: "context subset", allowed: true, layer: LayerGrant, change: and(toAnn(subset), context("TENANT", "Blue", "x", "y"))},
		{name: "context subset: missing", layer: LayerResource, change: and(toAnn(subset), context("x", "y"))},
		{name: "constraints don't hold for what has no context", allowed: true, layer: LayerGrant, change: and(
			toAnn(Grant{ContextSubset: subset.ContextSubset, Operations: []string{"DescribeKey"}}), func(in *Input) { in.Action = "kms:DescribeKey" })},
		{name: "source ARN", allowed: true, layer: LayerGrant, change: and(toAnn(Grant{SourceARN: "arn:aws:s3:::tour"}), func(in *Input) {
			in.Context = MapContext{"aws:sourcearn": {"arn:aws:s3:::tour"}}
		})},
		{name: "another source ARN", layer: LayerResource, change: and(toAnn(Grant{SourceARN: "arn:aws:s3:::tour"}), func(in *Input) {
			in.Context = MapContext{"aws:sourcearn": {"arn:aws:s3:::other"}}
		})},
		{name: "no source ARN", layer: LayerResource, change: toAnn(Grant{SourceARN: "arn:aws:s3:::tour"})},
	})
}

func TestRule18RetireGrantIsNotUnderRCPs(t *testing.T) {
	base := kmsInput(ann, named(t, KindKey, says(Allow, "kms:*", "*", to(ann.ARN))), nil)
	base.Action = "kms:RetireGrant"
	base.RCPs = [][]Named{list(t, KindRCP, says(Deny, "kms:*", "*", toAll))}
	checkRules(t, "ORG/orgs_manage_policies_rcps", base, []ruleCase{
		{name: "RetireGrant", allowed: true, layer: LayerResource},
		{name: "in any case", allowed: true, layer: LayerResource, change: func(in *Input) { in.Action = "KMS:retiregrant" }},
		{name: "RevokeGrant", layer: LayerRCP, explicit: true, change: func(in *Input) { in.Action = "kms:RevokeGrant" }},
	})
}

// The lockout check of PutKeyPolicy decides with the policy that is being put.
func TestRule19LockoutCheckDecides(t *testing.T) {
	base := kmsInput(ann, named(t, KindKey, says(Allow, "kms:*", "*", to(accountA))), list(t, KindIdentity, says(Allow, "kms:*", "*")))
	base.Action = "kms:PutKeyPolicy"
	checkRules(t, "KMS API/PutKeyPolicy", base, []ruleCase{
		{name: "stays in", allowed: true, layer: LayerResource},
		{name: "locked out", layer: LayerResource, change: func(in *Input) {
			in.ResourcePolicy = named(t, KindKey, says(Allow, "kms:PutKeyPolicy", "*", to(app.Role)))
		}},
	})
}

// S3 asks KMS as the caller, with the keys of a forward access session.
func TestRule20ForwardAccessSessions(t *testing.T) {
	via := MapContext{"aws:viaawsservice": {"true"}, "kms:viaservice": {"s3.us-east-1.amazonaws.com"}}
	deny := says(Deny, "kms:*", "*", `"Condition":{"NotIpAddress":{"aws:SourceIp":"192.0.2.0/24"},"Bool":{"aws:ViaAWSService":"false"}}`)
	base := kmsInput(ann, named(t, KindKey, says(Allow, "kms:*", "*", to(ann.ARN))), list(t, KindIdentity, deny))
	base.Context = via
	checkRules(t, "IAM/access_forward_access_sessions", base, []ruleCase{
		{name: "address paired with ViaAWSService", allowed: true, layer: LayerResource},
		{name: "directly, from elsewhere", layer: LayerIdentity, explicit: true, change: func(in *Input) {
			in.Context = MapContext{"aws:viaawsservice": {"false"}, "aws:sourceip": {"203.0.113.1"}}
		}},
		{name: "directly, from inside", allowed: true, layer: LayerResource, change: func(in *Input) {
			in.Context = MapContext{"aws:viaawsservice": {"false"}, "aws:sourceip": {"192.0.2.1"}}
		}},
		{name: "unpaired, the address denies the service's call", layer: LayerIdentity, explicit: true, change: func(in *Input) {
			in.Identity = list(t, KindIdentity, says(Deny, "kms:*", "*", when("NotIpAddress", "aws:SourceIp", "192.0.2.0/24")))
		}},
	})
}
