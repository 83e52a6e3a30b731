package iam

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"coffer/internal/authn"
	"coffer/internal/identity"
)

func TestUsers(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	out := made(b.CreateUser(ctx, b.root, &CreateUserInput{UserName: "alice", Path: p("/dev/"), PermissionsBoundary: p(adminARN), Tags: []Tag{{"Team", "blue"}}}))(t)
	u := out.User
	if !regexp.MustCompile(`^AIDA[A-Z2-7]{17}$`).MatchString(u.UserID) {
		t.Errorf("UserId = %s", u.UserID)
	}
	want := User{"/dev/", "alice", u.UserID, arnStart + "user/dev/alice", testTime, &AttachedPermissionsBoundary{"Policy", adminARN}, []Tag{{"Team", "blue"}}}
	if !reflect.DeepEqual(u, want) {
		t.Errorf("CreateUser = %+v; want %+v", u, want)
	}
	e := b.last(t)
	wantParams := map[string]any{"userName": "alice", "path": "/dev/", "permissionsBoundary": adminARN, "tags": []any{map[string]any{"key": "Team", "value": "blue"}}}
	if e.EventName != "CreateUser" || !reflect.DeepEqual(e.RequestParameters, wantParams) || e.ResponseElements["user"].(map[string]any)["userId"] != u.UserID {
		t.Errorf("the trail has %s", e.Text)
	}

	got := made(b.GetUser(ctx, b.root, &GetUserInput{p("ALICE")}))(t) // names differ in more than case
	if !reflect.DeepEqual(got.User, want) {
		t.Errorf("GetUser = %+v; want %+v", got.User, want)
	}
	b.user(t, "bob", "")
	list := made(b.ListUsers(ctx, b.root, &ListUsersInput{}))(t)
	if names := each(list.Users, func(u User) string { return u.UserName }); !slices.Equal(names, []string{"alice", "bob"}) || list.IsTruncated || list.Users[0].Tags != nil {
		t.Errorf("ListUsers = %+v", list)
	}
	list = made(b.ListUsers(ctx, b.root, &ListUsersInput{PathPrefix: p("/d")}))(t)
	if len(list.Users) != 1 || list.Users[0].UserName != "alice" {
		t.Errorf("ListUsers of a path = %+v; want alice", list)
	}

	ok(t, b.UpdateUser(ctx, b.root, &UpdateUserInput{UserName: "alice", NewUserName: p("carol"), NewPath: p("/")}))
	got = made(b.GetUser(ctx, b.root, &GetUserInput{p("carol")}))(t)
	if got.User.UserID != u.UserID || got.User.ARN != arnStart+"user/carol" {
		t.Errorf("the renamed user is %+v", got.User)
	}
	ok(t, b.DeleteUser(ctx, b.root, &DeleteUserInput{"carol"}))
	_, err := b.GetUser(ctx, b.root, &GetUserInput{p("carol")})
	refused(t, "GetUser of a deleted user", err, 404, "NoSuchEntity: The user with name carol cannot be found.")
}

