package kms

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"coffer/internal/authn"
	"coffer/internal/key"
	"coffer/internal/meter"
	"coffer/internal/quota"
)

// counted returns what the meter wrote of this month, as "account key operation=n".
func (b *bench) counted(t *testing.T, names map[string]string) map[string]bool {
	t.Helper()
	if err := b.meter.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := make(map[string]bool)
	calls, err := b.meter.List(t.Context(), meter.MonthOf(time.Now()), "", "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range calls {
		for op, n := range c.Operations {
			got[fmt.Sprintf("%s %s %s=%d", c.Account, names[c.Key.ID], op, n)] = true
		}
	}
	return got
}

func TestCallsAreCounted(t *testing.T) {
	b := newBench(t)
	a, z := b.newKey(t), b.newKey(t)
	names := map[string]string{"": "-", a.KeyID: "a", z.KeyID: "z"}
	open := document(`{"Effect":"Allow","Principal":{"AWS":"`+stranger+`"},"Action":"kms:*","Resource":"*"}`,
		`{"Effect":"Allow","Principal":{"AWS":"`+account+`"},"Action":"kms:*","Resource":"*"}`)
	if _, err := b.PutKeyPolicy(t.Context(), self, &PutKeyPolicyInput{KeyID: a.KeyID, Policy: open}); err != nil {
		t.Fatal(err)
	}
	blob := b.ciphertext(t, a.KeyID, "x", nil)
	calls := []func() error{
		func() error { _, err := b.Decrypt(t.Context(), self, &DecryptInput{CiphertextBlob: blob}); return err },
		func() error {
			_, err := b.Decrypt(t.Context(), foreign, &DecryptInput{CiphertextBlob: blob})
			return err
		},
		func() error {
			_, err := b.ReEncrypt(t.Context(), self, &ReEncryptInput{CiphertextBlob: blob, DestinationKeyID: z.KeyID})
			return err
		},
		func() error { _, err := b.ListKeys(t.Context(), self, &ListKeysInput{}); return err },
		func() error {
			_, err := b.GenerateRandom(t.Context(), self, &GenerateRandomInput{NumberOfBytes: ptr[int32](1)})
			return err
		},
		func() error {
			plain, _, _, err := b.NewDataKey(t.Context(), self, z.KeyID, nil)
			plain.Wipe()
			return err
		},
	}
	for i, c := range calls {
		if err := c(); err != nil {
			t.Fatalf("call %d: %v", i, err)
		}
	}
	// What fails, what only asks, and what is no call of the API counts for nothing.
	if _, err := b.Decrypt(t.Context(), foreign, &DecryptInput{CiphertextBlob: b.ciphertext(t, z.KeyID, "x", nil)}); err == nil {
		t.Error("a stranger decrypts")
	}
	if _, err := b.Encrypt(t.Context(), self, &EncryptInput{KeyID: z.KeyID, Plaintext: Plaintext("x"), DryRun: true}); err == nil {
		t.Error("a dry run succeeds")
	}
	if _, err := b.CheckKey(t.Context(), self, "Decrypt", z.KeyID, nil); err != nil {
		t.Error(err)
	}
	got := b.counted(t, names)
	for _, want := range []string{
		account + " a Decrypt=1", stranger + " a Decrypt=1", account + " a ReEncrypt=1", account + " - ListKeys=1", account + " - GenerateRandom=1",
		account + " z GenerateDataKey=1", account + " z Encrypt=1", account + " a Encrypt=1", account + " a CreateKey=1", account + " z CreateKey=1", account + " a PutKeyPolicy=1",
	} {
		if !got[want] {
			t.Errorf("no %q", want)
		}
		delete(got, want)
	}
	for line := range got {
		t.Errorf("also %q", line)
	}
}

// lastUsage returns the answer of GetKeyLastUsage as "Operation request event", or
// "never".
func (b *bench) lastUsage(t *testing.T, id string) string {
	t.Helper()
	out, err := b.GetKeyLastUsage(t.Context(), self, &KeyInput{id})
	if err != nil {
		t.Fatal(err)
	}
	if out.KeyLastUsage == (KeyLastUsageData{}) {
		return "never"
	}
	return out.KeyLastUsage.Operation + " " + out.KeyLastUsage.KmsRequestID + " " + out.KeyLastUsage.CloudTrailEventID
}

