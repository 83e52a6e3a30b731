package rootseal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// ReadSecretFile returns the 1 to limit bytes of a file that holds a PIN or another
// word to be let in with, without the newline at its end. A file that others can
// read or change is refused with an error that wraps [fs.ErrPermission]. The caller
// wipes the bytes.
func ReadSecretFile(name string, limit int) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Mode()&0o007 != 0 {
		return nil, fmt.Errorf("others can read or change %s (mode %#o), want 0600: %w", name, info.Mode().Perm(), fs.ErrPermission)
	}
	b := make([]byte, limit+3)
	n, err := io.ReadFull(f, b)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, err
	}
	secret := bytes.TrimSuffix(bytes.TrimSuffix(b[:n], []byte("\n")), []byte("\r"))
	if len(secret) == 0 || len(secret) > limit {
		clear(b)
		return nil, fmt.Errorf("%s has no secret of 1 to %d bytes", name, limit)
	}
	return secret, nil
}
