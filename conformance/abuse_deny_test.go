package conformance

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// guardedBucket makes a bucket whose policies may be public, with an object "o".
func (k *sdk) guardedBucket(t *testing.T, name string) (put func(statements ...string)) {
	t.Helper()
	_, err := k.s3.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name})
	check(t, "CreateBucket", err)
	_, err = k.s3.DeletePublicAccessBlock(t.Context(), &s3.DeletePublicAccessBlockInput{Bucket: &name})
	check(t, "DeletePublicAccessBlock", err)
	k.put(t, name, "o", "x")
	return func(list ...string) {
		t.Helper()
		text := statements(list...)
		_, err := k.s3.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: &name, Policy: &text})
		check(t, "PutBucketPolicy "+text, err)
	}
}

// TestDenyWins denies in a bucket policy what everything else allows, to every kind of
// principal, by every way to name it. A server did not apply such statements to the
// bucket's own account (#1092 in versitygw), another let its owner through
// (CVE-2021-41137 in MinIO).
func TestDenyWins(t *testing.T) {
	t.Parallel()
	c := holdCourt(t)
	put := c.guardedBucket(t, "guarded")
	ctx := t.Context()
	wide := stsAllow(`"*"`, `"*"`)
	away := connect(t, &server{t: t, dir: c.dir, endpoint: c.endpoint, region: c.region, keyID: c.other.keyID, secret: c.other.secret})
	_, foreigner := away.stsUser(t, "foreigner", wide)
	const account = "arn:aws:iam::123456789012:"
	callers := map[string]struct {
		credentials aws.CredentialsProvider
		named       []string // the ways to name it, and what it is of
	}{
		"the root user":    {c.credentials(), []string{account + "root", "123456789012"}},
		"a user":           {c.boss, []string{account + "user/boss", account + "root"}},
		"a user's session": {temporary(iamOK(c.sts(c.boss).GetSessionToken(ctx, nil))(t).Credentials), []string{account + "user/boss", account + "root"}},
		"a role":           {c.session(&sts.AssumeRoleInput{}), []string{account + "role/allmighty", "arn:aws:sts::123456789012:assumed-role/allmighty/session", account + "root"}},
		"a narrowed role":  {c.session(&sts.AssumeRoleInput{Policy: &wide}), []string{account + "role/allmighty", "arn:aws:sts::123456789012:assumed-role/allmighty/session", "123456789012"}},
		"a federated user": {temporary(iamOK(c.sts(c.boss).GetFederationToken(ctx, &sts.GetFederationTokenInput{Name: aws.String("fed"), Policy: &wide}))(t).Credentials),
			[]string{"arn:aws:sts::123456789012:federated-user/fed", account + "user/boss", account + "root"}},
		"another account's root user": {c.other.credentials(), []string{"arn:aws:iam::" + c.other.id + ":root", c.other.id}},
		"another account's user":      {foreigner, []string{"arn:aws:iam::" + c.other.id + ":user/foreigner", c.other.id}},
		"nobody":                      {aws.AnonymousCredentials{}, nil},
	}
	const allow = `{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::guarded","arn:aws:s3:::guarded/*"]}`
	deny := func(principal string) string {
		return `{"Effect":"Deny","Principal":` + principal + `,"Action":"s3:GetObject","Resource":"arn:aws:s3:::guarded/*"}`
	}
	read := func(c aws.CredentialsProvider, k *sdk) error { return get(t, k.s3With(c), "guarded", "o") }
	put(allow)
	for name, caller := range callers {
		check(t, "GetObject by "+name, read(caller.credentials, c.sdk))
	}
	// The order of statements does not matter, nor does how everybody is named.
	for _, all := range [][]string{
		{deny(`"*"`), allow}, {allow, deny(`"*"`)}, {allow, deny(`{"AWS":"*"}`)}, {allow, strings.Replace(deny(`"*"`), "s3:GetObject", "s3:Get*", 1)},
		{allow, strings.Replace(deny(`"*"`), `"Action":"s3:GetObject"`, `"NotAction":"s3:PutObject"`, 1)},
		{allow, strings.Replace(deny(`"*"`), `"Resource":"arn:aws:s3:::guarded/*"`, `"NotResource":"arn:aws:s3:::guarded/p"`, 1)},
		{allow, strings.Replace(deny(`"*"`), `"Resource"`, `"Condition":{"Bool":{"aws:SecureTransport":"false"}},"Resource"`, 1)},
		{allow, strings.Replace(deny(`"*"`), `"Resource"`, `"Condition":{"StringNotEquals":{"aws:PrincipalTag/team":"blue"}},"Resource"`, 1)},
	} {
		put(all...)
		for name, caller := range callers {
			refused(t, "GetObject by "+name+" with "+all[1], read(caller.credentials, c.sdk), "AccessDenied")
		}
	}
	for name, caller := range callers {
		for _, named := range caller.named {
			put(allow, deny(`{"AWS":"`+named+`"}`))
			refused(t, "GetObject by "+name+", denied as "+named, read(caller.credentials, c.sdk), "AccessDenied")
			// It is they alone who are denied.
			for other, oc := range callers {
				if !slices.Contains(oc.named, named) && !slices.Contains(oc.named, strings.TrimSuffix(strings.TrimPrefix(named, "arn:aws:iam::"), ":root")) &&
					!(strings.HasPrefix(named, "123456789012") && slices.Contains(oc.named, account+"root")) {
					if err := read(oc.credentials, c.sdk); err != nil {
						t.Errorf("GetObject by %s, while %s is denied = %v; want it", other, named, err)
					}
				}
			}
		}
	}
	// A Deny anywhere else wins over the bucket's Allow as well.
	put(allow)
	c.rights(t, "boss", statements(everything, `{"Effect":"Deny","Action":"s3:GetObject","Resource":"*"}`))
	for _, name := range []string{"a user", "a user's session", "a federated user"} {
		refused(t, "GetObject by "+name+", denied by the user's own policy", read(callers[name].credentials, c.sdk), "AccessDenied")
	}
	denies := statements(everything, `{"Effect":"Deny","Action":"s3:GetObject","Resource":"*"}`)
	refused(t, "GetObject with a session policy that denies", read(c.session(&sts.AssumeRoleInput{Policy: &denies}), c.sdk), "AccessDenied")
	// The account's root user gets out of what it locked itself out of, and no one else.
	put(`{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::guarded","arn:aws:s3:::guarded/*"]}`)
	for name, caller := range callers {
		if name == "the root user" {
			continue
		}
		_, err := c.s3With(caller.credentials).DeleteBucketPolicy(ctx, &s3.DeleteBucketPolicyInput{Bucket: aws.String("guarded")})
		refused(t, "DeleteBucketPolicy by "+name, err, "AccessDenied")
	}
	refused(t, "GetObject by root", read(c.credentials(), c.sdk), "AccessDenied")
	put(allow)
	check(t, "GetObject by root", read(c.credentials(), c.sdk))
}

