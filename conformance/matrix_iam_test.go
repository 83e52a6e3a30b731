package conformance

import (
	"net/url"
	"regexp"
	"strings"
	"testing"

	"coffer/internal/iamapi"
)

var queryCodes = api{name: "query", anonymous: "MissingAuthenticationToken", unknown: "InvalidClientTokenId", wrong: "SignatureDoesNotMatch", denied: "AccessDenied"}

// versions are those of the APIs with the Query protocol.
var versions = map[string]string{"iam": "2010-05-08", "sts": "2011-06-15"}

// A scene fills in the placeholders of a row of IAM. A user, a group and so on is made
// when it is named first.
type scene struct {
	m     *matrix
	names map[string]string
}

var placeholder = regexp.MustCompile(`\{[a-z]+\}`)

const (
	sceneTrust  = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + homeAccount + `"},"Action":"sts:AssumeRole"}]}`
	scenePolicy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}`
)

func (s *scene) fill(text string) string {
	return placeholder.ReplaceAllStringFunc(text, func(p string) string {
		p = strings.Trim(p, "{}")
		if v, ok := s.names[p]; ok {
			return v
		}
		name := s.m.fresh(p)
		v := name
		switch p {
		case "new":
		case "trust":
			v = sceneTrust
		case "doc":
			v = scenePolicy
		case "user":
			s.root("CreateUser&UserName=" + name)
		case "group":
			s.root("CreateGroup&GroupName=" + name)
		case "role":
			s.root("CreateRole&AssumeRolePolicyDocument={trust}&RoleName=" + name)
		case "policy":
			s.root("CreatePolicy&PolicyDocument={doc}&PolicyName=" + name)
			v = "arn:aws:iam::" + homeAccount + ":policy/" + name
		case "provider":
			s.root("CreateOpenIDConnectProvider&ClientIDList.member.1=one&ClientIDList.member.2=two&Url=https://" + name + ".example.com")
			v = "arn:aws:iam::" + homeAccount + ":oidc-provider/" + name + ".example.com"
		case "key":
			out := s.root("CreateAccessKey&UserName={user}")
			v = regexp.MustCompile(`<AccessKeyId>([^<]+)<`).FindStringSubmatch(string(out.body))[1]
		default:
			s.m.Fatalf("{%s} is no placeholder", p)
		}
		s.names[p] = v
		return v
	})
}

// wire returns the request that a line stands for: an operation and its parameters.
func (s *scene) wire(service, line string) wire {
	form := url.Values{"Version": {versions[service]}}
	for i, part := range strings.Split(line, "&") {
		name, value, _ := strings.Cut(part, "=")
		if i == 0 {
			name, value = "Action", part
		}
		form.Set(name, s.fill(value))
	}
	return wire{service: service, method: "POST", target: "/", body: form.Encode(), header: []string{"Content-Type", "application/x-www-form-urlencoded"}}
}

// root sends a request of IAM as the root user.
func (s *scene) root(line string) outcome {
	s.m.Helper()
	out := s.m.try(s.wire("iam", line), s.m.server.credentials())
	if out.status != 200 {
		s.m.Fatalf("%s as root = %d %s", line, out.status, out.body)
	}
	return out
}

// iamRow is a row of IAM, as text: the request, where the right is, what the root
// user does before, and how it ends.
type iamRow struct {
	line     string // operation and parameters
	resource string // within the account, "*", or an ARN in a placeholder
	before   []string
	passes   string
	foreign  string
	also     []right
}

func (r iamRow) row() row {
	operation, _, _ := strings.Cut(r.line, "&")
	foreign := r.foreign
	if r.resource == "*" && foreign == "" {
		foreign = own
	}
	// What an ARN of another account names does not exist, as far as IAM knows.
	if strings.Contains(r.line, "Arn=") && (strings.HasPrefix(r.resource, "{") || strings.Contains(r.line, "PolicySourceArn")) {
		foreign = "NoSuchEntity"
	}
	return row{operation: operation, passes: r.passes, foreign: foreign, last: r.resource == "*", make: func(m *matrix) (wire, []right) {
		s := &scene{m: m, names: make(map[string]string)}
		for _, line := range r.before {
			s.root(line)
		}
		w := s.wire("iam", r.line)
		place := func(text string) string {
			resource := s.fill(text)
			if resource != "*" && !strings.HasPrefix(resource, "arn:") {
				resource = "arn:aws:iam::" + homeAccount + ":" + resource
			}
			return resource
		}
		rights := []right{{"iam:" + operation, place(r.resource)}}
		for _, a := range r.also {
			rights = append(rights, right{a.action, place(a.resource)})
		}
		return w, rights
	}}
}

const (
	aboutUser     = "&UserName={user}"
	aboutGroup    = "&GroupName={group}"
	aboutRole     = "&RoleName={role}"
	aTag          = "&Tags.member.1.Key=a&Tags.member.1.Value=b"
	aTagKey       = "&TagKeys.member.1=a"
	aPolicy       = "&PolicyName=p&PolicyDocument={doc}"
	attachable    = "&PolicyArn={policy}"
	aboutProvider = "&OpenIDConnectProviderArn={provider}"
)

var iamRows = []iamRow{
	{line: "AddClientIDToOpenIDConnectProvider&ClientID=c" + aboutProvider, resource: "{provider}"},
	{line: "AddUserToGroup" + aboutUser + aboutGroup, resource: "group/{group}"},
	{line: "AttachGroupPolicy" + aboutGroup + attachable, resource: "group/{group}"},
	{line: "AttachRolePolicy" + aboutRole + attachable, resource: "role/{role}"},
	{line: "AttachUserPolicy" + aboutUser + attachable, resource: "user/{user}"},
	{line: "CreateAccessKey" + aboutUser, resource: "user/{user}"},
	{line: "CreateAccountAlias&AccountAlias={new}", resource: "*", foreign: "EntityAlreadyExists"},
	{line: "CreateGroup&GroupName={new}", resource: "group/{new}"},
	{line: "CreateOpenIDConnectProvider&Url=https://{new}.example.com", resource: "oidc-provider/{new}.example.com"},
	{line: "CreatePolicy&PolicyName={new}&PolicyDocument={doc}", resource: "policy/{new}"},
	{line: "CreatePolicy&PolicyName={new}&PolicyDocument={doc}" + aTag, resource: "policy/{new}", also: []right{{"iam:TagPolicy", "policy/{new}"}}},
	{line: "CreatePolicyVersion&PolicyDocument={doc}" + attachable, resource: "{policy}"},
	{line: "CreateRole&RoleName={new}&AssumeRolePolicyDocument={trust}", resource: "role/{new}"},
	{line: "CreateUser&UserName={new}", resource: "user/{new}"},
	{line: "CreateUser&UserName={new}" + aTag, resource: "user/{new}", also: []right{{"iam:TagUser", "user/{new}"}}},
	{line: "DeleteAccessKey&AccessKeyId={key}" + aboutUser, resource: "user/{user}"},
	{line: "DeleteAccountAlias&AccountAlias={new}", resource: "*", before: []string{"CreateAccountAlias&AccountAlias={new}"}, foreign: "NoSuchEntity"},
	{line: "DeleteGroup" + aboutGroup, resource: "group/{group}"},
	{line: "DeleteGroupPolicy&PolicyName=p" + aboutGroup, resource: "group/{group}", before: []string{"PutGroupPolicy" + aboutGroup + aPolicy}},
	{line: "DeleteLoginProfile" + aboutUser, resource: "user/{user}", passes: "NoSuchEntity"},
	{line: "DeleteOpenIDConnectProvider" + aboutProvider, resource: "{provider}"},
	{line: "DeletePolicy" + attachable, resource: "{policy}"},
	{line: "DeletePolicyVersion&VersionId=v2" + attachable, resource: "{policy}", before: []string{"CreatePolicyVersion&PolicyDocument={doc}" + attachable}},
	{line: "DeleteRole" + aboutRole, resource: "role/{role}"},
	{line: "DeleteRolePermissionsBoundary" + aboutRole, resource: "role/{role}", before: []string{"PutRolePermissionsBoundary&PermissionsBoundary={policy}" + aboutRole}},
	{line: "DeleteRolePolicy&PolicyName=p" + aboutRole, resource: "role/{role}", before: []string{"PutRolePolicy" + aboutRole + aPolicy}},
	{line: "DeleteUser" + aboutUser, resource: "user/{user}"},
	{line: "DeleteUserPermissionsBoundary" + aboutUser, resource: "user/{user}", before: []string{"PutUserPermissionsBoundary&PermissionsBoundary={policy}" + aboutUser}},
	{line: "DeleteUserPolicy&PolicyName=p" + aboutUser, resource: "user/{user}", before: []string{"PutUserPolicy" + aboutUser + aPolicy}},
	{line: "DetachGroupPolicy" + aboutGroup + attachable, resource: "group/{group}", before: []string{"AttachGroupPolicy" + aboutGroup + attachable}},
	{line: "DetachRolePolicy" + aboutRole + attachable, resource: "role/{role}", before: []string{"AttachRolePolicy" + aboutRole + attachable}},
	{line: "DetachUserPolicy" + aboutUser + attachable, resource: "user/{user}", before: []string{"AttachUserPolicy" + aboutUser + attachable}},
	{line: "GenerateCredentialReport", resource: "*"},
	{line: "GetAccessKeyLastUsed&AccessKeyId={key}", resource: "user/{user}", before: []string{"GetAccessKeyLastUsed&AccessKeyId={key}"}},
	{line: "GetAccountAuthorizationDetails", resource: "*"},
	{line: "GetAccountPasswordPolicy", resource: "*", passes: "NoSuchEntity"},
	{line: "GetAccountSummary", resource: "*"},
	{line: "GetContextKeysForCustomPolicy&PolicyInputList.member.1={doc}", resource: "*"},
	{line: "GetContextKeysForPrincipalPolicy&PolicySourceArn=arn:aws:iam::" + homeAccount + ":user/{user}", resource: "user/{user}"},
	{line: "GetCredentialReport", resource: "*", before: []string{"GenerateCredentialReport"}, foreign: skip},
	{line: "GetGroup" + aboutGroup, resource: "group/{group}"},
	{line: "GetGroupPolicy&PolicyName=p" + aboutGroup, resource: "group/{group}", before: []string{"PutGroupPolicy" + aboutGroup + aPolicy}},
	{line: "GetLoginProfile" + aboutUser, resource: "user/{user}", passes: "NoSuchEntity"},
	{line: "GetOpenIDConnectProvider" + aboutProvider, resource: "{provider}"},
	{line: "GetPolicy" + attachable, resource: "{policy}"},
	{line: "GetPolicyVersion&VersionId=v1" + attachable, resource: "{policy}"},
	{line: "GetRole" + aboutRole, resource: "role/{role}"},
	{line: "GetRolePolicy&PolicyName=p" + aboutRole, resource: "role/{role}", before: []string{"PutRolePolicy" + aboutRole + aPolicy}},
	{line: "GetUser" + aboutUser, resource: "user/{user}"},
	{line: "GetUserPolicy&PolicyName=p" + aboutUser, resource: "user/{user}", before: []string{"PutUserPolicy" + aboutUser + aPolicy}},
	{line: "ListAccessKeys" + aboutUser, resource: "user/{user}"},
	{line: "ListAccountAliases", resource: "*"},
	{line: "ListAttachedGroupPolicies" + aboutGroup, resource: "group/{group}"},
	{line: "ListAttachedRolePolicies" + aboutRole, resource: "role/{role}"},
	{line: "ListAttachedUserPolicies" + aboutUser, resource: "user/{user}"},
	{line: "ListEntitiesForPolicy" + attachable, resource: "{policy}"},
	{line: "ListGroupPolicies" + aboutGroup, resource: "group/{group}"},
	{line: "ListGroups", resource: "group/"},
	{line: "ListGroupsForUser" + aboutUser, resource: "user/{user}"},
	{line: "ListInstanceProfiles", resource: "instance-profile/"},
	{line: "ListInstanceProfilesForRole" + aboutRole, resource: "role/{role}"},
	{line: "ListMFADevices" + aboutUser, resource: "user/{user}"},
	{line: "ListOpenIDConnectProviderTags" + aboutProvider, resource: "{provider}"},
	{line: "ListOpenIDConnectProviders", resource: "oidc-provider/*"},
	{line: "ListPolicies", resource: "*"},
	{line: "ListPolicyTags" + attachable, resource: "{policy}"},
	{line: "ListPolicyVersions" + attachable, resource: "{policy}"},
	{line: "ListRolePolicies" + aboutRole, resource: "role/{role}"},
	{line: "ListRoleTags" + aboutRole, resource: "role/{role}"},
	{line: "ListRoles", resource: "role/"},
	{line: "ListSAMLProviders", resource: "saml-provider/*"},
	{line: "ListSSHPublicKeys" + aboutUser, resource: "user/{user}"},
	{line: "ListServerCertificates", resource: "server-certificate/"},
	{line: "ListServiceSpecificCredentials" + aboutUser, resource: "user/{user}"},
	{line: "ListSigningCertificates" + aboutUser, resource: "user/{user}"},
	{line: "ListUserPolicies" + aboutUser, resource: "user/{user}"},
	{line: "ListUserTags" + aboutUser, resource: "user/{user}"},
	{line: "ListUsers", resource: "user/"},
	{line: "ListVirtualMFADevices", resource: "*"},
	{line: "PutGroupPolicy" + aboutGroup + aPolicy, resource: "group/{group}"},
	{line: "PutRolePermissionsBoundary&PermissionsBoundary={policy}" + aboutRole, resource: "role/{role}"},
	{line: "PutRolePolicy" + aboutRole + aPolicy, resource: "role/{role}"},
	{line: "PutUserPermissionsBoundary&PermissionsBoundary={policy}" + aboutUser, resource: "user/{user}"},
	{line: "PutUserPolicy" + aboutUser + aPolicy, resource: "user/{user}"},
	{line: "RemoveClientIDFromOpenIDConnectProvider&ClientID=two" + aboutProvider, resource: "{provider}"},
	{line: "RemoveUserFromGroup" + aboutUser + aboutGroup, resource: "group/{group}", before: []string{"AddUserToGroup" + aboutUser + aboutGroup}},
	{line: "SetDefaultPolicyVersion&VersionId=v1" + attachable, resource: "{policy}"},
	{line: "SimulateCustomPolicy&PolicyInputList.member.1={doc}&ActionNames.member.1=s3:GetObject", resource: "*"},
	{line: "SimulatePrincipalPolicy&ActionNames.member.1=s3:GetObject&PolicySourceArn=arn:aws:iam::" + homeAccount + ":user/{user}", resource: "user/{user}"},
	{line: "TagOpenIDConnectProvider" + aboutProvider + aTag, resource: "{provider}"},
	{line: "TagPolicy" + attachable + aTag, resource: "{policy}"},
	{line: "TagRole" + aboutRole + aTag, resource: "role/{role}"},
	{line: "TagUser" + aboutUser + aTag, resource: "user/{user}"},
	{line: "UntagOpenIDConnectProvider" + aboutProvider + aTagKey, resource: "{provider}"},
	{line: "UntagPolicy" + attachable + aTagKey, resource: "{policy}"},
	{line: "UntagRole" + aboutRole + aTagKey, resource: "role/{role}"},
	{line: "UntagUser" + aboutUser + aTagKey, resource: "user/{user}"},
	{line: "UpdateAccessKey&Status=Inactive&AccessKeyId={key}" + aboutUser, resource: "user/{user}"},
	{line: "UpdateAssumeRolePolicy&PolicyDocument={trust}" + aboutRole, resource: "role/{role}"},
	{line: "UpdateGroup&NewGroupName={new}" + aboutGroup, resource: "group/{group}", also: []right{{"iam:UpdateGroup", "group/{new}"}}},
	{line: "UpdateOpenIDConnectProviderThumbprint&ThumbprintList.member.1=0123456789012345678901234567890123456789" + aboutProvider, resource: "{provider}"},
	{line: "UpdateRole&Description=d" + aboutRole, resource: "role/{role}"},
	{line: "UpdateRoleDescription&Description=d" + aboutRole, resource: "role/{role}"},
	{line: "UpdateUser&NewUserName={new}" + aboutUser, resource: "user/{user}", also: []right{{"iam:UpdateUser", "user/{new}"}}},
}

// stsRow returns the request of an operation of STS, with its rights.
func stsRow(line string, rights ...right) func(m *matrix) (wire, []right) {
	return func(m *matrix) (wire, []right) {
		s := &scene{m: m, names: make(map[string]string)}
		w := s.wire("sts", line)
		var list []right
		for _, r := range rights {
			list = append(list, right{r.action, s.fill(r.resource)})
		}
		return w, list
	}
}

var stsRows = []row{
	{operation: "AssumeRole", hides: true, make: stsRow("AssumeRole&RoleSessionName=session&RoleArn=arn:aws:iam::"+homeAccount+":role/{role}",
		right{"sts:AssumeRole", "arn:aws:iam::" + homeAccount + ":role/{role}"})},
	{operation: "AssumeRoleWithWebIdentity", unsigned: "InvalidIdentityToken",
		make: stsRow("AssumeRoleWithWebIdentity&RoleSessionName=session&WebIdentityToken=eyJhbGciOiJub25lIn0.e30.&RoleArn=arn:aws:iam::" + homeAccount + ":role/{role}")},
	{operation: "DecodeAuthorizationMessage", passes: "InvalidAuthorizationMessageException", foreign: own,
		make: stsRow("DecodeAuthorizationMessage&EncodedMessage=00000000000000000000000000", right{"sts:DecodeAuthorizationMessage", "*"})},
	{operation: "GetAccessKeyInfo", foreign: ok, make: stsRow("GetAccessKeyInfo&AccessKeyId={key}", right{"sts:GetAccessKeyInfo", "*"})},
	{operation: "GetCallerIdentity", free: ok, make: stsRow("GetCallerIdentity")},
	{operation: "GetFederationToken", noSession: true, make: stsRow("GetFederationToken&Name=bob",
		right{"sts:GetFederationToken", "arn:aws:sts::" + homeAccount + ":federated-user/bob"})},
	{operation: "GetSessionToken", free: ok, make: stsRow("GetSessionToken")},
}

func TestMatrixIAM(t *testing.T) {
	t.Parallel()
	built := make(map[string]bool)
	for _, o := range iamapi.Operations() {
		built[o.Name] = o.Implemented
	}
	var rows []row
	for _, r := range iamRows {
		rows = append(rows, r.row())
	}
	newMatrix(t, queryCodes).runAll(append(rows, stsRows...), built)
}
