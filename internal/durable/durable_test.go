package durable

import (
	"bytes"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

// randomBytes returns a reproducible stream that never repeats within a test.
func randomBytes(seed byte) *rand.ChaCha8 { return rand.NewChaCha8([32]byte{seed}) }

func TestWriteFileSurvivesEveryCut(t *testing.T) {
	const name = "/dir/file"
	before := bytes.Repeat([]byte("old "), 500)
	after := bytes.Repeat([]byte("newer "), 700)
	for cut := 0; ; cut++ {
		sim := NewSimFS()
		if err := MkdirAll(sim, "/dir", 0o700); err != nil {
			t.Fatal(err)
		}
		if err := WriteFile(sim, name, before, 0o600); err != nil {
			t.Fatal(err)
		}
		calls := 0
		sim.SetFail(func(Op) error {
			calls++
			if calls > cut {
				return syscall.EIO
			}
			return nil
		})
		err := WriteFile(sim, name, after, 0o600)
		for seed := range uint64(20) {
			var rnd *rand.Rand
			if seed > 0 {
				rnd = rand.New(rand.NewPCG(seed, uint64(cut)))
			}
			got, rerr := ReadFile(sim.Crash(rnd), name, 1<<20)
			switch {
			case rerr != nil:
				t.Fatalf("cut %d: ReadFile = %v", cut, rerr)
			case err == nil && !bytes.Equal(got, after):
				t.Fatalf("cut %d: WriteFile = nil, but the file holds %.8q...", cut, got)
			case !bytes.Equal(got, before) && !bytes.Equal(got, after):
				t.Fatalf("cut %d: the file holds a mixture", cut)
			}
		}
		if sim.OpenFiles() != 0 {
			t.Fatalf("cut %d: %d files left open", cut, sim.OpenFiles())
		}
		if err == nil {
			if cut < 5 {
				t.Fatalf("WriteFile made only %d calls", cut)
			}
			return
		}
	}
}

func TestWriteFileReplacesLeftover(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "f")
	if err := os.WriteFile(name+".tmp", []byte("left over"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(OS{}, name, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(name)
	if err != nil || info.Mode() != 0o600 || info.Size() != 1 {
		t.Errorf("Stat = %v, %v; want 1 byte, mode 0600", info, err)
	}
	names, err := OS{}.ReadDir(dir)
	if err != nil || len(names) != 1 {
		t.Errorf("ReadDir = %q, %v; want the file alone", names, err)
	}
}

func TestReadFileLimit(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	if err := WriteFile(OS{}, name, []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, read := range []struct {
		name string
		file func(FS, string, int64) ([]byte, error)
	}{{"ReadFile", ReadFile}, {"ReadDevice", ReadDevice}} {
		if got, err := read.file(OS{}, name, 5); err != nil || string(got) != "12345" {
			t.Errorf("%s(5) = %q, %v", read.name, got, err)
		}
		if got, err := read.file(OS{}, name, 4); err == nil {
			t.Errorf("%s(4) = %q, nil; want an error", read.name, got)
		}
		if got, err := read.file(OS{}, name+"2", 4); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s of a missing file = %q, %v; want ErrNotExist", read.name, got, err)
		}
	}
}

func TestMkdirAll(t *testing.T) {
	for _, fsys := range []struct {
		name string
		FS
		dir string
	}{{"os", OS{}, t.TempDir()}, {"sim", NewSimFS(), "/"}} {
		t.Run(fsys.name, func(t *testing.T) {
			dir := filepath.Join(fsys.dir, "a", "b", "c")
			for range 2 {
				if err := MkdirAll(fsys, dir, 0o700); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := fsys.ReadDir(dir); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestMkdirAllSurvives(t *testing.T) {
	sim := NewSimFS()
	if err := sim.Mkdir("/a", 0o700); err != nil { // made, never synced
		t.Fatal(err)
	}
	if err := MkdirAll(sim, "/a", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := MkdirAll(sim, "/x/y/z", 0o700); err != nil {
		t.Fatal(err)
	}
	after := sim.Crash(nil)
	for _, dir := range []string{"/a", "/x/y/z"} {
		if _, err := after.ReadDir(dir); err != nil {
			t.Errorf("after a crash: %v", err)
		}
	}
}

func TestErase(t *testing.T) {
	secret := bytes.Repeat([]byte("secret! "), 20_000) // more than one buffer
	dir := t.TempDir()
	name := filepath.Join(dir, "f")
	if err := os.WriteFile(name, secret, 0o600); err != nil {
		t.Fatal(err)
	}
	// A second name shows what the blocks hold when the first one is gone.
	if err := os.Link(name, name+"2"); err != nil {
		t.Fatal(err)
	}
	if err := Erase(OS{}, name, randomBytes(1)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Stat = %v; want ErrNotExist", err)
	}
	got, err := os.ReadFile(name + "2")
	if err != nil || len(got) != len(secret) {
		t.Fatalf("ReadFile = %d bytes, %v", len(got), err)
	}
	want := make([]byte, len(secret))
	randomBytes(1).Read(want)
	if !bytes.Equal(got, want) {
		t.Error("the file was not overwritten in place with the random bytes")
	}
	if err := Erase(OS{}, name, randomBytes(1)); err != nil {
		t.Errorf("Erase again = %v", err)
	}
}

func TestEraseNeverRemovesWhatItDidNotOverwrite(t *testing.T) {
	secret := []byte("0123456789abcdef0123456789abcdef")
	for cut := 0; ; cut++ {
		sim := NewSimFS()
		if err := CreateFile(sim, "/f", secret, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := sim.SyncDir("/"); err != nil {
			t.Fatal(err)
		}
		calls := 0
		sim.SetFail(func(Op) error {
			calls++
			if calls > cut {
				return syscall.EIO
			}
			return nil
		})
		err := Erase(sim, "/f", randomBytes(2))
		sim.SetFail(nil)
		if names, _ := sim.ReadDir("/"); len(names) == 0 && sim.Holds(secret) {
			t.Fatalf("cut %d: the name is gone and the secret still lies on the disk", cut)
		}
		if err == nil {
			if sim.Holds(secret) {
				t.Error("Erase = nil, and the secret still lies on the disk")
			}
			return
		}
	}
}

func TestLock(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	l, err := AcquireLock(name)
	if err != nil {
		t.Fatal(err)
	}
	_, err = AcquireLock(name)
	var locked *LockedError
	if !errors.Is(err, ErrLocked) || !errors.As(err, &locked) || locked.PID != os.Getpid() {
		t.Errorf("AcquireLock = %v; want ErrLocked by process %d", err, os.Getpid())
	}
	if err == nil || !strings.Contains(err.Error(), name) {
		t.Errorf("AcquireLock = %v; want the name of the file in it", err)
	}
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
	l, err = AcquireLock(name)
	if err != nil {
		t.Fatalf("AcquireLock after Release = %v", err)
	}
	l.Release()
}

func TestIsUnavailable(t *testing.T) {
	for _, e := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EIO} {
		if err := pathError("write", "f", e); !IsUnavailable(err) {
			t.Errorf("IsUnavailable(%v) = false", err)
		}
	}
	if IsUnavailable(fs.ErrNotExist) || IsUnavailable(nil) {
		t.Error("IsUnavailable is true for a missing file or nil")
	}
}

func TestBufferPool(t *testing.T) {
	p := NewBufferPool(64<<10, 1)
	for range 100 {
		b, c := p.Get(), p.Get()
		for _, b := range [][]byte{b, c} {
			if len(b) != 64<<10 || uintptr(unsafe.Pointer(&b[0]))%AlignSize != 0 {
				t.Fatalf("Get: %d bytes at %p", len(b), &b[0])
			}
		}
		p.Put(b[:10])
		p.Put(c)
	}
}

// TestSimFSForgets holds the simulation to its own rules: tests of others are
// worth what it loses.
func TestSimFSForgets(t *testing.T) {
	sim := NewSimFS()
	write := func(name, data string, sync bool) {
		t.Helper()
		f, err := sim.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt([]byte(data), 0); err != nil {
			t.Fatal(err)
		}
		if sync {
			if err := f.Sync(); err != nil {
				t.Fatal(err)
			}
		}
		f.Close()
	}
	write("/synced", "one", true)
	write("/unsynced", "two", false)
	if err := sim.SyncDir("/"); err != nil {
		t.Fatal(err)
	}
	write("/nameless", "three", true)
	write("/synced", "ONE", false)
	if err := sim.Remove("/unsynced"); err != nil {
		t.Fatal(err)
	}
	after := sim.Crash(nil)
	names, err := after.ReadDir("/")
	if err != nil || strings.Join(names, " ") != "synced unsynced" {
		t.Errorf("names after a crash = %q, %v", names, err)
	}
	if got, err := ReadFile(after, "/synced", 100); string(got) != "one" {
		t.Errorf("/synced = %q, %v; want the synced bytes", got, err)
	}
	if got, err := ReadFile(after, "/unsynced", 100); string(got) != "" {
		t.Errorf("/unsynced = %q, %v; want nothing", got, err)
	}
}

func TestSimFSLosesWhatFailedSyncLeft(t *testing.T) {
	sim := NewSimFS()
	f, err := sim.OpenFile("/f", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := sim.SyncDir("/"); err != nil {
		t.Fatal(err)
	}
	f.WriteAt([]byte("lost"), 0)
	sim.SetFail(func(op Op) error {
		if op.Name == "sync" {
			return syscall.EIO
		}
		return nil
	})
	if err := f.Sync(); !errors.Is(err, syscall.EIO) {
		t.Fatalf("Sync = %v; want EIO", err)
	}
	sim.SetFail(nil)
	if err := f.Sync(); err != nil {
		t.Fatalf("second Sync = %v; want nil, as Linux says", err)
	}
	if sim.Holds([]byte("lost")) {
		t.Error("a Sync that came after the failed one wrote the bytes")
	}
	f.WriteAt([]byte("kept"), 0)
	if err := f.Sync(); err != nil || !sim.Holds([]byte("kept")) {
		t.Errorf("Sync = %v; want what was written again on the disk", err)
	}
	f.Close()
}
