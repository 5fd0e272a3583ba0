#!/usr/bin/env python3
"""Records requests that foreign clients signed, as they arrive on a loopback socket.

    python -m venv v && v/bin/pip install requests-http-signature==2.0.0 \
        http-message-signatures==3.0.0 httpsig==1.3.0
    v/bin/python record.py > foreign.json

The keys are made for the recording and thrown away; only secrets of HMAC and public keys stay.
"""

import datetime
import email.utils
import base64
import hashlib
import http.server
import json
import os
import secrets
import subprocess
import sys
import tempfile
import threading
import time

import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from http_message_signatures import HTTPMessageSigner, HTTPSignatureKeyResolver
from httpsig.requests_auth import HTTPSignatureAuth as CavageAuth
from requests_http_signature import HTTPSignatureAuth, algorithms

HERE = os.path.dirname(os.path.abspath(__file__))
SCRIPT = os.path.join(HERE, "..", "..", "..", "..", "docs", "examples", "sign.sh")
recorded = []


class Recorder(http.server.BaseHTTPRequestHandler):
    def record(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        recorded.append((self.command, self.path, self.headers.items(), body))
        self.send_response(204)
        self.end_headers()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = record

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
threading.Thread(target=server.serve_forever, daemon=True).start()
authority = f"127.0.0.1:{server.server_address[1]}"
origin = f"http://{authority}"
vectors = []


def pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def public(key):
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def access_key():
    return "AK" + base64.b32encode(secrets.token_bytes(20)).decode()[:20]


def take(name, key_id, algorithm, material, profile):
    method, target, headers, body = recorded.pop()
    path, mark, query = target.partition("?")
    vectors.append({
        "name": name,
        "profile": profile,
        "now": int(time.time()),
        "public_name": origin,
        "access_key": key_id,
        "algorithm": algorithm,
        "material": material,
        "method": method,
        "authority": authority,
        "path": path,
        "query": query if mark else None,
        "headers": [[name.lower(), value] for name, value in headers],
        "body": base64.b64encode(body).decode(),
    })


secret = secrets.token_urlsafe(32)
rsa_key = rsa.generate_private_key(65537, 2048)
ed_key = ed25519.Ed25519PrivateKey.generate()
ec_key = ec.generate_private_key(ec.SECP256R1())
kinds = [
    (algorithms.HMAC_SHA256, "hmac-sha256", secret.encode(), secret),
    (algorithms.RSA_V1_5_SHA256, "rsa-v1_5-sha256", pem(rsa_key), public(rsa_key)),
    (algorithms.RSA_PSS_SHA512, "rsa-pss-sha512", pem(rsa_key), public(rsa_key)),
    (algorithms.ED25519, "ed25519", pem(ed_key), public(ed_key)),
    (algorithms.ECDSA_P256_SHA256, "ecdsa-p256-sha256", pem(ec_key), public(ec_key)),
]
query = "/v1/units?q=S%E1%BB%9F+Y%20t%E1%BA%BF&limit=2"

for algorithm, word, key, material in kinds:
    key_id = access_key()
    auth = HTTPSignatureAuth(
        signature_algorithm=algorithm, key=key, key_id=key_id, tag="lgsp-v1", use_nonce=True,
        expires_in=datetime.timedelta(seconds=60),
    )
    name = f"requests-http-signature 2.0.0, {word}"
    requests.get(origin + query, auth=auth)
    take(f"{name}, GET", key_id, word, material, "lgsp-v1")
    auth.covered_component_ids = ("@method", "@target-uri", "idempotency-key", "content-type")
    requests.post(origin + "/v1/packets", json={"title": "Công văn"}, auth=auth, headers={"Idempotency-Key": '"cv-1204"'})
    take(f"{name}, POST", key_id, word, material, "lgsp-v1")

    # The library alone, in another order, with parts of the target instead of the whole.
    class Resolver(HTTPSignatureKeyResolver):
        def resolve_private_key(self, key_id):
            return key

    signer = HTTPMessageSigner(signature_algorithm=algorithm, key_resolver=Resolver())
    request = requests.Request("PUT", origin + "/v1/spaces/sp_1/content?part=content", data=b"\x00\xff" * 700).prepare()
    request.headers["Host"] = authority
    signer.sign(
        request, key_id=key_id, nonce=secrets.token_hex(16), tag="lgsp-v1", label="sig1", include_alg=False,
        covered_component_ids=("@query", "host", "@path", "content-length", "@authority", "@method"),
        body=request.body,
    )
    requests.Session().send(request)
    take(f"http-message-signatures 3.0.0, {word}, PUT", key_id, word, material, "lgsp-v1")

# Our own script, as it is pasted.
with tempfile.TemporaryDirectory() as folder:
    secret_file, body_file = os.path.join(folder, "secret"), os.path.join(folder, "body.json")
    with open(secret_file, "w") as file:
        file.write(secret + "\n")
    with open(body_file, "w") as file:
        file.write('{"title": "Công văn số 12"}\n')
    for method, target, rest in [
        ("GET", query, []),
        ("GET", "", []),
        ("HEAD", "?a=b", []),
        ("POST", "/v1/packets", [body_file, "-H", "Idempotency-Key: cv-1204"]),
        ("POST", "/v1/deliveries/pk_1/accept", []),
        ("PUT", "/v1/a%2Fb?x=%7e", [body_file, "-H", "content-type: text/plain", "-H", "Authorization:  Bearer abc"]),
    ]:
        key_id = access_key()
        subprocess.run([SCRIPT, method, origin + target, key_id, secret_file, *rest], check=True, stdout=subprocess.DEVNULL)
        take(f"sign.sh, {method} {target or '/'}", key_id, "hmac-sha256", secret, "lgsp-v1")

# The legacy scheme.
pkcs1 = rsa_key.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
).decode()
for word, algorithm, key, material in [
    ("hmac-sha1", "hmac-sha256", secret, secret),
    ("hmac-sha256", "hmac-sha256", secret, secret),
    ("rsa-sha256", "rsa-v1_5-sha256", pkcs1, public(rsa_key)),
    ("rsa-sha1", "rsa-v1_5-sha256", pkcs1, public(rsa_key)),
]:
    key_id = access_key()
    profile = {"hmac-sha1": "cavage-sha1", "rsa-sha1": "cavage-never"}.get(word, "cavage")
    date = {"Date": email.utils.formatdate(usegmt=True)}
    auth = CavageAuth(key_id=key_id, secret=key, algorithm=word, headers=["(request-target)", "host", "date"])
    requests.get(origin + query, auth=auth, headers=date)
    take(f"httpsig 1.3.0, {word}, GET", key_id, algorithm, material, profile)
    body = b'{"title": "C\xc3\xb4ng v\xc4\x83n"}'
    auth = CavageAuth(
        key_id=key_id, secret=key, algorithm=word,
        headers=["(request-target)", "host", "date", "digest", "x-request-id"],
    )
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    headers = {**date, "Digest": f"SHA-256={digest}", "X-Request-Id": secrets.token_hex(8)}
    requests.post(origin + "/v1/packets", data=body, auth=auth, headers=headers)
    take(f"httpsig 1.3.0, {word}, POST", key_id, algorithm, material, profile)

server.shutdown()
json.dump(vectors, sys.stdout, indent=1, ensure_ascii=False)
print()
