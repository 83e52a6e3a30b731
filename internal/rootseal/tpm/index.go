package tpm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/google/go-tpm/tpm2"
)

const (
	secretSize = 32
	// firstIndex and lastIndex are the NV indices of a TPM's owner that nobody
	// has reserved.
	//
	// Source: TCG Registry of Reserved TPM 2.0 Handles and Localities, version
	// 1.1, section 2.2: 0x01800000 to 0x01bfffff, read 2026-11-22.
	firstIndex = 0x01800000
	lastIndex  = 0x01bfffff
	// maxIndices is how many NV indices of the TPM are looked at.
	maxIndices = 2048
	markPrefix = "coffer/1"
)

// mark returns the authPolicy of an epoch's index.
func (i *Identity) mark(epoch uint64) []byte {
	b := append([]byte(markPrefix), i.ID[:]...)
	return binary.BigEndian.AppendUint64(b, epoch)
}

// epoch returns the epoch of an index with the mark, if it is one of the vault.
func (i *Identity) epoch(mark []byte) (uint64, bool) {
	if len(mark) != len(markPrefix)+len(i.ID)+8 || !bytes.HasPrefix(mark, append([]byte(markPrefix), i.ID[:]...)) {
		return 0, false
	}
	return binary.BigEndian.Uint64(mark[len(mark)-8:]), true
}

// public returns the public area of an epoch's index.
func (i *Identity) public(handle tpm2.TPMHandle, epoch uint64, isWritten bool) *tpm2.TPMSNVPublic {
	return &tpm2.TPMSNVPublic{
		NVIndex: handle,
		NameAlg: tpm2.TPMAlgSHA256,
		Attributes: tpm2.TPMANV{
			NT: tpm2.TPMNTOrdinary, AuthRead: true, AuthWrite: true, NoDA: true, WriteAll: true, Written: isWritten,
		},
		AuthPolicy: tpm2.TPM2BDigest{Buffer: i.mark(epoch)},
		DataSize:   secretSize,
	}
}

// An index is an NV index of the vault.
type index struct {
	handle    tpm2.TPMHandle
	epoch     uint64
	isWritten bool
	name      tpm2.TPM2BName // as the TPM says
	isSafe    bool           // the public area is as coffer makes it
}

// indices returns the indices of the vault, and every handle that is taken.
func (v *Vault) indices() ([]index, map[tpm2.TPMHandle]bool, error) {
	taken := map[tpm2.TPMHandle]bool{}
	for next := uint32(tpm2.TPMHTNVIndex) << 24; ; {
		r, err := tpm2.GetCapability{Capability: tpm2.TPMCapHandles, Property: next, PropertyCount: 128}.Execute(v.wire)
		if err != nil {
			return nil, nil, fmt.Errorf("list the NV indices: %w", err)
		}
		list, err := r.CapabilityData.Data.Handles()
		if err != nil {
			return nil, nil, fmt.Errorf("list the NV indices: %w", err)
		}
		for _, h := range list.Handle {
			if uint32(h) < next || tpm2.TPMHT(h>>24) != tpm2.TPMHTNVIndex {
				return nil, nil, fmt.Errorf("list the NV indices: handle %#x is out of order", uint32(h))
			}
			taken[h] = true
			next = uint32(h) + 1
		}
		if !r.MoreData || len(list.Handle) == 0 {
			break
		}
		if len(taken) > maxIndices {
			return nil, nil, fmt.Errorf("the TPM has more than %d NV indices", maxIndices)
		}
	}
	var ours []index
	for h := range taken {
		r, err := tpm2.NVReadPublic{NVIndex: h}.Execute(v.wire)
		if isGone(err) {
			continue
		}
		if err != nil {
			return nil, nil, fmt.Errorf("read the public area of index %#x: %w", uint32(h), err)
		}
		public, err := r.NVPublic.Contents()
		if err != nil {
			return nil, nil, fmt.Errorf("read the public area of index %#x: %w", uint32(h), err)
		}
		epoch, ok := v.id.epoch(public.AuthPolicy.Buffer)
		if !ok {
			continue
		}
		x := index{handle: h, epoch: epoch, isWritten: public.Attributes.Written, name: r.NVName}
		want, err := tpm2.NVName(v.id.public(h, epoch, x.isWritten))
		if err != nil {
			return nil, nil, err
		}
		x.isSafe = bytes.Equal(want.Buffer, r.NVName.Buffer)
		ours = append(ours, x)
	}
	return ours, taken, nil
}

