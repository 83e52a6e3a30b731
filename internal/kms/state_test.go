package kms

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"coffer/internal/key"
)

// TestKeyStates runs every operation on a key in every state, against the table
// of AWS's guide.
func TestKeyStates(t *testing.T) {
	table, err := os.ReadFile("testdata/key-states.txt")
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t)
	spare := b.newKey(t)
	rows := 0
	for line := range strings.Lines(string(table)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		rows++
		cells := strings.Split(strings.TrimSpace(line), " | ")
		operation, state, want := cells[0], key.State(cells[1]), cells[2]
		t.Run(operation+"/"+string(state), func(t *testing.T) {
			k := b.newKey(t)
			blob := b.ciphertext(t, k.KeyID, "text", nil)
			alias := "alias/" + k.KeyID
			if _, err := b.CreateAlias(t.Context(), self, &CreateAliasInput{alias, k.KeyID}); err != nil {
				t.Fatal(err)
			}
			moving := "alias/moving-" + k.KeyID
			if _, err := b.CreateAlias(t.Context(), self, &CreateAliasInput{moving, spare.KeyID}); err != nil {
				t.Fatal(err)
			}
			b.grant(t, CreateGrantInput{KeyID: k.KeyID, GranteePrincipal: self.ARN, Operations: []string{"DescribeKey"}})
			b.into(t, k.KeyID, state)
			err := b.try(t, operation, k.KeyID, blob, alias, moving)
			if _, cleanup := b.DeleteAlias(t.Context(), self, &DeleteAliasInput{moving}); cleanup != nil {
				t.Fatal(cleanup)
			}
			if want == "ok" {
				if err != nil {
					t.Errorf("%s on a key that is %s = %v; want ok", operation, state, err)
				}
				return
			}
			code, text, _ := strings.Cut(want, ": ")
			wantError(t, operation, err, code+": "+k.ARN+" "+text)
		})
	}
	if rows != 26*3 {
		t.Errorf("%d rows; want those of 26 operations in 3 states", rows)
	}
}

// try runs one operation on a key, with a ciphertext and an alias of the key, and
// an alias that is to move to it.
func (b *bench) try(t *testing.T, operation, id string, blob []byte, alias, moving string) error {
	t.Helper()
	var err error
	ctx, in := t.Context(), &KeyInput{id}
	switch operation {
	case "CancelKeyDeletion":
		_, err = b.CancelKeyDeletion(ctx, b.caller(), in)
	case "CreateAlias":
		_, err = b.CreateAlias(ctx, b.caller(), &CreateAliasInput{alias + "-2", id})
	case "CreateGrant":
		_, err = b.CreateGrant(ctx, b.caller(), &CreateGrantInput{KeyID: id, GranteePrincipal: self.ARN, Operations: []string{"Encrypt"}})
	case "RetireGrant", "RevokeGrant":
		list, err := b.ListGrants(ctx, b.caller(), &ListGrantsInput{KeyID: id})
		if err != nil || len(list.Grants) == 0 {
			return fmt.Errorf("no grants to remove: %w", err)
		}
		if operation == "RetireGrant" {
			_, err = b.RetireGrant(ctx, b.caller(), &RetireGrantInput{KeyID: id, GrantID: list.Grants[0].GrantID})
		} else {
			_, err = b.RevokeGrant(ctx, b.caller(), &RevokeGrantInput{KeyID: id, GrantID: list.Grants[0].GrantID})
		}
		return err
	case "Decrypt":
		_, err = b.Decrypt(ctx, b.caller(), &DecryptInput{CiphertextBlob: blob})
	case "DeleteAlias":
		_, err = b.DeleteAlias(ctx, b.caller(), &DeleteAliasInput{alias})
	case "DescribeKey":
		_, err = b.DescribeKey(ctx, b.caller(), &DescribeKeyInput{KeyID: id})
	case "DisableKey":
		_, err = b.DisableKey(ctx, b.caller(), in)
	case "EnableKey":
		_, err = b.EnableKey(ctx, b.caller(), in)
	case "Encrypt":
		_, err = b.Encrypt(ctx, b.caller(), &EncryptInput{KeyID: id, Plaintext: Plaintext("x")})
	case "GenerateDataKey":
		_, err = b.GenerateDataKey(ctx, b.caller(), &GenerateDataKeyInput{KeyID: id, KeySpec: "AES_256"})
	case "GenerateDataKeyWithoutPlaintext":
		_, err = b.GenerateDataKeyWithoutPlaintext(ctx, b.caller(), &GenerateDataKeyWithoutPlaintextInput{KeyID: id, KeySpec: "AES_256"})
	case "GetKeyPolicy":
		_, err = b.GetKeyPolicy(ctx, b.caller(), &GetKeyPolicyInput{KeyID: id})
	case "GetKeyRotationStatus":
		_, err = b.GetKeyRotationStatus(ctx, b.caller(), in)
	case "ListAliases":
		_, err = b.ListAliases(ctx, b.caller(), &ListAliasesInput{KeyID: id})
	case "ListGrants":
		_, err = b.ListGrants(ctx, b.caller(), &ListGrantsInput{KeyID: id})
	case "ListKeyPolicies":
		_, err = b.ListKeyPolicies(ctx, b.caller(), &ListKeyPoliciesInput{KeyID: id})
	case "ListResourceTags":
		_, err = b.ListResourceTags(ctx, b.caller(), &ListResourceTagsInput{KeyID: id})
	case "PutKeyPolicy":
		_, err = b.PutKeyPolicy(ctx, b.caller(), &PutKeyPolicyInput{KeyID: id, Policy: defaultPolicy(account)})
	case "ReEncrypt":
		_, err = b.ReEncrypt(ctx, b.caller(), &ReEncryptInput{CiphertextBlob: blob, DestinationKeyID: id})
	case "ScheduleKeyDeletion":
		_, err = b.ScheduleKeyDeletion(ctx, b.caller(), &ScheduleKeyDeletionInput{KeyID: id})
	case "TagResource":
		_, err = b.TagResource(ctx, b.caller(), &TagResourceInput{KeyID: id, Tags: []Tag{{"a", "b"}}})
	case "UntagResource":
		_, err = b.UntagResource(ctx, b.caller(), &UntagResourceInput{KeyID: id, TagKeys: []string{"a"}})
	case "UpdateAlias":
		_, err = b.UpdateAlias(ctx, b.caller(), &UpdateAliasInput{moving, id})
	case "UpdateKeyDescription":
		_, err = b.UpdateKeyDescription(ctx, b.caller(), &UpdateKeyDescriptionInput{id, ptr("new")})
	default:
		t.Fatalf("the table has an unknown operation %s", operation)
	}
	return err
}

