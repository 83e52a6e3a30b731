package rolesanywhere

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"coffer/internal/authn"
	"coffer/internal/awserr"
	"coffer/internal/sigv4"
)

func TestCreateSession(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	web := w.signer("web")
	out, err := w.CreateSession(ctx, anonymous(), web, w.input())
	w.ok(err)
	s := out.Session
	if s.ARN != "arn:aws:sts::"+account+":assumed-role/web/1234" || s.SourceIdentity != "CN=web" || s.SourceARN != w.anchor.TrustAnchorARN || s.RoleID != w.role.ID ||
		s.Tags["x509Subject/CN"] != "web" || s.Tags["x509Issuer/CN"] != "ca" || s.HasPolicies {
		t.Errorf("CreateSession = %+v", s)
	}
	if d := time.Until(out.Credentials.Expiration); d > time.Hour || d < 59*time.Minute {
		t.Errorf("Expiration in %v; want an hour", d)
	}
	again, err := w.CreateSession(ctx, anonymous(), w.signer("web"), w.input())
	w.ok(err)
	if again.SubjectARN != out.SubjectARN || !strings.HasPrefix(out.SubjectARN, "arn:aws:rolesanywhere:us-east-1:"+account+":subject/") {
		t.Errorf("subjects %s and %s; want one", out.SubjectARN, again.SubjectARN)
	}

	// The credentials sign, as the session.
	r, _ := http.NewRequest("POST", "http://127.0.0.1/", strings.NewReader(""))
	r.Header.Set("X-Amz-Security-Token", out.Credentials.SessionToken.Reveal())
	sum := sha256.Sum256(nil)
	sigv4.NewSigner(out.Credentials.AccessKeyID, out.Credentials.SecretAccessKey.Reveal(), region, "kms").Sign(
		&sigv4.Request{Method: "POST", Path: "/", Host: r.URL.Host, Header: r.Header}, hex.EncodeToString(sum[:]), time.Now())
	c, _, err := w.authn.JSON(r, "kms", authn.Facts{})
	if err != nil || c.Type != authn.TypeAssumedRole || c.ARN != s.ARN || c.Session.SourceIdentity != "CN=web" {
		t.Errorf("a request with the credentials = %+v, %v", c, err)
	}

	events := w.events("CreateSession", out.Credentials.SecretAccessKey.Reveal(), out.Credentials.SessionToken.Reveal())
	if len(events) != 2 || events[0]["recipientAccountId"] != account || events[0]["errorCode"] != nil {
		t.Errorf("events = %v; want two of the trust anchor's account", events)
	}
	if got := fmt.Sprint(events[0]["responseElements"]); !strings.Contains(got, out.Credentials.AccessKeyID) || !strings.Contains(got, "CN=web") {
		t.Errorf("responseElements = %s", got)
	}
}

