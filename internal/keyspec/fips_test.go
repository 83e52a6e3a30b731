package keyspec

import (
	"crypto/fips140"
	"errors"
	"os"
	"os/exec"
	"testing"
)

// TestFIPSOnly runs in a process that refuses what FIPS 140-3 does not approve:
// what remains works, the rest says so.
func TestFIPSOnly(t *testing.T) {
	if !fips140.Enforced() {
		exe, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(exe, "-test.run=^TestFIPSOnly$", "-test.v")
		cmd.Env = append(os.Environ(), "GODEBUG=fips140=only")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("with GODEBUG=fips140=only: %v\n%s", err, out)
		}
		return
	}
	for _, name := range Names() {
		spec := lookup(t, name)
		switch name {
		case Secp256k1, MLDSA44, MLDSA65, MLDSA87, MLKEM512:
			_, err := Generate(spec)
			_, err2 := Open(spec, nil)
			err3 := Check(spec, nil)
			if !errors.Is(err, ErrForbidden) || !errors.Is(err2, ErrForbidden) || !errors.Is(err3, ErrForbidden) {
				t.Errorf("%s: Generate() = %v, Open() = %v, Check() = %v; want %v", name, err, err2, err3, ErrForbidden)
			}
			continue
		case RSA3072, RSA4096:
			continue // as RSA_2048
		}
		m := material(t, spec)
		if err := Check(spec, m); err != nil {
			t.Errorf("Check(%s) = %v; want nil", name, err)
		}
		k := open(t, spec, m)
		for _, usage := range spec.Usages() {
			for _, algorithm := range spec.Algorithms(usage) {
				if algorithm == OAEPSHA1 {
					if _, err := k.Encrypt(algorithm, nil); !errors.Is(err, ErrForbidden) {
						t.Errorf("%s: Encrypt(%s) = %v; want %v", name, algorithm, err, ErrForbidden)
					}
					if _, err := k.Decrypt(algorithm, make([]byte, 256)); !errors.Is(err, ErrForbidden) {
						t.Errorf("%s: Decrypt(%s) = %v; want %v", name, algorithm, err, ErrForbidden)
					}
					continue
				}
				roundTrip(t, k, k, usage, algorithm)
			}
		}
	}
}
