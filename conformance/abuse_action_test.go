package conformance

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// rights gives a user an inline policy instead of the one it has.
func (s *server) rights(t testing.TB, user, policy string) {
	t.Helper()
	_, err := s.iam().PutUserPolicy(t.Context(), &iam.PutUserPolicyInput{UserName: &user, PolicyName: aws.String("p"), PolicyDocument: &policy})
	check(t, "PutUserPolicy", err)
}

// actions are the actions that requests to S3 need, each alone enough.
//
// Source: Service Authorization Reference, "Actions, resources, and condition keys for
// Amazon S3"; Amazon S3 User Guide, "Required permissions for Amazon S3 API
// operations"; read 2026-11-21.
var actions = []struct{ method, target, body, action string }{
	{"GET", "/", "", "ListAllMyBuckets"},
	{"PUT", "/actions-made", "", "CreateBucket"},
	{"DELETE", "/actions", "", "DeleteBucket"}, // it is not empty
	{"HEAD", "/actions", "", "ListBucket"},
	{"GET", "/actions", "", "ListBucket"},
	{"GET", "/actions?list-type=2", "", "ListBucket"},
	{"GET", "/actions?versions", "", "ListBucketVersions"},
	{"GET", "/actions?uploads", "", "ListBucketMultipartUploads"},
	{"GET", "/actions?location", "", "GetBucketLocation"},
	{"GET", "/actions?versioning", "", "GetBucketVersioning"},
	{"PUT", "/actions?versioning", "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>", "PutBucketVersioning"},
	{"GET", "/actions?encryption", "", "GetEncryptionConfiguration"},
	{"DELETE", "/actions?encryption", "", "PutEncryptionConfiguration"},
	{"GET", "/actions?tagging", "", "GetBucketTagging"},
	{"PUT", "/actions?tagging", "<Tagging><TagSet/></Tagging>", "PutBucketTagging"},
	{"DELETE", "/actions?tagging", "", "PutBucketTagging"},
	{"GET", "/actions?policy", "", "GetBucketPolicy"},
	{"PUT", "/actions?policy", allowing(`{"AWS":"123456789012"}`, "s3:ListBucket", "actions"), "PutBucketPolicy"},
	{"DELETE", "/actions?policy", "", "DeleteBucketPolicy"},
	{"GET", "/actions?policyStatus", "", "GetBucketPolicyStatus"},
	{"GET", "/actions?publicAccessBlock", "", "GetBucketPublicAccessBlock"},
	{"PUT", "/actions?publicAccessBlock", "<PublicAccessBlockConfiguration><BlockPublicPolicy>true</BlockPublicPolicy></PublicAccessBlockConfiguration>", "PutBucketPublicAccessBlock"},
	{"DELETE", "/actions?publicAccessBlock", "", "PutBucketPublicAccessBlock"},
	{"GET", "/actions?ownershipControls", "", "GetBucketOwnershipControls"},
	{"DELETE", "/actions?ownershipControls", "", "PutBucketOwnershipControls"},
	{"GET", "/actions?acl", "", "GetBucketAcl"},
	{"GET", "/actions?cors", "", "GetBucketCORS"},
	{"GET", "/actions?website", "", "GetBucketWebsite"},
	{"GET", "/actions?logging", "", "GetBucketLogging"},
	{"GET", "/actions?lifecycle", "", "GetLifecycleConfiguration"},
	{"GET", "/actions?replication", "", "GetReplicationConfiguration"},
	{"GET", "/actions?object-lock", "", "GetBucketObjectLockConfiguration"},
	{"GET", "/actions?notification", "", "GetBucketNotification"},
	{"POST", "/actions?delete", "<Delete><Object><Key>none</Key></Object></Delete>", "DeleteObject"},
	{"POST", "/actions?delete", "<Delete><Object><Key>none</Key><VersionId>null</VersionId></Object></Delete>", "DeleteObjectVersion"},
	{"GET", "/actions/o", "", "GetObject"},
	{"HEAD", "/actions/o", "", "GetObject"},
	{"GET", "/actions/o?versionId=VERSION", "", "GetObjectVersion"},
	{"HEAD", "/actions/o?versionId=VERSION", "", "GetObjectVersion"},
	{"GET", "/actions/o?partNumber=1", "", "GetObject"},
	{"GET", "/actions/o?tagging", "", "GetObjectTagging"},
	{"GET", "/actions/o?tagging&versionId=VERSION", "", "GetObjectVersionTagging"},
	{"PUT", "/actions/o?tagging", "<Tagging><TagSet/></Tagging>", "PutObjectTagging"},
	{"PUT", "/actions/o?tagging&versionId=VERSION", "<Tagging><TagSet/></Tagging>", "PutObjectVersionTagging"},
	{"DELETE", "/actions/o?tagging", "", "DeleteObjectTagging"},
	{"DELETE", "/actions/o?tagging&versionId=VERSION", "", "DeleteObjectVersionTagging"},
	{"GET", "/actions/o?acl", "", "GetObjectAcl"},
	{"GET", "/actions/o?acl&versionId=VERSION", "", "GetObjectVersionAcl"},
	{"GET", "/actions/o?retention", "", "GetObjectRetention"},
	{"GET", "/actions/o?legal-hold", "", "GetObjectLegalHold"},
	{"PUT", "/actions/new", "x", "PutObject"},
	{"POST", "/actions/new?uploads", "", "PutObject"},
	{"PUT", "/actions/new?uploadId=none&partNumber=1", "x", "PutObject"},
	{"POST", "/actions/new?uploadId=none", "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>x</ETag></Part></CompleteMultipartUpload>", "PutObject"},
	{"DELETE", "/actions/new?uploadId=none", "", "AbortMultipartUpload"},
	{"GET", "/actions/new?uploadId=none", "", "ListMultipartUploadParts"},
	{"DELETE", "/actions/none", "", "DeleteObject"},
	{"DELETE", "/actions/none?versionId=null", "", "DeleteObjectVersion"},
}

