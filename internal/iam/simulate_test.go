package iam

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"coffer/internal/organization"
	"coffer/internal/policy"
)

// orgs is an organization above the account with one level of policies.
type orgs [][]policy.Named

func (o orgs) Chain(context.Context, string) (*organization.Chain, error) {
	return &organization.Chain{ID: "o-1", SCPs: o}, nil
}

func custom(action, resource string, policies ...string) *SimulateCustomPolicyInput {
	in := &SimulateCustomPolicyInput{Simulation{PolicyInputList: policies, ActionNames: []string{action}}}
	if resource != "" {
		in.ResourceARNs = []string{resource}
	}
	return in
}

// one returns the only result of a simulation.
func one(t testing.TB, out *SimulateOutput, err error) EvaluationResult {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if len(out.EvaluationResults) != 1 {
		t.Fatalf("%d results; want 1", len(out.EvaluationResults))
	}
	return out.EvaluationResults[0]
}

// places shows matched statements: "PolicyInputList.1 IAM Policy 3:17-8:6".
func places(list []MatchedStatement) string {
	var out []string
	for _, m := range list {
		out = append(out, fmt.Sprintf("%s %s %d:%d-%d:%d", m.SourcePolicyID, m.SourcePolicyType,
			m.StartPosition.Line, m.StartPosition.Column, m.EndPosition.Line, m.EndPosition.Column))
	}
	return strings.Join(out, "; ")
}

const (
	allowRead = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}]}`
	denyRead  = `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:Get*","Resource":"*"}]}`
)

func TestSimulateCustomPolicy(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	for _, tt := range []struct {
		name, decision, matched string
		in                      *SimulateCustomPolicyInput
	}{
		{"allowed", "allowed", "PolicyInputList.1 IAM Policy 1:38-1:110", custom("s3:GetObject", "arn:aws:s3:::b/k", allowRead)},
		{"another action", "implicitDeny", "", custom("s3:PutObject", "arn:aws:s3:::b/k", allowRead)},
		{"another resource", "implicitDeny", "", custom("s3:GetObject", "arn:aws:s3:::c/k", allowRead)},
		{"any resource", "implicitDeny", "", custom("s3:GetObject", "", allowRead)},
		{"the Deny only", "explicitDeny", "PolicyInputList.2 IAM Policy 1:38-1:89", custom("s3:GetObject", "arn:aws:s3:::b/k", allowRead, denyRead)},
		{"two that allow", "allowed", "PolicyInputList.1 IAM Policy 1:38-1:84; PolicyInputList.2 IAM Policy 1:38-1:110", custom("s3:GetObject", "arn:aws:s3:::b/k", allowAll, allowRead)},
		{"a key", "allowed", "PolicyInputList.1 IAM Policy 1:38-1:84", custom("kms:Decrypt", "arn:aws:kms:us-east-1:123456789012:key/1", allowAll)},
		{"a role", "allowed", "PolicyInputList.1 IAM Policy 1:38-1:84", custom("sts:AssumeRole", "arn:aws:iam::123456789012:role/r", allowAll)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, err := b.SimulateCustomPolicy(ctx, b.root, tt.in)
			r := one(t, out, err)
			if r.EvalDecision != tt.decision || places(r.MatchedStatements) != tt.matched || r.OrganizationsDecisionDetail != nil || r.PermissionsBoundaryDecisionDetail != nil {
				t.Errorf("result = %s by %q; want %s by %q", r.EvalDecision, places(r.MatchedStatements), tt.decision, tt.matched)
			}
			if len(tt.in.ResourceARNs) == 0 {
				if r.EvalResourceName != "*" || r.ResourceSpecificResults != nil {
					t.Errorf("result = %+v; want one for *", r)
				}
			} else if len(r.ResourceSpecificResults) != 1 || r.ResourceSpecificResults[0].EvalResourceName != tt.in.ResourceARNs[0] || r.ResourceSpecificResults[0].EvalResourceDecision != tt.decision {
				t.Errorf("results of resources = %+v", r.ResourceSpecificResults)
			}
		})
	}
}

