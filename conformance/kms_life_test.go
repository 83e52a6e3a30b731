package conformance

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// testKMSOnDemand rotates on demand until AWS would stop, and lists it by pages.
func testKMSOnDemand(t *testing.T, k *keyService) {
	ctx := t.Context()
	id := k.key(t)
	var blobs [][]byte
	for range 25 {
		blobs = append(blobs, k.sealed(t, id))
		out, err := k.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: &id})
		check(t, "RotateKeyOnDemand", err)
		want(t, "key", *out.KeyId, id[strings.LastIndex(id, "/")+1:])
	}
	_, err := k.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: &id})
	fails[*types.LimitExceededException](t, "RotateKeyOnDemand for the 26th time", err,
		"The on-demand rotations limit has been reached for the given keyId. No more on-demand rotations can be performed for this key: "+id)
	for i, blob := range blobs {
		if _, err := k.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob}); err != nil {
			t.Errorf("Decrypt under material %d = %v", i+1, err)
		}
	}
	for include, n := range map[types.IncludeKeyMaterial]int{"": 25, types.IncludeKeyMaterialRotationsOnly: 25, types.IncludeKeyMaterialAllKeyMaterial: 26} {
		var list []types.RotationsListEntry
		pages := 0
		for p := kms.NewListKeyRotationsPaginator(k, &kms.ListKeyRotationsInput{KeyId: &id, IncludeKeyMaterial: include, Limit: aws.Int32(10)}); p.HasMorePages(); pages++ {
			page, err := p.NextPage(ctx)
			check(t, "ListKeyRotations", err)
			list = append(list, page.Rotations...)
		}
		want(t, "pages", pages, 3)
		want(t, "rotations of "+string(include), len(list), n)
		seen := make(map[string]bool)
		for i, r := range list {
			want(t, "key", *r.KeyId, id)
			seen[*r.KeyMaterialId] = true
			if isFirst := n == 26 && i == 0; isFirst != (r.RotationDate == nil) || isFirst != (r.RotationType == "") || !isFirst && r.RotationType != types.RotationTypeOnDemand {
				t.Errorf("rotation %d of %q = %+v", i, include, r)
			}
			state := types.KeyMaterialStateNonCurrent
			if i == n-1 {
				state = types.KeyMaterialStateCurrent
			}
			want(t, "state of the material", r.KeyMaterialState, state)
		}
		want(t, "materials", len(seen), n)
	}
	_, err = k.ListKeyRotations(ctx, &kms.ListKeyRotationsInput{KeyId: &id, Marker: aws.String("x")})
	fails[*types.InvalidMarkerException](t, "ListKeyRotations from a false marker", err, "")
	for _, in := range []*kms.ListKeyRotationsInput{{KeyId: &id, Limit: aws.Int32(0)}, {KeyId: &id, Limit: aws.Int32(1001)}, {KeyId: &id, IncludeKeyMaterial: "NONE"}} {
		_, err = k.ListKeyRotations(ctx, in)
		invalid(t, "ListKeyRotations", err, "")
	}
	for _, days := range []int32{89, 2561} {
		_, err = k.EnableKeyRotation(ctx, &kms.EnableKeyRotationInput{KeyId: &id, RotationPeriodInDays: &days})
		invalid(t, "EnableKeyRotation", err, "at 'rotationPeriodInDays' failed to satisfy constraint")
	}
	_, err = k.EnableKeyRotation(ctx, &kms.EnableKeyRotationInput{KeyId: &id})
	check(t, "EnableKeyRotation", err)
	status, err := k.GetKeyRotationStatus(ctx, &kms.GetKeyRotationStatusInput{KeyId: &id})
	check(t, "GetKeyRotationStatus", err)
	want(t, "rotation enabled", status.KeyRotationEnabled, true)
	want(t, "period", aws.ToInt32(status.RotationPeriodInDays), 365)
	_, err = k.DisableKeyRotation(ctx, &kms.DisableKeyRotationInput{KeyId: &id})
	check(t, "DisableKeyRotation", err)
	status, err = k.GetKeyRotationStatus(ctx, &kms.GetKeyRotationStatusInput{KeyId: &id})
	check(t, "GetKeyRotationStatus", err)
	want(t, "rotation enabled", status.KeyRotationEnabled, false)
	_, err = k.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &id})
	check(t, "DisableKey", err)
	for name, err := range map[string]error{
		"EnableKeyRotation":  errorOf(k.EnableKeyRotation(ctx, &kms.EnableKeyRotationInput{KeyId: &id})),
		"DisableKeyRotation": errorOf(k.DisableKeyRotation(ctx, &kms.DisableKeyRotationInput{KeyId: &id})),
		"RotateKeyOnDemand":  errorOf(k.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: &id})),
	} {
		fails[*types.DisabledException](t, name+" of a disabled key", err, id+" is disabled.")
	}
}

