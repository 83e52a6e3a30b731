package object

import (
	"context"
	"errors"
	"fmt"

	"coffer/internal/checksum"
	"coffer/internal/meta"
	"coffer/internal/sealed"
)

// Reseal reads the data of the version that was found as v, seals it under fresh
// data keys, and puts that in place of what was there, with the same boundaries of
// parts. The version's ID, ETag, time, checksums and all else stay; no key that ever
// wrapped the old data keys opens the new content, and what was kept of the old wraps
// goes. The old content stays for the reads that are under way, and is then removed.
//
// DSSE-KMS stays DSSE-KMS, and nothing but SSE-S3 and the KMS modes comes under a KMS
// mode: anything else is ErrNotSealedThisWay. It returns ErrChanged if the version was
// removed or wrapped anew meanwhile, and sealed.ErrDamaged if the data does not read;
// then everything is as it was.
func (s *Store) Reseal(ctx context.Context, b *Bucket, v *Version, secret *sealed.Secret, to *Sealing, record Record) error {
	mode, err := v.Content.Wrap.Mode()
	if err != nil {
		return err
	}
	if mode == sealed.ModeCustomer || to.Mode == sealed.ModeCustomer || to.Mode == sealed.ModeS3 || v.Content.ListSeal != nil ||
		(mode == sealed.ModeDSSE) != (to.Mode == sealed.ModeDSSE) {
		return ErrNotSealedThisWay
	}
	old, err := s.Open(ctx, b, v, secret)
	if err != nil {
		return err
	}
	defer old.Close()
	values, err := old.Sums()
	if err != nil {
		return err
	}
	w, err := s.newWrapper(ctx, b.Account, to)
	if err != nil {
		return err
	}
	defer w.wipe()
	n := &resealing{s: s, old: old, to: to.Mode, values: values}
	defer n.keys.Wipe()
	if v.Content.PartCount > 0 {
		err = n.sealParts(ctx)
	} else {
		err = n.sealWhole(ctx)
	}
	if err == nil {
		err = s.meta.Update(ctx, func(txn meta.Txn) error { return n.place(txn, b, w, record) })
	}
	if err != nil {
		for _, name := range n.blobs {
			s.giveUp(name)
		}
		return fmt.Errorf("seal %s of %q anew: %w", v.ID, v.Key, err)
	}
	return nil
}

// A resealing is new content on its way to a version.
type resealing struct {
	s      *Store
	old    *Opened
	to     sealed.Mode
	values map[checksum.Algorithm]string // of the whole plaintext

	keys    sealed.Keys
	content Content // without its wrap and its part table
	inline  []byte  // the sealed body, if it is small
	parts   []Part
	blobs   []string // that were written
}

// receive seals one body, which must have the checksums that are kept of it.
func (n *resealing) receive(ctx context.Context, plain Plaintext, length int64, sums map[checksum.Algorithm]string) (*sealedBody, error) {
	body := &Body{Reader: plain, Length: length}
	for a, sum := range sums {
		body.Algorithm, body.Expected = a, func() (string, error) { return sum, nil }
		break
	}
	got, err := n.s.receive(ctx, body, n.to.Suite(), false)
	if closed := plain.Close(); err == nil && closed != nil {
		n.s.drop(got)
		err = closed
	}
	if errors.Is(err, ErrBadDigest) || errors.Is(err, ErrInvalidChecksum) {
		// Nobody sent it: what is stored contradicts itself.
		return nil, fmt.Errorf("%w: the data does not have the checksum that is kept of it", sealed.ErrDamaged)
	}
	if err != nil {
		return nil, err
	}
	if got.blob != "" {
		n.blobs = append(n.blobs, got.blob)
	}
	return got, nil
}

// sealWhole seals the one body of an object anew.
func (n *resealing) sealWhole(ctx context.Context) error {
	size := n.old.v.Size()
	plain, err := n.old.Range(ctx, 0, size)
	if err != nil {
		return err
	}
	got, err := n.receive(ctx, plain, size, n.values)
	if err != nil {
		return err
	}
	n.keys, n.inline = got.keys, got.inline
	n.content = Content{ID: got.content.ID, Suite: got.content.Suite, Commitment: got.content.Commitment, Length: got.content.Length, Blob: got.blob}
	return nil
}

