package sts

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"coffer/internal/arn"
	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/identity"
)

// issuedFor is how long the credentials of IssueSession live.
const issuedFor = 15 * time.Minute

// issuedName is the session name that a role's session of IssueSession has.
const issuedName = "coffer-verify"

// IssueSession returns credentials that act as a user or a role of the caller's
// account, for a quarter of an hour, so that the account's owner can see what they may
// do. It is an operation of Coffer's own. Only the root user may call it, with its
// access key: for anybody else, credentials of another principal would be a way
// around boundaries and session policies. Organizations can deny
// coffer:IssueSession.
//
// It returns a *awserr.Error with code AccessDeniedException, AccessDenied, or NoSuchEntity.
func (s *Service) IssueSession(ctx context.Context, c *authn.Caller, principal string) (*Credentials, error) {
	return runFrom(ctx, s, c, "coffer", "IssueSession", func(o *op) (*Credentials, error) {
		o.Param("principal", principal)
		return s.issueSession(ctx, o, principal)
	})
}

func (s *Service) issueSession(ctx context.Context, o *op, principal string) (*Credentials, error) {
	c := o.caller
	if c.Type != authn.TypeRoot || c.Session != nil {
		return nil, fault(http.StatusForbidden, "AccessDeniedException", "Only the root user may call IssueSession, with its access key.")
	}
	if err := o.Ask(ctx, &authz.Ask{Action: "coffer:IssueSession", Resource: principal, Account: c.Account}); err != nil {
		return nil, err
	}
	a, err := arn.Parse(principal)
	missing := fault(http.StatusNotFound, "NoSuchEntity", "The account has no user and no role with this ARN.")
	if err != nil || a.Service != "iam" || a.Account != c.Account {
		return nil, missing
	}
	var session *identity.Session
	kind, rest, _ := strings.Cut(a.Resource, "/")
	name := rest[strings.LastIndexByte(rest, '/')+1:]
	switch kind {
	case "role":
		r, err := s.identity.RoleByARN(ctx, principal)
		if errors.Is(err, identity.ErrNoRole) {
			return nil, missing
		}
		if err != nil {
			return nil, err
		}
		session = &identity.Session{Kind: identity.SessionRole, Account: c.Account, Name: issuedName, RoleID: r.ID, RoleARN: r.ARN,
			ARN: arn.ARN{Partition: arn.Partition, Service: "sts", Account: c.Account, Resource: "assumed-role/" + r.Name + "/" + issuedName}.String()}
	case "user":
		u, err := s.identity.UserByName(ctx, c.Account, name)
		if errors.Is(err, identity.ErrNoUser) || err == nil && u.ARN != principal {
			return nil, missing
		}
		if err != nil {
			return nil, err
		}
		session = &identity.Session{Kind: identity.SessionUser, Account: c.Account, ARN: u.ARN, UserID: u.ID, UserARN: u.ARN}
	default:
		return nil, missing
	}
	credentials, _, err := s.mint(session, issuedFor)
	if err != nil {
		return nil, err
	}
	o.Response("credentials", credentials.recorded())
	return credentials, s.issued(ctx, o)
}
