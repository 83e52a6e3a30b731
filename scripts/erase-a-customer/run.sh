#!/bin/sh
# Two customers under one KMS key, one of whom is erased: from the live server, and from
# a backup that was made before.
#
#	run.sh COFFER WORK
#
# COFFER is the program, WORK an empty directory. It needs the AWS CLI, and starts its
# own servers on free ports of loopback.
set -eu
coffer=$1 work=$2
cd "$work"
unset AWS_PROFILE AWS_SESSION_TOKEN AWS_CA_BUNDLE 2>/dev/null || :
export AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1 AWS_PAGER= AWS_EC2_METADATA_DISABLED=true
cli=${AWS_CLI:-aws}
aws() { "$cli" --endpoint-url "$endpoint" --output text "$@"; }
say() { echo "== $*"; }
fail() {
	echo "FAILED: $*" >&2
	exit 1
}

# serve DIR starts a server on DIR and sets endpoint and server.
serve() {
	"$coffer" serve --data "$1" --listen 127.0.0.1:0 > ready 2>> log &
	server=$!
	i=0
	until grep -q '^coffer: ready on ' ready; do
		i=$((i + 1))
		[ $i -lt 600 ] && kill -0 $server || fail "the server does not start: $(tail -3 log)"
		sleep 0.1
	done
	endpoint=$(sed -n 's/^coffer: ready on //p' ready)
}
stop() {
	kill $server
	wait $server
	server=
}
server=
trap '[ -z "$server" ] || kill $server' EXIT

say "a server, and who may erase: no administrator by that alone"
serve data
export AWS_SHARED_CREDENTIALS_FILE="$work/data/credentials"
aws iam create-user --user-name eraser > /dev/null
aws iam put-user-policy --user-name eraser --policy-name erase --policy-document '{
  "Version": "2012-10-17",
  "Statement": [{"Effect": "Allow", "Action": ["coffer:ShredNow", "coffer:ShredSubject", "coffer:PreviewShred", "kms:DescribeKey", "kms:ScheduleKeyDeletion"], "Resource": "*"}]
}'
set -- $(aws iam create-access-key --user-name eraser --query 'AccessKey.[AccessKeyId,SecretAccessKey]')
cat > eraser <<EOF
[default]
aws_access_key_id = $1
aws_secret_access_key = $2
EOF
shred() { AWS_SHARED_CREDENTIALS_FILE="$work/eraser" "$coffer" shred --endpoint-url "$endpoint" "$@"; }

say "one key for all customers, and a key of his own for each"
key=$(aws kms create-key --tags TagKey=coffer:shred-by,TagValue=subject --query KeyMetadata.Arn)
aws kms create-alias --alias-name alias/customers --target-key-id "$key"
other=$(aws kms create-key --query KeyMetadata.Arn)

say "two buckets with versions: one names the customer in the object key, one in the request"
for b in invoices letters; do
	aws s3api create-bucket --bucket $b > /dev/null
	aws s3api put-bucket-versioning --bucket $b --versioning-configuration Status=Enabled
	aws s3api put-bucket-encryption --bucket $b --server-side-encryption-configuration \
		'{"Rules":[{"ApplyServerSideEncryptionByDefault":{"SSEAlgorithm":"aws:kms","KMSMasterKeyID":"alias/customers"},"BucketKeyEnabled":true}]}'
done
aws s3api put-bucket-tagging --bucket invoices --tagging 'TagSet=[{Key=coffer:subject-from,Value=segment:1}]'

# write CUSTOMER makes two versions of an object in each bucket, and encrypts a field.
write() {
	for n in 1 2; do
		echo "invoice $n of $1" > invoice
		aws s3api put-object --bucket invoices --key "$1/2026/invoice" --body invoice > /dev/null
		echo "letter $n to $1" > letter
		aws s3api put-object --bucket letters --key "letter-$1" --body letter --server-side-encryption aws:kms \
			--ssekms-key-id alias/customers --ssekms-encryption-context "$(printf '{"subject":"%s"}' "$1" | base64)" > /dev/null
	done
	printf 'born in 1980: %s' "$1" > plain
	aws kms encrypt --key-id alias/customers --plaintext fileb://plain --encryption-context subject="$1" --query CiphertextBlob | base64 -d > "field-$1"
}

