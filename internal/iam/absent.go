package iam

import (
	"context"

	"coffer/internal/authn"
)

// What this server does not have: instance profiles, public keys, certificates,
// devices, passwords, SAML. Nothing makes one; clients that clean up before they
// delete a user or a role ask whether there are any, and get the truth.

// A userListing is the request of a listing of what a user has.
type userListing struct {
	UserName *string // the caller if nil
	Paging
}

// noneOf authorizes an operation on what a user has, where no user has any. The
// root user may ask for its own.
func (s *Service) noneOf(ctx context.Context, o *op, name *string) (*target, error) {
	if name == nil && o.caller.Type == authn.TypeRoot {
		return &target{kind: "user"}, o.ask(ctx, o.caller.ARN, nil)
	}
	user, err := s.nameOrCaller(ctx, o, name)
	if err != nil {
		return nil, err
	}
	t, err := s.findUser(ctx, o, user)
	if err != nil {
		return nil, err
	}
	return t, o.use(ctx, t)
}

// listNone answers a listing of what a user has.
func listNone[Output any](ctx context.Context, s *Service, c *authn.Caller, name string, in any, listing *userListing) (*Output, error) {
	return run(ctx, s, c, name, in, func(v *checker) {
		v.maybeName("userName", listing.UserName, 128)
		v.page(&listing.Paging)
	}, func(o *op) (*Output, error) {
		_, err := s.noneOf(ctx, o, listing.UserName)
		return new(Output), err
	})
}

// listNoneAt answers a listing of resources of the account.
func listNoneAt[Output any](ctx context.Context, s *Service, c *authn.Caller, name string, in any, check func(*checker), resource string) (*Output, error) {
	return run(ctx, s, c, name, in, check, func(o *op) (*Output, error) {
		return new(Output), o.ask(ctx, iamARN(o, resource), nil)
	})
}

// ListInstanceProfilesInput is the request of [Service.ListInstanceProfiles].
type ListInstanceProfilesInput struct {
	PathPrefix *string
	Paging
}

// ListInstanceProfilesOutput is the answer of [Service.ListInstanceProfiles] and of
// [Service.ListInstanceProfilesForRole].
type ListInstanceProfilesOutput struct {
	InstanceProfiles []string // always empty
	Paged
}

// ListInstanceProfiles lists no instance profiles: there are none.
//
// It returns a *awserr.Error with code ValidationError or AccessDenied.
//
// Source: IAM API Reference, ListInstanceProfiles, read 2026-11-21.
func (s *Service) ListInstanceProfiles(ctx context.Context, c *authn.Caller, in *ListInstanceProfilesInput) (*ListInstanceProfilesOutput, error) {
	return listNoneAt[ListInstanceProfilesOutput](ctx, s, c, "ListInstanceProfiles", in, func(v *checker) {
		v.pathPrefix(in.PathPrefix)
		v.page(&in.Paging)
	}, "instance-profile"+or(in.PathPrefix, "/"))
}

// ListInstanceProfilesForRoleInput is the request of
// [Service.ListInstanceProfilesForRole].
type ListInstanceProfilesForRoleInput struct {
	RoleName string
	Paging
}

// ListInstanceProfilesForRole lists no instance profiles: there are none.
//
// It returns a *awserr.Error with code ValidationError, AccessDenied or
// NoSuchEntity.
//
// Source: IAM API Reference, ListInstanceProfilesForRole, read 2026-11-21.
func (s *Service) ListInstanceProfilesForRole(ctx context.Context, c *authn.Caller, in *ListInstanceProfilesForRoleInput) (*ListInstanceProfilesOutput, error) {
	return run(ctx, s, c, "ListInstanceProfilesForRole", in, func(v *checker) {
		v.name("roleName", in.RoleName, maxRoleName)
		v.page(&in.Paging)
	}, func(o *op) (*ListInstanceProfilesOutput, error) {
		t, err := s.findRole(ctx, o, in.RoleName)
		if err != nil {
			return nil, err
		}
		return new(ListInstanceProfilesOutput), o.use(ctx, t)
	})
}

// ListSSHPublicKeysInput is the request of [Service.ListSSHPublicKeys].
type ListSSHPublicKeysInput userListing

// ListSSHPublicKeysOutput is the answer of [Service.ListSSHPublicKeys].
type ListSSHPublicKeysOutput struct {
	SSHPublicKeys []string // always empty
	Paged
}

