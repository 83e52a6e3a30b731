package conformance

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/url"
	"strings"
	"testing"
	"time"

	"coffer/internal/anywhereapi"
)

var anywhereCodes = api{name: "rolesanywhere", unknown: "UnrecognizedClientException",
	wrong: "InvalidSignatureException", denied: "AccessDeniedException"}

// An anywhereScene makes what the rows of IAM Roles Anywhere are about.
type anywhereScene struct {
	m    *matrix
	ca   *rootCA
	role string // ARN
}

// create makes a trust anchor, a profile or a revocation list, and returns its ID.
func (s *anywhereScene) create(kind string) string {
	s.m.Helper()
	path, body := s.request(kind)
	out := s.m.try(anywhereWire("POST", path, body), s.m.server.credentials())
	if out.status != 201 {
		s.m.Fatalf("POST %s as root = %d %s", path, out.status, out.body)
	}
	return find(s.m, `"`+map[string]string{"trust-anchor": "trustAnchorId", "profile": "profileId", "crl": "crlId"}[kind]+`":"([^"]+)"`, string(out.body))
}

// request returns the path and the body that make something.
func (s *anywhereScene) request(kind string) (path string, body map[string]any) {
	s.m.Helper()
	switch name := s.m.fresh(kind); kind {
	case "trust-anchor":
		text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.ca.cert.Raw}))
		return "/trustanchors", map[string]any{"name": name, "source": map[string]any{"sourceType": "CERTIFICATE_BUNDLE", "sourceData": map[string]string{"x509CertificateData": text}}}
	case "profile":
		return "/profiles", map[string]any{"name": name, "roleArns": []string{s.role}}
	default:
		list, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now(), NextUpdate: time.Now().Add(time.Hour)}, s.ca.cert, s.ca.key)
		check(s.m.T, "CreateRevocationList", err)
		return "/crls", map[string]any{"name": name, "crlData": base64.StdEncoding.EncodeToString(list), "trustAnchorArn": anywhereARN("trust-anchor", s.create("trust-anchor"))}
	}
}

func anywhereARN(kind, id string) string {
	return "arn:aws:rolesanywhere:us-east-1:" + homeAccount + ":" + kind + "/" + id
}

func anywhereWire(method, target string, body any) wire {
	w := wire{service: "rolesanywhere", method: method, target: target}
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			panic(err)
		}
		w.body, w.header = string(b), []string{"Content-Type", "application/json"}
	}
	return w
}

// row returns the row of an operation, from its name: what stands behind the verb is
// what it is about.
func (s *anywhereScene) row(o anywhereapi.Operation) row {
	verb, kind, path := o.Name, "", o.Path
	for name, k := range map[string]string{"TrustAnchor": "trust-anchor", "Profile": "profile", "Crl": "crl", "AttributeMapping": "profile"} {
		if before, _, ok := strings.Cut(o.Name, name); ok {
			verb, kind = before, k
		}
	}
	r := row{operation: o.Name}
	action := "rolesanywhere:" + o.Name
	r.make = func(m *matrix) (wire, []right) {
		if verb == "Create" || verb == "Import" {
			path, body := s.request(kind)
			rights := []right{{action, "*"}}
			if kind == "profile" {
				rights = append(rights, right{"iam:PassRole", s.role})
			}
			return anywhereWire(o.Method, path, body), rights
		}
		if verb == "List" {
			return anywhereWire(o.Method, path, nil), []right{{action, "*"}}
		}
		if kind == "" { // of tags
			name := anywhereARN("profile", s.create("profile"))
			rights := []right{{action, name}}
			switch o.Name {
			case "TagResource":
				return anywhereWire(o.Method, path, map[string]any{"resourceArn": name, "tags": []any{map[string]string{"key": "a", "value": "b"}}}), rights
			case "UntagResource":
				return anywhereWire(o.Method, path, map[string]any{"resourceArn": name, "tagKeys": []string{"a"}}), rights
			}
			return anywhereWire(o.Method, path+"?resourceArn="+url.QueryEscape(name), nil), rights
		}
		id := s.create(kind)
		rights := []right{{action, anywhereARN(kind, id)}}
		target := strings.Replace(path, "{id}", id, 1)
		var body any
		switch o.Name {
		case "PutAttributeMapping":
			body = map[string]any{"certificateField": "x509Subject", "mappingRules": []any{map[string]string{"specifier": "CN"}}}
		case "DeleteAttributeMapping":
			target += "?certificateField=x509Subject&specifiers=CN"
		}
		if verb == "Update" {
			body = map[string]any{"name": s.m.fresh("new")}
		}
		return anywhereWire(o.Method, target, body), rights
	}
	if o.Name == "DeleteAttributeMapping" {
		r.passes = "ResourceNotFoundException"
	}
	switch {
	case verb == "List" && kind != "":
		r.foreign = own
	case o.Name == "CreateTrustAnchor":
		r.foreign = own
	case kind == "" || verb == "Import" || o.Name == "CreateProfile":
		// An ARN of another account is none, as far as the API knows.
		r.foreign = "ValidationException"
	}
	return r
}

func TestMatrixRolesAnywhere(t *testing.T) {
	t.Parallel()
	m := newMatrix(t, anywhereCodes)
	s := &anywhereScene{m: m, ca: newRootCA(t, "matrix")}
	roles := &scene{m: m, names: make(map[string]string)}
	s.role = "arn:aws:iam::" + homeAccount + ":role/" + roles.fill("{role}")
	built := make(map[string]bool)
	var rows []row
	for _, o := range anywhereapi.Operations() {
		built[o.Name] = o.Implemented
		if o.Implemented {
			rows = append(rows, s.row(o))
		}
	}
	m.runAll(rows, built)
}
