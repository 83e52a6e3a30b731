package rolesanywhere

import (
	"context"

	"coffer/internal/anchor"
	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/meta"
)

// maxCRL bounds a revocation list, in bytes.
//
// Source: IAM Roles Anywhere API Reference, ImportCrl, read 2026-11-21.
const maxCRL = 300_000

// CRLDetail describes a revocation list.
type CRLDetail struct {
	CRLID          string `json:"crlId"`
	CRLARN         string `json:"crlArn"`
	Name           string `json:"name"`
	Enabled        bool   `json:"enabled"`
	CRLData        []byte `json:"crlData"`
	TrustAnchorARN string `json:"trustAnchorArn"`
	CreatedAt      string `json:"createdAt"`
	UpdatedAt      string `json:"updatedAt"`
}

func describeCRL(l *anchor.CRL) CRLDetail {
	return CRLDetail{l.ID, resourceARN(l.Place, anchor.KindCRL, l.ID), l.Name, l.Enabled, l.Data,
		resourceARN(l.Place, anchor.KindTrustAnchor, l.TrustAnchor), timestamp(l.Created), timestamp(l.Updated)}
}

// CRLOutput is the answer of the operations on one revocation list.
type CRLOutput struct {
	CRL CRLDetail `json:"crl"`
}

func recordCRL(call *authz.Call) func(meta.Txn, *anchor.CRL) error {
	return func(tx meta.Txn, l *anchor.CRL) error {
		d := describeCRL(l)
		call.Resource("AWS::RolesAnywhere::CRL", d.CRLARN, l.Place.Account)
		call.Response("crl", map[string]any{"crlId": d.CRLID, "crlArn": d.CRLARN, "name": d.Name, "enabled": d.Enabled,
			"trustAnchorArn": d.TrustAnchorARN, "createdAt": d.CreatedAt, "updatedAt": d.UpdatedAt})
		return call.Record(tx)
	}
}

// ImportCRLInput is the request of [Service.ImportCRL].
type ImportCRLInput struct {
	Name           string `json:"name"`
	CRLData        []byte `json:"crlData"`
	Enabled        bool   `json:"enabled"`
	Tags           []Tag  `json:"tags"`
	TrustAnchorARN string `json:"trustAnchorArn"`
}

// ImportCRL adds a revocation list that a trust anchor's authority has signed, PEM or
// DER. Once it is enabled, the certificates that it names get no session.
//
// It returns a *awserr.Error with code ValidationException, TooManyTagsException,
// ResourceNotFoundException or AccessDeniedException.
//
// Source: IAM Roles Anywhere API Reference, ImportCrl.
func (s *Service) ImportCRL(ctx context.Context, c *authn.Caller, in *ImportCRLInput) (*CRLOutput, error) {
	return run(ctx, s, c, "ImportCrl", changes, func(call *authz.Call) (*CRLOutput, error) {
		call.Param("name", in.Name)
		call.Param("enabled", in.Enabled)
		call.Param("trustAnchorArn", in.TrustAnchorARN)
		paramTags(call, in.Tags)
		var v checker
		v.name("name", in.Name)
		v.crl(in.CRLData)
		v.tags(in.Tags)
		p, kind, id, ok := parseARN(in.TrustAnchorARN)
		if !ok || kind != anchor.KindTrustAnchor || p != place(c) {
			v.add("trustAnchorArn must be the ARN of a trust anchor of the account and region.")
		}
		if err := v.err(); err != nil {
			return nil, err
		}
		if err := s.ask(ctx, call, c, "ImportCrl", "", "", tagKeys(in.Tags)); err != nil {
			return nil, err
		}
		h := anchor.Header{Place: p, Name: in.Name, Enabled: in.Enabled, Tags: domainTags(in.Tags)}
		l, err := s.anchors.ImportCRL(ctx, anchor.CRL{Header: h, TrustAnchor: id, Data: in.CRLData}, recordCRL(call))
		if err != nil {
			return nil, err
		}
		return &CRLOutput{describeCRL(l)}, nil
	})
}

func (v *checker) crl(data []byte) {
	if len(data) == 0 || len(data) > maxCRL {
		v.add("crlData must have 1 to %d bytes.", maxCRL)
	}
}

// UpdateCRLInput is the request of [Service.UpdateCRL].
type UpdateCRLInput struct {
	CRLID   string  `json:"crlId"`
	Name    *string `json:"name"`
	CRLData []byte  `json:"crlData"`
}

