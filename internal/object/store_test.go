package object_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"coffer/internal/blob"
	blobmem "coffer/internal/blob/mem"
	"coffer/internal/checksum"
	"coffer/internal/meta"
	metamem "coffer/internal/meta/mem"
	"coffer/internal/object"
	"coffer/internal/sealed"
)

// account owns every bucket of these tests.
const account = "123456789012"

// serviceKeys derives service secrets from nothing but their names.
type serviceKeys struct{}

func (serviceKeys) ServiceSecret(_ context.Context, account string, salt [32]byte) (sealed.Secret, error) {
	return sha256.Sum256(append(salt[:], account...)), nil
}

// A world is a store, what it stands on, and a clock.
type world struct {
	t     testing.TB
	meta  meta.Store
	blobs blob.Store
	rand  io.Reader
	now   atomic.Int64 // Unix milliseconds
	*object.Store
}

// newWorld returns a store in memory. The seed decides all randomness.
func newWorld(t testing.TB, seed uint64) *world {
	return newWorldOn(t, metamem.New(), new(blobmem.Store), seed)
}

func newWorldOn(t testing.TB, m meta.Store, b blob.Store, seed uint64) *world {
	w := &world{t: t, meta: m, blobs: b, rand: &lockedRand{src: rand.NewChaCha8(sha256.Sum256(fmt.Append(nil, seed)))}}
	w.now.Store(time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC).UnixMilli())
	w.open()
	t.Cleanup(func() { w.Store.Close() })
	return w
}

type lockedRand struct {
	mu  atomic.Int32
	src *rand.ChaCha8
}

func (r *lockedRand) Read(p []byte) (int, error) {
	for !r.mu.CompareAndSwap(0, 1) {
	}
	defer r.mu.Store(0)
	return r.src.Read(p)
}

// open opens the store again, as after a crash: nothing was closed.
func (w *world) open() {
	w.t.Helper()
	var err error
	w.Store, err = object.Open(context.Background(), w.config())
	if err != nil {
		w.t.Fatalf("Open() = %v", err)
	}
}

func (w *world) config() object.Config {
	return object.Config{
		Meta: w.meta, Blobs: w.blobs, Service: serviceKeys{}, StoreID: object.ID{1}, Rand: w.rand,
		Now: func() time.Time { return time.UnixMilli(w.now.Load()) },
		Log: slog.New(slog.DiscardHandler),
	}
}

// pass moves calendar time on.
func (w *world) pass(d time.Duration) { w.now.Add(d.Milliseconds()) }

// collect lets the grace of readers pass and collects.
func (w *world) collect() {
	w.t.Helper()
	w.pass(time.Minute)
	if err := w.Collect(w.t.Context()); err != nil {
		w.t.Fatalf("Collect() = %v", err)
	}
}

func noRecord(meta.Txn) error { return nil }

func (w *world) bucket(name, versioning string) *object.Bucket {
	w.t.Helper()
	b := &object.Bucket{Name: name, Account: account, Region: "us-east-1", Versioning: versioning}
	if err := w.CreateBucket(w.t.Context(), b, noRecord); err != nil {
		w.t.Fatalf("CreateBucket(%q) = %v", name, err)
	}
	return b
}

func (w *world) setVersioning(b *object.Bucket, versioning string) {
	w.t.Helper()
	err := w.UpdateBucket(w.t.Context(), b, func(b *object.Bucket) error {
		b.Versioning = versioning
		return nil
	}, noRecord)
	if err != nil {
		w.t.Fatalf("UpdateBucket(%q) = %v", b.Name, err)
	}
}

// A secretOf is a sealing for tests: the secret is the hash of its name.
func sealingOf(mode sealed.Mode, name string) *object.Sealing {
	s := &object.Sealing{Mode: mode}
	switch mode {
	case sealed.ModeS3:
		return s
	case sealed.ModeCustomer:
		s.KeyMD5 = "md5 of " + name
	default:
		s.KeyARN, s.KeyBlob = "arn:aws:kms:us-east-1:"+account+":key/"+name, []byte("sealed "+name)
	}
	s.Secret = sha256.Sum256([]byte(name))
	return s
}

func secretNamed(name string) *sealed.Secret {
	s := sealed.Secret(sha256.Sum256([]byte(name)))
	return &s
}

func bodyOf(data []byte) *object.Body {
	return &object.Body{Reader: bytes.NewReader(data), Length: int64(len(data))}
}

func (w *world) write(b *object.Bucket, key string, seal *object.Sealing) *object.Write {
	return &object.Write{Bucket: b, Key: key, Sealing: seal, Record: func(meta.Txn, *object.Version) error { return nil }}
}

// put stores data under SSE-S3.
func (w *world) put(b *object.Bucket, key string, data []byte) *object.Version {
	w.t.Helper()
	return w.putSealed(b, key, data, sealingOf(sealed.ModeS3, ""))
}

func (w *world) putSealed(b *object.Bucket, key string, data []byte, seal *object.Sealing) *object.Version {
	w.t.Helper()
	v, _, err := w.Put(w.t.Context(), w.write(b, key, seal), bodyOf(data))
	if err != nil {
		w.t.Fatalf("Put(%q, %d bytes) = %v", key, len(data), err)
	}
	return v
}

