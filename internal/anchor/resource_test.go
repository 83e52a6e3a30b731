package anchor

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"coffer/internal/meta"
	"coffer/internal/revision"
)

func (w *world) rows() (list []string, n uint64) {
	w.t.Helper()
	err := w.meta.View(w.t.Context(), func(r meta.Reader) (err error) {
		list = nil
		if n, err = revision.Read(r); err != nil {
			return err
		}
		return r.Scan(meta.Prefix([]byte("anchor/")), func(key, value []byte) (bool, error) {
			list = append(list, string(key)+"="+string(value))
			return true, nil
		})
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return list, n
}

// Every change counts a revision and carries its event, or is not made.
func TestChanges(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	name, on := "renamed", w.anchor.ID
	text := bundle(w.ca.cert) + "\n"
	d := time.Hour
	var p *Profile
	var l *CRL
	type also bool // whether it fails
	steps := []struct {
		name string
		do   func(fails also) error
	}{
		{"UpdateTrustAnchor", func(f also) error {
			return errOf(w.UpdateTrustAnchor(ctx, here, on, &name, &text, hook[*TrustAnchor](bool(f))))
		}},
		{"CreateProfile", func(f also) (err error) {
			p, err = w.CreateProfile(ctx, Profile{Header: Header{Place: here, Name: "p"}, Roles: []string{"arn:aws:iam::123456789012:role/r"}, Duration: d}, hook[*Profile](bool(f)))
			return err
		}},
		{"UpdateProfile", func(f also) error {
			return errOf(w.UpdateProfile(ctx, here, p.ID, ProfileChange{Name: &name, Duration: &d, Roles: []string{}}, hook[*Profile](bool(f))))
		}},
		{"EnableProfile", func(f also) error { return errOf(w.EnableProfile(ctx, here, p.ID, true, hook[*Profile](bool(f)))) }},
		{"PutMapping", func(f also) error {
			return errOf(w.PutMapping(ctx, here, p.ID, FieldSubject, []string{"CN", "OU"}, hook[*Profile](bool(f))))
		}},
		{"DeleteMapping", func(f also) error {
			return errOf(w.DeleteMapping(ctx, here, p.ID, FieldSubject, []string{"OU"}, hook[*Profile](bool(f))))
		}},
		{"ImportCRL", func(f also) (err error) {
			l, err = w.ImportCRL(ctx, CRL{Header: Header{Place: here, Name: "l"}, TrustAnchor: on, Data: w.ca.revoke(t)}, hook[*CRL](bool(f)))
			return err
		}},
		{"UpdateCRL", func(f also) error {
			return errOf(w.UpdateCRL(ctx, here, l.ID, &name, w.ca.revoke(t, 1), hook[*CRL](bool(f))))
		}},
		{"EnableCRL", func(f also) error { return errOf(w.EnableCRL(ctx, here, l.ID, true, hook[*CRL](bool(f)))) }},
		{"Retag", func(f also) error {
			return w.Retag(ctx, KindProfile, here, p.ID, func([]Tag) []Tag { return []Tag{{"a", "b"}} }, func(tx meta.Txn) error { return hook[int](bool(f))(tx, 0) })
		}},
		{"DeleteProfile", func(f also) error { return errOf(w.DeleteProfile(ctx, here, p.ID, hook[*Profile](bool(f)))) }},
		{"EnableTrustAnchor", func(f also) error {
			return errOf(w.EnableTrustAnchor(ctx, here, on, false, hook[*TrustAnchor](bool(f))))
		}},
		{"DeleteTrustAnchor", func(f also) error { return errOf(w.DeleteTrustAnchor(ctx, here, on, hook[*TrustAnchor](bool(f)))) }},
	}
	for _, step := range steps {
		rows, before := w.rows()
		if err := step.do(true); !errors.Is(err, errFull) {
			t.Fatalf("%s on a full trail = %v; want %v", step.name, err, errFull)
		}
		if now, n := w.rows(); !slices.Equal(now, rows) || n != before {
			t.Errorf("%s on a full trail changed rows", step.name)
		}
		if err := step.do(false); err != nil {
			t.Fatalf("%s = %v", step.name, err)
		}
		if now, n := w.rows(); slices.Equal(now, rows) || n == before {
			t.Errorf("%s changes nothing, or counts no revision", step.name)
		}
	}
	if rows, _ := w.rows(); len(rows) != 0 {
		t.Errorf("rows are left: %d", len(rows))
	}
	for name, err := range map[string]error{
		"TrustAnchor": errOf(w.TrustAnchor(ctx, here, on)), "Profile": errOf(w.Profile(ctx, here, p.ID)), "CRL": errOf(w.CRL(ctx, here, l.ID)),
	} {
		if err == nil || !strings.Contains(err.Error(), "no such") {
			t.Errorf("%s after its deletion = %v", name, err)
		}
	}
}

func errOf[T any](_ T, err error) error { return err }

func hook[T any](fails bool) func(meta.Txn, T) error {
	if fails {
		return full[T]
	}
	return nothing[T]
}

func TestLimits(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	for range MaxTrustAnchors - 1 {
		made(w.CreateTrustAnchor(ctx, TrustAnchor{Header: Header{Place: here}, Certificates: bundle(w.ca.cert)}, nothing[*TrustAnchor]))(t)
	}
	if _, err := w.CreateTrustAnchor(ctx, TrustAnchor{Header: Header{Place: here}, Certificates: bundle(w.ca.cert)}, nothing[*TrustAnchor]); !errors.Is(err, ErrTooMany) {
		t.Errorf("CreateTrustAnchor number %d = %v; want ErrTooMany", MaxTrustAnchors+1, err)
	}
	elsewhere := Place{here.Account, "eu-central-1"}
	made(w.CreateTrustAnchor(ctx, TrustAnchor{Header: Header{Place: elsewhere}, Certificates: bundle(w.ca.cert)}, nothing[*TrustAnchor]))(t)
	if list := made(w.TrustAnchors(ctx, elsewhere))(t); len(list) != 1 {
		t.Errorf("TrustAnchors of another region = %d; want 1", len(list))
	}
	if _, err := w.CreateProfile(ctx, Profile{Header: Header{Place: here, Tags: make([]Tag, MaxTags+1)}}, nothing[*Profile]); !errors.Is(err, ErrTooManyTags) {
		t.Errorf("CreateProfile with too many tags = %v; want ErrTooManyTags", err)
	}
	for range MaxProfiles {
		made(w.CreateProfile(ctx, Profile{Header: Header{Place: here}}, nothing[*Profile]))(t)
	}
	if _, err := w.CreateProfile(ctx, Profile{Header: Header{Place: here}}, nothing[*Profile]); !errors.Is(err, ErrTooMany) {
		t.Errorf("CreateProfile number %d = %v; want ErrTooMany", MaxProfiles+1, err)
	}
}
