#!/usr/bin/env bash
# Runs the tests of resnet-kernels, resnet-cpu and resnet-engine under AddressSanitizer, because its kernels and parallel writes are
# unsafe code. Integer arithmetic wraps on overflow, as in release builds.
#
#   scripts/asan.sh [TEST FILTER OR OPTIONS]
#
# It works with a stable compiler and builds in the subfolder `asan` of CARGO_TARGET_DIR.
set -euo pipefail
cd "$(dirname "$0")/.."

skipped() {
  printf '\n!!!!!!!! SKIPPED: %s !!!!!!!!\n' "$1"
  exit 0
}

host="$(rustc -vV | sed -n 's/^host: //p')"
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
export RUSTC_BOOTSTRAP=1
echo 'fn main() {}' > "$scratch/probe.rs"
if ! rustc -Zsanitizer=address --target "$host" -o "$scratch/probe" "$scratch/probe.rs" 2> "$scratch/why" \
  || ! "$scratch/probe" 2>> "$scratch/why"; then
  skipped "AddressSanitizer for $host: $(head -1 "$scratch/why")"
fi

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/asan"
export CARGO_INCREMENTAL=0
export CARGO_PROFILE_DEV_OVERFLOW_CHECKS=false
export CARGO_PROFILE_DEV_DEBUG_ASSERTIONS=false
export RUSTFLAGS="-Zsanitizer=address --cfg asan"
# The cache of packed weights lives until the process ends. A failed allocation must return null to
# the program.
export ASAN_OPTIONS="detect_leaks=0:allocator_may_return_null=1"
cargo test -p resnet-kernels -p resnet-cpu --target "$host" --lib --test it -- "$@"
# Every option on small images.
cargo test -p resnet-engine --target "$host" --test it -- every "$@"
