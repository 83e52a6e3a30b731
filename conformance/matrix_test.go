package conformance

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"mime/multipart"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"coffer/internal/config"
	"coffer/internal/meta"
	cofferserver "coffer/internal/server"
	"coffer/internal/trail"
)

// The matrix sends every operation of every API as everybody: without a signature,
// under a key that does not exist, with a wrong signature, as a user without
// policies, with the rights on something else, with all of its rights but one, with
// a denial beside them, from another account, from a session whose policy lacks
// them, and last with exactly its rights. The first ones must all be refused, so the
// last one finds what it needs as it was, and must succeed.
//
// The operations are those of the routing tables: a test fails for one that has no
// row. Every answer is compared with the trail when the server has stopped.

// A wire is one request before it is signed.
type wire struct {
	service string // of the signature
	method  string
	target  string // path and query
	header  []string
	body    string
	// form makes it an upload by a form, whose policy is what is signed: method,
	// header and body are not used.
	form map[string]string
}

// A right is one action on one resource, "*" for none.
type right struct{ action, resource string }

// A row is one operation in the matrix.
type row struct {
	operation string
	with      string // what sets it apart from other rows of the operation
	// make returns the request and the rights that it takes, on fixtures of its own
	// if it changes something.
	make func(m *matrix) (wire, []right)
	// passes is the code of an error that is as good as success, because it is
	// found out after the decision.
	passes string
	// foreign is how the user of another account is answered, where that is
	// not a denial: a code, own or ok. own and ok are tried last, and codes if last
	// is set.
	foreign string
	last    bool
	// inside is set where the answer is 200 whatever happens, and errors stand in it.
	inside bool
	// hides is set where denials don't say which policies decided.
	hides bool
	// free is the code with which everybody with a valid signature is answered, and
	// ok if that is success: no policy forbids the operation.
	free string
	// rootOnly is set where only the root user may.
	rootOnly bool
	// noSession is set where temporary credentials are refused whatever the policies.
	noSession bool
	// unsigned is the code for everybody, of an operation without a signature.
	unsigned string
}

// Values of row.foreign, and of row.free.
const (
	own  = "own"  // as the own user, but about another account
	ok   = "ok"   // as the own user
	skip = "skip" // is not tried
)

// An api is what differs between the APIs: its codes. Without one for anonymous
// requests, any error will do: the API is told by its signature, and what has none is
// taken for a request of S3.
type api struct {
	name                              string
	anonymous, unknown, wrong, denied string // codes
}

// A matrix is a server with everybody on it.
type matrix struct {
	*testing.T
	*server
	api   api
	other account // whose user is the foreigner
	third account // with no part in anything
	n     int     // of fixtures made

	nobody, user, foreigner caller
	session                 caller // of the role matrix, with a session policy

	answered map[string]refusal // by request ID
}

type caller struct {
	arn   string
	creds aws.CredentialsProvider
}

// A refusal is what the trail must hold of a request.
type refusal struct {
	what, code, decision string
}

// newMatrix starts a server with its people.
func newMatrix(t *testing.T, a api, args ...string) *matrix {
	s := start(t, args...)
	m := &matrix{T: t, server: s, api: a, answered: make(map[string]refusal)}
	m.other, m.third = s.account("other"), s.account("third")
	ctx := t.Context()
	home := s.iam()
	m.nobody, m.user, m.foreigner = m.newUser(s.iam(), "nobody"), m.newUser(s.iam(), "matrix"), m.newUser(s.iam(m.other.keyID, m.other.secret), "matrix")
	doc := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + homeAccount + `"},"Action":"sts:AssumeRole"}]}`
	r, err := home.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("matrix"), AssumeRolePolicyDocument: &doc})
	check(t, "CreateRole", err)
	helper := m.newUser(home, "helper")
	_, err = home.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: aws.String("helper"), PolicyName: aws.String("p"),
		PolicyDocument: aws.String(document([]right{{"sts:AssumeRole", *r.Role.Arn}}))})
	check(t, "PutUserPolicy", err)
	out, err := s.sts(helper.creds).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: r.Role.Arn, RoleSessionName: aws.String("matrix"),
		Policy: aws.String(document([]right{{"ec2:DescribeInstances", "*"}}))})
	check(t, "AssumeRole", err)
	m.session = caller{*out.AssumedRoleUser.Arn, temporary(out.Credentials)}
	return m
}

// homeAccount owns the server, and all fixtures.
const homeAccount = "123456789012"

