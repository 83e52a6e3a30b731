package kms

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/awserr"
	"coffer/internal/key"
	"coffer/internal/keyspec"
)

// answers is the one table from the errors of the domain to those of AWS. A text
// may hold one %s, for what the error is about: the ARN of a key or an alias, or
// an identifier as the client sent it.
//
// AWS answers some of them without a message, InvalidCiphertextException and
// NotAuthorizedException among them; the AWS CLI crashes on an empty one, so
// each has a text here.
var answers = []struct {
	err        error
	code, text string
}{
	{key.ErrNotFound, "NotFoundException", "Key '%s' does not exist"},
	{key.ErrPunctured, "NotFoundException", "Key '%s' does not exist"},
	{key.ErrGrantNotFound, "NotFoundException", "Grant ID %s not found"},
	{key.ErrTooManyGrants, "LimitExceededException", "The limit of grants has been reached for the key: %s"},
	{key.ErrInvalidID, "NotFoundException", "Invalid keyId '%s'"},
	{key.ErrInvalidARN, "InvalidArnException", "ARN is not valid: %s"},
	{key.ErrAliasNotFound, "NotFoundException", "Alias %s is not found."},
	{key.ErrAliasExists, "AlreadyExistsException", "An alias with the name %s already exists"},
	{key.ErrTooManyAliases, "LimitExceededException", "The limit of aliases has been reached for the key: %s"},
	{key.ErrTooManyTags, "TagException", "Too many tags"},
	{key.ErrManaged, "AccessDeniedException", "%s is an AWS managed key, which only its service changes."},
	{key.ErrDisabled, "DisabledException", "%s is disabled."},
	{key.ErrPendingDeletion, "KMSInvalidStateException", "%s is pending deletion."},
	{key.ErrPendingImport, "KMSInvalidStateException", "%s is pending import."},
	{key.ErrMaterialMissing, "KMSInvalidStateException", "%s is pending import."},
	{key.ErrUnavailable, "KMSInvalidStateException", notConnected},
	{key.ErrWrongMaterial, "IncorrectKeyMaterialException", "The key material in the request was not imported into KMS key %s before."},
	{key.ErrKnownMaterial, "IncorrectKeyMaterialException", "The key material being imported as NEW_KEY_MATERIAL is already associated with KMS key %s."},
	{key.ErrImportPending, "KMSInvalidStateException", "New key material cannot be imported into KMS key %s, because another key material is pending rotation."},
	{key.ErrNoPending, "KMSInvalidStateException", "No available key material pending rotation for the key: %s."},
	{key.ErrTooManyRotations, "LimitExceededException", "The on-demand rotations limit has been reached for the given keyId. No more on-demand rotations can be performed for this key: %s"},
	{key.ErrOrigin, "UnsupportedOperationException", "%s origin is not valid for this operation."},
	{key.ErrNotSymmetric, "UnsupportedOperationException", "%s key spec is not valid for this operation."},
	{key.ErrNotPrimary, "UnsupportedOperationException", "%s is not a multi-region primary key."},
	{key.ErrNotReplica, "NotFoundException", "%s has no replica in the Region."},
	{key.ErrRegionTaken, "AlreadyExistsException", "%s already exists in the Region."},
	{key.ErrHasReplicas, "KMSInvalidStateException", "%s has replica keys."},
	{key.ErrNoVersion, "ValidationException", "%s has no such earlier key material."},
	{key.ErrReservedTag, "TagException", "Tags beginning with coffer: are set when a key is created, and never changed"},
	{key.ErrNoSubject, "ValidationException", "The encryption context lacks the pair by which data under %s is shredded."},
	{key.ErrSubjectNotFound, "NotFoundException", "%s has no key for the subject in the encryption context."},
	{key.ErrSubjectDisabled, "DisabledException", "%s: the key of the subject in the encryption context is disabled."},
	{key.ErrSubjectPendingDeletion, "KMSInvalidStateException", "%s: the key of the subject in the encryption context is pending deletion."},
	{key.ErrSubjectNotPendingDeletion, "KMSInvalidStateException", "%s: the key of the subject in the encryption context is not pending deletion."},
	{key.ErrSubjectDestroyed, "KMSInvalidStateException", "%s: the key of the subject in the encryption context is destroyed."},
	{key.ErrNotPendingDeletion, "KMSInvalidStateException", "%s is not pending deletion."},
	{key.ErrInvalidState, "KMSInvalidStateException", "%s is in a state that does not allow this operation."},
	{key.ErrInvalidWindow, "ValidationException", "PendingWindowInDays must be between 7 and 30 (inclusive)"},
	{key.ErrInvalidCiphertext, "InvalidCiphertextException", "The ciphertext is damaged, or the encryption context is not the one that it was encrypted with."},
	{key.ErrTooLarge, "ValidationException", "The plaintext is larger than 4096 bytes."},
	{key.ErrUnknownMaterial, "AccessDeniedException", foreignCiphertext},
	{keyspec.ErrAlgorithm, "InvalidKeyUsageException", "%s does not know the algorithm."},
	{keyspec.ErrMessageType, "ValidationException", "The message type is not valid for the signing algorithm."},
	{keyspec.ErrMessageTooLong, "ValidationException", "The message is larger than 4096 bytes."},
	{keyspec.ErrDigestLength, "ValidationException", "Digest is invalid length for algorithm."},
	{keyspec.ErrPlaintextTooLong, "ValidationException", "The plaintext is too long for the key spec and the encryption algorithm."},
	{keyspec.ErrInvalidSignature, "KMSInvalidSignatureException", "The signature is not one of the message under this KMS key and algorithm."},
	{keyspec.ErrInvalidMAC, "KMSInvalidMacException", "The MAC is not that of the message under this KMS key and algorithm."},
	{keyspec.ErrInvalidCiphertext, "InvalidCiphertextException", "The ciphertext is damaged, or was not made for this KMS key and algorithm."},
	{keyspec.ErrInvalidPublicKey, "ValidationException", "The public key is not a point on the curve of %s."},
	{keyspec.ErrMaterial, "IncorrectKeyMaterialException", "The key material in the request is not valid for the key spec of %s."},
	{keyspec.ErrForbidden, "UnsupportedOperationException", "%s needs cryptography that this server's FIPS 140-3 mode does not allow."},
	{key.ErrFull, "LimitExceededException", "This server can't hold more keys."},
}

