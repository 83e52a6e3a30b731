package cli

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"coffer/internal/config"
	"coffer/internal/server"
	"coffer/internal/sigv4"
)

// specimen makes a data directory with one object, tour/a.bin, in a blob.
func specimen(t *testing.T, dir string) {
	t.Helper()
	cfg := checkConfig(dir)
	cfg.Listen = "127.0.0.1:0"
	cfg.RootAccessKeyID, cfg.RootSecretAccessKey = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	url, stop := serveAt(t, cfg)
	signer := sigv4.NewSigner(cfg.RootAccessKeyID, cfg.RootSecretAccessKey, cfg.Region, "s3")
	put(t, signer, url+"/tour", "")
	put(t, signer, url+"/tour/a.bin", strings.Repeat("0123456789abcdef", 16<<10))
	stop()
}

// serveAt runs a server until stop is called.
func serveAt(t *testing.T, cfg *config.Server) (url string, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := server.Run(ctx, cfg, w, slog.New(slog.DiscardHandler))
		w.Close()
		done <- err
	}()
	line := make([]byte, 256)
	n, err := r.Read(line)
	_, url, ok := strings.Cut(strings.TrimSpace(string(line[:n])), "ready on ")
	if err != nil || !ok {
		cancel()
		t.Fatalf("ready line = %q, %v; server: %v", line[:n], err, <-done)
	}
	return url, func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func put(t *testing.T, signer *sigv4.Signer, url, body string) {
	t.Helper()
	r, err := http.NewRequest("PUT", url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Close = true
	sum := sha256.Sum256([]byte(body))
	signer.Sign(&sigv4.Request{Method: r.Method, Path: r.URL.EscapedPath(), Host: r.URL.Host, Header: r.Header}, hex.EncodeToString(sum[:]), time.Now())
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	if b, err := io.ReadAll(a.Body); err != nil || a.StatusCode != 200 {
		t.Fatalf("PUT %s = %d %s, %v; want 200", url, a.StatusCode, b, err)
	}
}

// flip changes the byte in the middle of the one file that matches a pattern.
func flip(t *testing.T, pattern string) {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) != 1 {
		t.Fatalf("%s matches %q, %v; want one file", pattern, names, err)
	}
	b, err := os.ReadFile(names[0])
	if err != nil || len(b) == 0 {
		t.Fatalf("%s: %d bytes, %v; want some", names[0], len(b), err)
	}
	b[len(b)/2] ^= 0xff
	if err := os.WriteFile(names[0], b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// call runs a command.
func call(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = Main(args, strings.NewReader(""), &out, &errs, func(string) string { return "" })
	return code, out.String(), errs.String()
}

// shape returns the types of a JSON value: a map of the types of its fields, and a
// list of the type of all its elements.
func shape(v any) any {
	switch v := v.(type) {
	case map[string]any:
		fields := map[string]any{}
		for name, value := range v {
			fields[name] = shape(value)
		}
		return fields
	case []any:
		var elements []any
		for _, e := range v {
			if s := shape(e); len(elements) == 0 || !reflect.DeepEqual(elements[0], s) {
				elements = append(elements, s)
			}
		}
		return elements
	}
	return fmt.Sprintf("%T", v)
}

func decode(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return shape(v)
}

// example returns the JSON object in docs/cli.md that follows a line.
func example(t *testing.T, after string) any {
	t.Helper()
	b, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, ok := strings.Cut(string(b), "\n"+after+"\n\n")
	if !ok {
		t.Fatalf("docs/cli.md lacks the line %q", after)
	}
	var block strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "    ") {
			break
		}
		block.WriteString(line)
	}
	return decode(t, block.String())
}

// The output of coffer fsck --json is what its page says.
func TestFsckJSON(t *testing.T) {
	documented := example(t, "`--json` prints one object:").(map[string]any)
	dir := filepath.Join(t.TempDir(), "data")
	specimen(t, dir)

	code, out, errs := call("fsck", "--data", dir, "--json")
	fresh := decode(t, out).(map[string]any)
	if code != 0 || errs != "" {
		t.Errorf("fsck of a whole directory: exit %d, %s; want 0", code, errs)
	}
	if fresh["findings"] == nil || !strings.Contains(out, `"findings": []`) {
		t.Errorf("findings of a whole directory = %s; want an empty list", out)
	}
	fresh["findings"] = documented["findings"]
	if !reflect.DeepEqual(fresh, documented) {
		t.Errorf("output is\n%v\nand the example\n%v", fresh, documented)
	}

	flip(t, filepath.Join(dir, "blobs", "??", "*"))
	code, out, errs = call("fsck", "--data", dir, "--json")
	if got := decode(t, out); code != 1 || !reflect.DeepEqual(got, documented) {
		t.Errorf("fsck of a damaged object: exit %d, %s, output\n%s\nof the shape\n%v\nand the example\n%v", code, errs, out, got, documented)
	}
}