// ListSSHPublicKeys lists no public keys of a user: there are none.
//
// It returns a *awserr.Error with code ValidationError, AccessDenied or
// NoSuchEntity.
//
// Source: IAM API Reference, ListSSHPublicKeys, read 2026-11-21.
func (s *Service) ListSSHPublicKeys(ctx context.Context, c *authn.Caller, in *ListSSHPublicKeysInput) (*ListSSHPublicKeysOutput, error) {
	return listNone[ListSSHPublicKeysOutput](ctx, s, c, "ListSSHPublicKeys", in, (*userListing)(in))
}

// ListMFADevicesInput is the request of [Service.ListMFADevices].
type ListMFADevicesInput userListing

// ListMFADevicesOutput is the answer of [Service.ListMFADevices].
type ListMFADevicesOutput struct {
	MFADevices []string // always empty
	Paged
}

// ListMFADevices lists no devices of a user: there are none.
//
// It returns a *awserr.Error with code ValidationError, AccessDenied or
// NoSuchEntity.
//
// Source: IAM API Reference, ListMFADevices, read 2026-11-21.
func (s *Service) ListMFADevices(ctx context.Context, c *authn.Caller, in *ListMFADevicesInput) (*ListMFADevicesOutput, error) {
	return listNone[ListMFADevicesOutput](ctx, s, c, "ListMFADevices", in, (*userListing)(in))
}

// ListSigningCertificatesInput is the request of [Service.ListSigningCertificates].
type ListSigningCertificatesInput userListing

// ListSigningCertificatesOutput is the answer of [Service.ListSigningCertificates].
type ListSigningCertificatesOutput struct {
	Certificates []string // always empty
	Paged
}

// ListSigningCertificates lists no certificates of a user: there are none.
//
// It returns a *awserr.Error with code ValidationError, AccessDenied or
// NoSuchEntity.
//
// Source: IAM API Reference, ListSigningCertificates, read 2026-11-21.
func (s *Service) ListSigningCertificates(ctx context.Context, c *authn.Caller, in *ListSigningCertificatesInput) (*ListSigningCertificatesOutput, error) {
	return listNone[ListSigningCertificatesOutput](ctx, s, c, "ListSigningCertificates", in, (*userListing)(in))
}

// ListServiceSpecificCredentialsInput is the request of
// [Service.ListServiceSpecificCredentials].
type ListServiceSpecificCredentialsInput struct {
	UserName    *string // the caller if nil
	ServiceName *string
	AllUsers    *bool
	Paging
}

// ListServiceSpecificCredentialsOutput is the answer of
// [Service.ListServiceSpecificCredentials].
type ListServiceSpecificCredentialsOutput struct {
	ServiceSpecificCredentials []string // always empty
	Paged
}

// ListServiceSpecificCredentials lists no credentials of a user: there are none.
//
// It returns a *awserr.Error with code ValidationError, AccessDenied or
// NoSuchEntity.
//
// Source: IAM API Reference, ListServiceSpecificCredentials, read 2026-11-21.
func (s *Service) ListServiceSpecificCredentials(ctx context.Context, c *authn.Caller, in *ListServiceSpecificCredentialsInput) (*ListServiceSpecificCredentialsOutput, error) {
	if in.AllUsers != nil && *in.AllUsers {
		return listNoneAt[ListServiceSpecificCredentialsOutput](ctx, s, c, "ListServiceSpecificCredentials", in, func(v *checker) {
			v.page(&in.Paging)
		}, "user/*")
	}
	return listNone[ListServiceSpecificCredentialsOutput](ctx, s, c, "ListServiceSpecificCredentials", in, &userListing{in.UserName, in.Paging})
}

// ListServerCertificatesInput is the request of [Service.ListServerCertificates].
type ListServerCertificatesInput struct {
	PathPrefix *string
	Paging
}

// ListServerCertificatesOutput is the answer of [Service.ListServerCertificates].
type ListServerCertificatesOutput struct {
	ServerCertificateMetadataList []string // always empty
	Paged
}

// ListServerCertificates lists no certificates: there are none.
//
// It returns a *awserr.Error with code ValidationError or AccessDenied.
//
// Source: IAM API Reference, ListServerCertificates, read 2026-11-21.
func (s *Service) ListServerCertificates(ctx context.Context, c *authn.Caller, in *ListServerCertificatesInput) (*ListServerCertificatesOutput, error) {
	return listNoneAt[ListServerCertificatesOutput](ctx, s, c, "ListServerCertificates", in, func(v *checker) {
		v.pathPrefix(in.PathPrefix)
		v.page(&in.Paging)
	}, "server-certificate"+or(in.PathPrefix, "/"))
}

