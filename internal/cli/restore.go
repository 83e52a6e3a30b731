package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"coffer/internal/durable"
	"coffer/internal/server"
)

func restore(ctx context.Context, e *environment, args []string) int {
	fs := e.flags("restore --from PLACE --data NEW --root-from DIR [flags]", "Make a data directory of a backup. NEW must be missing or empty. It gets a copy of the root of trust\n"+
		"of the data directory DIR, which no server may have open; only one of the two may be used from then\n"+
		"on, see docs/backup.md. DIR may also be the file of an export of a root, which is void then. Keys that were destroyed since the backup stay destroyed.", `
coffer restore --from /mnt/backups --data /var/lib/coffer-new --root-from /var/lib/coffer
coffer restore --from s3://backups/coffer --backup 20261122T020000000Z-0123456789abcdef --data ./new --root-from ./old --move-root`)
	from := e.archiveFlags(fs, "from", "`place` of the backups: a directory, or s3://BUCKET/PREFIX")
	opts := new(server.RestoreOptions)
	fs.StringVar(&opts.Name, "backup", "", "`name` of the backup (default the newest)")
	data := fs.String("data", "", "data `directory` to make")
	root := e.rootFlags(fs)
	spec := fs.StringArray("root", nil, "parts of the root that is made of an export, `PART[,PART]...`, as in coffer init (default file)")
	fs.BoolVar(&opts.MoveRoot, "move-root", false, "erase the root of trust in --root-from once the new directory is whole")
	asJSON := fs.Bool("json", false, "print one JSON object")
	if exit, ok := e.parse(fs, args, 0); !ok {
		return exit
	}
	switch {
	case from.where == "":
		return e.misuse("restore", errors.New("name the place of the backups with --from"))
	case *data == "":
		return e.misuse("restore", errors.New("name the data directory to make with --data"))
	case root.from == "":
		return e.misuse("restore", errors.New("name the data directory that has the root of trust with --root-from"))
	}
	if err := root.resolve(e, fs); err != nil {
		return e.misuse("restore", err)
	}
	cfg := checkConfig(*data)
	cfg.Root = root.conf
	cfg.Root.Spec = *spec
	cfg.Root.Print = func(text string) error { _, err := fmt.Fprint(e.stderr, text); return err }
	log, err := logger(e.stderr, cfg)
	if err != nil {
		return e.misuse("restore", err)
	}
	place, err := from.open(ctx, false)
	if err != nil {
		return e.placeFailed("restore", err)
	}
	defer place.Close()
	bar := newProgress(e.stderr)
	opts.From, opts.RootFrom, opts.Config, opts.Exported, opts.Progress = place, root.from, cfg, root.exported(), bar.show
	out, err := server.Restore(ctx, opts, log)
	bar.clear()
	switch {
	case errors.Is(err, server.ErrRootSpec):
		return e.misuse("restore", err)
	case errors.Is(err, server.ErrNotNew):
		return e.misuse("restore", fmt.Errorf("%w; name an empty or a new directory with --data", err))
	case errors.Is(err, durable.ErrLocked):
		return e.failed("restore", fmt.Errorf("%w (stop the server that uses it)", err))
	case err != nil:
		return e.failed("restore", err)
	}
	if *asJSON {
		err = e.printJSON(out)
	} else {
		_, err = fmt.Fprintf(e.stdout, "%s holds the backup %s of %s: %d rows, %d blobs of %d bytes, %d lost.\n"+
			"Deletions that are due wait until you confirm the time: POST /_coffer/clock/confirm.\n",
			*data, out.Name, out.Created.Format(time.RFC3339), out.Rows, out.Blobs, out.BlobBytes, out.Lost)
	}
	if err != nil {
		return e.failed("restore", err)
	}
	if out.Lost > 0 {
		return exitNegative
	}
	return exitOK
}
