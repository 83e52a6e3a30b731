package org

import (
	"context"
	"strings"

	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/meta"
	"coffer/internal/organization"
)

// Root describes the root of an organization.
type Root struct {
	ID          string              `json:"Id"`
	ARN         string              `json:"Arn"`
	Name        string              `json:"Name"`
	PolicyTypes []PolicyTypeSummary `json:"PolicyTypes"`
}

func rootOf(o *organization.Organization) Root {
	r := Root{ID: o.Root, ARN: targetARN(o, o.Root), Name: organization.RootName, PolicyTypes: []PolicyTypeSummary{}}
	for _, t := range o.Enabled {
		r.PolicyTypes = append(r.PolicyTypes, PolicyTypeSummary{string(t), enabled})
	}
	return r
}

// ListRootsInput is the request of [Service.ListRoots].
type ListRootsInput struct {
	NextToken  string `json:"NextToken,omitempty"`
	MaxResults *int32 `json:"MaxResults"`
}

// ListRootsOutput is the answer of [Service.ListRoots].
type ListRootsOutput struct {
	Roots     []Root `json:"Roots"`
	NextToken string `json:"NextToken,omitempty"`
}

// ListRoots lists the one root of the organization, with the types of policy that
// are enabled in it.
//
// It returns a *awserr.Error with code InvalidInputException,
// AWSOrganizationsNotInUseException or AccessDeniedException.
//
// Source: AWS Organizations API Reference, ListRoots.
func (s *Service) ListRoots(ctx context.Context, c *authn.Caller, in *ListRootsInput) (*ListRootsOutput, error) {
	return run(ctx, s, c, "ListRoots", reads, func(call *authz.Call) (*ListRootsOutput, error) {
		var v checker
		v.page(in.MaxResults, in.NextToken)
		if err := v.err(); err != nil {
			return nil, err
		}
		o, err := s.use(ctx, call, c, "ListRoots", management, nil, nil)
		if err != nil {
			return nil, err
		}
		out := new(ListRootsOutput)
		out.Roots, out.NextToken, err = cut([]Root{rootOf(o)}, func(r Root) string { return r.ID }, "roots", in.MaxResults, in.NextToken)
		return out, err
	})
}

// OrganizationalUnit describes an OU.
type OrganizationalUnit struct {
	ID   string `json:"Id"`
	ARN  string `json:"Arn"`
	Name string `json:"Name"`
	Path string `json:"Path"` // "o-.../r-.../ou-.../"
}

// unit describes u as the API does.
func (s *Service) unit(ctx context.Context, o *organization.Organization, u *organization.Unit) (OrganizationalUnit, error) {
	path, err := s.orgs.Path(ctx, o.ID, u.Parent)
	return OrganizationalUnit{u.ID, targetARN(o, u.ID), u.Name, o.ID + "/" + strings.Join(append(path, u.ID), "/") + "/"}, err
}

func trailUnit(o *organization.Organization, u *organization.Unit) map[string]any {
	return map[string]any{"id": u.ID, "arn": targetARN(o, u.ID), "name": u.Name}
}

// CreateOrganizationalUnitInput is the request of
// [Service.CreateOrganizationalUnit].
type CreateOrganizationalUnitInput struct {
	ParentID string `json:"ParentId"`
	Name     string `json:"Name"`
	Tags     []Tag  `json:"Tags,omitempty"`
}

// OrganizationalUnitOutput is the answer of the operations on one OU.
type OrganizationalUnitOutput struct {
	OrganizationalUnit OrganizationalUnit `json:"OrganizationalUnit"`
}

