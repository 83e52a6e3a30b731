package s3api

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"coffer/internal/awserr"
	"coffer/internal/checksum"
	"coffer/internal/restxml"
	"coffer/internal/s3"
)

const (
	// maxFormFields bounds what a form may hold before its file, in bytes.
	//
	// Source: Amazon S3 API Reference, "Browser-Based Uploads Using POST":
	// "The form data and boundaries (excluding the contents of the file)
	// cannot exceed 20KB", read 2026-11-21.
	maxFormFields = 20 << 10
	// maxFormParts bounds the number of fields; S3 knows about forty.
	maxFormParts = 200
)

// A form is a form up to its file.
type form struct {
	fields   map[string]string // names in lower case
	filename string            // the last element of the path that the browser sent
	file     io.Reader
}

// postObject serves a form that a browser posts. The file is streamed: what comes
// after it in the form is not read.
//
// Source: Amazon S3 API Reference, "POST Object", read 2026-11-21.
func (c *call) postObject() error {
	f, err := c.readForm()
	if err != nil {
		return err
	}
	caller, policy, err := c.auth.Post(c.r, f.fields, facts(c.w))
	if err != nil {
		return err
	}
	c.caller = caller
	for name, value := range f.fields {
		f.fields[name] = strings.ReplaceAll(value, "${filename}", f.filename)
	}
	key, ok := f.fields["key"]
	if !ok || key == "" {
		return invalidArgument("key", "", "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields.")
	}
	if !utf8.ValidString(key) {
		return invalidArgument("key", "", "The key is not valid UTF-8")
	}
	if err := checkKey(key); err != nil {
		return err
	}
	c.key = key
	// The bucket is the one of the URL, which is the one that is authorized;
	// a form that names another is not for this bucket.
	if b, ok := f.fields["bucket"]; ok && b != c.bucket {
		return invalidArgument("bucket", b, "The bucket of the form is not the bucket of the URL")
	}
	f.fields["bucket"] = c.bucket
	least, most := int64(0), int64(MaxUpload)
	if policy != nil {
		p, err := parsePostPolicy(policy)
		if err != nil {
			return err
		}
		if err := p.check(f.fields, c.now()); err != nil {
			return err
		}
		least = p.min
		if p.max >= 0 {
			most = min(most, p.max)
		}
	}
	in, err := f.putInput(c)
	if err != nil {
		return err
	}
	in.Upload.Body = &formFile{r: f.file, least: least, most: most}
	out, err := c.take().PutObject(c.ctx, c.caller, in)
	if err != nil {
		return err
	}
	return c.answerForm(f, out)
}

// readForm reads a form up to its file.
func (c *call) readForm() (*form, error) {
	mediaType, params, err := mime.ParseMediaType(c.get("Content-Type"))
	boundary := params["boundary"]
	if err != nil || mediaType != "multipart/form-data" || boundary == "" {
		return nil, awserr.New(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold").
			With("Condition", "Bucket POST must be of the enclosure-type multipart/form-data")
	}
	if c.payload == nil {
		return nil, malformedForm(nil)
	}
	limited := &budget{r: c.payload, left: maxFormFields + 8<<10}
	reader := multipart.NewReader(limited, boundary)
	f := &form{fields: map[string]string{}}
	size := 0
	for range maxFormParts {
		part, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) {
			return nil, invalidArgument("file", "0", "POST requires exactly one file upload per request.")
		}
		if err != nil {
			return nil, formError(err)
		}
		name := strings.ToLower(part.FormName())
		if name == "file" {
			f.filename = base(part.FileName())
			f.file = part
			limited.lifted = true
			return f, nil
		}
		value, err := io.ReadAll(part)
		if err != nil {
			return nil, formError(err)
		}
		if size += len(name) + len(value); size > maxFormFields {
			return nil, formError(errBudget)
		}
		if _, twice := f.fields[name]; twice || name == "" {
			return nil, invalidArgument(name, "", "POST requires each field once")
		}
		f.fields[name] = string(value)
	}
	return nil, formError(errBudget)
}

