//! The code that `burn-import` generates from `fixtures/onnx/good/deep.dynamo.onnx`.

#[allow(clippy::all, missing_docs)]
pub mod generated {
    include!(concat!(env!("OUT_DIR"), "/model/deep.rs"));
}
