package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	orgtypes "github.com/aws/aws-sdk-go-v2/service/organizations/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

func (s *server) iamAs(c aws.CredentialsProvider) *iam.Client {
	return iam.New(iam.Options{BaseEndpoint: &s.endpoint, Region: s.region, Credentials: c})
}

func (s *server) stsAs(c aws.CredentialsProvider) *sts.Client {
	return sts.New(sts.Options{BaseEndpoint: &s.endpoint, Region: s.region, Credentials: c})
}

func (s *server) kmsAs(c aws.CredentialsProvider) *kms.Client {
	return kms.New(kms.Options{BaseEndpoint: &s.endpoint, Region: s.region, Credentials: c})
}

// A randomWorld is accounts with users, roles, buckets and keys, and random policies
// on all of them.
type randomWorld struct {
	*testing.T
	s        *server
	r        *rand.Rand
	accounts []account
	users    []randomPrincipal
	roles    []randomPrincipal
	objects  []string // s3:// URLs
	profiles string   // credentials file, with a profile for each account
}

type randomPrincipal struct {
	arn   string
	owner int
	creds aws.CredentialsProvider
}

// TestWhoCanRead: on random worlds, who-can names exactly the principals whose real
// GetObject succeeds. COFFER_WORLDS says how many worlds; the seed of a world is its
// number, counted from COFFER_SEED.
func TestWhoCanRead(t *testing.T) {
	worlds, seed := 4, uint64(1)
	if v := os.Getenv("COFFER_WORLDS"); v != "" {
		worlds, _ = strconv.Atoi(v)
	}
	if v := os.Getenv("COFFER_SEED"); v != "" {
		seed, _ = strconv.ParseUint(v, 10, 64)
	}
	var yes, no, open int
	for i := range worlds {
		t.Run(fmt.Sprintf("seed=%d", seed+uint64(i)), func(t *testing.T) {
			w := newRandomWorld(t, seed+uint64(i))
			y, n, o := w.compare()
			yes, no, open = yes+y, no+n, open+o
		})
	}
	t.Logf("%d answers were YES, %d NO, %d open", yes, no, open)
	if yes == 0 || no == 0 || open > (yes+no)/20 {
		t.Errorf("the worlds are too plain: %d YES, %d NO, %d open", yes, no, open)
	}
}

func newRandomWorld(t *testing.T, seed uint64) *randomWorld {
	ctx := t.Context()
	w := &randomWorld{T: t, s: start(t), r: rand.New(rand.NewPCG(seed, seed))}
	owner := account{"123456789012", w.s.keyID, w.s.secret}
	org := w.s.organizations()
	_, err := org.CreateOrganization(ctx, &organizations.CreateOrganizationInput{FeatureSet: orgtypes.OrganizationFeatureSetAll})
	check(t, "CreateOrganization", err)
	w.accounts = []account{owner, w.s.account("one"), w.s.account("two")}
	var file strings.Builder
	for i, a := range w.accounts {
		fmt.Fprintf(&file, "[p%d]\naws_access_key_id = %s\naws_secret_access_key = %s\n", i, a.keyID, a.secret)
	}
	w.profiles = filepath.Join(t.TempDir(), "credentials")
	if err := os.WriteFile(w.profiles, []byte(file.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range w.accounts {
		w.people(i)
	}
	for i := range w.accounts {
		w.resources(i)
	}
	for _, p := range append(w.users, w.roles...) {
		w.attach(p)
	}
	w.organization(org)
	return w
}

// people makes the users and roles of an account.
func (w *randomWorld) people(i int) {
	ctx := w.Context()
	a := w.accounts[i]
	c := w.s.iamAs(a.credentials())
	keys := func(user string) aws.CredentialsProvider {
		k, err := c.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: &user})
		check(w, "CreateAccessKey", err)
		return credentials.NewStaticCredentialsProvider(*k.AccessKey.AccessKeyId, *k.AccessKey.SecretAccessKey, "")
	}
	for n := range 3 {
		name := fmt.Sprintf("user%d", n)
		out, err := c.CreateUser(ctx, &iam.CreateUserInput{UserName: &name, Tags: []iamtypes.Tag{{Key: aws.String("team"), Value: aws.String(w.pick("red", "blue"))}}})
		check(w, "CreateUser", err)
		w.users = append(w.users, randomPrincipal{*out.User.Arn, i, keys(name)})
	}
	// Somebody to assume the roles with, who may do nothing else.
	assumer := "assumer"
	_, err := c.CreateUser(ctx, &iam.CreateUserInput{UserName: &assumer})
	check(w, "CreateUser", err)
	_, err = c.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: &assumer, PolicyName: aws.String("assume"),
		PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}]}`)})
	check(w, "PutUserPolicy", err)
	by := w.s.stsAs(keys(assumer))
	for n := range 2 {
		name := fmt.Sprintf("role%d", n)
		out, err := c.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, Path: aws.String(w.pick("/", "/team/")),
			AssumeRolePolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + a.id + `:root"},"Action":"sts:AssumeRole"}]}`)})
		check(w, "CreateRole", err)
		session, err := by.AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: out.Role.Arn, RoleSessionName: aws.String("world")})
		check(w, "AssumeRole", err)
		w.roles = append(w.roles, randomPrincipal{*out.Role.Arn, i, credentials.NewStaticCredentialsProvider(
			*session.Credentials.AccessKeyId, *session.Credentials.SecretAccessKey, *session.Credentials.SessionToken)})
	}
}

