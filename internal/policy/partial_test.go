package policy

import (
	"slices"
	"testing"
)

// openContext does not know some keys.
type openContext struct {
	MapContext
	open []string
}

func (c openContext) IsUnknown(key string) bool { return slices.Contains(c.open, key) }

func TestEvaluatePartial(t *testing.T) {
	give := says(Allow, "s3:GetObject", "*")
	tls := when("Bool", "aws:SecureTransport", "true")
	base := Input{
		Principal: ann, Action: "s3:GetObject", Resource: objectARN, Account: accountA,
		Context: openContext{MapContext{"aws:username": {"ann"}}, []string{"aws:securetransport", "aws:principaltag/team"}},
	}
	for _, tt := range []struct {
		name   string
		change func(in *Input)
		want   Answer
		rest   int
	}{
		{"nothing open, allowed", func(in *Input) { in.Identity = list(t, KindIdentity, give) }, Yes, 0},
		{"nothing open, denied", func(in *Input) {}, No, 0},
		{"an Allow is open", func(in *Input) { in.Identity = list(t, KindIdentity, says(Allow, "s3:GetObject", "*", tls)) }, Depends, 1},
		{"an open Allow beside a sure one", func(in *Input) {
			in.Identity = list(t, KindIdentity, says(Allow, "s3:GetObject", "*", tls)+","+give)
		}, Yes, 0},
		{"a Deny is open", func(in *Input) {
			in.Identity = list(t, KindIdentity, give+","+says(Deny, "s3:*", "*", tls))
		}, Depends, 1},
		{"an open Deny beside a sure one", func(in *Input) {
			in.Identity = list(t, KindIdentity, give+","+says(Deny, "s3:*", "*", tls)+","+says(Deny, "s3:GetObject", "*"))
		}, No, 0},
		{"an open condition beside one that is not met", func(in *Input) {
			in.Identity = list(t, KindIdentity, says(Allow, "s3:GetObject", "*", `"Condition":{"Bool":{"aws:SecureTransport":"true"},"StringEquals":{"aws:username":"zoe"}}`))
		}, No, 0},
		{"an open condition beside one that is met", func(in *Input) {
			in.Identity = list(t, KindIdentity, says(Allow, "s3:GetObject", "*", `"Condition":{"Bool":{"aws:SecureTransport":"true"},"StringEquals":{"aws:username":"ann"}}`))
		}, Depends, 1},
		{"an open condition on another action", func(in *Input) {
			in.Identity = list(t, KindIdentity, says(Allow, "s3:PutObject", "*", tls))
		}, No, 0},
		{"an open variable in Resource", func(in *Input) {
			in.Identity = list(t, KindIdentity, says(Allow, "s3:GetObject", "arn:aws:s3:::tour/${aws:PrincipalTag/team}/*"))
		}, Depends, 1},
		{"a Resource that matches beside an open one", func(in *Input) {
			in.Identity = list(t, KindIdentity, `{"Effect":"Allow","Action":"s3:GetObject","Resource":["arn:aws:s3:::tour/${aws:PrincipalTag/team}/*","arn:aws:s3:::tour/blue/*"]}`)
		}, Yes, 0},
		{"an open variable in a value", func(in *Input) {
			in.Identity = list(t, KindIdentity, says(Allow, "s3:GetObject", "*", when("StringEquals", "aws:username", "${aws:PrincipalTag/team}")))
		}, Depends, 1},
		{"a statement that is not understood", func(in *Input) {
			in.Identity = []Named{{Policy: mustLoad(t, KindIdentity, doc(give+","+says(Deny, "s3:*", "*", `"New":1`)))}}
		}, Depends, 1},
		{"a policy that is not understood", func(in *Input) {
			in.Identity = []Named{{Policy: mustLoad(t, KindIdentity, `{"Statement":[`+give+`],"New":1}`)}}
		}, Depends, 1},

		{"identity policies not seen", func(in *Input) { in.UnknownLayers = []Layer{LayerIdentity} }, Depends, 0},
		{"identity policies not seen, a Deny elsewhere", func(in *Input) {
			in.UnknownLayers = []Layer{LayerIdentity}
			in.ResourcePolicy = named(t, KindBucket, says(Deny, "s3:*", "*", toAll))
		}, No, 0},
		{"SCPs not seen", func(in *Input) {
			in.Identity, in.UnknownLayers = list(t, KindIdentity, give), []Layer{LayerSCP}
		}, Depends, 0},
		{"SCPs not seen, for a service", func(in *Input) {
			in.Principal, in.UnknownLayers = logging, []Layer{LayerSCP}
			in.ResourcePolicy = named(t, KindBucket, says(Allow, "s3:*", "*", toAll))
		}, Yes, 0},
		{"RCPs not seen", func(in *Input) {
			in.Identity, in.UnknownLayers = list(t, KindIdentity, give), []Layer{LayerRCP}
		}, Depends, 0},
		{"boundary not seen", func(in *Input) {
			in.Identity, in.UnknownLayers = list(t, KindIdentity, give), []Layer{LayerBoundary}
		}, Depends, 0},
		{"bucket policy not seen", func(in *Input) { in.UnknownLayers = []Layer{LayerResource} }, Depends, 0},
		{"trust policy not seen", func(in *Input) {
			in.Action, in.Resource, in.UnknownLayers = "sts:AssumeRole", roleARN, []Layer{LayerTrust}
		}, Depends, 0},
		{"key policy not seen", func(in *Input) {
			in.Action, in.Resource, in.UnknownLayers = "kms:Decrypt", keyARN, []Layer{LayerResource}
		}, Depends, 0},
		{"grants not seen", func(in *Input) {
			in.Action, in.Resource, in.UnknownLayers = "kms:Decrypt", keyARN, []Layer{LayerGrant}
			in.ResourcePolicy = named(t, KindKey, says(Allow, "kms:*", "*", to(app.Role)))
		}, Depends, 0},
		{"ACLs not seen", func(in *Input) {
			in.Principal, in.UnknownLayers = anonymous, []Layer{LayerACL}
		}, Depends, 0},
		{"Block Public Access not seen", func(in *Input) {
			in.Principal, in.UnknownLayers = anonymous, []Layer{LayerPublic}
			in.ResourcePolicy = named(t, KindBucket, says(Allow, "s3:*", "*", toAll))
		}, Depends, 0},
		{"no action", func(in *Input) { in.Action, in.UnknownLayers = "s3", []Layer{LayerIdentity} }, No, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := base
			tt.change(&in)
			p := EvaluatePartial(&in)
			if p.Answer != tt.want || len(p.Residual) != tt.rest {
				t.Errorf("EvaluatePartial = %+v; want %s with %d open", p, tt.want, tt.rest)
			}
			if p.Answer == Depends && len(in.UnknownLayers) != len(p.Layers) {
				t.Errorf("Layers = %v; want %v", p.Layers, in.UnknownLayers)
			}
		})
	}
}

