package s3api

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"coffer/internal/checksum"
	"coffer/internal/restxml"
	"coffer/internal/s3"
)

// putInput reads the headers that PutObject, CopyObject and
// CreateMultipartUpload share; the upload is for the caller to add.
func (c *call) putInput() (s3.PutObjectInput, error) {
	attributes, err := c.attributes()
	return s3.PutObjectInput{
		Bucket:              c.bucket,
		Key:                 c.key,
		Attributes:          attributes,
		Tagging:             c.get("x-amz-tagging"),
		Encryption:          c.encryption(),
		Customer:            c.customerKey(),
		Conditions:          c.conditions(""),
		ACL:                 c.acl(),
		Lock:                c.lock(),
		WriteOffset:         c.get("x-amz-write-offset-bytes") != "",
		ExpectedBucketOwner: c.expectedOwner(),
	}, err
}

func (c *call) putObject() error {
	in, err := c.putInput()
	if err != nil {
		return err
	}
	if in.Upload, err = c.upload(); err != nil {
		return err
	}
	out, err := c.take().PutObject(c.ctx, c.caller, &in)
	if err != nil {
		return err
	}
	h := c.w.Header()
	setETag(h, out.ETag)
	setVersion(h, out.VersionID)
	setSSE(h, out.SSE, true)
	setChecksums(h, out.Checksums)
	return c.empty(http.StatusOK)
}

func (c *call) copyObject() error {
	put, err := c.putInput()
	if err != nil {
		return err
	}
	in := s3.CopyObjectInput{PutObjectInput: put, MetadataDirective: c.get("x-amz-metadata-directive"),
		TaggingDirective: c.get("x-amz-tagging-directive")}
	if err := oneOf("x-amz-metadata-directive", in.MetadataDirective, "Unknown metadata directive.", "COPY", "REPLACE"); err != nil {
		return err
	}
	if err := oneOf("x-amz-tagging-directive", in.TaggingDirective, "Unknown tagging directive.", "COPY", "REPLACE"); err != nil {
		return err
	}
	if in.Source, err = c.copySource(); err != nil {
		return err
	}
	if in.Upload.Algorithm, err = c.algorithmHeader(); err != nil {
		return err
	}
	out, err := c.take().CopyObject(c.ctx, c.caller, &in)
	if err != nil {
		return err
	}
	h := c.w.Header()
	setVersion(h, out.VersionID)
	set(h, "X-Amz-Copy-Source-Version-Id", out.SourceVersionID)
	setSSE(h, out.SSE, true)
	return c.document(http.StatusOK, &restxml.CopyResult{LastModified: out.LastModified, ETag: out.ETag,
		Checksums: documentChecksums(out.Checksums.Values), ChecksumType: out.Checksums.Type})
}

// oneOf refuses a value that is neither empty nor one of those allowed.
func oneOf(header, value, message string, allowed ...string) error {
	if value == "" || slices.Contains(allowed, value) {
		return nil
	}
	return invalidArgument(header, value, "%s", message)
}

// copySource reads the headers that name what is copied.
func (c *call) copySource() (s3.CopySource, error) {
	source, err := parseCopySource(c.get("x-amz-copy-source"))
	source.Customer = c.copyCustomerKey()
	source.Conditions = c.conditions("x-amz-copy-source-")
	source.ExpectedBucketOwner = c.get("x-amz-source-expected-bucket-owner")
	return source, err
}

// parseCopySource parses [/]bucket/key[?versionId=id], in which bucket and key
// are percent-encoded and "+" is a space. A question mark that belongs to the key
// has to be encoded: what follows a bare one is a version or an error.
//
// Source: Amazon S3 API Reference, CopyObject, x-amz-copy-source, read
// 2026-11-21.
func parseCopySource(raw string) (s3.CopySource, error) {
	invalid := func() (s3.CopySource, error) {
		return s3.CopySource{}, invalidArgument("x-amz-copy-source", "x-amz-copy-source", "Invalid copy source object key")
	}
	path, query, hasQuery := strings.Cut(raw, "?")
	bucket, key, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if strings.HasPrefix(bucket, "arn:") || strings.HasPrefix(bucket, "arn%3") {
		return s3.CopySource{}, notImplemented("x-amz-copy-source")
	}
	bucket, err := url.QueryUnescape(bucket)
	if err != nil || bucket == "" || strings.Contains(bucket, "/") || !utf8.ValidString(bucket) {
		return invalid()
	}
	key, err = url.QueryUnescape(key)
	if err != nil || key == "" || len(key) > MaxKeyLength || !utf8.ValidString(key) {
		return invalid()
	}
	source := s3.CopySource{Bucket: bucket, Key: key}
	if hasQuery {
		id, ok := strings.CutPrefix(query, "versionId=")
		if source.VersionID, err = url.QueryUnescape(id); !ok || err != nil || id == "" || strings.ContainsAny(id, "&;") {
			return s3.CopySource{}, invalidArgument("x-amz-copy-source", raw, "Invalid version id specified")
		}
	}
	return source, nil
}

