package policy

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	const text = `{
  "Version": "2012-10-17",
  "Id": "P",
  "Statement": [
    {
      "Sid": "One two",
      "Effect": "Deny",
      "NotPrincipal": {"AWS": ["111122223333", "*"], "Service": "s3.amazonaws.com", "CanonicalUser": "` + canonical + `"},
      "NotAction": ["s3:Get*", "kms:Decrypt"],
      "NotResource": "arn:aws:s3:::tour/*",
      "Condition": {"ForAnyValue:StringNotLikeIfExists": {"aws:TagKeys": ["a", "b*"]}, "Bool": {"aws:SecureTransport": false}}
    },
    {"Effect": "Allow", "Principal": {"Federated": "cognito-identity.amazonaws.com"}, "Action": "*", "Resource": ["*"]}
  ]
}`
	p := mustParse(t, KindBucket, text)
	if p.Kind != KindBucket || p.Version != "2012-10-17" || p.ID != "P" || p.Unknown != "" || p.Text() != text || len(p.Statements) != 2 {
		t.Fatalf("policy %+v", p)
	}
	s := p.Statements[0]
	if s.Sid != "One two" || s.Effect != Deny || !s.NotPrinc || !s.NotAction || !s.NotRes || s.Line != 5 || s.Column != 5 {
		t.Errorf("statement %+v", s)
	}
	pr := s.Principal
	if !pr.Any || !slices.Equal(pr.AWS, []string{"111122223333"}) || !slices.Equal(pr.Service, []string{"s3.amazonaws.com"}) || !slices.Equal(pr.Canonical, []string{canonical}) {
		t.Errorf("principals %+v", pr)
	}
	if !slices.Equal(s.Actions, []string{"s3:Get*", "kms:Decrypt"}) || !slices.Equal(s.Resources, []string{"arn:aws:s3:::tour/*"}) {
		t.Errorf("actions %q, resources %q", s.Actions, s.Resources)
	}
	c := s.Conditions
	if len(c) != 2 || c[0].Operator != "StringNotLike" || c[0].Set != "ForAnyValue" || !c[0].IfExists || c[0].Key != "aws:TagKeys" || !slices.Equal(c[0].Values, []string{"a", "b*"}) {
		t.Errorf("conditions %+v", c)
	}
	if c[1].Operator != "Bool" || c[1].Set != "" || c[1].IfExists || !slices.Equal(c[1].Values, []string{"false"}) {
		t.Errorf("conditions %+v", c)
	}
	if s := p.Statements[1]; !slices.Equal(s.Principal.Federated, []string{"cognito-identity.amazonaws.com"}) || s.Principal.Any {
		t.Errorf("principals %+v", s.Principal)
	}
}

const canonical = "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"

func TestParseDefaults(t *testing.T) {
	p := mustParse(t, KindIdentity, `{"Statement":`+says(Allow, "s3:*", "*")+`}`)
	if p.Version != "2008-10-17" || len(p.Statements) != 1 || p.Statements[0].Principal != nil {
		t.Errorf("policy %+v", p)
	}
}

