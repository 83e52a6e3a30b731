package keyspec

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// An openssl runs the program in a directory of its own.
type openssl struct {
	path, dir string
}

func newOpenSSL(t *testing.T) openssl {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	return openssl{path, t.TempDir()}
}

func (o openssl) write(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(o.dir, name), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func (o openssl) run(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(o.path, args...)
	cmd.Dir = o.dir
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("openssl %s: %v\n%s", strings.Join(args, " "), err, &errs)
	}
	return out.Bytes()
}

// generate makes a private key in PKCS #8. What genpkey itself writes as DER
// depends on the version.
func (o openssl) generate(t *testing.T, args []string) []byte {
	t.Helper()
	o.write(t, "new.pem", o.run(t, append([]string{"genpkey"}, args...)...))
	return o.run(t, "pkcs8", "-topk8", "-nocrypt", "-in", "new.pem", "-outform", "DER")
}

// genpkey are the arguments that make a private key of a spec that OpenSSL 3.0
// knows.
var genpkey = map[string][]string{
	RSA2048:   {"-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"},
	RSA3072:   {"-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"},
	RSA4096:   {"-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:4096"},
	P256:      {"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"},
	P384:      {"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"},
	P521:      {"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"},
	Secp256k1: {"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"},
	Ed25519:   {"-algorithm", "ED25519"},
}

// TestOpenSSL lets OpenSSL read what is generated here, imports what OpenSSL
// generates, and crosses every algorithm that OpenSSL 3.0 has.
func TestOpenSSL(t *testing.T) {
	for name, args := range genpkey {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOpenSSL(t)
			spec := lookup(t, name)

			ours := material(t, spec)
			o.write(t, "ours.der", ours)
			o.run(t, "pkey", "-inform", "DER", "-in", "ours.der", "-check", "-noout")
			k := open(t, spec, ours)
			if got := o.run(t, "pkey", "-inform", "DER", "-in", "ours.der", "-pubout", "-outform", "DER"); !bytes.Equal(got, k.Public()) {
				t.Errorf("OpenSSL derives the public key %x; want %x", got, k.Public())
			}
			if got := o.run(t, "pkcs8", "-topk8", "-nocrypt", "-inform", "DER", "-in", "ours.der", "-outform", "DER"); !bytes.Equal(got, ours) {
				t.Errorf("OpenSSL writes our key as\n%x; want\n%x", got, ours)
			}

			theirs := ours
			if name != RSA3072 && name != RSA4096 { // which take long
				theirs = o.generate(t, args)
			}
			stored, err := Import(spec, theirs)
			if err != nil || !bytes.Equal(stored, theirs) {
				t.Fatalf("Import() = %d bytes, %v; want the same %d bytes", len(stored), err, len(theirs))
			}
			k = open(t, spec, stored)
			o.write(t, "private.der", stored)
			o.write(t, "public.der", k.Public())
			if got := o.run(t, "pkey", "-inform", "DER", "-in", "private.der", "-pubout", "-outform", "DER"); !bytes.Equal(got, k.Public()) {
				t.Errorf("OpenSSL derives the public key %x; want %x", got, k.Public())
			}
			for other := range genpkey {
				if err := Check(lookup(t, other), theirs); other != name && !errors.Is(err, ErrMaterialSpec) {
					t.Errorf("Check(%s) = %v; want %v", other, err, ErrMaterialSpec)
				}
			}
			for _, usage := range spec.Usages() {
				for _, algorithm := range spec.Algorithms(usage) {
					switch usage {
					case SignVerify:
						o.sign(t, k, algorithm)
					case EncryptDecrypt:
						o.encrypt(t, k, algorithm)
					case KeyAgreement:
						o.derive(t, k, args)
					}
				}
			}
		})
	}
}

// sign crosses a signing algorithm. OpenSSL 3.0 has no Ed25519ph.
func (o openssl) sign(t *testing.T, k *Key, algorithm string) {
	t.Helper()
	if algorithm == Ed25519PHSHA512 {
		return
	}
	message := []byte("crossed with OpenSSL")
	o.write(t, "message", message)
	var options []string
	if algorithm == Ed25519SHA512 {
		options = []string{"-rawin"}
	} else {
		options = []string{"-rawin", "-digest", "sha" + algorithm[len(algorithm)-3:]}
	}
	if strings.HasPrefix(algorithm, "RSASSA_PSS") {
		options = append(options, "-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt", "rsa_pss_saltlen:digest")
	}
	ours, err := k.Sign(algorithm, message, Raw)
	if err != nil {
		t.Fatalf("Sign(%s): %v", algorithm, err)
	}
	o.write(t, "ours.sig", ours)
	o.run(t, append([]string{"pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", "public.der", "-in", "message", "-sigfile", "ours.sig"}, options...)...)
	theirs := o.run(t, append([]string{"pkeyutl", "-sign", "-keyform", "DER", "-inkey", "private.der", "-in", "message"}, options...)...)
	if err := k.Verify(algorithm, message, Raw, theirs); err != nil {
		t.Errorf("Verify(%s) = %v; want nil", algorithm, err)
	}
}

