package admin

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/awserr"
	"coffer/internal/calendar"
	"coffer/internal/identity"
	"coffer/internal/key"
	"coffer/internal/meta/mem"
	"coffer/internal/meter"
	"coffer/internal/rootseal/sealtest"
	"coffer/internal/trail"
)

const (
	home   = "123456789012"
	tenant = "210987654321"
)

// A usageWorld is a service over real keys, whose month of use is over.
type usageWorld struct {
	*Service
	keys  *key.Keys
	meter *meter.Meter
	now   time.Time // of the keys
}

func newUsageWorld(t *testing.T) *usageWorld {
	t.Helper()
	w := &usageWorld{now: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)}
	store := mem.New()
	root, err := key.OpenRoot(t.Context(), key.RootConfig{Store: new(sealtest.Store), Create: true})
	if err != nil {
		t.Fatal(err)
	}
	if w.keys, err = key.Open(t.Context(), key.Config{Meta: store, Root: root, Now: func() time.Time { return w.now }}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.keys.Close)
	clock, err := calendar.Open(t.Context(), calendar.Config{Store: store, Wall: func() time.Time { return time.Date(2026, 12, 9, 0, 0, 0, 0, time.UTC) },
		Boot: func() time.Duration { return 0 }})
	if err != nil {
		t.Fatal(err)
	}
	if w.meter, err = meter.Open(t.Context(), meter.Config{Meta: store, Now: clock.Now, FlushEvery: time.Hour}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.meter.Close(context.Background()) })
	tr, err := trail.New(t.Context(), trail.Config{Store: store, Node: "n", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close(context.Background()) })
	identities := identity.New(identity.Config{Meta: store})
	t.Cleanup(func() { identities.Close(context.Background()) })
	w.Service = New(Config{Gate: authz.New(authz.Config{Trail: tr, Identities: identities}), Clock: clock, Account: home,
		Meter: w.meter, Keys: w.keys, Log: slog.New(slog.DiscardHandler)})
	return w
}

func rootOf(account string) *authn.Caller {
	return &authn.Caller{Type: authn.TypeRoot, Account: account, ARN: "arn:aws:iam::" + account + ":root", Region: "us-east-1", Service: "coffer"}
}

