#![doc = include_str!("../README.md")]

mod error;
mod graph;
mod network;
mod recognize;
mod tensor;
mod translate;

pub use error::OnnxError;
pub use network::{OnnxNetwork, open, open_with};
pub use tensor::OnnxTensor;
