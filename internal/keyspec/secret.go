package keyspec

import (
	"fmt"
	"log/slog"
)

const redacted = "[secret]"

// String returns [secret].
func (*Key) String() string { return redacted }

// GoString returns [secret].
func (*Key) GoString() string { return redacted }

// Format writes [secret], also for verbs such as %x and %d.
func (*Key) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

// MarshalJSON returns "[secret]".
func (*Key) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText returns [secret].
func (*Key) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue returns [secret].
func (*Key) LogValue() slog.Value { return slog.StringValue(redacted) }

// What a Key holds hides itself too, in case it is ever printed alone.

// Format writes [secret].
func (symmetricKey) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

// Format writes [secret].
func (hmacKey) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

// Format writes [secret].
func (rsaKey) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

// Format writes [secret].
func (nistKey) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

// Format writes [secret].
func (secp256k1Key) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

// Format writes [secret].
func (ed25519Key) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

// Format writes [secret].
func (mldsaKey) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

// Format writes [secret].
func (mlkemKey) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }
