use burn_backend::ops::ConvOptions;

use crate::layout::Dims;

/// The sizes of a convolution.
#[derive(Clone, Debug)]
pub(super) struct Geometry {
    pub(super) batch: usize,
    /// Channels, height and width of the input.
    pub(super) input: [usize; 3],
    /// Channels, height and width of the output.
    pub(super) out: [usize; 3],
    pub(super) kernel: [usize; 2],
    pub(super) stride: [usize; 2],
    /// Zeros above and below, left and right.
    pub(super) padding: [[usize; 2]; 2],
    pub(super) dilation: [usize; 2],
    pub(super) groups: usize,
}

/// Values of the input that lie in a row, as do the weights for them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    /// From the first input of a pixel.
    pub(super) offset: usize,
    pub(super) length: usize,
}

impl Geometry {
    /// `None` where something is empty or does not fit: that is Burn's to explain.
    pub(super) fn new(x: Dims, weight: Dims, options: &ConvOptions<2>) -> Option<Self> {
        let [batch, channels, height, width] = x;
        let [out_channels, group_channels, kernel @ ..] = weight;
        let ConvOptions {
            stride,
            padding,
            dilation,
            groups,
        } = *options;
        let fits = channels == group_channels * groups && out_channels % groups == 0;
        let side = |axis: usize, size: usize| {
            let spanned = dilation[axis] * (kernel[axis].checked_sub(1)?) + 1;
            let free = (size + 2 * padding[axis]).checked_sub(spanned)?;
            Some(free / stride[axis] + 1)
        };
        let out = [out_channels, side(0, height)?, side(1, width)?];
        let full = batch * channels * height * width * out_channels > 0;
        (fits && full).then_some(Self {
            batch,
            input: [channels, height, width],
            out,
            kernel,
            stride,
            padding: padding.map(|zeros| [zeros; 2]),
            dilation,
            groups,
        })
    }

    pub(super) fn output(&self) -> Dims {
        let [c, h, w] = self.out;
        [self.batch, c, h, w]
    }

    /// Values of the output.
    pub(super) fn outputs(&self) -> usize {
        self.output().iter().product()
    }

    /// Pixels of the output, of all images.
    pub(super) fn pixels(&self) -> usize {
        self.batch * self.out[1] * self.out[2]
    }

    pub(super) fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Input channels of a group.
    pub(super) fn inputs_of_group(&self) -> usize {
        self.input[0] / self.groups
    }

    /// Output channels of a group.
    pub(super) fn outputs_of_group(&self) -> usize {
        self.out[0] / self.groups
    }

    /// Height and width of the padded input.
    pub(super) fn padded(&self) -> [usize; 2] {
        [0, 1].map(|axis| self.input[1 + axis] + self.padding[axis].iter().sum::<usize>())
    }

    /// Where the first input of each of `pixels` is in the padded input.
    pub(super) fn first_inputs(&self, pixels: core::ops::Range<usize>) -> Vec<usize> {
        let [channels, ..] = self.input;
        let [_, out_height, out_width] = self.out;
        let [height, width] = self.padded();
        let [down, right] = self.stride;
        let (mut row, mut x) = (pixels.start / out_width, pixels.start % out_width);
        let mut firsts = Vec::with_capacity(pixels.len());
        while firsts.len() < pixels.len() {
            let (image, y) = (row / out_height, row % out_height);
            let start = (image * height + y * down) * width;
            let here = (out_width - x).min(pixels.len() - firsts.len());
            firsts.extend((x..x + here).map(|x| (start + x * right) * channels));
            (row, x) = (row + 1, 0);
        }
        firsts
    }

    /// The runs of a pixel, for `channels` of one group.
    pub(super) fn runs(&self, channels: usize) -> Vec<Run> {
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
