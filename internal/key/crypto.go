package key

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"coffer/internal/keyblob"
	"coffer/internal/meta"
)

// A Sealed is the answer of Encrypt.
type Sealed struct {
	Blob     []byte
	Key      *Key
	Material MaterialID
}

// An Opened is the answer of Decrypt. The caller wipes Plaintext.
type Opened struct {
	Plaintext []byte
	Key       *Key
	Material  MaterialID
}

// Format writes what is not secret.
func (o Opened) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "{%s %s %v}", redacted, o.Key.ARN, o.Material)
}

// MarshalJSON returns "[secret]".
func (o Opened) MarshalJSON() ([]byte, error) { return Secret{}.MarshalJSON() }

// LogValue returns [secret].
func (o Opened) LogValue() slog.Value { return Secret{}.LogValue() }

// usable returns the error of using a key in its state.
func (key *Key) usable() error {
	switch key.State {
	case Enabled:
		return nil
	case Disabled:
		return ErrDisabled
	case PendingDeletion:
		return ErrPendingDeletion
	default:
		return ErrInvalidState
	}
}

// Encrypt seals plaintext under the current material of a key, bound to the
// encryption context. The context is not secret.
//
// It returns ErrNotFound, ErrDisabled, ErrPendingDeletion, ErrInvalidState, or
// ErrTooLarge for a plaintext above keyblob.MaxPlaintext.
func (k *Keys) Encrypt(ctx context.Context, ref Ref, plaintext []byte, encryptionContext map[string]string) (Sealed, error) {
	key, err := k.Get(ctx, ref)
	if err != nil {
		return Sealed{}, err
	}
	if err := key.usable(); err != nil {
		return Sealed{}, err
	}
	m, err := k.material(ctx, key.Material)
	if errors.Is(err, ErrUnknownMaterial) {
		// The key was destroyed since it was read.
		return Sealed{}, ErrNotFound
	}
	if err != nil {
		return Sealed{}, err
	}
	defer m.secret.Wipe()
	var salt [32]byte
	if _, err := io.ReadFull(k.rand, salt[:]); err != nil {
		return Sealed{}, fmt.Errorf("draw salt: %w", err)
	}
	blob, err := keyblob.Seal(keyblob.Material(m.secret), keyblob.MaterialID(key.Material), salt, plaintext, encryptionContext)
	if errors.Is(err, keyblob.ErrTooLarge) {
		return Sealed{}, ErrTooLarge
	}
	if err != nil {
		return Sealed{}, fmt.Errorf("seal under %s: %w", key.ARN, err)
	}
	return Sealed{blob, key, key.Material}, nil
}

// KeyOf returns the key that made a blob, without opening it and in whatever
// state the key is, so that a caller can be authorized first.
//
// It returns ErrInvalidCiphertext for what is no blob, ErrUnknownMaterial for
// the blob of a destroyed or foreign key.
func (k *Keys) KeyOf(ctx context.Context, blob []byte) (*Key, error) {
	h, err := keyblob.Parse(blob)
	if err != nil {
		return nil, ErrInvalidCiphertext
	}
	key, m, err := k.keyOf(ctx, MaterialID(h.Material))
	m.secret.Wipe()
	return key, err
}

// Decrypt opens a blob that Encrypt made under the same encryption context.
//
// It returns ErrInvalidCiphertext, ErrUnknownMaterial, ErrDisabled,
// ErrPendingDeletion or ErrInvalidState.
func (k *Keys) Decrypt(ctx context.Context, blob []byte, encryptionContext map[string]string) (Opened, error) {
	h, err := keyblob.Parse(blob)
	if err != nil {
		return Opened{}, ErrInvalidCiphertext
	}
	key, m, err := k.keyOf(ctx, MaterialID(h.Material))
	defer m.secret.Wipe()
	if err != nil {
		return Opened{}, err
	}
	if err := key.usable(); err != nil {
		return Opened{}, err
	}
	plain, err := keyblob.Open(keyblob.Material(m.secret), blob, encryptionContext)
	if err != nil {
		return Opened{}, ErrInvalidCiphertext
	}
	return Opened{plain, key, MaterialID(h.Material)}, nil
}

// keyOf returns a material and its key.
func (k *Keys) keyOf(ctx context.Context, id MaterialID) (*Key, material, error) {
	m, err := k.material(ctx, id)
	if err != nil {
		return nil, material{}, err
	}
	key, err := k.Get(ctx, m.ref)
	if errors.Is(err, ErrNotFound) {
		err = ErrUnknownMaterial
	}
	return key, m, err
}

// material returns one material, or ErrUnknownMaterial. It does not look at the
// state of the key; the caller wipes its copy.
func (k *Keys) material(ctx context.Context, id MaterialID) (material, error) {
	m, era, ok := k.materials.get(id)
	if ok {
		return m, nil
	}
	err := k.meta.View(ctx, func(r meta.Reader) error {
		ref, number, row, err := versionOf(r, id)
		if err != nil {
			return err
		}
		if _, err := getKey(r, ref); err != nil {
			return err
		}
		m = material{ref: ref, version: number}
		return k.root.view(func(s *epochState) error {
			m.secret, err = s.unwrap(ref, number, row)
			return err
		})
	})
	switch {
	case errors.Is(err, ErrNotFound):
		return material{}, ErrUnknownMaterial
	case err != nil:
		return material{}, fmt.Errorf("open key material %s: %w", id, err)
	}
	k.materials.put(era, id, m)
	return m, nil
}

// versionOf returns the version that a material belongs to, or ErrNotFound.
func versionOf(r meta.Reader, id MaterialID) (Ref, uint32, *versionRow, error) {
	at, err := getRow[materialRow](r, materialKey(id))
	if errors.Is(err, meta.ErrNotFound) {
		return Ref{}, 0, nil, ErrNotFound
	}
	if err != nil {
		return Ref{}, 0, nil, err
	}
	row, err := getRow[versionRow](r, versionKey(at.ref(), at.Version))
	if err != nil {
		return Ref{}, 0, nil, fmt.Errorf("version %d of %s: %w", at.Version, at.ref(), err)
	}
	if row.Material != id {
		return Ref{}, 0, nil, fmt.Errorf("%w: version %d of %s has another material", meta.ErrCorrupt, at.Version, at.ref())
	}
	return at.ref(), at.Version, row, nil
}

// unwrap returns the material of one version. It returns ErrPunctured if the
// leaf is gone, and meta.ErrCorrupt if the row does not open.
func (s *epochState) unwrap(ref Ref, number uint32, row *versionRow) (Secret, error) {
	leafSecret, err := s.leaf(row.leaf())
	if err != nil {
		return Secret{}, err
	}
	defer leafSecret.Wipe()
	secret, err := unwrap(&leafSecret, row.Wrapped, &wrapping{kindKMS, ref, number, row.Material})
	if err != nil {
		return Secret{}, fmt.Errorf("%w: version %d of %s does not open", meta.ErrCorrupt, number, ref)
	}
	return secret, nil
}
