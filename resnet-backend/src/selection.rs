//! Selection of a backend and one of its devices.

use std::fmt;
use std::str::FromStr;

use crate::report::{self, Hardware};
use crate::{BackendError, BackendName};

/// A backend and one of its devices: `NAME[:DEVICE]`.
///
/// ```
/// use resnet_backend::{BackendName, DeviceName, Selection};
///
/// let second: Selection = "wgpu:1".parse()?;
/// assert_eq!((second.backend, second.device), (BackendName::Wgpu, DeviceName::Index(1)));
/// assert_eq!("tch:cuda:0".parse::<Selection>()?.device, DeviceName::Cuda(0));
/// assert!("cpu:1".parse::<Selection>().is_err());
/// # Ok::<(), resnet_backend::BackendError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Selection {
    /// The backend.
    pub backend: BackendName,
    /// Its device.
    pub device: DeviceName,
}

/// A device of a backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DeviceName {
    /// The default device of the backend. A software renderer never replaces a missing GPU.
    #[default]
    Default,
    /// The device with this index in [`backends`](crate::backends).
    Index(usize),
    /// The CPU, for LibTorch or a software renderer.
    Cpu,
    /// The NVIDIA GPU with this index, for LibTorch.
    Cuda(usize),
    /// The Apple GPU, for LibTorch.
    Mps,
}

impl Selection {
    /// Returns the backend that is likely the fastest on this machine: the first built-in backend
    /// of [`BackendName::ALL`] with a GPU, else [`processor`](Self::processor).
    pub fn fastest() -> Self {
        let has_gpu = |name: &BackendName| {
            let devices = report::devices(*name).unwrap_or_default();
            devices
                .iter()
                .any(|device| device.hardware == Hardware::Gpu)
        };
        match built().find(has_gpu) {
            Some(name) => name.into(),
            None => Self::processor(),
        }
    }

    /// Returns the fastest built-in CPU backend, for work that a GPU would not speed up.
    ///
    /// Returns a GPU backend if no CPU backend is built in. Without any backend, returns `cpu`, for
    /// which [`with_backend`](crate::with_backend) returns an error.
    pub fn processor() -> Self {
        let name = built().find(|name| name.runs_on_processor());
        let device = match name {
            Some(BackendName::Tch) => DeviceName::Cpu,
            _ => DeviceName::Default,
        };
        let backend = name.or_else(|| built().next());
        Self {
            backend: backend.unwrap_or(BackendName::Cpu),
            device,
        }
    }
}

fn built() -> impl Iterator<Item = BackendName> {
    let all = BackendName::ALL.iter().copied();
    all.filter(|name| name.is_built())
}

impl BackendName {
    fn runs_on_processor(self) -> bool {
        matches!(self, Self::Tch | Self::Cpu | Self::Flex | Self::NdArray)
    }

    /// Returns the device syntax that the backend accepts after the colon.
    pub(crate) fn device_names(self) -> &'static str {
        match self {
            Self::Cpu | Self::Flex | Self::NdArray => {
                "no device: this backend always uses all CPU cores"
            }
            Self::Cuda | Self::Rocm => "a GPU index, from 0",
            Self::Metal | Self::Vulkan | Self::WebGpu | Self::Wgpu => {
                "a device index, from 0, or `cpu` for a software renderer"
            }
            Self::Tch => "`cpu`, `cuda`, `cuda:1` for the GPU with index 1, or `mps`",
        }
    }

    fn device(self, text: &str) -> Option<DeviceName> {
        let index = || text.parse().ok();
        match self {
            Self::Cpu | Self::Flex | Self::NdArray => None,
            Self::Cuda | Self::Rocm => index().map(DeviceName::Index),
            Self::Metal | Self::Vulkan | Self::WebGpu | Self::Wgpu => match text {
                "cpu" => Some(DeviceName::Cpu),
                _ => index().map(DeviceName::Index),
            },
            Self::Tch => match text {
                "cpu" => Some(DeviceName::Cpu),
                "mps" => Some(DeviceName::Mps),
                "cuda" => Some(DeviceName::Cuda(0)),
                _ => text
                    .strip_prefix("cuda:")?
                    .parse()
                    .ok()
                    .map(DeviceName::Cuda),
            },
        }
    }
}

impl From<BackendName> for Selection {
    fn from(backend: BackendName) -> Self {
        Self {
            backend,
            device: DeviceName::Default,
        }
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let backend = self.backend;
        match self.device {
            DeviceName::Default => f.pad(backend.name()),
            device => f.pad(&format!("{backend}:{device}")),
        }
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.pad("default"),
            Self::Index(index) => f.pad(&index.to_string()),
            Self::Cpu => f.pad("cpu"),
            Self::Cuda(index) => f.pad(&format!("cuda:{index}")),
            Self::Mps => f.pad("mps"),
        }
    }
}

impl FromStr for Selection {
    type Err = BackendError;

    fn from_str(text: &str) -> Result<Self, BackendError> {
        let Some((name, device)) = text.split_once(':') else {
            return Ok(text.parse::<BackendName>()?.into());
        };
        let backend: BackendName = name.parse()?;
        let unknown = || BackendError::UnknownDevice {
            name: backend,
            device: device.into(),
        };
        Ok(Self {
            backend,
            device: backend.device(device).ok_or_else(unknown)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parsing_and_printing_round_trip() {
        let texts = [
            "cpu",
            "flex",
            "ndarray",
            "wgpu",
            "wgpu:1",
            "vulkan:cpu",
            "metal:0",
            "cuda:3",
            "rocm:0",
            "tch:cpu",
            "tch:cuda:1",
            "tch:mps",
        ];
        for text in texts {
            assert_eq!(text.parse::<Selection>().unwrap().to_string(), text);
        }
        assert_eq!(
            "tch:cuda".parse::<Selection>().unwrap().to_string(),
            "tch:cuda:0"
        );
    }

    #[test]
    fn an_invalid_device_is_an_error_that_lists_the_valid_ones() {
        let messages = [
            (
                "cpu:1",
                "`cpu:1`: expected no device: this backend always uses all CPU cores",
            ),
            ("cuda:cpu", "`cuda:cpu`: expected a GPU index, from 0"),
            (
                "wgpu:-1",
                "`wgpu:-1`: expected a device index, from 0, or `cpu` for a software renderer",
            ),
            (
                "tch:0",
                "`tch:0`: expected `cpu`, `cuda`, `cuda:1` for the GPU with index 1, or `mps`",
            ),
            (
                "gpu:0",
                "unknown backend `gpu`: expected one of `cuda`, `rocm`, `metal`, `vulkan`, `webgpu`, `wgpu`, `cpu`, `tch`, `flex`, `ndarray`",
            ),
        ];
        for (text, message) in messages {
            assert_eq!(text.parse::<Selection>().unwrap_err().to_string(), message);
        }
    }
}
