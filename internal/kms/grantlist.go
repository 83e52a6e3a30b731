package kms

import (
	"context"
	"errors"
	"fmt"

	"coffer/internal/arn"
	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/awsjson"
	"coffer/internal/key"
)

// GrantListEntry is one grant of a listing. A principal that is gone shows as its
// unique ID.
type GrantListEntry struct {
	KeyID                    string            `json:"KeyId"` // ARN
	GrantID                  string            `json:"GrantId"`
	Name                     string            `json:"Name"`
	CreationDate             awsjson.Time      `json:"CreationDate"`
	GranteePrincipal         string            `json:"GranteePrincipal,omitempty"`
	GranteeServicePrincipal  string            `json:"GranteeServicePrincipal,omitempty"`
	RetiringPrincipal        string            `json:"RetiringPrincipal,omitempty"`
	RetiringServicePrincipal string            `json:"RetiringServicePrincipal,omitempty"`
	IssuingAccount           string            `json:"IssuingAccount"` // ARN of the account's root user
	Operations               []string          `json:"Operations"`
	Constraints              *GrantConstraints `json:"Constraints"`
}

// ListGrantsInput is the request of [Service.ListGrants].
type ListGrantsInput struct {
	KeyID                   string `json:"KeyId"`
	GrantID                 string `json:"GrantId,omitempty"`
	GranteePrincipal        string `json:"GranteePrincipal,omitempty"`
	GranteeServicePrincipal string `json:"GranteeServicePrincipal,omitempty"`
	Limit                   *int32 `json:"Limit"`
	Marker                  string `json:"Marker,omitempty"`
}

// ListGrantsOutput is the answer of [Service.ListGrants] and
// [Service.ListRetirableGrants].
type ListGrantsOutput struct {
	Grants     []GrantListEntry `json:"Grants"`
	NextMarker string           `json:"NextMarker,omitempty"`
	Truncated  bool             `json:"Truncated"`
}

// ListGrants lists the grants of a key, or those of one grantee, or one by its ID,
// 50 to a page unless in.Limit says otherwise, and 100 at most.
//
// It returns a *awserr.Error with code ValidationException, NotFoundException,
// InvalidArnException, InvalidGrantIdException, InvalidMarkerException or
// AccessDeniedException.
//
// Source: AWS KMS API Reference, ListGrants.
func (s *Service) ListGrants(ctx context.Context, c *authn.Caller, in *ListGrantsInput) (*ListGrantsOutput, error) {
	return run(ctx, s, c, "ListGrants", reads, func(call *authz.Call) (*ListGrantsOutput, error) {
		call.Param("keyId", in.KeyID)
		recordFilters(call, "grantId", in.GrantID, "granteePrincipal", in.GranteePrincipal, "granteeServicePrincipal", in.GranteeServicePrincipal)
		recordPage(call, in.Limit, in.Marker)
		if err := checkGrantFilters(c, in); err != nil {
			return nil, err
		}
		k, err := s.use(ctx, call, &conditions{caller: c, grants: true}, "kms:ListGrants", in.KeyID, keysOnly)
		if err != nil {
			return nil, err
		}
		after, err := unmark("grants", in.Marker)
		if err != nil {
			return nil, err
		}
		grantee := in.GranteeServicePrincipal
		if in.GranteePrincipal != "" {
			if grantee, err = s.filter(ctx, in.GranteePrincipal); err != nil {
				return nil, err
			}
		}
		if err := call.Covers(k.ARN); err != nil {
			return nil, err
		}
		if in.GrantID != "" {
			g, err := s.keys.Grant(ctx, k.Ref, in.GrantID)
			if errors.Is(err, key.ErrGrantNotFound) || err == nil && grantee != "" && g.Grantee.Name() != grantee {
				return &ListGrantsOutput{Grants: []GrantListEntry{}}, nil
			}
			if err != nil {
				return nil, about(k.ARN, err)
			}
			return s.listed(ctx, []*key.Grant{g}, "")
		}
		grants, more, err := s.keys.Grants(ctx, k.Ref, grantee, after, pageSize(in.Limit, 50, 100))
		if err != nil {
			return nil, about(k.ARN, err)
		}
		next := ""
		if more {
			next = mark("grants", grants[len(grants)-1].ID)
		}
		return s.listed(ctx, grants, next)
	})
}

func checkGrantFilters(c *authn.Caller, in *ListGrantsInput) error {
	var v checker
	v.required("keyId", in.KeyID, maxKeyID)
	v.optional("grantId", in.GrantID, maxGrantID)
	v.principal("granteePrincipal", in.GranteePrincipal)
	v.principal("granteeServicePrincipal", in.GranteeServicePrincipal)
	v.page(in.Limit, in.Marker)
	if err := v.err(); err != nil {
		return err
	}
	switch {
	case in.GranteePrincipal != "" && in.GranteeServicePrincipal != "":
		return fault("ValidationException", "You can specify either GranteePrincipal or GranteeServicePrincipal, but not both.")
	case in.GranteeServicePrincipal != "" && c.Type != authn.TypeAWSService:
		return fault("ValidationException", "Only a service principal can list grants by GranteeServicePrincipal.")
	case in.GrantID != "":
		return checkGrantID(in.GrantID)
	}
	return nil
}

