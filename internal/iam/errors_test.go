package iam

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"

	"coffer/internal/awserr"
	"coffer/internal/identity"
	"coffer/internal/policy"
)

// TestEveryDomainErrorHasAnAnswer reads the errors that package identity exports,
// and fails for one that has no answer and is not called internal.
func TestEveryDomainErrorHasAnAnswer(t *testing.T) {
	known := make(map[string]bool)
	for _, a := range answers {
		known[a.err.Error()] = true
	}
	for _, err := range slices.Concat(internals, worded) {
		known[err.Error()] = true
	}
	f, err := parser.ParseFile(token.NewFileSet(), "../identity/errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) == 0 {
			return true
		}
		call, ok := spec.Values[0].(*ast.CallExpr)
		if !ok {
			return true
		}
		text := strings.Trim(call.Args[0].(*ast.BasicLit).Value, `"`)
		if !known[text] {
			t.Errorf("identity.%s has no answer", spec.Names[0].Name)
		}
		delete(known, text)
		return true
	})
	for text := range known {
		t.Errorf("the answers name an error that is none of the domain: %s", text)
	}
}

func TestAnswer(t *testing.T) {
	b := newBench(t)
	answer := func(err error) error { return b.answer(t.Context(), b.root, "Op", err) }
	tests := []struct {
		name   string
		err    error
		status int
		want   string
	}{
		{"user", about(identity.ErrNoUser, "user", "bob"), 404, "NoSuchEntity: The user with name bob cannot be found."},
		{"a name is text of a client", about(identity.ErrNoUser, "user", "{user}%s{role}"), 404, "NoSuchEntity: The user with name {user}%s{role} cannot be found."},
		{"the first name counts", about(about(identity.ErrNoUser, "user", "inner"), "user", "outer"), 404, "NoSuchEntity: The user with name inner cannot be found."},
		{"wrapped", fmt.Errorf("delete: %w", about(identity.ErrNoRole, "role", "app")), 404, "NoSuchEntity: The role with name app cannot be found."},
		{"boundary before policy", about(identity.ErrNoPolicy, "boundary", "arn:b", "policy", "arn:p"), 404, "NoSuchEntity: Scope ARN: arn:b does not exist or is not attachable."},
		{"policy", about(identity.ErrNoPolicy, "policy", "arn:p"), 404, "NoSuchEntity: Policy arn:p was not found."},
		{"quota", about(&identity.QuotaError{Quota: "UsersPerAccount", Limit: 5000}, "user", "bob"), 409, "LimitExceeded: Cannot exceed quota for UsersPerAccount: 5000"},
		{"inline quota", about(&identity.QuotaError{Quota: "UserPolicySize", Limit: 2048}, "user", "bob"), 409, "LimitExceeded: Maximum policy size of 2048 bytes exceeded for user bob"},
		{"syntax", fmt.Errorf("%w: %w", identity.ErrMalformedPolicy, &policy.SyntaxError{Line: 3, Column: 5, Message: "unknown effect"}), 400,
			"MalformedPolicyDocument: Syntax errors in policy. (line 3, column 5: unknown effect)"},
		{"principal", &identity.PrincipalError{Principal: "arn:x"}, 400, `MalformedPolicyDocument: Invalid principal in policy: "AWS":"arn:x"`},
		{"invalid", fmt.Errorf("make it: %w: too odd", identity.ErrInvalid), 400, "ValidationError: The request is not valid: too odd"},
		{"nobody said about whom", identity.ErrNoUser, 500, "ServiceFailure: The request processing has failed because of an unknown error, exception or failure."},
		{"unknown", errors.New("disk on fire"), 500, "ServiceFailure: The request processing has failed because of an unknown error, exception or failure."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := answer(tt.err)
			refused(t, "answer", got, tt.status, tt.want)
			if !errors.Is(got, tt.err) {
				t.Errorf("the answer does not wrap %v", tt.err)
			}
		})
	}
	if log := b.log.String(); !strings.Contains(log, "disk on fire") || strings.Contains(log, "bob") {
		t.Errorf("the log is %s; want what clients are not told, and no more", log)
	}
	for _, err := range internals {
		if !awserr.Is(answer(about(err, "user", "x", "key", "x")), "ServiceFailure") {
			t.Errorf("%v is told to clients", err)
		}
	}
}
