package s3api

import (
	"net/http"
	"strconv"
	"strings"

	"coffer/internal/checksum"
	"coffer/internal/restxml"
	"coffer/internal/s3"
)

func (c *call) createMultipartUpload() error {
	put, err := c.putInput()
	if err != nil {
		return err
	}
	in := s3.CreateMultipartUploadInput{PutObjectInput: put, ChecksumType: strings.ToUpper(c.get("x-amz-checksum-type"))}
	if in.ChecksumAlgorithm, err = c.algorithmHeader(); err != nil {
		return err
	}
	if in.ChecksumType != "" && in.ChecksumAlgorithm == "" {
		return invalidRequest("The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.")
	}
	if err := checksumType(in.ChecksumType); err != nil {
		return err
	}
	out, err := c.take().CreateMultipartUpload(c.ctx, c.caller, &in)
	if err != nil {
		return err
	}
	h := c.w.Header()
	setSSE(h, out.SSE, true)
	set(h, "X-Amz-Checksum-Algorithm", string(out.ChecksumAlgorithm))
	set(h, "X-Amz-Checksum-Type", out.ChecksumType)
	return c.document(http.StatusOK, &restxml.InitiateMultipartUploadResult{Bucket: c.bucket, Key: c.key, UploadID: out.UploadID})
}

func checksumType(s string) error {
	switch s {
	case "", "COMPOSITE", "FULL_OBJECT":
		return nil
	}
	return invalidRequest("Value for x-amz-checksum-type header is invalid.")
}

// partInput reads what UploadPart and UploadPartCopy share.
func (c *call) partInput() (s3.UploadPartInput, error) {
	in := s3.UploadPartInput{Bucket: c.bucket, Key: c.key, UploadID: c.query.Get("uploadId"),
		Customer: c.customerKey(), Encryption: c.encryption(), ExpectedBucketOwner: c.expectedOwner()}
	var err error
	in.PartNumber, err = c.partNumber()
	if err == nil && in.PartNumber == 0 {
		err = invalidArgument("partNumber", "", "Part number must be an integer between 1 and 10000, inclusive")
	}
	return in, err
}

func (c *call) uploadPart() error {
	in, err := c.partInput()
	if err != nil {
		return err
	}
	if in.Upload, err = c.upload(); err != nil {
		return err
	}
	out, err := c.take().UploadPart(c.ctx, c.caller, &in)
	if err != nil {
		return err
	}
	h := c.w.Header()
	setETag(h, out.ETag)
	setSSE(h, out.SSE, false)
	setChecksums(h, s3.Checksums{Values: out.Checksums.Values})
	return c.empty(http.StatusOK)
}

func (c *call) uploadPartCopy() error {
	part, err := c.partInput()
	if err != nil {
		return err
	}
	in := s3.UploadPartCopyInput{UploadPartInput: part}
	if in.Source, err = c.copySource(); err != nil {
		return err
	}
	if s := c.get("x-amz-copy-source-range"); s != "" {
		spec, ok := strings.CutPrefix(s, "bytes=")
		if ok {
			in.Range = parseByteRange(spec)
		}
		if in.Range == nil || in.Range.IsSuffix || in.Range.Last < 0 {
			return invalidArgument("x-amz-copy-source-range", s, "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy")
		}
	}
	out, err := c.take().UploadPartCopy(c.ctx, c.caller, &in)
	if err != nil {
		return err
	}
	h := c.w.Header()
	set(h, "X-Amz-Copy-Source-Version-Id", out.SourceVersionID)
	setSSE(h, out.SSE, false)
	return c.document(http.StatusOK, &restxml.CopyResult{Part: true, LastModified: out.LastModified, ETag: out.ETag,
		Checksums: documentChecksums(out.Checksums.Values)})
}

