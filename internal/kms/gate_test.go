package kms

import (
	"io"
	"log/slog"
	"testing"

	"coffer/internal/authz"
	"coffer/internal/meta"
)

func newGate(testing.TB, *bench, meta.Store) *authz.Gate { return new(authz.Gate) }

func newLog(w io.Writer) *slog.Logger { return slog.New(slog.NewJSONHandler(w, nil)) }
