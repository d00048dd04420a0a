//! The network of a classifier: compiled for CPUs, or on a Burn backend.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{FloatDType, Tensor, TensorData, backend::Backend};
use resnet_core::{ResNet, ResNetConfig};
use resnet_engine::{Batch, Engine, Outputs, RunError, Session};

/// The output of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pass {
    Logits,
    Embedding,
}

/// A network that computes outputs of normalized images.
pub(super) trait Network: fmt::Debug + Send + Sync {
    fn config(&self) -> &ResNetConfig;

    fn engine(&self) -> Option<&Engine> {
        None
    }

    /// Returns the outputs, one row per image. `x` is `[batch, channels, height, width]`.
    fn run(&self, x: TensorData, pass: Pass) -> Result<Vec<f32>, RunError>;
}

/// Number of sessions without a run that keep their memory. More threads at the same time are rare.
const MOST_IDLE: usize = 4;

/// A compiled network. Threads that run it at the same time have a session each.
#[derive(Debug)]
pub(super) struct Compiled {
    engine: Engine,
    sessions: Mutex<Vec<Session>>,
}

impl Compiled {
    pub(super) fn new(engine: Engine) -> Self {
        Self {
            engine,
            sessions: Mutex::default(),
        }
    }
}

impl Network for Compiled {
    fn config(&self) -> &ResNetConfig {
        self.engine.config()
    }

    fn engine(&self) -> Option<&Engine> {
        Some(&self.engine)
    }

    fn run(&self, x: TensorData, pass: Pass) -> Result<Vec<f32>, RunError> {
        let idle = || self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let dims = core::array::from_fn(|axis| x.shape[axis]);
        let values = x.as_slice::<f32>().expect("normalized images are f32");
        let batch = Batch::channels_first(values, dims);
        let session = idle().pop();
        let mut session = session.unwrap_or_else(|| self.engine.session());
        let outputs = match pass {
            Pass::Logits => Outputs::LOGITS,
            Pass::Embedding => Outputs::EMBEDDING,
        };
        let results = session.run(batch, outputs)?;
        let values = results.logits().or(results.embedding());
        let values = values.unwrap_or_default().to_vec();
        let mut idle = idle();
        if idle.len() < MOST_IDLE {
            idle.push(session);
        }
        Ok(values)
    }
}

/// A network on a Burn backend.
#[derive(Debug)]
pub(super) struct OnBackend<B: Backend> {
    model: ResNet<B>,
    dtype: FloatDType,
    device: B::Device,
}

impl<B: Backend> OnBackend<B> {
    pub(super) fn new(model: ResNet<B>, device: &B::Device) -> Self {
        let mut dtype = First(None);
        model.visit(&mut dtype);
        Self {
            model,
            dtype: dtype.0.unwrap_or(FloatDType::F32),
            device: device.clone(),
        }
    }
}

/// The float type of the first parameter.
struct First(Option<FloatDType>);

impl<B: Backend> ModuleVisitor<B> for First {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        self.0.get_or_insert_with(|| param.val().dtype().into());
    }
}

impl<B: Backend> Network for OnBackend<B> {
    fn config(&self) -> &ResNetConfig {
        self.model.config()
    }

    fn run(&self, x: TensorData, pass: Pass) -> Result<Vec<f32>, RunError> {
        let x = Tensor::<B, 4>::from_data(x, &self.device).cast(self.dtype);
        let outputs = match pass {
            Pass::Logits => self.model.forward(x),
            Pass::Embedding => self.model.forward_embedding(x),
        };
        Ok(outputs.into_data().iter().collect())
    }
}
