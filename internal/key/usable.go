package key

import (
	"errors"

	"coffer/internal/meta"
)

// Usable returns nil if the key may be used for an encryption context in the state
// that r sees, so that a transaction which relies on the key conflicts with one that
// changes it or its subject. The errors are those of Encrypt.
func (k *Keys) Usable(r meta.Reader, ref Ref, encryptionContext map[string]string) error {
	row, err := getKey(r, ref)
	if err != nil {
		return err
	}
	key, err := placedIn(r, k.current(row.key(ref)))
	if err != nil {
		return err
	}
	if err := key.Usable(); err != nil || key.ShredBy == "" {
		return err
	}
	value, err := key.subjectIn(encryptionContext)
	if err != nil {
		return err
	}
	subject, err := getSubject(r, k.subjectAt(key, value))
	if errors.Is(err, ErrSubjectNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return (&openSubject{state: subject.state()}).usable()
}
