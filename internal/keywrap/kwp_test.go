package keywrap

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os/exec"
	"strings"
	"testing"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Source: the first two are RFC 5649, section 6; the others were made with
// OpenSSL 4.0 (aes_key_wrap_with_padding of Python's cryptography 48).
var kwpVectors = []struct{ name, kek, key, wrapped string }{
	{"20 bytes", "5840df6e29b02af1 ab493b705bf16ea1 ae8338f4dcc176a8", "c37b7e6492584340 bed1220780894115 5068f738",
		"138bdeaa9b8fa7fc 61f97742e72248ee 5ae6ae5360d1ae6a 5f54f373fa543b6a"},
	{"7 bytes", "5840df6e29b02af1 ab493b705bf16ea1 ae8338f4dcc176a8", "466f7250617369", "afbeb0f07dfbf541 9200f2ccb50bb24f"},
	{"1 bytes under AES-128", "01080f161d242b323940474e555c636a",
		"01",
		"4bd3e76604fb405106d57a675b552ed0"},
	{"8 bytes under AES-256", "080f161d242b323940474e555c636a71787f868d949ba2a9b0b7bec5ccd3dae1",
		"0827466584a3c2e1",
		"153750d74e0749436d7502163e198d92"},
	{"16 bytes under AES-256", "10171e252c333a41484f565d646b727980878e959ca3aab1b8bfc6cdd4dbe2e9",
		"102f4e6d8cabcae90827466584a3c2e1",
		"ce276e11b4d57154394166ca6c9ac8cc3cf6d6dd43d746da"},
	{"31 bytes under AES-256", "1f262d343b424950575e656c737a81888f969da4abb2b9c0c7ced5dce3eaf1f8",
		"1f3e5d7c9bbad9f81736557493b2d1f00f2e4d6c8baac9e80726456483a2c1",
		"bf970c09aee557993c8b4beb605eb0e862e6182a4a4aac7f28c95dc39ac12b596caae4f8f3254040"},
	{"32 bytes under AES-256", "20272e353c434a51585f666d747b828990979ea5acb3bac1c8cfd6dde4ebf2f9",
		"203f5e7d9cbbdaf91837567594b3d2f1102f4e6d8cabcae90827466584a3c2e1",
		"09dfb37494c10ccc88a9be870ec930bd415ae7a7a9ce15a7a50a13330cd6a8c764b787aa195f77f5"},
	{"48 bytes under AES-128", "30373e454c535a61686f767d848b9299",
		"304f6e8daccbea0928476685a4c3e201203f5e7d9cbbdaf91837567594b3d2f1102f4e6d8cabcae90827466584a3c2e1",
		"b8b4f48f529ebb6327da6fb769f8e8602d6f204930e98daa1ace2ea395d4cca57c1de7b3540cb04b2b9dc4ff91882322af0e37d8617c3852"},
}

func TestWrapKey(t *testing.T) {
	for _, v := range kwpVectors {
		t.Run(v.name, func(t *testing.T) {
			kek, key, wrapped := unhex(t, v.kek), unhex(t, v.key), unhex(t, v.wrapped)
			got, err := WrapKey(kek, key)
			if err != nil || !bytes.Equal(got, wrapped) {
				t.Errorf("WrapKey() = %x, %v; want %x, <nil>", got, err, wrapped)
			}
			got, err = UnwrapKey(kek, wrapped)
			if err != nil || !bytes.Equal(got, key) {
				t.Errorf("UnwrapKey() = %x, %v; want %x, <nil>", got, err, key)
			}
		})
	}
}

// kekOf returns a fixed AES-256 key.
func kekOf(n byte) []byte { return bytes.Repeat([]byte{n}, 32) }

func TestUnwrapKeyOfEveryLength(t *testing.T) {
	for size := 1; size <= 100; size++ {
		key := bytes.Repeat([]byte{0xff}, size)
		wrapped, err := WrapKey(kekOf(1), key)
		if want := 8 + (size+7)/8*8; err != nil || len(wrapped) != want {
			t.Fatalf("WrapKey(%d bytes) = %d bytes, %v; want %d, <nil>", size, len(wrapped), err, want)
		}
		got, err := UnwrapKey(kekOf(1), wrapped)
		if err != nil || !bytes.Equal(got, key) {
			t.Errorf("UnwrapKey() = %x, %v; want %x, <nil>", got, err, key)
		}
		for i := range wrapped {
			wrapped[i] ^= 0x10
			if got, err := UnwrapKey(kekOf(1), wrapped); got != nil || !errors.Is(err, ErrUnwrap) {
				t.Errorf("UnwrapKey(%d bytes, byte %d altered) = %x, %v; want nil, %v", size, i, got, err, ErrUnwrap)
			}
			wrapped[i] ^= 0x10
		}
		if _, err := UnwrapKey(kekOf(2), wrapped); !errors.Is(err, ErrUnwrap) {
			t.Errorf("UnwrapKey(another key) = %v; want %v", err, ErrUnwrap)
		}
	}
}

