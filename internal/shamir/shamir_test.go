package shamir

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the vectors")

// TestField compares every product with one that is computed otherwise, by
// logarithms to the base 3, and every inverse.
func TestField(t *testing.T) {
	var power [255]byte
	var logarithm [256]int
	x := byte(1)
	for i := range power {
		power[i], logarithm[x] = x, i
		double := int(x) << 1
		if double > 255 {
			double ^= 0x11b
		}
		x ^= byte(double) // times 3
	}
	for a := range 256 {
		for b := range 256 {
			want := byte(0)
			if a != 0 && b != 0 {
				want = power[(logarithm[a]+logarithm[b])%255]
			}
			if got := mul(byte(a), byte(b)); got != want {
				t.Fatalf("mul(%d, %d) = %d; want %d", a, b, got, want)
			}
		}
		if a > 0 && mul(byte(a), inverse(byte(a))) != 1 {
			t.Fatalf("inverse(%d) = %d", a, inverse(byte(a)))
		}
	}
}

func mustSplit(t *testing.T, secret *[Size]byte, m, n int) []Share {
	t.Helper()
	shares, err := Split(secret, m, n, [4]byte{1, 2, 3, 4}, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return shares
}

// TestEverySubset tries every subset of the shares for every small m and n.
func TestEverySubset(t *testing.T) {
	secret := [Size]byte([]byte("0123456789abcdefghijklmnopqrstuv"))
	for n := 2; n <= 6; n++ {
		for m := 2; m <= n; m++ {
			shares := mustSplit(t, &secret, m, n)
			for pick := range 1 << n {
				var some []Share
				for i := range n {
					if pick>>i&1 == 1 {
						some = append([]Share{shares[i]}, some...)
					}
				}
				got, err := Combine(some)
				switch {
				case len(some) >= m && (err != nil || got != secret):
					t.Fatalf("%d of %d, subset %b: %v", m, n, pick, err)
				case len(some) < m && !errors.Is(err, ErrTooFew):
					t.Fatalf("%d of %d, subset %b = %v; want ErrTooFew", m, n, pick, err)
				}
			}
		}
	}
}

// TestTooFewSayNothing: for each secret byte there is exactly one polynomial of
// degree 1 through a known share, so the share excludes none.
func TestTooFewSayNothing(t *testing.T) {
	for x := 1; x < 256; x += 50 {
		for value := range 256 {
			seen := [256]bool{}
			for k := range 256 {
				seen[byte(value)^mul(byte(k), byte(x))] = true
			}
			for secret, ok := range seen {
				if !ok {
					t.Fatalf("share (%d, %d) excludes the secret %d", x, value, secret)
				}
			}
		}
	}
}

func TestMostShares(t *testing.T) {
	var secret [Size]byte
	rand.Read(secret[:])
	shares := mustSplit(t, &secret, 255, 255)
	if got, err := Combine(shares); err != nil || got != secret {
		t.Errorf("Combine of 255 = %v", err)
	}
	for _, c := range [][2]int{{1, 1}, {1, 3}, {0, 2}, {3, 2}, {2, 256}, {-1, 5}} {
		if _, err := Split(&secret, c[0], c[1], [4]byte{}, rand.Reader); err == nil {
			t.Errorf("Split %d of %d = nil; want an error", c[0], c[1])
		}
	}
}

func TestMixed(t *testing.T) {
	secret := [Size]byte{7}
	a := mustSplit(t, &secret, 2, 4)
	b := mustSplit(t, &secret, 2, 4)
	alter := func(s Share, f func(*Share)) Share { f(&s); return s }
	tests := []struct {
		name   string
		shares []Share
		want   error
	}{
		{"none", nil, ErrTooFew},
		{"one twice", []Share{a[0], a[0]}, ErrTooFew},
		{"other set", []Share{a[0], alter(a[1], func(s *Share) { s.Set[0]++ })}, ErrMixed},
		{"other threshold", []Share{a[0], alter(a[1], func(s *Share) { s.Threshold = 3 })}, ErrMixed},
		{"same place, other values", []Share{a[0], b[0], a[1]}, ErrMixed},
		{"one too many, of another split", []Share{a[0], a[1], b[2]}, ErrMixed},
		{"place 0", []Share{a[0], alter(a[1], func(s *Share) { s.X = 0 })}, ErrMixed},
		{"one twice and enough", []Share{a[0], a[0], a[3]}, nil},
		{"all", a, nil},
	}
	for _, tt := range tests {
		if got, err := Combine(tt.shares); !errors.Is(err, tt.want) || err == nil && got != secret {
			t.Errorf("%s: Combine = %v; want %v", tt.name, err, tt.want)
		}
	}
}

func TestText(t *testing.T) {
	var secret [Size]byte
	rand.Read(secret[:])
	for _, s := range mustSplit(t, &secret, 3, 5) {
		text := s.Text()
		for _, form := range []string{
			text, strings.ToLower(text), strings.ReplaceAll(text, "-", ""), strings.ReplaceAll(text, "-", " - "),
			strings.NewReplacer("0", "o", "1", "l").Replace(text), strings.ReplaceAll(text, "1", "I"),
		} {
			if got, err := Parse(form); err != nil || got != s {
				t.Errorf("Parse(%q) = %v", form, err)
			}
		}
		// Any one character wrong is noticed.
		for i := range text {
			for _, c := range alphabet {
				wrong := text[:i] + string(c) + text[i+1:]
				if _, err := Parse(wrong); text[i] != '-' && wrong != text && !errors.Is(err, ErrText) {
					t.Errorf("Parse with character %d as %c = %v; want ErrText", i, c, err)
				}
			}
		}
		// Two neighbours swapped.
		for i := range len(text) - 1 {
			wrong := text[:i] + text[i+1:i+2] + text[i:i+1] + text[i+2:]
			if _, err := Parse(wrong); err == nil && strings.ReplaceAll(wrong, "-", "") != strings.ReplaceAll(text, "-", "") {
				t.Errorf("Parse with %d and the next swapped = nil", i)
			}
		}
	}
	for _, text := range []string{"", "-", "cs", strings.Repeat("0", textSize), strings.Repeat("-", 1<<20)} {
		if _, err := Parse(text); !errors.Is(err, ErrText) {
			t.Errorf("Parse of %d characters = %v; want ErrText", len(text), err)
		}
	}
}

func TestShareIsNeverShown(t *testing.T) {
	s := Share{Values: [Size]byte(bytes.Repeat([]byte{0x61}, Size))}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		if got := fmt.Sprintf(verb, s) + fmt.Sprintf(verb, []Share{s}) + fmt.Sprintf(verb, &s); strings.Contains(got, "61") || strings.Contains(got, "97") {
			t.Errorf("%s shows %s", verb, got)
		}
	}
	if b, err := json.Marshal(s); err != nil || string(b) != `"[secret]"` {
		t.Errorf("JSON = %s, %v", b, err)
	}
}

