package access

import (
	"slices"
	"strings"
	"testing"

	"coffer/internal/policy"
)

const (
	owner    = "111111111111"
	stranger = "222222222222"
)

func named(t testing.TB, name string, kind policy.Kind, statements string) *policy.Named {
	t.Helper()
	p, err := policy.Parse(`{"Version":"2012-10-17","Statement":[`+statements+`]}`, kind)
	if err != nil {
		t.Fatalf("policy %s: %v", statements, err)
	}
	return &policy.Named{Name: name, Policy: p}
}

func user(t testing.TB, name, statements string) *Entity {
	arn := "arn:aws:iam::" + owner + ":user/" + name
	e := &Entity{ARN: arn, Name: name, Principal: policy.Principal{Type: policy.User, Account: owner, ARN: arn, ID: "AIDA" + strings.ToUpper(name)}}
	if statements != "" {
		e.Policies = []policy.Named{*named(t, name, policy.KindIdentity, statements)}
	}
	return e
}

func role(t testing.TB, name, statements, trust string) *Entity {
	arn := "arn:aws:iam::" + owner + ":role/" + name
	e := &Entity{ARN: arn, Name: name, Principal: policy.Principal{Type: policy.Session, Account: owner, ID: "AROA" + strings.ToUpper(name), Role: arn,
		ARN: "arn:aws:sts::" + owner + ":assumed-role/" + name + "/?"}}
	if statements != "" {
		e.Policies = []policy.Named{*named(t, name, policy.KindIdentity, statements)}
	}
	e.Trust = named(t, "trust of "+name, policy.KindTrust, trust)
	return e
}

const (
	rootTrust = `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + owner + `:root"},"Action":"sts:AssumeRole"}`
	keyARN    = "arn:aws:kms:us-east-1:" + owner + ":key/k"
)

// world is an account with a bucket whose objects lie under a key.
func world(t testing.TB, bucketPolicy, keyPolicy string, entities ...*Entity) (*World, *Question) {
	b := &Bucket{Name: "b", Account: owner, Region: "us-east-1", SeesPolicy: true, SeesBlock: true, SeesACLs: true, SeesEncryption: true,
		Algorithm: "aws:kms", KeyARN: keyARN}
	if bucketPolicy != "" {
		b.Policy = named(t, "bucket policy of b", policy.KindBucket, bucketPolicy)
	}
	k := &Key{ARN: keyARN, Account: owner, SeesPolicy: true, SeesGrants: true, SeesTags: true, State: "Enabled", Spec: "SYMMETRIC_DEFAULT",
		Usage: "ENCRYPT_DECRYPT", Origin: "AWS_KMS", Policy: named(t, "key policy", policy.KindKey, keyPolicy)}
	w := &World{Accounts: []*Account{{ID: owner, Entities: entities, SeesEntities: true, SeesOrg: true, SeesBlock: true}}, Buckets: []*Bucket{b}, Keys: []*Key{k}}
	return w, &Question{Verb: Read, Object: &Object{Bucket: b, Key: "k", Algorithm: "aws:kms", KeyARN: keyARN, SeesTags: true, SeesACL: true}}
}

func answers(t testing.TB, w *World, q *Question) map[string]Row {
	t.Helper()
	rows, err := w.Answers(q)
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]Row)
	for _, r := range rows {
		out[r.Principal] = r
	}
	return out
}

const delegate = `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + owner + `:root"},"Action":"kms:*","Resource":"*"}`

