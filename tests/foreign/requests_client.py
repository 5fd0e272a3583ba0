#!/usr/bin/env python3
"""A client that this project did not write: requests-http-signature 2.0.0 against a live node.

Settings come from the environment: LGSP_URL, LGSP_KEY, LGSP_SECRET_FILE (the secret key, or the private
key in PEM), LGSP_CA (the authority of HTTPS), LGSP_UNIT (the unit of the key, to which it sends) and
LGSP_ALGORITHM (`hmac-sha256` where it is not given).

A packet goes the whole way, in one round trip and by a space with a signed PUT; then come requests that
were changed, repeated or not signed at all, each of which must be refused. Ends with 0 when all is as
expected.
"""

import base64
import hashlib
import json
import os
import secrets
import sys

import requests
from requests_http_signature import HTTPSignatureAuth, algorithms

ALGORITHMS = {
    "hmac-sha256": algorithms.HMAC_SHA256,
    "rsa-v1_5-sha256": algorithms.RSA_V1_5_SHA256,
    "rsa-pss-sha512": algorithms.RSA_PSS_SHA512,
    "ed25519": algorithms.ED25519,
    "ecdsa-p256-sha256": algorithms.ECDSA_P256_SHA256,
}
BASE = os.environ["LGSP_URL"].rstrip("/")
UNIT = os.environ["LGSP_UNIT"]
WORD = os.environ.get("LGSP_ALGORITHM", "hmac-sha256")
with open(os.environ["LGSP_SECRET_FILE"], "rb") as file:
    SECRET = file.read()
if WORD == "hmac-sha256":
    SECRET = SECRET.strip()


def auth(*extra):
    return HTTPSignatureAuth(
        signature_algorithm=ALGORITHMS[WORD],
        key=SECRET,
        key_id=os.environ["LGSP_KEY"],
        tag="lgsp-v1",
        use_nonce=True,
        covered_component_ids=("@method", "@authority", "@target-uri", *extra),
    )


session = requests.Session()
session.verify = os.environ["LGSP_CA"]
failures = 0


def check(what, good, told=""):
    global failures
    failures += not good
    print(f"{'ok  ' if good else 'FAIL'} {WORD}: {what}{'' if good else f': {told}'}")


def expect(what, response, *statuses):
    check(f"{what}: {response.status_code}", response.status_code in statuses, response.text[:600])
    return response


def call(what, method, path, *statuses, cover=(), **more):
    response = session.request(method, BASE + path, auth=auth(*cover), timeout=20, **more)
    return expect(what, response, *statuses)


def receive(packet, content, name):
    waiting = call("inbox", "GET", "/v1/inbox?limit=200", 200).json()["items"]
    check("the packet waits", packet in [item["packet"] for item in waiting], waiting)
    granted = call("accept", "POST", f"/v1/packets/{packet}/accept", 200).json()
    check("the digest is told", granted["digest"] == hashlib.sha256(content).hexdigest(), granted)
    whole = call("fetch", "GET", f"/v1/packets/{packet}/content", 200)
    check("the content is what was sent", whole.content == content)
    check("its name came along", name in whole.headers["Content-Disposition"], whole.headers)
    part = session.get(
        granted["content_url"],
        headers={"Authorization": f"Bearer {granted['token']}", "Range": "bytes=5-9", "If-Range": whole.headers["ETag"]},
        timeout=20,
    )
    expect("fetch five octets by token", part, 206)
    check("they are the right ones", part.content == content[5:10], part.content)
    digest = {"digest": granted["digest"]}
    wrong = {"digest": "0" * 64}
    call("a receipt for another content", "POST", f"/v1/packets/{packet}/confirm", 409, 422, json=wrong)
    call("confirm", "POST", f"/v1/packets/{packet}/confirm", 200, json=digest)
    call("confirm again", "POST", f"/v1/packets/{packet}/confirm", 200, json=digest)
    gone = call("fetch after the end", "GET", f"/v1/packets/{packet}/content", 410).json()
    check("the problem says why", gone["word"] == "content_purged", gone)
    ended = call("show", "GET", f"/v1/packets/{packet}", 200).json()
    check("the packet is completed", ended["state"] == "completed", ended)


units = call("search", "GET", "/v1/units", 200, params={"q": "Sở Y tế"}).json()
check("marks do not matter", units["items"] and units["items"][0]["code"] == "H41.11", units)

request = {"targets": [UNIT], "title": "Công văn số 12", "media_type": "application/pdf", "importance": "urgent"}
content = b"%PDF-1.7 " + secrets.token_bytes(3000)
parts = [
    ("request", (None, json.dumps(request), "application/json")),
    ("content", ("cong-van.pdf", content, "application/pdf")),
]
key = {"Idempotency-Key": f'"{secrets.token_hex(16)}"'}
sent = call("send in one round trip", "POST", "/v1/packets", 201, files=parts, headers=key, cover=("idempotency-key",))
again = call("send again under the same key", "POST", "/v1/packets", 201, files=parts, headers=key, cover=("idempotency-key",))
packet = sent.json()["packet"]
check("it is the same packet", again.json()["packet"] == packet, again.text)
receive(packet, content, "cong-van.pdf")

content = secrets.token_bytes(200_000)
opened = call("open", "POST", "/v1/packets", 201, json={**request, "size": len(content)}).json()
name = base64.b64encode("Bản đồ.zip".encode()).decode()
put = call(
    "put into the space", "PUT", opened["space"]["upload_url"].removeprefix(BASE), 204, data=content,
    headers={"Upload-Metadata": f"filename {name}", "Content-Type": "application/zip"}, cover=("upload-metadata",),
)
commit = {"digest": hashlib.sha256(content).hexdigest(), "size": len(content)}
call("commit", "POST", f"/v1/packets/{opened['packet']}/commit", 200, json=commit)
receive(opened["packet"], content, "B%E1%BA%A3n%20%C4%91%E1%BB%93.zip")

prepared = session.prepare_request(requests.Request("POST", f"{BASE}/v1/packets", json=request, auth=auth()))
first = expect("a signed request", session.send(prepared, timeout=20, verify=session.verify), 201).json()
replayed = expect("the same octets again", session.send(prepared, timeout=20, verify=session.verify), 401)
check("the problem says why", replayed.json()["word"] == "nonce_reused", replayed.text)
call("cancel", "POST", f"/v1/packets/{first['packet']}/cancel", 200)

prepared = session.prepare_request(requests.Request("POST", f"{BASE}/v1/packets", json=request, auth=auth()))
prepared.body += b" "
prepared.headers["Content-Length"] = str(len(prepared.body))
expect("a body changed after signing", session.send(prepared, timeout=20, verify=session.verify), 400, 401)

prepared = session.prepare_request(requests.Request("GET", f"{BASE}/v1/units?q=a", auth=auth()))
prepared.url = prepared.url.replace("q=a", "q=b")
forged = expect("a target changed after signing", session.send(prepared, timeout=20, verify=session.verify), 401)
check("the problem says why", forged.json()["word"] == "signature_invalid", forged.text)

unsigned = expect("no signature", session.post(f"{BASE}/v1/packets", json=request, timeout=20), 401)
check("the answer says how to sign", "lgsp-v1" in unsigned.headers.get("Accept-Signature", ""), unsigned.headers)

sys.exit(1 if failures else 0)
