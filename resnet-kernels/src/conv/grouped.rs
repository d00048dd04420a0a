//! Grouped convolutions whose groups have fewer channels than a vector, as in ResNeXt.
//!
//! A vector holds the channels of several groups. For each input channel `i` of a group, a
//! permutation copies the input `i` of each group to all outputs of the group, and one multiply-add
//! follows. So no product with the weights of another group is computed.

use aligned_vec::AVec;

use super::Epilogue;
use super::geometry::Geometry;
use super::job::{Job, Place};
use crate::simd::vectors;

/// The [`Job`] of a grouped convolution.
pub(super) struct Grouped<'a> {
    /// Padded input, `[batch, height, width, channels]`.
    pub(super) x: &'a [f32],
    pub(super) weights: &'a GroupedWeights,
    pub(super) geometry: &'a Geometry,
    pub(super) epilogue: &'a Epilogue,
}

/// Weights, `[vector of channels, tap, input of the group, lane]`.
#[derive(Debug)]
pub(super) struct GroupedWeights {
    values: AVec<f32>,
}

impl GroupedWeights {
    pub(super) fn new(weights: &[f32], geometry: &Geometry) -> Self {
        let (lanes, taps) = (vectors().lanes, geometry.taps());
        let width = geometry.inputs_of_group();
        let mut values = AVec::with_capacity(0, weights.len());
        for first in (0..geometry.out[0]).step_by(lanes) {
            for tap in 0..taps {
                for input in 0..width {
                    for channel in first..first + lanes {
                        values.push(weights[(channel * width + input) * taps + tap]);
                    }
                }
            }
        }
        Self { values }
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }
}

impl Grouped<'_> {
    /// Returns whether this kernel supports the sizes and the processor.
    pub(super) fn supports(geometry: &Geometry) -> bool {
        let (lanes, width) = (vectors().lanes, geometry.inputs_of_group());
        permute::supported()
            && geometry.groups > 1
            && width == geometry.outputs_of_group()
            && width < lanes
            && lanes.is_multiple_of(width)
            && geometry.input[0].is_multiple_of(lanes)
    }

    /// Asserts the preconditions of the unsafe code, in addition to the invariants of [`Geometry`].
    fn check(&self) {
        let geometry = self.geometry;
        assert!(Self::supports(geometry));
        // `Geometry` guarantees that every tap is inside a padded input of this size.
        assert_eq!(self.x.len(), geometry.inputs());
        let weights = geometry.out[0] * geometry.inputs_of_group() * geometry.taps();
        assert_eq!(self.weights.len(), weights);
        self.epilogue.check(geometry.out[0]);
    }
}

// SAFETY: the rows cover all pixels without overlap, and one thread runs each row.
unsafe impl Job for Grouped<'_> {
    fn geometry(&self) -> &Geometry {
        self.geometry
    }

    fn write(&self, place: Place) {
        self.check();
        permute::run(self, place);
    }
}

/// Permutations exist on x86 only. Vectors of other processors hold four channels, so that the
/// groups of ResNeXt fill them.
#[cfg(not(all(target_arch = "x86_64", not(miri))))]
mod permute {
    use super::{Grouped, Place};

    pub(super) fn supported() -> bool {
        false
    }

    pub(super) fn run(_: &Grouped<'_>, _: Place) {
        unreachable!("`supported` returns false");
    }
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
mod permute {
    use core::array;
    use core::ops::Range;

    use pulp::x86::{V3, V4};
    use pulp::{Arch, Simd, cast};

    use super::{Grouped, Place};
    use crate::parallel::{self, range, ranges};
    use crate::simd::arch;

    /// Vectors whose lanes can be permuted within the groups of a convolution.
    trait Permute: Simd {
        /// Number of adjacent pixels whose sums stay in registers.
        const PIXELS: usize;

        /// Returns the lanes of `x` at `index`.
        fn permute(self, x: Self::f32s, index: &Index) -> Self::f32s;
    }

    /// An index for each lane of a vector.
    type Index = [i32; 16];

    impl Permute for V3 {
        const PIXELS: usize = 6;

        /// The index counts within each half of the vector, so groups have at most 4 channels.
        #[inline(always)]
        fn permute(self, x: Self::f32s, index: &Index) -> Self::f32s {
            let index: [i32; 8] = array::from_fn(|lane| index[lane]);
            cast(self.avx._mm256_permutevar_ps(cast(x), cast(index)))
        }
    }

    impl Permute for V4 {
        const PIXELS: usize = 12;

        #[inline(always)]
        fn permute(self, x: Self::f32s, index: &Index) -> Self::f32s {
            cast(self.avx512f._mm512_permutexvar_ps(cast(*index), cast(x)))
        }
    }

    pub(super) fn supported() -> bool {
        matches!(arch(), Arch::V3(_) | Arch::V4(_))
    }

    pub(super) fn run(job: &Grouped<'_>, place: Place) {
        /// Number of parts per core.
        const PARTS: usize = 4;
        let geometry = job.geometry;
        let rows = geometry.batch * geometry.out[1];
        let count = rows.min(PARTS * parallel::cores());
        parallel::each(count, |part| {
            let rows = range(rows, count, part);
            match arch() {
                Arch::V3(simd) => simd.vectorize(
                    #[inline(always)]
                    || Rows { simd, job, place }.run(rows),
                ),
                Arch::V4(simd) => simd.vectorize(
                    #[inline(always)]
                    || Rows { simd, job, place }.run(rows),
                ),
                _ => unreachable!("`supported` checks the processor"),
            }
        });
    }

