package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// A specimen is a data directory with one of everything, whose files are
// damaged byte by byte.
type specimen struct {
	dir     string
	keyID   string
	cipher  []byte            // "specimen" under the key
	objects map[string][]byte // of the bucket "specimen"
}

const specimenBucket = "specimen"

// newSpecimen makes a data directory. If it was killed its rows are in the log
// of the store, else in its tables.
func newSpecimen(t *testing.T, killed bool) *specimen {
	t.Helper()
	ctx := context.Background()
	s := startAt(t, filepath.Join(fastDir(t), "data"))
	sp := &specimen{dir: s.dir, objects: map[string][]byte{}}
	key, err := s.kms().CreateKey(ctx, &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	sp.keyID = *key.KeyMetadata.KeyId
	enc, err := s.kms().Encrypt(ctx, &kms.EncryptInput{KeyId: &sp.keyID, Plaintext: []byte("specimen")})
	if err != nil {
		t.Fatal(err)
	}
	sp.cipher = enc.CiphertextBlob
	s.mustPut(t, "/"+specimenBucket, nil)
	put := func(name string, b []byte, header ...string) {
		s.mustPut(t, "/"+specimenBucket+"/"+name, b, header...)
		sp.objects[name] = b
	}
	put("empty", nil)
	put("inline", []byte("a small body lies in a row"))
	put("blob", random(1, 100<<10))
	put("kms-inline", random(2, 100), "X-Amz-Server-Side-Encryption", "aws:kms", "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id", sp.keyID)
	put("kms-blob", random(3, 100<<10), "X-Amz-Server-Side-Encryption", "aws:kms", "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id", sp.keyID)
	sp.objects["parts"] = s.putParts(t, specimenBucket, "parts", random(4, partSize), random(5, 1000))
	if killed {
		time.Sleep(300 * time.Millisecond) // the store is idle, as it mostly is before a crash
		s.kill()
	} else {
		s.stop()
	}
	return sp
}

// mustPut puts raw bytes at a path.
func (s *server) mustPut(t testing.TB, path string, b []byte, header ...string) {
	t.Helper()
	if a := s.send("PUT", path, b, header...); a.status != 200 {
		t.Fatalf("PUT %s = %d %s; want 200", path, a.status, a.code)
	}
}

// putParts uploads an object in parts and returns its bytes.
func (s *server) putParts(t testing.TB, bucket, key string, parts ...[]byte) []byte {
	t.Helper()
	ctx := context.Background()
	c := s.s3()
	up, err := c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &bucket, Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	var done []types.CompletedPart
	for i, b := range parts {
		out, err := c.UploadPart(ctx, &s3.UploadPartInput{Bucket: &bucket, Key: &key, UploadId: up.UploadId,
			PartNumber: aws.Int32(int32(i + 1)), Body: bytes.NewReader(b)})
		if err != nil {
			t.Fatal(err)
		}
		done = append(done, types.CompletedPart{PartNumber: aws.Int32(int32(i + 1)), ETag: out.ETag})
	}
	_, err = c.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: &bucket, Key: &key, UploadId: up.UploadId,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: done}})
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Join(parts, nil)
}

// fastDir returns a directory in memory, where syncs cost nothing, if the
// machine has one.
func fastDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "coffer-flip-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// A flip is one damaged byte.
type flip struct {
	file   string // relative to the data directory
	offset int64
	mask   byte
}

func (f flip) String() string { return fmt.Sprintf("%s at %d ^ %#02x", f.file, f.offset, f.mask) }

