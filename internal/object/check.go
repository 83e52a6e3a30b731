package object

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"coffer/internal/meta"
	"coffer/internal/sealed"
)

// ErrNoKey is what CheckConfig.Open answers for a wrap whose key is not at hand:
// a client's key, or a KMS key that may not be used now. It is no damage.
var ErrNoKey = errors.New("object: key is not at hand")

// A CheckConfig says how far a check goes. The zero value reads everything that
// needs no key but the account's service secret, and changes nothing.
type CheckConfig struct {
	// Open returns the secret that a wrap of an account's content is sealed
	// under, or nil or ErrNoKey. Check wipes it. It is not asked for SSE-S3.
	Open func(ctx context.Context, account string, w *Wrap) (*sealed.Secret, error)
	// Deep opens every body whose key is at hand, and compares the plaintext
	// with its checksums and ETag.
	Deep bool
	// Repair mends what can be mended without a loss: see Finding.Repaired.
	Repair bool
	// Offline says that nothing else uses the stores. Only then Repair removes
	// blobs that nothing names, and only if no row was found lost or damaged
	// that could have named them.
	Offline bool
	// Progress, if not nil, is told about how many of how many rows are done.
	Progress func(done, total int64)
}

// A Severity says what a finding means.
type Severity string

// The severities.
const (
	SeverityError   Severity = "error"   // data or its name is lost, or about to be
	SeverityWarning Severity = "warning" // nothing is lost: an index is wrong, space is wasted, a key is away
)

// A Kind names one sort of damage.
type Kind string

// The kinds. Those marked * Repair mends.
const (
	KindRowDamaged       Kind = "row-damaged"         // a row does not authenticate, decode or parse (* a head)
	KindBucketMissing    Kind = "bucket-missing"      // rows of a bucket that is not there
	KindOwnerMissing     Kind = "owner-missing"       // * a bucket that its owner's list lacks
	KindOwnerStale       Kind = "owner-stale"         // * an owner's list names a bucket that is not theirs
	KindHeadMissing      Kind = "head-missing"        // * versions that no listing shows
	KindHeadWrong        Kind = "head-wrong"          // * the head says something else than the versions
	KindVersionMissing   Kind = "version-missing"     // a head without any version
	KindBodyMissing      Kind = "body-missing"        // the blob or row of a body is not there
	KindBodyDamaged      Kind = "body-damaged"        // a body is altered, cut, or another one's
	KindTableDamaged     Kind = "part-table-damaged"  // a part table is missing, altered, or another one's
	KindWrapDamaged      Kind = "wrap-damaged"        // a wrap or part key does not open under its key
	KindKeyUnavailable   Kind = "key-unavailable"     // the key of a wrap could not be obtained
	KindChecksumWrong    Kind = "checksum-wrong"      // plaintext and checksum or ETag differ
	KindGarbageNamed     Kind = "garbage-named"       // * content in use is marked for removal
	KindIntentNamed      Kind = "intent-named"        // * a blob in use is marked as unfinished
	KindReplacedUnlisted Kind = "replaced-unlisted"   // * a replaced wrap that nothing would forget
	KindUnindexed        Kind = "key-index-missing"   // * content that the index of keys does not lead to
	KindIndexStale       Kind = "key-index-stale"     // * the index of keys leads to nothing
	KindUploadMissing    Kind = "part-without-upload" // * parts of no upload
	KindOrphanBlob       Kind = "orphan-blob"         // * a blob that nothing names (offline)
	KindOrphanBody       Kind = "orphan-body"         // * a small body that nothing names
	KindOrphanTable      Kind = "orphan-part-table"   // * a part table that nothing names
)

// A Finding is one thing that is not as it should be.
type Finding struct {
	Severity Severity
	Kind     Kind
	Bucket   string // names are empty where they are not known
	Key      string
	Version  string // or the id of an upload
	Detail   string
	Repaired bool // it was mended, without a loss of data
}

