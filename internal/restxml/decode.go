package restxml

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"coffer/internal/awserr"
)

// Malformed returns the error for a body that is not the document it should be.
func Malformed(cause error) *awserr.Error {
	return awserr.New(400, "MalformedXML",
		"The XML you provided was not well-formed or did not validate against our published schema").Because(cause)
}

// A decoder reads one document, element by element.
type decoder struct{ d *xml.Decoder }

// decode reads the document with one of the root names and nothing but blanks
// and comments around it. read consumes the root element.
func decode(body []byte, root string, read func(d *decoder) error) error {
	d := &decoder{xml.NewDecoder(bytes.NewReader(body))}
	start, err := d.next()
	if err == nil && start == nil {
		err = io.ErrUnexpectedEOF
	}
	if err == nil && start.Name.Local != root {
		err = errors.New("unexpected root element " + strconv.Quote(start.Name.Local))
	}
	if err == nil {
		err = read(d)
	}
	if err == nil {
		start, err = d.next()
		if err == nil && start != nil {
			err = errors.New("a second root element")
		}
		if err == io.EOF {
			err = nil
		}
	}
	if err != nil {
		return Malformed(err)
	}
	return nil
}

// next returns the next start element, or nil at the end of the current one.
// Character data in between must be blank.
func (d *decoder) next() (*xml.StartElement, error) {
	for {
		t, err := d.d.Token()
		if err != nil {
			return nil, err
		}
		switch t := t.(type) {
		case xml.StartElement:
			return &t, nil
		case xml.EndElement:
			return nil, nil
		case xml.CharData:
			if len(bytes.Trim(t, " \t\r\n\ufeff")) > 0 {
				return nil, errors.New("text between elements")
			}
		case xml.ProcInst:
			if t.Target != "xml" {
				return nil, errors.New("processing instruction")
			}
		case xml.Directive:
			return nil, errors.New("document type declaration")
		}
	}
}

// children reads the rest of the current element. f consumes the child of the
// name, or returns an error for one that may not be there.
func (d *decoder) children(f func(name string) error) error {
	for {
		start, err := d.next()
		if err != nil || start == nil {
			return err
		}
		if err := f(start.Name.Local); err != nil {
			return err
		}
	}
}

// text reads the rest of the current element, which has no children.
func (d *decoder) text() (string, error) {
	var b []byte
	for {
		t, err := d.d.Token()
		if err != nil {
			return "", err
		}
		switch t := t.(type) {
		case xml.CharData:
			b = append(b, t...)
		case xml.EndElement:
			return string(b), nil
		case xml.Comment:
		default:
			return "", errors.New("markup where text should be")
		}
	}
}

// skip reads the rest of the current element, whatever is in it.
func (d *decoder) skip() error { return d.d.Skip() }

func unknown(name string) error { return errors.New("unexpected element " + strconv.Quote(name)) }

// set reads text into p, which must still be empty.
func (d *decoder) set(p *string) error {
	if *p != "" {
		return errors.New("element given twice")
	}
	s, err := d.text()
	*p = s
	return err
}

// setBool reads a boolean into p, which must still be nil.
func (d *decoder) setBool(p **bool) error {
	s, err := d.text()
	if err != nil {
		return err
	}
	if *p != nil {
		return errors.New("element given twice")
	}
	var v bool
	switch strings.TrimSpace(s) {
	case "true", "TRUE", "True", "1":
		v = true
	case "false", "FALSE", "False", "0":
	default:
		return errors.New("not a boolean: " + strconv.Quote(s))
	}
	*p = &v
	return nil
}

// setInt reads a number that is not negative into p, which must still be nil.
func (d *decoder) setInt(p **int64) error {
	s, err := d.text()
	if err != nil {
		return err
	}
	if *p != nil {
		return errors.New("element given twice")
	}
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	if err != nil || n < 0 {
		return errors.New("not a number: " + strconv.Quote(s))
	}
	*p = &n
	return nil
}

// setTime reads an instant in ISO 8601 or the form of HTTP dates.
func (d *decoder) setTime(p *time.Time) error {
	s, err := d.text()
	if err != nil {
		return err
	}
	if !p.IsZero() {
		return errors.New("element given twice")
	}
	for _, layout := range []string{time.RFC3339Nano, "Mon, 02 Jan 2006 15:04:05 GMT"} {
		if *p, err = time.Parse(layout, strings.TrimSpace(s)); err == nil {
			return nil
		}
	}
	return errors.New("not a time: " + strconv.Quote(s))
}
