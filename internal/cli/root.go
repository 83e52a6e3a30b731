package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/pflag"

	"coffer/internal/config"
	"coffer/internal/key"
	"coffer/internal/server"
)

const rootUsage = `The root of trust of a data directory that no server has open.

Usage: coffer root status [flags]
       coffer root reseal [flags]
       coffer root add PART [flags]
       coffer root remove ID... [flags]
       coffer root export FILE [flags]
       coffer root import FROM [flags]

Each but status and export makes a new epoch: a fresh root is written to every part, read back and
proven, and only then the old one is destroyed.

Examples:
  coffer root status --data /var/lib/coffer
  coffer root add passphrase --data /var/lib/coffer
  coffer root export /mnt/vault/coffer.root --data /var/lib/coffer

'coffer root status --help' shows the flags.
`

// root runs coffer root.
func root(ctx context.Context, e *environment, args []string) int {
	verbs := map[string]func(context.Context, *environment, []string) int{
		"status": rootStatus, "reseal": rootReseal, "add": rootAdd, "remove": rootRemove,
		"export": rootExport, "import": rootImport,
	}
	verb := ""
	if len(args) > 0 {
		verb = args[0]
	}
	if run := verbs[verb]; run != nil {
		return run(ctx, e, args[1:])
	}
	switch verb {
	case "-h", "--help", "help":
		fmt.Fprint(e.stdout, rootUsage)
		return exitOK
	case "":
		fmt.Fprint(e.stderr, rootUsage)
		return exitUsage
	}
	return e.misuse("root", fmt.Errorf("%q is none of status, reseal, add, remove, export and import", verb))
}

// rootArgs are the flags of every coffer root command.
type rootArgs struct {
	data   string
	root   config.Root
	asJSON bool
	cfg    *config.Server
	shares *shareWriter
	log    *slog.Logger
}

func (e *environment) rootArgs(fs *pflag.FlagSet) *rootArgs {
	a := new(rootArgs)
	fs.StringVar(&a.data, "data", "./coffer-data", "data `directory` (COFFER_DATA)")
	a.root.Flags(fs)
	fs.BoolVar(&a.asJSON, "json", false, "print one JSON object")
	return a
}

// parseRoot parses the flags. If it returns false, the command ends with the exit
// code.
func (e *environment) parseRoot(a *rootArgs, fs *pflag.FlagSet, args []string, positional int) (int, bool) {
	if exit, ok := e.parse(fs, args, positional); !ok {
		return exit, false
	}
	if v := e.getenv("COFFER_DATA"); v != "" && !fs.Changed("data") {
		a.data = v
	}
	if err := a.root.Resolve(fs, e.getenv); err != nil {
		return e.misuse("root", err), false
	}
	a.root.Ask = e.ask()
	a.shares = &shareWriter{e: e, beside: a.asJSON}
	a.root.Print = a.shares.print
	a.cfg = checkConfig(a.data)
	a.cfg.Root = a.root
	var err error
	if a.log, err = logger(e.stderr, a.cfg); err != nil {
		return e.misuse("root", err), false
	}
	if err := harden(&a.root, a.log); err != nil {
		return e.failed("root", err), false
	}
	return exitOK, true
}

// A shareWriter prints the shares of a root or an export on standard output, or
// beside it if that is one JSON object.
type shareWriter struct {
	e      *environment
	beside bool
	mark   string // before what else is printed, so that the shares stay a file of shares
}

func (w *shareWriter) print(text string) error {
	out := w.e.stderr
	if !w.beside {
		out, w.mark = w.e.stdout, "# "
	}
	_, err := fmt.Fprint(out, text)
	return err
}

// rootFailed ends a command with an error.
func (e *environment) rootFailed(err error, cfg *config.Server) int {
	if errors.Is(err, server.ErrRootSpec) {
		return e.misuse("root", err)
	}
	if errors.Is(err, server.ErrRootMissing) {
		err = fmt.Errorf("%w; bring it back, or give it up with coffer root remove --lost", err)
	}
	if errors.Is(err, key.ErrWrongRoot) {
		err = fmt.Errorf("%w; it is void", err)
	}
	return e.failed("root", explain(err, cfg))
}

