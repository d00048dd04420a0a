//! Max pools of maps whose channels lie side by side.

use burn_backend::DType;
use burn_flex::FlexTensor;
use pulp::{Simd, WithSimd};

use crate::simd::arch;
use crate::{layout, parallel};

/// A window and its steps, each for height and width.
#[derive(Clone, Copy)]
pub(crate) struct Window {
    pub(crate) kernel: [usize; 2],
    pub(crate) stride: [usize; 2],
    pub(crate) padding: [usize; 2],
    pub(crate) dilation: [usize; 2],
}

/// `None` for other maps, and where a window may lie in the padding alone: Flex's.
pub(crate) fn max_pool2d(x: &FlexTensor, window: Window) -> Option<FlexTensor> {
    if x.dtype() != DType::F32
        || window
            .padding
            .iter()
            .zip(window.kernel)
            .any(|(p, k)| *p >= k)
    {
        return None;
    }
    let values = layout::channels_last(x)?;
    let [n, c, h, w] = layout::dims(x);
    let side = |axis: usize, size: usize| {
        let spanned = window.dilation[axis] * (window.kernel[axis].checked_sub(1)?) + 1;
        let free = (size + 2 * window.padding[axis]).checked_sub(spanned)?;
        Some(free / window.stride[axis] + 1)
    };
    let (height, width) = (side(0, h)?, side(1, w)?);
    let mut out = vec![f32::NEG_INFINITY; n * height * width * c];
    parallel::chunks(
        &mut out,
        height * width * c,
        width * c,
        |image, start, out| {
            let image = &values[image * h * w * c..][..h * w * c];
            arch().dispatch(Row {
                image: image.chunks_exact(c),
                size: [h, w],
                window,
                y: start / (width * c),
                out,
            });
        },
    );
    Some(layout::from_channels_last(out, [n, c, height, width]))
}

/// A row of the output, which holds negative infinity.
struct Row<'a> {
    image: core::slice::ChunksExact<'a, f32>,
    size: [usize; 2],
    window: Window,
    y: usize,
    out: &'a mut [f32],
}

impl WithSimd for Row<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let Window {
            kernel,
            stride,
            padding,
            dilation,
        } = self.window;
        let [height, width] = self.size;
        let channels = self.image.clone().next().map_or(1, <[f32]>::len);
        for (x, out) in self.out.chunks_exact_mut(channels).enumerate() {
            let inside = |at: usize, tap: usize, axis: usize, size: usize| {
                (at * stride[axis] + tap * dilation[axis])
                    .checked_sub(padding[axis])
                    .filter(|at| *at < size)
            };
            let mut first = true;
            for ky in 0..kernel[0] {
                let Some(y) = inside(self.y, ky, 0, height) else {
                    continue;
                };
                for kx in 0..kernel[1] {
                    let Some(x) = inside(x, kx, 1, width) else {
                        continue;
                    };
                    let Some(pixel) = self.image.clone().nth(y * width + x) else {
                        continue;
                    };
                    // As in Flex: what is not a number stays where it comes first, and is passed over later.
                    for (most, value) in out.iter_mut().zip(pixel) {
                        *most = if first || *value > *most {
                            *value
                        } else {
                            *most
                        };
                    }
                    first = false;
                }
            }
        }
    }
}
