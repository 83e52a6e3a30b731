package kms

import (
	"context"
	"errors"
	"time"

	"coffer/internal/arn"
	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/awsjson"
	"coffer/internal/key"
	"coffer/internal/keyspec"
	"coffer/internal/meta"
	"coffer/internal/xks"
)

// Values that AWS knows outside China, where there is also the key spec SM2.
//
// Source: AWS KMS API Reference, CreateKey, read 2026-11-21.
var (
	keySpecs = []string{"RSA_2048", "RSA_3072", "RSA_4096", "ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521", "ECC_SECG_P256K1",
		key.SpecSymmetricDefault, "HMAC_224", "HMAC_256", "HMAC_384", "HMAC_512", "ML_DSA_44", "ML_DSA_65", "ML_DSA_87",
		"ECC_NIST_EDWARDS25519", "ML_KEM_512", "ML_KEM_768", "ML_KEM_1024"}
	keyUsages = []string{"SIGN_VERIFY", key.UsageEncryptDecrypt, "GENERATE_VERIFY_MAC", "KEY_AGREEMENT", "ENCAPSULATE_DECAPSULATE"}
	origins   = []string{key.OriginAWSKMS, "EXTERNAL", "AWS_CLOUDHSM", "EXTERNAL_KEY_STORE"}
)

const maxDescription = 8192 // characters

// CreateKeyInput is the request of [Service.CreateKey].
type CreateKeyInput struct {
	Policy                         string `json:"Policy,omitempty"`
	Description                    string `json:"Description,omitempty"`
	KeyUsage                       string `json:"KeyUsage,omitempty"`
	KeySpec                        string `json:"KeySpec,omitempty"`
	CustomerMasterKeySpec          string `json:"CustomerMasterKeySpec,omitempty"` // the old name of KeySpec
	Origin                         string `json:"Origin,omitempty"`
	CustomKeyStoreID               string `json:"CustomKeyStoreId,omitempty"`
	XksKeyID                       string `json:"XksKeyId,omitempty"`
	BypassPolicyLockoutSafetyCheck bool   `json:"BypassPolicyLockoutSafetyCheck,omitempty"`
	Tags                           []Tag  `json:"Tags,omitempty"`
	MultiRegion                    bool   `json:"MultiRegion,omitempty"`
}

// CreateKeyOutput is the answer of [Service.CreateKey].
type CreateKeyOutput struct {
	KeyMetadata KeyMetadata `json:"KeyMetadata"`
}

// KeyMetadata describes a key.
type KeyMetadata struct {
	AWSAccountID          string       `json:"AWSAccountId"`
	KeyID                 string       `json:"KeyId"`
	ARN                   string       `json:"Arn"`
	CreationDate          awsjson.Time `json:"CreationDate"`
	Enabled               bool         `json:"Enabled"`
	Description           string       `json:"Description"`
	KeyUsage              string       `json:"KeyUsage"`
	KeyState              string       `json:"KeyState"`
	DeletionDate          awsjson.Time `json:"DeletionDate,omitempty"` // of a key pending deletion
	Origin                string       `json:"Origin"`
	KeyManager            string       `json:"KeyManager"` // CUSTOMER or AWS
	CustomerMasterKeySpec string       `json:"CustomerMasterKeySpec"`
	KeySpec               string       `json:"KeySpec"`
	MultiRegion           bool         `json:"MultiRegion"`
	CurrentKeyMaterialID  string       `json:"CurrentKeyMaterialId,omitempty"` // of symmetric encryption keys

	EncryptionAlgorithms    []string `json:"EncryptionAlgorithms,omitempty"` // one of the lists, by KeyUsage
	SigningAlgorithms       []string `json:"SigningAlgorithms,omitempty"`
	MacAlgorithms           []string `json:"MacAlgorithms,omitempty"`
	KeyAgreementAlgorithms  []string `json:"KeyAgreementAlgorithms,omitempty"`
	EncapsulationAlgorithms []string `json:"EncapsulationAlgorithms,omitempty"`

	MultiRegionConfiguration    *MultiRegionConfiguration `json:"MultiRegionConfiguration,omitempty"`
	PendingDeletionWindowInDays int32                     `json:"PendingDeletionWindowInDays,omitempty"` // of a primary key that waits for its replicas
	ExpirationModel             string                    `json:"ExpirationModel,omitempty"`             // of imported material
	ValidTo                     awsjson.Time              `json:"ValidTo,omitempty"`
	CustomKeyStoreID            string                    `json:"CustomKeyStoreId,omitempty"`
	XksKeyConfiguration         *XksKeyConfiguration      `json:"XksKeyConfiguration,omitempty"`
}

