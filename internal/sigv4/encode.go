package sigv4

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
)

// Names of the ways in which x-amz-content-sha256 declares a streamed payload,
// and of one that is not signed at all.
const (
	UnsignedPayload          = "UNSIGNED-PAYLOAD"
	StreamingPayload         = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	StreamingPayloadTrailer  = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
	StreamingUnsignedTrailer = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
)

// EncodeConfig says how a client frames a body.
type EncodeConfig struct {
	// Chain signs the chunks; without it they are not signed.
	Chain *Chain
	// ChunkSize is the size of every chunk but the last, in bytes; 64 KiB if 0.
	// S3 refuses less than MinChunkSize.
	ChunkSize int
	// TrailerName names the one header line after the last chunk, in lower
	// case; without it there is none. Trailer is called for its value, of
	// TrailerLength bytes, when all data has been read.
	TrailerName   string
	TrailerLength int
	Trailer       func() string
}

func (c *EncodeConfig) chunkSize() int {
	if c.ChunkSize == 0 {
		return 64 << 10
	}
	return c.ChunkSize
}

// EncodedLength returns the length of the body that frames size bytes of data.
func (c *EncodeConfig) EncodedLength(size int64) int64 {
	const crlf = 2
	header := func(n int64) int64 {
		h := int64(len(strconv.FormatInt(n, 16))) + crlf
		if c.Chain != nil {
			h += int64(len(";chunk-signature=") + 2*sha256.Size)
		}
		return h
	}
	chunk := int64(c.chunkSize())
	length := size/chunk*(header(chunk)+chunk+crlf) + header(0) + crlf
	if rest := size % chunk; rest > 0 {
		length += header(rest) + rest + crlf
	}
	if c.TrailerName != "" {
		length += int64(len(c.TrailerName) + 1 + c.TrailerLength + crlf)
		if c.Chain != nil {
			length += int64(len(trailerSignature) + 1 + 2*sha256.Size + crlf)
		}
	}
	return length
}

// A ChunkEncoder frames data as an aws-chunked body. It holds one chunk in memory.
type ChunkEncoder struct {
	src   io.Reader
	cfg   EncodeConfig
	chunk []byte
	out   bytes.Buffer
	err   error // once src ended
}

// NewChunkEncoder returns a reader of the body that frames the data of src.
func NewChunkEncoder(src io.Reader, cfg EncodeConfig) *ChunkEncoder {
	return &ChunkEncoder{src: src, cfg: cfg, chunk: make([]byte, cfg.chunkSize())}
}

// Read reads a part of the framed body.
func (e *ChunkEncoder) Read(p []byte) (int, error) {
	for e.out.Len() == 0 {
		if e.err != nil {
			return 0, e.err
		}
		e.fill()
	}
	return e.out.Read(p)
}

// fill frames one more chunk.
func (e *ChunkEncoder) fill() {
	n, err := io.ReadFull(e.src, e.chunk)
	if n > 0 {
		e.header(e.chunk[:n])
		e.out.Write(e.chunk[:n])
		e.out.WriteString("\r\n")
	}
	switch err {
	case nil:
	case io.EOF, io.ErrUnexpectedEOF:
		e.header(nil)
		e.trailer()
		e.out.WriteString("\r\n")
		e.err = io.EOF
	default:
		e.out.Reset()
		e.err = err
	}
}

func (e *ChunkEncoder) header(data []byte) {
	fmt.Fprintf(&e.out, "%x", len(data))
	if e.cfg.Chain != nil {
		sum := sha256.Sum256(data)
		_, signature := e.cfg.Chain.chunk(sum[:])
		e.out.WriteString(";chunk-signature=" + hex.EncodeToString(signature))
	}
	e.out.WriteString("\r\n")
}

func (e *ChunkEncoder) trailer() {
	if e.cfg.TrailerName == "" {
		return
	}
	line := e.cfg.TrailerName + ":" + e.cfg.Trailer()
	e.out.WriteString(line + "\r\n")
	if e.cfg.Chain != nil {
		sum := sha256.Sum256([]byte(line + "\n"))
		_, signature := e.cfg.Chain.trailer(sum[:])
		e.out.WriteString(trailerSignature + ":" + hex.EncodeToString(signature) + "\r\n")
	}
}