func (c *call) objectInput() s3.ObjectInput {
	return s3.ObjectInput{Bucket: c.bucket, Key: c.key, VersionID: c.query.Get("versionId"), ExpectedBucketOwner: c.expectedOwner()}
}

func (c *call) deleteObject() error {
	in := s3.DeleteObjectInput{ObjectInput: c.objectInput(), IfMatch: joined(c.header, "If-Match"), MFA: c.get("x-amz-mfa")}
	var err error
	if in.BypassGovernance, err = c.boolHeader("x-amz-bypass-governance-retention"); err != nil {
		return err
	}
	if s := c.get("x-amz-if-match-last-modified-time"); s != "" {
		if in.IfMatchLastModified = httpTime(s); in.IfMatchLastModified.IsZero() {
			return invalidArgument("x-amz-if-match-last-modified-time", s, "Invalid x-amz-if-match-last-modified-time header")
		}
	}
	if s := c.get("x-amz-if-match-size"); s != "" {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n < 0 {
			return invalidArgument("x-amz-if-match-size", s, "Invalid x-amz-if-match-size header")
		}
		in.IfMatchSize = &n
	}
	out, err := c.take().DeleteObject(c.ctx, c.caller, &in)
	if err != nil {
		return err
	}
	if out.DeleteMarker {
		c.w.Header().Set("X-Amz-Delete-Marker", "true")
	}
	setVersion(c.w.Header(), out.VersionID)
	return c.empty(http.StatusNoContent)
}

// boolHeader reads a header that is true, false or absent.
func (c *call) boolHeader(name string) (bool, error) {
	switch s := c.get(name); strings.ToLower(s) {
	case "":
		return false, nil
	case "true":
		return true, nil
	case "false":
		return false, nil
	default:
		return false, invalidArgument(name, s, "Invalid %s header", name)
	}
}

func (c *call) deleteObjects() error {
	in := s3.DeleteObjectsInput{BucketInput: c.bucketInput(), MFA: c.get("x-amz-mfa")}
	var err error
	if in.BypassGovernance, err = c.boolHeader("x-amz-bypass-governance-retention"); err != nil {
		return err
	}
	body, err := c.readDocument(maxDelete, true)
	if err != nil {
		return err
	}
	doc, err := restxml.DecodeDelete(body)
	if err != nil {
		return err
	}
	in.Quiet = doc.Quiet
	for _, o := range doc.Objects {
		if err := checkKey(o.Key); err != nil {
			return err
		}
		in.Objects = append(in.Objects, s3.DeleteEntry(o))
	}
	out, err := c.take().DeleteObjects(c.ctx, c.caller, &in)
	if err != nil {
		return err
	}
	var answer restxml.DeleteResult
	for _, r := range out.Results {
		if in.Quiet && r.ErrCode == "" {
			continue
		}
		answer.Results = append(answer.Results, restxml.Deletion{Key: r.Key, VersionID: r.VersionID, DeleteMarker: r.DeleteMarker,
			DeleteMarkerVersionID: r.DeleteMarkerVersionID, Code: r.ErrCode, Message: r.ErrMessage})
	}
	return c.document(http.StatusOK, &answer)
}

func (c *call) updateObjectEncryption() error {
	body, err := c.readDocument(maxDocument, false)
	if err != nil {
		return err
	}
	doc, err := restxml.DecodeObjectEncryption(body)
	if err != nil {
		return err
	}
	if err := c.take().UpdateObjectEncryption(c.ctx, c.caller, &s3.UpdateObjectEncryptionInput{ObjectInput: c.objectInput(),
		KMSKeyARN: doc.KMSKeyARN, BucketKeyEnabled: doc.BucketKeyEnabled, Unsupported: doc.Unsupported}); err != nil {
		return err
	}
	return c.empty(http.StatusOK)
}

// objectAttributes are the names in x-amz-object-attributes.
var objectAttributes = []string{"ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"}

func (c *call) getObjectAttributes() error {
	in := s3.GetObjectAttributesInput{ObjectInput: c.objectInput(), Customer: c.customerKey(), MaxParts: -1}
	for _, name := range strings.Split(joined(c.header, "x-amz-object-attributes"), ",") {
		name = strings.TrimSpace(name)
		if !slices.Contains(objectAttributes, name) {
			return invalidArgument("x-amz-object-attributes", name, "Invalid attribute name specified.")
		}
		in.Attributes = append(in.Attributes, name)
	}
	var err error
	if in.MaxParts, err = number("x-amz-max-parts", c.get("x-amz-max-parts"), -1); err != nil {
		return err
	}
	if in.PartNumberMarker, err = number("x-amz-part-number-marker", c.get("x-amz-part-number-marker"), 0); err != nil {
		return err
	}
	out, err := c.take().GetObjectAttributes(c.ctx, c.caller, &in)
	if err != nil {
		return err
	}
	h := c.w.Header()
	setVersion(h, out.VersionID)
	h.Set("Last-Modified", out.LastModified.UTC().Format(http.TimeFormat))
	doc := &restxml.GetObjectAttributesResponse{ETag: out.ETag, Checksums: documentChecksums(out.Checksums.Values),
		ChecksumType: out.Checksums.Type, StorageClass: out.StorageClass, Size: out.Size}
	if p := out.Parts; p != nil {
		doc.Parts = &restxml.ObjectParts{Total: p.Total, PartNumberMarker: p.PartNumberMarker, NextPartNumberMarker: p.NextMarker,
			MaxParts: p.MaxParts, IsTruncated: p.IsTruncated, Parts: documentParts(p.Parts)}
	}
	return c.document(http.StatusOK, doc)
}

