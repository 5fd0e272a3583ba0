"""What schemathesis 4.32.5 is told of this platform: how requests are signed, and what there is to ask for.

Settings come from the environment, as those of requests_client.py do. Some requests of each operation are about
packets, spaces and units that are there, made for that request, so that answers of success are held against the
document too; the others are what schemathesis makes up.
"""

import atexit
import hashlib
import itertools
import json
import os

import requests
import schemathesis
from requests_http_signature import HTTPSignatureAuth, algorithms

BASE = os.environ["LGSP_URL"].rstrip("/")
UNIT = os.environ["LGSP_UNIT"]
with open(os.environ["LGSP_SECRET_FILE"], "rb") as file:
    SECRET = file.read().strip()
# Headers that change what a request means are signed where they are present.
COVERED = ("authorization", "idempotency-key", "packet-digest", "upload-length", "upload-offset", "upload-metadata")
# What the signer writes itself; schemathesis makes values of its own up, and repeats a request to show it.
SIGNED = ("Content-Digest", "Signature", "Signature-Input")
# So many requests of each operation are about something that is there.
REAL_MAX = 6
CONTENT = "xin chào".encode()
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Signing(requests.auth.AuthBase):
    def __call__(self, request):
        for name in SIGNED:
            request.headers.pop(name, None)
        # The signer takes no characters that break a line; nor does the server, signed or not.
        values = {name: request.headers.get(name) for name in COVERED}
        present = tuple(name for name, value in values.items() if value is not None and str(value).isprintable())
        sign = HTTPSignatureAuth(
            signature_algorithm=algorithms.HMAC_SHA256,
            key=SECRET,
            key_id=os.environ["LGSP_KEY"],
            tag="lgsp-v1",
            use_nonce=True,
            covered_component_ids=("@method", "@authority", "@target-uri", *present),
        )
        return sign(request)


schemathesis.auth.set_from_requests(Signing())

session = requests.Session()
session.verify = os.environ["LGSP_CA"]


def call(method, path, **more):
    response = session.request(method, BASE + path, auth=Signing(), timeout=20, **more)
    response.raise_for_status()
    return response.json() if response.content else {}


def opened(filled=False):
    request = {"targets": [UNIT], "title": "Công văn số 12", "media_type": "text/plain"}
    packet = call("POST", "/v1/packets", json=request)
    if filled:
        call("PUT", f"/v1/spaces/{packet['space']['id']}/content", data=CONTENT)
    return packet


def sent(accepted=False):
    request = {"targets": [UNIT], "title": "Công văn số 12", "media_type": "text/plain"}
    parts = [
        ("request", (None, json.dumps(request), "application/json")),
        ("content", ("công văn.txt", CONTENT, "text/plain")),
    ]
    packet = call("POST", "/v1/packets", files=parts)["packet"]
    if accepted:
        call("POST", f"/v1/packets/{packet}/accept")
    return packet


number = itertools.count(1)


def unit():
    code = f"H41.99.{next(number)}"
    call("POST", "/v1/admin/units", json={"units": [{"code": code, "name": "Phòng", "kind": "other", "parent": "H41"}]})
    return code


def key():
    return call("POST", "/v1/admin/keys", json={"app": "van-ban"})["access_key"]


def new_unit():
    return {"code": f"H41.98.{next(number)}", "name": "Phòng", "kind": "other", "parent": "H41"}


# What is there for an operation: its id in the path, and a body that fits where one must.
THERE = {
    "show_packet": lambda: (sent(), None),
    "packet_receipts": lambda: (sent(), None),
    "history_proof": lambda: (None, None),
    "commit_packet": lambda: (opened(filled=True)["packet"], {"digest": DIGEST, "size": len(CONTENT)}),
    "cancel_packet": lambda: (opened()["packet"], None),
    "accept_packet": lambda: (sent(), None),
    "fetch_content": lambda: (sent(accepted=True), None),
    "content_info": lambda: (sent(accepted=True), None),
    "confirm_packet": lambda: (sent(accepted=True), {"digest": DIGEST}),
    "reject_packet": lambda: (sent(), None),
    "open_packet": lambda: (None, {"targets": [UNIT], "title": "Giấy mời", "media_type": "text/plain"}),
    "confirm_packets": lambda: (None, {"receipts": [{"packet": sent(accepted=True), "digest": DIGEST}]}),
    "create_upload": lambda: (opened()["space"]["id"], None),
    "upload_status": lambda: (opened(filled=True)["space"]["id"], None),
    "append_upload": lambda: (opened()["space"]["id"], None),
    "put_content": lambda: (opened()["space"]["id"], None),
    "terminate_upload": lambda: (opened()["space"]["id"], None),
    "show_unit": lambda: (UNIT, None),
    "rename_unit": lambda: (unit(), None),
    "remove_unit": lambda: (unit(), None),
    "add_units": lambda: (None, {"units": [new_unit()]}),
    "add_app": lambda: (None, {"app": f"ung-dung-{next(number)}", "unit": UNIT, "name": "Ứng dụng", "grants": ["send"]}),
    "issue_key": lambda: (None, {"app": "van-ban"}),
    "revoke_key": lambda: (key(), None),
}
tried = set()
asked = {}
taken = set()
# A join token that is made up is none that was issued.
NEVER_TAKEN = {"join_cluster"}