type vector struct {
	Name         string   `json:"name"`
	Secret       string   `json:"secret,omitempty"`
	Threshold    int      `json:"threshold,omitempty"`
	Set          string   `json:"set,omitempty"`
	Coefficients string   `json:"coefficients,omitempty"` // of byte 0 from degree 1 up, then of byte 1, ...
	Shares       []string `json:"shares,omitempty"`
	Rejected     []string `json:"rejected,omitempty"` // texts that are no shares
}

func TestVectors(t *testing.T) {
	name := filepath.Join("testdata", "vectors", "shares.json")
	if *update {
		writeVectors(t, name)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	if err := json.Unmarshal(b, &all); err != nil || len(all) == 0 {
		t.Fatal(err)
	}
	for _, v := range all {
		for _, text := range v.Rejected {
			if _, err := Parse(text); !errors.Is(err, ErrText) {
				t.Errorf("%s: Parse(%s) = %v; want ErrText", v.Name, text, err)
			}
		}
		if v.Secret == "" {
			continue
		}
		secret, set, c := unhex(t, v.Secret), unhex(t, v.Set), unhex(t, v.Coefficients)
		shares, err := Split((*[Size]byte)(secret), v.Threshold, len(v.Shares), [4]byte(set), bytes.NewReader(c))
		if err != nil {
			t.Fatal(err)
		}
		var parsed []Share
		for i := range shares {
			if shares[i].Text() != v.Shares[i] {
				t.Errorf("%s: share %d is %s; want %s", v.Name, i+1, shares[i].Text(), v.Shares[i])
			}
			s, err := Parse(v.Shares[i])
			if err != nil {
				t.Fatal(err)
			}
			parsed = append(parsed, s)
		}
		if got, err := Combine(parsed[len(parsed)-v.Threshold:]); err != nil || !bytes.Equal(got[:], secret) {
			t.Errorf("%s: Combine = %v", v.Name, err)
		}
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func writeVectors(t *testing.T, name string) {
	var all []vector
	for i, c := range [][2]int{{2, 3}, {3, 5}, {5, 9}} {
		var secret [Size]byte
		coefficients := make([]byte, Size*(c[0]-1))
		for j := range secret {
			secret[j] = byte(j*7 + i)
		}
		for j := range coefficients {
			coefficients[j] = byte(j*37 + 11*i + 5)
		}
		set := [4]byte{0xc0, 0xff, 0xee, byte(i)}
		shares, err := Split(&secret, c[0], c[1], set, bytes.NewReader(coefficients))
		if err != nil {
			t.Fatal(err)
		}
		v := vector{Name: fmt.Sprintf("%d of %d", c[0], c[1]), Secret: hex.EncodeToString(secret[:]), Threshold: c[0],
			Set: hex.EncodeToString(set[:]), Coefficients: hex.EncodeToString(coefficients)}
		for i := range shares {
			v.Shares = append(v.Shares, shares[i].Text())
		}
		all = append(all, v)
	}
	good := all[0].Shares[0]
	zero := Share{Threshold: 2, X: 0}
	one := Share{Threshold: 1, X: 1}
	all = append(all, vector{Name: "rejected", Rejected: []string{
		"", good[:len(good)-1], good + "0", good[:3] + "U" + good[4:], "8" + good[1:], zero.Text(), one.Text(),
		good[:len(good)-1] + "1", // the bit after the last one
	}})
	b, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, append(b, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

func FuzzParse(f *testing.F) {
	s := Share{Set: [4]byte{1, 2, 3, 4}, Threshold: 2, X: 1}
	f.Add(s.Text())
	f.Add(strings.ToLower(s.Text()))
	f.Add(strings.Repeat("-", 400))
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(s.Text())
		if err != nil || again != s || s.X == 0 || s.Threshold < 2 {
			t.Errorf("Parse(%q) = %v, and its text %v", text, s.Text(), err)
		}
	})
}
