package s3

import (
	"context"

	"coffer/internal/authn"
	"coffer/internal/awserr"
	"coffer/internal/sealed"
)

// sourceCoffer is the event source of what AWS has no operation for.
const sourceCoffer = "coffer"

// RewrapObjectInput is the request of RewrapObject.
type RewrapObjectInput struct {
	Bucket    string `json:"bucket"`
	Key       string `json:"key"`
	VersionID string `json:"versionId,omitempty"` // empty: the current version
	KMSKeyARN string `json:"kmsKeyArn"`
}

// RewrapObjectOutput is its answer.
type RewrapObjectOutput struct {
	VersionID string `json:"versionId"`
	KMSKeyARN string `json:"kmsKeyArn"`
	Bytes     int64  `json:"bytes"` // of plaintext that was sealed anew
}

// RewrapObject seals the data of a version anew under fresh data keys, which the
// latest version of a KMS key wraps: what opened the old data key does not open it.
// Version ID, ETag, time, checksums and encryption context stay; a bucket key stays
// one, and DSSE-KMS stays DSSE-KMS. It takes coffer:RewrapObject and
// s3:UpdateObjectEncryption on the object, and the use of both keys. An object under a
// client's key is InvalidRequest.
//
// It returns a *awserr.Error with the codes of S3, but for AccessDeniedException. After
// OperationAborted, somebody else changed the version and nothing was done.
func (s *Service) RewrapObject(ctx context.Context, c *authn.Caller, in *RewrapObjectInput) (*RewrapObjectOutput, error) {
	r := s.beginAt(ctx, c, sourceCoffer, "RewrapObject", dataWrite, in.Bucket, in.Key, "")
	r.onVersion(in.VersionID)
	r.rekey = &UpdateObjectEncryptionInput{KMSKeyARN: in.KMSKeyARN}
	r.Param("KMSKeyArn", in.KMSKeyARN)
	out, err := r.rewrap()
	if err != nil {
		out, err = nil, denialOfCoffer(r.translate(err))
	}
	if err := r.end(err); err != nil {
		return nil, denialOfCoffer(err)
	}
	return out, nil
}

func (r *request) rewrap() (*RewrapObjectOutput, error) {
	if r.bucketName == "" || r.key == "" {
		return nil, awserr.New(400, "ValidationException", "bucket and key must not be empty")
	}
	if err := r.authorize("coffer:RewrapObject", "s3:UpdateObjectEncryption"); err != nil {
		return nil, err
	}
	v, mode, err := r.toRekey()
	if err != nil {
		return nil, err
	}
	p := &plan{mode: mode, contextSent: v.Content.Wrap.ContextSent}
	switch mode {
	case sealed.ModeCustomer:
		return nil, invalidRequest("Only the client has the key of an object under SSE-C: copy it over itself with the key.")
	case sealed.ModeS3:
		p.mode = sealed.ModeKMS
	}
	if p.context, err = parseContext(p.contextSent); err != nil {
		return nil, err
	}
	if err := r.sealAnew(v, p, r.s.objects.Reseal); err != nil {
		return nil, err
	}
	return &RewrapObjectOutput{VersionID: v.ID, KMSKeyARN: r.rekey.KMSKeyARN, Bytes: v.Size()}, nil
}

// denialOfCoffer gives a denial the code that it has in Coffer's own API.
func denialOfCoffer(err error) error {
	e := awserr.As(err)
	if e == nil || e.Code != errAccessDenied.Code {
		return err
	}
	c := *e
	c.Code = "AccessDeniedException"
	return &c
}
