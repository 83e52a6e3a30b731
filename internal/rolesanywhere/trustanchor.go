package rolesanywhere

import (
	"context"

	"coffer/internal/anchor"
	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/meta"
)

// Tag is a name with a value.
type Tag struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

func domainTags(tags []Tag) []anchor.Tag {
	out := make([]anchor.Tag, len(tags))
	for i, t := range tags {
		out[i] = anchor.Tag{Key: t.Key, Value: t.Value}
	}
	return out
}

// Source says where the certificates of a trust anchor come from.
type Source struct {
	SourceType string      `json:"sourceType"`
	SourceData *SourceData `json:"sourceData"`
}

// SourceData holds the certificates.
type SourceData struct {
	X509CertificateData string `json:"x509CertificateData,omitempty"`
	ACMPCAARN           string `json:"acmPcaArn,omitempty"`
}

const certificateBundle = "CERTIFICATE_BUNDLE"

// maxBundle bounds the certificates of a trust anchor, in characters.
const maxBundle = 32 << 10

// certificates returns the text of a source, whose shape it checks.
func (v *checker) source(in *Source) string {
	switch {
	case in == nil || in.SourceData == nil:
		v.add("source must have a sourceType and sourceData.")
		return ""
	case in.SourceType == "AWS_ACM_PCA" || in.SourceType == "SELF_SIGNED_REPOSITORY":
		if v.failed == nil {
			v.failed = NotImplemented("Trust anchors of the type %s are not implemented by this server.", in.SourceType)
		}
	case in.SourceType != certificateBundle:
		v.add("sourceType must be %s.", certificateBundle)
	case in.SourceData.ACMPCAARN != "":
		v.add("sourceData must have x509CertificateData alone.")
	case in.SourceData.X509CertificateData == "" || characters(in.SourceData.X509CertificateData) > maxBundle:
		v.add("x509CertificateData must have 1 to %d characters.", maxBundle)
	}
	return in.SourceData.X509CertificateData
}

// TrustAnchorDetail describes a trust anchor.
type TrustAnchorDetail struct {
	TrustAnchorID          string   `json:"trustAnchorId"`
	TrustAnchorARN         string   `json:"trustAnchorArn"`
	Name                   string   `json:"name"`
	Source                 Source   `json:"source"`
	Enabled                bool     `json:"enabled"`
	CreatedAt              string   `json:"createdAt"`
	UpdatedAt              string   `json:"updatedAt"`
	NotificationSettings   []string `json:"notificationSettings"`
	CRLDPRevocationEnabled bool     `json:"crlDpRevocationEnabled"`
}

func describeTrustAnchor(t *anchor.TrustAnchor) TrustAnchorDetail {
	return TrustAnchorDetail{
		TrustAnchorID: t.ID, TrustAnchorARN: resourceARN(t.Place, anchor.KindTrustAnchor, t.ID), Name: t.Name,
		Source: Source{certificateBundle, &SourceData{X509CertificateData: t.Certificates}}, Enabled: t.Enabled,
		CreatedAt: timestamp(t.Created), UpdatedAt: timestamp(t.Updated), NotificationSettings: []string{},
	}
}

// TrustAnchorOutput is the answer of the operations on one trust anchor.
type TrustAnchorOutput struct {
	TrustAnchor TrustAnchorDetail `json:"trustAnchor"`
}

// recordTrustAnchor returns what runs last in a transaction that changes a trust
// anchor.
func recordTrustAnchor(call *authz.Call) func(meta.Txn, *anchor.TrustAnchor) error {
	return func(tx meta.Txn, t *anchor.TrustAnchor) error {
		d := describeTrustAnchor(t)
		call.Resource("AWS::RolesAnywhere::TrustAnchor", d.TrustAnchorARN, t.Place.Account)
		call.Response("trustAnchor", map[string]any{"trustAnchorId": d.TrustAnchorID, "trustAnchorArn": d.TrustAnchorARN, "name": d.Name,
			"enabled": d.Enabled, "createdAt": d.CreatedAt, "updatedAt": d.UpdatedAt,
			"source": map[string]any{"sourceType": certificateBundle, "sourceData": map[string]any{"x509CertificateData": t.Certificates}}})
		return call.Record(tx)
	}
}

// CreateTrustAnchorInput is the request of [Service.CreateTrustAnchor].
type CreateTrustAnchorInput struct {
	Name                   string                `json:"name"`
	Source                 *Source               `json:"source"`
	Enabled                bool                  `json:"enabled"`
	Tags                   []Tag                 `json:"tags"`
	NotificationSettings   []NotificationSetting `json:"notificationSettings"`
	CRLDPRevocationEnabled bool                  `json:"crlDpRevocationEnabled"`
}

// NotificationSetting says whether to warn of certificates that expire soon.
type NotificationSetting struct {
	Enabled   bool   `json:"enabled"`
	Event     string `json:"event"`
	Threshold *int32 `json:"threshold"`
	Channel   string `json:"channel"`
}

