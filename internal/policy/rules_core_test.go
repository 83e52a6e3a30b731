package policy

import "testing"

func TestRule01DefaultDeny(t *testing.T) {
	checkRules(t, "IAM/reference_policies_evaluation-logic_policy-eval-denyallow",
		Input{Principal: ann, Action: "s3:GetObject", Resource: objectARN}, []ruleCase{
			{name: "nobody allows", layer: LayerIdentity},
			{name: "another action is allowed", layer: LayerIdentity, change: func(in *Input) {
				in.Identity = list(t, KindIdentity, says(Allow, "s3:PutObject", "*"))
			}},
			{name: "another resource is allowed", layer: LayerIdentity, change: func(in *Input) {
				in.Identity = list(t, KindIdentity, says(Allow, "s3:GetObject", "arn:aws:s3:::tour"))
			}},
			{name: "allowed", allowed: true, layer: LayerIdentity, change: func(in *Input) {
				in.Identity = list(t, KindIdentity, says(Allow, "s3:GetObject", "arn:aws:s3:::tour/*"))
			}},
			{name: "root has all of its account", allowed: true, layer: LayerRoot, change: func(in *Input) { in.Principal = rootA }},
			{name: "root has nothing of another account", layer: LayerResource, change: func(in *Input) {
				in.Principal, in.Account = rootA, accountB
			}},
			{name: "anonymous has nothing", layer: LayerResource, change: func(in *Input) {
				in.Principal, in.Account = anonymous, accountA
			}},
		})
}

func TestRule02ExplicitDenyWins(t *testing.T) {
	deny := says(Deny, "s3:*", "*")
	denyAll := says(Deny, "s3:*", "*", toAll)
	base := Input{
		Principal: app, Action: "s3:GetObject", Resource: objectARN,
		Identity:       list(t, KindIdentity, says(Allow, "*", "*")),
		ResourcePolicy: named(t, KindBucket, says(Allow, "s3:*", "arn:aws:s3:::tour/*", to(app.ARN))),
	}
	checkRules(t, "IAM/reference_policies_evaluation-logic_policy-eval-denyallow", base, []ruleCase{
		{name: "no Deny", allowed: true, layer: LayerResource},
		{name: "identity", layer: LayerIdentity, explicit: true, change: func(in *Input) {
			in.Identity = append(in.Identity[:1:1], *named(t, KindIdentity, deny))
		}},
		{name: "resource", layer: LayerResource, explicit: true, change: func(in *Input) { in.ResourcePolicy = named(t, KindBucket, denyAll) }},
		{name: "boundary", layer: LayerBoundary, explicit: true, change: func(in *Input) { in.Boundary = named(t, KindBoundary, deny) }},
		{name: "session", layer: LayerSession, explicit: true, change: func(in *Input) { in.Session = list(t, KindSession, deny) }},
		{name: "SCP", layer: LayerSCP, explicit: true, change: func(in *Input) { in.SCPs = [][]Named{list(t, KindSCP, deny)} }},
		{name: "RCP", layer: LayerRCP, explicit: true, change: func(in *Input) { in.RCPs = [][]Named{list(t, KindRCP, denyAll)} }},
		{name: "endpoint", layer: LayerEndpoint, explicit: true, change: func(in *Input) { in.Endpoint = list(t, KindEndpoint, denyAll) }},
		{name: "Deny before Allow in one policy", layer: LayerIdentity, explicit: true, change: func(in *Input) {
			in.Identity = list(t, KindIdentity, deny+","+says(Allow, "*", "*"))
		}},
		{name: "Deny of another action", allowed: true, layer: LayerResource, change: func(in *Input) {
			in.Identity = list(t, KindIdentity, says(Deny, "s3:PutObject", "*"))
		}},
	})
}

