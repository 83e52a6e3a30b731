package receipt

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
)

// keyWord begins the line of a public key.
const keyWord = "coffer-receipt-key/1"

// MaxKeys is how many keys a file of trusted keys may hold.
const MaxKeys = 1000

// Line returns the key as a line of a file of trusted keys.
func (k PublicKey) Line() string {
	return keyWord + " " + base64.StdEncoding.EncodeToString(k[:]) + "\n"
}

// ParseKeys reads a file of trusted keys: a key in each line, and empty lines and
// lines that begin with #. It returns ErrFormat for anything else, and for no key.
func ParseKeys(b []byte) ([]PublicKey, error) {
	if len(b) > MaxSize {
		return nil, fmt.Errorf("%w: trusted keys of %d bytes", ErrFormat, len(b))
	}
	var keys []PublicKey
	n := 0
	for line := range bytes.Lines(b) {
		n++
		text := strings.TrimRight(string(line), "\r\n")
		if text == "" || text[0] == '#' {
			continue
		}
		word, encoded, _ := strings.Cut(text, " ")
		raw, ok := fromBase64(encoded)
		var k PublicKey
		if word != keyWord || !ok || len(raw) != len(k) || len(keys) == MaxKeys {
			return nil, fmt.Errorf("%w: line %d is no public key", ErrFormat, n)
		}
		copy(k[:], raw)
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%w: no public key", ErrFormat)
	}
	return keys, nil
}