// checkGrantID refuses what can't be the ID of a grant.
func checkGrantID(id string) error {
	if len(id) == 64 {
		for _, r := range id {
			if !('0' <= r && r <= '9' || 'a' <= r && r <= 'f') {
				return fault("InvalidGrantIdException", "The grant ID is not valid.")
			}
		}
		return nil
	}
	return fault("InvalidGrantIdException", "The grant ID is not valid.")
}

// listed returns a page of grants.
func (s *Service) listed(ctx context.Context, grants []*key.Grant, next string) (*ListGrantsOutput, error) {
	out := &ListGrantsOutput{Grants: make([]GrantListEntry, 0, len(grants)), NextMarker: next, Truncated: next != ""}
	shown := make(map[key.Party]string)
	show := func(p key.Party) (string, error) {
		name, ok := shown[p]
		if ok {
			return name, nil
		}
		name, err := s.show(ctx, p)
		shown[p] = name
		return name, err
	}
	for _, g := range grants {
		e := GrantListEntry{KeyID: g.Key.ARN(), GrantID: g.ID, Name: g.Name, CreationDate: awsjson.Time{Time: g.Created},
			GranteeServicePrincipal: g.Grantee.Service, RetiringServicePrincipal: g.Retiring.Service, IssuingAccount: arn.Root(g.Issuer),
			Operations:  g.Operations,
			Constraints: &GrantConstraints{g.ContextEquals, g.ContextSubset, g.SourceARN}}
		if e.Constraints.isZero() {
			e.Constraints = nil
		}
		var err, err2 error
		e.GranteePrincipal, err = show(g.Grantee)
		e.RetiringPrincipal, err2 = show(g.Retiring)
		if err := errors.Join(err, err2); err != nil {
			return nil, err
		}
		out.Grants = append(out.Grants, e)
	}
	return out, nil
}

// ListRetirableGrantsInput is the request of [Service.ListRetirableGrants].
type ListRetirableGrantsInput struct {
	RetiringPrincipal        string `json:"RetiringPrincipal,omitempty"`
	RetiringServicePrincipal string `json:"RetiringServicePrincipal,omitempty"` // instead of RetiringPrincipal
	Limit                    *int32 `json:"Limit"`
	Marker                   string `json:"Marker,omitempty"`
}

// ListRetirableGrants lists the grants that a principal of the caller's account may
// retire, on keys of every account in the region, by pages as [Service.ListGrants].
//
// It returns a *awserr.Error with code ValidationException, InvalidArnException,
// NotFoundException for a principal that is gone, InvalidMarkerException or
// AccessDeniedException.
//
// Source: AWS KMS API Reference, ListRetirableGrants.
func (s *Service) ListRetirableGrants(ctx context.Context, c *authn.Caller, in *ListRetirableGrantsInput) (*ListGrantsOutput, error) {
	return run(ctx, s, c, "ListRetirableGrants", reads, func(call *authz.Call) (*ListGrantsOutput, error) {
		recordFilters(call, "retiringPrincipal", in.RetiringPrincipal, "retiringServicePrincipal", in.RetiringServicePrincipal)
		recordPage(call, in.Limit, in.Marker)
		var v checker
		if in.RetiringServicePrincipal == "" {
			v.required("retiringPrincipal", in.RetiringPrincipal, maxPrincipal)
		}
		v.principal("retiringPrincipal", in.RetiringPrincipal)
		v.principal("retiringServicePrincipal", in.RetiringServicePrincipal)
		v.page(in.Limit, in.Marker)
		if err := v.err(); err != nil {
			return nil, err
		}
		if err := permit(ctx, call, c, "kms:ListRetirableGrants"); err != nil {
			return nil, err
		}
		name, err := s.retiringName(ctx, c, in)
		if err != nil {
			return nil, err
		}
		after, err := unmark("retirable", in.Marker)
		if err != nil {
			return nil, err
		}
		grants, more, err := s.keys.RetirableGrants(ctx, c.Region, name, after, pageSize(in.Limit, 50, 100))
		if err != nil {
			return nil, err
		}
		next := ""
		if more {
			next = mark("retirable", grants[len(grants)-1].Place())
		}
		return s.listed(ctx, grants, next)
	})
}

// retiringName returns the name of the retiring principal that a caller lists the
// grants of: one of its own account, or the calling service.
func (s *Service) retiringName(ctx context.Context, c *authn.Caller, in *ListRetirableGrantsInput) (string, error) {
	switch {
	case in.RetiringPrincipal != "" && in.RetiringServicePrincipal != "":
		return "", fault("ValidationException", "You can specify either RetiringPrincipal or RetiringServicePrincipal, but not both.")
	case in.RetiringServicePrincipal != "":
		if c.Type != authn.TypeAWSService || c.ARN != in.RetiringServicePrincipal {
			return "", fault("AccessDeniedException", "Only the service principal itself can list the grants that it may retire.")
		}
		return in.RetiringServicePrincipal, nil
	}
	a, err := arn.Parse(in.RetiringPrincipal)
	if err != nil {
		return "", about(in.RetiringPrincipal, key.ErrInvalidARN)
	}
	if a.Account != c.Account {
		return "", fault("AccessDeniedException", "User: %s is not authorized to perform: kms:ListRetirableGrants for a retiring principal of another account", c.ARN)
	}
	p, err := s.party(ctx, in.RetiringPrincipal, "")
	if errors.Is(err, errNoPrincipal) {
		return "", fault("NotFoundException", "Retiring principal %s could not be found", in.RetiringPrincipal)
	}
	if err != nil {
		return "", fmt.Errorf("find retiring principal: %w", err)
	}
	return p.Name(), nil
}
