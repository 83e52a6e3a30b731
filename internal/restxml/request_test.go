package restxml

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"coffer/internal/awserr"
)

const xmlns = ` xmlns="http://s3.amazonaws.com/doc/2006-03-01/"`

// decoders holds every decoder, for what is true of all of them.
var decoders = map[string]func([]byte) (any, error){
	"CreateBucketConfiguration": func(b []byte) (any, error) { return DecodeCreateBucketConfiguration(b) },
	"VersioningConfiguration":   func(b []byte) (any, error) { return DecodeVersioningConfiguration(b) },
	"ServerSideEncryptionConfiguration": func(b []byte) (any, error) {
		return DecodeServerSideEncryptionConfiguration(b)
	},
	"Tagging":                 func(b []byte) (any, error) { return DecodeTagging(b) },
	"Delete":                  func(b []byte) (any, error) { return DecodeDelete(b) },
	"CompleteMultipartUpload": func(b []byte) (any, error) { return DecodeCompleteMultipartUpload(b) },
	"ObjectEncryption":        func(b []byte) (any, error) { return DecodeObjectEncryption(b) },
	"PublicAccessBlockConfiguration": func(b []byte) (any, error) {
		return DecodePublicAccessBlockConfiguration(b)
	},
	"OwnershipControls":   func(b []byte) (any, error) { return DecodeOwnershipControls(b) },
	"AccessControlPolicy": func(b []byte) (any, error) { return DecodeAccessControlPolicy(b) },
}

// accepted holds documents and what they mean; each is decoded with S3's
// namespace, with a declaration, and bare.
var accepted = []struct {
	name, root, in string
	want           any
}{
	{"a location", "CreateBucketConfiguration", "<LocationConstraint>eu-west-1</LocationConstraint>",
		&CreateBucketConfiguration{LocationConstraint: "eu-west-1"}},
	{"two switches", "PublicAccessBlockConfiguration", "<BlockPublicAcls>TRUE</BlockPublicAcls><RestrictPublicBuckets>true</RestrictPublicBuckets><IgnorePublicAcls>false</IgnorePublicAcls>",
		&PublicAccessBlockConfiguration{BlockPublicACLs: true, RestrictPublicBuckets: true}},
	{"ownership", "OwnershipControls", "<Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule>", &OwnershipControls{Rules: []string{"ObjectWriter"}}},
	{"a list", "AccessControlPolicy", `<Owner><ID>o</ID><DisplayName>d</DisplayName></Owner><AccessControlList><Grant>` +
		`<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"><ID>i</ID></Grantee><Permission>READ</Permission></Grant>` +
		`<Grant><Grantee><URI>u</URI></Grantee><Permission>WRITE</Permission></Grant></AccessControlList>`,
		&AccessControlPolicy{Owner: Owner{ID: "o", DisplayName: "d"}, Grants: []Grant{{ID: "i", Permission: "READ"}, {URI: "u", Permission: "WRITE"}}}},
	{"tags of a bucket", "CreateBucketConfiguration", "<Tags><Tag><Key>k</Key><Value>v</Value></Tag></Tags>",
		&CreateBucketConfiguration{Tags: []Tag{{"k", "v"}}}},
	{"a directory bucket", "CreateBucketConfiguration", "<Location><Name>x</Name><Type>AvailabilityZone</Type></Location>",
		&CreateBucketConfiguration{Unsupported: "Location"}},
	{"versioning", "VersioningConfiguration", "\n  <Status>Enabled</Status>\n  <MfaDelete>Disabled</MfaDelete>\n",
		&VersioningConfiguration{Status: "Enabled", MFADelete: "Disabled"}},
	{"nothing about versioning", "VersioningConfiguration", "", &VersioningConfiguration{}},
	{"default encryption", "ServerSideEncryptionConfiguration",
		"<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>k</KMSMasterKeyID></ApplyServerSideEncryptionByDefault>" +
			"<BlockedEncryptionTypes><EncryptionType>NONE</EncryptionType></BlockedEncryptionTypes><BucketKeyEnabled>true</BucketKeyEnabled></Rule>",
		&ServerSideEncryptionConfiguration{Rules: []EncryptionRule{{Algorithm: "aws:kms", KMSMasterKeyID: "k", BucketKeyEnabled: ptr(true), BlockedPresent: true, BlockedTypes: []string{"NONE"}}}}},
	{"no rules and an empty block", "ServerSideEncryptionConfiguration", "<Rule><BlockedEncryptionTypes/></Rule>",
		&ServerSideEncryptionConfiguration{Rules: []EncryptionRule{{BlockedPresent: true}}}},
	{"tags", "Tagging", "<TagSet><Tag><Key>a &amp; b</Key><Value/></Tag></TagSet>", &Tagging{Tags: []Tag{{"a & b", ""}}}},
	{"no tags", "Tagging", "<TagSet/>", &Tagging{}},
	{"objects to delete", "Delete", `<Object><Key>a
 b</Key></Object><Object><Key>&#1234;</Key><VersionId>v</VersionId><ETag>"e"</ETag><LastModifiedTime>Mon, 12 Oct 2009 17:50:30 GMT</LastModifiedTime><Size>0</Size></Object><Quiet>true</Quiet>`,
		&Delete{Quiet: true, Objects: []DeleteEntry{{Key: "a\n b"},
			{Key: "\u04d2", VersionID: "v", ETag: "e", LastModifiedTime: time.Date(2009, 10, 12, 17, 50, 30, 0, time.UTC), Size: ptr(int64(0))}}}},
	{"parts", "CompleteMultipartUpload", `<Part><PartNumber>1</PartNumber><ETag>"a"</ETag><ChecksumCRC32C>x</ChecksumCRC32C></Part><!-- two --><Part><ETag>b</ETag><PartNumber>7</PartNumber></Part>`,
		&CompleteMultipartUpload{Parts: []CompletedPart{{1, "a", []Checksum{{"CRC32C", "x"}}}, {7, "b", nil}}}},
	{"no parts", "CompleteMultipartUpload", "", &CompleteMultipartUpload{}},
	{"encryption of an object", "ObjectEncryption", "<SSE-KMS><KMSKeyArn>arn</KMSKeyArn><BucketKeyEnabled>true</BucketKeyEnabled></SSE-KMS>",
		&ObjectEncryption{KMSKeyARN: "arn", BucketKeyEnabled: true}},
	{"another encryption of an object", "ObjectEncryption", "<SSE-S3/>", &ObjectEncryption{Unsupported: "SSE-S3"}},
}

