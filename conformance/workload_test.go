package conformance

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// A workload is clients that write to a server side by side until it dies, and
// remember which of their changes were acknowledged. After a restart each
// looks whether everything that was acknowledged is there, byte for byte, and
// whether everything that was not is there whole or not at all.
type workload struct {
	t        testing.TB
	keyID    string // of the KMS key that objects are sealed under
	customer []byte // the key of SSE-C
	seeds    atomic.Uint64
	clients  []*wlClient
	acks     atomic.Int64 // changes that were acknowledged
	doubts   atomic.Int64 // changes that were neither acknowledged nor refused

	// tolerant lets the server refuse changes with a status of 5xx.
	tolerant bool
}

// Buckets of a workload.
const (
	wlPlain     = "plain"
	wlVersioned = "versioned"
)

// newWorkload makes the buckets and the key of a workload on s.
func newWorkload(t testing.TB, s *server, clients int) *workload {
	t.Helper()
	ctx := context.Background()
	w := &workload{t: t, customer: random(99, 32)}
	key, err := s.kms().CreateKey(ctx, &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	w.keyID = *key.KeyMetadata.KeyId
	for _, bucket := range []string{wlPlain, wlVersioned} {
		if _, err := s.s3().CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(bucket)}); err != nil {
			t.Fatal(err)
		}
	}
	_, err = s.s3().PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: aws.String(wlVersioned),
		VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range clients {
		w.clients = append(w.clients, newWlClient(w, i))
	}
	return w
}

// run lets the clients work on s until stop is closed or the server is gone. It
// returns when all have ended.
func (w *workload) run(s *server, stop <-chan struct{}) {
	var done sync.WaitGroup
	for _, c := range w.clients {
		c.connect(s)
		done.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := c.step(); err != nil && !w.tolerant {
					return
				}
			}
		})
	}
	done.Wait()
	for _, c := range w.clients {
		c.disconnect()
	}
}

// during lets the clients work on s while fault happens to it after a while.
func (w *workload) during(s *server, wait time.Duration, fault func()) {
	w.t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.run(s, nil)
	}()
	time.Sleep(wait)
	fault()
	<-done
}

// verify compares what s holds with what the clients know.
func (w *workload) verify(s *server) {
	w.t.Helper()
	var done sync.WaitGroup
	for _, c := range w.clients {
		c.connect(s)
		done.Go(c.verify)
	}
	done.Wait()
	w.verifyListing(s)
	for _, c := range w.clients {
		c.disconnect()
	}
}

// A piece is a stretch of bytes, told by the seed of its generator.
type piece struct {
	seed uint64
	size int
}

// A body is what an object holds: one piece, or the parts of an upload. The
// zero body is no object.
type body struct {
	pieces [2]piece
	tag    string // the value of the one tag, "" for none
}

func (b body) absent() bool { return b.pieces[0].seed == 0 }
func (b body) size() int    { return b.pieces[0].size + b.pieces[1].size }

func (b body) bytes() []byte {
	out := random(b.pieces[0].seed, b.pieces[0].size)
	if b.pieces[1].seed != 0 {
		out = append(out, random(b.pieces[1].seed, b.pieces[1].size)...)
	}
	return out
}

func (b body) String() string {
	if b.absent() {
		return "nothing"
	}
	return fmt.Sprintf("%d bytes of seed %d with tag %q", b.size(), b.pieces[0].seed, b.tag)
}

// A slot is one object key of a bucket without versioning. Only its client
// writes to it.
type slot struct {
	key   string
	seal  seal
	known body   // the last acknowledged
	maybe []body // sent later, and neither acknowledged nor seen
	etag  string // as GET last told
}

// A seal is how objects are encrypted.
type seal int

const (
	sealS3 seal = iota
	sealKMS
	sealCustomer
	sealBucketKey
	sealDual
	seals
)

