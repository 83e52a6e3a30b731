// Package extkey is the interface to external key managers: keys that encrypt and
// decrypt somewhere else, and never come here.
//
// A KMS sees an external key manager through its proxy, which speaks the API of
// package xks. What goes wrong on the way is one of the failures of that API's
// specification; package kms turns each into what its callers see, and nothing of what
// the proxy said about it.
//
// Source: AWS KMS External Key Store Proxy API Specification, "Error codes", read
// 2026-11-22.
package extkey

import (
	"context"
	"errors"
	"fmt"

	"coffer/internal/xks"
)

// A Manager is an external key manager. It is safe for concurrent use. Every method
// takes no longer than the API allows an answer, and returns a [*Error], or the error
// of ctx if that ended first.
//
// The answers are checked: they belong to their requests and are within the limits of
// the API.
type Manager interface {
	// Health asks whether the manager can serve.
	Health(ctx context.Context, r *xks.HealthRequest) (*xks.HealthResponse, error)
	// Metadata describes a key.
	Metadata(ctx context.Context, keyID string, r *xks.MetadataRequest) (*xks.MetadataResponse, error)
	// Encrypt encrypts under a key. The answer has an integrity value.
	Encrypt(ctx context.Context, keyID string, r *xks.EncryptRequest) (*xks.EncryptResponse, error)
	// Decrypt decrypts with a key. The caller wipes the answer.
	Decrypt(ctx context.Context, keyID string, r *xks.DecryptRequest) (*xks.DecryptResponse, error)
}

// A Store says where the proxy of an external key store is, and what to sign with.
type Store struct {
	Endpoint   string // https:// and a host
	Path       string // that ends in xks.PathSuffix
	Region     string // of the KMS
	Credential xks.Credential
}

// A Dialer returns the managers of stores.
type Dialer interface {
	// Check returns an error that is ErrEndpoint if an endpoint is none that this
	// server connects to, and says why.
	Check(endpoint string) error
	// Manager returns the manager of a store, with connections and a rate of its
	// own. It connects only when it is used.
	Manager(s Store) (Manager, error)
}

// ErrEndpoint means that this server does not connect to an endpoint.
var ErrEndpoint = errors.New("extkey: endpoint is not allowed")

// A Failure is one way in which a request to a proxy fails: the name of an error of
// the API, or one of those below.
type Failure string

// What a KMS finds out without an error of the proxy.
const (
	// Unreachable: no TCP connection.
	Unreachable Failure = "Unreachable"
	// Untrusted: no TLS connection, because of its certificate or its settings.
	Untrusted Failure = "Untrusted"
	// TimedOut: no answer in time.
	TimedOut Failure = "TimedOut"
	// Malformed: an answer that is not one of the API, or not one to the request.
	Malformed Failure = "Malformed"
	// Damaged: the plaintext that a proxy returned is not what was encrypted.
	Damaged Failure = "Damaged"
	// TooMany: the rate of the store is used up, and nothing was sent.
	TooMany Failure = "TooMany"
)

// Failures returns every failure there is.
func Failures() []Failure {
	return []Failure{
		xks.ValidationException, xks.InvalidStateException, xks.InvalidCiphertextException, xks.InvalidKeyUsageException,
		xks.AuthenticationFailedException, xks.AccessDeniedException, xks.KeyNotFoundException, xks.InvalidURIPathException,
		xks.ThrottlingException, xks.UnsupportedOperationException, xks.DependencyTimeoutException, xks.InternalException,
		Unreachable, Untrusted, TimedOut, Malformed, Damaged, TooMany,
	}
}

// An Error is a failed request. Its text is for the log and for nobody else: it may
// hold what the proxy said.
type Error struct {
	Failure Failure
	Err     error
}

// Error returns the failure with its cause.
func (e *Error) Error() string { return fmt.Sprintf("extkey: %s: %v", e.Failure, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// FailureOf returns the failure in err, or "".
func FailureOf(err error) Failure {
	var e *Error
	if errors.As(err, &e) {
		return e.Failure
	}
	return ""
}
