package backup

import (
	"context"
	"io"

	"coffer/internal/meta"
)

// Local is the feed of a store in the same process. Record, if not nil, makes the
// function that records an operation of that name.
type Local struct {
	Backups *Backups
	Record  func(operation string) func(meta.Txn) error
}

var _ Feed = (*Local)(nil)

func (l *Local) record(operation string) func(meta.Txn) error {
	if l.Record == nil {
		return func(meta.Txn) error { return nil }
	}
	return l.Record(operation)
}

// Begin implements [Feed].
func (l *Local) Begin(ctx context.Context) (*Begun, error) {
	return l.Backups.Begin(ctx, l.record("CreateBackup"))
}

// Page implements [Feed].
func (l *Local) Page(ctx context.Context, id string, number int) (*Page, error) {
	return l.Backups.Page(ctx, id, number)
}

// Files implements [Feed].
func (l *Local) Files(ctx context.Context, id string, number int, names []string) (io.ReadCloser, error) {
	r, w := io.Pipe()
	go func() { w.CloseWithError(l.Backups.Files(ctx, id, number, names, w)) }()
	return r, nil
}

// End implements [Feed].
func (l *Local) End(ctx context.Context, id string) error {
	return l.Backups.End(ctx, id, l.record("EndBackup"))
}
