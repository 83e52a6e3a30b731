package s3

import (
	"fmt"
	"strings"
	"testing"

	"coffer/internal/authn"
	"coffer/internal/object"
)

func (w *world) canonical(account string) string {
	w.t.Helper()
	a, err := w.identities.Account(w.t.Context(), account)
	must(w.t, err)
	return a.CanonicalUserID
}

func withACL(canned string) func(*PutObjectInput) {
	return func(in *PutObjectInput) { in.ACL.Canned = canned }
}

// TestObjectACLs puts an object with a canned ACL into a bucket with ACLs and reads
// it as everybody.
func TestObjectACLs(t *testing.T) {
	tests := []struct {
		canned                      string
		nobody, foreign, user, root string // what GetObject answers
	}{
		{"", "AccessDenied", "AccessDenied", "AccessDenied", ""},
		{"private", "AccessDenied", "AccessDenied", "AccessDenied", ""},
		{"public-read", "", "", "", ""},
		{"public-read-write", "", "", "", ""},
		{"authenticated-read", "AccessDenied", "", "", ""},
		{"aws-exec-read", "AccessDenied", "AccessDenied", "AccessDenied", ""},
		{"bucket-owner-read", "AccessDenied", "AccessDenied", "AccessDenied", ""},
		{"bucket-owner-full-control", "AccessDenied", "AccessDenied", "AccessDenied", ""},
	}
	for _, tt := range tests {
		t.Run(tt.canned, func(t *testing.T) {
			w := newWorld(t)
			w.bucket("tour")
			w.open("tour", object.ObjectWriter)
			must(t, w.put(root(owner), "tour", "key", withACL(tt.canned)))
			user := w.user(owner)
			want(t, "nobody", w.get(anonymous(), "tour", "key"), tt.nobody)
			want(t, "another account's root", w.get(root(stranger), "tour", "key"), tt.foreign)
			want(t, "the owner's user without rights", w.get(user, "tour", "key"), tt.user)
			want(t, "the owner's root", w.get(root(owner), "tour", "key"), tt.root)
			want(t, "nobody's write", w.put(anonymous(), "tour", "key"), "AccessDenied")

			// A Deny of the bucket's policy wins, and so does IgnorePublicAcls.
			w.policy("tour", statement("Deny", theStranger, "s3:GetObject", "/key", ""))
			want(t, "another account's root under a Deny", w.get(root(stranger), "tour", "key"), "AccessDenied")
			must(t, w.DeleteBucketPolicy(t.Context(), root(owner), bucketIn))
			must(t, w.PutAccountPublicAccessBlock(t.Context(), root(owner), &PutAccountPublicAccessBlockInput{AccountInput{owner}, PublicAccessBlock{IgnorePublicACLs: true}}))
			want(t, "nobody, ACLs ignored", w.get(anonymous(), "tour", "key"), "AccessDenied")
			want(t, "another account's root, ACLs ignored", w.get(root(stranger), "tour", "key"), "AccessDenied")
			must(t, w.DeleteAccountPublicAccessBlock(t.Context(), root(owner), &AccountInput{owner}))
			// Once ACLs are off, none counts.
			must(t, w.PutBucketOwnershipControls(t.Context(), root(owner), &PutBucketOwnershipControlsInput{BucketInput: *bucketIn, Rules: []string{object.BucketOwnerEnforced}}))
			want(t, "nobody, ACLs off", w.get(anonymous(), "tour", "key"), "AccessDenied")
			want(t, "another account's root, ACLs off", w.get(root(stranger), "tour", "key"), "AccessDenied")
		})
	}
}

// TestBucketACLs sets grants of a bucket's list and tries what they give.
func TestBucketACLs(t *testing.T) {
	for _, permission := range []string{"READ", "WRITE", "READ_ACP", "WRITE_ACP", "FULL_CONTROL"} {
		t.Run(permission, func(t *testing.T) {
			ctx := t.Context()
			w := newWorld(t)
			w.bucket("tour")
			w.open("tour", object.BucketOwnerPreferred)
			header := "x-amz-grant-" + strings.ReplaceAll(strings.ToLower(permission), "_", "-")
			must(t, w.PutBucketACL(ctx, root(owner), &PutACLInput{ObjectInput: ObjectInput{Bucket: "tour"},
				ACL: ACL{Grants: map[string]string{header: fmt.Sprintf(`id="%s", uri="%s"`, w.canonical(stranger), groupLogDelivery)}}}))
			granted := w.user(stranger, allow("s3:*", "*"))
			for _, tt := range []struct {
				needs string
				err   error
			}{
				{"READ", errOf(w.ListObjects(ctx, granted, &ListObjectsInput{BucketInput: *bucketIn, MaxKeys: -1}))},
				{"WRITE", w.put(granted, "tour", "key")},
				{"READ_ACP", errOf(w.GetBucketACL(ctx, granted, bucketIn))},
				{"WRITE_ACP", w.PutBucketACL(ctx, granted, &PutACLInput{ObjectInput: ObjectInput{Bucket: "tour"}, ACL: ACL{Grants: map[string]string{header: "id=" + w.canonical(stranger)}}})},
				{"nothing", errOf(w.GetBucketVersioning(ctx, granted, bucketIn))},
			} {
				wanted := "AccessDenied"
				if permission == tt.needs || permission == "FULL_CONTROL" && tt.needs != "nothing" {
					wanted = ""
				}
				want(t, "what takes "+tt.needs, tt.err, wanted)
			}
			// The account has to pass on what it was given.
			want(t, "a user without rights", errOf(w.ListObjects(ctx, w.user(stranger), &ListObjectsInput{BucketInput: *bucketIn, MaxKeys: -1})), "AccessDenied")
		})
	}
}

