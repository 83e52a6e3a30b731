package disk

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"coffer/internal/blob"
	"coffer/internal/blob/blobtest"
)

// A vector is one file of docs/spec/blob-file.md: Size bytes of data, of which
// byte i is (31*i + 7) mod 251, and then Tail.
type vector struct {
	Name     string
	ID       string
	Size     int
	Tail     string // in hexadecimal
	Detected string // "" for a good file, "open", or "check"
	Why      string
}

func vectorData(size int) []byte {
	data := make([]byte, size)
	for i := range data {
		data[i] = byte((31*i + 7) % 251)
	}
	return data
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
	dir := t.TempDir()
	s := open(t, dir, nil)
	ctx := context.Background()
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) {
			tail, err := hex.DecodeString(v.Tail)
			if err != nil {
				t.Fatal(err)
			}
			data := vectorData(v.Size)
			file := append(bytes.Clone(data), tail...)
			if v.Detected == "" {
				if err := blobtest.Put(s, v.ID, data); err != nil {
					t.Fatal(err)
				}
				if got, err := os.ReadFile(s.path(v.ID)); err != nil || !bytes.Equal(got, file) {
					t.Errorf("Put wrote %d bytes, %v; want the %d of the vector", len(got), err, len(file))
				}
			}
			if err := os.WriteFile(filepath.Join(s.blobDir(v.ID), v.ID), file, 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := blobtest.Get(s, v.ID)
			if v.Detected == "open" && !errors.Is(err, blob.ErrCorrupt) || v.Detected != "open" && (err != nil || !bytes.Equal(got, data)) {
				t.Errorf("Open = %d bytes, %v; detected at %q (%s)", len(got), err, v.Detected, v.Why)
			}
			if err := s.Check(ctx, v.ID); v.Detected == "" && err != nil || v.Detected != "" && !errors.Is(err, blob.ErrCorrupt) {
				t.Errorf("Check = %v; detected at %q (%s)", err, v.Detected, v.Why)
			}
		})
	}
}

// FuzzFooter wants every footer that parses to encode to the same bytes.
func FuzzFooter(f *testing.F) {
	for _, size := range []int64{0, 1, 1 << 40} {
		f.Add(footer{size, 7}.append(nil, "ab"), "ab", fileSizeOf(size))
	}
	f.Add([]byte(nil), "", int64(0))
	f.Fuzz(func(t *testing.T, b []byte, id string, fileSize int64) {
		got, err := parseFooter(b, id, fileSize)
		if err != nil {
			if !errors.Is(err, blob.ErrCorrupt) {
				t.Fatalf("parseFooter = %v; want ErrCorrupt", err)
			}
			return
		}
		if got.dataSize < 0 || fileSizeOf(got.dataSize) != fileSize || !bytes.Equal(got.append(nil, id), b) {
			t.Fatalf("parseFooter(%x) = %+v", b, got)
		}
	})
}
