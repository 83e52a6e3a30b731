package restxml

import "coffer/internal/awserr"

// Error is an error body.
type Error struct {
	Err       *awserr.Error
	RequestID string
	HostID    string
}

// write leaves out a field whose name is not a plain element name: names are not
// escaped.
func (d *Error) write(w *writer) {
	w.open("Error")
	w.text("Code", d.Err.Code)
	msg := d.Err.Message
	if msg == "" {
		msg = d.Err.Code // some clients fail on an empty message
	}
	w.text("Message", msg)
	for _, f := range d.Err.Fields {
		if isName(f.Name) {
			w.text(f.Name, f.Value)
		}
	}
	w.text("RequestId", d.RequestID)
	w.text("HostId", d.HostID)
	w.close("Error")
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
