package backupset

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

var testCodec = NewCodec(Key{1})

func TestFileRoundTrip(t *testing.T) {
	for _, n := range []int{0, 1, 100, SegmentSize - 1, SegmentSize, SegmentSize + 1, 3*SegmentSize + 7, 10 * SegmentSize} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			plain := make([]byte, n)
			for i := range plain {
				plain[i] = byte(i * 7 >> 3)
			}
			id := testCodec.BlobID("ab")
			file := testCodec.Seal(KindBlob, id, Salt{9}, plain)
			if int64(len(file)) != SealedSize(int64(n)) {
				t.Errorf("file of %d bytes has %d; want %d", n, len(file), SealedSize(int64(n)))
			}
			got, err := testCodec.Open(KindBlob, id, file)
			if err != nil || !bytes.Equal(got, plain) {
				t.Fatalf("Open = %d bytes, %v; want %d bytes", len(got), err, n)
			}
			r, err := testCodec.NewReader(bytes.NewReader(file), int64(len(file)), KindBlob, id)
			if err != nil {
				t.Fatal(err)
			}
			for range 20 {
				off := rand.IntN(n + 1)
				p := make([]byte, rand.IntN(n-off+1))
				if m, err := r.ReadAt(p, int64(off)); err != nil && n > 0 || m != len(p) || !bytes.Equal(p, plain[off:off+len(p)]) {
					t.Fatalf("ReadAt(%d, %d) = %d, %v", len(p), off, m, err)
				}
			}
		})
	}
}

func TestFileDamage(t *testing.T) {
	plain := bytes.Repeat([]byte("secret"), SegmentSize/3)
	id := testCodec.BlobID("ab")
	file := testCodec.Seal(KindBlob, id, Salt{9}, plain)
	full := SegmentSize + overhead
	two := file[headerSize : headerSize+full]
	tests := map[string]struct {
		kind Kind
		id   ID
		file []byte
	}{
		"other id":     {KindBlob, ID{}, file},
		"other kind":   {KindRows, id, file},
		"cut":          {KindBlob, id, file[:len(file)-1]},
		"segment less": {KindBlob, id, file[:headerSize+full]},
		"header only":  {KindBlob, id, file[:headerSize]},
		"empty":        {KindBlob, id, nil},
		"longer":       {KindBlob, id, append(bytes.Clone(file), 0)},
		"reordered":    {KindBlob, id, slices.Concat(file[:headerSize], file[headerSize+full:], two)},
		"repeated":     {KindBlob, id, slices.Concat(file[:headerSize], two, two)},
	}
	for _, at := range []int{0, 8, 9, 10, 41, 42, 60, headerSize + full - 1, headerSize + full, len(file) - 1} {
		flipped := bytes.Clone(file)
		flipped[at] ^= 1
		tests[fmt.Sprintf("byte %d flipped", at)] = struct {
			kind Kind
			id   ID
			file []byte
		}{KindBlob, id, flipped}
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got, err := testCodec.Open(tt.kind, tt.id, bytes.Clone(tt.file)); err == nil {
				t.Errorf("Open = %d bytes, nil; want an error", len(got))
			} else if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error shows plaintext: %v", err)
			}
		})
	}
	if _, err := NewCodec(Key{2}).Open(KindBlob, id, bytes.Clone(file)); !errors.Is(err, ErrDamaged) {
		t.Errorf("Open under another key = %v; want ErrDamaged", err)
	}
	chunk := []byte("records")
	wrong := testCodec.Seal(KindRows, ID{5}, Salt{1}, chunk)
	if _, err := testCodec.Open(KindRows, ID{5}, wrong); !errors.Is(err, ErrDamaged) {
		t.Errorf("Open of a chunk under another name = %v; want ErrDamaged", err)
	}
	if bytes.Contains(file, []byte("secret")) {
		t.Error("the file shows its plaintext")
	}
}

// tree cuts records and returns the files by name.
func tree(t *testing.T, records map[string][]byte, keys []string) (Tree, map[ID][]byte) {
	t.Helper()
	files := make(map[ID][]byte)
	w := testCodec.NewTreeWriter(func(k Kind, id ID, plain []byte) error {
		files[id] = bytes.Clone(plain)
		return nil
	})
	for _, k := range keys {
		if err := w.Add([]byte(k), records[k]); err != nil {
			t.Fatal(err)
		}
	}
	out, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	return out, files
}

