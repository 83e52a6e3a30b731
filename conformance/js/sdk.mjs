// What users of the AWS SDK for JavaScript rely on: its defaults, with a CRC32 in
// the trailer of every upload, checked again on every download.
//
// The endpoint and the credentials are in the environment: ENDPOINT and AWS_*.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import {
  CopyObjectCommand, CreateBucketCommand, DeleteObjectsCommand, GetObjectAttributesCommand, GetObjectCommand, HeadObjectCommand,
  ListObjectsV2Command, PutBucketEncryptionCommand, PutObjectCommand, S3Client, paginateListObjectsV2,
} from "@aws-sdk/client-s3";
import { CreateKeyCommand, DecryptCommand, DisableKeyCommand, EncryptCommand, GenerateDataKeyCommand, KMSClient } from "@aws-sdk/client-kms";
import { Upload } from "@aws-sdk/lib-storage";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";

const endpoint = process.env.ENDPOINT;
const region = process.env.AWS_REGION;
const s3 = new S3Client({ endpoint, region, forcePathStyle: true });
const kms = new KMSClient({ endpoint, region });
const Bucket = "javascript";

const sum = (b) => createHash("sha256").update(b).digest("hex");
const data = (n) => Buffer.alloc(n, createHash("sha256").update(String(n)).digest());
const body = async (out) => Buffer.from(await out.Body.transformToByteArray());
const get = async (Key, more = {}) => body(await s3.send(new GetObjectCommand({ Bucket, Key, ...more })));
const refused = (promise, name) => assert.rejects(promise, (e) => {
  assert.equal(e.name, name, e.stack);
  assert.ok(e.message && e.$metadata.requestId, "an error has a message and a request id");
  return true;
});

async function objects() {
  for (const n of [0, 1, 70_000, 3 << 20]) {
    const Key = `n/${n}`;
    await s3.send(new PutObjectCommand({ Bucket, Key, Body: data(n) }));
    const out = await s3.send(new GetObjectCommand({ Bucket, Key, ChecksumMode: "ENABLED" }));
    assert.ok(out.ChecksumCRC32 || out.ChecksumCRC64NVME, `no checksum of the SDK's by default on ${Key}`);
    assert.equal(sum(await body(out)), sum(data(n)));
  }
  for (const ChecksumAlgorithm of ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"]) {
    await s3.send(new PutObjectCommand({ Bucket, Key: ChecksumAlgorithm, Body: data(1000), ChecksumAlgorithm }));
    const out = await s3.send(new GetObjectCommand({ Bucket, Key: ChecksumAlgorithm, ChecksumMode: "ENABLED" }));
    assert.ok(out[`Checksum${ChecksumAlgorithm}`], ChecksumAlgorithm);
    assert.equal(sum(await body(out)), sum(data(1000)));
  }
  // A stream of known length: its checksum follows it in a trailer.
  await s3.send(new PutObjectCommand({ Bucket, Key: "stream", Body: Readable.from([data(70_000), data(30_000)]), ContentLength: 100_000 }));
  assert.equal(sum(await get("stream")), sum(Buffer.concat([data(70_000), data(30_000)])));
  assert.equal((await get("stream", { Range: "bytes=5-9" })).length, 5);

  const Key = "odd/../ü +&?#%2F//";
  await s3.send(new PutObjectCommand({ Bucket, Key, Body: "odd", Metadata: { who: "me" } }));
  assert.equal(String(await get(Key)), "odd");
  const head = await s3.send(new HeadObjectCommand({ Bucket, Key }));
  assert.deepEqual(head.Metadata, { who: "me" });
  await s3.send(new CopyObjectCommand({ Bucket, Key: "copy", CopySource: `${Bucket}/${encodeURIComponent(Key)}` }));
  assert.equal(String(await get("copy")), "odd");

  const keys = [];
  for await (const page of paginateListObjectsV2({ client: s3, pageSize: 3 }, { Bucket })) {
    keys.push(...page.Contents.map((o) => o.Key));
  }
  assert.ok(keys.includes(Key) && keys.length === 12, `${keys}`);
  assert.deepEqual(keys, [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
  const page = await s3.send(new ListObjectsV2Command({ Bucket, Delimiter: "/" }));
  assert.deepEqual(page.CommonPrefixes.map((p) => p.Prefix), ["n/", "odd/"]);
  const deleted = await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: keys.map((Key) => ({ Key })) } }));
  assert.equal(deleted.Deleted.length, keys.length);
}