func TestDecode(t *testing.T) {
	for _, tt := range accepted {
		t.Run(tt.name, func(t *testing.T) {
			for _, in := range []string{
				"<" + tt.root + ">" + tt.in + "</" + tt.root + ">",
				declaration + "<" + tt.root + xmlns + ">" + tt.in + "</" + tt.root + ">\n",
			} {
				got, err := decoders[tt.root]([]byte(in))
				if err != nil || !reflect.DeepEqual(got, tt.want) {
					t.Errorf("decode %s = %+v, %v; want %+v", in, got, err, tt.want)
				}
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	many := func(s string, n int) string { return strings.Repeat(s, n) }
	tests := []struct{ name, root, in string }{
		{"an unknown element", "VersioningConfiguration", "<VersioningConfiguration><X/></VersioningConfiguration>"},
		{"an element twice", "VersioningConfiguration", "<VersioningConfiguration><Status>Enabled</Status><Status>Suspended</Status></VersioningConfiguration>"},
		{"text between elements", "VersioningConfiguration", "<VersioningConfiguration>Enabled</VersioningConfiguration>"},
		{"markup in text", "VersioningConfiguration", "<VersioningConfiguration><Status><b>Enabled</b></Status></VersioningConfiguration>"},
		{"a switch twice", "PublicAccessBlockConfiguration", "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls><BlockPublicAcls>false</BlockPublicAcls></PublicAccessBlockConfiguration>"},
		{"a switch unknown", "PublicAccessBlockConfiguration", "<PublicAccessBlockConfiguration><BlockAll>true</BlockAll></PublicAccessBlockConfiguration>"},
		{"a list without owner", "AccessControlPolicy", "<AccessControlPolicy><AccessControlList/></AccessControlPolicy>"},
		{"a grant to two", "AccessControlPolicy", "<AccessControlPolicy><Owner/><AccessControlList><Grant><Grantee><ID>i</ID><URI>u</URI></Grantee><Permission>READ</Permission></Grant></AccessControlList></AccessControlPolicy>"},
		{"a grant to nobody", "AccessControlPolicy", "<AccessControlPolicy><Owner/><AccessControlList><Grant><Grantee/><Permission>READ</Permission></Grant></AccessControlList></AccessControlPolicy>"},
		{"an algorithm missing", "ServerSideEncryptionConfiguration", "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault/></Rule></ServerSideEncryptionConfiguration>"},
		{"a boolean that is none", "ServerSideEncryptionConfiguration", "<ServerSideEncryptionConfiguration><Rule><BucketKeyEnabled>yes</BucketKeyEnabled></Rule></ServerSideEncryptionConfiguration>"},
		{"no tag set", "Tagging", "<Tagging/>"},
		{"two tag sets", "Tagging", "<Tagging><TagSet/><TagSet/></Tagging>"},
		{"a tag without a value", "Tagging", "<Tagging><TagSet><Tag><Key>k</Key></Tag></TagSet></Tagging>"},
		{"nothing to delete", "Delete", "<Delete/>"},
		{"an object without a key", "Delete", "<Delete><Object><VersionId>v</VersionId></Object></Delete>"},
		{"an empty version, which would delete the current one", "Delete", "<Delete><Object><Key>k</Key><VersionId></VersionId></Object></Delete>"},
		{"too many objects", "Delete", "<Delete>" + many("<Object><Key>k</Key></Object>", MaxDeleteEntries+1) + "</Delete>"},
		{"too many parts", "CompleteMultipartUpload", "<CompleteMultipartUpload>" + many("<Part><PartNumber>1</PartNumber></Part>", MaxParts+1) + "</CompleteMultipartUpload>"},
		{"a part without a number", "CompleteMultipartUpload", "<CompleteMultipartUpload><Part><ETag>x</ETag></Part></CompleteMultipartUpload>"},
		{"a negative part number", "CompleteMultipartUpload", "<CompleteMultipartUpload><Part><PartNumber>-1</PartNumber></Part></CompleteMultipartUpload>"},
		{"a checksum twice", "CompleteMultipartUpload", "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ChecksumCRC32>a</ChecksumCRC32><ChecksumCRC32>b</ChecksumCRC32></Part></CompleteMultipartUpload>"},
		{"two kinds of encryption", "ObjectEncryption", "<ObjectEncryption><SSE-KMS/><SSE-S3/></ObjectEncryption>"},
		{"no kind of encryption", "ObjectEncryption", "<ObjectEncryption/>"},
	}
	for root := range decoders {
		add := func(name, in string) {
			tests = append(tests, struct{ name, root, in string }{name + " of " + root, root, strings.ReplaceAll(in, "ROOT", root)})
		}
		add("an empty body", "")
		add("no XML", "hello")
		add("a cut body", "<ROOT>")
		add("another root", "<Other></Other>")
		add("two roots", "<ROOT></ROOT><ROOT></ROOT>")
		add("a document type", `<!DOCTYPE ROOT [<!ENTITY e SYSTEM "file:///etc/passwd">]><ROOT>&e;</ROOT>`)
		add("a document type alone", "<!DOCTYPE ROOT><ROOT></ROOT>")
		add("many entities", `<!DOCTYPE ROOT [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><ROOT>&b;</ROOT>`)
		add("an undeclared entity", "<ROOT>&x;</ROOT>")
		add("a processing instruction", "<?php ?><ROOT></ROOT>")
		add("bytes that are no UTF-8", "<ROOT>\xff</ROOT>")
		add("deep nesting", "<ROOT>"+many("<a>", 100_000))
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := decoders[tt.root]([]byte(tt.in))
			if !awserr.Is(err, "MalformedXML") {
				t.Errorf("decode = %+v, %v; want MalformedXML", got, err)
			}
		})
	}
}

// TestRoundTrip checks that what is answered can be put again.
func TestRoundTrip(t *testing.T) {
	for name, root := range map[string]string{"GetBucketEncryption": "ServerSideEncryptionConfiguration",
		"GetObjectTagging": "Tagging", "GetBucketVersioning": "VersioningConfiguration"} {
		got, err := decoders[root](Append(nil, documents[name]))
		if err != nil || fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", documents[name]) && name != "GetBucketEncryption" {
			t.Errorf("%s came back as %+v, %v", name, got, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, tt := range accepted {
		f.Add("<" + tt.root + ">" + tt.in + "</" + tt.root + ">")
	}
	f.Add(`<!DOCTYPE Delete [<!ENTITY e "x">]><Delete>&e;</Delete>`)
	f.Fuzz(func(t *testing.T, in string) {
		for root, decode := range decoders {
			v, err := decode([]byte(in))
			if err != nil {
				if !awserr.Is(err, "MalformedXML") {
					t.Errorf("%s: %v is not for a client", root, err)
				}
				continue
			}
			if d, ok := v.(Document); ok {
				b := Append(nil, d)
				if w, err := decode(b); err != nil || !reflect.DeepEqual(v, w) {
					t.Errorf("%s: %+v came back as %+v, %v from %s", root, v, w, err, b)
				}
			}
		}
	})
}
