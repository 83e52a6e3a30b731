package policy_test

import (
	"fmt"
	"slices"
	"strings"

	"coffer/internal/policy"
)

// A chooser turns bytes into choices, so that both a random generator and a fuzzer
// can drive it. Without bytes left it makes the first choice.
type chooser struct{ bytes []byte }

func (c *chooser) next() (byte, bool) {
	if len(c.bytes) == 0 {
		return 0, false
	}
	b := c.bytes[0]
	c.bytes = c.bytes[1:]
	return b, true
}

// below returns a number from 0 to n-1.
func (c *chooser) below(n int) int {
	b, _ := c.next()
	return int(b) % n
}

// chance is true in about percent of a hundred cases.
func (c *chooser) chance(percent int) bool {
	b, ok := c.next()
	return ok && int(b)*100 < percent*256
}

func pick[T any](c *chooser, pool []T) T { return pool[c.below(len(pool))] }

const (
	accountA = "111122223333"
	accountB = "444455556666"
	orgID    = "o-a1b2c3d4e5"
)

// The principals that cases are about, the common ones several times.
var principals = func() []policy.Principal {
	alice := policy.Principal{Type: policy.User, Account: accountA, ARN: "arn:aws:iam::" + accountA + ":user/staff/alice", ID: "AIDAALICEAAAAAAAAAAAA"}
	bob := policy.Principal{Type: policy.User, Account: accountB, ARN: "arn:aws:iam::" + accountB + ":user/bob", ID: "AIDABOBAAAAAAAAAAAAAA"}
	reader := policy.Principal{Type: policy.Session, Account: accountA, ARN: "arn:aws:sts::" + accountA + ":assumed-role/reader/s1",
		Role: "arn:aws:iam::" + accountA + ":role/app/reader", ID: "AROAREADERAAAAAAAAAAA"}
	writer := policy.Principal{Type: policy.Session, Account: accountB, ARN: "arn:aws:sts::" + accountB + ":assumed-role/writer/s1",
		Role: "arn:aws:iam::" + accountB + ":role/writer", ID: "AROAWRITERAAAAAAAAAAA"}
	linked := policy.Principal{Type: policy.Session, Account: accountA, ARN: "arn:aws:sts::" + accountA + ":assumed-role/AWSServiceRoleForX/s1",
		Role: "arn:aws:iam::" + accountA + ":role/aws-service-role/x.amazonaws.com/AWSServiceRoleForX", ID: "AROALINKEDAAAAAAAAAAA", ServiceLinked: true}
	guest := policy.Principal{Type: policy.Federated, Account: accountA, ARN: "arn:aws:sts::" + accountA + ":federated-user/guest", User: alice.ARN, ID: alice.ID}
	rootGuest := policy.Principal{Type: policy.Federated, Account: accountA, ARN: "arn:aws:sts::" + accountA + ":federated-user/rg", User: "arn:aws:iam::" + accountA + ":root"}
	rootA := policy.Principal{Type: policy.Root, Account: accountA, ARN: "arn:aws:iam::" + accountA + ":root"}
	rootB := policy.Principal{Type: policy.Root, Account: accountB, ARN: "arn:aws:iam::" + accountB + ":root"}
	logging := policy.Principal{Type: policy.Service, Service: "logging.s3.amazonaws.com"}
	web := policy.Principal{Type: policy.WebIdentity, Provider: "arn:aws:iam::" + accountA + ":oidc-provider/id.example.com"}
	return []policy.Principal{alice, alice, alice, alice, bob, bob, reader, reader, reader, reader, writer, writer,
		linked, guest, guest, rootGuest, rootA, rootA, rootB, logging, {}, web}
}()

// A scene is a resource with its policy's kind and the actions on it.
type scene struct {
	resource string
	kind     policy.Kind // of the resource's policy; 0 if there never is one
	actions  []string
	patterns []string // for Action
	matching []string // for Resource
}

const (
	keyARN  = "arn:aws:kms:us-east-1:" + accountA + ":key/1234abcd-12ab-34cd-56ef-1234567890ab"
	roleARN = "arn:aws:iam::" + accountA + ":role/target"
)

