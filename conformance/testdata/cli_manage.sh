#!/bin/sh
# What users of the AWS CLI do to manage an account, its sessions, and who may use
# its buckets and keys. In the environment are AWS, the program; COFFER, that of this
# project; ENDPOINT and the credentials of the root user. With the argument by-itself it
# tries only what an old client can't do.
set -eu

aws() { "$AWS" --endpoint-url "$ENDPOINT" --output text "$@"; }

is() {
	[ "$2" = "$3" ] || fail "$1 = $2; want $3"
}

fail() {
	echo "$*" >&2
	exit 1
}

# denied WORDS ARG... runs the CLI, which must print the words; $id is the
# authorization ID of the denial, if there is one.
denied() {
	want=$1
	shift
	if out=$(aws "$@" 2>&1); then
		fail "aws $* is not refused: $out"
	fi
	case $out in
	*"$want"*) ;;
	*) fail "aws $*: $out; want $want" ;;
	esac
	id=$(echo "$out" | sed -n 's/.*authorization id: \([0-9a-z]*\)$/\1/p')
}

# allow ACTION RESOURCE is a policy.
allow() {
	printf '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":%s,"Resource":%s}]}' "$1" "$2"
}

account=123456789012
# The files of one who has several profiles; root's is the default one.
printf '[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n' "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY" >credentials
export AWS_SHARED_CREDENTIALS_FILE="$PWD/credentials" AWS_CONFIG_FILE="$PWD/config"
unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY

# profile NAME KEY SECRET [TOKEN] adds a profile.
profile() {
	printf '[%s]\naws_access_key_id = %s\naws_secret_access_key = %s\n' "$1" "$2" "$3" >>credentials
	[ -z "${4:-}" ] || printf 'aws_session_token = %s\n' "$4" >>credentials
}

# A user, and a role that it assumes.
aws iam create-user --user-name alice --tags Key=team,Value=a >/dev/null
aws iam wait user-exists --user-name alice
profile alice $(aws iam create-access-key --user-name alice --query 'AccessKey.[AccessKeyId,SecretAccessKey]')
printf '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::%s:user/alice"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"x1"}}}]}' $account >trust.json
aws iam create-role --role-name worker --assume-role-policy-document file://trust.json >/dev/null
allow '["s3:*","kms:Encrypt"]' '"*"' >worker.json
aws iam put-role-policy --role-name worker --policy-name p --policy-document file://worker.json
denied "User: arn:aws:iam::$account:user/alice is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::$account:role/worker" \
	--profile alice sts assume-role --role-arn arn:aws:iam::$account:role/worker --role-session-name cli
profile session $(aws --profile alice sts assume-role --role-arn arn:aws:iam::$account:role/worker --role-session-name cli --external-id x1 \
	--query 'Credentials.[AccessKeyId,SecretAccessKey,SessionToken]')
is identity "$(aws --profile session sts get-caller-identity --query Arn)" "arn:aws:sts::$account:assumed-role/worker/cli"

# A client that knows AWS_ENDPOINT_URL assumes the role by itself.
if [ "${1:-}" = by-itself ]; then
	printf '[profile worker]\nrole_arn = arn:aws:iam::%s:role/worker\nsource_profile = alice\nexternal_id = x1\nrole_session_name = by-itself\n' $account >config
	export AWS_ENDPOINT_URL="$ENDPOINT"
	is "by itself" "$("$AWS" --profile worker --output text sts get-caller-identity --query Arn)" "arn:aws:sts::$account:assumed-role/worker/by-itself"
	mkdir src
	echo a >src/a.txt
	"$AWS" s3 mb s3://cli-profile >/dev/null
	"$AWS" --profile worker s3 sync --only-show-errors src s3://cli-profile/
	is "synced by itself" "$("$AWS" --profile worker s3 ls s3://cli-profile | wc -l)" 1
	"$AWS" --version 2>&1
	exit
fi

