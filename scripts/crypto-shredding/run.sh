#!/bin/sh
# Runs the walkthrough of the article "Encrypting and Crypto-Shredding AWS S3 Objects
# Using KMS Keys" (2021-09-20) against a Coffer, over TLS, with the AWS CLI:
#
#	run.sh ENDPOINT CA_BUNDLE CREDENTIALS
#
# The four JSON files beside this script are the article's, and so are all names.
# What differs, line by line:
#
#   - Account: nothing. 123456789012 is the account of a Coffer that is told none.
#   - Endpoint: each command goes to ENDPOINT, whose authority is CA_BUNDLE.
#   - Region: the article makes its bucket in eu-west-2 and writes eu-west-1 in the
#     ARN of iampolicy.json. S3 uses keys of the bucket's own region, so the key is
#     made in eu-west-2 and that one line says eu-west-2.
#   - Key ID: the article's db37a7b8-... in create-alias, encryptionrules.json and
#     iampolicy.json becomes the ID of the key that was made.
#   - Comment lines: the lines "#--kmspolicy.json" and the like, which are not JSON,
#     are left out of the files.
#   - Role: the article has tinfoil-s3-role already. It is made first, because a key
#     policy may only name a role that exists.
#   - Uploading, viewing, disabling and enabling, which the article does in the
#     console, are commands; and the role is assumed by name.
set -eu
endpoint=$1 ca=$2 credentials=$3
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export AWS_CA_BUNDLE="$ca" AWS_SHARED_CREDENTIALS_FILE="$credentials" AWS_ENDPOINT_URL="$endpoint"
export AWS_REGION=eu-west-2 AWS_DEFAULT_REGION=eu-west-2 AWS_PAGER= AWS_EC2_METADATA_DISABLED=true
cli=${AWS_CLI:-aws}
aws() { "$cli" --endpoint-url "$endpoint" --output text "$@"; }
say() { echo "== $*"; }
fail() {
	echo "FAILED: $*" >&2
	exit 1
}

say "the role, which the article has already"
cat > trust.json <<'JSON'
{
  "Version": "2012-10-17",
  "Statement": [{
    "Effect": "Allow",
    "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
    "Action": "sts:AssumeRole"
  }]
}
JSON
aws iam create-role --role-name tinfoil-s3-role --assume-role-policy-document file://trust.json >/dev/null
# Somebody has to assume it, and a root user may not.
aws iam create-user --user-name tinfoil-operator >/dev/null
aws iam put-user-policy --user-name tinfoil-operator --policy-name assume --policy-document '{
  "Version": "2012-10-17",
  "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "arn:aws:iam::123456789012:role/tinfoil-s3-role"}]
}'

say "the key and its policy"
key=$(aws kms create-key --policy "file://$here/kmspolicy.json" --query KeyMetadata.KeyId)
aws kms create-alias \
	--alias-name alias/tinfoil-key \
	--target-key-id "$key"
for f in encryptionrules.json iampolicy.json; do
	sed -e "s/db37a7b8-e1f2-4b6f-99c9-100cc8b79017/$key/" -e 's/:eu-west-1:/:eu-west-2:/' "$here/$f" > "$f"
done

say "the bucket, its policy and its encryption"
aws s3api create-bucket --bucket tinfoil-bucket-example --region eu-west-2 --create-bucket-configuration LocationConstraint=eu-west-2
aws s3api put-public-access-block \
	--bucket tinfoil-bucket-example \
	--public-access-block-configuration \
	"BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true"
aws s3api put-bucket-policy --bucket tinfoil-bucket-example --policy "file://$here/bucketpolicy.json"
aws s3api put-bucket-encryption \
	--bucket tinfoil-bucket-example \
	--server-side-encryption-configuration file://encryptionrules.json

say "the role's policy"
aws iam create-policy --policy-name tinfoil-s3-policy --policy-document file://iampolicy.json >/dev/null
aws iam attach-role-policy --policy-arn arn:aws:iam::123456789012:policy/tinfoil-s3-policy --role-name tinfoil-s3-role

say "assume the role"
set -- $(aws iam create-access-key --user-name tinfoil-operator --query 'AccessKey.[AccessKeyId,SecretAccessKey]')
set -- $(
	export AWS_ACCESS_KEY_ID="$1" AWS_SECRET_ACCESS_KEY="$2"
	aws sts assume-role \
		--role-arn arn:aws:iam::123456789012:role/tinfoil-s3-role --role-session-name tinfoil \
		--query 'Credentials.[AccessKeyId,SecretAccessKey,SessionToken]'
)
id=$1 secret=$2 token=$3
as_role() {
	(
		export AWS_ACCESS_KEY_ID="$id" AWS_SECRET_ACCESS_KEY="$secret" AWS_SESSION_TOKEN="$token"
		aws "$@"
	)
}

say "upload and read as the role"
echo "made of tin" > image.png
as_role s3 cp image.png s3://tinfoil-bucket-example/image.png >/dev/null
as_role s3 cp s3://tinfoil-bucket-example/image.png back.png >/dev/null
cmp image.png back.png
sealed=$(as_role s3api head-object --bucket tinfoil-bucket-example --key image.png --query '[ServerSideEncryption,SSEKMSKeyId]')
case $sealed in
aws:kms*"key/$key") ;;
*) fail "the object is sealed with $sealed, not with the key" ;;
esac

say "disable the key, and be refused"
aws kms disable-key --key-id "$key"
if as_role s3 cp s3://tinfoil-bucket-example/image.png refused.png 2> refusal; then
	fail "the object could be read under a disabled key"
fi
grep -q "is disabled" refusal || fail "the refusal does not say that the key is disabled: $(cat refusal)"
cat refusal

say "enable the key, and read"
aws kms enable-key --key-id "$key"
as_role s3 cp s3://tinfoil-bucket-example/image.png again.png >/dev/null
cmp image.png again.png

say "shred: disable the key and schedule its deletion"
aws kms disable-key --key-id "$key"
aws kms schedule-key-deletion --key-id "$key" --pending-window-in-days 7 --query KeyState
if as_role s3 cp s3://tinfoil-bucket-example/image.png refused.png 2> refusal; then
	fail "the object could be read under a key that waits for its deletion"
fi
cat refusal
say "done"
