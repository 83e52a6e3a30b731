package checksum

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// The check values of the CRCs are those of the catalogue of parametrised CRC
// algorithms for "123456789"; the digests are coreutils' for the same bytes.
var vectors = []struct {
	a          Algorithm
	empty, sum string
}{
	{CRC32, "00000000", "cbf43926"},
	{CRC32C, "00000000", "e3069283"},
	{CRC64NVME, "0000000000000000", "ae8b14860a799888"},
	{MD5, "d41d8cd98f00b204e9800998ecf8427e", "25f9e794323b453885f5181f1b624d0b"},
	{SHA1, "da39a3ee5e6b4b0d3255bfef95601890afd80709", "f7c3bc1d808e04732adf679965ccc34ca7ae3441"},
	{SHA256, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"},
	{SHA512, "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
		"d9e6762dd1c8eaf6d61b3c6192fc408d4d6d5f1176d0c29169bc24e71c3f274ad27fcd5811b313d681f7e55ec02d73d499c95455b6b5bb503acf574fba8ffe85"},
}

func TestVectors(t *testing.T) {
	for _, v := range vectors {
		t.Run(string(v.a), func(t *testing.T) {
			if got := hex.EncodeToString(v.a.Sum(nil)); got != v.empty {
				t.Errorf("Sum(nil) = %s; want %s", got, v.empty)
			}
			// One byte at a time, so that every remainder path runs.
			h := v.a.New()
			for _, b := range []byte("123456789") {
				h.Write([]byte{b})
			}
			sum := h.Sum(nil)
			if got := hex.EncodeToString(sum); got != v.sum {
				t.Errorf("Sum(123456789) = %s; want %s", got, v.sum)
			}
			if len(sum) != v.a.Size() || h.Size() != v.a.Size() {
				t.Errorf("len(Sum) = %d, hash Size() = %d; want %d", len(sum), h.Size(), v.a.Size())
			}
			if got := h.Sum([]byte("x")); string(got[:1]) != "x" || !bytes.Equal(got[1:], sum) {
				t.Errorf("Sum(prefix) = %x; want 78%x", got, sum)
			}
			h.Reset()
			if got := hex.EncodeToString(h.Sum(nil)); got != v.empty {
				t.Errorf("Sum after Reset = %s; want %s", got, v.empty)
			}
		})
	}
	if len(vectors) != len(Algorithms()) {
		t.Errorf("%d vectors; want one for each of %v", len(vectors), Algorithms())
	}
}

// The parts' checksums and the composite of a real upload to Amazon S3 in
// eu-west-1 on 2026-09-03, as published in the issue "CompleteMultipartUpload
// stores the full-object checksum but labels it COMPOSITE" of floci-io/floci.
func TestCompositeOfRealUpload(t *testing.T) {
	var parts [][]byte
	for _, s := range []string{
		"lcKa6Boe7a167tUCN5C4OaFygGSYD8MBnBARTrdL+1w=",
		"gHjhbUT4oo2tSCtSZJdlKi+jeNXJT+VImqdPXsXvkOc=",
		"4l9PQ3zOPZ0oGFvknFX+J4zZwE4WMzO+l3r8XrbWOeM=",
	} {
		sum, err := SHA256.Decode(s)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, sum)
	}
	const want = "rVWtNbadtsaKXJAcgWPWjifHzJaXde/iV4jaJAOdivc=-3"
	if got := SHA256.EncodeComposite(SHA256.Composite(parts), len(parts)); got != want {
		t.Errorf("composite = %s; want %s", got, want)
	}
	sum, n, err := SHA256.DecodeComposite(want)
	if err != nil || n != 3 || !bytes.Equal(sum, SHA256.Composite(parts)) {
		t.Errorf("DecodeComposite(%s) = %x, %d, %v", want, sum, n, err)
	}
}

