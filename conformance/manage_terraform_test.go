package conformance

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/organizations"
)

const terraformAccessConfig = `
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

variable "endpoint" {}
variable "control" {}

provider "aws" {
  region                  = "us-east-1"
  s3_use_path_style       = true
  skip_metadata_api_check = true
  endpoints {
    iam           = var.endpoint
    kms           = var.endpoint
    organizations = var.endpoint
    s3            = var.endpoint
    s3control     = var.control
    sts           = var.endpoint
  }
}

data "aws_caller_identity" "me" {}

resource "aws_organizations_organization" "org" {
  feature_set          = "ALL"
  enabled_policy_types = ["SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"]
}

resource "aws_organizations_organizational_unit" "work" {
  name      = "work"
  parent_id = aws_organizations_organization.org.roots[0].id
  tags      = { team = "storage" }
}

resource "aws_organizations_account" "member" {
  name      = "member"
  email     = "member@example.com"
  parent_id = aws_organizations_organizational_unit.work.id
}

resource "aws_organizations_policy" "guard" {
  name       = "guard"
  type       = "SERVICE_CONTROL_POLICY"
  content    = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Deny", Action = "kms:ScheduleKeyDeletion", Resource = "*" }] })
  depends_on = [aws_organizations_organization.org]
}

resource "aws_organizations_policy_attachment" "guard" {
  policy_id = aws_organizations_policy.guard.id
  target_id = aws_organizations_organizational_unit.work.id
}

resource "aws_iam_user" "reader" {
  name = "reader"
}

data "aws_iam_policy_document" "key" {
  statement {
    sid       = "Account"
    actions   = ["kms:*"]
    resources = ["*"]
    principals {
      type        = "AWS"
      identifiers = ["arn:aws:iam::${data.aws_caller_identity.me.account_id}:root"]
    }
  }
  statement {
    sid       = "Reader"
    actions   = ["kms:Decrypt", "kms:DescribeKey"]
    resources = ["*"]
    principals {
      type        = "AWS"
      identifiers = [aws_iam_user.reader.arn]
    }
    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["s3.us-east-1.amazonaws.com"]
    }
  }
}

resource "aws_kms_key" "data" {
  deletion_window_in_days = 7
  policy                  = data.aws_iam_policy_document.key.json
}

resource "aws_kms_grant" "reader" {
  name              = "reader"
  key_id            = aws_kms_key.data.key_id
  grantee_principal = aws_iam_user.reader.arn
  operations        = ["Encrypt", "GenerateDataKey"]
  constraints {
    encryption_context_equals = { tenant = "a" }
  }
}

resource "aws_s3_bucket" "data" {
  bucket = "terraform-access"
}

resource "aws_s3_bucket_public_access_block" "data" {
  bucket                  = aws_s3_bucket.data.id
  block_public_acls       = false
  ignore_public_acls      = false
  block_public_policy     = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "data" {
  bucket = aws_s3_bucket.data.id
  rule {
    object_ownership = "BucketOwnerPreferred"
  }
}

resource "aws_s3_bucket_acl" "data" {
  bucket     = aws_s3_bucket.data.id
  acl        = "private"
  depends_on = [aws_s3_bucket_ownership_controls.data]
}

data "aws_iam_policy_document" "bucket" {
  statement {
    actions   = ["s3:GetObject", "s3:ListBucket"]
    resources = [aws_s3_bucket.data.arn, "${aws_s3_bucket.data.arn}/*"]
    principals {
      type        = "AWS"
      identifiers = [aws_iam_user.reader.arn]
    }
  }
}

resource "aws_s3_bucket_policy" "data" {
  bucket     = aws_s3_bucket.data.id
  policy     = data.aws_iam_policy_document.bucket.json
  depends_on = [aws_s3_bucket_public_access_block.data]
}

resource "aws_s3_account_public_access_block" "account" {
  account_id          = data.aws_caller_identity.me.account_id
  block_public_policy = true
}
`

// TestTerraformAccess makes an organization, and what says who may use a bucket and a
// key, finds that nothing is left to change, and destroys it all.
func TestTerraformAccess(t *testing.T) {
	t.Parallel()
	path, err := exec.LookPath("terraform")
	if err == nil {
		_, err = os.Stat(filepath.Join(terraformPlugins, "registry.terraform.io", "hashicorp", "aws"))
	}
	if err != nil {
		t.Skipf("TERRAFORM IS NOT TESTED on this machine: there must be terraform on the PATH and the AWS provider in %s", terraformPlugins)
	}
	s := start(t)
	work := t.TempDir()
	if err := os.WriteFile(filepath.Join(work, "main.tf"), []byte(terraformAccessConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	// S3 Control puts the account in front of the host. Names below localhost are this
	// machine's, which not every resolver knows: the server is asked as its own proxy.
	env := []string{"TF_VAR_endpoint=" + s.endpoint, "TF_VAR_control=" + strings.Replace(s.endpoint, "127.0.0.1", "localhost", 1), "HTTP_PROXY=" + s.endpoint,
		"TF_IN_AUTOMATION=1", "CHECKPOINT_DISABLE=1", "TF_CLI_CONFIG_FILE=" + os.DevNull}
	terraform := func(args ...string) string {
		t.Helper()
		return s.run(work, env, path, append(args, "-no-color")...)
	}
	terraform("init", "-plugin-dir="+terraformPlugins)
	terraform("apply", "-auto-approve")
	terraform("plan", "-detailed-exitcode") // 2 if anything is to change
	terraform("destroy", "-auto-approve")
	_, err = s.organizations().DescribeOrganization(t.Context(), &organizations.DescribeOrganizationInput{})
	wantCode(t, "DescribeOrganization after destroy", err, "AWSOrganizationsNotInUseException")
}
