// Package quota bounds how often an account calls the key service in a region, as
// the request quotas of AWS KMS do.
//
// Requests fall into classes. Most operations are a class of their own;
// cryptographic operations share one for each type of key, and each custom key
// store has one beside. A class is a token bucket that holds what one second
// brings, and at least one token.
//
// Source: AWS KMS Developer Guide, "Request quotas" and "Throttling AWS KMS
// requests", read 2026-11-22.
package quota

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A Class is a kind of requests that share a quota.
type Class uint8

// The classes that are not one operation.
const (
	Symmetric Class = iota // symmetric encryption keys, HMAC keys, random bytes
	RSA
	ECC // and SM2
	MLDSA
	CustomKeyStore // of one store
	PairECC256
	PairECC384
	PairECC521
	PairECC256K1
	PairEdwards25519
	PairRSA2048
	PairRSA3072
	PairRSA4096
	PairSM2
	firstOperation // index of the first class that is one operation
)

// A definition is a class with what AWS allows of it in each second.
type definition struct {
	name string
	rate float64
	// regions have another rate.
	regions map[string]float64
}

var china = func(rate float64) map[string]float64 {
	return map[string]float64{"cn-north-1": rate, "cn-northwest-1": rate}
}

// definitions are indexed by Class.
//
// Source: AWS KMS Developer Guide, "Request quotas for each AWS KMS API operation",
// read 2026-11-22.
var definitions = []definition{
	{"symmetric", 10_000, map[string]float64{
		"us-east-2": 20_000, "ap-southeast-1": 20_000, "ap-southeast-2": 20_000, "ap-northeast-1": 20_000, "eu-central-1": 20_000, "eu-west-2": 20_000,
		"us-east-1": 100_000, "us-west-2": 100_000, "eu-west-1": 100_000,
	}},
	{"RSA", 1000, nil},
	{"ECC", 1000, nil},
	{"ML-DSA", 1000, nil},
	{"custom-key-store", 1800, nil},
	{"GenerateDataKeyPair/ECC_NIST_P256", 100, nil},
	{"GenerateDataKeyPair/ECC_NIST_P384", 100, nil},
	{"GenerateDataKeyPair/ECC_NIST_P521", 100, nil},
	{"GenerateDataKeyPair/ECC_SECG_P256K1", 100, nil},
	{"GenerateDataKeyPair/ECC_NIST_EDWARDS25519", 100, nil},
	{"GenerateDataKeyPair/RSA_2048", 20, china(1)},
	{"GenerateDataKeyPair/RSA_3072", 4, china(0.5)},
	{"GenerateDataKeyPair/RSA_4096", 1, china(0.1)},
	{"GenerateDataKeyPair/SM2", 25, nil},
	{"CancelKeyDeletion", 5, nil},
	{"ConnectCustomKeyStore", 5, nil},
	{"CreateAlias", 5, nil},
	{"CreateCustomKeyStore", 5, nil},
	{"CreateGrant", 50, nil},
	{"CreateKey", 5, nil},
	{"DeleteAlias", 15, nil},
	{"DeleteCustomKeyStore", 5, nil},
	{"DeleteImportedKeyMaterial", 15, nil},
	{"DescribeCustomKeyStores", 5, nil},
	{"DescribeKey", 2000, nil},
	{"DisableKey", 5, nil},
	{"DisableKeyRotation", 5, nil},
	{"DisconnectCustomKeyStore", 5, nil},
	{"EnableKey", 5, nil},
	{"EnableKeyRotation", 15, nil},
	{"GetKeyLastUsage", 5, nil},
	{"GetKeyPolicy", 1000, nil},
	{"GetKeyRotationStatus", 1000, nil},
	{"GetParametersForImport", 1, nil},
	{"GetPublicKey", 2000, nil},
	{"ImportKeyMaterial", 15, nil},
	{"ListAliases", 500, nil},
	{"ListGrants", 100, nil},
	{"ListKeyPolicies", 100, nil},
	{"ListKeyRotations", 100, nil},
	{"ListKeys", 500, nil},
	{"ListResourceTags", 2000, nil},
	{"ListRetirableGrants", 100, nil},
	{"PutKeyPolicy", 15, nil},
	{"ReplicateKey", 5, nil},
	{"RetireGrant", 50, nil},
	{"RevokeGrant", 50, nil},
	{"RotateKeyOnDemand", 5, nil},
	{"ScheduleKeyDeletion", 15, nil},
	{"TagResource", 10, nil},
	{"UntagResource", 5, nil},
	{"UpdateAlias", 5, nil},
	{"UpdateCustomKeyStore", 5, nil},
	{"UpdateKeyDescription", 5, nil},
	{"UpdatePrimaryRegion", 5, nil},
}

// count is the number of classes.
const count = 55

// byName has every class under its name.
var byName = func() map[string]Class {
	m := make(map[string]Class, len(definitions))
	for i, d := range definitions {
		m[d.name] = Class(i)
	}
	return m
}()

