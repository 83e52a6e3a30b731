package opsapi

import (
	"context"
	"net/http"

	"coffer/internal/authn"
	"coffer/internal/s3"
	"coffer/internal/shred"
)

// shredOperations are the rows of package shred, and of what moves content between keys.
func shredOperations() []Operation {
	const exampleVersions = `{"key":"alias/customers"}`
	const example = `{"key":"alias/customers","name":"subject","value":"alice"}`
	return []Operation{
		{"PreviewShred", http.MethodPost, "shreds/preview", withBody(example, func(h *Handler, ctx context.Context, c *authn.Caller, in *shred.Input) (*shred.Preview, error) {
			return h.cfg.Shred.PreviewShred(ctx, c, in)
		})},
		{"GetShred", http.MethodPost, "shreds/get", withBody(example, func(h *Handler, ctx context.Context, c *authn.Caller, in *shred.Input) (*shred.State, error) {
			return h.cfg.Shred.GetShred(ctx, c, in)
		})},
		{"ShredSubject", http.MethodPost, "shreds/schedule", withBody(`{"key":"alias/customers","name":"subject","value":"alice","days":7}`, func(h *Handler, ctx context.Context, c *authn.Caller, in *shred.Input) (*shred.State, error) {
			return h.cfg.Shred.ShredSubject(ctx, c, in)
		})},
		{"CancelShred", http.MethodPost, "shreds/cancel", withBody(example, func(h *Handler, ctx context.Context, c *authn.Caller, in *shred.Input) (*shred.State, error) {
			return h.cfg.Shred.CancelShred(ctx, c, in)
		})},
		{"DisableSubject", http.MethodPost, "shreds/disable", withBody(example, func(h *Handler, ctx context.Context, c *authn.Caller, in *shred.Input) (*shred.State, error) {
			return h.cfg.Shred.DisableSubject(ctx, c, in)
		})},
		{"EnableSubject", http.MethodPost, "shreds/enable", withBody(example, func(h *Handler, ctx context.Context, c *authn.Caller, in *shred.Input) (*shred.State, error) {
			return h.cfg.Shred.EnableSubject(ctx, c, in)
		})},
		{"ShredNow", http.MethodPost, "shreds/now", withBody(example, func(h *Handler, ctx context.Context, c *authn.Caller, in *shred.Input) (*shred.State, error) {
			return h.cfg.Shred.ShredNow(ctx, c, in)
		})},
		{"ListKeyContent", http.MethodPost, "keyversions/content", withBody(exampleVersions, func(h *Handler, ctx context.Context, c *authn.Caller, in *shred.ContentInput) (*shred.KeyContent, error) {
			return h.cfg.Shred.ListKeyContent(ctx, c, in)
		})},
		{"PreviewKeyVersions", http.MethodPost, "keyversions/preview", withBody(exampleVersions, func(h *Handler, ctx context.Context, c *authn.Caller, in *shred.VersionsInput) (*shred.Versions, error) {
			return h.cfg.Shred.PreviewKeyVersions(ctx, c, in)
		})},
		{"DestroyKeyVersions", http.MethodPost, "keyversions/destroy", withBody(exampleVersions, func(h *Handler, ctx context.Context, c *authn.Caller, in *shred.VersionsInput) (*shred.Versions, error) {
			return h.cfg.Shred.DestroyKeyVersions(ctx, c, in)
		})},
		{"RewrapObject", http.MethodPost, "objects/rewrap", withBody(`{"bucket":"ledger","key":"entry.txt","kmsKeyArn":"arn:aws:kms:us-east-1:123456789012:key/0c2e5a55-1234-4321-aaaa-0123456789ab"}`, func(h *Handler, ctx context.Context, c *authn.Caller, in *s3.RewrapObjectInput) (*s3.RewrapObjectOutput, error) {
			return h.cfg.Objects.RewrapObject(ctx, c, in)
		})},
	}
}