// TestSetOperators decides by conditions on keys of many values, with keys that are
// there, empty and not there: of a negated set operator a server mistook all for any
// (GHSA-v9cp in RustFS).
func TestSetOperators(t *testing.T) {
	t.Parallel()
	k := besieged(t)
	put := k.guardedBucket(t, "sets")
	_, user := k.stsUser(t, "setter", "")
	client := k.s3With(user)
	tags := map[string][]string{"none": nil, "a": {"a"}, "ab": {"a", "b"}, "c": {"c"}, "ac": {"a", "c"}}
	// Source: IAM User Guide, "Set operators for multivalued context keys", read
	// 2026-11-21: ForAllValues is true of no values, ForAnyValue is false of none.
	for operator, holds := range map[string]map[string]bool{
		"ForAllValues:StringEquals":            {"none": true, "a": true, "ab": true, "c": false, "ac": false},
		"ForAnyValue:StringEquals":             {"none": false, "a": true, "ab": true, "c": false, "ac": true},
		"ForAllValues:StringNotEquals":         {"none": true, "a": false, "ab": false, "c": true, "ac": false},
		"ForAnyValue:StringNotEquals":          {"none": false, "a": false, "ab": false, "c": true, "ac": true},
		"ForAllValues:StringLike":              {"none": true, "a": true, "ab": true, "c": false, "ac": false},
		"ForAnyValue:StringNotLike":            {"none": false, "a": false, "ab": false, "c": true, "ac": true},
		"ForAllValues:StringEqualsIfExists":    {"none": true, "a": true, "ab": true, "c": false, "ac": false},
		"ForAnyValue:StringEqualsIfExists":     {"none": true, "a": true, "ab": true, "c": false, "ac": true},
		"ForAllValues:StringEqualsIgnoreCase":  {"none": true, "a": true, "ab": true, "c": false, "ac": false},
		"ForAnyValue:StringNotEqualsIfExists":  {"none": true, "a": false, "ab": false, "c": true, "ac": true},
		"ForAllValues:StringNotEqualsIfExists": {"none": true, "a": false, "ab": false, "c": true, "ac": false},
	} {
		condition := `,"Condition":{"` + operator + `":{"s3:RequestObjectTagKeys":["a","b"]}}}`
		principal := `"Principal":{"AWS":"arn:aws:iam::123456789012:user/setter"},"Action":["s3:PutObject","s3:PutObjectTagging"],"Resource":"arn:aws:s3:::sets/*"`
		for effect, list := range map[string][]string{
			"Allow": {`{"Effect":"Allow",` + principal + condition},
			"Deny":  {`{"Effect":"Allow",` + principal + `}`, `{"Effect":"Deny",` + principal + condition},
		} {
			put(list...)
			for name, keys := range tags {
				in := &s3.PutObjectInput{Bucket: aws.String("sets"), Key: aws.String("new"), Body: strings.NewReader("x")}
				if keys != nil {
					in.Tagging = aws.String(strings.Join(keys, "=1&") + "=1")
				}
				_, err := client.PutObject(t.Context(), in)
				if may := holds[name] == (effect == "Allow"); may != (err == nil) || err != nil && code(err) != "AccessDenied" {
					t.Errorf("PutObject with tags %v, %s on %s = %v; want it to succeed: %t", keys, effect, operator, err, may)
				}
			}
		}
	}
	// Keys of one value that are not there.
	for operator, holds := range map[string]bool{
		"StringEquals": false, "StringLike": false, "StringNotEquals": true, "StringNotLike": true, "StringEqualsIfExists": true, "StringNotEqualsIfExists": true,
		"ArnEquals": false, "ArnNotEquals": true, "NumericLessThan": false, "NumericNotEquals": true, "DateLessThan": false, "DateNotEquals": true,
		"Bool": false, "BoolIfExists": true, "NotIpAddress": true, "IpAddress": false, "BinaryEquals": false,
	} {
		value := map[string]string{"A": "arn:aws:s3:::x", "N": "7", "D": "2026-01-01T00:00:00Z", "I": "192.0.2.0/24"}[operator[:1]]
		switch {
		case strings.HasPrefix(operator, "Bool"):
			value = "true"
		case strings.HasPrefix(operator, "NotIp"):
			value = "192.0.2.0/24"
		case value == "":
			value = "eA=="
		}
		put(`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:user/setter"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::sets/*","Condition":{"` + operator + `":{"aws:PrincipalTag/missing":"` + value + `"}}}`)
		if err := get(t, client, "sets", "o"); holds != (err == nil) {
			t.Errorf("GetObject with %s of a key that is not there = %v; want it to hold: %t", operator, err, holds)
		}
	}
}

