package conformance

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLockDownGuide pastes the guide into a shell, block by block, and checks what it
// promises.
func TestLockDownGuide(t *testing.T) {
	aws := tool(t, "/usr/bin/aws", "aws")
	text, err := os.ReadFile("../docs/lock-down.md")
	if err != nil {
		t.Fatal(err)
	}
	s := start(t)
	work := t.TempDir()
	script := []string{"set -u", `aws() { :; }`}
	for _, line := range strings.Split(string(text), "\n") {
		if code, ok := strings.CutPrefix(line, "    "); ok {
			script = append(script, code)
		}
	}
	guide := strings.Join(script, "\n") + "\necho end of the guide\n"
	for from, to := range map[string]string{
		"http://127.0.0.1:7070": s.endpoint, "coffer-data/credentials": filepath.Join(s.dir, "credentials"),
		"command aws ": "command " + aws + " ", `aws() { :; }`: "coffer() { " + binary + ` "$@"; }`,
	} {
		if !strings.Contains(guide, from) {
			t.Fatalf("the guide does not hold %q any more", from)
		}
		guide = strings.ReplaceAll(guide, from, to)
	}
	if err := os.WriteFile(filepath.Join(work, "guide.sh"), []byte(guide), 0o600); err != nil {
		t.Fatal(err)
	}
	out := s.run(work, []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL="}, "env", "-u", "AWS_ACCESS_KEY_ID", "-u", "AWS_SECRET_ACCESS_KEY",
		"bash", filepath.Join(work, "guide.sh"))
	for _, want := range []string{
		"debit 7\n",                  // the application reads
		"refused, as it should be\n", // the administrator does not
		"resource-based policy key policy",
		"YES  arn:aws:iam::123456789012:role/ledger-app",
		"NO   arn:aws:iam::123456789012:root",
		"Allowed by S3 and refused by KMS\n",
		"Could give themselves access\n",
		"kms:PutKeyPolicy on arn:aws:kms:us-east-1:123456789012:key/",
		`"decision":"DENY"`,
		"end of the guide\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the guide does not print %q", want)
		}
	}
	if t.Failed() {
		t.Log(out)
	}
}
