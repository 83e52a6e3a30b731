package sealed

// boxOverhead is what a box adds to its content: commitment, nonce and tag.
const boxOverhead = KeySize + Overhead

// appendBox appends a box with plain in it. The salt and info string give the
// box a key of its own.
func appendBox(dst []byte, secret *[KeySize]byte, salt *[32]byte, info string, aad, plain []byte) []byte {
	key, commitment := derive(secret, salt, info)
	dst = append(dst, commitment[:]...)
	return newAEAD(&key).Seal(dst, nil, plain, aad)
}

// openBox returns what is in a box. It returns ErrWrongKey if the secret is not
// the one that the box commits to, and ErrDamaged if the box or aad was altered.
func openBox(secret *[KeySize]byte, salt *[32]byte, info string, aad, box []byte) ([]byte, error) {
	if len(box) < boxOverhead {
		return nil, ErrDamaged
	}
	key, commitment := derive(secret, salt, info)
	defer clear(key[:])
	if !equal(commitment[:], box[:KeySize]) {
		return nil, ErrWrongKey
	}
	plain, err := newAEAD(&key).Open(nil, nil, box[KeySize:], aad)
	if err != nil {
		return nil, ErrDamaged
	}
	return plain, nil
}

// openKey opens a box that holds a data key into k.
func openKey(k *DataKey, secret *[KeySize]byte, salt *[32]byte, info string, aad, box []byte) error {
	plain, err := openBox(secret, salt, info, aad, box)
	if err != nil {
		return err
	}
	defer clear(plain)
	if len(plain) != KeySize {
		return ErrDamaged
	}
	copy(k[:], plain)
	return nil
}
