package meter

import (
	"fmt"
	"strings"
	"time"
)

// A Class is what AWS bills a request as. Its numbers are stored and never change.
type Class uint8

// The billing classes.
const (
	// Request is what costs the same for every operation: with symmetric and HMAC
	// keys, and about keys of any kind. It alone has a free tier.
	Request    Class = 0
	RSA2048    Class = 1 // cryptography with RSA keys of 2,048 bits
	Asymmetric Class = 2 // cryptography with other asymmetric keys
	ECCPair    Class = 3 // data key pairs on elliptic curves
	RSAPair    Class = 4 // RSA data key pairs
	ClassCount Class = 5
)

// String returns the name of the class, as answers and metrics have it.
func (c Class) String() string {
	if c >= ClassCount {
		return fmt.Sprintf("class-%d", uint8(c))
	}
	return [...]string{"request", "rsa-2048", "asymmetric", "ecc-key-pair", "rsa-key-pair"}[c]
}

// Classify returns the billing class of an operation on a key of a spec; pairSpec is
// that of the data key pair which it makes.
func Classify(operation, keySpec, pairSpec string) Class {
	switch operation {
	case "GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext":
		if strings.HasPrefix(pairSpec, "RSA_") {
			return RSAPair
		}
		return ECCPair
	case "Encrypt", "Decrypt", "ReEncrypt", "Sign", "Verify", "GetPublicKey", "DeriveSharedSecret", "Encapsulate", "Decapsulate":
	default:
		return Request
	}
	switch {
	case keySpec == "" || keySpec == "SYMMETRIC_DEFAULT" || strings.HasPrefix(keySpec, "HMAC_"):
		return Request
	case keySpec == "RSA_2048":
		return RSA2048
	}
	return Asymmetric
}

// Micros is money in millionths of a US dollar.
type Micros int64

// Dollar is one US dollar.
const Dollar Micros = 1_000_000

// String returns the amount in dollars, with as many decimals as it has and at least
// two: $6.97, $0.000003.
func (m Micros) String() string {
	sign := ""
	if m < 0 {
		sign, m = "-", -m
	}
	cents := fmt.Sprintf("%06d", m%Dollar)
	for len(cents) > 2 && strings.HasSuffix(cents, "0") {
		cents = cents[:len(cents)-1]
	}
	return fmt.Sprintf("%s$%d.%s", sign, m/Dollar, cents)
}

// Prices are those of AWS, as far as they are the same in its commercial regions.
// Each is a whole number of millionths of a dollar, so that sums are exact.
//
// Source: AWS Key Management Service Pricing, https://aws.amazon.com/kms/pricing/,
// read 2026-11-21.
var Prices = struct {
	Source, Read string
	KeyMonth     Micros             // a key, and each of its first two rotations, for a month
	Rotations    int                // that are charged
	Requests     [ClassCount]Micros // each
	Free         uint64             // requests of the class Request a month and account
}{
	Source: "https://aws.amazon.com/kms/pricing/", Read: "2026-11-21",
	KeyMonth: Dollar, Rotations: 2,
	Requests: [ClassCount]Micros{
		Request:    3,    // $0.03 for 10,000
		RSA2048:    3,    // $0.03
		Asymmetric: 15,   // $0.15
		ECCPair:    10,   // $0.10
		RSAPair:    1200, // $12.00
	},
	Free: 20_000,
}

// A Stored says for how long a key existed, and its versions beside the first.
type Stored struct {
	IsManaged bool // an AWS managed key, which costs nothing to keep
	Created   time.Time
	// Ended is when its deletion was scheduled, if that was not cancelled, or when
	// it was destroyed; zero while it exists. A key that waits for its deletion
	// costs nothing.
	Ended time.Time
	// Rotated is when each version beside the first became the current one, the
	// oldest first.
	Rotated []time.Time
}

// Hours returns for how many hours of a month, up to now, the key existed, and its
// first two rotated versions, all together. A started hour counts.
func (s *Stored) Hours(month Month, now time.Time) (key, versions int64) {
	if s.IsManaged {
		return 0, 0
	}
	key = s.hoursSince(s.Created, month, now)
	for i, t := range s.Rotated {
		if i == Prices.Rotations {
			break
		}
		versions += s.hoursSince(t, month, now)
	}
	return key, versions
}

func (s *Stored) hoursSince(from time.Time, month Month, now time.Time) int64 {
	to := month.End()
	if now.Before(to) {
		to = now
	}
	if !s.Ended.IsZero() && s.Ended.Before(to) {
		to = s.Ended
	}
	if from.Before(month.Start()) {
		from = month.Start()
	}
	if !from.Before(to) {
		return 0
	}
	return int64((to.Sub(from) + time.Hour - 1) / time.Hour)
}

// StorageCost returns what hours of key storage in a month cost: a dollar for as
// many as the month has, to the nearest millionth.
func StorageCost(month Month, hours int64) Micros {
	whole := month.Hours()
	return Micros((int64(Prices.KeyMonth)*hours + whole/2) / whole)
}

// RequestCost returns what requests cost, before the free tier.
func RequestCost(requests [ClassCount]uint64) (cost Micros) {
	for class, n := range requests {
		cost += Prices.Requests[class] * Micros(n)
	}
	return cost
}

// FreeTier returns what the free tier takes off the cost of all requests of an account
// in a month. AWS counts them over all regions, and not those with asymmetric keys or
// for data key pairs.
func FreeTier(requests [ClassCount]uint64) Micros {
	return Prices.Requests[Request] * Micros(min(requests[Request], Prices.Free))
}
