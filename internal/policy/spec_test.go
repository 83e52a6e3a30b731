package policy

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The specification names a test for what it says, and the test exists.
func TestSpecificationNamesTests(t *testing.T) {
	spec, err := os.ReadFile("../../docs/spec/authorization.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("../*/*_test.go") // some rules are kept elsewhere
	if err != nil {
		t.Fatal(err)
	}
	var code strings.Builder
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		code.Write(b)
	}
	named := regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9]+)`").FindAllStringSubmatch(string(spec), -1)
	if len(named) < 50 {
		t.Errorf("the specification names %d tests", len(named))
	}
	for _, m := range named {
		if !strings.Contains(code.String(), "\nfunc "+m[1]+"(") {
			t.Errorf("the specification names %s, which does not exist", m[1])
		}
	}
	const rules = 39
	for i := 1; i <= rules; i++ {
		if !strings.Contains(string(spec), fmt.Sprintf("\n%d. ", i)) {
			t.Errorf("the specification has no rule %d", i)
		}
	}
}
