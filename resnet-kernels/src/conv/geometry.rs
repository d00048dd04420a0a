//! Sizes of a convolution, checked once for all kernels.

use core::ops::{Deref, Range};

use alloc::vec::Vec;

use super::ConvOptions;
use crate::fits_in_memory;
use crate::layout::{Border, Frame};
use crate::sizes::{self, Dims};

/// The sizes of a convolution.
#[derive(Clone, Debug, PartialEq)]
pub struct Sizes {
    /// Number of images.
    pub batch: usize,
    /// Channels, height and width of the input.
    pub input: [usize; 3],
    /// Channels, height and width of the output.
    pub out: [usize; 3],
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Stride down and to the right.
    pub stride: [usize; 2],
    /// Padding above and below, then left and right.
    pub padding: [[usize; 2]; 2],
    /// Dilation down and to the right.
    pub dilation: [usize; 2],
    /// Number of channel groups.
    pub groups: usize,
}

/// Valid sizes of a convolution.
///
/// The unsafe code of the kernels relies on these invariants:
///
/// - No size except the padding is zero, and the groups divide the channels.
/// - Every tap of every output is inside the padded input.
/// - The padded input, the output and the weights have at most `MOST` values each, so no index
///   overflows.
#[derive(Clone, Debug, PartialEq)]
pub struct Geometry {
    sizes: Sizes,
    /// Zeros around the padded input: above and below, left and right.
    surplus: Border,
    /// Zeros around the output.
    border: Border,
}

/// Limit of the number of values. It exceeds any memory, and its product with the size of a vector
/// or tile does not overflow.
const MOST: usize = isize::MAX as usize / 1024;

/// Contiguous input values that are multiplied by contiguous weights.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// Offset from the first input of a pixel.
    pub(crate) offset: usize,
    pub(crate) length: usize,
}

impl Deref for Geometry {
    type Target = Sizes;

    fn deref(&self) -> &Sizes {
        &self.sizes
    }
}

impl Geometry {
    /// Returns the geometry of a convolution of an input `[batch, channels, height, width]` with
    /// weights `[out, channels / groups, kernel height, kernel width]`.
    ///
    /// Returns `None` for empty tensors, for sizes that do not match, and for buffers that do not
    /// fit into memory.
    pub fn of_conv(x: Dims, weight: Dims, options: ConvOptions) -> Option<Self> {
        let [batch, channels, height, width] = x;
        let [out_channels, group_channels, kernel @ ..] = weight;
        let ConvOptions {
            stride,
            padding,
            dilation,
            groups,
        } = options;
        let side = |axis: usize, size: usize| {
            let [kernel, stride] = [kernel, stride].map(|sides| sides[axis]);
            sizes::places(size, kernel, stride, padding[axis], dilation[axis])
        };
        let sizes = Sizes {
            batch,
            input: [channels, height, width],
            out: [out_channels, side(0, height)?, side(1, width)?],
            kernel,
            stride,
            padding: padding.map(|zeros| [zeros; 2]),
            dilation,
            groups,
        };
        (group_channels.checked_mul(groups) == Some(channels)).then(|| Self::new(sizes))?
    }

    /// Returns `None` if the sizes do not match or the buffers of a kernel do not fit into memory.
    pub fn new(sizes: Sizes) -> Option<Self> {
        let Sizes {
            batch,
            input,
            out,
            kernel,
            stride,
            dilation,
            groups,
            ..
        } = sizes;
        let empty = [
            &input[..],
            &out,
            &kernel,
            &stride,
            &dilation,
            &[batch, groups],
        ]
        .iter()
        .any(|sizes| sizes.contains(&0));
        if empty || input[0] % groups != 0 || out[0] % groups != 0 {
            return None;
        }
        let mut padded = [0; 2];
        for (axis, padded) in padded.iter_mut().enumerate() {
            let [before, after] = sizes.padding[axis];
            *padded = input[1 + axis].checked_add(before)?.checked_add(after)?;
            let first = (out[1 + axis] - 1).checked_mul(stride[axis])?;
            let last = first.checked_add((kernel[axis] - 1).checked_mul(dilation[axis])?)?;
            if last >= *padded {
                return None;
            }
        }
        let [padded, inputs, outputs, weights] = [
            [batch, input[0], padded[0], padded[1]],
            [batch, input[0], input[1], input[2]],
            [batch, out[0], out[1], out[2]],
            [out[0], input[0] / groups, kernel[0], kernel[1]],
        ]
        .map(|sizes| sizes::count(&sizes).filter(|count| *count <= MOST));
        let geometry = Self {
            sizes,
            surplus: Border::default(),
            border: Border::default(),
        };
        geometry.within_memory(padded?, inputs?, outputs?, weights?)
    }

