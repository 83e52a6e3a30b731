package conformance

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	orgtypes "github.com/aws/aws-sdk-go-v2/service/organizations/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// adminCalls are the requests of the operators' API.
var adminCalls = []knock{
	{method: "GET", target: "/_coffer/accounts"}, {method: "POST", target: "/_coffer/accounts", body: `{"name":"planted"}`},
	{method: "POST", target: "/_coffer/sessions", body: `{"principal":"arn:aws:iam::123456789012:user/boss"}`},
	{method: "POST", target: "/_coffer/sessions", body: `{"principal":"arn:aws:iam::123456789012:root"}`},
	{method: "GET", target: "/_coffer/clock"}, {method: "POST", target: "/_coffer/clock/confirm"},
	{method: "POST", target: "/_coffer/dev/clock", body: `{"advance":"1h"}`}, {method: "GET", target: "/_coffer/decisions/01lg4e0gipi0nejpqaqeelqg40"},
}

// TestAdministratorsOnly calls every operation of every service as nobody, as strangers
// without a signature, and as the root user of another account (CVE-2024-55949 in
// MinIO: an import of identities that asked for no permission).
func TestAdministratorsOnly(t *testing.T) {
	t.Parallel()
	c := holdCourt(t, "--dev-clock")
	before := c.state(t)
	for name, caller := range map[string]aws.CredentialsProvider{
		"a user without rights": c.nobody, "nobody": aws.AnonymousCredentials{}, "another account's root user": c.other.credentials(),
	} {
		a := c.attack(t, caller)
		denied := 0
		a.everyService(nil, func(service, operation string, err error) {
			switch {
			case isDenial(err):
				denied++
			case isMissing(err), operation == "PutAccountProperties":
			case name == "another account's root user" && service != "kms": // its own account is its own
			case service == "sts" && (operation == "GetCallerIdentity" || operation == "GetSessionToken") && name == "a user without rights":
			case operation == "AssumeRoleWithWebIdentity" && code(err) == "InvalidIdentityToken":
			case operation == "RetireGrant" && code(err) == "NotFoundException":
			// What it may do to its own account, and what names no key of anyone.
			case name == "another account's root user" && strings.HasSuffix(operation, "CustomKeyStore") &&
				(code(err) == "CustomKeyStoreNotFoundException" || code(err) == "CloudHsmClusterNotFoundException"):
			case service == "kms" && name == "another account's root user" && (err == nil || code(err) == "NotFoundException" || code(err) == "NotAuthorizedException" || code(err) == "ValidationException"):
			default:
				t.Errorf("%s %s by %s = %v; want a denial", service, operation, name, err)
			}
		})
		if least := map[bool]int{true: 10, false: 160}[strings.HasPrefix(name, "another")]; denied < least {
			t.Errorf("%d operations were denied to %s; want most", denied, name)
		}
		for _, n := range adminCalls {
			n.service = "coffer"
			if caller == (aws.AnonymousCredentials{}) {
				caller = nil
			}
			status, body := c.knock(t, caller, n)
			if status != 403 && !(caller == nil && status == 400) && !(status == 400 && codeIn(body) == "AccessDeniedException") && status != 404 || strings.Contains(body, "cretAccessKey") {
				t.Errorf("%s %s %s by %s = %d %s; want 403", n.method, n.target, n.body, name, status, body)
			}
			// Nor with the signature of another service.
			n.service = "s3"
			if status, body := c.knock(t, caller, n); status < 400 {
				t.Errorf("%s %s signed for S3 by %s = %d %s; want a refusal", n.method, n.target, name, status, body)
			}
		}
	}
	// The other account made things of its own, and left the organization, as it may.
	c.unchanged(t, before)
}