// The layers are named in the order of the page: a Deny of any layer comes before
// what no policy allows, and among Denies the organization's come first.
func TestRule03Order(t *testing.T) {
	deny, denyAll := says(Deny, "s3:*", "*"), says(Deny, "s3:*", "*", toAll)
	in := Input{
		Principal: app, Action: "s3:GetObject", Resource: objectARN,
		RCPs: [][]Named{list(t, KindRCP, denyAll)}, SCPs: [][]Named{list(t, KindSCP, deny)},
		Endpoint: list(t, KindEndpoint, denyAll), ResourcePolicy: named(t, KindBucket, denyAll),
		Identity: list(t, KindIdentity, deny), Boundary: named(t, KindBoundary, deny), Session: list(t, KindSession, deny),
	}
	for _, step := range []struct {
		layer Layer
		drop  func()
	}{
		{LayerRCP, func() { in.RCPs = nil }},
		{LayerSCP, func() { in.SCPs = [][]Named{{}} }}, // no Allow: denies too, but not explicitly
		{LayerEndpoint, func() { in.Endpoint = nil }},
		{LayerResource, func() { in.ResourcePolicy = nil }},
		{LayerIdentity, func() { in.Identity = nil }},
		{LayerBoundary, func() { in.Boundary = nil }},
		{LayerSession, func() { in.Session = nil }},
	} {
		if d := Evaluate(&in); d.Allowed || !d.Explicit || d.Layer != step.layer {
			t.Errorf("Evaluate = %+v; want an explicit denial by the %s", d, step.layer)
		}
		step.drop()
	}
	if d := Evaluate(&in); d.Allowed || d.Explicit || d.Layer != LayerSCP {
		t.Errorf("Evaluate = %+v; want the SCP without an Allow to deny", d)
	}
}

func TestRule03LimitsNeverGrant(t *testing.T) {
	all, allAll := says(Allow, "*", "*"), says(Allow, "*", "*", toAll)
	checkRules(t, "IAM/reference_policies_evaluation-logic_policy-eval-basics",
		Input{Principal: app, Action: "s3:GetObject", Resource: objectARN}, []ruleCase{
			{name: "SCP", layer: LayerIdentity, change: func(in *Input) { in.SCPs = [][]Named{{{Policy: FullAWSAccess(KindSCP)}}} }},
			{name: "RCP", layer: LayerIdentity, change: func(in *Input) { in.RCPs = [][]Named{{{Policy: FullAWSAccess(KindRCP)}}} }},
			{name: "boundary", layer: LayerIdentity, change: func(in *Input) { in.Boundary = named(t, KindBoundary, all) }},
			{name: "session", layer: LayerIdentity, change: func(in *Input) { in.Session, in.HasSession = list(t, KindSession, all), true }},
			{name: "endpoint", layer: LayerIdentity, change: func(in *Input) { in.Endpoint = list(t, KindEndpoint, allAll) }},
		})
}

func TestRule04SameAccountEitherSideSuffices(t *testing.T) {
	base := Input{Principal: ann, Action: "s3:GetObject", Resource: objectARN, Account: accountA}
	checkRules(t, "IAM/reference_policies_evaluation-logic_policy-eval-basics", base, []ruleCase{
		{name: "identity", allowed: true, layer: LayerIdentity, change: func(in *Input) {
			in.Identity = list(t, KindIdentity, says(Allow, "s3:GetObject", "*"))
		}},
		{name: "resource", allowed: true, layer: LayerResource, change: func(in *Input) {
			in.ResourcePolicy = named(t, KindBucket, says(Allow, "s3:GetObject", "*", to(ann.ARN)))
		}},
		{name: "trust policy must allow", layer: LayerTrust, change: func(in *Input) {
			in.Action, in.Resource = "sts:AssumeRole", roleARN
			in.Identity = list(t, KindIdentity, says(Allow, "sts:AssumeRole", "*"))
			in.ResourcePolicy = named(t, KindTrust, says(Allow, "sts:AssumeRole", "", to(accountB)))
		}},
		{name: "key policy must allow", layer: LayerResource, change: func(in *Input) {
			in.Action, in.Resource = "kms:Decrypt", keyARN
			in.Identity = list(t, KindIdentity, says(Allow, "kms:*", "*"))
			in.ResourcePolicy = named(t, KindKey, says(Allow, "kms:*", "*", to(accountB)))
		}},
	})
}