var scenes = func() []scene {
	s3 := []string{"s3:*", "*", "s3:Get*", "S3:getobject", "s3:?etObject", "s3:PutObject", "s3:*Object", "s3:ListBucket", "s3:*BucketPolicy", "s3:Delete*"}
	object := scene{"arn:aws:s3:::tour/home/alice/a*b.txt", policy.KindBucket, []string{"s3:GetObject", "s3:GetObject", "s3:PutObject", "s3:DeleteObject"}, s3,
		[]string{"arn:aws:s3:::tour/*", "*", "arn:aws:s3:::*", "arn:aws:s3:::tour", "arn:aws:s3:::tour/home/${aws:username}/*", "arn:aws:s3:::tour/home/${aws:username, 'alice'}/a*",
			"arn:aws:s3:::tour/home/${aws:PrincipalTag/team}/*", "arn:aws:s3:::tour/h?me/*.txt", "arn:aws:s3:::tour/home/alice/a${*}b.txt", "arn:aws:s3:::tour/home/alice/a${?}b.txt", "arn:aws:s3:::Tour/*", "arn:aws:s3:::tour/home/bob/*"}}
	bucket := scene{"arn:aws:s3:::tour", policy.KindBucket, []string{"s3:ListBucket", "s3:ListBucket", "s3:PutBucketPolicy", "s3:GetBucketPolicy", "s3:DeleteBucketPolicy"}, s3,
		[]string{"arn:aws:s3:::tour", "*", "arn:aws:s3:::*", "arn:aws:s3:::tour/*", "arn:aws:s3:::t*", "arn:aws:s3:::${s3:prefix}", "arn:aws:s3:::${aws:PrincipalTag/team, 'tour'}"}}
	none := scene{"*", 0, []string{"s3:ListAllMyBuckets", "kms:ListKeys", "kms:CreateKey"}, append([]string{"kms:*", "kms:List*"}, s3...), []string{"*", "arn:aws:s3:::*", "arn:aws:kms:*"}}
	kms := []string{"kms:*", "kms:*", "kms:Decrypt", "KMS:DECRYPT", "kms:GenerateDataKey*", "kms:De*", "kms:Encrypt", "*", "kms:RetireGrant"}
	key := scene{keyARN, policy.KindKey, []string{"kms:Decrypt", "kms:Decrypt", "kms:GenerateDataKey", "kms:RetireGrant", "kms:CreateGrant"}, kms,
		[]string{"*", "*", keyARN, "arn:aws:kms:*:" + accountA + ":key/*", "arn:aws:kms:us*1:" + accountA + ":key/*", "arn:aws:kms:us*east-1:" + accountA + ":key/1*", "arn:aws:kms:us-e?st-1:11*33:key/*", "arn:aws:kms:u*3333:key/*:key/*", "arn:aws:kms:us?*:*", "arn:aws:kms:us-east-1:" + accountB + ":key/*", "arn:aws:kms:us-east-1:" + accountA + ":key/${aws:PrincipalTag/team}"}}
	role := scene{roleARN, policy.KindTrust, []string{"sts:AssumeRole", "sts:AssumeRole", "sts:TagSession"}, []string{"sts:AssumeRole", "sts:*", "sts:Assume*", "sts:TagSession"},
		[]string{"*", roleARN, "arn:aws:iam::" + accountA + ":role/*", "arn:aws:iam::*:role/target", "arn:aws:iam::" + accountB + ":role/*"}}
	queue := scene{"arn:aws:sqs:us-east-1:" + accountA + ":jobs", policy.KindResource, []string{"sqs:SendMessage"}, []string{"sqs:*", "sqs:SendMessage", "sqs:Send*", "SQS:sendmessage", "sqs:Receive*"},
		[]string{"*", "arn:aws:sqs:us-east-1:" + accountA + ":jobs", "arn:aws:sqs:*:*:jobs", "arn:aws:sqs:us-east-1:" + accountA + ":other"}}
	return []scene{object, object, object, object, bucket, bucket, none, key, key, key, key, role, role, queue}
}()

