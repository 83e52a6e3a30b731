package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"coffer/internal/archive"
	"coffer/internal/archive/dir"
	"coffer/internal/backupset"
	"coffer/internal/blob"
	blobmem "coffer/internal/blob/mem"
	"coffer/internal/meta"
	"coffer/internal/meta/mem"
	"coffer/internal/meta/metatest"
)

// A world is a store with some rows and blobs, and a place for its backups.
type world struct {
	*testing.T
	rows    *mem.Store
	blobs   *blobmem.Store
	codec   *backupset.Codec
	backups *Backups
	to      string
	held    int
}

const blobRow = "blob/"

// blobSizes are those that a world is filled with: empty, of one segment and more, and
// above what is held in memory.
var blobSizes = []int{0, 1, 70 << 10, 1<<20 + 11, smallFile + 1<<10}

func newWorld(t *testing.T) *world {
	w := &world{T: t, rows: mem.New(), blobs: new(blobmem.Store), codec: backupset.NewCodec(backupset.Key{7}), to: t.TempDir()}
	w.backups = New(Config{
		Meta: w.rows, Blobs: w.blobs, Codec: w.codec,
		Named: func(r meta.Reader, fn func(string, int64) error) error {
			return r.Scan(meta.Prefix([]byte(blobRow)), func(k, v []byte) (bool, error) {
				var size int64
				fmt.Sscan(string(v), &size)
				return true, fn(string(k[len(blobRow):]), size)
			})
		},
		Hold:     func() func() { w.held++; return func() { w.held-- } },
		Describe: func() backupset.Manifest { return backupset.Manifest{Created: 1e12, Epoch: 3, Format: 1} },
	})
	return w
}

func (w *world) put(key, value string) {
	w.Helper()
	err := w.rows.Update(context.Background(), func(tx meta.Txn) error { return tx.Put([]byte(key), []byte(value)) })
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) blob(id string, b []byte) {
	w.Helper()
	f, err := w.blobs.Create(w.Context(), id, -1)
	if err == nil {
		_, err = f.Write(b)
	}
	if err == nil {
		err = f.Commit()
	}
	if err != nil {
		w.Fatal(err)
	}
	w.put(blobRow+id, fmt.Sprint(len(b)))
}

// fill writes some rows and blobs.
func (w *world) fill() {
	w.Helper()
	rnd := rand.New(rand.NewPCG(1, 1))
	err := w.rows.Update(w.Context(), func(tx meta.Txn) error {
		for i := range 2000 {
			value := bytes.Repeat([]byte("plainvalue"), 1+rnd.IntN(60))
			if err := tx.Put(fmt.Appendf(nil, "object/secretname-%05d", i), value); err != nil {
				return err
			}
		}
		return tx.Put([]byte("empty"), nil)
	})
	if err != nil {
		w.Fatal(err)
	}
	for i, n := range blobSizes {
		w.blob(fmt.Sprintf("%02x", i), bytes.Repeat([]byte{byte('a' + i)}, n))
	}
}

func (w *world) archive() archive.Store {
	w.Helper()
	s, err := dir.Open(w.to, true, nil)
	if err != nil {
		w.Fatal(err)
	}
	return s
}

func (w *world) backup() *Summary {
	w.Helper()
	sum, err := Receive(w.Context(), &Local{Backups: w.backups}, w.archive(), ReceiveOptions{})
	if err != nil {
		w.Fatal(err)
	}
	if w.held != 0 {
		w.Errorf("%d holds are left", w.held)
	}
	return sum
}

func (w *world) open(name string) *Backup {
	w.Helper()
	b, err := Open(w.Context(), w.archive(), w.codec, name)
	if err != nil {
		w.Fatal(err)
	}
	return b
}

