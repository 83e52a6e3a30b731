package durable

import "golang.org/x/sys/unix"

// Free returns how many bytes are free, for who is not root, on the file system
// that dir lies on.
func Free(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, pathError("statfs", dir, err)
	}
	return int64(st.Bavail) * st.Bsize, nil
}
