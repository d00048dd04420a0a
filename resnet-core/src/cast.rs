use alloc::string::String;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{DType, FloatDType, Tensor, backend::Backend};

use crate::ResNet;

/// A float type that a device does not compute in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{backend}` does not compute in {dtype:?} on this device: expected another float type, such as F32"
)]
pub struct UnsupportedFloat {
    /// The backend, in its own words.
    pub backend: String,
    /// The float type.
    pub dtype: FloatDType,
}

impl<B: Backend> ResNet<B> {
    /// The same network in another float type. Its input has to be of that type as well, and so is its output. Fuse
    /// before, so that the folding is done in the full precision.
    ///
    /// # Errors
    ///
    /// If the network's device does not compute in `dtype`; the network is gone then.
    ///
    /// ```
    /// use burn::backend::Flex;
    /// use burn::tensor::{DType, FloatDType, Tensor};
    /// use resnet_core::{Arch, ResNet};
    ///
    /// let device = Default::default();
    /// let model: ResNet<Flex> = Arch::CifarResNet20.config().init(&device);
    /// let half = model.fuse().cast(FloatDType::F16)?;
    /// let x = Tensor::<Flex, 4>::ones([1, 3, 32, 32], &device).cast(FloatDType::F16);
    /// assert_eq!(half.forward(x).dtype(), DType::F16);
    /// # Ok::<(), resnet_core::UnsupportedFloat>(())
    /// ```
    pub fn cast(self, dtype: FloatDType) -> Result<Self, UnsupportedFloat> {
        for device in self.devices() {
            if !B::supports_dtype(&device, DType::from(dtype)) {
                let backend = B::name(&device);
                return Err(UnsupportedFloat { backend, dtype });
            }
        }
        Ok(self.map(&mut Cast(dtype)))
    }
}

struct Cast(FloatDType);

impl<B: Backend> ModuleMapper<B> for Cast {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        param.map(|tensor| {
            let trained = tensor.is_require_grad();
            tensor.cast(self.0).detach().set_require_grad(trained)
        })
    }
}
