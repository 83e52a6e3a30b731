package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"runtime/debug"

	"github.com/spf13/pflag"

	"coffer/internal/bench"
	"coffer/internal/config"
	"coffer/internal/durable"
	"coffer/internal/server"
)

// settings parses the settings of the server from flags, environment and file.
func (e *environment) settings(fs *pflag.FlagSet, args []string) (*config.Server, int, bool) {
	cfg := new(config.Server)
	cfg.Flags(fs)
	file := fs.String("config", "", "configuration `file`, YAML")
	if exit, ok := e.parse(fs, args, 0); !ok {
		return nil, exit, false
	}
	if *file == "" {
		*file = e.getenv("COFFER_CONFIG")
	}
	if err := cfg.Resolve(fs, *file, e.getenv); err != nil {
		return nil, e.misuse(fs.Name(), err), false
	}
	cfg.Root.Ask = e.ask()
	return cfg, exitOK, true
}

func serve(ctx context.Context, e *environment, args []string) int {
	fs := e.flags("serve [flags]", "Run the server on a data directory, which is made if it is missing.\n"+
		"Every flag has an environment variable (COFFER_DATA, ...) and a key in --config.", `
coffer serve
coffer serve --data /var/lib/coffer --listen 0.0.0.0:7070 --tls-self-signed
COFFER_ROOT_ACCESS_KEY_ID=AKIA... COFFER_ROOT_SECRET_ACCESS_KEY=... coffer serve`)
	cfg, exit, ok := e.settings(fs, args)
	if !ok {
		return exit
	}
	log, err := logger(e.stderr, cfg)
	if err != nil {
		return e.misuse("serve", err)
	}
	if err := harden(&cfg.Root, log); err != nil {
		return e.failed("serve", err)
	}
	if err := server.Run(ctx, cfg, e.stdout, log); err != nil {
		return e.failed("serve", explain(err, cfg))
	}
	return exitOK
}

// harden protects the memory of a command that opens a root of trust.
func harden(root *config.Root, log *slog.Logger) error {
	if err := server.Harden(); err != nil {
		log.Warn("core dumps could not be turned off", "error", err)
	}
	if root.LockMemory {
		return server.LockMemory()
	}
	return nil
}

func initialize(ctx context.Context, e *environment, args []string) int {
	fs := e.flags("init [flags]", "Make a data directory: its root of trust, its account and its root access key.", `
coffer init --data /var/lib/coffer --account 210987654321
coffer init --root file,passphrase --root-passphrase-file /run/secrets/passphrase
coffer init --root file,file:/mnt/other/coffer-root`)
	spec := fs.StringArray("root", nil, "parts of the root of trust, `PART[,PART]...`; each further --root is a mirror (default file)")
	cfg, exit, ok := e.settings(fs, args)
	if !ok {
		return exit
	}
	log, err := logger(e.stderr, cfg)
	if err != nil {
		return e.misuse("init", err)
	}
	shares := &shareWriter{e: e}
	if err := harden(&cfg.Root, log); err != nil {
		return e.failed("init", err)
	}
	cfg.Root.Spec, cfg.Root.Print = *spec, shares.print
	err = server.Init(ctx, cfg, log)
	if errors.Is(err, server.ErrRootSpec) {
		return e.misuse("init", err)
	}
	if err != nil {
		return e.failed("init", explain(err, cfg))
	}
	fmt.Fprintf(e.stdout, "%s%s is ready. Its root access key is in %s/credentials.\n", shares.mark, cfg.Data, cfg.Data)
	return exitOK
}

// explain adds what the user can do about an error.
func explain(err error, cfg *config.Server) error {
	switch {
	case errors.Is(err, durable.ErrLocked):
		return fmt.Errorf("%w (another coffer uses %s)", err, cfg.Data)
	case errors.Is(err, server.ErrNotData):
		return fmt.Errorf("%w; name an empty or a new directory with --data", err)
	}
	return err
}

// logger returns the log of a command.
func logger(w io.Writer, cfg *config.Server) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.LogLevel)); err != nil {
		return nil, fmt.Errorf("log-level: %q is none of debug, info, warn and error", cfg.LogLevel)
	}
	opts := &slog.HandlerOptions{Level: level}
	if cfg.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, opts)), nil
	}
	return slog.New(slog.NewTextHandler(w, opts)), nil
}

func benchmark(ctx context.Context, e *environment, args []string) int {
	return bench.Main(ctx, args, e.stdout, e.stderr, e.getenv)
}

// Version is set when a release is built.
var Version = "devel"

func version(_ context.Context, e *environment, args []string) int {
	fs := e.flags("version", "Print the version, the revision and the Go release that built it.", `
coffer version`)
	if exit, ok := e.parse(fs, args, 0); !ok {
		return exit
	}
	revision := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				revision = " " + s.Value
			}
		}
	}
	fmt.Fprintf(e.stdout, "coffer %s%s %s\n", Version, revision, runtime.Version())
	return exitOK
}
