package authz

import (
	"strings"

	"coffer/internal/arn"
	"coffer/internal/authn"
	"coffer/internal/identity"
	"coffer/internal/trail"
)

// userIdentity returns a caller as the trail names it.
//
// Source: AWS CloudTrail User Guide, "CloudTrail userIdentity element", read
// 2026-11-21.
func userIdentity(c *authn.Caller) trail.UserIdentity {
	u := trail.UserIdentity{
		Type: c.Type, PrincipalID: c.PrincipalID, ARN: c.ARN, AccountID: c.Account, AccessKeyID: c.AccessKeyID,
		UserName: c.UserName, InvokedBy: c.InvokedBy,
	}
	if c.Type == authn.TypeWebIdentity {
		u.ARN, u.IdentityProvider = "", c.ARN
	}
	if c.Session != nil {
		u.Session = sessionContext(c.Session)
	}
	return u
}

// sessionContext tells where temporary credentials come from.
func sessionContext(s *identity.Session) *trail.SessionContext {
	out := &trail.SessionContext{
		CreatedAt: s.IssuedAt, MFAAuthenticated: s.MFA, SourceIdentity: s.SourceIdentity,
	}
	issuer := &out.Issuer
	switch s.Kind {
	case identity.SessionRole:
		*issuer = trail.SessionIssuer{Type: "Role", PrincipalID: s.RoleID, ARN: s.RoleARN, AccountID: s.Account, UserName: nameOf(s.RoleARN)}
		if isProvider(s.Provider) {
			out.FederatedProvider = s.Provider
		}
	case identity.SessionFederated:
		*issuer = trail.SessionIssuer{Type: authn.TypeUser, PrincipalID: s.UserID, ARN: s.UserARN, AccountID: s.Account, UserName: nameOf(s.UserARN)}
		if s.UserARN == arn.Root(s.Account) {
			issuer.Type, issuer.UserName = authn.TypeRoot, ""
		}
	}
	return out
}

// nameOf returns the name at the end of the ARN of a user or a role.
func nameOf(s string) string { return s[strings.LastIndexByte(s, '/')+1:] }

// isProvider reports whether s is the ARN of an identity provider.
func isProvider(s string) bool {
	a, err := arn.Parse(s)
	return err == nil && strings.HasPrefix(a.Resource, "oidc-provider/")
}
