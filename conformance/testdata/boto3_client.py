"""What users of boto3 rely on. Runs with the old generation (Debian's, which
sums nothing unless told) and with the new one (which sums every upload).

The endpoint and the credentials are in the environment: ENDPOINT and AWS_*.
"""

import hashlib
import io
import os
import sys
import time
import urllib.error
import urllib.request

import boto3
import botocore
import botocore.auth
import botocore.awsrequest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

ENDPOINT = os.environ["ENDPOINT"]
PART = 5 << 20
parts = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART)
s3 = boto3.client("s3", endpoint_url=ENDPOINT, config=Config(signature_version="s3v4", s3={"addressing_style": "path"}))
kms = boto3.client("kms", endpoint_url=ENDPOINT)
NEW = tuple(int(n) for n in boto3.__version__.split(".")[:2]) >= (1, 36)
BUCKET = "boto3"


def equal(what, got, want):
    if got != want:
        sys.exit("%s = %r; want %r" % (what, got, want))


def refused(want, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except ClientError as e:
        equal("code", e.response["Error"]["Code"], want)
        if not e.response["Error"]["Message"]:
            sys.exit("%s without a message" % want)
        return e
    sys.exit("no error; want %s" % want)


def data(n, seed=0):
    out = bytearray()
    while len(out) < n:
        out += hashlib.sha256(b"%d %d" % (seed, len(out))).digest()
    return bytes(out[:n])


def transfers(name, body, extra=None, down=None, bucket=BUCKET):
    """Sends and fetches a file with the transfer manager, in parts if it is large."""
    with open("up", "wb") as f:
        f.write(body)
    s3.upload_file("up", bucket, name, ExtraArgs=extra or {}, Config=parts)
    s3.download_file(bucket, name, "down", ExtraArgs=down or {}, Config=parts)
    with open("down", "rb") as f:
        equal("sum of " + name, hashlib.sha256(f.read()).hexdigest(), hashlib.sha256(body).hexdigest())


def test_transfers():
    small, large = data(1000), data(3 * PART + 17)
    transfers("small", small)
    transfers("large", large, {"Metadata": {"who": "me"}, "ContentType": "text/plain"})
    head = s3.head_object(Bucket=BUCKET, Key="large")
    equal("metadata", head["Metadata"], {"who": "me"})
    equal("parts", head["ETag"].rsplit("-", 1)[1], '4"')
    s3.copy({"Bucket": BUCKET, "Key": "large"}, BUCKET, "copied", Config=parts)
    equal("size of a copy in parts", s3.head_object(Bucket=BUCKET, Key="copied")["ContentLength"], len(large))
    stream = io.BytesIO()
    s3.download_fileobj(BUCKET, "copied", stream, Config=parts)
    equal("copy", hashlib.sha256(stream.getvalue()).hexdigest(), hashlib.sha256(large).hexdigest())
    if NEW:
        head = s3.head_object(Bucket=BUCKET, Key="small", ChecksumMode="ENABLED")
        if not any(k.startswith("ChecksumCRC") for k in head):
            sys.exit("no checksum that this client sends by default: %r" % head)
    s3.put_object(Bucket=BUCKET, Key="sha", Body=small, ChecksumAlgorithm="SHA256")
    body = s3.get_object(Bucket=BUCKET, Key="sha", ChecksumMode="ENABLED")["Body"].read()
    equal("checked body", body, small)


def test_customer_keys():
    key = b"k" * 32
    # As a client decodes it: bytes, of which boto computes base64 and MD5.
    ssec = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": key}
    refused("AccessDenied", s3.put_object, Bucket=BUCKET, Key="c", Body=b"x", **ssec)
    bucket = "boto3-ssec"
    s3.create_bucket(Bucket=bucket)
    unblock(bucket)
    s3.put_object(Bucket=bucket, Key="c", Body=b"secret", **ssec)
    equal("SSE-C", s3.get_object(Bucket=bucket, Key="c", **ssec)["Body"].read(), b"secret")
    refused("InvalidRequest", s3.get_object, Bucket=bucket, Key="c")
    refused("AccessDenied", s3.get_object, Bucket=bucket, Key="c", SSECustomerAlgorithm="AES256", SSECustomerKey=b"x" * 32)
    transfers("small", data(1000), ssec, ssec, bucket)
    transfers("large", data(2 * PART + 5), ssec, ssec, bucket)


def unblock(bucket):
    """Lets a bucket take SSE-C. Old clients do not know the element."""
    body = (
        b"<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm>"
        b"</ApplyServerSideEncryptionByDefault><BlockedEncryptionTypes><EncryptionType>NONE</EncryptionType></BlockedEncryptionTypes>"
        b"</Rule></ServerSideEncryptionConfiguration>"
    )
    request = botocore.awsrequest.AWSRequest("PUT", ENDPOINT + "/" + bucket + "?encryption", data=body)
    botocore.auth.S3SigV4Auth(boto3.Session().get_credentials(), "s3", "us-east-1").add_auth(request)
    sent = urllib.request.Request(ENDPOINT + "/" + bucket + "?encryption", body, dict(request.headers.items()), method="PUT")
    urllib.request.urlopen(sent).read()


def test_errors():
    e = refused("NoSuchKey", s3.get_object, Bucket=BUCKET, Key="none")
    equal("status", e.response["ResponseMetadata"]["HTTPStatusCode"], 404)
    if not e.response["ResponseMetadata"]["RequestId"]:
        sys.exit("no request id")
    equal("modelled", isinstance(e, s3.exceptions.NoSuchKey), True)
    refused("404", s3.head_object, Bucket=BUCKET, Key="none")
    refused("NoSuchBucket", s3.list_objects_v2, Bucket="none-such")
    s3.create_bucket(Bucket=BUCKET)  # in us-east-1 it is no error
    refused("InvalidRange", s3.get_object, Bucket=BUCKET, Key="small", Range="bytes=5000-")
    refused("304", s3.get_object, Bucket=BUCKET, Key="small", IfNoneMatch=s3.head_object(Bucket=BUCKET, Key="small")["ETag"])
    refused("NoSuchBucketPolicy", s3.get_bucket_policy, Bucket=BUCKET)
    stranger = boto3.client("s3", endpoint_url=ENDPOINT, aws_access_key_id="AKIANONESUCH", aws_secret_access_key="x", config=Config(signature_version="s3v4"))
    refused("InvalidAccessKeyId", stranger.list_buckets)
    wrong = boto3.client("s3", endpoint_url=ENDPOINT, aws_secret_access_key="x", aws_access_key_id=os.environ["AWS_ACCESS_KEY_ID"])
    refused("SignatureDoesNotMatch", wrong.list_buckets)


def test_listings():
    keys = sorted(["p/%03d" % i for i in range(25)] + ["p/a b+c", "p/\u00e9", "p/&<>\"'", "p/\n"], key=lambda k: k.encode())
    for key in keys:
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"")
    for op in "list_objects_v2", "list_objects":
        pages = s3.get_paginator(op).paginate(Bucket=BUCKET, Prefix="p/", PaginationConfig={"PageSize": 7})
        equal(op, [o["Key"] for page in pages for o in page["Contents"]], keys)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Delimiter="/")
    equal("prefixes", [p["Prefix"] for page in pages for p in page.get("CommonPrefixes", [])], ["p/"])
    deleted = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": k} for k in keys]})
    equal("deleted", sorted(d["Key"] for d in deleted["Deleted"]), sorted(keys))
    equal("left", s3.list_objects_v2(Bucket=BUCKET, Prefix="p/")["KeyCount"], 0)


