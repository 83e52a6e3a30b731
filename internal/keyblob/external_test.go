package keyblob

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"testing"
)

func TestExternalVectors(t *testing.T) {
	b, err := os.ReadFile("testdata/vectors/external.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Accepted []struct {
			Name                                            string
			MaterialID, IV, Metadata, Tag, Ciphertext, Blob Hex
			Context                                         map[string]string
			AdditionalData                                  Hex
		}
		Rejected []struct {
			Name string
			Blob Hex
		}
	}
	if err := json.Unmarshal(b, &file); err != nil || len(file.Accepted) == 0 {
		t.Fatal(len(file.Accepted), err)
	}
	for _, v := range file.Accepted {
		t.Run(v.Name, func(t *testing.T) {
			x, err := SplitExternal(v.Blob)
			if err != nil || !bytes.Equal(x.Material[:], v.MaterialID) || !bytes.Equal(x.IV, v.IV) || !bytes.Equal(x.Metadata, v.Metadata) ||
				!bytes.Equal(x.Tag, v.Tag) || !bytes.Equal(x.Ciphertext, v.Ciphertext) {
				t.Fatalf("SplitExternal = %+v, %v", x, err)
			}
			if got, err := JoinExternal(x); err != nil || !bytes.Equal(got, v.Blob) {
				t.Errorf("JoinExternal = %x, %v; want %x", got, err, v.Blob)
			}
			if h, err := Parse(v.Blob); err != nil || !h.External || h.Material != x.Material || h.PlainBytes != len(v.Ciphertext)-Overhead {
				t.Errorf("Parse = %+v, %v", h, err)
			}
			if got := ExternalData(x.Material, v.Context); !bytes.Equal(got, v.AdditionalData) {
				t.Errorf("ExternalData = %x; want %x", got, v.AdditionalData)
			}
			if _, err := Open(Material{}, v.Blob, v.Context); !errors.Is(err, ErrFormat) {
				t.Errorf("Open = %v; want ErrFormat: it is to be opened outside first", err)
			}
		})
	}
	for _, v := range file.Rejected {
		t.Run(v.Name, func(t *testing.T) {
			if x, err := SplitExternal(v.Blob); !errors.Is(err, ErrFormat) {
				t.Errorf("SplitExternal = %+v, %v; want ErrFormat", x, err)
			}
			if h, err := Parse(v.Blob); !errors.Is(err, ErrFormat) {
				t.Errorf("Parse = %+v, %v; want ErrFormat", h, err)
			}
		})
	}
}

func FuzzSplitExternal(f *testing.F) {
	x := &External{IV: make([]byte, 12), Metadata: []byte("v"), Tag: make([]byte, 16), Ciphertext: make([]byte, Overhead+4)}
	b, err := JoinExternal(x)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(slices.Concat([]byte{2}, make([]byte, 34)))
	f.Fuzz(func(t *testing.T, blob []byte) {
		x, err := SplitExternal(blob)
		if err != nil {
			return
		}
		if again, err := JoinExternal(x); err != nil || !bytes.Equal(again, blob) {
			t.Fatalf("JoinExternal(SplitExternal(%x)) = %x, %v", blob, again, err)
		}
	})
}