// Each text is refused when it is put. When it is loaded, what it says is unknown,
// or clear and only not proper.
func TestParseRefuses(t *testing.T) {
	const give = `"Effect":"Allow","Action":"s3:GetObject","Resource":"*"`
	everyone := `{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"*"}`
	bucket := func(members string) string { return doc(`{` + members + `,"Principal":"*"}`) }
	for _, tt := range []struct {
		name    string
		kind    Kind
		text    string
		unknown bool // Load marks it
	}{
		{"no Statement", KindIdentity, `{"Version":"2012-10-17"}`, true},
		{"empty Statement", KindIdentity, `{"Version":"2012-10-17","Statement":[]}`, false},
		{"Statement is a string", KindIdentity, `{"Statement":"x"}`, true},
		{"statement is a string", KindIdentity, `{"Statement":["x"]}`, true},
		{"Version unknown", KindIdentity, `{"Version":"2024-01-01","Statement":{` + give + `}}`, true},
		{"Version a number", KindIdentity, `{"Version":2012,"Statement":{` + give + `}}`, true},
		{"Id in an identity policy", KindIdentity, `{"Id":"x","Statement":{` + give + `}}`, false},
		{"Id a number", KindBucket, `{"Id":1,"Statement":` + everyone + `}`, true},
		{"unknown element", KindIdentity, `{"Statement":{` + give + `},"Extra":1}`, true},
		{"unknown element of a statement", KindIdentity, doc(`{` + give + `,"Extra":1}`), true},
		{"element in lower case", KindIdentity, doc(`{"effect":"Allow",` + give + `}`), true},
		{"duplicate element", KindIdentity, `{"Version":"2012-10-17","Version":"2012-10-17","Statement":{` + give + `}}`, true},
		{"duplicate element of a statement", KindIdentity, doc(`{` + give + `,"Effect":"Allow"}`), true},
		{"duplicate operator", KindIdentity, doc(`{` + give + `,"Condition":{"Bool":{"aws:a":"true"},"Bool":{"aws:b":"true"}}}`), true},
		{"duplicate key", KindIdentity, doc(`{` + give + `,"Condition":{"Bool":{"aws:a":"true","aws:a":"false"}}}`), true},
		{"duplicate kind of principal", KindBucket, doc(`{` + give + `,"Principal":{"AWS":"111122223333","AWS":"444455556666"}}`), true},

		{"no Effect", KindIdentity, doc(`{"Action":"s3:GetObject","Resource":"*"}`), true},
		{"Effect in lower case", KindIdentity, doc(`{"Effect":"allow","Action":"s3:GetObject","Resource":"*"}`), true},
		{"no Action", KindIdentity, doc(`{"Effect":"Allow","Resource":"*"}`), true},
		{"Action and NotAction", KindIdentity, doc(`{` + give + `,"NotAction":"s3:PutObject"}`), true},
		{"empty Action", KindIdentity, doc(`{"Effect":"Allow","Action":[],"Resource":"*"}`), true},
		{"Action a number", KindIdentity, doc(`{"Effect":"Allow","Action":1,"Resource":"*"}`), true},
		{"Action without service", KindIdentity, doc(says(Allow, "GetObject", "*")), true},
		{"Action with a wildcard in its service", KindIdentity, doc(says(Allow, "s*:GetObject", "*")), true},
		{"Action with a blank", KindIdentity, doc(says(Allow, "s3:Get Object", "*")), true},
		{"Action with two colons", KindIdentity, doc(says(Allow, "s3:Get:Object", "*")), true},
		{"Action with an empty name", KindIdentity, doc(says(Allow, "s3:", "*")), true},
		{"no Resource", KindIdentity, doc(`{"Effect":"Allow","Action":"s3:GetObject"}`), true},
		{"no Resource in a bucket policy", KindBucket, doc(`{"Effect":"Allow","Action":"s3:GetObject","Principal":"*"}`), true},
		{"no Resource in a key policy", KindKey, doc(`{"Effect":"Allow","Action":"kms:*","Principal":"*"}`), true},
		{"Resource and NotResource", KindIdentity, doc(`{` + give + `,"NotResource":"*"}`), true},
		{"Resource is no ARN", KindIdentity, doc(says(Allow, "s3:GetObject", "tour/*")), true},
		{"Resource of five parts", KindIdentity, doc(says(Allow, "s3:GetObject", "arn:aws:s3::tour")), true},
		{"Resource without resource", KindIdentity, doc(says(Allow, "s3:GetObject", "arn:aws:s3:::")), true},
		{"Resource with a wildcard in its service", KindIdentity, doc(says(Allow, "s3:GetObject", "arn:aws:s*:::tour")), true},
		{"Resource with a variable too early", KindIdentity, doc(says(Allow, "s3:GetObject", "arn:aws:sqs:us-east-1:${aws:PrincipalAccount}:q")), true},
		{"Resource with an open variable", KindIdentity, doc(says(Allow, "s3:GetObject", "arn:aws:s3:::tour/${aws:username")), true},
		{"variable without key", KindIdentity, doc(says(Allow, "s3:GetObject", "arn:aws:s3:::tour/${}")), true},
		{"variable with an open default", KindIdentity, doc(says(Allow, "s3:GetObject", "arn:aws:s3:::tour/${aws:username, 'x}")), true},
		{"variable with a default without quotes", KindIdentity, doc(says(Allow, "s3:GetObject", "arn:aws:s3:::tour/${aws:username, x}")), true},

		{"Sid with a blank", KindIdentity, doc(`{` + give + `,"Sid":"a b"}`), false},
		{"Sid twice", KindIdentity, doc(`{` + give + `,"Sid":"a"},{` + give + `,"Sid":"a"}`), false},
		{"Sid a number", KindIdentity, doc(`{` + give + `,"Sid":1}`), true},

		{"Principal in an identity policy", KindIdentity, doc(everyone), true},
		{"Principal in a boundary", KindBoundary, doc(everyone), true},
		{"Principal in a session policy", KindSession, doc(everyone), true},
		{"Principal in an SCP", KindSCP, doc(everyone), true},
		{"no Principal in a bucket policy", KindBucket, doc(`{` + give + `}`), true},
		{"no Principal in a trust policy", KindTrust, doc(`{"Effect":"Allow","Action":"sts:AssumeRole"}`), true},
		{"Principal a string", KindBucket, doc(`{` + give + `,"Principal":"111122223333"}`), true},
		{"Principal empty", KindBucket, doc(`{` + give + `,"Principal":{}}`), true},
		{"Principal with an empty list", KindBucket, doc(`{` + give + `,"Principal":{"AWS":[]}}`), true},
		{"Principal of an unknown kind", KindBucket, doc(`{` + give + `,"Principal":{"Group":"x"}}`), true},
		{"Principal a group", KindBucket, doc(`{` + give + `,"Principal":{"AWS":"arn:aws:iam::111122223333:group/g"}}`), true},
		{"Principal with a wildcard", KindBucket, doc(`{` + give + `,"Principal":{"AWS":"arn:aws:iam::111122223333:user/*"}}`), true},
		{"Principal with eleven digits", KindBucket, doc(`{` + give + `,"Principal":{"AWS":"11112222333"}}`), true},
		{"Principal a session without name", KindBucket, doc(`{` + give + `,"Principal":{"AWS":"arn:aws:sts::111122223333:assumed-role/app"}}`), true},
		{"Service with a wildcard", KindBucket, doc(`{` + give + `,"Principal":{"Service":"*"}}`), true},
		{"Federated with a wildcard", KindTrust, doc(`{"Effect":"Allow","Action":"sts:AssumeRoleWithWebIdentity","Principal":{"Federated":"*"}}`), true},
		{"CanonicalUser too short", KindBucket, doc(`{` + give + `,"Principal":{"CanonicalUser":"abc"}}`), true},
		{"CanonicalUser in a key policy", KindKey, doc(`{"Effect":"Allow","Action":"kms:*","Resource":"*","Principal":{"CanonicalUser":"` + canonical + `"}}`), true},

		{"Resource in a trust policy", KindTrust, doc(`{"Effect":"Allow","Action":"sts:AssumeRole","Principal":"*","Resource":"*"}`), true},
		{"NotAction in a trust policy", KindTrust, doc(`{"Effect":"Allow","NotAction":"sts:AssumeRole","Principal":"*"}`), true},
		{"another service in a trust policy", KindTrust, doc(`{"Effect":"Allow","Action":"s3:GetObject","Principal":"*"}`), false},
		{"every action in a trust policy", KindTrust, doc(`{"Effect":"Allow","Action":"*","Principal":"*"}`), false},
		{"another action of STS in a trust policy", KindTrust, doc(`{"Effect":"Allow","Action":"sts:GetFederationToken","Principal":"*"}`), false},

		{"SCP without Version", KindSCP, `{"Statement":{` + give + `}}`, false},
		{"RCP of the old version", KindRCP, `{"Version":"2008-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*"}}`, false},
		{"SCP with an Id", KindSCP, `{"Version":"2012-10-17","Id":"x","Statement":{` + give + `}}`, false},

		{"Condition a list", KindBucket, bucket(give + `,"Condition":[]`), true},
		{"unknown operator", KindBucket, bucket(give + `,"Condition":{"StringMatches":{"aws:a":"b"}}`), true},
		{"unknown operator without keys", KindBucket, bucket(give + `,"Condition":{"StringMatches":{}}`), true},
		{"operator in lower case", KindBucket, bucket(give + `,"Condition":{"stringequals":{"aws:a":"b"}}`), true},
		{"unknown set operator", KindBucket, bucket(give + `,"Condition":{"ForSomeValues:StringEquals":{"aws:a":"b"}}`), true},
		{"operator a list", KindBucket, bucket(give + `,"Condition":{"StringEquals":[]}`), true},
		{"key without prefix", KindBucket, bucket(give + `,"Condition":{"StringEquals":{"prefix":"b"}}`), true},
		{"no values", KindBucket, bucket(give + `,"Condition":{"StringEquals":{"aws:a":[]}}`), true},
		{"value null", KindBucket, bucket(give + `,"Condition":{"StringEquals":{"aws:a":null}}`), true},
		{"value an object", KindBucket, bucket(give + `,"Condition":{"StringEquals":{"aws:a":{}}}`), true},
		{"NullIfExists", KindBucket, bucket(give + `,"Condition":{"NullIfExists":{"aws:a":"true"}}`), true},
		{"ForAnyValue:Null", KindBucket, bucket(give + `,"Condition":{"ForAnyValue:Null":{"aws:a":"true"}}`), true},
		{"not a number", KindBucket, bucket(give + `,"Condition":{"NumericEquals":{"aws:a":"ten"}}`), true},
		{"an exponent", KindBucket, bucket(give + `,"Condition":{"NumericEquals":{"aws:a":1e3}}`), true},
		{"not a date", KindBucket, bucket(give + `,"Condition":{"DateEquals":{"aws:a":"21.11.2026"}}`), true},
		{"a date without zone", KindBucket, bucket(give + `,"Condition":{"DateEquals":{"aws:a":"2026-11-21T10:00:00"}}`), true},
		{"not a boolean", KindBucket, bucket(give + `,"Condition":{"Bool":{"aws:a":"yes"}}`), true},
		{"a variable as boolean", KindBucket, bucket(give + `,"Condition":{"Bool":{"aws:a":"${aws:b}"}}`), true},
		{"not base64", KindBucket, bucket(give + `,"Condition":{"BinaryEquals":{"aws:a":"?"}}`), true},
		{"not an address", KindBucket, bucket(give + `,"Condition":{"IpAddress":{"aws:a":"192.0.2"}}`), true},
		{"a prefix too long", KindBucket, bucket(give + `,"Condition":{"IpAddress":{"aws:a":"192.0.2.0/33"}}`), true},
		{"not an ARN", KindBucket, bucket(give + `,"Condition":{"ArnLike":{"aws:a":"tour"}}`), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse(tt.text, tt.kind)
			var bad *SyntaxError
			if !errors.As(err, &bad) || bad.Line != 1 || bad.Column < 1 || bad.Message == "" {
				t.Errorf("Parse(%s) = %v; want a syntax error", tt.text, err)
			}
			p := mustLoad(t, tt.kind, tt.text)
			unknown := p.Unknown != "" || slices.ContainsFunc(p.Statements, func(s Statement) bool { return s.Unknown != "" })
			if unknown != tt.unknown {
				t.Errorf("Load(%s): unknown %q, %+v; want %v", tt.text, p.Unknown, p.Statements, tt.unknown)
			}
		})
	}
}

