package iam

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/awserr"
	"coffer/internal/identity"
	"coffer/internal/policy"
)

// A row turns an error of the domain into one of AWS. A text may name, in braces,
// what the error is about; a row whose text names something that nobody gave does
// not count, so one error may have several.
type row struct {
	err    error
	status int
	code   string
	text   string
}

// answers is the one table from the errors of the domain to those of AWS.
//
// Source: IAM API Reference, "Errors" of each operation; texts as clients recorded
// them up to 2026-11-21.
var answers = []row{
	{identity.ErrNoUser, 404, "NoSuchEntity", "The user with name {user} cannot be found."},
	{identity.ErrNoGroup, 404, "NoSuchEntity", "The group with name {group} cannot be found."},
	{identity.ErrNoRole, 404, "NoSuchEntity", "The role with name {role} cannot be found."},
	{identity.ErrNoPolicy, 404, "NoSuchEntity", "Scope ARN: {boundary} does not exist or is not attachable."},
	{identity.ErrNoPolicy, 404, "NoSuchEntity", "Policy {attaching} does not exist or is not attachable."},
	{identity.ErrNoPolicy, 404, "NoSuchEntity", "Policy {policy} was not found."},
	{identity.ErrNoVersion, 404, "NoSuchEntity", "Policy {policy} version {version} does not exist."},
	{identity.ErrNoInline, 404, "NoSuchEntity", "The {kind} policy with name {inline} cannot be found."},
	{identity.ErrNotAttached, 404, "NoSuchEntity", "Policy {policy} was not found."},
	{identity.ErrNotMember, 404, "NoSuchEntity", "The user with name {user} is not in the group {group}."},
	{identity.ErrNoProvider, 404, "NoSuchEntity", "OpenIDConnect Provider not found for arn {provider}"},
	{identity.ErrNoAlias, 404, "NoSuchEntity", "The account alias {alias} cannot be found."},
	{identity.ErrNoAccessKey, 404, "NoSuchEntity", "The Access Key with id {key} cannot be found."},

	{identity.ErrExists, 409, "EntityAlreadyExists", "User with name {newUser} already exists."},
	{identity.ErrExists, 409, "EntityAlreadyExists", "Group with name {newGroup} already exists."},
	{identity.ErrExists, 409, "EntityAlreadyExists", "Role with name {newRole} already exists."},
	{identity.ErrExists, 409, "EntityAlreadyExists", "A policy called {newPolicy} already exists. Duplicate names are not allowed."},
	{identity.ErrExists, 409, "EntityAlreadyExists", "Provider with url {newProvider} already exists."},
	{identity.ErrExists, 409, "EntityAlreadyExists", "The account alias {alias} already exists."},

	{identity.ErrHasKeys, 409, "DeleteConflict", "Cannot delete entity, must delete access keys first."},
	{identity.ErrHasInline, 409, "DeleteConflict", "Cannot delete entity, must delete policies first."},
	{identity.ErrHasAttached, 409, "DeleteConflict", "Cannot delete entity, must detach all policies first."},
	{identity.ErrHasGroups, 409, "DeleteConflict", "Cannot delete entity, must remove users from group first."},
	{identity.ErrHasMembers, 409, "DeleteConflict", "Cannot delete entity, must remove users from group first."},
	{identity.ErrIsAttached, 409, "DeleteConflict", "Cannot delete a policy attached to entities."},
	{identity.ErrHasVersions, 409, "DeleteConflict", "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy."},
	{identity.ErrIsDefault, 409, "DeleteConflict", "Cannot delete the default version of a policy."},

	{identity.ErrUnmodifiable, 400, "UnmodifiableEntity", "Cannot perform the operation on the protected role '{role}' - this role is only modifiable by AWS"},
	{identity.ErrUnmodifiable, 403, "AccessDenied", "The policy {policy} is managed by AWS and can't be changed."},
}

// internals are errors of the domain that say nothing to a client here: IAM makes
// no accounts, and the caller's exists.
var internals = []error{identity.ErrNoAccount, identity.ErrAccountExists, identity.ErrAccessKeyExists}

// worded are errors of the domain whose texts are made in [Service.answer].
var worded = []error{identity.ErrQuota, identity.ErrMalformedPolicy, identity.ErrInvalid}

// A subject is an error with what it is about.
type subject struct {
	names []string // pairs: "{user}", its name
	err   error
}

func (s *subject) Error() string { return strings.Join(s.names, " ") + ": " + s.err.Error() }
func (s *subject) Unwrap() error { return s.err }

