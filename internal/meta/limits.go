package meta

import "fmt"

// CheckRow returns an error if key or value is outside the limits that an
// implementation keeps. The text gives sizes only.
func CheckRow(key, value []byte) error {
	if len(key) == 0 {
		return errEmptyKey
	}
	if len(key) > MaxKeySize {
		return fmt.Errorf("meta: row key of %d bytes is longer than %d", len(key), MaxKeySize)
	}
	if len(value) > MaxValueSize+MaxOverhead {
		return fmt.Errorf("meta: row value of %d bytes is longer than %d", len(value), MaxValueSize)
	}
	return nil
}
