package conformance

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestCLIManage manages an account with Debian's AWS CLI, and saves with it what
// coffer who-can reads. A recent CLI, where there is one on the PATH, assumes a role
// by itself.
func TestCLIManage(t *testing.T) {
	t.Run("Debian's", func(t *testing.T) {
		t.Parallel()
		cliManage(t, tool(t, "/usr/bin/aws"))
	})
	t.Run("recent", func(t *testing.T) {
		t.Parallel()
		path := recentCLI()
		if path == "" {
			t.Skip("no AWS CLI 1.29, 2.13 or later on this machine, which reads AWS_ENDPOINT_URL")
		}
		cliManage(t, path, "by-itself")
	})
}

// recentCLI returns an AWS CLI that reads AWS_ENDPOINT_URL, or "".
func recentCLI() string {
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		path := filepath.Join(dir, "aws")
		out, err := exec.Command(path, "--version").Output()
		var major, minor int
		if _, bad := fmt.Sscanf(string(out), "aws-cli/%d.%d.", &major, &minor); err != nil || bad != nil {
			continue
		}
		if major == 1 && minor >= 29 || major == 2 && minor >= 13 {
			return path
		}
	}
	return ""
}

// cliManage runs the script with an AWS CLI against a server of its own.
func cliManage(t *testing.T, path string, args ...string) {
	tool(t, "curl")
	s := start(t)
	script, err := filepath.Abs("testdata/cli_manage.sh")
	check(t, "Abs", err)
	env := append(pyenv(path), "AWS="+path, "COFFER="+binary)
	t.Log(strings.TrimSpace(s.run(t.TempDir(), env, "sh", append([]string{script}, args...)...)))
}

// pyenv returns what a shim of pyenv needs to find its versions, which it seeks below
// HOME.
func pyenv(path string) []string {
	if home := os.Getenv("HOME"); home != "" && strings.HasPrefix(path, home) {
		return []string{"PYENV_ROOT=" + filepath.Join(home, ".pyenv")}
	}
	return nil
}
