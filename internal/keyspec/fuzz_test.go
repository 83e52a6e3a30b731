package keyspec

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"encoding/asn1"
	"errors"
	"math/big"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
)

// fixed returns the same key in every process, as the workers of a fuzz test need
// it; not for RSA.
func fixed(t testing.TB, name string) *Key {
	t.Helper()
	spec := lookup(t, name)
	secret := bytes.Repeat([]byte{0x17}, 64)
	var p pair
	var err error
	switch spec.kind {
	case nistKind:
		curve, _ := nistCurve(spec)
		scalar := make([]byte, (curve.Params().BitSize+7)/8)
		copy(scalar[1:], secret)
		p, err = newNIST(must[*ecdsa.PrivateKey](t)(ecdsa.ParseRawPrivateKey(curve, scalar)))
	case secp256k1Kind:
		p = newSecp256k1(secp256k1.PrivKeyFromBytes(secret[:32]))
	case ed25519Kind:
		p = ed25519Key{ed25519.NewKeyFromSeed(secret[:32])}
	case mldsaKind:
		p, err = newMLDSA(mldsaSetOf(spec), secret[:32])
	default:
		t.Fatalf("no fixed key for %s", name)
	}
	if err != nil {
		t.Fatal(err)
	}
	return open(t, spec, must[[]byte](t)(p.privateKey()))
}

// FuzzImport imports anything as anything: what is taken opens, and is taken
// again as it is.
func FuzzImport(f *testing.F) {
	for i, name := range Names() {
		if name == RSA3072 || name == RSA4096 {
			continue
		}
		spec := lookup(f, name)
		f.Add(byte(i), material(f, spec))
	}
	f.Fuzz(func(t *testing.T, which byte, b []byte) {
		name := Names()[int(which)%len(Names())]
		spec := lookup(t, name)
		given := bytes.Clone(b)
		stored, err := Import(spec, b)
		if !bytes.Equal(b, given) {
			t.Error("Import() changed what it was given")
		}
		if err != nil {
			if stored != nil || !errors.Is(err, ErrMaterial) {
				t.Errorf("Import() = %x, %v; want nil, %v", stored, err, ErrMaterial)
			}
			if k, err := Open(spec, b); err == nil && spec.kind != rsaKind {
				t.Errorf("Open() = %v of what Import() refuses", k)
			}
			return
		}
		again, err := Import(spec, stored)
		if err != nil || !bytes.Equal(again, stored) {
			t.Errorf("Import(%x) = %x, %v; want the same", stored, again, err)
		}
		a, err1 := Open(spec, b)
		c, err2 := Open(spec, stored)
		if err := errors.Join(err1, err2); err != nil || !bytes.Equal(a.Public(), c.Public()) {
			t.Errorf("Open() of what is imported and of what is stored differ: %v", err)
		}
	})
}

// FuzzVerify verifies anything. What is valid is encoded in the one way that DER
// has, and, where signing draws no nonce, is what signing makes.
func FuzzVerify(f *testing.F) {
	type form struct {
		key                    *Key
		algorithm, messageType string
		message                []byte
	}
	var formsOf []form
	for _, name := range []string{P256, P384, P521, Secp256k1, Ed25519} {
		k := fixed(f, name)
		for _, algorithm := range k.Spec().Algorithms(SignVerify) {
			for _, messageType := range []string{Raw, Digest} {
				message, ok := forms(algorithm)[messageType]
				if !ok {
					continue
				}
				signature, err := k.Sign(algorithm, message, messageType)
				if err != nil {
					f.Fatal(err)
				}
				f.Add(byte(len(formsOf)), signature)
				f.Add(byte(len(formsOf)), append(bytes.Clone(signature), 0))
				formsOf = append(formsOf, form{k, algorithm, messageType, message})
			}
		}
	}
	f.Fuzz(func(t *testing.T, which byte, signature []byte) {
		v := formsOf[int(which)%len(formsOf)]
		err := v.key.Verify(v.algorithm, v.message, v.messageType, signature)
		if err != nil {
			if !errors.Is(err, ErrInvalidSignature) {
				t.Errorf("Verify(%s %s, %x) = %v; want %v", v.algorithm, v.messageType, signature, err, ErrInvalidSignature)
			}
			return
		}
		var only []byte
		if v.key.Spec().Name() == Ed25519 {
			only, err = v.key.Sign(v.algorithm, v.message, v.messageType)
		} else {
			var numbers struct{ R, S *big.Int }
			if _, err := asn1.Unmarshal(signature, &numbers); err != nil {
				t.Fatal(err)
			}
			only, err = asn1.Marshal(numbers)
		}
		if err != nil || !bytes.Equal(signature, only) {
			t.Errorf("Verify(%s %s, %x) = nil; %x is valid: %v", v.algorithm, v.messageType, signature, only, err)
		}
	})
}

// FuzzMu compares the two verifications of ML-DSA on anything.
func FuzzMu(f *testing.F) {
	keys := make([]*Key, 0, 3)
	for i, name := range []string{MLDSA44, MLDSA65, MLDSA87} {
		k := fixed(f, name)
		signature, err := k.secret.(mldsaKey).SignDeterministic([]byte("message"), nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(byte(i), uint16(0), byte(0), signature)
		f.Add(byte(i), uint16(len(signature)-1), byte(1), signature)
		keys = append(keys, k)
	}
	f.Fuzz(func(t *testing.T, which byte, at uint16, x byte, signature []byte) {
		k := keys[int(which)%len(keys)]
		signature = bytes.Clone(signature)
		if int(at) < len(signature) {
			signature[at] ^= x
		}
		raw := k.Verify(MLDSASHAKE256, []byte("message"), Raw, signature)
		mu := k.Verify(MLDSASHAKE256, muOf(k, []byte("message")), ExternalMu, signature)
		if !errors.Is(raw, mu) {
			t.Errorf("Verify() = %v; of mu %v", raw, mu)
		}
	})
}

// FuzzDerive derives with any peer.
func FuzzDerive(f *testing.F) {
	keys := make([]*Key, 0, 3)
	for i, name := range []string{P256, P384, P521} {
		k := fixed(f, name)
		keys = append(keys, k)
		f.Add(byte(i), k.Public())
	}
	f.Fuzz(func(t *testing.T, which byte, peer []byte) {
		k := keys[int(which)%len(keys)]
		secret, err := k.Derive(ECDH, peer)
		if err != nil && (secret != nil || !errors.Is(err, ErrInvalidPublicKey)) || err == nil && len(secret) < 32 {
			t.Errorf("Derive() = %x, %v", secret, err)
		}
	})
}
