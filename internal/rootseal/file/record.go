package file

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"coffer/internal/rootseal"
)

// The layout of a record, version 1. docs/spec/root-store.md is normative.
const (
	magic      = "COFFROOT"
	version    = 1
	headerSize = 24
	overhead   = headerSize + sha256.Size

	// rootFileSize is the size of a root file, a whole page. A file this
	// large has a block of its own, which is overwritten in place: ext4 and
	// btrfs keep a much smaller one inside their metadata, and so in their
	// journal or tree.
	rootFileSize = 4096

	// maxRecordSize bounds what is read into memory. A frontier file of a
	// store with a million shredded keys has 125 KiB.
	maxRecordSize = 256 << 20
)

// The kinds of records.
const (
	kindRoot     = 1
	kindHead     = 2
	kindFrontier = 3
)

// errRecord means that bytes are no whole record.
var errRecord = errors.New("not a whole record")

// A record is the content of one file.
type record struct {
	kind  byte
	epoch uint64
	name  string // of the frontier; empty otherwise
	body  []byte
}

// encode returns the record in its layout.
func (r record) encode() ([]byte, error) {
	if len(r.name) > rootseal.MaxNameLength || len(r.body) > maxRecordSize-overhead-rootseal.MaxNameLength {
		return nil, fmt.Errorf("a record of %d bytes is too large", len(r.body))
	}
	b := make([]byte, 0, overhead+len(r.name)+len(r.body))
	b = append(b, magic...)
	b = binary.BigEndian.AppendUint16(b, version)
	b = append(b, r.kind, byte(len(r.name)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(r.body)))
	b = binary.BigEndian.AppendUint64(b, r.epoch)
	b = append(b, r.name...)
	b = append(b, r.body...)
	sum := sha256.Sum256(b)
	return append(b, sum[:]...), nil
}

// decode decodes a record that fills b. The body shares memory with b. Its
// errors wrap errRecord and hold nothing of b.
func decode(b []byte) (record, error) {
	if len(b) < overhead || string(b[:8]) != magic {
		return record{}, fmt.Errorf("%w: no header", errRecord)
	}
	content, sum := b[:len(b)-sha256.Size], b[len(b)-sha256.Size:]
	if got := sha256.Sum256(content); !bytes.Equal(got[:], sum) {
		return record{}, fmt.Errorf("%w: checksum", errRecord)
	}
	if v := binary.BigEndian.Uint16(b[8:]); v != version {
		return record{}, fmt.Errorf("%w: version %d, want %d", errRecord, v, version)
	}
	nameSize, bodySize := int(b[11]), int64(binary.BigEndian.Uint32(b[12:]))
	if int64(overhead+nameSize)+bodySize != int64(len(b)) {
		return record{}, fmt.Errorf("%w: lengths", errRecord)
	}
	return record{
		kind:  b[10],
		epoch: binary.BigEndian.Uint64(b[16:]),
		name:  string(b[headerSize : headerSize+nameSize]),
		body:  content[headerSize+nameSize:],
	}, nil
}

// decodeAs decodes a record and wants it to be that one.
func decodeAs(b []byte, kind byte, epoch uint64, name string) ([]byte, error) {
	r, err := decode(b)
	if err != nil {
		return nil, err
	}
	if r.kind != kind || r.epoch != epoch || r.name != name {
		return nil, fmt.Errorf("%w: that of another file", errRecord)
	}
	return r.body, nil
}

// encodeRoot returns the bytes of a root file. The caller wipes them.
func encodeRoot(epoch uint64, root *rootseal.Secret) ([]byte, error) {
	body := make([]byte, rootFileSize-overhead)
	defer clear(body)
	copy(body, root[:])
	return record{kind: kindRoot, epoch: epoch, body: body}.encode()
}

// decodeRoot returns the secret in the bytes of a root file.
func decodeRoot(b []byte, epoch uint64) (root rootseal.Secret, err error) {
	body, err := decodeAs(b, kindRoot, epoch, "")
	if err != nil {
		return root, err
	}
	if len(b) != rootFileSize {
		return root, fmt.Errorf("%w: a root of %d bytes", errRecord, len(b))
	}
	copy(root[:], body)
	return root, nil
}
