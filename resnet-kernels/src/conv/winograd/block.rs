//! Winograd's algorithm on one thread.

use core::array;
use core::marker::PhantomData;
use core::ops::Range;

use pulp::{Simd, WithSimd};

use super::Winograd;
use super::tile::Tile;
use crate::conv::geometry::Run;
use crate::conv::job::Place;
use crate::conv::packed::Panel;
use crate::conv::products::products;
use crate::parallel::ranges;
use crate::scratch;
use crate::simd::{arch, vectors};

/// The tiles that one core computes at a time.
pub(super) struct Block<'a, T, const IN: usize, const OUT: usize> {
    job: &'a Winograd<'a>,
    /// Range of tile indices, over all images.
    tiles: Range<usize>,
    place: Place,
    /// Transformed inputs, `[element, tile, channel]`
    inputs: *mut f32,
    /// Sums of products, `[element, tile, channel of the panel]`
    sums: *mut f32,
    tile: PhantomData<T>,
}

impl<T: Tile<IN, OUT>, const IN: usize, const OUT: usize> WithSimd for Block<'_, T, IN, OUT> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // SAFETY: `run` has made room for all values of these tiles. `Winograd::check` has checked
        // the lengths of inputs and weights.
        unsafe {
            self.transform(simd);
            for (index, panel) in self.job.panels().iter().enumerate() {
                match panel.inputs.len() {
                    1 => self.multiply::<S, 1>(simd, index),
                    2 => self.multiply::<S, 2>(simd, index),
                    3 => self.multiply::<S, 3>(simd, index),
                    _ => self.multiply::<S, 4>(simd, index),
                }
                self.finish(simd, panel);
            }
        }
    }
}

impl<'a, T: Tile<IN, OUT>, const IN: usize, const OUT: usize> Block<'a, T, IN, OUT> {
    pub(super) fn run(job: &'a Winograd<'a>, tiles: Range<usize>, place: Place) {
        let width = vectors().beside * vectors().lanes;
        let lengths = [job.stride(tiles.len()), tiles.len() * width].map(|length| IN * IN * length);
        scratch::with_values(lengths, |[inputs, sums]| {
            arch().dispatch(Self {
                job,
                tiles,
                place,
                inputs: inputs.as_mut_ptr(),
                sums: sums.as_mut_ptr(),
                tile: PhantomData,
            });
        });
    }

    fn channels(&self) -> usize {
        self.job.geometry.input[0]
    }

    fn stride(&self) -> usize {
        self.job.stride(self.tiles.len())
    }

    /// Returns the image, row and column of a tile.
    fn at(&self, tile: usize) -> [usize; 3] {
        let [down, across] = self.job.side().tiles(self.job.geometry);
        [tile / across / down, tile / across % down, tile % across]
    }

