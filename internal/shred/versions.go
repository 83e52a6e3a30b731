package shred

import (
	"context"

	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/awserr"
	"coffer/internal/key"
	"coffer/internal/keyblob"
	"coffer/internal/object"
	"coffer/internal/receipt"
)

// VersionsInput names the key whose older versions an operation is about.
type VersionsInput struct {
	Key string `json:"key"` // ID, ARN or alias of the KMS key
}

// Versions tells of the versions of a key below the current one.
type Versions struct {
	Key     string       `json:"key"`   // ARN
	Below   uint32       `json:"below"` // the current version, which stays
	Old     []OldVersion `json:"old"`   // the older ones, the oldest first
	Content UnderOld     `json:"content"`
	// Warning says what else the older versions open.
	Warning   string `json:"warning"`
	Destroyed bool   `json:"destroyed"`
	Epoch     uint64 `json:"epoch,omitempty"` // the first that can't open them, once destroyed
}

// An OldVersion is a version of a key that is not the current one.
type OldVersion struct {
	Version  uint32 `json:"version"`
	Material string `json:"material"` // 64 hexadecimal digits
}

// UnderOld is the content that is still wrapped under older versions.
type UnderOld struct {
	Versions int64    `json:"versions"` // of objects
	Uploads  int64    `json:"uploads"`
	Bytes    int64    `json:"bytes"`
	Damaged  int64    `json:"damaged"` // rows that don't read: what they are under is not known
	Sample   []string `json:"sample"`  // s3://bucket/key?versionId=..., the first of them
}

const versionsWarning = "What clients encrypted with this key outside S3 (Encrypt, GenerateDataKey) under its older versions can't be decrypted any more once they are destroyed. Nobody counts it."

// maxVersions bounds how many versions of one key an operation handles. A key rotates
// on demand 25 times, and by itself every 90 days at most.
const maxVersions = 1000

// PreviewKeyVersions tells what is still wrapped under the versions of a key below the
// current one. It takes coffer:PreviewKeyVersions and kms:DescribeKey on the key.
//
// It returns a *awserr.Error with code ValidationException, NotFoundException or
// AccessDeniedException.
func (s *Service) PreviewKeyVersions(ctx context.Context, c *authn.Caller, in *VersionsInput) (*Versions, error) {
	return run(ctx, s, c, "PreviewKeyVersions", true, &Input{Key: in.Key}, func(call *authz.Call) (*Versions, error) {
		k, _, err := s.permit(ctx, call, c, "PreviewKeyVersions", "kms:DescribeKey", &Input{Key: in.Key})
		if err != nil {
			return nil, err
		}
		o, err := olderOf(k)
		if err != nil {
			return nil, err
		}
		return &o.out, s.countUnder(ctx, o)
	})
}

// DestroyKeyVersions destroys every version of a key below the current one: in old
// backups too, nothing opens what was wrapped under them. It refuses while any content
// is. It takes coffer:DestroyKeyVersions, which only a statement that names it gives,
// and kms:ScheduleKeyDeletion on the key.
//
// It returns a *awserr.Error with code ValidationException, NotFoundException,
// ConflictException if content is wrapped under them, or AccessDeniedException. After
// an InternalFailure they may be unusable already, and the server goes on by itself.
func (s *Service) DestroyKeyVersions(ctx context.Context, c *authn.Caller, in *VersionsInput) (*Versions, error) {
	return run(ctx, s, c, "DestroyKeyVersions", false, &Input{Key: in.Key}, func(call *authz.Call) (*Versions, error) {
		k, _, err := s.permit(ctx, call, c, "DestroyKeyVersions", "kms:ScheduleKeyDeletion", &Input{Key: in.Key})
		if err != nil {
			return nil, err
		}
		o, err := olderOf(k)
		if err != nil {
			return nil, err
		}
		if len(o.materials) == 0 {
			return nil, invalid("%s has no version below the current one.", k.ARN)
		}
		s.destroying.Lock()
		defer s.destroying.Unlock()
		// From here on nothing comes under them, so that what is counted is all.
		if err := s.retire(ctx, o); err != nil {
			return nil, err
		}
		err = s.countUnder(ctx, o)
		if n := o.out.Content; err == nil && n.Versions+n.Uploads+n.Damaged > 0 {
			err = awserr.New(409, "ConflictException", "%d versions of objects and %d uploads are wrapped under older versions of this key, and %d rows can't be read. Wrap them under the current one first.", n.Versions, n.Uploads, n.Damaged)
		}
		if err == nil {
			err = s.cfg.Meta.Update(ctx, call.Record)
		}
		if err != nil {
			s.unretire(context.WithoutCancel(ctx), o)
			return nil, err
		}
		return s.destroyVersions(context.WithoutCancel(ctx), c, k, o)
	})
}

func (s *Service) destroyVersions(ctx context.Context, c *authn.Caller, k *key.Key, o *older) (*Versions, error) {
	tombs, err := s.cfg.KMS.DestroyVersionsNow(ctx, k.Ref, o.out.Below)
	if err != nil {
		return nil, s.keyError(ctx, c, "DestroyKeyVersions", k, err)
	}
	for _, t := range tombs {
		o.out.Epoch = max(o.out.Epoch, t.Epoch)
	}
	o.out.Destroyed = true
	for _, arn := range o.arns {
		if err := s.cfg.Objects.ForgetWrapsUnder(ctx, arn, o.materials); err != nil {
			// Nothing opens them, and they go with their recovery window.
			s.cfg.Log.Warn("forget replaced wraps under destroyed versions", "key", arn, "error", err)
		}
	}
	return &o.out, nil
}

