package conformance

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
)

const terraformIAMConfig = `
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

variable "endpoint" {}

provider "aws" {
  region                  = "us-east-1"
  skip_metadata_api_check = true
  endpoints {
    iam = var.endpoint
    sts = var.endpoint
  }
}

data "aws_caller_identity" "me" {}

data "aws_iam_policy_document" "read" {
  statement {
    actions   = ["s3:GetObject", "s3:ListBucket"]
    resources = ["arn:aws:s3:::data", "arn:aws:s3:::data/*"]
  }
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "AWS"
      identifiers = [aws_iam_user.deployer.arn, "arn:aws:iam::${data.aws_caller_identity.me.account_id}:root"]
    }
  }
  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]
    principals {
      type        = "Federated"
      identifiers = [aws_iam_openid_connect_provider.ci.arn]
    }
    condition {
      test     = "StringEquals"
      variable = "token.actions.githubusercontent.com:sub"
      values   = ["repo:example/app:ref:refs/heads/main"]
    }
  }
}

resource "aws_iam_account_alias" "alias" {
  account_alias = "by-terraform"
}

resource "aws_iam_openid_connect_provider" "ci" {
  url            = "https://token.actions.githubusercontent.com"
  client_id_list = ["sts.amazonaws.com"]
  tags           = { team = "ci" }
}

resource "aws_iam_policy" "read" {
  name        = "read"
  path        = "/terraform/"
  description = "reads data"
  policy      = data.aws_iam_policy_document.read.json
  tags        = { team = "storage" }
}

resource "aws_iam_user" "deployer" {
  name                 = "deployer"
  path                 = "/terraform/"
  permissions_boundary = aws_iam_policy.read.arn
  force_destroy        = true
  tags                 = { team = "storage" }
}

resource "aws_iam_access_key" "deployer" {
  user = aws_iam_user.deployer.name
}

resource "aws_iam_user_policy" "deployer" {
  name   = "inline"
  user   = aws_iam_user.deployer.name
  policy = data.aws_iam_policy_document.read.json
}

resource "aws_iam_group" "ops" {
  name = "ops"
}

resource "aws_iam_group_membership" "ops" {
  name  = "ops"
  group = aws_iam_group.ops.name
  users = [aws_iam_user.deployer.name]
}

resource "aws_iam_group_policy_attachment" "ops" {
  group      = aws_iam_group.ops.name
  policy_arn = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
}

resource "aws_iam_role" "app" {
  name                 = "app"
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  description          = "runs the app"
  max_session_duration = 7200
  tags                 = { team = "storage" }
}

resource "aws_iam_role_policy" "app" {
  role   = aws_iam_role.app.id
  policy = data.aws_iam_policy_document.read.json
}

resource "aws_iam_role_policy_attachment" "app" {
  role       = aws_iam_role.app.name
  policy_arn = aws_iam_policy.read.arn
}
`

// TestTerraformIAM makes one of each thing that IAM keeps, finds that nothing is
// left to change, and destroys them. The provider asks for what users and roles
// may have elsewhere before it deletes them.
func TestTerraformIAM(t *testing.T) {
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
	if err := os.WriteFile(filepath.Join(work, "main.tf"), []byte(terraformIAMConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	env := []string{"TF_VAR_endpoint=" + s.endpoint, "TF_IN_AUTOMATION=1", "CHECKPOINT_DISABLE=1", "TF_CLI_CONFIG_FILE=" + os.DevNull}
	terraform := func(args ...string) string {
		t.Helper()
		return s.run(work, env, path, append(args, "-no-color")...)
	}
	terraform("init", "-plugin-dir="+terraformPlugins)
	terraform("apply", "-auto-approve")
	terraform("plan", "-detailed-exitcode") // 2 if anything is to change
	u := iamOK(s.iam().GetUser(t.Context(), &iam.GetUserInput{UserName: aws.String("deployer")}))(t).User
	if *u.Arn != "arn:aws:iam::123456789012:user/terraform/deployer" || u.PermissionsBoundary == nil {
		t.Errorf("the user of Terraform is %+v", u)
	}
	terraform("destroy", "-auto-approve")
	_, err = s.iam().GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String("app")})
	iamRefused[*iamtypes.NoSuchEntityException](t, "GetRole after destroy", err, 404)
}
