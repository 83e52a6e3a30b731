// Package s3 keeps an archive in a bucket of any service that speaks the Amazon S3
// API: AWS, another Coffer, and others.
//
// A file of up to 16 MiB is one PutObject, a larger one a multipart upload; either
// appears whole or not at all. An upload that a crash cut is not listed; a lifecycle
// rule of the bucket (AbortIncompleteMultipartUpload) removes it.
package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"coffer/internal/archive"
)

// PartSize is the size of the parts of a large file, in bytes. So many are in memory
// for each file that is being written. 10,000 of them are 156 GiB.
const PartSize = 16 << 20

// A Config says where an archive lies.
type Config struct {
	Client *s3.Client
	Bucket string
	Prefix string // of every key: empty, or it ends in a slash
}

// A Store is an archive in a bucket.
type Store struct {
	cfg     Config
	buffers sync.Pool
}

var _ archive.Store = (*Store)(nil)

// New returns the archive that cfg names. It asks nobody whether the bucket exists.
func New(cfg Config) *Store {
	return &Store{cfg: cfg, buffers: sync.Pool{New: func() any { return new([]byte) }}}
}

func (s *Store) key(name string) *string { return aws.String(s.cfg.Prefix + name) }

// unavailable marks errors after which a later attempt may succeed.
func (s *Store) failed(what, name string, err error) error {
	err = fmt.Errorf("%s s3://%s/%s%s: %w", what, s.cfg.Bucket, s.cfg.Prefix, name, err)
	if e, ok := errors.AsType[smithy.APIError](err); ok && e.ErrorFault() == smithy.FaultServer {
		return fmt.Errorf("%w: %w", archive.ErrUnavailable, err)
	}
	return err
}

// Put implements [archive.Store].
func (s *Store) Put(ctx context.Context, name string, r io.Reader, size int64) error {
	if err := archive.CheckName(name); err != nil {
		return err
	}
	b := s.buffers.Get().(*[]byte)
	defer s.buffers.Put(b)
	if n := int(min(size, PartSize)); cap(*b) < n {
		*b = make([]byte, n)
	}
	if size <= PartSize {
		data := (*b)[:size]
		if _, err := io.ReadFull(r, data); err != nil && (err != io.EOF || size > 0) {
			return fmt.Errorf("write %s: %w", name, err)
		}
		if err := atEnd(r); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
		_, err := s.cfg.Client.PutObject(ctx, &s3.PutObjectInput{Bucket: &s.cfg.Bucket, Key: s.key(name), Body: bytes.NewReader(data)})
		if err != nil {
			return s.failed("write", name, err)
		}
		return nil
	}
	return s.upload(ctx, name, r, size, (*b)[:PartSize])
}

var errTooLong = errors.New("there is more than was announced")

// atEnd returns an error unless r is at its end.
func atEnd(r io.Reader) error {
	var one [1]byte
	n, err := io.ReadFull(r, one[:])
	if n > 0 {
		return errTooLong
	}
	if err == io.EOF {
		return nil
	}
	return err
}