func TestGetKeyLastUsage(t *testing.T) {
	b := newBench(t)
	a, z := b.newKey(t), b.newKey(t)
	if got := b.lastUsage(t, a.KeyID); got != "never" {
		t.Errorf("last usage of a new key = %s", got)
	}
	out, err := b.GetKeyLastUsage(t.Context(), self, &KeyInput{a.ARN})
	if err != nil || out.KeyID != a.KeyID || !out.KeyCreationDate.Equal(a.CreationDate.Time) || !out.TrackingStartDate.Equal(a.CreationDate.Time) {
		t.Errorf("GetKeyLastUsage = %+v, %v", out, err)
	}
	alice := caller(account)
	alice.RequestID, alice.ARN = "req-alice", "arn:aws:iam::"+account+":root"
	blob, err := b.Encrypt(t.Context(), alice, &EncryptInput{KeyID: a.KeyID, Plaintext: Plaintext("x")})
	if err != nil {
		t.Fatal(err)
	}
	// The ID is that of the event in the trail.
	got := b.lastUsage(t, a.KeyID)
	id, ok := strings.CutPrefix(got, "Encrypt req-alice ")
	if !ok || len(id) != 36 || !strings.Contains(strings.Join(b.events(t), "\n"), `"eventID":"`+id+`"`) {
		t.Errorf("last usage = %q", got)
	}
	// Failures and management don't count; a ReEncrypt counts for both keys.
	if _, err := b.Decrypt(t.Context(), self, &DecryptInput{CiphertextBlob: blob.CiphertextBlob, EncryptionContext: map[string]string{"a": "b"}}); err == nil {
		t.Error("Decrypt with another context succeeds")
	}
	if _, err := b.DescribeKey(t.Context(), self, &DescribeKeyInput{KeyID: a.KeyID}); err != nil {
		t.Fatal(err)
	}
	if again := b.lastUsage(t, a.KeyID); again != got {
		t.Errorf("last usage = %q; want %q still", again, got)
	}
	if _, err := b.ReEncrypt(t.Context(), self, &ReEncryptInput{CiphertextBlob: blob.CiphertextBlob, DestinationKeyID: z.KeyID}); err != nil {
		t.Fatal(err)
	}
	from, to := b.lastUsage(t, a.KeyID), b.lastUsage(t, z.KeyID)
	if from != to || !strings.HasPrefix(from, "ReEncrypt req-1 ") {
		t.Errorf("last usage after ReEncrypt = %q and %q", from, to)
	}
	use, ok, err := b.LastUse(t.Context(), key.Ref{Account: account, Region: region, ID: z.KeyID})
	if !ok || err != nil || use.Principal != self.ARN {
		t.Errorf("LastUse = %+v, %t, %v", use, ok, err)
	}
	// It works in every state, and for no alias and no other account.
	b.into(t, a.KeyID, key.PendingDeletion)
	if got := b.lastUsage(t, a.KeyID); got != from {
		t.Errorf("last usage of a key that is pending deletion = %q; want %q", got, from)
	}
	_, err = b.GetKeyLastUsage(t.Context(), self, &KeyInput{"alias/a"})
	wantError(t, "by alias", err, "NotFoundException: Invalid keyId 'alias/a'")
	_, err = b.GetKeyLastUsage(t.Context(), foreign, &KeyInput{a.ARN})
	wantError(t, "of another account", err, "AccessDeniedException: User: arn:aws:iam::210987654321:root is not authorized to perform: kms:GetKeyLastUsage on this resource "+
		"because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access")
	_, err = b.GetKeyLastUsage(t.Context(), self, &KeyInput{})
	wantError(t, "of nothing", err, "ValidationException: 1 validation error detected: Value null at 'keyId' failed to satisfy constraint: Member must not be null")
}

