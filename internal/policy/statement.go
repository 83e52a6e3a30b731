package policy

import (
	"slices"
	"strings"
)

// statement reads one statement.
func (p *parser) statement(n *node) (Statement, rule) {
	s := Statement{Effect: Deny, Line: n.line, Column: n.column}
	r := rule{deny: true}
	if n.kind != nodeObject {
		p.unknown(&s.Unknown, n.line, n.column, "a statement is a JSON object")
		r.unknown = true
		return s, r
	}
	has := make(map[string]bool)
	for i := range n.members {
		m := &n.members[i]
		if m.again {
			p.unknown(&s.Unknown, m.line, m.column, "duplicate name "+quote(m.key))
			if m.key == "Effect" {
				s.Effect, r.deny = Deny, true
			}
			continue
		}
		has[m.key] = true
		v := m.value
		switch m.key {
		case "Sid":
			p.sid(&s, v)
		case "Effect":
			switch {
			case v.kind == nodeString && v.text == string(Allow):
				s.Effect, r.deny = Allow, false
			case v.kind == nodeString && v.text == string(Deny):
			default:
				p.unknown(&s.Unknown, v.line, v.column, "Effect is neither Allow nor Deny")
			}
		case "Principal", "NotPrincipal":
			s.NotPrinc, r.notPrincipal = m.key == "NotPrincipal", m.key == "NotPrincipal"
			p.principals(&s, &r, m)
		case "Action", "NotAction":
			s.NotAction, r.notAction = m.key == "NotAction", m.key == "NotAction"
			p.actions(&s, &r, v)
		case "Resource", "NotResource":
			s.NotRes, r.notResource = m.key == "NotResource", m.key == "NotResource"
			p.resources(&s, &r, v)
		case "Condition":
			p.conditions(&s, &r, v)
		default:
			p.unknown(&s.Unknown, m.line, m.column, "unknown element "+quote(m.key))
		}
	}
	p.elements(&s, n, has)
	p.restrictions(&s, n)
	r.unknown = s.Unknown != ""
	return s, r
}

// elements checks which elements are there: exactly one of each pair, and what the
// kind of policy needs and refuses.
//
// Source: IAM User Guide, "Grammar of the IAM JSON policy language", read
// 2026-11-21.
func (p *parser) elements(s *Statement, n *node, has map[string]bool) {
	bad := func(message string) { p.unknown(&s.Unknown, n.line, n.column, message) }
	if !has["Effect"] {
		bad("a statement needs Effect")
	}
	for _, name := range []string{"Principal", "Action", "Resource"} {
		one, not := has[name], has["Not"+name]
		if one && not {
			bad("a statement has both " + name + " and Not" + name)
			continue
		}
		there := one || not
		switch {
		case name == "Principal" && !p.kind.hasPrincipal() && there:
			bad("this kind of policy has no " + name)
		case name == "Principal" && !p.kind.hasPrincipal():
		case name == "Resource" && p.kind == KindTrust && there:
			bad("a trust policy has no " + name)
		case name == "Resource" && p.kind == KindTrust:
		case !there:
			bad("a statement needs " + name)
		}
	}
}

// hasPrincipal reports whether statements of the kind name principals.
func (k Kind) hasPrincipal() bool {
	switch k {
	case KindIdentity, KindBoundary, KindSession, KindSCP:
		return false
	}
	return true
}

// restrictions checks what a kind of policy forbids beyond its elements.
//
// Sources: IAM User Guide, "AWS JSON policy elements: NotPrincipal"; AWS
// Organizations User Guide, "RCP syntax"; read 2026-11-21.
func (p *parser) restrictions(s *Statement, n *node) {
	if s.NotPrinc {
		switch {
		case p.kind == KindTrust || p.kind == KindRCP:
			p.unknown(&s.Unknown, n.line, n.column, "this kind of policy has no NotPrincipal")
		case s.Effect == Allow:
			p.unknown(&s.Unknown, n.line, n.column, "NotPrincipal needs Effect Deny")
		}
	}
	if p.kind == KindTrust && s.NotAction {
		p.unknown(&s.Unknown, n.line, n.column, "a trust policy has no NotAction")
	}
	if p.kind != KindRCP {
		return
	}
	if s.Effect == Allow {
		p.refuse(n.line, n.column, "a resource control policy only denies")
	}
	if s.NotAction {
		p.refuse(n.line, n.column, "a resource control policy has no NotAction")
	}
	if s.Principal != nil && !s.Principal.Any {
		p.refuse(n.line, n.column, `the Principal of a resource control policy is "*"`)
	}
}