func TestParseTakes(t *testing.T) {
	for _, tt := range []struct {
		name string
		kind Kind
		text string
	}{
		{"one statement as an object", KindIdentity, `{"Version":"2012-10-17","Statement":` + says(Allow, "s3:*", "*") + `}`},
		{"wildcards in an action", KindIdentity, doc(says(Allow, "s3:*Object?cl*", "*"))},
		{"service in upper case", KindIdentity, doc(says(Allow, "S3:GetObject", "*"))},
		{"empty Sid", KindIdentity, doc(says(Allow, "s3:*", "*", `"Sid":""`) + "," + says(Allow, "s3:*", "*", `"Sid":""`))},
		{"Sid with a blank in a key policy", KindKey, doc(says(Allow, "kms:*", "*", to(accountA), `"Sid":"Enable IAM User Permissions"`))},
		{"role session", KindBucket, doc(says(Allow, "s3:*", "*", to(app.ARN)))},
		{"federated user", KindBucket, doc(says(Allow, "s3:*", "*", to(guest.ARN)))},
		{"role with a path", KindBucket, doc(says(Allow, "s3:*", "*", to("arn:aws:iam::111122223333:role/a/b/app")))},
		{"unique ID", KindTrust, doc(says(Allow, "sts:AssumeRole", "", to(app.ID)))},
		{"other partition", KindBucket, doc(says(Allow, "s3:*", "*", to("arn:aws-cn:iam::111122223333:root")))},
		{"trust with a wildcard", KindTrust, doc(says(Allow, "sts:AssumeRole*", "", to(accountA)))},
		{"trust with sts:*", KindTrust, doc(says(Allow, "sts:*", "", to(accountA)))},
		{"SAML", KindTrust, doc(says(Allow, "sts:AssumeRoleWithSAML", "", `"Principal":{"Federated":"arn:aws:iam::111122223333:saml-provider/Example"}`))},
		{"SCP with all that is allowed now", KindSCP, doc(`{"Effect":"Allow","NotAction":"iam:*","NotResource":"arn:aws:s3:::tour","Condition":{"Bool":{"aws:SecureTransport":"true"}}}`)},
		{"endpoint", KindEndpoint, doc(says(Allow, "*", "*", toAll))},
		{"Resource that runs on", KindIdentity, doc(says(Allow, "dynamodb:*", "arn:aws:dynamodb:*:table/prod-*"))},
		{"variables as text before 2012", KindIdentity, `{"Statement":` + says(Allow, "s3:*", "arn:aws:s3:::tour/${") + `}`},
		{"escapes", KindIdentity, doc(says(Allow, "s3:*", "*", `"Condition":{"StringEquals":{"aws:a":"\u00e9\ud83d\ude00\n\"\\\/"}}`))},
	} {
		if _, err := Parse(tt.text, tt.kind); err != nil {
			t.Errorf("%s: Parse(%s): %v", tt.name, tt.text, err)
		}
	}
}

