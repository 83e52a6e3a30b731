package server

import (
	"time"

	"golang.org/x/sys/unix"
)

// bootClock counts since the machine started, sleep included. Nobody sets it.
func bootClock() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return time.Since(started)
	}
	return time.Duration(ts.Nano())
}
