package metatest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"coffer/internal/meta"
)

// rendezvous lets two transactions of an optimistic store read before either
// of them commits. A store that runs one Update at a time never brings both
// there, so a party goes on alone after a moment. No assertion depends on it.
type rendezvous struct {
	once    [2]sync.Once
	arrived [2]chan struct{}
}

func newRendezvous() *rendezvous {
	return &rendezvous{arrived: [2]chan struct{}{make(chan struct{}), make(chan struct{})}}
}

// meet is called by party i; only its first call waits.
func (m *rendezvous) meet(i int) {
	m.once[i].Do(func() {
		close(m.arrived[i])
		select {
		case <-m.arrived[1-i]:
		case <-time.After(2 * time.Millisecond):
		}
	})
}

// together runs two transactions side by side.
func together(t *testing.T, s meta.Store, fn func(tx meta.Txn, i int, meet func()) error) {
	t.Helper()
	m := newRendezvous()
	var wg sync.WaitGroup
	for i := range 2 {
		wg.Go(func() {
			err := s.Update(context.Background(), func(tx meta.Txn) error {
				return fn(tx, i, func() { m.meet(i) })
			})
			if err != nil {
				t.Errorf("Update %d = %v", i, err)
			}
		})
	}
	wg.Wait()
}

func number(r meta.Reader, key string) (int, error) {
	v, err := read(r, key)
	if err != nil || v == "-" {
		return 0, err
	}
	return strconv.Atoi(v)
}

func putNumber(tx meta.Txn, key string, n int) error {
	return tx.Put([]byte(key), []byte(strconv.Itoa(n)))
}

func testLostUpdate(t *testing.T, s meta.Store) {
	for round := range 10 {
		together(t, s, func(tx meta.Txn, _ int, meet func()) error {
			n, err := number(tx, "n")
			if err != nil {
				return err
			}
			meet()
			return putNumber(tx, "n", n+1)
		})
		if got, want := get(t, s, "n"), strconv.Itoa(2*(round+1)); got != want {
			t.Fatalf("after %d increments n = %s", 2*(round+1), got)
		}
	}
	// Many writers of one row all get through.
	const writers, each = 8, 20
	put(t, s, "n", "0")
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				err := s.Update(context.Background(), func(tx meta.Txn) error {
					n, err := number(tx, "n")
					if err != nil {
						return err
					}
					return putNumber(tx, "n", n+1)
				})
				if err != nil {
					t.Errorf("Update() = %v", err)
				}
			}
		})
	}
	wg.Wait()
	if got, want := get(t, s, "n"), strconv.Itoa(writers*each); got != want {
		t.Errorf("n = %s; want %s", got, want)
	}
}

// testLostUpdateByScan increments a row that is read by a scan, in the middle
// of it or as the row where it stops.
func testLostUpdateByScan(t *testing.T, s meta.Store) {
	put(t, s, "c/0", "0", "c/1", "0", "c/2", "0")
	middle := meta.Range{Start: []byte("c/"), End: []byte("c0")}
	first, last := middle, middle
	first.Limit = 1
	last.Limit, last.Reverse = 1, true
	for _, tc := range []struct {
		key  string
		rg   meta.Range
		stop bool // by the answer of fn
	}{{"c/1", middle, false}, {"c/1", middle, true}, {"c/0", first, false}, {"c/2", last, false}} {
		put(t, s, tc.key, "0")
		for range 5 {
			together(t, s, func(tx meta.Txn, _ int, meet func()) error {
				n := 0
				err := tx.Scan(tc.rg, func(k, v []byte) (more bool, err error) {
					if string(k) != tc.key {
						return true, nil
					}
					n, err = strconv.Atoi(string(v))
					return !tc.stop, err
				})
				if err != nil {
					return err
				}
				meet()
				return putNumber(tx, tc.key, n+1)
			})
		}
		if got := get(t, s, tc.key); got != "10" {
			t.Errorf("Scan %+v, stop %v: %s = %s after 10 increments", tc.rg, tc.stop, tc.key, got)
		}
	}
}

// testWriteSkew lets two transactions each read both rows and clear one: only
// one of them may find both set.
func testWriteSkew(t *testing.T, s meta.Store) {
	rows := []string{"on-call/a", "on-call/b"}
	for range 10 {
		put(t, s, rows[0], "1", rows[1], "1")
		together(t, s, func(tx meta.Txn, i int, meet func()) error {
			a, err1 := number(tx, rows[0])
			b, err2 := number(tx, rows[1])
			if err := errors.Join(err1, err2); err != nil {
				return err
			}
			meet()
			if a+b < 2 {
				return nil
			}
			return putNumber(tx, rows[i], 0)
		})
		if a, b := get(t, s, rows[0]), get(t, s, rows[1]); a == b {
			t.Fatalf("after the write skew both rows are %s; want one 0 and one 1", a)
		}
	}
}

