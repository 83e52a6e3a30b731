package key

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"fmt"
)

// Labels separate the uses of HKDF and HMAC, and start the additional data.
const (
	labelHead     = "coffer/v1/head"
	labelFrontier = "coffer/v1/frontier"
	labelPlan     = "coffer/v1/plan"
	labelTreeRoot = "coffer/v1/tree-root"
	labelTree     = "coffer/v1/tree"
	labelWrap     = "coffer/v1/key-wrap"
	labelService  = "coffer/v1/sse-s3"
	labelBody     = "coffer/v1/key-body"
	labelSubject  = "coffer/v1/subject"
	labelPurpose  = "coffer/v1/purpose/"
)

const (
	version1     = 1
	gcmOverhead  = 12 + 16 // nonce and tag
	saltSize     = 32
	shardSize    = 32 + 8
	headSize     = 32 + 16 + shardCount*shardSize
	materialSize = 32
)

var errNotOpen = errors.New("key: authentication failed")

// derive returns HKDF-SHA-512 of secret with a salt, for one label and what
// follows it.
func derive(secret *Secret, salt []byte, info string) Secret {
	b, err := hkdf.Key(sha512.New, secret[:], salt, info, 32)
	if err != nil {
		panic("key: internal error: hkdf: " + err.Error())
	}
	s := Secret(b)
	clear(b)
	return s
}

// gcm returns AES-256-GCM that puts a random nonce before each ciphertext. Each
// key here seals once: head keys and frontier keys come from a secret that is
// fresh for each head and frontier, wrapping keys from a fresh salt. So no nonce
// is ever used twice under one key, and a random one costs nothing.
func gcm(key *Secret) cipher.AEAD {
	b, err := aes.NewCipher(key[:])
	if err != nil {
		panic("key: internal error: aes: " + err.Error())
	}
	a, err := cipher.NewGCMWithRandomNonce(b)
	if err != nil {
		panic("key: internal error: gcm: " + err.Error())
	}
	return a
}

// seal returns version | nonce | ciphertext | tag.
func seal(key *Secret, plaintext, additional []byte) []byte {
	out := make([]byte, 1, 1+len(plaintext)+gcmOverhead)
	out[0] = version1
	return gcm(key).Seal(out, nil, plaintext, additional)
}

// open reverses seal. The caller wipes the plaintext.
func open(key *Secret, sealed, additional []byte) ([]byte, error) {
	if len(sealed) < 1+gcmOverhead || sealed[0] != version1 {
		return nil, errNotOpen
	}
	plain, err := gcm(key).Open(nil, nil, sealed[1:], additional)
	if err != nil {
		return nil, errNotOpen
	}
	return plain, nil
}

// A shard is one tree's entry in the head.
type shard struct {
	secret     Secret
	generation uint64 // epoch changes that punctured it
}

// A head is what the root secret seals.
type head struct {
	storeKey Secret
	storeID  [16]byte
	shards   [shardCount]shard
}

func (h *head) wipe() { *h = head{} }

func headData(epoch uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte(labelHead), epoch)
}

// sealHead seals h under the root secret of an epoch.
func sealHead(root *Secret, epoch uint64, h *head) []byte {
	plain := make([]byte, 0, headSize)
	plain = append(plain, h.storeKey[:]...)
	plain = append(plain, h.storeID[:]...)
	for i := range h.shards {
		plain = append(plain, h.shards[i].secret[:]...)
		plain = binary.BigEndian.AppendUint64(plain, h.shards[i].generation)
	}
	defer clear(plain)
	k := derive(root, nil, labelHead)
	defer k.Wipe()
	return seal(&k, plain, headData(epoch))
}

// openHead reverses sealHead.
func openHead(root *Secret, epoch uint64, sealed []byte) (*head, error) {
	k := derive(root, nil, labelHead)
	defer k.Wipe()
	plain, err := open(&k, sealed, headData(epoch))
	defer clear(plain)
	if err != nil || len(plain) != headSize {
		return nil, fmt.Errorf("%w: head of epoch %d does not open", ErrDamagedRoot, epoch)
	}
	h := new(head)
	copy(h.storeKey[:], plain)
	copy(h.storeID[:], plain[32:])
	for i := range h.shards {
		e := plain[48+i*shardSize:]
		copy(h.shards[i].secret[:], e)
		h.shards[i].generation = binary.BigEndian.Uint64(e[32:])
	}
	return h, nil
}

