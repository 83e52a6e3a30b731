package bench

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
)

// readShare is the part of reads in the mixed operation, in percent.
const readShare = 70

// An operation is one that --op names.
type operation struct {
	name string
	size size // default of --size
	kms  bool // of KMS: it needs a key and no bucket
	// prepared tells how many objects there must be before a run, unless
	// --objects does. It may be nil.
	prepared func(o *options) int64
	// consumes means that each run uses the prepared objects up, so that there
	// is no warm-up and each run needs new ones.
	consumes bool
	// start begins a run and returns what makes the step of each client.
	start func(s *session) func(client int) (step, func())
}

// operations are the values of --op.
var operations = []operation{
	{name: "put", size: 4 * kib, start: each((*session).puts)},
	{name: "get", size: 4 * kib, prepared: readable, start: each((*session).gets)},
	{name: "range", size: 64 * mib, prepared: readable, start: each((*session).ranges)},
	{name: "head", size: 4 * kib, prepared: readable, start: each((*session).heads)},
	{name: "list", prepared: constant(pageSize), start: each((*session).lists)},
	{name: "delete", size: 4 * kib, prepared: constant(10_000), consumes: true, start: (*session).deletes},
	{name: "multipart", size: 64 * mib, start: each((*session).multiparts)},
	{name: "mixed", size: 16 * kib, prepared: readable, start: each((*session).mixes)},
	{name: "kms-generate", kms: true},
	{name: "kms-decrypt", kms: true, prepared: constant(64)},
}

// each makes the start of an operation whose clients share nothing.
func each(newStep func(s *session, client int) (step, func())) func(*session) func(int) (step, func()) {
	return func(s *session) func(int) (step, func()) {
		return func(client int) (step, func()) { return newStep(s, client) }
	}
}

// findOperation returns the operation of a name.
func findOperation(name string) (operation, bool) {
	for _, op := range operations {
		if op.name == name {
			return op, true
		}
	}
	return operation{}, false
}

func operationNames() string {
	names := make([]string, len(operations))
	for i, op := range operations {
		names[i] = op.name
	}
	return strings.Join(names, ", ")
}

// readable is the default number of objects to read from: 256 MiB of them, at
// least 4 and at most 1,000.
func readable(o *options) int64 { return min(max(256*mib/max(int64(o.size), 1), 4), 1000) }

func constant(n int64) func(*options) int64 { return func(*options) int64 { return n } }

// picker returns the random numbers with which a client picks what to read. They
// are the same in each run, which compares like with like.
func picker(client int) *rand.Rand { return rand.New(rand.NewPCG(0x636f66666572, uint64(client))) }

// newKey returns a new key: 64 random bits, of which no two are likely to be equal
// in a run.
func newKey() string { return "new/" + strconv.FormatUint(rand.Uint64(), 16) }

func (s *session) putRequest(key string) *request {
	return &request{method: http.MethodPut, path: s.path(key), header: s.enc.write, body: s.body}
}

func (s *session) getRequest(pick *rand.Rand) *request {
	return &request{method: http.MethodGet, path: s.path(numbered(pick.Int64N(s.o.objects))), header: s.enc.read}
}

// sized sends a request and checks the size of the answer's body.
func sized(ctx context.Context, c *client, r *request, size int64) error {
	a, err := c.do(ctx, r)
	if err == nil && a.size != size {
		return &failure{codeAnswer, fmt.Errorf("%d bytes instead of %d", a.size, size)}
	}
	return err
}

// puts writes a new object under a random key each time.
func (s *session) puts(int) (step, func()) {
	c := newClient(s.s3)
	return func(ctx context.Context) (int64, error) {
		return s.body.size, sized(ctx, c, s.putRequest(newKey()), 0)
	}, c.close
}

// gets reads a random object each time.
func (s *session) gets(client int) (step, func()) {
	c, pick := newClient(s.s3), picker(client)
	return func(ctx context.Context) (int64, error) {
		return s.body.size, sized(ctx, c, s.getRequest(pick), s.body.size)
	}, c.close
}

// mixes reads or writes.
func (s *session) mixes(client int) (step, func()) {
	c, pick := newClient(s.s3), picker(client)
	return func(ctx context.Context) (int64, error) {
		if pick.IntN(100) < readShare {
			return s.body.size, sized(ctx, c, s.getRequest(pick), s.body.size)
		}
		return s.body.size, sized(ctx, c, s.putRequest(newKey()), 0)
	}, c.close
}