// testMissingRow makes the read of a row that is not there count as a read.
func testMissingRow(t *testing.T, s meta.Store) {
	for round := range 10 {
		key := fmt.Sprintf("bucket/%d", round)
		winners := make([]bool, 2)
		together(t, s, func(tx meta.Txn, i int, meet func()) error {
			winners[i] = false
			_, err := tx.Get([]byte(key))
			meet()
			if !errors.Is(err, meta.ErrNotFound) {
				return err
			}
			winners[i] = true
			return putNumber(tx, key, i)
		})
		if winners[0] == winners[1] {
			t.Fatalf("create if absent: winners %v; want exactly one", winners)
		}
	}
}

// testPhantom lets two transactions insert a row into a range that both found
// empty, with the scans that callers use.
func testPhantom(t *testing.T, s meta.Store) {
	for _, rg := range []meta.Range{
		{Start: []byte("p/"), End: []byte("p0")},
		{Start: []byte("p/"), End: []byte("p0"), Reverse: true},
		{Start: []byte("p/"), End: []byte("p0"), Limit: 1},
		{Start: []byte("p/"), End: []byte("p0"), Limit: 1, Reverse: true},
		{Start: []byte("p")},
	} {
		for range 5 {
			update(t, s, func(tx meta.Txn) error {
				return errors.Join(tx.Delete([]byte("p/0")), tx.Delete([]byte("p/1")))
			})
			put(t, s, "a", "below", "z", "above")
			bounded := rg.End != nil
			together(t, s, func(tx meta.Txn, i int, meet func()) error {
				rows := 0
				err := tx.Scan(rg, func(k, _ []byte) (bool, error) {
					if string(k) != "z" {
						rows++
					}
					return bounded || string(k) != "z", nil
				})
				if err != nil {
					return err
				}
				meet()
				if rows > 0 {
					return nil
				}
				return putNumber(tx, fmt.Sprintf("p/%d", i), i)
			})
			if a, b := get(t, s, "p/0"), get(t, s, "p/1"); (a == "-") == (b == "-") {
				t.Fatalf("Scan %+v: rows %q, %q; want exactly one inserted", rg, a, b)
			}
		}
	}
}

