package s3

import (
	"context"
	"errors"
	"sync"
	"time"

	"coffer/internal/authn"
	"coffer/internal/awserr"
	"coffer/internal/meta"
	"coffer/internal/object"
)

// DeleteObject deletes an object, or one version of it.
func (s *Service) DeleteObject(ctx context.Context, c *authn.Caller, in *DeleteObjectInput) (*DeleteObjectOutput, error) {
	r := s.begin(ctx, c, "DeleteObject", dataWrite, in.Bucket, in.Key, in.ExpectedBucketOwner)
	if r.versionID = in.VersionID; in.VersionID != "" {
		r.Param("versionId", in.VersionID)
	}
	r.conditions = &Conditions{IfMatch: in.IfMatch}
	out, err := r.deleteObject(in)
	return finish(r, out, err)
}

func (r *request) deleteObject(in *DeleteObjectInput) (*DeleteObjectOutput, error) {
	if err := r.authorize(deleteActions(in)...); err != nil {
		return nil, err
	}
	if in.BypassGovernance {
		return nil, invalidArgument("x-amz-bypass-governance-retention", "true", "x-amz-bypass-governance-retention is only applicable to Object Lock enabled buckets.")
	}
	cond := object.DeleteCondition{IfMatch: in.IfMatch, Modified: unix(in.IfMatchLastModified), Size: in.IfMatchSize}
	if err := r.covers(r.bucket, in.Key); err != nil {
		return nil, err
	}
	done, err := r.s.objects.Delete(r.ctx, r.bucket, in.Key, in.VersionID, cond, func(txn meta.Txn, d object.Deleted) error {
		if d.VersionID != "" {
			r.Response("x-amz-version-id", d.VersionID)
		}
		if d.IsMarker {
			r.Response("x-amz-delete-marker", "true")
		}
		return r.Record(txn)
	})
	if errors.Is(err, object.ErrInvalidVersionID) {
		return nil, invalidArgument("versionId", in.VersionID, "Invalid version id specified")
	}
	if errors.Is(err, object.ErrNoSuchKey) || errors.Is(err, object.ErrNoSuchVersion) {
		err = r.absent(err)
	}
	if err != nil {
		return nil, err
	}
	return &DeleteObjectOutput{DeleteMarker: done.IsMarker, VersionID: done.VersionID}, nil
}

// deleteActions are the actions of a deletion: that of the bypass header is a right
// of its own, and so is to learn by a condition what the object's ETag is.
//
// Source: Amazon S3 API Reference, DeleteObject, "Permissions"; Amazon S3 User Guide,
// "How to perform conditional deletes", read 2026-11-21.
func deleteActions(in *DeleteObjectInput) []string {
	actions := []string{versioned("s3:DeleteObject", "s3:DeleteObjectVersion", in.VersionID)}
	if in.BypassGovernance {
		actions = append(actions, "s3:BypassGovernanceRetention")
	}
	if in.IfMatch != "" && in.IfMatch != "*" {
		actions = append(actions, versioned("s3:GetObject", "s3:GetObjectVersion", in.VersionID))
	}
	return actions
}

func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// maxDeleteObjects is how many keys one DeleteObjects may name.
//
// Source: Amazon S3 API Reference, DeleteObjects, read 2026-11-21.
const maxDeleteObjects = 1000

// DeleteObjects deletes up to 1,000 objects. Each is authorized, deleted and
// recorded by itself; one that fails does not keep the others.
func (s *Service) DeleteObjects(ctx context.Context, c *authn.Caller, in *DeleteObjectsInput) (*DeleteObjectsOutput, error) {
	r := s.begin(ctx, c, "DeleteObjects", dataRead, in.Bucket, "", in.ExpectedBucketOwner)
	out, err := r.deleteObjects(in)
	return finish(r, out, err)
}

func (r *request) deleteObjects(in *DeleteObjectsInput) (*DeleteObjectsOutput, error) {
	b, err := r.s.objects.Bucket(r.ctx, in.Bucket)
	if err != nil {
		return nil, err
	}
	if err := r.inRegion(b); err != nil {
		return nil, err
	}
	if r.c.IsAnonymous() {
		return nil, errAccessDenied
	}
	if len(in.Objects) == 0 || len(in.Objects) > maxDeleteObjects {
		return nil, errMalformedXML
	}
	out := &DeleteObjectsOutput{Results: make([]DeleteResult, len(in.Objects))}
	var wg sync.WaitGroup
	slots := make(chan struct{}, deletesAtATime)
	for i := range in.Objects {
		slots <- struct{}{}
		wg.Go(func() {
			out.Results[i] = r.s.deleteEntry(r.ctx, r.c, in, &in.Objects[i])
			<-slots
		})
	}
	wg.Wait()
	return out, nil
}

// deletesAtATime is how many entries of one DeleteObjects are under way at a
// time, so that their commits share syncs.
const deletesAtATime = 16

func (s *Service) deleteEntry(ctx context.Context, c *authn.Caller, in *DeleteObjectsInput, e *DeleteEntry) DeleteResult {
	res := DeleteResult{Key: e.Key, VersionID: e.VersionID}
	done, err := s.DeleteObject(ctx, c, &DeleteObjectInput{
		ObjectInput: ObjectInput{Bucket: in.Bucket, Key: e.Key, VersionID: e.VersionID, ExpectedBucketOwner: in.ExpectedBucketOwner},
		IfMatch:     e.ETag, IfMatchLastModified: e.LastModifiedTime, IfMatchSize: e.Size,
		BypassGovernance: in.BypassGovernance, MFA: in.MFA,
	})
	if err != nil {
		a := awserr.As(err)
		res.ErrCode, res.ErrMessage = a.Code, a.Message
	} else if res.DeleteMarker = done.DeleteMarker; done.DeleteMarker {
		res.DeleteMarkerVersionID = done.VersionID
	}
	return res
}
