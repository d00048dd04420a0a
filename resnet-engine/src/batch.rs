//! The input of a network.

use resnet_kernels::layout::Map;
use resnet_kernels::sizes::{Dims, count};

use crate::RunError;

/// A batch of images.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// Batch, channels, height and width.
    pub(crate) dims: Dims,
    pub(crate) values: Map<'a>,
}

impl<'a> Batch<'a> {
    /// Creates a batch from values in PyTorch's order, `[batch, channels, height, width]`.
    pub fn channels_first(values: &'a [f32], dims: Dims) -> Self {
        let values = Map::ChannelsFirst(values);
        Self { dims, values }
    }

    /// Creates a batch from values `[batch, height, width, channels]`. `dims` is batch, channels,
    /// height and width.
    pub fn channels_last(values: &'a [f32], dims: Dims) -> Self {
        let values = Map::ChannelsLast(values);
        Self { dims, values }
    }

    /// Checks that the number of values fits the sizes.
    pub(crate) fn check(&self, channels: usize) -> Result<(), RunError> {
        let found = self.values.values().len();
        let expected = count(&self.dims).unwrap_or(usize::MAX);
        match self.dims {
            _ if expected == 0 => Err(RunError::Empty),
            [_, found, ..] if found != channels => Err(RunError::Channels {
                expected: channels,
                found,
            }),
            _ if found != expected => Err(RunError::Length { expected, found }),
            _ => Ok(()),
        }
    }
}
