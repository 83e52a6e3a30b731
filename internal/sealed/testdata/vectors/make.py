#!/usr/bin/env python3
"""Writes the vectors of docs/spec/sealed-object.md, from the document alone.

It shares no code with the Go implementation. Usage: python3 make.py
(needs the package "cryptography"). Vectors are added, never changed: what is
derived here from fixed inputs comes out the same every time.
"""
import hashlib
import json
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SEG = 65536


def rnd(label, n=32):
    """Fixed bytes that look random."""
    return hashlib.shake_128(b"coffer vectors: " + label.encode()).digest(n)


def u8(x): return x.to_bytes(1, "big")
def u32(x): return x.to_bytes(4, "big")
def u64(x): return x.to_bytes(8, "big")
def lp(b): return u32(len(b)) + b
def pattern(n): return bytes(i % 251 for i in range(n))


def hkdf(secret, salt, info, n=64):
    return HKDF(SHA512(), n, salt, info).derive(secret)


def kdf(secret, salt, info):
    out = hkdf(secret, salt, info)
    return out[:32], out[32:]


def gcm(key, nonce, aad, plain):
    return nonce + AESGCM(key).encrypt(nonce, plain, aad)


def box(secret, salt, info, aad, plain, nonce):
    key, commitment = kdf(secret, salt, info)
    return commitment + gcm(key, nonce, aad, plain)


# --- bodies ---------------------------------------------------------------

def derive(suite, keys, cid):
    ds = [kdf(k, cid, b"coffer/v1/segment" + u8(suite) + u8(i + 1)) for i, k in enumerate(keys)]
    return [d[0] for d in ds], b"".join(d[1] for d in ds)


def make_body(name, suite, plain, index0=0, last=None, segsize=SEG):
    keys = [rnd(f"{name} key {i}") for i in range(suite)]
    cid = rnd(f"{name} id")
    eks, commitment = derive(suite, keys, cid)
    body = b"coffer" + u8(1) + u8(suite) + cid + commitment
    segs = [plain[i:i + segsize] for i in range(0, len(plain), segsize)] or [b""]
    nonces = []
    for i, s in enumerate(segs):
        is_last = (i == len(segs) - 1) if last is None else last
        for layer in range(suite):
            nonce = rnd(f"{name} nonce {i} {layer}", 12)
            nonces.append(nonce)
            aad = u8(suite) + u8(layer + 1) + u64(index0 + i) + u8(is_last)
            s = gcm(eks[layer], nonce, aad, s)
        body += s
    return dict(keys=keys, id=cid, commitment=commitment, nonces=nonces, body=body, suite=suite, plain=plain)


def hexed(x):
    if isinstance(x, bytes): return x.hex()
    if isinstance(x, list): return [hexed(y) for y in x]
    if isinstance(x, dict): return {k: hexed(v) for k, v in x.items()}
    return x


