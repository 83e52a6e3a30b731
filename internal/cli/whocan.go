package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/pflag"

	"coffer/internal/access"
	"coffer/internal/arn"
)

// A whoCanView is the --json output of coffer who-can.
type whoCanView struct {
	Verb    access.Verb  `json:"verb"`
	Target  string       `json:"target"`
	Key     string       `json:"key,omitempty"` // that seals the object
	Answers []access.Row `json:"answers"`
	// Verified is what a real request of each principal got, by principal.
	Verified map[string]string `json:"verified,omitempty"`
}

// whoCanFlags are the flags of coffer who-can.
type whoCanFlags struct {
	*clientFlags
	aws, verify             bool
	profiles, saved, assume []string
	save, assert, principal string
	owner                   string
}

// whoCan runs coffer who-can.
func whoCan(ctx context.Context, e *environment, args []string) int {
	fs := e.flags("who-can VERB TARGET [flags]", `Answer who can really do something: the decisions of S3 and KMS, joined, for every user and role, the
root user, everybody whom a policy names, other accounts and the anonymous public.

VERB is read, write, delete, decrypt or administer. TARGET is s3://BUCKET/KEY (?versionId=ID for a version),
s3://BUCKET to administer, or a key by ARN, ID or alias.

Answers are YES, YES-IF with what must hold of the request, POSSIBLE where another account's side is not
seen, UNKNOWN where something of this account was not, and NO. Below a NO stands how the principal could
give itself access. It asks the APIs of the server, or of AWS with --aws, or reads saved answers.`, `
coffer who-can read s3://ledger/2026/entry.txt
coffer who-can administer alias/ledger --json
coffer who-can read s3://ledger/2026/entry.txt --aws --profile prod --also-profile audit
coffer who-can delete s3://ledger/2026/entry.txt --saved ./answers
coffer who-can read s3://ledger/2026/entry.txt --assert readers.json`)
	f := &whoCanFlags{clientFlags: e.clientFlags(fs)}
	f.add(fs)
	if exit, ok := e.parse(fs, args, 2); !ok {
		return exit
	}
	if fs.NArg() != 2 {
		return e.misuse("who-can", errors.New("needs a VERB and a TARGET"))
	}
	t, err := parseTarget(fs.Arg(0), fs.Arg(1))
	if err != nil {
		return e.misuse("who-can", err)
	}
	if f.verify && (f.aws || len(f.saved) > 0) {
		return e.misuse("who-can", errors.New("--verify asks a Coffer server"))
	}
	view, err := f.answer(ctx, e, t)
	if _, bad := errors.AsType[*usageError](err); bad {
		return e.misuse("who-can", err)
	}
	if err != nil {
		return e.failed("who-can", err)
	}
	if f.principal != "" {
		view.Answers = slices.DeleteFunc(view.Answers, func(r access.Row) bool { return r.Principal != f.principal })
		if len(view.Answers) == 0 {
			return e.failed("who-can", fmt.Errorf("nothing is known of %s", f.principal))
		}
	}
	if f.json {
		err = e.printJSON(view)
	} else {
		err = printWhoCan(e.stdout, view)
	}
	if err != nil {
		return e.failed("who-can", err)
	}
	return f.exit(e, view)
}

func (f *whoCanFlags) add(fs *pflag.FlagSet) {
	fs.BoolVar(&f.aws, "aws", false, "ask AWS, not a Coffer server")
	fs.StringArrayVar(&f.profiles, "also-profile", nil, "`profile` of a further account to see; may be repeated")
	fs.StringArrayVar(&f.saved, "saved", nil, "`directory` of saved answers, in place of asking; may be repeated")
	fs.StringVar(&f.save, "save", "", "`directory` to save the answers in, one below it for each account")
	fs.StringArrayVar(&f.assume, "assume", nil, "condition `key=value` that holds of every request; may be repeated")
	fs.StringVar(&f.principal, "principal", "", "answer for one principal only, and exit with 1 if it is NO")
	fs.StringVar(&f.owner, "owner", "", "`account` that owns the bucket, if it is none of those seen")
	fs.StringVar(&f.assert, "assert", "", "exit with 1 if an answer is wider than in this `file`, the --json output of an earlier run")
	fs.BoolVar(&f.verify, "verify", false, "prove each answer with a real request, on a Coffer server")
}

