package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

// A knock is a request that an attacker makes by hand.
type knock struct {
	service              string // of the signature
	region               string // us-east-1 if empty
	method, target, body string
	header               []string
	payload              string              // x-amz-content-sha256, if it is not the hash of body
	at                   time.Time           // now if zero
	spoil                func(*http.Request) // after it is signed
}

// request returns a knock that is signed with c.
func (k *sdk) request(t testing.TB, c aws.CredentialsProvider, n knock) *http.Request {
	t.Helper()
	req, err := http.NewRequest(n.method, k.endpoint+n.target, strings.NewReader(n.body))
	check(t, "NewRequest", err)
	for i := 0; i < len(n.header); i += 2 {
		req.Header.Set(n.header[i], n.header[i+1])
	}
	if n.payload == "" {
		n.payload = hexSHA256([]byte(n.body))
	}
	if n.region == "" {
		n.region = k.region
	}
	if n.at.IsZero() {
		n.at = time.Now()
	}
	if n.service == "s3" {
		req.Header.Set("X-Amz-Content-Sha256", n.payload)
	}
	if c != nil {
		creds, err := c.Retrieve(t.Context())
		check(t, "credentials", err)
		err = v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = n.service == "s3" }).
			SignHTTP(t.Context(), creds, req, n.payload, n.service, n.region, n.at)
		check(t, "sign", err)
	}
	if n.spoil != nil {
		n.spoil(req)
	}
	return req
}

// knock sends a request by hand.
func (k *sdk) knock(t testing.TB, c aws.CredentialsProvider, n knock) (int, string) {
	t.Helper()
	return k.send(t, k.request(t, c, n))
}

// query is a request of the Query protocol.
func query(service, form string) knock {
	return knock{service: service, method: "POST", target: "/", body: form, header: []string{"Content-Type", "application/x-www-form-urlencoded"}}
}

// target is a request of the JSON protocol.
func target(service, operation, body string) knock {
	return knock{service: service, method: "POST", target: "/", body: body, header: []string{"X-Amz-Target", operation, "Content-Type", "application/x-amz-json-1.1"}}
}

// errorIn is the code of an error, in any of the protocols.
var errorIn = regexp.MustCompile(`<Code>(\w+)</Code>|"__type":\s*"(?:[^"#]*#)?(\w+)"`)

func codeIn(body string) string {
	m := errorIn.FindStringSubmatch(body)
	if m == nil {
		return ""
	}
	return m[1] + m[2]
}

// told fails the test unless an answer has the status and, in any of the protocols, the
// code.
func told(t testing.TB, doing string, status int, body string, wantStatus int, wantCode string) {
	t.Helper()
	if status != wantStatus || codeIn(body) != wantCode {
		t.Errorf("%s = %d %.400s; want %d %s", doing, status, body, wantStatus, wantCode)
	}
}

