package keyspec

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"coffer/internal/keywrap"
)

// TestMessages tries message types and lengths that an algorithm does not take.
func TestMessages(t *testing.T) {
	digests := map[string]int{PKCS1SHA256: 32, PKCS1SHA384: 48, PKCS1SHA512: 64, PSSSHA256: 32, PSSSHA384: 48, PSSSHA512: 64,
		ECDSASHA256: 32, ECDSASHA384: 48, ECDSASHA512: 64, Ed25519PHSHA512: 64}
	for _, name := range Names() {
		spec := lookup(t, name)
		if !spec.Allows(SignVerify) || name == RSA3072 || name == RSA4096 {
			continue
		}
		k := open(t, spec, material(t, spec))
		for _, algorithm := range spec.Algorithms(SignVerify) {
			for _, messageType := range []string{Raw, Digest, ExternalMu, "", "raw"} {
				for _, size := range []int{0, 31, 32, 33, 48, 63, 64, 65, MaxMessage, MaxMessage + 1} {
					var want error
					switch {
					case messageType != Raw && messageType != Digest && messageType != ExternalMu:
						want = ErrMessageType
					case size > MaxMessage:
						want = ErrMessageTooLong
					case messageType == Raw && algorithm == Ed25519PHSHA512,
						messageType == Digest && digests[algorithm] == 0,
						messageType == ExternalMu && algorithm != MLDSASHAKE256:
						want = ErrMessageType
					case messageType == Digest && size != digests[algorithm], messageType == ExternalMu && size != 64:
						want = ErrDigestLength
					}
					message := make([]byte, size)
					signature, err := k.Sign(algorithm, message, messageType)
					if !errors.Is(err, want) || (signature == nil) != (want != nil) {
						t.Errorf("%s: Sign(%s, %d bytes, %q) = %d bytes, %v; want %v", name, algorithm, size, messageType, len(signature), err, want)
					}
					if err := k.Verify(algorithm, message, messageType, signature); !errors.Is(err, want) {
						t.Errorf("%s: Verify(%s, %d bytes, %q) = %v; want %v", name, algorithm, size, messageType, err, want)
					}
				}
			}
		}
	}
}

// TestAlgorithms asks every key for every algorithm.
func TestAlgorithms(t *testing.T) {
	all := map[string]bool{"": true, "SM2DSA": true, "SM2PKE": true, "RSAES_PKCS1_V1_5": true}
	for _, name := range Names() {
		spec := lookup(t, name)
		for _, usage := range spec.Usages() {
			for _, algorithm := range spec.Algorithms(usage) {
				all[algorithm] = true
			}
		}
	}
	for _, name := range Names() {
		spec := lookup(t, name)
		k := open(t, spec, material(t, spec))
		for algorithm := range all {
			if !spec.Supports(SignVerify, algorithm) {
				if _, err := k.Sign(algorithm, nil, Raw); !errors.Is(err, ErrAlgorithm) {
					t.Errorf("%s: Sign(%s) = %v; want %v", name, algorithm, err, ErrAlgorithm)
				}
				if err := k.Verify(algorithm, nil, Raw, nil); !errors.Is(err, ErrAlgorithm) {
					t.Errorf("%s: Verify(%s) = %v; want %v", name, algorithm, err, ErrAlgorithm)
				}
			}
			if !spec.Supports(EncryptDecrypt, algorithm) || spec.kind == symmetric {
				if _, err := k.Encrypt(algorithm, nil); !errors.Is(err, ErrAlgorithm) {
					t.Errorf("%s: Encrypt(%s) = %v; want %v", name, algorithm, err, ErrAlgorithm)
				}
				if _, err := k.Decrypt(algorithm, nil); !errors.Is(err, ErrAlgorithm) {
					t.Errorf("%s: Decrypt(%s) = %v; want %v", name, algorithm, err, ErrAlgorithm)
				}
			}
			if !spec.Supports(GenerateVerifyMAC, algorithm) {
				if err := k.VerifyMAC(algorithm, nil, nil); !errors.Is(err, ErrAlgorithm) {
					t.Errorf("%s: VerifyMAC(%s) = %v; want %v", name, algorithm, err, ErrAlgorithm)
				}
			}
			if !spec.Supports(KeyAgreement, algorithm) {
				if _, err := k.Derive(algorithm, nil); !errors.Is(err, ErrAlgorithm) {
					t.Errorf("%s: Derive(%s) = %v; want %v", name, algorithm, err, ErrAlgorithm)
				}
			}
			if !spec.Supports(EncapsulateDecapsulate, algorithm) {
				if _, _, err := k.Encapsulate(algorithm); !errors.Is(err, ErrAlgorithm) {
					t.Errorf("%s: Encapsulate(%s) = %v; want %v", name, algorithm, err, ErrAlgorithm)
				}
				if _, err := k.Decapsulate(algorithm, nil); !errors.Is(err, ErrAlgorithm) {
					t.Errorf("%s: Decapsulate(%s) = %v; want %v", name, algorithm, err, ErrAlgorithm)
				}
			}
		}
	}
}

