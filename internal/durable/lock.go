package durable

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// ErrLocked means that another open [Lock] holds the file.
var ErrLocked = errors.New("durable: locked")

// A LockedError is [ErrLocked] with the process that holds the lock.
type LockedError struct {
	Name string // the lock file
	PID  int    // the holder, or 0 if it is not known
}

// Error implements error.
func (e *LockedError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("%s is locked by another process", e.Name)
	}
	return fmt.Sprintf("%s is locked by process %d", e.Name, e.PID)
}

// Unwrap returns [ErrLocked].
func (e *LockedError) Unwrap() error { return ErrLocked }

// A Lock is an exclusive lock on a file. The kernel drops it when the process
// ends, however it ends.
type Lock struct{ f *os.File }

// AcquireLock creates the lock file name if it is missing and locks it, without
// waiting. It returns a [*LockedError] if the lock is held, by this process or
// another. The file holds the decimal process ID of the holder and is never
// removed: a process that opened it just before would lock a file without a
// name.
func AcquireLock(name string) (*Lock, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	held, err := flock(f)
	if held {
		pid := readPID(f)
		_ = f.Close() // nothing was written
		return nil, &LockedError{Name: name, PID: pid}
	}
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", name, err), f.Close())
	}
	return &Lock{f}, nil
}

// Release gives the lock up.
func (l *Lock) Release() error {
	// The process ID is a hint for people; a failure to clear it is none
	// to release the lock.
	_ = l.f.Truncate(0)
	return l.f.Close()
}

// readPID returns the process ID in a lock file, or 0.
func readPID(f *os.File) int {
	buf := make([]byte, 32)
	n, _ := f.ReadAt(buf, 0)
	pid, err := strconv.Atoi(strings.TrimSpace(string(buf[:n])))
	if err != nil || pid < 0 {
		return 0
	}
	return pid
}
