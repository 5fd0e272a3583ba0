#!/usr/bin/env bash
# Signs one request by the profile lgsp-v1 (RFC 9421, HMAC-SHA-256) and sends it with curl.
#
#   sign.sh METHOD URL ACCESS_KEY SECRET_FILE [BODY_FILE] [extra curl arguments]
#
#   sign.sh GET 'https://lgsp.example.vn/v1/units?q=so%20y%20te' AK… secret.txt
#   sign.sh POST https://lgsp.example.vn/v1/packets AK… secret.txt request.json -H 'Idempotency-Key: cv-1204'
#
# Needs bash, openssl and curl. The URL is signed as it stands: percent-encode it first.
# LGSP_CA names the file of the authority to trust, where it is not one of the system's.
set -euo pipefail

if [ $# -lt 4 ]; then
  sed -n '2,10s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
method=$1 url=${2%%#*} key=$3
IFS= read -r secret < "$4" || [ -n "$secret" ]
# Some editors put a byte order mark before the secret, or end its line with a carriage return; neither is part of it.
secret=${secret#$'\xef\xbb\xbf'} secret=${secret%$'\r'}
shift 4
body=
if [ $# -gt 0 ] && [ "${1#-}" = "$1" ]; then body=$1; shift; fi

# The target as the server sees it: host in lower case, no default port, at least one slash.
scheme=${url%%://*} rest=${url#*://}
authority=${rest%%[/?]*} path=${rest#"${rest%%[/?]*}"}
authority=${authority,,}
case $scheme in https) authority=${authority%:443} ;; http) authority=${authority%:80} ;; esac
case $path in /*) ;; *) path=/$path ;; esac
target=$scheme://$authority$path

components='"@method" "@target-uri"'
base="\"@method\": $method"$'\n'"\"@target-uri\": $target"$'\n'
send=()
[ -z "${LGSP_CA:-}" ] || send+=(--cacert "$LGSP_CA")
if [ -n "$body" ]; then
  digest="sha-256=:$(openssl dgst -sha256 -binary "$body" | openssl base64 -A):"
  components+=' "content-digest"'
  base+="\"content-digest\": $digest"$'\n'
  send+=(-H "Content-Digest: $digest" --data-binary "@$body")
fi

# Of the headers given, those that change what the request means are signed too.
media_type=application/json
for ((i = 1; i < $#; i++)); do
  [ "${!i}" = -H ] || continue
  j=$((i + 1)) header=${!j}
  name=${header%%:*} value=${header#*:}
  value=${value#"${value%%[! ]*}"} name=${name,,}
  case $name in
    authorization | idempotency-key | packet-digest | upload-length | upload-offset | upload-metadata | upload-concat)
      components+=" \"$name\""
      base+="\"$name\": $value"$'\n' ;;
    content-type) media_type= ;;
  esac
done
[ -z "$body" ] || [ -z "$media_type" ] || send+=(-H "Content-Type: $media_type")

params="($components);created=$(date +%s);nonce=\"$(openssl rand -hex 16)\";keyid=\"$key\";tag=\"lgsp-v1\""
base+="\"@signature-params\": $params"

# HMAC by its definition (RFC 2104), so that the secret is in no argument that ps would show.
pad() {
  local i code octets= octet
  for ((i = 0; i < 64; i++)); do
    code=0
    [ "$i" -ge "${#secret}" ] || printf -v code %d "'${secret:i:1}"
    printf -v octet '\\x%02x' $((code ^ $1))
    octets+=$octet
  done
  printf %b "$octets"
}
sha256() { openssl dgst -sha256 -binary; }
if [ -z "$secret" ] || [ "${#secret}" -gt 64 ]; then
  echo "sign.sh: $4 does not hold a secret key of 43 characters" >&2
  exit 2
fi
signature=$({ pad 0x5c; { pad 0x36; printf %s "$base"; } | sha256; } | sha256 | openssl base64 -A)

if [ "$method" = HEAD ]; then send+=(--head); else send+=(-X "$method"); fi
exec curl --silent --show-error --path-as-is --globoff "${send[@]}" \
  -H "Signature-Input: lgsp=$params" -H "Signature: lgsp=:$signature:" "$@" "$url"