func TestParse(t *testing.T) {
	tests := []struct {
		name, header string
		want         Algorithm
		err          error
	}{
		{"CRC32", "x-amz-checksum-crc32", CRC32, nil},
		{"crc32c", "X-Amz-Checksum-Crc32c", CRC32C, nil},
		{"CRC64NVME", "x-amz-checksum-crc64nvme", CRC64NVME, nil},
		{"SHA1", "x-amz-checksum-sha1", SHA1, nil},
		{"SHA256", "x-amz-checksum-sha256", SHA256, nil},
		{"SHA512", "x-amz-checksum-sha512", SHA512, nil},
		{"MD5", "x-amz-checksum-md5", MD5, nil},
		{"XXHASH64", "x-amz-checksum-xxhash64", "", ErrUnsupported},
		{"xxhash3", "x-amz-checksum-xxhash3", "", ErrUnsupported},
		{"XXHASH128", "x-amz-checksum-xxhash128", "", ErrUnsupported},
		{"CRC16", "x-amz-checksum-crc16", "", ErrUnknown},
		{"", "x-amz-checksum-", "", ErrUnknown},
		{"TYPE", "x-amz-checksum-type", "", ErrUnknown},
		{"MODE", "content-md5", "", ErrUnknown},
	}
	for _, tt := range tests {
		if got, err := Parse(tt.name); got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("Parse(%q) = %q, %v; want %q, %v", tt.name, got, err, tt.want, tt.err)
		}
		got, err := ParseHeader(tt.header)
		if got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("ParseHeader(%q) = %q, %v; want %q, %v", tt.header, got, err, tt.want, tt.err)
		}
		if err == nil && got.Header() != strings.ToLower(tt.header) {
			t.Errorf("%s.Header() = %q; want %q", got, got.Header(), strings.ToLower(tt.header))
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, s := range []string{
		"", "AAAA", "AAAAAA", "AAAAAA=", "AAAAAA==\n", "AAAAAA\n=", "AAAAAAA=", "AAAAAB==", "AAAAAAAA", "AAA AA==", "****AA==", "AAAAAA--",
	} {
		if sum, err := CRC32.Decode(s); !errors.Is(err, ErrInvalid) {
			t.Errorf("Decode(%q) = %x, %v; want ErrInvalid", s, sum, err)
		}
	}
	for _, s := range []string{"AAAAAA==", "AAAAAA==-", "AAAAAA==-0", "AAAAAA==-01", "AAAAAA==-+1", "AAAAAA==--1", "AAAAAA==-10001", "AAAA-1", "-1", "AAAAAA==-1-1"} {
		if sum, n, err := CRC32.DecodeComposite(s); !errors.Is(err, ErrInvalid) {
			t.Errorf("DecodeComposite(%q) = %x, %d, %v; want ErrInvalid", s, sum, n, err)
		}
	}
	if _, n, err := CRC32.DecodeComposite("AAAAAA==-10000"); err != nil || n != MaxParts {
		t.Errorf("DecodeComposite of 10000 parts = %d, %v", n, err)
	}
}

func TestMultipartTypes(t *testing.T) {
	tests := []struct {
		a                     Algorithm
		def                   Type
		composite, fullObject bool
	}{
		{CRC32, Composite, true, true},
		{CRC32C, Composite, true, true},
		{CRC64NVME, FullObject, false, true},
		{SHA1, Composite, true, false},
		{SHA256, Composite, true, false},
		{SHA512, Composite, true, false},
		{MD5, Composite, true, false},
	}
	for _, tt := range tests {
		if got := tt.a.MultipartType(); got != tt.def {
			t.Errorf("%s.MultipartType() = %s; want %s", tt.a, got, tt.def)
		}
		if c, f := tt.a.AllowsMultipart(Composite), tt.a.AllowsMultipart(FullObject); c != tt.composite || f != tt.fullObject {
			t.Errorf("%s allows composite %t, full object %t; want %t, %t", tt.a, c, f, tt.composite, tt.fullObject)
		}
		if tt.a.CanCombine() != tt.fullObject {
			t.Errorf("%s.CanCombine() = %t; want %t", tt.a, tt.a.CanCombine(), tt.fullObject)
		}
		if tt.a.AllowsMultipart("") {
			t.Errorf("%s allows the empty type", tt.a)
		}
	}
	if _, err := ParseType("composite"); !errors.Is(err, ErrInvalid) {
		t.Errorf("ParseType(composite) = %v; want ErrInvalid", err)
	}
	if got, err := ParseType("FULL_OBJECT"); got != FullObject || err != nil {
		t.Errorf("ParseType(FULL_OBJECT) = %s, %v", got, err)
	}
}