// CreateTrustAnchor makes a trust anchor of one or two certificates of authorities.
// It vouches for nobody until it is enabled, and until a profile and the trust policy
// of a role let its workloads in.
//
// It returns a *awserr.Error with code ValidationException, also for certificates
// that are none of authorities, TooManyTagsException, AccessDeniedException, or
// NotImplemented for authorities of AWS, notifications and the revocation lists that
// certificates name.
//
// Source: IAM Roles Anywhere API Reference, CreateTrustAnchor.
func (s *Service) CreateTrustAnchor(ctx context.Context, c *authn.Caller, in *CreateTrustAnchorInput) (*TrustAnchorOutput, error) {
	return run(ctx, s, c, "CreateTrustAnchor", changes, func(call *authz.Call) (*TrustAnchorOutput, error) {
		call.Param("name", in.Name)
		call.Param("enabled", in.Enabled)
		paramTags(call, in.Tags)
		var v checker
		v.name("name", in.Name)
		certificates := v.source(in.Source)
		v.tags(in.Tags)
		if err := v.err(); err != nil {
			return nil, err
		}
		if len(in.NotificationSettings) > 0 {
			return nil, NotImplemented("Notifications are not implemented by this server.")
		}
		if in.CRLDPRevocationEnabled {
			return nil, NotImplemented("Revocation lists at distribution points are not implemented by this server; import them.")
		}
		call.Param("source", map[string]any{"sourceType": certificateBundle, "sourceData": map[string]any{"x509CertificateData": certificates}})
		if err := s.ask(ctx, call, c, "CreateTrustAnchor", "", "", tagKeys(in.Tags)); err != nil {
			return nil, err
		}
		h := anchor.Header{Place: place(c), Name: in.Name, Enabled: in.Enabled, Tags: domainTags(in.Tags)}
		t, err := s.anchors.CreateTrustAnchor(ctx, anchor.TrustAnchor{Header: h, Certificates: certificates}, recordTrustAnchor(call))
		if err != nil {
			return nil, err
		}
		return &TrustAnchorOutput{describeTrustAnchor(t)}, nil
	})
}

// UpdateTrustAnchorInput is the request of [Service.UpdateTrustAnchor].
type UpdateTrustAnchorInput struct {
	TrustAnchorID          string  `json:"trustAnchorId"`
	Name                   *string `json:"name"`
	Source                 *Source `json:"source"`
	CRLDPRevocationEnabled *bool   `json:"crlDpRevocationEnabled"`
}

// UpdateTrustAnchor gives a trust anchor another name or other certificates. What is
// left out stays. Revocation lists that the new certificates have not signed must be
// deleted first.
//
// It returns a *awserr.Error with code ValidationException,
// ResourceNotFoundException, AccessDeniedException or NotImplemented.
//
// Source: IAM Roles Anywhere API Reference, UpdateTrustAnchor.
func (s *Service) UpdateTrustAnchor(ctx context.Context, c *authn.Caller, in *UpdateTrustAnchorInput) (*TrustAnchorOutput, error) {
	return run(ctx, s, c, "UpdateTrustAnchor", changes, func(call *authz.Call) (*TrustAnchorOutput, error) {
		call.Param("trustAnchorId", in.TrustAnchorID)
		var v checker
		v.id("trustAnchorId", in.TrustAnchorID)
		if in.Name != nil {
			call.Param("name", *in.Name)
			v.name("name", *in.Name)
		}
		var certificates *string
		if in.Source != nil {
			text := v.source(in.Source)
			certificates = &text
		}
		if err := v.err(); err != nil {
			return nil, err
		}
		if in.CRLDPRevocationEnabled != nil && *in.CRLDPRevocationEnabled {
			return nil, NotImplemented("Revocation lists at distribution points are not implemented by this server; import them.")
		}
		if certificates != nil {
			call.Param("source", map[string]any{"sourceType": certificateBundle, "sourceData": map[string]any{"x509CertificateData": *certificates}})
		}
		if err := s.ask(ctx, call, c, "UpdateTrustAnchor", anchor.KindTrustAnchor, in.TrustAnchorID, nil); err != nil {
			return nil, err
		}
		t, err := s.anchors.UpdateTrustAnchor(ctx, place(c), in.TrustAnchorID, in.Name, certificates, recordTrustAnchor(call))
		if err != nil {
			return nil, err
		}
		return &TrustAnchorOutput{describeTrustAnchor(t)}, nil
	})
}

// TrustAnchorInput names a trust anchor.
type TrustAnchorInput struct {
	TrustAnchorID string `json:"trustAnchorId"`
}

