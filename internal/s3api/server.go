package s3api

import "net/http"

// IsBucketHost reports whether a host names a bucket (virtual-hosted style), so
// that all its paths are keys.
func (h *Handler) IsBucketHost(host string) bool { return h.hostBucket(host) != "" }

// nameOperation tells the server's metrics and log which operation a request is,
// if its writer wants to know.
func nameOperation(w http.ResponseWriter, name string) {
	if n, ok := w.(interface{ SetOperation(string) }); ok {
		n.SetOperation(name)
	}
}
