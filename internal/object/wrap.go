package object

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"coffer/internal/checksum"
	"coffer/internal/meta"
	"coffer/internal/sealed"
)

// A Sealing says under what content is to be sealed. The service obtains the
// secret; SSE-S3 needs none.
type Sealing struct {
	Mode        sealed.Mode
	Secret      sealed.Secret // KMS data key, bucket key or client's key
	KeyARN      string
	KeyBlob     []byte
	Context     map[string]string
	ContextSent string
	KeyMD5      string // SSE-C
	// Part names what of the KMS key seals, if that can be destroyed alone; empty
	// if it is the key as a whole. It holds no partMark.
	Part string
}

// Wipe overwrites the secret.
func (s *Sealing) Wipe() { s.Secret.Wipe() }

// A wrapper wraps the keys of one piece of content. Its secrets are obtained
// before the transaction that names the content, because a transaction function
// may run twice and must not wait for others.
type wrapper struct {
	mode    sealed.Mode
	secrets []sealed.Secret
	salt    [32]byte // fresh: the wrapping key is used for this content alone
	fields  Wrap
}

func (s *Store) newWrapper(ctx context.Context, account string, seal *Sealing) (*wrapper, error) {
	w := &wrapper{mode: seal.Mode, fields: Wrap{
		KeyARN: seal.KeyARN, KeyBlob: seal.KeyBlob, Context: seal.Context, ContextSent: seal.ContextSent, KeyMD5: seal.KeyMD5, Part: seal.Part,
	}}
	if err := s.random(w.salt[:]); err != nil {
		return nil, err
	}
	if seal.Mode == sealed.ModeCustomer {
		var salt [32]byte
		if err := s.random(salt[:]); err != nil {
			return nil, err
		}
		check := sealed.KeyCheck(seal.Secret, salt)
		w.fields.CheckSalt, w.fields.Check = salt[:], check[:]
	}
	var err error
	if w.secrets, err = s.secrets(ctx, account, seal.Mode, w.salt, &seal.Secret); err != nil {
		return nil, err
	}
	return w, nil
}

func (w *wrapper) wipe() {
	for i := range w.secrets {
		w.secrets[i].Wipe()
	}
}

// wrap wraps keys. A transaction that runs again wraps again, under a nonce of
// its own, and stores the last result alone.
func (w *wrapper) wrap(keys sealed.Keys, b sealed.Binding) (Wrap, error) {
	out := w.fields
	var err error
	out.Box, err = sealed.Wrap(w.mode, w.secrets, w.salt, keys, b)
	return out, err
}

// secrets returns the secrets of a mode in the order of the wrap's boxes.
func (s *Store) secrets(ctx context.Context, account string, mode sealed.Mode, salt [32]byte, given *sealed.Secret) ([]sealed.Secret, error) {
	if mode != sealed.ModeS3 && given == nil {
		return nil, fmt.Errorf("%w: no secret given", sealed.ErrWrongKey)
	}
	switch mode {
	case sealed.ModeS3, sealed.ModeDSSE:
		own, err := s.service.ServiceSecret(ctx, account, salt)
		if err != nil {
			return nil, fmt.Errorf("derive service secret: %w", err)
		}
		if mode == sealed.ModeS3 {
			return []sealed.Secret{own}, nil
		}
		return []sealed.Secret{*given, own}, nil
	}
	return []sealed.Secret{*given}, nil
}

// unwrap opens the keys of content. It returns ErrWrongCustomerKey if the
// content is sealed under a client's key and secret is another one.
func (s *Store) unwrap(ctx context.Context, account string, w *Wrap, secret *sealed.Secret, b sealed.Binding) (sealed.Keys, error) {
	mode, err := w.Mode()
	if err != nil {
		return nil, err
	}
	if mode == sealed.ModeCustomer && secret != nil {
		if len(w.CheckSalt) != 32 || len(w.Check) != 32 {
			return nil, fmt.Errorf("%w: key check", sealed.ErrDamaged)
		}
		if !sealed.CheckKey(*secret, [32]byte(w.CheckSalt), [32]byte(w.Check)) {
			return nil, ErrWrongCustomerKey
		}
	}
	secrets, err := s.secrets(ctx, account, mode, [32]byte(w.Box[2:34]), secret)
	if err != nil {
		return nil, err
	}
	defer func() {
		for i := range secrets {
			secrets[i].Wipe()
		}
	}()
	return sealed.Unwrap(secrets, w.Box, b)
}

