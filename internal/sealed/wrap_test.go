package sealed

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"
)

// testSecrets returns secrets that differ for each name.
func testSecrets(m Mode, name string) []Secret {
	secrets := make([]Secret, m.Suite().layers())
	for i := range secrets {
		secrets[i] = Secret(testID(fmt.Sprint(name, " secret ", i)))
	}
	return secrets
}

func testContent(s Suite, name string, length int64) Content {
	id := testID(name)
	_, commitment := layers(testKeys(s, name), &id)
	return Content{ID: id, Suite: s, Commitment: commitment, Length: length}
}

func testBinding(s Suite, name string) Binding {
	return Binding{
		Origin:  Origin{Store: [16]byte{1}, Bucket: [16]byte{2}, Key: "a/b", Version: "v1"},
		Content: testContent(s, name, 1000),
	}
}

var modes = []Mode{ModeS3, ModeKMS, ModeBucketKey, ModeDSSE, ModeCustomer}

func TestWrap(t *testing.T) {
	for _, m := range modes {
		keys, b := testKeys(m.Suite(), "wrap"), testBinding(m.Suite(), "wrap")
		wrap, err := Wrap(m, testSecrets(m, "wrap"), [32]byte{7}, keys, b)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := WrapMode(wrap); got != m || err != nil {
			t.Errorf("WrapMode() = %v, %v; want %v", got, err, m)
		}
		got, err := Unwrap(testSecrets(m, "wrap"), wrap, b)
		if err != nil || !sameKeys(got, keys) {
			t.Errorf("%v: Unwrap: %v, or other keys", m, err)
		}
		for i := range testSecrets(m, "wrap") {
			wrong := testSecrets(m, "wrap")
			wrong[i][31] ^= 1
			if _, err := Unwrap(wrong, wrap, b); !errors.Is(err, ErrWrongKey) {
				t.Errorf("%v with another secret %d: %v, want %v", m, i, err, ErrWrongKey)
			}
		}
		for i := range wrap {
			bad := bytes.Clone(wrap)
			bad[i] ^= 0x20
			if keys, err := Unwrap(testSecrets(m, "wrap"), bad, b); err == nil || keys != nil {
				t.Errorf("%v with byte %d flipped: %v", m, i, err)
			}
		}
		for n := range wrap {
			if _, err := Unwrap(testSecrets(m, "wrap"), wrap[:n], b); !errors.Is(err, ErrDamaged) {
				t.Errorf("%v cut to %d bytes: %v, want %v", m, n, err, ErrDamaged)
			}
		}
		again, err := Wrap(m, testSecrets(m, "wrap"), [32]byte{7}, keys, b)
		if err != nil || bytes.Equal(again, wrap) {
			t.Errorf("two wraps are the same, %v", err)
		}
	}
}

// changes lists every way in which one field of a binding can differ.
var changes = map[string]func(*Binding){
	"store":             func(b *Binding) { b.Origin.Store[15]++ },
	"bucket":            func(b *Binding) { b.Origin.Bucket[0]++ },
	"key":               func(b *Binding) { b.Origin.Key = "a/c" },
	"no key":            func(b *Binding) { b.Origin.Key = "" },
	"longer key":        func(b *Binding) { b.Origin.Key += "\x00" },
	"version":           func(b *Binding) { b.Origin.Version = "v2" },
	"no version":        func(b *Binding) { b.Origin.Version = "" },
	"key and version":   func(b *Binding) { b.Origin.Key, b.Origin.Version = "a/bv", "1" },
	"content ID":        func(b *Binding) { b.Content.ID[3]++ },
	"shorter":           func(b *Binding) { b.Content.Length-- },
	"longer":            func(b *Binding) { b.Content.Length += 1 << 32 },
	"empty":             func(b *Binding) { b.Content.Length = 0 },
	"commitment":        func(b *Binding) { b.Content.Commitment[31]++ },
	"suite":             func(b *Binding) { b.Content.Suite ^= 3 },
	"parts":             func(b *Binding) { b.Parts[31]++ },
	"parts of an other": func(b *Binding) { b.Parts[0]++; b.Content.Commitment = nil },
}

