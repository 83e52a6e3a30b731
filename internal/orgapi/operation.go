package orgapi

import (
	"context"
	"reflect"

	"coffer/internal/authn"
	"coffer/internal/awsjson"
	"coffer/internal/org"
)

// An Operation is one row of the routing table.
type Operation struct {
	Name string // as in X-Amz-Target, after AWSOrganizationsV20161128.
	// Implemented is false for an operation that AWS has and this server does not.
	Implemented bool

	serve func(ctx context.Context, svc *org.Service, c *authn.Caller, body []byte) ([]byte, error)
}

// Operations returns the routing table: every operation that the Organizations API
// has, in the order of its reference.
//
// Source: AWS Organizations API Reference, "Actions", and the service model of
// aws-sdk-go-v2/service/organizations v1.62.6 (63 operations), read 2026-11-21.
func Operations() []Operation {
	return []Operation{
		op("AcceptHandshake", (*org.Service).AcceptHandshake),
		op("AttachPolicy", (*org.Service).AttachPolicy),
		op("CancelHandshake", (*org.Service).CancelHandshake),
		missing("CloseAccount"),
		op("CreateAccount", (*org.Service).CreateAccount),
		missing("CreateGovCloudAccount"),
		op("CreateOrganization", (*org.Service).CreateOrganization),
		op("CreateOrganizationalUnit", (*org.Service).CreateOrganizationalUnit),
		op("CreatePolicy", (*org.Service).CreatePolicy),
		op("DeclineHandshake", (*org.Service).DeclineHandshake),
		op("DeleteOrganization", (*org.Service).DeleteOrganization),
		op("DeleteOrganizationalUnit", (*org.Service).DeleteOrganizationalUnit),
		op("DeletePolicy", (*org.Service).DeletePolicy),
		missing("DeleteResourcePolicy"),
		missing("DeregisterDelegatedAdministrator"),
		op("DescribeAccount", (*org.Service).DescribeAccount),
		op("DescribeCreateAccountStatus", (*org.Service).DescribeCreateAccountStatus),
		op("DescribeEffectivePolicy", (*org.Service).DescribeEffectivePolicy),
		op("DescribeHandshake", (*org.Service).DescribeHandshake),
		op("DescribeOrganization", (*org.Service).DescribeOrganization),
		op("DescribeOrganizationalUnit", (*org.Service).DescribeOrganizationalUnit),
		op("DescribePolicy", (*org.Service).DescribePolicy),
		missing("DescribeResourcePolicy"),
		missing("DescribeResponsibilityTransfer"),
		op("DetachPolicy", (*org.Service).DetachPolicy),
		missing("DisableAWSServiceAccess"),
		op("DisablePolicyType", (*org.Service).DisablePolicyType),
		missing("EnableAWSServiceAccess"),
		op("EnableAllFeatures", (*org.Service).EnableAllFeatures),
		op("EnablePolicyType", (*org.Service).EnablePolicyType),
		op("InviteAccountToOrganization", (*org.Service).InviteAccountToOrganization),
		missing("InviteOrganizationToTransferResponsibility"),
		op("LeaveOrganization", (*org.Service).LeaveOrganization),
		op("ListAWSServiceAccessForOrganization", (*org.Service).ListAWSServiceAccessForOrganization),
		op("ListAccounts", (*org.Service).ListAccounts),
		op("ListAccountsForParent", (*org.Service).ListAccountsForParent),
		missing("ListAccountsWithInvalidEffectivePolicy"),
		op("ListChildren", (*org.Service).ListChildren),
		op("ListCreateAccountStatus", (*org.Service).ListCreateAccountStatus),
		op("ListDelegatedAdministrators", (*org.Service).ListDelegatedAdministrators),
		missing("ListDelegatedServicesForAccount"),
		missing("ListEffectivePolicyValidationErrors"),
		op("ListHandshakesForAccount", (*org.Service).ListHandshakesForAccount),
		op("ListHandshakesForOrganization", (*org.Service).ListHandshakesForOrganization),
		missing("ListInboundResponsibilityTransfers"),
		op("ListOrganizationalUnitsForParent", (*org.Service).ListOrganizationalUnitsForParent),
		missing("ListOutboundResponsibilityTransfers"),
		op("ListParents", (*org.Service).ListParents),
		op("ListPolicies", (*org.Service).ListPolicies),
		op("ListPoliciesForTarget", (*org.Service).ListPoliciesForTarget),
		op("ListRoots", (*org.Service).ListRoots),
		op("ListTagsForResource", (*org.Service).ListTagsForResource),
		op("ListTargetsForPolicy", (*org.Service).ListTargetsForPolicy),
		op("MoveAccount", (*org.Service).MoveAccount),
		missing("PutResourcePolicy"),
		missing("RegisterDelegatedAdministrator"),
		op("RemoveAccountFromOrganization", (*org.Service).RemoveAccountFromOrganization),
		op("TagResource", (*org.Service).TagResource),
		missing("TerminateResponsibilityTransfer"),
		op("UntagResource", (*org.Service).UntagResource),
		op("UpdateOrganizationalUnit", (*org.Service).UpdateOrganizationalUnit),
		op("UpdatePolicy", (*org.Service).UpdatePolicy),
		missing("UpdateResponsibilityTransfer"),
	}
}

// op returns the row of an operation: decode, call, encode.
func op[Input, Output any](name string, call func(*org.Service, context.Context, *authn.Caller, *Input) (*Output, error)) Operation {
	isEmpty := reflect.TypeFor[Output]().NumField() == 0
	return Operation{Name: name, Implemented: true, serve: func(ctx context.Context, svc *org.Service, c *authn.Caller, body []byte) ([]byte, error) {
		in := new(Input)
		if err := awsjson.Unmarshal(body, in); err != nil {
			return nil, svc.Refuse(ctx, c, name, err)
		}
		out, err := call(svc, ctx, c, in)
		if err != nil || isEmpty { // AWS sends no body at all
			return nil, err
		}
		return awsjson.Marshal(out), nil
	}}
}

// missing returns the row of an operation that this server does not have.
func missing(name string) Operation {
	return Operation{Name: name, serve: func(ctx context.Context, svc *org.Service, c *authn.Caller, _ []byte) ([]byte, error) {
		return nil, svc.Refuse(ctx, c, name, org.NotImplemented("%s is not implemented by this server.", name))
	}}
}
