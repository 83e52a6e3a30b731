package object

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"coffer/internal/checksum"
	"coffer/internal/meta"
	"coffer/internal/sealed"
)

// An Upload is a multipart upload under way.
type Upload struct {
	ID         string             `cbor:"-"`
	Key        string             `cbor:"-"`
	Initiated  int64              `cbor:"1,keyasint"` // Unix milliseconds
	Attributes Attributes         `cbor:"2,keyasint,omitzero"`
	Tags       []Tag              `cbor:"3,keyasint,omitempty"`
	Algorithm  checksum.Algorithm `cbor:"4,keyasint"`
	Type       string             `cbor:"5,keyasint"` // COMPOSITE or FULL_OBJECT
	// Named says that the client chose the algorithm, so that answers show it.
	Named     bool         `cbor:"6,keyasint,omitempty"`
	ContentID sealedID     `cbor:"7,keyasint"`
	Suite     sealed.Suite `cbor:"8,keyasint"`
	Wrap      Wrap         `cbor:"9,keyasint"`
	Owner     string       `cbor:"10,keyasint,omitempty"` // of the object; empty means the bucket's
	ACL       *ACL         `cbor:"11,keyasint,omitempty"` // of the object; nil: the default
}

// A Part is one stored part.
type Part struct {
	Number     int          `cbor:"1,keyasint"`
	ContentID  sealedID     `cbor:"2,keyasint"`
	Suite      sealed.Suite `cbor:"3,keyasint"`
	Commitment []byte       `cbor:"4,keyasint"`
	Length     int64        `cbor:"5,keyasint"`
	Key        []byte       `cbor:"6,keyasint"` // sealed.SealPartKey
	Blob       string       `cbor:"7,keyasint,omitempty"`
	ETag       string       `cbor:"8,keyasint"`
	Modified   int64        `cbor:"9,keyasint"` // Unix milliseconds
	Sums       Sums         `cbor:"10,keyasint,omitzero"`

	body []byte // the sealed body of a small part, read with its table
}

func (p *Part) content() sealed.Content {
	return sealed.Content{ID: p.ContentID, Suite: p.Suite, Commitment: p.Commitment, Length: p.Length}
}

func (p *Part) binding(upload string) sealed.PartBinding {
	return sealed.PartBinding{Upload: upload, Number: uint32(p.Number), Content: p.content()}
}

func (p *Part) entry() sealed.PartEntry {
	return sealed.PartEntry{Number: uint32(p.Number), Content: p.content(), Key: p.Key}
}

// info opens the part's checksums under the keys of its upload.
func (p *Part) info(upload sealed.Keys, uploadID string) (PartInfo, error) {
	info := PartInfo{Number: p.Number, Length: p.Length, ETag: p.ETag, Modified: p.Modified, Sums: p.Sums.Values}
	if p.Sums.Box == nil || upload == nil {
		return info, nil
	}
	bind := p.binding(uploadID)
	var err error
	info.Sums, err = openSums(&p.Sums, upload, &bind)
	return info, err
}

// uploadOrigin stands in for the version in the binding of an upload under way. No
// version has such an id.
func uploadOrigin(id string) string { return "upload/" + id }

// uploadBinding returns what the wrap of an upload's keys says while the upload
// is under way: an object without parts, whose version is the upload.
func (s *Store) uploadBinding(b *Bucket, u *Upload) sealed.Binding {
	return sealed.Binding{
		Origin:  sealed.Origin{Store: s.id, Bucket: b.ID, Key: u.Key, Version: uploadOrigin(u.ID)},
		Content: sealed.Content{ID: u.ContentID, Suite: u.Suite},
		Parts:   sealed.PartListHash(0, nil),
	}
}

// uploadIDSize is the size of an upload's id before it is encoded: 8 bytes of
// time and 16 random ones.
const uploadIDSize = 24

