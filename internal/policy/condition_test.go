package policy

import (
	"fmt"
	"strings"
	"testing"
)

// holds evaluates one condition element on a request with the given keys.
func holds(tb testing.TB, condition string, keys MapContext) bool {
	tb.Helper()
	in := Input{
		Principal: ann, Action: "s3:GetObject", Resource: objectARN, Context: keys,
		Identity: list(tb, KindIdentity, says(Allow, "s3:GetObject", "*", condition)),
	}
	return Evaluate(&in).Allowed
}

const operatorsPage = "IAM/reference_policies_elements_condition_operators"

// A key that is missing: positive operators are false, negated ones true, IfExists
// true, ForAllValues true, ForAnyValue false. This is for every operator there is.
func TestRule30MissingKey(t *testing.T) {
	for name, op := range operators {
		if op.operand == operandNull {
			continue
		}
		value := map[operand]string{
			operandString: "a", operandFold: "a", operandLike: "a", operandNumber: "1", operandDate: "2026-11-21T00:00:00Z",
			operandBool: "true", operandBinary: "QQ==", operandIP: "192.0.2.0/24", operandARN: "arn:aws:s3:::tour",
		}[op.operand]
		negated := strings.Contains(name, "Not")
		if negated != op.negated {
			t.Errorf("%s: negated %v", name, op.negated)
		}
		for _, tt := range []struct {
			operator string
			want     bool
		}{
			{name, negated},
			{name + "IfExists", true},
			{"ForAllValues:" + name, true},
			{"ForAllValues:" + name + "IfExists", true},
			{"ForAnyValue:" + name, false},
			{"ForAnyValue:" + name + "IfExists", true},
		} {
			for _, keys := range []MapContext{nil, {}, {"aws:other": {"a"}}, {"aws:key": {}}} {
				if got := holds(t, when(tt.operator, "aws:Key", value), keys); got != tt.want {
					t.Errorf("%s on %v = %v; want %v (%s)", tt.operator, keys, got, tt.want, operatorsPage)
				}
			}
		}
	}
}

func TestRule30Null(t *testing.T) {
	for _, tt := range []struct {
		value string
		keys  MapContext
		want  bool
	}{
		{"true", nil, true},
		{"false", nil, false},
		{"true", MapContext{"aws:key": {"a"}}, false},
		{"false", MapContext{"aws:key": {"a"}}, true},
		{"true", MapContext{"aws:key": {}}, true}, // there, and without a value
		{"FALSE", MapContext{"aws:key": {""}}, true},
	} {
		if got := holds(t, when("Null", "aws:Key", tt.value), tt.keys); got != tt.want {
			t.Errorf("Null %s on %v = %v; want %v (%s)", tt.value, tt.keys, got, tt.want, operatorsPage)
		}
	}
}

