package kms

import (
	"context"
	"errors"
	"log/slog"

	"coffer/internal/authn"
	"coffer/internal/awserr"
	"coffer/internal/extkey"
	"coffer/internal/key"
	"coffer/internal/xks"
)

// A failure is what clients see when an external key store proxy fails: one text, and
// the code of it in an operation on a key store and in CreateKey. Cryptography answers
// KMSInvalidStateException.
type failure struct{ store, create, text string }

// Codes of failures.
const (
	invalidState      = "KMSInvalidStateException"
	storeInvalidState = "CustomKeyStoreInvalidStateException"
	proxyResponse     = "XksProxyInvalidResponseException"
	proxyUnreachable  = "XksProxyUriUnreachableException"
	keyConfiguration  = "XksKeyInvalidConfigurationException"
)

const cannotInterpret = "AWS KMS cannot interpret the response from the external key store proxy. If you see this error repeatedly, report it to your external key store proxy administrator."

// failures are all of them but extkey.TooMany, which is a quota. What the proxy said
// goes to the log alone.
//
// Source: AWS KMS External Key Store Proxy API Specification 1.0.3, "Error codes", "KMS
// Considerations", read 2026-11-22; where its table has no code for an operation, the
// one of the nearest row.
var failures = map[extkey.Failure]failure{
	xks.ValidationException: {proxyResponse, storeInvalidState, cannotInterpret},
	extkey.Malformed:        {proxyResponse, storeInvalidState, cannotInterpret},
	xks.InvalidStateException: {proxyUnreachable, keyConfiguration,
		"The external key associated with this KMS key in an external key store is not enabled in the external key manager. Enable the external key in the external key manager and retry the request."},
	xks.InvalidCiphertextException: {proxyResponse, storeInvalidState,
		"The external key store proxy rejected the request because the specified ciphertext or encryption context is corrupted, missing, or otherwise invalid."},
	extkey.Damaged: {proxyResponse, storeInvalidState,
		"The ciphertext that the external key store proxy submitted for decryption, or the encryption context, is corrupted, missing, or otherwise invalid."},
	xks.InvalidKeyUsageException: {proxyResponse, keyConfiguration,
		"The external key associated with this KMS key in an external key store does not support the requested operation. Enable the operation on the key in your external key manager, and try the request again."},
	xks.AuthenticationFailedException: {"XksProxyIncorrectAuthenticationCredentialException", storeInvalidState,
		"The external key store proxy rejected the request because it could not authenticate AWS KMS. Verify the XKS proxy authentication credentials for your external key store and update if necessary."},
	xks.AccessDeniedException: {proxyResponse, invalidState,
		"The external key store proxy denied access to the operation. Verify that the user and the external key are both authorized for this operation, and try the request again."},
	xks.KeyNotFoundException: {proxyResponse, "XksKeyNotFoundException",
		"The external key associated with this KMS key in an external key store was not found in its external key manager. If the external key ID associated with this KMS key is incorrect, create a new KMS key with the correct external key ID."},
	xks.InvalidURIPathException: {"XksProxyInvalidConfigurationException", storeInvalidState,
		"The external key store proxy rejected the request because of an invalid URI path. Verify the URI path for your external key store and update if necessary."},
	xks.UnsupportedOperationException: {proxyResponse, "XksKeyInvalidResponseException",
		"The external key store proxy rejected the request because it does not support the requested operation. If you see this error repeatedly, report it to your external key store proxy administrator."},
	xks.DependencyTimeoutException: {proxyUnreachable, storeInvalidState,
		"The external key store proxy did not respond to the request in the time allotted. Retry the request. If you see this error repeatedly, report it to your external key store proxy administrator."},
	xks.ThrottlingException: {proxyUnreachable, storeInvalidState,
		"The external key store proxy rejected the request due to a very high request rate. Reduce the frequency of your calls using KMS keys in this external key store."},
	xks.InternalException: {proxyResponse, storeInvalidState,
		"The external key store proxy rejected the request because it cannot communicate with the external key manager. Verify that the external key store proxy configuration is correct and that the external key manager is available."},
	extkey.Unreachable: {proxyUnreachable, storeInvalidState,
		"AWS KMS cannot communicate with the external key store proxy. This might be a transient network issue. If you see this error repeatedly, verify that your external key store proxy is active and is connected to the network, and that its endpoint URI is correct in your external keystore."},
	extkey.Untrusted: {proxyUnreachable, storeInvalidState,
		"AWS KMS cannot establish a TLS connection to the external key store proxy. Verify the TLS configuration, including its certificate."},
	extkey.TimedOut: {proxyUnreachable, storeInvalidState,
		"AWS KMS rejected the request because the external key store proxy did not respond in time. Retry the request. If you see this error repeatedly, report it to your external key store proxy administrator."},
}

