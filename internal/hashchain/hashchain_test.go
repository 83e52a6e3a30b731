package hashchain

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"testing"
)

// The vector of docs/spec/trail.md.
func TestVector(t *testing.T) {
	h := Start("node-1")
	for _, step := range []struct {
		number uint64
		record string
		want   string
	}{
		{0, "", "40738e25278fa5d3d2b89a8079f66be718f686aa2b4fd9d5be76724b536322d4"},
		{1, "{}", "4d5f3f914294b0841efb3c34ada99f89f842f99c9017b20ae91cf332023b59d5"},
		{3, `{"eventName":"CreateKey"}`, "bcb9c0853c642ddc0a6fb98dec6608afe6265b950147897c8651b5b88b28a435"},
	} {
		if step.number > 0 {
			h = h.Next(step.number, []byte(step.record))
		}
		if h.String() != step.want {
			t.Errorf("hash at %d = %s; want %s", step.number, h, step.want)
		}
	}
}

// TestNextIsTheFormula checks both ways of hashing against the layout in the
// package comment, at lengths around the one where they change.
func TestNextIsTheFormula(t *testing.T) {
	prev := Start("x")
	for n := range 1200 {
		record := bytes.Repeat([]byte{'r'}, n)
		b := append([]byte("coffer/hashchain/1\x01"), prev[:]...)
		b = binary.BigEndian.AppendUint64(b, 42)
		b = binary.BigEndian.AppendUint64(b, uint64(n))
		b = append(b, record...)
		if got, want := prev.Next(42, record), Hash(sha256.Sum256(b)); got != want {
			t.Fatalf("Next of %d bytes = %s; want %s", n, got, want)
		}
	}
}

// chain returns the links and records of n records, numbered in steps of 10.
func chain(n int) (Hash, []Link, map[uint64][]byte) {
	prev := Start("test")
	h := prev
	var links []Link
	records := make(map[uint64][]byte)
	for i := range n {
		number := uint64(10 * (i + 1))
		records[number] = fmt.Appendf(nil, "record %d", i)
		h = h.Next(number, records[number])
		links = append(links, Link{number, h})
	}
	return prev, links, records
}

func TestVerify(t *testing.T) {
	tests := []struct {
		name   string
		damage func(links []Link, records map[uint64][]byte)
		want   string
	}{
		{"whole", func([]Link, map[uint64][]byte) {}, "<nil>"},
		{"more records than links", func(_ []Link, r map[uint64][]byte) { r[35] = []byte("stranger") }, "<nil>"},
		{"altered first", func(_ []Link, r map[uint64][]byte) { r[10] = []byte("x") }, "record 10 is altered"},
		{"altered", func(_ []Link, r map[uint64][]byte) { r[30][0] ^= 1 }, "record 30 is altered"},
		{"altered last", func(_ []Link, r map[uint64][]byte) { r[50] = nil }, "record 50 is altered"},
		{"altered twice", func(_ []Link, r map[uint64][]byte) { r[40], r[20] = nil, nil }, "record 20 is altered"},
		{"lengthened", func(_ []Link, r map[uint64][]byte) { r[30] = append(r[30], 0) }, "record 30 is altered"},
		{"missing", func(_ []Link, r map[uint64][]byte) { delete(r, 30) }, "record 30 is missing"},
		{"missing first", func(_ []Link, r map[uint64][]byte) { delete(r, 10) }, "record 10 is missing"},
		{"missing last", func(_ []Link, r map[uint64][]byte) { delete(r, 50) }, "record 50 is missing"},
		{"exchanged", func(_ []Link, r map[uint64][]byte) { r[20], r[40] = r[40], r[20] }, "record 20 is reordered"},
		{"neighbours exchanged", func(_ []Link, r map[uint64][]byte) { r[40], r[50] = r[50], r[40] }, "record 40 is reordered"},
		{"moved up", func(_ []Link, r map[uint64][]byte) {
			r[20], r[30], r[40], r[50] = r[30], r[40], r[50], []byte("new")
		}, "record 20 is reordered"},
		{"moved to another number", func(_ []Link, r map[uint64][]byte) { r[35] = r[30]; delete(r, 30) }, "record 30 is reordered"},
		{"copied over", func(_ []Link, r map[uint64][]byte) { r[40] = r[20] }, "record 40 is reordered"},
		{"link altered", func(l []Link, _ map[uint64][]byte) { l[2].Hash[0] ^= 1 }, "link of record 30 is altered"},
		{"link renumbered", func(l []Link, _ map[uint64][]byte) { l[2].Number = 31 }, "record 31 is missing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			prev, links, records := chain(5)
			tt.damage(links, records)
			f := Verify(prev, links, records)
			got := "<nil>"
			if f != nil {
				got = f.String()
			}
			if got != tt.want {
				t.Errorf("Verify = %s; want %s", got, tt.want)
			}
		})
	}
}

func TestVerifyStart(t *testing.T) {
	_, links, records := chain(3)
	if f := Verify(Start("another"), links, records); f == nil || f.Number != 10 {
		t.Errorf("Verify from another start = %v; want a fault at 10", f)
	}
	if f := Verify(Start("another"), nil, nil); f != nil {
		t.Errorf("Verify of nothing = %v; want nil", f)
	}
}

// FuzzVerify puts any one change into a chain: it must be found, and at the
// place of the change.
func FuzzVerify(f *testing.F) {
	f.Add(uint8(3), []byte("x"))
	f.Add(uint8(0), []byte("record 0"))
	f.Add(uint8(4), []byte(nil))
	f.Fuzz(func(t *testing.T, at uint8, record []byte) {
		prev, links, records := chain(6)
		numbers := slices.Sorted(maps.Keys(records))
		n := numbers[int(at)%len(numbers)]
		same := bytes.Equal(records[n], record)
		records[n] = record
		fault := Verify(prev, links, records)
		if same != (fault == nil) {
			t.Fatalf("Verify with record %d = %q: %v", n, record, fault)
		}
		if fault != nil && fault.Number != n {
			t.Errorf("Verify names record %d; want %d", fault.Number, n)
		}
	})
}

func BenchmarkNext(b *testing.B) {
	for _, n := range []int{700, 2000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			h, record := Start("bench"), make([]byte, n)
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				h = h.Next(1, record)
			}
		})
	}
}
