package sigv4

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strconv"
	"strings"
)

const (
	// MinChunkSize is the smallest size of a chunk in bytes, the last one
	// excepted. It bounds the cost of a signature for each chunk.
	//
	// Source: Amazon S3 API Reference, "Signature Calculations for the
	// Authorization Header: Transferring Payload in Multiple Chunks", step 1,
	// read 2026-11-21.
	MinChunkSize = 8 << 10

	// maxChunkHeader is the longest line before a chunk, in bytes. A size of
	// 16 digits and a signature take 99.
	maxChunkHeader = 512
	// maxTrailer bounds what follows the last chunk, in bytes.
	maxTrailer = 8 << 10

	// chunkBuffer is above maxChunkHeader, so that a line fits, and below what
	// callers read at once, so that data goes from the source to them uncopied.
	chunkBuffer = 4 << 10

	trailerSignature = "x-amz-trailer-signature"
)

var (
	// ErrFraming means that a body is not well-formed aws-chunked framing, ends
	// too early, or does not have the length that was declared.
	ErrFraming = errors.New("sigv4: malformed chunked body")
	// ErrTrailer means that the trailers are not those that were declared.
	ErrTrailer = errors.New("sigv4: trailers differ from those declared")
)

// A ChunkSizeError means that a chunk other than the last was too small.
type ChunkSizeError struct {
	Chunk int   // number of the chunk after it, counted from 1
	Size  int64 // in bytes
}

// Error says which chunk it was.
func (e *ChunkSizeError) Error() string {
	return fmt.Sprintf("sigv4: chunk before chunk %d has %d bytes", e.Chunk, e.Size)
}

// A ChunkSignatureError means that the signature of a chunk or of the trailers is
// wrong.
type ChunkSignatureError struct {
	StringToSign string // that the server made
	Provided     string // that the client sent, at most 64 bytes of it
}

// Error says so.
func (e *ChunkSignatureError) Error() string { return "sigv4: wrong chunk signature" }

// A Chain makes the signatures of the chunks of one body, each of which covers the
// one before. It is for one goroutine.
type Chain struct {
	mac    hash.Hash
	middle string // date LF scope LF
	last   string // the signature that the next one covers
}

// NewChain returns the chain that begins with the signature of a request.
func NewChain(k SigningKey, amzDate string, s Scope, seed string) *Chain {
	return &Chain{
		mac:    hmac.New(sha256.New, k.key[:]),
		middle: amzDate + "\n" + s.String() + "\n",
		last:   seed,
	}
}

// chunk returns the string to sign and the signature of the next chunk, and moves
// the chain on.
func (c *Chain) chunk(sum []byte) (string, []byte) {
	return c.next("AWS4-HMAC-SHA256-PAYLOAD\n", EmptySHA256+"\n", sum)
}

// trailer does the same for the trailers.
func (c *Chain) trailer(sum []byte) (string, []byte) {
	return c.next("AWS4-HMAC-SHA256-TRAILER\n", "", sum)
}

func (c *Chain) next(name, extra string, sum []byte) (string, []byte) {
	toSign := name + c.middle + c.last + "\n" + extra + hex.EncodeToString(sum)
	c.mac.Reset()
	io.WriteString(c.mac, toSign)
	signature := c.mac.Sum(nil)
	c.last = hex.EncodeToString(signature)
	return toSign, signature
}

// ChunkConfig says what a ChunkReader expects.
type ChunkConfig struct {
	// Chain verifies the chunks. Without it, they are not signed.
	Chain *Chain
	// Length is the number of bytes in all chunks together.
	Length int64
	// Trailers allows header lines after the last chunk, and Declared lists
	// their names in lower case: exactly those must be there.
	Trailers bool
	Declared []string
}

// A ChunkReader decodes an aws-chunked body. It holds no chunk in memory, so it
// hands out data whose signature it has not seen yet: until Read has returned
// io.EOF, callers must be ready to discard all of it. The end of each chunk is
// withheld until its signature is verified, and the last bytes of the body until
// everything after them is: whoever has Length bytes has verified ones.
type ChunkReader struct {
	src *bufio.Reader
	cfg ChunkConfig

	sum       hash.Hash // of the current chunk; nil without a chain
	signature string    // of the current chunk, as sent
	count     int       // of the chunks begun
	size      int64     // of the current chunk
	left      int64     // of the current chunk, in bytes
	total     int64     // bytes begun in all chunks
	trailers  map[string]string
	err       error // once it ended
}

// NewChunkReader returns a reader of the data in the chunks of src.
//
// Its Read returns an error that wraps ErrFraming or ErrTrailer, a *ChunkSizeError,
// a *ChunkSignatureError, or what src returned. It reads src to its end.
func NewChunkReader(src io.Reader, cfg ChunkConfig) *ChunkReader {
	r := &ChunkReader{src: bufio.NewReaderSize(src, chunkBuffer), cfg: cfg}
	if cfg.Chain != nil {
		r.sum = sha256.New()
	}
	return r
}

// Trailers returns the header lines after the last chunk, by lower-case name, once
// Read has returned io.EOF. Until then it returns nil.
func (r *ChunkReader) Trailers() map[string]string {
	if r.err != io.EOF {
		return nil
	}
	return r.trailers
}

// Read reads data of one chunk.
func (r *ChunkReader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.read(p)
	r.err = err
	if n > 0 && err == io.EOF {
		return n, nil
	}
	return n, err
}

