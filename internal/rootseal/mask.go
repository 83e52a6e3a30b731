package rootseal

import (
	"crypto/hkdf"
	"crypto/sha512"
	"encoding/binary"
)

// DeriveMask returns the mask of an epoch for a [Gate] that holds one lasting
// secret: HKDF-SHA-512 of the secret, with no salt and the info
// "coffer/v1/gate-mask" | u64 epoch.
func DeriveMask(secret *Secret, epoch uint64) (Secret, error) {
	info := binary.BigEndian.AppendUint64([]byte("coffer/v1/gate-mask"), epoch)
	b, err := hkdf.Key(sha512.New, secret[:], nil, string(info), len(secret))
	if err != nil {
		return Secret{}, err
	}
	defer clear(b)
	return Secret(b), nil
}
