package iam

import (
	"context"
	"strings"

	"coffer/internal/authn"
)

// alias checks the alias of an account.
func (v *checker) alias(value string) {
	if v.required("accountAlias", value) {
		v.text("accountAlias", value, 3, 63, `^[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]$`, func(s string) bool {
			return strings.ToLower(s) == s && only(s, "-") && !strings.HasPrefix(s, "-") && !strings.HasSuffix(s, "-") && !strings.Contains(s, "--")
		})
	}
}

// CreateAccountAliasInput is the request of [Service.CreateAccountAlias].
type CreateAccountAliasInput struct{ AccountAlias string }

// CreateAccountAlias gives the account an alias in the place of the one that it
// had.
//
// It returns a *awserr.Error with code ValidationError, AccessDenied or
// EntityAlreadyExists.
//
// Source: IAM API Reference, CreateAccountAlias, read 2026-11-21.
func (s *Service) CreateAccountAlias(ctx context.Context, c *authn.Caller, in *CreateAccountAliasInput) error {
	return do(ctx, s, c, "CreateAccountAlias", in, func(v *checker) {
		v.alias(in.AccountAlias)
	}, func(o *op) error {
		if err := o.ask(ctx, "*", nil); err != nil {
			return err
		}
		return about(s.identity.SetAlias(ctx, c.Account, in.AccountAlias, o.Record), "alias", in.AccountAlias)
	})
}

// DeleteAccountAliasInput is the request of [Service.DeleteAccountAlias].
type DeleteAccountAliasInput struct{ AccountAlias string }

// DeleteAccountAlias takes the alias from the account.
//
// It returns a *awserr.Error with code ValidationError, AccessDenied or
// NoSuchEntity.
//
// Source: IAM API Reference, DeleteAccountAlias, read 2026-11-21.
func (s *Service) DeleteAccountAlias(ctx context.Context, c *authn.Caller, in *DeleteAccountAliasInput) error {
	return do(ctx, s, c, "DeleteAccountAlias", in, func(v *checker) {
		v.alias(in.AccountAlias)
	}, func(o *op) error {
		if err := o.ask(ctx, "*", nil); err != nil {
			return err
		}
		return about(s.identity.DeleteAlias(ctx, c.Account, in.AccountAlias, o.Record), "alias", in.AccountAlias)
	})
}

// ListAccountAliasesInput is the request of [Service.ListAccountAliases].
type ListAccountAliasesInput struct{ Paging }

// ListAccountAliasesOutput is the answer of [Service.ListAccountAliases].
type ListAccountAliasesOutput struct {
	AccountAliases []string
	Paged
}

// ListAccountAliases returns the alias of the account, if it has one.
//
// It returns a *awserr.Error with code ValidationError or AccessDenied.
//
// Source: IAM API Reference, ListAccountAliases, read 2026-11-21.
func (s *Service) ListAccountAliases(ctx context.Context, c *authn.Caller, in *ListAccountAliasesInput) (*ListAccountAliasesOutput, error) {
	return run(ctx, s, c, "ListAccountAliases", in, func(v *checker) {
		v.page(&in.Paging)
	}, func(o *op) (*ListAccountAliasesOutput, error) {
		if err := o.ask(ctx, "*", nil); err != nil {
			return nil, err
		}
		alias, err := s.identity.Alias(ctx, c.Account)
		if err != nil {
			return nil, err
		}
		var all []string
		if alias != "" {
			all = []string{alias}
		}
		page, more, err := cut(&in.Paging, "aliases", all, func(a string) string { return a })
		return &ListAccountAliasesOutput{page, more}, err
	})
}
