package keyspec

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"slices"
	"sync"
	"testing"
)

func lookup(t testing.TB, name string) Spec {
	t.Helper()
	spec, ok := Lookup(name)
	if !ok {
		t.Fatalf("Lookup(%s) finds nothing", name)
	}
	return spec
}

// generated makes key material of a spec once, because RSA keys take long.
var generated = func() map[string]func() ([]byte, error) {
	once := make(map[string]func() ([]byte, error))
	for _, name := range Names() {
		once[name] = sync.OnceValues(func() ([]byte, error) {
			spec, _ := Lookup(name)
			return Generate(spec)
		})
	}
	return once
}()

func material(t testing.TB, spec Spec) []byte {
	t.Helper()
	m, err := generated[spec.Name()]()
	if err != nil {
		t.Fatalf("Generate(%s): %v", spec, err)
	}
	return bytes.Clone(m)
}

func open(t testing.TB, spec Spec, material []byte) *Key {
	t.Helper()
	k, err := Open(spec, material)
	if err != nil {
		t.Fatalf("Open(%s): %v", spec, err)
	}
	return k
}

// forms returns each message type that an algorithm takes, with a message for it.
func forms(algorithm string) map[string][]byte {
	message := []byte("attack at dawn")
	h256, h384, h512 := sha256.Sum256(message), sha512.Sum384(message), sha512.Sum512(message)
	switch algorithm {
	case Ed25519SHA512:
		return map[string][]byte{Raw: message}
	case Ed25519PHSHA512:
		return map[string][]byte{Digest: h512[:]}
	case MLDSASHAKE256:
		return map[string][]byte{Raw: message, ExternalMu: h512[:]}
	case ECDSASHA256, PKCS1SHA256, PSSSHA256:
		return map[string][]byte{Raw: message, Digest: h256[:]}
	case ECDSASHA384, PKCS1SHA384, PSSSHA384:
		return map[string][]byte{Raw: message, Digest: h384[:]}
	default:
		return map[string][]byte{Raw: message, Digest: h512[:]}
	}
}

// TestSpecs runs every algorithm of every spec forth and back, on material that
// was generated and imported.
func TestSpecs(t *testing.T) {
	for _, name := range Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := lookup(t, name)
			m := material(t, spec)
			imported, err := Import(spec, m)
			if err != nil || !bytes.Equal(imported, m) {
				t.Fatalf("Import() of what Generate() made = %d bytes, %v; want the same %d bytes", len(imported), err, len(m))
			}
			k, other := open(t, spec, m), open(t, spec, imported)
			if spec.Asymmetric() != (k.Public() != nil) || !bytes.Equal(k.Public(), other.Public()) {
				t.Errorf("Public() = %x, then %x", k.Public(), other.Public())
			}
			for _, usage := range spec.Usages() {
				for _, algorithm := range spec.Algorithms(usage) {
					t.Run(algorithm, func(t *testing.T) { roundTrip(t, k, other, usage, algorithm) })
				}
			}
		})
	}
}