func TestRule05AcrossAccountsBothSides(t *testing.T) {
	identity := list(t, KindIdentity, says(Allow, "s3:GetObject", "*"))
	resource := named(t, KindBucket, says(Allow, "s3:GetObject", "*", to(bob.ARN)))
	base := Input{Principal: bob, Action: "s3:GetObject", Resource: objectARN, Account: accountA}
	checkRules(t, "IAM/reference_policies_evaluation-logic-cross-account", base, []ruleCase{
		{name: "identity alone", layer: LayerResource, change: func(in *Input) { in.Identity = identity }},
		{name: "resource alone", layer: LayerIdentity, change: func(in *Input) { in.ResourcePolicy = resource }},
		{name: "resource alone, for everyone", layer: LayerIdentity, change: func(in *Input) {
			in.ResourcePolicy = named(t, KindBucket, says(Allow, "s3:GetObject", "*", toAll))
		}},
		{name: "both", allowed: true, layer: LayerResource, change: func(in *Input) {
			in.Identity, in.ResourcePolicy = identity, resource
		}},
		{name: "both, by account", allowed: true, layer: LayerResource, change: func(in *Input) {
			in.Identity, in.ResourcePolicy = identity, named(t, KindBucket, says(Allow, "s3:GetObject", "*", to(accountB)))
		}},
		{name: "outside the boundary", layer: LayerBoundary, change: func(in *Input) {
			in.Identity, in.ResourcePolicy = identity, resource
			in.Boundary = named(t, KindBoundary, says(Allow, "kms:*", "*"))
		}},
		{name: "outside the SCP", layer: LayerSCP, change: func(in *Input) {
			in.Identity, in.ResourcePolicy = identity, resource
			in.SCPs = [][]Named{list(t, KindSCP, says(Allow, "kms:*", "*"))}
		}},
		{name: "root of the other account", allowed: true, layer: LayerResource, change: func(in *Input) {
			in.Principal, in.ResourcePolicy = rootB, named(t, KindBucket, says(Allow, "s3:GetObject", "*", to(accountB)))
		}},
		{name: "another account's user", layer: LayerResource, change: func(in *Input) {
			in.Identity, in.ResourcePolicy = identity, named(t, KindBucket, says(Allow, "s3:GetObject", "*", to(ann.ARN)))
		}},
	})
	in := base
	if !Evaluate(&in).Cross {
		t.Error("Cross is not set")
	}
	in.Account = accountB
	if Evaluate(&in).Cross {
		t.Error("Cross is set within the account")
	}
}

func TestRule06SCPOnEveryLevel(t *testing.T) {
	full := Named{Name: "FullAWSAccess", Policy: FullAWSAccess(KindSCP)}
	s3 := *named(t, KindSCP, says(Allow, "s3:*", "*"))
	kms := *named(t, KindSCP, says(Allow, "kms:*", "*"))
	base := Input{
		Principal: ann, Action: "s3:GetObject", Resource: objectARN,
		Identity: list(t, KindIdentity, says(Allow, "*", "*")),
	}
	set := func(levels ...[]Named) func(*Input) { return func(in *Input) { in.SCPs = levels } }
	checkRules(t, "ORG/orgs_manage_policies_scps_evaluation", base, []ruleCase{
		{name: "all levels", allowed: true, layer: LayerIdentity, change: set([]Named{full}, []Named{s3}, []Named{full})},
		{name: "several on one level", allowed: true, layer: LayerIdentity, change: set([]Named{kms, s3}, []Named{full})},
		{name: "missing at the root", layer: LayerSCP, change: set([]Named{kms}, []Named{full}, []Named{full})},
		{name: "missing at the OU", layer: LayerSCP, change: set([]Named{full}, []Named{kms}, []Named{full})},
		{name: "missing at the account", layer: LayerSCP, change: set([]Named{full}, []Named{full}, []Named{})},
		{name: "Deny at the OU", layer: LayerSCP, explicit: true, change: set([]Named{full}, []Named{
			full, *named(t, KindSCP, says(Deny, "s3:Get*", "*")),
		}, []Named{full})},
		{name: "not in an organization", allowed: true, layer: LayerIdentity, change: set()},
	})
}
