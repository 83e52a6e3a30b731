package org

import (
	"context"
	"errors"
	"strings"

	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/awsjson"
	"coffer/internal/meta"
	"coffer/internal/organization"
)

// Handshake describes an invitation.
type Handshake struct {
	ID                  string              `json:"Id"`
	ARN                 string              `json:"Arn"`
	Parties             []HandshakeParty    `json:"Parties"`
	State               string              `json:"State"`
	RequestedTimestamp  awsjson.Time        `json:"RequestedTimestamp"`
	ExpirationTimestamp awsjson.Time        `json:"ExpirationTimestamp"`
	Action              string              `json:"Action"`
	Resources           []HandshakeResource `json:"Resources"`
}

// HandshakeParty is one side of a handshake.
type HandshakeParty struct {
	ID   string `json:"Id"`
	Type string `json:"Type"`
}

// HandshakeResource is what a handshake tells of.
type HandshakeResource struct {
	Value     string              `json:"Value"`
	Type      string              `json:"Type"`
	Resources []HandshakeResource `json:"Resources,omitempty"`
}

const invite = "INVITE"

// handshakeARN returns the ARN of an invitation.
func handshakeARN(h *organization.Handshake) string {
	o := &organization.Organization{ID: h.Org, ManagementAccount: h.Manager}
	return orgARN(o, "handshake", "/"+strings.ToLower(invite)+"/"+h.ID)
}

func handshake(h *organization.Handshake) Handshake {
	target := HandshakeParty{h.Account, typeAccount}
	if h.ByEmail != "" {
		target = HandshakeParty{h.ByEmail, "EMAIL"}
	}
	d := Handshake{
		ID: h.ID, ARN: handshakeARN(h), State: string(h.State), Action: invite,
		RequestedTimestamp: awsjson.Time{Time: h.Requested}, ExpirationTimestamp: awsjson.Time{Time: h.Expires},
		Parties: []HandshakeParty{{h.Org, "ORGANIZATION"}, target},
		Resources: []HandshakeResource{
			{h.Org, "ORGANIZATION", []HandshakeResource{{h.Email, "MASTER_EMAIL", nil}, {h.Name, "MASTER_NAME", nil}, {allFeatures, "ORGANIZATION_FEATURE_SET", nil}}},
			{target.ID, target.Type, nil},
		},
	}
	if h.Notes != "" {
		d.Resources = append(d.Resources, HandshakeResource{h.Notes, "NOTES", nil})
	}
	return d
}

func trailHandshake(h *organization.Handshake) map[string]any {
	return map[string]any{"id": h.ID, "arn": handshakeARN(h), "state": string(h.State), "action": invite,
		"requestedTimestamp": trailTime(h.Requested), "expirationTimestamp": trailTime(h.Expires)}
}

// HandshakeOutput is the answer of the operations on one handshake.
type HandshakeOutput struct {
	Handshake Handshake `json:"Handshake"`
}

// InviteAccountToOrganizationInput is the request of
// [Service.InviteAccountToOrganization].
type InviteAccountToOrganizationInput struct {
	Target *HandshakeParty `json:"Target"`
	Notes  string          `json:"Notes,omitempty"`
	Tags   []Tag           `json:"Tags,omitempty"`
}

// InviteAccountToOrganization invites an account of this server into the
// organization. No e-mail message is sent: the account finds the invitation with
// ListHandshakesForAccount.
//
// It returns a *awserr.Error with code
//
//   - InvalidInputException, also if no account has the ID or the address,
//   - DuplicateHandshakeException for an account that is invited already,
//   - HandshakeConstraintViolationException for one that is in an organization, and
//     for too many invitations,
//   - ConstraintViolationException, AWSOrganizationsNotInUseException or
//     AccessDeniedException.
//
// Source: AWS Organizations API Reference, InviteAccountToOrganization.
func (s *Service) InviteAccountToOrganization(ctx context.Context, c *authn.Caller, in *InviteAccountToOrganizationInput) (*HandshakeOutput, error) {
	return run(ctx, s, c, "InviteAccountToOrganization", changes, func(call *authz.Call) (*HandshakeOutput, error) {
		if in.Notes != "" {
			call.Param("notes", hidden)
		}
		paramTags(call, in.Tags)
		var v checker
		invitation := organization.Invitation{Notes: in.Notes, Tags: domainTags(in.Tags)}
		if in.Target == nil {
			v.add("INPUT_REQUIRED", "You must include a value for Target.")
		} else {
			id := in.Target.ID
			switch in.Target.Type {
			case typeAccount:
				v.id("Target.Id", id, patternAccount)
				invitation.Account = id
			case "EMAIL":
				v.id("Target.Id", id, patternEmail)
				v.text("Target.Id", id, 6, 64)
				invitation.Email, id = id, hidden
			default:
				v.add("INVALID_PARTY_TYPE_TARGET", "Target.Type must be ACCOUNT or EMAIL.")
				id = hidden
			}
			call.Param("target", map[string]any{"type": in.Target.Type, "id": id})
		}
		v.text("Notes", in.Notes, 0, 1024)
		v.tags(in.Tags)
		if err := v.err(); err != nil {
			return nil, err
		}
		target := "*"
		if invitation.Account != "" {
			target = invitation.Account
		}
		o, err := s.use(ctx, call, c, "InviteAccountToOrganization", management, tagKeys(nil, in.Tags),
			func(o *organization.Organization) ([]resource, error) {
				return []resource{{arn: orgARN(o, "account", "/"+target)}}, nil
			})
		if err != nil {
			return nil, err
		}
		if err := s.mayTag(ctx, call, c, o, "account", in.Tags); err != nil {
			return nil, err
		}
		h, err := s.orgs.Invite(ctx, o.ID, invitation, recordHandshake(call))
		if err != nil {
			return nil, joining(err)
		}
		return &HandshakeOutput{handshake(h)}, nil
	})
}

