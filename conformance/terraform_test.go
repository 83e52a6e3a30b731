package conformance

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// terraformPlugins is where packagers put providers that are not to be fetched.
const terraformPlugins = "/opt/tf-plugins"

const terraformConfig = `
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

variable "endpoint" {}

provider "aws" {
  region                      = "us-east-1"
  s3_use_path_style           = true
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true
  endpoints {
    s3  = var.endpoint
    kms = var.endpoint
  }
}

resource "aws_kms_key" "data" {
  description             = "made by Terraform"
  deletion_window_in_days = 7
  tags                    = { team = "storage" }
}

resource "aws_kms_alias" "data" {
  name          = "alias/terraform"
  target_key_id = aws_kms_key.data.key_id
}

resource "aws_s3_bucket" "data" {
  bucket = "terraform-data"
  tags   = { team = "storage" }
}

resource "aws_s3_bucket_versioning" "data" {
  bucket = aws_s3_bucket.data.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "data" {
  bucket = aws_s3_bucket.data.id
  rule {
    bucket_key_enabled = true
    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.data.arn
    }
  }
}

resource "aws_s3_object" "readme" {
  bucket       = aws_s3_bucket.data.id
  key          = "docs/read me.txt"
  content      = "by Terraform"
  content_type = "text/plain"
  tags         = { kind = "doc" }
  depends_on   = [aws_s3_bucket_versioning.data, aws_s3_bucket_server_side_encryption_configuration.data]
}
`

// TestTerraform makes a key, an alias, a bucket and an object, finds that nothing
// is left to change, and destroys them. The provider reads some twenty
// configurations of a bucket, and stops at an answer that it does not expect.
func TestTerraform(t *testing.T) {
	t.Parallel()
	// Neither Debian nor Go's modules have Terraform, so CI can do without it:
	// but it has to say so.
	path, err := exec.LookPath("terraform")
	if err == nil {
		_, err = os.Stat(filepath.Join(terraformPlugins, "registry.terraform.io", "hashicorp", "aws"))
	}
	if err != nil {
		t.Skipf("TERRAFORM IS NOT TESTED on this machine: there must be terraform on the PATH and the AWS provider in %s", terraformPlugins)
	}
	s := start(t)
	k := connect(t, s)
	work := t.TempDir()
	if err := os.WriteFile(filepath.Join(work, "main.tf"), []byte(terraformConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	env := []string{"TF_VAR_endpoint=" + s.endpoint, "TF_IN_AUTOMATION=1", "CHECKPOINT_DISABLE=1", "TF_CLI_CONFIG_FILE=" + os.DevNull}
	terraform := func(args ...string) string {
		t.Helper()
		return s.run(work, env, path, append(args, "-no-color")...)
	}
	terraform("init", "-plugin-dir="+terraformPlugins)
	terraform("apply", "-auto-approve")
	body, out := k.get(t, "terraform-data", "docs/read me.txt")
	want(t, "object of Terraform", body, "by Terraform")
	if out.SSEKMSKeyId == nil || out.VersionId == nil {
		t.Errorf("object of Terraform has key %v and version %v; want both", out.SSEKMSKeyId, out.VersionId)
	}
	terraform("plan", "-detailed-exitcode") // 2 if anything is to change

	terraform("destroy", "-auto-approve")
	refused(t, "GetObject after destroy", k.getErr("terraform-data", "docs/read me.txt"), "NoSuchBucket")
	d, err := k.kms.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: out.SSEKMSKeyId})
	check(t, "DescribeKey", err)
	want(t, "state of the key after destroy", d.KeyMetadata.KeyState, kmstypes.KeyStatePendingDeletion)
}
