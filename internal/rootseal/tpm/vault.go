package tpm

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/google/go-tpm/tpm2"

	"coffer/internal/rootseal"
)

// A Vault keeps the secret of each epoch in an NV index of a TPM. It connects for each
// call, so that others can use the TPM, and so that a TPM that was reset does not
// matter.
type Vault struct {
	cfg Config
	id  Identity

	// Of the call that is under way.
	wire    *wire
	primary tpm2.TPMHandle
	auth    []byte // of the TPM's owner
}

var _ rootseal.Vault = (*Vault)(nil)

// New makes an empty vault in the TPM, and the identity that finds it again: keep it
// before the vault is used.
func New(ctx context.Context, cfg Config) (*Vault, *Identity, error) {
	if err := cfg.check(); err != nil {
		return nil, nil, err
	}
	v := &Vault{cfg: cfg, id: *newIdentity()}
	if err := v.begin(ctx); err != nil {
		return nil, nil, fmt.Errorf("tpm: make a vault: %w", err)
	}
	v.end()
	id := v.id
	return v, &id, nil
}

// Open opens the vault with the identity. It returns [ErrOtherTPM] if the TPM is
// another one.
func Open(ctx context.Context, cfg Config, id *Identity) (*Vault, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if id.Primary == (Identity{}).Primary || bytes.IndexByte(id.Auth[:], 0) >= 0 {
		return nil, errors.New("tpm: the identity of the vault is not whole")
	}
	v := &Vault{cfg: cfg, id: *id}
	if err := v.begin(ctx); err != nil {
		return nil, fmt.Errorf("tpm: open the vault: %w", err)
	}
	v.end()
	return v, nil
}

// begin connects to the TPM, loads its storage primary key and compares it with the
// one of the vault, or notes it if the vault has none yet.
func (v *Vault) begin(ctx context.Context) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	if v.auth, err = v.cfg.ownerAuth(); err != nil {
		return fmt.Errorf("read the authorization of the TPM's owner: %w", err)
	}
	if v.wire, err = connect(&v.cfg); err != nil {
		clear(v.auth)
		return err
	}
	v.wire.ctx = ctx
	v.primary = tpm2.TPMRHNull
	defer func() {
		if err != nil {
			v.end()
		}
	}()
	if v.cfg.Socket != "" {
		// Nobody else starts an emulator. One that runs says so.
		_, err := tpm2.Startup{StartupType: tpm2.TPMSUClear}.Execute(v.wire)
		if err != nil && !errors.Is(err, tpm2.TPMRCInitialize) {
			return fmt.Errorf("start the TPM: %w", err)
		}
	}
	return v.load()
}

// load loads the storage primary key, which is always the same until the TPM is
// cleared.
func (v *Vault) load() error {
	r, err := tpm2.CreatePrimary{
		PrimaryHandle: tpm2.AuthHandle{Handle: tpm2.TPMRHOwner, Auth: tpm2.HMAC(tpm2.TPMAlgSHA256, 32, tpm2.Auth(v.auth))},
		InPublic:      tpm2.New2B(tpm2.ECCSRKTemplate),
	}.Execute(v.wire)
	if isRefused(err) {
		return fmt.Errorf("%w: %w", ErrAuthorization, err)
	}
	if err != nil {
		return fmt.Errorf("load the storage primary key: %w", err)
	}
	v.primary = r.ObjectHandle
	public, err := r.OutPublic.Contents()
	if err != nil {
		return fmt.Errorf("load the storage primary key: %w", err)
	}
	point, err := public.Unique.ECC()
	if err != nil || len(point.X.Buffer) > 32 || len(point.Y.Buffer) > 32 {
		return errors.Join(err, errors.New("the storage primary key is not a point of P-256"))
	}
	var key [2][32]byte
	copy(key[0][32-len(point.X.Buffer):], point.X.Buffer)
	copy(key[1][32-len(point.Y.Buffer):], point.Y.Buffer)
	if v.id.Primary == (Identity{}).Primary {
		v.id.Primary = key
	}
	if v.id.Primary != key {
		return ErrOtherTPM
	}
	return nil
}

// end releases what begin took.
func (v *Vault) end() {
	if v.primary != tpm2.TPMRHNull {
		// A transient key that stays costs room until the TPM is reset; the
		// resource manager of the kernel removes it with the connection.
		_, _ = tpm2.FlushContext{FlushHandle: v.primary}.Execute(v.wire)
	}
	v.wire.Close()
	clear(v.auth)
	v.auth = nil
}

// session returns a session that knows an authorization value, and is salted to the
// key that was noted when the vault was made.
func (v *Vault) session(auth []byte, more ...tpm2.AuthOption) tpm2.Session {
	public := tpm2.ECCSRKTemplate
	public.Unique = tpm2.NewTPMUPublicID(tpm2.TPMAlgECC, &tpm2.TPMSECCPoint{
		X: tpm2.TPM2BECCParameter{Buffer: v.id.Primary[0][:]},
		Y: tpm2.TPM2BECCParameter{Buffer: v.id.Primary[1][:]},
	})
	options := append([]tpm2.AuthOption{tpm2.Auth(auth), tpm2.Salted(v.primary, public)}, more...)
	return tpm2.HMAC(tpm2.TPMAlgSHA256, 32, options...)
}

