package awsquery

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"coffer/internal/awserr"
)

type pair struct{ Key, Value string }

type token string

type Paging struct{ Marker *string }

type input struct {
	Paging
	UserName string
	Token    token `query:"WebToken"`
	Path     *string
	Limit    *int32 `query:"MaxItems"`
	On       bool
	Maybe    *bool
	Blob     []byte
	At       time.Time
	Tags     []pair
	Names    []string `query:"ActionNames"`
	Context  map[string]string
	Nested   *struct{ Inner []pair }
	Hidden   string `query:"-"`
}

func ptr[T any](v T) *T { return &v }

func TestDecode(t *testing.T) {
	tests := []struct {
		name, text string
		want       input
	}{
		{"empty", "", input{}},
		{"strings", "UserName=a%20b+c%2Bd%26&WebToken=x", input{UserName: "a b c+d&", Token: "x"}},
		{"UTF-8", "UserName=%C3%A9é", input{UserName: "éé"}},
		{"equals sign in a value", "UserName=a=b", input{UserName: "a=b"}},
		{"semicolon is text", "UserName=a;Path=b", input{UserName: "a;Path=b"}},
		{"empty pairs", "&UserName=a&&", input{UserName: "a"}},
		{"no value", "Path", input{Path: ptr("")}},
		{"pointers", "Path=/&MaxItems=0&Maybe=false", input{Path: ptr("/"), Limit: ptr[int32](0), Maybe: ptr(false)}},
		{"embedded", "Marker=m", input{Paging: Paging{ptr("m")}}},
		{"numbers", "MaxItems=-2147483648&On=true", input{Limit: ptr[int32](-2147483648), On: true}},
		{"blob", "Blob=AAEC", input{Blob: []byte{0, 1, 2}}},
		{"timestamp", "At=2026-11-21T13:00:00%2B01:00", input{At: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}},
		{"list", "ActionNames.member.1=a&ActionNames.member.2=b", input{Names: []string{"a", "b"}}},
		{"list with gaps, in any order", "ActionNames.member.30=c&ActionNames.member.4=b&ActionNames.member.2=a", input{Names: []string{"a", "b", "c"}}},
		{"empty list", "ActionNames=", input{Names: []string{}}},
		{"list of structures", "Tags.member.2.Key=l&Tags.member.1.Key=k&Tags.member.1.Value=v", input{Tags: []pair{{"k", "v"}, {"l", ""}}}},
		{"map", "Context.entry.1.key=a&Context.entry.1.value=b&Context.entry.2.key=&Context.entry.2.value=c", input{Context: map[string]string{"a": "b", "": "c"}}},
		{"nested", "Nested.Inner.member.1.Key=k", input{Nested: &struct{ Inner []pair }{[]pair{{"k", ""}}}}},
		{"unknown parameters", "Action=X&Version=Y&X-Amz-Signature=z&Other.member.x=1&private=p", input{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, err := Parse([]byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			var got input
			if err := f.Decode(&got); err != nil {
				t.Fatalf("Decode = %v", err)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("Decode = %+v; want %+v", got, tt.want)
			}
		})
	}
}

func TestRefuses(t *testing.T) {
	tests := []struct{ name, text, message string }{
		{"twice", "UserName=a&UserName=a", "A parameter stands twice in the request."},
		{"twice by an escape", "UserName=a&User%4Eame=a", "A parameter stands twice in the request."},
		{"unknown twice", "Other=a&Other=b", "A parameter stands twice in the request."},
		{"Action twice", "Action=GetUser&Action=DeleteUser", "A parameter stands twice in the request."},
		{"other case", "username=a", "The parameter username is spelled UserName."},
		{"half an escape", "UserName=%4", "A parameter of the request has a malformed escape."},
		{"no escape", "UserName=%zz", "A parameter of the request has a malformed escape."},
		{"malformed name", "User%Name=", "A parameter of the request has a malformed escape."},
		{"not UTF-8", "UserName=%ff", "The request is not UTF-8."},
		{"empty name", "=a", "The name of a parameter is empty, or a part of it."},
		{"empty part of a name", "Tags..1=a", "The name of a parameter is empty, or a part of it."},
		{"deep", strings.Repeat("a.", 20) + "a=1", "The name of a parameter is too long."},
		{"long name", strings.Repeat("a", 300) + "=1", "The name of a parameter is too long."},
		{"many", manyParameters(MaxParameters + 1), "The request has more than 4096 parameters."},
		{"large", "a=" + strings.Repeat("a", MaxSize), "The request is larger than 1048576 bytes."},
		{"no number", "MaxItems=ten", "The parameter MaxItems is no integer of 32 bits."},
		{"empty number", "MaxItems=", "The parameter MaxItems is no integer of 32 bits."},
		{"plus", "MaxItems=%2B1", "The parameter MaxItems is no integer of 32 bits."},
		{"large number", "MaxItems=2147483648", "The parameter MaxItems is no integer of 32 bits."},
		{"fraction", "MaxItems=1.0", "The parameter MaxItems is no integer of 32 bits."},
		{"boolean", "On=1", "The parameter On is neither true nor false."},
		{"blob", "Blob=secret!", "The parameter Blob is not base64."},
		{"blob with a rest", "Blob=AB==", "The parameter Blob is not base64."},
		{"blob with a line break", "Blob=AAEC%0A", "The parameter Blob is not base64."},
		{"timestamp", "At=1700000000", "The parameter At is no timestamp."},
		{"members of a string", "UserName.member.1=a", "The parameter UserName has one value, and no members."},
		{"string and members", "UserName=a&UserName.member.1=a", "The parameter UserName has one value, and no members."},
		{"list without member", "ActionNames.1=a", "The members of the parameter ActionNames are named ActionNames.member.1 and so on."},
		{"list as a value", "ActionNames=a", "The members of the parameter ActionNames are named ActionNames.member.1 and so on."},
		{"empty list with members", "ActionNames=&ActionNames.member.1=a", "The members of the parameter ActionNames are named ActionNames.member.1 and so on."},
		{"list with a stray member", "ActionNames.member.1=a&ActionNames.x=b", "The members of the parameter ActionNames are named ActionNames.member.1 and so on."},
		{"list with a stray value", "ActionNames.member.1=a&ActionNames.member=b", "The members of the parameter ActionNames are named ActionNames.member.1 and so on."},
		{"member 0", "ActionNames.member.0=a", "The members of the parameter ActionNames are numbered from 1 to 99999."},
		{"member 01", "ActionNames.member.01=a", "The members of the parameter ActionNames are numbered from 1 to 99999."},
		{"member -1", "ActionNames.member.-1=a", "The members of the parameter ActionNames are numbered from 1 to 99999."},
		{"member 100000", "ActionNames.member.100000=a", "The members of the parameter ActionNames are numbered from 1 to 99999."},
		{"list in a list", "ActionNames.member.1.member.1=a", "The parameter ActionNames.member.1 has one value, and no members."},
		{"unknown member", "Tags.member.1.Kay=k", "The parameter Tags.member.1 has a member that is not known."},
		{"structure as a value", "Tags.member.1=k", "The parameter Tags.member.1 has members, and no value."},
		{"entry without a key", "Context.entry.1.value=a", "The parameter Context has an entry without a key."},
		{"entries with the same key", "Context.entry.1.key=a&Context.entry.2.key=a", "The parameter Context has two entries with the same key."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, err := Parse([]byte(tt.text))
			if err == nil {
				err = f.Decode(new(input))
			}
			if e := awserr.As(err); e == nil || e.Code != "MalformedInput" || e.Status != 400 || e.Message != tt.message {
				t.Errorf("%.60s: %v; want MalformedInput: %s", tt.text, err, tt.message)
			}
		})
	}
}

