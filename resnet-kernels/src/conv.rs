//! Convolutions of channels-last feature maps.
//!
//! For each kernel row, the inputs of an output pixel are contiguous: kernel width times channels
//! values. The innermost loop reads these inputs for several pixels and keeps their outputs in
//! registers. So a convolution needs no im2col matrix and writes every output once.
//!
//! A [`Conv`] knows its sizes and its [`Algorithm`]. It packs weights once, pads an input, and runs:
//!
//! ```
//! use resnet_kernels::conv::{Conv, ConvOptions, Epilogue, Geometry, Residual};
//! use resnet_kernels::layout::Map;
//!
//! let options = ConvOptions { padding: [1, 1], ..ConvOptions::default() };
//! let geometry = Geometry::of_conv([1, 3, 8, 8], [16, 3, 3, 3], options).unwrap();
//! let conv = Conv::fastest(geometry);
//! let weights = conv.pack(&[0.5; 16 * 3 * 3 * 3]).unwrap();
//! let relu = Epilogue::new(None, None, true, 16);
//! let x = conv.padded(Map::ChannelsLast(&[1.0; 8 * 8 * 3]));
//! let y = conv.run(&x, &weights, &relu, None);
//! assert_eq!((y.len(), y[0]), (8 * 8 * 16, 0.5 * 3.0 * 4.0));
//! let mut sum = y;
//! conv.run_into(&x, &weights, &relu, Residual::Output, &mut sum);
//! assert_eq!(sum[0], 12.0);
//! ```

mod direct;
mod epilogue;
pub(crate) mod geometry;
mod grad_input;
mod grad_weight;
mod grouped;
mod job;
mod packed;
mod padded;
mod phases;
mod products;
pub(crate) mod split;
mod winograd;

use alloc::borrow::Cow;
use alloc::vec::Vec;

pub use epilogue::{Epilogue, Residual};
pub use geometry::{Geometry, Sizes};
pub use grad_input::gradient as input_gradient;
pub use grad_weight::gradient as weight_gradient;
pub use phases::Phases;

use crate::layout::{Border, Map};
use direct::Direct;
use geometry::Run;
use grouped::{Grouped, GroupedWeights};
use job::Job;
use packed::{Packed, Panels, Weights};
use winograd::{Side, Transformed, Winograd};

/// Stride, padding, dilation and groups of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvOptions {
    /// Stride down and to the right.
    pub stride: [usize; 2],
    /// Padding above and below, left and right.
    pub padding: [usize; 2],
    /// Dilation down and to the right.
    pub dilation: [usize; 2],
    /// Number of channel groups.
    pub groups: usize,
}

impl Default for ConvOptions {
    /// Returns stride 1, no padding, dilation 1 and one group.
    fn default() -> Self {
        Self {
            stride: [1, 1],
            padding: [0, 0],
            dilation: [1, 1],
            groups: 1,
        }
    }
}

/// The algorithm of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Sums of products.
    Direct,
    /// Winograd's algorithm with tiles of 2x2 outputs. Its weights take 16 / 9 of the memory.
    Winograd2,
    /// Winograd's algorithm with tiles of 4x4 outputs. Its weights take 4 times the memory.
    Winograd4,
}

/// Largest magnitude of inputs and weights for Winograd's algorithm.
///
/// Larger values could overflow intermediate sums although the outputs do not. An infinity or a NaN
/// would reach all outputs of its tiles.
pub const LARGEST_FOR_WINOGRAD: f32 = 1e15;

/// Weights in the order in which a kernel reads them.
#[derive(Debug)]
pub struct PackedWeights {
    shape: Shape,
    kind: Kind,
}

/// Output channels, input channels of a group, height, width and groups of weights.
type Shape = [usize; 5];

#[derive(Debug)]
enum Kind {
    Direct(Packed),
    Grouped(GroupedWeights),
    Winograd(Transformed),
}

impl PackedWeights {
    /// Returns the size in bytes.
    pub fn bytes(&self) -> usize {
        let values: usize = match &self.kind {
            Kind::Direct(packed) => packed.len(),
            Kind::Grouped(weights) => weights.len(),
            Kind::Winograd(transformed) => transformed.weights.iter().map(Packed::len).sum(),
        };
        values * size_of::<f32>()
    }
}

