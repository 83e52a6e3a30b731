package conformance

import (
	"encoding/json"
	"slices"
	"testing"

	"coffer/internal/kmsapi"
)

// rootKMS sends a request of KMS as the root user, and decodes the answer.
func (m *matrix) rootKMS(operation string, in, out any) {
	m.Helper()
	m.rootJSON("kms", "TrentService."+operation, in, out)
}

// rootJSON is rootKMS for another API in JSON.
func (m *matrix) rootJSON(service, target string, in, out any) {
	m.Helper()
	got := m.try(jsonWire(service, target, in), m.server.credentials())
	if got.status != 200 {
		m.Fatalf("%s as root = %d %s", target, got.status, got.body)
	}
	if out != nil {
		check(m.T, "Unmarshal", json.Unmarshal(got.body, out))
	}
}

func jsonWire(service, target string, in any) wire {
	b, err := json.Marshal(in)
	if err != nil {
		panic(err)
	}
	return wire{service: service, method: "POST", target: "/", body: string(b), header: []string{"Content-Type", "application/x-amz-json-1.1", "X-Amz-Target", target}}
}

// kmsKey makes a key and returns its ARN.
func (m *matrix) kmsKey() string {
	m.Helper()
	var out struct{ KeyMetadata struct{ Arn string } }
	m.rootKMS("CreateKey", struct{}{}, &out)
	return out.KeyMetadata.Arn
}

var kmsCodes = api{name: "kms", anonymous: "MissingAuthenticationTokenException", unknown: "UnrecognizedClientException",
	wrong: "InvalidSignatureException", denied: "AccessDeniedException"}

// kmsRow returns the row of an operation of KMS. in makes its request about a key; the
// action of the operation's name on the key is the right, and also what else it takes.
func kmsRow(operation string, in func(m *matrix, key string) map[string]any, also ...func(in map[string]any) right) row {
	return row{operation: operation, make: func(m *matrix) (wire, []right) {
		key := m.kmsKey()
		request := in(m, key)
		rights := []right{{"kms:" + operation, key}}
		for _, a := range also {
			rights = append(rights, a(request))
		}
		return jsonWire("kms", "TrentService."+operation, request), rights
	}}
}

// kmsAny returns the row of an operation of KMS that is about no key.
func kmsAny(operation string, in map[string]any) row {
	return row{operation: operation, foreign: own, make: func(*matrix) (wire, []right) {
		return jsonWire("kms", "TrentService."+operation, in), []right{{"kms:" + operation, "*"}}
	}}
}

// foreignly sets how the user of another account is answered.
func foreignly(code string, r row) row {
	r.foreign = code
	return r
}

// about names a key by its ARN, with further members in pairs.
func about(more ...any) func(*matrix, string) map[string]any {
	return func(_ *matrix, key string) map[string]any {
		in := map[string]any{"KeyId": key}
		for i := 0; i < len(more); i += 2 {
			in[more[i].(string)] = more[i+1]
		}
		return in
	}
}

// alias makes an alias of a key.
func (m *matrix) alias(key string) string {
	name := "alias/" + m.fresh("alias")
	m.rootKMS("CreateAlias", map[string]any{"AliasName": name, "TargetKeyId": key}, nil)
	return name
}

// grant makes a grant on a key.
func (m *matrix) grant(key string) string {
	var out struct{ GrantId string }
	m.rootKMS("CreateGrant", map[string]any{"KeyId": key, "GranteePrincipal": "arn:aws:iam::" + homeAccount + ":user/helper", "Operations": []string{"Decrypt"}}, &out)
	return out.GrantId
}

func (m *matrix) sealed(key string) string {
	var out struct{ CiphertextBlob string }
	m.rootKMS("Encrypt", map[string]any{"KeyId": key, "Plaintext": "ZGF0YQ=="}, &out)
	return out.CiphertextBlob
}

func aliasARN(action string) func(map[string]any) right {
	return func(in map[string]any) right {
		return right{action, "arn:aws:kms:us-east-1:" + homeAccount + ":" + in["AliasName"].(string)}
	}
}

