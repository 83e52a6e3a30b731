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

// Usable returns nil if the state of the key lets it be used, and otherwise the error
// of Encrypt.
func (key *Key) Usable() error {
	switch key.State {
	case Enabled:
		return nil
	case Disabled:
		return ErrDisabled
	case PendingDeletion, PendingReplicaDeletion:
		return ErrPendingDeletion
	case PendingImport:
		return ErrPendingImport
	case Unavailable:
		return ErrUnavailable
	default:
		return ErrInvalidState
	}
}

// Encrypt seals plaintext under the current material of a symmetric key, bound to
// the encryption context. The context is not secret. If the key has subjects, the
// context names one, whose key is made if it is the first to be sealed for it.
//
// It returns ErrNotFound, ErrDisabled, ErrPendingDeletion, ErrPendingImport,
// ErrUnavailable, ErrInvalidState, ErrTooLarge for a plaintext above
// keyblob.MaxPlaintext, of keys in an external key store an *extkey.Error, and of
// subjects ErrNoSubject, ErrSubjectDisabled,
// ErrSubjectPendingDeletion or ErrSubjectDestroyed.
func (k *Keys) Encrypt(ctx context.Context, ref Ref, plaintext []byte, encryptionContext map[string]string) (Sealed, error) {
	key, err := k.Get(ctx, ref)
	if err != nil {
		return Sealed{}, err
	}
	if err := key.Usable(); err != nil {
		return Sealed{}, err
	}
	m, err := k.material(ctx, ref.Region, key.Material)
	if errors.Is(err, ErrUnknownMaterial) {
		// The key was destroyed since it was read.
		return Sealed{}, ErrNotFound
	}
	if err != nil {
		return Sealed{}, err
	}
	defer m.secret.Wipe()
	if err := k.mixSubject(ctx, key, &m, encryptionContext, true); err != nil {
		return Sealed{}, err
	}
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
	if key.Origin == OriginKeyStore {
		if blob, err = k.encryptOutside(ctx, key, blob, encryptionContext); err != nil {
			return Sealed{}, err
		}
	}
	return Sealed{blob, key, key.Material}, nil
}

// KeyOf returns the key that made a blob, for a caller in region, without opening
// it and in whatever state the key is, so that a caller can be authorized first.
//
// It returns ErrInvalidCiphertext for what is no blob, ErrUnknownMaterial for
// the blob of a destroyed or foreign key.
func (k *Keys) KeyOf(ctx context.Context, region string, blob []byte) (*Key, error) {
	h, err := keyblob.Parse(blob)
	if err != nil {
		return nil, ErrInvalidCiphertext
	}
	return k.OfMaterial(ctx, region, MaterialID(h.Material))
}

// OfMaterial returns the key that has a material, for a caller in region, or
// ErrUnknownMaterial.
func (k *Keys) OfMaterial(ctx context.Context, region string, id MaterialID) (*Key, error) {
	ref, err := k.owner(ctx, region, id)
	if err != nil {
		return nil, err
	}
	key, err := k.Get(ctx, ref)
	if errors.Is(err, ErrNotFound) {
		err = ErrUnknownMaterial
	}
	return key, err
}

// Decrypt opens a blob that Encrypt made under the same encryption context, for a
// caller in region.
//
// It returns ErrInvalidCiphertext, ErrUnknownMaterial, ErrMaterialMissing, and
// those of Encrypt that a key's state and its subjects give.
func (k *Keys) Decrypt(ctx context.Context, region string, blob []byte, encryptionContext map[string]string) (Opened, error) {
	h, err := keyblob.Parse(blob)
	if err != nil {
		return Opened{}, ErrInvalidCiphertext
	}
	id := MaterialID(h.Material)
	m, err := k.material(ctx, region, id)
	defer m.secret.Wipe()
	missing := errors.Is(err, ErrMaterialMissing)
	if missing {
		m.ref, err = k.owner(ctx, region, id)
	}
	if err != nil {
		return Opened{}, err
	}
	key, err := k.Get(ctx, m.ref)
	if errors.Is(err, ErrNotFound) {
		err = ErrUnknownMaterial
	}
	if err == nil {
		err = key.Usable()
	}
	if err == nil && missing {
		err = ErrMaterialMissing
	}
	if err == nil {
		err = k.mixSubject(ctx, key, &m, encryptionContext, false)
	}
	if err != nil {
		return Opened{}, err
	}
	// A blob without its outer layer, as an external key manager sees it, is none of
	// a key in an external key store.
	if h.External != (key.Origin == OriginKeyStore) {
		return Opened{}, ErrInvalidCiphertext
	}
	if h.External {
		if blob, err = k.decryptOutside(ctx, key, blob, encryptionContext); err != nil {
			return Opened{}, err
		}
	}
	plain, err := keyblob.Open(keyblob.Material(m.secret), blob, encryptionContext)
	switch {
	case err != nil && h.External:
		return Opened{}, errDamaged
	case err != nil:
		return Opened{}, ErrInvalidCiphertext
	}
	return Opened{plain, key, id}, nil
}

