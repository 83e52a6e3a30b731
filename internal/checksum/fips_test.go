package checksum

import (
	"crypto/fips140"
	"os"
	"os/exec"
	"testing"
)

// TestFIPSOnly runs the test vectors again in a process that refuses what FIPS
// 140-3 does not approve. The digests must be there all the same, and nothing
// else may slip through beside them.
func TestFIPSOnly(t *testing.T) {
	if fips140.Enforced() {
		TestVectors(t)
		TestMulti(t)
		TestCompositeOfRealUpload(t)
		if !fips140.Enforced() {
			t.Error("the enforcement stays off after a checksum")
		}
		h := newMD5().(unapproved)
		if _, err := h.h.Write([]byte("x")); err == nil {
			t.Error("a bare MD5 is not refused: this process does not enforce FIPS 140")
		}
		return
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run=^TestFIPSOnly$", "-test.v")
	cmd.Env = append(os.Environ(), "GODEBUG=fips140=only")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("with GODEBUG=fips140=only: %v\n%s", err, out)
	}
}
