package policy

import "testing"

// TestNamedAction wants coffer:ShredNow allowed by a statement that names it, and by
// nothing else.
func TestNamedAction(t *testing.T) {
	const account = "123456789012"
	key := "arn:aws:coffer:us-east-1:" + account + ":key/k"
	load := func(kind Kind, text string) []Named {
		p, err := Load(`{"Version":"2012-10-17","Statement":[`+text+`]}`, kind)
		if err != nil {
			t.Fatal(err)
		}
		return []Named{{Name: "p", Policy: p}}
	}
	user := Principal{Type: User, Account: account, ARN: "arn:aws:iam::" + account + ":user/u", ID: "AIDA"}
	root := Principal{Type: Root, Account: account, ARN: "arn:aws:iam::" + account + ":root"}
	fromRoot := Principal{Type: Federated, Account: account, ARN: "arn:aws:sts::" + account + ":federated-user/f", User: root.ARN}
	all := `{"Effect":"Allow","Action":"*","Resource":"*"}`
	named := `{"Effect":"Allow","Action":["s3:*","COFFER:ShredNow"],"Resource":"` + key + `"}`
	for _, tt := range []struct {
		name      string
		principal Principal
		identity  string
		more      func(*Input)
		allowed   bool
	}{
		{"named", user, named, nil, true},
		{"named among others", user, all + "," + named, nil, true},
		{"star", user, all, nil, false},
		{"coffer:*", user, `{"Effect":"Allow","Action":"coffer:*","Resource":"*"}`, nil, false},
		{"kms:*", user, `{"Effect":"Allow","Action":"kms:*","Resource":"*"}`, nil, false},
		{"a wildcard of one character", user, `{"Effect":"Allow","Action":"coffer:ShredNo?","Resource":"*"}`, nil, false},
		{"a needless wildcard", user, `{"Effect":"Allow","Action":"coffer:ShredNow*","Resource":"*"}`, nil, false},
		{"not another action", user, `{"Effect":"Allow","NotAction":"s3:*","Resource":"*"}`, nil, false},
		{"not this one", user, `{"Effect":"Allow","NotAction":"coffer:ShredNow","Resource":"*"}`, nil, false},
		{"another resource", user, `{"Effect":"Allow","Action":"coffer:ShredNow","Resource":"arn:aws:coffer:*:*:key/other"}`, nil, false},
		{"denied by a wildcard", user, named + `,{"Effect":"Deny","Action":"coffer:*","Resource":"*"}`, nil, false},
		{"denied by everything else", user, named + `,{"Effect":"Deny","NotAction":"s3:*","Resource":"*"}`, nil, false},
		{"root", root, "", nil, false},
		{"root with a policy that names it", root, named, nil, false},
		{"a federated user of root", fromRoot, "", func(in *Input) { in.Session, in.HasSession = load(KindSession, named), true }, false},
		{"a boundary with a wildcard", user, named, func(in *Input) { in.Boundary = &load(KindBoundary, all)[0] }, true},
		{"a boundary without", user, named, func(in *Input) {
			in.Boundary = &load(KindBoundary, `{"Effect":"Allow","Action":"s3:*","Resource":"*"}`)[0]
		}, false},
		{"an SCP with a wildcard", user, named, func(in *Input) { in.SCPs = [][]Named{load(KindSCP, all)} }, true},
		{"an SCP that denies", user, named, func(in *Input) {
			in.SCPs = [][]Named{load(KindSCP, all+`,{"Effect":"Deny","Action":"coffer:Shred*","Resource":"*"}`)}
		}, false},
		{"another action is as ever", user, all, func(in *Input) { in.Action = "coffer:ShredSubject" }, true},
		{"and for root", root, "", func(in *Input) { in.Action = "coffer:ShredSubject" }, true},
	} {
		in := &Input{Principal: tt.principal, Action: "coffer:ShredNow", Resource: key, Account: account}
		if tt.identity != "" {
			in.Identity = load(KindIdentity, tt.identity)
		}
		if tt.more != nil {
			tt.more(in)
		}
		if d := Evaluate(in); d.Allowed != tt.allowed {
			t.Errorf("%s: Evaluate() = %+v; want allowed %t", tt.name, d, tt.allowed)
		}
		if x := Explain(in); x.Decision.Allowed != tt.allowed {
			t.Errorf("%s: Explain() = %+v; want allowed %t", tt.name, x.Decision, tt.allowed)
		}
	}
}
