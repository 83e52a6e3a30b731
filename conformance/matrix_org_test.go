package conformance

import (
	"regexp"
	"strings"
	"testing"

	"coffer/internal/orgapi"
)

var orgCodes = api{name: "organizations", anonymous: "MissingAuthenticationTokenException", unknown: "UnrecognizedClientException",
	wrong: "InvalidSignatureException", denied: "AccessDeniedException"}

// An orgScene fills in the placeholders of a row of Organizations. OUs, policies and
// so on are made when they are named first.
type orgScene struct {
	m         *matrix
	org, root string // IDs
	names     map[string]string
}

func (s *orgScene) call(operation, body string) string {
	s.m.Helper()
	out := s.m.try(s.wire(operation, body), s.m.server.credentials())
	if out.status != 200 {
		s.m.Fatalf("%s as root = %d %s", operation, out.status, out.body)
	}
	return string(out.body)
}

func (s *orgScene) wire(operation, body string) wire {
	return wire{service: "organizations", method: "POST", target: "/", body: s.fill(body),
		header: []string{"Content-Type", "application/x-amz-json-1.1", "X-Amz-Target", orgapi.TargetPrefix + operation}}
}

func find(t testing.TB, pattern, text string) string {
	t.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if found == nil {
		t.Fatalf("%s is not in %s", pattern, text)
	}
	return found[1]
}

const aboutNothing = `{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Deny\",\"Action\":\"ec2:*\",\"Resource\":\"*\"}]}`

func (s *orgScene) fill(text string) string {
	return placeholder.ReplaceAllStringFunc(text, func(p string) string {
		p = strings.Trim(p, "{}")
		if v, ok := s.names[p]; ok {
			return v
		}
		name := s.m.fresh(p)
		v := name
		switch p {
		case "new":
		case "org":
			v = s.org
		case "root":
			v = s.root
		case "ou":
			v = find(s.m, `"Id":"(ou-[^"]+)"`, s.call("CreateOrganizationalUnit", `{"ParentId":"{root}","Name":"`+name+`"}`))
		case "policy":
			v = find(s.m, `"Id":"(p-[^"]+)"`, s.call("CreatePolicy", `{"Type":"SERVICE_CONTROL_POLICY","Description":"","Name":"`+name+`","Content":"`+aboutNothing+`"}`))
		case "account":
			v = s.m.account(name).id
		case "loose":
			v = s.m.account(name).id
			s.call("RemoveAccountFromOrganization", `{"AccountId":"`+v+`"}`)
		case "handshake":
			v = find(s.m, `"Id":"(h-[^"]+)"`, s.call("InviteAccountToOrganization", `{"Target":{"Type":"ACCOUNT","Id":"{loose}"}}`))
		case "request":
			v = find(s.m, `"Id":"(car-[^"]+)"`, s.call("CreateAccount", `{"AccountName":"x","Email":"`+name+`@example.com"}`))
		default:
			s.m.Fatalf("{%s} is no placeholder", p)
		}
		s.names[p] = v
		return v
	})
}

// An orgRow is a row of Organizations: its request, and where the rights are, within
// organizations of the account or "*".
type orgRow struct {
	operation, body string
	on              []string
	before          string // operation and body
	passes, foreign string
	free            string
}

func (r orgRow) row(org, root string) row {
	return row{operation: r.operation, passes: r.passes, foreign: r.foreign, free: r.free, make: func(m *matrix) (wire, []right) {
		s := &orgScene{m: m, org: org, root: root, names: make(map[string]string)}
		if operation, body, ok := strings.Cut(r.before, " "); ok {
			s.call(operation, body)
		}
		w := s.wire(r.operation, r.body)
		var rights []right
		for _, on := range r.on {
			if on != "*" {
				on = "arn:aws:organizations::" + homeAccount + ":" + s.fill(on)
			}
			rights = append(rights, right{"organizations:" + r.operation, on})
		}
		return w, rights
	}}
}

const (
	onRoot      = "root/{org}/{root}"
	onOU        = "ou/{org}/{ou}"
	onAccount   = "account/{org}/{account}"
	onPolicy    = "policy/{org}/service_control_policy/{policy}"
	onHandshake = "handshake/{org}/invite/{handshake}"
)

var onNothing = []string{"*"}