func TestRule31ValuesOrKeysAnd(t *testing.T) {
	const page = "IAM/reference_policies_condition-logic-multiple-context-keys-or-values"
	for _, tt := range []struct {
		name, condition string
		keys            MapContext
		want            bool
	}{
		{"one of the values", when("StringEquals", "aws:a", "x", "y"), MapContext{"aws:a": {"y"}}, true},
		{"none of the values", when("StringEquals", "aws:a", "x", "y"), MapContext{"aws:a": {"z"}}, false},
		{"negated: none", when("StringNotEquals", "aws:a", "x", "y"), MapContext{"aws:a": {"z"}}, true},
		{"negated: one", when("StringNotEquals", "aws:a", "x", "y"), MapContext{"aws:a": {"y"}}, false},
		{"both keys", `"Condition":{"StringEquals":{"aws:a":"x","aws:b":"y"}}`, MapContext{"aws:a": {"x"}, "aws:b": {"y"}}, true},
		{"one key", `"Condition":{"StringEquals":{"aws:a":"x","aws:b":"y"}}`, MapContext{"aws:a": {"x"}, "aws:b": {"z"}}, false},
		{"both operators", `"Condition":{"StringEquals":{"aws:a":"x"},"Bool":{"aws:b":"true"}}`, MapContext{"aws:a": {"x"}, "aws:b": {"true"}}, true},
		{"one operator", `"Condition":{"StringEquals":{"aws:a":"x"},"Bool":{"aws:b":"true"}}`, MapContext{"aws:a": {"x"}, "aws:b": {"false"}}, false},
		{"key names have no case", when("StringEquals", "AWS:SourceVPC", "vpc-1"), MapContext{"aws:sourcevpc": {"vpc-1"}}, true},
		{"tag keys have no case", when("StringEquals", "aws:RequestTag/Team", "a"), MapContext{"aws:requesttag/team": {"a"}}, true},
		{"values have case", when("StringEquals", "aws:a", "X"), MapContext{"aws:a": {"x"}}, false},
		{"context keys with colons", when("StringEquals", "kms:EncryptionContext:aws:s3:arn", "arn:aws:s3:::tour"),
			MapContext{"kms:encryptioncontext:aws:s3:arn": {"arn:aws:s3:::tour"}}, true},
		{"several values of the request, one matches", when("StringEquals", "aws:a", "x"), MapContext{"aws:a": {"w", "x"}}, true},
		{"several values of the request, negated", when("StringNotEquals", "aws:a", "x"), MapContext{"aws:a": {"w", "x"}}, false},
		{"numbers and booleans without quotes", `"Condition":{"NumericEquals":{"aws:n":10},"Bool":{"aws:b":true}}`, MapContext{"aws:n": {"10"}, "aws:b": {"true"}}, true},
		{"no condition in the element", `"Condition":{}`, nil, true},
		{"no key of an operator", `"Condition":{"StringEquals":{}}`, nil, true},
	} {
		if got := holds(t, tt.condition, tt.keys); got != tt.want {
			t.Errorf("%s: %v; want %v (%s)", tt.name, got, tt.want, page)
		}
	}
}

func TestRule32SetOperators(t *testing.T) {
	const page = "IAM/reference_policies_condition-single-vs-multi-valued-context-keys"
	for _, tt := range []struct {
		operator string
		actual   []string
		want     bool
	}{
		{"ForAllValues:StringEquals", []string{"a", "b"}, true},
		{"ForAllValues:StringEquals", []string{"a", "c"}, false},
		{"ForAllValues:StringEquals", []string{}, true},
		{"ForAnyValue:StringEquals", []string{"c", "a"}, true},
		{"ForAnyValue:StringEquals", []string{"c", "d"}, false},
		{"ForAnyValue:StringEquals", []string{}, false},
		// Negated: every value, or any value, that is none of the policy's.
		{"ForAllValues:StringNotEquals", []string{"c", "d"}, true},
		{"ForAllValues:StringNotEquals", []string{"c", "a"}, false},
		{"ForAllValues:StringNotEquals", []string{}, true},
		{"ForAnyValue:StringNotEquals", []string{"c", "a"}, true},
		{"ForAnyValue:StringNotEquals", []string{"a", "b"}, false},
		{"ForAnyValue:StringNotEquals", []string{}, false},
	} {
		if got := holds(t, when(tt.operator, "aws:TagKeys", "a", "b"), MapContext{"aws:tagkeys": tt.actual}); got != tt.want {
			t.Errorf("%s a, b on %q = %v; want %v (%s)", tt.operator, tt.actual, got, tt.want, page)
		}
	}
}

