package meter

import (
	"testing"
	"time"
)

func day(month time.Month, day, hour int) time.Time {
	return time.Date(2026, month, day, hour, 0, 0, 0, time.UTC)
}

// TestExamples prices the examples and the sentences of AWS's pricing page.
//
// Source: AWS Key Management Service Pricing, "Key storage", "Free tier" and the
// pricing example "Amazon S3" (10,000 objects that are encrypted once and decrypted
// 2,000,000 times a month under one key: $1.00 + $5.97 = $6.97), read 2026-11-22.
func TestExamples(t *testing.T) {
	november, _ := ParseMonth("2026-11")
	afterwards := day(12, 5, 0)
	tests := []struct {
		name     string
		keys     []Stored
		requests [ClassCount]uint64
		want     string
	}{
		{"objects of S3", []Stored{{Created: day(1, 1, 0)}}, [ClassCount]uint64{Request: 10_000 + 2_000_000}, "$6.97"},
		{"within the free tier", nil, [ClassCount]uint64{Request: 20_000}, "$0.00"},
		{"one above it", nil, [ClassCount]uint64{Request: 20_001}, "$0.000003"},
		{"a key for half a month", []Stored{{Created: day(11, 16, 0)}}, [ClassCount]uint64{}, "$0.50"},
		{"a key for an hour", []Stored{{Created: day(11, 30, 23)}}, [ClassCount]uint64{}, "$0.001389"},
		{"rotated once", []Stored{{Created: day(1, 1, 0), Rotated: []time.Time{day(2, 1, 0)}}}, [ClassCount]uint64{}, "$2.00"},
		{"rotated twice", []Stored{{Created: day(1, 1, 0), Rotated: []time.Time{day(2, 1, 0), day(3, 1, 0)}}}, [ClassCount]uint64{}, "$3.00"},
		{"rotated three times", []Stored{{Created: day(1, 1, 0), Rotated: []time.Time{day(2, 1, 0), day(3, 1, 0), day(4, 1, 0)}}}, [ClassCount]uint64{}, "$3.00"},
		{"rotated in the middle", []Stored{{Created: day(1, 1, 0), Rotated: []time.Time{day(11, 16, 0)}}}, [ClassCount]uint64{}, "$1.50"},
		{"managed by AWS", []Stored{{Created: day(1, 1, 0), IsManaged: true}}, [ClassCount]uint64{}, "$0.00"},
		{"pending deletion all month", []Stored{{Created: day(1, 1, 0), Ended: day(10, 31, 23)}}, [ClassCount]uint64{}, "$0.00"},
		{"pending deletion since the middle", []Stored{{Created: day(1, 1, 0), Ended: day(11, 16, 0)}}, [ClassCount]uint64{}, "$0.50"},
		{"of a later month", []Stored{{Created: day(12, 1, 0)}}, [ClassCount]uint64{}, "$0.00"},
		{"10,000 RSA-2048 requests", nil, [ClassCount]uint64{RSA2048: 10_000}, "$0.03"},
		{"10,000 other asymmetric requests", nil, [ClassCount]uint64{Asymmetric: 10_000}, "$0.15"},
		{"10,000 ECC pairs", nil, [ClassCount]uint64{ECCPair: 10_000}, "$0.10"},
		{"10,000 RSA pairs", nil, [ClassCount]uint64{RSAPair: 10_000}, "$12.00"},
		{"a key for each of a thousand customers", repeat(Stored{Created: day(1, 1, 0)}, 1000), [ClassCount]uint64{}, "$1000.00"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cost := RequestCost(tt.requests) - FreeTier(tt.requests)
			for _, k := range tt.keys {
				key, versions := k.Hours(november, afterwards)
				cost += StorageCost(november, key+versions)
			}
			if cost.String() != tt.want {
				t.Errorf("cost %s; want %s", cost, tt.want)
			}
		})
	}
}

func repeat(s Stored, n int) (list []Stored) {
	for range n {
		list = append(list, s)
	}
	return list
}

// A month that is not over costs what it did so far.
func TestHoursSoFar(t *testing.T) {
	november, _ := ParseMonth("2026-11")
	k := Stored{Created: day(11, 1, 0)}
	for _, tt := range []struct {
		now  time.Time
		want int64
	}{
		{day(11, 1, 0), 0}, {day(11, 1, 0).Add(time.Second), 1}, {day(11, 1, 1), 1}, {day(11, 2, 0), 24}, {day(12, 1, 0), 720}, {day(12, 9, 0), 720}, {day(10, 1, 0), 0},
	} {
		if got, _ := k.Hours(november, tt.now); got != tt.want {
			t.Errorf("at %s %d hours; want %d", tt.now, got, tt.want)
		}
	}
}

func TestClassify(t *testing.T) {
	for _, tt := range []struct {
		operation, spec, pair string
		want                  Class
	}{
		{"Encrypt", "SYMMETRIC_DEFAULT", "", Request},
		{"GenerateDataKey", "SYMMETRIC_DEFAULT", "", Request},
		{"GenerateMac", "HMAC_512", "", Request},
		{"GenerateRandom", "", "", Request},
		{"ListKeys", "", "", Request},
		{"DescribeKey", "RSA_4096", "", Request},
		{"Sign", "RSA_2048", "", RSA2048},
		{"Sign", "RSA_3072", "", Asymmetric},
		{"GetPublicKey", "ECC_NIST_P256", "", Asymmetric},
		{"Verify", "ML_DSA_44", "", Asymmetric},
		{"GenerateDataKeyPair", "SYMMETRIC_DEFAULT", "RSA_2048", RSAPair},
		{"GenerateDataKeyPairWithoutPlaintext", "SYMMETRIC_DEFAULT", "ECC_NIST_P521", ECCPair},
	} {
		if got := Classify(tt.operation, tt.spec, tt.pair); got != tt.want {
			t.Errorf("Classify(%s, %s, %s) = %s; want %s", tt.operation, tt.spec, tt.pair, got, tt.want)
		}
	}
}

func TestMicros(t *testing.T) {
	for m, want := range map[Micros]string{0: "$0.00", 3: "$0.000003", 30_000: "$0.03", 6_970_000: "$6.97", 1_389: "$0.001389", -5_970_000: "-$5.97", 1_000_000 * Dollar: "$1000000.00"} {
		if got := m.String(); got != want {
			t.Errorf("Micros(%d) = %s; want %s", int64(m), got, want)
		}
	}
}
