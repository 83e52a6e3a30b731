package authn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"coffer/internal/awserr"
	"coffer/internal/identity"
	"coffer/internal/sigv4"
)

// modes are all payload modes of a request with an Authorization header.
var modes = []string{"", sigv4.UnsignedPayload, sigv4.StreamingPayload, sigv4.StreamingPayloadTrailer, sigv4.StreamingUnsignedTrailer}

func TestS3PayloadModes(t *testing.T) {
	for _, mode := range modes {
		for _, size := range []int{0, 5, 3*sigv4.MinChunkSize + 1} {
			data := strings.Repeat("d", size)
			c, b, err := newTest().S3(wire(t, signed("PUT", "/bucket/key", mode, data)), Facts{RequestID: "R", HostID: "H"})
			if err != nil {
				t.Errorf("%s, %d bytes: %v", mode, size, err)
				continue
			}
			if c.Type != TypeRoot || c.Account != testAccount || c.AccessKeyID != testKeyID || c.ARN != "arn:aws:iam::123456789012:root" ||
				c.Region != "us-east-1" || c.Service != "s3" || c.AuthType != AuthHeader || c.SignatureVersion != "SigV4" || !c.SignedAt.Equal(testNow) ||
				c.SourceIP != "192.0.2.7" || c.Host != testHost || c.RequestID != "R" || c.HostID != "H" || c.BytesIn != int64(size) {
				t.Errorf("%s: caller = %+v", mode, c)
			}
			if b.Length() != int64(size) {
				t.Errorf("%s: Length = %d; want %d", mode, b.Length(), size)
			}
			got, err := io.ReadAll(b)
			if err != nil || string(got) != data {
				t.Errorf("%s: ReadAll = %d bytes, %v; want %d, <nil>", mode, len(got), err, size)
			}
			if strings.HasSuffix(mode, "TRAILER") != (b.Trailer()["x-amz-checksum-crc32"] == "AAAAAA==") {
				t.Errorf("%s: Trailer = %v", mode, b.Trailer())
			}
		}
	}
}

// TestS3BadSignature alters the signature of a request in every payload mode, and
// everything that it covers.
func TestS3BadSignature(t *testing.T) {
	want := answer{"SignatureDoesNotMatch", 403, "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
		map[string]string{"AWSAccessKeyId": testKeyID}}
	replace := func(old, new string) func(*http.Request) {
		return func(r *http.Request) {
			s := r.Header.Get("Authorization")
			r.Header.Set("Authorization", strings.Replace(s, old, new, 1))
		}
	}
	signature := func(value string) func(*http.Request) {
		return func(r *http.Request) {
			s, _, _ := strings.Cut(r.Header.Get("Authorization"), "Signature=")
			r.Header.Set("Authorization", s+"Signature="+value)
		}
	}
	tests := map[string]func(*http.Request){
		"zeros":              signature(strings.Repeat("0", 64)),
		"short":              signature("0"),
		"not hexadecimal":    signature(strings.Repeat("x", 64)),
		"long":               signature(strings.Repeat("0", 128)),
		"one digit":          func(r *http.Request) { flipLast(r) },
		"another method":     func(r *http.Request) { r.Method = "POST" },
		"another path":       func(r *http.Request) { r.URL.Path = "/bucket/other" },
		"another query":      func(r *http.Request) { r.URL.RawQuery = "acl" },
		"another host":       func(r *http.Request) { r.Host = "other.example.test" },
		"another header":     func(r *http.Request) { r.Header.Set("X-Amz-Meta-Color", "red") },
		"header gone":        func(r *http.Request) { r.Header.Del("X-Amz-Meta-Color") },
		"a header more":      replace("SignedHeaders=", "SignedHeaders=accept;"),
		"another region":     replace("/us-east-1/", "/us-west-2/"),
		"another time":       func(r *http.Request) { r.Header.Set("X-Amz-Date", "20261121T120001Z") },
		"another mode":       func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", sigv4.EmptySHA256) },
		"headers in capital": replace("x-amz-meta-color", "X-Amz-Meta-Color"),
	}
	for _, mode := range modes {
		for name, change := range tests {
			r := signed("PUT", "/bucket/key", mode, "hello", "X-Amz-Meta-Color", "blue")
			change(r)
			_, _, err := newTest().S3(wire(t, r), Facts{})
			if name == "headers in capital" {
				answer{"AccessDenied", 403, "There were headers present in the request which were not signed", nil}.check(t, err)
				continue
			}
			if !awserr.Is(err, "SignatureDoesNotMatch") {
				t.Errorf("%s, %s: error = %v", mode, name, err)
			}
			want.check(t, err)
		}
	}
}

func flipLast(r *http.Request) {
	s := []byte(r.Header.Get("Authorization"))
	s[len(s)-1] ^= 1
	r.Header.Set("Authorization", string(s))
}

