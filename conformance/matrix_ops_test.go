package conformance

import (
	"strings"
	"testing"

	"coffer/internal/opsapi"
)

var opsCodes = api{name: "coffer", anonymous: "MissingAuthenticationTokenException", unknown: "UnrecognizedClientException",
	wrong: "InvalidSignatureException", denied: "AccessDeniedException"}

// opsRow returns the row of an operation on the server.
func opsRow(operation, method, path, body string) row {
	return row{operation: operation, make: func(*matrix) (wire, []right) {
		return wire{service: "coffer", method: method, target: opsapi.Prefix + path, body: body},
			[]right{{"coffer:" + operation, "arn:aws:coffer:us-east-1:" + homeAccount + ":server"}}
	}}
}

// refusedDecision is the ID of a denial within the account.
func (m *matrix) refusedDecision() string {
	m.Helper()
	out := m.try(jsonWire("kms", "TrentService.ListKeys", struct{}{}), m.nobody.creds)
	found := decisionID.FindStringSubmatch(out.message)
	if found == nil {
		m.Fatalf("ListKeys of a user without policy = %d %s; want a denial", out.status, out.body)
	}
	return found[1]
}

var opsRows = []row{
	opsRow("AdvanceClock", "POST", "dev/clock", `{"advance":"1s"}`),
	opsRow("ConfirmClock", "POST", "clock/confirm", ""),
	opsRow("GetClock", "GET", "clock", ""),
	opsRow("GetUsage", "GET", "usage?account="+homeAccount, ""),
	opsRow("CreateAccount", "POST", "accounts", `{"name":"new"}`),
	opsRow("ListAccounts", "GET", "accounts", ""),
	{operation: "CreateBackup", passes: "LimitExceededException", make: func(m *matrix) (wire, []right) {
		for range 2 { // those that nobody carries on with fill the places
			m.server.admin("POST", "backups", "")
		}
		return opsRow("CreateBackup", "POST", "backups", "").make(m)
	}},
	backupRow("GetBackupPage", "backups/page", `{"id":"none","page":1}`),
	backupRow("GetBackupFiles", "backups/files", `{"id":"none","page":1,"names":[]}`),
	backupRow("EndBackup", "backups/end", `{"id":"none"}`),
	shredRow("PreviewShred", "preview", "DescribeKey", ""),
	shredRow("GetShred", "get", "DescribeKey", ""),
	shredRow("ShredSubject", "schedule", "ScheduleKeyDeletion", `,"days":7`),
	shredRow("CancelShred", "cancel", "CancelKeyDeletion", "", func(m *matrix, body string) {
		m.server.admin("POST", "shreds/schedule", strings.TrimSuffix(body, "}")+`,"days":7}`)
	}),
	shredRow("DisableSubject", "disable", "DisableKey", ""),
	shredRow("EnableSubject", "enable", "EnableKey", ""),
	shredRow("ShredNow", "now", "ScheduleKeyDeletion", ""),
	versionsRow("ListKeyContent", "content", "DescribeKey"),
	versionsRow("PreviewKeyVersions", "preview", "DescribeKey"),
	versionsRow("DestroyKeyVersions", "destroy", "ScheduleKeyDeletion"),
	{operation: "RewrapObject", make: func(m *matrix) (wire, []right) {
		p := m.place()
		p.object(p.underKMS()...)
		to := m.kmsKey()
		return wire{service: "coffer", method: "POST", target: opsapi.Prefix + "objects/rewrap", body: `{"bucket":"` + p.bucket + `","key":"key","kmsKeyArn":"` + to + `"}`},
			[]right{{"coffer:RewrapObject", p.aboutKey}, {"s3:UpdateObjectEncryption", p.aboutKey}, {"kms:Decrypt", p.kmsKey}, {"kms:GenerateDataKey", to}}
	}},
	{operation: "IssueSession", rootOnly: true, foreign: "NoSuchEntity", make: func(*matrix) (wire, []right) {
		user := "arn:aws:iam::" + homeAccount + ":user/helper"
		return wire{service: "coffer", method: "POST", target: opsapi.Prefix + "sessions", body: `{"principal":"` + user + `"}`},
			[]right{{"coffer:IssueSession", user}}
	}},
	{operation: "ExplainDecision", make: func(m *matrix) (wire, []right) {
		id := m.refusedDecision()
		return wire{service: "coffer", method: "GET", target: opsapi.Prefix + "decisions/" + id},
			[]right{{"coffer:ExplainDecision", "arn:aws:coffer:us-east-1:" + homeAccount + ":decision/" + id}}
	}},
}

