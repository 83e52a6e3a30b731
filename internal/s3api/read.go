package s3api

import (
	"errors"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"

	"coffer/internal/s3"
)

// overrides are the parameters of a signed read that replace headers of the
// answer.
var overrides = map[string]string{
	"response-cache-control":       "Cache-Control",
	"response-content-disposition": "Content-Disposition",
	"response-content-encoding":    "Content-Encoding",
	"response-content-language":    "Content-Language",
	"response-content-type":        "Content-Type",
	"response-expires":             "Expires",
}

// getObject serves GetObject and HeadObject.
func (c *call) getObject() error {
	in := s3.GetObjectInput{
		ObjectInput:  c.objectInput(),
		Range:        parseRange(c.header),
		Customer:     c.customerKey(),
		Encryption:   c.encryption(),
		Conditions:   c.conditions(""),
		ChecksumMode: strings.EqualFold(c.get("x-amz-checksum-mode"), "ENABLED"),
		Head:         c.r.Method == http.MethodHead,
	}
	var err error
	if in.PartNumber, err = c.partNumber(); err != nil {
		return err
	}
	if in.PartNumber > 0 && c.get("Range") != "" {
		return invalidRequest("Cannot specify both Range header and partNumber query parameter")
	}
	replaced := http.Header{}
	for parameter, header := range overrides {
		values, ok := c.query[parameter]
		if !ok {
			continue
		}
		if c.caller.IsAnonymous() {
			return invalidRequest("Request specific response headers cannot be used for anonymous GET requests.")
		}
		value, ok := latin1(values[0])
		if !ok {
			return invalidArgument(parameter, values[0], "Header value cannot be represented using ISO-8859-1.")
		}
		if in.Overrides == nil {
			in.Overrides = map[string]string{}
		}
		in.Overrides[parameter] = values[0]
		replaced.Set(header, value)
	}
	out, err := c.take().GetObject(c.ctx, c.caller, &in)
	if err != nil {
		return err
	}
	if out.Body != nil {
		defer out.Body.Close()
	}
	c.describe(out)
	for name, values := range replaced {
		c.w.Header()[name] = values
	}
	status := http.StatusOK
	if out.Partial {
		status = http.StatusPartialContent
	}
	if in.Head || out.Body == nil {
		c.w.WriteHeader(status)
		return nil
	}
	return c.send(status, out)
}

// describe sets the headers of a read.
func (c *call) describe(out *s3.GetObjectOutput) {
	h := c.w.Header()
	a := &out.Attributes
	for name, value := range a.Metadata {
		h["x-amz-meta-"+name] = []string{toHeader(value)}
	}
	set(h, "Cache-Control", a.CacheControl)
	set(h, "Content-Disposition", a.ContentDisposition)
	set(h, "Content-Encoding", a.ContentEncoding)
	set(h, "Content-Language", a.ContentLanguage)
	set(h, "Expires", a.Expires)
	set(h, "X-Amz-Website-Redirect-Location", a.WebsiteRedirectLocation)
	if a.StorageClass != "STANDARD" {
		set(h, "X-Amz-Storage-Class", a.StorageClass)
	}
	h.Set("Content-Type", "binary/octet-stream")
	set(h, "Content-Type", a.ContentType)
	h.Set("Accept-Ranges", "bytes")
	h.Set("Content-Length", itoa(out.Length))
	h.Set("Last-Modified", out.LastModified.UTC().Format(http.TimeFormat))
	if out.Partial {
		h.Set("Content-Range", "bytes "+itoa(out.Offset)+"-"+itoa(out.Offset+out.Length-1)+"/"+itoa(out.Size))
	}
	setETag(h, out.ETag)
	setVersion(h, out.VersionID)
	setSSE(h, out.SSE, false)
	setChecksums(h, out.Checksums)
	if out.PartsCount > 0 {
		h.Set("X-Amz-Mp-Parts-Count", strconv.Itoa(out.PartsCount))
	}
	if out.TagCount > 0 {
		h.Set("X-Amz-Tagging-Count", strconv.Itoa(out.TagCount))
	}
	if out.MissingMeta > 0 {
		h.Set("X-Amz-Missing-Meta", strconv.Itoa(out.MissingMeta))
	}
	set(h, "X-Amz-Replication-Status", out.ReplicaStatus)
}

// send writes the body. As long as nothing of it is out, a failure is answered
// as an error; after that the connection is cut, so that no client takes a part
// for the whole.
func (c *call) send(status int, out *s3.GetObjectOutput) error {
	s := &sender{w: c.w, status: status}
	n, err := out.Body.WriteTo(s)
	if err == nil && n != out.Length {
		err = io.ErrUnexpectedEOF
	}
	switch {
	case err == nil:
		s.start()
		return nil
	case s.failed != nil:
		panic(http.ErrAbortHandler) // the client has gone
	case !s.started:
		c.forget()
		return err
	}
	c.log.ErrorContext(c.ctx, "object body broke off", "request_id", c.w.Header().Get(headerRequestID), "sent", n, "error", err)
	panic(http.ErrAbortHandler)
}

// forget drops the headers that describe the object, before an error is answered
// in its place.
func (c *call) forget() {
	h := c.w.Header()
	for name := range h {
		switch name {
		case headerRequestID, headerHostID:
		default:
			delete(h, name)
		}
	}
	c.identify(c.w)
}

// A sender writes the status before the first byte.
type sender struct {
	w       http.ResponseWriter
	status  int
	started bool
	failed  error // why the client could not be written to
}

func (s *sender) start() {
	if !s.started {
		s.started = true
		s.w.WriteHeader(s.status)
	}
}

func (s *sender) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	s.start()
	n, err := s.w.Write(p)
	if err != nil {
		s.failed = err
	}
	return n, err
}

// parseRange reads a Range header of one range of bytes. Anything else is
// answered with the whole object, as S3 and RFC 9110 have it: several ranges,
// another unit, a last byte before the first. So is a range that holds only if
// the object did not change.
//
// Source: RFC 9110, sections 13.1.5 and 14.2; Amazon S3 API Reference, GetObject
// ("doesn't support retrieving multiple ranges"), read 2026-11-21.
func parseRange(h http.Header) *s3.ByteRange {
	values := h.Values("Range")
	if len(values) != 1 || h.Get("If-Range") != "" {
		return nil
	}
	unit, spec, ok := strings.Cut(values[0], "=")
	if !ok || !strings.EqualFold(strings.TrimSpace(unit), "bytes") {
		return nil
	}
	return parseByteRange(strings.TrimSpace(spec))
}

// parseByteRange parses first-last, first- or -length; nil if it is none.
func parseByteRange(spec string) *s3.ByteRange {
	first, last, ok := strings.Cut(spec, "-")
	if !ok {
		return nil
	}
	if first == "" {
		n, ok := digits(last)
		if !ok {
			return nil
		}
		return &s3.ByteRange{IsSuffix: true, Suffix: n}
	}
	r := &s3.ByteRange{Last: -1}
	if r.First, ok = digits(first); !ok {
		return nil
	}
	if last != "" {
		if r.Last, ok = digits(last); !ok || r.Last < r.First {
			return nil
		}
	}
	return r
}

// digits parses a decimal number without a sign; one that is too large becomes
// the largest.
func digits(s string) (int64, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if errors.Is(err, strconv.ErrRange) {
		n = math.MaxInt64
	}
	return n, true
}