func (o openssl) encrypt(t *testing.T, k *Key, algorithm string) {
	t.Helper()
	hash := map[string]string{OAEPSHA1: "sha1", OAEPSHA256: "sha256"}[algorithm]
	options := []string{"-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:" + hash, "-pkeyopt", "rsa_mgf1_md:" + hash}
	plain := []byte("crossed with OpenSSL")
	o.write(t, "plain", plain)
	theirs := o.run(t, append([]string{"pkeyutl", "-encrypt", "-pubin", "-keyform", "DER", "-inkey", "public.der", "-in", "plain"}, options...)...)
	if got, err := k.Decrypt(algorithm, theirs); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("Decrypt(%s) = %q, %v; want %q", algorithm, got, err, plain)
	}
	ours, err := k.Encrypt(algorithm, plain)
	if err != nil {
		t.Fatal(err)
	}
	o.write(t, "ours", ours)
	if got := o.run(t, append([]string{"pkeyutl", "-decrypt", "-keyform", "DER", "-inkey", "private.der", "-in", "ours"}, options...)...); !bytes.Equal(got, plain) {
		t.Errorf("OpenSSL decrypts %s to %q; want %q", algorithm, got, plain)
	}
}

func (o openssl) derive(t *testing.T, k *Key, args []string) {
	t.Helper()
	o.write(t, "peer.der", o.generate(t, args))
	peer := o.run(t, "pkey", "-inform", "DER", "-in", "peer.der", "-pubout", "-outform", "DER")
	secret, err := k.Derive(ECDH, peer)
	if err != nil {
		t.Fatalf("Derive(): %v", err)
	}
	if got := o.run(t, "pkeyutl", "-derive", "-keyform", "DER", "-inkey", "peer.der", "-peerform", "DER", "-peerkey", "public.der"); !bytes.Equal(got, secret) {
		t.Errorf("OpenSSL derives %x; Derive() = %x", got, secret)
	}
}

// TestOpenSSLForms imports the other ways in which OpenSSL writes private keys.
func TestOpenSSLForms(t *testing.T) {
	o := newOpenSSL(t)
	for _, name := range []string{P256, P384, P521, Secp256k1} {
		spec := lookup(t, name)
		o.write(t, "key.der", o.generate(t, genpkey[name]))
		stored, err := Import(spec, o.run(t, "pkcs8", "-topk8", "-nocrypt", "-inform", "DER", "-in", "key.der", "-outform", "DER"))
		if err != nil || !bytes.Equal(open(t, spec, stored).Public(), o.run(t, "pkey", "-inform", "DER", "-in", "key.der", "-pubout", "-outform", "DER")) {
			t.Errorf("%s: Import() = %v", name, err)
		}
		o.write(t, "compressed.der", o.run(t, "ec", "-inform", "DER", "-in", "key.der", "-conv_form", "compressed", "-outform", "DER"))
		compressed := o.run(t, "pkcs8", "-topk8", "-nocrypt", "-inform", "DER", "-in", "compressed.der", "-outform", "DER")
		if again, err := Import(spec, compressed); err != nil || !bytes.Equal(again, stored) {
			t.Errorf("%s: Import(compressed point) = %x, %v; want %x", name, again, err, stored)
		}
		o.write(t, "nopoint.der", o.run(t, "ec", "-inform", "DER", "-in", "key.der", "-no_public", "-outform", "DER"))
		without := o.run(t, "pkcs8", "-topk8", "-nocrypt", "-inform", "DER", "-in", "nopoint.der", "-outform", "DER")
		if again, err := Import(spec, without); err != nil || !bytes.Equal(again, stored) {
			t.Errorf("%s: Import(no point) = %x, %v; want %x", name, again, err, stored)
		}
		for what, der := range map[string][]byte{
			"SEC 1":       o.run(t, "ec", "-inform", "DER", "-in", "key.der", "-outform", "DER"),
			"PEM":         o.run(t, "pkey", "-inform", "DER", "-in", "key.der"),
			"public key":  open(t, spec, stored).Public(),
			"traditional": o.run(t, "pkey", "-inform", "DER", "-in", "key.der", "-traditional", "-outform", "DER"),
			"parameters": o.run(t, "pkcs8", "-topk8", "-nocrypt", "-inform", "DER", "-in",
				o.explicit(t, "key.der"), "-outform", "DER"),
			"encrypted": o.run(t, "pkcs8", "-topk8", "-inform", "DER", "-in", "key.der", "-passout", "pass:test", "-outform", "DER"),
		} {
			if err := Check(spec, der); !errors.Is(err, ErrMaterialFormat) && !errors.Is(err, ErrMaterialSpec) {
				t.Errorf("%s: Check(%s) = %v; want %v", name, what, err, ErrMaterialFormat)
			}
		}
	}
}

// explicit writes a key with its curve spelled out, and returns the name.
func (o openssl) explicit(t *testing.T, in string) string {
	t.Helper()
	o.write(t, "explicit.der", o.run(t, "ec", "-inform", "DER", "-in", in, "-param_enc", "explicit", "-outform", "DER"))
	return "explicit.der"
}

// TestOpenSSLHMAC compares HMACs under a key of this test alone: it stands in an
// argument.
func TestOpenSSLHMAC(t *testing.T) {
	o := newOpenSSL(t)
	for name, algorithm := range map[string]string{HMAC224: HMACSHA224, HMAC256: HMACSHA256, HMAC384: HMACSHA384, HMAC512: HMACSHA512} {
		spec := lookup(t, name)
		key := bytes.Repeat([]byte{0x42}, spec.size)
		for _, size := range []int{0, 1, 200, MaxMessage} {
			message := bytes.Repeat([]byte{'m'}, size)
			o.write(t, "message", message)
			want := o.run(t, "dgst", "-sha"+strconv.Itoa(spec.size*8), "-mac", "HMAC", "-macopt", "hexkey:"+hex.EncodeToString(key), "-binary", "message")
			got, err := open(t, spec, key).GenerateMAC(algorithm, message)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("GenerateMAC(%s, %d bytes) = %x, %v; want %x", algorithm, size, got, err, want)
			}
		}
	}
}
