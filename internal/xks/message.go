package xks

import "fmt"

// Values of members.
const (
	AlgorithmAESGCM = "AES_GCM" // encryptionAlgorithm
	AlgorithmSHA256 = "SHA_256" // ciphertextDataIntegrityValueAlgorithm

	KeySpecAES256 = "AES_256"
	UsageEncrypt  = "ENCRYPT"
	UsageDecrypt  = "DECRYPT"

	StatusEnabled  = "ENABLED"
	StatusDisabled = "DISABLED"

	HealthActive      = "ACTIVE"
	HealthDegraded    = "DEGRADED" // unwell, and serving
	HealthUnavailable = "UNAVAILABLE"

	// OperationHealthCheck is the kmsOperation of a periodic GetHealthStatus.
	OperationHealthCheck = "KmsHealthCheck"
)

// A Plaintext prints as [secret].
type Plaintext []byte

// String returns [secret].
func (Plaintext) String() string { return redacted }

// GoString returns [secret].
func (Plaintext) GoString() string { return redacted }

// Format writes [secret], also for verbs such as %x.
func (Plaintext) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

// MarshalJSON returns "[secret]"; [Marshal] writes what it holds.
func (Plaintext) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText returns [secret]. A log asks for it.
func (Plaintext) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Wipe overwrites p with zeros.
func (p Plaintext) Wipe() { clear(p) }

// RequestMetadata says what happened at the KMS to cause a request. The proxy records
// it and may decide by it; it is as true as whoever holds the credentials makes it.
type RequestMetadata struct {
	AWSPrincipalARN string `json:"awsPrincipalArn,omitempty"` // an ARN, a service or "AWS Internal"; not in GetHealthStatus
	AWSSourceVPC    string `json:"awsSourceVpc,omitempty"`
	AWSSourceVPCE   string `json:"awsSourceVpce,omitempty"`
	KMSKeyARN       string `json:"kmsKeyArn,omitempty"` // in Encrypt and Decrypt
	KMSOperation    string `json:"kmsOperation,omitempty"`
	KMSRequestID    string `json:"kmsRequestId,omitempty"`
	KMSViaService   string `json:"kmsViaService,omitempty"`
}

// A HealthRequest is the request of GetHealthStatus.
type HealthRequest struct {
	RequestMetadata RequestMetadata `json:"requestMetadata"`
}

// A HealthResponse is the answer of GetHealthStatus.
type HealthResponse struct {
	XksProxyFleetSize int32         `json:"xksProxyFleetSize"`
	XksProxyVendor    string        `json:"xksProxyVendor"`
	XksProxyModel     string        `json:"xksProxyModel"`
	EkmVendor         string        `json:"ekmVendor"`
	EkmFleetDetails   []FleetMember `json:"ekmFleetDetails"` // 1 to MaxFleetDetails
}

// A FleetMember is one external key manager behind a proxy.
type FleetMember struct {
	ID           string `json:"id"`
	Model        string `json:"model"`
	HealthStatus string `json:"healthStatus"`
}

// A MetadataRequest is the request of GetKeyMetadata.
type MetadataRequest struct {
	RequestMetadata RequestMetadata `json:"requestMetadata"`
}

// A MetadataResponse is the answer of GetKeyMetadata.
type MetadataResponse struct {
	KeySpec   string   `json:"keySpec"`
	KeyUsage  []string `json:"keyUsage"` // at most MaxKeyUsages
	KeyStatus string   `json:"keyStatus"`
}

// An EncryptRequest is the request of Encrypt.
type EncryptRequest struct {
	RequestMetadata             RequestMetadata `json:"requestMetadata"`
	AdditionalAuthenticatedData []byte          `json:"additionalAuthenticatedData,omitempty"`
	Plaintext                   Plaintext       `json:"plaintext"`
	EncryptionAlgorithm         string          `json:"encryptionAlgorithm"`
	IntegrityAlgorithm          string          `json:"ciphertextDataIntegrityValueAlgorithm,omitempty"`
}

// Wipe overwrites the plaintext with zeros.
func (r *EncryptRequest) Wipe() { r.Plaintext.Wipe() }

// An EncryptResponse is the answer of Encrypt.
type EncryptResponse struct {
	Ciphertext           []byte `json:"ciphertext"` // as long as the plaintext
	CiphertextMetadata   []byte `json:"ciphertextMetadata,omitempty"`
	InitializationVector []byte `json:"initializationVector"`
	AuthenticationTag    []byte `json:"authenticationTag"`
	IntegrityValue       []byte `json:"ciphertextDataIntegrityValue,omitempty"`
}

// A DecryptRequest is the request of Decrypt.
type DecryptRequest struct {
	RequestMetadata             RequestMetadata `json:"requestMetadata"`
	AdditionalAuthenticatedData []byte          `json:"additionalAuthenticatedData,omitempty"`
	Ciphertext                  []byte          `json:"ciphertext"`
	CiphertextMetadata          []byte          `json:"ciphertextMetadata,omitempty"`
	EncryptionAlgorithm         string          `json:"encryptionAlgorithm"`
	InitializationVector        []byte          `json:"initializationVector"`
	AuthenticationTag           []byte          `json:"authenticationTag"`
}

// A DecryptResponse is the answer of Decrypt. Whoever gets it wipes it.
type DecryptResponse struct {
	Plaintext Plaintext `json:"plaintext"`
}

// Wipe overwrites the plaintext with zeros.
func (r *DecryptResponse) Wipe() { r.Plaintext.Wipe() }
