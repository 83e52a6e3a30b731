package s3

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every error that the domain can return must have an answer: one that is not in
// the table reaches clients as InternalError.
func TestEveryDomainErrorHasAnAnswer(t *testing.T) {
	table, err := os.ReadFile("errors.go")
	if err != nil {
		t.Fatal(err)
	}
	internal := map[string]bool{
		"ErrNoKey": true, // of the check of a data directory
	}
	names, err := filepath.Glob("../object/*.go")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			gen, ok := d.(*ast.GenDecl)
			if !ok || gen.Tok != token.VAR {
				continue
			}
			for _, spec := range gen.Specs {
				for _, name := range spec.(*ast.ValueSpec).Names {
					if !strings.HasPrefix(name.Name, "Err") || internal[name.Name] {
						continue
					}
					n++
					if !strings.Contains(string(table), "{object."+name.Name+",") {
						t.Errorf("object.%s has no answer in errors.go", name.Name)
					}
				}
			}
		}
	}
	if n < 20 {
		t.Errorf("found %d errors in package object; want at least 20", n)
	}
}

// An empty message crashes the AWS CLI.
func TestAnswersHaveMessages(t *testing.T) {
	for _, a := range answers {
		if a.answer.Message == "" || a.answer.Code == "" || a.answer.Status < 300 {
			t.Errorf("answer to %v = %+v; want code, message and status", a.err, a.answer)
		}
	}
}