// TestForeignObjects has another account write into a bucket: who owns the object
// then decides who may read it.
func TestForeignObjects(t *testing.T) {
	tests := []struct {
		ownership, canned string
		foreign           bool   // the writer owns the object
		bucketOwner       string // what the bucket's root gets
	}{
		{object.BucketOwnerEnforced, "", false, ""},
		{object.BucketOwnerEnforced, "bucket-owner-full-control", false, ""},
		{object.BucketOwnerPreferred, "", true, "AccessDenied"},
		{object.BucketOwnerPreferred, "bucket-owner-full-control", false, ""},
		{object.ObjectWriter, "", true, "AccessDenied"},
		{object.ObjectWriter, "bucket-owner-read", true, ""},
		{object.ObjectWriter, "bucket-owner-full-control", true, ""},
	}
	for _, tt := range tests {
		t.Run(tt.ownership+" "+tt.canned, func(t *testing.T) {
			ctx := t.Context()
			w := newWorld(t)
			w.bucket("tour")
			if tt.ownership != object.BucketOwnerEnforced {
				w.open("tour", tt.ownership)
			}
			w.policy("tour", statement("Allow", theStranger, "s3:PutObject*", "/*", ""), statement("Allow", `{"AWS":"123456789012"}`, "s3:*", "/*", ""))
			writer := root(stranger)
			if tt.ownership != object.BucketOwnerEnforced && tt.canned != "" {
				// The right to set the ACL of one's own object is one's own account's.
				w.policy("tour", statement("Allow", theStranger, "s3:PutObject", "/*", ""))
			}
			must(t, w.put(writer, "tour", "key", withACL(tt.canned)))
			want(t, "the bucket owner's read", w.get(root(owner), "tour", "key"), tt.bucketOwner)
			writersRead := "AccessDenied"
			if tt.foreign {
				writersRead = ""
			}
			want(t, "the writer's read", w.get(writer, "tour", "key"), writersRead)
			if tt.foreign {
				w.policy("tour", statement("Deny", theStranger, "s3:GetObject", "/*", ""))
				want(t, "the writer's read under a Deny", w.get(writer, "tour", "key"), "AccessDenied")
			}
			in := objectIn("")
			out, err := w.GetObjectACL(ctx, map[bool]*authn.Caller{true: writer, false: root(owner)}[tt.foreign], &in)
			must(t, err)
			wanted := owner
			if tt.foreign {
				wanted = stranger
			}
			if out.Owner.ID != w.canonical(wanted) {
				t.Errorf("owner is %s; want %s", out.Owner.ID, wanted)
			}
			list, err := w.ListObjectVersions(ctx, root(owner), &ListObjectsInput{BucketInput: *bucketIn, MaxKeys: -1})
			must(t, err)
			if list.Entries[0].Owner.ID != w.canonical(wanted) {
				t.Errorf("listed owner is %s; want %s", list.Entries[0].Owner.ID, wanted)
			}
			// The bucket's owner can always remove an object, and end it all.
			if tt.foreign {
				must(t, w.DeleteBucketPolicy(ctx, root(owner), bucketIn))
				must(t, w.PutBucketOwnershipControls(ctx, root(owner), &PutBucketOwnershipControlsInput{BucketInput: *bucketIn, Rules: []string{object.BucketOwnerEnforced}}))
				want(t, "the bucket owner's read, ACLs off", w.get(root(owner), "tour", "key"), "")
				want(t, "the writer's read, ACLs off", w.get(writer, "tour", "key"), "AccessDenied")
			}
			want(t, "the bucket owner's delete", errOf(w.DeleteObject(ctx, root(owner), &DeleteObjectInput{ObjectInput: in})), "")
		})
	}
}

