package anchor

import (
	"context"
	"errors"
	"slices"
	"time"

	"coffer/internal/meta"
)

func (r *trustRow) trustAnchor(p Place, id string) *TrustAnchor {
	return &TrustAnchor{r.Header.header(p, id), r.Certificates}
}

func (r *profileRow) profile(p Place, id string) *Profile {
	return &Profile{r.Header.header(p, id), r.Roles, r.SessionPolicy, r.ManagedPolicies, time.Duration(r.Duration) * time.Second,
		r.NeedsProperties, r.TakesName, r.Mappings, r.CreatedBy}
}

func (r *crlRow) crl(p Place, id string) *CRL {
	return &CRL{r.Header.header(p, id), r.TrustAnchor, r.Data}
}

// begin returns the header of a new resource.
func (s *Store) begin(in Header) (id string, h headerRow, err error) {
	if len(in.Tags) > MaxTags {
		return "", h, ErrTooManyTags
	}
	now := s.now().UnixMilli()
	id, err = s.newID()
	return id, headerRow{in.Name, in.Enabled, now, now, in.Tags}, err
}

// room returns ErrTooMany if a place has as many resources of a kind as it may.
func room(r meta.Reader, kind Kind, p Place, most int) error {
	n, err := count(r, kind, p)
	if err == nil && n >= most {
		err = ErrTooMany
	}
	return err
}

