package keyspec

import "errors"

// Errors about what was asked of a key.
var (
	// ErrAlgorithm means that keys of the spec do not know the algorithm.
	ErrAlgorithm = errors.New("keyspec: algorithm is incompatible with the key spec")
	// ErrMessageType means that the algorithm does not take messages of the type.
	ErrMessageType = errors.New("keyspec: message type is incompatible with the algorithm")
	// ErrMessageTooLong means a message above MaxMessage.
	ErrMessageTooLong = errors.New("keyspec: message is too long")
	// ErrDigestLength means a DIGEST that is not as long as the hash of the
	// algorithm, or an EXTERNAL_MU that does not have 64 bytes.
	ErrDigestLength = errors.New("keyspec: digest is of the wrong length")
	// ErrPlaintextTooLong means a plaintext that the padding leaves no room for:
	// see [Spec.MaxPlaintext].
	ErrPlaintextTooLong = errors.New("keyspec: plaintext is too long")
	// ErrInvalidSignature means that the signature is not one of the message
	// under the key and algorithm.
	ErrInvalidSignature = errors.New("keyspec: signature is invalid")
	// ErrInvalidMAC means that the MAC is not one of the message under the key
	// and algorithm.
	ErrInvalidMAC = errors.New("keyspec: MAC is invalid")
	// ErrInvalidCiphertext means a ciphertext that does not decrypt, or an
	// encapsulated secret of the wrong length. It never tells why.
	ErrInvalidCiphertext = errors.New("keyspec: ciphertext is invalid")
	// ErrInvalidPublicKey means that a peer's public key is no
	// SubjectPublicKeyInfo of a point on the curve of the key.
	ErrInvalidPublicKey = errors.New("keyspec: public key is invalid")
	// ErrWiped means that the key was wiped: whoever held it opens it anew.
	ErrWiped = errors.New("keyspec: key is wiped")
	// ErrForbidden means that the process allows only what FIPS 140-3
	// approves, and this is not.
	ErrForbidden = errors.New("keyspec: not approved by FIPS 140-3")
)

// Errors about key material. Each wraps ErrMaterial.
var (
	// ErrMaterial means that bytes are no key material of the spec. For material
	// that opened from its wrapping, ImportKeyMaterial answers
	// IncorrectKeyMaterialException.
	ErrMaterial = errors.New("keyspec: key material is invalid")
	// ErrMaterialSize means symmetric key material of the wrong length.
	ErrMaterialSize = materialError("length is wrong")
	// ErrMaterialFormat means that the bytes are not one DER-encoded, not
	// encrypted PKCS #8 private key.
	ErrMaterialFormat = materialError("not a PKCS #8 private key")
	// ErrMaterialSpec means a private key of another spec: another algorithm,
	// curve or size.
	ErrMaterialSpec = materialError("private key is of another key spec")
	// ErrMaterialKey means a private key that contradicts itself or is weak: a
	// public key that is not its own, numbers that do not belong together, a
	// factor that is no prime, an exponent out of range.
	ErrMaterialKey = materialError("private key is inconsistent or weak")
)

// A materialErr is a kind of ErrMaterial.
type materialErr string

func materialError(text string) error { return materialErr(text) }

func (e materialErr) Error() string { return "keyspec: key material is invalid: " + string(e) }

// Is makes every kind an ErrMaterial.
func (materialErr) Is(target error) bool { return target == ErrMaterial }
