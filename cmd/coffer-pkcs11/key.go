//go:build cgo

package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"strings"

	"github.com/miekg/pkcs11"

	wire "coffer/internal/rootseal/pkcs11"
)

// maxObjects is how many secret keys of a token are looked at. Modules find labels
// as a whole only, so a list reads every label.
const maxObjects = 16384

// A recipe says how a kind of key is made.
type recipe struct {
	kind      wire.Kind
	mechanism uint
	keyType   uint
	use       uint // the attribute that allows what derives a secret
}

// recipes in the order in which they are tried. Generic secrets with HMAC are what
// most modules have; YubiHSM 2 wants the key type to name the hash; a few have no
// HMAC for keys that they made, but all of them AES.
var recipes = []recipe{
	{wire.KindGeneric, pkcs11.CKM_GENERIC_SECRET_KEY_GEN, pkcs11.CKK_GENERIC_SECRET, pkcs11.CKA_SIGN},
	{wire.KindHMAC, pkcs11.CKM_GENERIC_SECRET_KEY_GEN, pkcs11.CKK_SHA256_HMAC, pkcs11.CKA_SIGN},
	{wire.KindAES, pkcs11.CKM_AES_KEY_GEN, pkcs11.CKK_AES, pkcs11.CKA_ENCRYPT},
}

func template(label string) []*pkcs11.Attribute {
	return []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY),
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true),
		pkcs11.NewAttribute(pkcs11.CKA_LABEL, label),
	}
}

// objects returns the secret keys that match a template.
func (s *session) objects(t []*pkcs11.Attribute) ([]pkcs11.ObjectHandle, error) {
	if err := s.module.FindObjectsInit(s.handle, t); err != nil {
		return nil, failure("C_FindObjectsInit", err)
	}
	defer s.module.FindObjectsFinal(s.handle)
	var all []pkcs11.ObjectHandle
	for {
		some, _, err := s.module.FindObjects(s.handle, 256)
		if err != nil {
			return nil, failure("C_FindObjects", err)
		}
		if len(some) == 0 {
			return all, nil
		}
		if all = append(all, some...); len(all) > maxObjects {
			return nil, wire.Failf(wire.StatusFailed, "the token has more than %d secret keys: give coffer a token of its own", maxObjects)
		}
	}
}

// List implements [wire.Session].
func (s *session) List(prefix string) ([]string, error) {
	all, err := s.objects(template("")[:2])
	if err != nil {
		return nil, err
	}
	var labels []string
	for _, o := range all {
		a, err := s.module.GetAttributeValue(s.handle, o, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_LABEL, nil)})
		if is(err, pkcs11.CKR_OBJECT_HANDLE_INVALID) {
			continue // destroyed by someone since
		}
		if err != nil {
			return nil, failure("C_GetAttributeValue", err)
		}
		label := string(a[0].Value)
		switch {
		case !strings.HasPrefix(label, prefix):
		case len(label) > wire.MaxLabel:
			return nil, wire.Failf(wire.StatusUnsafe, "a key has a label of %d bytes that begins with %s", len(label), prefix)
		default:
			labels = append(labels, label)
		}
	}
	return labels, nil
}

// Make implements [wire.Session]. It generates the key in the token.
func (s *session) Make(label string, kind wire.Kind) error {
	there, err := s.objects(template(label))
	if err != nil {
		return err
	}
	if len(there) > 0 {
		return wire.Failf(wire.StatusExists, "%s", label)
	}
	refused := wire.Failf(wire.StatusRefused, "unknown kind of key")
	for _, r := range recipes {
		if kind != wire.KindAny && kind != r.kind {
			continue
		}
		t := append(template(label),
			pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, r.keyType),
			pkcs11.NewAttribute(pkcs11.CKA_VALUE_LEN, wire.SecretSize),
			pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, true),
			pkcs11.NewAttribute(pkcs11.CKA_SENSITIVE, true),
			pkcs11.NewAttribute(pkcs11.CKA_EXTRACTABLE, false),
			pkcs11.NewAttribute(r.use, true),
		)
		_, err := s.module.GenerateKey(s.handle, []*pkcs11.Mechanism{pkcs11.NewMechanism(r.mechanism, nil)}, t)
		if err == nil {
			if err = s.try(label); err == nil {
				return nil
			}
			refused = err
			continue // a module may make keys that it can't use
		}
		refused = failure("C_GenerateKey", err)
		if !unsupported(err) {
			break
		}
	}
	return refused
}

// unsupported reports whether the module may make another kind of key.
func unsupported(err error) bool {
	return is(err, pkcs11.CKR_MECHANISM_INVALID, pkcs11.CKR_MECHANISM_PARAM_INVALID, pkcs11.CKR_TEMPLATE_INCONSISTENT,
		pkcs11.CKR_TEMPLATE_INCOMPLETE, pkcs11.CKR_ATTRIBUTE_VALUE_INVALID, pkcs11.CKR_ATTRIBUTE_TYPE_INVALID,
		pkcs11.CKR_KEY_SIZE_RANGE, pkcs11.CKR_FUNCTION_NOT_SUPPORTED, pkcs11.CKR_KEY_FUNCTION_NOT_PERMITTED)
}

