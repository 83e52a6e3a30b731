package key

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/fxamacker/cbor/v2"

	"coffer/internal/meta"
	"coffer/internal/revision"
)

// TagShredBy is the tag that gives a key subjects. Its value is the name of a pair
// of the encryption context: each value of that pair has a key of its own, so that
// destroying that one makes dark what was sealed for one subject, and nothing else.
const TagShredBy = "coffer:shred-by"

// A SubjectID is a keyed hash of a subject's value: who has the store key can tell
// that a value he guesses was used, nobody else can.
type SubjectID [32]byte

// String returns 64 hexadecimal digits.
func (s SubjectID) String() string { return hex.EncodeToString(s[:]) }

// A Subject is one value that has a key of its own below a KMS key.
type Subject struct {
	Key           Ref // of a multi-region key, the one that it was made with
	ID            SubjectID
	Name, Value   string // the pair of the encryption context
	State         State  // Enabled, Disabled or PendingDeletion
	Created       time.Time
	Deletion      time.Time     // zero unless State is PendingDeletion
	PendingWindow time.Duration // zero unless State is PendingDeletion
}

// A SubjectAlso runs last in the transaction that changes a subject, and sees it as
// the transaction leaves it. Its error aborts the change and is returned. It may
// run twice. A nil SubjectAlso does nothing.
type SubjectAlso func(tx meta.Txn, s *Subject) error

// A subjectRow is a Subject as stored, with its key, wrapped under a leaf.
type subjectRow struct {
	Shard    uint16 `cbor:"1,keyasint"`
	Leaf     uint32 `cbor:"2,keyasint"`
	Wrapped  []byte `cbor:"3,keyasint"`
	Value    string `cbor:"4,keyasint"`
	Created  int64  `cbor:"5,keyasint"`
	State    State  `cbor:"6,keyasint,omitempty"` // empty for Enabled
	Deletion int64  `cbor:"7,keyasint,omitempty"`
	Window   int64  `cbor:"8,keyasint,omitempty"`
	Before   State  `cbor:"9,keyasint,omitempty"` // what a cancelled deletion returns to
	Name     string `cbor:"10,keyasint"`
	Region   string `cbor:"11,keyasint,omitempty"` // of a multi-region key
}

func (r *subjectRow) leaf() leaf { return leaf{r.Shard, r.Leaf} }

// A shreddedRow is what remains of a subject.
type shreddedRow struct {
	Destroyed int64  `cbor:"1,keyasint"`
	Epoch     uint64 `cbor:"2,keyasint"`
}

// A subjectAt is the place of a subject's row.
type subjectAt struct {
	ref Ref // of a multi-region key, without its region
	id  SubjectID
}

// An openSubject is a subject in memory.
type openSubject struct {
	state  State
	secret Secret
}

// subjectRef is the key below which the subjects of ref are: those of a multi-region
// key are the same in every region.
func subjectRef(ref Ref) Ref {
	if isMultiRegion(ref.ID) {
		ref.Region = ""
	}
	return ref
}

func subjectPrefix(ref Ref) []byte { return []byte(rowSubject + ref.place() + "/") }
func (a subjectAt) row(prefix string) []byte {
	return append([]byte(prefix+a.ref.place()+"/"), a.id[:]...)
}
func subjectDueKey(when int64, a subjectAt) []byte {
	return append(append(dateKey(rowSubjectDue, when, a.ref), '/'), a.id[:]...)
}

// parseSubjectAt reverses the end of a row's key that subjectAt.row made.
func parseSubjectAt(b []byte) (subjectAt, error) {
	n := len(b) - 1 - len(SubjectID{})
	if n < 0 {
		return subjectAt{}, fmt.Errorf("%w: a row names no subject", meta.ErrCorrupt)
	}
	ref, err := parsePlace(string(b[:n]))
	return subjectAt{ref, SubjectID(b[n+1:])}, err
}

// subjectAt returns the place of a subject.
func (k *Keys) subjectAt(key *Key, value string) subjectAt {
	a := subjectAt{ref: subjectRef(key.Ref)}
	m := hmac.New(sha256.New, k.subjectIDs[:])
	for _, s := range []string{a.ref.place(), key.ShredBy, value} {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(s)))
		m.Write(n[:])
		m.Write([]byte(s))
	}
	m.Sum(a.id[:0])
	return a
}

