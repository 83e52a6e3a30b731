package sts

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/awserr"
	"coffer/internal/identity"
)

// answers is the one table from the errors of the domain to those of AWS. What a
// caller may not know does not come here: see [Service.AssumeRole].
//
// Source: AWS STS API Reference, "Errors" of each operation; texts as clients
// recorded them up to 2026-11-21.
var answers = []struct {
	err        error
	status     int
	code, text string
}{
	{identity.ErrNoAccessKey, 400, "InvalidParameterValue", "The access key does not exist."},
	{identity.ErrNoPolicy, 400, "ValidationError", "A managed session policy does not exist or is not attachable."},
	{identity.ErrNoVersion, 400, "ValidationError", "A managed session policy does not exist or is not attachable."},
	{errUnreachable, 400, "IDPCommunicationError", "The keys of the identity provider could not be fetched."},
	{errExpired, 400, "ExpiredTokenException", "Token expired"},
	{errInvalidToken, 400, "InvalidIdentityToken", "The web identity token that was passed could not be validated."},
}

// internals are errors of the domain that say nothing to a client here: what STS
// does can't meet them, or meets them only where the answer must not tell.
var internals = []error{
	identity.ErrNoAccount, identity.ErrNoUser, identity.ErrNoGroup, identity.ErrNoRole, identity.ErrNoInline, identity.ErrNotAttached,
	identity.ErrNotMember, identity.ErrNoProvider, identity.ErrNoAlias, identity.ErrAccountExists, identity.ErrAccessKeyExists,
	identity.ErrExists, identity.ErrHasKeys, identity.ErrHasInline, identity.ErrHasAttached, identity.ErrHasGroups, identity.ErrHasMembers,
	identity.ErrIsAttached, identity.ErrHasVersions, identity.ErrIsDefault, identity.ErrUnmodifiable, identity.ErrQuota,
	identity.ErrMalformedPolicy, identity.ErrInvalid,
}

// answer turns an error into the one that the client sees. What is neither in the
// table nor a *awserr.Error goes to the log, and the client learns only that
// something broke.
func (s *Service) answer(ctx context.Context, c *authn.Caller, operation string, err error) error {
	if e := awserr.As(err); e != nil {
		return e
	}
	var denied *authz.Denied
	if errors.As(err, &denied) {
		return fault(http.StatusForbidden, "AccessDenied", "%s", denied.Error()).Because(err)
	}
	for _, a := range answers {
		if errors.Is(err, a.err) {
			return fault(a.status, a.code, "%s", a.text).Because(err)
		}
	}
	s.log.LogAttrs(ctx, slog.LevelError, "sts operation broke",
		slog.String("request_id", c.RequestID), slog.String("action", "sts:"+operation), slog.String("error", err.Error()))
	return fault(http.StatusInternalServerError, "InternalFailure", "The request processing has failed because of an unknown error, exception or failure.").Because(err)
}

// fault returns an error in AWS's terms.
func fault(status int, code, format string, args ...any) *awserr.Error {
	return awserr.New(status, code, format, args...)
}

// NotImplemented returns the error for an operation, or a part of one, that this
// server lacks. No code of AWS says this, and the status is one that no SDK retries.
func NotImplemented(format string, args ...any) *awserr.Error {
	return fault(http.StatusNotImplemented, "NotImplemented", format, args...)
}
