package conformance

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// sdkgo holds what the AWS SDK for Go is tried with. Those marked fips are also
// run against a server that may use approved cryptography only.
var sdkgo = []struct {
	name string
	fips bool
	run  func(*testing.T, *sdk)
}{
	{"buckets", true, testBuckets},
	{"bucket configurations", false, testBucketConfigurations},
	{"bucket encryption", false, testBucketEncryption},
	{"tagging", true, testTagging},
	{"objects", true, testObjects},
	{"ranges", false, testRanges},
	{"conditions on reads", false, testReadConditions},
	{"conditions on writes", false, testWriteConditions},
	{"deletes", false, testDeletes},
	{"keys", false, testKeys},
	{"listings", false, testListings},
	{"versions", false, testVersions},
	{"suspended versioning", false, testSuspended},
	{"attributes", false, testAttributes},
	{"checksums", true, testChecksums},
	{"multipart", true, testMultipart},
	{"multipart refusals", false, testMultipartRefusals},
	{"multipart listings", false, testMultipartListings},
	{"copies", false, testCopies},
	{"copies in place", false, testCopiesInPlace},
	{"copies of parts", false, testPartCopies},
	{"SSE-S3 and SSE-KMS", true, testSealing},
	{"encryption context", true, testEncryptionContext},
	{"bucket default", false, testBucketDefault},
	{"SSE-C", false, testCustomerKeys},
	{"keys that can't be used", true, testUnusableKeys},
	{"UpdateObjectEncryption", false, testUpdateObjectEncryption},
	{"presigned", true, testPresigned},
	{"forms", false, testForms},
	{"KMS", true, testKMS},
}

// TestSDKGo tries the server with the AWS SDK for Go and its defaults: over HTTP,
// where it sums bodies ahead, and over TLS, where it sends them unsigned with a
// checksum in the trailer.
func TestSDKGo(t *testing.T) {
	for _, transport := range []struct {
		name string
		args []string
	}{
		{"http", nil},
		{"tls", []string{"--tls-self-signed"}},
	} {
		t.Run(transport.name, func(t *testing.T) {
			k := connect(t, start(t, transport.args...))
			for _, c := range sdkgo {
				t.Run(c.name, func(t *testing.T) { c.run(t, k) })
			}
		})
	}
}

// TestFIPS runs a server in the strictest mode of Go's FIPS 140-3 module, in
// which every use of other cryptography panics or fails.
func TestFIPS(t *testing.T) {
	before := os.Getenv("GODEBUG")
	t.Setenv("GODEBUG", "fips140=only")
	s := start(t, "--tls-self-signed")
	t.Setenv("GODEBUG", before)
	k := connect(t, s)
	// ChaCha20 is not approved: who offers nothing else is turned away.
	_, err := tls.Dial("tcp", strings.TrimPrefix(s.endpoint, "https://"), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12,
		CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256}})
	if err == nil || !strings.Contains(err.Error(), "handshake failure") {
		t.Errorf("TLS with ChaCha20 only = %v; want a handshake failure", err)
	}
	for _, c := range sdkgo {
		if c.fips {
			t.Run(c.name, func(t *testing.T) { c.run(t, k) })
		}
	}
}

// TestVirtualHosts gives each bucket a host of its own, as the SDK does unless it
// is told otherwise.
func TestVirtualHosts(t *testing.T) {
	s := start(t, "--domain", "s3.example.test", "--domain", "example.test")
	at := strings.TrimPrefix(s.endpoint, "http://")
	dial := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (conn, error) {
			return dialer.DialContext(ctx, network, at)
		},
	}}
	for _, domain := range []string{"s3.example.test", "example.test"} {
		t.Run(domain, func(t *testing.T) {
			c := s.s3(func(o *s3.Options) {
				o.BaseEndpoint, o.UsePathStyle, o.HTTPClient = aws.String("http://"+domain), false, dial
			}, defaults)
			k := &sdk{server: s, s3: c, http: dial}
			b := k.bucket(t)
			for _, key := range []string{"plain", "/leading", b + "/" + b, "a//b", "..", "é +"} {
				k.put(t, b, key, "body of "+key)
				if got, _ := k.get(t, b, key); got != "body of "+key {
					t.Errorf("object %q = %q; want its body", key, got)
				}
			}
			l, err := c.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &b})
			check(t, "ListObjectsV2", err)
			want(t, "KeyCount", *l.KeyCount, 6)
			// The same objects, by path.
			path := s.s3()
			out, err := path.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &b, Key: aws.String("a//b")})
			check(t, "GetObject by path", err)
			want(t, "body by path", read(t, out.Body), "body of a//b")
			p, err := s3.NewPresignClient(c).PresignGetObject(t.Context(), &s3.GetObjectInput{Bucket: &b, Key: aws.String("é +")})
			check(t, "PresignGetObject", err)
			res, err := dial.Get(p.URL)
			check(t, "GET of a presigned URL", err)
			want(t, "presigned body", read(t, res.Body), "body of é +")
		})
	}
}

