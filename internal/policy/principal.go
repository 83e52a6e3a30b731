package policy

import "strings"

// A who is a kind of value in a Principal element.
type who uint8

const (
	whoAny       who = iota
	whoAccount       // account: 12 digits, or the ARN of its root user
	whoARN           // user, role, role session or federated user
	whoID            // unique ID of a user or a role
	whoService       // name of a service
	whoFederated     // identity provider
	whoCanonical     // canonical user ID
)

// A principalValue is one compiled value of a Principal element.
type principalValue struct {
	who  who
	text string // the account's digits of whoAccount, otherwise the value
}

// accountDigits is the length of an account ID.
const accountDigits = 12

func isAccount(s string) bool { return len(s) == accountDigits && onlyDigits(s) }

// compileAWS compiles a value of {"AWS": ...} other than "*". It returns a message
// if the value is not understood.
//
// Source: IAM User Guide, "AWS JSON policy elements: Principal", read 2026-11-21.
func compileAWS(s string) (principalValue, string) {
	bad := "invalid principal " + quote(s)
	if isAccount(s) {
		return principalValue{whoAccount, s}, ""
	}
	if isUniqueID(s) {
		return principalValue{whoID, s}, ""
	}
	var p [arnParts]string
	if !splitARN(s, &p) || p[1] == "" || p[3] != "" || !isAccount(p[4]) {
		return principalValue{}, bad
	}
	if strings.ContainsAny(s, "*?") {
		return principalValue{}, bad + ": a principal holds no wildcard"
	}
	kind, name, ok := strings.Cut(p[5], "/")
	switch {
	case p[2] == "iam" && p[5] == "root":
		return principalValue{whoAccount, p[4]}, ""
	case p[2] == "iam" && (kind == "user" || kind == "role"):
		ok = ok && name != "" && !strings.HasSuffix(name, "/")
	case p[2] == "sts" && kind == "assumed-role":
		role, session, found := strings.Cut(name, "/")
		ok = found && role != "" && session != "" && !strings.Contains(session, "/")
	case p[2] == "sts" && kind == "federated-user":
		ok = name != "" && !strings.Contains(name, "/")
	default:
		ok = false
	}
	if !ok {
		return principalValue{}, bad
	}
	return principalValue{whoARN, s}, ""
}

// isUniqueID reports whether s looks like the unique ID of a user or a role.
//
// Source: IAM User Guide, "IAM identifiers", unique identifiers, read 2026-11-21.
func isUniqueID(s string) bool {
	if len(s) < 16 || len(s) > 128 || !strings.HasPrefix(s, "AIDA") && !strings.HasPrefix(s, "AROA") {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

func isServiceName(s string) bool {
	if !strings.Contains(s, ".") || strings.HasPrefix(s, ".") || strings.HasSuffix(s, ".") {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

// isProvider accepts the ARN of a SAML or OpenID Connect provider, and the names of
// the providers that need no ARN, such as accounts.google.com.
func isProvider(s string) bool {
	var p [arnParts]string
	if !splitARN(s, &p) {
		return isServiceName(s)
	}
	return p[2] == "iam" && isAccount(p[4]) && !strings.ContainsAny(s, "*?") &&
		(strings.HasPrefix(p[5], "saml-provider/") || strings.HasPrefix(p[5], "oidc-provider/"))
}

// isCanonicalID reports whether s has the form of a canonical user ID.
func isCanonicalID(s string) bool {
	if len(s) != 64 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// A reach says which kinds of policies limit what an Allow in a resource policy
// gives, which depends on how it names the principal. Several can be set, of
// several statements.
//
// Source: IAM User Guide, "Policy evaluation for requests within a single account"
// and "Permissions boundaries for IAM entities", read 2026-11-21.
type reach uint8

const (
	reachAccount reach = 1 << iota // delegates to the account: identity, boundary and session must allow
	reachRole                      // boundary and session must allow
	reachWhole                     // nothing else needs to allow
)

// hasAccount reports whether p is an identity of an account.
func (p *Principal) hasAccount() bool {
	switch p.Type {
	case Root, User, Session, Federated:
		return true
	}
	return false
}

// named tells how v names p; 0 means not at all.
func (v *principalValue) named(p *Principal) reach {
	switch v.who {
	case whoAny:
		// A web identity gets a role only by its provider's name.
		if p.Type == WebIdentity {
			return reachAccount
		}
		return reachWhole
	case whoAccount:
		if p.hasAccount() && v.text == p.Account {
			return reachAccount
		}
	case whoARN:
		switch {
		case !p.hasAccount():
		case v.text == p.ARN:
			if p.Type == Root {
				return reachAccount
			}
			return reachWhole
		case p.Type == Session && v.text == p.Role, p.Type == Federated && v.text == p.User:
			return reachRole
		}
	case whoID:
		if v.text != p.ID {
			break
		}
		switch p.Type {
		case User:
			return reachWhole
		case Session, Federated:
			return reachRole
		}
	case whoService:
		if p.Type == Service && v.text == p.Service {
			return reachWhole
		}
	case whoFederated:
		if p.Type == WebIdentity && v.text == p.Provider {
			return reachWhole
		}
	case whoCanonical:
		if p.hasAccount() && p.Canonical != "" && v.text == p.Canonical {
			return reachAccount
		}
	}
	return 0
}

// mayName is named for a statement that denies: where it can't be told whether v
// names p, it does.
func (v *principalValue) mayName(p *Principal) bool {
	switch v.who {
	case whoAny:
		return true
	case whoCanonical:
		if p.hasAccount() && p.Canonical == "" {
			return true
		}
	}
	return v.named(p) != 0
}

// spares reports whether NotPrincipal with these values leaves p out: p must be
// named with all that it is part of, a user with the account, a role's session with
// the role and the account. Whoever has a permissions boundary is never left out.
//
// Source: IAM User Guide, "AWS JSON policy elements: NotPrincipal", read 2026-11-21.
func spares(values []principalValue, p *Principal, hasBoundary bool) bool {
	if hasBoundary && p.hasAccount() {
		return false
	}
	var account, self, parent bool
	for i := range values {
		v := &values[i]
		switch v.who {
		case whoAny:
			return true
		case whoAccount:
			account = account || v.named(p) != 0
		case whoARN:
			self = self || v.text == p.ARN
			parent = parent || v.named(p) == reachRole
		case whoID:
			named := v.named(p)
			self = self || named == reachWhole
			parent = parent || named == reachRole
		case whoService, whoFederated:
			self = self || v.named(p) != 0
		}
	}
	switch p.Type {
	case Root:
		return account
	case User:
		return account && self
	case Session:
		return account && self && parent
	case Federated:
		return account && self
	case Service, WebIdentity:
		return self
	}
	return false
}
