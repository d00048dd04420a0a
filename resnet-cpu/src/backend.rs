//! The backend type.

use burn_backend::ops::TransactionOps;
use burn_backend::{Backend, BackendTypes, DType, DTypeUsageSet};
use burn_flex::{Flex, FlexDevice, FlexQTensor, FlexTensor};

/// The CPU backend. It uses all cores and the widest SIMD vectors of the processor.
///
/// It shares tensors and device with Burn's Flex. Flex computes every operation for which this
/// crate has no faster kernel.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu;

impl BackendTypes for Cpu {
    type Device = FlexDevice;

    type FloatTensorPrimitive = FlexTensor;
    type FloatElem = f32;

    type IntTensorPrimitive = FlexTensor;
    type IntElem = i32;

    type BoolTensorPrimitive = FlexTensor;
    type BoolElem = bool;

    type QuantizedTensorPrimitive = FlexQTensor;
}

impl Backend for Cpu {
    fn name(_device: &Self::Device) -> String {
        "cpu".into()
    }

    fn seed(device: &Self::Device, seed: u64) {
        Flex::seed(device, seed);
    }

    fn device_count(type_id: u16) -> usize {
        Flex::device_count(type_id)
    }

    fn dtype_usage(device: &Self::Device, dtype: DType) -> DTypeUsageSet {
        Flex::dtype_usage(device, dtype)
    }
}

impl TransactionOps<Cpu> for Cpu {}
