#!/usr/bin/env python3
"""Checks the vectors as a second implementation of docs/spec/receipt.md."""
import base64, hashlib, json, os, sys
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

COUNT = ["objects", "versions", "uploads", "bytes"]
MEMBERS = {
    "": ["version", "id", "store", "what", "asked", "destroyed", "dark", "notDark", "limits"],
    "what": ["kind", "key", "materials", "subject"], "subject": ["id", "name", "value"],
    "asked": ["by", "event", "at", "windowSeconds"], "destroyed": ["at", "event", "before", "after", "holders"],
    "holders": ["name", "kind", "cannotForget"], "dark": COUNT, "notDark": COUNT + ["complete", "listed"],
    "listed": ["bucket", "key", "version", "opens"],
}


def write(v):
    text = json.dumps(v, ensure_ascii=False, separators=(",", ":"))
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def shape(name, v):
    if isinstance(v, list):
        return all(shape(name, x) for x in v)
    if not isinstance(v, dict):
        return True
    want = [m for m in MEMBERS[name] if m != "subject" or m in v]
    return list(v) == want and all(shape(k, x) for k, x in v.items())


def verify(text, keys):
    try:
        f = json.loads(text)
        body = f["body"]
        ok = list(f) == ["body", "key", "signature"] and write(f) + "\n" == text and shape("", body)
        ok = ok and body["version"] == 1 and body["destroyed"]["before"] < body["destroyed"]["after"]
        for at in (body["asked"]["at"], body["destroyed"]["at"]):
            ok = ok and (at == "" or len(at) == 20)
    except (ValueError, KeyError, TypeError):
        ok = False
    if not ok:
        return "format"
    if f["key"] not in keys:
        return "untrusted"
    try:
        raw = base64.b64decode(f["signature"], validate=True)
        if base64.b64encode(raw).decode() != f["signature"]:
            return "signature"
        keys[f["key"]].verify(raw, b"coffer/v1/shred-receipt\0" + write(body).encode())
    except (ValueError, InvalidSignature):
        return "signature"
    return "accepted"


v = json.load(open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "v1.json")))
keys = {}
for line in v["trusted"].splitlines():
    if line.startswith("coffer-receipt-key/1 "):
        raw = base64.b64decode(line.split(" ")[1])
        keys[hashlib.sha256(raw).hexdigest()[:32]] = Ed25519PublicKey.from_public_bytes(raw)
bad = [a["name"] for a in v["accepted"] if verify(a["receipt"], keys) != "accepted"]
bad += [r["name"] for r in v["rejected"] if verify(r["receipt"], keys) != r["why"]]
print("wrong: " + ", ".join(bad) if bad else "all vectors as they should be")
sys.exit(bool(bad))
