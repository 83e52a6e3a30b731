package authn

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"hash"
	"io"
	"net/http"

	"coffer/internal/sigv4"
)

// A Body is the data of a request: decoded, and verified as the request declared
// it. It hands data out before all of it is verified, so until Read has returned
// io.EOF, or as many bytes as Length says have been read, callers must be ready to
// discard everything. The last bytes are withheld until all is verified. It is for
// one goroutine.
//
// Read returns an *awserr.Error for what the client did wrong:
//
//   - XAmzContentSHA256Mismatch if the body is not the one that was signed,
//   - SignatureDoesNotMatch for a chunk or a trailer that is not,
//   - IncompleteBody if the body ends early or its chunks are malformed,
//   - InvalidChunkSizeError for a chunk that is too small,
//   - MalformedTrailerError for other trailers than were declared.
type Body struct {
	src    io.Reader
	closer io.Closer
	length int64
	left   int64 // of length; negative if that is unknown

	sum  hash.Hash // of a body whose hash is declared; nil otherwise
	want []byte

	chunks *sigv4.ChunkReader // src, if the payload is streamed
	signed *signedBody        // if chunks are

	err error // once it ended
}

// A signedBody is what the chunks of a body are checked with.
type signedBody struct {
	claim   *claim
	verdict verdict
}

var emptySHA256 = sha256.Sum256(nil)

// newBody returns the body of r. Without data to read it is verified at once, since
// its caller may never read it.
func newBody(r *http.Request, p *payload, signed *signedBody) (*Body, error) {
	b := &Body{src: r.Body, closer: r.Body, length: r.ContentLength, left: r.ContentLength}
	if r.Body == nil {
		b.src, b.closer = http.NoBody, http.NoBody
	}
	switch {
	case p.streaming():
		cfg := sigv4.ChunkConfig{Length: p.length, Trailers: p.mode != sigv4.StreamingPayload, Declared: p.declared}
		if p.mode != sigv4.StreamingUnsignedTrailer {
			b.signed = signed
			cfg.Chain = sigv4.NewChain(signed.verdict.signing, signed.claim.date, signed.claim.credential.Scope, signed.claim.signature)
		}
		b.chunks = sigv4.NewChunkReader(b.src, cfg)
		b.src, b.length, b.left = b.chunks, p.length, -1
	case p.hash != nil && b.length == 0:
		if subtle.ConstantTimeCompare(p.hash, emptySHA256[:]) != 1 {
			return nil, s3HashMismatch(p.hash, emptySHA256[:])
		}
	case p.hash != nil:
		b.sum, b.want = sha256.New(), p.hash
	}
	return b, nil
}

// Length returns the number of bytes of data, or -1 if it is not known before the
// end.
func (b *Body) Length() int64 { return b.length }

// Trailer returns the trailers of a streamed payload, by lower-case name, once Read
// has returned io.EOF. Until then, and for other payloads, it returns nil.
func (b *Body) Trailer() map[string]string {
	if b.chunks == nil {
		return nil
	}
	return b.chunks.Trailers()
}

// Read reads data.
func (b *Body) Read(p []byte) (int, error) {
	if b.err != nil || len(p) == 0 {
		return 0, b.err
	}
	n, err := b.src.Read(p)
	if b.sum != nil {
		b.sum.Write(p[:n])
	}
	b.left -= int64(n)
	if err == nil && b.left == 0 {
		err = io.EOF // whoever counts may not come back for it
	}
	if err == nil {
		return n, nil
	}
	b.err = b.finish(err)
	switch {
	case b.err != io.EOF:
		return 0, b.err
	case n > 0:
		return n, nil
	}
	return 0, io.EOF
}

// Close closes the body of the request. It verifies nothing.
func (b *Body) Close() error { return b.closer.Close() }

// finish verifies the whole when the source has ended, and turns its errors into
// the client's.
func (b *Body) finish(err error) error {
	var size *sigv4.ChunkSizeError
	var signature *sigv4.ChunkSignatureError
	switch {
	case err == io.EOF && b.sum != nil:
		if sum := b.sum.Sum(nil); subtle.ConstantTimeCompare(sum, b.want) != 1 {
			return s3HashMismatch(b.want, sum)
		}
		return io.EOF
	case errors.Is(err, sigv4.ErrFraming), errors.Is(err, io.ErrUnexpectedEOF):
		return errS3Body.Because(err)
	case errors.Is(err, sigv4.ErrTrailer):
		return errS3Trailer.Because(err)
	case errors.As(err, &size):
		return s3ChunkSize(size)
	case errors.As(err, &signature):
		cl, v := *b.signed.claim, b.signed.verdict
		cl.signature, v.toSign = signature.Provided, signature.StringToSign
		return s3Mismatch(&cl, &v)
	}
	return err
}