// members are what the operations of IAM, STS, Organizations and KMS are called with,
// by the names of their parameters: things that are there, and worth having.
var members = map[string]any{
	"UserName": "boss", "GroupName": "bosses", "RoleName": "allmighty", "PolicyName": "p", "PolicyArn": iamReadS3,
	"PolicyDocument": stsAllow(`"*"`, `"*"`), "AssumeRolePolicyDocument": iamTrust, "NewUserName": "mine", "Path": "/",
	"PermissionsBoundary": "arn:aws:iam::aws:policy/AdministratorAccess", "VersionId": "v1", "AccessKeyId": "AKIAIOSFODNN7EXAMPLE",
	"OpenIDConnectProviderArn": "arn:aws:iam::123456789012:oidc-provider/idp.example.com", "Url": "https://idp2.example.com", "ClientID": "sts.amazonaws.com",
	"AccountAlias": "alias-of-mine", "InstanceProfileName": "x", "RoleArn": "arn:aws:iam::123456789012:role/allmighty", "RoleSessionName": "session",
	"Name": "name", "Status": "Inactive", "EncodedMessage": "x", "PolicySourceArn": "arn:aws:iam::123456789012:user/boss", "Arn": "arn:aws:iam::123456789012:user/boss",
	"TargetPrincipal": "123456789012", "Description": "x", "Content": `{"Version":"2012-10-17","Statement":[]}`,
	"TargetId": "123456789012", "ResourceId": "123456789012", "AccountId": "123456789012", "AccountName": "mine", "Email": "mine@example.com",
	"ParentId": "r-abcd", "RootId": "r-abcd", "SourceParentId": "r-abcd", "DestinationParentId": "r-abcd", "ChildId": "123456789012",
	"OrganizationalUnitId": "ou-abcd-12345678", "PolicyId": "p-12345678", "HandshakeId": "h-12345678", "CreateAccountRequestId": "car-12345678901234567890123456789012",
	"AliasName": "alias/x", "TargetKeyId": "", "SourceKeyId": "", "DestinationKeyId": "", "KeyId": "", "GrantId": strings.Repeat("a", 64),
	"GranteePrincipal": "arn:aws:iam::123456789012:user/nobody", "Policy": iamTrust, "Plaintext": []byte("x"), "CiphertextBlob": []byte("x"),
	"Message": []byte("x"), "Mac": []byte("x"), "Signature": []byte("x"), "TagKeys": []string{"k"}, "ActionNames": []string{"s3:GetObject"},
	"PolicyInputList": []string{stsAllow(`"*"`, `"*"`)}, "NumberOfBytes": int32(8), "SAMLAssertion": "assertion", "PrincipalArn": "arn:aws:iam::123456789012:saml-provider/x",
	"WebIdentityToken": "token", "ClientIDList": []string{"x"}, "MaxSessionDuration": int32(3600), "PendingWindowInDays": int32(7), "RotationPeriodInDays": int32(90),
	"Enabled": true, "Operations": []string{"Decrypt"}, "ReplicaRegion": "eu-west-1", "PrimaryRegion": "eu-west-1", "ServiceNamespace": "s3",
	"ThumbprintList": []string{strings.Repeat("a", 40)}, "RetiringPrincipal": "arn:aws:iam::123456789012:user/nobody",
	"ServicePrincipal": "access-analyzer.amazonaws.com", "ImportToken": []byte("x"), "EncryptedKeyMaterial": []byte("x"), "PublicKey": []byte("x"),
	"ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE",
}

// needed are the members that an operation can't be called without, and that the SDK
// does not ask for.
var needed = map[string][]string{
	"CreateGrant": {"GranteePrincipal"}, "Decrypt": {"CiphertextBlob"}, "ReEncrypt": {"CiphertextBlob"}, "GenerateDataKey": {"NumberOfBytes"},
	"GenerateDataKeyWithoutPlaintext": {"NumberOfBytes"}, "GenerateRandom": {"NumberOfBytes"}, "ListRetirableGrants": {"RetiringPrincipal"},
	"RetireGrant": {"KeyId", "GrantId"}, "ImportKeyMaterial": {"ExpirationModel"},
}

// fill sets the member of an input that an error of the SDK says is missing, and
// whatever is below it.
func (a *attack) fill(in reflect.Value, name string) {
	f := in.Elem().FieldByName(name)
	if !f.IsValid() {
		a.t.Fatalf("%s has no member %s", in.Type(), name)
	}
	a.set(f, name)
}

func (a *attack) set(f reflect.Value, name string) {
	v, known := members[name]
	switch {
	case strings.HasSuffix(name, "KeyId") && name != "AccessKeyId":
		v = a.court.key
	case name == "CiphertextBlob":
		v = a.court.ciphertext
	case name == "Id":
		v = a.court.other.id
	}
	switch f.Kind() {
	case reflect.Pointer:
		p := reflect.New(f.Type().Elem())
		a.set(p.Elem(), name)
		f.Set(p)
	case reflect.Struct:
		for i := range f.NumField() {
			if f.Type().Field(i).IsExported() {
				a.set(f.Field(i), f.Type().Field(i).Name)
			}
		}
	case reflect.Slice:
		if b, ok := v.([]byte); ok && f.Type().Elem().Kind() == reflect.Uint8 {
			f.SetBytes(b)
			return
		}
		f.Set(reflect.MakeSlice(f.Type(), 1, 1))
		if list, ok := v.([]string); ok {
			f.Index(0).SetString(list[0])
			return
		}
		a.set(f.Index(0), strings.TrimSuffix(name, "s"))
	case reflect.String:
		if values := f.MethodByName("Values"); values.IsValid() && name != "ExpirationModel" { // an enumeration
			f.Set(values.Call(nil)[0].Index(0))
		} else if s, ok := v.(string); ok {
			f.SetString(s)
		} else {
			f.SetString("xxxxxxxxxxxxxxxxxxxxxxxx")
		}
	case reflect.Bool:
		f.SetBool(true)
	case reflect.Int32, reflect.Int64:
		if n, ok := v.(int32); ok {
			f.SetInt(int64(n))
		} else {
			f.SetInt(1)
		}
	default:
		if !known {
			return
		}
		f.Set(reflect.ValueOf(v))
	}
}

