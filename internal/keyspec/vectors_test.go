package keyspec

import (
	"bytes"
	"crypto/sha3"
	"encoding/json"
	"errors"
	"os"
	"testing"
)

// TestVectors reads keys, signatures and secrets that others made:
// testdata/make.py says who.
func TestVectors(t *testing.T) {
	b, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		Spec                               string
		Private, Public                    hexString
		Message, Signature                 hexString
		Ciphertext, Secret                 hexString
		Seed, Encapsulation, Decapsulation hexString
	}
	if err := json.Unmarshal(b, &vectors); err != nil {
		t.Fatal(err)
	}
	for _, v := range vectors {
		t.Run(v.Spec, func(t *testing.T) {
			spec := lookup(t, v.Spec)
			if v.Seed != nil {
				k, err := newMLKEM(mlkemSetOf(spec), v.Seed)
				if err != nil || !bytes.Equal(k.encapsulationKey(), v.Encapsulation) {
					t.Errorf("the seed gives %x, %v; want %x", k.encapsulationKey(), err, v.Encapsulation)
				}
				if !bytes.HasSuffix(v.Decapsulation, k.tail()) {
					t.Errorf("%x does not end in %x", v.Decapsulation, k.tail())
				}
				return
			}
			stored, err := Import(spec, v.Private)
			if err != nil || !bytes.Equal(stored, v.Private) {
				t.Errorf("Import() = %x, %v; want %x", stored, err, v.Private)
			}
			k := open(t, spec, v.Private)
			if !bytes.Equal(k.Public(), v.Public) {
				t.Errorf("Public() = %x; want %x", k.Public(), v.Public)
			}
			if v.Signature != nil {
				if err := k.Verify(MLDSASHAKE256, v.Message, Raw, v.Signature); err != nil {
					t.Errorf("Verify() = %v; want nil", err)
				}
				if err := k.Verify(MLDSASHAKE256, muOf(k, v.Message), ExternalMu, v.Signature); err != nil {
					t.Errorf("Verify(mu) = %v; want nil", err)
				}
				return
			}
			secret, err := k.Decapsulate(MLKEM, v.Ciphertext)
			if err != nil || !bytes.Equal(secret, v.Secret) {
				t.Errorf("Decapsulate() = %x, %v; want %x", secret, err, v.Secret)
			}
		})
	}
}

// muOf returns the message representative for an empty context string.
//
// Source: FIPS 204, algorithms 2 and 7.
func muOf(k *Key, message []byte) []byte {
	h := sha3.NewSHAKE256()
	h.Write(k.secret.(mldsaKey).hash())
	h.Write([]byte{0, 0})
	h.Write(message)
	mu := make([]byte, muSize)
	h.Read(mu)
	return mu
}

// TestImplicitRejection knows the secret that an altered ciphertext gives: J(z|c)
// of FIPS 203, algorithm 18.
func TestImplicitRejection(t *testing.T) {
	for _, name := range []string{MLKEM512, MLKEM768, MLKEM1024} {
		t.Run(name, func(t *testing.T) {
			k := open(t, lookup(t, name), material(t, lookup(t, name)))
			secret, ciphertext, err := k.Encapsulate(MLKEM)
			if err != nil {
				t.Fatal(err)
			}
			for _, at := range []int{0, len(ciphertext) / 2, len(ciphertext) - 1} {
				altered := bytes.Clone(ciphertext)
				altered[at] ^= 1
				want := sha3.SumSHAKE256(append(bytes.Clone(k.secret.(mlkemKey).seed[32:]), altered...), 32)
				got, err := k.Decapsulate(MLKEM, altered)
				if err != nil || !bytes.Equal(got, want) || bytes.Equal(got, secret) {
					t.Errorf("Decapsulate(byte %d altered) = %x, %v; want %x", at, got, err, want)
				}
			}
		})
	}
}

// TestMu signs a message and verifies its mu, and the other way, and breaks the
// signature in every part of it.
func TestMu(t *testing.T) {
	for _, name := range []string{MLDSA44, MLDSA65, MLDSA87} {
		t.Run(name, func(t *testing.T) {
			k := open(t, lookup(t, name), material(t, lookup(t, name)))
			set := mldsaSetOf(k.Spec())
			for i := range 6 {
				message := bytes.Repeat([]byte{byte(i)}, i*i)
				mu := muOf(k, message)
				ofMessage, err1 := k.Sign(MLDSASHAKE256, message, Raw)
				ofMu, err2 := k.Sign(MLDSASHAKE256, mu, ExternalMu)
				if err := errors.Join(err1, err2); err != nil {
					t.Fatal(err)
				}
				for _, signature := range [][]byte{ofMessage, ofMu} {
					if err := k.Verify(MLDSASHAKE256, message, Raw, signature); err != nil {
						t.Errorf("Verify(message) = %v; want nil", err)
					}
					if err := k.Verify(MLDSASHAKE256, mu, ExternalMu, signature); err != nil {
						t.Errorf("Verify(mu) = %v; want nil", err)
					}
				}
			}
			message := []byte("message")
			signature, err := k.Sign(MLDSASHAKE256, message, Raw)
			if err != nil {
				t.Fatal(err)
			}
			hints := len(signature) - set.omega - set.rows
			both := func(what string, signature []byte) {
				t.Helper()
				raw := k.Verify(MLDSASHAKE256, message, Raw, signature)
				mu := k.Verify(MLDSASHAKE256, muOf(k, message), ExternalMu, signature)
				if !errors.Is(raw, ErrInvalidSignature) || !errors.Is(mu, ErrInvalidSignature) {
					t.Errorf("%s: Verify() = %v, of mu %v; want %v", what, raw, mu, ErrInvalidSignature)
				}
			}
			for _, at := range []int{0, set.challenge - 1, set.challenge, hints - 1, hints, len(signature) - set.rows - 1, len(signature) - 1} {
				altered := bytes.Clone(signature)
				altered[at] ^= 1
				both("byte altered", altered)
			}
			both("empty", nil)
			both("too short", signature[1:])
			both("too long", append(bytes.Clone(signature), 0))
			altered := bytes.Clone(signature)
			clear(altered[set.challenge:hints]) // every coefficient of z is gamma1
			both("response out of bounds", altered)
			altered = bytes.Clone(signature)
			altered[hints], altered[hints+1] = altered[hints+1], altered[hints]
			both("hints that descend", altered)
			altered = bytes.Clone(signature)
			altered[hints+1] = altered[hints]
			both("hint twice", altered)
			altered = bytes.Clone(signature)
			altered[len(altered)-1] = byte(set.omega + 1)
			both("more hints than there are", altered)
			altered = bytes.Clone(signature)
			altered[len(altered)-set.rows] = 255
			both("count out of bounds", altered)
		})
	}
}