// testKMSRegions replicates keys, uses them everywhere and takes them apart.
func testKMSRegions(t *testing.T, k *keyService) {
	ctx := t.Context()
	const home, far, third = "us-east-1", "eu-west-1", "ap-southeast-2"
	abroad, other := k.in(far), k.in(third)
	id := k.key(t, multiRegion)
	if !strings.Contains(id, ":key/mrk-") {
		t.Errorf("a multi-region key has the ARN %s", id)
	}
	there := strings.Replace(id, home, far, 1)
	bare := id[strings.Index(id, "mrk-"):]
	out, err := k.ReplicateKey(ctx, &kms.ReplicateKeyInput{KeyId: &id, ReplicaRegion: aws.String(far), Description: aws.String("replica"),
		Tags: []types.Tag{{TagKey: aws.String("a"), TagValue: aws.String("b")}}})
	check(t, "ReplicateKey", err)
	want(t, "ARN of the replica", *out.ReplicaKeyMetadata.Arn, there)
	want(t, "tags of the replica", len(out.ReplicaTags), 1)
	if !strings.Contains(aws.ToString(out.ReplicaPolicy), "kms:*") {
		t.Errorf("policy of the replica = %s", aws.ToString(out.ReplicaPolicy))
	}
	c := out.ReplicaKeyMetadata.MultiRegionConfiguration
	if c == nil || c.MultiRegionKeyType != types.MultiRegionKeyTypeReplica || *c.PrimaryKey.Arn != id || len(c.ReplicaKeys) != 1 || *c.ReplicaKeys[0].Region != far {
		t.Errorf("configuration of the replica = %+v", c)
	}
	sealed, err := k.Encrypt(ctx, &kms.EncryptInput{KeyId: &id, Plaintext: []byte("everywhere")})
	check(t, "Encrypt", err)
	opened, err := abroad.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob})
	check(t, "Decrypt in the other region", err)
	want(t, "plaintext", string(opened.Plaintext), "everywhere")
	want(t, "key", *opened.KeyId, there)
	_, err = other.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob})
	if err == nil {
		t.Error("Decrypt in a region without a replica succeeds")
	}
	_, err = abroad.Encrypt(ctx, &kms.EncryptInput{KeyId: &id, Plaintext: []byte("x")})
	fails[*types.NotFoundException](t, "Encrypt with the key of another region", err, "Invalid arn us-east-1")

	for name, c := range map[string]struct {
		err  error
		text string
	}{
		"a key of one region":            {errorOf(k.ReplicateKey(ctx, &kms.ReplicateKeyInput{KeyId: aws.String(k.key(t)), ReplicaRegion: aws.String(far)})), "is not a multi-region primary key."},
		"a replica":                      {errorOf(abroad.ReplicateKey(ctx, &kms.ReplicateKeyInput{KeyId: &there, ReplicaRegion: aws.String(third)})), there + " is not a multi-region primary key."},
		"a replica's rotation":           {errorOf(abroad.EnableKeyRotation(ctx, &kms.EnableKeyRotationInput{KeyId: &there})), there + " is not a multi-region primary key."},
		"a replica's rotation on demand": {errorOf(abroad.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: &there})), there + " is not a multi-region primary key."},
		"the primary of a replica":       {errorOf(abroad.UpdatePrimaryRegion(ctx, &kms.UpdatePrimaryRegionInput{KeyId: &there, PrimaryRegion: aws.String(home)})), there + " is not a multi-region primary key."},
	} {
		fails[*types.UnsupportedOperationException](t, name, c.err, c.text)
	}
	_, err = k.ReplicateKey(ctx, &kms.ReplicateKeyInput{KeyId: &id, ReplicaRegion: aws.String(far)})
	fails[*types.AlreadyExistsException](t, "ReplicateKey twice", err, there)
	_, err = k.UpdatePrimaryRegion(ctx, &kms.UpdatePrimaryRegionInput{KeyId: &id, PrimaryRegion: aws.String(third)})
	fails[*types.NotFoundException](t, "UpdatePrimaryRegion to a region without a replica", err, "")
	for _, region := range []string{"Mars", "us", "us-east-", "us_east_1", strings.Repeat("a", 30) + "-b-1", home} {
		_, err = k.ReplicateKey(ctx, &kms.ReplicateKeyInput{KeyId: &id, ReplicaRegion: aws.String(region)})
		invalid(t, "ReplicateKey to "+region, err, "")
	}

	// Rotation is everybody's.
	_, err = k.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: &id})
	check(t, "RotateKeyOnDemand", err)
	fresh, err := abroad.Encrypt(ctx, &kms.EncryptInput{KeyId: &there, Plaintext: []byte("later")})
	check(t, "Encrypt with the replica", err)
	opened, err = k.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: fresh.CiphertextBlob})
	check(t, "Decrypt at home", err)
	want(t, "key", *opened.KeyId, id)
	_, err = k.ReplicateKey(ctx, &kms.ReplicateKeyInput{KeyId: &id, ReplicaRegion: aws.String(third)})
	check(t, "ReplicateKey to a third region", err)
	_, err = other.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob})
	check(t, "Decrypt of what is older than the replica", err)

	_, err = k.UpdatePrimaryRegion(ctx, &kms.UpdatePrimaryRegionInput{KeyId: &id, PrimaryRegion: aws.String(far)})
	check(t, "UpdatePrimaryRegion", err)
	for region, client := range map[string]*kms.Client{home: k.Client, far: abroad, third: other} {
		d, err := client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &bare})
		check(t, "DescribeKey", err)
		kind := types.MultiRegionKeyTypeReplica
		if region == far {
			kind = types.MultiRegionKeyTypePrimary
		}
		want(t, "type in "+region, d.KeyMetadata.MultiRegionConfiguration.MultiRegionKeyType, kind)
		want(t, "primary in "+region, *d.KeyMetadata.MultiRegionConfiguration.PrimaryKey.Region, far)
		want(t, "replicas in "+region, len(d.KeyMetadata.MultiRegionConfiguration.ReplicaKeys), 2)
	}
	// The primary key waits for its replicas.
	waiting, err := abroad.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &there, PendingWindowInDays: aws.Int32(7)})
	check(t, "ScheduleKeyDeletion of the primary key", err)
	want(t, "state of the primary key", waiting.KeyState, types.KeyStatePendingReplicaDeletion)
	want(t, "no date before the replicas are gone", waiting.DeletionDate == nil, true)
	d, err := abroad.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &there})
	check(t, "DescribeKey", err)
	want(t, "waiting period", aws.ToInt32(d.KeyMetadata.PendingDeletionWindowInDays), 7)
	_, err = abroad.Encrypt(ctx, &kms.EncryptInput{KeyId: &there, Plaintext: []byte("x")})
	fails[*types.KMSInvalidStateException](t, "Encrypt pending replica deletion", err, there+" is pending ")
	_, err = k.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob})
	check(t, "Decrypt with a replica of a primary key that waits", err)
	_, err = abroad.CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: &there})
	check(t, "CancelKeyDeletion", err)

	// Imported material is brought to each of the keys.
	material, next := random(81, 32), random(82, 32)
	mine := k.key(t, multiRegion, external)
	theirs := strings.Replace(mine, home, far, 1)
	k.bring(t, mine, material)
	_, err = k.ReplicateKey(ctx, &kms.ReplicateKeyInput{KeyId: &mine, ReplicaRegion: aws.String(far)})
	check(t, "ReplicateKey of imported material", err)
	want(t, "state of its replica", state(t, abroad, theirs), types.KeyStatePendingImport)
	at := func(c *kms.Client, id string, material []byte, kind types.ImportType) error {
		in := k.parcel(t, c, id, types.AlgorithmSpecRsaesOaepSha256, types.WrappingKeySpecRsa2048).input(t, material)
		in.ImportType = kind
		_, err := c.ImportKeyMaterial(ctx, in)
		return err
	}
	fails[*types.IncorrectKeyMaterialException](t, "ImportKeyMaterial of other material into a replica", at(abroad, theirs, next, ""), theirs)
	check(t, "ImportKeyMaterial into a replica", at(abroad, theirs, material, ""))
	sealed, err = k.Encrypt(ctx, &kms.EncryptInput{KeyId: &mine, Plaintext: []byte("brought")})
	check(t, "Encrypt", err)
	_, err = abroad.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob})
	check(t, "Decrypt with the replica", err)
	fails[*types.UnsupportedOperationException](t, "ImportKeyMaterial of new material into a replica", at(abroad, theirs, next, types.ImportTypeNewKeyMaterial), theirs)
	check(t, "ImportKeyMaterial of new material into the primary key", at(k.Client, mine, next, types.ImportTypeNewKeyMaterial))
	states := func(c *kms.Client, id string) (list []types.KeyMaterialState) {
		out, err := c.ListKeyRotations(ctx, &kms.ListKeyRotationsInput{KeyId: &id, IncludeKeyMaterial: types.IncludeKeyMaterialAllKeyMaterial})
		check(t, "ListKeyRotations", err)
		for _, r := range out.Rotations {
			list = append(list, r.KeyMaterialState)
		}
		return list
	}
	const current, waitingHere, waitingThere = types.KeyMaterialStateCurrent, types.KeyMaterialStatePendingRotation, types.KeyMaterialStatePendingMultiRegionImportAndRotation
	if got := states(k.Client, mine); !slices.Equal(got, []types.KeyMaterialState{current, waitingThere}) {
		t.Errorf("materials of the primary key = %v", got)
	}
	_, err = k.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: &mine})
	fails[*types.KMSInvalidStateException](t, "RotateKeyOnDemand before the replica has the material", err, mine)
	check(t, "ImportKeyMaterial of the new material into the replica", at(abroad, theirs, next, types.ImportTypeExistingKeyMaterial))
	if got := states(k.Client, mine); !slices.Equal(got, []types.KeyMaterialState{current, waitingHere}) {
		t.Errorf("materials of the primary key = %v", got)
	}
	_, err = k.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: &mine})
	check(t, "RotateKeyOnDemand", err)
	sealed, err = abroad.Encrypt(ctx, &kms.EncryptInput{KeyId: &theirs, Plaintext: []byte("brought")})
	check(t, "Encrypt with the replica", err)
	_, err = k.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob})
	check(t, "Decrypt at home", err)
	// What waits goes everywhere with the primary key's.
	more := random(83, 32)
	check(t, "ImportKeyMaterial of more material", at(k.Client, mine, more, types.ImportTypeNewKeyMaterial))
	check(t, "ImportKeyMaterial of more material into the replica", at(abroad, theirs, more, types.ImportTypeExistingKeyMaterial))
	rotations, err := k.ListKeyRotations(ctx, &kms.ListKeyRotationsInput{KeyId: &mine, IncludeKeyMaterial: types.IncludeKeyMaterialAllKeyMaterial})
	check(t, "ListKeyRotations", err)
	_, err = k.DeleteImportedKeyMaterial(ctx, &kms.DeleteImportedKeyMaterialInput{KeyId: &mine, KeyMaterialId: rotations.Rotations[2].KeyMaterialId})
	check(t, "DeleteImportedKeyMaterial of what waits", err)
	if got, err := abroad.ListKeyRotations(ctx, &kms.ListKeyRotationsInput{KeyId: &theirs, IncludeKeyMaterial: types.IncludeKeyMaterialAllKeyMaterial}); err != nil ||
		len(got.Rotations) != 3 || got.Rotations[2].ImportState != types.ImportStatePendingImport {
		t.Errorf("materials of the replica = %+v, %v; want the last one gone", got, err)
	}
	want(t, "state of the primary key", state(t, k.Client, mine), types.KeyStateEnabled)
	want(t, "state of the replica", state(t, abroad, theirs), types.KeyStateEnabled)
}

