package identity

import "time"

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
	Thumbprints []string
	Tags        []Tag
}
