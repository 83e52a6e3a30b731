package rolesanywhere

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"strings"
	"testing"

	"coffer/internal/anchor"
	"coffer/internal/awserr"
)

// TestEveryDomainErrorHasAnAnswer reads the errors that package anchor exports, and
// fails for one that the table has not.
func TestEveryDomainErrorHasAnAnswer(t *testing.T) {
	known := make(map[string]bool)
	for _, a := range answers {
		known[a.err.Error()] = true
	}
	f, err := parser.ParseFile(token.NewFileSet(), "../anchor/anchor.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Err") {
			return true
		}
		found++
		if text := strings.Trim(spec.Values[0].(*ast.CallExpr).Args[0].(*ast.BasicLit).Value, `"`); !known[text] {
			t.Errorf("anchor.%s has no answer", spec.Names[0].Name)
		}
		return true
	})
	if found != len(answers) {
		t.Errorf("package anchor has %d errors, and the table %d", found, len(answers))
	}
}

func TestAnswer(t *testing.T) {
	w := newWorld(t)
	for _, a := range answers {
		if e := awserr.As(w.answer(t.Context(), w.root, "Op", a.err)); e == nil || e.Code != a.code || e.Status != a.status || e.Message != a.text {
			t.Errorf("answer to %v = %v", a.err, e)
		}
	}
	detailed := fmt.Errorf("%w: %w", anchor.ErrCertificates, errors.New("it is one of a workload"))
	if e := awserr.As(w.answer(t.Context(), w.root, "Op", detailed)); !strings.HasSuffix(e.Message, " It is refused because it is one of a workload.") {
		t.Errorf("answer = %v; want the reason", e)
	}
	// A stranger is not told.
	detailed = fmt.Errorf("%w: %w", anchor.ErrUntrusted, errors.New("the trust anchor is disabled"))
	if e := awserr.As(w.answer(t.Context(), w.root, "Op", detailed)); e.Message != untrusted {
		t.Errorf("answer = %v; want no reason", e)
	}
	if e := awserr.As(w.answer(t.Context(), w.root, "Op", io.ErrUnexpectedEOF)); e.Status != 500 || strings.Contains(e.Message, "EOF") {
		t.Errorf("answer = %v; want an internal error that says nothing", e)
	}
}
