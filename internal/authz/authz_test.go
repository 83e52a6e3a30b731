package authz

import (
	"errors"
	"testing"

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

func TestDecide(t *testing.T) {
	const action, resource = "s3:GetObject", "arn:aws:s3:::tour/a"
	service := &authn.Caller{Type: authn.TypeAWSService, Account: account, ARN: "arn:aws:iam::123456789012:root"}
	tests := []struct {
		name   string
		caller *authn.Caller
		owner  string
		want   string // empty if allowed
	}{
		{"root of the owner", root(account), account, ""},
		{"root of the owner through a service", root(account).Via("s3.amazonaws.com"), account, ""},
		{"root of another account", root(other), account,
			"User: arn:aws:iam::210987654321:root is not authorized to perform: s3:GetObject on resource: arn:aws:s3:::tour/a because no identity-based policy allows the s3:GetObject action"},
		{"nobody", anonymous(), account,
			"User: anonymous is not authorized to perform: s3:GetObject on resource: arn:aws:s3:::tour/a because no resource-based policy allows the s3:GetObject action"},
		{"nobody on what nobody owns", anonymous(), "",
			"User: anonymous is not authorized to perform: s3:GetObject on resource: arn:aws:s3:::tour/a because no resource-based policy allows the s3:GetObject action"},
		{"root of no account on what nobody owns", &authn.Caller{Type: authn.TypeRoot, ARN: "x"}, "",
			"User: x is not authorized to perform: s3:GetObject on resource: arn:aws:s3:::tour/a because no identity-based policy allows the s3:GetObject action"},
		{"another kind of principal", service, account,
			"User: arn:aws:iam::123456789012:root is not authorized to perform: s3:GetObject on resource: arn:aws:s3:::tour/a because no identity-based policy allows the s3:GetObject action"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := Decide(t.Context(), Request{Caller: tt.caller, Action: action, Resource: resource, Account: tt.owner})
			if tt.want == "" {
				if err != nil {
					t.Errorf("Decide = %v; want nil", err)
				}
				return
			}
			denied, ok := errors.AsType[*Denied](err)
			if !ok || denied.Error() != tt.want {
				t.Fatalf("Decide = %v\nwant %s", err, tt.want)
			}
			if denied.Action != action || denied.Resource != resource || denied.Anonymous != tt.caller.IsAnonymous() {
				t.Errorf("Denied = %+v; want the request's action and resource, anonymous %t", denied, tt.caller.IsAnonymous())
			}
		})
	}
}
