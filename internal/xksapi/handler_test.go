package xksapi

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/extkey"
	"coffer/internal/extkey/proxy"
	"coffer/internal/identity"
	"coffer/internal/key"
	"coffer/internal/meta/mem"
	"coffer/internal/meter"
	"coffer/internal/rootseal/sealtest"
	"coffer/internal/sigv4"
	"coffer/internal/trail"
	"coffer/internal/xks"
	"coffer/internal/xksproxy"
)

const (
	account = "123456789012"
	region  = "us-east-1"
	roleARN = "arn:aws:iam::123456789012:role/xks/aws-kms"
	path    = "/prod/kms/xks/v1"
)

var (
	oldCredential = xks.Credential{AccessKeyID: "HGIE2BUAFNDMBCMSQVWLGCEXAMPLE", Secret: "VU6W2byoiBrhDqNGbx703oL0syCAmhlQgwNUT123456"}
	newCredential = xks.Credential{AccessKeyID: "ABCDEFGHIJKLMNOPQRST", Secret: "FYtE5EFA5FT0mCc3DrGUe2sti527BitkQ0Zr9MO9fvE"}
)

const stores = `
stores:
- path: /prod
  account: "123456789012"
  region: us-east-1
  principal: ` + roleARN + `
  credentials:
  - access-key-id: HGIE2BUAFNDMBCMSQVWLGCEXAMPLE
    raw-secret-access-key: VU6W2byoiBrhDqNGbx703oL0syCAmhlQgwNUT123456
  - access-key-id: ABCDEFGHIJKLMNOPQRST
    raw-secret-access-key: FYtE5EFA5FT0mCc3DrGUe2sti527BitkQ0Zr9MO9fvE
- path: /slow
  account: "123456789012"
  region: us-east-1
  principal: ` + roleARN + `
  rate: 1
  credentials:
  - access-key-id: SLOWSLOWSLOWSLOWSLOW
    raw-secret-access-key: VU6W2byoiBrhDqNGbx703oL0syCAmhlQgwNUT123456
`

