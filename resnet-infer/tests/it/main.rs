//! Integration tests of the command and the library.

#![allow(
    clippy::print_stdout,
    reason = "measured values, shown with `--nocapture`"
)]

mod batches;
mod cases;
mod channels;
mod classify;
mod coco;
mod compare;
mod dense;
mod evaluate;
mod help;
mod inputs;
mod library;
mod look;
mod quantize;
mod runtime;
mod scratch;
mod weights;

use assert_cmd::Command;
use assert_cmd::assert::Assert;
// A file of any crate's fixtures.
use resnet_testing::workspace as fixture;

/// Backends that the tests build into the program. `.ci/run` also builds `ndarray`.
const BACKENDS: &[&str] = &[
    "cpu",
    "flex",
    #[cfg(feature = "ndarray")]
    "ndarray",
];

/// Runs `resnet-infer ARGS` without `RESNET_BACKEND` from the environment.
fn run<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> Assert {
    let mut command = Command::cargo_bin("resnet-infer").unwrap();
    command.env_remove("RESNET_BACKEND").args(args).assert()
}

fn stdout(assert: &Assert) -> String {
    String::from_utf8(assert.get_output().stdout.clone()).unwrap()
}

fn stderr(assert: &Assert) -> String {
    String::from_utf8(assert.get_output().stderr.clone()).unwrap()
}

fn checkpoint(name: &str) -> String {
    let path = fixture("weights/tests/fixtures/checkpoints").join(name);
    path.to_str().unwrap().to_string()
}

fn image(name: &str) -> String {
    let path = fixture("resnet-image/tests/fixtures/preprocess/images").join(name);
    path.to_str().unwrap().to_string()
}
