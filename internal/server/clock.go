package server

import "time"

// started is the fallback of bootClock: it counts with the monotonic clock.
var started = time.Now()
