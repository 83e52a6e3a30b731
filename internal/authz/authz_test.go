package authz

import (
	"coffer/internal/arn"
	"coffer/internal/authn"
)

const (
	account = "123456789012"
	other   = "210987654321"
)

// root returns the root user of an account.
func root(account string) *authn.Caller {
	return &authn.Caller{
		Type: authn.TypeRoot, Account: account, ARN: arn.Root(account), PrincipalID: account, AccessKeyID: "AKIAIOSFODNN7EXAMPLE",
		Region: "eu-central-1", Service: "s3", RequestID: "0123456789ABCDEF", SourceIP: "192.0.2.7", UserAgent: "aws-cli/2",
		Host: "s3.example.com", SecureTransport: true, TLSVersion: "TLSv1.3", CipherSuite: "TLS_AES_128_GCM_SHA256",
	}
}

func anonymous() *authn.Caller {
	return &authn.Caller{Type: authn.TypeAnonymous, Region: "us-east-1", SourceIP: "192.0.2.8"}
}
