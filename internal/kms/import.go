package kms

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"

	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/awsjson"
	"coffer/internal/key"
	"coffer/internal/keyspec"
	"coffer/internal/keywrap"
)

// Values and limits of imports.
//
// Source: AWS KMS API Reference, GetParametersForImport and ImportKeyMaterial, read
// 2026-11-21.
var (
	wrappingAlgorithms = []string{"RSAES_PKCS1_V1_5", keywrap.OAEPSHA1, keywrap.OAEPSHA256, keywrap.RSAAESSHA1, keywrap.RSAAESSHA256, "SM2PKE"}
	wrappingBits       = map[string]int{"RSA_2048": 2048, "RSA_3072": 3072, "RSA_4096": 4096}
	wrappingSpecs      = []string{"RSA_2048", "RSA_3072", "RSA_4096", keyspec.SM2}
	expirationModels   = []string{expires, expiresNot}
	importTypes        = []string{newMaterialType, "EXISTING_KEY_MATERIAL"}
)

const (
	expires         = "KEY_MATERIAL_EXPIRES"
	expiresNot      = "KEY_MATERIAL_DOES_NOT_EXPIRE"
	newMaterialType = "NEW_KEY_MATERIAL"

	importLife       = 24 * time.Hour // of an import token
	maxImportLife    = 365 * day      // of material that expires
	maxImport        = 6144           // bytes of wrapped material, and of a token
	importPurpose    = "import-token/v1"
	maxMaterialNotes = 256
)

// expirationModel says whether imported material expires.
func expirationModel(at time.Time) string {
	if at.IsZero() {
		return expiresNot
	}
	return expires
}

// An importToken is what GetParametersForImport gives a client to bring back: the
// private key that unwraps the material, sealed. It is in no store, so that it dies
// with the client's copy; who has the token, the wrapped material and the store key
// has the material.
//
//	token = u8 version = 1 | nonce (12) | AES-256-GCM of the CBOR of an importToken | tag (16)
type importToken struct {
	Account   string `cbor:"1,keyasint"`
	Region    string `cbor:"2,keyasint"`
	KeyID     string `cbor:"3,keyasint"`
	Algorithm string `cbor:"4,keyasint"`
	Until     int64  `cbor:"5,keyasint"` // Unix seconds of calendar time
	Private   []byte `cbor:"6,keyasint"` // PKCS #1
}

// GetParametersForImportInput is the request of [Service.GetParametersForImport].
type GetParametersForImportInput struct {
	KeyID             string `json:"KeyId"`
	WrappingAlgorithm string `json:"WrappingAlgorithm"`
	WrappingKeySpec   string `json:"WrappingKeySpec"`
}

// GetParametersForImportOutput is the answer of [Service.GetParametersForImport].
type GetParametersForImportOutput struct {
	KeyID             string       `json:"KeyId"` // ARN
	ImportToken       []byte       `json:"ImportToken"`
	PublicKey         []byte       `json:"PublicKey"`
	ParametersValidTo awsjson.Time `json:"ParametersValidTo"`
}

