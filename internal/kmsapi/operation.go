package kmsapi

import (
	"context"
	"reflect"

	"coffer/internal/authn"
	"coffer/internal/awsjson"
	"coffer/internal/kms"
)

// An Operation is one row of the routing table.
type Operation struct {
	Name string // as in X-Amz-Target, after TrentService.

	serve func(ctx context.Context, svc *kms.Service, c *authn.Caller, body []byte) ([]byte, error)
}

// Operations returns the routing table: every operation that the KMS API has, in
// the order of its reference.
//
// Source: AWS KMS API Reference, "Actions", and the service model of
// aws-sdk-go-v2/service/kms v1.62.4 (56 operations), read 2026-11-21.
func Operations() []Operation {
	return []Operation{
		op("CancelKeyDeletion", (*kms.Service).CancelKeyDeletion),
		op("ConnectCustomKeyStore", (*kms.Service).ConnectCustomKeyStore),
		op("CreateAlias", (*kms.Service).CreateAlias),
		op("CreateCustomKeyStore", (*kms.Service).CreateCustomKeyStore),
		op("CreateGrant", (*kms.Service).CreateGrant),
		op("CreateKey", (*kms.Service).CreateKey),
		op("Decapsulate", (*kms.Service).Decapsulate),
		op("Decrypt", (*kms.Service).Decrypt),
		op("DeleteAlias", (*kms.Service).DeleteAlias),
		op("DeleteCustomKeyStore", (*kms.Service).DeleteCustomKeyStore),
		op("DeleteImportedKeyMaterial", (*kms.Service).DeleteImportedKeyMaterial),
		op("DeriveSharedSecret", (*kms.Service).DeriveSharedSecret),
		op("DescribeCustomKeyStores", (*kms.Service).DescribeCustomKeyStores),
		op("DescribeKey", (*kms.Service).DescribeKey),
		op("DisableKey", (*kms.Service).DisableKey),
		op("DisableKeyRotation", (*kms.Service).DisableKeyRotation),
		op("DisconnectCustomKeyStore", (*kms.Service).DisconnectCustomKeyStore),
		op("EnableKey", (*kms.Service).EnableKey),
		op("EnableKeyRotation", (*kms.Service).EnableKeyRotation),
		op("Encapsulate", (*kms.Service).Encapsulate),
		op("Encrypt", (*kms.Service).Encrypt),
		op("GenerateDataKey", (*kms.Service).GenerateDataKey),
		op("GenerateDataKeyPair", (*kms.Service).GenerateDataKeyPair),
		op("GenerateDataKeyPairWithoutPlaintext", (*kms.Service).GenerateDataKeyPairWithoutPlaintext),
		op("GenerateDataKeyWithoutPlaintext", (*kms.Service).GenerateDataKeyWithoutPlaintext),
		op("GenerateMac", (*kms.Service).GenerateMac),
		op("GenerateRandom", (*kms.Service).GenerateRandom),
		op("GetKeyLastUsage", (*kms.Service).GetKeyLastUsage),
		op("GetKeyPolicy", (*kms.Service).GetKeyPolicy),
		op("GetKeyRotationStatus", (*kms.Service).GetKeyRotationStatus),
		op("GetParametersForImport", (*kms.Service).GetParametersForImport),
		op("GetPublicKey", (*kms.Service).GetPublicKey),
		op("ImportKeyMaterial", (*kms.Service).ImportKeyMaterial),
		op("ListAliases", (*kms.Service).ListAliases),
		op("ListGrants", (*kms.Service).ListGrants),
		op("ListKeyPolicies", (*kms.Service).ListKeyPolicies),
		op("ListKeyRotations", (*kms.Service).ListKeyRotations),
		op("ListKeys", (*kms.Service).ListKeys),
		op("ListResourceTags", (*kms.Service).ListResourceTags),
		op("ListRetirableGrants", (*kms.Service).ListRetirableGrants),
		op("PutKeyPolicy", (*kms.Service).PutKeyPolicy),
		op("ReEncrypt", (*kms.Service).ReEncrypt),
		op("ReplicateKey", (*kms.Service).ReplicateKey),
		op("RetireGrant", (*kms.Service).RetireGrant),
		op("RevokeGrant", (*kms.Service).RevokeGrant),
		op("RotateKeyOnDemand", (*kms.Service).RotateKeyOnDemand),
		op("ScheduleKeyDeletion", (*kms.Service).ScheduleKeyDeletion),
		op("Sign", (*kms.Service).Sign),
		op("TagResource", (*kms.Service).TagResource),
		op("UntagResource", (*kms.Service).UntagResource),
		op("UpdateAlias", (*kms.Service).UpdateAlias),
		op("UpdateCustomKeyStore", (*kms.Service).UpdateCustomKeyStore),
		op("UpdateKeyDescription", (*kms.Service).UpdateKeyDescription),
		op("UpdatePrimaryRegion", (*kms.Service).UpdatePrimaryRegion),
		op("Verify", (*kms.Service).Verify),
		op("VerifyMac", (*kms.Service).VerifyMac),
	}
}

// op returns the row of an operation: decode, call, encode.
func op[Input, Output any](name string, call func(*kms.Service, context.Context, *authn.Caller, *Input) (*Output, error)) Operation {
	isEmpty := reflect.TypeFor[Output]().NumField() == 0
	return Operation{Name: name, serve: func(ctx context.Context, svc *kms.Service, c *authn.Caller, body []byte) ([]byte, error) {
		in := new(Input)
		if err := awsjson.Unmarshal(body, in); err != nil {
			return nil, svc.Refuse(ctx, c, name, err)
		}
		out, err := call(svc, ctx, c, in)
		if err != nil {
			return nil, err
		}
		if isEmpty {
			return nil, nil // AWS sends no body at all
		}
		answer := awsjson.Marshal(out)
		if secret, ok := any(out).(interface{ Wipe() }); ok {
			secret.Wipe()
		}
		return answer, nil
	}}
}