func TestUserRefusals(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	b.user(t, "alice", allowAll)
	create := func(in CreateUserInput) error {
		_, err := b.CreateUser(ctx, b.root, &in)
		return err
	}
	ok(t, create(CreateUserInput{UserName: "keys"}))
	made(b.CreateAccessKey(ctx, b.root, &CreateAccessKeyInput{p("keys")}))(t)
	ok(t, create(CreateUserInput{UserName: "attached"}))
	ok(t, b.AttachUserPolicy(ctx, b.root, &AttachUserPolicyInput{"attached", readARN}))
	ok(t, create(CreateUserInput{UserName: "member"}))
	made(b.CreateGroup(ctx, b.root, &CreateGroupInput{GroupName: "devs"}))(t)
	ok(t, b.AddUserToGroup(ctx, b.root, &AddUserToGroupInput{"devs", "member"}))
	tests := []struct {
		name   string
		err    error
		status int
		want   string
	}{
		{"same name in another case", create(CreateUserInput{UserName: "ALICE"}), 409, "EntityAlreadyExists: User with name ALICE already exists."},
		{"no name", create(CreateUserInput{}), 400, "ValidationError: 1 validation error detected: Value null at 'userName' failed to satisfy constraint: Member must not be null"},
		{"letters of a name", create(CreateUserInput{UserName: "a b"}), 400, `ValidationError: 1 validation error detected: Value 'a b' at 'userName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@-]+`},
		{"long name", create(CreateUserInput{UserName: strings.Repeat("a", 65)}), 400, "ValidationError: 1 validation error detected: Value at 'userName' failed to satisfy constraint: Member must have length less than or equal to 64"},
		{"path", create(CreateUserInput{UserName: "a", Path: p("dev")}), 400, `ValidationError: 1 validation error detected: Value 'dev' at 'path' failed to satisfy constraint: Member must satisfy regular expression pattern: (\u002F)|(\u002F[\u0021-\u007E]+\u002F)`},
		{"two failures", create(CreateUserInput{UserName: "/", Path: p("")}), 400, `ValidationError: 2 validation errors detected: Value '/' at 'userName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@-]+; Value '' at 'path' failed to satisfy constraint: Member must have length greater than or equal to 1`},
		{"empty boundary", create(CreateUserInput{UserName: "a", PermissionsBoundary: p("")}), 400, "ValidationError: 1 validation error detected: Value '' at 'permissionsBoundary' failed to satisfy constraint: Member must have length greater than or equal to 20"},
		{"unknown boundary", create(CreateUserInput{UserName: "a", PermissionsBoundary: p(arnStart + "policy/x")}), 404, "NoSuchEntity: Scope ARN: arn:aws:iam::123456789012:policy/x does not exist or is not attachable."},
		{"tag twice", create(CreateUserInput{UserName: "a", Tags: []Tag{{"a", "1"}, {"A", "2"}}}), 400, "InvalidInput: Duplicate tag keys found. Please note that Tag keys are case insensitive."},
		{"reserved tag", create(CreateUserInput{UserName: "a", Tags: []Tag{{"AWS:x", "1"}}}), 400, "InvalidInput: Tag keys that start with aws: are reserved."},
		{"rename to another", b.UpdateUser(ctx, b.root, &UpdateUserInput{UserName: "alice", NewUserName: p("keys")}), 409, "EntityAlreadyExists: User with name keys already exists."},
		{"delete an unknown user", b.DeleteUser(ctx, b.root, &DeleteUserInput{"nobody"}), 404, "NoSuchEntity: The user with name nobody cannot be found."},
		{"delete with an inline policy", b.DeleteUser(ctx, b.root, &DeleteUserInput{"alice"}), 409, "DeleteConflict: Cannot delete entity, must delete policies first."},
		{"delete with keys", b.DeleteUser(ctx, b.root, &DeleteUserInput{"keys"}), 409, "DeleteConflict: Cannot delete entity, must delete access keys first."},
		{"delete with a policy", b.DeleteUser(ctx, b.root, &DeleteUserInput{"attached"}), 409, "DeleteConflict: Cannot delete entity, must detach all policies first."},
		{"delete a member", b.DeleteUser(ctx, b.root, &DeleteUserInput{"member"}), 409, "DeleteConflict: Cannot delete entity, must remove users from group first."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { refused(t, tt.name, tt.err, tt.status, tt.want) })
	}
}

func TestGetUserWithoutAName(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	root := made(b.GetUser(ctx, b.root, &GetUserInput{}))(t)
	if want := (User{UserID: account, ARN: arnStart + "root", CreateDate: testTime}); !reflect.DeepEqual(root.User, want) {
		t.Errorf("GetUser of root = %+v; want %+v", root.User, want)
	}
	alice := b.user(t, "alice", allowAll)
	self := made(b.GetUser(ctx, alice, &GetUserInput{}))(t)
	if self.User.UserName != "alice" {
		t.Errorf("GetUser = %+v; want alice", self.User)
	}
	session := *alice
	session.Type, session.UserName = authn.TypeAssumedRole, ""
	_, err := b.GetUser(ctx, &session, &GetUserInput{})
	refused(t, "GetUser of a session", err, 400, "ValidationError: Must specify userName when calling with non-User credentials")
}

