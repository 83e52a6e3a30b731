package parts

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha512"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"coffer/internal/rootseal"
)

// recordPrefix begins the name under which a store keeps, beside the frontiers,
// the sealed roots of an epoch. Callers can't use it.
const recordPrefix = "root-parts-"

func recordName(epoch uint64) string { return fmt.Sprintf("%s%016x", recordPrefix, epoch) }

const (
	sealVersion = 1
	sealedSize  = 1 + 12 + 32 + 16 // version, nonce, root, tag
	infoHolder  = "coffer/v1/root-holder"
	aadRoot     = "coffer/v1/sealed-root"
)

// place is what a sealed root is bound to: its epoch, its holder and the set.
func place(label string, epoch uint64, holder int, set *Set) []byte {
	digest := set.digest()
	b := binary.BigEndian.AppendUint64([]byte(label), epoch)
	b = binary.BigEndian.AppendUint16(b, uint16(holder))
	return append(b, digest[:]...)
}

// holderAEAD returns the cipher that seals the root for one holder. secrets are
// those of its parts, in the order of the set. The key seals once, since every
// holder has a share that was drawn for this epoch alone: its nonce, drawn at
// random, never meets another one.
func holderAEAD(secrets []rootseal.Secret, epoch uint64, holder int, set *Set) (cipher.AEAD, error) {
	all := make([]byte, 0, 32*len(secrets))
	defer func() { clear(all[:cap(all)]) }()
	for i := range secrets {
		all = append(all, secrets[i][:]...)
	}
	key, err := hkdf.Key(sha512.New, all, nil, string(place(infoHolder, epoch, holder, set)), 32)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

func sealRoot(root *rootseal.Secret, secrets []rootseal.Secret, epoch uint64, holder int, set *Set) ([]byte, error) {
	aead, err := holderAEAD(secrets, epoch, holder, set)
	if err != nil {
		return nil, err
	}
	return aead.Seal([]byte{sealVersion}, nil, root[:], place(aadRoot, epoch, holder, set)), nil
}

// errSeal means that a sealed root does not open: a part gave another secret than
// when it was sealed, or the set, or the sealed root, was altered.
var errSeal = errors.New("the sealed root does not open with these parts")

func openRoot(sealed []byte, secrets []rootseal.Secret, epoch uint64, holder int, set *Set) (root rootseal.Secret, err error) {
	if len(sealed) != sealedSize || sealed[0] != sealVersion {
		return root, errSeal
	}
	aead, err := holderAEAD(secrets, epoch, holder, set)
	if err != nil {
		return root, err
	}
	plain, err := aead.Open(nil, nil, sealed[1:], place(aadRoot, epoch, holder, set))
	if err != nil {
		return root, errSeal
	}
	copy(root[:], plain)
	clear(plain)
	return root, nil
}

// encodeRecord returns what a store keeps of an epoch besides its share: the set,
// so that a store that is found alone says what it needs, and the sealed root of
// each holder.
//
//	record = u32 length | set as JSON | sealed root of each holder
func encodeRecord(set *Set, sealed [][]byte) ([]byte, error) {
	text, err := json.Marshal(set)
	if err != nil {
		return nil, err
	}
	b := binary.BigEndian.AppendUint32(nil, uint32(len(text)))
	b = append(b, text...)
	for _, s := range sealed {
		b = append(b, s...)
	}
	return b, nil
}

// decodeRecord decodes and checks a record.
func decodeRecord(b []byte) (*Set, [][]byte, error) {
	if len(b) < 4 || uint64(len(b)-4) < uint64(binary.BigEndian.Uint32(b)) {
		return nil, nil, setErrorf("a record that is cut")
	}
	n := int(binary.BigEndian.Uint32(b))
	text, rest := b[4:4+n], b[4+n:]
	set := new(Set)
	if err := strict(text, set); err != nil {
		return nil, nil, setErrorf("%v", err)
	}
	if err := set.Check(); err != nil {
		return nil, nil, err
	}
	if len(rest) != len(set.Holders)*sealedSize {
		return nil, nil, setErrorf("%d bytes of sealed roots for %d holders", len(rest), len(set.Holders))
	}
	sealed := make([][]byte, len(set.Holders))
	for i := range sealed {
		sealed[i] = rest[i*sealedSize : (i+1)*sealedSize]
	}
	return set, sealed, nil
}
