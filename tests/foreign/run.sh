#!/usr/bin/env bash
# Clients that this project did not write, live, against three nodes on loopback: the guide's shell and Python,
# requests-http-signature, httpsig (the legacy profile), tuspy, curl on a stream of events, tus-js-client where Node is,
# and the signing examples in Java, C#, PHP and JavaScript where the runtime of each is; what is made from the OpenAPI
# document, downloads by curl and wget, edXML at lxml and Java,
# a token of the simulated gateway by requests-oauthlib, X-Road by pyxroad and fastapi-xroad-soap, and an EventSource through an outage.
#
# Needs bash, curl, openssl and python3 with venv; the packages come from PyPI and npm into a directory that goes at the end.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
here=$PWD/tests/foreign

if [ "${1:-}" != --bounded ]; then
  # Whoever has the program already, as continuous integration has, names it.
  [ -n "${LGSP_BIN:-}" ] || cargo build --quiet --locked --bin lgsp
  # Everything but the build is bounded; the nodes die by the trap below.
  exec timeout --kill-after=10 600 bash "$here/run.sh" --bounded
fi

lgsp=${LGSP_BIN:-${CARGO_TARGET_DIR:-$PWD/target}/debug/lgsp}
scratch=$(mktemp -d)
children=() nodes=() passed=0 failed=0
cleanup() {
  local code=$?
  trap - EXIT
  for pid in "${children[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${children[@]}"; do wait "$pid" 2>/dev/null || true; done
  if [ "$failed" != 0 ] || [ "$code" != 0 ]; then tail -n 15 "$scratch"/n*.log >&2 || true; fi
  rm -rf "$scratch"
  echo "$passed passed, $failed failed"
  [ "$failed" = 0 ] && [ "$code" = 0 ] || exit 1
}
trap cleanup EXIT
trap 'exit 143' TERM INT

count() { # Counts the lines of a step; a step that fails without a line of its own is one failure.
  local out=$scratch/step.out code=0
  # Not behind `||` or `if`: there the shell would not stop at an error inside.
  set +e
  (set -e; trap - EXIT TERM INT; "$@") > "$out" 2>&1
  code=$?
  set -e
  cat "$out"
  local good bad
  good=$(grep -c '^ok ' "$out" || true) bad=$(grep -c '^FAIL' "$out" || true)
  if [ "$code" != 0 ] && [ "$bad" = 0 ]; then bad=1; echo "FAIL $* ended with $code"; fi
  passed=$((passed + good)) failed=$((failed + bad))
}
left_out() { # Says what this machine cannot show; where all must be shown it is a failure.
  if [ -n "${LGSP_REQUIRE_FOREIGN:-}" ]; then
    echo "FAIL left out: $1"
    failed=$((failed + 1))
  else
    echo "left out: $1"
  fi
}
eventually() { # Asks again and again whether something is so, for half a minute.
  local what=$1 until=$((SECONDS + 30))
  shift
  until "$@" > "$scratch/eventually.out" 2>&1; do
    if [ $SECONDS -ge $until ]; then echo "FAIL $what"; cat "$scratch/eventually.out"; failed=$((failed + 1)); exit 1; fi
    sleep 0.2
  done
}
member() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }
for part in document downloads national outage; do
  # shellcheck disable=SC1090 # they stand beside this file
  . "$here/$part.sh"
done
step() { printf '\n-- [%s s] %s\n' "$SECONDS" "$*"; }

step "packages"
# setuptools: httpsig wants `pkg_resources`, which later ones have no more.
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install --quiet --disable-pip-version-check \
  requests-http-signature==2.0.0 httpsig==1.3.0 tuspy==1.1.0 lxml==5.4.0 \
  requests-oauthlib==2.0.0 pyxroad==1.5.10 fastapi-xroad-soap==0.4.7 pydantic-xml==2.11.0 pydantic==2.7.4 \
  uvicorn==0.54.0 setuptools==80.9.0 &
packages=$!
children+=("$packages")
js=
if command -v npm > /dev/null; then
  mkdir "$scratch/js"
  (cd "$scratch/js" && exec npm install --silent --no-audit --no-fund tus-js-client@4.3.1 > npm.log 2>&1) &
  js=$!
  children+=("$js")
