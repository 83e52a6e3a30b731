#!/usr/bin/env python3
"""Writes the vectors of docs/spec/rows.md, from the document alone.

It shares no code with the Go implementation. Usage: python3 make.py
(needs the package "cryptography"). Vectors are added, never changed: what is
derived here from fixed inputs comes out the same every time.
"""
import hashlib
import json
import pathlib
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def rnd(label, n):
    """Fixed bytes that look random."""
    return hashlib.shake_128(b"coffer row vectors: " + label.encode()).digest(n)


def seal(store_key, salt, nonce, row_key, value, version=1, info=b"coffer/v1/row", bind=b"coffer/v1/row\x00"):
    key = HKDF(SHA512(), 32, salt, info).derive(store_key)
    return bytes([version]) + salt + nonce + AESGCM(key).encrypt(nonce, value, bind + row_key)


def vector(name, row_key, sealed, value=None, store_key=rnd("store key", 32), why=None):
    v = {"name": name, "storeKey": store_key.hex(), "rowKey": row_key.hex(), "sealed": sealed.hex()}
    if why is None:
        v["value"] = value.hex()
    else:
        v["why"] = why
    return v


key = rnd("store key", 32)
salt, nonce = rnd("salt", 16), rnd("nonce", 12)
row = b"bucket/photos"
good = seal(key, salt, nonce, row, b"the value")

accepted = [vector(name, k, seal(key, rnd(name + " salt", 16), rnd(name + " nonce", 12), k, v), v) for name, k, v in [
    ("a short value", b"bucket/photos", b"the value"),
    ("an empty value", b"a", b""),
    ("a key of any bytes", bytes(range(256)), b"\x00"),
    ("the longest key", b"k" * 8192, b"v"),
    ("a value of many blocks", b"object/1", bytes(i % 251 for i in range(1000))),
]]

rejected = [
    vector("empty", row, b"", why="shorter than an envelope"),
    vector("one byte short of an envelope", row, good[:44], why="shorter than an envelope"),
    vector("cut at the end", row, good[:-1], why="the tag does not match"),
    vector("a byte too many", row, good + b"\x00", why="the tag does not match"),
    vector("version 0", row, b"\x00" + good[1:], why="unknown version"),
    vector("version 2", row, b"\x02" + good[1:], why="unknown version"),
    vector("moved to another row", b"bucket/photo", good, why="bound to its row key"),
    vector("moved to the empty key", b"", good, why="bound to its row key"),
    vector("another salt", row, good[:1] + rnd("other salt", 16) + good[17:], why="another cipher key"),
    vector("another nonce", row, good[:17] + rnd("other nonce", 12) + good[29:], why="the tag does not match"),
    vector("a flipped bit of the ciphertext", row, good[:30] + bytes([good[30] ^ 1]) + good[31:], why="the tag does not match"),
    vector("a flipped bit of the tag", row, good[:-1] + bytes([good[-1] ^ 0x80]), why="the tag does not match"),
    vector("another store key", row, good, store_key=rnd("other store key", 32), why="another cipher key"),
    vector("sealed without the row key", row, seal(key, salt, nonce, b"", b"the value"), why="bound to its row key"),
    vector("sealed without a zero byte before the row key", row, seal(key, salt, nonce, row, b"the value", bind=b"coffer/v1/row"), why="other additional data"),
    vector("sealed under another purpose", row, seal(key, salt, nonce, row, b"the value", info=b"coffer/v1/segment"), why="another cipher key"),
]

out = pathlib.Path(__file__).with_name("rows.json")
out.write_text(json.dumps({"accepted": accepted, "rejected": rejected}, indent=1) + "\n")