// A bench is a proxy over real keys in memory, with a role that may use them.
type bench struct {
	t     *testing.T
	keys  *key.Keys
	users *identity.Store
	svc   *xksproxy.Service
	srv   *httptest.Server
	trail *trail.Trail
	meter *meter.Meter
	rows  *mem.Store
	log   *bytes.Buffer
	now   time.Time
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, rows: mem.New(), log: new(bytes.Buffer), now: time.Now()}
	ctx := t.Context()
	root, err := key.OpenRoot(ctx, key.RootConfig{Store: new(sealtest.Store), Create: true})
	if err != nil {
		t.Fatal(err)
	}
	if b.keys, err = key.Open(ctx, key.Config{Meta: b.rows, Root: root, Now: time.Now}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.keys.Close)
	if b.trail, err = trail.New(ctx, trail.Config{Store: b.rows, Node: "n", FlushEvery: time.Hour, Log: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.trail.Close(context.Background()) })
	if b.meter, err = meter.Open(ctx, meter.Config{Meta: b.rows, FlushEvery: time.Hour}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.meter.Close(context.Background()) })
	b.users = identity.New(identity.Config{Meta: b.rows, Now: time.Now})
	t.Cleanup(func() { b.users.Close(context.Background()) })
	if _, err := b.users.CreateAccount(ctx, account, "a", nil); err != nil {
		t.Fatal(err)
	}
	_, err = b.users.CreateRole(ctx, account, identity.NewRole{Name: "aws-kms", Path: "/xks/",
		Trust: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"sts:AssumeRole"}}`}, nil)
	if err != nil {
		t.Fatal(err)
	}
	b.allow("kms:*", "")
	gate := authz.New(authz.Config{Trail: b.trail, Identities: b.users})
	parsed, err := xksproxy.ParseStores([]byte(stores))
	if err != nil {
		t.Fatal(err)
	}
	b.svc = xksproxy.New(xksproxy.Config{Keys: b.keys, Gate: gate, Principals: b.users, Stores: parsed, Meter: b.meter, Model: "Coffer test",
		Log: slog.New(slog.NewJSONHandler(b.log, nil)), Now: func() time.Time { return b.now }})
	h := New(b.svc, func(r *http.Request) *authn.Caller {
		return &authn.Caller{Type: authn.TypeAnonymous, RequestID: "REQ", SourceIP: "192.0.2.1"}
	})
	b.srv = httptest.NewServer(h)
	t.Cleanup(b.srv.Close)
	return b
}

// allow gives the role a policy of its own.
func (b *bench) allow(action, condition string) {
	b.t.Helper()
	if condition != "" {
		condition = `,"Condition":{` + condition + `}`
	}
	err := b.users.PutInline(b.t.Context(), identity.Entity{Kind: identity.KindRole, Account: account, Name: "aws-kms"}, "p",
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"`+action+`","Resource":"*"`+condition+`}}`, nil)
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) key(in key.CreateInput) *key.Key {
	b.t.Helper()
	in.Account, in.Region = account, region
	if in.Policy == "" {
		in.Policy = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"kms:*","Resource":"*"}}`
	}
	k, err := b.keys.Create(b.t.Context(), in, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return k
}

var exposed = []key.Tag{{Key: xksproxy.Tag, Value: "true"}}

// manager returns the store as a KMS sees it.
func (b *bench) manager(path string, c xks.Credential) extkey.Manager {
	b.t.Helper()
	d, err := proxy.New(proxy.Config{Listed: []string{b.srv.URL}, Now: func() time.Time { return b.now }})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(d.Close)
	m, err := d.Manager(extkey.Store{Endpoint: b.srv.URL, Path: path, Region: "eu-west-1", Credential: c})
	if err != nil {
		b.t.Fatal(err)
	}
	return m
}

func (b *bench) events() (list []map[string]any) {
	b.t.Helper()
	if err := b.trail.Flush(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	err := trail.Scan(b.t.Context(), b.rows, "n", 1, func(e trail.Entry) (bool, error) {
		m := make(map[string]any)
		err := json.Unmarshal([]byte(e.JSON), &m)
		list = append(list, m)
		return true, err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return list
}

var request = xks.RequestMetadata{AWSPrincipalARN: "arn:aws:iam::999999999999:user/Alice", KMSKeyARN: "arn:aws:kms:eu-west-1:999999999999:key/k",
	KMSOperation: "GenerateDataKey", KMSRequestID: "4112f4d6", KMSViaService: "ebs"}

// patiently calls again what took too long: it is not this machine that is tested.
func patiently[T any](call func() (T, error)) (out T, err error) {
	for range 20 {
		if out, err = call(); extkey.FailureOf(err) != extkey.TimedOut {
			break
		}
	}
	return out, err
}

func encrypt(t *testing.T, m extkey.Manager, id string) (*xks.EncryptResponse, error) {
	t.Helper()
	return patiently(func() (*xks.EncryptResponse, error) {
		return m.Encrypt(t.Context(), id, &xks.EncryptRequest{RequestMetadata: request, Plaintext: []byte("a data key"), AdditionalAuthenticatedData: []byte("aad")})
	})
}

func decrypt(t *testing.T, m extkey.Manager, id string, c *xks.EncryptResponse, aad []byte) (xks.Plaintext, error) {
	t.Helper()
	out, err := patiently(func() (*xks.DecryptResponse, error) {
		return m.Decrypt(t.Context(), id, &xks.DecryptRequest{RequestMetadata: request, Ciphertext: c.Ciphertext, CiphertextMetadata: c.CiphertextMetadata,
			InitializationVector: c.InitializationVector, AuthenticationTag: c.AuthenticationTag, AdditionalAuthenticatedData: aad})
	})
	if err != nil {
		return nil, err
	}
	return out.Plaintext, nil
}

// want checks the name of a proxy's error.
func want(t *testing.T, what string, err error, name extkey.Failure) {
	t.Helper()
	if extkey.FailureOf(err) != name {
		t.Errorf("%s: %v; want %q", what, err, name)
	}
}

func TestOperations(t *testing.T) {
	b := newBench(t)
	k := b.key(key.CreateInput{Tags: exposed})
	m := b.manager(path, oldCredential)
	h, err := m.Health(t.Context(), &xks.HealthRequest{RequestMetadata: xks.RequestMetadata{KMSOperation: "KmsHealthCheck", KMSRequestID: "r"}})
	if err != nil || !h.Serves() {
		t.Errorf("Health = %+v, %v", h, err)
	}
	d, err := m.Metadata(t.Context(), k.ID, &xks.MetadataRequest{RequestMetadata: request})
	if err != nil || d.KeySpec != "AES_256" || !slices.Equal(d.KeyUsage, []string{"ENCRYPT", "DECRYPT"}) || d.KeyStatus != "ENABLED" {
		t.Errorf("Metadata = %+v, %v", d, err)
	}
	c, err := encrypt(t, m, k.ID)
	if err != nil {
		t.Fatal(err)
	}
	// Either credential of the store opens it.
	if p, err := decrypt(t, b.manager(path, newCredential), k.ID, c, []byte("aad")); err != nil || string(p) != "a data key" {
		t.Errorf("Decrypt = %s, %v", []byte(p), err)
	}
	// A key that a KMS elsewhere uses is in use.
	events := b.events()
	use, ok, err := b.meter.LastUse(t.Context(), meter.Key{Account: account, Region: region, ID: k.ID})
	if !ok || err != nil || use.Operation != "Decrypt" || use.EventID != events[3]["eventID"] || use.Principal != events[3]["userIdentity"].(map[string]any)["arn"] {
		t.Errorf("last use = %+v, %t, %v", use, ok, err)
	}
	names := make([]string, 0, len(events))
	for _, e := range events {
		names = append(names, e["eventName"].(string))
	}
	if got := strings.Join(names, " "); got != "GetHealthStatus GetKeyMetadata Encrypt Decrypt" {
		t.Fatalf("events %s", got)
	}
	e := events[3]
	params := e["requestParameters"].(map[string]any)
	rm, _ := params["requestMetadata"].(map[string]any)
	user := e["userIdentity"].(map[string]any)
	if e["eventSource"] != "kms-xks-proxy.amazonaws.com" || params["externalKeyId"] != k.ID || params["xksProxyUriPath"] != path ||
		rm["awsPrincipalArn"] != request.AWSPrincipalARN || rm["kmsRequestId"] != request.KMSRequestID || rm["kmsOperation"] != request.KMSOperation ||
		user["arn"] != "arn:aws:sts::123456789012:assumed-role/aws-kms/kms-xks-proxy" || user["accessKeyId"] != newCredential.AccessKeyID ||
		e["sourceIPAddress"] != "192.0.2.1" {
		t.Errorf("event %v", e)
	}
	all, _ := json.Marshal(events)
	for _, secret := range []string{"a data key", "YSBkYXRhIGtleQ", string(oldCredential.Secret.Reveal()), newCredential.Secret.Reveal()} {
		if bytes.Contains(all, []byte(secret)) || strings.Contains(b.log.String(), secret) {
			t.Errorf("%q shows", secret)
		}
	}
}

func TestTampering(t *testing.T) {
	b := newBench(t)
	k, other := b.key(key.CreateInput{Tags: exposed}), b.key(key.CreateInput{Tags: exposed})
	m := b.manager(path, oldCredential)
	c, err := encrypt(t, m, k.ID)
	if err != nil {
		t.Fatal(err)
	}
	aad := []byte("aad")
	flip := func(p []byte) []byte {
		p = slices.Clone(p)
		p[len(p)-1] ^= 1
		return p
	}
	for name, change := range map[string]func(c *xks.EncryptResponse, aad *[]byte){
		"metadata":    func(c *xks.EncryptResponse, _ *[]byte) { c.CiphertextMetadata = flip(c.CiphertextMetadata) },
		"no metadata": func(c *xks.EncryptResponse, _ *[]byte) { c.CiphertextMetadata = nil },
		"ciphertext":  func(c *xks.EncryptResponse, _ *[]byte) { c.Ciphertext = flip(c.Ciphertext) },
		"vector":      func(c *xks.EncryptResponse, _ *[]byte) { c.InitializationVector = flip(c.InitializationVector) },
		"long vector": func(c *xks.EncryptResponse, _ *[]byte) { c.InitializationVector = make([]byte, 16) },
		"tag":         func(c *xks.EncryptResponse, _ *[]byte) { c.AuthenticationTag = flip(c.AuthenticationTag) },
		"aad":         func(_ *xks.EncryptResponse, aad *[]byte) { *aad = []byte("add") },
		"no aad":      func(_ *xks.EncryptResponse, aad *[]byte) { *aad = nil },
		// Without lengths, the two would be the same additional data.
		"metadata behind aad": func(c *xks.EncryptResponse, aad *[]byte) {
			*aad, c.CiphertextMetadata = slices.Concat(*aad, c.CiphertextMetadata), nil
		},
	} {
		c, aad := *c, aad
		change(&c, &aad)
		_, err := decrypt(t, m, k.ID, &c, aad)
		want(t, name, err, xks.InvalidCiphertextException)
	}
	_, err = decrypt(t, m, other.ID, c, aad)
	want(t, "another key", err, xks.InvalidCiphertextException)
}

func TestKeys(t *testing.T) {
	b := newBench(t)
	m := b.manager(path, oldCredential)
	ctx := t.Context()
	if _, err := encrypt(t, m, "1234abcd-12ab-34cd-56ef-1234567890ab"); true {
		want(t, "no key", err, xks.KeyNotFoundException)
	}
	plain := b.key(key.CreateInput{})
	_, err := encrypt(t, m, plain.ID)
	want(t, "key without the tag", err, xks.KeyNotFoundException)
	no := b.key(key.CreateInput{Tags: []key.Tag{{Key: xksproxy.Tag, Value: "false"}}})
	_, err = encrypt(t, m, no.ID)
	want(t, "key with another value", err, xks.KeyNotFoundException)
	listed, err := xksproxy.ParseStores([]byte(strings.Replace(stores, "  rate: 1\n", "", 1) + "  keys: [" + plain.ID + "]\n"))
	if err != nil {
		t.Fatal(err)
	}
	b.svc.SetStores(listed)
	slow := b.manager("/slow/kms/xks/v1", xks.Credential{AccessKeyID: "SLOWSLOWSLOWSLOWSLOW", Secret: oldCredential.Secret})
	if _, err := encrypt(t, slow, plain.ID); err != nil {
		t.Errorf("listed key: %v", err)
	}
	_, err = encrypt(t, m, plain.ID)
	want(t, "key that another store lists", err, xks.KeyNotFoundException)

	k := b.key(key.CreateInput{Tags: exposed})
	c, err := encrypt(t, m, k.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.keys.Disable(ctx, k.Ref, nil); err != nil {
		t.Fatal(err)
	}
	_, err = decrypt(t, m, k.ID, c, []byte("aad"))
	want(t, "disabled", err, xks.InvalidStateException)
	if d, err := m.Metadata(ctx, k.ID, &xks.MetadataRequest{RequestMetadata: request}); err != nil || d.KeyStatus != "DISABLED" {
		t.Errorf("Metadata of a disabled key = %+v, %v", d, err)
	}
	if _, err := b.keys.ScheduleDeletion(ctx, k.Ref, key.MinWindow, nil); err != nil {
		t.Fatal(err)
	}
	_, err = encrypt(t, m, k.ID)
	want(t, "pending deletion", err, xks.InvalidStateException)

	subject := b.key(key.CreateInput{Tags: append(exposed, key.Tag{Key: key.TagShredBy, Value: "subject"})})
	_, err = encrypt(t, m, subject.ID)
	want(t, "key with subjects", err, xks.InvalidKeyUsageException)
	if d, err := m.Metadata(ctx, subject.ID, &xks.MetadataRequest{RequestMetadata: request}); err != nil || len(d.KeyUsage) != 0 {
		t.Errorf("Metadata of a key with subjects = %+v, %v", d, err)
	}
}

func TestAuthorization(t *testing.T) {
	b := newBench(t)
	m := b.manager(path, oldCredential)
	k := b.key(key.CreateInput{Tags: exposed})
	c, err := encrypt(t, m, k.ID)
	if err != nil {
		t.Fatal(err)
	}
	b.allow("kms:Encrypt", "")
	_, err = decrypt(t, m, k.ID, c, []byte("aad"))
	want(t, "Decrypt with kms:Encrypt", err, xks.AccessDeniedException)
	_, err = m.Metadata(t.Context(), k.ID, &xks.MetadataRequest{RequestMetadata: request})
	want(t, "GetKeyMetadata with kms:Encrypt", err, xks.AccessDeniedException)
	// The health check needs no right.
	if _, err := m.Health(t.Context(), &xks.HealthRequest{RequestMetadata: request}); err != nil {
		t.Errorf("Health = %v", err)
	}
	for condition, ok := range map[string]bool{
		`"StringEquals":{"kms:EncryptionContext:awsPrincipalArn":"arn:aws:iam::999999999999:user/Alice"}`: true,
		`"StringEquals":{"kms:EncryptionContext:awsPrincipalArn":"arn:aws:iam::999999999999:user/Bob"}`:   false,
		`"StringEquals":{"kms:EncryptionContext:kmsOperation":"GenerateDataKey"}`:                         true,
		`"StringEquals":{"aws:SourceArn":"arn:aws:kms:eu-west-1:999999999999:key/k"}`:                     true,
		`"StringEquals":{"aws:SourceAccount":"999999999999"}`:                                             true,
		`"StringEquals":{"aws:SourceAccount":"123456789012"}`:                                             false,
		`"StringEquals":{"kms:ViaService":"kms-xks-proxy.us-east-1.amazonaws.com"}`:                       true,
		`"StringEquals":{"kms:ViaService":"s3.us-east-1.amazonaws.com"}`:                                  false,
		`"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}`:                                                     true,
		`"IpAddress":{"aws:SourceIp":"198.51.100.0/24"}`:                                                  false,
	} {
		b.allow("kms:Decrypt", condition)
		_, err := decrypt(t, m, k.ID, c, []byte("aad"))
		if ok && err != nil {
			t.Errorf("with %s: %v", condition, err)
		}
		if !ok {
			want(t, "with "+condition, err, xks.AccessDeniedException)
		}
	}
	b.allow("kms:*", "")
	closed := b.key(key.CreateInput{Tags: exposed, Policy: `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"kms:Encrypt","Resource":"*"}}`})
	_, err = encrypt(t, m, closed.ID)
	want(t, "key policy that denies", err, xks.AccessDeniedException)
	if err := b.users.DeleteInline(t.Context(), identity.Entity{Kind: identity.KindRole, Account: account, Name: "aws-kms"}, "p", nil); err != nil {
		t.Fatal(err)
	}
	if err := b.users.DeleteRole(t.Context(), account, "aws-kms", nil); err != nil {
		t.Fatal(err)
	}
	_, err = encrypt(t, m, k.ID)
	want(t, "principal that is gone", err, xks.AccessDeniedException)
}

