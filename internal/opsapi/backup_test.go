package opsapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"coffer/internal/admin"
	"coffer/internal/backup"
	"coffer/internal/backupset"
	blobmem "coffer/internal/blob/mem"
	"coffer/internal/meta"
)

// withBackups gives the fixture backups of its own store.
func withBackups(t *testing.T) *fixture {
	f := newFixture(t, nil)
	f.cfg.Backups = backup.New(backup.Config{
		Meta: f.store, Blobs: new(blobmem.Store), Codec: backupset.NewCodec(backupset.Key{1}),
		Named:    func(meta.Reader, func(string, int64) error) error { return nil },
		Hold:     func() func() { return func() {} },
		Describe: func() backupset.Manifest { return backupset.Manifest{Epoch: 1} },
	})
	t.Cleanup(f.cfg.Backups.Close)
	f.ops.Admin = admin.New(*f.cfg)
	f.Handler = New(f.ops)
	return f
}

func TestBackup(t *testing.T) {
	f := withBackups(t)
	w := f.send(ownKey, "POST", "/_coffer/backups", "")
	var begun backup.Begun
	if err := json.Unmarshal(w.Body.Bytes(), &begun); err != nil || w.Code != 200 || begun.ID == "" {
		t.Fatalf("CreateBackup = %d %s", w.Code, w.Body)
	}
	files := 0
	for number := 1; ; number++ {
		w := f.send(ownKey, "POST", "/_coffer/backups/page", fmt.Sprintf(`{"id":%q,"page":%d}`, begun.ID, number))
		var p backup.Page
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != 200 {
			t.Fatalf("GetBackupPage = %d %s", w.Code, w.Body)
		}
		var names []string
		for _, file := range p.Files {
			names = append(names, file.Name)
		}
		in, _ := json.Marshal(admin.GetBackupFilesInput{ID: begun.ID, Page: number, Names: names})
		w = f.send(ownKey, "POST", "/_coffer/backups/files", string(in))
		if w.Code != 200 || w.Header().Get("Content-Type") != "application/octet-stream" {
			t.Fatalf("GetBackupFiles = %d %s", w.Code, w.Body)
		}
		s := backupset.NewStreamReader(bytes.NewReader(w.Body.Bytes()))
		for range p.Files {
			file, err := s.Next()
			if err != nil {
				t.Fatal(err)
			}
			if n, err := new(bytes.Buffer).ReadFrom(s); err != nil || n != file.Size {
				t.Errorf("a file of %d bytes, %v; want %d", n, err, file.Size)
			}
			files++
		}
		if p.IsLast {
			break
		}
	}
	if files < 3 {
		t.Errorf("%d files; want rows, an index and a manifest", files)
	}
	if w := f.send(ownKey, "POST", "/_coffer/backups/end", fmt.Sprintf(`{"id":%q}`, begun.ID)); w.Code != 200 {
		t.Errorf("EndBackup = %d %s", w.Code, w.Body)
	}
}

func TestBackupRefuses(t *testing.T) {
	f := withBackups(t)
	w := f.send(ownKey, "POST", "/_coffer/backups", "")
	var begun backup.Begun
	if err := json.Unmarshal(w.Body.Bytes(), &begun); err != nil {
		t.Fatal(err)
	}
	many := strings.Repeat(`"a",`, 513) + `"a"`
	for _, tt := range []struct {
		name, key, path, body, code string
		status                      int
	}{
		{"another account", keyOf2, "", "", "AccessDeniedException", 403},
		{"another account's page", keyOf2, "/page", fmt.Sprintf(`{"id":%q,"page":1}`, begun.ID), "AccessDeniedException", 403},
		{"another account's files", keyOf2, "/files", fmt.Sprintf(`{"id":%q,"page":1,"names":[]}`, begun.ID), "AccessDeniedException", 403},
		{"another account's end", keyOf2, "/end", fmt.Sprintf(`{"id":%q}`, begun.ID), "AccessDeniedException", 403},
		{"nobody", "", "/files", `{}`, "MissingAuthenticationTokenException", 400},
		{"page of none", ownKey, "/page", `{"id":"x","page":1}`, "ResourceNotFoundException", 404},
		{"page out of order", ownKey, "/page", fmt.Sprintf(`{"id":%q,"page":2}`, begun.ID), "ValidationException", 400},
		{"files of no page", ownKey, "/files", fmt.Sprintf(`{"id":%q,"page":1,"names":[]}`, begun.ID), "ValidationException", 400},
		{"files of none", ownKey, "/files", `{"id":"x","page":1,"names":[]}`, "ResourceNotFoundException", 404},
		{"too many files", ownKey, "/files", fmt.Sprintf(`{"id":%q,"page":1,"names":[%s]}`, begun.ID, many), "ValidationException", 400},
		{"unknown member", ownKey, "/files", `{"id":"x","pages":1}`, "ValidationException", 400},
		{"no JSON", ownKey, "/page", `{`, "ValidationException", 400},
		{"end of none", ownKey, "/end", `{"id":"x"}`, "ResourceNotFoundException", 404},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := f.send(tt.key, "POST", "/_coffer/backups"+tt.path, tt.body)
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.code) {
				t.Errorf("= %d %s; want %d %s", w.Code, w.Body, tt.status, tt.code)
			}
		})
	}
}
