package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"text/tabwriter"
	"time"

	"github.com/spf13/pflag"

	"coffer/internal/archive"
	"coffer/internal/backup"
	"coffer/internal/backupset"
	"coffer/internal/config"
	"coffer/internal/server"
)

// backupReport is the --json output of coffer backup.
type backupReport struct {
	backup.Summary
	Seconds float64 `json:"seconds"`
}

// backupView is a backup as coffer backup list prints it. What the root of trust tells
// is there with --root-from.
type backupView struct {
	Name    string         `json:"name"`
	Details *backupDetails `json:"details,omitempty"`
}

type backupDetails struct {
	Created   time.Time `json:"created"`
	Epoch     uint64    `json:"epoch"`
	Rows      int64     `json:"rows"`
	RowBytes  int64     `json:"rowBytes"`
	Blobs     int64     `json:"blobs"`
	BlobBytes int64     `json:"blobBytes"`
	Lost      int       `json:"lost"`
}

// backupList is the --json output of coffer backup list.
type backupList struct {
	Backups []backupView `json:"backups"`
}

// archiveFlags are the flags of commands that reach a place of backups.
type archiveFlags struct{ where, endpoint, profile, region string }

// archiveFlags adds the flags; name is that of the place itself.
func (e *environment) archiveFlags(fs *pflag.FlagSet, name, usage string) *archiveFlags {
	f := new(archiveFlags)
	fs.StringVar(&f.where, name, "", usage)
	fs.StringVar(&f.endpoint, "s3-endpoint-url", "", "`URL` of the bucket's service (AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, the profile; default AWS)")
	fs.StringVar(&f.profile, "s3-profile", "", "`name` of the profile of the bucket's credentials (AWS_PROFILE)")
	fs.StringVar(&f.region, "s3-region", "", "`region` of the bucket (AWS_REGION, the profile; default "+defaultRegion+")")
	return f
}

// open opens the place of backups.
func (f *archiveFlags) open(ctx context.Context, create bool) (archive.Store, error) {
	cfg, err := awsConfig(ctx, f.profile, f.region)
	if err != nil {
		return nil, err
	}
	if f.endpoint != "" {
		u, err := parseEndpoint(f.endpoint)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", server.ErrArchive, err)
		}
		at := u.String()
		cfg.BaseEndpoint = &at
	}
	return server.OpenArchive(ctx, f.where, create, cfg)
}

// rootFlags are the flags of commands that open a root of trust to read backups.
type rootFlags struct {
	from       string
	conf       config.Root
	passphrase string   // file with that of an export
	shares     []string // files with those of an export
}

func (e *environment) rootFlags(fs *pflag.FlagSet) *rootFlags {
	f := new(rootFlags)
	fs.StringVar(&f.from, "root-from", "", "data `directory` whose root of trust opens the backups, or an export of one")
	fs.StringVar(&f.passphrase, "passphrase-file", "", "`file` with the passphrase of an export (default: ask)")
	fs.StringSliceVar(&f.shares, "share-file", nil, "`file` with shares of an export, one a line; may repeat")
	f.conf.Flags(fs)
	return f
}

// exported returns the secrets of an export.
func (f *rootFlags) exported() *config.Root {
	return &config.Root{PassphraseFile: f.passphrase, ShareFiles: f.shares, PINFile: f.conf.PINFile, TPMAuthFile: f.conf.TPMAuthFile, Ask: f.conf.Ask}
}

// resolve fills what the environment says.
func (f *rootFlags) resolve(e *environment, fs *pflag.FlagSet) error {
	f.conf.Ask = e.ask()
	return f.conf.Resolve(fs, e.getenv)
}

// backups runs coffer backup.
func backups(ctx context.Context, e *environment, args []string) int {
	if len(args) > 0 {
		switch args[0] {
		case "list":
			return listBackups(ctx, e, args[1:])
		case "verify":
			return verifyBackup(ctx, e, args[1:])
		case "prune":
			return pruneBackups(ctx, e, args[1:])
		}
	}
	return makeBackup(ctx, e, args)
}

