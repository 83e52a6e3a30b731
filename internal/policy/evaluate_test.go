package policy

import (
	"fmt"
	"sync"
	"testing"
)

// The principals, accounts and resources of the tests.
const (
	accountA = "111122223333"
	accountB = "444455556666"

	objectARN = "arn:aws:s3:::tour/blue/a.txt"
	keyARN    = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	roleARN   = "arn:aws:iam::111122223333:role/target"

	provider = "arn:aws:iam::111122223333:oidc-provider/token.example.com"
)

var (
	ann = Principal{Type: User, Account: accountA, ARN: "arn:aws:iam::111122223333:user/ann", ID: "AIDAANNEXAMPLEEXAMPLE"}
	app = Principal{
		Type: Session, Account: accountA, ARN: "arn:aws:sts::111122223333:assumed-role/app/i-1",
		Role: "arn:aws:iam::111122223333:role/app", ID: "AROAAPPEXAMPLEEXAMPLE",
	}
	guest = Principal{
		Type: Federated, Account: accountA, ARN: "arn:aws:sts::111122223333:federated-user/guest",
		User: "arn:aws:iam::111122223333:user/ann", ID: "AIDAANNEXAMPLEEXAMPLE",
	}
	rootA     = Principal{Type: Root, Account: accountA, ARN: "arn:aws:iam::111122223333:root"}
	bob       = Principal{Type: User, Account: accountB, ARN: "arn:aws:iam::444455556666:user/bob", ID: "AIDABOBEXAMPLEEXAMPLE"}
	rootB     = Principal{Type: Root, Account: accountB, ARN: "arn:aws:iam::444455556666:root"}
	logging   = Principal{Type: Service, Service: "logging.s3.amazonaws.com"}
	web       = Principal{Type: WebIdentity, Provider: provider}
	anonymous = Principal{Type: Anonymous}
)

// doc wraps statements into a policy document.
func doc(statements string) string {
	return `{"Version":"2012-10-17","Statement":[` + statements + `]}`
}

// mustParse parses a policy that a put must take.
func mustParse(tb testing.TB, kind Kind, text string) *Policy {
	tb.Helper()
	p, err := Parse(text, kind)
	if err != nil {
		tb.Fatalf("Parse(%s): %v", text, err)
	}
	return p
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

// named parses statements into a policy that a put takes.
func named(tb testing.TB, kind Kind, statements string) *Named {
	tb.Helper()
	return &Named{Name: "p", Policy: mustParse(tb, kind, doc(statements))}
}

// list is named as a list of one.
func list(tb testing.TB, kind Kind, statements string) []Named {
	tb.Helper()
	return []Named{*named(tb, kind, statements)}
}

// says returns a statement. The rest are further members.
func says(effect Effect, action, resource string, rest ...string) string {
	s := fmt.Sprintf(`{"Effect":%q,"Action":%q`, effect, action)
	if resource != "" {
		s += fmt.Sprintf(`,"Resource":%q`, resource)
	}
	for _, r := range rest {
		s += "," + r
	}
	return s + "}"
}

// to returns a Principal element that names AWS principals.
func to(arns ...string) string {
	s := ""
	for i, a := range arns {
		if i > 0 {
			s += ","
		}
		s += fmt.Sprintf("%q", a)
	}
	return `"Principal":{"AWS":[` + s + `]}`
}

const toAll = `"Principal":"*"`

// when returns a Condition element.
func when(operator, key string, values ...string) string {
	s := ""
	for i, v := range values {
		if i > 0 {
			s += ","
		}
		s += fmt.Sprintf("%q", v)
	}
	return fmt.Sprintf(`"Condition":{%q:{%q:[%s]}}`, operator, key, s)
}

// A ruleCase is a request that a rule decides.
type ruleCase struct {
	name     string
	change   func(in *Input) // of the test's input
	allowed  bool
	layer    Layer
	explicit bool
}

// checkRules decides cases. The page is the one of the AWS documentation that says
// so. Explain and EvaluatePartial must come to the same decision.
func checkRules(t *testing.T, page string, base Input, cases []ruleCase) {
	t.Helper()
	if page == "" {
		t.Fatal("no page")
	}
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			in := base
			if tt.change != nil {
				tt.change(&in)
			}
			d := Evaluate(&in)
			if d.Allowed != tt.allowed || d.Layer != tt.layer || d.Explicit != tt.explicit {
				t.Errorf("Evaluate = allowed %v by %q, explicit %v; want %v by %q, explicit %v (%s)",
					d.Allowed, d.Layer, d.Explicit, tt.allowed, tt.layer, tt.explicit, page)
			}
			checkSame(t, &in, d)
		})
	}
}

