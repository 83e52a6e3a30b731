package keyspec

import (
	"bytes"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"testing"

	"github.com/cloudflare/circl/kem"
	"github.com/cloudflare/circl/kem/mlkem/mlkem1024"
	"github.com/cloudflare/circl/kem/mlkem/mlkem512"
	"github.com/cloudflare/circl/kem/mlkem/mlkem768"
	"github.com/cloudflare/circl/sign"
	"github.com/cloudflare/circl/sign/mldsa/mldsa44"
	"github.com/cloudflare/circl/sign/mldsa/mldsa65"
	"github.com/cloudflare/circl/sign/mldsa/mldsa87"
)

// TestMLDSAWithCIRCL compares with a second implementation, which also knows the
// expanded form of the keys.
func TestMLDSAWithCIRCL(t *testing.T) {
	for name, scheme := range map[string]sign.Scheme{MLDSA44: mldsa44.Scheme(), MLDSA65: mldsa65.Scheme(), MLDSA87: mldsa87.Scheme()} {
		t.Run(name, func(t *testing.T) {
			spec := lookup(t, name)
			k := open(t, spec, material(t, spec))
			own := k.secret.(mldsaKey)
			public, private := scheme.DeriveKey(own.Bytes())
			if b, err := public.MarshalBinary(); err != nil || !bytes.Equal(b, own.public.Bytes()) {
				t.Fatalf("public keys differ: %v", err)
			}
			message := []byte("two of a kind")
			theirs := scheme.Sign(private, message, nil)
			if err := k.Verify(MLDSASHAKE256, message, Raw, theirs); err != nil {
				t.Errorf("Verify() = %v; want nil", err)
			}
			if err := k.Verify(MLDSASHAKE256, muOf(k, message), ExternalMu, theirs); err != nil {
				t.Errorf("Verify(mu) = %v; want nil", err)
			}
			withContext := scheme.Sign(private, message, &sign.SignatureOpts{Context: "context"})
			if err := k.Verify(MLDSASHAKE256, message, Raw, withContext); !errors.Is(err, ErrInvalidSignature) {
				t.Errorf("Verify(with a context string) = %v; want %v", err, ErrInvalidSignature)
			}
			for messageType, m := range map[string][]byte{Raw: message, ExternalMu: muOf(k, message)} {
				ours, err := k.Sign(MLDSASHAKE256, m, messageType)
				if err != nil || !scheme.Verify(public, message, ours, nil) {
					t.Errorf("CIRCL does not verify what we sign of %s: %v", messageType, err)
				}
			}
			expanded, err := private.MarshalBinary()
			if err != nil {
				t.Fatal(err)
			}
			testExpanded(t, spec, own.set.oid, own.Bytes(), expanded, func(at int) bool { return at < 128 })
		})
	}
}

// TestMLKEMWithCIRCL does the same for ML-KEM.
func TestMLKEMWithCIRCL(t *testing.T) {
	for name, scheme := range map[string]kem.Scheme{MLKEM512: mlkem512.Scheme(), MLKEM768: mlkem768.Scheme(), MLKEM1024: mlkem1024.Scheme()} {
		t.Run(name, func(t *testing.T) {
			spec := lookup(t, name)
			k := open(t, spec, material(t, spec))
			own := k.secret.(mlkemKey)
			public, private := scheme.DeriveKeyPair(own.seed)
			if b, err := public.MarshalBinary(); err != nil || !bytes.Equal(b, own.encapsulationKey()) {
				t.Fatalf("public keys differ: %v", err)
			}
			ciphertext, secret, err := scheme.Encapsulate(public)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := k.Decapsulate(MLKEM, ciphertext); err != nil || !bytes.Equal(got, secret) {
				t.Errorf("Decapsulate() = %x, %v; want %x", got, err, secret)
			}
			secret, ciphertext, err = k.Encapsulate(MLKEM)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := scheme.Decapsulate(private, ciphertext); err != nil || !bytes.Equal(got, secret) {
				t.Errorf("CIRCL decapsulates %x, %v; want %x", got, err, secret)
			}
			expanded, err := private.MarshalBinary()
			if err != nil {
				t.Fatal(err)
			}
			tail := len(own.tail())
			testExpanded(t, spec, own.set.oid, own.seed, expanded, func(at int) bool { return at >= len(expanded)-tail })
		})
	}
}

// testExpanded imports the three forms of a private key. compared says which bytes
// of an expanded key are compared with the seed.
func testExpanded(t *testing.T, spec Spec, oid asn1.ObjectIdentifier, seed, expanded []byte, compared func(at int) bool) {
	t.Helper()
	encode := func(inner any) []byte {
		t.Helper()
		b, err := asn1.Marshal(inner)
		if err != nil {
			t.Fatal(err)
		}
		der, err := asn1.Marshal(pkcs8{Algorithm: pkix.AlgorithmIdentifier{Algorithm: oid}, PrivateKey: b})
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	type both struct{ Seed, Expanded []byte }
	stored, err := Import(spec, encode(both{seed, expanded}))
	if want := material(t, spec); err != nil || !bytes.Equal(stored, want) {
		t.Errorf("Import(both) = %x, %v; want %x", stored, err, want)
	}
	if err := Check(spec, encode(expanded)); !errors.Is(err, ErrMaterialFormat) {
		t.Errorf("Check(expanded alone) = %v; want %v", err, ErrMaterialFormat)
	}
	if err := Check(spec, encode(seed)); !errors.Is(err, ErrMaterialFormat) {
		t.Errorf("Check(seed without its tag) = %v; want %v", err, ErrMaterialFormat)
	}
	if err := Check(spec, encode(both{seed, expanded[1:]})); !errors.Is(err, ErrMaterialFormat) {
		t.Errorf("Check(expanded too short) = %v; want %v", err, ErrMaterialFormat)
	}
	for _, at := range []int{0, 31, 32, 64, 127, len(expanded) - 64, len(expanded) - 32, len(expanded) - 1} {
		altered := bytes.Clone(expanded)
		altered[at] ^= 1
		want := error(nil)
		if compared(at) {
			want = ErrMaterialKey
		}
		if err := Check(spec, encode(both{seed, altered})); !errors.Is(err, want) {
			t.Errorf("Check(byte %d of the expanded key altered) = %v; want %v", at, err, want)
		}
	}
}
