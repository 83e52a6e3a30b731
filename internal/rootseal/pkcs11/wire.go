package pkcs11

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The bounds of the protocol between coffer and its helper.
const (
	// Version is the version of the protocol, the first byte of a message.
	Version = 1
	// MaxFrame is the length of the longest message, in bytes: a list of
	// [MaxLabels] labels has less.
	MaxFrame = 64 << 10
	// MaxText is the length of the longest string of a message, in bytes: a
	// path.
	MaxText = 4096
	// MaxPIN is the length of the longest PIN, in bytes. PKCS #11 leaves it to
	// the token; the longest known ones are a user's name and a password.
	MaxPIN = 256
	// MaxLabel is the length of the longest label of a key, in bytes.
	//
	// Source: YubiHSM 2 User Guide, "Label": 40 bytes, the shortest limit of
	// the modules that docs/hardware-roots.md names.
	MaxLabel = 40
	// MaxLabels is how many labels a list holds at most. A root has two
	// epochs, while it changes.
	MaxLabels = 1024
	// MaxInput is the length of the longest input of a derivation, in bytes.
	MaxInput = 256
	// SecretSize is the size of a derived secret, in bytes.
	SecretSize = 32
	// LabelPrefix begins every label. The helper touches no other key.
	LabelPrefix = "coffer/"
)

// An Op is what a request asks for.
type Op uint8

// The operations of version 1.
const (
	OpOpen    Op = 1 // load the module, find the token, log in
	OpList    Op = 2 // the labels that begin with Label
	OpMake    Op = 3 // generate the key Label, of Kind
	OpDerive  Op = 4 // a secret from the key Label and Input
	OpDestroy Op = 5 // destroy every key Label, and see that it is gone
)

// A Kind says what a key is in the token, and so what derives from it.
type Kind uint8

// The kinds of keys. They differ in what modules support, not in strength.
const (
	KindAny     Kind = 0 // the first of the others that the token makes
	KindGeneric Kind = 1 // CKK_GENERIC_SECRET, used with CKM_SHA256_HMAC
	KindHMAC    Kind = 2 // CKK_SHA256_HMAC, used with CKM_SHA256_HMAC
	KindAES     Kind = 3 // CKK_AES of 256 bits, used with CKM_AES_CBC
)

// A Status says how a request ended.
type Status uint8

// The statuses of version 1.
const (
	StatusOK        Status = 0
	StatusNotFound  Status = 1  // no key has the label
	StatusExists    Status = 2  // a key has the label already
	StatusPIN       Status = 3  // the token refused the PIN
	StatusPINLocked Status = 4  // the token takes no PIN any more, or only one more
	StatusNoToken   Status = 5  // no token, or more than one, is as described
	StatusModule    Status = 6  // the module can't be loaded
	StatusRefused   Status = 7  // the request is malformed, unknown or out of order
	StatusFailed    Status = 8  // the module or the token failed
	StatusUnsafe    Status = 9  // a key is not one that the token made and keeps
	StatusLost      Status = 10 // the session is gone: start the helper again
	maxStatus              = StatusLost
)

// A Request is one message to the helper. What its Op does not use is empty.
type Request struct {
	Op     Op
	Number uint32 // the answer has the same

	Module string // OpOpen: the absolute path of the module
	Token  string // OpOpen: the label of the token
	Serial string // OpOpen: its serial number, or empty for any
	PIN    []byte // OpOpen

	Label string // the label of a key, or what labels begin with
	Kind  Kind   // OpMake
	Input []byte // OpDerive
}

// An Answer is one message from the helper.
type Answer struct {
	Status Status
	Number uint32
	Text   string // unless StatusOK: what happened, for people; for OpOpen: the token

	Labels []string         // OpList
	Secret [SecretSize]byte // OpDerive
	Count  uint32           // OpDestroy: how many keys there were
}

var errWire = errors.New("malformed message of the PKCS #11 helper's protocol")

// AppendRequest appends the message of r to b.
func AppendRequest(b []byte, r *Request) []byte {
	b = append(b, Version, byte(r.Op))
	b = binary.BigEndian.AppendUint32(b, r.Number)
	switch r.Op {
	case OpOpen:
		b = appendText(b, r.Module)
		b = appendText(b, r.Token)
		b = appendText(b, r.Serial)
		b = appendText(b, r.PIN)
	case OpList, OpDestroy:
		b = appendText(b, r.Label)
	case OpMake:
		b = appendText(b, r.Label)
		b = append(b, byte(r.Kind))
	case OpDerive:
		b = appendText(b, r.Label)
		b = appendText(b, r.Input)
	}
	return b
}

