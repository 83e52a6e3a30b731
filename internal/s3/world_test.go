package s3

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"coffer/internal/arn"
	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/awserr"
	blobmem "coffer/internal/blob/mem"
	"coffer/internal/identity"
	"coffer/internal/meta"
	"coffer/internal/meta/mem"
	"coffer/internal/object"
	"coffer/internal/sealed"
	"coffer/internal/trail"
)

const (
	owner    = "123456789012" // of the buckets
	stranger = "210987654321"
	region   = "us-east-1"
)

// A world is a service on real stores, identities and decisions.
type world struct {
	*Service
	t          testing.TB
	identities *identity.Store
	users      int
}

// serviceKeys derives service secrets from nothing but their names.
type serviceKeys struct{}

func (serviceKeys) ServiceSecret(_ context.Context, account string, salt [32]byte) (sealed.Secret, error) {
	return sha256.Sum256(append(salt[:], account...)), nil
}

// keyARN is the one KMS key of a world, which alias/x names too.
const keyARN = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"

// kmsKeys has keyARN, whose data keys are all alike.
type kmsKeys struct{}

func (kmsKeys) NewDataKey(context.Context, *authn.Caller, string, map[string]string) ([32]byte, []byte, string, error) {
	return [32]byte{1}, []byte("blob"), keyARN, nil
}
func (kmsKeys) OpenDataKey(context.Context, *authn.Caller, string, []byte, map[string]string) ([32]byte, error) {
	return [32]byte{1}, nil
}
func (kmsKeys) CheckKey(context.Context, *authn.Caller, string, string, map[string]string) (string, error) {
	return keyARN, nil
}
func (kmsKeys) ManagedS3Key(context.Context, *authn.Caller) (string, error) { return keyARN, nil }
func (kmsKeys) ResolveKey(_ context.Context, _ *authn.Caller, id string) (string, error) {
	if id == "alias/x" || strings.HasSuffix(keyARN, id) {
		return keyARN, nil
	}
	return "", errors.New("no such key")
}
func (kmsKeys) ShredBy(context.Context, *authn.Caller, string) (string, error)  { return "", nil }
func (kmsKeys) Part(context.Context, string, map[string]string) (string, error) { return "", nil }
func (kmsKeys) Usable(meta.Reader, string, map[string]string) error             { return nil }

