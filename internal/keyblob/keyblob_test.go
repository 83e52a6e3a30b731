package keyblob

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"strings"
	"testing"
)

// Hex is a byte string that stands in hexadecimal in the vectors.
type Hex []byte

func (h *Hex) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

type vector struct {
	Name, Error                string
	Material, MaterialID, Salt Hex
	Context                    map[string]string
	Plain, Blob                Hex
}

func load(t testing.TB) (vs struct{ Accepted, Rejected []vector }) {
	t.Helper()
	b, err := os.ReadFile("testdata/vectors/blobs.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &vs); err != nil {
		t.Fatal(err)
	}
	return vs
}

func TestVectors(t *testing.T) {
	vs := load(t)
	for _, v := range vs.Accepted {
		t.Run(v.Name, func(t *testing.T) {
			got, err := Open(Material(v.Material), v.Blob, v.Context)
			if err != nil || !bytes.Equal(got, v.Plain) {
				t.Errorf("Open() = %x, %v; want %x, <nil>", got, err, v.Plain)
			}
			h, err := Parse(v.Blob)
			if want := (Header{MaterialID(v.MaterialID), len(v.Plain), false}); err != nil || h != want {
				t.Errorf("Parse() = %v, %v; want %v, <nil>", h, err, want)
			}
			// All but nonce, ciphertext and tag follows from the input.
			blob, err := Seal(Material(v.Material), MaterialID(v.MaterialID), [32]byte(v.Salt), v.Plain, v.Context)
			if err != nil || len(blob) != len(v.Blob) || !bytes.Equal(blob[:97], v.Blob[:97]) {
				t.Errorf("Seal() = %x, %v; want %x up to the nonce", blob, err, v.Blob)
			}
		})
	}
	for _, v := range vs.Rejected {
		t.Run(v.Name, func(t *testing.T) {
			got, err := Open(Material(v.Material), v.Blob, v.Context)
			want := map[string]error{"open": ErrOpen, "format": ErrFormat}[v.Error]
			if got != nil || !errors.Is(err, want) {
				t.Errorf("Open() = %x, %v; want nil, %v", got, err, want)
			}
		})
	}
}

func sealed(t testing.TB, plain []byte, context map[string]string) (Material, []byte) {
	t.Helper()
	material := Material(bytes.Repeat([]byte("m"), 32))
	blob, err := Seal(material, MaterialID{1}, [32]byte{2}, plain, context)
	if err != nil {
		t.Fatal(err)
	}
	return material, blob
}

func TestEveryBitCounts(t *testing.T) {
	material, blob := sealed(t, []byte("attack at dawn"), map[string]string{"a": "b"})
	for i := range len(blob) * 8 {
		bad := bytes.Clone(blob)
		bad[i/8] ^= 1 << (i % 8)
		if got, err := Open(material, bad, map[string]string{"a": "b"}); err == nil {
			t.Fatalf("with bit %d of byte %d flipped it opens to %q", i%8, i/8, got)
		}
	}
	for n := range len(blob) {
		if _, err := Open(material, blob[:n], map[string]string{"a": "b"}); err == nil {
			t.Fatalf("cut to %d bytes it opens", n)
		}
	}
}

// No two contexts share an encoding: the sets below collide under every
// encoding that joins strings.
func TestContextEncodingIsInjective(t *testing.T) {
	contexts := []map[string]string{
		{}, {"": ""}, {"a": ""}, {"": "a"}, {"a": "b"}, {"ab": ""}, {"": "ab"},
		{"a": "b", "c": "d"}, {"a": "bcd"}, {"ab": "cd"}, {"abc": "d"}, {"a": "d", "c": "b"},
		{"a": "b,c=d"}, {"a=b,c": "d"}, {"a": "b\x00", "c": "d"}, {"a": "b", "\x00c": "d"},
		{"a": "b\x00\x00\x00\x01c\x00\x00\x00\x01d"}, {"A": "b"}, {"a": "B"},
	}
	seen := map[string]map[string]string{}
	for _, c := range contexts {
		e := string(additionalData(nil, c))
		if other, ok := seen[e]; ok {
			t.Errorf("%q and %q have the same encoding", c, other)
		}
		seen[e] = c
		if string(additionalData(nil, maps.Clone(c))) != e {
			t.Errorf("%q has two encodings", c)
		}
	}
	material, blob := sealed(t, nil, nil)
	if _, err := Open(material, blob, map[string]string{}); err != nil {
		t.Errorf("sealed without a context, opened with an empty one: %v", err)
	}
}

