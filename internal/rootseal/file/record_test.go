package file

import (
	"bytes"
	"errors"
	"testing"
)

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
