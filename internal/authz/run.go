package authz

import (
	"context"

	"coffer/internal/authn"
)

// Run runs one operation of a service as one call: begun, recorded and ended once.
// answer turns an error into the one that the client and the trail see. An output
// with a method Wipe is wiped if it can't be given because the call could not be
// recorded.
func Run[Output any](ctx context.Context, g *Gate, c *authn.Caller, op Operation, answer func(error) error, act func(*Call) (*Output, error)) (*Output, error) {
	call := g.Begin(c, op)
	out, err := act(call)
	if err != nil {
		err = answer(err)
	}
	if ended := call.End(ctx, err); ended != nil {
		if ended != err {
			ended = answer(ended)
		}
		if secret, ok := any(out).(interface{ Wipe() }); ok && out != nil {
			secret.Wipe()
		}
		return nil, ended
	}
	return out, nil
}
