//! What is built in, and what the machine has for it.

use serde::Serialize;

use crate::{BackendName, Selection, drivers};

/// One backend, as this program and this machine have it.
#[derive(Clone, Debug, Serialize)]
pub struct BackendReport {
    /// Its name, which is also its cargo feature.
    pub name: BackendName,
    /// Whether this program was built with it.
    pub built: bool,
    /// Whether it is taken where none is asked for.
    pub default: bool,
    /// The release of what computes.
    pub version: &'static str,
    /// The devices that it finds; none where it is not built in.
    pub devices: Vec<DeviceReport>,
    /// Why it finds none, in the driver's words.
    pub problem: Option<String>,
}

/// One device of a backend.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DeviceReport {
    /// What selects it: `wgpu:0`.
    pub selection: String,
    /// What it is.
    pub hardware: Hardware,
    /// What its driver calls it, with the driver's version where it tells.
    pub description: String,
}

/// What a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Hardware {
    /// The processor.
    Cpu,
    /// A graphics card or chip.
    Gpu,
    /// A graphics driver that computes on the processor.
    Software,
}

/// Every backend, in the order of [`BackendName::ALL`]. Asks the drivers of those that are built in.
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

/// The devices of a backend, or why it has none; nothing of one that is not built in.
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
