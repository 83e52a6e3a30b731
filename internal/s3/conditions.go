package s3

import (
	"strconv"
	"strings"
	"time"

	"coffer/internal/authn"
	"coffer/internal/object"
	"coffer/internal/policy"
)

// inputs are what a request says, as far as condition keys tell it. Each operation
// sets what it has; nil means that the operation has nothing of the kind.
type inputs struct {
	versionID string
	put       *PutObjectInput // of a write: the headers of the object
	// creation is s3:ObjectCreationOperation: "true" for what makes an object,
	// "false" for a step towards one.
	creation   string
	source     *CopySource
	directive  string // x-amz-metadata-directive
	customer   *CustomerKey
	conditions *Conditions // of a write or a deletion
	tags       []Tag       // of a request about tags
	acl        *ACL        // of a request about an ACL
	list       *ListObjectsInput
	create     *CreateBucketInput
	rekey      *UpdateObjectEncryptionInput
}

var _ policy.Context = (*question)(nil)

// Lookup tells a condition key of S3. The gate asks for those alone that AWS
// documents for the action. Keys are told from what the service took from the
// request, never by the name of a header, so that no header can pose as a key.
//
// The tags of a bucket are no keys (s3:BucketTag, aws:ResourceTag): on AWS they
// become that once attribute-based access control was enabled for the bucket, with
// PutBucketAbac, which does not exist here.
//
// Source: AWS Service Authorization Reference, "Actions, resources, and condition
// keys for Amazon S3"; Amazon S3 User Guide, "Enabling ABAC in general purpose
// buckets", read 2026-11-21.
func (q *question) Lookup(key string, into []string) ([]string, bool) {
	r := q.r
	name, ok := strings.CutPrefix(key, "s3:")
	if !ok {
		return r.tagKey(key, into)
	}
	if name, ok := strings.CutPrefix(name, "x-amz-"); ok {
		return q.headerKey(name, into)
	}
	switch name {
	case "resourceaccount":
		return text(into, q.Account)
	case "authtype":
		return text(into, authTypes[r.c.AuthType])
	case "signatureversion":
		if r.c.SignatureVersion == "" {
			return into, false
		}
		return text(into, "AWS4-HMAC-SHA256")
	case "signatureage":
		if r.c.SignedAt.IsZero() {
			return into, false
		}
		return text(into, strconv.FormatInt(max(0, time.Since(r.c.SignedAt).Milliseconds()), 10))
	case "tlsversion":
		return text(into, strings.TrimPrefix(r.c.TLSVersion, "TLSv"))
	case "versionid":
		return text(into, r.versionID)
	case "objectcreationoperation":
		return text(into, r.creation)
	case "if-match":
		if r.conditions != nil {
			return text(into, r.conditions.IfMatch)
		}
	case "if-none-match":
		if r.conditions != nil {
			return text(into, r.conditions.IfNoneMatch)
		}
	case "prefix":
		if r.list != nil && r.list.HasPrefix {
			return append(into, r.list.Prefix), true
		}
	case "delimiter":
		if r.list != nil && r.list.HasDelimiter {
			return append(into, r.list.Delimiter), true
		}
	case "max-keys":
		if r.list != nil && r.list.MaxKeys >= 0 {
			return text(into, strconv.Itoa(r.list.MaxKeys))
		}
	case "locationconstraint":
		if r.create != nil {
			return text(into, r.create.LocationConstraint)
		}
	case "requestobjecttagkeys":
		tags, ok := r.sentTags()
		for _, t := range tags {
			into = append(into, t.Key)
		}
		return into, ok
	case "object-lock-mode":
		return text(into, r.lock().Mode)
	case "object-lock-legal-hold":
		return text(into, r.lock().LegalHold)
	case "object-lock-retain-until-date":
		return text(into, r.lock().RetainUntil)
	case "object-lock-remaining-retention-days":
		until, err := time.Parse(time.RFC3339, r.lock().RetainUntil)
		if err != nil {
			return into, false
		}
		return text(into, strconv.Itoa(int(time.Until(until)/(24*time.Hour))))
	}
	if tag, ok := strings.CutPrefix(name, "requestobjecttag/"); ok {
		tags, _ := r.sentTags()
		return tagged(tags, tag, into)
	}
	if tag, ok := strings.CutPrefix(name, "existingobjecttag/"); ok {
		return q.existingTag(tag, into)
	}
	return into, false
}

// authTypes are the values of s3:authType.
//
// Source: Amazon S3 API Reference, "Amazon S3 Signature Version 4 Authentication
// Specific Policy Keys", read 2026-11-21.
var authTypes = map[string]string{
	authn.AuthHeader: "REST-HEADER", authn.AuthQuery: "REST-QUERY-STRING", authn.AuthPost: "POST",
}