var kmsRows = []row{
	kmsRow("CancelKeyDeletion", func(m *matrix, key string) map[string]any {
		m.rootKMS("ScheduleKeyDeletion", map[string]any{"KeyId": key}, nil)
		return map[string]any{"KeyId": key}
	}),
	kmsRow("CreateAlias", func(m *matrix, key string) map[string]any {
		return map[string]any{"AliasName": "alias/" + m.fresh("alias"), "TargetKeyId": key}
	}, aliasARN("kms:CreateAlias")),
	kmsRow("CreateGrant", about("GranteePrincipal", "arn:aws:iam::"+homeAccount+":user/helper", "Operations", []string{"Decrypt"})),
	kmsAny("CreateKey", map[string]any{}),
	{operation: "CreateKey", with: "with tags", make: func(m *matrix) (wire, []right) {
		return jsonWire("kms", "TrentService.CreateKey", map[string]any{"Tags": []any{map[string]string{"TagKey": "a", "TagValue": "b"}}}),
			[]right{{"kms:CreateKey", "*"}, {"kms:TagResource", "arn:aws:kms:us-east-1:" + homeAccount + ":key/*"}}
	}},
	kmsRow("Decrypt", func(m *matrix, key string) map[string]any { return map[string]any{"CiphertextBlob": m.sealed(key)} }),
	foreignly("NotFoundException", kmsRow("DeleteAlias", func(m *matrix, key string) map[string]any { return map[string]any{"AliasName": m.alias(key)} }, aliasARN("kms:DeleteAlias"))),
	kmsAny("DescribeCustomKeyStores", map[string]any{}),
	kmsRow("DescribeKey", about()),
	kmsRow("DisableKey", about()),
	kmsRow("EnableKey", about()),
	kmsRow("Encrypt", about("Plaintext", "ZGF0YQ==")),
	kmsRow("GenerateDataKey", about("KeySpec", "AES_256")),
	kmsRow("GenerateDataKeyWithoutPlaintext", about("KeySpec", "AES_256")),
	kmsAny("GenerateRandom", map[string]any{"NumberOfBytes": 8}),
	kmsRow("GetKeyLastUsage", about()),
	kmsRow("GetKeyPolicy", about()),
	kmsRow("GetKeyRotationStatus", about()),
	kmsAny("ListAliases", map[string]any{}),
	kmsRow("ListGrants", about()),
	kmsRow("ListKeyPolicies", about()),
	kmsAny("ListKeys", map[string]any{}),
	kmsRow("ListResourceTags", about()),
	foreignly("", kmsAny("ListRetirableGrants", map[string]any{"RetiringPrincipal": "arn:aws:iam::" + homeAccount + ":user/helper"})),
	kmsRow("PutKeyPolicy", about("BypassPolicyLockoutSafetyCheck", true, "Policy",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"`+homeAccount+`"},"Action":"kms:*","Resource":"*"}]}`)),
	{operation: "ReEncrypt", make: func(m *matrix) (wire, []right) {
		from, to := m.kmsKey(), m.kmsKey()
		return jsonWire("kms", "TrentService.ReEncrypt", map[string]any{"CiphertextBlob": m.sealed(from), "DestinationKeyId": to}),
			[]right{{"kms:ReEncryptFrom", from}, {"kms:ReEncryptTo", to}}
	}},
	kmsRow("RetireGrant", func(m *matrix, key string) map[string]any {
		return map[string]any{"KeyId": key, "GrantId": m.grant(key)}
	}),
	kmsRow("RevokeGrant", func(m *matrix, key string) map[string]any {
		return map[string]any{"KeyId": key, "GrantId": m.grant(key)}
	}),
	kmsRow("ScheduleKeyDeletion", about()),
	kmsRow("TagResource", about("Tags", []any{map[string]string{"TagKey": "a", "TagValue": "b"}})),
	kmsRow("UntagResource", about("TagKeys", []string{"a"})),
	{operation: "UpdateAlias", foreign: "NotFoundException", make: func(m *matrix) (wire, []right) {
		from, to := m.kmsKey(), m.kmsKey()
		in := map[string]any{"AliasName": m.alias(from), "TargetKeyId": to}
		return jsonWire("kms", "TrentService.UpdateAlias", in), []right{{"kms:UpdateAlias", from}, {"kms:UpdateAlias", to}, aliasARN("kms:UpdateAlias")(in)}
	}},
	kmsRow("UpdateKeyDescription", about("Description", "d")),
}

func TestMatrixKMS(t *testing.T) {
	t.Parallel()
	built := make(map[string]bool)
	for _, o := range kmsapi.Operations() {
		built[o.Name] = true
	}
	newMatrix(t, kmsCodes).runAll(slices.Concat(kmsRows, kmsSpecialRows, kmsStoreRows), built)
}
