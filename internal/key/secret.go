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

// Package fmt asks an unexported field for no methods, so each type that holds a
// Secret in one hides itself as a whole.

// Format writes [secret].
func (node) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

// Format writes [secret].
func (frontier) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

// Format writes [secret].
func (shard) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

// Format writes [secret].
func (*head) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

// Format writes [secret].
func (*epochState) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

// Format writes [secret].
func (material) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

// Format writes [secret].
func (openSubject) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

// Format writes [secret].
func (*Root) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

// LogValue returns [secret].
func (*Root) LogValue() slog.Value { return slog.StringValue(redacted) }

// Format writes [secret].
func (*Keys) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

// LogValue returns [secret].
func (*Keys) LogValue() slog.Value { return slog.StringValue(redacted) }