var orgRows = []orgRow{
	{operation: "AcceptHandshake", body: `{"HandshakeId":"{handshake}"}`, on: []string{onHandshake}, passes: "AccessDeniedException"},
	{operation: "AttachPolicy", body: `{"PolicyId":"{policy}","TargetId":"{ou}"}`, on: []string{onPolicy, onOU}},
	{operation: "CancelHandshake", body: `{"HandshakeId":"{handshake}"}`, on: []string{onHandshake}},
	{operation: "CreateAccount", body: `{"AccountName":"x","Email":"{new}@example.com"}`, on: onNothing},
	{operation: "CreateOrganization", body: `{}`, on: onNothing, passes: "AlreadyInOrganizationException", foreign: ok},
	{operation: "CreateOrganizationalUnit", body: `{"ParentId":"{root}","Name":"{new}"}`, on: []string{onRoot}},
	{operation: "CreatePolicy", body: `{"Type":"SERVICE_CONTROL_POLICY","Description":"","Name":"{new}","Content":"` + aboutNothing + `"}`, on: onNothing},
	{operation: "DeclineHandshake", body: `{"HandshakeId":"{handshake}"}`, on: []string{onHandshake}, passes: "AccessDeniedException"},
	{operation: "DeleteOrganization", body: `{}`, on: onNothing, passes: "OrganizationNotEmptyException"},
	{operation: "DeleteOrganizationalUnit", body: `{"OrganizationalUnitId":"{ou}"}`, on: []string{onOU}},
	{operation: "DeletePolicy", body: `{"PolicyId":"{policy}"}`, on: []string{onPolicy}},
	{operation: "DescribeAccount", body: `{"AccountId":"{account}"}`, on: []string{onAccount}},
	{operation: "DescribeCreateAccountStatus", body: `{"CreateAccountRequestId":"{request}"}`, on: onNothing},
	// It is about types of policies that the server does not have, and says so.
	{operation: "DescribeEffectivePolicy", body: `{"PolicyType":"TAG_POLICY"}`, on: onNothing, free: "NotImplemented"},
	{operation: "DescribeHandshake", body: `{"HandshakeId":"{handshake}"}`, on: []string{onHandshake}},
	// Every member may describe the organization that it is in.
	{operation: "DescribeOrganization", body: `{}`, on: onNothing, foreign: ok},
	{operation: "DescribeOrganizationalUnit", body: `{"OrganizationalUnitId":"{ou}"}`, on: []string{onOU}},
	{operation: "DescribePolicy", body: `{"PolicyId":"{policy}"}`, on: []string{onPolicy}},
	{operation: "DetachPolicy", body: `{"PolicyId":"{policy}","TargetId":"{ou}"}`, on: []string{onPolicy, onOU}, before: `AttachPolicy {"PolicyId":"{policy}","TargetId":"{ou}"}`},
	{operation: "DisablePolicyType", body: `{"RootId":"{root}","PolicyType":"RESOURCE_CONTROL_POLICY"}`, on: []string{onRoot}, before: `EnablePolicyType {"RootId":"{root}","PolicyType":"RESOURCE_CONTROL_POLICY"}`},
	{operation: "EnableAllFeatures", body: `{}`, on: onNothing, passes: "HandshakeConstraintViolationException"},
	{operation: "EnablePolicyType", body: `{"RootId":"{root}","PolicyType":"RESOURCE_CONTROL_POLICY"}`, on: []string{onRoot}},
	{operation: "InviteAccountToOrganization", body: `{"Target":{"Type":"ACCOUNT","Id":"{loose}"}}`, on: []string{"account/{org}/{loose}"}},
	{operation: "LeaveOrganization", body: `{}`, on: onNothing, passes: "MasterCannotLeaveOrganizationException", foreign: skip},
	{operation: "ListAWSServiceAccessForOrganization", body: `{}`, on: onNothing},
	{operation: "ListAccounts", body: `{}`, on: onNothing},
	{operation: "ListAccountsForParent", body: `{"ParentId":"{root}"}`, on: []string{onRoot}},
	{operation: "ListChildren", body: `{"ParentId":"{root}","ChildType":"ACCOUNT"}`, on: []string{onRoot}},
	{operation: "ListCreateAccountStatus", body: `{}`, on: onNothing},
	{operation: "ListDelegatedAdministrators", body: `{}`, on: onNothing},
	{operation: "ListHandshakesForAccount", body: `{}`, on: onNothing, foreign: own},
	{operation: "ListHandshakesForOrganization", body: `{}`, on: onNothing},
	{operation: "ListOrganizationalUnitsForParent", body: `{"ParentId":"{root}"}`, on: []string{onRoot}},
	{operation: "ListParents", body: `{"ChildId":"{account}"}`, on: []string{onAccount}},
	{operation: "ListPolicies", body: `{"Filter":"SERVICE_CONTROL_POLICY"}`, on: onNothing},
	{operation: "ListPoliciesForTarget", body: `{"TargetId":"{ou}","Filter":"SERVICE_CONTROL_POLICY"}`, on: []string{onOU}},
	{operation: "ListRoots", body: `{}`, on: onNothing},
	{operation: "ListTagsForResource", body: `{"ResourceId":"{ou}"}`, on: []string{onOU}},
	{operation: "ListTargetsForPolicy", body: `{"PolicyId":"{policy}"}`, on: []string{onPolicy}},
	{operation: "MoveAccount", body: `{"AccountId":"{account}","SourceParentId":"{root}","DestinationParentId":"{ou}"}`, on: []string{onAccount, onRoot, onOU}},
	{operation: "RemoveAccountFromOrganization", body: `{"AccountId":"{account}"}`, on: []string{onAccount}},
	{operation: "TagResource", body: `{"ResourceId":"{ou}","Tags":[{"Key":"a","Value":"b"}]}`, on: []string{onOU}},
	{operation: "UntagResource", body: `{"ResourceId":"{ou}","TagKeys":["a"]}`, on: []string{onOU}},
	{operation: "UpdateOrganizationalUnit", body: `{"OrganizationalUnitId":"{ou}","Name":"{new}"}`, on: []string{onOU}},
	{operation: "UpdatePolicy", body: `{"PolicyId":"{policy}","Description":"d"}`, on: []string{onPolicy}},
}

func TestMatrixOrganizations(t *testing.T) {
	t.Parallel()
	m := newMatrix(t, orgCodes)
	s := &orgScene{m: m, names: make(map[string]string)}
	org := find(t, `"Id":"(o-[^"]+)"`, s.call("CreateOrganization", "{}"))
	root := find(t, `"Id":"(r-[^"]+)"`, s.call("ListRoots", "{}"))
	s.call("EnablePolicyType", `{"RootId":"`+root+`","PolicyType":"SERVICE_CONTROL_POLICY"}`)
	built := make(map[string]bool)
	for _, o := range orgapi.Operations() {
		built[o.Name] = o.Implemented
	}
	var rows []row
	for _, r := range orgRows {
		rows = append(rows, r.row(org, root))
	}
	m.runAll(rows, built)
}
