package conformance

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestEraseACustomer runs the story of two customers under one key, one of whom is
// erased: from the live server and from a backup that was made before.
func TestEraseACustomer(t *testing.T) {
	t.Parallel()
	script, err := filepath.Abs("../scripts/erase-a-customer/run.sh")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", script, binary, t.TempDir())
	cmd.Env = append(os.Environ(), "AWS_CLI="+tool(t, "/usr/bin/aws", "aws"))
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.HasSuffix(string(out), "== done\n") {
		t.Errorf("%v: the story ends with:\n%s", err, tail(string(out), 3000))
	}
}

// TestEraseGuide pastes the guide into a shell, block by block, and checks what it
// promises.
func TestEraseGuide(t *testing.T) {
	s := start(t)
	out := s.pasteGuide(t, "erase-a-customer.md", map[string]string{"coffer-data": s.dir})
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