def bodies():
    accepted, rejected = [], []
    for suite in (1, 2):
        for plain, short in [(b"", True), (b"\x00", True), (b"sealed, always", True)] + \
                            [(pattern(n), False) for n in (SEG - 1, SEG, SEG + 1, 5 * SEG, 5 * SEG + 1234)]:
            name = f"suite {suite}, {len(plain)} bytes"
            b = make_body(name, suite, plain)
            v = dict(name=name, suite=suite, keys=b["keys"], id=b["id"], commitment=b["commitment"],
                     nonces=b["nonces"], length=len(plain))
            if short:
                v |= dict(plain=plain, body=b["body"])
            else:
                v |= dict(plainRule=f"pattern({len(plain)})", bodySHA256=hashlib.sha256(b["body"]).digest())
            accepted.append(v)

    def reject(why, error, b, **change):
        v = dict(name=why, suite=b["suite"], keys=b["keys"], id=b["id"], commitment=b["commitment"],
                 length=len(b["plain"]), body=b["body"], error=error)
        rejected.append(v | change)

    def flip(b, at):
        return b[:at] + bytes([b[at] ^ 1]) + b[at + 1:]

    for suite in (1, 2):
        b = make_body(f"rejected {suite}", suite, b"sealed, always")
        body, n, h = b["body"], len(b["body"]), 40 + 32 * suite
        s = f"suite {suite}: "
        reject(s + "the magic is another", "damaged", b, body=flip(body, 0))
        reject(s + "the version is 0", "format", b, body=flip(body, 6))
        reject(s + "the suite of the header is unknown", "format", b, body=body[:7] + b"\x03" + body[8:])
        reject(s + "the suite of the content is unknown", "format", b, suite=3)
        reject(s + "the content ID of the header is another", "damaged", b, body=flip(body, 8))
        reject(s + "the commitment of the header is another", "damaged", b, body=flip(body, 40))
        reject(s + "the commitment of the content is another", "wrong key", b, commitment=flip(b["commitment"], 0))
        reject(s + "the content ID of the content is another", "wrong key", b, id=flip(b["id"], 31))
        reject(s + "the last key is another", "wrong key", b, keys=b["keys"][:-1] + [flip(b["keys"][-1], 0)])
        reject(s + "the first key is another", "wrong key", b, keys=[flip(b["keys"][0], 0)] + b["keys"][1:])
        reject(s + "the nonce is another", "damaged", b, body=flip(body, h))
        reject(s + "the ciphertext is another", "damaged", b, body=flip(body, n - 17))
        reject(s + "the tag is another", "damaged", b, body=flip(body, n - 1))
        reject(s + "the last byte is cut off", "damaged", b, body=body[:-1])
        reject(s + "only the header is left", "damaged", b, body=body[:h])
        reject(s + "nothing is left", "damaged", b, body=b"")
        reject(s + "a byte follows", "damaged", b, body=body + b"\x00")
        reject(s + "the length is one less", "damaged", b, length=len(b["plain"]) - 1)
        reject(s + "the length is negative", "format", b, length=-1)
        reject(s + "the segment was sealed as not the last", "damaged",
               make_body(f"not last {suite}", suite, b"sealed, always", last=False))
        reject(s + "the segment was sealed at index 1", "damaged",
               make_body(f"index 1 {suite}", suite, b"sealed, always", index0=1))
        reject(s + "the segments are of 8 bytes", "damaged",
               make_body(f"segments of 8 {suite}", suite, b"sealed, always", segsize=8))
    d = make_body("swapped layers", 2, b"sealed, always")
    reject("suite 2: the keys of the layers are exchanged", "wrong key", d, keys=d["keys"][::-1])
    return dict(accepted=hexed(accepted), rejected=hexed(rejected))


# --- wraps, part keys, checksums, key checks, part lists --------------------

def enc_content(c):
    return c["id"] + u64(c["length"]) + u8(c["suite"]) + u8(len(c["commitment"])) + c["commitment"]


def enc_binding(b):
    return b["store"] + b["bucket"] + lp(b["key"].encode()) + lp(b["version"].encode()) + enc_content(b["content"]) + b["parts"]


def enc_part(b):
    return lp(b["upload"].encode()) + u32(b["number"]) + enc_content(b["content"])


def content(name, suite, length, in_parts=False):
    cid = rnd(name + " id")
    keys = [rnd(f"{name} key {i}") for i in range(suite)]
    commitment = b"" if in_parts else derive(suite, keys, cid)[1]
    return keys, dict(id=cid, length=length, suite=suite, commitment=commitment)


def binding(c, key="photos/2026/a \u00fc.jpg", parts=bytes(32)):
    return dict(store=rnd("store", 16), bucket=rnd("bucket", 16), key=key, version="3sL4kqtJlcpXroDTDmJ", content=c, parts=parts)


def flip(b, at):
    return b[:at] + bytes([b[at] ^ 1]) + b[at + 1:]


