package object

import (
	"errors"
	"testing"

	"coffer/internal/keyblob"
	"coffer/internal/meta"
	"coffer/internal/meta/mem"
)

// Once material is retired nothing comes under it, in the transaction that writes.
func TestRetire(t *testing.T) {
	const arn, other = "arn:aws:kms:us-east-1:123456789012:key/a", "arn:aws:kms:us-east-1:123456789012:key/b"
	old, now := keyblob.MaterialID{1}, keyblob.MaterialID{2}
	blob := func(id keyblob.MaterialID) []byte {
		b, err := keyblob.Seal(keyblob.Material{}, id, [32]byte{}, make([]byte, 32), nil)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	s := &Store{meta: mem.New()}
	write := func(w Wrap) error {
		return s.meta.Update(t.Context(), func(txn meta.Txn) error {
			return indexUpload(txn, &Bucket{Name: "b"}, &Upload{Key: "k", ID: "u", Wrap: w})
		})
	}
	if err := s.Retire(t.Context(), arn, []keyblob.MaterialID{old}); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		wrap Wrap
		want error
	}{
		{"old material", Wrap{KeyARN: arn, KeyBlob: blob(old)}, ErrRetired},
		{"present material", Wrap{KeyARN: arn, KeyBlob: blob(now)}, nil},
		{"of another key", Wrap{KeyARN: other, KeyBlob: blob(old)}, nil},
		{"no KMS key", Wrap{}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := write(tt.wrap); !errors.Is(err, tt.want) {
				t.Errorf("write = %v; want %v", err, tt.want)
			}
			if tt.wrap.KeyARN == "" {
				return
			}
			if is, err := s.IsRetired(t.Context(), tt.wrap.KeyARN, tt.wrap.KeyBlob); is != (tt.want != nil) || err != nil {
				t.Errorf("IsRetired = %v, %v", is, err)
			}
		})
	}
	if err := s.Unretire(t.Context(), arn, []keyblob.MaterialID{old}); err != nil {
		t.Fatal(err)
	}
	if err := write(tests[0].wrap); err != nil {
		t.Errorf("after Unretire: %v", err)
	}
}

func TestIsPlace(t *testing.T) {
	const arn = "arn:aws:kms:us-east-1:123456789012:key/a"
	for _, tt := range []struct {
		name  string
		after []byte
		want  bool
	}{
		{"the start", nil, true},
		{"a row of the key", underPrefix(arn), true},
		{"a row of another key", underPrefix(arn + "b"), false},
		{"another row", []byte("s3v"), false},
		{"too long", append(underPrefix(arn), make([]byte, maxPlace)...), false},
	} {
		if got := IsPlace(arn, tt.after); got != tt.want {
			t.Errorf("%s: IsPlace = %v; want %v", tt.name, got, tt.want)
		}
	}
}
