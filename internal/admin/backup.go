package admin

import (
	"context"
	"io"
	"time"

	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/awserr"
	"coffer/internal/backup"
)

// maxBackupFiles is how many files GetBackupFiles gives at a time: those of a page.
const maxBackupFiles = 512

// CreateBackup begins a backup of the state of the store at its return. What is
// deleted from then on keeps its space until the backup ends: by [Service.EndBackup],
// or five minutes after the last call for it.
//
// It returns a *awserr.Error with code LimitExceededException, AccessDeniedException
// or ServiceUnavailableException.
func (s *Service) CreateBackup(ctx context.Context, c *authn.Caller) (*backup.Begun, error) {
	return run(ctx, s, c, "CreateBackup", false, func(call *authz.Call) (*backup.Begun, error) {
		return s.cfg.Backups.Begin(ctx, call.Record)
	})
}

// BackupInput is what the other operations of a backup have in common.
type BackupInput struct {
	ID string `json:"id"` // of CreateBackup
}

// GetBackupPageInput is the request of GetBackupPage.
type GetBackupPageInput struct {
	ID   string `json:"id"`
	Page int    `json:"page"` // from 1
}

// GetBackupPage names some of the files that the backup holds. Pages are asked for in
// order; the last one that was asked for can be asked for again.
//
// It returns a *awserr.Error with code ResourceNotFoundException, ValidationException,
// DataIntegrityException, AccessDeniedException or ServiceUnavailableException.
func (s *Service) GetBackupPage(ctx context.Context, c *authn.Caller, in *GetBackupPageInput) (*backup.Page, error) {
	return run(ctx, s, c, "GetBackupPage", true, func(call *authz.Call) (*backup.Page, error) {
		call.Param("page", in.Page)
		return s.cfg.Backups.Page(ctx, in.ID, in.Page)
	})
}

// GetBackupFilesInput is the request of GetBackupFiles.
type GetBackupFilesInput struct {
	ID    string   `json:"id"`
	Page  int      `json:"page"`  // the last one that was asked for
	Names []string `json:"names"` // of files of the page
}

// A BackupStream writes files of a backup, see [backup.Backups.Files].
type BackupStream struct {
	s    *Service
	in   *GetBackupFilesInput
	call *authz.Call
}

// decideEvery is how long a stream goes on without asking whether it still may.
const decideEvery = time.Second

// deciding writes to w as long as the call is allowed.
type deciding struct {
	io.Writer
	ctx   context.Context
	call  *authz.Call
	asked time.Time
}

func (d *deciding) Write(p []byte) (int, error) {
	if time.Since(d.asked) >= decideEvery {
		if err := d.call.Again(d.ctx); err != nil {
			return 0, err
		}
		d.asked = time.Now()
	}
	return d.Writer.Write(p)
}

// Write writes the stream, which is cut when the caller's right to it ends. An error
// before its first byte is a *awserr.Error with code ResourceNotFoundException or
// ValidationException.
func (b *BackupStream) Write(ctx context.Context, w io.Writer) error {
	w = &deciding{w, ctx, b.call, time.Now()}
	if err := b.s.cfg.Backups.Files(ctx, b.in.ID, b.in.Page, b.in.Names, w); err != nil {
		return b.s.answer(err)
	}
	return nil
}

// GetBackupFiles returns a stream of files of a backup, which are sealed. The call is
// recorded before the first byte.
//
// It returns a *awserr.Error with code ResourceNotFoundException, ValidationException,
// AccessDeniedException or ServiceUnavailableException.
func (s *Service) GetBackupFiles(ctx context.Context, c *authn.Caller, in *GetBackupFilesInput) (*BackupStream, error) {
	return run(ctx, s, c, "GetBackupFiles", true, func(call *authz.Call) (*BackupStream, error) {
		call.Param("page", in.Page)
		call.Param("files", len(in.Names))
		if len(in.Names) > maxBackupFiles {
			return nil, awserr.New(400, "ValidationException", "names holds more than %d files.", maxBackupFiles)
		}
		return &BackupStream{s, in, call}, s.cfg.Backups.CheckFiles(in.ID, in.Page, in.Names)
	})
}

// An EndedBackup is the answer of EndBackup.
type EndedBackup struct{}

// EndBackup ends a backup, whole or not.
//
// It returns a *awserr.Error with code ResourceNotFoundException,
// AccessDeniedException or ServiceUnavailableException.
func (s *Service) EndBackup(ctx context.Context, c *authn.Caller, in *BackupInput) (*EndedBackup, error) {
	return run(ctx, s, c, "EndBackup", false, func(call *authz.Call) (*EndedBackup, error) {
		return new(EndedBackup), s.cfg.Backups.End(ctx, in.ID, call.Record)
	})
}
