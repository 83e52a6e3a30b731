package erasure

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"coffer/internal/meta"
	"coffer/internal/object"
	"coffer/internal/receipt"
)

const (
	// maxSample is how much of the content that goes dark an Effect lists.
	maxSample = 20
	// maxOpens is how much of what opens it stands beside content that does not go
	// dark, and maxListedBytes ends the list. A receipt must fit into its format,
	// whatever clients call their objects: a byte takes up to six in JSON.
	maxOpens       = 8
	maxListedBytes = 100 << 10
)

// An Effect is what a destruction makes dark, and what it does not.
type Effect struct {
	Dark    receipt.Count
	Sample  []object.Use // the first of it
	NotDark receipt.Remainder

	listed int // bytes in NotDark.Listed
}

// Preview tells what destroying t makes dark. Content may come and go meanwhile.
func (l *Ledger) Preview(ctx context.Context, t Target) (*Effect, error) {
	e := &Effect{NotDark: receipt.Remainder{Complete: true, Listed: []receipt.Listed{}}}
	gone := make(map[string]bool) // targets outside t
	for _, target := range t.targets() {
		err := l.cfg.Objects.EachUse(ctx, target, func(u *object.Use) error {
			if u.IsDamaged {
				e.NotDark.Complete = false
				return nil
			}
			var opens []string
			for _, other := range u.Targets {
				if t.within(other) {
					continue
				}
				dead, ok := gone[other]
				if !ok {
					var err error
					if dead, err = l.gone(ctx, other); err != nil {
						return err
					}
					if len(gone) < maxGone {
						gone[other] = dead
					}
				}
				if !dead {
					opens = append(opens, receipt.Text(other))
				}
			}
			e.add(u, opens)
			return nil
		})
		if errors.Is(err, meta.ErrCorrupt) {
			// A damaged row of the index must not stop a destruction.
			e.NotDark.Complete = false
			l.cfg.Log.Error("count content under a key", "key", target, "error", err)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("count content under %s: %w", target, err)
		}
	}
	return e, nil
}

// maxGone bounds how many other keys are remembered while content is counted.
const maxGone = 10_000

// gone reports whether a target of the index can't open anything any more.
func (l *Ledger) gone(ctx context.Context, target string) (bool, error) {
	ref, subject, ok := parseTarget(target)
	if !ok {
		return false, nil
	}
	return l.cfg.Keys.Gone(ctx, ref, subject)
}

func cutPart(target string) (arn, part string, ok bool) { return strings.Cut(target, "#") }

func (e *Effect) add(u *object.Use, opens []string) {
	c := &e.Dark
	if len(opens) > 0 {
		c = &e.NotDark.Count
	}
	switch {
	case u.IsUpload:
		c.Uploads++
	default:
		c.Versions++
		if u.IsLatest {
			c.Objects++
		}
	}
	c.Bytes += u.Bytes
	switch {
	case len(opens) > 0 && len(e.NotDark.Listed) < receipt.MaxListed && e.listed < maxListedBytes:
		l := receipt.Listed{Bucket: u.Bucket, Key: receipt.Text(u.Key), Version: u.VersionID, Opens: opens[:min(len(opens), maxOpens)]}
		e.NotDark.Listed = append(e.NotDark.Listed, l)
		e.listed += len(l.Key)
		for _, o := range l.Opens {
			e.listed += len(o)
		}
	case len(opens) == 0 && len(e.Sample) < maxSample:
		e.Sample = append(e.Sample, *u)
	}
}
