package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/smithy-go"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"coffer/internal/durable"
	"coffer/internal/receipt"
	"coffer/internal/shred"
)

// A shredState is what coffer shred prints of a key or a subject.
type shredState struct {
	Key      string `json:"key"`
	Name     string `json:"name,omitempty"`
	Value    string `json:"value,omitempty"`
	State    string `json:"state"`
	Deletion string `json:"deletion,omitempty"`
	Receipt  string `json:"receipt,omitempty"` // the file that it was written to
}

// A shredding is one run of coffer shred.
type shredding struct {
	e     *environment
	c     *client
	flags *clientFlags
	in    shred.Input
	isNow bool
	yes   bool
	file  string // of the receipt; empty for none
}

// maxShredDays bounds the waiting period that is asked for; the server says what is
// too long.
const maxShredDays = 365

// shredKey runs coffer shred.
func shredKey(ctx context.Context, e *environment, args []string) int {
	fs := e.flags("shred [flags]", "Destroy a KMS key, one subject of it, or one object: whatever it sealed is dark then, in every backup too.\n"+
		"It first shows what goes dark and what does not, and asks. It waits 7 to 30 days, in which --cancel takes\n"+
		"it back; --now does not wait, and needs the right coffer:ShredNow, which only a policy that names it gives.", `
coffer shred --key alias/customers --context subject=alice --preview
coffer shred --key alias/customers --context subject=alice --window 7d
coffer shred --key alias/customers --context subject=alice --now --receipt alice.receipt
coffer shred --object s3://ledger/alice/2026.pdf --now --yes
coffer shred --key 0c2e5a55-1234-4321-aaaa-0123456789ab --receipt key.receipt`)
	s := &shredding{e: e}
	fs.StringVar(&s.in.Key, "key", "", "ID, ARN or alias of the KMS `key`")
	pair := fs.String("context", "", "`NAME=VALUE`: the subject, by its pair of the encryption context")
	at := fs.String("object", "", "`s3://BUCKET/KEY` instead of --key, in a bucket with the tag coffer:subject-from = key")
	window := fs.String("window", "30d", "waiting `period`: 7d to 30d")
	fs.BoolVar(&s.isNow, "now", false, "destroy it at once, without a waiting period")
	fs.BoolVar(&s.yes, "yes", false, "don't ask, as scripts need")
	fs.StringVar(&s.file, "receipt", "", "write the receipt to a new `file`; without --now, of what was destroyed before")
	preview := fs.Bool("preview", false, "show what would go dark, and do nothing")
	status := fs.Bool("status", false, "show where it stands")
	cancel := fs.Bool("cancel", false, "take a scheduled destruction back")
	disable := fs.Bool("disable", false, "make it unusable until --enable")
	enable := fs.Bool("enable", false, "make it usable again")
	s.flags = e.clientFlags(fs)
	if exit, ok := e.parse(fs, args, 0); !ok {
		return exit
	}
	modes := map[string]bool{"preview": *preview, "status": *status, "cancel": *cancel, "disable": *disable, "enable": *enable, "now": s.isNow}
	err := s.arguments(fs, *pair, *at, *window, modes)
	if err == nil {
		s.c, err = e.client(ctx, s.flags)
	}
	if err != nil {
		return e.misuse("shred", err)
	}
	switch {
	case *preview:
		return s.preview(ctx)
	case *status, s.file != "" && !s.isNow:
		return s.status(ctx)
	case *cancel:
		return s.change(ctx, "cancel")
	case *disable:
		return s.change(ctx, "disable")
	case *enable:
		return s.change(ctx, "enable")
	}
	return s.destroy(ctx)
}

