//! Pools of channels-last feature maps.

mod backward;
mod forward;

use burn_backend::DType;
use burn_flex::FlexTensor;

pub(crate) use backward::{avg_pool2d_backward, max_pool2d_backward};
pub(crate) use forward::{avg_pool2d, max_pool2d, max_pool2d_with_indices};

use crate::check::{self, Pool as Window};
use crate::layout::{self, Dims};

/// Returns the values and sizes of a feature map. Returns `None` if the kernels do not support its
/// type or layout.
fn map(x: &FlexTensor) -> Option<(&[f32], Dims)> {
    let fits = x.dtype() == DType::F32 && x.layout().num_dims() == 4 && layout::is_channels_last(x);
    fits.then(|| Some((layout::channels_last(x)?, layout::dims(x))))?
}

/// [`Window::check`] guarantees that the sums of sizes below do not overflow.
impl Window {
    /// Returns the height and width of the output. Returns `None` if the window does not fit or the
    /// last window extends beyond the map.
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

    /// Returns the position of a tap of window `at`, or `None` if it is in the padding.
    #[inline(always)]
    fn tap(&self, axis: usize, at: usize, tap: usize, size: usize) -> Option<usize> {
        (at * self.stride[axis] + tap * self.dilation[axis])
            .checked_sub(self.padding[axis])
            .filter(|at| *at < size)
    }

    /// Returns the windows that cover position `at` of the map.
    #[inline(always)]
    fn over(&self, axis: usize, at: usize, windows: usize) -> core::ops::Range<usize> {
        let at = at + self.padding[axis];
        let spanned = self.dilation[axis] * (self.kernel[axis] - 1);
        let first = at.saturating_sub(spanned).div_ceil(self.stride[axis]);
        first..(at / self.stride[axis] + 1).min(windows)
    }

    /// Returns whether every window covers a value of the map.
    fn meets(&self) -> bool {
        let mut sides = self.padding.iter().zip(self.kernel);
        self.dilation == [1, 1] && sides.all(|(padding, kernel)| *padding < kernel)
    }
}
