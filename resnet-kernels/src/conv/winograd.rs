//! 3x3 convolutions of stride 1 with Winograd's algorithm (Lavin and Gray, 2016, "Fast Algorithms
//! for Convolutional Neural Networks").
//!
//! A tile of outputs is `Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A` for the weights `g` and the inputs `d` of the
//! tile. Summed over the input channels, each element of the product ⊙ is one matrix product of the
//! transformed inputs of all tiles and all weights.

mod block;
mod tile;
mod transformed;

use super::geometry::{Geometry, Sizes};
use super::job::{Job, Place};
use super::packed::Panel;
use super::{Algorithm, Epilogue};
use crate::parallel::{self, range};
use crate::simd::vectors;
use block::Block;
use tile::{Four, Two};

pub(super) use transformed::Transformed;

/// Cost of reading a weight from memory, in multiply-adds.
const READ: usize = 36;

/// Number of output rows and columns of a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Side {
    Two,
    Four,
}

impl Side {
    /// Returns the tile size of an algorithm, or `None` for a direct convolution.
    pub(super) fn of(algorithm: Algorithm) -> Option<Self> {
        match algorithm {
            Algorithm::Direct => None,
            Algorithm::Winograd2 => Some(Self::Two),
            Algorithm::Winograd4 => Some(Self::Four),
        }
    }

    pub(super) fn algorithm(self) -> Algorithm {
        match self {
            Self::Two => Algorithm::Winograd2,
            Self::Four => Algorithm::Winograd4,
        }
    }

    /// Returns whether Winograd's algorithm applies.
    pub(super) fn fits(geometry: &Geometry) -> bool {
        let lanes = vectors().lanes;
        geometry.kernel == [3, 3]
            && geometry.stride == [1, 1]
            && geometry.dilation == [1, 1]
            && geometry.groups == 1
            && lanes > 1
            && geometry.input[0].is_multiple_of(lanes)
            && geometry.out[0].is_multiple_of(lanes)
    }

    /// Returns the fastest tile size, or `None` if the algorithm does not apply or a direct
    /// convolution is faster.
    pub(super) fn fastest(geometry: &Geometry) -> Option<Self> {
        let work = |side: &Option<Self>| match side {
            None => Self::direct_work(geometry),
            Some(side) => side.work(geometry),
        };
        let sides = [None, Some(Self::Two), Some(Self::Four)];
        sides
            .into_iter()
            .filter(|_| Self::fits(geometry))
            .min_by_key(work)?
    }

    /// Returns the multiply-adds per weight of a tap, with the cost of reading the weights.
    pub(super) fn work(self, geometry: &Geometry) -> usize {
        self.inputs().pow(2) * (self.count(geometry) + READ)
    }

    /// Returns the [`work`](Self::work) of a direct convolution.
    pub(super) fn direct_work(geometry: &Geometry) -> usize {
        geometry.taps() * (geometry.pixels() + READ)
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

    /// Returns the number of tile rows and tile columns.
    fn tiles(self, geometry: &Geometry) -> [usize; 2] {
        let [_, height, width] = geometry.out;
        [height, width].map(|size| size.div_ceil(self.outputs()))
    }

    /// Returns the number of tiles of all images.
    fn count(self, geometry: &Geometry) -> usize {
        geometry.batch * self.tiles(geometry).iter().product::<usize>()
    }

    /// Pads the output to whole tiles and extends the input to match.
    pub(super) fn whole(self, geometry: &Geometry) -> Option<Geometry> {
        let mut sizes = Sizes::clone(geometry);
        for (axis, tiles) in self.tiles(geometry).into_iter().enumerate() {
            let outputs = tiles * self.outputs();
            sizes.padding[axis][1] += outputs - geometry.out[1 + axis];
            sizes.out[1 + axis] = outputs;
        }
        Geometry::new(sizes)
    }
}

/// The [`Job`] of a convolution by Winograd's algorithm.
pub(super) struct Winograd<'a> {
    /// Input, padded to whole tiles, `[batch, height, width, channels]`.
    pub(super) x: &'a [f32],
    pub(super) weights: &'a Transformed,
    pub(super) geometry: &'a Geometry,
    /// Geometry with its output padded to whole tiles.
    pub(super) whole: &'a Geometry,
    pub(super) epilogue: &'a Epilogue,
}

// SAFETY: the tiles cover all pixels without overlap, the panels cover all channels, and one thread
// runs each tile.
unsafe impl Job for Winograd<'_> {
    fn geometry(&self) -> &Geometry {
        self.geometry
    }

    fn write(&self, place: Place) {
        self.check();
        let tiles = self.side().count(self.geometry);
        let count = self.parts(tiles);
        parallel::each(count, |index| {
            let tiles = range(tiles, count, index);
            match self.side() {
                Side::Two => Block::<Two, 4, 2>::run(self, tiles, place),
                Side::Four => Block::<Four, 6, 4>::run(self, tiles, place),
            }
        });
    }
}

impl Winograd<'_> {
    fn side(&self) -> Side {
        self.weights.side
    }

    fn panels(&self) -> &[Panel] {
        &self.weights.weights[0].panels.panels
    }

    /// Returns the stride between elements of the transformed inputs of `tiles`.
    ///
    /// The stride is one vector longer than the data, because addresses a power of two apart evict
    /// each other from caches.
    fn stride(&self, tiles: usize) -> usize {
        tiles * self.geometry.input[0] + vectors().lanes
    }

    /// Returns the number of blocks. It is a multiple of the number of cores, and the transformed
    /// inputs of a block fit into a core's L2 cache. With many channels, a block has at least 32
    /// tiles instead: each block reads all weights, and smaller blocks would read them too often.
    fn parts(&self, tiles: usize) -> usize {
        const NEAR: usize = 128 * 1024;
        const TILES: usize = 32;
        let of_tile = self.side().inputs().pow(2) * self.geometry.input[0];
        let count = (tiles * of_tile).div_ceil(NEAR).min(tiles.div_ceil(TILES));
        count.next_multiple_of(parallel::cores()).min(tiles)
    }

    /// Asserts the preconditions of the unsafe code of [`Block`], in addition to the invariants of
    /// [`Geometry`].
    fn check(&self) {
        let (geometry, side, lanes) = (self.geometry, self.side(), vectors().lanes);
        let [inputs, outputs] = [geometry.input, geometry.out].map(|[channels, ..]| channels);
        assert_eq!(self.x.len(), self.whole.inputs());
        let [height, width] = self.whole.window();
        let tiles = side.tiles(geometry).map(|tiles| tiles * side.outputs() + 2);
        assert_eq!(tiles, [height, width]);
        assert_eq!([inputs % lanes, outputs % lanes], [0, 0]);
        self.epilogue.check(outputs);
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