// recordHandshake returns what runs last in a transaction that changes a handshake.
func recordHandshake(call *authz.Call) func(meta.Txn, *organization.Handshake) error {
	return func(tx meta.Txn, h *organization.Handshake) error {
		call.Response("handshake", trailHandshake(h))
		return call.Record(tx)
	}
}

// joining words what keeps an account from joining as handshakes do.
func joining(err error) error {
	switch {
	case errors.Is(err, organization.ErrInOrganization):
		return fault(handshakeConstraint, "ALREADY_IN_AN_ORGANIZATION", "The account is already a member of an organization.").Because(err)
	case errors.Is(err, organization.ErrTooManyAccounts):
		return fault(handshakeConstraint, "ACCOUNT_NUMBER_LIMIT_EXCEEDED", "You have exceeded the allowed number of AWS accounts.").Because(err)
	}
	return err
}

// HandshakeInput names one handshake.
type HandshakeInput struct {
	HandshakeID string `json:"HandshakeId"`
}

// handshakeFor checks, authorizes and returns a handshake that the caller's account is
// party to. The ARN of one that is not there, or another's, is not known: the caller
// must then be allowed any.
func (s *Service) handshakeFor(ctx context.Context, call *authz.Call, c *authn.Caller, action, id string) (*organization.Handshake, error) {
	call.Param("handshakeId", id)
	var v checker
	v.id("HandshakeId", id, patternHandshake)
	if err := v.err(); err != nil {
		return nil, err
	}
	h, missing := s.orgs.Handshake(ctx, c.Account, id)
	resource := "*"
	if missing == nil {
		resource = handshakeARN(h)
	} else if !errors.Is(missing, organization.ErrNoHandshake) {
		return nil, missing
	}
	if err := call.Ask(ctx, &authz.Ask{Action: "organizations:" + action, Resource: resource, Account: c.Account}); err != nil {
		return nil, err
	}
	return h, missing
}

func (s *Service) end(ctx context.Context, c *authn.Caller, action string, in *HandshakeInput, to organization.HandshakeState) (*HandshakeOutput, error) {
	return run(ctx, s, c, action, changes, func(call *authz.Call) (*HandshakeOutput, error) {
		if _, err := s.handshakeFor(ctx, call, c, action, in.HandshakeID); err != nil {
			return nil, err
		}
		h, err := s.orgs.EndHandshake(ctx, c.Account, in.HandshakeID, to, recordHandshake(call))
		if err != nil {
			return nil, joining(err)
		}
		return &HandshakeOutput{handshake(h)}, nil
	})
}

// AcceptHandshake accepts an invitation: the caller's account joins the organization,
// below the root.
//
// It returns a *awserr.Error with code InvalidInputException,
// HandshakeNotFoundException, HandshakeAlreadyInStateException,
// InvalidHandshakeTransitionException, HandshakeConstraintViolationException or
// AccessDeniedException.
//
// Source: AWS Organizations API Reference, AcceptHandshake.
func (s *Service) AcceptHandshake(ctx context.Context, c *authn.Caller, in *HandshakeInput) (*HandshakeOutput, error) {
	return s.end(ctx, c, "AcceptHandshake", in, organization.Accepted)
}

// DeclineHandshake declines an invitation. Its errors are those of
// [Service.AcceptHandshake].
//
// Source: AWS Organizations API Reference, DeclineHandshake.
func (s *Service) DeclineHandshake(ctx context.Context, c *authn.Caller, in *HandshakeInput) (*HandshakeOutput, error) {
	return s.end(ctx, c, "DeclineHandshake", in, organization.Declined)
}

// CancelHandshake takes an invitation back, which the management account does. Its
// errors are those of [Service.AcceptHandshake].
//
// Source: AWS Organizations API Reference, CancelHandshake.
func (s *Service) CancelHandshake(ctx context.Context, c *authn.Caller, in *HandshakeInput) (*HandshakeOutput, error) {
	return s.end(ctx, c, "CancelHandshake", in, organization.Canceled)
}

