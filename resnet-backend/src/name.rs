//! Names of backends.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::BackendError;

/// The name of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum BackendName {
    /// NVIDIA GPUs, with CUDA.
    Cuda,
    /// AMD GPUs, with ROCm.
    Rocm,
    /// Apple GPUs, with Metal shaders.
    Metal,
    /// Any GPU with Vulkan, with SPIR-V shaders.
    Vulkan,
    /// Any GPU, with the graphics API of the system and WGSL shaders.
    WebGpu,
    /// Any GPU, with the graphics API of the system and the shaders that the program was built for.
    Wgpu,
    /// `resnet-cpu`: pure Rust, all cores.
    Cpu,
    /// LibTorch.
    Tch,
    /// Burn's Flex: pure Rust, all cores, slower.
    Flex,
    /// Burn's NdArray: pure Rust, slower than Flex.
    NdArray,
}

impl BackendName {
    /// All backends, built in or not, fastest first by estimate.
    pub const ALL: &[Self] = &[
        Self::Cuda,
        Self::Rocm,
        Self::Metal,
        Self::Vulkan,
        Self::WebGpu,
        Self::Wgpu,
        Self::Cpu,
        Self::Tch,
        Self::Flex,
        Self::NdArray,
    ];

    /// Returns the name, which is also the cargo feature.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cuda => "cuda",
            Self::Rocm => "rocm",
            Self::Metal => "metal",
            Self::Vulkan => "vulkan",
            Self::WebGpu => "webgpu",
            Self::Wgpu => "wgpu",
            Self::Tch => "tch",
            Self::Cpu => "cpu",
            Self::Flex => "flex",
            Self::NdArray => "ndarray",
        }
    }

    /// Returns whether the program was built with the backend. The features `vulkan`, `metal` and
    /// `webgpu` include `wgpu`.
    pub fn is_built(self) -> bool {
        match self {
            Self::Cuda => cfg!(feature = "cuda"),
            Self::Rocm => cfg!(feature = "rocm"),
            Self::Metal => cfg!(feature = "metal"),
            Self::Vulkan => cfg!(feature = "vulkan"),
            Self::WebGpu => cfg!(feature = "webgpu"),
            Self::Wgpu => cfg!(feature = "graphics"),
            Self::Tch => cfg!(feature = "tch"),
            Self::Cpu => cfg!(feature = "cpu"),
            Self::Flex => cfg!(feature = "flex"),
            Self::NdArray => cfg!(feature = "ndarray"),
        }
    }

    /// Returns the name and version of the library that implements the backend.
    pub fn version(self) -> &'static str {
        match self {
            Self::Cuda => "burn-cuda 0.21.0",
            Self::Rocm => "burn-rocm 0.21.0",
            Self::Metal | Self::Vulkan | Self::WebGpu | Self::Wgpu => "burn-wgpu 0.21.0, wgpu 29",
            Self::Tch => "burn-tch 0.21.0, LibTorch 2.9.0",
            Self::Cpu => concat!(
                "resnet-cpu ",
                env!("CARGO_PKG_VERSION"),
                ", burn-flex 0.21.0"
            ),
            Self::Flex => "burn-flex 0.21.0",
            Self::NdArray => "burn-ndarray 0.21.0",
        }
    }
}

impl fmt::Display for BackendName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for BackendName {
    type Err = BackendError;

    fn from_str(name: &str) -> Result<Self, BackendError> {
        let found = Self::ALL.iter().copied().find(|known| known.name() == name);
        found.ok_or_else(|| BackendError::Unknown { name: name.into() })
    }
}
