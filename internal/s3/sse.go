package s3

import (
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/netip"
	"strconv"
	"strings"

	"coffer/internal/arn"
	"coffer/internal/awserr"
	"coffer/internal/checksum"
	"coffer/internal/object"
	"coffer/internal/sealed"
)

// Values of x-amz-server-side-encryption.
const (
	algorithmS3   = "AES256"
	algorithmKMS  = "aws:kms"
	algorithmDSSE = "aws:kms:dsse"
)

const headerSSE = "x-amz-server-side-encryption"

// A plan is how a write will be sealed, before any key was asked for.
type plan struct {
	mode        sealed.Mode
	keyID       string // KMS modes; empty means aws/s3
	context     map[string]string
	contextSent string
	customer    sealed.Secret
	customerMD5 string
	byDefault   bool // nothing about encryption was in the request
}

// plan decides how a write is sealed, from the request's headers and the
// bucket's default. What it does not know or can't honour it refuses.
func (r *request) plan(e Encryption, k CustomerKey) (*plan, error) {
	if !k.IsZero() {
		if !e.IsZero() {
			return nil, invalidArgument(headerSSE, e.Algorithm, "Server Side Encryption with Customer provided key is incompatible with the encryption method specified")
		}
		if r.bucket.Encryption.BlocksCustomerKeys() {
			return nil, awserr.New(403, "AccessDenied", "Access Denied: server-side encryption with customer-provided keys (SSE-C) is blocked on this bucket (BlockedEncryptionTypes)")
		}
		p := &plan{mode: sealed.ModeCustomer, customerMD5: k.KeyMD5}
		var err error
		p.customer, err = r.customerKey(k)
		return p, err
	}
	def := r.bucket.Encryption
	p := &plan{byDefault: e.Algorithm == ""}
	algorithm := e.Algorithm
	if algorithm == "" {
		algorithm, p.keyID = def.Algorithm, def.KMSMasterKeyID
	}
	switch algorithm {
	case algorithmS3:
		p.mode = sealed.ModeS3
		if e.KMSKeyID != "" || e.Context != "" {
			return nil, invalidArgument(headerSSE, e.Algorithm, "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms")
		}
	case algorithmKMS:
		p.mode = sealed.ModeKMS
	case algorithmDSSE:
		p.mode = sealed.ModeDSSE
	default:
		return nil, invalidArgument(headerSSE, algorithm, "The encryption method specified is not supported")
	}
	if e.KMSKeyID != "" {
		if e.Algorithm == "" {
			return nil, invalidArgument(headerSSE, "null", "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms")
		}
		p.keyID = e.KMSKeyID
	}
	var err error
	if p.context, err = parseContext(e.Context); err != nil {
		return nil, err
	}
	p.contextSent = e.Context
	bucketKey := def.BucketKeyEnabled
	switch e.BucketKeyEnabled {
	case "":
	case "true", "false":
		bucketKey = e.BucketKeyEnabled == "true"
		if bucketKey && p.mode == sealed.ModeDSSE {
			return nil, invalidArgument(headerSSE+"-bucket-key-enabled", "true", "S3 Bucket Keys are not supported for dual-layer server-side encryption with AWS KMS keys (DSSE-KMS)")
		}
	default:
		return nil, invalidArgument(headerSSE+"-bucket-key-enabled", e.BucketKeyEnabled, "The bucket key enabled header must be true or false")
	}
	if bucketKey && p.mode == sealed.ModeKMS {
		p.mode = sealed.ModeBucketKey
	}
	return p, nil
}

// maxContext bounds the encryption context that a client sends, in bytes of its
// base64 text. KMS keeps it in the trail.
const maxContext = 8 << 10

// parseContext decodes the header x-amz-server-side-encryption-context. The
// pairs that S3 itself sets can't be named.
func parseContext(s string) (map[string]string, error) {
	if s == "" {
		return nil, nil
	}
	bad := invalidArgument(headerSSE+"-context", s, "The header 'x-amz-server-side-encryption-context' shall be Base64-encoded UTF-8 string holding JSON which represents a string-string map")
	if len(s) > maxContext {
		return nil, bad
	}
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return nil, bad
	}
	var pairs map[string]*string
	if err := json.Unmarshal(b, &pairs); err != nil || pairs == nil {
		return nil, bad
	}
	out := make(map[string]string, len(pairs))
	for k, v := range pairs {
		if v == nil || k == "" {
			return nil, bad
		}
		if strings.HasPrefix(k, "aws:") {
			return nil, invalidArgument(headerSSE+"-context", s, "The encryption context can't name %s, which is reserved", strconv.Quote(k))
		}
		out[k] = *v
	}
	return out, nil
}

// customerKey checks the SSE-C headers and returns the key.
//
// Source of the texts: recorded answers of Amazon S3.
func (r *request) customerKey(k CustomerKey) (key sealed.Secret, err error) {
	const prefix = "Requests specifying Server Side Encryption with Customer provided keys must "
	const header = headerSSE + "-customer-"
	if !r.c.SecureTransport && !isLoopback(r.c.SourceIP) {
		return key, invalidRequest(prefix + "be made over a secure connection.")
	}
	if k.Algorithm == "" {
		return key, invalidArgument(header+"algorithm", "null", prefix+"provide a valid encryption algorithm.")
	}
	if k.Algorithm != algorithmS3 {
		return key, awserr.New(400, "InvalidEncryptionAlgorithmError", "The Encryption request you specified is not valid. Supported value: AES256.").
			With("ArgumentName", header+"algorithm").With("ArgumentValue", k.Algorithm)
	}
	if k.Key == "" {
		return key, invalidArgument(header+"key", "null", prefix+"provide an appropriate secret key.")
	}
	if k.KeyMD5 == "" {
		return key, invalidArgument(header+"key-MD5", "null", prefix+"provide the client calculated MD5 of the secret key.")
	}
	raw, err := base64.StdEncoding.DecodeString(string(k.Key))
	if err != nil || len(raw) != len(key) {
		return key, invalidArgument(header+"key", "", "The secret key was invalid for the specified algorithm.")
	}
	defer clear(raw)
	want, err := base64.StdEncoding.DecodeString(k.KeyMD5)
	if err != nil || subtle.ConstantTimeCompare(want, checksum.MD5.Sum(raw)) != 1 {
		return key, invalidArgument(header+"key-MD5", k.KeyMD5, "The calculated MD5 hash of the key did not match the hash that was provided.")
	}
	copy(key[:], raw)
	return key, nil
}