// A history is one object key of a versioned bucket.
type history struct {
	key      string
	versions []*version // oldest first
	removed  map[string]bool
	removing map[string]bool // neither acknowledged nor seen
}

type version struct {
	id   string // "" if the version was sent, and neither acknowledged nor seen
	body body   // the zero body is a delete marker
}

// An upload is a multipart upload under way.
type upload struct {
	id     string
	parts  []piece // acknowledged
	etags  []string
	ending bool // completing or aborting it was sent, and neither acknowledged nor seen
}

// A wlKey is a KMS key that a client turns off and on, and an object under it.
type wlKey struct {
	id       string
	enabled  bool
	maybe    bool // a change of enabled was sent, and neither acknowledged nor seen
	sealed   body
	maybePut body
}

// A wlClient is one client of a workload. It does one thing at a time.
type wlClient struct {
	w         *workload
	name      string
	rand      *rand.Rand
	slots     []*slot
	parts     *slot // of multipart uploads
	upload    *upload
	history   *history
	keys      []*wlKey
	s3        *s3.Client
	kms       *kms.Client
	transport *http.Transport
}

func newWlClient(w *workload, i int) *wlClient {
	c := &wlClient{w: w, name: fmt.Sprintf("c%d", i), rand: rand.New(rand.NewPCG(uint64(i), uint64(time.Now().UnixNano())))}
	for n := range 6 {
		c.slots = append(c.slots, &slot{key: fmt.Sprintf("%s/o%d", c.name, n), seal: seal((i + n) % int(seals))})
	}
	c.parts = &slot{key: c.name + "/parts", seal: seal(i % int(seals))}
	c.history = &history{key: c.name + "/versions", removed: map[string]bool{}, removing: map[string]bool{}}
	return c
}

// connect points the client at a server. It never sends a request twice.
func (c *wlClient) connect(s *server) {
	c.transport = &http.Transport{}
	hc := &http.Client{Transport: c.transport}
	c.s3 = s.s3(func(o *s3.Options) { o.HTTPClient, o.Retryer = hc, aws.NopRetryer{} })
	c.kms = kms.New(kms.Options{BaseEndpoint: aws.String(s.endpoint), Region: s.region, Credentials: s.credentials(),
		HTTPClient: hc, Retryer: aws.NopRetryer{}})
}

func (c *wlClient) disconnect() { c.transport.CloseIdleConnections() }

// piece draws a new stretch of bytes: most fit into a row, some are blobs.
func (c *wlClient) piece() piece {
	size := c.rand.IntN(8 << 10)
	switch n := c.rand.IntN(20); {
	case n == 0:
		size = 6 << 20
	case n < 6:
		size = 300 << 10
	}
	return piece{c.w.seeds.Add(1), size}
}

// step does one thing. An error means that the server did not do it, or that
// nobody knows.
func (c *wlClient) step() error {
	ctx := context.Background()
	switch n := c.rand.IntN(100); {
	case n < 40:
		return c.put(ctx, c.slots[c.rand.IntN(len(c.slots))])
	case n < 50:
		return c.remove(ctx, c.slots[c.rand.IntN(len(c.slots))])
	case n < 58:
		return c.tag(ctx, c.slots[c.rand.IntN(len(c.slots))])
	case n < 66:
		return c.read(ctx, c.slots[c.rand.IntN(len(c.slots))])
	case n < 82:
		return c.version(ctx)
	case n < 92:
		return c.multipart(ctx)
	default:
		return c.key(ctx)
	}
}

// done notes the outcome of a change. It fails the test for an answer that the
// workload gives no reason for.
func (c *wlClient) done(doing string, err error) error {
	if err == nil {
		c.w.acks.Add(1)
		return nil
	}
	c.w.doubts.Add(1)
	if code := code(err); code != "" && !(c.w.tolerant && status(err) >= 500) {
		c.w.t.Errorf("%s = %v; want an acknowledgement", doing, err)
	}
	return err
}

