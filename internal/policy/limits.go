package policy

import "unicode/utf8"

// The largest sizes of policies. Those of IAM are counted by [Size], without white
// space; the others are the length of the text in bytes.
//
// Sources: IAM User Guide, "IAM and AWS STS quotas"; Amazon S3 User Guide, "Policies
// and permissions in Amazon S3"; KMS Developer Guide, "Resource quotas"; AWS
// Organizations User Guide, "Quotas and service limits"; all read 2026-11-21.
const (
	ManagedPolicySize = 6_144  // of a managed policy, and so of a permissions boundary
	UserPolicySize    = 2_048  // of all inline policies of a user together
	GroupPolicySize   = 5_120  // of all inline policies of a group together
	RolePolicySize    = 10_240 // of all inline policies of a role together
	TrustPolicySize   = 2_048  // of a trust policy, unless the quota was raised
	TrustPolicyMax    = 8_192  // the highest that quota goes
	SessionPolicySize = 2_048  // of all session policies of one request together
	BucketPolicySize  = 20 << 10
	KeyPolicySize     = 32 << 10
	SCPSize           = 10_240 // characters, white space included
	RCPSize           = 5_120  // characters, white space included
	EndpointSize      = 20_480
)

// maxText bounds the text of every policy in bytes, white space included.
//
// Source: IAM API Reference, the policyDocumentType of PutRolePolicy (131,072).
const maxText = 128 << 10

// MaxSize returns the size up to which [Parse] takes a policy of a kind. Where IAM
// counts several policies together, or by where one is attached, it is the highest,
// and the IAM service checks the rest.
func MaxSize(kind Kind) int {
	switch kind {
	case KindIdentity:
		return RolePolicySize
	case KindBoundary:
		return ManagedPolicySize
	case KindSession:
		return SessionPolicySize
	case KindBucket:
		return BucketPolicySize
	case KindKey:
		return KeyPolicySize
	case KindTrust:
		return TrustPolicyMax
	case KindSCP:
		return SCPSize
	case KindRCP:
		return RCPSize
	}
	return EndpointSize
}

// sizeOf returns the size of a text as its kind counts it.
func sizeOf(text string, kind Kind) int {
	switch kind {
	case KindIdentity, KindBoundary, KindTrust:
		return Size(text)
	case KindSession, KindSCP, KindRCP:
		return utf8.RuneCountInString(text)
	}
	return len(text)
}

// Size returns the number of characters of a policy as IAM counts them: without
// the white space outside of strings.
//
// Source: IAM User Guide, "IAM and AWS STS quotas", read 2026-11-21.
func Size(text string) int {
	n := 0
	inString, escaped := false, false
	for _, c := range text {
		switch {
		case escaped:
			escaped = false
		case inString && c == '\\':
			escaped = true
		case c == '"':
			inString = !inString
		case !inString && (c == ' ' || c == '\t' || c == '\r' || c == '\n'):
			continue
		}
		n++
	}
	return n
}
