package shamir

import (
	"crypto/sha256"
	"crypto/subtle"
	"strings"
)

const (
	version      = 1
	checksumSize = 4
	shareSize    = 1 + 1 + 1 + 4 + Size + checksumSize
	groupSize    = 5
	// textSize is the number of characters without the hyphens: 344 bits in
	// characters of 5 bits. The last bit is 0.
	textSize = (shareSize*8 + 4) / 5
	// maxText bounds what Parse looks at: hyphens and spaces do not count.
	maxText = 4 * textSize
)

// alphabet is that of Crockford's base 32: no I, L, O and U. Reading takes I and L
// for 1, O for 0, and small letters for capitals.
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// Text returns the share in the form that people keep. It is the secret.
func (s *Share) Text() string {
	b := make([]byte, 0, shareSize+1)
	defer func() { clear(b[:cap(b)]) }()
	b = append(b, version, s.Threshold, s.X)
	b = append(b, s.Set[:]...)
	b = append(b, s.Values[:]...)
	sum := checksum(b)
	b = append(b, sum[:]...)
	b = append(b, 0) // room for the bits after the last one
	var out strings.Builder
	for i := range textSize {
		if i > 0 && i%groupSize == 0 {
			out.WriteByte('-')
		}
		at := i * 5
		word := uint16(b[at/8])<<8 | uint16(b[at/8+1])
		out.WriteByte(alphabet[word>>(11-at%8)&31])
	}
	return out.String()
}

// Parse reads a share as Text writes it, in whatever groups. It returns [ErrText].
func Parse(text string) (s Share, err error) {
	if len(text) > maxText {
		return s, ErrText
	}
	b := make([]byte, shareSize+1)
	defer clear(b)
	n := 0
	for i := range len(text) {
		c := text[i]
		if c == '-' || c == ' ' || c == '\t' {
			continue
		}
		v, ok := digit(c)
		if !ok || n == textSize {
			return s, ErrText
		}
		at := n * 5
		word := uint16(v) << (11 - at%8)
		b[at/8] |= byte(word >> 8)
		b[at/8+1] |= byte(word)
		n++
	}
	content := b[:shareSize-checksumSize]
	sum := checksum(content)
	switch {
	case n != textSize || b[shareSize] != 0 || subtle.ConstantTimeCompare(sum[:], b[len(content):shareSize]) != 1:
		return s, ErrText
	case b[0] != version || b[1] < 2 || b[2] == 0:
		return s, ErrText
	}
	s.Threshold, s.X = b[1], b[2]
	copy(s.Set[:], b[3:])
	copy(s.Values[:], b[7:])
	return s, nil
}

// digit returns the value of a character.
func digit(c byte) (byte, bool) {
	if c >= 'a' && c <= 'z' {
		c -= 'a' - 'A'
	}
	switch c {
	case 'O':
		c = '0'
	case 'I', 'L':
		c = '1'
	}
	i := strings.IndexByte(alphabet, c)
	return byte(i), i >= 0
}

func checksum(b []byte) [checksumSize]byte {
	h := sha256.New()
	h.Write([]byte("coffer/v1/share"))
	h.Write(b)
	return [checksumSize]byte(h.Sum(nil))
}
