package keywrap

import (
	"bytes"
	"crypto/aes"
	"crypto/fips140"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"testing/iotest"
)

var wrappingKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

// wrapAnything wraps b, initial value included, in place.
func wrapAnything(t testing.TB, kek, b []byte) {
	t.Helper()
	block, err := aes.NewCipher(kek)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) == aes.BlockSize {
		block.Encrypt(b, b)
		return
	}
	wrapRounds(block, b)
}

func TestWrap(t *testing.T) {
	private := wrappingKey()
	for _, algorithm := range Algorithms() {
		t.Run(algorithm, func(t *testing.T) {
			longest := map[string]int{OAEPSHA1: 214, OAEPSHA256: 190, RSAAESSHA1: MaxWrapped - 256 - 8, RSAAESSHA256: MaxWrapped - 256 - 8}[algorithm]
			for _, size := range []int{1, 32, 138, longest} {
				material := bytes.Repeat([]byte{9}, size)
				wrapped, err := Wrap(rand.Reader, algorithm, &private.PublicKey, material)
				if err != nil {
					t.Fatalf("Wrap(%d bytes): %v", size, err)
				}
				got, err := Unwrap(algorithm, private, wrapped)
				if err != nil || !bytes.Equal(got, material) {
					t.Errorf("Unwrap(%d bytes) = %d bytes, %v", size, len(got), err)
				}
				for _, other := range Algorithms() {
					if other == algorithm {
						continue
					}
					if got, err := Unwrap(other, private, wrapped); got != nil || !errors.Is(err, ErrUnwrap) {
						t.Errorf("Unwrap(%s) = %x, %v; want nil, %v", other, got, err, ErrUnwrap)
					}
				}
			}
			for _, size := range []int{0, longest + 1} {
				if _, err := Wrap(rand.Reader, algorithm, &private.PublicKey, make([]byte, size)); !errors.Is(err, ErrTooLong) {
					t.Errorf("Wrap(%d bytes) = %v; want %v", size, err, ErrTooLong)
				}
			}
			broken := errors.New("no randomness")
			if _, err := Wrap(iotest.ErrReader(broken), algorithm, &private.PublicKey, []byte{1}); !errors.Is(err, broken) {
				t.Errorf("Wrap() without randomness = %v; want %v", err, broken)
			}
		})
	}
	for _, algorithm := range []string{"", "RSAES_PKCS1_V1_5", "SM2PKE", "rsaes_oaep_sha_256"} {
		if _, err := Wrap(rand.Reader, algorithm, &private.PublicKey, []byte{1}); !errors.Is(err, ErrAlgorithm) {
			t.Errorf("Wrap(%q) = %v; want %v", algorithm, err, ErrAlgorithm)
		}
		if _, err := Unwrap(algorithm, private, make([]byte, 256)); !errors.Is(err, ErrAlgorithm) {
			t.Errorf("Unwrap(%q) = %v; want %v", algorithm, err, ErrAlgorithm)
		}
	}
}

// TestUnwrapTellsNothing damages each part of wrapped material: the error is one.
func TestUnwrapTellsNothing(t *testing.T) {
	private := wrappingKey()
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	// An AES key of another size, and an empty one, that OAEP itself accepts.
	inner := func(size int) []byte {
		wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, &private.PublicKey, make([]byte, size), nil)
		if err != nil {
			t.Fatal(err)
		}
		return wrapped
	}
	good, err := Wrap(rand.Reader, RSAAESSHA256, &private.PublicKey, []byte("material"))
	if err != nil {
		t.Fatal(err)
	}
	material, err := WrapKey(make([]byte, 32), []byte("material"))
	if err != nil {
		t.Fatal(err)
	}
	short, err := WrapKey(make([]byte, 16), []byte("material"))
	if err != nil {
		t.Fatal(err)
	}
	altered := func(at int) []byte {
		b := bytes.Clone(good)
		b[at] ^= 1
		return b
	}
	for _, test := range []struct {
		name    string
		private *rsa.PrivateKey
		wrapped []byte
	}{
		{"nothing", private, nil},
		{"AES key alone", private, good[:256]},
		{"less than the AES key", private, good[:255]},
		{"half a block", private, good[:264]},
		{"byte missing", private, good[:len(good)-1]},
		{"byte more", private, append(bytes.Clone(good), 0)},
		{"block more", private, append(bytes.Clone(good), make([]byte, 8)...)},
		{"first byte of the AES key", private, altered(0)},
		{"last byte of the AES key", private, altered(255)},
		{"first byte of the material", private, altered(256)},
		{"last byte of the material", private, altered(len(good) - 1)},
		{"another RSA key", other, good},
		{"AES key of 16 bytes", private, append(inner(16), short...)},
		{"empty AES key, and the material under zeros", private, append(inner(0), material...)},
		{"no AES key, and the material under zeros", private, append(make([]byte, 256), material...)},
		{"too long", private, append(bytes.Clone(good), make([]byte, MaxWrapped)...)},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := Unwrap(RSAAESSHA256, test.private, test.wrapped)
			if got != nil || err != ErrUnwrap {
				t.Errorf("Unwrap() = %x, %v; want nil, %v", got, err, ErrUnwrap)
			}
		})
	}
	if got, err := Unwrap(OAEPSHA256, private, inner(0)); got != nil || err != ErrUnwrap {
		t.Errorf("Unwrap(nothing inside) = %x, %v; want nil, %v", got, err, ErrUnwrap)
	}
}

