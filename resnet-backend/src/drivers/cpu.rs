//! CPU backends in pure Rust.

// A direct dependency, because `burn` without default features builds Flex without threads and
// SIMD.
#[cfg(feature = "flex")]
pub(crate) use burn_flex::Flex;
#[cfg(feature = "ndarray")]
pub(crate) use burn_ndarray::NdArray;
#[cfg(feature = "cpu")]
pub(crate) use resnet_cpu::Cpu;

use crate::{BackendName, DeviceReport, Hardware};

pub(crate) fn device(name: BackendName) -> DeviceReport {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let plural = if cores == 1 { "" } else { "s" };
    let vectors = match name {
        #[cfg(feature = "cpu")]
        BackendName::Cpu if resnet_cpu::simd() != "none" => format!(", {}", resnet_cpu::simd()),
        _ => String::new(),
    };
    let architecture = std::env::consts::ARCH;
    DeviceReport {
        selection: name.to_string(),
        hardware: Hardware::Cpu,
        description: format!("{cores} core{plural}, {architecture}{vectors}"),
    }
}