// CreateUpload starts an upload. It sets u.ID and what seals the upload.
func (s *Store) CreateUpload(ctx context.Context, b *Bucket, u *Upload, seal *Sealing, record Record) error {
	u.Initiated = s.millis()
	var id [uploadIDSize]byte
	binary.BigEndian.PutUint64(id[:], uint64(u.Initiated))
	if err := s.random(id[8:]); err != nil {
		return err
	}
	if err := s.random(u.ContentID[:]); err != nil {
		return err
	}
	u.ID, u.Suite = versionEncoding.EncodeToString(id[:]), seal.Mode.Suite()
	keys := make(sealed.Keys, u.Suite)
	defer keys.Wipe()
	for i := range keys {
		if err := s.random(keys[i][:]); err != nil {
			return err
		}
	}
	w, err := s.newWrapper(ctx, b.Account, seal)
	if err != nil {
		return err
	}
	defer w.wipe()
	if u.Wrap, err = w.wrap(keys, s.uploadBinding(b, u)); err != nil {
		return err
	}
	return s.meta.Update(ctx, func(txn meta.Txn) error {
		if _, err := s.current(txn, b); err != nil {
			return err
		}
		if err := put(txn, uploadRow(b.ID, u.Key, u.ID), u); err != nil {
			return err
		}
		if err := indexUpload(txn, b, u); err != nil {
			return err
		}
		return record(txn)
	})
}

// Upload returns an upload under way, or ErrNoSuchUpload.
func (s *Store) Upload(ctx context.Context, b *Bucket, key, id string) (*Upload, error) {
	var u *Upload
	err := s.meta.View(ctx, func(r meta.Reader) (err error) {
		u, err = uploadAt(r, b, key, id)
		return err
	})
	return u, err
}

func uploadAt(r meta.Reader, b *Bucket, key, id string) (*Upload, error) {
	if len(id) != versionEncoding.EncodedLen(uploadIDSize) {
		return nil, ErrNoSuchUpload
	}
	u := &Upload{ID: id, Key: key}
	err := get(r, uploadRow(b.ID, key, id), u)
	if errors.Is(err, meta.ErrNotFound) {
		return nil, ErrNoSuchUpload
	}
	return u, err
}

// openUpload unwraps the keys of an upload. The caller wipes them.
func (s *Store) openUpload(ctx context.Context, b *Bucket, u *Upload, secret *sealed.Secret) (sealed.Keys, error) {
	keys, err := s.unwrap(ctx, b.Account, &u.Wrap, secret, s.uploadBinding(b, u))
	if err != nil {
		return nil, fmt.Errorf("open upload %s: %w", u.ID, err)
	}
	return keys, nil
}

// PutPart stores one part, in place of an earlier one with the same number. The
// secret is what the upload is sealed under.
func (s *Store) PutPart(ctx context.Context, b *Bucket, u *Upload, number int, secret *sealed.Secret, body *Body, record func(meta.Txn, *Part) error) (*Part, map[checksum.Algorithm]string, error) {
	keys, err := s.openUpload(ctx, b, u, secret)
	if err != nil {
		return nil, nil, err
	}
	defer keys.Wipe()
	mode, err := u.Wrap.Mode()
	if err != nil {
		return nil, nil, err
	}
	if body.Algorithm == "" {
		body.Algorithm = u.Algorithm
	}
	if body.Algorithm != u.Algorithm && u.Named {
		return nil, nil, ErrChecksumMismatch
	}
	got, err := s.receive(ctx, body, u.Suite, mode == sealed.ModeS3)
	if err != nil {
		return nil, nil, err
	}
	p, err := s.namePart(ctx, b, u, number, mode, keys, got, record)
	if err != nil {
		s.drop(got)
		return nil, nil, fmt.Errorf("put part %d of %s: %w", number, u.ID, err)
	}
	got.keys.Wipe()
	return p, got.sums(), nil
}

