package iam

import (
	"context"

	"coffer/internal/authn"
	"coffer/internal/identity"
	"coffer/internal/policy"
)

// GetAccountSummaryInput is the request of [Service.GetAccountSummary].
type GetAccountSummaryInput struct{}

// GetAccountSummaryOutput is the answer of [Service.GetAccountSummary].
type GetAccountSummaryOutput struct{ SummaryMap map[string]int32 }

// noneYet are the keys of the summary for what this server does not have. Their
// numbers are 0, also where AWS has a quota.
var noneYet = []string{
	"AccountMFAEnabled", "AccountPasswordPresent", "AccountSigningCertificatesPresent", "InstanceProfiles", "InstanceProfilesQuota",
	"MFADevices", "MFADevicesInUse", "ServerCertificates", "ServerCertificatesQuota", "SigningCertificatesPerUserQuota",
}

// GetAccountSummary counts what the account has, beside the quotas.
//
// It returns a *awserr.Error with code AccessDenied.
//
// Source: IAM API Reference, GetAccountSummary; keys that it does not list as the
// AWS SDK for .NET documents them (AssumeRolePolicySizeQuota, Providers, Roles, ...);
// read 2026-11-21.
func (s *Service) GetAccountSummary(ctx context.Context, c *authn.Caller, in *GetAccountSummaryInput) (*GetAccountSummaryOutput, error) {
	return run(ctx, s, c, "GetAccountSummary", in, nil, func(o *op) (*GetAccountSummaryOutput, error) {
		if err := o.ask(ctx, "*", nil); err != nil {
			return nil, err
		}
		n, err := s.identity.Summary(ctx, c.Account)
		if err != nil {
			return nil, err
		}
		out := map[string]int32{
			"Users": int32(n.Users), "UsersQuota": identity.MaxUsers,
			"Groups": int32(n.Groups), "GroupsQuota": identity.MaxGroups, "GroupsPerUserQuota": identity.MaxGroupsPerUser,
			"Roles": int32(n.Roles), "RolesQuota": identity.MaxRoles,
			"Policies": int32(n.Policies), "PoliciesQuota": identity.MaxPolicies, "PolicySizeQuota": policy.ManagedPolicySize,
			"PolicyVersionsInUse": int32(n.PolicyVersions), "PolicyVersionsInUseQuota": identity.MaxPolicies * identity.MaxVersions,
			"VersionsPerPolicyQuota": identity.MaxVersions,
			"UserPolicySizeQuota":    policy.UserPolicySize, "GroupPolicySizeQuota": policy.GroupPolicySize,
			"RolePolicySizeQuota": policy.RolePolicySize, "AssumeRolePolicySizeQuota": policy.TrustPolicySize,
			"AttachedPoliciesPerUserQuota": identity.MaxAttached, "AttachedPoliciesPerGroupQuota": identity.MaxAttached,
			"AttachedPoliciesPerRoleQuota": identity.MaxAttached,
			"AccessKeysPerUserQuota":       identity.MaxAccessKeys, "AccountAccessKeysPresent": 0,
			"Providers":                  int32(n.Providers),
			"GlobalEndpointTokenVersion": 2, // tokens are valid in every region
		}
		if n.HasRootKey {
			out["AccountAccessKeysPresent"] = 1
		}
		for _, key := range noneYet {
			out[key] = 0
		}
		return &GetAccountSummaryOutput{out}, nil
	})
}