func TestResidual(t *testing.T) {
	in := Input{
		Principal: ann, Action: "s3:GetObject", Resource: objectARN,
		Context: openContext{nil, []string{"aws:securetransport", "aws:sourceip"}},
		Identity: list(t, KindIdentity,
			says(Allow, "s3:GetObject", "*", `"Sid":"A"`, when("Bool", "aws:SecureTransport", "true"))+","+
				says(Deny, "s3:GetObject", "*", `"Sid":"D"`, when("NotIpAddress", "aws:SourceIp", "192.0.2.0/24"))),
	}
	p := EvaluatePartial(&in)
	if p.Answer != Depends || len(p.Residual) != 2 || !p.Decision.Allowed {
		t.Fatalf("EvaluatePartial = %+v", p)
	}
	a, d := p.Residual[0], p.Residual[1]
	if a.Sid != "A" || !a.Holds || a.Condition.Key != "aws:SecureTransport" || a.Effect != Allow {
		t.Errorf("first %+v", a)
	}
	if d.Sid != "D" || d.Holds || d.Condition.Operator != "NotIpAddress" || d.Index != 1 {
		t.Errorf("second %+v", d)
	}
}

// Whatever an open key turns out to be, a sure answer stays.
func TestPartialAgreesWithEveryValue(t *testing.T) {
	statements := []string{
		says(Allow, "s3:*", "*", when("StringEquals", "aws:a", "x")),
		says(Allow, "s3:*", "*", when("StringNotEquals", "aws:a", "x")),
		says(Allow, "s3:*", "*"),
		says(Deny, "s3:*", "*", when("StringEquals", "aws:a", "y")),
		says(Deny, "s3:*", "*", when("Null", "aws:a", "true")),
		says(Deny, "s3:*", "*", when("StringEquals", "aws:b", "z")),
	}
	for set := range 1 << len(statements) {
		text := ""
		for i, s := range statements {
			if set&(1<<i) != 0 {
				if text != "" {
					text += ","
				}
				text += s
			}
		}
		if text == "" {
			continue
		}
		in := Input{Principal: ann, Action: "s3:GetObject", Resource: objectARN, Identity: list(t, KindIdentity, text)}
		in.Context = openContext{nil, []string{"aws:a"}}
		answer := EvaluatePartial(&in).Answer
		for _, keys := range []MapContext{nil, {"aws:a": {"x"}}, {"aws:a": {"y"}}, {"aws:a": {"w"}}} {
			in.Context = keys
			if d := Evaluate(&in); answer == Yes && !d.Allowed || answer == No && d.Allowed {
				t.Errorf("%s: %s, but with %v %+v", text, answer, keys, d)
			}
		}
	}
}
