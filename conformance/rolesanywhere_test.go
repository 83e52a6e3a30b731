package conformance

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/rolesanywhere"
	anytypes "github.com/aws/aws-sdk-go-v2/service/rolesanywhere/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// A rootCA signs certificates.
type rootCA struct {
	t    *testing.T
	cert *x509.Certificate
	key  crypto.Signer
}

func newRootCA(t *testing.T, name string) *rootCA {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	check(t, "GenerateKey", err)
	a := &rootCA{t: t, key: key}
	a.cert = a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: name, Organization: []string{"Coffer"}}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, SubjectKeyId: []byte(name),
	}, nil, key.Public())
	return a
}

// sign makes a certificate; without a parent it signs itself.
func (a *rootCA) sign(c, parent *x509.Certificate, public crypto.PublicKey) *x509.Certificate {
	a.t.Helper()
	if c.SerialNumber == nil {
		c.SerialNumber, _ = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	}
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Minute), time.Now().Add(time.Hour)
	if parent == nil {
		parent = c
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, public, a.key)
	check(a.t, "CreateCertificate", err)
	made, err := x509.ParseCertificate(der)
	check(a.t, "ParseCertificate", err)
	return made
}

func (a *rootCA) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}))
}

// A certified is who has a certificate and its key.
type certified struct {
	cert *x509.Certificate
	key  crypto.Signer
}

func (a *rootCA) issue(name string, key crypto.Signer) *certified {
	u, _ := url.Parse("spiffe://example.com/" + name)
	return &certified{a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: name, OrganizationalUnit: []string{"red", "blue"}}, KeyUsage: x509.KeyUsageDigitalSignature,
		DNSNames: []string{name + ".example.com", "second.example.com"}, URIs: []*url.URL{u},
	}, a.cert, key.Public()), key}
}

func ecKey(t *testing.T) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, "GenerateKey", err)
	return key
}

// A session is the answer of CreateSession.
type session struct {
	status        int
	Type          string `json:"__type"`
	Message       string
	CredentialSet []struct {
		AssumedRoleUser struct{ ARN, AssumedRoleID string }
		Credentials     struct{ AccessKeyID, SecretAccessKey, SessionToken, Expiration string }
		RoleARN         string
		SourceIdentity  string
	}
	SubjectARN string
}

