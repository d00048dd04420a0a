#![cfg_attr(not(feature = "std"), no_std)]
#![doc = include_str!("../README.md")]

extern crate alloc;

mod arena;
mod batch;
mod borders;
mod engine;
mod error;
mod graph;
mod int8;
mod layers;
mod options;
mod outputs;
mod plan;
mod session;

pub use batch::Batch;
pub use engine::Engine;
pub use error::{CompileError, MissingTensor, RunError};
pub use int8::{
    Calibration, CalibrationMethod, Calibrator, LayerNoise, NoiseMeter, QuantizedLayer,
    QuantizedNetwork, Sums,
};
pub use layers::StateDict;
pub use options::{CompileOptions, MemoryMode, Precision};
pub use outputs::{FeatureMap, Outputs, Results};
pub use resnet_kernels::int8::Quantization;
pub use resnet_kernels::simd;
pub use session::Session;
#[cfg(feature = "std")]
pub use session::StepTime;
