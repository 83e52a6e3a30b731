package durable

import "syscall"

// Direct is the flag of [FS.OpenFile] for reads and writes that pass by the
// page cache, or 0 where the platform has none.
const Direct = syscall.O_DIRECT
