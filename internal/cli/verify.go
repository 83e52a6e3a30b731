package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"coffer/internal/key"
	"coffer/internal/receipt"
	"coffer/internal/server"
)

// verify runs coffer verify.
func verify(ctx context.Context, e *environment, args []string) int {
	const text = `Check receipts, without a server.

Usage: coffer verify receipt FILE --trust FILE [flags]

Examples:
  coffer verify receipt alice.receipt --trust receipt.pub
  coffer verify receipt alice.receipt --trust receipt.pub --backup /mnt/backups --root-from /var/lib/coffer

'coffer verify receipt --help' shows the flags.
`
	verb := ""
	if len(args) > 0 {
		verb = args[0]
	}
	switch verb {
	case "receipt":
		return verifyReceipt(ctx, e, args[1:])
	case "-h", "--help", "help":
		fmt.Fprint(e.stdout, text)
		return exitOK
	case "":
		fmt.Fprint(e.stderr, text)
		return exitUsage
	}
	return e.misuse("verify", fmt.Errorf("%q is not receipt", verb))
}

// receiptReport is the --json output of coffer verify receipt.
type receiptReport struct {
	IsGood   bool                `json:"good"`
	Problems []string            `json:"problems"`
	Receipt  *receipt.Receipt    `json:"receipt,omitempty"` // of a good signature only
	Backup   *server.BackupProof `json:"backup,omitempty"`
}

func verifyReceipt(ctx context.Context, e *environment, args []string) int {
	fs := e.flags("verify receipt FILE --trust FILE [flags]", "Check that a receipt was signed by a key that you trust and not altered since, and show what it states.\n"+
		"With --backup, open a backup from before the destruction with the root of trust of today, and try what was\n"+
		"destroyed and what is said to survive. Exits with 1 if anything is not as the receipt states.", `
coffer verify receipt alice.receipt --trust receipt.pub
coffer verify receipt alice.receipt --trust receipt.pub --backup /mnt/backups --root-from /var/lib/coffer \
  --survivor arn:aws:kms:us-east-1:123456789012:key/0c2e5a55-1234-4321-aaaa-0123456789ab`)
	trust := fs.String("trust", "", "`file` of trusted public keys, such as DIR/receipt.pub")
	from := e.archiveFlags(fs, "backup", "`place` of backups: a directory, or s3://BUCKET/PREFIX")
	name := fs.String("backup-name", "", "`name` of the backup (default the newest that holds what was destroyed)")
	keys := fs.StringArray("survivor", nil, "`KEY` that must still open, by ARN or ID, or NAME=VALUE for a subject of the receipt's key; may repeat")
	root := e.rootFlags(fs)
	asJSON := fs.Bool("json", false, "print one JSON object")
	if exit, ok := e.parse(fs, args, 1); !ok {
		return exit
	}
	switch {
	case fs.NArg() == 0:
		return e.misuse("verify", errors.New("receipt needs the FILE"))
	case *trust == "":
		return e.misuse("verify", errors.New("receipt needs the public keys that you trust: --trust"))
	case (from.where == "") != (root.from == ""):
		return e.misuse("verify", errors.New("--backup and --root-from go together"))
	case from.where == "" && (*name != "" || len(*keys) > 0):
		return e.misuse("verify", errors.New("--backup-name and --survivor go with --backup"))
	}
	if err := root.resolve(e, fs); err != nil {
		return e.misuse("verify", err)
	}
	text, err := readBounded(*trust, receipt.MaxSize)
	if err != nil {
		return e.failed("verify", err)
	}
	trusted, err := receipt.ParseKeys(text)
	if err != nil {
		return e.misuse("verify", fmt.Errorf("--trust %s: %w", *trust, err))
	}
	if text, err = readBounded(fs.Arg(0), receipt.MaxSize); err != nil {
		return e.failed("verify", err)
	}
	out := receiptReport{Problems: []string{}}
	r, err := receipt.Verify(text, trusted)
	if err != nil {
		out.Problems = append(out.Problems, err.Error())
		return e.showReceipt(&out, *asJSON)
	}
	out.Receipt = r
	if from.where != "" {
		if out.Backup, err = proveInBackup(ctx, e, from, root, *name, r, *keys); err != nil {
			if errors.Is(err, server.ErrArchive) || errors.Is(err, server.ErrNoKeyARN) || errors.Is(err, key.ErrInvalidID) {
				return e.misuse("verify", err)
			}
			return e.failed("verify", err)
		}
		out.Problems = append(out.Problems, out.Backup.Problems...)
	}
	return e.showReceipt(&out, *asJSON)
}

