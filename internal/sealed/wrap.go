package sealed

import (
	"encoding/binary"
	"fmt"
)

// A Mode is the way in which an object's keys are protected. It decides where
// the secrets of the wrap come from.
type Mode uint8

// The modes.
const (
	ModeS3        Mode = 1 // SSE-S3: the account's service secret
	ModeKMS       Mode = 2 // SSE-KMS: a KMS data key
	ModeBucketKey Mode = 3 // SSE-KMS with a bucket key
	ModeDSSE      Mode = 4 // DSSE-KMS: a KMS data key, then the account's service secret
	ModeCustomer  Mode = 5 // SSE-C: the client's key
)

// String returns the name of the mode, such as "SSE-KMS", or "mode(n)".
func (m Mode) String() string {
	switch m {
	case ModeS3:
		return "SSE-S3"
	case ModeKMS:
		return "SSE-KMS"
	case ModeBucketKey:
		return "SSE-KMS with a bucket key"
	case ModeDSSE:
		return "DSSE-KMS"
	case ModeCustomer:
		return "SSE-C"
	}
	return fmt.Sprintf("mode(%d)", uint8(m))
}

// Suite returns the suite of the objects of the mode, and so how many secrets
// wrap them; 0 for an unknown mode.
func (m Mode) Suite() Suite {
	switch m {
	case ModeS3, ModeKMS, ModeBucketKey, ModeCustomer:
		return Single
	case ModeDSSE:
		return Double
	}
	return 0
}

// An Origin is the place where an object was first written. It stays with the
// object when the object is replicated.
type Origin struct {
	Store   [16]byte
	Bucket  [16]byte // the bucket's ID, not its name
	Key     string
	Version string
}

// A Binding is what a wrap says of its object. A wrap opens for the very same
// Binding only.
type Binding struct {
	Origin  Origin
	Content Content
	// Parts is the hash of the part list of an object in parts, whose Content
	// has no commitment; otherwise zero. See [PartListHash].
	Parts [32]byte
}

// check returns ErrFormat unless b is complete.
func (b *Binding) check() error {
	return b.Content.check(b.Parts != [32]byte{})
}

// appendTo appends the canonical encoding of b: every field is of fixed size or
// follows its length, so no two bindings share an encoding.
func (b *Binding) appendTo(dst []byte) []byte {
	dst = append(dst, b.Origin.Store[:]...)
	dst = append(dst, b.Origin.Bucket[:]...)
	dst = appendString(dst, b.Origin.Key)
	dst = appendString(dst, b.Origin.Version)
	dst = b.Content.appendTo(dst)
	return append(dst, b.Parts[:]...)
}

func appendString[T string | []byte](dst []byte, s T) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(s)))
	return append(dst, s...)
}

// Sizes of a wrap and its boxes.
const (
	wrapPrefix = 1 + 1 + 32 // version, mode, salt
	keyBox     = boxOverhead + KeySize
)

// wrapContext returns the info string and the additional data of the box of one
// layer.
func wrapContext(mode Mode, layer int, b *Binding) (string, []byte) {
	n := byte(layer + 1)
	aad := make([]byte, 0, 256+len(b.Origin.Key)+len(b.Origin.Version))
	aad = append(aad, Version, byte(mode), n)
	return info(infoWrap, byte(mode), n), b.appendTo(aad)
}

// Wrap seals the keys of an object, its data keys or its upload keys, under the
// secrets of the mode, in the order that the mode's comment gives. The salt is
// 32 random bytes, fresh for each wrap: it makes the wrapping key one that is
// used once.
//
// It returns ErrFormat if mode, secrets, keys and binding do not go together.
func Wrap(mode Mode, secrets []Secret, salt [32]byte, keys Keys, b Binding) ([]byte, error) {
	if err := checkWrap(mode, secrets, &b); err != nil {
		return nil, err
	}
	if keys.Suite() != b.Content.Suite {
		return nil, fmt.Errorf("%w: %d keys for suite %v", ErrFormat, len(keys), b.Content.Suite)
	}
	out := make([]byte, 0, wrapPrefix+len(keys)*keyBox)
	out = append(out, Version, byte(mode))
	out = append(out, salt[:]...)
	for i := range keys {
		info, aad := wrapContext(mode, i, &b)
		out = appendBox(out, (*[KeySize]byte)(&secrets[i]), &salt, info, aad, keys[i][:])
	}
	return out, nil
}

// WrapMode returns the mode of a wrap, which decides the secrets that open it.
// It returns ErrFormat if the version or the mode is unknown, and ErrDamaged if
// the wrap has not the size that its mode asks for.
func WrapMode(wrap []byte) (Mode, error) {
	if len(wrap) < wrapPrefix {
		return 0, fmt.Errorf("wrap: %w", ErrDamaged)
	}
	if wrap[0] != Version {
		return 0, fmt.Errorf("wrap: %w: version %d", ErrFormat, wrap[0])
	}
	mode := Mode(wrap[1])
	suite := mode.Suite()
	if suite == 0 {
		return 0, fmt.Errorf("wrap: %w: %v", ErrFormat, mode)
	}
	if len(wrap) != wrapPrefix+suite.layers()*keyBox {
		return 0, fmt.Errorf("wrap: %w", ErrDamaged)
	}
	return mode, nil
}

// Unwrap opens a wrap. The caller wipes the keys after use.
//
// It returns ErrWrongKey if the secrets are not those of the wrap, ErrDamaged if
// the wrap was altered or belongs to another binding, and ErrFormat if the
// version or mode is unknown, or the binding or the number of secrets does not
// fit the mode. With SSE-C, [CheckKey] tells for sure whose fault ErrWrongKey is.
func Unwrap(secrets []Secret, wrap []byte, b Binding) (Keys, error) {
	mode, err := WrapMode(wrap)
	if err != nil {
		return nil, err
	}
	if err := checkWrap(mode, secrets, &b); err != nil {
		return nil, err
	}
	salt := [32]byte(wrap[2:])
	keys := make(Keys, len(secrets))
	for i := range keys {
		info, aad := wrapContext(mode, i, &b)
		box := wrap[wrapPrefix+i*keyBox:][:keyBox]
		if err := openKey(&keys[i], (*[KeySize]byte)(&secrets[i]), &salt, info, aad, box); err != nil {
			keys.Wipe()
			return nil, fmt.Errorf("wrap: %w", err)
		}
	}
	return keys, nil
}

// checkWrap returns ErrFormat unless mode, secrets and binding go together.
func checkWrap(mode Mode, secrets []Secret, b *Binding) error {
	suite := mode.Suite()
	switch {
	case suite == 0:
		return fmt.Errorf("wrap: %w: %v", ErrFormat, mode)
	case len(secrets) != suite.layers():
		return fmt.Errorf("wrap: %w: %d secrets for %v", ErrFormat, len(secrets), mode)
	case b.Content.Suite != suite:
		return fmt.Errorf("wrap: %w: suite %v for %v", ErrFormat, b.Content.Suite, mode)
	}
	return b.check()
}
