package xks

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"coffer/internal/sigv4"
)

func TestIntegrityVectors(t *testing.T) {
	b, err := os.ReadFile("testdata/vectors/integrity.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Vectors []struct {
			Name                                          string
			AAD, Metadata, IV, Ciphertext, Tag, Integrity []byte
			AdditionalData                                string
		}
	}
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	for _, v := range file.Vectors {
		t.Run(v.Name, func(t *testing.T) {
			r := &EncryptResponse{Ciphertext: v.Ciphertext, CiphertextMetadata: v.Metadata, InitializationVector: v.IV, AuthenticationTag: v.Tag, IntegrityValue: v.Integrity}
			if got := IntegrityValue(v.AAD, r); !bytes.Equal(got, v.Integrity) {
				t.Errorf("IntegrityValue = %x; want %x", got, v.Integrity)
			}
			if got := hex.EncodeToString(AdditionalData(v.AAD, v.Metadata)); got != v.AdditionalData {
				t.Errorf("AdditionalData = %s; want %s", got, v.AdditionalData)
			}
			if !Intact(v.AAD, r) {
				t.Error("Intact = false")
			}
			r.Ciphertext = append([]byte(nil), v.Ciphertext...)
			r.Ciphertext[0] ^= 1
			if Intact(v.AAD, r) {
				t.Error("Intact = true with another ciphertext")
			}
		})
	}
}

func TestSplitPath(t *testing.T) {
	long := "/" + strings.Repeat("p", MaxPath-len(PathSuffix)-1) + PathSuffix
	for _, tt := range []struct {
		path, proxy string
		op          Operation
		key         string
	}{
		{"/kms/xks/v1/health", "/kms/xks/v1", GetHealthStatus, ""},
		{"/a/b-c_D9/kms/xks/v1/health", "/a/b-c_D9/kms/xks/v1", GetHealthStatus, ""},
		{"/kms/xks/v1/keys/k/metadata", "/kms/xks/v1", GetKeyMetadata, "k"},
		{"/kms/xks/v1/keys/a.b-c_D9/encrypt", "/kms/xks/v1", Encrypt, "a.b-c_D9"},
		{"/p/kms/xks/v1/keys/" + strings.Repeat("k", 128) + "/decrypt", "/p/kms/xks/v1", Decrypt, strings.Repeat("k", 128)},
		{long + "/health", long, GetHealthStatus, ""},
	} {
		proxy, op, key, err := SplitPath(tt.path)
		if err != nil || proxy != tt.proxy || op != tt.op || key != tt.key {
			t.Errorf("SplitPath(%q) = %q, %q, %q, %v; want %q, %q, %q", tt.path, proxy, op, key, err, tt.proxy, tt.op, tt.key)
		}
		if got := JoinPath(proxy, op, key); got != tt.path {
			t.Errorf("JoinPath = %q; want %q", got, tt.path)
		}
	}
	for _, path := range []string{
		"", "/", "/kms/xks/v1", "/kms/xks/v1/", "kms/xks/v1/health", "/kms/xks/v2/health", "/kms/xks/v1/health/", "/kms/xks/v1/Health",
		"//kms/xks/v1/health", "/a//b/kms/xks/v1/health", "/a.b/kms/xks/v1/health", "/a%20/kms/xks/v1/health", "/a/../kms/xks/v1/health",
		"/kms/xks/v1/kms/xks/v1/health", "/kms/xks/v1/keys/k", "/kms/xks/v1/keys/k/", "/kms/xks/v1/keys//encrypt", "/kms/xks/v1/keys/./encrypt",
		"/kms/xks/v1/keys/../encrypt", "/kms/xks/v1/keys/k/sign", "/kms/xks/v1/keys/a:b/encrypt", "/kms/xks/v1/keys/a%2Fb/encrypt",
		"/kms/xks/v1/keys/" + strings.Repeat("k", 129) + "/decrypt", "/p" + long + "/health",
	} {
		if proxy, op, key, err := SplitPath(path); !errors.Is(err, ErrPath) {
			t.Errorf("SplitPath(%q) = %q, %q, %q, %v; want ErrPath", path, proxy, op, key, err)
		}
	}
}