func makeBackup(ctx context.Context, e *environment, args []string) int {
	fs := e.flags("backup --to PLACE [flags]\n       coffer backup list --from PLACE [flags]\n       coffer backup verify --from PLACE --root-from DIR [flags]\n       coffer backup prune --from PLACE --root-from DIR --keep N [flags]",
		"Back up everything of one moment but the root of trust and the credentials file, while the server\n"+
			"runs, or with --data from a data directory that no server has open. All of it is sealed before it\n"+
			"leaves the server; what PLACE, a directory or s3://BUCKET/PREFIX, has already is not carried again.\n"+
			"Exits with 1 if a blob is lost in the store; the backup then holds the rest.", `
coffer backup --to /mnt/backups
coffer backup --to s3://backups/coffer --s3-profile offsite --endpoint-url https://coffer.example.com --profile admin
coffer backup --to /mnt/backups --data /var/lib/coffer`)
	to := e.archiveFlags(fs, "to", "`place` of the backups: a directory, or s3://BUCKET/PREFIX")
	data := fs.String("data", "", "data `directory`, which no server has open, to back up instead of a server")
	var root config.Root
	root.Flags(fs)
	f := e.clientFlags(fs)
	if exit, ok := e.parse(fs, args, 0); !ok {
		return exit
	}
	if to.where == "" {
		return e.misuse("backup", errors.New("name the place of the backups with --to"))
	}
	if err := root.Resolve(fs, e.getenv); err != nil {
		return e.misuse("backup", err)
	}
	root.Ask = e.ask()
	place, err := to.open(ctx, true)
	if err != nil {
		return e.placeFailed("backup", err)
	}
	defer place.Close()
	bar := newProgress(e.stderr)
	opts := backup.ReceiveOptions{Progress: func(s backup.Summary) { bar.show("files", s.Files, 0) }}
	var sum *backup.Summary
	if *data != "" {
		cfg := checkConfig(*data)
		cfg.Root = root
		log, logErr := logger(e.stderr, cfg)
		if logErr != nil {
			return e.misuse("backup", logErr)
		}
		if sum, err = server.Backup(ctx, cfg, place, opts, log); err != nil {
			err = explain(err, cfg)
		}
	} else {
		c, clientErr := e.client(ctx, f)
		if clientErr != nil {
			return e.misuse("backup", clientErr)
		}
		sum, err = backup.Receive(ctx, remote{c}, place, opts)
	}
	bar.clear()
	if err != nil {
		return e.placeFailed("backup", err)
	}
	if f.json {
		err = e.printJSON(backupReport{*sum, sum.Took.Seconds()})
	} else {
		_, err = fmt.Fprintf(e.stdout, "%s: %d files of %d bytes, of which %d files of %d bytes are new, in %s\n",
			sum.Name, sum.Files, sum.Bytes, sum.NewFiles, sum.NewBytes, sum.Took.Round(time.Millisecond))
	}
	if err != nil {
		return e.failed("backup", err)
	}
	if sum.Lost > 0 {
		fmt.Fprintf(e.stderr, "coffer backup: %d blobs are missing or damaged in the store: run coffer fsck\n", sum.Lost)
		return exitNegative
	}
	return exitOK
}

// placeFailed ends a command that could not use a place of backups.
func (e *environment) placeFailed(name string, err error) int {
	if errors.Is(err, server.ErrArchive) {
		return e.misuse(name, err)
	}
	return e.answered(name, err)
}

// remote is the feed of a server's backup.
type remote struct{ c *client }

var _ backup.Feed = remote{}

func (r remote) Begin(ctx context.Context) (*backup.Begun, error) {
	out := new(backup.Begun)
	return out, r.c.call(ctx, "POST", "backups", nil, nil, out)
}

func (r remote) Page(ctx context.Context, id string, number int) (*backup.Page, error) {
	in := struct {
		ID   string `json:"id"`
		Page int    `json:"page"`
	}{id, number}
	out := new(backup.Page)
	return out, r.c.call(ctx, "POST", "backups/page", nil, in, out)
}

func (r remote) Files(ctx context.Context, id string, number int, names []string) (io.ReadCloser, error) {
	in := struct {
		ID    string   `json:"id"`
		Page  int      `json:"page"`
		Names []string `json:"names"`
	}{id, number, names}
	ctx, cancel := context.WithCancel(ctx)
	stalled := time.AfterFunc(stallTimeout, cancel)
	a, err := r.c.send(ctx, "POST", "backups/files", nil, in)
	if err != nil {
		stalled.Stop()
		cancel()
		if _, ok := errors.AsType[*url.Error](err); ok { // it may get through the next time
			err = fmt.Errorf("%w: %w", backupset.ErrCut, err)
		}
		return nil, err
	}
	return &streamBody{a.Body, stalled, cancel}, nil
}

func (r remote) End(ctx context.Context, id string) error {
	return r.c.call(ctx, "POST", "backups/end", nil, map[string]string{"id": id}, new(struct{}))
}

// stallTimeout is how long a stream may bring nothing before it is given up.
const stallTimeout = 2 * time.Minute

// A streamBody gives up a stream that brings nothing.
type streamBody struct {
	io.ReadCloser
	stalled *time.Timer
	cancel  context.CancelFunc
}

func (b *streamBody) Read(p []byte) (int, error) {
	b.stalled.Reset(stallTimeout)
	n, err := b.ReadCloser.Read(p)
	b.stalled.Stop()
	return n, err
}

