"""Gets a token from the simulated gateway with requests-oauthlib, and calls a service with it.

    national.py SAID     what `lgsp simulate national -o json` said
"""

import json
import os
import sys

# The simulator speaks plain HTTP on loopback, as the real gateways are spoken to inside their network.
os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"
from oauthlib.oauth2 import BackendApplicationClient, InvalidClientError
from requests_oauthlib import OAuth2Session

failed = False


def check(good, what):
    global failed
    failed |= not good
    print(f"{'ok  ' if good else 'FAIL'} OAuth2: {what}")


with open(sys.argv[1]) as file:
    said = json.load(file)
url, gateway = said["url"], said["gateway"]


def session():
    return OAuth2Session(client=BackendApplicationClient(client_id=gateway["client"]))


def token(secret, in_form):
    own = session()
    own.fetch_token(f"{url}/token", client_id=gateway["client"], client_secret=secret, include_client_id=in_form)
    return own


for in_form, shape in [(False, "Basic"), (True, "a form")]:
    own = token(gateway["secret"], in_form)
    check(own.token["token_type"].lower() == "bearer" and own.token["expires_in"] > 0, f"a token by {shape}")
    answer = own.get(f"{url}/dmdc/Category/madantoc")
    check(answer.status_code == 200 and answer.json(), f"a list with the token by {shape}")
try:
    token("another", False)
    check(False, "another secret gets a token")
except InvalidClientError:
    check(True, "another secret gets none")
own = session()
own.token = {"access_token": "made-up", "token_type": "Bearer"}
check(own.get(f"{url}/dmdc/Category/madantoc").status_code == 401, "a token that is made up opens nothing")
sys.exit(failed)
