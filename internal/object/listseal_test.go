package object_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"coffer/internal/meta"
	"coffer/internal/object"
	"coffer/internal/sealed"
)

// An SSE-C upload can be completed without the client's key; it reads with the
// key alone, and not once its list of parts was altered.
func TestCompleteWithoutCustomerKey(t *testing.T) {
	w := newWorld(t, 77)
	w.SetMinPart(1)
	ctx := t.Context()
	b := w.bucket("b", object.Enabled)
	seal := sealingOf(sealed.ModeCustomer, "client")
	u := &object.Upload{Key: "k", Algorithm: "CRC64NVME", Type: "FULL_OBJECT"}
	if err := w.CreateUpload(ctx, b, u, seal, noRecord); err != nil {
		t.Fatal(err)
	}
	r := rand.NewChaCha8([32]byte{1})
	var want []byte
	c := &object.Completion{Write: object.Write{Bucket: b, Key: "k", Record: func(meta.Txn, *object.Version) error { return nil }}, Upload: u, Size: -1}
	for n := 1; n <= 3; n++ {
		data := make([]byte, 70_000*n)
		r.Read(data)
		want = append(want, data...)
		body := &object.Body{Reader: bytes.NewReader(data), Length: int64(len(data))}
		p, _, err := w.PutPart(ctx, b, u, n, secretNamed("client"), body, func(meta.Txn, *object.Part) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		c.Parts = append(c.Parts, object.CompletedPart{Number: n, ETag: p.ETag})
	}
	if _, _, err := w.Complete(ctx, c); err != nil {
		t.Fatalf("Complete without the key = %v", err)
	}
	read := func(secret *sealed.Secret) ([]byte, error) {
		v, err := w.Find(ctx, b, "k", "")
		if err != nil {
			return nil, err
		}
		o, err := w.Open(ctx, b, v, secret)
		if err != nil {
			return nil, err
		}
		defer o.Close()
		plain, err := o.Range(ctx, 0, v.Size())
		if err != nil {
			return nil, err
		}
		defer plain.Close()
		return io.ReadAll(plain)
	}
	if got, err := read(secretNamed("client")); err != nil || !bytes.Equal(got, want) {
		t.Errorf("read with the key = %d bytes, %v; want %d", len(got), err, len(want))
	}
	if _, err := read(secretNamed("thief")); !errors.Is(err, object.ErrWrongCustomerKey) {
		t.Errorf("read with another key = %v; want ErrWrongCustomerKey", err)
	}
	v, err := w.Find(ctx, b, "k", "")
	if err != nil {
		t.Fatal(err)
	}
	for name, alter := range map[string]func(*object.Content){
		"a shorter object":    func(c *object.Content) { c.Length -= 70_000 * 3; c.PartCount-- },
		"another list":        func(c *object.Content) { c.Chunks[0].Hash[0] ^= 1 },
		"no seal of the list": func(c *object.Content) { c.ListSeal = nil },
		"a damaged seal":      func(c *object.Content) { c.ListSeal[len(c.ListSeal)-1] ^= 1 },
	} {
		t.Run(name, func(t *testing.T) {
			var row object.Version
			k := object.VersionRow(b.ID, "k", v.Seq)
			var kept []byte
			err := w.meta.Update(ctx, func(txn meta.Txn) (err error) {
				if kept, err = txn.Get(k); err != nil {
					return err
				}
				if err := object.GetRow(txn, k, &row); err != nil {
					return err
				}
				alter(&row.Content)
				return object.PutRow(txn, k, &row)
			})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := read(secretNamed("client")); !errors.Is(err, sealed.ErrDamaged) && !errors.Is(err, sealed.ErrWrongKey) {
				t.Errorf("read = %v; want ErrDamaged or ErrWrongKey", err)
			}
			if err := w.meta.Update(ctx, func(txn meta.Txn) error { return txn.Put(k, kept) }); err != nil {
				t.Fatal(err)
			}
		})
	}
	w.wantClean()
}