func (w *randomWorld) pick(list ...string) string { return list[w.r.IntN(len(list))] }

// chance is true once in n times.
func (w *randomWorld) chance(n int) bool { return w.r.IntN(n) == 0 }

// principal is the Principal element of a resource's policy, seen from an account.
func (w *randomWorld) principal(i int) string {
	all := append(append([]randomPrincipal(nil), w.users...), w.roles...)
	switch w.r.IntN(6) {
	case 0:
		return `"*"`
	case 1:
		return `{"AWS":"` + w.accounts[w.r.IntN(len(w.accounts))].id + `"}`
	case 2:
		return `{"AWS":"arn:aws:iam::` + w.accounts[i].id + `:root"}`
	case 3:
		return `{"AWS":["` + all[w.r.IntN(len(all))].arn + `","` + all[w.r.IntN(len(all))].arn + `"]}`
	}
	return `{"AWS":"` + all[w.r.IntN(len(all))].arn + `"}`
}

// condition is a Condition element, or nothing.
func (w *randomWorld) condition(isUser bool) string {
	if !w.chance(3) {
		return ""
	}
	list := []string{
		`"Bool":{"aws:SecureTransport":"false"}`,
		`"Bool":{"aws:SecureTransport":"true"}`,
		`"StringEquals":{"aws:PrincipalAccount":"` + w.accounts[w.r.IntN(3)].id + `"}`,
		`"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:` + w.pick("user/*", "role/team/*", "user/user1") + `"}`,
		`"StringNotEquals":{"aws:PrincipalType":"` + w.pick("User", "AssumedRole") + `"}`,
		`"StringEqualsIfExists":{"s3:ExistingObjectTag/class":"` + w.pick("open", "secret") + `"}`,
		`"StringEquals":{"aws:username":"` + w.pick("user0", "user1") + `"}`,
		`"StringNotLike":{"aws:username":"user*"}`,
		`"Null":{"aws:username":"` + w.pick("true", "false") + `"}`,
		`"IpAddress":{"aws:SourceIp":"` + w.pick("127.0.0.0/8", "10.0.0.0/8") + `"}`,
		`"StringLikeIfExists":{"kms:ViaService":"s3.*.amazonaws.com"}`,
		`"StringLike":{"kms:EncryptionContext:aws:s3:arn":"arn:aws:s3:::b*/k*"}`,
		`"StringEquals":{"aws:ViaAWSService":"` + w.pick("true", "false") + `"}`,
		`"ForAnyValue:StringEquals":{"kms:EncryptionContextKeys":"aws:s3:arn"}`,
		`"StringEquals":{"aws:ResourceAccount":"${aws:PrincipalAccount}"}`,
	}
	if isUser {
		list = append(list, `"StringEquals":{"aws:PrincipalTag/team":"`+w.pick("red", "blue")+`"}`)
	}
	return `,"Condition":{` + list[w.r.IntN(len(list))] + `}`
}