func TestCreateSessionOptions(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	seconds, long := int32(900), int32(7200)
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}`
	in := w.input()
	in.DurationSeconds, in.RoleSessionName = &seconds, "web-1"
	out, err := w.CreateSession(ctx, anonymous(), w.signer("web"), in)
	w.ok(err)
	if d := time.Until(out.Credentials.Expiration); d > 15*time.Minute || !strings.HasSuffix(out.Session.ARN, "/web-1") {
		t.Errorf("CreateSession = %s for %v; want web-1 for 15 minutes", out.Session.ARN, d)
	}
	// The shorter of the profile's and the request's counts.
	in.DurationSeconds = &long
	out, err = w.CreateSession(ctx, anonymous(), w.signer("web"), in)
	w.ok(err)
	if d := time.Until(out.Credentials.Expiration); d > time.Hour {
		t.Errorf("CreateSession lasts %v; want the profile's hour", d)
	}
	_, err = w.UpdateProfile(ctx, w.root, &UpdateProfileInput{ProfileID: w.profile.ProfileID, DurationSeconds: &long, SessionPolicy: &policy,
		ManagedPolicyARNs: []string{"arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"}, AcceptRoleSessionName: new(bool)})
	w.ok(err)
	if _, err := w.CreateSession(ctx, anonymous(), w.signer("web"), w.input()); !awserr.Is(err, "ValidationException") {
		t.Errorf("CreateSession beyond the role's longest = %v; want ValidationException", err)
	}
	if _, err := w.CreateSession(ctx, anonymous(), w.signer("web"), in); !awserr.Is(err, "AccessDeniedException") {
		t.Errorf("CreateSession with a name that the profile takes no more = %v; want AccessDeniedException", err)
	}
	in = w.input()
	in.DurationSeconds = &seconds
	out, err = w.CreateSession(ctx, anonymous(), w.signer("web"), in)
	w.ok(err)
	if !out.Session.HasPolicies || out.Session.PolicyText != policy || len(out.Session.PolicyARNs) != 1 {
		t.Errorf("session = %+v; want the profile's policies", out.Session)
	}
}

// Whatever is missing, the answer is no.
func TestCreateSessionRefuses(t *testing.T) {
	ctx := t.Context()
	type change func(w *world, in *CreateSessionInput, s *authn.CertificateSigner)
	trust := func(condition string) change {
		return func(w *world, _ *CreateSessionInput, _ *authn.CertificateSigner) {
			w.ok(w.ids.SetTrust(ctx, account, "web", w.trust(strings.Replace(condition, "ANCHOR", w.anchor.TrustAnchorARN, 1)), nil))
		}
	}
	replace := func(old, new string) change {
		return func(w *world, _ *CreateSessionInput, _ *authn.CertificateSigner) {
			w.ok(w.ids.SetTrust(ctx, account, "web", strings.Replace(w.trust(""), old, new, 1), nil))
		}
	}
	tests := []struct {
		name string
		do   change
		want string // code and part of the message; empty for a session
	}{
		{"nothing", func(*world, *CreateSessionInput, *authn.CertificateSigner) {}, ""},
		{"conditions that hold", trust(`"StringEquals":{"aws:PrincipalTag/x509Subject/CN":"web","sts:SourceIdentity":"CN=web","aws:SourceAccount":"` + account + `","sts:RoleSessionName":"1234"},` +
			`"Bool":{"aws:PrincipalIsAWSService":"true"},"ArnEquals":{"aws:SourceArn":"ANCHOR"}`), ""},
		{"another common name", trust(`"StringEquals":{"aws:PrincipalTag/x509Subject/CN":"db"}`), "AccessDeniedException: Unable to assume role"},
		{"another source", trust(`"ArnEquals":{"aws:SourceArn":"arn:aws:rolesanywhere:us-east-1:123456789012:trust-anchor/x"}`), "AccessDeniedException: Unable to assume role"},
		{"another account", trust(`"StringEquals":{"aws:SourceAccount":"210987654321"}`), "AccessDeniedException: Unable to assume role"},
		{"another service", replace("rolesanywhere.amazonaws.com", "ec2.amazonaws.com"), "AccessDeniedException: Unable to assume role"},
		{"no AssumeRole", replace("sts:AssumeRole", "sts:AssumeRoleWithSAML"), "AccessDeniedException: Unable to assume role"},
		{"no TagSession", replace(`"sts:TagSession",`, ""), "AccessDeniedException: Unable to assume role"},
		{"no SetSourceIdentity", replace(`,"sts:SetSourceIdentity"`, ""), "AccessDeniedException: Unable to assume role"},
		{"no role", func(_ *world, in *CreateSessionInput, _ *authn.CertificateSigner) {
			in.RoleARN = "arn:aws:iam::" + account + ":role/none"
		}, "AccessDeniedException: Unable to assume role"},
		{"a role that the profile lacks", func(_ *world, in *CreateSessionInput, _ *authn.CertificateSigner) {
			in.RoleARN = "arn:aws:iam::" + account + ":role/other"
		}, "AccessDeniedException: The profile does not allow"},
		{"a role of another account", func(_ *world, in *CreateSessionInput, _ *authn.CertificateSigner) {
			in.RoleARN = "arn:aws:iam::" + stranger + ":role/web"
		}, "ValidationException"},
		{"no profile", func(_ *world, in *CreateSessionInput, _ *authn.CertificateSigner) {
			in.ProfileARN = strings.Replace(in.ProfileARN, in.ProfileARN[len(in.ProfileARN)-4:], "0000", 1)
		}, "AccessDeniedException: The profile does not exist"},
		{"a profile of another account", func(_ *world, in *CreateSessionInput, _ *authn.CertificateSigner) {
			in.ProfileARN = strings.Replace(in.ProfileARN, account, stranger, 1)
		}, "ValidationException"},
		{"a disabled profile", func(w *world, _ *CreateSessionInput, _ *authn.CertificateSigner) {
			w.ok(errOf(w.DisableProfile(ctx, w.root, &ProfileInput{w.profile.ProfileID})))
		}, "AccessDeniedException: The profile does not exist, or is disabled"},
		{"no trust anchor", func(_ *world, in *CreateSessionInput, _ *authn.CertificateSigner) {
			in.TrustAnchorARN = strings.Replace(in.TrustAnchorARN, in.TrustAnchorARN[len(in.TrustAnchorARN)-4:], "0000", 1)
		}, "AccessDeniedException: Untrusted certificate"},
		{"a disabled trust anchor", func(w *world, _ *CreateSessionInput, _ *authn.CertificateSigner) {
			w.ok(errOf(w.DisableTrustAnchor(ctx, w.root, &TrustAnchorInput{w.anchor.TrustAnchorID})))
		}, "AccessDeniedException: Untrusted certificate"},
		{"another region", func(_ *world, in *CreateSessionInput, _ *authn.CertificateSigner) {
			in.TrustAnchorARN = strings.Replace(in.TrustAnchorARN, region, "eu-central-1", 1)
		}, "ValidationException"},
		{"a certificate of another authority", func(w *world, _ *CreateSessionInput, s *authn.CertificateSigner) {
			s.Certificate = newWorld(t).signer("web").Certificate
		}, "AccessDeniedException: Untrusted certificate"},
		{"a revoked certificate", func(w *world, _ *CreateSessionInput, _ *authn.CertificateSigner) {
			w.ok(errOf(w.UpdateCRL(ctx, w.root, &UpdateCRLInput{CRLID: w.crl.CRLID, CRLData: w.revoke(0x1234)})))
			w.ok(errOf(w.EnableCRL(ctx, w.root, &CRLInput{w.crl.CRLID})))
		}, "AccessDeniedException: Untrusted certificate"},
		{"a common name too long", func(w *world, _ *CreateSessionInput, s *authn.CertificateSigner) {
			s.Certificate = w.signer(strings.Repeat("n", 65)).Certificate
		}, "AccessDeniedException: The subject"},
		{"instance properties", func(w *world, in *CreateSessionInput, _ *authn.CertificateSigner) {
			p, err := w.CreateProfile(ctx, w.root, &CreateProfileInput{Name: "x", Enabled: true, RoleARNs: []string{w.role.ARN}, RequireInstanceProperties: true})
			w.ok(err)
			in.ProfileARN = p.Profile.ProfileARN
		}, "AccessDeniedException: The profile requires"},
		{"another certificate in the body", func(_ *world, in *CreateSessionInput, _ *authn.CertificateSigner) { in.Cert = "AAAA" }, "ValidationException"},
		{"a bad name", func(_ *world, in *CreateSessionInput, _ *authn.CertificateSigner) { in.RoleSessionName = "a/b" }, "ValidationException"},
		{"no ARN", func(_ *world, in *CreateSessionInput, _ *authn.CertificateSigner) { *in = CreateSessionInput{} }, "ValidationException"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			in, s := w.input(), w.signer("web")
			tt.do(w, in, s)
			out, err := w.CreateSession(ctx, anonymous(), s, in)
			if tt.want == "" {
				w.ok(err)
				return
			}
			if out != nil || err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("CreateSession = %v, %v; want %s", out, err, tt.want)
			}
			events := w.events("CreateSession")
			if len(events) != 1 || !strings.HasPrefix(tt.want, fmt.Sprint(events[0]["errorCode"])) || events[0]["responseElements"] != nil {
				t.Errorf("events = %v; want one refusal", events)
			}
		})
	}
}

// An expired certificate gets nothing, by the wall clock.
func TestCreateSessionWallClock(t *testing.T) {
	w := newWorld(t)
	s := w.signer("web")
	w.wall = func() time.Time { return time.Now().Add(2 * time.Hour) }
	if _, err := w.CreateSession(t.Context(), anonymous(), s, w.input()); !awserr.Is(err, "AccessDeniedException") {
		t.Errorf("CreateSession after the certificate's end = %v; want AccessDeniedException", err)
	}
}

func BenchmarkCreateSession(b *testing.B) {
	w := newWorld(b)
	signer, in := w.signer("web"), w.input()
	for b.Loop() {
		if _, err := w.CreateSession(b.Context(), anonymous(), signer, in); err != nil {
			b.Fatal(err)
		}
	}
}
