package file

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"testing"

	"coffer/internal/rootseal"
)

// A vector is one file of docs/spec/root-store.md.
type vector struct {
	Name     string
	Kind     string // root, head or frontier
	Epoch    uint64
	Frontier string // its name
	Body     string // the secret of a root; in hexadecimal, as File is
	File     string
	Accepted bool
	Why      string
}

func TestVectors(t *testing.T) {
	text, err := os.ReadFile("testdata/vectors/v1.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []vector
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) {
			body, err := hex.DecodeString(v.Body)
			if err != nil {
				t.Fatal(err)
			}
			file, err := hex.DecodeString(v.File)
			if err != nil {
				t.Fatal(err)
			}
			kind := map[string]byte{"root": kindRoot, "head": kindHead, "frontier": kindFrontier}[v.Kind]
			var encoded, decoded []byte
			if kind == kindRoot {
				var root rootseal.Secret
				copy(root[:], body)
				if encoded, err = encodeRoot(v.Epoch, &root); err != nil {
					t.Fatal(err)
				}
				root, err = decodeRoot(file, v.Epoch)
				decoded = root[:]
			} else {
				encoded, err = record{kind: kind, epoch: v.Epoch, name: v.Frontier, body: body}.encode()
				if err != nil {
					t.Fatal(err)
				}
				decoded, err = decodeAs(file, kind, v.Epoch, v.Frontier)
			}
			switch {
			case !v.Accepted && !errors.Is(err, errRecord):
				t.Errorf("decode = %v; want errRecord: %s", err, v.Why)
			case v.Accepted && (err != nil || !bytes.Equal(decoded, body)):
				t.Errorf("decode = %x, %v; want %x", decoded, err, body)
			case v.Accepted && !bytes.Equal(encoded, file):
				t.Errorf("encode = %x; want %x", encoded, file)
			}
		})
	}
}

// FuzzDecode wants every record that decodes to encode to the same bytes.
func FuzzDecode(f *testing.F) {
	for _, r := range []record{
		{kind: kindHead, epoch: 1, body: []byte("head")},
		{kind: kindFrontier, epoch: 1 << 60, name: "shard-0001", body: nil},
		{kind: kindRoot, epoch: 2, body: make([]byte, rootFileSize-overhead)},
	} {
		data, err := r.encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		f.Add(data[:len(data)-1])
		data = bytes.Clone(data)
		data[11]++
		f.Add(data)
	}
	f.Add([]byte(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := decode(data)
		if err != nil {
			if !errors.Is(err, errRecord) {
				t.Fatalf("decode = %v; want errRecord", err)
			}
			return
		}
		again, err := r.encode()
		if len(r.name) <= 64 && (err != nil || !bytes.Equal(again, data)) {
			t.Fatalf("encode = %x, %v; want %x", again, err, data)
		}
	})
}