// isGone reports whether a command failed because there is no such handle.
func isGone(err error) bool {
	return errors.Is(err, tpm2.TPMRCHandle) || errors.Is(err, tpm2.TPMRCReferenceH0)
}

// define makes the index of an epoch, without data.
func (v *Vault) define(handle tpm2.TPMHandle, epoch uint64) error {
	_, err := tpm2.NVDefineSpace{
		AuthHandle: v.owner(tpm2.AESEncryption(128, tpm2.EncryptIn)),
		Auth:       tpm2.TPM2BAuth{Buffer: bytes.Clone(v.id.Auth[:])},
		PublicInfo: tpm2.New2B(*v.id.public(handle, epoch, false)),
	}.Execute(v.wire)
	switch {
	case errors.Is(err, tpm2.TPMRCNVSpace):
		return ErrFull
	case isRefused(err):
		return fmt.Errorf("%w: %w", ErrAuthorization, err)
	case err != nil:
		return fmt.Errorf("define NV index %#x: %w", uint32(handle), err)
	}
	return nil
}

// isRefused reports whether the TPM refused an authorization.
func isRefused(err error) bool {
	return errors.Is(err, tpm2.TPMRCAuthFail) || errors.Is(err, tpm2.TPMRCBadAuth)
}

// user returns the authorization of an index's user, in a session that also
// encrypts a parameter.
func (v *Vault) user(name tpm2.TPM2BName, handle tpm2.TPMHandle, encrypt tpm2.AuthOption) tpm2.AuthHandle {
	return tpm2.AuthHandle{Handle: handle, Name: name, Auth: v.session(v.id.Auth[:], encrypt)}
}

func (v *Vault) write(handle tpm2.TPMHandle, epoch uint64, secret []byte) error {
	name, err := tpm2.NVName(v.id.public(handle, epoch, false))
	if err != nil {
		return err
	}
	_, err = tpm2.NVWrite{
		AuthHandle: v.user(*name, handle, tpm2.AESEncryption(128, tpm2.EncryptIn)),
		NVIndex:    tpm2.NamedHandle{Handle: handle, Name: *name},
		Data:       tpm2.TPM2BMaxNVBuffer{Buffer: bytes.Clone(secret)},
	}.Execute(v.wire)
	if err != nil {
		return fmt.Errorf("write NV index %#x: %w", uint32(handle), err)
	}
	return nil
}

// read returns the data of an index. The Name in the session is the one that coffer
// computes, so data of another epoch, or of an index that others may read, fails.
func (v *Vault) read(handle tpm2.TPMHandle, epoch uint64) ([]byte, error) {
	name, err := tpm2.NVName(v.id.public(handle, epoch, true))
	if err != nil {
		return nil, err
	}
	r, err := tpm2.NVRead{
		AuthHandle: v.user(*name, handle, tpm2.AESEncryption(128, tpm2.EncryptOut)),
		NVIndex:    tpm2.NamedHandle{Handle: handle, Name: *name},
		Size:       secretSize,
	}.Execute(v.wire)
	if err != nil {
		return nil, fmt.Errorf("read NV index %#x: %w", uint32(handle), err)
	}
	if len(r.Data.Buffer) != secretSize {
		return nil, fmt.Errorf("read NV index %#x: %d bytes, want %d", uint32(handle), len(r.Data.Buffer), secretSize)
	}
	return r.Data.Buffer, nil
}

func (v *Vault) undefine(x index) error {
	_, err := tpm2.NVUndefineSpace{
		AuthHandle: v.owner(),
		NVIndex:    tpm2.NamedHandle{Handle: x.handle, Name: x.name},
	}.Execute(v.wire)
	switch {
	case isRefused(err):
		return fmt.Errorf("%w: %w", ErrAuthorization, err)
	case err != nil && !isGone(err):
		return fmt.Errorf("undefine NV index %#x: %w", uint32(x.handle), err)
	}
	return nil
}
