package organization

import (
	"context"
	"errors"
	"strings"
	"time"

	"coffer/internal/meta"
)

const (
	rowHandshake = "organization/handshake/"
	rowParty     = "organization/party/"
)

// A HandshakeState is where a handshake stands, as the API spells it.
type HandshakeState string

// The states of an invitation.
const (
	Open     HandshakeState = "OPEN"
	Accepted HandshakeState = "ACCEPTED"
	Canceled HandshakeState = "CANCELED"
	Declined HandshakeState = "DECLINED"
	Expired  HandshakeState = "EXPIRED"
)

// A Handshake is an invitation of an account into an organization.
type Handshake struct {
	ID        string // "h-..."
	Org       string
	Manager   string // the management account when it was sent
	Email     string // of the management account
	Name      string
	Account   string // who is invited
	ByEmail   string // the address that was written to; empty if the ID was given
	Notes     string
	Tags      []Tag // that the account gets
	State     HandshakeState
	Requested time.Time
	Expires   time.Time
	Ended     time.Time // zero while it is open
}

type handshakeRow struct {
	Org       string         `cbor:"1,keyasint"`
	Manager   string         `cbor:"2,keyasint"`
	Email     string         `cbor:"3,keyasint"`
	Name      string         `cbor:"4,keyasint"`
	Account   string         `cbor:"5,keyasint"`
	ByEmail   string         `cbor:"6,keyasint,omitempty"`
	Notes     string         `cbor:"7,keyasint,omitempty"`
	Tags      []Tag          `cbor:"8,keyasint,omitempty"`
	State     HandshakeState `cbor:"9,keyasint"`
	Requested int64          `cbor:"10,keyasint"` // Unix milliseconds
	Ended     int64          `cbor:"11,keyasint,omitempty"`
}

// handshake returns what the row says at a time: an invitation that was left open
// expires by itself.
func (r *handshakeRow) handshake(id string, now time.Time) *Handshake {
	h := &Handshake{ID: id, Org: r.Org, Manager: r.Manager, Email: r.Email, Name: r.Name, Account: r.Account, ByEmail: r.ByEmail,
		Notes: r.Notes, Tags: r.Tags, State: r.State, Requested: unixMilli(r.Requested)}
	h.Expires = h.Requested.Add(InvitationPeriod)
	if r.Ended != 0 {
		h.Ended = unixMilli(r.Ended)
	}
	if h.State == Open && now.After(h.Expires) {
		h.State, h.Ended = Expired, h.Expires
	}
	return h
}

func (s *Store) loadHandshake(r meta.Reader, id string) (*handshakeRow, *Handshake, error) {
	row := new(handshakeRow)
	if err := get(r, rowHandshake+id, row, ErrNoHandshake); err != nil {
		return nil, nil, err
	}
	h := row.handshake(id, s.now())
	if !h.Ended.IsZero() && s.now().After(h.Ended.Add(HandshakeMemory)) {
		return nil, nil, ErrNoHandshake
	}
	return row, h, nil
}

func deleteHandshake(tx meta.Txn, id string) error {
	var row handshakeRow
	if err := get(tx, rowHandshake+id, &row, errDangling); err != nil {
		return err
	}
	return errors.Join(tx.Delete([]byte(rowHandshake+id)), tx.Delete([]byte(rowParty+row.Org+"/"+id)), tx.Delete([]byte(rowParty+row.Account+"/"+id)))
}

// An Invitation says whom to invite: the account with an ID, or with an e-mail
// address.
type Invitation struct {
	Account, Email string
	Notes          string
	Tags           []Tag
}

