package conformance

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/go-jose/go-jose/v4"
)

// static are credentials as the SDK takes them.
func static(id, secret, token *string) aws.CredentialsProvider {
	return credentials.NewStaticCredentialsProvider(*id, *secret, aws.ToString(token))
}

// temporary are temporary credentials as the SDK takes them.
func temporary(c *ststypes.Credentials) aws.CredentialsProvider {
	return static(c.AccessKeyId, c.SecretAccessKey, c.SessionToken)
}

// sts returns a client of the AWS SDK for Go.
func (s *server) sts(c aws.CredentialsProvider) *sts.Client {
	return sts.New(sts.Options{BaseEndpoint: aws.String(s.endpoint), Region: s.region, Credentials: c})
}

// s3With returns an S3 client with credentials.
func (s *server) s3With(c aws.CredentialsProvider) *s3.Client {
	return s.s3(func(o *s3.Options) { o.Credentials = c })
}

// stsUser makes a user with an inline policy and an access key.
func (s *server) stsUser(t *testing.T, name, policy string) (arn string, c aws.CredentialsProvider) {
	t.Helper()
	u := iamOK(s.iam().CreateUser(t.Context(), &iam.CreateUserInput{UserName: &name}))(t).User
	if policy != "" {
		iamOK(s.iam().PutUserPolicy(t.Context(), &iam.PutUserPolicyInput{UserName: &name, PolicyName: aws.String("p"), PolicyDocument: &policy}))(t)
	}
	k := iamOK(s.iam().CreateAccessKey(t.Context(), &iam.CreateAccessKeyInput{UserName: &name}))(t).AccessKey
	return *u.Arn, static(k.AccessKeyId, k.SecretAccessKey, nil)
}

// stsRole makes a role with an inline policy.
func (s *server) stsRole(t *testing.T, name, trust, policy string) string {
	t.Helper()
	r := iamOK(s.iam().CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust}))(t).Role
	iamOK(s.iam().PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("p"), PolicyDocument: &policy}))(t)
	return *r.Arn
}

func stsTrust(principal, action string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":` + principal + `,"Action":` + action + `}]}`
}

func stsAllow(action, resource string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":` + action + `,"Resource":` + resource + `}]}`
}

// TestSTS makes temporary credentials with the AWS SDK for Go and uses them on every
// API.
func TestSTS(t *testing.T) {
	s := start(t, "--dev-clock")
	iamOK(s.s3().CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("sts-tour")}))(t)
	iamOK(s.s3().PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("sts-tour"), Key: aws.String("a/1"), Body: strings.NewReader("one")}))(t)
	iamOK(s.s3().PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("sts-tour"), Key: aws.String("b/2"), Body: strings.NewReader("two")}))(t)
	t.Run("roles", func(t *testing.T) { testSTSRoles(t, s) })
	t.Run("session policies", func(t *testing.T) { testSTSPolicies(t, s) })
	t.Run("users", func(t *testing.T) { testSTSUsers(t, s) })
	t.Run("callers", func(t *testing.T) { testSTSCallers(t, s) })
	t.Run("presigned", func(t *testing.T) { testSTSPresigned(t, s) })
	t.Run("not implemented", func(t *testing.T) { testSTSMissing(t, s) })
	t.Run("ends", func(t *testing.T) { testSTSEnds(t, s) })
	log := s.logs()
	for _, bad := range []string{"sts operation broke", "SecretAccessKey"} {
		if strings.Contains(log, bad) {
			t.Errorf("the log has %q:\n%s", bad, tail(log, 2000))
		}
	}
}