// createSession signs and sends a CreateSession as the User Guide describes it.
func (s *server) createSession(w *certified, anchor, profile, role, body string) session {
	s.t.Helper()
	query := url.Values{"profileArn": {profile}, "roleArn": {role}, "trustAnchorArn": {anchor}}
	rawQuery := strings.ReplaceAll(query.Encode(), "+", "%20")
	r, err := http.NewRequest("POST", s.endpoint+"/sessions?"+rawQuery, strings.NewReader(body))
	check(s.t, "NewRequest", err)
	date := time.Now().UTC().Format("20060102T150405Z")
	algorithm := "AWS4-X509-RSA-SHA256"
	if _, ok := w.key.(*ecdsa.PrivateKey); ok {
		algorithm = "AWS4-X509-ECDSA-SHA256"
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Amz-Date", date)
	r.Header.Set("X-Amz-X509", base64.StdEncoding.EncodeToString(w.cert.Raw))
	const signed = "content-type;host;x-amz-date;x-amz-x509"
	canonical := strings.Join([]string{"POST", "/sessions", rawQuery, "content-type:application/json", "host:" + r.URL.Host, "x-amz-date:" + date,
		"x-amz-x509:" + r.Header.Get("X-Amz-X509"), "", signed, hexSHA256([]byte(body))}, "\n")
	scope := date[:8] + "/" + s.region + "/rolesanywhere/aws4_request"
	digest := sha256.Sum256([]byte(algorithm + "\n" + date + "\n" + scope + "\n" + hexSHA256([]byte(canonical))))
	signature, err := w.key.Sign(rand.Reader, digest[:], crypto.SHA256)
	check(s.t, "Sign", err)
	r.Header.Set("Authorization", algorithm+" Credential="+w.cert.SerialNumber.String()+"/"+scope+", SignedHeaders="+signed+", Signature="+hex.EncodeToString(signature))
	a, err := http.DefaultClient.Do(r)
	check(s.t, "CreateSession", err)
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	check(s.t, "read", err)
	out := session{status: a.StatusCode}
	if err := json.Unmarshal(b, &out); err != nil {
		s.t.Fatalf("CreateSession = %d %s: %v", a.StatusCode, b, err)
	}
	return out
}

// TestRolesAnywhere lets servers with certificates in: without a secret that anyone
// has given them, they get credentials of a role, which work with S3.
func TestRolesAnywhere(t *testing.T) {
	s := start(t)
	ctx := t.Context()
	ca, other := newRootCA(t, "Coffer CA"), newRootCA(t, "Coffer CA")
	client := rolesanywhere.New(rolesanywhere.Options{BaseEndpoint: aws.String(s.endpoint), Region: s.region, Credentials: s.credentials()})
	anchor := iamOK(client.CreateTrustAnchor(ctx, &rolesanywhere.CreateTrustAnchorInput{Name: aws.String("ca"), Enabled: aws.Bool(true),
		Source: &anytypes.Source{SourceType: anytypes.TrustAnchorTypeCertificateBundle, SourceData: &anytypes.SourceDataMemberX509CertificateData{Value: ca.pem()}}}))(t).TrustAnchor
	if !*anchor.Enabled || time.Since(*anchor.CreatedAt).Abs() > time.Minute || !strings.HasSuffix(*anchor.TrustAnchorArn, ":trust-anchor/"+*anchor.TrustAnchorId) {
		t.Errorf("CreateTrustAnchor = %+v", anchor)
	}
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"rolesanywhere.amazonaws.com"},
		"Action":["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"],
		"Condition":{"StringEquals":{"aws:PrincipalTag/x509Subject/CN":"web","aws:PrincipalTag/x509Subject/OU":"red/blue","aws:PrincipalTag/x509Issuer/O":"Coffer",
		"aws:PrincipalTag/x509SAN/DNS":"web.example.com","aws:PrincipalTag/x509SAN/URI":"spiffe://example.com/web","sts:SourceIdentity":"CN=web"},
		"ArnEquals":{"aws:SourceArn":"` + *anchor.TrustAnchorArn + `"}}}]}`
	i := s.iam()
	role := iamOK(i.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("web"), AssumeRolePolicyDocument: &trust}))(t).Role
	iamOK(i.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: role.RoleName, PolicyName: aws.String("p"),
		PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/x509Subject/CN":"web"}}}]}`)}))(t)
	profile := iamOK(client.CreateProfile(ctx, &rolesanywhere.CreateProfileInput{Name: aws.String("web"), Enabled: aws.Bool(true), RoleArns: []string{*role.Arn},
		SessionPolicy: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:CreateBucket","s3:ListAllMyBuckets"],"Resource":"*"}]}`)}))(t).Profile
	if *profile.DurationSeconds != 3600 || len(profile.AttributeMappings) != 3 {
		t.Errorf("CreateProfile = %+v", profile)
	}
	web := ca.issue("web", ecKey(t))
	try := func(w *certified) session {
		return s.createSession(w, *anchor.TrustAnchorArn, *profile.ProfileArn, *role.Arn, "{}")
	}
	got := try(web)
	if got.status != 201 || len(got.CredentialSet) != 1 || got.CredentialSet[0].SourceIdentity != "CN=web" || !strings.Contains(got.SubjectARN, ":subject/") {
		t.Fatalf("CreateSession = %+v", got)
	}
	set := got.CredentialSet[0]
	if at, err := time.Parse(time.RFC3339, set.Credentials.Expiration); err != nil || time.Until(at) > time.Hour+time.Minute || time.Until(at) < 50*time.Minute {
		t.Errorf("Expiration = %s, %v; want an hour from now", set.Credentials.Expiration, err)
	}
	given := credentials.NewStaticCredentialsProvider(set.Credentials.AccessKeyID, set.Credentials.SecretAccessKey, set.Credentials.SessionToken)
	identity := iamOK(sts.New(sts.Options{BaseEndpoint: aws.String(s.endpoint), Region: s.region, Credentials: given}).GetCallerIdentity(ctx, nil))(t)
	if *identity.Arn != set.AssumedRoleUser.ARN || !strings.HasSuffix(*identity.Arn, "/web/"+web.cert.SerialNumber.Text(16)) && !strings.HasSuffix(*identity.Arn, "/web/0"+web.cert.SerialNumber.Text(16)) {
		t.Errorf("GetCallerIdentity = %s; want the serial number of the certificate", *identity.Arn)
	}
	b := s.s3As(given)
	iamOK(b.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("of-web")}))(t)
	_, err := b.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("of-web"), Key: aws.String("k"), Body: strings.NewReader("x")})
	wantCode(t, "PutObject beyond the session policy", err, "AccessDenied")

	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	check(t, "GenerateKey", err)
	if got := try(ca.issue("web", rsaKey)); got.status != 201 {
		t.Errorf("CreateSession with an RSA key = %+v", got)
	}
	if got := try(ca.issue("db", ecKey(t))); got.status != 403 || got.Type != "AccessDeniedException" || !strings.Contains(got.Message, "Unable to assume role") {
		t.Errorf("CreateSession of another name = %+v; want a denial", got)
	}
	if got := try(other.issue("web", ecKey(t))); got.status != 403 || !strings.Contains(got.Message, "Untrusted certificate") {
		t.Errorf("CreateSession of another rootCA's certificate = %+v; want a denial", got)
	}
	if got := try(&certified{web.cert, ecKey(t)}); got.status != 403 || len(got.CredentialSet) > 0 {
		t.Errorf("CreateSession with another key = %+v; want a denial", got)
	}
	if got := s.createSession(web, *anchor.TrustAnchorArn, *profile.ProfileArn, strings.Replace(*role.Arn, "role/web", "role/none", 1), "{}"); got.status != 403 {
		t.Errorf("CreateSession of a role outside of the profile = %+v; want a denial", got)
	}

	// What is revoked, and what is turned off, gets nothing from then on.
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now(), NextUpdate: time.Now().Add(time.Hour),
		RevokedCertificateEntries: []x509.RevocationListEntry{{SerialNumber: web.cert.SerialNumber, RevocationTime: time.Now()}}}, ca.cert, ca.key)
	check(t, "CreateRevocationList", err)
	crl := iamOK(client.ImportCrl(ctx, &rolesanywhere.ImportCrlInput{Name: aws.String("crl"), TrustAnchorArn: anchor.TrustAnchorArn, CrlData: der}))(t).Crl
	if got := try(web); got.status != 201 {
		t.Errorf("CreateSession under a disabled revocation list = %+v", got)
	}
	iamOK(client.EnableCrl(ctx, &rolesanywhere.EnableCrlInput{CrlId: crl.CrlId}))(t)
	if got := try(web); got.status != 403 {
		t.Errorf("CreateSession of a revoked certificate = %+v; want a denial", got)
	}
	fresh := ca.issue("web", ecKey(t))
	if got := try(fresh); got.status != 201 {
		t.Errorf("CreateSession of another certificate = %+v", got)
	}
	iamOK(client.DisableProfile(ctx, &rolesanywhere.DisableProfileInput{ProfileId: profile.ProfileId}))(t)
	if got := try(fresh); got.status != 403 {
		t.Errorf("CreateSession with a disabled profile = %+v; want a denial", got)
	}
	iamOK(client.EnableProfile(ctx, &rolesanywhere.EnableProfileInput{ProfileId: profile.ProfileId}))(t)
	iamOK(client.DisableTrustAnchor(ctx, &rolesanywhere.DisableTrustAnchorInput{TrustAnchorId: anchor.TrustAnchorId}))(t)
	if got := try(fresh); got.status != 403 {
		t.Errorf("CreateSession with a disabled trust anchor = %+v; want a denial", got)
	}
	if got := iamOK(client.ListTrustAnchors(ctx, nil))(t).TrustAnchors; len(got) != 1 || *got[0].Enabled {
		t.Errorf("ListTrustAnchors = %+v", got)
	}
	_, err = client.GetProfile(ctx, &rolesanywhere.GetProfileInput{ProfileId: aws.String("00000000-0000-0000-0000-000000000000")})
	iamRefused[*anytypes.ResourceNotFoundException](t, "GetProfile", err, 404)
	_, err = client.ListSubjects(ctx, nil)
	wantCode(t, "ListSubjects", err, "NotImplemented")
	iamOK(client.TagResource(ctx, &rolesanywhere.TagResourceInput{ResourceArn: profile.ProfileArn, Tags: []anytypes.Tag{{Key: aws.String("a"), Value: aws.String("b")}}}))(t)
	if got := iamOK(client.ListTagsForResource(ctx, &rolesanywhere.ListTagsForResourceInput{ResourceArn: profile.ProfileArn}))(t).Tags; len(got) != 1 {
		t.Errorf("ListTagsForResource = %+v", got)
	}
	iamOK(client.PutAttributeMapping(ctx, &rolesanywhere.PutAttributeMappingInput{ProfileId: profile.ProfileId, CertificateField: anytypes.CertificateFieldX509Issuer,
		MappingRules: []anytypes.MappingRule{{Specifier: aws.String("CN")}}}))(t)
	if got := iamOK(client.DeleteAttributeMapping(ctx, &rolesanywhere.DeleteAttributeMappingInput{ProfileId: profile.ProfileId, CertificateField: anytypes.CertificateFieldX509SAN,
		Specifiers: []string{"URI", "DNS"}}))(t).Profile; len(got.AttributeMappings) != 3 || len(got.AttributeMappings[1].MappingRules) != 1 {
		t.Errorf("DeleteAttributeMapping = %+v", got)
	}
	iamOK(client.EnableTrustAnchor(ctx, &rolesanywhere.EnableTrustAnchorInput{TrustAnchorId: anchor.TrustAnchorId}))(t)
	if got := try(fresh); got.status != 403 {
		t.Errorf("CreateSession without the mappings that the trust policy asks for = %+v; want a denial", got)
	}
	iamOK(client.DeleteTrustAnchor(ctx, &rolesanywhere.DeleteTrustAnchorInput{TrustAnchorId: anchor.TrustAnchorId}))(t)
	if got := iamOK(client.ListCrls(ctx, nil))(t).Crls; len(got) != 0 {
		t.Errorf("ListCrls after the trust anchor is gone = %+v", got)
	}
}
