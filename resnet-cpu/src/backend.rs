use burn_backend::ops::TransactionOps;
use burn_backend::{Backend, BackendTypes, DType, DTypeUsageSet};
use burn_flex::{Flex, FlexDevice, FlexQTensor, FlexTensor};

/// The processor, every core, with the widest vectors that it has.
///
/// Its tensors and its device are those of Burn's Flex, which does all that this backend does not do faster.
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