func TestACLsAreRefused(t *testing.T) {
	ctx := t.Context()
	w := newWorld(t)
	w.bucket("tour")
	must(t, w.put(root(owner), "tour", "key"))
	setBucket := func(acl ACL) error {
		return w.PutBucketACL(ctx, root(owner), &PutACLInput{ObjectInput: ObjectInput{Bucket: "tour"}, ACL: acl})
	}
	setObject := func(in PutACLInput) error {
		in.ObjectInput = objectIn("")
		return errOf(w.PutObjectACL(ctx, root(owner), &in))
	}
	// Where ACLs are disabled.
	want(t, "PutBucketAcl", setBucket(ACL{Canned: "private"}), "AccessControlListNotSupported")
	want(t, "PutObjectAcl", setObject(PutACLInput{ACL: ACL{Canned: "public-read"}}), "AccessControlListNotSupported")
	want(t, "PutObjectAcl for the bucket's owner", setObject(PutACLInput{ACL: ACL{Canned: "bucket-owner-full-control"}}), "")
	full := ACLGrant{ID: w.canonical(owner), Permission: "FULL_CONTROL"}
	want(t, "the same as a document", setObject(PutACLInput{Document: &ACLDocument{Owner: Owner{ID: full.ID}, Grants: []ACLGrant{full}}}), "")
	want(t, "another document", setObject(PutACLInput{Document: &ACLDocument{Owner: Owner{ID: full.ID}, Grants: []ACLGrant{full, full}}}), "AccessControlListNotSupported")
	want(t, "a document and a header", setObject(PutACLInput{ACL: ACL{Canned: "private"}, Document: &ACLDocument{Owner: Owner{ID: full.ID}, Grants: []ACLGrant{full}}}), "AccessControlListNotSupported")
	want(t, "PutObject", w.put(root(owner), "tour", "key", withACL("public-read")), "AccessControlListNotSupported")
	want(t, "PutObject as it is anyway", w.put(root(owner), "tour", "key", withACL("private")), "")
	w.policy("tour", statement("Allow", theStranger, "s3:PutObject*", "/*", ""))
	want(t, "PutObject of another account for itself", w.put(root(stranger), "tour", "key", withACL("private")), "AccessControlListNotSupported")
	want(t, "PutObject for the bucket's owner", w.put(root(owner), "tour", "key", withACL("bucket-owner-full-control")), "")

	// Where public ones are blocked.
	must(t, w.PutBucketOwnershipControls(ctx, root(owner), &PutBucketOwnershipControlsInput{BucketInput: *bucketIn, Rules: []string{object.ObjectWriter}}))
	want(t, "a public bucket", setBucket(ACL{Canned: "public-read"}), "AccessDenied")
	want(t, "a public object", setObject(PutACLInput{ACL: ACL{Canned: "authenticated-read"}}), "AccessDenied")
	want(t, "a public new object", w.put(root(owner), "tour", "key", withACL("public-read")), "AccessDenied")
	want(t, "a private one", setObject(PutACLInput{ACL: ACL{Canned: "private"}}), "")

	w.open("tour", object.ObjectWriter)
	id := w.canonical(owner)
	many := make([]ACLGrant, maxGrants+1)
	for i := range many {
		many[i] = ACLGrant{ID: id, Permission: "READ"}
	}
	doc := func(grants ...ACLGrant) *ACLDocument { return &ACLDocument{Owner: Owner{ID: id}, Grants: grants} }
	for name, tt := range map[string]struct {
		in   PutACLInput
		code string
	}{
		"nothing":                  {PutACLInput{}, "MissingSecurityHeader"},
		"header and body":          {PutACLInput{ACL: ACL{Canned: "private"}, Document: doc()}, "UnexpectedContent"},
		"canned and grants":        {PutACLInput{ACL: ACL{Canned: "private", Grants: map[string]string{"x-amz-grant-read": "id=" + id}}}, "InvalidRequest"},
		"an unknown canned ACL":    {PutACLInput{ACL: ACL{Canned: "public"}}, "InvalidArgument"},
		"one for buckets":          {PutACLInput{ACL: ACL{Canned: "log-delivery-write"}}, "InvalidArgument"},
		"an email address":         {PutACLInput{ACL: ACL{Grants: map[string]string{"x-amz-grant-read": `emailAddress="a@example.com"`}}}, "MethodNotAllowed"},
		"an unknown kind":          {PutACLInput{ACL: ACL{Grants: map[string]string{"x-amz-grant-read": `name="a"`}}}, "InvalidArgument"},
		"no kind":                  {PutACLInput{ACL: ACL{Grants: map[string]string{"x-amz-grant-read": id}}}, "InvalidArgument"},
		"an unknown header":        {PutACLInput{ACL: ACL{Grants: map[string]string{"x-amz-grant-all": "id=" + id}}}, "NotImplemented"},
		"an unknown group":         {PutACLInput{Document: doc(ACLGrant{URI: "http://acs.amazonaws.com/groups/global/Nobody", Permission: "READ"})}, "InvalidArgument"},
		"a malformed ID":           {PutACLInput{Document: doc(ACLGrant{ID: owner, Permission: "READ"})}, "InvalidArgument"},
		"an unknown permission":    {PutACLInput{Document: doc(ACLGrant{ID: id, Permission: "EXECUTE"})}, "MalformedACLError"},
		"too many grants":          {PutACLInput{Document: doc(many...)}, "MalformedACLError"},
		"as many as there may be":  {PutACLInput{Document: doc(many[1:]...)}, ""},
		"another owner":            {PutACLInput{Document: &ACLDocument{Owner: Owner{ID: w.canonical(stranger)}}}, "AccessDenied"},
		"nobody, not even oneself": {PutACLInput{Document: doc()}, ""},
	} {
		want(t, name, setObject(tt.in), tt.code)
	}
	want(t, "the owner's read of what he has no grant to", w.get(root(owner), "tour", "key"), "")

	// A bucket with a list keeps it as long as lists count.
	must(t, setBucket(ACL{Canned: "log-delivery-write"}))
	in := &PutBucketOwnershipControlsInput{BucketInput: *bucketIn, Rules: []string{object.BucketOwnerEnforced}}
	want(t, "PutBucketOwnershipControls", w.PutBucketOwnershipControls(ctx, root(owner), in), "InvalidBucketAclWithObjectOwnership")
	must(t, setBucket(ACL{Canned: "private"}))
	want(t, "PutBucketOwnershipControls", w.PutBucketOwnershipControls(ctx, root(owner), in), "")
	in.Rules = []string{"Everybody"}
	want(t, "PutBucketOwnershipControls", w.PutBucketOwnershipControls(ctx, root(owner), in), "MalformedXML")
	must(t, w.DeleteBucketOwnershipControls(ctx, root(owner), bucketIn))
	_, err := w.GetBucketOwnershipControls(ctx, root(owner), bucketIn)
	want(t, "GetBucketOwnershipControls of none", err, "OwnershipControlsNotFoundError")
}

