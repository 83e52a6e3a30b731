package blob

import "fmt"

// MaxIDLength is the length of the longest id: 32 bytes in hexadecimal.
const MaxIDLength = 64

// CheckID returns an error unless id is 1 to [MaxIDLength] characters of
// [0-9a-f]. Every method of every [Store] that takes an id calls it first: an
// id becomes a file name or an object key.
func CheckID(id string) error {
	if len(id) == 0 || len(id) > MaxIDLength {
		return fmt.Errorf("blob: an id of %d characters, want 1 to %d", len(id), MaxIDLength)
	}
	for i := range len(id) {
		if c := id[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return fmt.Errorf("blob: character %q in the id %q, want 0-9a-f", c, id)
		}
	}
	return nil
}
