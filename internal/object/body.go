package object

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"

	"coffer/internal/checksum"
	"coffer/internal/sealed"
)

// A Body is plaintext on its way in.
type Body struct {
	Reader io.Reader
	// Length is the number of bytes that Reader must yield, or -1 if it is
	// not known; then it yields Min to Max bytes.
	Length   int64
	Min, Max int64
	// MD5 is the digest that the client sent, or nil.
	MD5 []byte
	// Algorithm is the checksum to compute and keep; CRC64NVME if empty.
	Algorithm checksum.Algorithm
	// Expected returns the checksum that the client sent, in base64, or ""
	// if it sent none. It is called after Reader has ended. May be nil.
	Expected func() (string, error)
}

// A sealedBody is a body that a store holds but that no row names yet.
type sealedBody struct {
	keys      sealed.Keys
	content   sealed.Content
	inline    []byte // the sealed body, if it is small
	blob      string // its name otherwise
	md5       []byte // nil if not computed
	algorithm checksum.Algorithm
	sum       []byte
}

// chunkSize is how much plaintext is hashed and sealed at a time.
const chunkSize = 4 * sealed.SegmentSize

var chunks = sync.Pool{New: func() any { return new([chunkSize]byte) }}

// receive reads body to its end, seals it under fresh keys and stores it. The
// result is durable, except for a small body, which goes into a row. The
// caller either names it in a commit or drops it, and wipes its keys.
func (s *Store) receive(ctx context.Context, body *Body, suite sealed.Suite, wantMD5 bool) (_ *sealedBody, err error) {
	out := &sealedBody{algorithm: body.Algorithm, keys: make(sealed.Keys, suite)}
	defer func() {
		if err != nil {
			s.drop(out)
		}
	}()
	if err := s.room(); err != nil {
		return nil, err
	}
	if out.algorithm == "" {
		out.algorithm = checksum.CRC64NVME
	}
	for i := range out.keys {
		if err := s.random(out.keys[i][:]); err != nil {
			return nil, err
		}
	}
	var id [32]byte
	if err := s.random(id[:]); err != nil {
		return nil, err
	}
	algorithms := []checksum.Algorithm{out.algorithm}
	if (wantMD5 || body.MD5 != nil) && out.algorithm != checksum.MD5 {
		algorithms = append(algorithms, checksum.MD5)
	}
	sums := checksum.NewMulti(algorithms...)

	buf := chunks.Get().(*[chunkSize]byte)
	n, err := fill(body, buf[:], 0)
	used := n // a later chunk is never longer than the first
	defer func() {
		clear(buf[:used])
		chunks.Put(buf)
	}()
	last := err == io.EOF
	if err != nil && !last {
		return nil, err
	}
	sums.Write(buf[:n])
	if last && n <= InlineMax {
		err = out.sealInline(id, buf[:n])
	} else {
		err = s.sealBlob(ctx, out, id, body, buf[:], n, last, sums)
	}
	if err == nil {
		out.sum = sums.Sum(out.algorithm)
		if len(algorithms) > 1 || out.algorithm == checksum.MD5 {
			out.md5 = sums.Sum(checksum.MD5)
		}
		err = out.verify(body)
	}
	if err != nil {
		return nil, err
	}
	s.sealedBytes.Add(out.content.Length)
	return out, nil
}

// fill reads into buf until it is full or the body ends. It returns io.EOF with
// the last bytes, and an error for a body that is too long or too short; before
// is what was read earlier.
func fill(body *Body, buf []byte, before int64) (n int, err error) {
	for idle := 0; n < len(buf) && err == nil; {
		var m int
		m, err = body.Reader.Read(buf[n:])
		n += m
		if idle++; m > 0 {
			idle = 0
		} else if idle == 100 && err == nil {
			err = io.ErrNoProgress
		}
	}
	total := before + int64(n)
	switch {
	case err != nil && err != io.EOF:
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = fmt.Errorf("%w: %w", ErrIncomplete, err)
		}
		return n, err
	case body.Length >= 0 && total > body.Length, body.Length < 0 && total > body.Max:
		return n, ErrTooLarge
	case err == io.EOF && body.Length >= 0 && total < body.Length:
		return n, ErrIncomplete
	case err == io.EOF && body.Length < 0 && total < body.Min:
		return n, ErrTooSmall
	}
	return n, err
}