// status returns the HTTP status of an SDK's error, or 0.
func status(err error) int {
	var answer interface{ HTTPStatusCode() int }
	if errors.As(err, &answer) {
		return answer.HTTPStatusCode()
	}
	return 0
}

func (c *wlClient) customerKey() (algorithm, key, sum *string) {
	digest := md5.Sum(c.w.customer)
	return aws.String("AES256"), aws.String(base64.StdEncoding.EncodeToString(c.w.customer)),
		aws.String(base64.StdEncoding.EncodeToString(digest[:]))
}

func (c *wlClient) put(ctx context.Context, s *slot) error {
	b := body{pieces: [2]piece{c.piece()}}
	in := &s3.PutObjectInput{Bucket: aws.String(wlPlain), Key: &s.key, Body: bytes.NewReader(b.bytes())}
	if c.rand.IntN(3) == 0 {
		b.tag = fmt.Sprint(b.pieces[0].seed)
		in.Tagging = aws.String("seed=" + b.tag)
	}
	switch s.seal {
	case sealKMS:
		in.ServerSideEncryption, in.SSEKMSKeyId = types.ServerSideEncryptionAwsKms, &c.w.keyID
	case sealBucketKey:
		in.ServerSideEncryption, in.SSEKMSKeyId, in.BucketKeyEnabled = types.ServerSideEncryptionAwsKms, &c.w.keyID, aws.Bool(true)
	case sealDual:
		in.ServerSideEncryption, in.SSEKMSKeyId = types.ServerSideEncryptionAwsKmsDsse, &c.w.keyID
	case sealCustomer:
		in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = c.customerKey()
	}
	s.maybe = append(s.maybe, b)
	_, err := c.s3.PutObject(ctx, in)
	return c.settle("PutObject "+s.key, s, b, err)
}

// settle notes the outcome of a change of a slot.
func (c *wlClient) settle(doing string, s *slot, b body, err error) error {
	if err == nil {
		s.known, s.maybe = b, nil
	}
	return c.done(doing, err)
}

func (c *wlClient) remove(ctx context.Context, s *slot) error {
	s.maybe = append(s.maybe, body{})
	_, err := c.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String(wlPlain), Key: &s.key})
	return c.settle("DeleteObject "+s.key, s, body{}, err)
}

func (c *wlClient) tag(ctx context.Context, s *slot) error {
	if s.known.absent() || len(s.maybe) > 0 {
		return c.put(ctx, s)
	}
	b := s.known
	b.tag = fmt.Sprint(c.w.seeds.Add(1))
	s.maybe = append(s.maybe, b)
	_, err := c.s3.PutObjectTagging(ctx, &s3.PutObjectTaggingInput{Bucket: aws.String(wlPlain), Key: &s.key,
		Tagging: &types.Tagging{TagSet: []types.Tag{{Key: aws.String("seed"), Value: &b.tag}}}})
	return c.settle("PutObjectTagging "+s.key, s, b, err)
}

// get returns what a slot holds, nil for no object.
func (c *wlClient) get(ctx context.Context, bucket string, s *slot, versionID *string) ([]byte, *s3.GetObjectOutput, error) {
	in := &s3.GetObjectInput{Bucket: &bucket, Key: &s.key, VersionId: versionID}
	if s.seal == sealCustomer {
		in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = c.customerKey()
	}
	out, err := c.s3.GetObject(ctx, in)
	if err != nil {
		if code(err) == "NoSuchKey" {
			return nil, nil, nil
		}
		return nil, nil, err
	}
	defer out.Body.Close()
	b, err := io.ReadAll(out.Body)
	return b, out, err
}

// read reads what was written before.
func (c *wlClient) read(ctx context.Context, s *slot) error {
	got, out, err := c.get(ctx, wlPlain, s, nil)
	if err != nil {
		if code(err) != "" && !(c.w.tolerant && status(err) >= 500) {
			c.w.t.Errorf("GetObject %s = %v; want %v", s.key, err, s.known)
		}
		return err
	}
	if len(s.maybe) == 0 && (s.known.absent() != (out == nil) || out != nil && !bytes.Equal(got, s.known.bytes())) {
		c.w.t.Errorf("GetObject %s = %d bytes; want %v", s.key, len(got), s.known)
	}
	return nil
}