// The condition keys, with values of which some match what conditions ask.
var keyValues = []struct {
	key    string
	values []string
}{
	{"aws:username", []string{"alice", "bob", "*", "Alice"}},
	{"aws:PrincipalTag/team", []string{"red", "blue", "*", "r*d", "alice"}},
	{"aws:SourceIp", []string{"203.0.113.7", "10.1.2.3", "2001:db8::5", "no address"}},
	{"aws:SecureTransport", []string{"true", "false", "TRUE"}},
	{"aws:CurrentTime", []string{"2026-11-21T12:00:00Z", "2026-11-21T12:00:00+01:00", "2020-01-01T00:00:00Z", "1795262400"}},
	{"s3:prefix", []string{"home/alice", "home/", "tour", "x:y"}},
	{"s3:max-keys", []string{"10", "100", "7.5", "many", "10.0"}},
	{"aws:TagKeys", []string{"a", "b", "c"}},
	{"aws:PrincipalOrgID", []string{orgID, "o-zzzzzzzzzz"}},
	{"aws:PrincipalArn", []string{"arn:aws:iam::" + accountA + ":user/staff/alice", "arn:aws:iam::" + accountA + ":role/app/reader", "arn:aws:iam::" + accountB + ":role/writer"}},
	{"aws:SourceArn", []string{"arn:aws:s3:::tour", "arn:aws:sns:us-east-1:" + accountA + ":t:red", "tour", "arn:aws:iam::" + accountA + ":user/staff/alice"}},
	{"aws:SourceVpce", []string{"vpce-1", "vpce-2"}},
	{"coffer:Digest", []string{"QUJD", "QUJE", "!"}},
}

// values returns values for a condition with an operator.
func conditionPool(operator string) (keys, values []string) {
	switch {
	case strings.HasPrefix(operator, "Numeric"):
		return []string{"s3:max-keys"}, []string{"10", "50", "7.50", "100"}
	case strings.HasPrefix(operator, "Date"):
		return []string{"aws:CurrentTime"}, []string{"2026-11-21T12:00:00Z", "2026-11-21T11:00:00Z", "2026-11-21", "1795262400", "2021-06-01T00:00Z"}
	case operator == "Bool":
		return []string{"aws:SecureTransport"}, []string{"true", "false"}
	case strings.Contains(operator, "IpAddress"):
		return []string{"aws:SourceIp"}, []string{"203.0.113.0/24", "10.0.0.0/8", "203.0.113.7", "2001:db8::/32", "0.0.0.0/0", "2000::/3"}
	case strings.HasPrefix(operator, "Arn"):
		return []string{"aws:PrincipalArn", "aws:PrincipalArn", "aws:SourceArn", "aws:SourceArn", "s3:DataAccessPointArn"}, []string{"arn:aws:iam::" + accountA + ":user/staff/alice", "arn:aws:iam::" + accountA + ":*", "arn:aws:iam::*:role/*",
			"arn:aws:*:*:*:*", "*", "arn:aws:s3:::*", "arn:aws:s3:us-east-1:" + accountA + ":accesspoint/*", "arn:aws:sns:*:*:t", "arn:aws:sns:*:*:t:red", "arn:aws:iam::" + accountA + ":user/staff/${aws:username}", "arn:aws:s3:::${s3:prefix}"}
	case operator == "BinaryEquals":
		return []string{"coffer:Digest"}, []string{"QUJD", "QUJE"}
	case operator == "Null":
		return []string{"aws:username", "aws:TagKeys", "aws:SourceVpce", "s3:prefix", "s3:nothing"}, []string{"true", "false"}
	}
	return []string{"aws:username", "aws:PrincipalTag/team", "s3:prefix", "aws:TagKeys", "aws:PrincipalOrgID", "aws:SourceVpce", "aws:PrincipalTag/none", "aws:userid"},
		[]string{"alice", "red", "ALICE", "home/*", "home/${aws:username}", "a", "b", "?", "*", "${aws:PrincipalTag/team}", "${aws:PrincipalTag/none}", "${aws:PrincipalTag/none, 'red'}",
			orgID, "vpce-1", "r${*}d", "${aws:username}*", "tour", "${aws:TagKeys}"}
}

