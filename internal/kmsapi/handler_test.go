package kmsapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/awserr"
	"coffer/internal/awsjson"
	"coffer/internal/identity"
	"coffer/internal/key"
	"coffer/internal/kms"
	"coffer/internal/meta/mem"
	"coffer/internal/rootseal/sealtest"
	"coffer/internal/targetapi"
	"coffer/internal/trail"
)

const account = "123456789012"

var self = &authn.Caller{Type: authn.TypeRoot, Account: account, ARN: "arn:aws:iam::" + account + ":root",
	Region: "us-east-1", Service: "kms", RequestID: "e1f2a3b4"}

// trusting authenticates everyone as self.
func trusting(r *http.Request) (*authn.Caller, []byte, error) {
	body, err := io.ReadAll(r.Body)
	return self, body, err
}

func newHandler(t testing.TB, authenticate targetapi.Authenticate) *targetapi.Handler {
	t.Helper()
	h, _ := newRecorded(t, authenticate)
	return h
}

// newRecorded is newHandler with a function that returns the trail, each event as its
// name and its code.
func newRecorded(t testing.TB, authenticate targetapi.Authenticate) (*targetapi.Handler, func() []string) {
	t.Helper()
	root, err := key.OpenRoot(t.Context(), key.RootConfig{
		Store:  new(sealtest.Store),
		Create: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	store := mem.New()
	keys, err := key.Open(t.Context(), key.Config{Meta: store, Root: root, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(keys.Close)
	tr, err := trail.New(t.Context(), trail.Config{Store: store, Node: "n", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close(context.Background()) })
	identities := identity.New(identity.Config{Meta: store})
	t.Cleanup(func() { identities.Close(context.Background()) })
	if _, err := identities.CreateAccount(t.Context(), account, "account", nil); err != nil {
		t.Fatal(err)
	}
	gate := authz.New(authz.Config{Trail: tr, Identities: identities})
	recorded := func() (list []string) {
		if err := tr.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		err := trail.Scan(t.Context(), store, "n", 1, func(e trail.Entry) (bool, error) {
			var ev struct{ EventName, ErrorCode string }
			err := json.Unmarshal(e.JSON, &ev)
			list = append(list, ev.EventName+" "+ev.ErrorCode)
			return true, err
		})
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	return New(kms.New(kms.Config{Keys: keys, Gate: gate, Principals: identities}), authenticate), recorded
}

// call serves one call and returns its status and the answer as text.
func call(t testing.TB, h *targetapi.Handler, operation, body string) (int, string) {
	t.Helper()
	status, answer, _ := h.ServeCall(t.Context(), self, "TrentService."+operation, []byte(body))
	return status, string(answer)
}

// TestOperationsAreThoseOfTheSDK compares the routing table with the operations
// of AWS's own client.
func TestOperationsAreThoseOfTheSDK(t *testing.T) {
	var want, got []string
	client := reflect.TypeFor[*sdk.Client]()
	for i := range client.NumMethod() {
		if m := client.Method(i); m.Type.NumIn() == 4 && m.Type.IsVariadic() {
			want = append(want, m.Name)
		}
	}
	for _, o := range Operations() {
		got = append(got, o.Name)
	}
	if len(want) < 50 || !slices.Equal(got, want) {
		t.Errorf("Operations = %v; the SDK has %v", got, want)
	}
}

// TestInputsAreThoseOfTheSDK compares the members of every request and answer
// with those of AWS's own client: a member that is misspelled here would be
// ignored.
func TestInputsAreThoseOfTheSDK(t *testing.T) {
	client := reflect.TypeFor[*sdk.Client]()
	service := reflect.TypeFor[*kms.Service]()
	for _, o := range Operations() {
		theirs, _ := client.MethodByName(o.Name)
		ours, ok := service.MethodByName(o.Name)
		if !ok {
			t.Errorf("no method %s", o.Name)
			continue
		}
		compareMembers(t, o.Name+" request", ours.Type.In(3).Elem(), theirs.Type.In(2).Elem(), true)
		compareMembers(t, o.Name+" answer", ours.Type.Out(0).Elem(), theirs.Type.Out(0).Elem(), false)
	}
}

// compareMembers fails for a member of ours that theirs lacks and, of requests,
// for one of theirs that ours lacks.
func compareMembers(t *testing.T, name string, ours, theirs reflect.Type, both bool) {
	t.Helper()
	members := make(map[string]bool)
	for i := range ours.NumField() {
		member, _, _ := strings.Cut(ours.Field(i).Tag.Get("json"), ",")
		members[member] = true
		if f, ok := theirs.FieldByName(member); !ok {
			t.Errorf("%s: AWS knows no member %s", name, member)
		} else if o := ours.Field(i).Type; o.Kind() == reflect.Struct && o.NumField() > 1 {
			compareMembers(t, name+"."+member, o, f.Type.Elem(), false)
		}
	}
	// NextMarker and Truncated of listings that have one page, and answers for
	// enclaves, are what this server never sends.
	for i := range theirs.NumField() {
		if f := theirs.Field(i); both && f.IsExported() && !members[f.Name] {
			t.Errorf("%s: member %s is not read", name, f.Name)
		}
	}
}

func TestServeCall(t *testing.T) {
	h := newHandler(t, nil)
	status, answer := call(t, h, "CreateKey", `{"Description":"<test> & more"}`)
	shape := regexp.MustCompile(`^\{"KeyMetadata":\{"AWSAccountId":"123456789012","KeyId":"([0-9a-f-]{36})","Arn":"(arn:aws:kms:us-east-1:123456789012:key/[0-9a-f-]{36})",` +
		`"CreationDate":\d{10}\.\d{3},"Enabled":true,"Description":"<test> & more","KeyUsage":"ENCRYPT_DECRYPT","KeyState":"Enabled","Origin":"AWS_KMS","KeyManager":"CUSTOMER",` +
		`"CustomerMasterKeySpec":"SYMMETRIC_DEFAULT","KeySpec":"SYMMETRIC_DEFAULT","MultiRegion":false,"CurrentKeyMaterialId":"[0-9a-f]{64}","EncryptionAlgorithms":\["SYMMETRIC_DEFAULT"\]\}\}$`)
	m := shape.FindStringSubmatch(answer)
	if status != 200 || m == nil {
		t.Fatalf("CreateKey = %d %s", status, answer)
	}
	id, keyARN := m[1], m[2]
	tests := []struct {
		name, operation, body string
		status                int
		want                  string
	}{
		{"no answer", "EnableKey", `{"KeyId":"` + id + `"}`, 200, ""},
		{"empty list", "ListAliases", ``, 200, `{"Aliases":[],"Truncated":false}`},
		{"list", "ListKeys", `{"Limit":10,"Unknown":[1]}`, 200, `{"Keys":[{"KeyId":"` + id + `","KeyArn":"` + keyARN + `"}],"Truncated":false}`},
		{"false", "GetKeyRotationStatus", `{"KeyId":"` + id + `"}`, 200, `{"KeyId":"` + id + `","KeyRotationEnabled":false}`},
		{"error", "DescribeKey", `{"KeyId":"fake"}`, 400, `{"__type":"NotFoundException","message":"Invalid keyId 'fake'"}`},
		{"member in another case", "DescribeKey", `{"keyId":"` + id + `"}`, 400,
			`{"__type":"ValidationException","message":"1 validation error detected: Value null at 'keyId' failed to satisfy constraint: Member must not be null"}`},
		{"no JSON", "ListKeys", `{`, 400, `{"__type":"SerializationException","message":"the request body ends too early"}`},
		{"wrong type", "DescribeKey", `{"KeyId":5}`, 400, `{"__type":"SerializationException","message":"NUMBER_VALUE can not be converted to a String"}`},
		{"duplicate", "DescribeKey", `{"KeyId":"a","KeyId":"b"}`, 400, `{"__type":"SerializationException","message":"a member of an object in the request body stands twice"}`},
		{"unknown", "MakeCoffee", `{}`, 400, `{"__type":"UnknownOperationException","message":"The target names no operation of KMS."}`},
		{"empty", "", `{}`, 400, `{"__type":"UnknownOperationException","message":"The target names no operation of KMS."}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if status, answer := call(t, h, tt.operation, tt.body); status != tt.status || answer != tt.want {
				t.Errorf("%s(%s) = %d %s; want %d %s", tt.operation, tt.body, status, answer, tt.status, tt.want)
			}
		})
	}
	if status, answer, err := h.ServeCall(t.Context(), self, "DynamoDB_20120810.ListKeys", nil); status != 400 || !awserr.Is(err, "UnknownOperationException") {
		t.Errorf("target of another service = %d %s", status, answer)
	}
	nobody := &authn.Caller{Type: authn.TypeAnonymous}
	if status, answer, _ := h.ServeCall(t.Context(), nobody, "TrentService.ListKeys", nil); status != 400 || string(answer) != `{"__type":"MissingAuthenticationTokenException","message":"Missing Authentication Token"}` {
		t.Errorf("anonymous call = %d %s", status, answer)
	}
}

// TestRefusalsAreRecorded: what no operation takes is in the trail as well, so that
// nobody tries credentials unseen.
func TestRefusalsAreRecorded(t *testing.T) {
	caller, refusal := self, error(nil)
	h, recorded := newRecorded(t, func(*http.Request) (*authn.Caller, []byte, error) { return caller, nil, refusal })
	nobody := &authn.Caller{Type: authn.TypeAnonymous, RequestID: "r"}
	invalid := awserr.New(400, "InvalidSignatureException", "no")
	tests := []struct {
		caller               *authn.Caller
		refusal              error
		target, method, want string
	}{
		{nobody, invalid, "TrentService.ListKeys", "POST", "ListKeys InvalidSignatureException"},
		{nobody, invalid, "TrentService.Invented", "POST", "Unknown InvalidSignatureException"},
		{nobody, invalid, "", "POST", "Unknown InvalidSignatureException"},
		{nobody, nil, "TrentService.ListKeys", "POST", "ListKeys MissingAuthenticationTokenException"},
		{self, nil, "TrentService.Invented", "POST", "Unknown UnknownOperationException"},
		{self, nil, "TrentService.ListKeys", "GET", "ListKeys UnknownOperationException"},
	}
	var want []string
	for _, tt := range tests {
		caller, refusal = tt.caller, tt.refusal
		r := httptest.NewRequest(tt.method, "/", nil)
		r.Header.Set("Content-Type", awsjson.ContentType)
		r.Header.Set("X-Amz-Target", tt.target)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if _, code, _ := strings.Cut(tt.want, " "); !strings.Contains(w.Body.String(), code) {
			t.Errorf("%s of %q = %d %s; want %s", tt.method, tt.target, w.Code, w.Body, code)
		}
		want = append(want, tt.want)
	}
	if got := recorded(); !slices.Equal(got, want) {
		t.Errorf("trail = %q; want %q", got, want)
	}
}

func TestServeHTTP(t *testing.T) {
	refusing := awserr.New(403, "InvalidSignatureException", "The request signature does not match.").WithHeader("x-test", "yes")
	h := newHandler(t, func(r *http.Request) (*authn.Caller, []byte, error) {
		if r.Header.Get("Authorization") == "bad" {
			return self, nil, refusing
		}
		return trusting(r)
	})
	send := func(method, contentType, target, body string, header ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "/", strings.NewReader(body))
		r.Header.Set("Content-Type", contentType)
		r.Header.Set("X-Amz-Target", target)
		for _, a := range header {
			r.Header.Set("Authorization", a)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	tests := []struct {
		name   string
		w      *httptest.ResponseRecorder
		status int
		want   string
	}{
		{"fine", send("POST", awsjson.ContentType, "TrentService.ListKeys", "{}"), 200, `{"Keys":[],"Truncated":false}`},
		{"parameter", send("POST", awsjson.ContentType+"; charset=utf-8", "TrentService.ListKeys", ""), 200, `{"Keys":[],"Truncated":false}`},
		{"GET", send("GET", awsjson.ContentType, "TrentService.ListKeys", ""), 400, `{"__type":"UnknownOperationException","message":"KMS takes POST requests only."}`},
		{"form", send("POST", "application/x-www-form-urlencoded", "TrentService.ListKeys", ""), 400,
			`{"__type":"UnknownOperationException","message":"KMS takes requests of Content-Type application/x-amz-json-1.1 only."}`},
		{"no type", send("POST", "", "TrentService.ListKeys", ""), 400,
			`{"__type":"UnknownOperationException","message":"KMS takes requests of Content-Type application/x-amz-json-1.1 only."}`},
		{"bad signature", send("POST", awsjson.ContentType, "TrentService.ListKeys", "", "bad"), 403,
			`{"__type":"InvalidSignatureException","message":"The request signature does not match."}`},
		{"too large", send("POST", awsjson.ContentType, "TrentService.ListKeys", strings.Repeat(" ", 1<<20+1)), 413,
			`{"__type":"RequestEntityTooLarge","message":"The request body is larger than 1048576 bytes."}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.w.Code != tt.status || tt.w.Body.String() != tt.want {
				t.Errorf("%d %s; want %d %s", tt.w.Code, tt.w.Body, tt.status, tt.want)
			}
			h := tt.w.Header()
			if h.Get("x-amzn-RequestId") != self.RequestID || h.Get("Content-Type") != awsjson.ContentType || !strings.Contains(h.Get("Cache-Control"), "no-store") {
				t.Errorf("headers %v", h)
			}
			if tt.status == 403 && h.Get("x-test") != "yes" {
				t.Errorf("headers %v; want those of the error", h)
			}
		})
	}
}

// TestSDK speaks to the handler with AWS's own client.
func TestSDK(t *testing.T) {
	srv := httptest.NewServer(newHandler(t, trusting))
	defer srv.Close()
	client := sdk.New(sdk.Options{Region: "us-east-1", BaseEndpoint: aws.String(srv.URL),
		Credentials: credentials.NewStaticCredentialsProvider("AKIA", "secret", "")})
	ctx := t.Context()
	made, err := client.CreateKey(ctx, &sdk.CreateKeyInput{Description: aws.String("from the SDK"), Tags: []types.Tag{{TagKey: aws.String("a"), TagValue: aws.String("b")}}})
	if err != nil {
		t.Fatal(err)
	}
	id := made.KeyMetadata.KeyId
	if time.Since(*made.KeyMetadata.CreationDate).Abs() > time.Minute || made.KeyMetadata.KeyState != types.KeyStateEnabled {
		t.Errorf("CreateKey = %+v", made.KeyMetadata)
	}
	purpose := map[string]string{"purpose": "täst\u2028"}
	dataKey, err := client.GenerateDataKey(ctx, &sdk.GenerateDataKeyInput{KeyId: id, KeySpec: types.DataKeySpecAes256, EncryptionContext: purpose})
	if err != nil || len(dataKey.Plaintext) != 32 {
		t.Fatalf("GenerateDataKey = %v, %v", dataKey, err)
	}
	opened, err := client.Decrypt(ctx, &sdk.DecryptInput{CiphertextBlob: dataKey.CiphertextBlob, EncryptionContext: purpose})
	if err != nil || !bytes.Equal(opened.Plaintext, dataKey.Plaintext) {
		t.Errorf("Decrypt = %v", err)
	}
	_, err = client.Decrypt(ctx, &sdk.DecryptInput{CiphertextBlob: dataKey.CiphertextBlob})
	var invalid *types.InvalidCiphertextException
	if !errors.As(err, &invalid) || invalid.ErrorMessage() == "" {
		t.Errorf("Decrypt without context = %v; want an InvalidCiphertextException with a message", err)
	}
	if _, err := client.DisableKey(ctx, &sdk.DisableKeyInput{KeyId: id}); err != nil {
		t.Errorf("DisableKey = %v", err)
	}
	_, err = client.Encrypt(ctx, &sdk.EncryptInput{KeyId: id, Plaintext: []byte("x")})
	var disabled *types.DisabledException
	if !errors.As(err, &disabled) || disabled.ErrorMessage() != *made.KeyMetadata.Arn+" is disabled." {
		t.Errorf("Encrypt = %v; want a DisabledException", err)
	}
	_, err = client.DescribeKey(ctx, &sdk.DescribeKeyInput{KeyId: aws.String("alias/none")})
	var notFound *types.NotFoundException
	if !errors.As(err, &notFound) {
		t.Errorf("DescribeKey = %v; want a NotFoundException", err)
	}
	_, err = client.CreateGrant(ctx, &sdk.CreateGrantInput{KeyId: id, GranteePrincipal: aws.String(self.ARN), Operations: []types.GrantOperation{types.GrantOperationDecrypt}})
	disabled = nil
	if !errors.As(err, &disabled) {
		t.Errorf("CreateGrant = %v; want a DisabledException", err)
	}
	_, err = client.GetPublicKey(ctx, &sdk.GetPublicKeyInput{KeyId: id})
	var other *types.UnsupportedOperationException
	if !errors.As(err, &other) {
		t.Errorf("GetPublicKey = %v; want UnsupportedOperationException", err)
	}
	scheduled, err := client.ScheduleKeyDeletion(ctx, &sdk.ScheduleKeyDeletionInput{KeyId: id, PendingWindowInDays: aws.Int32(7)})
	if err != nil || scheduled.KeyState != types.KeyStatePendingDeletion || (time.Until(*scheduled.DeletionDate)-7*24*time.Hour).Abs() > time.Minute {
		t.Errorf("ScheduleKeyDeletion = %+v, %v", scheduled, err)
	}
}

// FuzzServeCall sends any body to every operation: whatever it is, the answer is
// JSON, and nothing breaks inside.
func FuzzServeCall(f *testing.F) {
	for i := range Operations() {
		f.Add(uint8(i), []byte(`{"KeyId":"alias/a","Plaintext":"AAAA","CiphertextBlob":"AAAA","Limit":1,"Tags":[{"TagKey":"a","TagValue":"b"}]}`))
	}
	f.Add(uint8(5), []byte(`{"Policy":"{}","Tags":[{}],"KeySpec":"RSA_2048"}`))
	h := newHandler(f, nil)
	operations := Operations()
	f.Fuzz(func(t *testing.T, n uint8, body []byte) {
		name := operations[int(n)%len(operations)].Name
		status, answer, err := h.ServeCall(t.Context(), self, "TrentService."+name, body)
		if len(answer) > 0 && !json.Valid(answer) || status == 500 || (err == nil) != (status == 200) {
			t.Errorf("%s(%q) = %d %s, %v", name, body, status, answer, err)
		}
	})
}

func BenchmarkGenerateDataKey(b *testing.B) {
	h, id, _ := benchKey(b)
	body := []byte(`{"KeyId":"` + id + `","KeySpec":"AES_256","EncryptionContext":{"aws:s3:arn":"arn:aws:s3:::bucket/object"}}`)
	benchCall(b, h, "GenerateDataKey", body)
}

func BenchmarkDecrypt(b *testing.B) {
	h, id, blob := benchKey(b)
	body := []byte(`{"KeyId":"` + id + `","CiphertextBlob":"` + blob + `","EncryptionContext":{"aws:s3:arn":"arn:aws:s3:::bucket/object"}}`)
	benchCall(b, h, "Decrypt", body)
}

func benchKey(b *testing.B) (h *targetapi.Handler, id, blob string) {
	h = newHandler(b, nil)
	_, answer := call(b, h, "CreateKey", "{}")
	var made struct{ KeyMetadata struct{ KeyId string } }
	if err := json.Unmarshal([]byte(answer), &made); err != nil {
		b.Fatal(err)
	}
	id = made.KeyMetadata.KeyId
	_, answer = call(b, h, "GenerateDataKey", `{"KeyId":"`+id+`","KeySpec":"AES_256","EncryptionContext":{"aws:s3:arn":"arn:aws:s3:::bucket/object"}}`)
	var dataKey struct{ CiphertextBlob string }
	if err := json.Unmarshal([]byte(answer), &dataKey); err != nil {
		b.Fatal(err)
	}
	return h, id, dataKey.CiphertextBlob
}

func benchCall(b *testing.B, h *targetapi.Handler, operation string, body []byte) {
	b.ReportAllocs()
	for b.Loop() {
		if status, answer, _ := h.ServeCall(b.Context(), self, "TrentService."+operation, body); status != 200 {
			b.Fatalf("%d %s", status, answer)
		}
	}
}
