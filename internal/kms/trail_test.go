package kms

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"coffer/internal/key"
)

// fields returns what a test compares of an event.
func fields(t *testing.T, event string) map[string]any {
	t.Helper()
	var e map[string]any
	if err := json.Unmarshal([]byte(event), &e); err != nil {
		t.Fatal(err)
	}
	return e
}

// TestEvents compares the events of operations with what CloudTrail shows of
// them, field by field: requestParameters, responseElements, additionalEventData,
// resources and readOnly.
//
// Source: AWS KMS Developer Guide, "Examples of AWS KMS log entries", read
// 2026-11-21.
func TestEvents(t *testing.T) {
	b := newBench(t)
	k, other := b.newKey(t), b.newKey(t)
	blob := b.ciphertext(t, k.KeyID, "text", map[string]string{"a": "b"})
	if _, err := b.CreateAlias(t.Context(), self, &CreateAliasInput{"alias/old", k.KeyID}); err != nil {
		t.Fatal(err)
	}
	material, others := k.CurrentKeyMaterialID, other.CurrentKeyMaterialID
	resource := func(k KeyMetadata) string {
		return `{"accountId":"` + account + `","type":"AWS::KMS::Key","ARN":"` + k.ARN + `"}`
	}
	alias := func(name string) string {
		return `{"accountId":"` + account + `","type":"AWS::KMS::Alias","ARN":"arn:aws:kms:us-east-1:` + account + `:` + name + `"}`
	}
	var granted CreateGrantOutput
	keyID := `{"keyId":"` + k.KeyID + `"}`
	keyARN := `{"keyId":"` + k.ARN + `"}`
	tests := []struct {
		name                                    string
		do                                      func() error
		request, response, additional, resource string
		readOnly                                bool
	}{
		{"Encrypt", func() error {
			_, err := b.Encrypt(t.Context(), self, &EncryptInput{KeyID: "alias/old", Plaintext: Plaintext("x"), EncryptionContext: map[string]string{"c": "d"}})
			return err
		}, `{"keyId":"alias/old","encryptionContext":{"c":"d"},"encryptionAlgorithm":"SYMMETRIC_DEFAULT"}`, "null", `{"keyMaterialId":"` + material + `"}`, "[" + resource(k) + "]", true},
		{"Decrypt", func() error {
			_, err := b.Decrypt(t.Context(), self, &DecryptInput{CiphertextBlob: blob, EncryptionContext: map[string]string{"a": "b"}})
			return err
		}, `{"encryptionContext":{"a":"b"},"encryptionAlgorithm":"SYMMETRIC_DEFAULT"}`, "null", `{"keyMaterialId":"` + material + `"}`, "[" + resource(k) + "]", true},
		{"ReEncrypt", func() error {
			_, err := b.ReEncrypt(t.Context(), self, &ReEncryptInput{CiphertextBlob: blob, SourceEncryptionContext: map[string]string{"a": "b"}, DestinationKeyID: other.KeyID})
			return err
		}, `{"sourceEncryptionContext":{"a":"b"},"sourceEncryptionAlgorithm":"SYMMETRIC_DEFAULT","destinationKeyId":"` + other.KeyID + `","destinationEncryptionAlgorithm":"SYMMETRIC_DEFAULT"}`,
			"null", `{"sourceKeyMaterialId":"` + material + `","destinationKeyMaterialId":"` + others + `"}`, "[" + resource(k) + "," + resource(other) + "]", true},
		{"GenerateDataKey", func() error {
			_, err := b.GenerateDataKey(t.Context(), self, &GenerateDataKeyInput{KeyID: k.KeyID, KeySpec: "AES_256"})
			return err
		}, `{"keyId":"` + k.KeyID + `","keySpec":"AES_256"}`, "null", `{"keyMaterialId":"` + material + `"}`, "[" + resource(k) + "]", true},
		{"GenerateDataKeyWithoutPlaintext", func() error {
			_, err := b.GenerateDataKeyWithoutPlaintext(t.Context(), self, &GenerateDataKeyWithoutPlaintextInput{KeyID: k.KeyID, NumberOfBytes: ptr[int32](64)})
			return err
		}, `{"keyId":"` + k.KeyID + `","numberOfBytes":64}`, "null", `{"keyMaterialId":"` + material + `"}`, "[" + resource(k) + "]", true},
		{"GenerateRandom", func() error {
			_, err := b.GenerateRandom(t.Context(), self, &GenerateRandomInput{NumberOfBytes: ptr[int32](64)})
			return err
		}, "null", "null", "", "", true},
		{"DescribeKey", func() error {
			_, err := b.DescribeKey(t.Context(), self, &DescribeKeyInput{KeyID: k.KeyID})
			return err
		}, keyID, "null", "", "[" + resource(k) + "]", true},
		{"ListKeys", func() error {
			_, err := b.ListKeys(t.Context(), self, &ListKeysInput{Limit: ptr[int32](5)})
			return err
		}, `{"limit":5}`, "null", "", "", true},
		{"CreateAlias", func() error {
			_, err := b.CreateAlias(t.Context(), self, &CreateAliasInput{"alias/new", k.KeyID})
			return err
		}, `{"aliasName":"alias/new","targetKeyId":"` + k.KeyID + `"}`, keyARN, "", "[" + resource(k) + "," + alias("alias/new") + "]", false},
		{"UpdateAlias", func() error {
			_, err := b.UpdateAlias(t.Context(), self, &UpdateAliasInput{"alias/new", other.KeyID})
			return err
		}, `{"aliasName":"alias/new","targetKeyId":"` + other.KeyID + `"}`, `{"keyId":"` + other.ARN + `"}`, "",
			"[" + resource(k) + "," + resource(other) + "," + alias("alias/new") + "]", false},
		{"DeleteAlias", func() error {
			_, err := b.DeleteAlias(t.Context(), self, &DeleteAliasInput{"alias/new"})
			return err
		}, `{"aliasName":"alias/new"}`, `{"keyId":"` + other.ARN + `"}`, "", "[" + resource(other) + "," + alias("alias/new") + "]", false},
		{"TagResource", func() error {
			_, err := b.TagResource(t.Context(), self, &TagResourceInput{k.KeyID, []Tag{{"a", "b"}}})
			return err
		}, `{"keyId":"` + k.KeyID + `","tags":[{"tagKey":"a","tagValue":"b"}]}`, keyARN, "", "[" + resource(k) + "]", false},
		{"UntagResource", func() error {
			_, err := b.UntagResource(t.Context(), self, &UntagResourceInput{k.KeyID, []string{"a"}})
			return err
		}, `{"keyId":"` + k.KeyID + `","tagKeys":["a"]}`, keyARN, "", "[" + resource(k) + "]", false},
		{"PutKeyPolicy", func() error {
			_, err := b.PutKeyPolicy(t.Context(), self, &PutKeyPolicyInput{KeyID: k.KeyID, Policy: defaultPolicy(account)})
			return err
		}, `{"keyId":"` + k.KeyID + `","policyName":"default","policy":` + fmt.Sprintf("%q", defaultPolicy(account)) + `,"bypassPolicyLockoutSafetyCheck":false}`,
			keyARN, "", "[" + resource(k) + "]", false},
		{"UpdateKeyDescription", func() error {
			_, err := b.UpdateKeyDescription(t.Context(), self, &UpdateKeyDescriptionInput{k.KeyID, ptr("new")})
			return err
		}, `{"keyId":"` + k.KeyID + `","description":"new"}`, keyARN, "", "[" + resource(k) + "]", false},
		{"CreateGrant", func() error {
			g, err := b.CreateGrant(t.Context(), self, &CreateGrantInput{KeyID: k.KeyID, GranteePrincipal: self.ARN, Operations: []string{"Decrypt"}, Name: "n",
				Constraints: &GrantConstraints{EncryptionContextSubset: map[string]string{"a": "b"}}})
			if err == nil {
				granted = *g
			}
			return err
		}, `{"keyId":"` + k.KeyID + `","granteePrincipal":"` + self.ARN + `","operations":["Decrypt"],"name":"n","constraints":{"encryptionContextSubset":{"a":"b"}}}`,
			`{"grantId":"GRANT","keyId":"` + k.ARN + `"}`, "", "[" + resource(k) + "]", false},
		{"ListGrants", func() error {
			_, err := b.ListGrants(t.Context(), self, &ListGrantsInput{KeyID: k.KeyID, GranteePrincipal: self.ARN})
			return err
		}, `{"keyId":"` + k.KeyID + `","granteePrincipal":"` + self.ARN + `"}`, "null", "", "[" + resource(k) + "]", true},
		{"RetireGrant", func() error {
			_, err := b.RetireGrant(t.Context(), self, &RetireGrantInput{GrantToken: granted.GrantToken})
			return err
		}, "null", keyARN, `{"grantId":"GRANT"}`, "[" + resource(k) + "]", false},
		{"DisableKey", func() error { _, err := b.DisableKey(t.Context(), self, &KeyInput{k.KeyID}); return err }, keyID, keyARN, "", "[" + resource(k) + "]", false},
		{"EnableKey", func() error { _, err := b.EnableKey(t.Context(), self, &KeyInput{k.KeyID}); return err }, keyID, keyARN, "", "[" + resource(k) + "]", false},
		{"ScheduleKeyDeletion", func() error {
			_, err := b.ScheduleKeyDeletion(t.Context(), self, &ScheduleKeyDeletionInput{k.KeyID, ptr[int32](7)})
			return err
		}, `{"pendingWindowInDays":7,"keyId":"` + k.KeyID + `"}`,
			`{"keyId":"` + k.ARN + `","keyState":"PendingDeletion","deletionDate":"Nov 28, 2026 12:00:00 PM"}`, "", "[" + resource(k) + "]", false},
		{"CancelKeyDeletion", func() error { _, err := b.CancelKeyDeletion(t.Context(), self, &KeyInput{k.KeyID}); return err },
			keyID, keyARN, "", "[" + resource(k) + "]", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := len(b.events(t))
			if err := tt.do(); err != nil {
				t.Fatal(err)
			}
			events := b.events(t)
			if len(events) != before+1 {
				t.Fatalf("%d events; want 1", len(events)-before)
			}
			got := fields(t, events[before])
			for name, want := range map[string]string{
				"eventName": `"` + tt.name + `"`, "eventSource": `"kms.amazonaws.com"`, "awsRegion": `"us-east-1"`, "requestID": `"req-1"`,
				"eventType": `"AwsApiCall"`, "readOnly": fmt.Sprint(tt.readOnly),
				"requestParameters": tt.request, "responseElements": tt.response, "additionalEventData": tt.additional, "resources": tt.resource,
			} {
				var wanted any
				want = strings.ReplaceAll(want, "GRANT", granted.GrantID)
				if want != "" {
					if err := json.Unmarshal([]byte(want), &wanted); err != nil {
						t.Fatalf("%s: %v", want, err)
					}
				}
				if !reflect.DeepEqual(got[name], wanted) {
					t.Errorf("%s = %v; want %s", name, got[name], want)
				}
			}
		})
	}
}