func TestSyntaxErrorPosition(t *testing.T) {
	for _, tt := range []struct {
		text         string
		line, column int
	}{
		{"", 1, 1},
		{"{", 1, 2},
		{"{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [\n    {\"Effect\": \"Allow\", \"Action\": \"x\", \"Resource\": \"*\"}]}", 4, 35},
		{"{\"Stat\u00e9ment\" 1}", 1, 14},
		{"{\"Statement\":[]} x", 1, 18},
		{"{\"a\":1,\n\t\"a\":2}", 2, 2},
	} {
		_, err := Parse(tt.text, KindIdentity)
		var bad *SyntaxError
		if !errors.As(err, &bad) || bad.Line != tt.line || bad.Column != tt.column {
			t.Errorf("Parse(%q) = %v; want line %d, column %d", tt.text, err, tt.line, tt.column)
		}
	}
}

func TestReadJSONRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"empty":                    "",
		"blank":                    " \n",
		"byte order mark":          "\uFEFF{}",
		"invalid UTF-8":            "{\"a\":\"\xff\"}",
		"overlong UTF-8":           "{\"a\":\"\xc0\xaf\"}",
		"UTF-8 surrogate":          "{\"a\":\"\xed\xa0\x80\"}",
		"half of a surrogate pair": `{"a":"\ud800"}`,
		"surrogates in disorder":   `{"a":"\udc00\ud800"}`,
		"unknown escape":           `{"a":"\x"}`,
		"short escape":             `{"a":"\u12"}`,
		"sign in an escape":        `{"a":"\u+123"}`,
		"control character":        "{\"a\":\"\n\"}",
		"NUL":                      "{\"a\":\"\x00\"}",
		"text behind":              `{} {}`,
		"comma behind":             `{"a":1,}`,
		"comma in a list":          `[1,]`,
		"no comma":                 `[1 2]`,
		"no colon":                 `{"a" 1}`,
		"name without quotes":      `{a:1}`,
		"single quotes":            `{'a':1}`,
		"comment":                  `{/**/}`,
		"leading zero":             `01`,
		"plus":                     `+1`,
		"no digits":                `-`,
		"no fraction":              `1.`,
		"no exponent":              `1e`,
		"NaN":                      `NaN`,
		"half a word":              `tru`,
		"word in capitals":         `True`,
		"open string":              `"a`,
		"open list":                `[1`,
		"open object":              `{"a":1`,
		"deep":                     strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1),
		"many":                     "[" + strings.Repeat("1,", maxNodes) + "1]",
	} {
		if n, err := readJSON(text); err == nil {
			t.Errorf("%s: readJSON = %+v; want an error", name, n)
		}
	}
	for _, text := range []string{`{}`, ` [ ] `, `"a"`, `-0.5e+10`, `0`, `true`, `false`, `null`, `{"a":{"b":[1,"x",null]}}`} {
		if _, err := readJSON(text); err != nil {
			t.Errorf("readJSON(%s): %v", text, err)
		}
	}
}