func (w *usageWorld) key(t *testing.T, account, region string) *key.Key {
	t.Helper()
	k, err := w.keys.Create(t.Context(), key.CreateInput{Account: account, Region: region, Policy: "{}"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (w *usageWorld) call(account string, k *key.Key, operation string, n int) {
	c := &meter.Call{At: w.now, Account: account, Region: "us-east-1", Operation: operation}
	if k != nil {
		c.Region, c.Key = k.Region, meter.Key{Account: k.Account, Region: k.Region, ID: k.ID}
	}
	for range n {
		w.meter.Count(c)
	}
}

// all returns every page of the usage of November as text.
func (w *usageWorld) all(t *testing.T, c *authn.Caller, in GetUsageInput) (lines []string) {
	t.Helper()
	in.Month = "2026-11"
	for {
		out, err := w.GetUsage(t.Context(), c, &in)
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Usage) > maxPage {
			t.Fatalf("a page of %d lines", len(out.Usage))
		}
		for _, u := range out.Usage {
			lines = append(lines, fmt.Sprintf("%s %s %s %d+%dh %s %s %v", u.Account, u.Region, u.Key, u.KeyHours, u.RotatedHours, u.StorageMicros, u.RequestMicros, u.Operations))
		}
		if out.Next == "" {
			return lines
		}
		if out.Next <= in.After {
			t.Fatalf("Next is %q after %q", out.Next, in.After)
		}
		in.After = out.Next
	}
}

func TestGetUsage(t *testing.T) {
	w := newUsageWorld(t)
	mine, theirs, elsewhere := w.key(t, home, "us-east-1"), w.key(t, tenant, "us-east-1"), w.key(t, home, "eu-west-1")
	w.now = time.Date(2026, 11, 16, 0, 0, 0, 0, time.UTC)
	if _, err := w.keys.RotateOnDemand(t.Context(), mine.Ref, key.MaxOnDemandRotations, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := w.keys.Destroy(t.Context(), []key.Ref{elsewhere.Ref}, nil); err != nil {
		t.Fatal(err)
	}
	w.call(home, mine, "Decrypt", 2)
	w.call(home, theirs, "Decrypt", 3) // home pays for the call, and the tenant for the key
	w.call(tenant, mine, "Encrypt", 1)
	w.call(tenant, nil, "ListKeys", 4)
	w.now = time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	late := w.key(t, tenant, "us-east-1")
	w.call(tenant, late, "Encrypt", 9)
	want := []string{
		home + " eu-west-1 " + elsewhere.ARN + " 360+0h $0.50 $0.00 map[]",
		home + " us-east-1 " + mine.ARN + " 720+360h $1.50 $0.000006 map[Decrypt:2]",
		home + " us-east-1 " + theirs.ARN + " 0+0h $0.00 $0.000009 map[Decrypt:3]",
		tenant + " us-east-1  0+0h $0.00 $0.000012 map[ListKeys:4]",
		tenant + " us-east-1 " + mine.ARN + " 0+0h $0.00 $0.000003 map[Encrypt:1]",
		tenant + " us-east-1 " + theirs.ARN + " 720+0h $1.00 $0.00 map[]",
	}
	tests := []struct {
		name string
		by   string
		in   GetUsageInput
		want []string
	}{
		{"all", home, GetUsageInput{}, want},
		{"own", tenant, GetUsageInput{}, want[3:]},
		{"own by name", tenant, GetUsageInput{Account: tenant}, want[3:]},
		{"another", home, GetUsageInput{Account: tenant}, want[3:]},
		{"key", home, GetUsageInput{Key: theirs.ID}, []string{want[2], want[5]}},
		{"key by ARN", home, GetUsageInput{Key: mine.ARN, Account: home}, want[1:2]},
		{"no such account", home, GetUsageInput{Account: "999999999999"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := w.all(t, rootOf(tt.by), tt.in); !slices.Equal(got, tt.want) {
				t.Errorf("GetUsage =\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
	refused := []struct {
		by   string
		in   GetUsageInput
		code string
	}{
		{tenant, GetUsageInput{Account: home}, "AccessDeniedException"},
		{home, GetUsageInput{Month: "November"}, "ValidationException"},
		{home, GetUsageInput{Account: "12"}, "ValidationException"},
		{home, GetUsageInput{Key: strings.Repeat("k", 3000)}, "ValidationException"},
		{home, GetUsageInput{After: strings.Repeat("k", 3000)}, "ValidationException"},
	}
	for _, tt := range refused {
		if _, err := w.GetUsage(t.Context(), rootOf(tt.by), &tt.in); !awserr.Is(err, tt.code) {
			t.Errorf("GetUsage(%+v) = %v; want %s", tt.in, err, tt.code)
		}
	}
	// A month that is not over ends now, and the present one is the default.
	out, err := w.GetUsage(t.Context(), rootOf(home), &GetUsageInput{})
	if err != nil || out.Month != "2026-12" || !out.Through.Equal(w.cfg.Clock.Now()) {
		t.Errorf("GetUsage of now = %+v, %v", out, err)
	}
}

// Pages meet at any line: of keys that are kept, and of keys that are called.
func TestUsageInPages(t *testing.T) {
	w := newUsageWorld(t)
	var want []string
	owners := []string{"", "", "000000000001", "000000000001", "999999999999", home}
	for i := range 3*maxPage + 300 {
		owner := owners[i%len(owners)]
		if owner == "" {
			want = append(want, w.key(t, home, "us-east-1").ARN)
			continue
		}
		k := &key.Key{Ref: key.Ref{Account: owner, Region: "us-east-1", ID: fmt.Sprintf("%08x-0000-4000-8000-000000000000", i*0x1f3b7)}}
		w.call(home, k, "Decrypt", 1)
		want = append(want, k.Ref.ARN())
	}
	w.call(home, nil, "ListKeys", 1)
	want = append(want, "")
	var got []string
	for _, line := range w.all(t, rootOf(home), GetUsageInput{}) {
		got = append(got, strings.Split(line, " ")[2])
	}
	slices.Sort(want)
	if sorted := slices.Sorted(slices.Values(got)); !slices.Equal(sorted, want) {
		t.Errorf("%d lines, %d of them once; want %d", len(got), len(slices.Compact(sorted)), len(want))
	}
}
