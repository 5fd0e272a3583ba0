#!/usr/bin/env bash
# compare.sh: the load tool and NATS JetStream (three replicas, fsync before each acknowledgement)
# in turn, three rounds, on this machine; medians and ratios at the end.
#
#   PEERS=/path/to/bench/peers tests/bench/compare.sh
#   BEFORE=/path/to/load ROUNDS=5 tests/bench/compare.sh    # the program before, built apart, in the same rounds
#   ROUNDS=5 SECS=4 PEER=nats OUT=out.jsonl PHASES=submit,cycle,sizes tests/bench/compare.sh
#
# PEERS is a folder with run.sh, which emits JSON lines with the same keys as the load tool.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PEERS=${PEERS:-} BEFORE=${BEFORE:-}
[ -n "$PEERS$BEFORE" ] || { echo "PEERS or BEFORE is wanted: see the head of this file" >&2; exit 2; }
PEER=${PEER:-nats} ROUNDS=${ROUNDS:-3} PHASES=${PHASES:-submit,cycle,sizes}
export SECS=${SECS:-4}
OUT=${OUT:-$(mktemp -t compare.XXXXXX.jsonl)}
LOAD=${LOAD:-}
if [ -z "$LOAD" ]; then
  (cd "$HERE/../.." && cargo build --release --quiet -p lgsp-tests --bin load)
  LOAD=${CARGO_TARGET_DIR:-$HERE/../../target}/release/load
fi
for round in $(seq "$ROUNDS"); do
  echo "round $round of $ROUNDS, load average $(cut -d' ' -f1-3 /proc/loadavg)" >&2
  [ -z "$PEERS" ] || RESULTS=$OUT "$PEERS/run.sh" "$PEER" publish cycle >/dev/null
  [ -z "$BEFORE" ] || "$BEFORE" --phases "$PHASES" --secs "$SECS" --json "$OUT.before" ${LOAD_ARGS:-} >/dev/null
  "$LOAD" --phases "$PHASES" --secs "$SECS" --json "$OUT" ${LOAD_ARGS:-} >/dev/null
done
if [ -n "$BEFORE" ]; then
  sed 's/"peer": *"lgsp"/"peer": "before"/' "$OUT.before" | cat "$OUT" - > "$OUT.both"
  python3 "$HERE/ratios.py" "$OUT.both" before
fi
[ -z "$PEERS" ] || python3 "$HERE/ratios.py" "$OUT" "$PEER"
echo "lines: $OUT" >&2