@atexit.register
def tell_what_is_left():
    """Operations that have taken no request at all, into the file that LGSP_LEFT names."""
    with open(os.environ["LGSP_LEFT"], "w", encoding="utf-8") as file:
        file.writelines(f"{name}\n" for name in sorted(tried - taken - NEVER_TAKEN))


@schemathesis.hook
def before_load_schema(context, raw_schema):
    for item in raw_schema["paths"].values():
        for operation in item.values():
            # With an answer for every other status, no status would be a breach.
            operation["responses"].pop("default", None)
            # The signer writes it; a value of schemathesis's own never goes out.
            parameters = operation.get("parameters", [])
            parameters[:] = [parameter for parameter in parameters if parameter["name"] not in SIGNED]


@schemathesis.hook
def before_call(context, case, kwargs):
    name = case.operation.definition.raw["operationId"]
    tried.add(name)
    if name == "events":
        # A stream has no end; a long poll has one, and waits for nothing here.
        case.headers["Accept"] = "application/cloudevents-batch+json"
        if str(case.query.get("wait", "")).isdigit() or "wait" not in case.query:
            case.query["wait"] = 0
    # Whoever does not know a header ignores it (RFC 9110 section 5.1), so that it makes no request wrong.
    case.headers.pop("x-schemathesis-unknown-property", None)
    mode = case.meta.generation.mode if case.meta else None
    if mode != schemathesis.GenerationMode.POSITIVE or name not in THERE:
        return
    asked[name] = asked.get(name, 0) + 1
    if asked[name] > REAL_MAX:
        return
    place, body = THERE[name]()
    if place is not None:
        for parameter in case.path_parameters:
            case.path_parameters[parameter] = place
    # A multipart form stays what schemathesis made of it.
    if body is not None and case.media_type == "application/json":
        case.body = body
    # No checksum and no base64 of a file's name is made by chance.
    for header in ("Upload-Checksum", "Upload-Metadata"):
        case.headers.pop(header, None)
    if name == "history_proof":
        case.query = {"position": 0}
    if name == "append_upload":
        case.headers["Upload-Offset"] = "0"
    if name == "create_upload":
        case.headers["Upload-Length"] = "1000"


@schemathesis.hook
def after_call(context, case, response):
    if response.status_code < 300:
        taken.add(case.operation.definition.raw["operationId"])


@schemathesis.serializer("application/offset+octet-stream", "application/octet-stream")
def octets(context, value):
    return value if isinstance(value, bytes) else str(value).encode()


# Words of a request that cannot be read, or whose fields are malformed.
MALFORMED = {"json_malformed", "fields_malformed", "query_malformed", "id_malformed", "header_malformed"}


def is_before_1970(body, place):
    for name in place.split("/")[1:]:
        body = body[int(name) if isinstance(body, list) else name]
    return isinstance(body, str) and body[:4].isdigit() and int(body[:4]) < 1970


@schemathesis.check
def what_is_well_formed_is_read(ctx, response, case):
    """A request that is as the document says may be refused for what it asks, never as malformed."""
    if case.meta is None or case.meta.generation.mode != schemathesis.GenerationMode.POSITIVE:
        return
    if response.status_code not in (400, 422):
        return
    problem = response.json()
    if problem["word"] not in MALFORMED:
        return
    places = [error["pointer"] for error in problem.get("errors", [])]
    excused = (
        # Which algorithm has a public key is said in words only.
        problem["word"] == "fields_malformed" and places == ["/public_key"]
        # So is the earliest moment.
        or places and all(is_before_1970(case.body, place) for place in places)
        # A cursor is good where it was given.
        or problem.get("parameter") == "cursor"
        # Which sizes there are, and which parameters go together, is said in words only.
        or problem.get("parameter") == "position" and case.path.endswith("/history/proof")
        # A search has one page.
        or problem.get("parameter") == "q" and "cursor" in (case.query or {})
    )
    assert excused, f"{response.status_code} {problem['word']} {places or problem}"