// What is not JSON at all is an error of Load, too.
func TestLoadError(t *testing.T) {
	for _, text := range []string{"", "x", "[]", `"a"`, "{", strings.Repeat(" ", maxText) + "{}"} {
		if p, err := Load(text, KindBucket); err == nil {
			t.Errorf("Load(%.10q) = %+v; want an error", text, p)
		}
	}
	if _, err := Load("{}"+strings.Repeat(" ", maxText), KindBucket); !errors.Is(err, ErrTooLong) {
		t.Errorf("Load of a long text: %v; want ErrTooLong", err)
	}
}

// An operator that is not known, and whatever else is not, makes a Deny apply and
// an Allow not.
func TestUnknownFailsClosed(t *testing.T) {
	for name, text := range map[string]string{
		"operator":           `{"Version":"2012-10-17","Statement":{"Effect":%,"Action":"s3:PutObject","Resource":"*","Condition":{"StringMatches":{"aws:a":"b"}}}}`,
		"element":            `{"Version":"2012-10-17","Statement":{"Effect":%,"Action":"s3:GetObject","Resource":"*","When":"now"}}`,
		"value":              `{"Version":"2012-10-17","Statement":{"Effect":%,"Action":"s3:GetObject","Resource":"*","Condition":{"NumericEquals":{"aws:a":"b"}}}}`,
		"version":            `{"Version":"2099-01-01","Statement":{"Effect":%,"Action":"s3:GetObject","Resource":"*"}}`,
		"element of all":     `{"Version":"2012-10-17","Statement":{"Effect":%,"Action":"s3:GetObject","Resource":"*"},"Extra":{}}`,
		"duplicate":          `{"Version":"2012-10-17","Statement":{"Effect":%,"Action":"s3:GetObject","Action":"s3:GetObject","Resource":"*"}}`,
		"duplicate key":      `{"Version":"2012-10-17","Statement":{"Effect":%,"Action":"s3:GetObject","Resource":"*","Condition":{"Bool":{"aws:a":"true","aws:a":"true"}}}}`,
		"duplicate Version":  `{"Version":"2012-10-17","Version":"2008-10-17","Statement":{"Effect":%,"Action":"s3:GetObject","Resource":"*"}}`,
		"principal":          `{"Version":"2012-10-17","Statement":{"Effect":%,"Principal":"*","Action":"s3:GetObject","Resource":"*"}}`,
		"one of the actions": `{"Version":"2012-10-17","Statement":{"Effect":%,"Action":["s3:GetObject","?"],"Resource":"*"}}`,
	} {
		for _, effect := range []Effect{Allow, Deny} {
			p := mustLoad(t, KindIdentity, strings.Replace(text, "%", `"`+string(effect)+`"`, 1))
			in := Input{Principal: ann, Action: "s3:GetObject", Resource: objectARN, Identity: []Named{{Policy: p}}}
			d := Evaluate(&in)
			if d.Allowed || d.Explicit != (effect == Deny) {
				t.Errorf("%s, %s: %+v", name, effect, d)
			}
			in.Identity = append(in.Identity, list(t, KindIdentity, says(Allow, "*", "*"))...)
			if d := Evaluate(&in); d.Allowed != (effect == Allow) {
				t.Errorf("%s, %s, beside an Allow: %+v", name, effect, d)
			}
		}
	}
	for name, text := range map[string]string{
		"no Statement":        `{"Version":"2012-10-17"}`,
		"Statement a string":  `{"Statement":"x"}`,
		"a statement a list":  `{"Statement":[[]]}`,
		"no Effect":           `{"Statement":{"Action":"s3:PutObject","Resource":"*"}}`,
		"two Effects":         `{"Statement":{"Effect":"Allow","Effect":"Deny","Action":"s3:PutObject","Resource":"*"}}`,
		"two Statements":      `{"Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"},"Statement":{"Effect":"Deny","Action":"s3:PutObject","Resource":"*"}}`,
		"Effect not in words": `{"Statement":{"Effect":"Refuse","Action":"s3:PutObject","Resource":"*"}}`,
	} {
		p := mustLoad(t, KindIdentity, text)
		in := Input{Principal: rootA, Action: "s3:GetObject", Resource: objectARN, SCPs: [][]Named{{{Policy: FullAWSAccess(KindSCP)}, {Policy: p}}}}
		if d := Evaluate(&in); d.Allowed || !d.Explicit {
			t.Errorf("%s: %+v; want an explicit denial", name, d)
		}
	}
}

