package meter

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"coffer/internal/meta"
	"coffer/internal/meta/mem"
)

const (
	owner  = "123456789012"
	other  = "210987654321"
	region = "us-east-1"
)

var (
	noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	k1   = Key{owner, region, "1234abcd-12ab-34cd-56ef-1234567890ab"}
	k2   = Key{owner, region, "mrk-0987dcba09fe87dc65baab0987654321"}
)

// open opens a meter that flushes when it is told to.
func open(t testing.TB, store meta.Store, now time.Time) *Meter {
	t.Helper()
	m, err := Open(t.Context(), Config{Meta: store, Now: func() time.Time { return now }, FlushEvery: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close(context.Background()) })
	return m
}

func call(operation string, k Key, at time.Time) *Call {
	return &Call{At: at, Account: owner, Region: region, Operation: operation, Key: k, Used: true,
		Principal: "arn:aws:iam::123456789012:user/alice", RequestID: "r-" + operation, EventID: "e-" + operation}
}

// list returns the calls of a month as text.
func list(t testing.TB, m *Meter, month Month, account, after string, limit int) (lines []string) {
	t.Helper()
	calls, err := m.List(t.Context(), month, account, after, limit)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range calls {
		line := c.Position()
		for _, op := range slices.Sorted(maps.Keys(c.Operations)) {
			line += fmt.Sprintf(" %s=%d", op, c.Operations[op])
		}
		lines = append(lines, line+fmt.Sprint(" ", c.Classes))
	}
	return lines
}

