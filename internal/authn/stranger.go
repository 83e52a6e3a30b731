package authn

import "net/http"

// Stranger returns what is known of the sender of a request whose signature does
// not hold: an anonymous caller. The trail names it in the record of the refusal.
func (a *Authenticator) Stranger(r *http.Request, service string, f Facts) *Caller {
	return a.caller(r, service, f)
}