// binding returns what the wrap of v says of its content.
func (s *Store) binding(v *Version) sealed.Binding {
	c := &v.Content
	o := c.Origin
	if o == nil {
		o = &Origin{Store: s.id, Bucket: v.BucketID, Key: v.Key, VersionID: v.ID}
	}
	b := sealed.Binding{
		Origin:  sealed.Origin{Store: o.Store, Bucket: o.Bucket, Key: o.Key, Version: o.VersionID},
		Content: sealed.Content{ID: c.ID, Suite: c.Suite, Commitment: c.Commitment, Length: c.Length},
	}
	if c.PartCount > 0 {
		b.Parts = sealed.PartListHash(c.Length, chunkList(c.Chunks))
	}
	return b
}

// wrapBinding returns what the wrap of v says: its binding, or still that of the
// upload if the client's key was not there to wrap anew.
func (s *Store) wrapBinding(v *Version) sealed.Binding {
	b := s.binding(v)
	if v.Content.ListSeal == nil {
		return b
	}
	b.Origin.Version = uploadOrigin(v.Content.UploadID)
	b.Content.Length = 0
	b.Parts = sealed.PartListHash(0, nil)
	return b
}

// keysOf opens the keys of a version's content. An SSE-C object that was
// completed without the client's key proves its list of parts first.
func (s *Store) keysOf(ctx context.Context, account string, v *Version, secret *sealed.Secret) (sealed.Keys, error) {
	if v.Content.ListSeal != nil {
		seal := Wrap{Box: v.Content.ListSeal}
		if mode, err := seal.Mode(); err != nil || mode != sealed.ModeS3 {
			return nil, fmt.Errorf("%w: seal of the part list", sealed.ErrDamaged)
		}
		proof, err := s.unwrap(ctx, account, &seal, new(sealed.Secret), s.binding(v))
		if err != nil {
			return nil, fmt.Errorf("seal of the part list: %w", err)
		}
		proof.Wipe()
	}
	return s.unwrap(ctx, account, &v.Content.Wrap, secret, s.wrapBinding(v))
}

func chunkList(cs []Chunk) []sealed.PartChunk {
	list := make([]sealed.PartChunk, len(cs))
	for i, c := range cs {
		list[i] = sealed.PartChunk{Offset: c.Offset, Hash: c.Hash}
	}
	return list
}

// keepSums puts checksums into the form in which a row may hold them: in the
// clear under SSE-S3, and else sealed under the keys of the content.
func keepSums(mode sealed.Mode, keys sealed.Keys, b sealed.Bound, values map[checksum.Algorithm]string, kind checksum.Type) (Sums, error) {
	if len(values) == 0 {
		return Sums{}, nil
	}
	sums := Sums{Type: string(kind), Algorithms: slices.Sorted(maps.Keys(values))}
	if mode == sealed.ModeS3 {
		sums.Values = values
		return sums, nil
	}
	plain, err := encoder.Marshal(values)
	if err != nil {
		return Sums{}, err
	}
	sums.Box, err = sealed.SealSmall(keys, b, plain)
	return sums, err
}

// openSums returns the checksums of a row.
func openSums(sums *Sums, keys sealed.Keys, b sealed.Bound) (map[checksum.Algorithm]string, error) {
	if sums.Box == nil {
		return sums.Values, nil
	}
	plain, err := sealed.OpenSmall(keys, b, sums.Box)
	if err != nil {
		return nil, err
	}
	var values map[checksum.Algorithm]string
	if err := decoder.Unmarshal(plain, &values); err != nil {
		return nil, fmt.Errorf("%w: checksums do not decode", sealed.ErrDamaged)
	}
	return values, nil
}

// maxReplaced bounds how many replaced wraps a version keeps. Beyond it a
// re-keying is refused rather than the oldest wrap forgotten, which may be the
// only one whose key its owner still has.
const maxReplaced = 100