func isLoopback(ip string) bool {
	a, err := netip.ParseAddr(ip)
	return err == nil && a.Unmap().IsLoopback()
}

// sealing asks for the key that a plan needs, as the caller.
func (r *request) sealing(p *plan) (*object.Sealing, error) {
	out := &object.Sealing{Mode: p.mode}
	switch p.mode {
	case sealed.ModeS3:
		return out, nil
	case sealed.ModeCustomer:
		out.Secret, out.KeyMD5 = p.customer, p.customerMD5
		return out, nil
	}
	keyID := p.keyID
	if keyID == "" {
		var err error
		if keyID, err = r.s.keys.ManagedS3Key(r.ctx, r.c); err != nil {
			return nil, kmsError(err)
		}
	}
	if err := r.subject(p, keyID); err != nil {
		return nil, err
	}
	out.Mode = p.mode
	out.Context = map[string]string{"aws:s3:arn": arn.Object(r.bucketName, r.key)}
	if p.mode == sealed.ModeBucketKey {
		out.Context["aws:s3:arn"] = arn.Bucket(r.bucketName)
	}
	maps.Copy(out.Context, p.context)
	out.ContextSent = p.contextSent
	if p.mode == sealed.ModeBucketKey {
		return out, r.bucketKey(out, keyID)
	}
	plain, blob, keyARN, err := r.s.keys.NewDataKey(r.ctx, r.c, keyID, out.Context)
	if err != nil {
		return nil, kmsError(err)
	}
	out.Secret, out.KeyBlob, out.KeyARN = plain, blob, keyARN
	if out.Part, err = r.s.keys.Part(r.ctx, keyARN, out.Context); err != nil {
		out.Wipe()
		return nil, kmsError(err)
	}
	return out, nil
}

// secret returns what opens content: the client's key, or the data key that KMS
// opens as the caller. It refuses a client's key for content that has none, and
// asks for one where it is missing.
func (r *request) secret(w *object.Wrap, k CustomerKey) (*sealed.Secret, error) {
	mode, err := w.Mode()
	if err != nil {
		return nil, err
	}
	var secret sealed.Secret
	if mode == sealed.ModeCustomer {
		if k.IsZero() {
			return nil, invalidRequest("The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.")
		}
		secret, err = r.customerKey(k)
		return &secret, err
	}
	if !k.IsZero() {
		return nil, invalidRequest("The encryption parameters are not applicable to this object.")
	}
	if mode != sealed.ModeS3 {
		if secret, err = r.s.keys.OpenDataKey(r.ctx, r.c, w.KeyARN, w.KeyBlob, w.Context); err != nil {
			return nil, kmsError(err)
		}
	}
	return &secret, nil
}

// shape refuses a read whose SSE-C headers do not go with the content, before
// anything else about the content is told.
func (r *request) shape(w *object.Wrap, k CustomerKey) error {
	mode, err := w.Mode()
	if err != nil {
		return err
	}
	switch {
	case mode == sealed.ModeCustomer && k.IsZero():
		return invalidRequest("The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.")
	case mode != sealed.ModeCustomer && !k.IsZero():
		return invalidRequest("The encryption parameters are not applicable to this object.")
	}
	return nil
}

// sse returns how content is sealed, as answers show it.
func sse(w *object.Wrap) SSE {
	mode, err := w.Mode()
	if err != nil {
		return SSE{}
	}
	switch mode {
	case sealed.ModeCustomer:
		return SSE{CustomerAlgorithm: algorithmS3, CustomerKeyMD5: w.KeyMD5}
	case sealed.ModeKMS, sealed.ModeBucketKey:
		return SSE{Algorithm: algorithmKMS, KMSKeyID: w.KeyARN, BucketKeyEnabled: mode == sealed.ModeBucketKey, Context: w.ContextSent}
	case sealed.ModeDSSE:
		return SSE{Algorithm: algorithmDSSE, KMSKeyID: w.KeyARN, Context: w.ContextSent}
	}
	return SSE{Algorithm: algorithmS3}
}

// noteSSE puts into the trail how a request's object is sealed, in CloudTrail's
// words.
//
// Source: Amazon S3 User Guide, "Amazon S3 CloudTrail events", SSEApplied, read
// 2026-11-21.
func (r *request) noteSSE(mode sealed.Mode, byDefault bool) {
	name := map[sealed.Mode]string{
		sealed.ModeS3: "SSE_S3", sealed.ModeKMS: "SSE_KMS", sealed.ModeBucketKey: "SSE_KMS",
		sealed.ModeDSSE: "DSSE_KMS", sealed.ModeCustomer: "SSE_C",
	}[mode]
	if byDefault {
		name = "Default_" + name
	}
	r.Additional("SSEApplied", name)
}