func (m *matrix) newUser(c *iam.Client, name string) caller {
	m.Helper()
	u, err := c.CreateUser(m.Context(), &iam.CreateUserInput{UserName: &name})
	check(m.T, "CreateUser", err)
	k, err := c.CreateAccessKey(m.Context(), &iam.CreateAccessKeyInput{UserName: &name})
	check(m.T, "CreateAccessKey", err)
	return caller{*u.User.Arn, static(k.AccessKey.AccessKeyId, k.AccessKey.SecretAccessKey, nil)}
}

// fresh returns a name that no fixture has.
func (m *matrix) fresh(kind string) string {
	m.n++
	return fmt.Sprintf("%s-%d", kind, m.n)
}

// statement allows or denies rights, each on its resource.
func statement(effect string, rights []right) []map[string]any {
	var list []map[string]any
	for _, r := range rights {
		list = append(list, map[string]any{"Effect": effect, "Action": r.action, "Resource": r.resource})
	}
	return list
}

func document(allow []right, deny ...right) string {
	b, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": append(statement("Allow", allow), statement("Deny", deny)...)})
	if err != nil {
		panic(err)
	}
	return string(b)
}

// may gives the user matrix of a root user's account a policy in place of the last.
func (m *matrix) may(c *iam.Client, doc string) {
	m.Helper()
	_, err := c.PutUserPolicy(m.Context(), &iam.PutUserPolicyInput{UserName: aws.String("matrix"), PolicyName: aws.String("matrix"), PolicyDocument: &doc})
	check(m.T, "PutUserPolicy "+doc, err)
}

// An outcome is an answer of any of the APIs.
type outcome struct {
	answer
	message, requestID string
}

var (
	xmlCode    = regexp.MustCompile(`<Code>([^<]+)</Code>`)
	xmlMessage = regexp.MustCompile(`(?s)<Message>([^<]*)</Message>`)
	decisionID = regexp.MustCompile(`coffer why ([0-9a-v]{26}) `)
)

// try sends a request as somebody, anonymously without credentials.
func (m *matrix) try(w wire, c aws.CredentialsProvider) outcome {
	m.Helper()
	var creds aws.Credentials
	if c != nil {
		var err error
		creds, err = c.Retrieve(m.Context())
		check(m.T, "Retrieve", err)
	}
	if w.form != nil {
		w = m.post(w, creds)
	}
	req, err := http.NewRequest(w.method, m.endpoint+w.target, strings.NewReader(w.body))
	check(m.T, "NewRequest", err)
	for i := 0; i < len(w.header); i += 2 {
		req.Header.Set(w.header[i], w.header[i+1])
	}
	if creds.AccessKeyID != "" && w.form == nil {
		sum := hexSHA256([]byte(w.body))
		if w.service == "s3" {
			req.Header.Set("X-Amz-Content-Sha256", sum)
		}
		err := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = w.service == "s3" }).
			SignHTTP(m.Context(), creds, req, sum, w.service, m.region, time.Now())
		check(m.T, "SignHTTP", err)
	}
	res, err := http.DefaultClient.Do(req)
	check(m.T, w.method+" "+w.target, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	check(m.T, "read answer", err)
	out := outcome{answer: answer{status: res.StatusCode, header: res.Header, body: body}}
	for _, name := range []string{"X-Amzn-Requestid", "X-Amz-Request-Id"} {
		if out.requestID == "" {
			out.requestID = res.Header.Get(name)
		}
	}
	if found := xmlCode.FindSubmatch(body); found != nil {
		out.code = string(found[1])
		if found := xmlMessage.FindSubmatch(body); found != nil {
			out.message = strings.NewReplacer("&#34;", `"`, "&quot;", `"`, "&#39;", "'", "&amp;", "&").Replace(string(found[1]))
		}
	} else if res.StatusCode >= 400 && len(body) > 0 {
		var e struct {
			Type    string `json:"__type"`
			Message string
		}
		if err := json.Unmarshal(body, &e); err != nil {
			m.Errorf("%s %s: error is %q: %v", w.method, w.target, body, err)
		}
		out.code, out.message = e.Type[strings.LastIndexByte(e.Type, '#')+1:], e.Message
	}
	return out
}