const metadata = `"requestMetadata":{"awsPrincipalArn":"arn:aws:iam::123456789012:user/Alice","kmsKeyArn":"arn:aws:kms:us-east-2:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab","kmsOperation":"Encrypt","kmsRequestId":"4112f4d6"%s}`

func b64(n int) string { return base64.StdEncoding.EncodeToString(make([]byte, n)) }

func encryptBody(plain, more string) string {
	return "{" + fmt.Sprintf(metadata, "") + `,"encryptionAlgorithm":"AES_GCM","plaintext":"` + plain + `"` + more + "}"
}

func decryptBody(ciphertext, iv, tag, more string) string {
	return "{" + fmt.Sprintf(metadata, "") + `,"encryptionAlgorithm":"AES_GCM","ciphertext":"` + ciphertext + `","initializationVector":"` + iv + `","authenticationTag":"` + tag + `"` + more + "}"
}

func TestUnmarshalRequest(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		r          Request
		want       string // name of the error
	}{
		{"encrypt", encryptBody("SGVsbG8gV29ybGQh", `,"additionalAuthenticatedData":"YQ==","ciphertextDataIntegrityValueAlgorithm":"SHA_256"`), &EncryptRequest{}, ""},
		{"largest", encryptBody(b64(4300), `,"additionalAuthenticatedData":"`+b64(8192)+`"`), &EncryptRequest{}, ""},
		{"longest ARN", strings.Replace(encryptBody("AA==", ""), "user/Alice", "user/"+strings.Repeat("a", MaxARN-31), 1), &EncryptRequest{}, ""},
		{"too long ARN", strings.Replace(encryptBody("AA==", ""), "user/Alice", "user/"+strings.Repeat("a", MaxARN-30), 1), &EncryptRequest{}, ValidationException},
		{"unknown operation", strings.Replace(encryptBody("AA==", ""), `"Encrypt"`, `"BulkEncrypt"`, 1), &EncryptRequest{}, ""},
		{"more metadata", "{" + fmt.Sprintf(metadata, `,"sourceIdentity":{"a":1}`) + `,"encryptionAlgorithm":"AES_GCM","plaintext":"AA=="}`, &EncryptRequest{}, ""},
		{"plaintext too long", encryptBody(b64(4301), ""), &EncryptRequest{}, UnsupportedOperationException},
		{"additional data too long", encryptBody("AA==", `,"additionalAuthenticatedData":"`+b64(8193)+`"`), &EncryptRequest{}, UnsupportedOperationException},
		{"body too long", encryptBody("AA==", `,"x":"`+strings.Repeat("x", MaxBody)+`"`), &EncryptRequest{}, UnsupportedOperationException},
		{"no plaintext", "{" + fmt.Sprintf(metadata, "") + `,"encryptionAlgorithm":"AES_GCM"}`, &EncryptRequest{}, ValidationException},
		{"empty plaintext", encryptBody("", ""), &EncryptRequest{}, ValidationException},
		{"other algorithm", strings.Replace(encryptBody("AA==", ""), "AES_GCM", "AES_CBC", 1), &EncryptRequest{}, ValidationException},
		{"other integrity algorithm", encryptBody("AA==", `,"ciphertextDataIntegrityValueAlgorithm":"SHA_1"`), &EncryptRequest{}, ValidationException},
		{"unknown member", encryptBody("AA==", `,"padding":"none"`), &EncryptRequest{}, ValidationException},
		{"member twice", encryptBody("AA==", `,"plaintext":"AQ=="`), &EncryptRequest{}, ValidationException},
		{"member in other case", encryptBody("AA==", `,"Plaintext":"AQ=="`), &EncryptRequest{}, ValidationException},
		{"URL-safe base64", encryptBody("__8=", ""), &EncryptRequest{}, ValidationException},
		{"no metadata", `{"encryptionAlgorithm":"AES_GCM","plaintext":"AA=="}`, &EncryptRequest{}, ValidationException},
		{"no request ID", strings.Replace(encryptBody("AA==", ""), `"4112f4d6"`, `""`, 1), &EncryptRequest{}, ValidationException},
		{"no body", "", &EncryptRequest{}, ValidationException},
		{"list", "[]", &EncryptRequest{}, ValidationException},
		{"decrypt", decryptBody("AA==", b64(12), b64(16), ""), &DecryptRequest{}, ""},
		{"decrypt with a long vector", decryptBody("AA==", b64(16), b64(16), `,"ciphertextMetadata":"`+b64(20)+`"`), &DecryptRequest{}, ""},
		{"ciphertext too long", decryptBody(b64(4301), b64(12), b64(16), ""), &DecryptRequest{}, UnsupportedOperationException},
		{"no ciphertext", decryptBody("", b64(12), b64(16), ""), &DecryptRequest{}, ValidationException},
		{"vector of 13", decryptBody("AA==", b64(13), b64(16), ""), &DecryptRequest{}, ValidationException},
		{"tag of 12", decryptBody("AA==", b64(12), b64(12), ""), &DecryptRequest{}, ValidationException},
		{"metadata of 21", decryptBody("AA==", b64(12), b64(16), `,"ciphertextMetadata":"`+b64(21)+`"`), &DecryptRequest{}, ValidationException},
		{"health", `{"requestMetadata":{"kmsRequestId":"x","kmsOperation":"KmsHealthCheck"}}`, &HealthRequest{}, ""},
		{"health without operation", `{"requestMetadata":{"kmsRequestId":"x"}}`, &HealthRequest{}, ValidationException},
		{"metadata", `{"requestMetadata":{"kmsRequestId":"x","kmsOperation":"CreateKey","awsPrincipalArn":"AWS Internal"}}`, &MetadataRequest{}, ""},
		{"metadata without principal", `{"requestMetadata":{"kmsRequestId":"x","kmsOperation":"CreateKey"}}`, &MetadataRequest{}, ValidationException},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := UnmarshalRequest([]byte(tt.body), tt.r)
			var e *Error
			if tt.want == "" && err != nil || tt.want != "" && (!errors.As(err, &e) || e.Name != tt.want) {
				t.Errorf("UnmarshalRequest = %v; want %q", err, tt.want)
			}
			if err == nil {
				if again := UnmarshalRequest(Marshal(tt.r), tt.r); again != nil {
					t.Errorf("what Marshal wrote is refused: %v", again)
				}
			}
		})
	}
}

