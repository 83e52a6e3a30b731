package policy

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// kindsByName are the kinds as the files of testdata/policies name them.
var kindsByName = map[string]Kind{
	"identity": KindIdentity, "bucket": KindBucket, "key": KindKey, "trust": KindTrust, "scp": KindSCP, "rcp": KindRCP,
}

// addPolicies seeds a fuzz test with the policies of testdata.
func addPolicies(f *testing.F) {
	files, err := filepath.Glob("testdata/policies/*.json")
	if err != nil || len(files) == 0 {
		f.Fatalf("no policies in testdata: %v", err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		kind, _, _ := strings.Cut(filepath.Base(name), "-")
		f.Add(string(text), int(kindsByName[kind]))
	}
}

// FuzzParse checks that what Parse takes is understood and within its bounds, that
// Load reads the same, and that its errors are of the kinds that it documents.
func FuzzParse(f *testing.F) {
	addPolicies(f)
	f.Fuzz(func(t *testing.T, text string, k int) {
		kind := Kind(k%int(KindResource) + 1)
		p, err := Parse(text, kind)
		if err != nil {
			var bad *SyntaxError
			if p != nil || !errors.Is(err, ErrTooLong) && (!errors.As(err, &bad) || bad.Line < 1 || bad.Column < 1 || bad.Message == "") {
				t.Errorf("Parse = %v, %v", p, err)
			}
			return
		}
		if p.Unknown != "" || p.Text() != text || len(p.Statements) == 0 || len(text) > maxText {
			t.Errorf("Parse = %+v", p)
		}
		for _, s := range p.Statements {
			if s.Unknown != "" || len(s.Actions) == 0 || s.Line < 1 || s.Column < 1 {
				t.Errorf("Parse: statement %+v", s)
			}
			if s.Effect == Allow && (s.NotPrinc || kind == KindRCP) {
				t.Errorf("Parse takes the Allow %+v", s)
			}
		}
		loaded, err := Load(text, kind)
		if err != nil || loaded.Unknown != "" || len(loaded.Statements) != len(p.Statements) {
			t.Errorf("Load = %+v, %v after Parse", loaded, err)
		}
	})
}

// FuzzLoad checks that whatever is loaded can be decided on, that it allows only by
// a statement that is understood, and that the three ways to decide agree.
func FuzzLoad(f *testing.F) {
	addPolicies(f)
	f.Fuzz(func(t *testing.T, text string, k int) {
		kind := Kind(k%int(KindResource) + 1)
		p, err := Load(text, kind)
		if err != nil {
			if p != nil {
				t.Errorf("Load = %+v, %v", p, err)
			}
			return
		}
		if len(p.Statements) != len(p.compiled.rules) {
			t.Fatalf("%d statements, %d rules", len(p.Statements), len(p.compiled.rules))
		}
		n := Named{Policy: p}
		in := Input{Action: "s3:GetObject", Resource: "arn:aws:s3:::tour/home/ann/a", Account: accountA, Context: fuzzKeys}
		switch kind {
		case KindIdentity, KindBoundary, KindSession, KindSCP:
			in.Principal, in.Identity = ann, []Named{n}
		case KindKey:
			in.Principal, in.Action, in.Resource, in.ResourcePolicy = ann, "kms:Decrypt", keyARN, &n
		case KindTrust:
			in.Principal, in.Action, in.Resource, in.ResourcePolicy = ann, "sts:AssumeRole", roleARN, &n
		default:
			in.Principal, in.ResourcePolicy = anonymous, &n
		}
		d := Evaluate(&in)
		if d.Allowed {
			s := p.Statements[d.Match.Index]
			if p.Unknown != "" || s.Unknown != "" || s.Effect != Allow {
				t.Errorf("allowed by %+v of %s", s, text)
			}
		}
		if x := Explain(&in); x.Decision != d {
			t.Errorf("Explain decides %+v; Evaluate %+v", x.Decision, d)
		}
		if a := EvaluatePartial(&in); a.Answer == Yes && !d.Allowed || a.Answer == No && d.Allowed {
			t.Errorf("EvaluatePartial = %s; Evaluate %+v", a.Answer, d)
		}
		p.IsPublic()
	})
}

var fuzzKeys = MapContext{
	"aws:username": {"ann"}, "aws:sourceip": {"192.0.2.1"}, "aws:securetransport": {"true"}, "aws:tagkeys": {"a", "b"},
	"aws:currenttime": {"2026-11-21T10:00:00Z"}, "s3:max-keys": {"10"}, "aws:principalarn": {ann.ARN},
}

// Damage to a policy that allows never makes it allow what it did not: every text
// with one byte cut out or overwritten either says the same or gives nothing, and
// the text of a Deny never stops to deny without being refused.
func TestDamagedPolicies(t *testing.T) {
	const give = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:Encrypt","Resource":"arn:aws:s3:::other/x","Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}`
	in := Input{Principal: ann, Action: "s3:GetObject", Resource: objectARN, Context: fuzzKeys}
	for i := range len(give) {
		for _, text := range []string{give[:i] + give[i+1:], give[:i] + "x" + give[i+1:], give[:i] + `"` + give[i+1:], give[:i] + "*" + give[i+1:], give[:i] + "}" + give[i+1:]} {
			p, err := Load(text, KindIdentity)
			if err != nil {
				continue
			}
			in.Identity = []Named{{Policy: p}}
			if d := Evaluate(&in); d.Allowed {
				t.Errorf("%s allows", text)
			}
		}
	}
	const deny = `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:GetObject","Resource":"arn:aws:s3:::tour/*","Condition":{"StringEquals":{"aws:username":"ann"}}}]}`
	all := list(t, KindIdentity, says(Allow, "*", "*"))
	for i := range len(deny) {
		text := deny[:i] + deny[i+1:]
		p, err := Load(text, KindIdentity)
		if err != nil {
			continue
		}
		in.Identity = append(all[:1:1], Named{Policy: p})
		if d := Evaluate(&in); d.Allowed {
			if _, err := Parse(text, KindIdentity); err != nil {
				t.Errorf("%s is refused and does not deny", text)
			}
		}
	}
}

