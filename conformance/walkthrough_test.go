package conformance

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestCryptoShreddingWalkthrough runs the walkthrough of the article on
// crypto-shredding as it stands: over TLS, since its bucket policy refuses plain
// HTTP, with the AWS CLI.
func TestCryptoShreddingWalkthrough(t *testing.T) {
	cli := tool(t, "/usr/bin/aws", "aws")
	script, err := filepath.Abs("../scripts/crypto-shredding/run.sh")
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, "--tls-self-signed")
	out := s.run(t.TempDir(), []string{"AWS_CLI=" + cli, "AWS_ACCESS_KEY_ID=" + s.keyID, "AWS_SECRET_ACCESS_KEY=" + s.secret},
		"sh", script, s.endpoint, filepath.Join(s.dir, "tls", "ca.pem"), filepath.Join(s.dir, "credentials"))
	if !strings.HasSuffix(out, "== done\n") {
		t.Errorf("the walkthrough ends with:\n%s", tail(out, 2000))
	}
}
