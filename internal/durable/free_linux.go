package durable

import (
	"math"

	"golang.org/x/sys/unix"
)

// Free returns how many bytes, for who is not root, and how many files the file
// system that dir lies on still takes. A file system that does not count files
// takes any number.
func Free(dir string) (bytes, files int64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, 0, pathError("statfs", dir, err)
	}
	if files = int64(st.Ffree); st.Files == 0 {
		files = math.MaxInt64
	}
	return int64(st.Bavail) * st.Bsize, files, nil
}
