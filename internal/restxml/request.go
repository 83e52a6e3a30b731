package restxml

import (
	"errors"
	"strings"
	"time"
)

// Limits of the documents that are sent.
//
// Source: Amazon S3 API Reference, DeleteObjects ("up to 1,000 keys") and
// CompleteMultipartUpload ("part number ... between 1 and 10,000"), read
// 2026-11-21.
const (
	MaxDeleteEntries = 1000
	MaxParts         = 10_000
)

// maxTags bounds what a document may hold of a thing that the service counts
// exactly; more is no document that a client means.
const maxTags = 1000

// CreateBucketConfiguration is the body of CreateBucket.
type CreateBucketConfiguration struct {
	LocationConstraint string
	Tags               []Tag
	// Unsupported names an element that only a directory bucket has; empty
	// if there is none.
	Unsupported string
}

// DecodeCreateBucketConfiguration decodes the body of CreateBucket.
func DecodeCreateBucketConfiguration(body []byte) (*CreateBucketConfiguration, error) {
	var c CreateBucketConfiguration
	err := decode(body, "CreateBucketConfiguration", func(d *decoder) error {
		return d.children(func(name string) error {
			switch name {
			case "LocationConstraint":
				return d.set(&c.LocationConstraint)
			case "Location", "Bucket":
				c.Unsupported = name
				return d.skip()
			case "Tags":
				return d.tags(&c.Tags)
			}
			return unknown(name)
		})
	})
	return &c, err
}

// DecodeVersioningConfiguration decodes the body of PutBucketVersioning.
func DecodeVersioningConfiguration(body []byte) (*VersioningConfiguration, error) {
	var c VersioningConfiguration
	err := decode(body, "VersioningConfiguration", func(d *decoder) error {
		return d.children(func(name string) error {
			switch name {
			case "Status":
				return d.set(&c.Status)
			case "MfaDelete", "MFADelete":
				return d.set(&c.MFADelete)
			}
			return unknown(name)
		})
	})
	return &c, err
}

// DecodeServerSideEncryptionConfiguration decodes the body of
// PutBucketEncryption. It does not check values or count rules.
func DecodeServerSideEncryptionConfiguration(body []byte) (*ServerSideEncryptionConfiguration, error) {
	var c ServerSideEncryptionConfiguration
	err := decode(body, "ServerSideEncryptionConfiguration", func(d *decoder) error {
		return d.children(func(name string) error {
			if name != "Rule" {
				return unknown(name)
			}
			var r EncryptionRule
			err := d.encryptionRule(&r)
			c.Rules = append(c.Rules, r)
			return err
		})
	})
	return &c, err
}

func (d *decoder) encryptionRule(r *EncryptionRule) error {
	return d.children(func(name string) error {
		switch name {
		case "ApplyServerSideEncryptionByDefault":
			if r.Algorithm != "" {
				return errors.New("element given twice")
			}
			err := d.children(func(name string) error {
				switch name {
				case "SSEAlgorithm":
					return d.set(&r.Algorithm)
				case "KMSMasterKeyID":
					return d.set(&r.KMSMasterKeyID)
				}
				return unknown(name)
			})
			if err == nil && r.Algorithm == "" {
				err = errors.New("no SSEAlgorithm")
			}
			return err
		case "BlockedEncryptionTypes":
			if r.BlockedPresent {
				return errors.New("element given twice")
			}
			r.BlockedPresent = true
			return d.children(func(name string) error {
				if name != "EncryptionType" {
					return unknown(name)
				}
				s, err := d.text()
				r.BlockedTypes = append(r.BlockedTypes, s)
				return err
			})
		case "BucketKeyEnabled":
			return d.setBool(&r.BucketKeyEnabled)
		}
		return unknown(name)
	})
}

// DecodeTagging decodes the body of PutBucketTagging and PutObjectTagging, and
// the tagging field of a form.
func DecodeTagging(body []byte) (*Tagging, error) {
	var c Tagging
	sets := 0
	err := decode(body, "Tagging", func(d *decoder) error {
		err := d.children(func(name string) error {
			if sets++; name != "TagSet" || sets > 1 {
				return unknown(name)
			}
			return d.tags(&c.Tags)
		})
		if err == nil && sets == 0 {
			err = errors.New("no TagSet")
		}
		return err
	})
	return &c, err
}

// tags reads the Tag children of the current element.
func (d *decoder) tags(tags *[]Tag) error {
	return d.children(func(name string) error {
		if name != "Tag" || len(*tags) == maxTags {
			return unknown(name)
		}
		var t Tag
		var keys, values int
		err := d.children(func(name string) error {
			switch name {
			case "Key":
				keys++
				return d.set(&t.Key)
			case "Value":
				values++
				return d.set(&t.Value)
			}
			return unknown(name)
		})
		if err == nil && (keys != 1 || values != 1) {
			err = errors.New("a tag is one Key and one Value")
		}
		*tags = append(*tags, t)
		return err
	})
}

