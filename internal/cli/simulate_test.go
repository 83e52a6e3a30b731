package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"coffer/internal/policy"
)

// A j is a JSON object.
type j = map[string]any

const (
	acctA     = "111122223333"
	acctB     = "444455556666"
	alice     = "arn:aws:iam::" + acctA + ":user/staff/alice"
	bob       = "arn:aws:iam::" + acctB + ":user/bob"
	reader    = "arn:aws:sts::" + acctA + ":assumed-role/reader/s1"
	readerR   = "arn:aws:iam::" + acctA + ":role/app/reader"
	guest     = "arn:aws:sts::" + acctA + ":federated-user/guest"
	guestU    = "arn:aws:iam::" + acctA + ":user/guest"
	rootA     = "arn:aws:iam::" + acctA + ":root"
	rootB     = "arn:aws:iam::" + acctB + ":root"
	logs      = "logging.s3.amazonaws.com"
	objectARN = "arn:aws:s3:::tour/home/a.txt"
	bucketARN = "arn:aws:s3:::tour"
	keyARN    = "arn:aws:kms:us-east-1:" + acctA + ":key/1234abcd-12ab-34cd-56ef-1234567890ab"
	target    = "arn:aws:iam::" + acctA + ":role/target"
)

// policyOf makes a policy of statements.
func policyOf(statements ...j) j { return j{"Version": "2012-10-17", "Statement": statements} }

// says makes a statement; more are pairs of an element and its value.
func says(effect, action, resource string, more ...any) j {
	st := j{"Effect": effect, "Action": action}
	if resource != "" {
		st["Resource"] = resource
	}
	for i := 0; i < len(more); i += 2 {
		st[more[i].(string)] = more[i+1]
	}
	return st
}

func byAWS(names ...string) j { return j{"AWS": names} }

// owned makes a resource with its owner.
func owned(resource, account string) j { return j{"resource": resource, "accountId": account} }

// with makes a case of a request and further members, as pairs.
func with(principal, action string, resource any, more ...any) j {
	c := j{"request": j{"principal": principal, "action": action, "resource": resource}}
	for i := 0; i < len(more); i += 2 {
		if more[i] == "context" {
			c["request"].(j)["context"] = more[i+1]
			continue
		}
		c[more[i].(string)] = more[i+1]
	}
	return c
}

// An answer is one line of output.
type answer struct {
	ID         any    `json:"id"`
	Decision   string `json:"decision"`
	Reason     string `json:"reason"`
	Statements []struct {
		Policy string `json:"policy"`
		Index  int    `json:"index"`
		Sid    string `json:"sid"`
		Effect string `json:"effect"`
	} `json:"statements"`
}

// run answers lines.
func run(t *testing.T, input string) []answer {
	t.Helper()
	var out, errs bytes.Buffer
	if code := Main([]string{"simulate"}, strings.NewReader(input), &out, &errs, func(string) string { return "" }); code != 0 || errs.Len() > 0 {
		t.Fatalf("simulate: exit %d, %s; want 0", code, &errs)
	}
	var answers []answer
	for line := range strings.Lines(out.String()) {
		var a answer
		dec := json.NewDecoder(strings.NewReader(line))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&a); err != nil || a.Statements == nil {
			t.Fatalf("output %s: %v, statements %v; want an answer with a list", line, err, a.Statements)
		}
		answers = append(answers, a)
	}
	return answers
}

type decided struct {
	name string
	c    j
	want string
	// reason and statements are compared if they are not empty.
	reason, statements string
}

func check(t *testing.T, tests []decided) {
	t.Helper()
	var lines bytes.Buffer
	for i, tt := range tests {
		tt.c["id"] = i
		b, err := json.Marshal(tt.c)
		if err != nil {
			t.Fatal(err)
		}
		lines.Write(append(b, '\n'))
	}
	answers := run(t, lines.String())
	if len(answers) != len(tests) {
		t.Fatalf("%d answers to %d cases", len(answers), len(tests))
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := answers[i]
			if got.ID != float64(i) || got.Decision != tt.want || tt.reason != "" && got.Reason != tt.reason {
				line, _ := json.Marshal(tt.c)
				t.Fatalf("answer = %v %s (%s); want %d %s (%s)\n%s", got.ID, got.Decision, got.Reason, i, tt.want, tt.reason, line)
			}
			var list []string
			for _, st := range got.Statements {
				list = append(list, fmt.Sprintf("%s %d %s %s", st.Policy, st.Index, st.Sid, st.Effect))
			}
			if s := strings.Join(list, "; "); tt.statements != "" && s != tt.statements {
				t.Errorf("statements = %s; want %s", s, tt.statements)
			}
		})
	}
}

var (
	allowAll  = policyOf(says("Allow", "*", "*"))
	allowGet  = policyOf(says("Allow", "s3:GetObject", bucketARN+"/*", "Sid", "Get"))
	denyGet   = policyOf(says("Deny", "s3:GetObject", "*", "Sid", "NoGet"))
	allowList = policyOf(says("Allow", "s3:ListBucket", "*"))
	rcpFull   = policyOf(says("Allow", "*", "*", "Principal", "*"))
	keyRoot   = policyOf(says("Allow", "kms:*", "*", "Principal", byAWS(rootA)))
)

func bucketPolicy(principal any, more ...any) j {
	return policyOf(says("Allow", "s3:GetObject", bucketARN+"/*", append([]any{"Principal", principal}, more...)...))
}

func list(policies ...j) []j { return policies }

