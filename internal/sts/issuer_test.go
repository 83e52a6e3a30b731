package sts

import (
	"net/http"
	"testing"
)

type issuer struct{ client *http.Client }

func newIssuer(*testing.T) *issuer { return &issuer{client: http.DefaultClient} }
