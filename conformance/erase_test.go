package conformance

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestEraseGuide pastes the guide into a shell, block by block, and checks what it
// promises.
func TestEraseGuide(t *testing.T) {
	aws := tool(t, "/usr/bin/aws", "aws")
	text, err := os.ReadFile("../docs/erase-a-customer.md")
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
		"http://127.0.0.1:7070": s.endpoint, "coffer-data": s.dir,
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
		"refused to root, as it should be\n",
		"1 objects, 2 versions, 0 uploads under way, 21 bytes\n",
		"state    PendingDeletion\n",
		"unusable at once\n",
		"amended\n", // after the cancellation
		"receipt  c-4711.receipt\n",
		"the file is dark\n",
		"and the phone number\n",
		"an invoice\n",
		"The receipt is good.\n",
		"0 of 1 open: \"subject\" = \"c-4711\"",
		"1 of 1 open: \"subject\" = \"c-0815\"",
		"end of the guide\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the guide does not print %q", want)
		}
	}
	if strings.Contains(out, "NOT good") {
		t.Error("a receipt is not good")
	}
	if t.Failed() {
		t.Log(out)
	}
}
