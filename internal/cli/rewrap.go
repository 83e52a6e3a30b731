package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/term"

	"coffer/internal/durable"
	"coffer/internal/shred"
)

// A rewrapState is how far a run came: the report, and with --state the content of the
// file from which a later run goes on.
type rewrapState struct {
	From   string `json:"from"` // ARN
	To     string `json:"to"`   // ARN; equal to From for its latest version
	Deep   bool   `json:"deep,omitempty"`
	DryRun bool   `json:"dryRun,omitempty"`
	Bucket string `json:"bucket,omitempty"` // the only one
	Prefix string `json:"prefix,omitempty"`

	// Where the next page starts: in the index of the server, or in a listing.
	After   []byte   `json:"after,omitempty"`
	Done    []string `json:"done,omitempty"` // buckets
	At      string   `json:"at,omitempty"`   // the bucket that is being listed
	Key     string   `json:"key,omitempty"`  // its markers
	Version string   `json:"version,omitempty"`

	Finished bool             `json:"finished"`
	Moved    int64            `json:"moved"` // versions; with DryRun, that would be
	Bytes    int64            `json:"bytes"` // of those
	Skipped  map[string]int64 `json:"skipped"`
	Failed   int64            `json:"failed"`
	Failures []rewrapFailure  `json:"failures"` // the first of them
}

// A rewrapFailure is a version that could not be moved.
type rewrapFailure struct {
	Bucket  string `json:"bucket"`
	Key     string `json:"key"`
	Version string `json:"version,omitempty"`
	Error   string `json:"error"`
}

// Why a version is not moved.
const (
	skipOtherKey = "another key"
	skipSSES3    = "SSE-S3"
	skipSSEC     = "SSE-C"
	skipDSSE     = "DSSE-KMS"
	skipMarker   = "delete marker"
	skipPresent  = "there already"
	skipUpload   = "upload under way"
	skipGone     = "gone meanwhile"
)

const (
	// maxFailures is how many failures a report lists.
	maxFailures = 1000
	// maxRewrapState bounds the file that --state names, in bytes.
	maxRewrapState = 16 << 20
	// maxRate bounds --rate, in versions a second.
	maxRate = 10_000
)

// A rewrapping is one run of coffer rewrap.
type rewrapping struct {
	e     *environment
	c     *client // nil: only the APIs of S3 and KMS
	s3    *s3.Client
	flags *clientFlags
	state rewrapState
	file  string // of the state, or empty
	pause time.Duration
	next  time.Time // before which no version is moved
	isOld bool      // move only what the server says is under an older version
	found bool      // what is looked at is or was under the key: its index says so
}

