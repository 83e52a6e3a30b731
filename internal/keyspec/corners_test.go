package keyspec

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"math/big"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
)

// TestHints reads encoded hints that signing never makes.
func TestHints(t *testing.T) {
	set := &mldsaSet44
	encode := func(counts [4]byte, positions ...byte) []byte {
		b := make([]byte, set.omega+set.rows)
		copy(b, positions)
		copy(b[set.omega:], counts[:])
		return b
	}
	full := make([]byte, set.omega)
	for i := range full {
		full[i] = byte(i)
	}
	for _, test := range []struct {
		name string
		b    []byte
		want bool
	}{
		{"none", encode([4]byte{}), true},
		{"three", encode([4]byte{2, 2, 2, 3}, 0, 255, 7), true},
		{"same position in two rows", encode([4]byte{1, 2, 2, 2}, 9, 9), true},
		{"as many as there may be", encode([4]byte{80, 80, 80, 80}, full...), true},
		{"one more", encode([4]byte{80, 80, 80, 81}, full...), false},
		{"many more", encode([4]byte{255, 255, 255, 255}, full...), false},
		{"counts that descend", encode([4]byte{2, 1, 2, 2}, 1, 2), false},
		{"position twice", encode([4]byte{2, 2, 2, 2}, 5, 5), false},
		{"positions that descend", encode([4]byte{2, 2, 2, 2}, 6, 5), false},
		{"position after the last one", encode([4]byte{1, 1, 1, 1}, 5, 6), false},
		{"last byte set", encode([4]byte{0, 0, 0, 0}, append(make([]byte, 79), 1)...), false},
	} {
		if _, ok := set.unpackHints(test.b); ok != test.want {
			t.Errorf("%s: unpackHints() = %v; want %v", test.name, ok, test.want)
		}
	}
}

// TestResponseBounds stands on either side of gamma1 - beta.
func TestResponseBounds(t *testing.T) {
	for _, set := range []*mldsaSet{&mldsaSet44, &mldsaSet65, &mldsaSet87} {
		gamma1, width := int32(1)<<set.gamma1Bits, 1+set.gamma1Bits
		for v, want := range map[int32]bool{0: true, gamma1 - set.beta - 1: true, gamma1 - set.beta: false, gamma1: false,
			-(gamma1 - set.beta - 1): true, -(gamma1 - set.beta): false, -(gamma1 - 1): false} {
			for _, at := range []int{0, 1, 255} {
				packed := new(big.Int)
				for i := range degree {
					n := gamma1
					if i == at {
						n -= v
					}
					packed.Or(packed, new(big.Int).Lsh(big.NewInt(int64(n)), uint(i*width)))
				}
				b := packed.FillBytes(make([]byte, 32*width))
				for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
					b[i], b[j] = b[j], b[i]
				}
				var p polynomial
				ok := set.unpackResponse(&p, b)
				if ok != want || ok && p[at] != uint32((v+q)%q) {
					t.Errorf("gamma1 2^%d: unpackResponse(%d at %d) = %d, %v; want %v", set.gamma1Bits, v, at, p[at], ok, want)
				}
			}
		}
	}
}

// TestHighBits takes the corners of rounding: FIPS 204, algorithms 36 and 40.
func TestHighBits(t *testing.T) {
	for _, set := range []*mldsaSet{&mldsaSet44, &mldsaSet65} {
		values := uint32((q - 1) / (2 * set.gamma2))
		gamma2 := uint32(set.gamma2)
		for _, test := range []struct {
			w           uint32
			plain, hint uint32 // without and with a hint
		}{
			{0, 0, values - 1},
			{1, 0, 1},
			{gamma2, 0, 1},
			{gamma2 + 1, 1, 0},
			{2 * gamma2, 1, 0},
			{2*gamma2 + 1, 1, 2},
			{q - 1, 0, values - 1},
			{q - gamma2, 0, values - 1},
			{q - 1 - gamma2, values - 1, 0},
			{q - 2 - gamma2, values - 1, 0},
			{q - 1 - 2*gamma2, values - 1, values - 2},
		} {
			var w polynomial
			var hints [degree]bool
			w[3], w[4], hints[4] = test.w, test.w, true
			width := map[uint32]int{44: 6, 16: 4}[values]
			b := set.encodeHigh(&w, &hints)
			if plain, hint := readBits(b, width, 3), readBits(b, width, 4); plain != test.plain || hint != test.hint {
				t.Errorf("%d values, w = %d: encodeHigh() = %d, with a hint %d; want %d, %d", values, test.w, plain, hint, test.plain, test.hint)
			}
		}
	}
}

// TestTransform multiplies polynomials the slow way.
func TestTransform(t *testing.T) {
	a, b := sampleUniform([]byte("a"), 0, 0), sampleUniform([]byte("b"), 0, 0)
	want := new(polynomial)
	for i := range a {
		for j := range b {
			if product := multiply(a[i], b[j]); i+j < degree {
				want[i+j] = add(want[i+j], product)
			} else {
				want[i+j-degree] = subtract(want[i+j-degree], product)
			}
		}
	}
	a.transform()
	b.transform()
	for i := range a {
		a[i] = multiply(a[i], b[i])
	}
	if a.invert(); *a != *want {
		t.Errorf("the transform multiplies to %v; want %v", *a, *want)
	}
}

