package kms

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"

	"coffer/internal/key"
)

// TestEveryDomainErrorHasAnAnswer reads the errors that package key exports, and
// fails for one that neither the table nor the list of internal errors has.
func TestEveryDomainErrorHasAnAnswer(t *testing.T) {
	known := make(map[string]bool)
	for _, a := range answers {
		known[a.err.Error()] = true
		if a.text == "" || strings.Count(a.text, "%") > 1 {
			t.Errorf("%v answers %q; want a text with one %%s at most", a.err, a.text)
		}
	}
	for _, err := range internals {
		known[err.Error()] = true
	}
	found := 0
	for _, pkg := range []string{"key", "keyspec"} {
		f, err := parser.ParseFile(token.NewFileSet(), "../"+pkg+"/errors.go", nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			call := spec.Values[0].(*ast.CallExpr)
			if _, ok := call.Fun.(*ast.SelectorExpr); !ok {
				return true // it wraps another error of the package
			}
			text := strings.Trim(call.Args[0].(*ast.BasicLit).Value, `"`)
			found++
			if !known[text] {
				t.Errorf("%s.%s has no answer", pkg, spec.Names[0].Name)
			}
			return true
		})
	}
	if found != len(answers)+len(internals) {
		t.Errorf("the packages have %d errors, the table %d and the list %d", found, len(answers), len(internals))
	}
}

func TestAnswer(t *testing.T) {
	b := newBench(t)
	for _, a := range answers {
		err := b.answer(t.Context(), self, "Op", about("arn:x", a.err))
		wantError(t, a.err.Error(), err, a.code+": "+strings.Replace(a.text, "%s", "arn:x", 1))
		if !errors.Is(err, a.err) {
			t.Errorf("answer to %v does not wrap it", a.err)
		}
	}
	// An identifier is text of a client, and no format.
	err := b.answer(t.Context(), self, "Op", about("%s%d", key.ErrInvalidID))
	wantError(t, "format in an ID", err, "NotFoundException: Invalid keyId '%s%d'")
	const internal = "KMSInternalException: The request was rejected because an internal exception occurred. The request can be retried."
	for _, err := range internals {
		wantError(t, err.Error(), b.answer(t.Context(), self, "Op", about("arn:x", err)), internal)
	}
	wantError(t, "an error about nothing", b.answer(t.Context(), self, "Op", answers[0].err), internal)
}