// text is the answer about a key that is there unless it is empty.
func text(into []string, value string) ([]string, bool) {
	if value == "" {
		return into, false
	}
	return append(into, value), true
}

// headerKey tells the keys that are named for a header.
func (q *question) headerKey(name string, into []string) ([]string, bool) {
	r := q.r
	switch name {
	case "content-sha256":
		return text(into, r.c.PayloadHash)
	case "copy-source":
		if r.source != nil {
			return append(into, "/"+r.source.Bucket+"/"+r.source.Key), true
		}
	case "metadata-directive":
		return text(into, r.directive)
	case "server-side-encryption":
		switch {
		case r.rekey != nil:
			return append(into, algorithmKMS), true
		case r.put != nil:
			return text(into, r.put.Encryption.Algorithm)
		}
	case "server-side-encryption-aws-kms-key-id":
		return q.keyARN(into)
	case "server-side-encryption-customer-algorithm":
		switch {
		case r.customer != nil:
			return text(into, r.customer.Algorithm)
		case r.put != nil:
			return text(into, r.put.Customer.Algorithm)
		}
	case "storage-class":
		if r.put != nil {
			return text(into, r.put.Attributes.StorageClass)
		}
	case "website-redirect-location":
		if r.put != nil {
			return text(into, r.put.Attributes.WebsiteRedirectLocation)
		}
	case "object-ownership":
		if r.create != nil {
			return text(into, r.create.ObjectOwnership)
		}
	case "acl":
		return text(into, r.sentACL().Canned)
	case "grant-full-control", "grant-read", "grant-read-acp", "grant-write", "grant-write-acp":
		return text(into, r.sentACL().Grants["x-amz-"+name])
	}
	return into, false
}

// keyARN tells the KMS key that the request names, by its full ARN however it is
// named. A name that stands for no key is told as it is: absent it could satisfy a
// condition that a key would not.
func (q *question) keyARN(into []string) ([]string, bool) {
	r := q.r
	var id string
	switch {
	case r.rekey != nil:
		id = r.rekey.KMSKeyARN
	case r.put != nil:
		id = r.put.Encryption.KMSKeyID
	}
	if id == "" {
		return into, false
	}
	if name, err := r.s.keys.ResolveKey(r.ctx, r.c, id); err == nil {
		id = name
	}
	return append(into, id), true
}

// tagKey tells the global keys about tags in a request: those of a new bucket.
func (r *request) tagKey(key string, into []string) ([]string, bool) {
	if r.create == nil || len(r.create.Tags) == 0 {
		return into, false
	}
	if key == "aws:tagkeys" {
		for _, t := range r.create.Tags {
			into = append(into, t.Key)
		}
		return into, true
	}
	if tag, ok := strings.CutPrefix(key, "aws:requesttag/"); ok {
		return tagged(r.create.Tags, tag, into)
	}
	return into, false
}

// tagged tells the tag whose key, in lower case, is name.
func tagged(tags []Tag, name string, into []string) ([]string, bool) {
	found := false
	for _, t := range tags {
		if strings.EqualFold(t.Key, name) {
			into, found = append(into, t.Value), true
		}
	}
	return into, found
}

// existingTag tells a tag of the object that the request names.
func (q *question) existingTag(name string, into []string) ([]string, bool) {
	if q.r.key == "" {
		return into, false
	}
	v, err := q.r.existing(q.r.ctx)
	if err != nil {
		q.failed = err
		return into, false
	}
	if v == nil {
		return into, false
	}
	return tagged(shownTags(v.Tags), name, into)
}

// sentTags returns the object tags in the request. A header that does not parse
// has none: the write is refused for it.
func (r *request) sentTags() (tags []Tag, ok bool) {
	if r.put != nil && r.put.Tagging != "" && r.tags == nil {
		parsed, err := parseTagging(r.put.Tagging)
		if err != nil {
			return nil, false
		}
		r.tags = shownTags(parsed)
	}
	return r.tags, len(r.tags) > 0
}

func (r *request) sentACL() *ACL {
	switch {
	case r.acl != nil:
		return r.acl
	case r.put != nil:
		return &r.put.ACL
	case r.create != nil:
		return &r.create.ACL
	}
	return new(ACL)
}

func (r *request) lock() ObjectLock {
	if r.put == nil {
		return ObjectLock{}
	}
	return r.put.Lock
}

// shownTags returns tags as the API has them.
func shownTags(tags []object.Tag) []Tag {
	out := make([]Tag, len(tags))
	for i, t := range tags {
		out[i] = Tag{t.Key, t.Value}
	}
	return out
}
