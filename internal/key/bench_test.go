package key

import (
	"fmt"
	"testing"
)

func benchKeys(b *testing.B, cache int) *Keys {
	b.Helper()
	root, err := OpenRoot(b.Context(), RootConfig{Store: newMemRoot(), Create: true})
	if err != nil {
		b.Fatal(err)
	}
	w := newWorld(nil)
	k, err := Open(b.Context(), Config{Meta: w.rows, Root: root, Now: w.clock, Cache: cache})
	if err != nil {
		b.Fatal(err)
	}
	return k
}

var benchContext = map[string]string{"aws:s3:arn": "arn:aws:s3:::bucket/some/key"}

func BenchmarkEncrypt32(b *testing.B) {
	k := benchKeys(b, 0)
	s := makeSample(b, k)
	plain := make([]byte, 32)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.Encrypt(b.Context(), s.key.Ref, plain, benchContext); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecrypt32(b *testing.B) {
	for _, cold := range []bool{false, true} {
		b.Run(fmt.Sprintf("cold=%v", cold), func(b *testing.B) {
			k := benchKeys(b, 0)
			key := makeSample(b, k).key
			sealed, err := k.Encrypt(b.Context(), key.Ref, make([]byte, 32), benchContext)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if cold {
					k.forget([]Ref{key.Ref}, []materialAt{{key.Material, key.Region}})
				}
				if _, err := k.Decrypt(b.Context(), region, sealed.Blob, benchContext); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkServiceSecret(b *testing.B) {
	k := benchKeys(b, 0)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.ServiceSecret(b.Context(), account, [32]byte{1}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCreate(b *testing.B) {
	k := benchKeys(b, 0)
	for b.Loop() {
		if _, err := k.Create(b.Context(), CreateInput{Account: account, Region: region}, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// One epoch change that punctures so many leaves of an unpunctured root.
func BenchmarkPuncture(b *testing.B) {
	for _, n := range []int{1, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var leaves []leaf
			for i := range n {
				leaves = append(leaves, leaf{uint16(i % shardCount), uint32(i / shardCount * 1074 % 10742)})
			}
			for b.Loop() {
				b.StopTimer()
				root, err := OpenRoot(b.Context(), RootConfig{Store: newMemRoot(), Create: true})
				if err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				if _, err := root.puncture(b.Context(), leaves, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkLeaf(b *testing.B) {
	root, err := OpenRoot(b.Context(), RootConfig{Store: newMemRoot(), Create: true})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := root.state.leaf(leaf{1, 77}); err != nil {
			b.Fatal(err)
		}
	}
}
