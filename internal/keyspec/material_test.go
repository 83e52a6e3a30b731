package keyspec

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"slices"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
)

func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// edit parses PKCS #8, lets f change it, and encodes it again.
func edit(t *testing.T, der []byte, f func(p *pkcs8)) []byte {
	t.Helper()
	var p pkcs8
	if _, err := asn1.Unmarshal(der, &p); err != nil {
		t.Fatal(err)
	}
	f(&p)
	return must[[]byte](t)(asn1.Marshal(p))
}

// editEC does the same one level further in.
func editEC(t *testing.T, der []byte, f func(k *ecPrivateKey)) []byte {
	t.Helper()
	return edit(t, der, func(p *pkcs8) {
		var k ecPrivateKey
		if _, err := asn1.Unmarshal(p.PrivateKey, &k); err != nil {
			t.Fatal(err)
		}
		f(&k)
		p.PrivateKey = must[[]byte](t)(asn1.Marshal(k))
	})
}

func TestCheckSizes(t *testing.T) {
	for _, name := range []string{SymmetricDefault, HMAC224, HMAC256, HMAC384, HMAC512} {
		spec := lookup(t, name)
		for _, size := range []int{0, 1, 16, 28, 32, 48, 64, 65, 128} {
			want := ErrMaterialSize
			if size == spec.size {
				want = nil
			}
			if err := Check(spec, make([]byte, size)); !errors.Is(err, want) || want != nil && !errors.Is(err, ErrMaterial) {
				t.Errorf("Check(%s, %d bytes) = %v; want %v", name, size, err, want)
			}
		}
	}
}

// TestCheckEncoding breaks the structure around every kind of private key.
func TestCheckEncoding(t *testing.T) {
	for _, name := range Names() {
		spec := lookup(t, name)
		if !spec.Asymmetric() || spec.kind == rsaKind && name != RSA2048 {
			continue
		}
		good := material(t, spec)
		for _, test := range []struct {
			name string
			der  []byte
			want error
		}{
			{"nothing", nil, ErrMaterialFormat},
			{"zeros", make([]byte, 64), ErrMaterialFormat},
			{"too much", make([]byte, MaxMaterial+1), ErrMaterialFormat},
			{"cut", good[:len(good)-1], ErrMaterialFormat},
			{"byte more", append(bytes.Clone(good), 0), ErrMaterialFormat},
			{"twice", append(bytes.Clone(good), good...), ErrMaterialFormat},
			{"length in two bytes", append([]byte{0x30, 0x83, 0}, good[2:]...), ErrMaterialFormat},
			{"version 2", edit(t, good, func(p *pkcs8) { p.Version = 2 }), ErrMaterialFormat},
			{"negative version", edit(t, good, func(p *pkcs8) { p.Version = -1 }), ErrMaterialFormat},
			{"version 0 with a public key", edit(t, good, func(p *pkcs8) { p.PublicKey = bits([]byte{4}) }), ErrMaterialFormat},
			{"other algorithm", edit(t, good, func(p *pkcs8) { p.Algorithm.Algorithm = asn1.ObjectIdentifier{1, 3, 101, 110} }), ErrMaterialSpec},
			{"other parameters", edit(t, good, func(p *pkcs8) { p.Algorithm.Parameters = asn1.RawValue{FullBytes: []byte{4, 0}} }), ErrMaterialFormat},
			{"empty private key", edit(t, good, func(p *pkcs8) { p.PrivateKey = nil }), ErrMaterial},
			{"byte more inside", edit(t, good, func(p *pkcs8) { p.PrivateKey = append(p.PrivateKey, 0) }), ErrMaterial},
			{"foreign public key", edit(t, good, func(p *pkcs8) { p.Version, p.PublicKey = 1, bits(make([]byte, 32)) }), ErrMaterial},
			{"public key of another", edit(t, good, func(p *pkcs8) { p.Version, p.PublicKey = 1, publicOf(t, spec, must[[]byte](t)(Generate(spec))) }), ErrMaterial},
		} {
			if err := Check(spec, test.der); !errors.Is(err, test.want) || !errors.Is(err, ErrMaterial) {
				t.Errorf("%s: Check(%s) = %v; want %v", name, test.name, err, test.want)
			}
		}
		attributes := edit(t, good, func(p *pkcs8) {
			p.Attributes = asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true}
		})
		if again, err := Import(spec, attributes); err != nil || !bytes.Equal(again, good) {
			t.Errorf("%s: Import(with attributes) = %x, %v; want them dropped", name, again, err)
		}
		if spec.kind != rsaKind {
			own := edit(t, good, func(p *pkcs8) { p.Version, p.PublicKey = 1, publicOf(t, spec, good) })
			if again, err := Import(spec, own); err != nil || !bytes.Equal(again, good) {
				t.Errorf("%s: Import(with its public key) = %x, %v; want %x", name, again, err, good)
			}
		}
	}
}

