package sts

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"
)

// TestEveryDomainErrorHasAnAnswer reads the errors that package identity exports,
// and fails for one that neither the table nor the list of internal errors has.
func TestEveryDomainErrorHasAnAnswer(t *testing.T) {
	known := make(map[string]bool)
	for _, a := range answers {
		known[a.err.Error()] = true
	}
	for _, err := range internals {
		known[err.Error()] = true
	}
	f, err := parser.ParseFile(token.NewFileSet(), "../identity/errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		found++
		if text := strings.Trim(spec.Values[0].(*ast.CallExpr).Args[0].(*ast.BasicLit).Value, `"`); !known[text] {
			t.Errorf("identity.%s has no answer", spec.Names[0].Name)
		}
		return true
	})
	if found < 20 {
		t.Errorf("package identity has %d errors", found)
	}
}

// TestInternalErrorsSayNothing: the log gets them whole.
func TestInternalErrorsSayNothing(t *testing.T) {
	b := newBench(t)
	alice := b.user(account, "alice", "")
	for _, err := range append(internals, errors.New("disk on fire")) {
		b.log.Reset()
		wantError(t, err.Error(), b.answer(t.Context(), alice, "AssumeRole", err), "InternalFailure", "unknown error")
		if log := b.log.String(); !strings.Contains(log, err.Error()) || !strings.Contains(log, "req-1") {
			t.Errorf("log = %s", log)
		}
	}
}