    /// Returns the geometry for an input and an output that are surrounded by zeros.
    ///
    /// Returns `None` if the border of the input is less than the padding, or a map is too large.
    pub(crate) fn with_borders(&self, input: Border, output: Border) -> Option<Self> {
        let mut surplus = input;
        for (surplus, padding) in surplus
            .iter_mut()
            .flatten()
            .zip(self.padding.iter().flatten())
        {
            *surplus = surplus.checked_sub(*padding)?;
        }
        let around = |[channels, height, width]: [usize; 3], border: Border| {
            let sides = [height, width];
            let mut sizes = [self.batch, channels, 0, 0];
            for axis in 0..2 {
                let [before, after] = border[axis];
                sizes[2 + axis] = sides[axis].checked_add(before)?.checked_add(after)?;
            }
            sizes::count(&sizes).filter(|count| *count <= MOST)
        };
        around(self.input, input)?;
        around(self.out, output)?;
        Some(Self {
            sizes: self.sizes.clone(),
            surplus,
            border: output,
        })
    }

    fn within_memory(
        self,
        padded: usize,
        inputs: usize,
        outputs: usize,
        weights: usize,
    ) -> Option<Self> {
        /// Limit of the padded input's size, relative to input and output together.
        const LARGER: usize = 64;
        /// Number of values by which the padded input may exceed this limit.
        const FEW: usize = 1 << 22;
        /// Limit of the growth of weights by packing for several groups or by a transform.
        const PACKED: usize = 16;
        let much = padded > LARGER * (inputs + outputs) + FEW;
        let values = padded + outputs + PACKED * weights;
        (!much && fits_in_memory(values * size_of::<f32>())).then_some(self)
    }

    /// Returns the sizes of the output.
    pub fn output(&self) -> Dims {
        let [c, h, w] = self.out;
        [self.batch, c, h, w]
    }

    /// Returns the number of values of the output, with its border.
    pub fn outputs(&self) -> usize {
        let [height, width] = self.framed();
        self.batch * height * width * self.out[0]
    }

    /// Returns the height and width of the output with its border.
    pub(crate) fn framed(&self) -> [usize; 2] {
        [0, 1].map(|axis| self.out[1 + axis] + self.border[axis].iter().sum::<usize>())
    }

    /// Returns the border of the output.
    pub(crate) fn border(&self) -> Border {
        self.border
    }

    /// Sets the border of an output to a value.
    ///
    /// # Panics
    ///
    /// Panics if the number of values is wrong.
    pub(crate) fn fill_border<T: Copy>(&self, value: T, out: &mut [T]) {
        assert_eq!(out.len(), self.outputs(), "values of the output");
        let [[above, below], [left, right]] = self.border();
        let [channels, height, _] = self.out;
        let [framed, width] = self.framed();
        let row = width * channels;
        for image in out.chunks_exact_mut(framed * row) {
            let (top, rest) = image.split_at_mut(above * row);
            let (rows, bottom) = rest.split_at_mut(height * row);
            debug_assert_eq!(bottom.len(), below * row);
            top.fill(value);
            bottom.fill(value);
            for row in rows.chunks_exact_mut(row) {
                let end = row.len() - right * channels;
                row[..left * channels].fill(value);
                row[end..].fill(value);
            }
        }
    }

    /// Returns the index of the output of a pixel, in values.
    #[inline(always)]
    pub(crate) fn output_index(&self, image: usize, y: usize, x: usize) -> usize {
        let [height, width] = self.framed();
        let [[above, _], [left, _]] = self.border;
        ((image * height + above + y) * width + left + x) * self.out[0]
    }