// TestRefusalsAreRecorded shows that what is denied, refused or not implemented
// leaves its event, with the error that the client got.
func TestRefusalsAreRecorded(t *testing.T) {
	b := newBench(t)
	k := b.newKey(t)
	b.into(t, k.KeyID, key.Disabled)
	tests := []struct {
		name string
		do   func() error
	}{
		{"Encrypt", func() error {
			_, err := b.Encrypt(t.Context(), self, &EncryptInput{KeyID: k.KeyID, Plaintext: Plaintext("x")})
			return err
		}},
		{"DisableKey", func() error { _, err := b.DisableKey(t.Context(), foreign, &KeyInput{k.ARN}); return err }},
		{"CancelKeyDeletion", func() error { _, err := b.CancelKeyDeletion(t.Context(), self, &KeyInput{k.KeyID}); return err }},
		{"CreateKey", func() error {
			_, err := b.CreateKey(t.Context(), self, &CreateKeyInput{Origin: "AWS_CLOUDHSM"})
			return err
		}},
		{"CreateKey", func() error { return b.Refuse(t.Context(), self, "CreateKey", NotImplemented("no")) }},
	}
	for _, tt := range tests {
		err := tt.do()
		if err == nil {
			t.Fatalf("%s succeeds", tt.name)
		}
		events := b.events(t)
		e := fields(t, events[len(events)-1])
		if e["eventName"] != tt.name || fmt.Sprintf("%v: %v", e["errorCode"], e["errorMessage"]) != err.Error() || e["responseElements"] != nil || e["readOnly"] != (tt.name == "Encrypt") {
			t.Errorf("event of %s = %v; want the error %v", tt.name, e, err)
		}
	}
}