// readBounded reads a file that must not be longer than most bytes.
func readBounded(name string, most int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most+1))
}

func proveInBackup(ctx context.Context, e *environment, from *archiveFlags, root *rootFlags, name string, r *receipt.Receipt, keys []string) (*server.BackupProof, error) {
	log, err := logger(e.stderr, checkConfig(""))
	if err != nil {
		return nil, err
	}
	place, err := from.open(ctx, false)
	if err != nil {
		return nil, err
	}
	defer place.Close()
	opened, err := server.OpenBackupRoot(ctx, root.from, &root.conf, root.exported(), log)
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	var survivors []server.Survivor
	for _, k := range keys {
		if n, v, ok := strings.Cut(k, "="); ok {
			survivors = append(survivors, server.Survivor{Key: r.What.Key, Name: n, Value: v})
		} else {
			survivors = append(survivors, server.Survivor{Key: k})
		}
	}
	return server.ProveReceipt(ctx, opened, place, name, r, survivors)
}

// showReceipt prints a report and returns the exit code.
func (e *environment) showReceipt(out *receiptReport, asJSON bool) int {
	out.IsGood = len(out.Problems) == 0
	var err error
	if asJSON {
		err = e.printJSON(out)
	} else {
		_, err = io.WriteString(e.stdout, out.text())
	}
	if err != nil {
		return e.failed("verify", err)
	}
	if !out.IsGood {
		return exitNegative
	}
	return exitOK
}

// text is a report as people read it. What others chose is quoted.
func (o *receiptReport) text() string {
	var b strings.Builder
	if r := o.Receipt; r != nil {
		fmt.Fprintf(&b, "key        %q\n", r.What.Key)
		if s := r.What.Subject; s != nil {
			fmt.Fprintf(&b, "subject    %q = %q\n", s.Name, s.Value)
		}
		fmt.Fprintf(&b, "destroyed  %s, in epoch %d of %s\n", r.Destroyed.At.UTC().Format(time.RFC3339), r.Destroyed.After, r.Store)
		if r.Asked.By != "" {
			fmt.Fprintf(&b, "asked by   %q, %s\n", r.Asked.By, r.Asked.At.UTC().Format(time.RFC3339))
		}
		for _, h := range r.Destroyed.Holders {
			fmt.Fprintf(&b, "confirmed  by %q (%s)\n", h.Name, h.Kind)
			for _, l := range h.CannotForget {
				fmt.Fprintf(&b, "             it can't exclude %s\n", l)
			}
		}
		count := func(what string, c *receipt.Count) {
			fmt.Fprintf(&b, "%s %d objects, %d versions, %d uploads, %d bytes\n", what, c.Objects, c.Versions, c.Uploads, c.Bytes)
		}
		count("dark      ", &r.Dark)
		count("not dark  ", &r.NotDark.Count)
		if !r.NotDark.Complete {
			b.WriteString("           and what damaged rows kept from being counted\n")
		}
		for _, l := range r.Limits {
			fmt.Fprintf(&b, "not in it  %s\n", l)
		}
	}
	if p := o.Backup; p != nil && p.Name != "" {
		fmt.Fprintf(&b, "backup     %s of %s, with the root of epoch %d\n", p.Name, p.Created.UTC().Format(time.RFC3339), p.RootEpoch)
		for _, probe := range append([]server.ProbeReport{p.Destroyed}, p.Survivors...) {
			what := probe.Key
			if probe.Name != "" {
				what = fmt.Sprintf("%q = %q of %s", probe.Name, probe.Value, probe.Key)
			}
			fmt.Fprintf(&b, "           %d of %d open: %s\n", probe.Open, probe.Found, what)
		}
	}
	for _, p := range o.Problems {
		fmt.Fprintf(&b, "WRONG      %s\n", p)
	}
	if o.IsGood {
		b.WriteString("The receipt is good.\n")
	} else {
		b.WriteString("The receipt is NOT good.\n")
	}
	return b.String()
}
