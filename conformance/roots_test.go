package conformance

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestRootsGuide pastes the guide to roots into a shell.
func TestRootsGuide(t *testing.T) {
	script := "set -eu\nexport PATH=" + filepath.Dir(binary) + ":$PATH\n" + guide(t, "roots-and-backups.md")
	work := t.TempDir()
	secrets := map[string]string{"passphrase": "orange planet violin cactus", "better": "purple giraffe harbor spoon", "vault": "yellow window sailor bread"}
	for name, words := range secrets {
		if err := os.WriteFile(filepath.Join(work, name), []byte(words+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("bash", "-c", script)
	cmd.Dir = work
	b, err := cmd.CombinedOutput()
	out := string(b)
	if err != nil {
		t.Errorf("the guide ends with %v", err)
	}
	for want, times := range map[string]int{
		"here is ready": 1, "0 errors": 2, "exported holds the root of trust of epoch 5": 1, "Epoch 6 is the root": 1, "end of the guide": 1,
	} {
		if got := strings.Count(out, want); got != times {
			t.Errorf("the guide prints %q %d times; want %d", want, got, times)
		}
	}
	for _, words := range secrets {
		if strings.Contains(out, words) {
			t.Errorf("the guide shows a passphrase")
		}
	}
	if t.Failed() {
		t.Log(out)
	}
}
