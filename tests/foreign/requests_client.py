#!/usr/bin/env python3
"""A client that this project did not write: requests-http-signature 2.0.0 against a live node.

    requests_client.py BASE_URL ACCESS_KEY SECRET_FILE

or the same from the environment: LGSP_URL, LGSP_ACCESS_KEY, LGSP_SECRET_FILE. Further settings:
LGSP_CA (a file of the authority for HTTPS), LGSP_QUERY (what to search for), LGSP_POST_PATH and
LGSP_POST_JSON (a signed POST), LGSP_POST_STATUS (the statuses accepted for it).

It searches the directory with a signed GET and makes a signed POST with a JSON body; then it sends
a request that was changed after signing, which must be refused. Ends with 0 when all is as expected.
"""

import json
import os
import secrets
import sys

import requests
from requests_http_signature import HTTPSignatureAuth, algorithms


def argument(index, variable, default=None):
    value = sys.argv[index] if len(sys.argv) > index else os.environ.get(variable, default)
    if value is None:
        sys.exit(__doc__)
    return value


base = argument(1, "LGSP_URL").rstrip("/")
access_key = argument(2, "LGSP_ACCESS_KEY")
with open(argument(3, "LGSP_SECRET_FILE"), "rb") as file:
    secret = file.read().strip()


def auth(*extra):
    return HTTPSignatureAuth(
        signature_algorithm=algorithms.HMAC_SHA256,
        key=secret,
        key_id=access_key,
        tag="lgsp-v1",
        use_nonce=True,
        covered_component_ids=("@method", "@authority", "@target-uri", *extra),
    )


session = requests.Session()
session.verify = os.environ.get("LGSP_CA", True)
failures = 0


def expect(what, response, accepted):
    global failures
    good = response.status_code in accepted
    failures += not good
    print(f"{'ok  ' if good else 'FAIL'} {what}: {response.status_code}")
    if not good:
        print(f"     {response.text[:500]}")
    return response


units = expect(
    "signed GET /v1/units",
    session.get(f"{base}/v1/units", params={"q": os.environ.get("LGSP_QUERY", "Sở Y tế")}, auth=auth(), timeout=10),
    {200},
)
if units.status_code == 200 and "items" not in units.json():
    failures += 1
    print("FAIL the answer has no items")

path = os.environ.get("LGSP_POST_PATH", "/v1/packets")
body = json.loads(os.environ.get("LGSP_POST_JSON", "{}"))
# An empty request is refused by its fields, not by its signature: 400 or 422, never 401.
statuses = {int(status) for status in os.environ.get("LGSP_POST_STATUS", "200,201,202,400,422").split(",")}
headers = {"Idempotency-Key": f'"{secrets.token_hex(16)}"'}
expect(
    f"signed POST {path}",
    session.post(f"{base}{path}", json=body, headers=headers, auth=auth("idempotency-key"), timeout=10),
    statuses,
)

changed = requests.Request("POST", f"{base}{path}", json=body, headers=headers, auth=auth("idempotency-key"))
prepared = session.prepare_request(changed)
prepared.body = prepared.body + b" "
prepared.headers["Content-Length"] = str(len(prepared.body))
expect("a body changed after signing", session.send(prepared, timeout=10, verify=session.verify), {400, 401})

unsigned = session.post(f"{base}{path}", json=body, timeout=10)
expect("a POST without a signature", unsigned, {401})
if unsigned.status_code == 401 and "lgsp-v1" not in unsigned.headers.get("Accept-Signature", ""):
    failures += 1
    print("FAIL the refusal has no Accept-Signature")

sys.exit(1 if failures else 0)
