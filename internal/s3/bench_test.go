package s3

import (
	"fmt"
	"io"
	"testing"

	"coffer/internal/authn"
)

// BenchmarkGet reads 4 KiB: as root, as a user of the owner, and through a bucket
// policy.
func BenchmarkGet(b *testing.B) {
	w := newWorld(b)
	w.bucket("tour")
	data := string(make([]byte, 4096))
	must(b, w.put(root(owner), "tour", "key", func(in *PutObjectInput) { in.Upload = upload(data) }))
	user := w.user(owner, allow("s3:GetObject", "arn:aws:s3:::tour/*"))
	w.policy("tour", statement("Allow", theStranger, "s3:GetObject", "/*", ""))
	for name, c := range map[string]*authn.Caller{"root": root(owner), "user": user, "stranger": root(stranger)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				out, err := w.GetObject(b.Context(), c, &GetObjectInput{ObjectInput: objectIn("")})
				if err == nil {
					_, err = out.Body.WriteTo(io.Discard)
				}
				must(b, err)
				must(b, out.Body.Close())
			}
		})
	}
}

// BenchmarkPut writes 4 KiB.
func BenchmarkPut(b *testing.B) {
	w := newWorld(b)
	w.bucket("tour")
	data := string(make([]byte, 4096))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		must(b, w.put(root(owner), "tour", fmt.Sprint(i%1000), func(in *PutObjectInput) { in.Upload = upload(data) }))
	}
}