func TestRead(t *testing.T) {
	all, s3Only, office := `{"Effect":"Allow","Action":["s3:*","kms:*"],"Resource":"*"}`, `{"Effect":"Allow","Action":"s3:*","Resource":"*"}`,
		`{"Effect":"Allow","Action":["s3:*","kms:*"],"Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}`
	w, q := world(t, "", delegate, user(t, "both", all), user(t, "fetcher", s3Only), user(t, "office", office), user(t, "nobody", ""), role(t, "app", all, rootTrust))
	got := answers(t, w, q)
	for name, want := range map[string]Answer{
		"arn:aws:iam::" + owner + ":root":         Yes,
		"arn:aws:iam::" + owner + ":user/both":    Yes,
		"arn:aws:iam::" + owner + ":user/fetcher": No,
		"arn:aws:iam::" + owner + ":user/office":  No, // KMS does not see the address
		"arn:aws:iam::" + owner + ":user/nobody":  No,
		"arn:aws:iam::" + owner + ":role/app":     Yes,
		"anonymous":                               No,
		"any other account":                       No,
	} {
		if r := got[name]; r.Answer != want {
			t.Errorf("%s = %s %+v; want %s", name, r.Answer, r.Steps, want)
		}
	}
	if r := got["arn:aws:iam::"+owner+":user/fetcher"]; !r.FetchesOnly {
		t.Errorf("fetcher = %+v; want FetchesOnly", r)
	}
	q.Object.Algorithm = "AES256"
	r := answers(t, w, q)["arn:aws:iam::"+owner+":user/office"]
	if r.Answer != YesIf || len(r.Steps[0].If) != 1 || r.Steps[0].If[0].Key != "aws:SourceIp" || !r.Steps[0].If[0].Holds {
		t.Errorf("office, without KMS = %+v; want YES-IF aws:SourceIp", r)
	}
	w.Assume = map[string][]string{"aws:sourceip": {"10.1.2.3"}}
	if r := answers(t, w, q)["arn:aws:iam::"+owner+":user/office"]; r.Answer != Yes {
		t.Errorf("office, from the office = %+v; want YES", r)
	}
	w.Keys[0].State = "Disabled"
	q.Object.Algorithm = "aws:kms"
	if r := answers(t, w, q)["arn:aws:iam::"+owner+":root"]; r.Answer != No || r.Steps[1].Because != "the key is Disabled" {
		t.Errorf("root under a disabled key = %+v; want NO", r)
	}
}

// TestUnseen: what was not read makes an answer UNKNOWN or POSSIBLE, and a denial
// that was read stays one.
func TestUnseen(t *testing.T) {
	all := `{"Effect":"Allow","Action":["s3:*","kms:*"],"Resource":"*"}`
	share := `{"Effect":"Allow","Principal":{"AWS":["` + stranger + `","arn:aws:iam::` + stranger + `:user/zoe"]},"Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}`
	shareKey := delegate + `,{"Effect":"Allow","Principal":{"AWS":["` + stranger + `","arn:aws:iam::` + stranger + `:user/zoe"]},"Action":"kms:Decrypt","Resource":"*"}`
	w, q := world(t, share, shareKey, user(t, "both", all), user(t, "nobody", ""))
	got := answers(t, w, q)
	for name, want := range map[string]Answer{"account " + stranger: Possible, "arn:aws:iam::" + stranger + ":user/zoe": Possible, "arn:aws:iam::" + owner + ":user/both": Yes} {
		if r := got[name]; r.Answer != want {
			t.Errorf("%s = %s %+v; want %s", name, r.Answer, r.Steps, want)
		}
	}
	for name, unsee := range map[string]func(){
		"bucket policy": func() { w.Buckets[0].SeesPolicy, w.Buckets[0].Policy = false, nil },
		"key policy":    func() { w.Keys[0].SeesPolicy, w.Keys[0].Policy = false, nil },
		"organization":  func() { w.Accounts[0].SeesOrg = false },
		"sealing":       func() { q.Object.Algorithm = "" },
	} {
		w, q = world(t, share, shareKey, user(t, "both", all), user(t, "nobody", ""), user(t, "denied", all+`,{"Effect":"Deny","Action":"s3:GetObject","Resource":"*"}`))
		unsee()
		got := answers(t, w, q)
		if r := got["arn:aws:iam::"+owner+":user/both"]; r.Answer != Unknown {
			t.Errorf("without the %s: both = %s %+v; want UNKNOWN", name, r.Answer, r.Steps)
		}
		if r := got["arn:aws:iam::"+owner+":user/denied"]; r.Answer != No {
			t.Errorf("without the %s: denied = %s %+v; want NO", name, r.Answer, r.Steps)
		}
	}
	w, q = world(t, share, shareKey)
	w.Accounts[0].SeesEntities = false
	if r := answers(t, w, q)["users and roles of "+owner+" (not seen)"]; r.Answer != Possible && r.Answer != Unknown {
		t.Errorf("users that were not seen = %+v; want UNKNOWN or POSSIBLE", r)
	}
}

