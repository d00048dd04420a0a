//! Work for every core.

use rayon::prelude::*;

/// Below so many values one core is as fast.
const SMALL: usize = 16 * 1024;

/// Calls `work` with each image's number, a position in it, and the values of `out` from there, `step` of them or what is left.
pub(crate) fn chunks(
    out: &mut [f32],
    image: usize,
    step: usize,
    work: impl Fn(usize, usize, &mut [f32]) + Sync,
) {
    if out.is_empty() {
        return;
    }
    let steps = |(number, out): (usize, &mut [f32])| {
        for (index, out) in out.chunks_mut(step).enumerate() {
            work(number, index * step, out);
        }
    };
    if out.len() <= SMALL {
        return out.chunks_mut(image).enumerate().for_each(steps);
    }
    out.par_chunks_mut(image)
        .enumerate()
        .for_each(|(number, out)| {
            let steps = out.par_chunks_mut(step).enumerate();
            steps.for_each(|(index, out)| work(number, index * step, out));
        });
}

/// The same for two results.
pub(crate) fn chunks_of_two<A: Send, B: Send>(
    first: &mut [A],
    second: &mut [B],
    image: usize,
    step: usize,
    work: impl Fn(usize, usize, &mut [A], &mut [B]) + Sync,
) {
    if first.is_empty() {
        return;
    }
    let images = first
        .par_chunks_mut(image)
        .zip(second.par_chunks_mut(image));
    images.enumerate().for_each(|(number, (first, second))| {
        let steps = first.par_chunks_mut(step).zip(second.par_chunks_mut(step));
        steps.enumerate().for_each(|(index, (first, second))| {
            work(number, index * step, first, second);
        });
    });
}