// older is what of a key lies below its current version.
type older struct {
	arns      []string // of the key, in each of its regions
	materials []keyblob.MaterialID
	out       Versions
}

func olderOf(k *key.Key) (*older, error) {
	if k.Manager == key.ManagerAWS {
		return nil, invalid("%s is an AWS managed key.", k.ARN)
	}
	o := &older{arns: []string{k.ARN}, out: Versions{
		Key: k.ARN, Below: k.Version, Old: []OldVersion{}, Content: UnderOld{Sample: []string{}}, Warning: versionsWarning,
	}}
	if m := k.MultiRegion; m != nil {
		for _, region := range append([]string{m.Primary}, m.Replicas...) {
			if region != k.Region {
				o.arns = append(o.arns, key.Ref{Account: k.Account, Region: region, ID: k.ID}.ARN())
			}
		}
	}
	for _, v := range k.Versions {
		if v.Number >= k.Version {
			continue
		}
		o.materials = append(o.materials, keyblob.MaterialID(v.Material))
		o.out.Old = append(o.out.Old, OldVersion{v.Number, v.Material.String()})
	}
	if len(o.materials) > maxVersions {
		return nil, invalid("%s has more than %d older versions.", k.ARN, maxVersions)
	}
	return o, nil
}

// countUnder counts the content that is wrapped under older versions now.
func (s *Service) countUnder(ctx context.Context, o *older) error {
	n := &o.out.Content
	*n = UnderOld{Sample: []string{}}
	if len(o.materials) == 0 {
		return nil
	}
	for _, arn := range o.arns {
		err := s.cfg.Objects.EachUnder(ctx, arn, o.materials, func(u *object.Use) error {
			at := "s3://" + u.Bucket + "/" + receipt.Text(u.Key)
			switch {
			case u.IsDamaged:
				n.Damaged++
			case u.IsUpload:
				n.Uploads++
				at += "?uploadId=" + u.VersionID
			default:
				n.Versions++
				at += "?versionId=" + u.VersionID
			}
			n.Bytes += u.Bytes
			if len(n.Sample) < maxSample {
				n.Sample = append(n.Sample, at)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// maxSample is how much content a preview of versions lists.
const maxSample = 20

func (s *Service) retire(ctx context.Context, o *older) error {
	for _, arn := range o.arns {
		if err := s.cfg.Objects.Retire(ctx, arn, o.materials); err != nil {
			s.unretire(context.WithoutCancel(ctx), o)
			return err
		}
	}
	return nil
}

func (s *Service) unretire(ctx context.Context, o *older) {
	for _, arn := range o.arns {
		if err := s.cfg.Objects.Unretire(ctx, arn, o.materials); err != nil {
			s.cfg.Log.Error("let content come under older versions again", "key", arn, "error", err)
		}
	}
}

// ContentInput names a page of the content under a key.
type ContentInput struct {
	Key string `json:"key"` // ID, ARN or alias of the KMS key
	// After is the Next of the page before.
	After []byte `json:"after"`
}

// A KeyContent is a page of what is wrapped under a key.
type KeyContent struct {
	Key  string     `json:"key"` // ARN
	List []KeyedUse `json:"list"`
	Next []byte     `json:"next,omitempty"` // absent on the last page
}

// A KeyedUse is a version of an object, or an upload, that is wrapped under a key.
type KeyedUse struct {
	Bucket   string `json:"bucket"`
	Object   string `json:"object"`
	Version  string `json:"version,omitempty"` // or the ID of the upload
	IsUpload bool   `json:"isUpload,omitempty"`
	Bytes    int64  `json:"bytes"`
	// IsOld says that it is wrapped under a version of the key below the current one.
	IsOld bool `json:"isOld"`
	// IsDamaged says that its row does not read: it may be under the key.
	IsDamaged bool `json:"isDamaged,omitempty"`
}

// contentPage is how much content one page lists.
const contentPage = 500

// ListKeyContent lists what is wrapped under a key now, whoever wrote it, in any bucket.
// It takes coffer:ListKeyContent and kms:DescribeKey on the key. What is written
// meanwhile may be missed.
//
// It returns a *awserr.Error with code ValidationException, NotFoundException or
// AccessDeniedException.
func (s *Service) ListKeyContent(ctx context.Context, c *authn.Caller, in *ContentInput) (*KeyContent, error) {
	return run(ctx, s, c, "ListKeyContent", true, &Input{Key: in.Key}, func(call *authz.Call) (*KeyContent, error) {
		k, _, err := s.permit(ctx, call, c, "ListKeyContent", "kms:DescribeKey", &Input{Key: in.Key})
		if err != nil {
			return nil, err
		}
		if !object.IsPlace(k.ARN, in.After) {
			return nil, invalid("after is not the end of a page of %s.", k.ARN)
		}
		out := &KeyContent{Key: k.ARN, List: []KeyedUse{}}
		out.Next, err = s.cfg.Objects.PageUnder(ctx, k.ARN, in.After, contentPage, func(u *object.Use, m keyblob.MaterialID) {
			out.List = append(out.List, KeyedUse{Bucket: u.Bucket, Object: u.Key, Version: u.VersionID, IsUpload: u.IsUpload,
				Bytes: u.Bytes, IsOld: m != keyblob.MaterialID(k.Material), IsDamaged: u.IsDamaged})
		})
		return out, err
	})
}