// post returns an upload by a form, with its policy signed by creds.
func (m *matrix) post(w wire, creds aws.Credentials) wire {
	m.Helper()
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	fields := maps.Clone(w.form)
	if creds.AccessKeyID != "" {
		now := time.Now().UTC()
		day, date := now.Format("20060102"), now.Format("20060102T150405Z")
		fields["x-amz-algorithm"], fields["x-amz-date"] = "AWS4-HMAC-SHA256", date
		fields["x-amz-credential"] = creds.AccessKeyID + "/" + day + "/" + m.region + "/s3/aws4_request"
		if creds.SessionToken != "" {
			fields["x-amz-security-token"] = creds.SessionToken
		}
		conditions := []any{map[string]string{"bucket": strings.Trim(w.target, "/")}}
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			conditions = append(conditions, map[string]string{name: fields[name]})
		}
		policy, err := json.Marshal(map[string]any{"expiration": now.Add(time.Hour).Format(time.RFC3339), "conditions": conditions})
		check(m.T, "Marshal", err)
		fields["policy"] = base64.StdEncoding.EncodeToString(policy)
		key := []byte("AWS4" + creds.SecretAccessKey)
		for _, part := range []string{day, m.region, "s3", "aws4_request", fields["policy"]} {
			h := hmac.New(sha256.New, key)
			h.Write([]byte(part))
			key = h.Sum(nil)
		}
		fields["x-amz-signature"] = hex.EncodeToString(key)
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		check(m.T, "WriteField", form.WriteField(name, fields[name]))
	}
	file, err := form.CreateFormFile("file", "x")
	check(m.T, "CreateFormFile", err)
	fmt.Fprint(file, "x")
	check(m.T, "Close", form.Close())
	w.method, w.header, w.body = "POST", []string{"Content-Type", form.FormDataContentType()}, b.String()
	return w
}

// as is try, and notes what the trail must hold.
func (m *matrix) as(r *row, who string, w wire, c aws.CredentialsProvider) outcome {
	m.Helper()
	out := m.try(w, c)
	noted := refusal{what: r.operation + " " + r.with + " as " + who, code: out.code}
	if found := decisionID.FindStringSubmatch(out.message); found != nil {
		noted.decision = found[1]
	}
	if out.status >= 400 && len(out.body) == 0 { // of HEAD
		noted.code = "?"
	}
	if out.requestID == "" {
		m.Errorf("%s: answer %d %s has no request ID", noted.what, out.status, out.body)
	} else if _, twice := m.answered[out.requestID]; twice {
		m.Errorf("%s: request ID %s was seen before", noted.what, out.requestID)
	}
	m.answered[out.requestID] = noted
	return out
}

// refused checks that a request is refused, with one of the codes if there are any.
func (m *matrix) refused(r *row, who string, w wire, c aws.CredentialsProvider, codes ...string) outcome {
	m.Helper()
	out := m.as(r, who, w, c)
	head := w.method == "HEAD" && len(out.body) == 0
	if out.status < 400 && !r.inside || !head && len(codes) > 0 && !slices.Contains(codes, out.code) || head && out.status/100 != 4 {
		m.Errorf("as %s: %d %s %s; want %s", who, out.status, out.code, tail(string(out.body), 600), strings.Join(codes, " or "))
	}
	return out
}

// denied checks that a request is denied, with a text that has parts, and that the
// denial is explained to an account's root user, and to nobody else's.
func (m *matrix) denied(r *row, who string, w wire, p caller, reader account, parts ...string) {
	m.Helper()
	out := m.refused(r, who, w, p.creds, m.api.denied)
	if w.method == "HEAD" || out.code != m.api.denied {
		return
	}
	for _, part := range append(parts, "User: "+p.arn+" is not authorized to perform: ") {
		if !strings.Contains(out.message, part) {
			m.Errorf("as %s: %q; want %q", who, out.message, part)
		}
	}
	m.explained(who, out, reader, p.arn)
}

// explained checks who can read the explanation of a denial.
func (m *matrix) explained(who string, out outcome, reader account, principal string) {
	m.Helper()
	found := decisionID.FindStringSubmatch(out.message)
	if found == nil {
		m.Errorf("as %s: %q has no authorization ID", who, out.message)
		return
	}
	explain := wire{service: "coffer", method: "GET", target: "/_coffer/decisions/" + found[1]}
	seen := m.try(explain, reader.credentials())
	if seen.status != 200 || !strings.Contains(string(seen.body), `"principal":"`+principal+`"`) || !strings.Contains(string(seen.body), found[1]) {
		m.Errorf("as %s: decision %s is explained to %s as %d %s", who, found[1], reader.id, seen.status, tail(string(seen.body), 600))
	}
	if seen := m.try(explain, m.third.credentials()); seen.status != 404 || seen.code != "ResourceNotFoundException" {
		m.Errorf("as %s: decision %s is explained to another account: %d %s", who, found[1], seen.status, seen.body)
	}
}

