# A standard EventSource lives through the death of two nodes of three. The last step: it kills them. Sourced by run.sh,
# whose functions it uses.

begin_outage() {
  eventsource=
  command -v npm > /dev/null || return 0
  mkdir "$scratch/eventsource"
  (cd "$scratch/eventsource" && exec npm install --silent --no-audit --no-fund eventsource@4.1.1 > npm.log 2>&1) &
  eventsource=$!
  children+=("$eventsource")
}

told=; follower=
told_of() { grep -q "^event [0-9]* vn.gov.nghean.lgsp.packet.available.v1 $1\$" "$told"; }
asked_more() { [ "$(grep -c '^asked' "$told")" -gt "$1" ]; }
lives() { kill -0 "$follower" 2> /dev/null && ! grep -q '^closed' "$told"; }
ready() { curl -sf --cacert "$LGSP_CA" "$(url "$1")/readyz"; }
not_ready() { ! ready 1; }

send_and_hear() { # A packet goes out by node 1, and the follower is told of it.
  send_small "$scratch/small.zip"
  eventually "eventsource: the packet is announced" told_of "$packet"
  echo "ok   eventsource: a packet is announced $1"
}

kept() { # What the follower's lines show at the end.
  if ! lives; then echo "FAIL eventsource: it gave up"; cat "$told"; return; fi
  echo "ok   eventsource: it never gave up, in $(grep -c '^asked' "$told") requests"
  # After the first event each request says where to go on, and nothing is told twice.
  local heard
  heard=$(sed -n 's/^event \([0-9][0-9]*\) .*/\1/p' "$told")
  [ "$heard" = "$(sort -nu <<< "$heard")" ]
  tail -n 1 <(grep '^asked' "$told") | grep -q '^asked [0-9]'
  echo "ok   eventsource: Last-Event-ID went along, and nothing was told twice"
}

by_outage() {
  step "eventsource 4.1.1, while two nodes of three are dead"
  if [ -z "$eventsource" ] || ! wait "$eventsource"; then
    left_out "there is no npm here, or it could not install the package"
    return
  fi
  told=$scratch/told
  (
    cd "$scratch/eventsource"
    LGSP_URL=$(url 1)
    export LGSP_URL LGSP_KEY=$hmac LGSP_SECRET_FILE=$scratch/hmac.secret NODE_EXTRA_CA_CERTS=$LGSP_CA
    # In the shell's place, so that it goes when the shell is told to.
    exec node "$here/eventsource_client.mjs"
  ) > "$told" 2>&1 &
  follower=$!
  children+=("$follower")
  eventually "eventsource: the stream is open" grep -q '^open' "$told"
  count as 1 "$hmac" "$scratch/hmac.secret" send_and_hear "before"
  kill -9 "${nodes[2]}" "${nodes[3]}"
  eventually "node 1 has no majority" not_ready
  local asked
  asked=$(grep -c '^asked' "$told")
  # Three requests more: it is answered each time, and comes back.
  eventually "eventsource: it comes back again and again" asked_more $((asked + 2))
  start 2
  start 3
  eventually "node 1 is ready" ready 1
  count as 1 "$hmac" "$scratch/hmac.secret" send_and_hear "after two nodes were dead"
  count kept
}