// Check reads every row and every blob of the store, page by page, and calls
// report for each thing that is not as it should be, from one goroutine. It may
// run while the store is used. Memory is bounded, except for a list of all
// buckets. It returns an error only if it could not go on.
func (s *Store) Check(ctx context.Context, cfg CheckConfig, report func(Finding)) error {
	c := &checker{s: s, cfg: cfg, report: report, batch: checkBatch}
	return c.run(ctx)
}

func (c *checker) run(ctx context.Context) error {
	if c.cfg.Progress != nil {
		if err := c.count(ctx); err != nil {
			return err
		}
	}
	for _, step := range []func(context.Context) error{
		c.checkBuckets, c.checkOwners, c.checkHeads, c.checkMarkers, c.checkVersions, c.checkUploads, c.checkIndex,
		c.checkReplaced, c.checkGarbage, c.checkLeftovers,
	} {
		if err := step(ctx); err != nil {
			return fmt.Errorf("check objects: %w", err)
		}
	}
	if c.cfg.Progress != nil {
		c.cfg.Progress(c.total, c.total)
	}
	return nil
}

const (
	// checkPage is how many rows are read in one transaction.
	checkPage = 128
	// checkBatch is how many names are held in memory at a time to look for
	// those that nothing names: some 40 MB. Each batch reads all rows once.
	checkBatch = 1 << 18
)

// A checker is one Check under way.
type checker struct {
	s       *Store
	cfg     CheckConfig
	report  func(Finding)
	batch   int
	buckets map[ID]*Bucket
	found   []found // in the page that is being read
	// namesLost says that a row is lost or does not read. It could name
	// anything, so nothing is removed for want of a name.
	namesLost bool

	done, total int64
}

// found is a finding and how to mend it, nil if that can't be done.
type found struct {
	Finding
	repair func(context.Context) error
}

// note keeps a finding until its page has been read.
func (c *checker) note(f Finding, repair func(context.Context) error) {
	c.found = append(c.found, found{f, repair})
}

// flush mends and reports what was noted.
func (c *checker) flush(ctx context.Context) {
	for _, f := range c.found {
		if c.cfg.Repair && f.repair != nil {
			if err := f.repair(ctx); err != nil {
				f.Detail += "; repair: " + err.Error()
			} else {
				f.Repaired = true
			}
		}
		switch f.Kind {
		case KindRowDamaged, KindVersionMissing, KindTableDamaged, KindBucketMissing:
			c.namesLost = c.namesLost || !f.Repaired
		}
		c.report(f.Finding)
	}
	c.found = c.found[:0]
}

// A visit looks at one row. It may read through r, and returns the row to go on
// with, nil for the next.
type visit func(r meta.Reader, k, v []byte) (skipTo []byte, err error)

// walk visits the rows of a range in pages, one transaction each. After a page
// it calls after, if that is not nil, and reports what was noted.
//
// A row that is damaged ends the page before it; walk finds where it ends and
// goes on behind it.
func (c *checker) walk(ctx context.Context, rg meta.Range, fn visit, after func() error) error {
	next := rg.Start
	for next != nil {
		from, mark := next, len(c.found)
		var n int64
		err := c.s.meta.View(ctx, func(r meta.Reader) error {
			next, n = nil, 0
			c.found = c.found[:mark]
			return r.Scan(meta.Range{Start: from, End: rg.End}, func(k, v []byte) (bool, error) {
				if n++; n > checkPage {
					next = bytes.Clone(k)
					n--
					return false, nil
				}
				skip, err := fn(r, k, v)
				if err != nil || skip != nil {
					next = skip
					return false, err
				}
				from = append(bytes.Clone(k), 0)
				return true, nil
			})
		})
		if errors.Is(err, meta.ErrCorrupt) {
			last, e := c.findDamaged(ctx, from, rg.End)
			if e != nil {
				return e
			}
			if last == nil {
				return err // the row was read by itself without error
			}
			c.note(damagedRow(last, err), c.mend(last))
			next, err = append(last, 0), nil
		}
		if err != nil {
			return err
		}
		if after != nil {
			if err := after(); err != nil {
				return err
			}
		}
		c.flush(ctx)
		c.done += n
		if c.cfg.Progress != nil {
			c.cfg.Progress(min(c.done, c.total), c.total)
		}
	}
	return nil
}

