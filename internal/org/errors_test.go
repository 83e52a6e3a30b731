package org

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"strings"
	"testing"

	"coffer/internal/awserr"
)

// TestEveryDomainErrorHasAnAnswer reads the errors that package organization
// exports, and fails for one that neither the table nor the list of internal errors
// has.
func TestEveryDomainErrorHasAnAnswer(t *testing.T) {
	known := make(map[string]bool)
	for _, a := range answers {
		known[a.err.Error()] = true
		if a.text == "" || !strings.HasSuffix(a.code, "Exception") {
			t.Errorf("%v answers %s %q", a.err, a.code, a.text)
		}
		if hasReason := a.code == invalid || a.code == constraint || a.code == handshakeConstraint; hasReason != (a.reason != "") {
			t.Errorf("%v answers %s with the reason %q", a.err, a.code, a.reason)
		}
	}
	for _, err := range internals {
		known[err.Error()] = true
	}
	f, err := parser.ParseFile(token.NewFileSet(), "../organization/organization.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Err") {
			return true
		}
		text := strings.Trim(spec.Values[0].(*ast.CallExpr).Args[0].(*ast.BasicLit).Value, `"`)
		found++
		if !known[text] {
			t.Errorf("organization.%s has no answer", spec.Names[0].Name)
		}
		return true
	})
	if found != len(answers)+len(internals) {
		t.Errorf("package organization has %d errors, the table %d and the list %d", found, len(answers), len(internals))
	}
}

func TestAnswer(t *testing.T) {
	w := newWorld(t)
	for _, a := range answers {
		err := w.answer(t.Context(), w.root, "Op", a.err)
		e := awserr.As(err)
		if e == nil || e.Code != a.code || e.Message != a.text || e.Status != 400 || !errors.Is(err, a.err) {
			t.Errorf("answer to %v = %v", a.err, err)
		}
	}
	for _, err := range append(internals, io.ErrUnexpectedEOF) {
		if got := w.answer(t.Context(), w.root, "Op", err); !awserr.Is(got, "ServiceException") || awserr.As(got).Status != 500 || strings.Contains(awserr.As(got).Message, err.Error()) {
			t.Errorf("answer to %v = %v; want a ServiceException that says nothing", err, got)
		}
	}
}
