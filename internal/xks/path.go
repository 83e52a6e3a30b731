package xks

import (
	"errors"
	"strings"
)

// Limits of names. All are in characters, which are bytes here.
const (
	// PathSuffix ends the path of every proxy of version 1.
	PathSuffix = "/kms/xks/v1"
	// MaxPath is the longest path of a proxy, XksProxyUriPath, suffix included.
	MaxPath = 128
	// MaxURI is the longest URI of a request, the scheme and the host included.
	MaxURI = 256
	// MaxKeyID is the longest external key ID.
	MaxKeyID = 128
)

// An Operation is one of the four that a proxy has.
type Operation string

// The operations, named as in the specification.
const (
	GetHealthStatus Operation = "GetHealthStatus"
	GetKeyMetadata  Operation = "GetKeyMetadata"
	Encrypt         Operation = "Encrypt"
	Decrypt         Operation = "Decrypt"
)

// indicators are the last segments of the paths of the operations on a key.
var indicators = map[string]Operation{"metadata": GetKeyMetadata, "encrypt": Encrypt, "decrypt": Decrypt}

// ErrPath means that a path is that of no operation.
var ErrPath = errors.New("xks: path of no operation")

// SplitPath splits the path of a request into the path of the proxy, which ends in
// [PathSuffix], the operation, and the key ID, which GetHealthStatus has none of. The
// path must be written without escapes, which nothing in it needs.
func SplitPath(path string) (proxy string, op Operation, keyID string, err error) {
	i := strings.Index(path, PathSuffix+"/")
	if i < 0 {
		return "", "", "", ErrPath
	}
	proxy, rest := path[:i+len(PathSuffix)], path[i+len(PathSuffix)+1:]
	if !ValidPath(proxy) {
		return "", "", "", ErrPath
	}
	if rest == "health" {
		return proxy, GetHealthStatus, "", nil
	}
	rest, ok := strings.CutPrefix(rest, "keys/")
	keyID, indicator, found := strings.Cut(rest, "/")
	op, known := indicators[indicator]
	if !ok || !found || !known || !ValidKeyID(keyID) {
		return "", "", "", ErrPath
	}
	return proxy, op, keyID, nil
}

// JoinPath is the reverse of [SplitPath].
func JoinPath(proxy string, op Operation, keyID string) string {
	for indicator, o := range indicators {
		if o == op {
			return proxy + "/keys/" + keyID + "/" + indicator
		}
	}
	return proxy + "/health"
}

// ValidPath reports whether path can be that of a proxy: at most [MaxPath] letters,
// digits, slashes, dashes and underscores, with [PathSuffix] at its end and nowhere
// before it, and no empty segment.
func ValidPath(path string) bool {
	prefix, ok := strings.CutSuffix(path, PathSuffix)
	if !ok || len(path) > MaxPath || strings.Contains(prefix+"/", PathSuffix+"/") {
		return false
	}
	return (prefix == "" || prefix[0] == '/') && !strings.Contains(path, "//") && isMadeOf(path, "/-_")
}

// ValidKeyID reports whether id can be an external key ID: 1 to [MaxKeyID] letters,
// digits, dashes, dots and underscores. "." and ".." are not, which clients and servers
// take for something else in a path.
func ValidKeyID(id string) bool {
	return id != "" && len(id) <= MaxKeyID && id != "." && id != ".." && isMadeOf(id, "-._")
}

// isMadeOf reports whether s has only letters and digits of ASCII, and those of more.
func isMadeOf(s, more string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte(more, c) >= 0:
		default:
			return false
		}
	}
	return true
}