// TestForwardedCallsAreRecorded shows how the trail tells what S3 did for a
// client from what the client did.
func TestForwardedCallsAreRecorded(t *testing.T) {
	b := newBench(t)
	arn, err := b.ManagedS3Key(t.Context(), self)
	if err != nil {
		t.Fatal(err)
	}
	object := map[string]string{"aws:s3:arn": "arn:aws:s3:::bucket/object"}
	_, blob, _, err := b.NewDataKey(t.Context(), self, arn, object)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.OpenDataKey(t.Context(), self, arn, blob, object); err != nil {
		t.Fatal(err)
	}
	if _, err := b.CheckKey(t.Context(), self, "Decrypt", arn, object); err != nil {
		t.Fatal(err)
	}
	if _, err := b.ManagedS3Key(t.Context(), self); err != nil {
		t.Fatal(err)
	}
	events := b.events(t)
	var names []string
	for _, event := range events {
		e := fields(t, event)
		names = append(names, fmt.Sprint(e["eventName"]))
		user := e["userIdentity"].(map[string]any)
		if user["invokedBy"] != "s3.amazonaws.com" || user["arn"] != self.ARN || e["sourceIPAddress"] != "s3.amazonaws.com" {
			t.Errorf("event %s", event)
		}
	}
	if got := strings.Join(names, " "); got != "CreateKey GenerateDataKey Decrypt" {
		t.Errorf("events %s; want CreateKey GenerateDataKey Decrypt", got)
	}
}

