#!/usr/bin/env bash
# Builds the libraries for WebAssembly (wasm32-unknown-unknown) and runs the embedded network in
# Node.js. Its probabilities must match those of the native command. Runs the tests of the kernels
# with `simd128`.
set -euo pipefail
cd "$(dirname "$0")/.."

skipped() {
  printf '\n!!!!!!!! SKIPPED: %s !!!!!!!!\n' "$1"
  exit 0
}

target=wasm32-unknown-unknown
rustup target add "$target" 2> /dev/null || skipped "$target: rustup cannot install it here"

# The program in tests/wasm is built on resnet-infer with the feature `embedded`, and so on all of
# the libraries that support the target.
folder=resnet-infer/tests/wasm
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}"
cargo build --release --manifest-path "$folder/Cargo.toml" --lib --target "$target"
# The engine alone, without Burn, with vectors and without the standard library.
RUSTFLAGS="-C target-feature=+simd128" CARGO_TARGET_DIR="$CARGO_TARGET_DIR/simd128" \
  cargo build --release -p resnet-engine --no-default-features --target "$target"
command -v node > /dev/null || skipped "the network in WebAssembly: no Node.js"
# A panic ends the program, so the test that expects one is left out.
if rustup target add wasm32-wasip1 2> /dev/null; then
  RUSTFLAGS="-C target-feature=+simd128" CARGO_TARGET_DIR="$CARGO_TARGET_DIR/simd128" \
    CARGO_TARGET_WASM32_WASIP1_RUNNER="node --no-warnings $PWD/scripts/wasi.mjs" \
    cargo test -p resnet-kernels --no-default-features --test it --target wasm32-wasip1 -- \
    --skip weights_of_another
else
  printf '\n!!!!!!!! SKIPPED: %s !!!!!!!!\n' "tests in wasm32-wasip1: rustup cannot install it here"
fi
photo=resnet-infer/sample/chelsea.png
native=$(cargo run --release -p resnet-infer -- classify "$photo" --model cifar_resnet20 --top-k 10 --json)
node "$folder/run.mjs" "$CARGO_TARGET_DIR/$target/release/wasm.wasm" "$photo" "$native"