// newEpoch is the --json output of the commands that make one.
type newEpoch struct {
	Epoch uint64 `json:"epoch"`
}

// changed prints the epoch that a command has made.
func (e *environment) changed(a *rootArgs, epoch uint64) int {
	var err error
	if a.asJSON {
		err = e.printJSON(newEpoch{epoch})
	} else {
		_, err = fmt.Fprintf(e.stdout, "%sEpoch %d is the root of trust now. Exports of earlier epochs are void: destroy them.\n", a.shares.mark, epoch)
	}
	if err != nil {
		return e.failed("root", err)
	}
	return exitOK
}

// change runs a command that makes a new epoch.
func (e *environment) change(ctx context.Context, a *rootArgs, c *server.RootChange) int {
	epoch, err := server.ChangeRoot(ctx, a.cfg, c, a.log)
	if err != nil {
		return e.rootFailed(err, a.cfg)
	}
	return e.changed(a, epoch)
}

func rootReseal(ctx context.Context, e *environment, args []string) int {
	fs := e.flags("root reseal [flags]", "Make a new epoch with a fresh root, and with a new passphrase or new shares if asked to. Do it when a\n"+
		"passphrase or a share may be known to others, or an export was lost.", `
coffer root reseal --data /var/lib/coffer
coffer root reseal --root-passphrase-file old --new-passphrase-file new
coffer root reseal --new-shares 3/5`)
	a := e.rootArgs(fs)
	c := new(server.RootChange)
	fs.BoolVar(&c.Passphrase, "new-passphrase", false, "replace the passphrase: ask for the new one")
	file := fs.String("new-passphrase-file", "", "replace the passphrase by the one in a `file`")
	fs.StringVar(&c.Shares, "new-shares", "", "replace the custodians' shares by `M/N` new ones, which are printed this once")
	if exit, ok := e.parseRoot(a, fs, args, 0); !ok {
		return exit
	}
	c.Passphrase = c.Passphrase || *file != ""
	c.Secrets = &config.Root{PassphraseFile: *file, Ask: a.root.Ask, Print: a.root.Print}
	return e.change(ctx, a, c)
}

func rootAdd(ctx context.Context, e *environment, args []string) int {
	fs := e.flags("root add PART [flags]", "Add a part to the root of trust: from then on nothing opens without it. With --mirror, add a further\n"+
		"holder of PART[,PART]..., which opens the root as well. PART is one of file:DIRECTORY, passphrase,\n"+
		"shares:M/N, pkcs11:DESCRIPTION and tpm:DESCRIPTION; docs/roots-and-backups.md says which to choose.", `
coffer root add passphrase --data /var/lib/coffer
coffer root add shares:2/3
coffer root add --mirror file:/mnt/other/coffer-root,passphrase`)
	a := e.rootArgs(fs)
	mirror := fs.Bool("mirror", false, "add a holder, not a part of every holder")
	if exit, ok := e.parseRoot(a, fs, args, 1); !ok {
		return exit
	}
	if fs.NArg() == 0 {
		return e.misuse("root", errors.New("add needs a PART"))
	}
	c := &server.RootChange{Add: []string{fs.Arg(0)}}
	if *mirror {
		c = &server.RootChange{Mirror: fs.Arg(0)}
	} else if strings.Contains(fs.Arg(0), ",") {
		return e.misuse("root", errors.New("add one PART at a time, or a holder of several with --mirror"))
	}
	return e.change(ctx, a, c)
}