// TestUnwrapKeyStrictly wraps what no wrapping makes.
func TestUnwrapKeyStrictly(t *testing.T) {
	for _, test := range []struct{ name, plain string }{
		{"initial value of RFC 3394", "a6a6a6a6a6a6a6a6 0102030405060708 0102030405060708"},
		{"other first byte", "a75959a600000010 0102030405060708 0102030405060708"},
		{"no key", "a65959a600000000 0000000000000000"},
		{"no key, two blocks", "a65959a600000000 0000000000000000 0000000000000000"},
		{"eight bytes of padding", "a65959a600000008 0102030405060708 0000000000000000"},
		{"longer than what is there", "a65959a600000011 0102030405060708 0102030405060708"},
		{"much longer", "a65959a6ffffffff 0102030405060708 0102030405060708"},
		{"sign bit", "a65959a680000010 0102030405060708 0102030405060708"},
		{"first byte of the padding set", "a65959a600000009 0102030405060708 0901000000000000"},
		{"last byte of the padding set", "a65959a600000009 0102030405060708 0900000000000001"},
		{"one byte of padding, set", "a65959a60000000f 0102030405060708 0102030405060780"},
		{"padding in a single block", "a65959a600000007 01020304050607ff"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := unhex(t, test.plain)
			wrapAnything(t, kekOf(3), b)
			if got, err := UnwrapKey(kekOf(3), b); got != nil || !errors.Is(err, ErrUnwrap) {
				t.Errorf("UnwrapKey() = %x, %v; want nil, %v", got, err, ErrUnwrap)
			}
		})
	}
	for size := range 40 {
		if _, err := UnwrapKey(kekOf(3), make([]byte, size)); !errors.Is(err, ErrUnwrap) {
			t.Errorf("UnwrapKey(%d zeros) = %v; want %v", size, err, ErrUnwrap)
		}
	}
	for _, size := range []int{0, 15, 33} {
		if _, err := UnwrapKey(make([]byte, size), make([]byte, 24)); !errors.Is(err, ErrAlgorithm) {
			t.Errorf("UnwrapKey(key of %d bytes) = %v; want %v", size, err, ErrAlgorithm)
		}
		if _, err := WrapKey(make([]byte, size), make([]byte, 24)); !errors.Is(err, ErrAlgorithm) {
			t.Errorf("WrapKey(key of %d bytes) = %v; want %v", size, err, ErrAlgorithm)
		}
	}
	if _, err := WrapKey(kekOf(3), nil); !errors.Is(err, ErrTooLong) {
		t.Errorf("WrapKey(nothing) = %v; want %v", err, ErrTooLong)
	}
}

// TestWrapKeyWithOpenSSL lets OpenSSL unwrap what we wrap, and the other way.
func TestWrapKeyWithOpenSSL(t *testing.T) {
	path, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	kek := kekOf(0xa5) // of this test alone: it stands in an argument
	run := func(flag string, in []byte) []byte {
		t.Helper()
		cmd := exec.Command(path, "enc", flag, "-id-aes256-wrap-pad", "-K", hex.EncodeToString(kek), "-iv", "a65959a6")
		cmd.Stdin = bytes.NewReader(in)
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		if err := cmd.Run(); err != nil {
			t.Fatalf("openssl enc %s of %d bytes: %v\n%s", flag, len(in), err, &errs)
		}
		return out.Bytes()
	}
	for _, size := range []int{1, 7, 8, 9, 32, 138, 1217} {
		key := bytes.Repeat([]byte{byte(size)}, size)
		wrapped, err := WrapKey(kek, key)
		if err != nil {
			t.Fatal(err)
		}
		if got := run("-e", key); !bytes.Equal(got, wrapped) {
			t.Errorf("WrapKey(%d bytes) = %x; OpenSSL makes %x", size, wrapped, got)
		}
		if got := run("-d", wrapped); !bytes.Equal(got, key) {
			t.Errorf("OpenSSL unwraps %x; want %x", got, key)
		}
	}
}

func FuzzUnwrapKey(f *testing.F) {
	for _, v := range kwpVectors {
		f.Add(unhex(f, v.wrapped))
	}
	f.Fuzz(func(t *testing.T, wrapped []byte) {
		kek := unhex(t, kwpVectors[0].kek)
		key, err := UnwrapKey(kek, wrapped)
		if err != nil {
			if key != nil || !errors.Is(err, ErrUnwrap) {
				t.Errorf("UnwrapKey() = %x, %v; want nil, %v", key, err, ErrUnwrap)
			}
			return
		}
		if again, err := WrapKey(kek, key); err != nil || !bytes.Equal(again, wrapped) {
			t.Errorf("WrapKey(%x) = %x, %v; want %x", key, again, err, wrapped)
		}
	})
}

// FuzzUnwrapped fuzzes what stands inside, which chance does not reach.
func FuzzUnwrapped(f *testing.F) {
	f.Add(unhex(f, "a65959a600000009 0102030405060708 0900000000000000"))
	f.Add(unhex(f, "a65959a600000007 0102030405060700"))
	f.Fuzz(func(t *testing.T, plain []byte) {
		if len(plain) < 16 || len(plain)%8 != 0 {
			return
		}
		wrapped := bytes.Clone(plain)
		wrapAnything(t, kekOf(4), wrapped)
		key, err := UnwrapKey(kekOf(4), wrapped)
		if err != nil {
			return
		}
		if again, err := WrapKey(kekOf(4), key); err != nil || !bytes.Equal(again, wrapped) {
			t.Errorf("%x opens as %x, which wraps as %x, %v", plain, key, again, err)
		}
	})
}
