//! Convolutions of 3x3 with stride 1 by Winograd's algorithm (Lavin and Gray, 2016, "Fast Algorithms for Convolutional Neural
//! Networks").
//!
//! A tile of outputs is `Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A` for the weights `g` and the inputs `d` under it. The product in the middle,
//! summed over the input channels, is one product of matrices for each of its values: all tiles' inputs by all weights.

use core::array;
use core::marker::PhantomData;
use core::ops::Range;
use std::cell::RefCell;

use aligned_vec::AVec;
use pulp::{Simd, WithSimd};

use super::geometry::{Geometry, Run, Sizes};
use super::kernel::{products, ranges};
use super::packed::{Packed, Panel, Panels, Weights};
use super::padded::are_within;
use super::place::{After, Job, Place};
use super::tile::{Four, Tile, Two};
use crate::parallel;
use crate::simd::{arch, vectors};

/// The largest input or weight that is transformed: sums of products of larger ones may be too large for a float where the
/// outputs are not. An infinite one, or NaN, would reach all outputs of its tiles.
pub(super) const LARGEST: f32 = 1e15;

/// How many outputs a tile has in a row and in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Side {
    Two,
    Four,
}

impl Side {
    /// With the sizes of whole tiles. `None` where sums of products take less time, or another convolution than this is asked
    /// for.
    pub(super) fn of(geometry: &Geometry) -> Option<(Self, Geometry)> {
        /// A weight that is read from memory takes the time of so many multiply-adds.
        const READ: usize = 36;
        let lanes = vectors().lanes;
        let [inputs, ..] = geometry.input;
        let fits = geometry.kernel == [3, 3]
            && geometry.stride == [1, 1]
            && geometry.dilation == [1, 1]
            && geometry.groups == 1
            && lanes > 1
            && inputs % lanes == 0
            && geometry.out[0].is_multiple_of(lanes);
        let work = |side: &Option<Self>| match side {
            None => geometry.taps() * (geometry.pixels() + READ),
            Some(side) => side.inputs().pow(2) * (side.count(geometry) + READ),
        };
        let sides = [None, Some(Self::Two), Some(Self::Four)];
        let side = sides.into_iter().filter(|_| fits).min_by_key(work)??;
        Some((side, side.whole(geometry)?))
    }

    fn outputs(self) -> usize {
        match self {
            Self::Two => 2,
            Self::Four => 4,
        }
    }

    fn inputs(self) -> usize {
        self.outputs() + 2
    }

    /// Tiles down and across.
    fn tiles(self, geometry: &Geometry) -> [usize; 2] {
        let [_, height, width] = geometry.out;
        [height, width].map(|size| size.div_ceil(self.outputs()))
    }

    /// Tiles of all images.
    fn count(self, geometry: &Geometry) -> usize {
        geometry.batch * self.tiles(geometry).iter().product::<usize>()
    }

    /// With zeros to the end of the last tiles.
    fn whole(self, geometry: &Geometry) -> Option<Geometry> {
        let mut sizes = Sizes::clone(geometry);
        for (axis, tiles) in self.tiles(geometry).into_iter().enumerate() {
            let outputs = tiles * self.outputs();
            sizes.padding[axis][1] += outputs - geometry.out[1 + axis];
            sizes.out[1 + axis] = outputs;
        }
        Geometry::new(sizes)
    }
}

/// Weights `G g Gᵀ`, packed for each of their values.
#[derive(Debug)]
pub(super) struct Transformed {
    pub(super) side: Side,
    weights: Vec<Packed>,
}

impl Transformed {
    /// Of `[out, in, 3, 3]`. `None` where a weight is larger than [`LARGEST`] or NaN.
    pub(super) fn new(side: Side, weights: &[f32], geometry: &Geometry) -> Option<Self> {
        if !are_within(weights, LARGEST) {
            return None;
        }
        let one = Geometry::new(Sizes {
            kernel: [1, 1],
            ..Sizes::clone(geometry)
        })?;
        let panels = Panels::new(&one, vectors())?;
        let values = match side {
            Side::Two => transformed(weights, &Two::WEIGHTS),
            Side::Four => transformed(weights, &Four::WEIGHTS),
        };
        let pack =
            |values: &Vec<f32>| Packed::new(&Weights::new(values, &one), &one, panels.clone());
        let weights = parallel::map(values.iter(), pack);
        Some(Self { side, weights })
    }
}

