package trail

import (
	"context"
	"fmt"
	"testing"
	"time"

	"coffer/internal/meta"
	"coffer/internal/meta/mem"
)

func BenchmarkChange(b *testing.B) {
	tr := open(b, mem.New(), nil)
	ev := typical()
	b.ReportAllocs()
	for b.Loop() {
		ev.ID = ""
		rec := tr.Begin(ev)
		if err := rec.Put(discard{}); err != nil {
			b.Fatal(err)
		}
		rec.End()
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, n := range []int{1, 8} {
		b.Run(fmt.Sprintf("goroutines=%d", n), func(b *testing.B) {
			tr := open(b, null{}, func(c *Config) { c.FlushEvery = time.Second; c.MaxPendingEvents = 1 << 30; c.MaxPendingBytes = 1 << 40 })
			b.ReportAllocs()
			b.SetParallelism(n)
			b.RunParallel(func(pb *testing.PB) {
				ev := typical()
				for pb.Next() {
					ev.ID = ""
					if err := tr.Append(b.Context(), ev); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

// BenchmarkLink shows what a second's events cost the linker.
func BenchmarkLink(b *testing.B) {
	store := mem.New()
	value := typical().AppendJSON(nil)
	err := store.Update(b.Context(), func(txn meta.Txn) error {
		for i := range uint64(maxLinkEvents) {
			if err := txn.Put(eventKey(node, i+1), value); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(len(value)), "B/event")
	for b.Loop() {
		err := store.View(b.Context(), func(r meta.Reader) error {
			_, err := linkSome(discard{r}, node, maxLinkEvents+1, nil)
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/maxLinkEvents, "ns/event")
}

// typical is the event of a small GetObject.
func typical() *Event {
	return &Event{
		User: UserIdentity{Type: "Root", PrincipalID: "123456789012", ARN: "arn:aws:iam::123456789012:root", AccountID: "123456789012", AccessKeyID: "AKIAEXAMPLEEXAMPLE"},
		Time: time.Unix(1_800_000_000, 0), Source: "s3.amazonaws.com", Name: "GetObject", Region: "us-east-1", SourceIP: "192.0.2.7",
		UserAgent:  "[aws-sdk-go-v2/1.47.7 ua/2.1 os/linux lang/go#1.26.8 md/GOOS#linux md/GOARCH#amd64 api/s3#1.114.8]",
		Request:    Params{{"bucketName", "bucket"}, {"Host", "127.0.0.1:7070"}, {"key", "alice/2026/a.pdf"}},
		Additional: Params{{"SignatureVersion", "SigV4"}, {"AuthenticationMethod", "AuthHeader"}, {"bytesTransferredIn", 0}, {"bytesTransferredOut", 4096}, {"SSEApplied", "Default_SSE_S3"}, {"x-amz-id-2", "q6xhNJYmhgExample"}},
		RequestID:  "07D681123BD12AED", ReadOnly: true, Data: true, RecipientAccountID: "123456789012",
		Resources: []Resource{{"AWS::S3::Object", "arn:aws:s3:::bucket/alice/2026/a.pdf", ""}, {"AWS::S3::Bucket", "arn:aws:s3:::bucket", "123456789012"}},
		TLS:       TLSDetails{HostHeader: "127.0.0.1:7070"},
	}
}

// null is a store that keeps nothing.
type null struct{}

func (null) View(_ context.Context, fn func(meta.Reader) error) error { return fn(none{}) }
func (null) Update(_ context.Context, fn func(meta.Txn) error) error  { return fn(discard{none{}}) }
func (null) Close() error                                             { return nil }

type none struct{}

func (none) Get([]byte) ([]byte, error)                                   { return nil, meta.ErrNotFound }
func (none) Scan(meta.Range, func(key, value []byte) (bool, error)) error { return nil }
