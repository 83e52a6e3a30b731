package organization

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

func TestHandshakes(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	o := w.org()
	h := made(w.Invite(ctx, o.ID, Invitation{Account: second, Notes: "join us", Tags: []Tag{{"a", "b"}}}, nothing[*Handshake]))(t)
	if h.State != Open || h.Account != second || !h.Expires.Equal(day0.Add(InvitationPeriod)) || h.Manager != owner || h.Email != o.Email {
		t.Errorf("Invite = %+v", h)
	}
	for name, err := range map[error]error{
		ErrInvited:        errOf(w.Invite(ctx, o.ID, Invitation{Account: second}, nothing[*Handshake])),
		ErrNoInvitee:      errOf(w.Invite(ctx, o.ID, Invitation{Account: "000000000000"}, nothing[*Handshake])),
		ErrInOrganization: errOf(w.Invite(ctx, o.ID, Invitation{Account: owner}, nothing[*Handshake])),
		ErrNoHandshake:    errOf(w.EndHandshake(ctx, third, h.ID, Accepted, nothing[*Handshake])),
		ErrNotYours:       errOf(w.EndHandshake(ctx, owner, h.ID, Accepted, nothing[*Handshake])),
	} {
		if !errors.Is(err, name) {
			t.Errorf("got %v; want %v", err, name)
		}
	}
	if _, err := w.EndHandshake(ctx, second, h.ID, Canceled, nothing[*Handshake]); !errors.Is(err, ErrNotYours) {
		t.Errorf("cancel by the invited = %v; want ErrNotYours", err)
	}
	if _, err := w.Handshake(ctx, third, h.ID); !errors.Is(err, ErrNoHandshake) {
		t.Errorf("Handshake of others = %v; want ErrNoHandshake", err)
	}
	for party, want := range map[string]int{second: 1, o.ID: 1, third: 0} {
		if list := made(w.Handshakes(ctx, party))(t); len(list) != want {
			t.Errorf("Handshakes(%s) = %v; want %d", party, list, want)
		}
	}
	got := made(w.EndHandshake(ctx, second, h.ID, Accepted, nothing[*Handshake]))(t)
	if got.State != Accepted || made(w.Member(ctx, o.ID, second))(t).Method != Invited {
		t.Errorf("EndHandshake = %+v", got)
	}
	if tags := made(w.Tags(ctx, o.ID, second))(t); len(tags) != 1 {
		t.Errorf("Tags = %v; want those of the invitation", tags)
	}
	if _, err := w.EndHandshake(ctx, second, h.ID, Accepted, nothing[*Handshake]); !errors.Is(err, ErrDone) {
		t.Errorf("accept again = %v; want ErrDone", err)
	}
	if _, err := w.EndHandshake(ctx, second, h.ID, Declined, nothing[*Handshake]); !errors.Is(err, ErrOver) {
		t.Errorf("decline what was accepted = %v; want ErrOver", err)
	}
	w.now = day0.Add(HandshakeMemory + time.Hour)
	if _, err := w.Handshake(ctx, second, h.ID); !errors.Is(err, ErrNoHandshake) {
		t.Errorf("Handshake after %v = %v; want ErrNoHandshake", HandshakeMemory, err)
	}
}

func TestHandshakeExpires(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	o := w.org()
	h := made(w.Invite(ctx, o.ID, Invitation{Email: second + "@ACCOUNT.invalid"}, nothing[*Handshake]))(t)
	if h.Account != second {
		t.Errorf("Invite by address = %+v; want %s", h, second)
	}
	w.now = day0.Add(InvitationPeriod + time.Second)
	if got := made(w.Handshake(ctx, owner, h.ID))(t); got.State != Expired {
		t.Errorf("Handshake = %+v; want an expired one", got)
	}
	if _, err := w.EndHandshake(ctx, second, h.ID, Accepted, nothing[*Handshake]); !errors.Is(err, ErrOver) {
		t.Errorf("accept what has expired = %v; want ErrOver", err)
	}
	if _, err := w.Of(ctx, second); !errors.Is(err, ErrNotInOrganization) {
		t.Errorf("Of = %v; want ErrNotInOrganization", err)
	}
	w.invited(o, second)
}

func TestInvitationsAreBounded(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	o := w.org()
	for i := range MaxInvitations + 1 {
		id := fmt.Sprintf("9%011d", i)
		_, err := w.cfg.Identity.CreateAccount(ctx, id, id, nil)
		okay(t, err)
		_, err = w.Invite(ctx, o.ID, Invitation{Account: id}, nothing[*Handshake])
		if want := map[bool]error{true: ErrTooManyInvitations}[i == MaxInvitations]; !errors.Is(err, want) {
			t.Errorf("invitation %d = %v; want %v", i+1, err, want)
		}
	}
	// Those that are over make room, and are forgotten in the end.
	list := made(w.Handshakes(ctx, o.ID))(t)
	made(w.EndHandshake(ctx, owner, list[0].ID, Canceled, nothing[*Handshake]))(t)
	made(w.Invite(ctx, o.ID, Invitation{Account: second}, nothing[*Handshake]))(t)
	w.now = day0.Add(InvitationPeriod + HandshakeMemory + time.Hour)
	made(w.Invite(ctx, o.ID, Invitation{Account: third}, nothing[*Handshake]))(t)
	if list := made(w.Handshakes(ctx, o.ID))(t); len(list) != 1 {
		t.Errorf("Handshakes = %d; want 1", len(list))
	}
	rows := 0
	for _, row := range w.rows() {
		if len(row) > 10 && row[:10] == "handshake/" {
			rows++
		}
	}
	if rows != 1 {
		t.Errorf("%d rows of handshakes are left; want 1", rows)
	}
}

// One account, two invitations: it can accept one.
func TestOneOrganizationAtATime(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	o := w.org()
	other := made(w.CreateOrganization(ctx, third, nothing[*Organization]))(t)
	a := made(w.Invite(ctx, o.ID, Invitation{Account: second}, nothing[*Handshake]))(t)
	b := made(w.Invite(ctx, other.ID, Invitation{Account: second}, nothing[*Handshake]))(t)
	made(w.EndHandshake(ctx, second, a.ID, Accepted, nothing[*Handshake]))(t)
	if _, err := w.EndHandshake(ctx, second, b.ID, Accepted, nothing[*Handshake]); !errors.Is(err, ErrInOrganization) {
		t.Errorf("accept a second = %v; want ErrInOrganization", err)
	}
	if got := made(w.Handshake(ctx, second, b.ID))(t); got.State != Open {
		t.Errorf("the second invitation is %s; want %s", got.State, Open)
	}
}
