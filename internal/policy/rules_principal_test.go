package policy

import "testing"

// The table of the principals that a resource policy may name within an account,
// and which implicit denials limit what it gives them.
func TestRule07PrincipalKinds(t *testing.T) {
	const page = "IAM/reference_policies_evaluation-logic_policy-eval-basics"
	other := says(Allow, "kms:*", "*")
	boundary := func(in *Input) { in.Boundary = named(t, KindBoundary, other) }
	session := func(in *Input) { in.Session, in.HasSession = list(t, KindSession, other), true }
	inside := func(in *Input) { in.Session, in.HasSession = list(t, KindSession, says(Allow, "s3:*", "*")), true }

	for _, tt := range []struct {
		name      string
		principal Principal
		element   string
		// Whether the Allow holds without an identity policy, outside of the
		// boundary, and outside of the session policy.
		identity, boundary, session bool
	}{
		{"user", ann, to(ann.ARN), true, true, true},
		{"user by unique ID", ann, to(ann.ID), true, true, true},
		{"federated user by its user", guest, to(ann.ARN), true, false, false},
		{"role", app, to(app.Role), true, false, false},
		{"role by unique ID", app, to(app.ID), true, false, false},
		{"role session", app, to(app.ARN), true, true, true},
		{"federated user", guest, to(guest.ARN), true, true, true},
		{"everyone", app, toAll, true, true, true},
		{"everyone as AWS", app, to("*"), true, true, true},
		{"everyone with aws:PrincipalArn", app, toAll + "," + when("ArnEquals", "aws:PrincipalArn", app.Role), true, true, true},
		{"account by ARN", app, to("arn:aws:iam::111122223333:root"), false, false, false},
		{"account by digits", app, to(accountA), false, false, false},
	} {
		base := Input{
			Principal: tt.principal, Action: "s3:GetObject", Resource: objectARN,
			ResourcePolicy: named(t, KindBucket, says(Allow, "s3:GetObject", "*", tt.element)),
			Context:        MapContext{"aws:principalarn": {app.Role}},
		}
		if tt.principal.Type == Federated {
			inside(&base)
		}
		expect := func(ok bool, l Layer) (bool, Layer) {
			if ok {
				return true, LayerResource
			}
			return false, l
		}
		var cases []ruleCase
		allowed, layer := expect(tt.identity, LayerIdentity)
		cases = append(cases, ruleCase{name: tt.name + " without identity", allowed: allowed, layer: layer})
		withIdentity := func(change func(*Input)) func(*Input) {
			return func(in *Input) {
				change(in)
				if !tt.identity {
					in.Identity = list(t, KindIdentity, says(Allow, "s3:*", "*"))
				}
			}
		}
		allowed, layer = expect(tt.boundary, LayerBoundary)
		cases = append(cases, ruleCase{name: tt.name + " outside the boundary", allowed: allowed, layer: layer, change: withIdentity(boundary)})
		allowed, layer = expect(tt.session, LayerSession)
		cases = append(cases, ruleCase{name: tt.name + " outside the session policy", allowed: allowed, layer: layer, change: withIdentity(session)})
		checkRules(t, page, base, cases)
	}
}

func TestRule07ServicePrincipal(t *testing.T) {
	base := Input{
		Principal: logging, Action: "s3:PutObject", Resource: objectARN, Account: accountA,
		ResourcePolicy: named(t, KindBucket, says(Allow, "s3:PutObject", "*", `"Principal":{"Service":"logging.s3.amazonaws.com"}`)),
	}
	checkRules(t, "IAM/reference_policies_elements_principal", base, []ruleCase{
		{name: "named", allowed: true, layer: LayerResource},
		{name: "another service", layer: LayerResource, change: func(in *Input) { in.Principal.Service = "delivery.logs.amazonaws.com" }},
		{name: "SCPs don't apply", allowed: true, layer: LayerResource, change: func(in *Input) { in.SCPs = [][]Named{{}} }},
		{name: "a user of that name", layer: LayerIdentity, change: func(in *Input) { in.Principal = ann; in.Principal.Service = logging.Service }},
	})
}