// notConnected is the text about a key whose store is not connected.
const notConnected = "This KMS key is in a custom key store that is not connected to its external key store proxy. Connect the external key store and try the request again."

// storeAnswers are the errors of package key about custom key stores.
var storeAnswers = []struct {
	err        error
	code, text string
}{
	{key.ErrUnavailable, invalidState, notConnected},
	{key.ErrStoreNotFound, "CustomKeyStoreNotFoundException", "No custom key store with that ID or name was found."},
	{key.ErrStoreNameTaken, "CustomKeyStoreNameInUseException", "The name is already assigned to another custom key store in the account."},
	{key.ErrStoreURITaken, "XksProxyUriInUseException", "The XksProxyUriEndpoint and XksProxyUriPath are already associated with another external key store in this Region."},
	{key.ErrTooManyStores, "LimitExceededException", "The limit of custom key stores has been reached."},
	{key.ErrStoreState, storeInvalidState, "The connection state of the custom key store does not allow this operation."},
	{key.ErrStoreHasKeys, "CustomKeyStoreHasCMKsException", "The custom key store contains KMS keys. Schedule their deletion, and delete the key store when they are deleted."},
	{key.ErrXksKeyInUse, "XksKeyAlreadyInUseException", "The external key is already associated with another KMS key in this external key store."},
	{key.ErrXksKey, keyConfiguration, "The external key is not an AES-256 symmetric key that is enabled and performs encryption and decryption."},
	{key.ErrStoreHealth, proxyUnreachable, "The external key store proxy reports that all external key manager instances are unavailable."},
	{extkey.ErrEndpoint, "ValidationException", "XksProxyUriEndpoint is not an endpoint that this server connects to: https:// and a fully qualified host name that leads to a public address, or one that the operator of this server lists."},
}

// answerStore returns the error that a client sees for one about a custom key store or
// its proxy, or nil for others.
func (s *Service) answerStore(ctx context.Context, c *authn.Caller, operation string, err error) error {
	what := extkey.FailureOf(err)
	if what == extkey.TooMany {
		return throttled()
	}
	if f, ok := failures[what]; ok {
		s.log.LogAttrs(ctx, slog.LevelWarn, "external key store proxy failed", slog.String("request_id", c.RequestID),
			slog.String("action", "kms:"+operation), slog.String("failure", string(what)), slog.String("error", err.Error()))
		code := invalidState
		switch operation {
		case "CreateCustomKeyStore", "UpdateCustomKeyStore":
			code = f.store
		case "CreateKey":
			code = f.create
		}
		return awserr.New(400, code, "%s", f.text).Because(err)
	}
	for _, a := range storeAnswers {
		if errors.Is(err, a.err) {
			return awserr.New(400, a.code, "%s", a.text).Because(err)
		}
	}
	return nil
}

// connectionErrorCode is how DescribeCustomKeyStores names a failure.
//
// Source: AWS KMS API Reference, CustomKeyStoresListEntry, read 2026-11-22.
func connectionErrorCode(f extkey.Failure) string {
	switch f {
	case "":
		return ""
	case xks.AuthenticationFailedException:
		return "INVALID_CREDENTIALS"
	case xks.AccessDeniedException:
		return "XKS_PROXY_ACCESS_DENIED"
	case xks.InvalidURIPathException:
		return "XKS_PROXY_INVALID_CONFIGURATION"
	case xks.DependencyTimeoutException, extkey.TimedOut:
		return "XKS_PROXY_TIMED_OUT"
	case extkey.Untrusted:
		return "XKS_PROXY_INVALID_TLS_CONFIGURATION"
	case extkey.Unreachable, xks.ThrottlingException, xks.InvalidStateException, extkey.TooMany:
		return "XKS_PROXY_NOT_REACHABLE"
	}
	return "XKS_PROXY_INVALID_RESPONSE"
}

// outside returns a context in which an external key manager may be asked for the
// operation of a caller: it says who caused the request.
func outside(ctx context.Context, c *authn.Caller, operation string) context.Context {
	m := xks.RequestMetadata{AWSPrincipalARN: c.ARN, KMSOperation: operation, KMSRequestID: c.RequestID, KMSViaService: viaService(c)}
	if c.Session != nil && c.Session.RoleARN != "" {
		m.AWSPrincipalARN = c.Session.RoleARN // as aws:PrincipalArn
	}
	return extkey.WithMetadata(ctx, m)
}