func roundTrip(t *testing.T, k, other *Key, usage, algorithm string) {
	switch usage {
	case SignVerify:
		for messageType, message := range forms(algorithm) {
			signature, err := k.Sign(algorithm, message, messageType)
			if err != nil {
				t.Fatalf("Sign(%s): %v", messageType, err)
			}
			if err := other.Verify(algorithm, message, messageType, signature); err != nil {
				t.Errorf("Verify(%s) = %v; want nil", messageType, err)
			}
			altered := bytes.Clone(message)
			altered[0] ^= 1
			if err := k.Verify(algorithm, altered, messageType, signature); !errors.Is(err, ErrInvalidSignature) {
				t.Errorf("Verify(%s) of another message = %v; want %v", messageType, err, ErrInvalidSignature)
			}
		}
	case EncryptDecrypt:
		if algorithm == EncryptSymmetricDefault {
			if _, err := k.Encrypt(algorithm, nil); !errors.Is(err, ErrAlgorithm) {
				t.Errorf("Encrypt() = %v; want %v", err, ErrAlgorithm)
			}
			return
		}
		for _, size := range []int{0, 1, k.Spec().MaxPlaintext(algorithm)} {
			plain := bytes.Repeat([]byte{7}, size)
			ciphertext, err := k.Encrypt(algorithm, plain)
			if err != nil {
				t.Fatalf("Encrypt(%d bytes): %v", size, err)
			}
			got, err := other.Decrypt(algorithm, ciphertext)
			if err != nil || !bytes.Equal(got, plain) {
				t.Errorf("Decrypt() = %x, %v; want %x", got, err, plain)
			}
		}
		if _, err := k.Encrypt(algorithm, make([]byte, k.Spec().MaxPlaintext(algorithm)+1)); !errors.Is(err, ErrPlaintextTooLong) {
			t.Errorf("Encrypt(too long) = %v; want %v", err, ErrPlaintextTooLong)
		}
	case GenerateVerifyMAC:
		mac, err := k.GenerateMAC(algorithm, []byte("message"))
		if err != nil {
			t.Fatal(err)
		}
		if err := other.VerifyMAC(algorithm, []byte("message"), mac); err != nil {
			t.Errorf("VerifyMAC() = %v; want nil", err)
		}
		for i := range mac {
			altered := bytes.Clone(mac)
			altered[i] ^= 0x80
			if err := k.VerifyMAC(algorithm, []byte("message"), altered); !errors.Is(err, ErrInvalidMAC) {
				t.Errorf("VerifyMAC(byte %d altered) = %v; want %v", i, err, ErrInvalidMAC)
			}
		}
		for _, wrong := range [][]byte{nil, {}, mac[:len(mac)-1], append(bytes.Clone(mac), 0)} {
			if err := k.VerifyMAC(algorithm, []byte("message"), wrong); !errors.Is(err, ErrInvalidMAC) {
				t.Errorf("VerifyMAC(%d bytes) = %v; want %v", len(wrong), err, ErrInvalidMAC)
			}
		}
	case KeyAgreement:
		fresh, err := Generate(k.Spec())
		if err != nil {
			t.Fatal(err)
		}
		peer := open(t, k.Spec(), fresh)
		a, err1 := k.Derive(algorithm, peer.Public())
		b, err2 := peer.Derive(algorithm, other.Public())
		if err1 != nil || err2 != nil || !bytes.Equal(a, b) {
			t.Errorf("Derive() = %x, %v and %x, %v; want the same", a, err1, b, err2)
		}
	case EncapsulateDecapsulate:
		secret, ciphertext, err := k.Encapsulate(algorithm)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]int{MLKEM512: 768, MLKEM768: 1088, MLKEM1024: 1568}[k.Spec().Name()]
		if len(secret) != 32 || len(ciphertext) != want {
			t.Errorf("Encapsulate() = %d and %d bytes; want 32 and %d", len(secret), len(ciphertext), want)
		}
		got, err := other.Decapsulate(algorithm, ciphertext)
		if err != nil || !bytes.Equal(got, secret) {
			t.Errorf("Decapsulate() = %x, %v; want %x", got, err, secret)
		}
		ciphertext[0] ^= 1
		got, err = k.Decapsulate(algorithm, ciphertext)
		again, _ := k.Decapsulate(algorithm, ciphertext)
		if err != nil || bytes.Equal(got, secret) || len(got) != 32 || !bytes.Equal(got, again) {
			t.Errorf("Decapsulate(altered) = %x, %v; want another secret, and the same twice", got, err)
		}
		for _, wrong := range [][]byte{nil, ciphertext[1:], append(ciphertext, 0)} {
			if _, err := k.Decapsulate(algorithm, wrong); !errors.Is(err, ErrInvalidCiphertext) {
				t.Errorf("Decapsulate(%d bytes) = %v; want %v", len(wrong), err, ErrInvalidCiphertext)
			}
		}
	}
}

func TestLookup(t *testing.T) {
	for _, name := range []string{"", SM2, "rsa_2048", "RSA_1024", "SYMMETRIC_DEFAULT "} {
		if spec, ok := Lookup(name); ok {
			t.Errorf("Lookup(%q) = %v", name, spec)
		}
	}
	for _, name := range Names() {
		spec := lookup(t, name)
		if spec.Name() != name || spec.DataKeyPair() != slices.Contains(DataKeyPairNames(), name) {
			t.Errorf("%s: Name() = %q, DataKeyPair() = %v", name, spec.Name(), spec.DataKeyPair())
		}
		if spec.Algorithms("nonsense") != nil || spec.Allows("nonsense") || spec.Supports("", "") {
			t.Errorf("%s knows what is not there", name)
		}
	}
}
