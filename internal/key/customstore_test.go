package key

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"coffer/internal/extkey"
	"coffer/internal/keyblob"
	"coffer/internal/meta"
	"coffer/internal/xks"
)

// An outsider is an external key manager in memory, behind every endpoint.
type outsider struct {
	secret Secret

	mu       sync.Mutex
	fail     error // of every request
	sick     bool
	metadata xks.MetadataResponse
	seen     []xks.RequestMetadata
	plain    [][]byte // what was to be encrypted
	damage   bool     // what it decrypts
}

func (o *outsider) Check(endpoint string) error {
	if !strings.HasPrefix(endpoint, "https://") {
		return extkey.ErrEndpoint
	}
	return nil
}

func (o *outsider) Manager(s extkey.Store) (extkey.Manager, error) { return o, o.Check(s.Endpoint) }

func (o *outsider) note(m xks.RequestMetadata) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seen = append(o.seen, m)
	return o.fail
}

func (o *outsider) Health(_ context.Context, r *xks.HealthRequest) (*xks.HealthResponse, error) {
	status := xks.HealthActive
	if o.sick {
		status = xks.HealthUnavailable
	}
	return &xks.HealthResponse{EkmFleetDetails: []xks.FleetMember{{HealthStatus: status}}}, o.note(r.RequestMetadata)
}

func (o *outsider) Metadata(_ context.Context, _ string, r *xks.MetadataRequest) (*xks.MetadataResponse, error) {
	return &o.metadata, o.note(r.RequestMetadata)
}

func (o *outsider) Encrypt(_ context.Context, keyID string, r *xks.EncryptRequest) (*xks.EncryptResponse, error) {
	if err := o.note(r.RequestMetadata); err != nil {
		return nil, err
	}
	o.plain = append(o.plain, bytes.Clone(r.Plaintext))
	c := sealExternal(&o.secret, Ref{ID: keyID}, make([]byte, xksMetadataSize), r.Plaintext, r.AdditionalAuthenticatedData)
	return &xks.EncryptResponse{Ciphertext: c.Ciphertext, CiphertextMetadata: c.Metadata, InitializationVector: c.IV, AuthenticationTag: c.Tag}, nil
}

func (o *outsider) Decrypt(_ context.Context, keyID string, r *xks.DecryptRequest) (*xks.DecryptResponse, error) {
	if err := o.note(r.RequestMetadata); err != nil {
		return nil, err
	}
	p, err := openExternal(&o.secret, Ref{ID: keyID}, &ExternalCiphertext{r.Ciphertext, r.CiphertextMetadata, r.InitializationVector, r.AuthenticationTag}, r.AdditionalAuthenticatedData)
	if err != nil {
		return nil, &extkey.Error{Failure: xks.InvalidCiphertextException, Err: err}
	}
	if o.damage {
		p[len(p)-1] ^= 1
	}
	return &xks.DecryptResponse{Plaintext: p}, nil
}

var goodMetadata = xks.MetadataResponse{KeySpec: "AES_256", KeyUsage: []string{"DERIVE", "DECRYPT", "ENCRYPT"}, KeyStatus: "ENABLED"}

func newOutsider(t *testing.T) (*outsider, *Keys, context.Context) {
	t.Helper()
	o := &outsider{secret: vectorSecret("outside"), metadata: goodMetadata}
	w := newWorld(t)
	k := w.open()
	k.dialer = o
	ctx := extkey.WithMetadata(t.Context(), xks.RequestMetadata{AWSPrincipalARN: "arn:aws:iam::123456789012:user/Alice", KMSOperation: "Op", KMSRequestID: "r"})
	return o, k, ctx
}

var storeInput = StoreInput{Name: "outside", Endpoint: "https://xks.example.com", Path: "/kms/xks/v1",
	Credential: xks.Credential{AccessKeyID: "HGIE2BUAFNDMBCMSQVWLGCEXAMPLE", Secret: "VU6W2byoiBrhDqNGbx703oL0syCAmhlQgwNUT123456"}}