// TestSweepIsRecorded shows the event that tells that a key is gone.
func TestSweepIsRecorded(t *testing.T) {
	b := newBench(t)
	k := b.newKey(t)
	b.into(t, k.KeyID, key.PendingDeletion)
	b.now = b.now.Add(7 * 24 * time.Hour)
	if _, err := b.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	events := b.events(t)
	e := fields(t, events[len(events)-1])
	user := e["userIdentity"].(map[string]any)
	if e["eventName"] != "DeleteKey" || e["eventType"] != "AwsServiceEvent" || e["sourceIPAddress"] != internal || user["invokedBy"] != internal || user["accountId"] != account ||
		!reflect.DeepEqual(e["responseElements"], map[string]any{"keyId": k.ARN}) || e["recipientAccountId"] != account || e["readOnly"] != false || e["errorCode"] != nil {
		t.Errorf("event of the deletion = %s", events[len(events)-1])
	}
}

// TestUnrecordedCallsAreNotAnswered closes the trail: nothing is changed then, and
// no plaintext leaves.
func TestUnrecordedCallsAreNotAnswered(t *testing.T) {
	b := newBench(t)
	k := b.newKey(t)
	blob := b.ciphertext(t, k.KeyID, "text", nil)
	if err := b.trail.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	const broke = "KMSInternalException: The request was rejected because an internal exception occurred. The request can be retried."
	out, err := b.Decrypt(t.Context(), self, &DecryptInput{CiphertextBlob: blob})
	wantError(t, "Decrypt", err, broke)
	if out != nil {
		t.Errorf("Decrypt = %v; want nothing", out)
	}
	_, err = b.DisableKey(t.Context(), self, &KeyInput{k.KeyID})
	wantError(t, "DisableKey", err, broke)
	_, err = b.ManagedS3Key(t.Context(), self)
	wantError(t, "ManagedS3Key", err, broke)
	now, err := b.keys.Get(t.Context(), key.Ref{Account: account, Region: region, ID: k.KeyID})
	if err != nil || now.State != key.Enabled {
		t.Errorf("after an unrecorded DisableKey the key is %v, %v; want Enabled", now, err)
	}
	if keys, _, err := b.keys.List(t.Context(), account, region, "", 10); err != nil || len(keys) != 1 {
		t.Errorf("after an unrecorded ManagedS3Key there are %d keys, %v; want 1", len(keys), err)
	}
}