func TestFreshNonces(t *testing.T) {
	_, a := sealed(t, []byte("same"), nil)
	_, b := sealed(t, []byte("same"), nil)
	if bytes.Equal(a[97:109], b[97:109]) {
		t.Error("two blobs share a nonce")
	}
}

func TestSizes(t *testing.T) {
	material, blob := sealed(t, make([]byte, MaxPlaintext), nil)
	if got, err := Open(material, blob, nil); err != nil || len(got) != MaxPlaintext {
		t.Errorf("Open gives %d bytes, %v", len(got), err)
	}
	if _, err := Seal(material, MaterialID{}, [32]byte{}, make([]byte, MaxPlaintext+1), nil); !errors.Is(err, ErrTooLarge) {
		t.Errorf("Seal above the limit: %v, want %v", err, ErrTooLarge)
	}
	if _, err := Parse(append(blob, 0)); !errors.Is(err, ErrFormat) {
		t.Errorf("Parse above the limit: %v, want %v", err, ErrFormat)
	}
}

func TestMaterialDoesNotPrint(t *testing.T) {
	m := Material(bytes.Repeat([]byte("S"), 32))
	var log bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(h).Info("m", "m", m, "p", &m, "s", []Material{m}, "in", struct{ M Material }{m})
	}
	j, err := json.Marshal(map[string]any{"m": m, "p": &m})
	if err != nil {
		t.Fatal(err)
	}
	out := log.String() + string(j)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%b", "%c", "%U"} {
		out += fmt.Sprintf(verb+verb+verb, m, &m, struct{ M []Material }{[]Material{m}})
	}
	for _, leak := range []string{"SSS", "535353", "83 83", "83,83", "0x53", "123 123", "1010011", "U+0053"} {
		if strings.Contains(out, leak) {
			t.Errorf("%q shows in %s", leak, out)
		}
	}
	if m.Wipe(); m != (Material{}) {
		t.Error("Wipe leaves something")
	}
}

func FuzzOpen(f *testing.F) {
	vs := load(f)
	for _, v := range append(vs.Accepted, vs.Rejected...) {
		f.Add([]byte(v.Material), []byte(v.Blob), "a", "b")
	}
	f.Fuzz(func(t *testing.T, material, blob []byte, k, v string) {
		var m Material
		copy(m[:], material)
		h, err := Parse(blob)
		if err != nil && !errors.Is(err, ErrFormat) {
			t.Fatalf("Parse: %v", err)
		}
		plain, err2 := Open(m, blob, map[string]string{k: v})
		if errors.Is(err2, ErrFormat) != (err != nil) {
			t.Fatalf("Parse: %v, but Open: %v", err, err2)
		}
		if err2 == nil && len(plain) != h.PlainBytes {
			t.Fatalf("%d bytes, Parse promised %d", len(plain), h.PlainBytes)
		}
		if len(blob) <= MaxPlaintext {
			again, err := Seal(m, h.Material, [32]byte{}, blob, map[string]string{k: v})
			if err != nil {
				t.Fatal(err)
			}
			if back, err := Open(m, again, map[string]string{k: v}); err != nil || !bytes.Equal(back, blob) {
				t.Fatalf("sealed bytes do not come back: %v", err)
			}
			if _, err := Open(m, again, map[string]string{k: v + "x"}); !errors.Is(err, ErrOpen) {
				t.Fatalf("opened under another context: %v", err)
			}
		}
	})
}

func BenchmarkSeal(b *testing.B) { benchmark(b, true) }
func BenchmarkOpen(b *testing.B) { benchmark(b, false) }

func benchmark(b *testing.B, isSeal bool) {
	s3 := map[string]string{"aws:s3:arn": "arn:aws:s3:::bucket/photos/2026/a.jpg"}
	for _, c := range []struct {
		name    string
		size    int
		context map[string]string
	}{{"32B", 32, nil}, {"32B-context", 32, s3}, {"4096B-context", 4096, s3}} {
		b.Run(c.name, func(b *testing.B) {
			plain := make([]byte, c.size)
			material, blob := sealed(b, plain, c.context)
			b.ReportAllocs()
			for b.Loop() {
				var err error
				if isSeal {
					_, err = Seal(material, MaterialID{1}, [32]byte{2}, plain, c.context)
				} else {
					_, err = Open(material, blob, c.context)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
