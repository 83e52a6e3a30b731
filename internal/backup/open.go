package backup

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"coffer/internal/archive"
	"coffer/internal/backupset"
)

const (
	// maxChunkFile bounds a file of rows that is read into memory: the largest row,
	// and more.
	maxChunkFile = 64 << 20
	// maxManifest bounds a manifest.
	maxManifest = 64 << 20
)

// A Backup is an open backup. It is safe for concurrent use.
type Backup struct {
	Name     string
	Manifest *backupset.Manifest

	codec *backupset.Codec
	from  archive.Store
	rows  []backupset.Ref // every chunk of rows, in order
	blobs []backupset.Ref // every chunk of the list of blobs
}

// Created returns the wall time of the moment that the backup shows.
func (b *Backup) Created() time.Time { return time.UnixMilli(b.Manifest.Created).UTC() }

// Names returns the names of the backups in an archive, the oldest first. It needs no
// key. It returns ErrNoBackups if the archive is none of backups.
func Names(ctx context.Context, from archive.Store) ([]string, error) {
	if _, err := readStamp(ctx, from); err != nil {
		return nil, err
	}
	var out []string
	dir := backupset.KindManifest.Dir() + "/"
	err := from.List(ctx, dir, func(name string) error {
		if name = name[len(dir):]; backupset.CheckManifestName(name) == nil {
			out = append(out, name)
		}
		return nil
	})
	slices.Sort(out) // they begin with the time
	return out, err
}

// ReadManifest reads and opens the manifest of a backup.
func ReadManifest(ctx context.Context, from archive.Store, codec *backupset.Codec, name string) (*backupset.Manifest, error) {
	if err := backupset.CheckManifestName(name); err != nil {
		return nil, err
	}
	file, err := archive.ReadFile(ctx, from, backupset.ManifestPath(name), maxManifest)
	if errors.Is(err, archive.ErrNotFound) {
		return nil, fmt.Errorf("%w called %s", ErrNoBackups, name)
	}
	if err != nil {
		return nil, err
	}
	plain, err := codec.Open(backupset.KindManifest, backupset.ManifestID(name), file)
	if err != nil {
		return nil, fmt.Errorf("open manifest %s: %w", name, err)
	}
	return backupset.DecodeManifest(plain)
}

// CheckSet returns ErrOtherStore if the archive holds the backups of another store
// than the codec's, and ErrNoBackups if it holds none.
func CheckSet(ctx context.Context, from archive.Store, codec *backupset.Codec) error {
	at, err := readStamp(ctx, from)
	if err == nil && at.Set != codec.SetID().String() {
		err = ErrOtherStore
	}
	return err
}

// Open opens the backup of that name, or the newest one if the name is empty. It reads
// its manifest and its indexes.
//
// It returns ErrNoBackups, ErrOtherStore, or an error that wraps
// [backupset.ErrDamaged].
func Open(ctx context.Context, from archive.Store, codec *backupset.Codec, name string) (*Backup, error) {
	if err := CheckSet(ctx, from, codec); err != nil {
		return nil, err
	}
	if name == "" {
		names, err := Names(ctx, from)
		if err != nil {
			return nil, err
		}
		if len(names) == 0 {
			return nil, ErrNoBackups
		}
		name = names[len(names)-1]
	}
	m, err := ReadManifest(ctx, from, codec, name)
	if err != nil {
		return nil, err
	}
	b := &Backup{Name: name, Manifest: m, codec: codec, from: from}
	if b.rows, err = b.refs(ctx, &m.Rows); err != nil {
		return nil, err
	}
	if b.blobs, err = b.refs(ctx, &m.Blobs); err != nil {
		return nil, err
	}
	if !slices.IsSortedFunc(b.rows, func(x, y backupset.Ref) int { return bytes.Compare(x.First, y.First) }) {
		return nil, fmt.Errorf("%w: rows of %s are out of order", backupset.ErrDamaged, name)
	}
	return b, nil
}