// TestSecretsStayInside runs operations that see a plaintext, to their end and
// into every refusal, and looks for it in the trail, the errors and the log.
func TestSecretsStayInside(t *testing.T) {
	b := newBench(t)
	k, disabled := b.newKey(t), b.newKey(t)
	const text = "correct horse battery staple"
	blob := b.ciphertext(t, disabled.KeyID, text, nil)
	b.into(t, disabled.KeyID, key.Disabled)
	var seen strings.Builder
	note := func(v any, err error) { fmt.Fprintf(&seen, "%v %+v %#v %s %x %v\n", v, v, v, v, v, err) }
	secrets := []string{text}
	for _, in := range []EncryptInput{{KeyID: k.KeyID}, {KeyID: disabled.KeyID}, {KeyID: "x"}, {}, {KeyID: k.KeyID, DryRun: true}} {
		in.Plaintext = Plaintext(text)
		note(&in, nil)
		out, err := b.Encrypt(t.Context(), self, &in)
		note(out, err)
	}
	long := strings.Repeat(text, 200)
	out, err := b.Encrypt(t.Context(), self, &EncryptInput{KeyID: k.KeyID, Plaintext: Plaintext(long)})
	note(out, err)
	for _, blob := range [][]byte{blob, b.ciphertext(t, k.KeyID, text, nil)} {
		out, err := b.Decrypt(t.Context(), self, &DecryptInput{CiphertextBlob: blob})
		note(out, err)
	}
	dataKey, err := b.GenerateDataKey(t.Context(), self, &GenerateDataKeyInput{KeyID: k.KeyID, KeySpec: "AES_256"})
	note(dataKey, err)
	secrets = append(secrets, string(dataKey.Plaintext))
	random, err := b.GenerateRandom(t.Context(), self, &GenerateRandomInput{NumberOfBytes: ptr[int32](32)})
	note(random, err)
	secrets = append(secrets, string(random.Plaintext))
	object := map[string]string{"aws:s3:arn": "arn:aws:s3:::bucket/object"}
	plain, _, arn, err := b.NewDataKey(t.Context(), self, k.KeyID, object)
	note(plain, err)
	note(arn, nil)
	secrets = append(secrets, string(plain[:]))
	slog.New(slog.NewJSONHandler(&seen, nil)).Info("out", "dataKey", dataKey, "random", random.Plaintext)
	for _, event := range b.events(t) {
		seen.WriteString(event)
	}
	seen.WriteString(b.log.String())
	for _, secret := range secrets {
		for _, form := range []string{secret, base64.StdEncoding.EncodeToString([]byte(secret))[:20], fmt.Sprintf("%x", secret), fmt.Sprint([]byte(secret))} {
			if strings.Contains(seen.String(), form) {
				t.Errorf("%q shows outside", form)
			}
		}
	}
}