// A policy keeps keys in use from being taken away.
func TestTrailingDaysWithoutKeyUsage(t *testing.T) {
	b := newBench(t)
	// Uses go by the trail's clock: the key is made so that it is used after 29 days.
	b.now = time.Now().UTC().Add(-(29*24 + 23) * time.Hour)
	guarded := document(`{"Effect":"Allow","Principal":{"AWS":"`+account+`"},"Action":"kms:*","Resource":"*"}`,
		`{"Effect":"Deny","Principal":"*","Action":["kms:DisableKey","kms:ScheduleKeyDeletion"],"Resource":"*","Condition":{"NumericLessThan":{"kms:TrailingDaysWithoutKeyUsage":"30"}}}`)
	out, err := b.CreateKey(t.Context(), self, &CreateKeyInput{Policy: guarded})
	if err != nil {
		t.Fatal(err)
	}
	id, begin := out.KeyMetadata.KeyID, b.now
	try := func(what string, allowed bool) {
		t.Helper()
		_, err := b.DisableKey(t.Context(), self, &KeyInput{id})
		if _, also := b.ScheduleKeyDeletion(t.Context(), self, &ScheduleKeyDeletionInput{KeyID: id}); (err == nil) != (also == nil) {
			t.Errorf("%s: DisableKey %v, ScheduleKeyDeletion %v", what, err, also)
		}
		if allowed != (err == nil) {
			t.Errorf("%s: DisableKey = %v", what, err)
		}
	}
	const days = 24 * time.Hour
	try("new", false)
	b.now = begin.Add(29*days + 23*time.Hour)
	try("unused for 29 days", false)
	b.ciphertext(t, id, "x", nil)
	if err := b.meter.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	use, _, _ := b.LastUse(t.Context(), key.Ref{Account: account, Region: region, ID: id})
	b.now = use.At.Add(30*days - time.Second)
	try("used 29 days ago", false)
	b.now = use.At.Add(30 * days)
	try("used 30 days ago", true)
}

func (b *bench) limit(t *testing.T, now *time.Time, settings ...string) {
	t.Helper()
	c, err := quota.Parse(settings)
	if err != nil {
		t.Fatal(err)
	}
	b.quotas = quota.New(c, func() time.Time { return *now })
}

func TestQuotas(t *testing.T) {
	b := newBench(t)
	k := b.newKey(t)
	open := document(`{"Effect":"Allow","Principal":{"AWS":["` + account + `","` + stranger + `"]},"Action":"kms:*","Resource":"*"}`)
	if _, err := b.PutKeyPolicy(t.Context(), self, &PutKeyPolicyInput{KeyID: k.KeyID, Policy: open}); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	b.limit(t, &now, "symmetric=3", "ListKeys=1")
	encrypt := func(c *authn.Caller) error {
		_, err := b.Encrypt(t.Context(), c, &EncryptInput{KeyID: k.ARN, Plaintext: Plaintext("x")})
		return err
	}
	const want = "ThrottlingException: You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls."
	// Encryption, data keys for S3 and random bytes share a quota.
	if err := encrypt(self); err != nil {
		t.Error(err)
	}
	if _, _, _, err := b.NewDataKey(t.Context(), self, k.KeyID, nil); err != nil {
		t.Error(err)
	}
	if _, err := b.GenerateRandom(t.Context(), self, &GenerateRandomInput{NumberOfBytes: ptr[int32](1)}); err != nil {
		t.Error(err)
	}
	wantError(t, "the fourth", encrypt(self), want)
	_, _, _, err := b.NewDataKey(t.Context(), self, k.KeyID, nil)
	wantError(t, "the fourth, of S3", err, want)
	_, err = b.GenerateRandom(t.Context(), self, &GenerateRandomInput{NumberOfBytes: ptr[int32](1)})
	wantError(t, "the fourth, of random bytes", err, want)
	// Another account has its own quota, though the key is not its own; other
	// operations too, and checks of a key that is at hand have none.
	if err := encrypt(foreign); err != nil {
		t.Error(err)
	}
	if _, err := b.ListKeys(t.Context(), self, &ListKeysInput{}); err != nil {
		t.Error(err)
	}
	_, err = b.ListKeys(t.Context(), self, &ListKeysInput{})
	wantError(t, "the second list", err, want)
	if _, err := b.CheckKey(t.Context(), self, "Decrypt", k.KeyID, nil); err != nil {
		t.Error(err)
	}
	// Who may not use the key is throttled before that is told.
	now = now.Add(time.Second)
	blob := b.ciphertext(t, k.KeyID, "x", nil)
	nobody := *self
	nobody.Type, nobody.EntityID, nobody.ARN = authn.TypeUser, "AIDAAAAAAAAAAAAAAAAAA", "arn:aws:iam::"+account+":user/nobody"
	codes := ""
	for range 3 {
		_, err := b.Decrypt(t.Context(), &nobody, &DecryptInput{CiphertextBlob: blob})
		codes += strings.Fields(fmt.Sprint(err))[0]
	}
	if codes != "AccessDeniedException:AccessDeniedException:ThrottlingException:" {
		t.Errorf("codes %s", codes)
	}
	// A refusal is recorded, and an account that waits is served again.
	if events := strings.Join(b.events(t), "\n"); strings.Count(events, `"errorCode":"ThrottlingException"`) != 5 {
		t.Errorf("%d refusals in the trail; want 5", strings.Count(events, `"errorCode":"ThrottlingException"`))
	}
	now = now.Add(time.Second)
	if err := encrypt(self); err != nil {
		t.Error(err)
	}
	if class, _ := quota.OfOperation("ListKeys"); b.quotas.Throttled(class) != 1 || b.quotas.Throttled(quota.Symmetric) != 4 {
		t.Errorf("throttled %d lists and %d others", b.quotas.Throttled(class), b.quotas.Throttled(quota.Symmetric))
	}
}

