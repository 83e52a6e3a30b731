package cli

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"

	"coffer/internal/arn"
	"coffer/internal/policy"
)

var errPrincipal = errors.New(`it is none of the ARN of a user, a role, a session, a federated user, an identity provider or a root user, an account, the name of a service and "anonymous"`)

var serviceName = regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)*\.amazonaws\.com(\.cn)?$`)

// principal reads who asks.
func (sim *simulator) principal(s *scanner) (policy.Principal, error) {
	name, err := sim.intern(s)
	if err != nil {
		return policy.Principal{}, err
	}
	if p, ok := sim.principals[name]; ok {
		return p, nil
	}
	p, err := parsePrincipal(name)
	if err == nil {
		if len(sim.principals) >= maxInterned {
			clear(sim.principals)
		}
		sim.principals[name] = p
	}
	return p, err
}

// parsePrincipal makes of a name all that it tells of the principal. The ARN of a
// session does not tell the path of its role, nor that of a federated user which
// user it comes from: findRole looks for the path, and the user is taken to have
// the federated user's name.
func parsePrincipal(name string) (policy.Principal, error) {
	switch {
	case name == "anonymous" || name == "*":
		return policy.Principal{}, nil
	case isAccount(name):
		return policy.Principal{Type: policy.Root, Account: name, ARN: arn.Root(name)}, nil
	case serviceName.MatchString(name):
		return policy.Principal{Type: policy.Service, Service: name}, nil
	}
	a, err := arn.Parse(name)
	if err != nil || a.Region != "" || !isAccount(a.Account) {
		return policy.Principal{}, errPrincipal
	}
	p := policy.Principal{Account: a.Account, ARN: name}
	kind, rest, _ := strings.Cut(a.Resource, "/")
	names := strings.Split(rest, "/")
	switch last := names[len(names)-1]; {
	case a.Service == "iam" && a.Resource == "root":
		p.Type = policy.Root
		return p, nil
	case last == "" || strings.Contains(rest, "*"):
	case a.Service == "iam" && kind == "user":
		p.Type = policy.User
		return p, nil
	case a.Service == "iam" && kind == "role":
		// One session of the role, whose name nobody knows.
		p.Type, p.Role = policy.Session, name
		p.ARN = "arn:" + a.Partition + ":sts::" + a.Account + ":assumed-role/" + last + "/"
		p.ServiceLinked = isServiceLinked(p.Role)
		return p, nil
	case a.Service == "iam" && (kind == "oidc-provider" || kind == "saml-provider"):
		return policy.Principal{Type: policy.WebIdentity, Provider: name}, nil
	case a.Service == "sts" && kind == "assumed-role" && len(names) == 2 && names[0] != "":
		p.Type = policy.Session
		p.Role = "arn:" + a.Partition + ":iam::" + a.Account + ":role/" + names[0]
		p.ServiceLinked = isServiceLinked(p.Role)
		return p, nil
	case a.Service == "sts" && kind == "federated-user" && len(names) == 1:
		p.Type = policy.Federated
		p.User = "arn:" + a.Partition + ":iam::" + a.Account + ":user/" + last
		return p, nil
	}
	return policy.Principal{}, errPrincipal
}

// isServiceLinked tells by its path that a role belongs to a service, or by its name
// if the path is not known.
//
// Source: IAM User Guide, "Create a service-linked role", read 2026-11-21.
func isServiceLinked(role string) bool {
	_, path, _ := strings.Cut(role, ":role/")
	return strings.HasPrefix(path, "aws-service-role/") || strings.HasPrefix(path, "AWSServiceRoleFor")
}

// findRole looks for the path of a session's role: in the context, which may tell
// aws:PrincipalArn, and in what names principals. An account has one role of a name,
// so that a role ARN with the session's account and role name is its role.
func findRole(c *testCase) {
	p := &c.in.Principal
	if p.Type != policy.Session || strings.Count(p.Role, "/") > 1 {
		return
	}
	prefix, name, _ := strings.Cut(p.Role, ":role/")
	is := func(s string) bool {
		return strings.HasPrefix(s, prefix+":role/") && strings.HasSuffix(s, "/"+name)
	}
	found := ""
	for _, v := range c.context["aws:principalarn"] {
		if is(v) {
			found = v
		}
	}
	if found == "" && c.in.ResourcePolicy != nil {
		for i := range c.resource.Policy.Statements {
			st := &c.resource.Policy.Statements[i]
			if st.Principal == nil {
				continue
			}
			for _, v := range st.Principal.AWS {
				if v == p.Role {
					return
				}
				if found == "" && is(v) {
					found = v
				}
			}
		}
	}
	for i := range c.in.Grants {
		if v := c.in.Grants[i].GranteePrincipal; found == "" && is(v) {
			found = v
		}
	}
	if found != "" {
		p.Role = found
		p.ServiceLinked = p.ServiceLinked || isServiceLinked(found)
	}
}

// derive adds the condition keys that the principal tells, and the time, but for
// those that the case has. A key that nothing tells stays out: the case has all the
// others that its request has.
//
// Source: IAM User Guide, "AWS global condition context keys" and "IAM policy
// elements: Variables and tags", the table of principal key values, read 2026-11-21.
func derive(c *testCase, now func() time.Time) {
	set := func(key, value string) {
		if _, ok := c.context[key]; !ok && value != "" {
			c.context[key] = []string{value}
		}
	}
	p := &c.in.Principal
	_, last, _ := strings.Cut(p.ARN, "/")
	switch p.Type {
	case policy.Root:
		set("aws:principaltype", "Account")
		set("aws:userid", p.Account)
		set("aws:principalarn", p.ARN)
	case policy.User:
		set("aws:principaltype", "User")
		set("aws:username", last[strings.LastIndexByte(last, '/')+1:])
		set("aws:principalarn", p.ARN)
	case policy.Session:
		set("aws:principaltype", "AssumedRole")
		set("aws:principalarn", p.Role)
	case policy.Federated:
		set("aws:principaltype", "FederatedUser")
		set("aws:userid", p.Account+":"+last)
		set("aws:principalarn", p.ARN)
	case policy.Anonymous:
		set("aws:principaltype", "Anonymous")
		set("aws:userid", "anonymous")
		set("aws:principalaccount", "anonymous")
	case policy.Service:
		set("aws:principalisawsservice", "true")
		set("aws:principalservicename", p.Service)
	}
	if p.Account != "" {
		set("aws:principalaccount", p.Account)
		set("aws:principalisawsservice", "false")
	}
	deriveTime(c, now)
}

// deriveTime sets aws:CurrentTime and aws:EpochTime. If the case has one of them,
// the other one tells the same time.
func deriveTime(c *testCase, now func() time.Time) {
	current, hasCurrent := c.context["aws:currenttime"]
	epoch, hasEpoch := c.context["aws:epochtime"]
	switch {
	case hasCurrent && hasEpoch:
		return
	case !hasCurrent && !hasEpoch:
		t := now()
		current = []string{t.UTC().Format(time.RFC3339)}
		epoch = []string{strconv.FormatInt(t.Unix(), 10)}
	case hasCurrent && len(current) == 1:
		t, err := time.Parse(time.RFC3339, current[0])
		if err != nil {
			return
		}
		epoch = []string{strconv.FormatInt(t.Unix(), 10)}
	case hasEpoch && len(epoch) == 1:
		n, err := strconv.ParseInt(epoch[0], 10, 48)
		if err != nil {
			return
		}
		current = []string{time.Unix(n, 0).UTC().Format(time.RFC3339)}
	default:
		return
	}
	c.context["aws:currenttime"], c.context["aws:epochtime"] = current, epoch
}
