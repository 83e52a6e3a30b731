package server

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Harden keeps the secrets of the process out of core dumps and away from
// debuggers of the same user.
func Harden() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return err
	}
	return unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
}

// LockMemory keeps all memory of the process out of swap, what it has and what it
// gets. It needs an unlimited RLIMIT_MEMLOCK or CAP_IPC_LOCK: under a limit the
// process would die of the first allocation above it. Memory that Go has once used
// is not given back to the system then.
func LockMemory() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
		return fmt.Errorf("lock memory: %w", err)
	}
	if limit.Cur != unix.RLIM_INFINITY && !mayLock() {
		return errors.New("lock memory: it takes LimitMEMLOCK=infinity (ulimit -l unlimited) or CAP_IPC_LOCK")
	}
	if err := unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT); err != nil {
		return fmt.Errorf("lock memory: %w", err)
	}
	return nil
}

// mayLock reports whether the process has CAP_IPC_LOCK.
func mayLock() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	return unix.Capget(&header, &data[0]) == nil && data[0].Effective>>unix.CAP_IPC_LOCK&1 == 1
}