// succeeds checks that a request passed its authorization.
func (m *matrix) succeeds(r *row, who string, w wire, c aws.CredentialsProvider, code string) outcome {
	m.Helper()
	out := m.as(r, who, w, c)
	if code == ok {
		code = ""
	}
	if code == "" && (out.status >= 300 || out.code != "") || code != "" && out.code != code {
		m.Errorf("as %s: %d %s %s; want %s", who, out.status, out.code, tail(string(out.body), 600), cmp.Or(code, "success"))
	}
	if strings.Contains(out.message, "is not authorized to perform") {
		m.Errorf("as %s: %s; want no denial", who, out.message)
	}
	return out
}

// home is the account of the fixtures.
func (m *matrix) home() account { return account{homeAccount, m.keyID, m.secret} }

// run runs one row.
func (m *matrix) run(r *row) {
	w, rights := r.make(m)
	key, err := m.user.creds.Retrieve(m.Context())
	check(m.T, "Retrieve", err)
	wrong := static(&key.AccessKeyID, aws.String(strings.Repeat("x", 40)), nil)
	unknown := static(aws.String("AKIAIOSFODNN7EXAMPLE"), &key.SecretAccessKey, nil)
	if r.unsigned != "" {
		m.refused(r, "anonymous", w, nil, r.unsigned)
		m.refused(r, "unknown key", w, unknown, r.unsigned, m.api.unknown)
		m.refused(r, "wrong signature", w, wrong, r.unsigned, m.api.wrong)
		m.refused(r, "user without policy", w, m.nobody.creds, r.unsigned)
		return
	}
	var anonymous []string
	if m.api.anonymous != "" {
		anonymous = append(anonymous, m.api.anonymous)
	}
	out := m.refused(r, "anonymous", w, nil, anonymous...)
	if m.api.name == "s3" && w.method != "HEAD" && decisionID.MatchString(out.message) {
		m.explained("anonymous", out, m.home(), "anonymous")
	}
	m.refused(r, "unknown key", w, unknown, m.api.unknown)
	m.refused(r, "wrong signature", w, wrong, m.api.wrong)

	c := m.server.iam()
	if r.free != "" {
		m.succeeds(r, "user without policy", w, m.nobody.creds, r.free)
		m.may(c, document([]right{{"*", "*"}}, right{"*", "*"}))
		m.succeeds(r, "user who is denied everything", w, m.user.creds, r.free)
		return
	}
	if r.rootOnly {
		m.refused(r, "user without policy", w, m.nobody.creds, "AccessDeniedException")
		m.may(c, document([]right{{"*", "*"}}))
		m.refused(r, "user with all rights", w, m.user.creds, "AccessDeniedException")
		m.refused(r, "root user of another account", w, m.other.credentials(), r.foreign)
		m.succeeds(r, "root user", w, m.server.credentials(), r.passes)
		return
	}
	because := func(r right, why string) []string {
		parts := []string{"to perform: " + r.action, why}
		if r.resource != "*" && !strings.HasSuffix(r.resource, "*") {
			parts = append(parts, r.resource)
		}
		return parts
	}
	if r.hides {
		because = func(r right, _ string) []string { return []string{"to perform: " + r.action, r.resource} }
	}
	first := rights[0]
	noPolicy := func(r right) []string {
		return because(r, "because no identity-based policy allows the "+r.action+" action")
	}
	m.denied(r, "user without policy", w, m.nobody, m.home(), noPolicy(first)...)
	if first.resource != "*" {
		m.may(c, document([]right{{first.action, first.resource + "x"}, {"ec2:*", "*"}}))
		if !strings.HasSuffix(first.resource, "*") {
			m.denied(r, "user with the right on something else", w, m.user, m.home(), noPolicy(first)...)
		}
	}
	if len(rights) > 1 {
		for i, lacking := range rights {
			m.may(c, document(slices.Delete(slices.Clone(rights), i, i+1)))
			m.denied(r, "user who lacks "+lacking.action, w, m.user, m.home(), noPolicy(lacking)...)
		}
	}
	for _, deny := range rights {
		m.may(c, document(rights, deny))
		m.denied(r, "user who is denied "+deny.action, w, m.user, m.home(), because(deny, "with an explicit deny in an identity-based policy")...)
	}

	_, err = c.PutRolePolicy(m.Context(), &iam.PutRolePolicyInput{RoleName: aws.String("matrix"), PolicyName: aws.String("matrix"), PolicyDocument: aws.String(document(rights))})
	check(m.T, "PutRolePolicy", err)
	if r.noSession {
		m.refused(r, "session", w, m.session.creds, m.api.denied)
	} else {
		m.denied(r, "session whose policy lacks it", w, m.session, m.home(), because(first, "because no session policy allows the "+first.action+" action")...)
	}

	m.may(m.server.iam(m.other.keyID, m.other.secret), document(rights))
	if r.foreign == "" {
		out := m.refused(r, "user of another account", w, m.foreigner.creds, m.api.denied)
		if decisionID.MatchString(out.message) {
			m.explained("user of another account", out, m.other, m.foreigner.arn)
		}
	}
	isCode := !slices.Contains([]string{"", own, ok, skip}, r.foreign)
	if isCode && !r.last {
		m.refused(r, "user of another account", w, m.foreigner.creds, r.foreign)
	}

	m.may(c, document(rights))
	m.succeeds(r, "user with exactly its rights", w, m.user.creds, r.passes)
	switch {
	case r.foreign == own:
		out := m.succeeds(r, "user of another account", w, m.foreigner.creds, r.passes)
		if strings.Contains(string(out.body), homeAccount) {
			m.Errorf("as user of another account: answer is about this account: %s", tail(string(out.body), 600))
		}
	case r.foreign == ok:
		m.succeeds(r, "user of another account", w, m.foreigner.creds, r.passes)
	case isCode && r.last:
		m.refused(r, "user of another account", w, m.foreigner.creds, r.foreign)
	}
}