// about names what err is about: pairs of a word and a name, such as "user",
// "alice", besides those that it has. It returns nil for nil.
func about(err error, pairs ...string) error {
	if err == nil {
		return nil
	}
	var names []string
	if sub := (*subject)(nil); errors.As(err, &sub) {
		names = slices.Clone(sub.names)
	}
	for i := 0; i < len(pairs); i += 2 {
		names = append(names, "{"+pairs[i]+"}", pairs[i+1])
	}
	return &subject{names, err}
}

// words returns the text of a row about names. ok is false if a name is missing.
func (r *row) words(names []string) (text string, ok bool) {
	for rest := r.text; ; {
		_, after, found := strings.Cut(rest, "{")
		if !found {
			return strings.NewReplacer(names...).Replace(r.text), true
		}
		var word string
		word, rest, _ = strings.Cut(after, "}")
		if !slices.Contains(names, "{"+word+"}") {
			return "", false
		}
	}
}

// answer turns an error into the one that the client sees. What is neither in
// the table nor a *awserr.Error goes to the log, and the client learns only that
// something broke.
func (s *Service) answer(ctx context.Context, c *authn.Caller, operation string, err error) error {
	if e := awserr.As(err); e != nil {
		return e
	}
	var denied *authz.Denied
	if errors.As(err, &denied) {
		return fault(403, "AccessDenied", "%s", denied.Error()).Because(err)
	}
	var names []string
	if sub := (*subject)(nil); errors.As(err, &sub) {
		names = sub.names
	}
	if e := wording(err, names); e != nil {
		return e.Because(err)
	}
	for _, a := range answers {
		if !errors.Is(err, a.err) {
			continue
		}
		if text, ok := a.words(names); ok {
			return fault(a.status, a.code, "%s", text).Because(err)
		}
	}
	s.log.LogAttrs(ctx, slog.LevelError, "iam operation broke",
		slog.String("request_id", c.RequestID), slog.String("action", "iam:"+operation), slog.String("error", err.Error()))
	return fault(500, "ServiceFailure", "The request processing has failed because of an unknown error, exception or failure.").Because(err)
}

// wording returns the answer to an error that brings its own text, or nil.
func wording(err error, names []string) *awserr.Error {
	var quota *identity.QuotaError
	var syntax *policy.SyntaxError
	var principal *identity.PrincipalError
	switch {
	case errors.As(err, &quota):
		return fault(409, "LimitExceeded", "%s", quotaText(quota, names))
	case errors.As(err, &principal):
		return malformedPolicy(fmt.Sprintf(`Invalid principal in policy: "AWS":%q`, principal.Principal))
	case errors.As(err, &syntax):
		return malformedPolicy("Syntax errors in policy. (" + syntax.Error() + ")")
	case errors.Is(err, identity.ErrMalformedPolicy):
		return malformedPolicy("Syntax errors in policy.")
	case errors.Is(err, identity.ErrInvalid):
		// The domain words it; it never holds a secret.
		_, text, _ := strings.Cut(err.Error(), identity.ErrInvalid.Error()+": ")
		return fault(400, "ValidationError", "%s", "The request is not valid: "+text)
	}
	return nil
}

// quotaText words an exhausted quota. That of inline policies is one for all that a
// user, group or role has.
func quotaText(q *identity.QuotaError, names []string) string {
	inline := row{text: fmt.Sprintf("Maximum policy size of %d bytes exceeded for ", q.Limit)}
	switch q.Quota {
	case "UserPolicySize":
		inline.text += "user {user}"
	case "GroupPolicySize":
		inline.text += "group {group}"
	case "RolePolicySize":
		inline.text += "role {role}"
	case "VersionsPerPolicy":
		return fmt.Sprintf("A managed policy can have up to %d versions. Before you create a new version, you must delete an existing version.", q.Limit)
	default:
		return fmt.Sprintf("Cannot exceed quota for %s: %d", q.Quota, q.Limit)
	}
	text, _ := inline.words(names)
	return text
}

func malformedPolicy(text string) *awserr.Error {
	return fault(400, "MalformedPolicyDocument", "%s", text)
}

// fault returns an error in AWS's terms.
func fault(status int, code, format string, args ...any) *awserr.Error {
	return awserr.New(status, code, format, args...)
}

// NotImplemented returns the error for an operation, or a part of one, that
// this server lacks. No code of AWS says this, and the status is one that no
// SDK retries.
func NotImplemented(format string, args ...any) *awserr.Error {
	return fault(501, "NotImplemented", format, args...)
}
