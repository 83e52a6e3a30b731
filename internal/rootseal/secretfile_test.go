package rootseal

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReadSecretFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "pin")
	anyError := errors.New("any error")
	tests := []struct {
		content, want string
		mode          os.FileMode
		err           error
	}{
		{"1234\n", "1234", 0o600, nil},
		{"1234\r\n", "1234", 0o440, nil},
		{"12 34", "12 34", 0o400, nil},
		{strings.Repeat("x", 64) + "\r\n", strings.Repeat("x", 64), 0o600, nil},
		{"1234\n", "", 0o604, fs.ErrPermission},
		{"1234\n", "", 0o602, fs.ErrPermission},
		{"", "", 0o600, anyError},
		{"\n", "", 0o600, anyError},
		{strings.Repeat("x", 65), "", 0o600, anyError},
		{strings.Repeat("x", 999), "", 0o600, anyError},
	}
	for _, test := range tests {
		os.Remove(name)
		if err := os.WriteFile(name, []byte(test.content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(name, test.mode); err != nil {
			t.Fatal(err)
		}
		got, err := ReadSecretFile(name, 64)
		switch {
		case test.err == nil && (err != nil || string(got) != test.want),
			test.err == anyError && err == nil,
			test.err == fs.ErrPermission && !errors.Is(err, fs.ErrPermission):
			t.Errorf("ReadSecretFile of %q with mode %o = %q, %v; want %q, %v", test.content, test.mode, got, err, test.want, test.err)
		}
		if err != nil && strings.Contains(err.Error(), "xxx") {
			t.Errorf("the secret shows: %v", err)
		}
	}
	if _, err := ReadSecretFile(name+"-none", 64); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("ReadSecretFile of no file = %v; want fs.ErrNotExist", err)
	}
}