func (s *Store) namePart(ctx context.Context, b *Bucket, u *Upload, number int, mode sealed.Mode, upload sealed.Keys, got *sealedBody, record func(meta.Txn, *Part) error) (*Part, error) {
	p := &Part{
		Number: number, ContentID: got.content.ID, Suite: got.content.Suite, Commitment: got.content.Commitment,
		Length: got.content.Length, Blob: got.blob,
	}
	bind := p.binding(u.ID)
	var err error
	if p.ETag, err = s.etag(mode, got.md5); err != nil {
		return nil, err
	}
	if p.Key, err = sealed.SealPartKey(upload, got.keys, bind); err != nil {
		return nil, err
	}
	if p.Sums, err = keepSums(mode, upload, &bind, got.sums(), checksum.FullObject); err != nil {
		return nil, err
	}
	err = s.meta.Update(ctx, func(txn meta.Txn) error {
		if _, err := s.current(txn, b); err != nil {
			return err
		}
		if _, err := uploadAt(txn, b, u.Key, u.ID); err != nil {
			return err
		}
		k := partRow(u.ID, number)
		var old Part
		switch err := get(txn, k, &old); {
		case err == nil:
			if err := discardPart(txn, &old); err != nil {
				return err
			}
		case !errors.Is(err, meta.ErrNotFound):
			return err
		}
		p.Modified = s.millis()
		if got.inline != nil {
			if err := txn.Put(contentRow(p.ContentID), got.inline); err != nil {
				return err
			}
		} else if err := claim(txn, p.Blob); err != nil {
			return err
		}
		if err := put(txn, k, p); err != nil {
			return err
		}
		return record(txn, p)
	})
	return p, err
}

// ListParts returns up to limit parts of an upload with numbers above after, and
// whether there are more. Checksums that are sealed are opened only if secret is
// what the upload is sealed under; it may be nil.
func (s *Store) ListParts(ctx context.Context, b *Bucket, u *Upload, secret *sealed.Secret, after, limit int) ([]PartInfo, bool, error) {
	parts, more, err := s.parts(ctx, b, u, after, limit)
	if err != nil {
		return nil, false, err
	}
	var keys sealed.Keys
	if mode, err := u.Wrap.Mode(); err != nil {
		return nil, false, err
	} else if mode == sealed.ModeS3 || secret != nil {
		if keys, err = s.openUpload(ctx, b, u, secret); err != nil {
			return nil, false, err
		}
		defer keys.Wipe()
	}
	infos := make([]PartInfo, len(parts))
	for i := range parts {
		if infos[i], err = parts[i].info(keys, u.ID); err != nil {
			return nil, false, err
		}
	}
	return infos, more, nil
}

func (s *Store) parts(ctx context.Context, b *Bucket, u *Upload, after, limit int) (parts []Part, more bool, err error) {
	err = s.meta.View(ctx, func(r meta.Reader) error {
		parts, more = nil, false
		if _, err := uploadAt(r, b, u.Key, u.ID); err != nil {
			return err
		}
		return r.Scan(meta.Range{Start: partRow(u.ID, after+1), End: partRow(u.ID, MaxParts+1)}, func(k, val []byte) (bool, error) {
			if len(parts) == limit {
				more = true
				return false, nil
			}
			var p Part
			if err := decode(k, val, &p); err != nil {
				return false, err
			}
			parts = append(parts, p)
			return true, nil
		})
	})
	return parts, more, err
}

// A Completion is the request to make an object of an upload.
type Completion struct {
	Write  // Attributes, Tags and Sealing.Mode are the upload's
	Upload *Upload
	Parts  []CompletedPart
	// Secret is what the upload is sealed under; nil for an SSE-C upload whose
	// key the client does not send again. Such an object has no checksum.
	Secret    *sealed.Secret
	Algorithm checksum.Algorithm // of Checksum; empty if none was sent
	Checksum  string             // of the whole object, as sent
	Size      int64              // of the whole object, as sent; -1 if not
}

// A CompletedPart names a part as the client remembers it.
type CompletedPart struct {
	Number int
	ETag   string
	Sums   map[checksum.Algorithm]string
}

