package key

import (
	"fmt"
	"log/slog"
)

const redacted = "[secret]"

// A Secret is 32 bytes that never show: it prints as [secret] under every verb.
type Secret [32]byte

// String returns [secret].
func (Secret) String() string { return redacted }

// GoString returns [secret].
func (Secret) GoString() string { return redacted }

// Format writes [secret], also for verbs such as %x and %d.
func (Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

// MarshalJSON returns "[secret]".
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText returns [secret].
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue returns [secret].
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// Wipe overwrites s with zeros.
func (s *Secret) Wipe() { clear(s[:]) }
