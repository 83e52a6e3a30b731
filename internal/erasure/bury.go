package erasure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"coffer/internal/key"
	"coffer/internal/meta"
	"coffer/internal/receipt"
)

// Limits of what destroying a key reaches.
const (
	limitPlaintext = "plaintext, and data keys in the clear, that were handed out before"
	limitCopies    = "copies of the root of trust that were made outside its holders"
	limitImported  = "imported key material of which its owner keeps a copy"
	limitClients   = "ciphertext that clients keep is dark and is not counted"
)

// targetOf returns what a tombstone is of. ok is false for a version of a key that
// lives on, of which there is no receipt.
func (l *Ledger) targetOf(ctx context.Context, t *key.Tombstone) (Target, bool, error) {
	switch {
	case t.Number != 0:
		return Target{}, false, nil
	case t.Subject == nil:
		return Target{Ref: t.Ref}, true, nil
	}
	k, err := l.cfg.Keys.Get(ctx, t.Ref)
	if errors.Is(err, key.ErrNotFound) { // it is being destroyed too
		return Target{Ref: t.Ref, Subject: &t.Subject.ID}, true, nil
	}
	if err != nil {
		return Target{}, false, err
	}
	return TargetOf(k, &t.Subject.ID), true, nil
}

// Prepare counts what a destruction made dark. The key is unusable by now, so nothing
// more comes under it. It is counted once, outside of the transaction that writes the
// tombstone, which may run twice.
func (l *Ledger) Prepare(ctx context.Context, tomb *key.Tombstone) error {
	t, ok, err := l.targetOf(ctx, tomb)
	if err == nil && ok {
		_, err = l.count(ctx, t)
	}
	return err
}

// Bury writes the receipt of a destruction, in the transaction that writes its
// tombstone, once Prepare has counted. event is the ID of the event of the destruction.
func (l *Ledger) Bury(ctx context.Context, tx meta.Txn, tomb *key.Tombstone, event string) error {
	t, ok, err := l.targetOf(ctx, tomb)
	if err != nil || !ok {
		return err
	}
	e, err := l.count(ctx, t)
	if err != nil {
		return err
	}
	r, err := l.statement(tx, t, tomb, e, event)
	if err != nil {
		return err
	}
	b, err := receipt.Sign(r, &l.seed)
	if err != nil {
		return fmt.Errorf("sign the receipt of %s: %w", t.place(), err)
	}
	if err := tx.Delete([]byte(rowAsked + t.place())); err != nil {
		return err
	}
	return tx.Put([]byte(rowReceipt+t.place()), b)
}

// count is Preview, once for each burial.
func (l *Ledger) count(ctx context.Context, t Target) (*Effect, error) {
	at := t.place()
	l.mu.Lock()
	e := l.counted[at]
	l.mu.Unlock()
	if e != nil {
		return e, nil
	}
	e, err := l.Preview(ctx, t)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	l.counted[at] = e
	l.mu.Unlock()
	return e, nil
}

// Buried ends a burial, whatever became of it: counts are forgotten, and the replaced
// wraps under what is destroyed go. If that fails it is logged: nothing opens them, and
// they go with their recovery window.
func (l *Ledger) Buried(ctx context.Context, tombs []key.Tombstone) {
	l.mu.Lock()
	clear(l.counted)
	l.mu.Unlock()
	for i := range tombs {
		if err := l.forget(ctx, &tombs[i]); err != nil {
			l.cfg.Log.Warn("forget replaced wraps under a destroyed key", "key", tombs[i].ARN, "error", err)
		}
	}
}

func (l *Ledger) forget(ctx context.Context, tomb *key.Tombstone) error {
	t, ok, err := l.targetOf(ctx, tomb)
	if err != nil || !ok {
		return err
	}
	for _, target := range t.targets() {
		err = errors.Join(err, l.cfg.Objects.ForgetWraps(ctx, target))
	}
	return err
}

// statement returns what the receipt says.
func (l *Ledger) statement(r meta.Reader, t Target, tomb *key.Tombstone, e *Effect, event string) (*receipt.Receipt, error) {
	id, err := l.newID()
	if err != nil {
		return nil, err
	}
	out := &receipt.Receipt{
		Version: receipt.Version, ID: id, Store: storeID(l.cfg.StoreID),
		What: receipt.What{Kind: receipt.KindKey, Key: tomb.ARN, Materials: []string{}},
		Destroyed: receipt.Destruction{At: receipt.At(tomb.Destroyed), Event: event, Before: tomb.Epoch - 1, After: tomb.Epoch,
			Holders: l.cfg.Holders()},
		Dark: e.Dark, NotDark: e.NotDark,
		Limits: []string{limitPlaintext, limitCopies, limitClients},
	}
	if s := tomb.Subject; s != nil {
		out.What.Kind = receipt.KindSubject
		out.What.Subject = &receipt.Subject{ID: s.ID.String(), Name: receipt.Text(s.Name), Value: receipt.Text(s.Value)}
	} else {
		out.Limits = append(out.Limits, limitImported)
	}
	for _, m := range tomb.Materials {
		out.What.Materials = append(out.What.Materials, m.String())
	}
	var asked askedRow
	switch err := get(r, rowAsked+t.place(), &asked); {
	case err == nil:
		out.Asked = receipt.Asked{By: receipt.Text(asked.By), Event: asked.Event, At: receipt.At(time.Unix(0, asked.At)),
			WindowSeconds: int64(time.Duration(asked.Window) / time.Second)}
	case !errors.Is(err, meta.ErrNotFound):
		return nil, err
	}
	return out, nil
}

// newID returns a random UUID, version 4.
//
// Source: RFC 9562, section 5.4.
func (l *Ledger) newID() (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(l.cfg.Rand, b[:]); err != nil {
		return "", fmt.Errorf("draw the ID of a receipt: %w", err)
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]), nil
}
