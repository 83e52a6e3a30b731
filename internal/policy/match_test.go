package policy

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

// compileWild compiles * and ?.
func compileWild(tb testing.TB, s string, w wildcards) pattern {
	tb.Helper()
	pieces, problem := parsePieces(s, w, false)
	if problem != "" {
		tb.Fatalf("parsePieces(%q): %s", s, problem)
	}
	return newPattern(pieces)
}

func TestPattern(t *testing.T) {
	for _, tt := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true},
		{"", "a", false},
		{"*", "", true},
		{"*", "a/b:c", true},
		{"**", "", true},
		{"a*", "a", true},
		{"a*", "b", false},
		{"*a", "bca", true},
		{"*a", "bcab", false},
		{"a*b*c", "aXbYc", true},
		{"a*b*c", "aXcYb", false},
		{"a*ab", "aab", true},
		{"a*ab", "ab", false},
		{"?", "", false},
		{"?", "a", true},
		{"?", "ab", false},
		{"?", "\u00e9", true},
		{"??", "\u00e9", false},
		{"*??", "\u20ac", false},
		{"*?", "\u20ac", true},
		{"a?c", "a\u20acc", true},
		{"a?*", "a", false},
		{"a*?", "ab", true},
		{"\u00e9*", "\u00e9t\u00e9", true},
		{"[a]", "a", false},
		{"[a]", "[a]", true},
		{"a.c", "abc", false},
		{`a\*`, `a\b`, true},
	} {
		p := compileWild(t, tt.pattern, wild)
		if got := p.match(nil, tt.text); got != tt.want {
			t.Errorf("%q on %q = %v; want %v", tt.pattern, tt.text, got, tt.want)
		}
	}
}

// In a Resource, a * that ends its part runs on over colons; other wildcards before
// the resource part stop at them.
func TestResourcePattern(t *testing.T) {
	const page = "IAM/reference_policies_elements_resource"
	for _, tt := range []struct {
		pattern, resource string
		want              bool
	}{
		{"arn:aws:s3:::tour/*", "arn:aws:s3:::tour/a/b:c", true},
		{"arn:aws:s3:::tour/*/test/*", "arn:aws:s3:::tour/1/2/test/3/o.jpg", true},
		{"arn:aws:s3:::tour/a*z", "arn:aws:s3:::tour/a/b:z", true},
		{"arn:aws:s3:::tour/a?z", "arn:aws:s3:::tour/a:z", true},
		{"arn:aws:s3:::tour/???", "arn:aws:s3:::tour/abc", true},
		{"arn:aws:s3:::tour/???", "arn:aws:s3:::tour/ab", false},
		{"arn:aws:s3:::tour*", "arn:aws:s3:::tour2", true},
		{"arn:aws:sqs:us-*-1:111122223333:q", "arn:aws:sqs:us-east-1:111122223333:q", true},
		{"arn:aws:sqs:us-*-1:111122223333:q", "arn:aws:sqs:us-west-2:111122223333:x-1:111122223333:q", false},
		{"arn:aws:sqs:us-east-?:111122223333:q", "arn:aws:sqs:us-east-1:111122223333:q", true},
		{"arn:aws:sqs:us-east-?:111122223333:q", "arn:aws:sqs:us-east-::111122223333:q", false},
		{"arn:aws:sqs:*:111122223333:q", "arn:aws:sqs:us-east-1:111122223333:q", true},
		{"arn:aws:dynamodb:*:table/prod-*", "arn:aws:dynamodb:us-east-1:111122223333:table/prod-x", true},
		{"arn:aws:dynamodb:*:table/prod-*", "arn:aws:dynamodb:us-east-1:111122223333:table/dev-x", false},
		{"arn:*:s3:::tour", "arn:aws:s3:::tour", true},
		{"*", "*", true},
		{"arn:aws:s3:::*", "*", false},
	} {
		p, problem := compileResource(tt.pattern, true)
		if problem != "" {
			t.Errorf("compileResource(%q): %s", tt.pattern, problem)
			continue
		}
		if got := p.match(nil, tt.resource); got != tt.want {
			t.Errorf("%q on %q = %v; want %v (%s)", tt.pattern, tt.resource, got, tt.want, page)
		}
	}
}

func TestActionPattern(t *testing.T) {
	for _, tt := range []struct {
		pattern, action string
		want            bool
	}{
		{"s3:GetObject", "S3:getobject", true},
		{"s3:GetObject", "s3:GetObjectAcl", false},
		{"s3:Get*", "s3:GetObjectAcl", true},
		{"s3:*Object", "s3:GetObject", true},
		{"s3:*Object", "s3:GetObjectAcl", false},
		{"s3:?etObject", "s3:GetObject", true},
		{"s3:*", "s3:PutObject", true},
		{"s3:*", "s3express:CreateSession", false},
		{"*", "kms:Decrypt", true},
		{"*:*", "kms:Decrypt", true},
	} {
		in := Input{Principal: ann, Action: tt.action, Resource: "*", Identity: list(t, KindIdentity, says(Allow, tt.pattern, "*"))}
		if got := Evaluate(&in).Allowed; got != tt.want {
			t.Errorf("Action %q on %q = %v; want %v", tt.pattern, tt.action, got, tt.want)
		}
		in.Identity = list(t, KindIdentity, `{"Effect":"Allow","NotAction":"`+tt.pattern+`","Resource":"*"}`)
		if got := Evaluate(&in).Allowed; got == tt.want {
			t.Errorf("NotAction %q on %q = %v; want %v", tt.pattern, tt.action, got, !tt.want)
		}
	}
}

// No pattern makes matching slow: every star is retried once at most.
func TestPatternIsLinear(t *testing.T) {
	start := time.Now()
	for _, p := range []string{strings.Repeat("a*", 500) + "b", strings.Repeat("*a", 500) + "b", strings.Repeat("*?", 500) + "b"} {
		w := compileWild(t, p, wild)
		if text := strings.Repeat("a", 5000); w.match(nil, text) {
			t.Errorf("%.10s... matches", p)
		}
	}
	p := compileWild(t, "arn:aws:s3:"+strings.Repeat("a*", 100)+"b::x", wildARN)
	if p.match(nil, "arn:aws:s3:"+strings.Repeat("a", 5000)+"::x") {
		t.Error("pattern that stops at colons matches")
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
}

// FuzzGlob compares both matchers with a regular expression.
func FuzzGlob(f *testing.F) {
	for _, s := range [][2]string{{"a*b", "aab"}, {"*?", "é"}, {"arn:*:x", "arn:aws:x"}, {"??*", "€"}, {"a*?b*", "a€b"}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if len(pattern) > 50 || len(s) > 200 || hasWildcardByte(pattern) || strings.ToValidUTF8(pattern, "") != pattern || strings.ToValidUTF8(s, "") != s {
			return
		}
		expression := regexp.QuoteMeta(pattern)
		expression = strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(expression)
		want := regexp.MustCompile(`(?s)\A` + expression + `\z`).MatchString(s)
		p := compileWild(t, pattern, wild)
		if got := p.match(nil, s); got != want {
			t.Errorf("%q on %q = %v; want %v", pattern, s, got, want)
		}
		pieces, _ := parsePieces(pattern, wild, false)
		if got := globParts(pieces[0].text, s); got != want {
			t.Errorf("parts: %q on %q = %v; want %v", pattern, s, got, want)
		}
	})
}