// CreateTrustAnchor makes a trust anchor. ID, Created and Updated of in are not
// looked at. It returns ErrCertificates, ErrTooMany and ErrTooManyTags.
func (s *Store) CreateTrustAnchor(ctx context.Context, in TrustAnchor, also func(meta.Txn, *TrustAnchor) error) (*TrustAnchor, error) {
	if _, err := parseBundle(in.Certificates); err != nil {
		return nil, err
	}
	id, h, err := s.begin(in.Header)
	if err != nil {
		return nil, err
	}
	r := &trustRow{h, in.Certificates}
	made := r.trustAnchor(in.Place, id)
	err = s.update(ctx, func(tx meta.Txn) error {
		if err := room(tx, KindTrustAnchor, in.Place, MaxTrustAnchors); err != nil {
			return err
		}
		if err := put(tx, KindTrustAnchor, in.Place, id, r); err != nil {
			return err
		}
		return also(tx, made)
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

// CreateProfile makes a profile with the default attribute mappings. ID, Created,
// Updated and Mappings of in are not looked at. It returns ErrTooMany and
// ErrTooManyTags.
func (s *Store) CreateProfile(ctx context.Context, in Profile, also func(meta.Txn, *Profile) error) (*Profile, error) {
	id, h, err := s.begin(in.Header)
	if err != nil {
		return nil, err
	}
	r := &profileRow{h, in.Roles, in.SessionPolicy, in.ManagedPolicies, int64(in.Duration / time.Second), in.NeedsProperties, in.TakesName,
		defaultMappings(), in.CreatedBy}
	made := r.profile(in.Place, id)
	err = s.update(ctx, func(tx meta.Txn) error {
		if err := room(tx, KindProfile, in.Place, MaxProfiles); err != nil {
			return err
		}
		if err := put(tx, KindProfile, in.Place, id, r); err != nil {
			return err
		}
		return also(tx, made)
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

// ImportCRL adds a revocation list of a trust anchor. It returns ErrNoTrustAnchor,
// ErrRevocationList, ErrTooMany and ErrTooManyTags.
func (s *Store) ImportCRL(ctx context.Context, in CRL, also func(meta.Txn, *CRL) error) (*CRL, error) {
	id, h, err := s.begin(in.Header)
	if err != nil {
		return nil, err
	}
	r := &crlRow{h, in.TrustAnchor, in.Data}
	made := r.crl(in.Place, id)
	err = s.update(ctx, func(tx meta.Txn) error {
		if err := checkCRL(tx, in.Place, in.TrustAnchor, in.Data); err != nil {
			return err
		}
		n := 0
		err := scan(tx, KindCRL, in.Place, func(_ string, other *crlRow) error {
			if other.TrustAnchor == in.TrustAnchor {
				n++
			}
			return nil
		})
		if err != nil {
			return err
		}
		if n >= MaxCRLs {
			return ErrTooMany
		}
		if err := put(tx, KindCRL, in.Place, id, r); err != nil {
			return err
		}
		return also(tx, made)
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

// checkCRL refuses data that is no revocation list of a trust anchor.
func checkCRL(r meta.Reader, p Place, trustAnchor string, data []byte) error {
	var t trustRow
	if err := get(r, KindTrustAnchor, p, trustAnchor, &t); err != nil {
		return err
	}
	authorities, err := parseBundle(t.Certificates)
	if err != nil {
		return err
	}
	_, err = parseCRL(data, authorities)
	return err
}

// UpdateTrustAnchor changes a trust anchor; nil keeps. Revocation lists that the new
// certificates have not signed are an error: delete them first. It returns
// ErrNoTrustAnchor, ErrCertificates and ErrRevocationList.
func (s *Store) UpdateTrustAnchor(ctx context.Context, p Place, id string, name, certificates *string, also func(meta.Txn, *TrustAnchor) error) (*TrustAnchor, error) {
	return s.changeTrustAnchor(ctx, p, id, also, func(tx meta.Txn, r *trustRow) error {
		if name != nil {
			r.Header.Name = *name
		}
		if certificates == nil {
			return nil
		}
		authorities, err := parseBundle(*certificates)
		if err != nil {
			return err
		}
		r.Certificates = *certificates
		return scan(tx, KindCRL, p, func(_ string, c *crlRow) error {
			if c.TrustAnchor != id {
				return nil
			}
			_, err := parseCRL(c.Data, authorities)
			return err
		})
	})
}

// changeTrustAnchor changes the row of a trust anchor.
func (s *Store) changeTrustAnchor(ctx context.Context, p Place, id string, also func(meta.Txn, *TrustAnchor) error, change func(meta.Txn, *trustRow) error) (*TrustAnchor, error) {
	var t *TrustAnchor
	err := s.update(ctx, func(tx meta.Txn) error {
		r := new(trustRow)
		if err := get(tx, KindTrustAnchor, p, id, r); err != nil {
			return err
		}
		if err := change(tx, r); err != nil {
			return err
		}
		r.Header.Updated = s.now().UnixMilli()
		t = r.trustAnchor(p, id)
		if err := put(tx, KindTrustAnchor, p, id, r); err != nil {
			return err
		}
		return also(tx, t)
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

// A ProfileChange says what to change of a profile; nil keeps.
type ProfileChange struct {
	Name            *string
	Roles           []string
	SessionPolicy   *string
	ManagedPolicies []string
	Duration        *time.Duration
	TakesName       *bool
}

// UpdateProfile changes a profile. It returns ErrNoProfile.
func (s *Store) UpdateProfile(ctx context.Context, p Place, id string, c ProfileChange, also func(meta.Txn, *Profile) error) (*Profile, error) {
	return s.changeProfile(ctx, p, id, also, func(r *profileRow) error {
		if c.Name != nil {
			r.Header.Name = *c.Name
		}
		if c.Roles != nil {
			r.Roles = c.Roles
		}
		if c.SessionPolicy != nil {
			r.SessionPolicy = *c.SessionPolicy
		}
		if c.ManagedPolicies != nil {
			r.ManagedPolicies = c.ManagedPolicies
		}
		if c.Duration != nil {
			r.Duration = int64(*c.Duration / time.Second)
		}
		if c.TakesName != nil {
			r.TakesName = *c.TakesName
		}
		return nil
	})
}

// PutMapping sets the rules of a field of certificates. It returns ErrNoProfile and
// ErrMapping.
func (s *Store) PutMapping(ctx context.Context, p Place, id string, field Field, rules []string, also func(meta.Txn, *Profile) error) (*Profile, error) {
	rules, err := checkRules(field, rules)
	if err != nil {
		return nil, err
	}
	return s.changeProfile(ctx, p, id, also, func(r *profileRow) error {
		r.Mappings[field] = rules
		return nil
	})
}

// DeleteMapping removes rules of a field of certificates, or all of them if none are
// named. It returns ErrNoProfile, ErrMapping and ErrNoMapping.
func (s *Store) DeleteMapping(ctx context.Context, p Place, id string, field Field, rules []string, also func(meta.Txn, *Profile) error) (*Profile, error) {
	if len(rules) > 0 {
		var err error
		if rules, err = checkRules(field, rules); err != nil {
			return nil, err
		}
	} else if !isField(field) {
		return nil, ErrMapping
	}
	return s.changeProfile(ctx, p, id, also, func(r *profileRow) error {
		had := r.Mappings[field]
		for _, rule := range rules {
			if !slices.Contains(had, rule) {
				return ErrNoMapping
			}
		}
		kept := slices.DeleteFunc(slices.Clone(had), func(rule string) bool { return len(rules) == 0 || slices.Contains(rules, rule) })
		if len(had) == 0 {
			return ErrNoMapping
		}
		r.Mappings[field] = kept
		if len(kept) == 0 {
			delete(r.Mappings, field)
		}
		return nil
	})
}

func (s *Store) changeProfile(ctx context.Context, p Place, id string, also func(meta.Txn, *Profile) error, change func(*profileRow) error) (*Profile, error) {
	var made *Profile
	err := s.update(ctx, func(tx meta.Txn) error {
		r := new(profileRow)
		if err := get(tx, KindProfile, p, id, r); err != nil {
			return err
		}
		if r.Mappings == nil {
			r.Mappings = make(map[Field][]string)
		}
		if err := change(r); err != nil {
			return err
		}
		r.Header.Updated = s.now().UnixMilli()
		made = r.profile(p, id)
		if err := put(tx, KindProfile, p, id, r); err != nil {
			return err
		}
		return also(tx, made)
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

// UpdateCRL changes a revocation list; nil keeps. It returns ErrNoCRL and
// ErrRevocationList.
func (s *Store) UpdateCRL(ctx context.Context, p Place, id string, name *string, data []byte, also func(meta.Txn, *CRL) error) (*CRL, error) {
	return s.changeCRL(ctx, p, id, also, func(tx meta.Txn, r *crlRow) error {
		if name != nil {
			r.Header.Name = *name
		}
		if data == nil {
			return nil
		}
		r.Data = data
		return checkCRL(tx, p, r.TrustAnchor, data)
	})
}

func (s *Store) changeCRL(ctx context.Context, p Place, id string, also func(meta.Txn, *CRL) error, change func(meta.Txn, *crlRow) error) (*CRL, error) {
	var c *CRL
	err := s.update(ctx, func(tx meta.Txn) error {
		r := new(crlRow)
		if err := get(tx, KindCRL, p, id, r); err != nil {
			return err
		}
		if err := change(tx, r); err != nil {
			return err
		}
		r.Header.Updated = s.now().UnixMilli()
		c = r.crl(p, id)
		if err := put(tx, KindCRL, p, id, r); err != nil {
			return err
		}
		return also(tx, c)
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// EnableTrustAnchor turns a trust anchor on or off, or returns ErrNoTrustAnchor.
func (s *Store) EnableTrustAnchor(ctx context.Context, p Place, id string, on bool, also func(meta.Txn, *TrustAnchor) error) (*TrustAnchor, error) {
	return s.changeTrustAnchor(ctx, p, id, also, func(_ meta.Txn, r *trustRow) error {
		r.Header.Enabled = on
		return nil
	})
}

// EnableProfile turns a profile on or off, or returns ErrNoProfile.
func (s *Store) EnableProfile(ctx context.Context, p Place, id string, on bool, also func(meta.Txn, *Profile) error) (*Profile, error) {
	return s.changeProfile(ctx, p, id, also, func(r *profileRow) error {
		r.Header.Enabled = on
		return nil
	})
}

// EnableCRL turns a revocation list on or off, or returns ErrNoCRL.
func (s *Store) EnableCRL(ctx context.Context, p Place, id string, on bool, also func(meta.Txn, *CRL) error) (*CRL, error) {
	return s.changeCRL(ctx, p, id, also, func(_ meta.Txn, r *crlRow) error {
		r.Header.Enabled = on
		return nil
	})
}

// DeleteTrustAnchor removes a trust anchor with its revocation lists, and returns what
// it was, or ErrNoTrustAnchor.
func (s *Store) DeleteTrustAnchor(ctx context.Context, p Place, id string, also func(meta.Txn, *TrustAnchor) error) (*TrustAnchor, error) {
	var t *TrustAnchor
	err := s.update(ctx, func(tx meta.Txn) error {
		r := new(trustRow)
		if err := get(tx, KindTrustAnchor, p, id, r); err != nil {
			return err
		}
		t = r.trustAnchor(p, id)
		var lists []string
		err := scan(tx, KindCRL, p, func(list string, c *crlRow) error {
			if c.TrustAnchor == id {
				lists = append(lists, list)
			}
			return nil
		})
		for _, list := range lists {
			err = errors.Join(err, tx.Delete([]byte(row(KindCRL, p, list))))
		}
		if err := errors.Join(err, tx.Delete([]byte(row(KindTrustAnchor, p, id)))); err != nil {
			return err
		}
		return also(tx, t)
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

// DeleteProfile removes a profile and returns what it was, or ErrNoProfile.
func (s *Store) DeleteProfile(ctx context.Context, p Place, id string, also func(meta.Txn, *Profile) error) (*Profile, error) {
	var was *Profile
	err := s.update(ctx, func(tx meta.Txn) error {
		r := new(profileRow)
		if err := get(tx, KindProfile, p, id, r); err != nil {
			return err
		}
		was = r.profile(p, id)
		if err := tx.Delete([]byte(row(KindProfile, p, id))); err != nil {
			return err
		}
		return also(tx, was)
	})
	if err != nil {
		return nil, err
	}
	return was, nil
}

// DeleteCRL removes a revocation list and returns what it was, or ErrNoCRL.
func (s *Store) DeleteCRL(ctx context.Context, p Place, id string, also func(meta.Txn, *CRL) error) (*CRL, error) {
	var was *CRL
	err := s.update(ctx, func(tx meta.Txn) error {
		r := new(crlRow)
		if err := get(tx, KindCRL, p, id, r); err != nil {
			return err
		}
		was = r.crl(p, id)
		if err := tx.Delete([]byte(row(KindCRL, p, id))); err != nil {
			return err
		}
		return also(tx, was)
	})
	if err != nil {
		return nil, err
	}
	return was, nil
}

// TrustAnchor returns a trust anchor, or ErrNoTrustAnchor.
func (s *Store) TrustAnchor(ctx context.Context, p Place, id string) (*TrustAnchor, error) {
	r := new(trustRow)
	err := s.cfg.Meta.View(ctx, func(v meta.Reader) error { return get(v, KindTrustAnchor, p, id, r) })
	if err != nil {
		return nil, err
	}
	return r.trustAnchor(p, id), nil
}

// Profile returns a profile, or ErrNoProfile.
func (s *Store) Profile(ctx context.Context, p Place, id string) (*Profile, error) {
	r := new(profileRow)
	err := s.cfg.Meta.View(ctx, func(v meta.Reader) error { return get(v, KindProfile, p, id, r) })
	if err != nil {
		return nil, err
	}
	return r.profile(p, id), nil
}

// CRL returns a revocation list, or ErrNoCRL.
func (s *Store) CRL(ctx context.Context, p Place, id string) (*CRL, error) {
	r := new(crlRow)
	err := s.cfg.Meta.View(ctx, func(v meta.Reader) error { return get(v, KindCRL, p, id, r) })
	if err != nil {
		return nil, err
	}
	return r.crl(p, id), nil
}

// TrustAnchors returns the trust anchors of a place by ID.
func (s *Store) TrustAnchors(ctx context.Context, p Place) (list []*TrustAnchor, err error) {
	err = s.cfg.Meta.View(ctx, func(v meta.Reader) error {
		list = nil
		return scan(v, KindTrustAnchor, p, func(id string, r *trustRow) error {
			list = append(list, r.trustAnchor(p, id))
			return nil
		})
	})
	return list, err
}

// Profiles returns the profiles of a place by ID.
func (s *Store) Profiles(ctx context.Context, p Place) (list []*Profile, err error) {
	err = s.cfg.Meta.View(ctx, func(v meta.Reader) error {
		list = nil
		return scan(v, KindProfile, p, func(id string, r *profileRow) error {
			list = append(list, r.profile(p, id))
			return nil
		})
	})
	return list, err
}

// CRLs returns the revocation lists of a place by ID.
func (s *Store) CRLs(ctx context.Context, p Place) (list []*CRL, err error) {
	err = s.cfg.Meta.View(ctx, func(v meta.Reader) error {
		list = nil
		return scan(v, KindCRL, p, func(id string, r *crlRow) error {
			list = append(list, r.crl(p, id))
			return nil
		})
	})
	return list, err
}

// Retag changes the tags of a resource. It returns that the resource is missing, or
// ErrTooManyTags.
func (s *Store) Retag(ctx context.Context, kind Kind, p Place, id string, change func([]Tag) []Tag, also func(meta.Txn) error) error {
	retag := func(h *headerRow) error {
		if h.Tags = change(slices.Clone(h.Tags)); len(h.Tags) > MaxTags {
			return ErrTooManyTags
		}
		return nil
	}
	var err error
	switch kind {
	case KindTrustAnchor:
		_, err = s.changeTrustAnchor(ctx, p, id, func(tx meta.Txn, _ *TrustAnchor) error { return also(tx) }, func(_ meta.Txn, r *trustRow) error { return retag(&r.Header) })
	case KindProfile:
		_, err = s.changeProfile(ctx, p, id, func(tx meta.Txn, _ *Profile) error { return also(tx) }, func(r *profileRow) error { return retag(&r.Header) })
	case KindCRL:
		_, err = s.changeCRL(ctx, p, id, func(tx meta.Txn, _ *CRL) error { return also(tx) }, func(_ meta.Txn, r *crlRow) error { return retag(&r.Header) })
	}
	return err
}
