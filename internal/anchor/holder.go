package anchor

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Field is a part of a certificate that attribute mappings read.
type Field string

// The fields.
const (
	FieldSubject Field = "x509Subject"
	FieldIssuer  Field = "x509Issuer"
	FieldSAN     Field = "x509SAN"
)

func isField(f Field) bool { return f == FieldSubject || f == FieldIssuer || f == FieldSAN }

// MaxRules bounds the rules of a field.
const MaxRules = 50

// nameRule is the rule for all attributes of the directory name of a SAN.
const nameRule = "Name/*"

// defaultMappings are those of a new profile.
//
// Source: IAM Roles Anywhere User Guide, "Certificate attribute mapping", "Default
// mapping behavior", read 2026-11-21.
func defaultMappings() map[Field][]string {
	return map[Field][]string{FieldIssuer: {"*"}, FieldSAN: {"DNS", "URI", nameRule}, FieldSubject: {"*"}}
}

// attributes are the short names of the attributes of names, by object identifier.
//
// Source: RFC 4519, section 2; RFC 2985, section 5.2.1; the names are those that
// OpenSSL prints.
var attributes = map[string]string{
	"2.5.4.3": "CN", "2.5.4.4": "SN", "2.5.4.5": "serialNumber", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST", "2.5.4.9": "street",
	"2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.12": "title", "2.5.4.42": "GN", "2.5.4.43": "initials", "2.5.4.44": "generationQualifier",
	"2.5.4.46": "dnQualifier", "2.5.4.65": "pseudonym", "0.9.2342.19200300.100.1.25": "DC", "0.9.2342.19200300.100.1.1": "UID",
	"1.2.840.113549.1.9.1": "emailAddress",
}

// attribute returns the name of an attribute that a rule names by its short name or its
// object identifier, or "".
func attribute(rule string) string {
	if name, ok := attributes[rule]; ok {
		return name
	}
	for _, name := range attributes {
		if name == rule {
			return name
		}
	}
	return ""
}

// checkRules returns rules as a profile shows them, or ErrMapping.
func checkRules(field Field, rules []string) ([]string, error) {
	if !isField(field) || len(rules) == 0 || len(rules) > MaxRules {
		return nil, fmt.Errorf("%w: a field of certificates has 1 to %d rules", ErrMapping, MaxRules)
	}
	var out []string
	for _, rule := range rules {
		name := rule
		switch {
		case field == FieldSAN && (rule == "DNS" || rule == "URI"):
		case field == FieldSAN && (rule == "Name" || rule == "Name/" || rule == nameRule):
			name = nameRule
		case field == FieldSAN:
			part, ok := strings.CutPrefix(rule, "Name/")
			if name = "Name/" + attribute(part); !ok || attribute(part) == "" {
				return nil, fmt.Errorf("%w: %q is no rule for alternative names", ErrMapping, rule)
			}
		case rule == "*":
		default:
			if name = attribute(rule); name == "" {
				return nil, fmt.Errorf("%w: %q is no attribute of a name", ErrMapping, rule)
			}
		}
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out, nil
}

// A Holder is what a session says of the holder of a certificate.
type Holder struct {
	Serial         string            // of the certificate, in hexadecimal: the default name of a session
	SourceIdentity string            // "CN=...", or the serial number
	Tags           map[string]string // "x509Subject/CN" and the like
}

// Holder returns what a certificate says, by the mappings of a profile. It returns
// ErrHolder for a common name that is too long.
//
// Values that session tags can't have are left out, and what has several values is
// joined with slashes, so that an authority must not sign names with slashes for
// who should not have them.
//
// Source: IAM Roles Anywhere User Guide, "The IAM Roles Anywhere trust model", read
// 2026-11-21.
func (p *Profile) Holder(c *x509.Certificate) (*Holder, error) {
	subject, err := parseName(c.RawSubject)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrHolder, err)
	}
	issuer, err := parseName(c.RawIssuer)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrHolder, err)
	}
	h := &Holder{Serial: serial(c), Tags: make(map[string]string)}
	if h.SourceIdentity, err = sourceIdentity(subject["CN"], h.Serial); err != nil {
		return nil, err
	}
	h.add(FieldSubject, "", subject, p.Mappings[FieldSubject])
	h.add(FieldIssuer, "", issuer, p.Mappings[FieldIssuer])
	if rules := p.Mappings[FieldSAN]; len(rules) > 0 {
		a, err := alternatives(c)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrHolder, err)
		}
		h.add(FieldSAN, "", map[string]string{"DNS": a.dns, "URI": a.uri}, rules)
		h.add(FieldSAN, "Name/", a.name, rules)
	}
	return h, nil
}

