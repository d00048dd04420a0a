//! The help texts are documentation: a change of one shows in its snapshot.

use std::path::Path;

#[test]
fn help_texts_match_their_snapshots() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots/help");
    resnet_testing::help::assert_help(Path::new(env!("CARGO_BIN_EXE_resnet-train")), &folder);
}