// ListVirtualMFADevicesInput is the request of [Service.ListVirtualMFADevices].
type ListVirtualMFADevicesInput struct {
	AssignmentStatus *string // "Assigned", "Unassigned" or "Any"
	Paging
}

// ListVirtualMFADevicesOutput is the answer of [Service.ListVirtualMFADevices].
type ListVirtualMFADevicesOutput struct {
	VirtualMFADevices []string // always empty
	Paged
}

// ListVirtualMFADevices lists no devices: there are none.
//
// It returns a *awserr.Error with code ValidationError or AccessDenied.
//
// Source: IAM API Reference, ListVirtualMFADevices, read 2026-11-21.
func (s *Service) ListVirtualMFADevices(ctx context.Context, c *authn.Caller, in *ListVirtualMFADevicesInput) (*ListVirtualMFADevicesOutput, error) {
	return listNoneAt[ListVirtualMFADevicesOutput](ctx, s, c, "ListVirtualMFADevices", in, func(v *checker) {
		v.oneOf("assignmentStatus", in.AssignmentStatus, "Assigned", "Unassigned", "Any")
		v.page(&in.Paging)
	}, "mfa/*")
}

// ListSAMLProvidersInput is the request of [Service.ListSAMLProviders].
type ListSAMLProvidersInput struct{}

// ListSAMLProvidersOutput is the answer of [Service.ListSAMLProviders].
type ListSAMLProvidersOutput struct {
	SAMLProviderList []string // always empty
}

// ListSAMLProviders lists no SAML providers: there are none.
//
// It returns a *awserr.Error with code AccessDenied.
//
// Source: IAM API Reference, ListSAMLProviders, read 2026-11-21.
func (s *Service) ListSAMLProviders(ctx context.Context, c *authn.Caller, in *ListSAMLProvidersInput) (*ListSAMLProvidersOutput, error) {
	return listNoneAt[ListSAMLProvidersOutput](ctx, s, c, "ListSAMLProviders", in, nil, "saml-provider/*")
}

// GetLoginProfileInput is the request of [Service.GetLoginProfile].
type GetLoginProfileInput struct {
	UserName *string // the caller if nil
}

// GetLoginProfile returns the NoSuchEntity of a user without a password: none has
// one.
//
// It returns a *awserr.Error with code ValidationError, AccessDenied or
// NoSuchEntity.
//
// Source: IAM API Reference, GetLoginProfile, read 2026-11-21.
func (s *Service) GetLoginProfile(ctx context.Context, c *authn.Caller, in *GetLoginProfileInput) error {
	return s.noLoginProfile(ctx, c, "GetLoginProfile", in, in.UserName)
}

// DeleteLoginProfileInput is the request of [Service.DeleteLoginProfile].
type DeleteLoginProfileInput struct {
	UserName *string // the caller if nil
}

// DeleteLoginProfile returns the NoSuchEntity of a user without a password: none has
// one. Its errors are those of [Service.GetLoginProfile].
//
// Source: IAM API Reference, DeleteLoginProfile, read 2026-11-21.
func (s *Service) DeleteLoginProfile(ctx context.Context, c *authn.Caller, in *DeleteLoginProfileInput) error {
	return s.noLoginProfile(ctx, c, "DeleteLoginProfile", in, in.UserName)
}

func (s *Service) noLoginProfile(ctx context.Context, c *authn.Caller, name string, in any, user *string) error {
	return do(ctx, s, c, name, in, func(v *checker) {
		v.maybeName("userName", user, 128)
	}, func(o *op) error {
		t, err := s.noneOf(ctx, o, user)
		if err != nil {
			return err
		}
		return fault(404, "NoSuchEntity", "Login Profile for User %s cannot be found.", t.name)
	})
}

// GetAccountPasswordPolicyInput is the request of
// [Service.GetAccountPasswordPolicy].
type GetAccountPasswordPolicyInput struct{}

// GetAccountPasswordPolicy returns the NoSuchEntity of an account without a policy
// for passwords: nobody has a password.
//
// It returns a *awserr.Error with code AccessDenied or NoSuchEntity.
//
// Source: IAM API Reference, GetAccountPasswordPolicy, read 2026-11-21.
func (s *Service) GetAccountPasswordPolicy(ctx context.Context, c *authn.Caller, in *GetAccountPasswordPolicyInput) error {
	return do(ctx, s, c, "GetAccountPasswordPolicy", in, nil, func(o *op) error {
		if err := o.ask(ctx, "*", nil); err != nil {
			return err
		}
		return fault(404, "NoSuchEntity", "The Password Policy with domain name %s cannot be found.", c.Account)
	})
}
