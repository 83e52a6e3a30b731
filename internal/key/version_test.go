package key

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"coffer/internal/keyspec"
	"coffer/internal/meta"
)

// A seal is something sealed under a key, without context.
func sealOne(t testing.TB, k *Keys, ref Ref) []byte {
	t.Helper()
	out, err := k.Encrypt(t.Context(), ref, sampleText, nil)
	if err != nil {
		t.Fatal(err)
	}
	return out.Blob
}

func openAll(t testing.TB, k *Keys, region string, blobs ...[]byte) {
	t.Helper()
	for i, b := range blobs {
		if out, err := k.Decrypt(t.Context(), region, b, nil); err != nil || !bytes.Equal(out.Plaintext, sampleText) {
			t.Errorf("blob %d in %s: %q, %v", i, region, out.Plaintext, err)
		}
	}
}

func TestRotationKeepsEveryVersion(t *testing.T) {
	w := newWorld(t)
	k := w.open()
	key, err := k.Create(t.Context(), CreateInput{Account: account, Region: region}, nil)
	if err != nil {
		t.Fatal(err)
	}
	blobs := [][]byte{sealOne(t, k, key.Ref)}
	if _, err := k.SetRotation(t.Context(), key.Ref, MinRotationPeriod, nil); err != nil {
		t.Fatal(err)
	}
	for _, period := range []time.Duration{MinRotationPeriod - 1, MaxRotationPeriod + 1} {
		if _, err := k.SetRotation(t.Context(), key.Ref, period, nil); !errors.Is(err, ErrInvalidWindow) {
			t.Errorf("a period of %v: %v", period, err)
		}
	}
	rotate := func(want bool) {
		t.Helper()
		did := false
		refs, err := k.RotationsDue(t.Context(), 10)
		for _, ref := range refs {
			d, e := k.RotateDue(t.Context(), ref, nil)
			did, err = did || d, errors.Join(err, e)
		}
		if err != nil || did != want {
			t.Fatalf("RotateDue = %v, %v; want %v", did, err, want)
		}
	}
	w.pass(MinRotationPeriod - 1)
	rotate(false)
	w.pass(1)
	rotate(true)
	rotate(false)
	blobs = append(blobs, sealOne(t, k, key.Ref))
	if _, err := k.RotateOnDemand(t.Context(), key.Ref, 1, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := k.RotateOnDemand(t.Context(), key.Ref, 1, nil); !errors.Is(err, ErrTooManyRotations) {
		t.Errorf("a second rotation on demand: %v", err)
	}
	blobs = append(blobs, sealOne(t, k, key.Ref))
	// A disabled key waits, and rotates once it is enabled.
	if _, err := k.Disable(t.Context(), key.Ref, nil); err != nil {
		t.Fatal(err)
	}
	w.pass(MinRotationPeriod)
	rotate(false)
	if _, err := k.Enable(t.Context(), key.Ref, nil); err != nil {
		t.Fatal(err)
	}
	rotate(true)
	blobs = append(blobs, sealOne(t, k, key.Ref))
	k = w.open()
	openAll(t, k, region, blobs...)
	got, err := k.Get(t.Context(), key.Ref)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for i, v := range got.Versions {
		kinds = append(kinds, v.Rotation)
		if v.Number != uint32(i+1) || v.Material == (MaterialID{}) {
			t.Errorf("version %+v", v)
		}
	}
	if !slices.Equal(kinds, []string{"", RotationAutomatic, RotationOnDemand, RotationAutomatic}) || got.Version != 4 {
		t.Errorf("versions %+v", got.Versions)
	}

	// The old versions can be destroyed; the current one opens on.
	if _, err := k.DestroyVersions(t.Context(), key.Ref, 5, nil); !errors.Is(err, ErrNoVersion) {
		t.Errorf("DestroyVersions above the current one: %v", err)
	}
	var seen []uint32
	tombs, err := k.DestroyVersions(t.Context(), key.Ref, 4, func(_ meta.Txn, tomb *Tombstone) error {
		seen = append(seen, tomb.Number)
		return nil
	})
	if err != nil || len(tombs) != 3 || !slices.Equal(seen, []uint32{1, 2, 3}) {
		t.Fatalf("DestroyVersions = %+v, %v, saw %v", tombs, err, seen)
	}
	if _, err := k.DestroyVersions(t.Context(), key.Ref, 4, nil); !errors.Is(err, ErrNoVersion) {
		t.Errorf("DestroyVersions again: %v", err)
	}
	for _, k := range []*Keys{k, w.open()} {
		openAll(t, k, region, blobs[3])
		for _, b := range blobs[:3] {
			if _, err := k.Decrypt(t.Context(), region, b, nil); !errors.Is(err, ErrUnknownMaterial) {
				t.Errorf("a destroyed version: %v", err)
			}
		}
	}
}

// Rows from before the destruction of a version serve the key without it.
func TestOldRowsServeTheLivingVersions(t *testing.T) {
	w := newWorld(t)
	k := w.open()
	s := makeSample(t, k)
	if _, err := k.RotateOnDemand(t.Context(), s.key.Ref, 25, nil); err != nil {
		t.Fatal(err)
	}
	newer := sealOne(t, k, s.key.Ref)
	old := dump(t, w.rows)
	if _, err := k.DestroyVersions(t.Context(), s.key.Ref, 2, nil); err != nil {
		t.Fatal(err)
	}
	w.rows = restore(t, old)
	k = w.open()
	if _, err := k.Sweep(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	openAll(t, k, region, newer)
	if err := s.check(k, ErrUnknownMaterial); err != nil {
		t.Error(err)
	}
}

func TestPrivateKeysAreKept(t *testing.T) {
	w := newWorld(t)
	k := w.open()
	for _, name := range []string{keyspec.P256, keyspec.HMAC256, keyspec.MLDSA44} {
		spec, _ := keyspec.Lookup(name)
		body, err := keyspec.Generate(spec)
		if err != nil {
			t.Fatal(err)
		}
		key, err := k.Create(t.Context(), CreateInput{Account: account, Region: region, Spec: name, Usage: spec.Usages()[0], Body: body}, nil)
		if err != nil {
			t.Fatal(err)
		}
		want, err := keyspec.Open(spec, body)
		if err != nil {
			t.Fatal(err)
		}
		k := w.open()
		err = k.Use(t.Context(), key.Ref, func(got *keyspec.Key) error {
			if !bytes.Equal(got.Public(), want.Public()) {
				t.Errorf("%s: another key comes back", name)
			}
			return nil
		})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := k.Disable(t.Context(), key.Ref, nil); err != nil {
			t.Fatal(err)
		}
		if err := k.Use(t.Context(), key.Ref, func(*keyspec.Key) error { return nil }); !errors.Is(err, ErrDisabled) {
			t.Errorf("%s: Use of a disabled key: %v", name, err)
		}
		for row, value := range dump(t, w.rows) {
			if bytes.Contains(value, body[len(body)-16:]) {
				t.Errorf("%s: row %q holds the key in the clear", name, row)
			}
		}
	}
}

// A key that is evicted from a small cache while others use it still computes.
func TestUseOutlivesEviction(t *testing.T) {
	w := newWorld(t)
	root := w.open().root
	k, err := Open(t.Context(), Config{Meta: w.rows, Root: root, Now: w.clock, Cache: 1})
	if err != nil {
		t.Fatal(err)
	}
	spec, _ := keyspec.Lookup(keyspec.P256)
	var keys []*Key
	for range 3 {
		body, err := keyspec.Generate(spec)
		if err != nil {
			t.Fatal(err)
		}
		key, err := k.Create(t.Context(), CreateInput{Account: account, Region: region, Spec: spec.Name(), Usage: keyspec.SignVerify, Body: body}, nil)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	done := make(chan error)
	for i := range 6 {
		go func() {
			var err error
			for j := range 50 {
				err = errors.Join(err, k.Use(t.Context(), keys[(i+j)%3].Ref, func(o *keyspec.Key) error {
					_, err := o.Sign(keyspec.ECDSASHA256, []byte("m"), keyspec.Raw)
					return err
				}))
			}
			done <- err
		}()
	}
	for range 6 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestImportedMaterial(t *testing.T) {
	w := newWorld(t)
	k := w.open()
	key, err := k.Create(t.Context(), CreateInput{Account: account, Region: region, Origin: OriginExternal}, nil)
	if err != nil || key.State != PendingImport || key.Version != 0 {
		t.Fatalf("Create = %+v, %v", key, err)
	}
	if _, err := k.Encrypt(t.Context(), key.Ref, nil, nil); !errors.Is(err, ErrPendingImport) {
		t.Errorf("Encrypt before the import: %v", err)
	}
	one, two := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	put := func(material []byte, isNew bool, expires time.Time, want error) MaterialID {
		t.Helper()
		_, id, err := k.Import(t.Context(), key.Ref, ImportInput{Material: material, IsNew: isNew, Expires: expires}, nil)
		if !errors.Is(err, want) || (want == nil) != (err == nil) {
			t.Fatalf("Import = %v; want %v", err, want)
		}
		return id
	}
	put(one[:31], false, time.Time{}, ErrWrongMaterial)
	first := put(one, false, time.Time{}, nil)
	blob := sealOne(t, k, key.Ref)
	put(two, false, time.Time{}, ErrWrongMaterial)
	put(one, true, time.Time{}, ErrKnownMaterial)

	// It is lost, and comes back under the same ID.
	lose := func(id MaterialID) {
		t.Helper()
		if _, err := k.DeleteImported(t.Context(), key.Ref, id, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	old := dump(t, w.rows)
	lose(first)
	if _, err := k.Decrypt(t.Context(), region, blob, nil); !errors.Is(err, ErrPendingImport) {
		t.Errorf("Decrypt after the material was deleted: %v", err)
	}
	lose(first) // again is no error
	if got := put(one, false, time.Time{}, nil); got != first {
		t.Errorf("the same material is %v and then %v", first, got)
	}
	openAll(t, k, region, blob)

	// New material waits for its rotation.
	second := put(two, true, time.Time{}, nil)
	put(bytes.Repeat([]byte{3}, 32), true, time.Time{}, ErrImportPending)
	openAll(t, k, region, blob)
	if _, err := k.RotateOnDemand(t.Context(), key.Ref, 25, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := k.RotateOnDemand(t.Context(), key.Ref, 25, nil); !errors.Is(err, ErrNoPending) {
		t.Errorf("a rotation without material: %v", err)
	}
	newer := sealOne(t, k, key.Ref)
	openAll(t, k, region, blob, newer)
	got, err := k.Get(t.Context(), key.Ref)
	if err != nil || got.Material != second || got.Version != 2 || len(got.Versions) != 2 {
		t.Errorf("after the rotation: %+v, %v", got, err)
	}

	// One that expires takes the key with it, to the moment, before any sweep.
	put(two, false, w.clock().Add(time.Hour), nil)
	w.pass(time.Hour - 1)
	openAll(t, k, region, blob, newer)
	w.pass(1)
	if _, err := k.Decrypt(t.Context(), region, newer, nil); !errors.Is(err, ErrPendingImport) {
		t.Errorf("after the expiry: %v", err)
	}
	tombs, err := k.Sweep(t.Context(), nil)
	if err != nil || len(tombs) != 1 || tombs[0].Number != 2 || !tombs[0].IsMissing {
		t.Errorf("Sweep = %+v, %v", tombs, err)
	}
	k = w.open()
	put(two, false, time.Time{}, nil)
	openAll(t, k, region, blob, newer)

	// Rows from before the first deletion do not bring back what was deleted.
	w.rows = restore(t, old)
	k = w.open()
	if _, err := k.Decrypt(t.Context(), region, blob, nil); !errors.Is(err, ErrPendingImport) {
		t.Errorf("deleted material under old rows: %v", err)
	}
	if _, err := k.Sweep(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	put(one, false, time.Time{}, nil)
	openAll(t, k, region, blob)

	// The same material under another key has another ID.
	other, err := k.Create(t.Context(), CreateInput{Account: account, Region: region, Origin: OriginExternal}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, id, err := k.Import(t.Context(), other.Ref, ImportInput{Material: one}, nil); err != nil || id == first {
		t.Errorf("material of another key = %v, %v", id, err)
	}
}

func TestMultiRegionKeys(t *testing.T) {
	const west, south = "us-west-2", "ap-south-1"
	w := newWorld(t)
	k := w.open()
	primary, err := k.Create(t.Context(), CreateInput{Account: account, Region: region, MultiRegion: true, Policy: "1"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	blobs := [][]byte{sealOne(t, k, primary.Ref)}
	there := Ref{account, west, primary.ID}
	if _, err := k.Decrypt(t.Context(), west, blobs[0], nil); !errors.Is(err, ErrUnknownMaterial) {
		t.Errorf("before there is a replica: %v", err)
	}
	replica, err := k.Replicate(t.Context(), primary.Ref, CreateInput{Region: west, Policy: "2"}, nil)
	if err != nil || replica.Ref != there || replica.Policy != "2" || replica.Material != primary.Material {
		t.Fatalf("Replicate = %+v, %v", replica, err)
	}
	for what, err := range map[string]error{
		"again":        second(k.Replicate(t.Context(), primary.Ref, CreateInput{Region: west}, nil)),
		"of a replica": second(k.Replicate(t.Context(), there, CreateInput{Region: south}, nil)),
		"rotation":     second(k.RotateOnDemand(t.Context(), there, 25, nil)),
	} {
		want := ErrNotPrimary
		if what == "again" {
			want = ErrRegionTaken
		}
		if !errors.Is(err, want) {
			t.Errorf("%s: %v; want %v", what, err, want)
		}
	}
	if _, err := k.SetRotation(t.Context(), primary.Ref, MinRotationPeriod, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := k.RotateOnDemand(t.Context(), primary.Ref, 25, nil); err != nil {
		t.Fatal(err)
	}
	blobs = append(blobs, sealOne(t, k, primary.Ref), sealOne(t, k, there))
	openAll(t, k, region, blobs...)
	openAll(t, k, west, blobs...)

	// Keys are disabled one by one.
	if _, err := k.Disable(t.Context(), there, nil); err != nil {
		t.Fatal(err)
	}
	openAll(t, k, region, blobs...)
	if _, err := k.Decrypt(t.Context(), west, blobs[0], nil); !errors.Is(err, ErrDisabled) {
		t.Errorf("in the disabled replica: %v", err)
	}
	if _, err := k.Enable(t.Context(), there, nil); err != nil {
		t.Fatal(err)
	}

	// The replica becomes the primary key, and rotates.
	if _, err := k.SetPrimary(t.Context(), primary.Ref, south, nil); !errors.Is(err, ErrNotReplica) {
		t.Errorf("SetPrimary elsewhere: %v", err)
	}
	if _, err := k.SetPrimary(t.Context(), primary.Ref, west, nil); err != nil {
		t.Fatal(err)
	}
	w.pass(MinRotationPeriod)
	if did, err := k.RotateDue(t.Context(), there, nil); err != nil || !did {
		t.Fatalf("RotateDue of the new primary key = %v, %v", did, err)
	}
	blobs = append(blobs, sealOne(t, k, primary.Ref))
	openAll(t, k, west, blobs...)
	got, err := k.Get(t.Context(), primary.Ref)
	if err != nil || got.MultiRegion.Primary != west || !slices.Equal(got.MultiRegion.Replicas, []string{region}) || got.Version != 3 {
		t.Errorf("the old primary key: %+v, %v", got, err)
	}

	// The new primary key waits for the old one, then for its own window.
	if _, err := k.Destroy(t.Context(), []Ref{there}, nil); !errors.Is(err, ErrHasReplicas) {
		t.Errorf("Destroy of a primary key: %v", err)
	}
	if key, err := k.ScheduleDeletion(t.Context(), there, MinWindow, nil); err != nil || key.State != PendingReplicaDeletion {
		t.Fatalf("ScheduleDeletion = %+v, %v", key, err)
	}
	w.pass(2 * MinWindow)
	if tombs, err := k.Sweep(t.Context(), nil); err != nil || len(tombs) != 0 {
		t.Fatalf("Sweep = %v, %v", tombs, err)
	}
	if _, err := k.ScheduleDeletion(t.Context(), primary.Ref, MinWindow, nil); err != nil {
		t.Fatal(err)
	}
	w.pass(MinWindow)
	if tombs, err := k.Sweep(t.Context(), nil); err != nil || len(tombs) != 1 {
		t.Fatalf("Sweep = %v, %v", tombs, err)
	}
	if key, err := k.Get(t.Context(), there); err != nil || key.State != PendingDeletion || len(key.MultiRegion.Replicas) != 0 {
		t.Fatalf("the primary key after its last replica: %+v, %v", key, err)
	}
	if _, err := k.CancelDeletion(t.Context(), there, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Enable(t.Context(), there, nil); err != nil {
		t.Fatal(err)
	}
	k = w.open()
	openAll(t, k, west, blobs...)
	if _, err := k.Decrypt(t.Context(), region, blobs[0], nil); !errors.Is(err, ErrUnknownMaterial) {
		t.Errorf("where the key is destroyed: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestSubjectsOfMultiRegionKeys(t *testing.T) {
	const west = "us-west-2"
	w := newWorld(t)
	k := w.open()
	key := shredKey(t, k, true)
	if _, err := k.Replicate(t.Context(), key.Ref, CreateInput{Region: west}, nil); err != nil {
		t.Fatal(err)
	}
	blob := sealFor(t, k, key, "alice")
	if out, err := k.Decrypt(t.Context(), west, blob, of("alice")); err != nil || string(out.Plaintext) != "of alice" {
		t.Fatalf("in the other region: %q, %v", out.Plaintext, err)
	}
	tombs, err := k.DestroySubjects(t.Context(), Ref{account, west, key.ID}, []string{"alice"}, nil)
	if err != nil || len(tombs) != 1 || tombs[0].Ref != key.Ref {
		t.Fatalf("DestroySubjects = %+v, %v", tombs, err)
	}
	for _, r := range []string{region, west} {
		if _, err := k.Decrypt(t.Context(), r, blob, of("alice")); !errors.Is(err, ErrSubjectDestroyed) {
			t.Errorf("in %s: %v", r, err)
		}
	}
}

func TestReservedTags(t *testing.T) {
	w := newWorld(t)
	k := w.open()
	s := makeSample(t, k)
	if _, err := k.SetTags(t.Context(), s.key.Ref, []Tag{{TagShredBy, "x"}}, nil); !errors.Is(err, ErrReservedTag) {
		t.Errorf("SetTags = %v", err)
	}
	if _, err := k.RemoveTags(t.Context(), s.key.Ref, []string{TagShredBy}, nil); !errors.Is(err, ErrReservedTag) {
		t.Errorf("RemoveTags = %v", err)
	}
	_, err := k.Create(t.Context(), CreateInput{Account: account, Region: region, Spec: keyspec.P256, Usage: keyspec.SignVerify,
		Tags: []Tag{{TagShredBy, "x"}}}, nil)
	if !errors.Is(err, ErrNotSymmetric) {
		t.Errorf("Create = %v", err)
	}
}
