package s3

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"coffer/internal/awserr"
	"coffer/internal/object"
)

// statement is one of a bucket policy of tour.
func statement(effect, principal, action, resource, condition string) string {
	s := `{"Effect":"` + effect + `","Principal":` + principal + `,"Action":"` + action + `","Resource":"arn:aws:s3:::tour` + resource + `"`
	if condition != "" {
		s += `,"Condition":` + condition
	}
	return s + "}"
}

const theStranger = `{"AWS":"210987654321"}`

func TestBucketPolicyAcrossAccounts(t *testing.T) {
	w := newWorld(t)
	w.bucket("tour")
	must(t, w.put(root(owner), "tour", "key"))
	reader, nobody := w.user(stranger, allow("s3:*", "*")), w.user(stranger)
	want(t, "get without a policy", w.get(reader, "tour", "key"), "AccessDenied")
	w.policy("tour", statement("Allow", theStranger, "s3:GetObject", "/*", ""))
	want(t, "get as the other account's root", w.get(root(stranger), "tour", "key"), "")
	want(t, "get as its user", w.get(reader, "tour", "key"), "")
	want(t, "get as a user without rights", w.get(nobody, "tour", "key"), "AccessDenied")
	want(t, "get as nobody", w.get(anonymous(), "tour", "key"), "AccessDenied")
	want(t, "put", w.put(reader, "tour", "key"), "AccessDenied")
	w.policy("tour", statement("Allow", theStranger, "s3:GetObject", "/*", ""), statement("Deny", `"*"`, "s3:GetObject", "/secret*", ""))
	must(t, w.put(root(owner), "tour", "secret1"))
	want(t, "get what is denied", w.get(reader, "tour", "secret1"), "AccessDenied")
	want(t, "get what is denied as the owner's root", w.get(root(owner), "tour", "secret1"), "AccessDenied")
	must(t, w.DeleteBucketPolicy(t.Context(), root(owner), bucketIn))
	want(t, "get once the policy is gone", w.get(reader, "tour", "key"), "AccessDenied")
	want(t, "the owner's", w.get(root(owner), "tour", "secret1"), "")
}

// A canonical user ID names an account: an Allow delegates to it, and a Deny holds
// for its identities only.
func TestBucketPolicyNamesCanonicalUsers(t *testing.T) {
	w := newWorld(t)
	w.bucket("tour")
	w.open("tour", object.BucketOwnerEnforced)
	must(t, w.put(root(owner), "tour", "key"))
	reader, nobody := w.user(stranger, allow("s3:*", "*")), w.user(stranger)
	canonical := func(account string) string { return `{"CanonicalUser":"` + w.canonical(account) + `"}` }
	w.policy("tour", statement("Allow", canonical(stranger), "s3:GetObject", "/*", ""))
	want(t, "get as the root user who is named", w.get(root(stranger), "tour", "key"), "")
	want(t, "get as its user", w.get(reader, "tour", "key"), "")
	want(t, "get as a user without rights", w.get(nobody, "tour", "key"), "AccessDenied")
	want(t, "get as nobody", w.get(anonymous(), "tour", "key"), "AccessDenied")
	w.policy("tour", statement("Allow", `"*"`, "s3:GetObject", "/*", ""), statement("Deny", canonical(stranger), "s3:GetObject", "/*", ""))
	want(t, "get as the root user who is denied", w.get(root(stranger), "tour", "key"), "AccessDenied")
	want(t, "get as its user", w.get(reader, "tour", "key"), "AccessDenied")
	want(t, "get as the owner's root", w.get(root(owner), "tour", "key"), "")
	want(t, "get as the owner's user", w.get(w.user(owner), "tour", "key"), "")
	want(t, "get as nobody", w.get(anonymous(), "tour", "key"), "")
}

