package s3

import (
	"context"

	"coffer/internal/authn"
	"coffer/internal/awserr"
	"coffer/internal/object"
)

var errNoPublicAccessBlock = notFound("NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found")

// PutPublicAccessBlock replaces a bucket's Block Public Access setting.
func (s *Service) PutPublicAccessBlock(ctx context.Context, c *authn.Caller, in *PutPublicAccessBlockInput) error {
	r := s.begin(ctx, c, "PutBucketPublicAccessBlock", managementWrite, in.Bucket, "", in.ExpectedBucketOwner)
	r.Param("PublicAccessBlockConfiguration", in.shown())
	block := in.PublicAccessBlock.kept()
	return r.end(r.setBlock(&block))
}

// DeletePublicAccessBlock removes a bucket's Block Public Access setting: all four
// are off then, as far as the account's own setting lets them.
func (s *Service) DeletePublicAccessBlock(ctx context.Context, c *authn.Caller, in *BucketInput) error {
	r := s.begin(ctx, c, "DeleteBucketPublicAccessBlock", managementWrite, in.Bucket, "", in.ExpectedBucketOwner)
	return r.end(r.setBlock(&object.PublicAccessBlock{Deleted: true}))
}

func (r *request) setBlock(block *object.PublicAccessBlock) error {
	if err := r.authorize("s3:PutBucketPublicAccessBlock"); err != nil {
		return err
	}
	return r.s.objects.ReconfigureAccess(r.ctx, r.bucket, func(b *object.Bucket) error {
		b.Block = block
		return nil
	}, r.Record)
}

// GetPublicAccessBlock returns a bucket's own Block Public Access setting.
func (s *Service) GetPublicAccessBlock(ctx context.Context, c *authn.Caller, in *BucketInput) (*PublicAccessBlock, error) {
	r := s.begin(ctx, c, "GetBucketPublicAccessBlock", managementRead, in.Bucket, "", in.ExpectedBucketOwner)
	if err := r.authorize("s3:GetBucketPublicAccessBlock"); err != nil {
		return finish[*PublicAccessBlock](r, nil, err)
	}
	block := r.bucket.PublicAccess()
	if block.Deleted {
		return finish[*PublicAccessBlock](r, nil, errNoPublicAccessBlock.With("BucketName", in.Bucket))
	}
	return finish(r, shownBlock(block), nil)
}

func (b PublicAccessBlock) kept() object.PublicAccessBlock {
	return object.PublicAccessBlock{BlockPublicACLs: b.BlockPublicACLs, IgnorePublicACLs: b.IgnorePublicACLs,
		BlockPublicPolicy: b.BlockPublicPolicy, RestrictPublicBuckets: b.RestrictPublicBuckets}
}

// shown is b as the trail has it.
func (b PublicAccessBlock) shown() map[string]any {
	return map[string]any{"BlockPublicAcls": b.BlockPublicACLs, "IgnorePublicAcls": b.IgnorePublicACLs,
		"BlockPublicPolicy": b.BlockPublicPolicy, "RestrictPublicBuckets": b.RestrictPublicBuckets}
}

func shownBlock(b object.PublicAccessBlock) *PublicAccessBlock {
	return &PublicAccessBlock{BlockPublicACLs: b.BlockPublicACLs, IgnorePublicACLs: b.IgnorePublicACLs,
		BlockPublicPolicy: b.BlockPublicPolicy, RestrictPublicBuckets: b.RestrictPublicBuckets}
}

// PutAccountPublicAccessBlock replaces an account's Block Public Access setting,
// which holds for all of its buckets.
func (s *Service) PutAccountPublicAccessBlock(ctx context.Context, c *authn.Caller, in *PutAccountPublicAccessBlockInput) error {
	r := s.beginControl(ctx, c, "PutAccountPublicAccessBlock", managementWrite, in.Account)
	r.Param("PublicAccessBlockConfiguration", in.shown())
	err := r.authorizeAccount("s3:PutAccountPublicAccessBlock", in.Account)
	if err == nil {
		block := in.PublicAccessBlock.kept()
		err = s.objects.SetAccountBlock(ctx, in.Account, &block, r.Record)
	}
	return r.end(err)
}

// DeleteAccountPublicAccessBlock removes an account's Block Public Access setting.
func (s *Service) DeleteAccountPublicAccessBlock(ctx context.Context, c *authn.Caller, in *AccountInput) error {
	r := s.beginControl(ctx, c, "DeleteAccountPublicAccessBlock", managementWrite, in.Account)
	err := r.authorizeAccount("s3:PutAccountPublicAccessBlock", in.Account)
	if err == nil {
		err = s.objects.SetAccountBlock(ctx, in.Account, nil, r.Record)
	}
	return r.end(err)
}