// GetParametersForImport returns a public key to wrap key material with, and the token
// to bring with it, both good for a day.
//
// It returns a *awserr.Error with code ValidationException, NotFoundException,
// InvalidArnException, AccessDeniedException, KMSInvalidStateException, or
// UnsupportedOperationException for a key whose origin is not EXTERNAL, and for the
// algorithms that AWS refuses, or has in China alone.
//
// Source: AWS KMS API Reference, GetParametersForImport.
func (s *Service) GetParametersForImport(ctx context.Context, c *authn.Caller, in *GetParametersForImportInput) (*GetParametersForImportOutput, error) {
	return run(ctx, s, c, "GetParametersForImport", reads, func(call *authz.Call) (*GetParametersForImportOutput, error) {
		call.Param("keyId", in.KeyID)
		recordFilters(call, "wrappingAlgorithm", in.WrappingAlgorithm, "wrappingKeySpec", in.WrappingKeySpec)
		var v checker
		v.required("keyId", in.KeyID, maxKeyID)
		v.required("wrappingAlgorithm", in.WrappingAlgorithm, 64)
		v.required("wrappingKeySpec", in.WrappingKeySpec, 64)
		v.oneOf("wrappingAlgorithm", in.WrappingAlgorithm, wrappingAlgorithms)
		v.oneOf("wrappingKeySpec", in.WrappingKeySpec, wrappingSpecs)
		if err := v.err(); err != nil {
			return nil, err
		}
		q := &conditions{caller: c, more: map[string]string{"kms:wrappingalgorithm": in.WrappingAlgorithm, "kms:wrappingkeyspec": in.WrappingKeySpec}}
		k, err := s.use(ctx, call, q, "kms:GetParametersForImport", in.KeyID, keysOnly)
		if err == nil {
			err = call.Covers(k.ARN)
		}
		if err == nil {
			err = importable(k)
		}
		if err != nil {
			return nil, err
		}
		if spec, ok := keyspec.Lookup(k.Spec); !ok || !spec.Wraps(in.WrappingAlgorithm, in.WrappingKeySpec) {
			return nil, unsupported("Wrapping algorithm %s with wrapping key spec %s is not valid for key material of key spec %s.",
				in.WrappingAlgorithm, in.WrappingKeySpec, k.Spec)
		}
		bits := wrappingBits[in.WrappingKeySpec]
		private, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			return nil, fmt.Errorf("make a wrapping key: %w", err)
		}
		until := s.now().Add(importLife).Truncate(time.Second)
		token, err := s.sealImport(&importToken{k.Account, k.Region, k.ID, in.WrappingAlgorithm, until.Unix(), x509.MarshalPKCS1PrivateKey(private)})
		if err != nil {
			return nil, err
		}
		public, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
		if err != nil {
			return nil, err
		}
		return &GetParametersForImportOutput{KeyID: k.ARN, ImportToken: token, PublicKey: public, ParametersValidTo: awsjson.Time{Time: until}}, nil
	})
}

// ofOrigin refuses keys of another origin.
func ofOrigin(k *key.Key, origin string) error {
	if k.Origin != origin {
		return unsupported("%s origin is %s which is not valid for this operation.", k.ARN, k.Origin)
	}
	return nil
}

// importable refuses keys that take no material.
func importable(k *key.Key) error {
	if err := ofOrigin(k, key.OriginExternal); err != nil {
		return err
	}
	if k.State == key.PendingDeletion || k.State == key.PendingReplicaDeletion {
		return about(k.ARN, key.ErrPendingDeletion)
	}
	return nil
}

// sealImport seals a token, whose private key it wipes.
func (s *Service) sealImport(t *importToken) ([]byte, error) {
	defer clear(t.Private)
	plain, err := cbor.Marshal(t)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	aead, err := s.importSeal()
	if err != nil {
		return nil, err
	}
	return aead.Seal([]byte{1}, nil, plain, []byte(importPurpose)), nil
}

// openImport reverses sealImport. It returns InvalidImportTokenException.
func (s *Service) openImport(token []byte) (*importToken, error) {
	bad := fault("InvalidImportTokenException", "The import token is not valid, or was made for another key.")
	if len(token) < 1 || token[0] != 1 {
		return nil, bad
	}
	aead, err := s.importSeal()
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nil, token[1:], []byte(importPurpose))
	if err != nil {
		return nil, bad
	}
	defer clear(plain)
	t := new(importToken)
	if err := cbor.Unmarshal(plain, t); err != nil {
		return nil, bad
	}
	return t, nil
}

