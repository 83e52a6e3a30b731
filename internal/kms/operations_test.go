package kms

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"coffer/internal/key"
)

func TestCreateAndDescribeKey(t *testing.T) {
	b := newBench(t)
	out, err := b.CreateKey(t.Context(), self, &CreateKeyInput{Description: "test key", Tags: []Tag{{"b", "2"}, {"a", "1"}},
		KeySpec: "SYMMETRIC_DEFAULT", KeyUsage: "ENCRYPT_DECRYPT", Origin: "AWS_KMS"})
	if err != nil {
		t.Fatal(err)
	}
	m := out.KeyMetadata
	if len(m.CurrentKeyMaterialID) != 64 || m.ARN != "arn:aws:kms:us-east-1:"+account+":key/"+m.KeyID {
		t.Errorf("CreateKey = %+v", m)
	}
	want := KeyMetadata{
		AWSAccountID: account, KeyID: m.KeyID, ARN: m.ARN, Enabled: true, Description: "test key", KeyUsage: "ENCRYPT_DECRYPT",
		KeyState: "Enabled", Origin: "AWS_KMS", KeyManager: "CUSTOMER", CustomerMasterKeySpec: "SYMMETRIC_DEFAULT",
		KeySpec: "SYMMETRIC_DEFAULT", EncryptionAlgorithms: []string{"SYMMETRIC_DEFAULT"}, CurrentKeyMaterialID: m.CurrentKeyMaterialID,
	}
	want.CreationDate.Time = b.now
	for _, id := range []string{m.KeyID, m.ARN} {
		got, err := b.DescribeKey(t.Context(), self, &DescribeKeyInput{KeyID: id})
		if err != nil || !reflect.DeepEqual(got.KeyMetadata, want) {
			t.Errorf("DescribeKey(%s) = %+v, %v; want %+v", id, got, err, want)
		}
	}
	tags, err := b.ListResourceTags(t.Context(), self, &ListResourceTagsInput{KeyID: m.KeyID})
	if err != nil || !slices.Equal(tags.Tags, []Tag{{"a", "1"}, {"b", "2"}}) {
		t.Errorf("ListResourceTags = %+v, %v", tags, err)
	}
	if _, err := b.UpdateKeyDescription(t.Context(), self, &UpdateKeyDescriptionInput{m.KeyID, ptr("")}); err != nil {
		t.Fatal(err)
	}
	got, err := b.DescribeKey(t.Context(), self, &DescribeKeyInput{KeyID: m.KeyID})
	if err != nil || got.KeyMetadata.Description != "" {
		t.Errorf("after UpdateKeyDescription: %+v, %v", got, err)
	}
	status, err := b.GetKeyRotationStatus(t.Context(), self, &KeyInput{m.ARN})
	if err != nil || *status != (GetKeyRotationStatusOutput{KeyID: m.KeyID}) {
		t.Errorf("GetKeyRotationStatus = %+v, %v", status, err)
	}
}

func TestCryptography(t *testing.T) {
	b := newBench(t)
	k, other := b.newKey(t), b.newKey(t)
	if _, err := b.CreateAlias(t.Context(), self, &CreateAliasInput{"alias/app", k.KeyID}); err != nil {
		t.Fatal(err)
	}
	purpose := map[string]string{"purpose": "test", "aws:s3:arn": "arn:aws:s3:::b/k"}
	for _, id := range []string{k.KeyID, k.ARN, "alias/app", "arn:aws:kms:us-east-1:" + account + ":alias/app"} {
		secret := Plaintext("attack at dawn")
		sealed, err := b.Encrypt(t.Context(), self, &EncryptInput{KeyID: id, Plaintext: secret, EncryptionContext: purpose})
		if err != nil {
			t.Fatal(err)
		}
		if sealed.KeyID != k.ARN || sealed.EncryptionAlgorithm != "SYMMETRIC_DEFAULT" {
			t.Errorf("Encrypt(%s) = %+v", id, sealed)
		}
		if !bytes.Equal(secret, make([]byte, len(secret))) {
			t.Error("Encrypt left its plaintext in memory")
		}
		for _, named := range []string{"", id} {
			opened, err := b.Decrypt(t.Context(), self, &DecryptInput{CiphertextBlob: sealed.CiphertextBlob, KeyID: named, EncryptionContext: purpose})
			if err != nil || string(opened.Plaintext) != "attack at dawn" || opened.KeyID != k.ARN || opened.KeyMaterialID != k.CurrentKeyMaterialID {
				t.Errorf("Decrypt(KeyId %q) = %+v, %v", named, opened, err)
			}
		}
		moved, err := b.ReEncrypt(t.Context(), self, &ReEncryptInput{CiphertextBlob: sealed.CiphertextBlob, SourceEncryptionContext: purpose,
			SourceKeyID: id, DestinationKeyID: other.KeyID})
		if err != nil {
			t.Fatal(err)
		}
		if moved.SourceKeyID != k.ARN || moved.KeyID != other.ARN || moved.SourceKeyMaterialID != k.CurrentKeyMaterialID || moved.DestinationKeyMaterialID != other.CurrentKeyMaterialID {
			t.Errorf("ReEncrypt = %+v", moved)
		}
		opened, err := b.Decrypt(t.Context(), self, &DecryptInput{CiphertextBlob: moved.CiphertextBlob})
		if err != nil || string(opened.Plaintext) != "attack at dawn" || opened.KeyID != other.ARN {
			t.Errorf("Decrypt after ReEncrypt = %+v, %v", opened, err)
		}
	}
}

