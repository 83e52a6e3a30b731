package conformance

import (
	"strings"
	"testing"
)

// TestExplanationsHideTheResource: who is denied something of another account learns
// nothing of it from the explanation, whatever conditions its own policies have.
func TestExplanationsHideTheResource(t *testing.T) {
	t.Parallel()
	m := newMatrix(t, queryCodes)
	const secret = "only-for-the-owner"
	s := &scene{m: m, names: make(map[string]string)}
	s.root("CreateRole&RoleName=there&AssumeRolePolicyDocument={trust}&Tags.member.1.Key=class&Tags.member.1.Value=" + secret)
	asks := func(action, key string) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"` + action + `","Resource":"*"},
			{"Effect":"Deny","Action":"` + action + `","Resource":"*","Condition":{"StringLike":{"` + key + `":"a*"}}}]}`
	}
	other := m.server.iam(m.other.keyID, m.other.secret)
	m.may(other, asks("sts:AssumeRole", "aws:ResourceTag/class"))
	var texts []string
	for _, role := range []string{"there", "none"} {
		out := m.try(s.wire("sts", "AssumeRole&RoleSessionName=session&RoleArn=arn:aws:iam::"+homeAccount+":role/"+role), m.foreigner.creds)
		want(t, "code", out.code, "AccessDenied")
		texts = append(texts, strings.ReplaceAll(out.message, "role/"+role, "role"))
	}
	want(t, "denial of a role that exists and of one that does not", texts[0], texts[1])

	// In one organization, denials are explained across accounts.
	(&orgScene{m: m, names: make(map[string]string)}).call("CreateOrganization", "{}")
	p := m.place()
	p.object("x-amz-tagging", "class="+secret)
	m.may(other, asks("s3:GetObject", "s3:ExistingObjectTag/class"))
	out := m.try(wire{service: "s3", method: "GET", target: "/" + p.bucket + "/key"}, m.foreigner.creds)
	found := decisionID.FindStringSubmatch(out.message)
	if found == nil {
		t.Fatalf("GetObject = %d %s; want a denial with an authorization ID", out.status, out.body)
	}
	explain := wire{service: "coffer", method: "GET", target: "/_coffer/decisions/" + found[1]}
	if seen := m.try(explain, m.other.credentials()); seen.status != 200 || strings.Contains(string(seen.body), secret) {
		t.Errorf("explanation for the principal's account = %d %s; want one without the object's tags", seen.status, seen.body)
	}
}