// statement is one statement of an identity policy.
func (w *randomWorld) statement(isUser bool) string {
	effect := "Allow"
	if w.chance(6) {
		effect = "Deny"
	}
	action := w.pick(`"*"`, `"s3:*"`, `"s3:GetObject"`, `["s3:Get*","kms:Decrypt"]`, `["s3:*","kms:*"]`, `"kms:*"`, `"kms:Decrypt"`)
	resource := w.pick(`"*"`, `"*"`, `"arn:aws:s3:::b*"`, `["arn:aws:s3:::*/k*","arn:aws:kms:*:*:key/*"]`, `"arn:aws:kms:*:*:key/*"`)
	element := `"Action":` + action
	if w.chance(8) {
		element = `"NotAction":` + w.pick(`"s3:Put*"`, `"kms:*"`)
	}
	return `{"Effect":"` + effect + `",` + element + `,"Resource":` + resource + w.condition(isUser) + `}`
}

func (w *randomWorld) document(n int, statement func() string) string {
	var list []string
	for range 1 + w.r.IntN(n) {
		list = append(list, statement())
	}
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(list, ",") + `]}`
}

// attach gives a user or a role policies, and sometimes a boundary.
func (w *randomWorld) attach(p randomPrincipal) {
	ctx := w.Context()
	c := w.s.iamAs(w.accounts[p.owner].credentials())
	name := p.arn[strings.LastIndexByte(p.arn, '/')+1:]
	isUser := strings.Contains(p.arn, ":user/")
	document := w.document(3, func() string { return w.statement(isUser) })
	if isUser {
		_, err := c.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: &name, PolicyName: aws.String("p"), PolicyDocument: &document})
		check(w, "PutUserPolicy "+document, err)
	} else {
		_, err := c.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("p"), PolicyDocument: &document})
		check(w, "PutRolePolicy "+document, err)
	}
	if !w.chance(4) {
		return
	}
	document = w.document(2, func() string { return w.statement(isUser) })
	out, err := c.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("boundary-" + name), PolicyDocument: &document})
	check(w, "CreatePolicy", err)
	if isUser {
		_, err = c.PutUserPermissionsBoundary(ctx, &iam.PutUserPermissionsBoundaryInput{UserName: &name, PermissionsBoundary: out.Policy.Arn})
	} else {
		_, err = c.PutRolePermissionsBoundary(ctx, &iam.PutRolePermissionsBoundaryInput{RoleName: &name, PermissionsBoundary: out.Policy.Arn})
	}
	check(w, "PutPermissionsBoundary", err)
}

