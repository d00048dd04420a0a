//! Report of the built-in backends and their devices on this machine.

use serde::Serialize;

use crate::{BackendName, Selection, drivers};

/// A backend and its devices on this machine.
#[derive(Clone, Debug, Serialize)]
pub struct BackendReport {
    /// The name, which is also the cargo feature.
    pub name: BackendName,
    /// Whether the backend is built into this program.
    pub built: bool,
    /// Whether the backend is the default.
    pub default: bool,
    /// The name and version of the library that implements the backend.
    pub version: &'static str,
    /// The available devices; empty if the backend is not built in.
    pub devices: Vec<DeviceReport>,
    /// The driver's message if there is no device.
    pub problem: Option<String>,
}

/// A device of a backend.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DeviceReport {
    /// The text that selects the device, such as `wgpu:0`.
    pub selection: String,
    /// The kind of hardware.
    pub hardware: Hardware,
    /// The driver's name of the device, with the driver version if known.
    pub description: String,
}

/// The kind of hardware of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Hardware {
    /// A CPU.
    Cpu,
    /// A discrete or integrated GPU.
    Gpu,
    /// A software renderer: a graphics driver that computes on the CPU.
    Software,
}

/// Returns all backends in the order of [`BackendName::ALL`], with the devices that the drivers of
/// built-in backends report.
pub fn backends() -> Vec<BackendReport> {
    let fastest = Selection::fastest().backend;
    let report = |&name: &BackendName| {
        let (devices, problem) = match devices(name) {
            Ok(devices) => (devices, None),
            Err(problem) => (Vec::new(), Some(problem)),
        };
        BackendReport {
            name,
            built: name.is_built(),
            default: name == fastest,
            version: name.version(),
            devices,
            problem,
        }
    };
    BackendName::ALL.iter().map(report).collect()
}

/// Returns the devices of a backend, or the driver's message if there are none. Returns an empty
/// list if the backend is not built in.
pub(crate) fn devices(name: BackendName) -> Result<Vec<DeviceReport>, String> {
    match name {
        name if !name.is_built() => Ok(Vec::new()),
        BackendName::Cpu | BackendName::Flex | BackendName::NdArray => {
            Ok(vec![drivers::cpu::device(name)])
        }
        #[cfg(feature = "graphics")]
        BackendName::Wgpu | BackendName::Vulkan | BackendName::Metal | BackendName::WebGpu => {
            drivers::graphics::devices(name)
        }
        #[cfg(feature = "cuda")]
        BackendName::Cuda => drivers::cuda::devices(),
        #[cfg(feature = "rocm")]
        BackendName::Rocm => drivers::rocm::devices(),
        #[cfg(feature = "tch")]
        BackendName::Tch => drivers::tch::devices(),
        #[allow(
            unreachable_patterns,
            reason = "reached where a backend is not built in"
        )]
        _ => Ok(Vec::new()),
    }
}