// An sdk is a server with clients that trust its certificate.
type sdk struct {
	*server
	s3   *s3.Client
	kms  *kms.Client
	http *http.Client
}

// connect returns clients of s with the SDK's defaults.
func connect(t testing.TB, s *server) *sdk {
	t.Helper()
	k := &sdk{server: s, http: httpClient(t, s)}
	k.s3 = s.s3(func(o *s3.Options) { o.HTTPClient = k.http }, defaults)
	k.kms = kms.New(kms.Options{BaseEndpoint: &s.endpoint, Region: s.region, Credentials: s.credentials(), HTTPClient: k.http})
	return k
}

// defaults sets what clients have that are made of a loaded configuration.
func defaults(o *s3.Options) {
	o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenSupported
	o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenSupported
}

// httpClient returns a client that trusts the server's own authority and follows
// no redirects.
func httpClient(t testing.TB, s *server) *http.Client {
	t.Helper()
	tr := &http.Transport{DisableCompression: true}
	if strings.HasPrefix(s.endpoint, "https:") {
		pem, err := os.ReadFile(filepath.Join(s.dir, "tls", "ca.pem"))
		if err != nil {
			t.Fatal(err)
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(pem)
		tr.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// check fails the test if err is not nil.
func check(t testing.TB, doing string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s = %v; want no error", doing, err)
	}
}

func want[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s = %v; want %v", what, got, want)
	}
}

// wantStatus fails the test unless err is an answer of that status.
func wantStatus(t testing.TB, doing string, err error, status int) {
	t.Helper()
	var r *smithyhttp.ResponseError
	if !errors.As(err, &r) || r.HTTPStatusCode() != status {
		t.Errorf("%s = %v; want status %d", doing, err, status)
	}
}

// refused fails the test unless err has the code and a message.
func refused(t testing.TB, doing string, err error, code string) {
	t.Helper()
	wantCode(t, doing, err, code)
	var api smithy.APIError
	if errors.As(err, &api) && strings.TrimSpace(api.ErrorMessage()) == "" {
		t.Errorf("%s = %v without a message, which crashes the AWS CLI", doing, err)
	}
}

func read(t testing.TB, r io.ReadCloser) string {
	t.Helper()
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("read a body: %v", err)
	}
	return string(b)
}

var notInBucket = regexp.MustCompile(`[^a-z0-9]+`)

// bucketName returns a name made of the test's.
func bucketName(t testing.TB) string {
	name := strings.Trim(notInBucket.ReplaceAllString(strings.ToLower(t.Name()), "-"), "-")
	if len(name) > 60 {
		name = strings.Trim(name[len(name)-60:], "-")
	}
	return name
}

// bucket makes a bucket that is named for the test.
func (k *sdk) bucket(t testing.TB, suffix ...string) string {
	t.Helper()
	name := bucketName(t) + strings.Join(suffix, "")
	_, err := k.s3.CreateBucket(context.Background(), &s3.CreateBucketInput{Bucket: &name})
	check(t, "CreateBucket "+name, err)
	return name
}

// allowSSEC lets a bucket take SSE-C.
func (k *sdk) allowSSEC(t testing.TB, bucket string) {
	t.Helper()
	_, err := k.s3.PutBucketEncryption(context.Background(), &s3.PutBucketEncryptionInput{Bucket: &bucket,
		ServerSideEncryptionConfiguration: rule("AES256", "", "NONE")})
	check(t, "PutBucketEncryption", err)
}

