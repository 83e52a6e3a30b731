package conformance

import (
	"os"
	"path/filepath"
	"testing"
)

// TestSDKJS is the AWS SDK for JavaScript, over HTTP and over TLS: with TLS it
// leaves bodies unsigned.
func TestSDKJS(t *testing.T) {
	node := tool(t, "node")
	dir, err := filepath.Abs("js")
	check(t, "Abs", err)
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "@aws-sdk", "client-s3")); err != nil {
		missing(t, "the AWS SDK for JavaScript")
	}
	for name, args := range map[string][]string{"http": nil, "tls": {"--tls-self-signed"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, args...)
			s.run(dir, []string{"NODE_EXTRA_CA_CERTS=" + filepath.Join(s.dir, "tls", "ca.pem")}, node, "sdk.mjs")
		})
	}
}
