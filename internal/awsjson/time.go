package awsjson

import (
	"math"
	"strconv"
	"time"
)

// A Time is a timestamp: on the wire a number of seconds since 1970 with a
// fraction of milliseconds. The zero Time is absent.
type Time struct{ time.Time }

// Seconds in the range of years that a timestamp may name, 0001 to 9999.
const minSeconds, maxSeconds = -62135596800, 253402300799

// appendTime appends t, cut to milliseconds.
func appendTime(b []byte, t time.Time) []byte {
	ms := t.UnixMilli()
	if ms < 0 {
		b = append(b, '-')
		ms = -ms
	}
	b = strconv.AppendInt(b, ms/1000, 10)
	b = append(b, '.')
	f := ms % 1000
	return append(b, byte('0'+f/100), byte('0'+f/10%10), byte('0'+f%10))
}

// parseTime reads a number of seconds, rounded to milliseconds.
func parseTime(s string) (Time, bool) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f < minSeconds || f > maxSeconds {
		return Time{}, false
	}
	return Time{time.UnixMilli(int64(math.Round(f * 1000))).UTC()}, true
}

// MarshalJSON returns the number of seconds, as [Marshal] writes it.
func (t Time) MarshalJSON() ([]byte, error) { return appendTime(nil, t.Time), nil }
