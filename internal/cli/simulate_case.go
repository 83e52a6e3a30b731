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

var requestMembers = []string{"principal", "action", "resource", "context"}

// isAction reports whether s has the form of an action, "s3:GetObject".
func isAction(s string) bool {
	service, name, ok := strings.Cut(s, ":")
	if !ok || service == "" || name == "" || len(s) > 200 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case i < len(service) && c == '-', i == len(service):
		default:
			return false
		}
	}
	return true
}

func (sim *simulator) request(c *testCase, s *scanner) error {
	var seen memberSet
	err := s.members(func(name []byte) error {
		i, err := seen.add(name, requestMembers)
		if err != nil {
			return err
		}
		switch i {
		case 0:
			c.in.Principal, err = sim.principal(s)
		case 1:
			c.in.Action, err = sim.intern(s)
			if err == nil && !isAction(c.in.Action) {
				err = errors.New(`it reads like "s3:GetObject"`)
			}
		case 2:
			err = sim.resource(c, s)
		case 3:
			err = sim.keys(c, s)
		}
		return at(requestMembers[i], err)
	})
	if err == nil && seen&7 != 7 {
		err = errors.New("it needs principal, action and resource")
	}
	if err == nil {
		err = setOwner(&c.in)
	}
	return err
}

// intern reads a string that other cases are likely to have, too.
func (sim *simulator) intern(s *scanner) (string, error) {
	b, err := s.quoted()
	if err != nil {
		return "", err
	}
	if v, ok := sim.strings[string(b)]; ok {
		return v, nil
	}
	if len(sim.strings) >= maxInterned {
		clear(sim.strings)
	}
	v := string(b)
	sim.strings[v] = v
	return v, nil
}

var resourceMembers = []string{"resource", "accountId"}

// resource reads an ARN, or an object with an ARN and its owner.
func (sim *simulator) resource(c *testCase, s *scanner) error {
	read := func() (err error) {
		c.in.Resource, err = sim.intern(s)
		if _, parseErr := arn.Parse(c.in.Resource); err == nil && parseErr != nil && c.in.Resource != "*" {
			err = errors.New(`it is neither an ARN nor "*"`)
		}
		return err
	}
	if s.peek() != '{' {
		return read()
	}
	var seen memberSet
	err := s.members(func(name []byte) error {
		i, err := seen.add(name, resourceMembers)
		switch {
		case err != nil:
			return err
		case i == 0:
			return read()
		case s.null():
			return nil
		}
		if c.in.Account, err = sim.intern(s); err == nil && !isAccount(c.in.Account) {
			err = errors.New("accountId: an account has 12 digits")
		}
		return err
	})
	if err == nil && seen&1 == 0 {
		err = errors.New("it has no resource")
	}
	return err
}

func isAccount(s string) bool {
	return len(s) == 12 && strings.Trim(s, "0123456789") == ""
}

// setOwner sets the account of the resource if the case does not: that of its ARN,
// or else that of the principal. The ARNs of buckets and objects have none.
func setOwner(in *policy.Input) error {
	a, err := arn.Parse(in.Resource)
	switch {
	case err == nil && isAccount(a.Account) && in.Account == "":
		in.Account = a.Account
	case err == nil && isAccount(a.Account) && in.Account != a.Account:
		return errors.New("resource: its ARN and its accountId name different accounts")
	case in.Account == "":
		in.Account = in.Principal.Account
	}
	return nil
}

// keys reads the context: values are strings, numbers, booleans or lists of them.
func (sim *simulator) keys(c *testCase, s *scanner) error {
	if s.null() {
		return nil
	}
	values := 0
	return s.members(func(name []byte) error {
		key := sim.lowerCase(name)
		if _, twice := c.context[key]; twice {
			return fmt.Errorf("%q twice; names of keys have no letter case", name)
		}
		if key == "" || len(c.context) >= maxContextKeys {
			return fmt.Errorf("a name is empty, or there are more than %d keys", maxContextKeys)
		}
		list := make([]string, 0, 1)
		var err error
		if s.peek() == '[' {
			err = s.elements(func(int) error {
				if values++; values > maxContextValues {
					return fmt.Errorf("there are more than %d values", maxContextValues)
				}
				v, err := sim.value(s)
				list = append(list, v)
				return err
			})
		} else {
			var v string
			v, err = sim.value(s)
			list = append(list, v)
		}
		if err != nil {
			return at(string(name), err)
		}
		c.context[key] = list
		return nil
	})
}

// lowerCase returns a name of a condition key in lower case.
func (sim *simulator) lowerCase(name []byte) string {
	if v, ok := sim.lower[string(name)]; ok {
		return v
	}
	if len(sim.lower) >= maxInterned {
		clear(sim.lower)
	}
	v := strings.ToLower(string(name))
	sim.lower[string(name)] = v
	return v
}

// value reads one value of a condition key. Numbers stay as they are written.
func (sim *simulator) value(s *scanner) (string, error) {
	if s.peek() == '"' {
		return sim.intern(s)
	}
	w, err := s.word()
	if err != nil || string(w) == "null" {
		return "", errors.New("a value is a string, a number, a boolean or a list of them")
	}
	return string(w), nil
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
