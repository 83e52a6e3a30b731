package object

import (
	"bytes"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/fxamacker/cbor/v2"

	"coffer/internal/checksum"
	"coffer/internal/meta"
	"coffer/internal/sealed"
)

// An ID names a bucket, a store or an upload for ever: random bytes.
type ID [16]byte

// Row prefixes. See the package comment.
const (
	rowBucket  = "s3b"
	rowOwner   = "s3a"
	rowHead    = "s3o"
	rowMarker  = "s3m"
	rowVersion = "s3v"
	rowContent = "s3c"
	rowTable   = "s3t"
	rowUpload  = "s3u"
	rowPart    = "s3p"
	rowIntent  = "s3i"
	rowGarbage = "s3g"
	rowPurge   = "s3x"

	rowReplaced = "s3w"
	rowUnder    = "s3d"
	rowIndexed  = "s3e"
	rowRetired  = "s3f"
	rowPolicy   = "s3y"
	rowBlock    = "s3k"
)

var (
	encoder = must(cbor.CoreDetEncOptions().EncMode())
	decoder = must(cbor.DecOptions{DupMapKey: cbor.DupMapKeyEnforcedAPF, MaxArrayElements: 1 << 20, MaxMapPairs: 1 << 16}.DecMode())
)

func must[T any](v T, err error) T {
	if err != nil {
		panic("object: internal error: " + err.Error())
	}
	return v
}

// row joins a prefix, the bytes of an ID and whatever follows.
func row(prefix string, parts ...[]byte) []byte {
	n := len(prefix)
	for _, p := range parts {
		n += len(p)
	}
	b := append(make([]byte, 0, n), prefix...)
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

// escape encodes key so that a longer key never sorts among the rows of a
// shorter one.
func escape(key string) []byte {
	b := make([]byte, 0, len(key)+2)
	for i := range len(key) {
		b = append(b, key[i])
		if key[i] == 0 {
			b = append(b, 0xff)
		}
	}
	return append(b, 0, 1)
}

// unescape decodes what escape made from the start of b and returns the rest.
func unescape(b []byte) (key string, rest []byte, err error) {
	var k []byte
	for i := 0; i < len(b); i++ {
		if b[i] != 0 {
			k = append(k, b[i])
			continue
		}
		if i++; i >= len(b) {
			break
		}
		switch b[i] {
		case 0xff:
			k = append(k, 0)
		case 1:
			return string(k), b[i+1:], nil
		default:
			return "", nil, fmt.Errorf("%w: row key %q", meta.ErrCorrupt, b)
		}
	}
	return "", nil, fmt.Errorf("%w: row key %q", meta.ErrCorrupt, b)
}

func be16(n int) []byte    { return binary.BigEndian.AppendUint16(nil, uint16(n)) }
func be64(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func bucketRow(name string) []byte { return row(rowBucket, []byte(name)) }
func ownerRow(account, name string) []byte {
	return row(rowOwner, []byte(account), []byte{0}, []byte(name))
}
func headRow(b ID, key string) []byte    { return row(rowHead, b[:], []byte(key)) }
func markerRow(b ID, key string) []byte  { return row(rowMarker, b[:], []byte(key)) }
func versionsOf(b ID, key string) []byte { return row(rowVersion, b[:], escape(key)) }
func versionRow(b ID, key string, seq uint64) []byte {
	return row(rowVersion, b[:], escape(key), be64(^seq))
}
func contentRow(id sealedID) []byte          { return row(rowContent, id[:]) }
func tableRow(id sealedID, chunk int) []byte { return row(rowTable, id[:], be16(chunk)) }
func uploadRow(b ID, key string, upload string) []byte {
	return row(rowUpload, b[:], escape(key), []byte(upload))
}
func partRow(upload string, number int) []byte { return row(rowPart, []byte(upload), be16(number)) }
func intentRow(blobID string) []byte           { return row(rowIntent, []byte(blobID)) }
func garbageRow(id sealedID) []byte            { return row(rowGarbage, id[:]) }
func replacedRow(until int64, b ID, key string, seq uint64) []byte {
	return row(rowReplaced, be64(uint64(until)), b[:], escape(key), be64(seq))
}
func purgeRow(b ID) []byte                  { return row(rowPurge, b[:]) }
func policyRowKey(b ID) []byte              { return row(rowPolicy, b[:]) }
func accountBlockRow(account string) []byte { return row(rowBlock, []byte(account)) }

// splitVersion parts the row key of a version, without the first n bytes, into
// key and sequence number.
func splitVersion(k []byte, n int) (key string, seq uint64, err error) {
	key, rest, err := unescape(k[n:])
	if err != nil {
		return "", 0, err
	}
	if len(rest) != 8 {
		return "", 0, fmt.Errorf("%w: row key %q", meta.ErrCorrupt, k)
	}
	return key, ^binary.BigEndian.Uint64(rest), nil
}

// splitReplaced parts the row key that replacedRow made.
func splitReplaced(k []byte) (until int64, b ID, key string, seq uint64, err error) {
	rest := k[len(rowReplaced):]
	if len(rest) < 8+len(b) {
		return 0, b, "", 0, fmt.Errorf("%w: row key %q", meta.ErrCorrupt, k)
	}
	until = int64(binary.BigEndian.Uint64(rest))
	rest = rest[8+copy(b[:], rest[8:]):]
	key, seq, err = splitVersion(rest, 0)
	return until, b, key, ^seq, err // here seq lies as it is
}

// get decodes the row at key into v. It returns meta.ErrNotFound as it is.
func get(r meta.Reader, key []byte, v any) error {
	b, err := r.Get(key)
	if err != nil {
		return err
	}
	return decode(key, b, v)
}

func decode(key, b []byte, v any) error {
	if err := decoder.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%w: row %q does not decode", meta.ErrCorrupt, key)
	}
	return nil
}

func put(txn meta.Txn, key []byte, v any) error {
	b, err := encoder.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode row %q: %w", key, err)
	}
	return txn.Put(key, b)
}

