package bench

import (
	"os"
	"syscall"
)

// syncData makes the bytes of a file durable, and of its metadata only what
// reading them needs.
func syncData(f *os.File) error { return syscall.Fdatasync(int(f.Fd())) }
