package awsjson

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"coffer/internal/awserr"
)

// masked is a blob that must not show outside an answer.
type masked []byte

func (masked) String() string               { return "[secret]" }
func (masked) MarshalJSON() ([]byte, error) { return []byte(`"[secret]"`), nil }

type pair struct {
	Key   string `json:"Key"`
	Value string `json:"Value,omitempty"`
}

type message struct {
	Name    string            `json:"Name,omitempty"`
	Maybe   *string           `json:"Maybe"`
	Count   int32             `json:"Count,omitempty"`
	Limit   *int32            `json:"Limit"`
	On      bool              `json:"On"`
	Dry     *bool             `json:"Dry"`
	Blob    masked            `json:"Blob,omitempty"`
	At      Time              `json:"At,omitempty"`
	Tags    []pair            `json:"Tags"`
	Names   []string          `json:"Names,omitempty"`
	Context map[string]string `json:"Context,omitempty"`
}

func ptr[T any](v T) *T { return &v }

func TestUnmarshal(t *testing.T) {
	tests := []struct {
		name, body string
		want       message
	}{
		{"empty body", "", message{}},
		{"empty object", " {} ", message{}},
		{"string", `{"Name":"a\u00e9\"\\\/\b\f\n\r\tb"}`, message{Name: "aé\"\\/\b\f\n\r\tb"}},
		{"surrogates", `{"Name":"\ud83d\ude00"}`, message{Name: "😀"}},
		{"null is absent", `{"Maybe":null,"Limit":null,"Name":null,"Tags":null,"Context":null}`, message{}},
		{"pointers", `{"Maybe":"","Limit":0,"Dry":false}`, message{Maybe: ptr(""), Limit: ptr[int32](0), Dry: ptr(false)}},
		{"integer", `{"Count":-2147483648}`, message{Count: -2147483648}},
		{"blob", `{"Blob":"AAEC"}`, message{Blob: masked{0, 1, 2}}},
		{"empty blob", `{"Blob":""}`, message{Blob: masked{}}},
		{"time", `{"At":1.7e9}`, message{At: Time{time.Unix(1700000000, 0).UTC()}}},
		{"time with fraction", `{"At":1700000000.1234}`, message{At: Time{time.UnixMilli(1700000000123).UTC()}}},
		{"list", `{"Tags":[{"Key":"k","Value":"v"},{"Key":"l"}],"Names":["x"]}`,
			message{Tags: []pair{{"k", "v"}, {"l", ""}}, Names: []string{"x"}}},
		{"map", `{"Context":{"aws:s3:arn":"a","":"b"}}`, message{Context: map[string]string{"aws:s3:arn": "a", "": "b"}}},
		{"unknown members", `{"Other":{"a":[1,-2.5e+3,true,false,null,{}],"b":{}},"Name":"n"}`, message{Name: "n"}},
		{"names are exact", `{"name":"x","NAME":"y"}`, message{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got message
			if err := Unmarshal([]byte(tt.body), &got); err != nil {
				t.Fatalf("Unmarshal(%s) = %v", tt.body, err)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("Unmarshal(%s) = %+v; want %+v", tt.body, got, tt.want)
			}
		})
	}
}