// maxVersions bounds the versions that a client keeps of its key.
const maxVersions = 5

func (c *wlClient) version(ctx context.Context) error {
	h := c.history
	if n := len(h.versions); n > 0 && h.versions[0].id != "" && (n >= maxVersions || c.rand.IntN(6) == 0) {
		id := h.versions[0].id
		h.removing[id] = true
		_, err := c.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String(wlVersioned), Key: &h.key, VersionId: &id})
		if err == nil {
			delete(h.removing, id)
			h.removed[id] = true
			h.versions = h.versions[1:]
		}
		return c.done("DeleteObject version "+id, err)
	}
	v := new(version)
	if c.rand.IntN(6) == 0 {
		h.versions = append(h.versions, v)
		out, err := c.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String(wlVersioned), Key: &h.key})
		if err == nil {
			v.id = aws.ToString(out.VersionId)
		}
		return c.done("DeleteObject "+h.key, err)
	}
	v.body = body{pieces: [2]piece{c.piece()}}
	h.versions = append(h.versions, v)
	out, err := c.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(wlVersioned), Key: &h.key, Body: bytes.NewReader(v.body.bytes())})
	if err == nil {
		v.id = aws.ToString(out.VersionId)
	}
	return c.done("PutObject "+h.key, err)
}

// partSize is the smallest that a part may have that is not the last.
const partSize = 5 << 20

// multipart takes the next step of an upload of two parts.
func (c *wlClient) multipart(ctx context.Context) error {
	s, u := c.parts, c.upload
	if u == nil {
		in := &s3.CreateMultipartUploadInput{Bucket: aws.String(wlPlain), Key: &s.key}
		switch s.seal {
		case sealKMS, sealBucketKey, sealDual:
			in.ServerSideEncryption, in.SSEKMSKeyId = types.ServerSideEncryptionAwsKms, &c.w.keyID
		case sealCustomer:
			in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = c.customerKey()
		}
		out, err := c.s3.CreateMultipartUpload(ctx, in)
		if err == nil {
			c.upload = &upload{id: *out.UploadId}
		}
		return c.done("CreateMultipartUpload "+s.key, err)
	}
	switch n := len(u.parts); {
	case n == 2:
		b := body{pieces: [2]piece(u.parts)}
		s.maybe = append(s.maybe, b)
		in := &s3.CompleteMultipartUploadInput{Bucket: aws.String(wlPlain), Key: &s.key, UploadId: &u.id, MultipartUpload: &types.CompletedMultipartUpload{
			Parts: []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: &u.etags[0]}, {PartNumber: aws.Int32(2), ETag: &u.etags[1]}}}}
		if s.seal == sealCustomer {
			in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = c.customerKey()
		}
		_, err := c.s3.CompleteMultipartUpload(ctx, in)
		if err == nil || c.hasEnded(err) {
			c.upload = nil
		}
		if err != nil && c.upload == nil {
			return nil // verify finds out which of the tries it was
		}
		u.ending = true
		return c.settle("CompleteMultipartUpload "+s.key, s, b, err)
	case n == 1 && c.rand.IntN(8) == 0:
		_, err := c.s3.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: aws.String(wlPlain), Key: &s.key, UploadId: &u.id})
		if c.hasEnded(err) {
			err = nil
		}
		if err == nil {
			c.upload = nil
		}
		u.ending = true
		return c.done("AbortMultipartUpload "+s.key, err)
	default:
		p := piece{c.w.seeds.Add(1), partSize}
		if n == 1 {
			p.size = 1 + c.rand.IntN(400<<10)
		}
		in := &s3.UploadPartInput{Bucket: aws.String(wlPlain), Key: &s.key, UploadId: &u.id, PartNumber: aws.Int32(int32(n + 1)),
			Body: bytes.NewReader(random(p.seed, p.size))}
		if s.seal == sealCustomer {
			in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = c.customerKey()
		}
		out, err := c.s3.UploadPart(ctx, in)
		if c.hasEnded(err) {
			c.upload = nil
			return nil
		}
		if err == nil {
			u.parts, u.etags = append(u.parts, p), append(u.etags, *out.ETag)
		}
		return c.done("UploadPart "+s.key, err)
	}
}