// try derives from a new key, and destroys one that is of no use.
func (s *session) try(label string) error {
	secret, err := s.Derive(label, []byte("coffer"))
	clear(secret[:])
	if err != nil {
		_, gone := s.Destroy(label)
		return errors.Join(err, gone)
	}
	return nil
}

// Derive implements [wire.Session].
func (s *session) Derive(label string, input []byte) (secret [wire.SecretSize]byte, err error) {
	there, err := s.objects(template(label))
	switch {
	case err != nil:
		return secret, err
	case len(there) == 0:
		return secret, wire.Failf(wire.StatusNotFound, "no key is labelled %s", label)
	case len(there) > 1:
		return secret, wire.Failf(wire.StatusUnsafe, "%d keys are labelled %s", len(there), label)
	}
	key := there[0]
	keyType, err := s.check(key, label)
	if err != nil {
		return secret, err
	}
	var out []byte
	switch keyType {
	case pkcs11.CKK_GENERIC_SECRET, pkcs11.CKK_SHA256_HMAC:
		if err = s.module.SignInit(s.handle, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_SHA256_HMAC, nil)}, key); err != nil {
			return secret, failure("C_SignInit", err)
		}
		if out, err = s.module.Sign(s.handle, input); err != nil {
			return secret, failure("C_Sign", err)
		}
	case pkcs11.CKK_AES:
		// Two blocks of CBC from a constant IV: E(a), E(b ^ E(a)), where a and b
		// are the halves of the input's hash. The hash keeps the blocks of
		// different inputs apart, and nothing else is encrypted with the key.
		sum := sha256.Sum256(input)
		iv := make([]byte, 16)
		if err = s.module.EncryptInit(s.handle, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_AES_CBC, iv)}, key); err != nil {
			return secret, failure("C_EncryptInit", err)
		}
		if out, err = s.module.Encrypt(s.handle, sum[:]); err != nil {
			return secret, failure("C_Encrypt", err)
		}
	}
	defer clear(out)
	if len(out) != len(secret) {
		return secret, wire.Failf(wire.StatusFailed, "the token derived %d bytes, want %d", len(out), len(secret))
	}
	copy(secret[:], out)
	return secret, nil
}

// check returns the type of a key, or a failure unless the token made the key and
// never lets it out: whoever may log in could have put another one there.
func (s *session) check(key pkcs11.ObjectHandle, label string) (uint, error) {
	want := []struct {
		name  string
		kind  uint
		value []byte
	}{
		{"CKA_SENSITIVE", pkcs11.CKA_SENSITIVE, []byte{1}},
		{"CKA_ALWAYS_SENSITIVE", pkcs11.CKA_ALWAYS_SENSITIVE, []byte{1}},
		{"CKA_EXTRACTABLE", pkcs11.CKA_EXTRACTABLE, []byte{0}},
		{"CKA_NEVER_EXTRACTABLE", pkcs11.CKA_NEVER_EXTRACTABLE, []byte{1}},
		{"CKA_LOCAL", pkcs11.CKA_LOCAL, []byte{1}},
	}
	for _, w := range want {
		a, err := s.module.GetAttributeValue(s.handle, key, []*pkcs11.Attribute{pkcs11.NewAttribute(w.kind, nil)})
		if err != nil {
			return 0, failure("C_GetAttributeValue of "+w.name, err)
		}
		if !bytes.Equal(a[0].Value, w.value) {
			return 0, wire.Failf(wire.StatusUnsafe, "%s of the key %s is %x, want %x", w.name, label, a[0].Value, w.value)
		}
	}
	a, err := s.module.GetAttributeValue(s.handle, key, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, nil)})
	if err != nil {
		return 0, failure("C_GetAttributeValue of CKA_KEY_TYPE", err)
	}
	for _, r := range recipes {
		if bytes.Equal(a[0].Value, pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, r.keyType).Value) {
			return r.keyType, nil
		}
	}
	return 0, wire.Failf(wire.StatusUnsafe, "the key %s is of the type %x", label, a[0].Value)
}

// Destroy implements [wire.Session].
func (s *session) Destroy(label string) (int, error) {
	there, err := s.objects(template(label))
	if err != nil {
		return 0, err
	}
	for _, o := range there {
		if err := s.module.DestroyObject(s.handle, o); err != nil && !is(err, pkcs11.CKR_OBJECT_HANDLE_INVALID) {
			return 0, failure("C_DestroyObject", err)
		}
	}
	left, err := s.objects(template(label))
	if err != nil {
		return 0, err
	}
	if len(left) > 0 {
		return 0, wire.Failf(wire.StatusFailed, "%d keys are still labelled %s", len(left), label)
	}
	return len(there), nil
}