func TestUnmarshalResponse(t *testing.T) {
	health := func(status string, n int) string {
		m := strings.TrimSuffix(strings.Repeat(`{"id":"i","model":"m","healthStatus":"`+status+`"},`, n), ",")
		return `{"xksProxyFleetSize":1,"xksProxyVendor":"v","xksProxyModel":"m","ekmVendor":"e","ekmFleetDetails":[` + m + `]}`
	}
	encrypted := `{"ciphertext":"AA==","initializationVector":"` + b64(12) + `","authenticationTag":"` + b64(16) + `"%s}`
	for _, tt := range []struct {
		name, body string
		r          Response
		ok         bool
	}{
		{"health", health(HealthDegraded, 10), &HealthResponse{}, true},
		{"health of eleven", health(HealthActive, 11), &HealthResponse{}, false},
		{"health of none", health(HealthActive, 0), &HealthResponse{}, false},
		{"health unheard of", health("SICK", 1), &HealthResponse{}, false},
		{"fleet of none", strings.Replace(health(HealthActive, 1), `Size":1`, `Size":0`, 1), &HealthResponse{}, false},
		{"metadata", `{"keySpec":"AES_256","keyUsage":["ENCRYPT","WRAP"],"keyStatus":"ENABLED","more":1}`, &MetadataResponse{}, true},
		{"eleven usages", `{"keySpec":"AES_256","keyUsage":["ENCRYPT"` + strings.Repeat(`,"X"`, 10) + `],"keyStatus":"ENABLED"}`, &MetadataResponse{}, false},
		{"status unheard of", `{"keySpec":"AES_256","keyUsage":[],"keyStatus":"enabled"}`, &MetadataResponse{}, false},
		{"encrypted", fmt.Sprintf(encrypted, ""), &EncryptResponse{}, true},
		{"metadata of 21", fmt.Sprintf(encrypted, `,"ciphertextMetadata":"`+b64(21)+`"`), &EncryptResponse{}, false},
		{"short integrity value", fmt.Sprintf(encrypted, `,"ciphertextDataIntegrityValue":"AA=="`), &EncryptResponse{}, false},
		{"no vector", `{"ciphertext":"AA==","authenticationTag":"` + b64(16) + `"}`, &EncryptResponse{}, false},
		{"decrypted", `{"plaintext":"AA=="}`, &DecryptResponse{}, true},
		{"nothing decrypted", `{}`, &DecryptResponse{}, false},
		{"HTML", `<html>`, &DecryptResponse{}, false},
		{"nothing", ``, &DecryptResponse{}, false},
		{"too long", `{"plaintext":"AA==","x":"` + strings.Repeat("x", MaxBody) + `"}`, &DecryptResponse{}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := UnmarshalResponse([]byte(tt.body), tt.r)
			if tt.ok != (err == nil) || err != nil && !errors.Is(err, ErrAnswer) {
				t.Errorf("UnmarshalResponse = %v; want ok %t", err, tt.ok)
			}
		})
	}
}

