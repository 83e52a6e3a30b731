package trail

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// Limits of the encoded fields, in bytes: of a text before escaping, of an
// object or a list as it is written.
//
// Source of all but maxText: AWS CloudTrail User Guide, "CloudTrail record
// contents for management, data, and network activity events", read 2026-11-21.
const (
	maxShort      = 1 << 10   // userAgent, errorCode, errorMessage, requestID
	maxText       = 4 << 10   // any other text: above an object's ARN (1,024 bytes of key)
	maxParams     = 100 << 10 // requestParameters, responseElements, serviceEventDetails
	maxAdditional = 28 << 10
	maxResources  = 100 << 10
	maxDepth      = 16 // of nested values; deeper ones become null
)

// MarshalJSON returns the event in CloudTrail's format.
func (ev *Event) MarshalJSON() ([]byte, error) { return ev.AppendJSON(nil), nil }

// AppendJSON appends the event in CloudTrail's format to b. Whatever bytes the
// fields hold, the result is valid JSON in valid UTF-8, of less than 2 MiB and in
// practice of less than 256 KiB.
func (ev *Event) AppendJSON(b []byte) []byte {
	b = append(b, `{"eventVersion":"1.11","userIdentity":`...)
	b = ev.User.appendJSON(b)
	b = append(b, `,"eventTime":`...)
	b = appendTime(b, ev.Time)
	b = appendText(b, `,"eventSource":`, ev.Source, maxText)
	b = appendText(b, `,"eventName":`, ev.Name, maxText)
	b = appendText(b, `,"awsRegion":`, ev.Region, maxText)
	b = appendText(b, `,"sourceIPAddress":`, ev.SourceIP, maxText)
	b = appendOptional(b, `,"userAgent":`, ev.UserAgent, maxShort)
	b = appendOptional(b, `,"errorCode":`, ev.ErrorCode, maxShort)
	b = appendOptional(b, `,"errorMessage":`, ev.ErrorMessage, maxShort)
	b = ev.Request.append(b, "requestParameters", maxParams)
	b = ev.Response.append(b, "responseElements", maxParams)
	if ev.Additional != nil {
		b = ev.Additional.append(b, "additionalEventData", maxAdditional)
	}
	b = appendOptional(b, `,"requestID":`, ev.RequestID, maxShort)
	b = appendText(b, `,"eventID":`, ev.ID, maxText)
	b = append(b, `,"readOnly":`...)
	b = strconv.AppendBool(b, ev.ReadOnly)
	b = appendResources(b, ev.Resources)
	kind, category := ev.Type, "Management"
	if kind == "" {
		kind = TypeAPICall
	}
	if ev.Data {
		category = "Data"
	}
	b = appendText(b, `,"eventType":`, kind, maxText)
	b = append(b, `,"managementEvent":`...)
	b = strconv.AppendBool(b, !ev.Data)
	b = appendOptional(b, `,"recipientAccountId":`, ev.RecipientAccountID, maxText)
	if ev.Service != nil {
		b = ev.Service.append(b, "serviceEventDetails", maxParams)
	}
	b = appendOptional(b, `,"sharedEventID":`, ev.SharedEventID, maxText)
	b = appendText(b, `,"eventCategory":`, category, maxText)
	if ev.TLS != (TLSDetails{}) {
		b = append(b, `,"tlsDetails":{`...)
		n := len(b)
		b = appendOptional(b, `,"tlsVersion":`, ev.TLS.Version, maxText)
		b = appendOptional(b, `,"cipherSuite":`, ev.TLS.CipherSuite, maxText)
		b = appendOptional(b, `,"clientProvidedHostHeader":`, ev.TLS.HostHeader, maxText)
		b = append(cutComma(b, n), '}')
	}
	return append(b, '}')
}

