package xksproxy

import (
	"context"
	"errors"
	"strings"
	"time"

	"coffer/internal/arn"
	"coffer/internal/authn"
	"coffer/internal/identity"
	"coffer/internal/xks"
)

// sessionName is what the session of a store's role is called, in the trail and in
// policies.
const sessionName = xks.SigningService

// authenticate verifies the signature of a request, and returns the store's principal
// with the store.
//
// It returns an *xks.Error: InvalidUriPathException for the path of no store,
// AuthenticationFailedException, or ThrottlingException.
func (s *Service) authenticate(ctx context.Context, r *Request) (*authn.Caller, *Store, error) {
	store := (*s.stores.Load())[r.Store]
	if store == nil {
		return nil, nil, xks.NewError(xks.InvalidURIPathException, "The path belongs to no store of this proxy.")
	}
	now := s.cfg.Now()
	signature, err := xks.ParseSignature(r.Signed, now)
	if err != nil {
		return nil, nil, err
	}
	secret, ok := store.secret(signature.AccessKeyID)
	if !ok || !signature.Verify(r.Signed, r.Body, secret.Reveal(), &s.keys) {
		return nil, nil, xks.Unknown(signature.AccessKeyID)
	}
	if !store.rate.Take(now) {
		return nil, nil, xks.NewError(xks.ThrottlingException, "The store is used more often than its rate allows.")
	}
	c, err := s.principal(ctx, store, r.From, signature)
	return c, store, err
}

// principal returns the caller that a store's KMS is taken for: its user, or a session
// of its role.
func (s *Service) principal(ctx context.Context, store *Store, from *authn.Caller, signature *xks.Signature) (*authn.Caller, error) {
	id, ok, err := s.cfg.Principals.PrincipalID(ctx, store.Principal)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, xks.NewError(xks.AccessDeniedException, "The store's principal does not exist.")
	}
	a, err := arn.Parse(store.Principal)
	if err != nil {
		return nil, err
	}
	kind, path, _ := strings.Cut(a.Resource, "/")
	name := path[strings.LastIndexByte(path, '/')+1:]
	c := *from
	c.Account, c.Region, c.Service = store.Account, store.Region, xks.SigningService
	c.AccessKeyID, c.EntityID = signature.AccessKeyID, id
	c.AuthType, c.SignatureVersion = "AuthHeader", "SigV4"
	switch kind {
	case "user":
		c.Type, c.ARN, c.PrincipalID, c.UserName = authn.TypeUser, store.Principal, id, name
	case "role":
		now := s.cfg.Calendar()
		c.Type, c.PrincipalID = authn.TypeAssumedRole, id+":"+sessionName
		c.ARN = arn.ARN{Partition: a.Partition, Service: "sts", Account: a.Account, Resource: "assumed-role/" + name + "/" + sessionName}.String()
		c.Session = &identity.Session{
			Kind: identity.SessionRole, AccessKeyID: c.AccessKeyID, Account: c.Account, ARN: c.ARN, Name: sessionName,
			RoleID: id, RoleARN: store.Principal, IssuedAt: now, ExpiresAt: now.Add(time.Minute),
		}
	default:
		return nil, errors.New("xksproxy: principal is neither a user nor a role")
	}
	return &c, nil
}