// arguments checks what the flags say together.
func (s *shredding) arguments(flags *pflag.FlagSet, pair, at, window string, modes map[string]bool) error {
	chosen := ""
	for name, on := range modes {
		switch {
		case on && chosen != "":
			return fmt.Errorf("--%s and --%s exclude each other", max(chosen, name), min(chosen, name))
		case on:
			chosen = name
		}
	}
	if (s.in.Key == "") == (at == "") {
		return errors.New("needs --key or --object, one of the two")
	}
	if flags.Changed("context") {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" || value == "" || at != "" {
			return errors.New("--context is NAME=VALUE, and goes with --key")
		}
		s.in.Name, s.in.Value = name, value
	}
	if at != "" {
		rest, ok := strings.CutPrefix(at, "s3://")
		bucket, object, _ := strings.Cut(rest, "/")
		if !ok || bucket == "" || object == "" {
			return fmt.Errorf("--object %q is not of the form s3://BUCKET/KEY", at)
		}
		s.in.Bucket, s.in.Object = bucket, object
	}
	days, err := strconv.Atoi(strings.TrimSuffix(window, "d"))
	if err != nil || !strings.HasSuffix(window, "d") || days < 1 || days > maxShredDays {
		return fmt.Errorf("--window %q is not a number of days such as 7d", window)
	}
	s.in.Days = int32(days)
	switch {
	case flags.Changed("window") && chosen != "":
		return fmt.Errorf("--window and --%s exclude each other", chosen)
	case s.file != "" && chosen != "" && chosen != "now":
		return fmt.Errorf("--receipt and --%s exclude each other", chosen)
	case s.file != "" && flags.Changed("window"):
		return errors.New("there is no receipt before the destruction: ask for it with --receipt once the window has passed")
	}
	if s.file != "" {
		if _, err := os.Lstat(s.file); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("--receipt %s: there is a file already", s.file)
		}
	}
	return nil
}

// look asks the server for the preview, and learns which key and subject an object is.
func (s *shredding) look(ctx context.Context) (*shred.Preview, error) {
	out := new(shred.Preview)
	in := s.in
	in.Days = 0
	if err := s.c.call(ctx, "POST", "shreds/preview", nil, in, out); err != nil {
		return nil, err
	}
	if s.in.Object != "" {
		s.in = shred.Input{Key: out.Key, Name: out.Name, Value: out.Value, Days: s.in.Days}
	}
	return out, nil
}

// notSeen ends a command whose preview failed: that nothing can be destroyed for the
// sake of one object is a negative answer.
func (s *shredding) notSeen(err error) int {
	if refused, ok := errors.AsType[*apiError](err); ok && refused.Code == shred.NotShreddable {
		fmt.Fprintln(s.e.stderr, "coffer shred: nothing is destroyed: "+refused.Message)
		return exitNegative
	}
	return s.e.answered("shred", err)
}

func (s *shredding) preview(ctx context.Context) int {
	p, err := s.look(ctx)
	if err != nil {
		return s.notSeen(err)
	}
	if s.flags.json {
		err = s.e.printJSON(p)
	} else {
		err = printPreview(s.e.stdout, p)
	}
	if err != nil {
		return s.e.failed("shred", err)
	}
	if p.Refused != "" {
		return exitNegative
	}
	return exitOK
}

// destroy shows what goes dark, asks, and schedules it or does it at once.
func (s *shredding) destroy(ctx context.Context) int {
	stdin, isTerminal := s.e.stdin.(*os.File)
	isTerminal = isTerminal && term.IsTerminal(int(stdin.Fd()))
	if !s.yes && !isTerminal {
		return s.e.misuse("shred", errors.New("standard input is no terminal to ask at: pass --yes"))
	}
	p, err := s.look(ctx)
	if refused, ok := errors.AsType[*apiError](err); ok && refused.Code == "AccessDeniedException" && s.yes && s.in.Object == "" {
		// Who may destroy and not look is not asked to look.
		fmt.Fprintln(s.e.stderr, "coffer shred: no preview: "+refused.Message)
		return s.act(ctx)
	}
	if err != nil {
		return s.notSeen(err)
	}
	shown := s.e.stdout
	if s.flags.json {
		shown = s.e.stderr
	}
	if err := printPreview(shown, p); err != nil {
		return s.e.failed("shred", err)
	}
	if p.Refused != "" {
		if s.flags.json {
			if err := s.e.printJSON(p); err != nil {
				return s.e.failed("shred", err)
			}
		}
		return exitNegative
	}
	if p.State.State == shred.Destroyed {
		fmt.Fprintln(s.e.stderr, "coffer shred: it is destroyed already: --receipt FILE fetches the receipt")
		return exitNegative
	}
	if !s.yes && !s.confirm(p) {
		fmt.Fprintln(s.e.stderr, "coffer shred: nothing was done")
		return exitNegative
	}
	return s.act(ctx)
}