// TestUnknownPolicyElements puts policies of every kind with operators, elements and
// keys that no one knows: one that was skipped made an Allow unconditional (#11283 in
// SeaweedFS).
func TestUnknownPolicyElements(t *testing.T) {
	t.Parallel()
	c := holdCourt(t)
	put := c.guardedBucket(t, "elements")
	ctx := t.Context()
	before := c.state(t)
	for what, element := range map[string]string{
		"an unknown operator":      `"Condition":{"StringIs":{"aws:PrincipalTag/a":"b"}}`,
		"a misspelt operator":      `"Condition":{"StringEqual":{"aws:PrincipalTag/a":"b"}}`,
		"an operator with a blank": `"Condition":{"StringEquals ":{"aws:PrincipalTag/a":"b"}}`,
		"an unknown set operator":  `"Condition":{"ForSomeValues:StringEquals":{"aws:PrincipalTag/a":"b"}}`,
		"two set operators":        `"Condition":{"ForAllValues:ForAnyValue:StringEquals":{"aws:PrincipalTag/a":"b"}}`,
		"no operator":              `"Condition":{"":{"aws:PrincipalTag/a":"b"}}`,
		"IfExists of Null":         `"Condition":{"NullIfExists":{"aws:PrincipalTag/a":"true"}}`,
		"a condition that is text": `"Condition":"aws:PrincipalTag/a"`,
		"a condition without keys": `"Condition":{"StringEquals":"b"}`,
		"an unknown element":       `"Conditions":{"StringEquals":{"aws:PrincipalTag/a":"b"}}`,
		"an element in lower case": `"condition":{"StringEquals":{"aws:PrincipalTag/a":"b"}}`,
		"the condition twice":      `"Condition":{"StringEquals":{"aws:PrincipalTag/a":"b"}},"Condition":{}`,
		"a value that is no text":  `"Condition":{"StringEquals":{"aws:PrincipalTag/a":{"b":"c"}}}`,
		"a date that is none":      `"Condition":{"DateLessThan":{"aws:CurrentTime":"tomorrow"}}`,
		"a network that is none":   `"Condition":{"IpAddress":{"aws:SourceIp":"everywhere"}}`,
		"the effect twice":         `"Effect":"Allow"`,
	} {
		for effect := range map[string]bool{"Allow": true, "Deny": true} {
			start := `{"Version":"2012-10-17","Statement":[{"Effect":"` + effect + `",` + element + `,`
			resource := start + `"Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::elements/*"}]}`
			identity := start + `"Action":"s3:GetObject","Resource":"*"}]}`
			trust := start + `"Principal":{"AWS":"123456789012"},"Action":"sts:AssumeRole"}]}`
			key := start + `"Principal":{"AWS":"123456789012"},"Action":"kms:*","Resource":"*"}]}`
			_, err := c.s3.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: aws.String("elements"), Policy: &resource})
			refused(t, "PutBucketPolicy with "+what, err, "MalformedPolicy")
			_, err = c.iam().PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: aws.String("nobody"), PolicyName: aws.String("odd"), PolicyDocument: &identity})
			wantCode(t, "PutUserPolicy with "+what, err, "MalformedPolicyDocument")
			_, err = c.iam().CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("odd"), PolicyDocument: &identity})
			wantCode(t, "CreatePolicy with "+what, err, "MalformedPolicyDocument")
			_, err = c.iam().UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: aws.String("allmighty"), PolicyDocument: &trust})
			wantCode(t, "UpdateAssumeRolePolicy with "+what, err, "MalformedPolicyDocument")
			_, err = c.sts(c.boss).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::123456789012:role/allmighty"), RoleSessionName: aws.String("odd"), Policy: &identity})
			wantCode(t, "AssumeRole with "+what, err, "MalformedPolicyDocument")
			status, body := c.knock(t, c.credentials(), target("kms", "TrentService.PutKeyPolicy", fmt.Sprintf(`{"KeyId":%q,"Policy":%q}`, c.key, key)))
			told(t, "PutKeyPolicy with "+what, status, body, 400, "MalformedPolicyDocumentException")
			status, body = c.knock(t, c.credentials(), target("organizations", "AWSOrganizationsV20161128.CreatePolicy", fmt.Sprintf(`{"Name":"odd","Description":"","Type":"SERVICE_CONTROL_POLICY","Content":%q}`, identity)))
			told(t, "CreatePolicy of Organizations with "+what, status, body, 400, "MalformedPolicyDocumentException")
		}
	}
	c.unchanged(t, before)
	refused(t, "GetObject by nobody", get(t, c.s3With(c.nobody), "elements", "o"), "AccessDenied")
	// A key that no one knows is not there: a request can't bring it.
	put(`{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::elements/*","Condition":{"StringEquals":{"aws:Unheard":"of"}}}`)
	refused(t, "GetObject with a condition on an unknown key", get(t, c.s3With(c.nobody), "elements", "o"), "AccessDenied")
}