# versions BUCKET KEY prints the version IDs of an object.
versions() { aws s3api list-object-versions --bucket "$1" --prefix "$2" --query 'Versions[].VersionId'; }

# reads CUSTOMER reads everything of a customer, or fails.
reads() {
	for at in "invoices $1/2026/invoice" "letters letter-$1"; do
		set -- "$1" $at
		for v in $(versions "$2" "$3"); do
			aws s3api get-object --bucket "$2" --key "$3" --version-id "$v" got > /dev/null || fail "$3 of $2 does not read"
			grep -q "$1" got || fail "$3 of $2 reads as $(cat got)"
		done
	done
	aws kms decrypt --ciphertext-blob "fileb://field-$1" --encryption-context subject="$1" --query Plaintext | base64 -d | grep -q "1980: $1" ||
		fail "the field of $1 does not decrypt"
}

# dark CUSTOMER makes sure that nothing of a customer can be read.
dark() {
	for at in "invoices $1/2026/invoice" "letters letter-$1"; do
		set -- "$1" $at
		all=$(versions "$2" "$3")
		[ -n "$all" ] || fail "$3 of $2 is not listed any more"
		for v in $all; do
			if aws s3api get-object --bucket "$2" --key "$3" --version-id "$v" got > /dev/null 2> refusal; then
				fail "version $v of $3 in $2 reads"
			fi
		done
	done
	grep -q "destroyed" refusal || fail "the refusal does not say why: $(cat refusal)"
	if aws kms decrypt --ciphertext-blob "fileb://field-$1" --encryption-context subject="$1" > /dev/null 2> refusal; then
		fail "the field of $1 decrypts"
	fi
}
write alice
write bob
reads alice
reads bob
echo "not about a customer" > plain
aws s3api put-object --bucket letters --key circular --body plain --server-side-encryption aws:kms --ssekms-key-id "$other" > /dev/null

say "a call that names no customer is refused"
if aws s3api put-object --bucket letters --key nobody --body plain > /dev/null 2> refusal; then
	fail "an object without a customer was written"
fi
cat refusal

say "a backup"
"$coffer" backup --to backups --endpoint-url "$endpoint"

say "what erasing alice would do"
shred --key alias/customers --context subject=alice --preview
if AWS_SHARED_CREDENTIALS_FILE="$work/data/credentials" "$coffer" shred --endpoint-url "$endpoint" \
	--key alias/customers --context subject=alice --now --yes 2> refusal; then
	fail "the root user erased alice at once"
fi
cat refusal

say "take it back while the waiting period lasts"
shred --key alias/customers --context subject=alice --window 7d --yes
dark_for_now=$(aws s3api get-object --bucket letters --key letter-alice got 2>&1) && fail "alice reads while her deletion is pending"
echo "$dark_for_now"
AWS_SHARED_CREDENTIALS_FILE="$work/data/credentials" "$coffer" shred --endpoint-url "$endpoint" --key alias/customers --context subject=alice --cancel
reads alice

say "erase alice"
shred --key alias/customers --context subject=alice --now --yes --receipt alice.receipt
dark alice
reads bob
if aws kms encrypt --key-id alias/customers --plaintext fileb://plain --encryption-context subject=alice > /dev/null 2>&1; then
	fail "alice can be used again"
fi

say "the receipt, offline"
stop
"$coffer" verify receipt alice.receipt --trust data/receipt.pub
"$coffer" verify receipt alice.receipt --trust data/receipt.pub --backup backups --root-from data \
	--survivor subject=bob --survivor "$other"
size=$(wc -c < alice.receipt)
for at in 40 $((size / 2)) $((size - 40)); do
	was=$(dd if=alice.receipt bs=1 skip=$at count=1 2> /dev/null)
	new=0
	[ "$was" != 0 ] || new=1
	cp alice.receipt altered
	printf %s "$new" | dd of=altered bs=1 seek=$at conv=notrunc 2> /dev/null
	if "$coffer" verify receipt altered --trust data/receipt.pub > /dev/null 2>&1; then
		fail "a receipt with another byte $at verifies"
	fi
done

say "the old backup, restored"
"$coffer" restore --from backups --data restored --root-from data
serve restored
dark alice
reads bob
aws s3api get-object --bucket letters --key circular got > /dev/null
cmp plain got
stop
say "done"
