package parts

import (
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"coffer/internal/rootseal"
)

var update = flag.Bool("update", false, "write the vectors")

// A vector is a sealed root and what opens it.
type vector struct {
	Name    string   `json:"name"`
	Epoch   uint64   `json:"epoch"`
	Holder  int      `json:"holder"`
	Set     Set      `json:"set"`
	Digest  string   `json:"digest"`
	Secrets []string `json:"secrets"` // of the parts of the holder
	Sealed  string   `json:"sealed"`
	Root    string   `json:"root,omitempty"` // empty if it must not open
}

func TestVectors(t *testing.T) {
	name := filepath.Join("testdata", "vectors", "sealed-root.json")
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
		t.Run(v.Name, func(t *testing.T) {
			if d := v.Set.digest(); hex.EncodeToString(d[:]) != v.Digest {
				t.Errorf("digest = %x; want %s", d, v.Digest)
			}
			var secrets []rootseal.Secret
			for _, s := range v.Secrets {
				secrets = append(secrets, rootseal.Secret(unhex(t, s)))
			}
			root, err := openRoot(unhex(t, v.Sealed), secrets, v.Epoch, v.Holder, &v.Set)
			if got := hex.EncodeToString(root[:]); v.Root == "" && err == nil || v.Root != "" && (err != nil || got != v.Root) {
				t.Errorf("openRoot = %s, %v; want %s", got, err, v.Root)
			}
		})
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func writeVectors(t *testing.T, name string) {
	var all []vector
	for _, c := range compositions {
		set := c.set
		set.From = 1
		for h, ids := range set.Holders {
			v := vector{Name: c.name, Epoch: 7, Holder: h, Set: set}
			var secrets []rootseal.Secret
			for i := range ids {
				s := rootseal.Secret{0: byte(i + 1), 31: byte(h)}
				secrets = append(secrets, s)
				v.Secrets = append(v.Secrets, hex.EncodeToString(s[:]))
			}
			root := rootseal.Secret{5: 5, 20: byte(h)}
			sealed, err := sealRoot(&root, secrets, v.Epoch, h, &set)
			if err != nil {
				t.Fatal(err)
			}
			d := set.digest()
			v.Digest, v.Sealed, v.Root = hex.EncodeToString(d[:]), hex.EncodeToString(sealed), hex.EncodeToString(root[:])
			all = append(all, v)
		}
	}
	good := all[1]
	for name, alter := range map[string]func(v *vector){
		"rejected: another epoch":   func(v *vector) { v.Epoch = 8 },
		"rejected: another secret":  func(v *vector) { v.Secrets = []string{v.Secrets[1], v.Secrets[0]} },
		"rejected: another version": func(v *vector) { v.Sealed = "02" + v.Sealed[2:] },
		"rejected: cut":             func(v *vector) { v.Sealed = v.Sealed[:len(v.Sealed)-2] },
	} {
		v := good
		v.Name, v.Root = name, ""
		alter(&v)
		all = append(all, v)
	}
	b, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, append(b, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}
