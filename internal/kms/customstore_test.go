package kms

import (
	"context"
	"errors"
	"strings"
	"testing"

	"coffer/internal/extkey"
	"coffer/internal/key"
	"coffer/internal/xks"
)

// An outsider is an external key manager that turns every bit, or fails.
type outsider struct {
	fail extkey.Failure
	sick bool
	seen []xks.RequestMetadata
	keys []string
}

func (o *outsider) Check(endpoint string) error {
	if strings.Contains(endpoint, "internal") {
		return extkey.ErrEndpoint
	}
	return nil
}

func (o *outsider) Manager(s extkey.Store) (extkey.Manager, error) { return o, o.Check(s.Endpoint) }

func (o *outsider) note(keyID string, m xks.RequestMetadata) error {
	o.seen, o.keys = append(o.seen, m), append(o.keys, keyID)
	if o.fail != "" {
		return &extkey.Error{Failure: o.fail, Err: errors.New("what the proxy said")}
	}
	return nil
}

func (o *outsider) Health(_ context.Context, r *xks.HealthRequest) (*xks.HealthResponse, error) {
	status := xks.HealthDegraded
	if o.sick {
		status = xks.HealthUnavailable
	}
	return &xks.HealthResponse{EkmFleetDetails: []xks.FleetMember{{HealthStatus: status}}}, o.note("", r.RequestMetadata)
}

func (o *outsider) Metadata(_ context.Context, keyID string, r *xks.MetadataRequest) (*xks.MetadataResponse, error) {
	return &xks.MetadataResponse{KeySpec: "AES_256", KeyUsage: []string{"ENCRYPT", "DECRYPT"}, KeyStatus: "ENABLED"}, o.note(keyID, r.RequestMetadata)
}

func turn(b []byte) []byte {
	out := make([]byte, len(b))
	for i := range b {
		out[i] = ^b[i]
	}
	return out
}

func (o *outsider) Encrypt(_ context.Context, keyID string, r *xks.EncryptRequest) (*xks.EncryptResponse, error) {
	return &xks.EncryptResponse{Ciphertext: turn(r.Plaintext), InitializationVector: make([]byte, 12), AuthenticationTag: make([]byte, 16)}, o.note(keyID, r.RequestMetadata)
}

func (o *outsider) Decrypt(_ context.Context, keyID string, r *xks.DecryptRequest) (*xks.DecryptResponse, error) {
	return &xks.DecryptResponse{Plaintext: turn(r.Ciphertext)}, o.note(keyID, r.RequestMetadata)
}

const proxySecret = "VU6W2byoiBrhDqNGbx703oL0syCAmhlQgwNUT123456"

func newStore() *CreateCustomKeyStoreInput {
	return &CreateCustomKeyStoreInput{
		CustomKeyStoreName: "outside", CustomKeyStoreType: "EXTERNAL_KEY_STORE", XksProxyConnectivity: "PUBLIC_ENDPOINT",
		XksProxyURIEndpoint: "https://xks.example.com", XksProxyURIPath: "/p/kms/xks/v1",
		XksProxyAuthenticationCredential: &XksProxyCredential{AccessKeyID: "HGIE2BUAFNDMBCMSQVWLGCEXAMPLE", RawSecretAccessKey: proxySecret},
	}
}

// connected makes a store and connects it.
func (b *bench) connected(t *testing.T) string {
	t.Helper()
	out, err := b.CreateCustomKeyStore(t.Context(), self, newStore())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.ConnectCustomKeyStore(t.Context(), self, &CustomKeyStoreInput{out.CustomKeyStoreID}); err != nil {
		t.Fatal(err)
	}
	return out.CustomKeyStoreID
}

func (b *bench) outsideKey(t *testing.T, store, id string) (KeyMetadata, error) {
	t.Helper()
	out, err := b.CreateKey(t.Context(), self, &CreateKeyInput{Origin: "EXTERNAL_KEY_STORE", CustomKeyStoreID: store, XksKeyID: id})
	if err != nil {
		return KeyMetadata{}, err
	}
	return out.KeyMetadata, nil
}