// hasEnded reports whether a change fails because an earlier one, in doubt until
// now, has ended the upload.
func (c *wlClient) hasEnded(err error) bool { return c.upload.ending && code(err) == "NoSuchUpload" }

// key makes a KMS key with an object under it, or turns one off or on.
func (c *wlClient) key(ctx context.Context) error {
	if len(c.keys) < 2 {
		out, err := c.kms.CreateKey(ctx, &kms.CreateKeyInput{})
		if err == nil {
			c.keys = append(c.keys, &wlKey{id: *out.KeyMetadata.KeyId, enabled: true})
		}
		return c.done("CreateKey", err)
	}
	k := c.keys[c.rand.IntN(len(c.keys))]
	if k.maybe {
		return nil // verify finds out
	}
	if k.sealed.absent() && k.enabled {
		k.maybePut = body{pieces: [2]piece{{c.w.seeds.Add(1), 100}}}
		_, err := c.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(wlPlain), Key: aws.String(c.name + "/key-" + k.id),
			Body: bytes.NewReader(k.maybePut.bytes()), ServerSideEncryption: types.ServerSideEncryptionAwsKms, SSEKMSKeyId: &k.id})
		if err == nil {
			k.sealed, k.maybePut = k.maybePut, body{}
		}
		return c.done("PutObject under "+k.id, err)
	}
	k.maybe = true
	var err error
	if k.enabled {
		_, err = c.kms.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &k.id})
	} else {
		_, err = c.kms.EnableKey(ctx, &kms.EnableKeyInput{KeyId: &k.id})
	}
	if err == nil {
		k.maybe, k.enabled = false, !k.enabled
	}
	return c.done("DisableKey or EnableKey", err)
}

// verify compares what the server holds with what the client knows, and takes
// over what it sees of the changes in doubt.
func (c *wlClient) verify() {
	ctx := context.Background()
	for _, s := range c.slots {
		c.verifySlot(ctx, s)
	}
	c.verifyUpload(ctx)
	c.verifyHistory(ctx)
	for _, k := range c.keys {
		c.verifyKey(ctx, k)
	}
}

func (c *wlClient) verifySlot(ctx context.Context, s *slot) {
	t := c.w.t
	got, out, err := c.get(ctx, wlPlain, s, nil)
	if err != nil {
		t.Errorf("GetObject %s = %v; want %v or one of %v", s.key, err, s.known, s.maybe)
		return
	}
	var tag string
	s.etag = ""
	if out != nil {
		s.etag = *out.ETag
		tags, err := c.s3.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: aws.String(wlPlain), Key: &s.key})
		if err != nil {
			t.Errorf("GetObjectTagging %s = %v; want the tags of %v", s.key, err, s.known)
			return
		}
		if len(tags.TagSet) == 1 {
			tag = *tags.TagSet[0].Value
		}
	}
	for _, b := range append(s.maybe, s.known) {
		if b.absent() != (out == nil) || b.size() != len(got) || b.tag != tag || !bytes.Equal(got, b.bytes()) {
			continue
		}
		s.known, s.maybe = b, nil
		return
	}
	t.Errorf("GetObject %s = %d bytes with tag %q, found %t; want %v or one of %v", s.key, len(got), tag, out != nil, s.known, s.maybe)
}

