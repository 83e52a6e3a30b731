package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"coffer/internal/durable"
	"coffer/internal/meta"
)

// Format is the version of the data directory that this program writes.
//
// Source: docs/spec/data-directory.md.
const Format = 2

// Names inside a data directory.
const (
	stampFile       = "format.json"
	lockFile        = "lock"
	metaDir         = "meta"
	blobDir         = "blobs"
	rootDir         = "root"
	tlsDir          = "tls"
	credentialsFile = "credentials"
)

var (
	// ErrNewer means that a newer program wrote the data directory.
	ErrNewer = errors.New("server: data directory is of a newer format")
	// ErrNotData means that a directory that is not empty holds no stamp.
	ErrNotData = errors.New("server: directory is not a data directory")
	// ErrNoData means that there is no data directory where one is needed.
	ErrNoData = errors.New("server: no data directory")
	// ErrIsData means that there is a data directory where one is to be made.
	ErrIsData = errors.New("server: it is a data directory already")
)

// A stamp says what a data directory is. It is written last when one is made,
// so that a directory without it holds nothing yet.
type stamp struct {
	Coffer   string `json:"coffer"` // "data directory"
	Format   int    `json:"format"`
	DevClock bool   `json:"devClock"` // made for a clock that can be moved on
}

// upgrades holds, at index i, what makes format i+1 into i+2. Each may be cut
// by a crash and run again.
var upgrades = []func(ctx context.Context, dir string) error{
	// The index from keys to content takes the root of trust: package object
	// builds it when it opens rows without one.
	func(context.Context, string) error { return nil },
}

// prepare makes or checks the data directory dir, which is locked. It returns its
// stamp, and whether it is new: then nothing counts until seal is called.
func prepare(ctx context.Context, dir string, create, devClock bool) (st stamp, isNew bool, err error) {
	b, err := durable.ReadFile(durable.OS{}, filepath.Join(dir, stampFile), 1<<16)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !create:
		return st, false, fmt.Errorf("%w: %s", ErrNoData, dir)
	case errors.Is(err, fs.ErrNotExist):
		return stamp{Coffer: "data directory", Format: Format, DevClock: devClock}, true, checkEmpty(dir)
	case err != nil:
		return st, false, err
	}
	if err := json.Unmarshal(b, &st); err != nil || st.Coffer != "data directory" || st.Format < 1 {
		return st, false, fmt.Errorf("%w: %s does not read", ErrNotData, stampFile)
	}
	if st.Format > Format {
		return st, false, fmt.Errorf("%w: it has format %d, and this program knows formats up to %d", ErrNewer, st.Format, Format)
	}
	for st.Format < Format {
		if err := upgrades[st.Format-1](ctx, dir); err != nil {
			return st, false, fmt.Errorf("upgrade data directory from format %d: %w", st.Format, err)
		}
		st.Format++
		if err := st.write(dir); err != nil {
			return st, false, err
		}
	}
	return st, false, nil
}

// isStamped reports whether dir holds a stamp, whatever is in it.
func isStamped(dir string) (bool, error) {
	_, err := os.Stat(filepath.Join(dir, stampFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// checkRows makes sure that a stamped directory still has a row store: the engine
// would make a new one in its place and remove what is left of the old.
func checkRows(dir string) error {
	found, err := filepath.Glob(filepath.Join(dir, metaDir, "marker.manifest.*"))
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("%w: %s names no manifest", meta.ErrCorrupt, filepath.Join(dir, metaDir))
	}
	return err
}

func (s stamp) write(dir string) error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return durable.WriteFile(durable.OS{}, filepath.Join(dir, stampFile), append(b, '\n'), 0o600)
}

// checkEmpty makes sure that a directory without stamp holds at most what a
// first start that was cut has left.
func checkEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		switch e.Name() {
		case lockFile, metaDir, blobDir, rootDir, tlsDir, credentialsFile, ReceiptFile, "lost+found":
		default:
			return fmt.Errorf("%w: %s holds %s", ErrNotData, dir, e.Name())
		}
	}
	return nil
}