async function errors() {
  await refused(get("none"), "NoSuchKey");
  await refused(s3.send(new HeadObjectCommand({ Bucket, Key: "none" })), "NotFound");
  await refused(s3.send(new ListObjectsV2Command({ Bucket: "none-such" })), "NoSuchBucket");
  await refused(s3.send(new PutObjectCommand({ Bucket, Key: "x", Body: "x", ChecksumCRC32: "AAAAAA==" })), "BadDigest");
  await s3.send(new PutObjectCommand({ Bucket, Key: "once", Body: "x", IfNoneMatch: "*" }));
  await refused(s3.send(new PutObjectCommand({ Bucket, Key: "once", Body: "y", IfNoneMatch: "*" })), "PreconditionFailed");
  const wrong = new S3Client({ endpoint, region, forcePathStyle: true, credentials: { accessKeyId: process.env.AWS_ACCESS_KEY_ID, secretAccessKey: "x" } });
  await refused(wrong.send(new GetObjectCommand({ Bucket, Key: "once" })), "SignatureDoesNotMatch");
}

async function uploads() {
  const large = data((11 << 20) + 3);
  const out = await new Upload({ client: s3, partSize: 5 << 20, params: { Bucket, Key: "large", Body: Readable.from([large]) } }).done();
  assert.match(out.ETag, /-3"$/);
  assert.equal(sum(await get("large")), sum(large));
  const attributes = await s3.send(new GetObjectAttributesCommand({ Bucket, Key: "large", ObjectAttributes: ["ObjectParts", "Checksum", "ObjectSize"] }));
  assert.equal(attributes.ObjectParts.TotalPartsCount, 3);
  assert.equal(attributes.ObjectSize, large.length);
  assert.ok(attributes.Checksum.ChecksumType);
}

async function presigned() {
  const put = await getSignedUrl(s3, new PutObjectCommand({ Bucket, Key: "by url" }), { expiresIn: 60 });
  assert.equal((await fetch(put, { method: "PUT", body: "by url" })).status, 200);
  const url = await getSignedUrl(s3, new GetObjectCommand({ Bucket, Key: "by url", ResponseContentType: "text/x" }), { expiresIn: 60 });
  const res = await fetch(url);
  assert.equal(await res.text(), "by url");
  assert.equal(res.headers.get("content-type"), "text/x");
  assert.equal((await fetch(url.replace("by%20url", "once"))).status, 403);
}

async function keys() {
  const key = (await kms.send(new CreateKeyCommand({}))).KeyMetadata;
  const EncryptionContext = { tenant: "ä" };
  const sealed = await kms.send(new EncryptCommand({ KeyId: key.KeyId, Plaintext: Buffer.from("secret"), EncryptionContext }));
  const opened = await kms.send(new DecryptCommand({ CiphertextBlob: sealed.CiphertextBlob, EncryptionContext }));
  assert.equal(Buffer.from(opened.Plaintext).toString(), "secret");
  await assert.rejects(kms.send(new DecryptCommand({ CiphertextBlob: sealed.CiphertextBlob })), { name: "InvalidCiphertextException" });
  const pair = await kms.send(new GenerateDataKeyCommand({ KeyId: key.Arn, KeySpec: "AES_256" }));
  assert.equal(pair.Plaintext.length, 32);

  const out = await new Upload({ client: s3, partSize: 5 << 20, params: { Bucket, Key: "sealed", Body: data(6 << 20), ServerSideEncryption: "aws:kms", SSEKMSKeyId: key.Arn } }).done();
  assert.equal(out.SSEKMSKeyId, key.Arn);
  assert.equal(sum(await get("sealed")), sum(data(6 << 20)));
  await kms.send(new DisableKeyCommand({ KeyId: key.KeyId }));
  await refused(get("sealed"), "KMS.DisabledException");

  await s3.send(new PutBucketEncryptionCommand({ Bucket, ServerSideEncryptionConfiguration: { Rules: [{
    ApplyServerSideEncryptionByDefault: { SSEAlgorithm: "AES256" }, BlockedEncryptionTypes: { EncryptionType: ["NONE"] } }] } }));
  const secret = createHash("sha256").update("key").digest();
  const ssec = { SSECustomerAlgorithm: "AES256", SSECustomerKey: secret, SSECustomerKeyMD5: createHash("md5").update(secret).digest("base64") };
  await s3.send(new PutObjectCommand({ Bucket, Key: "c", Body: "mine", ...ssec }));
  assert.equal(String(await get("c", ssec)), "mine");
  await refused(get("c"), "InvalidRequest");
}

await s3.send(new CreateBucketCommand({ Bucket }));
for (const test of [objects, errors, uploads, presigned, keys]) await test();