// CreateOrganizationalUnit makes an OU below the root or another OU, five deep at
// most.
//
// It returns a *awserr.Error with code
//
//   - InvalidInputException, ParentNotFoundException,
//   - DuplicateOrganizationalUnitException if the parent has an OU of that name,
//   - ConstraintViolationException for an OU too deep or too many,
//   - AWSOrganizationsNotInUseException or AccessDeniedException.
//
// Source: AWS Organizations API Reference, CreateOrganizationalUnit.
func (s *Service) CreateOrganizationalUnit(ctx context.Context, c *authn.Caller, in *CreateOrganizationalUnitInput) (*OrganizationalUnitOutput, error) {
	return run(ctx, s, c, "CreateOrganizationalUnit", changes, func(call *authz.Call) (*OrganizationalUnitOutput, error) {
		call.Param("parentId", in.ParentID)
		call.Param("name", in.Name)
		paramTags(call, in.Tags)
		var v checker
		v.id("ParentId", in.ParentID, patternParent)
		v.text("Name", in.Name, 1, 128)
		v.tags(in.Tags)
		if err := v.err(); err != nil {
			return nil, err
		}
		o, err := s.use(ctx, call, c, "CreateOrganizationalUnit", management, tagKeys(nil, in.Tags), targets(in.ParentID))
		if err != nil {
			return nil, err
		}
		if err := s.mayTag(ctx, call, c, o, "ou", in.Tags); err != nil {
			return nil, err
		}
		u, err := s.orgs.CreateUnit(ctx, o.ID, in.ParentID, in.Name, domainTags(in.Tags), func(tx meta.Txn, u *organization.Unit) error {
			call.Response("organizationalUnit", trailUnit(o, u))
			return call.Record(tx)
		})
		if err != nil {
			return nil, err
		}
		d, err := s.unit(ctx, o, u)
		return &OrganizationalUnitOutput{d}, err
	})
}

// UpdateOrganizationalUnitInput is the request of
// [Service.UpdateOrganizationalUnit].
type UpdateOrganizationalUnitInput struct {
	OrganizationalUnitID string `json:"OrganizationalUnitId"`
	Name                 string `json:"Name,omitempty"`
}

// UpdateOrganizationalUnit gives an OU another name; what is in it and attached to
// it stays.
//
// It returns a *awserr.Error with code InvalidInputException,
// OrganizationalUnitNotFoundException, DuplicateOrganizationalUnitException,
// AWSOrganizationsNotInUseException or AccessDeniedException.
//
// Source: AWS Organizations API Reference, UpdateOrganizationalUnit.
func (s *Service) UpdateOrganizationalUnit(ctx context.Context, c *authn.Caller, in *UpdateOrganizationalUnitInput) (*OrganizationalUnitOutput, error) {
	return run(ctx, s, c, "UpdateOrganizationalUnit", changes, func(call *authz.Call) (*OrganizationalUnitOutput, error) {
		call.Param("organizationalUnitId", in.OrganizationalUnitID)
		call.Param("name", in.Name)
		var v checker
		v.id("OrganizationalUnitId", in.OrganizationalUnitID, patternUnit)
		v.text("Name", in.Name, 0, 128)
		if err := v.err(); err != nil {
			return nil, err
		}
		o, err := s.use(ctx, call, c, "UpdateOrganizationalUnit", management, nil, targets(in.OrganizationalUnitID))
		if err != nil {
			return nil, err
		}
		name := in.Name
		if name == "" { // the model does not require one
			u, err := s.orgs.Unit(ctx, o.ID, in.OrganizationalUnitID)
			if err != nil {
				return nil, err
			}
			name = u.Name
		}
		u, err := s.orgs.RenameUnit(ctx, o.ID, in.OrganizationalUnitID, name, func(tx meta.Txn, u *organization.Unit) error {
			call.Response("organizationalUnit", trailUnit(o, u))
			return call.Record(tx)
		})
		if err != nil {
			return nil, err
		}
		d, err := s.unit(ctx, o, u)
		return &OrganizationalUnitOutput{d}, err
	})
}

// OrganizationalUnitInput names one OU.
type OrganizationalUnitInput struct {
	OrganizationalUnitID string `json:"OrganizationalUnitId"`
}

// DeleteOrganizationalUnitOutput is the answer of
// [Service.DeleteOrganizationalUnit].
type DeleteOrganizationalUnitOutput struct{}

// DeleteOrganizationalUnit removes an empty OU.
//
// It returns a *awserr.Error with code InvalidInputException,
// OrganizationalUnitNotFoundException, OrganizationalUnitNotEmptyException,
// AWSOrganizationsNotInUseException or AccessDeniedException.
//
// Source: AWS Organizations API Reference, DeleteOrganizationalUnit.
func (s *Service) DeleteOrganizationalUnit(ctx context.Context, c *authn.Caller, in *OrganizationalUnitInput) (*DeleteOrganizationalUnitOutput, error) {
	return run(ctx, s, c, "DeleteOrganizationalUnit", changes, func(call *authz.Call) (*DeleteOrganizationalUnitOutput, error) {
		o, err := s.useUnit(ctx, call, c, "DeleteOrganizationalUnit", in.OrganizationalUnitID)
		if err != nil {
			return nil, err
		}
		if err := s.orgs.DeleteUnit(ctx, o.ID, in.OrganizationalUnitID, call.Record); err != nil {
			return nil, err
		}
		return &DeleteOrganizationalUnitOutput{}, nil
	})
}

