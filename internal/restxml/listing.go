package restxml

import "time"

// An Owner owns a bucket, an object or an upload.
type Owner struct{ ID, DisplayName string }

func (w *writer) owner(name string, o Owner) {
	w.open(name)
	w.text("ID", o.ID)
	w.optional("DisplayName", o.DisplayName)
	w.close(name)
}

// ListAllMyBucketsResult is the answer of ListBuckets.
type ListAllMyBucketsResult struct {
	Owner             Owner
	Buckets           []Bucket
	Prefix            string
	ContinuationToken string
}

// A Bucket is one bucket of a listing.
type Bucket struct {
	Name, Region, ARN string
	Created           time.Time
}

func (d *ListAllMyBucketsResult) write(w *writer) {
	w.root("ListAllMyBucketsResult")
	w.owner("Owner", d.Owner)
	w.open("Buckets")
	for i := range d.Buckets {
		b := &d.Buckets[i]
		w.open("Bucket")
		w.text("Name", b.Name)
		w.time("CreationDate", b.Created)
		w.optional("BucketRegion", b.Region)
		w.optional("BucketArn", b.ARN)
		w.close("Bucket")
	}
	w.close("Buckets")
	w.optional("ContinuationToken", d.ContinuationToken)
	w.optional("Prefix", d.Prefix)
	w.close("ListAllMyBucketsResult")
}

// A Page is what all listings of keys have in common.
type Page struct {
	Bucket         string
	Prefix         string
	Delimiter      string
	Max            int
	IsTruncated    bool
	CommonPrefixes []string
	// URL asks for keys, prefixes, delimiters and markers in URL encoding.
	URL bool
}

// key writes an element that encoding-type=url encodes.
func (p *Page) key(w *writer, name, value string) {
	if p.URL {
		value = URLEncode(value)
	}
	w.text(name, value)
}

// optionalKey is key, unless the value is empty.
func (p *Page) optionalKey(w *writer, name, value string) {
	if value != "" {
		p.key(w, name, value)
	}
}

// middle writes the elements that stand between the markers and the entries.
func (p *Page) middle(w *writer, max string) {
	w.int(max, int64(p.Max))
	p.optionalKey(w, "Delimiter", p.Delimiter)
	if p.URL {
		w.text("EncodingType", "url")
	}
	w.bool("IsTruncated", p.IsTruncated)
}

func (p *Page) prefixes(w *writer) {
	for _, s := range p.CommonPrefixes {
		w.open("CommonPrefixes")
		p.key(w, "Prefix", s)
		w.close("CommonPrefixes")
	}
}

// An Entry is one object, version or delete marker of a listing.
type Entry struct {
	Key          string
	VersionID    string // versions only
	IsLatest     bool   // versions only
	DeleteMarker bool   // versions only
	LastModified time.Time
	ETag         string // without quotes
	Size         int64
	StorageClass string
	Algorithms   []string // ChecksumAlgorithm
	ChecksumType string
	Owner        *Owner // nil for none
}

func (p *Page) entry(w *writer, name string, e *Entry, isVersion bool) {
	w.open(name)
	p.key(w, "Key", e.Key)
	if isVersion {
		w.text("VersionId", e.VersionID)
		w.bool("IsLatest", e.IsLatest)
	}
	w.time("LastModified", e.LastModified)
	if !e.DeleteMarker {
		w.etag(e.ETag)
		for _, a := range e.Algorithms {
			w.text("ChecksumAlgorithm", a)
		}
		w.optional("ChecksumType", e.ChecksumType)
		w.int("Size", e.Size)
		w.text("StorageClass", e.StorageClass)
	}
	if e.Owner != nil {
		w.owner("Owner", *e.Owner)
	}
	w.close(name)
}

// ListBucketResult is the answer of ListObjects.
type ListBucketResult struct {
	Page
	Marker     string
	NextMarker string // only if there is a delimiter
	Contents   []Entry
}

func (d *ListBucketResult) write(w *writer) {
	w.root("ListBucketResult")
	w.text("Name", d.Bucket)
	d.key(w, "Prefix", d.Prefix)
	d.key(w, "Marker", d.Marker)
	d.optionalKey(w, "NextMarker", d.NextMarker)
	d.middle(w, "MaxKeys")
	for i := range d.Contents {
		d.entry(w, "Contents", &d.Contents[i], false)
	}
	d.prefixes(w)
	w.close("ListBucketResult")
}

// ListBucketResultV2 is the answer of ListObjectsV2.
type ListBucketResultV2 struct {
	Page
	StartAfter            string
	ContinuationToken     string
	NextContinuationToken string
	KeyCount              int
	Contents              []Entry
}

func (d *ListBucketResultV2) write(w *writer) {
	w.root("ListBucketResult")
	w.text("Name", d.Bucket)
	d.key(w, "Prefix", d.Prefix)
	d.optionalKey(w, "StartAfter", d.StartAfter)
	w.optional("ContinuationToken", d.ContinuationToken)
	w.optional("NextContinuationToken", d.NextContinuationToken)
	w.int("KeyCount", int64(d.KeyCount))
	d.middle(w, "MaxKeys")
	for i := range d.Contents {
		d.entry(w, "Contents", &d.Contents[i], false)
	}
	d.prefixes(w)
	w.close("ListBucketResult")
}