// refs reads the indexes of a tree and returns its chunks.
func (b *Backup) refs(ctx context.Context, t *backupset.Tree) ([]backupset.Ref, error) {
	var out []backupset.Ref
	var count, size int64
	for i := range t.Index {
		plain, err := b.file(ctx, backupset.KindIndex, t.Index[i].ID)
		if err != nil {
			return nil, err
		}
		refs, err := backupset.Refs(plain)
		if err != nil {
			return nil, err
		}
		for _, r := range refs {
			count, size = count+r.Count, size+r.Bytes
		}
		out = append(out, refs...)
	}
	if count != t.Count || size != t.Bytes {
		return nil, fmt.Errorf("%w: indexes name %d records of %d bytes, want %d of %d", backupset.ErrDamaged, count, size, t.Count, t.Bytes)
	}
	return out, nil
}

// file reads and opens a file that is no blob.
func (b *Backup) file(ctx context.Context, k backupset.Kind, id backupset.ID) ([]byte, error) {
	path := backupset.Path(k, id)
	sealed, err := archive.ReadFile(ctx, b.from, path, maxChunkFile)
	if errors.Is(err, archive.ErrNotFound) {
		return nil, fmt.Errorf("%w: %s is missing", backupset.ErrDamaged, path)
	}
	if err != nil {
		return nil, err
	}
	plain, err := b.codec.Open(k, id, sealed)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return plain, nil
}

// A record is a row, or a line of the list of blobs.
type record struct{ key, value []byte }

// records reads one chunk.
func (b *Backup) records(ctx context.Context, ref *backupset.Ref) ([]record, error) {
	plain, err := b.file(ctx, backupset.KindRows, ref.ID)
	if err != nil {
		return nil, err
	}
	out := make([]record, 0, ref.Count)
	err = backupset.Records(plain, func(key, value []byte) (bool, error) {
		out = append(out, record{key, value})
		return true, nil
	})
	if err == nil && (int64(len(out)) != ref.Count || int64(len(plain)) != ref.Bytes || !bytes.Equal(out[0].key, ref.First)) {
		err = fmt.Errorf("%w: %s is another chunk", backupset.ErrDamaged, backupset.Path(backupset.KindRows, ref.ID))
	}
	return out, err
}

// each calls fn with the records of every chunk, in order; the next few are read
// meanwhile.
func (b *Backup) each(ctx context.Context, refs []backupset.Ref, fn func([]record) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type read struct {
		records []record
		err     error
	}
	queue := make(chan chan read, writers)
	go func() {
		defer close(queue)
		for i := range refs {
			one := make(chan read, 1)
			select {
			case queue <- one:
			case <-ctx.Done():
				return
			}
			go func() {
				records, err := b.records(ctx, &refs[i])
				one <- read{records, err}
			}()
		}
	}()
	for one := range queue {
		r := <-one
		if r.err != nil {
			return r.err
		}
		if err := fn(r.records); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// EachBlob calls fn with each blob that the backup names, and its size.
func (b *Backup) EachBlob(ctx context.Context, fn func(id string, size int64) error) error {
	return b.each(ctx, b.blobs, func(records []record) error {
		for _, r := range records {
			if len(r.value) != 8 {
				return fmt.Errorf("%w: malformed list of blobs", backupset.ErrDamaged)
			}
			if err := fn(string(r.key), int64(binary.BigEndian.Uint64(r.value))); err != nil {
				return err
			}
		}
		return nil
	})
}

// IsLost reports whether a blob was lost already where the backup was made.
func (b *Backup) IsLost(id string) bool { return slices.Contains(b.Manifest.Lost, id) }

// chunkOf returns the index of the chunk that holds key, if any does: the last one
// that does not begin after it, or 0.
func (b *Backup) chunkOf(key []byte) int {
	i, found := slices.BinarySearchFunc(b.rows, key, func(r backupset.Ref, key []byte) int { return bytes.Compare(r.First, key) })
	if !found {
		i = max(0, i-1)
	}
	return i
}

// search returns where key is or would be among records.
func search(records []record, key []byte) (int, bool) {
	return slices.BinarySearchFunc(records, key, func(r record, key []byte) int { return bytes.Compare(r.key, key) })
}
