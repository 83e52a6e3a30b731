package keyspec

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha3"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"filippo.io/mldsa"
	"github.com/decred/dcrd/dcrec/secp256k1/v4"
)

// A hexString is a byte string that stands in hexadecimal in vectors.
type hexString []byte

func (h *hexString) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

// TestWycheproof runs the vectors of Project Wycheproof, which are not part of
// this repository: COFFER_WYCHEPROOF names a directory testvectors_v1 of
// github.com/C2SP/wycheproof.
func TestWycheproof(t *testing.T) {
	dir := os.Getenv("COFFER_WYCHEPROOF")
	if dir == "" {
		t.Skip("COFFER_WYCHEPROOF names no vectors")
	}
	for file, run := range map[string]func(*testing.T, *wycheproofGroup, *wycheproofCase){
		"ecdsa_secp256r1_sha256_test":          nistVectors(P256, ECDSASHA256),
		"ecdsa_secp384r1_sha384_test":          nistVectors(P384, ECDSASHA384),
		"ecdsa_secp521r1_sha512_test":          nistVectors(P521, ECDSASHA512),
		"ecdsa_secp256k1_sha256_test":          secp256k1Vectors,
		"ed25519_test":                         ed25519Vectors,
		"rsa_signature_2048_sha256_test":       rsaVectors(PKCS1SHA256),
		"rsa_signature_3072_sha384_test":       rsaVectors(PKCS1SHA384),
		"rsa_signature_4096_sha512_test":       rsaVectors(PKCS1SHA512),
		"rsa_pss_2048_sha256_mgf1_32_test":     rsaVectors(PSSSHA256),
		"rsa_pss_2048_sha256_mgf1_0_test":      rsaVectors(PSSSHA256),
		"rsa_pss_4096_sha512_mgf1_64_test":     rsaVectors(PSSSHA512),
		"rsa_oaep_2048_sha1_mgf1sha1_test":     oaepVectors(RSA2048, OAEPSHA1),
		"rsa_oaep_2048_sha256_mgf1sha256_test": oaepVectors(RSA2048, OAEPSHA256),
		"rsa_oaep_2048_sha256_mgf1sha1_test":   oaepVectors(RSA2048, OAEPSHA256),
		"rsa_oaep_3072_sha256_mgf1sha256_test": oaepVectors(RSA3072, OAEPSHA256),
		"rsa_oaep_4096_sha256_mgf1sha256_test": oaepVectors(RSA4096, OAEPSHA256),
		"ecdh_secp256r1_test":                  ecdhVectors(P256),
		"ecdh_secp384r1_test":                  ecdhVectors(P384),
		"ecdh_secp521r1_test":                  ecdhVectors(P521),
		"hmac_sha224_test":                     hmacVectors(HMACSHA224),
		"hmac_sha256_test":                     hmacVectors(HMACSHA256),
		"hmac_sha384_test":                     hmacVectors(HMACSHA384),
		"hmac_sha512_test":                     hmacVectors(HMACSHA512),
		"mldsa_44_verify_test":                 mldsaVectors(MLDSA44),
		"mldsa_65_verify_test":                 mldsaVectors(MLDSA65),
		"mldsa_87_verify_test":                 mldsaVectors(MLDSA87),
		"mldsa_44_sign_seed_test":              mldsaVectors(MLDSA44),
		"mldsa_65_sign_seed_test":              mldsaVectors(MLDSA65),
		"mldsa_87_sign_seed_test":              mldsaVectors(MLDSA87),
		"mlkem_512_test":                       mlkemVectors(MLKEM512),
		"mlkem_768_test":                       mlkemVectors(MLKEM768),
		"mlkem_1024_test":                      mlkemVectors(MLKEM1024),
		"mlkem_512_keygen_seed_test":           mlkemVectors(MLKEM512),
		"mlkem_768_keygen_seed_test":           mlkemVectors(MLKEM768),
		"mlkem_1024_keygen_seed_test":          mlkemVectors(MLKEM1024),
	} {
		t.Run(file, func(t *testing.T) {
			b, err := os.ReadFile(filepath.Join(dir, file+".json"))
			if err != nil {
				t.Fatal(err)
			}
			var all struct{ TestGroups []*wycheproofGroup }
			if err := json.Unmarshal(b, &all); err != nil {
				t.Fatal(err)
			}
			n := 0
			for _, g := range all.TestGroups {
				for _, c := range g.Tests {
					run(t, g, c)
					n++
				}
			}
			t.Logf("%d cases", n)
		})
	}
}