func testSTSRoles(t *testing.T, s *server) {
	ctx := t.Context()
	user, c := s.stsUser(t, "rita", "")
	role := s.stsRole(t, "reader", stsTrust(`{"AWS":"`+user+`"}`, `["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"]`), stsAllow(`["s3:GetObject","s3:ListBucket"]`, `"*"`))
	out := iamOK(s.sts(c).AssumeRole(ctx, &sts.AssumeRoleInput{
		RoleArn: &role, RoleSessionName: aws.String("tour"), DurationSeconds: aws.Int32(900), SourceIdentity: aws.String("rita"),
		Tags: []ststypes.Tag{{Key: aws.String("team"), Value: aws.String("blue + green")}}, TransitiveTagKeys: []string{"team"},
	}))(t)
	if *out.AssumedRoleUser.Arn != "arn:aws:sts::123456789012:assumed-role/reader/tour" || !strings.HasPrefix(*out.AssumedRoleUser.AssumedRoleId, "AROA") ||
		//lint:ignore SA1019 the server answers with it, as AWS did for years
		!strings.HasPrefix(*out.Credentials.AccessKeyId, "ASIA") || aws.ToInt32(out.PackedPolicySize) < 1 || *out.SourceIdentity != "rita" {
		t.Errorf("AssumeRole = %+v", out)
	}
	who := iamOK(s.sts(temporary(out.Credentials)).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}))(t)
	if *who.Arn != *out.AssumedRoleUser.Arn || *who.UserId != *out.AssumedRoleUser.AssumedRoleId || *who.Account != "123456789012" {
		t.Errorf("GetCallerIdentity = %+v", who)
	}
	client := s.s3With(temporary(out.Credentials))
	got := iamOK(client.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("sts-tour"), Key: aws.String("a/1")}))(t)
	if b, err := io.ReadAll(got.Body); string(b) != "one" || err != nil {
		t.Errorf("GetObject = %q, %v", b, err)
	}
	_, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("sts-tour"), Key: aws.String("a/1"), Body: strings.NewReader("x")})
	wantCode(t, "PutObject by a reader", err, "AccessDenied")
	_, err = kms.New(kms.Options{BaseEndpoint: aws.String(s.endpoint), Region: s.region, Credentials: temporary(out.Credentials)}).ListKeys(ctx, &kms.ListKeysInput{})
	wantCode(t, "ListKeys by a reader", err, "AccessDeniedException")
	presigned := iamOK(s3.NewPresignClient(client).PresignGetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("sts-tour"), Key: aws.String("a/1")}))(t)
	if status, body := fetch(t, presigned.URL); status != 200 || body != "one" {
		t.Errorf("presigned GET = %d %s", status, body)
	}
	// The token is under the signature.
	u, _ := url.Parse(presigned.URL)
	q := u.Query()
	other := iamOK(s.sts(c).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("tour")}))(t)
	q.Set("X-Amz-Security-Token", *other.Credentials.SessionToken)
	u.RawQuery = q.Encode()
	if status, body := fetch(t, u.String()); status != 400 || !strings.Contains(body, "InvalidToken") {
		t.Errorf("presigned GET with another token = %d %s", status, body)
	}

	// Roles that are not there, and roles that are not for the caller.
	for _, arn := range []string{strings.Replace(role, "reader", "nobody", 1), s.stsRole(t, "others", stsTrust(`{"Service":"ec2.amazonaws.com"}`, `"sts:AssumeRole"`), stsAllow(`"*"`, `"*"`))} {
		_, err := s.sts(c).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: &arn, RoleSessionName: aws.String("tour")})
		wantCode(t, arn, err, "AccessDenied")
		if err == nil || !strings.Contains(err.Error(), "User: "+user+" is not authorized to perform: sts:AssumeRole on resource: "+arn) {
			t.Errorf("%s: %v", arn, err)
		}
	}
	_, err = s.sts(s.credentials()).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("tour")})
	wantCode(t, "AssumeRole by root", err, "AccessDenied")
}