func TestBucketPolicyOperations(t *testing.T) {
	ctx := t.Context()
	w := newWorld(t)
	w.bucket("tour")
	user := w.user(owner, allow("s3:*", "*"))
	_, err := w.GetBucketPolicy(ctx, user, bucketIn)
	want(t, "GetBucketPolicy of none", err, "NoSuchBucketPolicy")
	_, err = w.GetBucketPolicyStatus(ctx, user, bucketIn)
	want(t, "GetBucketPolicyStatus of none", err, "NoSuchBucketPolicy")
	text := document(statement("Allow", `{"AWS":"`+user.ARN+`"}`, "s3:GetObject", "/*", ""))
	must(t, w.putPolicy(user, "tour", text))
	out, err := w.GetBucketPolicy(ctx, user, bucketIn)
	if err != nil || out.Policy != text {
		t.Errorf("GetBucketPolicy = %v, %v; want %s", out, err, text)
	}
	b, err := w.objects.Bucket(ctx, "tour")
	must(t, err)
	saved, _, err := w.objects.Policy(ctx, b)
	if err != nil || !strings.Contains(saved, user.EntityID) || strings.Contains(saved, user.ARN) {
		t.Errorf("kept %s, %v; want the unique ID of the user", saved, err)
	}
	status, err := w.GetBucketPolicyStatus(ctx, user, bucketIn)
	if err != nil || status.IsPublic {
		t.Errorf("GetBucketPolicyStatus = %v, %v; want not public", status, err)
	}

	// A foreign principal never gets at a policy, whatever the policy says.
	w.policy("tour", statement("Allow", theStranger, "s3:*BucketPolicy", "", ""))
	foreign := root(stranger)
	_, err = w.GetBucketPolicy(ctx, foreign, bucketIn)
	want(t, "GetBucketPolicy of another account", err, "MethodNotAllowed")
	want(t, "PutBucketPolicy of another account", w.putPolicy(foreign, "tour", text), "MethodNotAllowed")
	want(t, "DeleteBucketPolicy of another account", w.DeleteBucketPolicy(ctx, foreign, bucketIn), "MethodNotAllowed")
	must(t, w.DeleteBucketPolicy(ctx, root(owner), bucketIn))
	_, err = w.GetBucketPolicy(ctx, foreign, bucketIn)
	want(t, "GetBucketPolicy of another account without permission", err, "AccessDenied")
	must(t, w.DeleteBucketPolicy(ctx, root(owner), bucketIn)) // again
}

func TestPutBucketPolicyRefuses(t *testing.T) {
	w := newWorld(t)
	w.bucket("tour")
	ok := statement("Allow", theStranger, "s3:GetObject", "/*", "")
	tests := []struct {
		name, text, code, message string
	}{
		{"no JSON", "hello", "MalformedPolicy", ""},
		{"a list", "[]", "MalformedPolicy", "Policies must be valid JSON and the first byte must be '{'"},
		{"no statement", `{"Version":"2012-10-17"}`, "MalformedPolicy", "Missing required field Statement"},
		{"no principal", document(allow("s3:GetObject", "arn:aws:s3:::tour/*")), "MalformedPolicy", "Missing required field Principal"},
		{"an unknown principal", document(statement("Allow", `{"AWS":"arn:aws:iam::123456789012:user/ghost"}`, "s3:GetObject", "/*", "")), "MalformedPolicy", "Invalid principal in policy"},
		{"an invalid principal", document(statement("Allow", `{"AWS":"me"}`, "s3:GetObject", "/*", "")), "MalformedPolicy", "Invalid principal in policy"},
		{"another bucket", document(strings.Replace(ok, ":::tour", ":::tours", 1)), "MalformedPolicy", "Policy has invalid resource"},
		{"all resources", document(strings.Replace(ok, "arn:aws:s3:::tour/*", "*", 1)), "MalformedPolicy", "Policy has invalid resource"},
		{"an unknown action", document(strings.Replace(ok, "s3:GetObject", "s3:GetObjekt", 1)), "MalformedPolicy", "Policy has invalid action"},
		{"an action of KMS", document(strings.Replace(ok, "s3:GetObject", "kms:Decrypt", 1)), "MalformedPolicy", "Policy has invalid action"},
		{"an action that does not apply", document(statement("Allow", theStranger, "s3:GetObject", "", "")), "MalformedPolicy", "Action does not apply to any resource(s) in statement"},
		{"a bucket action on objects", document(statement("Allow", theStranger, "s3:ListBucket", "/*", "")), "MalformedPolicy", "Action does not apply to any resource(s) in statement"},
		{"an unknown element", document(strings.Replace(ok, `"Effect"`, `"Foo":1,"Effect"`, 1)), "MalformedPolicy", "Unknown field Foo"},
		{"too long", document(strings.Replace(ok, `"Effect"`, `"Sid":"`+strings.Repeat("x", 21<<10)+`","Effect"`, 1)), "PolicyTooLarge", ""},
		{"public", document(statement("Allow", `"*"`, "s3:GetObject", "/*", "")), "AccessDenied", ""},
		{"fine", document(ok), "", ""},
		{"wildcards", document(statement("Allow", theStranger, "s3:Get*", "/*", "")), "", ""},
		{"everything", document(statement("Allow", theStranger, "s3:*", "*", "")), "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := w.putPolicy(root(owner), "tour", tt.text)
			want(t, "PutBucketPolicy", err, tt.code)
			if e := awserr.As(err); e != nil && tt.message != "" && e.Message != tt.message {
				t.Errorf("message = %q; want %q", e.Message, tt.message)
			}
		})
	}
}