// TestAlteredSignatures flips bits of signatures, and of ciphertexts.
func TestAlteredSignatures(t *testing.T) {
	for _, name := range Names() {
		spec := lookup(t, name)
		if name == RSA3072 || name == RSA4096 {
			continue
		}
		k := open(t, spec, material(t, spec))
		for _, algorithm := range spec.Algorithms(SignVerify) {
			for messageType, message := range forms(algorithm) {
				signature, err := k.Sign(algorithm, message, messageType)
				if err != nil {
					t.Fatal(err)
				}
				step := max(1, len(signature)/13)
				for at := 0; at < len(signature); at += step {
					altered := bytes.Clone(signature)
					altered[at] ^= 1 << (at % 8)
					if err := k.Verify(algorithm, message, messageType, altered); !errors.Is(err, ErrInvalidSignature) {
						t.Errorf("%s: Verify(%s %s, byte %d altered) = %v; want %v", name, algorithm, messageType, at, err, ErrInvalidSignature)
					}
				}
				for _, wrong := range [][]byte{nil, {}, {0x30, 0}, signature[:len(signature)-1], append(bytes.Clone(signature), 0), make([]byte, len(signature)), bytes.Repeat([]byte{0xff}, len(signature))} {
					if err := k.Verify(algorithm, message, messageType, wrong); !errors.Is(err, ErrInvalidSignature) {
						t.Errorf("%s: Verify(%s %s, %d bytes) = %v; want %v", name, algorithm, messageType, len(wrong), err, ErrInvalidSignature)
					}
				}
			}
		}
		for _, algorithm := range spec.Algorithms(EncryptDecrypt) {
			if spec.kind == symmetric {
				continue
			}
			ciphertext, err := k.Encrypt(algorithm, []byte("plain"))
			if err != nil {
				t.Fatal(err)
			}
			altered := bytes.Clone(ciphertext)
			altered[100] ^= 1
			for _, wrong := range [][]byte{nil, altered, ciphertext[1:], append([]byte{0}, ciphertext...), make([]byte, 256), bytes.Repeat([]byte{0xff}, 256)} {
				if plain, err := k.Decrypt(algorithm, wrong); plain != nil || err != ErrInvalidCiphertext {
					t.Errorf("%s: Decrypt(%s, %d bytes) = %x, %v; want nil, %v", name, algorithm, len(wrong), plain, err, ErrInvalidCiphertext)
				}
			}
			other := map[string]string{OAEPSHA1: OAEPSHA256, OAEPSHA256: OAEPSHA1}[algorithm]
			if plain, err := k.Decrypt(other, ciphertext); plain != nil || err != ErrInvalidCiphertext {
				t.Errorf("%s: Decrypt(%s of %s) = %x, %v; want nil, %v", name, other, algorithm, plain, err, ErrInvalidCiphertext)
			}
		}
	}
}

// TestMaxPlaintext compares with the table of Encrypt.
//
// Source: AWS KMS API Reference, Encrypt, read 2026-11-21.
func TestMaxPlaintext(t *testing.T) {
	for _, test := range []struct {
		spec, algorithm string
		want            int
	}{
		{SymmetricDefault, EncryptSymmetricDefault, 4096}, {SymmetricDefault, OAEPSHA1, 0}, {P256, OAEPSHA1, 0},
		{RSA2048, OAEPSHA1, 214}, {RSA2048, OAEPSHA256, 190}, {RSA3072, OAEPSHA1, 342}, {RSA3072, OAEPSHA256, 318},
		{RSA4096, OAEPSHA1, 470}, {RSA4096, OAEPSHA256, 446}, {RSA2048, EncryptSymmetricDefault, 0},
	} {
		if got := lookup(t, test.spec).MaxPlaintext(test.algorithm); got != test.want {
			t.Errorf("%s: MaxPlaintext(%s) = %d; want %d", test.spec, test.algorithm, got, test.want)
		}
	}
}

// TestSecondSignature makes sure that nonces are fresh, where there are any.
func TestSecondSignature(t *testing.T) {
	for _, name := range []string{P256, P384, P521, Secp256k1, MLDSA44, RSA2048} {
		spec := lookup(t, name)
		k := open(t, spec, material(t, spec))
		algorithm := spec.Algorithms(SignVerify)[len(spec.Algorithms(SignVerify))-1] // PSS of RSA
		a, err1 := k.Sign(algorithm, []byte("message"), Raw)
		b, err2 := k.Sign(algorithm, []byte("message"), Raw)
		if err := errors.Join(err1, err2); err != nil || bytes.Equal(a, b) {
			t.Errorf("%s: two signatures are equal, or fail: %v", name, err)
		}
	}
}

