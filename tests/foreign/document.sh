# What is made from `/openapi.json`: a linter's verdict, a client in TypeScript, and requests by schemathesis. Sourced by
# run.sh, whose functions it uses.

# Redocly's linter is large, and a registry may be slow: it comes while the other steps run.
begin_document() {
  venv_of_schemathesis=$scratch/schemathesis
  {
    python3 -m venv "$venv_of_schemathesis" &&
      "$venv_of_schemathesis/bin/pip" install --quiet --disable-pip-version-check \
        schemathesis==4.32.5 requests-http-signature==2.0.0
  } &
  schemathesis=$!
  children+=("$schemathesis")
  typescript= redocly=
  command -v npm > /dev/null || return 0
  cp -r "$here/typescript" "$scratch/typescript"
  (cd "$scratch/typescript" && exec npm install --silent --no-audit --no-fund > npm.log 2>&1) &
  typescript=$!
  mkdir "$scratch/redocly"
  (cd "$scratch/redocly" && exec npm install --silent --no-audit --no-fund @redocly/cli@2.77.0 > npm.log 2>&1) &
  redocly=$!
  children+=("$typescript" "$redocly")
}

fetch_document() {
  curl -sf --cacert "$LGSP_CA" "$(url 1)/openapi.json" -o "$scratch/openapi.json"
}

linted() {
  cd "$scratch/redocly"
  # Its recommended rules as they are; what it reports home would be somebody else's business.
  REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true \
    npx redocly lint "$scratch/openapi.json" --format=json > lint.json 2> lint.log || true
  python3 - lint.json <<'LINT'
import json, sys
with open(sys.argv[1], encoding="utf-8") as file:
    told = json.load(file)
for problem in told["problems"]:
    print("FAIL redocly:", problem["severity"], problem["ruleId"], problem["message"], problem["location"][0]["pointer"])
if not told["problems"]:
    print("ok   redocly: /openapi.json is as its recommended rules ask")
LINT
}

typed() {
  cd "$scratch/typescript"
  npx openapi-typescript "$scratch/openapi.json" -o lgsp.ts > generated.log
  echo "ok   typescript: types are generated"
  npx tsc
  echo "ok   typescript: the client compiles"
  node client.js
}

tried() { # schemathesis with one key: its name in the lines, and which operations.
  local who=$1 code=0
  shift
  mkdir -p "$scratch/tried" && cd "$scratch/tried"
  SCHEMATHESIS_HOOKS=$here/schemathesis_hooks.py PYTHONDONTWRITEBYTECODE=1 LGSP_LEFT=$scratch/tried/left \
    "$venv_of_schemathesis/bin/st" --config-file "$here/schemathesis.toml" run "$LGSP_URL/openapi.json" \
    --tls-verify "$LGSP_CA" --no-color --warnings off --continue-on-failure --request-timeout 20 \
    --seed 74 --phases examples,coverage,fuzzing "$@" > out 2>&1 || code=$?
  if [ "$code" = 0 ]; then
    echo "ok   schemathesis as $who: $(sed -n 's/^ *\([0-9]* generated\).*/\1/p' out), no breach"
  else
    echo "FAIL schemathesis as $who"
    cut -c1-1500 out
  fi
  # Requests that all fail would show little.
  if [ -s left ]; then
    echo "FAIL schemathesis as $who: nothing was ever taken by $(tr '\n' ' ' < left)"
  else
    echo "ok   schemathesis as $who: every operation has taken something"
  fi
}

by_document() {
  step "redocly 2.77.0"
  fetch_document
  if [ -n "$redocly" ] && wait "$redocly"; then
    count linted
  else
    left_out "there is no npm here, or it could not install the package"
  fi
  step "openapi-typescript 7.13.0 and openapi-fetch 0.17.0"
  if [ -n "$typescript" ] && wait "$typescript"; then
    count as 1 "$hmac" "$scratch/hmac.secret" typed
  else
    left_out "there is no npm here, or it could not install the packages"
  fi
  step "schemathesis 4.32.5"
  wait "$schemathesis"
  # A source and target, at what is theirs, and an administrator at the rest.
  count as 1 "$hmac" "$scratch/hmac.secret" tried van-ban --max-examples 20 --exclude-tag admin
  # Left out is what would take the cluster from the steps behind: a node that is removed, and authorities that nobody
  # here trusts, or trusts no longer. A key that is revoked is one that was issued for it, as 100 random bits are.
  count as 2 "$(sed -n 's/^access_key = "\(.*\)"/\1/p' "$LGSP_PROFILE")" "$scratch/n1/admin.secret" \
    tried administrator --max-examples 20 --include-tag admin \
    --exclude-operation-id remove_member --exclude-operation-id rotate_authority \
    --exclude-operation-id end_older_authorities
}