// Without confirmation nobody puts a policy that takes the policy away from him.
func TestConfirmRemoveSelf(t *testing.T) {
	w := newWorld(t)
	w.bucket("tour")
	user := w.user(owner, allow("s3:*", "*"))
	text := document(statement("Deny", `"*"`, "s3:PutBucketPolicy", "", ""))
	want(t, "locking oneself out", w.putPolicy(user, "tour", text), "InvalidRequest")
	in := &PutBucketPolicyInput{BucketInput: *bucketIn, Policy: []byte(text), ConfirmRemoveSelf: true}
	want(t, "and meaning it", w.PutBucketPolicy(t.Context(), user, in), "")
	want(t, "then", w.putPolicy(user, "tour", text), "AccessDenied")
	want(t, "as root", w.putPolicy(root(owner), "tour", text), "")
}

func TestBlockPublicPolicy(t *testing.T) {
	ctx := t.Context()
	w := newWorld(t)
	w.bucket("tour")
	must(t, w.put(root(owner), "tour", "key"))
	public := document(statement("Allow", `"*"`, "s3:GetObject", "/*", ""), statement("Allow", theStranger, "s3:GetObject", "/*", ""))
	err := w.putPolicy(root(owner), "tour", public)
	if code(err) != "AccessDenied" || !strings.Contains(err.Error(), "because public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access") {
		t.Errorf("a public policy: %v", err)
	}
	w.open("tour", "")
	must(t, w.putPolicy(root(owner), "tour", public))
	status, err := w.GetBucketPolicyStatus(ctx, root(owner), bucketIn)
	if err != nil || !status.IsPublic {
		t.Errorf("GetBucketPolicyStatus = %v, %v; want public", status, err)
	}
	want(t, "get as nobody", w.get(anonymous(), "tour", "key"), "")
	want(t, "delete as nobody", errOf(w.DeleteObject(ctx, anonymous(), &DeleteObjectInput{ObjectInput: objectIn("")})), "AccessDenied")

	// RestrictPublicBuckets of the bucket, then of its account.
	restrict := PublicAccessBlock{RestrictPublicBuckets: true}
	must(t, w.PutPublicAccessBlock(ctx, root(owner), &PutPublicAccessBlockInput{BucketInput: *bucketIn, PublicAccessBlock: restrict}))
	want(t, "get as nobody of a restricted bucket", w.get(anonymous(), "tour", "key"), "AccessDenied")
	want(t, "get as the other account", w.get(root(stranger), "tour", "key"), "AccessDenied")
	want(t, "get as the owner", w.get(root(owner), "tour", "key"), "")
	must(t, w.DeletePublicAccessBlock(ctx, root(owner), bucketIn))
	_, err = w.GetPublicAccessBlock(ctx, root(owner), bucketIn)
	want(t, "GetPublicAccessBlock of none", err, "NoSuchPublicAccessBlockConfiguration")
	want(t, "get as nobody again", w.get(anonymous(), "tour", "key"), "")
	account := AccountInput{owner}
	must(t, w.PutAccountPublicAccessBlock(ctx, root(owner), &PutAccountPublicAccessBlockInput{account, restrict}))
	want(t, "get as nobody in a restricted account", w.get(anonymous(), "tour", "key"), "AccessDenied")
	block, err := w.GetAccountPublicAccessBlock(ctx, root(owner), &account)
	if err != nil || *block != restrict {
		t.Errorf("GetAccountPublicAccessBlock = %v, %v; want %v", block, err, restrict)
	}
	_, err = w.GetAccountPublicAccessBlock(ctx, root(stranger), &account)
	want(t, "another account's setting", err, "AccessDenied")
	want(t, "setting another account's", w.DeleteAccountPublicAccessBlock(ctx, root(stranger), &account), "AccessDenied")
	must(t, w.DeleteAccountPublicAccessBlock(ctx, root(owner), &account))
	_, err = w.GetAccountPublicAccessBlock(ctx, root(owner), &account)
	want(t, "the account's setting once it is gone", err, "NoSuchPublicAccessBlockConfiguration")
	want(t, "get as nobody at last", w.get(anonymous(), "tour", "key"), "")
}

