package pebble

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
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"coffer/internal/meta"
)

// TestPowerCut cuts the power at a random moment, with what was not synced kept
// in part, and checks that acknowledged transactions survive and that the others
// are there as a whole or not at all.
func TestPowerCut(t *testing.T) {
	rounds := 10
	if testing.Short() {
		rounds = 8
	}
	for round := range rounds {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(uint64(round), 5))
			fs := vfs.NewCrashableMem()
			// Two lives, so that logs are used again and tables exist.
			s := openCrashable(t, fs)
			all := make(map[string]bool)
			for life := range 2 {
				crashed, acked := cutPower(t, fs, s, life, rng)
				for id := range acked {
					all[id] = true
				}
				s = openCrashable(t, crashed)
				verifyWhole(t, s, all)
				fs = crashed
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func openCrashable(t *testing.T, fs vfs.FS) *Store {
	t.Helper()
	s, err := Open(Config{Dir: "db", FS: fs, MemTableBytes: 256 << 10})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// cutPower runs writers and takes a copy of the disk, as after a crash, at a
// random moment. It returns the transactions acknowledged before the copy.
func cutPower(t *testing.T, fs *vfs.MemFS, s *Store, life int, rng *rand.Rand) (*vfs.MemFS, map[string]bool) {
	var mu sync.Mutex
	acked := make(map[string]bool)
	count := func() int { mu.Lock(); defer mu.Unlock(); return len(acked) }
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for w := range 6 {
		rng := rand.New(rand.NewPCG(rng.Uint64(), uint64(w)))
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				id := fmt.Sprintf("%d-%d-%06d", life, w, i)
				value := append([]byte(id), make([]byte, rng.IntN(8<<10))...)
				err := s.Update(context.Background(), func(tx meta.Txn) error {
					for j := range rowsEach {
						if err := tx.Put(fmt.Appendf(nil, "%d/%s", j, id), value); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					t.Errorf("Update = %v", err)
					return
				}
				mu.Lock()
				acked[id] = true
				mu.Unlock()
			}
		})
	}
	cut := 1 + rng.IntN(80)
	eventually(t, "enough transactions", func() bool { return count() >= cut })
	mu.Lock()
	before := make(map[string]bool, len(acked))
	for id := range acked {
		before[id] = true
	}
	mu.Unlock()
	crashed := fs.CrashClone(vfs.CrashCloneCfg{
		UnsyncedDataPercent: []int{0, 20, 50, 80, 100}[rng.IntN(5)],
		RNG:                 rng,
	})
	close(stop)
	wg.Wait()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	return crashed, before
}

// TestNewDirectorySurvives cuts the power right after the first commit of a
// store whose directory and the ones above it were just made.
func TestNewDirectorySurvives(t *testing.T) {
	fs := vfs.NewCrashableMem()
	s, err := Open(Config{Dir: "a/b/db", FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	if err := putRow(s, "row", "1"); err != nil {
		t.Fatal(err)
	}
	crashed := fs.CrashClone(vfs.CrashCloneCfg{})
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if s, err = Open(Config{Dir: "a/b/db", FS: crashed}); err != nil {
		t.Fatal(err)
	}
	if _, ok := getRow(t, s, "row"); !ok {
		t.Error("an acknowledged row is lost")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestDamagedLog flips every byte of a log in turn. The log has a record behind
// each transaction, so no flip may go unnoticed where it hides a row.
func TestDamagedLog(t *testing.T) {
	fs := vfs.NewCrashableMem()
	s := openCrashable(t, fs)
	const rows = 5
	for i := range rows {
		if err := putRow(s, fmt.Sprintf("row/%d", i), strings.Repeat("v", 20)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the idle record", func() bool { return s.counters.sealed.Load() > 0 })
	crashed := fs.CrashClone(vfs.CrashCloneCfg{})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	log := theFile(t, crashed, "*.log")
	content := readFile(t, crashed, log)
	noticed := flipBytes(t, crashed, log, 0x10, rows)
	if noticed < len(content)/2 {
		t.Errorf("%d of %d flips were noticed; want at least half", noticed, len(content))
	}
}

// flipBytes flips each byte of a log or MANIFEST in turn and checks that Open
// either reports damage or has the rows row/0, row/1, and so on. It returns how
// often it reports damage.
func flipBytes(t *testing.T, sound *vfs.MemFS, name string, bits byte, rows int) (noticed int) {
	t.Helper()
	content := readFile(t, sound, name)
	for i := range content {
		damaged := bytes.Clone(content)
		damaged[i] ^= bits
		fs := sound.CrashClone(vfs.CrashCloneCfg{})
		writeFile(t, fs, name, damaged)
		// Open does this first. Opening each time would take long.
		if err := checkLogs(fs, "db"); errors.Is(err, meta.ErrCorrupt) {
			noticed++
			if noticed > 1 {
				continue
			}
		}
		s, err := Open(Config{Dir: "db", FS: fs})
		if errors.Is(err, meta.ErrCorrupt) {
			continue
		}
		if err != nil {
			t.Errorf("byte %d: Open = %v; want nil or ErrCorrupt", i, err)
			continue
		}
		for j := range rows {
			if _, ok := getRow(t, s, fmt.Sprintf("row/%d", j)); !ok {
				t.Errorf("byte %d of %d flipped: row %d is lost without a word", i, len(content), j)
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	return noticed
}

// TestDamagedLongLog flips bytes of a log of many blocks with large records, in
// which the chunks of Pebble say too little about what was synced.
func TestDamagedLongLog(t *testing.T) {
	fs := vfs.NewCrashableMem()
	s, err := Open(Config{Dir: "db", FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	const rows = 8
	for i := range rows {
		if err := putRow(s, fmt.Sprintf("row/%d", i), string(randomBytes(50<<10))); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the idle record", func() bool { return s.counters.sealed.Load() > 0 })
	crashed := fs.CrashClone(vfs.CrashCloneCfg{})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	log := theFile(t, crashed, "*.log")
	content := readFile(t, crashed, log)
	end := len(bytes.TrimRight(content, "\x00")) - 30 // the idle record
	rng := rand.New(rand.NewPCG(1, 9))
	for range 60 {
		i := rng.IntN(end)
		fs := crashed.CrashClone(vfs.CrashCloneCfg{})
		damaged := bytes.Clone(content)
		damaged[i] ^= 1 << rng.IntN(8)
		writeFile(t, fs, log, damaged)
		if err := checkLogs(fs, "db"); !errors.Is(err, meta.ErrCorrupt) {
			t.Errorf("byte %d of %d flipped: checkLogs = %v; want ErrCorrupt", i, len(content), err)
		}
	}
	// A cut tail is not damage: the last record was never acknowledged, for all
	// that can be known.
	for _, cut := range []int{1, 5, 31, 40, 100, 10 << 10, 40 << 10} {
		fs := crashed.CrashClone(vfs.CrashCloneCfg{})
		torn := bytes.Clone(content[:end+30])
		clear(torn[len(torn)-cut:])
		writeFile(t, fs, log, torn)
		s, err := Open(Config{Dir: "db", FS: fs})
		if err != nil {
			t.Errorf("log with a torn tail of %d bytes: Open = %v", cut, err)
			continue
		}
		for j := range rows - 1 {
			if _, ok := getRow(t, s, fmt.Sprintf("row/%d", j)); !ok {
				t.Errorf("torn tail of %d bytes: row %d is lost", cut, j)
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestDamagedManifest flips every byte of the MANIFEST in turn: Pebble alone
// would go on with an old set of tables and delete the new ones.
func TestDamagedManifest(t *testing.T) {
	fs := vfs.NewCrashableMem()
	for i := range 3 {
		s := openCrashable(t, fs)
		if err := putRow(s, fmt.Sprintf("row/%d", i), "v"); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	manifest := theFile(t, fs, "MANIFEST-*")
	content := readFile(t, fs, manifest)
	noticed := flipBytes(t, fs, manifest, 0x04, 3)
	if noticed < len(content)*9/10 {
		t.Errorf("%d of %d flips were noticed; want nearly all", noticed, len(content))
	}
}

func TestMissingFiles(t *testing.T) {
	for _, pattern := range []string{"*.sst", "MANIFEST-*"} {
		t.Run(pattern, func(t *testing.T) {
			fs := vfs.NewMem()
			s := openCrashable(t, fs)
			if err := putRow(s, "a", "1"); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if err := fs.Remove("db/" + theFile(t, fs, pattern)); err != nil {
				t.Fatal(err)
			}
			if s, err := Open(Config{Dir: "db", FS: fs}); !errors.Is(err, meta.ErrCorrupt) {
				t.Errorf("Open without %s = %v; want ErrCorrupt", pattern, err)
				if err == nil {
					s.Close()
				}
			}
		})
	}
}

// TestDamagedTable flips a byte in every second table: Check names each of
// them, the rows in them are ErrCorrupt with their key, the others can be read.
func TestDamagedTable(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	const tables = 3
	for i := range tables {
		if err := putRow(s, fmt.Sprintf("row/%d", i), "the secret value"); err != nil {
			t.Fatal(err)
		}
		if err := s.db.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.db.Compact(context.Background(), []byte("a"), []byte("z"), false); err != nil {
		t.Fatal(err)
	}
	for i := range tables {
		if err := putRow(s, fmt.Sprintf("other/%d", i), "another value"); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil || len(names) < 2 {
		t.Fatalf("tables %v, %v; want at least 2", names, err)
	}
	slices.Sort(names)
	for _, name := range names[:len(names)-1] {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		i := bytes.Index(content, []byte("value"))
		if i < 0 {
			t.Fatalf("%s holds no value in the clear", name)
		}
		content[i] ^= 1
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err = Open(Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	damage, err := s.Check(context.Background())
	if err != nil || len(damage) != len(names)-1 {
		t.Errorf("Check() = %v, %v; want %d tables", damage, err, len(names)-1)
	}
	for _, d := range damage {
		if !errors.Is(d.Err, meta.ErrCorrupt) || d.Table == "" || d.First == nil || d.Last == nil {
			t.Errorf("Check reports %+v", d)
		}
	}
	err = s.View(context.Background(), func(r meta.Reader) error {
		_, err := r.Get([]byte("row/1"))
		return err
	})
	if !errors.Is(err, meta.ErrCorrupt) || !strings.Contains(err.Error(), `"row/1"`) || strings.Contains(err.Error(), "secret") {
		t.Errorf("Get of a damaged row = %v; want ErrCorrupt, its key and not its value", err)
	}
	if v, ok := getRow(t, s, "other/1"); !ok || v != "another value" {
		t.Errorf("row of a sound table = %q, %v", v, ok)
	}
	err = s.View(context.Background(), func(r meta.Reader) error {
		return r.Scan(meta.Range{}, func(_, _ []byte) (bool, error) { return true, nil })
	})
	if !errors.Is(err, meta.ErrCorrupt) {
		t.Errorf("Scan over a damaged row = %v; want ErrCorrupt", err)
	}
	if got := s.Stats().Corruptions; got == 0 {
		t.Error("Stats().Corruptions = 0")
	}
}

func TestCheckDuringCompactions(t *testing.T) {
	s := openCrashable(t, vfs.NewMem())
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			if err := putRow(s, fmt.Sprint(i%50), string(randomBytes(20<<10))); err != nil {
				t.Errorf("Update = %v", err)
				return
			}
		}
	})
	for range 20 {
		if damage, err := s.Check(context.Background()); err != nil || len(damage) > 0 {
			t.Errorf("Check() = %v, %v", damage, err)
		}
		time.Sleep(time.Millisecond)
	}
	close(stop)
	wg.Wait()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// FuzzDamagedAt feeds the log reader with anything.
func FuzzDamagedAt(f *testing.F) {
	fs := vfs.NewMem()
	s, err := Open(Config{Dir: "db", FS: fs})
	if err != nil {
		f.Fatal(err)
	}
	for i := range 3 {
		if err := putRow(s, fmt.Sprint(i), "value"); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(readFile(f, fs, theFile(f, fs, "*.log")), uint32(4), false)
	f.Add(readFile(f, fs, theFile(f, fs, "MANIFEST-*")), uint32(0), true)
	if err := s.Close(); err != nil {
		f.Fatal(err)
	}
	f.Add([]byte{}, uint32(0), false)
	f.Add(make([]byte, 40), uint32(1), false)
	f.Fuzz(func(t *testing.T, log []byte, number uint32, manifest bool) {
		at, err := damagedAt(bytes.NewReader(log), number, manifest)
		if err != nil || at < -1 || at >= int64(len(log)) {
			t.Errorf("damagedAt(%d bytes) = %d, %v", len(log), at, err)
		}
	})
}

// theFile returns the newest file of the store that matches.
func theFile(t testing.TB, fs vfs.FS, pattern string) string {
	t.Helper()
	names, err := fs.List("db")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	for _, name := range slices.Backward(names) {
		if ok, _ := filepath.Match(pattern, name); ok {
			return name
		}
	}
	t.Fatalf("no %s in %v", pattern, names)
	return ""
}

func readFile(t testing.TB, fs vfs.FS, name string) []byte {
	t.Helper()
	f, err := fs.Open("db/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func writeFile(t testing.TB, fs vfs.FS, name string, content []byte) {
	t.Helper()
	f, err := fs.Create("db/"+name, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
	dir, err := fs.OpenDir("db")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(dir.Sync(), dir.Close()); err != nil {
		t.Fatal(err)
	}
}
