package sealed

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
)

// Hex is a byte string that stands in hexadecimal in the vectors.
type Hex []byte

func (h *Hex) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

type contentVector struct {
	ID, Commitment Hex
	Length         int64
	Suite          uint8
}

func (v contentVector) content() Content {
	return Content{ID: [32]byte(v.ID), Suite: Suite(v.Suite), Commitment: v.Commitment, Length: v.Length}
}

type bindingVector struct {
	Store, Bucket, Parts Hex
	Key, Version         string
	Content              contentVector
}

func (v *bindingVector) binding() Binding {
	return Binding{
		Origin:  Origin{Store: [16]byte(v.Store), Bucket: [16]byte(v.Bucket), Key: v.Key, Version: v.Version},
		Content: v.Content.content(),
		Parts:   [32]byte(v.Parts),
	}
}

type partVector struct {
	Upload  string
	Number  uint32
	Content contentVector
}

func (v *partVector) binding() PartBinding {
	return PartBinding{Upload: v.Upload, Number: v.Number, Content: v.Content.content()}
}

func load(t testing.TB, name string, v any) {
	t.Helper()
	b, err := os.ReadFile("testdata/vectors/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatal(err)
	}
}

func keysOf(hs []Hex) Keys {
	var ks Keys
	for _, h := range hs {
		ks = append(ks, DataKey(h))
	}
	return ks
}

func secretsOf(hs []Hex) []Secret {
	var ss []Secret
	for _, h := range hs {
		ss = append(ss, Secret(h))
	}
	return ss
}

// wantError fails the test unless err is the error that a vector names, and no
// other of this package's.
func wantError(t *testing.T, err error, name string) {
	t.Helper()
	for n, e := range map[string]error{"damaged": ErrDamaged, "wrong key": ErrWrongKey, "format": ErrFormat} {
		if got, want := errors.Is(err, e), n == name; got != want {
			t.Errorf("errors.Is(%v, %v) = %t, want %t", err, e, got, want)
		}
	}
}

type bodyVector struct {
	Name             string
	Keys             []Hex
	Nonces           []Hex
	Plain            Hex
	PlainRule        string
	Body, BodySHA256 Hex
	Error            string
	contentVector
}

func (v *bodyVector) plain(t *testing.T) []byte {
	if v.PlainRule == "" {
		return v.Plain
	}
	var n int
	if _, err := fmt.Sscanf(v.PlainRule, "pattern(%d)", &n); err != nil {
		t.Fatal(err)
	}
	return pattern(n)
}

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i % 251)
	}
	return b
}

// A replay is AES-GCM that seals with nonces from a list.
type replay struct {
	cipher.AEAD
	nonces [][]byte
}

func (r *replay) Seal(dst, _, plain, aad []byte) []byte {
	nonce := r.nonces[0]
	r.nonces = r.nonces[1:]
	return append(dst, r.AEAD.Seal(bytes.Clone(nonce), nonce, plain, aad)...)
}