/// For each value of `G g Gᵀ`, those of all `g`.
fn transformed<const IN: usize>(weights: &[f32], g: &[[f64; 3]; IN]) -> Vec<Vec<f32>> {
    let of_value = |value: usize| {
        let (row, column) = (g[value / IN], g[value % IN]);
        let factors: [f64; 9] = array::from_fn(|at| row[at / 3] * column[at % 3]);
        let sum = |weights: &[f32]| {
            let terms = factors.iter().zip(weights);
            terms
                .map(|(factor, weight)| factor * f64::from(*weight))
                .sum::<f64>() as f32
        };
        weights.chunks_exact(9).map(sum).collect()
    };
    parallel::map(0..IN * IN, of_value)
}

/// A convolution, ready to run.
pub(super) struct Winograd<'a> {
    /// `[batch, height, width, channels]` with padding to whole tiles.
    pub(super) x: &'a [f32],
    pub(super) weights: &'a Transformed,
    pub(super) geometry: &'a Geometry,
    /// The same with whole tiles.
    pub(super) whole: &'a Geometry,
    pub(super) after: After,
}

// SAFETY: the tiles cover all pixels and the panels all channels, and each tile is one thread's.
unsafe impl Job for Winograd<'_> {
    fn geometry(&self) -> &Geometry {
        self.geometry
    }

    fn write(&self, place: Place) {
        self.check();
        let tiles = self.side().count(self.geometry);
        let work = |tiles: Range<usize>| match self.side() {
            Side::Two => Block::<Two, 4, 2>::run(self, tiles, place),
            Side::Four => Block::<Four, 6, 4>::run(self, tiles, place),
        };
        parallel::each(ranges(tiles, self.parts(tiles)).collect(), work);
    }
}

impl Winograd<'_> {
    fn side(&self) -> Side {
        self.weights.side
    }

    fn panels(&self) -> &[Panel] {
        &self.weights.weights[0].panels.panels
    }

    /// From value to value of the transformed inputs of `tiles`; a little more than there are, for caches keep few places a power
    /// of two apart.
    fn stride(&self, tiles: usize) -> usize {
        tiles * self.geometry.input[0] + vectors().lanes
    }

    /// The same work for all cores, in blocks whose transformed inputs stay in a core's second cache.
    fn parts(&self, tiles: usize) -> usize {
        const NEAR: usize = 128 * 1024;
        let of_tile = self.side().inputs().pow(2) * self.geometry.input[0];
        let count = (tiles * of_tile).div_ceil(NEAR);
        count.next_multiple_of(parallel::cores()).min(tiles)
    }

    /// What the unsafe code below relies on, beside what [`Geometry`] is.
    fn check(&self) {
        let (geometry, side, lanes) = (self.geometry, self.side(), vectors().lanes);
        let [inputs, outputs] = [geometry.input, geometry.out].map(|[channels, ..]| channels);
        let [height, width] = self.whole.padded();
        assert_eq!(self.x.len(), geometry.batch * height * width * inputs);
        let tiles = side.tiles(geometry).map(|tiles| tiles * side.outputs() + 2);
        assert_eq!(tiles, [height, width]);
        assert_eq!([inputs % lanes, outputs % lanes], [0, 0]);
        assert_eq!(
            [&self.after.scale, &self.after.bias].map(Vec::len),
            [outputs; 2]
        );
        assert_eq!(self.weights.weights.len(), side.inputs().pow(2));
        assert!(Panel::are_all(self.panels(), outputs, lanes));
        for packed in &self.weights.weights {
            assert_eq!(packed.panels.depth, inputs);
            assert_eq!(packed.values.len(), self.panels().len());
            for (panel, values) in self.panels().iter().zip(&packed.values) {
                assert_eq!(values.len(), panel.inputs.len() * lanes * inputs);
            }
        }
    }
}

/// Some tiles, by one core.
struct Block<'a, T, const IN: usize, const OUT: usize> {
    job: &'a Winograd<'a>,
    /// Of all images.
    tiles: Range<usize>,
    place: Place,
    /// `[value, tile, channel]`
    inputs: *mut f32,
    /// `[value, tile, channel of the panel]`
    sums: *mut f32,
    tile: PhantomData<T>,
}

