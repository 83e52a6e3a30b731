package admin

import (
	"context"
	"errors"
	"strings"

	"coffer/internal/arn"
	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/awserr"
)

// ExplainDecision returns the explanation of a denial by its authorization ID. The
// caller sees the policies of its own account: those on the principal's side, on
// the resource's, or both. It needs coffer:ExplainDecision in its account.
//
// It returns a *awserr.Error with code AccessDeniedException, or
// ResourceNotFoundException if there is no such explanation, none any more, or none
// that concerns the caller's account.
func (s *Service) ExplainDecision(ctx context.Context, c *authn.Caller, id string) (*authz.Explanation, error) {
	call := s.cfg.Gate.Begin(c, authz.Operation{Source: source, Name: "ExplainDecision", ReadOnly: true})
	call.Param("authorizationId", id)
	return explain(ctx, s, c, call, source+":ExplainDecision", id)
}

// maxAuthorizationID is the longest authorization ID that the IAM Toolbox takes, in
// characters.
//
// Source: IAM Toolbox API Reference, GetRequestAuthorizationPolicy, read 2026-11-22.
const maxAuthorizationID = 256

// GetRequestAuthorizationDetails is ExplainDecision as the IAM Toolbox has it. It
// needs iam:GetRequestAuthorizationDetails. A next token is refused, because all is
// told at once.
//
// It returns a *awserr.Error with code AccessDeniedException,
// ResourceNotFoundException, ValidationException or InternalServerException.
//
// Source: IAM Toolbox API Reference, GetRequestAuthorizationDetails, read
// 2026-11-21.
func (s *Service) GetRequestAuthorizationDetails(ctx context.Context, c *authn.Caller, id, nextToken string) (*authz.Explanation, error) {
	call := s.cfg.Gate.Begin(c, authz.Operation{Source: ToolboxSource, Name: "GetRequestAuthorizationDetails", ReadOnly: true})
	var refused error
	switch {
	case id == "" || len(id) > maxAuthorizationID || strings.Trim(id, "0123456789abcdefghijklmnopqrstuvwxyz") != "":
		refused = awserr.New(400, "ValidationException", "The authorization ID is not valid: it has up to %d digits and lower-case letters.", maxAuthorizationID)
	case nextToken != "":
		refused = awserr.New(400, "ValidationException", "The pagination token is not valid.")
	}
	if refused != nil {
		return nil, s.toolbox(call.End(ctx, refused))
	}
	call.Param("authorizationId", id)
	out, err := explain(ctx, s, c, call, "iam:GetRequestAuthorizationDetails", id)
	return out, s.toolbox(err)
}

// ToolboxSource is the IAM Toolbox in events of the trail.
const ToolboxSource = "iam-toolbox.amazonaws.com"

// toolbox words an internal error as the IAM Toolbox does.
func (s *Service) toolbox(err error) error {
	if err == nil {
		return nil
	}
	e := awserr.As(s.answer(err))
	if e.Code == "InternalFailure" {
		return awserr.New(e.Status, "InternalServerException", "%s", e.Message).Because(err)
	}
	return e
}

func explain(ctx context.Context, s *Service, c *authn.Caller, call *authz.Call, action, id string) (*authz.Explanation, error) {
	resource := "*"
	if action == source+":ExplainDecision" {
		resource = arn.ARN{Partition: arn.Partition, Service: source, Region: c.Region, Account: c.Account, Resource: "decision/" + id}.String()
	}
	var out *authz.Explanation
	err := call.Ask(ctx, &authz.Ask{Action: action, Resource: resource, Account: c.Account})
	if err == nil {
		out, err = s.cfg.Gate.Explain(ctx, c.Account, id)
	}
	if errors.Is(err, authz.ErrNoExplanation) {
		err = awserr.New(404, "ResourceNotFoundException", "No decision with this authorization ID is kept that concerns the caller's account.")
	}
	if err != nil {
		err = s.answer(err)
	}
	if ended := call.End(ctx, err); ended != nil {
		return nil, s.answer(ended)
	}
	return out, nil
}