func TestMatches(t *testing.T) {
	q := &EncryptRequest{Plaintext: make([]byte, 3), IntegrityAlgorithm: AlgorithmSHA256}
	r := &EncryptResponse{Ciphertext: make([]byte, 3)}
	if err := r.Matches(q); !errors.Is(err, ErrAnswer) {
		t.Errorf("without an integrity value: %v", err)
	}
	r.IntegrityValue = IntegrityValue(nil, r)
	if err := r.Matches(q); err != nil {
		t.Errorf("Matches = %v", err)
	}
	r.Ciphertext = make([]byte, 4)
	if err := r.Matches(q); !errors.Is(err, ErrAnswer) {
		t.Errorf("with another length: %v", err)
	}
	if err := (&DecryptResponse{Plaintext: make([]byte, 2)}).Matches(&DecryptRequest{Ciphertext: make([]byte, 3)}); !errors.Is(err, ErrAnswer) {
		t.Errorf("with another length: %v", err)
	}
}

func TestErrors(t *testing.T) {
	for name := range statuses {
		e := NewError(name, "tab\there, ünd %s", strings.Repeat("x", 600))
		if len(e.Message) > 511 || strings.ContainsAny(e.Message, "\tü") {
			t.Errorf("%s: message %q", name, e.Message)
		}
		got, err := UnmarshalError(Status(name), MarshalError(e))
		if err != nil || *got != *e {
			t.Errorf("UnmarshalError = %v, %v; want %v", got, err, e)
		}
	}
	for _, body := range []string{"", "{}", `{"errorName":"OtherException"}`, "oops", `{"errorName":1}`} {
		if e, err := UnmarshalError(400, []byte(body)); !errors.Is(err, ErrAnswer) {
			t.Errorf("UnmarshalError(%q) = %v, %v; want ErrAnswer", body, e, err)
		}
	}
}

func TestSecretsDoNotShow(t *testing.T) {
	r := EncryptRequest{Plaintext: Plaintext("attack at dawn")}
	j, _ := json.Marshal(r)
	for _, s := range []string{fmt.Sprint(r), fmt.Sprintf("%+v %x", r, r.Plaintext), fmt.Sprintf("%#v", r.Plaintext), string(j)} {
		if strings.Contains(s, "attack") || strings.Contains(s, hex.EncodeToString([]byte("attack"))) || strings.Contains(s, "YXR0YWNr") {
			t.Errorf("the plaintext shows: %s", s)
		}
	}
}