var operators = []string{"StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike", "StringNotLike", "StringEquals", "StringLike",
	"NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals", "NumericGreaterThan", "NumericGreaterThanEquals",
	"DateEquals", "DateNotEquals", "DateLessThan", "DateLessThanEquals", "DateGreaterThan", "DateGreaterThanEquals",
	"Bool", "Bool", "BinaryEquals", "IpAddress", "NotIpAddress", "ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike", "Null", "Null"}

// A drafter makes up inputs whose policies are not parsed yet.
type drafter struct {
	*chooser
	in    *policy.Input
	scene scene
}

// draft returns an input with policies that have no text: naiveDecide reads them
// as they are, and typed.parse makes the ones that Evaluate reads.
func draft(data []byte) *policy.Input {
	d := &drafter{chooser: &chooser{data}, in: new(policy.Input)}
	in := d.in
	d.scene = pick(d.chooser, scenes)
	in.Principal = pick(d.chooser, principals)
	in.Action = pick(d.chooser, d.scene.actions)
	in.Resource = d.scene.resource
	if in.Principal.Type == policy.WebIdentity {
		in.Action = "sts:AssumeRoleWithWebIdentity"
		d.scene = scenes[11]
		in.Resource = d.scene.resource
	}
	switch {
	case d.scene.resource == "*":
		in.Account = in.Principal.Account
	case strings.Contains(d.scene.resource, accountA) || d.chance(80):
		in.Account = accountA
	default:
		in.Account = accountB
	}
	in.Context = d.context()

	hasPolicies := in.Principal.Type == policy.User || in.Principal.Type == policy.Session || in.Principal.Type == policy.Federated
	if hasPolicies {
		if d.chance(80) {
			in.Identity = d.policies(policy.KindIdentity, 2)
		}
		if d.chance(45) {
			in.Boundary = &policy.Named{Name: "boundary", Policy: d.policy(policy.KindBoundary)}
			in.Principal.HasBoundary = true
		}
		if in.Principal.Type != policy.User && d.chance(50) {
			in.HasSession = true
			if d.chance(95) {
				in.Session = d.policies(policy.KindSession, 2)
			}
		}
	}
	if in.Principal.Account != "" && d.chance(25) {
		for range 1 + d.below(3) {
			in.SCPs = append(in.SCPs, d.policies(policy.KindSCP, 2))
		}
	}
	if d.chance(25) {
		for range 1 + d.below(3) {
			full := policy.Named{Name: "RCPFullAWSAccess", Policy: full(policy.KindRCP)}
			level := []policy.Named{full}
			if d.chance(40) {
				level = append(level, d.policies(policy.KindRCP, 1)...)
			}
			in.RCPs = append(in.RCPs, level)
		}
	}
	if d.chance(15) {
		in.Endpoint = d.policies(policy.KindEndpoint, 2)
	}
	if d.scene.kind != 0 && d.chance(88) {
		in.ResourcePolicy = &policy.Named{Name: "resource", Policy: d.policy(d.scene.kind)}
	}
	if d.scene.kind == policy.KindKey && d.chance(60) {
		for range 1 + d.below(2) {
			in.Grants = append(in.Grants, d.grant())
		}
	}
	if d.scene.kind == policy.KindBucket {
		in.RestrictPublic = d.chance(25)
		in.ACLAllows = d.chance(15)
		if in.ACLAllows {
			in.ACLName, in.PublicACL = "bucket ACL", d.chance(40)
		}
	}
	return in
}

// fullID marks the policies of AWS that allow everything: the program knows them.
const fullID = "FullAWSAccess"

func full(kind policy.Kind) *policy.Policy {
	st := policy.Statement{Effect: policy.Allow, Actions: []string{"*"}, Resources: []string{"*"}}
	if kind == policy.KindRCP || kind == policy.KindEndpoint {
		st.Principal = &policy.Principals{Any: true}
	}
	return &policy.Policy{Kind: kind, Version: "2012-10-17", ID: fullID, Statements: []policy.Statement{st}}
}

