//go:build race

package policy_test

// defaultCases is a tenth of what it is without the race detector, which is slow.
const defaultCases = 3_000
