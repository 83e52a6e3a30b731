package server

import (
	"fmt"

	"coffer/internal/blob"
	"coffer/internal/durable"
)

// minFiles is how many more files a file system must be able to take. The
// metadata makes a few now and then, also while objects are deleted.
const minFiles = 128

// room returns an error that wraps blob.ErrUnavailable if the file system of dir
// has less than minFree bytes left, or takes few more files. Where the file system
// can't tell, there is room: then the write that fails says so.
func room(dir string, minFree int64) error {
	if minFree == 0 {
		return nil
	}
	bytes, files, err := durable.Free(dir)
	switch {
	case err != nil:
		return nil
	case bytes < minFree:
		return fmt.Errorf("%w: the file system has %d MiB left, and %d MiB are kept free", blob.ErrUnavailable, bytes>>20, minFree>>20)
	case files < minFiles:
		return fmt.Errorf("%w: the file system takes %d more files", blob.ErrUnavailable, files)
	}
	return nil
}
