package trail

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// full is an event with every field.
func full() *Event {
	return &Event{
		User: UserIdentity{
			Type: "AssumedRole", PrincipalID: "AROAEXAMPLE:alice", ARN: "arn:aws:sts::123456789012:assumed-role/ops/alice",
			AccountID: "123456789012", AccessKeyID: "ASIAEXAMPLE", UserName: "alice",
			Session: &SessionContext{
				Issuer: SessionIssuer{Type: "Role", PrincipalID: "AROAEXAMPLE", ARN: "arn:aws:iam::123456789012:role/ops",
					AccountID: "123456789012", UserName: "ops"},
				CreatedAt: time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC), MFAAuthenticated: true,
			},
			InvokedBy: "s3.amazonaws.com",
		},
		Time:   time.Date(2026, 11, 21, 10, 20, 30, 999, time.FixedZone("CET", 3600)),
		Source: "kms.amazonaws.com", Name: "GenerateDataKey", Region: "us-east-1", SourceIP: "192.0.2.7",
		UserAgent: "aws-cli/2.9.19", ErrorCode: "AccessDeniedException", ErrorMessage: "User: \"x\" is not\nauthorized <&>",
		Request: Params{
			{"keyId", "1234abcd-12ab-34cd-56ef-1234567890ab"}, {"keySpec", "AES_256"}, {"numberOfBytes", 32}, {"dryRun", false},
			{"encryptionContext", map[string]string{"z": "1", "a": "2"}}, {"grantTokens", []string{"t1", "t2"}},
		},
		Response: Params{{"ciphertextBlob", Redacted}, {"at", time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}, {"nothing", nil}},
		Additional: Params{{"keyMaterialId", "0123"}, {"nested", Params{{"list", []any{1, "two", true, nil, []Params{{{"x", int64(1)}}}}}}},
			{"map", map[string]any{"b": 1.5, "a": uint64(1) << 63}}},
		RequestID: "e0eb83e3-63bc-11e4-bc2b-4198b6150d5c", ID: "a9dea4f9-8395-46c0-942c-f509c02c2b71", ReadOnly: true,
		Resources: []Resource{
			{Type: "AWS::KMS::Key", ARN: "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab", AccountID: "123456789012"},
			{Type: "AWS::S3::Object", ARN: "arn:aws:s3:::bucket/key"},
		},
		RecipientAccountID: "123456789012", Service: Params{{"keyId", "k"}}, SharedEventID: "5c0ff0b4-0000-4000-8000-000000000000",
		TLS: TLSDetails{Version: "TLSv1.3", CipherSuite: "TLS_AES_128_GCM_SHA256", HostHeader: "kms.us-east-1.amazonaws.com"},
	}
}

func TestGolden(t *testing.T) {
	for name, ev := range map[string]*Event{
		"full":    full(),
		"minimal": {Time: time.Date(2026, 11, 21, 10, 20, 30, 0, time.UTC)},
		"data": {User: UserIdentity{Type: "Root", AccountID: "123456789012"}, Time: time.Date(2026, 11, 21, 10, 20, 30, 0, time.UTC),
			Source: "s3.amazonaws.com", Name: "GetObject", Region: "us-east-1", SourceIP: "192.0.2.7", ID: "x", ReadOnly: true, Data: true,
			Request: Params{}, Type: TypeServiceEvent, TLS: TLSDetails{HostHeader: "b.s3.amazonaws.com"}},
	} {
		got := ev.AppendJSON(nil)
		var indented bytes.Buffer
		if err := json.Indent(&indented, got, "", "  "); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, got)
		}
		indented.WriteByte('\n')
		file := "testdata/" + name + ".json"
		if *update {
			if err := os.WriteFile(file, indented.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(indented.Bytes(), want) {
			t.Errorf("%s: got\n%s\nwant %s", name, indented.Bytes(), want)
		}
		marshaled, err := json.Marshal(ev)
		if err != nil || !reflect.DeepEqual(decode(t, marshaled), decode(t, got)) {
			t.Errorf("%s: json.Marshal = %s, %v", name, marshaled, err)
		}
	}
}

func decode(t testing.TB, b []byte) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	return m
}

func TestLimits(t *testing.T) {
	long := strings.Repeat("é", 1024) // 2 KiB
	ev := &Event{
		UserAgent: long, ErrorCode: long, ErrorMessage: "x" + long, RequestID: long, Name: long + long + long,
		Request:    Params{{"policy", strings.Repeat("p", 100<<10)}},
		Response:   Params{{"policy", strings.Repeat("p", 100<<10-13)}}, // {"policy":""} is 13
		Additional: Params{{"a", strings.Repeat("a", 28<<10)}},
		Service:    Params{{"s", strings.Repeat("s", 100<<10)}},
	}
	for range 2000 {
		ev.Resources = append(ev.Resources, Resource{"AWS::S3::Object", "arn:aws:s3:::bucket/" + long[:100], "123456789012"})
	}
	b := ev.AppendJSON(nil)
	m := decode(t, b)
	for field, size := range map[string]int{"userAgent": 1024, "errorCode": 1024, "errorMessage": 1023, "requestID": 1024, "eventName": 4096} {
		if got := m[field].(string); len(got) != size || !utf8.ValidString(got) || strings.ContainsRune(got, utf8.RuneError) {
			t.Errorf("%s has %d bytes; want %d whole runes", field, len(got), size)
		}
	}
	for _, field := range []string{"requestParameters", "additionalEventData", "serviceEventDetails"} {
		p := m[field].(map[string]any)
		if p["omitted"] != true || p["reason"] != field+" too large" || p["originalSize"].(float64) < 28<<10 {
			t.Errorf("%s = %v; want a note that it is too large", field, p)
		}
	}
	if _, ok := m["responseElements"].(map[string]any)["policy"]; !ok {
		t.Error("responseElements of exactly 100 KiB is omitted")
	}
	if n := len(m["resources"].([]any)); n < 500 || n >= 2000 {
		t.Errorf("%d resources of 2000 are kept; want what fits into 100 KiB", n)
	}
}

