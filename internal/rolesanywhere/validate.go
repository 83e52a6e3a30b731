package rolesanywhere

import (
	"encoding/base64"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"coffer/internal/awserr"
)

// Patterns of the service model.
var (
	patternUUID = regexp.MustCompile(`^[a-f0-9]{8}-([a-z0-9]{4}-){3}[a-z0-9]{12}$`)
	patternName = regexp.MustCompile(`^[ a-zA-Z0-9_-]+$`)
	patternTag  = regexp.MustCompile(`^[ a-zA-Z0-9_.:/=+@-]*$`)
	patternRole = regexp.MustCompile(`^arn:aws:iam::\d{12}:role/.+$`)
	// patternSession is what STS takes for the name of a session.
	patternSession = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)
)

func isUUID(s string) bool { return patternUUID.MatchString(s) }

// A checker keeps the first thing that is wrong with the shape of a request.
type checker struct{ failed *awserr.Error }

func (v *checker) add(format string, args ...any) {
	if v.failed == nil {
		v.failed = fault(format, args...)
	}
}

func (v *checker) err() error {
	if v.failed == nil {
		return nil
	}
	return v.failed
}

func (v *checker) id(member, value string) {
	if !isUUID(value) {
		v.add("%s must be a UUID.", member)
	}
}

func (v *checker) name(member, value string) {
	if len(value) > 255 || !patternName.MatchString(value) {
		v.add("%s must be 1 to 255 letters, digits, spaces and _ -", member)
	}
}

func (v *checker) tags(tags []Tag) {
	var keys []string
	for _, t := range tags {
		if slices.Contains(keys, t.Key) {
			v.add("tags must not have a key twice.")
		}
		keys = append(keys, t.Key)
		if len(t.Value) > 256 || !patternTag.MatchString(t.Value) {
			v.add("A tag value must have at most 256 letters, digits, spaces and _ . : / = + @ -")
		}
	}
	v.tagKeys(keys)
}

func (v *checker) tagKeys(keys []string) {
	if len(keys) > 200 {
		v.add("There are too many tag keys.")
	}
	for _, k := range keys {
		if k == "" || len(k) > 128 || !patternTag.MatchString(k) || strings.HasPrefix(strings.ToLower(k), "aws:") {
			v.add("A tag key must have 1 to 128 letters, digits, spaces and _ . : / = + @ - and not start with aws:")
		}
	}
}

// maxPage bounds a page.
const maxPage = 100

// cut returns the page of a list, in the order of id, that starts behind a token, and
// the token of the page that follows.
func cut[T any](list []T, id func(T) string, listing string, in *ListInput) (page []T, next string, err error) {
	after := ""
	if in.NextToken != "" {
		b, err := base64.RawURLEncoding.DecodeString(in.NextToken)
		rest, ok := strings.CutPrefix(string(b), listing+":")
		if err != nil || !ok || nextToken(listing, rest) != in.NextToken {
			return nil, "", fault("nextToken is not one that this operation returned.")
		}
		after = rest
	}
	size := maxPage
	if in.PageSize != nil {
		if *in.PageSize < 1 {
			return nil, "", fault("pageSize must be at least 1.")
		}
		size = min(int(*in.PageSize), maxPage)
	}
	slices.SortFunc(list, func(a, b T) int { return strings.Compare(id(a), id(b)) })
	i := slices.IndexFunc(list, func(e T) bool { return id(e) > after })
	if i < 0 {
		return list[:0], "", nil
	}
	if page = list[i:]; len(page) > size {
		page = page[:size]
		next = nextToken(listing, id(page[size-1]))
	}
	return page, next, nil
}

func nextToken(listing, last string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(listing + ":" + last))
}

// characters returns the length of a string as the API counts it.
func characters(s string) int { return utf8.RuneCountInString(s) }