type wycheproofGroup struct {
	PublicKey       json.RawMessage
	PublicKeyDer    hexString
	PrivateKeyPkcs8 hexString
	PrivateSeed     hexString
	TagSize         int
	Tests           []*wycheproofCase
}

type wycheproofCase struct {
	TcID                             int
	Comment, Result                  string
	Msg, Sig, Ct, Label, Key, Tag    hexString
	Public, Private, Shared, Ctx, Mu hexString
	Seed, Ek, Dk, C, K               hexString
	Flags                            []string
}

// check compares a verdict with the expected one. What Wycheproof calls
// acceptable may go either way.
func (c *wycheproofCase) check(t *testing.T, valid bool) {
	t.Helper()
	if c.Result != "acceptable" && valid != (c.Result == "valid") {
		t.Errorf("case %d (%s %v): valid = %v; want %s", c.TcID, c.Comment, c.Flags, valid, c.Result)
	}
}

func (c *wycheproofCase) verify(t *testing.T, s signer, algorithm, messageType string) {
	t.Helper()
	digest, err := s.digest(algorithm, messageType, c.Msg)
	if err != nil {
		t.Fatal(err)
	}
	c.check(t, s.verify(algorithm, messageType, digest, c.Sig) == nil)
}

func nistVectors(name, algorithm string) func(*testing.T, *wycheproofGroup, *wycheproofCase) {
	return func(t *testing.T, g *wycheproofGroup, c *wycheproofCase) {
		public, err := x509.ParsePKIXPublicKey(g.PublicKeyDer)
		if err != nil {
			t.Fatal(err)
		}
		c.verify(t, nistKey{PrivateKey: &ecdsa.PrivateKey{PublicKey: *public.(*ecdsa.PublicKey)}}, algorithm, Raw)
	}
}