// subjectIn returns the subject that an encryption context names below a key that has
// subjects, or ErrNoSubject.
func (key *Key) subjectIn(encryptionContext map[string]string) (value string, err error) {
	if value = encryptionContext[key.ShredBy]; value == "" {
		return "", ErrNoSubject
	}
	return value, nil
}

// SubjectOf returns the ID of the subject that an encryption context names below a
// key, whether it was ever used or not; ok is false if the key has no subjects.
// It returns ErrNoSubject if the context lacks the pair.
func (k *Keys) SubjectOf(key *Key, encryptionContext map[string]string) (id SubjectID, ok bool, err error) {
	if key.ShredBy == "" {
		return id, false, nil
	}
	value, err := key.subjectIn(encryptionContext)
	if err != nil {
		return id, false, err
	}
	return k.subjectAt(key, value).id, true, nil
}

// mixSubject replaces the secret of m by that of the subject that the encryption
// context names, if the key has subjects.
func (k *Keys) mixSubject(ctx context.Context, key *Key, m *material, encryptionContext map[string]string, create bool) error {
	if key.ShredBy == "" {
		return nil
	}
	value, err := key.subjectIn(encryptionContext)
	if err != nil {
		return err
	}
	s, err := k.subject(ctx, key, value, create)
	if err != nil {
		return err
	}
	defer s.secret.Wipe()
	if err := s.usable(); err != nil {
		return err
	}
	mixed := mix(&m.secret, &s.secret, m.id)
	m.secret.Wipe()
	m.secret = mixed
	return nil
}

