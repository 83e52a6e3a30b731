package organization

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"coffer/internal/arn"
	"coffer/internal/meta"
	"coffer/internal/policy"
)

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

// maxChains bounds how many chains are remembered: more than one server has
// accounts.
const maxChains = 100_000

// Chain returns what stands above an account, or nil if it is in no organization.
// Callers share what it returns and change nothing in it. What is found is
// remembered until a change.
//
// Neither SCPs nor RCPs affect the management account and its resources.
//
// Source: AWS Organizations User Guide, "Service control policies (SCPs)" and
// "Resource control policies (RCPs)", read 2026-11-21.
func (s *Store) Chain(ctx context.Context, account string) (*Chain, error) {
	s.mu.RLock()
	c, ok := s.chains[account]
	ok = ok && s.changing == 0
	changes := s.changes
	s.mu.RUnlock()
	if ok {
		return c, nil
	}
	return s.findChain(ctx, account, changes)
}

// findChain reads a chain, and remembers it if there was no change since changes.
func (s *Store) findChain(ctx context.Context, account string, changes uint64) (*Chain, error) {
	var c *Chain
	err := s.view(ctx, func(r meta.Reader) (err error) {
		c, err = s.readChain(r, account)
		return err
	})
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changes == changes { // else a change overtook the reading
		if len(s.chains) >= maxChains {
			clear(s.chains)
		}
		s.chains[account] = c
	}
	return c, nil
}

func (s *Store) readChain(r meta.Reader, account string) (*Chain, error) {
	var row accountRow
	if err := get(r, rowAccount+account, &row, ErrNoAccount); errors.Is(err, ErrNoAccount) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	if row.Org == "" {
		return nil, nil
	}
	org, err := loadOrg(r, row.Org)
	if errors.Is(err, ErrNotInOrganization) {
		err = errDangling
	}
	if err != nil {
		return nil, err
	}
	path, err := above(r, row.Org, row.Parent)
	if err != nil {
		return nil, err
	}
	c := &Chain{ID: row.Org, ManagementAccount: org.Management, Path: row.Org + "/" + strings.Join(path, "/") + "/"}
	if account == org.Management {
		return c, nil
	}
	var levels [2][][]policy.Named // as in policyTypes
	for _, target := range append(path, account) {
		list, err := attached(r, row.Org, target)
		if err != nil {
			return nil, err
		}
		for i := range policyTypes {
			level := []policy.Named{}
			for _, p := range list {
				if p.Type != policyTypes[i].name {
					continue
				}
				compiled, err := policy.Load(p.Content, policyTypes[i].kind)
				if err != nil {
					return nil, fmt.Errorf("read policy %s: %w", p.ID, err)
				}
				level = append(level, policy.Named{Name: PolicyARN(org.Management, row.Org, p), Policy: compiled})
			}
			levels[i] = append(levels[i], level)
		}
	}
	if slices.Contains(org.Enabled, SCP) {
		c.SCPs = levels[typeIndex(SCP)]
	}
	if slices.Contains(org.Enabled, RCP) {
		c.RCPs = levels[typeIndex(RCP)]
	}
	return c, nil
}

// PolicyARN returns the ARN of a policy.
//
// Source: AWS Service Authorization Reference, "Resource types defined by AWS
// Organizations", read 2026-11-21.
func PolicyARN(management, org string, p *Policy) string {
	kind := strings.ToLower(string(p.Type))
	if p.AWSManaged {
		return arn.ARN{Partition: arn.Partition, Service: "organizations", Account: "aws", Resource: "policy/" + kind + "/" + p.ID}.String()
	}
	return arn.ARN{Partition: arn.Partition, Service: "organizations", Account: management, Resource: "policy/" + org + "/" + kind + "/" + p.ID}.String()
}