// add adds the tags of a field. prefix stands before the attributes of a directory
// name in rules and tags.
func (h *Holder) add(f Field, prefix string, values map[string]string, rules []string) {
	for name, v := range values {
		if v != "" && isTagValue(v) && (slices.Contains(rules, prefix+name) || slices.Contains(rules, prefix+"*")) {
			h.Tags[string(f)+"/"+prefix+name] = v
		}
	}
}

// isTagValue reports whether a session tag can have the value.
//
// Source: AWS STS API Reference, Tag, read 2026-11-21.
func isTagValue(s string) bool {
	return utf8.RuneCountInString(s) <= 256 && isTagText(s)
}

func isTagText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.Is(unicode.Z, r) && !unicode.IsNumber(r) && !strings.ContainsRune("_.:/=+-@", r)
	})
}

// serial returns the serial number of a certificate in hexadecimal, of an even number
// of digits.
func serial(c *x509.Certificate) string {
	b := c.SerialNumber.Bytes()
	if len(b) == 0 {
		b = []byte{0}
	}
	return hex.EncodeToString(b)
}

// sourceIdentity returns the source identity of a common name, or of a serial number
// if there is none.
//
// Source: IAM Roles Anywhere User Guide, "Source identity rules", read 2026-11-21.
func sourceIdentity(commonName, serial string) (string, error) {
	switch n := utf8.RuneCountInString(commonName); {
	case n == 0:
		return "ID=" + serial, nil
	case !isTagText(commonName):
		return "", fmt.Errorf("%w: the common name has characters that a source identity can't have", ErrHolder)
	case n <= 61:
		return "CN=" + commonName, nil
	case n <= 64:
		return commonName, nil
	}
	return "", fmt.Errorf("%w: the common name is longer than 64 characters", ErrHolder)
}

// parseName reads a name in DER: the values by attribute, several of one attribute
// joined with slashes in their order.
func parseName(raw []byte) (map[string]string, error) {
	var rdns pkix.RDNSequence
	rest, err := asn1.Unmarshal(raw, &rdns)
	if err != nil || len(rest) > 0 {
		return nil, errors.Join(errors.New("a name does not read"), err)
	}
	values := make(map[string]string)
	for _, rdn := range rdns {
		for _, a := range rdn {
			name, ok := attributes[a.Type.String()]
			v, isText := a.Value.(string)
			if !ok || !isText {
				continue
			}
			if have, ok := values[name]; ok {
				v = have + "/" + v
			}
			values[name] = v
		}
	}
	return values, nil
}

// san are the alternative names that mappings read: the first of each kind.
type san struct {
	dns, uri string
	name     map[string]string
}

var oidSAN = asn1.ObjectIdentifier{2, 5, 29, 17}

// The tags of alternative names.
//
// Source: RFC 5280, section 4.2.1.6.
const (
	tagDNS  = 2
	tagName = 4
	tagURI  = 6
)

// alternatives reads the alternative names of a certificate.
func alternatives(c *x509.Certificate) (san, error) {
	var out san
	i := slices.IndexFunc(c.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(oidSAN) })
	if i < 0 {
		return out, nil
	}
	var names asn1.RawValue
	rest, err := asn1.Unmarshal(c.Extensions[i].Value, &names)
	if err != nil || len(rest) > 0 || !names.IsCompound || names.Tag != asn1.TagSequence || names.Class != asn1.ClassUniversal {
		return out, errors.Join(errors.New("the alternative names do not read"), err)
	}
	for rest = names.Bytes; len(rest) > 0; {
		var v asn1.RawValue
		if rest, err = asn1.Unmarshal(rest, &v); err != nil {
			return san{}, fmt.Errorf("the alternative names do not read: %w", err)
		}
		if v.Class != asn1.ClassContextSpecific {
			return san{}, errors.New("the alternative names do not read")
		}
		switch {
		case v.Tag == tagDNS && out.dns == "":
			out.dns = string(v.Bytes)
		case v.Tag == tagURI && out.uri == "":
			out.uri = string(v.Bytes)
		case v.Tag == tagName && out.name == nil:
			if out.name, err = parseName(v.Bytes); err != nil {
				return san{}, err
			}
		}
	}
	return out, nil
}