// resources makes the buckets, keys and objects of an account.
func (w *randomWorld) resources(i int) {
	ctx := w.Context()
	a := w.accounts[i]
	c, k := w.s.s3As(a.credentials()), w.s.kmsAs(a.credentials())
	key, err := k.CreateKey(ctx, &kms.CreateKeyInput{})
	check(w, "CreateKey", err)
	for n := range 2 {
		bucket := fmt.Sprintf("b%d-%d-%s", i, n, a.id)
		_, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &bucket})
		check(w, "CreateBucket", err)
		put := &s3.PutObjectInput{Bucket: &bucket, Key: aws.String("key"), Body: strings.NewReader("x"), Tagging: aws.String("class=" + w.pick("open", "secret"))}
		switch w.r.IntN(3) {
		case 0:
			put.ServerSideEncryption, put.SSEKMSKeyId = types.ServerSideEncryptionAwsKms, key.KeyMetadata.Arn
		case 1:
			put.ServerSideEncryption = types.ServerSideEncryptionAwsKms // under aws/s3
		}
		_, err = c.PutObject(ctx, put)
		check(w, "PutObject", err)
		w.objects = append(w.objects, "s3://"+bucket+"/key")
		if w.chance(2) {
			_, err := c.DeletePublicAccessBlock(ctx, &s3.DeletePublicAccessBlockInput{Bucket: &bucket})
			check(w, "DeletePublicAccessBlock", err)
		}
		document := w.document(3, func() string {
			effect := "Allow"
			if w.chance(5) {
				effect = "Deny"
			}
			return `{"Effect":"` + effect + `","Principal":` + w.principal(i) + `,"Action":` + w.pick(`"s3:*"`, `"s3:GetObject"`, `"s3:Get*"`) +
				`,"Resource":` + w.pick(`"arn:aws:s3:::`+bucket+`/*"`, `["arn:aws:s3:::`+bucket+`","arn:aws:s3:::`+bucket+`/k*"]`, `"arn:aws:s3:::`+bucket+`/key"`) + w.condition(false) + `}`
		})
		if w.chance(5) {
			continue
		}
		// A public one may be refused, and one whose conditions S3 does not have.
		_, _ = c.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &bucket, Policy: &document})
	}
	document := w.document(3, func() string {
		effect := "Allow"
		if w.chance(5) {
			effect = "Deny"
		}
		return `{"Effect":"` + effect + `","Principal":` + w.principal(i) + `,"Action":` + w.pick(`"kms:*"`, `"kms:Decrypt"`, `["kms:Decrypt","kms:GenerateDataKey*"]`) + `,"Resource":"*"` + w.condition(false) + `}`
	})
	// The account must go on seeing the policy, or nothing can be said of the key.
	see := `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + a.id + `:root"},"Action":["kms:Get*","kms:List*","kms:Describe*","kms:Put*"],"Resource":"*"}`
	if w.chance(2) {
		see = `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + a.id + `:root"},"Action":"kms:*","Resource":"*"}`
	}
	document = strings.Replace(document, `"Statement":[`, `"Statement":[`+see+`,`, 1)
	document = strings.ReplaceAll(document, `"Effect":"Deny","Principal":"*","Action":"kms:*"`, `"Effect":"Deny","Principal":"*","Action":"kms:Decrypt"`)
	if w.chance(3) {
		p := append(w.users, w.roles...)[w.r.IntN(len(w.users)+len(w.roles))]
		_, err := k.CreateGrant(ctx, &kms.CreateGrantInput{KeyId: key.KeyMetadata.KeyId, GranteePrincipal: &p.arn,
			Operations: []kmstypes.GrantOperation{kmstypes.GrantOperationDecrypt}})
		check(w, "CreateGrant", err)
	}
	_, err = k.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: key.KeyMetadata.KeyId, Policy: &document, BypassPolicyLockoutSafetyCheck: true})
	check(w, "PutKeyPolicy "+document, err)
}

