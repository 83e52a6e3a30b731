package shred

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"coffer/internal/arn"
	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/awserr"
	"coffer/internal/erasure"
	"coffer/internal/key"
	"coffer/internal/object"
	"coffer/internal/receipt"
)

// A Preview is what a destruction would do.
type Preview struct {
	State
	Aliases []string          `json:"aliases"`
	Dark    receipt.Count     `json:"dark"`
	Sample  []Content         `json:"sample"` // the first of it
	NotDark receipt.Remainder `json:"notDark"`
	LastUse *LastUse          `json:"lastUse,omitempty"` // of the KMS key
	// Refused says why nothing is destroyed for one object alone; empty if it is.
	Refused string `json:"refused,omitempty"`
}

// A Content is a version, or an upload, that would go dark.
type Content struct {
	Bucket  string `json:"bucket"`
	Key     string `json:"key"`
	Version string `json:"version"`
	Bytes   int64  `json:"bytes"`
	Upload  bool   `json:"upload,omitempty"`
}

// PreviewShred tells what destroying a key, a subject or an object would make dark,
// what it would not and why, and when the key was last used.
//
// It returns a *awserr.Error with code ValidationException, NotFoundException,
// KMSInvalidStateException or AccessDeniedException.
func (s *Service) PreviewShred(ctx context.Context, c *authn.Caller, in *Input) (*Preview, error) {
	return run(ctx, s, c, "PreviewShred", true, in, func(call *authz.Call) (*Preview, error) {
		refused, named := "", *in
		if in.Bucket != "" || in.Object != "" {
			call.Param("bucketName", in.Bucket)
			call.Param("key", in.Object)
			name := arn.ARN{Partition: arn.Partition, Service: source, Region: c.Region, Account: c.Account, Resource: "object/" + in.Bucket + "/" + in.Object}
			err := call.Ask(ctx, &authz.Ask{Action: source + ":PreviewShred", Resource: name.String(), Account: c.Account})
			if err != nil {
				return nil, err
			}
			if in, refused, err = s.ofObject(ctx, c, in); err != nil {
				return nil, err
			}
		}
		k, id, err := s.permit(ctx, call, c, "PreviewShred", "kms:DescribeKey", in)
		if err != nil {
			return nil, err
		}
		out := &Preview{State: *stateOf(k), Aliases: append([]string{}, k.Aliases...), Sample: []Content{}, Refused: refused}
		if id != nil {
			subject, err := s.cfg.Keys.Subject(ctx, k.Ref, in.Value)
			switch {
			case errors.Is(err, key.ErrSubjectDestroyed):
				out.State = State{Key: k.ARN, Name: in.Name, Value: in.Value, State: Destroyed}
			case err != nil:
				return nil, s.keyError(ctx, c, "PreviewShred", k, err)
			default:
				out.State = *stateOfSubject(k, subject)
			}
		}
		e, err := s.cfg.Ledger.Preview(ctx, erasure.TargetOf(k, id))
		if err != nil {
			return nil, err
		}
		out.Dark, out.NotDark = e.Dark, e.NotDark
		if named.Object != "" && id != nil {
			if err := s.addOtherVersions(ctx, named.Bucket, named.Object, object.TargetOf(k.ARN, id.String()), out); err != nil {
				return nil, err
			}
		}
		for i := range e.Sample {
			u := &e.Sample[i]
			out.Sample = append(out.Sample, Content{u.Bucket, receipt.Text(u.Key), u.VersionID, u.Bytes, u.IsUpload})
		}
		if s.cfg.LastUse != nil {
			if out.LastUse, err = s.cfg.LastUse(ctx, k.Ref); err != nil {
				return nil, err
			}
		}
		return out, nil
	})
}

