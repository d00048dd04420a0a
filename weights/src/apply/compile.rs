//! Compiles a network with the tensors of a checkpoint.

use resnet_core::ResNetConfig;
use resnet_engine::{CompileError, CompileOptions, Engine};

use super::expected::{Expected, by_key};
use super::{Load, LoadError, Report};
use crate::{Checkpoint, ReadError};

impl Load {
    /// Compiles a network with the tensors of the checkpoint. Every key must have a tensor.
    pub(crate) fn compile(
        self,
        config: &ResNetConfig,
        checkpoint: &Checkpoint,
        options: CompileOptions,
    ) -> Result<(Engine, Report), LoadError> {
        if checkpoint.is_quantized() {
            return checkpoint.compile_quantized(config, options);
        }
        self.with_values(config, checkpoint, |read| {
            Engine::compile(config, read, options)
        })
    }

    /// Passes a function that reads tensors by key and shape to `work`. Every key must have a
    /// tensor.
    pub(crate) fn with_values<T>(
        self,
        config: &ResNetConfig,
        checkpoint: &Checkpoint,
        work: impl FnOnce(
            &mut dyn FnMut(&str, &[usize]) -> Result<Vec<f32>, ReadError>,
        ) -> Result<T, CompileError<ReadError>>,
    ) -> Result<(T, Report), LoadError> {
        let shapes = config.state_shapes();
        let network = Expected::of_config(&shapes);
        let entries = by_key(checkpoint)?;
        let mut matched = self.matched(checkpoint, &network, Some(config), entries)?;
        let mut read = |key: &str, shape: &[usize]| {
            let data = matched.read(key, shape)?;
            let values = data.map(|data| data.convert::<f32>().into_vec::<f32>());
            values
                .and_then(Result::ok)
                .ok_or_else(|| checkpoint.missing(key))
        };
        let result = work(&mut read).map_err(|error| match error {
            CompileError::StateDict { source, .. } => LoadError::Read(source),
            error => LoadError::Compile {
                file: checkpoint.name().to_string(),
                cause: error.to_string(),
            },
        })?;
        Ok((result, matched.finish()?))
    }
}
