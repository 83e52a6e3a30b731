package keyspec

import (
	"bytes"
	"errors"
	"testing"
)

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

// FuzzVerify verifies anything: nothing but what was signed is valid.
func FuzzVerify(f *testing.F) {
	type form struct {
		key                    *Key
		algorithm, messageType string
		message                []byte
	}
	var formsOf []form
	for _, name := range []string{RSA2048, P256, P384, P521, Secp256k1, Ed25519, MLDSA44, MLDSA65, MLDSA87} {
		spec := lookup(f, name)
		k := open(f, spec, material(f, spec))
		for _, algorithm := range spec.Algorithms(SignVerify) {
			for messageType, m := range forms(algorithm) {
				signature, err := k.Sign(algorithm, m, messageType)
				if err != nil {
					f.Fatal(err)
				}
				f.Add(byte(len(formsOf)), append(signature, 0))
				f.Add(byte(len(formsOf)), signature[:len(signature)-1])
				formsOf = append(formsOf, form{k, algorithm, messageType, m})
			}
		}
	}
	f.Fuzz(func(t *testing.T, which byte, signature []byte) {
		v := formsOf[int(which)%len(formsOf)]
		if err := v.key.Verify(v.algorithm, v.message, v.messageType, signature); !errors.Is(err, ErrInvalidSignature) {
			t.Errorf("Verify(%s %s, %x) = %v; want %v", v.algorithm, v.messageType, signature, err, ErrInvalidSignature)
		}
	})
}

// FuzzMu compares the two verifications of ML-DSA on anything.
func FuzzMu(f *testing.F) {
	keys := make([]*Key, 0, 3)
	for i, name := range []string{MLDSA44, MLDSA65, MLDSA87} {
		k := open(f, lookup(f, name), material(f, lookup(f, name)))
		signature, err := k.Sign(MLDSASHAKE256, []byte("message"), Raw)
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
		k := open(f, lookup(f, name), material(f, lookup(f, name)))
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
