package bench

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"io"
)

// blockSize is how much of a large body is held in memory: the body repeats it.
const blockSize = mib

// A payload is a body that is sent many times: a block, repeated until size bytes
// are there, and its hash. It is not changed once made.
type payload struct {
	block  []byte
	size   int64
	sha256 string // hexadecimal
}

// newPayload returns the body that repeats block, which it keeps.
func newPayload(block []byte, size int64) *payload {
	p := &payload{block: block, size: size}
	h := sha256.New()
	p.WriteTo(h) // a hash takes everything
	p.sha256 = hex.EncodeToString(h.Sum(nil))
	return p
}

// newDocument returns a body that is sent once.
func newDocument(text string) *payload { return newPayload([]byte(text), int64(len(text))) }

// randomPayload returns a body of random bytes that no server can compress.
func randomPayload(rand io.Reader, size int64) (*payload, error) {
	block := make([]byte, min(size, blockSize))
	if _, err := io.ReadFull(rand, block); err != nil {
		return nil, err
	}
	return newPayload(block, size), nil
}

// WriteTo writes the body.
func (p *payload) WriteTo(w io.Writer) (n int64, err error) {
	for n < p.size && err == nil {
		var k int
		k, err = w.Write(p.block[:min(p.size-n, int64(len(p.block)))])
		n += int64(k)
	}
	return n, err
}

// md5 returns the value of Content-MD5.
func (p *payload) md5() string { return digest(md5.New(), p) }

func digest(h hash.Hash, p *payload) string {
	p.WriteTo(h)
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// appendTo appends a body that is no larger than a block.
func (p *payload) appendTo(b []byte) []byte {
	w := bytes.NewBuffer(b)
	p.WriteTo(w)
	return w.Bytes()
}