func TestCreateBucketWithACL(t *testing.T) {
	for _, tt := range []struct{ ownership, canned, code string }{
		{"", "private", ""},
		{"", "public-read", "InvalidBucketAclWithObjectOwnership"},
		{"BucketOwnerEnforced", "log-delivery-write", "InvalidBucketAclWithObjectOwnership"},
		{"ObjectWriter", "log-delivery-write", ""},
		{"ObjectWriter", "public-read", "InvalidBucketAclWithBlockPublicAccessError"},
		{"BucketOwnerPreferred", "", ""},
		{"Everybody", "", "InvalidArgument"},
	} {
		w := newWorld(t)
		_, err := w.CreateBucket(t.Context(), root(owner), &CreateBucketInput{Bucket: "tour", ObjectOwnership: tt.ownership, ACL: ACL{Canned: tt.canned}})
		want(t, fmt.Sprintf("CreateBucket(%q, %q)", tt.ownership, tt.canned), err, tt.code)
		if err != nil {
			continue
		}
		out, err := w.GetBucketOwnershipControls(t.Context(), root(owner), bucketIn)
		if want := cmpOr(tt.ownership, "BucketOwnerEnforced"); err != nil || out.ObjectOwnership != want {
			t.Errorf("GetBucketOwnershipControls = %v, %v; want %s", out, err, want)
		}
		acl, err := w.GetBucketACL(t.Context(), root(owner), bucketIn)
		if err != nil || acl.Grants[0] != (ACLGrant{ID: w.canonical(owner), Permission: "FULL_CONTROL"}) || (len(acl.Grants) == 3) != (tt.canned == "log-delivery-write") {
			t.Errorf("GetBucketAcl = %v, %v", acl, err)
		}
	}
}

// Whatever a header holds, what is kept of it is a grant that can be shown.
func FuzzHeaderACL(f *testing.F) {
	id := strings.Repeat("a1", 32)
	for _, seed := range []string{"", "id=" + id, `id="` + id + `", uri="` + groupAllUsers + `"`, "emailAddress=a@b", "id", "=", `id="`, ",", "ID=" + strings.ToUpper(id)} {
		f.Add("x-amz-grant-read", seed)
	}
	f.Add("x-amz-grant-everything", "id="+id)
	f.Fuzz(func(t *testing.T, name, value string) {
		acl, err := headerACL(map[string]string{name: value})
		if err != nil {
			return
		}
		if len(acl.Grants) == 0 || len(acl.Grants) > maxGrants {
			t.Fatalf("%d grants of %q", len(acl.Grants), value)
		}
		for _, g := range acl.Grants {
			if isCanonicalID(g.CanonicalID) == (g.Group != "") || headerPermissions[name] != g.Permission {
				t.Fatalf("%q became %+v", value, g)
			}
		}
	})
}
