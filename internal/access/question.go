package access

import (
	"fmt"
	"strings"

	"coffer/internal/arn"
	"coffer/internal/policy"
)

// A Verb is what somebody may want to do.
type Verb string

// The verbs.
const (
	Read       Verb = "read"       // an object, in the clear
	Write      Verb = "write"      // an object, by a plain PutObject
	Delete     Verb = "delete"     // an object or a version
	Decrypt    Verb = "decrypt"    // anything under a key, directly
	Administer Verb = "administer" // a bucket or a key: change who may do what, or end it
)

// A Question asks who can do a verb to a target: one of Object, Bucket and Key.
type Question struct {
	Verb   Verb
	Object *Object // of Read, Write and Delete
	Bucket *Bucket // of Administer
	Key    *Key    // of Decrypt and Administer
}

// A step is one decision that an answer needs.
type step struct {
	action, resource, account, region string

	policy    *policy.Named
	unseen    []policy.Layer // kinds of policy of the resource that were not seen
	grants    []policy.Grant
	noRCP     bool
	restrict  bool
	acl       []ACLGrant // that may allow the action
	ignoreACL bool       // those for everyone
	// unseenBlock is set if restrict and ignoreACL may be set where they are not.
	unseenBlock bool
	keys        map[string][]string
	open        []string // further keys that only a request tells
	forwarded   bool     // S3 asks, for the principal
	// never says why the step can't succeed for anyone.
	never string
	// unknown says why nothing can be told of the step.
	unknown string
	// only names what else a request needs, besides being allowed.
	only string
}

// steps returns what an answer to q needs: all of the steps of one of the
// alternatives.
func (q *Question) steps(w *World) ([][]step, error) {
	switch {
	case q.Verb == Read && q.Object != nil:
		return [][]step{append([]step{w.s3Step(q.Object, "s3:GetObject", "READ")}, w.openStep(q.Object)...)}, nil
	case q.Verb == Write && q.Object != nil:
		return [][]step{append([]step{w.s3Step(q.Object, "s3:PutObject", "")}, w.sealStep(q.Object)...)}, nil
	case q.Verb == Delete && q.Object != nil:
		return [][]step{{w.s3Step(q.Object, "s3:DeleteObject", "")}}, nil
	case q.Verb == Decrypt && q.Key != nil:
		return [][]step{{w.keyStep(q.Key, "kms:Decrypt", nil, false)}}, nil
	case q.Verb == Administer && q.Bucket != nil:
		var all [][]step
		for _, action := range bucketAdministration {
			all = append(all, []step{w.bucketStep(q.Bucket, action)})
		}
		return all, nil
	case q.Verb == Administer && q.Key != nil:
		var all [][]step
		for _, action := range keyAdministration {
			all = append(all, []step{w.keyStep(q.Key, action, nil, false)})
		}
		return all, nil
	}
	return nil, fmt.Errorf("access: nobody can %s such a target", q.Verb)
}

// bucketAdministration are the actions that change who may do what with a bucket's
// objects, under which key they are sealed, or how long they live.
var bucketAdministration = []string{
	"s3:PutBucketPolicy", "s3:DeleteBucketPolicy", "s3:PutBucketPublicAccessBlock", "s3:PutBucketAcl", "s3:PutBucketOwnershipControls",
	"s3:PutEncryptionConfiguration", "s3:PutBucketVersioning", "s3:PutLifecycleConfiguration", "s3:PutReplicationConfiguration", "s3:DeleteBucket",
}

// keyAdministration are the same for a key.
var keyAdministration = []string{
	"kms:PutKeyPolicy", "kms:CreateGrant", "kms:DisableKey", "kms:ScheduleKeyDeletion", "kms:DeleteImportedKeyMaterial", "kms:UpdateAlias",
}

// s3Step is an action on an object. READ is the permission of a bucket's or object's
// access control list that allows it, if any.
func (w *World) s3Step(o *Object, action, permission string) step {
	b := o.Bucket
	s := w.bucketStep(b, action)
	s.resource = arn.Object(b.Name, o.Key)
	if o.VersionID != "" && (action == "s3:GetObject" || action == "s3:DeleteObject") {
		s.action += "Version"
		s.keys["s3:versionid"] = []string{o.VersionID}
	}
	if o.SeesTags {
		for k, v := range o.Tags {
			s.keys["s3:existingobjecttag/"+strings.ToLower(k)] = []string{v}
		}
	} else {
		s.open = append(s.open, "s3:existingobjecttag/")
	}
	if b.ACLs || !b.SeesACLs {
		switch {
		case permission != "" && !o.SeesACL || permission == "" && !b.SeesACLs:
			s.unseen = append(s.unseen, policy.LayerACL)
		case permission != "":
			s.acl = o.ACL
		default:
			s.acl, permission = b.ACL, "WRITE"
		}
		s.acl = granting(s.acl, permission)
	}
	return s
}

func granting(list []ACLGrant, permission string) []ACLGrant {
	var out []ACLGrant
	for _, g := range list {
		if g.Permission == permission || g.Permission == "FULL_CONTROL" {
			out = append(out, g)
		}
	}
	return out
}

// bucketStep is an action on a bucket.
func (w *World) bucketStep(b *Bucket, action string) step {
	s := step{action: action, resource: arn.Bucket(b.Name), account: b.Account, region: b.Region, policy: b.Policy,
		keys: map[string][]string{"s3:resourceaccount": {b.Account}}}
	if !b.SeesPolicy {
		s.unseen = append(s.unseen, policy.LayerResource)
	}
	a := w.Account(b.Account)
	s.restrict = b.Block.RestrictPublicBuckets || a != nil && a.Block.RestrictPublicBuckets
	s.ignoreACL = b.Block.IgnorePublicAcls || a != nil && a.Block.IgnorePublicAcls
	s.unseenBlock = (!b.SeesBlock || a == nil || !a.SeesBlock) && !(s.restrict && s.ignoreACL)
	return s
}

