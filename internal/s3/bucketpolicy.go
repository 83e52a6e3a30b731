package s3

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"coffer/internal/arn"
	"coffer/internal/authn"
	"coffer/internal/awserr"
	"coffer/internal/object"
	"coffer/internal/policy"
)

// maxPolicies bounds how many compiled bucket policies are held in memory.
const maxPolicies = 4096

// policies are compiled bucket policies, by bucket. One counts only for the change
// of the bucket's policy that it was read at.
type policies struct {
	mu   sync.Mutex // guards live
	live map[object.ID]*bucketPolicy
}

// A bucketPolicy is one compiled bucket policy.
type bucketPolicy struct {
	change uint64
	named  policy.Named
	public bool

	once    sync.Once // guards denying and its error
	denying *policy.Named
	err     error
}

// of returns the policy of a bucket that has one, or nil if it was removed since
// the bucket was read.
func (p *policies) of(ctx context.Context, objects *object.Store, b *object.Bucket) (*bucketPolicy, error) {
	p.mu.Lock()
	kept := p.live[b.ID]
	p.mu.Unlock()
	if kept != nil && kept.change == b.PolicyChanges {
		return kept, nil
	}
	text, change, err := objects.Policy(ctx, b)
	if errors.Is(err, object.ErrNoPolicy) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("policy of bucket %s: %w", b.Name, err)
	}
	compiled, err := compile(b.Name, text)
	if err != nil {
		return nil, fmt.Errorf("policy of bucket %s: %w", b.Name, err)
	}
	compiled.change = change
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.live == nil {
		p.live = make(map[object.ID]*bucketPolicy)
	}
	if len(p.live) >= maxPolicies {
		clear(p.live)
	}
	if now := p.live[b.ID]; now == nil || now.change < change {
		p.live[b.ID] = compiled
	}
	return compiled, nil
}

// compile compiles a policy as it is kept. What it does not understand denies.
func compile(bucket, text string) (*bucketPolicy, error) {
	doc, err := policy.Load(text, policy.KindBucket)
	if err != nil {
		return nil, err
	}
	return &bucketPolicy{named: policy.Named{Name: arn.Bucket(bucket), Policy: doc}, public: doc.IsPublic()}, nil
}

// denials returns the policy without what it allows: of objects that another
// account owns, the bucket's owner can only take away.
func (p *bucketPolicy) denials() (*policy.Named, error) {
	p.once.Do(func() {
		text, err := onlyDenials(p.named.Policy.Text())
		if err == nil {
			var doc *policy.Policy
			doc, err = policy.Load(text, policy.KindBucket)
			p.denying = &policy.Named{Name: p.named.Name, Policy: doc}
		}
		p.err = err
	})
	return p.denying, p.err
}

// onlyDenials returns a policy's text without the statements that allow.
func onlyDenials(text string) (string, error) {
	var doc map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		return "", fmt.Errorf("split bucket policy: %w", err)
	}
	var all []json.RawMessage
	if err := json.Unmarshal(doc["Statement"], &all); err != nil {
		all = []json.RawMessage{doc["Statement"]} // one alone needs no list
	}
	kept := []json.RawMessage{}
	for _, s := range all {
		var effect struct{ Effect string }
		if err := json.Unmarshal(s, &effect); err != nil {
			return "", fmt.Errorf("split bucket policy: %w", err)
		}
		if effect.Effect != string(policy.Allow) {
			kept = append(kept, s)
		}
	}
	var err error
	if doc["Statement"], err = json.Marshal(kept); err != nil {
		return "", err
	}
	b, err := json.Marshal(doc)
	return string(b), err
}

// PutBucketPolicy replaces a bucket's policy.
func (s *Service) PutBucketPolicy(ctx context.Context, c *authn.Caller, in *PutBucketPolicyInput) error {
	r := s.begin(ctx, c, "PutBucketPolicy", managementWrite, in.Bucket, "", in.ExpectedBucketOwner)
	return r.end(r.putPolicy(in))
}

func (r *request) putPolicy(in *PutBucketPolicyInput) error {
	if err := r.authorizePolicy("s3:PutBucketPolicy", "PUT"); err != nil {
		return err
	}
	text := string(in.Policy)
	doc, err := policy.Parse(text, policy.KindBucket)
	if err != nil {
		return malformedPolicy(err)
	}
	var shown any
	if json.Unmarshal(in.Policy, &shown) == nil {
		r.Param("bucketPolicy", shown)
	}
	if err := checkPolicy(r.bucket.Name, doc); err != nil {
		return err
	}
	if doc.IsPublic() {
		block, err := r.s.publicAccess(r.ctx, r.bucket)
		if err != nil {
			return err
		}
		if block.BlockPublicPolicy {
			return r.denied("s3:PutBucketPolicy", "public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access")
		}
	}
	if r.s.principals == nil {
		return errNotImplemented
	}
	saved, err := r.s.principals.SavePrincipals(r.ctx, text, policy.KindBucket)
	if err != nil {
		return policyPrincipal(err)
	}
	if !in.ConfirmRemoveSelf {
		if err := r.keepsSelf(saved); err != nil {
			return err
		}
	}
	return r.s.objects.SetPolicy(r.ctx, r.bucket, saved, r.Record)
}