func secp256k1Vectors(t *testing.T, g *wycheproofGroup, c *wycheproofCase) {
	var info publicKeyInfo
	if _, err := asn1.Unmarshal(g.PublicKeyDer, &info); err != nil {
		t.Fatal(err)
	}
	public, err := secp256k1.ParsePubKey(info.PublicKey.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	c.verify(t, secp256k1Key{public: public}, ECDSASHA256, Raw)
}

func ed25519Vectors(t *testing.T, g *wycheproofGroup, c *wycheproofCase) {
	public, err := x509.ParsePKIXPublicKey(g.PublicKeyDer)
	if err != nil {
		t.Fatal(err)
	}
	private := append(make([]byte, 32), public.(ed25519.PublicKey)...)
	c.verify(t, ed25519Key{private}, Ed25519SHA512, Raw)
}

func rsaVectors(algorithm string) func(*testing.T, *wycheproofGroup, *wycheproofCase) {
	return func(t *testing.T, g *wycheproofGroup, c *wycheproofCase) {
		public, err := x509.ParsePKIXPublicKey(g.PublicKeyDer)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains([]byte(t.Name()), []byte("mgf1_0_")) {
			// The salt is to be as long as the hash.
			c.Result = map[bool]string{true: "valid", false: "invalid"}[c.Comment == "s_len changed to 32"]
		}
		c.verify(t, rsaKey{&rsa.PrivateKey{PublicKey: *public.(*rsa.PublicKey)}}, algorithm, Raw)
	}
}

func oaepVectors(name, algorithm string) func(*testing.T, *wycheproofGroup, *wycheproofCase) {
	keys := make(map[string]*Key)
	return func(t *testing.T, g *wycheproofGroup, c *wycheproofCase) {
		k := keys[string(g.PrivateKeyPkcs8)]
		if k == nil {
			spec := lookup(t, name)
			imported, err := Import(spec, g.PrivateKeyPkcs8)
			if err != nil {
				t.Fatalf("Import(): %v", err)
			}
			k = open(t, spec, imported)
			keys[string(g.PrivateKeyPkcs8)] = k
		}
		if len(c.Label) != 0 || bytes.Contains([]byte(t.Name()), []byte("sha256_mgf1sha1")) {
			c.Result = "invalid" // the label is empty, the hash is one
		}
		got, err := k.Decrypt(algorithm, c.Ct)
		c.check(t, err == nil)
		if err == nil && !bytes.Equal(got, c.Msg) {
			t.Errorf("case %d: Decrypt() = %x; want %x", c.TcID, got, c.Msg)
		}
	}
}

func ecdhVectors(name string) func(*testing.T, *wycheproofGroup, *wycheproofCase) {
	return func(t *testing.T, _ *wycheproofGroup, c *wycheproofCase) {
		spec := lookup(t, name)
		curve, _ := nistCurve(spec)
		scalar := make([]byte, (curve.Params().BitSize+7)/8)
		copy(scalar[max(0, len(scalar)-len(c.Private)):], c.Private[max(0, len(c.Private)-len(scalar)):])
		private, err := ecdsa.ParseRawPrivateKey(curve, scalar)
		if err != nil {
			t.Fatal(err)
		}
		k, err := newNIST(private)
		if err != nil {
			t.Fatal(err)
		}
		secret, err := k.derive(c.Public)
		c.check(t, err == nil)
		if err == nil && !bytes.Equal(secret, c.Shared) {
			t.Errorf("case %d: derive() = %x; want %x", c.TcID, secret, c.Shared)
		}
	}
}

func hmacVectors(algorithm string) func(*testing.T, *wycheproofGroup, *wycheproofCase) {
	return func(t *testing.T, g *wycheproofGroup, c *wycheproofCase) {
		mac := hmacKey(c.Key).mac(algorithm, c.Msg)[:g.TagSize/8]
		c.check(t, equal(mac, c.Tag))
	}
}

func mldsaVectors(name string) func(*testing.T, *wycheproofGroup, *wycheproofCase) {
	return func(t *testing.T, g *wycheproofGroup, c *wycheproofCase) {
		spec := lookup(t, name)
		set := mldsaSetOf(spec)
		var encoded hexString
		if err := json.Unmarshal(g.PublicKey, &encoded); err != nil {
			if g.PublicKey != nil && string(g.PublicKey) != "null" {
				t.Fatal(err)
			}
			return
		}
		public, err := mldsa.NewPublicKey(set.parameters, encoded)
		if len(encoded) != set.parameters.PublicKeySize() {
			c.check(t, err == nil)
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		k := mldsaKey{set: set, public: public}
		if len(g.PrivateKeyPkcs8) > 0 {
			opened := open(t, spec, g.PrivateKeyPkcs8)
			if own := opened.secret.(mldsaKey).public.Bytes(); !bytes.Equal(own, encoded) {
				t.Errorf("case %d: Public() = %x; want %x", c.TcID, own, encoded)
			}
		}
		if len(c.Ctx) > 255 {
			return // nobody signs with such a context
		}
		mu := c.Mu
		if c.Mu == nil || c.Msg != nil {
			h := sha3.NewSHAKE256()
			h.Write(k.hash())
			h.Write([]byte{0, byte(len(c.Ctx))})
			h.Write(c.Ctx)
			h.Write(c.Msg)
			mu = make([]byte, muSize)
			h.Read(mu)
			if c.Mu != nil && !bytes.Equal(mu, c.Mu) && c.Result == "valid" {
				t.Errorf("case %d: mu = %x; want %x", c.TcID, mu, c.Mu)
			}
		}
		c.check(t, k.verify(MLDSASHAKE256, ExternalMu, mu, c.Sig) == nil)
		if len(c.Ctx) == 0 && c.Msg != nil {
			c.check(t, k.verify(MLDSASHAKE256, Raw, c.Msg, c.Sig) == nil)
		}
	}
}

func mlkemVectors(name string) func(*testing.T, *wycheproofGroup, *wycheproofCase) {
	return func(t *testing.T, _ *wycheproofGroup, c *wycheproofCase) {
		spec := lookup(t, name)
		if len(c.Seed) != 64 {
			return
		}
		k, err := newMLKEM(mlkemSetOf(spec), c.Seed)
		if err != nil {
			t.Fatal(err)
		}
		if c.Ek != nil && !bytes.Equal(k.encapsulationKey(), c.Ek) {
			t.Errorf("case %d: encapsulation key differs", c.TcID)
		}
		if tail := k.tail(); c.Dk != nil && !bytes.HasSuffix(c.Dk, tail) {
			t.Errorf("case %d: decapsulation key differs", c.TcID)
		}
		if c.C == nil {
			return
		}
		secret, err := k.decapsulate(c.C)
		c.check(t, err == nil)
		if err == nil && !bytes.Equal(secret, c.K) {
			t.Errorf("case %d: decapsulate() = %x; want %x", c.TcID, secret, c.K)
		}
	}
}