func (s *Service) useUnit(ctx context.Context, call *authz.Call, c *authn.Caller, action, id string) (*organization.Organization, error) {
	call.Param("organizationalUnitId", id)
	var v checker
	v.id("OrganizationalUnitId", id, patternUnit)
	if err := v.err(); err != nil {
		return nil, err
	}
	return s.use(ctx, call, c, action, management, nil, targets(id))
}

// DescribeOrganizationalUnit describes an OU.
//
// It returns a *awserr.Error with code InvalidInputException,
// OrganizationalUnitNotFoundException, AWSOrganizationsNotInUseException or
// AccessDeniedException.
//
// Source: AWS Organizations API Reference, DescribeOrganizationalUnit.
func (s *Service) DescribeOrganizationalUnit(ctx context.Context, c *authn.Caller, in *OrganizationalUnitInput) (*OrganizationalUnitOutput, error) {
	return run(ctx, s, c, "DescribeOrganizationalUnit", reads, func(call *authz.Call) (*OrganizationalUnitOutput, error) {
		o, err := s.useUnit(ctx, call, c, "DescribeOrganizationalUnit", in.OrganizationalUnitID)
		if err != nil {
			return nil, err
		}
		u, err := s.orgs.Unit(ctx, o.ID, in.OrganizationalUnitID)
		if err != nil {
			return nil, err
		}
		d, err := s.unit(ctx, o, u)
		return &OrganizationalUnitOutput{d}, err
	})
}

// ForParentInput is the request of the listings below one root or OU.
type ForParentInput struct {
	ParentID   string `json:"ParentId"`
	NextToken  string `json:"NextToken,omitempty"`
	MaxResults *int32 `json:"MaxResults"`
}

func (s *Service) useParent(ctx context.Context, call *authz.Call, c *authn.Caller, action string, in *ForParentInput) (*organization.Organization, error) {
	call.Param("parentId", in.ParentID)
	var v checker
	v.id("ParentId", in.ParentID, patternParent)
	v.page(in.MaxResults, in.NextToken)
	if err := v.err(); err != nil {
		return nil, err
	}
	return s.use(ctx, call, c, action, management, nil, targets(in.ParentID))
}

// ListOrganizationalUnitsForParentOutput is the answer of
// [Service.ListOrganizationalUnitsForParent].
type ListOrganizationalUnitsForParentOutput struct {
	OrganizationalUnits []OrganizationalUnit `json:"OrganizationalUnits"`
	NextToken           string               `json:"NextToken,omitempty"`
}

// ListOrganizationalUnitsForParent lists the OUs directly below the root or an OU by
// ID, 20 to a page.
//
// It returns a *awserr.Error with code InvalidInputException,
// ParentNotFoundException, AWSOrganizationsNotInUseException or
// AccessDeniedException.
//
// Source: AWS Organizations API Reference, ListOrganizationalUnitsForParent.
func (s *Service) ListOrganizationalUnitsForParent(ctx context.Context, c *authn.Caller, in *ForParentInput) (*ListOrganizationalUnitsForParentOutput, error) {
	return run(ctx, s, c, "ListOrganizationalUnitsForParent", reads, func(call *authz.Call) (*ListOrganizationalUnitsForParentOutput, error) {
		o, err := s.useParent(ctx, call, c, "ListOrganizationalUnitsForParent", in)
		if err != nil {
			return nil, err
		}
		list, err := s.orgs.Units(ctx, o.ID, in.ParentID)
		if err != nil {
			return nil, err
		}
		page, next, err := cut(list, func(u *organization.Unit) string { return u.ID }, "units", in.MaxResults, in.NextToken)
		if err != nil {
			return nil, err
		}
		out := &ListOrganizationalUnitsForParentOutput{OrganizationalUnits: []OrganizationalUnit{}, NextToken: next}
		for _, u := range page {
			d, err := s.unit(ctx, o, u)
			if err != nil {
				return nil, err
			}
			out.OrganizationalUnits = append(out.OrganizationalUnits, d)
		}
		return out, nil
	})
}

// What children and parents are, as the API spells it.
const (
	typeAccount = "ACCOUNT"
	typeUnit    = "ORGANIZATIONAL_UNIT"
	typeRoot    = "ROOT"
)

