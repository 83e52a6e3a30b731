#!/usr/bin/env python3
"""Checks the vectors of docs/spec/backup.md with another implementation.

Needs the package cryptography. Prints nothing but a summary if all agree."""

import hashlib
import hmac
import json
import pathlib
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KINDS = {"rows": 1, "blobs": 2, "index": 3, "manifests": 4}
SEGMENT, OVERHEAD = 1 << 20, 28
MIN, TARGET, MAX = 64 << 10, 256 << 10, 1 << 20

v = json.loads((pathlib.Path(__file__).parent / "backup.json").read_text())
key = bytes.fromhex(v["Key"])


def kdf(secret, salt, info):
    return HKDF(SHA512(), 32, salt, info).derive(secret)


file_key = kdf(key, None, b"coffer/v1/backup-file")
name_key = kdf(key, None, b"coffer/v1/backup-name")
cut_key = kdf(key, None, b"coffer/v1/backup-boundary")


def mac(label, data=b""):
    return hmac.new(name_key, label + b"\0" + data, hashlib.sha256).digest()


def chunk_id(kind, plain):
    return mac(b"coffer/v1/backup-chunk", bytes([kind]) + plain)


def open_file(kind, name, f):
    if f[:8] != b"CofferBK" or f[8] != 1 or f[9] != kind or len(f) < 42 + OVERHEAD:
        raise ValueError
    a = AESGCM(kdf(file_key, f[10:42], b"coffer/v1/backup-file"))
    body, plain, i = f[42:], b"", 0
    while True:
        seg, body = body[: SEGMENT + OVERHEAD], body[SEGMENT + OVERHEAD :]
        aad = b"coffer/v1/backup-file\0\x01" + bytes([kind]) + name + struct.pack(">QB", i, not body)
        plain += a.decrypt(seg[:12], seg[12:], aad)
        i += 1
        if not body:
            break
    if kind in (1, 3) and chunk_id(kind, plain) != name:
        raise ValueError
    return plain


def uvarint(n):
    return 1 + (max(n.bit_length(), 1) - 1) // 7


def cuts(size, records):
    out, total, count = [], 0, 0
    for i in range(records):
        k = b"row/%06d" % i
        n = uvarint(len(k)) + uvarint(size) + len(k) + size
        if total and total + n > MAX:
            out.append(count)
            total = count = 0
        total, count = total + n, count + 1
        h = struct.unpack(">I", hmac.new(cut_key, k, hashlib.sha256).digest()[:4])[0]
        if total >= MIN and h * TARGET < n << 32:
            out.append(count)
            total = count = 0
    return out + [count] if count else out


assert mac(b"coffer/v1/backup-set").hex() == v["Set"]
for b in v["Blobs"]:
    assert mac(b"coffer/v1/backup-blob", b["Blob"].encode()).hex() == b["ID"]
for c in v["Chunks"]:
    assert chunk_id(KINDS[c["Kind"]], bytes.fromhex(c["Plain"])).hex() == c["ID"]
for f in v["Accepted"]:
    assert open_file(KINDS[f["Kind"]], bytes.fromhex(f["ID"]), bytes.fromhex(f["File"])).hex() == f["Plain"], f["Name"]
for f in v["Rejected"]:
    try:
        open_file(KINDS[f["Kind"]], bytes.fromhex(f["ID"]), bytes.fromhex(f["File"]))
    except (ValueError, InvalidTag):
        continue
    raise AssertionError(f["Name"])
for c in v["Cuts"]:
    assert cuts(c["Size"], c["Records"]) == c["Counts"], c["Size"]
print("%d files, %d cuts agree" % (len(v["Accepted"]) + len(v["Rejected"]), len(v["Cuts"])))