// TestUnseenBlock: a public policy gives nothing for sure while nobody has seen
// Block Public Access.
func TestUnseenBlock(t *testing.T) {
	w, q := world(t, `{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}`, delegate, user(t, "nobody", ""))
	q.Object.Algorithm = "AES256"
	check := func(when string, want Answer) {
		t.Helper()
		got := answers(t, w, q)
		if r := got["anonymous"]; r.Answer != want {
			t.Errorf("%s: anonymous = %s %+v; want %s", when, r.Answer, r.Steps, want)
		}
		if r := got["arn:aws:iam::"+owner+":user/nobody"]; r.Answer != Yes {
			t.Errorf("%s: a user of the account = %s; want YES", when, r.Answer)
		}
	}
	check("seen", Yes)
	w.Accounts[0].SeesBlock = false
	check("the account's not seen", Unknown)
	w.Accounts[0].SeesBlock, w.Buckets[0].SeesBlock = true, false
	check("the bucket's not seen", Unknown)
	w.Buckets[0].Block = Block{RestrictPublicBuckets: true, IgnorePublicAcls: true}
	check("blocked", No)
}

// TestEscalations: who may not read, and could.
func TestEscalations(t *testing.T) {
	s3All := `{"Effect":"Allow","Action":"s3:*","Resource":"*"}`
	for _, tt := range []struct {
		name       string
		statements string
		want       string // in one of the ways; empty for none
	}{
		{"nothing", "", ""},
		{"role", `{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}`, "sts:AssumeRole of arn:aws:iam::" + owner + ":role/app"},
		{"trust", `{"Effect":"Allow","Action":"iam:UpdateAssumeRolePolicy","Resource":"*"}`, "iam:UpdateAssumeRolePolicy"},
		{"keys", `{"Effect":"Allow","Action":"iam:CreateAccessKey","Resource":"arn:aws:iam::` + owner + `:user/both"}`, "iam:CreateAccessKey for arn:aws:iam::" + owner + ":user/both"},
		{"own", `{"Effect":"Allow","Action":"iam:PutUserPolicy","Resource":"*"}`, "iam:PutUserPolicy on"},
		{"keypolicy", s3All + `,{"Effect":"Allow","Action":"kms:PutKeyPolicy","Resource":"*"}`, "kms:PutKeyPolicy on " + keyARN},
		{"grant", s3All + `,{"Effect":"Allow","Action":"kms:CreateGrant","Resource":"*"}`, "kms:CreateGrant on " + keyARN},
		{"bucketpolicy", `{"Effect":"Allow","Action":["s3:PutBucketPolicy","kms:Decrypt"],"Resource":"*"}`, "s3:PutBucketPolicy on arn:aws:s3:::b"},
		{"onlybucket", `{"Effect":"Allow","Action":"s3:PutBucketPolicy","Resource":"*"}`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			all := `{"Effect":"Allow","Action":["s3:*","kms:*"],"Resource":"*"}`
			w, q := world(t, "", delegate, user(t, tt.name, tt.statements), user(t, "both", all), role(t, "app", all, rootTrust))
			r := answers(t, w, q)["arn:aws:iam::"+owner+":user/"+tt.name]
			if r.Answer != No {
				t.Fatalf("answer = %s; want NO", r.Answer)
			}
			found := tt.want == "" && len(r.Escalations) == 0
			for _, e := range r.Escalations {
				found = found || tt.want != "" && slices.ContainsFunc(e.Steps, func(s string) bool { return strings.HasPrefix(s, tt.want) })
			}
			if !found {
				t.Errorf("escalations = %+v; want %q", r.Escalations, tt.want)
			}
		})
	}
}

func TestAdministerAndWrite(t *testing.T) {
	w, q := world(t, "", delegate, user(t, "writer", `{"Effect":"Allow","Action":["s3:PutObject","kms:GenerateDataKey"],"Resource":"*"}`),
		user(t, "policies", `{"Effect":"Allow","Action":"s3:PutBucketPolicy","Resource":"*"}`))
	q.Verb = Write
	if r := answers(t, w, q)["arn:aws:iam::"+owner+":user/writer"]; r.Answer != Yes || len(r.Steps) != 2 {
		t.Errorf("write = %+v; want YES by two steps", r)
	}
	r := answers(t, w, &Question{Verb: Administer, Bucket: w.Buckets[0]})["arn:aws:iam::"+owner+":user/policies"]
	if r.Answer != Yes || !slices.Equal(r.Actions, []string{"s3:PutBucketPolicy"}) {
		t.Errorf("administer = %+v; want YES by s3:PutBucketPolicy", r)
	}
	if _, err := w.Answers(&Question{Verb: Decrypt}); err == nil {
		t.Error("a question without a target = nil error")
	}
}