func TestMovedWrap(t *testing.T) {
	for _, m := range modes {
		for _, inParts := range []bool{false, true} {
			b := testBinding(m.Suite(), "moved")
			if inParts {
				b.Parts, b.Content.Commitment = [32]byte{9}, nil
			}
			wrap, err := Wrap(m, testSecrets(m, "moved"), [32]byte{7}, testKeys(m.Suite(), "moved"), b)
			if err != nil {
				t.Fatal(err)
			}
			for name, change := range changes {
				if inParts && name == "commitment" {
					continue
				}
				c := b
				c.Content.Commitment = bytes.Clone(b.Content.Commitment)
				change(&c)
				keys, err := Unwrap(testSecrets(m, "moved"), wrap, c)
				if keys != nil || !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrFormat) {
					t.Errorf("%v, in parts %t, opens with another %s: %v", m, inParts, name, err)
				}
			}
		}
	}
}

// A wrap of one mode is none of another, even under the same secret.
func TestModesAreApart(t *testing.T) {
	for _, m := range modes {
		for _, other := range modes {
			if other == m || other.Suite() != m.Suite() {
				continue
			}
			b := testBinding(m.Suite(), "apart")
			wrap, err := Wrap(m, testSecrets(m, "apart"), [32]byte{7}, testKeys(m.Suite(), "apart"), b)
			if err != nil {
				t.Fatal(err)
			}
			wrap[1] = byte(other)
			if _, err := Unwrap(testSecrets(m, "apart"), wrap, b); !errors.Is(err, ErrWrongKey) {
				t.Errorf("%v passes for %v: %v", m, other, err)
			}
		}
	}
}