// sid checks the statement's ID, which in policies of IAM is of letters and digits
// and unique.
//
// Source: IAM User Guide, "IAM JSON policy elements: Sid", read 2026-11-21.
func (p *parser) sid(s *Statement, v *node) {
	if v.kind != nodeString {
		p.unknown(&s.Unknown, v.line, v.column, "Sid is not a string")
		return
	}
	s.Sid = v.text
	switch p.kind {
	case KindIdentity, KindBoundary, KindSession, KindTrust:
	default:
		return
	}
	for i := range len(s.Sid) {
		if c := s.Sid[i]; (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			p.refuse(v.line, v.column, "Sid "+quote(s.Sid)+" holds more than letters and digits")
			return
		}
	}
	if s.Sid != "" && p.sids[s.Sid] {
		p.refuse(v.line, v.column, "Sid "+quote(s.Sid)+" is not unique")
	}
	p.sids[s.Sid] = true
}

func (p *parser) principals(s *Statement, r *rule, m *member) {
	v := m.value
	s.Principal, r.named = &Principals{}, true
	anyone := func() {
		s.Principal.Any = true
		r.principals = append(r.principals, principalValue{who: whoAny})
	}
	if v.kind == nodeString && v.text == "*" {
		anyone()
		return
	}
	if v.kind != nodeObject || len(v.members) == 0 {
		p.unknown(&s.Unknown, v.line, v.column, m.key+` is neither "*" nor an object of principals`)
		return
	}
	if p.kind == KindRCP {
		p.refuse(v.line, v.column, `the Principal of a resource control policy is "*"`)
	}
	for i := range v.members {
		m := &v.members[i]
		if m.again {
			p.unknown(&s.Unknown, m.line, m.column, "duplicate name "+quote(m.key))
			continue
		}
		values, ok := texts(m.value)
		if !ok {
			p.unknown(&s.Unknown, m.value.line, m.value.column, "the value of "+m.key+" is neither a string nor a list of strings")
			continue
		}
		for _, n := range values {
			var (
				c       principalValue
				problem string
			)
			valid := true
			switch m.key {
			case "AWS":
				if n.text == "*" {
					anyone()
					continue
				}
				c, problem = compileAWS(n.text)
				s.Principal.AWS = append(s.Principal.AWS, n.text)
			case "Service":
				c, valid = principalValue{whoService, n.text}, isServiceName(n.text)
				s.Principal.Service = append(s.Principal.Service, n.text)
			case "Federated":
				c, valid = principalValue{whoFederated, n.text}, isProvider(n.text)
				s.Principal.Federated = append(s.Principal.Federated, n.text)
			case "CanonicalUser":
				c, valid = principalValue{whoCanonical, n.text}, isCanonicalID(n.text) && (p.kind == KindBucket || p.kind == KindResource)
				s.Principal.Canonical = append(s.Principal.Canonical, n.text)
			default:
				problem = "unknown kind of principal " + quote(m.key)
			}
			if !valid {
				problem = "invalid principal " + quote(n.text)
			}
			if problem != "" {
				p.unknown(&s.Unknown, n.line, n.column, problem)
				continue
			}
			r.principals = append(r.principals, c)
		}
	}
}

// trustActions are what a trust policy can be about.
//
// Source: IAM User Guide, "Create a role using custom trust policies", and the error
// "AssumeRole policy may only specify STS AssumeRole actions", read 2026-11-21.
var trustActions = []string{
	"assumerole", "assumerolewithsaml", "assumerolewithwebidentity", "tagsession", "setsourceidentity", "setcontext",
}

// rcpServices are the services whose actions resource control policies restrict.
//
// Source: AWS Organizations User Guide, "Resource control policies (RCPs)", list of
// services, read 2026-11-21.
var rcpServices = strings.Fields(`
	aoss appconfig appstream autoscaling autoscaling-plans budgets clouddirectory cloudfront cloudsearch
	cloudtrail-data codeartifact codebuild codecommit codepipeline cognito-identity cognito-idp comprehend
	comprehendmedical compute-optimizer cost-optimization-hub dax dsql dynamodb ecr ecr-public events firehose fis
	fms gamelift health inspector-scan kendra kinesisvideo kms logs memorydb networkmonitor notifications opensearch
	pca-connector-ad personalize polly pricing resource-groups rolesanywhere s3 secretsmanager servicediscovery
	signin sqs sts support swf textract timestream-influxdb transcribe transfer translate wafv2 workspaces xray`)

func (p *parser) actions(s *Statement, r *rule, v *node) {
	values, ok := texts(v)
	if !ok {
		p.unknown(&s.Unknown, v.line, v.column, "Action is neither a string nor a list of strings")
		return
	}
	for _, n := range values {
		s.Actions = append(s.Actions, n.text)
		a, problem := compileAction(n.text)
		if problem != "" {
			p.unknown(&s.Unknown, n.line, n.column, problem)
			continue
		}
		r.actions = append(r.actions, a)
		switch {
		case p.kind == KindTrust && !isTrustAction(&a):
			p.refuse(n.line, n.column, "action "+quote(n.text)+" has no place in a trust policy")
		case p.kind == KindRCP && a.shape == shapeAny:
			p.refuse(n.line, n.column, "an action of a resource control policy names its service")
		case p.kind == KindRCP && !slices.Contains(rcpServices, serviceOf(n.text)):
			p.refuse(n.line, n.column, "resource control policies don't reach the service of "+quote(n.text))
		}
	}
}