// owner returns the key that has a material, for a caller in region.
func (k *Keys) owner(ctx context.Context, region string, id MaterialID) (Ref, error) {
	if m, _, ok := k.materials.get(materialAt{id, region}); ok {
		m.secret.Wipe()
		return m.ref, nil
	}
	var ref Ref
	err := k.meta.View(ctx, func(r meta.Reader) error {
		at, err := getRow[materialRow](r, materialKey(id))
		if err == nil {
			ref = at.ref(region)
		}
		return err
	})
	if errors.Is(err, meta.ErrNotFound) {
		return Ref{}, ErrUnknownMaterial
	}
	return ref, err
}

// material returns one material for a caller in region, or ErrUnknownMaterial. It
// does not look at the state of the key; the caller wipes its copy.
func (k *Keys) material(ctx context.Context, region string, id MaterialID) (material, error) {
	m, era, ok := k.materials.get(materialAt{id, region})
	if ok {
		return m, nil
	}
	err := k.meta.View(ctx, func(r meta.Reader) error {
		ref, number, row, err := versionOf(r, region, id)
		if err != nil {
			return err
		}
		key, err := getKey(r, ref)
		if err != nil {
			return err
		}
		m = material{id: id, ref: ref, version: number}
		err = k.root.view(func(s *epochState) error {
			m.secret, err = s.unwrap(ref, number, row)
			return err
		})
		if err == nil && row.Body != nil {
			m.opened, err = openKey(key.Spec, &m.secret, row.Body, &wrapping{kindBody, ref, number, id})
		}
		return err
	})
	switch {
	case errors.Is(err, ErrNotFound):
		return material{}, ErrUnknownMaterial
	case errors.Is(err, errMissing), errors.Is(err, ErrPunctured):
		return material{}, ErrMaterialMissing
	case err != nil:
		return material{}, fmt.Errorf("open key material %s: %w", id, err)
	}
	k.materials.put(era, materialAt{id, m.ref.Region}, m)
	return m, nil
}

// errMissing means that a material is known, and has no version now.
var errMissing = errors.New("key: no version of the material")

// versionOf returns the version that a material belongs to, for a caller in region.
// It returns ErrNotFound if the material is not known, and errMissing if it was
// imported and is not here now.
func versionOf(r meta.Reader, region string, id MaterialID) (Ref, uint32, *versionRow, error) {
	at, err := getRow[materialRow](r, materialKey(id))
	if errors.Is(err, meta.ErrNotFound) {
		return Ref{}, 0, nil, ErrNotFound
	}
	if err != nil {
		return Ref{}, 0, nil, err
	}
	ref := at.ref(region)
	row, err := getRow[versionRow](r, versionKey(ref, at.Version))
	if errors.Is(err, meta.ErrNotFound) {
		return ref, at.Version, nil, errMissing
	}
	if err != nil {
		return Ref{}, 0, nil, fmt.Errorf("version %d of %s: %w", at.Version, ref, err)
	}
	if row.Material != id {
		return Ref{}, 0, nil, fmt.Errorf("%w: version %d of %s has another material", meta.ErrCorrupt, at.Version, ref)
	}
	return ref, at.Version, row, nil
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
