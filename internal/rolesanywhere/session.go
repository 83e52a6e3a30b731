package rolesanywhere

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"coffer/internal/anchor"
	"coffer/internal/arn"
	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/identity"
	"coffer/internal/meta"
	"coffer/internal/policy"
	"coffer/internal/revision"
)

// CreateSessionInput is the request of [Service.CreateSession].
type CreateSessionInput struct {
	Cert               string            `json:"cert"`
	DurationSeconds    *int32            `json:"durationSeconds"`
	InstanceProperties map[string]string `json:"instanceProperties"`
	ProfileARN         string            `json:"profileArn"`
	RoleARN            string            `json:"roleArn"`
	RoleSessionName    string            `json:"roleSessionName"`
	SessionName        string            `json:"sessionName"` // no longer used
	TrustAnchorARN     string            `json:"trustAnchorArn"`
}

// CreateSessionOutput is the answer of [Service.CreateSession]. It holds secrets, and
// is for the front that encodes it.
type CreateSessionOutput struct {
	Session     *identity.Session
	Credentials *Credentials
	RoleARN     string
	SubjectARN  string
}

// Bounds of what instances tell of themselves, which is asked for and never used.
const (
	maxProperties     = 50
	maxPropertyLength = 200
)

// CreateSession returns credentials of a role to who has signed the request with the
// key of a certificate. In this order, the trust anchor must be enabled and vouch for
// the certificate, the profile must be enabled and name the role, and the role's
// trust policy must allow the service sts:AssumeRole, sts:TagSession and
// sts:SetSourceIdentity, with what the certificate says as aws:PrincipalTag.
//
// It returns a *awserr.Error with code ValidationException, or AccessDeniedException
// that tells a stranger nothing of what exists.
//
// Source: IAM Roles Anywhere User Guide, "IAM Roles Anywhere CreateSession API".
func (s *Service) CreateSession(ctx context.Context, c *authn.Caller, signer *authn.CertificateSigner, in *CreateSessionInput) (*CreateSessionOutput, error) {
	return run(ctx, s, c, "CreateSession", changes, func(call *authz.Call) (*CreateSessionOutput, error) {
		recordRequest(call, signer, in)
		if err := in.check(c, signer); err != nil {
			return nil, err
		}
		p, _, anchorID, _ := parseARN(in.TrustAnchorARN)
		if known, err := s.header(ctx, p, anchor.KindTrustAnchor, anchorID); err != nil {
			return nil, err
		} else if known != nil {
			// Its owner sees who tries.
			call.Resource("AWS::RolesAnywhere::TrustAnchor", in.TrustAnchorARN, p.Account)
		}
		before, err := s.revision(ctx)
		if err != nil {
			return nil, err
		}
		r, err := s.admit(ctx, c, signer, p, anchorID, in)
		if err != nil {
			return nil, err
		}
		session, credentials, err := s.sessions.NewRoleSession(r)
		if err != nil {
			return nil, err
		}
		out := &CreateSessionOutput{session, credentials, in.RoleARN, subjectARN(p, signer.Certificate.RawSubject)}
		recordResponse(call, out)
		err = s.meta.Update(ctx, func(tx meta.Txn) error {
			// What was taken away meanwhile has to be asked again.
			if now, err := revision.Read(tx); err != nil {
				return err
			} else if now != before {
				if _, err := s.admit(ctx, c, signer, p, anchorID, in); err != nil {
					return err
				}
			}
			return call.Record(tx)
		})
		if err != nil {
			return nil, err
		}
		return out, nil
	})
}

func (s *Service) revision(ctx context.Context) (n uint64, err error) {
	err = s.meta.View(ctx, func(r meta.Reader) (err error) {
		n, err = revision.Read(r)
		return err
	})
	return n, err
}

func recordRequest(call *authz.Call, signer *authn.CertificateSigner, in *CreateSessionInput) {
	call.Param("cert", base64.StdEncoding.EncodeToString(signer.Certificate.Raw))
	for _, p := range []struct{ name, value string }{
		{"profileArn", in.ProfileARN}, {"roleArn", in.RoleARN}, {"trustAnchorArn", in.TrustAnchorARN}, {"roleSessionName", in.RoleSessionName},
	} {
		if p.value != "" && len(p.value) <= 2048 {
			call.Param(p.name, p.value)
		}
	}
	if in.DurationSeconds != nil {
		call.Param("durationSeconds", int64(*in.DurationSeconds))
	}
}