func TestSimulateConditions(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	const text = `{"Version":"2012-10-17","Statement":[
  {"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/${aws:username}/*","Condition":{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"},"StringEquals":{"s3:ExistingObjectTag/team":"${aws:PrincipalTag/team}"}}},
  {"Effect":"Deny","Action":"s3:PutObject","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}
]}`
	in := custom("s3:GetObject", "arn:aws:s3:::b/alice/k", text)
	r := one(t, made(b.SimulateCustomPolicy(ctx, b.root, in))(t), nil)
	want := []string{"aws:username", "aws:SourceIp", "s3:ExistingObjectTag/team", "aws:PrincipalTag/team"}
	if r.EvalDecision != "implicitDeny" || !slices.Equal(r.MissingContextValues, want) {
		t.Errorf("result = %s, missing %v; want implicitDeny, %v", r.EvalDecision, r.MissingContextValues, want)
	}
	in.ContextEntries = []ContextEntry{
		{"AWS:UserName", []string{"alice"}, "string"}, {"aws:sourceip", []string{"192.0.2.9"}, "ip"},
		{"s3:ExistingObjectTag/team", []string{"red"}, "string"}, {"aws:PrincipalTag/Team", []string{"red"}, "string"},
	}
	if r = one(t, made(b.SimulateCustomPolicy(ctx, b.root, in))(t), nil); r.EvalDecision != "allowed" || len(r.MissingContextValues) != 0 {
		t.Errorf("result with all keys = %s, missing %v; want allowed", r.EvalDecision, r.MissingContextValues)
	}
	in.ContextEntries[1].ContextKeyValues[0] = "198.51.100.1"
	if r = one(t, made(b.SimulateCustomPolicy(ctx, b.root, in))(t), nil); r.EvalDecision != "implicitDeny" {
		t.Errorf("result from elsewhere = %s; want implicitDeny", r.EvalDecision)
	}
	for _, e := range []ContextEntry{
		{"aws:x", []string{"a", "b"}, "string"}, {"aws:xx", []string{"a"}, "numeric"}, {"aws:xx", []string{"yes"}, "boolean"}, {"aws:xx", []string{"1.2.3"}, "ip"},
		{"aws:xx", []string{"!"}, "binaryList"}, {"aws:xx", []string{"tomorrow"}, "date"}, {"aws:UserName", []string{"bob"}, "string"},
	} {
		in := custom("s3:GetObject", "", text)
		in.ContextEntries = []ContextEntry{{"aws:username", []string{"alice"}, "string"}, e}
		if _, err := b.SimulateCustomPolicy(ctx, b.root, in); err == nil || !strings.Contains(err.Error(), "InvalidInput") {
			t.Errorf("context entry %v = %v; want InvalidInput", e, err)
		}
	}
}

