#!/usr/bin/env python3
"""Check the accepted vectors with an implementation of docs/spec/key-hierarchy.md
that shares no code with package key. Needs the package cryptography."""
import hashlib
import hmac
import json
import pathlib
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

here = pathlib.Path(__file__).parent
DEPTH = 20


def load(name):
    return [v for v in json.loads((here / name).read_text()) if "reject" not in v]


def hkdf(secret, salt, info):
    prk = hmac.new(salt or bytes(64), secret, hashlib.sha512).digest()
    return hmac.new(prk, info + b"\x01", hashlib.sha512).digest()[:32]


def unseal(key, sealed, data):
    assert sealed[0] == 1
    return AESGCM(key).decrypt(sealed[1:13], sealed[13:], data)


def be(n, size):
    return n.to_bytes(size, "big")


for v in load("tree.json"):
    if "leafSecret" in v:
        k = hkdf(bytes.fromhex(v["shardSecret"]), b"", b"coffer/v1/tree-root" + be(v["shard"], 2))
        for i in reversed(range(DEPTH)):
            both = hmac.new(k, b"coffer/v1/tree", hashlib.sha512).digest()
            k = both[32:] if v["leaf"] >> i & 1 else both[:32]
        assert k.hex() == v["leafSecret"], v["name"]

for v in load("wrap.json"):
    w = bytes.fromhex(v["wrapped"])
    data = b"coffer/v1/key-wrap"
    for s in (v["kind"], v["account"], v["region"], v["id"]):
        data += be(len(s), 2) + s.encode()
    data += be(v["version"], 4) + bytes.fromhex(v["material"])
    k = hkdf(bytes.fromhex(v["leaf"]), w[:32], b"coffer/v1/key-wrap")
    assert unseal(k, w[32:], data).hex() == v["secret"], v["name"]

for v in load("body.json"):
    w = bytes.fromhex(v["sealed"])
    data = b"coffer/v1/key-wrap"
    for s in ("kms-body", v["account"], v["region"], v["id"]):
        data += be(len(s), 2) + s.encode()
    data += be(v["version"], 4) + bytes.fromhex(v["material"])
    k = hkdf(bytes.fromhex(v["secret"]), w[:32], b"coffer/v1/key-body")
    assert unseal(k, w[32:], data).hex() == v.get("body", ""), v["name"]


def place(v):
    region = "" if v["id"].startswith("mrk-") else v["region"]
    return "/".join((v["account"], region, v["id"])).encode()


for v in load("subject.json"):
    k = hkdf(bytes.fromhex(v["storeKey"]), b"", b"coffer/v1/purpose/subject-id/v1")
    data = b""
    for s in (place(v), v["pair"].encode(), v["value"].encode()):
        data += be(len(s), 4) + s
    subject = hmac.new(k, data, hashlib.sha256).digest()
    assert subject.hex() == v["subject"], v["name"]
    mixed = hkdf(bytes.fromhex(v["material"]), bytes.fromhex(v["secret"]), b"coffer/v1/subject" + bytes.fromhex(v["of"]))
    assert mixed.hex() == v["mixed"], v["name"]

for v in load("import.json"):
    k = hkdf(bytes.fromhex(v["storeKey"]), b"", b"coffer/v1/purpose/import-id/v1")
    made = hmac.new(k, place(v) + b"\0" + bytes.fromhex(v["material"]), hashlib.sha256)
    assert made.hexdigest() == v["materialId"], v["name"]

for v in load("frontier.json"):
    k = hkdf(bytes.fromhex(v["shardSecret"]), b"", b"coffer/v1/frontier")
    data = b"coffer/v1/frontier" + be(v["shard"], 2) + be(v["generation"], 8)
    assert unseal(k, bytes.fromhex(v["sealed"]), data).hex() == v.get("plain", ""), v["name"]

for v in load("head.json"):
    k = hkdf(bytes.fromhex(v["root"]), b"", b"coffer/v1/head")
    head = unseal(k, (here / "head.bin").read_bytes(), b"coffer/v1/head" + be(v["epoch"], 8))
    entry = head[48 + 40 * v["shard"]:][:40]
    assert len(head) == 48 + 40 * 1024 and head[:32].hex() == v["storeKey"]
    assert head[32:48].hex() == v["storeID"] and entry == bytes.fromhex(v["shardSecret"]) + be(v["generation"], 8)

for v in load("xks.json"):
    metadata, aad = bytes.fromhex(v["ciphertextMetadata"]), bytes.fromhex(v["aad"])
    k = hkdf(bytes.fromhex(v["material"]), metadata, b"coffer/v1/xks/" + v["account"].encode() + b"/" + v["keyId"].encode())
    data = be(len(aad), 2) + aad + be(len(metadata), 1) + metadata
    sealed = bytes.fromhex(v["ciphertext"]) + bytes.fromhex(v["authenticationTag"])
    plain = AESGCM(k).decrypt(bytes.fromhex(v["initializationVector"]), sealed, data)
    assert plain.hex() == v["plaintext"], v["name"]

print("ok")