// rewrap runs coffer rewrap.
func rewrap(ctx context.Context, e *environment, args []string) int {
	fs := e.flags("rewrap [flags]", "Wrap the data keys of all objects under a KMS key, in all their versions, under another key, or under the\n"+
		"latest version of the same key. Data, ETags, dates and version IDs stay; with --deep the data is encrypted\n"+
		"again under new data keys. A run that was cut goes on with --state.", `
coffer rewrap --key alias/customers --latest
coffer rewrap --key alias/customers --latest --destroy-old
coffer rewrap --key alias/customers --to alias/new --deep
coffer rewrap --key alias/old --to alias/new --bucket ledger --rate 100 --state rewrap.json
coffer rewrap --key alias/old --to alias/new --provider aws --dry-run --json`)
	r := &rewrapping{e: e}
	from := fs.String("key", "", "ID, ARN or alias of the KMS `key` that the objects are under")
	to := fs.String("to", "", "ID, ARN or alias of the `key` that they come under")
	latest := fs.Bool("latest", false, "the latest version of the same key, instead of --to")
	fs.BoolVar(&r.state.Deep, "deep", false, "encrypt the data again in place, each version under a data key of its own that is new")
	fs.StringVar(&r.state.Bucket, "bucket", "", "this `bucket` alone")
	fs.StringVar(&r.state.Prefix, "prefix", "", "objects that start with this `text` alone; needs --bucket")
	rate := fs.Int("rate", 0, "move at most this `number` of versions a second; 0 for no limit")
	fs.StringVar(&r.file, "state", "", "keep in this `file` how far the run came, and go on from there")
	fs.BoolVar(&r.state.DryRun, "dry-run", false, "show what would be moved, and do nothing")
	provider := fs.String("provider", "coffer", "`coffer`, or aws for any server with the APIs of S3 and KMS alone")
	destroy := fs.Bool("destroy-old", false, "with --latest, destroy the older versions of the key once nothing is under them")
	yes := fs.Bool("yes", false, "don't ask before --destroy-old, as scripts need")
	r.flags = e.clientFlags(fs)
	if exit, ok := e.parse(fs, args, 0); !ok {
		return exit
	}
	var err error
	switch {
	case *from == "":
		err = errors.New("needs --key")
	case (*to == "") != *latest:
		err = errors.New("needs --to or --latest, one of the two")
	case r.state.Prefix != "" && r.state.Bucket == "":
		err = errors.New("--prefix needs --bucket")
	case *rate < 0 || *rate > maxRate:
		err = fmt.Errorf("--rate is a number from 0 to %d", maxRate)
	case *provider != "coffer" && *provider != "aws":
		err = fmt.Errorf("--provider %q is neither coffer nor aws", *provider)
	case r.state.Deep && *provider != "coffer":
		err = errors.New("--deep needs --provider coffer")
	case *destroy && (!*latest || *provider != "coffer" || r.state.Bucket != "" || r.state.DryRun):
		err = errors.New("--destroy-old goes with --latest, on a Coffer, for all buckets, and not with --dry-run")
	case *destroy && !*yes && !e.isTerminal():
		err = errors.New("standard input is no terminal to ask at: pass --yes")
	}
	if err != nil {
		return e.misuse("rewrap", err)
	}
	if *rate > 0 {
		r.pause = time.Second / time.Duration(*rate)
	}
	cfg, err := r.connect(ctx, *provider)
	if err != nil {
		return e.misuse("rewrap", err)
	}
	if err := r.resolve(ctx, kms.NewFromConfig(cfg), *from, *to); err != nil {
		return e.answered("rewrap", err)
	}
	if err := r.resume(); err != nil {
		return e.misuse("rewrap", err)
	}
	err = r.all(ctx)
	if exit := r.report(err); exit != exitOK || !*destroy {
		return exit
	}
	return r.destroyOld(ctx, *yes)
}

func (e *environment) isTerminal() bool {
	f, ok := e.stdin.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// connect makes the clients. With the provider aws and no endpoint they are those of
// AWS itself.
func (r *rewrapping) connect(ctx context.Context, provider string) (cfg aws.Config, err error) {
	at := r.flags.endpoint
	if at == "" {
		at = r.e.getenv("AWS_ENDPOINT_URL")
	}
	if provider == "aws" && at == "" {
		cfg, err = awsConfig(ctx, r.flags.profile, r.flags.region)
	} else {
		var c *client
		if c, err = r.e.client(ctx, r.flags); err == nil {
			cfg = c.aws
			if provider == "coffer" {
				r.c = c
			}
		}
	}
	if err != nil {
		return cfg, err
	}
	r.s3 = s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = cfg.BaseEndpoint != nil })
	return cfg, nil
}

// resolve finds the keys' ARNs. They must be usable, so that a run does not fail at
// every object.
func (r *rewrapping) resolve(ctx context.Context, k *kms.Client, from, to string) error {
	resolve := func(id string) (string, error) {
		d, err := k.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &id})
		if err != nil {
			return "", fromAPI(err)
		}
		if !d.KeyMetadata.Enabled {
			return "", fmt.Errorf("%s is not enabled: %s", aws.ToString(d.KeyMetadata.Arn), d.KeyMetadata.KeyState)
		}
		return aws.ToString(d.KeyMetadata.Arn), nil
	}
	var err error
	if r.state.From, err = resolve(from); err != nil {
		return err
	}
	r.state.To = r.state.From
	if to == "" {
		r.isOld = r.c != nil && !r.state.Deep
		return nil
	}
	if r.state.To, err = resolve(to); err == nil && r.state.To == r.state.From {
		err = errors.New("--key and --to name the same key: --latest wraps under its latest version")
	}
	return err
}