/// A convolution of known sizes.
#[derive(Clone, Debug)]
pub struct Conv {
    geometry: Geometry,
    algorithm: Algorithm,
    /// The geometry whose output is padded to whole tiles, for Winograd's algorithm.
    whole: Option<Geometry>,
    panels: Panels,
    runs: Vec<Run>,
}

impl Conv {
    /// Creates a convolution that sums products.
    pub fn direct(geometry: Geometry) -> Self {
        let panels = Panels::new(&geometry, crate::simd::vectors());
        Self {
            runs: geometry.runs(panels.channels),
            panels,
            algorithm: Algorithm::Direct,
            whole: None,
            geometry,
        }
    }

    /// Creates a convolution with the fastest algorithm for its sizes.
    ///
    /// Winograd's algorithm has rounding errors of about 1e-6 of the largest output, ten times as
    /// large as the direct algorithm.
    pub fn fastest(geometry: Geometry) -> Self {
        match Side::fastest(&geometry) {
            Some(side) => Self::winograd(geometry, side),
            None => Self::direct(geometry),
        }
    }

    /// Creates a convolution with the given algorithm, or a direct one if the algorithm does not
    /// apply.
    pub fn with_algorithm(geometry: Geometry, algorithm: Algorithm) -> Self {
        match Side::of(algorithm).filter(|_| Side::fits(&geometry)) {
            Some(side) => Self::winograd(geometry, side),
            None => Self::direct(geometry),
        }
    }

    fn winograd(geometry: Geometry, side: Side) -> Self {
        let direct = Self::direct(geometry);
        let Some(whole) = side.whole(&direct.geometry) else {
            return direct;
        };
        Self {
            whole: Some(whole),
            algorithm: side.algorithm(),
            ..direct
        }
    }

    /// Returns the sizes.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Returns the algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Returns the padding of the input, which the algorithm may extend to whole tiles.
    pub fn padding(&self) -> Border {
        self.input().padding
    }

    /// Returns the convolution for an input with a border of zeros, which replaces its padding, and
    /// for an output with a border, which [`clear_border`](Self::clear_border) sets to zero.
    ///
    /// Returns `None` if the border of the input is less than the [`padding`](Self::padding), or a
    /// map is too large.
    pub fn with_borders(&self, input: Border, output: Border) -> Option<Self> {
        let whole = match &self.whole {
            Some(whole) => Some(whole.with_borders(input, Border::default())?),
            None => None,
        };
        let of_input = match whole {
            Some(_) => self.geometry.padding,
            None => input,
        };
        let geometry = self.geometry.with_borders(of_input, output)?;
        Some(Self {
            runs: geometry.runs(self.panels.channels),
            geometry,
            whole,
            ..self.clone()
        })
    }

    /// Sets the border of an output to zero.
    ///
    /// # Panics
    ///
    /// Panics if the number of values is wrong.
    pub fn clear_border(&self, out: &mut [f32]) {
        self.geometry.fill_border(0.0, out);
    }

    /// Packs weights, `[out, in / groups, height, width]`.
    ///
    /// Returns `None` if the algorithm is Winograd's and a weight is NaN or exceeds
    /// [`LARGEST_FOR_WINOGRAD`].
    ///
    /// # Panics
    ///
    /// Panics if the number of weights is wrong.
    pub fn pack(&self, weights: &[f32]) -> Option<PackedWeights> {
        let geometry = &self.geometry;
        let expected = geometry.out[0] * geometry.inputs_of_group() * geometry.taps();
        assert_eq!(weights.len(), expected, "weights");
        let kind = match Side::of(self.algorithm) {
            Some(side) => Kind::Winograd(Transformed::new(side, weights, geometry)?),
            None => match Grouped::supports(geometry) {
                true => Kind::Grouped(GroupedWeights::new(weights, geometry)),
                false => {
                    let weights = Weights::new(weights, geometry);
                    Kind::Direct(Packed::new(&weights, geometry, self.panels.clone()))
                }
            },
        };
        Some(PackedWeights {
            shape: geometry.shape(),
            kind,
        })
    }

