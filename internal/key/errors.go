package key

import "errors"

// Errors about a key or an alias that a caller named.
var (
	// ErrNotFound means that no key has the ID, or that it was destroyed.
	ErrNotFound = errors.New("key: no such key")
	// ErrAliasNotFound means that no alias has the name.
	ErrAliasNotFound = errors.New("key: no such alias")
	// ErrAliasExists means that the alias to create is there already.
	ErrAliasExists = errors.New("key: alias exists")
	// ErrTooManyAliases means that the key has MaxAliases aliases.
	ErrTooManyAliases = errors.New("key: too many aliases")
	// ErrTooManyTags means that the key would have more than MaxTags tags.
	ErrTooManyTags = errors.New("key: too many tags")
	// ErrGrantNotFound means that the key has no grant with the ID.
	ErrGrantNotFound = errors.New("key: no such grant")
	// ErrTooManyGrants means that the key has MaxGrants grants.
	ErrTooManyGrants = errors.New("key: too many grants")
	// ErrInvalidID means that an identifier is no key ID, ARN or alias name.
	ErrInvalidID = errors.New("key: malformed key ID")
	// ErrInvalidARN means that an ARN is malformed, names no KMS key or
	// alias, or names one of another region.
	ErrInvalidARN = errors.New("key: ARN is invalid here")
	// ErrManaged means that the operation is not for AWS managed keys.
	ErrManaged = errors.New("key: AWS managed key")
)

// Errors about the state of a key.
var (
	// ErrDisabled means that the key is disabled.
	ErrDisabled = errors.New("key: disabled")
	// ErrPendingDeletion means that the key is pending deletion.
	ErrPendingDeletion = errors.New("key: pending deletion")
	// ErrNotPendingDeletion means that there is no deletion to cancel.
	ErrNotPendingDeletion = errors.New("key: not pending deletion")
	// ErrPendingImport means that material of the key must be imported first.
	ErrPendingImport = errors.New("key: pending import")
	// ErrUnavailable means that the custom key store of the key is not there.
	ErrUnavailable = errors.New("key: unavailable")
	// ErrInvalidState means another state that forbids the operation.
	ErrInvalidState = errors.New("key: state forbids the operation")
	// ErrInvalidWindow means a waiting period outside MinWindow..MaxWindow.
	ErrInvalidWindow = errors.New("key: waiting period out of range")
)

// Errors about subjects.
var (
	// ErrNoSubject means that the encryption context lacks the pair that names
	// the subject.
	ErrNoSubject = errors.New("key: encryption context names no subject")
	// ErrSubjectNotFound means that nothing was ever sealed for the subject.
	ErrSubjectNotFound = errors.New("key: no such subject")
	// ErrSubjectDisabled means that the subject's key is disabled.
	ErrSubjectDisabled = errors.New("key: subject is disabled")
	// ErrSubjectPendingDeletion means that the subject's key is pending deletion.
	ErrSubjectPendingDeletion = errors.New("key: subject is pending deletion")
	// ErrSubjectNotPendingDeletion means that there is no deletion to cancel.
	ErrSubjectNotPendingDeletion = errors.New("key: subject is not pending deletion")
	// ErrSubjectDestroyed means that the subject's key was destroyed. It is
	// never made again.
	ErrSubjectDestroyed = errors.New("key: subject is destroyed")
)

// Errors about material.
var (
	// ErrMaterialMissing means that imported material was deleted, or expired.
	ErrMaterialMissing = errors.New("key: imported material is not here")
	// ErrWrongMaterial means that what is imported is not what was before.
	ErrWrongMaterial = errors.New("key: other material than before")
	// ErrKnownMaterial means that what is imported as new was here before.
	ErrKnownMaterial = errors.New("key: material is not new")
	// ErrImportPending means that other imported material waits for its rotation.
	ErrImportPending = errors.New("key: other material is pending rotation")
	// ErrNoPending means that no imported material waits for a rotation.
	ErrNoPending = errors.New("key: no material is pending rotation")
	// ErrOrigin means that the operation is not for keys of this origin.
	ErrOrigin = errors.New("key: origin is not valid for the operation")
	// ErrNoVersion means that the key has no such version, or that it is the
	// current one, which is not destroyed alone.
	ErrNoVersion = errors.New("key: no such version to destroy")
	// ErrTooManyRotations means that a key was rotated on demand too often.
	ErrTooManyRotations = errors.New("key: too many rotations on demand")
	// ErrNotSymmetric means that the operation is for symmetric keys only.
	ErrNotSymmetric = errors.New("key: not a symmetric key")
	// ErrReservedTag means that a tag with the prefix coffer: is set at the
	// creation of a key or never.
	ErrReservedTag = errors.New("key: tag is set at creation only")
	// ErrNotPrimary means that a key is no multi-region primary key.
	ErrNotPrimary = errors.New("key: not a multi-region primary key")
	// ErrRegionTaken means that a multi-region key is in the region already.
	ErrRegionTaken = errors.New("key: multi-region key is in the region")
	// ErrHasReplicas means that a multi-region primary key can't be destroyed
	// before its replicas.
	ErrHasReplicas = errors.New("key: multi-region key has replicas")
	// ErrNotReplica means that a region has no replica of the key.
	ErrNotReplica = errors.New("key: no replica in the region")
)

// Errors of Encrypt, Decrypt and KeyOf.
var (
	// ErrInvalidCiphertext means that a blob is malformed or altered, or
	// that the encryption context is not the one it was made under: the
	// authentication tag can't tell which.
	ErrInvalidCiphertext = errors.New("key: ciphertext or encryption context is wrong")
	// ErrUnknownMaterial means that a well-formed blob was made by key
	// material that this store does not have: by a destroyed key, or
	// somewhere else.
	ErrUnknownMaterial = errors.New("key: unknown key material")
	// ErrTooLarge means that a plaintext is larger than a blob can hold.
	ErrTooLarge = errors.New("key: plaintext is too large")
)

// Errors about the root of trust.
var (
	// ErrDamagedRoot means that the head or a frontier fails to open.
	ErrDamagedRoot = errors.New("key: root of trust is damaged")
	// ErrWrongRoot means that the rows were written under another root, or
	// under a later epoch of this one: an old copy of it was put back.
	ErrWrongRoot = errors.New("key: root of trust does not belong to the rows")
	// ErrPunctured means that the leaf of a key was destroyed.
	ErrPunctured = errors.New("key: leaf is destroyed")
	// ErrFull means that every leaf of the trees is taken.
	ErrFull = errors.New("key: no leaf left")
	// ErrUnproven means that an epoch that was read back is not what was
	// written. The old epoch stays.
	ErrUnproven = errors.New("key: new epoch does not prove")
)