func TestDataKeys(t *testing.T) {
	b := newBench(t)
	k := b.newKey(t)
	for _, tt := range []struct {
		in   GenerateDataKeyInput
		size int
	}{
		{GenerateDataKeyInput{KeySpec: "AES_256"}, 32},
		{GenerateDataKeyInput{KeySpec: "AES_128"}, 16},
		{GenerateDataKeyInput{NumberOfBytes: ptr[int32](1)}, 1},
		{GenerateDataKeyInput{NumberOfBytes: ptr[int32](1024)}, 1024},
	} {
		in := tt.in
		in.KeyID, in.EncryptionContext = k.KeyID, map[string]string{"a": "b"}
		out, err := b.GenerateDataKey(t.Context(), self, &in)
		if err != nil || len(out.Plaintext) != tt.size || out.KeyID != k.ARN || out.KeyMaterialID != k.CurrentKeyMaterialID {
			t.Fatalf("GenerateDataKey(%+v) = %+v, %v; want %d bytes", tt.in, out, err, tt.size)
		}
		opened, err := b.Decrypt(t.Context(), self, &DecryptInput{CiphertextBlob: out.CiphertextBlob, EncryptionContext: in.EncryptionContext})
		if err != nil || !bytes.Equal(opened.Plaintext, out.Plaintext) {
			t.Errorf("Decrypt of a data key: %v; want the key", err)
		}
		hidden, err := b.GenerateDataKeyWithoutPlaintext(t.Context(), self, &GenerateDataKeyWithoutPlaintextInput{KeyID: k.KeyID,
			KeySpec: in.KeySpec, NumberOfBytes: in.NumberOfBytes})
		if err != nil || hidden.KeyID != k.ARN {
			t.Fatalf("GenerateDataKeyWithoutPlaintext = %+v, %v", hidden, err)
		}
		opened, err = b.Decrypt(t.Context(), self, &DecryptInput{CiphertextBlob: hidden.CiphertextBlob})
		if err != nil || len(opened.Plaintext) != tt.size || tt.size > 1 && bytes.Equal(opened.Plaintext, make([]byte, tt.size)) {
			t.Errorf("Decrypt of a data key without plaintext: %d bytes, %v; want %d that are not zero", len(opened.Plaintext), err, tt.size)
		}
	}
	for _, n := range []int32{1, 1024} {
		out, err := b.GenerateRandom(t.Context(), self, &GenerateRandomInput{NumberOfBytes: &n})
		if err != nil || len(out.Plaintext) != int(n) {
			t.Errorf("GenerateRandom(%d) = %d bytes, %v", n, len(out.Plaintext), err)
		}
	}
}

