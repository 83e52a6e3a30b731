package policy

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkEvaluate decides one request on six kinds of policies with so many
// statements each, of which the last one allows: with 5, they are 30 in all.
func BenchmarkEvaluate(b *testing.B) {
	for _, n := range []int{3, 5, 30} {
		b.Run(fmt.Sprintf("statements=%d", n), func(b *testing.B) {
			in := benchInput(b, n)
			if d := Evaluate(in); !d.Allowed {
				b.Fatalf("Evaluate = %+v; want it allowed", d)
			}
			b.ReportAllocs()
			b.ResetTimer()
			for b.Loop() {
				if d := Evaluate(in); !d.Allowed {
					b.Fatal("denied")
				}
			}
		})
	}
}

func benchInput(tb testing.TB, statements int) *Input {
	tb.Helper()
	named := func(kind Kind) Named {
		var list []string
		principal := ""
		if kind.hasPrincipal() {
			principal = `"Principal":{"AWS":"arn:aws:iam::111122223333:role/app"},`
		}
		if kind == KindRCP {
			principal = `"Principal":"*",`
		}
		for i := range statements - 1 {
			list = append(list, fmt.Sprintf(`{"Effect":"Deny",%s"Action":["s3:Get*","s3:DeleteObject","s3:Put*Acl"],"Resource":"arn:aws:s3:::bucket-%d/private/*",`+
				`"Condition":{"StringNotEquals":{"aws:PrincipalTag/team":"t%d"}}}`, principal, i, i))
		}
		effect := "Allow"
		if kind == KindRCP {
			effect = "Deny"
		}
		list = append(list, fmt.Sprintf(`{"Effect":%q,%s"Action":"s3:GetObject","Resource":"arn:aws:s3:::tour/${aws:PrincipalTag/team}/*",`+
			`"Condition":{"Bool":{"aws:SecureTransport":"%t"},"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}`, effect, principal, kind != KindRCP))
		p, err := Load(`{"Version":"2012-10-17","Statement":[`+strings.Join(list, ",")+`]}`, kind)
		if err != nil {
			tb.Fatal(err)
		}
		for i, s := range p.Statements {
			if s.Unknown != "" {
				tb.Fatalf("statement %d: %s", i, s.Unknown)
			}
		}
		return Named{Name: "p", Policy: p}
	}
	resource, boundary := named(KindBucket), named(KindBoundary)
	return &Input{
		Principal: Principal{
			Type: Session, Account: "111122223333", ARN: "arn:aws:sts::111122223333:assumed-role/app/i-1",
			Role: "arn:aws:iam::111122223333:role/app", ID: "AROAEXAMPLEEXAMPLE01",
		},
		Action: "s3:GetObject", Resource: "arn:aws:s3:::tour/blue/a.txt", Account: "111122223333",
		Context: MapContext{
			"aws:securetransport": {"true"}, "aws:sourceip": {"10.1.2.3"}, "aws:principaltag/team": {"blue"},
		},
		Identity: []Named{named(KindIdentity)}, Boundary: &boundary, Session: []Named{named(KindSession)}, HasSession: true,
		SCPs: [][]Named{{named(KindSCP)}}, RCPs: [][]Named{{named(KindRCP)}},
		ResourcePolicy: &resource,
	}
}
