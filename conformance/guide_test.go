package conformance

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// guide returns the commands of a guide in docs, which are its indented lines, and a last
// one that tells that they all ran.
func guide(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../docs/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var code strings.Builder
	for line := range strings.Lines(string(text)) {
		if c, ok := strings.CutPrefix(line, "    "); ok {
			code.WriteString(c)
		}
	}
	return code.String() + "echo end of the guide\n"
}

// pasteGuide runs a guide against a server, as who has the credentials file, with
// what else is to be put in place of words of the guide, and returns what it prints.
func (s *server) pasteGuide(t *testing.T, name string, words map[string]string) string {
	t.Helper()
	code := "set -u\naws() { :; }\n" + guide(t, name)
	words["http://127.0.0.1:7070"] = s.endpoint
	words["command aws "] = "command " + tool(t, "/usr/bin/aws", "aws") + " "
	words["aws() { :; }"] = "coffer() { " + binary + ` "$@"; }`
	for from, to := range words {
		if !strings.Contains(code, from) {
			t.Fatalf("the guide does not hold %q any more", from)
		}
		code = strings.ReplaceAll(code, from, to)
	}
	work := t.TempDir()
	if err := os.WriteFile(filepath.Join(work, "guide.sh"), []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	return s.run(work, []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL="}, "env", "-u", "AWS_ACCESS_KEY_ID", "-u", "AWS_SECRET_ACCESS_KEY",
		"bash", filepath.Join(work, "guide.sh"))
}

// TestLockDownGuide pastes the guide into a shell, block by block, and checks what it
// promises.
func TestLockDownGuide(t *testing.T) {
	s := start(t)
	out := s.pasteGuide(t, "lock-down.md", map[string]string{"coffer-data/credentials": filepath.Join(s.dir, "credentials")})
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

// TestImportGuide pastes the guide to imported key material into a shell.
func TestImportGuide(t *testing.T) {
	t.Parallel()
	tool(t, "openssl")
	s := start(t)
	out := s.pasteGuide(t, "bring-your-own-key.md", map[string]string{"coffer-data/credentials": filepath.Join(s.dir, "credentials")})
	for _, want := range []string{"Enabled\n", "is pending import.\n", "dead at once\n", "a secret\n", "end of the guide\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("the guide does not print %q", want)
		}
	}
	if t.Failed() {
		t.Log(out)
	}
}
