package policy

import "testing"

func TestRule24RootKeepsTheBucketPolicy(t *testing.T) {
	const bucket = "arn:aws:s3:::tour"
	base := Input{
		Principal: rootA, Action: "s3:PutBucketPolicy", Resource: bucket, Account: accountA,
		ResourcePolicy: named(t, KindBucket, says(Deny, "s3:*", bucket, toAll)),
	}
	checkRules(t, "S3/API_PutBucketPolicy", base, []ruleCase{
		{name: "PutBucketPolicy", allowed: true, layer: LayerRoot},
		{name: "GetBucketPolicy", allowed: true, layer: LayerRoot, change: func(in *Input) { in.Action = "s3:GetBucketPolicy" }},
		{name: "DeleteBucketPolicy", allowed: true, layer: LayerRoot, change: func(in *Input) { in.Action = "s3:deletebucketpolicy" }},
		{name: "another action", layer: LayerResource, explicit: true, change: func(in *Input) { in.Action = "s3:ListBucket" }},
		{name: "a user", layer: LayerResource, explicit: true, change: func(in *Input) {
			in.Principal, in.Identity = ann, list(t, KindIdentity, says(Allow, "*", "*"))
		}},
		{name: "root of another account", layer: LayerResource, explicit: true, change: func(in *Input) { in.Principal = rootB }},
		{name: "SCP", layer: LayerSCP, explicit: true, change: func(in *Input) { in.SCPs = [][]Named{list(t, KindSCP, says(Deny, "*", "*"))} }},
		{name: "RCP", layer: LayerRCP, explicit: true, change: func(in *Input) { in.RCPs = [][]Named{list(t, KindRCP, says(Deny, "s3:*", "*", toAll))} }},
		{name: "endpoint", layer: LayerEndpoint, explicit: true, change: func(in *Input) { in.Endpoint = list(t, KindEndpoint, says(Deny, "*", "*", toAll)) }},
		{name: "not the policy of another kind of resource", layer: LayerResource, explicit: true, change: func(in *Input) {
			in.ResourcePolicy = named(t, KindResource, says(Deny, "s3:*", bucket, toAll))
		}},
	})
}

// The bucket owner's Deny holds on objects that others own.
func TestRule25BucketOwnerDenies(t *testing.T) {
	base := Input{
		Principal: bob, Action: "s3:GetObject", Resource: objectARN, Account: accountB, // the object's owner
		Identity: list(t, KindIdentity, says(Allow, "s3:*", "*")),
	}
	checkRules(t, "S3/access-control-auth-workflow-object-operation", base, []ruleCase{
		{name: "owner", allowed: true, layer: LayerIdentity},
		{name: "the bucket denies", layer: LayerResource, explicit: true, change: func(in *Input) {
			in.ResourcePolicy = named(t, KindBucket, says(Deny, "s3:GetObject", "*", to(accountB)))
		}},
	})
}

func TestRule26ACLs(t *testing.T) {
	base := Input{Principal: bob, Action: "s3:GetObject", Resource: objectARN, Account: accountA, ACLAllows: true, ACLName: "object ACL"}
	iam := list(t, KindIdentity, says(Allow, "s3:GetObject", "*"))
	checkRules(t, "S3/about-object-ownership", base, []ruleCase{
		{name: "foreign, without IAM", layer: LayerIdentity},
		{name: "foreign, with IAM", allowed: true, layer: LayerACL, change: func(in *Input) { in.Identity = iam }},
		{name: "foreign root", allowed: true, layer: LayerACL, change: func(in *Input) { in.Principal = rootB }},
		{name: "anonymous", allowed: true, layer: LayerACL, change: func(in *Input) { in.Principal = anonymous }},
		{name: "own account, not public", layer: LayerIdentity, change: func(in *Input) { in.Principal = ann }},
		{name: "own account, public", allowed: true, layer: LayerACL, change: func(in *Input) { in.Principal, in.PublicACL = ann, true }},
		{name: "none", layer: LayerResource, change: func(in *Input) { in.ACLAllows, in.Identity = false, iam }},
		{name: "bucket policy Deny", layer: LayerResource, explicit: true, change: func(in *Input) {
			in.Identity, in.ResourcePolicy = iam, named(t, KindBucket, says(Deny, "s3:*", "*", toAll))
		}},
		{name: "anonymous, bucket policy Deny", layer: LayerResource, explicit: true, change: func(in *Input) {
			in.Principal, in.ResourcePolicy = anonymous, named(t, KindBucket, says(Deny, "s3:*", "*", toAll))
		}},
		{name: "SCP of the caller", layer: LayerSCP, change: func(in *Input) { in.Identity, in.SCPs = iam, [][]Named{{}} }},
	})
	in := base
	in.Principal = anonymous
	if d := Evaluate(&in); d.Match.Policy != "object ACL" {
		t.Errorf("Match = %+v; want the ACL's name", d.Match)
	}
}