    /// Some output rows on one thread.
    struct Rows<'a, S> {
        simd: S,
        job: &'a Grouped<'a>,
        place: Place,
    }

    impl<S: Permute> Rows<'_, S> {
        #[inline(always)]
        fn run(self, rows: Range<usize>) {
            let geometry = self.job.geometry;
            let [_, _, across] = geometry.out;
            let width = geometry.inputs_of_group();
            let indices: [Index; 8] = array::from_fn(|input| {
                array::from_fn(|lane| (lane / width * width + input) as i32)
            });
            let indices = &indices[..width];
            let adjacent =
                geometry.kernel[1] == 3 && geometry.stride[1] == 1 && geometry.dilation[1] == 1;
            for vector in 0..geometry.out[0] / S::F32_LANES {
                for row in rows.clone() {
                    for pixels in ranges(across, across.div_ceil(S::PIXELS)) {
                        let tile = Tile {
                            rows: &self,
                            vector,
                            row,
                            column: pixels.start,
                            indices,
                        };
                        tile.run(pixels.len(), adjacent);
                    }
                }
            }
        }
    }

    /// Adjacent pixels of a row and a vector of their channels.
    struct Tile<'a, S> {
        rows: &'a Rows<'a, S>,
        vector: usize,
        row: usize,
        column: usize,
        indices: &'a [Index],
    }

    impl<S: Permute> Tile<'_, S> {
        #[inline(always)]
        fn run(&self, pixels: usize, adjacent: bool) {
            macro_rules! sizes {
                ($($pixels:literal)*) => {
                    match (pixels, adjacent) {
                        $(
                            // SAFETY: `Grouped::check` and `Geometry` guarantee the bounds.
                            ($pixels, true) => unsafe { self.sum::<$pixels, { $pixels + 2 }, true>() },
                            // SAFETY: see above.
                            ($pixels, false) => unsafe { self.sum::<$pixels, $pixels, false>() },
                        )*
                        _ => unreachable!("a tile has at most {} pixels", S::PIXELS),
                    }
                };
            }
            match S::PIXELS {
                6 => sizes!(1 2 3 4 5 6),
                _ => sizes!(1 2 3 4 5 6 7 8 9 10 11 12),
            }
        }

        /// Computes the sums of the pixels and writes them.
        ///
        /// With `ADJACENT`, the kernel has three columns and stride 1, so that a permuted input
        /// serves three outputs.
        ///
        /// # Safety
        ///
        /// The pixels are inside the output, and the job has been checked.
        #[inline(always)]
        #[allow(clippy::needless_range_loop, reason = "unrolled")]
        unsafe fn sum<const PIXELS: usize, const INPUTS: usize, const ADJACENT: bool>(&self) {
            let Rows { simd, job, place } = *self.rows;
            let geometry = job.geometry;
            let [channels, height, _] = geometry.out;
            let [_, padded_width] = geometry.padded();
            let (image, y) = (self.row / height, self.row % height);
            let [down, right] = geometry.stride;
            let step = right * channels;
            let channel = self.vector * S::F32_LANES;
            let first = geometry.input_index(image, y * down, self.column * right) + channel;
            let mut sums = [simd.splat_f32s(0.0); PIXELS];
            // SAFETY: guaranteed by the caller.
            unsafe {
                let x = job.x.as_ptr().add(first);
                let of_vector = geometry.taps() * self.indices.len();
                let weights = job.weights.values.as_ptr().cast::<S::f32s>();
                let weights = weights.add(self.vector * of_vector);
                let load = |at: *const f32| at.cast::<S::f32s>().read_unaligned();
                let [rows, columns] = geometry.kernel;
                for row in 0..rows {
                    let x = x.add(row * geometry.dilation[0] * padded_width * channels);
                    let weights = weights.add(row * columns * self.indices.len());
                    for (input, index) in self.indices.iter().enumerate() {
                        if ADJACENT {
                            let xs: [S::f32s; INPUTS] = array::from_fn(|at| {
                                simd.permute(load(x.add(at * channels)), index)
                            });
                            for column in 0..3 {
                                let weight = *weights.add(column * self.indices.len() + input);
                                for pixel in 0..PIXELS {
                                    sums[pixel] = simd.mul_add_e_f32s(
                                        xs[pixel + column],
                                        weight,
                                        sums[pixel],
                                    );
                                }
                            }
                        } else {
                            for column in 0..columns {
                                let x = x.add(column * geometry.dilation[1] * channels);
                                let weight = *weights.add(column * self.indices.len() + input);
                                for pixel in 0..PIXELS {
                                    let x = simd.permute(load(x.add(pixel * step)), index);
                                    sums[pixel] = simd.mul_add_e_f32s(x, weight, sums[pixel]);
                                }
                            }
                        }
                    }
                }
                let first = geometry.output_index(image, y, self.column) + channel;
                for pixel in 0..PIXELS {
                    let at = first + pixel * channels;
                    let channels = job.epilogue.channels::<S>(channel);
                    place.store(simd, channels, sums[pixel], at, S::F32_LANES);
                }
            }
        }
    }
}