func (b *streamBody) Close() error {
	b.stalled.Stop()
	defer b.cancel()
	return b.ReadCloser.Close()
}

func listBackups(ctx context.Context, e *environment, args []string) int {
	fs := e.flags("backup list --from PLACE [flags]", "List the backups in a place, the oldest first. The root of trust tells what they hold.", `
coffer backup list --from /mnt/backups
coffer backup list --from s3://backups/coffer --root-from /var/lib/coffer --json`)
	from := e.archiveFlags(fs, "from", "`place` of the backups: a directory, or s3://BUCKET/PREFIX")
	root := e.rootFlags(fs)
	asJSON := fs.Bool("json", false, "print one JSON object")
	if exit, ok := e.parse(fs, args, 0); !ok {
		return exit
	}
	if from.where == "" {
		return e.misuse("backup", errors.New("list needs the place of the backups: --from"))
	}
	if err := root.resolve(e, fs); err != nil {
		return e.misuse("backup", err)
	}
	place, err := from.open(ctx, false)
	if err != nil {
		return e.placeFailed("backup", err)
	}
	defer place.Close()
	out, err := backupViews(ctx, e, place, root)
	if err != nil {
		return e.failed("backup", err)
	}
	if *asJSON {
		err = e.printJSON(out)
	} else {
		w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "NAME\tCREATED\tEPOCH\tROWS\tBLOBS\tBYTES\tLOST")
		for _, b := range out.Backups {
			if d := b.Details; d != nil {
				fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d\t%d\n", b.Name, d.Created.Format(time.RFC3339), d.Epoch, d.Rows, d.Blobs, d.RowBytes+d.BlobBytes, d.Lost)
			} else {
				fmt.Fprintf(w, "%s\t-\t-\t-\t-\t-\t-\n", b.Name)
			}
		}
		err = w.Flush()
	}
	if err != nil {
		return e.failed("backup", err)
	}
	return exitOK
}

func backupViews(ctx context.Context, e *environment, place archive.Store, root *rootFlags) (*backupList, error) {
	names, err := backup.Names(ctx, place)
	if err != nil {
		return nil, err
	}
	out := &backupList{Backups: []backupView{}}
	var opened *server.BackupRoot
	if root.from != "" {
		log, err := logger(e.stderr, checkConfig(""))
		if err != nil {
			return nil, err
		}
		if opened, err = server.OpenBackupRoot(ctx, root.from, &root.conf, root.exported(), log); err != nil {
			return nil, err
		}
		defer opened.Close()
		if err := backup.CheckSet(ctx, place, opened.Codec); err != nil {
			return nil, err
		}
	}
	for _, name := range names {
		v := backupView{Name: name}
		if opened != nil {
			m, err := backup.ReadManifest(ctx, place, opened.Codec, name)
			if err != nil {
				return nil, err
			}
			v.Details = &backupDetails{Created: time.UnixMilli(m.Created).UTC(), Epoch: m.Epoch, Rows: m.Rows.Count, RowBytes: m.Rows.Bytes,
				Blobs: m.Blobs.Count, BlobBytes: m.BlobBytes, Lost: len(m.Lost)}
		}
		out.Backups = append(out.Backups, v)
	}
	return out, nil
}

// openedBackups is a place of backups, with the root of trust that opens them.
type openedBackups struct {
	place archive.Store
	root  *server.BackupRoot
	log   *slog.Logger
}

func (b *openedBackups) close() {
	b.root.Close()
	b.place.Close()
}

// openBackups opens what a command works on that needs both; verb is its name, and
// unusable what else is wrong with its flags. ok is false if the command ends, with
// exit.
func (e *environment) openBackups(ctx context.Context, fs *pflag.FlagSet, verb string, from *archiveFlags, root *rootFlags, unusable error) (b *openedBackups, exit int, ok bool) {
	switch {
	case from.where == "":
		return nil, e.misuse("backup", errors.New(verb+" needs the place of the backups: --from")), false
	case root.from == "":
		return nil, e.misuse("backup", errors.New(verb+" needs the data directory that has the root of trust: --root-from")), false
	case unusable != nil:
		return nil, e.misuse("backup", unusable), false
	}
	if err := root.resolve(e, fs); err != nil {
		return nil, e.misuse("backup", err), false
	}
	b = new(openedBackups)
	var err error
	if b.log, err = logger(e.stderr, checkConfig("")); err != nil {
		return nil, e.misuse("backup", err), false
	}
	if b.place, err = from.open(ctx, false); err != nil {
		return nil, e.placeFailed("backup", err), false
	}
	if b.root, err = server.OpenBackupRoot(ctx, root.from, &root.conf, root.exported(), b.log); err != nil {
		b.place.Close()
		return nil, e.failed("backup", err), false
	}
	return b, exitOK, true
}

