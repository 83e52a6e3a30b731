package bench

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

const (
	kib = 1 << 10
	mib = 1 << 20
	gib = 1 << 30
)

// A size is a number of bytes on the command line: "4KiB", "64MiB", "1GiB" or
// plain "4096". K, M and G stand for the same powers of two.
type size int64

// Set implements pflag.Value.
func (s *size) Set(text string) error {
	digits := strings.TrimRight(text, "BKMGikmgb")
	unit := int64(1)
	switch strings.ToLower(text[len(digits):]) {
	case "", "b":
	case "k", "kib":
		unit = kib
	case "m", "mib":
		unit = mib
	case "g", "gib":
		unit = gib
	default:
		return fmt.Errorf("%q has no unit of KiB, MiB or GiB", text)
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/unit {
		return fmt.Errorf("%q is no size", text)
	}
	*s = size(n * unit)
	return nil
}

// Type implements pflag.Value.
func (*size) Type() string { return "size" }

// String returns the size in the largest unit that divides it: "4KiB".
func (s size) String() string {
	switch {
	case s == 0:
		return "0"
	case s%gib == 0:
		return strconv.FormatInt(int64(s)/gib, 10) + "GiB"
	case s%mib == 0:
		return strconv.FormatInt(int64(s)/mib, 10) + "MiB"
	case s%kib == 0:
		return strconv.FormatInt(int64(s)/kib, 10) + "KiB"
	}
	return strconv.FormatInt(int64(s), 10)
}