func fetch(t *testing.T, url string) (int, string) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// testSTSPolicies calls everything with a session that may read one prefix.
func testSTSPolicies(t *testing.T, s *server) {
	ctx := t.Context()
	user, c := s.stsUser(t, "sam", "")
	role := s.stsRole(t, "all", stsTrust(`{"AWS":"`+user+`"}`, `"sts:AssumeRole"`), stsAllow(`"*"`, `"*"`))
	inline := stsAllow(`"s3:GetObject"`, `"arn:aws:s3:::sts-tour/a/*"`)
	managed := iamOK(s.iam().CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("narrow"), PolicyDocument: &inline}))(t).Policy.Arn
	for name, in := range map[string]*sts.AssumeRoleInput{
		"inline":  {Policy: &inline},
		"managed": {PolicyArns: []ststypes.PolicyDescriptorType{{Arn: managed}}},
	} {
		in.RoleArn, in.RoleSessionName = &role, &name
		out := iamOK(s.sts(c).AssumeRole(ctx, in))(t)
		client := s.s3With(temporary(out.Credentials))
		iamOK(client.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("sts-tour"), Key: aws.String("a/1")}))(t).Body.Close()
		_, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("sts-tour"), Key: aws.String("b/2")})
		wantCode(t, name+": GetObject elsewhere", err, "AccessDenied")
		narrow := iam.New(iam.Options{BaseEndpoint: aws.String(s.endpoint), Region: s.region, Credentials: temporary(out.Credentials)})
		_, err = narrow.ListUsers(ctx, &iam.ListUsersInput{})
		wantCode(t, name+": ListUsers", err, "AccessDenied")
		_, err = narrow.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: aws.String("sam")})
		wantCode(t, name+": CreateAccessKey", err, "AccessDenied")
		_, err = s.sts(temporary(out.Credentials)).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("wide")})
		wantCode(t, name+": AssumeRole without the policy", err, "AccessDenied")
		if name != "managed" {
			continue
		}
		// A managed session policy counts as it is now.
		wide := stsAllow(`"s3:GetObject"`, `"arn:aws:s3:::sts-tour/*"`)
		iamOK(s.iam().CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: managed, PolicyDocument: &wide, SetAsDefault: true}))(t)
		iamOK(client.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("sts-tour"), Key: aws.String("b/2")}))(t).Body.Close()
	}
	broken := strings.Replace(inline, "Allow", "Permit", 1)
	_, err := s.sts(c).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("x1"), Policy: &broken})
	iamRefused[*ststypes.MalformedPolicyDocumentException](t, "an unknown effect", err, 400)
}

func testSTSUsers(t *testing.T, s *server) {
	ctx := t.Context()
	_, c := s.stsUser(t, "uwe", stsAllow(`["s3:*","iam:*","sts:GetFederationToken"]`, `"*"`))
	session := iamOK(s.sts(c).GetSessionToken(ctx, &sts.GetSessionTokenInput{}))(t).Credentials
	if left := time.Until(*session.Expiration); left < 11*time.Hour || left > 12*time.Hour {
		t.Errorf("GetSessionToken lasts %s", left)
	}
	iamOK(s.s3With(temporary(session)).ListBuckets(ctx, &s3.ListBucketsInput{}))(t)
	_, err := iam.New(iam.Options{BaseEndpoint: aws.String(s.endpoint), Region: s.region, Credentials: temporary(session)}).GetUser(ctx, &iam.GetUserInput{})
	wantCode(t, "IAM with GetSessionToken credentials", err, "InvalidClientTokenId")
	_, err = s.sts(temporary(session)).GetFederationToken(ctx, &sts.GetFederationTokenInput{Name: aws.String("fred")})
	wantCode(t, "GetFederationToken with GetSessionToken credentials", err, "AccessDenied")

	policy := stsAllow(`["s3:ListAllMyBuckets","kms:*"]`, `"*"`)
	fed := iamOK(s.sts(c).GetFederationToken(ctx, &sts.GetFederationTokenInput{Name: aws.String("fred"), Policy: &policy}))(t)
	if *fed.FederatedUser.Arn != "arn:aws:sts::123456789012:federated-user/fred" || *fed.FederatedUser.FederatedUserId != "123456789012:fred" {
		t.Errorf("GetFederationToken = %+v", fed.FederatedUser)
	}
	client := s.s3With(temporary(fed.Credentials))
	iamOK(client.ListBuckets(ctx, &s3.ListBucketsInput{}))(t)
	_, err = client.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("sts-tour"), Key: aws.String("a/1")})
	wantCode(t, "what only the user may", err, "AccessDenied")
	_, err = kms.New(kms.Options{BaseEndpoint: aws.String(s.endpoint), Region: s.region, Credentials: temporary(fed.Credentials)}).ListKeys(ctx, &kms.ListKeysInput{})
	wantCode(t, "what only the session may", err, "AccessDeniedException")
	bare := iamOK(s.sts(c).GetFederationToken(ctx, &sts.GetFederationTokenInput{Name: aws.String("fred")}))(t)
	_, err = s.s3With(temporary(bare.Credentials)).ListBuckets(ctx, &s3.ListBucketsInput{})
	wantCode(t, "without a session policy", err, "AccessDenied")
}