// importSeal is the AEAD of import tokens. An installation makes far fewer than the
// 2^32 of them that random nonces allow.
func (s *Service) importSeal() (cipher.AEAD, error) {
	secret, err := s.keys.Derive(importPurpose)
	if err != nil {
		return nil, fmt.Errorf("derive key of import tokens: %w", err)
	}
	defer secret.Wipe()
	block, err := aes.NewCipher(secret[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// ImportKeyMaterialInput is the request of [Service.ImportKeyMaterial].
type ImportKeyMaterialInput struct {
	KeyID                  string       `json:"KeyId"`
	ImportToken            []byte       `json:"ImportToken"`
	EncryptedKeyMaterial   []byte       `json:"EncryptedKeyMaterial"`
	ValidTo                awsjson.Time `json:"ValidTo,omitempty"`
	ExpirationModel        string       `json:"ExpirationModel,omitempty"` // KEY_MATERIAL_EXPIRES if empty
	ImportType             string       `json:"ImportType,omitempty"`
	KeyMaterialDescription string       `json:"KeyMaterialDescription,omitempty"`
	KeyMaterialID          string       `json:"KeyMaterialId,omitempty"`
}

// ImportKeyMaterialOutput is the answer of [Service.ImportKeyMaterial].
type ImportKeyMaterialOutput struct {
	KeyID         string `json:"KeyId"` // ARN
	KeyMaterialID string `json:"KeyMaterialId"`
}

// ImportKeyMaterial gives a key material from outside. A key takes back what it had
// before; NEW_KEY_MATERIAL waits for a rotation on demand.
//
// It returns a *awserr.Error with code
//
//   - ValidationException if a member is missing or out of its range,
//   - NotFoundException, InvalidArnException, AccessDeniedException,
//   - InvalidImportTokenException for a token that is damaged or of another key,
//   - ExpiredImportTokenException for one that is older than a day,
//   - InvalidCiphertextException for material that does not unwrap,
//   - IncorrectKeyMaterialException for material that does not suit the key: of
//     another kind, or not what it had before,
//   - KMSInvalidStateException, UnsupportedOperationException.
//
// Source: AWS KMS API Reference, ImportKeyMaterial.
func (s *Service) ImportKeyMaterial(ctx context.Context, c *authn.Caller, in *ImportKeyMaterialInput) (*ImportKeyMaterialOutput, error) {
	return run(ctx, s, c, "ImportKeyMaterial", changes, func(call *authz.Call) (*ImportKeyMaterialOutput, error) {
		model := orDefault(in.ExpirationModel, expires)
		call.Param("keyId", in.KeyID)
		call.Param("expirationModel", model)
		recordFilters(call, "importType", in.ImportType, "keyMaterialId", in.KeyMaterialID, "keyMaterialDescription", in.KeyMaterialDescription)
		more := map[string]string{"kms:expirationmodel": model}
		if !in.ValidTo.IsZero() {
			call.Param("validTo", trailTime(in.ValidTo.Time))
			more["kms:validto"] = in.ValidTo.UTC().Format(time.RFC3339)
		}
		if err := checkImport(in, model, s.now()); err != nil {
			return nil, err
		}
		k, err := s.use(ctx, call, &conditions{caller: c, more: more}, "kms:ImportKeyMaterial", in.KeyID, keysOnly)
		if err == nil {
			err = importable(k)
		}
		if err == nil {
			err = symmetricOnly(k, in)
		}
		if err != nil {
			return nil, err
		}
		material, err := s.unwrapImport(k, in)
		if err != nil {
			return nil, err
		}
		defer clear(material)
		call.Response("keyMaterialId", s.keys.ImportedID(k.Ref, material).String())
		_, id, err := s.keys.Import(ctx, k.Ref, key.ImportInput{Material: material, Expires: in.ValidTo.Time,
			IsNew: in.ImportType == newMaterialType && k.Version > 0, Description: in.KeyMaterialDescription, Wanted: in.KeyMaterialID},
			recordKey(call))
		switch {
		case errors.Is(err, key.ErrKnownMaterial):
			return nil, fault("IncorrectKeyMaterialException", "Key material (id: %s) being imported as NEW_KEY_MATERIAL is already associated with KMS key %s.", id, k.ARN)
		case errors.Is(err, key.ErrImportPending):
			return nil, fault("KMSInvalidStateException", "New key material (id: %s) cannot be imported into KMS key %s, because another key material (id: %s) is pending rotation.",
				id, k.ID, pendingMaterial(k))
		case err != nil:
			return nil, about(k.ARN, err)
		}
		return &ImportKeyMaterialOutput{KeyID: k.ARN, KeyMaterialID: id.String()}, nil
	})
}

// checkImport checks the shape of an ImportKeyMaterial.
func checkImport(in *ImportKeyMaterialInput, model string, now time.Time) error {
	var v checker
	v.required("keyId", in.KeyID, maxKeyID)
	v.blob("importToken", in.ImportToken, maxImport)
	v.blob("encryptedKeyMaterial", in.EncryptedKeyMaterial, maxImport)
	v.oneOf("expirationModel", in.ExpirationModel, expirationModels)
	v.oneOf("importType", in.ImportType, importTypes)
	v.optional("keyMaterialDescription", in.KeyMaterialDescription, maxMaterialNotes)
	if !isMaterialNote(in.KeyMaterialDescription) {
		v.add("Value '"+in.KeyMaterialDescription+"'", "keyMaterialDescription", "Member must satisfy regular expression pattern: ^[a-zA-Z0-9:/_\\s.-]+$")
	}
	v.material(in.KeyMaterialID)
	if err := v.err(); err != nil {
		return err
	}
	switch {
	case in.ImportType == newMaterialType && in.KeyMaterialID != "":
		return fault("ValidationException", "A keyMaterialId must not be set if the ImportType is NEW_KEY_MATERIAL.")
	case model == expires && in.ValidTo.IsZero():
		return fault("ValidationException", "A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES.")
	case model == expiresNot && !in.ValidTo.IsZero():
		return fault("ValidationException", "A validTo date must not be set if the ExpirationModel is KEY_MATERIAL_DOES_NOT_EXPIRE.")
	case !in.ValidTo.IsZero() && !in.ValidTo.After(now):
		return fault("ValidationException", "The validTo date must be in the future.")
	case in.ValidTo.After(now.Add(maxImportLife + day)):
		return fault("ValidationException", "The validTo date must be within 365 days.")
	}
	return nil
}

// material checks the ID of key material, if it is there: 64 hexadecimal digits.
func (v *checker) material(id string) {
	const size = 2 * len(key.MaterialID{})
	switch {
	case id == "":
	case len(id) < size:
		v.add("Value '"+id+"'", "keyMaterialId", fmt.Sprintf("Member must have length greater than or equal to %d", size))
	case len(id) > size:
		v.add("Value '"+id+"'", "keyMaterialId", fmt.Sprintf("Member must have length less than or equal to %d", size))
	case strings.Trim(id, "0123456789abcdef") != "":
		v.add("Value '"+id+"'", "keyMaterialId", "Member must satisfy regular expression pattern: ^[a-f0-9]+$")
	}
}

// isMaterialNote reports whether a description of key material has only the
// characters that the API's model allows.
func isMaterialNote(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune(":/_.- \t\n\v\f\r", r))
	})
}