func TestCountsSurviveARestart(t *testing.T) {
	store := mem.New()
	m := open(t, store, noon)
	for range 3 {
		m.Count(call("Decrypt", k1, noon))
	}
	m.Count(call("Encrypt", k1, noon))
	m.Count(&Call{At: noon, Account: owner, Region: region, Operation: "ListKeys"})
	m.Count(&Call{At: noon, Account: other, Region: region, Operation: "Decrypt", Key: k1})
	m.Count(&Call{At: noon, Account: owner, Region: region, Operation: "Sign", Class: Asymmetric, Key: k2})
	m.Count(call("Decrypt", k1, noon.AddDate(0, 1, 0)))
	if err := m.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	m = open(t, store, noon.Add(time.Hour))
	if !m.Since().Equal(noon) {
		t.Errorf("Since = %s; want when the first meter was opened", m.Since())
	}
	m.Count(call("Decrypt", k1, noon))
	if err := m.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	november := MonthOf(noon)
	want := []string{
		owner + "/us-east-1/ ListKeys=1 [1 0 0 0 0]",
		owner + "/us-east-1/" + owner + "/" + k1.ID + " Decrypt=4 Encrypt=1 [5 0 0 0 0]",
		owner + "/us-east-1/" + owner + "/" + k2.ID + " Sign=1 [0 0 1 0 0]",
		other + "/us-east-1/" + owner + "/" + k1.ID + " Decrypt=1 [1 0 0 0 0]",
	}
	if got := list(t, m, november, "", "", 10); !slices.Equal(got, want) {
		t.Errorf("November:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if got := list(t, m, november, other, "", 10); !slices.Equal(got, want[3:]) {
		t.Errorf("of one account: %q", got)
	}
	if got := list(t, m, november+1, owner, "", 10); len(got) != 1 {
		t.Errorf("December: %q", got)
	}
	// Pages of one go through all.
	var paged []string
	for after := ""; ; {
		page := list(t, m, november, "", after, 1)
		if len(page) == 0 {
			break
		}
		paged = append(paged, page...)
		after, _, _ = strings.Cut(page[0], " ")
	}
	if !slices.Equal(paged, want) {
		t.Errorf("in pages: %q", paged)
	}
}

func TestLastUse(t *testing.T) {
	store := mem.New()
	m := open(t, store, noon)
	if _, ok, err := m.LastUse(t.Context(), k1); ok || err != nil {
		t.Errorf("LastUse of an unused key = %t, %v", ok, err)
	}
	steps := []struct {
		name  string
		do    func()
		flush bool
		want  string // operation and time
	}{
		{"first", func() { m.Count(call("Encrypt", k1, noon)) }, false, "Encrypt 12:00"},
		{"written", func() {}, true, "Encrypt 12:00"},
		{"later", func() { m.Count(call("Decrypt", k1, noon.Add(time.Minute))) }, false, "Decrypt 12:01"},
		{"management", func() {
			c := call("DescribeKey", k1, noon.Add(2*time.Minute))
			c.Used = false
			m.Count(c)
		}, true, "Decrypt 12:01"},
		{"earlier", func() { m.Count(call("Encrypt", k1, noon)) }, true, "Decrypt 12:01"},
		{"another key", func() { m.Count(call("Encrypt", k2, noon.Add(time.Hour))) }, true, "Decrypt 12:01"},
		{"destination", func() {
			c := call("ReEncrypt", k2, noon.Add(3*time.Minute))
			c.Second = k1
			m.Count(c)
		}, false, "ReEncrypt 12:03"},
		{"noted", func() {
			m.Note(k1, &LastUse{At: noon.Add(150 * time.Second), Operation: "earlier"})
		}, false, "ReEncrypt 12:03"},
		{"destination written", func() {}, true, "ReEncrypt 12:03"},
	}
	for _, s := range steps {
		s.do()
		if s.flush {
			if err := m.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		u, ok, err := m.LastUse(t.Context(), k1)
		if got := u.Operation + u.At.Format(" 15:04"); !ok || err != nil || got != s.want {
			t.Errorf("%s: LastUse = %s, %t, %v; want %s", s.name, got, ok, err, s.want)
		}
	}
	m.Note(k2, &LastUse{At: noon.Add(2 * time.Hour), Operation: "noted"})
	if u, ok, err := m.LastUse(t.Context(), k2); !ok || err != nil || u.Operation != "noted" {
		t.Errorf("LastUse of a noted key = %+v, %t, %v", u, ok, err)
	}
	u, _, _ := m.LastUse(t.Context(), k1)
	if u.Principal != "arn:aws:iam::123456789012:user/alice" || u.RequestID != "r-ReEncrypt" || u.EventID != "e-ReEncrypt" {
		t.Errorf("LastUse = %+v", u)
	}
}

// Calls of long ago are removed, and no others.
func TestPrune(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := mem.New()
		m := open(t, store, noon)
		for i := range 40 {
			m.Count(call("Decrypt", k1, noon.AddDate(0, -i, 0)))
		}
		for i := range 2 * writeMost {
			m.Count(call("Decrypt", Key{owner, region, fmt.Sprint(i)}, noon.AddDate(0, -39, 0)))
		}
		time.Sleep(time.Hour) // the next flush
		synctest.Wait()
		for i := range 40 {
			month := MonthOf(noon) - Month(i)
			if got := list(t, m, month, "", "", 10); (len(got) > 0) != (i <= Keep) {
				t.Errorf("%s: %d rows", month, len(got))
			}
		}
		if err := m.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// failing is a store that fails while it is told to.
type failing struct {
	meta.Store
	down atomic.Bool
}

func (f *failing) Update(ctx context.Context, fn func(meta.Txn) error) error {
	if f.down.Load() {
		return meta.ErrUnavailable
	}
	return f.Store.Update(ctx, fn)
}

func TestNothingIsLostWhileTheStoreFails(t *testing.T) {
	store := &failing{Store: mem.New()}
	m := open(t, store, noon)
	store.down.Store(true)
	for range 2 {
		m.Count(call("Decrypt", k1, noon))
		if err := m.Flush(t.Context()); !errors.Is(err, meta.ErrUnavailable) {
			t.Errorf("Flush = %v; want %v", err, meta.ErrUnavailable)
		}
	}
	if u, ok, err := m.LastUse(t.Context(), k1); !ok || err != nil || u.Operation != "Decrypt" {
		t.Errorf("LastUse = %+v, %t, %v", u, ok, err)
	}
	store.down.Store(false)
	if err := m.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := list(t, m, MonthOf(noon), "", "", 10); len(got) != 1 || !strings.Contains(got[0], "Decrypt=2") {
		t.Errorf("counted %q; want 2", got)
	}
	totals := make(map[Total]uint64)
	m.Totals(func(t Total, n uint64) { totals[t] = n })
	if len(totals) != 1 || totals[Total{"Decrypt", Request}] != 2 {
		t.Errorf("Totals = %v", totals)
	}
}

// Calls, flushes and readers at the same time lose no call, and a reader never
// misses a use that was counted before it asked.
func TestConcurrentUse(t *testing.T) {
	m := open(t, mem.New(), noon)
	const workers, each = 4, 500
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			mine := Key{owner, region, fmt.Sprint("key-", w)}
			for i := range each {
				at := noon.Add(time.Duration(i) * time.Millisecond)
				m.Count(call("Decrypt", k1, at))
				m.Count(call("Encrypt", mine, at))
				if i%50 == 0 {
					if u, ok, err := m.LastUse(t.Context(), mine); !ok || err != nil || !u.At.Equal(at) {
						t.Errorf("LastUse = %+v, %t, %v; want one at %s", u, ok, err, at)
					}
				}
			}
		})
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 50 {
			if err := m.Flush(t.Context()); err != nil {
				t.Error(err)
			}
		}
	}()
	wg.Wait()
	<-done
	if err := m.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	calls, err := m.List(t.Context(), MonthOf(noon), "", "", 100)
	if err != nil {
		t.Fatal(err)
	}
	var n uint64
	for _, c := range calls {
		n += c.Classes[Request]
	}
	if n != 2*workers*each || len(calls) != workers+1 {
		t.Errorf("%d calls in %d rows; want %d in %d", n, len(calls), 2*workers*each, workers+1)
	}
}

