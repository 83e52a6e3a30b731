package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLoadEnvironment(t *testing.T) {
	dir := t.TempDir()
	shared, config := filepath.Join(dir, "credentials"), filepath.Join(dir, "config")
	os.WriteFile(shared, []byte("[default]\naws_access_key_id=D\naws_secret_access_key=ds\n[two]\naws_access_key_id = T # \naws_secret_access_key = ts\naws_session_token = tt\n"), 0o600)
	os.WriteFile(config, []byte("[default]\nregion = eu-west-1\n\n[profile two]\nregion = eu-west-2\nendpoint_url = http://two:1\ns3 =\n  region = nested\n"), 0o600)
	files := []string{"AWS_SHARED_CREDENTIALS_FILE", shared, "AWS_CONFIG_FILE", config}
	for _, tt := range []struct {
		name              string
		o                 options
		env               []string
		id, region        string
		endpoint, service string
	}{
		{"default profile", options{endpoint: "http://h:1"}, nil, "D", "eu-west-1", "http://h:1", "http://h:1"},
		{"profile in a variable", options{}, []string{"AWS_PROFILE", "two"}, "T #", "eu-west-2", "http://two:1", "http://two:1"},
		{"profile option beats credentials in variables", options{profile: "two"},
			[]string{"AWS_ACCESS_KEY_ID", "E", "AWS_SECRET_ACCESS_KEY", "es"}, "T #", "eu-west-2", "http://two:1", "http://two:1"},
		{"variables", options{}, []string{"AWS_ACCESS_KEY_ID", "E", "AWS_SECRET_ACCESS_KEY", "es", "AWS_REGION", "r-1", "AWS_ENDPOINT_URL", "http://e",
			"AWS_ENDPOINT_URL_S3", "http://s", "AWS_ENDPOINT_URL_KMS", "http://k"}, "E", "r-1", "http://s", "http://k"},
		{"options", options{region: "o-1", endpoint: "https://o"}, []string{"AWS_REGION", "r-1", "AWS_ENDPOINT_URL", "http://e"}, "D", "o-1", "https://o", "https://o"},
		{"AWS", options{region: "eu-west-1", endpoint: "https://s3.eu-west-1.amazonaws.com"}, nil, "D", "eu-west-1",
			"https://s3.eu-west-1.amazonaws.com", "https://kms.eu-west-1.amazonaws.com"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			vars := append([]string{"AWS_ACCESS_KEY_ID", "", "AWS_SECRET_ACCESS_KEY", ""}, files...)
			e, err := loadEnvironment(&tt.o, env(append(vars, tt.env...)...))
			if err != nil {
				t.Fatal(err)
			}
			if e.credentials.accessKeyID != tt.id || e.region != tt.region || e.s3.String() != tt.endpoint || e.kms.String() != tt.service {
				t.Errorf("id %q, region %q, s3 %v, kms %v", e.credentials.accessKeyID, e.region, e.s3, e.kms)
			}
		})
	}
}

func TestNoCredentials(t *testing.T) {
	_, err := loadEnvironment(&options{endpoint: "http://h"}, env("AWS_ACCESS_KEY_ID", ""))
	if err != errNoCredentials {
		t.Errorf("loadEnvironment() = %v", err)
	}
}

func TestCredentialsDoNotPrint(t *testing.T) {
	e := environment{credentials: credentials{"AKID", "very-secret", "token-secret"}}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		if s := fmt.Sprintf(verb, e.credentials) + fmt.Sprintf(verb, &e.credentials) + fmt.Sprintf(verb, e) + fmt.Sprintf(verb, &e); strings.Contains(s, "very-secret") {
			t.Errorf("%s prints %s", verb, s)
		}
	}
	_, err := parseINI("[default]\naws_secret_access_key very-secret\n")
	if err == nil || strings.Contains(err.Error(), "very-secret") {
		t.Errorf("parseINI() = %v", err)
	}
}

func TestSessionTokenAndRegion(t *testing.T) {
	s := newStub()
	s.token, s.region = "token", "eu-central-1"
	server := serve(t, s)
	args := append([]string{"--endpoint-url", server, "--region", "eu-central-1"}, short...)
	if code, _, errs := call(t, env("AWS_SESSION_TOKEN", "token"), args...); code != 0 || len(s.problems) > 0 {
		t.Errorf("exit %d: %s %v", code, errs, s.problems)
	}
}

func TestVirtualHosts(t *testing.T) {
	o := &options{endpoint: "https://s3.eu-west-1.amazonaws.com", payload: "auto"}
	e, err := loadEnvironment(o, env())
	if err != nil {
		t.Fatal(err)
	}
	got := newTarget(e, e.s3, "s3", "bucket", o)
	if got.host != "bucket.s3.eu-west-1.amazonaws.com" || got.addr != got.host+":443" || got.tls.ServerName != got.host || !got.unsigned {
		t.Errorf("host %s, address %s, unsigned %v", got.host, got.addr, got.unsigned)
	}
}

func FuzzParseINI(f *testing.F) {
	for _, s := range []string{"", "[a]\nb=c\n", "[profile x] # y\r\nk = v = w\n", "  nested", "[", "[]\n=", "[a]\n\tb=c", "x=y"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		sections, err := parseINI(text)
		if err != nil && sections != nil {
			t.Error("sections beside an error")
		}
		for name, settings := range sections {
			for k := range settings {
				if strings.ContainsAny(name+k, "\n") {
					t.Errorf("section %q, key %q", name, k)
				}
			}
		}
	})
}

func FuzzErrorCode(f *testing.F) {
	for _, s := range []string{"", "<Error><Code>SlowDown</Code></Error>", "<Code></Code>", "<Code>a b</Code>", `{"__type":"x#NotFoundException"}`, `{"__type":3}`, "<Code>"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		code := errorCode(500, body)
		if code == "" || len(code) > 100 || strings.ContainsAny(code, "\r\n\x1b") {
			t.Errorf("errorCode() = %q", code)
		}
		if all := elements(body, "Key"); len(all) > 0 && all[0] != element(body, "Key") {
			t.Errorf("elements() = %q, element() = %q", all, element(body, "Key"))
		}
	})
}

func TestErrorCode(t *testing.T) {
	for body, want := range map[string]string{
		"<Error><Code>SlowDown</Code></Error>":             "SlowDown",
		`{"__type":"com.amazonaws.kms#NotFoundException"}`: "NotFoundException",
		`{"__type":"ThrottlingException"}`:                 "ThrottlingException",
		"":                                                 "HTTP 503",
		"<html>502 Bad Gateway</html>":                     "HTTP 503",
		"<Error><Code>\x1b[2J</Code></Error>":              "HTTP 503",
		"<Error><Code>" + strings.Repeat("x", 101) + "</Code></Er": "HTTP 503",
	} {
		if got := errorCode(503, []byte(body)); got != want {
			t.Errorf("errorCode(%q) = %q, want %q", body, got, want)
		}
	}
}
