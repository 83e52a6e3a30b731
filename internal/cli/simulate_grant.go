package cli

import (
	"errors"
	"fmt"

	"coffer/internal/policy"
)

var (
	grantMembers      = []string{"granteePrincipal", "granteeServicePrincipal", "operations", "constraints"}
	constraintMembers = []string{"encryptionContextEquals", "encryptionContextSubset", "sourceArn"}
)

// readGrants reads the grants on a key. Their members are those of the KMS API, which
// begins them in upper case; both will do.
func readGrants(s *scanner) ([]policy.Grant, error) {
	var grants []policy.Grant
	err := s.elements(func(i int) error {
		if i >= maxGrants {
			return fmt.Errorf("there are more than %d", maxGrants)
		}
		g, err := readGrant(s)
		if err != nil {
			return at(fmt.Sprintf("[%d]", i), err)
		}
		g.ID = fmt.Sprintf("grants[%d]", i)
		grants = append(grants, g)
		return nil
	})
	return grants, err
}

func readGrant(s *scanner) (policy.Grant, error) {
	var g policy.Grant
	var seen memberSet
	err := s.members(func(name []byte) error {
		i, err := seen.add(lowerFirst(name), grantMembers)
		if err != nil {
			return err
		}
		switch i {
		case 0:
			err = readText(s, &g.GranteePrincipal)
		case 1:
			err = readText(s, &g.GranteeService)
		case 2:
			err = s.elements(func(int) error {
				var op string
				err := readText(s, &op)
				g.Operations = append(g.Operations, op)
				return err
			})
		case 3:
			if !s.null() {
				err = readConstraints(s, &g)
			}
		}
		return at(grantMembers[i], err)
	})
	switch {
	case err != nil:
	case (g.GranteePrincipal == "") == (g.GranteeService == ""):
		err = errors.New("it needs one of granteePrincipal and granteeServicePrincipal")
	case g.Operations == nil:
		err = errors.New("it has no operations")
	}
	return g, err
}

func readConstraints(s *scanner, g *policy.Grant) error {
	var seen memberSet
	return s.members(func(name []byte) error {
		i, err := seen.add(lowerFirst(name), constraintMembers)
		if err != nil {
			return err
		}
		switch i {
		case 0:
			g.ContextEquals, err = readPairs(s)
		case 1:
			g.ContextSubset, err = readPairs(s)
		case 2:
			err = readText(s, &g.SourceARN)
		}
		return at(constraintMembers[i], err)
	})
}

// readPairs reads an encryption context.
func readPairs(s *scanner) (map[string]string, error) {
	pairs := map[string]string{}
	err := s.members(func(name []byte) error {
		key := string(name)
		if _, twice := pairs[key]; twice {
			return fmt.Errorf("%q twice", key)
		}
		var value string
		err := readText(s, &value)
		pairs[key] = value
		return err
	})
	return pairs, err
}

// readText reads a string that is not empty.
func readText(s *scanner, into *string) error {
	b, err := s.quoted()
	if err == nil && len(b) == 0 {
		err = errors.New("it is empty")
	}
	*into = string(b)
	return err
}

// lowerFirst returns a name with a first letter in lower case.
func lowerFirst(name []byte) []byte {
	if len(name) == 0 || name[0] < 'A' || name[0] > 'Z' {
		return name
	}
	return append([]byte{name[0] + 'a' - 'A'}, name[1:]...)
}