// Complete makes the named parts one object, and removes the upload with the
// parts that were not named. It returns ErrNoParts, ErrPartOrder, ErrInvalidPart,
// ErrPartTooSmall, ErrSizeMismatch, ErrTooLarge or an ErrBadDigest.
func (s *Store) Complete(ctx context.Context, c *Completion) (*Version, map[checksum.Algorithm]string, error) {
	u, b := c.Upload, c.Bucket
	seal, keys, err := s.openCompletion(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	defer keys.Wipe()
	wrapper, err := s.newWrapper(ctx, b.Account, seal)
	if err != nil {
		return nil, nil, err
	}
	defer wrapper.wipe()
	var v *Version
	var sums map[checksum.Algorithm]string
	err = s.meta.Update(ctx, func(txn meta.Txn) error {
		if _, err := uploadAt(txn, b, u.Key, u.ID); err != nil {
			return err
		}
		chosen, unused, err := s.choose(txn, u, keys, c)
		if err != nil {
			return err
		}
		v = &Version{Attributes: u.Attributes, Tags: u.Tags, Owner: u.Owner, ACL: u.ACL, Bucket: b.Name, BucketID: b.ID, Key: u.Key,
			Content: Content{ID: u.ContentID, Suite: u.Suite, PartCount: len(chosen), UploadID: u.ID}}
		if v.ETag, err = wholeETag(chosen); err != nil {
			return err
		}
		for i := range chosen {
			v.Content.Length += chosen[i].Length
		}
		if v.Content.Length > MaxObjectSize {
			return ErrTooLarge
		}
		if c.Size >= 0 && c.Size != v.Content.Length {
			return ErrSizeMismatch
		}
		sums = nil
		if c.Secret != nil {
			if sums, err = wholeSums(u, keys, chosen); err != nil {
				return err
			}
		}
		if c.Checksum != "" {
			if err := compareWhole(c, u, sums); err != nil {
				return err
			}
		}
		if err := s.putTable(txn, v, chosen); err != nil {
			return err
		}
		for i := range unused {
			if err := discardPart(txn, &unused[i]); err != nil {
				return err
			}
		}
		for _, list := range [][]Part{chosen, unused} {
			for i := range list {
				if err := txn.Delete(partRow(u.ID, list[i].Number)); err != nil {
					return err
				}
			}
		}
		if err := unindexUpload(txn, b.ID, u); err != nil {
			return err
		}
		if err := txn.Delete(uploadRow(b.ID, u.Key, u.ID)); err != nil {
			return err
		}
		return s.placeNew(txn, &c.Write, v, nil, func() (err error) {
			bind := s.binding(v)
			w, err := wrapper.wrap(keys, bind)
			if err != nil {
				return err
			}
			if c.Secret == nil {
				v.Content.Wrap, v.Content.ListSeal = u.Wrap, w.Box
				return nil
			}
			v.Content.Wrap = w
			v.Sums, err = keepSums(seal.Mode, keys, &bind, sums, checksum.Type(u.Type))
			return err
		})
	})
	if err != nil {
		return nil, nil, fmt.Errorf("complete upload %s: %w", u.ID, err)
	}
	return v, sums, nil
}

// openCompletion returns the keys of an upload and what will seal them. Without
// the client's key of an SSE-C upload these are fresh keys that seal nothing:
// wrapped under the account's service key, they bind the list of parts. Then no
// checksum of the upload can be opened.
func (s *Store) openCompletion(ctx context.Context, c *Completion) (*Sealing, sealed.Keys, error) {
	if c.Secret != nil {
		keys, err := s.openUpload(ctx, c.Bucket, c.Upload, c.Secret)
		return c.Sealing, keys, err
	}
	mode, err := c.Upload.Wrap.Mode()
	if err != nil {
		return nil, nil, err
	}
	if mode != sealed.ModeCustomer {
		return nil, nil, fmt.Errorf("%w: %v asks for its key", ErrNotSealedThisWay, mode)
	}
	keys := make(sealed.Keys, 1)
	return &Sealing{Mode: sealed.ModeS3}, keys, s.random(keys[0][:])
}

// choose reads the parts of an upload and tells those that named asks for from
// the rest.
func (s *Store) choose(txn meta.Txn, u *Upload, keys sealed.Keys, c *Completion) (chosen, unused []Part, err error) {
	named := c.Parts
	if c.Secret == nil {
		keys = nil // they open no checksum: one that is named can't be confirmed
	}
	if len(named) == 0 {
		return nil, nil, ErrNoParts
	}
	for i := 1; i < len(named); i++ {
		if named[i].Number <= named[i-1].Number {
			return nil, nil, ErrPartOrder
		}
	}
	var all []Part
	err = txn.Scan(meta.Prefix(row(rowPart, []byte(u.ID))), func(k, val []byte) (bool, error) {
		all = append(all, Part{})
		return true, decode(k, val, &all[len(all)-1])
	})
	if err != nil {
		return nil, nil, err
	}
	for i := range all {
		p := &all[i]
		if len(named) == 0 || p.Number < named[0].Number {
			unused = append(unused, *p)
			continue
		}
		if p.Number > named[0].Number || strings.Trim(named[0].ETag, `"`) != p.ETag {
			return nil, nil, ErrInvalidPart
		}
		if len(named[0].Sums) > 0 {
			info, err := p.info(keys, u.ID)
			if err != nil {
				return nil, nil, err
			}
			for a, sum := range named[0].Sums {
				if info.Sums[a] != sum {
					return nil, nil, ErrInvalidPart
				}
			}
		}
		if len(named) > 1 && p.Length < s.minPart {
			return nil, nil, &SmallPartError{Number: p.Number, ETag: p.ETag, Size: p.Length}
		}
		chosen = append(chosen, *p)
		named = named[1:]
	}
	if len(named) > 0 {
		return nil, nil, ErrInvalidPart
	}
	return chosen, unused, nil
}

// A SmallPartError names the part that is too small. It is an ErrPartTooSmall.
type SmallPartError struct {
	Number int
	ETag   string
	Size   int64
}

// Error names the part.
func (e *SmallPartError) Error() string { return fmt.Sprintf("%v: part %d", ErrPartTooSmall, e.Number) }

// Unwrap returns ErrPartTooSmall.
func (e *SmallPartError) Unwrap() error { return ErrPartTooSmall }

// wholeETag returns the ETag of a multipart object: the MD5 of its parts' ETags
// and their number. It is no MD5 of the plaintext.
func wholeETag(parts []Part) (string, error) {
	var all []byte
	for i := range parts {
		b, err := hex.DecodeString(parts[i].ETag)
		if err != nil {
			return "", fmt.Errorf("%w: ETag of part %d", meta.ErrCorrupt, parts[i].Number)
		}
		all = append(all, b...)
	}
	return fmt.Sprintf("%x-%d", checksum.MD5.Sum(all), len(parts)), nil
}

// wholeSums returns the checksum of a whole object from those of its parts.
// Parts that were uploaded with another algorithm than the upload's leave the
// object without one.
func wholeSums(u *Upload, keys sealed.Keys, parts []Part) (map[checksum.Algorithm]string, error) {
	var whole []byte
	list := make([][]byte, len(parts))
	for i := range parts {
		info, err := parts[i].info(keys, u.ID)
		if err != nil {
			return nil, err
		}
		text, ok := info.Sums[u.Algorithm]
		if !ok {
			return nil, nil
		}
		if list[i], err = u.Algorithm.Decode(text); err != nil {
			return nil, fmt.Errorf("%w: checksum of part %d", meta.ErrCorrupt, parts[i].Number)
		}
		if u.Type == string(checksum.Composite) {
			continue
		}
		if i == 0 {
			whole = list[0]
		} else if whole, err = u.Algorithm.Combine(whole, list[i], parts[i].Length); err != nil {
			return nil, err
		}
	}
	if u.Type == string(checksum.Composite) {
		return map[checksum.Algorithm]string{u.Algorithm: u.Algorithm.EncodeComposite(u.Algorithm.Composite(list), len(list))}, nil
	}
	return map[checksum.Algorithm]string{u.Algorithm: u.Algorithm.Encode(whole)}, nil
}

func compareWhole(c *Completion, u *Upload, sums map[checksum.Algorithm]string) error {
	if c.Algorithm != u.Algorithm {
		return ErrChecksumMismatch
	}
	have := sums[u.Algorithm]
	if c.Checksum == have {
		return nil
	}
	if base, _, ok := strings.Cut(have, "-"); ok && c.Checksum == base {
		return nil
	}
	return &DigestError{Algorithm: u.Algorithm}
}

// putTable writes the part table of v and notes its chunks in v.
func (s *Store) putTable(txn meta.Txn, v *Version, parts []Part) error {
	entries := make([]sealed.PartEntry, len(parts))
	for i := range parts {
		entries[i] = parts[i].entry()
	}
	v.Content.Chunks = nil
	for i, c := range sealed.PartChunks(entries) {
		v.Content.Chunks = append(v.Content.Chunks, Chunk{Offset: c.Offset, Hash: c.Hash})
		from := i * sealed.PartsPerChunk
		t := PartTable{Parts: parts[from:min(from+sealed.PartsPerChunk, len(parts))]}
		if err := put(txn, tableRow(v.Content.ID, i), t); err != nil {
			return err
		}
	}
	return nil
}

// Abort removes an upload and its parts.
func (s *Store) Abort(ctx context.Context, b *Bucket, key, id string, record Record) error {
	return s.meta.Update(ctx, func(txn meta.Txn) error {
		if _, err := s.current(txn, b); err != nil {
			return err
		}
		if _, err := uploadAt(txn, b, key, id); err != nil {
			return err
		}
		if err := dropUpload(txn, uploadRow(b.ID, key, id), id); err != nil {
			return err
		}
		return record(txn)
	})
}

// dropUpload removes an upload's row, its parts' rows and their content.
func dropUpload(txn meta.Txn, k []byte, id string) error {
	if err := dropParts(txn, id); err != nil {
		return err
	}
	b, u, err := splitUpload(k)
	if err == nil {
		err = get(txn, k, u)
	}
	if err == nil {
		err = unindexUpload(txn, b.ID, u)
	}
	if err != nil && !errors.Is(err, meta.ErrNotFound) && !errors.Is(err, meta.ErrCorrupt) {
		return err // a damaged row goes, and a check finds what led to it
	}
	return txn.Delete(k)
}

func dropParts(txn meta.Txn, id string) error {
	var all []Part
	err := txn.Scan(meta.Prefix(row(rowPart, []byte(id))), func(k, val []byte) (bool, error) {
		all = append(all, Part{})
		return true, decode(k, val, &all[len(all)-1])
	})
	if err != nil {
		return err
	}
	for i := range all {
		if err := discardPart(txn, &all[i]); err != nil {
			return err
		}
		if err := txn.Delete(partRow(id, all[i].Number)); err != nil {
			return err
		}
	}
	return nil
}

// An UploadEntry is one line of a listing of uploads.
type UploadEntry struct {
	CommonPrefix string // if set, nothing else is
	Upload       *Upload
}

// Uploads lists the uploads of a bucket by key and, within a key, by the time
// at which they were started.
func (s *Store) Uploads(ctx context.Context, b *Bucket, l Listing) (entries []UploadEntry, truncated bool, err error) {
	err = s.meta.View(ctx, func(r meta.Reader) error {
		entries, truncated = nil, false
		if _, err := s.current(r, b); err != nil {
			return err
		}
		base := row(rowUpload, b.ID[:])
		end := prefixRowEnd(base, l.Prefix)
		start, ok := l.start()
		if !ok {
			return nil
		}
		next := append(bytes.Clone(base), escapeOpen(start)...)
		if l.AfterVersion != "" {
			next = notBefore(append(uploadRow(b.ID, l.After, l.AfterVersion), 0), base, l.Prefix)
		}
		for next != nil && (end == nil || bytes.Compare(next, end) < 0) {
			from := next
			next = nil
			err := r.Scan(meta.Range{Start: from, End: end}, func(k, val []byte) (bool, error) {
				if len(entries) >= l.Limit {
					truncated = true
					return false, nil
				}
				key, id, err := unescape(k[len(base):])
				if err != nil {
					return false, err
				}
				if p, ok := l.group(key); ok {
					entries = append(entries, UploadEntry{CommonPrefix: p})
					next = prefixRowEnd(base, p)
					return false, nil
				}
				u := &Upload{ID: string(id), Key: key}
				if err := decode(k, val, u); err != nil {
					return false, err
				}
				entries = append(entries, UploadEntry{Upload: u})
				return true, nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return entries, truncated, err
}