def reject_boxes(out):
    """Adds what must not open, made from what must."""
    out["rejectedWraps"], out["rejectedPartKeys"], out["rejectedChecksums"] = [], [], []

    def wrap(why, error, of, **change):
        out["rejectedWraps"].append(of | change | dict(name=why, error=error))

    w = out["wraps"][2]  # SSE-KMS
    x, b = w["wrap"], w["binding"]
    wrap("the version is 2", "format", w, wrap=b"\x02" + x[1:])
    wrap("the mode is unknown", "format", w, wrap=x[:1] + b"\x06" + x[2:])
    wrap("the mode is 0", "format", w, wrap=x[:1] + b"\x00" + x[2:])
    wrap("the mode is another of the same size", "wrong key", w, wrap=x[:1] + b"\x01" + x[2:])
    wrap("the mode is one of another suite", "damaged", w, wrap=x[:1] + b"\x04" + x[2:])
    wrap("the salt is another", "wrong key", w, wrap=flip(x, 2))
    wrap("the commitment is another", "wrong key", w, wrap=flip(x, 34))
    wrap("the nonce is another", "damaged", w, wrap=flip(x, 66))
    wrap("the ciphertext is another", "damaged", w, wrap=flip(x, 78))
    wrap("the tag is another", "damaged", w, wrap=flip(x, 125))
    wrap("the last byte is cut off", "damaged", w, wrap=x[:-1])
    wrap("a byte follows", "damaged", w, wrap=x + b"\x00")
    wrap("there is nothing", "damaged", w, wrap=b"")
    wrap("the secret is another", "wrong key", w, secrets=[flip(w["secrets"][0], 0)])
    wrap("there are two secrets", "format", w, secrets=w["secrets"] * 2)
    wrap("there is no secret", "format", w, secrets=[])
    wrap("a character moved from the version to the key", "damaged", w,
         binding=b | dict(key=b["key"] + b["version"][:1], version=b["version"][1:]))
    wrap("store and bucket are exchanged", "damaged", w, binding=b | dict(store=b["bucket"], bucket=b["store"]))
    wrap("the suite of the content is another", "format", w,
         binding=b | dict(content=b["content"] | dict(suite=2, commitment=b["content"]["commitment"] * 2)))
    wrap("an object in one body has a part list", "format", w, binding=b | dict(parts=rnd("some list")))
    wrap("an object in one body has no commitment", "format", w, binding=b | dict(content=b["content"] | dict(commitment=b"")))
    d = out["wraps"][6]  # DSSE-KMS
    wrap("the secrets of the layers are exchanged", "wrong key", d, secrets=d["secrets"][::-1])
    wrap("the boxes of the layers are exchanged", "wrong key", d, wrap=d["wrap"][:34] + d["wrap"][126:] + d["wrap"][34:126])

    for p in out["partKeys"]:
        def part(why, error, **change):
            out["rejectedPartKeys"].append(p | change | dict(name=p["name"] + ": " + why, error=error))
        b = p["partBinding"]
        part("the version is 0", "format", partKey=b"\x00" + p["partKey"][1:])
        part("the last byte is cut off", "damaged", partKey=p["partKey"][:-1])
        part("the tag is another", "damaged", partKey=flip(p["partKey"], len(p["partKey"]) - 1))
        part("the upload is another", "damaged", partBinding=b | dict(upload="VXBsb2FkSWR"))
        part("the number is another", "damaged", partBinding=b | dict(number=8))
        part("the length is another", "damaged", partBinding=b | dict(content=b["content"] | dict(length=b["content"]["length"] + 1)))
        part("the content ID is another", "wrong key", partBinding=b | dict(content=b["content"] | dict(id=flip(b["content"]["id"], 0))))
        part("the upload key is another", "wrong key", uploadKeys=[flip(k, 5) for k in p["uploadKeys"]])

    for c in out["checksums"]:
        def small(why, error, **change):
            out["rejectedChecksums"].append(c | change | dict(name=c["name"] + ": " + why, error=error))
        x = c["sealed"]
        small("the version is 2", "format", sealed=b"\x02" + x[1:])
        small("there is nothing", "damaged", sealed=b"")
        small("the last byte is cut off", "damaged", sealed=x[:-1])
        small("the outer commitment is another", "wrong key", sealed=flip(x, 1))
        small("the last key is another", "wrong key", keys=c["keys"][:-1] + [flip(c["keys"][-1], 0)])