// rule returns a default encryption of one rule.
func rule(algorithm, keyID string, blocked ...types.EncryptionType) *types.ServerSideEncryptionConfiguration {
	r := types.ServerSideEncryptionRule{ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{
		SSEAlgorithm: types.ServerSideEncryption(algorithm)}}
	if keyID != "" {
		r.ApplyServerSideEncryptionByDefault.KMSMasterKeyID = &keyID
	}
	if len(blocked) > 0 {
		r.BlockedEncryptionTypes = &types.BlockedEncryptionTypes{EncryptionType: blocked}
	}
	return &types.ServerSideEncryptionConfiguration{Rules: []types.ServerSideEncryptionRule{r}}
}

func (k *sdk) version(t testing.TB, bucket string, status types.BucketVersioningStatus) {
	t.Helper()
	_, err := k.s3.PutBucketVersioning(context.Background(), &s3.PutBucketVersioningInput{Bucket: &bucket,
		VersioningConfiguration: &types.VersioningConfiguration{Status: status}})
	check(t, "PutBucketVersioning", err)
}

func (k *sdk) put(t testing.TB, bucket, key, body string, opts ...func(*s3.PutObjectInput)) *s3.PutObjectOutput {
	t.Helper()
	in := &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(body)}
	for _, o := range opts {
		o(in)
	}
	out, err := k.s3.PutObject(context.Background(), in)
	check(t, "PutObject "+key, err)
	return out
}

func (k *sdk) get(t testing.TB, bucket, key string, opts ...func(*s3.GetObjectInput)) (string, *s3.GetObjectOutput) {
	t.Helper()
	in := &s3.GetObjectInput{Bucket: &bucket, Key: &key}
	for _, o := range opts {
		o(in)
	}
	out, err := k.s3.GetObject(context.Background(), in)
	check(t, "GetObject "+key, err)
	return read(t, out.Body), out
}

func (k *sdk) getErr(bucket, key string, opts ...func(*s3.GetObjectInput)) error {
	in := &s3.GetObjectInput{Bucket: &bucket, Key: &key}
	for _, o := range opts {
		o(in)
	}
	out, err := k.s3.GetObject(context.Background(), in)
	if err == nil {
		out.Body.Close()
	}
	return err
}

func (k *sdk) head(t testing.TB, bucket, key string) *s3.HeadObjectOutput {
	t.Helper()
	out, err := k.s3.HeadObject(context.Background(), &s3.HeadObjectInput{Bucket: &bucket, Key: &key})
	check(t, "HeadObject "+key, err)
	return out
}

// key makes a KMS key and returns its ARN.
func (k *sdk) key(t testing.TB) string {
	t.Helper()
	out, err := k.kms.CreateKey(context.Background(), &kms.CreateKeyInput{})
	check(t, "CreateKey", err)
	return *out.KeyMetadata.Arn
}