func testSTSCallers(t *testing.T, s *server) {
	ctx := t.Context()
	arn, c := s.stsUser(t, "cora", `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}`)
	if who := iamOK(s.sts(c).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}))(t); *who.Arn != arn {
		t.Errorf("GetCallerIdentity = %+v", who)
	}
	out, err := s.sts(s.credentials()).GetAccessKeyInfo(ctx, &sts.GetAccessKeyInfoInput{AccessKeyId: &s.keyID})
	if err != nil || *out.Account != "123456789012" {
		t.Errorf("GetAccessKeyInfo = %+v, %v", out, err)
	}
	_, err = s.sts(c).GetAccessKeyInfo(ctx, &sts.GetAccessKeyInfoInput{AccessKeyId: &s.keyID})
	wantCode(t, "GetAccessKeyInfo by who may nothing", err, "AccessDenied")
	// The authorization ID of that denial decodes.
	_, id, ok := strings.Cut(err.Error(), "coffer why ")
	id, _, _ = strings.Cut(id, " ")
	if !ok {
		t.Fatalf("the denial has no authorization ID: %v", err)
	}
	decoded, err := s.sts(s.credentials()).DecodeAuthorizationMessage(ctx, &sts.DecodeAuthorizationMessageInput{EncodedMessage: &id})
	if err != nil || !strings.Contains(*decoded.DecodedMessage, arn) || !json.Valid([]byte(*decoded.DecodedMessage)) {
		t.Errorf("DecodeAuthorizationMessage = %+v, %v", decoded, err)
	}
	_, err = s.sts(s.credentials()).DecodeAuthorizationMessage(ctx, &sts.DecodeAuthorizationMessageInput{EncodedMessage: aws.String("x")})
	iamRefused[*ststypes.InvalidAuthorizationMessageException](t, "an unknown message", err, 400)
	_, err = s.sts(static(&s.keyID, aws.String("wrong"), nil)).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	wantCode(t, "a wrong secret", err, "SignatureDoesNotMatch")
	_, err = s.sts(static(aws.String("AKIAUNKNOWNUNKNOWN"), &s.secret, nil)).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	wantCode(t, "an unknown key", err, "InvalidClientTokenId")
	_, err = s.sts(aws.AnonymousCredentials{}).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	wantCode(t, "no signature", err, "MissingAuthenticationToken")
}

// testSTSPresigned hands out a proof of identity, as Kubernetes and Vault take it.
func testSTSPresigned(t *testing.T, s *server) {
	signed := iamOK(sts.NewPresignClient(s.sts(s.credentials())).PresignGetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}))(t)
	if status, body := fetch(t, signed.URL); status != 200 || !strings.Contains(body, "<Arn>arn:aws:iam::123456789012:root</Arn>") {
		t.Errorf("GET %s = %d %s", signed.URL, status, body)
	}
	// It is worth nothing else.
	for _, change := range []struct{ old, new string }{
		{"Action=GetCallerIdentity", "Action=GetSessionToken"}, {"Version=2011-06-15", "Version=2010-05-08"}, {"%2Fsts%2F", "%2Fs3%2F"}, {"%2Fsts%2F", "%2Fiam%2F"},
	} {
		changed := strings.Replace(signed.URL, change.old, change.new, 1)
		if status, body := fetch(t, changed); changed == signed.URL || status < 400 {
			t.Errorf("GET %s = %d %s", changed, status, body)
		}
	}
	assume := iamOK(sts.NewPresignClient(s.sts(s.credentials())).PresignAssumeRole(t.Context(), &sts.AssumeRoleInput{
		RoleArn: aws.String("arn:aws:iam::123456789012:role/reader"), RoleSessionName: aws.String("x1")}))(t)
	if status, body := fetch(t, assume.URL); status != 400 || !strings.Contains(body, "<Code>IncompleteSignature</Code>") {
		t.Errorf("presigned AssumeRole = %d %s", status, body)
	}
}