// shredRow returns the row of an operation on a subject, which takes a right on the
// subject and its like on the key. before prepares the subject.
func shredRow(operation, path, kms, more string, before ...func(m *matrix, body string)) row {
	return row{operation: operation, make: func(m *matrix) (wire, []right) {
		key := m.shredKey("alice")
		body := `{"key":"` + key + `","name":"subject","value":"alice"` + more + `}`
		for _, f := range before {
			f(m, body)
		}
		return wire{service: "coffer", method: "POST", target: opsapi.Prefix + "shreds/" + path, body: body},
			[]right{{"kms:" + kms, key}, {"coffer:" + operation, subjectARN(key, "alice")}}
	}}
}

// versionsRow returns the row of an operation on the versions of a key that was rotated.
func versionsRow(operation, path, kms string) row {
	return row{operation: operation, make: func(m *matrix) (wire, []right) {
		key := m.shredKey("alice")
		m.rootKMS("RotateKeyOnDemand", map[string]any{"KeyId": key}, nil)
		return wire{service: "coffer", method: "POST", target: opsapi.Prefix + "keyversions/" + path, body: `{"key":"` + key + `"}`},
			[]right{{"kms:" + kms, key}, {"coffer:" + operation, strings.Replace(key, ":kms:", ":coffer:", 1)}}
	}}
}

// subjectARN is a subject in policies.
func subjectARN(key, value string) string {
	return strings.Replace(key, ":kms:", ":coffer:", 1) + "/subject/subject/" + value
}

// shredKey makes a key that shreds by subject, and a subject of it.
func (m *matrix) shredKey(value string) string {
	m.Helper()
	var out struct{ KeyMetadata struct{ Arn string } }
	m.rootKMS("CreateKey", map[string]any{"Tags": []any{map[string]string{"TagKey": "coffer:shred-by", "TagValue": "subject"}}}, &out)
	m.rootKMS("GenerateDataKey", map[string]any{"KeyId": out.KeyMetadata.Arn, "KeySpec": "AES_256", "EncryptionContext": map[string]string{"subject": value}}, nil)
	return out.KeyMetadata.Arn
}

// backupRow is the row of an operation on a backup that is under way: on none here.
func backupRow(operation, path, body string) row {
	r := opsRow(operation, "POST", path, body)
	r.passes = "ResourceNotFoundException"
	return r
}

func TestMatrixAdministration(t *testing.T) {
	t.Parallel()
	built := make(map[string]bool)
	for _, o := range opsapi.Operations() {
		built[o.Name] = true
	}
	newMatrix(t, opsCodes, "--dev-clock").runAll(opsRows, built)
}

// toolboxRows are those of the IAM Toolbox, whose one operation is no table's.
var toolboxRows = []row{
	{operation: "GetRequestAuthorizationDetails", foreign: "ResourceNotFoundException", make: func(m *matrix) (wire, []right) {
		return wire{service: "iam", method: "GET", target: opsapi.ToolboxPrefix + m.refusedDecision()},
			[]right{{"iam:GetRequestAuthorizationDetails", "*"}}
	}},
}

func TestMatrixToolbox(t *testing.T) {
	t.Parallel()
	codes := opsCodes
	codes.name, codes.anonymous = "toolbox", ""
	newMatrix(t, codes).runAll(toolboxRows, map[string]bool{"GetRequestAuthorizationDetails": true})
}
