package iamapi

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/awserr"
	"coffer/internal/iam"
	"coffer/internal/identity"
	"coffer/internal/meta"
	"coffer/internal/meta/mem"
	"coffer/internal/trail"
)

const account = "123456789012"

var root = &authn.Caller{Type: authn.TypeRoot, Account: account, ARN: "arn:aws:iam::" + account + ":root", PrincipalID: account, Region: "us-east-1", RequestID: "r-1"}

// A bench is a handler over real identities in memory. Who calls is set by hand.
type bench struct {
	*Handler
	caller  *authn.Caller
	refusal error
	store   meta.Store
	trail   *trail.Trail
	people  *identity.Store
}

func newBench(t testing.TB) *bench {
	t.Helper()
	b := &bench{store: mem.New(), caller: root}
	b.people = identity.New(identity.Config{Meta: b.store})
	if _, err := b.people.CreateAccount(t.Context(), account, "main", nil); err != nil {
		t.Fatal(err)
	}
	var err error
	b.trail, err = trail.New(t.Context(), trail.Config{Store: b.store, Node: "n", FlushEvery: time.Hour, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.trail.Close(context.Background()) })
	gate := authz.New(authz.Config{Trail: b.trail, Meta: b.store, Identities: b.people})
	t.Cleanup(gate.Close)
	b.Handler = New(Services{IAM: iam.New(iam.Config{Identity: b.people, Gate: gate})}, func(r *http.Request, _ string) (*authn.Caller, []byte, error) {
		if b.refusal != nil {
			return b.caller, nil, b.refusal
		}
		if r.Method == http.MethodGet {
			return b.caller, []byte(r.URL.RawQuery), nil
		}
		body, err := io.ReadAll(r.Body)
		return b.caller, body, err
	})
	return b
}

func (b *bench) post(form string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "/", strings.NewReader(form))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	w := httptest.NewRecorder()
	b.ServeHTTP(w, r, "iam")
	return w
}

type event struct {
	EventName, EventSource, ErrorCode string
	RequestParameters                 map[string]any
}