// resume takes over the state of an earlier run of the same work.
func (r *rewrapping) resume() error {
	r.state.Skipped, r.state.Failures = map[string]int64{}, []rewrapFailure{}
	if r.file == "" {
		return nil
	}
	b, err := durable.ReadFile(durable.OS{}, r.file, maxRewrapState)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var was rewrapState
	if err := json.Unmarshal(b, &was); err != nil {
		return fmt.Errorf("--state %s does not read: %w", r.file, err)
	}
	now := &r.state
	if was.From != now.From || was.To != now.To || was.Bucket != now.Bucket || was.Prefix != now.Prefix || was.DryRun != now.DryRun || was.Deep != now.Deep {
		return fmt.Errorf("--state %s is of other work: from %s to %s", r.file, was.From, was.To)
	}
	if was.Finished {
		// Begin anew: what was moved is skipped, what failed is tried again.
		return nil
	}
	if was.Skipped == nil {
		was.Skipped = map[string]int64{}
	}
	r.state = was
	return nil
}

// save writes the state and tells how far the run is.
func (r *rewrapping) save() error {
	if r.file == "" {
		return nil
	}
	b, err := json.MarshalIndent(&r.state, "", "  ")
	if err != nil {
		return err
	}
	return durable.WriteFile(durable.OS{}, r.file, append(b, '\n'), 0o600)
}

func (r *rewrapping) progress() error {
	var skipped int64
	for _, n := range r.state.Skipped {
		skipped += n
	}
	fmt.Fprintf(r.e.stderr, "coffer rewrap: %d moved, %d skipped, %d failed\n", r.state.Moved, skipped, r.state.Failed)
	return r.save()
}

// all moves everything. A Coffer tells from its index what is under a key; elsewhere
// every version of every bucket is looked at.
func (r *rewrapping) all(ctx context.Context) error {
	var err error
	if r.c != nil && r.state.At == "" && len(r.state.Done) == 0 {
		err = r.byIndex(ctx)
		if refused, ok := errors.AsType[*apiError](err); ok && refused.status == 403 {
			fmt.Fprintln(r.e.stderr, "coffer rewrap: lists every bucket, for want of the right coffer:ListKeyContent")
			r.isOld = false
			err = r.byListing(ctx)
		}
	} else {
		err = r.byListing(ctx)
	}
	if err != nil {
		return errors.Join(err, r.save())
	}
	r.state.Finished = true
	return r.save()
}

func (r *rewrapping) byIndex(ctx context.Context) error {
	r.found = true
	for {
		var page shred.KeyContent
		if err := r.c.call(ctx, "POST", "keyversions/content", nil, shred.ContentInput{Key: r.state.From, After: r.state.After}, &page); err != nil {
			return err
		}
		for _, u := range page.List {
			switch {
			case r.state.Bucket != "" && u.Bucket != r.state.Bucket, !strings.HasPrefix(u.Object, r.state.Prefix):
			case u.IsDamaged:
				r.fail(u.Bucket, u.Object, u.Version, errors.New("its row does not read: coffer fsck"))
			case u.IsUpload:
				r.state.Skipped[skipUpload]++
			case r.isOld && !u.IsOld:
				r.state.Skipped[skipPresent]++
			default:
				if err := r.one(ctx, u.Bucket, u.Object, u.Version, u.Bytes); err != nil {
					return err
				}
			}
		}
		r.state.After = page.Next
		if err := r.progress(); err != nil || page.Next == nil {
			return err
		}
	}
}