func (d *drafter) context() policy.MapContext {
	m := policy.MapContext{}
	for _, k := range keyValues {
		if !d.chance(60) {
			continue
		}
		values := []string{}
		switch {
		case d.chance(4): // there, without a value
		case d.chance(12) || k.key == "aws:TagKeys":
			values = append(values, pick(d.chooser, k.values), pick(d.chooser, k.values))
		default:
			values = append(values, pick(d.chooser, k.values))
		}
		m[strings.ToLower(k.key)] = values
	}
	if d.scene.kind == policy.KindKey {
		var keys []string
		for _, k := range []string{"tenant", "aws:s3:arn"} {
			if d.chance(60) {
				keys = append(keys, k)
				m["kms:encryptioncontext:"+k] = []string{pick(d.chooser, []string{"t1", "T1"})}
			}
		}
		if keys != nil {
			m["kms:encryptioncontextkeys"] = keys
		}
	}
	return m
}

func (d *drafter) policies(kind policy.Kind, most int) []policy.Named {
	var list []policy.Named
	for i := range 1 + d.below(most) {
		list = append(list, policy.Named{Name: fmt.Sprintf("%d-%d", kind, i), Policy: d.policy(kind)})
	}
	return list
}

func (d *drafter) policy(kind policy.Kind) *policy.Policy {
	p := &policy.Policy{Kind: kind, Version: "2012-10-17"}
	if d.chance(12) {
		p.Version = "2008-10-17"
	}
	if kind == policy.KindSCP || kind == policy.KindRCP {
		p.Version = "2012-10-17"
	}
	if (kind == policy.KindBucket || kind == policy.KindKey) && d.chance(20) {
		p.ID = "a policy"
	}
	if d.chance(2) {
		p.Unknown = "an element"
	}
	for i := range 1 + d.below(3) {
		st := d.statement(kind)
		if d.chance(30) {
			st.Sid = fmt.Sprintf("Statement%d", i)
		}
		p.Statements = append(p.Statements, st)
	}
	return p
}

func (d *drafter) statement(kind policy.Kind) policy.Statement {
	st := policy.Statement{Effect: policy.Allow}
	if kind == policy.KindRCP || d.chance(7) || kind >= policy.KindBucket && kind != policy.KindSCP && d.chance(6) {
		st.Effect = policy.Deny
	}
	hasResource := kind != policy.KindTrust
	wide := kind == policy.KindBoundary || kind == policy.KindSession || kind == policy.KindSCP || kind == policy.KindEndpoint
	if st.Effect == policy.Allow && (wide && d.chance(55) || d.chance(35)) { // a broad one
		st.Actions = []string{d.scene.patterns[0]}
		if hasResource {
			st.Resources = []string{d.scene.matching[0]}
		}
	} else {
		for range 1 + d.below(2) {
			action := pick(d.chooser, d.scene.patterns)
			if kind == policy.KindRCP && action == "*" {
				action = d.scene.patterns[0]
			}
			st.Actions = append(st.Actions, action)
		}
		st.NotAction = kind != policy.KindRCP && kind != policy.KindTrust && d.chance(10)
		if hasResource {
			for range 1 + d.below(2) {
				st.Resources = append(st.Resources, pick(d.chooser, d.scene.matching))
			}
			st.NotRes = d.chance(10)
		}
		if d.chance(45) {
			for range 1 + d.below(2) {
				d.condition(&st)
			}
		}
	}
	switch kind {
	case policy.KindRCP:
		st.Principal = &policy.Principals{Any: true}
	case policy.KindEndpoint:
		st.Principal = &policy.Principals{Any: true}
		if d.chance(20) {
			st.Principal = d.principals()
		}
	case policy.KindBucket, policy.KindKey, policy.KindTrust, policy.KindResource:
		st.Principal = d.principals()
		if st.Effect == policy.Deny && kind != policy.KindTrust && d.chance(40) {
			st.Principal, st.NotPrinc = d.exceptions(), true
		}
	}
	if d.chance(2) {
		st.Unknown = pick(d.chooser, []string{"operator", "element", "set", "number"})
	}
	return st
}

