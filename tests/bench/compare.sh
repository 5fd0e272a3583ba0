#!/usr/bin/env bash
# compare.sh: the load tool and NATS JetStream (three replicas, fsync before each acknowledgement)
# in turn, three rounds, on this machine; medians and ratios at the end.
#
#   PEERS=/path/to/bench/peers tests/bench/compare.sh
#   ROUNDS=5 SECS=4 PEER=nats OUT=out.jsonl PHASES=submit,cycle,sizes tests/bench/compare.sh
#
# PEERS is a folder with run.sh, which emits JSON lines with the same keys as the load tool.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PEERS=${PEERS:?the folder with the run.sh of the peers}
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
  RESULTS=$OUT "$PEERS/run.sh" "$PEER" publish cycle >/dev/null
  "$LOAD" --phases "$PHASES" --secs "$SECS" --json "$OUT" ${LOAD_ARGS:-} >/dev/null
done
python3 "$HERE/ratios.py" "$OUT" "$PEER"
echo "lines: $OUT" >&2
