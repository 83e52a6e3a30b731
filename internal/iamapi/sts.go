package iamapi

import (
	"context"

	"coffer/internal/authn"
	"coffer/internal/awsquery"
	"coffer/internal/sts"
)

// stsOperations returns the rows of STS.
//
// Source: AWS STS API Reference, "Actions", and its service model in botocore (11
// operations), read 2026-11-21.
func stsOperations() []Operation {
	return []Operation{
		ofSTS("AssumeRole", (*sts.Service).AssumeRole),
		unsigned(missingSTS("AssumeRoleWithSAML")),
		unsigned(ofSTS("AssumeRoleWithWebIdentity", (*sts.Service).AssumeRoleWithWebIdentity)),
		missingSTS("AssumeRoot"),
		ofSTS("DecodeAuthorizationMessage", (*sts.Service).DecodeAuthorizationMessage),
		ofSTS("GetAccessKeyInfo", (*sts.Service).GetAccessKeyInfo),
		ofSTS("GetCallerIdentity", (*sts.Service).GetCallerIdentity),
		missingSTS("GetDelegatedAccessToken"),
		ofSTS("GetFederationToken", (*sts.Service).GetFederationToken),
		ofSTS("GetSessionToken", (*sts.Service).GetSessionToken),
		missingSTS("GetWebIdentityToken"),
	}
}

// unsigned marks a row whose requests need no signature.
func unsigned(o Operation) Operation {
	o.Unsigned = true
	return o
}

// ofSTS returns the row of an operation of STS.
func ofSTS[Input, Output any](name string, call func(*sts.Service, context.Context, *authn.Caller, *Input) (*Output, error)) Operation {
	o := missingSTS(name)
	o.Implemented = true
	o.serve = func(ctx context.Context, to *Services, c *authn.Caller, form *awsquery.Form) (any, error) {
		var in Input
		err := form.Decode(&in)
		if err != nil {
			return nil, to.STS.Refuse(ctx, c, name, err)
		}
		var out *Output
		if out, err = call(to.STS, ctx, c, &in); err != nil {
			return nil, err
		}
		return out, nil
	}
	return o
}

// missingSTS returns the row of an operation of STS that this server does not have.
func missingSTS(name string) Operation {
	return Operation{Service: "sts", Name: name, serve: func(ctx context.Context, to *Services, c *authn.Caller, _ *awsquery.Form) (any, error) {
		return nil, to.STS.Refuse(ctx, c, name, sts.NotImplemented("%s is not implemented by this server.", name))
	}}
}
