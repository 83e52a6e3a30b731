package sigv4

import (
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Signer signs requests as a client of one service in one region. It prints
// without its secret and is safe for concurrent use.
type Signer struct {
	accessKeyID, secret, region, service string
	keys                                 KeyCache
}

// NewSigner returns a signer with an access key.
func NewSigner(accessKeyID, secret, region, service string) *Signer {
	return &Signer{accessKeyID: accessKeyID, secret: secret, region: region, service: service}
}

// String names the access key, not its secret.
func (s *Signer) String() string {
	return "sigv4.Signer(" + s.accessKeyID + "/" + s.region + "/" + s.service + ")"
}

// Format writes what String returns, for every verb.
func (s *Signer) Format(f fmt.State, _ rune) { io.WriteString(f, s.String()) }

// MarshalJSON returns what String returns.
func (s *Signer) MarshalJSON() ([]byte, error) { return []byte(strconv.Quote(s.String())), nil }

// unsigned are the headers that change on the way, or that clients set late.
var unsigned = []string{
	"Accept-Encoding", "Authorization", "Connection", "Expect", "Transfer-Encoding", "User-Agent", "X-Amzn-Trace-Id",
}

// Sign sets X-Amz-Date, X-Amz-Content-Sha256 (for S3 alone) and Authorization in
// r.Header and returns the chain that signs the chunks of a streamed payload. All
// headers that r then has are signed, but those that change on the way. The payload
// hash is the hexadecimal SHA-256 of the body, or one of the names that stand in its
// place.
func (s *Signer) Sign(r *Request, payloadHash string, at time.Time) *Chain {
	date, scope, key := s.at(at)
	r.Header["X-Amz-Date"] = []string{date}
	if s.service == ServiceS3 {
		r.Header["X-Amz-Content-Sha256"] = []string{payloadHash}
	}
	names := signedNames(r.Header)
	canonical := AppendCanonicalRequest(nil, r, s.service, names, payloadHash)
	signature := key.Sign(StringToSign(date, scope, canonical))
	r.Header["Authorization"] = []string{Algorithm + " Credential=" + s.credential(scope) +
		", SignedHeaders=" + names + ", Signature=" + signature}
	return NewChain(key, date, scope, signature)
}

// Presign returns the raw query that lets whoever has it send r until it expires,
// with exactly the headers that r has now. For S3 the payload hash is usually
// UnsignedPayload.
func (s *Signer) Presign(r *Request, payloadHash string, at time.Time, expires time.Duration) string {
	date, scope, key := s.at(at)
	names := signedNames(r.Header)
	query := url.Values{
		queryAlgorithm:     {Algorithm},
		queryCredential:    {s.credential(scope)},
		queryDate:          {date},
		queryExpires:       {strconv.FormatInt(int64(expires/time.Second), 10)},
		querySignedHeaders: {names},
	}
	if payloadHash != UnsignedPayload && r.Header["X-Amz-Content-Sha256"] == nil {
		query.Set(queryContentSHA256, payloadHash)
	}
	signed := *r
	signed.Presigned = true
	signed.RawQuery = strings.TrimPrefix(r.RawQuery+"&"+query.Encode(), "&")
	canonical := AppendCanonicalRequest(nil, &signed, s.service, names, payloadHash)
	return signed.RawQuery + "&" + querySignature + "=" + key.Sign(StringToSign(date, scope, canonical))
}

// at returns the date, the scope and the key of a moment.
func (s *Signer) at(t time.Time) (string, Scope, SigningKey) {
	date := t.UTC().Format(DateFormat)
	scope := Scope{date[:8], s.region, s.service}
	key, ok := s.keys.Get(s.secret, scope)
	if !ok {
		key = DeriveKey(s.secret, scope)
		s.keys.Put(s.secret, scope, key)
	}
	return date, scope, key
}

func (s *Signer) credential(scope Scope) string { return s.accessKeyID + "/" + scope.String() }

// signedNames returns the list of the headers to sign, host among them.
func signedNames(h map[string][]string) string {
	names := []string{"host"}
	for name := range h {
		if !slices.Contains(unsigned, name) && name != "Host" {
			names = append(names, strings.ToLower(name))
		}
	}
	slices.Sort(names)
	return strings.Join(names, ";")
}
