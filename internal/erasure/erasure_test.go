package erasure_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	blobmem "coffer/internal/blob/mem"
	"coffer/internal/checksum"
	"coffer/internal/erasure"
	"coffer/internal/key"
	"coffer/internal/meta"
	metamem "coffer/internal/meta/mem"
	"coffer/internal/meta/metatest"
	"coffer/internal/object"
	"coffer/internal/receipt"
	"coffer/internal/rootseal/file"
	"coffer/internal/sealed"
)

const (
	account = "123456789012"
	region  = "us-east-1"
)

// A world is keys, objects and a ledger on one store.
type world struct {
	*testing.T
	meta    *metatest.Faults
	root    *key.Root
	keys    *key.Keys
	objects *object.Store
	ledger  *erasure.Ledger
	now     time.Time
	bucket  *object.Bucket
}

type serviceKeys struct{}

func (serviceKeys) ServiceSecret(context.Context, string, [32]byte) (sealed.Secret, error) {
	return sealed.Secret{1}, nil
}

func newWorld(t *testing.T) *world {
	ctx := t.Context()
	w := &world{T: t, meta: metatest.NewFaults(metamem.New()), now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	store, err := file.Open(file.Config{Dir: t.TempDir()})
	w.must(err)
	w.root, err = key.OpenRoot(ctx, key.RootConfig{Store: store, Create: true})
	w.must(err)
	t.Cleanup(w.root.Close)
	w.keys, err = key.Open(ctx, key.Config{Meta: w.meta, Root: w.root, Now: w.clock})
	w.must(err)
	t.Cleanup(w.keys.Close)
	w.objects, err = object.Open(ctx, object.Config{Meta: w.meta, Blobs: new(blobmem.Store), Service: serviceKeys{}, StoreID: w.root.StoreID(),
		Rand: rand.Reader, Now: w.clock, Log: slog.New(slog.DiscardHandler)})
	w.must(err)
	t.Cleanup(w.objects.Close)
	w.open()
	w.bucket = &object.Bucket{Name: "files", Account: account, Region: region, Versioning: object.Enabled}
	w.must(w.objects.CreateBucket(ctx, w.bucket, func(meta.Txn) error { return nil }))
	return w
}

func (w *world) clock() time.Time { return w.now }

func (w *world) open() {
	w.Helper()
	var err error
	w.ledger, err = erasure.Open(w.Context(), erasure.Config{Meta: w.meta, Keys: w.keys, Objects: w.objects, StoreID: w.root.StoreID(),
		Holders: func() []receipt.Holder {
			return []receipt.Holder{{Name: "r", Kind: "file", CannotForget: []string{"copies"}}}
		},
		Now: w.clock, Rand: rand.Reader, Log: slog.New(slog.DiscardHandler)})
	w.must(err)
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) newKey() *key.Key {
	w.Helper()
	k, err := w.keys.Create(w.Context(), key.CreateInput{Account: account, Region: region, Tags: []key.Tag{{Key: key.TagShredBy, Value: "subject"}}}, nil)
	w.must(err)
	return k
}

// subject makes sure that a subject exists, and returns its ID.
func (w *world) subject(k *key.Key, value string) key.SubjectID {
	w.Helper()
	ec := map[string]string{"subject": value}
	_, err := w.keys.Encrypt(w.Context(), k.Ref, []byte("x"), ec)
	w.must(err)
	id, ok, err := w.keys.SubjectOf(k, ec)
	if err != nil || !ok {
		w.Fatalf("SubjectOf() = %t, %v", ok, err)
	}
	return id
}

// under is a sealing under a subject.
func (w *world) under(k *key.Key, value string) *object.Sealing {
	w.Helper()
	return &object.Sealing{Mode: sealed.ModeKMS, Secret: sealed.Secret{7}, KeyARN: k.ARN, KeyBlob: []byte("blob"), Part: w.subject(k, value).String()}
}

func (w *world) put(name, data string, s *object.Sealing) {
	w.Helper()
	_, _, err := w.objects.Put(w.Context(), &object.Write{Bucket: w.bucket, Key: name, Sealing: s, Record: func(meta.Txn, *object.Version) error { return nil }},
		&object.Body{Reader: strings.NewReader(data), Length: int64(len(data))})
	w.must(err)
}

func (w *world) rekey(name string, secret *sealed.Secret, to *object.Sealing) {
	w.Helper()
	v, err := w.objects.Find(w.Context(), w.bucket, name, "")
	w.must(err)
	w.must(w.objects.Rekey(w.Context(), w.bucket, v, secret, to, func(meta.Txn) error { return nil }))
}

// bury is what the KMS service does for each tombstone.
func (w *world) bury(tx meta.Txn, t *key.Tombstone) error {
	if err := w.ledger.Prepare(w.Context(), t); err != nil {
		return err
	}
	return w.ledger.Bury(w.Context(), tx, t, "the event")
}

func (w *world) destroySubject(k *key.Key, value string) {
	w.Helper()
	tombs, err := w.keys.DestroySubjects(w.Context(), k.Ref, []string{value}, w.bury)
	w.must(err)
	w.ledger.Buried(w.Context(), tombs)
}

func (w *world) destroyKeys(ks ...*key.Key) {
	w.Helper()
	var refs []key.Ref
	for _, k := range ks {
		refs = append(refs, k.Ref)
	}
	tombs, err := w.keys.Destroy(w.Context(), refs, w.bury)
	w.must(err)
	w.ledger.Buried(w.Context(), tombs)
}

// receipt returns the receipt of t, checked.
func (w *world) receipt(t erasure.Target) *receipt.Receipt {
	w.Helper()
	b, err := w.ledger.Receipt(w.Context(), t)
	w.must(err)
	r, err := receipt.Verify(b, []receipt.PublicKey{w.ledger.PublicKey()})
	w.must(err)
	return r
}

// TestSubject destroys a subject that has everything, and reads the receipt.
func TestSubject(t *testing.T) {
	w := newWorld(t)
	k := w.newKey()
	alice := w.subject(k, "alice")
	target := erasure.TargetOf(k, &alice)
	w.put("a", "12345", w.under(k, "alice"))
	w.put("a", "123", w.under(k, "alice"))
	w.put("b", "1", w.under(k, "bob"))
	w.put("plain", "12", &object.Sealing{Mode: sealed.ModeS3})
	w.rekey("plain", nil, w.under(k, "alice")) // old backups open it under the service key
	w.put("moved", "1234", w.under(k, "alice"))
	w.rekey("moved", &sealed.Secret{7}, w.under(k, "bob")) // bob still opens it
	w.put("mine", "1234567", w.under(k, "bob"))
	w.rekey("mine", &sealed.Secret{7}, w.under(k, "alice")) // and this
	u := &object.Upload{Key: "up", Algorithm: checksum.CRC64NVME, Type: "FULL_OBJECT"}
	w.must(w.objects.CreateUpload(t.Context(), w.bucket, u, w.under(k, "alice"), func(meta.Txn) error { return nil }))

	e, err := w.ledger.Preview(t.Context(), target)
	w.must(err)
	dark := receipt.Count{Objects: 1, Versions: 2, Uploads: 1, Bytes: 8}
	left := receipt.Count{Objects: 3, Versions: 3, Bytes: 13}
	if e.Dark != dark || e.NotDark.Count != left || len(e.Sample) != 3 || !e.NotDark.Complete {
		t.Errorf("Preview() = %+v, and not %+v", e.Dark, e.NotDark)
	}
	if _, err := w.ledger.Receipt(t.Context(), target); !errors.Is(err, erasure.ErrNoReceipt) {
		t.Errorf("Receipt() before the destruction = %v; want ErrNoReceipt", err)
	}
	asked := w.now
	w.must(w.meta.Update(t.Context(), func(tx meta.Txn) error {
		return w.ledger.Ask(tx, target, erasure.Asked{By: "arn:aws:iam::1:user/eve", Event: "asked", Window: 7 * 24 * time.Hour})
	}))
	w.now = w.now.Add(7 * 24 * time.Hour)
	w.meta.RunTwice(true)
	w.destroySubject(k, "alice")
	w.meta.RunTwice(false)

	r := w.receipt(target)
	if r.Dark != dark || r.NotDark.Count != left || !r.NotDark.Complete {
		t.Errorf("the receipt states %+v, and not %+v; want what the preview showed", r.Dark, r.NotDark)
	}
	opens := map[string][]string{}
	for _, l := range r.NotDark.Listed {
		opens[l.Key] = l.Opens
	}
	bob := object.TargetOf(k.ARN, w.subject(k, "bob").String())
	for name, want := range map[string][]string{"plain": {"sse-s3"}, "moved": {bob}, "mine": {bob}} {
		if !slices.Equal(opens[name], want) {
			t.Errorf("%s is opened by %q; want %q", name, opens[name], want)
		}
	}
	if r.What.Kind != receipt.KindSubject || r.What.Key != k.ARN || r.What.Subject.Value != "alice" || r.What.Subject.ID != alice.String() ||
		r.Asked.By != "arn:aws:iam::1:user/eve" || r.Asked.Event != "asked" || !r.Asked.At.Equal(asked) || r.Asked.WindowSeconds != 604800 ||
		r.Destroyed.Event != "the event" || r.Destroyed.After != w.root.Epoch() || r.Destroyed.Before != w.root.Epoch()-1 || !r.Destroyed.At.Equal(w.now) {
		t.Errorf("the receipt states %+v, %+v, %+v", r.What, r.Asked, r.Destroyed)
	}

	// The wrap under alice that was kept for moved is gone, bob's for mine is not.
	for name, kept := range map[string]int{"moved": 0, "mine": 1, "plain": 1} {
		v, err := w.objects.Find(t.Context(), w.bucket, name, "")
		if err != nil || len(v.Content.Previous) != kept {
			t.Errorf("%s keeps %d replaced wraps, %v; want %d", name, len(v.Content.Previous), err, kept)
		}
	}

	// With bob gone too, nothing opens moved and mine.
	w.destroySubject(k, "bob")
	id := w.bobID(k)
	if r := w.receipt(erasure.TargetOf(k, &id)); r.Dark.Versions != 3 || r.NotDark.Versions != 0 {
		t.Errorf("with both gone the receipt states %+v, and not %+v; want 3 dark", r.Dark, r.NotDark)
	}
	if r.Asked.By == "" || w.receipt(target).ID != r.ID {
		t.Error("the first receipt changed")
	}
}

func (w *world) bobID(k *key.Key) key.SubjectID {
	id, _, _ := w.keys.SubjectOf(k, map[string]string{"subject": "bob"})
	return id
}

// TestKeys destroys two keys in one epoch: content that lay under both is dark.
func TestKeys(t *testing.T) {
	w := newWorld(t)
	k1, k2 := w.newKey(), w.newKey()
	w.put("both", "123", w.under(k1, "alice"))
	w.rekey("both", &sealed.Secret{7}, w.under(k2, "bob"))
	w.put("one", "1", w.under(k1, "bob"))
	w.destroyKeys(k1, k2)
	for k, want := range map[*key.Key]receipt.Count{k1: {Objects: 2, Versions: 2, Bytes: 4}, k2: {Objects: 1, Versions: 1, Bytes: 3}} {
		r := w.receipt(erasure.TargetOf(k, nil))
		if r.Dark != want || r.NotDark.Versions != 0 || r.What.Kind != receipt.KindKey || len(r.What.Materials) != 1 || r.What.Materials[0] != k.Material.String() {
			t.Errorf("the receipt states %+v: %+v, and not %+v; want %+v", r.What, r.Dark, r.NotDark, want)
		}
		if r.Asked != (receipt.Asked{}) {
			t.Errorf("the receipt says that %+v asked", r.Asked)
		}
	}
}

// TestRescue wants the key that a ransom destroys to darken nothing that the owner's
// key opened before.
func TestRescue(t *testing.T) {
	w := newWorld(t)
	mine, theirs := w.newKey(), w.newKey()
	w.put("a", "123", w.under(mine, "alice"))
	w.rekey("a", &sealed.Secret{7}, w.under(theirs, "x"))
	w.destroyKeys(theirs)
	if r := w.receipt(erasure.TargetOf(theirs, nil)); r.Dark.Versions != 0 || r.NotDark.Versions != 1 {
		t.Errorf("the receipt states %+v, and not %+v", r.Dark, r.NotDark)
	}
	v, err := w.objects.Find(t.Context(), w.bucket, "a", "")
	if err != nil || len(v.Content.Previous) != 1 {
		t.Errorf("%d replaced wraps are kept, %v; want the owner's", len(v.Content.Previous), err)
	}
}

// TestDamage wants a damaged row not to stop a destruction, and to be stated.
func TestDamage(t *testing.T) {
	w := newWorld(t)
	k := w.newKey()
	w.put("z", "123", w.under(k, "alice"))
	w.put("a", "123", w.under(k, "alice"))
	w.must(w.meta.Update(t.Context(), func(tx meta.Txn) error {
		var at []byte
		err := tx.Scan(meta.Prefix([]byte("s3v")), func(k, _ []byte) (bool, error) { at = bytes.Clone(k); return false, nil })
		return errors.Join(err, tx.Put(at, []byte("?")))
	}))
	w.destroyKeys(k)
	if r := w.receipt(erasure.TargetOf(k, nil)); r.NotDark.Complete || r.Dark.Versions != 1 {
		t.Errorf("the receipt states %+v, and not %+v; want one of two, and it incomplete", r.Dark, r.NotDark)
	}
}

// TestNoReceiptWithoutTombstone breaks the transaction after the receipt was written.
func TestNoReceiptWithoutTombstone(t *testing.T) {
	w := newWorld(t)
	k := w.newKey()
	broken := errors.New("broken")
	_, err := w.keys.Destroy(t.Context(), []key.Ref{k.Ref}, func(tx meta.Txn, tomb *key.Tombstone) error {
		w.must(w.bury(tx, tomb))
		return broken
	})
	if !errors.Is(err, broken) {
		t.Fatalf("Destroy() = %v", err)
	}
	if _, err := w.ledger.Receipt(t.Context(), erasure.TargetOf(k, nil)); !errors.Is(err, erasure.ErrNoReceipt) {
		t.Errorf("Receipt() without a tombstone = %v; want ErrNoReceipt", err)
	}
	tombs, err := w.keys.Sweep(t.Context(), w.bury)
	if err != nil || len(tombs) != 1 {
		t.Fatalf("Sweep() = %d, %v", len(tombs), err)
	}
	w.receipt(erasure.TargetOf(k, nil))
}

// TestReceiptFits wants the longest names that S3 allows to fit into a receipt.
func TestReceiptFits(t *testing.T) {
	w := newWorld(t)
	k := w.newKey()
	for i := range 110 {
		name := fmt.Sprintf("%03d", i) + strings.Repeat("\x01", object.MaxKeySize-3)
		w.put(name, "1", &object.Sealing{Mode: sealed.ModeS3})
		w.rekey(name, nil, w.under(k, "alice"))
	}
	w.destroyKeys(k)
	r := w.receipt(erasure.TargetOf(k, nil))
	if n := len(r.NotDark.Listed); r.NotDark.Versions != 110 || n == 0 || n > receipt.MaxListed {
		t.Errorf("the receipt counts %d and lists %d", r.NotDark.Versions, n)
	}
}

// TestSigningKey wants one key for ever.
func TestSigningKey(t *testing.T) {
	w := newWorld(t)
	first := w.ledger.PublicKey()
	w.open()
	if w.ledger.PublicKey() != first {
		t.Error("opening again makes another signing key")
	}
	if first == newWorld(t).ledger.PublicKey() {
		t.Error("two installations have one signing key")
	}
}
