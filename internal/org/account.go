package org

import (
	"context"
	"slices"
	"strings"

	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/awsjson"
	"coffer/internal/meta"
	"coffer/internal/organization"
)

// Account describes an account of an organization.
type Account struct {
	ID              string       `json:"Id"`
	ARN             string       `json:"Arn"`
	Email           string       `json:"Email"`
	Name            string       `json:"Name"`
	Status          string       `json:"Status"`
	State           string       `json:"State"`
	Paths           []string     `json:"Paths"`
	JoinedMethod    string       `json:"JoinedMethod"`
	JoinedTimestamp awsjson.Time `json:"JoinedTimestamp"`
}

// account describes a as the API does. Accounts are never closed here.
func (s *Service) account(ctx context.Context, o *organization.Organization, a *organization.Account) (Account, error) {
	const active = "ACTIVE"
	path, err := s.orgs.Path(ctx, o.ID, a.Parent)
	return Account{
		ID: a.ID, ARN: targetARN(o, a.ID), Email: a.Email, Name: a.Name, Status: active, State: active,
		Paths:        []string{o.ID + "/" + strings.Join(append(path, a.ID), "/") + "/"},
		JoinedMethod: string(a.Method), JoinedTimestamp: awsjson.Time{Time: a.Joined},
	}, err
}