// A head is the listing's view of one key. It lies at s3o if the current
// version is an object and at s3m if it is a delete marker; exactly one of the
// two exists while the key has any version.
type head struct {
	LastSeq      uint64               `cbor:"1,keyasint"` // the highest sequence number ever given
	Seq          uint64               `cbor:"2,keyasint"` // of the current version
	NullSeq      uint64               `cbor:"3,keyasint,omitempty"`
	VersionID    string               `cbor:"4,keyasint"`
	Modified     int64                `cbor:"5,keyasint"` // Unix milliseconds
	Size         int64                `cbor:"6,keyasint"`
	ETag         string               `cbor:"7,keyasint,omitempty"`
	StorageClass string               `cbor:"8,keyasint,omitempty"`
	Algorithms   []checksum.Algorithm `cbor:"9,keyasint,omitempty"`
	ChecksumType string               `cbor:"10,keyasint,omitempty"`
	Owner        string               `cbor:"11,keyasint,omitempty"` // empty: the bucket's
	marker       bool                 // where the row lies
}

// A Version is one version of an object, or a delete marker.
type Version struct {
	ID         string     `cbor:"1,keyasint"` // "null" or an id
	IsMarker   bool       `cbor:"2,keyasint,omitempty"`
	Modified   int64      `cbor:"3,keyasint"` // Unix milliseconds
	ETag       string     `cbor:"4,keyasint,omitempty"`
	Attributes Attributes `cbor:"5,keyasint,omitzero"`
	Tags       []Tag      `cbor:"6,keyasint,omitempty"`
	Sums       Sums       `cbor:"7,keyasint,omitzero"`
	Content    Content    `cbor:"8,keyasint,omitzero"`
	// Owner is the account that owns the object; empty means the bucket's.
	Owner string `cbor:"9,keyasint,omitempty"`
	ACL   *ACL   `cbor:"10,keyasint,omitempty"` // nil: the default

	Bucket   string `cbor:"-"`
	BucketID ID     `cbor:"-"`
	Key      string `cbor:"-"`
	Seq      uint64 `cbor:"-"`
	IsLatest bool   `cbor:"-"`
	// body is the sealed body of a small object, read with the row.
	body []byte
}