// owner returns the authorization of the TPM's owner.
func (v *Vault) owner(more ...tpm2.AuthOption) tpm2.AuthHandle {
	return tpm2.AuthHandle{Handle: tpm2.TPMRHOwner, Auth: v.session(v.auth, more...)}
}

// of returns the indices of an epoch.
func of(all []index, epoch uint64) []index {
	return slices.DeleteFunc(slices.Clone(all), func(x index) bool { return x.epoch != epoch })
}

// Make implements [rootseal.Vault].
func (v *Vault) Make(ctx context.Context, epoch uint64) (rootseal.Secret, error) {
	s, err := v.make(ctx, epoch)
	if err != nil {
		return rootseal.Secret{}, fmt.Errorf("tpm: make the secret of epoch %d: %w", epoch, err)
	}
	return s, nil
}

func (v *Vault) make(ctx context.Context, epoch uint64) (s rootseal.Secret, err error) {
	if err := v.begin(ctx); err != nil {
		return s, err
	}
	defer v.end()
	all, taken, err := v.indices()
	if err != nil {
		return s, err
	}
	for _, x := range all {
		switch {
		case x.epoch == epoch && x.isWritten:
			return s, rootseal.ErrExists
		case !x.isWritten: // a crash cut its making
			if err := v.undefine(x); err != nil {
				return s, err
			}
		}
	}
	handle := free(taken)
	if err := v.define(handle, epoch); err != nil {
		return s, err
	}
	rand.Read(s[:])
	if err := v.write(handle, epoch, s[:]); err != nil {
		return s, err
	}
	back, err := v.read(handle, epoch)
	if err != nil {
		return s, err
	}
	defer clear(back)
	if subtle.ConstantTimeCompare(back, s[:]) != 1 {
		return s, fmt.Errorf("the TPM gives back another secret: %w", rootseal.ErrDamaged)
	}
	return s, nil
}

// free draws an index that is not taken.
func free(taken map[tpm2.TPMHandle]bool) tpm2.TPMHandle {
	for {
		var b [4]byte
		rand.Read(b[:])
		h := tpm2.TPMHandle(firstIndex + binary.BigEndian.Uint32(b[:])%(lastIndex-firstIndex+1))
		if !taken[h] {
			return h
		}
	}
}

// Open implements [rootseal.Vault]. It returns [ErrUnsafe] if the index of the epoch is
// not as coffer makes it.
func (v *Vault) Open(ctx context.Context, epoch uint64) (rootseal.Secret, error) {
	s, err := v.open(ctx, epoch)
	if err != nil {
		return rootseal.Secret{}, fmt.Errorf("tpm: open epoch %d: %w", epoch, err)
	}
	return s, nil
}

func (v *Vault) open(ctx context.Context, epoch uint64) (s rootseal.Secret, err error) {
	if err := v.begin(ctx); err != nil {
		return s, err
	}
	defer v.end()
	all, _, err := v.indices()
	if err != nil {
		return s, err
	}
	written := slices.DeleteFunc(of(all, epoch), func(x index) bool { return !x.isWritten })
	switch {
	case len(written) == 0:
		return s, rootseal.ErrNoRoot
	case len(written) > 1:
		return s, fmt.Errorf("%d indices have its mark: %w", len(written), ErrUnsafe)
	case !written[0].isSafe:
		return s, fmt.Errorf("index %#x has other attributes: %w", uint32(written[0].handle), ErrUnsafe)
	}
	b, err := v.read(written[0].handle, epoch)
	if err != nil {
		return s, err
	}
	defer clear(b)
	copy(s[:], b)
	return s, nil
}

// Forget implements [rootseal.Vault]: it undefines the index of the epoch, and looks
// whether it is gone.
func (v *Vault) Forget(ctx context.Context, epoch uint64) error {
	if err := v.forget(ctx, epoch); err != nil {
		return fmt.Errorf("tpm: forget epoch %d: %w", epoch, err)
	}
	return nil
}

func (v *Vault) forget(ctx context.Context, epoch uint64) error {
	if err := v.begin(ctx); err != nil {
		return err
	}
	defer v.end()
	all, _, err := v.indices()
	if err != nil {
		return err
	}
	for _, x := range of(all, epoch) {
		if err := v.undefine(x); err != nil {
			return err
		}
	}
	left, _, err := v.indices()
	if err == nil && len(of(left, epoch)) > 0 {
		err = errors.New("its index is still there")
	}
	return err
}

// Epochs implements [rootseal.Vault].
func (v *Vault) Epochs(ctx context.Context) ([]uint64, error) {
	if err := v.begin(ctx); err != nil {
		return nil, fmt.Errorf("tpm: list the epochs: %w", err)
	}
	defer v.end()
	all, _, err := v.indices()
	if err != nil {
		return nil, fmt.Errorf("tpm: %w", err)
	}
	var epochs []uint64
	for _, x := range all {
		if x.isWritten {
			epochs = append(epochs, x.epoch)
		}
	}
	slices.Sort(epochs)
	return slices.Compact(epochs), nil
}

// Close does nothing: a vault has no connection between calls.
func (v *Vault) Close() error { return nil }