// runAll runs the rows, and fails the test for an operation that has none. built are
// the operations of the routing table, true for those that the server has.
func (m *matrix) runAll(rows []row, built map[string]bool) {
	t := m.T
	has := make(map[string]bool)
	for _, r := range rows {
		has[r.operation] = true
		if !built[r.operation] {
			t.Errorf("%s has a row and is no operation that is built", r.operation)
		}
	}
	for name, built := range built {
		if built && !has[name] {
			t.Errorf("%s has no row in the matrix", name)
		}
	}
	for i := range rows {
		r := &rows[i]
		name := r.operation
		if r.with != "" {
			name += " " + r.with
		}
		t.Run(name, func(t *testing.T) {
			m.T, m.server.t = t, t
			defer func() { m.T, m.server.t = nil, nil }()
			m.run(r)
		})
	}
	m.T, m.server.t = t, t
	m.recorded()
}

// recorded stops the server, and checks that the trail has every answer with its
// code.
func (m *matrix) recorded() {
	m.Helper()
	m.server.stop()
	cfg := &config.Server{Data: m.dir, Account: homeAccount, Region: m.region, CacheSize: 8 << 20}
	stack, err := cofferserver.Open(m.Context(), cfg, false, slog.New(slog.DiscardHandler))
	check(m.T, "open data directory", err)
	defer stack.Close(context.Background())
	events := events(m.Context(), m.T, stack.Meta)
	for id, want := range m.answered {
		got := events[id]
		if len(got) == 0 {
			m.Errorf("%s: request %s is not in the trail", want.what, id)
			continue
		}
		// What is done for a request by the way, such as by KMS for S3, has its own events.
		hasCode := func(e event) bool { return e.ErrorCode == want.code || want.code == "?" && e.ErrorCode != "" }
		hasDecision := func(e event) bool { return want.decision == "" || e.Additional.AuthorizationID == want.decision }
		if !slices.ContainsFunc(got, hasCode) || !slices.ContainsFunc(got, hasDecision) {
			m.Errorf("%s: the trail has %+v; want code %q and decision %q", want.what, got, want.code, want.decision)
		}
	}
	m.Logf("%d answers, %d events", len(m.answered), len(events))
}

// An event is what the matrix reads of an event of the trail.
type event struct {
	RequestID, EventName, ErrorCode string
	Additional                      struct {
		AuthorizationID string `json:"authorizationId"`
	} `json:"additionalEventData"`
}

// events reads the trail, by request ID.
func events(ctx context.Context, t *testing.T, store meta.Store) map[string][]event {
	t.Helper()
	all := make(map[string][]event)
	err := trail.Scan(ctx, store, "node-1", 1, func(e trail.Entry) (bool, error) {
		var ev event
		err := json.Unmarshal(e.JSON, &ev)
		all[ev.RequestID] = append(all[ev.RequestID], ev)
		return true, err
	})
	check(t, "read trail", err)
	return all
}