// Rekey wraps the keys of the version that was found as v under another
// sealing, without touching its data. Mode must keep the suite; ETag and time of
// the version stay. The old wrap is kept for the recovery window.
func (s *Store) Rekey(ctx context.Context, b *Bucket, v *Version, secret *sealed.Secret, to *Sealing, record Record) error {
	if v.Content.Suite != to.Mode.Suite() || v.Content.ListSeal != nil {
		return ErrNotSealedThisWay
	}
	bind := s.binding(v)
	keys, err := s.unwrap(ctx, b.Account, &v.Content.Wrap, secret, bind)
	if err != nil {
		return err
	}
	defer keys.Wipe()
	values, err := openSums(&v.Sums, keys, &bind)
	if err != nil {
		return err
	}
	w, err := s.newWrapper(ctx, b.Account, to)
	if err != nil {
		return err
	}
	defer w.wipe()
	return s.meta.Update(ctx, func(txn meta.Txn) error {
		now, err := s.again(txn, b, v)
		if err != nil {
			return err
		}
		if string(now.Content.Wrap.Box) != string(v.Content.Wrap.Box) {
			return ErrChanged
		}
		old := now.Content.Wrap
		if now.Content.Wrap, err = w.wrap(keys, bind); err != nil {
			return err
		}
		if now.Sums, err = keepSums(to.Mode, keys, &bind, values, checksum.Type(v.Sums.Type)); err != nil {
			return err
		}
		if to.Mode != sealed.ModeS3 {
			if err := sealPartSums(txn, now, keys); err != nil {
				return err
			}
		}
		now.Content.remember([]string{old.Target()})
		kept := now.Content.Previous[:0]
		for _, p := range now.Content.Previous {
			if p.Until > s.millis() {
				kept = append(kept, p)
			}
		}
		now.Content.Previous = kept
		if len(kept) >= maxReplaced {
			return ErrConflict
		}
		until := s.now().Add(s.window).UnixMilli()
		now.Content.Previous = append(kept, Replaced{Wrap: old, Until: until})
		if err := txn.Put(replacedRow(until, b.ID, v.Key, v.Seq), []byte(b.Name)); err != nil {
			return err
		}
		if err := index(txn, now); err != nil {
			return err
		}
		if err := put(txn, versionRow(b.ID, v.Key, v.Seq), now); err != nil {
			return err
		}
		return record(txn)
	})
}

// sealPartSums seals the checksums of v's parts that lie in the clear, as those
// of an object under SSE-S3 do. The hashes of the part table do not cover them.
func sealPartSums(txn meta.Txn, v *Version, keys sealed.Keys) error {
	for i := range v.Content.Chunks {
		k := tableRow(v.Content.ID, i)
		var t PartTable
		if err := get(txn, k, &t); err != nil {
			return fmt.Errorf("read part table %d: %w", i, err)
		}
		changed := false
		for j := range t.Parts {
			p := &t.Parts[j]
			if len(p.Sums.Values) == 0 {
				continue
			}
			bind := p.binding(v.Content.UploadID)
			var err error
			if p.Sums, err = keepSums(sealed.ModeKMS, keys, &bind, p.Sums.Values, checksum.Type(p.Sums.Type)); err != nil {
				return fmt.Errorf("seal checksums of part %d: %w", p.Number, err)
			}
			changed = true
		}
		if changed {
			if err := put(txn, k, t); err != nil {
				return err
			}
		}
	}
	return nil
}

// pruneWraps removes the replaced wraps whose recovery window has passed.
func (s *Store) pruneWraps(ctx context.Context) error {
	now := s.millis()
	for ctx.Err() == nil {
		type due struct {
			row    []byte
			bucket string
			id     ID
			key    string
			seq    uint64
		}
		var list []due
		err := s.meta.View(ctx, func(r meta.Reader) error {
			list = list[:0]
			rg := meta.Range{Start: []byte(rowReplaced), End: row(rowReplaced, be64(uint64(now)+1)), Limit: 256}
			return r.Scan(rg, func(k, v []byte) (bool, error) {
				d := due{row: bytes.Clone(k), bucket: string(v)}
				var err error
				_, d.id, d.key, d.seq, err = splitReplaced(k)
				list = append(list, d)
				return true, err
			})
		})
		if err != nil || len(list) == 0 {
			return err
		}
		err = s.meta.Update(ctx, func(txn meta.Txn) error {
			for _, d := range list {
				if err := txn.Delete(d.row); err != nil {
					return err
				}
				v, err := versionAt(txn, &Bucket{ID: d.id, Name: d.bucket}, d.key, d.seq)
				if errors.Is(err, meta.ErrNotFound) {
					continue
				}
				if err != nil {
					return err
				}
				targets := v.Content.Targets()
				v.Content.Previous = slices.DeleteFunc(v.Content.Previous, func(p Replaced) bool { return p.Until <= now })
				v.Content.remember(targets)
				if err := put(txn, versionRow(d.id, d.key, d.seq), v); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}