// TestForOthers makes credentials for whom the caller may not (CVE-2022-24842 in
// MinIO: a service account of root's), with rights over one user alone.
func TestForOthers(t *testing.T) {
	t.Parallel()
	c := holdCourt(t)
	ctx := t.Context()
	own := `arn:aws:iam::123456789012:user/${aws:username}`
	_, clerk := c.stsUser(t, "clerk", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:*AccessKey*","iam:GetUser","iam:*UserPolicy","iam:TagUser"],"Resource":"`+own+`"}]}`)
	i := c.iamAs(clerk)
	key := iamOK(i.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{}))(t).AccessKey
	want(t, "who has the key", *key.UserName, "clerk")
	bossKey, err := c.boss.Retrieve(ctx)
	check(t, "Retrieve", err)
	for _, name := range []string{"boss", "root", "nobody", "123456789012", "arn:aws:iam::123456789012:root", "Clerk", "CLERK", "none", "clerk/../boss", "/clerk", ":root", "<root_account>"} {
		for operation, call := range map[string]func() error{
			"CreateAccessKey": func() error { return second(i.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: &name})) },
			"ListAccessKeys":  func() error { return second(i.ListAccessKeys(ctx, &iam.ListAccessKeysInput{UserName: &name})) },
			"UpdateAccessKey": func() error {
				return second(i.UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{UserName: &name, AccessKeyId: &bossKey.AccessKeyID, Status: "Inactive"}))
			},
			"DeleteAccessKey": func() error {
				return second(i.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{UserName: &name, AccessKeyId: &bossKey.AccessKeyID}))
			},
			"PutUserPolicy": func() error {
				return second(i.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: &name, PolicyName: aws.String("x"), PolicyDocument: aws.String(stsAllow(`"*"`, `"*"`))}))
			},
		} {
			err := call()
			// IAM's names have no case: Clerk is the clerk. Their own keys they may see.
			isOwn := strings.EqualFold(name, "clerk") && (operation == "ListAccessKeys" || operation == "CreateAccessKey" || operation == "PutUserPolicy")
			if err == nil && !isOwn || err != nil && code(err) != "AccessDenied" && code(err) != "ValidationError" && code(err) != "NoSuchEntity" && code(err) != "LimitExceeded" {
				t.Errorf("%s for %s = %v; want a refusal", operation, name, err)
			}
		}
	}
	// A key of another under one's own name, and one's own under another's.
	for _, in := range []*iam.DeleteAccessKeyInput{{AccessKeyId: &bossKey.AccessKeyID}, {UserName: aws.String("clerk"), AccessKeyId: &bossKey.AccessKeyID}, {AccessKeyId: &c.keyID}} {
		if err := second(i.DeleteAccessKey(ctx, in)); code(err) != "NoSuchEntity" && code(err) != "AccessDenied" {
			t.Errorf("DeleteAccessKey of another's = %v; want a refusal", err)
		}
	}
	check(t, "GetCallerIdentity by boss", second(c.sts(c.boss).GetCallerIdentity(ctx, nil)))
	check(t, "GetCallerIdentity by root", second(c.sts(c.credentials()).GetCallerIdentity(ctx, nil)))
	for _, name := range []string{"boss", "nobody"} {
		keys := iamOK(c.iam().ListAccessKeys(ctx, &iam.ListAccessKeysInput{UserName: &name}))(t)
		want(t, "keys of "+name, len(keys.AccessKeyMetadata), 1)
	}
	c.untouched(t)
}

