package object

import (
	"bytes"
	"strings"
	"testing"
)

// FuzzRowKeys wants escaped keys to sort and to come apart as the keys
// themselves do, and no row key to make the parsers panic.
func FuzzRowKeys(f *testing.F) {
	for _, s := range []string{"", "a", "a\x00", "a\x00\x00b", "\x00", "\x00\xff", "\x00\x01", "a\xff", "é/..//", strings.Repeat("\x00", 1024)} {
		f.Add(s, s+"\x01")
		f.Add(s, s[:len(s)/2])
		f.Add(string(versionRow(ID{1}, s, 7)), string(replacedRow(5, ID{2}, s, 9)))
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if got, want := bytes.Compare(escape(a), escape(b)), strings.Compare(a, b); got != want {
			t.Errorf("escaped %q and %q compare as %d, want %d", a, b, got, want)
		}
		if key, rest, err := unescape(append(escape(a), b...)); err != nil || key != a || string(rest) != b {
			t.Errorf("unescape of %q and %q = %q, %q, %v", a, b, key, rest, err)
		}
		if a != b && bytes.HasPrefix(escape(a), escape(b)) {
			t.Errorf("escaped %q starts with escaped %q", a, b)
		}
		if strings.HasPrefix(a, b) != bytes.HasPrefix(escape(a), escapeOpen(b)) {
			// A key that goes on with 0xff after 0x00 can't be told by its
			// first bytes, but keys are UTF-8 and hold no 0xff.
			if !strings.Contains(a+b, "\xff") {
				t.Errorf("escaped %q and its prefix %q", a, b)
			}
		}
		k := versionRow(ID{1}, a, 7)
		if key, seq, err := splitVersion(k, len(rowVersion)+len(ID{})); err != nil || key != a || seq != 7 {
			t.Errorf("splitVersion of %q = %q, %d, %v", a, key, seq, err)
		}
		if until, id, key, seq, err := splitReplaced(replacedRow(5, ID{2}, a, 9)); err != nil || until != 5 || id != (ID{2}) || key != a || seq != 9 {
			t.Errorf("splitReplaced of %q = %d, %x, %q, %d, %v", a, until, id, key, seq, err)
		}
		_, _, _ = splitVersion([]byte(a), 0)
		_, _, _, _, _ = splitReplaced([]byte(rowReplaced + a))
		if seq, ok := seqOf(a); ok && len(a) != 32 {
			t.Errorf("seqOf(%q) = %d", a, seq)
		}
	})
}

// FuzzRows wants no bytes in place of a row to make a decoder panic.
func FuzzRows(f *testing.F) {
	for _, v := range []any{&Bucket{Name: "b"}, &head{Seq: 1}, &Version{ID: "v", Content: Content{Chunks: []Chunk{{}}, Previous: []Replaced{{}}}},
		&Upload{Type: "COMPOSITE"}, &PartTable{Parts: []Part{{Number: 1}}}, &garbage{Chunks: 1}} {
		b, err := encoder.Marshal(v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, v := range []any{new(Bucket), new(head), new(Version), new(Upload), new(PartTable), new(garbage)} {
			if decode(nil, b, v) != nil {
				continue
			}
			again, err := encoder.Marshal(v)
			if err != nil || decode(nil, again, v) != nil {
				t.Errorf("%T %x does not encode again: %v", v, b, err)
			}
		}
		var v Version
		if decode(nil, b, &v) == nil {
			_, _ = v.Content.Wrap.Mode()
			_ = (&Store{}).binding(&v)
		}
	})
}