// LastModified returns the time of the write, to the second as S3 keeps it.
func (v *Version) LastModified() time.Time {
	return time.UnixMilli(v.Modified).UTC().Truncate(time.Second)
}

// Size returns the length of the plaintext in bytes.
func (v *Version) Size() int64 { return v.Content.Length }

// Attributes are the headers that an object keeps.
type Attributes struct {
	ContentType             string            `cbor:"1,keyasint,omitempty"`
	CacheControl            string            `cbor:"2,keyasint,omitempty"`
	ContentDisposition      string            `cbor:"3,keyasint,omitempty"`
	ContentEncoding         string            `cbor:"4,keyasint,omitempty"`
	ContentLanguage         string            `cbor:"5,keyasint,omitempty"`
	Expires                 string            `cbor:"6,keyasint,omitempty"`
	WebsiteRedirectLocation string            `cbor:"7,keyasint,omitempty"`
	StorageClass            string            `cbor:"8,keyasint,omitempty"`
	Metadata                map[string]string `cbor:"9,keyasint,omitempty"`
}

// A Tag is one tag of a bucket or an object.
type Tag struct {
	Key   string `cbor:"1,keyasint"`
	Value string `cbor:"2,keyasint"`
}

// Sums are the checksums of a plaintext. Those of content sealed under a KMS
// key or a client's key lie in Box, sealed under the data key, because they
// would tell of the plaintext after the key is gone; Algorithms and Type are
// in the clear for listings.
type Sums struct {
	Algorithms []checksum.Algorithm          `cbor:"1,keyasint,omitempty"`
	Type       string                        `cbor:"2,keyasint,omitempty"` // COMPOSITE or FULL_OBJECT
	Values     map[checksum.Algorithm]string `cbor:"3,keyasint,omitempty"` // base64, or "base64-N"
	Box        []byte                        `cbor:"4,keyasint,omitempty"`
}

// Content is sealed bytes: one body, or the parts of a multipart object.
type Content struct {
	ID         sealedID     `cbor:"1,keyasint"`
	Suite      sealed.Suite `cbor:"2,keyasint"`
	Commitment []byte       `cbor:"3,keyasint,omitempty"` // empty for a multipart object
	Length     int64        `cbor:"4,keyasint"`           // of the plaintext, in bytes
	Blob       string       `cbor:"5,keyasint,omitempty"` // empty if the body has a row of its own
	Wrap       Wrap         `cbor:"6,keyasint"`
	Origin     *Origin      `cbor:"7,keyasint,omitempty"` // nil: where the row stands
	Lineage    []string     `cbor:"8,keyasint,omitempty"` // every target that it was sealed under before
	Previous   []Replaced   `cbor:"9,keyasint,omitempty"`

	// Of multipart objects:
	PartCount int     `cbor:"11,keyasint,omitempty"`
	Chunks    []Chunk `cbor:"12,keyasint,omitempty"` // of the part table
	UploadID  string  `cbor:"13,keyasint,omitempty"`
	// ListSeal binds the parts of an SSE-C upload that was completed without
	// the client's key. Then Wrap is still that of the upload.
	ListSeal []byte `cbor:"14,keyasint,omitempty"`
}

// sealedID is a content ID: 32 random bytes.
type sealedID = [32]byte

// A Chunk is one row of a part table, as the wrap authenticates it.
type Chunk struct {
	Offset int64    `cbor:"1,keyasint"` // of its first byte in the object
	Hash   [32]byte `cbor:"2,keyasint"`
}

// Origin is where content was first written. It is part of the wrap's
// additional data.
type Origin struct {
	Store     ID     `cbor:"1,keyasint"`
	Bucket    ID     `cbor:"2,keyasint"`
	Key       string `cbor:"3,keyasint"`
	VersionID string `cbor:"4,keyasint"`
}