// act schedules the destruction, or does it at once.
func (s *shredding) act(ctx context.Context) int {
	if !s.isNow {
		return s.change(ctx, "schedule")
	}
	out := new(shred.State)
	in := s.in
	in.Days = 0
	if err := s.c.call(ctx, "POST", "shreds/now", nil, in, out); err != nil {
		return s.e.answered("shred", err)
	}
	return s.done(out)
}

// confirm wants the subject, or an alias or the ID of the key, typed.
func (s *shredding) confirm(p *shred.Preview) bool {
	what, accepted := "the subject", []string{p.Value}
	if p.Name == "" {
		what, accepted = "an alias or the ID of the key", append([]string{p.Key, p.Key[strings.LastIndexByte(p.Key, '/')+1:]}, p.Aliases...)
	}
	when := fmt.Sprintf("in %d days", s.in.Days)
	if s.isNow {
		when = "now, and nothing takes it back"
	}
	fmt.Fprintf(s.e.stderr, "\nIt is destroyed %s. Type %s to go on: ", when, what)
	line, err := bufio.NewReader(io.LimitReader(s.e.stdin, 16<<10)).ReadString('\n')
	if err != nil {
		return false
	}
	for _, a := range accepted {
		if strings.TrimRight(line, "\r\n") == a {
			return true
		}
	}
	return false
}

// ofObject replaces an object by the subject that it is. ok is false if it is none of its
// own, or can't be found: then code ends the command.
func (s *shredding) ofObject(ctx context.Context) (code int, ok bool) {
	if s.in.Object == "" {
		return exitOK, true
	}
	p, err := s.look(ctx)
	switch {
	case err != nil:
		return s.notSeen(err), false
	case p.Refused != "":
		fmt.Fprintln(s.e.stderr, "coffer shred: "+p.Refused)
		return exitNegative, false
	}
	return exitOK, true
}

// status shows where a key or subject stands, and writes the receipt if it is wanted.
func (s *shredding) status(ctx context.Context) int {
	if code, ok := s.ofObject(ctx); !ok {
		return code
	}
	out := new(shred.State)
	in := s.in
	in.Days = 0
	if err := s.c.call(ctx, "POST", "shreds/get", nil, in, out); err != nil {
		return s.e.answered("shred", err)
	}
	if s.file != "" && out.Receipt == "" {
		why := "it is not destroyed: " + out.State
		switch {
		case out.State == shred.Destroyed:
			why = "it was destroyed without one, below a key that was destroyed, or before there were receipts"
		case out.Deletion != "":
			why += " until " + out.Deletion
		}
		fmt.Fprintf(s.e.stderr, "coffer shred: there is no receipt: %s\n", why)
		return exitNegative
	}
	return s.done(out)
}

// change schedules, cancels, disables or enables. For a whole key these are operations
// of KMS.
func (s *shredding) change(ctx context.Context, verb string) int {
	if code, ok := s.ofObject(ctx); !ok {
		return code
	}
	out := new(shred.State)
	var err error
	if s.in.Name != "" {
		in := s.in
		if verb != "schedule" {
			in.Days = 0
		}
		err = s.c.call(ctx, "POST", "shreds/"+verb, nil, in, out)
	} else {
		out, err = s.changeKey(ctx, verb)
	}
	if err != nil {
		return s.e.answered("shred", err)
	}
	return s.done(out)
}

// changeKey is change for a whole key.
func (s *shredding) changeKey(ctx context.Context, verb string) (*shred.State, error) {
	k := kms.NewFromConfig(s.c.aws)
	d, err := k.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &s.in.Key})
	if err != nil {
		return nil, fromAPI(err)
	}
	id := d.KeyMetadata.Arn
	switch verb {
	case "schedule":
		_, err = k.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: id, PendingWindowInDays: &s.in.Days})
	case "cancel":
		_, err = k.CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: id})
	case "disable":
		_, err = k.DisableKey(ctx, &kms.DisableKeyInput{KeyId: id})
	case "enable":
		_, err = k.EnableKey(ctx, &kms.EnableKeyInput{KeyId: id})
	}
	if err == nil {
		d, err = k.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: id})
	}
	if err != nil {
		return nil, fromAPI(err)
	}
	out := &shred.State{Key: aws.ToString(id), State: string(d.KeyMetadata.KeyState)}
	if at := d.KeyMetadata.DeletionDate; at != nil {
		out.Deletion = at.UTC().Format(time.RFC3339)
	}
	return out, nil
}