// More keys than memory may hold while the store fails: calls are dropped, and the
// meter says how many.
func TestMemoryIsBounded(t *testing.T) {
	m := open(t, mem.New(), noon)
	s := &m.shards[0]
	for i := range maxPending/shardCount + 1 {
		s.tallies[place{key: Key{ID: fmt.Sprint(i)}}] = nil
	}
	for range 2000 {
		m.Count(call("Decrypt", k1, noon))
	}
	if m.Dropped() == 0 || m.Dropped() > 500 {
		t.Errorf("Dropped = %d; want about an eighth of 2000/2", m.Dropped())
	}
	s.mu.Lock()
	s.held = newHeld()
	s.mu.Unlock()
}

func TestDamagedRows(t *testing.T) {
	month := MonthOf(noon)
	for _, row := range []struct{ key, value string }{
		{rowCalls + month.String() + "/123456789012", "\xa0"},
		{rowCalls + month.String() + "/123456789012/us-east-1/x", "\xa0"},
		{rowCalls + month.String() + "/123456789012/us-east-1/", "\xff"},
		{rowCalls + month.String() + "/123456789012/us-east-1/", "\xa1\x01\x81\x83\x61a\x09\x01"},
		{rowLast + "123456789012/us-east-1/" + k1.ID, "\x01"},
	} {
		store := mem.New()
		m := open(t, store, noon)
		if err := store.Update(t.Context(), func(tx meta.Txn) error { return tx.Put([]byte(row.key), []byte(row.value)) }); err != nil {
			t.Fatal(err)
		}
		_, err := m.List(t.Context(), month, "", "", 10)
		if strings.HasPrefix(row.key, rowLast) {
			_, _, err = m.LastUse(t.Context(), k1)
		}
		if strings.HasPrefix(row.key, rowLast) && err == nil || strings.HasPrefix(row.key, rowCalls) && !errors.Is(err, meta.ErrCorrupt) {
			t.Errorf("%q = %q: %v; want an error", row.key, row.value, err)
		}
	}
}

func TestMonth(t *testing.T) {
	for _, s := range []string{"2026-11", "2026-12", "2027-01", "2024-02"} {
		m, err := ParseMonth(s)
		if err != nil || m.String() != s || MonthOf(m.Start()) != m || MonthOf(m.End()) != m+1 || MonthOf(m.End().Add(-1)) != m {
			t.Errorf("ParseMonth(%s) = %s, %v", s, m, err)
		}
	}
	if m, _ := ParseMonth("2024-02"); m.Hours() != 29*24 {
		t.Errorf("February 2024 has %d hours", m.Hours())
	}
	for _, s := range []string{"", "2026", "2026-13", "2026-1", "2026-11-01", "0001-01", "9999-01", " 2026-11"} {
		if m, err := ParseMonth(s); err == nil {
			t.Errorf("ParseMonth(%q) = %s", s, m)
		}
	}
	// The month is that of the call, also over a boundary.
	meter := open(t, mem.New(), noon)
	for _, at := range []time.Time{noon, MonthOf(noon).End().Add(-1), MonthOf(noon).End(), noon} {
		if got := meter.monthOf(at); got != MonthOf(at) {
			t.Errorf("monthOf(%s) = %s", at, got)
		}
	}
}

func BenchmarkCount(b *testing.B) {
	for _, keys := range []int{1, 1000} {
		b.Run(fmt.Sprint("keys=", keys), func(b *testing.B) {
			m := open(b, mem.New(), noon)
			calls := make([]*Call, keys)
			for i := range calls {
				calls[i] = call("GenerateDataKey", Key{owner, region, fmt.Sprintf("%036d", i)}, noon)
			}
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					m.Count(calls[i%keys])
				}
			})
		})
	}
}