// ofObject returns the key and the subject that seal the current version of an object
// of the caller's account; and why they are not destroyed for its sake, if others lie
// under them too.
func (s *Service) ofObject(ctx context.Context, c *authn.Caller, in *Input) (*Input, string, error) {
	if in.Bucket == "" || in.Object == "" || in.Name != "" {
		return nil, "", invalid("An object is named by its bucket and its key, and without a subject.")
	}
	missing := awserr.New(404, "NotFoundException", "The caller's account has no object %s/%s.", in.Bucket, in.Object)
	b, err := s.cfg.Objects.Bucket(ctx, in.Bucket)
	if errors.Is(err, object.ErrNoSuchBucket) || err == nil && b.Account != c.Account {
		return nil, "", missing
	}
	if err != nil {
		return nil, "", err
	}
	v, err := s.cfg.Objects.Find(ctx, b, in.Object, "")
	switch {
	case errors.Is(err, object.ErrNoSuchKey), errors.Is(err, object.ErrIsMarker):
		return nil, "", missing
	case err != nil:
		return nil, "", err
	}
	w := &v.Content.Wrap
	if w.KeyARN == "" {
		return nil, "", awserr.New(409, NotShreddable, "%s/%s is sealed under %s, and no KMS key: nothing can be destroyed that opens it alone. Deleting it leaves it in the backups that were made before.",
			in.Bucket, in.Object, map[string]string{object.TargetService: "the account's service key (SSE-S3)", object.TargetCustomer: "its client's own key (SSE-C)"}[w.Target()])
	}
	out := &Input{Key: w.KeyARN}
	value, own := s.cfg.SubjectOf(b, in.Object)
	if w.Part != "" {
		if out.Name, out.Value, err = s.pair(ctx, w); err != nil {
			return nil, "", err
		}
	}
	if own && out.Value == value {
		return out, "", nil
	}
	return out, fmt.Sprintf("%s/%s is not a subject of its own: the bucket does not have the tag coffer:subject-from = key, or had not when the object was written. "+
		"It shares what seals it with the content below. Deleting it leaves it in the backups that were made before, and they open it as long as that lives.", in.Bucket, in.Object), nil
}

// pair returns the pair of a wrap's encryption context that names its subject.
func (s *Service) pair(ctx context.Context, w *object.Wrap) (name, value string, err error) {
	a, err := arn.Parse(w.KeyARN)
	if err != nil {
		return "", "", err
	}
	k, err := s.cfg.Keys.Resolve(ctx, a.Account, a.Region, w.KeyARN)
	if errors.Is(err, key.ErrNotFound) {
		return "", "", awserr.New(400, "KMSInvalidStateException", "%s is destroyed.", w.KeyARN)
	}
	if err != nil {
		return "", "", err
	}
	return k.ShredBy, w.Context[k.ShredBy], nil
}

// NotShreddable is the code of the answer about an object that no KMS key seals.
const NotShreddable = "NotShreddableException"

// addOtherVersions notes the versions of an object that the subject of the current one
// does not seal: those that were written before, or with another encryption context.
func (s *Service) addOtherVersions(ctx context.Context, bucket, name, target string, out *Preview) error {
	b, err := s.cfg.Objects.Bucket(ctx, bucket)
	if err != nil {
		return err
	}
	l := object.Listing{Prefix: name, Limit: 1000}
	for {
		page, err := s.cfg.Objects.Versions(ctx, b, l)
		if err != nil {
			return err
		}
		for _, e := range page.Entries {
			v := e.Version
			if v == nil || v.Key != name {
				return nil
			}
			l.After, l.AfterVersion = v.Key, v.ID
			targets := v.Content.Targets()
			if v.IsMarker || slices.Contains(targets, target) {
				continue
			}
			c := &out.NotDark
			c.Versions++
			c.Bytes += v.Size()
			if len(c.Listed) < receipt.MaxListed {
				c.Listed = append(c.Listed, receipt.Listed{Bucket: bucket, Key: receipt.Text(name), Version: v.ID, Opens: targets})
			}
		}
		if !page.Truncated {
			return nil
		}
	}
}

// refOf returns the key that id names for a caller, by ID or ARN.
func refOf(c *authn.Caller, id string) (key.Ref, bool) {
	if a, err := arn.Parse(id); err == nil {
		name, ok := strings.CutPrefix(a.Resource, "key/")
		return key.Ref{Account: a.Account, Region: a.Region, ID: name}, ok && a.Service == "kms"
	}
	return key.Ref{Account: c.Account, Region: c.Region, ID: id}, true
}
