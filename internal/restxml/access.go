package restxml

import "errors"

// ControlNamespace is the XML namespace of the documents of S3 Control.
const ControlNamespace = "http://awss3control.amazonaws.com/doc/2018-08-20/"

// PublicAccessBlockConfiguration is the body of PutPublicAccessBlock and the answer
// of GetPublicAccessBlock, of a bucket and, in S3 Control, of an account.
type PublicAccessBlockConfiguration struct {
	Control bool // in the namespace of S3 Control

	BlockPublicACLs, IgnorePublicACLs, BlockPublicPolicy, RestrictPublicBuckets bool
}

func (d *PublicAccessBlockConfiguration) write(w *writer) {
	const name = "PublicAccessBlockConfiguration"
	if d.Control {
		w.raw("<" + name + ` xmlns="` + ControlNamespace + `">`)
	} else {
		w.root(name)
	}
	w.bool("BlockPublicAcls", d.BlockPublicACLs)
	w.bool("IgnorePublicAcls", d.IgnorePublicACLs)
	w.bool("BlockPublicPolicy", d.BlockPublicPolicy)
	w.bool("RestrictPublicBuckets", d.RestrictPublicBuckets)
	w.close(name)
}

// DecodePublicAccessBlockConfiguration decodes the body of PutPublicAccessBlock. A
// switch that is left out is off.
func DecodePublicAccessBlockConfiguration(body []byte) (*PublicAccessBlockConfiguration, error) {
	var acls, ignore, policy, restrict *bool
	err := decode(body, "PublicAccessBlockConfiguration", func(d *decoder) error {
		return d.children(func(name string) error {
			switch name {
			case "BlockPublicAcls":
				return d.setBool(&acls)
			case "IgnorePublicAcls":
				return d.setBool(&ignore)
			case "BlockPublicPolicy":
				return d.setBool(&policy)
			case "RestrictPublicBuckets":
				return d.setBool(&restrict)
			}
			return unknown(name)
		})
	})
	on := func(b *bool) bool { return b != nil && *b }
	return &PublicAccessBlockConfiguration{BlockPublicACLs: on(acls), IgnorePublicACLs: on(ignore),
		BlockPublicPolicy: on(policy), RestrictPublicBuckets: on(restrict)}, err
}

// PolicyStatus is the answer of GetBucketPolicyStatus.
type PolicyStatus struct{ IsPublic bool }

func (d PolicyStatus) write(w *writer) {
	w.root("PolicyStatus")
	w.bool("IsPublic", d.IsPublic)
	w.close("PolicyStatus")
}

// OwnershipControls is the body of PutBucketOwnershipControls and the answer of
// GetBucketOwnershipControls: the ObjectOwnership of each rule.
type OwnershipControls struct{ Rules []string }

func (d *OwnershipControls) write(w *writer) {
	w.root("OwnershipControls")
	for _, r := range d.Rules {
		w.open("Rule")
		w.text("ObjectOwnership", r)
		w.close("Rule")
	}
	w.close("OwnershipControls")
}

// DecodeOwnershipControls decodes the body of PutBucketOwnershipControls. It does
// not check values or count rules.
func DecodeOwnershipControls(body []byte) (*OwnershipControls, error) {
	var c OwnershipControls
	err := decode(body, "OwnershipControls", func(d *decoder) error {
		return d.children(func(name string) error {
			if name != "Rule" || len(c.Rules) == maxTags {
				return unknown(name)
			}
			var rule string
			err := d.children(func(name string) error {
				if name != "ObjectOwnership" {
					return unknown(name)
				}
				return d.set(&rule)
			})
			c.Rules = append(c.Rules, rule)
			return err
		})
	})
	return &c, err
}

// AccessControlPolicy is the body of PutBucketAcl and PutObjectAcl and the answer
// of GetBucketAcl and GetObjectAcl.
type AccessControlPolicy struct {
	Owner  Owner
	Grants []Grant
}

// A Grant is one grant of an access control list. Its grantee is an account, by
// canonical user ID, a group by URI, or somebody with an email address.
type Grant struct{ ID, URI, Email, Permission string }

func (d *AccessControlPolicy) write(w *writer) {
	w.root("AccessControlPolicy")
	w.owner("Owner", d.Owner)
	w.open("AccessControlList")
	for _, g := range d.Grants {
		w.open("Grant")
		kind := "CanonicalUser"
		if g.URI != "" {
			kind = "Group"
		}
		w.raw(`<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="` + kind + `">`)
		w.optional("ID", g.ID)
		w.optional("URI", g.URI)
		w.close("Grantee")
		w.text("Permission", g.Permission)
		w.close("Grant")
	}
	w.close("AccessControlList")
	w.close("AccessControlPolicy")
}

// maxGrants bounds the grants of a document; the service counts them exactly.
const maxGrants = 1000

// DecodeAccessControlPolicy decodes the body of PutBucketAcl and PutObjectAcl. Each
// grant has one grantee. It does not check values.
func DecodeAccessControlPolicy(body []byte) (*AccessControlPolicy, error) {
	var c AccessControlPolicy
	owned, listed := false, false
	err := decode(body, "AccessControlPolicy", func(d *decoder) error {
		return d.children(func(name string) error {
			switch {
			case name == "Owner" && !owned:
				owned = true
				return d.children(func(name string) error {
					switch name {
					case "ID":
						return d.set(&c.Owner.ID)
					case "DisplayName":
						return d.set(&c.Owner.DisplayName)
					}
					return unknown(name)
				})
			case name == "AccessControlList" && !listed:
				listed = true
				return d.children(func(name string) error {
					if name != "Grant" || len(c.Grants) == maxGrants {
						return unknown(name)
					}
					g, err := d.grant()
					c.Grants = append(c.Grants, g)
					return err
				})
			}
			return unknown(name)
		})
	})
	if err == nil && (!owned || !listed) {
		err = Malformed(errors.New("an access control policy without owner or list"))
	}
	return &c, err
}

func (d *decoder) grant() (g Grant, err error) {
	var displayName string
	err = d.children(func(name string) error {
		switch name {
		case "Permission":
			return d.set(&g.Permission)
		case "Grantee":
			return d.children(func(name string) error {
				switch name {
				case "ID":
					return d.set(&g.ID)
				case "URI":
					return d.set(&g.URI)
				case "EmailAddress":
					return d.set(&g.Email)
				case "DisplayName":
					return d.set(&displayName)
				}
				return unknown(name)
			})
		}
		return unknown(name)
	})
	n := 0
	for _, s := range []string{g.ID, g.URI, g.Email} {
		if s != "" {
			n++
		}
	}
	if err == nil && (n != 1 || g.Permission == "") {
		err = errors.New("a grant without one grantee and a permission")
	}
	return g, err
}
