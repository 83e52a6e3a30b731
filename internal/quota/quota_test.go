package quota

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestDefinitions(t *testing.T) {
	if len(definitions) != count || len(byName) != count {
		t.Fatalf("%d definitions with %d names; want %d", len(definitions), len(byName), count)
	}
	if definitions[firstOperation].name != "CancelKeyDeletion" {
		t.Errorf("first operation is %s", definitions[firstOperation].name)
	}
	for _, d := range definitions {
		if d.rate <= 0 {
			t.Errorf("%s has the rate %g", d.name, d.rate)
		}
	}
}

func TestClassOfRequest(t *testing.T) {
	tests := []struct{ operation, spec, pair, want string }{
		{"Encrypt", "SYMMETRIC_DEFAULT", "", "symmetric"},
		{"GenerateDataKey", "SYMMETRIC_DEFAULT", "", "symmetric"},
		{"GenerateMac", "HMAC_256", "", "symmetric"},
		{"GenerateRandom", "", "", "symmetric"},
		{"Decrypt", "RSA_2048", "", "RSA"},
		{"Sign", "RSA_4096", "", "RSA"},
		{"Sign", "ECC_NIST_P256", "", "ECC"},
		{"Verify", "SM2", "", "ECC"},
		{"DeriveSharedSecret", "ECC_NIST_P521", "", "ECC"},
		{"Sign", "ML_DSA_65", "", "ML-DSA"},
		{"GenerateDataKeyPair", "SYMMETRIC_DEFAULT", "RSA_3072", "GenerateDataKeyPair/RSA_3072"},
		{"GenerateDataKeyPairWithoutPlaintext", "SYMMETRIC_DEFAULT", "ECC_NIST_P256", "GenerateDataKeyPair/ECC_NIST_P256"},
		{"GenerateDataKeyPair", "SYMMETRIC_DEFAULT", "", "none"},
		{"CreateKey", "", "", "CreateKey"},
		{"DescribeKey", "RSA_2048", "", "DescribeKey"},
		{"Encapsulate", "ML_KEM_768", "", "none"},
		{"symmetric", "", "", "none"},
		{"RSA", "", "", "none"},
		{"NoSuchOperation", "", "", "none"},
	}
	for _, tt := range tests {
		c, ok := OfOperation(tt.operation)
		if !ok {
			c, ok = OfKey(tt.operation, tt.spec, tt.pair)
		}
		got := "none"
		if ok {
			got = c.String()
		}
		if got != tt.want {
			t.Errorf("class of %s %s%s = %s; want %s", tt.operation, tt.spec, tt.pair, got, tt.want)
		}
	}
}

func TestParse(t *testing.T) {
	tests := []struct {
		settings, class, region string
		want                    float64
		err                     string
	}{
		{settings: "off", class: "symmetric", region: "us-east-1"},
		{settings: "", class: "symmetric", region: "us-east-1"},
		{settings: "aws", class: "symmetric", region: "us-east-1", want: 100_000},
		{settings: "aws", class: "symmetric", region: "eu-central-1", want: 20_000},
		{settings: "aws", class: "symmetric", region: "eu-north-1", want: 10_000},
		{settings: "aws", class: "symmetric", region: "moon-1", want: 10_000},
		{settings: "aws", class: "GenerateDataKeyPair/RSA_4096", region: "cn-north-1", want: 0.1},
		{settings: "aws, CreateKey=100", class: "CreateKey", region: "us-east-1", want: 100},
		{settings: "aws,CreateKey=100", class: "DescribeKey", region: "us-east-1", want: 2000},
		{settings: "CreateKey=0.5", class: "CreateKey", region: "us-east-1", want: 0.5},
		{settings: "CreateKey=0.5", class: "DescribeKey", region: "us-east-1"},
		{settings: "aws,symmetric=off", class: "symmetric", region: "us-east-1"},
		{settings: "aws,off", err: "off stands alone"},
		{settings: "on", err: `"on" is neither off, aws nor NAME=RATE`},
		{settings: "createkey=5", err: `"createkey" names no request quota; the names are CancelKeyDeletion`},
		{settings: "CreateKey=0", err: "CreateKey=0: a rate is a number of requests a second from 0.001 to 10000000, or off"},
		{settings: "CreateKey=-1", err: "a rate is"},
		{settings: "CreateKey=NaN", err: "a rate is"},
		{settings: "CreateKey=Inf", err: "a rate is"},
		{settings: "CreateKey=", err: "a rate is"},
		{settings: "CreateKey=5,CreateKey=6", err: "CreateKey is set twice"},
	}
	for _, tt := range tests {
		c, err := Parse(strings.Split(tt.settings, ","))
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("Parse(%s) = %v; want %s", tt.settings, err, tt.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("Parse(%s) = %v", tt.settings, err)
			continue
		}
		if got := c.Rate(byName[tt.class], tt.region); got != tt.want {
			t.Errorf("%s: %s in %s = %g a second; want %g", tt.settings, tt.class, tt.region, got, tt.want)
		}
	}
	if c, _ := Parse(nil); New(c, nil) != nil {
		t.Error("a limiter without limits")
	}
}

