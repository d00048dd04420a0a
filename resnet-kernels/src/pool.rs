//! Pools of channels-last feature maps.

mod backward;
mod blur;
mod forward;

pub use backward::{average_backward, max_backward};
pub use blur::blur;
pub(crate) use forward::pool;
pub use forward::{Divisor, average, global, max, max_with_indices};

use crate::sizes::{Dims, places};

/// The window of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Height and width.
    pub kernel: [usize; 2],
    /// Stride down and to the right.
    pub stride: [usize; 2],
    /// Padding above and below, left and right.
    pub padding: [usize; 2],
    /// Dilation down and to the right.
    pub dilation: [usize; 2],
    /// Whether the output includes a last window that extends beyond the feature map.
    pub ceil: bool,
}

impl Window {
    /// Creates a square window without padding or dilation.
    pub fn square(kernel: usize, stride: usize) -> Self {
        Self {
            kernel: [kernel; 2],
            stride: [stride; 2],
            padding: [0, 0],
            dilation: [1, 1],
            ceil: false,
        }
    }

    /// Returns the height and width of the output. Returns `None` if a size overflows, the window
    /// does not fit, or the last window extends beyond the map.
    pub fn output(&self, [_, _, height, width]: Dims) -> Option<[usize; 2]> {
        let side = |axis: usize, size: usize| {
            let [kernel, stride, padding, dilation] =
                [self.kernel, self.stride, self.padding, self.dilation].map(|sides| sides[axis]);
            let all = places(size, kernel, stride, padding, dilation)?;
            let whole = places(size, kernel, 1, padding, dilation)? - 1;
            (!self.ceil || whole.is_multiple_of(stride)).then_some(all)
        };
        Some([side(0, height)?, side(1, width)?])
    }

    /// Returns the position of a tap of window `at`, or `None` if it is outside of the map.
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
    pub fn meets(&self) -> bool {
        let mut sides = self.padding.iter().zip(self.kernel);
        self.dilation == [1, 1] && sides.all(|(padding, kernel)| *padding < kernel)
    }
}
