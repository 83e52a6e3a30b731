package policy

import "testing"

func TestRule22SCPs(t *testing.T) {
	linked := app
	linked.ServiceLinked = true
	base := Input{
		Principal: ann, Action: "s3:GetObject", Resource: objectARN, Account: accountA,
		Identity: list(t, KindIdentity, says(Allow, "s3:*", "*")),
		SCPs:     [][]Named{{{Policy: FullAWSAccess(KindSCP)}, *named(t, KindSCP, says(Deny, "s3:*", "*"))}},
	}
	open := named(t, KindBucket, says(Allow, "s3:*", "*", toAll))
	checkRules(t, "ORG/orgs_manage_policies_scps", base, []ruleCase{
		{name: "user", layer: LayerSCP, explicit: true},
		{name: "member root", layer: LayerSCP, explicit: true, change: func(in *Input) { in.Principal = rootA }},
		{name: "role", layer: LayerSCP, explicit: true, change: func(in *Input) { in.Principal = app }},
		{name: "federated user", layer: LayerSCP, explicit: true, change: func(in *Input) { in.Principal = guest }},
		{name: "service-linked role", allowed: true, layer: LayerIdentity, change: func(in *Input) { in.Principal = linked }},
		{name: "anonymous", allowed: true, layer: LayerResource, change: func(in *Input) { in.Principal, in.ResourcePolicy = anonymous, open }},
		{name: "service", allowed: true, layer: LayerResource, change: func(in *Input) { in.Principal, in.ResourcePolicy = logging, open }},
		{name: "management account", allowed: true, layer: LayerIdentity, change: func(in *Input) { in.SCPs = nil }},
	})
}

func TestRule23RCPs(t *testing.T) {
	linked := app
	linked.ServiceLinked = true
	deny := *named(t, KindRCP, says(Deny, "s3:*", "*", toAll))
	full := Named{Name: "RCPFullAWSAccess", Policy: FullAWSAccess(KindRCP)}
	base := Input{
		Principal: ann, Action: "s3:GetObject", Resource: objectARN, Account: accountA,
		Identity:       list(t, KindIdentity, says(Allow, "*", "*")),
		ResourcePolicy: named(t, KindBucket, says(Allow, "s3:*", "*", toAll)),
		RCPs:           [][]Named{{full}, {full, deny}, {full}},
	}
	const page = "ORG/orgs_manage_policies_rcps"
	checkRules(t, page, base, []ruleCase{
		{name: "user", layer: LayerRCP, explicit: true},
		{name: "root", layer: LayerRCP, explicit: true, change: func(in *Input) { in.Principal = rootA }},
		{name: "foreign", layer: LayerRCP, explicit: true, change: func(in *Input) { in.Principal = bob }},
		{name: "anonymous", layer: LayerRCP, explicit: true, change: func(in *Input) { in.Principal = anonymous }},
		{name: "service", layer: LayerRCP, explicit: true, change: func(in *Input) { in.Principal = logging }},
		{name: "service written out", allowed: true, layer: LayerResource, change: func(in *Input) {
			in.Principal = logging
			in.RCPs = [][]Named{list(t, KindRCP, says(Deny, "s3:*", "*", toAll, when("Bool", "aws:PrincipalIsAWSService", "false")))}
			in.Context = MapContext{"aws:principalisawsservice": {"true"}}
		}},
		{name: "service-linked role", allowed: true, layer: LayerResource, change: func(in *Input) { in.Principal = linked }},
		{name: "management account", allowed: true, layer: LayerResource, change: func(in *Input) { in.RCPs = nil }},
		{name: "RCPFullAWSAccess alone", allowed: true, layer: LayerResource, change: func(in *Input) { in.RCPs = [][]Named{{full}, {full}} }},
		{name: "RCPFullAWSAccess can't be detached", allowed: true, layer: LayerResource, change: func(in *Input) { in.RCPs = [][]Named{{}, {}} }},
	})
	for _, tt := range []struct{ name, text string }{
		{"an Allow", says(Allow, "s3:*", "*", toAll)},
		{"a named principal", says(Deny, "s3:*", "*", to(ann.ARN))},
		{"the principal as AWS", says(Deny, "s3:*", "*", to("*"))},
		{"no principal", says(Deny, "s3:*", "*")},
		{"NotAction", `{"Effect":"Deny","Principal":"*","NotAction":"s3:*","Resource":"*"}`},
		{"every action", says(Deny, "*", "*", toAll)},
		{"a service beyond RCPs", says(Deny, "iam:*", "*", toAll)},
	} {
		if _, err := Parse(doc(tt.text), KindRCP); err == nil {
			t.Errorf("Parse takes an RCP with %s (ORG/orgs_manage_policies_rcps_syntax)", tt.name)
		}
	}
	if _, err := Parse(doc(`{"Effect":"Deny","Principal":"*","Action":"s3:*","NotResource":"arn:aws:s3:::open/*"}`), KindRCP); err != nil {
		t.Errorf("Parse refuses an RCP with NotResource: %v", err)
	}
}

func TestFullAWSAccess(t *testing.T) {
	for kind := KindIdentity; kind <= KindResource; kind++ {
		p := FullAWSAccess(kind)
		if want := kind == KindSCP || kind == KindRCP; (p != nil) != want {
			t.Errorf("FullAWSAccess(%d) = %v; want one: %v", kind, p, want)
		}
		if p != nil && (p.Kind != kind || p.Unknown != "" || p.Statements[0].Unknown != "" || p.Text() == "") {
			t.Errorf("FullAWSAccess(%d) = %+v", kind, p)
		}
	}
}