func typeOf(id string) string {
	return map[string]string{"root": typeRoot, "ou": typeUnit, "account": typeAccount}[kindOf(id)]
}

// Child names an OU or account below a root or OU.
type Child struct {
	ID   string `json:"Id"`
	Type string `json:"Type"`
}

// ListChildrenInput is the request of [Service.ListChildren].
type ListChildrenInput struct {
	ParentID   string `json:"ParentId"`
	ChildType  string `json:"ChildType"`
	NextToken  string `json:"NextToken,omitempty"`
	MaxResults *int32 `json:"MaxResults"`
}

// ListChildrenOutput is the answer of [Service.ListChildren].
type ListChildrenOutput struct {
	Children  []Child `json:"Children"`
	NextToken string  `json:"NextToken,omitempty"`
}

// ListChildren lists the OUs or the accounts directly below the root or an OU by
// ID, 20 to a page.
//
// It returns a *awserr.Error with code InvalidInputException,
// ParentNotFoundException, AWSOrganizationsNotInUseException or
// AccessDeniedException.
//
// Source: AWS Organizations API Reference, ListChildren.
func (s *Service) ListChildren(ctx context.Context, c *authn.Caller, in *ListChildrenInput) (*ListChildrenOutput, error) {
	return run(ctx, s, c, "ListChildren", reads, func(call *authz.Call) (*ListChildrenOutput, error) {
		call.Param("parentId", in.ParentID)
		call.Param("childType", in.ChildType)
		var v checker
		v.id("ParentId", in.ParentID, patternParent)
		v.oneOf("ChildType", in.ChildType, []string{typeAccount, typeUnit})
		v.page(in.MaxResults, in.NextToken)
		if err := v.err(); err != nil {
			return nil, err
		}
		o, err := s.use(ctx, call, c, "ListChildren", management, nil, targets(in.ParentID))
		if err != nil {
			return nil, err
		}
		children := []Child{}
		if in.ChildType == typeUnit {
			units, err := s.orgs.Units(ctx, o.ID, in.ParentID)
			if err != nil {
				return nil, err
			}
			for _, u := range units {
				children = append(children, Child{u.ID, typeUnit})
			}
		} else {
			accounts, err := s.orgs.AccountsBelow(ctx, o.ID, in.ParentID)
			if err != nil {
				return nil, err
			}
			for _, a := range accounts {
				children = append(children, Child{a.ID, typeAccount})
			}
		}
		out := new(ListChildrenOutput)
		out.Children, out.NextToken, err = cut(children, func(c Child) string { return c.ID }, "children", in.MaxResults, in.NextToken)
		return out, err
	})
}

// Parent names a root or OU.
type Parent struct {
	ID   string `json:"Id"`
	Type string `json:"Type"`
}

// ListParentsInput is the request of [Service.ListParents].
type ListParentsInput struct {
	ChildID    string `json:"ChildId"`
	NextToken  string `json:"NextToken,omitempty"`
	MaxResults *int32 `json:"MaxResults"`
}

// ListParentsOutput is the answer of [Service.ListParents].
type ListParentsOutput struct {
	Parents   []Parent `json:"Parents"`
	NextToken string   `json:"NextToken,omitempty"`
}

// ListParents lists the one root or OU that an OU or account is directly below.
//
// It returns a *awserr.Error with code InvalidInputException,
// ChildNotFoundException, AWSOrganizationsNotInUseException or
// AccessDeniedException.
//
// Source: AWS Organizations API Reference, ListParents.
func (s *Service) ListParents(ctx context.Context, c *authn.Caller, in *ListParentsInput) (*ListParentsOutput, error) {
	return run(ctx, s, c, "ListParents", reads, func(call *authz.Call) (*ListParentsOutput, error) {
		call.Param("childId", in.ChildID)
		var v checker
		v.id("ChildId", in.ChildID, patternChild)
		v.page(in.MaxResults, in.NextToken)
		if err := v.err(); err != nil {
			return nil, err
		}
		o, err := s.use(ctx, call, c, "ListParents", management, nil, targets(in.ChildID))
		if err != nil {
			return nil, err
		}
		id, err := s.orgs.Parent(ctx, o.ID, in.ChildID)
		if err != nil {
			return nil, err
		}
		out := new(ListParentsOutput)
		out.Parents, out.NextToken, err = cut([]Parent{{id, typeOf(id)}}, func(p Parent) string { return p.ID }, "parents", in.MaxResults, in.NextToken)
		return out, err
	})
}
