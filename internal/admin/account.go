package admin

import (
	"context"
	"fmt"
	"strings"
	"time"

	"coffer/internal/arn"
	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/awserr"
	"coffer/internal/backup"
	"coffer/internal/identity"
	"coffer/internal/meta"
	"coffer/internal/organization"
)

// answers is the table from the errors of the domains to those of the clients.
var answers = []struct {
	err    error
	status int
	code   string
	text   string
}{
	{organization.ErrAccountExists, 409, "AccountAlreadyExistsException", "Another account has this name or ID."},
	{organization.ErrEmailExists, 409, "EmailAlreadyExistsException", "Another account has this e-mail address."},
	{organization.ErrTooManyAccounts, 400, "LimitExceededException", "The organization can't hold more accounts."},
	{backup.ErrBusy, 400, "LimitExceededException", "As many backups are under way as may be. One that nobody asks for ends after five minutes."},
	{backup.ErrNotUnderWay, 404, "ResourceNotFoundException", "The backup is not under way any more: it ended, or nobody asked for the rest of it for five minutes."},
	{backup.ErrOrder, 400, "ValidationException", "The pages of a backup are asked for in order, and files by the page that names them."},
	{meta.ErrCorrupt, 500, "DataIntegrityException", "A row of the metadata is damaged: run coffer fsck. The server's log names the row."},
	{organization.ErrInvalid, 400, "ValidationException", "id must be 12 digits, and email an address of 6 to 64 characters."},
}

// maxName is the longest account name, in characters.
//
// Source: AWS Organizations API Reference, CreateAccount, AccountName, read
// 2026-11-21.
const maxName = 50

// CreateAccountInput is the request of CreateAccount.
type CreateAccountInput struct {
	Name  string `json:"name"`
	Email string `json:"email"`
	ID    string `json:"id"`
}

// An Account is an account of the server.
type Account struct {
	ID           string    `json:"id"`
	Name         string    `json:"name"`
	Email        string    `json:"email"`
	ARN          string    `json:"arn"` // of its root user
	Created      time.Time `json:"created"`
	Organization string    `json:"organization,omitempty"`
}

func describe(a *organization.Account) Account {
	return Account{ID: a.ID, Name: a.Name, Email: a.Email, ARN: arn.Root(a.ID), Created: a.Created, Organization: a.Org}
}

// CreateAccountOutput is the answer of CreateAccount. The secret of the key prints
// as [secret]; the front reveals it to the caller alone.
type CreateAccountOutput struct {
	Account   Account
	AccessKey identity.AccessKey
}

// CreateAccount makes an account with a root access key. The account belongs to the
// server's owner: it joins the owner's organization if there is one, and else the
// one that the owner creates later.
//
// It returns a *awserr.Error with code
//
//   - ValidationException for a name that is no profile name, an ID that is not 12
//     digits, or an e-mail address that is none,
//   - AccountAlreadyExistsException, EmailAlreadyExistsException,
//     LimitExceededException,
//   - AccessDeniedException or ServiceUnavailableException.
func (s *Service) CreateAccount(ctx context.Context, c *authn.Caller, in *CreateAccountInput) (*CreateAccountOutput, error) {
	return run(ctx, s, c, "CreateAccount", false, func(call *authz.Call) (*CreateAccountOutput, error) {
		call.Param("name", in.Name)
		if in.Email != "" {
			call.Param("email", in.Email)
		}
		if in.ID != "" {
			call.Param("id", in.ID)
		}
		if err := checkProfile(in.Name); err != nil {
			return nil, err
		}
		a, k, err := s.cfg.Organizations.CreateAccount(ctx,
			organization.NewAccount{ID: in.ID, Name: in.Name, Email: in.Email, Creator: s.cfg.Account, RootKey: true},
			func(tx meta.Txn, a *organization.Account) error {
				call.Response("id", a.ID)
				return call.Record(tx)
			})
		if err != nil {
			return nil, err
		}
		return &CreateAccountOutput{describe(a), k}, nil
	})
}

// checkProfile refuses a name that can't stand in brackets in a credentials file.
func checkProfile(name string) error {
	if name == "" || len(name) > maxName || strings.ContainsFunc(name, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("_.-", r))
	}) {
		return awserr.New(400, "ValidationException", "name must be 1 to %d letters, digits and _ . -", maxName)
	}
	return nil
}

// ListAccountsInput is the request of ListAccounts.
type ListAccountsInput struct {
	After string // an account ID; the page begins behind it
}

// ListAccountsOutput is the answer of ListAccounts.
type ListAccountsOutput struct {
	Accounts []Account `json:"accounts"`
	Next     string    `json:"next,omitempty"` // the After of the next page
}

// maxPage is how many accounts a page holds.
const maxPage = 1000

// ListAccounts lists the accounts of the server by ID, 1,000 to a page.
//
// It returns a *awserr.Error with code ValidationException, AccessDeniedException or
// ServiceUnavailableException.
func (s *Service) ListAccounts(ctx context.Context, c *authn.Caller, in *ListAccountsInput) (*ListAccountsOutput, error) {
	return run(ctx, s, c, "ListAccounts", true, func(*authz.Call) (*ListAccountsOutput, error) {
		if in.After != "" && (len(in.After) != 12 || strings.Trim(in.After, "0123456789") != "") {
			return nil, awserr.New(400, "ValidationException", "after must be an account ID.")
		}
		all, err := s.cfg.Organizations.Accounts(ctx)
		if err != nil {
			return nil, fmt.Errorf("list accounts: %w", err)
		}
		out := &ListAccountsOutput{Accounts: []Account{}}
		for _, a := range all {
			if a.ID <= in.After {
				continue
			}
			if len(out.Accounts) == maxPage {
				out.Next = out.Accounts[maxPage-1].ID
				break
			}
			out.Accounts = append(out.Accounts, describe(a))
		}
		return out, nil
	})
}
