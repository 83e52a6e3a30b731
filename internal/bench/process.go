package bench

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// clockTick is the unit of CPU times in /proc: USER_HZ is 100 on every platform
// that Go runs on.
const clockTick = 10 * time.Millisecond

// cpuTime returns the CPU time that a process has used, or 0 where there is no
// /proc.
//
// Source: proc_pid_stat(5), fields 14 and 15.
func cpuTime(pid int) time.Duration {
	b, err := os.ReadFile(procFile(pid, "stat"))
	if err != nil {
		return 0
	}
	fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(string(fields[11]), 10, 64)
	system, _ := strconv.ParseInt(string(fields[12]), 10, 64)
	return time.Duration(user+system) * clockTick
}

// residentSize returns what a process holds in memory and the most that it held
// since resetPeak, in bytes, or 0 where there is no /proc.
//
// Source: proc_pid_status(5), VmRSS and VmHWM.
func residentSize(pid int) (now, peak int64) {
	b, err := os.ReadFile(procFile(pid, "status"))
	if err != nil {
		return 0, 0
	}
	return statusField(b, "VmRSS:"), statusField(b, "VmHWM:")
}

func statusField(b []byte, name string) int64 {
	_, after, _ := bytes.Cut(b, []byte("\n"+name))
	fields := bytes.Fields(after)
	if len(fields) < 1 {
		return 0
	}
	n, _ := strconv.ParseInt(string(fields[0]), 10, 64)
	return n * kib
}

// resetPeak makes residentSize's peak begin anew. Where the kernel does not
// allow it, the peak is that since the start.
//
// Source: proc_pid_clear_refs(5), value 5.
func resetPeak(pid int) { os.WriteFile(procFile(pid, "clear_refs"), []byte("5"), 0) }

func procFile(pid int, name string) string { return filepath.Join("/proc", strconv.Itoa(pid), name) }
