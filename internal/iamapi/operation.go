package iamapi

import (
	"context"

	"coffer/internal/authn"
	"coffer/internal/awsquery"
	"coffer/internal/iam"
)

// An Operation is one row of the routing table.
type Operation struct {
	Service string // "iam" or "sts"
	Name    string // as in Action
	// Implemented is false for an operation that AWS has and this server
	// does not.
	Implemented bool
	// Unsigned is set if a request needs no signature: what it holds is the proof.
	Unsigned bool

	serve func(ctx context.Context, to *Services, c *authn.Caller, form *awsquery.Form) (out any, err error)
}

// Operations returns the routing table: every operation that the IAM API has, and
// those of STS, in the order of their references.
//
// Source: IAM API Reference, "Actions", and the service model of
// aws-sdk-go-v2/service/iam v1.64.8 (180 operations), read 2026-11-21.
func Operations() []Operation {
	return append(iamOperations(), stsOperations()...)
}

func iamOperations() []Operation {
	return []Operation{
		missing("AcceptDelegationRequest"),
		missing("AcquireRole"),
		do("AddClientIDToOpenIDConnectProvider", (*iam.Service).AddClientIDToOpenIDConnectProvider),
		missing("AddRoleToInstanceProfile"),
		do("AddUserToGroup", (*iam.Service).AddUserToGroup),
		missing("AssociateDelegationRequest"),
		do("AttachGroupPolicy", (*iam.Service).AttachGroupPolicy),
		do("AttachRolePolicy", (*iam.Service).AttachRolePolicy),
		do("AttachUserPolicy", (*iam.Service).AttachUserPolicy),
		missing("ChangePassword"),
		op("CreateAccessKey", (*iam.Service).CreateAccessKey),
		do("CreateAccountAlias", (*iam.Service).CreateAccountAlias),
		missing("CreateDelegationRequest"),
		op("CreateGroup", (*iam.Service).CreateGroup),
		missing("CreateInstanceProfile"),
		missing("CreateLoginProfile"),
		op("CreateOpenIDConnectProvider", (*iam.Service).CreateOpenIDConnectProvider),
		op("CreatePolicy", (*iam.Service).CreatePolicy),
		op("CreatePolicyVersion", (*iam.Service).CreatePolicyVersion),
		op("CreateRole", (*iam.Service).CreateRole),
		missing("CreateSAMLProvider"),
		missing("CreateServiceLinkedRole"),
		missing("CreateServiceSpecificCredential"),
		op("CreateUser", (*iam.Service).CreateUser),
		missing("CreateVirtualMFADevice"),
		missing("DeactivateMFADevice"),
		do("DeleteAccessKey", (*iam.Service).DeleteAccessKey),
		do("DeleteAccountAlias", (*iam.Service).DeleteAccountAlias),
		missing("DeleteAccountPasswordPolicy"),
		do("DeleteGroup", (*iam.Service).DeleteGroup),
		do("DeleteGroupPolicy", (*iam.Service).DeleteGroupPolicy),
		missing("DeleteInstanceProfile"),
		do("DeleteLoginProfile", (*iam.Service).DeleteLoginProfile),
		do("DeleteOpenIDConnectProvider", (*iam.Service).DeleteOpenIDConnectProvider),
		do("DeletePolicy", (*iam.Service).DeletePolicy),
		do("DeletePolicyVersion", (*iam.Service).DeletePolicyVersion),
		do("DeleteRole", (*iam.Service).DeleteRole),
		do("DeleteRolePermissionsBoundary", (*iam.Service).DeleteRolePermissionsBoundary),
		do("DeleteRolePolicy", (*iam.Service).DeleteRolePolicy),
		missing("DeleteSAMLProvider"),
		missing("DeleteSSHPublicKey"),
		missing("DeleteServerCertificate"),
		missing("DeleteServiceLinkedRole"),
		missing("DeleteServiceSpecificCredential"),
		missing("DeleteSigningCertificate"),
		do("DeleteUser", (*iam.Service).DeleteUser),
		do("DeleteUserPermissionsBoundary", (*iam.Service).DeleteUserPermissionsBoundary),
		do("DeleteUserPolicy", (*iam.Service).DeleteUserPolicy),
		missing("DeleteVirtualMFADevice"),
		do("DetachGroupPolicy", (*iam.Service).DetachGroupPolicy),
		do("DetachRolePolicy", (*iam.Service).DetachRolePolicy),
		do("DetachUserPolicy", (*iam.Service).DetachUserPolicy),
		missing("DisableOrganizationsRootCredentialsManagement"),
		missing("DisableOrganizationsRootSessions"),
		missing("DisableOutboundWebIdentityFederation"),
		missing("EnableMFADevice"),
		missing("EnableOrganizationsRootCredentialsManagement"),
		missing("EnableOrganizationsRootSessions"),
		missing("EnableOutboundWebIdentityFederation"),
		op("GenerateCredentialReport", (*iam.Service).GenerateCredentialReport),
		missing("GenerateOrganizationsAccessReport"),
		missing("GenerateServiceLastAccessedDetails"),
		op("GetAccessKeyLastUsed", (*iam.Service).GetAccessKeyLastUsed),
		op("GetAccountAuthorizationDetails", (*iam.Service).GetAccountAuthorizationDetails),
		do("GetAccountPasswordPolicy", (*iam.Service).GetAccountPasswordPolicy),
		missing("GetAccountProperties"),
		op("GetAccountSummary", (*iam.Service).GetAccountSummary),
		op("GetContextKeysForCustomPolicy", (*iam.Service).GetContextKeysForCustomPolicy),
		op("GetContextKeysForPrincipalPolicy", (*iam.Service).GetContextKeysForPrincipalPolicy),
		op("GetCredentialReport", (*iam.Service).GetCredentialReport),
		missing("GetDelegationRequest"),
		op("GetGroup", (*iam.Service).GetGroup),
		op("GetGroupPolicy", (*iam.Service).GetGroupPolicy),
		missing("GetHumanReadableSummary"),
		missing("GetInstanceProfile"),
		do("GetLoginProfile", (*iam.Service).GetLoginProfile),
		missing("GetMFADevice"),
		op("GetOpenIDConnectProvider", (*iam.Service).GetOpenIDConnectProvider),
		missing("GetOrganizationsAccessReport"),
		missing("GetOutboundWebIdentityFederationInfo"),
		op("GetPolicy", (*iam.Service).GetPolicy),
		op("GetPolicyVersion", (*iam.Service).GetPolicyVersion),
		op("GetRole", (*iam.Service).GetRole),
		op("GetRolePolicy", (*iam.Service).GetRolePolicy),
		missing("GetRoleTemplateVersion"),
		missing("GetSAMLProvider"),
		missing("GetSSHPublicKey"),
		missing("GetServerCertificate"),
		missing("GetServiceLastAccessedDetails"),
		missing("GetServiceLastAccessedDetailsWithEntities"),
		missing("GetServiceLinkedRoleDeletionStatus"),
		op("GetUser", (*iam.Service).GetUser),
		op("GetUserPolicy", (*iam.Service).GetUserPolicy),
		op("ListAccessKeys", (*iam.Service).ListAccessKeys),
		op("ListAccountAliases", (*iam.Service).ListAccountAliases),
		op("ListAttachedGroupPolicies", (*iam.Service).ListAttachedGroupPolicies),
		op("ListAttachedRolePolicies", (*iam.Service).ListAttachedRolePolicies),
		op("ListAttachedUserPolicies", (*iam.Service).ListAttachedUserPolicies),
		missing("ListDelegationRequests"),
		op("ListEntitiesForPolicy", (*iam.Service).ListEntitiesForPolicy),
		op("ListGroupPolicies", (*iam.Service).ListGroupPolicies),
		op("ListGroups", (*iam.Service).ListGroups),
		op("ListGroupsForUser", (*iam.Service).ListGroupsForUser),
		missing("ListInstanceProfileTags"),
		op("ListInstanceProfiles", (*iam.Service).ListInstanceProfiles),
		op("ListInstanceProfilesForRole", (*iam.Service).ListInstanceProfilesForRole),
		missing("ListMFADeviceTags"),
		op("ListMFADevices", (*iam.Service).ListMFADevices),
		op("ListOpenIDConnectProviderTags", (*iam.Service).ListOpenIDConnectProviderTags),
		op("ListOpenIDConnectProviders", (*iam.Service).ListOpenIDConnectProviders),
		missing("ListOrganizationsFeatures"),
		op("ListPolicies", (*iam.Service).ListPolicies),
		missing("ListPoliciesGrantingServiceAccess"),
		op("ListPolicyTags", (*iam.Service).ListPolicyTags),
		op("ListPolicyVersions", (*iam.Service).ListPolicyVersions),
		op("ListRolePolicies", (*iam.Service).ListRolePolicies),
		op("ListRoleTags", (*iam.Service).ListRoleTags),
		op("ListRoles", (*iam.Service).ListRoles),
		missing("ListSAMLProviderTags"),
		op("ListSAMLProviders", (*iam.Service).ListSAMLProviders),
		op("ListSSHPublicKeys", (*iam.Service).ListSSHPublicKeys),
		missing("ListServerCertificateTags"),
		op("ListServerCertificates", (*iam.Service).ListServerCertificates),
		op("ListServiceSpecificCredentials", (*iam.Service).ListServiceSpecificCredentials),
		op("ListSigningCertificates", (*iam.Service).ListSigningCertificates),
		op("ListUserPolicies", (*iam.Service).ListUserPolicies),
		op("ListUserTags", (*iam.Service).ListUserTags),
		op("ListUsers", (*iam.Service).ListUsers),
		op("ListVirtualMFADevices", (*iam.Service).ListVirtualMFADevices),
		missing("PutAccountProperties"),
		do("PutGroupPolicy", (*iam.Service).PutGroupPolicy),
		do("PutRolePermissionsBoundary", (*iam.Service).PutRolePermissionsBoundary),
		do("PutRolePolicy", (*iam.Service).PutRolePolicy),
		do("PutUserPermissionsBoundary", (*iam.Service).PutUserPermissionsBoundary),
		do("PutUserPolicy", (*iam.Service).PutUserPolicy),
		missing("RejectDelegationRequest"),
		do("RemoveClientIDFromOpenIDConnectProvider", (*iam.Service).RemoveClientIDFromOpenIDConnectProvider),
		missing("RemoveRoleFromInstanceProfile"),
		do("RemoveUserFromGroup", (*iam.Service).RemoveUserFromGroup),
		missing("ResetServiceSpecificCredential"),
		missing("ResyncMFADevice"),
		missing("SendDelegationToken"),
		do("SetDefaultPolicyVersion", (*iam.Service).SetDefaultPolicyVersion),
		missing("SetSecurityTokenServicePreferences"),
		op("SimulateCustomPolicy", (*iam.Service).SimulateCustomPolicy),
		op("SimulatePrincipalPolicy", (*iam.Service).SimulatePrincipalPolicy),
		missing("TagInstanceProfile"),
		missing("TagMFADevice"),
		do("TagOpenIDConnectProvider", (*iam.Service).TagOpenIDConnectProvider),
		do("TagPolicy", (*iam.Service).TagPolicy),
		do("TagRole", (*iam.Service).TagRole),
		missing("TagSAMLProvider"),
		missing("TagServerCertificate"),
		do("TagUser", (*iam.Service).TagUser),
		missing("UntagInstanceProfile"),
		missing("UntagMFADevice"),
		do("UntagOpenIDConnectProvider", (*iam.Service).UntagOpenIDConnectProvider),
		do("UntagPolicy", (*iam.Service).UntagPolicy),
		do("UntagRole", (*iam.Service).UntagRole),
		missing("UntagSAMLProvider"),
		missing("UntagServerCertificate"),
		do("UntagUser", (*iam.Service).UntagUser),
		do("UpdateAccessKey", (*iam.Service).UpdateAccessKey),
		missing("UpdateAccountPasswordPolicy"),
		do("UpdateAssumeRolePolicy", (*iam.Service).UpdateAssumeRolePolicy),
		missing("UpdateDelegationRequest"),
		do("UpdateGroup", (*iam.Service).UpdateGroup),
		missing("UpdateLoginProfile"),
		do("UpdateOpenIDConnectProviderThumbprint", (*iam.Service).UpdateOpenIDConnectProviderThumbprint),
		op("UpdateRole", (*iam.Service).UpdateRole),
		op("UpdateRoleDescription", (*iam.Service).UpdateRoleDescription),
		missing("UpdateSAMLProvider"),
		missing("UpdateSSHPublicKey"),
		missing("UpdateServerCertificate"),
		missing("UpdateServiceSpecificCredential"),
		missing("UpdateSigningCertificate"),
		do("UpdateUser", (*iam.Service).UpdateUser),
		missing("UploadSSHPublicKey"),
		missing("UploadServerCertificate"),
		missing("UploadSigningCertificate"),
	}
}