// An attack calls every operation of every service with the credentials of someone
// who may not.
type attack struct {
	t       *testing.T
	court   *court
	clients map[string]any
}

func (k *court) attack(t *testing.T, c aws.CredentialsProvider) *attack {
	once := aws.NopRetryer{}
	return &attack{t, k, map[string]any{
		"iam":           iam.New(iam.Options{BaseEndpoint: &k.endpoint, Region: k.region, Credentials: c, Retryer: once}),
		"sts":           sts.New(sts.Options{BaseEndpoint: &k.endpoint, Region: k.region, Credentials: c, Retryer: once}),
		"kms":           kms.New(kms.Options{BaseEndpoint: &k.endpoint, Region: k.region, Credentials: c, Retryer: once}),
		"organizations": organizations.New(organizations.Options{BaseEndpoint: &k.endpoint, Region: k.region, Credentials: c, Retryer: once}),
	}}
}

// each calls every operation of a service, with what it must have and also sets, and
// reports what came of it.
func (a *attack) each(service string, also map[string]bool, answered func(operation string, err error)) {
	a.t.Helper()
	client := reflect.ValueOf(a.clients[service])
	calls := 0
	for i := range client.NumMethod() {
		name, method := client.Type().Method(i).Name, client.Method(i)
		if method.Type().NumIn() != 3 || method.Type().NumOut() != 2 || !strings.HasSuffix(method.Type().In(1).String(), "."+name+"Input") {
			continue
		}
		in := reflect.New(method.Type().In(1).Elem())
		for j := range in.Elem().NumField() {
			if f := in.Elem().Type().Field(j); also[f.Name] || slices.Contains(needed[name], f.Name) {
				a.set(in.Elem().Field(j), f.Name)
			}
		}
		var err error
		for range 5 {
			err, _ = method.Call([]reflect.Value{reflect.ValueOf(a.t.Context()), in})[1].Interface().(error)
			var missing smithy.InvalidParamsError
			if !errors.As(err, &missing) {
				break
			}
			for _, m := range missing.Errs() {
				if p, ok := m.(smithy.InvalidParamError); ok {
					_, path, _ := strings.Cut(p.Field(), ".")
					field, _, _ := strings.Cut(path, ".")
					field, _, _ = strings.Cut(field, "[")
					a.fill(in, field)
				}
			}
		}
		calls++
		answered(name, err)
	}
	if calls < 10 {
		a.t.Errorf("%s has %d operations", service, calls)
	}
}

// everyService calls every operation of IAM, STS, KMS and Organizations.
func (a *attack) everyService(also map[string]bool, answered func(service, operation string, err error)) {
	a.t.Helper()
	for service := range a.clients {
		a.each(service, also, func(operation string, err error) { answered(service, operation, err) })
	}
}

// isDenial reports whether an error says no, and not that something is missing or
// that it was done.
func isDenial(err error) bool {
	switch code(err) {
	case "AccessDenied", "AccessDeniedException", "InvalidClientTokenId", "UnrecognizedClientException", "MissingAuthenticationToken", "MissingAuthenticationTokenException":
		return true
	}
	return false
}

// isMissing reports whether an error says that the server has no such operation.
func isMissing(err error) bool {
	return code(err) == "NotImplemented" || code(err) == "UnsupportedOperationException" || code(err) == "InvalidAction"
}

// A court is a server with what attackers want to have.
type court struct {
	*sdk
	key        string                  // of KMS
	ciphertext []byte                  // under the key
	boss       aws.CredentialsProvider // a user who may do everything
	nobody     aws.CredentialsProvider // a user who may do nothing
	other      account
	session    func(in *sts.AssumeRoleInput) aws.CredentialsProvider // of the role that may do everything
}