func rootRemove(ctx context.Context, e *environment, args []string) int {
	fs := e.flags("root remove ID... [flags]", "Remove parts from the root of trust; coffer root status shows their IDs. A mirror without a store goes.\n"+
		"What a removed part holds is destroyed, unless it is --lost.", `
coffer root remove passphrase-1
coffer root remove file-2 --lost`)
	a := e.rootArgs(fs)
	lost := fs.Bool("lost", false, "the parts can't be reached: leave what they hold, and destroy them by other means")
	if exit, ok := e.parseRoot(a, fs, args, 16); !ok {
		return exit
	}
	if fs.NArg() == 0 {
		return e.misuse("root", errors.New("remove needs the ID of a part"))
	}
	if *lost {
		a.cfg.Root.Lost = fs.Args()
	}
	return e.change(ctx, a, &server.RootChange{Remove: fs.Args()})
}

func rootExport(ctx context.Context, e *environment, args []string) int {
	fs := e.flags("root export FILE [flags]", "Write the root of trust to a new FILE, sealed under a passphrase or under shares: the way back when\n"+
		"every part is lost. The next epoch makes it void: export anew, and destroy the old file.", `
coffer root export /mnt/vault/coffer-root --data /var/lib/coffer
coffer root export /mnt/vault/coffer-root --shares 2/3`)
	a := e.rootArgs(fs)
	file := fs.String("passphrase-file", "", "`file` with the passphrase of the export (default: ask)")
	shares := fs.String("shares", "", "seal it under `M/N` shares instead, which are printed this once")
	if exit, ok := e.parseRoot(a, fs, args, 1); !ok {
		return exit
	}
	if fs.NArg() == 0 {
		return e.misuse("root", errors.New("export needs the name of a new FILE"))
	}
	if *file != "" && *shares != "" {
		return e.misuse("root", errors.New("an export has a passphrase or shares, not both"))
	}
	secrets := &config.Root{PassphraseFile: *file, Ask: a.root.Ask, Print: a.root.Print}
	epoch, err := server.ExportRoot(ctx, a.cfg, fs.Arg(0), *shares, secrets, a.log)
	if err != nil {
		return e.rootFailed(err, a.cfg)
	}
	if a.asJSON {
		err = e.printJSON(newEpoch{epoch})
	} else {
		_, err = fmt.Fprintf(e.stdout, "%s%s holds the root of trust of epoch %d, and is void from epoch %d on.\n", a.shares.mark, fs.Arg(0), epoch, epoch+1)
	}
	if err != nil {
		return e.failed("root", err)
	}
	return exitOK
}

func rootImport(ctx context.Context, e *environment, args []string) int {
	fs := e.flags("root import FROM [flags]", "Give a data directory that has lost its root of trust the one in FROM: an export, another data\n"+
		"directory, or a directory that is a part of the root. DIR/root must not hold a root.", `
coffer root import /mnt/vault/coffer-root --data /var/lib/coffer
coffer root import /mnt/other/coffer-root --root file,passphrase`)
	a := e.rootArgs(fs)
	spec := fs.StringArray("root", nil, "parts of the new root, `PART[,PART]...`, as in coffer init (default file)")
	file := fs.String("passphrase-file", "", "`file` with the passphrase of FROM (default: ask)")
	shares := fs.StringSlice("share-file", nil, "`file` with shares of FROM, one a line; may repeat")
	if exit, ok := e.parseRoot(a, fs, args, 1); !ok {
		return exit
	}
	if fs.NArg() == 0 {
		return e.misuse("root", errors.New("import needs FROM: an export or a directory"))
	}
	a.cfg.Root.Spec = *spec
	secrets := &config.Root{PassphraseFile: *file, ShareFiles: *shares, PINFile: a.root.PINFile, TPMAuthFile: a.root.TPMAuthFile, Ask: a.root.Ask}
	epoch, err := server.ImportRoot(ctx, a.cfg, fs.Arg(0), secrets, a.log)
	if err != nil {
		return e.rootFailed(err, a.cfg)
	}
	return e.changed(a, epoch)
}