func TestAuthentication(t *testing.T) {
	b := newBench(t)
	k := b.key(key.CreateInput{Tags: exposed})
	wrong := oldCredential
	wrong.Secret = newCredential.Secret
	_, err := encrypt(t, b.manager(path, wrong), k.ID)
	want(t, "wrong secret", err, xks.AuthenticationFailedException)
	_, err = encrypt(t, b.manager("/slow/kms/xks/v1", oldCredential), k.ID)
	want(t, "credential of another store", err, xks.AuthenticationFailedException)
	_, err = encrypt(t, b.manager("/other/kms/xks/v1", oldCredential), k.ID)
	want(t, "path of no store", err, xks.InvalidURIPathException)

	// A credential that the description does not have any more is dead at once.
	without, err := xksproxy.ParseStores([]byte(strings.Replace(stores, `  - access-key-id: HGIE2BUAFNDMBCMSQVWLGCEXAMPLE
    raw-secret-access-key: VU6W2byoiBrhDqNGbx703oL0syCAmhlQgwNUT123456
`, "", 1)))
	if err != nil {
		t.Fatal(err)
	}
	m := b.manager(path, oldCredential)
	if _, err := encrypt(t, m, k.ID); err != nil {
		t.Fatal(err)
	}
	b.svc.SetStores(without)
	_, err = encrypt(t, m, k.ID)
	want(t, "removed credential", err, xks.AuthenticationFailedException)
	if _, err := encrypt(t, b.manager(path, newCredential), k.ID); err != nil {
		t.Errorf("the credential that stays: %v", err)
	}
}

