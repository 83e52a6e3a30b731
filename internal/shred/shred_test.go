package shred_test

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"coffer/internal/arn"
	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/awserr"
	blobmem "coffer/internal/blob/mem"
	"coffer/internal/erasure"
	"coffer/internal/identity"
	"coffer/internal/key"
	"coffer/internal/kms"
	"coffer/internal/meta"
	"coffer/internal/meta/mem"
	"coffer/internal/object"
	"coffer/internal/receipt"
	"coffer/internal/rootseal/file"
	"coffer/internal/sealed"
	"coffer/internal/shred"
	"coffer/internal/trail"
)

const (
	account = "123456789012"
	region  = "us-east-1"
)

// A world is the service on real keys and objects.
type world struct {
	*testing.T
	*shred.Service
	store      meta.Store
	keys       *key.Keys
	kms        *kms.Service
	objects    *object.Store
	ledger     *erasure.Ledger
	identities *identity.Store
	trail      *trail.Trail
	now        time.Time
	locked     int64 // versions that a lock retains
	users      int

	key *key.Key // shreds by subject
}

type serviceKeys struct{}

func (serviceKeys) ServiceSecret(context.Context, string, [32]byte) (sealed.Secret, error) {
	return sealed.Secret{1}, nil
}

// Retained implements shred.Locks.
func (w *world) Retained(context.Context, erasure.Target) (int64, error) { return w.locked, nil }