func manyParameters(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "p%d=&", i)
	}
	return b.String()
}

func TestParseNamesTheOperation(t *testing.T) {
	f, err := Parse([]byte("Version=2010-05-08&Action=GetUser&Password=hunter2"))
	if err != nil || f.Action != "GetUser" || f.Version != "2010-05-08" {
		t.Errorf("Parse = %+v, %v", f, err)
	}
	if s := fmt.Sprintf("%v %+v %#v", f, f, f); strings.Contains(s, "hunter2") {
		t.Errorf("a form prints as %s", s)
	}
}

type secret struct{ text string }

func (s secret) Reveal() string { return s.text }
func (secret) String() string   { return "[secret]" }

type output struct {
	Name     string
	Optional string `query:"Note,omitempty"`
	Document string `query:"PolicyDocument,uri"`
	Count    int32
	Limit    *int32
	Done     bool `query:"IsTruncated"`
	At       time.Time
	Blob     []byte `query:",omitempty"`
	Key      secret
	User     *pair
	Tags     []pair
	More     []string `query:"Names,omitempty"`
	Summary  map[string]int32
	Paging
	Hidden string `query:"-"`
}

func TestEncode(t *testing.T) {
	tests := []struct {
		name string
		out  any
		want string
	}{
		{"nothing", nil, ""},
		{"no members", struct{}{}, "<OpResult></OpResult>"},
		{"zero", &output{}, "<OpResult><Name></Name><PolicyDocument></PolicyDocument><Count>0</Count><IsTruncated>false</IsTruncated><Key></Key><Tags></Tags><Summary></Summary></OpResult>"},
		{"all", &output{
			Name: "<&>\"'é\r\n\x00\xff", Optional: "n", Document: `{"a": "é~*"}`, Count: -1, Limit: ptr[int32](5), Done: true,
			At: time.Date(2026, 11, 21, 13, 0, 0, 5e8, time.FixedZone("CET", 3600)), Blob: []byte{0, 1, 2}, Key: secret{"wJalr/+"},
			User: &pair{"k", "v"}, Tags: []pair{{"a", "b"}, {"c", ""}}, More: []string{"x"}, Summary: map[string]int32{"b": 2, "a": 1}, Paging: Paging{ptr("m")}, Hidden: "h",
		}, "<OpResult><Name>&lt;&amp;&gt;&quot;'é&#xD;\n\uFFFD\uFFFD</Name><Note>n</Note><PolicyDocument>%7B%22a%22%3A%20%22%C3%A9~%2A%22%7D</PolicyDocument>" +
			"<Count>-1</Count><Limit>5</Limit><IsTruncated>true</IsTruncated><At>2026-11-21T12:00:00Z</At><Blob>AAEC</Blob><Key>wJalr/+</Key>" +
			"<User><Key>k</Key><Value>v</Value></User><Tags><member><Key>a</Key><Value>b</Value></member><member><Key>c</Key><Value></Value></member></Tags>" +
			"<Names><member>x</member></Names><Summary><entry><key>a</key><value>1</value></entry><entry><key>b</key><value>2</value></entry></Summary><Marker>m</Marker></OpResult>"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := string(Encode("Op", "https://iam.amazonaws.com/doc/2010-05-08/", "r-1", tt.out))
			want := `<OpResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/">` + tt.want + "<ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></OpResponse>"
			if got != want {
				t.Errorf("Encode = %s; want %s", got, want)
			}
			wellFormed(t, got)
		})
	}
}