func (r *rewrapping) byListing(ctx context.Context) error {
	r.found = false
	buckets := []string{r.state.Bucket}
	if r.state.Bucket == "" {
		buckets = nil
		for p := s3.NewListBucketsPaginator(r.s3, &s3.ListBucketsInput{}); p.HasMorePages(); {
			page, err := p.NextPage(ctx)
			if err != nil {
				return fromAPI(err)
			}
			for _, b := range page.Buckets {
				buckets = append(buckets, aws.ToString(b.Name))
			}
		}
	}
	for _, b := range buckets {
		if slices.Contains(r.state.Done, b) {
			continue
		}
		if r.state.At != b {
			r.state.At, r.state.Key, r.state.Version = b, "", ""
		}
		if err := r.listBucket(ctx, b); err != nil {
			return fmt.Errorf("bucket %s: %w", b, err)
		}
		r.state.Done = append(r.state.Done, b)
		r.state.At, r.state.Key, r.state.Version = "", "", ""
	}
	return nil
}

func (r *rewrapping) listBucket(ctx context.Context, bucket string) error {
	for {
		in := &s3.ListObjectVersionsInput{Bucket: &bucket, Prefix: &r.state.Prefix}
		if r.state.Key != "" {
			in.KeyMarker = &r.state.Key
			if r.state.Version != "" {
				in.VersionIdMarker = &r.state.Version
			}
		}
		page, err := r.s3.ListObjectVersions(ctx, in)
		if err != nil {
			return fromAPI(err)
		}
		r.state.Skipped[skipMarker] += int64(len(page.DeleteMarkers))
		for _, v := range page.Versions {
			if err := r.one(ctx, bucket, aws.ToString(v.Key), aws.ToString(v.VersionId), aws.ToInt64(v.Size)); err != nil {
				return err
			}
		}
		r.state.Key, r.state.Version = aws.ToString(page.NextKeyMarker), aws.ToString(page.NextVersionIdMarker)
		if err := r.progress(); err != nil || !aws.ToBool(page.IsTruncated) {
			return err
		}
	}
}

// one moves a version if it is to be. It returns an error only if the run must end.
func (r *rewrapping) one(ctx context.Context, bucket, key, version string, size int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	h, err := r.s3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: &key, VersionId: &version})
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		switch status := httpStatus(err); status {
		case 400: // what S3 answers to a HEAD without the client's key
			r.state.Skipped[skipSSEC]++
		case 404:
			r.state.Skipped[skipGone]++
		case 0:
			return err // nobody answers
		default:
			r.fail(bucket, key, version, err)
		}
		return nil
	}
	switch {
	case h.SSECustomerAlgorithm != nil:
		r.state.Skipped[skipSSEC]++
		return nil
	case h.ServerSideEncryption == "AES256" || h.ServerSideEncryption == "":
		r.state.Skipped[skipSSES3]++
		return nil
	case aws.ToString(h.SSEKMSKeyId) == r.state.To && r.state.Deep && r.found:
		// Its data key was once under the other, or still is.
	case aws.ToString(h.SSEKMSKeyId) == r.state.To && r.state.To != r.state.From:
		r.state.Skipped[skipPresent]++
		return nil
	case aws.ToString(h.SSEKMSKeyId) != r.state.From:
		r.state.Skipped[skipOtherKey]++
		return nil
	case h.ServerSideEncryption == "aws:kms:dsse" && !r.state.Deep:
		r.state.Skipped[skipDSSE]++
		return nil
	}
	if !r.state.DryRun {
		if err := r.wait(ctx); err != nil {
			return err
		}
		var err error
		if r.state.Deep {
			err = r.reseal(ctx, bucket, key, version)
		} else {
			err = r.update(ctx, bucket, key, version, aws.ToBool(h.BucketKeyEnabled))
		}
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if httpStatus(err) == 0 {
				return err
			}
			r.fail(bucket, key, version, err)
			return nil
		}
	}
	r.state.Moved++
	r.state.Bytes += size
	return nil
}

func (r *rewrapping) fail(bucket, key, version string, err error) {
	r.state.Failed++
	if len(r.state.Failures) < maxFailures {
		r.state.Failures = append(r.state.Failures, rewrapFailure{bucket, key, version, fromAPI(err).Error()})
	}
}