fi

begin_document
begin_outage

step "three nodes"
read -r -a port < <(python3 - <<'PORTS'
import socket
# All are held at once, so that no two are the same.
held = [socket.socket(socket.AF_INET, kind) for kind in [socket.SOCK_DGRAM] * 3 + [socket.SOCK_STREAM] * 3]
for one in held:
    one.bind(("127.0.0.1", 0))
print(*[one.getsockname()[1] for one in held])
PORTS
)
place() { # The addresses of a node.
  echo --data-dir "$scratch/n$1" --name "nut-$1" \
    --mesh-listen "127.0.0.1:${port[$1 - 1]}" --mesh-advertise "127.0.0.1:${port[$1 - 1]}" \
    --api-listen "127.0.0.1:${port[$1 + 2]}" --api-url "https://127.0.0.1:${port[$1 + 2]}" \
    --api-url "https://localhost:${port[$1 + 2]}"
}
url() { echo "https://127.0.0.1:${port[$1 + 2]}"; }
start() {
  "$lgsp" run --data-dir "$scratch/n$1" 2>> "$scratch/n$1.log" &
  nodes[$1]=$!
  children+=($!)
  eventually "node $1 is ready" curl -sf --cacert "$scratch/n1/authority.pem" "$(url "$1")/readyz"
}
export LGSP_PROFILE=$scratch/n1/admin.toml LGSP_CA=$scratch/n1/authority.pem LGSP_LANG=en
# shellcheck disable=SC2046 # the addresses are words
"$lgsp" init --zone H41 $(place 1) > /dev/null 2>&1
start 1
for n in 2 3; do
  token=$("$lgsp" member token -o json | member token)
  # shellcheck disable=SC2046
  "$lgsp" join "$(url 1)" --token "$token" $(place "$n") > /dev/null
  start "$n"
done
eventually "three voters" sh -c '"$0" status -o json | grep -q "\"tolerates\": *1"' "$lgsp"
echo "ok   three nodes vote"; passed=$((passed + 1))

step "units, an application, keys"
"$lgsp" unit import node/app/data/nghe-an-units.csv
export LGSP_UNIT=H41.02
"$lgsp" app add van-ban --unit "$LGSP_UNIT"
openssl genrsa -out "$scratch/rsa.pem" 3072 2> /dev/null
openssl genpkey -algorithm ed25519 -out "$scratch/ed25519.pem"
openssl ecparam -genkey -name prime256v1 -noout | openssl pkcs8 -topk8 -nocrypt -out "$scratch/p256.pem"
for name in rsa ed25519 p256; do openssl pkey -in "$scratch/$name.pem" -pubout -out "$scratch/$name.pub"; done
issue() { "$lgsp" key issue van-ban -o json "$@" | member access_key; }
hmac=$(issue --secret-file "$scratch/hmac.secret")
sha1=$(issue --secret-file "$scratch/sha1.secret" --legacy --hmac-sha1)
legacy=$(issue --secret-file "$scratch/legacy.secret" --legacy)
rsa=$(issue --algorithm rsa-v1_5-sha256 --public-key "$scratch/rsa.pub")
pss=$(issue --algorithm rsa-pss-sha512 --public-key "$scratch/rsa.pub")
ed25519=$(issue --algorithm ed25519 --public-key "$scratch/ed25519.pub")
p256=$(issue --algorithm ecdsa-p256-sha256 --public-key "$scratch/p256.pub")
echo "ok   keys of five algorithms"; passed=$((passed + 1))

as() { # A command with a key and one of the nodes in its environment.
  local node=$1 key=$2 secret=$3
  shift 3
  LGSP_URL=$(url "$node") LGSP_KEY=$key LGSP_SECRET_FILE=$secret \
    REQUESTS_CA_BUNDLE=$LGSP_CA NODE_EXTRA_CA_CERTS=$LGSP_CA "$@"
}
python=$scratch/venv/bin/python

