package key

import (
	crand "crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"coffer/internal/meta"
	"coffer/internal/meta/pebble"
	"coffer/internal/meta/sealrows"
	"coffer/internal/rootseal/file"
)

var (
	scaleKeys     = flag.Int("scale.keys", 0, "KMS keys of TestScale; 0 skips it")
	scaleSubjects = flag.Int("scale.subjects", 0, "subject keys of TestScale")
	scaleShreds   = flag.Int("scale.shreds", 10_000, "subject keys that TestScale shreds in one epoch")
)

// TestScale measures keys in their number, on the stores that the server uses: memory,
// cold use, shredding one and shredding many. It asserts that everything opens that
// should, and prints the rest: `make scale` runs it.
func TestScale(t *testing.T) {
	if *scaleKeys == 0 {
		t.Skip("it takes minutes: make scale")
	}
	ctx := t.Context()
	dir := t.TempDir()
	k, stop := openDisk(t, dir, true)

	// Some of them, so that the test itself takes no memory that counts.
	every := max(1, *scaleKeys/50_000)
	refs := make([]Ref, (*scaleKeys+every-1)/every)
	shared, err := k.Create(ctx, CreateInput{Account: account, Region: region, Tags: []Tag{{TagShredBy, "subject"}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	of := func(i int) map[string]string { return map[string]string{"subject": fmt.Sprint(i)} }
	fill(t, k, fmt.Sprintf("write %d keys", *scaleKeys), *scaleKeys, func(tx meta.Txn, i int, l leaf, leafSecret *Secret) error {
		id, err := k.NewID(false)
		if err != nil {
			return err
		}
		ref := Ref{account, region, id}
		if i%every == 0 {
			refs[i/every] = ref
		}
		row := keyRow{State: Enabled, Manager: ManagerCustomer, Spec: SpecSymmetricDefault, Usage: UsageEncryptDecrypt, Origin: OriginAWSKMS, Version: 1}
		var secret Secret
		var salt [saltSize]byte
		if err := k.draw(row.Material[:], secret[:], salt[:]); err != nil {
			return err
		}
		w := &wrapping{kindKMS, ref, 1, row.Material}
		v := versionRow{Shard: l.shard, Leaf: l.index, Wrapped: wrap(leafSecret, salt, w, &secret), Material: row.Material}
		return errors.Join(putRow(tx, keyKey(ref), &row), putRow(tx, versionKey(ref, 1), &v),
			putRow(tx, materialKey(row.Material), &materialRow{account, region, id, 1}))
	})
	fill(t, k, fmt.Sprintf("write %d subjects", *scaleSubjects), *scaleSubjects, func(tx meta.Txn, i int, l leaf, leafSecret *Secret) error {
		at := k.subjectAt(shared, fmt.Sprint(i))
		var secret Secret
		var salt [saltSize]byte
		if err := k.draw(secret[:], salt[:]); err != nil {
			return err
		}
		return putRow(tx, at.row(rowSubject), &subjectRow{Shard: l.shard, Leaf: l.index, Name: "subject", Value: fmt.Sprint(i),
			Wrapped: wrap(leafSecret, salt, at.wrapping(), &secret)})
	})
	// As clients make them, one in a transaction.
	measure(t, "make keys, 64 at a time", 20_000, func(int) error {
		_, err := k.Create(ctx, CreateInput{Account: account, Region: region}, nil)
		return err
	})
	measure(t, "make subjects, 64 at a time", 20_000, func(i int) error {
		_, err := k.Encrypt(ctx, shared.Ref, nil, of(-1-i))
		return err
	})
	t.Logf("resident: %s", resident(t))

	// Cold: the caches hold 100,000 of them, and what is asked for is drawn from all.
	const uses = 20_000
	times := make([]time.Duration, uses)
	blobs := make([][]byte, uses)
	for i := range uses {
		ref := refs[rand.IntN(len(refs))]
		start := time.Now()
		out, err := k.Encrypt(ctx, ref, []byte("x"), nil)
		if err != nil {
			t.Fatal(err)
		}
		times[i], blobs[i] = time.Since(start), out.Blob
	}
	quantiles(t, "use of a cold key", times)
	if *scaleSubjects > 0 {
		for i := range uses {
			subject := rand.IntN(*scaleSubjects)
			start := time.Now()
			if _, err := k.Encrypt(ctx, shared.Ref, []byte("x"), of(subject)); err != nil {
				t.Fatal(err)
			}
			times[i] = time.Since(start)
		}
		quantiles(t, "use of a cold subject", times)
	}
	t.Logf("resident: %s", resident(t))

	var one []time.Duration
	for i := range 20 {
		start := time.Now()
		if _, err := k.Destroy(ctx, refs[i:i+1], nil); err != nil {
			t.Fatal(err)
		}
		one = append(one, time.Since(start))
	}
	quantiles(t, "shred of one key", one)
	refs = refs[20:]

	n := min(*scaleShreds, *scaleSubjects, 1<<30)
	if n > 0 {
		values := make([]string, n)
		stride := *scaleSubjects / n // over all shards
		for i := range values {
			values[i] = fmt.Sprint(i * stride)
		}
		start := time.Now()
		tombs, err := k.DestroySubjects(ctx, shared.Ref, values, nil)
		if err != nil || len(tombs) != n {
			t.Fatalf("%d tombstones, %v", len(tombs), err)
		}
		t.Logf("epoch with %d shreds at %d keys and %d subjects: %v", n, *scaleKeys, *scaleSubjects, time.Since(start).Round(time.Millisecond))
		one = one[:0]
		for i := range min(20, n) {
			start := time.Now()
			if _, err := k.DestroySubjects(ctx, shared.Ref, []string{fmt.Sprint(1 + i*stride)}, nil); err != nil {
				t.Fatal(err)
			}
			one = append(one, time.Since(start))
		}
		quantiles(t, "shred of one subject after that", one)
	}
	t.Logf("resident: %s", resident(t))
	t.Logf("rows: %s", treeSize(t, filepath.Join(dir, "meta")))
	t.Logf("root store: %s", treeSize(t, filepath.Join(dir, "root")))
	for i := range 1000 {
		if _, err := k.Encrypt(ctx, refs[rand.IntN(len(refs))], nil, nil); err != nil {
			t.Fatalf("survivor %d: %v", i, err)
		}
		if n == 0 || *scaleSubjects/n < 3 {
			continue
		}
		if _, err := k.Encrypt(ctx, shared.Ref, nil, of(2+rand.IntN(n)*(*scaleSubjects/n))); err != nil {
			t.Fatalf("surviving subject %d: %v", i, err)
		}
	}
	stop()
	start := time.Now()
	_, stop = openDisk(t, dir, false)
	t.Logf("open again: %v", time.Since(start).Round(time.Millisecond))
	stop()
}

// openDisk opens keys on the stores that a server uses.
func openDisk(t *testing.T, dir string, create bool) (k *Keys, stop func()) {
	t.Helper()
	roots, err := file.Open(file.Config{Dir: filepath.Join(dir, "root")})
	if err != nil {
		t.Fatal(err)
	}
	root, err := OpenRoot(t.Context(), RootConfig{Store: roots, Create: create})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := pebble.Open(pebble.Config{Dir: filepath.Join(dir, "meta"), CacheBytes: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	k, err = Open(t.Context(), Config{Meta: sealrows.New(rows, sealrows.Key(root.StoreKey()), crand.Reader), Root: root, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return k, func() {
		k.Close()
		if err := rows.Close(); err != nil {
			t.Error(err)
		}
		root.Close()
	}
}

// fill writes n rows that hang from leaves of their own, many in a transaction: a
// shard's leaves in each.
func fill(t *testing.T, k *Keys, what string, n int, put func(tx meta.Txn, i int, l leaf, leafSecret *Secret) error) {
	t.Helper()
	const page = 500
	measureBy(t, what, (n+page-1)/page, n, 4, func(p int) error {
		return k.meta.Update(t.Context(), func(tx meta.Txn) error {
			shard := uint16(p % shardCount)
			row, err := getRow[shardRow](tx, shardKey(shard))
			if errors.Is(err, meta.ErrNotFound) {
				row, err = new(shardRow), nil
			}
			if err != nil {
				return err
			}
			for i := p * page; i < min(n, (p+1)*page); i++ {
				l := leaf{shard, row.Next}
				row.Next++
				err := k.root.view(func(s *epochState) error {
					secret, err := s.leaf(l)
					if err != nil {
						return err
					}
					return put(tx, i, l, &secret)
				})
				if err != nil {
					return err
				}
			}
			return putRow(tx, shardKey(shard), row)
		})
	})
}

// measure runs fn for 0 to n-1 from 64 goroutines, and prints how fast.
func measure(t *testing.T, what string, n int, fn func(i int) error) {
	t.Helper()
	measureBy(t, what, n, n, 64, fn)
}

// measureBy is measure for calls that do count things in all.
func measureBy(t *testing.T, what string, n, count, goroutines int, fn func(i int) error) {
	t.Helper()
	start := time.Now()
	next := make(chan int)
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for i := range next {
				if err := fn(i); err != nil {
					t.Errorf("%s: %v", what, err)
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	took := time.Since(start)
	t.Logf("%s: %v, %.0f/s", what, took.Round(time.Millisecond), float64(count)/took.Seconds())
}

func quantiles(t *testing.T, what string, times []time.Duration) {
	t.Helper()
	slices.Sort(times)
	at := func(q float64) time.Duration { return times[int(q*float64(len(times)-1))].Round(time.Microsecond) }
	t.Logf("%s: p50 %v, p99 %v, max %v", what, at(0.5), at(0.99), at(1))
}

// resident returns what the process holds in memory.
func resident(t *testing.T) string {
	t.Helper()
	runtime.GC()
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err.Error()
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			return strings.TrimSpace(rest)
		}
	}
	return "unknown"
}

// treeSize returns how many bytes the files below dir have.
func treeSize(t *testing.T, dir string) string {
	t.Helper()
	var n int64
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			n += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}
