package access

import (
	"strings"

	"coffer/internal/arn"
	"coffer/internal/policy"
)

// Bucket returns what answers tell of a bucket. Its account is that of the answers
// unless owner says otherwise.
func (s Saved) Bucket(name, owner string) (*Bucket, error) {
	b := &Bucket{Name: name, Account: owner, Region: "us-east-1"}
	if owner == "" {
		id, err := s.AccountID()
		if err != nil {
			return nil, err
		}
		b.Account = id
	}
	var location struct{ LocationConstraint *string }
	if _, _, err := s.read(&location, "s3api", "get-bucket-location", name); err != nil {
		return nil, err
	}
	if location.LocationConstraint != nil && *location.LocationConstraint != "" {
		b.Region = *location.LocationConstraint
	}
	if err := s.bucketPolicy(b); err != nil {
		return nil, err
	}
	var block struct{ PublicAccessBlockConfiguration Block }
	code, seen, err := s.read(&block, "s3api", "get-public-access-block", name)
	if err != nil {
		return nil, err
	}
	if b.SeesBlock = seen; code == "" {
		b.Block = block.PublicAccessBlockConfiguration
	}
	if err := s.bucketACL(b); err != nil {
		return nil, err
	}
	return b, s.bucketEncryption(b)
}

func (s Saved) bucketPolicy(b *Bucket) error {
	var p struct{ Policy document }
	code, seen, err := s.read(&p, "s3api", "get-bucket-policy", b.Name)
	if err != nil || !seen {
		return err
	}
	switch code {
	case "":
		b.Policy = p.Policy.named("bucket policy of "+b.Name, policy.KindBucket)
		b.SeesPolicy = b.Policy != nil
	case "NoSuchBucketPolicy":
		b.SeesPolicy = true
	}
	return nil
}

type acl struct {
	Grants []struct {
		Grantee    struct{ ID, URI, Type string }
		Permission string
	}
}

func (a *acl) list() []ACLGrant {
	var out []ACLGrant
	for _, g := range a.Grants {
		out = append(out, ACLGrant{Canonical: g.Grantee.ID, Group: g.Grantee.URI[strings.LastIndexByte(g.Grantee.URI, '/')+1:], Permission: g.Permission})
	}
	return out
}

func (s Saved) bucketACL(b *Bucket) error {
	var o struct {
		OwnershipControls struct {
			Rules []struct{ ObjectOwnership string }
		}
	}
	code, seen, err := s.read(&o, "s3api", "get-bucket-ownership-controls", b.Name)
	if err != nil || !seen {
		return err
	}
	// Without a configuration ACLs are in force.
	b.ACLs = code != "" || len(o.OwnershipControls.Rules) != 1 || o.OwnershipControls.Rules[0].ObjectOwnership != "BucketOwnerEnforced"
	if !b.ACLs {
		b.SeesACLs = true
		return nil
	}
	var list acl
	code, seen, err = s.read(&list, "s3api", "get-bucket-acl", b.Name)
	b.SeesACLs = seen && code == ""
	b.ACL = list.list()
	return err
}

func (s Saved) bucketEncryption(b *Bucket) error {
	var e struct {
		ServerSideEncryptionConfiguration struct {
			Rules []struct {
				ApplyServerSideEncryptionByDefault struct{ SSEAlgorithm, KMSMasterKeyID string }
				BucketKeyEnabled                   bool
			}
		}
	}
	code, seen, err := s.read(&e, "s3api", "get-bucket-encryption", b.Name)
	if err != nil || !seen {
		return err
	}
	b.SeesEncryption, b.Algorithm = true, "AES256" // what S3 does without a configuration
	if rules := e.ServerSideEncryptionConfiguration.Rules; code == "" && len(rules) == 1 {
		b.Algorithm, b.BucketKey = rules[0].ApplyServerSideEncryptionByDefault.SSEAlgorithm, rules[0].BucketKeyEnabled
		if id := rules[0].ApplyServerSideEncryptionByDefault.KMSMasterKeyID; id != "" {
			var known bool
			if b.KeyARN, known, err = s.keyARN(id, b.Account, b.Region); err != nil {
				return err
			} else if !known {
				b.SeesEncryption = false
			}
		}
	}
	return nil
}

// keyARN returns the ARN of a key by its ARN, ID or alias.
func (s Saved) keyARN(id, account, region string) (string, bool, error) {
	if strings.Contains(id, ":key/") {
		return id, true, nil
	}
	if i := strings.Index(id, "alias/"); i >= 0 {
		list, seen, err := s.aliases()
		if err != nil || !seen {
			return "", false, err
		}
		for _, a := range list {
			if a.AliasName == id[i:] && a.TargetKeyId != "" && strings.Contains(a.AliasArn, ":"+region+":") {
				return arn.Key(region, account, a.TargetKeyId), true, nil
			}
		}
		return "", false, nil
	}
	return arn.Key(region, account, id), true, nil
}

type alias struct{ AliasName, AliasArn, TargetKeyId string }

func (s Saved) aliases() ([]alias, bool, error) {
	var list struct{ Aliases []alias }
	code, seen, err := s.read(&list, "kms", "list-aliases")
	return list.Aliases, seen && code == "", err
}

