package policy

import (
	"slices"
	"testing"
)

func TestRule27IsPublic(t *testing.T) {
	const page = "S3/access-control-block-public-access"
	to32 := func(operator, key string, values ...string) string {
		return says(Allow, "s3:GetObject", "*", toAll, when(operator, key, values...))
	}
	for _, tt := range []struct {
		name, statements string
		want             bool
	}{
		{"everyone", says(Allow, "s3:GetObject", "*", toAll), true},
		{"everyone as AWS", says(Allow, "s3:GetObject", "*", to("*")), true},
		{"everyone beside a user", says(Allow, "s3:GetObject", "*", to(ann.ARN, "*")), true},
		{"a user", says(Allow, "s3:GetObject", "*", to(ann.ARN)), false},
		{"an account", says(Allow, "s3:GetObject", "*", to(accountB)), false},
		{"a service", says(Allow, "s3:PutObject", "*", `"Principal":{"Service":"logging.s3.amazonaws.com"}`), false},
		{"a canonical user", says(Allow, "s3:GetObject", "*", `"Principal":{"CanonicalUser":"`+canonical+`"}`), false},
		{"a web identity provider", says(Allow, "s3:GetObject", "*", `"Principal":{"Federated":"graph.facebook.com"}`), true},
		{"a provider of an account", says(Allow, "s3:GetObject", "*", `"Principal":{"Federated":"arn:aws:iam::111122223333:saml-provider/x"}`), false},
		{"a Deny", says(Deny, "s3:*", "*", toAll), false},
		{"one of two statements", says(Allow, "s3:GetObject", "*", to(ann.ARN)) + "," + says(Allow, "s3:GetObject", "*", toAll), true},
		{"a condition that does not count", to32("Bool", "aws:SecureTransport", "true"), true},
		{"another key", to32("StringEquals", "s3:prefix", "public"), true},

		{"aws:PrincipalOrgID", to32("StringEquals", "aws:PrincipalOrgID", "o-a1b2c3d4e5"), false},
		{"aws:PrincipalArn", to32("ArnEquals", "aws:PrincipalArn", app.Role), false},
		{"aws:PrincipalAccount", to32("StringEquals", "aws:PrincipalAccount", accountB), false},
		{"aws:SourceArn", to32("ArnLike", "aws:SourceArn", "arn:aws:sns:us-east-1:111122223333:t"), false},
		{"aws:SourceVpc", to32("StringEquals", "aws:SourceVpc", "vpc-91237329"), false},
		{"aws:SourceVpc with a wildcard", to32("StringLike", "aws:SourceVpc", "vpc-*"), true},
		{"aws:SourceVpc with a variable", to32("StringEquals", "aws:SourceVpc", "${aws:userid}"), true},
		{"aws:SourceVpce", to32("StringEquals", "aws:SourceVpce", "vpce-1"), false},
		{"aws:SourceOwner", to32("StringEquals", "aws:SourceOwner", accountB), false},
		{"aws:SourceAccount", to32("StringEquals", "aws:SourceAccount", accountB), false},
		{"aws:userid", to32("StringEquals", "aws:userid", "AIDAANNEXAMPLEEXAMPLE"), false},
		{"aws:userid of any session of a role", to32("StringLike", "aws:userid", "AROAAPPEXAMPLEEXAMPLE:*"), true},
		{"s3:x-amz-server-side-encryption-aws-kms-key-id", to32("StringEquals", "s3:x-amz-server-side-encryption-aws-kms-key-id", keyARN), false},
		{"s3:DataAccessPointAccount", to32("StringEquals", "s3:DataAccessPointAccount", accountB), false},
		{"s3:DataAccessPointArn", to32("ArnLike", "s3:DataAccessPointArn", "arn:aws:s3:us-west-2:111122223333:accesspoint/*"), false},
		{"s3:DataAccessPointArn without account", to32("ArnLike", "s3:DataAccessPointArn", "arn:aws:s3:us-west-2:*:accesspoint/x"), true},
		{"key in another case", to32("StringEquals", "AWS:SOURCEVPC", "vpc-1"), false},
		{"one of the values", to32("StringLike", "aws:SourceVpc", "vpc-1", "vpc-*"), true},

		{"IfExists", to32("StringEqualsIfExists", "aws:SourceVpc", "vpc-1"), true},
		{"ForAllValues", to32("ForAllValues:StringEquals", "aws:SourceVpc", "vpc-1"), true},
		{"ForAnyValue", to32("ForAnyValue:StringEquals", "aws:SourceVpc", "vpc-1"), false},
		{"negated", to32("StringNotEquals", "aws:SourceVpc", "vpc-1"), true},
		{"Null", to32("Null", "aws:SourceVpc", "false"), true},

		{"an address", to32("IpAddress", "aws:SourceIp", "203.0.113.7"), false},
		{"/8", to32("IpAddress", "aws:SourceIp", "54.0.0.0/8"), false},
		{"/7", to32("IpAddress", "aws:SourceIp", "54.0.0.0/7"), true},
		{"everything", to32("IpAddress", "aws:SourceIp", "0.0.0.0/0"), true},
		{"half of everything", to32("IpAddress", "aws:SourceIp", "0.0.0.0/1", "128.0.0.0/1"), true},
		{"narrow and wide", to32("IpAddress", "aws:SourceIp", "203.0.113.0/24", "0.0.0.0/0"), true},
		{"private", to32("IpAddress", "aws:SourceIp", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"), false},
		{"IPv6 /32", to32("IpAddress", "aws:SourceIp", "2001:db8::/32"), false},
		{"IPv6 /31", to32("IpAddress", "aws:SourceIp", "2001:db8::/31"), true},
		{"an IPv4 range in IPv6 form", to32("IpAddress", "aws:SourceIp", "::ffff:0:0/96"), true},
		{"NotIpAddress", to32("NotIpAddress", "aws:SourceIp", "203.0.113.0/24"), true},
		{"IpAddress of another key", to32("IpAddress", "aws:VpcSourceIp", "10.0.0.0/8"), true},
	} {
		p := mustParse(t, KindBucket, doc(tt.statements))
		if got := p.IsPublic(); got != tt.want {
			t.Errorf("%s: IsPublic = %v; want %v (%s)", tt.name, got, tt.want, page)
		}
		if got := len(p.PublicStatements()) > 0; got != tt.want {
			t.Errorf("%s: PublicStatements = %v; want some: %v", tt.name, p.PublicStatements(), tt.want)
		}
	}
	for name, text := range map[string]string{
		"NotPrincipal with Allow": doc(says(Allow, "s3:*", "*", `"NotPrincipal":{"AWS":"111122223333"}`)),
		"what is not understood":  doc(says(Allow, "s3:*", "*", to(ann.ARN), `"New":1`)),
	} {
		if !mustLoad(t, KindBucket, text).IsPublic() {
			t.Errorf("%s is not public", name)
		}
	}
	if !(&Policy{}).IsPublic() {
		t.Error("a policy that was not read is not public")
	}
	p := mustParse(t, KindBucket, doc(says(Allow, "s3:GetObject", "*", to(ann.ARN))+","+says(Allow, "s3:GetObject", "*", toAll)))
	if got := p.PublicStatements(); !slices.Equal(got, []int{1}) {
		t.Errorf("PublicStatements = %v; want [1]", got)
	}
}
