# Commands for daily work. `just` lists them.

_default:
    @just --list

# Format, lint and test the crate of the current folder
[no-cd]
quick:
    cargo fmt
    cargo clippy --all-targets -- -D warnings
    cargo test

# Test the workspace
test:
    cargo test --workspace

# Run everything that must pass before a merge, or the named steps (`.ci/run --list`)
check *steps:
    .ci/run {{steps}}

# Build rustdoc and the book
docs:
    .ci/run documentation

# Check the spelling
spelling:
    .ci/run spelling

# Measure inference and a training step of ResNet-50 on the default backend
bench:
    cargo build --release -p resnet-infer -p resnet-train
    cargo run --release -p resnet-infer -- bench resnet50 --fuse
    cargo run --release -p resnet-train -- bench step resnet50 --batch-size 8