// Ready returns nil if the key may be used now for the encryption context, and
// otherwise the error of Encrypt. A subject that was never used is ready.
func (k *Keys) Ready(ctx context.Context, key *Key, encryptionContext map[string]string) error {
	if err := key.Usable(); err != nil {
		return err
	}
	if key.ShredBy == "" {
		return nil
	}
	value, err := key.subjectIn(encryptionContext)
	if err != nil {
		return err
	}
	s, err := k.subject(ctx, key, value, false)
	if errors.Is(err, ErrSubjectNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	s.secret.Wipe()
	return s.usable()
}

func (s *openSubject) usable() error {
	switch s.state {
	case Enabled:
		return nil
	case Disabled:
		return ErrSubjectDisabled
	case PendingDeletion:
		return ErrSubjectPendingDeletion
	default:
		return ErrSubjectDestroyed
	}
}

// subject returns the key of a subject in any state, and makes it with create if
// there is none. The caller wipes its copy.
//
// It returns ErrSubjectNotFound or ErrSubjectDestroyed.
func (k *Keys) subject(ctx context.Context, key *Key, value string, create bool) (openSubject, error) {
	at := k.subjectAt(key, value)
	s, era, ok := k.subjects.get(at)
	if ok {
		return s, nil
	}
	err := k.meta.View(ctx, func(r meta.Reader) (err error) {
		s, err = k.openSubject(r, at)
		return err
	})
	if errors.Is(err, ErrSubjectNotFound) && create {
		return k.makeSubject(ctx, key, at, value)
	}
	if err != nil {
		return openSubject{}, err
	}
	k.subjects.put(era, at, s)
	return s, nil
}

// openSubject reads and unwraps the key of a subject.
func (k *Keys) openSubject(r meta.Reader, at subjectAt) (s openSubject, err error) {
	row, err := getSubject(r, at)
	if err != nil {
		return s, err
	}
	s.state = row.state()
	err = k.root.view(func(e *epochState) error {
		s.secret, err = e.unwrapSubject(at, row)
		return err
	})
	if errors.Is(err, ErrPunctured) {
		// The row is from an old backup.
		return openSubject{}, ErrSubjectDestroyed
	}
	return s, err
}

// unwrapSubject returns the key of a subject. It returns ErrPunctured if the leaf is
// gone, and meta.ErrCorrupt if the row does not open.
func (s *epochState) unwrapSubject(at subjectAt, row *subjectRow) (Secret, error) {
	leafSecret, err := s.leaf(row.leaf())
	if err != nil {
		return Secret{}, err
	}
	defer leafSecret.Wipe()
	secret, err := unwrap(&leafSecret, row.Wrapped, at.wrapping())
	if err != nil {
		return Secret{}, fmt.Errorf("%w: a subject of %s does not open", meta.ErrCorrupt, at.ref.place())
	}
	return secret, nil
}

func (a subjectAt) wrapping() *wrapping {
	return &wrapping{kindSubject, a.ref, 1, MaterialID(a.id)}
}

func (r *subjectRow) state() State {
	if r.State == "" {
		return Enabled
	}
	return r.State
}

// getSubject returns the row of a subject, ErrSubjectNotFound or ErrSubjectDestroyed.
func getSubject(r meta.Reader, at subjectAt) (*subjectRow, error) {
	row, err := getRow[subjectRow](r, at.row(rowSubject))
	if errors.Is(err, meta.ErrNotFound) {
		_, err := r.Get(at.row(rowShredded))
		switch {
		case errors.Is(err, meta.ErrNotFound):
			return nil, ErrSubjectNotFound
		case err == nil:
			return nil, ErrSubjectDestroyed
		}
		return nil, err
	}
	if err == nil && row.State == destroying {
		return nil, ErrSubjectDestroyed
	}
	return row, err
}

// makeSubject makes the key of a subject, unless another call was faster. It caches
// nothing: a change may come between.
func (k *Keys) makeSubject(ctx context.Context, key *Key, at subjectAt, value string) (s openSubject, err error) {
	var secret Secret
	defer secret.Wipe()
	if err := k.draw(secret[:]); err != nil {
		return s, err
	}
	k.epochs.RLock()
	defer k.epochs.RUnlock()
	err = k.meta.Update(ctx, func(tx meta.Txn) error {
		s, err = k.openSubject(tx, at)
		if !errors.Is(err, ErrSubjectNotFound) {
			return err
		}
		// So that no subject is made below a key that is going.
		owner, err := getKey(tx, key.Ref)
		if err != nil {
			return err
		}
		if err := k.current(owner.key(key.Ref)).Usable(); err != nil {
			return err
		}
		row := subjectRow{Name: key.ShredBy, Value: value, Created: k.now().UnixNano()}
		if isMultiRegion(key.ID) {
			row.Region = key.Region
		}
		row.Shard, row.Leaf, row.Wrapped, err = k.wrapAtLeaf(tx, at.wrapping(), &secret)
		if err != nil {
			return err
		}
		s = openSubject{Enabled, secret}
		return putRow(tx, at.row(rowSubject), &row)
	})
	if err != nil {
		s.secret.Wipe()
		return openSubject{}, err
	}
	return s, nil
}

// owner returns the key of a subject, without reading it.
func (row *subjectRow) owner(at subjectAt) Ref {
	if row.Region != "" {
		at.ref.Region = row.Region
	}
	return at.ref
}

func (row *subjectRow) subject(at subjectAt) *Subject {
	return &Subject{
		Key: row.owner(at), ID: at.id, Name: row.Name, Value: row.Value, State: row.state(), Created: fromNano(row.Created),
		Deletion: fromNano(row.Deletion), PendingWindow: time.Duration(row.Window),
	}
}

// Subject returns one subject of a key.
// It returns ErrNotFound, ErrSubjectNotFound or ErrSubjectDestroyed.
func (k *Keys) Subject(ctx context.Context, ref Ref, value string) (*Subject, error) {
	key, err := k.Get(ctx, ref)
	if err != nil {
		return nil, err
	}
	if key.ShredBy == "" {
		return nil, ErrSubjectNotFound
	}
	at := k.subjectAt(key, value)
	var s *Subject
	err = k.meta.View(ctx, func(r meta.Reader) error {
		row, err := getSubject(r, at)
		if err == nil {
			s = row.subject(at)
		}
		return err
	})
	return s, err
}

// Subjects returns up to limit subjects of a key in the order of their IDs, from
// the first above after; the zero ID begins at the first. more says that others
// follow. It returns ErrNotFound.
func (k *Keys) Subjects(ctx context.Context, ref Ref, after SubjectID, limit int) (list []*Subject, more bool, err error) {
	if _, err := k.Get(ctx, ref); err != nil {
		return nil, false, err
	}
	prefix := subjectPrefix(subjectRef(ref))
	rows := meta.Prefix(prefix)
	if after != (SubjectID{}) {
		rows.Start = append(append(append([]byte(nil), prefix...), after[:]...), 0)
	}
	err = k.meta.View(ctx, func(r meta.Reader) error {
		list, more = nil, false
		return r.Scan(rows, func(at, value []byte) (bool, error) {
			if len(list) == limit {
				more = true
				return false, nil
			}
			var row subjectRow
			if err := cbor.Unmarshal(value, &row); err != nil || len(at) != len(prefix)+len(SubjectID{}) {
				return false, fmt.Errorf("%w: a subject of %s", meta.ErrCorrupt, ref)
			}
			if row.State != destroying {
				list = append(list, row.subject(subjectAt{subjectRef(ref), SubjectID(at[len(prefix):])}))
			}
			return true, nil
		})
	})
	return list, more, err
}

// changeSubject runs fn on the row of a subject, writes it, and forgets it.
func (k *Keys) changeSubject(ctx context.Context, ref Ref, value string, also SubjectAlso, fn func(tx meta.Txn, at subjectAt, row *subjectRow) error) (*Subject, error) {
	key, err := k.Get(ctx, ref)
	if err != nil {
		return nil, err
	}
	if key.ShredBy == "" {
		return nil, ErrSubjectNotFound
	}
	at := k.subjectAt(key, value)
	defer k.subjects.forget(at) // also after an error, for the outcome may be unknown
	var s *Subject
	err = k.meta.Update(ctx, func(tx meta.Txn) error {
		row, err := getSubject(tx, at)
		if err != nil {
			return err
		}
		if err := fn(tx, at, row); err != nil {
			return err
		}
		if err := putRow(tx, at.row(rowSubject), row); err != nil {
			return err
		}
		if err := revision.Bump(tx); err != nil {
			return err
		}
		s = row.subject(at)
		if also == nil {
			return nil
		}
		return also(tx, s)
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// DisableSubject makes a subject's key unusable at once, until EnableSubject.
// It returns ErrNotFound, ErrSubjectNotFound, ErrSubjectDestroyed or
// ErrSubjectPendingDeletion.
func (k *Keys) DisableSubject(ctx context.Context, ref Ref, value string, also SubjectAlso) (*Subject, error) {
	return k.setSubject(ctx, ref, value, Disabled, also)
}

// EnableSubject is the reverse of DisableSubject, with the same errors.
func (k *Keys) EnableSubject(ctx context.Context, ref Ref, value string, also SubjectAlso) (*Subject, error) {
	return k.setSubject(ctx, ref, value, "", also)
}

func (k *Keys) setSubject(ctx context.Context, ref Ref, value string, state State, also SubjectAlso) (*Subject, error) {
	return k.changeSubject(ctx, ref, value, also, func(_ meta.Txn, _ subjectAt, row *subjectRow) error {
		if row.State == PendingDeletion {
			return ErrSubjectPendingDeletion
		}
		row.State = state
		return nil
	})
}

// ScheduleSubjectDeletion makes a subject's key unusable at once, and due for
// destruction when the window has passed.
//
// It returns ErrNotFound, ErrSubjectNotFound, ErrSubjectDestroyed,
// ErrSubjectPendingDeletion or ErrInvalidWindow.
func (k *Keys) ScheduleSubjectDeletion(ctx context.Context, ref Ref, value string, window time.Duration, also SubjectAlso) (*Subject, error) {
	if window < MinWindow || window > MaxWindow {
		return nil, ErrInvalidWindow
	}
	due := k.now().Add(window).UnixNano()
	return k.changeSubject(ctx, ref, value, also, func(tx meta.Txn, at subjectAt, row *subjectRow) error {
		if row.State == PendingDeletion {
			return ErrSubjectPendingDeletion
		}
		row.Before, row.State, row.Deletion, row.Window = row.State, PendingDeletion, due, int64(window)
		return tx.Put(subjectDueKey(due, at), nil)
	})
}

// CancelSubjectDeletion returns a subject to the state that it had before its
// deletion was scheduled. Once its destruction began there is no such subject.
//
// It returns ErrNotFound, ErrSubjectNotFound, ErrSubjectDestroyed or
// ErrSubjectNotPendingDeletion.
func (k *Keys) CancelSubjectDeletion(ctx context.Context, ref Ref, value string, also SubjectAlso) (*Subject, error) {
	return k.changeSubject(ctx, ref, value, also, func(tx meta.Txn, at subjectAt, row *subjectRow) error {
		if row.State != PendingDeletion {
			return ErrSubjectNotPendingDeletion
		}
		due := row.Deletion
		row.State, row.Before, row.Deletion, row.Window = row.Before, "", 0, 0
		return tx.Delete(subjectDueKey(due, at))
	})
}