func TestRule08PrincipalARNs(t *testing.T) {
	other := app
	other.ARN = "arn:aws:sts::111122223333:assumed-role/app/i-2"
	base := Input{Principal: app, Action: "s3:GetObject", Resource: objectARN}
	give := func(element string) func(*Input) {
		return func(in *Input) { in.ResourcePolicy = named(t, KindBucket, says(Allow, "s3:GetObject", "*", element)) }
	}
	checkRules(t, "IAM/reference_policies_elements_principal", base, []ruleCase{
		{name: "role names its sessions", allowed: true, layer: LayerResource, change: give(to(app.Role))},
		{name: "session names one", allowed: true, layer: LayerResource, change: give(to(app.ARN))},
		{name: "session names no other", layer: LayerIdentity, change: func(in *Input) { give(to(app.ARN))(in); in.Principal = other }},
		{name: "aws:PrincipalArn of a session is the role", allowed: true, layer: LayerResource, change: func(in *Input) {
			give(toAll + "," + when("ArnEquals", "aws:PrincipalArn", app.Role))(in)
			in.Context = MapContext{"aws:principalarn": {app.Role}}
		}},
	})
	for _, arn := range []string{"arn:aws:iam::111122223333:role/*", "arn:aws:iam::*:role/app", "arn:aws:iam::111122223333:user/a?n"} {
		if _, err := Parse(doc(says(Allow, "s3:GetObject", "*", to(arn))), KindBucket); err == nil {
			t.Errorf("Parse takes the principal %s with a wildcard", arn)
		}
	}
}

func TestRule09NotPrincipal(t *testing.T) {
	except := func(arns ...string) *Named {
		return named(t, KindBucket, says(Deny, "s3:*", "*", "\"Not"+to(arns...)[1:]))
	}
	give := list(t, KindIdentity, says(Allow, "s3:*", "*"))
	base := Input{Principal: app, Action: "s3:GetObject", Resource: objectARN, Identity: give}
	const page = "IAM/reference_policies_elements_notprincipal"
	checkRules(t, page, base, []ruleCase{
		{name: "account, role and session", allowed: true, layer: LayerIdentity, change: func(in *Input) {
			in.ResourcePolicy = except(accountA, app.Role, app.ARN)
		}},
		{name: "without the session", layer: LayerResource, explicit: true, change: func(in *Input) {
			in.ResourcePolicy = except(accountA, app.Role)
		}},
		{name: "without the role", layer: LayerResource, explicit: true, change: func(in *Input) {
			in.ResourcePolicy = except(accountA, app.ARN)
		}},
		{name: "without the account", layer: LayerResource, explicit: true, change: func(in *Input) {
			in.ResourcePolicy = except(app.Role, app.ARN)
		}},
		{name: "user and account", allowed: true, layer: LayerIdentity, change: func(in *Input) {
			in.Principal, in.ResourcePolicy = ann, except(accountA, ann.ARN)
		}},
		{name: "user without the account", layer: LayerResource, explicit: true, change: func(in *Input) {
			in.Principal, in.ResourcePolicy = ann, except(ann.ARN)
		}},
		{name: "the account alone", layer: LayerResource, explicit: true, change: func(in *Input) {
			in.Principal, in.ResourcePolicy = ann, except(accountA)
		}},
		{name: "root", allowed: true, layer: LayerRoot, change: func(in *Input) {
			in.Principal, in.ResourcePolicy = rootA, except(accountA)
		}},
		{name: "whoever has a boundary is denied", layer: LayerResource, explicit: true, change: func(in *Input) {
			in.Principal, in.ResourcePolicy = ann, except(accountA, ann.ARN)
			in.Principal.HasBoundary = true
		}},
		{name: "anonymous is not left out", layer: LayerResource, explicit: true, change: func(in *Input) {
			in.Principal, in.Account, in.ResourcePolicy = anonymous, accountA, except(accountA)
		}},
	})
	not := `"NotPrincipal":{"AWS":"111122223333"}`
	for _, tt := range []struct {
		name string
		kind Kind
		text string
	}{
		{"with Allow", KindBucket, says(Allow, "s3:*", "*", not)},
		{"in an identity policy", KindIdentity, says(Deny, "s3:*", "*", not)},
		{"in a trust policy", KindTrust, says(Deny, "sts:AssumeRole", "", not)},
		{"in an SCP", KindSCP, says(Deny, "s3:*", "*", not)},
		{"in an RCP", KindRCP, says(Deny, "s3:*", "*", not)},
	} {
		if _, err := Parse(doc(tt.text), tt.kind); err == nil {
			t.Errorf("Parse takes NotPrincipal %s (%s)", tt.name, page)
		}
	}
}

