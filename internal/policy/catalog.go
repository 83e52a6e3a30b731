package policy

import (
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
)

//go:embed catalog.txt
var catalogText string

// A CatalogAction is what AWS documents of an action.
type CatalogAction struct {
	Name  string // "s3:GetObject", as AWS writes it
	Level string // "Read", "Write", "List", "Tagging", "Permissions management", several joined with "+"
	// Types are the kinds of resources that the action is about, such as "object";
	// none for an action that takes no resource. Required are those it needs.
	Types    []string
	Required []string

	names    []string        // of keys without a variable part, as documented
	keys     map[string]bool // lower case
	prefixes []string        // of keys with a variable part, lower case
}

// Carries reports whether requests for the action may have a condition key of its
// service, given in lower case.
func (a *CatalogAction) Carries(key string) bool {
	if a.keys[key] {
		return true
	}
	for _, p := range a.prefixes {
		if len(key) > len(p) && key[:len(p)] == p {
			return true
		}
	}
	return false
}

// Keys returns the names of the condition keys that requests for the action may
// have, without those of which a part is a tag or the like. Callers change nothing
// in it.
func (a *CatalogAction) Keys() []string { return a.names }

// A catalog is the actions by lower-case name, and the services it covers whole.
type catalog struct {
	actions  map[string]*CatalogAction
	services []string
	keys     map[string]string // types of condition keys, by name as documented
}

// Lookup returns what AWS documents of an action, whatever its letter case. known
// is false for a service that the catalog does not hold: it has S3, KMS, STS and
// IAM Roles Anywhere.
//
// Source: AWS Service Authorization Reference, read 2026-11-21; catalog.txt says by
// which way.
func Lookup(action string) (a *CatalogAction, known bool) {
	c := theCatalog()
	if a, ok := c.actions[action]; ok {
		return a, true
	}
	lower := strings.ToLower(action)
	service, _, _ := strings.Cut(lower, ":")
	return c.actions[lower], slices.Contains(c.services, service)
}

// Actions returns the actions of a service that the catalog holds, by name.
func Actions(service string) []*CatalogAction {
	var list []*CatalogAction
	for name, a := range theCatalog().actions {
		if strings.HasPrefix(name, service+":") && name == strings.ToLower(a.Name) {
			list = append(list, a)
		}
	}
	slices.SortFunc(list, func(a, b *CatalogAction) int { return strings.Compare(a.Name, b.Name) })
	return list
}

var theCatalog = sync.OnceValue(func() *catalog {
	c, err := parseCatalog(catalogText)
	if err != nil {
		panic("policy: internal error: " + err.Error())
	}
	return c
})

// parseCatalog reads the lines of catalog.txt.
func parseCatalog(text string) (*catalog, error) {
	c := &catalog{actions: make(map[string]*CatalogAction), keys: make(map[string]string)}
	var names []string
	service := ""
	types := make(map[string][]int) // of the service, by name
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 0 || f[0] == "#" {
			continue
		}
		switch {
		case f[0] == "key" && len(f) == 4:
			names = append(names, f[2])
			c.keys[f[2]] = f[3]
		case f[0] == "service" && len(f) == 2:
			service = f[1]
			c.services = append(c.services, service)
			clear(types)
		case f[0] == "type" && len(f) >= 3:
			numbers, err := keyNumbers(f[3:], len(names))
			if err != nil {
				return nil, err
			}
			types[f[1]] = numbers
		case f[0] == "action" && len(f) >= 4:
			a := &CatalogAction{Name: service + ":" + f[1], Level: strings.ReplaceAll(f[2], "_", " "), keys: make(map[string]bool)}
			numbers, err := keyNumbers(f[4:], len(names))
			if err != nil {
				return nil, err
			}
			for name := range strings.SplitSeq(f[3], ",") {
				if name == "-" {
					continue
				}
				name, required := strings.CutSuffix(name, "*")
				a.Types = append(a.Types, name)
				if required {
					a.Required = append(a.Required, name)
				}
				numbers = append(numbers, types[name]...)
			}
			for _, n := range numbers {
				a.carry(names[n])
			}
			// Under both spellings, so that the usual one is found without a copy.
			c.actions[a.Name], c.actions[strings.ToLower(a.Name)] = a, a
		default:
			return nil, fmt.Errorf("catalog line %q", line)
		}
	}
	return c, nil
}

// carry adds a key. One with a variable part matches by what stands before it.
func (a *CatalogAction) carry(name string) {
	key := strings.ToLower(name)
	if i := strings.IndexAny(key, "$<"); i >= 0 {
		if !slices.Contains(a.prefixes, key[:i]) {
			a.prefixes = append(a.prefixes, key[:i])
		}
		return
	}
	if !a.keys[key] {
		a.keys[key] = true
		a.names = append(a.names, name)
	}
}

func keyNumbers(fields []string, max int) ([]int, error) {
	var list []int
	if len(fields) == 0 {
		return nil, nil
	}
	for s := range strings.SplitSeq(fields[0], ",") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 || n >= max {
			return nil, fmt.Errorf("catalog key %q", s)
		}
		list = append(list, n)
	}
	return list, nil
}