// holdCourt starts a server with an almighty user, role and group, a user without
// rights, a provider, an organization, another account and a key.
func holdCourt(t *testing.T, args ...string) *court {
	t.Helper()
	k := besieged(t, args...)
	c, ctx, i := &court{sdk: k}, t.Context(), k.iam()
	c.key = k.key(t)
	check(t, "CreateAlias", second(k.kms.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: aws.String("alias/x"), TargetKeyId: &c.key})))
	c.ciphertext = iamOK(k.kms.Encrypt(ctx, &kms.EncryptInput{KeyId: &c.key, Plaintext: []byte(victim)}))(t).CiphertextBlob
	everything := stsAllow(`"*"`, `"*"`)
	_, c.boss = k.stsUser(t, "boss", everything)
	_, c.nobody = k.stsUser(t, "nobody", "")
	role := k.stsRole(t, "allmighty", stsTrust(`{"AWS":"arn:aws:iam::123456789012:user/boss"}`, `["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"]`), everything)
	iamOK(i.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: aws.String("bosses")}))(t)
	iamOK(i.CreateOpenIDConnectProvider(ctx, &iam.CreateOpenIDConnectProviderInput{Url: aws.String("https://idp.example.com"), ClientIDList: []string{"sts.amazonaws.com"}}))(t)
	c.other = k.server.account("other")
	iamOK(k.organizations().CreateOrganization(ctx, &organizations.CreateOrganizationInput{}))(t)
	c.session = func(in *sts.AssumeRoleInput) aws.CredentialsProvider {
		t.Helper()
		in.RoleArn, in.RoleSessionName = &role, aws.String("session")
		return temporary(iamOK(k.sts(c.boss).AssumeRole(ctx, in))(t).Credentials)
	}
	return c
}

// second returns the error of a call whose answer is of no interest.
func second[T any](_ T, err error) error { return err }

// state returns all of IAM, the organization and the key as text, to compare.
func (c *court) state(t *testing.T) string {
	t.Helper()
	ctx := context.Background()
	var b strings.Builder
	pages := iam.NewGetAccountAuthorizationDetailsPaginator(c.iam(), &iam.GetAccountAuthorizationDetailsInput{Filter: []iamtypes.EntityType{
		iamtypes.EntityTypeUser, iamtypes.EntityTypeRole, iamtypes.EntityTypeGroup, iamtypes.EntityTypeLocalManagedPolicy}})
	for pages.HasMorePages() {
		p := iamOK(pages.NextPage(ctx))(t)
		for i := range p.RoleDetailList {
			p.RoleDetailList[i].RoleLastUsed = nil
		}
		text, err := json.Marshal([]any{p.UserDetailList, p.RoleDetailList, p.GroupDetailList, p.Policies})
		check(t, "Marshal", err)
		b.Write(text)
	}
	for _, user := range []string{"boss", "nobody"} {
		keys := iamOK(c.iam().ListAccessKeys(ctx, &iam.ListAccessKeysInput{UserName: &user}))(t)
		text, _ := json.Marshal(keys.AccessKeyMetadata)
		b.Write(text)
	}
	o := c.organizations()
	_, accounts := c.admin("GET", "accounts", "")
	accounts = regexp.MustCompile(`,"organization":"[^"]*"`).ReplaceAllString(accounts, "") // whose root users may leave it
	text, _ := json.Marshal([]any{
		iamOK(c.iam().GetAccountSummary(ctx, nil))(t).SummaryMap, iamOK(c.iam().ListOpenIDConnectProviders(ctx, nil))(t).OpenIDConnectProviderList,
		iamOK(c.iam().ListAccountAliases(ctx, nil))(t).AccountAliases,
		iamOK(o.DescribeOrganization(ctx, nil))(t).Organization, accounts, iamOK(o.ListRoots(ctx, nil))(t).Roots,
		iamOK(c.kms.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &c.key}))(t).KeyMetadata, *iamOK(c.kms.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: &c.key}))(t).Policy,
		iamOK(c.kms.ListGrants(ctx, &kms.ListGrantsInput{KeyId: &c.key}))(t).Grants, iamOK(c.kms.ListKeys(ctx, nil))(t).Keys, iamOK(c.kms.ListAliases(ctx, nil))(t).Aliases,
	})
	b.Write(text)
	return b.String()
}

// unchanged fails the test if anything was changed since before.
func (c *court) unchanged(t *testing.T, before string) {
	t.Helper()
	if after := c.state(t); after != before {
		i := 0
		for i < min(len(before), len(after)) && before[i] == after[i] {
			i++
		}
		t.Errorf("something was changed: %.300q was %.300q", after[max(0, i-100):], before[max(0, i-100):])
	}
	c.untouched(t)
}

// form returns a form of the Query protocol.
func queryForm(action string, pairs ...string) string {
	f := url.Values{"Action": {action}}
	for i := 0; i < len(pairs); i += 2 {
		f.Set(pairs[i], pairs[i+1])
	}
	return f.Encode()
}
