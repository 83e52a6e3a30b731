//go:build !unix || solaris || aix

package durable

import (
	"errors"
	"os"
)

// flock is not there on this platform, which can't serve then: an unlocked data
// directory is worse than none.
func flock(*os.File) (held bool, err error) { return false, errors.ErrUnsupported }
