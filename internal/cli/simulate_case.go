package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"coffer/internal/arn"
	"coffer/internal/policy"
)

// Bounds of a case: more of anything is no case that AWS could meet.
const (
	maxContextKeys   = 1_000
	maxContextValues = 10_000
	maxGrants        = 50_000 // on one key, the quota of KMS
	maxInterned      = 50_000 // strings, names and places that are kept for later cases
)

// The members of a case.
const (
	caseID = iota
	caseRequest
	caseIdentity
	caseResource
	caseBoundary
	caseSession
	caseSCPs
	caseRCPs
	caseEndpoint
	caseGrants
	casePublic
)

var caseMembers = []string{"id", "request", "identityPolicies", "resourcePolicy", "permissionBoundary",
	"sessionPolicy", "scps", "rcps", "endpointPolicies", "grants", "blockPublicAccess"}

// A testCase is one line of input. It is used for one line after the other.
type testCase struct {
	id           []byte // as written; nil if it has none
	in           policy.Input
	context      caseContext
	resourceText []byte // of the resource policy

	identity, session, endpoint []policy.Named
	boundary, resource          policy.Named
}

// A caseContext has the condition keys of a case, by name in lower case.
type caseContext map[string][]string

// Lookup implements policy.Context.
func (c caseContext) Lookup(key string, into []string) ([]string, bool) {
	v, ok := c[key]
	return append(into, v...), ok
}

// decode makes the policy input of a line. It reads the line once, from front to
// back.
func (sim *simulator) decode(line []byte) (*policy.Input, error) {
	c := &sim.c
	clear(c.context)
	c.in = policy.Input{Context: c.context}
	c.id, c.resourceText = nil, nil
	var seen memberSet
	s := scanner{text: line}
	err := s.members(func(name []byte) error {
		i, err := seen.add(name, caseMembers)
		if err != nil {
			return err
		}
		if i > caseRequest && s.null() {
			return nil
		}
		return at(caseMembers[i], sim.member(c, i, &s))
	})
	if err == nil {
		err = s.end()
	}
	if err == nil && seen&(1<<caseRequest) == 0 {
		err = errors.New("the case has no request")
	}
	if err == nil {
		err = at(caseMembers[caseResource], sim.resourcePolicy(c))
	}
	if err != nil {
		return nil, err
	}
	c.in.Principal.HasBoundary = c.in.Boundary != nil
	findRole(c)
	derive(c, sim.now)
	return &c.in, nil
}

// member reads the i-th member of a case.
func (sim *simulator) member(c *testCase, i int, s *scanner) (err error) {
	name := caseMembers[i]
	switch i {
	case caseID:
		c.id, err = readID(s)
	case caseRequest:
		return sim.request(c, s)
	case caseIdentity:
		c.identity, err = sim.policies(s, c.identity[:0], name, policy.KindIdentity)
		c.in.Identity = c.identity
	case caseResource:
		c.resourceText, err = s.raw() // the request tells of which kind it is
	case caseBoundary:
		c.boundary.Name = name
		c.boundary.Policy, err = sim.policy(s, policy.KindBoundary)
		c.in.Boundary = &c.boundary
	case caseSession:
		var p *policy.Policy
		p, err = sim.policy(s, policy.KindSession)
		c.session = append(c.session[:0], policy.Named{Name: name, Policy: p})
		c.in.Session, c.in.HasSession = c.session, true
	case caseSCPs:
		c.in.SCPs, err = sim.levels(s, name, policy.KindSCP)
	case caseRCPs:
		c.in.RCPs, err = sim.levels(s, name, policy.KindRCP)
	case caseEndpoint:
		c.endpoint, err = sim.policies(s, c.endpoint[:0], name, policy.KindEndpoint)
		c.in.Endpoint = c.endpoint
	case caseGrants:
		c.in.Grants, err = readGrants(s)
	case casePublic:
		c.in.RestrictPublic, err = s.boolean()
	}
	return err
}

// readID reads a string or a number, or null, and returns its text.
func readID(s *scanner) ([]byte, error) {
	raw, err := s.raw()
	if err != nil || raw[0] == '{' || raw[0] == '[' || raw[0] == 't' || raw[0] == 'f' {
		return nil, errors.New("it is neither a string nor a number")
	}
	return raw, nil
}

// findID returns the id of a line that is no case, or nil if the line is no JSON
// object with one id.
func findID(line []byte) []byte {
	if !json.Valid(line) {
		return nil
	}
	var id []byte
	count := 0
	s := scanner{text: line}
	err := s.members(func(name []byte) error {
		if string(name) != caseMembers[caseID] {
			_, err := s.raw()
			return err
		}
		count++
		var err error
		id, err = readID(&s)
		return err
	})
	if err != nil || count != 1 {
		return nil
	}
	return id
}

// resourcePolicy sets the policy of the resource.
func (sim *simulator) resourcePolicy(c *testCase) (err error) {
	p := emptyPolicy
	switch {
	case c.resourceText != nil:
		s := scanner{text: c.resourceText}
		p, err = sim.policy(&s, resourcePolicyKind(&c.in))
	case c.in.Grants == nil:
		return nil
	}
	// A key always has a policy. Of one that the case leaves out nothing is known to
	// allow anything, and grants do without.
	c.resource = policy.Named{Name: caseMembers[caseResource], Policy: p}
	c.in.ResourcePolicy = &c.resource
	return err
}

// emptyPolicy is a key policy without a statement.
var emptyPolicy = func() *policy.Policy {
	p, err := policy.Load(`{"Version":"2012-10-17","Statement":[]}`, policy.KindKey)
	if err != nil {
		panic("cli: internal error: " + err.Error())
	}
	return p
}()

// resourcePolicyKind tells by the resource what its policy is.
func resourcePolicyKind(in *policy.Input) policy.Kind {
	a, err := arn.Parse(in.Resource)
	switch {
	case err != nil:
	case a.Service == "s3":
		return policy.KindBucket
	case a.Service == "kms":
		return policy.KindKey
	case a.Service == "iam" && strings.HasPrefix(a.Resource, "role/"):
		return policy.KindTrust
	}
	return policy.KindResource
}

// policies reads a list of policies.
func (sim *simulator) policies(s *scanner, list []policy.Named, name string, kind policy.Kind) ([]policy.Named, error) {
	err := s.elements(func(i int) error {
		p, err := sim.policy(s, kind)
		if err != nil {
			return at(fmt.Sprintf("[%d]", i), err)
		}
		list = append(list, policy.Named{Name: sim.place(name, i), Policy: p})
		return nil
	})
	return list, err
}

// levels reads a list of lists of policies.
func (sim *simulator) levels(s *scanner, name string, kind policy.Kind) ([][]policy.Named, error) {
	var levels [][]policy.Named
	err := s.elements(func(i int) error {
		level, err := sim.policies(s, []policy.Named{}, sim.place(name, i), kind)
		levels = append(levels, level)
		if err != nil {
			return at(fmt.Sprintf("[%d]", i), err)
		}
		return nil
	})
	return levels, err
}

// at says in which member or element an error is: "scps[1][0]: ...".
func at(where string, err error) error {
	switch {
	case err == nil:
		return nil
	case strings.HasPrefix(err.Error(), "["):
		return fmt.Errorf("%s%w", where, err)
	}
	return fmt.Errorf("%s: %w", where, err)
}

// place returns "name[i]".
func (sim *simulator) place(name string, i int) string {
	list := sim.places[name]
	for len(list) <= i {
		list = append(list, name+"["+strconv.Itoa(len(list))+"]")
	}
	sim.places[name] = list
	return list[i]
}
