//! GPUs through a graphics API: Metal on macOS, Vulkan elsewhere.

use burn_wgpu::WgpuDevice;
use wgpu::{Adapter, Backends, DeviceType, Instance, InstanceDescriptor};

use super::fallible;
use crate::{
    BackendError, BackendName, DeviceName, DeviceReport, Hardware, Selection, Work, guard,
};

#[cfg(feature = "metal")]
type Graphics = burn_wgpu::Metal;
#[cfg(feature = "vulkan")]
type Graphics = burn_wgpu::Vulkan;
#[cfg(feature = "webgpu")]
type Graphics = burn_wgpu::WebGpu;
#[cfg(not(any(feature = "metal", feature = "vulkan", feature = "webgpu")))]
type Graphics = burn_wgpu::Wgpu;

/// The API that Burn uses on this system.
const API: Backends = if cfg!(target_os = "macos") {
    Backends::METAL
} else {
    Backends::VULKAN
};

/// Burn's environment variable for the default device, such as `Cpu` or `IntegratedGpu(1)`.
const BURN_DEFAULT: &str = "CUBECL_WGPU_DEFAULT_DEVICE";

pub(crate) fn run<W: Work>(selection: Selection, work: W) -> Result<W::Output, BackendError> {
    let device = open(selection).map_err(|reason| BackendError::NoDevice { selection, reason })?;
    fallible::run::<Graphics, W>(selection, device, work)
}

pub(crate) fn devices(name: BackendName) -> Result<Vec<DeviceReport>, String> {
    let report = |(index, adapter): (usize, Adapter)| {
        let info = adapter.get_info();
        let driver = format!("{} {}", info.driver, info.driver_info);
        DeviceReport {
            selection: format!("{name}:{index}"),
            hardware: match info.device_type {
                DeviceType::Cpu => Hardware::Software,
                _ => Hardware::Gpu,
            },
            description: format!("{}, {} by {}", info.name, info.backend, driver.trim()),
        }
    };
    Ok(adapters(name)?
        .into_iter()
        .enumerate()
        .map(report)
        .collect())
}

/// Returns the driver's adapters, in the driver's order. Returns an error if there are none.
fn adapters(name: BackendName) -> Result<Vec<Adapter>, String> {
    match name {
        BackendName::Metal if !cfg!(target_os = "macos") => {
            return Err("Metal requires macOS; use `vulkan` on this system".into());
        }
        BackendName::Vulkan if cfg!(target_os = "macos") => {
            return Err("macOS has no Vulkan; use `metal`".into());
        }
        _ => {}
    }
    let found = guard::guarded(|| {
        let instance = Instance::new(InstanceDescriptor {
            backends: API,
            ..InstanceDescriptor::new_without_display_handle()
        });
        let adapters = pollster::block_on(instance.enumerate_adapters(API));
        if !adapters.is_empty() {
            return Ok(adapters);
        }
        match pollster::block_on(instance.request_adapter(&Default::default())) {
            Ok(adapter) => Ok(vec![adapter]),
            Err(error) => Err(error.to_string()),
        }
    });
    found.and_then(|found| found)
}

fn open(selection: Selection) -> Result<WgpuDevice, String> {
    let adapters = adapters(selection.backend)?;
    let kinds: Vec<DeviceType> = adapters
        .iter()
        .map(|adapter| adapter.get_info().device_type)
        .collect();
    let software = kinds.iter().position(|&kind| kind == DeviceType::Cpu);
    match selection.device {
        DeviceName::Index(index) => {
            fallible::checked_index(index, kinds.len()).map(|index| device(&kinds, index))
        }
        DeviceName::Cpu if software.is_some() => Ok(WgpuDevice::Cpu),
        DeviceName::Cpu => {
            Err("the driver reports no software renderer, such as Mesa's `llvmpipe`".into())
        }
        _ if std::env::var_os(BURN_DEFAULT).is_some() => Ok(WgpuDevice::DefaultDevice),
        _ if kinds.iter().any(|&kind| kind != DeviceType::Cpu) => Ok(WgpuDevice::DefaultDevice),
        _ => {
            let name = selection.backend;
            let found = adapters[software.unwrap_or(0)].get_info().name;
            Err(format!(
                "found no GPU, only the software renderer `{found}`; select it with `{name}:cpu`"
            ))
        }
    }
}

/// Converts an index into all devices to a Burn device, whose index counts only devices of the same
/// kind.
fn device(kinds: &[DeviceType], index: usize) -> WgpuDevice {
    let rank = kinds[..index]
        .iter()
        .filter(|&&kind| kind == kinds[index])
        .count();
    match kinds[index] {
        DeviceType::DiscreteGpu => WgpuDevice::DiscreteGpu(rank),
        DeviceType::IntegratedGpu => WgpuDevice::IntegratedGpu(rank),
        DeviceType::VirtualGpu | DeviceType::Other => WgpuDevice::VirtualGpu(rank),
        DeviceType::Cpu => WgpuDevice::Cpu,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_counted_by_their_kind() {
        use DeviceType::{Cpu, DiscreteGpu, IntegratedGpu};
        let kinds = [IntegratedGpu, DiscreteGpu, DiscreteGpu, Cpu];
        let devices = [0, 1, 2, 3].map(|index| device(&kinds, index));
        let expected = [
            WgpuDevice::IntegratedGpu(0),
            WgpuDevice::DiscreteGpu(0),
            WgpuDevice::DiscreteGpu(1),
            WgpuDevice::Cpu,
        ];
        assert_eq!(devices, expected);
    }
}