func recordResponse(call *authz.Call, out *CreateSessionOutput) {
	call.Response("credentialSet", []any{map[string]any{
		"assumedRoleUser": map[string]any{"arn": out.Session.ARN, "assumedRoleId": out.Session.RoleID + ":" + out.Session.Name},
		"credentials":     map[string]any{"accessKeyId": out.Credentials.AccessKeyID, "expiration": timestamp(out.Credentials.Expiration)},
		"roleArn":         out.RoleARN,
		"sourceIdentity":  out.Session.SourceIdentity,
	}})
	call.Response("subjectArn", out.SubjectARN)
}

// check checks the shape of a request.
func (in *CreateSessionInput) check(c *authn.Caller, signer *authn.CertificateSigner) error {
	var v checker
	p, kind, _, ok := parseARN(in.TrustAnchorARN)
	if !ok || kind != anchor.KindTrustAnchor || p.Region != c.Region {
		v.add("trustAnchorArn must be the ARN of a trust anchor of the request's region.")
	}
	q, kind, _, ok := parseARN(in.ProfileARN)
	if !ok || kind != anchor.KindProfile || q != p {
		v.add("profileArn must be the ARN of a profile of the trust anchor's account and region.")
	}
	if a, err := arn.Parse(in.RoleARN); err != nil || len(in.RoleARN) > 1011 || !patternRole.MatchString(in.RoleARN) || a.Account != p.Account {
		v.add("roleArn must be the ARN of a role of the trust anchor's account.")
	}
	v.duration(in.DurationSeconds)
	if in.RoleSessionName != "" && !patternSession.MatchString(in.RoleSessionName) {
		v.add("roleSessionName must have 2 to 64 letters, digits and _ + = , . @ -")
	}
	if in.Cert != "" && in.Cert != base64.StdEncoding.EncodeToString(signer.Certificate.Raw) {
		v.add("cert must be the certificate of the signature.")
	}
	if len(in.InstanceProperties) > maxProperties {
		v.add("instanceProperties must have at most %d entries.", maxProperties)
	}
	for k, value := range in.InstanceProperties {
		if k == "" || characters(k) > maxPropertyLength || characters(value) > maxPropertyLength {
			v.add("instanceProperties must have keys of 1 to %d characters and values of as many.", maxPropertyLength)
		}
	}
	return v.err()
}