func (c *call) completeMultipartUpload() error {
	in := s3.CompleteMultipartUploadInput{Bucket: c.bucket, Key: c.key, UploadID: c.query.Get("uploadId"),
		Customer: c.customerKey(), Conditions: c.conditions(""), ChecksumType: strings.ToUpper(c.get("x-amz-checksum-type")),
		ObjectSize: -1, ExpectedBucketOwner: c.expectedOwner()}
	if err := checksumType(in.ChecksumType); err != nil {
		return err
	}
	if s := c.get("x-amz-mp-object-size"); s != "" {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n < 0 {
			return invalidRequest("Value for x-amz-mp-object-size header is invalid.")
		}
		in.ObjectSize = n
	}
	if err := c.objectChecksum(&in); err != nil {
		return err
	}
	body, err := c.readDocument(maxComplete, false)
	if err != nil {
		return err
	}
	doc, err := restxml.DecodeCompleteMultipartUpload(body)
	if err != nil {
		return err
	}
	if len(doc.Parts) == 0 {
		return invalidRequest("You must specify at least one part")
	}
	for _, p := range doc.Parts {
		part := s3.Part{Number: p.Number, ETag: p.ETag}
		for _, sum := range p.Checksums {
			a, err := checksum.Parse(sum.Algorithm)
			if err != nil {
				return errChecksumAlgorithm()
			}
			if part.Checksums.Values == nil {
				part.Checksums.Values = map[checksum.Algorithm]string{}
			}
			part.Checksums.Values[a] = sum.Value
		}
		in.Parts = append(in.Parts, part)
	}
	out, err := c.take().CompleteMultipartUpload(c.ctx, c.caller, &in)
	if err != nil {
		return err
	}
	// The answer says nothing of a client's key: the request need not hold it.
	out.SSE.CustomerAlgorithm, out.SSE.CustomerKeyMD5 = "", ""
	setVersion(c.w.Header(), out.VersionID)
	setSSE(c.w.Header(), out.SSE, false)
	location := out.Location
	if location == "" {
		location = c.location()
	}
	return c.document(http.StatusOK, &restxml.CompleteMultipartUploadResult{Location: location, Bucket: c.bucket, Key: c.key,
		ETag: out.ETag, Checksums: documentChecksums(out.Checksums.Values), ChecksumType: out.Checksums.Type})
}

// objectChecksum moves the checksum header of CompleteMultipartUpload into in:
// there it speaks of the object and not of the body.
func (c *call) objectChecksum(in *s3.CompleteMultipartUploadInput) error {
	for name, values := range c.header {
		lower := strings.ToLower(name)
		if !isChecksumHeader(lower) {
			continue
		}
		if in.Algorithm != "" {
			return errManyChecksums()
		}
		a, err := checksum.ParseHeader(lower)
		if err != nil {
			return errChecksumAlgorithm()
		}
		_, err = a.Decode(values[0])
		if err != nil {
			_, _, err = a.DecodeComposite(values[0])
		}
		if err != nil {
			return invalidRequest("Value for %s header is invalid.", lower)
		}
		in.Algorithm, in.Checksum = a, values[0]
	}
	c.header = c.header.Clone()
	c.header.Del("x-amz-sdk-checksum-algorithm")
	if in.Algorithm != "" {
		c.header.Del(in.Algorithm.Header())
	}
	return nil
}

func (c *call) uploadInput() s3.MultipartUploadInput {
	return s3.MultipartUploadInput{Bucket: c.bucket, Key: c.key, UploadID: c.query.Get("uploadId"),
		ExpectedBucketOwner: c.expectedOwner(), MaxParts: -1}
}

func (c *call) abortMultipartUpload() error {
	in := c.uploadInput()
	if err := c.take().AbortMultipartUpload(c.ctx, c.caller, &in); err != nil {
		return err
	}
	return c.empty(http.StatusNoContent)
}

func (c *call) listParts() error {
	in := c.uploadInput()
	in.Customer = c.customerKey()
	var err error
	if in.MaxParts, err = number("max-parts", c.query.Get("max-parts"), -1); err != nil {
		return err
	}
	if in.PartNumberMarker, err = number("part-number-marker", c.query.Get("part-number-marker"), 0); err != nil {
		return err
	}
	out, err := c.take().ListParts(c.ctx, c.caller, &in)
	if err != nil {
		return err
	}
	return c.document(http.StatusOK, &restxml.ListPartsResult{Bucket: c.bucket, Key: c.key, UploadID: in.UploadID,
		Owner: restxml.Owner(out.Owner), StorageClass: out.StorageClass, PartNumberMarker: out.PartNumberMarker,
		NextPartNumberMarker: out.NextMarker, MaxParts: out.MaxParts, IsTruncated: out.IsTruncated,
		ChecksumAlgorithm: string(out.ChecksumAlgorithm), ChecksumType: out.ChecksumType, Parts: documentParts(out.Parts)})
}

func documentParts(parts []s3.Part) []restxml.Part {
	out := make([]restxml.Part, len(parts))
	for i, p := range parts {
		out[i] = restxml.Part{Number: p.Number, LastModified: p.LastModified, ETag: p.ETag, Size: p.Size,
			Checksums: documentChecksums(p.Checksums.Values)}
	}
	return out
}
