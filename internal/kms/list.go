package kms

import (
	"context"
	"encoding/base64"
	"strings"

	"coffer/internal/authn"
	"coffer/internal/authz"
)

// KeyListEntry names one key of a listing.
type KeyListEntry struct {
	KeyID  string `json:"KeyId"`
	KeyARN string `json:"KeyArn"`
}

// ListKeysInput is the request of [Service.ListKeys].
type ListKeysInput struct {
	Limit  *int32 `json:"Limit"`
	Marker string `json:"Marker,omitempty"`
}

// ListKeysOutput is the answer of [Service.ListKeys].
type ListKeysOutput struct {
	Keys       []KeyListEntry `json:"Keys"`
	NextMarker string         `json:"NextMarker,omitempty"`
	Truncated  bool           `json:"Truncated"`
}

// ListKeys lists the keys of the caller's account and region, those of services
// included, 100 to a page unless in.Limit says otherwise, and 1,000 at most.
//
// It returns a *awserr.Error with code ValidationException, InvalidMarkerException
// or AccessDeniedException.
//
// Source: AWS KMS API Reference, ListKeys.
func (s *Service) ListKeys(ctx context.Context, c *authn.Caller, in *ListKeysInput) (*ListKeysOutput, error) {
	return run(ctx, s, c, "ListKeys", reads, func(call *authz.Call) (*ListKeysOutput, error) {
		recordPage(call, in.Limit, in.Marker)
		var v checker
		v.page(in.Limit, in.Marker)
		if err := v.err(); err != nil {
			return nil, err
		}
		if err := permit(ctx, call, c, "kms:ListKeys"); err != nil {
			return nil, err
		}
		after, err := unmark("keys", in.Marker)
		if err != nil {
			return nil, err
		}
		keys, more, err := s.keys.List(ctx, c.Account, c.Region, after, pageSize(in.Limit, 100, 1000))
		if err != nil {
			return nil, err
		}
		out := &ListKeysOutput{Keys: []KeyListEntry{}, Truncated: more}
		for _, k := range keys {
			out.Keys = append(out.Keys, KeyListEntry{k.ID, k.ARN})
		}
		if more {
			out.NextMarker = mark("keys", keys[len(keys)-1].ID)
		}
		return out, nil
	})
}

// recordPage records the members of a listing.
func recordPage(call *authz.Call, limit *int32, marker string) {
	if limit != nil {
		call.Param("limit", *limit)
	}
	if marker != "" {
		call.Param("marker", marker)
	}
}

// pageSize returns how many entries a page holds. A limit above most is cut: a
// page may always be shorter than was asked for.
func pageSize(limit *int32, otherwise, most int) int {
	if limit == nil {
		return otherwise
	}
	return min(int(*limit), most)
}

// mark returns the marker of a listing whose last entry is last. Clients must
// not look into it.
func mark(listing, last string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(listing + ":" + last))
}

// unmark returns the entry that a listing goes on after.
func unmark(listing, marker string) (after string, err error) {
	if marker == "" {
		return "", nil
	}
	b, err := base64.RawURLEncoding.DecodeString(marker)
	after, ok := strings.CutPrefix(string(b), listing+":")
	// The decoder passes over line breaks and loose bits: compare.
	if err == nil && ok && after != "" && mark(listing, after) == marker {
		return after, nil
	}
	return "", fault("InvalidMarkerException", "The marker is not one that this operation returned.")
}

// recordFilters records the members of a listing that are there, given as names
// and values by turns.
func recordFilters(call *authz.Call, pairs ...string) {
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			call.Param(pairs[i], pairs[i+1])
		}
	}
}
