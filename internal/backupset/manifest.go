package backupset

import (
	"encoding/json"
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

// A Manifest names everything that one backup holds.
type Manifest struct {
	Version  int      `cbor:"1,keyasint"` // 1
	Created  int64    `cbor:"2,keyasint"` // wall time of the moment it shows, Unix milliseconds
	Calendar int64    `cbor:"3,keyasint"` // calendar time of that moment, Unix milliseconds
	StoreID  [16]byte `cbor:"4,keyasint"`
	Epoch    uint64   `cbor:"5,keyasint"` // of the root of trust at that moment
	DevClock bool     `cbor:"6,keyasint"` // of the data directory
	Format   int      `cbor:"7,keyasint"` // of the data directory
	// Rows holds each row: its key, and its value in the clear.
	Rows Tree `cbor:"8,keyasint"`
	// Blobs holds each blob that the rows name: its ID and its size in 8 bytes.
	Blobs     Tree  `cbor:"9,keyasint"`
	BlobBytes int64 `cbor:"10,keyasint"`
	// Lost names the blobs that were missing or damaged where the backup was made.
	Lost []string `cbor:"11,keyasint,omitempty"`
	// Account manages the server.
	Account string `cbor:"12,keyasint"`
}

var (
	encoder = must(cbor.CoreDetEncOptions().EncMode())
	decoder = must(cbor.DecOptions{DupMapKey: cbor.DupMapKeyEnforcedAPF, MaxArrayElements: 1 << 20, ExtraReturnErrors: cbor.ExtraDecErrorUnknownField}.DecMode())
)

func must[T any](v T, err error) T {
	if err != nil {
		panic("backupset: internal error: " + err.Error())
	}
	return v
}

// Encode returns the bytes of a manifest.
func (m *Manifest) Encode() ([]byte, error) { return encoder.Marshal(m) }

// DecodeManifest reverses Encode.
func DecodeManifest(b []byte) (*Manifest, error) {
	m := new(Manifest)
	if err := decoder.Unmarshal(b, m); err != nil {
		return nil, fmt.Errorf("%w: manifest does not decode", ErrDamaged)
	}
	if m.Version != 1 {
		return nil, fmt.Errorf("backupset: manifest of version %d; this program knows version 1", m.Version)
	}
	return m, nil
}

// StampPath is where the stamp of a backup set lies.
const StampPath = "coffer-backup.json"

// A Stamp says what a directory is, in the clear.
type Stamp struct {
	Coffer string `json:"coffer"` // "backups"
	Format int    `json:"format"` // 1
	Set    string `json:"set"`    // of the store whose backups these are: Codec.SetID
}

// NewStamp returns the stamp of a set.
func NewStamp(set ID) Stamp { return Stamp{Coffer: "backups", Format: 1, Set: set.String()} }

// Encode returns the bytes of a stamp.
func (s Stamp) Encode() []byte {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		panic("backupset: internal error: " + err.Error())
	}
	return append(b, '\n')
}

// DecodeStamp reverses Encode.
func DecodeStamp(b []byte) (Stamp, error) {
	var s Stamp
	if err := json.Unmarshal(b, &s); err != nil || s.Coffer != "backups" || s.Format < 1 {
		return s, fmt.Errorf("%w: %s does not read", ErrDamaged, StampPath)
	}
	if s.Format != 1 {
		return s, fmt.Errorf("backupset: backups of format %d; this program knows format 1", s.Format)
	}
	_, err := ParseID(s.Set)
	return s, err
}