func testBuckets(t *testing.T, k *sdk) {
	ctx := t.Context()
	create := func(c *s3.Client, name, constraint string) error {
		in := &s3.CreateBucketInput{Bucket: &name}
		if constraint != "" {
			in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(constraint)}
		}
		_, err := c.CreateBucket(ctx, in)
		return err
	}
	b := k.bucket(t)
	// us-east-1 alone takes the creation of one's own bucket, and changes nothing.
	if err := create(k.s3, b, ""); err != nil {
		t.Errorf("CreateBucket of one's own = %v; want nil", err)
	}
	refused(t, "CreateBucket of one's own, elsewhere", create(k.s3, b, "eu-west-1"), "BucketAlreadyOwnedByYou")
	for _, name := range []string{"ab", "Upper", "under_score", "192.168.1.1", "a..b", "-a-b", strings.Repeat("a", 64)} {
		refused(t, "CreateBucket "+name, create(k.s3, name, ""), "InvalidBucketName")
	}

	west := k.server.s3(func(o *s3.Options) { o.HTTPClient, o.Region = k.http, "eu-west-1" })
	check(t, "CreateBucket in eu-west-1", create(k.s3, b+"-west", "eu-west-1"))
	check(t, "CreateBucket in EU", create(k.s3, b+"-eu", "EU"))
	refused(t, "CreateBucket in us-east-1 by name", create(k.s3, b+"-x", "us-east-1"), "InvalidLocationConstraint")
	refused(t, "CreateBucket nowhere", create(k.s3, b+"-x", "nowhere"), "InvalidLocationConstraint")
	refused(t, "CreateBucket without a constraint in eu-west-1", create(west, b+"-x", ""), "IllegalLocationConstraintException")
	refused(t, "CreateBucket of another region in eu-west-1", create(west, b+"-x", "us-west-2"), "IllegalLocationConstraintException")

	for name, region := range map[string]string{b: "", b + "-west": "eu-west-1", b + "-eu": "eu-west-1"} {
		loc, err := k.s3.GetBucketLocation(ctx, &s3.GetBucketLocationInput{Bucket: &name})
		check(t, "GetBucketLocation", err)
		want(t, "location of "+name, string(loc.LocationConstraint), region)
	}
	head, err := k.s3.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &b})
	check(t, "HeadBucket", err)
	want(t, "BucketRegion", *head.BucketRegion, "us-east-1")
	_, err = k.s3.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: aws.String(b + "-none")})
	wantStatus(t, "HeadBucket of none", err, 404)
	_, err = west.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: aws.String(b + "-west")})
	check(t, "HeadBucket in its region", err)
	// Clients that ask in the wrong region learn the right one.
	_, err = k.s3.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: aws.String(b + "-west")})
	if code := code(err); code != "PermanentRedirect" && code != "AuthorizationHeaderMalformed" {
		t.Errorf("ListObjectsV2 in another region = %v; want PermanentRedirect or AuthorizationHeaderMalformed", err)
	}
	var r *smithyhttp.ResponseError
	if errors.As(err, &r) {
		want(t, "x-amz-bucket-region", r.Response.Header.Get("x-amz-bucket-region"), "eu-west-1")
	}

	var names []string
	pages := s3.NewListBucketsPaginator(k.s3, &s3.ListBucketsInput{Prefix: &b, MaxBuckets: aws.Int32(2)})
	n := 0
	for ; pages.HasMorePages(); n++ {
		p, err := pages.NextPage(ctx)
		check(t, "ListBuckets", err)
		for _, b := range p.Buckets {
			names = append(names, *b.Name)
		}
	}
	want(t, "ListBuckets", strings.Join(names, " "), b+" "+b+"-eu "+b+"-west")
	want(t, "pages of ListBuckets", n, 2)
	l, err := k.s3.ListBuckets(ctx, &s3.ListBucketsInput{Prefix: &b, BucketRegion: aws.String("eu-west-1")})
	check(t, "ListBuckets", err)
	want(t, "buckets in eu-west-1", len(l.Buckets), 2)

	k.put(t, b, "o", "x")
	_, err = k.s3.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &b})
	refused(t, "DeleteBucket of one with objects", err, "BucketNotEmpty")
	_, err = k.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b, Key: aws.String("o")})
	check(t, "DeleteObject", err)
	_, err = k.s3.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &b})
	check(t, "DeleteBucket", err)
	refused(t, "GetObject in a deleted bucket", k.getErr(b, "o"), "NoSuchBucket")
	_, err = k.s3.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &b, ExpectedBucketOwner: aws.String("111122223333")})
	wantStatus(t, "HeadBucket of a deleted one", err, 404)
}

