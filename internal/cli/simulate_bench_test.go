package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"testing"
	"time"
)

// mixture returns cases as an organization's would be: a few dozen policies that
// come again and again, and requests that differ.
func mixture(n int) []byte {
	type m = map[string]any
	statement := func(effect, action, resource string, more m) m {
		st := m{"Effect": effect, "Action": []string{action, "s3:ListBucket", "s3:GetObjectTagging"}, "Resource": []string{resource, resource + "/*"}}
		for k, v := range more {
			st[k] = v
		}
		return st
	}
	policyOf := func(statements ...m) m {
		for i := range statements {
			statements[i]["Sid"] = fmt.Sprint("Statement", i)
		}
		return m{"Version": "2012-10-17", "Statement": statements}
	}
	var identities, buckets []m
	for i := range 24 {
		bucket := fmt.Sprintf("arn:aws:s3:::team-%d", i)
		identities = append(identities, policyOf(
			statement("Allow", "s3:GetObject", bucket, m{"Condition": m{"StringEquals": m{"aws:PrincipalTag/team": fmt.Sprint("team-", i%5)}}}),
			statement("Allow", "s3:PutObject", bucket, m{"Condition": m{"IpAddress": m{"aws:SourceIp": []string{"10.0.0.0/8", "203.0.113.0/24"}}}}),
			statement("Deny", "s3:DeleteObject", bucket, m{"Condition": m{"BoolIfExists": m{"aws:MultiFactorAuthPresent": "false"}}}),
			statement("Allow", "s3:GetObject", "arn:aws:s3:::shared/${aws:username}", nil)))
		buckets = append(buckets, policyOf(
			m{"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": []string{bucket, bucket + "/*"}, "Condition": m{"Bool": m{"aws:SecureTransport": "false"}}},
			m{"Effect": "Allow", "Principal": m{"AWS": []string{"arn:aws:iam::111122223333:role/reader", "444455556666"}}, "Action": "s3:Get*", "Resource": bucket + "/*"}))
	}
	full := policyOf(m{"Effect": "Allow", "Action": "*", "Resource": "*"})
	guard := policyOf(m{"Effect": "Deny", "Action": []string{"s3:DeleteBucket", "organizations:LeaveOrganization"}, "Resource": "*"})
	rcp := policyOf(m{"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*",
		"Condition": m{"StringNotEqualsIfExists": m{"aws:PrincipalOrgID": "o-a1b2c3d4e5"}, "BoolIfExists": m{"aws:PrincipalIsAWSService": "false"}}})
	principals := []string{"arn:aws:iam::111122223333:user/alice", "arn:aws:sts::111122223333:assumed-role/reader/s1", "arn:aws:iam::444455556666:user/bob", "logging.s3.amazonaws.com"}
	var b bytes.Buffer
	for i := range n {
		c := m{"id": fmt.Sprint("case-", i), "request": m{
			"principal": principals[i%4], "action": []string{"s3:GetObject", "s3:PutObject", "s3:DeleteObject"}[i%3],
			"resource": m{"resource": fmt.Sprintf("arn:aws:s3:::team-%d/2026/%d.bin", i%24, i), "accountId": "111122223333"},
			"context": m{"aws:SecureTransport": "true", "aws:SourceIp": fmt.Sprintf("10.1.%d.%d", i/256%256, i%256), "aws:PrincipalTag/team": fmt.Sprint("team-", i%5),
				"aws:PrincipalOrgID": "o-a1b2c3d4e5", "aws:CurrentTime": "2026-11-21T12:00:00Z", "s3:TlsVersion": "1.3"}},
			"identityPolicies": []m{identities[i%24], identities[(i+7)%24]}, "resourcePolicy": buckets[i%24]}
		if i%2 == 0 {
			c["scps"] = [][]m{{full}, {full, guard}, {full}}
			c["rcps"] = [][]m{{rcp}, {}}
		}
		line, err := json.Marshal(c)
		if err != nil {
			panic(err)
		}
		b.Write(append(line, '\n'))
	}
	return b.Bytes()
}

func BenchmarkSimulate(b *testing.B) {
	const n = 10_000
	text := mixture(n)
	sim := newSimulator(time.Now)
	out := bufio.NewWriter(io.Discard)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if err := sim.answerAll(context.Background(), bytes.NewReader(text), out); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "cases/s")
}