// Object returns what answers tell of an object, or of what would be one.
func (s Saved) Object(b *Bucket, key, versionID string) (*Object, error) {
	o := &Object{Bucket: b, Key: key, VersionID: versionID}
	name := func(command string) []string {
		n := []string{"s3api", command, b.Name, key}
		if versionID != "" {
			n = append(n, versionID)
		}
		return n
	}
	var head struct {
		ServerSideEncryption, SSEKMSKeyId, SSECustomerAlgorithm string
		BucketKeyEnabled                                        bool
	}
	code, seen, err := s.read(&head, name("head-object")...)
	if err != nil {
		return nil, err
	}
	if seen && code == "" {
		o.Algorithm, o.KeyARN, o.BucketKey = head.ServerSideEncryption, head.SSEKMSKeyId, head.BucketKeyEnabled
		if head.SSECustomerAlgorithm != "" {
			o.Algorithm = "SSE-C"
		}
	}
	var list acl
	code, seen, err = s.read(&list, name("get-object-acl")...)
	if err != nil {
		return nil, err
	}
	o.ACL, o.SeesACL = list.list(), seen && code == ""
	var tags struct{ TagSet []tag }
	code, seen, err = s.read(&tags, name("get-object-tagging")...)
	o.Tags, o.SeesTags = tagMap(tags.TagSet), seen && code == ""
	return o, err
}

// AddKey adds to w what answers tell of a key.
func (w *World) AddKey(s Saved, keyARN string) (*Key, error) {
	a, err := arn.Parse(keyARN)
	if err != nil {
		return nil, err
	}
	id := strings.TrimPrefix(a.Resource, "key/")
	k := &Key{ARN: keyARN, Account: a.Account}
	var d struct {
		KeyMetadata struct{ KeyState, KeyManager, KeySpec, KeyUsage, Origin string }
	}
	code, seen, err := s.read(&d, "kms", "describe-key", id)
	if err != nil {
		return nil, err
	}
	if m := &d.KeyMetadata; seen && code == "" {
		k.State, k.IsManaged, k.Spec, k.Usage, k.Origin = m.KeyState, m.KeyManager == "AWS", m.KeySpec, m.KeyUsage, m.Origin
	}
	var p struct{ Policy document }
	if code, seen, err = s.read(&p, "kms", "get-key-policy", id); err != nil {
		return nil, err
	}
	if seen && code == "" {
		k.Policy = p.Policy.named("key policy of "+id, policy.KindKey)
		k.SeesPolicy = k.Policy != nil
	}
	if err := s.grants(k, id); err != nil {
		return nil, err
	}
	if list, seen, err := s.aliases(); err != nil {
		return nil, err
	} else if seen {
		for _, a := range list {
			if a.TargetKeyId == id {
				k.Aliases = append(k.Aliases, a.AliasName)
			}
		}
	}
	var tags struct {
		Tags []struct{ TagKey, TagValue string }
	}
	if code, seen, err = s.read(&tags, "kms", "list-resource-tags", id); err != nil {
		return nil, err
	}
	k.SeesTags, k.Tags = seen && code == "", make(map[string]string)
	for _, t := range tags.Tags {
		k.Tags[t.TagKey] = t.TagValue
	}
	w.Keys = append(w.Keys, k)
	return k, nil
}

func (s Saved) grants(k *Key, id string) error {
	var list struct {
		Grants []struct {
			GrantId, GranteePrincipal, GranteeServicePrincipal, RetiringPrincipal string
			Operations                                                            []string
			Constraints                                                           struct {
				EncryptionContextEquals, EncryptionContextSubset map[string]string
				SourceArn                                        string
			}
		}
	}
	code, seen, err := s.read(&list, "kms", "list-grants", id)
	if err != nil || !seen || code != "" {
		return err
	}
	k.SeesGrants = true
	for _, g := range list.Grants {
		k.Grants = append(k.Grants, policy.Grant{ID: g.GrantId, GranteePrincipal: g.GranteePrincipal, GranteeService: g.GranteeServicePrincipal,
			RetiringPrincipal: g.RetiringPrincipal, Operations: g.Operations, ContextEquals: g.Constraints.EncryptionContextEquals,
			ContextSubset: g.Constraints.EncryptionContextSubset, SourceARN: g.Constraints.SourceArn})
	}
	return nil
}

// OwnsBucket reports whether the account of the answers owns a bucket, as far as
// they tell.
func (s Saved) OwnsBucket(name string) (bool, error) {
	var list struct{ Buckets []struct{ Name string } }
	code, seen, err := s.read(&list, "s3api", "list-buckets")
	if err != nil || !seen || code != "" {
		return false, err
	}
	for _, b := range list.Buckets {
		if b.Name == name {
			return true, nil
		}
	}
	return false, nil
}

// FindKey returns the ARN of a key of the account of the answers, by its ARN, ID or
// alias, or "".
func (s Saved) FindKey(name string) (string, error) {
	id, err := s.AccountID()
	if err != nil {
		return "", err
	}
	if a, err := arn.Parse(name); err == nil && a.Account != id {
		return "", nil
	}
	if strings.Contains(name, ":key/") {
		return name, nil
	}
	if i := strings.Index(name, "alias/"); i >= 0 {
		list, _, err := s.aliases()
		for _, a := range list {
			if x, bad := arn.Parse(a.AliasArn); a.AliasName == name[i:] && a.TargetKeyId != "" && bad == nil {
				return arn.Key(x.Region, x.Account, a.TargetKeyId), nil
			}
		}
		return "", err
	}
	var d struct{ KeyMetadata struct{ Arn string } }
	_, _, err = s.read(&d, "kms", "describe-key", name)
	return d.KeyMetadata.Arn, err
}