// checkSame checks that Explain and EvaluatePartial decide as Evaluate.
func checkSame(t *testing.T, in *Input, d Decision) {
	t.Helper()
	if x := Explain(in); x.Decision != d {
		t.Errorf("Explain decides %+v; Evaluate %+v", x.Decision, d)
	} else {
		checkExplanation(t, x)
	}
	want := No
	if d.Allowed {
		want = Yes
	}
	if p := EvaluatePartial(in); p.Answer != want {
		t.Errorf("EvaluatePartial = %s; want %s", p.Answer, want)
	}
}

// checkExplanation checks that statements and layers bear the decision out.
func checkExplanation(t *testing.T, x *Explanation) {
	t.Helper()
	denies := 0
	for _, p := range x.Policies {
		for _, s := range p.Statements {
			if s.Applies != (s.Failed == "") {
				t.Errorf("statement %d of %s: applies %v, failed %q", s.Index, p.Layer, s.Applies, s.Failed)
			}
			if s.Applies && s.Effect == Deny {
				denies++
			}
		}
	}
	if d := x.Decision; d.Explicit && denies == 0 {
		t.Errorf("explicit denial without a Deny that applies: %+v", x)
	}
	if d := x.Decision; d.Allowed && d.Match.Layer == LayerIdentity {
		for _, l := range x.Layers {
			if l.Layer == LayerIdentity && l.Outcome != OutcomeAllow {
				t.Errorf("allowed by %s, which %s", l.Layer, l.Outcome)
			}
		}
	}
}

func TestDecision(t *testing.T) {
	in := Input{Principal: ann, Action: "s3:GetObject", Resource: objectARN}
	in.Identity = list(t, KindIdentity, says(Allow, "s3:Put*", "*")+","+says(Allow, "s3:get*", "arn:aws:s3:::tour/*", `"Sid":"Read"`))
	want := Decision{Allowed: true, Layer: LayerIdentity, Match: Match{LayerIdentity, "p", 1, "Read", Allow}}
	if d := Evaluate(&in); d != want {
		t.Errorf("Evaluate = %+v; want %+v", d, want)
	}
	in.Account = accountB
	in.ResourcePolicy = named(t, KindBucket, says(Deny, "s3:*", "*", toAll, `"Sid":"No"`))
	want = Decision{Explicit: true, Layer: LayerResource, Cross: true, Match: Match{LayerResource, "p", 0, "No", Deny}}
	if d := Evaluate(&in); d != want {
		t.Errorf("Evaluate = %+v; want %+v", d, want)
	}
}

