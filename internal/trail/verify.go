package trail

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"coffer/internal/hashchain"
	"coffer/internal/meta"
)

// A Report is what [Verify] found.
type Report struct {
	Node   string
	Links  uint64 // link rows that are whole
	Events uint64 // events that they name
	Gaps   uint64 // numbers below the last event that name none: changes that did not commit
	// Head is the hash after the last event. Whoever knows it from elsewhere
	// can tell that the end of the trail was not cut off.
	Head hashchain.Hash
	// Unlinked counts the events after the last link: those of the last second
	// of a running node, and none after an orderly end.
	Unlinked uint64
	Fault    *Fault // nil if the chain is whole
}

// A Fault is the first place where a node's rows do not fit its chain.
type Fault struct {
	Kind FaultKind
	Link uint64 // the number of the link row
	// Number is that of the event; 0 if the link row itself is at fault.
	Number uint64
}

// A FaultKind says what is wrong.
type FaultKind string

// The kinds of faults.
const (
	EventAltered   FaultKind = "altered"   // not the bytes that were linked
	EventMissing   FaultKind = "missing"   // linked, and there no more
	EventReordered FaultKind = "reordered" // stands where another was linked
	EventAdded     FaultKind = "added"     // stands among linked events and was not linked
	EventDamaged   FaultKind = "damaged"   // the store can't open the row
	LinkAltered    FaultKind = "link altered"
	LinkMissing    FaultKind = "link missing"
	LinkDamaged    FaultKind = "link damaged"
)

// String names the place: "event 7 is altered (link 2)".
func (f *Fault) String() string {
	switch f.Kind {
	case LinkAltered:
		return fmt.Sprintf("link %d is altered", f.Link)
	case LinkMissing:
		return fmt.Sprintf("link %d is missing", f.Link)
	case LinkDamaged:
		return fmt.Sprintf("link %d is damaged", f.Link)
	case EventAdded:
		return fmt.Sprintf("event %d was never linked", f.Number)
	}
	return fmt.Sprintf("event %d is %s (link %d)", f.Number, f.Kind, f.Link)
}

// Verify checks the chain of a node against its events, from the first on, and
// stops at the first fault, which is no error: an error means that the store
// could not be read.
//
// It holds at most the events of one link row, of which there are about a
// thousand, and may run beside a trail that goes on.
func Verify(ctx context.Context, store meta.Store, node string) (Report, error) {
	v := verifier{node: node, extra: make(map[uint64]bool)}
	v.report = Report{Node: node, Head: chainStart(node)}
	for more := true; more && v.report.Fault == nil; {
		var next verifier
		err := store.View(ctx, func(r meta.Reader) (err error) {
			next = v
			next.extra = maps.Clone(v.extra)
			more, err = next.step(r)
			return err
		})
		if err != nil {
			return Report{}, fmt.Errorf("trail: verify %s: %w", node, err)
		}
		v = next
	}
	if v.report.Fault == nil && len(v.extra) > 0 {
		v.report.Fault = &Fault{Kind: EventAdded, Number: slices.Min(slices.Collect(maps.Keys(v.extra)))}
	}
	return v.report, nil
}

// A verifier walks one chain.
type verifier struct {
	node    string
	report  Report
	through uint64
	extra   map[uint64]bool // events passed by, which a later row may link late
}

// step checks the next link row. It reports whether there was one and it is
// whole.
func (v *verifier) step(r meta.Reader) (bool, error) {
	n := v.report.Links + 1
	l, err := v.readLink(r, n)
	switch {
	case errors.Is(err, meta.ErrNotFound):
		return false, v.end(r, n)
	case errors.Is(err, meta.ErrCorrupt):
		v.report.Fault = &Fault{Kind: LinkDamaged, Link: n}
		return false, nil
	case errors.Is(err, errLink):
		v.report.Fault = &Fault{Kind: LinkAltered, Link: n}
		return false, nil
	case err != nil:
		return false, err
	}
	if l.prev != v.report.Head || !v.fits(l) {
		v.report.Fault = &Fault{Kind: LinkAltered, Link: n}
		return false, nil
	}
	records, damaged, err := v.events(r, l)
	if err != nil {
		return false, err
	}
	if f := hashchain.Verify(l.prev, l.entries, records); f != nil {
		v.report.Fault = v.fault(r, n, l, f, damaged)
		return false, nil
	}
	v.report.Links, v.report.Head = n, l.head()
	v.report.Events += uint64(len(l.entries))
	for _, e := range l.entries {
		if e.Number > v.through {
			v.report.Gaps += e.Number - v.through - 1
			v.through = e.Number
		} else if v.report.Gaps > 0 { // a late event fills a gap
			v.report.Gaps--
		}
	}
	return true, nil
}