func TestMulti(t *testing.T) {
	p := random(100_000)
	m := NewMulti(append(Algorithms(), MD5, CRC32)...)
	for rest, n := p, 1; len(rest) > 0; n *= 3 {
		k := min(n, len(rest))
		if got, err := m.Write(rest[:k]); got != k || err != nil {
			t.Fatalf("Write = %d, %v; want %d, nil", got, err, k)
		}
		rest = rest[k:]
	}
	for _, a := range Algorithms() {
		if got, want := m.Sum(a), a.Sum(p); !bytes.Equal(got, want) {
			t.Errorf("Sum(%s) = %x; want %x", a, got, want)
		}
	}
	if m.Written() != int64(len(p)) {
		t.Errorf("Written() = %d; want %d", m.Written(), len(p))
	}
	if got := NewMulti(CRC32).Sum(MD5); got != nil {
		t.Errorf("Sum of an algorithm not asked for = %x; want nil", got)
	}
	var _ io.Writer = m
}

func TestCombine(t *testing.T) {
	p := random(3000)
	for _, a := range []Algorithm{CRC32, CRC32C, CRC64NVME} {
		for i := range len(p) + 1 {
			got, err := a.Combine(a.Sum(p[:i]), a.Sum(p[i:]), int64(len(p)-i))
			if err != nil || !bytes.Equal(got, a.Sum(p)) {
				t.Fatalf("%s.Combine at %d = %x, %v; want %x", a, i, got, err, a.Sum(p))
			}
		}
	}
}

// TestCombineLong reaches lengths that no test can hash directly: a long run of
// zeros is built up by doubling, and then joined in two different orders.
func TestCombineLong(t *testing.T) {
	combine := func(a Algorithm, x, y []byte, n int64) []byte {
		sum, err := a.Combine(x, y, n)
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	for _, a := range []Algorithm{CRC32, CRC32C, CRC64NVME} {
		zeros, size := a.Sum(make([]byte, 1)), int64(1)
		for size < 1<<61 {
			zeros, size = combine(a, zeros, zeros, size), size*2
		}
		x := a.Sum([]byte("x"))
		left := combine(a, combine(a, x, zeros, size), zeros, size)
		right := combine(a, x, combine(a, zeros, zeros, size), 2*size)
		if !bytes.Equal(left, right) {
			t.Errorf("%s: (x+z)+z = %x, x+(z+z) = %x for 2^61 zeros", a, left, right)
		}
	}
}

func TestCombineRefuses(t *testing.T) {
	four := make([]byte, 4)
	tests := []struct {
		a    Algorithm
		x, y []byte
		n    int64
	}{
		{MD5, make([]byte, 16), make([]byte, 16), 1},
		{CRC32, four[:3], four, 1},
		{CRC32, four, make([]byte, 8), 1},
		{CRC64NVME, four, four, 1},
		{CRC32, four, four, -1},
		{"", nil, nil, 0},
	}
	for _, tt := range tests {
		if sum, err := tt.a.Combine(tt.x, tt.y, tt.n); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s.Combine(%x, %x, %d) = %x, %v; want ErrInvalid", tt.a, tt.x, tt.y, tt.n, sum, err)
		}
	}
}