func makeStore(t *testing.T, k *Keys, ctx context.Context) StoreRef {
	t.Helper()
	s, err := k.CreateStore(ctx, account, region, &storeInput, nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.State != Disconnected || len(s.ID) != 21 || !strings.HasPrefix(s.ID, "cks-") {
		t.Errorf("CreateStore = %+v", s)
	}
	if s, err = k.ConnectStore(ctx, s.StoreRef, nil); err != nil || s.State != Connected {
		t.Fatalf("ConnectStore = %+v, %v", s, err)
	}
	return s.StoreRef
}

func makeOutsideKey(t *testing.T, k *Keys, ctx context.Context, at StoreRef, id string) *Key {
	t.Helper()
	if err := k.CheckExternalKey(ctx, at, id); err != nil {
		t.Fatal(err)
	}
	key, err := k.Create(ctx, CreateInput{Account: account, Region: region, Policy: "{}", Origin: OriginKeyStore, CustomKeyStoreID: at.ID, XksKeyID: id}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestOutsideKey(t *testing.T) {
	o, k, ctx := newOutsider(t)
	at := makeStore(t, k, ctx)
	key := makeOutsideKey(t, k, ctx, at, "ext-1")
	sealed, err := k.Encrypt(ctx, key.Ref, sampleText, sampleContext)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := k.Decrypt(ctx, region, sealed.Blob, sampleContext)
	if err != nil || !bytes.Equal(opened.Plaintext, sampleText) {
		t.Fatalf("Decrypt = %v, %v", opened, err)
	}
	last := o.seen[len(o.seen)-1]
	if last.KMSKeyARN != key.ARN || last.AWSPrincipalARN == "" || last.KMSRequestID != "r" {
		t.Errorf("requestMetadata = %+v", last)
	}
	// What went outside is ciphertext, and alone it is no blob of the key.
	inner := o.plain[0]
	if bytes.Contains(inner, sampleText) {
		t.Error("plaintext went outside")
	}
	if _, err := k.Decrypt(ctx, region, inner, sampleContext); !errors.Is(err, ErrInvalidCiphertext) {
		t.Errorf("Decrypt of what went outside = %v; want ErrInvalidCiphertext", err)
	}
	// And a blob of another key is none of an external key store.
	other := makeSample(t, k)
	wrapped, err := keyblob.JoinExternal(&keyblob.External{Material: keyblob.MaterialID(other.key.Material), IV: make([]byte, 12), Tag: make([]byte, 16), Ciphertext: other.blob})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Decrypt(ctx, region, wrapped, sampleContext); !errors.Is(err, ErrInvalidCiphertext) {
		t.Errorf("Decrypt of a wrapped blob = %v; want ErrInvalidCiphertext", err)
	}
	fails := func(what string, want extkey.Failure, ctx context.Context, ec map[string]string) {
		t.Helper()
		if _, err := k.Decrypt(ctx, region, sealed.Blob, ec); extkey.FailureOf(err) != want {
			t.Errorf("%s: Decrypt = %v; want %s", what, err, want)
		}
	}
	fails("another context", xks.InvalidCiphertextException, ctx, map[string]string{"a": "b"})
	o.damage = true
	fails("damage outside", extkey.Damaged, ctx, sampleContext)
	o.damage, o.fail = false, &extkey.Error{Failure: extkey.TimedOut, Err: errors.New("slow")}
	fails("no answer", extkey.TimedOut, ctx, sampleContext)
	if _, err := k.Encrypt(ctx, key.Ref, sampleText, nil); extkey.FailureOf(err) != extkey.TimedOut {
		t.Errorf("Encrypt = %v; want TimedOut", err)
	}
	o.fail = nil
	// A check of the data directory is nobody: it gets no further.
	if _, err := k.Decrypt(t.Context(), region, sealed.Blob, sampleContext); !errors.Is(err, ErrUnavailable) {
		t.Errorf("Decrypt on behalf of nobody = %v; want ErrUnavailable", err)
	}

	if _, err := k.DisconnectStore(ctx, at, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Decrypt(ctx, region, sealed.Blob, sampleContext); !errors.Is(err, ErrUnavailable) {
		t.Errorf("disconnected: Decrypt = %v; want ErrUnavailable", err)
	}
	err = k.meta.View(ctx, func(r meta.Reader) error { return k.Usable(r, key.Ref, nil) })
	if !errors.Is(err, ErrUnavailable) {
		t.Errorf("disconnected: Usable = %v; want ErrUnavailable", err)
	}
	if got, err := k.Get(ctx, key.Ref); err != nil || got.State != Unavailable {
		t.Errorf("disconnected: Get = %v, %v; want Unavailable", got.State, err)
	}
	// It can be disabled and enabled meanwhile, which shows later.
	if _, err := k.Disable(ctx, key.Ref, nil); err != nil {
		t.Error(err)
	}
	if got, err := k.Get(ctx, key.Ref); err != nil || got.State != Unavailable {
		t.Errorf("disabled, disconnected: Get = %v, %v; want Unavailable", got.State, err)
	}
	if _, err := k.ConnectStore(ctx, at, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Decrypt(ctx, region, sealed.Blob, sampleContext); !errors.Is(err, ErrDisabled) {
		t.Errorf("connected again: Decrypt = %v; want ErrDisabled", err)
	}
	if _, err := k.Enable(ctx, key.Ref, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Decrypt(ctx, region, sealed.Blob, sampleContext); err != nil {
		t.Errorf("enabled again: Decrypt = %v", err)
	}
	if _, err := k.RotateOnDemand(ctx, key.Ref, 25, nil); !errors.Is(err, ErrOrigin) {
		t.Errorf("RotateOnDemand = %v; want ErrOrigin", err)
	}
	if _, _, err := k.EncryptExternal(ctx, key.Ref, sampleText, nil); !errors.Is(err, ErrOrigin) {
		t.Errorf("EncryptExternal = %v; want ErrOrigin", err)
	}
	// The operator takes the endpoint back.
	k.stores.clear()
	k.dialer = nil
	if _, err := k.Decrypt(ctx, region, sealed.Blob, sampleContext); extkey.FailureOf(err) != extkey.Unreachable {
		t.Errorf("endpoint not allowed: Decrypt = %v; want Unreachable", err)
	}
	if _, err := k.Get(ctx, key.Ref); err != nil {
		t.Errorf("endpoint not allowed: Get = %v", err)
	}
}

func TestStores(t *testing.T) {
	o, k, ctx := newOutsider(t)
	at := makeStore(t, k, ctx)
	is := func(what string, got, want error) {
		t.Helper()
		if !errors.Is(got, want) {
			t.Errorf("%s = %v; want %v", what, got, want)
		}
	}
	create := func(change func(in *StoreInput)) error {
		in := storeInput
		change(&in)
		_, err := k.CreateStore(ctx, account, region, &in, nil)
		return err
	}
	is("CreateStore with the name", create(func(in *StoreInput) { in.Path = "/p/kms/xks/v1" }), ErrStoreNameTaken)
	is("CreateStore with the URI", create(func(in *StoreInput) { in.Name = "other" }), ErrStoreURITaken)
	is("CreateStore at no endpoint", create(func(in *StoreInput) { in.Name, in.Endpoint = "other", "http://x" }), extkey.ErrEndpoint)
	o.sick = true
	is("CreateStore of the sick", create(func(in *StoreInput) { in.Name, in.Path = "other", "/p/kms/xks/v1" }), ErrStoreHealth)
	o.sick, o.fail = false, &extkey.Error{Failure: xks.AuthenticationFailedException, Err: errors.New("x")}
	if err := create(func(in *StoreInput) { in.Name, in.Path = "other", "/p/kms/xks/v1" }); extkey.FailureOf(err) != xks.AuthenticationFailedException {
		t.Errorf("CreateStore with a wrong credential = %v", err)
	}
	o.fail = nil
	for i := 1; i < MaxCustomStores; i++ {
		is("CreateStore", create(func(in *StoreInput) { in.Name, in.Path = fmt.Sprint("s", i), fmt.Sprintf("/p%d/kms/xks/v1", i) }), nil)
	}
	is("CreateStore beyond the limit", create(func(in *StoreInput) { in.Name, in.Path = "x", "/x/kms/xks/v1" }), ErrTooManyStores)
	if _, err := k.CreateStore(ctx, account, "eu-west-1", &storeInput, nil); err != nil {
		t.Errorf("CreateStore in another region = %v", err)
	}
	list, err := k.Stores(ctx, account, region)
	if err != nil || len(list) != MaxCustomStores {
		t.Errorf("Stores = %d, %v", len(list), err)
	}

	key := makeOutsideKey(t, k, ctx, at, "ext-1")
	is("external key in use", k.CheckExternalKey(ctx, at, "ext-1"), ErrXksKeyInUse)
	_, err = k.Create(ctx, CreateInput{Account: account, Region: region, Policy: "{}", Origin: OriginKeyStore, CustomKeyStoreID: at.ID, XksKeyID: "ext-1"}, nil)
	is("Create over an external key in use", err, ErrXksKeyInUse)
	for _, m := range []xks.MetadataResponse{{KeySpec: "AES_128", KeyUsage: goodMetadata.KeyUsage, KeyStatus: "ENABLED"},
		{KeySpec: "AES_256", KeyUsage: []string{"ENCRYPT"}, KeyStatus: "ENABLED"}, {KeySpec: "AES_256", KeyUsage: goodMetadata.KeyUsage, KeyStatus: "DISABLED"}} {
		o.metadata = m
		is("CheckExternalKey", k.CheckExternalKey(ctx, at, "ext-2"), ErrXksKey)
	}
	o.metadata = goodMetadata

	name, endpoint, path := "renamed", "https://other.example.com", "/new/kms/xks/v1"
	update := func(c *StoreChange) error { _, err := k.UpdateStore(ctx, at, c, nil); return err }
	is("UpdateStore of the name, connected", update(&StoreChange{Name: &name}), nil)
	is("UpdateStore of the path, connected", update(&StoreChange{Path: &path}), nil)
	is("UpdateStore of the endpoint, connected", update(&StoreChange{Endpoint: &endpoint}), ErrStoreState)
	taken := "s1"
	is("UpdateStore to a name that is taken", update(&StoreChange{Name: &taken}), ErrStoreNameTaken)
	if s, err := k.StoreByName(ctx, account, region, name); err != nil || s.StoreRef != at || s.Path != path {
		t.Errorf("StoreByName = %+v, %v", s, err)
	}
	_, err = k.StoreByName(ctx, account, region, storeInput.Name)
	is("StoreByName of the old name", err, ErrStoreNotFound)
	is("DeleteStore, connected", k.DeleteStore(ctx, at, nil), ErrStoreHasKeys)
	if _, err := k.DisconnectStore(ctx, at, nil); err != nil {
		t.Fatal(err)
	}
	_, err = k.DisconnectStore(ctx, at, nil)
	is("DisconnectStore, disconnected", err, ErrStoreState)
	is("CheckExternalKey, disconnected", k.CheckExternalKey(ctx, at, "ext-3"), ErrStoreState)
	is("UpdateStore of the endpoint", update(&StoreChange{Endpoint: &endpoint}), nil)
	o.fail = &extkey.Error{Failure: extkey.TimedOut, Err: errors.New("x")}
	if s, err := k.ConnectStore(ctx, at, nil); err != nil || s.State != FailedState || s.Failure != extkey.TimedOut {
		t.Errorf("ConnectStore without an answer = %+v, %v", s, err)
	}
	o.fail = nil
	_, err = k.ConnectStore(ctx, at, nil)
	is("ConnectStore, failed", err, ErrStoreState)
	if _, err := k.DisconnectStore(ctx, at, nil); err != nil {
		t.Errorf("DisconnectStore, failed = %v", err)
	}
	is("DeleteStore with a key", k.DeleteStore(ctx, at, nil), ErrStoreHasKeys)
	if _, err := k.ScheduleDeletion(ctx, key.Ref, MinWindow, nil); err != nil {
		t.Fatal(err)
	}
	if got, err := k.Get(ctx, key.Ref); err != nil || got.State != PendingDeletion {
		t.Errorf("Get = %v, %v; want PendingDeletion", got.State, err)
	}
	is("DeleteStore with a key pending deletion", k.DeleteStore(ctx, at, nil), ErrStoreHasKeys)
	if _, err := k.Destroy(ctx, []Ref{key.Ref}, nil); err != nil {
		t.Fatal(err)
	}
	is("DeleteStore", k.DeleteStore(ctx, at, nil), nil)
	_, err = k.Store(ctx, at)
	is("Store that was deleted", err, ErrStoreNotFound)
	is("DeleteStore again", k.DeleteStore(ctx, at, nil), ErrStoreNotFound)
	if n := countRows(dump(t, k.meta), rowXksKey) + countRows(dump(t, k.meta), rowStoreName+account+"/"+region+"/"+name); n != 0 {
		t.Errorf("%d rows of the store are left", n)
	}
	var polled int
	if err := k.PollStores(ctx, "r", func(*CustomStore, error) { polled++ }); err != nil || polled != 0 {
		t.Errorf("PollStores = %d, %v; want none of the disconnected", polled, err)
	}
}

func TestStoreSecretDoesNotShow(t *testing.T) {
	row := storeRow{Secret: []byte("VU6W2byoiBrhDqNGbx703oL0syCAmhlQgwNUT123456")}
	for _, s := range []string{fmt.Sprint(row), fmt.Sprintf("%+v %x", &row, row), fmt.Sprintf("%+v", row.dialed(StoreRef{}))} {
		if strings.Contains(s, "VU6W") || strings.Contains(s, "5655365732") {
			t.Errorf("the secret shows: %s", s)
		}
	}
}