func TestOperators(t *testing.T) {
	for _, tt := range []struct {
		operator, want, actual string
		holds                  bool
	}{
		{"StringEquals", "Blue", "Blue", true},
		{"StringEquals", "Blue", "blue", false},
		{"StringEquals", "B*", "Blue", false},
		{"StringEquals", "B*", "B*", true},
		{"StringEquals", "", "", true},
		{"StringNotEquals", "Blue", "blue", true},
		{"StringEqualsIgnoreCase", "Blue", "BLUE", true},
		{"StringEqualsIgnoreCase", "Bl?e", "blue", false},
		{"StringNotEqualsIgnoreCase", "Blue", "BLUE", false},
		{"StringLike", "B*e", "Blue", true},
		{"StringLike", "B?ue", "Blue", true},
		{"StringLike", "b*e", "Blue", false},
		{"StringLike", "a*z", "a/b:c/z", true},
		{"StringNotLike", "B*e", "Blue", false},
		{"StringNotLike", "B*e", "Red", true},

		{"NumericEquals", "10", "10.0", true},
		{"NumericEquals", "10", "010", true},
		{"NumericEquals", "-0", "0", true},
		{"NumericEquals", "9007199254740993", "9007199254740992", false},
		{"NumericEquals", "0.1", "0.10", true},
		{"NumericNotEquals", "10", "11", true},
		{"NumericNotEquals", "10", "10", false},
		{"NumericNotEquals", "10", "ten", true},
		{"NumericLessThan", "10", "9", true},
		{"NumericLessThan", "10", "10", false},
		{"NumericLessThan", "-1", "-2", true},
		{"NumericLessThan", "1.5", "1.25", true},
		{"NumericLessThan", "10", "ten", false},
		{"NumericLessThanEquals", "10", "10", true},
		{"NumericGreaterThan", "9", "10", true},
		{"NumericGreaterThan", "10", "-11", false},
		{"NumericGreaterThanEquals", "10", "10", true},
		{"NumericEquals", "1", "", false},

		{"DateEquals", "2026-11-21T10:00:00Z", "2026-11-21T11:00:00+01:00", true},
		{"DateEquals", "1795255200", "2026-11-21T10:00:00Z", true},
		{"DateNotEquals", "2026-11-21", "2026-11-21T00:00:00Z", false},
		{"DateLessThan", "2026-11-21T10:00:00Z", "2026-11-21T09:59:59.999Z", true},
		{"DateLessThan", "2026-11-21T10:00:00Z", "2026-11-21T10:00:00Z", false},
		{"DateLessThanEquals", "2026-11-21T10:00:00Z", "2026-11-21T10:00:00Z", true},
		{"DateGreaterThan", "2026", "1795255200", true},
		{"DateGreaterThan", "2026-12", "2026-11-30T00:00:00Z", false},
		{"DateGreaterThanEquals", "2026-11-21T10:00Z", "2026-11-21T10:00:00Z", true},
		{"DateGreaterThan", "2026", "tomorrow", false},

		{"Bool", "true", "TRUE", true},
		{"Bool", "true", "false", false},
		{"Bool", "false", "no", false},

		{"BinaryEquals", "QQ==", "QQ==", true},
		{"BinaryEquals", "QQ==", "Qg==", false},

		{"IpAddress", "192.0.2.0/24", "192.0.2.255", true},
		{"IpAddress", "192.0.2.0/24", "192.0.3.0", false},
		{"IpAddress", "192.0.2.7/24", "192.0.2.200", true},
		{"IpAddress", "192.0.2.7", "192.0.2.7", true},
		{"IpAddress", "192.0.2.7", "192.0.2.8", false},
		{"IpAddress", "192.0.2.0/24", "::ffff:192.0.2.1", true},
		{"IpAddress", "::ffff:192.0.2.0/120", "192.0.2.1", true},
		{"IpAddress", "2001:db8::/32", "2001:DB8:1::1", true},
		{"IpAddress", "2001:db8::/32", "2001:db9::1", false},
		{"IpAddress", "2001:db8::1", "2001:db8::1", true},
		{"IpAddress", "0.0.0.0/0", "2001:db8::1", false},
		{"IpAddress", "::/0", "192.0.2.1", false},
		{"IpAddress", "192.0.2.0/24", "192.0.2.1%eth0", false},
		{"IpAddress", "192.0.2.0/24", "nowhere", false},
		{"NotIpAddress", "192.0.2.0/24", "192.0.3.0", true},
		{"NotIpAddress", "192.0.2.0/24", "192.0.2.1", false},
		{"NotIpAddress", "192.0.2.0/24", "nowhere", true},
	} {
		got := holds(t, when(tt.operator, "aws:Key", tt.want), MapContext{"aws:key": {tt.actual}})
		if got != tt.holds {
			t.Errorf("%s %q on %q = %v; want %v (%s)", tt.operator, tt.want, tt.actual, got, tt.holds, operatorsPage)
		}
	}
}