// all returns every row of a store.
func all(t *testing.T, s meta.Store) map[string]string {
	t.Helper()
	out := make(map[string]string)
	err := s.View(t.Context(), func(r meta.Reader) error {
		return r.Scan(meta.Range{}, func(k, v []byte) (bool, error) { out[string(k)] = string(v); return true, nil })
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func same(t *testing.T, got, want map[string]string) {
	t.Helper()
	for k, v := range want {
		if g, ok := got[k]; !ok || g != v {
			t.Errorf("row %q has %d bytes; want %d", k, len(g), len(v))
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d rows; want %d", len(got), len(want))
	}
}

func TestRestore(t *testing.T) {
	w := newWorld(t)
	w.fill()
	want := all(t, w.rows)
	full := w.backup()
	if full.NewFiles != full.Files || full.Lost != 0 {
		t.Errorf("full backup: %+v", full)
	}
	w.put("object/secretname-01000b", "new")
	w.put("object/secretname-01900", "changed")
	next := w.backup()
	if next.NewFiles > 8 || next.NewBytes > 2<<20 || next.Files < full.Files {
		t.Errorf("incremental backup: %+v after %+v", next, full)
	}
	for _, tt := range []struct {
		name string
		want map[string]string
	}{{full.Name, want}, {next.Name, all(t, w.rows)}, {"", all(t, w.rows)}} {
		b := w.open(tt.name)
		rows, blobs := mem.New(), new(blobmem.Store)
		out, err := b.Restore(t.Context(), rows, blobs, RestoreOptions{})
		if err != nil {
			t.Fatal(err)
		}
		same(t, all(t, rows), tt.want)
		if out.Rows != int64(len(tt.want)) || out.Blobs != 5 {
			t.Errorf("restored %+v", out)
		}
		same(t, all(t, b.Store()), tt.want)
		for i, n := range blobSizes {
			f, err := blobs.Open(t.Context(), fmt.Sprintf("%02x", i))
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
			if err != nil || !bytes.Equal(got, bytes.Repeat([]byte{byte('a' + i)}, n)) {
				t.Errorf("blob %d has %d bytes, %v; want %d", i, len(got), err, n)
			}
			f.Close()
		}
	}
	if b := w.open(full.Name); b.Manifest.Epoch != 3 || b.Created().UnixMilli() != 1e12 {
		t.Errorf("manifest %+v", b.Manifest)
	}
}

// files returns every file below the archive.
func (w *world) files() []string {
	w.Helper()
	var out []string
	err := filepath.WalkDir(w.to, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			out = append(out, path)
		}
		return err
	})
	if err != nil {
		w.Fatal(err)
	}
	return out
}

func TestBackupSaysNothing(t *testing.T) {
	w := newWorld(t)
	w.fill()
	w.backup()
	for _, path := range w.files() {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, leak := range []string{"secretname", "plainvalue", "object/", "blob/", "aaaaaaaa"} {
			if bytes.Contains(b, []byte(leak)) || strings.Contains(strings.TrimPrefix(path, w.to), leak) {
				t.Errorf("%s shows %q", path, leak)
			}
		}
	}
}

func TestEveryFlippedFileIsFound(t *testing.T) {
	w := newWorld(t)
	w.fill()
	w.backup()
	for _, path := range w.files() {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		flipped := bytes.Clone(b)
		flipped[rand.IntN(len(flipped))] ^= 1 << rand.IntN(8)
		if strings.HasSuffix(path, ".json") {
			continue
		}
		for name, bad := range map[string][]byte{"flipped": flipped, "cut": b[:len(b)/2], "gone": nil} {
			os.Remove(path)
			if bad != nil {
				if err := os.WriteFile(path, bad, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got, err := Open(t.Context(), w.archive(), w.codec, "")
			if err == nil {
				_, err = got.Restore(t.Context(), mem.New(), new(blobmem.Store), RestoreOptions{})
			}
			if err == nil {
				t.Errorf("%s %s: nothing is found", path, name)
			}
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOtherStore(t *testing.T) {
	w := newWorld(t)
	w.put("a", "b")
	w.backup()
	other := newWorld(t)
	other.codec = backupset.NewCodec(backupset.Key{8})
	other.backups.cfg.Codec = other.codec
	if _, err := Receive(t.Context(), &Local{Backups: other.backups}, w.archive(), ReceiveOptions{}); !errors.Is(err, ErrOtherStore) {
		t.Errorf("Receive = %v; want ErrOtherStore", err)
	}
	if _, err := Open(t.Context(), w.archive(), other.codec, ""); !errors.Is(err, ErrOtherStore) {
		t.Errorf("Open = %v; want ErrOtherStore", err)
	}
	if err := os.WriteFile(filepath.Join(other.to, "photo.jpg"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Receive(t.Context(), &Local{Backups: other.backups}, other.archive(), ReceiveOptions{}); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("Receive to a place that holds something else = %v; want ErrNotEmpty", err)
	}
	if _, err := Open(t.Context(), other.archive(), other.codec, ""); !errors.Is(err, ErrNoBackups) {
		t.Errorf("Open = %v; want ErrNoBackups", err)
	}
}

// A lost blob does not keep the rest from being saved, and is named.
func TestLostBlob(t *testing.T) {
	w := newWorld(t)
	w.fill()
	w.blobs.Delete(t.Context(), "03")
	w.put(blobRow+"04", "77") // another size
	sum := w.backup()
	b := w.open("")
	if sum.Lost != 2 || !slices.Equal(b.Manifest.Lost, []string{"03", "04"}) {
		t.Errorf("lost %d, %v; want 03 and 04", sum.Lost, b.Manifest.Lost)
	}
	out, err := b.Restore(t.Context(), mem.New(), new(blobmem.Store), RestoreOptions{})
	if err != nil || out.Lost != 2 || out.Blobs != 3 {
		t.Errorf("Restore = %+v, %v", out, err)
	}
}

// cutting is a feed whose streams break off.
type cutting struct {
	Feed
	every int
}

func (c *cutting) Files(ctx context.Context, id string, number int, names []string) (io.ReadCloser, error) {
	r, err := c.Feed.Files(ctx, id, number, names)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.LimitReader(r, int64(c.every)), r}, nil
}

func TestCutStreamIsResumed(t *testing.T) {
	w := newWorld(t)
	w.fill()
	sum, err := Receive(t.Context(), &cutting{&Local{Backups: w.backups}, 5 << 20}, w.archive(), ReceiveOptions{Wait: 1})
	if err != nil {
		t.Fatal(err)
	}
	if sum.NewFiles != sum.Files {
		t.Errorf("%+v", sum)
	}
	rows := mem.New()
	if _, err := w.open("").Restore(t.Context(), rows, new(blobmem.Store), RestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	same(t, all(t, rows), all(t, w.rows))
	// A stream that brings nothing is given up.
	w.put("more", "rows")
	_, err = Receive(t.Context(), &cutting{&Local{Backups: w.backups}, 10}, w.archive(), ReceiveOptions{Wait: 1})
	if !errors.Is(err, backupset.ErrCut) {
		t.Errorf("Receive of nothing = %v; want ErrCut", err)
	}
}

// failing is an archive that fails from its n-th Put on.
type failing struct {
	archive.Store
	left int
}

func (f *failing) Put(ctx context.Context, name string, r io.Reader, size int64) error {
	if f.left--; f.left < 0 {
		return archive.ErrUnavailable
	}
	return f.Store.Put(ctx, name, r, size)
}

// Wherever a backup is cut, the archive opens as before and the next backup is whole.
func TestCutBackup(t *testing.T) {
	w := newWorld(t)
	w.fill()
	whole := 0
	for n := range 30 {
		f := &failing{w.archive(), n}
		w.put(fmt.Sprintf("row-%d", n), "x")
		_, err := Receive(t.Context(), &Local{Backups: w.backups}, serial{f}, ReceiveOptions{})
		names, listErr := Names(t.Context(), w.archive())
		if listErr != nil && !errors.Is(listErr, ErrNoBackups) {
			t.Fatal(listErr)
		}
		if err == nil {
			whole++
		} else if !errors.Is(err, archive.ErrUnavailable) {
			t.Fatal(err)
		}
		if len(names) != whole {
			t.Fatalf("after %d writes: %d backups are listed; want %d (%v)", n, len(names), whole, err)
		}
		for _, name := range names[max(0, len(names)-1):] {
			if _, err := w.open(name).Restore(t.Context(), mem.New(), new(blobmem.Store), RestoreOptions{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if whole == 0 {
		t.Error("no backup was whole")
	}
	if w.held != 0 {
		t.Errorf("%d holds are left", w.held)
	}
}

// serial lets one Put run at a time.
type serial struct{ *failing }

var serially = make(chan struct{}, 1)

func (s serial) Put(ctx context.Context, name string, r io.Reader, size int64) error {
	serially <- struct{}{}
	defer func() { <-serially }()
	return s.failing.Put(ctx, name, r, size)
}

func TestPrune(t *testing.T) {
	w := newWorld(t)
	w.fill()
	var names []string
	for i := range 4 {
		w.put(fmt.Sprintf("object/secretname-%05d", 500*i), "changed")
		w.blob(fmt.Sprintf("f%d", i), make([]byte, 1000*i))
		names = append(names, w.backup().Name)
	}
	err := w.rows.Update(t.Context(), func(tx meta.Txn) error { return tx.Delete([]byte(blobRow + "f1")) })
	if err != nil {
		t.Fatal(err)
	}
	names = append(names, w.backup().Name)
	// Beside a backup nothing is removed.
	held, err := takeLock(t.Context(), w.archive(), backupLocks, "other", pruneLocks)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := Prune(t.Context(), w.archive(), w.codec, 1); !errors.Is(err, ErrLocked) {
		t.Errorf("Prune beside a backup = %v; want ErrLocked", err)
	}
	held.release(t.Context())
	before := len(w.files())
	for keep := 4; keep > 0; keep-- {
		removed, _, err := Prune(t.Context(), w.archive(), w.codec, keep)
		if err != nil || len(removed) != 1 || removed[0] != names[4-keep] {
			t.Fatalf("Prune to %d = %q, %v", keep, removed, err)
		}
		for _, name := range names[5-keep:] {
			b := w.open(name)
			if _, err := b.Restore(t.Context(), mem.New(), new(blobmem.Store), RestoreOptions{}); err != nil {
				t.Errorf("%s after Prune to %d: %v", name, keep, err)
			}
			checked, err := b.Check(t.Context(), CheckOptions{}, func(path string, err error) { t.Errorf("%s: %v", path, err) })
			if err != nil || checked.Opened != checked.Files {
				t.Errorf("Check = %+v, %v", checked, err)
			}
		}
	}
	// What is left is what the last one names, its manifest and the stamp.
	checked, err := w.open("").Check(t.Context(), CheckOptions{}, func(path string, err error) { t.Errorf("%s: %v", path, err) })
	if err != nil || int64(len(w.files())) != checked.Files+1 || len(w.files()) >= before {
		t.Errorf("%d files of %d are left; want %d (%v)", len(w.files()), before, checked.Files+1, err)
	}
	if _, _, err := Prune(t.Context(), w.archive(), w.codec, 0); err == nil {
		t.Error("Prune of everything = nil")
	}
	// A backup beside a removal gives way; a holder that is long dead does not matter.
	held, err = takeLock(t.Context(), w.archive(), pruneLocks, "other", backupLocks)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Receive(t.Context(), &Local{Backups: w.backups}, w.archive(), ReceiveOptions{}); !errors.Is(err, ErrLocked) {
		t.Errorf("a backup beside Prune = %v; want ErrLocked", err)
	}
	old := time.Now().Add(-staleLock - time.Minute).UTC().Format(time.RFC3339)
	if err := w.archive().Put(t.Context(), held.name, strings.NewReader(old), int64(len(old))); err != nil {
		t.Fatal(err)
	}
	w.backup()
}

func TestCheckFindsDamage(t *testing.T) {
	w := newWorld(t)
	w.fill()
	w.backup()
	for _, path := range w.files() {
		if !strings.Contains(path, "/rows/") && !strings.Contains(path, "/blobs/") {
			continue
		}
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		b := w.open("")
		flipped := bytes.Clone(whole)
		flipped[len(flipped)-1] ^= 1
		for name, bad := range map[string][]byte{"flipped": flipped, "missing": nil} {
			os.Remove(path)
			if bad != nil {
				if err := os.WriteFile(path, bad, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			n := 0
			if _, err := b.Check(t.Context(), CheckOptions{}, func(string, error) { n++ }); err != nil || n == 0 {
				t.Errorf("%s %s: Check finds %d, %v", path, name, n, err)
			}
		}
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSampleRows(t *testing.T) {
	w := newWorld(t)
	w.fill()
	w.backup()
	for _, tt := range []struct {
		prefix  string
		n, want int
	}{{"object/", 100, 100}, {"blob/", 3, 2}, {"nothing", 5, 0}} {
		got, err := w.open("").SampleRows(t.Context(), []byte(tt.prefix), tt.n)
		if err != nil || len(got) > tt.n || len(got) < tt.want*9/10 {
			t.Errorf("SampleRows(%q, %d) = %d, %v; want %d", tt.prefix, tt.n, len(got), err, tt.want)
		}
		for _, k := range got {
			if !strings.HasPrefix(string(k), tt.prefix) {
				t.Errorf("SampleRows(%q) = %q", tt.prefix, k)
			}
		}
	}
}

func TestLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.put("a", "b")
		nothing := func(meta.Txn) error { return nil }
		first, err := w.backups.Begin(t.Context(), nothing)
		if err != nil {
			t.Fatal(err)
		}
		second, err := w.backups.Begin(t.Context(), nothing)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.backups.Begin(t.Context(), nothing); !errors.Is(err, ErrBusy) {
			t.Errorf("a third backup = %v; want ErrBusy", err)
		}
		for range 3 {
			time.Sleep(Lease - time.Second)
			if _, err := w.backups.Page(t.Context(), first.ID, 1); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if w.held != 1 {
			t.Errorf("%d holds; want 1 after a lease has ended", w.held)
		}
		if _, err := w.backups.Page(t.Context(), second.ID, 1); !errors.Is(err, ErrNotUnderWay) {
			t.Errorf("Page after the lease = %v; want ErrNotUnderWay", err)
		}
		if _, err := w.backups.Page(t.Context(), first.ID, 3); !errors.Is(err, ErrOrder) {
			t.Errorf("a page too far = %v; want ErrOrder", err)
		}
		if err := w.backups.Files(t.Context(), first.ID, 1, []string{strings.Repeat("ab", 32)}, io.Discard); !errors.Is(err, ErrOrder) {
			t.Errorf("a file that is not there = %v; want ErrOrder", err)
		}
		w.backups.Close()
		if w.held != 0 {
			t.Errorf("%d holds after Close", w.held)
		}
		if _, err := w.backups.Begin(t.Context(), nothing); err == nil {
			t.Error("Begin after Close = nil")
		}
	})
}

func TestUnrecordedBackupDoesNotBegin(t *testing.T) {
	w := newWorld(t)
	stop := errors.New("not recorded")
	if _, err := w.backups.Begin(t.Context(), func(meta.Txn) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("Begin = %v; want the error of record", err)
	}
	if w.held != 0 {
		t.Errorf("%d holds are left", w.held)
	}
}

func TestStore(t *testing.T) {
	metatest.Run(t, func(t *testing.T) meta.Store {
		w := newWorld(t)
		w.backup()
		return w.open("").Store()
	})
}

// The store over a backup answers as the store that it was made of.
func TestStoreAnswersAlike(t *testing.T) {
	w := newWorld(t)
	w.fill()
	w.backup()
	s := w.open("").Store()
	keys := []string{"", "a", "blob/", "blob/03", "empty", "object/secretname-", "object/secretname-01200", "object/secretname-01999", "object/z", "z"}
	for i := range 20 { // chunks begin here
		keys = append(keys, fmt.Sprintf("object/secretname-%05d", i*99))
	}
	scan := func(m meta.Store, rg meta.Range) (out []string) {
		err := m.View(t.Context(), func(r meta.Reader) error {
			return r.Scan(rg, func(k, v []byte) (bool, error) { out = append(out, string(k)+"="+string(v)); return true, nil })
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	compare := func() {
		t.Helper()
		for _, start := range keys {
			for _, end := range append(keys, "nil") {
				for _, reverse := range []bool{false, true} {
					rg := meta.Range{Start: []byte(start), End: []byte(end), Reverse: reverse, Limit: len(start) % 3 * 7}
					if end == "nil" {
						rg.End = nil
					}
					if got, want := scan(s, rg), scan(w.rows, rg); !slices.Equal(got, want) {
						t.Fatalf("Scan(%q, %q, %v) = %d rows; want %d", start, end, reverse, len(got), len(want))
					}
				}
			}
		}
	}
	compare()
	for _, m := range []meta.Store{s, w.rows} {
		err := m.Update(t.Context(), func(tx meta.Txn) error {
			for _, err := range []error{
				tx.Put([]byte("a"), []byte("new")), tx.Put([]byte("object/secretname-01200"), []byte("other")),
				tx.Delete([]byte("object/secretname-01201")), tx.Delete([]byte("empty")), tx.Put([]byte("zz"), nil),
			} {
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	compare()
}

func TestBlobsAreReadOnly(t *testing.T) {
	w := newWorld(t)
	w.fill()
	w.backup()
	s := w.open("").Blobs()
	if _, err := s.Create(t.Context(), "aa", 1); !errors.Is(err, blob.ErrUnavailable) {
		t.Errorf("Create = %v; want ErrUnavailable", err)
	}
	if err := s.Delete(t.Context(), "04"); err != nil {
		t.Error(err)
	}
	if err := s.Check(t.Context(), "04"); err != nil {
		t.Errorf("Check after Delete = %v", err)
	}
	if _, err := s.Open(t.Context(), "99"); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("Open of nothing = %v; want ErrNotFound", err)
	}
}