// oneTrustAnchor checks, authorizes and does something with one trust anchor.
func (s *Service) oneTrustAnchor(ctx context.Context, c *authn.Caller, action string, readOnly bool, id string, act func(*authz.Call) (*anchor.TrustAnchor, error)) (*TrustAnchorOutput, error) {
	return run(ctx, s, c, action, readOnly, func(call *authz.Call) (*TrustAnchorOutput, error) {
		call.Param("trustAnchorId", id)
		var v checker
		v.id("trustAnchorId", id)
		if err := v.err(); err != nil {
			return nil, err
		}
		if err := s.ask(ctx, call, c, action, anchor.KindTrustAnchor, id, nil); err != nil {
			return nil, err
		}
		t, err := act(call)
		if err != nil {
			return nil, err
		}
		return &TrustAnchorOutput{describeTrustAnchor(t)}, nil
	})
}

// GetTrustAnchor describes a trust anchor.
//
// It returns a *awserr.Error with code ValidationException,
// ResourceNotFoundException or AccessDeniedException, as do the three operations
// below.
//
// Source: IAM Roles Anywhere API Reference, GetTrustAnchor.
func (s *Service) GetTrustAnchor(ctx context.Context, c *authn.Caller, in *TrustAnchorInput) (*TrustAnchorOutput, error) {
	return s.oneTrustAnchor(ctx, c, "GetTrustAnchor", reads, in.TrustAnchorID, func(*authz.Call) (*anchor.TrustAnchor, error) {
		return s.anchors.TrustAnchor(ctx, place(c), in.TrustAnchorID)
	})
}

// DeleteTrustAnchor removes a trust anchor with its revocation lists. Sessions that it
// vouched for last until they end.
//
// Source: IAM Roles Anywhere API Reference, DeleteTrustAnchor.
func (s *Service) DeleteTrustAnchor(ctx context.Context, c *authn.Caller, in *TrustAnchorInput) (*TrustAnchorOutput, error) {
	return s.oneTrustAnchor(ctx, c, "DeleteTrustAnchor", changes, in.TrustAnchorID, func(call *authz.Call) (*anchor.TrustAnchor, error) {
		return s.anchors.DeleteTrustAnchor(ctx, place(c), in.TrustAnchorID, recordTrustAnchor(call))
	})
}

// EnableTrustAnchor lets a trust anchor vouch for workloads.
//
// Source: IAM Roles Anywhere API Reference, EnableTrustAnchor.
func (s *Service) EnableTrustAnchor(ctx context.Context, c *authn.Caller, in *TrustAnchorInput) (*TrustAnchorOutput, error) {
	return s.oneTrustAnchor(ctx, c, "EnableTrustAnchor", changes, in.TrustAnchorID, func(call *authz.Call) (*anchor.TrustAnchor, error) {
		return s.anchors.EnableTrustAnchor(ctx, place(c), in.TrustAnchorID, true, recordTrustAnchor(call))
	})
}

// DisableTrustAnchor keeps a trust anchor from vouching for anybody.
//
// Source: IAM Roles Anywhere API Reference, DisableTrustAnchor.
func (s *Service) DisableTrustAnchor(ctx context.Context, c *authn.Caller, in *TrustAnchorInput) (*TrustAnchorOutput, error) {
	return s.oneTrustAnchor(ctx, c, "DisableTrustAnchor", changes, in.TrustAnchorID, func(call *authz.Call) (*anchor.TrustAnchor, error) {
		return s.anchors.EnableTrustAnchor(ctx, place(c), in.TrustAnchorID, false, recordTrustAnchor(call))
	})
}

// ListInput is the request of the listings.
type ListInput struct {
	NextToken string `json:"nextToken"`
	PageSize  *int32 `json:"pageSize"`
}

// ListTrustAnchorsOutput is the answer of [Service.ListTrustAnchors].
type ListTrustAnchorsOutput struct {
	TrustAnchors []TrustAnchorDetail `json:"trustAnchors"`
	NextToken    string              `json:"nextToken,omitempty"`
}

// ListTrustAnchors lists the trust anchors of the account and region by ID.
//
// It returns a *awserr.Error with code ValidationException or AccessDeniedException.
//
// Source: IAM Roles Anywhere API Reference, ListTrustAnchors.
func (s *Service) ListTrustAnchors(ctx context.Context, c *authn.Caller, in *ListInput) (*ListTrustAnchorsOutput, error) {
	return run(ctx, s, c, "ListTrustAnchors", reads, func(call *authz.Call) (*ListTrustAnchorsOutput, error) {
		if err := s.ask(ctx, call, c, "ListTrustAnchors", "", "", nil); err != nil {
			return nil, err
		}
		list, err := s.anchors.TrustAnchors(ctx, place(c))
		if err != nil {
			return nil, err
		}
		page, next, err := cut(list, func(t *anchor.TrustAnchor) string { return t.ID }, "trustanchors", in)
		if err != nil {
			return nil, err
		}
		out := &ListTrustAnchorsOutput{TrustAnchors: []TrustAnchorDetail{}, NextToken: next}
		for _, t := range page {
			out.TrustAnchors = append(out.TrustAnchors, describeTrustAnchor(t))
		}
		return out, nil
	})
}
