package s3api

import (
	"net/http"

	"coffer/internal/restxml"
	"coffer/internal/s3"
)

func (c *call) listBuckets() error {
	max, err := number("max-buckets", c.query.Get("max-buckets"), 0)
	if err == nil && c.query.Has("max-buckets") && (max < 1 || max > 10_000) {
		err = invalidArgument("max-buckets", c.query.Get("max-buckets"), "Argument max-buckets must be an integer between 1 and 10000")
	}
	if err != nil {
		return err
	}
	out, err := c.take().ListBuckets(c.ctx, c.caller, &s3.ListBucketsInput{ContinuationToken: c.query.Get("continuation-token"),
		Prefix: c.query.Get("prefix"), BucketRegion: c.query.Get("bucket-region"), MaxBuckets: max})
	if err != nil {
		return err
	}
	doc := &restxml.ListAllMyBucketsResult{Owner: restxml.Owner(out.Owner), Prefix: out.Prefix, ContinuationToken: out.ContinuationToken,
		Buckets: make([]restxml.Bucket, len(out.Buckets))}
	for i, b := range out.Buckets {
		doc.Buckets[i] = restxml.Bucket{Name: b.Name, Region: b.Region, ARN: b.ARN, Created: b.Created}
	}
	return c.document(http.StatusOK, doc)
}

// wantsURL reports whether encoding-type asks for URL encoding.
func (c *call) wantsURL() (bool, error) {
	values, ok := c.query["encoding-type"]
	if !ok {
		return false, nil
	}
	if values[0] != "url" {
		return false, invalidArgument("encoding-type", values[0], "Invalid Encoding Method specified in Request")
	}
	return true, nil
}

// listInput reads the parameters that all listings of objects share, and begins
// the page that answers them.
func (c *call) listInput() (s3.ListObjectsInput, restxml.Page, error) {
	in := s3.ListObjectsInput{BucketInput: c.bucketInput(), Prefix: c.query.Get("prefix"), Delimiter: c.query.Get("delimiter")}
	in.HasPrefix, in.HasDelimiter = c.query.Has("prefix"), c.query.Has("delimiter")
	page := restxml.Page{Bucket: c.bucket, Prefix: in.Prefix, Delimiter: in.Delimiter}
	var err error
	if page.URL, err = c.wantsURL(); err != nil {
		return in, page, err
	}
	in.MaxKeys, err = number("max-keys", c.query.Get("max-keys"), -1)
	return in, page, err
}

func (c *call) listObjects() error {
	in, page, err := c.listInput()
	if err != nil {
		return err
	}
	in.Marker = c.query.Get("marker")
	out, err := c.take().ListObjects(c.ctx, c.caller, &in)
	if err != nil {
		return err
	}
	doc := &restxml.ListBucketResult{Page: fill(page, out), Marker: in.Marker, Contents: documentEntries(out.Contents, true)}
	// Without a delimiter the last key is the marker, and S3 names none.
	if out.IsTruncated && in.Delimiter != "" {
		doc.NextMarker = out.NextMarker
	}
	return c.document(http.StatusOK, doc)
}

func (c *call) listObjectsV2() error {
	if t := c.query.Get("list-type"); t != "2" {
		return invalidArgument("list-type", t, "Invalid List Type specified in Request")
	}
	in, page, err := c.listInput()
	if err != nil {
		return err
	}
	in.StartAfter = c.query.Get("start-after")
	in.ContinuationToken = c.query.Get("continuation-token")
	in.FetchOwner = c.query.Get("fetch-owner") == "true"
	if c.query.Has("continuation-token") && in.ContinuationToken == "" {
		return invalidArgument("continuation-token", "", "The continuation token provided is incorrect")
	}
	out, err := c.take().ListObjectsV2(c.ctx, c.caller, &in)
	if err != nil {
		return err
	}
	return c.document(http.StatusOK, &restxml.ListBucketResultV2{Page: fill(page, out), StartAfter: in.StartAfter,
		ContinuationToken: in.ContinuationToken, NextContinuationToken: out.NextContinuationToken, KeyCount: out.KeyCount,
		Contents: documentEntries(out.Contents, in.FetchOwner)})
}