func (c *call) putObjectTagging() error {
	tags, err := c.readTags()
	if err != nil {
		return err
	}
	out, err := c.take().PutObjectTagging(c.ctx, c.caller, &s3.PutTaggingInput{ObjectInput: c.objectInput(), Tags: tags})
	if err != nil {
		return err
	}
	setVersion(c.w.Header(), out.VersionID)
	return c.empty(http.StatusOK)
}

func (c *call) getObjectTagging() error {
	in := c.objectInput()
	out, err := c.take().GetObjectTagging(c.ctx, c.caller, &in)
	if err != nil {
		return err
	}
	return c.tagging(out)
}

func (c *call) deleteObjectTagging() error {
	in := c.objectInput()
	out, err := c.take().DeleteObjectTagging(c.ctx, c.caller, &in)
	if err != nil {
		return err
	}
	setVersion(c.w.Header(), out.VersionID)
	return c.empty(http.StatusNoContent)
}

// readTags reads the body of the two operations that put tags.
func (c *call) readTags() ([]s3.Tag, error) {
	body, err := c.readDocument(maxDocument, false)
	if err != nil {
		return nil, err
	}
	doc, err := restxml.DecodeTagging(body)
	if err != nil {
		return nil, err
	}
	return tagsOf(doc.Tags), nil
}

func tagsOf(tags []restxml.Tag) []s3.Tag {
	out := make([]s3.Tag, len(tags))
	for i, t := range tags {
		out[i] = s3.Tag(t)
	}
	return out
}

// tagging answers with tags.
func (c *call) tagging(out *s3.TaggingOutput) error {
	setVersion(c.w.Header(), out.VersionID)
	doc := &restxml.Tagging{Tags: make([]restxml.Tag, len(out.Tags))}
	for i, t := range out.Tags {
		doc.Tags[i] = restxml.Tag(t)
	}
	return c.document(http.StatusOK, doc)
}

func (c *call) getObjectConfiguration(kind string) error {
	in := c.objectInput()
	out, err := c.take().GetObjectConfiguration(c.ctx, c.caller, &in, kind)
	if err != nil {
		return err
	}
	return c.configuration(out)
}

// set sets a header of the answer unless the value is empty.
func set(h http.Header, name, value string) {
	if value != "" {
		h.Set(name, value)
	}
}

func setVersion(h http.Header, id string) { set(h, "X-Amz-Version-Id", id) }

// setETag spells the header as S3 does; some clients look for it that way.
func setETag(h http.Header, tag string) {
	if tag != "" {
		h["ETag"] = []string{`"` + tag + `"`}
	}
}

// setSSE says how the object is sealed. Only a write echoes the context.
func setSSE(h http.Header, s s3.SSE, isWrite bool) {
	set(h, "X-Amz-Server-Side-Encryption", s.Algorithm)
	set(h, "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id", s.KMSKeyID)
	if isWrite {
		set(h, "X-Amz-Server-Side-Encryption-Context", s.Context)
	}
	if s.BucketKeyEnabled {
		h.Set("X-Amz-Server-Side-Encryption-Bucket-Key-Enabled", "true")
	}
	set(h, "X-Amz-Server-Side-Encryption-Customer-Algorithm", s.CustomerAlgorithm)
	set(h, "X-Amz-Server-Side-Encryption-Customer-Key-Md5", s.CustomerKeyMD5)
}

func setChecksums(h http.Header, c s3.Checksums) {
	for _, a := range checksum.Algorithms() {
		if v := c.Values[a]; v != "" {
			h.Set(a.Header(), v)
		}
	}
	set(h, "X-Amz-Checksum-Type", c.Type)
}

// number reads a number that is not negative; an absent one is missing.
func number(name, s string, missing int) (int, error) {
	if s == "" {
		return missing, nil
	}
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil {
		return 0, invalidArgument(name, s, "Provided %s not an integer or within integer range", name)
	}
	if n < 0 {
		return 0, invalidArgument(name, s, "Argument %s must be an integer between 0 and 2147483647", name)
	}
	return int(n), nil
}

// partNumber reads the parameter of that name; an absent one is 0.
func (c *call) partNumber() (int, error) {
	values, ok := c.query["partNumber"]
	if !ok {
		return 0, nil
	}
	n, err := strconv.Atoi(values[0])
	if err != nil || n < 1 || n > checksum.MaxParts {
		return 0, invalidArgument("partNumber", values[0], "Part number must be an integer between 1 and 10000, inclusive")
	}
	return n, nil
}