// verifyUpload looks at the upload under way: unless it may have been completed
// or aborted, its acknowledged parts are there.
func (c *wlClient) verifyUpload(ctx context.Context) {
	s, u := c.parts, c.upload
	completing := len(s.maybe) > 0
	var last body
	if completing {
		last = s.maybe[len(s.maybe)-1]
	}
	c.verifySlot(ctx, s)
	if u == nil {
		return
	}
	if completing && s.known == last {
		c.upload = nil
		return
	}
	out, err := c.s3.ListParts(ctx, &s3.ListPartsInput{Bucket: aws.String(wlPlain), Key: &s.key, UploadId: &u.id})
	if c.hasEnded(err) {
		c.upload = nil
		return
	}
	u.ending = false
	if err != nil {
		c.w.t.Errorf("ListParts %s = %v; want %d parts", s.key, err, len(u.parts))
		return
	}
	for i, p := range u.parts {
		if i >= len(out.Parts) || *out.Parts[i].ETag != u.etags[i] || *out.Parts[i].Size != int64(p.size) {
			c.w.t.Errorf("ListParts %s = %d parts; want part %d of %d bytes with ETag %s", s.key, len(out.Parts), i+1, p.size, u.etags[i])
		}
	}
}

func (c *wlClient) verifyHistory(ctx context.Context) {
	t, h := c.w.t, c.history
	list, err := c.s3.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: aws.String(wlVersioned), Prefix: &h.key})
	if err != nil {
		t.Errorf("ListObjectVersions %s = %v; want its versions", h.key, err)
		return
	}
	seen := map[string]bool{} // true for a delete marker
	latest := ""
	for _, v := range list.Versions {
		seen[*v.VersionId] = false
		if *v.IsLatest {
			latest = *v.VersionId
		}
	}
	for _, m := range list.DeleteMarkers {
		seen[*m.VersionId] = true
		if *m.IsLatest {
			latest = *m.VersionId
		}
	}
	// First what was in doubt and is there, then what must be there.
	for _, v := range h.versions {
		if v.id != "" {
			if _, there := seen[v.id]; !there && !h.removing[v.id] {
				t.Errorf("version %s of %s is not listed; want %v", v.id, h.key, v.body)
			}
		}
	}
	for _, id := range h.unknown(seen, latest) {
		if h.removed[id] {
			t.Errorf("version %s of %s is listed; want it deleted", id, h.key)
		} else if !c.recognize(ctx, id, seen[id], id == latest) {
			t.Errorf("version %s of %s is nothing that was sent", id, h.key)
		}
	}
	var versions []*version
	for _, v := range h.versions {
		marker, there := seen[v.id]
		if v.id == "" || !there {
			continue
		}
		if marker != v.body.absent() {
			t.Errorf("version %s of %s: delete marker %t; want %v", v.id, h.key, marker, v.body)
		} else if !marker {
			if got := c.readVersion(ctx, v.id); !bytes.Equal(got, v.body.bytes()) {
				t.Errorf("version %s of %s = %d bytes; want %v", v.id, h.key, len(got), v.body)
			}
		}
		versions = append(versions, v)
	}
	h.versions = versions
	clear(h.removing)
	if n := len(versions); n > 0 && versions[n-1].id != latest {
		t.Errorf("latest version of %s = %s; want %s", h.key, latest, versions[n-1].id)
	}
	got, out, err := c.get(ctx, wlVersioned, &slot{key: h.key}, nil)
	want := body{}
	if n := len(versions); n > 0 {
		want = versions[n-1].body
	}
	if err != nil || want.absent() != (out == nil) || out != nil && !bytes.Equal(got, want.bytes()) {
		t.Errorf("GetObject %s = %d bytes, %v; want %v", h.key, len(got), err, want)
	}
}