// Re-keying replaces the wrap: the same keys come out, the body stays.
func TestRekey(t *testing.T) {
	b := testBinding(Single, "rekey")
	keys := testKeys(Single, "rekey")
	old, err := Wrap(ModeS3, testSecrets(ModeS3, "service"), [32]byte{1}, keys, b)
	if err != nil {
		t.Fatal(err)
	}
	small, err := SealSmall(keys, &b, []byte("crc"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := Unwrap(testSecrets(ModeS3, "service"), old, b)
	if err != nil {
		t.Fatal(err)
	}
	wrap, err := Wrap(ModeKMS, testSecrets(ModeKMS, "kms"), [32]byte{2}, got, b)
	if err != nil {
		t.Fatal(err)
	}
	got, err = Unwrap(testSecrets(ModeKMS, "kms"), wrap, b)
	if err != nil || !sameKeys(got, keys) {
		t.Fatalf("the new wrap: %v, or other keys", err)
	}
	if s, err := OpenSmall(got, &b, small); err != nil || string(s) != "crc" {
		t.Errorf("the checksums after re-keying: %q, %v", s, err)
	}
	if _, err := Unwrap(testSecrets(ModeS3, "service"), wrap, b); !errors.Is(err, ErrWrongKey) {
		t.Errorf("the old secret opens the new wrap: %v", err)
	}
}

func TestWrapRefusesMismatch(t *testing.T) {
	b1, b2 := testBinding(Single, "x"), testBinding(Double, "x")
	s1, s2 := testSecrets(ModeS3, "x"), testSecrets(ModeDSSE, "x")
	k1, k2 := testKeys(Single, "x"), testKeys(Double, "x")
	noCommitment := b1
	noCommitment.Content.Commitment = nil
	partsAndCommitment := b1
	partsAndCommitment.Parts[0] = 1
	for i, c := range []struct {
		mode    Mode
		secrets []Secret
		keys    Keys
		b       Binding
	}{
		{0, s1, k1, b1}, {6, s1, k1, b1}, {ModeS3, s2, k1, b1}, {ModeS3, s1, k2, b1}, {ModeS3, s1, k1, b2},
		{ModeDSSE, s1, k2, b2}, {ModeDSSE, s2, k1, b2}, {ModeDSSE, s2, k2, b1}, {ModeS3, nil, k1, b1}, {ModeS3, s1, nil, b1},
		{ModeS3, s1, k1, noCommitment}, {ModeS3, s1, k1, partsAndCommitment},
	} {
		if wrap, err := Wrap(c.mode, c.secrets, [32]byte{}, c.keys, c.b); !errors.Is(err, ErrFormat) {
			t.Errorf("%d: Wrap() = %x, %v; want %v", i, wrap, err, ErrFormat)
		}
	}
}

// The encodings of all bindings that differ differ.
func TestBindingEncodingIsInjective(t *testing.T) {
	seen := map[string]string{}
	for name, change := range changes {
		b := testBinding(Single, "enc")
		change(&b)
		e := string(b.appendTo(nil))
		if other, ok := seen[e]; ok {
			t.Errorf("%q and %q have the same encoding", name, other)
		}
		seen[e] = name
	}
	base := testBinding(Single, "enc")
	if name, ok := seen[string(base.appendTo(nil))]; ok {
		t.Errorf("%q does not change the encoding", name)
	}
}

func TestPartKey(t *testing.T) {
	for _, s := range suites {
		upload, keys := testKeys(s, "upload"), testKeys(s, "part")
		b := PartBinding{Upload: "u1", Number: 3, Content: testContent(s, "part", 5<<20)}
		key, err := SealPartKey(upload, keys, b)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := OpenPartKey(upload, key, b); err != nil || !sameKeys(got, keys) {
			t.Fatalf("OpenPartKey: %v, or other keys", err)
		}
		for i := range key {
			bad := bytes.Clone(key)
			bad[i] ^= 4
			if got, err := OpenPartKey(upload, bad, b); err == nil || got != nil {
				t.Errorf("with byte %d flipped it opens", i)
			}
		}
		for name, change := range map[string]func(*PartBinding){
			"upload":     func(b *PartBinding) { b.Upload = "u2" },
			"number":     func(b *PartBinding) { b.Number++ },
			"content ID": func(b *PartBinding) { b.Content.ID[0]++ },
			"length":     func(b *PartBinding) { b.Content.Length++ },
			"commitment": func(b *PartBinding) { b.Content.Commitment[0]++ },
			"suite":      func(b *PartBinding) { b.Content.Suite ^= 3 },
		} {
			c := b
			c.Content.Commitment = bytes.Clone(b.Content.Commitment)
			change(&c)
			if got, err := OpenPartKey(upload, key, c); err == nil || got != nil {
				t.Errorf("with another %s it opens", name)
			}
		}
		if _, err := OpenPartKey(testKeys(s, "other"), key, b); !errors.Is(err, ErrWrongKey) {
			t.Errorf("other upload keys: %v, want %v", err, ErrWrongKey)
		}
		if _, err := SealPartKey(upload, append(keys, keys...), b); !errors.Is(err, ErrFormat) {
			t.Errorf("too many part keys: %v, want %v", err, ErrFormat)
		}
		if _, err := SealPartKey(nil, keys, b); !errors.Is(err, ErrFormat) {
			t.Errorf("no upload keys: %v, want %v", err, ErrFormat)
		}
	}
}

// Whatever differs between two part lists shows in the hash.
func TestPartList(t *testing.T) {
	hash := func(parts []PartEntry) [32]byte {
		var n int64
		for _, p := range parts {
			n += p.Content.Length
		}
		return PartListHash(n, PartChunks(parts))
	}
	parts, _ := ruleParts(600)
	want := hash(parts)
	for name, change := range map[string]func([]PartEntry) []PartEntry{
		"a number":         func(p []PartEntry) []PartEntry { p[300].Number++; return p },
		"a length":         func(p []PartEntry) []PartEntry { p[300].Content.Length++; return p },
		"a content ID":     func(p []PartEntry) []PartEntry { p[300].Content.ID[0]++; return p },
		"a commitment":     func(p []PartEntry) []PartEntry { p[300].Content.Commitment = make([]byte, 32); return p },
		"a key":            func(p []PartEntry) []PartEntry { p[300].Key = make([]byte, 93); return p },
		"the order":        func(p []PartEntry) []PartEntry { p[0], p[1] = p[1], p[0]; return p },
		"order of chunks":  func(p []PartEntry) []PartEntry { return slices.Concat(p[256:512], p[:256], p[512:]) },
		"the last missing": func(p []PartEntry) []PartEntry { return p[:599] },
		"the first gone":   func(p []PartEntry) []PartEntry { return p[1:] },
		"one twice":        func(p []PartEntry) []PartEntry { return append(p, p[599]) },
		"a chunk missing":  func(p []PartEntry) []PartEntry { return slices.Concat(p[:256], p[512:]) },
	} {
		p, _ := ruleParts(600)
		if hash(change(p)) == want {
			t.Errorf("%s does not show in the hash", name)
		}
	}
	chunks := PartChunks(parts)
	for i, c := range chunks {
		group := parts[i*PartsPerChunk : min(len(parts), (i+1)*PartsPerChunk)]
		if err := c.Verify(group); err != nil {
			t.Errorf("chunk %d: %v", i, err)
		}
		if err := c.Verify(group[1:]); !errors.Is(err, ErrDamaged) {
			t.Errorf("chunk %d without its first part: %v, want %v", i, err, ErrDamaged)
		}
		c.Offset++
		if err := c.Verify(group); !errors.Is(err, ErrDamaged) {
			t.Errorf("chunk %d elsewhere: %v, want %v", i, err, ErrDamaged)
		}
	}
	if PartListHash(0, nil) == ([32]byte{}) {
		t.Error("an empty list has the hash that means none")
	}
}

func TestSmall(t *testing.T) {
	for _, s := range suites {
		keys, b := testKeys(s, "small"), testBinding(s, "small")
		p := PartBinding{Upload: "u", Number: 1, Content: b.Content}
		for _, plain := range [][]byte{nil, []byte("sha256"), make([]byte, MaxSmall)} {
			for _, bound := range []Bound{&b, &p} {
				sealed, err := SealSmall(keys, bound, plain)
				if err != nil {
					t.Fatal(err)
				}
				if got, err := OpenSmall(keys, bound, sealed); err != nil || !bytes.Equal(got, plain) {
					t.Errorf("OpenSmall() = %x, %v; want %x", got, err, plain)
				}
				if len(plain) > 100 {
					continue
				}
				for i := range sealed {
					bad := bytes.Clone(sealed)
					bad[i] ^= 1
					if _, err := OpenSmall(keys, bound, bad); err == nil {
						t.Errorf("with byte %d flipped it opens", i)
					}
				}
			}
		}
		sealed, err := SealSmall(keys, &b, []byte("sha256"))
		if err != nil {
			t.Fatal(err)
		}
		for name, change := range changes {
			c := b
			c.Content.Commitment = bytes.Clone(b.Content.Commitment)
			change(&c)
			if _, err := OpenSmall(keys, &c, sealed); err == nil {
				t.Errorf("it opens with another %s", name)
			}
		}
		if _, err := OpenSmall(keys, &p, sealed); !errors.Is(err, ErrDamaged) {
			t.Errorf("the checksums of an object pass for those of a part: %v", err)
		}
		if _, err := OpenSmall(testKeys(s, "other"), &b, sealed); !errors.Is(err, ErrWrongKey) {
			t.Errorf("other keys: %v, want %v", err, ErrWrongKey)
		}
		if _, err := SealSmall(keys, &b, make([]byte, MaxSmall+1)); !errors.Is(err, ErrTooLarge) {
			t.Errorf("too large: %v, want %v", err, ErrTooLarge)
		}
		if _, err := OpenSmall(keys, &b, make([]byte, MaxSmall+1000)); !errors.Is(err, ErrDamaged) {
			t.Errorf("too large to open: %v, want %v", err, ErrDamaged)
		}
	}
}