func TestRule33ARNOperators(t *testing.T) {
	for _, tt := range []struct {
		want, actual string
		like, text   bool // ArnLike, StringLike
	}{
		{"arn:aws:s3:::tour", "arn:aws:s3:::tour", true, true},
		{"arn:aws:s3:::tour/*", "arn:aws:s3:::tour/a/b:c", true, true},
		{"arn:aws:someservice:*:111122223333:finance/*", "arn:aws:someservice:us-east-2:111122223333:finance/a", true, true},
		// The star of the Region does not reach into the next parts.
		{"arn:aws:someservice:*:111122223333:finance/*", "arn:aws:someservice:us-east-2:999999999999:store/abc:111122223333:finance/a", false, true},
		{"arn:aws:iam::*:role/app", "arn:aws:iam::111122223333:role/app", true, true},
		{"arn:aws:iam::1111?2223333:role/app", "arn:aws:iam::111122223333:role/app", true, true},
		{"arn:aws:iam::111122223333:role/app", "arn:aws:iam::111122223333:role/App", false, false},
		{"arn:aws:*:*:*:*", "arn:aws:iam::111122223333:role/app", true, true},
		{"arn:aws:s3:::tour", "tour", false, false},
		{"*", "arn:aws:s3:::tour", true, true},
		{"*", "tour", false, true},
	} {
		for operator, want := range map[string]bool{
			"ArnLike": tt.like, "ArnEquals": tt.like, "ArnNotLike": !tt.like, "ArnNotEquals": !tt.like, "StringLike": tt.text,
		} {
			if got := holds(t, when(operator, "aws:SourceArn", tt.want), MapContext{"aws:sourcearn": {tt.actual}}); got != want {
				t.Errorf("%s %q on %q = %v; want %v (%s)", operator, tt.want, tt.actual, got, want, operatorsPage)
			}
		}
	}
}

const variablesPage = "IAM/reference_policies_variables"

func TestRule34VariablesInConditions(t *testing.T) {
	keys := MapContext{
		"aws:username": {"ann"}, "aws:evil": {"*"}, "aws:dollar": {"${aws:username}"}, "aws:tagkeys": {"a", "b"},
		"aws:principalaccount": {accountA}, "aws:empty": {""}, "aws:broken": {"\xff"},
	}
	for _, tt := range []struct {
		operator, want, actual string
		holds                  bool
	}{
		{"StringEquals", "${aws:username}", "ann", true},
		{"StringEquals", "${AWS:UserName}", "ann", true},
		{"StringEquals", "home/${aws:username}/x", "home/ann/x", true},
		{"StringEquals", "${aws:username}${aws:username}", "annann", true},
		{"StringEqualsIgnoreCase", "${aws:username}", "ANN", true},
		{"StringLike", "home/${aws:username}/*", "home/ann/a/b", true},
		{"StringLike", "home/${aws:username}/*", "home/zoe/a", false},
		// What is put in stands for itself.
		{"StringLike", "home/${aws:evil}", "home/ann", false},
		{"StringLike", "home/${aws:evil}", "home/*", true},
		{"StringEquals", "${aws:dollar}", "${aws:username}", true},
		{"StringEquals", "${aws:empty}", "", true},
		// Without a value nothing matches, and negated operators hold.
		{"StringEquals", "${aws:missing}", "", false},
		{"StringEquals", "${aws:missing}", "${aws:missing}", false},
		{"StringNotEquals", "${aws:missing}", "ann", true},
		{"StringLike", "${aws:missing}*", "ann", false},
		{"StringNotLike", "${aws:missing}*", "ann", true},
		{"StringEquals", "${aws:tagkeys}", "a", false},
		{"StringEquals", "${aws:tagkeys, 'a'}", "a", false}, // there, and not one value
		{"StringLike", "${aws:broken}", "\xff", false},
		{"StringLike", "${aws:broken}", "anything", false},
		// Defaults.
		{"StringEquals", "${aws:missing, 'none'}", "none", true},
		{"StringEquals", "${aws:username, 'none'}", "ann", true},
		{"StringLike", "${aws:missing, '*'}", "ann", false},
		{"StringLike", "${aws:missing, '*'}", "*", true},
		{"StringEquals", "${ aws:missing , 'none' }", "none", true},
		{"StringEquals", "${aws:missing, ''}", "", true},
		// The characters themselves.
		{"StringLike", "a${*}b", "a*b", true},
		{"StringLike", "a${*}b", "axb", false},
		{"StringLike", "a${?}b", "a?b", true},
		{"StringLike", "a${?}b", "axb", false},
		{"StringEquals", "${$}{aws:username}", "${aws:username}", true},
		{"StringEquals", "$", "$", true},
		{"StringEquals", "{a}", "{a}", true},
		// ARNs: a value does not reach into another part.
		{"ArnLike", "arn:aws:iam::${aws:PrincipalAccount}:user/${aws:username}", "arn:aws:iam::111122223333:user/ann", true},
		{"ArnLike", "arn:aws:iam::${aws:evil}:user/ann", "arn:aws:iam::111122223333:user/ann", false},
		{"ArnNotLike", "arn:aws:iam::${aws:missing}:user/ann", "arn:aws:iam::111122223333:user/ann", true},
	} {
		keys["aws:key"] = []string{tt.actual}
		if got := holds(t, when(tt.operator, "aws:Key", tt.want), keys); got != tt.holds {
			t.Errorf("%s %q on %q = %v; want %v (%s)", tt.operator, tt.want, tt.actual, got, tt.holds, variablesPage)
		}
	}
	keys["aws:key"] = []string{"arn:aws:s3:::tour"}
	keys["aws:wanted"] = []string{"arn:aws:s3:::tour"}
	if !holds(t, when("ArnEquals", "aws:Key", "${aws:wanted}"), keys) {
		t.Error("ArnEquals with a variable alone does not hold")
	}
}

