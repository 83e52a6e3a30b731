//go:build !linux

package server

import "time"

// bootClock counts since the process started.
func bootClock() time.Duration { return time.Since(started) }