// A key that is missing is missing to those alone who may list the bucket.
func TestMissingOrDenied(t *testing.T) {
	ctx := t.Context()
	w := newWorld(t)
	w.bucket("tour")
	must(t, w.PutBucketVersioning(ctx, root(owner), &PutBucketVersioningInput{BucketInput: *bucketIn, Status: "Enabled"}))
	must(t, w.put(root(owner), "tour", "gone"))
	deleted, err := w.DeleteObject(ctx, root(owner), &DeleteObjectInput{ObjectInput: ObjectInput{Bucket: "tour", Key: "gone"}})
	must(t, err)
	reads := allow("s3:*Object*", "arn:aws:s3:::tour/*")
	blind, sighted := w.user(owner, reads), w.user(owner, reads, allow("s3:ListBucket", "arn:aws:s3:::tour"))
	noVersion := "0000000000000000000000000000000000"[:32]
	tests := []struct{ name, key, version, code string }{
		{"a key", "ghost", "", "NoSuchKey"},
		{"a deleted key", "gone", "", "NoSuchKey"},
		{"a delete marker", "gone", deleted.VersionID, "MethodNotAllowed"},
		{"a version", "gone", noVersion, "NoSuchVersion"},
		{"a version of no key", "ghost", noVersion, "NoSuchVersion"},
	}
	for _, tt := range tests {
		in := ObjectInput{Bucket: "tour", Key: tt.key, VersionID: tt.version}
		calls := map[string]func(blind bool) error{}
		for _, head := range []bool{false, true} {
			calls["GetObject"] = func(isBlind bool) error {
				c := sighted
				if isBlind {
					c = blind
				}
				return errOf(w.GetObject(ctx, c, &GetObjectInput{ObjectInput: in, Head: head, Conditions: Conditions{IfMatch: "x"}}))
			}
			calls["GetObjectTagging"] = func(isBlind bool) error {
				c := sighted
				if isBlind {
					c = blind
				}
				return errOf(w.GetObjectTagging(ctx, c, &in))
			}
			for name, call := range calls {
				want(t, name+" of "+tt.name+" without ListBucket", call(true), "AccessDenied")
				want(t, name+" of "+tt.name+" with ListBucket", call(false), tt.code)
			}
		}
	}
	del := &DeleteObjectInput{ObjectInput: ObjectInput{Bucket: "tour", Key: "ghost"}, IfMatch: "*"}
	want(t, "DeleteObject if it exists, without ListBucket", errOf(w.DeleteObject(ctx, blind, del)), "AccessDenied")
	want(t, "DeleteObject if it exists, with ListBucket", errOf(w.DeleteObject(ctx, sighted, del)), "NoSuchKey")
}

// interrupted calls stop once the half of a body was read.
type interrupted struct {
	io.Reader
	n    int
	stop func()
}

func (r *interrupted) Read(p []byte) (int, error) {
	if r.n++; r.n == 2 {
		r.stop()
	}
	return r.Reader.Read(p[:min(len(p), 2)])
}

// A write is decided again in the transaction that makes it visible.
func TestPolicyChangesDuringWrite(t *testing.T) {
	w := newWorld(t)
	w.bucket("tour")
	w.policy("tour", statement("Allow", theStranger, "s3:PutObject", "/*", ""))
	for name, revoke := range map[string]func(){
		"the policy goes": func() { must(t, w.DeleteBucketPolicy(t.Context(), root(owner), bucketIn)) },
		"it denies": func() {
			w.policy("tour", statement("Allow", theStranger, "s3:PutObject", "/*", ""), statement("Deny", `"*"`, "s3:PutObject", "/key", ""))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w.policy("tour", statement("Allow", theStranger, "s3:PutObject", "/*", ""))
			err := w.put(root(stranger), "tour", "key", func(in *PutObjectInput) {
				in.Upload.Body = &interrupted{Reader: in.Upload.Body, stop: revoke}
			})
			want(t, "PutObject", err, "AccessDenied")
			want(t, "GetObject", w.get(root(owner), "tour", "key"), "NoSuchKey")
		})
	}
	w.policy("tour", statement("Allow", theStranger, "s3:PutObject", "/*", ""))
	err := w.put(root(stranger), "tour", "key", func(in *PutObjectInput) {
		in.Upload.Body = &interrupted{Reader: in.Upload.Body, stop: func() {
			w.policy("tour", statement("Allow", theStranger, "s3:*Object", "/*", ""))
		}}
	})
	want(t, "PutObject under a policy that allows it too", err, "")
}

