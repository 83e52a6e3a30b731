package s3

import (
	"maps"
	"strconv"
	"strings"
	"unicode/utf8"

	"coffer/internal/awserr"
	"coffer/internal/object"
	"coffer/internal/sealed"
)

// tagSubjectFrom is the tag by which a bucket says how S3 takes the subject of an
// object from its key, for KMS keys that shred by subject: so that clients need not
// send an encryption context.
const tagSubjectFrom = "coffer:subject-from"

// Values of tagSubjectFrom.
const (
	// SubjectFromKey makes each object its own subject: its bucket and its whole key.
	SubjectFromKey     = "key"
	subjectFromSegment = "segment:" // and a number: that part of the key between slashes, from 1
	// maxSegment bounds the number. A key of 1,024 bytes has fewer parts that are
	// not empty.
	maxSegment = 512
)

// reservedTags begins the names of tags that mean something to Coffer.
const reservedTags = "coffer:"

// checkReservedTag refuses a bucket tag with a reserved name that is not known, or
// whose value can't be read: it would be obeyed by nobody.
func checkReservedTag(t Tag) error {
	if !strings.HasPrefix(strings.ToLower(t.Key), reservedTags) {
		return nil
	}
	if t.Key != tagSubjectFrom {
		return awserr.New(400, "InvalidTag", "Tags that begin with coffer: have a meaning, and there is none of this name").With("TagKey", t.Key)
	}
	if _, ok := segmentOf(t.Value); !ok {
		return awserr.New(400, "InvalidTag", "The value of coffer:subject-from must be key, or segment: with a number from 1 to %d", maxSegment).With("TagKey", t.Key)
	}
	return nil
}

// segmentOf parses the value of tagSubjectFrom: the number of a segment, 0 for the
// whole key.
func segmentOf(value string) (n int, ok bool) {
	if value == SubjectFromKey {
		return 0, true
	}
	digits, ok := strings.CutPrefix(value, subjectFromSegment)
	if !ok {
		return 0, false
	}
	n, err := strconv.Atoi(digits)
	return n, err == nil && n >= 1 && n <= maxSegment && strconv.Itoa(n) == digits
}

// SubjectFrom returns the value of a bucket's tag coffer:subject-from, empty if it
// has none.
func SubjectFrom(b *object.Bucket) string {
	for _, t := range b.Tags {
		if t.Key == tagSubjectFrom {
			return t.Value
		}
	}
	return ""
}

// SubjectOf returns the subject that a bucket whose tag coffer:subject-from is from
// gives to the object of a key: the name of the bucket, a slash and the key for "key".
// ok is false if the key has no such segment, or holds bytes that no encryption
// context can.
func SubjectOf(from, bucket, key string) (subject string, ok bool) {
	n, ok := segmentOf(from)
	if !ok || !utf8.ValidString(key) {
		return "", false
	}
	if n == 0 {
		return bucket + "/" + key, true
	}
	segments := strings.SplitN(key, "/", n+1)
	if len(segments) < n || segments[n-1] == "" {
		return "", false
	}
	return segments[n-1], true
}

// subject makes the plan fit a KMS key that shreds by subject: the object gets a data
// key of its own, never a bucket key, which others share; and if the client's
// encryption context lacks the pair, the bucket's tag may fill it in.
func (r *request) subject(p *plan, keyID string) error {
	name, err := r.s.keys.ShredBy(r.ctx, r.c, keyID)
	if err != nil {
		return kmsError(err)
	}
	if name == "" {
		return nil
	}
	if p.mode == sealed.ModeBucketKey {
		p.mode = sealed.ModeKMS
	}
	from := SubjectFrom(r.bucket)
	if _, sent := p.context[name]; sent || from == "" {
		return nil // KMS refuses a context that lacks it
	}
	value, ok := SubjectOf(from, r.bucketName, r.key)
	if !ok {
		return invalidRequest("The object key has no %s, from which the tag %s of the bucket takes the subject. Choose another key, or send the pair %s in the encryption context.",
			strings.ReplaceAll(from, ":", " "), tagSubjectFrom, strconv.Quote(name))
	}
	p.context = maps.Clone(p.context)
	if p.context == nil {
		p.context = make(map[string]string, 1)
	}
	p.context[name] = value
	return nil
}
