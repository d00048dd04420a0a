//! LibTorch on the hardware of its build: CPU, NVIDIA GPUs or Apple GPUs.

mod gradients;
mod inputs;

use burn::backend::LibTorch;
use burn::backend::libtorch::LibTorchDevice;
use tch::{Cuda, utils};

use super::fallible;
use crate::{BackendError, DeviceName, DeviceReport, Hardware, Selection, Work, guard};

pub(crate) fn register() {
    gradients::register();
}

pub(crate) fn run<W: Work>(selection: Selection, work: W) -> Result<W::Output, BackendError> {
    let device = open(selection).map_err(|reason| BackendError::NoDevice { selection, reason })?;
    // Burn records the autograd graph, so LibTorch's own graph would only cost time.
    let _no_grad = tch::no_grad_guard();
    gradients::register();
    fallible::run::<LibTorch, W>(selection, device, work)
}

pub(crate) fn devices() -> Result<Vec<DeviceReport>, String> {
    guard::guarded(|| {
        let device = |selection: String, hardware, description: &str| DeviceReport {
            selection,
            hardware,
            description: description.into(),
        };
        let threads = format!(
            "{} threads, oneDNN {}",
            tch::get_num_threads(),
            yes_or_no(utils::has_mkldnn())
        );
        let mut devices: Vec<_> = (0..gpus())
            .map(|index| {
                device(
                    format!("tch:cuda:{index}"),
                    Hardware::Gpu,
                    "NVIDIA GPU, CUDA",
                )
            })
            .collect();
        if utils::has_mps() {
            devices.push(device("tch:mps".into(), Hardware::Gpu, "Apple GPU, Metal"));
        }
        devices.push(device("tch:cpu".into(), Hardware::Cpu, &threads));
        devices
    })
}

fn yes_or_no(flag: bool) -> &'static str {
    if flag { "yes" } else { "no" }
}

fn gpus() -> usize {
    match Cuda::is_available() {
        true => usize::try_from(Cuda::device_count()).unwrap_or(0),
        false => 0,
    }
}

fn open(selection: Selection) -> Result<LibTorchDevice, String> {
    let (gpus, mps) = guard::guarded(|| (gpus(), utils::has_mps()))?;
    match selection.device {
        DeviceName::Cuda(_) if gpus == 0 => Err(
            "LibTorch finds no NVIDIA GPU: expected a LibTorch build for CUDA (`TORCH_CUDA_VERSION`) and a driver".into(),
        ),
        DeviceName::Cuda(index) => fallible::checked_index(index, gpus).map(LibTorchDevice::Cuda),
        DeviceName::Mps if !mps => Err("this LibTorch build has no MPS (Metal), which requires macOS".into()),
        DeviceName::Mps => Ok(LibTorchDevice::Mps),
        DeviceName::Default if gpus > 0 => Ok(LibTorchDevice::Cuda(0)),
        _ => Ok(LibTorchDevice::Cpu),
    }
}
