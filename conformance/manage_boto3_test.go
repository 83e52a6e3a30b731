package conformance

import (
	"os/exec"
	"testing"
)

// TestBoto3Manage manages users, roles, policies, sessions, an organization, and who
// may use buckets and keys, with two generations of boto3.
func TestBoto3Manage(t *testing.T) {
	const script = "boto3_manage.py"
	t.Run("Debian's", func(t *testing.T) {
		t.Parallel()
		python := tool(t, "/usr/bin/python3")
		if err := exec.Command(python, "-c", "import boto3").Run(); err != nil {
			missing(t, "python3-boto3")
		}
		boto3(t, python, script)
	})
	t.Run("recent", func(t *testing.T) {
		t.Parallel()
		python := recentBoto3()
		if python == "" {
			t.Skip("no Python with boto3 1.36 or later on this machine")
		}
		boto3(t, python, script)
	})
}
