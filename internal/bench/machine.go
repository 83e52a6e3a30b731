package bench

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"coffer/internal/checksum"
	"coffer/internal/durable"
)

// limitTime is how long the table measures each limit of the machine.
const limitTime = 300 * time.Millisecond

// A limit is what the machine can do at best.
type limit struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"` // MiB/s or operations/s
	Err   string  `json:"error,omitempty"`
}

// machineLimits measures the machine, for the time d each, in dir where disks
// matter.
func machineLimits(ctx context.Context, dir string, d time.Duration) []limit {
	var limits []limit
	add := func(name, unit string, fn func() (float64, error)) {
		if ctx.Err() != nil {
			return
		}
		l := limit{Name: name, Unit: unit}
		v, err := fn()
		if l.Value = round(v, 1); err != nil {
			l.Err = err.Error()
		}
		limits = append(limits, l)
	}
	const perSecond, rate = "operations/s", "MiB/s"
	block := make([]byte, 64*kib)
	rand.Read(block)
	gcm := newGCM()
	nonce := make([]byte, gcm.NonceSize()) // the key encrypts nothing but this
	sealed := gcm.Seal(nil, nonce, block, nil)
	out := make([]byte, 0, len(sealed))
	add("AES-256-GCM seal, 64 KiB, one core", rate, throughput(d, block, func() { gcm.Seal(out, nonce, block, nil) }))
	add("AES-256-GCM open, 64 KiB, one core", rate, throughput(d, block, func() { gcm.Open(out, nonce, sealed, nil) }))
	for _, h := range []struct {
		name string
		h    hash.Hash
	}{
		{"MD5", md5.New()}, {"SHA-256", sha256.New()},
		{"CRC32C", checksum.CRC32C.New()}, {"CRC64NVME", checksum.CRC64NVME.New()},
	} {
		add(h.name+", one core", rate, throughput(d, block, func() { h.h.Write(block) }))
	}
	m, s := md5.New(), sha256.New()
	add("SHA-256, MD5 and AES-256-GCM in turn, one core", rate, throughput(d, block, func() {
		s.Write(block)
		m.Write(block)
		gcm.Seal(out, nonce, block, nil)
	}))
	for _, n := range []int{1, 16} {
		add("write 4 KiB and fdatasync, "+plural(n, "thread"), perSecond, func() (float64, error) { return syncedWrites(d, dir, n) })
	}
	add("sequential write, O_DIRECT, 1 MiB", rate, func() (float64, error) { return directWrites(d, dir) })
	add("loopback TCP, one connection, writes of 256 KiB", rate, func() (float64, error) { return loopback(d) })
	for _, c := range []struct {
		method string
		size   size
		n      int
	}{{"PUT", 4 * kib, 16}, {"GET", 4 * kib, 16}, {"PUT", mib, 16}, {"GET", mib, 16}} {
		name := fmt.Sprintf("this generator on a server that does nothing, %s %v, %d clients", c.method, c.size, c.n)
		unit := perSecond
		if c.size >= mib {
			unit = rate
		}
		add(name, unit, func() (float64, error) { return generatorCeiling(ctx, d, c.method, c.size, c.n, unit == rate) })
	}
	return limits
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

func newGCM() cipher.AEAD {
	key := make([]byte, 32)
	rand.Read(key)
	b, err := aes.NewCipher(key)
	if err != nil {
		panic("bench: internal error: " + err.Error())
	}
	g, err := cipher.NewGCM(b)
	if err != nil {
		panic("bench: internal error: " + err.Error())
	}
	return g
}

// throughput measures fn, which handles block, in MiB/s.
func throughput(d time.Duration, block []byte, fn func()) func() (float64, error) {
	return func() (float64, error) {
		begin, n := time.Now(), 0
		for time.Since(begin) < d {
			for range 16 {
				fn()
			}
			n += 16
		}
		return float64(n) * float64(len(block)) / mib / time.Since(begin).Seconds(), nil
	}
}

// syncedWrites writes 4 KiB and makes them durable, from threads with a file of
// 4 MiB each that has its blocks already.
func syncedWrites(d time.Duration, dir string, threads int) (float64, error) {
	const fileSize = 4 * mib
	var n atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, threads)
	files := make([]*os.File, threads)
	for i := range files {
		f, err := os.Create(filepath.Join(dir, "sync-"+strconv.Itoa(i)))
		if err != nil {
			return 0, err
		}
		defer os.Remove(f.Name())
		defer f.Close()
		if _, err := f.Write(make([]byte, fileSize)); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
		files[i] = f
	}
	begin := time.Now()
	for i, f := range files {
		wg.Go(func() {
			block := make([]byte, 4*kib)
			for at := int64(0); time.Since(begin) < d; at = (at + 4*kib) % fileSize {
				block[0]++
				if _, errs[i] = f.WriteAt(block, at); errs[i] == nil {
					errs[i] = syncData(f)
				}
				if errs[i] != nil {
					return
				}
				n.Add(1)
			}
		})
	}
	wg.Wait()
	return float64(n.Load()) / time.Since(begin).Seconds(), errors.Join(errs...)
}

