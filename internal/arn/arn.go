// Package arn builds and parses Amazon Resource Names.
//
// Source: AWS General Reference, "Amazon Resource Names (ARNs)".
package arn

import (
	"errors"
	"strings"
)

// Partition is the partition of every ARN that Coffer makes.
const Partition = "aws"

// ErrInvalid means that a string is no ARN.
var ErrInvalid = errors.New("arn: not an ARN")

// An ARN names a resource. Region and Account may be empty.
type ARN struct {
	Partition, Service, Region, Account, Resource string
}

// Parse splits s into its six parts. The resource may hold colons.
func Parse(s string) (ARN, error) {
	p := strings.SplitN(s, ":", 6)
	if len(p) != 6 || p[0] != "arn" || p[1] == "" || p[2] == "" || p[5] == "" {
		return ARN{}, ErrInvalid
	}
	return ARN{p[1], p[2], p[3], p[4], p[5]}, nil
}

// String joins the parts.
func (a ARN) String() string {
	return "arn:" + a.Partition + ":" + a.Service + ":" + a.Region + ":" + a.Account + ":" + a.Resource
}

// Bucket returns the ARN of a bucket.
func Bucket(name string) string { return "arn:" + Partition + ":s3:::" + name }

// Object returns the ARN of an object.
func Object(bucket, key string) string { return Bucket(bucket) + "/" + key }

// Key returns the ARN of a KMS key.
func Key(region, account, id string) string {
	return ARN{Partition, "kms", region, account, "key/" + id}.String()
}

// Alias returns the ARN of a KMS alias; name starts with "alias/".
func Alias(region, account, name string) string {
	return ARN{Partition, "kms", region, account, name}.String()
}

// Root returns the ARN of an account's root user.
func Root(account string) string {
	return ARN{Partition, "iam", "", account, "root"}.String()
}
