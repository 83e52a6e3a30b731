package key

import (
	"context"
	"errors"
	"fmt"

	"coffer/internal/keyspec"
	"coffer/internal/meta"
)

// Use runs fn with the opened material of a key that is not SpecSymmetricDefault, if
// its state lets it be used. fn may run twice, and must not keep the material. The
// errors are those of Encrypt, and those of fn.
func (k *Keys) Use(ctx context.Context, ref Ref, fn func(*keyspec.Key) error) error {
	for {
		key, err := k.Get(ctx, ref)
		if err != nil {
			return err
		}
		if err := key.Usable(); err != nil {
			return err
		}
		err = k.withOpened(ctx, key, fn)
		if !errors.Is(err, keyspec.ErrWiped) || ctx.Err() != nil {
			return err
		}
		// It was evicted between the two.
	}
}

// Public returns the public key of an asymmetric key as SubjectPublicKeyInfo. The
// errors are those of Encrypt.
func (k *Keys) Public(ctx context.Context, ref Ref) (der []byte, err error) {
	err = k.Use(ctx, ref, func(opened *keyspec.Key) error {
		der = opened.Public()
		return nil
	})
	return der, err
}

func (k *Keys) withOpened(ctx context.Context, key *Key, fn func(*keyspec.Key) error) error {
	m, err := k.material(ctx, key.Region, key.Material)
	if errors.Is(err, ErrUnknownMaterial) {
		return ErrNotFound // the key was destroyed since it was read
	}
	if err != nil {
		return err
	}
	m.secret.Wipe()
	if m.opened == nil {
		return fmt.Errorf("%w: %s has no private key", meta.ErrCorrupt, key.Ref)
	}
	return fn(m.opened)
}

// openKey opens material that is not 32 bytes.
func openKey(spec string, secret *Secret, sealed []byte, w *wrapping) (*keyspec.Key, error) {
	body, err := openBody(secret, sealed, w)
	if err != nil {
		return nil, fmt.Errorf("%w: version %d of %s does not open", meta.ErrCorrupt, w.version, w.ref)
	}
	defer clear(body)
	known, ok := keyspec.Lookup(spec)
	if !ok {
		return nil, fmt.Errorf("%w: %s has the key spec %q", meta.ErrCorrupt, w.ref, spec)
	}
	return keyspec.Open(known, body)
}
