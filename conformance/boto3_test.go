package conformance

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestBoto3 runs one script with two generations of boto3: Debian's, from before
// checksums by default, and a recent one where a Python on the PATH has it.
func TestBoto3(t *testing.T) {
	t.Run("Debian's", func(t *testing.T) {
		t.Parallel()
		python := tool(t, "/usr/bin/python3")
		if err := exec.Command(python, "-c", "import boto3").Run(); err != nil {
			missing(t, "python3-boto3")
		}
		boto3(t, python, "boto3_client.py")
	})
	t.Run("recent", func(t *testing.T) {
		t.Parallel()
		python := recentBoto3()
		if python == "" {
			t.Skip("no Python with boto3 1.36 or later on this machine")
		}
		boto3(t, python, "boto3_client.py")
	})
}

// recentBoto3 returns a Python that has boto3 1.36 or later, or "".
func recentBoto3() string {
	const version = "import boto3, sys; sys.exit(tuple(int(n) for n in boto3.__version__.split('.')[:2]) < (1, 36))"
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		python := filepath.Join(dir, "python3")
		if exec.Command(python, "-c", version).Run() == nil {
			return python
		}
	}
	return ""
}

// boto3 runs a script of testdata against a server of its own.
func boto3(t *testing.T, python, name string) {
	s := start(t)
	script, err := filepath.Abs("testdata/" + name)
	check(t, "Abs", err)
	t.Log(strings.TrimSpace(s.run(t.TempDir(), pyenv(python), python, script)))
}