// IAM takes no credentials of GetFederationToken, and those of GetSessionToken only
// with a device.
func TestCredentialsThatIAMRefuses(t *testing.T) {
	b := newBench(t)
	alice := b.user(t, "alice", allowAll)
	tests := []struct {
		name    string
		session identity.Session
		refused bool
	}{
		{"GetFederationToken", identity.Session{Kind: identity.SessionFederated, MFA: true}, true},
		{"GetSessionToken", identity.Session{Kind: identity.SessionUser}, true},
		{"GetSessionToken with a device", identity.Session{Kind: identity.SessionUser, MFA: true}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := *alice
			c.Session = &tt.session
			err := b.TagUser(t.Context(), &c, &TagUserInput{"alice", []Tag{{"a", "b"}}})
			if tt.refused {
				refused(t, "TagUser", err, 403, "InvalidClientTokenId: The security token included in the request is invalid")
				if e := b.last(t); e.EventName != "TagUser" || e.ErrorCode != "InvalidClientTokenId" {
					t.Errorf("the trail has %s", e.Text)
				}
			} else if err != nil {
				t.Errorf("TagUser = %v", err)
			}
		})
	}
}

func TestListingPages(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	var want []string
	for _, name := range strings.Fields("Anna bert carl dora Emil") {
		b.user(t, name, "")
		want = append(want, name)
	}
	var got []string
	in := &ListUsersInput{Paging: Paging{MaxItems: p[int32](2)}}
	for pages := 1; ; pages++ {
		out := made(b.ListUsers(ctx, b.root, in))(t)
		got = append(got, each(out.Users, func(u User) string { return u.UserName })...)
		if out.IsTruncated != (out.Marker != "") || pages > 3 {
			t.Fatalf("page %d = %+v", pages, out)
		}
		if !out.IsTruncated {
			break
		}
		in.Marker = &out.Marker
	}
	if !slices.Equal(got, want) {
		t.Errorf("pages = %v; want %v", got, want)
	}
	for _, marker := range []string{"x", "dXNlcnM6", mark("groups", "a"), mark("users", "a") + "\n"} {
		_, err := b.ListUsers(ctx, b.root, &ListUsersInput{Paging: Paging{Marker: &marker}})
		refused(t, "marker "+marker, err, 400, "ValidationError: Invalid Marker.")
	}
	for _, n := range []int32{0, 1001, -1} {
		if _, err := b.ListUsers(ctx, b.root, &ListUsersInput{Paging: Paging{MaxItems: &n}}); err == nil {
			t.Errorf("MaxItems %d is taken", n)
		}
	}
}

func TestCut(t *testing.T) {
	all := []string{"b", "a", "d", "c"}
	name := func(s string) string { return s }
	two := Paging{MaxItems: p[int32](2)}
	first, paged, err := cut(&two, "l", all, name)
	if err != nil || !slices.Equal(first, []string{"b", "a"}) || !paged.IsTruncated {
		t.Fatalf("first page = %v, %+v, %v", first, paged, err)
	}
	two.Marker = &paged.Marker
	for want, all := range map[string][]string{"d c": all, "a2 d": {"b", "a", "a2", "d", "c"}, "x d": {"b", "x", "d", "c"}, "": nil, "c": {"d", "b", "a", "c"}} {
		got, _, err := cut(&two, "l", all, name)
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("second page of %v = %v, %v; want %s", all, got, err, want)
		}
	}
	for _, after := range []string{"a", "0:a", "-1:a", "x:a"} {
		two.Marker = p(mark("l", after))
		if _, _, err := cut(&two, "l", all, name); err == nil {
			t.Errorf("a marker with %q is taken", after)
		}
	}
}
