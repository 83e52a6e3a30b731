package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"coffer/internal/archive"
	"coffer/internal/arn"
	"coffer/internal/backup"
	"coffer/internal/key"
	"coffer/internal/meta"
	"coffer/internal/receipt"
)

// A Survivor names a key, or a subject of it, that must open although something else
// was destroyed.
type Survivor struct {
	Key         string // ARN, or the ID of a key beside the one that was destroyed
	Name, Value string // of a subject; both empty for the key
}

// A BackupProof says what an old backup and the root of today open together.
type BackupProof struct {
	Name      string        `json:"name"`
	Created   time.Time     `json:"created"`
	RootEpoch uint64        `json:"rootEpoch"`
	Destroyed ProbeReport   `json:"destroyed"`
	Survivors []ProbeReport `json:"survivors"`
	Problems  []string      `json:"problems"` // empty if it shows what the receipt states
}

// A ProbeReport says of a key how many versions of its material the backup holds, or of
// a subject whether it holds its key, and how many of that open.
type ProbeReport struct {
	Key   string `json:"key"`
	Name  string `json:"name,omitempty"`
	Value string `json:"value,omitempty"`
	Found int    `json:"found"`
	Open  int    `json:"open"`
}

// ProveReceipt opens a backup with a root of trust and tries what the receipt says is
// destroyed, and what is said to survive. With an empty name it takes the newest backup
// that holds what was destroyed.
func ProveReceipt(ctx context.Context, root *BackupRoot, from archive.Store, name string, r *receipt.Receipt, survivors []Survivor) (*BackupProof, error) {
	if id := fmt.Sprintf("%x", root.Root.StoreID()); id != r.Store {
		return &BackupProof{Survivors: []ProbeReport{}, RootEpoch: root.Root.Epoch(),
			Problems: []string{fmt.Sprintf("the receipt is of the installation %s, the root of trust of %s", r.Store, id)}}, nil
	}
	ref, err := keyRef(r.What.Key, "")
	if err != nil {
		return nil, err
	}
	names := []string{name}
	if name == "" {
		if names, err = backup.Names(ctx, from); err != nil {
			return nil, err
		}
		slices.Reverse(names)
	}
	var out *BackupProof
	for _, n := range names {
		if out, err = proveIn(ctx, root, from, n, ref, r, survivors); err != nil {
			return nil, fmt.Errorf("backup %s: %w", n, err)
		}
		if out.Destroyed.Found > 0 {
			return out, nil
		}
	}
	if out == nil {
		return nil, backup.ErrNoBackups
	}
	return out, nil
}

func proveIn(ctx context.Context, root *BackupRoot, from archive.Store, name string, ref key.Ref, r *receipt.Receipt, survivors []Survivor) (*BackupProof, error) {
	b, err := backup.Open(ctx, from, root.Codec, name)
	if err != nil {
		return nil, err
	}
	out := &BackupProof{Name: b.Name, Created: b.Created(), RootEpoch: root.Root.Epoch(), Survivors: []ProbeReport{}, Problems: []string{}}
	problem := func(format string, args ...any) { out.Problems = append(out.Problems, fmt.Sprintf(format, args...)) }
	if out.RootEpoch < r.Destroyed.After {
		problem("the root of trust is of epoch %d, before the destruction in epoch %d", out.RootEpoch, r.Destroyed.After)
	}
	store := b.Store()
	defer store.Close()
	err = store.View(ctx, func(rd meta.Reader) error {
		gone := Survivor{Key: r.What.Key}
		if s := r.What.Subject; s != nil {
			gone.Name, gone.Value = s.Name, s.Value
		}
		if out.Destroyed, err = probe(rd, root.Root, ref, gone); err != nil {
			return err
		}
		switch d := &out.Destroyed; {
		case d.Found == 0:
			problem("the backup does not hold it: one from before the destruction shows more")
		case d.Open > 0:
			problem("it opens")
		}
		for _, s := range survivors {
			at, err := keyRef(s.Key, r.What.Key)
			if err != nil {
				return err
			}
			p, err := probe(rd, root.Root, at, s)
			if err != nil {
				return err
			}
			out.Survivors = append(out.Survivors, p)
			if p.Found == 0 {
				problem("the backup does not hold the survivor %s", s)
			} else if p.Open < p.Found {
				problem("the survivor %s does not open", s)
			}
		}
		return nil
	})
	return out, err
}

func (s Survivor) String() string {
	if s.Name == "" {
		return s.Key
	}
	return fmt.Sprintf("%s of %s", s.Value, s.Key)
}

// probe tries a key, or a subject: that opens if its own key and the KMS key do.
func probe(rd meta.Reader, root *key.Root, ref key.Ref, s Survivor) (ProbeReport, error) {
	out := ProbeReport{Key: ref.ARN(), Name: s.Name, Value: s.Value}
	p, err := root.ProbeKey(rd, ref)
	if err != nil {
		return out, err
	}
	if s.Name == "" {
		out.Found, out.Open = p.Found, p.Open
		return out, nil
	}
	id, err := root.SubjectID(ref, s.Name, s.Value)
	if err != nil {
		return out, err
	}
	own, err := root.ProbeSubject(rd, ref, id)
	out.Found, out.Open = own.Found, own.Open
	if p.Open == 0 {
		out.Open = 0
	}
	return out, err
}

// keyRef returns the key of an ARN, or that with an ID beside the key beside.
func keyRef(name, beside string) (key.Ref, error) {
	a, err := arn.Parse(name)
	if err != nil && beside != "" {
		ref, err := keyRef(beside, "")
		ref.ID = name
		return ref, err
	}
	id, ok := strings.CutPrefix(a.Resource, "key/")
	if err != nil || a.Service != "kms" || !ok {
		return key.Ref{}, fmt.Errorf("%w: %q", ErrNoKeyARN, name)
	}
	return key.Ref{Account: a.Account, Region: a.Region, ID: id}, nil
}

// ErrNoKeyARN means that a text names no KMS key.
var ErrNoKeyARN = errors.New("server: not the ARN of a KMS key")