// A usageError is one of the arguments.
type usageError struct{ error }

// A whoCanTarget is what a question is about.
type whoCanTarget struct {
	verb                 access.Verb
	text                 string
	bucket, key, version string
	kmsKey               string
}

func parseTarget(verb, text string) (*whoCanTarget, error) {
	t := &whoCanTarget{verb: access.Verb(verb), text: text}
	if !slices.Contains([]access.Verb{access.Read, access.Write, access.Delete, access.Decrypt, access.Administer}, t.verb) {
		return nil, fmt.Errorf("%q is not read, write, delete, decrypt or administer", verb)
	}
	if text == "" {
		return nil, errors.New("the target is empty")
	}
	rest, isS3 := strings.CutPrefix(text, "s3://")
	if !isS3 {
		if t.verb != access.Decrypt && t.verb != access.Administer {
			return nil, fmt.Errorf("to %s, the target must be s3://BUCKET/KEY", verb)
		}
		t.kmsKey = text
		return t, nil
	}
	t.bucket, t.key, _ = strings.Cut(rest, "/")
	if name, query, ok := strings.Cut(t.key, "?versionId="); ok {
		t.key, t.version = name, query
	}
	switch {
	case t.bucket == "":
		return nil, errors.New("the target names no bucket")
	case t.verb == access.Decrypt:
		return nil, errors.New("decrypt is about a key: to get at an object, ask who can read it")
	case t.verb != access.Administer && t.key == "":
		return nil, fmt.Errorf("to %s, the target must be s3://BUCKET/KEY", verb)
	case t.verb == access.Administer && t.key != "":
		return nil, errors.New("to administer, the target is s3://BUCKET or a key")
	}
	return t, nil
}

// answer sees the accounts and answers.
func (f *whoCanFlags) answer(ctx context.Context, e *environment, t *whoCanTarget) (*whoCanView, error) {
	w := &access.World{Assume: make(map[string][]string), Secure: true}
	for _, a := range f.assume {
		k, v, ok := strings.Cut(a, "=")
		if !ok || k == "" {
			return nil, &usageError{fmt.Errorf("--assume %q is not key=value", a)}
		}
		k = strings.ToLower(k)
		w.Assume[k] = append(w.Assume[k], v)
	}
	var all []access.Saved
	var asker *asker
	if len(f.saved) > 0 {
		for _, dir := range f.saved {
			s, err := readSaved(dir)
			if err != nil {
				return nil, err
			}
			all = append(all, s)
		}
	} else {
		var err error
		if asker, err = f.ask(ctx, e, t); err != nil {
			return nil, err
		}
		w.Secure = asker.secure
		all = asker.saved()
	}
	if f.save != "" {
		if err := writeSaved(f.save, all); err != nil {
			return nil, err
		}
	}
	for _, s := range all {
		if err := w.Load(s); err != nil {
			return nil, err
		}
	}
	if err := w.Organize(all); err != nil {
		return nil, err
	}
	q, err := t.question(w, all, f.owner)
	if err != nil {
		return nil, err
	}
	view := &whoCanView{Verb: t.verb, Target: t.text}
	if q.Object != nil {
		view.Key = q.Object.KeyARN
	} else if q.Key != nil {
		view.Key = q.Key.ARN
	}
	if view.Answers, err = w.Answers(q); err != nil {
		return nil, err
	}
	if f.verify {
		if view.Verified, err = asker.verify(ctx, t, q, view.Answers); err != nil {
			return nil, err
		}
	}
	return view, nil
}

