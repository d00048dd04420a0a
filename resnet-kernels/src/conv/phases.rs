//! Dilated 3x3 convolutions as ordinary ones.
//!
//! With dilation `d`, an output reads only inputs whose distance is a multiple of `d`. So the rows
//! and columns `p, p + d, p + 2d, …` form a smaller image, a phase, that the convolution does not
//! mix with the others. The convolution of each phase has dilation 1, which Winograd's algorithm
//! supports.

use alloc::vec;
use alloc::vec::Vec;

use super::winograd::Side;
use super::{Conv, ConvOptions, Geometry};
use crate::parallel;
use crate::sizes::Dims;

/// The sizes of a feature map and of its phases.
#[derive(Clone, Debug)]
pub struct Phases {
    dilation: usize,
    /// Batch, channels, height and width of the whole map.
    whole: Dims,
    /// Height and width of a phase; the last row or column may lie beyond the map.
    side: [usize; 2],
}

impl Phases {
    /// Returns the phases of a dilated convolution and the convolution of each, if this is faster
    /// than the dilated one.
    pub fn new(x: Dims, weight: Dims, options: ConvOptions) -> Option<(Self, Conv)> {
        let [dilation, _] = options.dilation;
        let fits = dilation > 1
            && options.dilation == [dilation; 2]
            && options.padding == options.dilation;
        if !fits {
            return None;
        }
        let dilated = Geometry::of_conv(x, weight, options)?;
        let [_, _, height, width] = x;
        let phases = Self {
            dilation,
            whole: x,
            side: [height, width].map(|side| side.div_ceil(dilation)),
        };
        let options = ConvOptions {
            padding: [1, 1],
            dilation: [1, 1],
            ..options
        };
        let plain = Geometry::of_conv(phases.dims(x[1])?, weight, options)?;
        // Winograd's algorithm supports stride 1 and one group only.
        let side = Side::fastest(&plain)?;
        if 4 * side.work(&plain) > 3 * Side::direct_work(&dilated) {
            return None;
        }
        Some((phases, Conv::winograd(plain, side)))
    }

    /// Returns the shape of a batch of all phases, or `None` if it overflows.
    fn dims(&self, channels: usize) -> Option<Dims> {
        let count = self.dilation.checked_mul(self.dilation)?;
        let [height, width] = self.side;
        Some([self.whole[0].checked_mul(count)?, channels, height, width])
    }

    /// Copies a channels-last map to its phases. Pixels beyond the map are zero, like the padding.
    ///
    /// # Panics
    ///
    /// Panics if the number of values is wrong.
    pub fn split(&self, values: &[f32]) -> Vec<f32> {
        let [batch, channels, height, width] = self.whole;
        assert_eq!(values.len(), batch * channels * height * width, "values");
        let [down, across] = self.side;
        let count = batch * self.dilation * self.dilation;
        let mut phases = vec![0.0; count * down * across * channels];
        let row = across * channels;
        parallel::chunks(&mut phases, down * row, row, |number, start, out| {
            let (image, [top, left]) = self.place(number);
            let y = top + start / row * self.dilation;
            if y >= height {
                return;
            }
            let from = &values[(image * height + y) * width * channels..][..width * channels];
            let pixels = from.chunks(channels).skip(left).step_by(self.dilation);
            for (to, from) in out.chunks_mut(channels).zip(pixels) {
                to.copy_from_slice(from);
            }
        });
        phases
    }

    /// Copies the phases of a map with `channels` channels to their places.
    ///
    /// # Panics
    ///
    /// Panics if the number of values is wrong.
    pub fn join(&self, values: &[f32], channels: usize) -> Vec<f32> {
        let [batch, _, height, width] = self.whole;
        let [down, across] = self.side;
        let count = batch * self.dilation * self.dilation;
        assert_eq!(values.len(), count * down * across * channels, "values");
        let mut whole = vec![0.0; batch * height * width * channels];
        let row = width * channels;
        parallel::chunks(&mut whole, height * row, row, |image, start, out| {
            let (line, top) = (start / row / self.dilation, start / row % self.dilation);
            for left in 0..self.dilation.min(width) {
                let number = (image * self.dilation + top) * self.dilation + left;
                let from = &values[(number * down + line) * across * channels..];
                let pixels = out.chunks_mut(channels).skip(left).step_by(self.dilation);
                for (to, from) in pixels.zip(from.chunks(channels)) {
                    to.copy_from_slice(from);
                }
            }
        });
        whole
    }

    /// Returns the image and the first row and column of a phase.
    fn place(&self, number: usize) -> (usize, [usize; 2]) {
        let d = self.dilation;
        (number / (d * d), [number / d % d, number % d])
    }
}
