//! Dilated 3x3 convolutions as ordinary ones.
//!
//! With dilation `d`, an output reads only inputs whose distance is a multiple of `d`. So the rows
//! and columns `p, p + d, p + 2d, …` form a smaller image, a phase, that the convolution does not
//! mix with the others. The convolution of each phase has dilation 1, which Winograd's algorithm
//! supports.

use burn_backend::DType;
use burn_backend::ops::ConvOptions;
use burn_flex::FlexTensor;

use super::geometry::Geometry;
use super::winograd::Side;
use super::{Epilogue, Phase, conv2d_with};
use crate::layout::{self, Dims};
use crate::parallel;

/// The sizes of a feature map and of its phases.
struct Phases {
    dilation: usize,
    /// Batch, channels, height and width of the whole map.
    whole: Dims,
    /// Height and width of a phase; the last row or column may lie beyond the map.
    side: [usize; 2],
}

/// Convolves the phases if the convolution is dilated and this is faster.
pub(super) fn convolve(
    x: &FlexTensor,
    weight: &FlexTensor,
    options: &ConvOptions<2>,
    epilogue: &Epilogue,
    phase: Phase,
) -> Option<FlexTensor> {
    let [dilation, _] = options.dilation;
    let fits = phase == Phase::Inference
        && dilation > 1
        && options.dilation == [dilation; 2]
        && options.padding == options.dilation
        && epilogue.residual.is_none()
        && [x, weight].map(FlexTensor::dtype) == [DType::F32; 2];
    if !fits {
        return None;
    }
    let (whole, kernel) = (layout::dims(x), layout::dims(weight));
    let dilated = Geometry::of_conv(whole, kernel, options)?;
    let phases = Phases::new(whole, dilation);
    let options = ConvOptions::new(options.stride, [1, 1], [1, 1], options.groups);
    let plain = Geometry::of_conv(phases.dims(whole[1])?, kernel, &options)?;
    // Winograd's algorithm supports stride 1 and one group only.
    let (side, _) = Side::of(&plain)?;
    if 4 * side.work(&plain) > 3 * Side::direct_work(&dilated) {
        return None;
    }
    let x = phases.split(layout::into_channels_last(x.clone()))?;
    let y = conv2d_with(x, weight.clone(), options, epilogue.clone(), phase);
    phases.join(&layout::into_channels_last(y))
}

impl Phases {
    fn new(whole: Dims, dilation: usize) -> Self {
        let [_, _, height, width] = whole;
        Self {
            dilation,
            whole,
            side: [height, width].map(|side| side.div_ceil(dilation)),
        }
    }

    /// Returns the shape of a batch of all phases, or `None` if it overflows.
    fn dims(&self, channels: usize) -> Option<Dims> {
        let count = self.dilation.checked_mul(self.dilation)?;
        let [height, width] = self.side;
        Some([self.whole[0].checked_mul(count)?, channels, height, width])
    }

    /// Copies a map to its phases. Pixels beyond the map are zero, like the padding.
    fn split(&self, x: FlexTensor) -> Option<FlexTensor> {
        let [_, channels, height, width] = self.whole;
        let values = layout::channels_last(&x)?;
        let dims = self.dims(channels)?;
        let [down, across] = self.side;
        let mut phases = vec![0.0; dims.iter().product()];
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
        Some(layout::from_channels_last(phases, dims))
    }

    /// Copies the phases of a map to their places.
    fn join(&self, y: &FlexTensor) -> Option<FlexTensor> {
        let [batch, _, height, width] = self.whole;
        let [_, channels, down, across] = layout::dims(y);
        let values = layout::channels_last(y)?;
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
        let dims = [batch, channels, height, width];
        Some(layout::from_channels_last(whole, dims))
    }

    /// Returns the image and the first row and column of a phase.
    fn place(&self, number: usize) -> (usize, [usize; 2]) {
        let d = self.dilation;
        (number / (d * d), [number / d % d, number % d])
    }
}