func TestRule27RestrictPublicBuckets(t *testing.T) {
	iam := list(t, KindIdentity, says(Allow, "s3:*", "*"))
	public := says(Allow, "s3:GetObject", "arn:aws:s3:::tour/public/*", toAll)
	service := `"Principal":{"Service":"logging.s3.amazonaws.com"}`
	policy := named(t, KindBucket, public+","+says(Allow, "s3:GetObject", "*", to(bob.ARN, ann.ARN))+","+says(Allow, "s3:GetObject", "*", service))
	base := Input{
		Principal: bob, Action: "s3:GetObject", Resource: objectARN, Account: accountA,
		Identity: iam, ResourcePolicy: policy, RestrictPublic: true,
	}
	checkRules(t, "S3/access-control-block-public-access", base, []ruleCase{
		{name: "foreign, by a statement that is not public", layer: LayerPublic},
		{name: "anonymous", layer: LayerPublic, change: func(in *Input) {
			in.Principal, in.Resource = anonymous, "arn:aws:s3:::tour/public/a"
		}},
		{name: "own account", allowed: true, layer: LayerResource, change: func(in *Input) { in.Principal = ann }},
		{name: "service", allowed: true, layer: LayerResource, change: func(in *Input) { in.Principal = logging }},
		{name: "foreign, by an ACL", layer: LayerPublic, change: func(in *Input) { in.ACLAllows = true }},
		{name: "setting off", allowed: true, layer: LayerResource, change: func(in *Input) { in.RestrictPublic = false }},
		{name: "policy not public", allowed: true, layer: LayerResource, change: func(in *Input) {
			in.ResourcePolicy = named(t, KindBucket, says(Allow, "s3:GetObject", "*", to(bob.ARN)))
		}},
		{name: "a Deny comes first", layer: LayerResource, explicit: true, change: func(in *Input) {
			in.ResourcePolicy = named(t, KindBucket, public+","+says(Deny, "s3:*", "*", to(bob.ARN)))
		}},
	})
}

// bucket/* covers the objects and not the bucket.
func TestRule33BucketAndObjects(t *testing.T) {
	base := Input{Principal: ann, Action: "s3:ListBucket", Resource: "arn:aws:s3:::tour", Identity: list(t, KindIdentity, says(Allow, "s3:*", "arn:aws:s3:::tour/*"))}
	checkRules(t, "IAM/reference_policies_elements_resource", base, []ruleCase{
		{name: "the bucket", layer: LayerIdentity},
		{name: "an object", allowed: true, layer: LayerIdentity, change: func(in *Input) { in.Action, in.Resource = "s3:GetObject", objectARN }},
		{name: "an object of another bucket", layer: LayerIdentity, change: func(in *Input) { in.Resource = "arn:aws:s3:::tour2/a" }},
		{name: "case matters", layer: LayerIdentity, change: func(in *Input) { in.Resource = "arn:aws:s3:::Tour/a" }},
		{name: "an action without a resource", layer: LayerIdentity, change: func(in *Input) { in.Action, in.Resource = "s3:ListAllMyBuckets", "*" }},
	})
}

func TestRule28To29ActionsOfTheirOwn(t *testing.T) {
	base := Input{Principal: ann, Action: "s3:PutObject", Resource: objectARN, Identity: list(t, KindIdentity, says(Allow, "s3:PutObject", "*"))}
	checkRules(t, "S3/using-with-s3-policy-actions", base, []ruleCase{
		{name: "PutObject", allowed: true, layer: LayerIdentity},
		{name: "PutObjectTagging", layer: LayerIdentity, change: func(in *Input) { in.Action = "s3:PutObjectTagging" }},
		{name: "PutObjectRetention", layer: LayerIdentity, change: func(in *Input) { in.Action = "s3:PutObjectRetention" }},
		{name: "BypassGovernanceRetention under a Deny", layer: LayerIdentity, explicit: true, change: func(in *Input) {
			in.Action = "s3:BypassGovernanceRetention"
			in.Identity = list(t, KindIdentity, says(Allow, "s3:*", "*")+","+says(Deny, "s3:BypassGovernanceRetention", "*"))
		}},
		{name: "GetObjectVersion is not GetObject", layer: LayerIdentity, change: func(in *Input) {
			in.Action, in.Identity = "s3:GetObjectVersion", list(t, KindIdentity, says(Allow, "s3:GetObject", "*"))
		}},
	})
}