// A Deny for a canonical user whose account can't be told applies.
func TestCanonicalUser(t *testing.T) {
	element := `"Principal":{"CanonicalUser":"` + canonical + `"}`
	known := ann
	known.Canonical = canonical
	stranger := ann
	stranger.Canonical = strings.Repeat("0", 64)
	iam := list(t, KindIdentity, says(Allow, "s3:*", "*"))
	checkRules(t, "S3/s3-bucket-user-policy-specifying-principal-intro",
		Input{Principal: known, Action: "s3:GetObject", Resource: objectARN, Account: accountB, Identity: iam,
			ResourcePolicy: named(t, KindBucket, says(Allow, "s3:GetObject", "*", element))}, []ruleCase{
			{name: "allows", allowed: true, layer: LayerResource},
			{name: "another", layer: LayerResource, change: func(in *Input) { in.Principal = stranger }},
			{name: "not known", layer: LayerResource, change: func(in *Input) { in.Principal = ann }},
			{name: "denies", layer: LayerResource, explicit: true, change: func(in *Input) {
				in.ResourcePolicy = named(t, KindBucket, says(Deny, "s3:GetObject", "*", element))
			}},
			{name: "denies who is not known", layer: LayerResource, explicit: true, change: func(in *Input) {
				in.Principal, in.ResourcePolicy = ann, named(t, KindBucket, says(Deny, "s3:GetObject", "*", element))
			}},
			{name: "does not deny another", allowed: true, layer: LayerIdentity, change: func(in *Input) {
				in.Account = accountA
				in.Principal, in.ResourcePolicy = stranger, named(t, KindBucket, says(Deny, "s3:GetObject", "*", element))
			}},
		})
}

