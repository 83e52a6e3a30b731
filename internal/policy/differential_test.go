package policy_test

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"coffer/internal/policy"
)

var cases = flag.Int("cases", defaultCases, "random cases that TestDifferential compares")

// caseBytes are the choices of one random case.
const caseBytes = 512

// compare returns how the evaluator and the naive one differ about a case, or nil.
func compare(data []byte) (naiveAnswer, error) {
	want := draft(data)
	answer := naiveWhy(want)
	in, err := typed(want, data)
	if err != nil {
		return answer, err
	}
	got := policy.Evaluate(in)
	switch {
	case got.Allowed != answer.allowed:
		return answer, fmt.Errorf("Evaluate = %+v; the rules say %s:\n%s", got, answer.why, described(want, data))
	case strings.HasPrefix(answer.why, "denied: explicitly") != got.Explicit:
		return answer, fmt.Errorf("Explicit = %t; the rules say %s:\n%s", got.Explicit, answer.why, described(want, data))
	}
	if p := want.ResourcePolicy; p != nil && p.Policy.Kind == policy.KindBucket {
		if isPublic := in.ResourcePolicy.Policy.IsPublic(); isPublic != naiveIsPublic(p.Policy) {
			return answer, fmt.Errorf("IsPublic = %t; the rules say %t:\n%s", isPublic, !isPublic, described(want, data))
		}
	}
	return answer, nil
}