func (s *Service) accounts(ctx context.Context, o *organization.Organization, list []*organization.Account) ([]Account, error) {
	out := make([]Account, 0, len(list))
	for _, a := range list {
		d, err := s.account(ctx, o, a)
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

// ListAccountsInput is the request of [Service.ListAccounts].
type ListAccountsInput struct {
	NextToken  string `json:"NextToken,omitempty"`
	MaxResults *int32 `json:"MaxResults"`
}

// ListAccountsOutput is the answer of the listings of accounts.
type ListAccountsOutput struct {
	Accounts  []Account `json:"Accounts"`
	NextToken string    `json:"NextToken,omitempty"`
}

// ListAccounts lists the accounts of the organization by ID, 20 to a page.
//
// It returns a *awserr.Error with code InvalidInputException,
// AWSOrganizationsNotInUseException or AccessDeniedException.
//
// Source: AWS Organizations API Reference, ListAccounts.
func (s *Service) ListAccounts(ctx context.Context, c *authn.Caller, in *ListAccountsInput) (*ListAccountsOutput, error) {
	return run(ctx, s, c, "ListAccounts", reads, func(call *authz.Call) (*ListAccountsOutput, error) {
		var v checker
		v.page(in.MaxResults, in.NextToken)
		if err := v.err(); err != nil {
			return nil, err
		}
		o, err := s.use(ctx, call, c, "ListAccounts", management, nil, nil)
		if err != nil {
			return nil, err
		}
		after, err := untoken("accounts", in.NextToken)
		if err != nil {
			return nil, err
		}
		list, more, err := s.orgs.Members(ctx, o.ID, after, pageSize(in.MaxResults))
		if err != nil {
			return nil, err
		}
		out := new(ListAccountsOutput)
		if more {
			out.NextToken = nextToken("accounts", list[len(list)-1].ID)
		}
		out.Accounts, err = s.accounts(ctx, o, list)
		return out, err
	})
}

// ListAccountsForParent lists the accounts directly below the root or an OU by ID,
// 20 to a page.
//
// It returns a *awserr.Error with code InvalidInputException,
// ParentNotFoundException, AWSOrganizationsNotInUseException or
// AccessDeniedException.
//
// Source: AWS Organizations API Reference, ListAccountsForParent.
func (s *Service) ListAccountsForParent(ctx context.Context, c *authn.Caller, in *ForParentInput) (*ListAccountsOutput, error) {
	return run(ctx, s, c, "ListAccountsForParent", reads, func(call *authz.Call) (*ListAccountsOutput, error) {
		o, err := s.useParent(ctx, call, c, "ListAccountsForParent", in)
		if err != nil {
			return nil, err
		}
		list, err := s.orgs.AccountsBelow(ctx, o.ID, in.ParentID)
		if err != nil {
			return nil, err
		}
		page, next, err := cut(list, func(a *organization.Account) string { return a.ID }, "below", in.MaxResults, in.NextToken)
		if err != nil {
			return nil, err
		}
		out := &ListAccountsOutput{NextToken: next}
		out.Accounts, err = s.accounts(ctx, o, page)
		return out, err
	})
}

// AccountInput names one account.
type AccountInput struct {
	AccountID string `json:"AccountId"`
}

// DescribeAccountOutput is the answer of [Service.DescribeAccount].
type DescribeAccountOutput struct {
	Account Account `json:"Account"`
}

// DescribeAccount describes an account of the organization.
//
// It returns a *awserr.Error with code InvalidInputException,
// AccountNotFoundException, AWSOrganizationsNotInUseException or
// AccessDeniedException.
//
// Source: AWS Organizations API Reference, DescribeAccount.
func (s *Service) DescribeAccount(ctx context.Context, c *authn.Caller, in *AccountInput) (*DescribeAccountOutput, error) {
	return run(ctx, s, c, "DescribeAccount", reads, func(call *authz.Call) (*DescribeAccountOutput, error) {
		o, err := s.useAccount(ctx, call, c, "DescribeAccount", in.AccountID)
		if err != nil {
			return nil, err
		}
		a, err := s.orgs.Member(ctx, o.ID, in.AccountID)
		if err != nil {
			return nil, err
		}
		d, err := s.account(ctx, o, a)
		return &DescribeAccountOutput{d}, err
	})
}

func (s *Service) useAccount(ctx context.Context, call *authz.Call, c *authn.Caller, action, id string) (*organization.Organization, error) {
	call.Param("accountId", id)
	var v checker
	v.id("AccountId", id, patternAccount)
	if err := v.err(); err != nil {
		return nil, err
	}
	return s.use(ctx, call, c, action, management, nil, targets(id))
}

// MoveAccountInput is the request of [Service.MoveAccount].
type MoveAccountInput struct {
	AccountID           string `json:"AccountId"`
	SourceParentID      string `json:"SourceParentId"`
	DestinationParentID string `json:"DestinationParentId"`
}

// MoveAccountOutput is the answer of [Service.MoveAccount].
type MoveAccountOutput struct{}

// MoveAccount puts an account below another root or OU. From then on the policies
// above it are those of its new place.
//
// It returns a *awserr.Error with code InvalidInputException,
// AccountNotFoundException, SourceParentNotFoundException,
// DestinationParentNotFoundException, DuplicateAccountException,
// AWSOrganizationsNotInUseException or AccessDeniedException.
//
// Source: AWS Organizations API Reference, MoveAccount.
func (s *Service) MoveAccount(ctx context.Context, c *authn.Caller, in *MoveAccountInput) (*MoveAccountOutput, error) {
	return run(ctx, s, c, "MoveAccount", changes, func(call *authz.Call) (*MoveAccountOutput, error) {
		call.Param("accountId", in.AccountID)
		call.Param("sourceParentId", in.SourceParentID)
		call.Param("destinationParentId", in.DestinationParentID)
		var v checker
		v.id("AccountId", in.AccountID, patternAccount)
		v.id("SourceParentId", in.SourceParentID, patternParent)
		v.id("DestinationParentId", in.DestinationParentID, patternParent)
		if err := v.err(); err != nil {
			return nil, err
		}
		o, err := s.use(ctx, call, c, "MoveAccount", management, nil, targets(in.AccountID, in.SourceParentID, in.DestinationParentID))
		if err != nil {
			return nil, err
		}
		if err := s.orgs.MoveAccount(ctx, o.ID, in.AccountID, in.SourceParentID, in.DestinationParentID, call.Record); err != nil {
			return nil, err
		}
		return &MoveAccountOutput{}, nil
	})
}

// RemoveAccountFromOrganizationOutput is the answer of
// [Service.RemoveAccountFromOrganization].
type RemoveAccountFromOrganizationOutput struct{}

// RemoveAccountFromOrganization takes a member account out of the organization. AWS
// asks for payment details and a waiting period first; this server has neither.
//
// It returns a *awserr.Error with code InvalidInputException,
// AccountNotFoundException, MasterCannotLeaveOrganizationException,
// AWSOrganizationsNotInUseException or AccessDeniedException.
//
// Source: AWS Organizations API Reference, RemoveAccountFromOrganization.
func (s *Service) RemoveAccountFromOrganization(ctx context.Context, c *authn.Caller, in *AccountInput) (*RemoveAccountFromOrganizationOutput, error) {
	return run(ctx, s, c, "RemoveAccountFromOrganization", changes, func(call *authz.Call) (*RemoveAccountFromOrganizationOutput, error) {
		o, err := s.useAccount(ctx, call, c, "RemoveAccountFromOrganization", in.AccountID)
		if err != nil {
			return nil, err
		}
		if err := s.orgs.RemoveAccount(ctx, o.ID, in.AccountID, call.Record); err != nil {
			return nil, err
		}
		return &RemoveAccountFromOrganizationOutput{}, nil
	})
}

// LeaveOrganizationInput is the request of [Service.LeaveOrganization].
type LeaveOrganizationInput struct{}

// LeaveOrganizationOutput is the answer of [Service.LeaveOrganization].
type LeaveOrganizationOutput struct{}

// LeaveOrganization takes the caller's account out of its organization.
//
// It returns a *awserr.Error with code MasterCannotLeaveOrganizationException,
// AWSOrganizationsNotInUseException or AccessDeniedException.
//
// Source: AWS Organizations API Reference, LeaveOrganization.
func (s *Service) LeaveOrganization(ctx context.Context, c *authn.Caller, _ *LeaveOrganizationInput) (*LeaveOrganizationOutput, error) {
	return run(ctx, s, c, "LeaveOrganization", changes, func(call *authz.Call) (*LeaveOrganizationOutput, error) {
		o, err := s.use(ctx, call, c, "LeaveOrganization", members, nil, nil)
		if err != nil {
			return nil, err
		}
		if err := s.orgs.RemoveAccount(ctx, o.ID, c.Account, call.Record); err != nil {
			return nil, err
		}
		return &LeaveOrganizationOutput{}, nil
	})
}

// CreateAccountInput is the request of [Service.CreateAccount].
type CreateAccountInput struct {
	Email                  string `json:"Email"`
	AccountName            string `json:"AccountName"`
	RoleName               string `json:"RoleName,omitempty"`
	IAMUserAccessToBilling string `json:"IamUserAccessToBilling,omitempty"`
	Tags                   []Tag  `json:"Tags,omitempty"`
}

// CreateAccountStatus tells how a request for an account stands.
type CreateAccountStatus struct {
	ID                 string       `json:"Id"`
	AccountName        string       `json:"AccountName"`
	State              string       `json:"State"`
	RequestedTimestamp awsjson.Time `json:"RequestedTimestamp"`
	CompletedTimestamp awsjson.Time `json:"CompletedTimestamp"`
	AccountID          string       `json:"AccountId,omitempty"`
	FailureReason      string       `json:"FailureReason,omitempty"`
}

// The states of a request.
const (
	inProgress = "IN_PROGRESS"
	succeeded  = "SUCCEEDED"
	failed     = "FAILED"
)

func status(st *organization.Status) CreateAccountStatus {
	state := succeeded
	if st.Failure != "" {
		state = failed
	}
	return CreateAccountStatus{st.ID, st.Name, state, awsjson.Time{Time: st.Requested}, awsjson.Time{Time: st.Completed}, st.Account, string(st.Failure)}
}

// CreateAccountStatusOutput is the answer of the operations on one request.
type CreateAccountStatusOutput struct {
	CreateAccountStatus CreateAccountStatus `json:"CreateAccountStatus"`
}

// defaultRole is the role that lets the management account into a new account.
const defaultRole = "OrganizationAccountAccessRole"

// CreateAccount makes an account below the root, with a role that the management
// account may assume and that administers it. The account has no root access key.
// The request is over when it is answered: its state is SUCCEEDED or FAILED.
//
// It returns a *awserr.Error with code InvalidInputException,
// ConstraintViolationException, AWSOrganizationsNotInUseException or
// AccessDeniedException. A taken e-mail address and a full organization fail the
// request instead: EMAIL_ALREADY_EXISTS, ACCOUNT_LIMIT_EXCEEDED.
//
// Source: AWS Organizations API Reference, CreateAccount.
func (s *Service) CreateAccount(ctx context.Context, c *authn.Caller, in *CreateAccountInput) (*CreateAccountStatusOutput, error) {
	return run(ctx, s, c, "CreateAccount", changes, func(call *authz.Call) (*CreateAccountStatusOutput, error) {
		call.Param("email", hidden)
		call.Param("accountName", hidden)
		role := in.RoleName
		if role == "" {
			role = defaultRole
		}
		call.Param("roleName", role)
		if in.IAMUserAccessToBilling != "" {
			call.Param("iamUserAccessToBilling", in.IAMUserAccessToBilling)
		}
		paramTags(call, in.Tags)
		if err := checkNewAccount(in, role); err != nil {
			return nil, err
		}
		o, err := s.use(ctx, call, c, "CreateAccount", management, tagKeys(nil, in.Tags), nil)
		if err != nil {
			return nil, err
		}
		if err := s.mayTag(ctx, call, c, o, "account", in.Tags); err != nil {
			return nil, err
		}
		st, err := s.orgs.RequestAccount(ctx, o.ID,
			organization.NewAccount{Name: in.AccountName, Email: in.Email, Creator: c.Account, Role: role, Tags: domainTags(in.Tags)},
			func(tx meta.Txn, st *organization.Status) error {
				d := status(st)
				response := map[string]any{"id": d.ID, "accountName": hidden, "state": d.State,
					"requestedTimestamp": trailTime(st.Requested), "completedTimestamp": trailTime(st.Completed)}
				if d.AccountID != "" {
					response["accountId"] = d.AccountID
				}
				if d.FailureReason != "" {
					response["failureReason"] = d.FailureReason
				}
				call.Response("createAccountStatus", response)
				return call.Record(tx)
			})
		if err != nil {
			return nil, err
		}
		return &CreateAccountStatusOutput{status(st)}, nil
	})
}

// checkNewAccount checks the shape of a CreateAccount.
func checkNewAccount(in *CreateAccountInput, role string) error {
	var v checker
	v.text("Email", in.Email, 6, 64)
	v.match("Email", in.Email, patternEmail)
	v.text("AccountName", in.AccountName, 1, 50)
	v.match("AccountName", in.AccountName, patternName)
	if !patternRole.MatchString(role) || strings.HasPrefix(role, "AWSServiceRoleFor") {
		v.add("INVALID_ROLE_NAME", "You provided a role name that isn't valid.")
	}
	if in.IAMUserAccessToBilling != "" { // which there is nothing of here
		v.oneOf("IamUserAccessToBilling", in.IAMUserAccessToBilling, []string{"ALLOW", "DENY"})
	}
	v.tags(in.Tags)
	return v.err()
}

// DescribeCreateAccountStatusInput is the request of
// [Service.DescribeCreateAccountStatus].
type DescribeCreateAccountStatusInput struct {
	CreateAccountRequestID string `json:"CreateAccountRequestId"`
}

// DescribeCreateAccountStatus tells how a request for an account ended. It is known
// for 90 days.
//
// It returns a *awserr.Error with code InvalidInputException,
// CreateAccountStatusNotFoundException, AWSOrganizationsNotInUseException or
// AccessDeniedException.
//
// Source: AWS Organizations API Reference, DescribeCreateAccountStatus.
func (s *Service) DescribeCreateAccountStatus(ctx context.Context, c *authn.Caller, in *DescribeCreateAccountStatusInput) (*CreateAccountStatusOutput, error) {
	return run(ctx, s, c, "DescribeCreateAccountStatus", reads, func(call *authz.Call) (*CreateAccountStatusOutput, error) {
		call.Param("createAccountRequestId", in.CreateAccountRequestID)
		var v checker
		v.id("CreateAccountRequestId", in.CreateAccountRequestID, patternStatus)
		if err := v.err(); err != nil {
			return nil, err
		}
		o, err := s.use(ctx, call, c, "DescribeCreateAccountStatus", management, nil, nil)
		if err != nil {
			return nil, err
		}
		st, err := s.orgs.Status(ctx, o.ID, in.CreateAccountRequestID)
		if err != nil {
			return nil, err
		}
		return &CreateAccountStatusOutput{status(st)}, nil
	})
}

// ListCreateAccountStatusInput is the request of [Service.ListCreateAccountStatus].
type ListCreateAccountStatusInput struct {
	States     []string `json:"States,omitempty"`
	NextToken  string   `json:"NextToken,omitempty"`
	MaxResults *int32   `json:"MaxResults"`
}

// ListCreateAccountStatusOutput is the answer of [Service.ListCreateAccountStatus].
type ListCreateAccountStatusOutput struct {
	CreateAccountStatuses []CreateAccountStatus `json:"CreateAccountStatuses"`
	NextToken             string                `json:"NextToken,omitempty"`
}

// ListCreateAccountStatus lists how the requests of the last 90 days ended, by ID,
// 20 to a page.
//
// It returns a *awserr.Error with code InvalidInputException,
// AWSOrganizationsNotInUseException or AccessDeniedException.
//
// Source: AWS Organizations API Reference, ListCreateAccountStatus.
func (s *Service) ListCreateAccountStatus(ctx context.Context, c *authn.Caller, in *ListCreateAccountStatusInput) (*ListCreateAccountStatusOutput, error) {
	return run(ctx, s, c, "ListCreateAccountStatus", reads, func(call *authz.Call) (*ListCreateAccountStatusOutput, error) {
		call.Param("states", in.States)
		var v checker
		for _, state := range in.States {
			v.oneOf("States", state, []string{inProgress, succeeded, failed})
		}
		v.page(in.MaxResults, in.NextToken)
		if err := v.err(); err != nil {
			return nil, err
		}
		o, err := s.use(ctx, call, c, "ListCreateAccountStatus", management, nil, nil)
		if err != nil {
			return nil, err
		}
		all, err := s.orgs.Statuses(ctx, o.ID)
		if err != nil {
			return nil, err
		}
		list := []CreateAccountStatus{}
		for _, st := range all {
			if d := status(st); len(in.States) == 0 || slices.Contains(in.States, d.State) {
				list = append(list, d)
			}
		}
		out := new(ListCreateAccountStatusOutput)
		out.CreateAccountStatuses, out.NextToken, err = cut(list, func(d CreateAccountStatus) string { return d.ID }, "statuses", in.MaxResults, in.NextToken)
		return out, err
	})
}