// algorithms returns those that a key knows, if it is for usage.
func algorithms(k *key.Key, usage string) []string {
	spec, ok := keyspec.Lookup(k.Spec)
	if !ok || k.Usage != usage {
		return nil
	}
	return spec.Algorithms(usage)
}

// A MultiRegionConfiguration says where the keys are that share an ID and material.
type MultiRegionConfiguration struct {
	MultiRegionKeyType string           `json:"MultiRegionKeyType"` // PRIMARY or REPLICA
	PrimaryKey         MultiRegionKey   `json:"PrimaryKey"`
	ReplicaKeys        []MultiRegionKey `json:"ReplicaKeys"`
}

// A MultiRegionKey is one of them.
type MultiRegionKey struct {
	ARN    string `json:"Arn"`
	Region string `json:"Region"`
}

// An XksKeyConfiguration names the external key of a key in an external key store.
type XksKeyConfiguration struct {
	ID string `json:"Id"`
}

// metadata describes k as the API does.
func metadata(k *key.Key) KeyMetadata {
	m := KeyMetadata{
		AWSAccountID: k.Account, KeyID: k.ID, ARN: k.ARN, CreationDate: awsjson.Time{Time: k.Created},
		Enabled: k.State == key.Enabled, Description: k.Description, KeyUsage: k.Usage, KeyState: string(k.State),
		DeletionDate: awsjson.Time{Time: k.Deletion}, Origin: k.Origin, KeyManager: k.Manager,
		CustomerMasterKeySpec: k.Spec, KeySpec: k.Spec, CustomKeyStoreID: k.CustomKeyStoreID,
		EncryptionAlgorithms: algorithms(k, keyspec.EncryptDecrypt), SigningAlgorithms: algorithms(k, keyspec.SignVerify),
		MacAlgorithms: algorithms(k, keyspec.GenerateVerifyMAC), KeyAgreementAlgorithms: algorithms(k, keyspec.KeyAgreement),
		EncapsulationAlgorithms: algorithms(k, keyspec.EncapsulateDecapsulate),
	}
	if k.Spec == key.SpecSymmetricDefault && k.Version > 0 {
		m.CurrentKeyMaterialID = k.Material.String()
	}
	if k.XksKeyID != "" {
		m.XksKeyConfiguration = &XksKeyConfiguration{k.XksKeyID}
	}
	if k.State == key.PendingReplicaDeletion {
		m.PendingDeletionWindowInDays = int32(k.PendingWindow / (24 * time.Hour))
	}
	if r := k.MultiRegion; r != nil {
		m.MultiRegion = true
		m.MultiRegionConfiguration = &MultiRegionConfiguration{MultiRegionKeyType: "REPLICA", ReplicaKeys: []MultiRegionKey{},
			PrimaryKey: MultiRegionKey{arn.Key(r.Primary, k.Account, k.ID), r.Primary}}
		if r.Primary == k.Region {
			m.MultiRegionConfiguration.MultiRegionKeyType = "PRIMARY"
		}
		for _, region := range r.Replicas {
			m.MultiRegionConfiguration.ReplicaKeys = append(m.MultiRegionConfiguration.ReplicaKeys,
				MultiRegionKey{arn.Key(region, k.Account, k.ID), region})
		}
	}
	for _, v := range k.Versions {
		if v.Number == k.Version && k.Origin == key.OriginExternal && !v.Missing && k.State != key.PendingImport {
			m.ExpirationModel = expirationModel(v.Expires)
			m.ValidTo = awsjson.Time{Time: v.Expires}
		}
	}
	return m
}

