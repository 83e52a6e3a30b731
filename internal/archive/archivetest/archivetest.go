// Package archivetest holds every implementation of archive.Store to the same
// behaviour.
package archivetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"coffer/internal/archive"
)

// Run runs the suite on stores that open returns, each empty.
func Run(t *testing.T, open func(t *testing.T) archive.Store) {
	for name, test := range map[string]func(*testing.T, archive.Store){
		"put and open": testPut, "cut put": testCut, "list": testList, "delete": testDelete,
		"names": testNames, "large": testLarge, "concurrent": testConcurrent,
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			test(t, s)
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func put(t *testing.T, s archive.Store, name, text string) {
	t.Helper()
	if err := s.Put(t.Context(), name, strings.NewReader(text), int64(len(text))); err != nil {
		t.Fatal(err)
	}
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func check(t *testing.T, s archive.Store, name, want string) {
	t.Helper()
	got, err := archive.ReadFile(t.Context(), s, name, 1<<30)
	if err != nil || string(got) != want {
		t.Errorf("%s = %.20q, %v; want %.20q", name, got, err, want)
	}
}

func testPut(t *testing.T, s archive.Store) {
	if _, err := s.Open(t.Context(), "a/b"); !errors.Is(err, archive.ErrNotFound) {
		t.Errorf("Open of nothing = %v; want ErrNotFound", err)
	}
	for _, text := range []string{"first", "", "another, which is longer"} {
		put(t, s, "a/b", text)
		check(t, s, "a/b", text)
	}
	f, err := s.Open(t.Context(), "a/b")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p := make([]byte, 5)
	if n, err := f.ReadAt(p, 9); n != 5 || err != nil && err != io.EOF || string(p) != "which" {
		t.Errorf("ReadAt = %q, %v; want which", p[:n], err)
	}
	if n, err := f.ReadAt(p, f.Size()-2); n != 2 || err != io.EOF {
		t.Errorf("ReadAt at the end = %d, %v; want 2, EOF", n, err)
	}
}

type failing struct{ r io.Reader }

func (f failing) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if err == io.EOF {
		err = errors.New("source failed")
	}
	return n, err
}

func testCut(t *testing.T, s archive.Store) {
	put(t, s, "a", "whole")
	tests := map[string]struct {
		r    io.Reader
		size int64
	}{
		"short":        {strings.NewReader("half"), 8},
		"long":         {strings.NewReader("more than that"), 8},
		"failing":      {failing{strings.NewReader("half")}, 8},
		"large, short": {bytes.NewReader(make([]byte, 40<<20)), 41 << 20},
	}
	for name, tt := range tests {
		for _, to := range []string{"a", "b"} {
			if err := s.Put(t.Context(), to, tt.r, tt.size); err == nil {
				t.Errorf("%s: Put = nil", name)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Put(ctx, "a", strings.NewReader("other"), 5); err == nil {
		t.Error("Put after cancel = nil")
	}
	check(t, s, "a", "whole")
	if _, err := s.Open(t.Context(), "b"); !errors.Is(err, archive.ErrNotFound) {
		t.Errorf("a file that was cut opens: %v", err)
	}
	if got := list(t, s, ""); !slices.Equal(got, []string{"a"}) {
		t.Errorf("List = %q; want a alone", got)
	}
}

func list(t *testing.T, s archive.Store, prefix string) []string {
	t.Helper()
	var out []string
	err := s.List(t.Context(), prefix, func(name string) error {
		out = append(out, name)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	slices.Sort(out)
	return out
}

func testList(t *testing.T, s archive.Store) {
	var all []string
	for i := range 30 {
		name := fmt.Sprintf("rows/%02d/file-%d", i%3, i)
		all = append(all, name)
		put(t, s, name, "x")
	}
	put(t, s, "stamp.json", "x")
	slices.Sort(all)
	for _, prefix := range []string{"rows/", "rows/0", "rows"} {
		if got := list(t, s, prefix); !slices.Equal(got, all) {
			t.Errorf("List(%q) = %q", prefix, got)
		}
	}
	if got := list(t, s, "rows/01/"); len(got) != 10 {
		t.Errorf("List(rows/01/) = %q; want 10", got)
	}
	if got := list(t, s, "nothing/"); len(got) != 0 {
		t.Errorf("List(nothing/) = %q", got)
	}
	if got := list(t, s, ""); len(got) != 31 {
		t.Errorf("List of all = %q; want 31", got)
	}
	stop := errors.New("stop")
	n := 0
	err := s.List(t.Context(), "", func(string) error { n++; return stop })
	if !errors.Is(err, stop) || n != 1 {
		t.Errorf("List that is stopped = %v after %d; want the error after 1", err, n)
	}
}

func testDelete(t *testing.T, s archive.Store) {
	put(t, s, "a/b", "x")
	for range 2 {
		if err := s.Delete(t.Context(), "a/b"); err != nil {
			t.Error(err)
		}
	}
	if _, err := s.Open(t.Context(), "a/b"); !errors.Is(err, archive.ErrNotFound) {
		t.Errorf("Open after Delete = %v", err)
	}
}

func testNames(t *testing.T, s archive.Store) {
	for _, name := range []string{"", "/a", "a/", "a//b", "../a", "a/../b", ".a", "a/.b", "a b", "a\\b", "a\x00", "ä", strings.Repeat("a", 201)} {
		if s.Put(t.Context(), name, strings.NewReader(""), 0) == nil {
			t.Errorf("Put(%q) = nil", name)
		}
		if _, err := s.Open(t.Context(), name); err == nil || errors.Is(err, archive.ErrNotFound) {
			t.Errorf("Open(%q) = %v", name, err)
		}
		if s.Delete(t.Context(), name) == nil {
			t.Errorf("Delete(%q) = nil", name)
		}
	}
}

func testLarge(t *testing.T, s archive.Store) {
	b := make([]byte, 35<<20+3)
	for i := range b {
		b[i] = byte(i >> 9)
	}
	if err := s.Put(t.Context(), "large", onlyReader{bytes.NewReader(b)}, int64(len(b))); err != nil {
		t.Fatal(err)
	}
	got, err := archive.ReadFile(t.Context(), s, "large", 1<<30)
	if err != nil || !bytes.Equal(got, b) {
		t.Errorf("a large file reads as %d bytes, %v", len(got), err)
	}
}

type onlyReader struct{ io.Reader }

func testConcurrent(t *testing.T, s archive.Store) {
	var wg sync.WaitGroup
	texts := []string{strings.Repeat("a", 1000), strings.Repeat("b", 3000), ""}
	for _, text := range texts {
		wg.Go(func() {
			for i := range 10 {
				if err := s.Put(t.Context(), fmt.Sprintf("f/%d", i), strings.NewReader(text), int64(len(text))); err != nil {
					t.Error(err)
				}
				if err := s.Sync(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for i := range 10 {
		got, err := archive.ReadFile(t.Context(), s, fmt.Sprintf("f/%d", i), 1<<20)
		if err != nil || !slices.Contains(texts, string(got)) {
			t.Errorf("f/%d = %d bytes, %v; want one of the texts", i, len(got), err)
		}
	}
}