// TestActionOfEachRequest sends each request as a user who may do that action alone,
// and as one who may do all others. Servers read versions by the right to read the
// current one, and listed them by another right than their policies named (GHSA-3ppv
// and GHSA-x298 in RustFS).
func TestActionOfEachRequest(t *testing.T) {
	t.Parallel()
	k := besieged(t)
	b := "actions"
	_, err := k.s3.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &b})
	check(t, "CreateBucket", err)
	k.version(t, b, types.BucketVersioningStatusEnabled)
	version := *k.put(t, b, "o", "old").VersionId
	k.put(t, b, "o", "new")
	_, only := k.stsUser(t, "only", "")
	_, but := k.stsUser(t, "but", "")
	for _, a := range actions {
		n := knock{service: "s3", method: a.method, target: strings.Replace(a.target, "VERSION", url.QueryEscape(version), 1), body: a.body}
		if strings.HasSuffix(a.target, "?delete") {
			n.header = []string{"x-amz-checksum-crc32", encoded("CRC32", []byte(a.body))}
		}
		k.rights(t, "only", stsAllow(`"s3:`+a.action+`"`, `"*"`))
		k.rights(t, "but", `{"Version":"2012-10-17","Statement":[`+everything+`,{"Effect":"Deny","Action":"s3:`+a.action+`","Resource":"*"}]}`)
		doing := fmt.Sprintf("%s %s", a.method, a.target)
		if status, body := k.knock(t, but, n); status != 403 && !strings.HasSuffix(a.target, "?delete") || !strings.Contains(body, "AccessDenied") && a.method != "HEAD" {
			t.Errorf("%s by who may do all but %s = %d %s; want 403", doing, a.action, status, body)
		}
		if status, body := k.knock(t, only, n); status == 403 || status == 501 || strings.Contains(body, "AccessDenied") {
			t.Errorf("%s by who may do %s = %d %s; want it to be authorized", doing, a.action, status, body)
		}
	}
	// Both of what is in one request.
	for what, c := range map[string]struct {
		header []string
		action string
	}{
		"tags": {[]string{"x-amz-tagging", "a=b"}, "PutObjectTagging"}, "an ACL": {[]string{"x-amz-acl", "bucket-owner-full-control"}, "PutObjectAcl"},
		"a lock": {[]string{"x-amz-object-lock-mode", "GOVERNANCE", "x-amz-object-lock-retain-until-date", "2036-01-01T00:00:00Z"}, "PutObjectRetention"},
		"a hold": {[]string{"x-amz-object-lock-legal-hold", "ON"}, "PutObjectLegalHold"},
	} {
		k.rights(t, "but", `{"Version":"2012-10-17","Statement":[`+everything+`,{"Effect":"Deny","Action":"s3:`+c.action+`","Resource":"*"}]}`)
		status, body := k.knock(t, but, knock{service: "s3", method: "PUT", target: "/actions/both", body: "x", header: c.header})
		told(t, "PutObject with "+what+" by who may do all but "+c.action, status, body, 403, "AccessDenied")
	}
	// Whoever may bypass nothing may not ask for it (CVE-2023-25812 in MinIO).
	k.rights(t, "but", `{"Version":"2012-10-17","Statement":[`+everything+`,{"Effect":"Deny","Action":"s3:BypassGovernanceRetention","Resource":"*"}]}`)
	for _, n := range []knock{{method: "DELETE", target: "/actions/o?versionId=" + url.QueryEscape(version)},
		{method: "POST", target: "/actions?delete", body: "<Delete><Object><Key>o</Key><VersionId>" + version + "</VersionId></Object></Delete>"}} {
		n.service, n.header = "s3", []string{"x-amz-bypass-governance-retention", "true", "x-amz-checksum-crc32", encoded("CRC32", []byte(n.body))}
		if status, body := k.knock(t, but, n); status != http.StatusForbidden && !strings.Contains(body, "AccessDenied") {
			t.Errorf("%s %s with a bypass that is denied = %d %s; want a refusal", n.method, n.target, status, body)
		}
	}
	if got, _ := k.get(t, b, "o", func(in *s3.GetObjectInput) { in.VersionId = &version }); got != "old" {
		t.Errorf("the old version = %q", got)
	}
	k.untouched(t)
}
