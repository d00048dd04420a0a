//! Convolutions of unsigned bytes with signed weights.

use alloc::vec::Vec;
use core::array;
use core::ops::Range;

use aligned_vec::{AVec, avec};

use super::dot::Fours;
use super::instructions::Layout;
use super::kernel::Part;
use super::output::Target;
use super::requantize::MOST;
use super::{Instructions, Int8Output};
use crate::conv::Geometry;
use crate::conv::geometry::Run;
use crate::conv::split::{Part as Share, Split};
use crate::layout::Border;
use crate::{parallel, scratch};

/// A quantized convolution of known sizes.
///
/// Maps are `[batch, height, width, channels]`.
#[derive(Clone, Debug)]
pub struct Int8Conv {
    geometry: Geometry,
    instructions: Instructions,
    pub(super) panels: Vec<Panel>,
    pub(super) runs: Vec<Run>,
    /// The inputs of each lane if a vector of outputs spans several groups.
    pub(super) spread: Option<Vec<Fours>>,
}

/// Output channels that are computed together.
#[derive(Clone, Debug)]
pub(super) struct Panel {
    pub(super) outputs: Range<usize>,
    /// First input channel.
    pub(super) input: usize,
}

/// Weights in the order in which a kernel reads them.
#[derive(Debug)]
pub struct Int8Weights {
    instructions: Instructions,
    /// Output channels, input channels of a group, height, width and groups.
    shape: [usize; 5],
    /// Number of runs, which a dilation increases.
    runs: usize,
    /// Weights of each panel, `[four inputs, vector, weight of the vector]`.
    pub(super) panels: Vec<AVec<u8>>,
    /// What each sum starts from, which makes up for the zero point of the input: minus the sum of the
    /// weights times the zero point. For each output channel and [`MOST`] more.
    pub(super) start: Vec<i32>,
}

impl Int8Weights {
    /// Returns the size in bytes.
    pub fn bytes(&self) -> usize {
        let values: usize = self.panels.iter().map(|panel| panel.len()).sum();
        values + size_of_val(&self.start[..])
    }
}

impl Int8Conv {
    /// Creates a convolution with the fastest instructions of the processor.
    ///
    /// Returns `None` if a sum could overflow 32 bits.
    pub fn new(geometry: Geometry) -> Option<Self> {
        Self::with_instructions(geometry, Instructions::fastest())
    }

    /// Creates a convolution with the given instructions.
    ///
    /// Returns `None` if a sum could overflow 32 bits or the processor lacks the instructions.
    pub fn with_instructions(geometry: Geometry, instructions: Instructions) -> Option<Self> {
        /// Most products of 255 and -128 whose sum fits into 32 bits.
        const LARGEST: usize = (i32::MAX / (255 * 128)) as usize;
        let (inputs, outputs) = (geometry.inputs_of_group(), geometry.outputs_of_group());
        let available = Instructions::available().any(|each| each == instructions);
        if !available || inputs * geometry.taps() > LARGEST {
            return None;
        }
        let Layout { lanes, vectors, .. } = instructions.layout();
        let spans = geometry.groups > 1
            && inputs == outputs
            && inputs.is_multiple_of(4)
            && inputs < lanes
            && lanes.is_multiple_of(inputs)
            && geometry.input[0].is_multiple_of(lanes);
        let (spread, panels, runs) = match spans {
            true => {
                let panel = |first: usize| Panel {
                    outputs: first..first + lanes,
                    input: first,
                };
                let fours = |four: usize| -> Fours {
                    array::from_fn(|lane| (lane / inputs * (inputs / 4) + four) as i32)
                };
                (
                    Some((0..inputs / 4).map(fours).collect()),
                    (0..geometry.out[0]).step_by(lanes).map(panel).collect(),
                    geometry.runs(lanes),
                )
            }
            false => {
                let of_group = |group: usize| {
                    let end = (group + 1) * outputs;
                    let panel = move |first: usize| Panel {
                        outputs: first..end.min(first + lanes * vectors),
                        input: group * inputs,
                    };
                    (group * outputs..end).step_by(lanes * vectors).map(panel)
                };
                let panels = (0..geometry.groups).flat_map(of_group).collect();
                (None, panels, geometry.runs(inputs))
            }
        };
        Some(Self {
            geometry,
            instructions,
            panels,
            runs,
            spread,
        })
    }

    /// Returns the sizes.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Returns the instructions.
    pub fn instructions(&self) -> Instructions {
        self.instructions
    }

    /// Returns the convolution for an input with a border, which replaces its padding, and for an
    /// output with a border.
    ///
    /// Returns `None` if the border of the input is less than the padding, or a map is too large.
    pub fn with_borders(&self, input: Border, output: Border) -> Option<Self> {
        let geometry = self.geometry.with_borders(input, output)?;
        let channels = match &self.spread {
            Some(_) => self.instructions.layout().lanes,
            None => geometry.inputs_of_group(),
        };
        Some(Self {
            runs: geometry.runs(channels),
            geometry,
            ..self.clone()
        })
    }

    /// Returns the number of bytes of the padded input: its values, and up to three more that the
    /// kernel reads and multiplies by 0.
    pub fn input_len(&self) -> usize {
        let excess = |run: &Run| run.length.next_multiple_of(4) - run.length;
        self.geometry.inputs() + self.runs.iter().map(excess).max().unwrap_or(0)
    }