// testKMSSubjects is about keys whose subjects have keys of their own.
func testKMSSubjects(t *testing.T, k *keyService) {
	ctx := t.Context()
	tag := func(name, value string) func(*kms.CreateKeyInput) {
		return func(in *kms.CreateKeyInput) { in.Tags = append(in.Tags, types.Tag{TagKey: &name, TagValue: &value}) }
	}
	id := k.key(t, tag("coffer:shred-by", "subject"), tag("team", "a"))
	alice, bob := map[string]string{"subject": "alice", "x": "y"}, map[string]string{"subject": "bob", "x": "y"}
	var blobs [][]byte
	for _, pairs := range []map[string]string{alice, bob} {
		out, err := k.Encrypt(ctx, &kms.EncryptInput{KeyId: &id, Plaintext: []byte("of " + pairs["subject"]), EncryptionContext: pairs})
		check(t, "Encrypt", err)
		blobs = append(blobs, out.CiphertextBlob)
	}
	for i, pairs := range []map[string]string{alice, bob} {
		out, err := k.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blobs[i], EncryptionContext: pairs})
		check(t, "Decrypt", err)
		want(t, "plaintext", string(out.Plaintext), "of "+pairs["subject"])
		_, err = k.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blobs[1-i], EncryptionContext: pairs})
		fails[*types.InvalidCiphertextException](t, "Decrypt with the pair of another subject", err, "")
	}
	const lacks = "The encryption context lacks the pair by which data under "
	none := map[string]string{"x": "y"}
	for name, err := range map[string]error{
		"Encrypt":              errorOf(k.Encrypt(ctx, &kms.EncryptInput{KeyId: &id, Plaintext: []byte("x"), EncryptionContext: none})),
		"Decrypt":              errorOf(k.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blobs[0], EncryptionContext: none})),
		"GenerateDataKey":      errorOf(k.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: &id, KeySpec: types.DataKeySpecAes256})),
		"GenerateDataKeyPair":  errorOf(k.GenerateDataKeyPair(ctx, &kms.GenerateDataKeyPairInput{KeyId: &id, KeyPairSpec: types.DataKeyPairSpecEccNistP256})),
		"a dry run of Encrypt": errorOf(k.Encrypt(ctx, &kms.EncryptInput{KeyId: &id, Plaintext: []byte("x"), DryRun: aws.Bool(true)})),
		"ReEncrypt": errorOf(k.ReEncrypt(ctx, &kms.ReEncryptInput{CiphertextBlob: blobs[0], SourceEncryptionContext: alice,
			DestinationKeyId: &id, DestinationEncryptionContext: none})),
	} {
		invalid(t, name+" without the pair", err, lacks+id)
	}
	_, err := k.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blobs[0], EncryptionContext: map[string]string{"subject": "carol", "x": "y"}})
	fails[*types.NotFoundException](t, "Decrypt for a subject that was never used", err, "")
	// Its tag is the key's for ever.
	for name, err := range map[string]error{
		"TagResource":   errorOf(k.TagResource(ctx, &kms.TagResourceInput{KeyId: &id, Tags: []types.Tag{{TagKey: aws.String("coffer:shred-by"), TagValue: aws.String("other")}}})),
		"UntagResource": errorOf(k.UntagResource(ctx, &kms.UntagResourceInput{KeyId: &id, TagKeys: []string{"coffer:shred-by"}})),
		"CreateKey":     errorOf(k.CreateKey(ctx, &kms.CreateKeyInput{Tags: []types.Tag{{TagKey: aws.String("coffer:shred-by"), TagValue: aws.String("aws:s3:arn")}}})),
	} {
		fails[*types.TagException](t, name+" of coffer:shred-by", err, "")
	}
	_, err = k.CreateKey(ctx, &kms.CreateKeyInput{KeySpec: types.KeySpecHmac256, KeyUsage: types.KeyUsageTypeGenerateVerifyMac,
		Tags: []types.Tag{{TagKey: aws.String("coffer:shred-by"), TagValue: aws.String("subject")}}})
	invalid(t, "CreateKey of HMAC with subjects", err, "coffer:shred-by")
	tags, err := k.ListResourceTags(ctx, &kms.ListResourceTagsInput{KeyId: &id})
	check(t, "ListResourceTags", err)
	want(t, "tags", len(tags.Tags), 2)
	_, err = k.ListResourceTags(ctx, &kms.ListResourceTagsInput{KeyId: &id, Marker: aws.String("x")})
	fails[*types.InvalidMarkerException](t, "ListResourceTags from a false marker", err, "")
	// Rotation and other regions keep subjects.
	_, err = k.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: &id})
	check(t, "RotateKeyOnDemand", err)
	_, err = k.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blobs[0], EncryptionContext: alice})
	check(t, "Decrypt after a rotation", err)
	wide := k.key(t, multiRegion, tag("coffer:shred-by", "subject"))
	out, err := k.Encrypt(ctx, &kms.EncryptInput{KeyId: &wide, Plaintext: []byte("far"), EncryptionContext: alice})
	check(t, "Encrypt", err)
	_, err = k.ReplicateKey(ctx, &kms.ReplicateKeyInput{KeyId: &wide, ReplicaRegion: aws.String("eu-west-1")})
	check(t, "ReplicateKey", err)
	_, err = k.in("eu-west-1").Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: out.CiphertextBlob, EncryptionContext: alice})
	check(t, "Decrypt for a subject in another region", err)
	_, err = k.in("eu-west-1").Encrypt(ctx, &kms.EncryptInput{KeyId: aws.String(strings.Replace(wide, "us-east-1", "eu-west-1", 1)), Plaintext: []byte("x")})
	invalid(t, "Encrypt without the pair in another region", err, lacks)
}

