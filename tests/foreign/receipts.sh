#!/usr/bin/env bash
# Receipts at programs that are not ours: Debian's jose, npm's jose, Sigstore's check of a Merkle proof, Node's Ed25519.
#
#   receipts.sh RECEIPTS.json JWKS.json
#
# Needs jose (Debian), node and npm; LGSP_FOREIGN_JS may name a directory in which the two packages are installed.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
receipts=$(realpath "$1") keys=$(realpath "$2")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0

say() { # Tells how a check went: whether it is good, then what.
  if [ "$1" = 0 ]; then echo "ok   receipts: $2"; else echo "FAIL receipts: $2"; failed=1; fi
}
split() { # Each receipt in a file of its own, named by its kind; and a copy of each with another octet in its payload.
  python3 - "$receipts" "$scratch" <<'PYTHON'
import base64, json, pathlib, sys

for number, receipt in enumerate(json.load(open(sys.argv[1]))["receipts"]):
    payload = receipt["payload"]
    kind = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["kind"]
    at = len(payload) // 2
    other = {**receipt, "payload": payload[:at] + ("B" if payload[at] == "A" else "A") + payload[at + 1 :]}
    for name, each in [("good", receipt), ("changed", other)]:
        pathlib.Path(sys.argv[2], f"{number}-{kind}.{name}").write_text(json.dumps(each))
PYTHON
}

split
for good in "$scratch"/*.good; do
  kind=$(basename "$good" .good)
  if jose jws ver -i "$good" -k "$keys" -O "$scratch/payload" 2> "$scratch/jose.err" && python3 -m json.tool "$scratch/payload" > /dev/null; then code=0; else code=1; cat "$scratch/jose.err"; fi
  say "$code" "Debian's jose accepts $kind"
  if jose jws ver -i "${good%.good}.changed" -k "$keys" -O /dev/null 2> /dev/null; then code=1; else code=0; fi
  say "$code" "Debian's jose refuses $kind with another octet"
done

modules=${LGSP_FOREIGN_JS:-$scratch/js}
if [ ! -d "$modules/node_modules/jose" ]; then
  mkdir -p "$modules"
  (cd "$modules" && npm install --silent --no-audit --no-fund jose@6.2.17 @sigstore/verify@3.0.0)
fi
(cd "$modules" && node "$here/receipts.mjs" "$receipts" "$keys") || failed=1
exit "$failed"
