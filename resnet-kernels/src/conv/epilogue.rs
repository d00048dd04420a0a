//! The operations that follow a convolution in the same pass.

use alloc::vec::Vec;

use crate::simd::vectors;

/// The operations after a convolution: `relu(scale * sum + bias + residual)`.
///
/// Scale and bias are padded, because kernels read whole vectors from any channel.
#[derive(Clone, Debug)]
pub struct Epilogue {
    pub(super) channels: usize,
    pub(super) scale: Vec<f32>,
    pub(super) bias: Vec<f32>,
    pub(super) relu: bool,
}

/// The residual of a convolution, in the layout of its output.
#[derive(Clone, Copy, Debug)]
pub enum Residual<'a, T = f32> {
    /// No residual.
    None,
    /// Values to add.
    Of(&'a [T]),
    /// The values of the output before the convolution, which it overwrites.
    Output,
}

impl Epilogue {
    /// Creates an epilogue for `channels` output channels. Scale and bias are `[channels]`, 1 and 0
    /// by default.
    ///
    /// # Panics
    ///
    /// Panics if scale or bias have another length.
    pub fn new(scale: Option<&[f32]>, bias: Option<&[f32]>, relu: bool, channels: usize) -> Self {
        let padded = |values: Option<&[f32]>, otherwise: f32| {
            let length = channels + vectors().lanes;
            let mut all = Vec::with_capacity(length);
            if let Some(values) = values {
                assert_eq!(values.len(), channels, "channels of the epilogue");
                all.extend_from_slice(values);
            }
            all.resize(length, otherwise);
            all
        };
        Self {
            channels,
            scale: padded(scale, 1.0),
            bias: padded(bias, 0.0),
            relu,
        }
    }

    /// Panics unless kernels can read whole vectors of scale and bias for `channels` channels.
    pub(super) fn check(&self, channels: usize) {
        let length = channels + vectors().lanes;
        assert_eq!(self.channels, channels, "channels of the epilogue");
        assert_eq!([self.scale.len(), self.bias.len()], [length; 2]);
    }
}