// admit decides whether the signer gets a session, and which.
func (s *Service) admit(ctx context.Context, c *authn.Caller, signer *authn.CertificateSigner, p anchor.Place, anchorID string, in *CreateSessionInput) (*RoleSession, error) {
	if _, err := s.anchors.Verify(ctx, p, anchorID, signer.Certificate, signer.Chain, s.wall()); err != nil {
		if errors.Is(err, anchor.ErrUntrusted) {
			s.log.LogAttrs(ctx, slog.LevelInfo, "certificate refused", slog.String("request_id", c.RequestID), slog.String("error", err.Error()))
		}
		return nil, err
	}
	_, _, profileID, _ := parseARN(in.ProfileARN)
	profile, err := s.anchors.Profile(ctx, p, profileID)
	switch {
	case errors.Is(err, anchor.ErrNoProfile):
		return nil, refused("The profile does not exist, or is disabled.").Because(err)
	case err != nil:
		return nil, err
	case !profile.Enabled:
		return nil, refused("The profile does not exist, or is disabled.")
	case !slices.Contains(profile.Roles, in.RoleARN):
		return nil, refused("The profile does not allow the role.")
	case profile.NeedsProperties && len(in.InstanceProperties) == 0:
		return nil, refused("The profile requires instance properties.")
	case in.RoleSessionName != "" && !profile.TakesName:
		return nil, refused("The profile does not accept a role session name.")
	}
	holder, err := profile.Holder(signer.Certificate)
	if err != nil {
		return nil, err
	}
	r := &RoleSession{
		Name: cmp.Or(in.RoleSessionName, holder.Serial), Duration: profile.Duration, SessionPolicy: profile.SessionPolicy,
		ManagedPolicies: profile.ManagedPolicies, Tags: holder.Tags, SourceIdentity: holder.SourceIdentity, TrustAnchor: in.TrustAnchorARN,
	}
	if !patternSession.MatchString(r.Name) {
		return nil, refused("The serial number of the certificate is too long to name a session.")
	}
	if in.DurationSeconds != nil {
		r.Duration = min(r.Duration, time.Duration(*in.DurationSeconds)*time.Second)
	}
	if err := s.assume(ctx, c, p, in, r); err != nil {
		return nil, err
	}
	if r.Duration > max(r.Role.MaxSession, identity.DefaultMaxSession) {
		return nil, fault("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	return r, nil
}

// nobody is the trust policy of a role that does not exist.
var nobody = func() *policy.Policy {
	p, err := policy.Load(`{"Version":"2012-10-17","Statement":[]}`, policy.KindTrust)
	if err != nil {
		panic("rolesanywhere: internal error: " + err.Error())
	}
	return p
}()

// assume finds the role, and asks its trust policy. The answer for a role that does
// not exist is the same as for one that does not trust the certificate.
func (s *Service) assume(ctx context.Context, c *authn.Caller, p anchor.Place, in *CreateSessionInput, r *RoleSession) error {
	role, err := s.role(ctx, p.Account, in.RoleARN)
	if err != nil {
		return err
	}
	trust := &policy.Named{Name: in.RoleARN, Policy: nobody}
	keys := policy.MapContext{
		"aws:sourcearn": {in.TrustAnchorARN}, "aws:sourceaccount": {p.Account},
		"sts:sourceidentity": {r.SourceIdentity}, "sts:rolesessionname": {r.Name},
	}
	for k, v := range r.Tags {
		keys["aws:principaltag/"+strings.ToLower(k)] = []string{v}
		keys["aws:requesttag/"+strings.ToLower(k)] = []string{v}
	}
	if len(r.Tags) > 0 {
		keys["aws:tagkeys"] = slices.Sorted(maps.Keys(r.Tags))
	}
	if role != nil {
		trust = cmp.Or(role.Trust, trust)
		for k, v := range role.Tags {
			keys["aws:resourcetag/"+strings.ToLower(k)] = []string{v}
			keys["iam:resourcetag/"+strings.ToLower(k)] = []string{v}
		}
	}
	// The service assumes the role, for whoever holds the certificate.
	service := *c
	service.Type, service.ARN, service.Account, service.PrincipalID = authn.TypeAWSService, source, "", ""
	for _, action := range []string{"sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"} {
		err := s.gate.Ask(ctx, &service, &authz.Ask{Action: action, Resource: in.RoleARN, Account: p.Account, Policy: trust, Keys: keys})
		if denied := authz.AsDenied(err); denied != nil {
			return refused("Unable to assume role for %s", in.RoleARN).Because(err)
		}
		if err != nil {
			return err
		}
	}
	if role == nil {
		return refused("Unable to assume role for %s", in.RoleARN)
	}
	r.Role = role
	return nil
}

// role returns the role with exactly that ARN, or nil.
func (s *Service) role(ctx context.Context, account, roleARN string) (*identity.Effective, error) {
	r, err := s.identity.RoleByARN(ctx, roleARN)
	if err == nil {
		var found *identity.Effective
		if found, err = s.identity.EffectiveRole(ctx, account, r.ID); err == nil {
			return found, nil
		}
	}
	if errors.Is(err, identity.ErrNoRole) {
		return nil, nil
	}
	return nil, err
}

// subjectARN returns the ARN of the subject that a certificate has in an account: the
// same one for the same name.
func subjectARN(p anchor.Place, name []byte) string {
	b := sha256.Sum256(slices.Concat([]byte("coffer subject\x00"+p.Account+"\x00"+p.Region+"\x00"), name))
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80 // a UUID of version 8
	id := fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
	return arn.ARN{Partition: arn.Partition, Service: "rolesanywhere", Region: p.Region, Account: p.Account, Resource: "subject/" + id}.String()
}