func (b *bench) events(t testing.TB) (list []event) {
	t.Helper()
	if err := b.trail.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	err := trail.Scan(t.Context(), b.store, "n", 1, func(e trail.Entry) (bool, error) {
		var ev event
		err := json.Unmarshal(e.JSON, &ev)
		list = append(list, ev)
		return true, err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestAnswers(t *testing.T) {
	b := newBench(t)
	w := b.post("Action=CreateUser&Version=2010-05-08&UserName=alice&Tags.member.1.Key=a%26b&Tags.member.1.Value=%3C1%3E")
	got := w.Body.String()
	if w.Code != 400 { // & and < are no characters of tags
		t.Errorf("CreateUser = %d %s", w.Code, got)
	}
	w = b.post("Action=CreateUser&Version=2010-05-08&UserName=alice&Tags.member.1.Key=team&Tags.member.1.Value=blue")
	got = w.Body.String()
	const start = `<CreateUserResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><CreateUserResult><User><Path>/</Path><UserName>alice</UserName><UserId>AIDA`
	const end = `<Tags><member><Key>team</Key><Value>blue</Value></member></Tags></User></CreateUserResult><ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></CreateUserResponse>`
	if w.Code != 200 || !strings.HasPrefix(got, start) || !strings.HasSuffix(got, end) {
		t.Errorf("CreateUser = %d %s", w.Code, got)
	}
	for name, want := range map[string]string{"Content-Type": "text/xml", "X-Amzn-Requestid": "r-1", "Cache-Control": "no-cache, no-store, must-revalidate, private"} {
		if w.Header().Get(name) != want {
			t.Errorf("%s = %q; want %q", name, w.Header().Get(name), want)
		}
	}
	r := httptest.NewRequest("GET", "/?Action=DeleteUser&Version=2010-05-08&UserName=alice", nil)
	w = httptest.NewRecorder()
	b.ServeHTTP(w, r, "iam")
	if want := `<DeleteUserResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></DeleteUserResponse>`; w.Code != 200 || w.Body.String() != want {
		t.Errorf("DeleteUser = %d %s; want %s", w.Code, w.Body, want)
	}
	b.post("Action=CreateRole&Version=2010-05-08&RoleName=app&AssumeRolePolicyDocument=" + trust)
	// An operation whose output has no members has a result all the same.
	if w := b.post("Action=UpdateRole&Version=2010-05-08&RoleName=app&MaxSessionDuration=7200"); !strings.Contains(w.Body.String(), "<UpdateRoleResult></UpdateRoleResult>") {
		t.Errorf("UpdateRole = %d %s", w.Code, w.Body)
	}
	if w := b.post("Action=GetRole&Version=2010-05-08&RoleName=app"); !strings.Contains(w.Body.String(), "<AssumeRolePolicyDocument>%7B%22Version%22%3A%222012-10-17%22%2C") ||
		!strings.Contains(w.Body.String(), "<MaxSessionDuration>7200</MaxSessionDuration><RoleLastUsed></RoleLastUsed>") {
		t.Errorf("GetRole = %d %s", w.Code, w.Body)
	}
}

const trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"sts:AssumeRole"}]}`

func TestRequestsThatAreRefused(t *testing.T) {
	b := newBench(t)
	stranger := &authn.Caller{Type: authn.TypeAnonymous, RequestID: "r-1"}
	code := regexp.MustCompile("<Code>([^<]*)</Code>")
	tests := []struct {
		name, method, target, contentType, body string
		caller                                  *authn.Caller
		refusal                                 error
		status                                  int
		want                                    string
		event                                   string // in the trail; Unknown if empty
	}{
		{name: "unknown action", body: "Action=MakeUser&Version=2010-05-08", status: 400, want: "<Code>InvalidAction</Code><Message>Could not find operation MakeUser for version 2010-05-08</Message>"},
		{name: "another service's version", body: "Action=ListUsers&Version=2011-06-15", status: 400, want: "Could not find operation ListUsers for version 2011-06-15"},
		{name: "no version", body: "Action=ListUsers", status: 400, want: "Could not find operation ListUsers for version NO_VERSION_SPECIFIED"},
		{name: "no action", body: "Version=2010-05-08", status: 400, want: "<Code>MissingAction</Code>"},
		{name: "malformed", body: "Action=ListUsers&Version=2010-05-08&MaxItems=ten", status: 400, want: "<Code>MalformedInput</Code>", event: "ListUsers"},
		{name: "two actions", body: "Action=ListUsers&Action=DeleteUser&Version=2010-05-08", status: 400, want: "<Code>MalformedInput</Code>"},
		{name: "another path", target: "/users", body: "Action=ListUsers&Version=2010-05-08", status: 404, want: "<Code>UnknownOperationException</Code>", event: "ListUsers"},
		{name: "another method", method: "PUT", body: "Action=ListUsers&Version=2010-05-08", status: 404, want: "<Code>UnknownOperationException</Code>", event: "ListUsers"},
		{name: "JSON", contentType: "application/json", body: "{}", status: 404, want: "<Code>UnknownOperationException</Code>"},
		{name: "anonymous", body: "Action=ListUsers&Version=2010-05-08", caller: stranger, status: 403, want: "<Code>MissingAuthenticationToken</Code>", event: "ListUsers"},
		{name: "bad signature", caller: stranger, refusal: awserr.New(403, "SignatureDoesNotMatch", "no"), status: 403, want: "<Code>SignatureDoesNotMatch</Code>"},
		{name: "broken server", caller: stranger, refusal: errors.New("disk on fire"), status: 500, want: "<Type>Receiver</Type><Code>InternalFailure</Code>"},
		{name: "long body", body: "a=" + strings.Repeat("a", 2<<20), status: 413, want: "<Code>RequestEntityTooLarge</Code>"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b.caller, b.refusal = root, tt.refusal
			if tt.caller != nil {
				b.caller = tt.caller
			}
			or := func(s, otherwise string) string {
				if s == "" {
					return otherwise
				}
				return s
			}
			before := len(b.events(t))
			r := httptest.NewRequest(or(tt.method, "POST"), or(tt.target, "/"), strings.NewReader(tt.body))
			r.Header.Set("Content-Type", or(tt.contentType, "application/x-www-form-urlencoded"))
			w := httptest.NewRecorder()
			b.ServeHTTP(w, r, "iam")
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) || strings.Contains(w.Body.String(), "disk on fire") {
				t.Errorf("answer = %d %s; want %d with %s", w.Code, w.Body, tt.status, tt.want)
			}
			if err := xml.Unmarshal(w.Body.Bytes(), new(struct{})); err != nil {
				t.Errorf("answer is no XML: %v", err)
			}
			events := b.events(t)
			if got := events[len(events)-1]; len(events) != before+1 || got.ErrorCode != string(code.FindSubmatch(w.Body.Bytes())[1]) || got.EventName != or(tt.event, "Unknown") {
				t.Errorf("%d new events, the last %+v; want one of %s with the code of the answer", len(events)-before, got, or(tt.event, "Unknown"))
			}
		})
	}
}

// everything is a form with a valid value for every member that an operation needs.
const everything = "Version=2010-05-08&UserName=victim&GroupName=devs&RoleName=app&PolicyName=x&PolicyArn=arn:aws:iam::123456789012:policy/x" +
	"&PolicyDocument=" + allowNothing + "&AssumeRolePolicyDocument=" + trust + "&PermissionsBoundary=arn:aws:iam::aws:policy/AdministratorAccess" +
	"&Description=d&VersionId=v1&AccessKeyId=AKIAIOSFODNN7EXAMPLE&Status=Inactive&Tags.member.1.Key=k&Tags.member.1.Value=v&TagKeys.member.1=k" +
	"&Url=https://idp.example.com&OpenIDConnectProviderArn=arn:aws:iam::123456789012:oidc-provider/idp.example.com&ClientID=c&ThumbprintList.member.1=" +
	"0123456789012345678901234567890123456789&AccountAlias=our-alias&PolicySourceArn=arn:aws:iam::123456789012:user/victim" +
	"&ActionNames.member.1=s3:GetObject&PolicyInputList.member.1=" + allowNothing

const allowNothing = `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}`

// TestEveryOperationIsAuthorizedAndRecorded walks the routing table as a user
// without rights, once where what is asked for exists and once where nothing does.
func TestEveryOperationIsAuthorizedAndRecorded(t *testing.T) {
	for _, exists := range []bool{false, true} {
		b := newBench(t)
		nobody, err := b.people.CreateUser(t.Context(), account, identity.NewUser{Name: "nobody"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if exists {
			for _, name := range []string{"CreateUser", "CreateGroup", "CreateRole", "CreatePolicy", "CreateOpenIDConnectProvider"} {
				if w := b.post("Action=" + name + "&" + everything); w.Code != 200 {
					t.Fatalf("%s = %d %s", name, w.Code, w.Body)
				}
			}
		}
		b.caller = &authn.Caller{Type: authn.TypeUser, Account: account, ARN: nobody.ARN, PrincipalID: nobody.ID, EntityID: nobody.ID, UserName: "nobody", Region: "us-east-1", RequestID: "r-2"}
		before := len(b.events(t))
		var wanted []event
		for _, o := range iamOperations() {
			w := b.post("Action=" + o.Name + "&" + everything)
			status, code := 403, "AccessDenied"
			if !o.Implemented {
				status, code = 501, "NotImplemented"
			}
			if w.Code != status || !strings.Contains(w.Body.String(), "<Code>"+code+"</Code>") {
				t.Errorf("%s = %d %s; want %d %s", o.Name, w.Code, w.Body, status, code)
			}
			wanted = append(wanted, event{EventName: o.Name, EventSource: "iam.amazonaws.com", ErrorCode: code})
		}
		recorded := b.events(t)[before:]
		if len(recorded) != len(wanted) {
			t.Errorf("%d operations left %d events", len(wanted), len(recorded))
		}
		for i := range min(len(recorded), len(wanted)) {
			got := recorded[i]
			got.RequestParameters = nil
			if !reflect.DeepEqual(got, wanted[i]) {
				t.Errorf("event %d is %+v; want %+v", i, got, wanted[i])
			}
		}
	}
}

func TestOperations(t *testing.T) {
	var names []string
	for _, o := range Operations() {
		names = append(names, o.Service+":"+o.Name)
		if !IsOperation(o.Name) {
			t.Errorf("IsOperation(%s) = false", o.Name)
		}
	}
	if !slices.IsSorted(names[:180]) || len(slices.Compact(slices.Sorted(slices.Values(names)))) != len(names) {
		t.Error("the table is not sorted, or has a name twice")
	}
	if IsOperation("MakeUser") {
		t.Error("IsOperation(MakeUser) = true")
	}
}

// TestDocs holds the guide to the routing table: it names each operation that is
// there, and counts those that are not.
func TestDocs(t *testing.T) {
	b, err := os.ReadFile("../../docs/iam.md")
	if err != nil {
		t.Fatal(err)
	}
	words := strings.FieldsFunc(string(b), func(r rune) bool { return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z') })
	missing := 0
	for _, o := range iamOperations() {
		if !o.Implemented {
			missing++
		} else if !slices.Contains(words, o.Name) {
			t.Errorf("docs/iam.md does not name %s", o.Name)
		}
	}
	if want := fmt.Sprintf("The other %d operations", missing); !strings.Contains(string(b), want) {
		t.Errorf("docs/iam.md does not say %q", want)
	}
}
