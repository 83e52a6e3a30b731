package receipt

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

var seed = [SeedSize]byte{1, 2, 3}

func sample() *Receipt {
	at := time.Date(2026, 11, 22, 3, 4, 5, 6, time.UTC)
	return &Receipt{
		Version: Version, ID: "7d2c8a52-3c1c-4c7e-9d1e-0f1e2d3c4b5a", Store: "00112233445566778899aabbccddeeff",
		What: What{Kind: KindSubject, Key: "arn:aws:kms:us-east-1:123456789012:key/0c2e5a55-1234-4321-aaaa-0123456789ab", Materials: []string{},
			Subject: &Subject{ID: strings.Repeat("ab", 32), Name: "subject", Value: "alice <&>\u2028\"\\"}},
		Asked:     Asked{By: "arn:aws:iam::123456789012:user/eve", Event: "11111111-2222-4333-8444-555555555555", At: At(at.Add(-7 * 24 * time.Hour)), WindowSeconds: 604800},
		Destroyed: Destruction{At: At(at), Event: "e", Before: 4, After: 5, Holders: []Holder{{Name: "/var/lib/coffer/root", Kind: "file", CannotForget: []string{"copies of the file"}}}},
		Dark:      Count{Objects: 3, Versions: 5, Uploads: 1, Bytes: 12345},
		NotDark: Remainder{Count: Count{Versions: 1, Bytes: 7}, Complete: true,
			Listed: []Listed{{Bucket: "b", Key: "k", Version: "null", Opens: []string{"sse-s3"}}}},
		Limits: []string{"plaintext that was read before"},
	}
}

func TestSignVerify(t *testing.T) {
	r := sample()
	b, err := Sign(r, &seed)
	if err != nil {
		t.Fatal(err)
	}
	other := [SeedSize]byte{9}
	trusted := []PublicKey{Public(&other), Public(&seed)}
	got, err := Verify(b, trusted)
	if err != nil || !reflect.DeepEqual(got, r) {
		t.Errorf("Verify() = %+v, %v; want what was signed", got, err)
	}
	if got, err := Parse(b); err != nil || !reflect.DeepEqual(got, r) {
		t.Errorf("Parse() = %+v, %v; want what was signed", got, err)
	}
	if _, err := Verify(b, trusted[:1]); !errors.Is(err, ErrUntrusted) {
		t.Errorf("Verify() with another key = %v; want ErrUntrusted", err)
	}
	again, err := Sign(r, &seed)
	if err != nil || !bytes.Equal(again, b) {
		t.Errorf("signing again gives other bytes, %v", err)
	}
}

// TestEveryByte alters each byte of a receipt, and removes, doubles and ends with some.
func TestEveryByte(t *testing.T) {
	b, err := Sign(sample(), &seed)
	if err != nil {
		t.Fatal(err)
	}
	trusted := []PublicKey{Public(&seed)}
	refused := func(what string, i int, altered []byte) {
		if bytes.Equal(altered, b) {
			return
		}
		if _, err := Verify(altered, trusted); err == nil {
			t.Errorf("byte %d %s: accepted", i, what)
		} else if !errors.Is(err, ErrFormat) && !errors.Is(err, ErrSignature) && !errors.Is(err, ErrUntrusted) {
			t.Errorf("byte %d %s: %v", i, what, err)
		}
	}
	for i := range b {
		altered := bytes.Clone(b)
		altered[i] ^= 1
		refused("altered", i, altered)
		if i%5 > 0 {
			continue
		}
		refused("removed", i, append(bytes.Clone(b[:i]), b[i+1:]...))
		refused("doubled", i, append(append(bytes.Clone(b[:i+1]), b[i]), b[i+1:]...))
		refused("the last", i, b[:i])
	}
	for _, tail := range []string{" ", "\n", "{}", "\x00"} {
		refused("followed", len(b), append(bytes.Clone(b), tail...))
	}
}

