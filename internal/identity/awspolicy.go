package identity

import (
	"slices"
	"time"
)

// An awsPolicy is a managed policy of AWS, as this server knows it.
type awsPolicy struct {
	id, name, path, description string
	latest                      int    // number of the default version
	created, updated            string // RFC 3339
	text                        string
}

// awsPolicies are the managed policies of AWS, by lower-case name. They are the ones
// about the services of this server, in the versions that AWS served on 2026-03-07;
// ReadOnlyAccess, SecurityAudit and the other large ones are not among them.
//
// Source: AWS Managed Policy Reference Guide, and GetPolicy and GetPolicyVersion of
// AWS as recorded on 2026-03-07.
var awsPolicies = []awsPolicy{
	{
		id: "ANPAIWMBCKSKIEE64ZLYK", name: "AdministratorAccess", path: "/",
		description: "Provides full access to AWS services and resources.",
		latest:      1, created: "2015-02-06T18:39:46Z", updated: "2015-02-06T18:39:46Z",
		text: `{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": "*",
            "Resource": "*"
        }
    ]
}`,
	},
	{
		id: "ANPAIFIR6V6BVTRAHWINE", name: "AmazonS3FullAccess", path: "/",
		description: "Provides full access to all buckets via the AWS Management Console.",
		latest:      2, created: "2015-02-06T18:40:58Z", updated: "2021-09-27T20:16:37Z",
		text: `{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [
                "s3:*",
                "s3-object-lambda:*"
            ],
            "Resource": "*"
        }
    ]
}`,
	},
	{
		id: "ANPAIZTJ4DXE7G6AGAE6M", name: "AmazonS3ReadOnlyAccess", path: "/",
		description: "Provides read only access to all buckets via the AWS Management Console.",
		latest:      3, created: "2015-02-06T18:40:59Z", updated: "2023-08-10T21:31:39Z",
		text: `{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [
                "s3:Get*",
                "s3:List*",
                "s3:Describe*",
                "s3-object-lambda:Get*",
                "s3-object-lambda:List*"
            ],
            "Resource": "*"
        }
    ]
}`,
	},
	{
		id: "ANPAZKAPJZG4OGLRVUGKM", name: "AWSCloudTrail_ReadOnlyAccess", path: "/",
		description: "Provides read only access to AWS CloudTrail.",
		latest:      1, created: "2022-06-14T17:19:05Z", updated: "2022-06-14T17:19:05Z",
		text: `{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [
                "cloudtrail:Get*",
                "cloudtrail:Describe*",
                "cloudtrail:List*",
                "cloudtrail:LookupEvents"
            ],
            "Resource": "*"
        }
    ]
}`,
	},
	{
		id: "ANPAZKAPJZG4P43IUQ5E5", name: "AWSDenyAll", path: "/",
		description: "Deny all access.",
		latest:      2, created: "2019-05-01T22:36:14Z", updated: "2023-12-18T16:42:05Z",
		text: `{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "DenyAll",
            "Effect": "Deny",
            "Action": [
                "*"
            ],
            "Resource": "*"
        }
    ]
}`,
	},
	{
		id: "ANPAJNPP7PPPPMJRV2SA4", name: "AWSKeyManagementServicePowerUser", path: "/",
		description: "Provides access to AWS Key Management Service (KMS).",
		latest:      2, created: "2015-02-06T18:40:40Z", updated: "2017-03-07T00:55:11Z",
		text: `{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [
                "kms:CreateAlias",
                "kms:CreateKey",
                "kms:DeleteAlias",
                "kms:Describe*",
                "kms:GenerateRandom",
                "kms:Get*",
                "kms:List*",
                "kms:TagResource",
                "kms:UntagResource",
                "iam:ListGroups",
                "iam:ListRoles",
                "iam:ListUsers"
            ],
            "Resource": "*"
        }
    ]
}`,
	},
	{
		id: "ANPAJZXBNRCJKNLQHSB5M", name: "AWSOrganizationsFullAccess", path: "/",
		description: "Provides full access to AWS Organizations.",
		latest:      9, created: "2018-11-06T20:31:57Z", updated: "2026-02-12T17:59:07Z",
		text: `{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "AWSOrganizationsFullAccess",
            "Effect": "Allow",
            "Action": "organizations:*",
            "Resource": "*"
        },
        {
            "Sid": "AWSOrganizationsFullAccessAccount",
            "Effect": "Allow",
            "Action": [
                "account:PutAlternateContact",
                "account:DeleteAlternateContact",
                "account:GetAlternateContact",
                "account:GetContactInformation",
                "account:PutContactInformation",
                "account:ListRegions",
                "account:EnableRegion",
                "account:DisableRegion",
                "account:PutAccountName",
                "account:GetAccountInformation"
            ],
            "Resource": "*"
        },
        {
            "Sid": "AWSOrganizationsFullAccessCreateSLR",
            "Effect": "Allow",
            "Action": "iam:CreateServiceLinkedRole",
            "Resource": "*",
            "Condition": {
                "StringEquals": {
                    "iam:AWSServiceName": "organizations.amazonaws.com"
                }
            }
        }
    ]
}`,
	},
	{
		id: "ANPAJY5RQATUV77PEPVOM", name: "AWSOrganizationsReadOnlyAccess", path: "/",
		description: "Provides read-only access to AWS Organizations.",
		latest:      6, created: "2018-11-06T20:32:38Z", updated: "2024-06-07T21:32:16Z",
		text: `{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "AWSOrganizationsReadOnly",
            "Effect": "Allow",
            "Action": [
                "organizations:Describe*",
                "organizations:List*"
            ],
            "Resource": "*"
        },
        {
            "Sid": "AWSOrganizationsReadOnlyAccount",
            "Effect": "Allow",
            "Action": [
                "account:GetAlternateContact",
                "account:GetContactInformation",
                "account:ListRegions",
                "account:GetRegionOptStatus",
                "account:GetPrimaryEmail"
            ],
            "Resource": "*"
        }
    ]
}`,
	},
	{
		id: "ANPAI7XKCFMBPM3QQRRVQ", name: "IAMFullAccess", path: "/",
		description: "Provides full access to IAM via the AWS Management Console.",
		latest:      2, created: "2015-02-06T18:40:38Z", updated: "2019-06-21T19:40:00Z",
		text: `{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [
                "iam:*",
                "organizations:DescribeAccount",
                "organizations:DescribeOrganization",
                "organizations:DescribeOrganizationalUnit",
                "organizations:DescribePolicy",
                "organizations:ListChildren",
                "organizations:ListParents",
                "organizations:ListPoliciesForTarget",
                "organizations:ListRoots",
                "organizations:ListPolicies",
                "organizations:ListTargetsForPolicy"
            ],
            "Resource": "*"
        }
    ]
}`,
	},
	{
		id: "ANPAJKSO7NDY4T57MWDSQ", name: "IAMReadOnlyAccess", path: "/",
		description: "Provides read only access to IAM via the AWS Management Console.",
		latest:      4, created: "2015-02-06T18:40:39Z", updated: "2018-01-25T19:11:27Z",
		text: `{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [
                "iam:GenerateCredentialReport",
                "iam:GenerateServiceLastAccessedDetails",
                "iam:Get*",
                "iam:List*",
                "iam:SimulateCustomPolicy",
                "iam:SimulatePrincipalPolicy"
            ],
            "Resource": "*"
        }
    ]
}`,
	},
	{
		id: "ANPAJYRXTHIB4FOVS3ZXS", name: "PowerUserAccess", path: "/",
		description: "Provides full access to AWS services and resources, but does not allow management of Users and groups.",
		latest:      12, created: "2015-02-06T18:39:47Z", updated: "2026-02-12T17:59:14Z",
		text: `{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "NotAction": [
                "iam:*",
                "organizations:*",
                "account:*"
            ],
            "Resource": "*"
        },
        {
            "Effect": "Allow",
            "Action": [
                "account:GetAccountInformation",
                "account:GetGovCloudAccountInformation",
                "account:GetPrimaryEmail",
                "account:ListRegions",
                "iam:CreateServiceLinkedRole",
                "iam:DeleteServiceLinkedRole",
                "iam:ListRoles",
                "organizations:DescribeEffectivePolicy",
                "organizations:DescribeOrganization"
            ],
            "Resource": "*"
        }
    ]
}`,
	},
}

// byARN returns the managed policy of AWS with an ARN, or nil.
func byARN(policyARN string) *awsPolicy {
	i := slices.IndexFunc(awsPolicies, func(p awsPolicy) bool { return p.arn() == policyARN })
	if i < 0 {
		return nil
	}
	return &awsPolicies[i]
}

func (p *awsPolicy) arn() string { return iamARN(awsAccount, "policy"+p.path+p.name) }

func (p *awsPolicy) policy() *Policy {
	return &Policy{
		Account: awsAccount, ID: p.id, Name: p.name, Path: p.path, ARN: p.arn(), Description: p.description,
		Default: versionID(uint64(p.latest)), CreatedAt: at(p.created), UpdatedAt: at(p.updated),
	}
}

func (p *awsPolicy) version() PolicyVersion {
	return PolicyVersion{versionID(uint64(p.latest)), true, at(p.updated), p.text}
}

func at(text string) time.Time { return must(time.Parse(time.RFC3339, text)) }
