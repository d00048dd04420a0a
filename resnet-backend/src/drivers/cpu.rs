//! The processor, in pure Rust.

#[cfg(feature = "cpu")]
// Named so that Flex is built with the threads and SIMD that `burn` does not pass on without its defaults.
pub(crate) use burn_flex::Flex as Cpu;
#[cfg(feature = "ndarray")]
pub(crate) use burn_ndarray::NdArray;

use crate::{BackendName, DeviceReport, Hardware};

pub(crate) fn device(name: BackendName) -> DeviceReport {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let plural = if cores == 1 { "" } else { "s" };
    DeviceReport {
        selection: name.to_string(),
        hardware: Hardware::Cpu,
        description: format!("{cores} core{plural}, {}", std::env::consts::ARCH),
    }
}