func TestRate(t *testing.T) {
	b := newBench(t)
	m := b.manager("/slow/kms/xks/v1", xks.Credential{AccessKeyID: "SLOWSLOWSLOWSLOWSLOW", Secret: oldCredential.Secret})
	k := b.key(key.CreateInput{Tags: exposed})
	if _, err := encrypt(t, m, k.ID); err != nil {
		t.Fatal(err)
	}
	_, err := encrypt(t, m, k.ID)
	want(t, "second request of the second", err, xks.ThrottlingException)
	b.svc.SetStores(mustParse(t)) // reading the file again gives nothing back
	_, err = encrypt(t, m, k.ID)
	want(t, "after a reload", err, xks.ThrottlingException)
	b.now = b.now.Add(time.Second)
	if _, err := encrypt(t, m, k.ID); err != nil {
		t.Errorf("a second later: %v", err)
	}
}

func mustParse(t *testing.T) []*xksproxy.Store {
	t.Helper()
	s, err := xksproxy.ParseStores([]byte(stores))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// raw sends a request as it is given, signed at a time.
func (b *bench) raw(method, path, body string, at time.Time, change func(r *http.Request)) (status int, name string) {
	b.t.Helper()
	r, err := http.NewRequest(method, b.srv.URL+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	signed := &sigv4.Request{Method: method, Path: path, Host: r.URL.Host, Header: map[string][]string{}}
	sigv4.NewSigner(oldCredential.AccessKeyID, oldCredential.Secret.Reveal(), region, xks.SigningService).Sign(signed, xks.PayloadHash([]byte(body)), at)
	for name, values := range signed.Header {
		r.Header[name] = values
	}
	if change != nil {
		change(r)
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	var e struct{ ErrorName string }
	if err := json.Unmarshal(answer, &e); err != nil {
		b.t.Errorf("%s %s: answer %q: %v", method, path, answer, err)
	}
	return resp.StatusCode, e.ErrorName
}

func TestRawRequests(t *testing.T) {
	b := newBench(t)
	k := b.key(key.CreateInput{Tags: exposed})
	health := `{"requestMetadata":{"kmsRequestId":"x","kmsOperation":"KmsHealthCheck"}}`
	encrypt := func(more string) string {
		m, _ := json.Marshal(request)
		return `{"requestMetadata":` + string(m) + `,"encryptionAlgorithm":"AES_GCM","plaintext":"AA=="` + more + `}`
	}
	key := path + "/keys/" + k.ID
	now := time.Now()
	for _, tt := range []struct {
		name, method, path, body string
		at                       time.Time
		change                   func(r *http.Request)
		status                   int
		want                     string
	}{
		{"health", "POST", path + "/health", health, now, nil, 200, ""},
		{"encrypt", "POST", key + "/encrypt", encrypt(""), now, nil, 200, ""},
		{"GET", "GET", path + "/health", "", now, nil, 405, "MethodNotAllowed"},
		{"GET of a key", "GET", key + "/encrypt", "", now, nil, 405, "MethodNotAllowed"},
		{"PUT", "PUT", key + "/encrypt", encrypt(""), now, nil, 405, "MethodNotAllowed"},
		{"unknown operation", "POST", key + "/sign", encrypt(""), now, nil, 404, "InvalidUriPathException"},
		{"another version", "POST", "/prod/kms/xks/v2/health", health, now, nil, 404, "InvalidUriPathException"},
		{"escaped path", "POST", "/prod/kms/xks/v1/%68ealth", health, now, nil, 404, "InvalidUriPathException"},
		{"dots", "POST", "/x/../prod/kms/xks/v1/health", health, now, nil, 404, "InvalidUriPathException"},
		{"old clock", "POST", path + "/health", health, now.Add(-6 * time.Minute), nil, 401, "AuthenticationFailedException"},
		{"clock ahead", "POST", path + "/health", health, now.Add(6 * time.Minute), nil, 401, "AuthenticationFailedException"},
		{"unsigned", "POST", path + "/health", health, now, func(r *http.Request) { r.Header.Del("Authorization") }, 401, "AuthenticationFailedException"},
		{"another body", "POST", path + "/health", health, now, func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(health+" ")), int64(len(health)+1)
		}, 401, "AuthenticationFailedException"},
		{"another host", "POST", path + "/health", health, now, func(r *http.Request) { r.Host = "elsewhere.example.com" }, 401, "AuthenticationFailedException"},
		{"query", "POST", path + "/health", health, now, func(r *http.Request) { r.URL.RawQuery = "a=b" }, 401, "AuthenticationFailedException"},
		{"signature of another key", "POST", path + "/health", health, now, func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), oldCredential.AccessKeyID, newCredential.AccessKeyID, 1))
		}, 401, "AuthenticationFailedException"},
		{"no JSON", "POST", key + "/encrypt", "hello", now, nil, 400, "ValidationException"},
		{"text", "POST", path + "/health", health, now, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, 400, "ValidationException"},
		{"another algorithm", "POST", key + "/encrypt", strings.Replace(encrypt(""), "AES_GCM", "AES_CBC", 1), now, nil, 400, "ValidationException"},
		{"unknown member", "POST", key + "/encrypt", encrypt(`,"mode":"fast"`), now, nil, 400, "ValidationException"},
		{"too much", "POST", key + "/encrypt", strings.Replace(encrypt(""), "AA==", strings.Repeat("AAAA", 1434), 1), now, nil, 501, "UnsupportedOperationException"},
		{"far too much", "POST", key + "/encrypt", encrypt(strings.Repeat(" ", xks.MaxBody)), now, nil, 501, "UnsupportedOperationException"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, name := b.raw(tt.method, tt.path, tt.body, tt.at, tt.change)
			if status != tt.status || name != tt.want {
				t.Errorf("%s %s = %d %s; want %d %s", tt.method, tt.path, status, name, tt.status, tt.want)
			}
		})
	}
}

