package conformance

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"coffer/internal/s3api"
)

// The rows of S3 and KMS once more, across accounts: when the policy of the bucket or
// of the key names the other account, that is not enough without its own, and with it
// the user of the other account may do what the action says, and no more.

// open lets the other account do what rights say, as far as the policies of buckets
// and keys can.
func (m *matrix) open(rights []right) {
	m.Helper()
	statements := make(map[string][]any)
	for _, r := range rights {
		st := map[string]any{"Effect": "Allow", "Principal": map[string]string{"AWS": m.other.id}, "Action": r.action, "Resource": r.resource}
		place := r.resource
		if rest, ok := strings.CutPrefix(r.resource, "arn:aws:s3:::"); ok {
			place, _, _ = strings.Cut(rest, "/")
		}
		statements[place] = append(statements[place], st)
	}
	for place, list := range statements {
		if strings.HasPrefix(place, "arn:aws:kms:") {
			list = append(list, map[string]any{"Effect": "Allow", "Principal": map[string]string{"AWS": homeAccount}, "Action": "kms:*", "Resource": "*"})
		}
		b, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": list})
		check(m.T, "Marshal", err)
		w := wire{service: "s3", method: "PUT", target: "/" + place + "?policy", body: string(b)}
		if strings.HasPrefix(place, "arn:aws:kms:") {
			w = jsonWire("kms", "TrentService.PutKeyPolicy", map[string]string{"KeyId": place, "Policy": string(b)})
		}
		if out := m.try(w, m.server.credentials()); out.status >= 300 {
			m.Fatalf("policy of %s = %d %s", place, out.status, out.body)
		}
	}
}

// across runs one row from the other account. refused is the code of an operation that
// no policy gives to other accounts, and empty for the others.
func (m *matrix) across(r *row, refused string) {
	w, rights := r.make(m)
	other := m.server.iam(m.other.keyID, m.other.secret)
	m.may(other, document(rights))
	m.refused(r, "foreigner whom the resource does not name", w, m.foreigner.creds, m.api.denied)
	m.open(rights)
	m.may(other, document([]right{{"ec2:*", "*"}}))
	m.refused(r, "foreigner without policy", w, m.foreigner.creds, m.api.denied)
	m.may(other, document(rights, rights[0]))
	m.refused(r, "foreigner who is denied", w, m.foreigner.creds, m.api.denied)
	for i, lacking := range rights {
		if len(rights) > 1 {
			m.may(other, document(slices.Delete(slices.Clone(rights), i, i+1)))
			m.refused(r, "foreigner who lacks "+lacking.action, w, m.foreigner.creds, m.api.denied)
		}
	}
	m.may(other, document(rights))
	if refused != "" {
		m.refused(r, "foreigner", w, m.foreigner.creds, refused)
		return
	}
	m.succeeds(r, "foreigner", w, m.foreigner.creds, r.passes)
}

func (m *matrix) runAcross(rows []row, takes func(r *row) (refused string, ok bool)) {
	t := m.T
	for i := range rows {
		r := &rows[i]
		refused, ok := takes(r)
		if !ok {
			continue
		}
		t.Run(strings.TrimSpace(r.operation+" "+r.with), func(t *testing.T) {
			m.T, m.server.t = t, t
			defer func() { m.T, m.server.t = nil, nil }()
			m.across(r, refused)
		})
	}
	m.T, m.server.t = t, t
	m.recorded()
}

func TestMatrixAcrossS3(t *testing.T) {
	t.Parallel()
	m := newMatrix(t, s3Codes)
	rows, _ := s3Rows(t)
	about := make(map[string]s3api.Level)
	for _, r := range s3api.Routes() {
		about[r.Operation] = r.On
	}
	m.runAcross(rows, func(r *row) (string, bool) {
		switch r.operation {
		case "PutBucketPolicy", "DeleteBucketPolicy", "GetBucketPolicy":
			// For the account of the bucket alone, whatever the policy says.
			return "MethodNotAllowed", true
		case "CreateBucket":
			return "", false
		}
		return "", about[r.operation] == s3api.Bucket || about[r.operation] == s3api.Object
	})
}

func TestMatrixAcrossKMS(t *testing.T) {
	t.Parallel()
	m := newMatrix(t, kmsCodes)
	// Source: AWS KMS Developer Guide, "AWS KMS permissions", the column "Cross-account
	// use", read 2026-11-22.
	given := []string{"CreateGrant", "Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "GetKeyRotationStatus",
		"ListGrants", "ReEncrypt", "RevokeGrant"}
	m.runAcross(kmsRows, func(r *row) (string, bool) {
		switch {
		case slices.Contains(given, r.operation):
			return "", true
		case r.foreign == own, r.operation == "CreateKey", strings.Contains(r.operation, "Alias"), r.operation == "ListRetirableGrants",
			r.operation == "RetireGrant": // where no key policy has a say
			return "", false
		}
		return m.api.denied, true
	})
}
