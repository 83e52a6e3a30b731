package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"coffer/internal/access"
	"coffer/internal/arn"
)

// verify sends a real request as each principal that it can act as, and says whether
// it got what the answer says. The server makes the credentials: that takes
// coffer:IssueSession on each user and role. A request changes nothing: a read is of
// one byte, a write and a deletion depend on a condition that never holds.
func (a *asker) verify(ctx context.Context, t *whoCanTarget, q *access.Question, rows []access.Row) (map[string]string, error) {
	out := make(map[string]string)
	if t.verb == access.Administer || t.version != "" && t.verb == access.Delete {
		return nil, fmt.Errorf("no request proves who can %s %s without doing it", t.verb, t.text)
	}
	for _, r := range rows {
		creds, err := a.actAs(ctx, r.Principal)
		if err != nil {
			out[r.Principal] = "not verified: " + err.Error()
			continue
		}
		if creds == nil {
			continue
		}
		allowed, err := a.try(ctx, t, q, creds)
		if err != nil {
			return nil, fmt.Errorf("try as %s: %w", r.Principal, err)
		}
		out[r.Principal] = verdict(r.Answer, allowed)
	}
	return out, nil
}

func verdict(answer access.Answer, allowed bool) string {
	got := "refused"
	if allowed {
		got = "served"
	}
	switch {
	case answer == access.Yes && !allowed, answer == access.No && allowed:
		return "WRONG: a real request was " + got
	case answer == access.Yes, answer == access.No:
		return "verified: a real request was " + got
	}
	return "a request from here is " + got
}

// actAs returns credentials of a principal: an anonymous provider for anonymous, and
// nil for one that is in none of the accounts.
func (a *asker) actAs(ctx context.Context, principal string) (aws.CredentialsProvider, error) {
	if principal == "anonymous" {
		return aws.AnonymousCredentials{}, nil
	}
	name, err := arn.Parse(principal)
	if err != nil || name.Service != "iam" {
		return nil, nil
	}
	for _, x := range a.accounts {
		if x.id != name.Account {
			continue
		}
		if name.Resource == "root" {
			var id struct{ Arn string }
			if err := x.saved.Identity(&id); err != nil || id.Arn != principal {
				return nil, errors.New("only root can act as root")
			}
			return x.aws.Credentials, nil
		}
		var s struct{ AccessKeyID, SecretAccessKey, SessionToken string }
		if err := x.client.call(ctx, "POST", "sessions", nil, map[string]string{"principal": principal}, &s); err != nil {
			return nil, err
		}
		return credentials.NewStaticCredentialsProvider(s.AccessKeyID, s.SecretAccessKey, s.SessionToken), nil
	}
	return nil, nil
}

// never is a condition on an entity tag that no object has.
const never = `"coffer-who-can-never"`

// try sends the request and reports whether it was allowed.
func (a *asker) try(ctx context.Context, t *whoCanTarget, q *access.Question, creds aws.CredentialsProvider) (bool, error) {
	cfg := a.accounts[0].aws
	cfg.Credentials = creds
	var err error
	if q.Object != nil {
		region := q.Object.Bucket.Region
		c := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle, o.Region = true, region })
		key := t.key
		switch t.verb {
		case access.Read:
			in := &s3.GetObjectInput{Bucket: &t.bucket, Key: &key, Range: aws.String("bytes=0-0")}
			if t.version != "" {
				in.VersionId = &t.version
			}
			var out *s3.GetObjectOutput
			if out, err = c.GetObject(ctx, in); err == nil {
				_ = out.Body.Close()
			}
		case access.Write:
			_, err = c.PutObject(ctx, &s3.PutObjectInput{Bucket: &t.bucket, Key: &key, Body: strings.NewReader(""), IfMatch: aws.String(never)})
		case access.Delete:
			_, err = c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &t.bucket, Key: &key, IfMatch: aws.String(never)})
		}
	} else {
		if name, bad := arn.Parse(q.Key.ARN); bad == nil {
			cfg.Region = name.Region
		}
		_, err = kms.NewFromConfig(cfg).Decrypt(ctx, &kms.DecryptInput{KeyId: &q.Key.ARN, CiphertextBlob: []byte("no ciphertext")})
	}
	var api smithy.APIError
	switch {
	case err == nil:
		return true, nil
	case !errors.As(err, &api):
		return false, err
	}
	switch code := api.ErrorCode(); {
	case strings.HasPrefix(code, "AccessDenied"), strings.HasPrefix(code, "KMS.Disabled"), strings.HasPrefix(code, "KMS.KMSInvalidState"), code == "DisabledException",
		code == "KMSInvalidStateException", code == "MissingAuthenticationToken", code == "MissingAuthenticationTokenException", code == "Forbidden":
		return false, nil
	case code == "PreconditionFailed", code == "NoSuchKey", code == "NotFound", code == "InvalidRange", code == "InvalidCiphertextException":
		return true, nil
	}
	return false, err
}
