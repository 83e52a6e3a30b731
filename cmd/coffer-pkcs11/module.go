//go:build cgo

package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"unsafe"

	"github.com/miekg/pkcs11"

	wire "coffer/internal/rootseal/pkcs11"
)

// A session is a read-write session with a token, as its user.
type session struct {
	module *pkcs11.Ctx
	slot   uint
	handle pkcs11.SessionHandle
}

// open loads the module, finds the token and logs in.
func open(r *wire.Request) (wire.Session, string, error) {
	if _, err := os.Stat(r.Module); err != nil {
		return nil, "", wire.Failf(wire.StatusModule, "%v", err)
	}
	module := pkcs11.New(r.Module)
	if module == nil {
		return nil, "", wire.Failf(wire.StatusModule, "%s is not a PKCS #11 module, or misses a library", r.Module)
	}
	if err := module.Initialize(); err != nil {
		return nil, "", wire.Failf(wire.StatusModule, "%s: C_Initialize: %v", r.Module, err)
	}
	slot, info, err := find(module, r.Token, r.Serial)
	if err != nil {
		return nil, "", err
	}
	s := &session{module: module, slot: slot}
	if s.handle, err = module.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION); err != nil {
		return nil, "", failure("C_OpenSession", err)
	}
	if err := s.login(info, r.PIN); err != nil {
		return nil, "", err
	}
	token := fmt.Sprintf("%s (%s %s, serial number %s)",
		trim(info.Label), trim(info.ManufacturerID), trim(info.Model), trim(info.SerialNumber))
	return s, token, nil
}

// trim removes the padding of a token's name.
func trim(s string) string { return strings.TrimRight(s, " \x00") }

// find returns the slot of the one token with the label, and the serial number
// unless it is empty.
func find(module *pkcs11.Ctx, label, serial string) (uint, pkcs11.TokenInfo, error) {
	slots, err := module.GetSlotList(true)
	if err != nil {
		return 0, pkcs11.TokenInfo{}, failure("C_GetSlotList", err)
	}
	var found []uint
	var info pkcs11.TokenInfo
	for _, slot := range slots {
		i, err := module.GetTokenInfo(slot)
		if err != nil {
			continue // a token that went, or is not recognized
		}
		if trim(i.Label) == label && (serial == "" || trim(i.SerialNumber) == serial) {
			found, info = append(found, slot), i
		}
	}
	switch len(found) {
	case 1:
		return found[0], info, nil
	case 0:
		return 0, info, wire.Failf(wire.StatusNoToken, "none of the module's %d tokens is labelled %q with the serial number asked for", len(slots), label)
	}
	return 0, info, wire.Failf(wire.StatusNoToken, "%d tokens are labelled %q: add serial=", len(found), label)
}

// login logs in with the PIN. The last try that a token has is not spent: a service
// that restarts itself would lock the token.
func (s *session) login(info pkcs11.TokenInfo, pin []byte) error {
	switch {
	case info.Flags&pkcs11.CKF_USER_PIN_LOCKED != 0:
		return wire.Failf(wire.StatusPINLocked, "the token says so")
	case info.Flags&pkcs11.CKF_USER_PIN_FINAL_TRY != 0:
		return wire.Failf(wire.StatusPINLocked, "one try is left; log in by hand to get the others back")
	}
	err := s.module.Login(s.handle, pkcs11.CKU_USER, unsafe.String(unsafe.SliceData(pin), len(pin)))
	switch {
	case err == nil, is(err, pkcs11.CKR_USER_ALREADY_LOGGED_IN):
		return nil
	case is(err, pkcs11.CKR_PIN_INCORRECT, pkcs11.CKR_PIN_INVALID, pkcs11.CKR_PIN_LEN_RANGE):
		return wire.Failf(wire.StatusPIN, "%v", err)
	case is(err, pkcs11.CKR_PIN_LOCKED, pkcs11.CKR_PIN_EXPIRED):
		return wire.Failf(wire.StatusPINLocked, "%v", err)
	}
	return failure("C_Login", err)
}

// is reports whether err is one of the return values.
func is(err error, values ...pkcs11.Error) bool {
	e, ok := errors.AsType[pkcs11.Error](err)
	if !ok {
		return false
	}
	for _, v := range values {
		if e == v {
			return true
		}
	}
	return false
}

// failure names the call that failed. What ends the session says so, and coffer
// starts the helper again.
func failure(call string, err error) error {
	status := wire.StatusFailed
	if is(err, pkcs11.CKR_SESSION_HANDLE_INVALID, pkcs11.CKR_SESSION_CLOSED, pkcs11.CKR_USER_NOT_LOGGED_IN,
		pkcs11.CKR_TOKEN_NOT_PRESENT, pkcs11.CKR_DEVICE_REMOVED, pkcs11.CKR_CRYPTOKI_NOT_INITIALIZED) {
		status = wire.StatusLost
	}
	return wire.Failf(status, "%s: %v", call, err)
}