func TestUpdateAliasLeavesKeyPendingDeletion(t *testing.T) {
	b := newBench(t)
	old, next := b.newKey(t), b.newKey(t)
	if _, err := b.CreateAlias(t.Context(), self, &CreateAliasInput{"alias/a", old.KeyID}); err != nil {
		t.Fatal(err)
	}
	b.into(t, old.KeyID, key.PendingDeletion)
	if _, err := b.UpdateAlias(t.Context(), self, &UpdateAliasInput{"alias/a", next.KeyID}); err != nil {
		t.Errorf("UpdateAlias from a key pending deletion = %v; want ok", err)
	}
}

func TestReEncryptNeedsBothKeys(t *testing.T) {
	b := newBench(t)
	from, to := b.newKey(t), b.newKey(t)
	blob := b.ciphertext(t, from.KeyID, "text", nil)
	b.into(t, to.KeyID, key.Disabled)
	in := &ReEncryptInput{CiphertextBlob: blob, DestinationKeyID: to.KeyID}
	_, err := b.ReEncrypt(t.Context(), self, in)
	wantError(t, "ReEncrypt to a disabled key", err, "DisabledException: "+to.ARN+" is disabled.")
	b.into(t, from.KeyID, key.PendingDeletion)
	_, err = b.ReEncrypt(t.Context(), self, in)
	wantError(t, "ReEncrypt from a key pending deletion", err, "KMSInvalidStateException: "+from.ARN+" is pending deletion.")
}

// TestDeletion takes a key from its schedule over a cancelled deletion to its
// end, and looks at what remains.
func TestDeletion(t *testing.T) {
	b := newBench(t)
	k, other := b.newKey(t), b.newKey(t)
	blob := b.ciphertext(t, k.KeyID, "text", nil)
	out, err := b.ScheduleKeyDeletion(t.Context(), self, &ScheduleKeyDeletionInput{KeyID: k.ARN})
	if err != nil {
		t.Fatal(err)
	}
	if out.KeyID != k.ARN || out.KeyState != "PendingDeletion" || out.PendingWindowInDays != 30 || !out.DeletionDate.Equal(b.now.Add(30*24*time.Hour)) {
		t.Errorf("ScheduleKeyDeletion = %+v", out)
	}
	d, err := b.DescribeKey(t.Context(), self, &DescribeKeyInput{KeyID: k.KeyID})
	if err != nil || d.KeyMetadata.Enabled || d.KeyMetadata.KeyState != "PendingDeletion" || !d.KeyMetadata.DeletionDate.Equal(out.DeletionDate.Time) {
		t.Errorf("DescribeKey = %+v, %v", d, err)
	}
	cancelled, err := b.CancelKeyDeletion(t.Context(), self, &KeyInput{k.KeyID})
	if err != nil || cancelled.KeyID != k.ARN {
		t.Fatalf("CancelKeyDeletion = %+v, %v", cancelled, err)
	}
	if d, err = b.DescribeKey(t.Context(), self, &DescribeKeyInput{KeyID: k.KeyID}); err != nil || d.KeyMetadata.KeyState != "Disabled" || !d.KeyMetadata.DeletionDate.IsZero() {
		t.Errorf("after CancelKeyDeletion: %+v, %v; want a disabled key", d, err)
	}
	b.into(t, k.KeyID, key.PendingDeletion)
	b.now = b.now.Add(7*24*time.Hour - time.Second)
	if n, err := b.Sweep(t.Context()); n != 0 || err != nil {
		t.Fatalf("Sweep before the time = %d, %v", n, err)
	}
	b.now = b.now.Add(time.Second)
	if n, err := b.Sweep(t.Context()); n != 1 || err != nil {
		t.Fatalf("Sweep = %d, %v; want 1", n, err)
	}
	_, err = b.DescribeKey(t.Context(), self, &DescribeKeyInput{KeyID: k.KeyID})
	wantError(t, "DescribeKey of a destroyed key", err, "NotFoundException: Key '"+k.ARN+"' does not exist")
	_, err = b.Decrypt(t.Context(), self, &DecryptInput{CiphertextBlob: blob})
	wantError(t, "Decrypt of a destroyed key", err, "AccessDeniedException: "+foreignCiphertext)
	_, err = b.Decrypt(t.Context(), self, &DecryptInput{CiphertextBlob: blob, KeyID: other.KeyID})
	wantError(t, "Decrypt of a destroyed key with another", err, "IncorrectKeyException: "+wrongKey)
}