func TestRule34VariablesInResources(t *testing.T) {
	for _, tt := range []struct {
		name, version, pattern, resource string
		values                           []string
		want                             bool
	}{
		{"value", "2012-10-17", "arn:aws:s3:::tour/${aws:username}/*", "arn:aws:s3:::tour/ann/a", []string{"ann"}, true},
		{"another value", "2012-10-17", "arn:aws:s3:::tour/${aws:username}/*", "arn:aws:s3:::tour/zoe/a", []string{"ann"}, false},
		{"a star in the value", "2012-10-17", "arn:aws:s3:::tour/${aws:username}/*", "arn:aws:s3:::tour/zoe/a", []string{"*"}, false},
		{"a question mark in the value", "2012-10-17", "arn:aws:s3:::tour/${aws:username}", "arn:aws:s3:::tour/a", []string{"?"}, false},
		{"missing", "2012-10-17", "arn:aws:s3:::tour/${aws:username}*", "arn:aws:s3:::tour/", nil, false},
		{"missing, and written out", "2012-10-17", "arn:aws:s3:::tour/${aws:username}", "arn:aws:s3:::tour/${aws:username}", nil, false},
		{"default", "2012-10-17", "arn:aws:s3:::tour-${aws:username, 'company-wide'}", "arn:aws:s3:::tour-company-wide", nil, true},
		{"literal star", "2012-10-17", "arn:aws:s3:::tour/${*}", "arn:aws:s3:::tour/a", nil, false},
		{"literal star itself", "2012-10-17", "arn:aws:s3:::tour/${*}", "arn:aws:s3:::tour/*", nil, true},
		{"old version", "2008-10-17", "arn:aws:s3:::tour/${aws:username}", "arn:aws:s3:::tour/ann", []string{"ann"}, false},
		{"old version takes it literally", "2008-10-17", "arn:aws:s3:::tour/${aws:username}", "arn:aws:s3:::tour/${aws:username}", []string{"ann"}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := fmt.Sprintf(`{"Version":%q,"Statement":%s}`, tt.version, says(Allow, "s3:GetObject", tt.pattern))
			in := Input{
				Principal: ann, Action: "s3:GetObject", Resource: tt.resource, Context: MapContext{},
				Identity: []Named{{Policy: mustParse(t, KindIdentity, text)}},
			}
			if tt.values != nil {
				in.Context = MapContext{"aws:username": tt.values}
			}
			d := Evaluate(&in)
			if d.Allowed != tt.want {
				t.Errorf("%q on %q: %v; want %v (%s)", tt.pattern, tt.resource, d.Allowed, tt.want, variablesPage)
			}
			checkSame(t, &in, d)
		})
	}
}