// UpdateCRL gives a revocation list another name or content. What is left out stays.
//
// It returns a *awserr.Error with code ValidationException,
// ResourceNotFoundException or AccessDeniedException.
//
// Source: IAM Roles Anywhere API Reference, UpdateCrl.
func (s *Service) UpdateCRL(ctx context.Context, c *authn.Caller, in *UpdateCRLInput) (*CRLOutput, error) {
	return run(ctx, s, c, "UpdateCrl", changes, func(call *authz.Call) (*CRLOutput, error) {
		call.Param("crlId", in.CRLID)
		var v checker
		v.id("crlId", in.CRLID)
		if in.Name != nil {
			call.Param("name", *in.Name)
			v.name("name", *in.Name)
		}
		if in.CRLData != nil {
			v.crl(in.CRLData)
		}
		if err := v.err(); err != nil {
			return nil, err
		}
		if err := s.ask(ctx, call, c, "UpdateCrl", anchor.KindCRL, in.CRLID, nil); err != nil {
			return nil, err
		}
		l, err := s.anchors.UpdateCRL(ctx, place(c), in.CRLID, in.Name, in.CRLData, recordCRL(call))
		if err != nil {
			return nil, err
		}
		return &CRLOutput{describeCRL(l)}, nil
	})
}

// CRLInput names a revocation list.
type CRLInput struct {
	CRLID string `json:"crlId"`
}

// oneCRL checks, authorizes and does something with one revocation list.
func (s *Service) oneCRL(ctx context.Context, c *authn.Caller, action string, readOnly bool, id string, act func(*authz.Call) (*anchor.CRL, error)) (*CRLOutput, error) {
	return run(ctx, s, c, action, readOnly, func(call *authz.Call) (*CRLOutput, error) {
		call.Param("crlId", id)
		var v checker
		v.id("crlId", id)
		if err := v.err(); err != nil {
			return nil, err
		}
		if err := s.ask(ctx, call, c, action, anchor.KindCRL, id, nil); err != nil {
			return nil, err
		}
		l, err := act(call)
		if err != nil {
			return nil, err
		}
		return &CRLOutput{describeCRL(l)}, nil
	})
}

// GetCRL describes a revocation list.
//
// It returns a *awserr.Error with code ValidationException,
// ResourceNotFoundException or AccessDeniedException, as do the three operations
// below.
//
// Source: IAM Roles Anywhere API Reference, GetCrl.
func (s *Service) GetCRL(ctx context.Context, c *authn.Caller, in *CRLInput) (*CRLOutput, error) {
	return s.oneCRL(ctx, c, "GetCrl", reads, in.CRLID, func(*authz.Call) (*anchor.CRL, error) { return s.anchors.CRL(ctx, place(c), in.CRLID) })
}

// DeleteCRL removes a revocation list: what it alone named gets sessions again.
//
// Source: IAM Roles Anywhere API Reference, DeleteCrl.
func (s *Service) DeleteCRL(ctx context.Context, c *authn.Caller, in *CRLInput) (*CRLOutput, error) {
	return s.oneCRL(ctx, c, "DeleteCrl", changes, in.CRLID, func(call *authz.Call) (*anchor.CRL, error) {
		return s.anchors.DeleteCRL(ctx, place(c), in.CRLID, recordCRL(call))
	})
}

// EnableCRL makes a revocation list count.
//
// Source: IAM Roles Anywhere API Reference, EnableCrl.
func (s *Service) EnableCRL(ctx context.Context, c *authn.Caller, in *CRLInput) (*CRLOutput, error) {
	return s.oneCRL(ctx, c, "EnableCrl", changes, in.CRLID, func(call *authz.Call) (*anchor.CRL, error) {
		return s.anchors.EnableCRL(ctx, place(c), in.CRLID, true, recordCRL(call))
	})
}

// DisableCRL keeps a revocation list from counting.
//
// Source: IAM Roles Anywhere API Reference, DisableCrl.
func (s *Service) DisableCRL(ctx context.Context, c *authn.Caller, in *CRLInput) (*CRLOutput, error) {
	return s.oneCRL(ctx, c, "DisableCrl", changes, in.CRLID, func(call *authz.Call) (*anchor.CRL, error) {
		return s.anchors.EnableCRL(ctx, place(c), in.CRLID, false, recordCRL(call))
	})
}

// ListCRLsOutput is the answer of [Service.ListCRLs].
type ListCRLsOutput struct {
	CRLs      []CRLDetail `json:"crls"`
	NextToken string      `json:"nextToken,omitempty"`
}

// ListCRLs lists the revocation lists of the account and region by ID.
//
// It returns a *awserr.Error with code ValidationException or AccessDeniedException.
//
// Source: IAM Roles Anywhere API Reference, ListCrls.
func (s *Service) ListCRLs(ctx context.Context, c *authn.Caller, in *ListInput) (*ListCRLsOutput, error) {
	return run(ctx, s, c, "ListCrls", reads, func(call *authz.Call) (*ListCRLsOutput, error) {
		if err := s.ask(ctx, call, c, "ListCrls", "", "", nil); err != nil {
			return nil, err
		}
		list, err := s.anchors.CRLs(ctx, place(c))
		if err != nil {
			return nil, err
		}
		page, next, err := cut(list, func(l *anchor.CRL) string { return l.ID }, "crls", in)
		if err != nil {
			return nil, err
		}
		out := &ListCRLsOutput{CRLs: []CRLDetail{}, NextToken: next}
		for _, l := range page {
			out.CRLs = append(out.CRLs, describeCRL(l))
		}
		return out, nil
	})
}