// Garbage in the place of each part of a policy never allows.
func TestGarbageNeverAllows(t *testing.T) {
	garbage := []string{`null`, `true`, `0`, `1e99`, `""`, `"x"`, `[]`, `{}`, `[null]`, `[[]]`, `[{}]`, `{"":""}`, `{"x":{"y":"z"}}`, `["x",1]`, `"${"`}
	parts := map[string]string{
		"Version": `"2012-10-17"`, "Effect": `"Allow"`, "Action": `"s3:GetObject"`, "Resource": `"*"`, "Condition": `{"Bool":{"aws:SecureTransport":"true"}}`,
	}
	build := func(replaced, with string) string {
		get := func(name string) string {
			if name == replaced {
				return with
			}
			return parts[name]
		}
		s := `"Effect":` + get("Effect") + `,"Action":` + get("Action") + `,"Resource":` + get("Resource") + `,"Condition":` + get("Condition")
		return `{"Version":` + get("Version") + `,"Statement":[{` + s + `}]}`
	}
	in := Input{Principal: ann, Action: "s3:GetObject", Resource: objectARN, Context: fuzzKeys}
	allowed := func(text string) bool {
		in.Identity = []Named{{Policy: mustLoad(t, KindIdentity, text)}}
		return Evaluate(&in).Allowed
	}
	if !allowed(build("", "")) {
		t.Fatal("the whole policy does not allow")
	}
	for name := range parts {
		for _, g := range garbage {
			if name == "Condition" && g == `{}` {
				continue // no condition
			}
			if text := build(name, g); allowed(text) {
				t.Errorf("%s allows", text)
			}
		}
	}
}
