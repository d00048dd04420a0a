#!/usr/bin/env bash
# Runs the kernels of resnet-cpu on few values under Miri, which finds undefined behavior and data races:
# with portable vectors of eight values, then with none.
#
#   rustup toolchain install nightly --component miri,rust-src
#   scripts/miri.sh
set -euo pipefail
cd "$(dirname "$0")/.."

skipped() {
  printf '\n!!!!!!!! SKIPPED: %s !!!!!!!!\n' "$1"
  exit 0
}

cargo +nightly miri --version > /dev/null 2>&1 || skipped "Miri, for want of a nightly toolchain with it"

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/miri"
# rayon's queues break the rules of stacked borrows and cast addresses to pointers; its threads never end.
export MIRIFLAGS="-Zmiri-disable-isolation -Zmiri-ignore-leaks -Zmiri-permissive-provenance -Zmiri-tree-borrows"
export RAYON_NUM_THREADS=2
for vectors in wide none; do
  RESNET_CPU_SIMD=$vectors cargo +nightly miri test -p resnet-cpu --test it small
done
