package iamapi

import "sync"

var names = sync.OnceValue(func() map[string]bool {
	m := make(map[string]bool)
	for _, o := range Operations() {
		m[o.Name] = true
	}
	return m
})

// IsOperation reports whether IAM or STS has an operation of that name.
func IsOperation(name string) bool { return names()[name] }
