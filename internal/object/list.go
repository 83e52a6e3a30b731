package object

import (
	"bytes"
	"context"
	"strings"

	"coffer/internal/meta"
)

// A Listing asks for one page of keys, versions or uploads.
type Listing struct {
	Prefix    string
	Delimiter string
	After     string // the key, or the common prefix, to go on behind
	// AfterVersion, with After as its key, goes on behind that version or
	// upload of the key.
	AfterVersion string
	Limit        int
}

// An Entry is one line of a page: a version or a common prefix.
type Entry struct {
	CommonPrefix string // if set, nothing else is
	Version      *Version
}

// A Page is one page of a listing. If it is truncated, the next page starts
// behind its last entry.
type Page struct {
	Entries   []Entry
	Truncated bool
}

// start returns the first key that the listing may show, given that keys in a
// group that was shown as a common prefix are behind it; false if there is none.
func (l Listing) start() (string, bool) {
	if l.After == "" {
		return l.Prefix, true
	}
	behind := l.After + "\x00"
	if p, ok := l.group(l.After); ok && l.AfterVersion == "" {
		// A marker inside a group, or the group itself: the group counts as
		// shown.
		end := meta.PrefixEnd([]byte(p))
		if end == nil {
			return "", false
		}
		behind = string(end)
	}
	return max(l.Prefix, behind), true
}

// group returns the common prefix that key falls under, if any.
func (l Listing) group(key string) (string, bool) {
	if l.Delimiter == "" || !strings.HasPrefix(key, l.Prefix) {
		return "", false
	}
	i := strings.Index(key[len(l.Prefix):], l.Delimiter)
	if i < 0 {
		return "", false
	}
	return key[:len(l.Prefix)+i+len(l.Delimiter)], true
}

// Objects lists the current versions of a bucket's keys in key order, without
// delete markers.
func (s *Store) Objects(ctx context.Context, b *Bucket, l Listing) (*Page, error) {
	page := new(Page)
	err := s.meta.View(ctx, func(r meta.Reader) error {
		*page = Page{}
		if _, err := s.current(r, b); err != nil {
			return err
		}
		base := row(rowHead, b.ID[:])
		end := meta.PrefixEnd(row(rowHead, b.ID[:], []byte(l.Prefix)))
		start, ok := l.start()
		if !ok {
			return nil
		}
		next := row(rowHead, b.ID[:], []byte(start))
		for next != nil {
			from := next
			next = nil
			err := r.Scan(meta.Range{Start: from, End: end}, func(k, val []byte) (bool, error) {
				if len(page.Entries) >= l.Limit {
					page.Truncated = true
					return false, nil
				}
				key := string(k[len(base):])
				if p, ok := l.group(key); ok {
					page.Entries = append(page.Entries, Entry{CommonPrefix: p})
					next = meta.PrefixEnd(row(rowHead, b.ID[:], []byte(p)))
					return false, nil
				}
				var h head
				if err := decode(k, val, &h); err != nil {
					return false, err
				}
				page.Entries = append(page.Entries, Entry{Version: h.version(b, key)})
				return true, nil
			})
			if err != nil {
				return err
			}
			if next != nil && bytes.Compare(next, end) >= 0 && end != nil {
				next = nil
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return page, nil
}

// version returns what a listing shows of a head.
func (h *head) version(b *Bucket, key string) *Version {
	return &Version{
		ID: h.VersionID, Modified: h.Modified, ETag: h.ETag, Attributes: Attributes{StorageClass: h.StorageClass},
		Sums: Sums{Algorithms: h.Algorithms, Type: h.ChecksumType}, Content: Content{Length: h.Size}, Owner: h.Owner,
		Bucket: b.Name, BucketID: b.ID, Key: key, Seq: h.Seq, IsLatest: true,
	}
}

// Versions lists every version and delete marker of a bucket, in key order and
// the newest first within a key.
func (s *Store) Versions(ctx context.Context, b *Bucket, l Listing) (*Page, error) {
	page := new(Page)
	err := s.meta.View(ctx, func(r meta.Reader) error {
		*page = Page{}
		if _, err := s.current(r, b); err != nil {
			return err
		}
		base := row(rowVersion, b.ID[:])
		end := prefixRowEnd(base, l.Prefix)
		next, lastKey, err := s.versionsStart(r, b, l)
		if err != nil {
			return err
		}
		for next != nil {
			from := next
			next = nil
			err := r.Scan(meta.Range{Start: from, End: end}, func(k, val []byte) (bool, error) {
				if len(page.Entries) >= l.Limit {
					page.Truncated = true
					return false, nil
				}
				key, seq, err := splitVersion(k, len(base))
				if err != nil {
					return false, err
				}
				if p, ok := l.group(key); ok {
					page.Entries = append(page.Entries, Entry{CommonPrefix: p})
					next = prefixRowEnd(base, p)
					return false, nil
				}
				v := &Version{Bucket: b.Name, BucketID: b.ID, Key: key, Seq: seq, IsLatest: key != lastKey}
				if err := decode(k, val, v); err != nil {
					return false, err
				}
				lastKey = key
				page.Entries = append(page.Entries, Entry{Version: v})
				return true, nil
			})
			if err != nil {
				return err
			}
			if next != nil && end != nil && bytes.Compare(next, end) >= 0 {
				next = nil
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return page, nil
}

// versionsStart returns the row at which a listing of versions goes on, nil if
// there is nothing behind, and the key whose newest version lies before it.
//
// If the marker is the null version and it is gone, the listing shows the key's
// versions from the first on: a client that removes what it has been shown must
// not miss the rest.
func (s *Store) versionsStart(r meta.Reader, b *Bucket, l Listing) (start []byte, lastKey string, err error) {
	base := row(rowVersion, b.ID[:])
	if l.AfterVersion == "" || l.After == "" {
		key, ok := l.start()
		if !ok {
			return nil, "", nil
		}
		return append(base, escapeOpen(key)...), "", nil
	}
	h, err := headOf(r, b.ID, l.After)
	if err != nil {
		return nil, "", err
	}
	var seq uint64
	if l.AfterVersion == NullVersion {
		if h != nil {
			seq = h.NullSeq
		}
	} else {
		var ok bool
		if seq, ok = seqOf(l.AfterVersion); !ok {
			return nil, "", ErrInvalidVersionID
		}
	}
	start = versionsOf(b.ID, l.After)
	if seq != 0 {
		start = append(versionRow(b.ID, l.After, seq), 0)
		if h != nil && h.Seq >= seq {
			lastKey = l.After
		}
	}
	return notBefore(start, base, l.Prefix), lastKey, nil
}

// escapeOpen escapes a key without ending it: the result sorts at or before
// every row of a key that starts with it.
func escapeOpen(key string) []byte {
	e := escape(key)
	return e[:len(e)-2]
}

// notBefore returns start, or where the rows of the keys with a prefix start if
// that is behind it: a marker outside the prefix must not show other keys.
func notBefore(start, base []byte, prefix string) []byte {
	if first := append(bytes.Clone(base), escapeOpen(prefix)...); bytes.Compare(start, first) < 0 {
		return first
	}
	return start
}

// prefixRowEnd returns the first row above those of all keys that start with p.
func prefixRowEnd(base []byte, p string) []byte {
	return meta.PrefixEnd(append(bytes.Clone(base), escapeOpen(p)...))
}