// organization attaches policies to the member accounts.
func (w *randomWorld) organization(c *organizations.Client) {
	ctx := w.Context()
	roots, err := c.ListRoots(ctx, &organizations.ListRootsInput{})
	check(w, "ListRoots", err)
	for _, kind := range []orgtypes.PolicyType{orgtypes.PolicyTypeServiceControlPolicy, orgtypes.PolicyTypeResourceControlPolicy} {
		_, err := c.EnablePolicyType(ctx, &organizations.EnablePolicyTypeInput{RootId: roots.Roots[0].Id, PolicyType: kind})
		check(w, "EnablePolicyType", err)
	}
	attach := func(kind orgtypes.PolicyType, target, document string) {
		p, err := c.CreatePolicy(ctx, &organizations.CreatePolicyInput{Name: aws.String(fmt.Sprintf("%s-%d", kind, w.r.IntN(1<<30))), Description: aws.String(""), Type: kind, Content: &document})
		check(w, "CreatePolicy "+document, err)
		_, err = c.AttachPolicy(ctx, &organizations.AttachPolicyInput{PolicyId: p.Policy.PolicySummary.Id, TargetId: &target})
		check(w, "AttachPolicy", err)
	}
	for _, a := range w.accounts[1:] {
		if w.chance(2) {
			attach(orgtypes.PolicyTypeServiceControlPolicy, a.id, `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":`+w.pick(`"s3:GetObject"`, `"kms:Decrypt"`)+
				`,"Resource":"*","Condition":{`+w.pick(`"StringEquals":{"aws:username":"user0"}`, `"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/*"}`)+`}}]}`)
		}
		if w.chance(2) {
			attach(orgtypes.PolicyTypeResourceControlPolicy, a.id, `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":`+w.pick(`"s3:GetObject"`, `"kms:Decrypt"`)+
				`,"Resource":"*","Condition":{`+w.pick(`"StringNotEquals":{"aws:PrincipalAccount":"`+a.id+`"}`, `"StringEquals":{"aws:username":"user1"}`)+`}}]}`)
		}
	}
}

// compare asks who can read each object, and reads it as everybody.
func (w *randomWorld) compare() (yes, no, open int) {
	for i, object := range w.objects {
		ctx, cancel := context.WithTimeout(w.Context(), time.Minute)
		args := []string{"who-can", "read", object, "--endpoint-url", w.s.endpoint, "--profile", "p0", "--also-profile", "p1", "--also-profile", "p2",
			"--assume", "aws:SourceIp=127.0.0.1", "--json"}
		if i == 0 {
			args = append(args, "--verify") // which fails the command if an answer is wrong
		}
		out := w.s.run(w.TempDir(), []string{"AWS_SHARED_CREDENTIALS_FILE=" + w.profiles, "AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY="}, binary, args...)
		var view struct {
			Answers []struct {
				Principal, Answer string
				Steps             json.RawMessage
			}
			Verified map[string]string
		}
		if err := json.Unmarshal([]byte(out), &view); err != nil {
			w.Fatalf("who-can --json prints %s: %v", tail(out, 500), err)
		}
		if i == 0 && !strings.HasPrefix(view.Verified[w.users[0].arn], "verified: ") && !strings.HasPrefix(view.Verified[w.users[1].arn], "verified: ") {
			w.Errorf("who-can --verify of %s proves %v", object, view.Verified)
		}
		answers := make(map[string]string)
		steps := make(map[string]string)
		for _, a := range view.Answers {
			answers[a.Principal], steps[a.Principal] = a.Answer, string(a.Steps)
		}
		try := func(name string, creds aws.CredentialsProvider) {
			bucket, key, _ := strings.Cut(strings.TrimPrefix(object, "s3://"), "/")
			body, err := w.s.s3As(creds).GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
			if err == nil {
				body.Body.Close()
			} else if c := code(err); c != "AccessDenied" {
				w.Errorf("GetObject of %s as %s = %v", object, name, err)
			}
			switch answer := answers[name]; {
			case answer == "YES" && err == nil:
				yes++
			case answer == "NO" && err != nil:
				no++
			case answer == "YES-IF" || answer == "UNKNOWN" || answer == "POSSIBLE":
				open++
				w.Logf("%s for %s is %s: %s", object, name, answer, steps[name])
			default:
				w.Errorf("%s: who-can says %q of %s, and GetObject says %v\n%s", object, answer, name, err, steps[name])
			}
		}
		for i, a := range w.accounts {
			try("arn:aws:iam::"+w.accounts[i].id+":root", a.credentials())
		}
		for _, p := range append(w.users, w.roles...) {
			try(p.arn, p.creds)
		}
		try("anonymous", aws.AnonymousCredentials{})
		cancel()
	}
	return yes, no, open
}
