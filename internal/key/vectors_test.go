package key

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write the vectors that are missing; existing ones are never changed")

// hexBytes are bytes as hexadecimal digits.
type hexBytes []byte

func (h hexBytes) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h), nil }
func (h *hexBytes) UnmarshalText(b []byte) (err error) {
	*h, err = hex.DecodeString(string(b))
	return err
}

func vectors[T any](t *testing.T, name string, generate func() []T) []T {
	t.Helper()
	path := filepath.Join("testdata", "vectors", name)
	b, err := os.ReadFile(path)
	if os.IsNotExist(err) && *update {
		if b, err = json.MarshalIndent(generate(), "", "  "); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, append(b, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if err != nil {
		t.Fatal(err)
	}
	var out []T
	if err := json.Unmarshal(b, &out); err != nil || len(out) == 0 {
		t.Fatalf("%s: %d vectors, %v", path, len(out), err)
	}
	return out
}

// vectorSecret is SHA-256 of a name.
func vectorSecret(name string) Secret { return sha256.Sum256([]byte(name)) }

type treeVector struct {
	Name        string   `json:"name"`
	ShardSecret hexBytes `json:"shardSecret"`
	Shard       uint16   `json:"shard"`
	Punctured   []uint32 `json:"punctured,omitempty"`
	Leaf        uint32   `json:"leaf"`
	LeafSecret  hexBytes `json:"leafSecret,omitempty"` // none: the leaf does not derive
}

func TestTreeVectors(t *testing.T) {
	tests := vectors(t, "tree.json", func() (out []treeVector) {
		for i, v := range []treeVector{
			{Name: "first leaf", Leaf: 0},
			{Name: "last leaf", Shard: 1023, Leaf: leafCount - 1},
			{Name: "some leaf", Shard: 7, Leaf: 0xabcde},
			{Name: "beside a punctured leaf", Shard: 7, Punctured: []uint32{0xabcdf}, Leaf: 0xabcde},
			{Name: "between punctured leaves", Shard: 7, Punctured: []uint32{1, 3, 4}, Leaf: 2},
			{Name: "a punctured leaf", Shard: 7, Punctured: []uint32{1, 2, 4}, Leaf: 2},
		} {
			s := vectorSecret(fmt.Sprint("tree ", i/4))
			v.ShardSecret = s[:]
			if leaf, ok := treeRoot(int(v.Shard), &s).puncture(v.Punctured).leaf(v.Leaf); ok {
				v.LeafSecret = leaf[:]
			}
			out = append(out, v)
		}
		return out
	})
	for _, v := range tests {
		t.Run(v.Name, func(t *testing.T) {
			s := Secret(v.ShardSecret)
			got, ok := treeRoot(int(v.Shard), &s).puncture(v.Punctured).leaf(v.Leaf)
			if ok != (v.LeafSecret != nil) || ok && !bytes.Equal(got[:], v.LeafSecret) {
				t.Errorf("leaf %d: %x, %v; want %x", v.Leaf, got[:], ok, []byte(v.LeafSecret))
			}
		})
	}
}

type frontierVector struct {
	Name        string   `json:"name"`
	ShardSecret hexBytes `json:"shardSecret"`
	Shard       int      `json:"shard"`
	Generation  uint64   `json:"generation"`
	Sealed      hexBytes `json:"sealed"`
	Plain       hexBytes `json:"plain,omitempty"`
	Reject      string   `json:"reject,omitempty"` // why it does not open
}

func TestFrontierVectors(t *testing.T) {
	tests := vectors(t, "frontier.json", func() []frontierVector {
		secret := vectorSecret("frontier")
		plain := func(pos ...uint32) []byte {
			var f frontier
			for _, p := range pos {
				f = append(f, node{p, vectorSecret(fmt.Sprint("node ", p))})
			}
			return f.appendTo(nil)
		}
		sealed := func(plain []byte) hexBytes {
			k := derive(&secret, nil, labelFrontier)
			return seal(&k, plain, frontierData(7, 2))
		}
		good := frontierVector{"two nodes", secret[:], 7, 2, sealed(plain(2, 7)), plain(2, 7), ""}
		with := func(name, why string, change func(v *frontierVector)) frontierVector {
			v := good
			v.Name, v.Reject, v.Plain = name, why, nil
			v.Sealed = bytes.Clone(v.Sealed)
			change(&v)
			return v
		}
		return []frontierVector{
			good,
			{"no node", secret[:], 7, 2, sealed(nil), nil, ""},
			with("another shard", "additional data", func(v *frontierVector) { v.Shard = 8 }),
			with("another generation", "additional data", func(v *frontierVector) { v.Generation = 1 }),
			with("altered", "tag", func(v *frontierVector) { v.Sealed[20] ^= 1 }),
			with("version 2", "unknown version", func(v *frontierVector) { v.Sealed[0] = 2 }),
			with("cut", "length", func(v *frontierVector) { v.Sealed = v.Sealed[:28] }),
			with("position 0", "position", func(v *frontierVector) { v.Sealed = sealed(plain(0)) }),
			with("position 2^21", "position", func(v *frontierVector) { v.Sealed = sealed(plain(2 * leafCount)) }),
			with("out of order", "order", func(v *frontierVector) { v.Sealed = sealed(plain(7, 2)) }),
			with("overlap", "order", func(v *frontierVector) { v.Sealed = sealed(plain(2, 5)) }),
			with("half a node", "length", func(v *frontierVector) { v.Sealed = sealed(plain(2, 7)[:50]) }),
		}
	})
	for _, v := range tests {
		t.Run(v.Name, func(t *testing.T) {
			s := shard{Secret(v.ShardSecret), v.Generation}
			f, err := openFrontier(v.Shard, &s, v.Sealed)
			if (err != nil) != (v.Reject != "") {
				t.Fatalf("openFrontier: %v; want %q", err, v.Reject)
			}
			if err == nil && !bytes.Equal(f.appendTo(nil), v.Plain) {
				t.Errorf("frontier %x; want %x", f.appendTo(nil), []byte(v.Plain))
			}
		})
	}
}

type headVector struct {
	Name        string   `json:"name"`
	Root        hexBytes `json:"root"`
	Epoch       uint64   `json:"epoch"`
	Flip        int      `json:"flip,omitempty"` // bit 0 of this byte of head.bin is flipped
	Reject      string   `json:"reject,omitempty"`
	StoreKey    hexBytes `json:"storeKey,omitempty"`
	StoreID     hexBytes `json:"storeID,omitempty"`
	Shard       int      `json:"shard,omitempty"` // an entry of the head
	ShardSecret hexBytes `json:"shardSecret,omitempty"`
	Generation  uint64   `json:"generation,omitempty"`
}

// The sealed head of the vectors is head.bin.
func TestHeadVectors(t *testing.T) {
	path := filepath.Join("testdata", "vectors", "head.bin")
	tests := vectors(t, "head.json", func() []headVector {
		h := &head{storeKey: vectorSecret("store key"), storeID: [16]byte{1, 2, 3}}
		for i := range h.shards {
			h.shards[i] = shard{vectorSecret(fmt.Sprint("shard ", i)), uint64(i % 3)}
		}
		root := vectorSecret("root")
		if err := os.WriteFile(path, sealHead(&root, 5, h), 0o644); err != nil {
			t.Fatal(err)
		}
		other := vectorSecret("other root")
		good := headVector{Name: "epoch 5", Root: root[:], Epoch: 5, StoreKey: h.storeKey[:], StoreID: h.storeID[:],
			Shard: 1022, ShardSecret: h.shards[1022].secret[:], Generation: h.shards[1022].generation}
		return []headVector{
			good,
			{Name: "another epoch", Root: root[:], Epoch: 6, Reject: "additional data"},
			{Name: "another root", Root: other[:], Epoch: 5, Reject: "key"},
			{Name: "altered", Root: root[:], Epoch: 5, Flip: 20000, Reject: "tag"},
		}
	})
	sealed, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range tests {
		t.Run(v.Name, func(t *testing.T) {
			b := bytes.Clone(sealed)
			if v.Flip > 0 {
				b[v.Flip] ^= 1
			}
			root := Secret(v.Root)
			h, err := openHead(&root, v.Epoch, b)
			if (err != nil) != (v.Reject != "") {
				t.Fatalf("openHead: %v; want %q", err, v.Reject)
			}
			if err != nil {
				return
			}
			s := &h.shards[v.Shard]
			if !bytes.Equal(h.storeKey[:], v.StoreKey) || !bytes.Equal(h.storeID[:], v.StoreID) ||
				!bytes.Equal(s.secret[:], v.ShardSecret) || s.generation != v.Generation {
				t.Error("the head opens otherwise")
			}
		})
	}
}

type wrapVector struct {
	Name     string   `json:"name"`
	Leaf     hexBytes `json:"leaf"`
	Kind     string   `json:"kind"`
	Account  string   `json:"account"`
	Region   string   `json:"region"`
	ID       string   `json:"id"`
	Version  uint32   `json:"version"`
	Material hexBytes `json:"material"`
	Wrapped  hexBytes `json:"wrapped"`
	Secret   hexBytes `json:"secret,omitempty"`
	Reject   string   `json:"reject,omitempty"`
}

func (v *wrapVector) wrapping() *wrapping {
	return &wrapping{v.Kind, Ref{v.Account, v.Region, v.ID}, v.Version, MaterialID(v.Material)}
}

func TestWrapVectors(t *testing.T) {
	tests := vectors(t, "wrap.json", func() []wrapVector {
		leaf, secret, id := vectorSecret("leaf"), vectorSecret("material"), vectorSecret("material ID")
		other := vectorSecret("other")
		good := wrapVector{Name: "KMS key", Leaf: leaf[:], Kind: kindKMS, Account: account, Region: region,
			ID: "1234abcd-12ab-34cd-56ef-1234567890ab", Version: 1, Material: id[:], Secret: secret[:]}
		good.Wrapped = wrap(&leaf, vectorSecret("salt"), good.wrapping(), &secret)
		service := wrapVector{Name: "SSE-S3 service key", Leaf: leaf[:], Kind: kindService, Account: account,
			Version: 1, Material: make([]byte, 32), Secret: secret[:]}
		service.Wrapped = wrap(&leaf, vectorSecret("salt 2"), service.wrapping(), &secret)
		with := func(name, why string, change func(v *wrapVector)) wrapVector {
			v := good
			v.Name, v.Reject, v.Secret = name, why, nil
			v.Wrapped = bytes.Clone(v.Wrapped)
			change(&v)
			return v
		}
		return []wrapVector{
			good, service,
			with("another leaf", "key", func(v *wrapVector) { v.Leaf = other[:] }),
			with("another kind", "additional data", func(v *wrapVector) { v.Kind = kindService }),
			with("another account", "additional data", func(v *wrapVector) { v.Account = "999999999999" }),
			with("another region", "additional data", func(v *wrapVector) { v.Region = "eu-west-1" }),
			with("another key", "additional data", func(v *wrapVector) { v.ID = "1234abcd-12ab-34cd-56ef-1234567890ac" }),
			with("fields shifted", "additional data", func(v *wrapVector) { v.Account, v.Region = account+"us", "-east-1" }),
			with("another version", "additional data", func(v *wrapVector) { v.Version = 2 }),
			with("another material", "additional data", func(v *wrapVector) { v.Material = other[:] }),
			with("another salt", "key", func(v *wrapVector) { v.Wrapped[0] ^= 1 }),
			with("format version 2", "unknown version", func(v *wrapVector) { v.Wrapped[saltSize] = 2 }),
			with("altered", "tag", func(v *wrapVector) { v.Wrapped[60] ^= 1 }),
			with("cut", "length", func(v *wrapVector) { v.Wrapped = v.Wrapped[:saltSize] }),
			with("empty", "length", func(v *wrapVector) { v.Wrapped = hexBytes{} }),
		}
	})
	for _, v := range tests {
		t.Run(v.Name, func(t *testing.T) {
			leaf := Secret(v.Leaf)
			got, err := unwrap(&leaf, v.Wrapped, v.wrapping())
			if (err != nil) != (v.Reject != "") {
				t.Fatalf("unwrap: %v; want %q", err, v.Reject)
			}
			if err == nil && !bytes.Equal(got[:], v.Secret) {
				t.Errorf("unwrap = %x; want %x", got[:], []byte(v.Secret))
			}
		})
	}
}

func FuzzUnwrap(f *testing.F) {
	b, err := os.ReadFile(filepath.Join("testdata", "vectors", "wrap.json"))
	if err != nil {
		f.Fatal(err)
	}
	var all []wrapVector
	if err := json.Unmarshal(b, &all); err != nil {
		f.Fatal(err)
	}
	good := all[0]
	for _, v := range all {
		f.Add([]byte(v.Wrapped))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		leaf := Secret(good.Leaf)
		if _, err := unwrap(&leaf, b, good.wrapping()); (err == nil) != bytes.Equal(b, good.Wrapped) {
			t.Errorf("unwrap = %v", err)
		}
	})
}