// findDamaged returns the key of the damaged row that a scan from start on meets
// first, nil if it meets none. A store does not hand out the key of a row that
// it can't open, so it is searched byte by byte: a scan up to a key fails if the
// row lies before the key, and finds nothing if it does not.
func (c *checker) findDamaged(ctx context.Context, start, end []byte) ([]byte, error) {
	liesBefore := func(end []byte) (bool, error) {
		err := c.s.meta.View(ctx, func(r meta.Reader) error {
			return r.Scan(meta.Range{Start: start, End: end, Limit: 1}, func(_, _ []byte) (bool, error) { return false, nil })
		})
		if errors.Is(err, meta.ErrCorrupt) {
			return true, nil
		}
		return false, err
	}
	if ok, err := liesBefore(end); !ok || err != nil {
		return nil, err
	}
	var key []byte
	for len(key) <= meta.MaxKeySize {
		low, high := -1, 255 // the greatest byte that can follow is in between
		for low < high {
			mid := (low + high + 1) / 2
			before, err := liesBefore(append(bytes.Clone(key), byte(mid)))
			if err != nil {
				return nil, err
			}
			if before {
				high = mid - 1
			} else {
				low = mid
			}
		}
		if low < 0 {
			return key, nil
		}
		key = append(key, byte(low))
	}
	return nil, fmt.Errorf("%w: no end of a damaged row", meta.ErrCorrupt)
}

// count sets total to the number of rows that the walks visit.
func (c *checker) count(ctx context.Context) error {
	for _, p := range []string{rowBucket, rowOwner, rowHead, rowMarker, rowVersion, rowUpload, rowUnder, rowReplaced, rowGarbage} {
		quiet := &checker{s: c.s, report: func(Finding) {}}
		if err := quiet.walk(ctx, meta.Prefix([]byte(p)), func(meta.Reader, []byte, []byte) ([]byte, error) { return nil, nil }, nil); err != nil {
			return err
		}
		c.total += quiet.done
	}
	return nil
}

// damaged notes a row that does not decode or parse.
func (c *checker) damaged(k []byte, err error) {
	c.note(damagedRow(k, err), c.mend(k))
}

// damagedRow returns the finding about a damaged row. One of the index is made anew
// from what it leads to.
func damagedRow(k []byte, err error) Finding {
	f := Finding{Severity: SeverityError, Kind: KindRowDamaged, Detail: fmt.Sprintf("row %q: %v", k, err)}
	if bytes.HasPrefix(k, []byte(rowUnder)) {
		f.Severity, f.Kind = SeverityWarning, KindIndexStale
	}
	return f
}

// checkBuckets reads the buckets and looks for each in its owner's list.
func (c *checker) checkBuckets(ctx context.Context) error {
	c.buckets = make(map[ID]*Bucket)
	return c.walk(ctx, meta.Prefix([]byte(rowBucket)), func(r meta.Reader, k, val []byte) ([]byte, error) {
		b := new(Bucket)
		if err := decode(k, val, b); err != nil || string(k[len(rowBucket):]) != b.Name {
			c.damaged(k, err)
			return nil, nil
		}
		c.buckets[b.ID] = b
		if b.HasPolicy {
			if err := get(r, policyRowKey(b.ID), new(policyRow)); err != nil {
				c.damaged(policyRowKey(b.ID), err) // nobody is decided without it
			}
		}
		if _, err := r.Get(ownerRow(b.Account, b.Name)); errors.Is(err, meta.ErrNotFound) {
			c.note(Finding{Severity: SeverityWarning, Kind: KindOwnerMissing, Bucket: b.Name, Detail: "account " + b.Account}, func(ctx context.Context) error {
				return c.s.meta.Update(ctx, func(txn meta.Txn) error {
					if _, err := c.s.current(txn, b); err != nil {
						return err
					}
					return txn.Put(ownerRow(b.Account, b.Name), nil)
				})
			})
		}
		return nil, nil
	}, nil)
}

