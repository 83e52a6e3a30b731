package pkcs11

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"coffer/internal/rootseal"
)

// A client asks a helper, and starts it anew when it died. Calls are not
// concurrent.
type client struct {
	cfg    Config
	helper string

	running *process
	number  uint32
	token   string // what the last open said
	refused error  // the token refused the PIN: no call may try again
}

func newClient(cfg Config) (*client, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultTimeout
	}
	helper, err := cfg.helper()
	if err != nil {
		return nil, err
	}
	return &client{cfg: cfg, helper: helper}, nil
}

// do asks the helper, which it starts if need be. If the helper or its session
// dies, do asks once more when again allows it.
func (c *client) do(ctx context.Context, r *Request, again bool) (*Answer, error) {
	fresh := c.running == nil
	a, err := c.try(ctx, r)
	if again && !fresh && (errors.Is(err, ErrHelper) || errors.Is(err, errLost)) && ctx.Err() == nil {
		a, err = c.try(ctx, r)
	}
	return a, err
}

// errLost means that the session with the token ended, and the helper with it.
var errLost = errors.New("the session with the token ended")

func (c *client) try(ctx context.Context, r *Request) (*Answer, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	if c.running == nil {
		if err := c.open(ctx); err != nil {
			c.Close()
			return nil, err
		}
	}
	return c.ask(ctx, r)
}

// open starts the helper and opens the token.
func (c *client) open(ctx context.Context) error {
	if c.refused != nil {
		return c.refused
	}
	var err error
	if c.running, err = start(c.helper); err != nil {
		return fmt.Errorf("%w: %w", ErrHelper, err)
	}
	pin, err := c.cfg.pin()
	if err != nil {
		return err
	}
	defer clear(pin)
	a, err := c.ask(ctx, &Request{Op: OpOpen, Module: c.cfg.Module, Token: c.cfg.Token, Serial: c.cfg.Serial, PIN: pin})
	if errors.Is(err, ErrPIN) || errors.Is(err, ErrPINLocked) {
		c.refused = err
	}
	if err != nil {
		return err
	}
	c.token = a.Text
	return nil
}

// ask asks the running helper. When the answer does not come, or the token failed,
// the helper is killed, and the next call has another one.
func (c *client) ask(ctx context.Context, r *Request) (*Answer, error) {
	c.number++
	r.Number = c.number
	message := AppendRequest(make([]byte, 0, 1024), r)
	defer clear(message)
	p := c.running
	stop := context.AfterFunc(ctx, p.kill)
	b, err := p.exchange(message)
	if !stop() {
		c.Close()
		return nil, fmt.Errorf("the token did not answer: %w", context.Cause(ctx))
	}
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("%w: %w", ErrHelper, err)
	}
	defer clear(b)
	a, err := ParseAnswer(b, r.Op)
	if err == nil && a.Number != r.Number {
		err = errWire
	}
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("%w: %w", ErrHelper, err)
	}
	err = statusError(a)
	if a.Status == StatusLost || a.Status == StatusFailed {
		c.Close() // modules that lost their device say so in many ways
	}
	return a, err
}

var statusErrors = map[Status]error{
	StatusNotFound:  rootseal.ErrNoRoot,
	StatusExists:    rootseal.ErrExists,
	StatusPIN:       ErrPIN,
	StatusPINLocked: ErrPINLocked,
	StatusNoToken:   ErrToken,
	StatusModule:    ErrModule,
	StatusUnsafe:    ErrUnsafe,
	StatusLost:      errLost,
}

func statusError(a *Answer) error {
	if a.Status == StatusOK {
		return nil
	}
	text := printable(a.Text)
	if err := statusErrors[a.Status]; err != nil {
		return fmt.Errorf("%w: %s", err, text)
	}
	return errors.New(text)
}

// printable makes text of a token's answer fit for a log.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return '?'
		}
		return r
	}, s[:min(len(s), 512)])
}

// Close ends the helper. The next call starts one.
func (c *client) Close() error {
	if c.running != nil {
		c.running.end()
		c.running = nil
	}
	return nil
}

// A process is a running helper.
type process struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  io.ReadCloser
	gone chan struct{} // closed when it has ended
}

// start starts the helper. It dies with this process: its standard input ends
// then, and the kernel is asked to kill it.
func start(helper string) (*process, error) {
	cmd := exec.Command(helper)
	cmd.Env = environment(os.Environ())
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	tie(cmd)
	p := &process{cmd: cmd, in: in, out: out, gone: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The kernel kills the helper when the thread that started it ends, so
		// that thread waits for it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			cmd.Process.Wait()
		}
		close(p.gone)
	}()
	if err := <-started; err != nil {
		in.Close()
		out.Close()
		return nil, err
	}
	return p, nil
}

// environment returns what modules are configured by, without what is meant for
// coffer, which may be secret.
func environment(all []string) []string {
	var kept []string
	for _, e := range all {
		if !strings.HasPrefix(e, "COFFER_") && !strings.HasPrefix(e, "AWS_") {
			kept = append(kept, e)
		}
	}
	return kept
}

func (p *process) exchange(message []byte) ([]byte, error) {
	if err := WriteFrame(p.in, message); err != nil {
		return nil, err
	}
	return ReadFrame(p.out)
}

func (p *process) kill() { p.cmd.Process.Kill() }

func (p *process) end() {
	p.in.Close()
	p.kill()
	<-p.gone
	p.out.Close()
}