// rebuild seals the plaintext of a vector with its nonces.
func rebuild(t *testing.T, v *bodyVector, plain []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := NewWriter(&out, keysOf(v.Keys), [32]byte(v.ID))
	if err != nil {
		t.Fatal(err)
	}
	if c := w.Content(); !bytes.Equal(c.Commitment, v.Commitment) {
		t.Fatalf("commitment %x, want %x", c.Commitment, v.Commitment)
	}
	for i, k := range v.Keys {
		key, _ := derive((*[32]byte)(k), (*[32]byte)(v.ID), info(infoSegment, v.Suite, byte(i+1)))
		block, err := aes.NewCipher(key[:])
		if err != nil {
			t.Fatal(err)
		}
		gcm, err := cipher.NewGCM(block)
		if err != nil {
			t.Skipf("nonces can't be chosen here: %v", err)
		}
		r := &replay{AEAD: gcm}
		for j := i; j < len(v.Nonces); j += len(v.Keys) {
			r.nonces = append(r.nonces, v.Nonces[j])
		}
		w.seg.aeads[i] = r
	}
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestBodyVectors(t *testing.T) {
	var vs struct{ Accepted, Rejected []bodyVector }
	load(t, "bodies.json", &vs)
	for _, v := range vs.Accepted {
		t.Run(v.Name, func(t *testing.T) {
			plain, body := v.plain(t), []byte(v.Body)
			if body == nil {
				body = rebuild(t, &v, plain)
				if sum := sha256.Sum256(body); !bytes.Equal(sum[:], v.BodySHA256) {
					t.Fatalf("SHA-256 of the body is %x, want %x", sum, v.BodySHA256)
				}
			}
			got, err := openAll(body, keysOf(v.Keys), v.content())
			if err != nil || !bytes.Equal(got, plain) {
				t.Errorf("opened %d bytes, %v; want %d, <nil>", len(got), err, len(plain))
			}
			if size := SealedSize(v.Length, Suite(v.Suite)); size != int64(len(body)) {
				t.Errorf("SealedSize(%d) = %d, want %d", v.Length, size, len(body))
			}
			c, err := ParseHeader(body)
			if err != nil || c.ID != [32]byte(v.ID) || c.Suite != Suite(v.Suite) || !bytes.Equal(c.Commitment, v.Commitment) {
				t.Errorf("ParseHeader() = %v, %v", c, err)
			}
			if v.Body != nil && !bytes.Equal(rebuild(t, &v, plain), v.Body) {
				t.Error("sealed with the same nonces, the body differs")
			}
		})
	}
	for _, v := range vs.Rejected {
		t.Run(v.Name, func(t *testing.T) {
			got, err := openAll(v.Body, keysOf(v.Keys), v.content())
			if len(got) != 0 {
				t.Errorf("%d bytes came out", len(got))
			}
			wantError(t, err, v.Error)
		})
	}
}

// openAll opens a whole body. It returns what came out before an error.
func openAll(body []byte, keys Keys, c Content) ([]byte, error) {
	r, err := NewReader(bytes.NewReader(body), keys, c)
	if err != nil {
		return nil, err
	}
	g, err := r.Range(0, c.Length)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(g)
}

type boxVectors struct {
	Wraps, RejectedWraps []struct {
		Name, Error   string
		Secrets, Keys []Hex
		Binding       bindingVector
		Wrap          Hex
	}
	PartKeys, RejectedPartKeys []struct {
		Name, Error      string
		UploadKeys, Keys []Hex
		PartBinding      partVector
		PartKey          Hex
	}
	Checksums, RejectedChecksums []struct {
		Name, Error   string
		Keys          []Hex
		Binding       *bindingVector
		PartBinding   *partVector
		Plain, Sealed Hex
	}
	KeyChecks []struct{ Key, Salt, Check Hex }
	PartLists []struct {
		Parts, Chunks           int
		Length, LastChunkOffset int64
		LastChunkHash, Hash     Hex
	}
}

func bound(b *bindingVector, p *partVector) Bound {
	if b != nil {
		b := b.binding()
		return &b
	}
	c := p.binding()
	return &c
}

func sameKeys(a, b Keys) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func TestBoxVectors(t *testing.T) {
	var vs boxVectors
	load(t, "boxes.json", &vs)
	for _, v := range vs.Wraps {
		t.Run(v.Name, func(t *testing.T) {
			b := v.Binding.binding()
			keys, err := Unwrap(secretsOf(v.Secrets), v.Wrap, b)
			if err != nil || !sameKeys(keys, keysOf(v.Keys)) {
				t.Fatalf("Unwrap: %v, or other keys", err)
			}
			again, err := Wrap(Mode(v.Wrap[1]), secretsOf(v.Secrets), [32]byte(v.Wrap[2:]), keys, b)
			if err != nil || len(again) != len(v.Wrap) || !bytes.Equal(again[:66], v.Wrap[:66]) {
				t.Errorf("Wrap gives %x, %v; want %x up to the nonce", again, err, v.Wrap)
			}
		})
	}
	for _, v := range vs.RejectedWraps {
		t.Run("wrap: "+v.Name, func(t *testing.T) {
			keys, err := Unwrap(secretsOf(v.Secrets), v.Wrap, v.Binding.binding())
			if keys != nil {
				t.Error("keys came out")
			}
			wantError(t, err, v.Error)
		})
	}
	for _, v := range vs.PartKeys {
		t.Run(v.Name, func(t *testing.T) {
			keys, err := OpenPartKey(keysOf(v.UploadKeys), v.PartKey, v.PartBinding.binding())
			if err != nil || !sameKeys(keys, keysOf(v.Keys)) {
				t.Fatalf("OpenPartKey: %v, or other keys", err)
			}
		})
	}
	for _, v := range vs.RejectedPartKeys {
		t.Run(v.Name, func(t *testing.T) {
			keys, err := OpenPartKey(keysOf(v.UploadKeys), v.PartKey, v.PartBinding.binding())
			if keys != nil {
				t.Error("keys came out")
			}
			wantError(t, err, v.Error)
		})
	}
	for _, v := range vs.Checksums {
		t.Run(v.Name, func(t *testing.T) {
			plain, err := OpenSmall(keysOf(v.Keys), bound(v.Binding, v.PartBinding), v.Sealed)
			if err != nil || !bytes.Equal(plain, v.Plain) {
				t.Errorf("OpenSmall() = %x, %v; want %x, <nil>", plain, err, v.Plain)
			}
		})
	}
	for _, v := range vs.RejectedChecksums {
		t.Run(v.Name, func(t *testing.T) {
			plain, err := OpenSmall(keysOf(v.Keys), bound(v.Binding, v.PartBinding), v.Sealed)
			if plain != nil {
				t.Error("something came out")
			}
			wantError(t, err, v.Error)
		})
	}
	for _, v := range vs.KeyChecks {
		if got := KeyCheck(Secret(v.Key), [32]byte(v.Salt)); !bytes.Equal(got[:], v.Check) {
			t.Errorf("KeyCheck() = %x, want %x", got, v.Check)
		}
		if !CheckKey(Secret(v.Key), [32]byte(v.Salt), [32]byte(v.Check)) {
			t.Error("CheckKey refuses the key")
		}
		v.Key[31] ^= 1
		if CheckKey(Secret(v.Key), [32]byte(v.Salt), [32]byte(v.Check)) {
			t.Error("CheckKey takes another key")
		}
	}
	for _, v := range vs.PartLists {
		t.Run(fmt.Sprintf("list of %d parts", v.Parts), func(t *testing.T) {
			parts, length := ruleParts(v.Parts)
			chunks := PartChunks(parts)
			last := chunks[len(chunks)-1]
			if len(chunks) != v.Chunks || length != v.Length || last.Offset != v.LastChunkOffset || !bytes.Equal(last.Hash[:], v.LastChunkHash) {
				t.Errorf("%d chunks, length %d, last at %d: %x", len(chunks), length, last.Offset, last.Hash)
			}
			if got := PartListHash(length, chunks); !bytes.Equal(got[:], v.Hash) {
				t.Errorf("PartListHash() = %x, want %x", got, v.Hash)
			}
		})
	}
}

// ruleParts returns the parts of the rule in boxes.json and their length.
func ruleParts(n int) (parts []PartEntry, length int64) {
	for i := 1; i <= n; i++ {
		num := binary.BigEndian.AppendUint32(nil, uint32(i))
		commitment := sha256.Sum256(append(bytes.Clone(num), 'c'))
		c := Content{ID: sha256.Sum256(num), Suite: Single, Commitment: commitment[:], Length: 5<<20 + int64(i)}
		key := "\x01" + strings.Repeat(string(num), 23)
		parts = append(parts, PartEntry{Number: uint32(i), Content: c, Key: []byte(key)})
		length += c.Length
	}
	return parts, length
}