func (v *verifier) readLink(r meta.Reader, n uint64) (linkRow, error) {
	b, err := r.Get(linkKey(v.node, n))
	if err != nil {
		return linkRow{}, err
	}
	return decodeLink(b)
}

// fits reports whether the numbers in l can follow the rows before it: late
// events first, then rising ones, and through the highest.
func (v *verifier) fits(l linkRow) bool {
	through := v.through
	for _, e := range l.entries {
		late := e.Number <= v.through && through == v.through
		if !late && e.Number <= through {
			return false
		}
		through = max(through, e.Number)
	}
	return through == l.through
}

// events returns the events that l names or goes past, by their numbers, and
// those that the store found damaged. Events that l goes past without naming
// them are noted in v.extra.
func (v *verifier) events(r meta.Reader, l linkRow) (records map[uint64][]byte, damaged map[uint64]bool, err error) {
	records, damaged = make(map[uint64][]byte), make(map[uint64]bool)
	named := make(map[uint64]bool)
	for _, e := range l.entries {
		named[e.Number] = true
	}
	passed := meta.Range{Start: eventKey(v.node, v.through+1), End: eventKey(v.node, l.through+1)}
	scan := r.Scan(passed, func(key, value []byte) (bool, error) {
		number, err := numberOf(key, eventPrefix(v.node))
		if err != nil {
			return false, err
		}
		if !named[number] {
			v.extra[number] = true
		}
		if named[number] || len(records) < 2*maxLinkEvents { // may be one that was moved there
			records[number] = slices.Clone(value)
		}
		return true, nil
	})
	if scan != nil && !errors.Is(scan, meta.ErrCorrupt) {
		return nil, nil, scan
	}
	// What the scan has not met is late, missing, or behind a damaged row.
	for _, e := range l.entries {
		if records[e.Number] != nil {
			continue
		}
		value, err := r.Get(eventKey(v.node, e.Number))
		switch {
		case err == nil:
			records[e.Number] = value
			delete(v.extra, e.Number)
		case errors.Is(err, meta.ErrCorrupt):
			damaged[e.Number] = true
		case !errors.Is(err, meta.ErrNotFound):
			return nil, nil, err
		}
	}
	if len(damaged) == 0 && scan != nil {
		return nil, nil, scan
	}
	return records, damaged, nil
}

// fault says of a row what hashchain found in its events.
func (v *verifier) fault(r meta.Reader, n uint64, l linkRow, f *hashchain.Fault, damaged map[uint64]bool) *Fault {
	kind := EventAltered
	switch {
	case damaged[f.Number]:
		kind = EventDamaged
	case f.Kind == hashchain.Missing:
		kind = EventMissing
	case f.Kind == hashchain.Reordered:
		kind = EventReordered
	case f.Kind == hashchain.BadLink:
		return &Fault{Kind: LinkAltered, Link: n}
	case f.Number == l.entries[len(l.entries)-1].Number:
		// Only the next row can tell whether the last event or its link is at
		// fault.
		if next, err := v.readLink(r, n+1); err == nil && next.prev == f.Got {
			return &Fault{Kind: LinkAltered, Link: n}
		}
	}
	return &Fault{Kind: kind, Link: n, Number: f.Number}
}

// end checks that no row follows link row n-1, and counts the events after it.
func (v *verifier) end(r meta.Reader, n uint64) error {
	later := meta.Range{Start: linkKey(v.node, n), End: meta.PrefixEnd(linkPrefix(v.node)), Limit: 1}
	err := r.Scan(later, func(_, _ []byte) (bool, error) {
		v.report.Fault = &Fault{Kind: LinkMissing, Link: n}
		return false, nil
	})
	if err != nil || v.report.Fault != nil {
		return err
	}
	unlinked := meta.Range{Start: eventKey(v.node, v.through+1), End: meta.PrefixEnd(eventPrefix(v.node))}
	return r.Scan(unlinked, func(_, _ []byte) (bool, error) {
		v.report.Unlinked++
		return true, nil
	})
}
