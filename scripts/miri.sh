#!/usr/bin/env bash
# Runs the kernels of resnet-kernels on small inputs under Miri, which finds undefined behavior and data
# races: first with portable vectors of eight values, then without SIMD.
#
#   rustup toolchain install nightly --component miri,rust-src
#   scripts/miri.sh
set -euo pipefail
cd "$(dirname "$0")/.."

skipped() {
  printf '\n!!!!!!!! SKIPPED: %s !!!!!!!!\n' "$1"
  exit 0
}

cargo +nightly miri --version > /dev/null 2>&1 || skipped "Miri: no nightly toolchain with Miri"

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/miri"
# rayon's queues violate stacked borrows and cast integers to pointers; its threads never end.
export MIRIFLAGS="-Zmiri-disable-isolation -Zmiri-ignore-leaks -Zmiri-permissive-provenance -Zmiri-tree-borrows"
export RAYON_NUM_THREADS=2
for vectors in wide none; do
  RESNET_CPU_SIMD=$vectors cargo +nightly miri test -p resnet-kernels --test it
  RESNET_CPU_SIMD=$vectors cargo +nightly miri test -p resnet-cpu --test it small
done
