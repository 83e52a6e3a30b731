#!/usr/bin/env python3
"""A second implementation of the shares in docs/spec/root-store.md, section 12."""
import hashlib, json, os

EXP, LOG = [0] * 255, [0] * 256
x = 1
for i in range(255):
    EXP[i], LOG[x] = x, i
    d = x << 1
    x ^= d ^ (0x11B if d > 255 else 0)

def mul(a, b):
    return 0 if a == 0 or b == 0 else EXP[(LOG[a] + LOG[b]) % 255]

def div(a, b):
    return 0 if a == 0 else EXP[(LOG[a] - LOG[b]) % 255]

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

def decode(text):
    bits = ""
    for c in text.upper():
        if c in "- \t":
            continue
        c = {"O": "0", "I": "1", "L": "1"}.get(c, c)
        if c not in ALPHABET:
            return None
        bits += format(ALPHABET.index(c), "05b")
    if len(bits) != 345 or bits[344] != "0":
        return None
    b = int(bits[:344], 2).to_bytes(43, "big")
    if hashlib.sha256(b"coffer/v1/share" + b[:39]).digest()[:4] != b[39:]:
        return None
    if b[0] != 1 or b[1] < 2 or b[2] == 0:
        return None
    return b[1], b[2], b[3:7], b[7:39]

def combine(shares):
    out = bytearray(32)
    for _, xi, _, values in shares:
        w = 1
        for _, xj, _, _ in shares:
            if xj != xi:
                w = mul(w, div(xj, xi ^ xj))
        for k in range(32):
            out[k] ^= mul(w, values[k])
    return bytes(out)

here = os.path.dirname(os.path.abspath(__file__))
for v in json.load(open(os.path.join(here, "shares.json"))):
    for text in v.get("rejected", []):
        assert decode(text) is None, text
    if "secret" not in v:
        continue
    shares = [decode(s) for s in v["shares"]]
    m = v["threshold"]
    assert all(s[0] == m and s[2].hex() == v["set"] for s in shares)
    for at in range(len(shares) - m + 1):
        assert combine(shares[at:at + m]).hex() == v["secret"], v["name"]
print("ok")
