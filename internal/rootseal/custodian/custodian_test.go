package custodian

import (
	"errors"
	"maps"
	"testing"

	"coffer/internal/shamir"
)

func TestGate(t *testing.T) {
	settings, shares, err := New(2, 3, nil)
	if err != nil {
		t.Fatal(err)
	}
	if m, n, err := Needs(settings); m != 2 || n != 3 || err != nil {
		t.Errorf("Needs = %d, %d, %v; want 2, 3, nil", m, n, err)
	}
	a, err := Open(settings, shares[:2])
	if err != nil {
		t.Fatal(err)
	}
	b, err := Open(settings, []shamir.Share{shares[2], shares[0], shares[1]})
	if err != nil {
		t.Fatal(err)
	}
	x, _ := a.Mask(t.Context(), 3)
	y, _ := b.Mask(t.Context(), 3)
	z, _ := b.Mask(t.Context(), 4)
	if x != y || x == z {
		t.Error("masks of one epoch differ, or those of two are equal")
	}

	_, others, err := New(2, 3, nil)
	if err != nil {
		t.Fatal(err)
	}
	forged := shares[1]
	forged.Values[5] ^= 1
	tests := []struct {
		name   string
		shares []shamir.Share
		want   error
	}{
		{"none", nil, shamir.ErrTooFew},
		{"one", shares[:1], shamir.ErrTooFew},
		{"of another root", others[:2], ErrWrong},
		{"mixed", []shamir.Share{shares[0], others[1]}, ErrWrong},
		{"forged", []shamir.Share{shares[0], forged}, ErrWrong},
		{"forged, and one more", []shamir.Share{shares[0], forged, shares[2]}, ErrWrong},
	}
	for _, tt := range tests {
		if _, err := Open(settings, tt.shares); !errors.Is(err, tt.want) {
			t.Errorf("%s: Open = %v; want %v", tt.name, err, tt.want)
		}
	}
	for _, name := range []string{setThreshold, setCount, setSet, setCheck} {
		for _, value := range []string{"", "1", "zz", "-3"} {
			m := maps.Clone(settings)
			m[name] = value
			if _, err := Open(m, shares); !errors.Is(err, ErrSettings) {
				t.Errorf("Open with %s %q = %v; want ErrSettings", name, value, err)
			}
		}
	}
	if _, _, err := New(1, 3, nil); err == nil {
		t.Error("New of 1 share = nil; want an error")
	}
}