// TestEventsOfMaterial compares the events about versions, imported material and
// regions of keys with what CloudTrail shows of them. Some operations have two.
//
// Source: AWS KMS Developer Guide, "Examples of AWS KMS log entries", read
// 2026-11-22.
func TestEventsOfMaterial(t *testing.T) {
	b := newBench(t)
	make := func(in CreateKeyInput) KeyMetadata {
		out, err := b.CreateKey(t.Context(), self, &in)
		if err != nil {
			t.Fatal(err)
		}
		return out.KeyMetadata
	}
	k, signer := b.newKey(t), make(CreateKeyInput{KeySpec: "ECC_NIST_P256", KeyUsage: "SIGN_VERIFY"})
	mac, agreer := make(CreateKeyInput{KeySpec: "HMAC_256", KeyUsage: "GENERATE_VERIFY_MAC"}), make(CreateKeyInput{KeySpec: "ECC_NIST_P256", KeyUsage: "KEY_AGREEMENT"})
	wide := make(CreateKeyInput{MultiRegion: true})
	public, err := b.GetPublicKey(t.Context(), self, &GetPublicKeyInput{KeyID: agreer.KeyID})
	if err != nil {
		t.Fatal(err)
	}
	there := strings.Replace(wide.ARN, region, "eu-west-1", 1)
	type event struct {
		name, region, request, response, details string // JSON; "*" for anything
		readOnly                                 bool
	}
	tests := []struct {
		name string
		do   func() error
		want []event
	}{
		{"Sign", func() error {
			_, err := b.Sign(t.Context(), self, &SignInput{KeyID: signer.KeyID, Message: []byte("m"), SigningAlgorithm: "ECDSA_SHA_256"})
			return err
		}, []event{{"Sign", region, `{"messageType":"RAW","keyId":"` + signer.KeyID + `","signingAlgorithm":"ECDSA_SHA_256"}`, "null", "null", true}}},
		{"GenerateMac", func() error {
			_, err := b.GenerateMac(t.Context(), self, &GenerateMacInput{KeyID: mac.KeyID, Message: []byte("m"), MacAlgorithm: "HMAC_SHA_256"})
			return err
		}, []event{{"GenerateMac", region, `{"keyId":"` + mac.KeyID + `","macAlgorithm":"HMAC_SHA_256"}`, "null", "null", true}}},
		{"DeriveSharedSecret", func() error {
			_, err := b.DeriveSharedSecret(t.Context(), self, &DeriveSharedSecretInput{KeyID: agreer.KeyID, KeyAgreementAlgorithm: "ECDH", PublicKey: public.PublicKey})
			return err
		}, []event{{"DeriveSharedSecret", region, "*", "null", "null", true}}},
		{"RotateKeyOnDemand", func() error { _, err := b.RotateKeyOnDemand(t.Context(), self, &KeyInput{k.KeyID}); return err }, []event{
			{"RotateKeyOnDemand", region, `{"keyId":"` + k.KeyID + `"}`, `{"keyId":"` + k.KeyID + `"}`, "null", false},
			{"RotateKey", region, "null", "null", `{"keyId":"` + k.KeyID + `","rotationType":"ON_DEMAND","keyOrigin":"AWS_KMS","previousKeyMaterialId":"` +
				k.CurrentKeyMaterialID + `","currentKeyMaterialId":"CURRENT"}`, false}}},
		{"ReplicateKey", func() error {
			_, err := b.ReplicateKey(t.Context(), self, &ReplicateKeyInput{KeyID: wide.KeyID, ReplicaRegion: "eu-west-1"})
			return err
		}, []event{
			{"ReplicateKey", region, `{"keyId":"` + wide.KeyID + `","replicaRegion":"eu-west-1","description":"","policy":"","bypassPolicyLockoutSafetyCheck":false}`, "*", "null", false},
			{"CreateKey", "eu-west-1", "*", "*", "null", false}}},
		{"UpdatePrimaryRegion", func() error {
			_, err := b.UpdatePrimaryRegion(t.Context(), self, &UpdatePrimaryRegionInput{KeyID: wide.KeyID, PrimaryRegion: "eu-west-1"})
			return err
		}, []event{
			{"UpdatePrimaryRegion", region, `{"keyId":"` + wide.KeyID + `","primaryRegion":"eu-west-1"}`, `{"keyId":"` + wide.ARN + `"}`, "null", false},
			{"UpdatePrimaryRegion", "eu-west-1", `{"keyId":"` + wide.KeyID + `","primaryRegion":"eu-west-1"}`, `{"keyId":"` + there + `"}`, "null", false}}},
		{"a rotation that can't be", func() error {
			if _, err := b.RotateKeyOnDemand(t.Context(), self, &KeyInput{wide.KeyID}); err == nil {
				t.Error("a replica rotates")
			}
			return nil
		}, []event{{"RotateKeyOnDemand", region, "*", "null", "null", false}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := len(b.events(t))
			if err := tt.do(); err != nil {
				t.Fatal(err)
			}
			now, err := b.DescribeKey(t.Context(), self, &DescribeKeyInput{KeyID: k.KeyID})
			if err != nil {
				t.Fatal(err)
			}
			events := b.events(t)[before:]
			if events = events[:len(events)-1]; len(events) != len(tt.want) {
				t.Fatalf("%d events; want %d: %s", len(events), len(tt.want), events)
			}
			for i, w := range tt.want {
				got := fields(t, events[i])
				if got["eventName"] != w.name || got["awsRegion"] != w.region || got["readOnly"] != w.readOnly {
					t.Errorf("event %s; want %s in %s", events[i], w.name, w.region)
				}
				for name, text := range map[string]string{"requestParameters": w.request, "responseElements": w.response, "serviceEventDetails": w.details} {
					var want any
					if text == "*" {
						if got[name] == nil {
							t.Errorf("%s of %s is missing", name, w.name)
						}
						continue
					}
					if err := json.Unmarshal([]byte(strings.ReplaceAll(text, "CURRENT", now.KeyMetadata.CurrentKeyMaterialID)), &want); err != nil {
						t.Fatal(err)
					}
					if !reflect.DeepEqual(got[name], want) {
						t.Errorf("%s of %s = %v; want %s", name, w.name, got[name], text)
					}
				}
			}
		})
	}
}