// testBucketConfigurations reads what Terraform and others read of a new bucket.
func testBucketConfigurations(t *testing.T, k *sdk) {
	ctx := t.Context()
	b := k.bucket(t)
	errOf := func(_ any, err error) error { return err }
	for name, c := range map[string]struct {
		err  error
		code string
	}{
		"policy":         {errOf(k.s3.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: &b})), "NoSuchBucketPolicy"},
		"policy status":  {errOf(k.s3.GetBucketPolicyStatus(ctx, &s3.GetBucketPolicyStatusInput{Bucket: &b})), "NoSuchBucketPolicy"},
		"cors":           {errOf(k.s3.GetBucketCors(ctx, &s3.GetBucketCorsInput{Bucket: &b})), "NoSuchCORSConfiguration"},
		"website":        {errOf(k.s3.GetBucketWebsite(ctx, &s3.GetBucketWebsiteInput{Bucket: &b})), "NoSuchWebsiteConfiguration"},
		"lifecycle":      {errOf(k.s3.GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: &b})), "NoSuchLifecycleConfiguration"},
		"replication":    {errOf(k.s3.GetBucketReplication(ctx, &s3.GetBucketReplicationInput{Bucket: &b})), "ReplicationConfigurationNotFoundError"},
		"lock":           {errOf(k.s3.GetObjectLockConfiguration(ctx, &s3.GetObjectLockConfigurationInput{Bucket: &b})), "ObjectLockConfigurationNotFoundError"},
		"tagging":        {errOf(k.s3.GetBucketTagging(ctx, &s3.GetBucketTaggingInput{Bucket: &b})), "NoSuchTagSet"},
		"acl":            {errOf(k.s3.GetBucketAcl(ctx, &s3.GetBucketAclInput{Bucket: &b})), ""},
		"logging":        {errOf(k.s3.GetBucketLogging(ctx, &s3.GetBucketLoggingInput{Bucket: &b})), ""},
		"accelerate":     {errOf(k.s3.GetBucketAccelerateConfiguration(ctx, &s3.GetBucketAccelerateConfigurationInput{Bucket: &b})), ""},
		"notification":   {errOf(k.s3.GetBucketNotificationConfiguration(ctx, &s3.GetBucketNotificationConfigurationInput{Bucket: &b})), ""},
		"missing bucket": {errOf(k.s3.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: aws.String(b + "-none")})), "NoSuchBucket"},
	} {
		if c.code == "" {
			check(t, "get "+name, c.err)
		} else {
			refused(t, "get "+name, c.err, c.code)
		}
	}
	pay, err := k.s3.GetBucketRequestPayment(ctx, &s3.GetBucketRequestPaymentInput{Bucket: &b})
	check(t, "GetBucketRequestPayment", err)
	want(t, "payer", pay.Payer, types.PayerBucketOwner)
	block, err := k.s3.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: &b})
	check(t, "GetPublicAccessBlock", err)
	if c := block.PublicAccessBlockConfiguration; !*c.BlockPublicAcls || !*c.BlockPublicPolicy || !*c.IgnorePublicAcls || !*c.RestrictPublicBuckets {
		t.Errorf("public access block = %+v; want all four", c)
	}
	own, err := k.s3.GetBucketOwnershipControls(ctx, &s3.GetBucketOwnershipControlsInput{Bucket: &b})
	check(t, "GetBucketOwnershipControls", err)
	want(t, "ownership", own.OwnershipControls.Rules[0].ObjectOwnership, types.ObjectOwnershipBucketOwnerEnforced)
	// What could not be kept is refused, never ignored.
	_, err = k.s3.PutBucketWebsite(ctx, &s3.PutBucketWebsiteInput{Bucket: &b, WebsiteConfiguration: &types.WebsiteConfiguration{}})
	refused(t, "PutBucketWebsite", err, "NotImplemented")
	k.put(t, b, "o", "x")
	_, err = k.s3.PutObjectAcl(ctx, &s3.PutObjectAclInput{Bucket: &b, Key: aws.String("o"), ACL: "public-read"})
	refused(t, "PutObjectAcl", err, "AccessControlListNotSupported")
	_, err = k.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: &b, Key: aws.String("o"), ACL: "public-read"})
	refused(t, "PutObject with an ACL", err, "AccessControlListNotSupported")
	_, err = k.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: &b, Key: aws.String("o"), ObjectLockMode: "COMPLIANCE",
		ObjectLockRetainUntilDate: aws.Time(time.Now().Add(time.Hour))})
	refused(t, "PutObject with a lock", err, "InvalidRequest")
}