// unknown returns the listed versions that were not acknowledged, the latest
// last.
func (h *history) unknown(seen map[string]bool, latest string) []string {
	known := map[string]bool{latest: true}
	for _, v := range h.versions {
		known[v.id] = true
	}
	var ids []string
	for id := range seen {
		if !known[id] {
			ids = append(ids, id)
		}
	}
	if !slices.ContainsFunc(h.versions, func(v *version) bool { return v.id == latest }) && latest != "" {
		ids = append(ids, latest)
	}
	return ids
}

// readVersion returns the bytes of one version of the client's key.
func (c *wlClient) readVersion(ctx context.Context, id string) []byte {
	got, _, err := c.get(ctx, wlVersioned, &slot{key: c.history.key}, &id)
	if err != nil {
		c.w.t.Errorf("GetObject version %s = %v; want its bytes", id, err)
	}
	return got
}

// recognize gives its ID to the change in doubt that made a version. Of several
// delete markers, which look the same, the latest is the last.
func (c *wlClient) recognize(ctx context.Context, id string, marker, isLatest bool) bool {
	var got []byte
	if !marker {
		got = c.readVersion(ctx, id)
	}
	var found *version
	for _, v := range c.history.versions {
		if v.id == "" && v.body.absent() == marker && (marker || bytes.Equal(got, v.body.bytes())) && (found == nil || isLatest) {
			found = v
		}
	}
	if found != nil {
		found.id = id
	}
	return found != nil
}

func (c *wlClient) verifyKey(ctx context.Context, k *wlKey) {
	t := c.w.t
	out, err := c.kms.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &k.id})
	if err != nil {
		t.Errorf("DescribeKey %s = %v; want enabled %t", k.id, err, k.enabled)
		return
	}
	enabled := out.KeyMetadata.KeyState == kmstypes.KeyStateEnabled
	if enabled != k.enabled && !k.maybe {
		t.Errorf("DescribeKey %s: enabled %t; want %t", k.id, enabled, k.enabled)
	}
	k.enabled, k.maybe = enabled, false
	got, answer, err := c.get(ctx, wlPlain, &slot{key: c.name + "/key-" + k.id}, nil)
	if !enabled {
		if !k.sealed.absent() && code(err) != "KMS.DisabledException" {
			t.Errorf("GetObject under disabled key %s = %v; want KMS.DisabledException", k.id, err)
		}
		return
	}
	for _, b := range []body{k.sealed, k.maybePut} {
		if err == nil && b.absent() == (answer == nil) && bytes.Equal(got, b.bytes()) {
			k.sealed, k.maybePut = b, body{}
			return
		}
	}
	t.Errorf("GetObject under %s = %d bytes, %v; want %v or %v", k.id, len(got), err, k.sealed, k.maybePut)
}

// verifyListing compares a listing of the whole bucket with what the GETs of
// verify have found.
func (w *workload) verifyListing(s *server) {
	listed := map[string]types.Object{}
	pages := s3.NewListObjectsV2Paginator(s.s3(), &s3.ListObjectsV2Input{Bucket: aws.String(wlPlain)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(context.Background())
		if err != nil {
			w.t.Errorf("ListObjectsV2 = %v; want a page", err)
			return
		}
		for _, o := range page.Contents {
			listed[*o.Key] = o
		}
	}
	for _, c := range w.clients {
		for _, s := range append(c.slots, c.parts) {
			o, there := listed[s.key]
			delete(listed, s.key)
			if there == s.known.absent() || there && (*o.Size != int64(s.known.size()) || *o.ETag != s.etag) {
				w.t.Errorf("listing of %s: there %t, size %d, ETag %s; want %v with ETag %s", s.key, there, aws.ToInt64(o.Size), aws.ToString(o.ETag), s.known, s.etag)
			}
		}
		for _, k := range c.keys {
			key := c.name + "/key-" + k.id
			if _, there := listed[key]; !there && !k.sealed.absent() {
				w.t.Errorf("listing lacks %s", key)
			}
			delete(listed, key)
		}
	}
	for key := range listed {
		w.t.Errorf("listing holds %s; want nothing that nobody wrote", key)
	}
}
