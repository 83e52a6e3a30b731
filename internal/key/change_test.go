package key

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"coffer/internal/meta"
)

// Each operation in each state, as AWS KMS has it.
//
// Source: AWS KMS Developer Guide, "Key states of AWS KMS keys".
func TestOperationsByState(t *testing.T) {
	ops := []struct {
		name                       string
		run                        func(k *Keys, ref Ref) error
		enabled, disabled, pending error
		after                      [3]State
	}{
		{"Encrypt", func(k *Keys, ref Ref) error {
			_, err := k.Encrypt(t.Context(), ref, sampleText, nil)
			return err
		}, nil, ErrDisabled, ErrPendingDeletion, [3]State{Enabled, Disabled, PendingDeletion}},
		{"Enable", func(k *Keys, ref Ref) error { _, err := k.Enable(t.Context(), ref, nil); return err },
			nil, nil, ErrPendingDeletion, [3]State{Enabled, Enabled, PendingDeletion}},
		{"Disable", func(k *Keys, ref Ref) error { _, err := k.Disable(t.Context(), ref, nil); return err },
			nil, nil, ErrPendingDeletion, [3]State{Disabled, Disabled, PendingDeletion}},
		{"ScheduleDeletion", func(k *Keys, ref Ref) error {
			_, err := k.ScheduleDeletion(t.Context(), ref, MinWindow, nil)
			return err
		}, nil, nil, ErrPendingDeletion, [3]State{PendingDeletion, PendingDeletion, PendingDeletion}},
		{"CancelDeletion", func(k *Keys, ref Ref) error { _, err := k.CancelDeletion(t.Context(), ref, nil); return err },
			ErrNotPendingDeletion, ErrNotPendingDeletion, nil, [3]State{Enabled, Disabled, Disabled}},
		{"SetDescription", func(k *Keys, ref Ref) error { _, err := k.SetDescription(t.Context(), ref, "d", nil); return err },
			nil, nil, ErrPendingDeletion, [3]State{Enabled, Disabled, PendingDeletion}},
		{"SetPolicy", func(k *Keys, ref Ref) error { _, err := k.SetPolicy(t.Context(), ref, "{}", nil); return err },
			nil, nil, nil, [3]State{Enabled, Disabled, PendingDeletion}},
		{"SetTags", func(k *Keys, ref Ref) error {
			_, err := k.SetTags(t.Context(), ref, []Tag{{"a", "b"}}, nil)
			return err
		}, nil, nil, ErrPendingDeletion, [3]State{Enabled, Disabled, PendingDeletion}},
		{"RemoveTags", func(k *Keys, ref Ref) error {
			_, err := k.RemoveTags(t.Context(), ref, []string{"a"}, nil)
			return err
		}, nil, nil, ErrPendingDeletion, [3]State{Enabled, Disabled, PendingDeletion}},
		{"CreateAlias", func(k *Keys, ref Ref) error { return k.CreateAlias(t.Context(), ref, "alias/"+ref.ID, nil) },
			nil, nil, ErrPendingDeletion, [3]State{Enabled, Disabled, PendingDeletion}},
	}
	k := newWorld(t).open()
	for _, op := range ops {
		for i, state := range []State{Enabled, Disabled, PendingDeletion} {
			t.Run(op.name+" "+string(state), func(t *testing.T) {
				ref := makeSample(t, k).key.Ref
				var err error
				switch state {
				case Disabled:
					_, err = k.Disable(t.Context(), ref, nil)
				case PendingDeletion:
					_, err = k.ScheduleDeletion(t.Context(), ref, MinWindow, nil)
				}
				if err != nil {
					t.Fatal(err)
				}
				want := []error{op.enabled, op.disabled, op.pending}[i]
				if err := op.run(k, ref); !errors.Is(err, want) || (err == nil) != (want == nil) {
					t.Errorf("%v; want %v", err, want)
				}
				key, err := k.Get(t.Context(), ref)
				if err != nil || key.State != op.after[i] {
					t.Errorf("state %v, %v; want %s", key, err, op.after[i])
				}
				if (key.State == PendingDeletion) != (!key.Deletion.IsZero() && key.PendingWindow == MinWindow) {
					t.Errorf("deletion %v, window %v in state %s", key.Deletion, key.PendingWindow, key.State)
				}
			})
		}
	}
	missing := Ref{account, region, "00000000-0000-4000-8000-000000000000"}
	for _, op := range ops {
		if err := op.run(k, missing); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s of a missing key: %v", op.name, err)
		}
	}
}