// NotResource with a variable without value leaves nothing out.
func TestRule34VariableInNotResource(t *testing.T) {
	p := mustParse(t, KindIdentity, doc(`{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"s3:*","NotResource":"arn:aws:s3:::tour/${aws:username}/*"}`))
	in := Input{Principal: ann, Action: "s3:GetObject", Resource: "arn:aws:s3:::tour/ann/a", Identity: []Named{{Policy: p}}}
	if d := Evaluate(&in); d.Allowed {
		t.Errorf("without a value: %+v; want a denial (%s)", d, variablesPage)
	}
	in.Context = MapContext{"aws:username": {"ann"}}
	if d := Evaluate(&in); !d.Allowed {
		t.Errorf("with a value: %+v; want it allowed (%s)", d, variablesPage)
	}
}

func TestRule35And36AlwaysPresentKeys(t *testing.T) {
	deny := says(Allow, "s3:*", "*") + "," + says(Deny, "s3:*", "*", when("Bool", "aws:SecureTransport", "false"))
	outside := says(Allow, "s3:*", "*") + "," + says(Deny, "s3:*", "*", when("NotIpAddress", "aws:SourceIp", "192.0.2.0/24"))
	base := Input{Principal: ann, Action: "s3:GetObject", Resource: objectARN, Identity: list(t, KindIdentity, deny)}
	checkRules(t, operatorsPage, base, []ruleCase{
		{name: "TLS", allowed: true, layer: LayerIdentity, change: func(in *Input) { in.Context = MapContext{"aws:securetransport": {"true"}} }},
		{name: "no TLS", layer: LayerIdentity, explicit: true, change: func(in *Input) { in.Context = MapContext{"aws:securetransport": {"false"}} }},
		{name: "a missing key is not false", allowed: true, layer: LayerIdentity},
		{name: "NotIpAddress on a missing key is true", layer: LayerIdentity, explicit: true, change: func(in *Input) { in.Identity = list(t, KindIdentity, outside) }},
	})
}

// The keys of server-side encryption are there only where AWS has them.
func TestEncryptionKeyTraps(t *testing.T) {
	const algorithm = "s3:x-amz-server-side-encryption-customer-algorithm"
	give := says(Allow, "s3:*", "*")
	base := Input{Principal: ann, Action: "s3:PutObject", Resource: objectARN, Context: MapContext{}}
	with := func(statement string, keys MapContext) func(*Input) {
		return func(in *Input) { in.Identity, in.Context = list(t, KindIdentity, give+","+statement), keys }
	}
	everywhere := says(Deny, "s3:*", "*", when("Null", algorithm, "true"))
	notKMS := says(Deny, "s3:PutObject", "*", when("StringNotEquals", "s3:x-amz-server-side-encryption", "aws:kms", "aws:kms:dsse"))
	notOurs := says(Deny, "s3:PutObject", "*", when("ArnNotEqualsIfExists", "s3:x-amz-server-side-encryption-aws-kms-key-id", keyARN))
	checkRules(t, "S3/ServerSideEncryptionCustomerKeys", base, []ruleCase{
		{name: "Null true over s3:* denies every read", layer: LayerIdentity, explicit: true, change: func(in *Input) {
			with(everywhere, MapContext{})(in)
			in.Action = "s3:GetObject"
		}},
		{name: "and not a PutObject with SSE-C", allowed: true, layer: LayerIdentity, change: with(everywhere, MapContext{algorithm: {"AES256"}})},
		{name: "deny if not aws:kms denies the bucket's default", layer: LayerIdentity, explicit: true, change: with(notKMS, MapContext{})},
		{name: "aws:kms", allowed: true, layer: LayerIdentity, change: with(notKMS, MapContext{"s3:x-amz-server-side-encryption": {"aws:kms"}})},
		{name: "aws:kms:dsse", allowed: true, layer: LayerIdentity, change: with(notKMS, MapContext{"s3:x-amz-server-side-encryption": {"aws:kms:dsse"}})},
		{name: "the key by its ARN", allowed: true, layer: LayerIdentity, change: with(notOurs, MapContext{"s3:x-amz-server-side-encryption-aws-kms-key-id": {keyARN}})},
		{name: "a stranger's key", layer: LayerIdentity, explicit: true, change: with(notOurs, MapContext{
			"s3:x-amz-server-side-encryption-aws-kms-key-id": {"arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab"}})},
		{name: "no key named, for IfExists is true then", layer: LayerIdentity, explicit: true, change: with(notOurs, MapContext{})},
	})
}
