//! Pools of maps whose channels lie side by side.

use burn_backend::DType;
use burn_flex::FlexTensor;
use pulp::{Simd, WithSimd};

use crate::layout::Dims;
use crate::simd::arch;
use crate::{layout, parallel};

/// A window and its steps, each for height and width.
#[derive(Clone, Copy)]
pub(crate) struct Window {
    pub(crate) kernel: [usize; 2],
    pub(crate) stride: [usize; 2],
    pub(crate) padding: [usize; 2],
    pub(crate) dilation: [usize; 2],
    /// Whether a last window that leaves the map counts.
    pub(crate) ceil: bool,
}

/// What becomes of the values in a window.
#[derive(Clone, Copy)]
enum Pool {
    Max,
    Mean,
}

/// `None` for other maps, and where a window may lie in the padding alone: Flex's.
pub(crate) fn max_pool2d(x: &FlexTensor, window: Window) -> Option<FlexTensor> {
    let inside = window
        .padding
        .iter()
        .zip(window.kernel)
        .all(|(p, k)| *p < k);
    inside.then(|| pool(x, window, Pool::Max))?
}

/// `None` for other maps, and where a window leaves the map: Flex's.
pub(crate) fn avg_pool2d(x: &FlexTensor, window: Window) -> Option<FlexTensor> {
    (window.padding == [0, 0]).then(|| pool(x, window, Pool::Mean))?
}

fn pool(x: &FlexTensor, window: Window, pool: Pool) -> Option<FlexTensor> {
    if x.dtype() != DType::F32 || x.layout().num_dims() != 4 || !layout::is_channels_last(x) {
        return None;
    }
    let values = layout::channels_last(x)?;
    let dims = layout::dims(x);
    let [height, width] = window.output(dims)?;
    let [n, c, h, w] = dims;
    let mut out = vec![0.0; n * height * width * c];
    parallel::chunks(
        &mut out,
        height * width * c,
        width * c,
        |image, start, out| {
            arch().dispatch(Row {
                image: &values[image * h * w * c..][..h * w * c],
                dims,
                window,
                pool,
                y: start / (width * c),
                out,
            });
        },
    );
    Some(layout::from_channels_last(out, [n, c, height, width]))
}

impl Window {
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
}

/// A row of the output.
struct Row<'a> {
    image: &'a [f32],
    dims: Dims,
    window: Window,
    pool: Pool,
    y: usize,
    out: &'a mut [f32],
}

impl WithSimd for Row<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let [_, channels, height, width] = self.dims;
        let [taps_down, taps_right] = self.window.kernel;
        let share = 1.0 / (taps_down * taps_right) as f32;
        for (x, out) in self.out.chunks_exact_mut(channels).enumerate() {
            let mut first = true;
            for down in 0..taps_down {
                let Some(y) = self.window.tap(0, self.y, down, height) else {
                    continue;
                };
                for right in 0..taps_right {
                    let Some(x) = self.window.tap(1, x, right, width) else {
                        continue;
                    };
                    let pixel = &self.image[(y * width + x) * channels..][..channels];
                    for (out, value) in out.iter_mut().zip(pixel) {
                        *out = match self.pool {
                            _ if first => *value,
                            // As in Flex: what is not a number stays where it comes first, and is passed over later.
                            Pool::Max if *value > *out => *value,
                            Pool::Max => *out,
                            Pool::Mean => *out + *value,
                        };
                    }
                    first = false;
                }
            }
            if let Pool::Mean = self.pool {
                out.iter_mut().for_each(|sum| *sum *= share);
            }
        }
    }
}
