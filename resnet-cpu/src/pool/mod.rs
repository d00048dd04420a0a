//! Pools of maps whose channels lie side by side.

mod backward;
mod forward;

use burn_backend::DType;
use burn_flex::FlexTensor;

pub(crate) use backward::{avg_pool2d_backward, max_pool2d_backward};
pub(crate) use forward::{avg_pool2d, max_pool2d, max_pool2d_with_indices};

use crate::check::{self, Pool as Window};
use crate::layout::{self, Dims};

/// The values and sizes of a map that there are kernels for.
fn map(x: &FlexTensor) -> Option<(&[f32], Dims)> {
    let fits = x.dtype() == DType::F32 && x.layout().num_dims() == 4 && layout::is_channels_last(x);
    fits.then(|| Some((layout::channels_last(x)?, layout::dims(x))))?
}

/// As [`Window::check`] has seen it: sums of its sizes do not wrap around.
impl Window {
    /// Height and width of what it gives; `None` if it does not fit or a last window leaves the map.
    fn output(&self, [_, _, height, width]: Dims) -> Option<[usize; 2]> {
        let side = |axis: usize, size: usize| {
            let [kernel, stride, padding, dilation] =
                [self.kernel, self.stride, self.padding, self.dilation].map(|sides| sides[axis]);
            let places = check::places(size, kernel, stride, padding, dilation)?;
            let whole = check::places(size, kernel, 1, padding, dilation)? - 1;
            (!self.ceil || whole.is_multiple_of(stride)).then_some(places)
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
