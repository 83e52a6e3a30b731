package restxml

import "time"

// InitiateMultipartUploadResult is the answer of CreateMultipartUpload.
type InitiateMultipartUploadResult struct{ Bucket, Key, UploadID string }

func (d *InitiateMultipartUploadResult) write(w *writer) {
	w.root("InitiateMultipartUploadResult")
	w.text("Bucket", d.Bucket)
	w.text("Key", d.Key)
	w.text("UploadId", d.UploadID)
	w.close("InitiateMultipartUploadResult")
}

// CompleteMultipartUploadResult is the answer of CompleteMultipartUpload.
type CompleteMultipartUploadResult struct {
	Location, Bucket, Key string
	ETag                  string // without quotes
	Checksums             []Checksum
	ChecksumType          string
}

func (d *CompleteMultipartUploadResult) write(w *writer) {
	w.root("CompleteMultipartUploadResult")
	w.text("Location", d.Location)
	w.text("Bucket", d.Bucket)
	w.text("Key", d.Key)
	w.etag(d.ETag)
	w.checksums(d.Checksums, d.ChecksumType)
	w.close("CompleteMultipartUploadResult")
}

// CopyResult is the answer of CopyObject, or of UploadPartCopy if Part is set.
type CopyResult struct {
	Part         bool
	LastModified time.Time
	ETag         string // without quotes
	Checksums    []Checksum
	ChecksumType string
}

func (d *CopyResult) write(w *writer) {
	name := "CopyObjectResult"
	if d.Part {
		name = "CopyPartResult"
	}
	w.root(name)
	w.time("LastModified", d.LastModified)
	w.etag(d.ETag)
	w.checksums(d.Checksums, d.ChecksumType)
	w.close(name)
}

// DeleteResult is the answer of DeleteObjects.
type DeleteResult struct{ Results []Deletion }

// A Deletion is what became of one entry: Code is empty if it was deleted.
type Deletion struct {
	Key, VersionID        string
	DeleteMarker          bool
	DeleteMarkerVersionID string
	Code, Message         string
}

func (d *DeleteResult) write(w *writer) {
	w.root("DeleteResult")
	for i := range d.Results {
		r := &d.Results[i]
		name := "Deleted"
		if r.Code != "" {
			name = "Error"
		}
		w.open(name)
		w.text("Key", r.Key)
		w.optional("VersionId", r.VersionID)
		if r.Code != "" {
			w.text("Code", r.Code)
			w.text("Message", r.Message)
		} else if r.DeleteMarker {
			w.bool("DeleteMarker", true)
			w.optional("DeleteMarkerVersionId", r.DeleteMarkerVersionID)
		}
		w.close(name)
	}
	w.close("DeleteResult")
}

// LocationConstraint is the answer of GetBucketLocation; it is empty for
// us-east-1.
type LocationConstraint string

func (d LocationConstraint) write(w *writer) {
	w.root("LocationConstraint")
	w.b = appendEscaped(w.b, string(d))
	w.close("LocationConstraint")
}

// GetObjectAttributesResponse is the answer of GetObjectAttributes; what is
// zero was not asked for.
type GetObjectAttributesResponse struct {
	ETag         string // without quotes, and written so
	Checksums    []Checksum
	ChecksumType string
	Parts        *ObjectParts
	StorageClass string
	Size         *int64
}

// ObjectParts is one page of the parts of an object.
type ObjectParts struct {
	Total                int
	PartNumberMarker     int
	NextPartNumberMarker int
	MaxParts             int
	IsTruncated          bool
	Parts                []Part
}

func (d *GetObjectAttributesResponse) write(w *writer) {
	w.root("GetObjectAttributesResponse")
	w.optional("ETag", d.ETag)
	if len(d.Checksums) > 0 {
		w.open("Checksum")
		w.checksums(d.Checksums, d.ChecksumType)
		w.close("Checksum")
	}
	if p := d.Parts; p != nil {
		w.open("ObjectParts")
		w.int("PartsCount", int64(p.Total))
		// Without checksums of the parts S3 tells their number alone.
		if len(p.Parts) > 0 {
			w.int("PartNumberMarker", int64(p.PartNumberMarker))
			w.int("NextPartNumberMarker", int64(p.NextPartNumberMarker))
			w.int("MaxParts", int64(p.MaxParts))
			w.bool("IsTruncated", p.IsTruncated)
		}
		for i := range p.Parts {
			w.open("Part")
			w.int("PartNumber", int64(p.Parts[i].Number))
			w.int("Size", p.Parts[i].Size)
			w.checksums(p.Parts[i].Checksums, "")
			w.close("Part")
		}
		w.close("ObjectParts")
	}
	w.optional("StorageClass", d.StorageClass)
	if d.Size != nil {
		w.int("ObjectSize", *d.Size)
	}
	w.close("GetObjectAttributesResponse")
}

// PostResponse is the answer of PostObject to success_action_status 201.
type PostResponse struct {
	Location, Bucket, Key string
	ETag                  string // without quotes
}

func (d *PostResponse) write(w *writer) {
	w.open("PostResponse")
	w.text("Location", d.Location)
	w.text("Bucket", d.Bucket)
	w.text("Key", d.Key)
	w.etag(d.ETag)
	w.close("PostResponse")
}