func verifyBackup(ctx context.Context, e *environment, args []string) int {
	fs := e.flags("backup verify --from PLACE --root-from DIR [flags]", "Look for every file that a backup names, and open a sample of them, and of the objects, through the\n"+
		"root of trust of the data directory DIR, which a server may have open. Objects whose key was destroyed\n"+
		"since are counted as dark: that is no damage. Exits with 1 if anything is missing or damaged.", `
coffer backup verify --from /mnt/backups --root-from /var/lib/coffer
coffer backup verify --from s3://backups/coffer --root-from /var/lib/coffer --all --json`)
	from := e.archiveFlags(fs, "from", "`place` of the backups: a directory, or s3://BUCKET/PREFIX")
	var opts server.VerifyOptions
	fs.StringVar(&opts.Name, "backup", "", "`name` of the backup (default the newest)")
	fs.IntVar(&opts.Sample, "sample", 100, "about how many files of rows and of blobs are opened; ten times as many objects")
	all := fs.Bool("all", false, "open everything")
	root := e.rootFlags(fs)
	asJSON := fs.Bool("json", false, "print one JSON object")
	if exit, ok := e.parse(fs, args, 0); !ok {
		return exit
	}
	var unusable error
	if opts.Sample < 1 {
		unusable = errors.New("--sample is at least 1")
	}
	if *all {
		opts.Sample = 0
	}
	b, exit, ok := e.openBackups(ctx, fs, "verify", from, root, unusable)
	if !ok {
		return exit
	}
	defer b.close()
	bar := newProgress(e.stderr)
	opts.Progress = bar.show
	out, err := server.VerifyBackup(ctx, b.root, b.place, opts, b.log)
	bar.clear()
	if err != nil {
		return e.failed("backup", err)
	}
	if *asJSON {
		err = e.printJSON(out)
	} else {
		err = printVerified(e.stdout, out)
	}
	if err != nil {
		return e.failed("backup", err)
	}
	if !out.IsGood {
		return exitNegative
	}
	return exitOK
}

func printVerified(w io.Writer, r *server.VerifyReport) error {
	for _, f := range r.Findings {
		fmt.Fprintln(w, line(f))
	}
	for _, k := range r.Keys {
		fmt.Fprintf(w, "key %s: %s\n", k.ARN, k.State)
	}
	files := r.Files
	if files == nil {
		files = new(backup.Checked)
	}
	verdict := "good"
	if !r.IsGood {
		verdict = "damaged"
	}
	_, err := fmt.Fprintf(w, "%s of %s: %s. Of %d files %d were opened, %d are missing and %d damaged. Of the objects looked at, %d opened, %d are dark, %d lack a key, %d are damaged.\n",
		r.Name, r.Created.Format(time.RFC3339), verdict, files.Files, files.Opened, files.Missing, files.Damaged,
		r.Objects.Opened, r.Objects.Dark, r.Objects.NoKey, r.Objects.Damaged)
	return err
}

// pruneReport is the --json output of coffer backup prune.
type pruneReport struct {
	Removed []string `json:"removed"`
	Files   int64    `json:"files"` // that were removed beside the manifests
}

func pruneBackups(ctx context.Context, e *environment, args []string) int {
	fs := e.flags("backup prune --from PLACE --root-from DIR --keep N [flags]", "Remove all backups but the newest N, and every file that none of these names.", `
coffer backup prune --from /mnt/backups --root-from /var/lib/coffer --keep 14`)
	from := e.archiveFlags(fs, "from", "`place` of the backups: a directory, or s3://BUCKET/PREFIX")
	keep := fs.Int("keep", 0, "how many backups stay, at least 1")
	root := e.rootFlags(fs)
	asJSON := fs.Bool("json", false, "print one JSON object")
	if exit, ok := e.parse(fs, args, 0); !ok {
		return exit
	}
	var unusable error
	if *keep < 1 {
		unusable = errors.New("--keep is at least 1")
	}
	b, exit, ok := e.openBackups(ctx, fs, "prune", from, root, unusable)
	if !ok {
		return exit
	}
	defer b.close()
	removed, files, err := backup.Prune(ctx, b.place, b.root.Codec, *keep)
	if err != nil {
		return e.failed("backup", err)
	}
	if *asJSON {
		err = e.printJSON(pruneReport{append([]string{}, removed...), files})
	} else {
		_, err = fmt.Fprintf(e.stdout, "%d backups and %d files were removed\n", len(removed), files)
	}
	if err != nil {
		return e.failed("backup", err)
	}
	return exitOK
}