// TestHeadersPoseAsKeys sends headers and query parameters that are named as condition
// keys are: a server let them stand for what it knew itself (GHSA-6r96 in RustFS).
func TestHeadersPoseAsKeys(t *testing.T) {
	t.Parallel()
	c := holdCourt(t)
	put := c.guardedBucket(t, "keys")
	values := map[string]string{
		"aws:PrincipalArn": "arn:aws:iam::123456789012:user/boss", "aws:userid": "123456789012", "aws:username": "boss", "aws:PrincipalAccount": "210987654321",
		"aws:PrincipalTag/team": "blue", "aws:PrincipalType": "Account", "aws:SourceIp": "203.0.113.9", "aws:SecureTransport": "true", "aws:ViaAWSService": "true",
		"aws:PrincipalIsAWSService": "true", "aws:SourceArn": "arn:aws:s3:::keys", "aws:SourceAccount": "210987654321", "aws:SourceVpce": "vpce-1a2b3c4d", "aws:SourceVpc": "vpc-1a2b3c4d",
		"aws:VpcSourceIp": "203.0.113.9", "aws:MultiFactorAuthPresent": "true", "aws:MultiFactorAuthAge": "1", "aws:PrincipalOrgID": "o-abcdefghij", "aws:CalledVia": "kms.amazonaws.com",
		"aws:FederatedProvider": "cognito-identity.amazonaws.com", "aws:SourceIdentity": "boss", "aws:TokenIssueTime": "2026-01-01T00:00:00Z", "s3:authType": "REST-FORM", "s3:ExistingObjectTag/a": "b",
		"s3:signatureversion": "AWS", "s3:ResourceAccount": "210987654321", "aws:ResourceAccount": "210987654321", "aws:ResourceTag/a": "b", "s3:TlsVersion": "1.3", "s3:signatureAge": "987654321",
		"kms:ViaService": "s3.us-east-1.amazonaws.com", "aws:RequestedRegion": "eu-west-1", "aws:PrincipalServiceName": "s3.amazonaws.com",
	}
	var allows, denies []string
	for key, value := range values {
		allows = append(allows, fmt.Sprintf(`{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::keys/*","Condition":{"StringEquals":{%q:%q}}}`, key, value))
		denies = append(denies, fmt.Sprintf(`{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::keys/*","Condition":{"StringEquals":{%q:%q}}}`, key, value))
	}
	callers := map[string]aws.CredentialsProvider{"a stranger": nil, "nobody": c.nobody}
	ask := func(n knock) map[string]int {
		out := map[string]int{}
		for name, caller := range callers {
			out[name], _ = c.knock(t, caller, n)
		}
		return out
	}
	variants := []knock{{}}
	for key, value := range values {
		dashed := strings.NewReplacer(":", "-", "/", "-").Replace(key)
		variants = append(variants,
			knock{header: []string{dashed, value}}, knock{header: []string{strings.TrimPrefix(dashed, "aws-"), value}},
			knock{spoil: func(r *http.Request) { r.Header[key] = []string{value} }}, // most names are no tokens: then nothing is sent
			knock{header: []string{"x-amz-meta-" + dashed, value}},
			knock{target: "?" + key + "=" + value}, knock{target: "?" + dashed + "=" + value},
		)
	}
	for effect, list := range map[string][]string{"Allow": allows, "Deny": append(denies, `{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::keys/*"}`)} {
		put(list...)
		for _, n := range variants {
			n.service, n.method, n.target = "s3", "GET", "/keys/o"+n.target
			if n.spoil != nil && !validHeader(n) {
				continue
			}
			for name, status := range ask(n) {
				// A parameter or header that is refused is no harm.
				if wanted := map[string]int{"Allow": 403, "Deny": 200}[effect]; status != wanted && status != 400 && status != 501 && !(effect == "Deny" && status == 403 && n.spoil != nil) {
					t.Errorf("GET %s with %q by %s, %s on keys = %d; want %d", n.target, n.header, name, effect, status, wanted)
				}
			}
		}
	}
	// Keys that are the request's own count once, and as signed.
	put(`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:user/nobody"},"Action":"s3:ListBucket","Resource":"arn:aws:s3:::keys","Condition":{"StringEquals":{"s3:prefix":"home/"}}}`,
		`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:user/nobody"},"Action":"s3:PutObject","Resource":"arn:aws:s3:::keys/*","Condition":{"StringEquals":{"s3:x-amz-server-side-encryption":"aws:kms"}}}`)
	for query, may := range map[string]bool{
		"prefix=home/": true, "prefix=home%2F": true, "prefix=": false, "": false, "prefix=other/": false, "prefix=home/&prefix=": false, "prefix=&prefix=home/": false,
		"prefix=other/&prefix=home/": false, "prefix=home/&Prefix=x": false, "Prefix=home/": false, "PREFIX=home/": false, "s3:prefix=home/": false, "%70refix=other/&prefix=home/": false,
	} {
		for _, listing := range []string{"list-type=2&", ""} {
			status, body := c.knock(t, c.nobody, knock{service: "s3", method: "GET", target: "/keys?" + listing + query})
			if may != (status == 200) || !may && strings.Contains(body, "<Key>o</Key>") {
				t.Errorf("GET /keys?%s%s = %d %.300s; want it: %t", listing, query, status, body, may)
			}
		}
	}
	for name, header := range map[string][]string{
		"another value": {"AES256"}, "two values": {"aws:kms", "AES256"}, "two values in one": {"aws:kms,AES256"}, "two values, turned": {"AES256", "aws:kms"}, "none": nil,
	} {
		n := knock{service: "s3", method: "PUT", target: "/keys/new", body: "x"}
		req := c.request(t, nil, n)
		if header != nil {
			req.Header["X-Amz-Server-Side-Encryption"] = header
		}
		signer := *c.sdk
		nobody, _ := c.nobody.Retrieve(t.Context())
		signer.server = &server{t: t, endpoint: c.endpoint, region: c.region, keyID: nobody.AccessKeyID, secret: nobody.SecretAccessKey}
		signer.sign(t, req, hexSHA256([]byte("x")))
		if status, body := c.send(t, req); status != 403 && status != 400 {
			t.Errorf("PutObject with %s of the encryption = %d %s; want a refusal", name, status, body)
		}
	}
	_, err := c.s3.PutBucketEncryption(t.Context(), &s3.PutBucketEncryptionInput{Bucket: aws.String("keys"), ServerSideEncryptionConfiguration: rule(string(types.ServerSideEncryptionAwsKms), "")})
	check(t, "PutBucketEncryption", err)
	status, body := c.knock(t, c.nobody, knock{service: "s3", method: "PUT", target: "/keys/new", body: "x"})
	told(t, "PutObject that leaves the encryption to the bucket", status, body, 403, "AccessDenied")
	c.untouched(t)
}

// validHeader reports whether a request can carry the headers that it has.
func validHeader(n knock) bool {
	r := &http.Request{Header: http.Header{}}
	n.spoil(r)
	for name := range r.Header {
		if strings.ContainsAny(name, ":/ ") {
			return false
		}
	}
	return true
}