    /// Returns the index of the input with these coordinates in the padded input.
    #[inline(always)]
    pub(crate) fn input_index(&self, image: usize, y: usize, x: usize) -> usize {
        let [height, width] = self.padded();
        let [[above, _], [left, _]] = self.surplus;
        ((image * height + above + y) * width + left + x) * self.input[0]
    }

    /// Returns the number of output pixels of all images.
    pub(crate) fn pixels(&self) -> usize {
        self.batch * self.out[1] * self.out[2]
    }

    /// Returns output channels, input channels of a group, height, width and groups of the weights.
    pub(crate) fn shape(&self) -> [usize; 5] {
        let [height, width] = self.kernel;
        let inputs = self.inputs_of_group();
        [self.out[0], inputs, height, width, self.groups]
    }

    pub(crate) fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Returns the number of input channels of a group.
    pub(crate) fn inputs_of_group(&self) -> usize {
        self.input[0] / self.groups
    }

    /// Returns the number of output channels of a group.
    pub(crate) fn outputs_of_group(&self) -> usize {
        self.out[0] / self.groups
    }

    /// Returns the number of values of the padded input.
    pub fn inputs(&self) -> usize {
        let [height, width] = self.padded();
        self.batch * height * width * self.input[0]
    }

    /// Returns the input inside its padding.
    pub(crate) fn frame(&self) -> Frame {
        let [channels, height, width] = self.input;
        Frame {
            dims: [self.batch, channels, height, width],
            border: self.around(),
        }
    }

    /// Returns whether the padded input differs from the input.
    pub(crate) fn is_padded(&self) -> bool {
        self.around() != Border::default()
    }

    /// Returns the padding with the surplus.
    pub(crate) fn around(&self) -> Border {
        [0, 1].map(|axis| [0, 1].map(|side| self.padding[axis][side] + self.surplus[axis][side]))
    }

    /// Returns the height and width of the padded input with its surplus.
    pub(crate) fn padded(&self) -> [usize; 2] {
        let around = self.around();
        [0, 1].map(|axis| self.input[1 + axis] + around[axis].iter().sum::<usize>())
    }

    /// Returns the height and width of the padded input without its surplus.
    pub(crate) fn window(&self) -> [usize; 2] {
        let padded = self.padded();
        [0, 1].map(|axis| padded[axis] - self.surplus[axis].iter().sum::<usize>())
    }

    /// Appends the index of each pixel's first input in the padded input to `inputs`, and the index of
    /// its first output to `outputs`.
    pub(crate) fn indices(
        &self,
        pixels: Range<usize>,
        inputs: &mut Vec<usize>,
        outputs: &mut Vec<usize>,
    ) {
        let [_, out_height, out_width] = self.out;
        let [down, right] = self.stride;
        let (mut row, mut x) = (pixels.start / out_width, pixels.start % out_width);
        let end = inputs.len() + pixels.len();
        inputs.reserve(pixels.len());
        outputs.reserve(pixels.len());
        while inputs.len() < end {
            let (image, y) = (row / out_height, row % out_height);
            let here = (out_width - x).min(end - inputs.len());
            let input = self.input_index(image, y * down, x * right);
            inputs.extend((0..here).map(|x| input + x * right * self.input[0]));
            let output = self.output_index(image, y, x);
            outputs.extend((0..here).map(|x| output + x * self.out[0]));
            (row, x) = (row + 1, 0);
        }
    }

    /// Returns the contiguous runs of a pixel's inputs for `channels` input channels.
    pub(crate) fn runs(&self, channels: usize) -> Vec<Run> {
        let [height, width] = self.kernel;
        let [down, right] = self.dilation;
        let all = self.input[0];
        let row = self.padded()[1] * all;
        let whole = right == 1 && channels == all;
        let (steps, length) = match whole {
            true => (1, width * channels),
            false => (width, channels),
        };
        let offset = |y, x| y * down * row + x * right * all;
        (0..height)
            .flat_map(|y| (0..steps).map(move |x| (y, x)))
            .map(|(y, x)| Run {
                offset: offset(y, x),
                length,
            })
            .collect()
    }
}