func TestSimulateLayers(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	in := custom("s3:GetObject", "arn:aws:s3:::b/k", allowAll)
	in.PermissionsBoundaryPolicyInputList = []string{allowRead}
	if r := one(t, made(b.SimulateCustomPolicy(ctx, b.root, in))(t), nil); r.EvalDecision != "allowed" || !r.PermissionsBoundaryDecisionDetail.AllowedByPermissionsBoundary ||
		places(r.MatchedStatements) != "PolicyInputList.1 IAM Policy 1:38-1:84" {
		t.Errorf("within the boundary = %+v", r)
	}
	in.ActionNames[0] = "s3:PutObject"
	if r := one(t, made(b.SimulateCustomPolicy(ctx, b.root, in))(t), nil); r.EvalDecision != "implicitDeny" || r.PermissionsBoundaryDecisionDetail.AllowedByPermissionsBoundary ||
		r.ResourceSpecificResults[0].PermissionsBoundaryDecisionDetail.AllowedByPermissionsBoundary {
		t.Errorf("outside of the boundary = %+v", r)
	}
	in.PermissionsBoundaryPolicyInputList[0], in.ActionNames[0] = denyRead, "s3:GetObject"
	if r := one(t, made(b.SimulateCustomPolicy(ctx, b.root, in))(t), nil); r.EvalDecision != "explicitDeny" ||
		places(r.MatchedStatements) != "PermissionsBoundaryPolicyInputList.1 IAM Policy 1:38-1:89" {
		t.Errorf("denied by the boundary = %s by %s", r.EvalDecision, places(r.MatchedStatements))
	}

	deny, err := policy.Load(denyRead, policy.KindSCP)
	ok(t, err)
	full := policy.Named{Name: "full", Policy: policy.FullAWSAccess(policy.KindSCP)}
	b.orgs = orgs{{full}, {full, {Name: "deny", Policy: deny}}}
	in = custom("s3:GetObject", "arn:aws:s3:::b/k", allowAll)
	if r := one(t, made(b.SimulateCustomPolicy(ctx, b.root, in))(t), nil); r.EvalDecision != "explicitDeny" || r.OrganizationsDecisionDetail.AllowedByOrganizations || len(r.MatchedStatements) != 0 {
		t.Errorf("denied by the organization = %+v", r)
	}
	in.ActionNames[0] = "s3:PutObject"
	if r := one(t, made(b.SimulateCustomPolicy(ctx, b.root, in))(t), nil); r.EvalDecision != "allowed" || !r.OrganizationsDecisionDetail.AllowedByOrganizations {
		t.Errorf("allowed by the organization = %+v", r)
	}
}

func TestSimulateResourcePolicy(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	grants := func(principal string) *string {
		return p(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + principal + `"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}]}`)
	}
	const nothing = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sns:Publish","Resource":"*"}]}`
	in := custom("s3:GetObject", "arn:aws:s3:::b/k", nothing)
	in.ResourcePolicy = grants(arnStart + "user/alice")
	_, err := b.SimulateCustomPolicy(ctx, b.root, in)
	refused(t, "a resource policy without a caller", err, 400, "InvalidInput: CallerArn is needed, because a ResourcePolicy is to be simulated.")
	in.CallerARN = p(arnStart + "user/alice")
	if r := one(t, made(b.SimulateCustomPolicy(ctx, b.root, in))(t), nil); r.EvalDecision != "allowed" || places(r.MatchedStatements) != "ResourcePolicy Resource Policy 1:38-1:169" {
		t.Errorf("named by the resource policy = %s by %s", r.EvalDecision, places(r.MatchedStatements))
	}
	in.CallerARN = p(arnStart + "user/bob")
	if r := one(t, made(b.SimulateCustomPolicy(ctx, b.root, in))(t), nil); r.EvalDecision != "implicitDeny" {
		t.Errorf("not named by the resource policy = %s", r.EvalDecision)
	}
	// Across accounts both have to allow.
	in.CallerARN, in.ResourceOwner = p(arnStart+"user/alice"), p("210987654321")
	if r := one(t, made(b.SimulateCustomPolicy(ctx, b.root, in))(t), nil); r.EvalDecision != "implicitDeny" || r.EvalDecisionDetails["IAM Policy"] != "implicitDeny" || r.EvalDecisionDetails["Resource Policy"] != "allowed" {
		t.Errorf("across accounts = %s, %v", r.EvalDecision, r.EvalDecisionDetails)
	}
	in.PolicyInputList = []string{allowRead}
	if r := one(t, made(b.SimulateCustomPolicy(ctx, b.root, in))(t), nil); r.EvalDecision != "allowed" || len(r.MatchedStatements) != 2 {
		t.Errorf("across accounts, both = %s by %s", r.EvalDecision, places(r.MatchedStatements))
	}
	for name, change := range map[string]func(*Simulation){
		"owner":           func(in *Simulation) { in.ResourceOwner = p("12345") },
		"caller":          func(in *Simulation) { in.CallerARN = p(arnStart + "role/app") },
		"policy":          func(in *Simulation) { in.ResourcePolicy = p(allowAll) },
		"identity policy": func(in *Simulation) { in.PolicyInputList = []string{"{}"} },
		"action":          func(in *Simulation) { in.ActionNames = []string{"s3:*"} },
		"action name":     func(in *Simulation) { in.ActionNames = []string{"GetObject"} },
		"resource":        func(in *Simulation) { in.ResourceARNs = []string{"b/k"} },
		"two boundaries":  func(in *Simulation) { in.PermissionsBoundaryPolicyInputList = []string{allowAll, allowAll} },
		"many policies":   func(in *Simulation) { in.PolicyInputList = slices.Repeat([]string{allowAll}, 101) },
	} {
		bad := *in
		change(&bad.Simulation)
		if _, err := b.SimulateCustomPolicy(ctx, b.root, &bad); err == nil || !strings.Contains(err.Error(), "InvalidInput") {
			t.Errorf("a bad %s = %v; want InvalidInput", name, err)
		}
	}
	in.ResourceHandlingOption = p("EC2-VPC-EBS")
	if _, err := b.SimulateCustomPolicy(ctx, b.root, in); err == nil || !strings.Contains(err.Error(), "NotImplemented") {
		t.Errorf("a ResourceHandlingOption = %v; want NotImplemented", err)
	}
}