func TestS3BadBody(t *testing.T) {
	data := strings.Repeat("d", sigv4.MinChunkSize) + "end"
	replace := func(old, new string) func(string) string {
		return func(s string) string { return strings.Replace(s, old, new, 1) }
	}
	mismatch := answer{code: "SignatureDoesNotMatch", status: 403}
	incomplete := answer{"IncompleteBody", 400, "The request body terminated unexpectedly", nil}
	tests := []struct {
		name, mode string
		change     func(string) string
		want       answer
	}{
		{"other data", "", replace("ddd", "dxd"), answer{"XAmzContentSHA256Mismatch", 400, "The provided 'x-amz-content-sha256' header does not match what was computed.",
			map[string]string{"ClientComputedContentSHA256": hashOf(data), "S3ComputedContentSHA256": hashOf(strings.Replace(data, "ddd", "dxd", 1))}}},
		{"shorter", "", func(s string) string { return s[:len(s)-1] }, answer{code: "XAmzContentSHA256Mismatch", status: 400}},
		{"longer", "", func(s string) string { return s + "x" }, answer{code: "XAmzContentSHA256Mismatch", status: 400}},
		{"other data in a chunk", sigv4.StreamingPayload, replace("ddd", "dxd"), mismatch},
		{"other data in the last chunk", sigv4.StreamingPayload, replace("end", "eod"), mismatch},
		{"wrong chunk signature", sigv4.StreamingPayload, replace("chunk-signature=", "chunk-signature=0"), mismatch},
		{"no chunk signature", sigv4.StreamingPayload, replace("chunk-signature=", "x="), incomplete},
		{"cut off", sigv4.StreamingPayload, func(s string) string { return s[:len(s)/2] }, incomplete},
		{"last chunk gone", sigv4.StreamingPayload, func(s string) string { return s[:strings.LastIndex(s, "\r\n0;")+2] }, incomplete},
		{"other data before signed trailers", sigv4.StreamingPayloadTrailer, replace("ddd", "dxd"), mismatch},
		{"other signed trailer", sigv4.StreamingPayloadTrailer, replace("AAAAAA==", "AAAAAB=="), mismatch},
		{"no trailer signature", sigv4.StreamingPayloadTrailer, replace("x-amz-trailer-signature:", "x-amz-checksum-crc32c:"), answer{code: "MalformedTrailerError", status: 400}},
		{"other trailer than declared", sigv4.StreamingUnsignedTrailer, replace("crc32:", "sha1:"), answer{code: "MalformedTrailerError", status: 400}},
		{"trailer gone", sigv4.StreamingUnsignedTrailer, replace("x-amz-checksum-crc32:AAAAAA==\r\n", ""), answer{code: "MalformedTrailerError", status: 400}},
		{"size is not hexadecimal", sigv4.StreamingUnsignedTrailer, replace("2000", "zz"), incomplete},
		{"small chunk", sigv4.StreamingUnsignedTrailer, func(s string) string { return "1\r\nd\r\n" + strings.Replace(s, "2000\r\nd", "1fff\r\n", 1) },
			answer{"InvalidChunkSizeError", 403, "Only the last chunk is allowed to have a size less than 8192 bytes", map[string]string{"Chunk": "2", "BadChunkSize": "1"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := signed("PUT", "/bucket/key", tt.mode, data)
			framed, err := io.ReadAll(r.Body)
			if err != nil {
				t.Fatal(err)
			}
			setBody(r, tt.change(string(framed)))
			_, b, err := newTest().S3(wire(t, r), Facts{})
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(b)
			tt.want.check(t, err)
			if len(got) >= len(data) {
				t.Errorf("%d of %d bytes were handed out before the error", len(got), len(data))
			}
			if n, again := b.Read(make([]byte, 1)); n != 0 || again == nil || again == io.EOF {
				t.Errorf("Read after the error = %d, %v", n, again)
			}
			if b.Trailer() != nil {
				t.Errorf("Trailer = %v; want none", b.Trailer())
			}
		})
	}
}

// TestS3BodyIsVerifiedWithoutEOF reads as many bytes as Length says, and no more.
func TestS3BodyIsVerifiedWithoutEOF(t *testing.T) {
	for _, mode := range []string{"", sigv4.StreamingPayload, sigv4.StreamingPayloadTrailer} {
		r := signed("PUT", "/bucket/key", mode, "hello")
		framed, _ := io.ReadAll(r.Body)
		setBody(r, strings.Replace(string(framed), "hello", "jello", 1))
		got := wire(t, r)
		got.Body = io.NopCloser(lateEOF{got.Body})
		_, b, err := newTest().S3(got, Facts{})
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.ReadFull(b, make([]byte, b.Length())); err == nil {
			t.Errorf("%s: ReadFull = %d, <nil>; want an error", mode, n)
		}
	}
}

// A lateEOF returns io.EOF alone, after the data.
type lateEOF struct{ io.Reader }

func (r lateEOF) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

func TestS3EmptyBodyIsVerified(t *testing.T) {
	r := newRequest("PUT", "/bucket/key")
	newSigner("s3").Sign(unsigned(r), hashOf("hello"), testNow)
	_, _, err := newTest().S3(wire(t, r), Facts{})
	answer{code: "XAmzContentSHA256Mismatch", status: 400}.check(t, err)
}

func TestS3HeaderRefused(t *testing.T) {
	malformed := func(detail string) answer {
		return answer{"AuthorizationHeaderMalformed", 400, "The authorization header is malformed; " + detail, nil}
	}
	argument := func(message, name, value string) answer {
		return answer{"InvalidArgument", 400, message, map[string]string{"ArgumentName": name, "ArgumentValue": value}}
	}
	invalid := func(message string) answer { return answer{"InvalidRequest", 400, message, nil} }
	denied := func(message string) answer { return answer{"AccessDenied", 403, message, nil} }
	notSigned := func(names string) answer {
		return answer{"AccessDenied", 403, "There were headers present in the request which were not signed", map[string]string{"HeadersNotSigned": names}}
	}
	skewed := func(date string) answer {
		return answer{"RequestTimeTooSkewed", 403, "The difference between the request time and the current time is too large.",
			map[string]string{"RequestTime": date, "ServerTime": "2026-11-21T12:00:00Z", "MaxAllowedSkewMilliseconds": "900000"}}
	}
	unknown := func(id string) answer {
		return answer{"InvalidAccessKeyId", 403, "The AWS Access Key Id you provided does not exist in our records.", map[string]string{"AWSAccessKeyId": id}}
	}
	components := malformed("the authorization header requires three components: Credential, SignedHeaders, and Signature.")
	version2 := invalid("The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.")

	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	add := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Add(name, value) }
	}
	del := func(name string) func(*http.Request) { return func(r *http.Request) { r.Header.Del(name) } }
	replace := func(old, new string) func(*http.Request) {
		return func(r *http.Request) {
			s := r.Header.Get("Authorization")
			if !strings.Contains(s, old) {
				panic(old + " is not in " + s)
			}
			r.Header.Set("Authorization", strings.Replace(s, old, new, 1))
		}
	}
	cut := func(from string) func(*http.Request) {
		return func(r *http.Request) {
			s, _, _ := strings.Cut(r.Header.Get("Authorization"), from)
			r.Header.Set("Authorization", s)
		}
	}
	query := func(q string) func(*http.Request) { return func(r *http.Request) { r.URL.RawQuery = q } }
	at := func(offset time.Duration) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Del("Authorization")
			newSigner("s3").Sign(unsigned(r), sigv4.EmptySHA256, testNow.Add(offset))
		}
	}
	tests := []struct {
		name   string
		change func(*http.Request)
		want   answer
	}{
		{"no signature", cut(", Signature"), components},
		{"empty signature", func(r *http.Request) { cut("Signature=")(r); replace("aws4_request,", "aws4_request, Signature=,")(r) }, components},
		{"no credential", replace("Credential=", "Cred="), components},
		{"no signed headers", replace("SignedHeaders=host;x-amz-content-sha256;x-amz-date,", ""), components},
		{"signature twice", func(r *http.Request) {
			r.Header.Set("Authorization", r.Header.Get("Authorization")+", Signature="+strings.Repeat("0", 64))
		}, components},
		{"four parts", replace("/us-east-1", ""), malformed(`the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".`)},
		{"no key", replace(testKeyID, ""), malformed("a non-empty Access Key (AKID) must be provided in the credential.")},
		{"no region", replace("/us-east-1/", "//"), malformed("a non-empty region must be provided in the credential.")},
		{"odd region", replace("/us-east-1/", "/US_EAST/"), answer{"AuthorizationHeaderMalformed", 400,
			"The authorization header is malformed; the region 'US_EAST' is wrong; expecting 'us-east-1'", map[string]string{"Region": "us-east-1"}}},
		{"another service", replace("/s3/", "/kms/"), malformed(`incorrect service "kms". This endpoint belongs to "s3".`)},
		{"another terminator", replace("aws4_request", "aws4_reques"), malformed(`incorrect terminal "aws4_reques". This endpoint uses "aws4_request".`)},
		{"odd scope date", replace("/20261121/", "/2026112/"), malformed(`incorrect date format "2026112". This date in the credential must be in the format "yyyyMMdd".`)},
		{"scope of another day", replace("/20261121/", "/20261120/"), malformed("Invalid credential date. Date is not the same as X-Amz-Date.")},

		{"no space", set("Authorization", "AWS4-HMAC-SHA256"), argument("Authorization header is invalid -- one and only one ' ' (space) required", "Authorization", "")},
		{"bearer token", set("Authorization", "Bearer t0ken"), argument("Unsupported Authorization Type", "Authorization", "Bearer")},
		{"version 2", set("Authorization", "AWS "+testKeyID+":frJIUN8DYpKDtOLCwo//yllqDzg="), version2},
		{"version 2 in the query", func(r *http.Request) {
			r.Header.Del("Authorization")
			r.URL.RawQuery = "AWSAccessKeyId=" + testKeyID + "&Expires=1&Signature=x"
		}, version2},
		{"version 4A", replace("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), answer{"NotImplemented", 501, "", map[string]string{"Header": "Authorization"}}},

		{"query beside the header", query("X-Amz-Algorithm=AWS4-HMAC-SHA256"), argument(oneMechanism, "Authorization", "AWS4-HMAC-SHA256")},
		{"escaped query beside the header", query("X-Amz-Algorith%6d=AWS4-HMAC-SHA256"), argument(oneMechanism, "Authorization", "AWS4-HMAC-SHA256")},
		{"version 2 query beside the header", query("Signature=x"), argument(oneMechanism, "Authorization", "AWS4-HMAC-SHA256")},
		{"whole presigned query beside the header", func(r *http.Request) { r.URL.RawQuery = presigned("GET", "/bucket/key").URL.RawQuery }, argument(oneMechanism, "Authorization", "AWS4-HMAC-SHA256")},
		{"header beside a presigned query", func(r *http.Request) { *r = *presigned("GET", "/bucket/key", "Authorization", "Basic YTpi") }, argument(oneMechanism, "Authorization", "Basic")},
		{"both queries", func(r *http.Request) { r.Header.Del("Authorization"); r.URL.RawQuery = "X-Amz-Algorithm=x&Signature=y" }, argument(oneMechanism, "Authorization", "")},

		{"two authorizations", add("Authorization", "AWS4-HMAC-SHA256 x"), argument("The header Authorization may occur only once.", "Authorization", "")},
		{"two dates", add("X-Amz-Date", "20261121T120000Z"), argument("The header X-Amz-Date may occur only once.", "X-Amz-Date", "")},
		{"two payload hashes", add("X-Amz-Content-Sha256", sigv4.EmptySHA256), argument("The header X-Amz-Content-Sha256 may occur only once.", "X-Amz-Content-Sha256", "")},

		{"no date", del("X-Amz-Date"), denied("AWS authentication requires a valid Date or x-amz-date header")},
		{"odd date", set("X-Amz-Date", "2026-11-21T12:00:00Z"), denied("AWS authentication requires a valid Date or x-amz-date header")},
		{"too old", at(-15*time.Minute - time.Second), skewed("20261121T114459Z")},
		{"too new", at(15*time.Minute + time.Second), skewed("20261121T121501Z")},
		{"1970", at(-time.Duration(testNow.Unix()) * time.Second), skewed("19700101T000000Z")},

		{"no payload hash", del("X-Amz-Content-Sha256"), invalid("Missing required header for this request: x-amz-content-sha256")},
		{"odd payload hash", set("X-Amz-Content-Sha256", "e3b0"), argument(payloadNames, "x-amz-content-sha256", "e3b0")},
		{"unknown payload mode", set("X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD"), argument(payloadNames, "x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD")},
		{"payload of version 4A", set("X-Amz-Content-Sha256", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"), answer{code: "NotImplemented", status: 501}},
		{"payload of version 4A with trailer", set("X-Amz-Content-Sha256", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER"), answer{code: "NotImplemented", status: 501}},
		{"streamed without length", set("X-Amz-Content-Sha256", sigv4.StreamingPayload), answer{"MissingContentLength", 411, "You must provide the Content-Length HTTP header.", nil}},
		{"streamed with odd length", func(r *http.Request) {
			r.Header.Set("X-Amz-Content-Sha256", sigv4.StreamingPayload)
			r.Header.Set("X-Amz-Decoded-Content-Length", "-1")
		}, answer{code: "InvalidArgument", status: 400}},
		{"framed but not declared", func(r *http.Request) {
			r.Header.Set("X-Amz-Content-Sha256", sigv4.UnsignedPayload)
			r.Header.Set("X-Amz-Decoded-Content-Length", "5")
			r.Header.Set("Content-Encoding", "gzip, aws-chunked")
		}, invalid("The value of x-amz-content-sha256 header is invalid.")},

		{"host not signed", replace("=host;", "="), notSigned("host")},
		{"date not signed", replace(";x-amz-date", ""), notSigned("x-amz-date")},
		{"copy source not signed", set("X-Amz-Copy-Source", "/other/secret"), notSigned("x-amz-copy-source")},
		{"several not signed", func(r *http.Request) {
			set("X-Amz-Tagging", "a=b")(r)
			set("X-Amz-Acl", "public-read")(r)
		}, notSigned("x-amz-acl, x-amz-tagging")},
		{"customer key not signed", set("X-Amz-Server-Side-Encryption-Customer-Key", "a2V5"), notSigned("x-amz-server-side-encryption-customer-key")},
		{"session token not signed", set("X-Amz-Security-Token", "t"), notSigned("x-amz-security-token")},
		{"session token", func(r *http.Request) {
			set("X-Amz-Security-Token", "t")(r)
			at(0)(r)
		}, answer{"InvalidToken", 400, "The provided token is malformed or otherwise invalid.", nil}},

		{"unknown key", replace(testKeyID, "AKIAUNKNOWN"), unknown("AKIAUNKNOWN")},
		{"inactive key", replace(testKeyID, "AKIAINACTIVE"), unknown("AKIAINACTIVE")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := signed("GET", "/bucket/key", "", "")
			tt.change(r)
			c, b, err := newTest().S3(wire(t, r), Facts{})
			if c != nil || b != nil {
				t.Errorf("S3 = %v, %v; want nil, nil", c, b)
			}
			tt.want.check(t, err)
			if strings.Contains(err.Error(), "t0ken") {
				t.Errorf("the error repeats the token: %v", err)
			}
		})
	}
}

func TestS3QueryRefused(t *testing.T) {
	parameters := func(message string) answer {
		return answer{"AuthorizationQueryParametersError", 400, message, nil}
	}
	required := parameters("Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.")
	notSigned := func(names string) answer {
		return answer{"AccessDenied", 403, "There were headers present in the request which were not signed", map[string]string{"HeadersNotSigned": names}}
	}
	mismatch := answer{code: "SignatureDoesNotMatch", status: 403}
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) {
			q := r.URL.Query()
			q.Set(name, value)
			r.URL.RawQuery = q.Encode()
		}
	}
	del := func(name string) func(*http.Request) {
		return func(r *http.Request) {
			q := r.URL.Query()
			q.Del(name)
			r.URL.RawQuery = q.Encode()
		}
	}
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	credential := func(s string) func(*http.Request) { return set("X-Amz-Credential", s) }
	at := func(offset, expires time.Duration) func(*http.Request) {
		return func(r *http.Request) {
			r.URL.RawQuery = newSigner("s3").Presign(&sigv4.Request{Method: "PUT", Path: "/bucket/key", Host: testHost, Header: r.Header}, sigv4.UnsignedPayload, testNow.Add(offset), expires)
		}
	}
	tests := []struct {
		name   string
		change func(*http.Request)
		want   answer
	}{
		{"no credential", del("X-Amz-Credential"), required},
		{"no date", del("X-Amz-Date"), required},
		{"no expiry", del("X-Amz-Expires"), required},
		{"no signed headers", del("X-Amz-SignedHeaders"), required},
		{"no signature", del("X-Amz-Signature"), required},
		{"empty signature", set("X-Amz-Signature", ""), required},
		{"another algorithm", set("X-Amz-Algorithm", "AWS4-HMAC-SHA1"), parameters(`X-Amz-Algorithm only supports "AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256"`)},
		{"version 4A", set("X-Amz-Algorithm", "AWS4-ECDSA-P256-SHA256"), answer{code: "NotImplemented", status: 501}},
		{"odd date", set("X-Amz-Date", "yesterday"), parameters(`X-Amz-Date must be in the ISO8601 Long Format "yyyyMMdd'T'HHmmss'Z'"`)},
		{"expiry is not a number", set("X-Amz-Expires", "1h"), parameters("X-Amz-Expires should be a number")},
		{"expiry is negative", set("X-Amz-Expires", "-1"), parameters("X-Amz-Expires must be non-negative")},
		{"expiry is long", set("X-Amz-Expires", "604801"), parameters("X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds")},
		{"expiry twice", func(r *http.Request) { r.URL.RawQuery += "&X-Amz-Expires=600" }, parameters("Query-string authentication version 4 allows each of its parameters only once.")},
		{"expired", at(-time.Minute, time.Minute), answer{"AccessDenied", 403, "Request has expired",
			map[string]string{"X-Amz-Expires": "60", "Expires": "2026-11-21T12:00:00Z", "ServerTime": "2026-11-21T12:00:00Z"}}},
		{"expires at once", at(0, 0), answer{"AccessDenied", 403, "Request has expired", nil}},
		{"not yet valid", at(15*time.Minute+time.Second, time.Minute), answer{"AccessDenied", 403, "Request is not yet valid", map[string]string{"ServerTime": "2026-11-21T12:00:00Z"}}},
		{"four parts", credential("a/b/c/d"), parameters(`Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".`)},
		{"another service", credential(testKeyID + "/20261121/us-east-1/kms/aws4_request"), parameters(`Error parsing the X-Amz-Credential parameter; incorrect service "kms". This endpoint belongs to "s3".`)},
		{"another terminator", credential(testKeyID + "/20261121/us-east-1/s3/x"), parameters(`Error parsing the X-Amz-Credential parameter; incorrect terminal "x". This endpoint uses "aws4_request".`)},
		{"scope of another day", credential(testKeyID + "/20261120/us-east-1/s3/aws4_request"), parameters(`Invalid credential date "20261120". This date is not the same as X-Amz-Date: "20261121".`)},
		{"unknown key", credential("AKIAUNKNOWN/20261121/us-east-1/s3/aws4_request"), answer{"InvalidAccessKeyId", 403, "", map[string]string{"AWSAccessKeyId": "AKIAUNKNOWN"}}},
		{"token", set("X-Amz-Security-Token", "t"), answer{code: "InvalidToken", status: 400}},
		{"short signature", set("X-Amz-Signature", "00"), mismatch},
		{"longer life", set("X-Amz-Expires", "600"), mismatch},
		{"one more parameter", set("versionId", "null"), mismatch},
		{"another path", func(r *http.Request) { r.URL.Path = "/bucket/other" }, mismatch},
		{"another method", func(r *http.Request) { r.Method = "DELETE" }, mismatch},
		{"host not signed", set("X-Amz-SignedHeaders", "x-amz-meta-color"), notSigned("host")},
		{"another value of a signed header", header("X-Amz-Meta-Color", "red"), mismatch},
		{"copy source added", header("X-Amz-Copy-Source", "/other/secret"), notSigned("x-amz-copy-source")},
		{"acl added", header("X-Amz-Acl", "public-read"), notSigned("x-amz-acl")},
		{"token in a header", header("X-Amz-Security-Token", "t"), notSigned("x-amz-security-token")},
		{"payload hash in a header", header("X-Amz-Content-Sha256", sigv4.EmptySHA256), mismatch},
		{"signed chunks", func(r *http.Request) {
			r.Header.Set("X-Amz-Content-Sha256", sigv4.StreamingPayload)
			r.Header.Set("X-Amz-Decoded-Content-Length", "5")
		}, answer{"InvalidRequest", 400, "The value of x-amz-content-sha256 header is invalid.", nil}},
		{"unsigned chunks that were not signed for", func(r *http.Request) {
			r.Header.Set("X-Amz-Content-Sha256", sigv4.StreamingUnsignedTrailer)
			r.Header.Set("X-Amz-Decoded-Content-Length", "5")
		}, mismatch},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := presigned("PUT", "/bucket/key", "X-Amz-Meta-Color", "blue")
			tt.change(r)
			c, b, err := newTest().S3(wire(t, r), Facts{})
			if c != nil || b != nil {
				t.Errorf("S3 = %v, %v; want nil, nil", c, b)
			}
			tt.want.check(t, err)
		})
	}
}