func newWorld(t *testing.T) *world {
	ctx := context.Background()
	w := &world{T: t, store: mem.New(), now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	clock := func() time.Time { return w.now }
	log := slog.New(slog.DiscardHandler)
	root, err := file.Open(file.Config{Dir: t.TempDir()})
	w.must(err)
	trust, err := key.OpenRoot(ctx, key.RootConfig{Store: root, Create: true})
	w.must(err)
	w.keys, err = key.Open(ctx, key.Config{Meta: w.store, Root: trust, Now: clock})
	w.must(err)
	w.trail, err = trail.New(ctx, trail.Config{Store: w.store, Node: "n", Now: clock, Log: log})
	w.must(err)
	w.identities = identity.New(identity.Config{Meta: w.store, Now: clock})
	_, err = w.identities.CreateAccount(ctx, account, "home", nil)
	w.must(err)
	gate := authz.New(authz.Config{Trail: w.trail, Meta: w.store, Identities: w.identities, Now: clock})
	w.objects, err = object.Open(ctx, object.Config{Meta: w.store, Blobs: new(blobmem.Store), Service: serviceKeys{}, StoreID: trust.StoreID(),
		Rand: rand.Reader, Now: clock, Log: log})
	w.must(err)
	w.ledger, err = erasure.Open(ctx, erasure.Config{Meta: w.store, Keys: w.keys, Objects: w.objects, StoreID: trust.StoreID(), Now: clock, Rand: rand.Reader, Log: log,
		Holders: func() []receipt.Holder { return []receipt.Holder{{Name: "r", Kind: "file", CannotForget: []string{}}} }})
	w.must(err)
	w.kms = kms.New(kms.Config{Keys: w.keys, Gate: gate, Principals: w.identities, Ledger: w.ledger, Now: clock})
	w.Service = shred.New(shred.Config{Gate: gate, Meta: w.store, KMS: w.kms, Keys: w.keys, Objects: w.objects, Ledger: w.ledger, Locks: w, Log: log,
		SubjectOf: func(b *object.Bucket, name string) (string, bool) { return b.Name + "/" + name, b.Name == "own" }})
	t.Cleanup(func() {
		w.objects.Close()
		gate.Close()
		w.trail.Close(ctx)
		w.identities.Close(ctx)
		w.keys.Close()
		trust.Close()
	})
	out, err := w.kms.CreateKey(ctx, root0(), &kms.CreateKeyInput{Tags: []kms.Tag{{TagKey: key.TagShredBy, TagValue: "subject"}}})
	w.must(err)
	w.key, err = w.keys.Resolve(ctx, account, region, out.KeyMetadata.ARN)
	w.must(err)
	w.use("alice")
	w.use("bob")
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// use makes a ciphertext for a subject.
func (w *world) use(value string) {
	w.Helper()
	_, err := w.keys.Encrypt(w.Context(), w.key.Ref, []byte("x"), map[string]string{"subject": value})
	w.must(err)
}

func root0() *authn.Caller {
	return &authn.Caller{Type: authn.TypeRoot, Account: account, ARN: arn.Root(account), PrincipalID: account, Region: region, Service: "coffer", RequestID: "r"}
}

// user returns a user with a policy of these statements.
func (w *world) user(statements string) *authn.Caller {
	w.Helper()
	w.users++
	name := "user" + string(rune('a'+w.users))
	u, err := w.identities.CreateUser(w.Context(), account, identity.NewUser{Name: name}, nil)
	w.must(err)
	w.must(w.identities.PutInline(w.Context(), identity.Entity{Kind: identity.KindUser, Account: account, Name: name}, "p",
		`{"Version":"2012-10-17","Statement":[`+statements+`]}`, nil))
	return &authn.Caller{Type: authn.TypeUser, Account: account, ARN: u.ARN, PrincipalID: u.ID, EntityID: u.ID, UserName: name, Region: region, Service: "coffer"}
}

const everything = `{"Effect":"Allow","Action":"*","Resource":"*"}`

// eraser may all there is, and ShredNow by name.
func (w *world) eraser() *authn.Caller {
	return w.user(everything + `,{"Effect":"Allow","Action":"coffer:ShredNow","Resource":"*"}`)
}

func (w *world) of(value string) *shred.Input {
	in := &shred.Input{Key: w.key.ARN}
	if value != "" {
		in.Name, in.Value = "subject", value
	}
	return in
}

func (w *world) want(what string, err error, code string) {
	w.Helper()
	got := ""
	if e := awserr.As(err); e != nil {
		got = e.Code
	} else if err != nil {
		got = err.Error()
	}
	if got != code {
		w.Errorf("%s = %v; want %q", what, err, code)
	}
}

// TestShredNow destroys a subject and then its key, as everybody.
func TestShredNow(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	for name, c := range map[string]*authn.Caller{
		"root":                   root0(),
		"all rights":             w.user(everything),
		"all of coffer":          w.user(`{"Effect":"Allow","Action":["coffer:*","kms:*"],"Resource":"*"}`),
		"another subject":        w.user(everything + `,{"Effect":"Allow","Action":"coffer:ShredNow","Resource":"arn:aws:coffer:*:*:key/*/subject/subject/bob"}`),
		"without deletion":       w.user(`{"Effect":"Allow","Action":["coffer:ShredNow","kms:DescribeKey"],"Resource":"*"}`),
		"denied by a wildcard":   w.user(everything + `,{"Effect":"Allow","Action":"coffer:ShredNow","Resource":"*"},{"Effect":"Deny","Action":"coffer:Shred*","Resource":"*"}`),
		"only subjects, the key": nil,
	} {
		in := w.of("alice")
		if c == nil {
			c, in = w.user(everything+`,{"Effect":"Allow","Action":"coffer:ShredNow","Resource":"arn:aws:coffer:*:*:key/*/subject/*"}`), w.of("")
		}
		_, err := w.ShredNow(ctx, c, in)
		w.want("ShredNow() with "+name, err, "AccessDeniedException")
	}
	if _, err := w.keys.Subject(ctx, w.key.Ref, "alice"); err != nil {
		t.Fatalf("after refusals, Subject() = %v", err)
	}

	eraser := w.eraser()
	w.locked = 3
	_, err := w.ShredNow(ctx, eraser, w.of("alice"))
	w.want("ShredNow() under a lock", err, "ConflictException")
	w.locked = 0
	_, err = w.ShredNow(ctx, eraser, w.of("carol"))
	w.want("ShredNow() of a subject that never was", err, "NotFoundException")
	_, err = w.ShredNow(ctx, eraser, &shred.Input{Key: w.key.ARN, Name: "tenant", Value: "alice"})
	w.want("ShredNow() by another pair", err, "ValidationException")

	out, err := w.ShredNow(ctx, eraser, w.of("alice"))
	w.must(err)
	r, err := receipt.Verify([]byte(out.Receipt), []receipt.PublicKey{w.ledger.PublicKey()})
	w.must(err)
	if r.Asked.By != eraser.ARN || r.Asked.WindowSeconds != 0 || out.State != shred.Destroyed {
		t.Errorf("ShredNow() = %s, asked by %+v", out.State, r.Asked)
	}
	w.wantEvent(r.Asked.Event, "ShredNow", eraser.ARN)
	w.wantEvent(r.Destroyed.Event, "DeleteSubject", `"AWSService"`)
	_, err = w.ShredNow(ctx, eraser, w.of("alice"))
	w.want("ShredNow() again", err, "KMSInvalidStateException")
	got, err := w.GetShred(ctx, root0(), w.of("alice"))
	w.must(err)
	if got.State != shred.Destroyed || got.Receipt != out.Receipt {
		t.Errorf("GetShred() = %+v; want the same receipt", got)
	}

	// The whole key; afterwards nothing but coffer:GetShred is asked for.
	out, err = w.ShredNow(ctx, eraser, w.of(""))
	w.must(err)
	r, err = receipt.Parse([]byte(out.Receipt))
	w.must(err)
	w.wantEvent(r.Destroyed.Event, "DeleteKey", `"AWSService"`)
	reader := w.user(`{"Effect":"Allow","Action":"coffer:GetShred","Resource":"*"}`)
	for _, value := range []string{"", "alice"} {
		got, err = w.GetShred(ctx, reader, w.of(value))
		w.must(err)
		if got.State != shred.Destroyed || got.Receipt == "" {
			t.Errorf("GetShred(%q) of a key that is gone = %+v", value, got)
		}
	}
	_, err = w.GetShred(ctx, w.user(`{"Effect":"Allow","Action":"kms:*","Resource":"*"}`), w.of(""))
	w.want("GetShred() without the right", err, "AccessDeniedException")
}

// wantEvent wants an event in the trail, of that name and with that in it.
func (w *world) wantEvent(id, name, holds string) {
	w.Helper()
	found := ""
	w.must(w.store.View(w.Context(), func(r meta.Reader) error {
		return r.Scan(meta.Prefix([]byte("trail/event/")), func(_, v []byte) (bool, error) {
			if strings.Contains(string(v), `"eventID":"`+id+`"`) {
				found = string(v)
			}
			return true, nil
		})
	}))
	if !strings.Contains(found, `"eventName":"`+name+`"`) || !strings.Contains(found, holds) {
		w.Errorf("event %s is %s; want %s with %s", id, found, name, holds)
	}
}

// TestWindow takes a subject through its waiting period.
func TestWindow(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	in := w.of("alice")
	for _, days := range []int32{0, 6, 31} {
		in.Days = days
		_, err := w.ShredSubject(ctx, root0(), in)
		w.want("ShredSubject()", err, "ValidationException")
	}
	in.Days = 7
	_, err := w.ShredSubject(ctx, root0(), &shred.Input{Key: w.key.ARN, Days: 7})
	w.want("ShredSubject() of a key", err, "ValidationException")
	w.locked = 1
	_, err = w.ShredSubject(ctx, root0(), in)
	w.want("ShredSubject() under a lock", err, "ConflictException")
	w.locked = 0
	_, err = w.CancelShred(ctx, root0(), w.of("alice"))
	w.want("CancelShred() of nothing", err, "KMSInvalidStateException")

	step := func(what string, out *shred.State, err error, state string) {
		t.Helper()
		if err != nil || out.State != state || out.Receipt != "" {
			t.Errorf("%s = %+v, %v; want %s", what, out, err, state)
		}
		got, err := w.GetShred(ctx, root0(), w.of("alice"))
		if err != nil || got.State != state {
			t.Errorf("after %s, GetShred() = %+v, %v; want %s", what, got, err, state)
		}
	}
	out, err := w.DisableSubject(ctx, root0(), w.of("alice"))
	step("DisableSubject()", out, err, "Disabled")
	out, err = w.EnableSubject(ctx, root0(), w.of("alice"))
	step("EnableSubject()", out, err, "Enabled")
	out, err = w.ShredSubject(ctx, root0(), in)
	step("ShredSubject()", out, err, "PendingDeletion")
	_, err = w.ShredSubject(ctx, root0(), in)
	w.want("ShredSubject() again", err, "KMSInvalidStateException")
	out, err = w.CancelShred(ctx, root0(), w.of("alice"))
	step("CancelShred()", out, err, "Enabled")
	out, err = w.ShredSubject(ctx, root0(), in)
	step("ShredSubject()", out, err, "PendingDeletion")

	w.now = w.now.Add(7*24*time.Hour - time.Second)
	if n, err := w.kms.Sweep(ctx); n != 0 || err != nil {
		t.Errorf("Sweep() before the window has passed = %d, %v", n, err)
	}
	w.now = w.now.Add(2 * time.Second)
	if n, err := w.kms.Sweep(ctx); n != 1 || err != nil {
		t.Errorf("Sweep() = %d, %v; want 1", n, err)
	}
	got, err := w.GetShred(ctx, root0(), w.of("alice"))
	w.must(err)
	r, err := receipt.Parse([]byte(got.Receipt))
	w.must(err)
	if r.Asked.By != root0().ARN || r.Asked.WindowSeconds != 7*24*3600 {
		t.Errorf("the receipt says %+v asked", r.Asked)
	}
	w.wantEvent(r.Asked.Event, "ShredSubject", root0().ARN)
	_, err = w.EnableSubject(ctx, root0(), w.of("alice"))
	w.want("EnableSubject() of what is destroyed", err, "KMSInvalidStateException")
}

// TestKeyDeletion wants a receipt of a key whose deletion KMS was asked for.
func TestKeyDeletion(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	days := int32(7)
	_, err := w.kms.ScheduleKeyDeletion(ctx, root0(), &kms.ScheduleKeyDeletionInput{KeyID: w.key.ID, PendingWindowInDays: &days})
	w.must(err)
	w.now = w.now.Add(8 * 24 * time.Hour)
	_, err = w.kms.Sweep(ctx)
	w.must(err)
	got, err := w.GetShred(ctx, root0(), w.of(""))
	w.must(err)
	r, err := receipt.Parse([]byte(got.Receipt))
	w.must(err)
	if r.Asked.By != root0().ARN || r.Asked.WindowSeconds != 7*24*3600 || r.What.Materials[0] != w.key.Material.String() {
		t.Errorf("the receipt states %+v of %+v", r.Asked, r.What)
	}
	w.wantEvent(r.Asked.Event, "ScheduleKeyDeletion", root0().ARN)
}

// put stores an object under a subject of the key, or as a whole under the service key.
func (w *world) put(b *object.Bucket, name, subject string) {
	w.Helper()
	s := &object.Sealing{Mode: sealed.ModeS3}
	if subject != "" {
		w.use(subject)
		ec := map[string]string{"subject": subject}
		id, _, err := w.keys.SubjectOf(w.key, ec)
		w.must(err)
		s = &object.Sealing{Mode: sealed.ModeKMS, KeyARN: w.key.ARN, KeyBlob: []byte("b"), Context: ec, Part: id.String()}
	}
	_, _, err := w.objects.Put(w.Context(), &object.Write{Bucket: b, Key: name, Sealing: s, Record: func(meta.Txn, *object.Version) error { return nil }},
		&object.Body{Reader: strings.NewReader("1234"), Length: 4})
	w.must(err)
}

// TestObjects previews single objects.
func TestObjects(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	buckets := map[string]*object.Bucket{}
	for name, owner := range map[string]string{"own": account, "shared": account, "foreign": "210987654321"} {
		buckets[name] = &object.Bucket{Name: name, Account: owner, Region: region, Versioning: object.Enabled}
		w.must(w.objects.CreateBucket(ctx, buckets[name], func(meta.Txn) error { return nil }))
	}
	w.put(buckets["own"], "a", "")
	w.put(buckets["own"], "a", "own/a")
	w.put(buckets["own"], "b", "alice")
	w.put(buckets["shared"], "a", "alice")
	w.put(buckets["shared"], "s3", "")
	w.put(buckets["foreign"], "a", "alice")

	at := func(bucket, name string) *shred.Input { return &shred.Input{Bucket: bucket, Object: name} }
	p, err := w.PreviewShred(ctx, root0(), at("own", "a"))
	w.must(err)
	if p.Refused != "" || p.Value != "own/a" || p.Dark.Versions != 1 || p.NotDark.Versions != 1 || p.NotDark.Listed[0].Opens[0] != "sse-s3" {
		t.Errorf("PreviewShred(own/a) = %+v; want its version before the tag named as not dark", p)
	}
	for _, name := range []string{"own b", "shared a"} {
		bucket, object, _ := strings.Cut(name, " ")
		p, err := w.PreviewShred(ctx, root0(), at(bucket, object))
		w.must(err)
		if p.Refused == "" || p.Value != "alice" || p.Dark.Versions != 3 {
			t.Errorf("PreviewShred(%s) = %+v; want a refusal", name, p)
		}
	}
	_, err = w.PreviewShred(ctx, root0(), at("shared", "s3"))
	w.want("PreviewShred() of an object under SSE-S3", err, shred.NotShreddable)
	for _, name := range []string{"own none", "none a", "foreign a"} {
		bucket, object, _ := strings.Cut(name, " ")
		_, err = w.PreviewShred(ctx, root0(), at(bucket, object))
		w.want("PreviewShred("+name+")", err, "NotFoundException")
	}
	nobody := w.user(`{"Effect":"Allow","Action":"kms:*","Resource":"*"}`)
	for _, name := range []string{"own a", "own none"} {
		bucket, object, _ := strings.Cut(name, " ")
		_, err = w.PreviewShred(ctx, nobody, at(bucket, object))
		w.want("PreviewShred("+name+") without the right", err, "AccessDeniedException")
	}
}

// TestUnrecorded wants nothing destroyed that could not be recorded.
func TestUnrecorded(t *testing.T) {
	w := newWorld(t)
	eraser := w.eraser()
	w.trail.Close(t.Context())
	if _, err := w.ShredNow(t.Context(), eraser, w.of("alice")); err == nil {
		t.Fatal("ShredNow() without a trail succeeded")
	}
	if _, err := w.keys.Subject(t.Context(), w.key.Ref, "alice"); errors.Is(err, key.ErrSubjectDestroyed) {
		t.Error("it destroyed the subject")
	}
}