func TestOddValues(t *testing.T) {
	deep := any("bottom")
	for range 100 {
		deep = []any{deep}
	}
	cycle := map[string]any{}
	cycle["self"] = cycle
	ev := &Event{
		Time: time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC),
		Request: Params{{"", make(chan int)}, {"func", func() {}}, {"raw", json.RawMessage("{")}, {"ok", json.RawMessage(`{"a":1}`)},
			{"deep", deep}, {"cycle", cycle}, {"struct", struct{ A string }{"\xff"}}, {"bytes", []byte{1}}, {"nan", nan()}, {"nilmap", map[string]string(nil)}},
	}
	m := decode(t, ev.AppendJSON(nil))
	p := m["requestParameters"].(map[string]any)
	if p[""] != nil || p["func"] != nil || p["raw"] != nil || p["nan"] != nil {
		t.Errorf("values that JSON can't hold = %v; want null", p)
	}
	if !reflect.DeepEqual(p["ok"], map[string]any{"a": 1.0}) || m["eventTime"] != "9999-01-01T00:00:00Z" {
		t.Errorf("requestParameters = %v, eventTime = %v", p, m["eventTime"])
	}
}

func nan() float64 { var z float64; return z / z }

func TestSet(t *testing.T) {
	var p Params
	p.Set("a", 1)
	p.Set("b", 2)
	p.Set("a", 3)
	if want := (Params{{"a", 3}, {"b", 2}}); !reflect.DeepEqual(p, want) {
		t.Errorf("Params = %v; want %v", p, want)
	}
}

func TestStamp(t *testing.T) {
	now := func() time.Time { return time.Unix(1, 0) }
	var ev Event
	if err := ev.stamp(now, strings.NewReader("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")); err != nil {
		t.Fatal(err)
	}
	if want := "ffffffff-ffff-4fff-bfff-ffffffffffff"; ev.ID != want || !ev.Time.Equal(time.Unix(1, 0)) {
		t.Errorf("stamp: %s at %v; want %s at %v", ev.ID, ev.Time, want, time.Unix(1, 0))
	}
	if err := ev.stamp(nil, nil); err != nil {
		t.Errorf("a second stamp = %v; want nil, and nothing drawn", err)
	}
	if err := new(Event).stamp(now, strings.NewReader("short")); err == nil {
		t.Error("stamp without randomness = nil; want an error")
	}
}

// FuzzJSON puts any bytes into an event: what is written must be valid JSON in
// valid UTF-8, and hold the text as encoding/json would.
func FuzzJSON(f *testing.F) {
	f.Add("plain", "agent")
	f.Add("\x00\x1f\"\\\x7f\u2028\u2029<>&", "\xff\xfe\xed\xa0\x80")
	f.Add(strings.Repeat("𝄞", 500), "\xc3")
	f.Fuzz(func(t *testing.T, s, agent string) {
		ev := &Event{UserAgent: agent, Name: s, Resources: []Resource{{ARN: s}}, User: UserIdentity{UserName: s},
			Request: Params{{s, s}, {"m", map[string]string{s: s}}, {"l", []string{s}}}}
		b := ev.AppendJSON(nil)
		if !utf8.Valid(b) || !json.Valid(b) {
			t.Fatalf("not JSON: %q", b)
		}
		if len(s) > maxText || s == "m" || s == "l" {
			return
		}
		want, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var text string
		if err := json.Unmarshal(want, &text); err != nil {
			t.Fatal(err)
		}
		if got := decode(t, b); got["eventName"] != text || got["requestParameters"].(map[string]any)[text] != text {
			t.Errorf("%q is written as %q; want %q", s, got["eventName"], text)
		}
	})
}

func BenchmarkJSON(b *testing.B) {
	ev := full()
	b.Run("append", func(b *testing.B) {
		buf := make([]byte, 0, 4096)
		b.ReportAllocs()
		for b.Loop() {
			buf = ev.AppendJSON(buf[:0])
		}
		b.SetBytes(int64(len(buf)))
	})
	b.Run("encoding", func(b *testing.B) {
		m := decode(b, ev.AppendJSON(nil))
		b.ReportAllocs()
		for b.Loop() {
			json.Marshal(m)
		}
	})
}
