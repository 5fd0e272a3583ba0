#!/usr/bin/env bash
# Fuzzes every target for a bounded time, from the corpus that is kept: run.sh [SECONDS for each, 15 without] [SEED].
#
# Without a seed each run tries other inputs, so it can find what no run found before. With a seed the inputs come in one
# order, and the seconds and the machine say how far it goes: what a longer run has passed, a shorter one passes.
#
# It builds with the compiler that is there and the flags of libFuzzer's coverage, so it needs no nightly and no
# cargo-fuzz. There is no AddressSanitizer in it, which needs a nightly: the crate forbids unsafe code.
# What it finds is kept in artifacts/; run the target with such a file to see it again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
secs=${1:-15}
seed=${2:-0} # libFuzzer takes 0 for one of its own
# A target other than the host's keeps the flags away from build scripts; naming the host does it too.
host=$(rustc -vV | sed -n 's/^host: //p')
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-../../../target}/fuzz
coverage=(level=4 inline-8bit-counters pc-table trace-compares)
RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Ccodegen-units=1 -Cdebug-assertions -Coverflow-checks"
for what in "${coverage[@]}"; do RUSTFLAGS+=" -Cllvm-args=-sanitizer-coverage-$what"; done
export RUSTFLAGS
cargo build --quiet --release --locked --target "$host" --bins
built=$CARGO_TARGET_DIR/$host/release

one() { # Fuzzes one target. Its memory and the time of one input are bounded: what eats more has found something.
  local target=$1 scratch
  scratch=$(mktemp -d)
  mkdir -p artifacts
  if "$built/$target" "$scratch" "corpus/$target" -max_total_time="$secs" -seed="$seed" -rss_limit_mb=512 -timeout=10 \
    -artifact_prefix="artifacts/$target-" > "$scratch.log" 2>&1; then
    echo "ok   fuzz $target: $(grep -c . < <(ls "corpus/$target")) kept, $(sed -n 's/^Done \([0-9]*\) runs.*/\1 runs/p' "$scratch.log")"
  else
    echo "FAIL fuzz $target"
    tail -n 40 "$scratch.log"
    rm -rf "$scratch" "$scratch.log"
    return 1
  fi
  rm -rf "$scratch" "$scratch.log"
}
export -f one
export built secs seed
# Two at a time. Every target runs to its end whatever the others find.
sed -n 's/^name = "\([a-z_0-9]*\)"$/\1/p' Cargo.toml | xargs -P 2 -I{} bash -c 'one {}'
