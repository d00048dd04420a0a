//! Memory layouts of feature maps.
//!
//! A channels-last map stores the channels of a pixel contiguously, `[batch, height, width,
//! channels]`. A channels-first map stores the pixels of a channel contiguously, `[batch, channels,
//! height, width]`.

use alloc::vec;
use alloc::vec::Vec;

use crate::parallel;
use crate::sizes::Dims;

/// The values of a feature map in one of two layouts.
#[derive(Clone, Copy, Debug)]
pub enum Map<'a> {
    /// `[batch, height, width, channels]`
    ChannelsLast(&'a [f32]),
    /// `[batch, channels, height, width]`
    ChannelsFirst(&'a [f32]),
}

impl<'a> Map<'a> {
    /// Returns the values in their layout.
    pub fn values(self) -> &'a [f32] {
        let (Self::ChannelsLast(values) | Self::ChannelsFirst(values)) = self;
        values
    }

    /// Copies a row of an image to `out`, `[width, channels]`.
    #[inline(always)]
    pub(crate) fn copy_row<T>(
        self,
        [_, channels, height, width]: Dims,
        [image, y]: [usize; 2],
        out: &mut [T],
        convert: impl Fn(f32) -> T,
    ) {
        match self {
            Self::ChannelsLast(values) => {
                let from = &values[(image * height + y) * width * channels..];
                out.iter_mut()
                    .zip(from)
                    .for_each(|(to, from)| *to = convert(*from));
            }
            Self::ChannelsFirst(values) => {
                for channel in 0..channels {
                    let row = (image * channels + channel) * height + y;
                    let from = &values[row * width..][..width];
                    let to = out.iter_mut().skip(channel).step_by(channels);
                    to.zip(from).for_each(|(to, from)| *to = convert(*from));
                }
            }
        }
    }
}

/// The width of the constant values around a feature map: above and below, then left and right.
pub type Border = [[usize; 2]; 2];

/// A channels-last map of these sizes inside a border.
pub(crate) struct Frame {
    pub(crate) dims: Dims,
    pub(crate) border: Border,
}

impl Frame {
    /// Returns the height and width with the border.
    fn size(&self) -> [usize; 2] {
        let [_, _, height, width] = self.dims;
        let [rows, columns] = self.border.map(|[before, after]| before + after);
        [height + rows, width + columns]
    }

    /// Calls `row` with the index of the image, the index of the row, and each row inside the
    /// border, and sets the border to `value`.
    ///
    /// # Panics
    ///
    /// Panics if the number of values is wrong.
    pub(crate) fn write<T: Copy + Send + Sync>(
        &self,
        value: T,
        out: &mut [T],
        row: impl Fn([usize; 2], &mut [T]) + Sync,
    ) {
        let [batch, channels, height, width] = self.dims;
        let [[above, _], [left, _]] = self.border;
        let [rows, columns] = self.size();
        let length = columns * channels;
        assert_eq!(out.len(), batch * rows * length, "values of the padded map");
        parallel::chunks(out, rows * length, length, |image, start, out| {
            let y = (start / length).wrapping_sub(above);
            if y >= height {
                return out.fill(value);
            }
            let (before, rest) = out.split_at_mut(left * channels);
            let (inside, after) = rest.split_at_mut(width * channels);
            before.fill(value);
            after.fill(value);
            row([image, y], inside);
        });
    }
}

/// Transposes `[n, rows, columns]` to `[n, columns, rows]`.
pub fn transpose(values: &[f32], n: usize, rows: usize, columns: usize) -> Vec<f32> {
    let mut transposed = vec![0.0; n * rows * columns];
    transpose_into(values, [rows, columns], &mut transposed);
    transposed
}

/// Transposes matrices of `[rows, columns]` to `[columns, rows]`.
pub fn transpose_into(values: &[f32], [rows, columns]: [usize; 2], out: &mut [f32]) {
    const BLOCK: usize = 16;
    let band = BLOCK * rows;
    parallel::chunks(out, rows * columns, band, |image, start, out| {
        let image = &values[image * rows * columns..][..rows * columns];
        let first = start / rows;
        let width = out.len() / rows;
        for block in (0..rows).step_by(BLOCK) {
            for row in block..rows.min(block + BLOCK) {
                let from = &image[row * columns + first..][..width];
                for (column, value) in from.iter().enumerate() {
                    out[column * rows + row] = *value;
                }
            }
        }
    });
}
