package key

import "coffer/internal/meta"

// Usable returns nil if the key may be used in the state that r sees, so that a
// transaction which relies on the key conflicts with one that changes it. The
// errors are those of Encrypt.
func (k *Keys) Usable(r meta.Reader, ref Ref) error {
	row, err := getKey(r, ref)
	if err != nil {
		return err
	}
	return row.key(ref).usable()
}