func TestInvalidInputIsDenied(t *testing.T) {
	all := list(t, KindIdentity, says(Allow, "*", "*"))
	open := named(t, KindBucket, says(Allow, "*", "*", toAll))
	nameless, accountless := ann, ann
	nameless.ARN, accountless.Account = "", ""
	for _, tt := range []struct {
		name      string
		principal Principal
		action    string
	}{
		{"no action", ann, ""},
		{"no service", ann, "GetObject"},
		{"empty service", ann, ":GetObject"},
		{"empty name", ann, "s3:"},
		{"wildcard", ann, "s3:*"},
		{"not ASCII", ann, "s3:GetObj\u00e9ct"},
		{"space", ann, "s3:Get Object"},
		{"long", ann, "s3:" + string(make([]byte, 200))},
		{"user without ARN", nameless, "s3:GetObject"},
		{"user without account", accountless, "s3:GetObject"},
		{"service without name", Principal{Type: Service}, "s3:GetObject"},
		{"web identity without provider", Principal{Type: WebIdentity}, "s3:GetObject"},
		{"unknown type", Principal{Type: 99, Account: accountA, ARN: ann.ARN}, "s3:GetObject"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := Input{Principal: tt.principal, Action: tt.action, Resource: objectARN, Identity: all, ResourcePolicy: open, Account: accountA}
			if d := Evaluate(&in); d.Allowed {
				t.Errorf("Evaluate = %+v; want a denial", d)
			}
		})
	}
}

// A policy that neither Parse nor Load has made may say anything.
func TestPolicyThatWasNotReadDenies(t *testing.T) {
	all := list(t, KindIdentity, says(Allow, "*", "*"))
	for name, change := range map[string]func(*Input){
		"identity":      func(in *Input) { in.Identity = append(in.Identity, Named{}) },
		"not compiled":  func(in *Input) { in.Identity = append(in.Identity, Named{Policy: &Policy{}}) },
		"boundary":      func(in *Input) { in.Boundary = &Named{} },
		"session":       func(in *Input) { in.Session = []Named{{}} },
		"resource":      func(in *Input) { in.ResourcePolicy = &Named{} },
		"SCP":           func(in *Input) { in.SCPs = [][]Named{{{}}} },
		"RCP":           func(in *Input) { in.RCPs = [][]Named{{{}}} },
		"VPC endpoint":  func(in *Input) { in.Endpoint = []Named{{}} },
		"behind others": func(in *Input) { in.SCPs = [][]Named{{{Policy: FullAWSAccess(KindSCP)}, {}}} },
	} {
		t.Run(name, func(t *testing.T) {
			in := Input{Principal: ann, Action: "s3:GetObject", Resource: objectARN, Identity: all}
			if d := Evaluate(&in); !d.Allowed {
				t.Fatalf("Evaluate = %+v; want it allowed", d)
			}
			change(&in)
			d := Evaluate(&in)
			if d.Allowed || !d.Explicit {
				t.Errorf("Evaluate = %+v; want an explicit denial", d)
			}
			if x := Explain(&in); x.Decision != d {
				t.Errorf("Explain decides %+v; Evaluate %+v", x.Decision, d)
			}
		})
	}
}

func TestEvaluateDoesNotAllocate(t *testing.T) {
	if raceDetector {
		t.Skip("a sync.Pool forgets at random under the race detector")
	}
	in := benchInput(t, 30)
	if n := testing.AllocsPerRun(100, func() { Evaluate(in) }); n > 0 {
		t.Errorf("Evaluate allocates %v times; want 0", n)
	}
}

// Goroutines share policies and evaluators, and each gets its own answer.
func TestEvaluateConcurrently(t *testing.T) {
	p := list(t, KindIdentity, says(Allow, "s3:GetObject", "arn:aws:s3:::tour/${aws:username}/*", when("StringLike", "aws:UserAgent", "${aws:username}-*")))
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			name := fmt.Sprintf("user%d", g)
			in := Input{Principal: ann, Action: "s3:GetObject", Identity: p, Context: MapContext{"aws:username": {name}, "aws:useragent": {name + "-cli"}}}
			for i := range 500 {
				in.Resource = fmt.Sprintf("arn:aws:s3:::tour/user%d/a", (g+i)%8)
				if got, want := Evaluate(&in).Allowed, i%8 == 0; got != want {
					t.Errorf("%s on %s: %v; want %v", name, in.Resource, got, want)
				}
			}
		})
	}
	wg.Wait()
}