func TestSimulatePages(t *testing.T) {
	b := newBench(t)
	in := custom("s3:GetObject", "arn:aws:s3:::b/k", allowRead)
	in.ActionNames = []string{"s3:GetObject", "s3:PutObject", "s3:DeleteObject"}
	in.ResourceARNs = []string{"arn:aws:s3:::b/k", "arn:aws:s3:::c/k"}
	in.MaxItems = p[int32](4)
	var got []string
	for range 3 {
		out := made(b.SimulateCustomPolicy(t.Context(), b.root, in))(t)
		for _, r := range out.EvaluationResults {
			got = append(got, r.EvalActionName+" "+r.EvalResourceName+" "+r.EvalDecision)
		}
		if !out.IsTruncated {
			break
		}
		in.Marker = p(out.Marker)
	}
	want := []string{
		"s3:GetObject arn:aws:s3:::b/k allowed", "s3:GetObject arn:aws:s3:::c/k implicitDeny", "s3:PutObject arn:aws:s3:::b/k implicitDeny",
		"s3:PutObject arn:aws:s3:::c/k implicitDeny", "s3:DeleteObject arn:aws:s3:::b/k implicitDeny", "s3:DeleteObject arn:aws:s3:::c/k implicitDeny",
	}
	if !slices.Equal(got, want) {
		t.Errorf("results = %v; want %v", got, want)
	}
	in.Marker = p(mark("simulation", "x"))
	_, err := b.SimulateCustomPolicy(t.Context(), b.root, in)
	refused(t, "an odd marker", err, 400, "ValidationError: Invalid Marker.")
}

