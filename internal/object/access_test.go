package object_test

import (
	"testing"

	"coffer/internal/meta"
	"coffer/internal/object"
	"coffer/internal/revision"
)

// revisionOf returns how many changes were counted.
func (w *world) revisionOf() (n uint64) {
	w.t.Helper()
	err := w.meta.View(w.t.Context(), func(r meta.Reader) (err error) {
		n, err = revision.Read(r)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// Every change of who may use a bucket counts as a revocation, and a change of
// anything else does not.
func TestAccessChangesAreCounted(t *testing.T) {
	ctx := t.Context()
	w := newWorld(t, 1)
	b := w.bucket("bucket", object.NeverVersioned)
	v := w.put(b, "key", []byte("x"))
	set := func(change func(*object.Bucket)) func() error {
		return func() error {
			return w.ReconfigureAccess(ctx, b, func(b *object.Bucket) error { change(b); return nil }, noRecord)
		}
	}
	for _, tt := range []struct {
		name   string
		counts bool
		do     func() error
	}{
		{"put policy", true, func() error { return w.SetPolicy(ctx, b, "{}", noRecord) }},
		{"remove policy", true, func() error { return w.SetPolicy(ctx, b, "", noRecord) }},
		{"block of an account", true, func() error { return w.SetAccountBlock(ctx, account, &object.PublicAccessBlock{}, noRecord) }},
		{"no block of an account", true, func() error { return w.SetAccountBlock(ctx, account, nil, noRecord) }},
		{"block of a bucket", true, set(func(b *object.Bucket) { b.Block = &object.PublicAccessBlock{} })},
		{"ownership", true, set(func(b *object.Bucket) { b.Ownership = object.ObjectWriter })},
		{"ACL of an object", true, func() error { return w.SetACL(ctx, b, v, &object.ACL{}, noRecord) }},
		{"tags of an object", false, func() error { return w.SetTags(ctx, b, v, nil, noRecord) }},
		{"versioning", false, func() error {
			return w.UpdateBucket(ctx, b, func(b *object.Bucket) error { b.Versioning = object.Enabled; return nil }, noRecord)
		}},
	} {
		before := w.revisionOf()
		if err := tt.do(); err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if got := w.revisionOf() > before; got != tt.counts {
			t.Errorf("%s: counted %t; want %t", tt.name, got, tt.counts)
		}
	}
}

// A bucket reads as it is, however often it was read before, and what a reader got
// does not change under its hands.
func TestBucketsAreReadAnew(t *testing.T) {
	ctx := t.Context()
	w := newWorld(t, 1)
	b := w.bucket("bucket", object.NeverVersioned)
	if p := b.PublicAccess(); !p.BlockPublicPolicy || !p.RestrictPublicBuckets || b.OwnershipSetting() != object.BucketOwnerEnforced || b.HasACLs() {
		t.Errorf("a new bucket has %+v and %s", p, b.OwnershipSetting())
	}
	first, err := w.Bucket(ctx, "bucket")
	wantError(t, "Bucket", err, nil)
	wantError(t, "SetPolicy", w.SetPolicy(ctx, b, "one", noRecord), nil)
	second, err := w.Bucket(ctx, "bucket")
	wantError(t, "Bucket", err, nil)
	if first.HasPolicy || !second.HasPolicy || second.PolicyChanges != 1 {
		t.Errorf("before %+v, after %+v", first, second)
	}
	wantError(t, "DeleteBucket", w.DeleteBucket(ctx, b, noRecord), nil)
	again := w.bucket("bucket", object.NeverVersioned)
	if now, err := w.Bucket(ctx, "bucket"); err != nil || now.HasPolicy || now.ID != again.ID {
		t.Errorf("the new bucket = %+v, %v", now, err)
	}
	_, _, err = w.Policy(ctx, again)
	wantError(t, "Policy of the new bucket", err, object.ErrNoPolicy)
	_, _, err = w.Policy(ctx, b)
	wantError(t, "Policy of the old bucket", err, object.ErrNoSuchBucket)
}

// A bucket whose policy is lost lets nobody in, and a check says why.
func TestCheckFindsALostPolicy(t *testing.T) {
	w := newWorld(t, 1)
	b := w.bucket("bucket", object.NeverVersioned)
	wantError(t, "SetPolicy", w.SetPolicy(t.Context(), b, "{}", noRecord), nil)
	w.wantCleanIn(t)
	for _, value := range [][]byte{[]byte("?"), nil} {
		w.setRow(string(object.PolicyRow(b.ID)), value)
		var found []object.Finding
		if err := w.Check(t.Context(), object.CheckConfig{Open: openAll}, func(f object.Finding) { found = append(found, f) }); err != nil {
			t.Fatal(err)
		}
		if len(found) != 1 || found[0].Kind != object.KindRowDamaged {
			t.Errorf("Check() found %+v; want a damaged row", found)
		}
		_, _, err := w.Policy(t.Context(), b)
		wantError(t, "Policy", err, meta.ErrCorrupt)
	}
}