// internals are errors of the domain that say nothing to a client.
var internals = []error{key.ErrDamagedRoot, key.ErrWrongRoot, key.ErrUnproven, keyspec.ErrWiped}

// Texts that more than one operation answers with.
const (
	foreignCiphertext = "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access."
	wrongKey          = "The key ID in the request does not identify a CMK that can perform this operation."
	dryRunText        = "The request would have succeeded, but the DryRun option is set."
)

// A subject is an error with what it is about.
type subject struct {
	what string
	err  error
}

func (s *subject) Error() string { return s.what + ": " + s.err.Error() }
func (s *subject) Unwrap() error { return s.err }

// isDenial reports whether err denies a caller something.
func isDenial(err error) bool {
	var denied *authz.Denied
	if errors.As(err, &denied) {
		return true
	}
	e := awserr.As(err)
	return e != nil && e.Code == "AccessDeniedException"
}

// about names what err, which is not nil, is about.
func about(what string, err error) error { return &subject{what, err} }

// answer turns an error into the one that the client sees. What is neither in
// the table nor a *awserr.Error goes to the log, and the client learns only that
// something broke.
func (s *Service) answer(ctx context.Context, c *authn.Caller, operation string, err error) error {
	if e := awserr.As(err); e != nil {
		return e
	}
	var denied *authz.Denied
	if errors.As(err, &denied) {
		return fault("AccessDeniedException", "%s", denied.Error())
	}
	if e := s.answerStore(ctx, c, operation, err); e != nil {
		return e
	}
	var sub *subject
	errors.As(err, &sub)
	for _, a := range answers {
		if !errors.Is(err, a.err) {
			continue
		}
		text := a.text
		if strings.Contains(text, "%s") {
			if sub == nil {
				break // our own mistake: nobody said what the error is about
			}
			text = strings.Replace(text, "%s", sub.what, 1)
		}
		return awserr.New(400, a.code, "%s", text).Because(err)
	}
	s.log.LogAttrs(ctx, slog.LevelError, "kms operation broke",
		slog.String("request_id", c.RequestID), slog.String("action", "kms:"+operation), slog.String("error", err.Error()))
	return broke().Because(err)
}

// broke returns the error that tells a client no more than that something broke.
func broke() *awserr.Error {
	return awserr.New(500, "KMSInternalException", "The request was rejected because an internal exception occurred. The request can be retried.")
}

// fault returns an error that the client caused.
func fault(code, format string, args ...any) *awserr.Error {
	return awserr.New(400, code, format, args...)
}

// unsupported returns the error for what AWS knows and this server does not do.
func unsupported(format string, args ...any) *awserr.Error {
	return fault("UnsupportedOperationException", format, args...)
}

// NotImplemented returns the error for an operation, or a part of one, that
// this server lacks. No code of AWS says this, and the status is one that no
// SDK retries.
func NotImplemented(format string, args ...any) *awserr.Error {
	return awserr.New(501, "NotImplemented", format, args...)
}
