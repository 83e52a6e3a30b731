package opsapi

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"coffer/internal/admin"
	"coffer/internal/authn"
	"coffer/internal/awserr"
)

// ToolboxPrefix is where the IAM Toolbox lies, for requests that are signed for IAM.
const ToolboxPrefix = "/authorization-details/"

// ServeToolbox serves one request of the IAM Toolbox:
//
//	GET /authorization-details/ID          GetRequestAuthorizationDetails
//	GET /authorization-details/ID/policy   GetRequestAuthorizationPolicy
//
// The second is not implemented: an explanation keeps what policies said, not their
// text.
//
// Source: IAM Toolbox API Reference (version 2018-05-10); Smithy 2.0, "AWS restJson1
// protocol"; read 2026-11-22.
func (h *Handler) ServeToolbox(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
	header.Set("x-amzn-RequestId", header.Get("X-Amz-Request-Id"))
	id := strings.TrimPrefix(r.URL.Path, ToolboxPrefix)
	operation := "GetRequestAuthorizationDetails"
	before, isPolicy := strings.CutSuffix(id, "/policy")
	if isPolicy {
		id, operation = before, "GetRequestAuthorizationPolicy"
	}
	if strings.Contains(id, "/") || r.Method != http.MethodGet {
		operation = "Unknown"
	}
	if s, ok := w.(interface{ SetOperation(string) }); ok {
		s.SetOperation(operation)
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	c, _, err := h.cfg.AuthenticateIAM(r)
	refuse := func(err error) { failToolbox(w, h.refuseToolbox(r.Context(), c, operation, err)) }
	switch {
	case err != nil:
		refuse(err)
	case operation == "Unknown":
		refuse(awserr.New(404, "UnknownOperationException", "The method and the path name no operation of the IAM Toolbox."))
	case isPolicy:
		refuse(awserr.New(501, "NotImplemented", "The text of the policies that were evaluated is not kept."))
	default:
		x, err := h.cfg.Admin.GetRequestAuthorizationDetails(r.Context(), c, id, r.URL.Query().Get("nextToken"))
		if err != nil {
			failToolbox(w, awserr.As(err))
			return
		}
		answer(w, http.StatusOK, detailsOf(x))
	}
}

// refuseToolbox records a request that no operation took.
func (h *Handler) refuseToolbox(ctx context.Context, c *authn.Caller, operation string, err error) *awserr.Error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		err = awserr.New(413, "RequestEntityTooLargeException", "The request body is longer than %d bytes.", maxBody)
	}
	return awserr.As(h.cfg.Admin.Refuse(ctx, c, admin.ToolboxSource, operation, err))
}

func failToolbox(w http.ResponseWriter, e *awserr.Error) {
	w.Header().Set("X-Amzn-Errortype", e.Code)
	fail(w, e)
}