func TestUnmarshalRefuses(t *testing.T) {
	tests := []struct{ name, body, message string }{
		{"no object", `[]`, "Unexpected field type"},
		{"not JSON", `{"Name":}`, "unexpected character at byte 8 of the request body"},
		{"bare word", `{"On":tru}`, "unexpected character at byte 6 of the request body"},
		{"cut short", `{"Name":"a`, "the request body ends too early"},
		{"cut in an escape", `{"Name":"a\`, "the request body ends too early"},
		{"rest", `{} {}`, "unexpected character at byte 3 of the request body"},
		{"trailing comma", `{"Name":"a",}`, "unexpected character at byte 12 of the request body"},
		{"missing comma", `{"Names":["a" "b"]}`, "unexpected character at byte 14 of the request body"},
		{"single quotes", `{'Name':'a'}`, "unexpected character at byte 1 of the request body"},
		{"raw control character", "{\"Name\":\"a\x01\"}", "unexpected character at byte 10 of the request body"},
		{"control character after an escape", "{\"Name\":\"\\n\x01\"}", "unexpected character at byte 11 of the request body"},
		{"unknown escape", `{"Name":"\x41"}`, "unexpected character at byte 10 of the request body"},
		{"short escape", `{"Name":"\u12"}`, "unexpected character at byte 11 of the request body"},
		{"half a pair", `{"Name":"\ud83d"}`, "half a surrogate pair before byte 15 of the request body"},
		{"pair of high halves", `{"Name":"\ud83d\ud83d"}`, "half a surrogate pair before byte 21 of the request body"},
		{"low half first", `{"Name":"\ude00"}`, "half a surrogate pair before byte 15 of the request body"},
		{"not UTF-8", "{\"Name\":\"\xff\"}", "the request body is not UTF-8"},
		{"duplicate", `{"Name":"a","Name":"a"}`, "a member of an object in the request body stands twice"},
		{"duplicate by escape", `{"Context":{"a":"1","\u0061":"2"}}`, "a member of an object in the request body stands twice"},
		{"duplicate among many", `{"Context":{` + manyMembers(40) + `,"k39":""}}`, "a member of an object in the request body stands twice"},
		{"duplicate in an unknown member", `{"Other":{"a":1,"a":2}}`, "a member of an object in the request body stands twice"},
		{"too deep", `{"Other":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`, "the request body nests deeper than 32 levels"},
		{"too large", `{"Name":"` + strings.Repeat("a", MaxSize) + `"}`, "the request body is larger than 1048576 bytes"},
		{"leading zero", `{"Count":01}`, "unexpected character at byte 10 of the request body"},
		{"leading plus", `{"Count":+1}`, "unexpected character at byte 9 of the request body"},
		{"bare minus", `{"Count":-}`, "unexpected character at byte 10 of the request body"},
		{"bare point", `{"Count":1.}`, "unexpected character at byte 11 of the request body"},
		{"bare exponent", `{"Count":1e}`, "unexpected character at byte 11 of the request body"},
		{"number for string", `{"Name":1}`, "NUMBER_VALUE can not be converted to a String"},
		{"true for string", `{"Name":true}`, "TRUE_VALUE can not be converted to a String"},
		{"object for string", `{"Name":{}}`, "Start of structure or map found where not expected."},
		{"list for string", `{"Name":[]}`, "Start of list found where not expected"},
		{"string for integer", `{"Count":"1"}`, "STRING_VALUE can not be converted to an Integer"},
		{"fraction for integer", `{"Count":1.5}`, "NUMBER_VALUE can not be converted to an Integer"},
		{"large integer", `{"Count":2147483648}`, "NUMBER_VALUE can not be converted to an Integer"},
		{"string for boolean", `{"On":"true"}`, "STRING_VALUE can not be converted to a Boolean"},
		{"number for blob", `{"Blob":1}`, "NUMBER_VALUE can not be converted to a Blob"},
		{"blob not base64", `{"Blob":"secret!"}`, "a blob in the request body is not base64"},
		{"blob without padding", `{"Blob":"AA"}`, "a blob in the request body is not base64"},
		{"blob with a rest", `{"Blob":"AB=="}`, "a blob in the request body is not base64"},
		{"blob with a line break", `{"Blob":"AAEC\n"}`, "a blob in the request body is not base64"},
		{"string for time", `{"At":"2026-11-21"}`, "STRING_VALUE can not be converted to a Timestamp"},
		{"time out of range", `{"At":1e300}`, "NUMBER_VALUE can not be converted to a Timestamp"},
		{"object for list", `{"Names":{}}`, "Start of structure or map found where not expected."},
		{"null in a list", `{"Names":[null]}`, "a list in the request body holds a null"},
		{"string for map", `{"Context":"a"}`, "STRING_VALUE can not be converted to a Map"},
		{"number in a map", `{"Context":{"a":1}}`, "NUMBER_VALUE can not be converted to a String"},
		{"null in a map", `{"Context":{"a":null}}`, "NULL_VALUE can not be converted to a String"},
		{"string for structure", `{"Tags":["a"]}`, "STRING_VALUE can not be converted to a Structure"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := Unmarshal([]byte(tt.body), new(message))
			e := awserr.As(err)
			if e == nil || e.Code != "SerializationException" || e.Status != 400 || e.Message != tt.message {
				t.Errorf("Unmarshal = %v; want SerializationException: %s", err, tt.message)
			}
		})
	}
}

func manyMembers(n int) string {
	var s []string
	for i := range n {
		s = append(s, `"k`+string(rune('0'+i/10))+string(rune('0'+i%10))+`":""`)
	}
	return strings.Join(s, ",")
}

func TestMarshal(t *testing.T) {
	tests := []struct {
		name string
		in   any
		want string
	}{
		{"empty", message{}, `{"On":false,"Tags":[]}`},
		{"all", &message{
			Name: "<é>&\"\\\n\x7f\u2028", Maybe: ptr(""), Count: -1, Limit: ptr[int32](0), On: true, Dry: ptr(false),
			Blob: masked("abcd"), At: Time{time.UnixMilli(1700000000120)}, Tags: []pair{{"k", "v"}, {"l", ""}}, Names: []string{"x", "y"},
			Context: map[string]string{"b": "2", "a": "1"},
		}, `{"Name":"<é>&\"\\\u000a\u007f` + "\u2028" + `","Maybe":"","Count":-1,"Limit":0,"On":true,"Dry":false,"Blob":"YWJjZA==","At":1700000000.120,` +
			`"Tags":[{"Key":"k","Value":"v"},{"Key":"l"}],"Names":["x","y"],"Context":{"a":"1","b":"2"}}`},
		{"whole second", &message{At: Time{time.Unix(1, 0)}}, `{"On":false,"At":1.000,"Tags":[]}`},
		{"before 1970", &message{At: Time{time.UnixMilli(-1500)}}, `{"On":false,"At":-1.500,"Tags":[]}`},
		{"no structure", struct{}{}, `{}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Marshal(tt.in)
			if string(got) != tt.want {
				t.Errorf("Marshal = %s; want %s", got, tt.want)
			}
			if !json.Valid(got) {
				t.Errorf("Marshal = %s; not JSON", got)
			}
		})
	}
}