func testTagging(t *testing.T, k *sdk) {
	ctx := t.Context()
	b := k.bucket(t)
	tags := func(kv ...string) *types.Tagging {
		var out types.Tagging
		for i := 0; i < len(kv); i += 2 {
			out.TagSet = append(out.TagSet, types.Tag{Key: &kv[i], Value: &kv[i+1]})
		}
		return &out
	}
	show := func(set []types.Tag) string {
		var out []string
		for _, t := range set {
			out = append(out, *t.Key+"="+*t.Value)
		}
		return strings.Join(out, " ")
	}
	_, err := k.s3.PutBucketTagging(ctx, &s3.PutBucketTaggingInput{Bucket: &b, Tagging: tags("team", "a & b", "é", "")})
	check(t, "PutBucketTagging", err)
	bt, err := k.s3.GetBucketTagging(ctx, &s3.GetBucketTaggingInput{Bucket: &b})
	check(t, "GetBucketTagging", err)
	want(t, "bucket tags", show(bt.TagSet), "team=a & b é=")
	_, err = k.s3.DeleteBucketTagging(ctx, &s3.DeleteBucketTaggingInput{Bucket: &b})
	check(t, "DeleteBucketTagging", err)
	_, err = k.s3.GetBucketTagging(ctx, &s3.GetBucketTaggingInput{Bucket: &b})
	refused(t, "GetBucketTagging of none", err, "NoSuchTagSet")

	k.put(t, b, "o", "x", func(in *s3.PutObjectInput) { in.Tagging = aws.String("a=1&b=x%20y") })
	_, out := k.get(t, b, "o")
	want(t, "TagCount", aws.ToInt32(out.TagCount), 2)
	ot, err := k.s3.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: &b, Key: aws.String("o")})
	check(t, "GetObjectTagging", err)
	want(t, "object tags", show(ot.TagSet), "a=1 b=x y")
	_, err = k.s3.PutObjectTagging(ctx, &s3.PutObjectTaggingInput{Bucket: &b, Key: aws.String("o"), Tagging: tags("c", "3")})
	check(t, "PutObjectTagging", err)
	ot, err = k.s3.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: &b, Key: aws.String("o")})
	check(t, "GetObjectTagging", err)
	want(t, "object tags after a put", show(ot.TagSet), "c=3")
	_, err = k.s3.DeleteObjectTagging(ctx, &s3.DeleteObjectTaggingInput{Bucket: &b, Key: aws.String("o")})
	check(t, "DeleteObjectTagging", err)
	ot, err = k.s3.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: &b, Key: aws.String("o")})
	check(t, "GetObjectTagging", err)
	want(t, "object tags after a delete", len(ot.TagSet), 0)

	var eleven []string
	for i := range 11 {
		eleven = append(eleven, string(rune('a'+i)), "v")
	}
	for name, c := range map[string]struct {
		tags *types.Tagging
		code string
	}{
		"eleven":      {tags(eleven...), "BadRequest"},
		"a duplicate": {tags("a", "1", "a", "2"), "InvalidTag"},
		"AWS's own":   {tags("aws:x", "1"), "InvalidTag"},
		"a long key":  {tags(strings.Repeat("k", 129), "1"), "InvalidTag"},
	} {
		_, err = k.s3.PutObjectTagging(ctx, &s3.PutObjectTaggingInput{Bucket: &b, Key: aws.String("o"), Tagging: c.tags})
		refused(t, "PutObjectTagging with "+name, err, c.code)
	}
	_, err = k.s3.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: &b, Key: aws.String("none")})
	refused(t, "GetObjectTagging of no object", err, "NoSuchKey")
}