// symmetricOnly refuses the members of an import that are for keys which can have
// more than one material, in imports for others.
//
// Source: AWS KMS API Reference, ImportKeyMaterial, "only usable with symmetric
// encryption keys", read 2026-11-22. The answer is not recorded.
func symmetricOnly(k *key.Key, in *ImportKeyMaterialInput) error {
	if k.Spec != key.SpecSymmetricDefault && in.ImportType+in.KeyMaterialDescription+in.KeyMaterialID != "" {
		return unsupported("%s key spec is %s: ImportType, KeyMaterialDescription and KeyMaterialId are valid only for symmetric encryption KMS keys.", k.ARN, k.Spec)
	}
	return nil
}

// unwrapImport returns the material of an import, in the form in which it is kept. The
// caller wipes it.
func (s *Service) unwrapImport(k *key.Key, in *ImportKeyMaterialInput) ([]byte, error) {
	t, err := s.openImport(in.ImportToken)
	if err != nil {
		return nil, err
	}
	defer clear(t.Private)
	if (key.Ref{Account: t.Account, Region: t.Region, ID: t.KeyID}) != k.Ref {
		return nil, fault("InvalidImportTokenException", "The import token is not valid, or was made for another key.")
	}
	if s.now().Unix() >= t.Until {
		return nil, fault("ExpiredImportTokenException", "The import token has expired.")
	}
	private, err := x509.ParsePKCS1PrivateKey(t.Private)
	if err != nil {
		return nil, fmt.Errorf("parse a wrapping key: %w", err)
	}
	raw, err := keywrap.Unwrap(t.Algorithm, private, in.EncryptedKeyMaterial)
	if err != nil {
		return nil, fault("InvalidCiphertextException", "The encrypted key material does not open with the wrapping key and algorithm of the import token.")
	}
	defer clear(raw)
	spec, ok := keyspec.Lookup(k.Spec)
	if !ok {
		return nil, fmt.Errorf("%s has the key spec %q", k.ARN, k.Spec)
	}
	material, err := keyspec.Import(spec, raw)
	if err != nil {
		return nil, about(k.ARN, err)
	}
	return bytes.Clone(material), nil
}

