package backupset

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write the vectors that are missing")

const vectorFile = "testdata/vectors/backup.json"

// vectors are what an implementation agrees with. All bytes are hexadecimal.
type vectors struct {
	Key      string // of the codec
	Set      string
	Blobs    []struct{ Blob, ID string }
	Chunks   []struct{ Kind, Plain, ID string }
	Accepted []fileVector
	Rejected []fileVector
	// Cuts says how the records row/000000, row/000001 and so on, with values of
	// Size zero bytes, are cut: the records in each chunk.
	Cuts []struct {
		Size, Records int
		Counts        []int64
	}
}

type fileVector struct {
	Name, Kind, ID, File, Plain, Why string
}

var kindNames = map[string]Kind{"rows": KindRows, "blobs": KindBlob, "index": KindIndex, "manifests": KindManifest}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func cuts(t testing.TB, c *Codec, size, records int) (out []int64) {
	t.Helper()
	w := c.NewChunker(func(c Chunk) error { out = append(out, c.Count); return nil })
	for i := range records {
		if err := w.Add(fmt.Appendf(nil, "row/%06d", i), make([]byte, size)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestVectors(t *testing.T) {
	if *update {
		writeVectors(t)
	}
	b, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Accepted) < 4 || len(v.Rejected) < 9 || len(v.Cuts) < 3 {
		t.Fatalf("%d, %d and %d vectors", len(v.Accepted), len(v.Rejected), len(v.Cuts))
	}
	c := NewCodec(Key(unhex(t, v.Key)))
	if got := c.SetID().String(); got != v.Set {
		t.Errorf("SetID = %s; want %s", got, v.Set)
	}
	for _, b := range v.Blobs {
		if got := c.BlobID(b.Blob).String(); got != b.ID {
			t.Errorf("BlobID(%s) = %s; want %s", b.Blob, got, b.ID)
		}
	}
	for _, k := range v.Chunks {
		if got := c.ChunkID(kindNames[k.Kind], unhex(t, k.Plain)).String(); got != k.ID {
			t.Errorf("ChunkID(%s, %s) = %s; want %s", k.Kind, k.Plain, got, k.ID)
		}
	}
	for _, f := range v.Accepted {
		got, err := c.Open(kindNames[f.Kind], ID(unhex(t, f.ID)), unhex(t, f.File))
		if err != nil || !bytes.Equal(got, unhex(t, f.Plain)) {
			t.Errorf("%s: Open = %x, %v; want %s", f.Name, got, err, f.Plain)
		}
	}
	for _, f := range v.Rejected {
		if got, err := c.Open(kindNames[f.Kind], ID(unhex(t, f.ID)), unhex(t, f.File)); err == nil {
			t.Errorf("%s: Open = %x; want an error: %s", f.Name, got, f.Why)
		}
	}
	for _, x := range v.Cuts {
		if got := cuts(t, c, x.Size, x.Records); fmt.Sprint(got) != fmt.Sprint(x.Counts) {
			t.Errorf("%d records of %d bytes are cut as %v; want %v", x.Records, x.Size, got, x.Counts)
		}
	}
}

// writeVectors makes the file if there is none: vectors never change.
func writeVectors(t *testing.T) {
	if _, err := os.Stat(vectorFile); err == nil {
		return
	}
	var key Key
	for i := range key {
		key[i] = byte(i)
	}
	c := NewCodec(key)
	v := vectors{Key: hex.EncodeToString(key[:]), Set: c.SetID().String()}
	for _, b := range []string{"00", "0123456789abcdef0123456789abcdef01234567"} {
		v.Blobs = append(v.Blobs, struct{ Blob, ID string }{b, c.BlobID(b).String()})
	}
	rows := AppendRecord(AppendRecord(nil, []byte("a"), []byte("value")), []byte("b"), nil)
	for _, k := range []string{"rows", "index"} {
		v.Chunks = append(v.Chunks, struct{ Kind, Plain, ID string }{k, hex.EncodeToString(rows), c.ChunkID(kindNames[k], rows).String()})
	}
	name := "20261122T021300000Z-0123456789abcdef"
	accept := func(what, kind string, id ID, plain []byte) []byte {
		f := c.Seal(kindNames[kind], id, Salt(bytes.Repeat([]byte{byte(len(v.Accepted) + 1)}, saltSize)), plain)
		v.Accepted = append(v.Accepted, fileVector{what, kind, id.String(), hex.EncodeToString(f), hex.EncodeToString(plain), ""})
		return f
	}
	accept("rows", "rows", c.ChunkID(KindRows, rows), rows)
	accept("empty blob", "blobs", c.BlobID("00"), nil)
	accept("blob", "blobs", c.BlobID("00"), []byte("sealed bytes"))
	accept("manifest "+name, "manifests", ManifestID(name), []byte{0xa1, 0x01, 0x01})
	good := c.Seal(KindBlob, c.BlobID("00"), Salt{9}, []byte("sealed bytes"))
	reject := func(what, kind string, id ID, f []byte, why string) {
		v.Rejected = append(v.Rejected, fileVector{what, kind, id.String(), hex.EncodeToString(f), "", why})
	}
	flip := func(at int) []byte { f := bytes.Clone(good); f[at] ^= 1; return f }
	reject("another blob", "blobs", c.BlobID("01"), good, "the name is part of what is authenticated")
	reject("another kind", "manifests", c.BlobID("00"), good, "the header says blob")
	reject("magic", "blobs", c.BlobID("00"), flip(0), "no file of a backup")
	reject("version", "blobs", c.BlobID("00"), flip(8), "unknown version")
	reject("kind", "blobs", c.BlobID("00"), flip(9), "the header says another kind")
	reject("salt", "blobs", c.BlobID("00"), flip(10), "another key")
	reject("nonce", "blobs", c.BlobID("00"), flip(headerSize), "the tag does not match")
	reject("ciphertext", "blobs", c.BlobID("00"), flip(headerSize+12), "the tag does not match")
	reject("tag", "blobs", c.BlobID("00"), flip(len(good)-1), "the tag does not match")
	reject("cut", "blobs", c.BlobID("00"), good[:len(good)-1], "the tag does not match")
	reject("header alone", "blobs", c.BlobID("00"), good[:headerSize], "no file has 42 bytes")
	reject("another key", "blobs", c.BlobID("00"), NewCodec(Key{1}).Seal(KindBlob, c.BlobID("00"), Salt{1}, []byte("x")), "the tag does not match")
	reject("other rows", "rows", ID{1}, c.Seal(KindRows, ID{1}, Salt{1}, rows), "the name is not that of these rows")
	for _, x := range [][2]int{{0, 30000}, {300, 5000}, {70 << 10, 40}, {2 << 20, 3}} {
		v.Cuts = append(v.Cuts, struct {
			Size, Records int
			Counts        []int64
		}{x[0], x[1], cuts(t, c, x[0], x[1])})
	}
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(vectorFile, append(b, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}