// CreateKey makes a key: with material of its own, or for material to be imported.
//
// It returns a *awserr.Error with code
//
//   - ValidationException for values that AWS does not know, or that contradict each
//     other,
//   - UnsupportedOperationException for AWS CloudHSM, which can't be here,
//   - MalformedPolicyDocumentException or LimitExceededException for a key policy
//     that can't be, or that would keep the caller from changing it,
//   - TagException for too many, duplicate or reserved tags,
//   - AccessDeniedException, LimitExceededException,
//   - CustomKeyStoreNotFoundException, CustomKeyStoreInvalidStateException and codes
//     that begin with XksKey for a key in an external key store.
//
// Source: AWS KMS API Reference, CreateKey.
func (s *Service) CreateKey(ctx context.Context, c *authn.Caller, in *CreateKeyInput) (*CreateKeyOutput, error) {
	return run(ctx, s, c, "CreateKey", changes, func(call *authz.Call) (*CreateKeyOutput, error) {
		recordCreate(call, in)
		if err := checkCreate(in); err != nil {
			return nil, err
		}
		id, err := s.keys.NewID(in.MultiRegion)
		if err != nil {
			return nil, err
		}
		name := arn.Key(c.Region, c.Account, id)
		q := &conditions{caller: c, create: in, tags: in.Tags, puts: true, bypass: in.BypassPolicyLockoutSafetyCheck}
		if err := call.Ask(ctx, &authz.Ask{Action: "kms:CreateKey", Resource: "*", Account: c.Account, Keys: q}); err != nil {
			return nil, err
		}
		planned := &conditions{caller: c, tags: in.Tags, puts: true, bypass: in.BypassPolicyLockoutSafetyCheck, key: &key.Key{
			Spec: spec(in), Usage: orDefault(in.KeyUsage, key.UsageEncryptDecrypt), Origin: orDefault(in.Origin, key.OriginAWSKMS), Tags: keyTags(in.Tags)}}
		if len(in.Tags) > 0 {
			// An identity policy must allow it: no key policy is in force yet.
			//
			// Source: AWS KMS Developer Guide, "Controlling access to tags",
			// read 2026-11-21.
			err := call.Ask(ctx, &authz.Ask{Action: "kms:TagResource", Resource: name, Account: c.Account, Policy: delegating(c.Account), Keys: planned})
			if err != nil {
				return nil, err
			}
		}
		if err := supported(in); err != nil {
			return nil, err
		}
		text := defaultPolicy(c.Account)
		if in.Policy != "" {
			if text, err = s.newPolicy(ctx, planned, name, in.Policy); err != nil {
				return nil, err
			}
		}
		if in.Origin == key.OriginKeyStore {
			if err := s.keys.CheckExternalKey(outside(ctx, c, "CreateKey"), storeRef(c, in.CustomKeyStoreID), in.XksKeyID); err != nil {
				return nil, err
			}
		}
		body, err := newMaterial(in)
		if err != nil {
			return nil, err
		}
		defer clear(body)
		k, err := s.keys.Create(ctx, key.CreateInput{Account: c.Account, Region: c.Region, ID: id, Description: in.Description,
			Policy: text, Tags: keyTags(in.Tags), Spec: spec(in), Usage: in.KeyUsage, Origin: in.Origin, Body: body,
			MultiRegion: in.MultiRegion, CustomKeyStoreID: in.CustomKeyStoreID, XksKeyID: in.XksKeyID},
			func(tx meta.Txn, k *key.Key) error {
				call.Resource(kindKey, k.ARN, k.Account)
				call.Response("keyMetadata", trailMetadata(k))
				return call.Record(tx)
			})
		if err != nil {
			return nil, err
		}
		return &CreateKeyOutput{metadata(k)}, nil
	})
}