// Who needs what, for a user of the account and of another one.
//
// Sources: IAM User Guide, "How AWS enforcement code logic evaluates requests to
// allow or deny access", "Policy evaluation for requests within a single account"
// and "Cross-account policy evaluation logic".
func TestSimulateCore(t *testing.T) {
	get := func(principal string, more ...any) j {
		return with(principal, "s3:GetObject", owned(objectARN, acctA), more...)
	}
	check(t, []decided{
		{"nothing allows", get(alice), "DENY", "no identity-based policy allows", ""},
		{"root has all in its account", get(rootA), "ALLOW", "allowed to the root user", ""},
		{"an account ID is its root user", get(acctA), "ALLOW", "allowed to the root user", ""},
		{"identity allows", get(alice, "identityPolicies", list(allowGet)), "ALLOW", "allowed by an identity-based policy", "identityPolicies[0] 0 Get Allow"},
		{"a second policy allows", get(alice, "identityPolicies", list(allowList, allowGet)), "ALLOW", "", "identityPolicies[1] 0 Get Allow"},
		{"identity denies", get(alice, "identityPolicies", list(allowGet, denyGet)), "DENY", "explicit deny in an identity-based policy", "identityPolicies[1] 0 NoGet Deny"},
		{"bucket policy allows", get(alice, "resourcePolicy", bucketPolicy(byAWS(alice))), "ALLOW", "allowed by the resource-based policy", "resourcePolicy 0  Allow"},
		{"bucket policy denies", get(alice, "identityPolicies", list(allowGet), "resourcePolicy", policyOf(says("Deny", "s3:*", "*", "Principal", "*"))), "DENY", "explicit deny in the resource-based policy", "resourcePolicy 0  Deny"},
		{"bucket policy denies root", get(rootA, "resourcePolicy", policyOf(says("Deny", "s3:*", "*", "Principal", "*"))), "DENY", "explicit deny in the resource-based policy", ""},
		{"identity denies what the bucket policy allows", get(alice, "identityPolicies", list(denyGet), "resourcePolicy", bucketPolicy(byAWS(alice))), "DENY", "explicit deny in an identity-based policy", ""},
		{"another action", get(alice, "identityPolicies", list(allowList)), "DENY", "", ""},
		{"the bucket is not its objects", with(alice, "s3:GetObject", objectARN, "identityPolicies", list(policyOf(says("Allow", "s3:*", bucketARN)))), "DENY", "", ""},
		{"the objects are not the bucket", with(alice, "s3:ListBucket", bucketARN, "identityPolicies", list(policyOf(says("Allow", "s3:*", bucketARN+"/*")))), "DENY", "", ""},
		{"an action has no letter case", with(alice, "S3:getObject", objectARN, "identityPolicies", list(policyOf(says("Allow", "s3:GETOBJECT", "*")))), "ALLOW", "", ""},
		{"a resource has", with(alice, "s3:GetObject", objectARN, "identityPolicies", list(policyOf(says("Allow", "s3:*", "arn:aws:s3:::Tour/*")))), "DENY", "", ""},
		{"NotAction", get(alice, "identityPolicies", list(policyOf(j{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}))), "ALLOW", "", ""},
		{"NotAction names it", get(alice, "identityPolicies", list(policyOf(j{"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}))), "DENY", "", ""},
		{"NotResource", get(alice, "identityPolicies", list(policyOf(j{"Effect": "Allow", "Action": "s3:*", "NotResource": "arn:aws:s3:::other/*"}))), "ALLOW", "", ""},
		{"NotResource names it", get(alice, "identityPolicies", list(policyOf(j{"Effect": "Allow", "Action": "s3:*", "NotResource": bucketARN + "/*"}))), "DENY", "", ""},
		{"a question mark", get(alice, "identityPolicies", list(policyOf(says("Allow", "s3:?etObject", "arn:aws:s3:::t?ur/*")))), "ALLOW", "", ""},

		{"across accounts by both", get(bob, "identityPolicies", list(allowGet), "resourcePolicy", bucketPolicy(byAWS(bob), "Sid", "B")), "ALLOW", "allowed by both accounts", "resourcePolicy 0 B Allow; identityPolicies[0] 0 Get Allow"},
		{"across accounts, the account is named", get(bob, "identityPolicies", list(allowGet), "resourcePolicy", bucketPolicy(byAWS(acctB))), "ALLOW", "allowed by both accounts", ""},
		{"across accounts, its root user is named", get(bob, "identityPolicies", list(allowGet), "resourcePolicy", bucketPolicy(byAWS(rootB))), "ALLOW", "", ""},
		{"across accounts, everyone is named", get(bob, "identityPolicies", list(allowGet), "resourcePolicy", bucketPolicy("*")), "ALLOW", "", ""},
		{"across accounts by the resource alone", get(bob, "resourcePolicy", bucketPolicy(byAWS(bob))), "DENY", "the principal's account does not allow", ""},
		{"across accounts to everyone alone", get(bob, "resourcePolicy", bucketPolicy("*")), "DENY", "the principal's account does not allow", ""},
		{"across accounts by identity alone", get(bob, "identityPolicies", list(allowGet)), "DENY", "the resource's account does not allow", ""},
		{"across accounts, another account is named", get(bob, "identityPolicies", list(allowGet), "resourcePolicy", bucketPolicy(byAWS(acctA))), "DENY", "the resource's account does not allow", ""},
		{"across accounts as root", get(rootB, "resourcePolicy", bucketPolicy(byAWS(acctB))), "ALLOW", "allowed by both accounts", ""},
		{"across accounts as root, not named", get(rootB), "DENY", "", ""},
		{"across accounts beyond a boundary", get(bob, "identityPolicies", list(allowGet), "permissionBoundary", allowList, "resourcePolicy", bucketPolicy(byAWS(bob))), "DENY", "the permissions boundary does not allow", ""},
		{"across accounts beyond an SCP", get(bob, "identityPolicies", list(allowGet), "scps", [][]j{{allowList}}, "resourcePolicy", bucketPolicy(byAWS(bob))), "DENY", "no service control policy of one level allows", ""},
		{"the owner of S3 is the principal's account", with(bob, "s3:GetObject", objectARN, "identityPolicies", list(allowGet)), "ALLOW", "allowed by an identity-based policy", ""},
		{"the owner stands in the ARN", with(bob, "sqs:SendMessage", "arn:aws:sqs:us-east-1:"+acctA+":q", "identityPolicies", list(allowAll)), "DENY", "the resource's account does not allow", ""},
		{"no resource", with(alice, "s3:ListAllMyBuckets", "*", "identityPolicies", list(policyOf(says("Allow", "s3:List*", "*")))), "ALLOW", "", ""},
	})
}

// What an Allow of a bucket policy gives to principals of the same account, by the
// way in which it names them: beyond identity, boundary and session policies, or not.
//
// Source: IAM User Guide, "How AWS enforcement code logic evaluates requests to
// allow or deny access", the table of resource-based policies and implicit denies.
func TestSimulatePrincipalKinds(t *testing.T) {
	tests := []struct {
		principal string
		named     any
		// wanted without any policy of its own, with a boundary that is silent, and
		// with a session policy that is silent
		bare, boundary, session string
	}{
		{alice, byAWS(alice), "ALLOW", "ALLOW", ""},
		{alice, byAWS(acctA), "DENY", "DENY", ""},
		{alice, byAWS(rootA), "DENY", "DENY", ""},
		{alice, "*", "ALLOW", "ALLOW", ""},
		{alice, byAWS("*"), "ALLOW", "ALLOW", ""},
		{alice, byAWS(bob), "DENY", "DENY", ""},
		{reader, byAWS(reader), "ALLOW", "ALLOW", "ALLOW"},
		{reader, byAWS(readerR), "ALLOW", "DENY", "DENY"},
		{reader, byAWS("arn:aws:iam::" + acctA + ":role/reader"), "ALLOW", "DENY", "DENY"},
		{reader, byAWS("arn:aws:iam::" + acctB + ":role/reader"), "DENY", "DENY", "DENY"},
		{reader, byAWS("arn:aws:sts::" + acctA + ":assumed-role/reader/s2"), "DENY", "DENY", "DENY"},
		{reader, byAWS(acctA), "DENY", "DENY", "DENY"},
		{reader, "*", "ALLOW", "ALLOW", "ALLOW"},
		{readerR, byAWS(readerR), "ALLOW", "DENY", "DENY"},
		{readerR, "*", "ALLOW", "ALLOW", "ALLOW"},
		{guest, byAWS(guest), "ALLOW", "ALLOW", "ALLOW"},
		{guest, byAWS(guestU), "DENY", "DENY", "DENY"},
		{guest, byAWS(acctA), "DENY", "DENY", "DENY"},
		{guest, "*", "ALLOW", "ALLOW", "ALLOW"},
		{logs, j{"Service": logs}, "ALLOW", "", ""},
		{logs, j{"Service": "cloudtrail.amazonaws.com"}, "DENY", "", ""},
		{logs, byAWS(acctA), "DENY", "", ""},
		{"anonymous", "*", "ALLOW", "", ""},
		{"*", byAWS("*"), "ALLOW", "", ""},
		{"anonymous", byAWS(acctA), "DENY", "", ""},
		{rootA, byAWS(acctA), "ALLOW", "", ""},
	}
	var cases []decided
	for _, tt := range tests {
		name := fmt.Sprintf("%s named by %v", tt.principal, tt.named)
		for _, v := range []struct{ what, want, member string }{{"bare", tt.bare, ""}, {"boundary", tt.boundary, "permissionBoundary"}, {"session", tt.session, "sessionPolicy"}} {
			if v.want == "" {
				continue
			}
			c := with(tt.principal, "s3:GetObject", owned(objectARN, acctA), "resourcePolicy", bucketPolicy(tt.named))
			if v.member != "" {
				c[v.member] = allowList
			}
			cases = append(cases, decided{name: name + ", " + v.what, c: c, want: v.want})
		}
	}
	// An explicit Deny of boundary or session wins over every way.
	for _, member := range []string{"permissionBoundary", "sessionPolicy"} {
		for _, named := range []any{byAWS(reader), byAWS(readerR), "*"} {
			cases = append(cases, decided{name: fmt.Sprintf("%s denies, named by %v", member, named), want: "DENY",
				c: with(reader, "s3:GetObject", owned(objectARN, acctA), "resourcePolicy", bucketPolicy(named), member, denyGet)})
		}
	}
	check(t, cases)
}

// Boundaries, session policies, SCPs, RCPs and endpoint policies limit and never
// grant.
//
// Sources: IAM User Guide, "Permissions boundaries for IAM entities" and "Policies
// and permissions in AWS Identity and Access Management"; AWS Organizations User
// Guide, "SCP evaluation", "Service control policies" and "Resource control
// policies".
func TestSimulateLimits(t *testing.T) {
	get := func(principal string, more ...any) j {
		return with(principal, "s3:GetObject", owned(objectARN, acctA), append([]any{"identityPolicies", list(allowGet)}, more...)...)
	}
	noTalk := policyOf(says("Deny", "s3:GetObject", "*", "Principal", "*", "Sid", "Closed"))
	linked := "arn:aws:iam::" + acctA + ":role/aws-service-role/x.amazonaws.com/AWSServiceRoleForX"
	check(t, []decided{
		{"boundary allows", get(alice, "permissionBoundary", allowAll), "ALLOW", "allowed by an identity-based policy", ""},
		{"boundary is silent", get(alice, "permissionBoundary", allowList), "DENY", "the permissions boundary does not allow", ""},
		{"boundary denies", get(alice, "permissionBoundary", denyGet), "DENY", "explicit deny in the permissions boundary", "permissionBoundary 0 NoGet Deny"},
		{"boundary alone", with(alice, "s3:GetObject", objectARN, "permissionBoundary", allowAll), "DENY", "no identity-based policy allows", ""},
		{"session allows", get(reader, "sessionPolicy", allowAll), "ALLOW", "", ""},
		{"session is silent", get(reader, "sessionPolicy", allowList), "DENY", "the session policy does not allow", ""},
		{"session denies", get(reader, "sessionPolicy", denyGet), "DENY", "explicit deny in the session policy", "sessionPolicy 0 NoGet Deny"},
		{"session alone", with(reader, "s3:GetObject", objectARN, "sessionPolicy", allowAll), "DENY", "no identity-based policy allows", ""},
		{"role without session policy", get(reader), "ALLOW", "", ""},
		{"federated user without session policy", get(guest), "DENY", "", ""},
		{"federated user with session policy", get(guest, "sessionPolicy", allowGet), "ALLOW", "", ""},
		{"federated user beyond its session policy", get(guest, "sessionPolicy", allowList), "DENY", "the session policy does not allow", ""},

		{"SCP allows", get(alice, "scps", [][]j{{allowAll}}), "ALLOW", "", ""},
		{"SCP is silent", get(alice, "scps", [][]j{{allowList}}), "DENY", "no service control policy of one level allows", ""},
		{"SCP denies", get(alice, "scps", [][]j{{allowAll, denyGet}}), "DENY", "explicit deny in a service control policy", "scps[0][1] 0 NoGet Deny"},
		{"SCP of the middle level is silent", get(alice, "scps", [][]j{{allowAll}, {allowList}, {allowAll}}), "DENY", "no service control policy of one level allows", ""},
		{"SCP of the middle level denies", get(alice, "scps", [][]j{{allowAll}, {allowAll, denyGet}, {allowAll}}), "DENY", "", "scps[1][1] 0 NoGet Deny"},
		{"two SCPs of a level", get(alice, "scps", [][]j{{allowAll}, {allowList, allowGet}}), "ALLOW", "", ""},
		{"a level without SCPs", get(alice, "scps", [][]j{{allowAll}, {}}), "DENY", "no service control policy of one level allows", ""},
		{"no levels", get(alice, "scps", [][]j{}), "ALLOW", "", ""},
		{"SCPs grant nothing", with(alice, "s3:GetObject", objectARN, "scps", [][]j{{allowAll}}), "DENY", "no identity-based policy allows", ""},
		{"SCP limits root", with(rootA, "s3:GetObject", objectARN, "scps", [][]j{{allowAll, denyGet}}), "DENY", "explicit deny in a service control policy", ""},
		{"SCP is silent for root", with(rootA, "s3:GetObject", objectARN, "scps", [][]j{{allowList}}), "DENY", "", ""},
		{"SCP limits what a bucket policy gives", with(alice, "s3:GetObject", owned(objectARN, acctA), "resourcePolicy", bucketPolicy(byAWS(alice)), "scps", [][]j{{allowList}}), "DENY", "", ""},
		{"SCP does not limit service-linked roles", get(linked, "scps", [][]j{{denyGet}}), "ALLOW", "", ""},
		{"nor their sessions", get("arn:aws:sts::"+acctA+":assumed-role/AWSServiceRoleForX/s", "scps", [][]j{{denyGet}}), "ALLOW", "", ""},
		{"SCP does not limit services", with(logs, "s3:GetObject", owned(objectARN, acctA), "resourcePolicy", bucketPolicy(j{"Service": logs}), "scps", [][]j{{denyGet}}), "ALLOW", "", ""},
		{"SCP does not limit the anonymous", with("anonymous", "s3:GetObject", owned(objectARN, acctA), "resourcePolicy", bucketPolicy("*"), "scps", [][]j{{denyGet}}), "ALLOW", "", ""},

		{"RCPFullAWSAccess", get(alice, "rcps", [][]j{{rcpFull}, {rcpFull}}), "ALLOW", "", ""},
		{"RCP denies", get(alice, "rcps", [][]j{{rcpFull}, {rcpFull, noTalk}}), "DENY", "explicit deny in a resource control policy", "rcps[1][1] 0 Closed Deny"},
		{"RCP denies without RCPFullAWSAccess in sight", get(alice, "rcps", [][]j{{noTalk}}), "DENY", "explicit deny in a resource control policy", ""},
		{"RCP that denies something else", get(alice, "rcps", [][]j{{policyOf(says("Deny", "s3:PutObject", "*", "Principal", "*"))}}), "ALLOW", "", ""},
		{"RCP denies root", with(rootA, "s3:GetObject", objectARN, "rcps", [][]j{{noTalk}}), "DENY", "", ""},
		{"RCP denies strangers", get(bob, "resourcePolicy", bucketPolicy(byAWS(bob)), "rcps", [][]j{{noTalk}}), "DENY", "", ""},
		{"RCP denies the anonymous", with("anonymous", "s3:GetObject", owned(objectARN, acctA), "resourcePolicy", bucketPolicy("*"), "rcps", [][]j{{noTalk}}), "DENY", "", ""},
		{"RCP denies services", with(logs, "s3:GetObject", owned(objectARN, acctA), "resourcePolicy", bucketPolicy(j{"Service": logs}), "rcps", [][]j{{noTalk}}), "DENY", "", ""},
		{"RCP that leaves services out", with(logs, "s3:GetObject", owned(objectARN, acctA), "resourcePolicy", bucketPolicy(j{"Service": logs}), "rcps",
			[][]j{{policyOf(says("Deny", "s3:*", "*", "Principal", "*", "Condition", j{"BoolIfExists": j{"aws:PrincipalIsAWSService": "false"}}))}}), "ALLOW", "", ""},
		{"and not users", get(alice, "rcps", [][]j{{policyOf(says("Deny", "s3:*", "*", "Principal", "*", "Condition", j{"BoolIfExists": j{"aws:PrincipalIsAWSService": "false"}}))}}), "DENY", "", ""},
		{"RCP does not limit service-linked roles", get(linked, "rcps", [][]j{{noTalk}}), "ALLOW", "", ""},
		{"nor kms:RetireGrant", with(alice, "kms:RetireGrant", keyARN, "resourcePolicy", policyOf(says("Allow", "kms:*", "*", "Principal", byAWS(alice))), "rcps",
			[][]j{{policyOf(says("Deny", "kms:*", "*", "Principal", "*"))}}), "ALLOW", "", ""},

		{"endpoint allows", get(alice, "endpointPolicies", list(rcpFull)), "ALLOW", "", ""},
		{"endpoint is silent", get(alice, "endpointPolicies", list(policyOf(says("Allow", "s3:List*", "*", "Principal", "*")))), "DENY", "no VPC endpoint policy allows", ""},
		{"endpoint denies", get(alice, "endpointPolicies", list(policyOf(says("Allow", "*", "*", "Principal", "*"), says("Deny", "s3:*", "*", "Principal", "*", "Sid", "E")))), "DENY", "explicit deny in a VPC endpoint policy", "endpointPolicies[0] 1 E Deny"},
		{"endpoint for someone else", get(alice, "endpointPolicies", list(policyOf(says("Allow", "*", "*", "Principal", byAWS(bob))))), "DENY", "", ""},
		{"endpoint limits root", with(rootA, "s3:GetObject", objectARN, "endpointPolicies", list(policyOf(says("Allow", "s3:List*", "*", "Principal", "*")))), "DENY", "", ""},
		{"endpoint grants nothing", with(alice, "s3:GetObject", objectARN, "endpointPolicies", list(rcpFull)), "DENY", "no identity-based policy allows", ""},
		{"no endpoint policies", get(alice, "endpointPolicies", list()), "ALLOW", "", ""},

		{"members may be null", with(alice, "s3:GetObject", objectARN, "identityPolicies", list(allowGet), "resourcePolicy", nil, "permissionBoundary", nil, "sessionPolicy", nil,
			"scps", nil, "rcps", nil, "endpointPolicies", nil, "grants", nil, "blockPublicAccess", nil, "context", nil), "ALLOW", "", ""},
	})
}

// KMS keys: nothing but the key policy, and grants beside it, opens them.
//
// Sources: KMS Developer Guide, "Key policies in AWS KMS", "Default key policy",
// "Grants in AWS KMS" and "Allowing users in other accounts to use a KMS key".
func TestSimulateKeys(t *testing.T) {
	decrypt := func(principal string, more ...any) j { return with(principal, "kms:Decrypt", keyARN, more...) }
	allowKMS := policyOf(says("Allow", "kms:Decrypt", "*", "Sid", "K"))
	named := func(names ...string) j {
		return policyOf(says("Allow", "kms:Decrypt", "*", "Principal", byAWS(names...)))
	}
	grant := func(grantee string, more ...any) []j {
		g := j{"granteePrincipal": grantee, "operations": []string{"Decrypt"}}
		for i := 0; i < len(more); i += 2 {
			g[more[i].(string)] = more[i+1]
		}
		return []j{g}
	}
	equals := func(k, v string) j { return j{"encryptionContextEquals": j{k: v}} }
	subset := func(k, v string) j { return j{"encryptionContextSubset": j{k: v}} }
	ec := func(pairs ...string) j {
		keys := []string{}
		c := j{}
		for i := 0; i < len(pairs); i += 2 {
			keys = append(keys, pairs[i])
			c["kms:EncryptionContext:"+pairs[i]] = pairs[i+1]
		}
		c["kms:EncryptionContextKeys"] = keys
		return c
	}
	check(t, []decided{
		{"identity without a key policy", decrypt(alice, "identityPolicies", list(allowKMS)), "DENY", "the resource-based policy does not allow", ""},
		{"root without a key policy", decrypt(rootA), "DENY", "the resource-based policy does not allow", ""},
		{"the key policy enables IAM", decrypt(alice, "identityPolicies", list(allowKMS), "resourcePolicy", keyRoot), "ALLOW", "allowed by the resource-based policy", "resourcePolicy 0  Allow; identityPolicies[0] 0 K Allow"},
		{"the key policy enables IAM, which is silent", decrypt(alice, "resourcePolicy", keyRoot), "DENY", "no identity-based policy allows", ""},
		{"the key policy enables root", decrypt(rootA, "resourcePolicy", keyRoot), "ALLOW", "", ""},
		{"the key policy enables IAM for another action", decrypt(alice, "identityPolicies", list(allowKMS), "resourcePolicy", policyOf(says("Allow", "kms:Encrypt", "*", "Principal", byAWS(rootA)))), "DENY", "", ""},
		{"the key policy enables IAM on a condition", decrypt(alice, "identityPolicies", list(allowKMS), "resourcePolicy", policyOf(says("Allow", "kms:*", "*", "Principal", byAWS(rootA), "Condition", j{"StringEquals": j{"kms:ViaService": "s3.us-east-1.amazonaws.com"}}))), "DENY", "", ""},
		{"and the condition holds", decrypt(alice, "identityPolicies", list(allowKMS), "resourcePolicy", policyOf(says("Allow", "kms:*", "*", "Principal", byAWS(rootA), "Condition", j{"StringEquals": j{"kms:ViaService": "s3.us-east-1.amazonaws.com"}})),
			"context", j{"kms:ViaService": "s3.us-east-1.amazonaws.com"}), "ALLOW", "", ""},
		{"the key policy names the user", decrypt(alice, "resourcePolicy", named(alice)), "ALLOW", "", "resourcePolicy 0  Allow"},
		{"the key policy names another one, IAM allows", decrypt(alice, "identityPolicies", list(allowKMS), "resourcePolicy", named(reader)), "DENY", "", ""},
		{"IAM denies the named user", decrypt(alice, "identityPolicies", list(policyOf(says("Deny", "kms:*", "*"))), "resourcePolicy", named(alice)), "DENY", "explicit deny in an identity-based policy", ""},
		{"the key policy names the role", decrypt(reader, "resourcePolicy", named(readerR)), "ALLOW", "", ""},
		{"and its boundary is silent", decrypt(reader, "resourcePolicy", named(readerR), "permissionBoundary", allowList), "DENY", "the permissions boundary does not allow", ""},
		{"and its session policy is silent", decrypt(reader, "resourcePolicy", named(readerR), "sessionPolicy", allowList), "DENY", "the session policy does not allow", ""},
		{"the boundary of a named user does not limit", decrypt(alice, "resourcePolicy", named(alice), "permissionBoundary", allowList), "ALLOW", "", ""},
		{"the key policy denies root", decrypt(rootA, "resourcePolicy", policyOf(says("Allow", "kms:*", "*", "Principal", byAWS(rootA)), says("Deny", "kms:Decrypt", "*", "Principal", "*"))), "DENY", "explicit deny in the resource-based policy", ""},
		{"another account by both", decrypt(bob, "identityPolicies", list(allowKMS), "resourcePolicy", named(acctB)), "ALLOW", "allowed by both accounts", ""},
		{"another account by the key policy alone", decrypt(bob, "resourcePolicy", named(bob)), "DENY", "the principal's account does not allow", ""},
		{"another account by IAM alone", decrypt(bob, "identityPolicies", list(allowKMS), "resourcePolicy", keyRoot), "DENY", "the resource's account does not allow", ""},
		{"a call without a key", with(alice, "kms:ListKeys", "*", "identityPolicies", list(policyOf(says("Allow", "kms:ListKeys", "*")))), "ALLOW", "", ""},

		{"a grant", decrypt(alice, "resourcePolicy", keyRoot, "grants", grant(alice)), "ALLOW", "allowed by a grant", "grants[0] 0  Allow"},
		{"a grant where the case has no key policy", decrypt(alice, "grants", grant(alice)), "ALLOW", "allowed by a grant", ""},
		{"a grant to someone else", decrypt(alice, "resourcePolicy", keyRoot, "grants", grant(bob)), "DENY", "", ""},
		{"a grant of another operation", with(alice, "kms:Encrypt", keyARN, "resourcePolicy", keyRoot, "grants", grant(alice)), "DENY", "", ""},
		{"a grant to a role", decrypt(reader, "resourcePolicy", keyRoot, "grants", grant(readerR)), "ALLOW", "", ""},
		{"a grant to a role beyond its session policy", decrypt(reader, "resourcePolicy", keyRoot, "grants", grant(readerR), "sessionPolicy", allowList), "DENY", "", ""},
		{"a grant to a session", decrypt(reader, "resourcePolicy", keyRoot, "grants", grant(reader)), "ALLOW", "", ""},
		{"a grant to a service", decrypt(logs, "resourcePolicy", keyRoot, "grants", []j{{"granteeServicePrincipal": logs, "operations": []string{"Decrypt"}}}), "ALLOW", "", ""},
		{"a grant across accounts", decrypt(bob, "resourcePolicy", keyRoot, "grants", grant(bob)), "ALLOW", "allowed by a grant", ""},
		{"a grant and a Deny in the key policy", decrypt(alice, "resourcePolicy", policyOf(says("Deny", "kms:*", "*", "Principal", byAWS(alice))), "grants", grant(alice)), "DENY", "explicit deny in the resource-based policy", ""},
		{"a grant and a Deny in IAM", decrypt(alice, "resourcePolicy", keyRoot, "identityPolicies", list(policyOf(says("Deny", "kms:*", "*"))), "grants", grant(alice)), "DENY", "", ""},
		{"a grant and an SCP", decrypt(alice, "resourcePolicy", keyRoot, "scps", [][]j{{allowList}}, "grants", grant(alice)), "DENY", "", ""},
		{"a grant and an RCP", decrypt(alice, "resourcePolicy", keyRoot, "rcps", [][]j{{policyOf(says("Deny", "kms:*", "*", "Principal", "*"))}}, "grants", grant(alice)), "DENY", "", ""},
		{"a grant and an endpoint", decrypt(alice, "resourcePolicy", keyRoot, "endpointPolicies", list(policyOf(says("Allow", "kms:List*", "*", "Principal", "*"))), "grants", grant(alice)), "DENY", "", ""},
		{"encryption context equal", decrypt(alice, "grants", grant(alice, "constraints", equals("tenant", "t1")), "context", ec("tenant", "t1")), "ALLOW", "", ""},
		{"encryption context with more", decrypt(alice, "grants", grant(alice, "constraints", equals("tenant", "t1")), "context", ec("tenant", "t1", "x", "y")), "DENY", "", ""},
		{"encryption context with another value", decrypt(alice, "grants", grant(alice, "constraints", equals("tenant", "t1")), "context", ec("tenant", "T1")), "DENY", "", ""},
		{"encryption context missing", decrypt(alice, "grants", grant(alice, "constraints", equals("tenant", "t1"))), "DENY", "", ""},
		{"encryption context contains", decrypt(alice, "grants", grant(alice, "constraints", subset("tenant", "t1")), "context", ec("tenant", "t1", "x", "y")), "ALLOW", "", ""},
		{"encryption context keys have no letter case", decrypt(alice, "grants", grant(alice, "constraints", subset("Tenant", "t1")), "context", ec("tenant", "t1")), "ALLOW", "", ""},
		{"encryption context lacks", decrypt(alice, "grants", grant(alice, "constraints", subset("tenant", "t1")), "context", ec("x", "y")), "DENY", "", ""},
		{"a source ARN", decrypt(alice, "grants", grant(alice, "constraints", j{"sourceArn": bucketARN}), "context", j{"aws:SourceArn": bucketARN}), "ALLOW", "", ""},
		{"another source ARN", decrypt(alice, "grants", grant(alice, "constraints", j{"sourceArn": bucketARN}), "context", j{"aws:SourceArn": "arn:aws:s3:::x"}), "DENY", "", ""},
		{"members as the KMS API spells them", decrypt(alice, "grants", []j{{"GranteePrincipal": alice, "Operations": []string{"Decrypt"}, "Constraints": j{"EncryptionContextSubset": j{"a": "b"}}}}, "context", ec("a", "b")), "ALLOW", "", ""},
	})
}

// Roles, bucket policies of root, Block Public Access and NotPrincipal.
//
// Sources: IAM User Guide, "AWS JSON policy elements: NotPrincipal" and "How to use
// trust policies"; STS API Reference, AssumeRole; Amazon S3 User Guide, "Blocking
// public access to your Amazon S3 storage", and API Reference, PutBucketPolicy.
func TestSimulateServices(t *testing.T) {
	assume := func(principal string, more ...any) j { return with(principal, "sts:AssumeRole", target, more...) }
	trusts := func(principal any) j { return policyOf(says("Allow", "sts:AssumeRole", "", "Principal", principal)) }
	allowSTS := policyOf(says("Allow", "sts:AssumeRole", target))
	idp := "arn:aws:iam::" + acctA + ":oidc-provider/id.example.com"
	denyAll := policyOf(says("Deny", "s3:*", "*", "Principal", "*"))
	open := bucketPolicy("*")
	except := func(names ...string) j {
		return policyOf(says("Deny", "s3:*", bucketARN+"/*", "NotPrincipal", byAWS(names...)))
	}
	get := func(principal string, more ...any) j {
		return with(principal, "s3:GetObject", owned(objectARN, acctA), more...)
	}
	check(t, []decided{
		{"trust names the user", assume(alice, "resourcePolicy", trusts(byAWS(alice))), "ALLOW", "allowed by the role trust policy", ""},
		{"trust names the account, IAM allows", assume(alice, "identityPolicies", list(allowSTS), "resourcePolicy", trusts(byAWS(acctA))), "ALLOW", "", ""},
		{"trust names the account, IAM is silent", assume(alice, "resourcePolicy", trusts(byAWS(acctA))), "DENY", "no identity-based policy allows", ""},
		{"trust is silent, IAM allows", assume(alice, "identityPolicies", list(allowSTS), "resourcePolicy", trusts(byAWS(bob))), "DENY", "the role trust policy does not allow", ""},
		{"no trust policy in the case", assume(alice, "identityPolicies", list(allowSTS)), "DENY", "the role trust policy does not allow", ""},
		{"trust across accounts by both", assume(bob, "identityPolicies", list(allowSTS), "resourcePolicy", trusts(byAWS(acctB))), "ALLOW", "", ""},
		{"trust across accounts alone", assume(bob, "resourcePolicy", trusts(byAWS(bob))), "DENY", "", ""},
		{"trust in a service", assume("rolesanywhere.amazonaws.com", "resourcePolicy", trusts(j{"Service": "rolesanywhere.amazonaws.com"})), "ALLOW", "", ""},
		{"root assumes no role", assume(rootA, "resourcePolicy", trusts(byAWS(acctA))), "DENY", "the role trust policy does not allow", ""},
		{"web identity", with(idp, "sts:AssumeRoleWithWebIdentity", target, "resourcePolicy", policyOf(says("Allow", "sts:AssumeRoleWithWebIdentity", "", "Principal", j{"Federated": idp},
			"Condition", j{"StringEquals": j{"id.example.com:aud": "coffer"}})), "context", j{"id.example.com:aud": "coffer"}), "ALLOW", "", ""},
		{"web identity for someone else", with(idp, "sts:AssumeRoleWithWebIdentity", target, "resourcePolicy", policyOf(says("Allow", "sts:AssumeRoleWithWebIdentity", "", "Principal", j{"Federated": idp},
			"Condition", j{"StringEquals": j{"id.example.com:aud": "coffer"}})), "context", j{"id.example.com:aud": "other"}), "DENY", "", ""},

		{"a trust policy that names the role", assume(alice, "resourcePolicy", policyOf(says("Allow", "sts:AssumeRole", target, "Principal", byAWS(alice)))), "ALLOW", "", ""},
		{"a trust policy that names another role", assume(alice, "resourcePolicy", policyOf(says("Allow", "sts:AssumeRole", target+"2", "Principal", byAWS(alice)))), "DENY", "", ""},
		{"IAM is not enough with such a policy", assume(alice, "identityPolicies", list(allowSTS), "resourcePolicy", policyOf(says("Allow", "sts:AssumeRole", target, "Principal", byAWS(bob)))), "DENY", "", ""},
		{"who am I", with(alice, "sts:GetCallerIdentity", "*"), "ALLOW", "no permission is needed", ""},
		{"who am I, denied", with(reader, "sts:GetCallerIdentity", "*", "identityPolicies", list(policyOf(says("Deny", "*", "*"))), "sessionPolicy", policyOf(says("Deny", "*", "*"))), "ALLOW", "no permission is needed", ""},
		{"who is nobody", with("anonymous", "sts:GetCallerIdentity", "*"), "DENY", "", ""},

		{"root puts its bucket policy", with(rootA, "s3:PutBucketPolicy", owned(bucketARN, acctA), "resourcePolicy", denyAll), "ALLOW", "", ""},
		{"root gets its bucket policy", with(rootA, "s3:GetBucketPolicy", owned(bucketARN, acctA), "resourcePolicy", denyAll), "ALLOW", "", ""},
		{"root deletes its bucket policy", with(rootA, "s3:DeleteBucketPolicy", owned(bucketARN, acctA), "resourcePolicy", denyAll), "ALLOW", "", ""},
		{"root lists no bucket whose policy denies", with(rootA, "s3:ListBucket", owned(bucketARN, acctA), "resourcePolicy", denyAll), "DENY", "", ""},
		{"a user does not put that policy", with(alice, "s3:PutBucketPolicy", owned(bucketARN, acctA), "identityPolicies", list(allowAll), "resourcePolicy", denyAll), "DENY", "", ""},
		{"an SCP stops root", with(rootA, "s3:PutBucketPolicy", owned(bucketARN, acctA), "resourcePolicy", denyAll, "scps", [][]j{{allowList}}), "DENY", "", ""},
		{"an RCP stops root", with(rootA, "s3:PutBucketPolicy", owned(bucketARN, acctA), "rcps", [][]j{{denyAll}}), "DENY", "", ""},
		{"an endpoint stops root", with(rootA, "s3:PutBucketPolicy", owned(bucketARN, acctA), "endpointPolicies", list(policyOf(says("Allow", "s3:List*", "*", "Principal", "*")))), "DENY", "", ""},
		{"root of another account", with(rootB, "s3:PutBucketPolicy", owned(bucketARN, acctA), "resourcePolicy", denyAll), "DENY", "", ""},

		{"public, anonymous", get("anonymous", "resourcePolicy", open), "ALLOW", "", ""},
		{"public, anonymous, blocked", get("anonymous", "resourcePolicy", open, "blockPublicAccess", true), "DENY", "Block Public Access", ""},
		{"not blocked", get("anonymous", "resourcePolicy", open, "blockPublicAccess", false), "ALLOW", "", ""},
		{"public, another account, blocked", get(bob, "identityPolicies", list(allowGet), "resourcePolicy", open, "blockPublicAccess", true), "DENY", "Block Public Access", ""},
		{"public, the account, blocked", get(alice, "resourcePolicy", open, "blockPublicAccess", true), "ALLOW", "", ""},
		{"public, a service, blocked", get(logs, "resourcePolicy", open, "blockPublicAccess", true), "ALLOW", "", ""},
		{"non-public statement of a public policy, blocked", get(bob, "identityPolicies", list(allowGet), "resourcePolicy",
			policyOf(says("Allow", "s3:GetObject", bucketARN+"/*", "Principal", byAWS(bob)), says("Allow", "s3:ListBucket", bucketARN, "Principal", "*")), "blockPublicAccess", true), "DENY", "", ""},
		{"not public, another account", get(bob, "identityPolicies", list(allowGet), "resourcePolicy", bucketPolicy(byAWS(bob)), "blockPublicAccess", true), "ALLOW", "", ""},
		{"everyone from fixed addresses", get("anonymous", "resourcePolicy", bucketPolicy("*", "Condition", j{"IpAddress": j{"aws:SourceIp": "203.0.113.0/24"}}), "blockPublicAccess", true,
			"context", j{"aws:SourceIp": "203.0.113.9"}), "ALLOW", "", ""},
		{"everyone from a wide range", get("anonymous", "resourcePolicy", bucketPolicy("*", "Condition", j{"IpAddress": j{"aws:SourceIp": "203.0.0.0/7"}}), "blockPublicAccess", true,
			"context", j{"aws:SourceIp": "203.0.113.9"}), "DENY", "", ""},
		{"everyone of an organization", get(bob, "identityPolicies", list(allowGet), "resourcePolicy", bucketPolicy("*", "Condition", j{"StringEquals": j{"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}), "blockPublicAccess", true,
			"context", j{"aws:PrincipalOrgID": "o-a1b2c3d4e5"}), "ALLOW", "", ""},
		{"everyone with a kind of ID", get(bob, "identityPolicies", list(allowGet), "resourcePolicy", bucketPolicy("*", "Condition", j{"StringLike": j{"aws:PrincipalOrgID": "o-*"}}), "blockPublicAccess", true,
			"context", j{"aws:PrincipalOrgID": "o-a1b2c3d4e5"}), "DENY", "", ""},

		{"NotPrincipal lists user and account", get(alice, "identityPolicies", list(allowGet), "resourcePolicy", except(alice, rootA)), "ALLOW", "", ""},
		{"NotPrincipal lists the user only", get(alice, "identityPolicies", list(allowGet), "resourcePolicy", except(alice)), "DENY", "explicit deny in the resource-based policy", ""},
		{"NotPrincipal lists another user", get(alice, "identityPolicies", list(allowGet), "resourcePolicy", except(bob, rootB)), "DENY", "", ""},
		{"NotPrincipal lists session, role and account", get(reader, "identityPolicies", list(allowGet), "resourcePolicy", except(reader, readerR, rootA)), "ALLOW", "", ""},
		{"NotPrincipal lists role and account", get(reader, "identityPolicies", list(allowGet), "resourcePolicy", except(readerR, rootA)), "DENY", "", ""},
		{"NotPrincipal denies whoever has a boundary", get(alice, "identityPolicies", list(allowGet), "permissionBoundary", allowAll, "resourcePolicy", except(alice, rootA)), "DENY", "", ""},
		{"NotPrincipal denies the anonymous", get("anonymous", "resourcePolicy", policyOf(says("Allow", "s3:*", bucketARN+"/*", "Principal", "*"), says("Deny", "s3:*", bucketARN+"/*", "NotPrincipal", byAWS(alice, rootA)))), "DENY", "", ""},
	})
}

// Conditions, one operator after the other, in an Allow.
//
// Sources: IAM User Guide, "IAM JSON policy elements: Condition operators", "Set
// operators for multivalued context keys" and "IAM policy elements: Variables and
// tags".
func TestSimulateConditions(t *testing.T) {
	type v = []any
	tests := []struct {
		operator string
		key      string
		values   any
		context  any // value of the key; nil if the request lacks it
		want     bool
	}{
		{"StringEquals", "s3:prefix", "a", "a", true},
		{"StringEquals", "s3:prefix", "a", "A", false},
		{"StringEquals", "s3:prefix", "a*", "ab", false},
		{"StringEquals", "s3:prefix", v{"a", "b"}, "b", true},
		{"StringEquals", "s3:prefix", "a", nil, false},
		{"StringEquals", "S3:PREFIX", "a", "a", true},
		{"StringEqualsIfExists", "s3:prefix", "a", nil, true},
		{"StringEqualsIfExists", "s3:prefix", "a", "b", false},
		{"StringNotEquals", "s3:prefix", "a", "b", true},
		{"StringNotEquals", "s3:prefix", "a", "a", false},
		{"StringNotEquals", "s3:prefix", "a", nil, true},
		{"StringNotEquals", "s3:prefix", v{"a", "b"}, "b", false},
		{"StringNotEquals", "s3:prefix", v{"a", "b"}, "c", true},
		{"StringNotEqualsIfExists", "s3:prefix", "a", nil, true},
		{"StringNotEqualsIfExists", "s3:prefix", "a", "a", false},
		{"StringEqualsIgnoreCase", "s3:prefix", "aB", "Ab", true},
		{"StringEqualsIgnoreCase", "s3:prefix", "ab", "abc", false},
		{"StringNotEqualsIgnoreCase", "s3:prefix", "aB", "Ab", false},
		{"StringNotEqualsIgnoreCase", "s3:prefix", "aB", nil, true},
		{"StringLike", "s3:prefix", "home/*", "home/a/b", true},
		{"StringLike", "s3:prefix", "h?me", "home", true},
		{"StringLike", "s3:prefix", "h?me", "hme", false},
		{"StringLike", "s3:prefix", "home/*", "HOME/a", false},
		{"StringLike", "s3:prefix", "*", nil, false},
		{"StringLike", "s3:prefix", "*", "", true},
		{"StringNotLike", "s3:prefix", "home/*", "home/a", false},
		{"StringNotLike", "s3:prefix", "home/*", "else", true},
		{"StringNotLike", "s3:prefix", "home/*", nil, true},
		{"NumericEquals", "s3:max-keys", "10", "10", true},
		{"NumericEquals", "s3:max-keys", "10", "10.0", true},
		{"NumericEquals", "s3:max-keys", "10", 10, true},
		{"NumericEquals", "s3:max-keys", 10, "10", true},
		{"NumericEquals", "s3:max-keys", "10", "11", false},
		{"NumericEquals", "s3:max-keys", "10", "ten", false},
		{"NumericEquals", "s3:max-keys", "10", nil, false},
		{"NumericNotEquals", "s3:max-keys", "10", "11", true},
		{"NumericNotEquals", "s3:max-keys", "10", "10", false},
		{"NumericNotEquals", "s3:max-keys", "10", nil, true},
		{"NumericLessThan", "s3:max-keys", "10", "9.5", true},
		{"NumericLessThan", "s3:max-keys", "10", "10", false},
		{"NumericLessThan", "s3:max-keys", "9", "10", false},
		{"NumericLessThanEquals", "s3:max-keys", "10", "10", true},
		{"NumericLessThanEquals", "s3:max-keys", "10", "100", false},
		{"NumericGreaterThan", "s3:max-keys", "9", "10", true},
		{"NumericGreaterThan", "s3:max-keys", "10", "10", false},
		{"NumericGreaterThanEquals", "s3:max-keys", "10", "10", true},
		{"NumericGreaterThanEquals", "s3:max-keys", "10", nil, false},
		{"DateEquals", "aws:CurrentTime", "2026-11-21T12:00:00Z", "2026-11-21T13:00:00+01:00", true},
		{"DateNotEquals", "aws:CurrentTime", "2026-11-21T12:00:00Z", "2026-11-21T12:00:00Z", false},
		{"DateLessThan", "aws:CurrentTime", "2026-11-21T12:00:00Z", "2026-11-21T11:59:59Z", true},
		{"DateLessThan", "aws:CurrentTime", "2026-11-21T12:00:00Z", "2026-11-21T12:00:00Z", false},
		{"DateLessThanEquals", "aws:CurrentTime", "2026-11-21T12:00:00Z", "2026-11-21T12:00:00Z", true},
		{"DateGreaterThan", "aws:CurrentTime", "2026-11-21", "2026-11-21T00:00:01Z", true},
		{"DateGreaterThan", "aws:CurrentTime", "2099-01-01T00:00:00Z", nil, false},
		{"DateGreaterThan", "aws:CurrentTime", "2020-01-01T00:00:00Z", nil, true}, // the time of now
		{"NumericGreaterThan", "aws:EpochTime", "1577836800", nil, true},
		{"DateGreaterThanEquals", "aws:TokenIssueTime", "2020-01-01T00:00:00Z", nil, false},
		{"DateGreaterThanEquals", "aws:TokenIssueTime", "2020-01-01T00:00:00Z", "2020-01-01T00:00:00Z", true},
		{"DateLessThan", "aws:EpochTime", "1795262400", "1795262399", true},
		{"Bool", "aws:SecureTransport", "true", "true", true},
		{"Bool", "aws:SecureTransport", "true", true, true},
		{"Bool", "aws:SecureTransport", true, "true", true},
		{"Bool", "aws:SecureTransport", "true", "false", false},
		{"Bool", "aws:SecureTransport", "false", nil, false},
		{"BoolIfExists", "aws:SecureTransport", "false", nil, true},
		{"BinaryEquals", "coffer:Digest", "QUJD", "QUJD", true},
		{"BinaryEquals", "coffer:Digest", "QUJD", "QUJE", false},
		{"IpAddress", "aws:SourceIp", "203.0.113.0/24", "203.0.113.9", true},
		{"IpAddress", "aws:SourceIp", "203.0.113.0/24", "203.0.114.9", false},
		{"IpAddress", "aws:SourceIp", "203.0.113.9", "203.0.113.9", true},
		{"IpAddress", "aws:SourceIp", v{"203.0.113.0/24", "2001:db8::/32"}, "2001:db8::1", true},
		{"IpAddress", "aws:SourceIp", "2001:db8::/32", "2001:db9::1", false},
		{"IpAddress", "aws:SourceIp", "203.0.113.0/24", nil, false},
		{"NotIpAddress", "aws:SourceIp", "203.0.113.0/24", "203.0.113.9", false},
		{"NotIpAddress", "aws:SourceIp", "203.0.113.0/24", "198.51.100.1", true},
		{"NotIpAddress", "aws:SourceIp", "203.0.113.0/24", nil, true},
		{"NotIpAddressIfExists", "aws:SourceIp", "203.0.113.0/24", nil, true},
		{"ArnEquals", "aws:SourceArn", "arn:aws:sns:us-east-1:111122223333:t", "arn:aws:sns:us-east-1:111122223333:t", true},
		{"ArnEquals", "aws:SourceArn", "arn:aws:sns:*:111122223333:*", "arn:aws:sns:us-east-1:111122223333:t", true},
		{"ArnLike", "aws:SourceArn", "arn:aws:sns:*:111122223333:t", "arn:aws:sns:us-east-1:999999999999:x:111122223333:t", false},
		{"ArnLike", "aws:SourceArn", "arn:aws:sns:us-east-1:111122223333:*", "arn:aws:sns:us-east-1:111122223333:a:b/c", true},
		{"ArnLike", "aws:SourceArn", "arn:aws:sns:*:*:*", nil, false},
		{"ArnNotEquals", "aws:SourceArn", "arn:aws:sns:*:*:t", "arn:aws:sns:us-east-1:111122223333:t", false},
		{"ArnNotLike", "aws:SourceArn", "arn:aws:sns:*:*:t", "arn:aws:sns:us-east-1:111122223333:u", true},
		{"ArnNotLike", "aws:SourceArn", "arn:aws:sns:*:*:t", nil, true},
		{"Null", "s3:prefix", "true", nil, true},
		{"Null", "s3:prefix", "true", "a", false},
		{"Null", "s3:prefix", "false", "a", true},
		{"Null", "s3:prefix", "false", nil, false},
		{"Null", "aws:TagKeys", "true", v{}, true},
		{"ForAllValues:StringEquals", "aws:TagKeys", v{"a", "b"}, v{"a", "b"}, true},
		{"ForAllValues:StringEquals", "aws:TagKeys", v{"a", "b"}, v{"a", "c"}, false},
		{"ForAllValues:StringEquals", "aws:TagKeys", v{"a", "b"}, v{}, true},
		{"ForAllValues:StringEquals", "aws:TagKeys", v{"a", "b"}, nil, true},
		{"ForAllValues:StringEquals", "aws:TagKeys", v{"a", "b"}, "a", true},
		{"ForAllValues:StringNotEquals", "aws:TagKeys", v{"a", "b"}, v{"c", "d"}, true},
		{"ForAllValues:StringNotEquals", "aws:TagKeys", v{"a", "b"}, v{"c", "a"}, false},
		{"ForAllValues:StringNotEquals", "aws:TagKeys", v{"a", "b"}, nil, true},
		{"ForAllValues:StringLike", "aws:TagKeys", "team-*", v{"team-a", "team-b"}, true},
		{"ForAnyValue:StringEquals", "aws:TagKeys", v{"a", "b"}, v{"c", "b"}, true},
		{"ForAnyValue:StringEquals", "aws:TagKeys", v{"a", "b"}, v{"c"}, false},
		{"ForAnyValue:StringEquals", "aws:TagKeys", v{"a", "b"}, v{}, false},
		{"ForAnyValue:StringEquals", "aws:TagKeys", v{"a", "b"}, nil, false},
		{"ForAnyValue:StringNotEquals", "aws:TagKeys", v{"a", "b"}, v{"a", "c"}, true},
		{"ForAnyValue:StringNotEquals", "aws:TagKeys", v{"a", "b"}, v{"a", "b"}, false},
		{"ForAnyValue:StringNotEquals", "aws:TagKeys", v{"a", "b"}, nil, false},
		{"ForAllValues:StringEqualsIfExists", "aws:TagKeys", "a", nil, true},
		{"ForAnyValue:StringEqualsIfExists", "aws:TagKeys", "a", nil, true},

		{"StringEquals", "s3:prefix", "${aws:username}", "alice", true},
		{"StringEquals", "s3:prefix", "${aws:username}", "bob", false},
		{"StringLike", "s3:prefix", "home/${aws:username}/*", "home/alice/x", true},
		{"StringEquals", "s3:prefix", "${aws:PrincipalTag/team}", "red", false},
		{"StringNotEquals", "s3:prefix", "${aws:PrincipalTag/team}", "red", true},
		{"StringEquals", "s3:prefix", "${aws:PrincipalTag/team, 'red'}", "red", true},
		{"StringLike", "s3:prefix", "a${*}b", "a*b", true},
		{"StringLike", "s3:prefix", "a${*}b", "axb", false},
		{"StringEquals", "s3:prefix", "a${?}", "a?", true},
		{"StringEquals", "s3:prefix", "${$}{x}", "${x}", true},

		{"StringEquals", "aws:PrincipalArn", alice, nil, true},
		{"StringEquals", "aws:PrincipalAccount", acctA, nil, true},
		{"StringEquals", "aws:PrincipalType", "User", nil, true},
		{"StringEquals", "aws:username", "alice", nil, true},
		{"StringEquals", "aws:username", "alice", "carol", false}, // what the case has counts
		{"Bool", "aws:PrincipalIsAWSService", "false", nil, true},
		{"Null", "aws:PrincipalServiceName", "true", nil, true},
		{"Null", "aws:SecureTransport", "true", nil, true},
		{"Null", "aws:ViaAWSService", "true", nil, true},
	}
	var cases []decided
	for _, tt := range tests {
		c := with(alice, "s3:GetObject", objectARN, "identityPolicies", list(policyOf(says("Allow", "s3:*", "*", "Condition", j{tt.operator: j{tt.key: tt.values}}))))
		if tt.context != nil {
			c["request"].(j)["context"] = j{strings.ToLower(tt.key): tt.context}
		}
		cases = append(cases, decided{name: fmt.Sprintf("%s %s %v of %v", tt.operator, tt.key, tt.values, tt.context), c: c, want: map[bool]string{true: "ALLOW", false: "DENY"}[tt.want]})
	}
	get := func(context j, conditions j) j {
		return with(alice, "s3:GetObject", objectARN, "context", context, "identityPolicies", list(policyOf(says("Allow", "s3:*", "*", "Condition", conditions))))
	}
	old := policyOf(says("Allow", "s3:*", "arn:aws:s3:::tour/${aws:username}/*"))
	old["Version"] = "2008-10-17"
	cases = append(cases,
		decided{name: "all operators must hold", c: get(j{"a:x": "1", "a:y": "2"}, j{"StringEquals": j{"a:x": "1"}, "StringLike": j{"a:y": "3*"}}), want: "DENY"},
		decided{name: "all keys must hold", c: get(j{"a:x": "1", "a:y": "2"}, j{"StringEquals": j{"a:x": "1", "a:y": "3"}}), want: "DENY"},
		decided{name: "all hold", c: get(j{"A:X": "1", "a:Y": "2"}, j{"StringEquals": j{"a:x": "1"}, "StringLike": j{"a:y": "2*"}}), want: "ALLOW"},
		decided{name: "a variable in a resource", c: with(alice, "s3:GetObject", "arn:aws:s3:::tour/alice/x", "identityPolicies", list(policyOf(says("Allow", "s3:*", "arn:aws:s3:::tour/${aws:username}/*")))), want: "ALLOW"},
		decided{name: "and not of another user", c: with(alice, "s3:GetObject", "arn:aws:s3:::tour/bob/x", "identityPolicies", list(policyOf(says("Allow", "s3:*", "arn:aws:s3:::tour/${aws:username}/*")))), want: "DENY"},
		decided{name: "a variable that is not there", c: with(reader, "s3:GetObject", "arn:aws:s3:::tour/x/x", "identityPolicies", list(policyOf(says("Allow", "s3:*", "arn:aws:s3:::tour/${aws:username}/*")))), want: "DENY"},
		decided{name: "no variables in version 2008-10-17", c: with(alice, "s3:GetObject", "arn:aws:s3:::tour/alice/x", "identityPolicies", list(old)), want: "DENY"},
		decided{name: "a star in a value is no wildcard", c: with(alice, "s3:GetObject", "arn:aws:s3:::tour/bob/x", "context", j{"aws:PrincipalTag/d": "*"}, "identityPolicies", list(policyOf(says("Allow", "s3:*", "arn:aws:s3:::tour/${aws:PrincipalTag/d}/*")))), want: "DENY"},
		decided{name: "and matches itself", c: with(alice, "s3:GetObject", "arn:aws:s3:::tour/*/x", "context", j{"aws:PrincipalTag/d": "*"}, "identityPolicies", list(policyOf(says("Allow", "s3:*", "arn:aws:s3:::tour/${aws:PrincipalTag/d}/*")))), want: "ALLOW"},
		decided{name: "the role's ARN is the session's principal", c: with(reader, "s3:GetObject", objectARN, "context", j{"aws:PrincipalArn": readerR}, "resourcePolicy", bucketPolicy("*", "Condition", j{"ArnEquals": j{"aws:PrincipalArn": readerR}})), want: "ALLOW"},
		decided{name: "without its path", c: with(reader, "s3:GetObject", objectARN, "resourcePolicy", bucketPolicy("*", "Condition", j{"ArnEquals": j{"aws:PrincipalArn": "arn:aws:iam::" + acctA + ":role/reader"}})), want: "ALLOW"},
		decided{name: "the anonymous have no ARN", c: with("anonymous", "s3:GetObject", objectARN, "resourcePolicy", bucketPolicy("*", "Condition", j{"ArnLike": j{"aws:PrincipalArn": "arn:aws:iam::*:*"}})), want: "DENY"},
		decided{name: "the anonymous have a type", c: with("anonymous", "s3:GetObject", objectARN, "resourcePolicy", bucketPolicy("*", "Condition", j{"StringEquals": j{"aws:PrincipalType": "Anonymous", "aws:userid": "anonymous", "aws:PrincipalAccount": "anonymous"}})), want: "ALLOW"},
		decided{name: "a service has a name", c: with(logs, "s3:GetObject", objectARN, "resourcePolicy", bucketPolicy(j{"Service": logs}, "Condition", j{"StringEquals": j{"aws:PrincipalServiceName": logs}, "Bool": j{"aws:PrincipalIsAWSService": "true"}})), want: "ALLOW"},
		decided{name: "root has its account's ID", c: with(rootA, "s3:GetObject", objectARN, "resourcePolicy", policyOf(says("Deny", "s3:*", "*", "Principal", "*", "Condition", j{"StringEquals": j{"aws:userid": acctA, "aws:PrincipalType": "Account"}}))), want: "DENY"},
		decided{name: "a federated user has its name", c: with(guest, "s3:GetObject", objectARN, "resourcePolicy", bucketPolicy("*", "Condition", j{"StringEquals": j{"aws:userid": acctA + ":guest", "aws:PrincipalType": "FederatedUser"}})), want: "ALLOW"},
		decided{name: "one time tells the other", c: with(alice, "s3:GetObject", objectARN, "context", j{"aws:CurrentTime": "2020-01-01T00:00:00Z"}, "identityPolicies", list(policyOf(says("Allow", "s3:*", "*", "Condition", j{"NumericEquals": j{"aws:EpochTime": "1577836800"}})))), want: "ALLOW"},
		decided{name: "and back", c: with(alice, "s3:GetObject", objectARN, "context", j{"aws:EpochTime": 1577836800}, "identityPolicies", list(policyOf(says("Allow", "s3:*", "*", "Condition", j{"DateEquals": j{"aws:CurrentTime": "2020-01-01T00:00:00Z"}})))), want: "ALLOW"},
		decided{name: "Deny where TLS is missing", c: with(alice, "s3:GetObject", objectARN, "identityPolicies", list(allowGet), "context", j{"aws:SecureTransport": false}, "resourcePolicy",
			policyOf(says("Deny", "s3:*", "*", "Principal", "*", "Condition", j{"Bool": j{"aws:SecureTransport": "false"}}))), want: "DENY"},
	)
	check(t, cases)
}

// Lines that are no case answer ERROR, with their id if they have one.
func TestSimulateErrors(t *testing.T) {
	const request = `"request":{"principal":"` + alice + `","action":"s3:GetObject","resource":"` + objectARN + `"}`
	pol := func(s string) string { return `{"id":1,` + request + `,"identityPolicies":[` + s + `]}` }
	tests := []struct {
		name, line string
		id         any
		reason     string // a part of it
	}{
		{"empty", ``, nil, "not an object"},
		{"blanks", "  \t", nil, "not an object"},
		{"text", `hello`, nil, "not an object"},
		{"a list", `[]`, nil, "not an object"},
		{"cut", `{"id":1,` + request, nil, "not JSON"},
		{"more behind it", `{"id":1,` + request + `} x`, nil, "not JSON"},
		{"a comma too many", `{"id":1,` + request + `,}`, nil, ""},
		{"a comma too few", `{"id":1 ` + request + `}`, nil, "not JSON"},
		{"a control character", "{\"id\":1,\"x\x01\":1," + request + `}`, nil, "not JSON"},
		{"not UTF-8", "{\"id\":1," + `"request":{"principal":"` + "\xff" + `","action":"s3:GetObject","resource":"*"}}`, 1.0, "not JSON"},
		{"no request", `{"id":1}`, 1.0, "the case has no request"},
		{"request is null", `{"id":1,"request":null}`, 1.0, "request: not an object"},
		{"request is empty", `{"id":1,"request":{}}`, 1.0, "request: it needs principal, action and resource"},
		{"no principal", `{"id":1,"request":{"action":"s3:GetObject","resource":"*"}}`, 1.0, "it needs principal"},
		{"no action", `{"id":1,"request":{"principal":"anonymous","resource":"*"}}`, 1.0, "it needs principal"},
		{"no resource", `{"id":1,"request":{"principal":"anonymous","action":"s3:GetObject"}}`, 1.0, "it needs principal"},
		{"unknown member", `{"id":1,` + request + `,"identityPolicy":[]}`, 1.0, `no member is called "identityPolicy"`},
		{"unknown member before the id", `{"what":{},` + request + `,"id":"z"}`, "z", `no member is called "what"`},
		{"member in another letter case", `{"id":1,"Request":{}}`, 1.0, `no member is called "Request"`},
		{"unknown member of the request", `{"id":1,"request":{"principal":"anonymous","action":"s3:GetObject","resource":"*","region":"x"}}`, 1.0, `no member is called "region"`},
		{"a member twice", `{"id":1,` + request + `,` + request + `}`, 1.0, `"request" twice`},
		{"an id twice", `{"id":1,"id":2,` + request + `}`, nil, `"id" twice`},
		{"an id that is an object", `{"id":{},` + request + `}`, nil, "id: it is neither a string nor a number"},
		{"an id that is true", `{"id":true,` + request + `}`, nil, "id: it is neither a string nor a number"},
		{"principal of no kind", `{"id":1,"request":{"principal":"alice","action":"s3:GetObject","resource":"*"}}`, 1.0, "principal: it is none of"},
		{"principal of a group", `{"id":1,"request":{"principal":"arn:aws:iam::111122223333:group/g","action":"s3:GetObject","resource":"*"}}`, 1.0, "principal: it is none of"},
		{"principal with a wildcard", `{"id":1,"request":{"principal":"arn:aws:iam::111122223333:user/*","action":"s3:GetObject","resource":"*"}}`, 1.0, "principal: it is none of"},
		{"principal without an account", `{"id":1,"request":{"principal":"arn:aws:iam:::user/x","action":"s3:GetObject","resource":"*"}}`, 1.0, "principal: it is none of"},
		{"principal that is an object", `{"id":1,"request":{"principal":{"AWS":"x"},"action":"s3:GetObject","resource":"*"}}`, 1.0, "principal: not a string"},
		{"action without a service", `{"id":1,"request":{"principal":"anonymous","action":"GetObject","resource":"*"}}`, 1.0, "action: it reads like"},
		{"action with a wildcard", `{"id":1,"request":{"principal":"anonymous","action":"s3:*","resource":"*"}}`, 1.0, "action: it reads like"},
		{"resource that is no ARN", `{"id":1,"request":{"principal":"anonymous","action":"s3:GetObject","resource":"tour"}}`, 1.0, "resource: it is neither an ARN nor"},
		{"resource without an ARN", `{"id":1,"request":{"principal":"anonymous","action":"s3:GetObject","resource":{"accountId":"111122223333"}}}`, 1.0, "resource: it has no resource"},
		{"owner that is no account", `{"id":1,"request":{"principal":"anonymous","action":"s3:GetObject","resource":{"resource":"*","accountId":"12"}}}`, 1.0, "an account has 12 digits"},
		{"two owners", `{"id":1,"request":{"principal":"anonymous","action":"kms:Decrypt","resource":{"resource":"` + keyARN + `","accountId":"444455556666"}}}`, 1.0, "different accounts"},
		{"a key twice", `{"id":1,"request":{"principal":"anonymous","action":"s3:GetObject","resource":"*","context":{"s3:prefix":"a","S3:Prefix":"a"}}}`, 1.0, `"S3:Prefix" twice`},
		{"a value that is an object", `{"id":1,"request":{"principal":"anonymous","action":"s3:GetObject","resource":"*","context":{"s3:prefix":{}}}}`, 1.0, "a value is a string"},
		{"a value that is null", `{"id":1,"request":{"principal":"anonymous","action":"s3:GetObject","resource":"*","context":{"s3:prefix":null}}}`, 1.0, "a value is a string"},
		{"a list in a list", `{"id":1,"request":{"principal":"anonymous","action":"s3:GetObject","resource":"*","context":{"s3:prefix":[["a"]]}}}`, 1.0, "a value is a string"},
		{"a context that is a list", `{"id":1,"request":{"principal":"anonymous","action":"s3:GetObject","resource":"*","context":[]}}`, 1.0, "context: not an object"},
		{"policies that are no list", `{"id":1,` + request + `,"identityPolicies":{}}`, 1.0, "identityPolicies: not a list"},
		{"a policy in a string", pol(`"{}"`), 1.0, "identityPolicies[0]: a policy is an object"},
		{"a policy that is null", pol(`null`), 1.0, "identityPolicies[0]: a policy is an object"},
		{"an empty policy", pol(`{}`), 1.0, "identityPolicies[0]: "},
		{"unknown element", pol(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*","Remark":"x"}}`), 1.0, "Remark"},
		{"unknown operator", pol(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringResembles":{"a:b":"c"}}}}`), 1.0, "StringResembles"},
		{"unknown version", pol(`{"Version":"2026-01-01","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`), 1.0, "identityPolicies[0]: "},
		{"unknown effect", pol(`{"Version":"2012-10-17","Statement":{"Effect":"allow","Action":"*","Resource":"*"}}`), 1.0, "identityPolicies[0]: "},
		{"no effect", pol(`{"Version":"2012-10-17","Statement":{"Action":"*","Resource":"*"}}`), 1.0, "identityPolicies[0]: "},
		{"no action in a policy", pol(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Resource":"*"}}`), 1.0, "identityPolicies[0]: "},
		{"an element twice", pol(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Effect":"Deny","Action":"*","Resource":"*"}}`), 1.0, "identityPolicies[0]: "},
		{"Principal in an identity policy", pol(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}}`), 1.0, "identityPolicies[0]: "},
		{"NotPrincipal with Allow", `{"id":1,` + request + `,"resourcePolicy":{"Version":"2012-10-17","Statement":{"Effect":"Allow","NotPrincipal":{"AWS":"111122223333"},"Action":"s3:*","Resource":"*"}}}`, 1.0, "resourcePolicy: "},
		{"no Principal in a resource policy", `{"id":1,` + request + `,"resourcePolicy":{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}}`, 1.0, "resourcePolicy: "},
		{"a wildcard in a principal's ARN", `{"id":1,` + request + `,"resourcePolicy":{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/*"},"Action":"s3:*","Resource":"*"}}}`, 1.0, "resourcePolicy: "},
		{"a list of SCPs without levels", `{"id":1,` + request + `,"scps":[{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}]}`, 1.0, "scps[0]: not a list"},
		{"a broken SCP of the second level", `{"id":1,` + request + `,"scps":[[],[{"Version":"2012-10-17"}]]}`, 1.0, "scps[1][0]: "},
		{"an RCP that allows a little", `{"id":1,` + request + `,"rcps":[[{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"}}]]}`, 1.0, "rcps[0][0]: "},
		{"a grant to nobody", `{"id":1,` + request + `,"grants":[{"operations":["Decrypt"]}]}`, 1.0, "grants[0]: it needs one of"},
		{"a grant of nothing", `{"id":1,` + request + `,"grants":[{"granteePrincipal":"` + alice + `"}]}`, 1.0, "grants[0]: it has no operations"},
		{"a constraint that is not known", `{"id":1,` + request + `,"grants":[{"granteePrincipal":"` + alice + `","operations":["Decrypt"],"constraints":{"region":"x"}}]}`, 1.0, "grants[0]: constraints: no member"},
		{"a grant with a member that decides nothing", `{"id":1,` + request + `,"grants":[{"granteePrincipal":"` + alice + `","operations":["Decrypt"],"name":"x"}]}`, 1.0, `grants[0]: no member is called "name"`},
		{"blockPublicAccess in a string", `{"id":1,` + request + `,"blockPublicAccess":"true"}`, 1.0, "blockPublicAccess: neither true nor false"},
		{"too deep", `{"id":1,` + request + `,"identityPolicies":[` + strings.Repeat(`{"Statement":`, 20_000) + strings.Repeat(`}`, 20_000) + `]}`, nil, ""},
	}
	var input strings.Builder
	for _, tt := range tests {
		input.WriteString(tt.line + "\n")
	}
	answers := run(t, input.String())
	if len(answers) != len(tests) {
		t.Fatalf("%d answers to %d lines", len(answers), len(tests))
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := answers[i]
			if got.Decision != "ERROR" || !strings.HasPrefix(got.Reason, "malformed case: ") || !strings.Contains(got.Reason, tt.reason) || len(got.Statements) > 0 || !reflect.DeepEqual(got.ID, tt.id) {
				t.Errorf("answer = %+v; want an ERROR of %v with %q", got, tt.id, tt.reason)
			}
		})
	}
}

func TestSimulateLines(t *testing.T) {
	const line = `{"id":"x","request":{"principal":"` + rootA + `","action":"s3:GetObject","resource":"` + objectARN + `"}}`
	long := `{"id":"` + strings.Repeat("y", 3<<20) + `","request":{"principal":"anonymous","action":"s3:GetObject","resource":"*"}}`
	tooLong := `{"id":"` + strings.Repeat("y", maxLine) + `"}`
	answers := run(t, strings.Join([]string{line, long, tooLong, line + "\r", line}, "\n"))
	want := []string{"ALLOW", "DENY", "ERROR", "ALLOW", "ALLOW"}
	if len(answers) != len(want) {
		t.Fatalf("%d answers; want %d", len(answers), len(want))
	}
	for i, a := range answers {
		if a.Decision != want[i] {
			t.Errorf("answer %d = %s (%s); want %s", i, a.Decision, a.Reason, want[i])
		}
	}
	if a := answers[1]; len(a.ID.(string)) != 3<<20 {
		t.Errorf("the long id came back with %d bytes", len(a.ID.(string)))
	}
	if a := answers[2]; a.ID != nil || !strings.Contains(a.Reason, "longer than 16 MiB") {
		t.Errorf("answer to a line that is too long = %.100v; want one that says so", a)
	}
	if len(run(t, "")) != 0 || len(run(t, line+"\n")) != 1 {
		t.Error("no line has an answer, or a newline at the end has one")
	}
}

// Answers do not wait for more input than they need.
func TestSimulateFlushes(t *testing.T) {
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	done := make(chan int, 1)
	go func() {
		done <- Main([]string{"simulate"}, inR, outW, io.Discard, func(string) string { return "" })
		outW.Close()
	}()
	buf := make([]byte, 4096)
	for range 3 {
		if _, err := inW.Write([]byte("{}\n")); err != nil {
			t.Fatal(err)
		}
		if n, err := outR.Read(buf); err != nil || !bytes.HasSuffix(buf[:n], []byte("}\n")) {
			t.Fatalf("answer = %q, %v; want one line", buf[:n], err)
		}
	}
	inW.Close()
	if code := <-done; code != 0 {
		t.Errorf("exit %d; want 0", code)
	}
}

func TestSimulateFails(t *testing.T) {
	var errs bytes.Buffer
	none := func(string) string { return "" }
	if code := Main([]string{"simulate"}, iotest.ErrReader(errors.New("the tape broke")), io.Discard, &errs, none); code != 3 || !strings.Contains(errs.String(), "the tape broke") {
		t.Errorf("broken input: exit %d, %s; want 3", code, &errs)
	}
	r, w := io.Pipe()
	r.Close()
	if code := Main([]string{"simulate"}, strings.NewReader("{}\n"), w, &errs, none); code != 3 {
		t.Errorf("closed output: exit %d; want 3", code)
	}
}

// The cache forgets, and cases do not leak into each other.
func TestSimulateForgets(t *testing.T) {
	sim := newSimulator(time.Now)
	open, _ := json.Marshal(with(alice, "s3:GetObject", objectARN, "identityPolicies", list(allowAll), "context", j{"a:b": "c"}, "blockPublicAccess", true, "scps", [][]j{{allowAll}}))
	bare, _ := json.Marshal(with(alice, "s3:GetObject", objectARN))
	for i := range 4 {
		if i == 2 {
			sim.cache.bytes = maxCached + 1
		}
		if got := string(sim.answer(nil, open, nil)); !strings.Contains(got, `"ALLOW"`) {
			t.Errorf("answer = %s; want ALLOW", got)
		}
		if got := string(sim.answer(nil, bare, nil)); !strings.Contains(got, `"DENY","reason":"no identity-based policy allows"`) {
			t.Errorf("answer = %s; want DENY", got)
		}
	}
}

func FuzzSimulate(f *testing.F) {
	for _, c := range []j{
		with(alice, "s3:GetObject", objectARN, "identityPolicies", list(allowGet), "context", j{"a:b": []string{"c"}}),
		with(reader, "kms:Decrypt", owned(keyARN, acctA), "resourcePolicy", keyRoot, "grants", []j{{"granteePrincipal": reader, "operations": []string{"Decrypt"}}}),
		with("anonymous", "s3:GetObject", objectARN, "resourcePolicy", bucketPolicy("*"), "rcps", [][]j{{rcpFull}}, "scps", [][]j{{allowAll}}),
	} {
		b, _ := json.Marshal(c)
		f.Add(b)
	}
	f.Add([]byte(`{"id":"\u00e9\n"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		sim := newSimulator(time.Now)
		b := sim.answer(nil, line, nil)
		var a answer
		if err := json.Unmarshal(b, &a); err != nil || bytes.Count(b, []byte("\n")) != 1 {
			t.Fatalf("answer %q: %v; want one line of JSON", b, err)
		}
		if a.Decision != "ERROR" && !json.Valid(line) {
			t.Errorf("%q is no JSON and answers %s", line, a.Decision)
		}
	})
}

// The case on the page has the answer on the page, and every reason is there.
func TestSimulateIsDocumented(t *testing.T) {
	b, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(b), "\n## coffer simulate\n")
	section, _, _ = strings.Cut(section, "\n## ")
	block := func(after string) string {
		_, text, ok := strings.Cut(section, after+"\n\n")
		if !ok {
			t.Fatalf("docs/cli.md lacks the line %q", after)
		}
		text, _, _ = strings.Cut(text, "\n\n")
		return text
	}
	var line, want bytes.Buffer
	if err := errors.Join(json.Compact(&line, []byte(block("A line holds a case:"))), json.Compact(&want, []byte(block("The answer to it, on one line as well:")))); err != nil {
		t.Fatal(err)
	}
	sim := newSimulator(time.Now)
	if got := strings.TrimSpace(string(sim.answer(nil, line.Bytes(), nil))); got != want.String() {
		t.Errorf("answer to the case on the page = %s; want %s", got, &want)
	}
	documented := map[string]bool{}
	for line := range strings.Lines(block("Otherwise `reason` is one of:")) {
		documented[strings.TrimSpace(line)] = true
	}
	for _, m := range []map[policy.Layer]string{explicitDeny, allowedBy, notAllowedBy} {
		for layer, text := range m {
			if !documented[text] {
				t.Errorf("docs/cli.md lacks the reason %q, of %s", text, layer)
			}
		}
	}
	if len(documented) != 25 {
		t.Errorf("docs/cli.md has %d reasons; want 25", len(documented))
	}
}