// flips returns damage to every file of a data directory: to each byte of
// those below a size, and to about as many bytes of the larger ones.
func (sp *specimen) flips(t testing.TB, perFile int) []flip {
	t.Helper()
	r := rand.New(rand.NewPCG(7, 7))
	var out []flip
	err := filepath.WalkDir(sp.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		name, _ := filepath.Rel(sp.dir, path)
		info, err := e.Info()
		if err != nil || name == "credentials" || name == "lock" || strings.HasPrefix(name, "blobs") {
			return err // blobs have a test of their own; the server never reads credentials
		}
		size := info.Size()
		if strings.HasSuffix(name, ".log") {
			size = written(t, path)
		}
		for n := range min(size, int64(perFile)) {
			offset := n
			if size > int64(perFile) {
				offset = r.Int64N(size)
			}
			out = append(out, flip{name, offset, 1 << r.IntN(8)})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// written returns how much of a log is not the zeros that were allocated.
func written(t testing.TB, path string) int64 {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return int64(len(bytes.TrimRight(b, "\x00")))
}

func (f flip) apply(dir string) error {
	file, err := os.OpenFile(filepath.Join(dir, f.file), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	b := make([]byte, 1)
	if _, err = file.ReadAt(b, f.offset); err == nil {
		b[0] ^= f.mask
		_, err = file.WriteAt(b, f.offset)
	}
	return errors.Join(err, file.Close())
}

// TestFlips flips bits of the metadata, the log, the root store and the stamp
// of a data directory, one at a time. The server then either does not start
// and says why, or every read returns the right bytes or an error of the
// server: never wrong bytes, and nothing that was acknowledged is just gone.
func TestFlips(t *testing.T) {
	for _, killed := range []bool{false, true} {
		t.Run(map[bool]string{false: "stopped", true: "killed"}[killed], func(t *testing.T) {
			sp := newSpecimen(t, killed)
			perFile := 40
			if soak() {
				perFile = 4000
			}
			flips := sp.flips(t, perFile)
			var mu sync.Mutex
			refused, broken := 0, 0
			work := make(chan flip)
			var done sync.WaitGroup
			for range runtime.GOMAXPROCS(0) {
				done.Go(func() {
					for f := range work {
						outcome, err := sp.try(t, f)
						mu.Lock()
						switch {
						case err != nil:
							t.Errorf("%v: %v", f, err)
						case outcome == flipRefused:
							refused++
						case outcome == flipSeen:
							broken++
						}
						mu.Unlock()
					}
				})
			}
			for _, f := range flips {
				work <- f
			}
			close(work)
			done.Wait()
			t.Logf("%d flips: %d times the server refused to start, %d times a read", len(flips), refused, broken)
			if refused == 0 || len(flips) < 100 {
				t.Errorf("%d flips, %d refusals; want many", len(flips), refused)
			}
		})
	}
}

// Outcomes of a flip.
type flipOutcome int

const (
	flipUnseen  flipOutcome = iota // all reads are right
	flipSeen                       // a read is refused with a status of 5xx
	flipRefused                    // the server does not start
)

// try starts a server on a copy of the specimen with one flip and reads all of
// it.
func (sp *specimen) try(t testing.TB, f flip) (flipOutcome, error) {
	dir, err := os.MkdirTemp(filepath.Dir(sp.dir), "flip-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	// Blobs are not damaged here, and not written by reads.
	copied := exec.Command("sh", "-c", `cd "$1" && cp -a credentials format.json lock meta receipt.pub root "$2" && cp -al blobs "$2"`, "sh", sp.dir, dir)
	if out, err := copied.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("copy: %v %s", err, out)
	}
	if err := f.apply(dir); err != nil {
		return 0, err
	}
	s, err := tryStart(quiet{t}, dir)
	if err != nil {
		return flipRefused, sayingWhy(err)
	}
	defer s.kill()
	return sp.read(s)
}

// quiet is a test whose servers don't say what they logged, nor live as long.
type quiet struct{ testing.TB }

func (quiet) Cleanup(func()) {}

// sayingWhy checks what a server that does not start says.
func sayingWhy(err error) error {
	text := err.Error()
	switch {
	case strings.Contains(text, "panic:"), strings.Contains(text, "goroutine "), strings.Contains(text, "not ready after"):
		return err
	case !strings.Contains(text, "coffer serve: "):
		return fmt.Errorf("the server does not start and does not say why: %w", err)
	}
	return nil
}

// read reads the whole specimen.
func (sp *specimen) read(s *server) (outcome flipOutcome, err error) {
	ctx := context.Background()
	judge := func(doing string, err error, right bool) error {
		switch {
		case err == nil && right:
			return nil
		case err == nil:
			return fmt.Errorf("%s returns something else than was written", doing)
		case status(err) >= 500 || cutShort(err):
			outcome = flipSeen
			return nil
		}
		return fmt.Errorf("%s = %w; want what was written or a status of 5xx", doing, err)
	}
	c := s.s3(func(o *s3.Options) { o.Retryer = aws.NopRetryer{} })
	list, err := c.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: aws.String(specimenBucket)})
	if err := judge("ListObjectsV2", err, err == nil && sp.isListed(list)); err != nil {
		return 0, err
	}
	for name, want := range sp.objects {
		var got []byte
		out, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(specimenBucket), Key: &name})
		if err == nil {
			got, err = io.ReadAll(out.Body)
			out.Body.Close()
			if !bytes.HasPrefix(want, got) {
				return 0, fmt.Errorf("GetObject %s returns wrong bytes", name)
			}
		}
		if err := judge("GetObject "+name, err, bytes.Equal(got, want)); err != nil {
			return 0, err
		}
	}
	k := kms.New(kms.Options{BaseEndpoint: &s.endpoint, Region: s.region, Credentials: s.credentials(), Retryer: aws.NopRetryer{}})
	dec, err := k.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sp.cipher})
	if err := judge("Decrypt", err, err == nil && string(dec.Plaintext) == "specimen"); err != nil {
		return 0, err
	}
	return outcome, nil
}

