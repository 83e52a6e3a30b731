package org

import (
	"context"
	"errors"
	"log/slog"

	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/awserr"
	"coffer/internal/organization"
)

// answers is the one table from the errors of the domain to those of AWS. reason is
// the Reason that three of AWS's exceptions carry.
var answers = []struct {
	err                error
	code, reason, text string
}{
	{organization.ErrNotInOrganization, "AWSOrganizationsNotInUseException", "", "Your account is not a member of an organization."},
	{organization.ErrInOrganization, "AlreadyInOrganizationException", "", "The AWS account is already a member of an organization."},
	{organization.ErrNotEmpty, "OrganizationNotEmptyException", "", "The organization has member accounts. Remove them first."},
	{organization.ErrUnitNotEmpty, "OrganizationalUnitNotEmptyException", "", "The organizational unit has accounts or organizational units in it."},
	{organization.ErrNoAccount, "AccountNotFoundException", "", "You specified an account that doesn't exist."},
	{organization.ErrManagement, "MasterCannotLeaveOrganizationException", "", "The management account can't leave the organization. Delete the organization instead."},
	{organization.ErrTooManyAccounts, constraint, "ACCOUNT_NUMBER_LIMIT_EXCEEDED", "You have exceeded the allowed number of AWS accounts."},
	{organization.ErrNoRoot, "RootNotFoundException", "", "You specified a root that doesn't exist."},
	{organization.ErrNoUnit, "OrganizationalUnitNotFoundException", "", "You specified an organizational unit that doesn't exist."},
	{organization.ErrNoParent, "ParentNotFoundException", "", "You specified a parent that doesn't exist."},
	{organization.ErrNoChild, "ChildNotFoundException", "", "You specified a child that doesn't exist."},
	{organization.ErrNoTarget, "TargetNotFoundException", "", "You specified a target that doesn't exist."},
	{organization.ErrNoSource, "SourceParentNotFoundException", "", "You specified a source parent that the account is not in."},
	{organization.ErrNoDestination, "DestinationParentNotFoundException", "", "You specified a destination parent that doesn't exist."},
	{organization.ErrThere, "DuplicateAccountException", "", "The account is already in the destination parent."},
	{organization.ErrUnitExists, "DuplicateOrganizationalUnitException", "", "An OU with the same name already exists."},
	{organization.ErrTooDeep, constraint, "OU_DEPTH_LIMIT_EXCEEDED", "You have exceeded the allowed depth of organizational units."},
	{organization.ErrTooManyUnits, constraint, "OU_NUMBER_LIMIT_EXCEEDED", "You have exceeded the allowed number of organizational units."},
	{organization.ErrNoPolicy, "PolicyNotFoundException", "", "You specified a policy that doesn't exist."},
	{organization.ErrPolicyExists, "DuplicatePolicyException", "", "A policy with the same name already exists."},
	{organization.ErrPolicyInUse, "PolicyInUseException", "", "The policy is attached to a root, an organizational unit or an account. Detach it first."},
	{organization.ErrAWSManaged, invalid, "IMMUTABLE_POLICY", "You can't change a policy that AWS manages."},
	{organization.ErrMalformed, "MalformedPolicyDocumentException", "", "The provided policy document does not meet the requirements of the specified policy type."},
	{organization.ErrTooLong, constraint, "POLICY_CONTENT_LIMIT_EXCEEDED", "You have exceeded the maximum policy size."},
	{organization.ErrTooManyPolicies, constraint, "POLICY_NUMBER_LIMIT_EXCEEDED", "You have exceeded the allowed number of policies."},
	{organization.ErrEnabled, "PolicyTypeAlreadyEnabledException", "", "The specified policy type is already enabled."},
	{organization.ErrNotEnabled, "PolicyTypeNotEnabledException", "", "This operation can be performed only for enabled policy types."},
	{organization.ErrAttached, "DuplicatePolicyAttachmentException", "", "A policy with the specified name and type is already attached to the specified target."},
	{organization.ErrNotAttached, "PolicyNotAttachedException", "", "The policy isn't attached to the specified target."},
	{organization.ErrTooManyAttached, constraint, "MAX_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED", "You have attached the maximum number of policies to the specified target."},
	{organization.ErrLastPolicy, constraint, "MIN_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED", "You can't remove the last policy that is attached to the specified target, nor RCPFullAWSAccess."},
	{organization.ErrTooManyTags, constraint, "MAX_TAG_LIMIT_EXCEEDED", "You have exceeded the number of tags allowed on this resource."},
	{organization.ErrNoHandshake, "HandshakeNotFoundException", "", "You specified a handshake that doesn't exist."},
	{organization.ErrInvited, "DuplicateHandshakeException", "", "A handshake with the same action and target already exists."},
	{organization.ErrNoInvitee, invalid, "INVALID_PARTY_TYPE_TARGET", "No account of this server has that ID or e-mail address."},
	{organization.ErrOver, "InvalidHandshakeTransitionException", "", "The handshake is over: it can't be changed any more."},
	{organization.ErrDone, "HandshakeAlreadyInStateException", "", "The handshake is already in the requested state."},
	{organization.ErrTooManyInvitations, handshakeConstraint, "HANDSHAKE_RATE_LIMIT_EXCEEDED", "You have exceeded the number of open invitations."},
	{organization.ErrNotYours, "AccessDeniedException", "", noAccess},
	{organization.ErrNoStatus, "CreateAccountStatusNotFoundException", "", "You specified a request to create an account that doesn't exist."},
}

// internals are errors of the domain that no request leads to: the server makes the
// IDs of accounts here, a taken e-mail address fails the request for the account,
// and values were checked before.
var internals = []error{organization.ErrAccountExists, organization.ErrEmailExists, organization.ErrInvalid}

// The exceptions that carry a Reason.
const (
	invalid             = "InvalidInputException"
	constraint          = "ConstraintViolationException"
	handshakeConstraint = "HandshakeConstraintViolationException"
)

const noAccess = "You don't have permissions to access this resource."

// answer turns an error into the one that the client sees. What is neither in the
// table nor a *awserr.Error goes to the log, and the client learns only that
// something broke.
func (s *Service) answer(ctx context.Context, c *authn.Caller, operation string, err error) error {
	if e := awserr.As(err); e != nil {
		return e
	}
	if denied, ok := errors.AsType[*authz.Denied](err); ok {
		return fault("AccessDeniedException", "", "%s", denied.Error())
	}
	for _, a := range answers {
		if errors.Is(err, a.err) {
			return fault(a.code, a.reason, "%s", a.text).Because(err)
		}
	}
	s.log.LogAttrs(ctx, slog.LevelError, "organizations operation broke",
		slog.String("request_id", c.RequestID), slog.String("action", "organizations:"+operation), slog.String("error", err.Error()))
	return awserr.New(500, "ServiceException", "AWS Organizations can't complete your request because of an internal service error. Try again later.").Because(err)
}

// fault returns an error that the client caused. All of them have the status 400.
func fault(code, reason, format string, args ...any) *awserr.Error {
	e := awserr.New(400, code, format, args...)
	if reason != "" {
		e = e.With("Reason", reason)
	}
	return e
}

// NotImplemented returns the error for what AWS has and this server has not.
func NotImplemented(format string, args ...any) *awserr.Error {
	return awserr.New(501, "NotImplemented", format, args...)
}