// TestPrehash: Ed25519ph of AWS hashes the digest once more.
//
// Source: AWS KMS API Reference, Sign, MessageType, read 2026-11-21.
func TestPrehash(t *testing.T) {
	spec := lookup(t, Ed25519)
	k := open(t, spec, material(t, spec))
	digest := sha512.Sum512([]byte("message"))
	signature, err := k.Sign(Ed25519PHSHA512, digest[:], Digest)
	if err != nil {
		t.Fatal(err)
	}
	public := must[any](t)(x509.ParsePKIXPublicKey(k.Public())).(ed25519.PublicKey)
	twice := sha512.Sum512(digest[:])
	if err := ed25519.VerifyWithOptions(public, twice[:], signature, prehashed); err != nil {
		t.Errorf("the signature is not Ed25519ph of the digest: %v", err)
	}
	if ed25519.VerifyWithOptions(public, digest[:], signature, prehashed) == nil || ed25519.Verify(public, digest[:], signature) {
		t.Error("the signature verifies as Ed25519ph of the message, or as Ed25519 of the digest")
	}
}

// TestSmallS: a signature has the smaller s, and one with the larger verifies.
func TestSmallS(t *testing.T) {
	spec := lookup(t, Secp256k1)
	k := open(t, spec, material(t, spec))
	n := secp256k1.Params().N
	half := new(big.Int).Rsh(n, 1)
	for range 12 {
		signature, err := k.Sign(ECDSASHA256, []byte("message"), Raw)
		if err != nil {
			t.Fatal(err)
		}
		var numbers struct{ R, S *big.Int }
		if _, err := asn1.Unmarshal(signature, &numbers); err != nil {
			t.Fatal(err)
		}
		if numbers.S.Cmp(half) > 0 {
			t.Errorf("s = %x is above half the order", numbers.S)
		}
		numbers.S.Sub(n, numbers.S)
		if err := k.Verify(ECDSASHA256, []byte("message"), Raw, must[[]byte](t)(asn1.Marshal(numbers))); err != nil {
			t.Errorf("Verify(larger s) = %v; want nil", err)
		}
	}
}

// TestShortCiphertext: a leading zero of a ciphertext is not left out.
func TestShortCiphertext(t *testing.T) {
	spec := lookup(t, RSA2048)
	k := open(t, spec, material(t, spec))
	for range 5000 {
		ciphertext, err := k.Encrypt(OAEPSHA256, []byte("plain"))
		if err != nil {
			t.Fatal(err)
		}
		if ciphertext[0] != 0 {
			continue
		}
		if _, err := k.Decrypt(OAEPSHA256, ciphertext); err != nil {
			t.Errorf("Decrypt() = %v; want nil", err)
		}
		if _, err := k.Decrypt(OAEPSHA256, ciphertext[1:]); !errors.Is(err, ErrInvalidCiphertext) {
			t.Errorf("Decrypt(without its leading zero) = %v; want %v", err, ErrInvalidCiphertext)
		}
		return
	}
	t.Error("no ciphertext starts with a zero")
}

func TestThreeFactors(t *testing.T) {
	//lint:ignore SA1019 such keys exist, and are refused
	k, err := rsa.GenerateMultiPrimeKey(rand.Reader, 3, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der := must[[]byte](t)(x509.MarshalPKCS8PrivateKey(k))
	if err := Check(lookup(t, RSA2048), der); !errors.Is(err, ErrMaterialKey) {
		t.Errorf("Check(three factors) = %v; want %v", err, ErrMaterialKey)
	}
}

// TestImportCopies: what is imported is wiped apart from what is stored.
func TestImportCopies(t *testing.T) {
	for _, name := range Names() {
		spec := lookup(t, name)
		m := material(t, spec)
		stored, err := Import(spec, m)
		if err != nil {
			t.Fatal(err)
		}
		k := open(t, spec, m)
		clear(m)
		if !bytes.Equal(stored, material(t, spec)) {
			t.Errorf("%s: wiping what was imported changes what is stored", name)
		}
		if spec.kind == hmacKind {
			mac, _ := k.GenerateMAC(spec.Algorithms(GenerateVerifyMAC)[0], nil)
			if err := open(t, spec, stored).VerifyMAC(spec.Algorithms(GenerateVerifyMAC)[0], nil, mac); err != nil {
				t.Errorf("%s: wiping what was opened changes the key", name)
			}
		}
	}
	large := edit(t, material(t, lookup(t, P256)), func(p *pkcs8) {
		p.Attributes = asn1.RawValue{Class: asn1.ClassContextSpecific, IsCompound: true, Bytes: make([]byte, MaxMaterial)}
	})
	if err := Check(lookup(t, P256), large); !errors.Is(err, ErrMaterialFormat) {
		t.Errorf("Check(%d bytes) = %v; want %v", len(large), err, ErrMaterialFormat)
	}
}
