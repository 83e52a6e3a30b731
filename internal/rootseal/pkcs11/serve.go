package pkcs11

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// A Session is an open token, as the helper sees it. The helper implements it over
// a module, tests without one. An error that is not a [*Failure] counts as one of
// [StatusFailed].
type Session interface {
	// List returns the labels of the secret keys that begin with prefix.
	List(prefix string) ([]string, error)
	// Make generates a key that never leaves the token.
	Make(label string, kind Kind) error
	// Derive returns a pseudorandom function of the input, under the key.
	Derive(label string, input []byte) ([SecretSize]byte, error)
	// Destroy destroys every key of the label, looks for more, and returns how
	// many there were.
	Destroy(label string) (int, error)
}

// A Failure is a request that failed, with the status that its answer has.
type Failure struct {
	Status Status
	Text   string // names what failed, never a secret
}

func (f *Failure) Error() string { return f.Text }

// Failf returns a failure.
func Failf(status Status, format string, args ...any) error {
	return &Failure{status, fmt.Sprintf(format, args...)}
}

// Serve answers the requests of r on w until r ends, which is how the helper
// learns that coffer is gone: it returns then even if the token has not answered.
// Requests come one at a time. open opens the token that the first request
// describes, whose PIN is wiped when open returns.
func Serve(r io.Reader, w io.Writer, open func(*Request) (s Session, token string, err error)) error {
	messages, ended := make(chan []byte), make(chan error, 1)
	go func() {
		for {
			m, err := ReadFrame(r)
			if err != nil {
				ended <- err
				return
			}
			messages <- m
		}
	}()
	s := server{open: open}
	for {
		var message []byte
		select {
		case message = <-messages:
		case err := <-ended:
			return endOf(err)
		}
		done := make(chan error, 1)
		go func() { done <- s.answer(w, message) }()
		select {
		case err := <-done:
			if err != nil {
				return err
			}
		case err := <-ended:
			return endOf(err)
		}
	}
}

func endOf(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

type server struct {
	open    func(*Request) (Session, string, error)
	session Session
}

// answer answers one message. It returns an error if the stream is of no more use.
func (s *server) answer(w io.Writer, message []byte) error {
	defer clear(message)
	r, err := ParseRequest(message)
	if err != nil {
		return err
	}
	a, err := s.do(r)
	if err != nil {
		a = &Answer{Status: StatusFailed, Text: err.Error()}
		if f, ok := errors.AsType[*Failure](err); ok {
			a.Status = f.Status
		}
	}
	a.Number = r.Number
	b := AppendAnswer(make([]byte, 0, 256), r.Op, a)
	defer clear(b)
	clear(a.Secret[:])
	return WriteFrame(w, b)
}

func (s *server) do(r *Request) (*Answer, error) {
	if r.Op == OpOpen {
		if s.session != nil {
			return nil, Failf(StatusRefused, "a token is open already")
		}
		session, token, err := s.open(r)
		if err != nil {
			return nil, err
		}
		s.session = session
		return &Answer{Text: token}, nil
	}
	if s.session == nil {
		return nil, Failf(StatusRefused, "no token is open")
	}
	if !strings.HasPrefix(r.Label, LabelPrefix) {
		return nil, Failf(StatusRefused, "label %q does not begin with %s", r.Label, LabelPrefix)
	}
	switch r.Op {
	case OpList:
		labels, err := s.session.List(r.Label)
		if err == nil && len(labels) > MaxLabels {
			err = Failf(StatusFailed, "%d keys have labels that begin with %s, at most %d", len(labels), r.Label, MaxLabels)
		}
		return &Answer{Labels: labels}, err
	case OpMake:
		return &Answer{}, s.session.Make(r.Label, r.Kind)
	case OpDerive:
		secret, err := s.session.Derive(r.Label, r.Input)
		return &Answer{Secret: secret}, err
	case OpDestroy:
		n, err := s.session.Destroy(r.Label)
		return &Answer{Count: uint32(n)}, err
	}
	return nil, Failf(StatusRefused, "unknown operation %d", r.Op)
}
