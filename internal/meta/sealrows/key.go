package sealrows

import (
	"fmt"
	"log/slog"
)

// KeySize is the size of a store key in bytes.
const KeySize = 32

const redacted = "[secret]"

// A Key is a store key: uniformly random bytes. It prints as [secret] under
// every verb.
type Key [KeySize]byte

// String returns [secret].
func (Key) String() string { return redacted }

// GoString returns [secret].
func (Key) GoString() string { return redacted }

// Format writes [secret], also for verbs such as %x and %d.
func (Key) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

// MarshalJSON returns "[secret]".
func (Key) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText returns [secret].
func (Key) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue returns [secret].
func (Key) LogValue() slog.Value { return slog.StringValue(redacted) }