// treeRoot returns the whole tree of a shard of generation 0.
func treeRoot(number int, secret *Secret) frontier {
	info := binary.BigEndian.AppendUint16([]byte(labelTreeRoot), uint16(number))
	return frontier{{1, derive(secret, nil, string(info))}}
}

// frontierName is the name of a sealed frontier in the root store.
func frontierName(number int, generation uint64) string {
	return fmt.Sprintf("shard-%04d-%d", number, generation)
}

func frontierData(number int, generation uint64) []byte {
	b := binary.BigEndian.AppendUint16([]byte(labelFrontier), uint16(number))
	return binary.BigEndian.AppendUint64(b, generation)
}

// sealFrontier seals the frontier of a shard under the shard's secret.
func sealFrontier(number int, s *shard, f frontier) []byte {
	plain := f.appendTo(make([]byte, 0, len(f)*nodeSize))
	defer clear(plain)
	k := derive(&s.secret, nil, labelFrontier)
	defer k.Wipe()
	return seal(&k, plain, frontierData(number, s.generation))
}

// openFrontier reverses sealFrontier.
func openFrontier(number int, s *shard, sealed []byte) (frontier, error) {
	k := derive(&s.secret, nil, labelFrontier)
	defer k.Wipe()
	plain, err := open(&k, sealed, frontierData(number, s.generation))
	defer clear(plain)
	if err != nil {
		return nil, fmt.Errorf("%w: frontier of shard %d does not open", ErrDamagedRoot, number)
	}
	return parseFrontier(plain)
}

// A wrapping binds wrapped material to the row that it belongs to.
type wrapping struct {
	kind     string // kindKMS, kindService, kindBody or kindSubject
	ref      Ref    // without region and ID for kindService
	version  uint32
	material MaterialID
}

const (
	kindKMS     = "kms"
	kindService = "sse-s3"
	kindBody    = "kms-body"
	kindSubject = "subject" // the material ID is that of the subject
)

// data returns the additional data: the label, then each field with its length.
func (w *wrapping) data() []byte {
	b := []byte(labelWrap)
	for _, s := range []string{w.kind, w.ref.Account, w.ref.Region, w.ref.ID} {
		b = binary.BigEndian.AppendUint16(b, uint16(len(s)))
		b = append(b, s...)
	}
	b = binary.BigEndian.AppendUint32(b, w.version)
	return append(b, w.material[:]...)
}

// wrap returns salt | version | nonce | ciphertext | tag: the material under a
// key that the leaf and the salt, which is fresh, make.
func wrap(leaf *Secret, salt [saltSize]byte, w *wrapping, material *Secret) []byte {
	k := derive(leaf, salt[:], labelWrap)
	defer k.Wipe()
	return append(salt[:], seal(&k, material[:], w.data())...)
}

// unwrap reverses wrap.
func unwrap(leaf *Secret, wrapped []byte, w *wrapping) (Secret, error) {
	if len(wrapped) < saltSize {
		return Secret{}, errNotOpen
	}
	k := derive(leaf, wrapped[:saltSize], labelWrap)
	defer k.Wipe()
	plain, err := open(&k, wrapped[saltSize:], w.data())
	defer clear(plain)
	if err != nil {
		return Secret{}, err
	}
	if len(plain) != materialSize {
		return Secret{}, errNotOpen
	}
	return Secret(plain), nil
}

// sealBody returns salt | version | nonce | ciphertext | tag: material that is not 32
// bytes, under the secret of its version, which is wrapped under a leaf. w is of
// kindBody.
func sealBody(secret *Secret, salt [saltSize]byte, w *wrapping, body []byte) []byte {
	k := derive(secret, salt[:], labelBody)
	defer k.Wipe()
	return append(salt[:], seal(&k, body, w.data())...)
}

// openBody reverses sealBody. The caller wipes what it returns.
func openBody(secret *Secret, sealed []byte, w *wrapping) ([]byte, error) {
	if len(sealed) < saltSize {
		return nil, errNotOpen
	}
	k := derive(secret, sealed[:saltSize], labelBody)
	defer k.Wipe()
	return open(&k, sealed[saltSize:], w.data())
}

// mix returns the secret that seals for one subject: neither the material of the
// KMS key nor the subject's own key gives it alone.
func mix(material, subject *Secret, id MaterialID) Secret {
	return derive(material, subject[:], labelSubject+string(id[:]))
}
