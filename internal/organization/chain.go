package organization

import "coffer/internal/policy"

// A Chain is what stands above one account in its organization.
type Chain struct {
	ID                string // "o-..."
	ManagementAccount string
	// Path is the account's aws:PrincipalOrgPaths value: "o-.../r-.../ou-.../".
	Path string
	// SCPs and RCPs hold the policies of each level, the root first and the account
	// last. They are nil if the type is not enabled, and for the management account.
	SCPs, RCPs [][]policy.Named
}