/// What a block needs beside its output.
struct Scratch {
    /// `[value, tile, channel]`
    inputs: AVec<f32>,
    /// `[value, tile, channel of the panel]`
    sums: AVec<f32>,
}

fn grow(values: &mut AVec<f32>, length: usize) {
    if values.len() < length {
        values.resize(length, 0.0);
    }
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch { inputs: AVec::new(0), sums: AVec::new(0) });
}

impl<T: Tile<IN, OUT>, const IN: usize, const OUT: usize> WithSimd for Block<'_, T, IN, OUT> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // SAFETY: `run` has made room for all values of these tiles; `Winograd::check` has compared inputs and weights with what there is.
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
    fn run(job: &'a Winograd<'a>, tiles: Range<usize>, place: Place) {
        SCRATCH.with_borrow_mut(|Scratch { inputs, sums }| {
            let lanes = vectors().lanes;
            grow(inputs, IN * IN * job.stride(tiles.len()));
            grow(sums, IN * IN * tiles.len() * vectors().beside * lanes);
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

    /// Image, row and column of a tile.
    fn at(&self, tile: usize) -> [usize; 3] {
        let [down, across] = self.job.side().tiles(self.job.geometry);
        [tile / across / down, tile / across % down, tile % across]
    }

    /// `Bᵀ d B` of all tiles.
    ///
    /// # Safety
    ///
    /// There is room for `IN * IN` values of a stride.
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "unrolled")]
    unsafe fn transform<S: Simd>(&self, simd: S) {
        let job = self.job;
        let [height, width] = job.whole.padded();
        let (channels, stride) = (self.channels(), self.stride());
        for (index, tile) in self.tiles.clone().enumerate() {
            let [image, y, x] = self.at(tile);
            let first = ((image * height + y * OUT) * width + x * OUT) * channels;
            for channel in (0..channels).step_by(S::F32_LANES) {
                // SAFETY: the last tiles end where the padded input does, and channels are whole vectors.
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

    /// For each value, the products of all tiles' inputs and a panel's weights.
    ///
    /// # Safety
    ///
    /// The inputs of all tiles are transformed, the panel has that many vectors, and there is room for the sums.
    #[inline(always)]
    unsafe fn multiply<S: Simd, const VECTORS: usize>(&self, simd: S, panel: usize) {
        let channels = self.channels();
        let tiles = self.tiles.len();
        for (value, packed) in self.job.weights.weights.iter().enumerate() {
            let weights = packed.values[panel].as_ptr();
            for some in ranges(tiles, tiles.div_ceil(6)) {
                // SAFETY: as the caller promises.
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

    /// `Aᵀ m A` of all tiles, and what follows.
    ///
    /// # Safety
    ///
    /// The sums are those of this panel for all tiles.
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "unrolled")]
    unsafe fn finish<S: Simd>(&self, simd: S, panel: &Panel) {
        let [channels, height, width] = self.job.geometry.out;
        let vectors = panel.inputs.len();
        for (index, tile) in self.tiles.clone().enumerate() {
            let [image, y, x] = self.at(tile);
            let rows = OUT.min(height - y * OUT);
            let columns = OUT.min(width - x * OUT);
            let first = ((image * height + y * OUT) * width + x * OUT) * channels;
            for vector in 0..vectors {
                let channel = panel.first + vector * S::F32_LANES;
                // SAFETY: as the caller promises; the places are of this tile, which no other thread has, and inside of the output.
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
                            let at = first + (row * width + column) * channels + channel;
                            let (after, lanes) = (&self.job.after, S::F32_LANES);
                            let value = values[row];
                            self.place.store(simd, after, value, at, channel, lanes);
                        }
                    }
                }
            }
        }
    }
}

/// Sums for some tiles, whose inputs are `length` apart.
///
/// # Safety
///
/// As that of [`products`].
#[inline(always)]
unsafe fn product<S: Simd, const TILES: usize, const VECTORS: usize>(
    simd: S,
    x: *const f32,
    length: usize,
    weights: *const S::f32s,
    to: *mut S::f32s,
) {
    let run = Run { offset: 0, length };
    // SAFETY: as the caller promises.
    unsafe {
        let x = array::from_fn(|tile| x.add(tile * length));
        products::<S, TILES, VECTORS, false>(simd, x, [0; VECTORS], &[run], weights, to);
    }
}