// question finds the target among what was seen.
func (t *whoCanTarget) question(w *access.World, all []access.Saved, owner string) (*access.Question, error) {
	q := &access.Question{Verb: t.verb}
	if t.kmsKey != "" {
		s, keyARN, err := findKey(all, t.kmsKey)
		if err != nil {
			return nil, err
		}
		q.Key, err = w.AddKey(s, keyARN)
		return q, err
	}
	s := all[0]
	for _, other := range all {
		if has, err := other.OwnsBucket(t.bucket); err != nil {
			return nil, err
		} else if has {
			s = other
			break
		}
	}
	b, err := s.Bucket(t.bucket, owner)
	if err != nil {
		return nil, err
	}
	if t.verb == access.Administer {
		q.Bucket = b
		return q, nil
	}
	if q.Object, err = s.Object(b, t.key, t.version); err != nil {
		return nil, err
	}
	for _, name := range []string{q.Object.KeyARN, b.KeyARN} {
		if name == "" || slices.ContainsFunc(w.Keys, func(k *access.Key) bool { return k.ARN == name }) {
			continue
		}
		a, err := arn.Parse(name)
		if err != nil {
			return nil, fmt.Errorf("the key of the object: %w", err)
		}
		from := s
		for _, other := range all {
			if id, err := other.AccountID(); err == nil && id == a.Account {
				from = other
			}
		}
		if _, err := w.AddKey(from, name); err != nil {
			return nil, err
		}
	}
	return q, nil
}

// findKey returns the ARN of a key by ARN, ID or alias, and the answers of its
// account.
func findKey(all []access.Saved, name string) (access.Saved, string, error) {
	for _, s := range all {
		keyARN, err := s.FindKey(name)
		if err != nil {
			return nil, "", err
		}
		if keyARN != "" {
			return s, keyARN, nil
		}
	}
	return nil, "", fmt.Errorf("no account that was seen has a key %s", name)
}

// maxSaved bounds one saved answer, in bytes.
const maxSaved = 256 << 20

// readSaved reads a directory of saved answers.
func readSaved(dir string) (access.Saved, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	s := make(access.Saved)
	for _, entry := range entries {
		name, ok := strings.CutSuffix(entry.Name(), ".json")
		if !ok || entry.IsDir() {
			continue
		}
		file, err := root.Open(entry.Name())
		if err != nil {
			return nil, err
		}
		b, err := io.ReadAll(io.LimitReader(file, maxSaved+1))
		if err = errors.Join(err, file.Close()); err != nil {
			return nil, err
		}
		if len(b) > maxSaved || !json.Valid(b) {
			return nil, fmt.Errorf("%s/%s is not JSON of at most %d bytes", dir, entry.Name(), maxSaved)
		}
		s[name] = b
	}
	if len(s) == 0 {
		return nil, fmt.Errorf("%s holds no saved answers", dir)
	}
	return s, nil
}

// writeSaved writes the answers of each account into a directory of its own.
func writeSaved(dir string, all []access.Saved) error {
	for _, s := range all {
		id, err := s.AccountID()
		if err != nil {
			return err
		}
		if err := os.MkdirAll(dir+"/"+id, 0o700); err != nil {
			return err
		}
		for name, b := range s {
			if err := os.WriteFile(dir+"/"+id+"/"+name+".json", b, 0o600); err != nil {
				return err
			}
		}
	}
	return nil
}