// testTransfers moves money at random between rows while views and scanning
// transactions check that none is lost.
func testTransfers(t *testing.T, s meta.Store) {
	const accounts, workers, moves, total = 8, 4, 60, 800
	update(t, s, func(tx meta.Txn) error {
		for i := range accounts {
			if err := putNumber(tx, fmt.Sprintf("acct/%d", i), total/accounts); err != nil {
				return err
			}
		}
		return nil
	})
	sum := func(r meta.Reader, rg meta.Range) (int, error) {
		n := 0
		err := r.Scan(rg, func(_, v []byte) (bool, error) {
			m, err := strconv.Atoi(string(v))
			n += m
			return true, err
		})
		return n, err
	}
	all := meta.Prefix([]byte("acct/"))
	var wg sync.WaitGroup
	for w := range workers {
		rng := rand.New(rand.NewPCG(uint64(w), 7))
		wg.Go(func() {
			for range moves {
				from, to := rng.IntN(accounts), rng.IntN(accounts)
				check := rng.IntN(8) == 0
				err := s.Update(context.Background(), func(tx meta.Txn) error {
					if check {
						if n, err := sum(tx, all); err != nil || n != total {
							return fmt.Errorf("sum inside = %d, %v; want %d", n, err, total)
						}
					}
					for _, step := range []struct{ account, by int }{{from, -1}, {to, 1}} {
						key := fmt.Sprintf("acct/%d", step.account)
						n, err := number(tx, key)
						if err != nil {
							return err
						}
						if err := putNumber(tx, key, n+step.by); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					t.Errorf("Update() = %v", err)
				}
				rg := all
				rg.Reverse = check
				err = s.View(context.Background(), func(r meta.Reader) error {
					if n, err := sum(r, rg); err != nil || n != total {
						return fmt.Errorf("sum = %d, %v; want %d", n, err, total)
					}
					return nil
				})
				if err != nil {
					t.Errorf("View() = %v", err)
				}
			}
		})
	}
	wg.Wait()
}

// testViewIsStable changes the store while a View reads it.
func testViewIsStable(t *testing.T, s meta.Store) {
	put(t, s, "a", "1", "b", "1", "c", "1")
	view(t, s, func(r meta.Reader) error {
		if got, err := read(r, "a"); got != "1" {
			t.Errorf("Get(a) = %q, %v; want 1", got, err)
		}
		for i := range 20 {
			put(t, s, "a", "2", "bb", strconv.Itoa(i))
			update(t, s, func(tx meta.Txn) error { return tx.Delete([]byte("c")) })
			if got, err := scan(r, meta.Range{}); got != "a=1 b=1 c=1" {
				t.Fatalf("Scan of an old view = %q, %v; want a=1 b=1 c=1", got, err)
			}
			if got, err := read(r, "c"); got != "1" {
				t.Fatalf("Get(c) of an old view = %q, %v; want 1", got, err)
			}
		}
		n := 0
		return r.Scan(meta.Range{}, func(k, v []byte) (bool, error) {
			n++
			put(t, s, "b", "3", "d", "3")
			if string(v) != "1" || n > 3 {
				t.Errorf("row %d of an old view during updates is %s=%s", n, k, v)
			}
			return true, nil
		})
	})
	view(t, s, func(r meta.Reader) error {
		if got, err := scan(r, meta.Range{}); got != "a=2 b=3 bb=19 d=3" {
			t.Errorf("Scan of a new view = %q, %v; want a=2 b=3 bb=19 d=3", got, err)
		}
		return nil
	})
}

// testReadYourCommits checks that a transaction sees what was acknowledged
// before it began, also from other goroutines.
func testReadYourCommits(t *testing.T, s meta.Store) {
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			key := fmt.Sprintf("w/%d", w)
			for i := range 40 {
				err := s.Update(context.Background(), func(tx meta.Txn) error {
					if n, err := number(tx, key); err != nil || n != i {
						return fmt.Errorf("%s = %d, %v; want %d", key, n, err, i)
					}
					return putNumber(tx, key, i+1)
				})
				if err != nil {
					t.Errorf("Update() = %v", err)
					return
				}
				err = s.View(context.Background(), func(r meta.Reader) error {
					if n, err := number(r, key); err != nil || n != i+1 {
						return fmt.Errorf("%s = %d, %v; want %d", key, n, err, i+1)
					}
					return nil
				})
				if err != nil {
					t.Errorf("View() = %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// testLongTransaction checks that a slow transaction gets through while quick
// ones keep changing what it reads.
func testLongTransaction(t *testing.T, s meta.Store) {
	const rows = 50
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for w := range 3 {
		rng := rand.New(rand.NewPCG(uint64(w), 11))
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				key := fmt.Sprintf("r/%02d", rng.IntN(rows))
				err := s.Update(context.Background(), func(tx meta.Txn) error {
					n, err := number(tx, key)
					if err != nil {
						return err
					}
					return putNumber(tx, key, n+1)
				})
				if err != nil {
					t.Errorf("Update() = %v", err)
					return
				}
			}
		})
	}
	for range 3 {
		err := s.Update(context.Background(), func(tx meta.Txn) error {
			sum := 0
			for i := range rows {
				n, err := number(tx, fmt.Sprintf("r/%02d", i))
				if err != nil {
					return err
				}
				sum += n
				time.Sleep(20 * time.Microsecond)
			}
			again := 0
			err := tx.Scan(meta.Prefix([]byte("r/")), func(_, v []byte) (bool, error) {
				n, err := strconv.Atoi(string(v))
				again += n
				return true, err
			})
			if err != nil {
				return err
			}
			if sum != again {
				return fmt.Errorf("one transaction read the sum %d, then %d", sum, again)
			}
			return putNumber(tx, "sum", sum)
		})
		if err != nil {
			t.Errorf("long Update = %v", err)
		}
	}
	close(stop)
	wg.Wait()
}

func testClose(t *testing.T, s meta.Store) {
	ctx := context.Background()
	put(t, s, "a", "1")
	inside, release, viewed, closed := make(chan struct{}), make(chan struct{}), make(chan error), make(chan error, 1)
	go func() {
		viewed <- s.View(ctx, func(r meta.Reader) error {
			close(inside)
			<-release
			got, err := read(r, "a")
			if got != "1" {
				t.Errorf("Get(a) in a View that outlives the call of Close = %q, %v; want 1", got, err)
			}
			return err
		})
	}()
	<-inside
	go func() { closed <- s.Close() }()
	for {
		err := s.View(ctx, func(meta.Reader) error { return nil })
		if errors.Is(err, meta.ErrClosed) {
			break
		}
		if err != nil {
			t.Errorf("View during Close = %v; want nil or ErrClosed", err)
			break
		}
	}
	select {
	case err := <-closed:
		t.Errorf("Close() = %v before the View under way ended", err)
	default:
	}
	close(release)
	if err := <-viewed; err != nil {
		t.Errorf("View() = %v", err)
	}
	if err := <-closed; err != nil {
		t.Errorf("Close() = %v", err)
	}
	if err := s.Update(ctx, func(meta.Txn) error { t.Error("fn ran"); return nil }); !errors.Is(err, meta.ErrClosed) {
		t.Errorf("Update after Close = %v; want ErrClosed", err)
	}
	if err := s.View(ctx, func(meta.Reader) error { t.Error("fn ran"); return nil }); !errors.Is(err, meta.ErrClosed) {
		t.Errorf("View after Close = %v; want ErrClosed", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("second Close() = %v", err)
	}
}