    /// Returns the number of values of the padded input.
    pub fn padded_len(&self) -> usize {
        self.input().inputs()
    }

    /// Returns the number of values of the padded input, or 0 if a channels-last input needs no
    /// padding.
    pub fn padding_len(&self) -> usize {
        match self.input().is_padded() {
            true => self.input().inputs(),
            false => 0,
        }
    }

    /// Returns the padded input, `[batch, height, width, channels]`. Borrows the input if it is
    /// channels-last and needs no padding.
    pub fn padded<'a>(&self, x: Map<'a>) -> Cow<'a, [f32]> {
        padded::padded(x, self.input())
    }

    /// Returns the padded input, or `None` if it has a NaN or a magnitude above `most`.
    pub fn padded_within<'a>(&self, x: Map<'a>, most: f32) -> Option<Cow<'a, [f32]>> {
        padded::padded_within(x, self.input(), most)
    }

    /// Writes the padded input to `out`, which has [`padded_len`](Self::padded_len) values.
    ///
    /// # Panics
    ///
    /// Panics if the number of values is wrong.
    pub fn pad_into(&self, x: Map<'_>, out: &mut [f32]) {
        padded::pad_into(x, self.input(), out, |_| {});
    }

    /// The geometry whose input is padded for the algorithm.
    fn input(&self) -> &Geometry {
        self.whole.as_ref().unwrap_or(&self.geometry)
    }

    /// Computes the convolution and its epilogue. `x` is padded. The residual is channels-last, like
    /// the output.
    ///
    /// # Panics
    ///
    /// Panics if the weights were packed for another convolution, the output has a border, or a size
    /// is wrong.
    pub fn run(
        &self,
        x: &[f32],
        weights: &PackedWeights,
        epilogue: &Epilogue,
        residual: Option<&[f32]>,
    ) -> Vec<f32> {
        // The kernels do not write the border.
        assert_eq!(self.geometry.border(), Border::default(), "border");
        let length = self.geometry.outputs();
        let mut out = Vec::with_capacity(length);
        let residual = residual.map_or(Residual::None, Residual::Of);
        self.with_job(x, weights, epilogue, |job| {
            job.write(job::Place::new(
                out.spare_capacity_mut(),
                residual,
                job.geometry(),
            ));
        });
        // SAFETY: the capacity is `length`, and `write` has written every value.
        unsafe { out.set_len(length) };
        out
    }

    /// Computes the convolution like [`run`](Self::run) and writes it to `out`.
    ///
    /// # Panics
    ///
    /// Panics like [`run`](Self::run).
    pub fn run_into(
        &self,
        x: &[f32],
        weights: &PackedWeights,
        epilogue: &Epilogue,
        residual: Residual<'_>,
        out: &mut [f32],
    ) {
        let length = out.len();
        let out = out.as_mut_ptr().cast();
        // SAFETY: the kernels write initialized values only.
        let out = unsafe { core::slice::from_raw_parts_mut(out, length) };
        self.with_job(x, weights, epilogue, |job| {
            job.write(job::Place::new(out, residual, job.geometry()));
        });
    }

    fn with_job(
        &self,
        x: &[f32],
        weights: &PackedWeights,
        epilogue: &Epilogue,
        run: impl FnOnce(&dyn Job),
    ) {
        let geometry = &self.geometry;
        assert_eq!(weights.shape, geometry.shape(), "shape of the weights");
        match (&weights.kind, &self.whole) {
            (Kind::Direct(weights), None) => run(&Direct {
                x,
                weights,
                geometry,
                runs: &self.runs,
                epilogue,
            }),
            (Kind::Grouped(weights), None) => run(&Grouped {
                x,
                weights,
                geometry,
                epilogue,
            }),
            (Kind::Winograd(weights), Some(whole)) => run(&Winograd {
                x,
                weights,
                geometry,
                whole,
                epilogue,
            }),
            _ => panic!("expected weights packed for {:?}", self.algorithm),
        }
    }
}