func publicOf(t *testing.T, spec Spec, material []byte) asn1.BitString {
	t.Helper()
	var info publicKeyInfo
	if _, err := asn1.Unmarshal(open(t, spec, material).Public(), &info); err != nil {
		t.Fatal(err)
	}
	return info.PublicKey
}

// order returns the order of the group of a curve's spec.
func order(spec Spec) *big.Int {
	if spec.kind == secp256k1Kind {
		return secp256k1.Params().N
	}
	curve, _ := nistCurve(spec)
	return curve.Params().N
}

func TestCheckEC(t *testing.T) {
	for _, name := range []string{P256, P384, P521, Secp256k1} {
		spec := lookup(t, name)
		good := material(t, spec)
		size := (order(spec).BitLen() + 7) / 8
		scalar := func(n *big.Int) []byte {
			return editEC(t, good, func(k *ecPrivateKey) { k.PrivateKey, k.PublicKey = n.FillBytes(make([]byte, size)), asn1.BitString{} })
		}
		for _, test := range []struct {
			name string
			der  []byte
			want error
		}{
			{"zero", scalar(new(big.Int)), ErrMaterialKey},
			{"the order", scalar(order(spec)), ErrMaterialKey},
			{"above the order", scalar(new(big.Int).Add(order(spec), big.NewInt(1))), ErrMaterialKey},
			{"the largest number", edit(t, scalar(big.NewInt(1)), func(p *pkcs8) {
				p.PrivateKey = bytes.ReplaceAll(p.PrivateKey, append(make([]byte, size-1), 1), bytes.Repeat([]byte{0xff}, size))
			}), ErrMaterialKey},
			{"scalar without its leading zero", editEC(t, good, func(k *ecPrivateKey) { k.PrivateKey = k.PrivateKey[1:] }), ErrMaterialFormat},
			{"scalar with a leading zero", editEC(t, good, func(k *ecPrivateKey) { k.PrivateKey = append([]byte{0}, k.PrivateKey...) }), ErrMaterialFormat},
			{"version 0", editEC(t, good, func(k *ecPrivateKey) { k.Version = 0 }), ErrMaterialFormat},
			{"other curve inside", editEC(t, good, func(k *ecPrivateKey) { k.Curve = asn1.ObjectIdentifier{1, 3, 132, 0, 33} }), ErrMaterialFormat},
			{"public key of another", editEC(t, good, func(k *ecPrivateKey) {
				k.PublicKey = publicOf(t, spec, must[[]byte](t)(Generate(spec)))
			}), ErrMaterialKey},
			{"other half of the public key", editEC(t, good, func(k *ecPrivateKey) {
				k.PublicKey = bits(append([]byte{2 + (^k.PublicKey.Bytes[2*size] & 1)}, k.PublicKey.Bytes[1:1+size]...))
			}), ErrMaterialKey},
			{"public key at infinity", editEC(t, good, func(k *ecPrivateKey) { k.PublicKey = bits([]byte{0}) }), ErrMaterialKey},
			{"bits of a public key", editEC(t, good, func(k *ecPrivateKey) { k.PublicKey.BitLength -= 3 }), ErrMaterial},
		} {
			if err := Check(spec, test.der); !errors.Is(err, test.want) {
				t.Errorf("%s: Check(%s) = %v; want %v", name, test.name, err, test.want)
			}
		}
		for _, n := range []*big.Int{big.NewInt(1), new(big.Int).Sub(order(spec), big.NewInt(1))} {
			if err := Check(spec, scalar(n)); err != nil {
				t.Errorf("%s: Check(scalar %x) = %v; want nil", name, n, err)
			}
		}
		named := editEC(t, good, func(k *ecPrivateKey) {
			k.Curve = map[string]asn1.ObjectIdentifier{P256: oidP256, P384: oidP384, P521: oidP521, Secp256k1: oidSecp256k1}[name]
		})
		if again, err := Import(spec, named); err != nil || !bytes.Equal(again, good) {
			t.Errorf("%s: Import(curve named twice) = %x, %v; want %x", name, again, err, good)
		}
	}
}

// rsaFrom encodes an RSA key as its numbers are.
func rsaFrom(t *testing.T, n, d *big.Int, e int, primes ...*big.Int) []byte {
	t.Helper()
	p, q := primes[0], primes[1]
	inner := must[[]byte](t)(asn1.Marshal(struct {
		Version              int
		N                    *big.Int
		E                    int
		D, P, Q, Dp, Dq, Inv *big.Int
	}{0, n, e, d, p, q, below(d, p), below(d, q), inverse(q, p)}))
	return must[[]byte](t)(asn1.Marshal(pkcs8{Algorithm: pkix.AlgorithmIdentifier{Algorithm: oidRSA, Parameters: asn1.NullRawValue}, PrivateKey: inner}))
}

