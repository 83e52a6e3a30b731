package policy

import "testing"

func TestCatalog(t *testing.T) {
	for _, c := range []struct {
		action, key string
		carries     bool
	}{
		{"s3:PutObject", "s3:x-amz-server-side-encryption-customer-algorithm", true},
		{"s3:GetObject", "s3:x-amz-server-side-encryption-customer-algorithm", false},
		{"S3:GETOBJECT", "s3:existingobjecttag/project", true},
		{"s3:GetObject", "s3:existingobjecttag/", false},
		{"s3:GetObject", "s3:buckettag/x", true},
		{"s3:ListBucket", "s3:prefix", true},
		{"s3:GetObject", "s3:prefix", false},
		{"kms:Decrypt", "kms:encryptioncontext:aws:s3:arn", true},
		{"kms:Decrypt", "kms:keyspec", true},
		{"kms:ListKeys", "kms:calleraccount", false},
		{"kms:CreateGrant", "kms:grantoperations", true},
		{"sts:AssumeRole", "sts:externalid", true},
	} {
		a, known := Lookup(c.action)
		if a == nil || !known {
			t.Errorf("Lookup(%s) = nil", c.action)
		} else if got := a.Carries(c.key); got != c.carries {
			t.Errorf("%s carries %s = %v; want %v", c.action, c.key, got, c.carries)
		}
	}
	if a, known := Lookup("s3:NoSuchAction"); a != nil || !known {
		t.Errorf("Lookup of an unknown action of S3 = %v, %v; want nil, true", a, known)
	}
	if a, known := Lookup("iam:GetUser"); a != nil || known {
		t.Errorf("Lookup of IAM's = %v, %v; want nil, false", a, known)
	}
	if n := len(Actions("s3")); n != 180 {
		t.Errorf("%d actions of S3; want 180", n)
	}
	if n := len(Actions("kms")); n != 58 {
		t.Errorf("%d actions of KMS; want 58", n)
	}
	a, _ := Lookup("s3:PutObject")
	if len(a.Types) == 0 || a.Types[1] != "object" {
		t.Errorf("PutObject is about %v", a.Types)
	}
}