// Invite opens an invitation. It returns ErrNoInvitee, ErrInOrganization,
// ErrInvited, ErrTooManyInvitations, ErrTooManyAccounts and ErrTooManyTags.
func (s *Store) Invite(ctx context.Context, org string, in Invitation, also func(meta.Txn, *Handshake) error) (*Handshake, error) {
	if len(in.Tags) > MaxTags {
		return nil, ErrTooManyTags
	}
	all, err := s.Accounts(ctx)
	if err != nil {
		return nil, err
	}
	var invited *Account
	for _, a := range all {
		if in.Account == a.ID || in.Account == "" && strings.EqualFold(in.Email, a.Email) {
			invited = a
		}
	}
	if invited == nil {
		return nil, ErrNoInvitee
	}
	k, err := s.known(ctx, invited.ID)
	if err != nil {
		return nil, err
	}
	var h *Handshake
	err = s.update(ctx, func(tx meta.Txn) error {
		orgRow, err := loadOrg(tx, org)
		if err != nil {
			return err
		}
		manager, err := loadMember(tx, org, orgRow.Management)
		if err != nil {
			return err
		}
		if err := ensure(tx, k); err != nil {
			return err
		}
		var account accountRow
		if err := get(tx, rowAccount+k.ID, &account, errDangling); err != nil {
			return err
		}
		if account.Org != "" {
			return ErrInOrganization
		}
		if err := s.checkInvitations(tx, org, k.ID); err != nil {
			return err
		}
		random, err := s.draw(lowerDigits, 32)
		if err != nil {
			return err
		}
		id := "h-" + random
		row := &handshakeRow{Org: org, Manager: orgRow.Management, Email: manager.Email, Name: manager.Name, Account: k.ID, ByEmail: in.Email,
			Notes: in.Notes, Tags: in.Tags, State: Open, Requested: s.now().UnixMilli()}
		h = row.handshake(id, s.now())
		if err := errors.Join(put(tx, rowHandshake+id, row), tx.Put([]byte(rowParty+org+"/"+id), nil), tx.Put([]byte(rowParty+k.ID+"/"+id), nil)); err != nil {
			return err
		}
		return also(tx, h)
	})
	if err != nil {
		return nil, err
	}
	return h, nil
}

// checkInvitations refuses an invitation that is one too many, and forgets those of
// the organization that ended long ago.
func (s *Store) checkInvitations(tx meta.Txn, org, account string) error {
	ids, err := names(tx, rowParty+org+"/")
	if err != nil {
		return err
	}
	members, err := names(tx, memberKey(org, ""))
	if err != nil {
		return err
	}
	open := 0
	for _, id := range ids {
		_, h, err := s.loadHandshake(tx, id)
		switch {
		case errors.Is(err, ErrNoHandshake):
			if err := deleteHandshake(tx, id); err != nil {
				return err
			}
		case err != nil:
			return err
		case h.State != Open:
		case h.Account == account:
			return ErrInvited
		default:
			open++
		}
	}
	if open >= MaxInvitations {
		return ErrTooManyInvitations
	}
	if len(members)+open >= MaxAccounts {
		return ErrTooManyAccounts
	}
	return nil
}

// EndHandshake ends an invitation: the account that is invited accepts or declines
// it, the management account cancels it. It returns ErrNoHandshake for one that is
// not the account's, ErrNotYours, ErrDone, ErrOver, ErrInOrganization and
// ErrTooManyAccounts.
func (s *Store) EndHandshake(ctx context.Context, account, id string, to HandshakeState, also func(meta.Txn, *Handshake) error) (*Handshake, error) {
	var h *Handshake
	err := s.update(ctx, func(tx meta.Txn) (err error) {
		var row *handshakeRow
		if row, h, err = s.loadHandshake(tx, id); err != nil {
			return err
		}
		switch isManager := account == row.Manager; {
		case !isManager && account != row.Account:
			return ErrNoHandshake
		case isManager != (to == Canceled):
			return ErrNotYours
		case h.State == to:
			return ErrDone
		case h.State != Open:
			return ErrOver
		}
		row.State, row.Ended = to, s.now().UnixMilli()
		h = row.handshake(id, s.now())
		if err := put(tx, rowHandshake+id, row); err != nil {
			return err
		}
		if to == Accepted {
			org, err := loadOrg(tx, row.Org)
			if err != nil {
				return err
			}
			if _, err := s.join(tx, row.Org, org, account, Invited); err != nil {
				return err
			}
			if err := setTags(tx, row.Org, account, row.Tags); err != nil {
				return err
			}
		}
		return also(tx, h)
	})
	if err != nil {
		return nil, err
	}
	return h, nil
}

// Handshake returns a handshake that an account is party to, or ErrNoHandshake.
func (s *Store) Handshake(ctx context.Context, account, id string) (h *Handshake, err error) {
	err = s.view(ctx, func(r meta.Reader) (err error) {
		if _, h, err = s.loadHandshake(r, id); err == nil && account != h.Manager && account != h.Account {
			err = ErrNoHandshake
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return h, nil
}

// Handshakes returns the handshakes of an account that was invited, or of an
// organization that invites, by ID.
func (s *Store) Handshakes(ctx context.Context, party string) (list []*Handshake, err error) {
	err = s.view(ctx, func(r meta.Reader) error {
		list = nil
		ids, err := names(r, rowParty+party+"/")
		if err != nil {
			return err
		}
		for _, id := range ids {
			_, h, err := s.loadHandshake(r, id)
			if errors.Is(err, ErrNoHandshake) {
				continue
			}
			if err != nil {
				return err
			}
			list = append(list, h)
		}
		return nil
	})
	return list, err
}