// TestPrinting looks for what a key must not show.
func TestPrinting(t *testing.T) {
	for _, name := range Names() {
		spec := lookup(t, name)
		k := open(t, spec, material(t, spec))
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("key", "key", k)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("key", "key", k)
		b, err := json.Marshal(map[string]any{"key": k})
		if err != nil {
			t.Fatal(err)
		}
		const verbs = "%v %+v %#v %s %q %x %X %d %o %b %t %c"
		shown := strings.Join([]string{fmt.Sprintf(verbs, k, k, k, k, k, k, k, k, k, k, k, k), string(b), fmt.Sprint([]*Key{k}), k.String(), k.GoString()}, " ")
		for _, inner := range []any{k.secret, []any{k.secret}, struct{ S any }{k.secret}} {
			shown += " " + fmt.Sprintf("%v %+v %#v %s %q %x %d", inner, inner, inner, inner, inner, inner, inner)
		}
		rest := strings.ReplaceAll(shown, redacted, "")
		if strings.ContainsAny(rest, "0123456789") || strings.Count(log.String(), redacted) != 2 || log.Len() > 300 {
			t.Errorf("%s prints as %s\n%s", name, shown, &log)
		}
	}
}

// TestWipe wipes keys while others use them.
func TestWipe(t *testing.T) {
	for _, name := range []string{SymmetricDefault, HMAC256, RSA2048, P256, Ed25519, Secp256k1, MLDSA44, MLKEM512, MLKEM768} {
		t.Run(name, func(t *testing.T) {
			spec := lookup(t, name)
			m := material(t, spec)
			k := open(t, spec, m)
			usage := spec.Usages()[0]
			if spec.Allows(SignVerify) {
				usage = SignVerify
			}
			algorithm := spec.Algorithms(usage)[0]
			do := func() error {
				switch usage {
				case SignVerify:
					for messageType, message := range forms(algorithm) {
						signature, err := k.Sign(algorithm, message, messageType)
						if err == nil {
							err = k.Verify(algorithm, message, messageType, signature)
						}
						if err != nil {
							return err
						}
					}
					return nil
				case GenerateVerifyMAC:
					_, err := k.GenerateMAC(algorithm, nil)
					return err
				case EncapsulateDecapsulate:
					_, ciphertext, err := k.Encapsulate(algorithm)
					if err == nil {
						_, err = k.Decapsulate(algorithm, ciphertext)
					}
					return err
				default:
					_, err := k.Encrypt(algorithm, nil)
					return err
				}
			}
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					for range 10 {
						if err := do(); err != nil && !errors.Is(err, ErrWiped) && spec.kind != symmetric {
							t.Errorf("a call beside Wipe() = %v; want nil or %v", err, ErrWiped)
						}
					}
				})
			}
			wg.Go(k.Wipe)
			wg.Wait()
			k.Wipe()
			if err := do(); !errors.Is(err, ErrWiped) {
				t.Errorf("a call after Wipe() = %v; want %v", err, ErrWiped)
			}
			if !bytes.Equal(m, material(t, spec)) {
				t.Error("Wipe() changed what Open() was given")
			}
		})
	}
}

// TestPublicOutlivesWipe: a wiped key still says whose it was.
func TestPublicOutlivesWipe(t *testing.T) {
	for _, name := range Names() {
		spec := lookup(t, name)
		if !spec.Asymmetric() {
			continue
		}
		k := open(t, spec, material(t, spec))
		before := bytes.Clone(k.Public())
		k.Wipe()
		if !bytes.Equal(k.Public(), before) {
			t.Errorf("%s: Wipe() changed the public key", name)
		}
	}
}

// TestWraps wraps generated material of every spec in every way that Wraps allows,
// and sees that it fits.
func TestWraps(t *testing.T) {
	public := make(map[string]*rsa.PublicKey)
	for _, name := range []string{RSA2048, RSA3072, RSA4096} {
		public[name] = &open(t, lookup(t, name), material(t, lookup(t, name))).secret.(*rsaKey).PublicKey
	}
	for _, name := range Names() {
		spec := lookup(t, name)
		for wrappingSpec, key := range public {
			for _, algorithm := range keywrap.Algorithms() {
				_, err := keywrap.Wrap(rand.Reader, algorithm, key, material(t, spec))
				if spec.Wraps(algorithm, wrappingSpec) && err != nil {
					t.Errorf("%s wraps with %s under %s, but Wrap() = %v", name, algorithm, wrappingSpec, err)
				}
				if !spec.Wraps(algorithm, wrappingSpec) && err == nil && spec.Asymmetric() {
					t.Errorf("%s does not wrap with %s under %s, but fits", name, algorithm, wrappingSpec)
				}
			}
		}
		if spec.Wraps(keywrap.OAEPSHA256, P256) || spec.Wraps(keywrap.OAEPSHA256, "SM2") || spec.Wraps("RSAES_PKCS1_V1_5", RSA4096) || spec.Wraps("", RSA2048) {
			t.Errorf("%s wraps with what is no wrapping", name)
		}
	}
}
