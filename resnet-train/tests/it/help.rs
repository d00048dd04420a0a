//! Compares the help texts with their snapshots, so that a review shows every change.

use std::path::Path;

#[test]
fn help_texts_match_their_snapshots() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots/help");
    resnet_testing::help::assert_help(Path::new(env!("CARGO_BIN_EXE_resnet-train")), &folder);
}
