//! The split of a convolution into parts for the cores.

use core::ops::Range;

use super::geometry::Geometry;
use crate::parallel::{self, range};

/// The pixels and panels that one core computes at a time.
pub(crate) struct Part {
    pub(crate) pixels: Range<usize>,
    pub(crate) panels: Range<usize>,
}

/// The split of a convolution into parts.
pub(crate) enum Split {
    Whole,
    /// Number of parts of the panels.
    Panels(usize),
    /// Number of parts of the pixels.
    Pixels(usize),
}

impl Split {
    /// Splits the work by pixels or by channels, to minimize the memory that the cores exchange.
    ///
    /// `depth` is the number of inputs of an output. With a split by channels, every core reads all
    /// maps, of `maps` values; with a split by pixels, every core reads all weights.
    pub(crate) fn new(geometry: &Geometry, panels: usize, depth: usize, maps: usize) -> Self {
        /// Number of multiply-adds up to which a second core gives no speedup.
        const SMALL: usize = if cfg!(miri) { 0 } else { 200_000 };
        /// Number of values that fit into a core's L2 cache with the weights.
        const NEAR: usize = 128 * 1024;
        let (pixels, cores) = (geometry.pixels(), parallel::cores());
        let work = (pixels * geometry.out[0]).saturating_mul(depth);
        if cores == 1 && maps <= NEAR || work <= SMALL {
            return Self::Whole;
        }
        let by_channels = panels >= cores
            && (panels.is_multiple_of(cores) || panels >= 4 * cores)
            && depth * geometry.out[0] > maps;
        if by_channels {
            return Self::Panels(panels.min(4 * cores));
        }
        let count = (maps / NEAR).max(4 * cores).min(pixels.div_ceil(24));
        Self::Pixels(count.next_multiple_of(cores))
    }

    pub(crate) fn count(&self) -> usize {
        match *self {
            Self::Whole => 1,
            Self::Panels(count) | Self::Pixels(count) => count,
        }
    }

    pub(crate) fn part(&self, pixels: usize, panels: usize, index: usize) -> Part {
        match *self {
            Self::Whole => Part {
                pixels: 0..pixels,
                panels: 0..panels,
            },
            Self::Panels(count) => Part {
                pixels: 0..pixels,
                panels: range(panels, count, index),
            },
            Self::Pixels(count) => Part {
                pixels: range(pixels, count, index),
                panels: 0..panels,
            },
        }
    }
}