    /// Packs weights, `[out, in / groups, height, width]`, for inputs with this zero point.
    ///
    /// # Panics
    ///
    /// Panics if the number of weights is wrong.
    pub fn pack(&self, weights: &[i8], zero_point: u8) -> Int8Weights {
        let geometry = &self.geometry;
        let depth = geometry.inputs_of_group() * geometry.taps();
        assert_eq!(weights.len(), geometry.out[0] * depth, "weights");
        let offset = self.instructions.layout().offset;
        let start = |weights: &[i8]| {
            let sum: i32 = weights.iter().map(|weight| i32::from(*weight)).sum();
            sum * (offset - i32::from(zero_point))
        };
        let more = core::iter::repeat_n(0, MOST);
        Int8Weights {
            instructions: self.instructions,
            shape: geometry.shape(),
            runs: self.runs.len(),
            panels: parallel::map(self.panels.iter(), |panel| self.pack_panel(panel, weights)),
            start: weights.chunks_exact(depth).map(start).chain(more).collect(),
        }
    }

    fn pack_panel(&self, panel: &Panel, weights: &[i8]) -> AVec<u8> {
        let (inputs, taps) = (self.geometry.inputs_of_group(), self.geometry.taps());
        let Layout {
            lanes,
            bytes,
            place,
            ..
        } = self.instructions.layout();
        let vectors = panel.outputs.len().div_ceil(lanes);
        let mut packed = avec![0; self.fours() * vectors * 4 * lanes * bytes];
        for (index, output) in panel.outputs.clone().enumerate() {
            let (vector, lane) = (index / lanes, index % lanes);
            let weights = &weights[output * inputs * taps..][..inputs * taps];
            let mut four = 0;
            let mut first = 0;
            for length in self.lengths() {
                for position in 0..length {
                    // Taps of a run are contiguous.
                    let (tap, input) = ((first + position) / inputs, (first + position) % inputs);
                    let four = (four + position / 4) * vectors + vector;
                    let at = (four * 4 * lanes + place(lane, position % 4)) * bytes;
                    let weight = i16::from(weights[input * taps + tap]);
                    packed[at..at + bytes].copy_from_slice(&weight.to_le_bytes()[..bytes]);
                }
                four += length.div_ceil(4);
                first += length;
            }
        }
        packed
    }

    /// Returns the number of inputs that an output reads in each run.
    fn lengths(&self) -> impl Iterator<Item = usize> {
        let inputs = self.geometry.inputs_of_group();
        let spread = self.spread.is_some();
        let lanes = self.instructions.layout().lanes;
        self.runs.iter().map(move |run| match spread {
            true => run.length / lanes * inputs,
            false => run.length,
        })
    }

    /// Returns the number of times that an output reads four inputs.
    fn fours(&self) -> usize {
        self.lengths().map(|length| length.div_ceil(4)).sum()
    }

    /// Computes the outputs of a padded input of [`input_len`](Self::input_len) bytes.
    ///
    /// # Panics
    ///
    /// Panics if the weights were packed for another convolution, or a number of values is wrong.
    pub fn run_into(&self, x: &[u8], weights: &Int8Weights, output: Int8Output<'_>) {
        let geometry = &self.geometry;
        assert_eq!(x.len(), self.input_len(), "padded input");
        assert_eq!(weights.shape, geometry.shape(), "shape of the weights");
        assert_eq!(weights.instructions, self.instructions, "weights");
        assert_eq!(weights.runs, self.runs.len(), "runs of the weights");
        assert_eq!(weights.panels.len(), self.panels.len(), "weights");
        let Layout { lanes, bytes, .. } = self.instructions.layout();
        let fours = self.fours();
        for (panel, packed) in self.panels.iter().zip(&weights.panels) {
            let vectors = panel.outputs.len().div_ceil(lanes);
            assert_eq!(packed.len(), fours * vectors * 4 * lanes * bytes, "weights");
        }
        let target = Target::new(output, geometry.outputs(), geometry.out[0]);
        let (panels, depth) = (self.panels.len(), 4 * fours);
        // The next convolution reads the output, so it counts like the input. Measured: ResNet-50 is
        // 7 % faster if maps count twice.
        let maps = 2 * (x.len() + geometry.outputs());
        let split = Split::new(geometry, panels, depth, maps);
        parallel::each(split.count(), |index| {
            let Share { pixels, panels } = split.part(geometry.pixels(), panels, index);
            scratch::with_indices(|[firsts, outputs]| {
                geometry.indices(pixels, firsts, outputs);
                let part = Part {
                    conv: self,
                    x,
                    weights,
                    target: &target,
                    panels,
                    firsts,
                    outputs,
                };
                // SAFETY: `with_instructions` has found the instructions.
                unsafe { self.instructions.run(&part) };
            });
        });
    }

    /// Sets the border of an output to its zero point, or to 0.0.
    ///
    /// # Panics
    ///
    /// Panics if the number of values is wrong.
    pub fn clear_border<T: Copy>(&self, zero: T, out: &mut [T]) {
        self.geometry.fill_border(zero, out);
    }

    /// Returns the padding of the input.
    pub fn padding(&self) -> Border {
        self.geometry.padding
    }

    /// Writes the input, surrounded by its zero point, to `out`, which has
    /// [`input_len`](Self::input_len) bytes.
    ///
    /// # Panics
    ///
    /// Panics if a number of values is wrong.
    pub fn pad_into(&self, x: &[u8], zero_point: u8, out: &mut [u8]) {
        assert_eq!(out.len(), self.input_len(), "padded input");
        let frame = self.geometry.frame();
        let [batch, channels, height, width] = frame.dims;
        let row = width * channels;
        assert_eq!(x.len(), batch * height * row, "values of the input");
        let out = &mut out[..self.geometry.inputs()];
        frame.write(zero_point, out, |[image, y], out| {
            out.copy_from_slice(&x[(image * height + y) * row..][..row]);
        });
    }
}