// ParseRequest decodes a message to the helper. PIN and Input are parts of b.
func ParseRequest(b []byte) (*Request, error) {
	d := decoder{b: b}
	d.version()
	r := &Request{Op: Op(d.u8()), Number: d.u32()}
	switch r.Op {
	case OpOpen:
		r.Module = string(d.text(MaxText))
		r.Token = string(d.text(MaxText))
		r.Serial = string(d.text(MaxText))
		r.PIN = d.text(MaxPIN)
	case OpList, OpDestroy:
		r.Label = string(d.text(MaxLabel))
	case OpMake:
		r.Label = string(d.text(MaxLabel))
		r.Kind = Kind(d.u8())
		d.check(r.Kind <= KindAES)
	case OpDerive:
		r.Label = string(d.text(MaxLabel))
		r.Input = d.text(MaxInput)
	default:
		d.check(false)
	}
	if err := d.end(); err != nil {
		return nil, err
	}
	return r, nil
}

// AppendAnswer appends the message of a, which answers op, to b.
func AppendAnswer(b []byte, op Op, a *Answer) []byte {
	b = append(b, Version, byte(a.Status))
	b = binary.BigEndian.AppendUint32(b, a.Number)
	if a.Status != StatusOK {
		return appendText(b, a.Text[:min(len(a.Text), MaxText)])
	}
	switch op {
	case OpOpen:
		b = appendText(b, a.Text[:min(len(a.Text), MaxText)])
	case OpList:
		b = binary.BigEndian.AppendUint16(b, uint16(len(a.Labels)))
		for _, l := range a.Labels {
			b = appendText(b, l)
		}
	case OpDerive:
		b = append(b, a.Secret[:]...)
	case OpDestroy:
		b = binary.BigEndian.AppendUint32(b, a.Count)
	}
	return b
}

// ParseAnswer decodes the answer to op.
func ParseAnswer(b []byte, op Op) (*Answer, error) {
	d := decoder{b: b}
	d.version()
	a := &Answer{Status: Status(d.u8()), Number: d.u32()}
	switch {
	case a.Status > maxStatus:
		d.check(false)
	case a.Status != StatusOK || op == OpOpen:
		a.Text = string(d.text(MaxText))
	case op == OpList:
		n := int(d.u16())
		d.check(n <= MaxLabels)
		for range n {
			if d.bad {
				break
			}
			a.Labels = append(a.Labels, string(d.text(MaxLabel)))
		}
	case op == OpDerive:
		copy(a.Secret[:], d.take(SecretSize))
	case op == OpDestroy:
		a.Count = d.u32()
	}
	if err := d.end(); err != nil {
		return nil, err
	}
	return a, nil
}

// WriteFrame writes a message with its length before it, in one Write.
func WriteFrame(w io.Writer, message []byte) error {
	if len(message) > MaxFrame {
		return fmt.Errorf("a message of %d bytes, at most %d: %w", len(message), MaxFrame, errWire)
	}
	frame := make([]byte, 4, 4+len(message))
	binary.BigEndian.PutUint32(frame, uint32(len(message)))
	frame = append(frame, message...)
	defer clear(frame)
	_, err := w.Write(frame)
	return err
}

// ReadFrame reads a message. It returns io.EOF if the stream ends before it.
func ReadFrame(r io.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > MaxFrame {
		return nil, fmt.Errorf("a message of %d bytes, at most %d: %w", n, MaxFrame, errWire)
	}
	message := make([]byte, n)
	if _, err := io.ReadFull(r, message); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return message, nil
}

func appendText[T string | []byte](b []byte, s T) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(s)))
	return append(b, s...)
}

// A decoder takes a message apart. After the first thing that does not fit
// everything is empty, and end returns an error.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) check(ok bool) {
	if !ok {
		d.bad, d.b = true, nil
	}
}

func (d *decoder) take(n int) []byte {
	d.check(n <= len(d.b))
	if d.bad {
		return nil
	}
	t := d.b[:n:n]
	d.b = d.b[n:]
	return t
}

func (d *decoder) u8() byte {
	if t := d.take(1); t != nil {
		return t[0]
	}
	return 0
}

func (d *decoder) u16() uint16 {
	if t := d.take(2); t != nil {
		return binary.BigEndian.Uint16(t)
	}
	return 0
}

func (d *decoder) u32() uint32 {
	if t := d.take(4); t != nil {
		return binary.BigEndian.Uint32(t)
	}
	return 0
}

func (d *decoder) version() { d.check(d.u8() == Version) }

func (d *decoder) text(limit int) []byte {
	n := int(d.u16())
	d.check(n <= limit)
	return d.take(n)
}

func (d *decoder) end() error {
	d.check(len(d.b) == 0)
	if d.bad {
		return errWire
	}
	return nil
}
