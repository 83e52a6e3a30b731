package parts

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"reflect"

	"coffer/internal/durable"
	"coffer/internal/rootseal"
)

// Names of files beside the epochs of a store.
const (
	// DescriptionFile is the description of the parts, in the root directory
	// of the data directory.
	DescriptionFile = "parts.json"
	// MarkerFile says which part a directory elsewhere is, so that an empty
	// mount point is not taken for it.
	MarkerFile = "part.json"
)

const (
	descriptionType    = "root of trust"
	markerType         = "part of a root of trust"
	descriptionVersion = 1
	maxDescription     = 4 << 20 // bytes
)

// A description is the content of [DescriptionFile].
type description struct {
	Coffer  string `json:"coffer"` // descriptionType
	Version int    `json:"version"`
	ID      string `json:"id"` // 16 random bytes, hexadecimal
	// Sets are the parts: one set, or two while they change. An epoch is of
	// the last set whose From is not above it.
	Sets []Set `json:"sets"`
	// Forgotten is the epoch up to which every part has destroyed its own.
	Forgotten uint64 `json:"forgotten"`
}

// A marker is the content of a MarkerFile.
type marker struct {
	Coffer string `json:"coffer"` // markerType
	ID     string `json:"id"`     // of the description
	Part   string `json:"part"`
}

// strict decodes JSON that fills b and has no field that v has not.
func strict(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the object")
	}
	return nil
}

// parseDescription reads and checks a description.
func parseDescription(b []byte) (*description, error) {
	d := new(description)
	if err := strict(b, d); err != nil {
		return nil, setErrorf("%v", err)
	}
	if d.Coffer != descriptionType || d.Version != descriptionVersion {
		return nil, setErrorf("version %d of a %q; this program knows version %d", d.Version, d.Coffer, descriptionVersion)
	}
	if id, err := hex.DecodeString(d.ID); err != nil || len(id) != 16 {
		return nil, setErrorf("the ID is not 32 hexadecimal digits")
	}
	return d, d.check()
}

func (d *description) check() error {
	if len(d.Sets) == 0 || len(d.Sets) > 2 {
		return setErrorf("%d sets of parts, want 1 or 2", len(d.Sets))
	}
	known := map[string]Part{}
	for i := range d.Sets {
		s := &d.Sets[i]
		if err := s.Check(); err != nil {
			return err
		}
		if i > 0 && (s.From <= d.Sets[i-1].From || s.Plain) {
			return setErrorf("a set from epoch %d after one from epoch %d", s.From, d.Sets[i-1].From)
		}
		for _, p := range s.Parts {
			if q, ok := known[p.ID]; ok && !reflect.DeepEqual(p, q) {
				return setErrorf("two parts are called %q", p.ID)
			}
			known[p.ID] = p
		}
	}
	return nil
}

// set returns the set of an epoch.
func (d *description) set(epoch uint64) *Set {
	s := &d.Sets[0]
	if len(d.Sets) > 1 && epoch >= d.Sets[1].From {
		s = &d.Sets[1]
	}
	return s
}

// parts returns the parts of all sets, each once.
func (d *description) parts() []Part {
	var all []Part
	seen := map[string]bool{}
	for _, s := range d.Sets {
		for _, p := range s.Parts {
			if !seen[p.ID] {
				seen[p.ID] = true
				all = append(all, p)
			}
		}
	}
	return all
}

// readDescription returns the description in a directory, or that of a plain root
// if there is none. It reports whether there is one.
func readDescription(fsys durable.FS, dir string) (*description, bool, error) {
	b, err := durable.ReadFile(fsys, filepath.Join(dir, DescriptionFile), maxDescription)
	if errors.Is(err, fs.ErrNotExist) {
		return &description{
			Coffer: descriptionType, Version: descriptionVersion,
			Sets: []Set{{From: 1, Plain: true, Parts: []Part{{ID: "file-1", Role: RoleStore, Kind: "file"}}, Holders: [][]string{{"file-1"}}}},
		}, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	d, err := parseDescription(b)
	if err != nil {
		return nil, true, fmt.Errorf("%w: %s: %w", rootseal.ErrDamaged, DescriptionFile, err)
	}
	return d, true, nil
}

func writeJSON(fsys durable.FS, name string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return durable.WriteFile(fsys, name, append(b, '\n'), 0o600)
}