func (d *drafter) condition(st *policy.Statement) {
	c := policy.Condition{Operator: pick(d.chooser, operators)}
	keys, values := conditionPool(c.Operator)
	c.Key = pick(d.chooser, keys)
	if d.chance(20) {
		c.Key = strings.ToUpper(c.Key)
	}
	for range 1 + d.below(2) {
		c.Values = append(c.Values, pick(d.chooser, values))
	}
	if c.Operator != "Null" {
		c.IfExists = d.chance(20)
		if d.chance(20) || strings.EqualFold(c.Key, "aws:TagKeys") {
			c.Set = pick(d.chooser, []string{"ForAllValues", "ForAnyValue"})
		}
	}
	name := func(c policy.Condition) string {
		return fmt.Sprint(c.Set, c.Operator, c.IfExists, strings.ToLower(c.Key))
	}
	if !slices.ContainsFunc(st.Conditions, func(other policy.Condition) bool { return name(other) == name(c) }) {
		st.Conditions = append(st.Conditions, c)
	}
}

// names are the ways in which a policy can name the principal, and others.
func (d *drafter) name() string {
	p := &d.in.Principal
	if d.chance(60) {
		var own []string
		for _, name := range []string{p.ARN, p.Role, p.User, p.ID} {
			if name != "" {
				own = append(own, name)
			}
		}
		if p.Account != "" {
			own = append(own, p.Account, "arn:aws:iam::"+p.Account+":root")
		}
		if len(own) > 0 {
			return pick(d.chooser, own)
		}
	}
	other := pick(d.chooser, principals)
	switch {
	case other.Role != "" && d.chance(50):
		return other.Role
	case other.ARN != "":
		return other.ARN
	}
	return pick(d.chooser, []string{accountA, accountB, "arn:aws:iam::" + accountA + ":root"})
}

func (d *drafter) principals() *policy.Principals {
	p := new(policy.Principals)
	if d.chance(12) {
		p.Any = true
		return p
	}
	for range 1 + d.below(3) {
		switch name := d.name(); {
		case d.in.Principal.Type == policy.Service && d.chance(60):
			p.Service = []string{d.in.Principal.Service}
		case d.in.Principal.Type == policy.WebIdentity && d.chance(70):
			p.Federated = []string{d.in.Principal.Provider}
		case d.chance(5):
			p.Service = []string{"cloudtrail.amazonaws.com"}
		case !slices.Contains(p.AWS, name):
			p.AWS = append(p.AWS, name)
		}
	}
	return p
}

// exceptions are most of what NotPrincipal has to list to leave the principal out,
// and others.
func (d *drafter) exceptions() *policy.Principals {
	p, e := &d.in.Principal, new(policy.Principals)
	add := func(names ...string) {
		name := pick(d.chooser, names)
		if name != "" && d.chance(80) && !slices.Contains(e.AWS, name) {
			e.AWS = append(e.AWS, name)
		}
	}
	if p.Account != "" {
		add(p.Account, "arn:aws:iam::"+p.Account+":root")
		add(p.ARN)
		add(p.Role, p.User, p.ID)
	}
	if p.Type == policy.Service {
		e.Service = []string{p.Service}
	}
	if len(e.AWS) == 0 || d.chance(20) {
		if name := d.name(); !slices.Contains(e.AWS, name) {
			e.AWS = append(e.AWS, name)
		}
	}
	return e
}

func (d *drafter) grant() policy.Grant {
	g := policy.Grant{ID: "g", Operations: []string{pick(d.chooser, []string{"Decrypt", "GenerateDataKey", "CreateGrant"})}}
	if d.chance(50) {
		g.Operations = append(g.Operations, "Decrypt")
	}
	g.GranteePrincipal = d.name()
	if d.in.Principal.Type == policy.Service && d.chance(70) {
		g.GranteePrincipal, g.GranteeService = "", d.in.Principal.Service
	}
	pairs := map[string]string{pick(d.chooser, []string{"tenant", "TENANT", "aws:s3:arn"}): pick(d.chooser, []string{"t1", "T1"})}
	if d.chance(60) { // of what the request has
		pairs = map[string]string{}
		for _, k := range []string{"tenant", "aws:s3:arn"} {
			if v, ok := d.in.Context.Lookup("kms:encryptioncontext:"+k, nil); ok && d.chance(60) {
				pairs[k] = v[0]
			}
		}
	}
	switch {
	case d.chance(30):
		g.ContextEquals = pairs
	case d.chance(25):
		g.ContextSubset = pairs
	}
	if d.chance(10) {
		g.SourceARN = "arn:aws:s3:::tour"
	}
	return g
}
