#![doc = include_str!("../README.md")]
// The types of a fused GPU backend are nested deeper than the compiler's default limit.
#![recursion_limit = "256"]

mod drivers;
mod error;
mod guard;
mod name;
mod report;
mod selection;
mod work;

pub use error::BackendError;
pub use name::BackendName;
pub use report::{BackendReport, DeviceReport, Hardware, backends};
pub use selection::{DeviceName, Selection};
pub use work::{Work, with_backend};

/// Registers the fused layers for training on LibTorch.
///
/// [`with_backend`] calls this function. Call it once in a program that uses the type `LibTorch`
/// directly.
#[cfg(feature = "tch")]
pub fn register_libtorch_layers() {
    drivers::tch::register();
}

#[cfg(any(
    all(feature = "vulkan", feature = "metal"),
    all(feature = "vulkan", feature = "webgpu"),
    all(feature = "metal", feature = "webgpu"),
))]
compile_error!(
    "the features `vulkan`, `metal` and `webgpu` each set the shader compiler of the whole program: enable only one of them"
);
