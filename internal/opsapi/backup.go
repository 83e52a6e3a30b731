package opsapi

import (
	"context"
	"net/http"

	"coffer/internal/admin"
	"coffer/internal/authn"
	"coffer/internal/awserr"
	"coffer/internal/backup"
)

// backupOperations are the rows of the routing table that carry a backup to who keeps
// it. Files come as a stream of package backupset.
func backupOperations() []Operation {
	return []Operation{
		{"CreateBackup", http.MethodPost, "backups", plain(func(h *Handler, r *http.Request, c *authn.Caller, _ string) (*backup.Begun, error) {
			return h.cfg.Admin.CreateBackup(r.Context(), c)
		})},
		{"GetBackupPage", http.MethodPost, "backups/page", withBody(`{"id":"ID","page":1}`, func(h *Handler, ctx context.Context, c *authn.Caller, in *admin.GetBackupPageInput) (*backup.Page, error) {
			return h.cfg.Admin.GetBackupPage(ctx, c, in)
		})},
		{"GetBackupFiles", http.MethodPost, "backups/files", (*Handler).backupFiles},
		{"EndBackup", http.MethodPost, "backups/end", withBody(`{"id":"ID"}`, func(h *Handler, ctx context.Context, c *authn.Caller, in *admin.BackupInput) (*admin.EndedBackup, error) {
			return h.cfg.Admin.EndBackup(ctx, c, in)
		})},
	}
}

// backupFiles serves GetBackupFiles. An error after the first byte is told in the
// stream.
func (h *Handler) backupFiles(w http.ResponseWriter, r *http.Request, name, _ string) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	c, body, err := h.cfg.Authenticate(r)
	if err != nil {
		fail(w, awserr.As(h.refuse(r, c, name, err)))
		return
	}
	in := new(admin.GetBackupFilesInput)
	err = h.decode(r.Context(), c, name, body, in, `{"id":"ID","page":1,"names":["NAME"]}`)
	var stream *admin.BackupStream
	if err == nil {
		stream, err = h.cfg.Admin.GetBackupFiles(r.Context(), c, in)
	}
	if err != nil {
		fail(w, awserr.As(err))
		return
	}
	out := &streamWriter{ResponseWriter: w}
	// A stream that was cut lacks its end, and says so if it can.
	if err := stream.Write(r.Context(), out); err != nil && !out.began {
		fail(w, awserr.As(err))
	}
}

// A streamWriter notes whether anything was written.
type streamWriter struct {
	http.ResponseWriter
	began bool
}

func (w *streamWriter) Write(p []byte) (int, error) {
	if !w.began {
		w.began = true
		w.Header().Set("Content-Type", "application/octet-stream")
	}
	return w.ResponseWriter.Write(p)
}