// fromAPI returns what a service answered, without the words of the SDK.
func fromAPI(err error) error {
	if refused, ok := errors.AsType[smithy.APIError](err); ok {
		return &apiError{Code: refused.ErrorCode(), Message: refused.ErrorMessage()}
	}
	return err
}

// done writes the receipt, if it is wanted, and prints the outcome.
func (s *shredding) done(out *shred.State) int {
	shown := shredState{Key: out.Key, Name: out.Name, Value: out.Value, State: out.State, Deletion: out.Deletion}
	if s.file != "" {
		if _, err := receipt.Parse([]byte(out.Receipt)); err != nil {
			return s.e.failed("shred", fmt.Errorf("it is destroyed, and its receipt can't be read: %w", err))
		}
		if err := durable.WriteFile(durable.OS{}, s.file, []byte(out.Receipt), 0o644); err != nil {
			return s.e.failed("shred", fmt.Errorf("it is destroyed, and its receipt could not be written: %w", err))
		}
		shown.Receipt = s.file
	}
	var err error
	if s.flags.json {
		err = s.e.printJSON(shown)
	} else {
		_, err = io.WriteString(s.e.stdout, shown.text())
	}
	if err != nil {
		return s.e.failed("shred", err)
	}
	return exitOK
}

func (s *shredState) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "key      %s\n", s.Key)
	if s.Name != "" {
		fmt.Fprintf(&b, "subject  %s = %q\n", s.Name, s.Value)
	}
	fmt.Fprintf(&b, "state    %s\n", s.State)
	if s.Deletion != "" {
		fmt.Fprintf(&b, "until    %s\n", s.Deletion)
	}
	if s.Receipt != "" {
		fmt.Fprintf(&b, "receipt  %s\n", s.Receipt)
	}
	return b.String()
}

// printPreview prints a preview for people. Names of others are quoted.
func printPreview(w io.Writer, p *shred.Preview) error {
	var b strings.Builder
	state := shredState{Key: p.Key, Name: p.Name, Value: p.Value, State: p.State.State, Deletion: p.Deletion}
	b.WriteString(state.text())
	if p.LastUse != nil {
		fmt.Fprintf(&b, "used     %s, %s by %s\n", p.LastUse.At.UTC().Format(time.RFC3339), p.LastUse.Operation, p.LastUse.By)
	}
	if p.Refused != "" {
		fmt.Fprintf(&b, "\nNothing is destroyed. %s\n", p.Refused)
	}
	b.WriteString("\nGoes dark\n")
	printCount(&b, &p.Dark)
	for _, c := range p.Sample {
		kind := "version"
		if c.Upload {
			kind = "upload"
		}
		fmt.Fprintf(&b, "    s3://%s/%q %s %s, %d bytes\n", c.Bucket, c.Key, kind, c.Version, c.Bytes)
	}
	if n := p.Dark.Versions + p.Dark.Uploads - int64(len(p.Sample)); n > 0 && len(p.Sample) > 0 {
		fmt.Fprintf(&b, "    and %d more\n", n)
	}
	if p.NotDark.Versions+p.NotDark.Uploads > 0 || !p.NotDark.Complete {
		b.WriteString("\nDoes not go dark\n")
		printCount(&b, &p.NotDark.Count)
		for _, l := range p.NotDark.Listed {
			fmt.Fprintf(&b, "    s3://%s/%q version %s: sealed under %s too, or was\n", l.Bucket, l.Key, l.Version, strings.Join(l.Opens, ", "))
		}
		if n := p.NotDark.Versions + p.NotDark.Uploads - int64(len(p.NotDark.Listed)); n > 0 {
			fmt.Fprintf(&b, "    and %d more\n", n)
		}
		if p.NotDark.Versions > 0 {
			b.WriteString("    coffer rewrap --deep seals it anew, under one key alone\n")
		}
		if !p.NotDark.Complete {
			b.WriteString("    and what damaged rows kept from being counted: run coffer fsck\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func printCount(b *strings.Builder, c *receipt.Count) {
	fmt.Fprintf(b, "    %d objects, %d versions, %d uploads under way, %d bytes\n", c.Objects, c.Versions, c.Uploads, c.Bytes)
}
