package restxml

import (
	"strings"
	"unicode/utf8"

	"coffer/internal/awserr"
)

// Error is an error body. That of S3 Control is in an envelope, which has the
// request's IDs: clients look for them there.
type Error struct {
	Control   bool // of S3 Control
	Err       *awserr.Error
	RequestID string
	HostID    string
}

// write leaves out a field whose name is not a plain element name: names are not
// escaped.
func (d *Error) write(w *writer) {
	if d.Control {
		w.raw(`<ErrorResponse xmlns="` + ControlNamespace + `">`)
		defer w.close("ErrorResponse")
	}
	w.open("Error")
	w.text("Code", d.Err.Code)
	msg := d.Err.Message
	if msg == "" {
		msg = d.Err.Code // some clients fail on an empty message
	}
	w.text("Message", carried(msg))
	for _, f := range d.Err.Fields {
		if isName(f.Name) {
			w.text(f.Name, carried(f.Value))
		}
	}
	if d.Control {
		w.close("Error")
	}
	w.text("RequestId", d.RequestID)
	w.text("HostId", d.HostID)
	if !d.Control {
		w.close("Error")
	}
}

// carried replaces the characters that XML 1.0 has no way to carry. An error often
// repeats what the client sent, a key above all, and a client that can't parse
// the document does not learn the code either.
//
// Source: Extensible Markup Language 1.0 (Fifth Edition), section 2.2.
func carried(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF {
			return utf8.RuneError
		}
		return r
	}, s)
}

func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || (c < '0' || c > '9') && c != '-' && c != '_') {
			return false
		}
	}
	return s != ""
}