func TestCredential(t *testing.T) {
	for id, want := range map[string]bool{
		"HGIE2BUAFNDMBCMSQVWLGCEXAMPLE": true, "ABCDEFGHIJKLMNOPQRST": true, "ABCDEFGHIJKLMNOPQRS": false,
		strings.Repeat("A", 30): true, strings.Repeat("A", 31): false, "AKIAI1SFODNN7EXAMPLE": false, "akiaisfodnnexampleabc": false,
	} {
		if got := ValidAccessKeyID(id); got != want {
			t.Errorf("ValidAccessKeyID(%q) = %t", id, got)
		}
	}
	for s, want := range map[string]bool{
		"VU6W2byoiBrhDqNGbx703oL0syCAmhlQgwNUT123456": true, strings.Repeat("a", 42): false, strings.Repeat("a", 64): true,
		strings.Repeat("a", 65): false, strings.Repeat("-", 43): false,
	} {
		if got := ValidSecret(s); got != want {
			t.Errorf("ValidSecret(%q) = %t", s, got)
		}
	}
}

const (
	testKeyID  = "HGIE2BUAFNDMBCMSQVWLGCEXAMPLE"
	testSecret = "VU6W2byoiBrhDqNGbx703oL0syCAmhlQgwNUT123456"
)

func signed(t *testing.T, body []byte, at time.Time, service string) *sigv4.Request {
	t.Helper()
	r := &sigv4.Request{Method: "POST", Path: "/p/kms/xks/v1/health", Host: "xks.example.com", Header: map[string][]string{}}
	sigv4.NewSigner(testKeyID, testSecret, "eu-west-1", service).Sign(r, PayloadHash(body), at)
	return r
}

func TestSignature(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	body := []byte(`{}`)
	for _, tt := range []struct {
		name   string
		at     time.Time
		change func(r *sigv4.Request)
		parses bool
	}{
		{name: "good", at: now, parses: true},
		{name: "five minutes old", at: now.Add(-MaxSkew), parses: true},
		{name: "five minutes early", at: now.Add(MaxSkew), parses: true},
		{name: "replayed later", at: now.Add(-MaxSkew - time.Second)},
		{name: "from the future", at: now.Add(MaxSkew + time.Second)},
		{name: "no signature", at: now, change: func(r *sigv4.Request) { delete(r.Header, "Authorization") }},
		{name: "two signatures", at: now, change: func(r *sigv4.Request) {
			r.Header["Authorization"] = append(r.Header["Authorization"], r.Header["Authorization"][0])
		}},
		{name: "no date", at: now, change: func(r *sigv4.Request) { delete(r.Header, "X-Amz-Date") }},
		{name: "query", at: now, change: func(r *sigv4.Request) { r.RawQuery = "a=b" }},
		{name: "another algorithm", at: now, change: func(r *sigv4.Request) {
			r.Header["Authorization"][0] = strings.Replace(r.Header["Authorization"][0], "AWS4-", "AWS5-", 1)
		}},
		{name: "host not signed", at: now, change: func(r *sigv4.Request) {
			r.Header["Authorization"][0] = strings.Replace(r.Header["Authorization"][0], "=host;", "=", 1)
		}},
		{name: "date of another day", at: now, change: func(r *sigv4.Request) {
			r.Header["Authorization"][0] = strings.Replace(r.Header["Authorization"][0], "/20261122/", "/20261121/", 1)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := signed(t, body, tt.at, SigningService)
			if tt.change != nil {
				tt.change(r)
			}
			s, err := ParseSignature(r, now)
			if tt.parses != (err == nil) {
				t.Fatalf("ParseSignature = %v, %v; want ok %t", s, err, tt.parses)
			}
			if err != nil {
				if e := new(Error); !errors.As(err, &e) || e.Name != AuthenticationFailedException {
					t.Errorf("ParseSignature = %v; want AuthenticationFailedException", err)
				}
				return
			}
			if s.AccessKeyID != testKeyID || s.Region != "eu-west-1" {
				t.Errorf("ParseSignature = %+v", s)
			}
			keys := new(sigv4.KeyCache)
			for range 2 {
				if !s.Verify(r, body, testSecret, keys) {
					t.Error("Verify = false")
				}
			}
			if s.Verify(r, body, strings.ToLower(testSecret), keys) || s.Verify(r, []byte(`{ }`), testSecret, keys) {
				t.Error("Verify = true for another secret or body")
			}
			r.Path = "/q/kms/xks/v1/health"
			if s.Verify(r, body, testSecret, nil) {
				t.Error("Verify = true for another path")
			}
		})
	}
	if _, err := ParseSignature(signed(t, body, now, "kms"), now); err == nil {
		t.Error("a signature for kms is taken")
	}
}