// testKMSManage calls what manages keys, for its answers and its errors.
func testKMSManage(t *testing.T, k *keyService) {
	ctx := t.Context()
	id := k.key(t)
	unknown := id[:len(id)-36] + "00000000-0000-4000-8000-000000000000"
	_, err := k.UpdateKeyDescription(ctx, &kms.UpdateKeyDescriptionInput{KeyId: &id, Description: aws.String("new")})
	check(t, "UpdateKeyDescription", err)
	_, err = k.TagResource(ctx, &kms.TagResourceInput{KeyId: &id, Tags: []types.Tag{{TagKey: aws.String("a"), TagValue: aws.String("b")}}})
	check(t, "TagResource", err)
	_, err = k.UntagResource(ctx, &kms.UntagResourceInput{KeyId: &id, TagKeys: []string{"a"}})
	check(t, "UntagResource", err)
	policy, err := k.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: &id})
	check(t, "GetKeyPolicy", err)
	_, err = k.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: &id, Policy: policy.Policy})
	check(t, "PutKeyPolicy", err)
	_, err = k.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: &id, Policy: aws.String("{}")})
	fails[*types.MalformedPolicyDocumentException](t, "PutKeyPolicy of none", err, "")
	names, err := k.ListKeyPolicies(ctx, &kms.ListKeyPoliciesInput{KeyId: &id})
	check(t, "ListKeyPolicies", err)
	if !slices.Equal(names.PolicyNames, []string{"default"}) {
		t.Errorf("ListKeyPolicies = %v; want default", names.PolicyNames)
	}
	_, err = k.GetKeyLastUsage(ctx, &kms.GetKeyLastUsageInput{KeyId: &id})
	check(t, "GetKeyLastUsage", err)
	list, err := k.ListKeys(ctx, &kms.ListKeysInput{Limit: aws.Int32(1)})
	check(t, "ListKeys", err)
	want(t, "keys of a page", len(list.Keys), 1)
	_, err = k.ListKeys(ctx, &kms.ListKeysInput{Marker: aws.String("x")})
	fails[*types.InvalidMarkerException](t, "ListKeys from a false marker", err, "")
	for _, in := range []*kms.CreateKeyInput{
		{KeySpec: types.KeySpecSm2, KeyUsage: types.KeyUsageTypeSignVerify}, {KeySpec: "RSA_1024", KeyUsage: types.KeyUsageTypeSignVerify},
		{KeyUsage: "NONE"}, {Origin: "NONE"},
	} {
		_, err = k.CreateKey(ctx, in)
		invalid(t, "CreateKey", err, "failed to satisfy constraint: Member must satisfy enum value set")
	}
	for _, in := range []*kms.CreateKeyInput{
		{KeySpec: types.KeySpecRsa2048}, {KeySpec: types.KeySpecHmac256}, {KeySpec: types.KeySpecRsa2048, KeyUsage: types.KeyUsageTypeKeyAgreement},
		{KeyUsage: types.KeyUsageTypeSignVerify}, {KeySpec: types.KeySpecMlDsa44, KeyUsage: types.KeyUsageTypeEncryptDecrypt},
		{Origin: types.OriginTypeExternalKeyStore}, {XksKeyId: aws.String("x")},
	} {
		_, err = k.CreateKey(ctx, in)
		invalid(t, "CreateKey", err, "")
	}
	_, err = k.CreateKey(ctx, &kms.CreateKeyInput{Origin: types.OriginTypeAwsCloudhsm})
	fails[*types.UnsupportedOperationException](t, "CreateKey of AWS CloudHSM", err, "")
	for name, err := range map[string]error{
		"CancelKeyDeletion":    errorOf(k.CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: &unknown})),
		"DescribeKey":          errorOf(k.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &unknown})),
		"DisableKey":           errorOf(k.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &unknown})),
		"EnableKey":            errorOf(k.EnableKey(ctx, &kms.EnableKeyInput{KeyId: &unknown})),
		"GetKeyLastUsage":      errorOf(k.GetKeyLastUsage(ctx, &kms.GetKeyLastUsageInput{KeyId: &unknown})),
		"GetKeyPolicy":         errorOf(k.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: &unknown})),
		"GetPublicKey":         errorOf(k.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: &unknown})),
		"ListKeyPolicies":      errorOf(k.ListKeyPolicies(ctx, &kms.ListKeyPoliciesInput{KeyId: &unknown})),
		"ScheduleKeyDeletion":  errorOf(k.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &unknown})),
		"UpdateKeyDescription": errorOf(k.UpdateKeyDescription(ctx, &kms.UpdateKeyDescriptionInput{KeyId: &unknown, Description: aws.String("d")})),
		"RotateKeyOnDemand":    errorOf(k.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: &unknown})),
		"ReplicateKey":         errorOf(k.ReplicateKey(ctx, &kms.ReplicateKeyInput{KeyId: &unknown, ReplicaRegion: aws.String("eu-west-1")})),
		"Sign":                 errorOf(k.Sign(ctx, &kms.SignInput{KeyId: &unknown, SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256, Message: []byte("x")})),
	} {
		fails[*types.NotFoundException](t, name+" of no key", err, "Key '"+unknown+"' does not exist")
	}
	_, err = k.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &id, PendingWindowInDays: aws.Int32(6)})
	invalid(t, "ScheduleKeyDeletion in 6 days", err, "")
}