// TestWrapWithOpenSSL unwraps what OpenSSL wraps as AWS's guide says.
func TestWrapWithOpenSSL(t *testing.T) {
	path, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	private := wrappingKey()
	der, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	public := filepath.Join(t.TempDir(), "public.der")
	if err := os.WriteFile(public, der, 0o600); err != nil {
		t.Fatal(err)
	}
	oaep := func(hash string, plain []byte) []byte {
		t.Helper()
		cmd := exec.Command(path, "pkeyutl", "-encrypt", "-pubin", "-inkey", public, "-keyform", "DER",
			"-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:"+hash, "-pkeyopt", "rsa_mgf1_md:"+hash)
		cmd.Stdin = bytes.NewReader(plain)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("openssl pkeyutl: %v", err)
		}
		return out
	}
	material := []byte("key material of thirty-two bytes")
	key := kekOf(0x5a)
	inner, err := WrapKey(key, material) // TestWrapKeyWithOpenSSL
	if err != nil {
		t.Fatal(err)
	}
	for algorithm, wrapped := range map[string][]byte{
		OAEPSHA1: oaep("sha1", material), OAEPSHA256: oaep("sha256", material),
		RSAAESSHA1: append(oaep("sha1", key), inner...), RSAAESSHA256: append(oaep("sha256", key), inner...),
	} {
		if got, err := Unwrap(algorithm, private, wrapped); err != nil || !bytes.Equal(got, material) {
			t.Errorf("Unwrap(%s) = %q, %v; want %q, <nil>", algorithm, got, err, material)
		}
	}
}

// TestFIPSOnly runs in a process that refuses what FIPS 140-3 does not approve.
func TestFIPSOnly(t *testing.T) {
	if !fips140.Enforced() {
		exe, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(exe, "-test.run=^TestFIPSOnly$", "-test.v")
		cmd.Env = append(os.Environ(), "GODEBUG=fips140=only")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("with GODEBUG=fips140=only: %v\n%s", err, out)
		}
		return
	}
	private := wrappingKey()
	for _, algorithm := range []string{OAEPSHA256, RSAAESSHA256} {
		wrapped, err := Wrap(rand.Reader, algorithm, &private.PublicKey, []byte("material"))
		if err != nil {
			t.Fatalf("Wrap(%s): %v", algorithm, err)
		}
		if _, err := Unwrap(algorithm, private, wrapped); err != nil {
			t.Errorf("Unwrap(%s): %v", algorithm, err)
		}
	}
	for _, algorithm := range []string{OAEPSHA1, RSAAESSHA1} {
		if _, err := Wrap(rand.Reader, algorithm, &private.PublicKey, []byte("material")); !errors.Is(err, ErrAlgorithm) {
			t.Errorf("Wrap(%s) = %v; want %v", algorithm, err, ErrAlgorithm)
		}
	}
}

func FuzzUnwrap(f *testing.F) {
	private := wrappingKey()
	for _, algorithm := range Algorithms() {
		wrapped, err := Wrap(rand.Reader, algorithm, &private.PublicKey, []byte("material"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(algorithm, wrapped)
	}
	f.Fuzz(func(t *testing.T, algorithm string, wrapped []byte) {
		material, err := Unwrap(algorithm, private, wrapped)
		if err == nil && len(material) == 0 || err != nil && material != nil {
			t.Errorf("Unwrap() = %x, %v", material, err)
		}
	})
}
