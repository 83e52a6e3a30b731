package bench

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"coffer/internal/sigv4"
)

const (
	stubID     = "AKIAIOSFODNN7EXAMPLE"
	stubSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

// A stub is an S3 and KMS server in memory that checks every signature.
type stub struct {
	token  string // that requests must carry
	region string
	// busy, if set, is asked whether to answer an operation with SlowDown.
	busy func(operation string) bool

	// emptied, if set, is called when a listing is empty, after it was made.
	emptied func(bucket string)

	mu       sync.Mutex
	prefix   string // of the last listing
	buckets  map[string]map[string]stubObject
	parts    map[string][]byte
	keys     map[string]bool // enabled
	calls    map[string]int
	requests int
	problems []string
	customer map[string]bool // buckets that accept SSE-C
}

type stubObject struct {
	body []byte
	key  string // SSE-C key that reads it
}

func newStub() *stub {
	return &stub{region: "us-east-1", buckets: map[string]map[string]stubObject{}, parts: map[string][]byte{},
		keys: map[string]bool{}, calls: map[string]int{}, customer: map[string]bool{}}
}

// verify checks the signature and the hash of the body as a server does.
func (s *stub) verify(r *http.Request, body []byte) error {
	text, ok := strings.CutPrefix(r.Header.Get("Authorization"), sigv4.Algorithm+" ")
	if !ok {
		return fmt.Errorf("not signed")
	}
	auth, err := sigv4.ParseAuthorization(text)
	if err != nil {
		return err
	}
	cred, err := sigv4.ParseCredential(auth.Credential)
	if err != nil {
		return err
	}
	if cred.AccessKeyID != stubID || cred.Scope.Region != s.region {
		return fmt.Errorf("credential %s", auth.Credential)
	}
	if r.Header.Get("X-Amz-Security-Token") != s.token {
		return fmt.Errorf("security token %q", r.Header.Get("X-Amz-Security-Token"))
	}
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	if declared := r.Header.Get("X-Amz-Content-Sha256"); declared == sigv4.UnsignedPayload && r.TLS != nil {
		hash = declared
	} else if declared != hash && cred.Scope.Service == "s3" {
		return fmt.Errorf("payload hash %s", declared)
	}
	path, query, _ := strings.Cut(r.RequestURI, "?")
	canonical := sigv4.AppendCanonicalRequest(nil, &sigv4.Request{Method: r.Method, Path: path, RawQuery: query, Host: r.Host,
		Header: r.Header}, cred.Scope.Service, auth.SignedHeaders, hash)
	if !sigv4.DeriveKey(stubSecret, cred.Scope).Verify(sigv4.StringToSign(r.Header.Get("X-Amz-Date"), cred.Scope, canonical), auth.Signature) {
		return fmt.Errorf("signature of %s %s", r.Method, r.RequestURI)
	}
	for name := range r.Header {
		if strings.HasPrefix(name, "X-Amz-") && !slices.Contains(strings.Split(auth.SignedHeaders, ";"), strings.ToLower(name)) {
			return fmt.Errorf("%s is not signed", name)
		}
	}
	return nil
}

func (s *stub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = s.verify(r, body)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	if err != nil {
		s.problems = append(s.problems, err.Error())
		refuse(w, 403, "SignatureDoesNotMatch")
		return
	}
	if target, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "TrentService."); ok {
		s.count(target)
		s.serveKey(w, target, body)
		return
	}
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	s.serveObject(w, r, bucket, key, body)
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, "<?xml version=\"1.0\"?>\n<Error><Code>%s</Code><Message>no</Message></Error>", code)
}

func (s *stub) count(operation string) { s.calls[operation]++ }

// customerKey returns the SSE-C key of a request.
func customerKey(r *http.Request) (string, bool) {
	text := r.Header.Get(sse + "-Customer-Key")
	if text == "" {
		return "", true
	}
	key, err := base64.StdEncoding.DecodeString(text)
	sum := md5.Sum(key)
	return text, err == nil && len(key) == 32 && r.Header.Get(sse+"-Customer-Algorithm") == "AES256" &&
		base64.StdEncoding.EncodeToString(sum[:]) == r.Header.Get(sse+"-Customer-Key-Md5")
}

