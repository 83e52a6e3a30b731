// Package receipt implements the receipt of a shred, version 1: a signed statement of
// what was destroyed, by whom, when, and what it made dark.
//
// A receipt is one line of JSON:
//
//	{"body":BODY,"key":"ID","signature":"BASE64"}
//
// BODY is signed with Ed25519, over a domain and its bytes as they stand. There is
// one way to write a receipt, and no other is accepted: so a change of any byte of the
// file is an error, that of a space or of the order of members included.
//
// Source: docs/spec/receipt.md, which is normative; the vectors in testdata/vectors
// are part of it.
package receipt

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
	"unicode/utf8"
)

const (
	// Version is the version of the format.
	Version = 1
	// MaxSize is the length of the longest receipt in bytes.
	MaxSize = 1 << 20
	// MaxListed is how much content that did not go dark a receipt lists.
	MaxListed = 100
	// SeedSize is the size of the secret half of a signing key in bytes.
	SeedSize = ed25519.SeedSize

	domain = "coffer/v1/shred-receipt\x00"
	// maxInteger is the largest integer that every reader of JSON keeps.
	//
	// Source: RFC 8259, section 6.
	maxInteger = 1<<53 - 1
)

var (
	// ErrFormat means that bytes are no receipt of this version.
	ErrFormat = errors.New("receipt: malformed")
	// ErrUntrusted means that none of the trusted keys has signed the receipt.
	ErrUntrusted = errors.New("receipt: signed by a key that is not trusted")
	// ErrSignature means that the receipt was altered after it was signed.
	ErrSignature = errors.New("receipt: signature is wrong")
)

// Values of What.Kind.
const (
	KindKey     = "key"     // a KMS key with all that is below it
	KindSubject = "subject" // one value of a pair of the encryption context below a KMS key
)

// A Receipt is what a receipt states. The order of the fields is that of the format;
// times are in UTC, in calendar time, to the second.
type Receipt struct {
	Version   int         `json:"version"`
	ID        string      `json:"id"`    // random UUID
	Store     string      `json:"store"` // ID of the installation, 32 hexadecimal digits
	What      What        `json:"what"`
	Asked     Asked       `json:"asked"`
	Destroyed Destruction `json:"destroyed"`
	Dark      Count       `json:"dark"`    // content that nothing opens any more
	NotDark   Remainder   `json:"notDark"` // content that was sealed under it, and that something else opens
	// Limits are what a destruction can't reach, and nobody can prove.
	Limits []string `json:"limits"`
}

// What was destroyed.
type What struct {
	Kind      string   `json:"kind"`
	Key       string   `json:"key"`       // ARN
	Materials []string `json:"materials"` // IDs of the key material, of KindKey
	Subject   *Subject `json:"subject,omitempty"`
}

