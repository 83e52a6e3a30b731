package key

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// modelFile is the model of the epoch change. conformance/model_test.go checks it.
const modelFile = "../../docs/spec/epoch-change.pml"

// modelled are the packages that the model stands for.
var modelled = []string{".", "../rootseal/file", "../rootseal/parts"}

// The model names every fault point and no other, and the functions that it stands
// for are there.
func TestModelFollowsTheCode(t *testing.T) {
	b, err := os.ReadFile(modelFile)
	if err != nil {
		t.Fatal(err)
	}
	model := string(b)
	var want []string
	for _, m := range regexp.MustCompile(`step\("([a-z]+)"\)`).FindAllStringSubmatch(model, -1) {
		if m[1] != "x" { // the example of the comment
			want = append(want, m[1])
		}
	}
	steps, funcs := stepsAndFuncs(t)
	for _, s := range steps {
		if !slices.Contains(want, s) {
			t.Errorf("the model lacks the fault point %q", s)
		}
	}
	for _, s := range want {
		if !slices.Contains(steps, s) {
			t.Errorf("the model has the fault point %q, the code does not", s)
		}
	}
	for _, m := range regexp.MustCompile(`func ((?:\(\*\w+\)\.)?\w+)`).FindAllStringSubmatch(model, -1) {
		if m[1] != "x" && !slices.Contains(funcs, m[1]) {
			t.Errorf("the model stands for func %s, which is not there", m[1])
		}
	}
}

// stepsAndFuncs returns the names that the modelled packages pass to step, and
// their functions.
func stepsAndFuncs(t *testing.T) (steps, funcs []string) {
	t.Helper()
	for _, dir := range modelled {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", dir, len(files), err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(f, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.FuncDecl:
					funcs = append(funcs, funcName(n))
				case *ast.CallExpr:
					if s, ok := stepName(t, n); ok {
						steps = append(steps, s)
					}
				}
				return true
			})
		}
	}
	return steps, funcs
}

func funcName(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return f.Name.Name
	}
	if star, ok := f.Recv.List[0].Type.(*ast.StarExpr); ok {
		if id, ok := star.X.(*ast.Ident); ok {
			return "(*" + id.Name + ")." + f.Name.Name
		}
	}
	return ""
}

// stepName returns the name in a call of a field called step.
func stepName(t *testing.T, c *ast.CallExpr) (string, bool) {
	t.Helper()
	sel, ok := c.Fun.(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != "step" || len(c.Args) != 1 {
		return "", false
	}
	lit, ok := c.Args[0].(*ast.BasicLit)
	if !ok {
		t.Errorf("a fault point without a literal name")
		return "", false
	}
	s, err := strconv.Unquote(lit.Value)
	if err != nil {
		t.Fatal(err)
	}
	return s, true
}
