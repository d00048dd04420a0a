//! Integration tests, as one binary: linking Burn takes long.

mod apply;
mod infer;
#[path = "../../../resnet-core/tests/it/keyed.rs"]
mod keyed;
mod made;
mod read;

fn fixture(path: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(path)
}