func FuzzCombine(f *testing.F) {
	f.Add([]byte(""), []byte(""))
	f.Add([]byte("1234"), []byte("56789"))
	f.Add([]byte(""), bytes.Repeat([]byte{0}, 100))
	f.Add(bytes.Repeat([]byte{0xff}, 33), []byte{0})
	f.Fuzz(func(t *testing.T, x, y []byte) {
		whole := append(append([]byte(nil), x...), y...)
		for _, a := range []Algorithm{CRC32, CRC32C, CRC64NVME} {
			got, err := a.Combine(a.Sum(x), a.Sum(y), int64(len(y)))
			if err != nil || !bytes.Equal(got, a.Sum(whole)) {
				t.Errorf("%s.Combine = %x, %v; want %x", a, got, err, a.Sum(whole))
			}
		}
	})
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{"", "AAAAAA==", "AAAAAA==-3", "rouUhgp5mIg=", "x-amz-checksum-crc32", "AAAAAB==", "4waSgw==-10000"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if a, err := ParseHeader(s); err == nil && !strings.EqualFold(a.Header(), s) {
			t.Errorf("ParseHeader(%q) = %s", s, a)
		}
		for _, a := range Algorithms() {
			if sum, err := a.Decode(s); err == nil && a.Encode(sum) != s {
				t.Errorf("%s.Decode(%q) = %x, whose form is %q", a, s, sum, a.Encode(sum))
			}
			if sum, n, err := a.DecodeComposite(s); err == nil && a.EncodeComposite(sum, n) != s {
				t.Errorf("%s.DecodeComposite(%q) = %x, %d, whose form is %q", a, s, sum, n, a.EncodeComposite(sum, n))
			}
		}
	})
}

// FuzzCRC64 compares the library with the definition, bit by bit.
func FuzzCRC64(f *testing.F) {
	f.Add([]byte("123456789"), 4)
	f.Add(bytes.Repeat([]byte("abc"), 30), 17)
	f.Fuzz(func(t *testing.T, p []byte, cut int) {
		want := ^uint64(0)
		for _, b := range p {
			want ^= uint64(b)
			for range 8 {
				want = want>>1 ^ polyNVME&-(want&1)
			}
		}
		want = ^want
		cut = min(max(cut, 0), len(p))
		h := new(crc64NVME)
		h.Write(p[:cut])
		h.Write(p[cut:])
		if got := h.Sum64(); got != want {
			t.Errorf("CRC64NVME(%x) = %x; want %x", p, got, want)
		}
	})
}

func random(n int) []byte {
	p := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	r.Read(p)
	return p
}

func BenchmarkSum(b *testing.B) {
	p := random(64 << 10)
	for _, a := range Algorithms() {
		b.Run(string(a), func(b *testing.B) {
			b.SetBytes(int64(len(p)))
			h := a.New()
			for b.Loop() {
				h.Write(p)
			}
		})
	}
}

func BenchmarkMulti(b *testing.B) {
	p := random(1 << 20)
	for _, as := range [][]Algorithm{{CRC32C}, {CRC64NVME, CRC32C}, {MD5, CRC64NVME}, {MD5, SHA256}} {
		b.Run(join(as), func(b *testing.B) {
			b.SetBytes(int64(len(p)))
			m := NewMulti(as...)
			for b.Loop() {
				m.Write(p)
			}
		})
	}
}

func join(as []Algorithm) string {
	var names []string
	for _, a := range as {
		names = append(names, string(a))
	}
	return strings.Join(names, "+")
}

func BenchmarkCombine(b *testing.B) {
	for _, a := range []Algorithm{CRC32, CRC64NVME} {
		b.Run(string(a), func(b *testing.B) {
			x, y := a.Sum([]byte("x")), a.Sum([]byte("y"))
			for b.Loop() {
				a.Combine(x, y, 5<<30+12345)
			}
		})
	}
}

// BenchmarkSmallMD5 shows what a short Write costs with and without the detour
// around FIPS enforcement.
func BenchmarkSmallMD5(b *testing.B) {
	p := random(64)
	for _, v := range []struct {
		name string
		h    io.Writer
	}{{"wrapped", newMD5()}, {"bare", newMD5().(unapproved).h}} {
		b.Run(v.name, func(b *testing.B) {
			for b.Loop() {
				v.h.Write(p)
			}
		})
	}
}