func pendingMaterial(k *key.Key) string {
	for _, v := range k.Versions {
		if v.Pending {
			return v.Material.String()
		}
	}
	return ""
}

// DeleteImportedKeyMaterialInput is the request of
// [Service.DeleteImportedKeyMaterial].
type DeleteImportedKeyMaterialInput struct {
	KeyID         string `json:"KeyId"`
	KeyMaterialID string `json:"KeyMaterialId,omitempty"` // the current one if empty
}

// DeleteImportedKeyMaterialOutput is the answer of
// [Service.DeleteImportedKeyMaterial].
type DeleteImportedKeyMaterialOutput struct {
	KeyID         string `json:"KeyId"` // ARN
	KeyMaterialID string `json:"KeyMaterialId"`
}

// DeleteImportedKeyMaterial destroys imported material: when it returns, nothing that
// exists opens it, old backups included. The key works again once the same material is
// imported. A key that is pending deletion loses its material too, and stays so.
//
// It returns a *awserr.Error with code ValidationException, NotFoundException,
// InvalidArnException, AccessDeniedException, KMSInvalidStateException, or
// UnsupportedOperationException for a key whose origin is not EXTERNAL.
//
// Source: AWS KMS API Reference, DeleteImportedKeyMaterial.
func (s *Service) DeleteImportedKeyMaterial(ctx context.Context, c *authn.Caller, in *DeleteImportedKeyMaterialInput) (*DeleteImportedKeyMaterialOutput, error) {
	return run(ctx, s, c, "DeleteImportedKeyMaterial", changes, func(call *authz.Call) (*DeleteImportedKeyMaterialOutput, error) {
		call.Param("keyId", in.KeyID)
		recordFilters(call, "keyMaterialId", in.KeyMaterialID)
		var v checker
		v.required("keyId", in.KeyID, maxKeyID)
		v.material(in.KeyMaterialID)
		if err := v.err(); err != nil {
			return nil, err
		}
		k, err := s.use(ctx, call, &conditions{caller: c}, "kms:DeleteImportedKeyMaterial", in.KeyID, keysOnly)
		if err == nil {
			err = ofOrigin(k, key.OriginExternal)
		}
		if err != nil {
			return nil, err
		}
		wanted := k.Material
		if in.KeyMaterialID != "" {
			b, _ := hex.DecodeString(in.KeyMaterialID)
			wanted = key.MaterialID(b)
		}
		call.Response("keyMaterialId", wanted.String())
		_, err = s.keys.DeleteImported(ctx, k.Ref, wanted, recordKey(call), nil)
		if err != nil {
			return nil, about(k.ARN, err)
		}
		return &DeleteImportedKeyMaterialOutput{KeyID: k.ARN, KeyMaterialID: wanted.String()}, nil
	})
}
