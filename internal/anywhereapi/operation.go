package anywhereapi

import (
	"context"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"

	"coffer/internal/authn"
	"coffer/internal/awserr"
	"coffer/internal/awsjson"
	"coffer/internal/rolesanywhere"
)

// An Operation is one row of the routing table.
type Operation struct {
	Name   string
	Method string
	Path   string // with {id} where an identifier stands
	// Implemented is false for an operation that AWS has and this server does not.
	Implemented bool

	status int // of a good answer
	serve  func(ctx context.Context, svc *rolesanywhere.Service, c *authn.Caller, r request) ([]byte, error)
}

// A request is what an operation is decoded from.
type request struct {
	id    string // of the path
	query url.Values
	body  []byte
}

// Operations returns the routing table: every operation that the API has, in the order
// of its reference. CreateSession, which no SDK has, is served apart: it is signed in
// another way.
//
// Source: IAM Roles Anywhere API Reference, "Actions", and the service model of
// aws-sdk-go-v2/service/rolesanywhere v1.33.1 (30 operations), read 2026-11-21.
func Operations() []Operation {
	type svc = rolesanywhere.Service
	const get, post, patch, del, put = http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodDelete, http.MethodPut
	return []Operation{
		op("CreateProfile", post, "/profiles", 201, inBody[rolesanywhere.CreateProfileInput], (*svc).CreateProfile),
		op("CreateTrustAnchor", post, "/trustanchors", 201, inBody[rolesanywhere.CreateTrustAnchorInput], (*svc).CreateTrustAnchor),
		op("DeleteAttributeMapping", del, "/profiles/{id}/mappings", 200, deleteMapping, (*svc).DeleteAttributeMapping),
		op("DeleteCrl", del, "/crl/{id}", 200, crlID, (*svc).DeleteCRL),
		op("DeleteProfile", del, "/profile/{id}", 200, profileID, (*svc).DeleteProfile),
		op("DeleteTrustAnchor", del, "/trustanchor/{id}", 200, trustAnchorID, (*svc).DeleteTrustAnchor),
		op("DisableCrl", post, "/crl/{id}/disable", 200, crlID, (*svc).DisableCRL),
		op("DisableProfile", post, "/profile/{id}/disable", 200, profileID, (*svc).DisableProfile),
		op("DisableTrustAnchor", post, "/trustanchor/{id}/disable", 200, trustAnchorID, (*svc).DisableTrustAnchor),
		op("EnableCrl", post, "/crl/{id}/enable", 200, crlID, (*svc).EnableCRL),
		op("EnableProfile", post, "/profile/{id}/enable", 200, profileID, (*svc).EnableProfile),
		op("EnableTrustAnchor", post, "/trustanchor/{id}/enable", 200, trustAnchorID, (*svc).EnableTrustAnchor),
		op("GetCrl", get, "/crl/{id}", 200, crlID, (*svc).GetCRL),
		op("GetProfile", get, "/profile/{id}", 200, profileID, (*svc).GetProfile),
		missing("GetSubject", get, "/subject/{id}"),
		op("GetTrustAnchor", get, "/trustanchor/{id}", 200, trustAnchorID, (*svc).GetTrustAnchor),
		op("ImportCrl", post, "/crls", 201, inBody[rolesanywhere.ImportCRLInput], (*svc).ImportCRL),
		op("ListCrls", get, "/crls", 200, listing, (*svc).ListCRLs),
		op("ListProfiles", get, "/profiles", 200, listing, (*svc).ListProfiles),
		missing("ListSubjects", get, "/subjects"),
		op("ListTagsForResource", get, "/ListTagsForResource", 200, listTags, (*svc).ListTagsForResource),
		op("ListTrustAnchors", get, "/trustanchors", 200, listing, (*svc).ListTrustAnchors),
		op("PutAttributeMapping", put, "/profiles/{id}/mappings", 200, putMapping, (*svc).PutAttributeMapping),
		missing("PutNotificationSettings", patch, "/put-notifications-settings"),
		missing("ResetNotificationSettings", patch, "/reset-notifications-settings"),
		op("TagResource", post, "/TagResource", 201, inBody[rolesanywhere.TagResourceInput], (*svc).TagResource),
		op("UntagResource", post, "/UntagResource", 200, inBody[rolesanywhere.UntagResourceInput], (*svc).UntagResource),
		op("UpdateCrl", patch, "/crl/{id}", 200, updateCRL, (*svc).UpdateCRL),
		op("UpdateProfile", patch, "/profile/{id}", 200, updateProfile, (*svc).UpdateProfile),
		op("UpdateTrustAnchor", patch, "/trustanchor/{id}", 200, updateTrustAnchor, (*svc).UpdateTrustAnchor),
	}
}

