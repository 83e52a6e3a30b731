package restxml

// VersioningConfiguration is the body of PutBucketVersioning and the answer of
// GetBucketVersioning; empty elements are left out.
type VersioningConfiguration struct{ Status, MFADelete string }

func (d *VersioningConfiguration) write(w *writer) {
	w.root("VersioningConfiguration")
	w.optional("Status", d.Status)
	w.optional("MfaDelete", d.MFADelete)
	w.close("VersioningConfiguration")
}

// ServerSideEncryptionConfiguration is the body of PutBucketEncryption and the
// answer of GetBucketEncryption.
type ServerSideEncryptionConfiguration struct{ Rules []EncryptionRule }

// An EncryptionRule is one rule of a bucket's default encryption.
type EncryptionRule struct {
	Algorithm        string // empty if there is no ApplyServerSideEncryptionByDefault
	KMSMasterKeyID   string
	BucketKeyEnabled *bool // nil if absent
	BlockedPresent   bool  // the BlockedEncryptionTypes element is there
	BlockedTypes     []string
}

func (d *ServerSideEncryptionConfiguration) write(w *writer) {
	w.root("ServerSideEncryptionConfiguration")
	for i := range d.Rules {
		r := &d.Rules[i]
		w.open("Rule")
		if r.Algorithm != "" {
			w.open("ApplyServerSideEncryptionByDefault")
			w.text("SSEAlgorithm", r.Algorithm)
			w.optional("KMSMasterKeyID", r.KMSMasterKeyID)
			w.close("ApplyServerSideEncryptionByDefault")
		}
		if r.BlockedPresent {
			w.open("BlockedEncryptionTypes")
			for _, t := range r.BlockedTypes {
				w.text("EncryptionType", t)
			}
			w.close("BlockedEncryptionTypes")
		}
		if r.BucketKeyEnabled != nil {
			w.bool("BucketKeyEnabled", *r.BucketKeyEnabled)
		}
		w.close("Rule")
	}
	w.close("ServerSideEncryptionConfiguration")
}

// Tagging is the body and the answer of the operations on tags.
type Tagging struct{ Tags []Tag }

// A Tag is one tag.
type Tag struct{ Key, Value string }

func (d *Tagging) write(w *writer) {
	w.root("Tagging")
	w.open("TagSet")
	for _, t := range d.Tags {
		w.open("Tag")
		w.text("Key", t.Key)
		w.text("Value", t.Value)
		w.close("Tag")
	}
	w.close("TagSet")
	w.close("Tagging")
}

// A Default is the document of a configuration that a bucket never had, for the
// kinds where S3 answers with one instead of an error.
type Default struct{ name, body string }

func (d Default) write(w *writer) {
	w.root(d.name)
	w.raw(d.body)
	w.close(d.name)
}

// DefaultConfiguration returns the document that S3 answers for a configuration
// of the kind, named by its sub-resource, in a bucket that is as it was created;
// false if there is none, because S3 answers with an error.
//
// Source: Amazon S3 API Reference, GetBucketLogging, GetBucketRequestPayment,
// GetBucketAccelerateConfiguration, GetBucketNotificationConfiguration and the List
// operations of analytics, inventory, metrics and intelligent-tiering, read
// 2026-11-21.
func DefaultConfiguration(kind string) (Default, bool) {
	d, ok := defaults[kind]
	return d, ok
}

var defaults = map[string]Default{
	"logging":             {"BucketLoggingStatus", ""},
	"requestPayment":      {"RequestPaymentConfiguration", "<Payer>BucketOwner</Payer>"},
	"accelerate":          {"AccelerateConfiguration", ""},
	"notification":        {"NotificationConfiguration", ""},
	"analytics":           {"ListBucketAnalyticsConfigurationsResult", "<IsTruncated>false</IsTruncated>"},
	"inventory":           {"ListInventoryConfigurationsResult", "<IsTruncated>false</IsTruncated>"},
	"metrics":             {"ListMetricsConfigurationsResult", "<IsTruncated>false</IsTruncated>"},
	"intelligent-tiering": {"ListBucketIntelligentTieringConfigurationsOutput", "<IsTruncated>false</IsTruncated>"},
}
