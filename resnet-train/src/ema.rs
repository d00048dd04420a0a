//! The exponential moving average of a network.

use std::marker::PhantomData;

use burn::module::{AutodiffModule, Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};
use resnet_core::ResNet;

/// An exponential moving average of all entries of the state dict, including running statistics:
/// timm's `ModelEmaV2`.
#[derive(Clone, Debug)]
pub struct Ema<B: Backend, M: Module<B> = ResNet<B>> {
    model: Box<M>,
    decay: f64,
    backend: PhantomData<B>,
}

impl<B: Backend, M: Module<B>> Ema<B, M> {
    /// Creates an average that starts at the values of `model`.
    pub fn new<A, N>(model: &N, decay: f64) -> Self
    where
        A: AutodiffBackend<InnerBackend = B>,
        N: AutodiffModule<A, InnerModule = M>,
    {
        Self {
            model: Box::new(model.valid()),
            decay,
            backend: PhantomData,
        }
    }

    /// Updates the average: `average = decay * average + (1 - decay) * model`.
    pub fn update<A: AutodiffBackend<InnerBackend = B>>(&mut self, model: &impl Module<A>) {
        // `GradientsParams` serves as a map from parameter ids to tensors of any rank.
        let mut values = Values(GradientsParams::new());
        model.visit(&mut values);
        let mut blend = Blend {
            values: values.0,
            decay: self.decay,
        };
        *self.model = M::clone(&self.model).map(&mut blend);
    }

    pub(crate) fn set_model(&mut self, model: M) {
        *self.model = model;
    }

    /// Returns the averaged network.
    pub fn model(&self) -> &M {
        &self.model
    }
}

struct Values(GradientsParams);

impl<A: AutodiffBackend> ModuleVisitor<A> for Values {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<A, D>>) {
        self.0.register(param.id, param.val().inner());
    }
}

struct Blend {
    values: GradientsParams,
    decay: f64,
}

impl<B: Backend> ModuleMapper<B> for Blend {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        match self.values.remove::<B, D>(param.id) {
            Some(value) => param.map(|average| average * self.decay + value * (1.0 - self.decay)),
            None => param,
        }
    }
}
