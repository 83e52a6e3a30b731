package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/pflag"
)

// Exit codes.
const (
	exitFine   = 0
	exitUsage  = 2
	exitFailed = 3
)

// A usageError means that the arguments cannot be used.
type usageError string

// Error says what is wrong with them.
func (e usageError) Error() string { return string(e) }

// options are the settings of the command line.
type options struct {
	endpoint, profile, region, caBundle string

	op        string
	size      size
	clients   int
	duration  time.Duration
	warmup    time.Duration
	runs      int
	sse       string
	kmsKey    string
	bucketKey bool
	bucket    string
	objects   int64
	rangeSize size
	partSize  size
	payload   string
	timeout   time.Duration
	keep      bool
	serverPID int
	json      bool

	table  bool
	server string
	dir    string
	quick  bool
	full   bool
	only   string
}

const usage = `Measure an S3 or KMS endpoint.

Usage:
  coffer bench --op OPERATION --endpoint-url URL [options]
  coffer bench --table [--server PROGRAM] [options]

Operations: put, get, range, head, list, delete, multipart, mixed (70 % get, 30 % put),
kms-generate (GenerateDataKey), kms-decrypt (Decrypt).

Examples:
  # 16 clients put new objects of 4 KiB, sealed under a KMS key, for 10 seconds
  coffer bench --endpoint-url http://127.0.0.1:7070 --op put --size 4KiB --sse kms

  # the same figures as one JSON object
  coffer bench --endpoint-url http://127.0.0.1:7070 --op get --size 1MiB --json

  # start a Coffer in a directory of its own and print the whole table
  coffer bench --table --dir /srv/bench

Options:
`

func (o *options) flags() *pflag.FlagSet {
	fs := pflag.NewFlagSet("bench", pflag.ContinueOnError)
	fs.SortFlags = false
	o.rangeSize, o.partSize = 64*kib, 16*mib
	fs.StringVar(&o.endpoint, "endpoint-url", "", "`URL` of the service; AWS_ENDPOINT_URL")
	fs.StringVar(&o.profile, "profile", "", "`name` of the profile with the credentials; AWS_PROFILE")
	fs.StringVar(&o.region, "region", "", "`name` of the region to sign for; AWS_REGION")
	fs.StringVar(&o.caBundle, "ca-bundle", "", "PEM `file` of the authorities to trust; AWS_CA_BUNDLE")
	fs.StringVar(&o.op, "op", "put", "`operation` to measure")
	fs.Var(&o.size, "size", "size of an object; 64MiB for range and multipart, 16KiB for mixed, else 4KiB")
	fs.IntVar(&o.clients, "concurrency", 16, "clients at a time, a connection each")
	fs.DurationVar(&o.duration, "duration", 10*time.Second, "time that is measured")
	fs.DurationVar(&o.warmup, "warmup", time.Second, "time before it that is not")
	fs.IntVar(&o.runs, "runs", 1, "runs, of which the one with the median rate is reported; 3 for --table")
	fs.StringVar(&o.sse, "sse", "none", "encryption to ask for: none, s3, kms, c or dsse")
	fs.StringVar(&o.kmsKey, "kms-key", "", "`ARN or id` of the KMS key; without it one is made, and its deletion scheduled after")
	fs.BoolVar(&o.bucketKey, "bucket-key", false, "ask for an S3 bucket key with --sse kms")
	fs.StringVar(&o.bucket, "bucket", "", "`name` of the bucket; made if missing (default coffer-bench-RANDOM)")
	fs.Int64Var(&o.objects, "objects", 0, "`number` of objects to prepare (default: 256 MiB of them, 4 to 1,000; 1,000 for list, 10,000 for delete)")
	fs.Var(&o.rangeSize, "range-size", "size of a range")
	fs.Var(&o.partSize, "part-size", "size of a part")
	fs.StringVar(&o.payload, "payload", "auto", "signed, unsigned, or auto: signed over HTTP, unsigned over HTTPS")
	fs.DurationVar(&o.timeout, "timeout", time.Minute, "give up a request after this")
	fs.BoolVar(&o.keep, "keep", false, "keep the objects, the bucket and the KMS key")
	fs.IntVar(&o.serverPID, "server-pid", 0, "`id` of the server's process on this machine, to report its CPU time, and its memory in the table")
	fs.BoolVar(&o.json, "json", false, "print one JSON object")
	fs.BoolVar(&o.table, "table", false, "measure everything and print Markdown tables")
	fs.StringVar(&o.server, "server", "", "coffer `program` to start for the table (default: this one)")
	fs.StringVar(&o.dir, "dir", "", "`directory` for its data (default: that for temporary files)")
	fs.BoolVar(&o.quick, "quick", false, "one short run of each row, and at most 10,000 objects to list")
	fs.BoolVar(&o.full, "full", false, "list 1,000,000 objects as well")
	fs.StringVar(&o.only, "only", "", "measure only what has a name that matches a `pattern`, such as ^objects/http/kms/ or ^kms/")
	return fs
}

