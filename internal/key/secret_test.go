package key

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"coffer/internal/meta/mem"
)

// A remembering reader keeps all that it gives.
type remembering struct {
	mu   sync.Mutex
	gave [][]byte
}

func (r *remembering) Read(p []byte) (int, error) {
	n, err := io.ReadFull(rand.Reader, p)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gave = append(r.gave, bytes.Clone(p))
	return n, err
}

func TestNothingPrintsASecret(t *testing.T) {
	draw := new(remembering)
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	store := newMemRoot()
	root, err := OpenRoot(t.Context(), RootConfig{Store: store, Create: true, Rand: draw, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	rows := mem.New()
	k, err := Open(t.Context(), Config{Meta: rows, Root: root, Now: newWorld(t).clock, Rand: draw, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	s := makeSample(t, k)
	doomed := makeSample(t, k)
	service, err := k.ServiceSecret(t.Context(), account, [32]byte{})
	if err != nil {
		t.Fatal(err)
	}
	opened, err := k.Decrypt(t.Context(), region, s.blob, sampleContext)
	if err != nil {
		t.Fatal(err)
	}
	l, leafSecret, err := leaf{1, 1}, Secret{}, error(nil)
	if leafSecret, err = root.state.leaf(l); err != nil {
		t.Fatal(err)
	}
	m, _, ok := k.materials.get(materialAt{s.key.Material, s.key.Region})
	if !ok {
		t.Fatal("the material is not cached")
	}
	if _, err := k.Destroy(t.Context(), nil, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Destroy(t.Context(), []Ref{doomed.key.Ref}, nil); err != nil {
		t.Fatal(err)
	}
	store.frontiers[root.state.names()[0]][50] ^= 1
	_, errDamaged := OpenRoot(t.Context(), RootConfig{Store: store, Log: log})

	for _, v := range []any{
		service, &service, root, *s.key, s, k, m, &m, opened, &opened, l, leafSecret, errDamaged,
		root.state.frontier(1), root.state.frontier(1)[0], root.state.head.shards[0], root.state.head, root.state,
		struct{ S Secret }{service}, map[string]Secret{"a": service}, Config{Root: root}, RootConfig{},
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		if b, err := json.Marshal(v); err == nil {
			out.Write(b)
		}
		log.Info("value", "v", v)
		slog.New(slog.NewTextHandler(&out, nil)).Info("value", "v", v)
	}
	secrets := [][]byte{service[:], leafSecret[:], m.secret[:], opened.Plaintext}
	storeKey := root.StoreKey()
	secrets = append(secrets, storeKey[:])
	for _, b := range draw.gave {
		public := bytes.Contains(s.blob, b) // a material ID or a salt
		if len(b) == 32 && !public {
			secrets = append(secrets, b)
		}
	}
	for _, b := range secrets {
		for _, form := range []string{
			string(b[:16]), hex.EncodeToString(b[:8]), strings.ToUpper(hex.EncodeToString(b[:8])),
			base64.StdEncoding.EncodeToString(b)[:16], strings.Trim(fmt.Sprint(b[:6]), "[]"),
			strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", b[:6]), "[]byte{"), "}"),
		} {
			if strings.Contains(out.String(), form) {
				t.Fatalf("a secret is printed as %q", form)
			}
		}
	}
}

// Everything works when only approved cryptography is allowed.
func TestFIPSOnly(t *testing.T) {
	if os.Getenv("COFFER_KEY_FIPS") != "" {
		w := newWorld(t)
		k := w.open()
		keep, shred := makeSample(t, k), makeSample(t, k)
		if _, err := k.ServiceSecret(t.Context(), account, [32]byte{1}); err != nil {
			t.Fatal(err)
		}
		if _, err := k.Destroy(t.Context(), []Ref{shred.key.Ref}, nil); err != nil {
			t.Fatal(err)
		}
		if err := keep.check(w.open(), nil); err != nil {
			t.Fatal(err)
		}
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFIPSOnly$", "-test.v")
	cmd.Env = append(os.Environ(), "GODEBUG=fips140=only", "COFFER_KEY_FIPS=1")
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "PASS: TestFIPSOnly") {
		t.Fatalf("%v\n%s", err, out)
	}
}