// testKMSStores calls what xks_test.go tests, for errors that need no proxy.
func testKMSStores(t *testing.T, k *keyService) {
	ctx := t.Context()
	none := aws.String("cks-1234567890abcdef0")
	for name, err := range map[string]error{
		"ConnectCustomKeyStore":    errorOf(k.ConnectCustomKeyStore(ctx, &kms.ConnectCustomKeyStoreInput{CustomKeyStoreId: none})),
		"DeleteCustomKeyStore":     errorOf(k.DeleteCustomKeyStore(ctx, &kms.DeleteCustomKeyStoreInput{CustomKeyStoreId: none})),
		"DescribeCustomKeyStores":  errorOf(k.DescribeCustomKeyStores(ctx, &kms.DescribeCustomKeyStoresInput{CustomKeyStoreId: none})),
		"DisconnectCustomKeyStore": errorOf(k.DisconnectCustomKeyStore(ctx, &kms.DisconnectCustomKeyStoreInput{CustomKeyStoreId: none})),
		"UpdateCustomKeyStore":     errorOf(k.UpdateCustomKeyStore(ctx, &kms.UpdateCustomKeyStoreInput{CustomKeyStoreId: none, NewCustomKeyStoreName: aws.String("n")})),
	} {
		fails[*types.CustomKeyStoreNotFoundException](t, name+" of none", err, "")
	}
	_, err := k.DescribeCustomKeyStores(ctx, &kms.DescribeCustomKeyStoresInput{})
	check(t, "DescribeCustomKeyStores", err)
	_, err = k.CreateCustomKeyStore(ctx, &kms.CreateCustomKeyStoreInput{CustomKeyStoreName: aws.String("s"), CustomKeyStoreType: types.CustomKeyStoreTypeExternalKeyStore})
	if err == nil {
		t.Error("CreateCustomKeyStore without a proxy succeeds")
	}
}