func testSTSMissing(t *testing.T, s *server) {
	ctx, c := t.Context(), s.sts(s.credentials())
	for name, call := range map[string]func() error{
		"AssumeRoot": func() error {
			_, err := c.AssumeRoot(ctx, &sts.AssumeRootInput{TargetPrincipal: aws.String("123456789012"), TaskPolicyArn: &ststypes.PolicyDescriptorType{}})
			return err
		},
		"AssumeRoleWithSAML": func() error {
			_, err := c.AssumeRoleWithSAML(ctx, &sts.AssumeRoleWithSAMLInput{RoleArn: aws.String("r"), PrincipalArn: aws.String("p"), SAMLAssertion: aws.String("s")})
			return err
		},
	} {
		wantCode(t, name, call(), "NotImplemented")
	}
}

// testSTSEnds moves time on, and takes roles and users away.
func testSTSEnds(t *testing.T, s *server) {
	ctx := t.Context()
	user, c := s.stsUser(t, "ed", "")
	trust := stsTrust(`{"AWS":"`+user+`"}`, `"sts:AssumeRole"`)
	role := s.stsRole(t, "ends", trust, stsAllow(`"s3:*"`, `"*"`))
	short := iamOK(s.sts(c).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("short"), DurationSeconds: aws.Int32(900)}))(t).Credentials
	long := iamOK(s.sts(c).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("long")}))(t).Credentials
	s.advance(15 * time.Minute)
	_, err := s.s3With(temporary(short)).ListBuckets(ctx, &s3.ListBucketsInput{})
	wantCode(t, "S3 with an expired session", err, "ExpiredToken")
	_, err = s.sts(temporary(short)).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	wantCode(t, "STS with an expired session", err, "ExpiredToken")
	_, err = kms.New(kms.Options{BaseEndpoint: aws.String(s.endpoint), Region: s.region, Credentials: temporary(short)}).ListKeys(ctx, &kms.ListKeysInput{})
	wantCode(t, "KMS with an expired session", err, "ExpiredTokenException")
	iamOK(s.s3With(temporary(long)).ListBuckets(ctx, &s3.ListBucketsInput{}))(t)
	iamOK(s.iam().DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: aws.String("ends"), PolicyName: aws.String("p")}))(t)
	_, err = s.s3With(temporary(long)).ListBuckets(ctx, &s3.ListBucketsInput{})
	wantCode(t, "a session of a role without policies", err, "AccessDenied")
	iamOK(s.iam().DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: aws.String("ends")}))(t)
	_, err = s.s3With(temporary(long)).ListBuckets(ctx, &s3.ListBucketsInput{})
	wantCode(t, "a session of a role that is gone", err, "InvalidToken")
	s.stsRole(t, "ends", trust, stsAllow(`"s3:*"`, `"*"`))
	_, err = s.s3With(temporary(long)).ListBuckets(ctx, &s3.ListBucketsInput{})
	wantCode(t, "a session of a role that was made again", err, "InvalidToken")
	k, _ := c.Retrieve(ctx)
	iamOK(s.iam().UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{UserName: aws.String("ed"), AccessKeyId: &k.AccessKeyID, Status: iamtypes.StatusTypeInactive}))(t)
	_, err = s.sts(c).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	wantCode(t, "an inactive key", err, "InvalidClientTokenId")
}

