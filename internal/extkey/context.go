package extkey

import (
	"context"

	"coffer/internal/xks"
)

type metadataKey struct{}

// WithMetadata returns a context that says what happened here to cause the requests
// made under it. The key's ARN is filled in with each.
func WithMetadata(ctx context.Context, m xks.RequestMetadata) context.Context {
	return context.WithValue(ctx, metadataKey{}, m)
}

// Metadata returns what WithMetadata said. Without it there is no request: nobody would
// answer for it.
func Metadata(ctx context.Context) (m xks.RequestMetadata, ok bool) {
	m, ok = ctx.Value(metadataKey{}).(xks.RequestMetadata)
	return m, ok
}
