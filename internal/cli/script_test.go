package cli

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestScripts runs testdata/*.txt, each in a directory of its own. A line is
// empty, a comment after #, or one of
//
//	env NAME=VALUE     set a variable of the environment; those of the AWS SDK too
//	serve DIR          run a server on DIR until the script ends; $URL is its address
//	coffer ARG...      run the command; arguments hold no spaces
//	exit CODE          what it ended with, 0 if this line is left out
//	stdout REGEXP      its output matches; ! before it: does not
//	stderr REGEXP      the same of its standard error
//	save PATH          write the last output to a file
//	capture REGEXP     $1 is what the group matches in its standard error
//	specimen DIR       make a data directory with one object, tour/a.bin, in a blob
//	flip GLOB          change the byte in the middle of the one file that matches
//	remove PATH        remove it and what is in it
//	rename OLD NEW     rename it
//	grep PATH TEXT     TEXT is in a file there; ! before it: is in none
//	exists PATH        it is there; ! before it: is not
//
// and -- NAME -- begins the content of a file, up to the next such line, which is
// there from the start. $WORK is the directory. No script sees the credentials of
// whoever runs the tests.
func TestScripts(t *testing.T) {
	names, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(names) == 0 {
		t.Fatalf("scripts = %q, %v; want some", names, err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range os.Environ() {
				if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "AWS_") {
					t.Setenv(name, "")
				}
			}
			t.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
			t.Setenv("AWS_CONFIG_FILE", os.DevNull)
			s := &script{t: t, name: name, work: t.TempDir(), env: map[string]string{}}
			s.run(s.unpack(string(b)))
		})
	}
}

type script struct {
	t              *testing.T
	name           string
	line           int
	work           string
	url            string // of the server that runs
	captured       string
	env            map[string]string
	stdout, stderr bytes.Buffer
	code           int // of the last command, -1 once it was compared
}

var fileHeader = regexp.MustCompile(`(?m)^-- (\S+) --\n`)

// unpack writes the files of a script and returns its commands.
func (s *script) unpack(text string) string {
	found := fileHeader.FindAllStringSubmatchIndex(text, -1)
	for i, at := range found {
		end := len(text)
		if i+1 < len(found) {
			end = found[i+1][0]
		}
		name := filepath.Join(s.work, text[at[2]:at[3]])
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			s.t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text[at[1]:end]), 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
	if len(found) > 0 {
		text = text[:found[0][0]]
	}
	return text
}

func (s *script) failf(format string, args ...any) {
	s.t.Helper()
	s.t.Fatalf("%s:%d: %s\nexit %d\nstdout: %s\nstderr: %s", s.name, s.line, fmt.Sprintf(format, args...), s.code, &s.stdout, &s.stderr)
}

func (s *script) run(text string) {
	s.code = -1
	for line := range strings.Lines(text) {
		s.line++
		line = strings.TrimSpace(strings.NewReplacer("$WORK", s.work, "$URL", s.url, "$1", s.captured).Replace(line))
		if line == "" || line[0] == '#' {
			continue
		}
		line, not := strings.CutPrefix(line, "! ")
		verb, rest, _ := strings.Cut(line, " ")
		switch verb {
		case "exit", "stdout", "stderr", "capture":
		default:
			if s.code > 0 {
				s.failf("the command before this line ended with %d; want 0", s.code)
			}
		}
		s.do(verb, strings.TrimSpace(rest), !not)
	}
	if s.code > 0 {
		s.failf("the last command ended with %d; want 0", s.code)
	}
}

func (s *script) do(verb, rest string, want bool) {
	switch verb {
	case "env":
		name, value, _ := strings.Cut(rest, "=")
		s.env[name] = value
		if strings.HasPrefix(name, "AWS_") {
			s.t.Setenv(name, value)
		}
	case "serve":
		cfg := checkConfig(rest)
		cfg.Listen = "127.0.0.1:0"
		url, stop := serveAt(s.t, cfg)
		s.t.Cleanup(stop)
		s.url = url
	case "save":
		if err := os.WriteFile(rest, s.stdout.Bytes(), 0o600); err != nil {
			s.failf("%v", err)
		}
	case "coffer":
		s.stdout.Reset()
		s.stderr.Reset()
		s.code = Main(strings.Fields(rest), strings.NewReader(""), &s.stdout, &s.stderr, func(name string) string { return s.env[name] })
	case "exit":
		if code, err := strconv.Atoi(rest); err != nil || s.code != code {
			s.failf("ended with %d; want %s", s.code, rest)
		}
		s.code = -1
	case "stdout", "stderr":
		out := map[string]*bytes.Buffer{"stdout": &s.stdout, "stderr": &s.stderr}[verb]
		re, err := regexp.Compile("(?m)" + rest)
		if err != nil {
			s.failf("%v", err)
		}
		if re.Match(out.Bytes()) != want {
			s.failf("%s matches %q: want %t", verb, rest, want)
		}
	case "capture":
		m := regexp.MustCompile("(?m)" + rest).FindSubmatch(s.stderr.Bytes())
		if m == nil {
			s.failf("stderr does not match %s", rest)
		}
		s.captured = string(m[1])
	case "specimen":
		specimen(s.t, rest)
	case "flip":
		flip(s.t, rest)
	case "remove":
		if err := os.RemoveAll(rest); err != nil {
			s.failf("%v", err)
		}
	case "rename":
		from, to, _ := strings.Cut(rest, " ")
		if err := os.Rename(from, to); err != nil {
			s.failf("%v", err)
		}
	case "grep":
		s.grep(rest, want)
	case "exists":
		if _, err := os.Stat(rest); (err == nil) != want {
			s.failf("%s exists: %v, want %t", rest, err, want)
		}
	default:
		s.failf("no command is called %q", verb)
	}
}

// grep looks for a text in every file below a path.
func (s *script) grep(rest string, want bool) {
	dir, text, _ := strings.Cut(rest, " ")
	found := ""
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		if bytes.Contains(b, []byte(text)) {
			found = name
		}
		return err
	})
	if err != nil || (found != "") != want {
		s.failf("%q is in %q, %v; want %t", text, found, err, want)
	}
}
