package object

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"coffer/internal/blob"
	"coffer/internal/meta"
	"coffer/internal/sealed"
)

// Errors of the rules. A service turns each into what S3 answers.
var (
	ErrNoSuchBucket     = errors.New("object: no such bucket")
	ErrBucketExists     = errors.New("object: bucket name is taken by another account")
	ErrBucketOwned      = errors.New("object: bucket exists and is yours")
	ErrBucketNotEmpty   = errors.New("object: bucket is not empty")
	ErrTooManyBuckets   = errors.New("object: account has as many buckets as it may")
	ErrNoSuchKey        = errors.New("object: no such key")
	ErrNoSuchVersion    = errors.New("object: no such version")
	ErrInvalidVersionID = errors.New("object: malformed version id")
	ErrIsMarker         = errors.New("object: version is a delete marker")
	ErrNoSuchUpload     = errors.New("object: no such upload")
	ErrPrecondition     = errors.New("object: precondition failed")
	ErrConflict         = errors.New("object: a conflicting operation is under way")
	ErrInvalidPart      = errors.New("object: a part is missing or has another ETag")
	ErrPartOrder        = errors.New("object: parts are not in ascending order")
	ErrPartTooSmall     = errors.New("object: a part that is not the last is too small")
	ErrNoParts          = errors.New("object: no parts named")
	ErrTooLarge         = errors.New("object: body is larger than allowed")
	ErrTooSmall         = errors.New("object: body is smaller than allowed")
	ErrIncomplete       = errors.New("object: body ended before its declared length")
	ErrBadDigest        = errors.New("object: body does not match its checksum")
	ErrInvalidChecksum  = errors.New("object: checksum value is malformed")
	ErrSizeMismatch     = errors.New("object: size of the whole differs from the declared one")
	ErrNotSealedThisWay = errors.New("object: content is sealed in another mode")
	ErrChanged          = errors.New("object: version changed meanwhile")
	ErrChecksumMismatch = errors.New("object: checksum algorithm differs from the upload's")
	ErrWrongCustomerKey = errors.New("object: not the customer key that sealed this")
)

// Sizes of S3.
//
// Source: Amazon S3 User Guide, "Amazon S3 multipart upload limits" and
// "Uploading objects", read 2026-11-21.
const (
	MaxKeySize    = 1024
	MaxPutSize    = 5 << 30          // one PutObject or part, in bytes
	MaxObjectSize = 48_828_125 << 20 // 10,000 parts of 5 GiB, 48.8 TiB
	MinPartSize   = 5 << 20          // of every part but the last
	MaxParts      = 10_000
)

// InlineMax is the largest body, in bytes of plaintext, that lies in a row: one
// segment, one synced commit, no file.
const InlineMax = sealed.SegmentSize

// A ServiceKeyer derives the secrets that seal SSE-S3 objects: one for each
// account and salt.
type ServiceKeyer interface {
	ServiceSecret(ctx context.Context, account string, salt [32]byte) (sealed.Secret, error)
}

// A Config holds what a Store needs. The zero value of RecoveryWindow is seven
// days.
type Config struct {
	Meta    meta.Store
	Blobs   blob.Store
	Service ServiceKeyer
	StoreID ID
	Now     func() time.Time // calendar time
	Rand    io.Reader
	Log     *slog.Logger
	// RecoveryWindow is how long the wrap that a re-keying replaced is kept.
	RecoveryWindow time.Duration
	// Room returns an error that wraps [blob.ErrUnavailable] when there is no
	// room for more bodies; nil means that there always is. It leaves more room
	// than meta needs, so that deleting still works on a full disk. It is
	// called for every 256 KiB.
	Room func() error
}

// A Store holds buckets and objects. It is safe for concurrent use.
type Store struct {
	meta    meta.Store
	blobs   blob.Store
	service ServiceKeyer
	id      ID
	now     func() time.Time
	rand    io.Reader
	log     *slog.Logger
	window  time.Duration
	room    func() error
	minPart int64 // MinPartSize, or less in tests

	buckets     bucketCache
	sealedBytes atomic.Int64
	intents     intentPool
	pins        pins
	stop        context.CancelFunc
	collecting  sync.WaitGroup
}

// Open starts a store over meta and blobs: it removes what uploads of an
// earlier run left behind and starts the collector. Close stops it.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	if cfg.RecoveryWindow == 0 {
		cfg.RecoveryWindow = 7 * 24 * time.Hour
	}
	s := &Store{
		meta: cfg.Meta, blobs: cfg.Blobs, service: cfg.Service, id: cfg.StoreID, now: cfg.Now, rand: cfg.Rand,
		log: cfg.Log, window: cfg.RecoveryWindow, minPart: MinPartSize,
	}
	if s.room = cfg.Room; s.room == nil {
		s.room = func() error { return nil }
	}
	if err := s.dropIntents(ctx); err != nil {
		return nil, fmt.Errorf("remove unfinished uploads: %w", err)
	}
	if err := s.buildIndex(ctx); err != nil {
		return nil, fmt.Errorf("build the index of keys: %w", err)
	}
	run, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.collecting.Go(func() { s.collect(run) })
	return s, nil
}

// Close stops the collector. Requests must have ended before.
func (s *Store) Close() {
	s.stop()
	s.collecting.Wait()
}

// SealedBytes returns how many bytes of plaintext the store has sealed since it
// was opened.
func (s *Store) SealedBytes() int64 { return s.sealedBytes.Load() }

func (s *Store) random(b []byte) error {
	if _, err := io.ReadFull(s.rand, b); err != nil {
		return fmt.Errorf("draw random bytes: %w", err)
	}
	return nil
}

func (s *Store) millis() int64 { return s.now().UnixMilli() }