func TestSizes(t *testing.T) {
	for _, tt := range []struct {
		text string
		want int
	}{
		{"", 0}, {" \t\r\n", 0}, {`{"a b": "\" "}`, 13}, {"\u00e9", 1},
	} {
		if got := Size(tt.text); got != tt.want {
			t.Errorf("Size(%q) = %d; want %d", tt.text, got, tt.want)
		}
	}
	for kind := KindIdentity; kind <= KindResource; kind++ {
		statement := says(Allow, "s3:*", "*")
		switch {
		case kind == KindTrust:
			statement = says(Allow, "sts:AssumeRole", "", toAll)
		case kind == KindRCP:
			statement = says(Deny, "s3:*", "*", toAll)
		case kind.hasPrincipal():
			statement = says(Allow, "s3:*", "*", toAll)
		}
		const sid = `"Sid":"%",`
		text := doc("{" + sid + statement[1:])
		fill := MaxSize(kind) - len(text) + 1
		fits := strings.Replace(text, "%", strings.Repeat("a", fill), 1)
		if _, err := Parse(fits, kind); err != nil {
			t.Errorf("kind %d: Parse of %d characters: %v", kind, len(fits), err)
		}
		long := strings.Replace(text, "%", strings.Repeat("a", fill+1), 1)
		if _, err := Parse(long, kind); !errors.Is(err, ErrTooLong) {
			t.Errorf("kind %d: Parse of %d characters: %v; want ErrTooLong", kind, len(long), err)
		}
		_, err := Parse("  "+fits, kind)
		if counts := kind != KindIdentity && kind != KindBoundary && kind != KindTrust; errors.Is(err, ErrTooLong) != counts {
			t.Errorf("kind %d: Parse with white space: %v; white space counts: %v", kind, err, counts)
		}
		if _, err := Load(long, kind); err != nil {
			t.Errorf("kind %d: Load of %d characters: %v", kind, len(long), err)
		}
	}
	if _, err := Parse(strings.Repeat(" ", maxText)+"{}", KindIdentity); !errors.Is(err, ErrTooLong) {
		t.Errorf("Parse of much white space: %v; want ErrTooLong", err)
	}
}