# Objects, as the role.
mkdir -p src/dir
echo a >src/a.txt
echo b >src/dir/b.txt
aws --profile session s3 mb s3://cli-manage >/dev/null
aws --profile session s3 sync --only-show-errors src s3://cli-manage/src
aws --profile session s3 cp --only-show-errors s3://cli-manage/src/a.txt down.txt
cmp src/a.txt down.txt
is presigned "$(curl -sf "$(aws --profile session s3 presign s3://cli-manage/src/dir/b.txt)")" b
denied "User: arn:aws:iam::$account:user/alice is not authorized to perform: s3:ListBucket on resource: \"arn:aws:s3:::cli-manage\" because no identity-based policy allows the s3:ListBucket action" \
	--profile alice s3 ls s3://cli-manage/

# Who may read the bucket.
printf '{"Version":"2012-10-17","Statement":[{"Sid":"Read","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::%s:user/alice"},"Action":["s3:GetObject"],"Resource":"arn:aws:s3:::cli-manage/*"}]}' $account >bucket.json
aws s3api put-bucket-policy --bucket cli-manage --policy file://bucket.json
is policy "$(aws s3api get-bucket-policy --bucket cli-manage --query Policy)" "$(cat bucket.json)"
is status "$(aws s3api get-bucket-policy-status --bucket cli-manage --query PolicyStatus.IsPublic)" False
is read "$(aws --profile alice s3 cp s3://cli-manage/src/a.txt -)" a
# S3 Control puts the account in front of the host. Names below localhost are this
# machine's, which not every resolver knows: the server is asked as its own proxy.
aws_control() {
	http_proxy=$ENDPOINT "$AWS" --endpoint-url "$(echo "$ENDPOINT" | sed s/127.0.0.1/localhost/)" --output text s3control "$@" --account-id $account
}
aws_control put-public-access-block --public-access-block-configuration BlockPublicPolicy=true
is "the account's block" "$(aws_control get-public-access-block --query PublicAccessBlockConfiguration.BlockPublicPolicy)" True
sed 's/{"AWS":[^}]*}/"*"/' bucket.json >public.json
denied "because public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access" \
	s3api put-bucket-policy --bucket cli-manage --policy file://public.json

# A key, a grant, and a new object under the key.
key=$(aws kms create-key --tags TagKey=team,TagValue=a --query KeyMetadata.Arn)
aws kms create-alias --alias-name alias/cli --target-key-id "$key"
denied "on resource: $key because no identity-based policy allows the kms:GenerateDataKey action" \
	--profile session s3api put-object --bucket cli-manage --key sealed --body src/a.txt --server-side-encryption aws:kms --ssekms-key-id alias/cli
aws kms create-grant --key-id "$key" --grantee-principal arn:aws:iam::$account:role/worker --operations GenerateDataKey --name cli >/dev/null
aws --profile session s3api put-object --bucket cli-manage --key sealed --body src/a.txt --server-side-encryption aws:kms --ssekms-key-id alias/cli >/dev/null
is grants "$(aws kms list-grants --key-id "$key" --query 'Grants[].[Name,GranteePrincipal]')" "cli	arn:aws:iam::$account:role/worker"

# Why a request was denied, and who could.
denied "because no identity-based policy allows the kms:Decrypt action" --profile alice s3 cp s3://cli-manage/sealed -
[ -n "$id" ] || fail "no authorization ID in $out"
is decoded "$(aws sts decode-authorization-message --encoded-message "$id" | grep -c '"action":"kms:Decrypt"')" 1
coffer() { "$COFFER" "$@" --endpoint-url "$ENDPOINT"; }
coffer why "$id" >why.txt
grep -q "^principal  arn:aws:iam::$account:user/alice$" why.txt || fail "$(cat why.txt)"
coffer why "$id" --json | grep -q '"action": "kms:Decrypt"' || fail "coffer why --json"
if coffer why "$id" --profile alice >/dev/null 2>&1; then fail "alice may see why"; fi
coffer who-can read s3://cli-manage/sealed --save saved --json >asked.json
"$COFFER" who-can read s3://cli-manage/sealed --saved saved/$account >who.txt
grep -A2 "^Allowed by S3 and refused by KMS" who.txt | grep -q user/alice || fail "$(cat who.txt)"

# The same from answers that the CLI saves.
mkdir answers
save() {
	name=$1
	shift
	"$AWS" --endpoint-url "$ENDPOINT" --output json "$@" >"answers/$name.json"
}
save sts.get-caller-identity sts get-caller-identity
save iam.get-account-authorization-details iam get-account-authorization-details
save s3api.get-bucket-policy.cli-manage s3api get-bucket-policy --bucket cli-manage
save s3api.get-public-access-block.cli-manage s3api get-public-access-block --bucket cli-manage
save s3api.get-bucket-ownership-controls.cli-manage s3api get-bucket-ownership-controls --bucket cli-manage
save s3api.head-object.cli-manage.sealed s3api head-object --bucket cli-manage --key sealed
save s3api.get-object-tagging.cli-manage.sealed s3api get-object-tagging --bucket cli-manage --key sealed
save kms.describe-key.${key##*/} kms describe-key --key-id "$key"
save kms.get-key-policy.${key##*/} kms get-key-policy --key-id "$key" --policy-name default
save kms.list-grants.${key##*/} kms list-grants --key-id "$key"
save kms.list-aliases kms list-aliases
save kms.list-resource-tags.${key##*/} kms list-resource-tags --key-id "$key"
denied AWSOrganizationsNotInUseException organizations describe-organization
echo '{"Error":{"Code":"AWSOrganizationsNotInUseException"}}' >answers/organizations.describe-organization.json
"$COFFER" who-can read s3://cli-manage/sealed --saved answers --json >told.json
diff asked.json told.json || fail "who-can tells something else of what the CLI saved"

# A simulation, and pages.
is simulated "$(aws iam simulate-principal-policy --policy-source-arn arn:aws:iam::$account:role/worker --action-names s3:GetObject kms:Decrypt \
	--query 'EvaluationResults[].EvalDecision')" "allowed	implicitDeny"
is pages "$(aws iam list-policies --scope AWS --page-size 2 --query 'length(Policies)' | awk '{n += $1} END {print (n > 5)}')" 1
"$AWS" --version 2>&1