// upload writes a large file, part by part.
func (s *Store) upload(ctx context.Context, name string, r io.Reader, size int64, buf []byte) (err error) {
	made, err := s.cfg.Client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &s.cfg.Bucket, Key: s.key(name)})
	if err != nil {
		return s.failed("write", name, err)
	}
	defer func() {
		if err != nil {
			_, _ = s.cfg.Client.AbortMultipartUpload(context.WithoutCancel(ctx), &s3.AbortMultipartUploadInput{
				Bucket: &s.cfg.Bucket, Key: s.key(name), UploadId: made.UploadId})
		}
	}()
	var parts []types.CompletedPart
	for number := int32(1); size > 0; number++ {
		data := buf[:min(size, PartSize)]
		if _, err := io.ReadFull(r, data); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
		size -= int64(len(data))
		out, err := s.cfg.Client.UploadPart(ctx, &s3.UploadPartInput{Bucket: &s.cfg.Bucket, Key: s.key(name), UploadId: made.UploadId,
			PartNumber: aws.Int32(number), Body: bytes.NewReader(data)})
		if err != nil {
			return s.failed("write", name, err)
		}
		parts = append(parts, types.CompletedPart{PartNumber: aws.Int32(number), ETag: out.ETag, ChecksumCRC32: out.ChecksumCRC32,
			ChecksumCRC32C: out.ChecksumCRC32C, ChecksumCRC64NVME: out.ChecksumCRC64NVME, ChecksumSHA1: out.ChecksumSHA1, ChecksumSHA256: out.ChecksumSHA256})
	}
	if err := atEnd(r); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	_, err = s.cfg.Client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: &s.cfg.Bucket, Key: s.key(name), UploadId: made.UploadId,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}})
	if err != nil {
		return s.failed("write", name, err)
	}
	return nil
}

// Sync implements [archive.Store]: what S3 acknowledged is durable.
func (s *Store) Sync(ctx context.Context) error { return ctx.Err() }

// A file is an object, pinned to the bytes that it had when it was opened.
type file struct {
	s    *Store
	ctx  context.Context
	name string
	size int64
	etag *string
}

// Open implements [archive.Store]. The context also bounds the reads.
func (s *Store) Open(ctx context.Context, name string) (archive.File, error) {
	if err := archive.CheckName(name); err != nil {
		return nil, err
	}
	head, err := s.cfg.Client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.cfg.Bucket, Key: s.key(name)})
	if _, ok := errors.AsType[*types.NotFound](err); ok {
		return nil, fmt.Errorf("%w: %s", archive.ErrNotFound, name)
	}
	if err != nil {
		return nil, s.failed("open", name, err)
	}
	return &file{s, ctx, name, aws.ToInt64(head.ContentLength), head.ETag}, nil
}

func (f *file) Size() int64  { return f.size }
func (f *file) Close() error { return nil }

func (f *file) ReadAt(p []byte, off int64) (int, error) {
	if off >= f.size {
		return 0, io.EOF
	}
	n := min(int64(len(p)), f.size-off)
	if n == 0 {
		return 0, nil
	}
	out, err := f.s.cfg.Client.GetObject(f.ctx, &s3.GetObjectInput{Bucket: &f.s.cfg.Bucket, Key: f.s.key(f.name), IfMatch: f.etag,
		Range: aws.String(fmt.Sprintf("bytes=%d-%d", off, off+n-1))})
	if err != nil {
		return 0, f.s.failed("read", f.name, err)
	}
	defer out.Body.Close()
	m, err := io.ReadFull(out.Body, p[:n])
	if err != nil {
		return m, f.s.failed("read", f.name, err)
	}
	if n < int64(len(p)) {
		return m, io.EOF
	}
	return m, nil
}

// List implements [archive.Store].
func (s *Store) List(ctx context.Context, prefix string, fn func(name string) error) error {
	pages := s3.NewListObjectsV2Paginator(s.cfg.Client, &s3.ListObjectsV2Input{Bucket: &s.cfg.Bucket, Prefix: aws.String(s.cfg.Prefix + prefix)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return s.failed("list", prefix, err)
		}
		for i := range page.Contents {
			name := strings.TrimPrefix(aws.ToString(page.Contents[i].Key), s.cfg.Prefix)
			if archive.CheckName(name) != nil {
				continue
			}
			if err := fn(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// Delete implements [archive.Store].
func (s *Store) Delete(ctx context.Context, name string) error {
	if err := archive.CheckName(name); err != nil {
		return err
	}
	if _, err := s.cfg.Client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.cfg.Bucket, Key: s.key(name)}); err != nil {
		return s.failed("delete", name, err)
	}
	return nil
}

// Close implements [archive.Store].
func (s *Store) Close() error { return nil }
