//go:build unix && !solaris && !aix

package durable

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// flock locks f without waiting and reports whether another descriptor holds
// the lock.
func flock(f *os.File) (held bool, err error) {
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EINTR) {
			return errors.Is(err, unix.EWOULDBLOCK), err
		}
	}
}