func TestRule10UniqueIDs(t *testing.T) {
	again := app
	again.ID = "AROANEWEXAMPLEEXAMPLE"
	base := Input{
		Principal: app, Action: "s3:GetObject", Resource: objectARN,
		ResourcePolicy: named(t, KindBucket, says(Allow, "s3:GetObject", "*", to(app.ID))),
	}
	checkRules(t, "IAM/reference_policies_elements_principal", base, []ruleCase{
		{name: "the role", allowed: true, layer: LayerResource},
		{name: "a role of the same name made again", layer: LayerIdentity, change: func(in *Input) { in.Principal = again }},
		{name: "a Deny does not name the new one either", allowed: true, layer: LayerIdentity, change: func(in *Input) {
			in.Principal = again
			in.Identity = list(t, KindIdentity, says(Allow, "s3:*", "*"))
			in.ResourcePolicy = named(t, KindBucket, says(Deny, "s3:GetObject", "*", to(app.ID)))
		}},
		{name: "nobody has the empty ID", layer: LayerIdentity, change: func(in *Input) { in.Principal.ID = "" }},
	})
}

func TestRule11SessionPolicies(t *testing.T) {
	wide, narrow := says(Allow, "s3:*", "*"), says(Allow, "s3:GetObject", "arn:aws:s3:::tour/blue/*")
	with := func(s string) func(*Input) {
		return func(in *Input) { in.HasSession, in.Session = true, list(t, KindSession, s) }
	}
	base := Input{Principal: app, Action: "s3:GetObject", Resource: objectARN, Identity: list(t, KindIdentity, wide)}
	federated := base
	federated.Principal = guest
	const page = "IAM/access_policies#policies_session"
	checkRules(t, page, base, []ruleCase{
		{name: "a role without session policy has all of the role", allowed: true, layer: LayerIdentity},
		{name: "within both", allowed: true, layer: LayerIdentity, change: with(narrow)},
		{name: "outside the session policy", layer: LayerSession, change: with(says(Allow, "s3:PutObject", "*"))},
		{name: "outside the role", layer: LayerIdentity, change: func(in *Input) { with(wide)(in); in.Identity = nil }},
		{name: "passed and empty", layer: LayerSession, change: func(in *Input) { in.HasSession = true }},
	})
	checkRules(t, page, federated, []ruleCase{
		{name: "a federated user without session policy has nothing", layer: LayerSession},
		{name: "a federated user within both", allowed: true, layer: LayerIdentity, change: with(narrow)},
		{name: "a federated user without the user's Allow", layer: LayerIdentity, change: func(in *Input) { with(wide)(in); in.Identity = nil }},
		{name: "root's federated user has the session policy", allowed: true, layer: LayerRoot, change: func(in *Input) {
			with(narrow)(in)
			in.Identity, in.Principal.User = nil, rootA.ARN
		}},
		{name: "root's federated user has nothing else", layer: LayerSession, change: func(in *Input) {
			with(says(Allow, "s3:PutObject", "*"))(in)
			in.Identity, in.Principal.User = nil, rootA.ARN
		}},
		{name: "named by the resource, without session policy", allowed: true, layer: LayerResource, change: func(in *Input) {
			in.ResourcePolicy = named(t, KindBucket, says(Allow, "s3:*", "*", to(guest.ARN)))
		}},
		{name: "its user named by the resource, without session policy", layer: LayerSession, change: func(in *Input) {
			in.ResourcePolicy = named(t, KindBucket, says(Allow, "s3:*", "*", to(ann.ARN)))
		}},
	})
}

func TestRule12DenyOfBoundaryAndSessionWins(t *testing.T) {
	deny := says(Deny, "s3:GetObject", "*")
	base := Input{
		Principal: app, Action: "s3:GetObject", Resource: objectARN,
		ResourcePolicy: named(t, KindBucket, says(Allow, "s3:GetObject", "*", to(app.ARN))),
	}
	checkRules(t, "IAM/access_policies_boundaries", base, []ruleCase{
		{name: "neither", allowed: true, layer: LayerResource},
		{name: "boundary", layer: LayerBoundary, explicit: true, change: func(in *Input) { in.Boundary = named(t, KindBoundary, deny) }},
		{name: "session", layer: LayerSession, explicit: true, change: func(in *Input) { in.Session = list(t, KindSession, deny) }},
		{name: "boundary, for everyone", layer: LayerBoundary, explicit: true, change: func(in *Input) {
			in.ResourcePolicy = named(t, KindBucket, says(Allow, "s3:GetObject", "*", toAll))
			in.Boundary = named(t, KindBoundary, deny)
		}},
	})
}
