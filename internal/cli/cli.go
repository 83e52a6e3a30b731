// Package cli is the command line of Coffer.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/pflag"
)

// Exit codes of every command.
const (
	exitOK       = 0
	exitNegative = 1 // damage found, a negative answer
	exitUsage    = 2 // unusable arguments
	exitFailed   = 3 // could not do it
)

// An environment is what a command may use of its surroundings.
type environment struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
}

// A command is one subcommand.
type command struct {
	name    string
	summary string
	run     func(ctx context.Context, env *environment, args []string) int
}

var commands = []command{
	{"serve", "run the server", serve},
	{"init", "make a data directory", initialize},
	{"fsck", "check and repair a data directory", fsck},
	{"backup", "back up a server, list and verify backups", backups},
	{"restore", "make a data directory of a backup", restore},
	{"root", "the root of trust", root},
	{"account", "accounts of the server", account},
	{"who-can", "who can really do X to Y", whoCan},
	{"rewrap", "move objects to another key or its latest version", rewrap},
	{"shred", "destroy a key, subject or object", shredKey},
	{"verify", "check receipts", verify},
	{"why", "explain one decision", why},
	{"simulate", "decide authorization cases from JSON lines", simulate},
	{"cost", "what keys and calls would have cost on AWS", cost},
	{"bench", "generate load and measure", benchmark},
	{"version", "print the version", version},
}

// Main runs the command that args name and returns its exit code.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer, getenv func(string) string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	env := &environment{stdin, stdout, stderr, getenv}
	if len(args) == 0 {
		usage(stderr)
		return exitUsage
	}
	name := args[0]
	switch name {
	case "-h", "--help", "help":
		usage(stdout)
		return exitOK
	case "--version":
		name = "version"
	}
	i := slices.IndexFunc(commands, func(c command) bool { return c.name == name })
	if i < 0 {
		fmt.Fprintf(stderr, "coffer: no command is called %q\n\n", name)
		usage(stderr)
		return exitUsage
	}
	return commands[i].run(ctx, env, args[1:])
}

func usage(w io.Writer) {
	fmt.Fprint(w, "Coffer stores objects and keys behind the APIs of Amazon S3 and AWS KMS.\n\nUsage: coffer COMMAND [flags]\n\n")
	for _, c := range commands {
		fmt.Fprintf(w, "  %-9s %s\n", c.name, c.summary)
	}
	fmt.Fprint(w, "\n'coffer COMMAND --help' shows flags and examples.\n")
}

// flags returns an empty flag set whose --help prints text and examples.
func (e *environment) flags(name, text, examples string) *pflag.FlagSet {
	fs := pflag.NewFlagSet(name, pflag.ContinueOnError)
	fs.SetOutput(e.stderr)
	fs.SortFlags = false
	fs.Usage = func() {
		fmt.Fprintf(e.stdout, "%s\n\nUsage: coffer %s\n\nExamples:\n%s\nFlags:\n%s", text, name, indent(examples), fs.FlagUsagesWrapped(100))
	}
	return fs
}

func indent(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return "  " + strings.Join(lines, "\n  ") + "\n"
}

// parse parses args. If it returns false, the command ends with the exit code.
func (e *environment) parse(fs *pflag.FlagSet, args []string, positional int) (exit int, ok bool) {
	err := fs.Parse(args)
	if errors.Is(err, pflag.ErrHelp) {
		return exitOK, false
	}
	if err == nil && fs.NArg() > positional {
		err = fmt.Errorf("unexpected argument %q", fs.Arg(positional))
	}
	if err != nil {
		return e.misuse(fs.Name(), err), false
	}
	return exitOK, true
}

func (e *environment) misuse(name string, err error) int {
	fmt.Fprintf(e.stderr, "coffer %s: %v\n", strings.Fields(name)[0], err)
	return exitUsage
}

func (e *environment) failed(name string, err error) int {
	fmt.Fprintf(e.stderr, "coffer %s: %v\n", name, err)
	return exitFailed
}