// below returns d modulo p-1.
func below(d, p *big.Int) *big.Int {
	m := new(big.Int).Sub(p, big.NewInt(1))
	if m.Sign() == 0 {
		return m
	}
	return m.Mod(d, m)
}

func inverse(a, m *big.Int) *big.Int {
	if i := new(big.Int).ModInverse(a, m); i != nil {
		return i
	}
	return new(big.Int)
}

// rsaOf encodes the key with two factors and an exponent, private exponent modulo
// (p-1)(q-1).
func rsaOf(t *testing.T, p, q *big.Int, e int) []byte {
	t.Helper()
	one := big.NewInt(1)
	phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
	return rsaFrom(t, new(big.Int).Mul(p, q), inverse(big.NewInt(int64(e)), phi), e, p, q)
}

// prime returns a random prime that is 1 modulo neither 3 nor 65537, with its two
// highest bits set.
func prime(t *testing.T, bits int) *big.Int {
	t.Helper()
	for {
		p := must[*big.Int](t)(rand.Prime(rand.Reader, bits))
		if new(big.Int).Mod(p, big.NewInt(3)).Int64() != 1 && new(big.Int).Mod(p, big.NewInt(65537)).Int64() != 1 {
			return p
		}
	}
}

func TestCheckRSA(t *testing.T) {
	spec := lookup(t, RSA2048)
	p, q := prime(t, 1024), prime(t, 1024)
	if p.Cmp(q) < 0 {
		p, q = q, p
	}
	good := rsaOf(t, p, q, 65537)
	stored, err := Import(spec, good)
	if err != nil {
		t.Fatalf("Import(): %v", err)
	}
	if again, err := Import(spec, rsaOf(t, q, p, 65537)); err != nil || !bytes.Equal(again, stored) {
		t.Errorf("Import(factors swapped) = %v; want the same key", err)
	}
	k := must[any](t)(x509.ParsePKCS8PrivateKey(stored)).(*rsa.PrivateKey)
	n, d, one := k.N, k.D, big.NewInt(1)
	composite := new(big.Int).Mul(prime(t, 512), prime(t, 512))
	for _, test := range []struct {
		name string
		der  []byte
		want error
	}{
		{"exponent 3", rsaOf(t, p, q, 3), ErrMaterialKey},
		{"exponent 1", rsaFrom(t, n, one, 1, p, q), ErrMaterialKey},
		{"even exponent", rsaFrom(t, n, d, 65538, p, q), ErrMaterialKey},
		{"modulus of other factors", rsaFrom(t, new(big.Int).Add(n, big.NewInt(2)), d, 65537, p, q), ErrMaterialKey},
		{"private exponent off by two", rsaFrom(t, n, new(big.Int).Add(d, big.NewInt(2)), 65537, p, q), ErrMaterialKey},
		{"one factor twice", rsaOf(t, p, p, 65537), ErrMaterialKey},
		{"factors 1 and n", rsaFrom(t, n, d, 65537, n, one), ErrMaterialKey},
		{"factor that is no prime", compositeRSA(t, p, composite), ErrMaterialKey},
		{"factors of other sizes", rsaOf(t, prime(t, 1048), prime(t, 1000), 65537), ErrMaterialKey},
		{"factors close to each other", closeRSA(t, p), ErrMaterialKey},
		{"modulus of 2047 bits", rsaOf(t, prime(t, 1024), prime(t, 1023), 65537), ErrMaterialSpec},
		{"modulus of 1024 bits", rsaOf(t, prime(t, 512), prime(t, 512), 65537), ErrMaterialSpec},
		{"no CRT numbers", edit(t, good, func(p *pkcs8) { p.PrivateKey = bytes.Clone(p.PrivateKey[:300]) }), ErrMaterial},
		{"RSASSA-PSS", edit(t, good, func(p *pkcs8) { p.Algorithm.Algorithm = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10} }), ErrMaterialSpec},
		{"no parameters", edit(t, good, func(p *pkcs8) { p.Algorithm.Parameters = asn1.RawValue{} }), ErrMaterialFormat},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := Check(spec, test.der); !errors.Is(err, test.want) {
				t.Errorf("Check() = %v; want %v", err, test.want)
			}
		})
	}
	for _, other := range []string{RSA3072, RSA4096} {
		if err := Check(lookup(t, other), good); !errors.Is(err, ErrMaterialSpec) {
			t.Errorf("Check(%s) = %v; want %v", other, err, ErrMaterialSpec)
		}
	}
}

