package xks

import (
	"crypto/sha256"
	"fmt"
	"slices"
)

// check checks requestMetadata. A kmsOperation that nobody has heard of is fine, and a
// kmsRequestId may look like anything.
func (m *RequestMetadata) check(principal, key bool) error {
	for _, f := range []struct {
		name, value string
		required    bool
		most        int
	}{
		{"awsPrincipalArn", m.AWSPrincipalARN, principal, MaxARN},
		{"awsSourceVpc", m.AWSSourceVPC, false, maxName},
		{"awsSourceVpce", m.AWSSourceVPCE, false, maxName},
		{"kmsKeyArn", m.KMSKeyARN, key, MaxARN},
		{"kmsOperation", m.KMSOperation, true, maxName},
		{"kmsRequestId", m.KMSRequestID, true, maxName},
		{"kmsViaService", m.KMSViaService, false, maxName},
	} {
		if f.required && f.value == "" {
			return NewError(ValidationException, "requestMetadata lacks %s.", f.name)
		}
		if len(f.value) > f.most {
			return NewError(ValidationException, "requestMetadata.%s is longer than %d characters.", f.name, f.most)
		}
	}
	return nil
}

func (r *HealthRequest) check() error   { return r.RequestMetadata.check(false, false) }
func (r *MetadataRequest) check() error { return r.RequestMetadata.check(true, false) }

func (r *EncryptRequest) check() error {
	if err := r.RequestMetadata.check(true, true); err != nil {
		return err
	}
	switch {
	case r.EncryptionAlgorithm != AlgorithmAESGCM:
		return NewError(ValidationException, "encryptionAlgorithm is not %s.", AlgorithmAESGCM)
	case r.IntegrityAlgorithm != "" && r.IntegrityAlgorithm != AlgorithmSHA256:
		return NewError(ValidationException, "ciphertextDataIntegrityValueAlgorithm is not %s.", AlgorithmSHA256)
	case len(r.Plaintext) == 0:
		return NewError(ValidationException, "plaintext is missing or empty.")
	}
	return tooLong("plaintext", r.Plaintext, MaxPlaintext, "additionalAuthenticatedData", r.AdditionalAuthenticatedData, MaxAAD)
}

func (r *DecryptRequest) check() error {
	if err := r.RequestMetadata.check(true, true); err != nil {
		return err
	}
	switch {
	case r.EncryptionAlgorithm != AlgorithmAESGCM:
		return NewError(ValidationException, "encryptionAlgorithm is not %s.", AlgorithmAESGCM)
	case len(r.Ciphertext) == 0:
		return NewError(ValidationException, "ciphertext is missing or empty.")
	case len(r.CiphertextMetadata) > MaxMetadata:
		return NewError(ValidationException, "ciphertextMetadata is longer than %d bytes.", MaxMetadata)
	case !validIV(r.InitializationVector):
		return NewError(ValidationException, "initializationVector has neither 12 nor 16 bytes.")
	case len(r.AuthenticationTag) != TagSize:
		return NewError(ValidationException, "authenticationTag does not have %d bytes.", TagSize)
	}
	return tooLong("ciphertext", r.Ciphertext, MaxPlaintext, "additionalAuthenticatedData", r.AdditionalAuthenticatedData, MaxAAD)
}

// tooLong returns the error for what is above what every proxy must take, and so
// above what this one takes.
func tooLong(name string, value []byte, most int, name2 string, value2 []byte, most2 int) error {
	if len(value) > most {
		return NewError(UnsupportedOperationException, "%s is longer than %d bytes.", name, most)
	}
	if len(value2) > most2 {
		return NewError(UnsupportedOperationException, "%s is longer than %d bytes.", name2, most2)
	}
	return nil
}

func validIV(iv []byte) bool { return len(iv) == 12 || len(iv) == 16 }