// A Subject is one value of a pair of the encryption context.
type Subject struct {
	ID    string `json:"id"` // 64 hexadecimal digits
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Asked says who asked for the destruction. Its fields are zero if nobody is on
// record, as for keys that were scheduled before there were receipts.
type Asked struct {
	By            string `json:"by"`            // ARN of the caller
	Event         string `json:"event"`         // ID of the call's event in the trail
	At            Time   `json:"at"`            //
	WindowSeconds int64  `json:"windowSeconds"` // the waiting period; 0 for at once
}

// A Destruction says how it was carried out.
type Destruction struct {
	At      Time     `json:"at"`
	Event   string   `json:"event"`  // ID of its event in the trail
	Before  uint64   `json:"before"` // the last epoch that could open it
	After   uint64   `json:"after"`  // the first epoch that can't
	Holders []Holder `json:"holders"`
}

// A Holder is one holder of the root of trust. Each has confirmed that it destroyed
// the epoch Before, after it gave back the epoch After.
type Holder struct {
	Name         string   `json:"name"`
	Kind         string   `json:"kind"` // "file", "pkcs11", "tpm", ...
	CannotForget []string `json:"cannotForget"`
}

// A Count counts content.
type Count struct {
	Objects  int64 `json:"objects"`  // versions that were the current one of their key
	Versions int64 `json:"versions"` // all versions
	Uploads  int64 `json:"uploads"`  // multipart uploads under way
	Bytes    int64 `json:"bytes"`    // of plaintext, in versions and uploads
}

// A Remainder is the content that did not go dark.
type Remainder struct {
	Count
	// Complete is false if damage kept some content from being counted anywhere.
	Complete bool `json:"complete"`
	// Listed are the first MaxListed of it.
	Listed []Listed `json:"listed"`
}

// Listed is a version, or an upload, that did not go dark.
type Listed struct {
	Bucket  string   `json:"bucket"`
	Key     string   `json:"key"`
	Version string   `json:"version"` // or the ID of the upload
	Opens   []string `json:"opens"`   // what still opens it, or a copy of it in an old backup
}

// A Time is a time as receipts write it: RFC 3339 in UTC, to the second; an empty
// string for the zero time.
type Time struct{ time.Time }

const timeLayout = "2006-01-02T15:04:05Z"

// At returns t to the second.
func At(t time.Time) Time {
	if t.IsZero() {
		return Time{}
	}
	return Time{t.UTC().Truncate(time.Second)}
}

// MarshalJSON implements json.Marshaler.
func (t Time) MarshalJSON() ([]byte, error) {
	if t.IsZero() {
		return []byte(`""`), nil
	}
	return []byte(`"` + t.UTC().Format(timeLayout) + `"`), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (t *Time) UnmarshalJSON(b []byte) error {
	if string(b) == `""` {
		*t = Time{}
		return nil
	}
	at, err := time.Parse(`"`+timeLayout+`"`, string(b))
	*t = Time{at}
	return err
}

// A file is a receipt as it is written.
type file struct {
	Body      json.RawMessage `json:"body"`
	Key       string          `json:"key"`
	Signature string          `json:"signature"`
}

// A PublicKey checks receipts.
type PublicKey [ed25519.PublicKeySize]byte

// ID returns the first 16 bytes of the SHA-256 of the key, as 32 hexadecimal digits.
func (k PublicKey) ID() string {
	sum := sha256.Sum256(k[:])
	return hex.EncodeToString(sum[:16])
}

// Public returns the public half of the signing key with that seed.
func Public(seed *[SeedSize]byte) PublicKey {
	return PublicKey(ed25519.NewKeyFromSeed(seed[:]).Public().(ed25519.PublicKey))
}

// Sign returns the receipt r as a file, signed with the key of that seed. It returns
// ErrFormat if r states what a receipt can't hold.
func Sign(r *Receipt, seed *[SeedSize]byte) ([]byte, error) {
	body, err := encodeBody(r)
	if err != nil {
		return nil, err
	}
	private := ed25519.NewKeyFromSeed(seed[:])
	defer clear(private)
	signature := ed25519.Sign(private, append([]byte(domain), body...))
	out, err := encode(file{body, Public(seed).ID(), base64.StdEncoding.EncodeToString(signature)})
	if err != nil {
		return nil, err
	}
	if len(out) > MaxSize {
		return nil, fmt.Errorf("%w: %d bytes", ErrFormat, len(out))
	}
	return out, nil
}

// Verify returns what the receipt b states if one of the trusted keys has signed it.
// It returns ErrFormat, ErrUntrusted or ErrSignature.
func Verify(b []byte, trusted []PublicKey) (*Receipt, error) {
	r, f, err := parse(b)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(trusted, func(k PublicKey) bool { return k.ID() == f.Key })
	if i < 0 {
		return nil, fmt.Errorf("%w: %s", ErrUntrusted, f.Key)
	}
	signature, ok := fromBase64(f.Signature)
	if !ok || !ed25519.Verify(trusted[i][:], append([]byte(domain), f.Body...), signature) {
		return nil, ErrSignature
	}
	return r, nil
}

// Parse returns what the receipt b states, without any regard to who signed it.
func Parse(b []byte) (*Receipt, error) {
	r, _, err := parse(b)
	return r, err
}

func parse(b []byte) (*Receipt, *file, error) {
	if len(b) > MaxSize {
		return nil, nil, fmt.Errorf("%w: %d bytes", ErrFormat, len(b))
	}
	var f file
	if err := decode(b, &f); err != nil {
		return nil, nil, err
	}
	again, err := encode(f)
	if err != nil || !bytes.Equal(again, b) {
		return nil, nil, fmt.Errorf("%w: it is not written in the one way", ErrFormat)
	}
	r := new(Receipt)
	if err := decode(f.Body, r); err != nil {
		return nil, nil, err
	}
	body, err := encodeBody(r)
	if err != nil {
		return nil, nil, err
	}
	if !bytes.Equal(body, f.Body) {
		return nil, nil, fmt.Errorf("%w: the body is not written in the one way", ErrFormat)
	}
	return r, &f, nil
}

func decode(b []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("%w: something follows", ErrFormat)
	}
	return nil
}

// encodeBody writes the one form of r.
func encodeBody(r *Receipt) ([]byte, error) {
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	b, err := encode(r)
	return bytes.TrimSuffix(b, []byte("\n")), err
}

// encode writes one line of JSON, without white space and with as few escapes as
// JSON allows, save that U+2028 and U+2029 are escaped.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return b.Bytes(), nil
}

