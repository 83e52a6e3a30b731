package bench

import (
	"math"
	"math/bits"
	"time"
)

const (
	// subBuckets is the number of buckets for each power of two, which bounds
	// their width to 1/64 of what they hold.
	subBuckets = 64
	// maxShift is the largest power of two that has buckets of its own: 2^44 ns
	// are four hours. What is above goes into the last bucket.
	maxShift = 37
)

// A histogram counts durations. Up to 127 ns a bucket holds one value; above, a
// bucket is narrower than 1/64 of its values. The zero value is empty.
type histogram struct {
	counts [(maxShift + 2) * subBuckets]uint64
	n      uint64
	sum    time.Duration
	max    time.Duration
}

// bucket returns the index of the bucket of v, which is not negative.
func bucket(v uint64) int {
	shift := max(bits.Len64(v)-7, 0)
	if shift > maxShift {
		return (maxShift+2)*subBuckets - 1
	}
	return shift*subBuckets + int(v>>shift)
}

// middle returns the value in the middle of a bucket.
func middle(i int) float64 {
	if i < 2*subBuckets {
		return float64(i)
	}
	shift := i/subBuckets - 1
	low := uint64(i-shift*subBuckets) << shift
	return float64(low) + float64(uint64(1)<<shift-1)/2
}

// add counts one duration.
func (h *histogram) add(d time.Duration) {
	d = max(d, 0)
	h.counts[bucket(uint64(d))]++
	h.n++
	h.sum += d
	h.max = max(h.max, d)
}

// merge adds the counts of o.
func (h *histogram) merge(o *histogram) {
	for i, c := range o.counts {
		h.counts[i] += c
	}
	h.n += o.n
	h.sum += o.sum
	h.max = max(h.max, o.max)
}

// quantile returns the smallest duration that at least the fraction q of all
// durations does not exceed, to within half a bucket, and 0 without any.
func (h *histogram) quantile(q float64) time.Duration {
	if h.n == 0 {
		return 0
	}
	rank := uint64(math.Ceil(q * float64(h.n)))
	rank = min(max(rank, 1), h.n)
	if rank == h.n {
		return h.max
	}
	var seen uint64
	for i, c := range h.counts {
		if seen += c; seen >= rank {
			return min(time.Duration(math.Round(middle(i))), h.max)
		}
	}
	return h.max
}

// mean returns the exact mean, and 0 without any duration.
func (h *histogram) mean() time.Duration {
	if h.n == 0 {
		return 0
	}
	return h.sum / time.Duration(h.n)
}