// checkOwners looks for the bucket of each line of the owners' lists.
func (c *checker) checkOwners(ctx context.Context) error {
	return c.walk(ctx, meta.Prefix([]byte(rowOwner)), func(r meta.Reader, k, _ []byte) ([]byte, error) {
		account, name, ok := bytes.Cut(k[len(rowOwner):], []byte{0})
		b, err := c.s.buckets.named(r, string(name))
		if errors.Is(err, meta.ErrCorrupt) {
			return nil, nil // found as a bucket
		}
		if err != nil && !errors.Is(err, ErrNoSuchBucket) {
			return nil, err
		}
		if ok && err == nil && b.Account == string(account) {
			return nil, nil
		}
		key := bytes.Clone(k)
		c.note(Finding{Severity: SeverityWarning, Kind: KindOwnerStale, Bucket: string(name), Detail: "account " + string(account)}, func(ctx context.Context) error {
			return c.s.meta.Update(ctx, func(txn meta.Txn) error {
				now, err := c.s.buckets.named(txn, string(name))
				if err == nil && now.Account == string(account) {
					return nil
				}
				if err != nil && !errors.Is(err, ErrNoSuchBucket) {
					return err
				}
				return txn.Delete(key)
			})
		})
		return nil, nil
	}, nil)
}

// bucketOf returns the bucket that a row of prefix is of. If there is none, it
// notes that and returns the row behind all of that bucket.
func (c *checker) bucketOf(r meta.Reader, prefix string, k []byte) (b *Bucket, skipTo []byte, err error) {
	var id ID
	if copy(id[:], k[len(prefix):]) < len(id) {
		c.damaged(k, errors.New("too short"))
		return nil, append(bytes.Clone(k), 0), nil
	}
	if b := c.buckets[id]; b != nil {
		return b, nil, nil
	}
	// It may be newer than the list.
	err = r.Scan(meta.Prefix([]byte(rowBucket)), func(k, val []byte) (bool, error) {
		now := new(Bucket)
		if decode(k, val, now) == nil && now.ID == id {
			b = now
		}
		return b == nil, nil
	})
	if err != nil && !errors.Is(err, meta.ErrCorrupt) {
		return nil, nil, err
	}
	if b != nil {
		c.buckets[id] = b
		return b, nil, nil
	}
	skipTo = meta.PrefixEnd(row(prefix, id[:]))
	if prefix == rowUpload {
		if _, err := r.Get(purgeRow(id)); err == nil {
			return nil, skipTo, nil // deleted with its bucket
		}
	}
	c.note(Finding{Severity: SeverityError, Kind: KindBucketMissing, Detail: fmt.Sprintf("%s rows of bucket ID %x", prefix, id)}, nil)
	return nil, skipTo, nil
}

// checkReplaced reads the list of replaced wraps.
func (c *checker) checkReplaced(ctx context.Context) error {
	return c.walk(ctx, meta.Prefix([]byte(rowReplaced)), func(_ meta.Reader, k, _ []byte) ([]byte, error) {
		if _, _, _, _, err := splitReplaced(k); err != nil {
			c.damaged(k, err)
		}
		return nil, nil
	}, nil)
}

// checkGarbage reads the list of content to be removed.
func (c *checker) checkGarbage(ctx context.Context) error {
	return c.walk(ctx, meta.Prefix([]byte(rowGarbage)), func(_ meta.Reader, k, val []byte) ([]byte, error) {
		var g garbage
		if err := decode(k, val, &g); err != nil {
			c.damaged(k, err)
		}
		return nil, nil
	}, nil)
}

// header reads the start of a body, as far as it goes.
func header(src io.ReaderAt) ([]byte, error) {
	b := make([]byte, sealed.MaxHeaderSize)
	n, err := src.ReadAt(b, 0)
	if err == io.EOF {
		err = nil
	}
	return b[:n], err
}