func TestChangesSurviveReopening(t *testing.T) {
	w := newWorld(t)
	k := w.open()
	created, err := k.Create(t.Context(), CreateInput{Account: account, Region: region, Description: "one", Policy: `{"a":1}`, Tags: []Tag{{"t", "1"}, {"u", "2"}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ref := created.Ref
	must := func(_ *Key, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(k.SetDescription(t.Context(), ref, "two", nil))
	must(k.SetPolicy(t.Context(), ref, `{"a":2}`, nil))
	must(k.SetTags(t.Context(), ref, []Tag{{"v", "3"}, {"t", "9"}}, nil))
	must(k.RemoveTags(t.Context(), ref, []string{"u", "none"}, nil))
	must(k.ScheduleDeletion(t.Context(), ref, 8*24*time.Hour, nil))
	want := *created
	want.Description, want.Policy, want.Tags = "two", `{"a":2}`, []Tag{{"t", "9"}, {"v", "3"}}
	want.State, want.PendingWindow, want.Deletion = PendingDeletion, 8*24*time.Hour, w.clock().Add(8*24*time.Hour)
	for _, k := range []*Keys{k, w.open()} {
		got, err := k.Get(t.Context(), ref)
		if err != nil || fmt.Sprint(*got) != fmt.Sprint(want) {
			t.Errorf("Get = %+v, %v; want %+v", got, err, want)
		}
	}
	if created.ARN != "arn:aws:kms:us-east-1:123456789012:key/"+created.ID || !validID(created.ID) || created.Version != 1 || created.Created != w.clock() {
		t.Errorf("created %+v", created)
	}
	if v, ok := created.Tag("u"); v != "2" || !ok {
		t.Errorf("Tag(u) = %q, %v", v, ok)
	}
}

func TestAlsoCommitsWithTheChangeOrNotAtAll(t *testing.T) {
	w := newWorld(t)
	k := w.open()
	ref := makeSample(t, k).key.Ref
	no := errors.New("no")
	refuse := func(meta.Txn, *Key) error { return no }
	before := dump(t, w.rows)
	for name, run := range map[string]func() error{
		"Create": func() error {
			_, err := k.Create(t.Context(), CreateInput{Account: account, Region: region}, refuse)
			return err
		},
		"EnsureManaged": func() error {
			_, err := k.EnsureManaged(t.Context(), account, region, "alias/aws/s3", "", "", refuse)
			return err
		},
		"Disable":     func() error { _, err := k.Disable(t.Context(), ref, refuse); return err },
		"Schedule":    func() error { _, err := k.ScheduleDeletion(t.Context(), ref, MaxWindow, refuse); return err },
		"CreateAlias": func() error { return k.CreateAlias(t.Context(), ref, "alias/a", refuse) },
	} {
		if err := run(); !errors.Is(err, no) {
			t.Errorf("%s = %v; want %v", name, err, no)
		}
	}
	if after := dump(t, w.rows); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Error("a refused change left rows")
	}
	var seen State
	_, err := k.Disable(t.Context(), ref, func(tx meta.Txn, key *Key) error {
		seen = key.State
		return tx.Put([]byte("trail/1"), []byte(key.ARN))
	})
	if err != nil || seen != Disabled || dump(t, w.rows)["trail/1"] == nil {
		t.Errorf("also saw %s, %v", seen, err)
	}
}

func TestLimits(t *testing.T) {
	k := newWorld(t).open()
	ref := makeSample(t, k).key.Ref
	for _, window := range []time.Duration{0, MinWindow - 1, MaxWindow + 1, -MinWindow} {
		if _, err := k.ScheduleDeletion(t.Context(), ref, window, nil); !errors.Is(err, ErrInvalidWindow) {
			t.Errorf("window %v: %v", window, err)
		}
	}
	var tags []Tag
	for i := range MaxTags {
		tags = append(tags, Tag{fmt.Sprint(i), ""})
	}
	if _, err := k.SetTags(t.Context(), ref, tags, nil); err != nil {
		t.Error(err)
	}
	if _, err := k.SetTags(t.Context(), ref, []Tag{{"more", ""}}, nil); !errors.Is(err, ErrTooManyTags) {
		t.Errorf("tag %d: %v", MaxTags+1, err)
	}
	for i := range MaxAliases {
		if err := k.CreateAlias(t.Context(), ref, fmt.Sprintf("alias/%02d", i), nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := k.CreateAlias(t.Context(), ref, "alias/more", nil); !errors.Is(err, ErrTooManyAliases) {
		t.Errorf("alias %d: %v", MaxAliases+1, err)
	}
	if err := k.UpdateAlias(t.Context(), ref, "alias/07", nil); err != nil {
		t.Errorf("UpdateAlias to the same key: %v", err)
	}
}

func TestAliases(t *testing.T) {
	w := newWorld(t)
	k := w.open()
	a, b := makeSample(t, k).key, makeSample(t, k).key
	if err := k.CreateAlias(t.Context(), a.Ref, "alias/x", nil); err != nil {
		t.Fatal(err)
	}
	if err := k.CreateAlias(t.Context(), b.Ref, "alias/x", nil); !errors.Is(err, ErrAliasExists) {
		t.Errorf("second CreateAlias = %v; want ErrAliasExists", err)
	}
	resolves := func(name string, want *Key) {
		t.Helper()
		got, err := k.Resolve(t.Context(), account, region, name)
		if want == nil {
			if !errors.Is(err, ErrAliasNotFound) {
				t.Errorf("Resolve(%s) = %v, %v; want ErrAliasNotFound", name, got, err)
			}
		} else if err != nil || got.ID != want.ID {
			t.Errorf("Resolve(%s) = %v, %v; want %s", name, got, err, want.ID)
		}
	}
	resolves("alias/x", a)
	w.pass(time.Hour)
	if err := k.UpdateAlias(t.Context(), b.Ref, "alias/x", nil); err != nil {
		t.Fatal(err)
	}
	resolves("alias/x", b)
	list, more, err := k.Aliases(t.Context(), account, region, b.ID, "", 10)
	if err != nil || more || len(list) != 1 || list[0].Name != "alias/x" || list[0].Updated.Sub(list[0].Created) != time.Hour ||
		list[0].ARN != "arn:aws:kms:us-east-1:123456789012:alias/x" || list[0].KeyID != b.ID {
		t.Errorf("Aliases = %+v, %v, %v", list, more, err)
	}
	if list, _, err := k.Aliases(t.Context(), account, region, a.ID, "", 10); err != nil || len(list) != 0 {
		t.Errorf("Aliases of the former key = %v, %v", list, err)
	}
	if err := k.DeleteAlias(t.Context(), account, region, "alias/x", nil); err != nil {
		t.Fatal(err)
	}
	resolves("alias/x", nil)
	if err := k.DeleteAlias(t.Context(), account, region, "alias/x", nil); !errors.Is(err, ErrAliasNotFound) {
		t.Errorf("second DeleteAlias = %v", err)
	}
	if err := k.UpdateAlias(t.Context(), a.Ref, "alias/x", nil); !errors.Is(err, ErrAliasNotFound) {
		t.Errorf("UpdateAlias of none = %v", err)
	}
	for i := range 5 {
		if err := k.CreateAlias(t.Context(), a.Ref, fmt.Sprintf("alias/n%d", i), nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []string{"", a.ID} {
		var names []string
		for after, more := "", true; more; {
			var page []Alias
			page, more, err = k.Aliases(t.Context(), account, region, id, after, 2)
			if err != nil || len(page) == 0 {
				t.Fatal(page, err)
			}
			for _, al := range page {
				names = append(names, al.Name)
			}
			after = names[len(names)-1]
		}
		if got := strings.Join(names, " "); got != "alias/n0 alias/n1 alias/n2 alias/n3 alias/n4" {
			t.Errorf("pages of %q: %s", id, got)
		}
	}
	// An alias dies with its key and can be given again.
	if _, err := k.Destroy(t.Context(), []Ref{a.Ref}, nil); err != nil {
		t.Fatal(err)
	}
	resolves("alias/n1", nil)
	if err := k.CreateAlias(t.Context(), b.Ref, "alias/n1", nil); err != nil {
		t.Fatal(err)
	}
	resolves("alias/n1", b)
}

func TestResolve(t *testing.T) {
	k := newWorld(t).open()
	key := makeSample(t, k).key
	other, err := k.Create(t.Context(), CreateInput{Account: "999999999999", Region: region}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.CreateAlias(t.Context(), other.Ref, "alias/o", nil); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		id   string
		want *Key
		err  error
	}{
		{key.ID, key, nil},
		{key.ARN, key, nil},
		{other.ARN, other, nil},
		{other.ID, nil, ErrNotFound}, // an ID is of the caller's account
		{"arn:aws:kms:us-east-1:999999999999:alias/o", other, nil},
		{"alias/o", nil, ErrAliasNotFound},
		{"alias/", nil, ErrAliasNotFound},
		{"mrk-0123456789abcdef0123456789abcdef", nil, ErrNotFound},
		{"fake-key-id", nil, ErrInvalidID},
		{"", nil, ErrInvalidID},
		{strings.ToUpper(key.ID) + "x", nil, ErrInvalidID},
		{strings.Replace(key.ARN, "us-east-1", "eu-west-1", 1), nil, ErrInvalidARN},
		{strings.Replace(key.ARN, "kms", "s3", 1), nil, ErrInvalidARN},
		{strings.Replace(key.ARN, ":key/", ":grant/", 1), nil, ErrInvalidARN},
		{"arn:aws:kms:us-east-1:123456789012:key/../../x", nil, ErrNotFound},
		{"arn:aws:kms:us-east-1:12/34:key/" + key.ID, nil, ErrInvalidARN},
		{"arn:aws:kms", nil, ErrInvalidARN},
	}
	for _, tt := range tests {
		got, err := k.Resolve(t.Context(), account, region, tt.id)
		if !errors.Is(err, tt.err) || (tt.want != nil) != (err == nil) || tt.want != nil && got.ARN != tt.want.ARN {
			t.Errorf("Resolve(%q) = %v, %v; want %v, %v", tt.id, got, err, tt.want, tt.err)
		}
	}
}

func TestListPages(t *testing.T) {
	k := newWorld(t).open()
	var want []string
	for range 7 {
		want = append(want, makeSample(t, k).key.ID)
	}
	gone := makeSample(t, k).key
	if _, err := k.Create(t.Context(), CreateInput{Account: account, Region: "eu-west-1"}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Destroy(t.Context(), []Ref{gone.Ref}, nil); err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	var got []string
	for after, more := "", true; more; {
		keys, m, err := k.List(t.Context(), account, region, after, 3)
		if err != nil || len(keys) == 0 || len(keys) > 3 {
			t.Fatal(keys, err)
		}
		for _, key := range keys {
			got = append(got, key.ID)
		}
		after, more = got[len(got)-1], m
	}
	if !slices.Equal(got, want) {
		t.Errorf("List = %v; want %v", got, want)
	}
}

func TestEnsureManagedMakesOne(t *testing.T) {
	w := newWorld(t)
	k := w.open()
	var wg sync.WaitGroup
	ids := make([]string, 16)
	for i := range ids {
		wg.Go(func() {
			key, err := k.EnsureManaged(t.Context(), account, region, "alias/aws/s3", `{"Id":"auto-s3-2"}`, "for S3", nil)
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = key.ID
		})
	}
	wg.Wait()
	if len(slices.Compact(ids)) != 1 || countRows(dump(t, w.rows), rowKey) != 1 {
		t.Fatalf("several keys: %v", ids)
	}
	key, err := k.Resolve(t.Context(), account, region, "alias/aws/s3")
	if err != nil || key.Manager != ManagerAWS || key.Description != "for S3" || key.State != Enabled {
		t.Fatalf("Resolve = %+v, %v", key, err)
	}
	other := makeSample(t, k).key
	for name, run := range map[string]func() error{
		"Disable":     func() error { _, err := k.Disable(t.Context(), key.Ref, nil); return err },
		"SetPolicy":   func() error { _, err := k.SetPolicy(t.Context(), key.Ref, "", nil); return err },
		"Schedule":    func() error { _, err := k.ScheduleDeletion(t.Context(), key.Ref, MinWindow, nil); return err },
		"CreateAlias": func() error { return k.CreateAlias(t.Context(), key.Ref, "alias/mine", nil) },
		"UpdateAlias": func() error { return k.UpdateAlias(t.Context(), other.Ref, "alias/aws/s3", nil) },
		"DeleteAlias": func() error { return k.DeleteAlias(t.Context(), account, region, "alias/aws/s3", nil) },
	} {
		if err := run(); !errors.Is(err, ErrManaged) {
			t.Errorf("%s of a managed key = %v; want ErrManaged", name, err)
		}
	}
}