func fill(page restxml.Page, out *s3.ListObjectsOutput) restxml.Page {
	page.Max, page.IsTruncated, page.CommonPrefixes = out.MaxKeys, out.IsTruncated, out.CommonPrefixes
	return page
}

func (c *call) listObjectVersions() error {
	in, page, err := c.listInput()
	if err != nil {
		return err
	}
	in.KeyMarker, in.VersionIDMarker = c.query.Get("key-marker"), c.query.Get("version-id-marker")
	switch {
	case c.query.Has("version-id-marker") && in.VersionIDMarker == "" && in.KeyMarker != "":
		return invalidArgument("version-id-marker", "", "A version-id marker cannot be empty.")
	case in.VersionIDMarker != "" && in.KeyMarker == "":
		return invalidArgument("version-id-marker", in.VersionIDMarker, "A version-id marker cannot be specified without a key marker.")
	}
	out, err := c.take().ListObjectVersions(c.ctx, c.caller, &in)
	if err != nil {
		return err
	}
	page.Max, page.IsTruncated, page.CommonPrefixes = out.MaxKeys, out.IsTruncated, out.CommonPrefixes
	return c.document(http.StatusOK, &restxml.ListVersionsResult{Page: page, KeyMarker: in.KeyMarker, VersionIDMarker: in.VersionIDMarker,
		NextKeyMarker: out.NextKeyMarker, NextVersionIDMarker: out.NextVersionIDMarker, Entries: documentEntries(out.Entries, true)})
}

func documentEntries(entries []s3.ObjectEntry, withOwner bool) []restxml.Entry {
	out := make([]restxml.Entry, len(entries))
	for i := range entries {
		e := &entries[i]
		out[i] = restxml.Entry{Key: e.Key, VersionID: e.VersionID, IsLatest: e.IsLatest, DeleteMarker: e.DeleteMarker,
			LastModified: e.LastModified, ETag: e.ETag, Size: e.Size, StorageClass: e.StorageClass,
			Algorithms: e.Algorithms, ChecksumType: e.ChecksumType}
		if withOwner && e.Owner.ID != "" {
			out[i].Owner = (*restxml.Owner)(&e.Owner)
		}
	}
	return out
}

func (c *call) listMultipartUploads() error {
	in := s3.ListMultipartUploadsInput{BucketInput: c.bucketInput(), Prefix: c.query.Get("prefix"), Delimiter: c.query.Get("delimiter"),
		KeyMarker: c.query.Get("key-marker"), UploadIDMarker: c.query.Get("upload-id-marker")}
	page := restxml.Page{Bucket: c.bucket, Prefix: in.Prefix, Delimiter: in.Delimiter}
	var err error
	if page.URL, err = c.wantsURL(); err != nil {
		return err
	}
	if in.MaxUploads, err = number("max-uploads", c.query.Get("max-uploads"), -1); err != nil {
		return err
	}
	out, err := c.take().ListMultipartUploads(c.ctx, c.caller, &in)
	if err != nil {
		return err
	}
	page.Max, page.IsTruncated, page.CommonPrefixes = out.MaxUploads, out.IsTruncated, out.CommonPrefixes
	doc := &restxml.ListMultipartUploadsResult{Page: page, KeyMarker: in.KeyMarker, UploadIDMarker: in.UploadIDMarker,
		NextKeyMarker: out.NextKeyMarker, NextUploadIDMarker: out.NextUploadIDMarker, Uploads: make([]restxml.Upload, len(out.Uploads))}
	for i, u := range out.Uploads {
		doc.Uploads[i] = restxml.Upload{Key: u.Key, UploadID: u.UploadID, StorageClass: u.StorageClass, Initiated: u.Initiated,
			Owner: restxml.Owner(u.Owner), ChecksumAlgorithm: string(u.ChecksumAlgorithm), ChecksumType: u.ChecksumType}
	}
	return c.document(http.StatusOK, doc)
}
