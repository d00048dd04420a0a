//! Generates Rust code from an ONNX file.

#![allow(deprecated, reason = "`burn-import` is `burn-onnx` by its old name")]

use burn_import::onnx::{LoadStrategy, ModelGen};

fn main() {
    ModelGen::new()
        .input("../fixtures/onnx/good/deep.dynamo.onnx")
        .out_dir("model/")
        .load_strategy(LoadStrategy::Embedded)
        .run_from_script();
}
