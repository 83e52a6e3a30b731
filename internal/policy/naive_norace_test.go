//go:build !race

package policy_test

// defaultCases is enough for every rule to decide some of them.
const defaultCases = 30_000