func newWorld(t testing.TB) *world {
	t.Helper()
	ctx := context.Background()
	store := mem.New()
	tr, err := trail.New(ctx, trail.Config{Store: store, Node: "n", Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, identities: identity.New(identity.Config{Meta: store})}
	for account, name := range map[string]string{owner: "owner", stranger: "stranger"} {
		if _, err := w.identities.CreateAccount(ctx, account, name, nil); err != nil {
			t.Fatal(err)
		}
	}
	objects, err := object.Open(ctx, object.Config{Meta: store, Blobs: new(blobmem.Store), Service: serviceKeys{}, StoreID: object.ID{1},
		Rand: rand.Reader, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	gate := authz.New(authz.Config{Trail: tr, Meta: store, Identities: w.identities})
	w.Service = New(Config{Objects: objects, Keys: kmsKeys{}, Gate: gate, Owners: w.identities, Principals: w.identities,
		AllowCustomerKeys: true})
	t.Cleanup(func() {
		objects.Close()
		gate.Close()
		tr.Close(ctx)
	})
	return w
}

// root returns the root user of an account.
func root(account string) *authn.Caller {
	return &authn.Caller{Type: authn.TypeRoot, Account: account, ARN: arn.Root(account), PrincipalID: account,
		Region: region, Service: "s3", AuthType: authn.AuthHeader, SignatureVersion: "SigV4", SignedAt: time.Now().Add(-time.Minute),
		PayloadHash: "UNSIGNED-PAYLOAD", SourceIP: "127.0.0.1", SecureTransport: true, TLSVersion: "TLSv1.3"}
}

func anonymous() *authn.Caller {
	return &authn.Caller{Type: authn.TypeAnonymous, Region: region, SourceIP: "192.0.2.8", SecureTransport: true, TLSVersion: "TLSv1.3"}
}

// user makes a user of an account with an inline policy of these statements.
func (w *world) user(account string, statements ...string) *authn.Caller {
	w.t.Helper()
	w.users++
	u, err := w.identities.CreateUser(w.t.Context(), account, identity.NewUser{Name: fmt.Sprintf("user%d", w.users)}, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	if len(statements) > 0 {
		e := identity.Entity{Kind: identity.KindUser, Account: account, Name: u.Name}
		if err := w.identities.PutInline(w.t.Context(), e, "p", document(statements...), nil); err != nil {
			w.t.Fatal(err)
		}
	}
	c := root(account)
	c.Type, c.ARN, c.PrincipalID, c.EntityID, c.UserName = authn.TypeUser, u.ARN, u.ID, u.ID, u.Name
	return c
}

// document is a policy of statements.
func document(statements ...string) string {
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
}

// allow is a statement of an identity policy.
func allow(action, resource string) string {
	return fmt.Sprintf(`{"Effect":"Allow","Action":%q,"Resource":%q}`, action, resource)
}

// bucket makes a bucket of the account owner.
func (w *world) bucket(name string) {
	w.t.Helper()
	if _, err := w.CreateBucket(w.t.Context(), root(owner), &CreateBucketInput{Bucket: name}); err != nil {
		w.t.Fatal(err)
	}
}

// open turns the Block Public Access of a bucket off, and ACLs on unless ownership
// is empty.
func (w *world) open(bucket, ownership string) {
	w.t.Helper()
	in := BucketInput{Bucket: bucket}
	must(w.t, w.PutPublicAccessBlock(w.t.Context(), root(owner), &PutPublicAccessBlockInput{BucketInput: in}))
	if ownership != "" {
		must(w.t, w.PutBucketOwnershipControls(w.t.Context(), root(owner), &PutBucketOwnershipControlsInput{BucketInput: in, Rules: []string{ownership}}))
	}
}

// policy puts a bucket policy as the owner's root user.
func (w *world) policy(bucket string, statements ...string) {
	w.t.Helper()
	must(w.t, w.putPolicy(root(owner), bucket, document(statements...)))
}

func (w *world) putPolicy(c *authn.Caller, bucket, text string) error {
	return w.PutBucketPolicy(w.t.Context(), c, &PutBucketPolicyInput{BucketInput: BucketInput{Bucket: bucket}, Policy: []byte(text)})
}

func upload(data string) Upload {
	return Upload{Body: strings.NewReader(data), Length: int64(len(data))}
}

// put stores an object as c.
func (w *world) put(c *authn.Caller, bucket, key string, change ...func(*PutObjectInput)) error {
	in := &PutObjectInput{Bucket: bucket, Key: key, Upload: upload("data")}
	for _, f := range change {
		f(in)
	}
	_, err := w.PutObject(w.t.Context(), c, in)
	return err
}

// get reads an object as c.
func (w *world) get(c *authn.Caller, bucket, key string) error {
	_, err := w.read(c, bucket, key, "")
	return err
}

func (w *world) read(c *authn.Caller, bucket, key, version string) ([]byte, error) {
	out, err := w.GetObject(w.t.Context(), c, &GetObjectInput{ObjectInput: ObjectInput{Bucket: bucket, Key: key, VersionID: version}})
	if err != nil {
		return nil, err
	}
	defer out.Body.Close()
	var b bytes.Buffer
	_, err = io.Copy(&b, out.Body)
	return b.Bytes(), err
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// code returns the code of an error, or "" for none.
func code(err error) string {
	if err == nil {
		return ""
	}
	if e := awserr.As(err); e != nil {
		return e.Code
	}
	return err.Error()
}

// want fails unless err has the code, "" for none.
func want(t testing.TB, what string, err error, wanted string) {
	t.Helper()
	if code(err) != wanted {
		t.Errorf("%s = %v; want %q", what, err, wanted)
	}
}