// Main runs coffer bench with the arguments after the command's name and returns
// the exit code: 0, 2 for arguments that cannot be used, and 3 when nothing could
// be measured or something was left behind. Failed operations are part of what
// was measured, unless all failed. When ctx ends, it removes what it made before
// it returns.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer, getenv func(string) string) int {
	o := &options{}
	fs := o.flags()
	fs.SetOutput(io.Discard)
	err := fs.Parse(args)
	if errors.Is(err, pflag.ErrHelp) {
		io.WriteString(stdout, usage+fs.FlagUsages())
		return exitFine
	}
	if err != nil {
		err = usageError(err.Error())
	} else if err = o.check(fs); err == nil {
		if o.table {
			err = runTable(ctx, o, stdout, stderr, getenv)
		} else {
			err = runOne(ctx, o, stdout, getenv)
		}
	}
	if err == nil {
		return exitFine
	}
	fmt.Fprintln(stderr, "coffer bench:", err)
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	return exitFailed
}

// check refuses options that make no sense, and sets the defaults of the table.
func (o *options) check(fs *pflag.FlagSet) error {
	op, known := findOperation(o.op)
	switch {
	case fs.NArg() > 0:
		return usageError(fmt.Sprintf("unexpected argument %q", fs.Arg(0)))
	case !known:
		return usageError(fmt.Sprintf("--op: %q is none of %s", o.op, operationNames()))
	case modeTitle(o.sse) == o.sse:
		return usageError(fmt.Sprintf("--sse: %q is none of none, s3, kms, c, dsse", o.sse))
	case o.clients < 1 || o.clients > 10_000:
		return usageError("--concurrency is 1 to 10,000")
	case o.duration <= 0 || o.warmup < 0 || o.timeout <= 0:
		return usageError("--duration and --timeout are positive, --warmup not negative")
	case o.runs < 1 || o.objects < 0:
		return usageError("--runs is at least 1, --objects not negative")
	case o.partSize < 5*mib || o.rangeSize < 1:
		return usageError("--part-size is at least 5MiB, as S3 wants it, and --range-size at least 1")
	case o.payload != "auto" && o.payload != "signed" && o.payload != "unsigned":
		return usageError(fmt.Sprintf("--payload: %q is none of auto, signed, unsigned", o.payload))
	case o.kmsKey != "" && !op.kms && !o.table && o.sse != "kms" && o.sse != "dsse":
		return usageError("--kms-key goes with --sse kms or dsse, or with an operation of KMS")
	case o.table && (fs.Changed("op") || fs.Changed("size") || fs.Changed("sse") || fs.Changed("concurrency") || fs.Changed("objects") || fs.Changed("bucket")):
		return usageError("--table chooses operation, size, encryption, clients, objects and bucket")
	case o.quick && o.full:
		return usageError("--quick excludes --full")
	case o.endpoint != "" && o.server != "":
		return usageError("--endpoint-url excludes --server")
	}
	if o.table {
		o.tableDefaults(fs)
	}
	return nil
}

// tableDefaults shortens the runs of the table, of which there are many.
func (o *options) tableDefaults(fs *pflag.FlagSet) {
	duration, warmup, runs := 2*time.Second, 500*time.Millisecond, 3
	if o.quick {
		duration, warmup, runs = time.Second, 300*time.Millisecond, 1
	}
	if !fs.Changed("duration") {
		o.duration = duration
	}
	if !fs.Changed("warmup") {
		o.warmup = warmup
	}
	if !fs.Changed("runs") {
		o.runs = runs
	}
}

// runOne measures one operation and prints the report.
func runOne(ctx context.Context, o *options, stdout io.Writer, getenv func(string) string) error {
	e, err := loadEnvironment(o, getenv)
	if err != nil {
		return err
	}
	r, err := measure(ctx, e, *o, rand.Reader)
	if r == nil {
		return err
	}
	if o.json {
		err = errors.Join(err, writeJSON(stdout, r))
	} else {
		r.writeText(stdout)
	}
	if r.Operations == 0 && err == nil {
		return errors.New("no operation succeeded")
	}
	return err
}
