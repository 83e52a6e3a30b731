package iam

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"

	"coffer/internal/identity"
)

// Paging holds the members that every listing has.
type Paging struct {
	Marker   *string // Marker of the page before
	MaxItems *int32  // 1 to 1000; 100 if nil
}

// Paged holds the members that every answer to a listing has.
type Paged struct {
	IsTruncated bool
	Marker      string `query:",omitempty"` // set if IsTruncated
}

// limit returns how many entries the page holds.
func (p *Paging) limit() int {
	if p.MaxItems == nil {
		return defaultItems
	}
	return int(*p.MaxItems)
}

// after returns the last entry of the page before, of the listing of that name.
func (p *Paging) after(listing string) (after string, err error) {
	if p.Marker == nil {
		return "", nil
	}
	b, err := base64.RawURLEncoding.DecodeString(*p.Marker)
	after, ok := strings.CutPrefix(string(b), listing+":")
	// The decoder passes over line breaks and loose bits: compare.
	if err == nil && ok && after != "" && mark(listing, after) == *p.Marker {
		return after, nil
	}
	return "", fault(400, "ValidationError", "Invalid Marker.")
}

// mark returns the marker of a listing whose last entry is last. Clients must
// not look into it.
func mark(listing, last string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(listing + ":" + last))
}

// page asks the domain for one page of a listing.
func (p *Paging) page(listing string, pathPrefix *string) (identity.Page, error) {
	after, err := p.after(listing)
	page := identity.Page{After: after, Limit: p.limit()}
	if pathPrefix != nil {
		page.PathPrefix = *pathPrefix
	}
	return page, err
}

// paged returns the members for a listing that goes on after last if more is set.
func paged(listing string, more bool, last func() string) Paged {
	if !more {
		return Paged{}
	}
	return Paged{true, mark(listing, last())}
}

// cut returns one page of a list that is there whole, in any order. Entries have
// names of their own. If the list has changed since the page before and its last
// entry is gone, the page begins where that was.
func cut[T any](p *Paging, listing string, all []T, name func(T) string) ([]T, Paged, error) {
	after, err := p.after(listing)
	if err != nil {
		return nil, Paged{}, err
	}
	start := 0
	if after != "" {
		number, last, _ := strings.Cut(after, ":")
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 {
			return nil, Paged{}, fault(400, "ValidationError", "Invalid Marker.")
		}
		if i := slices.IndexFunc(all, func(v T) bool { return name(v) == last }); i >= 0 {
			start = i + 1
		} else {
			start = min(n-1, len(all))
		}
	}
	end := min(start+p.limit(), len(all))
	return all[start:end], paged(listing, end < len(all), func() string {
		return strconv.Itoa(end) + ":" + name(all[end-1])
	}), nil
}

// each returns what f makes of each entry; never nil.
func each[T, U any](list []T, f func(T) U) []U {
	out := make([]U, len(list))
	for i, v := range list {
		out[i] = f(v)
	}
	return out
}
