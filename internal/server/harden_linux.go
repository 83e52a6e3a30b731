package server

import "golang.org/x/sys/unix"

// Harden keeps the secrets of the process out of core dumps and away from
// debuggers of the same user.
func Harden() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return err
	}
	return unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
}
