package cli

import (
	"fmt"
	"os"

	"golang.org/x/term"
)

// ask returns a function that asks at the terminal for a secret, without echo, or
// nil if standard input is no terminal.
func (e *environment) ask() func(prompt string) ([]byte, error) {
	f, ok := e.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return func(prompt string) ([]byte, error) {
		fmt.Fprint(e.stderr, prompt)
		b, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(e.stderr)
		return b, err
	}
}