step "the guide, as it is pasted"
mkdir "$scratch/guide"
cp docs/examples/* "$scratch/guide/"
count python3 "$here/guide.py" check
{
  echo 'set -euo pipefail'
  python3 "$here/guide.py" blocks sh
  echo 'cmp ban-do.zip received.zip'
  echo 'for name in small large; do echo "ok   guide: a $name packet went the whole way in shell"; done'
} > "$scratch/guide/guide.sh"
python3 "$here/guide.py" blocks python > "$scratch/guide/guide.py"
pasted() { cd "$scratch/guide" && bash guide.sh > guide.out 2>&1 || { cat guide.out; return 1; }; grep '^ok ' guide.out; }
count as 1 "$hmac" "$scratch/hmac.secret" pasted
wait "$packages"
from_guide() { cd "$scratch/guide" && "$python" guide.py | tee guide.out | grep -q '^200 ' && echo "ok   guide: the Python example"; }
count as 2 "$hmac" "$scratch/hmac.secret" from_guide

step "receipts"
count bash "$here/receipts.sh" "$scratch/guide/receipts.json" "$scratch/guide/jwks.json"

step "requests-http-signature 2.0.0"
foreign() { LGSP_ALGORITHM=$1 "$python" "$here/requests_client.py"; }
count as 1 "$hmac" "$scratch/hmac.secret" foreign hmac-sha256
count as 2 "$rsa" "$scratch/rsa.pem" foreign rsa-v1_5-sha256
count as 3 "$pss" "$scratch/rsa.pem" foreign rsa-pss-sha512
count as 1 "$ed25519" "$scratch/ed25519.pem" foreign ed25519
count as 2 "$p256" "$scratch/p256.pem" foreign ecdsa-p256-sha256

step "httpsig 1.3.0, the legacy profile"
old() { "$python" "$here/legacy_client.py" "$@"; }
count as 1 "$sha1" "$scratch/sha1.secret" old hmac-sha1 open
count as 2 "$sha1" "$scratch/sha1.secret" old hmac-sha256 open
count as 3 "$legacy" "$scratch/legacy.secret" old hmac-sha256 open
count as 1 "$legacy" "$scratch/legacy.secret" old hmac-sha1 closed
count as 2 "$hmac" "$scratch/hmac.secret" old hmac-sha1 closed
count as 3 "$hmac" "$scratch/hmac.secret" old hmac-sha256 closed

step "tuspy 1.1.0 and curl"
signed() { bash docs/examples/sign.sh "$1" "$LGSP_URL$2" "$LGSP_KEY" "$LGSP_SECRET_FILE" "${@:3}" --fail-with-body; }
upload() { # Opens a packet, fills its space with a client, commits; the packet's id comes in `packet`.
  local file=$1 size digest
  size=$(wc -c < "$file" | tr -d ' ') digest=$(openssl dgst -sha256 -r "$file" | cut -d' ' -f1)
  printf '{"targets":["%s"],"title":"Bản đồ","media_type":"application/zip","size":%s}' "$LGSP_UNIT" "$size" > "$scratch/open.json"
  signed POST /v1/packets "$scratch/open.json" > "$scratch/opened.json"
  packet=$(member packet < "$scratch/opened.json")
  space=$(python3 -c 'import json,sys; print(json.load(sys.stdin)["space"]["url"])' < "$scratch/opened.json")
  LGSP_TOKEN=$(python3 -c 'import json,sys; print(json.load(sys.stdin)["space"]["token"])' < "$scratch/opened.json")
  export LGSP_TOKEN
  "${@:2}" "$file" "$space" "$space/content"
  printf '{"digest":"%s","size":%s}' "$digest" "$size" > "$scratch/commit.json"
  signed POST "/v1/packets/$packet/commit" "$scratch/commit.json" > /dev/null
  echo "ok   the upload is committed"
}
receive() { # Accepts and fetches in one request, compares, confirms, and looks at the end.
  signed POST "/v1/packets/$packet/accept" -H 'Accept: application/octet-stream' -o "$scratch/received" -D "$scratch/head"
  cmp "$1" "$scratch/received"
  echo "ok   accepted and fetched in one request"
  printf '{"receipts":[{"packet":"%s","digest":"%s"}]}' "$packet" "$(openssl dgst -sha256 -r "$1" | cut -d' ' -f1)" > "$scratch/receipts.json"
  signed POST /v1/confirmations "$scratch/receipts.json" | grep -q '"ok":true'
  signed GET "/v1/packets/$packet" | grep -q '"state":"completed"'
  echo "ok   confirmed and completed"
}
head -c 3000000 /dev/urandom > "$scratch/map.zip"
by_tuspy() {
  upload "$scratch/map.zip" "$python" "$here/tus_client.py"
  echo "$packet" > "$scratch/packet"
  LGSP_URL=$(url 3) receive "$scratch/map.zip"
  grep -qi "^content-disposition: .*B%E1%BA%A3n%20%C4%91%E1%BB%93%20quy%20ho%E1%BA%A1ch.zip" "$scratch/head"
  echo "ok   tuspy: the file's name came along"
}
count as 2 "$hmac" "$scratch/hmac.secret" by_tuspy

step "tus-js-client 4.3.1"
by_tus_js() {
  in_js() { (cd "$scratch/js" && node "$here/tus_client.mjs" "$@"); }
  upload "$scratch/map.zip" in_js
  LGSP_URL=$(url 2) receive "$scratch/map.zip"
}
if [ -n "$js" ] && wait "$js"; then
  count as 1 "$hmac" "$scratch/hmac.secret" by_tus_js
else
  left_out "there is no npm here, or it could not install the package"
fi

step "signing examples"
# shellcheck source=tests/foreign/signing.sh
. "$here/signing.sh"
signing_examples

step "events by curl"
stream() { # Reads a stream of events to the end of the one that announces a packet; half a minute at most.
  local packet=$1 line seen=
  shift
  while IFS= read -r line; do
    printf '%s\n' "$line"
    case $line in *lgsp.packet.available.v1*) case $line in *"\"subject\":\"$packet\""*) seen=yes ;; esac ;; esac
    if [ -n "$seen" ] && [ -z "$line" ]; then return; fi
    # curl lives until it writes again, and what it says then belongs to no step.
  done < <(signed GET "$@" -N -m 30 -H 'Accept: text/event-stream' 2> "$scratch/stream.err")
  echo "the stream ended without $packet: $(cat "$scratch/stream.err")" >&2
  return 1
}
by_events() {
  packet=$(cat "$scratch/packet")
  stream "$packet" '/v1/events?after=0' > "$scratch/events"
  grep -q '"type":"vn.gov.nghean.lgsp.session.started.v1"' "$scratch/events"
  echo "ok   events: a session begins with what waits"
  grep '"type":"vn.gov.nghean.lgsp.packet.available.v1"' "$scratch/events" | grep -q "\"subject\":\"$packet\""
  echo "ok   events: the packet is announced"
  last=$(sed -n 's/^id: //p' "$scratch/events" | tail -n 1)
  # At another node, from the position before: the next event is that very one.
  LGSP_URL=$(url 1) stream "$packet" /v1/events -H "Last-Event-ID: $((last - 1))" > "$scratch/events"
  [ "$(sed -n 's/^id: //p' "$scratch/events" | head -n 1)" = "$last" ]
  echo "ok   events: another node goes on after Last-Event-ID"
  signed GET "/v1/events?after=$((last - 2))&wait=1" -H 'Accept: application/cloudevents-batch+json' > "$scratch/events"
  [ "$(python3 -c 'import json,sys; print(json.load(sys.stdin)[1]["subject"])' < "$scratch/events")" = "$packet" ]
  echo "ok   events: the same by long poll"
}
count as 2 "$hmac" "$scratch/hmac.secret" by_events

step "edXML at lxml and Java, a token by requests-oauthlib, X-Road by pyxroad and fastapi-xroad-soap"
count by_lxml
count by_oauth
count by_xroad
if command -v java > /dev/null; then count by_java_xml; else left_out "there is no java here"; fi

by_downloads
by_document
# The last one, as it kills nodes.
by_outage
[ "$failed" = 0 ]