// authorizePolicy decides an operation on the bucket's policy. Only principals of
// the bucket's account may do any, whatever the policy allows others.
//
// Source: Amazon S3 API Reference, PutBucketPolicy, GetBucketPolicy and
// DeleteBucketPolicy, "Permissions", read 2026-11-21.
func (r *request) authorizePolicy(action, method string) error {
	if err := r.authorize(action); err != nil {
		return err
	}
	if r.c.Account != r.bucket.Account {
		return awserr.New(405, "MethodNotAllowed", "The specified method is not allowed against this resource.").
			With("Method", method).With("ResourceType", "BUCKETPOLICY")
	}
	return nil
}

// keepsSelf refuses a policy that would keep the caller from changing it again.
//
// Source: Amazon S3 API Reference, PutBucketPolicy,
// x-amz-confirm-remove-self-bucket-access, read 2026-11-21.
func (r *request) keepsSelf(saved string) error {
	q, err := r.question("s3:PutBucketPolicy", r.resource)
	if err != nil {
		return err
	}
	p, err := compile(r.bucket.Name, saved)
	if err != nil {
		return err
	}
	q.Policy, q.RestrictPublic, q.Refresh = &p.named, false, nil
	if p.public {
		block, err := r.s.publicAccess(r.ctx, r.bucket)
		if err != nil {
			return err
		}
		q.RestrictPublic = block.RestrictPublicBuckets
	}
	allowed, err := r.s.gate.Allowed(r.ctx, r.c, &q.Ask)
	if err == nil && !allowed {
		return invalidRequest("The new bucket policy will not allow you to update the bucket policy in the future. To put it all the same, confirm with x-amz-confirm-remove-self-bucket-access.")
	}
	return err
}

// GetBucketPolicy returns a bucket's policy, with its principals as they are called
// now.
func (s *Service) GetBucketPolicy(ctx context.Context, c *authn.Caller, in *BucketInput) (*GetBucketPolicyOutput, error) {
	r := s.begin(ctx, c, "GetBucketPolicy", managementRead, in.Bucket, "", in.ExpectedBucketOwner)
	out, err := r.getPolicy()
	return finish(r, out, err)
}

func (r *request) getPolicy() (*GetBucketPolicyOutput, error) {
	if err := r.authorizePolicy("s3:GetBucketPolicy", "GET"); err != nil {
		return nil, err
	}
	text, _, err := r.s.objects.Policy(r.ctx, r.bucket)
	if err != nil {
		return nil, err
	}
	if r.s.principals != nil {
		if text, err = r.s.principals.ShowPrincipals(r.ctx, text); err != nil {
			return nil, err
		}
	}
	return &GetBucketPolicyOutput{Policy: text}, nil
}

// DeleteBucketPolicy removes a bucket's policy. There need not be one.
func (s *Service) DeleteBucketPolicy(ctx context.Context, c *authn.Caller, in *BucketInput) error {
	r := s.begin(ctx, c, "DeleteBucketPolicy", managementWrite, in.Bucket, "", in.ExpectedBucketOwner)
	err := r.authorizePolicy("s3:DeleteBucketPolicy", "DELETE")
	if err == nil {
		err = s.objects.SetPolicy(ctx, r.bucket, "", r.Record)
	}
	return r.end(err)
}

// GetBucketPolicyStatus tells whether a bucket's policy is public.
func (s *Service) GetBucketPolicyStatus(ctx context.Context, c *authn.Caller, in *BucketInput) (*GetBucketPolicyStatusOutput, error) {
	r := s.begin(ctx, c, "GetBucketPolicyStatus", managementRead, in.Bucket, "", in.ExpectedBucketOwner)
	out, err := r.policyStatus()
	return finish(r, out, err)
}

func (r *request) policyStatus() (*GetBucketPolicyStatusOutput, error) {
	if err := r.authorize("s3:GetBucketPolicyStatus"); err != nil {
		return nil, err
	}
	if !r.bucket.HasPolicy {
		return nil, object.ErrNoPolicy
	}
	p, err := r.s.policies.of(r.ctx, r.s.objects, r.bucket)
	if err != nil {
		return nil, err
	}
	if p == nil {
		return nil, object.ErrNoPolicy
	}
	return &GetBucketPolicyStatusOutput{IsPublic: p.public}, nil
}