func TestKeyInExternalKeyStore(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	store := b.connected(t)
	list, err := b.DescribeCustomKeyStores(ctx, self, &DescribeCustomKeyStoresInput{})
	if err != nil || len(list.CustomKeyStores) != 1 {
		t.Fatalf("DescribeCustomKeyStores = %+v, %v", list, err)
	}
	d := list.CustomKeyStores[0]
	want := XksProxyConfiguration{"PUBLIC_ENDPOINT", "HGIE2BUAFNDMBCMSQVWLGCEXAMPLE", "https://xks.example.com", "/p/kms/xks/v1"}
	if d.CustomKeyStoreID != store || d.ConnectionState != "CONNECTED" || d.XksProxyConfiguration != want || d.CustomKeyStoreType != "EXTERNAL_KEY_STORE" {
		t.Errorf("DescribeCustomKeyStores = %+v", d)
	}
	k, err := b.outsideKey(t, store, "ext-1")
	if err != nil {
		t.Fatal(err)
	}
	if k.Origin != "EXTERNAL_KEY_STORE" || k.CustomKeyStoreID != store || k.XksKeyConfiguration == nil || k.XksKeyConfiguration.ID != "ext-1" || k.KeyState != "Enabled" {
		t.Errorf("CreateKey = %+v", k)
	}
	blob := b.ciphertext(t, k.KeyID, "hello", map[string]string{"a": "b"})
	last := b.outside.seen[len(b.outside.seen)-1]
	if last.KMSOperation != "Encrypt" || last.KMSRequestID != self.RequestID || last.AWSPrincipalARN != self.ARN || last.KMSKeyARN != k.ARN {
		t.Errorf("requestMetadata = %+v", last)
	}
	out, err := b.Decrypt(ctx, self, &DecryptInput{CiphertextBlob: blob, EncryptionContext: map[string]string{"a": "b"}})
	if err != nil || string(out.Plaintext) != "hello" || out.KeyID != k.ARN {
		t.Fatalf("Decrypt = %+v, %v", out, err)
	}
	data, err := b.GenerateDataKey(ctx, self.Via(s3Service), &GenerateDataKeyInput{KeyID: k.KeyID, KeySpec: "AES_256"})
	if err != nil {
		t.Fatal(err)
	}
	if last := b.outside.seen[len(b.outside.seen)-1]; last.KMSViaService != "s3.us-east-1.amazonaws.com" || last.KMSOperation != "GenerateDataKey" {
		t.Errorf("requestMetadata = %+v", last)
	}
	other := b.newKey(t)
	if _, err := b.ReEncrypt(ctx, self, &ReEncryptInput{CiphertextBlob: data.CiphertextBlob, DestinationKeyID: other.KeyID}); err != nil {
		t.Errorf("ReEncrypt = %v", err)
	}
	_, err = b.GenerateDataKeyPair(ctx, self, &GenerateDataKeyPairInput{KeyID: k.KeyID, KeyPairSpec: "ECC_NIST_P256"})
	wantError(t, "GenerateDataKeyPair", err, "UnsupportedOperationException: "+k.ARN+" origin is EXTERNAL_KEY_STORE which is not valid for this operation.")

	for f, answer := range failures {
		b.outside.fail = f
		_, err := b.Decrypt(ctx, self, &DecryptInput{CiphertextBlob: blob, EncryptionContext: map[string]string{"a": "b"}})
		wantError(t, "Decrypt with "+string(f), err, "KMSInvalidStateException: "+answer.text)
		_, err = b.outsideKey(t, store, "ext-2")
		wantError(t, "CreateKey with "+string(f), err, answer.create+": "+answer.text)
		in := newStore()
		in.CustomKeyStoreName, in.XksProxyURIPath = "other", "/q/kms/xks/v1"
		_, err = b.CreateCustomKeyStore(ctx, self, in)
		wantError(t, "CreateCustomKeyStore with "+string(f), err, answer.store+": "+answer.text)
		if !strings.Contains(b.log.String(), "what the proxy said") {
			t.Errorf("%s: the log does not have what the proxy said", f)
		}
		b.log.Reset()
	}
	b.outside.fail = extkey.TooMany
	_, err = b.Decrypt(ctx, self, &DecryptInput{CiphertextBlob: blob})
	wantError(t, "Decrypt above the rate", err, "ThrottlingException: You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.")
	b.outside.fail = ""

	if _, err := b.DisconnectCustomKeyStore(ctx, self, &CustomKeyStoreInput{store}); err != nil {
		t.Fatal(err)
	}
	_, err = b.Decrypt(ctx, self, &DecryptInput{CiphertextBlob: blob, EncryptionContext: map[string]string{"a": "b"}})
	wantError(t, "Decrypt, disconnected", err, "KMSInvalidStateException: "+notConnected)
	if d, err := b.DescribeKey(ctx, self, &DescribeKeyInput{KeyID: k.KeyID}); err != nil || d.KeyMetadata.KeyState != "Unavailable" || d.KeyMetadata.Enabled {
		t.Errorf("DescribeKey, disconnected = %+v, %v", d, err)
	}
	_, err = b.outsideKey(t, store, "ext-3")
	wantError(t, "CreateKey, disconnected", err, "CustomKeyStoreInvalidStateException: The connection state of the custom key store does not allow this operation.")
	_, err = b.DeleteCustomKeyStore(ctx, self, &CustomKeyStoreInput{store})
	wantError(t, "DeleteCustomKeyStore with a key", err, "CustomKeyStoreHasCMKsException: The custom key store contains KMS keys. Schedule their deletion, and delete the key store when they are deleted.")
	_, err = b.UpdateCustomKeyStore(ctx, self, &UpdateCustomKeyStoreInput{CustomKeyStoreID: store, NewCustomKeyStoreName: "new"})
	if err != nil {
		t.Errorf("UpdateCustomKeyStore = %v", err)
	}
	events := strings.Join(b.events(t), "")
	if strings.Contains(events+b.log.String(), proxySecret) || strings.Contains(events, "what the proxy said") {
		t.Error("the secret is in the trail or the log, or the proxy's words are in the trail")
	}
}