func isTrustAction(a *action) bool {
	return a.shape != shapeAny && slices.ContainsFunc(trustActions, func(name string) bool {
		return a.match([]byte("sts:" + name))
	})
}

func (p *parser) resources(s *Statement, r *rule, v *node) {
	r.resources = []pattern{}
	values, ok := texts(v)
	if !ok {
		p.unknown(&s.Unknown, v.line, v.column, "Resource is neither a string nor a list of strings")
		return
	}
	for _, n := range values {
		s.Resources = append(s.Resources, n.text)
		c, problem := compileResource(n.text, p.variables)
		if problem != "" {
			p.unknown(&s.Unknown, n.line, n.column, problem)
			continue
		}
		r.resources = append(r.resources, c)
	}
}

// compileResource compiles "*" or an ARN with wildcards and variables: the service
// has no wildcard, and variables stand behind the fifth colon only. A part that ends
// in * runs on over colons, so an ARN may be shorter than six parts behind one. It
// returns a message if s is something else.
//
// Sources: IAM User Guide, "IAM JSON policy elements: Resource" and "IAM policy
// elements: Variables and tags", read 2026-11-21.
func compileResource(s string, variables bool) (pattern, string) {
	if s == "*" {
		return pattern{shape: shapeAny}, ""
	}
	bad := "resource " + quote(s) + ` is neither an ARN nor "*"`
	parts := splitPattern(s, variables)
	if len(parts) < 3 || parts[0] != "arn" || parts[1] == "" || parts[2] == "" {
		return pattern{}, bad
	}
	if strings.ContainsAny(parts[2], "*?") {
		return pattern{}, "resource " + quote(s) + " has a wildcard in its service"
	}
	if len(parts) < arnParts && !slices.ContainsFunc(parts[3:], func(part string) bool { return strings.HasSuffix(part, "*") }) {
		return pattern{}, bad
	}
	if len(parts) == arnParts && parts[arnParts-1] == "" {
		return pattern{}, bad
	}
	for _, part := range parts[:min(len(parts), arnParts-1)] {
		if variables && strings.Contains(part, "${") {
			return pattern{}, "resource " + quote(s) + " has a variable before its fifth colon"
		}
	}
	pieces, problem := parsePieces(s, wildARN, variables)
	if problem != "" {
		return pattern{}, problem
	}
	return newPattern(pieces), ""
}

func (p *parser) conditions(s *Statement, r *rule, v *node) {
	if v.kind != nodeObject {
		p.unknown(&s.Unknown, v.line, v.column, "Condition is not an object")
		return
	}
	for i := range v.members {
		op := &v.members[i]
		if op.again {
			p.unknown(&s.Unknown, op.line, op.column, "duplicate name "+quote(op.key))
			continue
		}
		if op.value.kind != nodeObject {
			p.unknown(&s.Unknown, op.value.line, op.value.column, "the value of "+quote(op.key)+" is not an object")
			continue
		}
		set, name, ifExists := splitOperator(op.key)
		if _, ok := operators[name]; !ok {
			p.unknown(&s.Unknown, op.line, op.column, "unknown condition operator "+quote(op.key))
		}
		for j := range op.value.members {
			m := &op.value.members[j]
			if m.again {
				p.unknown(&s.Unknown, m.line, m.column, "duplicate name "+quote(m.key))
				continue
			}
			c := Condition{Operator: name, Set: set, IfExists: ifExists, Key: m.key}
			ok := true
			if c.Values, ok = conditionValues(m.value); !ok {
				p.unknown(&s.Unknown, m.value.line, m.value.column, "the values of "+quote(m.key)+" are neither a string nor a list of strings")
			}
			s.Conditions = append(s.Conditions, c)
			t, problem := compileCondition(&c, p.variables)
			if problem != "" {
				p.unknown(&s.Unknown, m.line, m.column, problem)
				continue
			}
			r.tests = append(r.tests, t)
		}
	}
}

// conditionValues returns the values of a condition key: strings, or numbers and
// booleans, whose quotation marks are optional.
func conditionValues(n *node) ([]string, bool) {
	items := n.items
	if n.kind != nodeList {
		items = []*node{n}
	}
	var values []string
	for _, item := range items {
		switch item.kind {
		case nodeString, nodeNumber, nodeBool:
			values = append(values, item.text)
		default:
			return values, false
		}
	}
	return values, true
}