// What makes or moves a key in another region takes of the quotas of that region too.
func TestQuotasOfOtherRegions(t *testing.T) {
	b := newBench(t)
	var keys []KeyMetadata
	for range 2 {
		out, err := b.CreateKey(t.Context(), self, &CreateKeyInput{MultiRegion: true})
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, out.KeyMetadata)
	}
	now := time.Now()
	b.limit(t, &now, "CreateKey=2", "UpdatePrimaryRegion=1")
	const want = "ThrottlingException: You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls."
	replicate := func(k KeyMetadata, to string) error {
		_, err := b.ReplicateKey(t.Context(), self, &ReplicateKeyInput{KeyID: k.KeyID, ReplicaRegion: to})
		return err
	}
	if err := replicate(keys[0], "eu-west-1"); err != nil {
		t.Fatal(err)
	}
	wantError(t, "a second replica in the region", replicate(keys[1], "eu-west-1"), want)
	if err := replicate(keys[1], "eu-west-2"); err != nil {
		t.Errorf("a replica in another region: %v", err)
	}
	if _, err := b.CreateKey(t.Context(), self, &CreateKeyInput{}); err != nil {
		t.Errorf("a key here: %v", err)
	}
	move := func(k KeyMetadata, from, to string) error {
		c := *self
		c.Region = from
		_, err := b.UpdatePrimaryRegion(t.Context(), &c, &UpdatePrimaryRegionInput{KeyID: k.KeyID, PrimaryRegion: to})
		return err
	}
	if err := move(keys[0], region, "eu-west-1"); err != nil {
		t.Fatal(err)
	}
	wantError(t, "a second move in the second", move(keys[0], "eu-west-1", region), want)
	now = now.Add(time.Second)
	if err := move(keys[0], "eu-west-1", region); err != nil {
		t.Error(err)
	}
}

// Signatures and key pairs have the quotas, and the billing classes, of their kind.
func TestKindsOfKeys(t *testing.T) {
	b := newBench(t)
	symmetric := b.newKey(t)
	out, err := b.CreateKey(t.Context(), self, &CreateKeyInput{KeySpec: "ECC_NIST_P256", KeyUsage: "SIGN_VERIFY"})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	b.limit(t, &now, "ECC=1", "symmetric=1", "GenerateDataKeyPair/ECC_NIST_P256=1")
	calls := []struct {
		name string
		call func() error
	}{
		{"Sign", func() error {
			_, err := b.Sign(t.Context(), self, &SignInput{KeyID: out.KeyMetadata.KeyID, Message: []byte("x"), SigningAlgorithm: "ECDSA_SHA_256"})
			return err
		}},
		{"Encrypt", func() error {
			_, err := b.Encrypt(t.Context(), self, &EncryptInput{KeyID: symmetric.KeyID, Plaintext: Plaintext("x")})
			return err
		}},
		{"GenerateDataKeyPair", func() error {
			_, err := b.GenerateDataKeyPair(t.Context(), self, &GenerateDataKeyPairInput{KeyID: symmetric.KeyID, KeyPairSpec: "ECC_NIST_P256"})
			return err
		}},
	}
	for _, c := range calls {
		if err := c.call(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	for _, c := range calls {
		if err := c.call(); err == nil || !strings.HasPrefix(err.Error(), "ThrottlingException") {
			t.Errorf("%s again: %v", c.name, err)
		}
	}
	if err := b.meter.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	classes := make(map[meter.Total]uint64)
	b.meter.Totals(func(total meter.Total, n uint64) { classes[total] = n })
	for _, want := range []meter.Total{{Operation: "Sign", Class: meter.Asymmetric}, {Operation: "Encrypt", Class: meter.Request}, {Operation: "GenerateDataKeyPair", Class: meter.ECCPair}} {
		if classes[want] != 1 {
			t.Errorf("%s of class %s counted %d times; want 1", want.Operation, want.Class, classes[want])
		}
	}
	if got := b.lastUsage(t, out.KeyMetadata.KeyID); !strings.HasPrefix(got, "Sign ") {
		t.Errorf("last usage %s", got)
	}
}