// A Wrap holds the data keys of content, sealed under a secret, and what it
// takes to obtain that secret again.
type Wrap struct {
	Box     []byte            `cbor:"1,keyasint"`           // sealed.Wrap, which names the mode
	KeyARN  string            `cbor:"2,keyasint,omitempty"` // KMS modes
	KeyBlob []byte            `cbor:"3,keyasint,omitempty"` // KMS ciphertext of the secret
	Context map[string]string `cbor:"4,keyasint,omitempty"` // the encryption context of KeyBlob
	// ContextSent is the client's part of it, as sent, for the answer header.
	ContextSent string `cbor:"5,keyasint,omitempty"`
	// SSE-C: a check value tells a wrong key from damage; the MD5 is the
	// client's own, for the answer header.
	CheckSalt []byte `cbor:"6,keyasint,omitempty"`
	Check     []byte `cbor:"7,keyasint,omitempty"`
	KeyMD5    string `cbor:"8,keyasint,omitempty"`
	// Part names the part of the KMS key that KeyBlob is sealed under; empty if
	// that is the key as a whole.
	Part string `cbor:"9,keyasint,omitempty"`
}

// Mode returns how the content is sealed.
func (w *Wrap) Mode() (sealed.Mode, error) { return sealed.WrapMode(w.Box) }

// Replaced is a wrap that a re-keying replaced, kept for the recovery window.
type Replaced struct {
	Wrap  Wrap  `cbor:"1,keyasint"`
	Until int64 `cbor:"2,keyasint"` // calendar time, Unix milliseconds
}

// NullVersion is the version ID of objects written without versioning.
const NullVersion = "null"

var versionEncoding = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// newVersionID returns a 32-character id that holds seq and 12 random bytes,
// so that a version is found by its id in one read.
func (s *Store) newVersionID(seq uint64) (string, error) {
	var b [20]byte
	binary.BigEndian.PutUint64(b[:], seq)
	if err := s.random(b[8:]); err != nil {
		return "", err
	}
	return versionEncoding.EncodeToString(b[:]), nil
}

// seqOf returns the sequence number inside a version id.
func seqOf(id string) (uint64, bool) {
	b, err := versionEncoding.DecodeString(id)
	if err != nil || len(b) != 20 || versionEncoding.EncodeToString(b) != id {
		return 0, false
	}
	return binary.BigEndian.Uint64(b), true
}

// headOf reads the head of key, or returns nil if the key has no version.
func headOf(r meta.Reader, b ID, key string) (*head, error) {
	var h head
	err := get(r, headRow(b, key), &h)
	if errors.Is(err, meta.ErrNotFound) {
		h.marker = true
		err = get(r, markerRow(b, key), &h)
	}
	if errors.Is(err, meta.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &h, nil
}

// versionAt reads one version row.
func versionAt(r meta.Reader, b *Bucket, key string, seq uint64) (*Version, error) {
	k := versionRow(b.ID, key, seq)
	v := &Version{Bucket: b.Name, BucketID: b.ID, Key: key, Seq: seq}
	if err := get(r, k, v); err != nil {
		return nil, err
	}
	return v, nil
}

// namedVersion is versionAt for a row that another row names: that it is
// missing is damage.
func namedVersion(r meta.Reader, b *Bucket, key string, seq uint64) (*Version, error) {
	v, err := versionAt(r, b, key, seq)
	if errors.Is(err, meta.ErrNotFound) {
		return nil, fmt.Errorf("%w: version %d of %q is missing", meta.ErrCorrupt, seq, key)
	}
	return v, err
}

// newestBelow returns the newest version of key whose sequence number is below
// seq, or nil.
func newestBelow(r meta.Reader, b *Bucket, key string, seq uint64) (*Version, error) {
	prefix := versionsOf(b.ID, key)
	var v *Version
	err := r.Scan(meta.Range{Start: append(bytes.Clone(prefix), be64(^(seq - 1))...), End: meta.PrefixEnd(prefix), Limit: 1},
		func(k, val []byte) (bool, error) {
			_, at, err := splitVersion(k, len(prefix)-len(escape(key)))
			if err != nil {
				return false, err
			}
			v = &Version{Bucket: b.Name, BucketID: b.ID, Key: key, Seq: at}
			return false, decode(k, val, v)
		})
	if err != nil {
		return nil, err
	}
	return v, nil
}