func TestEncodeError(t *testing.T) {
	e := awserr.New(400, "DisabledException", `arn:"x" is disabled.`).With("keyId", "k")
	const want = `{"__type":"DisabledException","message":"arn:\"x\" is disabled.","keyId":"k"}`
	if got := string(EncodeError(e)); got != want {
		t.Errorf("EncodeError = %s; want %s", got, want)
	}
}

// FuzzUnmarshal holds Unmarshal to encoding/json: what it accepts is JSON, it
// reads strings the same, and what it read survives a round trip.
func FuzzUnmarshal(f *testing.F) {
	f.Add([]byte(`{"Name":"a\u00e9\ud83d\ude00","Limit":5,"On":true,"Blob":"AAEC","At":1.7e9}`))
	f.Add([]byte(`{"Tags":[{"Key":"k","Value":"v"}],"Names":["x"],"Context":{"a":"b","c":"d"}}`))
	f.Add([]byte(`{"Other":[[[{"a":null}]]],"Maybe":null,"Dry":false,"Count":-0}`))
	f.Add([]byte(`{"Name":"\ud83d"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var got message
		err := Unmarshal(body, &got)
		if err != nil {
			if e := awserr.As(err); e == nil || e.Code != "SerializationException" {
				t.Fatalf("Unmarshal(%q) = %v; want a SerializationException", body, err)
			}
			return
		}
		if len(body) > 0 {
			var names map[string]any
			if err := json.Unmarshal(body, &names); err != nil {
				t.Fatalf("Unmarshal(%q) accepts; encoding/json: %v", body, err)
			}
			if s, ok := names["Name"].(string); ok && s != got.Name {
				t.Fatalf("Unmarshal(%q) reads Name %q; encoding/json %q", body, got.Name, s)
			}
		}
		var again message
		out := Marshal(got)
		if err := Unmarshal(out, &again); err != nil {
			t.Fatalf("Unmarshal(%q), of Marshal: %v", out, err)
		}
		if string(Marshal(again)) != string(out) {
			t.Fatalf("Marshal(%q) differs the second time: %q", out, Marshal(again))
		}
	})
}

func BenchmarkUnmarshal(b *testing.B) {
	body := []byte(`{"Name":"arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab","Blob":"AAECAwQFBgcICQoLDA0ODw==","Context":{"aws:s3:arn":"arn:aws:s3:::bucket/key"}}`)
	b.ReportAllocs()
	for b.Loop() {
		if err := Unmarshal(body, new(message)); err != nil {
			b.Fatal(err)
		}
	}
}
