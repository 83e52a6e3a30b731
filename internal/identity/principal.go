package identity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"coffer/internal/arn"
	"coffer/internal/meta"
	"coffer/internal/policy"
)

// Policies of resources and roles are kept with the unique IDs of the users and
// roles that they name, and shown with their ARNs. So a user that is deleted and
// made again does not get what the one before was given.
//
// Source: IAM User Guide, "AWS JSON policy elements: Principal", role and IAM user
// principals, read 2026-11-21.

// parse checks the text of a policy. What it returns is an ErrMalformedPolicy.
func parse(text string, kind policy.Kind) error {
	if len(text) > maxDocument {
		return fmt.Errorf("%w: more than %d bytes", ErrMalformedPolicy, maxDocument)
	}
	if _, err := policy.Parse(text, kind); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformedPolicy, err)
	}
	return nil
}

// PrincipalID returns the unique ID of the user or role with exactly that ARN. ok
// is false if there is none.
func (s *Store) PrincipalID(ctx context.Context, principalARN string) (id string, ok bool, err error) {
	err = s.view(ctx, "principal "+principalARN, func(r meta.Reader) error {
		_, row, err := entityByARN(r, principalARN)
		if err == nil && row != nil {
			id, ok = row.ID, true
		}
		return err
	})
	return id, ok, err
}

// PrincipalARN returns the ARN of the user or role with a unique ID. ok is false if
// there is none.
func (s *Store) PrincipalARN(ctx context.Context, id string) (principalARN string, ok bool, err error) {
	err = s.view(ctx, "principal "+id, func(r meta.Reader) error {
		principalARN, ok, err = arnOf(r, id)
		return err
	})
	return principalARN, ok, err
}

func arnOf(r meta.Reader, id string) (principalARN string, ok bool, err error) {
	e, row, err := entityByID(r, id)
	switch {
	case errors.Is(err, meta.ErrNotFound):
		return "", false, nil
	case err != nil:
		return "", false, err
	}
	return entityARN(e.Kind, e.Account, row.Path, row.Name), true, nil
}

// SavePrincipals checks a resource-based or trust policy and returns its text as it
// is kept: the ARNs of users and roles of this server's accounts, in Principal and
// NotPrincipal, replaced by unique IDs. Nothing else of the text changes. It returns
// a [*PrincipalError] for a user or a role that does not exist in one of these
// accounts, and ErrMalformedPolicy. What names another account stays as it is.
func (s *Store) SavePrincipals(ctx context.Context, text string, kind policy.Kind) (saved string, err error) {
	if err := parse(text, kind); err != nil {
		return "", err
	}
	err = s.view(ctx, "principals of a policy", func(r meta.Reader) (err error) {
		saved, err = savePrincipals(r, text)
		return err
	})
	return saved, err
}

// ShowPrincipals is the reverse of SavePrincipals: what it returns names users and
// roles by their ARNs of now. One that is gone stays a unique ID.
func (s *Store) ShowPrincipals(ctx context.Context, saved string) (text string, err error) {
	err = s.view(ctx, "principals of a policy", func(r meta.Reader) (err error) {
		text, err = showPrincipals(r, saved)
		return err
	})
	return text, err
}

func savePrincipals(r meta.Reader, text string) (string, error) {
	return replacePrincipals(text, func(p string) (string, error) {
		if isUniqueID(p) {
			// AWS takes an ID only while its owner exists.
			if _, ok, err := arnOf(r, p); err != nil {
				return "", err
			} else if !ok {
				return "", &PrincipalError{p}
			}
			return p, nil
		}
		a, err := arn.Parse(p)
		if err != nil || a.Partition != arn.Partition || a.Service != "iam" {
			return p, nil
		}
		_, row, err := entityByARN(r, p)
		switch {
		case err != nil:
			return "", err
		case row != nil:
			return row.ID, nil
		case !strings.HasPrefix(a.Resource, "user/") && !strings.HasPrefix(a.Resource, "role/"):
			return p, nil // the account itself, or what this server can't know
		}
		if _, err := getAccount(r, a.Account); errors.Is(err, ErrNoAccount) {
			return p, nil
		} else if err != nil {
			return "", err
		}
		return "", &PrincipalError{p}
	})
}

func showPrincipals(r meta.Reader, saved string) (string, error) {
	return replacePrincipals(saved, func(p string) (string, error) {
		if !isUniqueID(p) {
			return p, nil
		}
		shown, ok, err := arnOf(r, p)
		if err != nil || !ok {
			return p, err
		}
		return shown, nil
	})
}

// replacePrincipals replaces the strings under AWS in the Principal and NotPrincipal
// elements of a policy's statements by what fn returns for them. The rest of the
// text stays byte for byte.
func replacePrincipals(text string, fn func(string) (string, error)) (string, error) {
	w := walker{text: text, fn: fn}
	w.dec = json.NewDecoder(strings.NewReader(text))
	if err := w.policy(); err != nil {
		return "", err
	}
	w.out.WriteString(text[w.copied:])
	return w.out.String(), nil
}

// A walker goes through the JSON text of a policy.
type walker struct {
	text   string
	dec    *json.Decoder
	fn     func(string) (string, error)
	out    strings.Builder
	copied int // how much of text is in out, or replaced
}

// token returns the next token and where its text starts.
func (w *walker) token() (json.Token, int, error) {
	start := int(w.dec.InputOffset())
	t, err := w.dec.Token()
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, 0, fmt.Errorf("%w: %w", ErrMalformedPolicy, err)
	}
	for start < len(w.text) && strings.IndexByte(" \t\r\n,:", w.text[start]) >= 0 {
		start++
	}
	return t, start, nil
}

// value walks through one value: an object's members by member, if it is not nil, a
// list's items by item or as the value itself if that is nil.
func (w *walker) value(member func(name string) error, str func(s string, start int) error) error {
	t, start, err := w.token()
	if err != nil {
		return err
	}
	switch t {
	case json.Delim('['):
		for w.dec.More() {
			if err := w.value(member, str); err != nil {
				return err
			}
		}
		_, _, err = w.token()
		return err
	case json.Delim('{'):
		for w.dec.More() {
			t, _, err := w.token()
			if err != nil {
				return err
			}
			if member == nil {
				err = w.skip()
			} else {
				err = member(t.(string))
			}
			if err != nil {
				return err
			}
		}
		_, _, err = w.token()
		return err
	}
	if s, ok := t.(string); ok && str != nil {
		return str(s, start)
	}
	return nil
}

func (w *walker) skip() error { return w.value(nil, nil) }

func (w *walker) policy() error {
	return w.value(func(name string) error {
		if name != "Statement" {
			return w.skip()
		}
		return w.value(func(name string) error {
			if name != "Principal" && name != "NotPrincipal" {
				return w.skip()
			}
			return w.value(func(name string) error {
				if name != "AWS" {
					return w.skip()
				}
				return w.value(nil, w.principal)
			}, nil)
		}, nil)
	}, nil)
}

// principal replaces one string, whose text starts at start and ends where the
// decoder stands.
func (w *walker) principal(s string, start int) error {
	to, err := w.fn(s)
	if err != nil || to == s {
		return err
	}
	w.out.WriteString(w.text[w.copied:start])
	w.out.WriteString(strconv.Quote(to)) // ARNs and IDs are printable ASCII, where Go quotes as JSON does
	w.copied = int(w.dec.InputOffset())
	return nil
}
