package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"time"

	"coffer/internal/policy"
)

// maxLine bounds one line of input in bytes. A case with a policy of each kind at
// its greatest length has a hundredth of it.
const maxLine = 16 << 20

func simulate(ctx context.Context, e *environment, args []string) int {
	fs := e.flags("simulate [FILE...]", "Decide authorization cases: one JSON object on each line of the files, or of standard input, and one\n"+
		"answer for each, in order. Nothing but the case is looked at: no server, no account.", `
coffer simulate cases.jsonl
echo '{"request": {"principal": "arn:aws:iam::111122223333:user/alice", "action": "s3:GetObject",
       "resource": "arn:aws:s3:::tour/a"}, "identityPolicies": [...]}' | coffer simulate`)
	if exit, ok := e.parse(fs, args, math.MaxInt); !ok {
		return exit
	}
	names := fs.Args()
	if len(names) == 0 {
		names = []string{"-"}
	}
	sim := newSimulator(time.Now)
	out := bufio.NewWriterSize(e.stdout, 256<<10)
	for _, name := range names {
		err := sim.file(ctx, e, name, out)
		if flushErr := out.Flush(); err == nil {
			err = flushErr
		}
		if err != nil {
			return e.failed("simulate", err)
		}
	}
	return exitOK
}

// file answers the lines of one file, or of standard input if it is called "-".
func (sim *simulator) file(ctx context.Context, e *environment, name string, out *bufio.Writer) error {
	in := e.stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	return sim.answerAll(ctx, in, out)
}

// answerAll answers every line of in. It writes what it has whenever it has to wait
// for more input.
func (sim *simulator) answerAll(ctx context.Context, in io.Reader, out *bufio.Writer) error {
	lines := lineReader{r: bufio.NewReaderSize(in, 256<<10)}
	var b []byte
	for {
		if lines.r.Buffered() == 0 {
			if err := out.Flush(); err != nil {
				return err
			}
		}
		line, err := lines.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil && !errors.Is(err, errLongLine) {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		b = sim.answer(b[:0], line, err)
		if _, err := out.Write(b); err != nil {
			return err
		}
	}
}

var errLongLine = fmt.Errorf("the line is longer than %d MiB", maxLine>>20)

// A lineReader reads lines of up to maxLine bytes.
type lineReader struct {
	r    *bufio.Reader
	long []byte // the line that is longer than the buffer of r
}

// next returns the next line, which is valid until the call after. It returns
// errLongLine for a line that is too long, which it skips, and io.EOF at the end.
func (l *lineReader) next() ([]byte, error) {
	line, err := l.r.ReadSlice('\n')
	if err == nil || errors.Is(err, io.EOF) && len(line) > 0 {
		return line, nil
	}
	if !errors.Is(err, bufio.ErrBufferFull) {
		return nil, err
	}
	l.long = l.long[:0]
	for errors.Is(err, bufio.ErrBufferFull) {
		if len(l.long) <= maxLine {
			l.long = append(l.long, line...)
		}
		line, err = l.r.ReadSlice('\n')
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if l.long = append(l.long, line...); len(l.long) > maxLine {
		l.long = nil
		return nil, errLongLine
	}
	return l.long, nil
}

// A simulator decides cases, one after the other.
type simulator struct {
	now   func() time.Time
	c     testCase
	cache policyCache

	// What earlier cases had, by its text.
	strings    map[string]string
	lower      map[string]string
	principals map[string]policy.Principal
	places     map[string][]string
}

func newSimulator(now func() time.Time) *simulator {
	return &simulator{
		now: now, c: testCase{context: caseContext{}}, cache: newPolicyCache(),
		strings: map[string]string{}, lower: map[string]string{}, principals: map[string]policy.Principal{}, places: map[string][]string{},
	}
}

// answer appends the answer to a line that was read with an error or without.
func (sim *simulator) answer(b, line []byte, err error) []byte {
	var in *policy.Input
	if err == nil {
		in, err = sim.decode(line)
	}
	if err != nil {
		b = append(b, `{"id":`...)
		b = appendID(b, findID(line))
		b = append(b, `,"decision":"ERROR","reason":`...)
		b = appendJSON(b, "malformed case: "+err.Error())
		return append(b, `,"statements":[]}`+"\n"...)
	}
	d := policy.Evaluate(in)
	if isFree(in) {
		d = policy.Decision{Allowed: true, Layer: layerFree}
	}
	b = append(b, `{"id":`...)
	b = appendID(b, sim.c.id)
	if d.Allowed {
		b = append(b, `,"decision":"ALLOW","reason":`...)
	} else {
		b = append(b, `,"decision":"DENY","reason":`...)
	}
	b = appendJSON(b, reason(in, &d))
	b = append(b, `,"statements":[`...)
	b = appendStatements(b, in, &d)
	return append(b, "]}\n"...)
}

func appendID(b, id []byte) []byte {
	if id == nil {
		return append(b, "null"...)
	}
	return append(b, id...)
}

// A policyCache keeps the policies that cases had, by their text, since cases repeat
// them.
type policyCache struct {
	kinds map[policy.Kind]map[string]parsed
	bytes int
}

type parsed struct {
	policy *policy.Policy
	err    error
}

// maxCached bounds the text of the policies that are kept, in bytes. Beyond it all
// are forgotten.
const maxCached = 64 << 20

func newPolicyCache() policyCache { return policyCache{kinds: map[policy.Kind]map[string]parsed{}} }

// policy reads a policy of a kind.
func (sim *simulator) policy(s *scanner, kind policy.Kind) (*policy.Policy, error) {
	if s.peek() != '{' {
		return nil, errors.New("a policy is an object")
	}
	text, err := s.raw()
	if err != nil {
		return nil, err
	}
	c := &sim.cache
	known := c.kinds[kind]
	if p, ok := known[string(text)]; ok {
		return p.policy, p.err
	}
	if c.bytes > maxCached {
		*c, known = newPolicyCache(), nil
	}
	if known == nil {
		known = map[string]parsed{}
		c.kinds[kind] = known
	}
	var p parsed
	p.policy, p.err = parsePolicy(text, kind)
	c.bytes += len(text)
	known[string(text)] = p
	return p.policy, p.err
}

// parsePolicy parses a policy. Two things that Parse refuses stand in cases all the
// same: RCPFullAWSAccess, which only AWS may write and which is on every level of an
// organization, and the resource of a trust policy, which is the role.
func parsePolicy(text []byte, kind policy.Kind) (*policy.Policy, error) {
	p, err := policy.Parse(string(text), kind)
	if err != nil && kind == policy.KindTrust {
		if p, otherErr := policy.Parse(string(text), policy.KindResource); otherErr == nil {
			return p, nil
		}
	}
	if err == nil || kind != policy.KindRCP {
		return p, err
	}
	loaded, loadErr := policy.Load(string(text), kind)
	if loadErr != nil || !bytes.Contains(text, []byte("Allow")) || loaded.Unknown != "" || len(loaded.Statements) != 1 {
		return nil, err
	}
	st := &loaded.Statements[0]
	isFull := st.Effect == policy.Allow && st.Principal != nil && st.Principal.Any && !st.NotPrinc &&
		!st.NotAction && len(st.Actions) == 1 && st.Actions[0] == "*" && !st.NotRes && len(st.Resources) == 1 && st.Resources[0] == "*" && len(st.Conditions) == 0
	if !isFull {
		return nil, err
	}
	return policy.FullAWSAccess(kind), nil
}