func (u *UserIdentity) appendJSON(b []byte) []byte {
	b = appendText(b, `{"type":`, u.Type, maxText)
	b = appendOptional(b, `,"principalId":`, u.PrincipalID, maxText)
	b = appendOptional(b, `,"arn":`, u.ARN, maxText)
	b = appendOptional(b, `,"accountId":`, u.AccountID, maxText)
	b = appendOptional(b, `,"accessKeyId":`, u.AccessKeyID, maxText)
	b = appendOptional(b, `,"userName":`, u.UserName, maxText)
	if s := u.Session; s != nil {
		b = append(b, `,"sessionContext":{`...)
		if i := &s.Issuer; *i != (SessionIssuer{}) {
			b = append(b, `"sessionIssuer":{`...)
			n := len(b)
			b = appendOptional(b, `,"type":`, i.Type, maxText)
			b = appendOptional(b, `,"principalId":`, i.PrincipalID, maxText)
			b = appendOptional(b, `,"arn":`, i.ARN, maxText)
			b = appendOptional(b, `,"accountId":`, i.AccountID, maxText)
			b = appendOptional(b, `,"userName":`, i.UserName, maxText)
			b = append(cutComma(b, n), `},`...)
		}
		if s.FederatedProvider != "" {
			b = appendText(b, `"webIdFederationData":{"federatedProvider":`, s.FederatedProvider, maxText)
			b = append(b, `,"attributes":{}},`...)
		}
		b = append(b, `"attributes":{"creationDate":`...)
		b = appendTime(b, s.CreatedAt)
		b = append(b, `,"mfaAuthenticated":"`...) // CloudTrail writes it as a string
		b = strconv.AppendBool(b, s.MFAAuthenticated)
		b = append(b, `"}`...)
		b = appendOptional(b, `,"sourceIdentity":`, s.SourceIdentity, maxText)
		b = append(b, '}')
	}
	b = appendOptional(b, `,"invokedBy":`, u.InvokedBy, maxText)
	b = appendOptional(b, `,"identityProvider":`, u.IdentityProvider, maxText)
	return append(b, '}')
}

func appendResources(b []byte, rs []Resource) []byte {
	if len(rs) == 0 {
		return b
	}
	b = append(b, `,"resources":[`...)
	start := len(b)
	for i := range rs {
		end := len(b)
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '{')
		n := len(b)
		b = appendOptional(b, `,"accountId":`, rs[i].AccountID, maxText)
		b = appendOptional(b, `,"type":`, rs[i].Type, maxText)
		b = appendOptional(b, `,"ARN":`, rs[i].ARN, maxText)
		b = append(cutComma(b, n), '}')
		if len(b)-start > maxResources {
			b = b[:end]
			break
		}
	}
	return append(b, ']')
}

// append appends the field. One that is too large is replaced by a note of its
// size, as CloudTrail does.
func (p Params) append(b []byte, name string, limit int) []byte {
	b = append(b, ',', '"')
	b = append(b, name...)
	b = append(b, '"', ':')
	if p == nil {
		return append(b, "null"...)
	}
	start := len(b)
	b = p.appendJSON(b, 0)
	if size := len(b) - start; size > limit {
		b = append(b[:start], `{"reason":"`...)
		b = append(b, name...)
		b = append(b, ` too large","omitted":true,"originalSize":`...)
		b = append(strconv.AppendInt(b, int64(size), 10), '}')
	}
	return b
}

func (p Params) appendJSON(b []byte, depth int) []byte {
	b = append(b, '{')
	for i := range p {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, p[i].Name), ':')
		b = appendValue(b, p[i].Value, depth+1)
	}
	return append(b, '}')
}

