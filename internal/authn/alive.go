package authn

import (
	"context"
	"errors"
	"fmt"

	"coffer/internal/awserr"
	"coffer/internal/identity"
)

// errDead is the answer to a caller whose credentials ended during a request.
var errDead = awserr.New(403, "AccessDenied", "The credentials of the request are not valid any more.")

// Alive returns nil while the credentials of a caller hold: the access key is
// active, and temporary credentials have neither expired nor been revoked. It does
// not ask for the user or the role, which decisions look for themselves.
func (a *Authenticator) Alive(ctx context.Context, c *Caller) error {
	if s := c.Session; s != nil {
		if !a.cfg.Calendar().Before(s.ExpiresAt) || a.cfg.Entities.SessionRevoked(s.AccessKeyID) {
			return errDead
		}
		return nil
	}
	if c.AccessKeyID == "" {
		return nil // anonymous, or a service
	}
	k, err := a.cfg.Keys.Lookup(ctx, c.AccessKeyID)
	switch {
	case errors.Is(err, identity.ErrNoAccessKey):
		return errDead
	case err != nil:
		return fmt.Errorf("look up access key: %w", err)
	case k.Status != identity.Active:
		return errDead
	}
	return nil
}