// slowOwners lets something happen while the owner of an account is looked up.
type slowOwners struct {
	Owners
	meanwhile func()
}

func (o *slowOwners) CanonicalID(ctx context.Context, account string) (string, error) {
	if f := o.meanwhile; f != nil {
		o.meanwhile = nil
		f()
	}
	return o.Owners.CanonicalID(ctx, account)
}

// What changes between the reading of a bucket and the decision counts as well.
func TestPolicyChangesBeforeTheDecision(t *testing.T) {
	w := newWorld(t)
	w.bucket("tour")
	w.open("tour", object.ObjectWriter)
	must(t, w.PutBucketACL(t.Context(), root(owner), &PutACLInput{ObjectInput: ObjectInput{Bucket: "tour"},
		ACL: ACL{Grants: map[string]string{"x-amz-grant-write": "id=" + w.canonical(stranger)}}}))
	want(t, "PutObject", w.put(root(stranger), "tour", "key"), "")
	w.owners = &slowOwners{w.owners, func() { w.policy("tour", statement("Deny", `"*"`, "s3:PutObject", "/key", "")) }}
	want(t, "PutObject while a Deny is put", w.put(root(stranger), "tour", "key"), "AccessDenied")
}

// A read is decided again each second.
func TestPolicyChangesDuringRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.bucket("tour")
		data := bytes.Repeat([]byte("x"), 300<<10)
		must(t, w.put(root(owner), "tour", "key", func(in *PutObjectInput) { in.Upload = upload(string(data)) }))
		w.policy("tour", statement("Allow", theStranger, "s3:GetObject", "/*", ""))
		for _, revoked := range []bool{false, true} {
			out, err := w.GetObject(t.Context(), root(stranger), &GetObjectInput{ObjectInput: objectIn("")})
			must(t, err)
			half := make([]byte, 100<<10)
			if _, err := io.ReadFull(out.Body, half); err != nil {
				t.Fatal(err)
			}
			if revoked {
				must(t, w.DeleteBucketPolicy(t.Context(), root(owner), bucketIn))
			}
			time.Sleep(2 * decideEvery)
			_, err = io.Copy(io.Discard, out.Body)
			must(t, out.Body.Close())
			if revoked {
				want(t, "the rest of a read", err, "AccessDenied")
			} else {
				want(t, "the rest of a read", err, "")
			}
		}
	})
}

// Another version of the policy is not taken for the one that was compiled.
func TestPolicyOfANewBucket(t *testing.T) {
	w := newWorld(t)
	for _, principal := range []string{theStranger, `{"AWS":"123456789012"}`} {
		w.bucket("tour")
		w.policy("tour", statement("Allow", principal, "s3:ListBucket", "", ""))
		wanted := ""
		if principal != theStranger {
			wanted = "AccessDenied"
		}
		want(t, "list as the other account", errOf(w.HeadBucket(t.Context(), root(stranger), bucketIn)), wanted)
		must(t, w.DeleteBucket(t.Context(), root(owner), bucketIn))
	}
}

func TestOnlyDenials(t *testing.T) {
	deny := `{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"r"}`
	other := `{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"r"}`
	for in, wanted := range map[string]int{
		document(deny, other): 1, document(other): 0, `{"Statement":` + deny + `}`: 1, `{"Statement":` + other + `}`: 0,
	} {
		out, err := onlyDenials(in)
		if err != nil || strings.Count(out, `"Effect"`) != wanted || strings.Contains(out, "Allow") {
			t.Errorf("onlyDenials(%s) = %s, %v; want %d statements", in, out, err, wanted)
		}
	}
}

func TestGlob(t *testing.T) {
	for _, tt := range []struct {
		pattern, s string
		want       bool
	}{
		{"s3:*", "s3:getobject", true}, {"s3:get*", "s3:getobject", true}, {"s3:get*", "s3:putobject", false}, {"s3:?etobject", "s3:getobject", true},
		{"s3:*object", "s3:getobject", true}, {"s3:*object", "s3:getobjectacl", false}, {"*", "", true}, {"", "", true}, {"a", "", false}, {"**", "x", true},
		{"s3:g*t*j*t", "s3:getobject", true},
	} {
		if got := glob(tt.pattern, tt.s); got != tt.want {
			t.Errorf("glob(%q, %q) = %v; want %v", tt.pattern, tt.s, got, tt.want)
		}
	}
}