// sealInline seals a small body in memory.
func (b *sealedBody) sealInline(id [32]byte, plain []byte) error {
	dst := bytes.NewBuffer(make([]byte, 0, sealed.SealedSize(int64(len(plain)), b.keys.Suite())))
	w, err := sealed.NewWriter(dst, b.keys, id)
	if err != nil {
		return err
	}
	if _, err := w.Write(plain); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	b.content, b.inline = w.Content(), dst.Bytes()
	return nil
}

// sealBlob seals a body into a blob. The first n bytes of it are in buf.
func (s *Store) sealBlob(ctx context.Context, b *sealedBody, id [32]byte, body *Body, buf []byte, n int, last bool, sums io.Writer) error {
	hint := int64(-1)
	if body.Length >= 0 {
		hint = sealed.SealedSize(body.Length, b.keys.Suite())
	}
	name, err := s.blobName(ctx)
	if err != nil {
		return err
	}
	b.blob = name
	blob, err := s.blobs.Create(ctx, name, hint)
	if err != nil {
		return fmt.Errorf("create blob: %w", err)
	}
	defer blob.Abort()
	w, err := sealed.NewWriter(blob, b.keys, id)
	if err != nil {
		return err
	}
	defer func() { _ = w.Close() }() // frees its buffer if the body ends early
	for {
		if _, err := w.Write(buf[:n]); err != nil {
			return fmt.Errorf("write blob: %w", err)
		}
		if last {
			break
		}
		if err := s.room(); err != nil {
			return err
		}
		n, err = fill(body, buf, w.Content().Length)
		if last = err == io.EOF; err != nil && !last {
			return err
		}
		if _, err := sums.Write(buf[:n]); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("write blob: %w", err)
	}
	b.content = w.Content()
	if err := blob.Commit(); err != nil {
		return fmt.Errorf("commit blob: %w", err)
	}
	return nil
}

// verify compares what was computed with what the client sent.
func (b *sealedBody) verify(body *Body) error {
	if body.MD5 != nil && !bytes.Equal(body.MD5, b.md5) {
		return &DigestError{Algorithm: checksum.MD5, Expected: body.MD5, Calculated: b.md5}
	}
	if body.Expected == nil {
		return nil
	}
	sent, err := body.Expected()
	if err != nil || sent == "" {
		return err
	}
	want, err := b.algorithm.Decode(sent)
	if err != nil {
		return fmt.Errorf("%w: %s", ErrInvalidChecksum, b.algorithm)
	}
	if !bytes.Equal(want, b.sum) {
		return &DigestError{Algorithm: b.algorithm, Expected: want, Calculated: b.sum}
	}
	return nil
}

// A DigestError says that a body does not match a checksum that the client
// sent. It is an ErrBadDigest.
type DigestError struct {
	Algorithm            checksum.Algorithm
	Expected, Calculated []byte
}

// Error names the algorithm, not the values.
func (e *DigestError) Error() string { return fmt.Sprintf("%v: %s", ErrBadDigest, e.Algorithm) }

// Unwrap returns ErrBadDigest.
func (e *DigestError) Unwrap() error { return ErrBadDigest }

// drop gives up a body that no row will name.
func (s *Store) drop(b *sealedBody) {
	b.keys.Wipe()
	if b.blob != "" {
		s.giveUp(b.blob)
	}
}

// etag returns the ETag of a body: the MD5 of the plaintext if the content is
// sealed under the account's service key, and otherwise a random value that
// tells nothing of the plaintext.
//
// Source: Amazon S3 API Reference, "Object", read 2026-11-21.
func (s *Store) etag(mode sealed.Mode, md5 []byte) (string, error) {
	if mode == sealed.ModeS3 {
		return hex.EncodeToString(md5), nil
	}
	var b [16]byte
	err := s.random(b[:])
	return hex.EncodeToString(b[:]), err
}