// TestCheck wants what a receipt can't state refused before it is signed.
func TestCheck(t *testing.T) {
	for name, spoil := range map[string]func(*Receipt){
		"version":              func(r *Receipt) { r.Version = 2 },
		"kind":                 func(r *Receipt) { r.What.Kind = "bucket" },
		"subject without one":  func(r *Receipt) { r.What.Subject = nil },
		"key with subject":     func(r *Receipt) { r.What.Kind = KindKey },
		"no ID":                func(r *Receipt) { r.ID = "" },
		"no event":             func(r *Receipt) { r.Destroyed.Event = "" },
		"no time":              func(r *Receipt) { r.Destroyed.At = Time{} },
		"same epoch":           func(r *Receipt) { r.Destroyed.After = 4 },
		"no holder":            func(r *Receipt) { r.Destroyed.Holders = nil },
		"holder without name":  func(r *Receipt) { r.Destroyed.Holders[0].Name = "" },
		"holder without limit": func(r *Receipt) { r.Destroyed.Holders[0].CannotForget = nil },
		"negative":             func(r *Receipt) { r.Dark.Bytes = -1 },
		"beyond JSON":          func(r *Receipt) { r.NotDark.Bytes = 1 << 53 },
		"too many listed":      func(r *Receipt) { r.NotDark.Listed = make([]Listed, MaxListed+1) },
		"opened by nothing":    func(r *Receipt) { r.NotDark.Listed[0].Opens = nil },
		"null materials":       func(r *Receipt) { r.What.Materials = nil },
		"null limits":          func(r *Receipt) { r.Limits = nil },
	} {
		r := sample()
		spoil(r)
		if _, err := Sign(r, &seed); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: Sign() = %v; want ErrFormat", name, err)
		}
	}
}

func TestParseKeys(t *testing.T) {
	k := Public(&seed)
	if got, err := ParseKeys([]byte("# ours\n\n" + k.Line() + k.Line())); err != nil || len(got) != 2 || got[0] != k {
		t.Errorf("ParseKeys() = %v, %v", got, err)
	}
	for _, text := range []string{"", "#\n", strings.ToUpper(k.Line()), k.Line() + "x\n", strings.TrimSpace(k.Line()) + "=\n", " " + k.Line(),
		strings.Replace(k.Line(), "/1", "/2", 1), "coffer-receipt-key/1 AAAA\n", strings.Repeat(k.Line(), MaxKeys+1)} {
		if _, err := ParseKeys([]byte(text)); !errors.Is(err, ErrFormat) {
			t.Errorf("ParseKeys(%.40q) = %v; want ErrFormat", text, err)
		}
	}
}

// vectors are testdata/vectors/v1.json.
type vectors struct {
	Trusted  string `json:"trusted"` // a file of trusted keys
	Accepted []struct {
		Name    string `json:"name"`
		Receipt string `json:"receipt"`
	} `json:"accepted"`
	Rejected []struct {
		Name    string `json:"name"`
		Why     string `json:"why"` // format, untrusted or signature
		Receipt string `json:"receipt"`
	} `json:"rejected"`
}

func load(t testing.TB) *vectors {
	b, err := os.ReadFile("testdata/vectors/v1.json")
	v := new(vectors)
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestVectors(t *testing.T) {
	v := load(t)
	trusted, err := ParseKeys([]byte(v.Trusted))
	if err != nil || len(v.Accepted) < 2 || len(v.Rejected) < 10 {
		t.Fatalf("%d accepted, %d rejected, %v", len(v.Accepted), len(v.Rejected), err)
	}
	for _, a := range v.Accepted {
		if _, err := Verify([]byte(a.Receipt), trusted); err != nil {
			t.Errorf("%s: Verify() = %v", a.Name, err)
		}
	}
	why := map[string]error{"format": ErrFormat, "untrusted": ErrUntrusted, "signature": ErrSignature}
	for _, r := range v.Rejected {
		if _, err := Verify([]byte(r.Receipt), trusted); !errors.Is(err, why[r.Why]) || why[r.Why] == nil {
			t.Errorf("%s: Verify() = %v; want %s", r.Name, err, r.Why)
		}
	}
}

// FuzzVerify wants whatever parses to be written as it was read.
func FuzzVerify(f *testing.F) {
	v := load(f)
	for _, a := range v.Accepted {
		f.Add([]byte(a.Receipt))
	}
	for _, r := range v.Rejected {
		f.Add([]byte(r.Receipt))
	}
	trusted := []PublicKey{Public(&seed)}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Parse(b)
		if err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Errorf("Parse() = %v; want ErrFormat", err)
			}
			return
		}
		signed, err := Sign(r, &seed)
		if err != nil {
			t.Fatalf("what parses can't be signed: %v", err)
		}
		if got, err := Verify(signed, trusted); err != nil || !reflect.DeepEqual(got, r) {
			t.Errorf("Verify() = %+v, %v; want %+v", got, err, r)
		}
	})
}

func FuzzParseKeys(f *testing.F) {
	f.Add([]byte("# ours\n" + new(PublicKey).Line()))
	f.Fuzz(func(t *testing.T, b []byte) {
		keys, err := ParseKeys(b)
		if err == nil && len(keys) == 0 {
			t.Error("ParseKeys() = nothing, nil")
		}
	})
}