// GetAccountPublicAccessBlock returns an account's Block Public Access setting.
func (s *Service) GetAccountPublicAccessBlock(ctx context.Context, c *authn.Caller, in *AccountInput) (*PublicAccessBlock, error) {
	r := s.beginControl(ctx, c, "GetAccountPublicAccessBlock", managementRead, in.Account)
	if err := r.authorizeAccount("s3:GetAccountPublicAccessBlock", in.Account); err != nil {
		return finish[*PublicAccessBlock](r, nil, err)
	}
	block, err := s.objects.AccountBlock(ctx, in.Account)
	if err == nil && block.Deleted {
		err = errNoPublicAccessBlock.With("AccountId", in.Account)
	}
	return finish(r, shownBlock(block), err)
}

// beginControl begins an operation of S3 Control on an account.
func (s *Service) beginControl(ctx context.Context, c *authn.Caller, operation string, kind int, account string) *request {
	r := s.begin(ctx, c, operation, kind, "", "", "")
	r.Param("accountId", account)
	return r
}

// authorizeAccount decides an action on an account. The account that the request
// names owns the resource, so that another one is decided as such.
func (r *request) authorizeAccount(action, account string) error {
	if !isAccount(account) {
		return invalidRequest("x-amz-account-id is missing or not an account ID")
	}
	q := &question{r: r}
	q.Action, q.Resource, q.Account, q.Keys = action, "*", account, q
	return r.Ask(r.ctx, &q.Ask)
}

// isAccount reports whether s has the form of an account ID.
func isAccount(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return len(s) == 12
}

// PutBucketOwnershipControls sets who owns the objects of a bucket, and whether
// access control lists count there.
func (s *Service) PutBucketOwnershipControls(ctx context.Context, c *authn.Caller, in *PutBucketOwnershipControlsInput) error {
	r := s.begin(ctx, c, "PutBucketOwnershipControls", managementWrite, in.Bucket, "", in.ExpectedBucketOwner)
	if len(in.Rules) == 1 {
		r.Param("OwnershipControls", map[string]any{"Rule": map[string]any{"ObjectOwnership": in.Rules[0]}})
	}
	return r.end(r.putOwnership(in))
}

func (r *request) putOwnership(in *PutBucketOwnershipControlsInput) error {
	if err := r.authorize("s3:PutBucketOwnershipControls"); err != nil {
		return err
	}
	if len(in.Rules) != 1 || !isOwnership(in.Rules[0]) {
		return errMalformedXML
	}
	return r.setOwnership(in.Rules[0])
}

// isOwnership reports whether s is a setting of object ownership.
func isOwnership(s string) bool {
	return s == object.BucketOwnerEnforced || s == object.BucketOwnerPreferred || s == object.ObjectWriter
}

var errACLWithOwnership = awserr.New(400, "InvalidBucketAclWithObjectOwnership", "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting")

func (r *request) setOwnership(ownership string) error {
	return r.s.objects.ReconfigureAccess(r.ctx, r.bucket, func(b *object.Bucket) error {
		if ownership == object.BucketOwnerEnforced && b.ACL != nil {
			return errACLWithOwnership
		}
		b.Ownership = ownership
		return nil
	}, r.Record)
}

// DeleteBucketOwnershipControls removes the setting; the bucket then works as with
// ObjectWriter.
func (s *Service) DeleteBucketOwnershipControls(ctx context.Context, c *authn.Caller, in *BucketInput) error {
	r := s.begin(ctx, c, "DeleteBucketOwnershipControls", managementWrite, in.Bucket, "", in.ExpectedBucketOwner)
	err := r.authorize("s3:PutBucketOwnershipControls")
	if err == nil {
		err = r.setOwnership(object.NoOwnershipControls)
	}
	return r.end(err)
}

// GetBucketOwnershipControls returns who owns the objects of a bucket.
func (s *Service) GetBucketOwnershipControls(ctx context.Context, c *authn.Caller, in *BucketInput) (*GetBucketOwnershipControlsOutput, error) {
	r := s.begin(ctx, c, "GetBucketOwnershipControls", managementRead, in.Bucket, "", in.ExpectedBucketOwner)
	err := r.authorize("s3:GetBucketOwnershipControls")
	out := new(GetBucketOwnershipControlsOutput)
	if err == nil {
		if out.ObjectOwnership = r.bucket.OwnershipSetting(); out.ObjectOwnership == object.NoOwnershipControls {
			err = notFound("OwnershipControlsNotFoundError", "The bucket ownership controls were not found").With("BucketName", in.Bucket)
		}
	}
	return finish(r, out, err)
}
