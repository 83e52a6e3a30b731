package sts

import (
	"testing"

	"coffer/internal/awserr"
)

// TestIssueSession: only the root user gets to act as others, and only as those of
// its own account.
func TestIssueSession(t *testing.T) {
	b := newBench(t)
	root := b.root(account)
	everything := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
	admin := b.user(account, "admin", everything)
	role := b.role("app", `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}`, everything)
	foreign := b.user(stranger, "zoe", "")

	for principal, kind := range map[string]string{admin.ARN: "IAMUser", role: "AssumedRole"} {
		creds, err := b.IssueSession(t.Context(), root, principal)
		if err != nil {
			t.Fatalf("IssueSession(%s) = %v", principal, err)
		}
		c := b.as(creds.AccessKeyID, creds.SecretAccessKey, creds.SessionToken.Reveal(), nil)
		if c.Type != kind {
			t.Errorf("a session of %s is of a caller of type %s; want %s", principal, c.Type, kind)
		}
	}
	session, err := b.GetSessionToken(t.Context(), root, &GetSessionTokenInput{})
	if err != nil {
		t.Fatal(err)
	}
	temporary := b.as(session.Credentials.AccessKeyID, session.Credentials.SecretAccessKey, session.Credentials.SessionToken.Reveal(), nil)
	for name, ask := range map[string]func() error{
		"an administrator":       func() error { _, err := b.IssueSession(t.Context(), admin, role); return err },
		"a session of root":      func() error { _, err := b.IssueSession(t.Context(), temporary, role); return err },
		"another account's root": func() error { _, err := b.IssueSession(t.Context(), b.root(stranger), role); return err },
		"a user elsewhere":       func() error { _, err := b.IssueSession(t.Context(), root, foreign.ARN); return err },
		"root itself":            func() error { _, err := b.IssueSession(t.Context(), root, root.ARN); return err },
		"nobody": func() error {
			_, err := b.IssueSession(t.Context(), root, "arn:aws:iam::"+account+":user/nobody")
			return err
		},
	} {
		if e := awserr.As(ask()); e == nil || e.Code != "AccessDenied" && e.Code != "AccessDeniedException" && e.Code != "NoSuchEntity" {
			t.Errorf("IssueSession for %s = %v; want a refusal", name, e)
		}
	}
}
