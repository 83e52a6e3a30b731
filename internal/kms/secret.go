package kms

import (
	"fmt"
	"log/slog"
)

// A Plaintext is a client's plaintext or a data key in the clear. It prints as
// [secret]; only package awsjson writes it into an answer.
type Plaintext []byte

// String returns [secret].
func (Plaintext) String() string { return "[secret]" }

// GoString returns [secret].
func (Plaintext) GoString() string { return "[secret]" }

// Format writes [secret], also for verbs such as %x.
func (Plaintext) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[secret]") }

// MarshalJSON returns "[secret]".
func (Plaintext) MarshalJSON() ([]byte, error) { return []byte(`"[secret]"`), nil }

// LogValue returns [secret].
func (Plaintext) LogValue() slog.Value { return slog.StringValue("[secret]") }

// Wipe overwrites p with zeros.
func (p Plaintext) Wipe() { clear(p) }