// op returns the row of an operation of IAM: decode, call.
func op[Input, Output any](name string, call func(*iam.Service, context.Context, *authn.Caller, *Input) (*Output, error)) Operation {
	return Operation{Service: "iam", Name: name, Implemented: true, serve: func(ctx context.Context, to *Services, c *authn.Caller, form *awsquery.Form) (any, error) {
		in := new(Input)
		if err := form.Decode(in); err != nil {
			return nil, to.IAM.Refuse(ctx, c, name, err)
		}
		out, err := call(to.IAM, ctx, c, in)
		if err != nil {
			return nil, err
		}
		return out, nil
	}}
}

// do returns the row of an operation of IAM that has no output.
func do[Input any](name string, call func(*iam.Service, context.Context, *authn.Caller, *Input) error) Operation {
	return Operation{Service: "iam", Name: name, Implemented: true, serve: func(ctx context.Context, to *Services, c *authn.Caller, form *awsquery.Form) (any, error) {
		in := new(Input)
		if err := form.Decode(in); err != nil {
			return nil, to.IAM.Refuse(ctx, c, name, err)
		}
		return nil, call(to.IAM, ctx, c, in)
	}}
}

// missing returns the row of an operation of IAM that this server does not have.
func missing(name string) Operation {
	return Operation{Service: "iam", Name: name, serve: func(ctx context.Context, to *Services, c *authn.Caller, _ *awsquery.Form) (any, error) {
		return nil, to.IAM.Refuse(ctx, c, name, iam.NotImplemented("%s is not implemented by this server.", name))
	}}
}