// base returns the last element of a path of any system.
func base(path string) string {
	return path[strings.LastIndexAny(path, `/\`)+1:]
}

var errBudget = errors.New("s3api: form fields exceed their limit")

// formError says what is wrong with a form that could not be read.
func formError(err error) error {
	if errors.Is(err, errBudget) {
		return awserr.New(400, "MaxPostPreDataLengthExceeded", "Your POST request fields preceding the upload file were too large.").
			With("MaxPostPreDataLengthBytes", itoa(maxFormFields))
	}
	if awserr.As(err) != nil {
		return err
	}
	return malformedForm(err)
}

func malformedForm(cause error) error {
	return awserr.New(400, "MalformedPOSTRequest", "The body of your POST request is not well-formed multipart/form-data.").Because(cause)
}

// A budget fails after a number of bytes, until it is lifted.
type budget struct {
	r      io.Reader
	left   int
	lifted bool
}

func (b *budget) Read(p []byte) (int, error) {
	if b.lifted {
		return b.r.Read(p)
	}
	if b.left <= 0 {
		return 0, errBudget
	}
	n, err := b.r.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// A formFile yields the file of a form and fails unless its size is in the range
// of the policy.
type formFile struct {
	r           io.Reader
	read        int64
	least, most int64
}

func (f *formFile) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	f.read += int64(n)
	switch {
	case f.read > f.most:
		return 0, tooLarge(f.read, f.most)
	case err == io.EOF && f.read < f.least:
		return 0, awserr.New(400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size").
			With("ProposedSize", itoa(f.read)).With("MinSizeAllowed", itoa(f.least))
	case err != nil && err != io.EOF:
		return n, formError(err)
	}
	return n, err
}

// putInput turns the fields into the input that the headers of a PutObject make.
// A field about encryption that is not known is refused, as such a header is.
func (f *form) putInput(c *call) (*s3.PutObjectInput, error) {
	meta := map[string]string{}
	for name, value := range f.fields {
		switch {
		case strings.HasPrefix(name, metaPrefix):
			if !isToken(name) {
				return nil, invalidArgument(name, "", "The name of a metadata field must be one of a header")
			}
			meta[name[len(metaPrefix):]] = value
		case strings.HasPrefix(name, "x-amz-"):
			if err := checkFormField(name); err != nil {
				return nil, err
			}
		}
	}
	if err := checkMetadata(meta); err != nil {
		return nil, err
	}
	get := func(name string) string { return f.fields[name] }
	// Headers of a later read: in ISO 8859-1 and on one line.
	var bad string
	header := func(name string) string {
		value, ok := latin1(get(name))
		if !ok {
			bad = name
		}
		return value
	}
	in := &s3.PutObjectInput{
		Bucket: c.bucket, Key: c.key, Post: true,
		Attributes: s3.Attributes{
			ContentType:             header("content-type"),
			CacheControl:            header("cache-control"),
			ContentDisposition:      header("content-disposition"),
			ContentEncoding:         header("content-encoding"),
			ContentLanguage:         header("content-language"),
			Expires:                 header("expires"),
			WebsiteRedirectLocation: header("x-amz-website-redirect-location"),
			StorageClass:            header("x-amz-storage-class"),
			Metadata:                meta,
		},
		Encryption: s3.Encryption{
			Algorithm:        get("x-amz-server-side-encryption"),
			KMSKeyID:         get("x-amz-server-side-encryption-aws-kms-key-id"),
			Context:          get("x-amz-server-side-encryption-context"),
			BucketKeyEnabled: get("x-amz-server-side-encryption-bucket-key-enabled"),
		},
		Customer: s3.CustomerKey{
			Algorithm: get("x-amz-server-side-encryption-customer-algorithm"),
			Key:       s3.Secret(get("x-amz-server-side-encryption-customer-key")),
			KeyMD5:    get("x-amz-server-side-encryption-customer-key-md5"),
		},
		ACL:    s3.ACL{Canned: get("acl")},
		Upload: s3.Upload{Length: -1, ContentMD5: get("content-md5")},
	}
	if bad != "" {
		return nil, invalidArgument(bad, "", "Header value cannot be represented using ISO-8859-1.")
	}
	if in.ACL.Canned == "" {
		in.ACL.Canned = get("x-amz-acl")
	}
	in.Lock = s3.ObjectLock{Mode: get("x-amz-object-lock-mode"), RetainUntil: get("x-amz-object-lock-retain-until-date"),
		LegalHold: get("x-amz-object-lock-legal-hold")}
	var err error
	if in.Tagging, err = formTags(f.fields); err != nil {
		return nil, err
	}
	return in, f.checksum(&in.Upload)
}

// formFields are the x-amz- fields that a form may have.
var formFields = []string{"x-amz-signature", "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-security-token",
	"x-amz-acl", "x-amz-storage-class", "x-amz-website-redirect-location", "x-amz-checksum-algorithm",
	"x-amz-sdk-checksum-algorithm", "x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date", "x-amz-object-lock-legal-hold"}

func checkFormField(name string) error {
	kind := amzHeaders[name]
	switch {
	case slices.Contains(formFields, name), isChecksumHeader(name), kind == isSSE, kind == isSSEC:
		return nil
	case strings.Contains(name, "server-side-encryption"):
		return invalidArgument(name, "", "The encryption field %s is not known", name)
	}
	return notImplemented(name)
}

// formTags turns the tagging field, an XML document, into the form of the header.
func formTags(fields map[string]string) (string, error) {
	document, ok := fields["tagging"]
	if !ok {
		return "", nil
	}
	tags, err := restxml.DecodeTagging([]byte(document))
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for i, t := range tags.Tags {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(url.QueryEscape(t.Key) + "=" + url.QueryEscape(t.Value))
	}
	return b.String(), nil
}

// checksum reads the checksum fields.
func (f *form) checksum(u *s3.Upload) error {
	h := http.Header{}
	if u.ContentMD5 != "" {
		h.Set("Content-MD5", u.ContentMD5)
	}
	if err := checkContentMD5(h); err != nil {
		return err
	}
	for name, value := range f.fields {
		if !isChecksumHeader(name) {
			continue
		}
		a, err := checksum.ParseHeader(name)
		if err != nil {
			return errChecksumAlgorithm()
		}
		if u.Algorithm != "" {
			return errManyChecksums()
		}
		if _, err := a.Decode(value); err != nil {
			return invalidRequest("Value for %s header is invalid.", name)
		}
		u.Algorithm, u.Checksum = a, value
	}
	for _, field := range []string{"x-amz-checksum-algorithm", "x-amz-sdk-checksum-algorithm"} {
		named := f.fields[field]
		if named == "" {
			continue
		}
		a, err := checksum.Parse(named)
		if err != nil {
			return errChecksumAlgorithm()
		}
		if u.Algorithm == "" {
			u.Algorithm = a
		}
		if u.Algorithm != a {
			return invalidRequest("Value for %s header is invalid.", field)
		}
	}
	return nil
}

// answerForm answers as the form asks: with a redirect, or with a status.
func (c *call) answerForm(f *form, out *s3.PutObjectOutput) error {
	h := c.w.Header()
	setETag(h, out.ETag)
	setVersion(h, out.VersionID)
	setSSE(h, out.SSE, true)
	setChecksums(h, out.Checksums)
	redirect := f.fields["success_action_redirect"]
	if redirect == "" {
		redirect = f.fields["redirect"]
	}
	if u := redirectURL(redirect); u != nil {
		q := u.Query()
		q.Set("bucket", c.bucket)
		q.Set("key", c.key)
		q.Set("etag", `"`+out.ETag+`"`)
		u.RawQuery = q.Encode()
		h.Set("Location", u.String())
		return c.empty(http.StatusSeeOther)
	}
	location := c.location()
	h.Set("Location", location)
	switch status, _ := strconv.Atoi(f.fields["success_action_status"]); status {
	case http.StatusCreated:
		return c.document(status, &restxml.PostResponse{Location: location, Bucket: c.bucket, Key: c.key, ETag: out.ETag})
	case http.StatusOK:
		return c.empty(status)
	}
	return c.empty(http.StatusNoContent)
}

// redirectURL returns where a form sends the browser: an absolute http or https
// URL. Anything else counts as absent, as in S3.
func redirectURL(s string) *url.URL {
	if s == "" || strings.ContainsAny(s, "\r\n\t\x00") {
		return nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil
	}
	return u
}