// testBucketEncryption is about the default encryption of a bucket, and the block
// of SSE-C in it that new buckets have.
//
// Source: Amazon S3 User Guide, "Blocking or unblocking SSE-C for a general
// purpose bucket", read 2026-11-21, and recorded answers.
func testBucketEncryption(t *testing.T, k *sdk) {
	ctx := t.Context()
	b := k.bucket(t)
	show := func() string {
		t.Helper()
		out, err := k.s3.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: &b})
		check(t, "GetBucketEncryption", err)
		r := out.ServerSideEncryptionConfiguration.Rules[0]
		s := string(r.ApplyServerSideEncryptionByDefault.SSEAlgorithm) + " " + aws.ToString(r.ApplyServerSideEncryptionByDefault.KMSMasterKeyID)
		if r.BucketKeyEnabled == nil {
			t.Error("BucketKeyEnabled is missing")
		} else if *r.BucketKeyEnabled {
			s += " bucket-key"
		}
		if r.BlockedEncryptionTypes != nil {
			for _, b := range r.BlockedEncryptionTypes.EncryptionType {
				s += " blocks:" + string(b)
			}
		}
		return s
	}
	put := func(c *types.ServerSideEncryptionConfiguration) error {
		_, err := k.s3.PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{Bucket: &b, ServerSideEncryptionConfiguration: c})
		return err
	}
	want(t, "encryption of a new bucket", show(), "AES256  blocks:SSE-C")
	check(t, "put NONE", put(rule("AES256", "", "NONE")))
	want(t, "encryption after NONE", show(), "AES256  blocks:NONE")
	check(t, "put without blocks", put(rule("AES256", "")))
	want(t, "encryption after an omission", show(), "AES256  blocks:SSE-C")

	key := k.key(t)
	for _, id := range []string{key, key[strings.LastIndex(key, "/")+1:], "alias/not/yet/made"} {
		c := rule("aws:kms", id, "SSE-C")
		c.Rules[0].BucketKeyEnabled = aws.Bool(true)
		check(t, "put "+id, put(c))
		// What was put is echoed, not what it resolves to.
		want(t, "encryption", show(), "aws:kms "+id+" bucket-key blocks:SSE-C")
	}
	check(t, "put aws:kms:dsse", put(rule("aws:kms:dsse", "")))
	want(t, "encryption", show(), "aws:kms:dsse  blocks:SSE-C")

	before := show()
	two := rule("AES256", "")
	two.Rules = append(two.Rules, two.Rules[0])
	for name, c := range map[string]struct {
		conf *types.ServerSideEncryptionConfiguration
		code string
	}{
		"two rules":           {two, "MalformedXML"},
		"no rules":            {&types.ServerSideEncryptionConfiguration{Rules: []types.ServerSideEncryptionRule{}}, "MalformedXML"},
		"a key with AES256":   {rule("AES256", key), "InvalidArgument"},
		"an unknown method":   {rule("aws:fsx:x", ""), "MalformedXML"},
		"NONE twice":          {rule("AES256", "", "NONE", "NONE"), "InvalidArgument"},
		"NONE and SSE-C":      {rule("AES256", "", "NONE", "SSE-C"), "InvalidArgument"},
		"AES256 as a block":   {rule("AES256", "", "AES256"), "MalformedXML"},
		"no element in block": {rule("AES256", "", types.EncryptionType("")), "MalformedXML"},
	} {
		refused(t, "PutBucketEncryption with "+name, put(c.conf), c.code)
		want(t, "encryption after a refusal", show(), before)
	}
	status, body := k.signed(t, "PUT", "/"+b+"?encryption", `<ServerSideEncryptionConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Rule>`+
		`<ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault><BlockedEncryptionTypes/></Rule>`+
		`</ServerSideEncryptionConfiguration>`)
	if status != 400 || !strings.Contains(body, "<Code>InvalidArgument</Code>") {
		t.Errorf("PutBucketEncryption with an empty block = %d %s; want 400 InvalidArgument", status, body)
	}
	for range 2 {
		_, err := k.s3.DeleteBucketEncryption(ctx, &s3.DeleteBucketEncryptionInput{Bucket: &b})
		check(t, "DeleteBucketEncryption", err)
		want(t, "encryption after a delete", show(), "AES256  blocks:SSE-C")
	}
}

// signed sends a request signed by hand and returns its status and body.
func (k *sdk) signed(t testing.TB, method, target, body string, header ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, k.endpoint+target, bytes.NewReader([]byte(body)))
	check(t, "NewRequest", err)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	k.sign(t, req, hexSHA256([]byte(body)))
	return k.send(t, req)
}

// send sends a request and returns its status and body.
func (k *sdk) send(t testing.TB, req *http.Request) (int, string) {
	t.Helper()
	res, err := k.http.Do(req)
	check(t, req.Method+" "+req.URL.Path, err)
	return res.StatusCode, read(t, res.Body)
}