// sealParts seals the parts of an object anew, one after the other.
func (n *resealing) sealParts(ctx context.Context) error {
	s, v := n.s, n.old.v
	n.content = Content{Suite: n.to.Suite(), Length: v.Content.Length, PartCount: v.Content.PartCount, UploadID: v.Content.UploadID}
	if err := s.random(n.content.ID[:]); err != nil {
		return err
	}
	n.keys = make(sealed.Keys, n.to.Suite())
	for i := range n.keys {
		if err := s.random(n.keys[i][:]); err != nil {
			return err
		}
	}
	for i := range v.Content.Chunks {
		t, err := s.table(ctx, v, i)
		if err != nil {
			return err
		}
		for j := range t.Parts {
			if err := n.sealPart(ctx, &t.Parts[j]); err != nil {
				return fmt.Errorf("part %d: %w", t.Parts[j].Number, err)
			}
		}
	}
	return nil
}

func (n *resealing) sealPart(ctx context.Context, p *Part) error {
	s, upload := n.s, n.old.v.Content.UploadID
	info, err := p.info(n.old.keys, upload)
	if err != nil {
		return err
	}
	keys, err := sealed.OpenPartKey(n.old.keys, p.Key, p.binding(upload))
	if err != nil {
		return err
	}
	plain, err := s.bodyRange(ctx, keys, p.content(), p.Blob, p.body, 0, p.Length)
	keys.Wipe()
	if err != nil {
		return err
	}
	got, err := n.receive(ctx, plain, p.Length, info.Sums)
	if err != nil {
		return err
	}
	defer got.keys.Wipe()
	fresh := Part{
		Number: p.Number, ContentID: got.content.ID, Suite: got.content.Suite, Commitment: got.content.Commitment, Length: got.content.Length,
		Blob: got.blob, ETag: p.ETag, Modified: p.Modified, body: got.inline,
	}
	bind := fresh.binding(upload)
	if fresh.Key, err = sealed.SealPartKey(n.keys, got.keys, bind); err != nil {
		return err
	}
	if fresh.Sums, err = keepSums(n.to, n.keys, &bind, info.Sums, checksum.Type(p.Sums.Type)); err != nil {
		return err
	}
	n.parts = append(n.parts, fresh)
	return nil
}

// place puts the new content in place of the old, in the transaction that records it.
func (n *resealing) place(txn meta.Txn, b *Bucket, w *wrapper, record Record) error {
	v := n.old.v
	now, err := n.s.again(txn, b, v)
	if err != nil {
		return err
	}
	if string(now.Content.Wrap.Box) != string(v.Content.Wrap.Box) {
		return ErrChanged
	}
	if err := unindex(txn, now); err != nil {
		return err
	}
	for _, p := range now.Content.Previous {
		if err := txn.Delete(replacedRow(p.Until, b.ID, v.Key, v.Seq)); err != nil {
			return err
		}
	}
	if err := n.s.discard(txn, &now.Content); err != nil {
		return err
	}
	for _, name := range n.blobs {
		if err := claim(txn, name); err != nil {
			return err
		}
	}
	now.Content = n.content
	if n.inline != nil {
		if err := txn.Put(contentRow(n.content.ID), n.inline); err != nil {
			return err
		}
	}
	for i := range n.parts {
		if p := &n.parts[i]; p.body != nil {
			if err := txn.Put(contentRow(p.ContentID), p.body); err != nil {
				return err
			}
		}
	}
	if len(n.parts) > 0 {
		if err := n.s.putTable(txn, now, n.parts); err != nil {
			return err
		}
	}
	bind := n.s.binding(now)
	if now.Content.Wrap, err = w.wrap(n.keys, bind); err != nil {
		return err
	}
	if now.Sums, err = keepSums(n.to, n.keys, &bind, n.values, checksum.Type(v.Sums.Type)); err != nil {
		return err
	}
	if err := index(txn, now); err != nil {
		return err
	}
	if err := put(txn, versionRow(b.ID, v.Key, v.Seq), now); err != nil {
		return err
	}
	return record(txn)
}
