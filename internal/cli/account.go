package cli

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"text/tabwriter"
	"time"
)

// An accountView is an account as coffer account prints it.
type accountView struct {
	ID           string    `json:"id"`
	Name         string    `json:"name"`
	Email        string    `json:"email"`
	ARN          string    `json:"arn"`
	Created      time.Time `json:"created"`
	Organization string    `json:"organization,omitempty"`
}

// newAccountView is the --json output of coffer account create.
type newAccountView struct {
	Account         accountView `json:"account"`
	AccessKeyID     string      `json:"accessKeyId"`
	SecretAccessKey string      `json:"secretAccessKey"`
}

// accountList is the --json output of coffer account list.
type accountList struct {
	Accounts []accountView `json:"accounts"`
	Next     string        `json:"next,omitempty"` // of a page of the server's
}

// account runs coffer account.
func account(ctx context.Context, e *environment, args []string) int {
	const text = `Accounts of a server.

Usage: coffer account create NAME [flags]
       coffer account list [flags]

Examples:
  coffer account create staging >> ~/.aws/credentials
  coffer account list --json

'coffer account create --help' shows the flags.
`
	verb := ""
	if len(args) > 0 {
		verb = args[0]
	}
	switch verb {
	case "create":
		return createAccount(ctx, e, args[1:])
	case "list":
		return listAccounts(ctx, e, args[1:])
	case "-h", "--help", "help":
		fmt.Fprint(e.stdout, text)
		return exitOK
	case "":
		fmt.Fprint(e.stderr, text)
		return exitUsage
	}
	return e.misuse("account", fmt.Errorf("%q is neither create nor list", verb))
}

func createAccount(ctx context.Context, e *environment, args []string) int {
	fs := e.flags("account create NAME [flags]", "Make an account of the server with a root access key, and print the key in the format of the AWS\n"+
		"shared credentials file, as the profile NAME. It is shown this once. NAME is 1 to 50 letters, digits and _ . -", `
coffer account create staging >> ~/.aws/credentials
coffer account create staging --id 210987654321 --email staging@example.com --json`)
	email := fs.String("email", "", "e-mail `address` of the account, which no other has (default ID@account.invalid)")
	id := fs.String("id", "", "`ID` of the account, 12 digits (default random)")
	f := e.clientFlags(fs)
	if exit, ok := e.parse(fs, args, 1); !ok {
		return exit
	}
	if fs.NArg() == 0 {
		return e.misuse("account", errors.New("create needs the NAME of the account"))
	}
	c, err := e.client(ctx, f)
	if err != nil {
		return e.misuse("account", err)
	}
	in := struct {
		Name  string `json:"name"`
		Email string `json:"email,omitempty"`
		ID    string `json:"id,omitempty"`
	}{fs.Arg(0), *email, *id}
	var out newAccountView
	if err := c.call(ctx, "POST", "accounts", nil, in, &out); err != nil {
		return e.answered("account", err)
	}
	if f.json {
		err = e.printJSON(out)
	} else {
		_, err = fmt.Fprintf(e.stdout, "[%s]\naws_access_key_id = %s\naws_secret_access_key = %s\naws_account_id = %s\n",
			out.Account.Name, out.AccessKeyID, out.SecretAccessKey, out.Account.ID)
	}
	if err != nil {
		return e.failed("account", fmt.Errorf("account %s was made, but its key could not be printed: %w", out.Account.ID, err))
	}
	return exitOK
}

// answered ends a command with an error of the server: what it finds wrong with
// the arguments is a misuse.
func (e *environment) answered(name string, err error) int {
	if refused, ok := errors.AsType[*apiError](err); ok && refused.Code == "ValidationException" {
		return e.misuse(name, errors.New(refused.Message))
	}
	return e.failed(name, err)
}

func listAccounts(ctx context.Context, e *environment, args []string) int {
	fs := e.flags("account list [flags]", "List the accounts of the server.", `
coffer account list
coffer account list --endpoint-url https://coffer.example.com --profile admin --json`)
	f := e.clientFlags(fs)
	if exit, ok := e.parse(fs, args, 0); !ok {
		return exit
	}
	c, err := e.client(ctx, f)
	if err != nil {
		return e.misuse("account", err)
	}
	all := accountList{Accounts: []accountView{}}
	for after := ""; ; {
		var page accountList
		if err := c.call(ctx, "GET", "accounts", url.Values{"after": {after}}, nil, &page); err != nil {
			return e.answered("account", err)
		}
		all.Accounts = append(all.Accounts, page.Accounts...)
		if page.Next == "" || page.Next <= after {
			break
		}
		after = page.Next
	}
	if f.json {
		err = e.printJSON(all)
	} else {
		w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "ID\tNAME\tEMAIL\tCREATED\tORGANIZATION")
		for _, a := range all.Accounts {
			fmt.Fprintf(w, "%s\t%q\t%q\t%s\t%s\n", a.ID, a.Name, a.Email, a.Created.UTC().Format(time.RFC3339), a.Organization)
		}
		err = w.Flush()
	}
	if err != nil {
		return e.failed("account", err)
	}
	return exitOK
}