def boxes():
    out = dict(wraps=[], partKeys=[], checksums=[], keyChecks=[], partLists=[])
    for mode in (1, 2, 3, 4, 5):
        for in_parts in (False, True):
            name = f"mode {mode}" + (", in parts" if in_parts else "")
            suite = 2 if mode == 4 else 1
            keys, c = content(name, suite, 12345678901 if in_parts else 14, in_parts)
            b = binding(c, parts=rnd(name + " part list") if in_parts else bytes(32))
            secrets = [rnd(f"{name} secret {i}") for i in range(suite)]
            salt = rnd(name + " salt")
            wrap = u8(1) + u8(mode) + salt
            for i in range(suite):
                aad = u8(1) + u8(mode) + u8(i + 1) + enc_binding(b)
                wrap += box(secrets[i], salt, b"coffer/v1/wrap" + u8(mode) + u8(i + 1), aad, keys[i], rnd(f"{name} nonce {i}", 12))
            out["wraps"].append(dict(name=name, secrets=secrets, keys=keys, binding=b, wrap=wrap))
    for suite in (1, 2):
        name = f"part, suite {suite}"
        upload = [rnd(f"{name} upload key {i}") for i in range(suite)]
        keys, c = content(name, suite, 5 << 20)
        b = dict(upload="VXBsb2FkSWQ", number=7, content=c)
        pk = u8(1)
        for i in range(suite):
            pk += box(upload[i], c["id"], b"coffer/v1/part" + u8(suite) + u8(i + 1), u8(1) + u8(i + 1) + enc_part(b), keys[i], rnd(f"{name} nonce {i}", 12))
        out["partKeys"].append(dict(name=name, uploadKeys=upload, keys=keys, partBinding=b, partKey=pk))
        for kind in (1, 2):
            name = f"checksums, suite {suite}, kind {kind}"
            keys, c = content(name, suite, 14)
            if kind == 1:
                b = binding(c)
                enc, field = enc_binding(b), dict(binding=b)
            else:
                b = dict(upload="VXBsb2FkSWQ", number=10000, content=c)
                enc, field = enc_part(b), dict(partBinding=b)
            plain = b"CRC64NVME=" + rnd(name, 8)
            x = plain
            for i in range(suite):
                x = box(keys[i], c["id"], b"coffer/v1/checksums" + u8(suite) + u8(i + 1), u8(1) + u8(i + 1) + u8(kind) + enc, x, rnd(f"{name} nonce {i}", 12))
            out["checksums"].append(dict(name=name, keys=keys, plain=plain, sealed=u8(1) + x) | field)
    reject_boxes(out)
    key, salt = rnd("client key"), rnd("client salt")
    out["keyChecks"].append(dict(key=key, salt=salt, check=hkdf(key, salt, b"coffer/v1/key-check", 32)))
    for n in (1, 256, 257, 10000):
        # The parts by rule, since so many would not fit here.
        parts = []
        for i in range(1, n + 1):
            c = dict(id=hashlib.sha256(u32(i)).digest(), length=5 * 2**20 + i, suite=1, commitment=hashlib.sha256(u32(i) + b"c").digest())
            parts.append(u32(i) + enc_content(c) + lp(b"\x01" + u32(i) * 23))
        chunks, offset = [], 0
        for at in range(0, n, 256):
            group = parts[at:at + 256]
            chunks.append((offset, hashlib.sha256(b"coffer/v1/part-chunk" + u64(offset) + u32(len(group)) + b"".join(group)).digest()))
            offset += sum(5 * 2**20 + i for i in range(at + 1, at + len(group) + 1))
        root = hashlib.sha256(b"coffer/v1/part-list" + u64(offset) + u32(len(chunks)) + b"".join(u64(o) + h for o, h in chunks)).digest()
        out["partLists"].append(dict(
            rule="part i: length 5 MiB + i, suite 1, ID SHA-256(u32(i)), commitment SHA-256(u32(i) | 'c'), part key 01 | 23 times u32(i)",
            parts=n, length=offset, chunks=len(chunks), lastChunkOffset=chunks[-1][0], lastChunkHash=chunks[-1][1], hash=root))
    return hexed(out)


for file, value in (("bodies.json", bodies()), ("boxes.json", boxes())):
    with open(file, "w") as f:
        json.dump(value, f, indent=1, ensure_ascii=True)
        f.write("\n")