// openStep asks KMS for what opens an object, through S3.
func (w *World) openStep(o *Object) []step {
	switch o.Algorithm {
	case "AES256":
		return nil
	case "aws:kms", "aws:kms:dsse":
		return []step{w.sealingKeyStep(o, o.KeyARN, o.BucketKey, "kms:Decrypt")}
	case "SSE-C":
		return []step{{only: "the request holds the key that the object was written with (SSE-C)"}}
	}
	return []step{{unknown: "how the object is sealed was not seen"}}
}

// sealStep asks KMS for what seals a new object under the bucket's default.
func (w *World) sealStep(o *Object) []step {
	b := o.Bucket
	switch {
	case !b.SeesEncryption:
		return []step{{unknown: "the bucket's default encryption was not seen"}}
	case strings.HasPrefix(b.Algorithm, "aws:kms"):
		return []step{w.sealingKeyStep(o, b.KeyARN, b.BucketKey, "kms:GenerateDataKey")}
	}
	return nil
}

func (w *World) sealingKeyStep(o *Object, keyARN string, bucketKey bool, action string) step {
	b := o.Bucket
	var k *Key
	if keyARN == "" {
		k = w.managedKey(b)
	} else {
		owner := b.Account
		if a, err := arn.Parse(keyARN); err == nil {
			owner = a.Account
		}
		k = w.Key(keyARN, owner)
	}
	encryption := map[string]string{"aws:s3:arn": arn.Object(b.Name, o.Key)}
	if bucketKey {
		encryption["aws:s3:arn"] = arn.Bucket(b.Name)
	}
	for name, value := range o.Context {
		encryption[name] = value
	}
	s := w.keyStep(k, action, encryption, true)
	s.region = b.Region
	s.keys["kms:viaservice"] = []string{"s3." + b.Region + ".amazonaws.com"}
	return s
}

// managedKey returns the key aws/s3 of a bucket's account, whose policy is always
// the same.
func (w *World) managedKey(b *Bucket) *Key {
	for _, k := range w.Keys {
		if k.IsManaged && k.Account == b.Account && strings.HasPrefix(k.ARN, "arn:aws:kms:"+b.Region+":") {
			return k
		}
	}
	text := `{"Version":"2012-10-17","Id":"auto-s3-2","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},` +
		`"Action":["kms:Encrypt","kms:Decrypt","kms:ReEncrypt*","kms:GenerateDataKey*","kms:DescribeKey"],"Resource":"*",` +
		`"Condition":{"StringEquals":{"kms:CallerAccount":"` + b.Account + `","kms:ViaService":"s3.` + b.Region + `.amazonaws.com"}}}]}`
	p, err := policy.Load(text, policy.KindKey)
	if err != nil {
		panic("access: internal error: " + err.Error())
	}
	name := arn.Key(b.Region, b.Account, "aws/s3")
	return &Key{ARN: name, Account: b.Account, Policy: &policy.Named{Name: "policy of aws/s3", Policy: p}, SeesPolicy: true, SeesGrants: true,
		State: "Enabled", IsManaged: true, SeesTags: true}
}

// keyStep is an action on a key. encryption is the encryption context of the
// request, nil if it is open.
func (w *World) keyStep(k *Key, action string, encryption map[string]string, forwarded bool) step {
	s := step{action: action, resource: k.ARN, account: k.Account, policy: k.Policy, grants: k.Grants, noRCP: k.IsManaged, forwarded: forwarded,
		keys: map[string][]string{}}
	if a, err := arn.Parse(k.ARN); err == nil {
		s.region = a.Region
	}
	if !k.SeesPolicy {
		s.unseen = append(s.unseen, policy.LayerResource)
	}
	if !k.SeesGrants {
		s.unseen = append(s.unseen, policy.LayerGrant)
	}
	if k.State != "" && k.State != "Enabled" && (action == "kms:Decrypt" || action == "kms:GenerateDataKey") {
		s.never = "the key is " + k.State
	}
	for key, value := range map[string]string{"kms:keyspec": k.Spec, "kms:keyusage": k.Usage, "kms:keyorigin": k.Origin} {
		if value != "" {
			s.keys[key] = []string{value}
		} else {
			s.open = append(s.open, key)
		}
	}
	if len(k.Aliases) > 0 {
		s.keys["kms:resourcealiases"] = k.Aliases
	}
	if k.SeesTags {
		for name, v := range k.Tags {
			s.keys["aws:resourcetag/"+strings.ToLower(name)] = []string{v}
		}
	} else {
		s.open = append(s.open, "aws:resourcetag/")
	}
	s.open = append(s.open, "kms:encryptionalgorithm", "kms:requestalias")
	if !forwarded {
		s.open = append(s.open, "kms:encryptioncontext:", "kms:encryptioncontextkeys", "kms:granteeprincipal", "kms:grantoperations", "kms:grantconstrainttype",
			"kms:retiringprincipal", "kms:grantisforawsresource", "kms:bypasspolicylockoutsafetycheck", "kms:schedulekeydeletionpendingwindowindays")
		return s
	}
	for name, value := range encryption {
		s.keys["kms:encryptioncontext:"+strings.ToLower(name)] = []string{value}
		s.keys["kms:encryptioncontextkeys"] = append(s.keys["kms:encryptioncontextkeys"], name)
	}
	s.open = s.open[:len(s.open)-1] // S3 names keys by their ARN
	s.keys["kms:encryptionalgorithm"] = []string{"SYMMETRIC_DEFAULT"}
	return s
}
