//! Nearest-neighbor resizing of channels-last feature maps, as in a feature pyramid.

use burn_backend::DType;
use burn_flex::FlexTensor;

use crate::layout;
use crate::parallel;

/// Copies the nearest pixel: output `i` is input `floor(i * in / out)`.
///
/// Returns `None` if the kernel does not support the map. Flex computes these cases.
pub(crate) fn nearest(x: &FlexTensor, size: [usize; 2]) -> Option<FlexTensor> {
    let fits = x.dtype() == DType::F32 && layout::is_channels_last(x);
    let values = fits.then(|| layout::channels_last(x))??;
    let [n, c, h, w] = layout::dims(x);
    if values.is_empty() {
        return None;
    }
    let [height, width] = size;
    let [ys, xs] = [(h, height), (w, width)].map(|(from, to)| sources(from, to));
    let mut out = vec![0.0; n * height * width * c];
    let (image, row) = (height * width * c, width * c);
    parallel::chunks(&mut out, image, row, |image, start, out| {
        let from = &values[(image * h + ys[start / row]) * w * c..][..w * c];
        for (out, x) in out.chunks_exact_mut(c).zip(&xs) {
            out.copy_from_slice(&from[x * c..][..c]);
        }
    });
    Some(layout::from_channels_last(out, [n, c, height, width]))
}

/// Returns the source of each position of an axis, in double precision like Flex.
fn sources(from: usize, to: usize) -> Vec<usize> {
    let ratio = from as f64 / to as f64;
    let source = |i: usize| ((i as f64 * ratio) as usize).min(from - 1);
    (0..to).map(source).collect()
}
