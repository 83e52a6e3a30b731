package key

import (
	"errors"
	"fmt"

	"coffer/internal/meta"
)

// A Probe says what of a key the rows hold, and what of that opens.
type Probe struct {
	Found int // versions of the key, or the one key of a subject
	Open  int // of these
}

// ProbeKey tries every version of a key in the rows that rd reads, which may be those
// of an old backup, with the root of now and nothing else. It is how somebody who holds
// both would try. A row that is damaged is an error: it shows nothing.
func (r *Root) ProbeKey(rd meta.Reader, ref Ref) (p Probe, err error) {
	if !ref.valid() {
		return p, fmt.Errorf("%w: %s", ErrInvalidID, ref)
	}
	err = versions(rd, ref, func(number uint32, row *versionRow) error {
		p.Found++
		return r.try(&p, func(s *epochState) (Secret, error) { return s.unwrap(ref, number, row) })
	})
	return p, err
}

// ProbeSubject is ProbeKey for the key of a subject. What is sealed for a subject opens
// only if both open, the subject's key and its KMS key.
func (r *Root) ProbeSubject(rd meta.Reader, ref Ref, id SubjectID) (p Probe, err error) {
	at := subjectAt{subjectRef(ref), id}
	row, err := getRow[subjectRow](rd, at.row(rowSubject))
	if errors.Is(err, meta.ErrNotFound) {
		return p, nil
	}
	if err != nil {
		return p, err
	}
	p.Found++
	return p, r.try(&p, func(s *epochState) (Secret, error) { return s.unwrapSubject(at, row) })
}

// try counts what opens. A leaf that is destroyed is the one reason not to.
func (r *Root) try(p *Probe, open func(*epochState) (Secret, error)) error {
	return r.view(func(s *epochState) error {
		secret, err := open(s)
		secret.Wipe()
		if errors.Is(err, ErrPunctured) {
			return nil
		}
		if err == nil {
			p.Open++
		}
		return err
	})
}

// SubjectID returns the ID of a subject of a key, by its pair of the encryption context.
func (r *Root) SubjectID(ref Ref, name, value string) (id SubjectID, err error) {
	k := &Keys{root: r}
	if k.subjectIDs, err = k.Derive("subject-id/v1"); err != nil {
		return id, err
	}
	defer k.subjectIDs.Wipe()
	return k.subjectAt(&Key{Ref: ref, ShredBy: name}, value).id, nil
}
