//! AMD GPUs.

use burn::tensor::backend::Backend;
use burn_rocm::{Rocm, RocmDevice};

use super::fallible;
use crate::{BackendError, DeviceName, DeviceReport, Hardware, Selection, Work, guard};

pub(crate) fn run<W: Work>(selection: Selection, work: W) -> Result<W::Output, BackendError> {
    let device = open(selection).map_err(|reason| BackendError::NoDevice { selection, reason })?;
    fallible::run::<Rocm, W>(selection, device, work)
}

pub(crate) fn devices() -> Result<Vec<DeviceReport>, String> {
    let report = |index: usize| DeviceReport {
        selection: format!("rocm:{index}"),
        hardware: Hardware::Gpu,
        description: "AMD GPU, ROCm".into(),
    };
    Ok((0..count()?).map(report).collect())
}

fn count() -> Result<usize, String> {
    match guard::guarded(|| Rocm::<f32, i32, u8>::device_count(0))? {
        0 => Err("the driver reports no GPU".into()),
        count => Ok(count),
    }
}

fn open(selection: Selection) -> Result<RocmDevice, String> {
    let count = count()?;
    let index = match selection.device {
        DeviceName::Index(index) => index,
        _ => 0,
    };
    fallible::checked_index(index, count).map(RocmDevice::new)
}