def test_presigned():
    url = s3.generate_presigned_url("put_object", Params={"Bucket": BUCKET, "Key": "by url"}, ExpiresIn=60)
    urllib.request.urlopen(urllib.request.Request(url, b"by url", {"Content-Type": ""}, method="PUT")).read()
    url = s3.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "by url"}, ExpiresIn=60)
    equal("GET of a URL", urllib.request.urlopen(url).read(), b"by url")
    expired = s3.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "by url"}, ExpiresIn=1)
    time.sleep(1.1)
    equal("status of an expired URL", status(expired), 403)

    form = s3.generate_presigned_post(BUCKET, "form/${filename}", Fields={"acl": "private"},
                                      Conditions=[{"acl": "private"}, ["content-length-range", 1, 10]], ExpiresIn=60)
    equal("POST", post(form, b"by form"), 204)
    equal("object of a form", s3.get_object(Bucket=BUCKET, Key="form/name.txt")["Body"].read(), b"by form")
    equal("POST of too much", post(form, b"more than ten"), 400)
    form["fields"]["acl"] = "public-read"
    equal("POST of another ACL", post(form, b"x"), 403)


def status(request):
    try:
        return urllib.request.urlopen(request).status
    except urllib.error.HTTPError as e:
        return e.code


def post(form, body):
    boundary = "b0undary"
    out = b""
    for name, value in form["fields"].items():
        out += ('--%s\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (boundary, name, value)).encode()
    out += ('--%s\r\nContent-Disposition: form-data; name="file"; filename="name.txt"\r\n\r\n' % boundary).encode()
    out += body + ("\r\n--%s--\r\n" % boundary).encode()
    return status(urllib.request.Request(form["url"], out, {"Content-Type": "multipart/form-data; boundary=" + boundary}))


def test_kms():
    key = kms.create_key(Description="boto3")["KeyMetadata"]
    kms.create_alias(AliasName="alias/boto3", TargetKeyId=key["KeyId"])
    context = {"tenant": "a"}
    blob = kms.encrypt(KeyId="alias/boto3", Plaintext=b"secret", EncryptionContext=context)["CiphertextBlob"]
    equal("decrypt", kms.decrypt(CiphertextBlob=blob, EncryptionContext=context)["Plaintext"], b"secret")
    pair = kms.generate_data_key(KeyId=key["Arn"], KeySpec="AES_256")
    equal("data key", kms.decrypt(CiphertextBlob=pair["CiphertextBlob"])["Plaintext"], pair["Plaintext"])
    extra = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "alias/boto3"}
    transfers("kms", data(2 * PART + 1), extra)
    equal("key of an object", s3.head_object(Bucket=BUCKET, Key="kms")["SSEKMSKeyId"], key["Arn"])
    kms.disable_key(KeyId=key["KeyId"])
    refused("KMS.DisabledException", s3.get_object, Bucket=BUCKET, Key="kms")
    e = refused("DisabledException", kms.encrypt, KeyId=key["KeyId"], Plaintext=b"x")
    equal("message", e.response["Error"]["Message"], key["Arn"] + " is disabled.")
    ids = [k["KeyId"] for page in kms.get_paginator("list_keys").paginate(PaginationConfig={"PageSize": 1}) for k in page["Keys"]]
    equal("key listed", key["KeyId"] in ids, True)


def test_versions():
    bucket = "boto3-versions"
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for body in b"1", b"2":
        s3.put_object(Bucket=bucket, Key="k", Body=body)
    s3.delete_object(Bucket=bucket, Key="k")
    page = s3.list_object_versions(Bucket=bucket)
    equal("versions", (len(page["Versions"]), len(page["DeleteMarkers"])), (2, 1))
    boto3.resource("s3", endpoint_url=ENDPOINT).Bucket(bucket).object_versions.delete()
    s3.delete_bucket(Bucket=bucket)


s3.create_bucket(Bucket=BUCKET)
s3.get_waiter("bucket_exists").wait(Bucket=BUCKET)
for test in test_transfers, test_customer_keys, test_errors, test_listings, test_presigned, test_kms, test_versions:
    test()
print("boto3", boto3.__version__, "botocore", botocore.__version__)
