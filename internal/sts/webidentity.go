package sts

import "errors"

var (
	// errUnreachable means that the keys of an identity provider can't be fetched.
	errUnreachable = errors.New("sts: identity provider can't be reached")
	// errExpired means that a web identity token was good once.
	errExpired = errors.New("sts: web identity token has expired")
	// errInvalidToken means that a web identity token proves nothing.
	errInvalidToken = errors.New("sts: invalid web identity token")
)