// The output of coffer account --json is what its page says.
func TestAccountJSON(t *testing.T) {
	documented := example(t, "`coffer account create --json` prints one object:").(map[string]any)
	// An account without an organization has none to show.
	delete(documented["account"].(map[string]any), "organization")
	cfg := checkConfig(filepath.Join(t.TempDir(), "data"))
	cfg.Listen = "127.0.0.1:0"
	url, stop := serveAt(t, cfg)
	defer stop()
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(cfg.Data, "credentials"))
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	code, out, errs := call("account", "create", "staging", "--json", "--endpoint-url", url)
	if got := decode(t, out); code != 0 || errs != "" || !reflect.DeepEqual(got, any(documented)) {
		t.Errorf("account create: exit %d, %s, output\n%v\nand the example\n%v", code, errs, got, documented)
	}
	code, out, errs = call("account", "list", "--json", "--endpoint-url", url)
	list, _ := decode(t, out).(map[string]any)["accounts"].([]any)
	if code != 0 || errs != "" || len(list) != 1 || !reflect.DeepEqual(list[0], documented["account"]) { // shapes: both are alike
		t.Errorf("account list: exit %d, %s, output\n%s", code, errs, out)
	}
}

func TestHelpHasExamples(t *testing.T) {
	for _, c := range commands {
		code, out, errs := call(c.name, "--help")
		if code != 0 || errs != "" {
			t.Errorf("%s --help: exit %d, %q; want 0 and nothing on stderr", c.name, code, errs)
		}
		_, examples, ok := strings.Cut(out, "Examples:\n")
		if !ok || !strings.Contains(examples, "coffer "+c.name) {
			t.Errorf("%s --help has no example of it:\n%s", c.name, out)
		}
	}
}

// Every command is in the usage and has a section in docs/cli.md.
func TestCommandsAreDocumented(t *testing.T) {
	_, usage, _ := call("--help")
	page, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range commands {
		if !strings.Contains(usage, "\n  "+c.name+" ") {
			t.Errorf("the usage lacks %s", c.name)
		}
		if !strings.Contains(string(page), "\n## coffer "+c.name+"\n") {
			t.Errorf("docs/cli.md lacks %s", c.name)
		}
	}
}

// Main leaves its arguments to the caller.
func TestMainKeepsArguments(t *testing.T) {
	args := []string{"--version"}
	if code, _, _ := call(args...); code != 0 || args[0] != "--version" {
		t.Errorf("arguments after Main = %q, exit %d; want what they were", args, code)
	}
}

func TestProgressIsForTerminals(t *testing.T) {
	var b bytes.Buffer
	p := newProgress(&b)
	p.show("rows", 1, 2)
	p.clear()
	if b.Len() != 0 {
		t.Errorf("progress elsewhere than on a terminal = %q; want nothing", &b)
	}
	p.isTTY = true
	p.show("rows", 20, 40)
	if got, want := b.String(), "\r\x1b[Krows ["+strings.Repeat("#", 20)+strings.Repeat(" ", 20)+"] 20/40"; got != want {
		t.Errorf("progress = %q; want %q", got, want)
	}
	b.Reset()
	p.show("rows", 21, 40) // too soon
	p.clear()
	p.clear()
	p.show("blobs", 7, 0) // of an unknown number
	p.shown = time.Time{}
	p.show("rows", 50, 40) // more than were there at first
	if got, want := b.String(), "\r\x1b[K\r\x1b[Kblobs 7\r\x1b[Krows ["+strings.Repeat("#", 40)+"] 50/40"; got != want {
		t.Errorf("progress = %q; want %q", got, want)
	}
}

func TestLine(t *testing.T) {
	tests := []struct {
		f    server.CheckFinding
		want string
	}{
		{server.CheckFinding{Severity: "error", Kind: "trail-broken", Detail: "x"}, "error trail-broken: x"},
		{server.CheckFinding{Severity: "warning", Kind: "head-wrong", Bucket: "tour", Key: "a\x1b[2J\nb", Version: "null", Detail: "x", Repaired: true},
			`warning head-wrong "tour" "a\x1b[2J\nb" version null: x (repaired)`},
	}
	for _, tt := range tests {
		if got := line(tt.f); got != tt.want {
			t.Errorf("line = %s; want %s", got, tt.want)
		}
	}
}
