package cli

import (
	"errors"
	"fmt"
	"strings"

	"coffer/internal/arn"
	"coffer/internal/policy"
)

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