func TestAliases(t *testing.T) {
	b := newBench(t)
	k, other := b.newKey(t), b.newKey(t)
	if _, err := b.ListAliases(t.Context(), self, &ListAliasesInput{}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"alias/b", "alias/a/b"} {
		if _, err := b.CreateAlias(t.Context(), self, &CreateAliasInput{name, k.ARN}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.UpdateAlias(t.Context(), self, &UpdateAliasInput{"alias/b", other.KeyID}); err != nil {
		t.Fatal(err)
	}
	if d, err := b.DescribeKey(t.Context(), self, &DescribeKeyInput{KeyID: "alias/b"}); err != nil || d.KeyMetadata.KeyID != other.KeyID {
		t.Errorf("alias/b names %+v, %v; want %s", d, err, other.KeyID)
	}
	for id, want := range map[string]string{"": "alias/a/b alias/b", k.KeyID: "alias/a/b", other.ARN: "alias/b"} {
		out, err := b.ListAliases(t.Context(), self, &ListAliasesInput{KeyID: id})
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, a := range out.Aliases {
			if a.AliasARN != "arn:aws:kms:us-east-1:"+account+":"+a.AliasName || !a.CreationDate.Equal(b.now) || !a.LastUpdatedDate.Equal(b.now) {
				t.Errorf("alias %+v", a)
			}
			names = append(names, a.AliasName)
		}
		if got := strings.Join(names, " "); got != want || out.Truncated {
			t.Errorf("ListAliases(%q) = %s; want %s", id, got, want)
		}
	}
	if _, err := b.DeleteAlias(t.Context(), self, &DeleteAliasInput{"alias/b"}); err != nil {
		t.Fatal(err)
	}
	const gone = "NotFoundException: Alias arn:aws:kms:us-east-1:" + account + ":alias/b is not found."
	_, err := b.DeleteAlias(t.Context(), self, &DeleteAliasInput{"alias/b"})
	wantError(t, "DeleteAlias again", err, gone)
	_, err = b.UpdateAlias(t.Context(), self, &UpdateAliasInput{"alias/b", k.KeyID})
	wantError(t, "UpdateAlias of no alias", err, gone)
	for i := range key.MaxAliases - 1 {
		if _, err := b.CreateAlias(t.Context(), self, &CreateAliasInput{fmt.Sprintf("alias/%d", i), k.KeyID}); err != nil {
			t.Fatal(err)
		}
	}
	_, err = b.CreateAlias(t.Context(), self, &CreateAliasInput{"alias/one-more", k.KeyID})
	wantError(t, "CreateAlias above the limit", err, "LimitExceededException: The limit of aliases has been reached for the key: "+k.ARN)
}

func TestTags(t *testing.T) {
	b := newBench(t)
	k := b.newKey(t)
	for _, tags := range [][]Tag{{{"a", "1"}, {"b", ""}}, {{"a", "2"}, {"c", "3"}}, {}} {
		if _, err := b.TagResource(t.Context(), self, &TagResourceInput{k.KeyID, tags}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.UntagResource(t.Context(), self, &UntagResourceInput{k.KeyID, []string{"b", "none"}}); err != nil {
		t.Fatal(err)
	}
	out, err := b.ListResourceTags(t.Context(), self, &ListResourceTagsInput{KeyID: k.ARN})
	if err != nil || !slices.Equal(out.Tags, []Tag{{"a", "2"}, {"c", "3"}}) {
		t.Errorf("ListResourceTags = %+v, %v", out, err)
	}
	var many []Tag
	for i := range key.MaxTags - 1 {
		many = append(many, Tag{fmt.Sprint(i), ""})
	}
	_, err = b.TagResource(t.Context(), self, &TagResourceInput{k.KeyID, many})
	wantError(t, "TagResource above the limit", err, "TagException: Too many tags")
}

// TestPages reads every listing in pages of one to three entries, and compares
// them with the whole.
func TestPages(t *testing.T) {
	b := newBench(t)
	var keys, aliases, tags []string
	var k KeyMetadata
	for i := range 7 {
		k = b.newKey(t)
		keys = append(keys, k.KeyID)
		aliases = append(aliases, fmt.Sprintf("alias/%d", i))
		if _, err := b.CreateAlias(t.Context(), self, &CreateAliasInput{aliases[i], keys[0]}); err != nil {
			t.Fatal(err)
		}
		tags = append(tags, fmt.Sprintf("tag%d", i))
	}
	for _, name := range slices.Backward(tags) {
		if _, err := b.TagResource(t.Context(), self, &TagResourceInput{k.KeyID, []Tag{{name, ""}}}); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(keys)
	type page struct {
		names     []string
		marker    string
		truncated bool
	}
	listings := []struct {
		name string
		want []string
		read func(limit *int32, marker string) (page, error)
	}{
		{"ListKeys", keys, func(limit *int32, marker string) (p page, err error) {
			out, err := b.ListKeys(t.Context(), self, &ListKeysInput{limit, marker})
			if err != nil {
				return p, err
			}
			for _, k := range out.Keys {
				p.names = append(p.names, k.KeyID)
			}
			p.marker, p.truncated = out.NextMarker, out.Truncated
			return p, nil
		}},
		{"ListAliases", aliases, func(limit *int32, marker string) (p page, err error) {
			out, err := b.ListAliases(t.Context(), self, &ListAliasesInput{"", limit, marker})
			if err != nil {
				return p, err
			}
			for _, a := range out.Aliases {
				p.names = append(p.names, a.AliasName)
			}
			p.marker, p.truncated = out.NextMarker, out.Truncated
			return p, nil
		}},
		{"ListResourceTags", tags, func(limit *int32, marker string) (p page, err error) {
			out, err := b.ListResourceTags(t.Context(), self, &ListResourceTagsInput{k.KeyID, limit, marker})
			if err != nil {
				return p, err
			}
			for _, tag := range out.Tags {
				p.names = append(p.names, tag.TagKey)
			}
			p.marker, p.truncated = out.NextMarker, out.Truncated
			return p, nil
		}},
	}
	for _, l := range listings {
		for _, limit := range []int32{0, 1, 2, 3, 7, 1000} {
			var got []string
			for marker, pages := "", 0; ; pages++ {
				in := &limit
				if limit == 0 {
					in = nil
				}
				p, err := l.read(in, marker)
				if err != nil || pages > len(l.want) {
					t.Fatalf("%s(%d): page %d: %v", l.name, limit, pages, err)
				}
				if limit > 0 && len(p.names) > int(limit) || p.truncated != (p.marker != "") {
					t.Errorf("%s(%d) = %+v", l.name, limit, p)
				}
				got = append(got, p.names...)
				if marker = p.marker; marker == "" {
					break
				}
			}
			if !slices.Equal(got, l.want) {
				t.Errorf("%s in pages of %d = %v; want %v", l.name, limit, got, l.want)
			}
		}
		for _, marker := range []string{"x", "!", mark("other", "alias/1")} {
			_, err := l.read(nil, marker)
			wantError(t, l.name+"(marker)", err, "InvalidMarkerException: The marker is not one that this operation returned.")
		}
		_, err := l.read(ptr[int32](0), "")
		wantError(t, l.name+"(limit 0)", err, "ValidationException: 1 validation error detected: Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1")
		_, err = l.read(ptr[int32](1001), "")
		wantError(t, l.name+"(limit 1001)", err, "ValidationException: 1 validation error detected: Value '1001' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 1000")
	}
}

func TestListingsThatAreEmpty(t *testing.T) {
	b := newBench(t)
	k := b.newKey(t)
	if out, err := b.ListGrants(t.Context(), self, &ListGrantsInput{KeyID: k.KeyID}); err != nil || len(out.Grants) != 0 || out.Truncated {
		t.Errorf("ListGrants = %+v, %v", out, err)
	}
	if out, err := b.ListRetirableGrants(t.Context(), self, &ListRetirableGrantsInput{RetiringPrincipal: self.ARN}); err != nil || len(out.Grants) != 0 {
		t.Errorf("ListRetirableGrants = %+v, %v", out, err)
	}
	if out, err := b.DescribeCustomKeyStores(t.Context(), self, &DescribeCustomKeyStoresInput{}); err != nil || len(out.CustomKeyStores) != 0 {
		t.Errorf("DescribeCustomKeyStores = %+v, %v", out, err)
	}
	if out, err := b.ListKeyPolicies(t.Context(), self, &ListKeyPoliciesInput{KeyID: k.KeyID}); err != nil || !slices.Equal(out.PolicyNames, []string{"default"}) {
		t.Errorf("ListKeyPolicies = %+v, %v", out, err)
	}
}

func FuzzMarker(f *testing.F) {
	f.Add(mark("keys", unknownID))
	f.Add("!")
	f.Add(mark("keys", "a") + "\n")
	f.Fuzz(func(t *testing.T, marker string) {
		after, err := unmark("keys", marker)
		if err == nil && marker != "" && mark("keys", after) != marker {
			t.Errorf("unmark(%q) = %q, which is another marker", marker, after)
		}
	})
}

func FuzzOwner(f *testing.F) {
	f.Add("arn:aws:kms:us-east-1:123456789012:key/" + unknownID)
	f.Add("arn:aws:kms:us-east-1:210987654321:alias/x:y")
	f.Add("alias/aws/s3")
	f.Add("mrk-d3b95762d3b95762d3b95762d3b95762")
	b := newBench(f)
	f.Fuzz(func(t *testing.T, id string) {
		if id == "" || len(id) > maxKeyID {
			return
		}
		if _, err := b.DescribeKey(t.Context(), self, &DescribeKeyInput{KeyID: id}); err == nil || strings.Contains(err.Error(), "KMSInternalException") {
			t.Errorf("DescribeKey(%q) = %v; want a refusal", id, err)
		}
	})
}