// directWrites writes a file past the page cache and makes it durable at the end.
func directWrites(d time.Duration, dir string) (float64, error) {
	name := filepath.Join(dir, "direct")
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|durable.Direct, 0o600)
	if err != nil {
		return 0, err
	}
	defer os.Remove(name)
	defer f.Close()
	block := durable.NewBuffer(mib)
	begin, n := time.Now(), 0
	for time.Since(begin) < d {
		if _, err := f.Write(block); err != nil {
			return 0, err
		}
		n++
	}
	if err := syncData(f); err != nil {
		return 0, err
	}
	return float64(n) / time.Since(begin).Seconds(), nil
}

// loopback sends over one connection to another goroutine.
func loopback(d time.Duration) (float64, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	var n int64
	read := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			b := make([]byte, 256*kib)
			for err == nil {
				var k int
				k, err = c.Read(b)
				n += int64(k)
			}
			c.Close()
		}
		read <- err
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return 0, err
	}
	block := make([]byte, 256*kib)
	begin := time.Now()
	for err == nil && time.Since(begin) < d {
		_, err = c.Write(block)
	}
	c.Close()
	if e := <-read; e != io.EOF {
		err = errors.Join(err, e)
	}
	return float64(n) / mib / time.Since(begin).Seconds(), err
}

// generatorCeiling measures the generator on a server of net/http in the same
// process that reads bodies and returns fixed ones: no S3 server on net/http can
// look faster on this machine.
func generatorCeiling(ctx context.Context, d time.Duration, method string, n size, clients int, mibs bool) (float64, error) {
	body := make([]byte, n)
	length := strconv.Itoa(len(body))
	buffers := sync.Pool{New: func() any { return new([discardSize]byte) }}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			b := buffers.Get().(*[discardSize]byte)
			io.CopyBuffer(struct{ io.Writer }{io.Discard}, r.Body, b[:])
			buffers.Put(b)
			return
		}
		w.Header().Set("Content-Length", length)
		w.Write(body)
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	server := &http.Server{Handler: h}
	go server.Serve(l)
	defer server.Close()
	u := &url.URL{Scheme: "http", Host: l.Addr().String()}
	o := &options{op: strings.ToLower(method), size: n, objects: 1, payload: "auto", timeout: time.Minute}
	e := &environment{region: "us-east-1", s3: u, kms: u, credentials: credentials{accessKeyID: "none", secret: "none"}}
	s := &session{o: o, s3: newTarget(e, u, "s3", "", o), root: "/bucket/", body: newPayload(body, int64(n))}
	op, _ := findOperation(o.op)
	work := load{clients: clients, warmup: d / 3, duration: d, newStep: op.start(s)}
	t, err := work.run(ctx)
	if err != nil {
		return 0, err
	}
	r := newReport(o, e, t)
	if r.Errors > 0 {
		err = fmt.Errorf("%d errors", r.Errors)
	}
	if mibs {
		return r.MiBPerSecond, err
	}
	return r.OperationsPerSecond, err
}