func TestTree(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	records := make(map[string][]byte)
	var keys []string
	for i := range 20000 {
		k := fmt.Sprintf("row/%06d", i)
		keys = append(keys, k)
		records[k] = make([]byte, rnd.IntN(800))
		if i%500 == 0 {
			records[k] = make([]byte, 70<<10)
		}
		binary.BigEndian.PutUint32(append(records[k], 0, 0, 0, 0)[:4], uint32(i))
	}
	records[keys[777]] = make([]byte, 3<<20)
	whole, files := tree(t, records, keys)
	if whole.Count != int64(len(keys)) {
		t.Errorf("tree has %d records; want %d", whole.Count, len(keys))
	}
	var got []string
	chunks := 0
	for _, index := range whole.Index {
		refs, err := Refs(files[index.ID])
		if err != nil {
			t.Fatal(err)
		}
		var count, size int64
		for _, r := range refs {
			chunks++
			count, size = count+r.Count, size+r.Bytes
			first := true
			err := Records(files[r.ID], func(k, v []byte) (bool, error) {
				if first && !bytes.Equal(k, r.First) {
					t.Errorf("chunk begins with %q; want %q", k, r.First)
				}
				first = false
				got = append(got, string(k))
				if !bytes.Equal(v, records[string(k)]) {
					t.Errorf("record %q differs", k)
				}
				return true, nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if count != index.Count || size != index.Bytes {
			t.Errorf("index of %d records, %d bytes; want %d, %d", index.Count, index.Bytes, count, size)
		}
	}
	if !slices.Equal(got, keys) {
		t.Errorf("the tree holds %d records; want %d in order", len(got), len(keys))
	}
	if mean := whole.Bytes / int64(chunks); mean < 100<<10 || mean > 500<<10 {
		t.Errorf("%d chunks of %d bytes in the mean; want about %d", chunks, mean, targetChunk)
	}

	// A record that comes, goes or changes changes few files.
	changes := map[string]func() []string{
		"new": func() []string {
			records["row/010000a"] = []byte("x")
			return slices.Insert(slices.Clone(keys), 10001, "row/010000a")
		},
		"gone":    func() []string { return slices.Delete(slices.Clone(keys), 5000, 5001) },
		"changed": func() []string { records[keys[9000]] = []byte("other"); return keys },
		"at the end": func() []string {
			records["s"] = []byte("x")
			return append(slices.Clone(keys), "s")
		},
	}
	for name, change := range changes {
		_, after := tree(t, records, change())
		var fresh, size int
		_, before := whole, files
		for id, plain := range after {
			if _, ok := before[id]; !ok {
				fresh, size = fresh+1, size+len(plain)
			}
		}
		if fresh > 8 || size > 2<<20 {
			t.Errorf("%s: %d new files of %d bytes; want few", name, fresh, size)
		}
	}
}

func TestManifest(t *testing.T) {
	m := &Manifest{Version: 1, Created: 5, Epoch: 7, Lost: []string{"ab"}, Rows: Tree{Index: []Ref{{First: []byte("a"), ID: ID{3}, Count: 1, Bytes: 2}}, Count: 1, Bytes: 2}}
	b, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeManifest(b)
	if err != nil || got.Rows.Index[0].ID != (ID{3}) || got.Epoch != 7 {
		t.Errorf("DecodeManifest = %+v, %v", got, err)
	}
	for _, bad := range [][]byte{nil, b[:len(b)-1], append(bytes.Clone(b), 0), {0xa1, 1, 2}} {
		if _, err := DecodeManifest(bad); err == nil {
			t.Errorf("DecodeManifest(%x) = nil error", bad)
		}
	}
}

func TestKeyPrintsNothing(t *testing.T) {
	key := Key{0xde, 0xad}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		if s := fmt.Sprintf(verb+verb, key, NewCodec(key)); s != redacted+redacted {
			t.Errorf("%s prints %q", verb, s)
		}
	}
}

func FuzzRecords(f *testing.F) {
	f.Add(AppendRecord(nil, []byte("key"), []byte("value")))
	f.Add([]byte{0x80, 0})
	f.Add([]byte{5, 5, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		var back []byte
		err := Records(b, func(k, v []byte) (bool, error) {
			back = AppendRecord(back, k, v)
			return true, nil
		})
		if err == nil && !bytes.Equal(back, b) {
			t.Errorf("records %x encode as %x", b, back)
		}
		_, _ = Refs(b)
		_, _ = DecodeManifest(b)
		_, _ = DecodeStamp(b)
	})
}

func FuzzOpen(f *testing.F) {
	id := testCodec.BlobID("ab")
	f.Add(testCodec.Seal(KindBlob, id, Salt{1}, []byte("plain")))
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, k := range []Kind{KindRows, KindBlob, KindManifest} {
			if plain, err := testCodec.Open(k, id, bytes.Clone(b)); err == nil && (k != KindBlob || string(plain) != "plain") {
				t.Errorf("%x opens as %q", b, plain)
			}
		}
	})
}