// rootView is the --json output of coffer root status.
type rootView struct {
	Epoch     uint64       `json:"epoch"`
	Forgotten uint64       `json:"forgotten"`
	Changing  bool         `json:"changing"`
	Opens     bool         `json:"opens"`
	Parts     []partView   `json:"parts"`
	Holders   []holderView `json:"holders"`
}

type partView struct {
	ID      string   `json:"id"`
	Role    string   `json:"role"`
	Kind    string   `json:"kind"`
	Where   string   `json:"where,omitempty"`
	Forgets bool     `json:"forgets"`
	Epochs  []uint64 `json:"epochs,omitempty"`
	Opens   bool     `json:"opens"`
	Error   string   `json:"error,omitempty"`
}

type holderView struct {
	Parts []string `json:"parts"`
	Opens bool     `json:"opens"`
	Error string   `json:"error,omitempty"`
}

func rootStatus(ctx context.Context, e *environment, args []string) int {
	fs := e.flags("root status [flags]", "Show the parts of the root of trust, which of them forget, the epoch, and whether each opens. Changes\n"+
		"nothing. Exits with 1 if something does not open.", `
coffer root status --data /var/lib/coffer
coffer root status --json`)
	a := e.rootArgs(fs)
	if exit, ok := e.parseRoot(a, fs, args, 0); !ok {
		return exit
	}
	st, err := server.RootStatus(ctx, a.cfg, a.log)
	if err != nil {
		return e.rootFailed(err, a.cfg)
	}
	v := viewOf(st)
	if a.asJSON {
		err = e.printJSON(v)
	} else {
		err = e.printStatus(v)
	}
	if err != nil {
		return e.failed("root", err)
	}
	ok := v.Opens && !v.Changing &&
		!slices.ContainsFunc(v.Parts, func(p partView) bool { return !p.Opens }) &&
		!slices.ContainsFunc(v.Holders, func(h holderView) bool { return !h.Opens })
	if !ok {
		return exitNegative
	}
	return exitOK
}

func viewOf(st *server.RootState) *rootView {
	v := &rootView{Epoch: st.Epoch, Forgotten: st.Forgotten, Changing: st.Changing, Parts: []partView{}, Holders: []holderView{}}
	text := func(err error) string {
		if err == nil {
			return ""
		}
		return strings.ReplaceAll(err.Error(), "\n", "; ")
	}
	for _, p := range st.Parts {
		v.Parts = append(v.Parts, partView{
			ID: p.ID, Role: string(p.Role), Kind: p.Kind, Where: p.Where, Forgets: p.Forgets(), Epochs: p.Epochs,
			Opens: p.Err == nil, Error: text(p.Err),
		})
	}
	for _, h := range st.Holders {
		v.Holders = append(v.Holders, holderView{Parts: h.Parts, Opens: h.Err == nil, Error: text(h.Err)})
		v.Opens = v.Opens || h.Err == nil
	}
	return v
}

func (e *environment) printStatus(v *rootView) error {
	fmt.Fprintf(e.stdout, "Epoch %d. Every part has destroyed what it held up to epoch %d.\n", v.Epoch, v.Forgotten)
	if v.Changing {
		fmt.Fprintln(e.stdout, "A change of the parts was cut: the next start or coffer root command ends it.")
	}
	w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PART\tKIND\tFORGETS\tOPENS\tWHERE")
	for _, p := range v.Parts {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", p.ID, p.Kind, yesNo(p.Forgets), opens(p.Opens, p.Error), p.Where)
	}
	fmt.Fprintln(w)
	fmt.Fprintln(w, "HOLDER\tPARTS\tOPENS")
	for i, h := range v.Holders {
		fmt.Fprintf(w, "%d\t%s\t%s\n", i+1, strings.Join(h.Parts, ","), opens(h.Opens, h.Error))
	}
	return w.Flush()
}

func yesNo(is bool) string {
	if is {
		return "yes"
	}
	return "no"
}

func opens(does bool, why string) string {
	if does {
		return "yes"
	}
	return "no: " + why
}
