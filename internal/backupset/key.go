package backupset

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
)

// KeyPurpose is the purpose under which the key of backups is derived from the store
// key.
const KeyPurpose = "backup/v1"

const redacted = "[secret]"

// A Key is the key of a store's backups. It prints as [secret] under every verb.
type Key [32]byte

// String returns [secret].
func (Key) String() string { return redacted }

// GoString returns [secret].
func (Key) GoString() string { return redacted }

// Format writes [secret], also for verbs such as %x and %d.
func (Key) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

// MarshalJSON returns "[secret]".
func (Key) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// Labels of the keys that derive from a Key, and of what is named.
const (
	labelFile     = "coffer/v1/backup-file"
	labelName     = "coffer/v1/backup-name"
	labelBoundary = "coffer/v1/backup-boundary"
	labelSet      = "coffer/v1/backup-set"
	labelBlob     = "coffer/v1/backup-blob"
	labelChunk    = "coffer/v1/backup-chunk"
	labelManifest = "coffer/v1/backup-manifest"
)

// A Kind says what a file holds.
type Kind uint8

// The kinds of files.
const (
	KindRows     Kind = 1 // rows, or the list of blobs
	KindBlob     Kind = 2
	KindIndex    Kind = 3
	KindManifest Kind = 4
)

// dirs are the directories of the kinds.
var dirs = map[Kind]string{KindRows: "rows", KindBlob: "blobs", KindIndex: "index", KindManifest: "manifests"}

// Dir returns the directory in which files of a kind lie, or "" for a kind that is
// not known.
func (k Kind) Dir() string { return dirs[k] }

// An ID names a file and is part of what authenticates it.
type ID [32]byte

// String returns the ID in hexadecimal.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// ParseID reverses ID.String.
func ParseID(s string) (id ID, err error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(id) || hex.EncodeToString(b) != s {
		return id, fmt.Errorf("backupset: %q is no name of a file", s)
	}
	return ID(b), nil
}

// Path returns where a file of a kind other than a manifest lies in a backup set.
func Path(k Kind, id ID) string {
	name := id.String()
	return k.Dir() + "/" + name[:2] + "/" + name
}

// ManifestID returns the ID of the manifest of that name.
func ManifestID(name string) ID {
	return sha256.Sum256([]byte(labelManifest + "\x00" + name))
}

// ManifestPath returns where the manifest of that name lies.
func ManifestPath(name string) string { return KindManifest.Dir() + "/" + name }

// CheckManifestName returns an error unless name can be that of a manifest: 1 to 64
// of letters, digits and dashes.
func CheckManifestName(name string) error {
	ok := len(name) > 0 && len(name) <= 64
	for i := range len(name) {
		c := name[i]
		ok = ok && (c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-')
	}
	if !ok {
		return fmt.Errorf("backupset: %q is no name of a backup", name)
	}
	return nil
}

// A Codec seals, opens and names the files of one store's backups. It is safe for
// concurrent use.
type Codec struct{ file, name, boundary Key }

// NewCodec returns the codec of a key.
func NewCodec(key Key) *Codec {
	return &Codec{derive(key, nil, labelFile), derive(key, nil, labelName), derive(key, nil, labelBoundary)}
}

// Format writes [secret].
func (*Codec) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

func derive(key Key, salt []byte, info string) Key {
	b, err := hkdf.Key(sha512.New, key[:], salt, info, len(key))
	if err != nil {
		panic("backupset: internal error: hkdf: " + err.Error())
	}
	return Key(b)
}

// mac returns the keyed hash of a label and what follows it.
func (c *Codec) mac(label string, parts ...[]byte) (id ID) {
	h := hmac.New(sha256.New, c.name[:])
	h.Write([]byte(label))
	h.Write([]byte{0})
	for _, p := range parts {
		h.Write(p)
	}
	h.Sum(id[:0])
	return id
}

// SetID tells the backups of one store from those of another.
func (c *Codec) SetID() ID { return c.mac(labelSet) }

// BlobID returns the name of the file of a blob.
func (c *Codec) BlobID(blob string) ID { return c.mac(labelBlob, []byte(blob)) }

// ChunkID returns the name of the file of rows or of an index with this plaintext.
func (c *Codec) ChunkID(k Kind, plain []byte) ID { return c.mac(labelChunk, []byte{byte(k)}, plain) }
