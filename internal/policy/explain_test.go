package policy

import (
	"encoding/json"
	"slices"
	"testing"
)

func TestExplain(t *testing.T) {
	identity := says(Allow, "s3:PutObject", "*", `"Sid":"Put"`) + "," +
		says(Allow, "s3:GetObject", "arn:aws:s3:::other/*", `"Sid":"Other"`) + "," +
		says(Allow, "s3:GetObject", "*", `"Sid":"Team"`, `"Condition":{"StringEquals":{"aws:PrincipalTag/team":["blue","red"],"aws:username":"ann"},"ForAnyValue:StringLikeIfExists":{"aws:TagKeys":"a*"}}`)
	in := Input{
		Principal: ann, Action: "s3:GetObject", Resource: objectARN, Account: accountA,
		Context:  MapContext{"aws:username": {"ann"}},
		Identity: []Named{{Name: "ann-policy", Policy: mustParse(t, KindIdentity, doc(identity))}},
		ResourcePolicy: &Named{Name: "bucket policy of tour", Policy: mustLoad(t, KindBucket, doc(
			says(Allow, "s3:*", "*", to(bob.ARN))+","+says(Allow, "s3:*", "*", toAll, `"New":1`)))},
		SCPs: [][]Named{{{Name: "FullAWSAccess", Policy: FullAWSAccess(KindSCP)}}},
		RCPs: [][]Named{{{Name: "RCPFullAWSAccess", Policy: FullAWSAccess(KindRCP)}}},
	}
	x := Explain(&in)
	if x.Decision != Evaluate(&in) || x.Decision.Layer != LayerIdentity || x.Principal != ann.ARN || x.Account != accountA {
		t.Errorf("Explain = %+v", x)
	}
	var names []string
	found := map[string]StatementExplanation{}
	for _, p := range x.Policies {
		names = append(names, p.Name)
		for _, s := range p.Statements {
			found[p.Name+"/"+s.Sid+string(rune('0'+s.Index))] = s
		}
	}
	if want := []string{"RCPFullAWSAccess", "FullAWSAccess", "bucket policy of tour", "ann-policy"}; !slices.Equal(names, want) {
		t.Errorf("policies %q; want %q", names, want)
	}
	for name, failed := range map[string]string{
		"bucket policy of tour/0": ElementPrincipal,
		"bucket policy of tour/1": ElementUnknown,
		"ann-policy/Put0":         ElementAction,
		"ann-policy/Other1":       ElementResource,
		"ann-policy/Team2":        ElementCondition,
		"FullAWSAccess/0":         "",
	} {
		s, ok := found[name]
		if !ok || s.Failed != failed || s.Applies != (failed == "") {
			t.Errorf("%s: %+v; want failed %q", name, s, failed)
		}
	}
	if s := found["bucket policy of tour/1"]; s.Unknown == "" {
		t.Errorf("unknown element is not named: %+v", s)
	}
	conditions := found["ann-policy/Team2"].Conditions
	if len(conditions) != 3 {
		t.Fatalf("conditions %+v", conditions)
	}
	if c := conditions[0]; c.Operator != "StringEquals" || c.Key != "aws:PrincipalTag/team" || !slices.Equal(c.Wanted, []string{"blue", "red"}) || !c.Missing || c.Holds || c.Actual == nil {
		t.Errorf("condition %+v", c)
	}
	if c := conditions[1]; !c.Holds || c.Missing || !slices.Equal(c.Actual, []string{"ann"}) {
		t.Errorf("condition %+v", c)
	}
	if c := conditions[2]; c.Operator != "ForAnyValue:StringLikeIfExists" || !c.Holds || !c.Missing {
		t.Errorf("condition %+v", c)
	}
	outcomes := map[Layer]string{}
	for _, l := range x.Layers {
		outcomes[l.Layer] = l.Outcome
	}
	for layer, want := range map[Layer]string{LayerRCP: OutcomeAllow, LayerSCP: OutcomeAllow, LayerResource: OutcomeSilent, LayerIdentity: OutcomeSilent, LayerBoundary: ""} {
		if outcomes[layer] != want {
			t.Errorf("%s: %q; want %q", layer, outcomes[layer], want)
		}
	}
}

func TestExplainIgnoredLayers(t *testing.T) {
	linked := app
	linked.ServiceLinked = true
	deny := says(Deny, "*", "*")
	in := Input{
		Principal: linked, Action: "s3:GetObject", Resource: objectARN,
		SCPs:   [][]Named{list(t, KindSCP, deny)},
		RCPs:   [][]Named{list(t, KindRCP, says(Deny, "s3:*", "*", toAll))},
		Grants: []Grant{{ID: "g", GranteePrincipal: linked.ARN, Operations: []string{"Decrypt"}}},
	}
	x := Explain(&in)
	for _, layer := range []Layer{LayerSCP, LayerRCP, LayerGrant} {
		i := slices.IndexFunc(x.Layers, func(l LayerExplanation) bool { return l.Layer == layer })
		if i < 0 || x.Layers[i].Outcome != OutcomeIgnored || x.Layers[i].Reason == "" {
			t.Errorf("%s: %+v; want it ignored, with a reason", layer, x.Layers)
		}
	}
	if len(x.Grants) != 1 || x.Grants[0].Applies {
		t.Errorf("grants %+v", x.Grants)
	}
}

func TestExplainGrants(t *testing.T) {
	in := kmsInput(ann, named(t, KindKey, says(Allow, "kms:*", "*", to(app.Role))), nil)
	in.Grants = []Grant{
		{ID: "operation", GranteePrincipal: ann.ARN, Operations: []string{"Encrypt"}},
		{ID: "grantee", GranteePrincipal: bob.ARN, Operations: []string{"Decrypt"}},
		{ID: "constraint", GranteePrincipal: ann.ARN, Operations: []string{"Decrypt"}, ContextSubset: map[string]string{"a": "b"}},
		{ID: "applies", GranteePrincipal: ann.ARN, Operations: []string{"Decrypt"}},
	}
	x := Explain(&in)
	want := []GrantExplanation{
		{ID: "operation", Failed: ElementAction}, {ID: "grantee", Failed: ElementPrincipal},
		{ID: "constraint", Failed: ElementCondition}, {ID: "applies", Applies: true},
	}
	if !slices.Equal(x.Grants, want) || !x.Decision.Allowed || x.Decision.Match.Policy != "applies" {
		t.Errorf("grants %+v, decision %+v", x.Grants, x.Decision)
	}
}

// The encoding holds lists, never null, and names in lower camel case.
func TestExplanationJSON(t *testing.T) {
	in := Input{Principal: anonymous, Action: "s3:GetObject", Resource: objectARN, Account: accountA}
	b, err := json.Marshal(Explain(&in))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"principal":"anonymous","action":"s3:GetObject","resource":"arn:aws:s3:::tour/blue/a.txt","account":"111122223333",` +
		`"decision":{"allowed":false,"explicit":false,"layer":"resource-based policy","crossAccount":false,"match":{"layer":"","policy":"","index":0,"effect":""}},` +
		`"layers":[],"policies":[]}`
	if string(b) != want {
		t.Errorf("JSON %s\nwant %s", b, want)
	}
}
