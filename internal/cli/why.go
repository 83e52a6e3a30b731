package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"coffer/internal/authz"
	"coffer/internal/policy"
)

// why runs coffer why.
func why(ctx context.Context, e *environment, args []string) int {
	fs := e.flags("why ID [flags]", "Explain a denied request by the authorization ID in its error message: each policy that was\n"+
		"evaluated, the statement that matched, and the condition that did not. The policies of the caller's\n"+
		"own account are shown. It needs coffer:ExplainDecision, which the root user has. Explanations are\n"+
		"kept for 24 hours.", `
coffer why 0001g8s7m1d6v4q2k9t0b5h3na
coffer why 0001g8s7m1d6v4q2k9t0b5h3na --profile admin --json`)
	f := e.clientFlags(fs)
	if exit, ok := e.parse(fs, args, 1); !ok {
		return exit
	}
	if fs.NArg() == 0 {
		return e.misuse("why", errors.New("needs the authorization ID of a denied request"))
	}
	id := fs.Arg(0)
	if id == "" || strings.Trim(id, "0123456789abcdefghijklmnopqrstuvwxyz") != "" {
		return e.misuse("why", errors.New("an authorization ID has digits and lower-case letters only"))
	}
	c, err := e.client(ctx, f)
	if err != nil {
		return e.misuse("why", err)
	}
	out := new(authz.Explanation)
	if err := c.call(ctx, "GET", "decisions/"+id, nil, nil, out); err != nil {
		return e.answered("why", err)
	}
	if f.json {
		err = e.printJSON(out)
	} else {
		err = printExplanation(e.stdout, out)
	}
	if err != nil {
		return e.failed("why", err)
	}
	return exitOK
}

// printExplanation prints an explanation for people.
func printExplanation(w io.Writer, x *authz.Explanation) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", x.Message)
	fmt.Fprintf(&b, "time       %s\n", x.Time.UTC().Format("2006-01-02T15:04:05Z"))
	fmt.Fprintf(&b, "principal  %s\n", x.Principal)
	fmt.Fprintf(&b, "action     %s\n", x.Action)
	fmt.Fprintf(&b, "resource   %s\n", x.Resource)
	if x.ResourceAccount != "" {
		fmt.Fprintf(&b, "owner      %s\n", x.ResourceAccount)
	}
	fmt.Fprintf(&b, "request    %s from %s\n", x.RequestID, x.SourceIP)
	if x.Evaluation != nil {
		printEvaluation(&b, x.Evaluation)
	}
	for _, l := range x.Withheld {
		fmt.Fprintf(&b, "\n%s: of the other account, not shown\n", l)
	}
	b.WriteString("\nCondition keys of the request\n")
	for _, k := range slices.SortedFunc(maps.Keys(x.Context), func(a, b string) int { return cmp.Compare(strings.ToLower(a), strings.ToLower(b)) }) {
		fmt.Fprintf(&b, "  %s = %s\n", k, quoted(x.Context[k]))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// printEvaluation prints what was evaluated: the kinds of policy, each policy, and
// each statement with what kept it from applying.
func printEvaluation(b *strings.Builder, x *policy.Explanation) {
	if len(x.Layers) > 0 {
		b.WriteString("\nKinds of policy\n")
	}
	for _, l := range x.Layers {
		fmt.Fprintf(b, "  %s%s: %s", l.Layer, level(l.Layer, l.Level), l.Outcome)
		if l.Reason != "" {
			fmt.Fprintf(b, ", because %s", l.Reason)
		}
		b.WriteByte('\n')
	}
	for _, p := range x.Policies {
		fmt.Fprintf(b, "\n%s%s %s\n", p.Layer, level(p.Layer, p.Level), p.Name)
		if p.Unknown != "" {
			fmt.Fprintf(b, "  not understood: %s\n", p.Unknown)
		}
		for _, s := range p.Statements {
			printStatement(b, &s)
		}
	}
	for _, g := range x.Grants {
		if g.Applies {
			fmt.Fprintf(b, "\ngrant %s applies\n", g.ID)
		} else {
			fmt.Fprintf(b, "\ngrant %s does not apply: the %s does not match\n", g.ID, g.Failed)
		}
	}
}

// level names the level of an organization.
func level(l policy.Layer, n int) string {
	if l != policy.LayerSCP && l != policy.LayerRCP {
		return ""
	}
	return fmt.Sprintf(" at level %d", n)
}

func printStatement(b *strings.Builder, s *policy.StatementExplanation) {
	name := fmt.Sprintf("[%d]", s.Index)
	if s.Sid != "" {
		name += " " + s.Sid
	}
	fmt.Fprintf(b, "  %s %s, line %d: ", name, s.Effect, s.Line)
	switch {
	case s.Applies:
		b.WriteString("applies")
	case s.Failed == policy.ElementUnknown:
		b.WriteString("does not apply: it is not understood")
	default:
		fmt.Fprintf(b, "does not apply: the %s does not match", s.Failed)
	}
	if s.Unknown != "" {
		fmt.Fprintf(b, " (not understood: %s)", s.Unknown)
	}
	b.WriteByte('\n')
	for _, c := range s.Conditions {
		has := "the request has " + quoted(c.Actual)
		if c.Missing {
			has = "the request does not have it"
		}
		holds := "holds"
		if !c.Holds {
			holds = "does not hold"
		}
		fmt.Fprintf(b, "      %s %s %s: %s; %s\n", c.Operator, c.Key, quoted(c.Wanted), holds, has)
	}
}

// quoted prints the values of a condition key.
func quoted(values []string) string {
	list := make([]string, len(values))
	for i, v := range values {
		list[i] = strconv.Quote(v)
	}
	if len(list) == 1 {
		return list[0]
	}
	return "[" + strings.Join(list, ", ") + "]"
}