// cutShort reports whether a connection ended before the bytes did: what a
// server does that finds damage after the status is sent.
func cutShort(err error) bool {
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || strings.Contains(err.Error(), "connection reset")
}

func (sp *specimen) isListed(list *s3.ListObjectsV2Output) bool {
	n := 0
	for _, o := range list.Contents {
		if want, ok := sp.objects[*o.Key]; ok && *o.Size == int64(len(want)) {
			n++
		}
	}
	return n == len(sp.objects) && len(list.Contents) == n
}

// TestBlobFlips flips bits of blobs under a running server, which keeps no
// bytes of its own of them.
func TestBlobFlips(t *testing.T) {
	sp := newSpecimen(t, false)
	s := startAt(t, sp.dir)
	perFile := int64(60)
	if soak() {
		perFile = 5000
	}
	r := rand.New(rand.NewPCG(9, 9))
	var files []string
	err := filepath.WalkDir(filepath.Join(sp.dir, "blobs"), func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			files = append(files, path)
		}
		return err
	})
	if err != nil || len(files) < 3 {
		t.Fatalf("%d blobs, %v; want at least 3", len(files), err)
	}
	seen := 0
	for _, path := range files {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		name, _ := filepath.Rel(sp.dir, path)
		for n := range 2 * perFile {
			f := flip{name, r.Int64N(info.Size()), 1 << r.IntN(8)}
			if n >= perFile { // half of them in the checksums and the footer
				f.offset = info.Size() - 1 - r.Int64N(min(info.Size(), 128))
			}
			if err := f.apply(sp.dir); err != nil {
				t.Fatal(err)
			}
			outcome, err := sp.readBlobs(s)
			if err != nil {
				t.Errorf("%v: %v", f, err)
			}
			if outcome == flipSeen {
				seen++
			}
			if err := f.apply(sp.dir); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("%d flips, %d seen", len(files)*int(2*perFile), seen)
	if seen < len(files)*int(perFile) {
		t.Errorf("%d of %d flips are seen; want at least half", seen, len(files)*int(2*perFile))
	}
	if outcome, err := sp.read(s); outcome != flipUnseen || err != nil {
		t.Errorf("after all flips are undone: %v, %v; want every byte right", outcome, err)
	}
}

// readBlobs reads the objects of a specimen whose bytes are in blobs.
func (sp *specimen) readBlobs(s *server) (outcome flipOutcome, err error) {
	for name, want := range sp.objects {
		if len(want) < 64<<10 {
			continue
		}
		res, err := http.DefaultClient.Do(s.newRequest("GET", "/"+specimenBucket+"/"+name, nil))
		if err != nil {
			if cutShort(err) {
				outcome = flipSeen
				continue
			}
			return 0, err
		}
		got, err := io.ReadAll(res.Body)
		res.Body.Close()
		switch {
		case res.StatusCode >= 500:
			outcome = flipSeen
		case res.StatusCode != 200:
			return 0, fmt.Errorf("GET %s = %d; want 200 or 5xx", name, res.StatusCode)
		case !bytes.HasPrefix(want, got):
			return 0, fmt.Errorf("GET %s returns wrong bytes", name)
		case err != nil:
			outcome = flipSeen
		case len(got) != len(want):
			return 0, fmt.Errorf("GET %s returns %d bytes and no error; want %d", name, len(got), len(want))
		}
	}
	return outcome, nil
}
