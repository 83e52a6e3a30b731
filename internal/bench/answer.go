package bench

import (
	"bytes"
	"encoding/json"
	"html"
	"strconv"
	"strings"
)

// errorCode returns the code of an error answer: of S3's XML or of KMS's JSON,
// and else the HTTP status.
func errorCode(status int, body []byte) string {
	code := element(body, "Code")
	if code == "" {
		var doc struct {
			Type string `json:"__type"`
		}
		if json.Unmarshal(body, &doc) == nil {
			code = doc.Type[strings.LastIndexByte(doc.Type, '#')+1:]
		}
	}
	if code == "" || len(code) > 100 || strings.ContainsFunc(code, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "HTTP " + strconv.Itoa(status)
	}
	return code
}

// element returns the text of the first XML element of a name without
// attributes, or "". Reading a page of a listing so costs a tenth of decoding it.
func element(body []byte, name string) string {
	_, after, ok := bytes.Cut(body, []byte("<"+name+">"))
	if !ok {
		return ""
	}
	text, _, ok := bytes.Cut(after, []byte("</"+name+">"))
	if !ok {
		return ""
	}
	return html.UnescapeString(string(text))
}

// elements returns the texts of all XML elements of a name without attributes.
func elements(body []byte, name string) []string {
	var texts []string
	for {
		_, after, ok := bytes.Cut(body, []byte("<"+name+">"))
		if !ok {
			return texts
		}
		text, rest, ok := bytes.Cut(after, []byte("</"+name+">"))
		if !ok {
			return texts
		}
		texts = append(texts, html.UnescapeString(string(text)))
		body = rest
	}
}