// DescribeHandshake describes a handshake that the caller's account is party to, up
// to 30 days after its end.
//
// It returns a *awserr.Error with code InvalidInputException,
// HandshakeNotFoundException or AccessDeniedException.
//
// Source: AWS Organizations API Reference, DescribeHandshake.
func (s *Service) DescribeHandshake(ctx context.Context, c *authn.Caller, in *HandshakeInput) (*HandshakeOutput, error) {
	return run(ctx, s, c, "DescribeHandshake", reads, func(call *authz.Call) (*HandshakeOutput, error) {
		h, err := s.handshakeFor(ctx, call, c, "DescribeHandshake", in.HandshakeID)
		if err != nil {
			return nil, err
		}
		return &HandshakeOutput{handshake(h)}, nil
	})
}

// HandshakeFilter narrows a listing of handshakes.
type HandshakeFilter struct {
	ActionType        string `json:"ActionType,omitempty"`
	ParentHandshakeID string `json:"ParentHandshakeId,omitempty"`
}

// ListHandshakesInput is the request of the listings of handshakes.
type ListHandshakesInput struct {
	Filter     *HandshakeFilter `json:"Filter"`
	NextToken  string           `json:"NextToken,omitempty"`
	MaxResults *int32           `json:"MaxResults"`
}

// ListHandshakesOutput is the answer of the listings of handshakes.
type ListHandshakesOutput struct {
	Handshakes []Handshake `json:"Handshakes"`
	NextToken  string      `json:"NextToken,omitempty"`
}

// ListHandshakesForAccount lists the invitations of the caller's account by ID, 20
// to a page.
//
// It returns a *awserr.Error with code InvalidInputException or
// AccessDeniedException.
//
// Source: AWS Organizations API Reference, ListHandshakesForAccount.
func (s *Service) ListHandshakesForAccount(ctx context.Context, c *authn.Caller, in *ListHandshakesInput) (*ListHandshakesOutput, error) {
	return run(ctx, s, c, "ListHandshakesForAccount", reads, func(call *authz.Call) (*ListHandshakesOutput, error) {
		if err := checkFilter(in); err != nil {
			return nil, err
		}
		if err := s.alone(ctx, call, c, "ListHandshakesForAccount", nil); err != nil {
			return nil, err
		}
		return s.handshakes(ctx, c.Account, in)
	})
}

// ListHandshakesForOrganization lists the invitations that the organization has sent
// by ID, 20 to a page.
//
// It returns a *awserr.Error with code InvalidInputException,
// AWSOrganizationsNotInUseException or AccessDeniedException.
//
// Source: AWS Organizations API Reference, ListHandshakesForOrganization.
func (s *Service) ListHandshakesForOrganization(ctx context.Context, c *authn.Caller, in *ListHandshakesInput) (*ListHandshakesOutput, error) {
	return run(ctx, s, c, "ListHandshakesForOrganization", reads, func(call *authz.Call) (*ListHandshakesOutput, error) {
		if err := checkFilter(in); err != nil {
			return nil, err
		}
		o, err := s.use(ctx, call, c, "ListHandshakesForOrganization", management, nil, nil)
		if err != nil {
			return nil, err
		}
		return s.handshakes(ctx, o.ID, in)
	})
}

func checkFilter(in *ListHandshakesInput) error {
	var v checker
	v.page(in.MaxResults, in.NextToken)
	if f := in.Filter; f != nil {
		if f.ActionType != "" {
			v.oneOf("Filter.ActionType", f.ActionType, []string{invite, "ENABLE_ALL_FEATURES", "APPROVE_ALL_FEATURES", "ADD_ORGANIZATIONS_SERVICE_LINKED_ROLE", "TRANSFER_RESPONSIBILITY"})
		}
		v.match("Filter.ParentHandshakeId", f.ParentHandshakeID, patternHandshake)
		if f.ActionType != "" && f.ParentHandshakeID != "" {
			v.add("MAX_LIMIT_EXCEEDED_FILTER", "You can specify only one filter.")
		}
	}
	return v.err()
}

// handshakes lists what a party sees. All of them are invitations without a parent.
func (s *Service) handshakes(ctx context.Context, party string, in *ListHandshakesInput) (*ListHandshakesOutput, error) {
	all, err := s.orgs.Handshakes(ctx, party)
	if err != nil {
		return nil, err
	}
	list := []Handshake{}
	for _, h := range all {
		if f := in.Filter; f == nil || (f.ActionType == "" || f.ActionType == invite) && f.ParentHandshakeID == "" {
			list = append(list, handshake(h))
		}
	}
	out := new(ListHandshakesOutput)
	out.Handshakes, out.NextToken, err = cut(list, func(h Handshake) string { return h.ID }, "handshakes", in.MaxResults, in.NextToken)
	return out, err
}