// checkCreate checks the shape of a CreateKey.
func checkCreate(in *CreateKeyInput) error {
	var v checker
	v.optional("description", in.Description, maxDescription)
	v.oneOf("keySpec", in.KeySpec, keySpecs)
	v.oneOf("customerMasterKeySpec", in.CustomerMasterKeySpec, keySpecs)
	v.oneOf("keyUsage", in.KeyUsage, keyUsages)
	v.oneOf("origin", in.Origin, origins)
	v.optional("customKeyStoreId", in.CustomKeyStoreID, 64)
	if in.XksKeyID != "" && !xks.ValidKeyID(in.XksKeyID) {
		v.add("Value '"+in.XksKeyID+"'", "xksKeyId", "Member must satisfy regular expression pattern: ^[a-zA-Z0-9-_.]{1,128}$")
	}
	v.policy(in.Policy)
	v.tags("tags", in.Tags)
	if err := v.err(); err != nil {
		return err
	}
	if in.KeySpec != "" && in.CustomerMasterKeySpec != "" {
		return fault("ValidationException", "You cannot specify KeySpec and CustomerMasterKeySpec in the same request. CustomerMasterKeySpec is deprecated.")
	}
	name := spec(in)
	if name != key.SpecSymmetricDefault && in.KeyUsage == "" {
		return fault("ValidationException", "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.")
	}
	spec, ok := keyspec.Lookup(name)
	if ok && in.KeyUsage != "" && !spec.Allows(in.KeyUsage) {
		return fault("ValidationException", "KeyUsage %s is not compatible with KeySpec %s", in.KeyUsage, name)
	}
	return checkNewTags(in)
}

// spec returns the key spec that in asks for.
func spec(in *CreateKeyInput) string {
	for _, spec := range []string{in.KeySpec, in.CustomerMasterKeySpec} {
		if spec != "" {
			return spec
		}
	}
	return key.SpecSymmetricDefault
}

// supported refuses the keys that can't be here.
func supported(in *CreateKeyInput) error {
	spec, _ := keyspec.Lookup(spec(in))
	isXks := in.Origin == key.OriginKeyStore
	switch {
	case in.Origin == "AWS_CLOUDHSM":
		return unsupported("This server has no AWS CloudHSM key stores.")
	case isXks && in.CustomKeyStoreID == "":
		return fault("ValidationException", "You must specify a CustomKeyStoreId value for a KMS key in a custom key store.")
	case isXks && in.XksKeyID == "":
		return fault("ValidationException", "You must specify an XksKeyId value for a KMS key in an external key store.")
	case !isXks && in.XksKeyID != "":
		return fault("ValidationException", "XksKeyId is valid only for KMS keys with an Origin value of EXTERNAL_KEY_STORE.")
	case !isXks && in.CustomKeyStoreID != "":
		return fault("ValidationException", "CustomKeyStoreId is valid only for KMS keys in a custom key store.")
	case isXks && (!spec.CustomKeyStore() || in.MultiRegion):
		return unsupported("A KMS key in a custom key store is a symmetric encryption key of one Region.")
	}
	return nil
}

// newMaterial returns fresh material of a key that is not symmetric and not imported.
func newMaterial(in *CreateKeyInput) ([]byte, error) {
	spec, ok := keyspec.Lookup(spec(in))
	if !ok || spec.Name() == key.SpecSymmetricDefault || in.Origin == key.OriginExternal {
		return nil, nil
	}
	return keyspec.Generate(spec)
}

func recordCreate(call *authz.Call, in *CreateKeyInput) {
	spec := spec(in)
	call.Param("description", in.Description)
	call.Param("policy", in.Policy)
	call.Param("bypassPolicyLockoutSafetyCheck", in.BypassPolicyLockoutSafetyCheck)
	call.Param("keySpec", spec)
	call.Param("customerMasterKeySpec", spec)
	call.Param("keyUsage", orDefault(in.KeyUsage, key.UsageEncryptDecrypt))
	call.Param("origin", orDefault(in.Origin, key.OriginAWSKMS))
	call.Param("multiRegion", in.MultiRegion)
	if in.CustomKeyStoreID != "" {
		call.Param("customKeyStoreId", in.CustomKeyStoreID)
	}
	if in.XksKeyID != "" {
		call.Param("xksKeyId", in.XksKeyID)
	}
	if len(in.Tags) > 0 {
		call.Param("tags", trailTags(in.Tags))
	}
}

