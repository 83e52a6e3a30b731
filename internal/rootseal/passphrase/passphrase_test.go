package passphrase

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
)

// quick are costs for tests.
var quick = Params{Time: 1, Memory: 64, Threads: 2}

const words = "correct horse battery staple"

func TestGate(t *testing.T) {
	settings, err := New([]byte(words), quick, nil)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(fmt.Sprint(settings), words) {
		t.Error("the passphrase is in what is stored")
	}
	g, err := Open(settings, []byte(words))
	if err != nil {
		t.Fatal(err)
	}
	again, err := Open(settings, []byte(words))
	if err != nil {
		t.Fatal(err)
	}
	a, _ := g.Mask(t.Context(), 7)
	b, _ := again.Mask(t.Context(), 7)
	c, _ := g.Mask(t.Context(), 8)
	if a != b || a == c || a == [32]byte{} {
		t.Error("masks of one epoch differ, or those of two are equal")
	}
	other, err := New([]byte(words), quick, nil)
	if err != nil {
		t.Fatal(err)
	}
	h, err := Open(other, []byte(words))
	if err != nil {
		t.Fatal(err)
	}
	if d, _ := h.Mask(t.Context(), 7); d == a {
		t.Error("the same passphrase gives the same gate twice")
	}
	for _, wrong := range []string{"", "correct horse battery stapl", words + "\n", strings.Repeat("x", MaxLength+1)} {
		if _, err := Open(settings, []byte(wrong)); !errors.Is(err, ErrWrong) {
			t.Errorf("Open with %q = %v; want ErrWrong", wrong, err)
		}
	}
}

func TestShortPassphrase(t *testing.T) {
	for _, p := range []string{"", "elevenbytes", strings.Repeat("x", MaxLength+1)} {
		if _, err := New([]byte(p), quick, nil); err == nil {
			t.Errorf("New(%q) = nil; want an error", p)
		}
	}
}

func TestDamagedSettings(t *testing.T) {
	good, err := New([]byte(words), quick, nil)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name  string
		alter func(m map[string]string)
		mend  bool // the checksum is made to fit
	}{
		{"salt flipped", func(m map[string]string) { m[setSalt] = "00" + m[setSalt][2:] }, false},
		{"salt short", func(m map[string]string) { m[setSalt] = m[setSalt][2:] }, true},
		{"nothing sealed", func(m map[string]string) { m[setSealed] = "" }, true},
		{"sealed cut", func(m map[string]string) { m[setSealed] = m[setSealed][:60] }, true},
		{"other version", func(m map[string]string) { m[setSealed] = "02" + m[setSealed][2:] }, true},
		{"not hexadecimal", func(m map[string]string) { m[setSealed] = "zz" }, true},
		{"too much memory", func(m map[string]string) { m[setMemory] = fmt.Sprint(maxMemory + 1) }, true},
		{"too many passes", func(m map[string]string) { m[setTime] = "1000000" }, true},
		{"no pass", func(m map[string]string) { m[setTime] = "0" }, true},
		{"no thread", func(m map[string]string) { m[setThreads] = "0" }, true},
		{"negative", func(m map[string]string) { m[setThreads] = "-1" }, true},
		{"missing", func(m map[string]string) { delete(m, setThreads) }, true},
		{"one more", func(m map[string]string) { m["x"] = "y" }, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := maps.Clone(good)
			tt.alter(m)
			if tt.mend {
				m[setChecksum] = checksum(m)
			}
			if _, err := Open(m, []byte(words)); !errors.Is(err, ErrSettings) {
				t.Errorf("Open = %v; want ErrSettings", err)
			}
		})
	}
}

func TestDefaultCosts(t *testing.T) {
	if Default.Time < 3 || Default.Memory < 64<<10 || Default.Threads != 4 || Default.check() != nil {
		t.Errorf("Default = %+v; want at least the second option of RFC 9106", Default)
	}
}

func FuzzOpen(f *testing.F) {
	good, err := New([]byte(words), quick, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good[setTime], good[setMemory], good[setThreads], good[setSalt], good[setCommit], good[setSealed])
	f.Add("16", "1048577", "255", "", "", "01")
	f.Fuzz(func(t *testing.T, time, memory, threads, salt, commitment, sealed string) {
		m := map[string]string{setTime: time, setMemory: memory, setThreads: threads, setSalt: salt, setCommit: commitment, setSealed: sealed}
		m[setChecksum] = checksum(m)
		p, err := parseParams(m)
		if err == nil && (p.Memory > 1<<12 || p.Time > 4) {
			return // within the bounds, and slow
		}
		if _, err := Open(m, []byte(words)); err == nil && m[setSealed] != good[setSealed] {
			t.Errorf("Open(%q) = nil", m)
		}
	})
}