// TestMassAssignment sends parameters that an operation does not have, as who may call
// it: an update of a user once took the user's own policies along (CVE-2021-43858 in
// MinIO). AWS ignores such parameters; they must change nothing.
func TestMassAssignment(t *testing.T) {
	t.Parallel()
	c := holdCourt(t)
	ctx := t.Context()
	// The clerk may rename and tag itself, make users and roles below a path, and no
	// more.
	_, clerk := c.stsUser(t, "clerk", `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":["iam:UpdateUser","iam:TagUser","iam:CreateUser","iam:CreateRole","iam:UpdateRole","iam:CreateAccessKey","iam:CreateGroup"],"Resource":"arn:aws:iam::123456789012:*/clerks/*"},
		{"Effect":"Allow","Action":["organizations:UpdatePolicy","organizations:TagResource","coffer:CreateAccount"],"Resource":"*"}]}`)
	all := stsAllow(`"*"`, `"*"`)
	extras := []string{
		"PolicyDocument", all, "PolicyName", "planted", "PolicyArn", "arn:aws:iam::aws:policy/AdministratorAccess", "PolicyArns.member.1", "arn:aws:iam::aws:policy/AdministratorAccess", "Policy", all,
		"AttachedPolicies.member.1.PolicyArn", "arn:aws:iam::aws:policy/AdministratorAccess", "GroupName", "bosses", "Groups.member.1", "bosses", "GroupList.member.1", "bosses",
		"UserPolicyList.member.1.PolicyName", "planted", "UserPolicyList.member.1.PolicyDocument", all, "UserId", "AIDAIOSFODNN7EXAMPLE", "Arn", "arn:aws:iam::123456789012:root",
		"AccountId", "210987654321", "Account", "210987654321", "CreateDate", "2020-01-01T00:00:00Z", "IsAdmin", "true", "Admin", "true", "Status", "Active", "AccessKeyId", "AKIAIOSFODNN7EXAMPLE",
		"SecretAccessKey", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "RoleId", "AROAIOSFODNN7EXAMPLE", "Principal", "*", "User.Arn", "arn:aws:iam::123456789012:root",
		"PermissionsBoundary.PermissionsBoundaryArn", "arn:aws:iam::aws:policy/AdministratorAccess", "userName", "boss", "username", "boss",
	}
	for _, base := range []string{
		queryForm("CreateUser", "Version", "2010-05-08", "UserName", "made-1", "Path", "/clerks/"),
		queryForm("UpdateUser", "Version", "2010-05-08", "UserName", "made", "NewUserName", "made"),
		queryForm("TagUser", "Version", "2010-05-08", "UserName", "made", "Tags.member.1.Key", "k", "Tags.member.1.Value", "v"),
		queryForm("CreateGroup", "Version", "2010-05-08", "GroupName", "made", "Path", "/clerks/"),
		queryForm("CreateRole", "Version", "2010-05-08", "RoleName", "made", "Path", "/clerks/", "AssumeRolePolicyDocument", iamTrust),
		queryForm("UpdateRole", "Version", "2010-05-08", "RoleName", "made", "Description", "x"),
		queryForm("CreateAccessKey", "Version", "2010-05-08", "UserName", "made"),
	} {
		if !strings.Contains(base, "made-1") && strings.Contains(base, "User") {
			if second(c.iam().GetUser(ctx, &iam.GetUserInput{UserName: aws.String("made")})) != nil {
				iamOK(c.iam().CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("made"), Path: aws.String("/clerks/")}))(t)
			}
		}
		action := regexp.MustCompile(`Action=(\w+)`).FindStringSubmatch(base)[1]
		for i := 0; i < len(extras); i += 2 {
			if action == "CreateAccessKey" && i > 0 {
				break // a user has two keys
			}
			form := base
			for j := 0; j < len(extras); j += 2 {
				if (action == "CreateAccessKey" || j == i) && !strings.Contains(form, "&"+extras[j]+"=") {
					form += "&" + strings.TrimPrefix(queryForm("", extras[j], extras[j+1]), "Action=&")
				}
			}
			// It may be refused, or done without what was added.
			if status, body := c.knock(t, clerk, query("iam", form)); status == 500 || status == 200 && (strings.Contains(body, "AKIAIOSFODNN7EXAMPLE") || strings.Contains(body, "wJalrXUtnFEMI") || strings.Contains(body, "210987654321")) {
				t.Errorf("%s with %s = %d %s", action, extras[i], status, body)
			}
		}
	}
	pages := iamOK(c.iam().GetAccountAuthorizationDetails(ctx, &iam.GetAccountAuthorizationDetailsInput{MaxItems: aws.Int32(1000)}))(t)
	made := 0
	for _, u := range pages.UserDetailList {
		if strings.HasPrefix(*u.UserName, "made") {
			made++
			if len(u.UserPolicyList)+len(u.AttachedManagedPolicies)+len(u.GroupList) > 0 || u.PermissionsBoundary != nil || *u.Path != "/clerks/" || *u.UserId == "AIDAIOSFODNN7EXAMPLE" || time.Since(*u.CreateDate) > time.Hour {
				t.Errorf("%s is %+v; want nothing but what its maker may give", *u.UserName, u)
			}
		}
	}
	for _, r := range pages.RoleDetailList {
		if *r.RoleName == "made" {
			made++
			if len(r.RolePolicyList)+len(r.AttachedManagedPolicies) > 0 || r.PermissionsBoundary != nil || *r.RoleId == "AROAIOSFODNN7EXAMPLE" {
				t.Errorf("role made is %+v", r)
			}
		}
	}
	for _, g := range pages.GroupDetailList {
		if *g.GroupName == "made" {
			made++
			if len(g.GroupPolicyList)+len(g.AttachedManagedPolicies) > 0 {
				t.Errorf("group made is %+v", g)
			}
		}
	}
	want(t, "what was made", made, 4)
	want(t, "users of the group", len(iamOK(c.iam().GetGroup(ctx, &iam.GetGroupInput{GroupName: aws.String("bosses")}))(t).Users), 0)

	// The operators' API refuses what it does not know, and what stands twice.
	for _, body := range []string{`{"name":"planted","admin":true}`, `{"name":"planted","accountId":"123456789012"}`, `{"name":"planted","id":"123456789012"}`, `{"name":"planted","Name":"x"}`, `{"name":"planted","name":"x"}`,
		`{"name":"planted"}{"name":"x"}`, `[{"name":"planted"}]`, `{"name":"planted","account":{"id":"1"}}`, `{"name":"planted","secretAccessKey":"x"}`, `{"name":null,"planted":1}`} {
		status, answer := c.knock(t, clerk, knock{service: "coffer", method: "POST", target: "/_coffer/accounts", body: body})
		if status < 400 || status == 500 {
			t.Errorf("POST accounts %s = %d %s; want a refusal", body, status, answer)
		}
	}
	want(t, "accounts", len(iamOK(c.organizations().ListAccounts(ctx, nil))(t).Accounts), 2)

	// Members of other operations in JSON.
	o := c.organizations()
	root := *iamOK(o.ListRoots(ctx, nil))(t).Roots[0].Id
	iamOK(o.EnablePolicyType(ctx, &organizations.EnablePolicyTypeInput{RootId: &root, PolicyType: orgtypes.PolicyTypeServiceControlPolicy}))(t)
	p := *iamOK(o.CreatePolicy(ctx, &organizations.CreatePolicyInput{Name: aws.String("guard"), Description: aws.String(""), Type: orgtypes.PolicyTypeServiceControlPolicy, Content: aws.String(orgDenyBuckets)}))(t).Policy.PolicySummary.Id
	for _, body := range []string{
		fmt.Sprintf(`{"PolicyId":%q,"Description":"d","TargetId":%q}`, p, root), fmt.Sprintf(`{"PolicyId":%q,"Description":"d","Type":"RESOURCE_CONTROL_POLICY","AwsManaged":true,"Id":"p-FullAWSAccess"}`, p),
		fmt.Sprintf(`{"PolicyId":%q,"Description":"d","PolicySummary":{"AwsManaged":true},"Targets":[%q]}`, p, root),
	} {
		if status, answer := c.knock(t, clerk, target("organizations", "AWSOrganizationsV20161128.UpdatePolicy", body)); status != 200 && status != 400 {
			t.Errorf("UpdatePolicy %s = %d %s", body, status, answer)
		}
	}
	targets := iamOK(o.ListTargetsForPolicy(ctx, &organizations.ListTargetsForPolicyInput{PolicyId: &p}))(t).Targets
	policy := iamOK(o.DescribePolicy(ctx, &organizations.DescribePolicyInput{PolicyId: &p}))(t).Policy
	if len(targets) != 0 || policy.PolicySummary.Type != orgtypes.PolicyTypeServiceControlPolicy || policy.PolicySummary.AwsManaged || *policy.Content != orgDenyBuckets {
		t.Errorf("policy = %+v at %+v; want it as it was made", policy, targets)
	}
	c.untouched(t)
}

