package passphrase

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write the vectors")

// A vector is what is stored of a passphrase, and the mask of an epoch.
type vector struct {
	Name       string            `json:"name"`
	Passphrase string            `json:"passphrase"`
	Settings   map[string]string `json:"settings"`
	Epoch      uint64            `json:"epoch"`
	Mask       string            `json:"mask,omitempty"` // empty if it is a wrong passphrase
}

func TestVectors(t *testing.T) {
	name := filepath.Join("testdata", "vectors", "passphrase.json")
	if *update {
		writeVectors(t, name)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	if err := json.Unmarshal(b, &all); err != nil || len(all) == 0 {
		t.Fatalf("%d vectors, %v", len(all), err)
	}
	for _, v := range all {
		g, err := Open(v.Settings, []byte(v.Passphrase))
		if v.Mask == "" {
			if !errors.Is(err, ErrWrong) {
				t.Errorf("%s: Open = %v; want ErrWrong", v.Name, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		m, err := g.Mask(t.Context(), v.Epoch)
		if got := hex.EncodeToString(m[:]); err != nil || got != v.Mask {
			t.Errorf("%s: mask %s, %v; want %s", v.Name, got, err, v.Mask)
		}
	}
}

func writeVectors(t *testing.T, name string) {
	var all []vector
	for what, p := range map[string]Params{"quick": quick, "default": Default} {
		settings, err := New([]byte(words), p, nil)
		if err != nil {
			t.Fatal(err)
		}
		g, err := Open(settings, []byte(words))
		if err != nil {
			t.Fatal(err)
		}
		m, err := g.Mask(t.Context(), 7)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, vector{what, words, settings, 7, hex.EncodeToString(m[:])}, vector{what + ", wrong", words + " ", settings, 7, ""})
	}
	b, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, append(b, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}
