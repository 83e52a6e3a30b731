package policy

import "strings"

// compiled is a policy in the form that decisions read.
type compiled struct {
	text   string
	rules  []rule // one for each statement
	public []int  // indices of the statements that make the policy public
}

// A rule is a compiled statement.
type rule struct {
	deny    bool
	unknown bool

	named        bool // has Principal or NotPrincipal
	notPrincipal bool
	principals   []principalValue

	notAction bool
	actions   []action

	notResource bool
	resources   []pattern

	tests []test
}

// An action is a compiled action in lower case: text is "service:name", with
// wildcards in the name only.
type action struct {
	shape shape
	text  string
}

// compileAction compiles "*" or "service:Name". It returns a message if s is
// neither.
//
// Source: IAM User Guide, "IAM JSON policy elements: Action", read 2026-11-21.
func compileAction(s string) (action, string) {
	if s == "*" || s == "*:*" {
		return action{shape: shapeAny}, ""
	}
	service, name, ok := strings.Cut(strings.ToLower(s), ":")
	if !ok || service == "" || name == "" {
		return action{}, "action " + quote(s) + " is not of the form service:Name"
	}
	for i := range len(service) {
		if c := service[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return action{}, "action " + quote(s) + " names no valid service"
		}
	}
	b := []byte(service + ":" + name)
	for i := len(service) + 1; i < len(b); i++ {
		switch c := b[i]; {
		case c == '*':
			b[i] = star
		case c == '?':
			b[i] = one
		case (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.':
			return action{}, "action " + quote(s) + " has a character that no action has"
		}
	}
	p := shaped(string(b))
	return action{shape: p.shape, text: p.text}, ""
}

// matchesAction reports whether the request's action is one of r's.
func (r *rule) matchesAction(e *evaluator) bool {
	if e.naming && !r.deny {
		return r.namesAction(e)
	}
	for i := range r.actions {
		if r.actions[i].match(e.action) {
			return !r.notAction
		}
	}
	return r.notAction
}

// namesAction reports whether the request's action stands among r's without a
// wildcard.
func (r *rule) namesAction(e *evaluator) bool {
	for i := range r.actions {
		if a := &r.actions[i]; a.shape == shapeExact && a.text == string(e.action) {
			return !r.notAction
		}
	}
	return false
}

func (a *action) match(s []byte) bool {
	switch a.shape {
	case shapeAny:
		return true
	case shapeExact:
		return a.text == string(s)
	case shapePrefix:
		return hasPrefix(s, a.text)
	}
	return glob(a.text, s)
}

// matchesResource reports whether the request's resource is one of r's. Statements
// of trust policies have no resources and match all.
func (r *rule) matchesResource(e *evaluator) bool {
	if r.resources == nil {
		return true
	}
	for i := range r.resources {
		if r.resources[i].match(e, e.in.Resource) {
			return !r.notResource
		}
	}
	return r.notResource
}

// matchesPrincipal tells how r names the request's principal; 0 means not at all.
func (r *rule) matchesPrincipal(e *evaluator) reach {
	p := &e.in.Principal
	if !r.deny {
		var all reach
		if r.named && !r.notPrincipal {
			for i := range r.principals {
				all |= r.principals[i].named(p)
			}
		}
		return all
	}
	if !r.named {
		return reachWhole
	}
	if r.notPrincipal {
		if spares(r.principals, p, e.hasBoundary) {
			return 0
		}
		return reachWhole
	}
	for i := range r.principals {
		if r.principals[i].mayName(p) {
			return reachWhole
		}
	}
	return 0
}

// match reports whether r applies to the request, and for an Allow that names
// principals how. In policies that name none, byName is false.
func (r *rule) match(e *evaluator, byName bool) reach {
	if r.unknown {
		if r.deny {
			return reachWhole
		}
		return 0
	}
	if !r.matchesAction(e) || !r.matchesResource(e) {
		return 0
	}
	how := reachWhole
	if byName {
		if how = r.matchesPrincipal(e); how == 0 {
			return 0
		}
	}
	for i := range r.tests {
		if !r.tests[i].holds(e) {
			return 0
		}
	}
	return how
}