// ranges reads a part of a random object, at a random offset.
func (s *session) ranges(client int) (step, func()) {
	c, pick := newClient(s.s3), picker(client)
	n := min(int64(s.o.rangeSize), s.body.size)
	return func(ctx context.Context) (int64, error) {
		r := s.getRequest(pick)
		r.header = maps.Clone(r.header)
		from := pick.Int64N(s.body.size - n + 1)
		r.header["Range"] = []string{"bytes=" + strconv.FormatInt(from, 10) + "-" + strconv.FormatInt(from+n-1, 10)}
		return n, sized(ctx, c, r, n)
	}, c.close
}

func (s *session) heads(client int) (step, func()) {
	c, pick := newClient(s.s3), picker(client)
	return func(ctx context.Context) (int64, error) {
		r := s.getRequest(pick)
		r.method = http.MethodHead
		return 0, sized(ctx, c, r, 0)
	}, c.close
}

// deletes removes the prepared objects one by one.
func (s *session) deletes() func(client int) (step, func()) {
	next := new(atomic.Int64)
	return func(int) (step, func()) {
		c := newClient(s.s3)
		return func(ctx context.Context) (int64, error) {
			i := next.Add(1) - 1
			if i >= s.o.objects {
				return 0, errExhausted
			}
			return 0, sized(ctx, c, &request{method: http.MethodDelete, path: s.path(numbered(i))}, 0)
		}, c.close
	}
}

// lists reads pages of the listing, one after the other, and begins again after
// the last.
func (s *session) lists(int) (step, func()) {
	c := newClient(s.s3)
	token := ""
	return func(ctx context.Context) (n int64, err error) {
		n, token, err = s.page(ctx, c, token)
		return n, err
	}, c.close
}

// page reads one page of the listing. It returns the size of the answer and the
// token of the next page, or "" after the last.
func (s *session) page(ctx context.Context, c *client, token string) (int64, string, error) {
	query := "list-type=2&max-keys=" + strconv.Itoa(pageSize) + "&prefix=" + escape(s.prefix)
	if token != "" {
		query += "&continuation-token=" + escape(token)
	}
	a, err := c.do(ctx, &request{method: http.MethodGet, path: s.root, query: query, keep: true})
	if err != nil {
		return 0, "", err
	}
	token = element(a.body, "NextContinuationToken")
	if n := element(a.body, "KeyCount"); n == "0" || n == "" || token != "" && n != strconv.Itoa(pageSize) {
		return 0, "", &failure{codeAnswer, fmt.Errorf("page of %q keys", n)}
	}
	return a.size, token, nil
}

// multiparts uploads an object in parts, one after the other.
func (s *session) multiparts(int) (step, func()) {
	c := newClient(s.s3)
	partSize := min(int64(s.o.partSize), s.body.size)
	count := int((s.body.size + partSize - 1) / partSize)
	parts := make([]*payload, count)
	part := newPayload(s.body.block, partSize)
	for i := range parts {
		parts[i] = part
	}
	if rest := s.body.size % partSize; rest > 0 {
		parts[count-1] = newPayload(s.body.block, rest)
	}
	return func(ctx context.Context) (int64, error) {
		path := s.path(newKey())
		a, err := c.do(ctx, &request{method: http.MethodPost, path: path, query: "uploads=", header: s.enc.write, keep: true})
		if err != nil {
			return 0, err
		}
		upload := "uploadId=" + escape(element(a.body, "UploadId"))
		if err := s.upload(ctx, c, path, upload, parts); err != nil {
			// The upload would stay, and its parts with it.
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.o.timeout)
			defer cancel()
			c.do(ctx, &request{method: http.MethodDelete, path: path, query: upload})
			return 0, err
		}
		return s.body.size, nil
	}, c.close
}

// upload sends the parts of an upload and completes it.
func (s *session) upload(ctx context.Context, c *client, path, upload string, parts []*payload) error {
	var b strings.Builder
	b.WriteString(`<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">`)
	for i, body := range parts {
		a, err := c.do(ctx, &request{method: http.MethodPut, path: path, header: s.enc.read, body: body,
			query: "partNumber=" + strconv.Itoa(i+1) + "&" + upload})
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", i+1, a.header.Get("Etag"))
	}
	b.WriteString("</CompleteMultipartUpload>")
	a, err := c.do(ctx, &request{method: http.MethodPost, path: path, query: upload, header: s.enc.read,
		body: newDocument(b.String()), keep: true})
	if err == nil && element(a.body, "ETag") == "" {
		return &failure{code: first(element(a.body, "Code"), codeAnswer)}
	}
	return err
}
