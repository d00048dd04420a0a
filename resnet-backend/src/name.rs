use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::BackendError;

/// A backend by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum BackendName {
    /// NVIDIA's GPUs, through CUDA.
    Cuda,
    /// AMD's GPUs, through ROCm.
    Rocm,
    /// Apple's GPUs, with shaders in Metal's own language.
    Metal,
    /// Any GPU with Vulkan, with shaders in SPIR-V.
    Vulkan,
    /// Any GPU by the API of the system, with shaders in WGSL.
    WebGpu,
    /// Any GPU by the API of the system, with the shaders that the program was built for.
    Wgpu,
    /// `resnet-cpu`: pure Rust, every core.
    Cpu,
    /// LibTorch.
    Tch,
    /// Burn's Flex: pure Rust, every core, slower.
    Flex,
    /// Burn's NdArray: pure Rust, slower still.
    NdArray,
}

impl BackendName {
    /// Every backend there is, built in or not, the one that is likely to be the fastest first.
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

    /// The name, which is also the cargo feature.
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

    /// Whether this program was built with it. The features `vulkan`, `metal` and `webgpu` bring `wgpu`.
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

    /// The release of what computes.
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