func TestSimulatePrincipalPolicy(t *testing.T) {
	b, shared := fullBench(t)
	ctx := t.Context()
	ask := func(source, action, resource string, more ...string) *SimulatePrincipalPolicyInput {
		return &SimulatePrincipalPolicyInput{source, custom(action, resource, more...).Simulation}
	}
	for _, tt := range []struct {
		name, decision, matched string
		in                      *SimulatePrincipalPolicyInput
	}{
		{"a user, with its group", "allowed", "user_alice_inline IAM Policy 1:38-1:84; shared IAM Policy 1:38-1:84; group_devs_g IAM Policy 1:38-1:84; AmazonS3ReadOnlyAccess IAM Policy 3:19-14:10",
			ask(arnStart+"user/alice", "s3:GetObject", "arn:aws:s3:::b/k")},
		{"a user without policies", "implicitDeny", "", ask(arnStart+"user/Bob", "s3:GetObject", "arn:aws:s3:::b/k")},
		{"policies of the request", "allowed", "PolicyInputList.1 IAM Policy 1:38-1:110", ask(arnStart+"user/Bob", "s3:GetObject", "arn:aws:s3:::b/k", allowRead)},
		{"a group", "allowed", "group_devs_g IAM Policy 1:38-1:84; AmazonS3ReadOnlyAccess IAM Policy 3:19-14:10", ask(arnStart+"group/devs", "s3:GetObject", "")},
		{"a role", "explicitDeny", "PolicyInputList.1 IAM Policy 1:38-1:89", ask(arnStart+"role/app", "s3:GetObject", "arn:aws:s3:::b/k", denyRead)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := one(t, made(b.SimulatePrincipalPolicy(ctx, b.root, tt.in))(t), nil)
			if r.EvalDecision != tt.decision || places(r.MatchedStatements) != tt.matched {
				t.Errorf("result = %s by %q; want %s by %q", r.EvalDecision, places(r.MatchedStatements), tt.decision, tt.matched)
			}
		})
	}

	// The boundary of the entity counts, unless the request brings another.
	ok(t, b.PutUserPermissionsBoundary(ctx, b.root, &PutUserPermissionsBoundaryInput{"alice", readARN}))
	in := ask(arnStart+"user/alice", "s3:PutObject", "arn:aws:s3:::b/k")
	if r := one(t, made(b.SimulatePrincipalPolicy(ctx, b.root, in))(t), nil); r.EvalDecision != "implicitDeny" || r.PermissionsBoundaryDecisionDetail.AllowedByPermissionsBoundary {
		t.Errorf("outside of the user's boundary = %+v", r)
	}
	in.PermissionsBoundaryPolicyInputList = []string{allowAll}
	if r := one(t, made(b.SimulatePrincipalPolicy(ctx, b.root, in))(t), nil); r.EvalDecision != "allowed" {
		t.Errorf("within the request's boundary = %+v", r)
	}

	// The name of the user is known, and that of a role's session is not one.
	own := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sqs:SendMessage","Resource":"arn:aws:sqs:us-east-1:123456789012:${aws:username}"}]}`
	const queue = "arn:aws:sqs:us-east-1:123456789012:Bob"
	if r := one(t, made(b.SimulatePrincipalPolicy(ctx, b.root, ask(arnStart+"user/Bob", "sqs:SendMessage", queue, own)))(t), nil); r.EvalDecision != "allowed" || len(r.MissingContextValues) != 0 {
		t.Errorf("with the user's name = %+v", r)
	}
	ok(t, b.DetachRolePolicy(ctx, b.root, &DetachRolePolicyInput{"app", shared}))
	ok(t, b.DeleteRolePolicy(ctx, b.root, &DeleteRolePolicyInput{"app", "r"}))
	if r := one(t, made(b.SimulatePrincipalPolicy(ctx, b.root, ask(arnStart+"role/app", "sqs:SendMessage", queue, own)))(t), nil); r.EvalDecision != "implicitDeny" || !slices.Equal(r.MissingContextValues, []string{"aws:username"}) {
		t.Errorf("of a role = %+v", r)
	}

	_, err := b.SimulatePrincipalPolicy(ctx, b.root, ask(arnStart+"user/nobody", "s3:GetObject", ""))
	refused(t, "nobody", err, 404, "NoSuchEntity: The user with name nobody cannot be found.")
	_, err = b.SimulatePrincipalPolicy(ctx, b.root, ask(arnStart+"user/other/alice", "s3:GetObject", ""))
	refused(t, "another path", err, 404, "NoSuchEntity: The entity arn:aws:iam::123456789012:user/other/alice cannot be found.")
	_, err = b.SimulatePrincipalPolicy(ctx, b.root, ask("arn:aws:iam::210987654321:user/alice", "s3:GetObject", ""))
	refused(t, "another account", err, 404, "NoSuchEntity: The entity arn:aws:iam::210987654321:user/alice cannot be found.")
	_, err = b.SimulatePrincipalPolicy(ctx, b.root, ask(arnStart+"policy/shared", "s3:GetObject", ""))
	refused(t, "a policy", err, 400, "InvalidInput: Invalid Entity Arn: arn:aws:iam::123456789012:policy/shared does not clearly define entity type and name.")
	weak := b.user(t, "weak", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:SimulatePrincipalPolicy","Resource":"`+arnStart+`user/Bob"}]}`)
	_, err = b.SimulatePrincipalPolicy(ctx, weak, ask(arnStart+"user/alice", "s3:GetObject", ""))
	denied(t, "SimulatePrincipalPolicy on another user", err)
	_, err = b.SimulatePrincipalPolicy(ctx, weak, ask(arnStart+"user/nobody", "s3:GetObject", ""))
	denied(t, "SimulatePrincipalPolicy on nobody", err)
	made(b.SimulatePrincipalPolicy(ctx, weak, ask(arnStart+"user/Bob", "s3:GetObject", "")))(t)
	_, err = b.SimulateCustomPolicy(ctx, weak, custom("s3:GetObject", "", allowAll))
	denied(t, "SimulateCustomPolicy", err)
}

