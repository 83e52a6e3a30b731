"""Makes vectors.json: keys, signatures and shared secrets of ML-DSA and ML-KEM, by
OpenSSL 4.0 as Python's cryptography 48 has it. ML-KEM-512 is from NIST's ACVP server:
kem/mlkem/testdata of github.com/cloudflare/circl v1.6.5, named on the command line."""

import gzip, json, sys
from cryptography.hazmat.primitives import serialization as s
from cryptography.hazmat.primitives.asymmetric import mldsa, mlkem


def private(k):
    return k.private_bytes(s.Encoding.DER, s.PrivateFormat.PKCS8, s.NoEncryption()).hex()


def public(k):
    return k.public_key().public_bytes(s.Encoding.DER, s.PublicFormat.SubjectPublicKeyInfo).hex()


out = []
for name, kind in ("ML_DSA_44", mldsa.MLDSA44PrivateKey), ("ML_DSA_65", mldsa.MLDSA65PrivateKey), ("ML_DSA_87", mldsa.MLDSA87PrivateKey):
    k = kind.from_seed_bytes(bytes(range(32)))
    message = b"signed by OpenSSL"
    out.append({"spec": name, "private": private(k), "public": public(k), "message": message.hex(), "signature": k.sign(message).hex()})
for name, kind in ("ML_KEM_768", mlkem.MLKEM768PrivateKey), ("ML_KEM_1024", mlkem.MLKEM1024PrivateKey):
    k = kind.from_seed_bytes(bytes(range(64)))
    secret, ciphertext = k.public_key().encapsulate()
    out.append({"spec": name, "private": private(k), "public": public(k), "ciphertext": ciphertext.hex(), "secret": secret.hex()})


def acvp(mode, file):
    groups = json.load(gzip.open(f"{sys.argv[1]}/ML-KEM-{mode}-FIPS203/{file}.json.gz"))["testGroups"]
    return groups


seed = acvp("keyGen", "prompt")[0]["tests"][0]
key = acvp("keyGen", "expectedResults")[0]["tests"][0]
out.append({"spec": "ML_KEM_512", "seed": seed["d"] + seed["z"], "encapsulation": key["ek"], "decapsulation": key["dk"]})
json.dump(out, sys.stdout, indent=1)
print()