// fromBase64 decodes the one way to write bytes in base64: the standard library
// passes over line breaks.
func fromBase64(s string) ([]byte, bool) {
	b, err := base64.StdEncoding.DecodeString(s)
	return b, err == nil && base64.StdEncoding.EncodeToString(b) == s
}

// check returns why r can't be written.
func (r *Receipt) check() error {
	switch {
	case r.Version != Version:
		return fmt.Errorf("version %d", r.Version)
	case r.What.Kind != KindKey && r.What.Kind != KindSubject, (r.What.Kind == KindSubject) != (r.What.Subject != nil):
		return errors.New("what was destroyed is neither a key nor a subject")
	case r.ID == "" || r.Store == "" || r.What.Key == "" || r.Destroyed.Event == "" || r.Destroyed.At.IsZero():
		return errors.New("an empty field")
	case r.Destroyed.After > maxInteger || r.Destroyed.Before >= r.Destroyed.After:
		return errors.New("the epoch did not go on")
	case len(r.Destroyed.Holders) == 0:
		return errors.New("no holder of the root has confirmed")
	case len(r.NotDark.Listed) > MaxListed:
		return fmt.Errorf("%d listed", len(r.NotDark.Listed))
	case r.What.Materials == nil || r.Limits == nil || r.NotDark.Listed == nil:
		return errors.New("a list is null")
	}
	for _, h := range r.Destroyed.Holders {
		if h.CannotForget == nil || h.Name == "" || h.Kind == "" {
			return errors.New("a holder without name, kind or limits")
		}
	}
	for _, l := range r.NotDark.Listed {
		if len(l.Opens) == 0 {
			return errors.New("nothing opens what did not go dark")
		}
	}
	for _, n := range []int64{r.Asked.WindowSeconds, r.Dark.Objects, r.Dark.Versions, r.Dark.Uploads, r.Dark.Bytes,
		r.NotDark.Objects, r.NotDark.Versions, r.NotDark.Uploads, r.NotDark.Bytes} {
		if n < 0 || n > maxInteger {
			return fmt.Errorf("number %d", n)
		}
	}
	return nil
}

// Text returns s as a receipt can hold it: bytes that are no UTF-8 become U+FFFD.
func Text(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return string([]rune(s))
}