// Delete is the body of DeleteObjects.
type Delete struct {
	Objects []DeleteEntry
	Quiet   bool
}

// A DeleteEntry is one object to delete. A version that is named but empty is
// refused by the decoder: it would delete the current version instead.
type DeleteEntry struct {
	Key, VersionID   string
	ETag             string // without quotes
	LastModifiedTime time.Time
	Size             *int64
}

// DecodeDelete decodes the body of DeleteObjects: 1 to [MaxDeleteEntries]
// entries.
func DecodeDelete(body []byte) (*Delete, error) {
	var c Delete
	var quiet *bool
	err := decode(body, "Delete", func(d *decoder) error {
		err := d.children(func(name string) error {
			switch name {
			case "Quiet":
				return d.setBool(&quiet)
			case "Object":
				if len(c.Objects) == MaxDeleteEntries {
					return errors.New("too many objects")
				}
				e, err := d.deleteEntry()
				c.Objects = append(c.Objects, e)
				return err
			}
			return unknown(name)
		})
		if err == nil && len(c.Objects) == 0 {
			err = errors.New("no objects")
		}
		return err
	})
	c.Quiet = quiet != nil && *quiet
	return &c, err
}

func (d *decoder) deleteEntry() (e DeleteEntry, err error) {
	err = d.children(func(name string) error {
		switch name {
		case "Key":
			return d.set(&e.Key)
		case "VersionId":
			if err := d.set(&e.VersionID); err != nil || e.VersionID != "" {
				return err
			}
			return errors.New("empty VersionId")
		case "ETag":
			err := d.set(&e.ETag)
			e.ETag = strings.Trim(e.ETag, `"`)
			return err
		case "LastModifiedTime":
			return d.setTime(&e.LastModifiedTime)
		case "Size":
			return d.setInt(&e.Size)
		}
		return unknown(name)
	})
	if err == nil && e.Key == "" {
		err = errors.New("an object without a key")
	}
	return e, err
}

// CompleteMultipartUpload is the body of the operation of that name.
type CompleteMultipartUpload struct{ Parts []CompletedPart }

// A CompletedPart is one part of the list.
type CompletedPart struct {
	Number    int
	ETag      string // without quotes
	Checksums []Checksum
}

// DecodeCompleteMultipartUpload decodes the body of CompleteMultipartUpload: up
// to [MaxParts] parts, in the order in which they stand. The caller refuses an
// empty list, which has its own error.
func DecodeCompleteMultipartUpload(body []byte) (*CompleteMultipartUpload, error) {
	var c CompleteMultipartUpload
	err := decode(body, "CompleteMultipartUpload", func(d *decoder) error {
		return d.children(func(name string) error {
			if name != "Part" || len(c.Parts) == MaxParts {
				return unknown(name)
			}
			p, err := d.completedPart()
			c.Parts = append(c.Parts, p)
			return err
		})
	})
	return &c, err
}

func (d *decoder) completedPart() (p CompletedPart, err error) {
	var number *int64
	err = d.children(func(name string) error {
		switch algorithm, isChecksum := strings.CutPrefix(name, "Checksum"); {
		case name == "PartNumber":
			return d.setInt(&number)
		case name == "ETag":
			err := d.set(&p.ETag)
			p.ETag = strings.Trim(p.ETag, `"`)
			return err
		case isChecksum && algorithm != "":
			for _, c := range p.Checksums {
				if c.Algorithm == algorithm {
					return errors.New("element given twice")
				}
			}
			s, err := d.text()
			p.Checksums = append(p.Checksums, Checksum{algorithm, s})
			return err
		}
		return unknown(name)
	})
	if err == nil && (number == nil || *number > 1<<31-1) {
		err = errors.New("a part without a number")
	}
	if err == nil {
		p.Number = int(*number)
	}
	return p, err
}

// ObjectEncryption is the body of UpdateObjectEncryption.
type ObjectEncryption struct {
	KMSKeyARN        string
	BucketKeyEnabled bool
	// Unsupported names another kind of encryption that was asked for.
	Unsupported string
}

// DecodeObjectEncryption decodes the body of UpdateObjectEncryption: one kind
// of encryption.
func DecodeObjectEncryption(body []byte) (*ObjectEncryption, error) {
	var c ObjectEncryption
	var bucketKey *bool
	kinds := 0
	err := decode(body, "ObjectEncryption", func(d *decoder) error {
		err := d.children(func(name string) error {
			if kinds++; kinds > 1 {
				return unknown(name)
			}
			if name != "SSE-KMS" {
				c.Unsupported = name
				return d.skip()
			}
			return d.children(func(name string) error {
				switch name {
				case "KMSKeyArn":
					return d.set(&c.KMSKeyARN)
				case "BucketKeyEnabled":
					return d.setBool(&bucketKey)
				}
				return unknown(name)
			})
		})
		if err == nil && kinds == 0 {
			err = errors.New("no kind of encryption")
		}
		return err
	})
	c.BucketKeyEnabled = bucketKey != nil && *bucketKey
	return &c, err
}