func newLimiter(t testing.TB, now *atomic.Int64, settings ...string) *Limiter {
	t.Helper()
	c, err := Parse(settings)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	return New(c, func() time.Time { return begin.Add(time.Duration(now.Load())) })
}

// taken returns how many of n requests get through.
func taken(l *Limiter, account, region string, class Class, n int) (through int) {
	for range n {
		if l.Take(account, region, class, 1) {
			through++
		}
	}
	return through
}

func TestTake(t *testing.T) {
	var now atomic.Int64
	l := newLimiter(t, &now, "aws")
	createKey, _ := OfOperation("CreateKey")
	createAlias, _ := OfOperation("CreateAlias")
	steps := []struct {
		advance time.Duration
		account string
		region  string
		class   Class
		want    int // of 20
	}{
		{0, "a", "us-east-1", createKey, 5},
		{0, "a", "us-east-1", createKey, 0},
		{0, "a", "us-east-1", createAlias, 5}, // each quota is on its own
		{0, "a", "us-east-2", createKey, 5},   // and each region
		{0, "b", "us-east-1", createKey, 5},   // and each account
		{200 * time.Millisecond, "a", "us-east-1", createKey, 1},
		{time.Hour, "a", "us-east-1", createKey, 5},
		{0, "a", "cn-north-1", PairRSA4096, 1},
		{9 * time.Second, "a", "cn-north-1", PairRSA4096, 0},
		{time.Second, "a", "cn-north-1", PairRSA4096, 1},
	}
	for i, s := range steps {
		now.Add(int64(s.advance))
		if got := taken(l, s.account, s.region, s.class, 20); got != s.want {
			t.Errorf("step %d: %d requests got through; want %d", i, got, s.want)
		}
	}
	if got := l.Throttled(createKey); got != 15+20+15+15+19+15 {
		t.Errorf("Throttled = %d", got)
	}
	if !(*Limiter)(nil).Take("a", "b", createKey, 1) || !(*Limiter)(nil).TakeStore("s", "b", 1) {
		t.Error("a nil limiter limits")
	}
}

func TestTakeStore(t *testing.T) {
	var now atomic.Int64
	l := newLimiter(t, &now, "aws")
	n := 0
	for l.TakeStore("cks-1", "us-east-1", Tokens("GenerateDataKey")) {
		n++
	}
	if n != 600 {
		t.Errorf("%d data keys in a second; want 600", n)
	}
	if !l.TakeStore("cks-2", "us-east-1", 1) {
		t.Error("stores share a quota")
	}
	if !l.Take("123456789012", "us-east-1", Symmetric, 1) {
		t.Error("a store's quota is that of the account")
	}
}

// A class that holds one token lets a request of three through when it is full,
// and not for ever none.
func TestMoreTokensThanABucket(t *testing.T) {
	var now atomic.Int64
	l := newLimiter(t, &now, "custom-key-store=1")
	if !l.TakeStore("s", "r", 3) || l.TakeStore("s", "r", 3) {
		t.Error("want one request of three tokens")
	}
	now.Add(int64(3 * time.Second))
	if !l.TakeStore("s", "r", 3) {
		t.Error("no request after three seconds")
	}
}

// However many regions a client names, memory is bounded, there are limits, and
// other accounts don't feel it.
func TestManyRegions(t *testing.T) {
	var now atomic.Int64
	l := newLimiter(t, &now, "symmetric=1")
	through := 0
	for i := range 10_000 {
		if l.Take("a", fmt.Sprint("r-", i), Symmetric, 1) {
			through++
		}
	}
	if through != maxRegions+1 {
		t.Errorf("%d requests got through; want %d", through, maxRegions+1)
	}
	if n := len(*(*l.accounts.p.Load())["a"].regions.p.Load()); n != maxRegions {
		t.Errorf("%d regions are kept; want %d", n, maxRegions)
	}
	if !l.Take("b", "r-9999", Symmetric, 1) || l.Take("a", "r-9998", Symmetric, 1) {
		t.Error("an account takes from another")
	}
}

func TestConcurrentTake(t *testing.T) {
	var now atomic.Int64
	l := newLimiter(t, &now, "symmetric=1000")
	var through atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { through.Add(int64(taken(l, "a", "r", Symmetric, 500))) })
	}
	wg.Wait()
	if got := through.Load(); got != 1000 {
		t.Errorf("%d requests got through; want 1000", got)
	}
}

func BenchmarkTake(b *testing.B) {
	c, _ := Parse([]string{"aws"})
	l := New(c, nil)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			l.Take("123456789012", "us-east-1", Symmetric, 1)
		}
	})
}
