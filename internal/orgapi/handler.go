// Package orgapi is the routing table of AWS Organizations, whose wire protocol is
// AWS JSON 1.1. It decodes, calls package org, encodes, and decides nothing.
//
// Source: AWS Organizations API Reference, read 2026-11-21.
package orgapi

import (
	"context"
	"net/http"
	"sync"

	"coffer/internal/authn"
	"coffer/internal/awserr"
	"coffer/internal/awsjson"
	"coffer/internal/org"
	"coffer/internal/targetapi"
)

// TargetPrefix is the name of the service in X-Amz-Target.
const TargetPrefix = "AWSOrganizationsV20161128."

// New returns a handler for the operations of svc. A server that authenticates
// elsewhere, and calls ServeCall, passes nil for authenticate.
func New(svc *org.Service, authenticate targetapi.Authenticate) *targetapi.Handler {
	serve := make(map[string]targetapi.Serve)
	for _, o := range Operations() {
		serve[o.Name] = func(ctx context.Context, c *authn.Caller, body []byte) ([]byte, error) {
			return o.serve(ctx, svc, c, body)
		}
	}
	return targetapi.New(targetapi.Config{
		Name: "AWS Organizations", Prefix: TargetPrefix, Serve: serve, Refuse: svc.Refuse, Authenticate: authenticate, EncodeError: encode,
		Internal: awserr.New(http.StatusInternalServerError, "ServiceException", "AWS Organizations can't complete your request because of an internal service error. Try again later."),
	})
}

// encode returns the body of an error. The model of the service spells the member
// Message; other JSON services do not, and some clients look for theirs.
func encode(e *awserr.Error) []byte { return awsjson.EncodeError(e.With("Message", e.Message)) }

var names = sync.OnceValue(func() map[string]bool {
	m := make(map[string]bool)
	for _, o := range Operations() {
		m[o.Name] = true
	}
	return m
})

// IsOperation reports whether AWS Organizations has an operation of that name.
func IsOperation(name string) bool { return names()[name] }
