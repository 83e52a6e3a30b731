package identity

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"coffer/internal/meta"
	"coffer/internal/meta/mem"
	"coffer/internal/meta/metatest"
)

func TestUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		faults := metatest.NewFaults(mem.New())
		s, restarted := New(Config{Meta: faults}), New(Config{Meta: faults})
		ctx := t.Context()
		made[Account](t)(s.CreateAccount(ctx, account, "main", nil))
		made[User](t)(s.CreateUser(ctx, account, NewUser{Name: "alice"}, nil))
		r := made[Role](t)(s.CreateRole(ctx, account, NewRole{Name: "app", Trust: trustRoot}, nil))
		k := made[AccessKey](t)(s.CreateAccessKey(ctx, account, "alice", nil))
		root := made[AccessKey](t)(s.NewRootKey(ctx, account, nil))
		if use := made[LastUse](t)(s.AccessKeyUse(ctx, k.ID)); use != (LastUse{}) {
			t.Errorf("AccessKeyUse before any = %+v", use)
		}
		start := time.Now().UTC()
		s.Used(k.ID, "s3", "us-east-1", start)
		s.Used(root.ID, "kms", "eu-west-1", start)
		s.RoleUsed(r.ID, "us-east-1", start)
		first := LastUse{start, "s3", "us-east-1"}
		if use := made[LastUse](t)(s.AccessKeyUse(ctx, k.ID)); use != first {
			t.Errorf("AccessKeyUse at once = %+v; want %+v", use, first)
		}
		if use := made[LastUse](t)(restarted.AccessKeyUse(ctx, k.ID)); use != (LastUse{}) {
			t.Errorf("a use was written at once: %+v", use)
		}
		faults.FailUpdates(1) // the first writing fails, the next one makes up for it
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		if use := made[LastUse](t)(restarted.AccessKeyUse(ctx, k.ID)); use != first {
			t.Errorf("AccessKeyUse = %+v; want %+v", use, first)
		}
		if use := made[LastUse](t)(restarted.AccessKeyUse(ctx, root.ID)); use.Service != "kms" {
			t.Errorf("AccessKeyUse of root = %+v", use)
		}
		if got := made[Role](t)(restarted.RoleByName(ctx, account, "app")); got.LastUsed != (LastUse{At: start, Region: "us-east-1"}) {
			t.Errorf("LastUsed = %+v", got.LastUsed)
		}

		// Within a minute of one that is noted, nothing is.
		later := time.Now().UTC()
		s.Used(k.ID, "sts", "us-east-1", later)
		s.Used(k.ID, "iam", "us-east-1", later.Add(59*time.Second))
		if use := made[LastUse](t)(s.AccessKeyUse(ctx, k.ID)); use.Service != "sts" {
			t.Errorf("AccessKeyUse = %+v; want sts", use)
		}
		s.Used("AKIANOSUCHKEY", "s3", "", later)
		ok(t, s.Close(ctx))
		if use := made[LastUse](t)(restarted.AccessKeyUse(ctx, k.ID)); use.Service != "sts" {
			t.Errorf("AccessKeyUse after Close = %+v; want sts", use)
		}
		s.Used(k.ID, "s3", "us-east-1", later.Add(time.Hour))
		_, err := s.AccessKeyUse(ctx, "AKIANOSUCHKEY")
		wantErr(t, "AccessKeyUse of no key", err, ErrNoAccessKey)
		ok(t, s.cfg.Meta.View(ctx, func(r meta.Reader) error {
			if there, err := exists(r, rowUsed+"AKIANOSUCHKEY"); there || err != nil {
				t.Errorf("the use of no key was written: %t, %v", there, err)
			}
			return nil
		}))
		ok(t, restarted.DeleteAccessKey(ctx, account, "alice", k.ID, nil))
		ok(t, s.cfg.Meta.View(ctx, func(r meta.Reader) error {
			if there, err := exists(r, rowUsed+k.ID); there || err != nil {
				t.Errorf("the use of a deleted key is kept: %t, %v", there, err)
			}
			return nil
		}))
	})
}

func TestRevokeSession(t *testing.T) {
	faults := metatest.NewFaults(mem.New())
	now := testTime
	cfg := Config{Meta: faults, Now: func() time.Time { return now }}
	s, restarted := New(cfg), New(cfg)
	ctx := t.Context()
	if s.SessionRevoked("ASIAONE") {
		t.Error("SessionRevoked before RevokeSession")
	}
	before := revisionOf(t, s)
	ok(t, s.RevokeSession(ctx, "ASIAONE", now.Add(time.Hour), nil))
	if revisionOf(t, s) == before {
		t.Error("RevokeSession does not bump the revision")
	}
	for _, s := range []*Store{s, restarted} {
		if !s.SessionRevoked("ASIAONE") || s.SessionRevoked("ASIATWO") {
			t.Errorf("SessionRevoked = %t, %t; want true, false", s.SessionRevoked("ASIAONE"), s.SessionRevoked("ASIATWO"))
		}
	}
	now = now.Add(2 * time.Hour)
	ok(t, s.RevokeSession(ctx, "ASIATWO", now.Add(time.Hour), nil))
	if New(cfg).SessionRevoked("ASIAONE") {
		t.Error("what has ended is kept")
	}
	// An unknown outcome counts as revoked.
	faults.LoseAnswers(1)
	wantErr(t, "RevokeSession", s.RevokeSession(ctx, "ASIATHREE", now.Add(time.Hour), nil), meta.ErrUnavailable)
	if !s.SessionRevoked("ASIATHREE") || !s.SessionRevoked("ASIATWO") {
		t.Error("an unknown outcome counts as not revoked")
	}
	wantErr(t, "RevokeSession of an odd key", s.RevokeSession(ctx, "a/b", now, nil), ErrInvalid)
	wantErr(t, "RevokeSession of no key", s.RevokeSession(ctx, "", now, nil), ErrInvalid)

	// What can't be read refuses everything.
	ok(t, faults.Update(ctx, func(tx meta.Txn) error { return tx.Put([]byte(rowRevoked+"X"), []byte{0xff}) }))
	if s := New(cfg); !s.SessionRevoked("ASIAFOUR") {
		t.Error("SessionRevoked = false while the rows can't be read")
	}
	if err := New(cfg).RevokeSession(ctx, "ASIAFIVE", now, nil); !errors.Is(err, meta.ErrCorrupt) {
		t.Errorf("RevokeSession = %v; want ErrCorrupt", err)
	}
}

func BenchmarkUsed(b *testing.B) {
	s := New(Config{Meta: mem.New()})
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		s.Used("AKIAAAAAAAAAAAAAAAAA", "s3", "us-east-1", now)
	}
}