func FuzzUnmarshalRequest(f *testing.F) {
	f.Add([]byte(encryptBody("SGVsbG8gV29ybGQh", `,"additionalAuthenticatedData":"YQ=="`)))
	f.Add([]byte(decryptBody("AA==", b64(12), b64(16), `,"ciphertextMetadata":"AA=="`)))
	f.Add([]byte(`{"requestMetadata":{"kmsRequestId":"x","kmsOperation":"KmsHealthCheck"}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, r := range []Request{&EncryptRequest{}, &DecryptRequest{}, &HealthRequest{}, &MetadataRequest{}} {
			if err := UnmarshalRequest(body, r); err != nil {
				var e *Error
				if !errors.As(err, &e) || Status(e.Name) == 0 || len(e.Message) > maxMessage {
					t.Fatalf("error %v", err)
				}
				continue
			}
			if err := UnmarshalRequest(Marshal(r), r); err != nil {
				t.Fatalf("what Marshal wrote is refused: %v", err)
			}
		}
		for _, r := range []Response{&EncryptResponse{}, &DecryptResponse{}, &HealthResponse{}, &MetadataResponse{}} {
			if err := UnmarshalResponse(body, r); err != nil && !errors.Is(err, ErrAnswer) {
				t.Fatalf("error %v", err)
			}
		}
		if _, err := UnmarshalError(400, body); err != nil && !errors.Is(err, ErrAnswer) {
			t.Fatalf("error %v", err)
		}
	})
}

func FuzzSplitPath(f *testing.F) {
	f.Add("/p/kms/xks/v1/keys/k/encrypt")
	f.Add("/kms/xks/v1/health")
	f.Fuzz(func(t *testing.T, path string) {
		proxy, op, key, err := SplitPath(path)
		if err == nil && JoinPath(proxy, op, key) != path {
			t.Fatalf("SplitPath(%q) = %q, %q, %q", path, proxy, op, key)
		}
	})
}

func FuzzParseSignature(f *testing.F) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	r := &sigv4.Request{Method: "POST", Path: "/kms/xks/v1/health", Host: "h", Header: map[string][]string{}}
	sigv4.NewSigner(testKeyID, testSecret, "eu-west-1", SigningService).Sign(r, PayloadHash(nil), now)
	f.Add(r.Header["Authorization"][0], r.Header["X-Amz-Date"][0])
	f.Add("AWS4-HMAC-SHA256 Credential=a/b/c/kms-xks-proxy/aws4_request, SignedHeaders=host;x-amz-date, Signature=00", "2026")
	f.Fuzz(func(t *testing.T, authorization, date string) {
		r := &sigv4.Request{Method: "POST", Path: "/kms/xks/v1/health", Host: "h", Header: map[string][]string{"Authorization": {authorization}, "X-Amz-Date": {date}}}
		s, err := ParseSignature(r, now)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Name != AuthenticationFailedException || len(e.Message) > maxMessage {
				t.Fatalf("error %v", err)
			}
			return
		}
		s.Verify(r, nil, testSecret, nil)
	})
}
