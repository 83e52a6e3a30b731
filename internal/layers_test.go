// Package internal holds no code, only the test of its own layering.
package internal

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
)

const prefix = "coffer/internal/"

// floors is the order of the packages, lowest first. A package may import
// lower floors, and on its own floor only what uses allows. It is a statement
// of design: change it in a commit of its own that says why.
var floors = []string{
	// Formats: pure functions on bytes. No I/O, no clock, no randomness of
	// their own, no logging.
	"arn awserr awsjson awsquery backupset checksum hashchain iac keyblob keywrap policy receipt restxml sealed shamir sigv4 xks",
	// Stores: interfaces to the outside, and one package per implementation.
	"durable meta meta/* blob blob/* archive archive/* rootseal rootseal/* extkey extkey/*",
	// Domains: the rules. They see stores only as interfaces.
	"revision calendar identity organization anchor keyspec key meter object erasure quota trail guard access backup",
	// Services: the operations, authorized and recorded.
	"authn authz admin iam kms s3 sts org rolesanywhere xksproxy shred cloudtrail",
	// Fronts: wire protocols and pages.
	"s3api targetapi kmsapi iamapi orgapi anywhereapi xksapi console opsapi",
	// Programs.
	"config bench server cli",
}

// uses lists the imports allowed within one floor, and the few packages that
// may import an implementation of a store.
var uses = map[string]string{
	"policy":        "arn",
	"awsjson":       "awserr",
	"awsquery":      "awserr",
	"restxml":       "awserr",
	"xks":           "awsjson sigv4",
	"guard":         "trail",
	"identity":      "revision",
	"organization":  "revision identity", // accounts are identities
	"anchor":        "revision",
	"key":           "revision keyspec",
	"object":        "revision",
	"erasure":       "key object", // what destroying the one makes dark of the other
	"authz":         "authn",
	"admin":         "authn authz",
	"iam":           "authn authz",
	"kms":           "authn authz",
	"s3":            "authn authz",
	"sts":           "authn authz",
	"org":           "authn authz",
	"rolesanywhere": "authn authz",
	"cloudtrail":    "authn authz",
	"shred":         "authn authz",
	"xksproxy":      "authn authz",
	"meta/*":        "meta",
	"blob/*":        "blob durable",
	"archive/*":     "archive durable",
	"rootseal/*":    "rootseal durable",
	"extkey/*":      "extkey",
	"kmsapi":        "targetapi",
	"orgapi":        "targetapi",
	"server":        "config meta/* blob/* archive/* rootseal/* extkey/*",
	"cli":           "config server bench",
}

// impure are the standard packages that no format may import.
var impure = []string{"os", "net", "net/http", "os/exec", "database/sql", "log", "log/slog", "crypto/rand", "math/rand", "math/rand/v2"}

func TestLayers(t *testing.T) {
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return err
		}
		pkg := path.Dir(name)
		from := floor(pkg)
		if from < 0 {
			t.Errorf("%s is on no floor: add it to floors", pkg)
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range f.Imports {
			imp := strings.Trim(spec.Path.Value, `"`)
			if from == 0 && slices.Contains(impure, imp) {
				t.Errorf("%s: a format must stay pure, but imports %s", name, imp)
			}
			dep, ok := strings.CutPrefix(imp, prefix)
			if !ok || allowed(pkg, dep) {
				continue
			}
			to := floor(dep)
			isStore := to == 1 && strings.Contains(dep, "/")
			switch {
			case to > from:
				t.Errorf("%s (floor %d) imports %s above it (floor %d)", name, from, dep, to)
			case to == from:
				t.Errorf("%s imports its neighbour %s: add it to uses, with a reason", name, dep)
			case isStore:
				t.Errorf("%s imports the implementation %s: take the interface, let server choose", name, dep)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// floor returns the index of pkg in floors, or -1.
func floor(pkg string) int {
	return slices.IndexFunc(floors, func(s string) bool { return matches(pkg, s) })
}

// allowed reports whether uses lets pkg import dep.
func allowed(pkg, dep string) bool {
	for k, v := range uses {
		if matches(pkg, k) && matches(dep, v) {
			return true
		}
	}
	return false
}

// matches reports whether one of the space-separated patterns matches pkg.
func matches(pkg, patterns string) bool {
	return slices.ContainsFunc(strings.Fields(patterns), func(p string) bool {
		ok, _ := path.Match(p, pkg)
		return ok
	})
}