// compositeRSA makes a key whose second factor is no prime, and whose numbers
// belong together as far as modular arithmetic tells.
func compositeRSA(t *testing.T, p, composite *big.Int) []byte {
	t.Helper()
	for composite.Bit(1023) == 0 || new(big.Int).Mul(p, composite).BitLen() != 2048 ||
		new(big.Int).Mod(new(big.Int).Sub(composite, big.NewInt(1)), big.NewInt(65537)).Sign() == 0 {
		composite = new(big.Int).Mul(prime(t, 512), prime(t, 512))
	}
	return rsaOf(t, p, composite, 65537)
}

// closeRSA makes a key that Fermat's method factors.
func closeRSA(t *testing.T, p *big.Int) []byte {
	t.Helper()
	q := new(big.Int).Add(p, big.NewInt(2))
	for !q.ProbablyPrime(10) || new(big.Int).Mod(q, big.NewInt(65537)).Int64() == 1 {
		q.Add(q, big.NewInt(2))
	}
	return rsaOf(t, p, q, 65537)
}

// TestDeriveRefuses tries peers that lead off the curve.
func TestDeriveRefuses(t *testing.T) {
	for _, name := range []string{P256, P384, P521} {
		spec := lookup(t, name)
		k := open(t, spec, material(t, spec))
		curve, oid := nistCurve(spec)
		size := (curve.Params().BitSize + 7) / 8
		parameters := must[[]byte](t)(asn1.Marshal(oid))
		peer := func(point []byte) []byte { return must[[]byte](t)(marshalPublic(oidEC, parameters, point)) }
		own := publicOf(t, spec, material(t, spec)).Bytes
		off := bytes.Clone(own)
		off[2*size] ^= 1
		uncompressed := func(x, y *big.Int) []byte {
			return append(x.FillBytes(make([]byte, size)), y.FillBytes(make([]byte, size))...)
		}
		field := curve.Params().P
		other := map[string]elliptic.Curve{P256: elliptic.P384(), P384: elliptic.P256(), P521: elliptic.P256()}[name]
		otherKey := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(other, rand.Reader))
		x25519 := must[*ecdh.PrivateKey](t)(ecdh.X25519().GenerateKey(rand.Reader))
		_, ed, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		for what, der := range map[string][]byte{
			"nothing":               nil,
			"too long":              make([]byte, maxPublicKey+1),
			"point at infinity":     peer([]byte{0}),
			"point of zeros":        peer(append([]byte{4}, make([]byte, 2*size)...)),
			"point off the curve":   peer(off),
			"point without its tag": peer(own[1:]),
			"short point":           peer(own[:size+1]),
			"hybrid point":          peer(append([]byte{6 + own[2*size]&1}, own[1:]...)),
			"compressed point":      peer(append([]byte{2 + own[2*size]&1}, own[1:1+size]...)),
			"coordinates p":         peer(append([]byte{4}, uncompressed(field, field)...)),
			"coordinate above p":    peer(append([]byte{4}, uncompressed(new(big.Int).SetBytes(bytes.Repeat([]byte{0xff}, size)), field)...)),
			"another curve":         must[[]byte](t)(x509.MarshalPKIXPublicKey(&otherKey.PublicKey)),
			"X25519":                must[[]byte](t)(x509.MarshalPKIXPublicKey(x25519.PublicKey())),
			"Ed25519":               must[[]byte](t)(x509.MarshalPKIXPublicKey(ed.Public())),
			"secp256k1":             open(t, lookup(t, Secp256k1), material(t, lookup(t, Secp256k1))).Public(),
			"RSA":                   open(t, lookup(t, RSA2048), material(t, lookup(t, RSA2048))).Public(),
			"private key":           material(t, spec),
			"byte more":             append(bytes.Clone(k.Public()), 0),
		} {
			if secret, err := k.Derive(ECDH, der); secret != nil || !errors.Is(err, ErrInvalidPublicKey) {
				t.Errorf("%s: Derive(%s) = %x, %v; want nil, %v", name, what, secret, err, ErrInvalidPublicKey)
			}
		}
		if _, err := k.Derive(ECDH, peer(own)); err != nil {
			t.Errorf("%s: Derive(own public key) = %v; want nil", name, err)
		}
	}
}

// TestDataKeyPairs compares with the model of the AWS SDK.
func TestDataKeyPairs(t *testing.T) {
	want := []string{RSA2048, RSA3072, RSA4096, P256, P384, P521, Ed25519, Secp256k1, MLKEM512, MLKEM768, MLKEM1024}
	if got := DataKeyPairNames(); !slices.Equal(got, want) {
		t.Errorf("DataKeyPairNames() = %v; want %v", got, want)
	}
}
