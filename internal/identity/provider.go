package identity

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"coffer/internal/arn"
	"coffer/internal/meta"
)

// Quotas and lengths of OpenID Connect providers.
//
// Source: IAM API Reference, CreateOpenIDConnectProvider, and IAM User Guide, "IAM
// and AWS STS quotas", read 2026-11-21.
const (
	MaxProviders   = 100
	MaxClientIDs   = 100
	MaxThumbprints = 5

	maxProviderURL = 255
	maxClientID    = 255
	thumbprintSize = 40 // hexadecimal digits of a SHA-1
)

// A Provider is an OpenID Connect identity provider.
type Provider struct {
	Account     string
	ARN         string // arn:aws:iam::ACCOUNT:oidc-provider/HOST/PATH
	URL         string // without https://
	ClientIDs   []string
	Thumbprints []string
	CreatedAt   time.Time
	Tags        []Tag
}

// NewProvider describes a provider to be made.
type NewProvider struct {
	URL         string // with https://
	ClientIDs   []string
	Thumbprints []string // of the issuer's certificate authority; may be empty
	Tags        []Tag
}

// providerURL returns an issuer's URL without https://. AWS takes no port; this
// server does, because issuers beside it often have one.
func providerURL(text string) (string, error) {
	rest, ok := strings.CutPrefix(text, "https://")
	u, err := url.Parse(text)
	if !ok || err != nil || len(text) > maxProviderURL || u.Host == "" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" ||
		u.ForceQuery || u.Fragment != "" || u.RawFragment != "" || strings.Contains(text, "#") ||
		strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", fmt.Errorf("%w: provider URL %q is not https:// with a host and a path", ErrInvalid, text)
	}
	if strings.ToLower(u.Host) != u.Host {
		return "", fmt.Errorf("%w: host of provider URL %q is not in lower case", ErrInvalid, text)
	}
	return rest, nil
}

func checkClientIDs(ids []string) error {
	for i, id := range ids {
		if id == "" || len(id) > maxClientID {
			return fmt.Errorf("%w: client ID is not 1 to %d characters long", ErrInvalid, maxClientID)
		}
		if slices.Contains(ids[:i], id) {
			return fmt.Errorf("%w: duplicate client ID", ErrInvalid)
		}
	}
	if len(ids) > MaxClientIDs {
		return &QuotaError{"ClientIdsPerOpenIdConnectProvider", MaxClientIDs}
	}
	return nil
}

func checkThumbprints(list []string) error {
	for _, t := range list {
		if len(t) != thumbprintSize || strings.Trim(t, "0123456789abcdefABCDEF") != "" {
			return fmt.Errorf("%w: thumbprint is not %d hexadecimal digits", ErrInvalid, thumbprintSize)
		}
	}
	if len(list) > MaxThumbprints {
		return &QuotaError{"ThumbprintsPerOpenIdConnectProvider", MaxThumbprints}
	}
	return nil
}

// CreateProvider makes an identity provider. It returns ErrNoAccount, ErrExists,
// ErrQuota and ErrInvalid.
func (s *Store) CreateProvider(ctx context.Context, account string, in NewProvider, also func(meta.Txn, Provider) error) (Provider, error) {
	issuer, err := providerURL(in.URL)
	if err != nil {
		return Provider{}, err
	}
	if err := errors.Join(checkClientIDs(in.ClientIDs), checkThumbprints(in.Thumbprints), checkTags(in.Tags)); err != nil {
		return Provider{}, err
	}
	tags, err := withTags(nil, in.Tags)
	if err != nil {
		return Provider{}, err
	}
	row := providerRow{URL: issuer, ClientIDs: in.ClientIDs, Thumbprints: in.Thumbprints, CreatedAt: s.now().UnixMilli(), Tags: tagRows(tags)}
	p := row.provider(account)
	err = s.change(ctx, "create provider "+issuer, func(tx meta.Txn) error {
		if _, err := getAccount(tx, account); err != nil {
			return err
		}
		if taken, err := exists(tx, rowProvider+account+"/"+issuer); err != nil {
			return err
		} else if taken {
			return ErrExists
		}
		if err := countProviders(tx, account, 1); err != nil {
			return err
		}
		return put(tx, rowProvider+account+"/"+issuer, row)
	}, func(tx meta.Txn) error { return runWith(also, tx, p) })
	if err != nil {
		return Provider{}, err
	}
	return p, nil
}

func countProviders(tx meta.Txn, account string, n int) error {
	return count(tx, account, func(r *countRow) *int { return &r.Providers }, n, "OpenIdConnectProvidersPerAccount", MaxProviders)
}

// getProvider returns a provider of the account by its ARN, or ErrNoProvider.
func getProvider(r meta.Reader, account, providerARN string) (key string, row *providerRow, err error) {
	a, err := arn.Parse(providerARN)
	issuer, ok := strings.CutPrefix(a.Resource, "oidc-provider/")
	if err != nil || !ok || providerARN != iamARN(account, a.Resource) || len(issuer) > maxProviderURL {
		return "", nil, ErrNoProvider
	}
	key = rowProvider + account + "/" + issuer
	row = new(providerRow)
	if err := get(r, key, row); errors.Is(err, meta.ErrNotFound) {
		return "", nil, ErrNoProvider
	} else if err != nil {
		return "", nil, err
	}
	return key, row, nil
}