// exit returns the exit code: 1 for an answer wider than the asserted one, a
// request that proved an answer wrong, or the NO of one principal.
func (f *whoCanFlags) exit(e *environment, view *whoCanView) int {
	exit := exitOK
	if f.assert != "" {
		b, err := os.ReadFile(f.assert)
		var want whoCanView
		if err == nil {
			err = json.Unmarshal(b, &want)
		}
		if err != nil {
			return e.failed("who-can", fmt.Errorf("read the asserted answers: %w", err))
		}
		if want.Verb != view.Verb || want.Target != view.Target {
			return e.misuse("who-can", fmt.Errorf("%s asserts who can %s %s", f.assert, want.Verb, want.Target))
		}
		for _, r := range view.Answers {
			if wider := widerThan(&want, &r); wider != "" {
				fmt.Fprintf(e.stderr, "coffer who-can: wider than asserted: %s %s\n", r.Principal, wider)
				exit = exitNegative
			}
		}
	}
	for _, r := range view.Answers {
		if v := view.Verified[r.Principal]; strings.HasPrefix(v, "WRONG") {
			fmt.Fprintf(e.stderr, "coffer who-can: %s: %s\n", r.Principal, v)
			exit = exitNegative
		}
		if f.principal != "" && r.Answer == access.No {
			exit = exitNegative
		}
	}
	return exit
}

// widerThan says how an answer is wider than the asserted one, or "".
func widerThan(want *whoCanView, r *access.Row) string {
	was := access.No
	for _, w := range want.Answers {
		if w.Principal == r.Principal {
			was = w.Answer
			if len(r.Escalations) > 0 && len(w.Escalations) == 0 && w.Answer == access.No {
				return "could give itself access: " + strings.Join(r.Escalations[0].Steps, ", then ")
			}
		}
	}
	if r.Answer > was {
		return fmt.Sprintf("is %s, was %s", r.Answer, was)
	}
	return ""
}

// printWhoCan prints the answers for people.
func printWhoCan(out io.Writer, view *whoCanView) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Who can %s %s", view.Verb, view.Target)
	if view.Key != "" && view.Key != view.Target {
		fmt.Fprintf(&b, " (under %s)", view.Key)
	}
	b.WriteString("\n\n")
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, r := range view.Answers {
		fmt.Fprintf(w, "%s\t%s\t%s", r.Answer, r.Principal, rowReason(&r))
		if v := view.Verified[r.Principal]; v != "" {
			fmt.Fprintf(w, "\t%s", v)
		}
		fmt.Fprintln(w)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	printList(&b, "Allowed by S3 and refused by KMS", view.Answers, func(r *access.Row) []string {
		if r.FetchesOnly {
			return []string{""}
		}
		return nil
	})
	printList(&b, "Could give themselves access", view.Answers, func(r *access.Row) []string {
		var list []string
		for _, x := range r.Escalations {
			list = append(list, strings.Join(x.Steps, ", then "))
		}
		return list
	})
	_, err := io.WriteString(out, b.String())
	return err
}

// printList prints a section on the principals for which of returns anything.
func printList(b *strings.Builder, title string, rows []access.Row, of func(*access.Row) []string) {
	first := true
	for i := range rows {
		for _, text := range of(&rows[i]) {
			if first {
				fmt.Fprintf(b, "\n%s\n", title)
				first = false
			}
			fmt.Fprintf(b, "  %s", rows[i].Principal)
			if text != "" {
				fmt.Fprintf(b, ": %s", text)
			}
			b.WriteByte('\n')
		}
	}
}

// rowReason says in a line how an answer came about.
func rowReason(r *access.Row) string {
	var parts []string
	if len(r.Actions) > 0 {
		parts = append(parts, strings.Join(r.Actions, " "))
	}
	for _, s := range r.Steps {
		if s.Answer != r.Answer && r.Answer != access.YesIf {
			continue
		}
		text := s.Because
		if s.Action != "" && len(r.Actions) == 0 {
			text = s.Action + ": " + text
		}
		for _, c := range s.If {
			text += "; " + conditionText(&c)
		}
		parts = append(parts, text)
		if r.Answer == access.No {
			break
		}
	}
	return strings.Join(parts, "; ")
}

func conditionText(c *access.Condition) string {
	text := c.Text
	if c.Key != "" {
		text = c.Operator + " " + c.Key + " " + quoted(c.Values)
	}
	if !c.Holds {
		return "if not " + text
	}
	return "if " + text
}