// TestSimulateAsAnother gives one user the policies of another: the policies of the
// source decide, and the caller is who resource policies name.
func TestSimulateAsAnother(t *testing.T) {
	b, _ := fullBench(t)
	in := &SimulatePrincipalPolicyInput{arnStart + "user/alice", custom("s3:GetObject", "arn:aws:s3:::b/k").Simulation}
	in.CallerARN = p(arnStart + "user/Bob")
	in.ResourcePolicy = p(`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":{"AWS":"` + arnStart + `user/alice"},"Action":"s3:*","Resource":"arn:aws:s3:::b/*"}]}`)
	if r := one(t, made(b.SimulatePrincipalPolicy(t.Context(), b.root, in))(t), nil); r.EvalDecision != "allowed" {
		t.Errorf("as another user = %+v", r)
	}
	for _, caller := range []*string{nil, p(arnStart + "user/alice")} {
		in.CallerARN = caller
		if r := one(t, made(b.SimulatePrincipalPolicy(t.Context(), b.root, in))(t), nil); r.EvalDecision != "explicitDeny" {
			t.Errorf("as the user = %+v", r)
		}
	}
}

// TestSimulationsTellNoTags asks for the tags of a user by way of conditions: only
// who may simulate that user learns them.
func TestSimulationsTellNoTags(t *testing.T) {
	b, _ := fullBench(t)
	ctx := t.Context()
	ok(t, b.TagUser(ctx, b.root, &TagUserInput{"Bob", []Tag{{"Level", "9"}}}))
	text := strings.Replace(allowAll, `"*"}`, `"*","Condition":{"StringEquals":{"aws:PrincipalTag/level":"9"}}}`, 1)
	asBob := custom("s3:GetObject", "arn:aws:s3:::b/k", text)
	asBob.CallerARN = p(arnStart + "user/Bob")
	if r := one(t, made(b.SimulateCustomPolicy(ctx, b.root, asBob))(t), nil); r.EvalDecision != "implicitDeny" || !slices.Equal(r.MissingContextValues, []string{"aws:PrincipalTag/level"}) {
		t.Errorf("a custom simulation = %s, missing %v", r.EvalDecision, r.MissingContextValues)
	}
	bob := &SimulatePrincipalPolicyInput{arnStart + "user/Bob", custom("s3:GetObject", "arn:aws:s3:::b/k", text).Simulation}
	if r := one(t, made(b.SimulatePrincipalPolicy(ctx, b.root, bob))(t), nil); r.EvalDecision != "allowed" {
		t.Errorf("a simulation of the user = %s, missing %v", r.EvalDecision, r.MissingContextValues)
	}
}