// TestNoOneIsEnumerated compares the refusals of who is not there with those of who is
// (CVE-2026-33419 in MinIO: logins that told which users exist).
func TestNoOneIsEnumerated(t *testing.T) {
	t.Parallel()
	c := holdCourt(t)
	boss, err := c.boss.Retrieve(t.Context())
	check(t, "Retrieve", err)
	same := func(what string, a, b string) {
		t.Helper()
		clean := regexp.MustCompile(`<RequestId>[^<]*</RequestId>|<HostId>[^<]*</HostId>|Run coffer why.*?(</Message>|")|[0-9a-f]{64}`)
		if a, b := clean.ReplaceAllString(a, ""), clean.ReplaceAllString(b, ""); a != b {
			t.Errorf("%s tells who is there:\n%s\n%s", what, a, b)
		}
	}
	wideOpen := c.stsRole(t, "for-others", stsTrust(`{"Service":"ec2.amazonaws.com"}`, `"sts:AssumeRole"`), stsAllow(`"*"`, `"*"`))
	for name, caller := range map[string]aws.CredentialsProvider{"nobody": c.nobody, "another account": c.other.credentials()} {
		var answers []string
		for _, role := range []string{wideOpen, "arn:aws:iam::123456789012:role/allmighty", "arn:aws:iam::123456789012:role/is-absent"} {
			_, body := c.knock(t, caller, query("sts", queryForm("AssumeRole", "Version", "2011-06-15", "RoleArn", role, "RoleSessionName", "x1")))
			answers = append(answers, strings.ReplaceAll(body, role, "ROLE"))
		}
		same("AssumeRole by "+name, answers[0], answers[2])
		same("AssumeRole by "+name, answers[1], answers[2])
		for _, form := range []string{"GetUser UserName boss", "ListAccessKeys UserName boss", "GetRole RoleName allmighty", "GetUserPolicy UserName boss PolicyName p", "GetGroup GroupName bosses"} {
			if name != "nobody" {
				continue // its own account has none of them
			}
			f := strings.Fields(form)
			there, absent := append([]string{"Version", "2010-05-08"}, f[1:]...), append([]string{"Version", "2010-05-08"}, f[1:]...)
			absent[3] = "isabsent"
			_, a := c.knock(t, caller, query("iam", queryForm(f[0], there...)))
			_, b := c.knock(t, caller, query("iam", queryForm(f[0], absent...)))
			same(f[0]+" by "+name, strings.ReplaceAll(a, there[3], "NAME"), strings.ReplaceAll(b, absent[3], "NAME"))
		}
	}
	// A key that is not there and one whose secret is not known have answers of their
	// own at AWS; of a key's owner they tell nothing.
	for _, n := range []knock{attackedCalls[3], attackedCalls[6], {service: "s3", method: "GET", target: "/vault/victim"}} {
		_, known := c.knock(t, static(&boss.AccessKeyID, aws.String("wrong"), nil), n)
		_, root := c.knock(t, static(&c.keyID, aws.String("wrong"), nil), n)
		same("a wrong secret", strings.ReplaceAll(known, boss.AccessKeyID, "KEY"), strings.ReplaceAll(root, c.keyID, "KEY"))
		for _, body := range []string{known, root} {
			for _, tells := range []string{"boss", "123456789012", "root"} {
				if strings.Contains(body, tells) {
					t.Errorf("the refusal of a wrong secret tells %s: %s", tells, body)
				}
			}
		}
	}
	// The owner of a key is told to nobody but who may ask.
	err = second(c.sts(c.nobody).GetAccessKeyInfo(t.Context(), &sts.GetAccessKeyInfoInput{AccessKeyId: &c.keyID}))
	wantCode(t, "GetAccessKeyInfo by nobody", err, "AccessDenied")
	err = second(c.iamAs(c.nobody).GetAccessKeyLastUsed(t.Context(), &iam.GetAccessKeyLastUsedInput{AccessKeyId: &boss.AccessKeyID}))
	wantCode(t, "GetAccessKeyLastUsed by nobody", err, "AccessDenied")
}

