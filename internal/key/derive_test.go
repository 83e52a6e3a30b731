package key

import (
	"testing"

	"coffer/internal/meta/mem"
)

func TestDerive(t *testing.T) {
	open := func() (*Keys, *Root) {
		root, err := OpenRoot(t.Context(), RootConfig{Store: newMemRoot(), Create: true})
		if err != nil {
			t.Fatal(err)
		}
		k, err := Open(t.Context(), Config{Meta: mem.New(), Root: root, Now: newWorld(t).clock})
		if err != nil {
			t.Fatal(err)
		}
		return k, root
	}
	derived := func(k *Keys, purpose string) Secret {
		s, err := k.Derive(purpose)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	k, root := open()
	other, _ := open()
	a := derived(k, "a")
	if a == (Secret{}) || a == root.StoreKey() {
		t.Error("Derive returned no secret of its own")
	}
	if derived(k, "b") == a {
		t.Error("two purposes share a secret")
	}
	if derived(other, "a") == a {
		t.Error("two installations share a secret")
	}
	if _, err := k.Destroy(t.Context(), nil, nil); err != nil {
		t.Fatal(err)
	}
	if derived(k, "a") != a {
		t.Error("another epoch has another secret")
	}
	if _, err := k.Derive(""); err == nil {
		t.Error("Derive of no purpose = nil error")
	}
	root.Close()
	if _, err := k.Derive("a"); err == nil {
		t.Error("Derive from a closed root = nil error")
	}
}