func TestCustomKeyStoreErrors(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	store := b.connected(t)
	create := func(what string, change func(in *CreateCustomKeyStoreInput), want string) {
		t.Helper()
		in := newStore()
		in.CustomKeyStoreName, in.XksProxyURIPath = "other", "/other/kms/xks/v1"
		change(in)
		_, err := b.CreateCustomKeyStore(ctx, self, in)
		wantError(t, what, err, want)
		if err != nil && strings.Contains(err.Error(), proxySecret) {
			t.Errorf("%s: the error has the secret", what)
		}
	}
	create("no name", func(in *CreateCustomKeyStoreInput) { in.CustomKeyStoreName = "" },
		"ValidationException: 1 validation error detected: Value null at 'customKeyStoreName' failed to satisfy constraint: Member must not be null")
	create("unknown type", func(in *CreateCustomKeyStoreInput) { in.CustomKeyStoreType = "TAPE" },
		"ValidationException: 1 validation error detected: Value 'TAPE' at 'customKeyStoreType' failed to satisfy constraint: Member must satisfy enum value set: [AWS_CLOUDHSM, EXTERNAL_KEY_STORE]")
	create("CloudHSM", func(in *CreateCustomKeyStoreInput) {
		*in = CreateCustomKeyStoreInput{CustomKeyStoreName: "h", CloudHsmClusterID: "cluster-1a23b4cdefg", KeyStorePassword: "password", TrustAnchorCertificate: "x"}
	}, "CloudHsmClusterNotFoundException: This server has no AWS CloudHSM clusters.")
	create("VPC", func(in *CreateCustomKeyStoreInput) { in.XksProxyConnectivity = "VPC_ENDPOINT_SERVICE" },
		"XksProxyVpcEndpointServiceNotFoundException: This server has no VPC endpoint services: the XksProxyConnectivity of its external key stores is PUBLIC_ENDPOINT.")
	create("no credential", func(in *CreateCustomKeyStoreInput) { in.XksProxyAuthenticationCredential = nil },
		"ValidationException: XksProxyConnectivity, XksProxyAuthenticationCredential, XksProxyUriEndpoint and XksProxyUriPath are required for a CustomKeyStoreType of EXTERNAL_KEY_STORE.")
	create("swapped credential", func(in *CreateCustomKeyStoreInput) {
		in.XksProxyAuthenticationCredential = &XksProxyCredential{AccessKeyID: proxySecret, RawSecretAccessKey: "HGIE2BUAFNDMBCMSQVWLGCEXAMPLE"}
	}, "ValidationException: 2 validation errors detected: Value at 'xksProxyAuthenticationCredential.accessKeyId' failed to satisfy constraint: Member must satisfy regular expression pattern: ^[A-Z2-7]{20,30}$; "+
		`Value at 'xksProxyAuthenticationCredential.rawSecretAccessKey' failed to satisfy constraint: Member must satisfy regular expression pattern: ^[a-zA-Z0-9\/+=]{43,64}$`)
	create("bad path", func(in *CreateCustomKeyStoreInput) { in.XksProxyURIPath = "/p" },
		`ValidationException: 1 validation error detected: Value '/p' at 'xksProxyUriPath' failed to satisfy constraint: Member must satisfy regular expression pattern: ^(/[a-zA-Z0-9\/_-]+/kms/xks/v\d{1,2})$|^(/kms/xks/v\d{1,2})$`)
	create("name in use", func(in *CreateCustomKeyStoreInput) { in.CustomKeyStoreName = "outside" },
		"CustomKeyStoreNameInUseException: The name is already assigned to another custom key store in the account.")
	create("URI in use", func(in *CreateCustomKeyStoreInput) { in.XksProxyURIPath = "/p/kms/xks/v1" },
		"XksProxyUriInUseException: The XksProxyUriEndpoint and XksProxyUriPath are already associated with another external key store in this Region.")
	create("internal endpoint", func(in *CreateCustomKeyStoreInput) { in.XksProxyURIEndpoint = "https://internal.example.com" },
		"ValidationException: XksProxyUriEndpoint is not an endpoint that this server connects to: https:// and a fully qualified host name that leads to a public address, or one that the operator of this server lists.")
	b.outside.sick = true
	create("unavailable", func(*CreateCustomKeyStoreInput) {}, "XksProxyUriUnreachableException: The external key store proxy reports that all external key manager instances are unavailable.")
	b.outside.sick = false

	if strings.Contains(strings.Join(b.events(t), ""), proxySecret) {
		t.Error("a secret in the place of an access key ID is in the trail")
	}

	_, err := b.ConnectCustomKeyStore(ctx, self, &CustomKeyStoreInput{"cks-00000000000000000"})
	wantError(t, "ConnectCustomKeyStore of none", err, "CustomKeyStoreNotFoundException: No custom key store with that ID or name was found.")
	_, err = b.ConnectCustomKeyStore(ctx, foreign, &CustomKeyStoreInput{store})
	wantError(t, "ConnectCustomKeyStore of another account's", err, "CustomKeyStoreNotFoundException: No custom key store with that ID or name was found.")
	_, err = b.DeleteCustomKeyStore(ctx, self, &CustomKeyStoreInput{store})
	wantError(t, "DeleteCustomKeyStore, connected", err, "CustomKeyStoreInvalidStateException: The connection state of the custom key store does not allow this operation.")
	for _, in := range []*CreateKeyInput{{Origin: "EXTERNAL_KEY_STORE", XksKeyID: "x"}, {Origin: "EXTERNAL_KEY_STORE", CustomKeyStoreID: store}, {XksKeyID: "x"}, {CustomKeyStoreID: store}} {
		if _, err := b.CreateKey(ctx, self, in); err == nil || !strings.HasPrefix(err.Error(), "ValidationException") {
			t.Errorf("CreateKey(%+v) = %v; want ValidationException", in, err)
		}
	}
	_, err = b.CreateKey(ctx, self, &CreateKeyInput{Origin: "EXTERNAL_KEY_STORE", CustomKeyStoreID: store, XksKeyID: "../x"})
	wantError(t, "CreateKey over a malformed ID", err,
		"ValidationException: 1 validation error detected: Value '../x' at 'xksKeyId' failed to satisfy constraint: Member must satisfy regular expression pattern: ^[a-zA-Z0-9-_.]{1,128}$")
	if _, err := b.outsideKey(t, store, "ext-1"); err != nil {
		t.Fatal(err)
	}
	_, err = b.outsideKey(t, store, "ext-1")
	wantError(t, "external key in use", err, "XksKeyAlreadyInUseException: The external key is already associated with another KMS key in this external key store.")

	if _, err := b.DisconnectCustomKeyStore(ctx, self, &CustomKeyStoreInput{store}); err != nil {
		t.Fatal(err)
	}
	for f, code := range map[extkey.Failure]string{xks.AuthenticationFailedException: "INVALID_CREDENTIALS", extkey.TimedOut: "XKS_PROXY_TIMED_OUT", extkey.Untrusted: "XKS_PROXY_INVALID_TLS_CONFIGURATION",
		extkey.Unreachable: "XKS_PROXY_NOT_REACHABLE", xks.InvalidURIPathException: "XKS_PROXY_INVALID_CONFIGURATION", extkey.Malformed: "XKS_PROXY_INVALID_RESPONSE", xks.AccessDeniedException: "XKS_PROXY_ACCESS_DENIED"} {
		b.outside.fail = f
		if _, err := b.ConnectCustomKeyStore(ctx, self, &CustomKeyStoreInput{store}); err != nil {
			t.Errorf("ConnectCustomKeyStore with %s = %v", f, err)
		}
		d, err := b.DescribeCustomKeyStores(ctx, self, &DescribeCustomKeyStoresInput{CustomKeyStoreName: "outside"})
		if err != nil || d.CustomKeyStores[0].ConnectionState != "FAILED" || d.CustomKeyStores[0].ConnectionErrorCode != code {
			t.Errorf("with %s: %+v, %v; want %s", f, d, err, code)
		}
		if _, err := b.DisconnectCustomKeyStore(ctx, self, &CustomKeyStoreInput{store}); err != nil {
			t.Errorf("DisconnectCustomKeyStore, FAILED = %v", err)
		}
	}
}

// TestEveryFailureHasAnAnswer keeps the table complete.
func TestEveryFailureHasAnAnswer(t *testing.T) {
	for _, f := range extkey.Failures() {
		a, ok := failures[f]
		if f != extkey.TooMany && (!ok || a.text == "" || a.store == "" || a.create == "") {
			t.Errorf("failure %s has no answer", f)
		}
		if connectionErrorCode(f) == "" {
			t.Errorf("failure %s has no connection error code", f)
		}
	}
	if len(failures) != len(extkey.Failures())-1 {
		t.Errorf("%d answers for %d failures", len(failures), len(extkey.Failures()))
	}
	for _, err := range []error{key.ErrStoreNotFound, key.ErrStoreNameTaken, key.ErrStoreURITaken, key.ErrTooManyStores, key.ErrStoreState,
		key.ErrStoreHasKeys, key.ErrXksKeyInUse, key.ErrXksKey, key.ErrStoreHealth, extkey.ErrEndpoint} {
		if newBench(t).answerStore(t.Context(), self, "Op", err) == nil {
			t.Errorf("%v has no answer", err)
		}
	}
}
