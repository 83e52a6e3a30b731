package bench

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// fillers is how many clients make and remove objects outside of the
	// measured time.
	fillers = 16
	// fillRetries is how often such a request is sent before it fails.
	fillRetries = 6
	// cleanupTimeout bounds the removal after an interrupted run.
	cleanupTimeout = 5 * time.Minute
	// cleanupPause is how long writes that were cut are waited for, and
	// cleanupTries how often.
	cleanupPause = 500 * time.Millisecond
	cleanupTries = 10
	// pageSize is the number of keys in a page of a listing, the most that S3
	// returns.
	pageSize = 1000
)

// A session is a bucket, or a part of one, that a measurement fills and removes.
type session struct {
	o      *options
	s3     *target
	bucket string
	root   string // path of the bucket
	prefix string // of all keys, with a slash at the end
	made   bool   // the bucket, by this session
	enc    encryption
	body   *payload // of o.size
	rand   io.Reader
}

// openSession makes the bucket if it is not there, and the bodies and headers.
func openSession(ctx context.Context, e *environment, o *options, rand io.Reader) (*session, error) {
	id := make([]byte, 6)
	if _, err := io.ReadFull(rand, id); err != nil {
		return nil, fmt.Errorf("name the bucket: %w", err)
	}
	name := "coffer-bench-" + hex.EncodeToString(id)
	s := &session{o: o, bucket: first(o.bucket, name), prefix: name + "/", rand: rand}
	s.s3 = newTarget(e, e.s3, "s3", s.bucket, o)
	s.root = "/" + s.bucket + "/"
	if isAWS(e.s3.Hostname()) {
		s.root = "/"
	}
	var err error
	if s.enc, err = newEncryption(rand, o); err != nil {
		return nil, err
	}
	if s.body, err = randomPayload(rand, int64(o.size)); err != nil {
		return nil, fmt.Errorf("make the body: %w", err)
	}
	if o.bucket != "" {
		_, err := s.call(ctx, &request{method: http.MethodHead, path: s.root})
		if err == nil {
			return s, nil
		}
		if failureCode(err) != "HTTP 404" {
			return nil, fmt.Errorf("look for bucket %s: %w", s.bucket, err)
		}
	}
	return s, s.makeBucket(ctx, e.region)
}

func (s *session) makeBucket(ctx context.Context, region string) error {
	r := &request{method: http.MethodPut, path: s.root}
	if region != "us-east-1" {
		r.body = newDocument(`<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">` +
			`<LocationConstraint>` + region + `</LocationConstraint></CreateBucketConfiguration>`)
	}
	if _, err := s.call(ctx, r); err != nil {
		return fmt.Errorf("create bucket %s: %w", s.bucket, err)
	}
	s.made = true
	if s.o.sse != "c" {
		return nil
	}
	if err := s.allowCustomerKeys(ctx); err != nil {
		return fmt.Errorf("allow SSE-C in bucket %s: %w", s.bucket, err)
	}
	return nil
}

// call sends one request over a connection of its own.
func (s *session) call(ctx context.Context, r *request) (answer, error) {
	c := newClient(s.s3)
	defer c.close()
	return retry(ctx, c, r)
}

// retry sends a request again, after a pause that doubles, when the server was
// busy or the connection broke.
func retry(ctx context.Context, c *client, r *request) (a answer, err error) {
	pause := 50 * time.Millisecond
	for range fillRetries {
		a, err = c.do(ctx, r)
		if err == nil || ctx.Err() != nil {
			return a, err
		}
		switch failureCode(err) {
		case "SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "OperationAborted", codeConnection, "HTTP 503":
		default:
			return a, err
		}
		wait(ctx, pause, nil)
		pause *= 2
	}
	return a, err
}

// path returns the path of a key, which consists of letters, digits, dashes and
// slashes.
func (s *session) path(key string) string { return s.root + s.prefix + key }

// numbered returns the key of the i-th prepared object. The keys sort by number.
func numbered(i int64) string {
	digits := strconv.FormatInt(i, 10)
	return "object/" + "0000000000"[len(digits):] + digits
}

// fill puts the objects numbered from and up to below to, with the session's
// body.
func (s *session) fill(ctx context.Context, from, to int64) error {
	return s.inParallel(ctx, from, to, func(c *client, i int64) error {
		_, err := retry(ctx, c, s.putRequest(numbered(i)))
		return err
	})
}

// inParallel calls fn for each number in turn, from several goroutines with a
// client each, until one fails.
func (s *session) inParallel(ctx context.Context, from, to int64, fn func(c *client, i int64) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := atomic.Int64{}
	next.Store(from)
	var wg sync.WaitGroup
	for range min(fillers, max(to-from, 0)) {
		wg.Go(func() {
			c := newClient(s.s3)
			defer c.close()
			for ctx.Err() == nil {
				i := next.Add(1) - 1
				if i >= to {
					return
				}
				if err := fn(c, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// close removes every object of the session, and the bucket if the session made
// it. It does so also after an interrupt, when a server may still be busy with
// writes whose connections are gone: their objects appear late.
func (s *session) close(ctx context.Context) error {
	if s.o.keep {
		return nil
	}
	interrupted := ctx.Err() != nil
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	if interrupted {
		wait(ctx, cleanupPause, nil)
	}
	var err error
	for range cleanupTries {
		if err = s.clean(ctx); err == nil && s.made {
			_, err = s.call(ctx, &request{method: http.MethodDelete, path: s.root})
		}
		if err == nil || failureCode(err) != "BucketNotEmpty" {
			break
		}
		wait(ctx, cleanupPause, nil)
	}
	if err != nil {
		return fmt.Errorf("clean up bucket %s: %w", s.bucket, err)
	}
	return nil
}

// clean removes the objects of the session, page by page: each listing goes on
// after the keys that are gone, so that no server walks over them again.
func (s *session) clean(ctx context.Context) error {
	c := newClient(s.s3)
	defer c.close()
	after := ""
	for {
		query := "list-type=2&max-keys=1000&prefix=" + escape(s.prefix)
		if after != "" {
			query += "&start-after=" + escape(after)
		}
		a, err := retry(ctx, c, &request{method: http.MethodGet, path: s.root, query: query, keep: true})
		if err != nil {
			return err
		}
		keys := elements(a.body, "Key")
		if len(keys) == 0 {
			return nil
		}
		after = keys[len(keys)-1]
		chunks := slices.Collect(slices.Chunk(keys, (len(keys)+fillers-1)/fillers))
		err = s.inParallel(ctx, 0, int64(len(chunks)), func(c *client, i int64) error { return s.remove(ctx, c, chunks[i]) })
		if err != nil {
			return err
		}
	}
}

// remove removes keys with one request.
func (s *session) remove(ctx context.Context, c *client, keys []string) error {
	var b strings.Builder
	b.WriteString(`<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Quiet>true</Quiet>`)
	for _, k := range keys {
		b.WriteString("<Object><Key>" + k + "</Key></Object>")
	}
	b.WriteString("</Delete>")
	body := newDocument(b.String())
	a, err := retry(ctx, c, &request{method: http.MethodPost, path: s.root, query: "delete=", body: body, keep: true,
		header: map[string][]string{"Content-Md5": {body.md5()}}})
	if err != nil {
		return err
	}
	if code := element(a.body, "Code"); code != "" {
		return errors.New("remove objects: " + code)
	}
	return nil
}

// escape percent-encodes the value of a query parameter.
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