func (r *ChunkReader) read(p []byte) (int, error) {
	if r.left == 0 { // at the very beginning, and between chunks
		if err := r.begin(); err != nil {
			return 0, err
		}
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := r.src.Read(p[:min(int64(len(p)), r.left)])
	if err != nil {
		return 0, early(err)
	}
	r.left -= int64(n)
	if r.sum != nil {
		r.sum.Write(p[:n])
	}
	if r.left > 0 {
		return n, nil
	}
	if err := r.end(); err != nil {
		return 0, err
	}
	if r.total < r.cfg.Length {
		return n, nil
	}
	err = r.begin() // which can only be the last chunk
	if err != io.EOF {
		return 0, err
	}
	return n, io.EOF
}

// begin reads what stands before the data of a chunk. After the last chunk and all
// that follows it, begin returns io.EOF.
func (r *ChunkReader) begin() error {
	line, err := r.line(maxChunkHeader)
	if err != nil {
		return err
	}
	digits, extension, _ := strings.Cut(line, ";")
	size, err := parseSize(digits)
	if err != nil {
		return err
	}
	r.signature = ""
	if r.cfg.Chain != nil {
		var ok bool
		if r.signature, ok = strings.CutPrefix(extension, "chunk-signature="); !ok {
			return fmt.Errorf("%w: chunk without a signature", ErrFraming)
		}
		r.sum.Reset()
	}
	r.count++
	switch {
	case size == 0:
		return r.finish()
	case r.count > 1 && r.size < MinChunkSize:
		return &ChunkSizeError{r.count, r.size}
	case size > r.cfg.Length-r.total:
		return fmt.Errorf("%w: more data than declared", ErrFraming)
	}
	r.size, r.left = size, size
	r.total += size
	return nil
}

// parseSize reads the size of a chunk.
func parseSize(s string) (int64, error) {
	if s == "" || len(s) > 16 {
		return 0, fmt.Errorf("%w: chunk size", ErrFraming)
	}
	for _, c := range []byte(s) {
		if unhex[c] == 16 { // ParseInt takes signs
			return 0, fmt.Errorf("%w: chunk size", ErrFraming)
		}
	}
	n, err := strconv.ParseInt(s, 16, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: chunk size", ErrFraming)
	}
	return n, nil
}

// end checks what stands after the data of a chunk, and its signature.
func (r *ChunkReader) end() error {
	if err := r.verifyChunk(); err != nil {
		return err
	}
	var crlf [2]byte
	if _, err := io.ReadFull(r.src, crlf[:]); err != nil {
		return early(err)
	}
	if crlf != [2]byte{'\r', '\n'} {
		return fmt.Errorf("%w: chunk is longer than its size", ErrFraming)
	}
	return nil
}

func (r *ChunkReader) verifyChunk() error {
	if r.cfg.Chain == nil {
		return nil
	}
	toSign, want := r.cfg.Chain.chunk(r.sum.Sum(nil))
	return verify(toSign, want, r.signature)
}

func verify(toSign string, want []byte, got string) error {
	if !equalSignature(want, got) {
		return &ChunkSignatureError{toSign, got[:min(len(got), 2*sha256.Size)]}
	}
	return nil
}

// finish checks the last chunk and everything after it.
func (r *ChunkReader) finish() error {
	if err := r.verifyChunk(); err != nil {
		return err
	}
	if r.total != r.cfg.Length {
		return fmt.Errorf("%w: less data than declared", ErrFraming)
	}
	rest, err := io.ReadAll(io.LimitReader(r.src, maxTrailer+1))
	if err != nil {
		return err
	}
	if len(rest) > maxTrailer {
		return fmt.Errorf("%w: trailers are too long", ErrFraming)
	}
	if err := r.parseTrailers(rest); err != nil {
		return err
	}
	return io.EOF
}

// parseTrailers reads the lines after the last chunk. Clients disagree about the
// blank lines between and after them and about carriage returns, so these count
// for nothing.
func (r *ChunkReader) parseTrailers(rest []byte) error {
	var signed bytes.Buffer // in the form that is signed
	var signature string
	for line := range strings.SplitSeq(string(rest), "\n") {
		line = strings.TrimSuffix(line, "\r")
		if line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !r.cfg.Trailers || !ok || signature != "" {
			return fmt.Errorf("%w: bytes after the last chunk", ErrFraming)
		}
		name, value = strings.ToLower(name), strings.Trim(value, " \t")
		if r.cfg.Chain != nil && name == trailerSignature {
			signature = value
			continue
		}
		if _, ok := r.trailers[name]; ok || !slices.Contains(r.cfg.Declared, name) {
			return ErrTrailer
		}
		if r.trailers == nil {
			r.trailers = make(map[string]string)
		}
		r.trailers[name] = value
		signed.WriteString(name + ":" + value + "\n")
	}
	if r.cfg.Trailers && r.cfg.Chain != nil {
		if signature == "" {
			return fmt.Errorf("%w: trailers without a signature", ErrFraming)
		}
		sum := sha256.Sum256(signed.Bytes())
		toSign, want := r.cfg.Chain.trailer(sum[:])
		if err := verify(toSign, want, signature); err != nil {
			return err
		}
	}
	if len(r.trailers) != len(r.cfg.Declared) {
		return ErrTrailer
	}
	return nil
}

// line reads a line that CRLF ends.
func (r *ChunkReader) line(limit int) (string, error) {
	b, err := r.src.ReadSlice('\n')
	switch {
	case err == bufio.ErrBufferFull || len(b) > limit:
		return "", fmt.Errorf("%w: line is too long", ErrFraming)
	case err != nil:
		return "", early(err)
	}
	text, ok := strings.CutSuffix(string(b), "\r\n")
	if !ok {
		return "", fmt.Errorf("%w: line ends without a carriage return", ErrFraming)
	}
	return text, nil
}

// early turns an end in the middle into ErrFraming.
func early(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("%w: ends too early", ErrFraming)
	}
	return err
}