// ListVersionsResult is the answer of ListObjectVersions. Versions and delete
// markers stand in one list, in the order in which they were listed.
type ListVersionsResult struct {
	Page
	KeyMarker           string
	VersionIDMarker     string
	NextKeyMarker       string
	NextVersionIDMarker string
	Entries             []Entry
}

func (d *ListVersionsResult) write(w *writer) {
	w.root("ListVersionsResult")
	w.text("Name", d.Bucket)
	d.key(w, "Prefix", d.Prefix)
	d.key(w, "KeyMarker", d.KeyMarker)
	w.text("VersionIdMarker", d.VersionIDMarker)
	d.optionalKey(w, "NextKeyMarker", d.NextKeyMarker)
	w.optional("NextVersionIdMarker", d.NextVersionIDMarker)
	d.middle(w, "MaxKeys")
	for i := range d.Entries {
		name := "Version"
		if d.Entries[i].DeleteMarker {
			name = "DeleteMarker"
		}
		d.entry(w, name, &d.Entries[i], true)
	}
	d.prefixes(w)
	w.close("ListVersionsResult")
}

// ListMultipartUploadsResult is the answer of ListMultipartUploads.
type ListMultipartUploadsResult struct {
	Page
	KeyMarker          string
	UploadIDMarker     string
	NextKeyMarker      string
	NextUploadIDMarker string
	Uploads            []Upload
}

// An Upload is one multipart upload of a listing.
type Upload struct {
	Key, UploadID, StorageClass string
	Initiated                   time.Time
	Owner                       Owner
	ChecksumAlgorithm           string
	ChecksumType                string
}

func (d *ListMultipartUploadsResult) write(w *writer) {
	w.root("ListMultipartUploadsResult")
	w.text("Bucket", d.Bucket)
	d.key(w, "KeyMarker", d.KeyMarker)
	w.text("UploadIdMarker", d.UploadIDMarker)
	d.optionalKey(w, "NextKeyMarker", d.NextKeyMarker)
	w.optional("NextUploadIdMarker", d.NextUploadIDMarker)
	d.key(w, "Prefix", d.Prefix)
	d.middle(w, "MaxUploads")
	for i := range d.Uploads {
		u := &d.Uploads[i]
		w.open("Upload")
		d.key(w, "Key", u.Key)
		w.text("UploadId", u.UploadID)
		w.owner("Initiator", u.Owner)
		w.owner("Owner", u.Owner)
		w.text("StorageClass", u.StorageClass)
		w.time("Initiated", u.Initiated)
		w.optional("ChecksumAlgorithm", u.ChecksumAlgorithm)
		w.optional("ChecksumType", u.ChecksumType)
		w.close("Upload")
	}
	d.prefixes(w)
	w.close("ListMultipartUploadsResult")
}

// ListPartsResult is the answer of ListParts.
type ListPartsResult struct {
	Bucket, Key, UploadID string
	Owner                 Owner
	StorageClass          string
	PartNumberMarker      int
	NextPartNumberMarker  int
	MaxParts              int
	IsTruncated           bool
	ChecksumAlgorithm     string
	ChecksumType          string
	Parts                 []Part
}

// A Part is one part of an upload or of an object.
type Part struct {
	Number       int
	LastModified time.Time
	ETag         string // without quotes
	Size         int64
	Checksums    []Checksum
}

func (d *ListPartsResult) write(w *writer) {
	w.root("ListPartsResult")
	w.text("Bucket", d.Bucket)
	w.text("Key", d.Key)
	w.text("UploadId", d.UploadID)
	w.owner("Initiator", d.Owner)
	w.owner("Owner", d.Owner)
	w.text("StorageClass", d.StorageClass)
	w.int("PartNumberMarker", int64(d.PartNumberMarker))
	w.int("NextPartNumberMarker", int64(d.NextPartNumberMarker))
	w.int("MaxParts", int64(d.MaxParts))
	w.bool("IsTruncated", d.IsTruncated)
	w.optional("ChecksumAlgorithm", d.ChecksumAlgorithm)
	w.optional("ChecksumType", d.ChecksumType)
	for i := range d.Parts {
		p := &d.Parts[i]
		w.open("Part")
		w.int("PartNumber", int64(p.Number))
		w.time("LastModified", p.LastModified)
		w.etag(p.ETag)
		w.int("Size", p.Size)
		w.checksums(p.Checksums, "")
		w.close("Part")
	}
	w.close("ListPartsResult")
}

// A Checksum is one checksum, in base64; its element is "Checksum" and the name
// of the algorithm.
type Checksum struct{ Algorithm, Value string }

func (w *writer) checksums(cs []Checksum, kind string) {
	for _, c := range cs {
		w.text("Checksum"+c.Algorithm, c.Value)
	}
	w.optional("ChecksumType", kind)
}
