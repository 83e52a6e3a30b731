package s3

import (
	"io"
	"strconv"
	"time"

	"coffer/internal/object"
)

// decideEvery is how long a stream goes on without asking whether it may go on and
// its key may still be used.
const decideEvery = time.Second

// A liveBody is the plaintext of a read that stops when the caller's right to it
// or access to the object's key ends.
type liveBody struct {
	object.Plaintext
	opened *object.Opened
	r      *request
	wrap   *object.Wrap
	asked  time.Time
}

// allowed asks again, once in decideEvery, whether the read may go on.
func (b *liveBody) allowed() error {
	if time.Since(b.asked) < decideEvery {
		return nil
	}
	b.asked = time.Now()
	if err := b.r.Again(b.r.ctx); err != nil {
		return err
	}
	if b.wrap.KeyARN == "" {
		return nil // no KMS key seals the object
	}
	if _, err := b.r.s.keys.CheckKey(b.r.ctx, b.r.c, "Decrypt", b.wrap.KeyARN, b.wrap.Context); err != nil {
		return kmsError(err)
	}
	return nil
}

func (b *liveBody) Read(p []byte) (int, error) {
	if err := b.allowed(); err != nil {
		return 0, b.r.translate(err)
	}
	n, err := b.Plaintext.Read(p)
	if err != nil && err != io.EOF {
		err = b.r.translate(err)
	}
	return n, err
}

func (b *liveBody) WriteTo(w io.Writer) (int64, error) {
	n, err := b.Plaintext.WriteTo(deciding{w, b})
	if err != nil {
		err = b.r.translate(err)
	}
	return n, err
}

func (b *liveBody) Close() error {
	err := b.Plaintext.Close()
	b.opened.Close()
	return err
}

// deciding writes to w as long as the read is allowed.
type deciding struct {
	w io.Writer
	b *liveBody
}

func (d deciding) Write(p []byte) (int, error) {
	if err := d.b.allowed(); err != nil {
		return 0, err
	}
	return d.w.Write(p)
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
