//! A running statistic of a batch norm: a buffer that training updates without gradients.

use alloc::vec::Vec;
use core::fmt;

use burn::module::{
    AutodiffModule, Content, Initializer, Module, ModuleDisplay, ModuleDisplayDefault,
    ModuleMapper, ModuleVisitor, Param, ParamId,
};
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};
use spin::Mutex;

/// A running statistic that training updates through `&self`: a buffer, not a parameter.
///
/// Every clone has its own value; clones of Burn's `RunningState` share one. Visitors and mappers
/// see the statistic as a parameter, so it is saved and loaded.
/// [`Network::num_parameters`](crate::Network::num_parameters) does not count it.
pub struct RunningStat<B: Backend> {
    // A `Param`, because it allocates lazily at the first use.
    param: Mutex<Param<Tensor<B, 1>>>,
}

impl<B: Backend> RunningStat<B> {
    /// Creates a statistic of `channels` values with this initializer.
    pub fn new(initializer: Initializer, channels: usize, device: &B::Device) -> Self {
        let param = initializer.init([channels], device).set_require_grad(false);
        Self {
            param: Mutex::new(param),
        }
    }

    fn with_id(id: ParamId, value: Tensor<B, 1>) -> Self {
        Self {
            param: Mutex::new(Param::initialized(id, value.detach())),
        }
    }

    fn id(&self) -> ParamId {
        self.param.lock().id
    }

    /// Returns the current value, detached from any autograd graph.
    pub fn value(&self) -> Tensor<B, 1> {
        self.param.lock().val()
    }

    /// Replaces the value and detaches it from its autograd graph.
    pub fn set(&self, value: Tensor<B, 1>) {
        let mut param = self.param.lock();
        *param = Param::initialized(param.id, value.detach());
    }
}

impl<B: Backend> Clone for RunningStat<B> {
    fn clone(&self) -> Self {
        Self::with_id(self.id(), self.value())
    }
}

impl<B: Backend> fmt::Debug for RunningStat<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RunningStat({:?})", self.param.lock().lazy_shape())
    }
}

impl<B: Backend> ModuleDisplayDefault for RunningStat<B> {
    fn content(&self, content: Content) -> Option<Content> {
        content
            .add_formatted(&alloc::format!("{self:?}"))
            .optional()
    }
}

impl<B: Backend> ModuleDisplay for RunningStat<B> {}

impl<B: Backend> Module<B> for RunningStat<B> {
    type Record = Param<Tensor<B, 1>>;

    fn num_params(&self) -> usize {
        0
    }

    fn visit<V: ModuleVisitor<B>>(&self, visitor: &mut V) {
        visitor.visit_float(&self.param.lock());
    }

    fn map<M: ModuleMapper<B>>(self, mapper: &mut M) -> Self {
        Self {
            param: Mutex::new(mapper.map_float(self.param.into_inner())),
        }
    }

    fn into_record(self) -> Self::Record {
        self.param.into_inner()
    }

    fn load_record(self, record: Self::Record) -> Self {
        let device = self.param.lock().lazy_device();
        Self::with_id(record.id, record.val().to_device(&device))
    }

    fn to_device(self, device: &B::Device) -> Self {
        Self::with_id(self.id(), self.value().to_device(device))
    }

    fn fork(self, device: &B::Device) -> Self {
        self.to_device(device)
    }

    fn collect_devices(&self, mut devices: Vec<B::Device>) -> Vec<B::Device> {
        let device = self.param.lock().lazy_device();
        if !devices.contains(&device) {
            devices.push(device);
        }
        devices
    }
}

impl<B: AutodiffBackend> AutodiffModule<B> for RunningStat<B> {
    type InnerModule = RunningStat<B::InnerBackend>;

    fn valid(&self) -> Self::InnerModule {
        RunningStat::with_id(self.id(), self.value().inner())
    }

    fn from_inner(module: Self::InnerModule) -> Self {
        Self::with_id(module.id(), Tensor::from_inner(module.value()))
    }
}