func appendValue(b []byte, v any, depth int) []byte {
	if depth > maxDepth {
		return append(b, "null"...)
	}
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case string:
		return appendString(b, v)
	case bool:
		return strconv.AppendBool(b, v)
	case int:
		return strconv.AppendInt(b, int64(v), 10)
	case int32:
		return strconv.AppendInt(b, int64(v), 10)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case uint64:
		return strconv.AppendUint(b, v, 10)
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return append(b, "null"...)
		}
		return strconv.AppendFloat(b, v, 'g', -1, 64)
	case time.Time:
		return appendTime(b, v)
	case Params:
		return v.appendJSON(b, depth)
	case []Params:
		return appendList(b, v, depth, Params.appendJSON)
	case []string:
		return appendList(b, v, depth, func(s string, b []byte, _ int) []byte { return appendString(b, s) })
	case []any:
		return appendList(b, v, depth, func(e any, b []byte, depth int) []byte { return appendValue(b, e, depth) })
	case map[string]string:
		b = append(b, '{')
		n := len(b)
		for _, k := range slices.Sorted(maps.Keys(v)) {
			b = append(appendString(append(b, ','), k), ':')
			b = appendString(b, v[k])
		}
		return append(cutComma(b, n), '}')
	case map[string]any:
		b = append(b, '{')
		n := len(b)
		for _, k := range slices.Sorted(maps.Keys(v)) {
			b = append(appendString(append(b, ','), k), ':')
			b = appendValue(b, v[k], depth+1)
		}
		return append(cutComma(b, n), '}')
	}
	j, err := json.Marshal(v)
	if err != nil {
		return append(b, "null"...)
	}
	return append(b, j...)
}

func appendList[E any](b []byte, list []E, depth int, element func(E, []byte, int) []byte) []byte {
	b = append(b, '[')
	for i, e := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = element(e, b, depth+1)
	}
	return append(b, ']')
}

// cutComma removes the comma at b[n], if anything stands there.
func cutComma(b []byte, n int) []byte {
	if len(b) == n {
		return b
	}
	return append(b[:n], b[n+1:]...)
}

func appendOptional(b []byte, key, s string, limit int) []byte {
	if s == "" {
		return b
	}
	return appendText(b, key, s, limit)
}

// appendText appends a key, which comes with its quotes and colon, and at most
// limit bytes of s, cut between runes.
func appendText(b []byte, key, s string, limit int) []byte {
	b = append(b, key...)
	if len(s) > limit {
		for limit > 0 && !utf8.RuneStart(s[limit]) {
			limit--
		}
		s = s[:limit]
	}
	return appendString(b, s)
}

// appendTime appends t in UTC, to the second. A year that RFC 3339 can't write
// becomes the nearest one that it can.
func appendTime(b []byte, t time.Time) []byte {
	t = t.UTC()
	if y := t.Year(); y < 0 || y > 9999 {
		t = time.Date(min(max(y, 0), 9999), 1, 1, 0, 0, 0, 0, time.UTC)
	}
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	b = append(b, '"')
	b = append(appendDigits(appendDigits(b, year/100), year%100), '-')
	b = append(appendDigits(b, int(month)), '-')
	b = append(appendDigits(b, day), 'T')
	b = append(appendDigits(b, hour), ':')
	b = append(appendDigits(b, minute), ':')
	return append(appendDigits(b, second), 'Z', '"')
}

// appendDigits appends a number below 100 as two digits.
func appendDigits(b []byte, n int) []byte { return append(b, byte('0'+n/10), byte('0'+n%10)) }

// plain are the bytes that a JSON string holds as they are.
var plain = func() (p [256]bool) {
	for c := ' '; c < 0x7f; c++ {
		p[c] = c != '"' && c != '\\'
	}
	return p
}()

// appendString appends s as a JSON string. Bytes that are no UTF-8 become
// U+FFFD; the two line separators of JavaScript are escaped for the sake of log
// viewers.
func appendString(b []byte, s string) []byte {
	const hexDigits = "0123456789abcdef"
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if plain[c] {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			b = append(b, s[start:i]...)
			switch c {
			case '"', '\\':
				b = append(b, '\\', c)
			case '\n':
				b = append(b, '\\', 'n')
			case '\r':
				b = append(b, '\\', 'r')
			case '\t':
				b = append(b, '\\', 't')
			default:
				b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			}
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 || r == '\u2028' || r == '\u2029' {
			b = append(b, s[start:i]...)
			b = append(b, '\\', 'u')
			for shift := 12; shift >= 0; shift -= 4 {
				b = append(b, hexDigits[r>>shift&15])
			}
			start = i + size
		}
		i += size
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}