// read returns the plaintext of a version, "" for the current one.
func (w *world) read(b *object.Bucket, key, version string, secret *sealed.Secret) ([]byte, error) {
	v, err := w.Find(context.Background(), b, key, version)
	if err != nil {
		return nil, err
	}
	return w.readVersion(b, v, secret)
}

func (w *world) readVersion(b *object.Bucket, v *object.Version, secret *sealed.Secret) ([]byte, error) {
	return w.readRange(b, v, secret, 0, v.Size())
}

func (w *world) readRange(b *object.Bucket, v *object.Version, secret *sealed.Secret, off, n int64) ([]byte, error) {
	o, err := w.Open(context.Background(), b, v, secret)
	if err != nil {
		return nil, err
	}
	defer o.Close()
	r, err := o.Range(context.Background(), off, n)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// wantData fails the test unless the version reads as want.
func (w *world) wantData(b *object.Bucket, key, version string, secret *sealed.Secret, want []byte) {
	w.t.Helper()
	got, err := w.read(b, key, version, secret)
	if err != nil || !bytes.Equal(got, want) {
		w.t.Fatalf("read of %q %s = %d bytes, %v; want %d bytes", key, version, len(got), err, len(want))
	}
}

// pattern returns n bytes that differ from place to place and by seed.
func pattern(n int, seed uint64) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8(sha256.Sum256(fmt.Append(nil, "pattern", seed))).Read(b)
	return b
}

// rows returns every row of the store with a prefix.
func (w *world) rows(prefix string) map[string][]byte {
	w.t.Helper()
	out := map[string][]byte{}
	err := w.meta.View(context.Background(), func(r meta.Reader) error {
		return r.Scan(meta.Prefix([]byte(prefix)), func(k, v []byte) (bool, error) {
			if string(k) != "s3e" { // that the index is complete, always there
				out[string(k)] = bytes.Clone(v)
			}
			return true, nil
		})
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// setRow puts or, with nil, deletes a row behind the store's back.
func (w *world) setRow(key string, value []byte) {
	w.t.Helper()
	err := w.meta.Update(context.Background(), func(txn meta.Txn) error {
		if value == nil {
			return txn.Delete([]byte(key))
		}
		return txn.Put([]byte(key), value)
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// blobNames lists the blobs.
func (w *world) blobNames() []string {
	w.t.Helper()
	var names []string
	err := w.blobs.List(context.Background(), "", func(id string) error {
		names = append(names, id)
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return names
}

// An uploadTest is an upload under way in a test.
type uploadTest struct {
	w      *world
	b      *object.Bucket
	u      *object.Upload
	seal   *object.Sealing
	data   map[int][]byte
	etags  map[int]string
	secret *sealed.Secret
}

func (w *world) upload(b *object.Bucket, u *object.Upload, seal *object.Sealing) *uploadTest {
	w.t.Helper()
	if u.Algorithm == "" {
		u.Algorithm = checksum.CRC64NVME
	}
	if u.Type == "" {
		u.Type = string(u.Algorithm.MultipartType())
	}
	if err := w.CreateUpload(w.t.Context(), b, u, seal, noRecord); err != nil {
		w.t.Fatalf("CreateUpload(%q) = %v", u.Key, err)
	}
	secret := seal.Secret
	return &uploadTest{w, b, u, seal, map[int][]byte{}, map[int]string{}, &secret}
}

func noPartRecord(meta.Txn, *object.Part) error { return nil }

func (u *uploadTest) part(number int, data []byte) {
	u.w.t.Helper()
	p, _, err := u.w.PutPart(u.w.t.Context(), u.b, u.u, number, u.secret, bodyOf(data), noPartRecord)
	if err != nil {
		u.w.t.Fatalf("PutPart(%d, %d bytes) = %v", number, len(data), err)
	}
	u.data[number], u.etags[number] = data, p.ETag
}

func (u *uploadTest) completion(numbers ...int) *object.Completion {
	c := &object.Completion{Write: *u.w.write(u.b, u.u.Key, u.seal), Upload: u.u, Secret: u.secret, Size: -1}
	for _, n := range numbers {
		c.Parts = append(c.Parts, object.CompletedPart{Number: n, ETag: u.etags[n]})
	}
	return c
}

func (u *uploadTest) complete(numbers ...int) *object.Version {
	u.w.t.Helper()
	v, _, err := u.w.Complete(u.w.t.Context(), u.completion(numbers...))
	if err != nil {
		u.w.t.Fatalf("Complete(%v) = %v", numbers, err)
	}
	return v
}

// whole returns the bytes of the named parts, one after the other.
func (u *uploadTest) whole(numbers ...int) []byte {
	var all []byte
	for _, n := range numbers {
		all = append(all, u.data[n]...)
	}
	return all
}

func wantError(t testing.TB, what string, err error, want ...error) {
	t.Helper()
	for _, e := range want {
		if errors.Is(err, e) {
			return
		}
	}
	t.Errorf("%s = %v, want %v", what, err, want)
}

func md5Hex(data []byte) string { return hex.EncodeToString(checksum.MD5.Sum(data)) }