// ProviderByARN returns a provider of the account, or ErrNoProvider.
func (s *Store) ProviderByARN(ctx context.Context, account, providerARN string) (Provider, error) {
	var p Provider
	err := s.view(ctx, "provider "+providerARN, func(r meta.Reader) error {
		_, row, err := getProvider(r, account, providerARN)
		if err == nil {
			p = row.provider(account)
		}
		return err
	})
	return p, err
}

// ProviderByURL returns the provider of an issuer, whose URL may have https://, or
// ErrNoProvider.
func (s *Store) ProviderByURL(ctx context.Context, account, issuer string) (Provider, error) {
	return s.ProviderByARN(ctx, account, iamARN(account, "oidc-provider/"+strings.TrimPrefix(issuer, "https://")))
}

// Providers returns the providers of an account by URL.
func (s *Store) Providers(ctx context.Context, account string) ([]Provider, error) {
	var list []Provider
	err := s.view(ctx, "list providers", func(r meta.Reader) error {
		list = nil
		return r.Scan(meta.Prefix([]byte(rowProvider+account+"/")), func(key, value []byte) (bool, error) {
			var row providerRow
			err := decode(key, value, &row)
			list = append(list, row.provider(account))
			return true, err
		})
	})
	return list, err
}

// changeProvider changes the row of a provider.
func (s *Store) changeProvider(ctx context.Context, account, providerARN string, fn func(*providerRow) error, also func(meta.Txn) error) error {
	return s.change(ctx, "change provider "+providerARN, func(tx meta.Txn) error {
		key, row, err := getProvider(tx, account, providerARN)
		if err != nil {
			return err
		}
		if err := fn(row); err != nil {
			return err
		}
		return put(tx, key, row)
	}, also)
}

// AddClientID adds an audience; one that is there stays. It returns ErrNoProvider,
// ErrQuota and ErrInvalid.
func (s *Store) AddClientID(ctx context.Context, account, providerARN, clientID string, also func(meta.Txn) error) error {
	return s.changeProvider(ctx, account, providerARN, func(row *providerRow) error {
		if !slices.Contains(row.ClientIDs, clientID) {
			row.ClientIDs = append(row.ClientIDs, clientID)
		}
		return checkClientIDs(row.ClientIDs)
	}, also)
}

// RemoveClientID removes an audience; a missing one is not an error. It returns
// ErrNoProvider.
func (s *Store) RemoveClientID(ctx context.Context, account, providerARN, clientID string, also func(meta.Txn) error) error {
	return s.changeProvider(ctx, account, providerARN, func(row *providerRow) error {
		row.ClientIDs = slices.DeleteFunc(row.ClientIDs, func(id string) bool { return id == clientID })
		return nil
	}, also)
}

// SetThumbprints replaces the thumbprints. It returns ErrNoProvider, ErrQuota and
// ErrInvalid.
func (s *Store) SetThumbprints(ctx context.Context, account, providerARN string, thumbprints []string, also func(meta.Txn) error) error {
	if err := checkThumbprints(thumbprints); err != nil {
		return err
	}
	return s.changeProvider(ctx, account, providerARN, func(row *providerRow) error {
		row.Thumbprints = thumbprints
		return nil
	}, also)
}

// DeleteProvider removes a provider. It returns ErrNoProvider.
func (s *Store) DeleteProvider(ctx context.Context, account, providerARN string, also func(meta.Txn) error) error {
	return s.change(ctx, "delete provider "+providerARN, func(tx meta.Txn) error {
		key, _, err := getProvider(tx, account, providerARN)
		if err != nil {
			return err
		}
		return errors.Join(countProviders(tx, account, -1), remove(tx, key))
	}, also)
}

// TagProvider sets tags of a provider, each anew or over its old value. It returns
// ErrNoProvider, ErrQuota and ErrInvalid.
func (s *Store) TagProvider(ctx context.Context, account, providerARN string, tags []Tag, also func(meta.Txn) error) error {
	if err := checkTags(tags); err != nil {
		return err
	}
	return s.changeProvider(ctx, account, providerARN, func(row *providerRow) error {
		all, err := withTags(rowTags(row.Tags), tags)
		row.Tags = tagRows(all)
		return err
	}, also)
}

// UntagProvider removes tags; a missing one is not an error. It returns
// ErrNoProvider.
func (s *Store) UntagProvider(ctx context.Context, account, providerARN string, keys []string, also func(meta.Txn) error) error {
	return s.changeProvider(ctx, account, providerARN, func(row *providerRow) error {
		row.Tags = tagRows(withoutTags(rowTags(row.Tags), keys))
		return nil
	}, also)
}

func (r *providerRow) provider(account string) Provider {
	return Provider{
		Account: account, ARN: iamARN(account, "oidc-provider/"+r.URL), URL: r.URL, ClientIDs: r.ClientIDs,
		Thumbprints: r.Thumbprints, CreatedAt: milliseconds(r.CreatedAt), Tags: rowTags(r.Tags),
	}
}
