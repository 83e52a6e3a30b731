package rolesanywhere

import (
	"context"
	"errors"
	"log/slog"

	"coffer/internal/anchor"
	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/awserr"
	"coffer/internal/meta"
)

// answers is the one table from the errors of the domain to those of AWS.
var answers = []struct {
	err    error
	status int
	code   string
	text   string
}{
	{anchor.ErrNoTrustAnchor, 404, "ResourceNotFoundException", "The trust anchor was not found."},
	{anchor.ErrNoProfile, 404, "ResourceNotFoundException", "The profile was not found."},
	{anchor.ErrNoCRL, 404, "ResourceNotFoundException", "The certificate revocation list was not found."},
	{anchor.ErrCertificates, 400, "ValidationException", "Incorrect basic constraints or format for a CA certificate."},
	{anchor.ErrRevocationList, 400, "ValidationException", "Invalid certificate revocation list for the trust anchor."},
	{anchor.ErrMapping, 400, "ValidationException", "Invalid attribute mapping."},
	{anchor.ErrNoMapping, 404, "ResourceNotFoundException", "The attribute mapping was not found."},
	{anchor.ErrTooMany, 400, "ValidationException", "The account has as many of these resources as it may have."},
	{anchor.ErrTooManyTags, 400, "TooManyTagsException", "The resource would have too many tags."},
	{anchor.ErrUntrusted, 403, "AccessDeniedException", untrusted},
	{anchor.ErrHolder, 403, "AccessDeniedException", "The subject of the certificate can't be the identity of a session."},
}

const untrusted = "Untrusted certificate. Insufficient certificate"

// explained are the errors that say what is wrong with what an authorized caller
// sent.
var explained = []error{anchor.ErrCertificates, anchor.ErrRevocationList, anchor.ErrMapping}

// answer turns an error into the one that the client sees. What is neither in the
// table nor a *awserr.Error goes to the log, and the client learns only that
// something broke.
func (s *Service) answer(ctx context.Context, c *authn.Caller, operation string, err error) error {
	if e := awserr.As(err); e != nil {
		return e
	}
	if denied := authz.AsDenied(err); denied != nil {
		return awserr.New(403, "AccessDeniedException", "%s", denied.Error()).Because(err)
	}
	for _, a := range answers {
		if !errors.Is(err, a.err) {
			continue
		}
		text := a.text
		for _, e := range explained {
			if errors.Is(err, e) && err != e {
				text += " " + reason(err)
			}
		}
		return awserr.New(a.status, a.code, "%s", text).Because(err)
	}
	if errors.Is(err, meta.ErrUnavailable) || errors.Is(err, authz.ErrUnrecorded) {
		return awserr.New(503, "ServiceUnavailable", "The storage can't be written now.").Because(err)
	}
	s.log.LogAttrs(ctx, slog.LevelError, "rolesanywhere operation broke",
		slog.String("request_id", c.RequestID), slog.String("action", "rolesanywhere:"+operation), slog.String("error", err.Error()))
	return awserr.New(500, "InternalFailure", "The request failed for an internal reason.").Because(err)
}

// reason returns the text of what an error of the domain wraps.
func reason(err error) string {
	for err != nil {
		if list, ok := err.(interface{ Unwrap() []error }); ok && len(list.Unwrap()) == 2 {
			return "It is refused because " + list.Unwrap()[1].Error() + "."
		}
		err = errors.Unwrap(err)
	}
	return ""
}

// fault returns an error that the client caused.
func fault(format string, args ...any) *awserr.Error {
	return awserr.New(400, "ValidationException", format, args...)
}

// refused returns the error for credentials that are not given.
func refused(format string, args ...any) *awserr.Error {
	return awserr.New(403, "AccessDeniedException", format, args...)
}

// NotImplemented returns the error for what AWS has and this server has not.
func NotImplemented(format string, args ...any) *awserr.Error {
	return awserr.New(501, "NotImplemented", format, args...)
}