func TestReplay(t *testing.T) {
	b := newBench(t)
	signed := b.now
	health := `{"requestMetadata":{"kmsRequestId":"x","kmsOperation":"KmsHealthCheck"}}`
	if status, name := b.raw("POST", path+"/health", health, signed, nil); status != 200 {
		t.Errorf("request = %d %s", status, name)
	}
	b.now = b.now.Add(xks.MaxSkew + 2*time.Second)
	if status, name := b.raw("POST", path+"/health", health, signed, nil); status != 401 {
		t.Errorf("replayed request = %d %s; want 401", status, name)
	}
}

func TestParseStores(t *testing.T) {
	for name, change := range map[string][2]string{
		"unknown member":    {"rate: 1", "speed: 1"},
		"no rate":           {"rate: 1", "rate: 0"},
		"path twice":        {"/slow", "/prod"},
		"path with a slash": {"/slow", "/slow/"},
		"whole path":        {"/slow", "/slow/kms/xks/v1"},
		"key ID twice":      {"SLOWSLOWSLOWSLOWSLOW", "ABCDEFGHIJKLMNOPQRST"},
		"bad key ID":        {"SLOWSLOWSLOWSLOWSLOW", "slow"},
		"short secret":      {"VU6W2byoiBrhDqNGbx703oL0syCAmhlQgwNUT123456", "VU6W2byoiBrhDqNGbx703oL0syCAmhlQgwNUT12345"},
		"root":              {roleARN, "arn:aws:iam::123456789012:root"},
		"another account":   {roleARN, "arn:aws:iam::210987654321:role/r"},
		"not YAML":          {"stores:", "stores: ["},
		"no stores":         {"stores:", "shops:"},
		"type":              {"rate: 1", "rate: [VU6W2byoiBrhDqNGbx703oL0syCAmhlQgwNUT123456]"},
		"region":            {"region: us-east-1", "region: US"},
	} {
		_, err := xksproxy.ParseStores([]byte(strings.Replace(stores, change[0], change[1], 1)))
		if err == nil {
			t.Errorf("%s: no error", name)
		} else if strings.Contains(err.Error(), "VU6W") || strings.Contains(err.Error(), "FYtE") {
			t.Errorf("%s: the error quotes a secret: %v", name, err)
		}
	}
	if _, err := xksproxy.ParseStores([]byte(`{"stores":[{"path":"","account":"123456789012","region":"us-east-1","principal":"arn:aws:iam::123456789012:user/u",` +
		`"credentials":[{"access-key-id":"ABCDEFGHIJKLMNOPQRST","raw-secret-access-key":"FYtE5EFA5FT0mCc3DrGUe2sti527BitkQ0Zr9MO9fvE"}]}]}`)); err != nil {
		t.Errorf("JSON: %v", err)
	}
}
