#!/usr/bin/env bash
# Builds what is deployed: a program that the compiler has laid out by what a cluster under load really ran
# (docs/decisions/0025-trained-builds.md). Three steps: a build that counts, a minute of load on three nodes on
# loopback, and the build that uses the counts. Some 25 minutes on two processors, 6 GiB of disk.
#
#   deploy/build.sh              # target/deploy/lgsp, and target/deploy/load, the load tool of the same build
#
# A second run takes from the first one what was compiled from the same sources and counts.
# Needs the toolchain's component llvm-tools: rustup component add llvm-tools
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

step() { printf '\n== [%s] %s\n' "$(date +%T)" "$*"; }

host=$(rustc -vV | sed -n 's/^host: //p')
tool=$(rustc --print sysroot)/lib/rustlib/$host/bin/llvm-profdata
[ -x "$tool" ] || {
  echo "llvm-profdata is missing: rustup component add llvm-tools. Without it: cargo build --profile dist --bin lgsp" >&2
  exit 2
}
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
counts=$target/counted/counts
rm -rf "$counts" "$target"/counted/*.profdata

# The same packages each time: what is built together determines the features, and those the symbols by which counts
# are found again. A target is named so that build scripts and macros of the compiler are not counted.
build() { # FLAGS DIRECTORY BINARY...
  local flags=$1 directory=$2
  shift 2
  # Encoded, so that a path may have a space in it.
  CARGO_ENCODED_RUSTFLAGS=$flags cargo build --profile dist --locked --target "$host" --target-dir "$target/$directory" \
    -p lgsp-app -p lgsp-tests "${@/#/--bin=}"
}

step "a build that counts"
build "-Cprofile-generate=$counts" counted load

step "what a cluster runs"
counted=$target/counted/$host/dist/load
"$counted" --phases submit,cycle --conc 1,16,64 --secs 4
"$counted" --phases sizes --conc 16 --secs 3
# Everything else once, from the first certificate to the last receipt: the load tool is the node's program, too.
LOAD_TOOL_IS_A_NODE=1 "$counted" demo --once
merged=$target/counted/merged
"$tool" merge -o "$merged" "$counts"/*.profraw
# Other counts have another name, so that nothing is kept that was built by those before.
named=$target/counted/$(sha256sum "$merged" | cut -c1-16).profdata
mv "$merged" "$named"

step "the build that uses the counts"
# Code that the load did not run stays as fast as it would be without: it is put aside and not made small.
build "-Cprofile-use=$named"$'\x1f'"-Cllvm-args=-pgso=false" trained lgsp load
mkdir -p "$target/deploy"
cp "$target/trained/$host/dist/"{lgsp,load} "$target/deploy/"
step "done: $target/deploy/lgsp"
