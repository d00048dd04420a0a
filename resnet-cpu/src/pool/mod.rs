//! Pools of maps whose channels lie side by side.

mod backward;
mod forward;

use burn_backend::DType;
use burn_flex::FlexTensor;

pub(crate) use backward::{avg_pool2d_backward, max_pool2d_backward};
pub(crate) use forward::{avg_pool2d, max_pool2d, max_pool2d_with_indices};

use crate::layout::{self, Dims};

/// A window and its steps, each for height and width.
#[derive(Clone, Copy)]
pub(crate) struct Window {
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
    dilation: [usize; 2],
    /// Whether a last window that leaves the map counts.
    ceil: bool,
}

/// The values and sizes of a map that there are kernels for.
fn map(x: &FlexTensor) -> Option<(&[f32], Dims)> {
    let fits = x.dtype() == DType::F32 && x.layout().num_dims() == 4 && layout::is_channels_last(x);
    fits.then(|| Some((layout::channels_last(x)?, layout::dims(x))))?
}

impl Window {
    pub(crate) fn new(
        kernel: [usize; 2],
        stride: [usize; 2],
        padding: [usize; 2],
        dilation: [usize; 2],
        ceil: bool,
    ) -> Self {
        Self {
            kernel,
            stride,
            padding,
            dilation,
            ceil,
        }
    }

    /// Height and width of what it gives; `None` if it does not fit or a last window leaves the map.
    fn output(&self, [_, _, height, width]: Dims) -> Option<[usize; 2]> {
        let side = |axis: usize, size: usize| {
            let spanned = self.dilation[axis] * self.kernel[axis].checked_sub(1)? + 1;
            let free = (size + 2 * self.padding[axis]).checked_sub(spanned)?;
            let whole = !self.ceil || free % self.stride[axis] == 0;
            whole.then_some(free / self.stride[axis] + 1)
        };
        Some([side(0, height)?, side(1, width)?])
    }

    /// Where a tap of the window at `at` is in the map.
    #[inline(always)]
    fn tap(&self, axis: usize, at: usize, tap: usize, size: usize) -> Option<usize> {
        (at * self.stride[axis] + tap * self.dilation[axis])
            .checked_sub(self.padding[axis])
            .filter(|at| *at < size)
    }

    /// The windows that have a value of the map in them.
    #[inline(always)]
    fn over(&self, axis: usize, at: usize, windows: usize) -> core::ops::Range<usize> {
        let at = at + self.padding[axis];
        let spanned = self.dilation[axis] * (self.kernel[axis] - 1);
        let first = at.saturating_sub(spanned).div_ceil(self.stride[axis]);
        first..(at / self.stride[axis] + 1).min(windows)
    }

    /// Whether no window lies in the padding alone.
    fn meets(&self) -> bool {
        let mut sides = self.padding.iter().zip(self.kernel);
        self.dilation == [1, 1] && sides.all(|(padding, kernel)| *padding < kernel)
    }
}
