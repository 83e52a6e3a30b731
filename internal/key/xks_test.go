package key

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"coffer/internal/xks"
)

type xksVector struct {
	Name       string   `json:"name"`
	Reject     string   `json:"reject,omitempty"` // why it does not open
	Material   hexBytes `json:"material"`
	Account    string   `json:"account"`
	KeyID      string   `json:"keyId"`
	AAD        hexBytes `json:"aad"`
	Metadata   hexBytes `json:"ciphertextMetadata"`
	IV         hexBytes `json:"initializationVector"`
	Ciphertext hexBytes `json:"ciphertext"`
	Tag        hexBytes `json:"authenticationTag"`
	Plaintext  hexBytes `json:"plaintext,omitempty"`
}

func TestXKSVectors(t *testing.T) {
	ref := Ref{account, region, "1234abcd-12ab-34cd-56ef-1234567890ab"}
	material := vectorSecret("xks material")
	metadata := slices.Concat([]byte{xksFormat, 0, 0, 0, 7}, []byte("fifteen of salt"))
	plain := []byte("an inner ciphertext")
	tests := vectors(t, "xks.json", func() []xksVector {
		make := func(name string, aad []byte) xksVector {
			c := sealExternal(&material, ref, metadata, plain, aad)
			return xksVector{name, "", material[:], account, ref.ID, aad, metadata, c.IV, c.Ciphertext, c.Tag, plain}
		}
		bare, bound := make("without additional data", nil), make("with additional data", []byte("project=nile"))
		out := []xksVector{bare, bound}
		reject := func(name string, v xksVector, change func(v *xksVector)) {
			v.Name, v.Reject, v.Plaintext = name, name, nil
			v.Metadata, v.Ciphertext, v.Tag, v.IV = slices.Clone(v.Metadata), slices.Clone(v.Ciphertext), slices.Clone(v.Tag), slices.Clone(v.IV)
			change(&v)
			out = append(out, v)
		}
		reject("another version in the metadata", bound, func(v *xksVector) { v.Metadata[4]++ })
		reject("another salt", bound, func(v *xksVector) { v.Metadata[19] ^= 1 })
		reject("another format", bound, func(v *xksVector) { v.Metadata[0]++ })
		reject("metadata as additional data", bare, func(v *xksVector) { v.AAD, v.Metadata = v.Metadata, nil })
		reject("additional data missing", bound, func(v *xksVector) { v.AAD = nil })
		reject("another ciphertext", bound, func(v *xksVector) { v.Ciphertext[0] ^= 1 })
		reject("another tag", bound, func(v *xksVector) { v.Tag[15] ^= 1 })
		reject("another vector", bound, func(v *xksVector) { v.IV[0] ^= 1 })
		reject("vector of 16 bytes", bound, func(v *xksVector) { v.IV = append(v.IV, 0, 0, 0, 0) })
		reject("another key", bound, func(v *xksVector) { v.KeyID = "1234abcd-12ab-34cd-56ef-1234567890ac" })
		reject("another account", bound, func(v *xksVector) { v.Account = "210987654321" })
		return out
	})
	for _, v := range tests {
		t.Run(v.Name, func(t *testing.T) {
			m := Secret(v.Material)
			got, err := openExternal(&m, Ref{v.Account, region, v.KeyID}, &ExternalCiphertext{v.Ciphertext, v.Metadata, v.IV, v.Tag}, v.AAD)
			if v.Reject == "" && (err != nil || !bytes.Equal(got, v.Plaintext)) {
				t.Errorf("openExternal = %x, %v; want %x", got, err, v.Plaintext)
			}
			if v.Reject != "" && !errors.Is(err, ErrInvalidCiphertext) {
				t.Errorf("openExternal = %x, %v; want ErrInvalidCiphertext", got, err)
			}
		})
	}
}

func TestExternal(t *testing.T) {
	w := newWorld(t)
	k := w.open()
	s, other := makeSample(t, k), makeSample(t, k)
	ctx := t.Context()
	aad := []byte("aad")
	first, key, err := k.EncryptExternal(ctx, s.key.Ref, sampleText, aad)
	if err != nil || key.Ref != s.key.Ref || len(first.Ciphertext) != len(sampleText) || len(first.Metadata) > xks.MaxMetadata || len(first.IV) != 12 || len(first.Tag) != 16 {
		t.Fatalf("EncryptExternal = %+v, %v, %v", first, key, err)
	}
	again, _, err := k.EncryptExternal(ctx, s.key.Ref, sampleText, aad)
	if err != nil || bytes.Equal(first.Ciphertext, again.Ciphertext) || bytes.Equal(first.Metadata, again.Metadata) {
		t.Errorf("the same twice: %+v, %v", again, err)
	}
	opens := func(c *ExternalCiphertext) {
		t.Helper()
		if got, _, err := k.DecryptExternal(ctx, s.key.Ref, c, aad); err != nil || !bytes.Equal(got, sampleText) {
			t.Errorf("DecryptExternal = %q, %v; want %q", got, err, sampleText)
		}
	}
	opens(first)
	// What is sealed for a KMS elsewhere says nothing about the key's own blobs.
	if got, _, err := k.DecryptExternal(ctx, other.key.Ref, first, aad); !errors.Is(err, ErrInvalidCiphertext) {
		t.Errorf("DecryptExternal with another key = %q, %v", got, err)
	}
	if _, err := k.RotateOnDemand(ctx, s.key.Ref, 25, nil); err != nil {
		t.Fatal(err)
	}
	opens(first)
	third, _, err := k.EncryptExternal(ctx, s.key.Ref, sampleText, aad)
	if err != nil || third.Metadata[4] != 2 {
		t.Errorf("after a rotation: %+v, %v; want version 2", third, err)
	}
	opens(third)
	unknown := *third
	unknown.Metadata = slices.Clone(third.Metadata)
	unknown.Metadata[4] = 9
	if _, _, err := k.DecryptExternal(ctx, s.key.Ref, &unknown, aad); !errors.Is(err, ErrInvalidCiphertext) {
		t.Errorf("DecryptExternal with a version that never was = %v", err)
	}
	if _, _, err := k.EncryptExternal(ctx, s.key.Ref, make([]byte, xks.MaxPlaintext+1), nil); !errors.Is(err, ErrTooLarge) {
		t.Errorf("EncryptExternal of too much = %v", err)
	}
	if _, err := k.Disable(ctx, s.key.Ref, nil); err != nil {
		t.Fatal(err)
	}
	if _, _, err := k.DecryptExternal(ctx, s.key.Ref, first, aad); !errors.Is(err, ErrDisabled) {
		t.Errorf("DecryptExternal with a disabled key = %v", err)
	}
	if _, _, err := k.EncryptExternal(ctx, Ref{account, region, "nothing"}, sampleText, nil); !errors.Is(err, ErrNotFound) {
		t.Errorf("EncryptExternal under no key = %v", err)
	}
}
