// Package kmsapi is the routing table of AWS KMS, whose wire protocol is AWS JSON
// 1.1. It decodes, calls package kms, encodes, and decides nothing.
//
// Source: AWS KMS API Reference, read 2026-11-21.
package kmsapi

import (
	"context"
	"net/http"

	"coffer/internal/authn"
	"coffer/internal/awserr"
	"coffer/internal/kms"
	"coffer/internal/targetapi"
)

// targetPrefix is the name of the service in X-Amz-Target.
const targetPrefix = "TrentService."

// New returns a handler for the operations of svc. A server that authenticates
// elsewhere, and calls ServeCall, passes nil for authenticate.
func New(svc *kms.Service, authenticate targetapi.Authenticate) *targetapi.Handler {
	serve := make(map[string]targetapi.Serve)
	for _, o := range Operations() {
		serve[o.Name] = func(ctx context.Context, c *authn.Caller, body []byte) ([]byte, error) {
			return o.serve(ctx, svc, c, body)
		}
	}
	return targetapi.New(targetapi.Config{
		Name: "KMS", Prefix: targetPrefix, Serve: serve, Refuse: svc.Refuse, Authenticate: authenticate,
		Internal: awserr.New(http.StatusInternalServerError, "KMSInternalException", "The request was rejected because an internal exception occurred. The request can be retried."),
	})
}