// op returns the row of an operation: decode, call, encode.
func op[Input, Output any](name, method, path string, status int, decode func(request) (*Input, error),
	call func(*rolesanywhere.Service, context.Context, *authn.Caller, *Input) (*Output, error)) Operation {
	isEmpty := reflect.TypeFor[Output]().NumField() == 0
	serve := func(ctx context.Context, svc *rolesanywhere.Service, c *authn.Caller, r request) ([]byte, error) {
		in, err := decode(r)
		if err != nil {
			return nil, svc.Refuse(ctx, c, name, err)
		}
		out, err := call(svc, ctx, c, in)
		if err != nil {
			return nil, err
		}
		if isEmpty {
			return []byte("{}"), nil
		}
		return awsjson.Marshal(out), nil
	}
	return Operation{name, method, path, true, status, serve}
}

// missing returns the row of an operation that this server does not have.
func missing(name, method, path string) Operation {
	return Operation{Name: name, Method: method, Path: path, serve: func(ctx context.Context, svc *rolesanywhere.Service, c *authn.Caller, _ request) ([]byte, error) {
		return nil, svc.Refuse(ctx, c, name, rolesanywhere.NotImplemented("%s is not implemented by this server.", name))
	}}
}

// match reports whether a path is that of the row, and returns the identifier in it.
func (o *Operation) match(path string) (id string, ok bool) {
	before, after, hasID := strings.Cut(o.Path, "{id}")
	if !hasID {
		return "", path == o.Path
	}
	id, ok = strings.CutPrefix(path, before)
	if !ok {
		return "", false
	}
	id, ok = strings.CutSuffix(id, after)
	return id, ok && id != "" && !strings.Contains(id, "/")
}

// How the operations are decoded. What stands in the path wins over the body.

func inBody[Input any](r request) (*Input, error) {
	in := new(Input)
	return in, awsjson.Unmarshal(r.body, in)
}

func trustAnchorID(r request) (*rolesanywhere.TrustAnchorInput, error) {
	return &rolesanywhere.TrustAnchorInput{TrustAnchorID: r.id}, nil
}

func profileID(r request) (*rolesanywhere.ProfileInput, error) {
	return &rolesanywhere.ProfileInput{ProfileID: r.id}, nil
}

func crlID(r request) (*rolesanywhere.CRLInput, error) {
	return &rolesanywhere.CRLInput{CRLID: r.id}, nil
}

func updateTrustAnchor(r request) (*rolesanywhere.UpdateTrustAnchorInput, error) {
	in, err := inBody[rolesanywhere.UpdateTrustAnchorInput](r)
	in.TrustAnchorID = r.id
	return in, err
}

func updateProfile(r request) (*rolesanywhere.UpdateProfileInput, error) {
	in, err := inBody[rolesanywhere.UpdateProfileInput](r)
	in.ProfileID = r.id
	return in, err
}

func updateCRL(r request) (*rolesanywhere.UpdateCRLInput, error) {
	in, err := inBody[rolesanywhere.UpdateCRLInput](r)
	in.CRLID = r.id
	return in, err
}

func putMapping(r request) (*rolesanywhere.PutAttributeMappingInput, error) {
	in, err := inBody[rolesanywhere.PutAttributeMappingInput](r)
	in.ProfileID = r.id
	return in, err
}

func deleteMapping(r request) (*rolesanywhere.DeleteAttributeMappingInput, error) {
	field, err := one(r.query, "certificateField")
	return &rolesanywhere.DeleteAttributeMappingInput{ProfileID: r.id, CertificateField: field, Specifiers: r.query["specifiers"]}, err
}

func listTags(r request) (*rolesanywhere.ListTagsForResourceInput, error) {
	resource, err := one(r.query, "resourceArn")
	return &rolesanywhere.ListTagsForResourceInput{ResourceARN: resource}, err
}

func listing(r request) (*rolesanywhere.ListInput, error) {
	in := new(rolesanywhere.ListInput)
	var err error
	if in.NextToken, err = one(r.query, "nextToken"); err != nil {
		return nil, err
	}
	size, err := one(r.query, "pageSize")
	if err != nil || size == "" {
		return in, err
	}
	n, err := strconv.ParseInt(size, 10, 32)
	if err != nil {
		return nil, awserr.New(400, "ValidationException", "pageSize must be a number.")
	}
	small := int32(n)
	in.PageSize = &small
	return in, nil
}

// one returns the value of a parameter that may stand once.
func one(query url.Values, name string) (string, error) {
	if len(query[name]) > 1 {
		return "", awserr.New(400, "ValidationException", "%s may stand once.", name)
	}
	return query.Get(name), nil
}
