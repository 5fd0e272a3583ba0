#!/usr/bin/env python3
"""The legacy profile with a client that this project did not write: httpsig 1.3.0 (draft-cavage).

    legacy_client.py ALGORITHM open|closed

Settings come from the environment: LGSP_URL, LGSP_KEY, LGSP_SECRET_FILE, LGSP_CA, LGSP_UNIT. With `open`
the requests must be accepted and marked as deprecated, with `closed` refused as a disabled algorithm.
"""

import base64
import email.utils
import hashlib
import json
import os
import secrets
import sys

import requests
from httpsig.requests_auth import HTTPSignatureAuth

ALGORITHM, EXPECTED = sys.argv[1], sys.argv[2]
BASE = os.environ["LGSP_URL"].rstrip("/")
with open(os.environ["LGSP_SECRET_FILE"]) as file:
    SECRET = file.read().strip()
session = requests.Session()
session.verify = os.environ["LGSP_CA"]
failures = 0


def check(what, good, told=""):
    global failures
    failures += not good
    print(f"{'ok  ' if good else 'FAIL'} {ALGORITHM}, {EXPECTED}: {what}{'' if good else f': {told}'}")


def send(method, path, body=None, cover=(), **headers):
    headers["Date"] = email.utils.formatdate(usegmt=True)
    covered = ["(request-target)", "host", "date", *cover]
    if body is not None:
        headers["Digest"] = "SHA-256=" + base64.b64encode(hashlib.sha256(body).digest()).decode()
        covered.append("digest")
    auth = HTTPSignatureAuth(
        key_id=os.environ["LGSP_KEY"], secret=SECRET, algorithm=ALGORITHM, headers=covered
    )
    return session.request(method, BASE + path, data=body, headers=headers, auth=auth, timeout=20)


def judge(what, response, status):
    if EXPECTED == "open":
        check(f"{what}: {response.status_code}", response.status_code == status, response.text[:600])
        marked = all(name in response.headers for name in ["Deprecation", "Sunset"])
        check(f"{what} is marked as deprecated", marked, response.headers)
    else:
        check(f"{what}: {response.status_code}", response.status_code == 401, response.text[:600])
        word = response.json().get("word")
        check(f"{what} is refused as disabled", word == "legacy_algorithm_disabled", response.text[:600])


judge("GET", send("GET", "/v1/units?q=so%20y%20te"), 200)
request = {"targets": [os.environ["LGSP_UNIT"]], "title": "Công văn cũ", "media_type": "text/plain"}
body = json.dumps(request).encode()
more = {"Content-Type": "application/json", "X-Request-Id": secrets.token_hex(16)}
judge("POST", send("POST", "/v1/packets", body, cover=("x-request-id",), **more), 201)
if EXPECTED == "open":
    # The window goes by the signed date alone; a request that does not sign it says nothing.
    bad = requests.Request("GET", BASE + "/v1/units", headers={"Date": email.utils.formatdate(usegmt=True)})
    bad.auth = HTTPSignatureAuth(
        key_id=os.environ["LGSP_KEY"], secret=SECRET, algorithm=ALGORITHM, headers=["(request-target)", "host"]
    )
    refused = session.send(session.prepare_request(bad), timeout=20, verify=session.verify)
    check(f"a date that is not signed: {refused.status_code}", refused.status_code == 401, refused.text[:600])

sys.exit(1 if failures else 0)