// wait keeps to the rate.
func (r *rewrapping) wait(ctx context.Context) error {
	if r.pause == 0 {
		return nil
	}
	now := time.Now()
	if d := r.next.Sub(now); d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
		now = r.next
	}
	r.next = now.Add(r.pause)
	return nil
}

// report prints how the run ended.
func (r *rewrapping) report(err error) int {
	s := &r.state
	if r.flags.json {
		if e := r.e.printJSON(s); e != nil {
			return r.e.failed("rewrap", e)
		}
	} else {
		verb := "moved"
		if s.DryRun {
			verb = "to move"
		}
		fmt.Fprintf(r.e.stdout, "from     %s\nto       %s\n%-8s %d versions, %d bytes\n", s.From, s.To, verb, s.Moved, s.Bytes)
		for _, why := range sortedKeys(s.Skipped) {
			if n := s.Skipped[why]; n > 0 {
				fmt.Fprintf(r.e.stdout, "skipped  %d: %s\n", n, why)
			}
		}
		for _, f := range s.Failures {
			fmt.Fprintf(r.e.stdout, "failed   %q %s: %s\n", "s3://"+f.Bucket+"/"+f.Key, f.Version, f.Error)
		}
		if n := s.Failed - int64(len(s.Failures)); n > 0 {
			fmt.Fprintf(r.e.stdout, "failed   %d more\n", n)
		}
		if err == nil && s.Failed == 0 && !s.DryRun && s.To != s.From {
			fmt.Fprintf(r.e.stdout, "next     coffer shred --key %s --preview\n", s.From)
		}
	}
	switch {
	case err != nil:
		return r.e.failed("rewrap", err)
	case s.Failed > 0:
		return exitNegative
	}
	return exitOK
}

// destroyOld destroys the older versions of the key, once it has shown them and asked.
func (r *rewrapping) destroyOld(ctx context.Context, yes bool) int {
	in := shred.VersionsInput{Key: r.state.From}
	var p shred.Versions
	if err := r.c.call(ctx, "POST", "keyversions/preview", nil, in, &p); err != nil {
		return r.e.answered("rewrap", err)
	}
	if len(p.Old) == 0 {
		fmt.Fprintln(r.e.stderr, "coffer rewrap: the key has no older version")
		return exitOK
	}
	w := r.e.stderr
	for _, v := range p.Old {
		fmt.Fprintf(w, "old      version %d, material %s\n", v.Version, v.Material)
	}
	fmt.Fprintf(w, "under    %d versions of objects, %d uploads, %d rows that can't be read\n%s\n", p.Content.Versions, p.Content.Uploads, p.Content.Damaged, p.Warning)
	for _, s := range p.Content.Sample {
		fmt.Fprintf(w, "         %q\n", s)
	}
	if p.Content.Versions+p.Content.Uploads+p.Content.Damaged > 0 {
		return exitNegative
	}
	if !yes {
		id := p.Key[strings.LastIndexByte(p.Key, '/')+1:]
		fmt.Fprintf(w, "\nThey are destroyed now, and nothing takes it back. Type the ID of the key to go on: ")
		line, err := bufio.NewReader(io.LimitReader(r.e.stdin, 4<<10)).ReadString('\n')
		if err != nil || strings.TrimRight(line, "\r\n") != id {
			fmt.Fprintln(w, "coffer rewrap: nothing was destroyed")
			return exitNegative
		}
	}
	var out shred.Versions
	if err := r.c.call(ctx, "POST", "keyversions/destroy", nil, in, &out); err != nil {
		if refused, ok := errors.AsType[*apiError](err); ok && refused.Code == "ConflictException" {
			fmt.Fprintln(w, "coffer rewrap: nothing was destroyed: "+refused.Message)
			return exitNegative
		}
		return r.e.answered("rewrap", err)
	}
	fmt.Fprintf(w, "coffer rewrap: destroyed %d older versions; epoch %d\n", len(out.Old), out.Epoch)
	return exitOK
}