    /// Computes `Bᵀ d B` of all tiles.
    ///
    /// # Safety
    ///
    /// `self.inputs` has room for `IN * IN` times the stride.
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "unrolled")]
    unsafe fn transform<S: Simd>(&self, simd: S) {
        let job = self.job;
        let [_, width] = job.whole.padded();
        let (channels, stride) = (self.channels(), self.stride());
        for (index, tile) in self.tiles.clone().enumerate() {
            let [image, y, x] = self.at(tile);
            let first = job.whole.input_index(image, y * OUT, x * OUT);
            for channel in (0..channels).step_by(S::F32_LANES) {
                // SAFETY: the last tiles end at the end of the padded input, and the channels fill
                // whole vectors.
                unsafe {
                    let from = job.x.as_ptr().add(first + channel);
                    let zero = simd.splat_f32s(0.0);
                    let mut rows = [[zero; IN]; IN];
                    for x in 0..IN {
                        let mut column = [zero; IN];
                        for y in 0..IN {
                            let at = from.add((y * width + x) * channels);
                            column[y] = at.cast::<S::f32s>().read_unaligned();
                        }
                        let column = T::inputs(simd, column);
                        for y in 0..IN {
                            rows[y][x] = column[y];
                        }
                    }
                    let to = self.inputs.add(index * channels + channel);
                    for row in 0..IN {
                        let values = T::inputs(simd, rows[row]);
                        for column in 0..IN {
                            let to = to.add((row * IN + column) * stride);
                            to.cast::<S::f32s>().write_unaligned(values[column]);
                        }
                    }
                }
            }
        }
    }

    /// Multiplies the inputs of all tiles by the weights of a panel, for each element.
    ///
    /// # Safety
    ///
    /// The inputs of all tiles are transformed, the panel has `VECTORS` vectors, and `self.sums`
    /// has room for the sums.
    #[inline(always)]
    unsafe fn multiply<S: Simd, const VECTORS: usize>(&self, simd: S, panel: usize) {
        let channels = self.channels();
        let tiles = self.tiles.len();
        for (value, packed) in self.job.weights.weights.iter().enumerate() {
            let weights = packed.values[panel].as_ptr();
            for some in ranges(tiles, tiles.div_ceil(6)) {
                // SAFETY: guaranteed by the caller.
                unsafe {
                    let x = self
                        .inputs
                        .add(value * self.stride() + some.start * channels);
                    let to = self.sums.cast::<S::f32s>();
                    let to = to.add((value * tiles + some.start) * VECTORS);
                    let weights = weights.cast();
                    match some.len() {
                        1 => product::<S, 1, VECTORS>(simd, x, channels, weights, to),
                        2 => product::<S, 2, VECTORS>(simd, x, channels, weights, to),
                        3 => product::<S, 3, VECTORS>(simd, x, channels, weights, to),
                        4 => product::<S, 4, VECTORS>(simd, x, channels, weights, to),
                        5 => product::<S, 5, VECTORS>(simd, x, channels, weights, to),
                        _ => product::<S, 6, VECTORS>(simd, x, channels, weights, to),
                    }
                }
            }
        }
    }

    /// Computes `Aᵀ m A` of all tiles, applies the epilogue and writes the outputs.
    ///
    /// # Safety
    ///
    /// `self.sums` has the sums of this panel for all tiles.
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "unrolled")]
    unsafe fn finish<S: Simd>(&self, simd: S, panel: &Panel) {
        let [channels, height, width] = self.job.geometry.out;
        let [_, stride] = self.job.geometry.framed();
        let vectors = panel.inputs.len();
        for (index, tile) in self.tiles.clone().enumerate() {
            let [image, y, x] = self.at(tile);
            let rows = OUT.min(height - y * OUT);
            let columns = OUT.min(width - x * OUT);
            let first = self.job.geometry.output_index(image, y * OUT, x * OUT);
            for vector in 0..vectors {
                let channel = panel.first + vector * S::F32_LANES;
                // SAFETY: the caller guarantees the sums. The indices are inside the output and
                // belong to this tile. No other thread computes this tile.
                unsafe {
                    let sums = self.sums.cast::<S::f32s>();
                    let sums = sums.add(index * vectors + vector);
                    let zero = simd.splat_f32s(0.0);
                    let mut halves = [[zero; IN]; OUT];
                    for row in 0..IN {
                        let mut values = [zero; IN];
                        for column in 0..IN {
                            values[column] =
                                *sums.add((row * IN + column) * self.tiles.len() * vectors);
                        }
                        let half = T::outputs(simd, values);
                        for column in 0..OUT {
                            halves[column][row] = half[column];
                        }
                    }
                    for column in 0..columns {
                        let values = T::outputs(simd, halves[column]);
                        for row in 0..rows {
                            let at = first + (row * stride + column) * channels + channel;
                            let (epilogue, lanes) = (self.job.epilogue, S::F32_LANES);
                            let value = values[row];
                            let channels = epilogue.channels::<S>(channel);
                            self.place.store(simd, channels, value, at, lanes);
                        }
                    }
                }
            }
        }
    }
}

/// Computes the sums of products for some tiles. Their inputs are `length` apart.
///
/// # Safety
///
/// See [`products`].
#[inline(always)]
unsafe fn product<S: Simd, const TILES: usize, const VECTORS: usize>(
    simd: S,
    x: *const f32,
    length: usize,
    weights: *const S::f32s,
    to: *mut S::f32s,
) {
    let run = Run { offset: 0, length };
    // SAFETY: guaranteed by the caller.
    unsafe {
        let x = array::from_fn(|tile| x.add(tile * length));
        // The weights of the next position follow.
        let next = weights.wrapping_add(length * VECTORS);
        products::<S, TILES, VECTORS, false>(simd, x, [0; VECTORS], &[run], weights, next, to);
    }
}
