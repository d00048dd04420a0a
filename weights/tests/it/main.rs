//! Integration tests in one binary, because linking Burn takes long.

mod apply;
mod cases;
mod catalog;
mod dense;
mod export;
#[cfg(feature = "download")]
mod families;
#[cfg(feature = "download")]
mod fetch;
mod infer;
mod made;
#[cfg(not(feature = "download"))]
mod no_download;
#[cfg(not(feature = "onnx"))]
mod no_onnx;
#[cfg(feature = "onnx")]
mod onnx;
mod pretrained;
mod quantized;
mod read;
mod source;

fn fixture(path: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(path)
}