func TestS3Presigned(t *testing.T) {
	tests := map[string]func() *http.Request{
		"plain": func() *http.Request { return presigned("PUT", "/bucket/key?versionId=1") },
		"unsigned payload in a header": func() *http.Request {
			r := presigned("PUT", "/bucket/key")
			r.Header.Set("X-Amz-Content-Sha256", sigv4.UnsignedPayload)
			return r
		},
		"hash in the query": func() *http.Request {
			r := newRequest("PUT", "/bucket/key")
			r.URL.RawQuery = newSigner("s3").Presign(unsigned(r), hashOf("hello"), testNow, time.Minute)
			return r
		},
		"signed in the past": func() *http.Request {
			r := newRequest("PUT", "/bucket/key")
			r.URL.RawQuery = newSigner("s3").Presign(unsigned(r), sigv4.UnsignedPayload, testNow.Add(-7*24*time.Hour+time.Second), 7*24*time.Hour)
			return r
		},
	}
	for name, make := range tests {
		r := make()
		setBody(r, "hello")
		c, b, err := newTest().S3(wire(t, r), Facts{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got, err := io.ReadAll(b); string(got) != "hello" || err != nil || c.AuthType != AuthQuery || c.Type != TypeRoot {
			t.Errorf("%s: ReadAll = %q, %v; caller %+v", name, got, err, c)
		}
	}
}

// TestS3UnsignedHeadersAllowed adds the headers that may be unsigned, and others
// that are none of AWS's.
func TestS3UnsignedHeadersAllowed(t *testing.T) {
	for _, name := range []string{"X-Amz-Decoded-Content-Length", "X-Amz-Trailer", "X-Amz-Checksum-Algorithm", "X-Amz-Sdk-Checksum-Algorithm",
		"X-Amzn-Trace-Id", "Amz-Sdk-Request", "Content-Type", "Accept-Encoding", "User-Agent"} {
		for _, r := range []*http.Request{signed("PUT", "/bucket/key", "", ""), presigned("PUT", "/bucket/key")} {
			r.Header.Set(name, "1")
			if _, _, err := newTest().S3(wire(t, r), Facts{}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	// The value of the payload hash is covered although its header is not.
	r := newRequest("PUT", "/bucket/key", "X-Amz-Date", testNow.Format(sigv4.DateFormat))
	canonical := sigv4.AppendCanonicalRequest(nil, unsigned(r), "s3", "host;x-amz-date", sigv4.UnsignedPayload)
	scope := sigv4.Scope{Date: "20261121", Region: "us-east-1", Service: "s3"}
	signature := sigv4.DeriveKey(testSecret, scope).Sign(sigv4.StringToSign("20261121T120000Z", scope, canonical))
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+testKeyID+"/"+scope.String()+", SignedHeaders=host;x-amz-date, Signature="+signature)
	r.Header.Set("X-Amz-Content-Sha256", sigv4.UnsignedPayload)
	if _, _, err := newTest().S3(wire(t, r), Facts{}); err != nil {
		t.Errorf("x-amz-content-sha256: %v", err)
	}
	r.Header.Set("X-Amz-Content-Sha256", sigv4.EmptySHA256)
	_, _, err := newTest().S3(wire(t, r), Facts{})
	answer{code: "SignatureDoesNotMatch", status: 403}.check(t, err)
}

func TestS3HeaderNameCollision(t *testing.T) {
	r := wire(t, signed("PUT", "/bucket/key", "", "", "X-Amz-Meta-A", "1"))
	// Two keys of the map with one name: whatever put the second there, the
	// canonical request does not see it.
	r.Header["x-amz-meta-a"] = []string{"2"}
	_, _, err := newTest().S3(r, Facts{})
	answer{"AccessDenied", 403, "", map[string]string{"HeadersNotSigned": "x-amz-meta-a"}}.check(t, err)
}

func TestS3RepeatedHeaderIsOneValue(t *testing.T) {
	r := signed("PUT", "/bucket/key", "", "", "X-Amz-Copy-Source", "/bucket/a,b")
	// This has the same canonical form, and another first value.
	r.Header["X-Amz-Copy-Source"] = []string{"/bucket/a", "b"}
	got := wire(t, r)
	if _, _, err := newTest().S3(got, Facts{}); err != nil {
		t.Fatal(err)
	}
	if s := got.Header.Get("X-Amz-Copy-Source"); s != "/bucket/a,b" {
		t.Errorf("x-amz-copy-source = %q; want the signed %q", s, "/bucket/a,b")
	}
}

func TestS3DateHeader(t *testing.T) {
	for _, date := range []string{"Sat, 21 Nov 2026 12:00:00 GMT", "20261121T120000Z"} {
		r := newRequest("GET", "/", "Date", date, "X-Amz-Content-Sha256", sigv4.EmptySHA256)
		canonical := sigv4.AppendCanonicalRequest(nil, unsigned(r), "s3", "date;host;x-amz-content-sha256", sigv4.EmptySHA256)
		scope := sigv4.Scope{Date: "20261121", Region: "us-east-1", Service: "s3"}
		signature := sigv4.DeriveKey(testSecret, scope).Sign(sigv4.StringToSign("20261121T120000Z", scope, canonical))
		r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+testKeyID+"/"+scope.String()+", SignedHeaders=date;host;x-amz-content-sha256, Signature="+signature)
		if c, _, err := newTest().S3(wire(t, r), Facts{}); err != nil || !c.SignedAt.Equal(testNow) {
			t.Errorf("Date: %s: %v", date, err)
		}
	}
}

func TestS3MismatchShowsWhatWasSigned(t *testing.T) {
	r := signed("PUT", "/bucket/a b", "", "", "X-Amz-Server-Side-Encryption-Customer-Key", "c2VjcmV0", "X-Amz-Server-Side-Encryption-Customer-Key-Md5", "bWQ1")
	flipLast(r)
	_, _, err := newTest().S3(wire(t, r), Facts{})
	e := awserr.As(err)
	if e == nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range e.Fields {
		names = append(names, f.Name)
		if strings.Contains(f.Value, "c2VjcmV0") || strings.Contains(f.Value, "63 32 56 6a") {
			t.Errorf("%s holds the customer's key: %s", f.Name, f.Value)
		}
	}
	if got, want := strings.Join(names, " "), "AWSAccessKeyId StringToSign SignatureProvided StringToSignBytes CanonicalRequest CanonicalRequestBytes"; got != want {
		t.Errorf("fields = %s; want %s", got, want)
	}
	canonical := field(e, "CanonicalRequest")
	if !strings.HasPrefix(canonical, "PUT\n/bucket/a%20b\n\nhost:"+testHost+"\n") || !strings.Contains(canonical, "customer-key:[secret]\n") || !strings.Contains(canonical, "customer-key-md5:bWQ1\n") {
		t.Errorf("CanonicalRequest = %q", canonical)
	}
	if s := field(e, "StringToSignBytes"); !strings.HasPrefix(s, "41 57 53 34 2d 48 4d 41 43 ") {
		t.Errorf("StringToSignBytes = %q", s)
	}
	if s := field(e, "StringToSign"); !strings.HasPrefix(s, "AWS4-HMAC-SHA256\n20261121T120000Z\n20261121/us-east-1/s3/aws4_request\n") {
		t.Errorf("StringToSign = %q", s)
	}
}

func TestS3ChunkMismatchShowsTheChunk(t *testing.T) {
	r := signed("PUT", "/bucket/key", sigv4.StreamingPayload, "hello")
	framed, _ := io.ReadAll(r.Body)
	setBody(r, strings.Replace(string(framed), "hello", "jello", 1))
	_, b, err := newTest().S3(wire(t, r), Facts{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.ReadAll(b)
	e := awserr.As(err)
	if e == nil || !strings.HasPrefix(field(e, "StringToSign"), "AWS4-HMAC-SHA256-PAYLOAD\n") || !strings.HasPrefix(field(e, "CanonicalRequest"), "PUT\n/bucket/key\n") {
		t.Errorf("ReadAll = %v; want the strings of the chunk and of the request", err)
	}
}

func TestS3Anonymous(t *testing.T) {
	for name, header := range map[string][]string{
		"nothing":             {},
		"empty authorization": {"Authorization", ""},
		"hash":                {"X-Amz-Content-Sha256", hashOf("hello")},
		"unsigned":            {"X-Amz-Content-Sha256", sigv4.UnsignedPayload},
		"forged names":        {"X-Forwarded-For", "203.0.113.1", "Aws-Principalarn", "arn:aws:iam::123456789012:root"},
	} {
		r := newRequest("PUT", "/bucket/key?X-Amz-Signature=0&X-Amz-Credential=x", header...)
		setBody(r, "hello")
		c, b, err := newTest().S3(wire(t, r), Facts{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !c.IsAnonymous() || c.Account != "" || c.ARN != "" || c.AuthType != "" || c.SignatureVersion != "" || c.SourceIP != "192.0.2.7" || c.Region != "us-east-1" || c.BytesIn != 5 {
			t.Errorf("%s: caller = %+v", name, c)
		}
		if got, err := io.ReadAll(b); string(got) != "hello" || err != nil {
			t.Errorf("%s: ReadAll = %q, %v", name, got, err)
		}
	}
	r := signed("PUT", "/bucket/key", sigv4.StreamingUnsignedTrailer, "hello")
	r.Header.Del("Authorization")
	_, b, err := newTest().S3(wire(t, r), Facts{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(b); string(got) != "hello" || err != nil {
		t.Errorf("framed: ReadAll = %q, %v", got, err)
	}
	for _, mode := range []string{sigv4.StreamingPayload, sigv4.StreamingPayloadTrailer} {
		r := signed("PUT", "/bucket/key", mode, "hello")
		r.Header.Del("Authorization")
		_, _, err := newTest().S3(wire(t, r), Facts{})
		answer{code: "InvalidRequest", status: 400}.check(t, err)
	}
	r = newRequest("PUT", "/bucket/key", "X-Amz-Content-Sha256", hashOf("jello"))
	setBody(r, "hello")
	if _, b, err = newTest().S3(wire(t, r), Facts{}); err != nil {
		t.Fatal(err)
	}
	_, err = io.ReadAll(b)
	answer{code: "XAmzContentSHA256Mismatch", status: 400}.check(t, err)
}

// broken is a Keys whose store fails.
type broken struct{}

func (broken) Lookup(context.Context, string) (*identity.AccessKey, error) {
	return nil, errors.New("store is on fire")
}

func TestKeysFail(t *testing.T) {
	a := New(Config{Keys: broken{}, Now: func() time.Time { return testNow }})
	c, b, err := a.S3(wire(t, signed("GET", "/", "", "")), Facts{})
	if c != nil || b != nil || err == nil || awserr.As(err) != nil {
		t.Errorf("S3 = %v, %v, %v; want an error that is not the client's", c, b, err)
	}
}

// TestReplacedSecret signs with a secret that was replaced while its signing key is
// remembered.
func TestReplacedSecret(t *testing.T) {
	k := *testKeys[testKeyID]
	a := New(Config{Keys: keys{testKeyID: &k}, Now: func() time.Time { return testNow }})
	if _, _, err := a.S3(wire(t, signed("GET", "/", "", "")), Facts{}); err != nil {
		t.Fatal(err)
	}
	k.Secret = identity.NewSecret("another secret")
	_, _, err := a.S3(wire(t, signed("GET", "/", "", "")), Facts{})
	answer{code: "SignatureDoesNotMatch", status: 403}.check(t, err)
	k.Status = identity.Inactive
	_, _, err = a.S3(wire(t, signed("GET", "/", "", "")), Facts{})
	answer{code: "InvalidAccessKeyId", status: 403}.check(t, err)
}

func TestAuthenticatorHidesItsKeys(t *testing.T) {
	a := newTest()
	if _, _, err := a.S3(wire(t, signed("GET", "/", "", "")), Facts{}); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"%v", "%+v", "%#v"} {
		if s := fmt.Sprintf(format, a); strings.Contains(s, testSecret) {
			t.Errorf("%s prints a secret: %s", format, s)
		}
	}
}

// TestEmptySecret signs with the secret that stands in for those of unknown keys.
func TestEmptySecret(t *testing.T) {
	for _, id := range []string{"AKIAUNKNOWN", "AKIAINACTIVE"} {
		r := newRequest("GET", "/")
		sigv4.NewSigner(id, "", "us-east-1", "s3").Sign(unsigned(r), sigv4.EmptySHA256, testNow)
		_, _, err := newTest().S3(wire(t, r), Facts{})
		answer{code: "InvalidAccessKeyId", status: 403}.check(t, err)
	}
}

func TestService(t *testing.T) {
	kms := newRequest("POST", "/")
	newSigner("kms").Sign(unsigned(kms), sigv4.EmptySHA256, testNow)
	compact := newRequest("GET", "/", "Authorization", "AWS4-HMAC-SHA256 Credential=a/b/c/sts/aws4_request,SignedHeaders=host,Signature=0")
	for want, r := range map[string]*http.Request{"s3": presigned("GET", "/"), "kms": kms, "sts": compact, "": newRequest("GET", "/")} {
		if got := Service(wire(t, r)); got != want {
			t.Errorf("Service = %q; want %q", got, want)
		}
	}
}