// randomCase returns the bytes of the n-th random case.
func randomCase(n int) []byte {
	r := rand.New(rand.NewPCG(uint64(n), 20261121))
	b := make([]byte, caseBytes)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// The evaluator answers random inputs as the rules do.
func TestDifferential(t *testing.T) {
	var (
		mu     sync.Mutex
		why    = map[string]int{}
		next   atomic.Int64
		failed atomic.Int64
		wait   sync.WaitGroup
	)
	start := time.Now()
	for range runtime.GOMAXPROCS(0) {
		wait.Go(func() {
			counts := map[string]int{}
			for {
				n := int(next.Add(1)) - 1
				if n >= *cases || failed.Load() > 5 {
					break
				}
				answer, err := compare(randomCase(n))
				if err != nil {
					failed.Add(1)
					t.Errorf("case %d: %v", n, err)
				}
				counts[answer.why]++
			}
			mu.Lock()
			defer mu.Unlock()
			for k, v := range counts {
				why[k] += v
			}
		})
	}
	wait.Wait()
	took := time.Since(start)
	t.Logf("%d cases in %.1f s, %.0f a second", *cases, took.Seconds(), float64(*cases)/took.Seconds())
	total := 0
	for _, k := range slices.Sorted(maps.Keys(why)) {
		t.Logf("%6.2f %% %s", 100*float64(why[k])/float64(*cases), k)
		if strings.HasPrefix(k, "allowed") {
			total += why[k]
		}
	}
	if t.Failed() {
		return
	}
	// A generator that makes trivial cases compares nothing.
	if share := 100 * total / *cases; share < 25 || share > 75 {
		t.Errorf("%d %% of the cases are allowed; want 25 to 75", share)
	}
	for k, least := range leastShares {
		if share := 100 * float64(why[k]) / float64(*cases); share < least {
			t.Errorf("%.2f %% of the cases are %s; want %.2f or more", share, k, least)
		}
	}
}

// leastShares are the percentages of random cases that each rule decides at least.
var leastShares = map[string]float64{
	"allowed: IAM":                                                 5,
	"allowed: a grant":                                             0.3,
	"allowed: a grant to a service":                                0.01,
	"allowed: a grant to the account, and IAM":                     0.3,
	"allowed: a grant, within boundary and session":                0.1,
	"allowed: a public ACL":                                        0.3,
	"allowed: an ACL and the caller's account":                     0.1,
	"allowed: an ACL, no account behind the caller":                0.1,
	"allowed: both accounts":                                       3,
	"allowed: the resource policy delegates, and IAM":              0.7,
	"allowed: the resource policy, directly":                       6,
	"allowed: the resource policy, no account behind the caller":   1.5,
	"allowed: the resource policy, within boundary and session":    1,
	"denied: Block Public Access":                                  0.3,
	"denied: explicitly by a session policy":                       0.6,
	"denied: explicitly by an RCP":                                 3,
	"denied: explicitly by an SCP":                                 1,
	"denied: explicitly by an endpoint policy":                     0.4,
	"denied: explicitly by an identity policy":                     1.5,
	"denied: explicitly by the boundary":                           0.5,
	"denied: explicitly by the resource policy":                    1,
	"denied: no SCP of a level allows":                             1,
	"denied: no endpoint policy allows":                            0.8,
	"denied: no identity policy allows":                            3,
	"denied: no key or trust policy":                               2,
	"denied: nothing allows, no account behind the caller":         3,
	"denied: root towards a role":                                  0.5,
	"denied: the boundary does not allow":                          0.3,
	"denied: the caller's account does not allow, across accounts": 3,
	"denied: the key or trust policy does not allow":               3,
	"denied: the resource's account does not allow":                2,
	"denied: the session does not allow":                           0.8,
}

// Cases on which the evaluators have differed, each in its smallest form. Add,
// never change.
func TestFound(t *testing.T) {
	guest := policy.Principal{Type: policy.Federated, Account: accountA, ARN: "arn:aws:sts::" + accountA + ":federated-user/guest",
		User: "arn:aws:iam::" + accountA + ":user/staff/alice"}
	web := policy.Principal{Type: policy.WebIdentity, Provider: "arn:aws:iam::" + accountA + ":oidc-provider/id.example.com"}
	bob := policy.Principal{Type: policy.User, Account: accountB, ARN: "arn:aws:iam::" + accountB + ":user/bob"}
	parse := func(kind policy.Kind, s string) *policy.Named {
		p, err := policy.Parse(s, kind)
		if err != nil {
			t.Fatalf("Parse(%s) = %v", s, err)
		}
		return &policy.Named{Name: "p", Policy: p}
	}
	tests := []struct {
		name string
		in   policy.Input
		want bool
	}{
		// STS API Reference, GetFederationToken: a session without session policies
		// has no permissions but where a resource-based policy names the session.
		{"a federated user without a session policy, behind a policy for the user", policy.Input{
			Principal: guest, Action: "s3:GetObject", Resource: "arn:aws:s3:::tour/a", Account: accountA,
			ResourcePolicy: parse(policy.KindBucket, `{"Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/staff/alice"},
				"Action":"s3:GetObject","Resource":"arn:aws:s3:::tour/*"}}`),
		}, false},
		{"a federated user without a session policy, behind a policy for the session", policy.Input{
			Principal: guest, Action: "s3:GetObject", Resource: "arn:aws:s3:::tour/a", Account: accountA,
			ResourcePolicy: parse(policy.KindBucket, `{"Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:sts::111122223333:federated-user/guest"},
				"Action":"s3:GetObject","Resource":"arn:aws:s3:::tour/*"}}`),
		}, true},
		// AWS PrivateLink Guide, "Control access to VPC endpoints using endpoint
		// policies": the default policy, for everyone, shuts nobody out.
		{"a web identity through an endpoint for everyone", policy.Input{
			Principal: web, Action: "sts:AssumeRoleWithWebIdentity", Resource: roleARN, Account: accountA,
			Endpoint: []policy.Named{*parse(policy.KindEndpoint, `{"Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}}`)},
			ResourcePolicy: parse(policy.KindTrust, `{"Statement":{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/id.example.com"},
				"Action":"sts:AssumeRoleWithWebIdentity"}}`),
		}, true},
		// Amazon EC2 Auto Scaling User Guide, "Required AWS KMS key policy for use
		// with encrypted volumes": a service-linked role, whose own policy has
		// nothing of KMS, uses the key of another account by a grant alone.
		{"a grant across accounts", policy.Input{
			Principal: bob, Action: "kms:Decrypt", Resource: keyARN, Account: accountA,
			Grants:         []policy.Grant{{ID: "g", GranteePrincipal: bob.ARN, Operations: []string{"Decrypt"}}},
			ResourcePolicy: parse(policy.KindKey, `{"Statement":{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"kms:*","Resource":"*"}}`),
		}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := policy.Evaluate(&tt.in); got.Allowed != tt.want {
				t.Errorf("Evaluate = %+v; want %t", got, tt.want)
			}
			if naiveDecide(&tt.in) != tt.want {
				t.Errorf("naiveDecide = %t; want %t", !tt.want, tt.want)
			}
		})
	}
}

func FuzzDifferential(f *testing.F) {
	for n := range 64 {
		f.Add(randomCase(n))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 4*caseBytes {
			return
		}
		if _, err := compare(data); err != nil {
			t.Error(err)
		}
	})
}
