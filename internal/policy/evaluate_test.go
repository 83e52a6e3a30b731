package policy

import "testing"

// mustParse parses a policy that a put must take.
func mustParse(tb testing.TB, kind Kind, text string) *Policy {
	tb.Helper()
	p, err := Parse(text, kind)
	if err != nil {
		tb.Fatalf("Parse(%s): %v", text, err)
	}
	return p
}

// doc wraps statements into a policy document.
func doc(statements string) string {
	return `{"Version":"2012-10-17","Statement":[` + statements + `]}`
}

// mustLoad reads a policy that is there, understood or not.
func mustLoad(tb testing.TB, kind Kind, text string) *Policy {
	tb.Helper()
	p, err := Load(text, kind)
	if err != nil {
		tb.Fatalf("Load(%s): %v", text, err)
	}
	return p
}

// named parses statements into a policy with a name.
func named(tb testing.TB, kind Kind, statements string) *Named {
	tb.Helper()
	return &Named{Name: "policy", Policy: mustParse(tb, kind, doc(statements))}
}

func TestEvaluateSmoke(t *testing.T) {
	in := Input{
		Principal: Principal{Type: User, Account: "111122223333", ARN: "arn:aws:iam::111122223333:user/ann", ID: "AIDAEXAMPLEEXAMPLE01"},
		Action:    "s3:GetObject", Resource: "arn:aws:s3:::tour/a.txt",
	}
	if d := Evaluate(&in); d.Allowed || d.Explicit || d.Layer != LayerIdentity {
		t.Errorf("without policies: %+v", d)
	}
	in.Identity = []Named{*named(t, KindIdentity, `{"Sid":"Read","Effect":"Allow","Action":"s3:get*","Resource":"arn:aws:s3:::tour/*"}`)}
	want := Decision{Allowed: true, Layer: LayerIdentity, Match: Match{LayerIdentity, "policy", 0, "Read", Allow}}
	if d := Evaluate(&in); d != want {
		t.Errorf("Evaluate = %+v; want %+v", d, want)
	}
	in.ResourcePolicy = named(t, KindBucket, `{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::tour/*"}`)
	if d := Evaluate(&in); d.Allowed || !d.Explicit || d.Layer != LayerResource {
		t.Errorf("with a Deny: %+v", d)
	}
	in.Action = "s3"
	if d := Evaluate(&in); d.Allowed {
		t.Errorf("no action: %+v", d)
	}
}