func orDefault(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}

// trailTime is how KMS writes a time into responseElements.
//
// Source: AWS KMS Developer Guide, "CreateKey" under "Examples of AWS KMS log
// entries", read 2026-11-21.
func trailTime(t time.Time) string { return t.UTC().Format("Jan 2, 2006 3:04:05 PM") }

// trailMetadata describes k as CloudTrail shows it.
func trailMetadata(k *key.Key) map[string]any {
	m := map[string]any{
		"aWSAccountId": k.Account, "keyId": k.ID, "arn": k.ARN, "creationDate": trailTime(k.Created),
		"enabled": k.State == key.Enabled, "description": k.Description, "keyUsage": k.Usage, "keyState": string(k.State),
		"origin": k.Origin, "keyManager": k.Manager, "customerMasterKeySpec": k.Spec, "keySpec": k.Spec,
		"multiRegion": k.MultiRegion != nil,
	}
	for name, usage := range map[string]string{"encryptionAlgorithms": keyspec.EncryptDecrypt, "signingAlgorithms": keyspec.SignVerify,
		"macAlgorithms": keyspec.GenerateVerifyMAC, "keyAgreementAlgorithms": keyspec.KeyAgreement,
		"encapsulationAlgorithms": keyspec.EncapsulateDecapsulate} {
		if list := algorithms(k, usage); list != nil {
			m[name] = list
		}
	}
	if k.Spec == key.SpecSymmetricDefault && k.Version > 0 {
		m["currentKeyMaterialId"] = k.Material.String()
	}
	if c := metadata(k).MultiRegionConfiguration; c != nil {
		replicas := []any{}
		for _, r := range c.ReplicaKeys {
			replicas = append(replicas, map[string]any{"arn": r.ARN, "region": r.Region})
		}
		m["multiRegionConfiguration"] = map[string]any{"multiRegionKeyType": c.MultiRegionKeyType, "replicaKeys": replicas,
			"primaryKey": map[string]any{"arn": c.PrimaryKey.ARN, "region": c.PrimaryKey.Region}}
	}
	return m
}

// DescribeKeyInput is the request of [Service.DescribeKey].
type DescribeKeyInput struct {
	KeyID       string   `json:"KeyId"`
	GrantTokens []string `json:"GrantTokens,omitempty"`
}

// DescribeKeyOutput is the answer of [Service.DescribeKey].
type DescribeKeyOutput struct {
	KeyMetadata KeyMetadata `json:"KeyMetadata"`
}

// DescribeKey describes a key. An alias of a service, such as alias/aws/s3,
// names no key until the service has made it.
//
// It returns a *awserr.Error with code ValidationException, NotFoundException,
// InvalidArnException or AccessDeniedException.
//
// Source: AWS KMS API Reference, DescribeKey.
func (s *Service) DescribeKey(ctx context.Context, c *authn.Caller, in *DescribeKeyInput) (*DescribeKeyOutput, error) {
	return run(ctx, s, c, "DescribeKey", reads, func(call *authz.Call) (*DescribeKeyOutput, error) {
		call.Param("keyId", in.KeyID)
		var v checker
		v.required("keyId", in.KeyID, maxKeyID)
		v.tokens(in.GrantTokens)
		if err := errors.Join(v.err(), s.checkTokens(in.GrantTokens)); err != nil {
			return nil, err
		}
		k, err := s.use(ctx, call, &conditions{caller: c}, "kms:DescribeKey", in.KeyID, aliasesToo)
		if err != nil {
			return nil, err
		}
		if err := call.Covers(k.ARN); err != nil {
			return nil, err
		}
		return &DescribeKeyOutput{metadata(k)}, nil
	})
}
