package keyblob

import (
	"crypto/sha256"
)

// The blob of a key in an external key store holds one of version 1, encrypted a second
// time outside:
//
//	u8 version = 2 | key material ID (32) | u8 length of iv | u8 length of metadata
//	| iv | metadata | tag (16) | ciphertext
const (
	// VersionExternal is the first byte of such a blob.
	VersionExternal = 2
	// MaxExternalOverhead is what it is longer, at most, than what was encrypted
	// outside.
	MaxExternalOverhead = externalHeader + 16 + MaxExternalMetadata + externalTag
	// MaxExternalMetadata is the most that an external key manager may add.
	MaxExternalMetadata = 20

	externalHeader = 1 + 32 + 2
	externalTag    = 16
)

// An External is what an external key manager made of a blob of version 1.
type External struct {
	Material   MaterialID
	IV         []byte // 12 or 16 bytes
	Metadata   []byte // at most MaxExternalMetadata
	Tag        []byte // 16 bytes
	Ciphertext []byte
}

// JoinExternal returns the blob of version 2. It returns ErrFormat for parts that can't
// be in one.
func JoinExternal(x *External) ([]byte, error) {
	if !x.valid() {
		return nil, ErrFormat
	}
	b := make([]byte, 0, externalHeader+len(x.IV)+len(x.Metadata)+externalTag+len(x.Ciphertext))
	b = append(b, VersionExternal)
	b = append(b, x.Material[:]...)
	b = append(b, byte(len(x.IV)), byte(len(x.Metadata)))
	b = append(b, x.IV...)
	b = append(b, x.Metadata...)
	b = append(b, x.Tag...)
	return append(b, x.Ciphertext...), nil
}

// SplitExternal reverses JoinExternal. The parts share the blob's memory.
func SplitExternal(blob []byte) (*External, error) {
	if len(blob) < externalHeader || blob[0] != VersionExternal {
		return nil, ErrFormat
	}
	iv, metadata := int(blob[33]), int(blob[34])
	rest := blob[externalHeader:]
	if len(rest) < iv+metadata+externalTag {
		return nil, ErrFormat
	}
	x := &External{Material: MaterialID(blob[1:])}
	x.IV, rest = rest[:iv:iv], rest[iv:]
	x.Metadata, rest = rest[:metadata:metadata], rest[metadata:]
	x.Tag, x.Ciphertext = rest[:externalTag:externalTag], rest[externalTag:]
	if !x.valid() {
		return nil, ErrFormat
	}
	return x, nil
}

func (x *External) valid() bool {
	n := len(x.Ciphertext)
	return (len(x.IV) == 12 || len(x.IV) == 16) && len(x.Metadata) <= MaxExternalMetadata && len(x.Tag) == externalTag &&
		n >= Overhead && n <= Overhead+MaxPlaintext
}

// ExternalData returns what an external key manager authenticates: the version, the
// material, and the SHA-256 of the context in its canonical encoding, so that it has one
// size, whatever the context.
func ExternalData(id MaterialID, context map[string]string) []byte {
	sum := sha256.Sum256(additionalData(nil, context))
	b := append(make([]byte, 0, 1+len(id)+len(sum)), VersionExternal)
	b = append(b, id[:]...)
	return append(b, sum[:]...)
}