func (s *stub) serveObject(w http.ResponseWriter, r *http.Request, bucket, key string, body []byte) {
	q := r.URL.Query()
	objects, found := s.buckets[bucket]
	customer, ok := customerKey(r)
	mode := r.Header.Get(sse)
	kmsKey := r.Header.Get(sse + "-Aws-Kms-Key-Id")
	switch {
	case !ok:
		refuse(w, 400, "InvalidArgument")
		return
	case strings.HasPrefix(mode, "aws:kms") && !s.keys[kmsKey]:
		refuse(w, 400, "KMS.NotFoundException")
		return
	case customer != "" && !s.customer[bucket]:
		refuse(w, 403, "AccessDenied")
		return
	case key == "" && r.Method == "PUT" && q.Has("encryption"):
		s.customer[bucket] = bytes.Contains(body, []byte("<EncryptionType>NONE</EncryptionType>"))
		return
	case key == "" && r.Method == "PUT":
		s.count("CreateBucket")
		s.buckets[bucket] = map[string]stubObject{}
		return
	case !found:
		refuse(w, 404, "NoSuchBucket")
		return
	case key == "" && r.Method == "HEAD":
		return
	case key == "" && r.Method == "DELETE":
		if len(objects) > 0 {
			refuse(w, 409, "BucketNotEmpty")
			return
		}
		delete(s.buckets, bucket)
		w.WriteHeader(204)
		return
	case key == "" && r.Method == "GET":
		s.count("ListObjectsV2")
		s.prefix = q.Get("prefix")
		n := s.list(w, objects, s.prefix, max(q.Get("start-after"), q.Get("continuation-token")), q.Get("max-keys"))
		if n == 0 && s.emptied != nil {
			s.emptied(bucket)
		}
		return
	case key == "" && q.Has("delete"):
		s.deleteObjects(w, r, objects, body)
		return
	}
	operation := map[string]string{"PUT": "PutObject", "GET": "GetObject", "HEAD": "HeadObject", "DELETE": "DeleteObject"}[r.Method]
	switch {
	case q.Has("partNumber"):
		operation = "UploadPart"
	case q.Has("uploads"):
		operation = "CreateMultipartUpload"
	case q.Has("uploadId") && r.Method == "DELETE":
		operation = "AbortMultipartUpload"
	case q.Has("uploadId"):
		operation = "CompleteMultipartUpload"
	}
	s.count(operation + " " + mode)
	if s.busy != nil && s.busy(operation) {
		refuse(w, 503, "SlowDown")
		return
	}
	o, exists := objects[key]
	switch operation {
	case "PutObject":
		objects[key] = stubObject{body, customer}
	case "CreateMultipartUpload":
		fmt.Fprint(w, "<InitiateMultipartUploadResult><UploadId>up+load/1=</UploadId></InitiateMultipartUploadResult>")
	case "UploadPart":
		s.parts[key] = append(s.parts[key], body...)
		w.Header().Set("ETag", `"part`+q.Get("partNumber")+`"`)
	case "CompleteMultipartUpload":
		var doc struct {
			Part []struct {
				PartNumber int
				ETag       string
			}
		}
		if xml.Unmarshal(body, &doc) != nil || q.Get("uploadId") != "up+load/1=" || len(doc.Part) == 0 || doc.Part[0].ETag != `"part1"` {
			refuse(w, 400, "InvalidPart")
			return
		}
		objects[key] = stubObject{s.parts[key], customer}
		delete(s.parts, key)
		fmt.Fprint(w, "<CompleteMultipartUploadResult><ETag>&quot;e&quot;</ETag></CompleteMultipartUploadResult>")
	case "AbortMultipartUpload":
		delete(s.parts, key)
		w.WriteHeader(204)
	case "DeleteObject":
		delete(objects, key)
		w.WriteHeader(204)
	case "GetObject", "HeadObject":
		if !exists {
			refuse(w, 404, "NoSuchKey")
			return
		}
		if o.key != customer {
			refuse(w, 403, "AccessDenied")
			return
		}
		b := o.body
		if from, to, ok := strings.Cut(strings.TrimPrefix(r.Header.Get("Range"), "bytes="), "-"); ok {
			i, _ := strconv.Atoi(from)
			j, _ := strconv.Atoi(to)
			b = b[i : j+1]
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(b)))
		if len(b) < len(o.body) {
			w.WriteHeader(206)
		}
		if r.Method == "GET" {
			w.Write(b)
		}
	}
}

func (s *stub) list(w http.ResponseWriter, objects map[string]stubObject, prefix, after, most string) int {
	limit, _ := strconv.Atoi(most)
	var keys []string
	for k := range objects {
		if strings.HasPrefix(k, prefix) && k > after {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	next := ""
	if len(keys) > limit {
		keys = keys[:limit]
		next = "<NextContinuationToken>" + keys[limit-1] + "</NextContinuationToken>"
	}
	fmt.Fprintf(w, "<ListBucketResult><KeyCount>%d</KeyCount>%s", len(keys), next)
	for _, k := range keys {
		fmt.Fprintf(w, "<Contents><Key>%s</Key></Contents>", k)
	}
	fmt.Fprint(w, "</ListBucketResult>")
	return len(keys)
}

func (s *stub) deleteObjects(w http.ResponseWriter, r *http.Request, objects map[string]stubObject, body []byte) {
	sum := md5.Sum(body)
	var doc struct{ Object []struct{ Key string } }
	if xml.Unmarshal(body, &doc) != nil || r.Header.Get("Content-Md5") != base64.StdEncoding.EncodeToString(sum[:]) {
		refuse(w, 400, "BadDigest")
		return
	}
	for _, o := range doc.Object {
		delete(objects, o.Key)
	}
	fmt.Fprint(w, "<DeleteResult/>")
}

func (s *stub) serveKey(w http.ResponseWriter, operation string, body []byte) {
	var in struct {
		KeyID          string `json:"KeyId"`
		CiphertextBlob []byte
	}
	out := map[string]any{}
	if err := json.Unmarshal(body, &in); err != nil {
		s.problems = append(s.problems, err.Error())
	}
	switch {
	case operation == "CreateKey":
		arn := "arn:aws:kms:us-east-1:123456789012:key/" + strconv.Itoa(len(s.keys))
		s.keys[arn] = true
		out["KeyMetadata"] = map[string]any{"Arn": arn}
	case operation == "Decrypt" && string(in.CiphertextBlob) == "sealed", s.keys[in.KeyID]:
		if operation == "ScheduleKeyDeletion" {
			s.keys[in.KeyID] = false
		}
		out["CiphertextBlob"] = []byte("sealed")
	default:
		w.WriteHeader(400)
		fmt.Fprint(w, `{"__type":"com.amazonaws.kms#NotFoundException","message":"no"}`)
		return
	}
	json.NewEncoder(w).Encode(out)
}