func TestGetContextKeys(t *testing.T) {
	b, _ := fullBench(t)
	ctx := t.Context()
	const text = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"dynamodb:*","Resource":"arn:aws:dynamodb:us-west-2:128716708097:table/${aws:username}${*}",
 "Condition":{"DateGreaterThan":{"aws:CurrentTime":"2015-08-16T12:00:00Z"},"StringLike":{"aws:USERNAME":["${aws:PrincipalTag/team, 'none'}"]}}}}`
	want := []string{"aws:username", "aws:CurrentTime", "aws:PrincipalTag/team"}
	if got := made(b.GetContextKeysForCustomPolicy(ctx, b.root, &GetContextKeysForCustomPolicyInput{[]string{text}}))(t); !slices.Equal(got.ContextKeyNames, want) {
		t.Errorf("GetContextKeysForCustomPolicy = %v; want %v", got.ContextKeyNames, want)
	}
	ok(t, b.PutGroupPolicy(ctx, b.root, &PutGroupPolicyInput{"devs", "keys", text}))
	more := strings.Replace(allowAll, `"*"}`, `"*","Condition":{"Null":{"aws:SourceVpc":"true"}}}`, 1)
	for _, source := range []string{"user/alice", "group/devs"} {
		got := made(b.GetContextKeysForPrincipalPolicy(ctx, b.root, &GetContextKeysForPrincipalPolicyInput{arnStart + source, []string{more}}))(t)
		if !slices.Equal(got.ContextKeyNames, append(slices.Clone(want), "aws:SourceVpc")) {
			t.Errorf("GetContextKeysForPrincipalPolicy of %s = %v", source, got.ContextKeyNames)
		}
	}
	_, err := b.GetContextKeysForCustomPolicy(ctx, b.root, &GetContextKeysForCustomPolicyInput{[]string{"{"}})
	if err == nil || !strings.Contains(err.Error(), "InvalidInput") {
		t.Errorf("GetContextKeysForCustomPolicy of no JSON = %v; want InvalidInput", err)
	}
	_, err = b.GetContextKeysForPrincipalPolicy(ctx, b.user(t, "weak", ""), &GetContextKeysForPrincipalPolicyInput{PolicySourceARN: arnStart + "user/alice"})
	denied(t, "GetContextKeysForPrincipalPolicy", err)
}

func TestStatementSpans(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"as AWS has it", "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [\n    {\n      \"Effect\": \"Allow\",\n      \"Action\": \"*\",\n      \"Resource\": \"*\"\n    }\n  ]\n}", "[{{3 17} {8 6}}]"},
		{"one statement", `{"Id":{"Statement":1},"Statement" : {"Sid":"é"} }`, "[{{1 36} {1 48}}]"},
		{"two", `{"Statement":[{"Sid":"a"},{"Sid":"b"}]}`, "[{{1 15} {1 26}} {{1 26} {1 38}}]"},
		{"none", `{}`, "[]"},
		{"no JSON", `{"Statement":[{]`, "[]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := fmt.Sprint(statementSpans(tt.text)); got != tt.want {
				t.Errorf("statementSpans = %s; want %s", got, tt.want)
			}
		})
	}
}

// FuzzStatementSpans checks that a span lies in the text, in order.
func FuzzStatementSpans(f *testing.F) {
	f.Add(allowAll)
	f.Add("{\"Statement\" :\n [ {} , \"x\" , [1]]}")
	f.Fuzz(func(t *testing.T, text string) {
		last := Position{1, 1}
		for _, s := range statementSpans(text) {
			for _, p := range []Position{s.start, s.end} {
				if p.Line < last.Line || p.Line == last.Line && p.Column < last.Column {
					t.Fatalf("%q: %v behind %v", text, p, last)
				}
				last = p
			}
		}
		positionAt(text, len(text))
	})
}
