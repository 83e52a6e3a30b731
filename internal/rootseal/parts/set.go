package parts

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// A Role is what a part does.
type Role string

// The roles.
const (
	RoleStore Role = "store"
	RoleVault Role = "vault"
	RoleGate  Role = "gate"
)

// SettingDir is the setting of a store that says in which directory it lies. A
// store without it lies beside the description.
const SettingDir = "dir"

// Bounds of a set. They are far above what anybody can operate.
const (
	maxParts    = 16
	maxHolders  = 16
	maxSettings = 32
	maxText     = 4096 // bytes of a setting
)

// A Part is one part of the root as the description has it. None of it is secret.
type Part struct {
	// ID is 1 to 64 characters of [a-z0-9-], unique in the description.
	ID   string `json:"id"`
	Role Role   `json:"role"`
	// Kind says which implementation it is: file, passphrase, shares, ...
	Kind string `json:"kind"`
	// Settings are what the implementation needs to find and open it.
	Settings map[string]string `json:"settings,omitempty"`
}

// A Set is the parts of the root, from an epoch on.
type Set struct {
	From uint64 `json:"from"`
	// Plain means that the set is one store that holds the root as it is.
	Plain   bool       `json:"plain,omitempty"`
	Parts   []Part     `json:"parts"`
	Holders [][]string `json:"holders"` // of the IDs of parts
}

// errSet wraps what is wrong with a set or a description.
var errSet = errors.New("unusable description of the root's parts")

func setErrorf(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errSet, fmt.Sprintf(format, args...))
}

// Part returns the part with an ID.
func (s *Set) Part(id string) (Part, bool) {
	i := slices.IndexFunc(s.Parts, func(p Part) bool { return p.ID == id })
	if i < 0 {
		return Part{}, false
	}
	return s.Parts[i], true
}

// Forgets reports whether the part can forget.
func (p *Part) Forgets() bool { return p.Role != RoleGate }

// Check returns an error unless the set can be used.
func (s *Set) Check() error {
	switch {
	case s.From == 0:
		return setErrorf("a set from epoch 0")
	case len(s.Parts) == 0 || len(s.Parts) > maxParts:
		return setErrorf("%d parts, want 1 to %d", len(s.Parts), maxParts)
	case len(s.Holders) == 0 || len(s.Holders) > maxHolders:
		return setErrorf("%d holders, want 1 to %d", len(s.Holders), maxHolders)
	case s.Plain && (len(s.Parts) != 1 || len(s.Holders) != 1):
		return setErrorf("a plain root of several parts")
	}
	used := map[string]bool{}
	for i := range s.Parts {
		if err := s.Parts[i].check(); err != nil {
			return err
		}
		if _, ok := used[s.Parts[i].ID]; ok {
			return setErrorf("two parts are called %q", s.Parts[i].ID)
		}
		used[s.Parts[i].ID] = false
	}
	for i, h := range s.Holders {
		stores := 0
		for j, id := range h {
			p, ok := s.Part(id)
			if !ok || slices.Contains(h[:j], id) {
				return setErrorf("holder %d names %q, which is no part or there twice", i, id)
			}
			if p.Role == RoleStore {
				stores++
			}
			used[id] = true
		}
		if stores == 0 {
			return setErrorf("holder %d has no store", i)
		}
	}
	for id, is := range used {
		if !is {
			return setErrorf("no holder has part %q", id)
		}
	}
	return s.checkPlaces()
}

// checkPlaces returns an error if two stores lie in one directory.
func (s *Set) checkPlaces() error {
	dirs := map[string]bool{}
	for _, p := range s.Parts {
		if p.Role != RoleStore {
			continue
		}
		if dirs[p.Settings[SettingDir]] {
			return setErrorf("two stores lie in one directory")
		}
		dirs[p.Settings[SettingDir]] = true
	}
	return nil
}

func (p *Part) check() error {
	if !isName(p.ID) || !isName(p.Kind) {
		return setErrorf("part %q of kind %q: want 1 to 64 characters of a-z0-9-", p.ID, p.Kind)
	}
	if p.Role != RoleStore && p.Role != RoleVault && p.Role != RoleGate {
		return setErrorf("part %s has the role %q", p.ID, p.Role)
	}
	if len(p.Settings) > maxSettings {
		return setErrorf("part %s has %d settings", p.ID, len(p.Settings))
	}
	for k, v := range p.Settings {
		if !isName(k) || len(v) > maxText {
			return setErrorf("setting %q of part %s has %d bytes", k, p.ID, len(v))
		}
	}
	return nil
}

func isName(s string) bool {
	if len(s) == 0 || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// digest binds what is sealed to the set: who alters, adds or removes a part, a
// setting or a holder opens nothing.
func (s *Set) digest() [32]byte {
	b := []byte("coffer/v1/root-set")
	str := func(v string) {
		b = binary.BigEndian.AppendUint16(b, uint16(len(v)))
		b = append(b, v...)
	}
	count := func(n int) { b = binary.BigEndian.AppendUint16(b, uint16(n)) }
	count(len(s.Parts))
	for _, p := range s.Parts {
		str(p.ID)
		str(string(p.Role))
		str(p.Kind)
		count(len(p.Settings))
		for _, k := range slices.Sorted(maps.Keys(p.Settings)) {
			str(k)
			str(p.Settings[k])
		}
	}
	count(len(s.Holders))
	for _, h := range s.Holders {
		count(len(h))
		for _, id := range h {
			str(id)
		}
	}
	return sha256.Sum256(b)
}