func (r *HealthResponse) check() error {
	if r.XksProxyFleetSize < 1 {
		return fmt.Errorf("%w: xksProxyFleetSize is %d", ErrAnswer, r.XksProxyFleetSize)
	}
	if n := len(r.EkmFleetDetails); n < 1 || n > MaxFleetDetails {
		return fmt.Errorf("%w: %d ekmFleetDetails", ErrAnswer, n)
	}
	names := []string{r.XksProxyVendor, r.XksProxyModel, r.EkmVendor}
	for _, m := range r.EkmFleetDetails {
		names = append(names, m.ID, m.Model)
		if !slices.Contains([]string{HealthActive, HealthDegraded, HealthUnavailable}, m.HealthStatus) {
			return fmt.Errorf("%w: healthStatus %.64q", ErrAnswer, m.HealthStatus)
		}
	}
	for _, n := range names {
		if n == "" || len(n) > maxName {
			return fmt.Errorf("%w: a name has %d characters", ErrAnswer, len(n))
		}
	}
	return nil
}

// Serves reports whether at least one key manager behind the proxy can serve.
func (r *HealthResponse) Serves() bool {
	return slices.ContainsFunc(r.EkmFleetDetails, func(m FleetMember) bool { return m.HealthStatus != HealthUnavailable })
}

func (r *MetadataResponse) check() error {
	switch {
	case r.KeySpec == "" || len(r.KeySpec) > maxName:
		return fmt.Errorf("%w: keySpec has %d characters", ErrAnswer, len(r.KeySpec))
	case len(r.KeyUsage) > MaxKeyUsages:
		return fmt.Errorf("%w: %d values of keyUsage", ErrAnswer, len(r.KeyUsage))
	case r.KeyStatus != StatusEnabled && r.KeyStatus != StatusDisabled:
		return fmt.Errorf("%w: keyStatus %.64q", ErrAnswer, r.KeyStatus)
	}
	return nil
}

func (r *EncryptResponse) check() error {
	switch {
	case len(r.Ciphertext) == 0 || len(r.Ciphertext) > MaxPlaintext:
		return fmt.Errorf("%w: ciphertext has %d bytes", ErrAnswer, len(r.Ciphertext))
	case len(r.CiphertextMetadata) > MaxMetadata:
		return fmt.Errorf("%w: ciphertextMetadata has %d bytes", ErrAnswer, len(r.CiphertextMetadata))
	case !validIV(r.InitializationVector):
		return fmt.Errorf("%w: initializationVector has %d bytes", ErrAnswer, len(r.InitializationVector))
	case len(r.AuthenticationTag) != TagSize:
		return fmt.Errorf("%w: authenticationTag has %d bytes", ErrAnswer, len(r.AuthenticationTag))
	case r.IntegrityValue != nil && len(r.IntegrityValue) != sha256.Size:
		return fmt.Errorf("%w: ciphertextDataIntegrityValue has %d bytes", ErrAnswer, len(r.IntegrityValue))
	}
	return nil
}

// Matches returns nil if r can answer q: it is as long as the plaintext, and has the
// integrity value of what it holds if q asks for one. Otherwise it returns ErrAnswer.
func (r *EncryptResponse) Matches(q *EncryptRequest) error {
	if len(r.Ciphertext) != len(q.Plaintext) {
		return fmt.Errorf("%w: %d bytes of ciphertext for %d of plaintext", ErrAnswer, len(r.Ciphertext), len(q.Plaintext))
	}
	if q.IntegrityAlgorithm != "" && !Intact(q.AdditionalAuthenticatedData, r) {
		return fmt.Errorf("%w: ciphertextDataIntegrityValue is wrong or missing", ErrAnswer)
	}
	return nil
}

func (r *DecryptResponse) check() error {
	if len(r.Plaintext) == 0 || len(r.Plaintext) > MaxPlaintext {
		return fmt.Errorf("%w: plaintext has %d bytes", ErrAnswer, len(r.Plaintext))
	}
	return nil
}

// Matches returns nil if r can answer q, and ErrAnswer otherwise.
func (r *DecryptResponse) Matches(q *DecryptRequest) error {
	if len(r.Plaintext) != len(q.Ciphertext) {
		return fmt.Errorf("%w: %d bytes of plaintext for %d of ciphertext", ErrAnswer, len(r.Plaintext), len(q.Ciphertext))
	}
	return nil
}
