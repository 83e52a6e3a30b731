package opsapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"coffer/internal/admin"
	"coffer/internal/authn"
)

// A newAccount is the answer of CreateAccount: the one place where the secret of a
// new root access key leaves the server.
type newAccount struct {
	Account         admin.Account `json:"account"`
	AccessKeyID     string        `json:"accessKeyId"`
	SecretAccessKey string        `json:"secretAccessKey"`
}

// accountsPath is where accounts are made and listed.
const accountsPath = "accounts"

func (h *Handler) createAccount(ctx context.Context, c *authn.Caller, in *admin.CreateAccountInput) (*newAccount, error) {
	out, err := h.cfg.Admin.CreateAccount(ctx, c, in)
	if err != nil {
		return nil, err
	}
	return &newAccount{out.Account, out.AccessKey.ID, out.AccessKey.Secret.Reveal()}, nil
}

// listAccounts lists accounts from behind the ID in the parameter after.
func (h *Handler) listAccounts(r *http.Request, c *authn.Caller, _ string) (*admin.ListAccountsOutput, error) {
	return h.cfg.Admin.ListAccounts(r.Context(), c, &admin.ListAccountsInput{After: r.URL.Query().Get("after")})
}

// unmarshal decodes one flat JSON object strictly: a member that is unknown or
// stands twice is an error, and two letter cases are one name.
func unmarshal(body []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errMalformed
	}
	d = json.NewDecoder(bytes.NewReader(body))
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return errMalformed
	}
	seen := make(map[string]bool)
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		s, ok := name.(string)
		if s = strings.ToLower(s); !ok || seen[s] {
			return errMalformed
		}
		seen[s] = true
		if err := d.Decode(new(json.RawMessage)); err != nil {
			return err
		}
	}
	return nil
}

var errMalformed = errors.New("opsapi: body is not one JSON object, or a member stands twice")