func TestEncodeError(t *testing.T) {
	for status, side := range map[int]string{404: "Sender", 500: "Receiver", 501: "Receiver"} {
		got := string(EncodeError("ns", "r-1", awserr.New(status, "NoSuchEntity", "The user with name <x> cannot be found.")))
		want := `<ErrorResponse xmlns="ns"><Error><Type>` + side + "</Type><Code>NoSuchEntity</Code><Message>The user with name &lt;x&gt; cannot be found.</Message></Error><RequestId>r-1</RequestId></ErrorResponse>"
		if got != want {
			t.Errorf("EncodeError = %s; want %s", got, want)
		}
		wellFormed(t, got)
	}
}

func wellFormed(t *testing.T, text string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		if _, err := d.Token(); err == io.EOF {
			return
		} else if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
}

// FuzzDecode holds the decoder to net/url: what it accepts net/url reads the same,
// and every refusal is a MalformedInput. What was read makes an answer that is
// XML.
func FuzzDecode(f *testing.F) {
	f.Add([]byte("Action=TagUser&Version=2010-05-08&UserName=a%20b&Tags.member.1.Key=k&Tags.member.1.Value=v"))
	f.Add([]byte("MaxItems=10&On=true&Maybe=false&Blob=AAEC&At=2026-11-21T12:00:00Z&Path=%2F"))
	f.Add([]byte("ActionNames.member.2=b&ActionNames.member.1=a&Context.entry.1.key=k&Context.entry.1.value=v&Nested.Inner.member.1.Key=k"))
	f.Add([]byte("ActionNames=&ActionNames.member=&Tags.1.Key=a"))
	f.Add([]byte("UserName=%ff&username=%4"))
	f.Fuzz(func(t *testing.T, text []byte) {
		form, err := Parse(text)
		var in input
		if err == nil {
			err = form.Decode(&in)
		}
		if err != nil {
			if !awserr.Is(err, "MalformedInput") {
				t.Fatalf("%q: %v; want MalformedInput", text, err)
			}
			return
		}
		if !strings.Contains(string(text), ";") {
			values, err := url.ParseQuery(string(text))
			if err != nil || values.Get("UserName") != in.UserName || values.Get("ActionNames.member.1") != "" && in.Names[0] != values.Get("ActionNames.member.1") {
				t.Fatalf("%q: %+v; net/url reads %v, %v", text, in, values, err)
			}
		}
		wellFormed(t, string(Encode("Op", "ns", "id", in)))
	})
}

func BenchmarkDecode(b *testing.B) {
	text := []byte("Action=TagUser&Version=2010-05-08&UserName=alice&Tags.member.1.Key=team&Tags.member.1.Value=blue&Tags.member.2.Key=cost&Tags.member.2.Value=1")
	b.ReportAllocs()
	for b.Loop() {
		f, err := Parse(text)
		if err == nil {
			err = f.Decode(new(input))
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}
