#!/usr/bin/env python3
"""Writes the vectors of docs/spec/key-blob.md, from the document alone.

It shares no code with the Go implementation. Usage: python3 make.py
(needs the package "cryptography"). Vectors are added, never changed.
"""
import hashlib
import json
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def rnd(label, n=32):
    """Fixed bytes that look random."""
    return hashlib.shake_128(b"coffer vectors: " + label.encode()).digest(n)


def u32(x): return x.to_bytes(4, "big")
def lp(b): return u32(len(b)) + b
def flip(b, at): return b[:at] + bytes([b[at] ^ 1]) + b[at + 1:]


def encode(context):
    pairs = sorted((k.encode(), v.encode()) for k, v in context.items())
    return u32(len(pairs)) + b"".join(lp(k) + lp(v) for k, v in pairs)


def seal(name, plain, context, version=1):
    material, mid, salt, nonce = rnd(name + " material"), rnd(name + " id"), rnd(name + " salt"), rnd(name + " nonce", 12)
    out = HKDF(SHA512(), 64, salt, b"coffer/v1/kms").derive(material)
    header = bytes([version]) + mid + salt
    blob = header + out[32:] + nonce + AESGCM(out[:32]).encrypt(nonce, plain, header + encode(context))
    return dict(name=name, material=material, materialID=mid, salt=salt, context=context, plain=plain, blob=blob)


accepted = [
    seal("a data key", rnd("data key"), {}),
    seal("an empty plaintext", b"", {}),
    seal("one pair", b"attack at dawn", {"aws:s3:arn": "arn:aws:s3:::bucket/key"}),
    seal("pairs in order of bytes", b"attack at dawn", {"b": "2", "a": "1", "B": "3", "aa": "4", "": "", "\u00fc": "\u20ac", "\uffff": "5", "\U0001f511": "6"}),
    seal("4096 bytes", bytes(i % 251 for i in range(4096)), {"purpose": "limit"}),
    seal("keys that hold separators", b"x", {"a=b,c": "d", "a": "b\0c"}),
]
rejected = []


def reject(why, error, of, **change):
    v = of | change | dict(name=why, error=error)
    del v["plain"]
    rejected.append(v)


a = seal("rejected", b"attack at dawn", {"a": "b", "c": "d"})
x = a["blob"]
reject("there is nothing", "format", a, blob=b"")
reject("124 bytes are no blob", "format", a, blob=x[:124])
reject("the version is 0", "format", a, blob=b"\x00" + x[1:])
reject("the version is 2", "format", a, blob=b"\x02" + x[1:])
reject("the material ID is another", "open", a, blob=flip(x, 1))
reject("the salt is another", "open", a, blob=flip(x, 33))
reject("the commitment is another", "open", a, blob=flip(x, 65))
reject("the nonce is another", "open", a, blob=flip(x, 97))
reject("the ciphertext is another", "open", a, blob=flip(x, 109))
reject("the tag is another", "open", a, blob=flip(x, len(x) - 1))
reject("the last byte is cut off", "open", a, blob=x[:-1])
reject("a byte follows", "open", a, blob=x + b"\x00")
reject("the material is another", "open", a, material=flip(a["material"], 0))
reject("there is no context", "open", a, context={})
reject("a pair is missing", "open", a, context={"a": "b"})
reject("there is one pair more", "open", a, context={"a": "b", "c": "d", "": ""})
reject("keys and values are exchanged", "open", a, context={"b": "a", "d": "c"})
reject("the case differs", "open", a, context={"A": "b", "c": "d"})
reject("one pair spells the two", "open", a, context={"a": "bcd"})
reject("a key spells key and value", "open", a, context={"ab": "", "c": "d"})
reject("one pair encodes the two", "open", a, context={"a": "b\x00\x00\x00\x01c\x00\x00\x00\x01d"})


def hexed(x):
    if isinstance(x, bytes): return x.hex()
    if isinstance(x, list): return [hexed(y) for y in x]
    if isinstance(x, dict): return {k: hexed(v) for k, v in x.items()}
    return x


with open("blobs.json", "w") as f:
    json.dump(hexed(dict(accepted=accepted, rejected=rejected)), f, indent=1, ensure_ascii=True)
    f.write("\n")
