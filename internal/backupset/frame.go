package backupset

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// A stream carries sealed files from the server to whoever keeps them:
//
//	stream = frame ... | frame 'Z'
//	frame  = u8 type | u32 length | payload
//
//	'F'  name (32) | u64 size    a file begins; it ends after that many bytes of 'D'
//	'D'  bytes                   some of the file
//	'L'  name (32)               a file that is lost where it came from
//	'E'  text                    why the stream ends here
//	'Z'                          the end
const (
	frameFile = 'F'
	frameData = 'D'
	frameLost = 'L'
	frameFail = 'E'
	frameEnd  = 'Z'

	frameHeader = 1 + 4
	maxData     = 256 << 10
	maxText     = 1 << 10
)

// ErrCut means that a stream ended before its end.
var ErrCut = errors.New("backupset: stream was cut")

// A StreamWriter writes a stream.
type StreamWriter struct {
	w    io.Writer
	left int64 // of the file under way
	err  error
}

// NewStreamWriter returns a writer of a stream to w.
func NewStreamWriter(w io.Writer) *StreamWriter { return &StreamWriter{w: w} }

func (s *StreamWriter) frame(kind byte, payload []byte) error {
	if s.err != nil {
		return s.err
	}
	b := make([]byte, 0, frameHeader+len(payload))
	b = append(b, kind)
	b = binary.BigEndian.AppendUint32(b, uint32(len(payload)))
	_, s.err = s.w.Write(append(b, payload...))
	return s.err
}

// File begins a file, whose size bytes are then written.
func (s *StreamWriter) File(id ID, size int64) error {
	if s.left != 0 {
		panic("backupset: internal error: a file begins before the last one ends")
	}
	s.left = size
	return s.frame(frameFile, binary.BigEndian.AppendUint64(append([]byte(nil), id[:]...), uint64(size)))
}

// Write writes some bytes of the file.
func (s *StreamWriter) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		m := min(len(p), maxData)
		if s.left -= int64(m); s.left < 0 {
			panic("backupset: internal error: a file is longer than announced")
		}
		if err := s.frame(frameData, p[:m]); err != nil {
			return n, err
		}
		p, n = p[m:], n+m
	}
	return n, nil
}

// Lost says that a file can't be had any more.
func (s *StreamWriter) Lost(id ID) error { return s.frame(frameLost, id[:]) }

// Fail ends the stream with a reason.
func (s *StreamWriter) Fail(text string) error {
	return s.frame(frameFail, []byte(text[:min(len(text), maxText)]))
}

// Close ends the stream.
func (s *StreamWriter) Close() error {
	if s.left != 0 {
		return fmt.Errorf("%w: %d bytes of a file are missing", ErrCut, s.left)
	}
	return s.frame(frameEnd, nil)
}

// A StreamReader reads a stream.
type StreamReader struct {
	r    *bufio.Reader
	left int64 // of the file under way
	data int   // of the frame under way
	err  error
}

// NewStreamReader returns a reader of a stream from r.
func NewStreamReader(r io.Reader) *StreamReader {
	return &StreamReader{r: bufio.NewReaderSize(r, 64<<10)}
}

// A StreamedFile is a file of a stream.
type StreamedFile struct {
	ID   ID
	Size int64
	Lost bool
}

// Next returns the next file, or io.EOF at the end of the stream. What was left of
// the file before it must have been read.
func (s *StreamReader) Next() (f StreamedFile, err error) {
	if s.err == nil && s.left > 0 {
		s.err = errors.New("backupset: a file was not read to its end")
	}
	if s.err != nil {
		return f, s.err
	}
	kind, n := s.header()
	var b [maxText]byte
	switch {
	case s.err != nil:
	case kind == frameFile && n == 40:
		s.full(b[:40])
		f.ID, s.left = ID(b[:32]), int64(binary.BigEndian.Uint64(b[32:]))
		f.Size = s.left
		if s.left < 0 {
			s.err = ErrCut
		}
	case kind == frameLost && n == 32:
		s.full(b[:32])
		f.ID, f.Lost = ID(b[:32]), true
	case kind == frameFail && n <= maxText:
		s.full(b[:n])
		if s.err == nil {
			s.err = fmt.Errorf("%w: %s", ErrCut, b[:n])
		}
	case kind == frameEnd && n == 0:
		s.err = io.EOF
	default:
		s.err = fmt.Errorf("%w: a frame of type %q and %d bytes", ErrCut, kind, n)
	}
	return f, s.err
}

func (s *StreamReader) header() (kind byte, n int) {
	var b [frameHeader]byte
	s.full(b[:])
	return b[0], int(binary.BigEndian.Uint32(b[1:]))
}

func (s *StreamReader) full(b []byte) {
	if s.err != nil {
		return
	}
	if _, err := io.ReadFull(s.r, b); err != nil {
		s.err = cut(err)
	}
}

// cut turns an end of file into ErrCut.
func cut(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return ErrCut
	}
	return fmt.Errorf("%w: %w", ErrCut, err)
}

// Read reads the file under way, until io.EOF.
func (s *StreamReader) Read(p []byte) (int, error) {
	if s.left == 0 && s.data == 0 {
		return 0, io.EOF
	}
	if s.err == nil && s.data == 0 {
		kind, n := s.header()
		switch {
		case s.err != nil:
		case kind == frameFail && n <= maxText:
			text := make([]byte, n)
			if s.full(text); s.err == nil {
				s.err = fmt.Errorf("%w: %s", ErrCut, text)
			}
		case kind != frameData || n == 0 || n > maxData || int64(n) > s.left:
			s.err = fmt.Errorf("%w: a frame of type %q and %d bytes in a file", ErrCut, kind, n)
		default:
			s.data = n
		}
	}
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.r.Read(p[:min(len(p), s.data)])
	s.data -= n
	s.left -= int64(n)
	if err != nil {
		s.err = cut(err)
	}
	return n, s.err
}
