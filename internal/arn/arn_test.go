package arn

import (
	"errors"
	"testing"
)

func TestParse(t *testing.T) {
	tests := []struct {
		name, in string
		want     ARN
		err      error
	}{
		{"key", "arn:aws:kms:us-east-1:123456789012:key/1234", ARN{"aws", "kms", "us-east-1", "123456789012", "key/1234"}, nil},
		{"bucket", "arn:aws:s3:::tour", ARN{"aws", "s3", "", "", "tour"}, nil},
		{"colons in the resource", "arn:aws:s3:::tour/a:b::c", ARN{"aws", "s3", "", "", "tour/a:b::c"}, nil},
		{"other partition", "arn:aws-cn:iam::123456789012:root", ARN{"aws-cn", "iam", "", "123456789012", "root"}, nil},
		{"empty", "", ARN{}, ErrInvalid},
		{"five parts", "arn:aws:s3::tour", ARN{}, ErrInvalid},
		{"no arn", "urn:aws:s3:::tour", ARN{}, ErrInvalid},
		{"no partition", "arn::s3:::tour", ARN{}, ErrInvalid},
		{"no service", "arn:aws::::tour", ARN{}, ErrInvalid},
		{"no resource", "arn:aws:s3:::", ARN{}, ErrInvalid},
		{"a bare ID", "1234abcd-12ab-34cd-56ef-1234567890ab", ARN{}, ErrInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse(tt.in)
			if got != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("Parse(%q) = %+v, %v; want %+v, %v", tt.in, got, err, tt.want, tt.err)
			}
			if err == nil && got.String() != tt.in {
				t.Errorf("String() = %q; want %q", got, tt.in)
			}
		})
	}
}

func TestBuild(t *testing.T) {
	const region, account = "eu-central-1", "123456789012"
	for got, want := range map[string]string{
		Bucket("tour"):                       "arn:aws:s3:::tour",
		Object("tour", "a/b:c"):              "arn:aws:s3:::tour/a/b:c",
		Key(region, account, "12-34"):        "arn:aws:kms:eu-central-1:123456789012:key/12-34",
		Alias(region, account, "alias/blue"): "arn:aws:kms:eu-central-1:123456789012:alias/blue",
		Root(account):                        "arn:aws:iam::123456789012:root",
	} {
		if got != want {
			t.Errorf("got %q; want %q", got, want)
		}
		if a, err := Parse(got); err != nil || a.String() != got {
			t.Errorf("Parse(%q) = %q, %v; want the same ARN", got, a, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "arn:", "arn:aws:s3:::b", "arn:aws:kms:us-east-1:123456789012:key/1", "arn:aws:s3:::b/:::", "::::::"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if a, err := Parse(s); err == nil && a.String() != s {
			t.Errorf("Parse(%q).String() = %q", s, a)
		}
	})
}