// TestKMSClock moves the clock: rotations that are due, imports that expire, and
// deletions that end.
func TestKMSClock(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	k := startKeys(t, "--dev-clock")
	const day = 24 * time.Hour

	id := k.key(t)
	_, err := k.EnableKeyRotation(ctx, &kms.EnableKeyRotationInput{KeyId: &id, RotationPeriodInDays: aws.Int32(90)})
	check(t, "EnableKeyRotation", err)
	blob := k.sealed(t, id)

	// A token is good for a day, material until it expires.
	ext := k.key(t, external)
	p := k.parcel(t, k.Client, ext, types.AlgorithmSpecRsaesOaepSha256, types.WrappingKeySpecRsa2048)
	in := p.input(t, random(91, 32))
	in.ExpirationModel, in.ValidTo = types.ExpirationModelTypeKeyMaterialExpires, aws.Time(p.ParametersValidTo.Add(9*day))
	_, err = k.ImportKeyMaterial(ctx, in)
	check(t, "ImportKeyMaterial", err)
	d, err := k.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &ext})
	check(t, "DescribeKey", err)
	want(t, "expiration model", d.KeyMetadata.ExpirationModel, types.ExpirationModelTypeKeyMaterialExpires)
	if v := d.KeyMetadata.ValidTo; v == nil || v.Sub(*in.ValidTo).Abs() > time.Second {
		t.Errorf("ValidTo = %v; want %v", v, in.ValidTo)
	}
	imported := k.sealed(t, ext)
	k.advance(day + time.Minute)
	in.ValidTo = aws.Time(p.ParametersValidTo.Add(30 * day))
	_, err = k.ImportKeyMaterial(ctx, in)
	fails[*types.ExpiredImportTokenException](t, "ImportKeyMaterial with an old token", err, "")
	_, err = k.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: imported})
	check(t, "Decrypt before the material expires", err)
	k.advance(9 * day)
	_, err = k.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: imported})
	fails[*types.KMSInvalidStateException](t, "Decrypt with expired material", err, ext+" is pending import.")
	want(t, "state with expired material", state(t, k.Client, ext), types.KeyStatePendingImport)
	k.bring(t, ext, random(91, 32))
	_, err = k.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: imported})
	check(t, "Decrypt with the material back", err)

	// Deletions, the replica's first.
	wide := k.key(t, multiRegion)
	abroad, there := k.in("eu-west-1"), strings.Replace(wide, "us-east-1", "eu-west-1", 1)
	_, err = k.ReplicateKey(ctx, &kms.ReplicateKeyInput{KeyId: &wide, ReplicaRegion: aws.String("eu-west-1")})
	check(t, "ReplicateKey", err)
	for c, id := range map[*kms.Client]string{k.Client: wide, abroad: there} {
		_, err = c.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &id, PendingWindowInDays: aws.Int32(7)})
		check(t, "ScheduleKeyDeletion", err)
	}
	k.advance(8 * day)
	eventually(t, 20*time.Second, "the replica is gone", func() bool {
		_, err := abroad.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &there})
		return code(err) == "NotFoundException"
	})
	eventually(t, 20*time.Second, "the primary key waits alone", func() bool { return state(t, k.Client, wide) == types.KeyStatePendingDeletion })
	k.advance(8 * day)
	eventually(t, 20*time.Second, "the primary key is gone", func() bool {
		_, err := k.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &wide})
		return code(err) == "NotFoundException"
	})

	k.advance(90 * day)
	var list []types.RotationsListEntry
	eventually(t, 20*time.Second, "a rotation", func() bool {
		out, err := k.ListKeyRotations(ctx, &kms.ListKeyRotationsInput{KeyId: &id})
		check(t, "ListKeyRotations", err)
		list = out.Rotations
		return len(list) > 0
	})
	want(t, "rotations", len(list), 1)
	want(t, "type of the rotation", list[0].RotationType, types.RotationTypeAutomatic)
	_, err = k.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob})
	check(t, "Decrypt after the rotation", err)
	status, err := k.GetKeyRotationStatus(ctx, &kms.GetKeyRotationStatusInput{KeyId: &id})
	check(t, "GetKeyRotationStatus", err)
	want(t, "period", aws.ToInt32(status.RotationPeriodInDays), 90)
	if status.NextRotationDate == nil {
		t.Error("GetKeyRotationStatus has no next rotation")
	}
}