// TestEveryDoorOfIdentity knocks without a signature at every operation of the other
// services and at the paths of servers like this one.
func TestEveryDoorOfIdentity(t *testing.T) {
	t.Parallel()
	c := holdCourt(t)
	before := c.state(t)
	for _, n := range attackedCalls {
		for _, forged := range [][]string{nil, {"X-Amz-Security-Token", "x"}, {"Cookie", "session=root"}, {"X-Forwarded-User", "root"}, {"X-Amz-Date", "20261121T000000Z"}, {"Authorization", "Bearer x"}, {"Authorization", "AWS4-HMAC-SHA256 "}, {"Authorization", "Basic cm9vdDpyb290"}} {
			n := n
			n.header = append(append([]string{}, n.header...), forged...)
			if status, body := c.knock(t, nil, n); status < 400 || status == 500 || strings.Contains(body, "cretAccessKey") {
				t.Errorf("unsigned %s %s %s with %v = %d %s; want a refusal", n.service, n.target, n.body, forged, status, body)
			}
		}
	}
	for _, path := range []string{"trustanchors", "trustanchor", "profiles", "profile", "crls", "crl", "subjects", "subject/x", "sessions", "ListTagsForResource", "TagResource",
		"minio/admin/v3/info", "minio/admin/v3/add-user", "minio/health/cluster", "minio/v2/metrics/cluster", "rustfs/admin/v3/import-iam", "admin/user", "-/metrics", "debug/pprof/heap", "debug/vars",
		"latest/meta-data/iam/security-credentials/", "v2/credentials/x", "_coffer/accounts/123456789012", "_coffer/sessions/", "_coffer/decisions/", "_coffer//accounts", "_coffer/./accounts", "_coffer/%61ccounts",
		"_coffer/health/../accounts", "_coffer/health/live/../../accounts", "_Coffer/accounts", "_coffer/metrics/", "_coffer/root/export", "_coffer/credentials"} {
		for _, method := range []string{"GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"} {
			for _, header := range [][]string{nil, {"Content-Type", "application/json"}, {"Content-Type", "application/x-www-form-urlencoded"}} {
				n := knock{method: method, target: "/" + path, body: `{"name":"planted","principal":"arn:aws:iam::123456789012:user/boss"}`, header: header}
				if status, body := c.knock(t, nil, n); status < 300 || status == http.StatusInternalServerError || strings.Contains(body, "cretAccessKey") {
					t.Errorf("unsigned %s /%s %v = %d %s; want a refusal", method, path, header, status, body)
				}
			}
		}
	}
	// GetCallerIdentity needs no permission, but a caller.
	for _, target := range []string{"/?Action=GetCallerIdentity&Version=2011-06-15", "/?Action=GetSessionToken&Version=2011-06-15", "/?Action=ListUsers&Version=2010-05-08"} {
		if status, body := c.do(t, "GET", c.endpoint+target, ""); status < 400 {
			t.Errorf("unsigned GET %s = %d %s; want a refusal", target, status, body)
		}
	}
	c.unchanged(t, before)
}
