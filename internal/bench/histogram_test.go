package bench

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestHistogramQuantiles(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, shape := range []struct {
		name string
		draw func() time.Duration
	}{
		{"nanoseconds", func() time.Duration { return time.Duration(rng.IntN(200)) }},
		{"exponential around 1 ms", func() time.Duration { return time.Duration(rng.ExpFloat64() * 1e6) }},
		{"log-uniform up to an hour", func() time.Duration { return time.Duration(math.Exp(rng.Float64() * math.Log(3.6e12))) }},
	} {
		t.Run(shape.name, func(t *testing.T) {
			var h, a, b histogram
			var all []time.Duration
			for i := range 20_000 {
				d := shape.draw()
				all = append(all, d)
				if i%3 == 0 {
					a.add(d)
				} else {
					b.add(d)
				}
			}
			h.merge(&a)
			h.merge(&b)
			slices.Sort(all)
			for _, q := range []float64{0, 0.01, 0.5, 0.9, 0.99, 0.999, 0.9999} {
				want := float64(all[max(int(math.Ceil(q*float64(len(all)))), 1)-1])
				if got := float64(h.quantile(q)); math.Abs(got-want) > want/128+0.5 {
					t.Errorf("quantile(%v) = %v, want %v", q, got, want)
				}
			}
			if got, want := h.quantile(1), all[len(all)-1]; got != want {
				t.Errorf("quantile(1) = %v, want exactly %v", got, want)
			}
		})
	}
}

func TestHistogramBucketsAreContiguous(t *testing.T) {
	last := -1
	for v := uint64(0); v < 1<<46; v += v/200 + 1 {
		i := bucket(v)
		if i < last || i > last+1 {
			t.Fatalf("bucket(%d) = %d after %d", v, i, last)
		}
		if v < 1<<44 && math.Abs(middle(i)-float64(v)) > float64(v)/128 {
			t.Fatalf("middle(bucket(%d)) = %v", v, middle(i))
		}
		last = i
	}
	if got := bucket(math.MaxUint64); got != len(histogram{}.counts)-1 {
		t.Errorf("bucket(max) = %d, want the last", got)
	}
}

func TestHistogramWithout(t *testing.T) {
	var h histogram
	if h.quantile(0.5) != 0 || h.mean() != 0 {
		t.Errorf("empty histogram: quantile %v, mean %v; want 0", h.quantile(0.5), h.mean())
	}
	h.add(-time.Second) // a clock that steps back must not index before the buckets
	if h.quantile(0.5) != 0 || h.n != 1 {
		t.Errorf("after a negative duration: %v of %d", h.quantile(0.5), h.n)
	}
}