// TestSTSTokens: credentials survive a restart, and are no one else's; a token opens
// on the installation that made it alone.
func TestSTSTokens(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s := startAt(t, dir)
	session := iamOK(s.sts(s.credentials()).GetSessionToken(t.Context(), &sts.GetSessionTokenInput{}))(t).Credentials
	token, err := os.ReadFile(filepath.Join(dir, "credentials"))
	if err != nil || bytes.Contains(token, []byte(*session.SessionToken)) {
		t.Errorf("credentials = %s, %v", token, err)
	}
	s.stop()
	again := startAt(t, dir)
	iamOK(again.sts(temporary(session)).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}))(t)
	other := start(t)
	_, err = other.sts(temporary(session)).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	wantCode(t, "another installation", err, "InvalidClientTokenId")
	if logs := s.logs() + again.logs() + other.logs(); strings.Contains(logs, *session.SessionToken) || strings.Contains(logs, *session.SecretAccessKey) {
		t.Error("a log has the credentials")
	}
	again.stop()
	err = filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		if bytes.Contains(b, []byte(*session.SecretAccessKey)) || bytes.Contains(b, []byte((*session.SessionToken)[:40])) {
			t.Errorf("%s has the credentials", name)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestSTSWebIdentity assumes a role with the token of an identity provider on this
// machine, which is trusted by the thumbprint of its certificate.
func TestSTSWebIdentity(t *testing.T) {
	s := start(t)
	ctx := t.Context()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var issuer string
	idp := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/keys" {
			json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &key.PublicKey, KeyID: "k1"}}})
			return
		}
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, issuer, issuer+"/keys")
	}))
	defer idp.Close()
	issuer = idp.URL
	sum := sha1.Sum(idp.Certificate().Raw)
	provider := iamOK(s.iam().CreateOpenIDConnectProvider(ctx, &iam.CreateOpenIDConnectProviderInput{
		Url: &issuer, ClientIDList: []string{"sts.amazonaws.com"}, ThumbprintList: []string{hex.EncodeToString(sum[:])}}))(t).OpenIDConnectProviderArn
	host := strings.TrimPrefix(issuer, "https://")
	role := s.stsRole(t, "ci", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"`+*provider+`"},"Action":"sts:AssumeRoleWithWebIdentity",
		"Condition":{"StringEquals":{"`+host+`:sub":"repo:octo/app","`+host+`:aud":"sts.amazonaws.com"}}}]}`, stsAllow(`"s3:ListAllMyBuckets"`, `"*"`))
	token := func(subject string, expires time.Duration) *string {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", "k1"))
		if err != nil {
			t.Fatal(err)
		}
		payload, _ := json.Marshal(map[string]any{"iss": issuer, "sub": subject, "aud": "sts.amazonaws.com", "iat": time.Now().Unix(), "exp": time.Now().Add(expires).Unix()})
		signed, err := signer.Sign(payload)
		if err != nil {
			t.Fatal(err)
		}
		text, err := signed.CompactSerialize()
		if err != nil {
			t.Fatal(err)
		}
		return &text
	}
	client := s.sts(aws.AnonymousCredentials{})
	assume := func(role string, token *string) (*sts.AssumeRoleWithWebIdentityOutput, error) {
		return client.AssumeRoleWithWebIdentity(ctx, &sts.AssumeRoleWithWebIdentityInput{RoleArn: &role, RoleSessionName: aws.String("build-7"), WebIdentityToken: token})
	}
	out := iamOK(assume(role, token("repo:octo/app", time.Minute)))(t)
	if *out.SubjectFromWebIdentityToken != "repo:octo/app" || *out.Provider != *provider || *out.Audience != "sts.amazonaws.com" {
		t.Errorf("AssumeRoleWithWebIdentity = %+v", out)
	}
	iamOK(s.s3With(temporary(out.Credentials)).ListBuckets(ctx, &s3.ListBucketsInput{}))(t)
	_, err = assume(role, token("repo:octo/other", time.Minute))
	wantCode(t, "another subject", err, "AccessDenied")
	_, err = assume(role+"x", token("repo:octo/app", time.Minute))
	wantCode(t, "no such role", err, "AccessDenied")
	_, err = assume(role, token("repo:octo/app", -2*time.Minute))
	iamRefused[*ststypes.ExpiredTokenException](t, "an expired token", err, 400)
	_, err = assume(role, aws.String("eyJhbGciOiJub25lIn0.e30."))
	iamRefused[*ststypes.InvalidIdentityTokenException](t, "no signature", err, 400)
}
