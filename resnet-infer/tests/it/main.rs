//! Integration tests of the command and the library.

#![allow(
    clippy::print_stdout,
    reason = "measured values and skipped tests, shown with `--nocapture`"
)]

mod architecture;
mod batches;
mod cases;
mod channels;
mod classify;
mod compare;
mod evaluate;
mod inputs;
#[path = "../../../resnet-core/tests/it/keyed.rs"]
mod keyed;
mod library;
mod look;
mod runtime;
mod scratch;
#[path = "../../../weights/tests/it/fetch/server.rs"]
mod server;
mod weights;

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use assert_cmd::assert::Assert;

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

/// Returns the path of a file in the workspace.
fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn checkpoint(name: &str) -> String {
    let path = fixture("weights/tests/fixtures/checkpoints").join(name);
    path.to_str().unwrap().to_string()
}

fn image(name: &str) -> String {
    let path = fixture("resnet-image/tests/fixtures/preprocess/images").join(name);
    path.to_str().unwrap().to_string()
}

/// Returns the folder of real data, which is not in the repository. Tests that need it are skipped
/// without it.
fn real_data() -> Option<PathBuf> {
    let folder = std::env::var_os("RESNET_TEST_DATA").map(PathBuf::from);
    if folder.is_none() {
        println!("SKIPPED: set RESNET_TEST_DATA to the folder of cifar10-resnet/ and photos/");
    }
    folder
}
