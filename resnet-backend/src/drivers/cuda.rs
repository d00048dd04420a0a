//! NVIDIA GPUs.

use burn_cuda::{Cuda, CudaDevice};
use cudarc::driver::CudaContext;

use super::fallible;
use crate::{BackendError, DeviceName, DeviceReport, Hardware, Selection, Work, guard};

pub(crate) fn run<W: Work>(selection: Selection, work: W) -> Result<W::Output, BackendError> {
    let device = open(selection).map_err(|reason| BackendError::NoDevice { selection, reason })?;
    fallible::run::<Cuda, W>(selection, device, work)
}

pub(crate) fn devices() -> Result<Vec<DeviceReport>, String> {
    let report = |index: usize| {
        let name = guard::guarded(|| CudaContext::new(index).and_then(|context| context.name()));
        DeviceReport {
            selection: format!("cuda:{index}"),
            hardware: Hardware::Gpu,
            description: match name {
                Ok(Ok(name)) => name,
                Ok(Err(error)) => error.to_string(),
                Err(message) => message,
            },
        }
    };
    Ok((0..count()?).map(report).collect())
}

fn count() -> Result<usize, String> {
    let count = guard::guarded(CudaContext::device_count)?;
    match count.map_err(|error| error.to_string())? {
        1.. => Ok(count.map_or(0, |count| count as usize)),
        _ => Err("the driver reports no GPU".into()),
    }
}

fn open(selection: Selection) -> Result<CudaDevice, String> {
    let (index, count) = match selection.device {
        DeviceName::Index(index) => (index, count()?),
        _ => (0, count()?),
    };
    fallible::checked_index(index, count).map(CudaDevice::new)
}
