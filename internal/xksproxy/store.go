package xksproxy

import (
	"bytes"
	"crypto/subtle"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"coffer/internal/arn"
	"coffer/internal/xks"
)

// Limits of a description of stores.
const (
	maxStores      = 100
	maxCredentials = 4 // of one store: the old and the new one, and room for a mistake
	maxKeys        = 1000
	maxRate        = 1_000_000
)

// A Store is an external key store as its KMS sees it: one path, with credentials of
// its own, in front of keys of one account and region.
type Store struct {
	Path        string // that ends in xks.PathSuffix
	Account     string
	Region      string
	Principal   string // ARN of the user or role whose rights the store has
	Credentials []xks.Credential
	// Keys are the IDs of keys that the store has beside those with the tag
	// [Tag].
	Keys map[string]bool

	rate *xks.Rate
}

// A storeText is a Store as a file describes it.
type storeText struct {
	Path        string           `yaml:"path"`
	Account     string           `yaml:"account"`
	Region      string           `yaml:"region"`
	Principal   string           `yaml:"principal"`
	Keys        []string         `yaml:"keys"`
	Rate        *int             `yaml:"rate"`
	Credentials []credentialText `yaml:"credentials"`
}

type credentialText struct {
	AccessKeyID string `yaml:"access-key-id"`
	Secret      string `yaml:"raw-secret-access-key"`
}

// ParseStores reads the description of stores, in YAML or JSON: docs/configuration.md
// says what its members mean. Members that it does not know are refused. The error
// never quotes a secret.
func ParseStores(text []byte) ([]*Store, error) {
	var doc struct {
		Stores []storeText `yaml:"stores"`
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&doc); err != nil {
		return nil, withoutValues(err)
	}
	if n := len(doc.Stores); n < 1 || n > maxStores {
		return nil, fmt.Errorf("%d stores; between 1 and %d are possible", n, maxStores)
	}
	var out []*Store
	paths, keyIDs := make(map[string]bool), make(map[string]bool)
	for i := range doc.Stores {
		s, err := doc.Stores[i].store()
		if err == nil && paths[s.Path] {
			err = errors.New("another store has the path")
		}
		if err == nil {
			for _, c := range s.Credentials {
				if keyIDs[c.AccessKeyID] {
					err = fmt.Errorf("access-key-id %s stands twice", c.AccessKeyID)
				}
				keyIDs[c.AccessKeyID] = true
			}
		}
		if err != nil {
			return nil, fmt.Errorf("store %d, %s: %w", i+1, doc.Stores[i].Path, err)
		}
		paths[s.Path] = true
		out = append(out, s)
	}
	return out, nil
}

// withoutValues returns an error of package yaml without the values that it quotes,
// which may be secret: what is left of each line is its number.
func withoutValues(err error) error {
	var t *yaml.TypeError
	if !errors.As(err, &t) {
		return errors.New("it is not YAML")
	}
	lines := make([]string, 0, len(t.Errors))
	for _, e := range t.Errors {
		line, _, _ := strings.Cut(e, ":")
		lines = append(lines, line)
	}
	return fmt.Errorf("%s: a member that is unknown, stands twice, or has a value of another type", strings.Join(lines, ", "))
}

var (
	accountID = regexp.MustCompile(`^[0-9]{12}$`)
	regionID  = regexp.MustCompile(`^[a-z]{2,8}(-[a-z]{2,10}){1,3}-[0-9]{1,2}$`)
)

func (t *storeText) store() (*Store, error) {
	rate := xks.DefaultRate
	if t.Rate != nil {
		rate = *t.Rate
	}
	s := &Store{Path: t.Path + xks.PathSuffix, Account: t.Account, Region: t.Region, Principal: t.Principal, Keys: make(map[string]bool)}
	a, err := arn.Parse(t.Principal)
	kind, _, _ := strings.Cut(a.Resource, "/")
	switch {
	case strings.HasSuffix(t.Path, "/") || !xks.ValidPath(s.Path):
		return nil, fmt.Errorf("path is not / and letters, digits, slashes, dashes and underscores, %d characters at most", xks.MaxPath-len(xks.PathSuffix))
	case !accountID.MatchString(t.Account):
		return nil, errors.New("account is not 12 digits")
	case !regionID.MatchString(t.Region):
		return nil, errors.New("region is no region name")
	case err != nil || a.Service != "iam" || a.Account != t.Account || kind != "user" && kind != "role":
		return nil, errors.New("principal is not the ARN of a user or a role of the account")
	case rate < 1 || rate > maxRate:
		return nil, fmt.Errorf("rate is not between 1 and %d", maxRate)
	case len(t.Keys) > maxKeys:
		return nil, fmt.Errorf("more than %d keys", maxKeys)
	case len(t.Credentials) < 1 || len(t.Credentials) > maxCredentials:
		return nil, fmt.Errorf("%d credentials; between 1 and %d are possible", len(t.Credentials), maxCredentials)
	}
	for _, id := range t.Keys {
		if !xks.ValidKeyID(id) {
			return nil, errors.New("keys has something that is no key ID")
		}
		s.Keys[id] = true
	}
	for _, c := range t.Credentials {
		if !xks.ValidAccessKeyID(c.AccessKeyID) {
			return nil, errors.New("an access-key-id is not 20 to 30 letters A to Z and digits 2 to 7")
		}
		if !xks.ValidSecret(c.Secret) {
			return nil, errors.New("a raw-secret-access-key is not 43 to 64 characters of base64")
		}
		s.Credentials = append(s.Credentials, xks.Credential{AccessKeyID: c.AccessKeyID, Secret: xks.Secret(c.Secret)})
	}
	s.rate = xks.NewRate(rate)
	return s, nil
}

// same reports whether two descriptions of a store differ in nothing that its rate
// limits.
func (s *Store) same(o *Store) bool { return s.Path == o.Path && s.Account == o.Account }

// secret returns the secret of one of the store's access keys.
func (s *Store) secret(accessKeyID string) (secret xks.Secret, ok bool) {
	for _, c := range s.Credentials {
		if subtle.ConstantTimeCompare([]byte(c.AccessKeyID), []byte(accessKeyID)) == 1 {
			secret, ok = c.Secret, true
		}
	}
	return secret, ok
}