// String returns the name of the class, as settings have it.
func (c Class) String() string { return definitions[c].name }

// Classes returns every class.
func Classes() []Class {
	list := make([]Class, count)
	for i := range list {
		list[i] = Class(i)
	}
	return list
}

// OfOperation returns the class of an operation that is the same for every key. ok
// is false for the others, and for what AWS sets no quota for.
func OfOperation(operation string) (c Class, ok bool) {
	if operation == "GenerateRandom" {
		return Symmetric, true
	}
	c, ok = byName[operation]
	return c, ok && c >= firstOperation
}

// OfKey returns the class of a cryptographic operation on a key of a spec, or of
// the making of a data key pair of pairSpec. ok is false for what AWS sets no quota
// for: key agreement and encapsulation of ML-KEM keys, and operations that
// [OfOperation] knows.
func OfKey(operation, keySpec, pairSpec string) (c Class, ok bool) {
	switch operation {
	case "GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext":
		c, ok = byName["GenerateDataKeyPair/"+pairSpec]
		return c, ok
	case "Decrypt", "DeriveSharedSecret", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "GenerateMac", "ReEncrypt",
		"Sign", "Verify", "VerifyMac":
	default:
		return 0, false
	}
	switch {
	case keySpec == "SYMMETRIC_DEFAULT" || strings.HasPrefix(keySpec, "HMAC_"):
		return Symmetric, true
	case strings.HasPrefix(keySpec, "RSA_"):
		return RSA, true
	case strings.HasPrefix(keySpec, "ECC_") || keySpec == "SM2":
		return ECC, true
	case strings.HasPrefix(keySpec, "ML_DSA_"):
		return MLDSA, true
	}
	return 0, false
}

// Tokens returns how many requests of the quota of a custom key store an operation
// is. What makes random bytes in the store takes about three times as much of it.
//
// Source: AWS KMS Developer Guide, "Custom key store request quotas", read
// 2026-11-22.
func Tokens(operation string) int {
	switch operation {
	case "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "GenerateRandom":
		return 3
	}
	return 1
}

// Rates a setting may have, in requests a second.
const (
	minRate = 0.001
	maxRate = 10_000_000
)

// A Config says how often each class may be called. The zero Config limits
// nothing.
type Config struct {
	aws       bool                // classes without an override have AWS's quotas
	overrides map[Class]*override // settings of single classes
}

// An override is the setting of a class: a rate, or no limit.
type override struct {
	rate float64 // 0 for no limit
}

// IsOff reports whether nothing is limited.
func (c *Config) IsOff() bool { return c == nil || !c.aws && len(c.overrides) == 0 }

var errNoRate = fmt.Errorf("a rate is a number of requests a second from %g to %d, or off", minRate, int64(maxRate))

// Parse reads settings: "off" or nothing, "aws", and NAME=RATE for single classes,
// where RATE is in requests a second or "off".
func Parse(settings []string) (*Config, error) {
	c := &Config{overrides: make(map[Class]*override)}
	for _, s := range settings {
		s = strings.TrimSpace(s)
		name, value, isClass := strings.Cut(s, "=")
		switch {
		case s == "aws":
			c.aws = true
			continue
		case s == "off" && len(settings) == 1, s == "" && len(settings) == 1:
			return &Config{}, nil
		case s == "off":
			return nil, errors.New("off stands alone")
		case !isClass:
			return nil, fmt.Errorf("%q is neither off, aws nor NAME=RATE", s)
		}
		class, ok := byName[strings.TrimSpace(name)]
		if !ok {
			return nil, fmt.Errorf("%q names no request quota; the names are %s", name, strings.Join(names(), ", "))
		}
		if c.overrides[class] != nil {
			return nil, fmt.Errorf("%s is set twice", class)
		}
		o := new(override)
		if value = strings.TrimSpace(value); value != "off" {
			var err error
			o.rate, err = strconv.ParseFloat(value, 64)
			if err != nil || math.IsNaN(o.rate) || o.rate < minRate || o.rate > maxRate {
				return nil, fmt.Errorf("%s=%s: %w", class, value, errNoRate)
			}
		}
		c.overrides[class] = o
	}
	return c, nil
}

// names returns the names of the classes in order.
func names() []string {
	list := make([]string, len(definitions))
	for i, d := range definitions {
		list[i] = d.name
	}
	slices.Sort(list)
	return list
}

// Rate returns how many requests of a class a second an account may make in a
// region, or 0 for as many as it likes.
func (c *Config) Rate(class Class, region string) float64 {
	if c == nil {
		return 0
	}
	if o := c.overrides[class]; o != nil {
		return o.rate
	}
	if !c.aws {
		return 0
	}
	d := &definitions[class]
	if r, ok := d.regions[region]; ok {
		return r
	}
	return d.rate
}
